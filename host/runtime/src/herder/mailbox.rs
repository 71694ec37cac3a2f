//! What is wanted of a connector's caretaker: wishes in order, and that something about the connector has changed.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    sync::{Mutex, MutexGuard},
};

use millstream_connector::Failure;
use tokio::sync::{Notify, mpsc};

use super::{HerderError, RestartRequest};

/// Wishes that may wait for one connector; further requests are refused until some are granted.
const MAX_WISHES: usize = 64;

/// Hears what became of a wish.
pub(super) type Settled = Box<dyn FnOnce(Result<(), Unsettled>) + Send>;

/// Why a wish was not granted.
#[derive(Debug)]
pub(super) enum Unsettled {
    /// The connector has failed over it.
    Failed(Failure),
    /// The caretaker ends before it has come to it.
    Ended(HerderError),
}

/// Something to do beyond making the connector what it should be, or to answer when it is.
pub(super) enum Wish {
    /// Say when everything is as desired.
    Settle(Settled),
    /// Discard the connector instance and start another one.
    RestartInstance(Settled),
    /// Restart a task.
    RestartTask(u32, Settled),
    /// Restart what a request chooses. Nobody waits for it: it was read from the config log.
    Restart(RestartRequest),
    /// Stop what is not this worker's any more, and drop this then. It comes before everything else that waits.
    GiveUp(Held),
}

/// Held for as long as something runs here that others may be given.
pub(super) type Held = mpsc::Sender<Infallible>;

/// What a caretaker does next.
pub(super) enum Next {
    /// Stop everything; what still waits is answered with this.
    End(HerderError),
    /// Grant a wish.
    Wish(Wish),
    /// Make the connector what it should be by now.
    Due,
    /// The connector (`None`) or a task has failed.
    Failed(Option<u32>),
}

/// See the module's documentation. Written by the herder's loop, read by one caretaker.
#[derive(Default)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Default)]
struct Inner {
    wishes: VecDeque<Wish>,
    due: bool,
    failed: BTreeSet<Option<u32>>,
    ending: Option<HerderError>,
    closed: bool,
}

