//! Groups of two to four workers live through random trouble, and a calm in which everything must come to its end.
//!
//! * `cargo test -p simulation --test herders` lives through the first seeds.
//! * `MILLSTREAM_HERDERS_SEED=42` lives through that one alone and prints everything that happened; with
//!   `RUST_LOG=debug,simulation=trace` as it happens, beside what the workers log.
//! * `MILLSTREAM_HERDERS_SEEDS=10000` is the long form: so many seeds, from `MILLSTREAM_HERDERS_FROM` on, in as many
//!   threads as there are processors.

mod calm;
mod process;
mod requests;
mod room;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use simulation::{history::History, plan::Plan};

/// Seeds that fail before no more are tried.
const ENOUGH: usize = 10;

/// Seeds of the short form.
const SEEDS: u64 = 30;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Lives through a seed.
fn run<T>(seed: u64, look: impl FnOnce(&History) -> T) -> T {
    let room = calm::live(Plan::of_group(seed));
    look(&room.world.state().history)
}

#[test]
fn a_group_of_workers_loses_nothing_and_runs_nothing_twice_whatever_befalls_them() {
    if let Some(seed) = number("MILLSTREAM_HERDERS_SEED") {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_ansi(false).init();
        let broken = run(seed, |history| {
            history.lines().iter().for_each(|line| println!("{line}"));
            history.broken().to_vec()
        });
        println!("{:#?}", Plan::of_group(seed));
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        return;
    }
    let from = number("MILLSTREAM_HERDERS_FROM").unwrap_or(0);
    let to = from + number("MILLSTREAM_HERDERS_SEEDS").unwrap_or(SEEDS);
    let (next, lives) = (AtomicU64::new(from), AtomicU64::new(0));
    let broken: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if to <= seed || ENOUGH <= broken.lock().expect("nothing panics over a map").len() {
                        return;
                    }
                    let first = run(seed, |history| {
                        lives.fetch_add(history.lives() as u64, Ordering::Relaxed);
                        history.broken().first().cloned()
                    });
                    if let Some(first) = first {
                        println!("MILLSTREAM_HERDERS_SEED={seed}: {first}");
                        broken.lock().expect("nothing panics over a map").insert(seed, first);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().expect("joined");
    println!("{} seeds, if none fail, in {:?}, {} lives of tasks", to - from, begun.elapsed(), lives.into_inner());
    let shown: Vec<String> =
        broken.iter().map(|(seed, first)| format!("MILLSTREAM_HERDERS_SEED={seed}: {first}")).collect();
    assert!(broken.is_empty(), "{} seeds fail:\n{}", broken.len(), shown.join("\n"));
}

#[test]
fn a_seed_replays_to_the_last_event() {
    for seed in 0..3 {
        let (one, two) = (run(seed, |history| history.lines().to_vec()), run(seed, |history| history.lines().to_vec()));
        let differs = one.iter().zip(&two).find(|(one, two)| one != two);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.len(), two.len(), "seed {seed}");
    }
}
