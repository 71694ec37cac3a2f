//! What ends: groups and offsets that are deleted, and offsets whose retention is over.
//!
//! A deletion is handed to the log first. What it names is there until the deletion is durable, and stays where it
//! cannot be written.

use std::collections::HashSet;

use millstream_wire::error_code::ErrorCode;

use super::{
    Coordinator,
    action::Action,
    group::{Forgetting, Group},
    messages::GroupState,
};
use crate::groups::{offsets::CommittedOffset, records::RecordKey};

impl Coordinator {
    /// DeleteGroups for one group.
    ///
    /// # Errors
    ///
    /// A group with members stays.
    pub fn delete(&mut self, group_id: &str) -> Result<Action, ErrorCode> {
        let forget = self.fresh_id();
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        if !group.is_empty() {
            return Err(ErrorCode::NON_EMPTY_GROUP);
        }
        if group.is_being_deleted() {
            return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        }
        let mut offsets = group.positions(|_, _| true);
        offsets.extend(self.held.positions(group_id, |_, _| true));
        Ok(begin(group, forget, offsets, true))
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
    ) -> Result<(Vec<ErrorCode>, Option<Action>), ErrorCode> {
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let forget = self.fresh_id();
        let group = self.groups.get_mut(group_id).ok_or(ErrorCode::GROUP_ID_NOT_FOUND)?;
        group.check_offset_delete()?;
        let subscribed = group.subscriptions();
        let verdict = |(topic, _): &(String, i32)| match subscribed.contain(topic) {
            true => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            false => ErrorCode::NONE,
        };
        let verdicts = partitions.iter().map(verdict).collect();
        let asked: HashSet<(&str, i32)> =
            partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
        let goes = |topic: &str, partition| !subscribed.contain(topic) && asked.contains(&(topic, partition));
        let mut gone = group.positions(goes);
        gone.extend(self.held.positions(group_id, goes));
        Ok((verdicts, (!gone.is_empty()).then(|| begin(group, forget, gone, false))))
    }

    /// A topic is gone: so are the offsets committed for it, at once and whatever becomes of their deletion on disk. (What
    /// is left there names the topic by its id.)
    pub fn forget_topic(&mut self, topic: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        self.held.forget(u64::MAX, |_, name, _| name == topic);
        for group in self.groups.values_mut() {
            let gone = group.positions(|name, _| name == topic);
            if !gone.is_empty() {
                group.forget_topic(topic);
                self.next_id += 1;
                actions.push(begin(group, self.next_id, gone, false));
            }
        }
        actions
    }

    /// Deletes offsets whose retention is over, and groups that then have nothing left.
    ///
    /// Retention counts from when a classic group lost its last member, and otherwise from the commit; a live group of
    /// consumers keeps the offsets of topics that it subscribes to.
    pub fn expire_offsets(&mut self, wall_ms: i64) -> Vec<Action> {
        let retention_ms = self.settings.offset_retention_ms;
        let held = &self.held;
        let mut actions = Vec::new();
        for group in self.groups.values_mut().filter(|group| !group.is_being_deleted()) {
            let subscribed = group.subscriptions();
            let over = |topic: &str, committed: &CommittedOffset| {
                if let Some(expires_at_ms) = committed.expires_at_ms {
                    return expires_at_ms <= wall_ms;
                }
                let counts_from = match group.classic() {
                    Some(classic) if classic.state == GroupState::Empty => match classic.protocol_type {
                        Some(_) => classic.state_since_ms.max(committed.committed_at_ms),
                        None => committed.committed_at_ms,
                    },
                    Some(classic) if !classic.is_of_consumers() || classic.state != GroupState::Stable => return false,
                    Some(_) | None if subscribed.contain(topic) => return false,
                    Some(_) | None => committed.committed_at_ms,
                };
                counts_from.saturating_add(retention_ms) <= wall_ms
            };
            let mut all = true;
            let mut gone = Vec::new();
            for (topic, partition, committed) in group.offsets.iter() {
                // A deletion would be written behind a commit that is on its way, or waits for its transaction's end, and
                // undo it.
                let busy = group.is_committing(topic, partition)
                    || group.is_forgetting(topic, partition)
                    || held.holds(&group.id, topic, partition);
                if over(topic, committed) && !busy {
                    gone.push((topic.to_owned(), partition));
                } else {
                    all = false;
                }
            }
            let awaits_an_end = !held.positions(&group.id, |_, _| true).is_empty();
            let whole = all && group.holds_offsets_only() && !awaits_an_end;
            if whole || !gone.is_empty() {
                self.next_id += 1;
                actions.push(begin(group, self.next_id, gone, whole));
            }
        }
        actions
    }

    /// The deletions of an [`Action::Forget`] are durable, the last of them at `log_position`; or, with `None`, they
    /// could not be written, and nothing has changed.
    pub fn forgotten(&mut self, group_id: &str, forget: u64, log_position: Option<i64>) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let Some(Forgetting { offsets, whole }) = group.forgetting.remove(&forget) else { return };
        match log_position {
            Some(_) if whole => {
                self.groups.remove(group_id);
                self.held.forget(forget, |of, _, _| of == group_id);
                self.reschedule(group_id);
                return;
            }
            Some(position) => {
                for (topic, partition) in &offsets {
                    group.offsets.delete(topic, *partition, position);
                }
                let goes = |topic: &str, partition| offsets.iter().any(|(name, at)| name == topic && *at == partition);
                self.held.forget(forget, |of, topic, partition| of == group_id && goes(topic, partition));
            }
            None => {}
        }
        drop(self.on_group(group_id, |_, _, _| {}));
    }
}

fn begin(group: &mut Group, forget: u64, offsets: Vec<(String, i32)>, whole: bool) -> Action {
    let key = |(topic, partition): &(String, i32)| RecordKey::Offset {
        group: group.id.clone(),
        topic: topic.clone(),
        partition: *partition,
    };
    let mut keys: Vec<RecordKey> = offsets.iter().map(key).collect();
    if whole {
        keys.extend(group.keys());
    }
    group.forgetting.insert(forget, Forgetting { offsets, whole });
    Action::Forget { group: group.id.clone(), forget, keys }
}
