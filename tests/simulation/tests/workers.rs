//! Workers live through random trouble; see the library for the world and what must hold in it.
//!
//! * `cargo test -p simulation` lives through the first hundred seeds.
//! * `MILLSTREAM_SIMULATION_SEED=42` lives through that one alone and prints everything that happened.
//! * `MILLSTREAM_SIMULATION_SEEDS=100000` is the long form: so many seeds, from
//!   `MILLSTREAM_SIMULATION_FROM` on, in as many threads as there are processors.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use simulation::{
    history::History,
    live,
    plan::{Fault, Plan},
};

/// Seeds that fail before no more are tried.
const ENOUGH: usize = 10;

/// Seeds of the short form.
const SEEDS: u64 = 100;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

/// Lives through a seed.
fn run<T>(seed: u64, look: impl FnOnce(&History) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads");
    let world = runtime.block_on(live(Plan::new(seed)));
    look(&world.state().history)
}

#[test]
fn every_record_ends_in_a_named_way_whatever_happens() {
    if let Some(seed) = number("MILLSTREAM_SIMULATION_SEED") {
        let broken = run(seed, |history| {
            history.lines().iter().for_each(|line| println!("{line}"));
            history.broken().to_vec()
        });
        println!("{:#?}", Plan::new(seed));
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        return;
    }
    let from = number("MILLSTREAM_SIMULATION_FROM").unwrap_or(0);
    let to = from + number("MILLSTREAM_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (next, lives) = (AtomicU64::new(from), AtomicU64::new(0));
    let injected: Mutex<BTreeMap<Fault, u64>> = Mutex::default();
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
                        let mut injected = injected.lock().expect("nothing panics over a sum");
                        for (fault, count) in history.injected() {
                            *injected.entry(*fault).or_default() += count;
                        }
                        history.broken().first().cloned()
                    });
                    if let Some(first) = first {
                        broken.lock().expect("nothing panics over a map").insert(seed, first);
                    }
                }
            });
        }
    });
    let (broken, injected) = (broken.into_inner().expect("joined"), injected.into_inner().expect("joined"));
    println!(
        "{} seeds, if none fail, in {:?}, {} lives of tasks, faults: {injected:?}",
        to - from,
        begun.elapsed(),
        lives.into_inner()
    );
    // Of these few are drawn, and none is to be forgotten.
    for fault in [Fault::FenceFails, Fault::TransactionUncertain] {
        let drawn = injected.get(&fault).copied().unwrap_or(0);
        assert!(to - from < SEEDS || 0 < drawn, "{fault:?} was never drawn");
    }
    let shown: Vec<String> =
        broken.iter().map(|(seed, first)| format!("MILLSTREAM_SIMULATION_SEED={seed}: {first}")).collect();
    assert!(broken.is_empty(), "{} seeds fail:\n{}", broken.len(), shown.join("\n"));
}

#[test]
fn a_seed_replays_to_the_last_event() {
    for seed in 0..10 {
        let (one, two) = (run(seed, |history| history.lines().to_vec()), run(seed, |history| history.lines().to_vec()));
        let differs = one.iter().zip(&two).find(|(one, two)| one != two);
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(one.len(), two.len(), "seed {seed}");
    }
}
