//! Who waits until what was appended is durable: each hears of it once, when it is or never will be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Partition, PartitionUnavailable};

/// How many may wait before it is looked whether all of them still do.
const FIRST_LOOK: usize = 256;

/// Somebody who waits. Let go of when the wait is over.
pub trait Waits: Send + Sync {
    /// What was appended may not be durable, and never will be certain to be.
    fn lost(&self, place: usize, why: &PartitionUnavailable);

    /// Whether nobody cares any more.
    fn is_given_up(&self) -> bool;
}

/// Those who wait on one partition. As many as there are appends that no sync has covered, without those that were given
/// up.
#[derive(Default)]
pub struct Unsynced {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<Entry>,
    next_look: usize,
}

struct Entry {
    last_offset: i64,
    place: usize,
    who: Arc<dyn Waits>,
}

impl Unsynced {
    fn push(&self, entry: Entry) {
        let mut given_up = Vec::new();
        let mut waiting = self.lock();
        if waiting.next_look.max(FIRST_LOOK) <= waiting.entries.len() {
            given_up = waiting.entries.extract_if(.., |entry| entry.who.is_given_up()).collect();
            waiting.next_look = 2 * waiting.entries.len();
        }
        waiting.entries.push(entry);
        drop(waiting);
        drop(given_up);
    }

    /// Those whose records end before an offset; the rest go on waiting.
    fn take_before(&self, end: i64) -> Vec<Entry> {
        let mut waiting = self.lock();
        if waiting.entries.iter().all(|entry| entry.last_offset < end) {
            return std::mem::take(&mut waiting.entries);
        }
        waiting.entries.extract_if(.., |entry| entry.last_offset < end).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // An entry is there or not.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Partition {
    /// Lets go of `who` as soon as the record with this offset is on stable storage, or, under `acks.durability=os`, at
    /// once; or tells it that this will never be. Never blocks.
    pub fn when_durable(&self, last_offset: i64, who: Arc<dyn Waits>, place: usize) {
        if last_offset < self.high_watermark() {
            return;
        }
        self.unsynced.push(Entry { last_offset, place, who });
        // What came in between has told nobody.
        if last_offset < self.high_watermark() || self.never_durable().is_some() {
            self.tell_unsynced();
        }
    }

    /// Tells those who wait of what became durable, or that nothing more will. To be called after each.
    pub(super) fn tell_unsynced(&self) {
        // Read first: what is certain before something fails stays so.
        let durable = self.unsynced.take_before(self.high_watermark());
        drop(durable);
        if let Some(why) = self.never_durable() {
            for Entry { place, who, .. } in self.unsynced.take_before(i64::MAX) {
                who.lost(place, &why);
            }
        }
    }

    /// Why nothing more becomes durable, if that is so.
    fn never_durable(&self) -> Option<PartitionUnavailable> {
        match self.usable() {
            Err(unavailable) => Some(unavailable),
            Ok(None) => Some(self.unavailable("its files are gone")),
            Ok(Some(open)) => open.reader.offline().map(|reason| self.unavailable(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Waiter {
        given_up: AtomicBool,
    }

    impl Waits for Waiter {
        fn lost(&self, _: usize, _: &PartitionUnavailable) {}

        fn is_given_up(&self) -> bool {
            self.given_up.load(Ordering::Relaxed)
        }
    }

    fn wait(unsynced: &Unsynced, last_offset: i64) -> Arc<Waiter> {
        let who = Arc::new(Waiter::default());
        let shared: Arc<dyn Waits> = Arc::<Waiter>::clone(&who);
        unsynced.push(Entry { last_offset, place: 0, who: shared });
        who
    }

    fn waits(who: &Arc<Waiter>) -> bool {
        1 < Arc::strong_count(who)
    }

    #[test]
    fn whoever_is_covered_by_a_sync_is_let_go_in_any_order_of_offsets() {
        let unsynced = Unsynced::default();
        // A batch that was sent twice has the offsets of the first time.
        let [late, early, later] = [20, 10, 30].map(|last_offset| wait(&unsynced, last_offset));
        drop(unsynced.take_before(11));
        assert_eq!([&early, &late, &later].map(waits), [false, true, true]);
        drop(unsynced.take_before(21));
        assert_eq!([&late, &later].map(waits), [false, true]);
        drop(unsynced.take_before(30));
        assert!(waits(&later), "the end is the offset behind the last");
        drop(unsynced.take_before(31));
        assert!(!waits(&later));
    }

    #[test]
    fn those_who_gave_up_do_not_pile_up() {
        let unsynced = Unsynced::default();
        let patient = wait(&unsynced, 0);
        for offset in 1..100_000 {
            wait(&unsynced, offset).given_up.store(true, Ordering::Relaxed);
        }
        assert!(unsynced.lock().entries.len() <= FIRST_LOOK);
        assert!(waits(&patient));
    }
}
