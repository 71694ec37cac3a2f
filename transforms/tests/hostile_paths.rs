//! Field paths as anybody might configure them, on values of any shape: a bounded run of the fuzz target on the stable
//! toolchain, from a fixed seed; `MILLSTREAM_FUZZ` sets another number of inputs.

#[path = "../../tests/fuzz/src/damage.rs"]
mod damage;
#[path = "../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../tests/fuzz/src/field_paths.rs"]
mod field_paths;
#[path = "../../tests/fuzz/src/parts.rs"]
mod parts;

use self::{
    damage::{damaged, inputs},
    dice::Dice,
};

#[test]
fn paths_take_values_of_any_shape() {
    let (seeds, tokens) = (field_paths::SEEDS, field_paths::TOKENS);
    assert!(seeds.iter().all(|seed| field_paths::field_paths(seed)), "the seeds are paths");
    let (count, mut dice) = (inputs(2_000), Dice(0x5eed));
    let paths = (0..count).filter(|_| field_paths::field_paths(&damaged(seeds, tokens, &mut dice))).count();
    assert!(count / 4 < paths, "{paths} of {count} are paths");
}
