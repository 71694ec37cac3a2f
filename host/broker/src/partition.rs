//! One partition: its log, what readers may see of it, and who waits for it to change.
//!
//! The log's files are made at the first append, so that the fifty partitions of the offsets topic cost nothing
//! until they are used. Under `acks.durability=fsync` readers see what is on stable storage; every append asks
//! the [`Syncer`] for a sync, which publishes what it covered.

mod io;

use std::{
    fmt, fs,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use millstream_log::{
    AppendError, LogConfig, LogReader, OpenLogError, OpenMode, PartitionLog, ReadError, SyncError, SyncHandle,
    checkpoint,
};
use millstream_record::{Chain, LogOffset, Timestamp, TopicName};
use millstream_wire::batch::{BatchHeader, Batches, TimestampType};
use tokio::sync::Notify;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    config::{Durability, topic::TopicConfig},
    error_code::ErrorCode,
    storage::{data_dir::DataDir, durable_file},
    syncer::Syncer,
    wait_list::WaitList,
};

/// Largest piece that is read at once when a whole partition is gone through, in bytes.
const SCAN_BYTES: usize = 1 << 20;

/// What all partitions share.
#[derive(Debug)]
pub struct PartitionHome {
    /// The broker's data folder, locked for as long as anything may still write to it.
    pub data_dir: Arc<DataDir>,
    /// What an acknowledgement waits for.
    pub durability: Durability,
    /// How long idle idempotent producers are remembered.
    pub producer_expiration: Duration,
    /// Makes appends durable.
    pub syncer: Arc<Syncer>,
}

/// One partition.
pub struct Partition {
    home: Arc<PartitionHome>,
    topic: TopicName,
    topic_id: Uuid,
    index: i32,
    leader_epoch: i32,
    config: RwLock<Arc<TopicConfig>>,
    slot: RwLock<Slot>,
    waiters: WaitList,
    /// Whether the partition stands in the syncer's queue.
    queued: AtomicBool,
    /// Whether the last append that reached the disk was refused by it.
    failing: AtomicBool,
}

enum Slot {
    /// Nothing was ever appended: there are no files.
    Absent,
    Open(Arc<OpenLog>),
    /// The log failed at the start.
    Offline,
    Deleted,
}

struct OpenLog {
    /// `None` once it was closed.
    log: Mutex<Option<PartitionLog>>,
    reader: LogReader,
    sync: SyncHandle,
}

/// Which records a reader wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Isolation {
    /// All that are durable.
    Uncommitted,
    /// Those of ended transactions.
    Committed,
}

/// Why a partition cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PartitionUnavailable {
    /// Its topic was deleted.
    #[error("partition {partition} was deleted")]
    Deleted {
        /// Which.
        partition: String,
    },
    /// Its disk failed.
    #[error("partition {partition} is offline")]
    Offline {
        /// Which.
        partition: String,
    },
    /// It cannot be read.
    #[error("read partition {partition}")]
    Read {
        /// Which.
        partition: String,
        /// What went wrong.
        source: ReadError,
    },
    /// Its folder could not be made.
    #[error("make the folder of partition {partition}")]
    Create {
        /// Which.
        partition: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its files could not be opened.
    #[error("open partition {partition}")]
    Open {
        /// Which.
        partition: String,
        /// What went wrong.
        source: Box<OpenLogError>,
    },
}

impl PartitionUnavailable {
    /// Kafka's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Deleted { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::Offline { .. } | Self::Read { .. } | Self::Create { .. } | Self::Open { .. } => {
                ErrorCode::KAFKA_STORAGE_ERROR
            }
        }
    }
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendRefused {
    /// The partition cannot be used.
    #[error(transparent)]
    Unavailable(#[from] PartitionUnavailable),
    /// The log refused the batch.
    #[error("append to partition {partition}")]
    Log {
        /// Which.
        partition: String,
        /// Why.
        source: AppendError,
    },
}

impl AppendRefused {
    /// Kafka's code for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Unavailable(unavailable) => unavailable.code(),
            Self::Log { source, .. } => ErrorCode::from_wire(source.code().code()),
        }
    }
}

/// Where a batch went.
#[derive(Clone, Copy, Debug)]
pub struct AppendedAt {
    /// Offset of its first record.
    pub base_offset: i64,
    /// Offset of its last record.
    pub last_offset: i64,
    /// Under LogAppendTime: the time given to its records.
    pub append_time_ms: Option<i64>,
    /// Where the partition starts.
    pub log_start: i64,
}

/// What a reader got.
#[derive(Clone, Debug)]
pub struct ReadOutcome {
    /// Whole batches.
    pub records: Bytes,
    /// End of what is durable.
    pub high_watermark: i64,
    /// End of what no open transaction holds back.
    pub last_stable_offset: i64,
    /// Start of the partition.
    pub log_start: i64,
    /// Producer ids and first offsets of aborted transactions among the records.
    pub aborted: Vec<(i64, i64)>,
}

impl fmt::Debug for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Partition").field(&self.name()).finish()
    }
}

