//! The one writer of a partition's log.

use std::{io, sync::Arc};

use millstream_record::{LogOffset, Timestamp};
use millstream_wire::batch::{
    BatchHeader, ControlMarker, InvalidBatch, InvalidRecord, TimestampType, set_base_offset, set_leader_epoch,
    set_log_append_time,
};

use crate::{
    config::LogConfig,
    epochs::LeaderEpochs,
    files::{self, Kind, Leftover},
    index::{OffsetEntry, TimeEntry},
    producers::{Admission, ProducerRefusal, ProducerStates},
    reader::LogReader,
    segment::Segment,
    snapshot,
    sync::{Shared, SyncError, SyncHandle, offset},
    transactions::AbortedTransaction,
    verification::VerificationGuard,
};

/// Where a batch stands in the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: LogOffset,
    /// Offset of its last record.
    pub last_offset: LogOffset,
    /// When it was appended, if the topic stamps batches so.
    pub log_append_time: Option<Timestamp>,
    /// Whether the producer had sent it before: nothing was appended now, and the offsets are those of then.
    pub duplicate: bool,
}

/// Why a batch was not appended. The log is as before, or offline.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log accepts nothing until it is opened again.
    #[error("the log is offline: {reason}")]
    Offline {
        /// Why it went offline.
        reason: String,
    },
    /// The bytes are not one whole batch.
    #[error("append a record batch")]
    Invalid { source: InvalidBatch },
    /// A control batch without a marker.
    #[error("append a control batch")]
    InvalidMarker { source: InvalidRecord },
    /// The batch is larger than the topic allows.
    #[error("a batch of {bytes} bytes is larger than the {max_bytes} that are allowed")]
    TooLarge { bytes: usize, max_bytes: usize },
    /// The producer may not append it.
    #[error("append a batch of an idempotent producer")]
    Producer {
        /// Which rule it breaks.
        source: ProducerRefusal,
    },
    /// The disk refused; what was written of the batch has been taken back.
    #[error("write to segment {base_offset}")]
    Write {
        /// The segment's first offset.
        base_offset: i64,
        source: io::Error,
    },
}

/// What the writer knows of the segment it appends to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Active {
    /// Bytes since the last index entry.
    pub since_index: u64,
    /// Timestamp and relative offset of the batch with the largest timestamp so far.
    pub latest: Option<TimeEntry>,
    /// Timestamp of its first batch, if that has one.
    pub first_timestamp: Option<i64>,
    /// Largest timestamp in the time index, the lowest of all if that is empty; `None` until it was read.
    pub last_indexed: Option<i64>,
    /// When it was made or opened, in milliseconds.
    pub since_ms: i64,
}

impl Active {
    pub(crate) fn new(since_ms: i64) -> Self {
        Self { since_index: 0, latest: None, first_timestamp: None, last_indexed: None, since_ms }
    }
}

/// One partition on disk. Appends, retention and closing need it exclusively; reads and syncs go through
/// [`LogReader`] and [`SyncHandle`], which need it not at all.
#[derive(Debug)]
pub struct PartitionLog {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: LogConfig,
    pub(crate) producers: ProducerStates,
    pub(crate) active: Active,
    /// Renamed files that wait to be unlinked.
    pub(crate) leftovers: Vec<Leftover>,
}

impl PartitionLog {
    /// Appends one batch that has been validated, and gives it its offsets in place.
    ///
    /// The batch is visible to readers when this returns and survives a crash of the process. It survives a power
    /// failure only after [`SyncHandle::sync`]. A repetition of one of the producer's last five batches appends
    /// nothing and returns the offsets of the first time; whether those are durable is to be awaited all the same.
    ///
    /// # Errors
    ///
    /// The log is as before; if the disk does not even take back part of a batch, it goes offline, since nothing
    /// may follow half a batch.
    pub fn append(&mut self, batch: &mut [u8], leader_epoch: i32, now: Timestamp) -> Result<Appended, AppendError> {
        self.append_if(batch, leader_epoch, now, ProducerStates::admit)
    }

