//! The sink: writes down the records that it is given.

use std::time::Duration;

use millstream_sdk::{
    ConnectorContext, Error, File, Info, Record, Result, RowError, Sink, SinkContext, SinkTask, TopicOffset,
    TopicPartition, TopicReport,
    batch::Table,
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, Opens, PluginConfig},
    info,
};

use crate::kit::{self, Actions, failure, number, own, text_of};
use crate::show::show;
use crate::source::{act, numbered};

/// The configuration of connector and task alike.
pub struct KitSinkConfig {
    has_file: bool,
    url: String,
    actions: Actions,
    originals: ConfigMap,
}

impl PluginConfig for KitSinkConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("file").importance(Importance::High).opens(Opens::append_file()))
            .key(Key::string("why").opens(Opens::topic("${connector}-why", "why.replication")))
            .key(Key::short("why.replication").default(1))
            .key(Key::string("url").opens(Opens::http_url(&[])))
            .key(Key::string("db").opens(Opens::sql()))
            .key(kit::key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self {
            has_file: values.opt_string("file").is_some(),
            url: values.opt_string("url").unwrap_or_default().to_owned(),
            actions: Actions::parse(values.opt_string("do").unwrap_or_default())?,
            originals: values.originals().clone(),
        })
    }
}

/// The connector.
pub struct KitSink {
    config: KitSinkConfig,
    context: ConnectorContext,
}

impl Sink for KitSink {
    const INFO: Info = Info::new("org.millstream.kit.KitSinkConnector")
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Writes down the records that it is given.")
        .wants_lease();
    type Config = KitSinkConfig;
    type Task = KitSinkTask;

    fn start(mut config: KitSinkConfig, context: ConnectorContext) -> Result<Self> {
        info!("connector-start");
        act(&mut config.actions, &context, "connector-start")?;
        Ok(Self { config, context })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        info!("task-configs {max_tasks}");
        act(&mut self.config.actions, &self.context, "task-configs")?;
        Ok(numbered(&self.config.originals, max_tasks))
    }

    fn stop(&mut self) -> Result<()> {
        info!("connector-stop");
        act(&mut self.config.actions, &self.context, "connector-stop")
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        info!("validate");
        Actions::parse(config.get("do").unwrap_or_default())?.run("validate")?;
        Ok(Vec::new())
    }

    fn alter_offsets(config: &ConfigMap, offsets: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        for (TopicPartition { topic, partition }, offset) in offsets {
            let offset = offset.as_ref().map_or("null".to_owned(), |at| at.offset.to_string());
            info!("alter-offsets {topic}-{partition} {offset}");
        }
        Actions::parse(config.get("do").unwrap_or_default())?.run("alter-offsets")?;
        Ok(true)
    }
}

/// The task.
pub struct KitSinkTask {
    config: KitSinkConfig,
    context: SinkContext,
    file: Option<File>,
    /// What an action has put in the place of "all offsets".
    offsets: Option<Vec<TopicOffset>>,
}

fn partitions(list: &[TopicPartition]) -> String {
    list.iter().map(|at| format!(" {}-{}", at.topic, at.partition)).collect()
}

impl SinkTask for KitSinkTask {
    type Config = KitSinkConfig;

    fn start(config: KitSinkConfig, context: SinkContext) -> Result<Self> {
        info!("start");
        let mut task = Self { config, context, file: None, offsets: None };
        task.act("start")?;
        if task.config.has_file {
            task.file = File::open("file")?;
        }
        Ok(task)
    }

    fn open(&mut self, list: &[TopicPartition]) -> Result<()> {
        info!("open{}", partitions(list));
        self.act("open")
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        let records = Record::selected(records);
        info!("put {}", records.len());
        self.act("put")?;
        let (mut lines, mut rejected) = (Vec::new(), Vec::new());
        for (row, record) in records {
            match text_of(&record.value).and_then(|text| text.strip_prefix("bad ")) {
                Some(why) => rejected.push(RowError::new(row, Error::data(why))),
                None => lines.push(line(&record)),
            }
        }
        if !rejected.is_empty() {
            self.context.report(&rejected)?;
        }
        match &mut self.file {
            Some(file) => file.write(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes()),
            None => {
                lines.iter().for_each(|line| info!("record {line}"));
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.file.as_mut().map_or(Ok(()), File::sync)
    }

    fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>> {
        let shown = offsets.iter().map(|at| format!(" {}-{}@{}", at.topic, at.partition, at.offset));
        info!("pre-commit{}", shown.collect::<String>());
        self.act("pre-commit")?;
        self.flush()?;
        Ok(self.offsets.take())
    }

    fn close(&mut self, list: &[TopicPartition]) -> Result<()> {
        info!("close{}", partitions(list));
        self.act("close")
    }

    fn stop(&mut self) -> Result<()> {
        info!("stop");
        self.act("stop")
    }
}

fn line(record: &Record) -> String {
    let kafka = record.kafka.clone().unwrap_or_default();
    let (topic, partition) = (&record.topic, record.partition.unwrap_or_default());
    let mut line = format!("{topic}-{partition}@{} {} {}", kafka.offset, show(&record.key), show(&record.value));
    for header in &record.headers {
        line.push_str(&format!(" {}={}", header.key, show(&header.value)));
    }
    if let Some(ms) = record.timestamp_ms {
        line.push_str(&format!(" ts={ms}"));
    }
    line
}

impl KitSinkTask {
    fn act(&mut self, place: &str) -> Result<()> {
        for action in self.config.actions.run(place)? {
            let words: Vec<&str> = action.iter().map(String::as_str).collect();
            let at = |topic: &str, partition: &str| Ok::<_, Error>(TopicPartition::new(topic, number(partition)?));
            match words[..] {
                ["assignment"] => info!("assignment{}", partitions(&self.context.assignment())),
                ["seek", topic, partition, offset] => {
                    self.context.seek(&[at(topic, partition)?.at(number(offset)?)]);
                }
                ["pause", topic, partition] => self.context.pause(&[at(topic, partition)?])?,
                ["resume", topic, partition] => self.context.resume(&[at(topic, partition)?])?,
                ["timeout", ms] => self.context.timeout(Duration::from_millis(number(ms)?)),
                ["request-commit"] => self.context.request_commit(),
                ["offsets", "none"] => self.offsets = Some(Vec::new()),
                ["offsets", topic, partition, offset] => {
                    self.offsets = Some(vec![at(topic, partition)?.at(number(offset)?)]);
                }
                ["say", ref text @ ..] => {
                    let (value, headers) = (text.join(" ").into_bytes(), vec![("by".to_owned(), b"kit".to_vec())]);
                    self.context.write("why", vec![TopicReport { key: None, value: Some(value), headers }])?;
                }
                ["report", row, "own"] => self.context.report(&[RowError::new(number(row)?, own())])?,
                ["report", row, kind] => self.context.report(&[RowError::new(number(row)?, failure(kind, place))])?,
                ["http"] => kit::get(&self.config.url)?,
                _ => return Err(Error::config(format!("cannot read the action {}", words.join(" ")))),
            }
        }
        Ok(())
    }
}
