//! A world that does as a test tells it, step by step: a cluster, plugins and converters, and a worker on top of them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt as _, future::BoxFuture};
use millstream_client::{Ack, Delivery, ErrorCode, RecordRef, SendError, Sequence, TryAppendError};
use millstream_config::{ConfigDef, ConfigMap, PluginKind as DefKind, Wanted};
use millstream_connector::{
    AcknowledgedRow, AlteredOffsets, Connector, ConnectorContext, Converter, ConverterRole, ErrorKind, Failure,
    FindPluginError, HeaderBatchConverter, Link, LinkedTransforms, Outcome, PluginError, PluginInfo, PluginKind,
    Plugins, PollLimits, Rest, RowError, SinkContext, SinkTask, SourceContext, SourceTask, Support, TaskId,
    TopicOffset, TopicPartition,
};
use millstream_metrics::{Metrics, Reading, Value as Counted};
use millstream_record::{
    TopicName,
    batch::{Batch, Column, Kind, Role, Table, Union},
};
use millstream_runtime::{
    ExactlyOnceSource, Natives,
    config_log::{ConfigLog, MemoryLog},
    herder::{Health, Herder, HerderHandle, InstanceStatus, TargetState},
    kafka::{
        Clients, GroupOffsets, MadeTopic, Polled, ProducerUse, Rebalance, RecordAppender, RecordConsumer,
        RecordProducer, SinkTopics, TopicAdmin, WantedTopic,
    },
    membership::Solo,
    offsets::{OffsetStore, OffsetStoreError},
    status::MemoryStatusStore,
};

use crate::fakes::{
    Fakes, Fetched, HEADER_CONVERTER, class, fetched, info,
    text::{Text, TextFaults},
    texts_of,
};

/// Class of a sink.
pub const SINK: &str = "test.Sink";
/// Class of a source.
pub const SOURCE: &str = "test.Source";
/// Class of a transform.
const TRANSFORM: &str = "test.Chain";
/// Class of the converter.
const CONVERTER: &str = "test.Text";
/// Class of the converter that the letters of sources are written with: another one of texts, which refuses none.
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// What the cluster does with records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Produce {
    /// Takes and acknowledges them.
    #[default]
    Acknowledge,
    /// Takes them and says nothing.
    Stall,
    /// Takes them and refuses them.
    Refuse,
    /// Refuses those whose headers have more bytes.
    LargeHeaders(usize),
    /// Refuses those whose value and headers have more bytes.
    LargeRecords(usize),
}

/// What the cluster does with a topic that is missing and is to be made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Create {
    /// Makes it.
    #[default]
    Make,
    /// Has got it from somebody else meanwhile.
    Exists,
    /// Does not allow it.
    Refuse,
}

