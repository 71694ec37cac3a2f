//! Damage to texts, as a fuzzer with a dictionary would do it.

use super::dice::Dice;

/// How many inputs a bounded run has: `MILLSTREAM_FUZZ`, or as many as take a second.
pub fn inputs(usual: usize) -> usize {
    std::env::var("MILLSTREAM_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// One of the seeds, changed in a few places.
pub fn damaged(seeds: &[&[u8]], tokens: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].to_vec();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let len = dice.below(bytes.len() - at + 1).min(16);
        match dice.below(7) {
            0 => drop(bytes.splice(at..at, tokens[dice.below(tokens.len())].bytes())),
            1 => drop(bytes.splice(at..at + len, tokens[dice.below(tokens.len())].bytes())),
            2 => drop(bytes.drain(at..at + len)),
            3 => {
                let piece = bytes[at..at + len].repeat(1 + dice.below(40));
                let to = dice.below(bytes.len() + 1);
                drop(bytes.splice(to..to, piece));
            }
            4 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            5 if at < bytes.len() => bytes[at] = dice.next() as u8,
            _ => {
                let other = seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes
}
