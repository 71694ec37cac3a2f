//! Plugins that do as the plan says: connectors, tasks, a chain of transforms, converters.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use millstream_config::{ConfigMap, Wanted};
use millstream_connector::{
    AcknowledgedRow, AlteredOffsets, Connector, ConnectorContext, Converter, ConverterRole, ErrorKind, Failure,
    FindPluginError, HeaderBatchConverter, Link, LinkedTransforms, Outcome, PluginError, PluginInfo, PluginKind,
    Plugins, PollLimits, RequestedEnd, RowError, SinkContext, SinkTask, SourceContext, SourceTask, Support, TaskId,
    TopicOffset, TopicPartition, TransactionEnd,
};
use millstream_record::{
    Value,
    batch::{Batch, Column, HeadersBuilder, Kind, Role, Table, Union},
};

use crate::{
    World,
    fakes::{info, text::TextFaults, texts_of},
    history::{Part, RunId},
    kafka::{HEADER, input_of, output_of},
    offsets::number_in,
    plan::{Fate, Fault, Stage},
};

/// Class of a sink.
pub const SINK: &str = "simulated.Sink";
/// Class of a source.
pub const SOURCE: &str = "simulated.Source";
/// Class of a source whose task hears of every row.
pub const TOLD_SOURCE: &str = "simulated.ToldSource";
/// Class of a transform.
pub const TRANSFORM: &str = "simulated.Transform";
/// Class of the converter.
pub const CONVERTER: &str = "simulated.Converter";
/// Class of a header converter that is a plugin.
pub const HEADER_PLUGIN: &str = "simulated.HeaderConverter";

/// Longer than any timeout of the worker.
const HANG: Duration = Duration::from_secs(40);

fn reported(kind: ErrorKind, text: String) -> PluginError {
    PluginError::Reported(Failure::new(kind, "", text))
}

fn broken(text: String) -> PluginError {
    PluginError::Broken { plugin: CONVERTER.to_owned(), reason: text }
}

/// Panics without a word on the terminal.
fn panic(text: String) -> ! {
    std::panic::resume_unwind(Box::new(text))
}

/// Numbers of a source partition or of a record: what stands behind the last slashes.
fn split(id: &str) -> (&str, i64) {
    let (before, number) = id.rsplit_once('/').unwrap_or((id, ""));
    (before, number.split('#').next().and_then(|text| text.parse().ok()).unwrap_or(-1))
}

