//! The transaction coordinator as a plain value: it is asked what a request leads to, told what became durable, and
//! says what is to be written next. It reads no clock and does no I/O.
//!
//! A step is decided on what is in effect, handed to the log, and comes into effect once it is durable; until then
//! every other request about the same id is told to come back (CONCURRENT_TRANSACTIONS). The last step of a
//! transaction, which only notes that all partitions have heard of its end, is in effect at once: whatever follows it
//! stands behind it in the log.
//!
//! # An end that arrives late
//!
//! In the first generation of the protocol all transactions of a producer have the same epoch, so an EndTxn that was
//! sent for one, timed out, was sent again and carried out, could hit the next one. A client sends its requests on one
//! connection and opens another one only after it has given up the first. So nothing that arrives on an older
//! connection than an earlier request of the same epoch is carried out ([`Decision::Late`]); its connection is closed,
//! which costs a client that is still there no more than a reconnect. The second generation has an epoch per
//! transaction instead.

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worlds;

use std::collections::BTreeMap;

use millstream_wire::error_code::ErrorCode;

use super::metadata::{
    Generation, Metadata, NO_EPOCH, NO_PRODUCER_ID, Partitions, TransactionState, Verdict, is_exhausted,
};
use crate::clock::Tick;

/// Limits, from the broker's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `transaction.max.timeout.ms`.
    pub max_timeout_ms: i32,
    /// `transactional.id.expiration.ms`.
    pub id_expiration_ms: i64,
}

/// The present moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For how long something takes.
    pub tick: Tick,
    /// For what is written down, in milliseconds.
    pub wall_ms: i64,
}

/// Where a request of a transactional producer came from, and on whose behalf.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The transactional id.
    pub id: &'a str,
    /// Number of the connection; newer ones have higher numbers.
    pub connection: u64,
}

/// A producer and its epoch.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Identity {
    /// The producer.
    pub producer_id: i64,
    /// Its epoch.
    pub epoch: i16,
}

impl Identity {
    /// What answers carry that name no producer.
    pub const NONE: Self = Self { producer_id: NO_PRODUCER_ID, epoch: NO_EPOCH };

    fn of(metadata: &Metadata) -> Self {
        Self { producer_id: metadata.producer_id, epoch: metadata.epoch }
    }
}

/// What a request is answered with.
pub type Answer = Result<Identity, ErrorCode>;

/// What is to be done about a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It is answered from memory.
    Answer(Answer),
    /// It came on a connection that its producer has left: close that.
    Late,
    /// It is to be asked again with a producer id that nobody has.
    NeedsProducerId,
    /// This is to be written, and then [`Coordinator::stored`] is to be told.
    Store(Step),
}

impl Decision {
    fn refuse(code: ErrorCode) -> Self {
        Self::Answer(Err(code))
    }
}

/// Something to be written about an id.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Step {
    /// The transactional id.
    pub id: String,
    /// Tells this step from others of the same id.
    pub number: u64,
    /// What is written; `None` deletes.
    pub record: Option<Metadata>,
}

/// What follows a step that has become durable, or failed to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AfterStep {
    /// For whoever asked for it.
    pub answer: Answer,
    /// An end was decided: these are to be written, and then [`Coordinator::marked`] is to be told.
    pub markers: Option<Markers>,
}

/// The end of a transaction, as its partitions are to hear of it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Markers {
    /// The transactional id.
    pub id: String,
    /// Whose transaction.
    pub identity: Identity,
    /// How it ends.
    pub verdict: Verdict,
    /// Who takes part.
    pub partitions: Partitions,
}

/// What is known of one id.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Entry {
    /// In effect.
    current: Metadata,
    /// On its way to the disk.
    pending: Option<Pending>,
    /// When the open transaction has taken too long.
    deadline: Option<Tick>,
    /// The newest connection on which a request of this epoch came.
    connection: u64,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Pending {
    number: u64,
    next: Option<Metadata>,
    answer: Answer,
    /// Of a new producer: the connection that it came on.
    connection: Option<u64>,
}

/// All transactional ids.
#[derive(Clone, Debug)]
pub struct Coordinator {
    settings: Settings,
    /// The generation in which the broker itself ends transactions.
    own_generation: Generation,
    entries: BTreeMap<String, Entry>,
    steps: u64,
}

impl Coordinator {
    /// No ids.
    pub fn new(settings: Settings, own_generation: Generation) -> Self {
        Self { settings, own_generation, entries: BTreeMap::new(), steps: 0 }
    }

