//! What JSON costs serde_json's `Value` with default features, on the bench's behalf.
//!
//! Standard input has a number of messages, the messages, one a line, and then one question a line: `decode` or
//! `encode` and how often. The answer on standard output is the processor time that took, in ns.

use std::{
    hint::black_box,
    io::{self, BufRead},
    time::Duration,
};

use serde_json::Value;

#[expect(dead_code, reason = "this process allocates as the bench does, and does not ask for the count")]
#[path = "../../src/counting.rs"]
mod counting;
#[path = "../../src/thread_clock.rs"]
mod thread_clock;

use thread_clock::busy;

/// The allocator of the bench.
#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn main() {
    let mut lines = io::stdin().lock().lines().map(|line| line.expect("the bench writes lines of text"));
    let count: usize = lines.next().expect("a number of messages").parse().expect("a number");
    let messages: Vec<Vec<u8>> = lines.by_ref().take(count).map(String::into_bytes).collect();
    let read = |message: &Vec<u8>| -> Value { serde_json::from_slice(message).expect("a message is JSON") };
    let values: Vec<Value> = messages.iter().map(read).collect();
    let mut out = Vec::new();
    for question in lines {
        let (what, times) = question.split_once(' ').expect("a word and a number");
        let times: u32 = times.parse().expect("a number");
        let taken = match what {
            "decode" => timed(times, || messages.iter().for_each(|message| drop(black_box(read(message))))),
            "encode" => timed(times, || {
                out.clear();
                values.iter().for_each(|value| serde_json::to_writer(&mut out, value).expect("memory takes all"));
                black_box(&out);
            }),
            other => panic!("no such question: {other}"),
        };
        println!("{}", taken.as_nanos());
    }
}

fn timed(times: u32, mut work: impl FnMut()) -> Duration {
    let begin = busy();
    (0..times).for_each(|_| work());
    busy() - begin
}