/// Everything that tests turn and look at.
#[derive(Default)]
pub struct State {
    /// What becomes of records that are produced.
    pub produce: Produce,
    /// Topics whose records the cluster refuses, and why.
    pub refuses: BTreeMap<String, ErrorCode>,
    /// Topics of whose records it says nothing.
    pub stalls: BTreeSet<String>,
    /// Topics that do not exist, however often they are asked for.
    pub missing: BTreeSet<String>,
    /// How often the cluster does not say in time whether a topic exists.
    pub silent: u32,
    /// What becomes of a missing topic that a task wants to make.
    pub create: Create,
    /// Topics that tasks have made.
    pub made: Vec<WantedTopic>,
    /// Written records, by topic: value and headers.
    pub written: BTreeMap<String, Vec<(String, Vec<u8>)>>,
    /// What the next polls of a sink's consumer return.
    pub polls: VecDeque<Polled>,
    /// Offsets committed by sinks.
    pub committed: Vec<i64>,
    /// Whether a sink's partition is paused.
    pub paused: bool,
    /// Lines that a source returns in its next poll: topic and line.
    pub lines: Vec<(String, String)>,
    /// Whether a source has a line for topic `t` at each poll, for ever.
    pub endless: bool,
    /// How often a source of those was polled.
    pub endless_polls: u64,
    /// How long a source says that there will be nothing, whenever it has no lines.
    pub rest: Option<Duration>,
    /// Source offsets that were stored.
    pub stored: BTreeMap<String, String>,
    /// Whether source offsets cannot be stored.
    pub store_fails: bool,
    /// Whether tasks want to begin anew.
    pub wants_renewal: bool,
    /// What was committed, or stored, whenever one did.
    pub renewed: Vec<String>,
    /// Values that a sink was given.
    pub put: Vec<String>,
    /// Partitions that a sink was told to close.
    pub closed: Vec<TopicPartition>,
    /// Tasks that a connector makes beyond as many as it may.
    pub more_tasks: u32,
    /// What the connector that was made last may ask of the worker.
    pub connector: Option<Arc<dyn ConnectorContext>>,
    /// What a sink's plugin may ask of the worker.
    pub sink: Option<Arc<dyn SinkContext>>,
    /// Offsets that a sink went to.
    pub sought: Vec<i64>,
    /// Offsets that a sink has in its target: it goes there when it is opened, and has nothing committed.
    pub own_offsets: Option<Vec<TopicOffset>>,
    /// Why a sink wants every batch again.
    pub redeliver: Option<String>,
    /// A sink fails over every batch with such a value, and says whether it wants it again.
    pub poison: BTreeMap<String, ErrorKind>,
    /// Batches that a sink was given, with those that it did not take.
    pub given: Vec<Vec<String>>,
    /// How long a sink takes for a batch.
    pub put_takes: Duration,
    /// Calls into plugins of connector `c` that do not return, by role and name: `sink put`.
    pub hangs: BTreeSet<&'static str>,
    /// Calls into plugins of connector `c` that fail, named alike.
    pub fails: BTreeSet<&'static str>,
    /// Parts that panic.
    pub panics: BTreeSet<&'static str>,
    /// What the worker counts.
    pub metrics: Metrics,
    /// How far the consumer is behind.
    pub lag: Option<i64>,
}

/// The world; cheap to clone.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<State>>);

impl World {
    /// What an instrument of a group says; none if there is no such group.
    pub fn counted(&self, group: &str, instrument: &str) -> Option<Counted> {
        let metrics = self.state().metrics.clone();
        let readings = metrics.read();
        let of_group = readings.iter().filter(|reading| reading.definition.name == group);
        let mut values = of_group.flat_map(|reading| &reading.values);
        values.find(|(name, _)| *name == instrument).map(|(_, value)| value.clone())
    }

    /// How many batches the stage of a task has timed.
    pub fn timed(&self, stage: &str) -> u64 {
        let readings = self.state().metrics.clone().read();
        let is_it = |reading: &&Reading| reading.labels.pairs().contains(&("stage", stage.to_owned()));
        let timed = readings.iter().filter(is_it).flat_map(|reading| &reading.values);
        let count = |value: &Counted| match value {
            Counted::Histogram { counts, .. } => counts.iter().sum(),
            _ => 0,
        };
        timed.map(|(_, value)| count(value)).sum()
    }

