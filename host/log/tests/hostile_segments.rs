//! Partitions' folders as crashes and worn-out disks may leave them: a bounded run of a fuzz target on the stable
//! toolchain, from a fixed seed; `MILLSTREAM_FUZZ` sets another number of inputs.

#[path = "../../../tests/fuzz/src/damage.rs"]
mod damage;
#[path = "../../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../../tests/fuzz/src/segment_recovery.rs"]
mod segment_recovery;

use self::{
    damage::{damaged, inputs},
    dice::Dice,
    segment_recovery::{seeds, segment_recovery},
};

/// Pieces that mean something in many places: a new file, lengths, numbers at their ends.
const TOKENS: &[&str] = &["\0", "\0\0\0\0\0\0\0\0", "\u{7f}", "\u{2}", "\0\0\u{1}\0", "\u{1}\0\0\u{8}", "0\n1\n0 0\n"];

#[test]
fn no_files_break_the_opening_of_a_log_and_what_is_not_opened_is_not_changed() {
    let seeds = seeds();
    for seed in &seeds {
        assert!(segment_recovery(seed), "a sound log opens");
    }
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    let (count, mut dice) = (inputs(3000), Dice(0x5eed));
    let opened = (0..count).filter(|_| segment_recovery(&damaged(&seeds, TOKENS, &mut dice))).count();
    assert!(count / 20 < opened && opened < count, "{opened} of {count} open");
}
