//! A cluster: topics that sources fill, logs that sinks read, consumer groups with rebalances, and what goes wrong.
//!
//! Records are their ids. A sink's log is there from the start and becomes visible by and by; it has gaps, as a log
//! that was compacted has.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt as _, future::BoxFuture};
use millstream_client::{Ack, Delivery, ErrorCode, RecordRef, SendError, Sequence, TryAppendError};
use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure, TaskId, TopicOffset, TopicPartition};
use millstream_record::TopicName;
use millstream_runtime::kafka::{
    Clients, FetchedRecords, GroupOffsets, Polled, ProducerUse, Rebalance, RecordAppender, RecordConsumer,
    RecordProducer, RecordTransactions, SinkTopics, TopicAdmin,
};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    World, fakes,
    history::{Part, RunId, id_of},
    lockstep::{self, now},
    offsets::OFFSETS,
    plan::{Fate, Fault, Stage},
    transactions::Transaction,
    world::State,
};

/// Time after which the group gives up a member that went without a word.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between the heartbeats of a member.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Offset of a record in its log, by its number.
pub fn offset_of(number: i64) -> i64 {
    number + number / 5
}

/// Key of the header that says the id of its record, or of the row that the record comes from.
pub const HEADER: &str = "id";

/// How topics that sinks read begin.
pub const INPUT: &str = "in-";

/// The topic that a sink reads.
pub fn input_of(connector: &str) -> String {
    format!("{INPUT}{connector}")
}

/// Topics and groups.
#[derive(Default)]
pub struct Cluster {
    /// What sources wrote, by topic and partition.
    pub written: BTreeMap<String, BTreeMap<i32, Vec<String>>>,
    /// Topics that a producer knows.
    known: BTreeSet<(RunId, Part, TopicName)>,
    /// Record for which a producer asked for a topic last.
    asked_for: BTreeMap<RunId, String>,
    groups: BTreeMap<String, Group>,
    members: u64,
    /// How often a name of transactions was taken or fenced.
    epochs: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Group {
    members: BTreeMap<u64, Member>,
    committed: BTreeMap<TopicPartition, i64>,
    /// Turns the assignment.
    shift: u64,
}

struct Member {
    joined: bool,
    /// Partitions with the offset to be read next.
    owned: BTreeMap<TopicPartition, i64>,
    /// Partitions that are given up with the next poll.
    releasing: BTreeSet<TopicPartition>,
    paused: BTreeSet<TopicPartition>,
    revoke_all: bool,
    /// What it had when the group gave it up, and it does not know yet.
    lost: Option<Vec<TopicPartition>>,
    /// It went without a word.
    dead_at: Option<Instant>,
    /// When it said last that it is there; of one that need not say so `None`.
    beat_at: Option<Instant>,
}

impl Cluster {
    /// The committed offset of a sink's partition.
    pub fn committed(&self, connector: &str, partition: i32) -> i64 {
        let partition = TopicPartition { topic: input_of(connector), partition };
        self.groups.get(connector).and_then(|group| group.committed.get(&partition)).copied().unwrap_or(0)
    }

    fn group(&mut self, connector: &str) -> &mut Group {
        self.groups.entry(connector.to_owned()).or_default()
    }

    /// How often a name of transactions was taken or fenced.
    pub(crate) fn epoch(&self, id: &str) -> u64 {
        self.epochs.get(id).copied().unwrap_or(0)
    }

    /// Takes a name of transactions; whoever has had it before is fenced off.
    pub(crate) fn next_epoch(&mut self, id: &str) -> u64 {
        let epoch = self.epochs.entry(id.to_owned()).or_default();
        *epoch += 1;
        *epoch
    }

    pub(crate) fn write(&mut self, topic: &TopicName, partition: i32, record: &str) -> i64 {
        let log = self.written.entry(topic.as_str().to_owned()).or_default().entry(partition).or_default();
        log.push(record.to_owned());
        log.len() as i64 - 1
    }
}

impl Member {
    /// The group gives it up, which it learns with its next poll.
    fn expire(&mut self) {
        let owned = std::mem::take(&mut self.owned).into_keys();
        self.lost.get_or_insert_default().extend(owned);
        self.releasing.clear();
        self.joined &= self.beat_at.is_none_or(|at| now() <= at + SESSION_TIMEOUT);
    }
}

impl Group {
    /// Who is to have a partition.
    fn owner(&self, number: usize) -> Option<u64> {
        let there: Vec<u64> = self.members.iter().filter(|(_, member)| member.joined).map(|(id, _)| *id).collect();
        (!there.is_empty()).then(|| there[(number + self.shift as usize) % there.len()])
    }

