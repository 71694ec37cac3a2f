//! Waits that may last: after a moment they are logged and shown in the task's status, and so is their end.
//!
//! A task that waits stays RUNNING; what it waits for is its status's trace meanwhile.

use std::{future::Future, task::Poll, time::Duration};

use tokio::time::Instant;

use crate::task::TaskControl;

/// A wait that is over by then is nothing to speak of.
const MOMENT: Duration = Duration::from_secs(5);

/// Longest time between two log lines about one wait; the first two are a minute apart.
const LONGEST_SILENCE: Duration = Duration::from_secs(3600);

/// When one wait is spoken of. A plain value.
#[derive(Clone, Copy, Debug)]
struct Reminders {
    since: Instant,
    due: Instant,
    silence: Duration,
}

impl Reminders {
    fn new(since: Instant) -> Self {
        Self { since, due: since + MOMENT, silence: Duration::from_secs(60) }
    }

    /// How long the wait lasts, if it is time to say so.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        if now < self.due {
            return None;
        }
        self.due = now + self.silence;
        self.silence = (self.silence * 2).min(LONGEST_SILENCE);
        Some(now - self.since)
    }
}

/// One wait of a task; dropping it is its end.
#[derive(Debug)]
pub(crate) struct LongWait {
    control: TaskControl,
    kind: &'static str,
    reminders: Reminders,
    told: bool,
}

impl LongWait {
    /// A wait that begins now. A task has at most one of each kind.
    pub(crate) fn begin(control: &TaskControl, kind: &'static str) -> Self {
        Self::since(control, kind, Instant::now())
    }

    /// A wait that has begun already.
    pub(crate) fn since(control: &TaskControl, kind: &'static str, since: Instant) -> Self {
        Self { control: control.clone(), kind, reminders: Reminders::new(since), told: false }
    }

    /// When [`LongWait::tell`] has something to do.
    pub(crate) fn due(&self) -> Instant {
        self.reminders.due
    }

    /// Says what is waited for, if it is time.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(waited) = self.reminders.take(Instant::now()) {
            let what = what();
            tracing::warn!(task = %self.control.id, seconds = waited.as_secs(), "waiting for {what}");
            self.control.status.note(self.kind, Some(format!("Waiting for {what}")));
            self.told = true;
        }
    }
}

impl Drop for LongWait {
    fn drop(&mut self) {
        if self.told {
            self.control.status.note(self.kind, None);
            let seconds = self.reminders.since.elapsed().as_secs();
            tracing::info!(task = %self.control.id, seconds, "no longer waiting for {}", self.kind);
        }
    }
}

/// Sleeps until something is due, for ever if nothing is.
pub(crate) async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Awaits something and says so if it takes long. Dropping the future drops the other.
pub(crate) async fn told<T>(
    control: &TaskControl,
    kind: &'static str,
    what: impl Fn() -> String,
    wanted: impl Future<Output = T>,
) -> T {
    tokio::pin!(wanted);
    // Calls that come with every batch are mostly over at once, and then nothing is made for them.
    if let Poll::Ready(value) = futures::poll!(wanted.as_mut()) {
        return value;
    }
    let since = Instant::now();
    let mut wait = None;
    loop {
        let due = wait.as_ref().map_or(since + MOMENT, LongWait::due);
        tokio::select! {
            biased;
            value = &mut wanted => return value,
            () = tokio::time::sleep_until(due) => {
                wait.get_or_insert_with(|| LongWait::since(control, kind, since)).tell(&what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_spoken_of_after_a_moment_and_then_less_and_less_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reminders = Reminders::new(start);
        let said: Vec<u64> = (0..20_000).filter(|&second| reminders.take(at(second)).is_some()).collect();
        assert_eq!(said, [5, 65, 185, 425, 905, 1865, 3785, 7385, 10985, 14585, 18185]);
    }
}
