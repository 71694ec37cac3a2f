//! How much memory requests may take together, and answers, in bytes.
//!
//! What comes out of the one: requests larger than a connection's own buffer, and what compressed batches expand to. Out of
//! the other: the records in answers to Fetch until they are written. Who finds nothing left waits, or makes do with little;
//! one that is larger than all of it waits until it is alone.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits of a semaphore are counted with 32 bits, so one stands for so many bytes.
const UNIT: usize = 1024;

/// What an answer may take without asking, in bytes: a client that reads little is served whatever others hold, and a
/// connection has as much for what it reads.
pub const OWN: usize = 64 * UNIT;

/// Which part of what is free one answer may take, so that many that nobody reads never take all.
const SHARE: usize = 8;

/// The memory that all connections share.
#[derive(Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    total: u32,
    /// Held by the one that goes on although nothing is free.
    beyond: Arc<Semaphore>,
}

/// A part of the budget, given back on drop.
#[derive(Debug)]
pub struct Reservation {
    /// `None` for what needs none.
    permits: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Reservation {
    /// How many bytes were asked for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives back what is not needed beyond so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        self.bytes = self.bytes.min(bytes);
        if let Some(permits) = &mut self.permits {
            let surplus = permits.num_permits().saturating_sub(units(bytes) as usize);
            drop(permits.split(surplus));
        }
    }
}

impl Budget {
    /// A budget of that many bytes, at least 1 MiB.
    pub fn new(bytes: usize) -> Self {
        let total = units(bytes.max(1 << 20));
        Self { free: Arc::new(Semaphore::new(total as usize)), total, beyond: Arc::new(Semaphore::new(1)) }
    }

    /// Waits for room, in the order of asking. Dropping the future gives the place up.
    ///
    /// Only for those that hold nothing of the budget: waiting with something in hand may be waiting for oneself. See
    /// [`Budget::reserve_more`].
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        Reservation { permits: Some(acquire(&self.free, units(bytes).min(self.total)).await), bytes }
    }

    /// Room for one that may hold some already. Never waits for itself: one at a time goes on beyond the budget.
    pub async fn reserve_more(&self, bytes: usize) -> Reservation {
        let wanted = units(bytes).min(self.total);
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(wanted) {
            return Reservation { permits: Some(permit), bytes };
        }
        let permits = tokio::select! {
            biased;
            permit = acquire(&self.free, wanted) => permit,
            permit = acquire(&self.beyond, 1) => permit,
        };
        Reservation { permits: Some(permits), bytes }
    }

    /// Whether nobody holds anything.
    #[cfg(test)]
    pub fn is_untouched(&self) -> bool {
        self.free.available_permits() == self.total as usize && self.beyond.available_permits() == 1
    }

    /// Room for an answer that can have any size up to `most` bytes: a share of what is free, or [`OWN`] where that is
    /// less. Never waits, for those that others wait for may be held by clients that do not read.
    pub fn share(&self, most: usize) -> Reservation {
        let share = most.min(self.free.available_permits() / SHARE * UNIT);
        let permits = if OWN < share { Arc::clone(&self.free).try_acquire_many_owned(units(share)).ok() } else { None };
        match permits {
            Some(permits) => Reservation { permits: Some(permits), bytes: share },
            None => Reservation { permits: None, bytes: most.min(OWN) },
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

async fn acquire(semaphore: &Arc<Semaphore>, permits: u32) -> OwnedSemaphorePermit {
    Arc::clone(semaphore).acquire_many_owned(permits).await.expect("the semaphore is never closed")
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    const MIB: usize = 1 << 20;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }

    fn now<F: Future>(future: F) -> F::Output {
        match poll(pin!(future)) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("there is room"),
        }
    }

    #[test]
    fn who_finds_no_room_waits_and_one_larger_than_all_passes_alone() {
        let budget = Budget::new(4 * MIB);
        let first = now(budget.reserve(3 * MIB));
        let mut huge = pin!(budget.reserve(100 * MIB));
        assert!(poll(huge.as_mut()).is_pending());
        // Later ones stand behind it, or it would wait for ever.
        let mut small = pin!(budget.reserve(1));
        assert!(poll(small.as_mut()).is_pending());
        drop(first);
        let Poll::Ready(alone) = poll(huge.as_mut()) else { panic!("nothing else is there") };
        assert!(poll(small.as_mut()).is_pending());
        drop(alone);
        assert!(poll(small.as_mut()).is_ready());
    }

    #[test]
    fn one_that_holds_something_never_waits_for_itself() {
        let budget = Budget::new(MIB);
        let (_one, _two) = (now(budget.reserve(MIB / 2)), now(budget.reserve(MIB / 2)));
        let more = now(budget.reserve_more(MIB));
        // The next such one waits until that has ended.
        let mut waiting = pin!(budget.reserve_more(MIB));
        assert!(poll(waiting.as_mut()).is_pending());
        drop(more);
        assert!(poll(waiting.as_mut()).is_ready());
    }

    #[test]
    fn answers_that_nobody_reads_leave_room_for_others() {
        let budget = Budget::new(64 * MIB);
        let mut unread = Vec::new();
        for _ in 0..64 {
            let room = budget.share(50 * MIB);
            assert!(OWN <= room.bytes() && room.bytes() <= 8 * MIB);
            unread.push(room);
        }
        let left = budget.free.available_permits();
        assert!(0 < left, "an eighth of what is free never is all of it");
        // One that is larger than what is left waits, and those that are small do not wait behind it.
        let mut large = pin!(budget.reserve_more(64 * MIB));
        let mut larger = pin!(budget.reserve_more(64 * MIB));
        let Poll::Ready(_one) = poll(large.as_mut()) else { panic!("one at a time goes on") };
        assert!(poll(larger.as_mut()).is_pending());
        assert_eq!(budget.share(50 * MIB).bytes(), OWN);
        assert_eq!(budget.share(100).bytes(), 100);
    }

    #[test]
    fn what_an_answer_does_not_need_is_given_back_before_it_is_written() {
        let budget = Budget::new(MIB);
        let mut room = budget.share(MIB);
        assert_eq!(room.bytes(), MIB / 8);
        room.shrink(2 * UNIT);
        assert_eq!((room.bytes(), budget.free.available_permits()), (2 * UNIT, 1024 - 2));
        room.shrink(MIB);
        assert_eq!(room.bytes(), 2 * UNIT);
        drop(room);
        assert_eq!(budget.free.available_permits(), 1024);
    }
}