    fn is_free(&self, partition: &TopicPartition) -> bool {
        self.members.values().all(|member| !member.owned.contains_key(partition))
    }
}

fn refused(text: String) -> Failure {
    Failure::new(ErrorKind::Fatal, "", text)
}

#[async_trait]
impl Clients for World {
    async fn producer(
        &self,
        task: &TaskId,
        wanted: ProducerUse,
        _: &ConfigMap,
    ) -> Result<Box<dyn RecordProducer>, Failure> {
        self.connected().await;
        self.lag(20).await;
        if let Some(text) = self.fault(&task.connector, Fault::ProducerMakeFails) {
            return Err(refused(text));
        }
        let part = if wanted == ProducerUse::Records { Part::Records } else { Part::Letters };
        let run = self.state().history.made(task, part);
        let world = self.clone();
        let (task, pending) = (task.clone(), VecDeque::new());
        Ok(Box::new(Producer { world, task, run, part, next: 0, pending, transaction: None }))
    }

    async fn transactional_producer(
        &self,
        task: &TaskId,
        transactional_id: &str,
        _: &ConfigMap,
    ) -> Result<Box<dyn RecordProducer>, Failure> {
        self.connected().await;
        self.lag(20).await;
        if let Some(text) = self.fault(&task.connector, Fault::ProducerMakeFails) {
            return Err(refused(text));
        }
        let run = self.state().history.made(task, Part::Records);
        let (world, task, pending) = (self.clone(), task.clone(), VecDeque::new());
        let transaction = Some(Transaction::of(transactional_id));
        Ok(Box::new(Producer { world, task, run, part: Part::Records, next: 0, pending, transaction }))
    }

    async fn fence(&self, connector: &str, transactional_ids: &[String], _: &ConfigMap) -> Result<(), Failure> {
        self.lag(50).await;
        if self.fault(connector, Fault::FenceSlow).is_some() {
            self.sleep(100_000).await;
        }
        if let Some(text) = self.fault(connector, Fault::FenceFails) {
            return Err(Failure::new(ErrorKind::Retriable, "", text));
        }
        self.connected().await;
        let mut state = self.state();
        for id in transactional_ids {
            state.take_name(id);
        }
        Ok(())
    }

    async fn consumer(&self, task: &TaskId, _: &SinkTopics, _: &ConfigMap) -> Result<Box<dyn RecordConsumer>, Failure> {
        self.connected().await;
        self.lag(20).await;
        if let Some(text) = self.fault(&task.connector, Fault::ConsumerMakeFails) {
            return Err(refused(text));
        }
        let mut state = self.state();
        let run = state.history.made(task, Part::Consumer);
        state.cluster.members += 1;
        let id = state.cluster.members;
        let member = Member {
            joined: false,
            owned: BTreeMap::new(),
            releasing: BTreeSet::new(),
            paused: BTreeSet::new(),
            revoke_all: false,
            lost: None,
            dead_at: None,
            beat_at: state.plan.group.is_some().then(now),
        };
        let beats = member.beat_at.is_some();
        state.cluster.group(&task.connector).members.insert(id, member);
        drop(state);
        let (world, task, connector) = (self.clone(), task.clone(), task.connector.clone());
        let beating = beats.then(|| tokio::spawn(beat(self.clone(), connector.clone(), id)));
        Ok(Box::new(Consumer { world, task, connector, id, run, closed: false, beating }))
    }

    fn group_offsets(&self, _: &str, _: &ConfigMap) -> Result<Box<dyn GroupOffsets>, Failure> {
        Err(Failure::new(ErrorKind::Fatal, "", "offsets are not changed from outside here"))
    }

