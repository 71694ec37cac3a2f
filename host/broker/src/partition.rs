//! One partition: its log, what readers may see of it, and who waits for it to change.
//!
//! The log's files are made at the first append, so that the fifty partitions of the offsets topic cost nothing
//! until they are used. Under `acks.durability=fsync` readers see what is on stable storage; every append asks
//! for a sync, which publishes what it covered.
//!
//! What changes files goes through the partition's [`door`], one piece of work at a time; locks are held for a look
//! at memory only, so that no look ever waits for the disk.

mod cleaning;
mod door;
mod io;
mod offline;
mod owed_sync;
mod sync_turn;
mod transactional;
mod unsynced;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use millstream_disk::Disk;
use millstream_log::{
    AppendError, BatchRest, LogConfig, LogReader, OpenLogError, OpenMode, PartitionLog, ReadError, SyncError,
    SyncHandle,
    checkpoint::{self, CheckpointError},
};
use millstream_record::{ErrorChain, LogOffset, Timestamp, TopicName};
use millstream_wire::batch::{BatchHeader, Batches, TimestampType};
use tokio::sync::{Notify, oneshot};
use tracing::{error, info, warn};
use uuid::Uuid;

pub use self::{door::Waiting, owed_sync::OwedSync, transactional::ActiveProducer, unsynced::Waits};
use self::{
    door::{Crowd, Door, Next, Readers},
    offline::Offline,
    sync_turn::SyncTurn,
    unsynced::Unsynced,
};
use crate::{
    changes::Interrupted,
    config::{Durability, topic::TopicConfig},
    error_code::ErrorCode,
    health::{Health, panic_text},
    io_threads::{IoThreads, Job},
    log_codes::{code_of_append, code_of_read},
    storage::{data_dir::DataDir, topic_id},
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
    /// How much room a partition takes ahead of its records.
    pub reserve_bytes: u64,
    /// How long idle idempotent producers are remembered.
    pub producer_expiration: Duration,
    /// The threads that wait for it.
    pub threads: IoThreads,
    /// Most readers of one partition at once, so that one whose disk stalls does not hold all threads that read.
    pub most_readers: usize,
    /// Hears of partitions that go offline.
    pub health: Arc<Health>,
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
    door: Door,
    crowd: Arc<Crowd>,
    readers: Readers,
    sync_turn: SyncTurn,
    unsynced: Unsynced,
    /// Whether whoever leaves the door next has to see to a sync.
    sync_wanted: AtomicBool,
    /// Whether the last append that reached the disk was refused by it.
    failing: AtomicBool,
    /// Up to which offset it was compacted.
    cleaned_to: AtomicI64,
    /// Whether a cleaner is at it.
    cleaning: AtomicBool,
    /// Whether compacting it has failed.
    uncleanable: AtomicBool,
    /// When the cleaner tries again what failed on something that may pass.
    clean_again: Mutex<Option<Instant>>,
}

enum Slot {
    /// Nothing was ever appended: there are no files.
    Absent,
    Open(Arc<OpenLog>),
    /// It could not be opened, or nothing is certain about it any more.
    Offline(Offline),
    Deleted,
}

/// Which partition of which topic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PartitionId {
    topic: Uuid,
    index: i32,
}

/// What a partition has to say for the checkpoints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CheckpointEntry {
    /// From where a recovery has to look, and where the partition starts.
    Known {
        /// All before it is on stable storage, indexes included.
        recovery_point: i64,
        /// First offset that may be read.
        log_start: i64,
        /// All before it was compacted.
        cleaned_to: i64,
    },
    /// It is not open: what the checkpoints said before is still true.
    AsBefore,
    /// It has no files.
    Nothing,
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

