//! Whose turn it is to sync: at most one thread for each partition, and no append left without a sync after it.

use std::sync::atomic::{AtomicU8, Ordering};

/// Nothing asks for a sync.
const IDLE: u8 = 0;
/// A thread is on its way.
const SENT: u8 = 1;
/// A thread syncs; what is appended from here on may or may not be covered.
const SYNCING: u8 = 2;
/// A thread syncs, and something was appended since it began.
const AGAIN: u8 = 3;

/// Where one partition stands between an append and its sync.
///
/// A partition whose sync stalls holds one thread: appends meanwhile only leave word.
#[derive(Debug, Default)]
pub struct SyncTurn(AtomicU8);

impl SyncTurn {
    /// Something was appended. True if a thread is to be sent.
    pub fn ask(&self) -> bool {
        let next = |state| match state {
            IDLE => Some(SENT),
            SYNCING => Some(AGAIN),
            _ => None,
        };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(IDLE)
    }

    /// The thread that was sent is about to sync.
    pub fn begin(&self) {
        self.0.store(SYNCING, Ordering::Release);
    }

    /// It has synced. True if it is to be sent again.
    pub fn end(&self) -> bool {
        let next = |state| if state == AGAIN { Some(SENT) } else { Some(IDLE) };
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next) == Ok(AGAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that two appenders and the threads they send can do, step by step.
    #[derive(Clone, Debug)]
    struct World {
        turn: u8,
        /// Appends of each appender still to come; each is two steps: append, ask.
        to_append: [u8; 2],
        asks: [bool; 2],
        appended: u8,
        synced: u8,
        /// Of each thread sent: how far it is, and what it will have synced.
        threads: Vec<Thread>,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Thread {
        Sent,
        Begun,
        Covers(u8),
        Gone,
    }

    impl World {
        fn with<T>(&mut self, step: impl FnOnce(&SyncTurn) -> T) -> T {
            let turn = SyncTurn(AtomicU8::new(self.turn));
            let result = step(&turn);
            self.turn = turn.0.into_inner();
            result
        }

        /// Every world that one step leads to.
        fn next(&self) -> Vec<Self> {
            let mut all = Vec::new();
            for who in 0..2 {
                let mut world = self.clone();
                if world.asks[who] {
                    world.asks[who] = false;
                    if world.with(SyncTurn::ask) {
                        world.threads.push(Thread::Sent);
                    }
                    all.push(world);
                } else if 0 < world.to_append[who] {
                    world.to_append[who] -= 1;
                    world.appended += 1;
                    world.asks[who] = true;
                    all.push(world);
                }
            }
            for at in 0..self.threads.len() {
                let mut world = self.clone();
                world.threads[at] = match world.threads[at] {
                    Thread::Sent => {
                        world.with(SyncTurn::begin);
                        Thread::Begun
                    }
                    // The end is read before the disk is asked.
                    Thread::Begun => Thread::Covers(world.appended),
                    Thread::Covers(end) => {
                        world.synced = world.synced.max(end);
                        if world.with(SyncTurn::end) { Thread::Sent } else { Thread::Gone }
                    }
                    Thread::Gone => continue,
                };
                all.push(world);
            }
            all
        }
    }

    #[test]
    fn in_every_order_of_steps_all_is_synced_in_the_end_by_one_thread_at_a_time() {
        let begin =
            World { turn: IDLE, to_append: [2, 2], asks: [false; 2], appended: 0, synced: 0, threads: Vec::new() };
        let (mut open, mut seen) = (vec![begin], std::collections::HashSet::new());
        let mut ends = 0;
        while let Some(world) = open.pop() {
            assert!(world.threads.iter().filter(|thread| **thread != Thread::Gone).count() <= 1, "{world:?}");
            let next = world.next();
            if next.is_empty() {
                ends += 1;
                assert_eq!((world.synced, world.turn), (4, IDLE), "{world:?}");
            }
            open.extend(next.into_iter().filter(|world| seen.insert(format!("{world:?}"))));
        }
        assert!(0 < ends && 100 < seen.len(), "{ends} ends of {} worlds", seen.len());
    }
}
