//! A source: a clock that ticks, and after a restart goes on counting where it was.

use std::{sync::Arc, time::Duration};

use millstream_sdk::{
    Collector, ConnectorContext, Info, PollLimits, Record, Result, Schema, SchemaType, Source, SourceContext,
    SourceTask, Support, Value,
    batch::Table,
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, PluginConfig},
    get, info, map, wait,
};

millstream_sdk::plugin! {
    sources: [__TYPE__],
}

/// The configuration of connector and task alike.
pub struct Config {
    topic: String,
    every: Duration,
    originals: ConfigMap,
}

impl PluginConfig for Config {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("topic").required().non_empty().importance(Importance::High).doc("Where ticks go."))
            .key(Key::int("every.ms").default(1000).range(1..=3_600_000).doc("Milliseconds between ticks."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self {
            topic: values.string("topic")?.to_owned(),
            every: Duration::from_millis(values.int("every.ms")? as u64),
            originals: values.originals().clone(),
        })
    }
}

/// The connector divides the work. A clock cannot be divided: it has one task.
pub struct __TYPE__ {
    config: Config,
}

impl Source for __TYPE__ {
    const INFO: Info = Info::new("__CLASS__").version(env!("CARGO_PKG_VERSION")).doc("Counts, at a steady pace.");
    type Config = Config;
    type Task = Task;

    fn start(config: Config, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    fn task_configs(&mut self, _max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.config.originals.clone()])
    }

    fn exactly_once_support(_: &ConfigMap) -> Result<Support> {
        Ok(Support::Supported)
    }
}

/// The task makes the records.
pub struct Task {
    config: Config,
    schema: Arc<Schema>,
    next: i64,
}

/// What the ticks come from. Offsets are stored per source partition; there is one clock.
fn partition() -> Value {
    map([("clock", "main".into())])
}

impl SourceTask for Task {
    type Config = Config;

    fn start(config: Config, context: SourceContext) -> Result<Self> {
        // The offset of the last tick that has safely arrived, as this task wrote it below.
        let stored = context.offset(&partition())?;
        let next = match stored.as_ref().and_then(|offset| get(offset, "tick")) {
            Some(Value::Int64(tick)) => tick + 1,
            _ => 0,
        };
        info!("ticking from {next} on");
        Ok(Self { config, schema: Arc::new(Schema::new(SchemaType::Int64)), next })
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        // Waiting is the host's business: it costs nothing, and ends early when the task is to stop.
        let time = self.config.every.min(Duration::from_millis(limits.max_wait_ms.into()));
        if wait(time) {
            return Ok(None);
        }
        let tick = Value::Int64(self.next);
        let record = Record::with_schema(&self.config.topic, &self.schema, tick.clone())
            .key("main")
            .from(partition(), map([("tick", tick)]));
        self.next += 1;
        let mut collector = Collector::new();
        collector.push(&record)?;
        collector.into_table()
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{harness::Harness, records_of};

    use super::*;

    #[test]
    fn ticks_go_on_after_a_restart() {
        let harness = Harness::enter();
        harness.store_offset(&partition(), &map([("tick", Value::Int64(41))]));
        let config = ConfigMap::from([("topic", "ticks"), ("every.ms", "250")]);
        let mut task = harness.source_task::<Task>(&config).expect("started");
        let limits = PollLimits { max_records: 10, max_bytes: 1000, max_wait_ms: 5000 };
        let table = task.poll(&limits).expect("polled").expect("a tick");
        let records = records_of(table.write()).expect("a valid batch");
        assert_eq!(records[0].value, Value::Int64(42));
        assert_eq!(harness.take_waits(), [Duration::from_millis(250)]);
    }
}