    /// The state. Fakes panic on purpose only while they do not hold it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|_| panic!("a fake panicked under its lock"))
    }

    fn may_panic(&self, part: &'static str) {
        let panics = self.state().panics.contains(part);
        assert!(!panics, "{part} breaks");
    }

    /// Hangs or fails if a call into a plugin of connector `c` is to.
    async fn trouble(&self, connector: &str, call: &'static str) -> Result<(), PluginError> {
        let (hangs, fails) = {
            let state = self.state();
            (state.hangs.contains(call), state.fails.contains(call))
        };
        match connector == "c" {
            true if hangs => std::future::pending().await,
            true if fails => Err(PluginError::Reported(Failure::new(ErrorKind::Fatal, "", format!("{call} fails")))),
            _ => Ok(()),
        }
    }

    /// A worker in this world.
    pub fn start(&self) -> Herder {
        self.start_with_log(Box::<MemoryLog>::default())
    }

    /// A worker in this world that follows a log.
    pub fn start_with_log(&self, log: Box<dyn ConfigLog>) -> Herder {
        let text = || Text { class: CONVERTER, faults: Bad };
        let letter_text = || Text { class: JSON, faults: () };
        let none = ConfigDef::default;
        let fakes = Fakes {
            plugins: Arc::new(self.clone()),
            natives: Natives {
                converter: Arc::new(move |class, _, _| {
                    Some(Ok(if class.name == JSON { Box::new(letter_text()) } else { Box::new(text()) }))
                }),
                header: Arc::new(move |_, _| Some(Ok(Box::new(text())))),
            },
            clients: Arc::new(self.clone()),
            offsets: Arc::new(self.clone()),
            offset_topics: None,
            exactly_once: ExactlyOnceSource::default(),
            statuses: Arc::new(MemoryStatusStore::default()),
            log,
            // Every delay is as long as it can be.
            group: None,
            membership: Box::<Solo>::default(),
            random: Arc::new(|| 1.0),
            converter: CONVERTER,
            classes: vec![
                class(DefKind::Sink, SINK, none()),
                class(DefKind::Source, SOURCE, none()),
                class(DefKind::Transform, TRANSFORM, none()),
                class(DefKind::Converter, CONVERTER, none()),
                class(DefKind::HeaderConverter, HEADER_CONVERTER, none()),
            ],
            metrics: self.state().metrics.clone(),
        };
        fakes.start("w:8083")
    }

    /// Lets a sink's consumer have the partition and these records, from offset 0 on.
    pub fn consume(&self, values: &[&str]) {
        let assigned = Polled { events: vec![Rebalance::Assigned(vec![partition()])], fetched: Vec::new() };
        let mut state = self.state();
        let values =
            (0..).zip(values).map(|(offset, &value)| Fetched { offset, value: value.to_owned(), header: None });
        state.polls.push_back(assigned);
        state.polls.push_back(Polled { events: Vec::new(), fetched: vec![fetched(&partition(), values)] });
    }
}

/// The partition that a sink has.
pub fn partition() -> TopicPartition {
    TopicPartition { topic: "t".to_owned(), partition: 0 }
}

/// A configuration.
pub fn texts(entries: &[(&str, &str)]) -> ConfigMap {
    entries.iter().map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
}

/// A connector `c` of a class with further settings.
pub fn config(class: &str, more: &[(&str, &str)]) -> ConfigMap {
    let mut config = texts(&[("name", "c"), ("connector.class", class)]);
    if class == SINK {
        config.extend(texts(&[("topics", "t")]));
    }
    config.extend(texts(more));
    config
}

/// Starts a worker with a connector `c`.
pub async fn run(world: &World, class: &str, more: &[(&str, &str)]) -> (Herder, HerderHandle) {
    let herder = world.start();
    let handle = herder.handle();
    handle.put_config("c", config(class, more), TargetState::Started, false).await.expect("created");
    handle.mark_ready();
    (herder, handle)
}

/// Waits until something is there, for at most an hour of the test's own time.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..360_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// Status of the connector's first task.
pub fn task(handle: &HerderHandle) -> Option<InstanceStatus> {
    handle.task_status("c", 0).ok()
}

/// The task's trace as soon as it has this state and its trace this text.
pub async fn trace_with(handle: &HerderHandle, state: &str, text: &str) -> String {
    eventually(&format!("{state} with {text:?}"), || {
        let status = task(handle)?;
        let trace = status.trace.unwrap_or_default();
        (status.state.name() == state && trace.contains(text)).then_some(trace)
    })
    .await
}

/// Whether the worker answers.
pub async fn is_healthy(handle: &HerderHandle) -> bool {
    handle.health().await == Health::Healthy
}

#[async_trait]
impl Plugins for World {
    fn list(&self) -> Vec<Arc<PluginInfo>> {
        Vec::new()
    }

    async fn await_names(&self, _: &[&str]) {}

    fn awaited(&self, _: &[&str]) -> Vec<String> {
        Vec::new()
    }

