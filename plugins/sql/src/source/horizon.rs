//! How far may be read without passing over rows of transactions that commit late.
//!
//! A transaction draws an id, or takes the time, while it is open, and its rows are seen when it commits. So an id or time
//! up to which to read is remembered together with all transactions that are open at that moment: once none of these is
//! left, whatever they wrote is to be seen, and nothing can come any more at or below it.

use std::collections::{BTreeSet, VecDeque};

use super::offset::Moment;

/// Most bounds that wait. While the oldest does, no later one is of use; the last of them follows the newest.
const MAX_WAITING: usize = 32;

/// A bound of what may be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bound {
    /// The highest id that was to be seen; none if there was none, or no ids are read.
    pub incrementing: Option<i64>,
    /// The database's clock.
    pub clock: Moment,
}

/// What the database says of its transactions at one moment, a bound taken before.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Open {
    /// Transactions that are open.
    pub live: BTreeSet<String>,
    /// Transactions that are prepared, each with the time of that, which is when they stopped being open.
    pub prepared: Vec<(String, Moment)>,
}

#[derive(Clone, Debug)]
struct Waiting {
    bound: Bound,
    open: BTreeSet<String>,
}

/// Bounds that wait for transactions to end.
#[derive(Clone, Debug, Default)]
pub struct Horizon {
    waiting: VecDeque<Waiting>,
    safe: Option<Bound>,
}

impl Horizon {
    /// Takes a new bound with the transactions that were open at a moment after it; returns the newest bound that is safe.
    pub fn observe(&mut self, bound: Bound, now: &Open) -> Option<Bound> {
        let mut open = now.live.clone();
        open.extend(now.prepared.iter().map(|(id, _)| id.clone()));
        for waiting in &mut self.waiting {
            waiting.open.retain(|id| open.contains(id));
        }
        if MAX_WAITING <= self.waiting.len() {
            self.waiting.pop_back();
        }
        self.waiting.push_back(Waiting { bound, open });
        // One that has been prepared since went under another name when the bound was taken.
        let held = |waiting: &Waiting| {
            !waiting.open.is_empty() || now.prepared.iter().any(|(_, since)| waiting.bound.clock <= *since)
        };
        // Bounds only grow, and so do the sets: what holds an older one holds the newer ones, or has ended.
        while self.waiting.front().is_some_and(|waiting| !held(waiting)) {
            self.safe = self.waiting.pop_front().map(|waiting| waiting.bound);
        }
        self.safe
    }

    /// Whether a bound waits that is above the safe one.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

/// The query that tells which transactions are open, in one row of texts: the clock, the live ones, the prepared ones with
/// their times. `pg_locks` shows every transaction's lock on itself to every user; of other databases' transactions and
/// the server's own processes none writes here. On a standby the primary's transactions are known by their numbers only.
pub const POSTGRESQL: &str = "\
SELECT extract(epoch FROM statement_timestamp())::text AS clock, \
CASE WHEN pg_is_in_recovery() THEN (SELECT coalesce(string_agg(x::text, ' '), '') FROM pg_snapshot_xip(pg_current_snapshot()) x) \
ELSE (SELECT coalesce(string_agg(l.virtualtransaction, ' '), '') FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid \
WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock' AND l.pid <> pg_backend_pid() \
AND (a.pid IS NULL OR (a.usesysid IS NOT NULL AND a.datname = current_database()))) END AS live, \
(SELECT coalesce(string_agg(p.transaction::text || '@' || extract(epoch FROM p.prepared)::text, ' '), '') FROM pg_prepared_xacts p \
WHERE p.database = current_database()) AS prepared";

/// Reads the texts of [`POSTGRESQL`]; none if one has another form.
pub fn read_open(live: &str, prepared: &str) -> Option<Open> {
    let prepared = prepared.split_whitespace().map(|entry| {
        let (id, since) = entry.split_once('@')?;
        Some((format!("prepared {id}"), read_epoch(since)?))
    });
    Some(Open {
        live: live.split_whitespace().map(str::to_owned).collect(),
        prepared: prepared.collect::<Option<_>>()?,
    })
}

/// Seconds since 1970 with decimals.
pub fn read_epoch(text: &str) -> Option<Moment> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{fraction:0<9}");
    let nanos: u32 = digits.get(..9)?.parse().ok()?;
    let seconds: i64 = whole.parse().ok()?;
    // Before 1970 the decimals count away from it.
    Some(match whole.starts_with('-') && nanos != 0 {
        true => Moment { seconds: seconds - 1, nanos: 1_000_000_000 - nanos },
        false => Moment { seconds, nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(live: &[&str]) -> Open {
        Open { live: live.iter().map(|&id| id.to_owned()).collect(), prepared: Vec::new() }
    }

    fn bound(id: i64, second: i64) -> Bound {
        Bound { incrementing: Some(id), clock: Moment { seconds: second, nanos: 0 } }
    }

    #[test]
    fn a_bound_is_safe_once_all_transactions_have_ended_that_were_open_then() {
        let mut horizon = Horizon::default();
        assert_eq!(horizon.observe(bound(2, 1), &open(&["a", "b"])), None);
        assert_eq!(horizon.observe(bound(5, 2), &open(&["b", "c"])), None);
        assert_eq!(horizon.observe(bound(6, 3), &open(&["c"])), Some(bound(2, 1)));
        assert!(horizon.is_waiting());
        assert_eq!(horizon.observe(bound(7, 4), &open(&["d"])), Some(bound(6, 3)));
        assert_eq!(horizon.observe(bound(8, 5), &open(&[])), Some(bound(8, 5)));
        assert!(!horizon.is_waiting());
    }

    #[test]
    fn a_transaction_that_is_prepared_holds_the_bound_until_it_is_committed() {
        let mut horizon = Horizon::default();
        let prepared = |at: i64| Open {
            live: BTreeSet::new(),
            prepared: vec![("prepared 7".to_owned(), Moment { seconds: at, nanos: 0 })],
        };
        assert_eq!(horizon.observe(bound(2, 1), &open(&["a"])), None);
        assert_eq!(horizon.observe(bound(3, 5), &prepared(4)), None, "it may be a, under another name");
        assert_eq!(horizon.observe(bound(4, 6), &prepared(4)), None);
        assert_eq!(horizon.observe(bound(5, 7), &open(&[])), Some(bound(5, 7)));
    }

    #[test]
    fn a_transaction_that_never_ends_holds_everything_and_takes_no_memory() {
        let mut horizon = Horizon::default();
        for round in 0..1000 {
            assert_eq!(horizon.observe(bound(round, round), &open(&["old"])), None);
        }
        assert!(horizon.waiting.len() <= MAX_WAITING);
        assert_eq!(horizon.observe(bound(1000, 1000), &open(&[])), Some(bound(1000, 1000)));
    }

    #[test]
    fn what_the_database_says_is_read() {
        let read = read_open("3/55 4/1", "77@1714521600.25").expect("its form");
        assert_eq!(read.live.len(), 2);
        assert_eq!(read.prepared, [("prepared 77".to_owned(), Moment { seconds: 1_714_521_600, nanos: 250_000_000 })]);
        assert_eq!(read_open("", ""), Some(Open::default()));
        assert_eq!(read_open("", "77"), None);
        assert_eq!(read_epoch("-1.25"), Some(Moment { seconds: -2, nanos: 750_000_000 }));
        assert_eq!(read_epoch("x"), None);
    }
}