impl Partition {
    /// A partition whose files, if any, are not opened yet.
    pub fn new(
        home: &Arc<PartitionHome>,
        topic: &TopicName,
        topic_id: Uuid,
        index: i32,
        leader_epoch: i32,
        config: Arc<TopicConfig>,
    ) -> Arc<Self> {
        Arc::new(Self {
            home: Arc::clone(home),
            topic: topic.clone(),
            topic_id,
            index,
            leader_epoch,
            config: RwLock::new(config),
            slot: RwLock::new(Slot::Absent),
            waiters: WaitList::default(),
            queued: AtomicBool::new(false),
            failing: AtomicBool::new(false),
        })
    }

    /// `topic-number`, which is also the name of its folder.
    pub fn name(&self) -> String {
        format!("{}-{}", self.topic, self.index)
    }

    /// Its folder.
    pub fn dir(&self) -> PathBuf {
        self.home.data_dir.path().join(self.name())
    }

    /// Its number within the topic.
    pub fn index(&self) -> i32 {
        self.index
    }

    /// Counts unclean starts of the broker.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// Tasks that wait for a change of this partition.
    pub fn waiters(&self) -> &WaitList {
        &self.waiters
    }

    /// Puts a changed topic configuration into effect.
    pub fn set_config(&self, config: Arc<TopicConfig>) {
        if let Some(open) = self.opened()
            && let Some(log) = &mut *lock(&open.log)
        {
            log.set_config(self.log_config(&config));
        }
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn log_config(&self, config: &TopicConfig) -> LogConfig {
        let millis = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        // The partition's number spreads the jitter, so that not all roll at once.
        let jitter_ms = match config.segment_jitter_ms {
            0 => 0,
            jitter => (i64::from(self.index) * 7919 + i64::from(self.topic.as_str().len() as u32) * 104_729) % jitter,
        };
        LogConfig {
            segment_bytes: config.segment_bytes,
            segment_ms: (config.segment_ms - jitter_ms).max(1),
            segment_index_bytes: config.segment_index_bytes,
            index_interval_bytes: config.index_interval_bytes,
            delete: config.delete,
            retention_ms: config.retention_ms.unwrap_or(-1),
            retention_bytes: config.retention_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            // The offsets topic holds what the coordinator needs, whatever its size.
            max_message_bytes: if self.topic.as_str().starts_with("__") {
                usize::MAX
            } else {
                config.max_message_bytes
            },
            timestamp_type: if config.log_append_time {
                TimestampType::LogAppendTime
            } else {
                TimestampType::CreateTime
            },
            sync_closed: self.home.durability == Durability::Fsync,
            file_delete_delay_ms: millis(config.file_delete_delay_ms),
            producer_expiration_ms: i64::try_from(self.home.producer_expiration.as_millis()).unwrap_or(i64::MAX),
        }
    }

    fn opened(&self) -> Option<Arc<OpenLog>> {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Open(open) => Some(Arc::clone(open)),
            Slot::Absent | Slot::Offline | Slot::Deleted => None,
        }
    }

    /// The log; `None` where there are no files yet.
    fn usable(&self) -> Result<Option<Arc<OpenLog>>, PartitionUnavailable> {
        match &*self.slot.read().unwrap_or_else(PoisonError::into_inner) {
            Slot::Open(open) => Ok(Some(Arc::clone(open))),
            Slot::Absent => Ok(None),
            Slot::Offline => Err(PartitionUnavailable::Offline { partition: self.name() }),
            Slot::Deleted => Err(PartitionUnavailable::Deleted { partition: self.name() }),
        }
    }

    /// Opens the files if there are any. A partition that cannot be opened is offline from then on.
    ///
    /// # Errors
    ///
    /// What is wrong with the files.
    pub fn open_existing(&self, mode: OpenMode) -> Result<(), PartitionUnavailable> {
        let opened = self.open_log(mode);
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok(open) => {
                *slot = Slot::Open(open);
                Ok(())
            }
            Err(error) => {
                *slot = Slot::Offline;
                Err(error)
            }
        }
    }

    fn open_log(&self, mode: OpenMode) -> Result<Arc<OpenLog>, PartitionUnavailable> {
        let config = self.log_config(&self.config());
        let (log, report) =
            PartitionLog::open(&millstream_disk::real(), &self.dir(), config, mode, Timestamp::now())
                .map_err(|source| PartitionUnavailable::Open { partition: self.name(), source: Box::new(source) })?;
        if 0 < report.truncated_bytes {
            warn!(
                partition = %self.name(),
                bytes = report.truncated_bytes,
                end = %log.end_offset(),
                "a torn end was cut off"
            );
        }
        let (reader, sync) = (log.reader(), log.sync_handle());
        Ok(Arc::new(OpenLog { log: Mutex::new(Some(log)), reader, sync }))
    }

    /// Makes the folder and an empty log in it.
    fn create_log(&self) -> Result<Arc<OpenLog>, PartitionUnavailable> {
        let made = fs::create_dir_all(self.dir())
            .map_err(|source| Box::new(source) as Box<dyn std::error::Error + Send + Sync>)
            .and_then(|()| {
                Ok(checkpoint::write_topic_id(&*millstream_disk::real(), &self.dir(), *self.topic_id.as_bytes())?)
            })
            // The folder's own entry must not be lost with the power, or all that is acknowledged is.
            .and_then(|()| Ok(durable_file::sync_parent(&self.dir())?));
        made.map_err(|source| PartitionUnavailable::Create { partition: self.name(), source })?;
        self.open_log(OpenMode::UNKNOWN)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