    /// As [`Self::append`], for a batch of a client: it begins a transaction only with the guard that
    /// [`Self::begin_verification`] gave before the coordinator said that the partition belongs to it (KIP-890).
    ///
    /// # Errors
    ///
    /// As [`Self::append`], and [`ProducerRefusal::NotVerified`].
    pub fn append_verified(
        &mut self,
        batch: &mut [u8],
        leader_epoch: i32,
        now: Timestamp,
        guard: Option<VerificationGuard>,
    ) -> Result<Appended, AppendError> {
        self.append_if(batch, leader_epoch, now, |producers, header| producers.admit_verified(header, guard))
    }

    /// As [`Self::append`], for a batch that the broker itself writes within a producer's transaction: it is appended
    /// whatever its sequence number, unless a newer instance of the producer has taken over.
    ///
    /// # Errors
    ///
    /// As [`Self::append`].
    pub fn append_own(&mut self, batch: &mut [u8], leader_epoch: i32, now: Timestamp) -> Result<Appended, AppendError> {
        self.append_if(batch, leader_epoch, now, ProducerStates::admit_own)
    }

    /// Takes the guard for [`Self::append_verified`]; `None` where the producer's transaction has begun in this
    /// partition, so that the coordinator need not be asked. A marker that is appended makes guards void.
    pub fn begin_verification(
        &mut self,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
        now: Timestamp,
    ) -> Option<VerificationGuard> {
        self.producers.begin_verification(producer_id, epoch, sequence, now.as_millis())
    }

    fn append_if(
        &mut self,
        batch: &mut [u8],
        leader_epoch: i32,
        now: Timestamp,
        admit: impl FnOnce(&ProducerStates, &BatchHeader) -> Result<Admission, ProducerRefusal>,
    ) -> Result<Appended, AppendError> {
        self.check_online()?;
        let _change = self.shared.change();
        let mut header = BatchHeader::parse(batch).map_err(|source| AppendError::Invalid { source })?;
        if header.total_len() != batch.len() {
            let source = InvalidBatch::CutOff { expected: header.total_len(), present: batch.len() };
            return Err(AppendError::Invalid { source });
        }
        let marker = if header.is_control() {
            ControlMarker::parse(&header, batch).map_err(|source| AppendError::InvalidMarker { source })?
        } else {
            None
        };
        if self.config.max_message_bytes < batch.len() && !header.is_control() {
            return Err(AppendError::TooLarge { bytes: batch.len(), max_bytes: self.config.max_message_bytes });
        }
        if let Some(duplicate) = self.admit(&header, marker, admit)? {
            return Ok(duplicate);
        }

        let base_offset = self.shared.end();
        let stamp = self.config.timestamp_type == TimestampType::LogAppendTime && !header.is_control();
        if stamp {
            set_log_append_time(batch, now.as_millis());
        }
        set_base_offset(batch, base_offset);
        set_leader_epoch(batch, leader_epoch);
        header = BatchHeader::parse(batch).map_err(|source| AppendError::Invalid { source })?;

        self.begin_epoch(leader_epoch)?;
        if self.must_roll(&header, now) {
            self.roll(now)?;
        }
        self.write(batch, &header)?;
        self.note(&header, marker, now)?;
        Ok(Appended {
            base_offset: offset(base_offset),
            last_offset: offset(header.last_offset()),
            log_append_time: stamp.then_some(now),
            duplicate: false,
        })
    }

    fn check_online(&self) -> Result<(), AppendError> {
        match self.shared.offline() {
            Some(reason) => Err(AppendError::Offline { reason: reason.to_owned() }),
            None => Ok(()),
        }
    }

    /// Asks the producer's state; `Some` for a batch that is in the log already.
    fn admit(
        &self,
        header: &BatchHeader,
        marker: Option<ControlMarker>,
        admit: impl FnOnce(&ProducerStates, &BatchHeader) -> Result<Admission, ProducerRefusal>,
    ) -> Result<Option<Appended>, AppendError> {
        let refused = |source| AppendError::Producer { source };
        if let Some(marker) = marker {
            self.producers.admit_marker(header, marker).map_err(refused)?;
            return Ok(None);
        }
        if header.is_control() {
            return Ok(None);
        }
        Ok(match admit(&self.producers, header).map_err(refused)? {
            Admission::Append => None,
            Admission::Duplicate { base_offset, last_offset, timestamp } => Some(Appended {
                base_offset: offset(base_offset),
                last_offset: offset(last_offset),
                log_append_time: (self.config.timestamp_type == TimestampType::LogAppendTime)
                    .then_some(Timestamp::from_millis(timestamp)),
                duplicate: true,
            }),
        })
    }

