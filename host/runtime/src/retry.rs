//! Trying one record again at one stage, as long as the error policy says.

use millstream_connector::Failure;
use tokio::time::Instant;

use crate::{
    error_policy::{ErrorPolicy, Verdict},
    long_wait::LongWait,
    task::{Halt, TaskControl},
};

/// Repetitions of one record at one stage.
pub(crate) struct Retry {
    policy: ErrorPolicy,
    started: Instant,
    attempts: u32,
    wait: Option<LongWait>,
}

impl Retry {
    /// Begins with a failure that has just happened.
    pub(crate) fn new(policy: ErrorPolicy) -> Self {
        Self { policy, started: Instant::now(), attempts: 0, wait: None }
    }

    /// Takes note of a failure of the stage `at` and waits as long as the policy says: `None` to try again, or
    /// what is to become of the record.
    ///
    /// # Errors
    ///
    /// The task is to stop.
    pub(crate) async fn failed(
        &mut self,
        failure: &Failure,
        at: impl FnOnce() -> String,
        control: &TaskControl,
    ) -> Result<Option<Verdict>, Halt> {
        self.attempts = self.attempts.saturating_add(1);
        let verdict = self.policy.decide(failure.kind, self.attempts, self.started.elapsed(), control.random());
        control.metrics.failed(1, verdict);
        match verdict {
            Verdict::RetryAfter(delay) => {
                let wait = self.wait.get_or_insert_with(|| LongWait::since(&control.status, "a retry", self.started));
                let attempts = self.attempts;
                wait.tell(|| {
                    format!(
                        "another try at {}, which has failed {attempts} times (errors.retry.timeout bounds this): {failure}",
                        at()
                    )
                });
                tokio::select! {
                    biased;
                    () = control.stopped() => Err(Halt::Stopped),
                    () = tokio::time::sleep(delay) => Ok(None),
                }
            }
            verdict => Ok(Some(verdict)),
        }
    }
}