    fn find(&self, kind: PluginKind, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError> {
        Ok(info(kind, &wanted.name, false))
    }

    fn find_connector(&self, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError> {
        self.may_panic("herder");
        self.find(if wanted.name == SINK { PluginKind::Sink } else { PluginKind::Source }, wanted)
    }

    async fn connector(
        &self,
        _: &Wanted,
        name: &str,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Box<dyn Connector>, PluginError> {
        self.state().connector = Some(context);
        Ok(Box::new(Of { world: self.clone(), connector: name.to_owned() }))
    }

    async fn source_task(
        &self,
        _: &Wanted,
        task: &TaskId,
        _: Arc<dyn SourceContext>,
    ) -> Result<Box<dyn SourceTask>, PluginError> {
        Ok(Box::new(Lines { world: self.clone(), connector: task.connector.clone(), position: 0 }))
    }

    async fn sink_task(
        &self,
        _: &Wanted,
        task: &TaskId,
        context: Arc<dyn SinkContext>,
    ) -> Result<Box<dyn SinkTask>, PluginError> {
        self.state().sink = Some(context);
        Ok(Box::new(Of { world: self.clone(), connector: task.connector.clone() }))
    }

    async fn chain(&self, _: &TaskId, _: &[Link]) -> Result<Box<dyn LinkedTransforms>, (usize, PluginError)> {
        Ok(Box::new(self.clone()))
    }

    async fn converter(
        &self,
        _: &Wanted,
        _: &TaskId,
        _: ConverterRole,
        _: &ConfigMap,
    ) -> Result<Box<dyn Converter>, PluginError> {
        unreachable!("converters are native here")
    }

    async fn header_converter(
        &self,
        _: &Wanted,
        _: &TaskId,
        _: &ConfigMap,
    ) -> Result<Box<dyn HeaderBatchConverter>, PluginError> {
        unreachable!("converters are native here")
    }
}

/// An instance of a connector, or the task of a sink.
struct Of {
    world: World,
    connector: String,
}

impl Of {
    async fn trouble(&self, call: &'static str) -> Result<(), PluginError> {
        self.world.trouble(&self.connector, call).await
    }
}

#[async_trait]
impl Connector for Of {
    async fn validate(&mut self, _: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError> {
        tokio::task::yield_now().await;
        self.trouble("connector validate").await?;
        Ok(Vec::new())
    }

    async fn start(&mut self, _: &ConfigMap) -> Result<(), PluginError> {
        self.trouble("connector start").await?;
        self.world.may_panic("connector");
        Ok(())
    }

    async fn task_configs(&mut self, most: u32) -> Result<Vec<ConfigMap>, PluginError> {
        tokio::task::yield_now().await;
        self.trouble("connector task configs").await?;
        let more = self.world.state().more_tasks;
        Ok((0..most + more).map(|_| ConfigMap::new()).collect())
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        tokio::task::yield_now().await;
        self.trouble("connector stop").await
    }

    async fn exactly_once_support(&mut self, _: &ConfigMap) -> Result<Support, PluginError> {
        Ok(Support::Unknown)
    }

    async fn alter_offsets(&mut self, _: &ConfigMap, _: &AlteredOffsets) -> Result<bool, PluginError> {
        Ok(true)
    }
}

/// A chain that refuses rows whose value is `odd`, for now those whose value is `later`, and traps over `trap`.
#[async_trait]
impl LinkedTransforms for World {
    async fn apply(&mut self, batch: &Batch) -> Result<Outcome, PluginError> {
        self.may_panic("chain");
        let mut table = batch.open();
        if texts_of(&table).iter().any(|value| value == "trap") {
            return Err(PluginError::Broken { plugin: TRANSFORM.to_owned(), reason: "trapped".to_owned() });
        }
        let refused = |(row, value): (usize, &String)| {
            let kind = match value.as_str() {
                "odd" => ErrorKind::Data,
                "later" => ErrorKind::Retriable,
                _ => return None,
            };
            let failure = Failure::new(kind, "", value.as_str());
            Some(RowError { row: row as u32, link: 1, failure, field: None })
        };
        let errors: Vec<RowError> = texts_of(&table).iter().enumerate().filter_map(refused).collect();
        table.deselect(errors.iter().map(|error| error.row as usize));
        Ok(Outcome { batch: table.into_batch(), errors })
    }
}

#[async_trait]
impl SinkTask for Of {
    async fn start(&mut self, _: &ConfigMap) -> Result<(), PluginError> {
        self.trouble("sink start").await
    }

    async fn open(&mut self, _: &[TopicPartition]) -> Result<(), PluginError> {
        self.trouble("sink open").await?;
        let state = self.world.state();
        if let (Some(offsets), Some(context)) = (&state.own_offsets, &state.sink) {
            context.seek(offsets.clone());
        }
        Ok(())
    }

    async fn put(&mut self, records: &Batch) -> Result<(), PluginError> {
        let table = records.open();
        let given = texts_of(&table);
        self.trouble(if given.is_empty() { "sink put nothing" } else { "sink put" }).await?;
        if !given.is_empty() {
            self.world.may_panic("put");
            let takes = self.world.state().put_takes;
            tokio::time::sleep(takes).await;
        }
        let mut state = self.world.state();
        if !given.is_empty() {
            state.given.push(given.clone());
        }
        if let Some((value, kind)) = given.iter().find_map(|value| state.poison.get_key_value(value)) {
            return Err(PluginError::Reported(Failure::new(*kind, "", format!("{value} is poison"))));
        }
        if let Some(why) = state.redeliver.clone().filter(|_| !given.is_empty()) {
            return Err(PluginError::Reported(Failure::new(ErrorKind::Retriable, "", why)));
        }
        state.put.extend(given);
        Ok(())
    }

    async fn pre_commit(&mut self, _: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>, PluginError> {
        self.trouble("sink pre commit").await?;
        Ok(self.world.state().own_offsets.as_ref().map(|_| Vec::new()))
    }

    fn wants_renewal(&self) -> bool {
        self.world.state().wants_renewal
    }

    async fn renew(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        {
            let mut state = self.world.state();
            state.wants_renewal = false;
            let committed = format!("{:?}", state.committed);
            state.renewed.push(committed);
        }
        self.open(partitions).await
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        self.world.state().closed.extend_from_slice(partitions);
        self.trouble("sink close").await
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        self.trouble("sink stop").await
    }
}

/// A source of the world's lines, whose offsets are their numbers.
struct Lines {
    world: World,
    connector: String,
    position: i64,
}

#[async_trait]
impl SourceTask for Lines {
    async fn start(&mut self, _: &ConfigMap) -> Result<(), PluginError> {
        self.world.trouble(&self.connector, "source start").await
    }

    async fn poll(&mut self, _: PollLimits) -> Result<Option<Batch>, PluginError> {
        self.world.may_panic("poll");
        self.world.trouble(&self.connector, "source poll").await?;
        let mut lines = std::mem::take(&mut self.world.state().lines);
        let mut state = self.world.state();
        if state.endless {
            state.endless_polls += 1;
            lines.push(("t".to_owned(), "again".to_owned()));
        }
        drop(state);
        if lines.is_empty() {
            return Ok(None);
        }
        let rows = lines.len() as u32;
        let mut table = Table::new(rows);
        table.set(Role::TOPIC, Column::strings(lines.iter().map(|(topic, _)| topic.as_str())));
        let positions = (self.position..).take(lines.len()).map(|position| position + 1);
        let position = Column::int64s(Kind::Int64, positions).named("position".to_owned());
        let mut offsets = Column::new(Kind::Object, rows, Vec::new());
        offsets.children = vec![position];
        table.set(Role::SOURCE_OFFSET, offsets);
        table.values = Union::single(None, Column::strings(lines.iter().map(|(_, line)| line.as_str())));
        self.position += i64::from(rows);
        Ok(Some(table.into_batch()))
    }

    fn rest(&mut self) -> Option<Rest> {
        let rest = self.world.state().rest?;
        Some(Box::pin(tokio::time::sleep(rest)))
    }

    fn wants_renewal(&self) -> bool {
        self.world.state().wants_renewal
    }

    async fn renew(&mut self) -> Result<(), PluginError> {
        let mut state = self.world.state();
        state.wants_renewal = false;
        let stored = state.stored.values().cloned().collect::<Vec<_>>().join(",");
        state.renewed.push(stored);
        Ok(())
    }

    async fn committed(&mut self, _: &Batch, _: &[AcknowledgedRow]) -> Result<(), PluginError> {
        self.world.trouble(&self.connector, "source committed").await
    }

    async fn commit(&mut self) -> Result<(), PluginError> {
        self.world.trouble(&self.connector, "source commit").await
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        self.world.trouble(&self.connector, "source stop").await
    }
}

/// Refuses the text `bad`.
struct Bad;

impl TextFaults for Bad {
    fn refuses(&self, text: &str) -> Option<Failure> {
        (text == "bad").then(|| Failure::new(ErrorKind::Data, "", "bad text"))
    }
}

#[async_trait]
impl Clients for World {
    async fn producer(&self, _: &TaskId, _: ProducerUse, _: &ConfigMap) -> Result<Box<dyn RecordProducer>, Failure> {
        Ok(Box::new(Producer { world: self.clone(), next: 0, pending: VecDeque::new() }))
    }

    async fn consumer(&self, _: &TaskId, _: &SinkTopics, _: &ConfigMap) -> Result<Box<dyn RecordConsumer>, Failure> {
        Ok(Box::new(self.clone()))
    }

    fn group_offsets(&self, _: &str, _: &ConfigMap) -> Result<Box<dyn GroupOffsets>, Failure> {
        Err(Failure::new(ErrorKind::Fatal, "", "offsets are not changed from outside here"))
    }

    fn topics(&self, _: &TaskId, _: &ConfigMap) -> Result<Box<dyn TopicAdmin>, Failure> {
        Ok(Box::new(self.clone()))
    }

    async fn create_topic(&self, _: &TaskId, _: &TopicName, _: i16, _: &ConfigMap) -> Result<(), Failure> {
        Ok(())
    }
}

#[async_trait]
impl TopicAdmin for World {
    async fn exists(&self, topic: &TopicName) -> Result<bool, Failure> {
        let mut state = self.state();
        if 0 < state.silent {
            state.silent -= 1;
            return Err(Failure::new(ErrorKind::Retriable, "", "no answer in time"));
        }
        Ok(!state.missing.contains(topic.as_str()))
    }

    async fn create(&self, topic: &WantedTopic) -> Result<MadeTopic, Failure> {
        let mut state = self.state();
        if state.create == Create::Refuse {
            let class = "org.apache.kafka.common.errors.TopicAuthorizationException";
            return Ok(MadeTopic::Refused(Failure::new(ErrorKind::Fatal, class, "not allowed")));
        }
        state.missing.remove(topic.name.as_str());
        if state.create == Create::Exists {
            return Ok(MadeTopic::Existed);
        }
        state.made.push(topic.clone());
        Ok(MadeTopic::Made)
    }
}

#[async_trait]
impl RecordConsumer for World {
    async fn poll(&mut self, timeout: Duration) -> Result<Polled, Failure> {
        let deadline = tokio::time::Instant::now() + timeout;
        loop {
            {
                let mut state = self.state();
                let paused = state.paused;
                if let Some(polled) = state.polls.front()
                    && (!paused || polled.fetched.is_empty())
                {
                    return Ok(state.polls.pop_front().expect("one is there"));
                }
            }
            if deadline <= tokio::time::Instant::now() {
                return Ok(Polled::default());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn position(&mut self, _: &TopicPartition) -> Result<i64, Failure> {
        Ok(0)
    }

    async fn commit(&mut self, offsets: &[TopicOffset]) -> Result<(), Failure> {
        self.state().committed.extend(offsets.iter().map(|offset| offset.offset));
        Ok(())
    }

    fn lag(&self, _: &TopicPartition) -> Option<i64> {
        self.state().lag
    }

    fn seek(&mut self, to: &TopicOffset) {
        self.state().sought.push(to.offset);
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.state().paused |= partitions.contains(&partition());
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.state().paused &= !partitions.contains(&partition());
    }

    async fn close(self: Box<Self>) {}
}

struct Record {
    sequence: Sequence,
    topic: TopicName,
    value: String,
    headers: Vec<u8>,
}

struct Producer {
    world: World,
    next: Sequence,
    pending: VecDeque<Record>,
}

impl RecordAppender for Producer {
    fn append(&mut self, topic: &TopicName, _: Option<i32>, record: RecordRef<'_>) -> Result<Sequence, TryAppendError> {
        if self.world.state().missing.contains(topic.as_str()) {
            return Err(TryAppendError::UnknownTopic);
        }
        self.next += 1;
        self.pending.push_back(Record {
            sequence: self.next,
            topic: topic.clone(),
            value: String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned(),
            headers: record.headers.to_vec(),
        });
        Ok(self.next)
    }
}

impl Producer {
    async fn wait(&mut self, mut look: impl FnMut(&mut Self) -> bool) {
        while !look(self) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[async_trait]
impl RecordProducer for Producer {
    fn group(&mut self, work: &mut dyn FnMut(&mut dyn RecordAppender)) {
        work(self);
    }

    fn learn(&mut self, topic: &TopicName) -> BoxFuture<'static, Result<(), SendError>> {
        let (world, topic) = (self.world.clone(), topic.clone());
        async move {
            for _ in 0..60 {
                if !world.state().missing.contains(topic.as_str()) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(SendError::NoMetadata { topic, waited: Duration::from_secs(60), source: None })
        }
        .boxed()
    }

    async fn ready(&mut self) {}

    fn try_ack(&mut self) -> Option<Ack> {
        let mut state = self.world.state();
        let refused = |record: &Record, source| SendError::Refused {
            topic: record.topic.clone(),
            partition: 0,
            detail: None,
            source,
        };
        let at = self.pending.iter().position(|record| !state.stalls.contains(record.topic.as_str()))?;
        let record = &self.pending[at];
        let result = match state.produce {
            Produce::Stall => return None,
            _ if state.refuses.contains_key(record.topic.as_str()) => {
                Err(refused(record, state.refuses[record.topic.as_str()]))
            }
            Produce::Refuse => Err(refused(record, ErrorCode::INVALID_PRODUCER_EPOCH)),
            Produce::LargeHeaders(most) if most < record.headers.len() => {
                Err(refused(record, ErrorCode::MESSAGE_TOO_LARGE))
            }
            Produce::LargeRecords(most) if most < record.value.len() + record.headers.len() => {
                Err(refused(record, ErrorCode::MESSAGE_TOO_LARGE))
            }
            _ => Ok(Delivery { partition: 0, base_offset: 0 }),
        };
        let Record { sequence, topic, value, headers } = self.pending.remove(at)?;
        if result.is_ok() {
            state.written.entry(topic.as_str().to_owned()).or_default().push((value, headers));
        }
        Some(Ack { first: sequence, last: sequence, topic, partition: 0, result })
    }

    async fn next_ack(&mut self) -> Ack {
        loop {
            if let Some(ack) = self.try_ack() {
                return ack;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn outstanding(&self) -> u64 {
        self.pending.len() as u64
    }

    async fn flush(&mut self) {
        self.wait(|producer| producer.pending.is_empty() || producer.world.state().produce != Produce::Stall).await;
    }

    async fn close(self: Box<Self>, _: Duration) -> Vec<Ack> {
        Vec::new()
    }
}

#[async_trait]
impl OffsetStore for World {
    async fn read(&self, _: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
        let state = self.state();
        Ok(partitions.iter().map(|partition| state.stored.get(partition).cloned()).collect())
    }

    async fn write(&self, _: &str, offsets: Vec<(Arc<str>, Option<String>)>) -> Result<(), OffsetStoreError> {
        let mut state = self.state();
        if state.store_fails {
            let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(OffsetStoreError::Write { place: "the store".to_owned(), source });
        }
        for (partition, offset) in offsets {
            state.stored.insert(partition.to_string(), offset.unwrap_or_default());
        }
        Ok(())
    }

    async fn list(&self, _: &str) -> Result<Vec<(String, String)>, OffsetStoreError> {
        Ok(self.state().stored.clone().into_iter().collect())
    }
}
