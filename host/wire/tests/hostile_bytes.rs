//! Frames, messages and record batches as strangers might send them: bounded runs of three fuzz targets on the stable
//! toolchain, from a fixed seed; `MILLSTREAM_FUZZ` sets another number of inputs.

#[path = "../../../tests/fuzz/src/damage.rs"]
mod damage;
#[path = "../../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../../tests/fuzz/src/hex.rs"]
mod hex;
#[path = "../../../tests/fuzz/src/messages.rs"]
mod messages;
#[path = "../../../tests/fuzz/src/record_batches.rs"]
mod record_batches;
#[path = "../../../tests/fuzz/src/request_frames.rs"]
mod request_frames;

use self::{
    damage::{damaged, inputs},
    dice::Dice,
    hex::unhex,
};

/// Pieces that mean something in many places: lengths, counts and varints at their ends.
const TOKENS: &[&str] = &["\0", "\0\0\0\u{1}", "\u{7f}", "\u{1}", "\0\0", "v", "\u{2}", "\0\0\0\0\0\0\0\0"];

/// How many of the inputs meant something to a body.
fn run(body: fn(&[u8]) -> bool, seeds: &[Vec<u8>], count: usize) -> usize {
    for seed in seeds {
        assert!(body(seed), "a seed means something: {seed:02x?}");
    }
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let mut dice = Dice(0x5eed);
    (0..count).filter(|_| body(&damaged(&seeds, TOKENS, &mut dice))).count()
}

#[test]
fn no_stream_of_bytes_breaks_the_reading_of_requests() {
    let seeds: Vec<Vec<u8>> = request_frames::SEEDS.iter().map(|stream| [&[3], &*unhex(stream)].concat()).collect();
    let (count, understood) = (inputs(30_000), run(request_frames::request_frames, &seeds, inputs(30_000)));
    assert!(count / 20 < understood, "{understood} of {count} hold a request");
}

#[test]
fn no_body_of_a_message_breaks_its_reading() {
    let seeds: Vec<Vec<u8>> = messages::SEEDS.iter().map(|body| unhex(body)).collect();
    let (count, understood) = (inputs(30_000), run(messages::messages, &seeds, inputs(30_000)));
    assert!(count / 20 < understood, "{understood} of {count} are messages");
}

#[test]
fn a_batch_that_is_taken_can_be_read_and_is_taken_again() {
    let recorded = include_str!("../../broker/tests/recorded/produce-4.3.txt");
    let sent = recorded.lines().filter(|line| !line.starts_with('#')).flat_map(|line| {
        let batches = line.split('|').nth(3).unwrap().split(',');
        batches.filter(|batch| batch.bytes().all(|byte| byte.is_ascii_hexdigit())).map(unhex)
    });
    // What was sent to Kafka, in every codec, and with every rule of ours.
    let mut seeds: Vec<Vec<u8>> = sent.map(|batch| [&[0], &*batch].concat()).collect();
    let all = seeds.len();
    seeds.extend(record_batches::SEEDS.iter().map(|batch| unhex(batch)));
    seeds.retain(|seed| record_batches::record_batches(seed));
    assert!(all / 3 < seeds.len(), "{} of {all} that were sent to Kafka", seeds.len());
    let (count, taken) = (inputs(30_000), run(record_batches::record_batches, &seeds, inputs(30_000)));
    assert!(count / 20 < taken, "{taken} of {count} are batches");
}
