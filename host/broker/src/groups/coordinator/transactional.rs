//! Offsets that are committed within transactions: held until the transaction ends, then committed or dropped.

use std::collections::BTreeMap;

use millstream_wire::error_code::ErrorCode;

use super::{Coordinator, commits::CommitTo, group::Protocol, messages::Committer};
use crate::groups::offsets::CommittedOffset;

/// Whose transaction: a partition of the offsets topic, and the producer.
pub type TransactionKey = (i32, i64);

/// Stands for one held commit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeldCommit {
    key: TransactionKey,
    number: u64,
}

/// A commit that waits for the end of its transaction.
#[derive(Clone, Debug)]
struct Held {
    number: u64,
    group: String,
    offsets: Vec<(String, i32, CommittedOffset)>,
    /// Whether it is durable. Until then its place in the log is not known.
    durable: bool,
    /// The end came first: where its marker stands, and whether it is a commit.
    ended: Option<(i64, bool)>,
}

/// Every commit that waits for the end of its transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct TransactionalOffsets {
    by_transaction: BTreeMap<TransactionKey, Vec<Held>>,
}

impl TransactionalOffsets {
    /// Whether an offset of this partition waits.
    pub(super) fn holds(&self, group: &str, topic: &str, partition: i32) -> bool {
        let mut all = self.by_transaction.values().flatten().filter(|held| held.group == group);
        all.any(|held| held.offsets.iter().any(|(name, index, _)| name == topic && *index == partition))
    }

    /// What waits for a group, of the partitions that `wanted` names.
    pub(super) fn positions(&self, group: &str, wanted: impl Fn(&str, i32) -> bool) -> Vec<(String, i32)> {
        let of_group = self.by_transaction.values().flatten().filter(|held| held.group == group);
        let positions = of_group.flat_map(|held| &held.offsets).map(|(topic, partition, _)| (topic, *partition));
        positions
            .filter(|(topic, partition)| wanted(topic, *partition))
            .map(|(topic, partition)| (topic.clone(), partition))
            .collect()
    }

    /// Drops what was handed over before the event of that number, of the groups and partitions that `gone` names.
    pub(super) fn forget(&mut self, before: u64, gone: impl Fn(&str, &str, i32) -> bool) {
        for held in self.by_transaction.values_mut().flatten().filter(|held| held.number < before) {
            let Held { group, offsets, .. } = held;
            offsets.retain(|(topic, partition, _)| !gone(group, topic, *partition));
        }
    }
}

