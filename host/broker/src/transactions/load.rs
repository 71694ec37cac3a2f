//! Reading transactions back from `__transaction_state`, and finishing what was decided.

use std::{collections::HashMap, sync::Arc};

use millstream_record::ErrorChain;
use millstream_wire::batch::{RecordReader, decompress_records, verify_crc};
use tracing::{info, warn};

use super::{
    Transactions,
    metadata::Metadata,
    records::{decode_key, decode_value},
};
use crate::{
    internal_topics::{TRANSACTIONS_TOPIC, partition_of},
    partition::{Partition, PartitionUnavailable},
};

/// Most bytes that a batch of the topic may expand to when it is loaded.
const MAX_LOADED_BATCH: usize = 256 << 20;

/// Which partitions of the topic are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Load {
    /// All of them.
    All,
    /// Those that could not be read before.
    Missing,
}

/// Why the transactions of a partition were not loaded.
#[derive(Debug, thiserror::Error)]
enum LoadTransactionsError {
    /// The partition cannot be read.
    #[error(transparent)]
    Read(#[from] PartitionUnavailable),
    /// Its records are not what they were: a transaction could end otherwise than was decided.
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
}

impl Transactions {
    /// Reads the topic, at the start all its partitions and later those that could not be read before, and carries on
    /// with every end that was decided. Blocks, on a thread of the runtime that may; call first before requests are
    /// served.
    ///
    /// A partition that cannot be read is reported, and requests for its ids are refused until it can be. Single records
    /// that make no sense are passed over with a warning.
    pub fn load(&self, which: Load) {
        let Some(topic) = self.around.topics.get(TRANSACTIONS_TOPIC) else { return };
        let wanted: Vec<i32> = match (which, self.lock()) {
            (_, Err(_)) => return,
            (Load::All, _) => (0..topic.partition_count()).collect(),
            (Load::Missing, Ok(state)) => {
                let missing = state.not_loaded.iter().filter(|(_, may_pass)| **may_pass);
                missing.map(|(index, _)| *index).collect()
            }
        };
        let mut loaded = 0;
        for index in wanted {
            let Some(partition) = topic.partition(index) else { continue };
            let read = read_partition(partition);
            let Ok(mut state) = self.lock() else { return };
            match read {
                Ok(stored) => {
                    loaded += stored.len();
                    let now = self.now();
                    for (id, metadata) in stored {
                        state.coordinator.load(now, &id, metadata);
                    }
                    if state.not_loaded.remove(&index).is_some() {
                        self.around.health.clear(&transactions_of(partition));
                    }
                    let unfinished = state.coordinator.unfinished();
                    let here = |id: &str| partition_of(id, topic.partition_count()) == index;
                    for markers in unfinished.into_iter().filter(|markers| here(&markers.id)) {
                        info!(transactional_id = markers.id, "a transaction whose end was decided is finished");
                        let Some(own) = self.own.get().and_then(std::sync::Weak::upgrade) else { continue };
                        self.around.tracker.spawn_on(
                            own.finish(markers, tokio::sync::oneshot::channel().0),
                            &tokio::runtime::Handle::current(),
                        );
                    }
                }
                Err(error) => {
                    let may_pass = !matches!(error, LoadTransactionsError::Damaged { .. });
                    state.not_loaded.insert(index, may_pass);
                    let reason = format!("they are not served: {}", ErrorChain(&error));
                    self.around.health.report(transactions_of(partition), reason);
                }
            }
        }
        if 0 < loaded {
            info!(transactional_ids = loaded, "transactions loaded");
        }
    }

    /// The largest producer id of all that were loaded.
    pub fn last_producer_id(&self) -> Option<i64> {
        self.lock().ok()?.coordinator.last_producer_id()
    }
}

/// The transactions of a partition, as the broker's health names them.
fn transactions_of(partition: &Partition) -> String {
    format!("transactions of {}", partition.name())
}

/// By id: the last record, `None` for a deletion.
fn read_partition(partition: &Arc<Partition>) -> Result<HashMap<String, Option<Metadata>>, LoadTransactionsError> {
    let mut stored = HashMap::new();
    let mut scratch = Vec::new();
    let mut damaged = None;
    partition.for_each_batch(|header, batch| {
        // After a stop in order nobody has looked at it since.
        if verify_crc(batch).is_err() {
            damaged.get_or_insert(header.base_offset);
            return;
        }
        if header.is_control() {
            return;
        }
        let records = match decompress_records(header, batch, MAX_LOADED_BATCH, &mut scratch) {
            Ok(records) => records,
            Err(error) => {
                let error = ErrorChain(&error);
                warn!(offset = header.base_offset, %error, "a batch of the topic of transactions is passed over");
                return;
            }
        };
        for record in RecordReader::new(header, records) {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    warn!(offset = header.base_offset, %error, "the rest of a batch of transactions is passed over");
                    return;
                }
            };
            let Some(key) = record.key else { continue };
            match (decode_key(key), record.value.map(decode_value).transpose()) {
                (Ok(id), Ok(metadata)) => drop(stored.insert(id, metadata)),
                (Err(error), _) => warn!(%error, "a record of the topic of transactions is passed over"),
                (Ok(id), Err(error)) => warn!(transactional_id = id, %error, "a transactional id is passed over"),
            }
        }
    })?;
    match damaged {
        Some(offset) => Err(LoadTransactionsError::Damaged { partition: partition.name(), offset }),
        None => Ok(stored),
    }
}