    fn must_roll(&self, header: &BatchHeader, now: Timestamp) -> bool {
        let segment = self.segment();
        if segment.size() == 0 {
            return false;
        }
        let full = self.config.segment_bytes < segment.size() + header.total_len() as u64;
        let index_full = self.config.segment_index_bytes <= segment.index().bytes();
        let too_far = segment.relative(header.last_offset()).is_none();
        let age = match self.active.first_timestamp {
            Some(first) if 0 <= header.max_timestamp => header.max_timestamp.saturating_sub(first),
            _ => now.as_millis().saturating_sub(self.active.since_ms),
        };
        full || index_full || too_far || self.config.roll_ms() < age
    }

    /// Writes a batch and its index entries, and publishes it.
    fn write(&mut self, batch: &[u8], header: &BatchHeader) -> Result<(), AppendError> {
        let segment = self.segment();
        let position = segment.size();
        let failed = |source| AppendError::Write { base_offset: segment.base_offset(), source };
        segment.reserve(batch.len() as u64, self.config.reserve_bytes, self.config.segment_bytes);
        if let Err((source, unwritable)) = segment.write(batch) {
            if let Some(error) = unwritable {
                self.shared.go_offline(format!("part of a batch could not be taken back: {error}"));
            }
            return Err(failed(source));
        }
        let mut active = self.active;
        let indexed = index_batch(&segment, &mut active, header, position, self.config.index_interval_bytes);
        if let Err(source) = indexed {
            if let Err(error) = segment.unwrite() {
                self.shared.go_offline(format!("a batch without its index entry could not be taken back: {error}"));
            }
            return Err(failed(source));
        }
        self.active = active;
        segment.publish(batch.len() as u64, header.max_timestamp);
        Ok(())
    }

    /// Moves the end and the producers' states past a batch that was written.
    fn note(&mut self, header: &BatchHeader, marker: Option<ControlMarker>, now: Timestamp) -> Result<(), AppendError> {
        let end = header.last_offset() + 1;
        let segment = self.segment();
        let aborted = note_producer(&mut self.producers, header, marker, now.as_millis());
        let stable = self.producers.first_unstable_offset().unwrap_or(end);
        let indexed = aborted.map_or(Ok(()), |aborted| segment.append_aborted(&aborted));
        if let Err(source) = indexed {
            // The marker is in the log, and only a recovery can index it now.
            self.shared.go_offline(format!("an aborted transaction could not be indexed: {source}"));
            return Err(AppendError::Write { base_offset: segment.base_offset(), source });
        }
        self.shared.set_end(end, stable);
        Ok(())
    }

    /// Closes the active segment and begins a new one at the end of the log. Does nothing while it is empty.
    pub(crate) fn roll(&mut self, now: Timestamp) -> Result<(), AppendError> {
        let segment = self.segment();
        if segment.size() == 0 {
            return Ok(());
        }
        let end = self.shared.end();
        let failed = |source| AppendError::Write { base_offset: end, source };
        self.close_indexes().map_err(failed)?;
        segment.release().map_err(failed)?;
        if self.config.sync_closed {
            self.shared.sync_closed(&segment).map_err(|error| match error {
                SyncError::Failed { base_offset, source } => AppendError::Write { base_offset, source },
                SyncError::Offline { reason } => AppendError::Offline { reason },
                SyncError::Close { source } => failed(source),
            })?;
        }
        // Where a power failure may take no batch of the segment, it may take no sequence number of them either.
        let durable = self.config.sync_closed;
        snapshot::write(&*self.shared.disk, &self.shared.dir, end, &self.producers, durable).map_err(failed)?;
        let next = self.create_segment(end).map_err(failed)?;
        let mut segments = self.shared.segments().as_ref().clone();
        segments.push(Arc::new(next));
        self.shared.set_segments(segments);
        self.active = Active::new(now.as_millis());
        Ok(())
    }

