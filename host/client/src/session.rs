//! Whether a member may still take itself for one, for those who act in its name.
//!
//! A process that stood still (a stopped container, a machine that was suspended) goes on as if nothing had happened, until
//! its next heartbeat is refused. Until then it would do again what others have been given. So whoever writes in a member's
//! name asks here first.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::Instant};

/// A member's session, as the member sees it: open from an answer of its coordinator on, for `session.timeout.ms` from when
/// it had asked. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct GroupSession(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    timeout: Duration,
    heard: Mutex<Option<Heard>>,
    opened: Notify,
}

/// By both clocks: one of them stands still while a machine is suspended, the other one can be set. Whichever says that the
/// session is over is believed, as being wrong costs no more than the wait for the next heartbeat.
#[derive(Clone, Copy, Debug)]
struct Heard {
    at: Instant,
    wall: SystemTime,
}

impl Heard {
    fn now() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now() }
    }

    fn is_within(self, timeout: Duration, now: Self) -> bool {
        now.at.saturating_duration_since(self.at) < timeout
            && now.wall.duration_since(self.wall).map_or(true, |passed| passed < timeout)
    }
}

/// When a request was sent that an answer may come to.
#[derive(Clone, Copy, Debug)]
pub struct Asked(Heard);

impl Asked {
    /// Now.
    pub fn now() -> Self {
        Self(Heard::now())
    }
}

impl GroupSession {
    /// Of somebody who is in no group, and always open.
    pub fn unlimited() -> Self {
        Self(None)
    }

    /// Closed until the coordinator has answered.
    pub fn new(timeout: Duration) -> Self {
        Self(Some(Arc::new(Inner { timeout, heard: Mutex::new(None), opened: Notify::new() })))
    }

    /// Whether it is certain that the group has not gone on without the member.
    pub fn is_open(&self) -> bool {
        let Some(inner) = &self.0 else { return true };
        let heard = *inner.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|heard| heard.is_within(inner.timeout, Heard::now()))
    }

    /// Returns when that is certain. Dropping the future loses nothing.
    pub async fn opened(&self) {
        let Some(inner) = &self.0 else { return };
        loop {
            let opened = inner.opened.notified();
            tokio::pin!(opened);
            // Registered before looking, so that no answer falls between.
            opened.as_mut().enable();
            if self.is_open() {
                return;
            }
            opened.await;
        }
    }

    /// The coordinator has answered to what was asked then, and counts the member in.
    pub fn answered(&self, asked: Asked) {
        let Some(inner) = &self.0 else { return };
        let mut heard = inner.heard.lock().unwrap_or_else(PoisonError::into_inner);
        // An answer that took long may tell less than what is known already.
        if heard.is_none_or(|heard| heard.at <= asked.0.at) {
            *heard = Some(asked.0);
        }
        drop(heard);
        inner.opened.notify_waiters();
    }

    /// The coordinator keeps a request of the member while it waits for others, which is as good as a heartbeat; but not for
    /// a member that was not there to see it.
    pub(crate) fn waits(&self) {
        if self.0.is_some() && self.is_open() {
            self.answered(Asked::now());
        }
    }

    /// The group goes on without the member.
    pub fn close(&self) {
        if let Some(inner) = &self.0 {
            *inner.heard.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(6);

    #[tokio::test(start_paused = true)]
    async fn a_session_is_open_for_its_time_from_when_the_coordinator_was_asked() {
        let session = GroupSession::new(TIMEOUT);
        assert!(!session.is_open(), "nobody has answered");
        session.waits();
        assert!(!session.is_open(), "whoever only waits is not counted in yet");
        let asked = Asked::now();
        tokio::time::advance(TIMEOUT / 2).await;
        session.answered(asked);
        assert!(session.is_open());
        tokio::time::advance(TIMEOUT / 2).await;
        assert!(!session.is_open(), "counted from the question");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_others_stays_unless_it_was_away() {
        let session = GroupSession::new(TIMEOUT);
        let early = Asked::now();
        session.answered(early);
        for _ in 0..4 {
            tokio::time::advance(TIMEOUT / 2).await;
            session.waits();
            assert!(session.is_open());
        }
        session.answered(early);
        assert!(session.is_open(), "an answer to what was asked before the wait takes nothing back");
        tokio::time::advance(TIMEOUT).await;
        session.waits();
        assert!(!session.is_open());
        session.answered(Asked::now());
        assert!(session.is_open());
        session.close();
        assert!(!session.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_it_hears_of_the_next_answer() {
        let session = GroupSession::new(TIMEOUT);
        let opened = session.opened();
        tokio::pin!(opened);
        assert_eq!(futures::poll!(opened.as_mut()), Poll::Pending);
        session.answered(Asked::now());
        assert_eq!(futures::poll!(opened.as_mut()), Poll::Ready(()));
        GroupSession::unlimited().opened().await;
        assert!(GroupSession::unlimited().is_open());
    }

    #[test]
    fn either_clock_can_end_it() {
        let heard = Heard::now();
        let [soon, later] = [Duration::from_secs(1), TIMEOUT];
        let at = |by_one: Duration, by_other: Duration| Heard { at: heard.at + by_one, wall: heard.wall + by_other };
        assert!(heard.is_within(TIMEOUT, at(soon, soon)));
        assert!(!heard.is_within(TIMEOUT, at(later, soon)));
        assert!(!heard.is_within(TIMEOUT, at(soon, later)), "a machine was suspended, or its clock set");
        let back = Heard { at: heard.at + soon, wall: heard.wall - later };
        assert!(heard.is_within(TIMEOUT, back), "a clock that was set back says nothing");
    }
}
