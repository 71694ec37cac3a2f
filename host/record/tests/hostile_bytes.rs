//! Bytes as a hostile plugin might hand them over: each is refused, or can be read and written completely. A bounded run
//! of the fuzz target on the stable toolchain, from a fixed seed; `MILLSTREAM_FUZZ` sets another number of inputs.

#[path = "../../../tests/fuzz/src/batch.rs"]
mod batch;
#[path = "../../../tests/fuzz/src/dice.rs"]
mod dice;
#[path = "../../../tests/fuzz/src/support.rs"]
mod support;

use std::{fs, path::PathBuf};

use self::{batch::batch, dice::Dice};

fn corpus() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "batch"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Damages bytes in one of the ways that have found mistakes elsewhere.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const ODD: [u32; 12] = [0, 1, 2, 7, 8, 32, 40, 255, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len());
    match dice.below(8) {
        0 => bytes[at] ^= 1 << dice.below(8),
        1 => bytes[at] = dice.next() as u8,
        // A word, most often a field of the header or the directory.
        2..=4 => {
            let at = at / 4 * 4;
            let word = match dice.below(3) {
                0 => ODD[dice.below(ODD.len())],
                1 => dice.below(bytes.len()) as u32,
                _ => bytes
                    .get(at..at + 4)
                    .map_or(0, |old| u32::from_le_bytes(old.try_into().unwrap()))
                    .wrapping_add([1, u32::MAX, 4, 8][dice.below(4)]),
            };
            if let Some(field) = bytes.get_mut(at..at + 4) {
                field.copy_from_slice(&word.to_le_bytes());
            }
        }
        // One entry of the directory over another.
        5 => {
            let directory = bytes.get(16..20).map_or(0, |at| u32::from_le_bytes(at.try_into().unwrap())) as usize;
            let nodes = bytes.len().saturating_sub(directory) / 40;
            let (from, to) = (directory + dice.below(nodes) * 40, directory + dice.below(nodes) * 40);
            if from.max(to) + 40 <= bytes.len() {
                bytes.copy_within(from..from + 40, to);
            }
        }
        // A piece copied over another place.
        6 => {
            let len = 1 + dice.below(32.min(bytes.len()));
            let from = dice.below(bytes.len() - len + 1);
            let to = dice.below(bytes.len() - len + 1);
            bytes.copy_within(from..from + len, to);
        }
        // Cut off, with a header that agrees.
        _ => {
            bytes.truncate(at);
            let len = bytes.len() as u32;
            if let Some(field) = bytes.get_mut(28..32) {
                field.copy_from_slice(&len.to_le_bytes());
            }
        }
    }
}

#[test]
fn what_is_accepted_can_be_read_and_written_completely() {
    let inputs = std::env::var("MILLSTREAM_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let corpus = corpus();
    assert!(corpus.iter().all(|bytes| batch(bytes)), "the golden files are batches");
    let mut dice = Dice(0x5eed);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..inputs {
        let mut bytes = corpus[dice.below(corpus.len())].clone();
        for _ in 0..1 + dice.below(4) {
            damage(&mut bytes, &mut dice);
        }
        if batch(&bytes) { accepted += 1 } else { refused += 1 }
    }
    // Both happen often, or the damage is not of the right kind.
    assert!(inputs / 20 < accepted && inputs / 4 < refused, "{accepted} accepted, {refused} refused");
}

#[test]
fn bytes_without_sense_are_refused() {
    let mut dice = Dice(0xbad);
    for round in 0..20_000 {
        let len = dice.below(300);
        let mut bytes: Vec<u8> = (0..len).map(|_| dice.next() as u8).collect();
        if round % 2 == 0 && 32 <= len {
            // A header that is nearly right, so that the rest is looked at.
            bytes[..8].copy_from_slice(b"MSB1\x01\0\0\0");
            let small = |dice: &mut Dice| (dice.below(len) as u32).to_le_bytes();
            for at in (8..28).step_by(4) {
                let word = small(&mut dice);
                bytes[at..at + 4].copy_from_slice(&word);
            }
            bytes[28..32].copy_from_slice(&(len as u32).to_le_bytes());
        }
        batch(&bytes);
    }
}