impl World {
    /// Fails, panics or hangs if the dice say so.
    async fn trouble(
        &self,
        connector: &str,
        [fails, panics, hangs]: [Option<Fault>; 3],
        kind: ErrorKind,
    ) -> Result<(), PluginError> {
        self.lag(30).await;
        let happens = |fault: Option<Fault>| fault.and_then(|fault| self.fault(connector, fault));
        if happens(hangs).is_some() {
            tokio::time::sleep(HANG).await;
        }
        if let Some(text) = happens(panics) {
            panic(text);
        }
        happens(fails).map_or(Ok(()), |text| Err(reported(kind, text)))
    }
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
        Ok(info(kind, &wanted.name, wanted.name == TOLD_SOURCE))
    }

    fn find_connector(&self, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError> {
        self.find(if wanted.name == SINK { PluginKind::Sink } else { PluginKind::Source }, wanted)
    }

    async fn connector(
        &self,
        _: &Wanted,
        name: &str,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Box<dyn Connector>, PluginError> {
        self.trouble(name, [Some(Fault::ConnectorMakeFails), None, None], ErrorKind::Fatal).await?;
        self.state().contexts.insert(name.to_owned(), context);
        Ok(Box::new(FakeConnector { world: self.clone(), name: name.to_owned(), started: false }))
    }

    async fn source_task(
        &self,
        _: &Wanted,
        task: &TaskId,
        context: Arc<dyn SourceContext>,
    ) -> Result<Box<dyn SourceTask>, PluginError> {
        self.trouble(&task.connector, [Some(Fault::TaskMakeFails), None, None], ErrorKind::Fatal).await?;
        let run = self.state().history.made(task, Part::Task);
        let (world, task) = (self.clone(), task.clone());
        Ok(Box::new(Source { world, task, run, context, positions: Vec::new(), open: Vec::new() }))
    }

    async fn sink_task(
        &self,
        _: &Wanted,
        task: &TaskId,
        context: Arc<dyn SinkContext>,
    ) -> Result<Box<dyn SinkTask>, PluginError> {
        self.trouble(&task.connector, [Some(Fault::TaskMakeFails), None, None], ErrorKind::Fatal).await?;
        let run = self.state().history.made(task, Part::Task);
        let (world, task) = (self.clone(), task.clone());
        Ok(Box::new(Sink { world, task, run, context, allowed: BTreeMap::new() }))
    }

    async fn chain(&self, task: &TaskId, _: &[Link]) -> Result<Box<dyn LinkedTransforms>, (usize, PluginError)> {
        let made = self.trouble(&task.connector, [Some(Fault::ChainMakeFails), None, None], ErrorKind::Fatal).await;
        made.map_err(|error| (0, error))?;
        Ok(Box::new(FakeChain { world: self.clone(), task: task.clone() }))
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
        task: &TaskId,
        _: &ConfigMap,
    ) -> Result<Box<dyn HeaderBatchConverter>, PluginError> {
        self.trouble(&task.connector, [Some(Fault::HeaderMakeFails), None, None], ErrorKind::Fatal).await?;
        Ok(Box::new(Headers { world: self.clone(), connector: task.connector.clone() }))
    }
}

struct FakeConnector {
    world: World,
    name: String,
    /// Whether it is more than a look at its configuration.
    started: bool,
}

impl Drop for FakeConnector {
    fn drop(&mut self) {
        if self.started {
            self.world.state().history.instance_gone(&self.name);
        }
    }
}

#[async_trait]
impl Connector for FakeConnector {
    async fn validate(&mut self, _: &ConfigMap) -> Result<Vec<(String, Vec<String>)>, PluginError> {
        self.world.trouble(&self.name, [Some(Fault::ConnectorValidateFails), None, None], ErrorKind::Fatal).await?;
        Ok(Vec::new())
    }

    async fn start(&mut self, _: &ConfigMap) -> Result<(), PluginError> {
        if !std::mem::replace(&mut self.started, true) {
            self.world.state().history.instance_made(&self.name);
        }
        let faults =
            [Some(Fault::ConnectorStartFails), Some(Fault::ConnectorStartPanics), Some(Fault::ConnectorStartHangs)];
        self.world.trouble(&self.name, faults, ErrorKind::Fatal).await
    }

    async fn task_configs(&mut self, most: u32) -> Result<Vec<ConfigMap>, PluginError> {
        self.world
            .trouble(&self.name, [Some(Fault::TaskConfigsFail), None, Some(Fault::TaskConfigsHang)], ErrorKind::Fatal)
            .await?;
        let partitions = self.world.state().plan.connector(&self.name).partitions;
        let tasks = i32::try_from(most).unwrap_or(1).clamp(1, partitions);
        let config = |task: i32| {
            let own: Vec<String> =
                (0..partitions).filter(|partition| partition % tasks == task).map(|p| p.to_string()).collect();
            ConfigMap::from([("partitions".to_owned(), Some(own.join(",")))])
        };
        Ok((0..tasks).map(config).collect())
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        if self.world.state().plan.rates.contains_key(&Fault::ConnectorStopHangs) {
            self.world.explains(&self.name, "did not return from stop".to_owned());
        }
        self.world.trouble(&self.name, [None, None, Some(Fault::ConnectorStopHangs)], ErrorKind::Fatal).await
    }

    async fn exactly_once_support(&mut self, _: &ConfigMap) -> Result<Support, PluginError> {
        Ok(Support::Unknown)
    }

    async fn can_define_transaction_boundaries(&mut self, _: &ConfigMap) -> Result<Support, PluginError> {
        Ok(Support::Supported)
    }

    async fn alter_offsets(&mut self, _: &ConfigMap, _: &AlteredOffsets) -> Result<bool, PluginError> {
        Ok(true)
    }
}

/// A source of numbered records in some partitions.
struct Source {
    world: World,
    task: TaskId,
    run: RunId,
    context: Arc<dyn SourceContext>,
    positions: Vec<(String, i64)>,
    /// Rows behind which it has asked for no end of their transaction yet.
    open: Vec<String>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.world.state().history.gone(self.run, Part::Task);
    }
}

