//! JSON and headers as any producer may write them: a bounded run of two fuzz targets on the stable toolchain, from a
//! fixed seed; `MILLSTREAM_FUZZ` sets another number of inputs.

#[path = "../../../tests/fuzz/src/damage.rs"]
mod damage;
#[path = "../../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../../tests/fuzz/src/header_grammar.rs"]
mod header_grammar;
#[path = "../../../tests/fuzz/src/json_decode.rs"]
mod json_decode;
#[path = "../../../tests/fuzz/src/parts.rs"]
mod parts;
#[path = "../../../tests/fuzz/src/support.rs"]
mod support;

use self::{
    damage::{damaged, inputs},
    dice::Dice,
};

#[test]
fn json_that_is_read_is_written_and_read_the_same() {
    let (seeds, tokens) = (json_decode::SEEDS, json_decode::TOKENS);
    assert!(seeds.iter().all(|seed| json_decode::json_decode(seed)), "something in each seed is read");
    let (count, mut dice) = (inputs(5_000), Dice(0x5eed));
    let read = (0..count).filter(|_| json_decode::json_decode(&damaged(seeds, tokens, &mut dice))).count();
    assert!(count / 4 < read, "{read} of {count} are read");
}

#[test]
fn headers_that_are_read_are_printed_and_read_the_same() {
    let (seeds, tokens) = (header_grammar::SEEDS, header_grammar::TOKENS);
    let (count, mut dice) = (inputs(20_000), Dice(0x5eed));
    let read = (0..count).filter(|_| header_grammar::header_grammar(&damaged(seeds, tokens, &mut dice))).count();
    assert!(count / 10 < read, "{read} of {count} are more than text");
}

#[test]
fn a_message_as_deep_as_may_be_means_the_same_in_a_batch() {
    let lists = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    let objects = format!("{}1{}", "{\"a\":".repeat(1000), "}".repeat(1000));
    let input = [b"\x00", lists.as_bytes(), b"\xff\xff", objects.as_bytes()].concat();
    // Frames take more where nothing is optimised.
    let read = std::thread::Builder::new().stack_size(16 << 20).spawn(move || json_decode::json_decode(&input));
    assert!(read.unwrap().join().unwrap());
}
