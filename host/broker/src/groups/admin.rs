//! What administrators see and remove: groups, their offsets, and what deleted topics leave behind.

use millstream_record::TopicName;
use millstream_wire::error_code::ErrorCode;
use tracing::warn;

use super::{
    Groups,
    coordinator::{ConsumerGroupDescription, Described, ListedGroup},
    log::Forget,
};

impl Groups {
    /// A group for DescribeGroups.
    ///
    /// # Errors
    ///
    /// Whether it exists is not known.
    pub fn describe(&self, group: &str) -> Result<Described, ErrorCode> {
        Ok(self.lock_for(group)?.coordinator.describe(group))
    }

    /// A group for ConsumerGroupDescribe; `None` for one of another protocol, or none.
    ///
    /// # Errors
    ///
    /// Whether it exists is not known.
    pub fn describe_consumer(&self, group: &str) -> Result<Option<ConsumerGroupDescription>, ErrorCode> {
        Ok(self.lock_for(group)?.coordinator.describe_consumer(group, &*self.topics))
    }

    /// Every group that is known.
    ///
    /// # Errors
    ///
    /// None is.
    pub fn list(&self) -> Result<Vec<ListedGroup>, ErrorCode> {
        Ok(self.lock()?.coordinator.list())
    }

    /// DeleteGroups for one group: durable when this returns.
    ///
    /// # Errors
    ///
    /// The group stays as it is.
    pub async fn delete(&self, group: &str) -> Result<(), ErrorCode> {
        // Handed over under the lock: behind every commit that was, and before every one that will be.
        let forget = {
            let mut state = self.lock_for(group)?;
            state.coordinator.delete(group).map(|action| self.forget(action))?
        };
        self.forget_now(forget).await
    }

    /// OffsetDelete: a verdict for each partition, durable when this returns.
    ///
    /// # Errors
    ///
    /// The request as a whole is refused, or nothing could be deleted.
    pub async fn delete_offsets(&self, group: &str, partitions: &[(String, i32)]) -> Result<Vec<ErrorCode>, ErrorCode> {
        let (verdicts, forget) = {
            let mut state = self.lock_for(group)?;
            let (verdicts, action) = state.coordinator.delete_offsets(group, partitions)?;
            (verdicts, action.and_then(|action| self.forget(action)))
        };
        self.forget_now(forget).await.map(|()| verdicts)
    }

    async fn forget_now(&self, forget: Option<Forget>) -> Result<(), ErrorCode> {
        match forget {
            Some(forget) => self.finish_forgetting(forget).await,
            None => Ok(()),
        }
    }

    /// A topic is gone: so are the offsets committed for it, those on their way to the disk included. Returns once their
    /// deletion is durable, or has failed: what is left on disk then is told by the topic's id, and deleted when it is
    /// read.
    pub async fn forget_topic(&self, topic: &TopicName) {
        let forgets: Vec<Forget> = {
            let Ok(mut state) = self.lock() else { return };
            let actions = state.coordinator.forget_topic(topic.as_str());
            actions.into_iter().filter_map(|action| self.forget(action)).collect()
        };
        for forget in forgets {
            let group = forget.group.clone();
            if let Err(code) = self.finish_forgetting(forget).await {
                let error = code.name();
                warn!(%topic, group, error, "offsets of a deleted topic are left on disk until they are read again");
            }
        }
    }
}
