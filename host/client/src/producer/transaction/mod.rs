//! What a transactional producer is doing, and what it has to ask its coordinators next.
//!
//! A plain value: it reads no clock and does no I/O. Its rules are those of Kafka's clients (KIP-98, KIP-360,
//! KIP-890), and stricter in one place: what a request whose answer was lost may still do is either found out by
//! asking again, or shut out by a new epoch before the next transaction begins.

mod error;
mod requests;
#[cfg(test)]
mod transaction_model;
mod verdict;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use millstream_record::TopicName;
use tokio::time::Instant;

pub use self::error::{TransactionCause, TransactionError};
pub(super) use self::requests::{Coordinators, StepResult};
use self::verdict::{StepVerdict, judge};
use super::error::SendError;
use crate::{admin::OffsetAndMetadata, cluster::RequestError, group::GroupMetadata, kafka_error::ErrorCode};

/// Producer id and epoch.
pub(super) type Identity = (i64, i16);

/// A partition by the accumulator's numbers: topic, partition.
pub(super) type Place = (usize, u32);

/// Wait before a request is repeated that met the end of the transaction before, as in Java.
const WAIT_FOR_MARKERS: Duration = Duration::from_millis(20);

/// The generations of the protocol, by Kafka's feature `transaction.version`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum TransactionVersion {
    /// Partitions and groups are announced to the coordinator, and the epoch outlives the transaction. Also stands
    /// for 0, which differs in the coordinator's own records only.
    #[default]
    V1,
    /// KIP-890: writing to a partition takes it into the transaction, and every end brings a new epoch.
    V2,
}

/// Offsets that a group is to have once the transaction is committed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct GroupOffsets {
    pub(super) group: GroupMetadata,
    pub(super) offsets: Vec<(TopicName, i32, OffsetAndMetadata)>,
}

/// One request to a coordinator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// Get an id and epoch; with the ones in use, a newer epoch of them (KIP-360).
    InitProducerId { current: Option<Identity> },
    /// Take partitions into the transaction.
    AddPartitions { identity: Identity, partitions: Vec<Place> },
    /// Take the offsets of a group into the transaction.
    AddOffsets { identity: Identity, group_id: String },
    /// Write the offsets of a group.
    CommitOffsets { identity: Identity, version: TransactionVersion, offsets: Arc<GroupOffsets> },
    /// `EndTxn`: commit or abort, and perhaps a new epoch with the answer.
    End { identity: Identity, version: TransactionVersion, commit: bool },
}

/// What came of a [`Step`].
#[derive(Clone, Debug)]
pub(super) enum StepAnswer {
    /// Done. The identity is that of the next transaction where the step brings one.
    Done {
        identity: Option<Identity>,
    },
    Refused(ErrorCode),
    /// Never sent.
    NotSent(RequestError),
    /// Sent, and no answer came: it may have been carried out, or may be yet.
    Lost(RequestError),
}

/// What a coordinator's connection tells besides answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Abilities {
    /// The generation that the cluster has agreed on.
    pub(super) version: TransactionVersion,
    /// Whether it can give a producer a newer epoch (Kafka 2.5).
    pub(super) can_renew: bool,
}

/// What is to be done next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum NextStep {
    /// This request, which is then on its way.
    Send(Step),
    /// Nothing before this time.
    NotBefore(Instant),
    /// Nothing before something happens.
    Nothing,
}

/// Where the producer stands, for its owner.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Something is under way.
    Busy,
    /// There is no transaction.
    Ready,
    /// It was begun, and nothing is under way.
    Open,
    /// The producer was not made ready yet.
    New,
    /// The transaction can only be aborted.
    MustAbort,
    /// Nothing can be done any more.
    Failed,
}

#[derive(Clone, Debug)]
enum State {
    New,
    Initializing,
    Ready,
    Open,
    Committing,
    Aborting,
    MustAbort(TransactionCause),
    Failed(TransactionError),
}

