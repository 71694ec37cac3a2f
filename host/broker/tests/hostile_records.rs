//! Records of the offsets topic as another program may have written them: a bounded run of a fuzz target on the stable
//! toolchain, from a fixed seed; `MILLSTREAM_FUZZ` sets another number of inputs.

#[path = "../../../tests/fuzz/src/damage.rs"]
mod damage;
#[path = "../../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../../tests/fuzz/src/group_records.rs"]
mod group_records;
#[path = "../../../tests/fuzz/src/hex.rs"]
mod hex;
#[path = "../../../tests/fuzz/src/parts.rs"]
mod parts;

use self::{
    damage::{damaged, inputs},
    dice::Dice,
    hex::unhex,
};

#[test]
fn no_record_breaks_the_loading_of_groups() {
    let seeds: Vec<Vec<u8>> = group_records::SEEDS.iter().map(|record| unhex(record)).collect();
    for seed in &seeds {
        assert!(group_records::group_records(seed), "a seed is a record: {seed:02x?}");
    }
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let tokens = ["\0", "\0\0\0\u{1}", "\u{7f}", "\0\u{1}", "g", "\0\0\0\0\0\0\0\0"];
    let (count, mut dice) = (inputs(50_000), Dice(0x5eed));
    let read = (0..count).filter(|_| group_records::group_records(&damaged(&seeds, &tokens, &mut dice))).count();
    assert!(count / 20 < read, "{read} of {count} are records");
}
