//! Tasks that wait until something changes on any of several partitions.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Who is to be woken when one partition changes.
#[derive(Debug, Default)]
pub struct WaitList {
    waiters: Mutex<Waiters>,
}

#[derive(Debug, Default)]
struct Waiters {
    next_key: u64,
    entries: Vec<(u64, Arc<Notify>)>,
}

impl WaitList {
    /// Has `notify` notified on every change until the registration is dropped.
    pub fn register(&self, notify: &Arc<Notify>) -> Registration<'_> {
        let mut waiters = self.lock();
        let key = waiters.next_key;
        waiters.next_key += 1;
        waiters.entries.push((key, Arc::clone(notify)));
        Registration { list: self, key }
    }

    /// Whether nobody waits.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Wakes everybody. A wake-up is not lost on somebody who does not wait at this very moment.
    pub fn wake(&self) {
        for (_, notify) in &self.lock().entries {
            notify.notify_one();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a [`WaitList`], given up on drop.
#[derive(Debug)]
pub struct Registration<'a> {
    list: &'a WaitList,
    key: u64,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.list.lock().entries.retain(|(key, _)| *key != self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_missed_and_a_dropped_place_is_given_up() {
        let list = WaitList::default();
        let notify = Arc::new(Notify::new());
        let place = list.register(&notify);
        list.wake();
        notify.notified().await;
        drop(place);
        assert!(list.lock().entries.is_empty());
    }
}
