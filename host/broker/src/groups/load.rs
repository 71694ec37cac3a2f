//! Reading groups and offsets back from `__consumer_offsets`.

use std::{collections::HashMap, sync::Arc};

use millstream_record::ErrorChain;
use millstream_wire::batch::{ControlMarker, RecordReader, RecordView, decompress_records, verify_crc};
use tokio::runtime::Handle;
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::{
    EMBEDDED_HOST, Groups,
    coordinator::LoadedConsumerGroup,
    log::now_ms,
    offsets::CommittedOffset,
    records::{ConsumerPart, RecordKey, StoredGroup, StoredOffset, UnreadableRecord},
};
use crate::{
    internal_topics::OFFSETS_TOPIC,
    partition::{Partition, PartitionUnavailable},
};

/// Most bytes that a batch of the offsets topic may expand to when it is loaded.
const MAX_LOADED_BATCH: usize = 256 << 20;

/// Which partitions of the offsets topic are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// All of them.
    All,
    /// Those that could not be read before.
    Missing,
}

/// Why the groups of a partition were not loaded.
#[derive(Debug, thiserror::Error)]
enum LoadGroupsError {
    /// The partition cannot be read.
    #[error(transparent)]
    Read(#[from] PartitionUnavailable),
    /// Its records are not what they were: an offset read from them might be another than was committed.
    #[error(
        "partition {partition} is damaged: its batch at offset {offset} does not have its checksum; stop the broker and \
         run `millstream broker repair`, which shows what would be lost, and sets it aside with --apply"
    )]
    Damaged {
        /// The partition.
        partition: String,
        /// First offset of the batch.
        offset: i64,
    },
    /// Offsets of topics that were deleted cannot be taken out.
    #[error("delete offsets of group '{group}' that were committed for topics that do not exist any more")]
    Forget {
        /// The group.
        group: String,
    },
}

impl Groups {
    /// Reads groups and offsets from the offsets topic, at the start from all its partitions and later from those
    /// that could not be read before. Blocks, on a thread of the runtime that may; call first before requests are
    /// served.
    ///
    /// A partition that cannot be read is reported, and requests for its groups are refused until it can be. Single
    /// records that make no sense are passed over with a warning.
    pub fn load(&self, which: Load) {
        let Some(topic) = self.topics.get(OFFSETS_TOPIC) else { return };
        let wanted: Vec<i32> = match (which, self.lock()) {
            (_, Err(_)) => return,
            (Load::All, _) => (0..topic.partition_count()).collect(),
            (Load::Missing, Ok(state)) => {
                let missing = state.not_loaded.iter().filter(|(_, may_pass)| **may_pass);
                missing.map(|(index, _)| *index).collect()
            }
        };
        let (mut groups, mut offsets) = (0, 0);
        for index in wanted {
            let Some(partition) = topic.partition(index) else { continue };
            match self.load_partition(partition) {
                Ok(loaded) => {
                    groups += loaded.0;
                    offsets += loaded.1;
                    if let Ok(mut state) = self.lock()
                        && state.not_loaded.remove(&index).is_some()
                    {
                        // Those that the reading met find nothing that waits for them.
                        for (producer_id, marker, committed) in state.missed_ends.remove(&index).unwrap_or_default() {
                            state.coordinator.end_transaction((index, producer_id), marker, committed);
                        }
                        self.health.clear(&groups_of(partition));
                    }
                }
                Err(error) => {
                    if let Ok(mut state) = self.lock() {
                        let may_pass = !matches!(error, LoadGroupsError::Damaged { .. });
                        state.not_loaded.insert(index, may_pass);
                    }
                    self.health.report(groups_of(partition), format!("they are not served: {}", ErrorChain(&error)));
                }
            }
        }
        if 0 < groups + offsets {
            info!(groups, offsets, "groups loaded");
        }
    }

    /// Returns how many groups and offsets there were.
    fn load_partition(&self, partition: &Arc<Partition>) -> Result<(usize, usize), LoadGroupsError> {
        let Loaded { groups, consumers, mut offsets, mut held } = read_partition(partition)?;
        // Names come back: what was committed for an earlier topic must not count for the present one of its name.
        let mut gone: HashMap<String, Vec<RecordKey>> = HashMap::new();
        for offsets in held.values_mut().chain([&mut offsets]) {
            offsets.retain(|(group, topic, partition), (id, _)| {
                let known = self.topics.get(topic).is_some_and(|topic| topic.has_offset_of(*id));
                if !known {
                    let key = RecordKey::Offset { group: group.clone(), topic: topic.clone(), partition: *partition };
                    gone.entry(group.clone()).or_default().push(key);
                }
                known
            });
        }
        for (group, left_over) in gone {
            let written = self.write_deletions(&group, &left_over);
            let durable = written.and_then(|written| Handle::current().block_on(written.durable(&group)));
            if durable.is_err() {
                return Err(LoadGroupsError::Forget { group });
            }
        }
        let Ok(mut state) = self.lock() else { return Ok((0, 0)) };
        let (now, wall_ms) = (self.clock.now(), now_ms());
        let (group_count, offset_count) = (groups.len() + consumers.len(), offsets.len());
        for (group, stored) in groups {
            let actions = state.coordinator.load_group(now, wall_ms, &group, stored, |host| host == EMBEDDED_HOST);
            self.execute(&mut state, actions);
        }
        for (group, loaded) in consumers.into_iter().filter(|(_, loaded)| !loaded.is_empty()) {
            let died = |host: &str| host == EMBEDDED_HOST;
            let actions = state.coordinator.load_consumer_group(self.times(), &group, loaded, died);
            self.execute(&mut state, actions);
        }
        for ((group, topic, partition), (_, committed)) in offsets {
            state.coordinator.load_offset(wall_ms, &group, &topic, partition, committed);
        }
        for (producer_id, held) in held {
            let transaction = (partition.index(), producer_id);
            for ((group, topic, partition), (_, committed)) in held {
                state.coordinator.load_held(transaction, &group, &topic, partition, committed);
            }
        }
        Ok((group_count, offset_count))
    }
}

