//! A process of the simulated machine room: a runtime of its own, driven step by step.

use std::time::Duration;

use simulation::lockstep;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

/// See the module's documentation. Dropping it kills it.
pub struct Process {
    pub id: u32,
    runtime: Option<Runtime>,
    /// Time that has passed without it.
    behind: Duration,
}

impl Process {
    pub fn new(id: u32) -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        Self { id, runtime: Some(runtime.expect("a runtime without threads")), behind: Duration::ZERO }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is there until it is dropped")
    }

    /// Where others leave work for it.
    pub fn handle(&self) -> Handle {
        self.runtime().handle().clone()
    }

    /// Gives it something to do.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.runtime().spawn(work)
    }

    /// Lets it go on for so long; it notices at once how much time it has missed.
    pub fn turn(&mut self, step: Duration) {
        let missed = std::mem::take(&mut self.behind);
        let work = async {
            if !missed.is_zero() {
                tokio::time::advance(missed).await;
            }
            tokio::time::sleep(step).await;
        };
        lockstep::in_process(self.id, || self.runtime().block_on(work));
    }

    /// Time passes without it.
    pub fn miss(&mut self, step: Duration) {
        self.behind += step;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        lockstep::in_process(self.id, || drop(runtime));
    }
}

#[test]
fn a_process_has_the_worlds_time_when_its_turn_ends_however_long_it_has_missed() {
    lockstep::begin();
    let (begun, step) = (lockstep::now(), Duration::from_millis(10));
    let mut process = Process::new(1);
    let own = process.runtime().block_on(async { tokio::time::Instant::now() });
    for turn in 0..1_000 {
        lockstep::pass(step);
        if turn % 7 < 3 {
            process.miss(step);
            continue;
        }
        process.turn(step);
        let now = process.runtime().block_on(async { tokio::time::Instant::now() });
        assert_eq!(now - own, lockstep::now() - begun, "after {turn} turns");
    }
    lockstep::end();
}
