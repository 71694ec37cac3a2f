//! One partition on disk, in Kafka's own file formats: append, read, index, recover, retain, compact.
//!
//! Blocking file I/O without a clock: the time is an argument. Knows nothing of topics, groups or protocol
//! versions. Appends go to the page cache; making them durable is [`SyncHandle::sync`], which needs no lock.

#![forbid(unsafe_code)]

mod buffers;
pub mod checkpoint;
mod cleaner;
mod config;
mod damage;
mod epochs;
mod files;
mod index;
mod lookup;
mod opening;
mod partition;
mod producers;
mod reader;
mod recovery;
mod repair;
mod retention;
mod scan;
mod segment;
mod snapshot;
mod survey;
mod sync;
mod transactions;
mod verification;

pub use cleaner::{CleanError, Cleanable, CleanedSegment, Cleaning, CleaningReport};
pub use config::LogConfig;
pub use damage::{Damage, DamageKind};
pub use epochs::{EpochEnd, LeaderEpochs};
pub use lookup::MOST_DECOMPRESSED;
pub use opening::{OpenLogError, OpenMode, RecoveryReport};
pub use partition::{AppendError, Appended, PartitionLog};
pub use producers::{Admission, ProducerRefusal, ProducerState, ProducerStates};
pub use reader::{BatchRest, FoundOffset, LogReader, LogSlice, ReadError};
pub use repair::{Cut, FileRepair, RepairError, RepairPlan, plan_repair};
pub use retention::{DeletedSegment, DeletionReason, RetentionError};
pub use sync::{SyncError, SyncHandle};
pub use transactions::AbortedTransaction;
pub use verification::VerificationGuard;

#[cfg(test)]
mod tests;
