//! How much memory requests may take together, and answers, in bytes.
//!
//! What comes out of the one: requests larger than a connection's own buffer as they arrive, and what compressed batches
//! expand to. Out of the other: the records in answers to Fetch until they are written. Who finds nothing left waits, or
//! makes do with little. Those who wait may hold what others wait for, so one of each kind at a time goes on beyond it.

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
    /// The same among those that arrive. It may need the other as well before it ends, and not the reverse.
    beyond_arriving: Arc<Semaphore>,
}

/// A part of the budget, given back on drop.
#[derive(Debug)]
pub struct Reservation {
    /// `None` for what needs none.
    permits: Option<OwnedSemaphorePermit>,
    /// Leave to go on beyond the budget.
    beyond: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Reservation {
    /// How many bytes were asked for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it goes beyond the budget, for which others wait.
    pub fn is_beyond(&self) -> bool {
        self.beyond.is_some()
    }

    /// Takes in another of the same budget.
    pub fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        for (own, more) in [(&mut self.permits, more.permits), (&mut self.beyond, more.beyond)] {
            match (own.as_mut(), more) {
                (Some(own), Some(more)) => own.merge(more),
                (None, more) => *own = more,
                (Some(_), None) => {}
            }
        }
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
        let one = || Arc::new(Semaphore::new(1));
        Self { free: Arc::new(Semaphore::new(total as usize)), total, beyond: one(), beyond_arriving: one() }
    }

    /// Waits for room for what goes on to its end by itself, and may hold some already: one at a time goes on beyond the
    /// budget. Dropping the future gives the place up.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        self.reserve_or(bytes, &self.beyond).await
    }

    /// Waits for room for more of a request that arrives. One that [is beyond](Reservation::is_beyond) the budget needs
    /// no more room, and is not to keep others waiting if its client stalls.
    pub async fn reserve_arriving(&self, bytes: usize) -> Reservation {
        self.reserve_or(bytes, &self.beyond_arriving).await
    }

    async fn reserve_or(&self, bytes: usize, beyond: &Arc<Semaphore>) -> Reservation {
        let wanted = units(bytes).min(self.total);
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_many_owned(wanted) {
            return Reservation { permits: Some(permit), beyond: None, bytes };
        }
        tokio::select! {
            biased;
            permit = acquire(&self.free, wanted) => Reservation { permits: Some(permit), beyond: None, bytes },
            permit = acquire(beyond, 1) => Reservation { permits: None, beyond: Some(permit), bytes },
        }
    }

    /// Whether nobody holds anything.
    #[cfg(test)]
    pub fn is_untouched(&self) -> bool {
        let beyond = [&self.beyond, &self.beyond_arriving];
        self.free.available_permits() == self.total as usize && beyond.iter().all(|it| it.available_permits() == 1)
    }

    /// Room for an answer that can have any size up to `most` bytes: a share of what is free, or [`OWN`] where that is
    /// less. Never waits, for those that others wait for may be held by clients that do not read.
    pub fn share(&self, most: usize) -> Reservation {
        let share = most.min(self.free.available_permits() / SHARE * UNIT);
        let permits = if OWN < share { Arc::clone(&self.free).try_acquire_many_owned(units(share)).ok() } else { None };
        match permits {
            Some(permits) => Reservation { permits: Some(permits), beyond: None, bytes: share },
            None => Reservation { permits: None, beyond: None, bytes: most.min(OWN) },
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
    fn who_finds_no_room_waits_and_one_at_a_time_goes_on_beyond_the_budget() {
        let budget = Budget::new(4 * MIB);
        let first = now(budget.reserve(3 * MIB));
        let huge = now(budget.reserve(100 * MIB));
        assert!(huge.is_beyond() && !first.is_beyond());
        let mut next = pin!(budget.reserve(2 * MIB));
        assert!(poll(next.as_mut()).is_pending());
        // Later ones stand behind it, or it would wait for ever.
        let mut small = pin!(budget.reserve(1));
        assert!(poll(small.as_mut()).is_pending());
        drop(first);
        assert!(poll(next.as_mut()).is_ready() && poll(small.as_mut()).is_ready());
        drop(huge);
        assert!(budget.is_untouched());
    }

    #[test]
    fn what_arrives_never_keeps_what_has_arrived_from_its_end() {
        let budget = Budget::new(MIB);
        let mut halves = [now(budget.reserve_arriving(MIB / 2)), now(budget.reserve_arriving(MIB / 2))];
        // Both want more. One goes on to its end, and what its batches expand to is room of the other kind.
        halves[0].add(now(budget.reserve_arriving(MIB)));
        assert!(halves[0].is_beyond() && halves[0].bytes() == 3 * MIB / 2);
        let mut waiting = pin!(budget.reserve_arriving(MIB / 2));
        assert!(poll(waiting.as_mut()).is_pending());
        drop(now(budget.reserve(MIB)));
        let [ended, mut other] = halves;
        drop(ended);
        let Poll::Ready(more) = poll(waiting.as_mut()) else { panic!("there is room again") };
        other.add(more);
        assert!(!other.is_beyond());
        drop(other);
        assert!(budget.is_untouched());
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
        let mut large = pin!(budget.reserve(64 * MIB));
        let mut larger = pin!(budget.reserve(64 * MIB));
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