    fn topics(&self, _: &TaskId, _: &ConfigMap) -> Result<Box<dyn TopicAdmin>, Failure> {
        Err(Failure::new(ErrorKind::Fatal, "", "no connector here has rules for topics"))
    }

    async fn create_topic(&self, _: &TaskId, _: &TopicName, _: i16, _: &ConfigMap) -> Result<(), Failure> {
        self.lag(20).await;
        Ok(())
    }
}

/// Shows, as long as the brokers can be reached, that a member is there.
async fn beat(world: World, connector: String, id: u64) {
    loop {
        if !world.is_cut_off()
            && let Some(member) = world.state().cluster.group(&connector).members.get_mut(&id)
        {
            member.beat_at = Some(now());
        }
        tokio::time::sleep(HEARTBEAT).await;
    }
}

struct Consumer {
    world: World,
    task: TaskId,
    connector: String,
    id: u64,
    run: RunId,
    closed: bool,
    /// Its heartbeats, if it needs them.
    beating: Option<JoinHandle<()>>,
}

impl Consumer {
    fn with<T>(&self, look: impl FnOnce(&mut Member) -> T) -> Option<T> {
        self.world.state().cluster.group(&self.connector).members.get_mut(&self.id).map(look)
    }

    /// Gives partitions up, for others to have.
    fn release(&self, state: &mut State, partitions: &[TopicPartition]) {
        if let Some(member) = state.cluster.group(&self.connector).members.get_mut(&self.id) {
            for partition in partitions {
                member.owned.remove(partition);
                member.releasing.remove(partition);
                member.paused.remove(partition);
            }
        }
        partitions.iter().for_each(|partition| state.history.released(self.run, partition));
    }

    /// What was taken of partitions that are given up in good order is committed.
    fn gives_up(&self, state: &mut State, partitions: &[TopicPartition]) {
        for partition in partitions {
            let committed = state.cluster.committed(&self.connector, partition.partition);
            state.history.given_up(self.run, partition, committed);
        }
    }

    /// What a poll returns now.
    fn look(&self) -> Option<Polled> {
        if self.world.is_cut_off() {
            return None;
        }
        let mut state = self.world.state();
        let plan = Arc::clone(&state.plan);
        let connector = plan.connector(&self.connector);
        self.bury(&mut state);
        let mut events = Vec::new();
        let group = state.cluster.group(&self.connector);
        let member = group.members.get_mut(&self.id)?;
        // Whoever polls joins again, if need be.
        member.beat_at = member.beat_at.map(|_| now());
        let fresh = !std::mem::replace(&mut member.joined, true);
        if let Some(lost) = member.lost.take() {
            self.release(&mut state, &lost);
            events.push(Rebalance::Lost(lost));
            return Some(Polled { events, fetched: Vec::new() });
        }
        let releasing: Vec<TopicPartition> = member.releasing.iter().cloned().collect();
        self.gives_up(&mut state, &releasing);
        self.release(&mut state, &releasing);
        if fresh || !releasing.is_empty() {
            self.world.changed();
        }
        let group = state.cluster.group(&self.connector);
        let target: BTreeSet<TopicPartition> = (0..connector.partitions)
            .filter(|number| group.owner(*number as usize) == Some(self.id))
            .map(|partition| TopicPartition { topic: input_of(&self.connector), partition })
            .collect();
        let member = group.members.get_mut(&self.id)?;
        let all = std::mem::take(&mut member.revoke_all);
        let revoked: Vec<TopicPartition> =
            member.owned.keys().filter(|partition| all || !target.contains(*partition)).cloned().collect();
        if !revoked.is_empty() {
            member.releasing.extend(revoked.iter().cloned());
            events.push(Rebalance::Revoked(revoked));
        }
        let gained: Vec<TopicPartition> = target.iter().filter(|partition| group.is_free(partition)).cloned().collect();
        if fresh || !gained.is_empty() {
            for partition in &gained {
                let base = state.cluster.committed(&self.connector, partition.partition);
                state.history.assigned(self.run, partition, base);
                let group = state.cluster.group(&self.connector);
                group.members.get_mut(&self.id)?.owned.insert(partition.clone(), base);
            }
            events.push(Rebalance::Assigned(gained.clone()));
        }
        let fetched = self.fetch(&mut state, &gained);
        (!events.is_empty() || !fetched.is_empty()).then_some(Polled { events, fetched })
    }