impl Coordinator {
    /// Whether a producer may commit for a group within its transaction. One that names no member may always.
    ///
    /// # Errors
    ///
    /// The error for every partition of the request.
    pub fn check_transactional_commit(
        &self,
        committer: &Committer<'_>,
        partitions: &[CommitTo],
    ) -> Result<(), ErrorCode> {
        let Committer { group: group_id, generation, member_id, instance_id, via: _, version: _ } = *committer;
        if group_id.is_empty() {
            return Err(ErrorCode::INVALID_GROUP_ID);
        }
        let Some(group) = self.groups.get(group_id) else {
            // A group of which there is no more than what waits has no members.
            let known = !self.held.positions(group_id, |_, _| true).is_empty();
            return match (generation < 0, known) {
                (true, _) => Ok(()),
                (false, true) => Err(ErrorCode::UNKNOWN_MEMBER_ID),
                (false, false) => Err(ErrorCode::ILLEGAL_GENERATION),
            };
        };
        let nobody = member_id.is_empty() && instance_id.is_none();
        if generation < 0 && (nobody || group.is_empty()) {
            return Ok(());
        }
        match &group.protocol {
            Protocol::Classic(classic) => {
                classic.check_member(member_id, instance_id)?;
                if generation == classic.generation { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
            }
            Protocol::Consumer(consumer) => {
                let named = partitions.iter().map(|to| (to.topic_id, to.partition));
                let verdicts = consumer.check_commit(member_id, generation, false, named)?;
                // The transaction is one: what may not be committed ends it.
                let refused = verdicts.into_iter().find(|verdict| *verdict != ErrorCode::NONE);
                refused.map_or(Ok(()), |_| Err(ErrorCode::ILLEGAL_GENERATION))
            }
        }
    }

    /// A commit is handed to the log: from now on its partitions are unstable.
    pub fn hold(
        &mut self,
        key: TransactionKey,
        group: &str,
        offsets: Vec<(String, i32, CommittedOffset)>,
    ) -> HeldCommit {
        let number = self.fresh_id();
        let held = Held { number, group: group.to_owned(), offsets, durable: false, ended: None };
        self.held.by_transaction.entry(key).or_default().push(held);
        HeldCommit { key, number }
    }

    /// A held commit stands in the log, its last record at this offset, or (`None`) was not written.
    pub fn held_stored(&mut self, commit: HeldCommit, last_offset: Option<i64>) {
        let HeldCommit { key, number } = commit;
        let Some(all) = self.held.by_transaction.get_mut(&key) else { return };
        let Some(at) = all.iter().position(|held| held.number == number) else { return };
        match last_offset {
            Some(last_offset) => {
                let held = &mut all[at];
                held.durable = true;
                held.offsets.iter_mut().for_each(|(_, _, committed)| committed.log_position = last_offset);
                match held.ended {
                    // The marker stands behind it, and both became durable at once.
                    Some((marker, committed)) if last_offset < marker => {
                        let held = all.remove(at);
                        self.settle(held, committed);
                    }
                    // It belongs to the next transaction.
                    Some(_) => held.ended = None,
                    None => {}
                }
            }
            None => drop(all.remove(at)),
        }
        self.held.by_transaction.retain(|_, held| !held.is_empty());
    }

    /// A transaction has ended in a partition of the offsets topic, by a marker at this offset.
    pub fn end_transaction(&mut self, key: TransactionKey, marker: i64, committed: bool) {
        let Some(all) = self.held.by_transaction.remove(&key) else { return };
        for mut held in all {
            let before = held.offsets.iter().all(|(_, _, offset)| offset.log_position < marker);
            if held.durable && before {
                self.settle(held, committed);
                continue;
            }
            if !held.durable {
                held.ended = Some((marker, committed));
            }
            self.held.by_transaction.entry(key).or_default().push(held);
        }
    }

    fn settle(&mut self, held: Held, committed: bool) {
        if !committed {
            return;
        }
        for (topic, partition, offset) in held.offsets {
            self.load_offset(offset.committed_at_ms, &held.group, &topic, partition, offset);
        }
        self.reschedule(&held.group);
    }

    /// Puts a held commit found on disk in place.
    pub fn load_held(
        &mut self,
        key: TransactionKey,
        group: &str,
        topic: &str,
        partition: i32,
        offset: CommittedOffset,
    ) {
        let position = offset.log_position;
        let commit = self.hold(key, group, vec![(topic.to_owned(), partition, offset)]);
        self.held_stored(commit, Some(position));
    }

    /// Whether the offset of a partition may change by the end of a transaction.
    pub fn is_unstable(&self, group: &str, topic: &str, partition: i32) -> bool {
        self.held.holds(group, topic, partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::{
        coordinator::{Action, Settings},
        records::RecordKey,
    };

    fn coordinator() -> Coordinator {
        Coordinator::new(Settings {
            min_session_ms: 1,
            max_session_ms: 60_000,
            initial_delay_ms: 0,
            max_size: 10,
            offset_retention_ms: 1000,
            ..Settings::default()
        })
    }

    fn offset(offset: i64, log_position: i64) -> CommittedOffset {
        CommittedOffset {
            offset,
            leader_epoch: -1,
            metadata: String::new(),
            committed_at_ms: 0,
            expires_at_ms: None,
            log_position,
        }
    }

    fn known(coordinator: &Coordinator) -> Option<i64> {
        coordinator.offsets("g")?.get("t", 0).map(|committed| committed.offset)
    }

    const KEY: TransactionKey = (3, 4711);

    #[test]
    fn an_offset_counts_from_the_commit_of_its_transaction_on_and_never_after_an_abort() {
        for committed in [true, false] {
            let mut coordinator = coordinator();
            assert_eq!(
                coordinator.check_transactional_commit(
                    &Committer { group: "g", generation: -1, member_id: "", instance_id: None, via: None, version: 3 },
                    &[]
                ),
                Ok(())
            );
            let held = coordinator.hold(KEY, "g", vec![("t".to_owned(), 0, offset(7, -1))]);
            assert!(coordinator.is_unstable("g", "t", 0), "from the moment it is on its way");
            assert!(!coordinator.is_unstable("g", "t", 1) && !coordinator.is_unstable("h", "t", 0));
            coordinator.held_stored(held, Some(10));
            assert_eq!(known(&coordinator), None);
            coordinator.end_transaction((4, 4711), 11, true);
            coordinator.end_transaction((3, 4712), 11, true);
            assert!(coordinator.is_unstable("g", "t", 0), "those were ends of others");
            coordinator.end_transaction(KEY, 11, committed);
            assert_eq!(known(&coordinator), committed.then_some(7));
            assert!(!coordinator.is_unstable("g", "t", 0));
        }
    }

    #[test]
    fn an_end_that_is_heard_of_before_the_commit_itself_counts_for_it() {
        let mut coordinator = coordinator();
        let held = coordinator.hold(KEY, "g", vec![("t".to_owned(), 0, offset(7, -1))]);
        coordinator.end_transaction(KEY, 11, true);
        assert!(coordinator.is_unstable("g", "t", 0));
        coordinator.held_stored(held, Some(10));
        assert_eq!((known(&coordinator), coordinator.is_unstable("g", "t", 0)), (Some(7), false));
        let held = coordinator.hold(KEY, "g", vec![("t".to_owned(), 0, offset(8, -1))]);
        coordinator.end_transaction(KEY, 11, true);
        coordinator.held_stored(held, None);
        assert_eq!((known(&coordinator), coordinator.is_unstable("g", "t", 0)), (Some(7), false), "it was not written");
    }

    #[test]
    fn a_commit_outside_of_the_transaction_that_is_later_in_the_log_stays() {
        let mut coordinator = coordinator();
        coordinator.load_held(KEY, "g", "t", 0, offset(7, 10));
        coordinator.load_offset(0, "g", "t", 0, offset(9, 12));
        coordinator.end_transaction(KEY, 13, true);
        assert_eq!(known(&coordinator), Some(9));
    }

    #[test]
    fn what_is_deleted_does_not_come_back_with_the_end_of_a_transaction() {
        for durable in [true, false] {
            let mut coordinator = coordinator();
            coordinator.load_offset(0, "g", "u", 0, offset(1, 1));
            coordinator.load_held(KEY, "g", "t", 0, offset(7, 10));
            coordinator.load_held(KEY, "g", "v", 0, offset(8, 11));
            let (_, action) = coordinator.delete_offsets("g", &[("t".to_owned(), 0)]).unwrap();
            let Some(Action::Forget { forget, keys, .. }) = action else { panic!("{action:?}") };
            let key = RecordKey::Offset { group: "g".into(), topic: "t".into(), partition: 0 };
            assert_eq!(keys, [key]);
            // Committed anew while the deletion is on its way.
            let again = coordinator.hold(KEY, "g", vec![("w".to_owned(), 0, offset(9, -1))]);
            coordinator.forgotten("g", forget, durable.then_some(12));
            coordinator.held_stored(again, Some(13));
            coordinator.forget_topic("v");
            coordinator.end_transaction(KEY, 14, true);
            assert_eq!(known(&coordinator), (!durable).then_some(7));
            let offsets = coordinator.offsets("g").unwrap();
            assert!(offsets.get("v", 0).is_none() && offsets.get("w", 0).is_some());
        }
    }

    #[test]
    fn no_offset_expires_and_no_group_while_another_waits_for_the_end_of_a_transaction() {
        for alone in [true, false] {
            let mut coordinator = coordinator();
            if !alone {
                coordinator.load_offset(0, "g", "t", 0, offset(1, 1));
            }
            coordinator.load_held(KEY, "g", "t", 0, offset(7, 10));
            assert_eq!(coordinator.expire_offsets(1_000_000), []);
            coordinator.end_transaction(KEY, 13, true);
            assert_eq!(known(&coordinator), Some(7));
            assert_eq!(coordinator.expire_offsets(1_000_000).len(), 1);
        }
    }

    #[test]
    fn a_group_that_is_deleted_takes_with_it_what_waits_for_it() {
        let mut coordinator = coordinator();
        coordinator.load_offset(0, "g", "u", 0, offset(1, 1));
        coordinator.load_held(KEY, "g", "t", 0, offset(7, 10));
        let Ok(Action::Forget { forget, keys, .. }) = coordinator.delete("g") else { panic!() };
        assert_eq!(keys.len(), 3, "two offsets and the group: {keys:?}");
        coordinator.forgotten("g", forget, Some(12));
        coordinator.end_transaction(KEY, 13, true);
        assert!(coordinator.offsets("g").is_none());
    }
}