/// The groups of a partition, as the broker's health names them.
fn groups_of(partition: &Partition) -> String {
    format!("groups of {}", partition.name())
}

/// By group, topic and partition: the topic's id, where the offset has it, and the offset.
type LoadedOffsets = HashMap<(String, String, i32), (Option<Uuid>, CommittedOffset)>;

/// What a partition of the offsets topic holds.
#[derive(Default)]
struct Loaded {
    groups: HashMap<String, StoredGroup>,
    consumers: HashMap<String, LoadedConsumerGroup>,
    offsets: LoadedOffsets,
    /// By producer: what its open transaction commits.
    held: HashMap<i64, LoadedOffsets>,
}

impl Loaded {
    fn take(&mut self, producer_id: Option<i64>, record: &RecordView<'_>, position: i64) {
        let Some(key) = record.key else { return };
        match RecordKey::decode(key) {
            Ok(RecordKey::Group { group }) => match record.value.map(StoredGroup::decode) {
                None => drop(self.groups.remove(&group)),
                Some(Ok(stored)) => {
                    // A group is of one protocol: what is later in the log counts.
                    self.consumers.remove(&group);
                    self.groups.insert(group, stored);
                }
                Some(Err(error)) => warn!(group, %error, "a group is passed over"),
            },
            Ok(RecordKey::Offset { group, topic, partition }) => match record.value.map(StoredOffset::decode) {
                None => {
                    let key = (group, topic, partition);
                    self.offsets.remove(&key);
                    self.held.values_mut().for_each(|held| drop(held.remove(&key)));
                }
                Some(Ok(stored)) => {
                    let to = match producer_id {
                        Some(producer_id) => self.held.entry(producer_id).or_default(),
                        None => &mut self.offsets,
                    };
                    let found = (stored.topic_id, CommittedOffset::stored(stored, position));
                    to.insert((group, topic, partition), found);
                }
                Some(Err(error)) => warn!(group, topic, partition, %error, "an offset is passed over"),
            },
            Ok(RecordKey::Consumer { part, group, name }) => {
                if part == ConsumerPart::Group && record.value.is_some() {
                    self.groups.remove(&group);
                }
                let known = self.consumers.entry(group.clone()).or_default();
                if let Err(error) = known.take(part, name, record.value) {
                    warn!(group, ?part, %error, "a record of a group is passed over");
                }
            }
            // Those of kinds of groups that are not served here.
            Err(UnreadableRecord::Version(version)) => debug!(version, "a record of the offsets topic is passed over"),
            Err(error) => warn!(%error, "a record of the offsets topic is passed over"),
        }
    }

    /// A transaction ends: what it committed counts, unless a later commit does.
    fn end(&mut self, producer_id: i64, committed: bool) {
        let held = self.held.remove(&producer_id).filter(|_| committed).unwrap_or_default();
        for (key, found) in held {
            let later = self.offsets.get(&key).is_some_and(|(_, known)| found.1.log_position < known.log_position);
            if !later {
                self.offsets.insert(key, found);
            }
        }
    }
}

fn read_partition(partition: &Partition) -> Result<Loaded, LoadGroupsError> {
    let mut loaded = Loaded::default();
    let mut scratch = Vec::new();
    let mut damaged = None;
    partition.for_each_batch(|header, batch| {
        // After a stop in order nobody has looked at it since.
        if verify_crc(batch).is_err() {
            damaged.get_or_insert(header.base_offset);
            return;
        }
        if header.is_control() {
            match ControlMarker::parse(header, batch) {
                Ok(Some(marker)) => loaded.end(header.producer_id, marker.committed),
                // Of a kind that says nothing about transactions.
                Ok(None) => {}
                Err(error) => warn!(offset = header.base_offset, %error, "a marker of the offsets topic is passed over"),
            }
            return;
        }
        let records = match decompress_records(header, batch, MAX_LOADED_BATCH, &mut scratch) {
            Ok(records) => records,
            Err(error) => {
                warn!(offset = header.base_offset, error = %ErrorChain(&error), "a batch of the offsets topic is passed over");
                return;
            }
        };
        let producer_id = header.is_transactional().then_some(header.producer_id);
        for record in RecordReader::new(header, records) {
            match record {
                Ok(record) => {
                    loaded.take(producer_id, &record, header.base_offset + i64::from(record.offset_delta));
                }
                Err(error) => {
                    warn!(offset = header.base_offset, %error, "the rest of a batch of the offsets topic is passed over");
                    return;
                }
            }
        }
    })?;
    match damaged {
        Some(offset) => Err(LoadGroupsError::Damaged { partition: partition.name(), offset }),
        None => Ok(loaded),
    }
}