    /// Forgets members that went without a word.
    fn bury(&self, state: &mut State) {
        let group = state.cluster.group(&self.connector);
        group.members.retain(|_, member| member.dead_at.is_none_or(|at| now() < at));
        let silent = |member: &&mut Member| member.beat_at.is_some_and(|at| at + SESSION_TIMEOUT < now());
        for member in group.members.values_mut().filter(silent) {
            member.expire();
        }
    }

    fn fetch(&self, state: &mut State, but: &[TopicPartition]) -> Vec<FetchedRecords> {
        let is_paused = state.is_paused(&self.task);
        let State { plan, rng, cluster, history, .. } = state;
        let records = plan.connector(&self.connector).records;
        let visible = if state.calm { records } else { records.min(2 + (now() - state.begun).as_secs() as i64) };
        let Some(member) = cluster.group(&self.connector).members.get_mut(&self.id) else { return Vec::new() };
        let mut fetched = Vec::new();
        for (partition, position) in &mut member.owned {
            let skip = member.paused.contains(partition) || member.releasing.contains(partition);
            if skip || but.contains(partition) || rng.chance(200) {
                continue;
            }
            if is_paused {
                history.violated(format!("{partition:?} is consumed by a task that says it is PAUSED"));
            }
            let most = 1 + rng.below(6) as usize;
            let offsets: Vec<i64> =
                (0..visible).map(offset_of).filter(|offset| *position <= *offset).take(most).collect();
            if let Some(last) = offsets.last() {
                *position = last + 1;
                let record = |&offset: &i64| {
                    let value = id_of(partition, offset);
                    fakes::Fetched { offset, header: Some((HEADER, value.clone())), value }
                };
                let records = offsets.iter().map(record);
                fetched.push(fakes::fetched(partition, records));
            }
        }
        fetched
    }
}

#[async_trait]
impl RecordConsumer for Consumer {
    async fn poll(&mut self, timeout: Duration) -> Result<Polled, Failure> {
        let deadline = now() + timeout;
        if let Some(text) = self.world.fault(&self.connector, Fault::ConsumeFails) {
            return Err(refused(text));
        }
        if self.world.fault(&self.connector, Fault::Rebalance).is_some() {
            let mut state = self.world.state();
            let eager = state.plan.eager;
            let group = state.cluster.group(&self.connector);
            group.shift += 1;
            group.members.values_mut().for_each(|member| member.revoke_all |= eager);
            self.world.changed();
        }
        if self.world.fault(&self.connector, Fault::MemberExpires).is_some() {
            // Whoever it is notices with its next poll.
            let mut state = self.world.state();
            let State { rng, cluster, .. } = &mut *state;
            let members = &mut cluster.group(&self.connector).members;
            let chosen = rng.below(members.len() as u64) as usize;
            if let Some(member) = members.values_mut().nth(chosen) {
                member.expire();
            }
            drop(state);
            self.world.changed();
        }
        loop {
            let news = self.world.news();
            let changed = news.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(polled) = self.look() {
                return Ok(polled);
            }
            let now = now();
            if deadline <= now {
                return Ok(Polled::default());
            }
            // Records become visible without a word.
            let _ = lockstep::timeout_at(deadline.min(now + Duration::from_millis(300)), changed).await;
        }
    }

    async fn position(&mut self, partition: &TopicPartition) -> Result<i64, Failure> {
        self.world.connected().await;
        self.world.lag(20).await;
        if self.world.fault(&self.connector, Fault::PositionSlow).is_some() {
            self.world.sleep(30_000).await;
        }
        if let Some(text) = self.world.fault(&self.connector, Fault::PositionFails) {
            return Err(refused(text));
        }
        let position = self.with(|member| member.owned.get(partition).copied()).flatten();
        let lost = || refused(self.world.explains(&self.connector, "not a member of the group".to_owned()));
        position.ok_or_else(lost)
    }