    /// Sets the generation in which the broker itself ends transactions: what `transaction.version` says.
    pub fn set_own_generation(&mut self, generation: Generation) {
        self.own_generation = generation;
    }

    /// Takes over what was stored. Of several records of an id the last one counts.
    pub fn load(&mut self, now: Now, id: &str, stored: Option<Metadata>) {
        let Some(stored) = stored else {
            self.entries.remove(id);
            return;
        };
        let entry = Entry { deadline: deadline_of(&stored, now), current: stored, pending: None, connection: 0 };
        self.entries.insert(id.to_owned(), entry);
    }

    /// Ends that were decided and have not reached all partitions.
    pub fn unfinished(&self) -> Vec<Markers> {
        let prepared = self.entries.iter().filter(|(_, entry)| entry.pending.is_none());
        prepared.filter_map(|(id, entry)| markers_of(id, &entry.current)).collect()
    }

    /// The largest producer id that is in use or about to be.
    pub fn last_producer_id(&self) -> Option<i64> {
        let ids = self.entries.values().map(|entry| {
            let Metadata { producer_id, previous_producer_id, next_producer_id, .. } = entry.current;
            producer_id.max(previous_producer_id).max(next_producer_id)
        });
        ids.max()
    }

    /// InitProducerId of a transactional producer. `expected` is what the producer
    /// believes to be (KIP-360), `fresh` a producer id that nobody has, once asked for.
    pub fn init(
        &mut self,
        now: Now,
        caller: Caller<'_>,
        timeout_ms: i32,
        expected: Option<Identity>,
        fresh: Option<i64>,
    ) -> Decision {
        let Caller { id, connection } = caller;
        // Lengths in keys are 16 bits.
        if id.is_empty() || i16::try_from(id.len()).is_err() {
            return Decision::refuse(ErrorCode::INVALID_REQUEST);
        }
        if timeout_ms <= 0 || self.settings.max_timeout_ms < timeout_ms {
            return Decision::refuse(ErrorCode::INVALID_TRANSACTION_TIMEOUT);
        }
        let current = match self.entries.get(id) {
            Some(Entry { pending: Some(_), .. }) => return Decision::refuse(ErrorCode::CONCURRENT_TRANSACTIONS),
            Some(entry) => entry.current.clone(),
            None => match fresh {
                None => return Decision::NeedsProducerId,
                Some(producer_id) => Metadata::new(producer_id, timeout_ms, now.wall_ms),
            },
        };
        if let Some(expected) = expected
            && !may_continue(&current, expected)
        {
            return Decision::refuse(ErrorCode::PRODUCER_FENCED);
        }
        let (next, answer) = match current.state {
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => {
                return Decision::refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
            }
            // The new producer gets an epoch of its own when it asks again.
            TransactionState::Ongoing => {
                (fenced(&current, self.own_generation, now), Err(ErrorCode::CONCURRENT_TRANSACTIONS))
            }
            TransactionState::Empty | TransactionState::CompleteCommit | TransactionState::CompleteAbort => {
                let expected_epoch = expected.map(|expected| expected.epoch);
                match initialised(&current, expected_epoch, timeout_ms, now, fresh) {
                    Err(refused) => return refused,
                    Ok(next) => {
                        let identity = Identity::of(&next);
                        (next, Ok(identity))
                    }
                }
            }
        };
        let entry = &*self.entries.entry(id.to_owned()).or_insert(Entry {
            current,
            pending: None,
            deadline: None,
            connection: 0,
        });
        // The present producer goes on until the new one is durable.
        let connection = if answer.is_ok() { connection } else { entry.connection };
        let decision = self.store(id, Some(next), answer);
        if let Some(Entry { pending: Some(pending), .. }) = self.entries.get_mut(id) {
            pending.connection = Some(connection);
        }
        decision
    }

