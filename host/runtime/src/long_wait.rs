//! Waits that may last: after a moment they are logged and shown in the task's status, and so is their end.
//!
//! A task that waits stays RUNNING; what it waits for is its status's trace meanwhile.

use std::{future::Future, task::Poll, time::Duration};

use millstream_record::Timestamp;
use tokio::time::Instant;

use crate::{status::StatusWriter, task::TaskControl};

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
    status: StatusWriter,
    kind: &'static str,
    reminders: Reminders,
    told: bool,
}

impl LongWait {
    /// A wait that begins now. A task has at most one of each kind.
    pub(crate) fn begin(control: &TaskControl, kind: &'static str) -> Self {
        Self::since(&control.status, kind, Instant::now())
    }

    /// A wait that has begun already.
    pub(crate) fn since(status: &StatusWriter, kind: &'static str, since: Instant) -> Self {
        Self { status: status.clone(), kind, reminders: Reminders::new(since), told: false }
    }

    /// When [`LongWait::tell`] has something to do.
    pub(crate) fn due(&self) -> Instant {
        self.reminders.due
    }

    /// Says what is waited for, if it is time.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(waited) = self.reminders.take(Instant::now()) {
            let what = what();
            tracing::warn!(of = %self.status.of(), seconds = waited.as_secs(), "waiting for {what}");
            self.status.note(self.kind, Some(format!("Waiting for {what}")));
            self.told = true;
        }
    }
}

impl Drop for LongWait {
    fn drop(&mut self) {
        if self.told {
            self.status.note(self.kind, None);
            let seconds = self.reminders.since.elapsed().as_secs();
            tracing::info!(of = %self.status.of(), seconds, "no longer waiting for {}", self.kind);
        }
    }
}

/// Kind of the wait for a call into a plugin.
pub(crate) const CALL: &str = "a call";

/// What is said of a call into a plugin that has not returned for [`MOMENT`].
pub(crate) fn call_text(what: &str) -> String {
    let since = Timestamp::now().as_millis() - MOMENT.as_millis() as i64;
    format!(
        "{what}, since {}: the call is ended when it has computed for plugin.call.timeout.ms or waited for plugin.host.call.timeout.ms, or when it is stopped, restarted or deleted",
        utc(since)
    )
}

/// A time of Unix, in milliseconds, as people read it.
pub(crate) fn utc(millis: i64) -> String {
    let (days, seconds) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000) / 1000);
    // Years begin in March here, so that the odd day is the last of one; an era is the 400 years of the calendar.
    let day = days + 719_468;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{date:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
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
    told_of(&control.status, kind, what, wanted).await
}

/// [`told`] of whatever has a status.
pub(crate) async fn told_of<T>(
    status: &StatusWriter,
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
                wait.get_or_insert_with(|| LongWait::since(status, kind, since)).tell(&what);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399_000, "2000-02-28T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_772_323_199_999, "2026-02-28T23:59:59Z"),
            (1_772_323_200_000, "2026-03-01T00:00:00Z"),
            (4_102_444_799_000, "2099-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(millis), expected);
        }
    }

    #[test]
    fn a_wait_is_spoken_of_after_a_moment_and_then_less_and_less_often() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut reminders = Reminders::new(start);
        let said: Vec<u64> = (0..20_000).filter(|&second| reminders.take(at(second)).is_some()).collect();
        assert_eq!(said, [5, 65, 185, 425, 905, 1865, 3785, 7385, 10985, 14585, 18185]);
    }
}
