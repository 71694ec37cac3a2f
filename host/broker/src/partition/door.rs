//! Who may touch a partition's files: one thread at a time that changes them, and a few that read.
//!
//! Nobody waits at a door. Work that finds a thread inside is left there, and that thread does it before it goes:
//! work on one partition is done in the order it came in, and a partition whose disk stalls holds one thread,
//! however much is to be written to it. A reader that finds the house full is turned away and told when to come
//! again.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::io_threads::Job;

/// Most pieces of work that a thread does for others before somebody else takes its place.
const MOST_FOR_OTHERS: usize = 32;

/// The door for changes.
#[derive(Default)]
pub struct Door {
    state: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    occupied: bool,
    waiting: VecDeque<Job>,
}

/// What is to be done after work was left at a door, or a thread went through it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Next {
    /// Nothing: somebody is inside and does the rest, or there is no more.
    Done,
    /// A thread has to be found that calls [`Door::enter`].
    Send,
}

impl Door {
    /// Leaves work behind that which is there. Never blocks.
    pub fn leave(&self, job: Job) -> Next {
        let mut inside = self.lock();
        inside.waiting.push_back(job);
        if std::mem::replace(&mut inside.occupied, true) { Next::Done } else { Next::Send }
    }

    /// Does the work that waits, in its order; to be called by the one thread that was sent. Blocks.
    pub fn enter(&self) -> Next {
        for _ in 0..MOST_FOR_OTHERS {
            let next = {
                let mut inside = self.lock();
                let next = inside.waiting.pop_front();
                inside.occupied = next.is_some();
                next
            };
            let Some(job) = next else { return Next::Done };
            job();
        }
        Next::Send
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        // Work is done outside of the lock, and nothing else in it can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Most bytes that wait at one door without anybody else accounting for their memory. Requests that a partition's disk
/// stalls would otherwise pile up, as their clients give up, come back and send the same again.
pub const MOST_AT_DOOR: usize = 32 << 20;

/// Bytes that wait at a door for which there is no other budget.
#[derive(Default)]
pub struct Crowd {
    bytes: AtomicUsize,
    left: Notify,
}

impl Crowd {
    /// Waits until there is room. Holds none: of those that pass together all join.
    pub async fn room(&self) {
        if self.has_room() {
            return;
        }
        loop {
            let mut left = pin!(self.left.notified());
            left.as_mut().enable();
            if self.has_room() {
                return;
            }
            left.await;
        }
    }

    /// Counts these bytes until the result is dropped.
    pub fn join(self: &Arc<Self>, bytes: usize) -> Waiting {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Waiting { crowd: Arc::clone(self), bytes }
    }

    fn has_room(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) < MOST_AT_DOOR
    }
}

/// Bytes at a door.
pub struct Waiting {
    crowd: Arc<Crowd>,
    bytes: usize,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if MOST_AT_DOOR <= self.crowd.bytes.fetch_sub(self.bytes, Ordering::Relaxed) {
            self.crowd.left.notify_waiters();
        }
    }
}

/// Readers of one partition at one moment.
#[derive(Default)]
pub struct Readers {
    inside: AtomicUsize,
    turned_away: AtomicBool,
}

impl Readers {
    /// A place among at most `most`; `None` where there is none. Whoever is turned away hears `come_again`, which
    /// is called when a place is free.
    pub fn enter<F: Fn()>(&self, most: usize, come_again: F) -> Option<Place<'_, F>> {
        if !self.try_enter(most) {
            // Noted before the second look, so that whoever leaves after it finds the note.
            self.turned_away.store(true, Ordering::SeqCst);
            if !self.try_enter(most) {
                return None;
            }
        }
        Some(Place { readers: self, come_again })
    }

    fn try_enter(&self, most: usize) -> bool {
        self.inside
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |inside| (inside < most).then_some(inside + 1))
            .is_ok()
    }
}

/// A reader's place, given up on drop.
pub struct Place<'a, F: Fn()> {
    readers: &'a Readers,
    come_again: F,
}

impl<F: Fn()> Drop for Place<'_, F> {
    fn drop(&mut self) {
        self.readers.inside.fetch_sub(1, Ordering::SeqCst);
        if self.readers.turned_away.swap(false, Ordering::SeqCst) {
            (self.come_again)();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::Future,
        sync::{Arc, mpsc},
        task::{Context, Waker},
    };

    use super::*;

    #[test]
    fn a_crowd_at_a_door_lets_nobody_in_until_there_is_room() {
        let crowd = Arc::new(Crowd::default());
        let mut context = Context::from_waker(Waker::noop());
        let first = crowd.join(MOST_AT_DOOR - 1);
        assert!(pin!(crowd.room()).poll(&mut context).is_ready());
        let second = crowd.join(1);
        let (mut one, mut other) = (pin!(crowd.room()), pin!(crowd.room()));
        assert!(one.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_pending());
        drop(second);
        assert!(one.poll(&mut context).is_ready() && other.poll(&mut context).is_ready());
        drop(first);
        assert_eq!(crowd.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_thread_is_sent_and_does_what_others_left_meanwhile_in_its_order() {
        let door = Arc::new(Door::default());
        let (done, order) = mpsc::channel();
        let job = |number: i32| {
            let done = done.clone();
            Box::new(move || done.send(number).unwrap()) as Job
        };
        let (inner, late) = (Arc::clone(&door), job(3));
        let first = done.clone();
        let first: Job = Box::new(move || {
            first.send(1).unwrap();
            assert_eq!(inner.leave(late), Next::Done, "somebody is inside");
        });
        assert_eq!(door.leave(first), Next::Send);
        assert_eq!(door.leave(job(2)), Next::Done, "somebody is on the way");
        assert_eq!(door.enter(), Next::Done);
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(door.leave(job(4)), Next::Send, "nobody is inside any more");
    }

    #[test]
    fn a_thread_does_not_stay_for_ever_and_has_itself_replaced() {
        let door = Door::default();
        let count = Arc::new(AtomicUsize::new(0));
        for number in 0..MOST_FOR_OTHERS + 1 {
            let count = Arc::clone(&count);
            let next = door.leave(Box::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            }));
            assert_eq!(next, if number == 0 { Next::Send } else { Next::Done });
        }
        assert_eq!(door.enter(), Next::Send);
        assert_eq!(count.load(Ordering::SeqCst), MOST_FOR_OTHERS);
        assert_eq!(door.enter(), Next::Done);
        assert_eq!(count.load(Ordering::SeqCst), MOST_FOR_OTHERS + 1);
    }

    #[test]
    fn a_reader_that_was_turned_away_hears_when_there_is_room() {
        let readers = Readers::default();
        let called = Cell::new(0);
        let come_again = || called.set(called.get() + 1);
        let (first, second) = (readers.enter(2, come_again), readers.enter(2, come_again));
        assert!(first.is_some() && second.is_some());
        assert!(readers.enter(2, come_again).is_none());
        drop(first);
        assert_eq!(called.get(), 1);
        drop(readers.enter(2, come_again));
        drop(second);
        assert_eq!(called.get(), 1, "nobody was turned away since");
    }
}