impl Source {
    /// The next rows: partition and number of each.
    fn next(&mut self) -> Vec<(String, i64)> {
        let mut state = self.world.state();
        let most = state.plan.connector(&self.task.connector).records;
        let mut rows = Vec::new();
        for _ in 0..state.rng.below(8) {
            let at = state.rng.below(self.positions.len() as u64) as usize;
            let Some((partition, position)) = self.positions.get_mut(at) else { break };
            if *position < most {
                *position += 1;
                rows.push((partition.clone(), *position));
            }
        }
        rows
    }

    /// Asks for ends of transactions here and there, and where there is nothing left.
    fn end_transactions(&mut self, rows: &[String]) {
        if !self.context.ends_transactions() {
            return;
        }
        let mut ends = Vec::new();
        let places = (0..).zip(rows).map(|(row, id)| (Some(row), Some(id))).chain([(None, None)]);
        for (behind, id) in places {
            self.open.extend(id.cloned());
            let mut state = self.world.state();
            let end = match state.rng.below(10) {
                0 => TransactionEnd::Abort,
                1 | 2 => TransactionEnd::Commit,
                _ if behind.is_none() && rows.is_empty() => TransactionEnd::Commit,
                _ => continue,
            };
            let ended = std::mem::take(&mut self.open);
            if end == TransactionEnd::Abort {
                state.history.aborts(self.run, ended);
            }
            ends.push(RequestedEnd { behind, end });
        }
        self.context.end_transactions(ends);
    }
}

#[async_trait]
impl SourceTask for Source {
    async fn start(&mut self, config: &ConfigMap) -> Result<(), PluginError> {
        self.world.state().history.acts(self.run, "starts");
        let faults = [Some(Fault::TaskStartFails), None, Some(Fault::TaskStartHangs)];
        self.world.trouble(&self.task.connector, faults, ErrorKind::Fatal).await?;
        let own = config.get("partitions").cloned().flatten().unwrap_or_default();
        let names: Vec<String> = own.split(',').map(|number| format!("{}/{number}", self.task.connector)).collect();
        let asked = names.iter().map(|name| format!("{{\"file\":\"{name}\"}}")).collect();
        let stored = self.context.read_offsets(asked).await.map_err(PluginError::Reported)?;
        let position = |stored: Option<String>| stored.map_or(0, |offset| number_in(&offset));
        self.positions = names.into_iter().zip(stored.into_iter().map(position)).collect();
        self.world.state().history.source_begins(self.run, &self.positions);
        Ok(())
    }