/// How long a read may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Patience {
    /// No records are read; there is always an outcome.
    Look,
    /// It must not wait for the disk: what is certainly in memory is read.
    Memory,
    /// It blocks for as long as the disk takes.
    Disk,
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
    /// Its disk failed, or its files are damaged.
    #[error("partition {partition} is offline: {reason}")]
    Offline {
        /// Which.
        partition: String,
        /// Since what happened.
        reason: String,
    },
    /// Whose files they are cannot be told.
    #[error("tell whose files are in {}", dir.display())]
    Identity {
        /// The partition's folder.
        dir: PathBuf,
        /// What went wrong.
        source: CheckpointError,
    },
    /// Somebody else's files are in its place.
    #[error(
        "{} holds files of {owner}; move the folder away, or, if they are this topic's, restore partition.metadata in \
         it (lines `version: 0` and `topic_id: {id}`)",
        dir.display()
    )]
    Foreign {
        /// The partition's folder.
        dir: PathBuf,
        /// Whose they are, in words.
        owner: String,
        /// The id of the topic whose place it is.
        id: String,
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
            Self::Offline { .. }
            | Self::Identity { .. }
            | Self::Foreign { .. }
            | Self::Read { .. }
            | Self::Create { .. }
            | Self::Open { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
        }
    }
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendRefused {
    /// The partition cannot be used.
    #[error(transparent)]
    Unavailable(#[from] PartitionUnavailable),
    /// Whoever decides about transactions says that it belongs to none, or not any more.
    #[error("append a batch outside of a transaction: {}", code.name())]
    Outside {
        /// Their code.
        code: ErrorCode,
    },
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
            Self::Outside { code } => *code,
            Self::Log { source, .. } => code_of_append(source),
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
    /// Whole batches, or the beginning of one.
    pub records: Bytes,
    /// The rest of that one.
    pub rest: Option<BatchRest>,
    /// End of what is durable.
    pub high_watermark: i64,
    /// Too many others read the partition at this moment: nothing was read, and its [`WaitList`] is woken when there
    /// is room.
    pub turned_away: bool,
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
            door: Door::default(),
            crowd: Arc::default(),
            readers: Readers::default(),
            sync_turn: SyncTurn::default(),
            unsynced: Unsynced::default(),
            sync_wanted: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            cleaned_to: AtomicI64::new(0),
            cleaning: AtomicBool::new(false),
            uncleanable: AtomicBool::new(false),
            clean_again: Mutex::default(),
        })
    }

    /// `topic-number`, which is also the name of its folder.
    pub fn name(&self) -> String {
        format!("{}-{}", self.topic, self.index)
    }

    /// Which it is, whatever its topic is called.
    pub fn id(&self) -> PartitionId {
        PartitionId { topic: self.topic_id, index: self.index }
    }

    /// Its folder.
    pub fn dir(&self) -> PathBuf {
        self.home.data_dir.path().join(self.name())
    }

    fn disk(&self) -> &Arc<dyn Disk> {
        self.home.data_dir.disk()
    }

    /// The topic's name.
    pub fn topic(&self) -> &TopicName {
        &self.topic
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

    /// Hands over work that changes the partition's files, to be done after all that was handed over before. It is
    /// done even if the future is dropped. Never blocks.
    ///
    /// # Errors
    ///
    /// [`PartitionUnavailable::Offline`]: the work ended in a panic.
    pub fn submit<T, W>(
        self: &Arc<Self>,
        work: W,
    ) -> impl Future<Output = Result<T, PartitionUnavailable>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Arc<Self>) -> T + Send + 'static,
    {
        let (job, outcome) = self.job(work);
        self.hand_over(job);
        outcome
    }

    /// As [`Partition::submit`], from a thread that may block: it does the work itself unless another is at it.
    pub fn submit_here<T, W>(
        self: &Arc<Self>,
        work: W,
    ) -> impl Future<Output = Result<T, PartitionUnavailable>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce(&Arc<Self>) -> T + Send + 'static,
    {
        let (job, outcome) = self.job(work);
        // Left to a thread for that.
        drop(self.hand_over_here(job));
        outcome
    }

    /// Work and the means to wait for its outcome.
    fn job<T, W>(
        self: &Arc<Self>,
        work: W,
    ) -> (Job, impl Future<Output = Result<T, PartitionUnavailable>> + Send + use<T, W>)
    where
        T: Send + 'static,
        W: FnOnce(&Arc<Self>) -> T + Send + 'static,
    {
        let (done, outcome) = oneshot::channel();
        let outside = Arc::clone(self);
        let job = self.job_for(Some(done), |partition, done| {
            let worked = work(partition);
            // Nobody may be left to hear it.
            drop(done.take().map(|done| done.send(worked)));
        });
        (job, async move { outcome.await.map_err(|_| outside.offline_now()) })
    }

    /// Work for somebody who hears of its end when `heard` is dropped. If it ends in a panic, the partition is offline
    /// by then.
    pub fn job_for<H, W>(self: &Arc<Self>, mut heard: H, work: W) -> Job
    where
        H: Send + 'static,
        W: FnOnce(&Arc<Self>, &mut H) + Send + 'static,
    {
        let inside = Arc::clone(self);
        Box::new(move || {
            let worked = catch_unwind(AssertUnwindSafe(|| work(&inside, &mut heard)));
            if let Err(panic) = worked {
                inside.go_offline(panic_text(&*panic));
            }
            drop(heard);
        })
    }

    /// Waits until the work at the door takes little enough memory for more of it.
    pub async fn room_at_door(&self) {
        self.crowd.room().await;
    }

    /// Counts bytes of work for the door that no budget knows of, until the result is dropped.
    pub fn join_crowd(&self, bytes: usize) -> Waiting {
        self.crowd.join(bytes)
    }

    /// Leaves a job at the partition's door and sees to it that it is done: by a thread of its own for each partition,
    /// so that one whose disk stalls keeps no other waiting. Never blocks.
    pub fn hand_over(self: &Arc<Self>, job: Job) {
        if self.leave(job) {
            self.send_thread();
        }
    }

    /// As [`Partition::hand_over`], from a thread that may wait for this partition's disk: it does the job itself unless
    /// another is at the partition. The sync that the partition needs then, if any, is the caller's: soon, as others may
    /// wait for it, too.
    pub fn hand_over_here(self: &Arc<Self>, job: Job) -> Option<OwedSync> {
        (self.leave(job) && self.enter()).then(|| OwedSync::of(self))
    }

    /// Leaves a job at the partition's door. True if nobody is inside: the caller sees to it at once that a thread calls
    /// [`Partition::enter`].
    #[must_use]
    fn leave(&self, job: Job) -> bool {
        self.door.leave(job) == Next::Send
    }

    fn send_thread(self: &Arc<Self>) {
        let partition = Arc::clone(self);
        self.home.threads.writing.submit(Box::new(move || {
            if partition.enter() {
                partition.sync_here();
            }
        }));
    }

    /// Does what waits at the door. Blocks. True if the caller has to see to a sync then, by [`Partition::sync_here`] or
    /// [`Partition::send_sync`].
    #[must_use]
    fn enter(self: &Arc<Self>) -> bool {
        if self.door.enter() == Next::Send {
            self.send_thread();
        }
        self.sync_wanted.swap(false, Ordering::AcqRel)
    }

    /// Puts a changed topic configuration into effect, for the files as soon as they are not in use.
    pub fn set_config(self: &Arc<Self>, config: Arc<TopicConfig>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        drop(self.submit(|partition| {
            if let Some(open) = partition.opened()
                && let Ok(mut log) = partition.log_of(&open)
                && let Some(log) = &mut *log
            {
                log.set_config(partition.log_config(&partition.config()));
            }
        }));
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
            reserve_bytes: self.home.reserve_bytes,
            segment_ms: (config.segment_ms - jitter_ms).max(1),
            segment_index_bytes: config.segment_index_bytes,
            index_interval_bytes: config.index_interval_bytes,
            delete: config.delete,
            compact: config.compact,
            min_compaction_lag_ms: config.min_compaction_lag_ms,
            max_compaction_lag_ms: config.max_compaction_lag_ms,
            delete_retention_ms: config.delete_retention_ms,
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
        match &*self.slot() {
            Slot::Open(open) => Some(Arc::clone(open)),
            Slot::Absent | Slot::Offline(_) | Slot::Deleted => None,
        }
    }

    /// The log; `None` where there are no files yet.
    fn usable(&self) -> Result<Option<Arc<OpenLog>>, PartitionUnavailable> {
        match &*self.slot() {
            Slot::Open(open) => Ok(Some(Arc::clone(open))),
            Slot::Absent => Ok(None),
            Slot::Offline(offline) => Err(self.unavailable(&offline.reason)),
            Slot::Deleted => Err(PartitionUnavailable::Deleted { partition: self.name() }),
        }
    }

    fn unavailable(&self, reason: impl Into<String>) -> PartitionUnavailable {
        PartitionUnavailable::Offline { partition: self.name(), reason: reason.into() }
    }

    /// The log itself, for the thread that is inside. After a panic half-way through a change nothing is certain
    /// about it any more.
    fn log_of<'a>(&self, open: &'a OpenLog) -> Result<MutexGuard<'a, Option<PartitionLog>>, PartitionUnavailable> {
        open.log.lock().map_err(|_| self.unavailable("a fault in the program cut a change of it short"))
    }

    fn slot(&self) -> std::sync::RwLockReadGuard<'_, Slot> {
        // A slot is replaced as a whole.
        self.slot.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_slot(&self, next: Slot) {
        let mut slot = self.slot.write().unwrap_or_else(PoisonError::into_inner);
        // Nothing brings a deleted partition back.
        if !matches!(*slot, Slot::Deleted) {
            *slot = next;
        }
    }

    /// Makes the folder and an empty log in it. What another topic left in its place is moved aside.
    fn create_log(&self) -> Result<Arc<OpenLog>, PartitionUnavailable> {
        let dir = self.dir();
        match self.check_identity() {
            Ok(_) => {}
            Err(PartitionUnavailable::Foreign { owner, .. }) => {
                let aside =
                    self.home.data_dir.path().join(format!("{}.{}-stray", self.name(), Uuid::new_v4().simple()));
                warn!(folder = %dir.display(), aside = %aside.display(), owner, "files in the place of a new partition are moved aside");
                self.disk().rename(&dir, &aside).map_err(|source| self.not_created(source))?;
            }
            Err(error) => return Err(error),
        }
        self.disk().create_dirs(&dir).map_err(|source| self.not_created(source))?;
        // The folder's own entry must not be lost with the power, or all that is acknowledged is; one that a failed
        // attempt has made may not be durable yet.
        self.disk().sync_parent(&dir).map_err(|source| self.not_created(source))?;
        let id = *self.topic_id.as_bytes();
        checkpoint::write_topic_id(&**self.disk(), &dir, id).map_err(|source| self.not_created(source))?;
        self.open_log(OpenMode::UNKNOWN)
    }

    fn not_created(&self, source: impl std::error::Error + Send + Sync + 'static) -> PartitionUnavailable {
        PartitionUnavailable::Create { partition: self.name(), source: Box::new(source) }
    }

    /// Takes the partition out of use for good and tells whoever waits on it.
    pub fn take_out_of_use(&self) {
        self.set_slot(Slot::Deleted);
        self.home.health.clear(&self.health_name());
        self.home.health.clear(&self.cleaning_name());
        self.waiters.wake();
        self.tell_unsynced();
    }

    /// Frees the place of a partition that is out of use: its folder gets a name that marks it for removal, and
    /// that name is returned. Blocks; for work that is handed to [`Partition::submit`].
    ///
    /// # Errors
    ///
    /// The folder is still in its place. Should a topic of the same name be made, it is moved aside then.
    pub fn set_aside(&self) -> std::io::Result<Option<PathBuf>> {
        let doomed = self.home.data_dir.path().join(format!("{}.{}-delete", self.name(), Uuid::new_v4().simple()));
        match self.disk().rename(&self.dir(), &doomed) {
            Ok(()) => Ok(Some(doomed)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
