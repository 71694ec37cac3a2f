//! A sink: writes a line for each record to a file.

use millstream_sdk::{
    ConnectorContext, Error, File, Info, Record, Result, Sink, SinkContext, SinkTask,
    batch::Table,
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, Opens, PluginConfig},
    values::value_text,
};

millstream_sdk::plugin! {
    sinks: [__TYPE__],
}

/// The configuration of connector and task alike.
pub struct Config {
    originals: ConfigMap,
}

impl PluginConfig for Config {
    fn definition() -> ConfigDef {
        // `opens` is what lets the plugin open the file that the user names: it can reach no other.
        ConfigDef::new().key(
            Key::string("file")
                .required()
                .importance(Importance::High)
                .doc("File that gets a line for each record.")
                .opens(Opens::append_file()),
        )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { originals: values.originals().clone() })
    }
}

/// The connector: Kafka deals topic partitions out to as many tasks as are asked for.
pub struct __TYPE__ {
    config: Config,
}

impl Sink for __TYPE__ {
    const INFO: Info = Info::new("__CLASS__").version(env!("CARGO_PKG_VERSION")).doc("Writes records as lines.");
    type Config = Config;
    type Task = Task;

    fn start(config: Config, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.config.originals.clone(); max_tasks as usize])
    }
}

/// The task takes the records.
pub struct Task {
    file: File,
}

impl SinkTask for Task {
    type Config = Config;

    fn start(_: Config, _: SinkContext) -> Result<Self> {
        let file = File::open("file")?.ok_or_else(|| Error::fatal("the file was not created"))?;
        Ok(Self { file })
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        let mut lines = String::new();
        for (_, Record { key, value, .. }) in Record::selected(records) {
            lines.push_str(&format!("{}={}\n", value_text(&key), value_text(&value)));
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
    use millstream_sdk::{Collector, Value, harness::Harness};

    use super::*;

    #[test]
    fn each_record_becomes_a_line() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        let mut task = harness.sink_task::<Task>(&ConfigMap::from([("file", "lines.txt")])).expect("started");
        let mut collector = Collector::new();
        for value in [Value::Int64(2), "two".into()] {
            collector.push(&Record::new("t", value).key("a")).expect("fits into a batch");
        }
        task.put(&collector.into_table().expect("a batch").expect("two rows")).expect("taken");
        assert_eq!(file.content(), b"a=2\na=two\n");
    }
}
