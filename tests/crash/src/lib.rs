//! Kills the real process at random moments under load and looks at what is left. The tests are in
//! `tests/`; here is what they share. `MILLSTREAM_CRASH_SEED` repeats a run.

#![forbid(unsafe_code)]

mod copier;
mod frames;
pub mod histories;
mod numbers;
mod topic;

pub use copier::copy;
pub use frames::{Frames, batch_of, fetch, fetched, produce, produced};
pub use numbers::{Numbers, value_of};
pub use topic::{Follower, read_topic};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Random numbers of a seed that is printed, and that can be given.
pub fn random() -> StdRng {
    let given = std::env::var("MILLSTREAM_CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(|| rand::rng().random());
    println!("MILLSTREAM_CRASH_SEED={seed}");
    StdRng::seed_from_u64(seed)
}