/// Whether the coordinator has begun the transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Begun {
    No,
    /// Something that begins it was sent and not acknowledged.
    Perhaps,
    Yes,
}

/// See the module's documentation.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    id: Arc<str>,
    state: State,
    identity: Option<Identity>,
    abilities: Abilities,
    /// Of the present transaction, which it keeps whatever the cluster agrees on meanwhile.
    version: TransactionVersion,
    begun: Begun,
    /// Partitions that may be written to.
    added: BTreeSet<Place>,
    /// Partitions that the coordinator has to know of first.
    to_add: BTreeSet<Place>,
    /// Groups whose offsets may be written.
    groups: BTreeSet<String>,
    offsets: VecDeque<Arc<GroupOffsets>>,
    /// The step that may have begun the transaction and was not answered.
    unanswered: Option<Step>,
    /// Whether the next transaction needs a new epoch.
    renew: bool,
    in_flight: bool,
    failures: u32,
    not_before: Option<Instant>,
    /// How the last transaction ended (true: committed) until its owner has heard of it.
    ended: Option<bool>,
}

impl Transaction {
    pub(super) fn new(id: Arc<str>) -> Self {
        Self {
            id,
            state: State::New,
            identity: None,
            abilities: Abilities::default(),
            version: TransactionVersion::V1,
            begun: Begun::No,
            added: BTreeSet::new(),
            to_add: BTreeSet::new(),
            groups: BTreeSet::new(),
            offsets: VecDeque::new(),
            unanswered: None,
            renew: false,
            in_flight: false,
            failures: 0,
            not_before: None,
            ended: None,
        }
    }

    pub(super) fn standing(&self) -> Standing {
        match &self.state {
            State::New => Standing::New,
            State::Initializing | State::Committing | State::Aborting => Standing::Busy,
            State::Ready => Standing::Ready,
            State::Open => Standing::Open,
            State::MustAbort(_) => Standing::MustAbort,
            State::Failed(_) => Standing::Failed,
        }
    }

    /// The error that stands in the way of `attempted`.
    pub(super) fn obstacle(&self, attempted: &'static str) -> TransactionError {
        let state = match &self.state {
            State::New => "not initialized",
            State::Initializing => "being initialized",
            State::Ready => "in no transaction",
            State::Open => "in a transaction",
            State::Committing => "committing a transaction",
            State::Aborting => "aborting a transaction",
            State::MustAbort(source) => {
                return TransactionError::MustAbort { transactional_id: Arc::clone(&self.id), source: source.clone() };
            }
            State::Failed(error) => return error.clone(),
        };
        TransactionError::WrongState { attempted, transactional_id: Arc::clone(&self.id), state }
    }

    /// Who writes, while that is known.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    /// The generation of the present transaction.
    pub(super) fn version(&self) -> TransactionVersion {
        self.version
    }

    /// Asks for an id and an epoch, which ends whatever an earlier producer of this name has left open.
    pub(super) fn initialize(&mut self) -> Result<(), TransactionError> {
        match self.state {
            State::New => self.state = State::Initializing,
            State::Initializing | State::Ready => {}
            _ => return Err(self.obstacle("initialize transactions")),
        }
        Ok(())
    }

    /// Begins a transaction. The coordinator hears of it with the first record or offset.
    pub(super) fn begin(&mut self) -> Result<(), TransactionError> {
        let State::Ready = self.state else { return Err(self.obstacle("begin a transaction")) };
        self.ended = None;
        self.version = self.abilities.version;
        self.state = State::Open;
        Ok(())
    }

    /// Begins to commit, or goes on with it.
    pub(super) fn commit(&mut self) -> Result<(), TransactionError> {
        match self.state {
            State::Open => self.state = State::Committing,
            State::Committing => {}
            _ if self.ended == Some(true) => {}
            _ => return Err(self.obstacle("commit the transaction")),
        }
        Ok(())
    }