    /// Makes the files of a segment, durably. After an error they are gone, or the log is offline: this segment may go
    /// on behind the offset for which they stand, and they would hide what comes there.
    fn create_segment(&self, base_offset: i64) -> io::Result<Segment> {
        let Shared { disk, dir, .. } = &*self.shared;
        let created = Segment::create(disk, dir, base_offset)
            // Without its entry in the folder a new file is lost with the power, however well it is synced.
            .and_then(|segment| disk.sync_dir(dir).map(|()| segment));
        if created.is_err() {
            for kind in [Kind::Log, Kind::Index, Kind::TimeIndex] {
                if let Err(error) = disk.remove_if_present(&files::path(dir, base_offset, kind)) {
                    self.shared.go_offline(format!("part of a new segment could not be taken back: {error}"));
                }
            }
        }
        created
    }

    /// Gives the time index of the active segment its last entry.
    fn close_indexes(&mut self) -> io::Result<()> {
        let segment = self.segment();
        let Some(latest) = self.active.latest else { return Ok(()) };
        let last = segment.times().last()?;
        if last.is_none_or(|last| last.timestamp < latest.timestamp) {
            segment.times().append(latest)?;
            // Closing may fail yet.
            self.active.last_indexed = Some(latest.timestamp);
        }
        Ok(())
    }

    pub(crate) fn segment(&self) -> Arc<Segment> {
        let segments = self.shared.segments();
        Arc::clone(segments.last().expect("a log always has an active segment"))
    }

    /// Notes that a leader epoch begins at the end of the log, if it is newer than the latest. Durable on return.
    ///
    /// # Errors
    ///
    /// The checkpoint of epochs could not be written.
    pub fn begin_epoch(&mut self, epoch: i32) -> Result<(), AppendError> {
        let _change = self.shared.change();
        if self.leader_epoch().is_some_and(|latest| epoch <= latest) {
            return Ok(());
        }
        let end = self.shared.end();
        self.change_epochs(|epochs| epochs.begin(epoch, end))
            .map_err(|source| AppendError::Write { base_offset: end, source })
    }

    pub(crate) fn change_epochs(&self, change: impl FnOnce(&mut LeaderEpochs) -> bool) -> io::Result<()> {
        let mut changed = self.shared.epochs().clone();
        if change(&mut changed) {
            self.shared.disk.replace(&self.shared.dir.join(EPOCHS_FILE), changed.to_text().as_bytes())?;
            self.shared.set_epochs(changed);
        }
        Ok(())
    }

    /// Reads while others append.
    pub fn reader(&self) -> LogReader {
        LogReader { shared: Arc::clone(&self.shared) }
    }

    /// Makes appends durable without the log itself.
    pub fn sync_handle(&self) -> SyncHandle {
        SyncHandle { shared: Arc::clone(&self.shared) }
    }

    /// The offset after the last record appended.
    pub fn end_offset(&self) -> LogOffset {
        offset(self.shared.end())
    }

    /// The first offset that can be read.
    pub fn start_offset(&self) -> LogOffset {
        offset(self.shared.start())
    }

    /// The offset up to which the log is known to be on stable storage.
    pub fn durable_end(&self) -> LogOffset {
        offset(self.shared.durable())
    }

    /// First offset of the oldest open transaction, or the end.
    pub fn last_stable_offset(&self) -> LogOffset {
        offset(self.shared.stable())
    }

    /// The newest leader epoch; `None` before the first.
    pub fn leader_epoch(&self) -> Option<i32> {
        self.shared.epochs().latest()
    }

    /// Bytes of all segments' batches.
    pub fn size_bytes(&self) -> u64 {
        self.reader().size_bytes()
    }

    /// Whether the log accepts no appends any more.
    pub fn is_offline(&self) -> bool {
        self.shared.offline().is_some()
    }

    /// The limits in force.
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Puts other limits in force, from the next append or retention on.
    pub fn set_config(&mut self, config: LogConfig) {
        self.config = config;
    }

