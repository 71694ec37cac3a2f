//! The connector and its task.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_sdk::{
    ConnectorContext, Error, Info, PollLimits, Result, Schema, Source, SourceContext, SourceTask, Support, Timestamp,
    TransactionContext, Value,
    batch::{Column, Kind, Role, Table, Union},
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, PluginConfig},
    constant_map, get, map, rest, wait,
};

use crate::{
    column::{FieldMaker, mix},
    pace::Pace,
    quickstart::Quickstart,
};

const TOPIC: &str = "topic";
const QUICKSTART: &str = "quickstart";
const RATE: &str = "records.per.second";
const COUNT: &str = "count";
const SEED: &str = "seed";
const BATCH_SIZE: &str = "batch.size";
const PER_TRANSACTION: &str = "records.per.transaction";
/// Set by the connector for each task.
const TASK: &str = "task.id";

/// What a record takes at most, roughly: for the limit in bytes.
const RECORD_BYTES: u32 = 256;
/// How long a task waits in one call, at most, until records are due.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How long a task rests that has made all that it was to make.
const LONG_REST: Duration = Duration::from_secs(60);

/// The configuration of connector and task alike.
#[derive(Clone, Debug)]
pub struct DatagenConfig {
    topic: String,
    quickstart: Quickstart,
    /// Records per second; 0 for no limit.
    rate: u64,
    /// Records in all; `None` for no end.
    count: Option<u64>,
    seed: i64,
    batch_size: u64,
    /// Records of each transaction; `None` leaves them to the worker.
    per_transaction: Option<u64>,
    task: u64,
    originals: ConfigMap,
}

impl PluginConfig for DatagenConfig {
    fn definition() -> ConfigDef {
        let names: Vec<&str> = Quickstart::NAMES.iter().map(|(name, _)| *name).collect();
        ConfigDef::new()
            .key(Key::string(TOPIC).required().non_empty().importance(Importance::High).doc("The topic that gets the records."))
            .key(
                Key::string(QUICKSTART)
                    .default("orders")
                    .one_of(&names)
                    .recommended(&names)
                    .importance(Importance::High)
                    .doc("What the records are about."),
            )
            .key(
                Key::long(RATE)
                    .default(10)
                    .range(0..)
                    .importance(Importance::High)
                    .doc("Records per second, shared by all tasks. 0 makes them as fast as they are taken."),
            )
            .key(
                Key::long(COUNT)
                    .default(0)
                    .range(0..)
                    .doc("Records in all, shared by all tasks; after them the connector goes on without doing anything. 0 never ends."),
            )
            .key(Key::long(SEED).default(0).doc("The same seed makes the same records."))
            .key(
                Key::int(BATCH_SIZE)
                    .default(2000)
                    .range(1..=100_000)
                    .importance(Importance::Low)
                    .doc("Most records made at a time."),
            )
            .key(
                Key::long(PER_TRANSACTION)
                    .default(0)
                    .range(0..)
                    .importance(Importance::Low)
                    .doc("Records of each transaction, with transaction.boundary=connector, which 0 does not allow."),
            )
            .key(Key::int(TASK).default(0).range(0..).importance(Importance::Low).doc("Number of the task. Set by the connector."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let name = values.string(QUICKSTART)?;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Self {
            topic: values.string(TOPIC)?.to_owned(),
            quickstart: Quickstart::of_name(name).ok_or_else(|| {
                Error::config(format!("Invalid value {name} for configuration {QUICKSTART}: unknown"))
            })?,
            rate: unsigned(values.long(RATE)?),
            count: Some(unsigned(values.long(COUNT)?)).filter(|&count| count != 0),
            seed: values.long(SEED)?,
            batch_size: unsigned(values.int(BATCH_SIZE)?.into()),
            per_transaction: Some(unsigned(values.long(PER_TRANSACTION)?)).filter(|&records| records != 0),
            task: unsigned(values.int(TASK)?.into()),
            originals: values.originals().clone(),
        })
    }
}

/// The connector: each task makes records of its own, and an equal share of them.
#[derive(Debug)]
pub struct DatagenSource {
    config: DatagenConfig,
}

impl Source for DatagenSource {
    const INFO: Info = Info::new("io.millstream.DatagenSourceConnector")
        .task_class("io.millstream.DatagenSourceTask")
        .aliases(&["Datagen"])
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Makes up records: orders, users, page views or stock trades.");
    type Config = DatagenConfig;
    type Task = DatagenTask;

