//! What keeps clients from their brokers, in the log: at once, and then every few seconds while it lasts.
//!
//! Every task has clients of its own, and all of them try again and again. So the process tells about an address,
//! not about an attempt. When to tell is a plain value; the log is beside it.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use millstream_record::ErrorChain;
use tokio::time::Instant;

use crate::dial::HostPort;

/// Time between two lines about one address in the first minute.
const OFTEN: Duration = Duration::from_secs(5);
/// The same after that.
const SELDOM: Duration = Duration::from_secs(30);
const FIRST_MINUTE: Duration = Duration::from_secs(60);

/// Addresses that are remembered at a time.
const MOST_ADDRESSES: usize = 256;

/// How long a connection may be under way before that is worth a line.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);

/// What one line is to say besides the cause.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Report {
    /// For how long the address has not been reached.
    lasting: Duration,
    /// Failures since the line before.
    failures: u64,
}

#[derive(Clone, Copy, Debug)]
struct Trouble {
    since: Instant,
    told: Instant,
    failures: u64,
}

/// Addresses that are not reached at the moment.
#[derive(Debug)]
struct Troubles {
    by_address: BTreeMap<HostPort, Trouble>,
}

impl Troubles {
    const fn new() -> Self {
        Self { by_address: BTreeMap::new() }
    }

    /// Notes a failure, or that an attempt which began at `since` goes on. Returns what to tell if it is time.
    fn note(&mut self, address: &HostPort, since: Instant, now: Instant) -> Option<Report> {
        if let Some(trouble) = self.by_address.get_mut(address) {
            let lasting = now.duration_since(trouble.since);
            trouble.failures += 1;
            let interval = if lasting < FIRST_MINUTE { OFTEN } else { SELDOM };
            if now.duration_since(trouble.told) < interval {
                return None;
            }
            let failures = std::mem::take(&mut trouble.failures);
            trouble.told = now;
            return Some(Report { lasting, failures });
        }
        if MOST_ADDRESSES <= self.by_address.len() {
            // The one that was told least recently is either over or of the least interest.
            let oldest = self.by_address.iter().min_by_key(|(_, trouble)| trouble.told);
            if let Some(oldest) = oldest.map(|(address, _)| address.clone()) {
                self.by_address.remove(&oldest);
            }
        }
        self.by_address.insert(address.clone(), Trouble { since, told: now, failures: 0 });
        Some(Report { lasting: now.duration_since(since), failures: 1 })
    }

    /// The address is reached. Returns for how long it was not.
    fn over(&mut self, address: &HostPort, now: Instant) -> Option<Duration> {
        self.by_address.remove(address).map(|trouble| now.duration_since(trouble.since))
    }
}

fn troubles() -> MutexGuard<'static, Troubles> {
    static TROUBLES: Mutex<Troubles> = Mutex::new(Troubles::new());
    TROUBLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection could not be made in an attempt that began at `since`; `likely_cause` is what to look at first.
pub(crate) fn not_connected(
    client: &str,
    address: &HostPort,
    since: Instant,
    error: &(dyn Error + 'static),
    likely_cause: Option<&str>,
) {
    let Some(report) = troubles().note(address, since, Instant::now()) else { return };
    let lasting = seconds(report.lasting);
    tracing::warn!(
        %address, client, error = %ErrorChain(error), not_reached_for = lasting, failures = report.failures,
        "the broker is not reached{}; it is tried again", hint(likely_cause)
    );
}

/// A connection is still being made.
pub(crate) fn still_connecting(client: &str, address: &HostPort, since: Instant, accepted: bool) {
    let Some(report) = troubles().note(address, since, Instant::now()) else { return };
    let cause = if accepted { SILENT_CAUSE } else { "a firewall in between, or a wrong address" };
    let what = if accepted { "accepts connections but does not answer" } else { "does not answer" };
    let lasting = seconds(report.lasting);
    tracing::warn!(%address, client, not_reached_for = lasting, "the broker {what} (likely cause: {cause}); it is waited for");
}

/// A connection is there.
pub(crate) fn connected(client: &str, address: &HostPort) {
    if let Some(lasted) = troubles().over(address, Instant::now()) {
        tracing::info!(%address, client, not_reached_for = seconds(lasted), "the broker is reached again");
    }
}

/// A connection that was in use broke. Only what no healthy broker does is worth a line: one that closes or goes away
/// is missed at the next connection.
pub(crate) fn broken(client: &str, address: &HostPort, reason: &(dyn Error + 'static), healthy: bool) {
    if healthy {
        tracing::debug!(%address, client, error = %ErrorChain(reason), "the connection to the broker has ended");
        return;
    }
    let now = Instant::now();
    if troubles().note(address, now, now).is_some() {
        tracing::warn!(%address, client, error = %ErrorChain(reason), "the connection to the broker was given up; another one is made");
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}

pub(crate) const SILENT_CAUSE: &str =
    "a TLS or SASL port that security.protocol does not fit, another program, or a broker that hangs";

fn hint(cause: Option<&str>) -> String {
    cause.map_or(String::new(), |cause| format!(" (likely cause: {cause})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> HostPort {
        HostPort { host: "h".to_owned(), port }
    }

    #[test]
    fn an_address_is_told_at_once_then_every_few_seconds_then_more_seldom() {
        let (mut troubles, begin) = (Troubles::new(), Instant::now());
        let mut told = Vec::new();
        for second in 0..=200 {
            if let Some(report) = troubles.note(&address(1), begin, begin + Duration::from_secs(second)) {
                told.push((second, report.failures));
            }
        }
        let early = [(0, 1), (5, 5), (10, 5), (15, 5), (20, 5), (25, 5), (30, 5), (35, 5), (40, 5), (45, 5)];
        assert_eq!(told[..10], early);
        assert_eq!(told[10..], [(50, 5), (55, 5), (85, 30), (115, 30), (145, 30), (175, 30)]);
        assert_eq!(troubles.over(&address(1), begin + Duration::from_secs(200)), Some(Duration::from_secs(200)));
        assert_eq!(troubles.over(&address(1), begin), None);
    }

    #[test]
    fn only_so_many_addresses_are_remembered() {
        let (mut troubles, begin) = (Troubles::new(), Instant::now());
        for port in 0..1000 {
            let now = begin + Duration::from_millis(u64::from(port));
            assert!(troubles.note(&address(port), now, now).is_some());
        }
        assert_eq!(troubles.by_address.len(), MOST_ADDRESSES);
    }
}
