//! What administrators see and remove: groups, their offsets, and what deleted topics leave behind.

use millstream_record::TopicName;
use millstream_wire::error_code::ErrorCode;

use super::{
    Groups,
    coordinator::{GroupDescription, GroupState},
    log::finish_forgetting,
};

impl Groups {
    /// A group for DescribeGroups; `None` for one that does not exist.
    ///
    /// # Errors
    ///
    /// Whether it exists is not known.
    pub fn describe(&self, group: &str) -> Result<Option<GroupDescription>, ErrorCode> {
        Ok(self.lock_for(group)?.coordinator.describe(group))
    }

    /// Id, protocol type and state of every group that is known.
    ///
    /// # Errors
    ///
    /// None is.
    pub fn list(&self) -> Result<Vec<(String, String, GroupState)>, ErrorCode> {
        Ok(self.lock()?.coordinator.list())
    }

    /// DeleteGroups for one group: durable when this returns.
    pub async fn delete(&self, group: &str) -> ErrorCode {
        let written = {
            let deleted = self.lock_for(group).and_then(|mut state| {
                // Handed over under the lock: behind every commit that was, and before every one that will be.
                state.coordinator.delete(group).map(|action| self.forget(&action))
            });
            match deleted {
                Ok(written) => written,
                Err(code) => return code,
            }
        };
        finish_forgetting(group, written).await
    }

    /// OffsetDelete: a verdict for each partition, durable when this returns.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub async fn delete_offsets(&self, group: &str, partitions: &[(String, i32)]) -> Result<Vec<ErrorCode>, ErrorCode> {
        let (verdicts, written) = {
            let mut state = self.lock_for(group)?;
            let (verdicts, action) = state.coordinator.delete_offsets(group, partitions)?;
            (verdicts, self.forget(&action))
        };
        match finish_forgetting(group, written).await {
            ErrorCode::NONE => Ok(verdicts),
            code => Err(code),
        }
    }

    /// A topic is gone: so are the offsets committed for it, those on their way to the disk included. True if that is
    /// durable and none can come back; otherwise it is to be called again before the topic's name is used again.
    pub async fn forget_topic(&self, topic: &TopicName) -> bool {
        let (written, all_known): (Vec<_>, bool) = {
            let Ok(mut state) = self.lock() else { return false };
            let mut actions = state.owed.remove(topic.as_str()).unwrap_or_default();
            actions.extend(state.coordinator.forget_topic(topic.as_str()));
            let written = actions.into_iter().map(|action| (self.forget(&action), action)).collect();
            (written, state.not_loaded.is_empty())
        };
        let mut owed = Vec::new();
        for (written, action) in written {
            if finish_forgetting(action.group(), written).await != ErrorCode::NONE {
                owed.push(action);
            }
        }
        let forgotten = owed.is_empty() && all_known;
        if !owed.is_empty()
            && let Ok(mut state) = self.lock()
        {
            state.owed.entry(topic.to_string()).or_default().append(&mut owed);
        }
        forgotten
    }
}
