//! Opening a partition's files, and what happens where that does not work.
//!
//! What may pass (too many open files, a full or busy disk) is tried again, less and less often, for as long as the
//! broker runs. Damage does not pass: the partition stays offline and its files as they are.

use std::io::ErrorKind;

use super::*;

/// How long after a first failure files are opened again; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why a partition is offline, and whether it may come back by itself.
#[derive(Clone, Debug)]
pub struct Offline {
    /// With its causes.
    pub reason: String,
    again: Option<Again>,
}

/// Whose a partition's folder is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Identity {
    /// This topic's.
    Own,
    /// There is no folder, or nothing in it.
    Nobodys,
}

/// The next attempt at opening.
#[derive(Clone, Copy, Debug)]
struct Again {
    mode: OpenMode,
    failures: u32,
    at: Instant,
}

impl Offline {
    /// For good.
    fn damaged(reason: String) -> Self {
        Self { reason, again: None }
    }
}

/// How long to wait after so many failures.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

/// Whether what went wrong may be right at another time: the system refused something, rather than a file holding
/// what it should not.
pub(super) fn may_pass(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let refusals: Vec<ErrorKind> = causes.filter_map(|error| error.downcast_ref()).map(std::io::Error::kind).collect();
    let damage = [ErrorKind::InvalidData, ErrorKind::UnexpectedEof];
    !refusals.is_empty() && refusals.iter().all(|kind| !damage.contains(kind))
}

impl Partition {
    /// Opens the files that are there. A partition that cannot be opened is offline from then on. Blocks.
    ///
    /// # Errors
    ///
    /// What is wrong with the files.
    pub fn open_existing(&self, mode: OpenMode) -> Result<(), PartitionUnavailable> {
        self.try_open(mode, 0, Instant::now())
    }

    /// Opens the files again if an earlier attempt failed on something that may have passed, and it is time.
    /// Blocks; for work that is handed to [`Partition::submit`]. True if the partition came back.
    pub fn open_again(&self, now: Instant) -> bool {
        let again = match &*self.slot() {
            Slot::Offline(Offline { again: Some(again), .. }) if again.at <= now => *again,
            _ => return false,
        };
        match self.try_open(again.mode, again.failures, now) {
            Ok(()) => {
                info!(partition = %self.name(), "the partition is back");
                self.home.health.clear(&self.health_name());
                self.waiters.wake();
                true
            }
            Err(_) => false,
        }
    }

    /// Whether an attempt at opening is due.
    pub fn wants_opening(&self, now: Instant) -> bool {
        matches!(&*self.slot(), Slot::Offline(Offline { again: Some(again), .. }) if again.at <= now)
    }

    /// Whether the partition's files could not be opened.
    pub fn is_offline(&self) -> bool {
        matches!(&*self.slot(), Slot::Offline(_))
    }

    fn try_open(&self, mode: OpenMode, failures: u32, now: Instant) -> Result<(), PartitionUnavailable> {
        let opened = match self.check_identity() {
            Ok(Identity::Own) => self.open_log(mode).map(Slot::Open),
            // A crash came while the folder was made. The first append makes it anew, id and all.
            Ok(Identity::Nobodys) => Ok(Slot::Absent),
            Err(error) => Err(error),
        };
        let error = match opened {
            Ok(slot) => {
                self.set_slot(slot);
                return Ok(());
            }
            Err(error) => error,
        };
        let reason = ErrorChain(&error).to_string();
        let again = may_pass(&error).then(|| {
            let failures = failures.saturating_add(1);
            // An attempt that failed half-way may have changed files, so they do not count as cleanly left.
            Again { mode: OpenMode { clean: false, ..mode }, failures, at: now + pause(failures) }
        });
        self.set_slot(Slot::Offline(Offline { reason: reason.clone(), again }));
        let remedy = if again.is_some() { "it is tried again" } else { "its files are left as they are" };
        self.home.health.report(self.health_name(), format!("{reason}; {remedy}"));
        Err(error)
    }

