//! A sink: keeps a running total per key in a file, and shows how records that can never be written
//! are reported.

use std::collections::BTreeMap;

use millstream_sdk::{
    ConnectorContext, Error, File, Info, Record, Result, RowError, Sink, SinkContext, SinkTask, Value,
    batch::Table,
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, Opens, PluginConfig},
    values::value_text,
};

millstream_sdk::plugin! {
    sinks: [TotalSink],
}

/// The configuration of connector and task alike.
pub struct TotalConfig {
    originals: ConfigMap,
}

impl PluginConfig for TotalConfig {
    fn definition() -> ConfigDef {
        // `opens` is what lets the plugin open the file that the user names: it can reach no other.
        ConfigDef::new().key(
            Key::string("file")
                .required()
                .importance(Importance::High)
                .doc("File that totals are written to, a line for each change.")
                .opens(Opens::append_file()),
        )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { originals: values.originals().clone() })
    }
}

/// The connector: Kafka deals topic partitions out to as many tasks as are asked for.
pub struct TotalSink {
    config: TotalConfig,
}

impl Sink for TotalSink {
    const INFO: Info = Info::new("org.example.TotalSinkConnector")
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Adds up the whole numbers under each key.");
    type Config = TotalConfig;
    type Task = TotalTask;

    fn start(config: TotalConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.config.originals.clone(); max_tasks as usize])
    }
}

/// The task takes the records.
pub struct TotalTask {
    context: SinkContext,
    file: File,
    totals: BTreeMap<String, i64>,
}

impl SinkTask for TotalTask {
    type Config = TotalConfig;

    fn start(_: TotalConfig, context: SinkContext) -> Result<Self> {
        let file = File::open("file")?.ok_or_else(|| Error::fatal("the file was not created"))?;
        Ok(Self { context, file, totals: BTreeMap::new() })
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        let (mut lines, mut rejected) = (String::new(), Vec::new());
        for (row, Record { key, value, .. }) in Record::selected(records) {
            let key = value_text(&key);
            match value {
                Value::Int64(number) => {
                    let total = self.totals.entry(key.clone()).or_default();
                    *total = total.saturating_add(number);
                    lines.push_str(&format!("{key}={total}\n"));
                }
                other => {
                    let error = Error::data(format!("expected a whole number, found a {}", other.java_class()));
                    rejected.push(RowError::new(row, error));
                }
            }
        }
        if !rejected.is_empty() {
            // Goes to the error policy of the task; fails if it tolerates none.
            self.context.report(&rejected)?;
        }
        self.file.write(lines.as_bytes())
    }

    fn flush(&mut self) -> Result<()> {
        // Offsets are committed when this returns, so everything has to be safe by then.
        self.file.sync()
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Collector, harness::Harness};

    use super::*;

    #[test]
    fn numbers_are_added_up_and_others_reported() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        let config = ConfigMap::from([("file", "totals.txt")]);
        let mut task = harness.sink_task::<TotalTask>(&config).expect("started");
        let mut collector = Collector::new();
        for value in [Value::Int64(2), "two".into(), Value::Int64(3)] {
            collector.push(&Record::new("t", value).key("a")).expect("fits into a batch");
        }
        task.put(&collector.into_table().expect("a batch").expect("three rows")).expect("taken");
        assert_eq!(file.content(), b"a=2\na=5\n");
        let reported = harness.take_sink_requests().reported;
        assert_eq!(reported.iter().map(|error| error.row).collect::<Vec<_>>(), [1]);
    }
}
