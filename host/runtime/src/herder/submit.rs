//! Task configurations on their way to the leader, from the caretaker of a connector on a worker that does not lead.

use std::{sync::Arc, time::Duration};

use millstream_config::ConfigMap;
use tokio::{task::JoinSet, time::Instant};

use super::{
    HerderError,
    peers::{PeerError, Peers},
};
use crate::config_log::SessionKey;

/// Waits before the next try: from the first to the longest, doubled each time, as in Connect.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// For so long a refused signature is taken for a key that has been changed a moment ago.
const KEY_CHANGE: Duration = Duration::from_secs(60);

/// What is under way: one set at most. Dropping it ends that.
#[derive(Debug, Default)]
pub(super) struct Submission {
    under_way: JoinSet<bool>,
    /// Since when it has been tried, and how often.
    since: Option<Instant>,
    tries: u32,
    /// Whether the connector has made others meanwhile.
    outdated: bool,
}

impl Submission {
    /// Whether one is under way; if so, it is outdated from here on.
    pub(super) fn supersedes(&mut self) -> bool {
        self.outdated = !self.under_way.is_empty();
        self.outdated
    }

    /// Gives the leader at `url` task configurations, signed with `key` if there is one. What it does not take ends after
    /// a wait, longer with every try.
    pub(super) fn start(
        &mut self,
        peers: Arc<dyn Peers>,
        (name, url): (String, String),
        configs: Vec<ConfigMap>,
        key: Option<SessionKey>,
    ) {
        let (wait, fresh) = self.next_try();
        self.under_way.spawn(async move {
            let Err(error) = peers.put_task_configs(&url, &name, &configs, key.as_ref()).await else { return true };
            if fresh && matches!(error, PeerError::Signature) {
                tracing::debug!(connector = name, "the leader may have another session key: tried again");
            } else {
                let error = error.to_string();
                tracing::warn!(
                    connector = name,
                    leader = url,
                    error,
                    "the leader has not taken task configurations, and is asked again"
                );
            }
            tokio::time::sleep(wait).await;
            false
        });
    }

    /// Tries again after a wait, since nobody was there to take them.
    pub(super) fn put_off(&mut self, name: String, why: HerderError) {
        let (wait, _) = self.next_try();
        self.under_way.spawn(async move {
            tracing::debug!(connector = name, error = %why, "task configurations wait for a leader");
            tokio::time::sleep(wait).await;
            false
        });
    }

    /// What was made is stored: the next one is the first again.
    pub(super) fn taken(&mut self) {
        (self.since, self.tries) = (None, 0);
    }

    fn next_try(&mut self) -> (Duration, bool) {
        let fresh = self.since.get_or_insert_with(Instant::now).elapsed() < KEY_CHANGE;
        let wait = FIRST_WAIT.saturating_mul(1 << self.tries.min(8)).min(LONGEST_WAIT);
        self.tries += 1;
        (wait, fresh)
    }

    /// Waits for the end of what is under way; for ever while there is none. Whether the connector is to be asked again:
    /// what was made may be outdated by now. Dropping the future loses nothing.
    pub(super) async fn ended(&mut self) -> bool {
        let taken = match self.under_way.join_next().await {
            // Nothing in it can panic, and it is not aborted but by being dropped.
            Some(ended) => ended.unwrap_or(false),
            None => std::future::pending().await,
        };
        if taken {
            self.taken();
        }
        !taken || std::mem::take(&mut self.outdated)
    }
}