    /// Partitions are to take part in the producer's transaction, which begins if it has not.
    pub fn add_partitions(
        &mut self,
        now: Now,
        caller: Caller<'_>,
        producer: Identity,
        added: &Partitions,
        generation: Generation,
    ) -> Decision {
        let Caller { id, connection } = caller;
        if id.is_empty() {
            return Decision::refuse(ErrorCode::INVALID_REQUEST);
        }
        let entry = match self.entry_of(id, producer) {
            Ok(entry) => entry,
            Err(code) => return Decision::refuse(code),
        };
        if generation == Generation::First && is_late(entry, connection) {
            return Decision::Late;
        }
        let current = &entry.current;
        if entry.pending.is_some() || current.state.prepared().is_some() {
            return Decision::refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if current.state == TransactionState::Ongoing && current.partitions.contains_all(added) {
            return Decision::Answer(Ok(producer));
        }
        let next = current.with_partitions(added, generation, now.wall_ms);
        self.store(id, Some(next), Ok(producer))
    }

    /// Whether a batch of this producer may be appended to a partition now: it takes part in the open transaction.
    ///
    /// # Errors
    ///
    /// The code of AddPartitionsToTxn with `verify_only`.
    pub fn check_append(&self, id: &str, producer: Identity, topic: &str, partition: i32) -> Result<(), ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        let entry = self.entries.get(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        check_producer(&entry.current, producer)?;
        if entry.current.state.prepared().is_some() {
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        if entry.current.partitions.contains(topic, partition) { Ok(()) } else { Err(ErrorCode::TRANSACTION_ABORTABLE) }
    }

    /// EndTxn. `fresh` is a producer id that nobody has, once asked for.
    pub fn end(
        &mut self,
        now: Now,
        caller: Caller<'_>,
        producer: Identity,
        verdict: Verdict,
        generation: Generation,
        fresh: Option<i64>,
    ) -> Decision {
        let id = caller.id;
        if id.is_empty() {
            return Decision::refuse(ErrorCode::INVALID_REQUEST);
        }
        match generation {
            Generation::First => self.end_first(now, caller, producer, verdict),
            Generation::Second => self.end_second(now, id, producer, verdict, fresh),
        }
    }

    /// The epoch says nothing about which transaction is meant.
    fn end_first(&mut self, now: Now, caller: Caller<'_>, producer: Identity, verdict: Verdict) -> Decision {
        let Caller { id, connection } = caller;
        let entry = match self.entry_of(id, producer) {
            Ok(entry) => entry,
            Err(code) => return Decision::refuse(code),
        };
        if is_late(entry, connection) {
            return Decision::Late;
        }
        if entry.pending.is_some() {
            return Decision::refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        match entry.current.state {
            TransactionState::Ongoing => {
                let next = entry.current.prepared(verdict, Generation::First, NO_PRODUCER_ID, now.wall_ms);
                self.store(id, Some(next), Ok(Identity::NONE))
            }
            state if ended(state) == Some(verdict) => Decision::Answer(Ok(Identity::NONE)),
            state if state.prepared() == Some(verdict) => Decision::refuse(ErrorCode::CONCURRENT_TRANSACTIONS),
            _ => Decision::refuse(ErrorCode::INVALID_TXN_STATE),
        }
    }

    /// The epoch was raised when the end was decided: a repetition carries the one before.
    fn end_second(&mut self, now: Now, id: &str, producer: Identity, verdict: Verdict, fresh: Option<i64>) -> Decision {
        let Some(entry) = self.entries.get(id) else {
            return Decision::refuse(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        };
        let current = &entry.current;
        let state = current.state;
        let repeated_over_rotation = current.previous_producer_id == producer.producer_id
            && current.producer_id != producer.producer_id
            && producer.epoch == i16::MAX - 1
            && current.epoch == 0;
        let repeated = repeated_over_rotation || producer.epoch.checked_add(1) == Some(current.epoch);
        let same_epoch = producer.epoch == current.epoch;
        if current.producer_id != producer.producer_id && !repeated_over_rotation {
            return Decision::refuse(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if entry.pending.is_some() {
            return Decision::refuse(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        let valid = match state {
            TransactionState::Ongoing | TransactionState::Empty => same_epoch,
            TransactionState::PrepareCommit | TransactionState::PrepareAbort => repeated,
            TransactionState::CompleteCommit | TransactionState::CompleteAbort => repeated || same_epoch,
        };
        if !valid {
            return Decision::refuse(ErrorCode::PRODUCER_FENCED);
        }
        if state.prepared().is_some() {
            let same = state.prepared() == Some(verdict);
            let code = if same { ErrorCode::CONCURRENT_TRANSACTIONS } else { ErrorCode::INVALID_TXN_STATE };
            return Decision::refuse(code);
        }
        if state != TransactionState::Ongoing && repeated {
            return if ended(state) == Some(verdict) {
                Decision::Answer(Ok(Identity::of(current)))
            } else {
                Decision::refuse(ErrorCode::INVALID_TXN_STATE)
            };
        }
        // A producer that does not know whether anything of it arrived may abort what never began.
        if state != TransactionState::Ongoing && verdict == Verdict::Commit {
            return Decision::refuse(ErrorCode::INVALID_TXN_STATE);
        }
        let next_producer_id = match (current.is_exhausted(), fresh) {
            (false, _) => NO_PRODUCER_ID,
            (true, Some(fresh)) => fresh,
            (true, None) => return Decision::NeedsProducerId,
        };
        let next = current.prepared(verdict, Generation::Second, next_producer_id, now.wall_ms);
        let answer = Ok(Identity::of(&next.completed(verdict, now.wall_ms)));
        self.store(id, Some(next), answer)
    }

    /// A step has become durable, or (`durable` is false) was not written. `None` for a step that is not under way.
    pub fn stored(&mut self, now: Now, id: &str, number: u64, durable: bool) -> Option<AfterStep> {
        let entry = self.entries.get_mut(id)?;
        let pending = entry.pending.take_if(|pending| pending.number == number)?;
        if !durable {
            if entry.current.epoch == NO_EPOCH {
                self.entries.remove(id);
            }
            return Some(AfterStep { answer: Err(ErrorCode::COORDINATOR_NOT_AVAILABLE), markers: None });
        }
        let Some(next) = pending.next else {
            self.entries.remove(id);
            return Some(AfterStep { answer: pending.answer, markers: None });
        };
        entry.deadline = match (entry.current.state, next.state) {
            (TransactionState::Ongoing, TransactionState::Ongoing) => entry.deadline,
            _ => deadline_of(&next, now),
        };
        entry.current = next;
        entry.connection = pending.connection.unwrap_or(entry.connection);
        Some(AfterStep { answer: pending.answer, markers: markers_of(id, &entry.current) })
    }

    /// All partitions have heard of an end, durably: what is to be written now, which is in effect already. `None` for
    /// an end that is none any more.
    pub fn marked(&mut self, now: Now, markers: &Markers) -> Option<Step> {
        let entry = self.entries.get_mut(&markers.id)?;
        let verdict = entry.current.state.prepared()?;
        if Identity::of(&entry.current) != markers.identity || verdict != markers.verdict {
            return None;
        }
        entry.current = entry.current.completed(verdict, now.wall_ms);
        self.steps += 1;
        Some(Step { id: markers.id.clone(), number: self.steps, record: Some(entry.current.clone()) })
    }

    /// Transactions that have taken too long: each is aborted, its producer fenced.
    pub fn time_out(&mut self, now: Now) -> Vec<Step> {
        let overdue = |entry: &Entry| {
            entry.pending.is_none()
                && entry.current.state == TransactionState::Ongoing
                && entry.deadline.is_some_and(|at| at <= now.tick)
        };
        let due: Vec<_> = self.entries.iter().filter(|(_, entry)| overdue(entry)).collect();
        let fences: Vec<_> =
            due.into_iter().map(|(id, entry)| (id.clone(), fenced(&entry.current, self.own_generation, now))).collect();
        self.store_all(fences.into_iter().map(|(id, next)| (id, Some(next))))
    }

    /// Ids that nobody has used for too long: each is forgotten.
    pub fn expire(&mut self, now: Now) -> Vec<Step> {
        let oldest = now.wall_ms.saturating_sub(self.settings.id_expiration_ms);
        let idle = |entry: &Entry| {
            entry.pending.is_none() && entry.current.state.is_idle() && entry.current.updated_ms <= oldest
        };
        let due: Vec<_> = self.entries.iter().filter(|(_, entry)| idle(entry)).map(|(id, _)| id.clone()).collect();
        self.store_all(due.into_iter().map(|id| (id, None)))
    }

    /// One id, for DescribeTransactions.
    pub fn get(&self, id: &str) -> Option<&Metadata> {
        self.iter().find(|(known, _)| *known == id).map(|(_, metadata)| metadata)
    }

    /// All ids, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Metadata)> {
        // One whose first record is on its way is not there yet.
        let known = self.entries.iter().filter(|(_, entry)| entry.current.epoch != NO_EPOCH);
        known.map(|(id, entry)| (id.as_str(), &entry.current))
    }

    fn entry_of(&mut self, id: &str, producer: Identity) -> Result<&mut Entry, ErrorCode> {
        let entry = self.entries.get_mut(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        check_producer(&entry.current, producer)?;
        Ok(entry)
    }

    fn store(&mut self, id: &str, next: Option<Metadata>, answer: Answer) -> Decision {
        self.steps += 1;
        let number = self.steps;
        if let Some(entry) = self.entries.get_mut(id) {
            entry.pending = Some(Pending { number, next: next.clone(), answer, connection: None });
        }
        Decision::Store(Step { id: id.to_owned(), number, record: next })
    }

    fn store_all(&mut self, all: impl Iterator<Item = (String, Option<Metadata>)>) -> Vec<Step> {
        let steps = all.map(|(id, next)| self.store(&id, next, Ok(Identity::NONE)));
        let only_steps = steps.filter_map(|decision| match decision {
            Decision::Store(step) => Some(step),
            _ => None,
        });
        only_steps.collect()
    }
}

fn check_producer(current: &Metadata, producer: Identity) -> Result<(), ErrorCode> {
    if current.producer_id != producer.producer_id {
        return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
    }
    if current.epoch != producer.epoch {
        return Err(ErrorCode::PRODUCER_FENCED);
    }
    Ok(())
}

/// Whether a request of the present epoch came on a connection that its producer has left; notes the connection.
fn is_late(entry: &mut Entry, connection: u64) -> bool {
    let late = connection < entry.connection;
    entry.connection = entry.connection.max(connection);
    late
}

/// The verdict that all partitions have heard of.
fn ended(state: TransactionState) -> Option<Verdict> {
    match state {
        TransactionState::CompleteCommit => Some(Verdict::Commit),
        TransactionState::CompleteAbort => Some(Verdict::Abort),
        _ => None,
    }
}

/// Whether a producer that names itself may get a new epoch: it is the present one, or asks again after it was given
/// another producer id.
fn may_continue(current: &Metadata, expected: Identity) -> bool {
    current.epoch == NO_EPOCH
        || expected.producer_id == current.producer_id
        || (expected.producer_id == current.previous_producer_id && is_exhausted(expected.epoch))
}

/// The next epoch for a producer that asks for one, or the next producer id where the epochs have run out.
fn initialised(
    current: &Metadata,
    expected_epoch: Option<i16>,
    timeout_ms: i32,
    now: Now,
    fresh: Option<i64>,
) -> Result<Metadata, Decision> {
    let next = |producer_id, epoch, last_epoch| {
        Ok(current.initialised(producer_id, epoch, last_epoch, timeout_ms, now.wall_ms))
    };
    if current.is_exhausted() && expected_epoch.is_none_or(|expected| expected == current.epoch) {
        let last_epoch = if expected_epoch.is_some() { current.epoch } else { NO_EPOCH };
        return match fresh {
            Some(fresh) => next(fresh, 0, last_epoch),
            None => Err(Decision::NeedsProducerId),
        };
    }
    let same = |epoch| next(current.producer_id, epoch, current.last_epoch);
    match expected_epoch {
        None => next(current.producer_id, current.epoch + 1, NO_EPOCH),
        Some(expected) if current.epoch == NO_EPOCH || expected == current.epoch => {
            next(current.producer_id, current.epoch + 1, current.epoch)
        }
        // It asks again for what it was given. No other producer came in between, or there were no last epoch.
        Some(expected) if expected == current.last_epoch && expected != NO_EPOCH => same(current.epoch),
        Some(_) => Err(Decision::refuse(ErrorCode::PRODUCER_FENCED)),
    }
}

/// An abort that no producer asked for. The epoch goes up in either generation, so that the present producer is refused.
fn fenced(current: &Metadata, generation: Generation, now: Now) -> Metadata {
    let aborted = current.prepared(Verdict::Abort, generation, NO_PRODUCER_ID, now.wall_ms);
    match generation {
        Generation::First => Metadata { epoch: current.epoch.saturating_add(1), last_epoch: NO_EPOCH, ..aborted },
        Generation::Second => aborted,
    }
}

fn markers_of(id: &str, metadata: &Metadata) -> Option<Markers> {
    let verdict = metadata.state.prepared()?;
    let partitions = metadata.partitions.clone();
    Some(Markers { id: id.to_owned(), identity: Identity::of(metadata), verdict, partitions })
}

/// What is left of a transaction's time, which ran on while the broker was down.
fn deadline_of(metadata: &Metadata, now: Now) -> Option<Tick> {
    if metadata.state != TransactionState::Ongoing {
        return None;
    }
    // A wall clock that was set back gives no transaction more than its time.
    let taken = now.wall_ms.saturating_sub(metadata.started_ms).max(0);
    let left = i64::from(metadata.timeout_ms).saturating_sub(taken).max(0);
    Some(now.tick.plus_ms(i32::try_from(left).unwrap_or(i32::MAX)))
}