    async fn commit(&mut self, offsets: &[TopicOffset]) -> Result<(), Failure> {
        self.world.lag(50).await;
        if let Some(text) = self.world.fault(&self.connector, Fault::GroupCommitFails) {
            self.world.state().history.missed_commit(self.run);
            return Err(refused(text));
        }
        if self.world.fault(&self.connector, Fault::GroupCommitSlow).is_some() {
            self.world.state().history.missed_commit(self.run);
            self.world.sleep(10_000).await;
        }
        self.world.connected().await;
        {
            let mut state = self.world.state();
            for to in offsets {
                let partition = TopicPartition { topic: to.topic.clone(), partition: to.partition };
                let member = state.cluster.group(&self.connector).members.get(&self.id);
                let Some(read_to) = member.and_then(|member| member.owned.get(&partition)).copied() else {
                    state.history.missed_commit(self.run);
                    return Err(refused("not a member of the group".to_owned()));
                };
                state.history.committed(self.run, &partition, to.offset, read_to);
                state.cluster.group(&self.connector).committed.insert(partition, to.offset);
            }
        }
        self.world.lag(50).await;
        if let Some(text) = self.world.fault(&self.connector, Fault::GroupCommitAnswerLost) {
            self.world.sleep(10_000).await;
            return Err(refused(text));
        }
        Ok(())
    }

    fn seek(&mut self, to: &TopicOffset) {
        let partition = TopicPartition { topic: to.topic.clone(), partition: to.partition };
        let owned = self.with(|member| match member.owned.get_mut(&partition) {
            Some(position) => {
                *position = to.offset;
                true
            }
            None => false,
        });
        if owned == Some(true) {
            self.world.state().history.sought(self.run, &partition, to.offset);
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.with(|member| member.paused.extend(partitions.iter().filter(|p| member.owned.contains_key(p)).cloned()));
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.with(|member| member.paused.retain(|partition| !partitions.contains(partition)));
    }

    async fn close(mut self: Box<Self>) {
        self.world.lag(50).await;
        self.closed = true;
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if let Some(beating) = &self.beating {
            beating.abort();
        }
        let mut state = self.world.state();
        let group = state.cluster.group(&self.connector);
        if let Some(member) = group.members.get_mut(&self.id) {
            let owned: Vec<TopicPartition> = member.owned.keys().cloned().collect();
            let closed = self.closed && member.lost.is_none();
            if self.closed {
                group.members.remove(&self.id);
            } else {
                member.dead_at = Some(now() + SESSION_TIMEOUT);
            }
            if closed {
                self.gives_up(&mut state, &owned);
            }
            owned.iter().for_each(|partition| state.history.released(self.run, partition));
        }
        state.history.gone(self.run, Part::Consumer);
        drop(state);
        self.world.changed();
    }
}

/// A producer of a task.
pub(crate) struct Producer {
    pub(crate) world: World,
    pub(crate) task: TaskId,
    run: RunId,
    part: Part,
    next: Sequence,
    /// Records whose ends have not been taken, in order.
    pending: VecDeque<Pending>,
    /// Of one that writes transactions.
    pub(crate) transaction: Option<Transaction>,
}

struct Pending {
    sequence: Sequence,
    topic: TopicName,
    partition: i32,
    record: String,
    /// Whether it is a dead letter.
    letter: bool,
    /// When its end is known.
    due: Instant,
    /// Whether it gets into the log, and what is said about it.
    written: bool,
    refusal: Option<(bool, String)>,
    /// Whether its transaction has it already.
    settled: bool,
}

impl Producer {
    /// A record of a source is `connector/partition/number`, one of a sink `topic/partition/offset`.
    fn place(record: &str) -> (i32, i64) {
        let mut parts = record.split('#').next().unwrap_or(record).rsplit('/');
        let number = parts.next().and_then(|text| text.parse().ok()).unwrap_or(-1);
        (parts.next().and_then(|text| text.parse().ok()).unwrap_or(-1), number)
    }

    fn letter(&self, record: &str) -> (TopicPartition, i64) {
        let (partition, offset) = Self::place(record);
        (TopicPartition { topic: input_of(&self.task.connector), partition }, offset)
    }

