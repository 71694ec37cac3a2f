//! How much of the broker a user or client may use: limits in memory and in the file `client-quotas`, and what was used.
//!
//! Where no limit is set, nothing is measured. What is over a limit is answered with a wait, and the connection is not
//! read for that long (KIP-219): see `api::throttle`. Changes of topics may be refused (KIP-599), and connections closed
//! (KIP-612).

pub mod bucket;
pub mod few;
pub mod limits;
pub mod rate;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use millstream_disk::Disk;
use tokio::time::Instant;

use crate::security::line_file::{LineFile, LineFileError};
use bucket::Bucket;
use few::Few;
use limits::{Entity, Kind, Limits, Name, Sharers};
use rate::{Rate, Window};

const FILE: &str = "client-quotas";

/// Limits, and what was used of them.
#[derive(Debug)]
pub struct Quotas {
    file: LineFile,
    window: Window,
    limits: RwLock<Arc<Limits>>,
    are_set: AtomicBool,
    rates: Mutex<Few<(Kind, Sharers), Rate>>,
    mutation_window: Window,
    /// Those that share one do so with others of the same limit, whose bits are the number.
    buckets: Mutex<Few<(Sharers, u64), Bucket>>,
    /// All connections together.
    connections: Mutex<Rate>,
    /// Held by who changes.
    changing: tokio::sync::Mutex<()>,
    started: Instant,
}

impl Quotas {
    /// Reads the limits. Blocks.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is damaged.
    pub fn open(
        window: Window,
        mutation_window: Window,
        disk: &Arc<dyn Disk>,
        dir: &Path,
    ) -> Result<Self, LineFileError> {
        let file = LineFile::new(disk, dir, FILE);
        let mut limits = Limits::default();
        for line in file.read()? {
            let (entity, kind, limit) = parse(&line).ok_or_else(|| file.damaged("a line is no quota"))?;
            limits.set(&entity, kind, Some(limit));
        }
        Ok(Self {
            file,
            window,
            are_set: AtomicBool::new(!limits.entities.is_empty()),
            limits: RwLock::new(Arc::new(limits)),
            rates: Mutex::default(),
            mutation_window,
            buckets: Mutex::default(),
            connections: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            started: Instant::now(),
        })
    }

    /// Whether there is any limit at all. Costs nothing.
    pub fn are_set(&self) -> bool {
        self.are_set.load(Ordering::Relaxed)
    }

    /// The limits as of now.
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the limits; durable on return. To be run to its end.
    ///
    /// # Errors
    ///
    /// Nothing has changed in memory; the file may have the new content.
    pub async fn change(&self, change: impl FnOnce(&mut Limits)) -> Result<(), LineFileError> {
        let _one = self.changing.lock().await;
        let mut limits = Limits::clone(&self.limits());
        change(&mut limits);
        let lines = limits
            .entities
            .iter()
            .flat_map(|(entity, own)| own.iter().map(|(kind, limit)| line(entity, *kind, *limit)));
        self.file.write_elsewhere(lines.collect()).await?;
        self.are_set.store(!limits.entities.is_empty(), Ordering::Relaxed);
        *self.limits.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(limits);
        Ok(())
    }

    /// Records what was used, or takes it back if negative, and says how long its user has to wait, in milliseconds.
    pub fn record(&self, kind: Kind, user: &str, client_id: &str, amount: f64, now_ms: u64) -> u64 {
        let Some((limit, sharers)) = self.limits().of(kind, user, client_id) else { return 0 };
        self.record_of(kind, limit, sharers, amount, now_ms)
    }

    fn record_of(&self, kind: Kind, limit: f64, sharers: Sharers, amount: f64, now_ms: u64) -> u64 {
        // A rate is whole whatever happened to who held the lock.
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = (kind, Sharers::default());
        let at = (now_ms, self.window.sample_ms);
        let rate = rates.of((kind, sharers), shared, at, |rate| rate.is_idle(self.window, now_ms), Rate::default);
        rate.record(amount, self.window, now_ms);
        rate.wait_ms(limit, self.window, now_ms)
    }

