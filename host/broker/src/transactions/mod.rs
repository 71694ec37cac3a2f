//! Transactions: the state machine of [`coordinator`], fed with requests and time, its records kept in
//! `__transaction_state`.
//!
//! An id's record is handed to its partition while the coordinator is locked, so that their order in the log is the
//! order of the decisions. Nobody waits for the disk under that lock.
//!
//! The way of a transaction: its partitions are on disk here before a record of it is appended there
//! ([`Transactions::may_append`] is asked by whoever appends, at the very door of the partition); its end is on disk
//! here before a marker is written there ([`markers`]); all markers are on disk there before the end is noted as
//! complete here. So a start finds what was decided and finishes it ([`load`]), and what was not decided is as it was.

mod coordinator;
mod load;
mod log;
mod markers;
mod metadata;
mod records;

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, OnceLock, Weak},
    time::Duration,
};

use millstream_record::{ErrorChain, Timestamp};
use millstream_wire::error_code::ErrorCode;
use tokio::sync::oneshot;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info};

pub use self::{
    coordinator::{Answer, Caller, Identity, Settings},
    load::Load,
    markers::MarkerOutcome,
    metadata::{Generation, Metadata, Partitions, TransactionState, Verdict},
};
use self::{
    coordinator::{Coordinator, Decision, Now, Step},
    log::Written,
};
use crate::{
    clock::Clock,
    groups::Groups,
    health::Health,
    internal_topics::{TRANSACTIONS_TOPIC, partition_of},
    producer_ids::ProducerIds,
    topics::{CreateTopicError, Topics},
};

/// How long the answer to an EndTxn waits for the partitions to hear of it, so that the producer's next request finds
/// everything done. The end is on disk by then: a partition whose disk stalls delays the answer and changes nothing.
const WAIT_FOR_MARKERS: Duration = Duration::from_secs(1);

/// What transactions need of the broker.
pub struct Surroundings {
    /// For time-outs.
    pub clock: Clock,
    /// Where partitions are found.
    pub topics: Arc<Topics>,
    /// Hear of the ends of transactions that commit offsets.
    pub groups: Arc<Groups>,
    /// Producer ids that nobody has.
    pub producer_ids: Arc<ProducerIds>,
    /// Where work that waits for the disk is counted.
    pub tracker: TaskTracker,
    /// Hears of partitions that cannot be read.
    pub health: Arc<Health>,
    /// Cancelled when the broker stops.
    pub stopping: CancellationToken,
}

/// All transactions of the broker.
pub struct Transactions {
    state: Mutex<State>,
    around: Surroundings,
    /// Set once in `new`, for the tasks that wait for the disk.
    own: OnceLock<Weak<Self>>,
}

struct State {
    coordinator: Coordinator,
    /// Level of the feature `transaction.version`.
    level: i16,
    /// Partitions of the topic that could not be read, and whether they may be at another time.
    not_loaded: BTreeMap<i32, bool>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Its answer.
    Answered(Answer),
    /// It came on a connection that its producer has left, which is to be closed.
    Late,
}

impl Transactions {
    /// No transactions; see [`Transactions::load`]. `level` is that of the feature `transaction.version`.
    pub fn new(settings: Settings, level: i16, around: Surroundings) -> Arc<Self> {
        let coordinator = Coordinator::new(settings, Generation::from_level(level));
        let state = Mutex::new(State { coordinator, level, not_loaded: BTreeMap::new() });
        let transactions = Arc::new(Self { state, around, own: OnceLock::new() });
        let _ = transactions.own.set(Arc::downgrade(&transactions));
        transactions
    }