    /// What is known of the idempotent producers.
    pub fn producers(&self) -> &ProducerStates {
        &self.producers
    }

    /// Forgets producers that have been idle for too long.
    pub fn expire_producers(&mut self, now: Timestamp) {
        self.producers.expire(now.as_millis(), self.config.producer_expiration_ms);
    }

    /// Makes everything durable, writes the state that lets the next opening skip recovery, and returns the offset
    /// for the recovery-point checkpoint. Readers stay valid.
    ///
    /// # Errors
    ///
    /// Something could not be written: the next opening must not take this for a clean stop.
    pub fn close_clean(mut self) -> Result<LogOffset, SyncError> {
        let closed = |source| SyncError::Close { source };
        let _change = self.shared.change();
        self.close_indexes().map_err(closed)?;
        self.segment().release().map_err(closed)?;
        let end = self.sync_handle().sync()?;
        // Durable as far as syncs go, which leaves the indexes of the active segment out.
        let segment = self.segment();
        self.shared.sync_closed(&segment)?;
        snapshot::write(&*self.shared.disk, &self.shared.dir, end.get(), &self.producers, true).map_err(closed)?;
        self.remove_old_snapshots().map_err(closed)?;
        self.shared.disk.sync_dir(&self.shared.dir).map_err(closed)?;
        Ok(end)
    }

    /// Removes snapshots that neither belong to a segment nor to the end of the log.
    pub(crate) fn remove_old_snapshots(&self) -> io::Result<()> {
        let segments = self.shared.segments();
        let end = self.shared.end();
        snapshot::remove(&*self.shared.disk, &self.shared.dir, |at| {
            at != end && segments.iter().all(|segment| segment.base_offset() != at)
        })
    }
}

/// Kafka's name and format: an epoch and its first offset per line.
pub(crate) const EPOCHS_FILE: &str = "leader-epoch-checkpoint";

/// Adds index entries for a batch at a byte of the log, if enough bytes have passed since the last ones.
pub(crate) fn index_batch(
    segment: &Segment,
    active: &mut Active,
    header: &BatchHeader,
    position: u64,
    interval: u64,
) -> io::Result<()> {
    // A segment is rolled before an offset gets too far away.
    let relative_offset = segment.relative(header.last_offset()).unwrap_or(i32::MAX);
    let newer = active.latest.is_none_or(|latest| latest.timestamp < header.max_timestamp);
    if 0 <= header.max_timestamp && newer {
        active.latest = Some(TimeEntry { timestamp: header.max_timestamp, relative_offset });
    }
    if active.first_timestamp.is_none() && position == 0 && 0 <= header.max_timestamp {
        active.first_timestamp = Some(header.max_timestamp);
    }
    if interval < active.since_index
        && let Ok(position) = i32::try_from(position)
    {
        segment.index().append(OffsetEntry { relative_offset, position })?;
        let mut last = match active.last_indexed {
            Some(last) => last,
            None => segment.times().last()?.map_or(i64::MIN, |last| last.timestamp),
        };
        if let Some(latest) = active.latest
            && last < latest.timestamp
        {
            segment.times().append(latest)?;
            last = latest.timestamp;
        }
        active.last_indexed = Some(last);
        active.since_index = 0;
    }
    active.since_index += header.total_len() as u64;
    Ok(())
}

/// Tells the producers' states of a batch in the log. Returns the transaction it aborted.
pub(crate) fn note_producer(
    producers: &mut ProducerStates,
    header: &BatchHeader,
    marker: Option<ControlMarker>,
    now_ms: i64,
) -> Option<AbortedTransaction> {
    let Some(marker) = marker else {
        if !header.is_control() {
            producers.appended(header, now_ms);
        }
        return None;
    };
    let ended = producers.marker_appended(header, marker, now_ms)?;
    let end = header.last_offset() + 1;
    (!marker.committed).then_some(AbortedTransaction {
        producer_id: header.producer_id,
        first_offset: ended.first_offset,
        last_offset: header.last_offset(),
        last_stable_offset: producers.first_unstable_offset().unwrap_or(end),
    })
}
