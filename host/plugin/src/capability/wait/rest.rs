//! What a source task has said about its next poll.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use millstream_connector::Rest as Resting;

/// For how long there will be nothing, and what ends that early. Of one call: it is forgotten when the next begins.
#[derive(Default)]
pub(crate) struct Rest {
    time: Option<Duration>,
    /// By the guest's handle, so that there are no more of them than handles, whatever a guest says how often.
    ends: BTreeMap<u32, Resting>,
}

impl Rest {
    /// There will be nothing for so long.
    pub(crate) fn set(&mut self, ms: u32) {
        self.time = Some(Duration::from_millis(ms.into()));
    }

    /// It is over when this is, whatever the time. One that was given for the same handle does not count any more.
    pub(crate) fn ended_by(&mut self, handle: u32, end: Resting) {
        self.ends.insert(handle, end);
    }

    /// A call begins.
    pub(crate) fn forget(&mut self) {
        (self.time, self.ends) = Default::default();
    }

    /// What is to be waited for, if the guest has said so.
    pub(crate) fn take(&mut self) -> Option<Resting> {
        let mut ends = std::mem::take(&mut self.ends);
        let time = self.time.take()?;
        Some(Box::pin(async move {
            let ended = poll_fn(|context| {
                let is_over = ends.values_mut().any(|end| end.as_mut().poll(context).is_ready());
                if is_over { Poll::Ready(()) } else { Poll::Pending }
            });
            // Either way it is time to ask again.
            let _ = tokio::time::timeout(time, ended).await;
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::Instant;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn rested(rest: &mut Rest) -> Option<Duration> {
        let began = Instant::now();
        rest.take()?.await;
        Some(began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_lasts_as_long_as_was_said_last_unless_one_of_its_ends_comes() {
        let mut rest = Rest::default();
        assert_eq!(rested(&mut rest).await, None);
        rest.set(9000);
        rest.set(1000);
        rest.ended_by(1, Box::pin(pending()));
        rest.ended_by(2, Box::pin(pending()));
        assert_eq!(rested(&mut rest).await, Some(SECOND));
        assert_eq!(rested(&mut rest).await, None, "it was said once");
        rest.ended_by(1, Box::pin(ready(())));
        assert_eq!(rested(&mut rest).await, None, "an end without a time means nothing");
        rest.set(1000);
        rest.ended_by(1, Box::pin(ready(())));
        rest.ended_by(1, Box::pin(tokio::time::sleep(SECOND / 4)));
        assert_eq!(rested(&mut rest).await, Some(SECOND / 4));
        rest.set(1000);
        rest.forget();
        assert_eq!(rested(&mut rest).await, None);
    }
}