    /// Begins to abort, or goes on with it. Offsets that were not written yet are forgotten.
    pub(super) fn abort(&mut self) -> Result<(), TransactionError> {
        match self.state {
            State::Open | State::MustAbort(_) => {
                self.state = State::Aborting;
                self.offsets.clear();
                self.to_add.clear();
            }
            State::Aborting => {}
            _ if self.ended == Some(false) => {}
            _ => return Err(self.obstacle("abort the transaction")),
        }
        Ok(())
    }

    /// How the last transaction ended, once nothing is under way any more: true for committed. Says so once.
    pub(super) fn take_ended(&mut self) -> Option<bool> {
        if matches!(self.standing(), Standing::Busy) { None } else { self.ended.take() }
    }

    /// Has offsets of a group written in the transaction.
    pub(super) fn add_offsets(&mut self, offsets: GroupOffsets) -> Result<(), TransactionError> {
        let State::Open = self.state else { return Err(self.obstacle("write offsets in the transaction")) };
        self.offsets.push_back(Arc::new(offsets));
        Ok(())
    }

    /// Whether offsets wait to be written.
    pub(super) fn has_offsets(&self) -> bool {
        !self.offsets.is_empty()
    }

    /// Whether records may be appended.
    pub(super) fn takes_records(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Records go to this partition.
    pub(super) fn touch(&mut self, place: Place) {
        if self.version == TransactionVersion::V1 && !self.added.contains(&place) {
            self.to_add.insert(place);
        }
    }

    /// Whether batches may go to this partition now.
    pub(super) fn may_write(&self, place: Place) -> bool {
        let under_way = matches!(self.state, State::Open | State::Committing);
        under_way && self.identity.is_some() && (self.version == TransactionVersion::V2 || self.added.contains(&place))
    }

    /// Whether a batch that failed may be sent again.
    pub(super) fn is_sound(&self) -> bool {
        matches!(self.state, State::Open | State::Committing)
    }

    /// A batch goes out.
    pub(super) fn writes(&mut self) {
        if self.begun == Begun::No {
            self.begun = Begun::Perhaps;
        }
    }

    /// A batch was written.
    pub(super) fn written(&mut self) {
        self.begun = Begun::Yes;
    }

    /// A batch was given up, `sent` or not: without its records the transaction cannot be committed.
    pub(super) fn batch_failed(&mut self, error: &SendError, sent: bool) {
        // It may be in the log, or come there late, under numbers that the next transaction would use.
        self.renew |= sent && self.version == TransactionVersion::V1;
        let code = match error {
            SendError::Refused { source, .. } => Some(*source),
            _ => None,
        };
        if let State::Open | State::Committing | State::Aborting | State::MustAbort(_) = self.state {
            match code {
                Some(ErrorCode::PRODUCER_FENCED) => self.fenced(TransactionCause::records(error)),
                Some(
                    ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                    | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                    | ErrorCode::INVALID_PRODUCER_ID_MAPPING
                    | ErrorCode::UNSUPPORTED_VERSION,
                ) => self.fail(TransactionCause::records(error)),
                _ => self.must_abort(TransactionCause::records(error)),
            }
        }
    }

    fn must_abort(&mut self, cause: TransactionCause) {
        if self.renew && !self.abilities.can_renew {
            return self.fail(cause);
        }
        if let State::Open | State::Committing = self.state {
            self.state = State::MustAbort(cause);
            self.offsets.clear();
            self.to_add.clear();
        }
    }

    fn fail(&mut self, source: TransactionCause) {
        if !matches!(self.state, State::Failed(_)) {
            self.offsets.clear();
            self.to_add.clear();
            self.state = State::Failed(TransactionError::Fatal { transactional_id: Arc::clone(&self.id), source });
        }
    }

    fn fenced(&mut self, source: TransactionCause) {
        if !matches!(self.state, State::Failed(_)) {
            self.offsets.clear();
            self.to_add.clear();
            self.state = State::Failed(TransactionError::Fenced { transactional_id: Arc::clone(&self.id), source });
        }
    }

    /// What to ask next. `idle` says that no batch of the producer is left.
    pub(super) fn next(&mut self, now: Instant, idle: bool) -> NextStep {
        if self.in_flight {
            return NextStep::Nothing;
        }
        if let Some(at) = self.not_before.filter(|at| now < *at) {
            return NextStep::NotBefore(at);
        }
        self.not_before = None;
        let Some(step) = self.step(idle) else { return NextStep::Nothing };
        self.in_flight = true;
        match &step {
            Step::AddPartitions { .. } | Step::AddOffsets { .. } | Step::CommitOffsets { .. } => self.writes(),
            Step::InitProducerId { .. } | Step::End { .. } => {}
        }
        NextStep::Send(step)
    }

    fn step(&mut self, idle: bool) -> Option<Step> {
        if let State::Initializing = self.state {
            return Some(Step::InitProducerId { current: self.identity });
        }
        let (identity, version) = (self.identity?, self.version);
        match self.state {
            State::Open | State::Committing => {
                if !self.to_add.is_empty() {
                    let partitions = self.to_add.iter().copied().collect();
                    return Some(Step::AddPartitions { identity, partitions });
                }
                if let Some(offsets) = self.offsets.front() {
                    let group_id = &offsets.group.group_id;
                    if version == TransactionVersion::V1 && !self.groups.contains(group_id) {
                        return Some(Step::AddOffsets { identity, group_id: group_id.clone() });
                    }
                    return Some(Step::CommitOffsets { identity, version, offsets: Arc::clone(offsets) });
                }
                if !idle || matches!(self.state, State::Open) {
                    return None;
                }
                if self.begun == Begun::No {
                    self.finish(true);
                    return self.step(idle);
                }
                Some(Step::End { identity, version, commit: true })
            }
            // What is in flight may still be written, which belongs to this transaction.
            State::Aborting if idle => match (self.begun, &self.unanswered) {
                (Begun::No, _) => {
                    self.finish(false);
                    self.step(idle)
                }
                // An end is refused where there is no beginning, and a late beginning would have no end.
                (Begun::Perhaps, Some(step)) if version == TransactionVersion::V1 => Some(step.clone()),
                _ => Some(Step::End { identity, version, commit: false }),
            },
            _ => None,
        }
    }

    /// Takes the answer to the step that is under way. `delay` gives the wait after so many failures.
    pub(super) fn answered(
        &mut self,
        step: Step,
        answer: StepAnswer,
        abilities: Option<Abilities>,
        now: Instant,
        delay: impl Fn(u32) -> Duration,
    ) {
        self.in_flight = false;
        if let Some(abilities) = abilities {
            self.abilities = abilities;
        }
        let error = match answer {
            StepAnswer::Done { identity } => {
                self.failures = 0;
                return self.done(step, identity);
            }
            StepAnswer::Refused(code) => {
                self.not_begun();
                let pause = if code == ErrorCode::CONCURRENT_TRANSACTIONS { Some(WAIT_FOR_MARKERS) } else { None };
                let error = RequestError::Refused { attempted: step.describe(), source: code };
                match judge(&step, code) {
                    StepVerdict::Retry => return self.again(now, pause.unwrap_or_else(|| delay(self.failures))),
                    StepVerdict::Fenced => return self.fenced(error.into()),
                    StepVerdict::Expired => return self.expired(error.into()),
                    StepVerdict::Abort => return self.refused(&step, error.into()),
                    StepVerdict::Fail => error,
                }
            }
            StepAnswer::NotSent(error) => {
                self.not_begun();
                match error.code().map(|code| judge(&step, code)) {
                    None | Some(StepVerdict::Retry) if error.is_retriable() => {
                        return self.again(now, delay(self.failures));
                    }
                    Some(StepVerdict::Abort) => return self.refused(&step, error.into()),
                    _ => error,
                }
            }
            StepAnswer::Lost(error) if error.is_retriable() => {
                // One that arrives late would work on the next transaction, which has the same epoch by default.
                self.renew |= self.version == TransactionVersion::V1
                    && self.abilities.can_renew
                    && !matches!(step, Step::InitProducerId { .. });
                self.unanswered = Some(step);
                return self.again(now, delay(self.failures));
            }
            StepAnswer::Lost(error) => error,
        };
        self.fail(error.into());
    }

    /// The step has begun nothing; an earlier attempt may have.
    fn not_begun(&mut self) {
        if self.version == TransactionVersion::V1 && self.unanswered.is_none() && self.begun == Begun::Perhaps {
            self.begun = Begun::No;
        }
    }

    fn again(&mut self, now: Instant, wait: Duration) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.checked_add(wait);
    }

