//! Waits that last: what is waited for, and when to say so in the log.

use std::{fmt, time::Duration};

use tokio::time::Instant;

/// How long a wait is nobody's business.
pub(crate) const MOMENT: Duration = Duration::from_secs(5);
/// Time between two lines about one wait.
pub(crate) const AGAIN: Duration = Duration::from_secs(30);

/// Something that a client waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Waiting {
    /// For how long.
    pub(crate) lasting: Duration,
    /// What is waited for, with its object, as a message can show it.
    pub(crate) what: String,
    /// Why it has not come yet, as far as that is known.
    pub(crate) cause: Option<String>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waiting for {} since {} s", self.what, self.lasting.as_secs())?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

/// One wait, and when it was last told.
#[derive(Clone, Debug)]
pub(crate) struct LongWait {
    client: String,
    since: Instant,
    due: Instant,
}

impl LongWait {
    pub(crate) fn begin(client: String, now: Instant) -> Self {
        Self { client, since: now, due: now + MOMENT }
    }

    pub(crate) fn lasting(&self, now: Instant) -> Duration {
        now.duration_since(self.since)
    }

    /// Writes the line if it is due.
    pub(crate) fn tell(&mut self, now: Instant, waiting: &Waiting) {
        if self.due <= now {
            self.due = now + AGAIN;
            tracing::warn!(client = %self.client, "{waiting}");
        }
    }
}
