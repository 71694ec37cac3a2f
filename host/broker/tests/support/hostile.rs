//! Damage to requests, and a count of what panics meanwhile.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use millstream_broker::Broker;
use millstream_wire::protocol::messages::{ApiKey, MetadataRequest, MetadataResponse};

use self::dice::Dice;
use super::Client;

#[path = "../../../../tests/fuzz/src/dice.rs"]
mod dice;

/// Damaged copies of one request, unless `MILLSTREAM_FUZZ` sets another number.
const COPIES: usize = 12;

static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Panics anywhere in the process.
pub struct Panics;

impl Panics {
    /// Counts from now on.
    pub fn count() -> Self {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            SEEN.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
        Self
    }

    /// How many there were.
    pub fn so_far(&self) -> usize {
        SEEN.load(Ordering::Relaxed)
    }
}

/// Sends damaged copies of requests, each on a connection of its own, which must end. Another connection is served
/// all the while.
pub async fn send_damaged(broker: &Broker, requests: &[Bytes]) {
    let copies = std::env::var("MILLSTREAM_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(COPIES);
    let mut dice = Dice(0x5eed);
    let mut other = Client::new(broker);
    for request in requests {
        for _ in 0..copies {
            let mut hostile = Client::new(broker);
            hostile.send_raw(&damaged(request, &mut dice)).await;
            // It is gone before an answer that waits for something.
            hostile.end().await;
        }
        let answer: MetadataResponse = other.call(ApiKey::Metadata, 12, &MetadataRequest::default()).await;
        assert_eq!(answer.error_code, 0);
    }
}

fn damaged(frame: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    let after_prefix = |dice: &mut Dice| 4 + dice.below(frame.len() - 4);
    match dice.below(8) {
        // Cut off, with a prefix that knows, and with one that does not.
        0 => {
            bytes.truncate(after_prefix(dice));
            let len = bytes.len() as i32 - 4;
            bytes[..4].copy_from_slice(&len.to_be_bytes());
        }
        1 => bytes.truncate(dice.below(frame.len())),
        // Another size.
        2 => {
            let odd = [-1_i32, 0, 1, 3, i32::MAX, i32::MIN, 104_857_600, 104_857_601];
            bytes[..4].copy_from_slice(&odd[dice.below(odd.len())].to_be_bytes());
        }
        // Another version, another API.
        3 => bytes[6..8].copy_from_slice(&(dice.below(40) as i16 - 4).to_be_bytes()),
        4 => bytes[4..6].copy_from_slice(&(dice.below(100) as i16 - 4).to_be_bytes()),
        // A length or count at its ends.
        5 => {
            let at = after_prefix(dice);
            let odd = [0xff_u8, 0x7f, 0x80, 0];
            let value = odd[dice.below(odd.len())];
            let end = bytes.len().min(at + 1 + dice.below(4));
            bytes[at..end].fill(value);
        }
        _ => {
            for _ in 0..1 + dice.below(4) {
                let at = after_prefix(dice);
                bytes[at] ^= 1 << dice.below(8);
            }
        }
    }
    bytes
}