    /// After a panic half-way through a change nothing is certain about the state: no request is answered from it any
    /// more, and the broker's health says so.
    fn lock(&self) -> Result<MutexGuard<'_, State>, ErrorCode> {
        self.state.lock().map_err(|_| {
            let reason = "a fault in the program cut a change of the transactions short; restart the broker";
            self.around.health.report("transactions", reason);
            ErrorCode::COORDINATOR_NOT_AVAILABLE
        })
    }

    /// The state, for a request about one id. NOT_COORDINATOR, upon which every client asks again after a while, where
    /// the id's records could not be read.
    fn lock_for(&self, id: &str) -> Result<MutexGuard<'_, State>, ErrorCode> {
        let state = self.lock()?;
        if !state.not_loaded.is_empty()
            && let Some(topic) = self.around.topics.get(TRANSACTIONS_TOPIC)
            && state.not_loaded.contains_key(&partition_of(id, topic.partition_count()))
        {
            return Err(ErrorCode::NOT_COORDINATOR);
        }
        Ok(state)
    }

    fn now(&self) -> Now {
        Now { tick: self.around.clock.now(), wall_ms: Timestamp::now().as_millis() }
    }

    /// Makes the topic of transactions exist, as their first use does.
    ///
    /// # Errors
    ///
    /// The catalogue cannot be written.
    pub async fn ensure_topic(&self) -> Result<(), CreateTopicError> {
        self.around.topics.ensure_transactions_topic().await
    }

    /// Puts another level of the feature `transaction.version` into effect.
    ///
    /// # Errors
    ///
    /// COORDINATOR_NOT_AVAILABLE after a fault in the program.
    pub fn set_level(&self, level: i16) -> Result<(), ErrorCode> {
        let mut state = self.lock()?;
        state.level = level;
        state.coordinator.set_own_generation(Generation::from_level(level));
        Ok(())
    }

    /// InitProducerId of a transactional producer.
    pub async fn init(&self, caller: Caller<'_>, timeout_ms: i32, expected: Option<Identity>) -> Answer {
        if let Err(error) = self.ensure_topic().await {
            error!(error = %ErrorChain(&error), "cannot create the topic of transactions");
            return Err(ErrorCode::COORDINATOR_NOT_AVAILABLE);
        }
        let id = caller.id;
        let outcome = self
            .decide(caller.id, |coordinator, now, fresh| coordinator.init(now, caller, timeout_ms, expected, fresh))
            .await;
        match outcome {
            Outcome::Answered(Ok(identity)) => {
                let Identity { producer_id, epoch } = identity;
                info!(transactional_id = id, producer_id, epoch, "transactional producer initialised");
                Ok(identity)
            }
            Outcome::Answered(refused) => refused,
            // Whoever initialises is never late.
            Outcome::Late => Err(ErrorCode::CONCURRENT_TRANSACTIONS),
        }
    }

    /// Partitions are to take part in the producer's transaction: AddPartitionsToTxn, AddOffsetsToTxn, and in the
    /// second generation Produce and TxnOffsetCommit. Durable when answered.
    pub async fn add_partitions(
        &self,
        caller: Caller<'_>,
        producer: Identity,
        added: &Partitions,
        generation: Generation,
    ) -> Outcome {
        self.decide(caller.id, |coordinator, now, _| {
            coordinator.add_partitions(now, caller, producer, added, generation)
        })
        .await
    }

    /// EndTxn. The end is decided and durable when this is answered.
    pub async fn end(
        &self,
        caller: Caller<'_>,
        producer: Identity,
        verdict: Verdict,
        generation: Generation,
    ) -> Outcome {
        self.decide(caller.id, |coordinator, now, fresh| {
            coordinator.end(now, caller, producer, verdict, generation, fresh)
        })
        .await
    }

    /// Whether a batch of this producer may be appended to a partition at this moment. To be asked at the door of the
    /// partition: a marker that ends the transaction is handed over only after the answer has changed, and so comes
    /// behind every batch for which it was yes.
    ///
    /// # Errors
    ///
    /// As AddPartitionsToTxn with `verify_only`.
    pub fn may_append(&self, id: &str, producer: Identity, topic: &str, partition: i32) -> Result<(), ErrorCode> {
        self.lock_for(id)?.coordinator.check_append(id, producer, topic, partition)
    }

    /// What is known of an id; `None` where nothing is.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub fn describe(&self, id: &str) -> Result<Option<Metadata>, ErrorCode> {
        Ok(self.lock_for(id)?.coordinator.get(id).cloned())
    }

    /// All ids that `wanted` lets through, in order.
    ///
    /// # Errors
    ///
    /// Not all are known: COORDINATOR_LOAD_IN_PROGRESS where some could not be read.
    pub fn list<T>(&self, wanted: impl Fn(&str, &Metadata) -> Option<T>) -> Result<Vec<T>, ErrorCode> {
        let state = self.lock()?;
        if !state.not_loaded.is_empty() {
            return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        }
        Ok(state.coordinator.iter().filter_map(|(id, metadata)| wanted(id, metadata)).collect())
    }

    /// Asks the coordinator and carries out what it says, to the end even if this future is dropped.
    async fn decide(&self, id: &str, ask: impl Fn(&mut Coordinator, Now, Option<i64>) -> Decision) -> Outcome {
        let mut fresh = None;
        loop {
            let answered = {
                let mut state = match self.lock_for(id) {
                    Ok(state) => state,
                    Err(code) => return Outcome::Answered(Err(code)),
                };
                match ask(&mut state.coordinator, self.now(), fresh) {
                    Decision::Answer(answer) => return Outcome::Answered(answer),
                    Decision::Late => return Outcome::Late,
                    Decision::NeedsProducerId => None,
                    Decision::Store(step) => Some(self.carry_out(&state, step)),
                }
            };
            match answered {
                Some(answered) => return Outcome::Answered(answered.await),
                None => match self.around.producer_ids.next().await {
                    Ok(producer_id) => fresh = Some(producer_id),
                    Err(error) => {
                        error!(error = %ErrorChain(&error), "cannot hand out a producer id");
                        return Outcome::Answered(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE));
                    }
                },
            }
        }
    }

    /// Hands a step to the log, under the coordinator's lock, and sees to what follows it.
    fn carry_out(&self, state: &State, step: Step) -> impl Future<Output = Answer> + Send + use<> {
        let written = self.hand_over(state, &step);
        let own = self.own.get().and_then(Weak::upgrade);
        let followed = own.map(|own| {
            let tracker = own.around.tracker.clone();
            tracker.spawn(async move { own.follow(step, written).await })
        });
        async move {
            match followed {
                Some(followed) => followed.await.unwrap_or(Err(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
                None => Err(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            }
        }
    }

    async fn follow(self: Arc<Self>, step: Step, written: Result<Written, ErrorCode>) -> Answer {
        let durable = match written {
            Ok(written) => written.durable(&step.id).await,
            Err(code) => Err(code),
        };
        let after = self.lock()?.coordinator.stored(self.now(), &step.id, step.number, durable.is_ok());
        let after = after.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        if let Some(markers) = after.markers {
            let (tried, all_tried) = oneshot::channel();
            let own = Arc::clone(&self);
            self.around.tracker.spawn(async move { own.finish(markers, tried).await });
            // It goes on by itself if it takes longer, or has to be tried again.
            drop(tokio::time::timeout(WAIT_FOR_MARKERS, all_tried).await);
        }
        after.answer
    }

    /// Ends transactions that take too long and forgets ids that nobody uses, until cancelled.
    pub async fn run(&self, abort_interval: Duration, expiry_interval: Duration, stop: CancellationToken) {
        let (mut abort, mut expiry) = (tokio::time::interval(abort_interval), tokio::time::interval(expiry_interval));
        abort.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        expiry.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let time_out = tokio::select! {
                () = stop.cancelled() => return,
                _ = abort.tick() => true,
                _ = expiry.tick() => false,
            };
            let Ok(mut state) = self.lock() else { return };
            let now = self.now();
            let steps = if time_out { state.coordinator.time_out(now) } else { state.coordinator.expire(now) };
            for step in steps {
                let id = step.id.as_str();
                if time_out {
                    info!(transactional_id = id, "a transaction has taken too long and is aborted");
                } else {
                    info!(transactional_id = id, "an idle transactional id is forgotten");
                }
                // What failed is tried again at the next tick.
                drop(self.carry_out(&state, step));
            }
        }
    }
}
