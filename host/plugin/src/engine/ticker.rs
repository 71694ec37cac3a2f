//! Moves the engine's epoch while guests run. A guest looks at the epoch in every loop and function, so
//! this is what makes it give way to others and what ends it at its deadline.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// Time between two epochs: the longest a guest runs before it gives way.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Ticks without any call after which the thread sleeps until the next one. Waking it costs less than a
/// tick, so that a plugin which looks for news twice a second costs next to nothing.
const IDLE_TICKS: u32 = 4;

/// The thread that counts epochs. It ends when this is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    begun: AtomicU64,
    ended: AtomicU64,
    parked: AtomicBool,
    stopped: AtomicBool,
}

/// A call in progress: the clock runs until it is dropped.
pub(crate) struct ActiveCall(Arc<Shared>);

/// A call in progress that waits in the host: the clock need not run for it until this is dropped.
pub(crate) struct RestingCall<'t>(&'t Ticker);

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system has no room for another thread.
    pub(crate) fn start(engine: &Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, theirs) = (engine.weak(), Arc::clone(&shared));
        let handle = thread::Builder::new().name("plugin-epochs".into()).spawn(move || {
            let (mut seen, mut idle) = (0, 0);
            while !theirs.stopped.load(Ordering::SeqCst) {
                thread::sleep(TICK);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                let begun = theirs.begun.load(Ordering::SeqCst);
                let quiet = begun == seen && theirs.ended.load(Ordering::SeqCst) == begun;
                idle = if quiet { idle + 1 } else { 0 };
                seen = begun;
                if IDLE_TICKS <= idle {
                    idle = 0;
                    drop(engine);
                    theirs.park(seen);
                }
            }
        })?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// Notes that a call begins, and wakes the thread if it sleeps.
    pub(crate) fn call_begins(&self) -> ActiveCall {
        self.begin();
        ActiveCall(Arc::clone(&self.shared))
    }

    /// Notes that a call that began waits for something outside of the guest.
    pub(crate) fn call_rests(&self) -> RestingCall<'_> {
        self.shared.ended.fetch_add(1, Ordering::SeqCst);
        RestingCall(self)
    }

    fn begin(&self) {
        self.shared.begun.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
    }
}

impl Drop for RestingCall<'_> {
    fn drop(&mut self) {
        self.0.begin();
    }
}

impl Drop for ActiveCall {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    /// Sleeps until a call begins after the `seen` ones.
    fn park(&self, seen: u64) {
        self.parked.store(true, Ordering::SeqCst);
        // The flag is set before the count is read again, and a caller counts before it reads the flag:
        // one of the two notices the other.
        while self.begun.load(Ordering::SeqCst) == seen && !self.stopped.load(Ordering::SeqCst) {
            thread::park();
        }
        self.parked.store(false, Ordering::SeqCst);
    }
}