impl Mailbox {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("what waits is changed by whole values, which does not panic")
    }

    /// Leaves a wish. A restart that was read joins the one that waits before it, so that the queue stays short.
    ///
    /// # Errors
    ///
    /// The caretaker is gone; the wish comes back.
    pub(super) fn wish(&self, wish: Wish) -> Result<(), Wish> {
        let mut inner = self.inner();
        if inner.closed {
            return Err(wish);
        }
        match (inner.wishes.back_mut(), wish) {
            (Some(Wish::Restart(before)), Wish::Restart(request)) => *before = before.stronger(request),
            (_, wish @ Wish::GiveUp(_)) => inner.wishes.push_front(wish),
            (_, wish) => inner.wishes.push_back(wish),
        }
        drop(inner);
        self.news.notify_one();
        Ok(())
    }

    /// Whether another request may wait here.
    pub(super) fn has_room(&self) -> bool {
        self.inner().wishes.len() < MAX_WISHES
    }

    /// Says that something about the connector has changed; `false` if the caretaker is gone.
    pub(super) fn due(&self) -> bool {
        let mut inner = self.inner();
        inner.due = true;
        let open = !inner.closed;
        drop(inner);
        self.news.notify_one();
        open
    }

    /// Says that the connector (`None`) or a task has failed.
    pub(super) fn failed(&self, part: Option<u32>) {
        self.inner().failed.insert(part);
        self.news.notify_one();
    }

    /// Ends the caretaker.
    pub(super) fn end(&self, error: HerderError) {
        self.inner().ending = Some(error);
        self.news.notify_one();
    }

    /// Whether the caretaker is to end.
    pub(super) fn is_ending(&self) -> bool {
        self.inner().ending.is_some()
    }

    /// Whether something waits for which a call into the connector is to be given up.
    pub(super) fn interrupts(&self) -> bool {
        let inner = self.inner();
        let interrupts = |wish: &Wish| match wish {
            Wish::RestartInstance(_) | Wish::GiveUp(_) => true,
            // One that is under way has not failed.
            Wish::Restart(request) => !request.only_failed,
            Wish::Settle(_) | Wish::RestartTask(..) => false,
        };
        inner.ending.is_some() || inner.wishes.iter().any(interrupts)
    }

    /// Returns when something may have come. Dropping the future loses nothing.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// Waits for what is to be done next. Dropping the future loses nothing.
    pub(super) async fn next(&self) -> Next {
        loop {
            {
                let mut inner = self.inner();
                if let Some(error) = inner.ending.clone() {
                    return Next::End(error);
                }
                if let Some(wish) = inner.wishes.pop_front() {
                    return Next::Wish(wish);
                }
                if std::mem::take(&mut inner.due) {
                    return Next::Due;
                }
                if let Some(part) = inner.failed.pop_first() {
                    return Next::Failed(part);
                }
            }
            self.news.notified().await;
        }
    }

    /// Closes it if nothing waits, so that the caretaker may go.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut inner = self.inner();
        inner.closed = inner.wishes.is_empty() && !inner.due && inner.ending.is_none();
        inner.closed
    }

    /// Whether the caretaker is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.inner().closed
    }

    /// Closes it and answers what still waits.
    pub(super) fn close(&self, error: &HerderError) {
        let wishes = {
            let mut inner = self.inner();
            inner.closed = true;
            std::mem::take(&mut inner.wishes)
        };
        for wish in wishes {
            match wish {
                Wish::Settle(settled) | Wish::RestartInstance(settled) | Wish::RestartTask(_, settled) => {
                    settled(Err(Unsettled::Ended(error.clone())));
                }
                Wish::Restart(_) | Wish::GiveUp(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restart(include_tasks: bool, only_failed: bool) -> Wish {
        Wish::Restart(RestartRequest { include_tasks, only_failed })
    }

    #[tokio::test]
    async fn restarts_that_wait_together_become_the_strongest_of_them() {
        let mailbox = Mailbox::default();
        for wish in [restart(true, true), restart(false, false), restart(false, true)] {
            assert!(mailbox.wish(wish).is_ok());
        }
        let Next::Wish(Wish::Restart(request)) = mailbox.next().await else { panic!("another thing came") };
        assert_eq!(request, RestartRequest { include_tasks: false, only_failed: false });
        assert!(mailbox.close_if_empty());
        assert!(mailbox.wish(restart(true, true)).is_err() && !mailbox.due(), "nobody would read it");
    }

    #[tokio::test]
    async fn what_others_may_be_given_is_given_up_first_and_dropped_when_nobody_is_there_to_do_it() {
        let mailbox = Mailbox::default();
        let (held, mut released) = mpsc::channel(1);
        assert!(mailbox.wish(restart(true, true)).is_ok() && !mailbox.interrupts());
        assert!(mailbox.wish(Wish::GiveUp(held.clone())).is_ok() && mailbox.interrupts());
        assert!(matches!(mailbox.next().await, Next::Wish(Wish::GiveUp(_))));
        assert!(mailbox.wish(Wish::GiveUp(held)).is_ok());
        mailbox.close(&HerderError::NoLeader);
        assert!(released.recv().await.is_none());
    }

    #[tokio::test]
    async fn wishes_come_before_changes_and_the_end_before_both() {
        let mailbox = Mailbox::default();
        assert!(mailbox.due() && !mailbox.interrupts());
        assert!(mailbox.wish(restart(true, true)).is_ok() && !mailbox.interrupts());
        assert!(mailbox.wish(restart(true, false)).is_ok() && mailbox.interrupts());
        assert!(matches!(mailbox.next().await, Next::Wish(_)));
        assert!(!mailbox.close_if_empty());
        assert!(matches!(mailbox.next().await, Next::Due));
        let (told, heard) = tokio::sync::oneshot::channel();
        let settled: Settled = Box::new(move |result| drop(told.send(result)));
        assert!(mailbox.wish(Wish::Settle(settled)).is_ok());
        mailbox.end(HerderError::NoLeader);
        let Next::End(error) = mailbox.next().await else { panic!("another thing came") };
        mailbox.close(&error);
        assert!(matches!(heard.await, Ok(Err(Unsettled::Ended(HerderError::NoLeader)))));
    }
}
