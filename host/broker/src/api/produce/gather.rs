//! What became of several pieces of work that one request waits for. Whoever waits is woken once, when all have ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::oneshot;

/// A place for the outcome of each piece. A piece has ended when it has let go of this.
pub struct Gather<T> {
    outcomes: Mutex<Vec<Option<T>>>,
    done: Option<oneshot::Sender<Vec<Option<T>>>>,
}

/// The end that waits.
pub struct Gathered<T> {
    gather: Weak<Gather<T>>,
    outcomes: oneshot::Receiver<Vec<Option<T>>>,
}

impl<T> Gather<T> {
    /// So many places.
    pub fn new(places: usize) -> (Arc<Self>, Gathered<T>) {
        let (done, outcomes) = oneshot::channel();
        let empty = std::iter::repeat_with(|| None).take(places).collect();
        let gather = Arc::new(Self { outcomes: Mutex::new(empty), done: Some(done) });
        let gathered = Gathered { gather: Arc::downgrade(&gather), outcomes };
        (gather, gathered)
    }

    /// Says what became of a piece, which may go on to wait for something.
    pub fn set(&self, place: usize, outcome: T) {
        self.lock()[place] = Some(outcome);
    }

    /// Whether nobody waits any more.
    pub fn is_given_up(&self) -> bool {
        self.done.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<T>>> {
        // Each place stands for itself, and is filled at once.
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Gather<T> {
    fn drop(&mut self) {
        let outcomes = std::mem::take(self.outcomes.get_mut().unwrap_or_else(PoisonError::into_inner));
        // Nobody may be left to hear it.
        drop(self.done.take().map(|done| done.send(outcomes)));
    }
}

impl<T> Gathered<T> {
    /// The outcomes when all have ended, each in its place; `None` for one that ended in a panic, or if the broker was
    /// stopped. May be dropped and called again until it has returned.
    pub async fn all(&mut self) -> Vec<Option<T>> {
        (&mut self.outcomes).await.unwrap_or_default()
    }

    /// As [`Gathered::all`], if all have ended by now.
    pub fn now(&mut self) -> Option<Vec<Option<T>>> {
        self.outcomes.try_recv().ok()
    }

    /// What is known so far, if not all have ended.
    pub fn so_far<R>(&self, look: impl FnOnce(&mut [Option<T>]) -> R) -> Option<R> {
        let gather = self.gather.upgrade()?;
        let looked = look(&mut gather.lock());
        Some(looked)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    #[test]
    fn outcomes_come_when_every_piece_has_ended_whether_or_not_it_says_how() {
        let (gather, mut gathered) = Gather::new(3);
        let (first, second, third) = (Arc::clone(&gather), Arc::clone(&gather), gather);
        first.set(0, 'a');
        drop(first);
        third.set(2, 'c');
        drop(second);
        assert_eq!(gathered.so_far(|outcomes| outcomes.to_vec()), Some(vec![Some('a'), None, Some('c')]));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let waits = pin!(gathered.all()).poll(&mut context).is_pending();
        assert!(waits && gathered.now().is_none(), "the third piece has an outcome and has not ended");
        third.set(2, 'd');
        drop(third);
        assert_eq!(pin!(gathered.all()).poll(&mut context), Poll::Ready(vec![Some('a'), None, Some('d')]));
        assert_eq!(gathered.so_far(|outcomes| outcomes.len()), None);
        let (gather, mut nothing) = Gather::<()>::new(0);
        drop(gather);
        assert_eq!(nothing.now(), Some(Vec::new()));
    }

    #[test]
    fn a_piece_can_tell_that_nobody_waits() {
        let (gather, gathered) = Gather::<()>::new(1);
        assert!(!gather.is_given_up());
        drop(gathered);
        assert!(gather.is_given_up());
    }
}