    fn start(config: DatagenConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        let DatagenConfig { rate, count, originals, .. } = &self.config;
        // A task without a share would not know it from one without a limit.
        let smallest = [Some(*rate).filter(|&rate| rate != 0), *count].into_iter().flatten().min();
        let tasks = u64::from(max_tasks).min(smallest.unwrap_or(u64::MAX));
        let config = |task: u64| {
            let mut config = originals.clone();
            config.set(TASK, Some(task.to_string()));
            config.set(RATE, Some(share(*rate, task, tasks).to_string()));
            config.set(COUNT, Some(share(count.unwrap_or_default(), task, tasks).to_string()));
            config
        };
        Ok((0..tasks).map(config).collect())
    }

    fn exactly_once_support(_: &ConfigMap) -> Result<Support> {
        Ok(Support::Supported)
    }

    fn can_define_transaction_boundaries(config: &ConfigMap) -> Result<Support> {
        let config = DatagenConfig::parse(config)?;
        Ok(if config.per_transaction.is_some() { Support::Supported } else { Support::Unsupported })
    }

    fn alter_offsets(_: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool> {
        for offset in offsets.iter().filter_map(|(_, offset)| offset.as_ref()).filter(|offset| !offset.is_null()) {
            stored_record(offset)?;
        }
        Ok(true)
    }
}

/// What a task gets of a whole: the first ones take what does not divide evenly.
fn share(whole: u64, task: u64, tasks: u64) -> u64 {
    whole / tasks + u64::from(task < whole % tasks)
}

/// The number of the next record.
fn stored_record(offset: &Value) -> Result<u64> {
    match get(offset, "record") {
        Some(Value::Int64(record)) => u64::try_from(*record)
            .map_err(|_| Error::fatal("the value for the 'record' key in the offset must not be negative")),
        _ => Err(Error::fatal("an offset must be null, or have a whole number under the key 'record'")),
    }
}

/// The task.
#[derive(Debug)]
pub struct DatagenTask {
    config: DatagenConfig,
    schema: Arc<Schema>,
    key_schema: Arc<Schema>,
    partition: Value,
    fields: Vec<FieldMaker>,
    pace: Pace,
    started: Instant,
    /// Number of the next record.
    next: u64,
    /// Set where the task ends its transactions itself.
    transaction: Option<TransactionContext>,
}

impl SourceTask for DatagenTask {
    type Config = DatagenConfig;

    fn start(config: DatagenConfig, context: SourceContext) -> Result<Self> {
        let name = config.quickstart.name();
        let partition = map([("quickstart", name.into()), ("task", Value::Int64(config.task as i64))]);
        let next = context.offset(&partition)?.as_ref().map_or(Ok(0), stored_record)?;
        let schema = config.quickstart.schema();
        let seed = mix(mix(config.seed as u64) ^ config.task);
        Ok(Self {
            key_schema: Arc::clone(&schema.fields()[config.quickstart.key_field()].schema),
            schema,
            partition,
            fields: FieldMaker::all(config.quickstart.fields(), seed),
            pace: Pace::new(config.rate),
            started: Instant::now(),
            next,
            transaction: context.transaction(),
            config,
        })
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        let longest_wait = LONGEST_WAIT.min(Duration::from_millis(limits.max_wait_ms.into()));
        let left = self.config.count.map_or(u64::MAX, |count| count.saturating_sub(self.next));
        if left == 0 {
            rest(LONG_REST);
            return Ok(None);
        }
        let mut due = self.pace.due(self.started.elapsed());
        if due == Some(0) {
            if wait(self.pace.until_next(self.started.elapsed()).min(longest_wait)) {
                return Ok(None);
            }
            due = self.pace.due(self.started.elapsed());
        }
        let fitting = (limits.max_bytes / RECORD_BYTES).max(1).min(limits.max_records);
        let records = [due.unwrap_or(u64::MAX), left, self.config.batch_size, fitting.into()].into_iter().min();
        match records.unwrap_or_default() {
            0 => Ok(None),
            records => self.make(records).map(Some),
        }
    }
}

impl DatagenTask {
    fn make(&mut self, records: u64) -> Result<Table<'static>> {
        let numbers = self.next..self.next + records;
        let rows = records as u32;
        let children: Vec<Column<'static>> = self.fields.iter().map(|field| field.column(numbers.clone())).collect();
        let key = children[self.config.quickstart.key_field()].clone().named("");
        let mut offset = Column::new(Kind::Object, rows, Vec::new());
        offset.children = vec![Column::int64s(Kind::Int64, numbers.map(|record| record as i64 + 1)).named("record")];

