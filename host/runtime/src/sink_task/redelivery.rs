//! A batch that the sink has not taken: why, how often, since when, and how soon it comes to the sink again.

use std::time::Duration;

use millstream_connector::PluginError;
use tokio::time::Instant;

use crate::{long_wait::LongWait, task::TaskControl};

/// See the module's documentation. It lasts until the sink has taken everything that waits.
pub(super) struct Redelivery {
    wait: LongWait,
    error: PluginError,
    /// When the batch failed first, and how often it has.
    since: Instant,
    tries: u32,
    /// Whether the next try comes after a look at everything else, without a wait.
    at_once: bool,
}

impl Redelivery {
    /// A batch fails for the first time.
    pub(super) fn begin(control: &TaskControl, error: PluginError) -> Self {
        let wait = LongWait::begin(control, "the sink");
        Self { wait, error, since: Instant::now(), tries: 1, at_once: false }
    }

    /// It fails again, or another one does.
    pub(super) fn failed(&mut self, error: PluginError) {
        if self.tries == 0 {
            self.since = Instant::now();
        }
        self.tries = self.tries.saturating_add(1);
        self.error = error;
    }

    /// How often the batch has failed, and how long ago for the first time.
    pub(super) fn so_far(&self) -> (u32, Duration) {
        (self.tries, self.since.elapsed())
    }

    /// Another batch is next.
    pub(super) fn begin_anew(&mut self) {
        self.tries = 0;
    }

    pub(super) fn come_again(&mut self, at_once: bool) {
        self.at_once = at_once;
    }

    /// How long nothing else has to be waited for at most, if a batch is given up after `retry_timeout`.
    pub(super) fn wait(&self, retry_timeout: Option<Duration>) -> Duration {
        match retry_timeout {
            _ if self.at_once => Duration::ZERO,
            Some(timeout) => timeout.saturating_sub(self.since.elapsed()),
            None => Duration::MAX,
        }
    }

    /// When [`Redelivery::tell`] has something to do.
    pub(super) fn due(&self) -> Instant {
        self.wait.due()
    }

    /// Says so if the wait is long.
    pub(super) fn tell(&mut self) {
        let Self { wait, error, at_once, .. } = self;
        wait.tell(|| match at_once {
            false => format!("the sink to take a batch that it wants to see again: {error}"),
            true => format!("the sink to take a batch by parts, among them a record at fault: {error}"),
        });
    }
}