    /// Notes a connection from an address, and says how long it has to wait before it is closed, in milliseconds; 0 if it
    /// is to be served. One that is closed does not count.
    pub fn admit_ip(&self, ip: &str, now_ms: u64) -> u64 {
        if !self.are_set() {
            return 0;
        }
        let Some((limit, sharers)) = self.limits().of_ip(ip) else { return 0 };
        let wait_ms = self.record_of(Kind::Connections, limit, sharers.clone(), 1.0, now_ms);
        if 0 < wait_ms {
            self.record_of(Kind::Connections, limit, sharers, -1.0, now_ms);
        }
        wait_ms.min(self.window.whole_ms())
    }

    /// Notes a connection from anywhere, and says how long the next has to wait, in milliseconds.
    pub fn admit_any(&self, limit: f64, now_ms: u64) -> u64 {
        let mut rate = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        rate.record(1.0, self.window, now_ms);
        rate.wait_ms(limit, self.window, now_ms).min(self.window.whole_ms())
    }

    /// Notes that so many partitions are to be made or deleted, and says how long their user has to wait, in milliseconds.
    /// Who has to wait already is refused if `is_strict`.
    ///
    /// # Errors
    ///
    /// How long the user has to wait before the change is accepted.
    pub fn mutate(
        &self,
        user: &str,
        client_id: &str,
        partitions: usize,
        is_strict: bool,
        now_ms: u64,
    ) -> Result<u64, u64> {
        let Some((limit, sharers)) = self.limits().of(Kind::Mutation, user, client_id) else { return Ok(0) };
        let burst = limit * f64::from(self.mutation_window.samples) * (self.mutation_window.sample_ms as f64 / 1000.0);
        // A bucket is whole whatever happened to who held the lock.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let (shared, at) = ((Sharers::default(), limit.to_bits()), (now_ms, self.mutation_window.sample_ms));
        let full = || Bucket::full(limit, burst, now_ms);
        let bucket = buckets.of((sharers, 0), shared, at, |bucket| bucket.is_full(now_ms), full);
        let wait_ms = bucket.wait_ms(limit, burst, now_ms);
        if is_strict && 0 < wait_ms {
            return Err(wait_ms);
        }
        bucket.take(partitions as f64, limit, burst, now_ms);
        Ok(if is_strict { 0 } else { bucket.wait_ms(limit, burst, now_ms) })
    }

    /// Most that fits into a window, for who has a limit.
    pub fn most_in_window(&self, kind: Kind, user: &str, client_id: &str) -> Option<f64> {
        let (limit, _) = self.limits().of(kind, user, client_id)?;
        let Window { samples, sample_ms } = self.window;
        Some(limit * f64::from(samples.saturating_sub(1).max(1)) * (sample_ms as f64 / 1000.0))
    }

    /// The present moment, for [`Quotas::record`].
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Length of a sample, in milliseconds: the longest wait for time of a thread.
    pub fn sample_ms(&self) -> u64 {
        self.window.sample_ms
    }
}

fn line(entity: &Entity, kind: Kind, limit: f64) -> Vec<String> {
    let mut line = vec![kind.key().to_owned(), limit.to_string()];
    for (word, name) in [("user", &entity.user), ("client-id", &entity.client_id), ("ip", &entity.ip)] {
        match name {
            None => {}
            Some(Name::Default) => line.extend([format!("{word}-default"), String::new()]),
            Some(Name::Is(name)) => line.extend([word.to_owned(), name.clone()]),
        }
    }
    line
}

