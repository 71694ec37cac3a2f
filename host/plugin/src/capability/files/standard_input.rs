//! The worker's standard input, which can only be read by waiting for it. One thread of the process does
//! that once a plugin has asked for it, and keeps what came, up to a bound, until a plugin fetches it. It
//! lives as long as the process: a thread that waits for a terminal cannot be called back.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread;

/// Most bytes read ahead of the plugin.
const MAX_PENDING: usize = 256 << 10;

/// After a panic bytes may be missing: whoever asks for more of them fails, and with it the plugin's instance.
const UNBROKEN: &str = "nobody panicked while changing what standard input brought";

/// Bytes that came and that nobody has fetched.
#[derive(Default)]
pub(super) struct StandardInput {
    pending: Mutex<VecDeque<u8>>,
    fetched: Condvar,
}

impl StandardInput {
    /// The one of this process. The first call starts reading.
    ///
    /// # Errors
    ///
    /// When the system has no room for another thread.
    pub(super) fn of_process() -> io::Result<Arc<Self>> {
        static INPUT: OnceLock<Arc<StandardInput>> = OnceLock::new();
        if let Some(input) = INPUT.get() {
            return Ok(Arc::clone(input));
        }
        let input = Arc::new(Self::default());
        if INPUT.set(Arc::clone(&input)).is_ok() {
            let theirs = Arc::clone(&input);
            thread::Builder::new().name("standard-input".into()).spawn(move || theirs.read_all(io::stdin().lock()))?;
        }
        Ok(Arc::clone(INPUT.get().expect("it was set above or by another thread")))
    }

    /// Up to `max` of the bytes that are there.
    pub(super) fn fetch(&self, max: usize) -> Vec<u8> {
        let mut pending = self.pending();
        let taken = pending.len().min(max);
        let bytes = pending.drain(..taken).collect();
        self.fetched.notify_one();
        bytes
    }

    fn pending(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.pending.lock().expect(UNBROKEN)
    }

    fn read_all(&self, mut input: impl Read) {
        let mut buffer = [0; 8 << 10];
        loop {
            match input.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => self.keep(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::error!(%error, "read standard input");
                    return;
                }
            }
        }
    }

    fn keep(&self, bytes: &[u8]) {
        let mut pending = self.pending();
        while MAX_PENDING <= pending.len() {
            pending = self.fetched.wait(pending).expect(UNBROKEN);
        }
        pending.extend(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_handed_out_in_order_and_nothing_is_waited_for() {
        let input = StandardInput::default();
        assert!(input.fetch(10).is_empty());
        input.read_all(&b"one\ntwo\n"[..]);
        assert_eq!(input.fetch(5), b"one\nt");
        assert_eq!(input.fetch(100), b"wo\n");
        assert!(input.fetch(100).is_empty());
    }
}
