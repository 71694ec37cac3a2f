//! What answers mean for positions: data, resets, truncations, and what the owner has to hear.

use millstream_record::ErrorChain;
use tokio::time::Instant;

use super::{
    ConsumeError, Consumer, GroupPhase,
    fetch::{FetchAnswer, Fetched, PartitionFetch},
    lookup::Lookup,
    positions::Search,
    validation::{Validated, Validity},
    work::Event,
};
use crate::{admin::TopicPartition, config::AutoOffsetReset, kafka_error::ErrorCode};

impl Consumer {
    pub(super) fn take_event(&mut self, event: Event) {
        match event {
            Event::Fetched(fetched) => self.take_fetch(fetched),
            Event::Looked(lookup) => self.take_lookup(lookup),
            Event::Validated(validated) => self.take_validated(validated),
            Event::Metadata(Ok(metadata)) => {
                self.asking_metadata = false;
                match self.subscription.list(&metadata, Instant::now()) {
                    // Before there is a generation nobody has to be told.
                    Ok(changed) if changed && self.phase != GroupPhase::ToJoin => self.announce_rebalance(),
                    Ok(_) => {}
                    Err(error) => self.failure = Some(error),
                }
                self.note_missing(self.why_missing(&metadata));
                let complete = self.topics_of_interest().iter().all(|topic| metadata.partition_count(topic).is_some());
                if complete {
                    self.metadata_failures = 0;
                }
                let changed = self.divided.as_ref().is_some_and(|divided| {
                    self.topics_of_interest().iter().any(|topic| {
                        let known = metadata.partition_count(topic);
                        known.is_some() && divided.get(topic).copied() != known
                    })
                });
                // Only the leader remembers how it divided, and only it has to see to it that it is done anew.
                if changed && self.phase == GroupPhase::Stable {
                    self.announce_rebalance();
                }
            }
            Event::Metadata(Err(error)) => {
                self.asking_metadata = false;
                self.metadata_wanted = true;
                if error.is_retriable() {
                    self.note_missing(Some(ErrorChain(&error).to_string()));
                } else {
                    self.failure = Some(error.into());
                }
            }
            Event::Divided { assignments, partitions } => {
                self.divided = Some(partitions);
                if let Some(group) = &mut self.group {
                    group.assign(assignments);
                }
            }
            Event::LookedOver { generation, partitions, complete } => {
                let current = self.group.as_ref().and_then(|group| group.generation());
                // Of a generation that is over it does not matter any more.
                if self.phase == GroupPhase::Stable && current.is_some_and(|(current, _)| current == generation) {
                    self.divided = Some(partitions);
                    if !complete {
                        self.announce_rebalance();
                    }
                }
            }
            Event::Committed(result) => {
                if let Err(error) = result {
                    tracing::warn!(group = ?self.config.group_id, error = %ErrorChain(&error), "offsets were not committed");
                }
            }
        }
    }

    fn take_fetch(&mut self, fetched: Fetched) {
        self.busy.remove(&fetched.node);
        let retry_at = Instant::now() + self.cluster.settings().retry_delay(0);
        for (asked, answer) in fetched.answers {
            let PartitionFetch { key, offset, version, .. } = asked;
            if !self.positions.is_current(&key, version) {
                continue;
            }
            let (topic, partition) = key.clone();
            match answer {
                FetchAnswer::Data { visible, bytes, end_offset } => {
                    let stuck = visible.batches.is_empty() && visible.next_offset <= offset;
                    if stuck && let Some(source) = visible.damage {
                        self.positions.later(&key, version, retry_at);
                        self.failure = Some(ConsumeError::Damaged { topic, partition, offset, source });
                        continue;
                    }
                    self.positions.fetched(&key, version, bytes, visible, end_offset);
                    if let Some(lag) = self.positions.lag(&key) {
                        self.fetches.lag.record(u64::try_from(lag).unwrap_or(0));
                    }
                }
                FetchAnswer::Refused(ErrorCode::OFFSET_OUT_OF_RANGE) => {
                    if self.config.auto_offset_reset == AutoOffsetReset::None {
                        self.positions.later(&key, version, retry_at);
                        self.failure = Some(ConsumeError::OutOfRange { topic, partition, offset });
                    } else {
                        self.positions.reset(&key, self.reset_search());
                    }
                }
                FetchAnswer::Refused(code) if code.is_retriable() && code != ErrorCode::CORRUPT_MESSAGE => {
                    self.metadata_wanted |= code.is_stale_metadata();
                    self.positions.later(&key, version, retry_at);
                }
                FetchAnswer::Refused(source) => {
                    self.positions.later(&key, version, retry_at);
                    self.failure = Some(ConsumeError::Refused { topic, partition, source });
                }
                FetchAnswer::GivenUp => self.positions.not_fetched(&key, version),
                FetchAnswer::Lost(error) => {
                    self.metadata_wanted = true;
                    self.positions.later(&key, version, retry_at);
                    if !error.is_retriable() {
                        self.failure = Some(error.into());
                    }
                }
            }
        }
    }