    /// Offsets and records that are due count as written, whether their acknowledgements have been taken or not.
    pub(crate) fn settle_due(&mut self, now: Instant) {
        let Some(transaction) = &mut self.transaction else { return };
        for pending in self.pending.iter_mut().filter(|pending| pending.due <= now && !pending.settled) {
            pending.settled = true;
            if pending.written {
                transaction.take(&pending.topic, pending.partition, &pending.record);
            } else {
                transaction.lost = true;
            }
        }
    }

    /// What is still on its way belongs to no transaction any more.
    pub(crate) fn give_up_pending(&mut self) {
        self.pending.iter_mut().for_each(|pending| pending.settled = true);
    }

    fn first_due(&self) -> Option<Instant> {
        self.pending.iter().map(|pending| pending.due).min()
    }

    /// Takes what is due first.
    fn take(&mut self, now: Instant) -> Option<Ack> {
        if self.world.is_cut_off() {
            return None;
        }
        let at = self.pending.iter().position(|pending| pending.due <= now)?;
        let mut taken = vec![self.pending.remove(at)?];
        while let Some(next) = self.pending.get(at)
            && let Some(last) = taken.last()
            && next.due <= now
            && next.sequence == last.sequence + 1
            && (&next.topic, next.partition) == (&last.topic, last.partition)
            && next.refusal.is_none()
            && last.refusal.is_none()
            && self.world.state().rng.chance(700)
        {
            taken.extend(self.pending.remove(at));
        }
        let mut state = self.world.state();
        let mut base_offset = -1;
        for pending in &taken {
            let Pending { topic, partition, record, letter, written, refusal, settled, .. } = pending;
            let is_offset = topic.as_str() == OFFSETS;
            match &mut self.transaction {
                Some(_) if *settled => {}
                Some(transaction) if *written => transaction.take(topic, *partition, record),
                Some(transaction) => transaction.lost = true,
                None if *written => {
                    let offset = state.cluster.write(topic, *partition, record);
                    base_offset = if base_offset == -1 { offset } else { base_offset };
                }
                None => {}
            }
            if is_offset {
                continue;
            }
            if self.part == Part::Records && *letter {
                if refusal.is_none() {
                    state.history.source_letter_written(self.run, record);
                }
            } else if self.part == Part::Records {
                state.history.acknowledged(self.run, record, refusal.is_none());
            } else {
                let (partition, offset) = self.letter(record);
                match refusal {
                    None => state.history.letter_written(self.run, &partition, offset),
                    Some(_) => state.history.letter_refused(self.run, &partition, offset),
                }
            }
        }
        let (first, last) = (taken.first()?, taken.last()?);
        let (topic, partition) = (first.topic.clone(), first.partition);
        let result = match &first.refusal {
            None => Ok(Delivery { partition, base_offset }),
            Some((expired, text)) => {
                let (detail, source) = (Some(text.clone()), ErrorCode::INVALID_PRODUCER_EPOCH);
                let refused = SendError::Refused { topic: topic.clone(), partition, detail, source };
                Err(match expired {
                    false => refused,
                    true => SendError::Expired {
                        topic: topic.clone(),
                        partition,
                        records: 1,
                        waited: Duration::from_secs(30),
                        source: Some(Box::new(refused)),
                    },
                })
            }
        };
        Some(Ack { first: first.sequence, last: last.sequence, topic, partition, result })
    }

    /// An offset is written at once, if it is not lost.
    fn append_offset(&mut self, topic: &TopicName, key: &[u8], value: String) -> Result<Sequence, TryAppendError> {
        if self.world.state().plan.buffer <= self.pending.len() {
            return Err(TryAppendError::Full);
        }
        let record = format!("{} = {value}", String::from_utf8_lossy(key));
        let (due, written, refusal) = self.end(topic, 0);
        self.next += 1;
        let (sequence, topic) = (self.next, topic.clone());
        self.pending.push_back(Pending {
            sequence,
            topic,
            partition: 0,
            record,
            due,
            written,
            refusal,
            letter: false,
            settled: false,
        });
        Ok(sequence)
    }

