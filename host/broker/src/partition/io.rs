//! What is done with an open partition: append, wait, read, look up, retain.

use bytes::BytesMut;
use millstream_log::{Appended, FoundOffset};

use super::*;

/// One of the log's ways to append.
pub(super) type AppendRules = fn(&mut PartitionLog, &mut [u8], i32, Timestamp) -> Result<Appended, AppendError>;

impl Partition {
    /// Appends one checked batch of a producer, which gets its offsets in place.
    ///
    /// Under `acks.durability=fsync` it is not visible yet when this returns; a sync that covers it has been asked
    /// for. The check for duplicates and the append are one step. Blocks; for work that is handed to
    /// [`Partition::submit`].
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    pub fn append(self: &Arc<Self>, batch: &mut [u8], now_ms: i64) -> Result<AppendedAt, AppendRefused> {
        self.append_by(PartitionLog::append, batch, now_ms)
    }

    /// As [`Partition::append`], by the log's own rules for one kind of batch.
    pub(super) fn append_by(
        self: &Arc<Self>,
        rules: AppendRules,
        batch: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendedAt, AppendRefused> {
        let appended = self.try_append(rules, batch, now_ms);
        self.note_disk(&appended);
        appended
    }

    fn try_append(
        self: &Arc<Self>,
        rules: AppendRules,
        batch: &mut [u8],
        now_ms: i64,
    ) -> Result<AppendedAt, AppendRefused> {
        let open = self.open_for_append()?;
        let appended = match &mut *self.log_of(&open)? {
            Some(log) => rules(log, batch, self.leader_epoch, Timestamp::from_millis(now_ms))
                .map_err(|source| AppendRefused::Log { partition: self.name(), source })?,
            None => return Err(self.unavailable("the broker was stopped").into()),
        };
        self.after_append(&open);
        let base_offset = appended.base_offset.get();
        Ok(AppendedAt {
            base_offset,
            last_offset: appended.last_offset.get(),
            append_time_ms: appended.log_append_time.map(Timestamp::as_millis),
            log_start: open.reader.start_offset().get(),
        })
    }

    /// Hands over a batch of the broker's own making, to be appended behind all that was handed over before; the
    /// future returns the offset of its last record. Never blocks.
    ///
    /// # Errors
    ///
    /// Nothing was appended.
    pub fn append_own(
        self: &Arc<Self>,
        mut batch: BytesMut,
        now_ms: i64,
    ) -> impl Future<Output = Result<i64, AppendRefused>> + Send + use<> {
        let appended = self.submit(move |partition| partition.append(&mut batch, now_ms));
        async move { Ok(appended.await??.last_offset) }
    }

    /// Tells the operator that the disk refuses appends, and that it takes them again: once each, since clients
    /// try many times.
    fn note_disk(&self, appended: &Result<AppendedAt, AppendRefused>) {
        use PartitionUnavailable::{Create, Open};
        match appended {
            Ok(_) => {
                if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
                    info!(partition = %self.name(), "records can be written again");
                }
            }
            Err(
                error @ (AppendRefused::Log { source: AppendError::Write { .. }, .. }
                | AppendRefused::Unavailable(Create { .. } | Open { .. })),
            ) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    let error = ErrorChain(error);
                    error!(partition = %self.name(), %error, "records cannot be written; clients are told to try again");
                }
                self.report_offline_log();
            }
            Err(_) => {}
        }
    }

    fn after_append(self: &Arc<Self>, open: &OpenLog) {
        match self.home.durability {
            Durability::Os => self.waiters.wake(),
            Durability::Fsync => {
                if open.sync.is_dirty() && self.sync_turn.ask() {
                    self.sync_wanted.store(true, Ordering::Release);
                }
            }
        }
    }

    /// Has the sync done by a thread for that.
    pub(super) fn send_sync(self: &Arc<Self>) {
        let partition = Arc::clone(self);
        self.home.threads.syncing.submit(Box::new(move || partition.guarded_sync()));
    }

    /// Does the sync on this thread, which saves waking another, unless many threads that write are at that already.
    pub(super) fn sync_here(self: &Arc<Self>) {
        match self.home.threads.sync_while_writing() {
            Some(_place) => self.guarded_sync(),
            None => self.send_sync(),
        }
    }

    pub(super) fn guarded_sync(self: &Arc<Self>) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.sync_and_publish())) {
            self.go_offline(panic_text(&*panic));
        }
    }

    /// Group commit: makes everything appended so far durable and tells who waits. Blocks.
    fn sync_and_publish(self: &Arc<Self>) {
        self.sync_turn.begin();
        if let Some(open) = self.opened()
            && let Err(error) = open.sync.sync()
        {
            self.report_until_restart(&ErrorChain(&error).to_string());
        }
        self.waiters.wake();
        self.tell_unsynced();
        if self.sync_turn.end() {
            self.send_sync();
        }
    }

    /// A log that accepts nothing more is a fault of the broker.
    fn report_offline_log(&self) {
        if let Some(open) = self.opened()
            && let Some(reason) = open.reader.offline()
        {
            self.report_until_restart(reason);
        }
    }

    /// Waits until a record is on stable storage, or, under `acks.durability=os`, not at all.
    ///
    /// # Errors
    ///
    /// It never will be: the disk failed, or the topic was deleted.
    pub async fn wait_durable(&self, last_offset: i64) -> Result<(), PartitionUnavailable> {
        if last_offset < self.high_watermark() {
            return Ok(());
        }
        let notify = Arc::new(Notify::new());
        let _place = self.waiters.register(&notify);
        loop {
            if last_offset < self.high_watermark() {
                return Ok(());
            }
            match self.usable()? {
                Some(open) => {
                    if let Some(reason) = open.reader.offline() {
                        return Err(self.unavailable(reason));
                    }
                }
                None => return Err(self.unavailable("its files are gone")),
            }
            notify.notified().await;
        }
    }

    fn open_for_append(&self) -> Result<Arc<OpenLog>, PartitionUnavailable> {
        if let Some(open) = self.usable()? {
            return Ok(open);
        }
        // No lock is held meanwhile: at the door there is no other who could make the files as well.
        let open = self.create_log()?;
        self.set_slot(Slot::Open(Arc::clone(&open)));
        // The topic may have been deleted in the meantime.
        self.usable()?;
        Ok(open)
    }

    fn end_of(&self, open: &OpenLog) -> i64 {
        match self.home.durability {
            Durability::Fsync => open.reader.durable_end().get(),
            Durability::Os => open.reader.end_offset().get(),
        }
    }

    /// The end of what readers may see.
    pub fn high_watermark(&self) -> i64 {
        self.opened().map_or(0, |open| self.end_of(&open))
    }

    /// The end of what a reader of this isolation may see.
    pub fn readable_end(&self, isolation: Isolation) -> i64 {
        self.opened().map_or(0, |open| self.readable_end_of(&open, isolation))
    }

    fn readable_end_of(&self, open: &OpenLog, isolation: Isolation) -> i64 {
        let end = self.end_of(open);
        match isolation {
            Isolation::Uncommitted => end,
            Isolation::Committed => end.min(open.reader.last_stable_offset().get()),
        }
    }

    /// The first offset that can be read.
    pub fn log_start(&self) -> i64 {
        self.opened().map_or(0, |open| open.reader.start_offset().get())
    }

    /// Bytes of its batches.
    pub fn size_bytes(&self) -> u64 {
        self.opened().map_or(0, |open| open.reader.size_bytes())
    }

    /// The largest id of the producers that are remembered. Waits for whoever changes the files.
    pub fn last_producer_id(&self) -> Option<i64> {
        let open = self.opened()?;
        // After a panic the partition is offline.
        let log = self.log_of(&open).ok()?;
        log.as_ref()?.producers().last_id()
    }

    /// Checks the epoch that a client believes in; −1 asks for no check.
    ///
    /// # Errors
    ///
    /// Older or newer than the partition's.
    pub fn check_leader_epoch(&self, believed: i32) -> Result<(), ErrorCode> {
        match believed {
            -1 => Ok(()),
            older if older < self.leader_epoch => Err(ErrorCode::FENCED_LEADER_EPOCH),
            newer if self.leader_epoch < newer => Err(ErrorCode::UNKNOWN_LEADER_EPOCH),
            _ => Ok(()),
        }
    }

    /// Whether a read from `offset` on would have to look into files. False is certain only for this moment.
    pub fn has_more(&self, offset: i64, isolation: Isolation) -> bool {
        offset < self.readable_end(isolation)
    }

    /// Reads whole batches from `offset` on, at most `max_bytes`. `one_batch` asks for at least one, however large, of
    /// which so many bytes are read if it is larger than both. `None` where `patience` does not allow to find out.
    ///
    /// # Errors
    ///
    /// The code for the partition, and where it starts if that is known.
    pub fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        one_batch: Option<usize>,
        isolation: Isolation,
        patience: Patience,
    ) -> Result<Option<ReadOutcome>, (ErrorCode, Option<i64>)> {
        let open = self.usable().map_err(|unavailable| (unavailable.code(), None))?;
        let (start, end) =
            open.as_ref().map_or((0, 0), |open| (open.reader.start_offset().get(), open.reader.end_offset().get()));
        let from = LogOffset::new(offset).filter(|from| start <= from.get() && from.get() <= end);
        let from = from.ok_or((ErrorCode::OFFSET_OUT_OF_RANGE, Some(start)))?;
        let mut outcome = ReadOutcome {
            records: Bytes::new(),
            rest: None,
            turned_away: false,
            high_watermark: 0,
            last_stable_offset: 0,
            log_start: start,
            aborted: Vec::new(),
        };
        let Some(open) = open else { return Ok(Some(outcome)) };
        let up_to = self.readable_end_of(&open, isolation);
        outcome.high_watermark = self.end_of(&open);
        outcome.last_stable_offset = self.readable_end_of(&open, Isolation::Committed);
        if up_to <= offset || (max_bytes == 0 && one_batch.is_none()) || patience == Patience::Look {
            return Ok(Some(outcome));
        }
        let up_to = LogOffset::new(up_to).unwrap_or(LogOffset::ZERO);
        if patience == Patience::Memory {
            let slice = open.reader.read_cached(from, max_bytes, up_to);
            return Ok(slice.filter(|_| isolation == Isolation::Uncommitted || open.reader.none_aborted(from)).map(
                |slice| {
                    outcome.records = slice.bytes;
                    outcome
                },
            ));
        }
        let Some(_place) = self.readers.enter(self.home.most_readers, || self.waiters.wake()) else {
            outcome.turned_away = true;
            return Ok(Some(outcome));
        };
        let failed = |error: ReadError| {
            warn!(partition = %self.name(), error = %ErrorChain(&error), "a read failed");
            (code_of_read(&error), Some(start))
        };
        let read = match one_batch {
            Some(at_once) => open.reader.read_beginning(from, max_bytes, at_once, up_to),
            None => open.reader.read(from, max_bytes, false, up_to).map(|slice| (slice, None)),
        };
        let (slice, rest) = read.map_err(failed)?;
        if isolation == Isolation::Committed && !slice.bytes.is_empty() {
            let aborted = open.reader.aborted_transactions(from, slice.next_offset).map_err(failed)?;
            // What was read may have been deleted before its aborted transactions were looked up, and they with it.
            let start = open.reader.start_offset();
            if from < start {
                return Err((ErrorCode::OFFSET_OUT_OF_RANGE, Some(start.get())));
            }
            outcome.aborted = aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect();
        }
        (outcome.records, outcome.rest) = (slice.bytes, rest);
        Ok(Some(outcome))
    }

    /// Hands every batch to `each`, from the start to the end. Blocks.
    ///
    /// # Errors
    ///
    /// The partition cannot be read to its end.
    pub fn for_each_batch(&self, mut each: impl FnMut(&BatchHeader, &[u8])) -> Result<(), PartitionUnavailable> {
        let Some(open) = self.usable()? else { return Ok(()) };
        let end = open.reader.end_offset();
        let mut from = open.reader.start_offset();
        while from < end {
            let slice = open
                .reader
                .read(from, SCAN_BYTES, true, end)
                .map_err(|source| PartitionUnavailable::Read { partition: self.name(), source })?;
            if slice.bytes.is_empty() {
                break;
            }
            for (header, batch) in Batches::new(&slice.bytes).flatten() {
                each(&header, batch);
            }
            from = slice.next_offset;
        }
        Ok(())
    }

    /// Looks something up in the partition's files, on a thread for that. Waits while too many others read them.
    ///
    /// # Errors
    ///
    /// The look ended in a panic, or the broker was stopped.
    pub async fn look_up<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl Fn(&Self) -> T + Send + Sync + 'static,
    ) -> Result<T, Interrupted> {
        let look = Arc::new(look);
        let notify = Arc::new(Notify::new());
        // Before the first try, so that no place becomes free unheard.
        let _waiting = self.waiters.register(&notify);
        loop {
            let (partition, look) = (Arc::clone(self), Arc::clone(&look));
            let found = self.home.threads.reading.run(move || {
                let _place = partition.readers.enter(partition.home.most_readers, || partition.waiters.wake())?;
                Some(look(&partition))
            });
            if let Some(found) = found.await? {
                return Ok(found);
            }
            notify.notified().await;
        }
    }

    /// The first record at or after a time (milliseconds): offset, timestamp, leader epoch. Blocks; for
    /// [`Partition::look_up`].
    ///
    /// # Errors
    ///
    /// The partition cannot be read.
    pub fn find_time(&self, timestamp_ms: i64, isolation: Isolation) -> Result<Option<(i64, i64, i32)>, ErrorCode> {
        let Some(open) = self.usable().map_err(|unavailable| unavailable.code())? else { return Ok(None) };
        let found =
            open.reader.offset_for_timestamp(Timestamp::from_millis(timestamp_ms), self.bound(&open, isolation));
        found.map(as_numbers).map_err(|error| self.lookup_failed(&error))
    }

    /// The record with the largest timestamp: offset, timestamp, leader epoch. Blocks; for [`Partition::look_up`].
    ///
    /// # Errors
    ///
    /// The partition cannot be read.
    pub fn find_max_timestamp(&self, isolation: Isolation) -> Result<Option<(i64, i64, i32)>, ErrorCode> {
        let Some(open) = self.usable().map_err(|unavailable| unavailable.code())? else { return Ok(None) };
        let found = open.reader.offset_of_max_timestamp(self.bound(&open, isolation));
        found.map(as_numbers).map_err(|error| self.lookup_failed(&error))
    }

    fn lookup_failed(&self, error: &ReadError) -> ErrorCode {
        warn!(partition = %self.name(), error = %ErrorChain(error), "a look-up by time failed");
        code_of_read(error)
    }

    /// A record beyond what the reader may see counts as none.
    fn bound(&self, open: &OpenLog, isolation: Isolation) -> LogOffset {
        LogOffset::new(self.readable_end_of(open, isolation)).unwrap_or(LogOffset::ZERO)
    }

    /// The largest known epoch up to the asked one and where it ended; −1 and −1 when there is none.
    pub fn end_of_epoch(&self, epoch: i32) -> (i32, i64) {
        if self.leader_epoch < epoch || epoch < 0 {
            return (-1, -1);
        }
        let Some(open) = self.opened() else { return (self.leader_epoch, 0) };
        if epoch == self.leader_epoch {
            // The current epoch may have no record yet, and still has not ended.
            return (epoch, self.end_of(&open));
        }
        // An earlier epoch of which no record is left has ended where the present one goes on.
        let end = open.reader.epoch_end_offset(epoch);
        end.map_or_else(|| (epoch, self.end_of(&open)), |end| (end.epoch, end.end_offset.get()))
    }

    /// Moves the start up to `offset`; −1 means to the end of what is visible. Returns the start. Blocks; for work
    /// that is handed to [`Partition::submit`].
    ///
    /// # Errors
    ///
    /// Beyond the end, or the partition cannot be used.
    pub fn delete_before(&self, offset: i64) -> Result<i64, ErrorCode> {
        let high_watermark = self.high_watermark();
        let to = if offset == -1 { high_watermark } else { offset };
        let target = LogOffset::new(to).filter(|to| to.get() <= high_watermark);
        let target = target.ok_or(ErrorCode::OFFSET_OUT_OF_RANGE)?;
        let Some(open) = self.usable().map_err(|unavailable| unavailable.code())? else { return Ok(0) };
        if let Some(log) = &mut *self.log_of(&open).map_err(|unavailable| unavailable.code())? {
            log.delete_records(target, Timestamp::now()).map_err(|error| {
                warn!(partition = %self.name(), error = %ErrorChain(&error), "records could not be deleted");
                ErrorCode::KAFKA_STORAGE_ERROR
            })?;
        }
        self.waiters.wake();
        Ok(open.reader.start_offset().get())
    }

    /// Deletes what retention no longer keeps. Blocks; for work that is handed to [`Partition::submit`].
    pub fn retain(&self, now: Timestamp) {
        let Some(open) = self.opened() else { return };
        let before = open.reader.start_offset();
        // After a panic the partition is offline, and has been reported.
        let Ok(mut log) = self.log_of(&open) else { return };
        if let Some(log) = &mut *log {
            match log.apply_retention(now) {
                Ok(deleted) if !deleted.is_empty() => {
                    let start = open.reader.start_offset();
                    info!(partition = %self.name(), segments = deleted.len(), %start, "old segments deleted");
                }
                Ok(_) => {}
                Err(error) => warn!(partition = %self.name(), error = %ErrorChain(&error), "retention failed"),
            }
            if let Err(error) = log.purge_deleted(now) {
                warn!(partition = %self.name(), error = %ErrorChain(&error), "deleted files could not be removed");
            }
            log.expire_producers(now);
        }
        drop(log);
        if before < open.reader.start_offset() {
            self.waiters.wake();
        }
    }

    /// What the partition has to say for the checkpoints.
    pub fn checkpoint(&self) -> CheckpointEntry {
        match &*self.slot() {
            Slot::Open(open) => CheckpointEntry::Known {
                // Not the durable end: the indexes of a segment that was closed since the last sync may be lost still.
                recovery_point: open.sync.recovery_point().get(),
                log_start: open.reader.start_offset().get(),
                cleaned_to: self.cleaned_to.load(Ordering::Acquire),
            },
            Slot::Offline(_) => CheckpointEntry::AsBefore,
            Slot::Absent | Slot::Deleted => CheckpointEntry::Nothing,
        }
    }

    /// Syncs everything and leaves the files as a clean stop does. Blocks.
    ///
    /// # Errors
    ///
    /// The next start has to recover the partition.
    pub fn close(&self) -> Result<(), SyncError> {
        let Some(open) = self.opened() else { return Ok(()) };
        // Where a panic cut a change short, the next start has to look.
        let log = self.log_of(&open).ok().and_then(|mut log| log.take());
        if let Some(log) = log {
            log.close_clean()?;
        }
        self.waiters.wake();
        self.tell_unsynced();
        Ok(())
    }
}

fn as_numbers(found: Option<FoundOffset>) -> Option<(i64, i64, i32)> {
    found.map(|found| (found.offset.get(), found.timestamp.as_millis(), found.leader_epoch))
}