    fn take_lookup(&mut self, lookup: Lookup) {
        self.looking = false;
        if lookup.retry.is_empty() {
            self.lookup_failures = 0;
        } else {
            let retry_at = Instant::now() + self.cluster.settings().retry_delay(self.lookup_failures);
            self.lookup_failures = self.lookup_failures.saturating_add(1);
            self.metadata_wanted = true;
            for (key, version) in lookup.retry {
                self.positions.later(&key, version, retry_at);
            }
        }
        for (key, version, offset, epoch) in lookup.found {
            if let Some(from) = self.positions.found(&key, version, offset, epoch) {
                self.report_reset(&key, from, offset);
            }
        }
        for (key, version) in lookup.uncommitted {
            match self.reset_search() {
                Search::Committed if self.positions.is_current(&key, version) => {
                    let retry_at = Instant::now() + self.cluster.settings().retry_backoff_max;
                    self.positions.later(&key, version, retry_at);
                    self.failure = Some(ConsumeError::NoOffset { topic: key.0, partition: key.1 });
                }
                search => self.positions.search_on(&key, version, search),
            }
        }
        if let Some(failure) = lookup.failure {
            self.failure = Some(failure.into());
        }
    }

    /// Says what a position outside the log means for the reader, which is a loss or a repetition of records.
    fn report_reset(&self, (topic, partition): &TopicPartition, from: i64, to: i64) {
        let group = self.config.group_id.as_deref().unwrap_or_default();
        let (skipped, again) = ((to - from).max(0), (from - to).max(0));
        if 0 < skipped {
            tracing::warn!(group, %topic, partition, asked = from, now = to, skipped, "the position is out of range: records that were not read yet are gone, and reading goes on behind them as auto.offset.reset says");
        } else {
            tracing::warn!(group, %topic, partition, asked = from, now = to, again, "the position is out of range, as the log was cut off or its topic made anew: reading goes on further ahead as auto.offset.reset says");
        }
    }

    fn take_validated(&mut self, validated: Validated) {
        let retry_at = Instant::now() + self.cluster.settings().retry_delay(0);
        for (key, version) in validated.retry {
            self.metadata_wanted = true;
            self.positions.later(&key, version, retry_at);
        }
        if let Some(failure) = validated.failure {
            self.failure = Some(failure.into());
        }
        for (key, check, version, validity) in validated.answers {
            if !self.positions.is_current(&key, version) {
                continue;
            }
            let (topic, partition) = key.clone();
            let offset = check.offset;
            let has_policy = self.config.auto_offset_reset != AutoOffsetReset::None;
            match validity {
                Validity::Sound => self.positions.is_sound(&key, version, check.leader_epoch),
                Validity::Diverged { end } if !has_policy => {
                    self.positions.later(&key, version, retry_at);
                    let end = end.map(|(end, _)| end);
                    self.failure = Some(ConsumeError::Truncated { topic, partition, offset, end });
                }
                Validity::Diverged { end: Some((end, epoch)) } => {
                    let group = self.config.group_id.as_deref().unwrap_or_default();
                    tracing::warn!(group, %topic, partition, read = offset, now = end, lost = offset - end, "the log was cut off: records that were read are no longer in it, and reading goes on where it differs");
                    self.positions.diverged(&key, end, epoch, check.leader_epoch);
                }
                Validity::Diverged { end: None } => self.positions.reset(&key, self.reset_search()),
                Validity::Refused(code) if code.is_retriable() => {
                    self.metadata_wanted |= code.is_stale_metadata();
                    self.positions.later(&key, version, retry_at);
                }
                Validity::Refused(source) => {
                    self.positions.later(&key, version, retry_at);
                    self.failure = Some(ConsumeError::Refused { topic, partition, source });
                }
            }
        }
    }
}
