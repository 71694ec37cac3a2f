//! Changes of state that end even if nobody waits for them any more.
//!
//! A request's future is dropped when its client hangs up or its time is over. A change that were part of it would
//! stop at whichever await it had reached, with disk and memory telling different stories. So every change is a
//! task of its own, owned by the broker, which waits for it when it stops; requests wait for its answer only.

use std::{future::Future, sync::Arc};

use tokio_util::task::TaskTracker;

use crate::health::{Health, panic_text};

/// Where changes run.
#[derive(Clone, Debug)]
pub struct Changes {
    tracker: TaskTracker,
    health: Arc<Health>,
}

/// A change ended in a panic. How far it came is not known; the fault is reported.
#[derive(Debug, thiserror::Error)]
#[error("{what} ended early: {reason}")]
pub struct Interrupted {
    /// What was being done.
    what: &'static str,
    /// The words of the panic.
    reason: String,
}

impl Interrupted {
    /// With these words.
    pub fn new(what: &'static str, reason: impl Into<String>) -> Self {
        Self { what, reason: reason.into() }
    }
}

impl Changes {
    /// Changes are spawned on `tracker`, so that a stop can wait for them.
    pub fn new(tracker: TaskTracker, health: Arc<Health>) -> Self {
        Self { tracker, health }
    }

    /// Begins a change at once. Dropping the returned future drops the answer; the change goes on to its end.
    ///
    /// Must be called within a tokio runtime.
    pub fn run<T, C>(
        &self,
        what: &'static str,
        change: C,
    ) -> impl Future<Output = Result<T, Interrupted>> + Send + use<T, C>
    where
        T: Send + 'static,
        C: Future<Output = T> + Send + 'static,
    {
        let running = self.tracker.spawn(change);
        let health = Arc::clone(&self.health);
        // A second task hears of a panic even when nobody waits for the answer.
        let (told, answer) = tokio::sync::oneshot::channel();
        self.tracker.spawn(async move {
            let ended = running.await.map_err(|error| {
                let reason = match error.try_into_panic() {
                    Ok(panic) => panic_text(&*panic),
                    Err(error) => error.to_string(),
                };
                health.report(what, reason.clone());
                Interrupted { what, reason }
            });
            // Nobody may be left to hear it.
            drop(told.send(ended));
        });
        async move { answer.await.unwrap_or_else(|_| Err(Interrupted::new(what, "the broker was stopped"))) }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_change_goes_on_when_nobody_waits_for_it_any_more() {
        let tracker = TaskTracker::new();
        let changes = Changes::new(tracker.clone(), Arc::default());
        let (go, wait) = oneshot::channel::<()>();
        let (done, seen) = oneshot::channel();
        let answer = changes.run("a test", async move {
            wait.await.unwrap();
            done.send(()).unwrap();
        });
        drop(answer);
        go.send(()).unwrap();
        seen.await.unwrap();
        tracker.close();
        tracker.wait().await;
    }

    #[tokio::test]
    async fn a_change_that_panics_is_an_error_and_a_fault_of_the_broker() {
        let health = Arc::new(Health::default());
        let changes = Changes::new(TaskTracker::new(), Arc::clone(&health));
        let error = changes.run("counting", async { panic!("no fingers") }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "counting ended early: a fault in the program: no fingers");
        assert_eq!(health.faults(), ["counting: a fault in the program: no fingers"]);
    }
}