    async fn poll(&mut self, _: PollLimits) -> Result<Option<Batch>, PluginError> {
        let connector = self.task.connector.clone();
        {
            let mut state = self.world.state();
            state.history.acts(self.run, "is polled");
            if state.is_paused(&self.task) {
                state.history.violated(format!("{} says that it is PAUSED, and is polled", self.task));
            }
        }
        if self.world.fault(&connector, Fault::PollHangs).is_some() && self.world.state().rng.chance(500) {
            // As a call into a guest, which ends with the task's stop.
            tokio::select! {
                biased;
                () = self.context.stopped() => return Err(PluginError::Cancelled),
                () = tokio::time::sleep(HANG) => {}
            }
        }
        self.world.trouble(&connector, [Some(Fault::PollRetriable), None, None], ErrorKind::Retriable).await?;
        let faults = [Some(Fault::PollFails), Some(Fault::PollPanics), Some(Fault::PollHangs)];
        self.world.trouble(&connector, faults, ErrorKind::Fatal).await?;
        if let Some(text) = self.world.fault(&connector, Fault::PollBreaks) {
            return Err(broken(text));
        }
        let rows = self.next();
        if rows.is_empty() {
            self.world.sleep(500).await;
            self.end_transactions(&[]);
            return Ok(None);
        }
        let ids: Vec<String> = rows.iter().map(|(partition, number)| format!("{partition}/{number}")).collect();
        self.world.state().history.polled(self.run, &ids);
        self.end_transactions(&ids);
        let count = rows.len() as u32;
        let object = |name: &str, column: Column<'static>| {
            let mut object = Column::new(Kind::Object, count, Vec::new());
            object.children = vec![column.named(name.to_owned())];
            object
        };
        let mut table = Table::new(count);
        let topics: Vec<String> = rows.iter().map(|(_, number)| output_of(&connector, *number)).collect();
        table.set(Role::TOPIC, Column::strings(topics.iter().map(String::as_str)).into_owned());
        let files = Column::strings(rows.iter().map(|(partition, _)| partition.as_str())).into_owned();
        table.set(Role::SOURCE_PARTITION, object("file", files));
        let positions = Column::int64s(Kind::Int64, rows.iter().map(|(_, number)| *number)).into_owned();
        table.set(Role::SOURCE_OFFSET, object("position", positions));
        table.values = Union::single(None, Column::strings(ids.iter().map(String::as_str)).into_owned());
        let mut headers = HeadersBuilder::default();
        for id in &ids {
            headers.push(HEADER, None, &Value::from(id.as_str()), &mut table.schemas).expect("a text fits");
            headers.end_row();
        }
        table.set(Role::HEADERS, headers.finish().expect("every row has one"));
        Ok(Some(table.into_batch()))
    }

    async fn committed(&mut self, polled: &Batch, rows: &[AcknowledgedRow]) -> Result<(), PluginError> {
        let ids = texts_of(&polled.open());
        {
            let mut state = self.world.state();
            for row in rows {
                state.history.told(self.run, &ids[row.row as usize], row.position.is_some());
            }
        }
        self.world.trouble(&self.task.connector, [Some(Fault::CommittedFails), None, None], ErrorKind::Fatal).await
    }

    async fn commit(&mut self) -> Result<(), PluginError> {
        self.world.state().history.acts(self.run, "is told of a commit");
        self.world
            .trouble(&self.task.connector, [Some(Fault::CommitFails), None, Some(Fault::CommitHangs)], ErrorKind::Fatal)
            .await
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        let faults = [Some(Fault::TaskStopFails), None, Some(Fault::TaskStopHangs)];
        self.world.trouble(&self.task.connector, faults, ErrorKind::Fatal).await
    }
}

/// A sink that holds what it takes until it is flushed.
struct Sink {
    world: World,
    task: TaskId,
    run: RunId,
    context: Arc<dyn SinkContext>,
    /// What it has said may be committed; it does not take that back.
    allowed: BTreeMap<TopicPartition, i64>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.world.state().history.gone(self.run, Part::Task);
    }
}

fn partition_of(offset: &TopicOffset) -> TopicPartition {
    TopicPartition { topic: offset.topic.clone(), partition: offset.partition }
}

impl Sink {
    /// Loses what it holds, asks for it again and takes no more for now.
    fn rewind(&mut self, text: String, rows: &[(TopicPartition, i64)]) -> Result<(), PluginError> {
        let mut state = self.world.state();
        let mut seeks = Vec::new();
        for TopicPartition { topic, partition } in self.context.assignment() {
            let lost = state.history.lost_buffer(self.run, &TopicPartition { topic: topic.clone(), partition });
            seeks.extend(lost.map(|offset| TopicOffset { topic, partition, offset }));
        }
        self.allowed.clear();
        if seeks.is_empty() {
            state.history.not_taken(self.run, rows, true);
        }
        self.context.seek(seeks);
        Err(reported(ErrorKind::Retriable, text))
    }

    /// Fails if the dice say so, or over a record.
    async fn fails_over(&self, connector: &str, rows: &[(TopicPartition, i64)]) -> Result<(), PluginError> {
        self.world.trouble(connector, [Some(Fault::PutRetriable), None, None], ErrorKind::Retriable).await?;
        let faults = [Some(Fault::PutFails), Some(Fault::PutPanics), Some(Fault::PutHangs)];
        self.world.trouble(connector, faults, ErrorKind::Fatal).await?;
        let ids = rows.iter().map(|(partition, offset)| crate::history::id_of(partition, *offset));
        let bad = ids.into_iter().find_map(|id| self.world.fails(connector, &id, Stage::Put));
        bad.map_or(Ok(()), |bad| Err(PluginError::Reported(bad.failure)))
    }