    /// When and how a record that was just appended ends.
    fn end(&self, topic: &TopicName, partition: i32) -> (Instant, bool, Option<(bool, String)>) {
        let connector = &self.task.connector;
        let (refuse, expire, slow) = match is_letter_topic(topic) {
            false => (Fault::AckRefused, Fault::AckExpired, Fault::AckDelayed),
            true => (Fault::LetterRefused, Fault::LetterRefused, Fault::LetterDelayed),
        };
        let (mut delay, mut written, mut refusal) = (self.world.state().rng.pick(&[0, 0, 5, 30]), true, None);
        if self.world.fault(connector, slow).is_some() {
            delay = 1 + self.world.state().rng.below(20_000);
        }
        if let Some(text) = self.world.fault(connector, refuse) {
            (written, refusal) = (false, Some((false, text)));
        } else if let Some(text) = self.world.fault(connector, expire) {
            (delay, written, refusal) = (30_000, self.world.state().rng.chance(500), Some((true, text)));
        }
        let same = |pending: &&Pending| (&pending.topic, pending.partition) == (topic, partition);
        let before = self.pending.iter().rev().find(same).map(|pending| pending.due);
        let due = now() + Duration::from_millis(delay);
        (before.map_or(due, |before| due.max(before)), written, refusal)
    }
}

impl RecordAppender for Producer {
    fn append(&mut self, topic: &TopicName, _: Option<i32>, record: RecordRef<'_>) -> Result<Sequence, TryAppendError> {
        let value = record.value.map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
        if topic.as_str() == OFFSETS {
            return self.append_offset(topic, record.key.unwrap_or_default(), value);
        }
        if let Some(transaction) = &self.transaction
            && !transaction.open
        {
            self.world.state().history.violated(format!("{value} was appended outside of a transaction"));
        }
        let known = (self.run, self.part, topic.clone());
        {
            let mut state = self.world.state();
            if !state.cluster.known.contains(&known) {
                if !is_letter_topic(topic) {
                    state.cluster.asked_for.insert(self.run, value);
                }
                return Err(TryAppendError::UnknownTopic);
            }
            if state.plan.buffer <= self.pending.len() {
                return Err(TryAppendError::Full);
            }
        }
        let letter = is_letter_topic(topic);
        if !letter {
            let connector = self.task.connector.clone();
            if let Some(bad) = self.world.fails(&connector, &value, Stage::Append) {
                // The only part of this error that is free to choose.
                let size = bad.number as usize;
                self.world.explains(&connector, format!("the record is {size} bytes"));
                let error = SendError::RecordTooLarge { size, limit: 0, setting: "max.request.size" };
                return Err(TryAppendError::Failed(error));
            }
        }
        let (partition, number) = Self::place(&value);
        let (due, written, refusal) = self.end(topic, partition);
        let mut state = self.world.state();
        let mut of = value.clone();
        if self.part == Part::Records && letter {
            of = state.history.source_lettered(self.run, &value);
        } else if self.part == Part::Records {
            let row = value.split('#').next().unwrap_or(&value).as_bytes();
            let has_header = record.headers.windows(row.len()).any(|part| part == row);
            let right = topic.as_str() == output_of(&self.task.connector, number) && has_header;
            state.history.appended(self.run, &value, right);
        } else {
            let (partition, offset) = self.letter(&value);
            state.history.lettered(self.run, &partition, offset);
        }
        drop(state);
        self.next += 1;
        let (sequence, topic) = (self.next, topic.clone());
        let settled = false;
        self.pending.push_back(Pending {
            sequence,
            topic,
            partition,
            record: of,
            letter,
            due,
            written,
            refusal,
            settled,
        });
        Ok(sequence)
    }
}

/// The topic of a connector's dead letters.
pub fn letters_of(connector: &str) -> String {
    format!("letters-{connector}")
}

fn is_letter_topic(topic: &TopicName) -> bool {
    topic.as_str().starts_with("letters-")
}

/// The topic that a record of a source goes to.
pub fn output_of(connector: &str, number: i64) -> String {
    format!("out-{connector}-{}", number % 2)
}

#[async_trait]
impl RecordProducer for Producer {
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn RecordAppender)) {
        work(self);
    }

