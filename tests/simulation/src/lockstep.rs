//! What time it is, and in which process, where several processes of a world take turns in one thread.
//!
//! Each has a runtime of its own, so that one can be frozen or killed in the middle of whatever it does: then its runtime
//! is not driven any more, or dropped. Their clocks stand still but for the steps in which they are driven, and differ; the
//! world's own time, which fakes go by, is the same for all. Where nobody has [begun](begin) such a run it is the
//! runtime's, and there is one process, 0.

use std::{
    cell::Cell,
    time::{Duration, Instant as StdInstant},
};

use tokio::time::{Instant, error::Elapsed};

/// Shortest wait, since the world's time may be ahead of a process's for as long as a step takes.
const SHORTEST: Duration = Duration::from_millis(1);

thread_local! {
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    static PROCESS: Cell<u32> = const { Cell::new(0) };
}

/// The world's time stands still from here on, in this thread, but for [`pass`].
pub fn begin() {
    NOW.set(Some(StdInstant::now().into()));
    PROCESS.set(0);
}

/// Time passes.
pub fn pass(time: Duration) {
    NOW.set(NOW.get().map(|now| now + time));
}

/// There are no processes any more.
pub fn end() {
    NOW.set(None);
    PROCESS.set(0);
}

/// The world's time.
pub fn now() -> Instant {
    NOW.get().unwrap_or_else(Instant::now)
}

/// The process whose turn it is.
pub fn process() -> u32 {
    PROCESS.get()
}

/// It is the turn of a process while `work` is done.
pub fn in_process<T>(process: u32, work: impl FnOnce() -> T) -> T {
    let before = PROCESS.replace(process);
    let done = work();
    PROCESS.set(before);
    done
}

/// Waits for a moment of the world's time.
pub async fn sleep_until(moment: Instant) {
    while now() < moment {
        tokio::time::sleep((moment - now()).max(SHORTEST)).await;
    }
}

/// Waits for something until a moment of the world's time, or until shortly before.
///
/// # Errors
///
/// It has not happened.
pub async fn timeout_at<T>(moment: Instant, work: impl Future<Output = T>) -> Result<T, Elapsed> {
    tokio::time::timeout((moment - now().min(moment)).max(SHORTEST), work).await
}