    /// Asks for this and that, as connectors do.
    fn ask(&self) {
        let (what, at) = {
            let mut state = self.world.state();
            (state.rng.below(40), state.rng.draw())
        };
        let assigned = self.context.assignment();
        let Some(one) = assigned.get(at as usize % assigned.len().max(1)) else { return };
        let asked = match what {
            0 => self.context.pause(std::slice::from_ref(one)),
            1..4 => self.context.resume(&assigned),
            4 => {
                self.context.timeout((at % 500) as u32);
                Ok(())
            }
            5 => {
                self.context.request_commit();
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(failure) = asked {
            self.world.state().history.violated(format!("an assigned partition is refused: {failure}"));
        }
        if self.world.state().calm {
            let _ = self.context.resume(&assigned);
        }
    }
}

#[async_trait]
impl SinkTask for Sink {
    async fn start(&mut self, _: &ConfigMap) -> Result<(), PluginError> {
        self.world.state().history.acts(self.run, "starts");
        let faults = [Some(Fault::TaskStartFails), None, Some(Fault::TaskStartHangs)];
        self.world.trouble(&self.task.connector, faults, ErrorKind::Fatal).await
    }

    async fn open(&mut self, _: &[TopicPartition]) -> Result<(), PluginError> {
        self.world.state().history.acts(self.run, "opens");
        self.world
            .trouble(&self.task.connector, [Some(Fault::OpenFails), None, Some(Fault::OpenHangs)], ErrorKind::Fatal)
            .await
    }

    async fn put(&mut self, records: &Batch) -> Result<(), PluginError> {
        let table = records.open();
        let mut rows = Vec::new();
        for (row, id) in texts_of(&table).into_iter().enumerate() {
            let topic = table.topic(row).unwrap_or_default().to_owned();
            let partition = table.integer(Role::PARTITION, row).and_then(|p| i32::try_from(p).ok()).unwrap_or(-1);
            let offset = table.integer(Role::OFFSET, row).unwrap_or(-1);
            let partition = TopicPartition { topic, partition };
            let header = table.get(Role::HEADERS).and_then(|column| column.headers(row).next());
            let header = header.map(|header| (header.key, header.datum(&table.schemas).1));
            if header != Some((HEADER, Value::from(id.as_str()))) {
                self.world.state().history.violated(format!("{id} came with the header {header:?}"));
            }
            if id != crate::history::id_of(&partition, offset) {
                self.world.state().history.violated(format!("{id} came as the record at {partition:?} {offset}"));
            }
            rows.push((partition, offset));
        }
        let connector = self.task.connector.clone();
        self.ask();
        if rows.is_empty() {
            self.world.state().history.acts(self.run, "puts nothing");
            return Ok(());
        }
        self.world.state().history.put(self.run, &rows);
        if let Some(text) = self.world.fault(&connector, Fault::PutRewinds) {
            return self.rewind(text, &rows);
        }
        if let Err(error) = self.fails_over(&connector, &rows).await {
            self.world.state().history.not_taken(self.run, &rows, error.is_retriable());
            return Err(error);
        }
        let mut bad = Vec::new();
        let can_report = {
            let state = self.world.state();
            let plan = state.plan.connector(&connector);
            plan.letters || plan.logs
        };
        if can_report {
            for (row, (partition, offset)) in rows.iter().enumerate() {
                let id = crate::history::id_of(partition, *offset);
                if let Some(failed) = self.world.fails(&connector, &id, Stage::Report) {
                    bad.push(RowError { row: row as u32, link: 0, failure: failed.failure, field: None });
                }
            }
        }
        let reported: Vec<_> = bad.iter().map(|error| rows[error.row as usize].clone()).collect();
        if !bad.is_empty() {
            self.context.report(bad).map_err(PluginError::Reported)?;
        }
        self.world.state().history.taken(self.run, &rows, &reported);
        Ok(())
    }

    async fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>, PluginError> {
        self.world.state().history.acts(self.run, "prepares a commit");
        let faults = [Some(Fault::PreCommitFails), None, Some(Fault::PreCommitHangs)];
        if let Err(error) = self.world.trouble(&self.task.connector, faults, ErrorKind::Fatal).await {
            let mut state = self.world.state();
            for offset in offsets {
                self.allowed.remove(&partition_of(offset));
                state.history.lost_buffer(self.run, &partition_of(offset));
                state.history.allowed(self.run, &partition_of(offset), None);
            }
            return Err(error);
        }
        let beyond = self.world.fault(&self.task.connector, Fault::PreCommitBeyond).is_some();
        let mut state = self.world.state();
        let partly = !state.calm && state.rng.chance(200) && !beyond;
        let mut safe = Vec::new();
        for offset in offsets {
            let mut below = if beyond || partly { offset.offset } else { i64::MAX };
            if partly {
                below -= state.rng.below(4) as i64;
                let base = state.history.base(self.run, &partition_of(offset));
                below = below.max(self.allowed.get(&partition_of(offset)).copied().unwrap_or(base));
            }
            self.allowed.insert(partition_of(offset), below.min(offset.offset));
            state.history.flushed(self.run, &partition_of(offset), below);
            let allowed = (!beyond).then_some(below.min(offset.offset));
            state.history.allowed(self.run, &partition_of(offset), allowed);
            safe.push(TopicOffset { offset: if beyond { below + 7 } else { below }, ..offset.clone() });
        }
        Ok((beyond || partly).then_some(safe))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<(), PluginError> {
        {
            let mut state = self.world.state();
            state.history.acts(self.run, "closes");
            for partition in partitions {
                self.allowed.remove(partition);
                state.history.lost_buffer(self.run, partition);
            }
        }
        self.world
            .trouble(&self.task.connector, [Some(Fault::CloseFails), None, Some(Fault::CloseHangs)], ErrorKind::Fatal)
            .await
    }

    async fn stop(&mut self) -> Result<(), PluginError> {
        let faults = [Some(Fault::TaskStopFails), None, Some(Fault::TaskStopHangs)];
        self.world.trouble(&self.task.connector, faults, ErrorKind::Fatal).await
    }
}

/// A chain that leaves records out, makes several of one, and refuses some.
struct FakeChain {
    world: World,
    task: TaskId,
}

#[async_trait]
impl LinkedTransforms for FakeChain {
    async fn apply(&mut self, batch: &Batch) -> Result<Outcome, PluginError> {
        let faults = [None, Some(Fault::ChainPanics), Some(Fault::ChainHangs)];
        self.world.trouble(&self.task.connector, faults, ErrorKind::Fatal).await?;
        if let Some(text) = self.world.fault(&self.task.connector, Fault::ChainBreaks) {
            return Err(broken(text));
        }
        let mut table = batch.open();
        let ids = texts_of(&table);
        let (mut errors, mut copies) = (Vec::new(), vec![1; ids.len()]);
        for (row, id) in ids.iter().enumerate() {
            if let Some(bad) = self.world.fails(&self.task.connector, id, Stage::Chain) {
                copies[row] = 0;
                errors.push(RowError { row: row as u32, link: 0, failure: bad.failure, field: None });
                continue;
            }
            let mut state = self.world.state();
            let is_sink = state.plan.connector(&self.task.connector).sink;
            copies[row] = match state.plan.fate(id) {
                Fate::Filter => 0,
                Fate::Split(records) if !is_sink => records,
                _ => 1,
            };
            let run = state.history.life(&self.task);
            if is_sink && copies[row] == 0 {
                let (before, offset) = split(id);
                let partition = split(before).1 as i32;
                let topic = input_of(&self.task.connector);
                state.history.filtered(run, &TopicPartition { topic, partition }, offset);
            } else if !is_sink {
                state.history.chained(run, id, copies[row]);
            }
        }
        let batch = if copies.iter().all(|copies| *copies < 2) {
            let out = (0..ids.len()).filter(|row| copies[*row] == 0).collect::<Vec<_>>();
            if out.is_empty() {
                batch.clone()
            } else if self.world.state().rng.chance(500) {
                table.deselect(out);
                table.into_batch()
            } else {
                let kept: Vec<u32> = (0..ids.len() as u32).filter(|row| copies[*row as usize] != 0).collect();
                table.take(&kept).into_batch()
            }
        } else {
            several(&table, &ids, &copies)
        };
        Ok(Outcome { batch, errors })
    }
}

/// A batch with so many records of each row.
fn several(table: &Table<'_>, ids: &[String], copies: &[u32]) -> Batch {
    let rows: Vec<(usize, u32)> =
        (0..ids.len()).flat_map(|row| (0..copies[row]).map(move |child| (row, child))).collect();
    let texts: Vec<String> = rows
        .iter()
        .map(|&(row, child)| if copies[row] == 1 { ids[row].clone() } else { format!("{}#{child}", ids[row]) })
        .collect();
    let int32s = |values: Vec<u32>| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Column::new(Kind::Int32, rows.len() as u32, bytes)
    };
    let mut out = Table::new(rows.len() as u32);
    let topics: Vec<&str> = rows.iter().map(|(row, _)| table.topic(*row).unwrap_or_default()).collect();
    out.set(Role::TOPIC, Column::strings(topics).into_owned());
    let mut headers = HeadersBuilder::default();
    for (row, _) in &rows {
        table
            .get(Role::HEADERS)
            .into_iter()
            .flat_map(|all| all.headers(*row))
            .for_each(|header| headers.push_raw(&header));
        headers.end_row();
    }
    out.schemas = table.schemas.clone();
    if let Some(column) = headers.finish() {
        out.set(Role::HEADERS, column);
    }
    out.set(Role::ORIGIN, int32s(rows.iter().map(|(row, _)| *row as u32).collect()));
    out.set(Role::CHILD, int32s(rows.iter().map(|(_, child)| *child).collect()));
    out.values = Union::single(None, Column::strings(texts.iter().map(String::as_str)).into_owned());
    out.into_batch()
}

/// A header converter that is a plugin: texts as they are.
struct Headers {
    world: World,
    connector: String,
}

impl Headers {
    /// Makes texts of bytes, or bytes of texts, and refuses what the plan says.
    fn convert(&self, records: &Batch, to_bytes: bool) -> Result<Outcome, PluginError> {
        if let Some(text) = self.world.fault(&self.connector, Fault::HeaderBreaks) {
            return Err(broken(text));
        }
        let mut table = records.open();
        let (mut errors, mut headers) = (Vec::new(), HeadersBuilder::default());
        let mut schemas = table.schemas.clone();
        for row in 0..table.rows as usize {
            for header in table.get(Role::HEADERS).into_iter().flat_map(|all| all.headers(row)) {
                let text = match header.datum(&table.schemas).1 {
                    Value::String(text) => text.to_string(),
                    Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    other => panic(format!("a header has the value {other:?}")),
                };
                let bad = match table.is_selected(row) {
                    true => self.world.fails(&self.connector, &text, Stage::Headers),
                    false => None,
                };
                errors.extend(bad.map(|bad| RowError { row: row as u32, link: 0, failure: bad.failure, field: None }));
                let value = if to_bytes { Value::Bytes(text.into_bytes()) } else { Value::from(text.as_str()) };
                headers.push(header.key, None, &value, &mut schemas).expect("a text fits");
            }
            headers.end_row();
        }
        table.schemas = schemas;
        if let Some(column) = headers.finish() {
            table.set(Role::HEADERS, column);
        }
        table.deselect(errors.iter().map(|error: &RowError| error.row as usize));
        Ok(Outcome { batch: table.into_batch(), errors })
    }
}

#[async_trait]
impl HeaderBatchConverter for Headers {
    fn class(&self) -> &str {
        HEADER_PLUGIN
    }

    async fn to_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError> {
        self.world.lag(30).await;
        self.convert(records, false)
    }

    async fn from_connect(&mut self, records: &Batch) -> Result<Outcome, PluginError> {
        self.world.lag(30).await;
        self.convert(records, true)
    }
}

/// What befalls the converter of a connector.
pub struct Troubled {
    /// The world it is in.
    pub world: World,
    /// The connector that it converts for.
    pub connector: String,
    /// What it converts.
    pub role: ConverterRole,
}

impl TextFaults for Troubled {
    fn breaks(&self) -> Option<PluginError> {
        self.world.fault(&self.connector, Fault::ConverterBreaks).map(broken)
    }

    fn refuses(&self, text: &str) -> Option<Failure> {
        let stage = if self.role == ConverterRole::Header { Stage::Headers } else { Stage::Converter };
        self.world.fails(&self.connector, text, stage).map(|bad| bad.failure)
    }

    fn rows(&self, rows: usize) -> usize {
        // Fewer than there are, as where a batch gets too many schemas.
        match self.role {
            ConverterRole::Value if self.world.state().rng.chance(100) => rows.div_ceil(2),
            _ => rows,
        }
    }
}
