//! When a connector or task that failed is started again by itself: a plain value that reads no clock.
//!
//! Connect restarts nothing, and neither does a worker without these keys. Who carries the decision out knows whether the
//! user still wants the connector to run; here only failures and times are known.

use std::{collections::VecDeque, time::Duration};

use millstream_config::{ConfigMap, restart_key as key, restart_keys};
use tokio::time::Instant;

/// The `restart.*` settings of a connector.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RestartPolicy {
    /// Wait before the first restart; it doubles with each.
    pub(crate) initial: Duration,
    /// The longest wait.
    pub(crate) longest: Duration,
    /// Time without a failure after which the next one counts as the first.
    pub(crate) healthy: Duration,
    /// Most restarts within a window; after that it stays failed.
    pub(crate) most: usize,
    /// The window.
    pub(crate) window: Duration,
}

impl RestartPolicy {
    /// The policy of a connector's configuration, with the worker's settings where it has none; `None` if nothing is
    /// restarted. Validation has seen both.
    pub(crate) fn read(worker: &ConfigMap, connector: &ConfigMap) -> Option<Self> {
        let mut merged = ConfigMap::new();
        for config in [worker, connector] {
            let set = config.iter().filter(|(name, value)| name.starts_with(key::PREFIX) && value.is_some());
            merged.extend(set.map(|(name, value)| (name.clone(), value.clone())));
        }
        let read = restart_keys().parse(&merged).ok()?;
        (key::RESTART_POLICY.get(&read) == "backoff").then(|| Self {
            initial: key::RESTART_BACKOFF.get(&read),
            longest: key::RESTART_BACKOFF_MAX.get(&read),
            healthy: key::RESTART_HEALTHY.get(&read),
            most: usize::try_from(key::RESTART_MAX.get(&read)).unwrap_or(0),
            window: key::RESTART_WINDOW.get(&read),
        })
    }
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It is started again after so long; the how manieth restart in a row that is.
    After(Duration, u32),
    /// It has been restarted too often, and stays failed until somebody restarts it.
    Broken,
}

/// The failures and restarts of one connector instance or task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restarts {
    /// Restarts without a healthy time between them.
    in_a_row: u32,
    /// When it was started last.
    started: Option<Instant>,
    /// Restarts within the window, oldest first: never more than the policy allows.
    recent: VecDeque<Instant>,
    /// When it is started again.
    due: Option<Instant>,
}

impl Restarts {
    /// It has failed. `random` is from 0 to 1: the wait is between half of what it would be and all of it.
    pub(crate) fn failed(&mut self, policy: &RestartPolicy, now: Instant, random: f64) -> Verdict {
        if self.started.is_some_and(|started| policy.healthy <= now.saturating_duration_since(started)) {
            self.in_a_row = 0;
        }
        while self.recent.front().is_some_and(|at| policy.window <= now.saturating_duration_since(*at)) {
            self.recent.pop_front();
        }
        if policy.most <= self.recent.len() {
            self.due = None;
            return Verdict::Broken;
        }
        let doubled = policy.initial.saturating_mul(1_u32.checked_shl(self.in_a_row.min(31)).unwrap_or(u32::MAX));
        let wait = doubled.min(policy.longest).mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.due = now.checked_add(wait);
        Verdict::After(wait, self.in_a_row)
    }

    /// When it is to be started again.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It is started again because it was due.
    pub(crate) fn restarted(&mut self, now: Instant) {
        self.due = None;
        self.recent.push_back(now);
        self.started = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> RestartPolicy {
        RestartPolicy { initial: SECOND, longest: 8 * SECOND, healthy: 60 * SECOND, most: 5, window: 100 * SECOND }
    }

    /// Fails so long after each restart, and returns the waits until it breaks.
    fn story(policy: &RestartPolicy, runs: &[u64], random: f64) -> Vec<Verdict> {
        let (mut restarts, mut now) = (Restarts::default(), Instant::now());
        let fail = |seconds: &u64| {
            now += Duration::from_secs(*seconds);
            let verdict = restarts.failed(policy, now, random);
            if let Some(due) = restarts.due() {
                now = due;
                restarts.restarted(now);
            }
            verdict
        };
        runs.iter().map(fail).collect()
    }

    fn after(seconds: u64, count: u32) -> Verdict {
        Verdict::After(Duration::from_secs(seconds), count)
    }

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_too_many_restarts_break_it() {
        let waits = [after(1, 1), after(2, 2), after(4, 3), after(8, 4), after(8, 5), Verdict::Broken, Verdict::Broken];
        assert_eq!(story(&policy(), &[0; 7], 1.0), waits);
    }

    #[test]
    fn a_healthy_time_begins_anew_and_restarts_outside_of_the_window_do_not_count() {
        assert_eq!(story(&policy(), &[0, 0, 60, 59], 1.0), [after(1, 1), after(2, 2), after(1, 1), after(2, 2)]);
        let long = story(&policy(), &[25; 50], 1.0);
        assert!(long.iter().all(|verdict| matches!(verdict, Verdict::After(..))), "{long:?}");
    }

    #[test]
    fn chance_takes_at_most_half_of_a_wait() {
        for random in [-1.0, 0.0, 0.25, 0.5, 1.0, 2.0] {
            for (verdict, whole) in story(&policy(), &[0; 5], random).into_iter().zip([1, 2, 4, 8, 8]) {
                let Verdict::After(wait, _) = verdict else { panic!("it breaks at {random}") };
                assert!(wait <= whole * SECOND && whole * SECOND <= 2 * wait, "{wait:?} of {whole} s at {random}");
            }
        }
    }

    #[test]
    fn every_short_story_keeps_to_the_most_restarts_in_every_window() {
        // Each of six runs ends at once, in the middle of the window, or after a healthy time.
        let lengths = [0, 30, 70];
        for story_number in 0..3_usize.pow(6) {
            for most in 0..4 {
                let policy = RestartPolicy { most, ..policy() };
                let (mut restarts, mut now, mut at) = (Restarts::default(), Instant::now(), Vec::new());
                for run in 0..6 {
                    now += Duration::from_secs(lengths[story_number / 3_usize.pow(run) % 3]);
                    let verdict = restarts.failed(&policy, now, 0.5);
                    let within = |from: &&Instant| now.duration_since(**from) < policy.window;
                    let expected = at.iter().filter(within).count() < most;
                    assert_eq!(matches!(verdict, Verdict::After(..)), expected, "{story_number} {most} {run}");
                    assert_eq!(restarts.due().is_some(), expected);
                    if let Some(due) = restarts.due() {
                        now = due;
                        restarts.restarted(now);
                        at.push(now);
                    }
                }
            }
        }
    }

    #[test]
    fn a_connector_overrides_its_worker_key_by_key_and_nothing_is_restarted_unless_said() {
        let texts = |entries: &[(&str, &str)]| -> ConfigMap {
            entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
        };
        let none = texts(&[]);
        assert_eq!(RestartPolicy::read(&none, &none), None);
        let worker = texts(&[("restart.policy", "backoff"), ("restart.backoff.ms", "5"), ("restart.max", "9")]);
        let read = RestartPolicy::read(&worker, &texts(&[("restart.max", "2")])).expect("it restarts");
        assert_eq!((read.initial, read.most), (Duration::from_millis(5), 2));
        assert_eq!(RestartPolicy::read(&worker, &texts(&[("restart.policy", "none")])), None);
    }
}