    /// The transaction cannot be committed, but aborted.
    fn refused(&mut self, step: &Step, cause: TransactionCause) {
        self.unanswered = None;
        self.not_begun();
        match self.state {
            State::Open | State::Committing => self.must_abort(cause),
            // What was to begin the transaction has not, so that there is nothing to abort.
            State::Aborting if matches!(step, Step::AddPartitions { .. } | Step::AddOffsets { .. }) => {}
            State::MustAbort(_) => {}
            _ => self.fail(cause),
        }
    }

    /// The coordinator has forgotten this producer and with it the transaction.
    fn expired(&mut self, cause: TransactionCause) {
        self.renew = true;
        self.begun = Begun::No;
        self.unanswered = None;
        match self.state {
            State::Aborting if self.abilities.can_renew => {}
            State::Aborting => self.fail(cause),
            _ => self.must_abort(cause),
        }
    }

    fn done(&mut self, step: Step, identity: Option<Identity>) {
        self.unanswered = None;
        match step {
            Step::InitProducerId { .. } => {
                self.identity = identity;
                if let State::Initializing = self.state {
                    self.state = State::Ready;
                }
            }
            Step::AddPartitions { partitions, .. } => {
                self.begun = Begun::Yes;
                for place in partitions {
                    self.to_add.remove(&place);
                    self.added.insert(place);
                }
            }
            Step::AddOffsets { group_id, .. } => {
                self.begun = Begun::Yes;
                self.groups.insert(group_id);
            }
            Step::CommitOffsets { offsets, .. } => {
                self.begun = Begun::Yes;
                if self.offsets.front().is_some_and(|front| Arc::ptr_eq(front, &offsets)) {
                    self.offsets.pop_front();
                }
            }
            Step::End { commit, version, .. } => {
                match identity {
                    Some(_) => {
                        self.identity = identity;
                        self.renew = false;
                    }
                    // The coordinator has answered in the older form, so that the epoch is still in use.
                    None => self.renew |= version == TransactionVersion::V2,
                }
                if let State::Committing | State::Aborting = self.state {
                    self.finish(commit);
                }
            }
        }
    }

    fn finish(&mut self, committed: bool) {
        let newer = self.version == TransactionVersion::V1 && self.abilities.version == TransactionVersion::V2;
        self.state = if self.renew || newer { State::Initializing } else { State::Ready };
        self.ended = Some(committed);
        self.renew = false;
        self.begun = Begun::No;
        self.unanswered = None;
        self.added.clear();
        self.to_add.clear();
        self.groups.clear();
        self.offsets.clear();
    }
}

impl Step {
    /// What is attempted, for errors.
    fn describe(&self) -> String {
        match self {
            Self::InitProducerId { .. } => "get an epoch for the transactional producer".to_owned(),
            Self::AddPartitions { partitions, .. } => {
                format!("add {} partition(s) to the transaction", partitions.len())
            }
            Self::AddOffsets { group_id, .. } => format!("add offsets of group {group_id} to the transaction"),
            Self::CommitOffsets { offsets, .. } => {
                format!("write offsets of group {} in the transaction", offsets.group.group_id)
            }
            Self::End { commit: true, .. } => "commit the transaction".to_owned(),
            Self::End { commit: false, .. } => "abort the transaction".to_owned(),
        }
    }
}