    pub(super) fn open_log(&self, mode: OpenMode) -> Result<Arc<OpenLog>, PartitionUnavailable> {
        let config = self.log_config(&self.config());
        let (log, report) = PartitionLog::open(self.disk(), &self.dir(), config, mode, Timestamp::now())
            .map_err(|source| PartitionUnavailable::Open { partition: self.name(), source: Box::new(source) })?;
        if 0 < report.truncated_bytes {
            warn!(
                partition = %self.name(),
                bytes = report.truncated_bytes,
                end = %log.end_offset(),
                "a torn end was cut off"
            );
        }
        if 0 < report.missing_offsets {
            warn!(
                partition = %self.name(),
                offsets = report.missing_offsets,
                "offsets between segments have no records: by compaction or a repair, or because a file is missing"
            );
        }
        self.cleaned_to.store(mode.cleaned_to.get(), Ordering::Release);
        let (reader, sync) = (log.reader(), log.sync_handle());
        Ok(Arc::new(OpenLog { log: Mutex::new(Some(log)), reader, sync }))
    }

    /// Whether the folder in the partition's place, if there is one, is this topic's: names come back, ids do not.
    pub(super) fn check_identity(&self) -> Result<Identity, PartitionUnavailable> {
        let dir = self.dir();
        let found = checkpoint::read_topic_id(&**self.disk(), &dir)
            .map_err(|source| PartitionUnavailable::Identity { dir: dir.clone(), source })?;
        match found.map(Uuid::from_bytes) {
            Some(id) if id == self.topic_id => Ok(Identity::Own),
            Some(id) => {
                let owner = format!("the topic with the id {}", topic_id::to_text(id));
                Err(PartitionUnavailable::Foreign { dir, owner, id: topic_id::to_text(self.topic_id) })
            }
            // The id is on disk before anything else: without it and without segments, a crash came in between.
            None if !has_segments(&**self.disk(), &dir).map_err(|source| self.not_created(source))? => {
                Ok(Identity::Nobodys)
            }
            None => {
                let owner = "a topic that cannot be told".to_owned();
                Err(PartitionUnavailable::Foreign { dir, owner, id: topic_id::to_text(self.topic_id) })
            }
        }
    }

    /// Takes the partition out of use after something that leaves its state uncertain.
    pub(super) fn go_offline(&self, reason: String) {
        self.report_until_restart(&reason);
        self.set_slot(Slot::Offline(Offline::damaged(reason)));
        self.waiters.wake();
        self.tell_unsynced();
    }

    /// Tells of something after which only a new look at the files, as a start takes it, says what they hold.
    pub(super) fn report_until_restart(&self, reason: &str) {
        let remedy = "it takes no more records; see to the cause and restart the broker";
        self.home.health.report(self.health_name(), format!("{reason}; {remedy}"));
    }

    /// Why the partition cannot be used at this moment.
    pub fn offline_now(&self) -> PartitionUnavailable {
        match self.usable() {
            Err(error) => error,
            Ok(_) => self.unavailable("the broker was stopped"),
        }
    }

    pub(super) fn health_name(&self) -> String {
        format!("partition {}", self.name())
    }
}

fn has_segments(disk: &dyn Disk, dir: &std::path::Path) -> std::io::Result<bool> {
    match disk.read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        names => Ok(names?.iter().any(|name| std::path::Path::new(name).extension().is_some_and(|it| it == "log"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn attempts_at_opening_become_rarer_up_to_one_a_minute() {
        let pauses: Vec<u64> = [1, 2, 3, 6, 7, 8, u32::MAX].map(|failures| pause(failures).as_secs()).to_vec();
        assert_eq!(pauses, [1, 2, 4, 32, 60, 60, 60]);
    }

    #[test]
    fn what_the_system_refuses_may_pass_and_damage_does_not() {
        let open = |source| PartitionUnavailable::Open {
            partition: "t-0".to_owned(),
            source: Box::new(OpenLogError::Segment { base_offset: 0, source }),
        };
        // Too many open files, no space left, interrupted, resource busy.
        for errno in [24, 28, 4, 16] {
            assert!(may_pass(&open(io::Error::from_raw_os_error(errno))), "{errno}");
        }
        assert!(!may_pass(&open(io::Error::from(ErrorKind::InvalidData))));
        let dir = PathBuf::from("t-0");
        assert!(!may_pass(&PartitionUnavailable::Foreign { dir, owner: "another".to_owned(), id: "x".to_owned() }));
    }
}