        let mut table = Table::new(rows);
        let (key_schema, schema) = (table.schemas.place(&self.key_schema)?, table.schemas.place(&self.schema)?);
        table.set(Role::TOPIC, Column::constant_str(rows, &self.config.topic));
        table.set(Role::TIMESTAMP, Column::constant_i64(Kind::Int64, rows, Timestamp::now().as_millis()));
        table.set(Role::SOURCE_PARTITION, constant_map(rows, &self.partition)?);
        table.set(Role::SOURCE_OFFSET, offset);
        table.keys = Union::single(Some(key_schema), key);
        table.values = Union::single(Some(schema), Column::new(Kind::Struct, rows, Vec::new()).with_children(children));
        self.end_transactions(self.next..self.next + records);
        self.next += records;
        self.pace.made(records);
        Ok(table)
    }

    /// Transactions end at the same records whatever a batch holds and wherever a task begins, and with the last one.
    fn end_transactions(&self, numbers: Range<u64>) {
        let (Some(transaction), Some(size)) = (self.transaction, self.config.per_transaction) else { return };
        let is_last = |number: u64| (number + 1).is_multiple_of(size) || Some(number + 1) == self.config.count;
        (0..).zip(numbers).filter(|(_, number)| is_last(*number)).for_each(|(row, _)| transaction.commit_after(row));
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Record, RequestedEnd, TransactionEnd, harness::Harness, records_of};

    use super::*;

    const LIMITS: PollLimits = PollLimits { max_records: 100, max_bytes: 1 << 20, max_wait_ms: 1_000 };

    fn config(quickstart: &str) -> ConfigMap {
        ConfigMap::from([("topic", "t"), ("records.per.second", "0")]).with("quickstart", quickstart)
    }

    fn poll(task: &mut DatagenTask) -> Vec<Record> {
        let table = task.poll(&LIMITS).expect("polled").expect("records");
        records_of(table.write()).expect("a valid batch")
    }

    fn without_time(mut records: Vec<Record>) -> Vec<Record> {
        records.iter_mut().for_each(|record| record.timestamp_ms = None);
        records
    }

    #[test]
    fn every_quickstart_makes_valid_batches_with_keys() {
        for (name, kind) in Quickstart::NAMES {
            let harness = Harness::enter();
            let mut task = harness.source_task::<DatagenTask>(&config(name)).expect("started");
            let records = poll(&mut task);
            assert_eq!(records.len(), 100);
            for record in &records {
                let Value::Struct(schema, slots) = &record.value else { panic!("no struct: {record:?}") };
                assert_eq!(*schema, kind.schema());
                assert_eq!(record.key, slots[kind.key_field()]);
                assert!(slots.iter().all(|slot| !slot.is_null()));
            }
        }
    }

    #[test]
    fn an_order_looks_as_expected() {
        let harness = Harness::enter();
        let mut task = harness.source_task::<DatagenTask>(&config("orders")).expect("started");
        let record = poll(&mut task).remove(7);
        let text = millstream_sdk::values::value_text(&record.value);
        assert_eq!(
            text,
            "Struct{ordertime=1494417098519,orderid=7,itemid=Item_664,orderunits=7.766185938094188,\
             address=Struct{city=City_94,state=State_10,zipcode=67100}}"
        );
    }

    #[test]
    fn a_task_goes_on_exactly_where_its_offset_says() {
        let harness = Harness::enter();
        let mut whole = harness.source_task::<DatagenTask>(&config("stock_trades")).expect("started");
        let (first, second) = (poll(&mut whole), poll(&mut whole));
        let last = &first[99];
        assert_eq!(last.source_offset, map([("record", Value::Int64(100))]));
        harness.store_offset(&last.source_partition, &last.source_offset);
        let mut resumed = harness.source_task::<DatagenTask>(&config("stock_trades")).expect("started");
        assert_eq!(without_time(poll(&mut resumed)), without_time(second));
    }

