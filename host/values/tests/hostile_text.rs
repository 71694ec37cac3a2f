//! Date patterns and regular expressions with text as strangers might write them: a bounded run of two fuzz targets on
//! the stable toolchain, from a fixed seed; `MILLSTREAM_FUZZ` sets another number of inputs.

#[path = "../../../tests/fuzz/src/damage.rs"]
mod damage;
#[path = "../../../tests/fuzz/src/date_patterns.rs"]
mod date_patterns;
#[path = "../../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../../tests/fuzz/src/java_regex.rs"]
mod java_regex;
#[path = "../../../tests/fuzz/src/parts.rs"]
mod parts;

use self::{
    damage::{damaged, inputs},
    dice::Dice,
};

#[test]
fn date_patterns_take_any_text() {
    let (seeds, tokens) = (date_patterns::SEEDS, date_patterns::TOKENS);
    for seed in seeds {
        assert!(date_patterns::date_patterns(seed), "{:?} is a pattern", String::from_utf8_lossy(seed));
    }
    let (count, mut dice) = (inputs(20_000), Dice(0x5eed));
    let patterns = (0..count).filter(|_| date_patterns::date_patterns(&damaged(seeds, tokens, &mut dice))).count();
    assert!(count / 4 < patterns, "{patterns} of {count} are patterns");
}

#[test]
fn regular_expressions_take_any_text() {
    let (seeds, tokens) = (java_regex::SEEDS, java_regex::TOKENS);
    for seed in seeds {
        assert!(java_regex::java_regex(seed), "{:?} is a pattern", String::from_utf8_lossy(seed));
    }
    let (count, mut dice) = (inputs(10_000), Dice(0x5eed));
    let patterns = (0..count).filter(|_| java_regex::java_regex(&damaged(seeds, tokens, &mut dice))).count();
    assert!(count / 4 < patterns, "{patterns} of {count} are patterns");
}