    fn learn(&mut self, topic: &TopicName) -> BoxFuture<'static, Result<(), SendError>> {
        let (world, task, run, part, topic) =
            (self.world.clone(), self.task.clone(), self.run, self.part, topic.clone());
        async move {
            world.connected().await;
            world.lag(100).await;
            if world.fault(&task.connector, Fault::LearnSlow).is_some() {
                world.sleep(20_000).await;
            }
            if let Some(number) = world.numbered_fault(&task.connector, Fault::LearnFails) {
                tokio::time::sleep(Duration::from_secs(60)).await;
                let waited = Duration::from_millis(60_000 + number);
                world.explains(&task.connector, format!("after {} ms", waited.as_millis()));
                let mut state = world.state();
                if !is_letter_topic(&topic)
                    && let Some(record) = state.cluster.asked_for.get(&run).cloned()
                {
                    state.history.failed(&task.connector, &record, Stage::Append, false);
                }
                return Err(SendError::NoMetadata { topic, waited, source: None });
            }
            world.state().cluster.known.insert((run, part, topic));
            Ok(())
        }
        .boxed()
    }

    async fn ready(&mut self) {
        if let Some(due) = self.first_due()
            && self.world.state().plan.buffer <= self.pending.len()
        {
            lockstep::sleep_until(due).await;
            self.world.connected().await;
        }
    }

    fn try_ack(&mut self) -> Option<Ack> {
        self.take(now())
    }

    async fn next_ack(&mut self) -> Ack {
        loop {
            match self.first_due() {
                None => return std::future::pending().await,
                Some(due) => lockstep::sleep_until(due).await,
            }
            self.world.connected().await;
            if let Some(ack) = self.try_ack() {
                return ack;
            }
        }
    }

    fn outstanding(&self) -> u64 {
        self.pending.len() as u64
    }

    async fn flush(&mut self) {
        if let Some(due) = self.pending.iter().map(|pending| pending.due).max() {
            lockstep::sleep_until(due).await;
            // Nobody answers before.
            self.world.connected().await;
        }
    }

    async fn close(mut self: Box<Self>, _: Duration) -> Vec<Ack> {
        std::iter::from_fn(|| self.try_ack()).collect()
    }

    fn transactions(&mut self) -> Option<&mut dyn RecordTransactions> {
        if self.transaction.is_some() { Some(self) } else { None }
    }
}

impl Drop for Producer {
    /// What is under way may still reach the log, but not without its transaction.
    fn drop(&mut self) {
        let mut state = self.world.state();
        if self.transaction.is_some() {
            self.pending.clear();
        }
        let now = now();
        // In which order the tasks of a killed process are dropped, nobody knows.
        let mut own = state.plan.dice_of(self.run, self.task.connector.as_bytes());
        let in_group = state.plan.group.is_some();
        for Pending { topic, partition, record, due, written, .. } in self.pending.drain(..) {
            if written && (due <= now || if in_group { own.chance(500) } else { state.rng.chance(500) }) {
                state.cluster.write(&topic, partition, &record);
            }
        }
        state.history.gone(self.run, self.part);
    }
}

/// A record that fails.
pub struct Bad {
    /// Number of the failure.
    pub number: u64,
    /// What is said about it.
    pub failure: Failure,
}

impl World {
    /// Whether a record fails at a stage this time.
    pub fn fails(&self, connector: &str, record: &str, stage: Stage) -> Option<Bad> {
        let mut state = self.state();
        let row = record.split('#').next().unwrap_or(record);
        let Fate::Fail(at, times, retriable) = state.plan.fate(row) else { return None };
        if at != stage {
            return None;
        }
        let attempts = state.attempts.entry((connector.to_owned(), record.to_owned())).or_default();
        *attempts += 1;
        // A mended world has no bad records, but what is skipped for good stays so.
        if times < *attempts || state.calm && !state.plan.connector(connector).tolerant {
            state.history.came_through(connector, record, stage);
            return None;
        }
        let retriable = retriable && stage != Stage::Append;
        // Over whom a sink fails at last is for the batch to show.
        if stage != Stage::Put {
            state.history.failed(connector, record, stage, retriable);
        }
        state.faults += 1;
        let number = state.faults;
        let text = state.history.explains(connector, format!("«{record} fails at {stage:?}, {number}»"));
        let kind = if retriable { ErrorKind::Retriable } else { ErrorKind::Data };
        Some(Bad { number, failure: Failure::new(kind, "", text) })
    }
}