    #[test]
    fn seeds_and_tasks_make_different_records() {
        let harness = Harness::enter();
        let mut made = Vec::new();
        for (seed, task) in [("0", "0"), ("1", "0"), ("0", "1"), ("1", "1")] {
            let config = config("users").with("seed", seed).with("task.id", task);
            let mut task = harness.source_task::<DatagenTask>(&config).expect("started");
            made.push(poll(&mut task).into_iter().map(|record| record.value).collect::<Vec<_>>());
        }
        for (at, values) in made.iter().enumerate() {
            assert!(!made[..at].contains(values));
        }
    }

    #[test]
    fn transactions_end_at_the_same_records_in_whatever_batches_they_are_made() {
        let committed = |limit: u32, begin: i64| {
            let harness = Harness::enter();
            harness.let_end_transactions();
            let partition = map([("quickstart", "users".into()), ("task", Value::Int64(0))]);
            harness.store_offset(&partition, &map([("record", Value::Int64(begin))]));
            let config = config("users").with("records.per.transaction", "30").with("count", "100");
            let mut task = harness.source_task::<DatagenTask>(&config).expect("started");
            let limits = PollLimits { max_records: limit, ..LIMITS };
            let (mut first, mut ends) = (begin, Vec::new());
            while let Some(rows) = task.poll(&limits).expect("polled").map(|table| table.rows) {
                for RequestedEnd { behind, end } in harness.take_transaction_ends() {
                    assert_eq!(end, TransactionEnd::Commit);
                    ends.push(first + i64::from(behind.expect("behind a row")) + 1);
                }
                first += i64::from(rows);
            }
            ends
        };
        assert_eq!(committed(100, 0), [30, 60, 90, 100]);
        assert_eq!(committed(7, 0), [30, 60, 90, 100]);
        assert_eq!(committed(13, 45), [60, 90, 100]);
    }

    #[test]
    fn transactions_are_left_to_the_worker_unless_it_wants_otherwise() {
        let harness = Harness::enter();
        let asked = config("users").with("records.per.transaction", "30");
        let mut task = harness.source_task::<DatagenTask>(&asked).expect("started");
        assert_eq!(poll(&mut task).len(), 100);
        assert_eq!(harness.take_transaction_ends(), []);
        let answer = |config: &ConfigMap| DatagenSource::can_define_transaction_boundaries(config).expect("an answer");
        assert_eq!(answer(&asked), Support::Supported);
        assert_eq!(answer(&config("users")), Support::Unsupported);
    }

    #[test]
    fn the_count_ends_the_records() {
        let harness = Harness::enter();
        let config = config("pageviews").with("count", "150");
        let mut task = harness.source_task::<DatagenTask>(&config).expect("started");
        assert_eq!((poll(&mut task).len(), poll(&mut task).len()), (100, 50));
        assert!(task.poll(&LIMITS).expect("polled").is_none());
        assert_eq!(harness.take_rests(), [LONG_REST]);
    }

    #[test]
    fn rate_and_count_are_shared_among_the_tasks() {
        let parsed = |config: &ConfigMap| DatagenConfig::parse(config).expect("accepted");
        let config = ConfigMap::from([("topic", "t"), ("records.per.second", "10"), ("count", "3")]);
        let mut connector = DatagenSource { config: parsed(&config) };
        let tasks: Vec<_> = connector.task_configs(8).expect("made").iter().map(parsed).collect();
        let shares: Vec<_> = tasks.iter().map(|task| (task.task, task.rate, task.count)).collect();
        assert_eq!(shares, [(0, 4, Some(1)), (1, 3, Some(1)), (2, 3, Some(1))]);
    }

    #[test]
    fn offsets_that_a_user_sets_are_checked() {
        let check = |offset: Option<Value>| DatagenSource::alter_offsets(&config("users"), &[(Value::Null, offset)]);
        assert!(check(None).is_ok());
        assert!(check(Some(map([("record", Value::Int64(5))]))).is_ok());
        assert!(check(Some(map([("record", Value::Int64(-5))]))).is_err());
        assert!(check(Some(map([("position", Value::Int64(5))]))).is_err());
    }
}
