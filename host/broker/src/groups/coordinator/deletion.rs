//! What ends: groups and offsets that are deleted, and offsets whose retention is over.

use std::collections::HashSet;

use millstream_wire::error_code::ErrorCode;

use super::{Coordinator, action::Action, messages::GroupState};
use crate::groups::offsets::CommittedOffset;

impl Coordinator {
    /// DeleteGroups for one group.
    ///
    /// # Errors
    ///
    /// A group with members stays.
    pub fn delete(&mut self, group_id: &str) -> Result<Action, ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if group.state != GroupState::Empty {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        let offsets = group.forget(|_, _| true);
        self.groups.remove(group_id);
        self.reschedule(group_id);
        Ok(Action::Forget { group: group_id.to_owned(), offsets, whole: true })
    }

    /// OffsetDelete: a verdict for each partition, in their order, and what to write.
    ///
    /// # Errors
    ///
    /// When the request as a whole is refused.
    pub fn delete_offsets(
        &mut self,
        group_id: &str,
        partitions: &[(String, i32)],
    ) -> Result<(Vec<ErrorCode>, Action), ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if !group.members.is_empty() && group.protocol_type.as_deref() != Some("consumer") {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        let subscribed = group.subscribed_topics();
        let verdict = |(topic, _): &(String, i32)| match subscribed.contains(topic) {
            true => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            false => ErrorCode::NONE,
        };
        let verdicts = partitions.iter().map(verdict).collect();
        let asked: HashSet<(&str, i32)> =
            partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
        let gone = group.forget(|topic, partition| !subscribed.contains(topic) && asked.contains(&(topic, partition)));
        Ok((verdicts, Action::Forget { group: group_id.to_owned(), offsets: gone, whole: false }))
    }

    /// A topic is gone: so are the offsets committed for it.
    pub fn forget_topic(&mut self, topic: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        for group in self.groups.values_mut() {
            let gone = group.forget(|name, _| name == topic);
            if !gone.is_empty() {
                actions.push(Action::Forget { group: group.id.clone(), offsets: gone, whole: false });
            }
        }
        actions
    }

    /// Drops offsets whose retention is over, and groups that then have nothing left.
    ///
    /// Retention counts from when the group lost its last member, or from the commit where there
    /// never was one; a live `consumer` group keeps the offsets of topics it subscribes to.
    pub fn expire_offsets(&mut self, wall_ms: i64) -> Vec<Action> {
        let retention_ms = self.settings.offset_retention_ms;
        let mut actions = Vec::new();
        let mut emptied = Vec::new();
        for group in self.groups.values_mut() {
            let subscribed = group.subscribed_topics();
            let over = |topic: &str, committed: &CommittedOffset| {
                if let Some(expires_at_ms) = committed.expires_at_ms {
                    return expires_at_ms <= wall_ms;
                }
                let counts_from = match group.state {
                    GroupState::Empty if group.protocol_type.is_some() => {
                        group.state_since_ms.max(committed.committed_at_ms)
                    }
                    GroupState::Empty => committed.committed_at_ms,
                    _ if group.protocol_type.as_deref() == Some("consumer") && !subscribed.contains(topic) => {
                        committed.committed_at_ms
                    }
                    _ => return false,
                };
                counts_from.saturating_add(retention_ms) <= wall_ms
            };
            let gone: Vec<(String, i32)> = group
                .offsets
                .iter()
                // A deletion would be written behind a commit that is on its way, and undo it.
                .filter(|(topic, partition, committed)| {
                    over(topic, committed) && !group.is_committing(topic, *partition)
                })
                .map(|(topic, partition, _)| (topic.to_owned(), partition))
                .collect();
            for (topic, partition) in &gone {
                group.offsets.remove(topic, *partition);
            }
            let whole = group.is_trace_free();
            if whole {
                emptied.push(group.id.clone());
            }
            if whole || !gone.is_empty() {
                actions.push(Action::Forget { group: group.id.clone(), offsets: gone, whole });
            }
        }
        for group_id in emptied {
            self.groups.remove(&group_id);
            self.reschedule(&group_id);
        }
        actions
    }
}