fn parse(line: &[String]) -> Option<(Entity, Kind, f64)> {
    let (head, names) = line.split_at_checked(2)?;
    let (kind, limit) = (Kind::of_key(&head[0])?, head[1].parse().ok()?);
    let mut entity = Entity::default();
    for pair in names.chunks(2) {
        let [word, name] = pair else { return None };
        match word.as_str() {
            "user" => entity.user = Some(Name::Is(name.clone())),
            "user-default" => entity.user = Some(Name::Default),
            "client-id" => entity.client_id = Some(Name::Is(name.clone())),
            "client-id-default" => entity.client_id = Some(Name::Default),
            "ip" => entity.ip = Some(Name::Is(name.clone())),
            "ip-default" => entity.ip = Some(Name::Default),
            _ => return None,
        }
    }
    (entity != Entity::default()).then_some((entity, kind, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { samples: 11, sample_ms: 1000 };

    #[tokio::test]
    async fn limits_outlive_the_process_and_are_held_against_who_shares_them() {
        let folder = tempfile::tempdir().unwrap();
        let disk = millstream_disk::real();
        let quotas = Quotas::open(WINDOW, WINDOW, &disk, folder.path()).unwrap();
        assert!(!quotas.are_set());
        assert_eq!(quotas.record(Kind::Produce, "u", "c", 1e12, 0), 0);
        let user = |name| Entity { user: Some(name), ..Entity::default() };
        let both = Entity { user: Some(Name::Default), client_id: Some(Name::Is("c\td".to_owned())), ip: None };
        quotas
            .change(|limits| {
                limits.set(&user(Name::Is("u".to_owned())), Kind::Produce, Some(100.0));
                limits.set(&both, Kind::Request, Some(12.5));
            })
            .await
            .unwrap();
        let again = Quotas::open(WINDOW, WINDOW, &disk, folder.path()).unwrap();
        assert_eq!(again.limits(), quotas.limits());
        assert!(again.are_set());
        assert_eq!(again.record(Kind::Produce, "u", "c", 900.0, 0), 0);
        assert_eq!(again.record(Kind::Produce, "u", "other", 300.0, 0), 2000, "all of a user's clients share it");
        assert_eq!(again.record(Kind::Produce, "v", "c", 1e9, 0), 0);
        assert_eq!(again.most_in_window(Kind::Produce, "u", "c"), Some(1000.0));
        again.change(|limits| *limits = Limits::default()).await.unwrap();
        assert!(!again.are_set());
    }

    #[tokio::test]
    async fn rates_have_a_bound_and_what_comes_on_top_shares_one() {
        let folder = tempfile::tempdir().unwrap();
        let quotas = Quotas::open(WINDOW, WINDOW, &millstream_disk::real(), folder.path()).unwrap();
        let everybody = Entity { client_id: Some(Name::Default), ..Entity::default() };
        quotas.change(|limits| limits.set(&everybody, Kind::Fetch, Some(100.0))).await.unwrap();
        for client in 0..few::MOST + 5 {
            quotas.record(Kind::Fetch, "u", &client.to_string(), 400.0, 0);
        }
        assert!(quotas.rates.lock().unwrap().len() <= few::MOST + 1);
        assert!(0 < quotas.record(Kind::Fetch, "u", "one more", 0.0, 0), "nobody gets away by a new name");
        assert_eq!(quotas.record(Kind::Fetch, "u", "later", 400.0, 20_000), 0);
    }

    #[tokio::test]
    async fn changes_of_topics_pass_in_bursts_and_are_refused_or_waited_for_beyond() {
        let folder = tempfile::tempdir().unwrap();
        let quotas = Quotas::open(WINDOW, WINDOW, &millstream_disk::real(), folder.path()).unwrap();
        let user = Entity { user: Some(Name::Is("u".to_owned())), ..Entity::default() };
        assert_eq!(quotas.mutate("u", "c", 1_000_000, true, 0), Ok(0), "there is no limit");
        quotas.change(|limits| limits.set(&user, Kind::Mutation, Some(1.0))).await.unwrap();
        assert_eq!(quotas.mutate("u", "c", 11, true, 0), Ok(0));
        assert_eq!(quotas.mutate("u", "c", 5, true, 0), Ok(0), "the last may overdraw");
        assert_eq!(quotas.mutate("u", "d", 1, true, 0), Err(5000), "all clients of a user share it");
        assert_eq!(quotas.mutate("v", "c", 1, true, 0), Ok(0));
        assert_eq!(quotas.mutate("u", "c", 1, false, 1000), Ok(5000), "old clients are not refused, but wait");
        assert_eq!(quotas.mutate("u", "c", 1, true, 6000), Ok(0));
    }

    #[tokio::test]
    async fn connections_of_one_address_are_counted_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let quotas = Quotas::open(WINDOW, WINDOW, &millstream_disk::real(), folder.path()).unwrap();
        let all = Entity { ip: Some(Name::Default), ..Entity::default() };
        assert_eq!(quotas.admit_ip("a", 0), 0);
        quotas.change(|limits| limits.set(&all, Kind::Connections, Some(1.0))).await.unwrap();
        for _ in 0..10 {
            assert_eq!(quotas.admit_ip("a", 0), 0);
        }
        for _ in 0..3 {
            assert_eq!(quotas.admit_ip("a", 0), 1000, "one that is closed does not count");
        }
        assert_eq!(quotas.admit_ip("b", 0), 0);
        let again = Quotas::open(WINDOW, WINDOW, &millstream_disk::real(), folder.path()).unwrap();
        assert_eq!(again.limits(), quotas.limits());
    }
}
