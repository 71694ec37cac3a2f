//! The source: makes the records that its configuration names.

use std::{sync::Arc, time::Duration};

use millstream_sdk::{
    Collector, ConnectorContext, Error, File, Info, PollLimits, Record, Result, Schema, SchemaType, Source,
    SourceContext, SourceTask, Support, Value,
    batch::{Role, Table},
    config::{ConfigDef, ConfigMap, ConfigValue, ConfigValues, Importance, Key, Opens, PluginConfig, Validator, Width},
    get, info, map, rest, wait,
};

use crate::kit::{self, Actions, number};
use crate::show::show;

/// The configuration of connector and task alike.
pub struct KitConfig {
    topic: String,
    mode: String,
    records: i64,
    per_poll: i64,
    tasks: u32,
    file: String,
    url: String,
    /// The line that says what was read of the other keys.
    seen: String,
    actions: Actions,
    originals: ConfigMap,
}

fn even(value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::Int(number) if number % 2 != 0 => Err("expected an even number".to_owned()),
        _ => Ok(()),
    }
}

impl PluginConfig for KitConfig {
    fn definition() -> ConfigDef {
        let ratio = Validator::Range { min: Some(0.0), max: Some(1.0) };
        ConfigDef::new()
            .key(
                Key::string("topic")
                    .required()
                    .non_empty()
                    .importance(Importance::High)
                    .doc("Where records go.")
                    .group("Kit", 1)
                    .width(Width::Long)
                    .display_name("Topic"),
            )
            .key(
                Key::string("mode")
                    .default("counter")
                    .one_of(&["counter", "types", "lines"])
                    .doc("What records there are."),
            )
            .key(Key::int("records").default(3).range(0..=1_000_000).doc("How many records there are."))
            .key(Key::int("per.poll").default(2).range(1..=10_000))
            .key(Key::int("tasks").default(1).range(1..=100))
            .key(Key::string("file").opens(Opens::read_file()))
            .key(Key::boolean("flag").default(false).dependents(&["small"]))
            .key(Key::short("small").default(7))
            .key(Key::long("big").default(9_007_199_254_740_993_i64))
            .key(Key::double("ratio").default(0.5).validator(ratio))
            .key(Key::list("names").default("a,b").non_empty_list())
            .key(Key::password("secret"))
            .key(Key::class("helper").recommended(&["org.example.A", "org.example.B"]))
            .key(Key::int("even").default(2).check(even))
            .key(Key::int("low").default(0))
            .key(Key::int("high").default(10))
            .key(Key::string("url").opens(Opens::http_url(&[])))
            .key(Key::string("db").opens(Opens::sql()))
            .key(kit::key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let text = |key: &str| values.opt_string(key).unwrap_or_default().to_owned();
        let seen = format!(
            "config flag={} small={} big={} ratio={} names={} secret={} helper={}",
            values.value("flag"),
            values.value("small"),
            values.value("big"),
            values.value("ratio"),
            values.value("names"),
            values.opt_string("secret").map_or("null", |_| "set"),
            values.value("helper"),
        );
        Ok(Self {
            topic: text("topic"),
            mode: text("mode"),
            records: values.int("records")?.into(),
            per_poll: values.int("per.poll")?.into(),
            tasks: values.int("tasks")? as u32,
            file: text("file"),
            url: text("url"),
            seen,
            actions: Actions::parse(&text("do"))?,
            originals: values.originals().clone(),
        })
    }
}

/// What is wrong with two keys together.
fn low_above_high(config: &ConfigMap) -> bool {
    let number = |key: &str, default: i32| config.get(key).map_or(Some(default), |text| text.trim().parse().ok());
    matches!((number("low", 0), number("high", 10)), (Some(low), Some(high)) if high < low)
}

/// The actions of a call that knows its configuration only.
fn actions(config: &ConfigMap) -> Result<Actions> {
    Actions::parse(config.get("do").unwrap_or_default())
}

/// The connector.
pub struct KitSource {
    config: KitConfig,
    context: ConnectorContext,
}

/// Does what connectors of both kinds can do.
pub fn act(actions: &mut Actions, context: &ConnectorContext, place: &str) -> Result<()> {
    for action in actions.run(place)? {
        let words: Vec<&str> = action.iter().map(String::as_str).collect();
        match words[..] {
            ["reconfigure"] => context.request_task_reconfiguration(),
            ["raise"] => context.raise_error(Error::fatal("raised on purpose")),
            ["configs-rest", ms] => rest(Duration::from_millis(number(ms)?)),
            _ => return Err(Error::config(format!("cannot read the action {}", words.join(" ")))),
        }
    }
    Ok(())
}

/// A task's configuration: the connector's own, and the task's number.
pub fn numbered(originals: &ConfigMap, count: u32) -> Vec<ConfigMap> {
    (0..count).map(|task| originals.clone().with("task", task.to_string())).collect()
}

impl Source for KitSource {
    const INFO: Info = Info::new("org.millstream.kit.KitSourceConnector")
        .task_class("org.millstream.kit.KitSourceTask")
        .aliases(&["Kit"])
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Makes the records that its configuration names.")
        .wants_committed()
        .wants_lease();
    type Config = KitConfig;
    type Task = KitSourceTask;

    fn start(mut config: KitConfig, context: ConnectorContext) -> Result<Self> {
        info!("connector-start");
        act(&mut config.actions, &context, "connector-start")?;
        if low_above_high(&config.originals) {
            return Err(Error::config("low is above high"));
        }
        Ok(Self { config, context })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        info!("task-configs {max_tasks}");
        act(&mut self.config.actions, &self.context, "task-configs")?;
        Ok(numbered(&self.config.originals, max_tasks.min(self.config.tasks)))
    }

    fn stop(&mut self) -> Result<()> {
        info!("connector-stop");
        act(&mut self.config.actions, &self.context, "connector-stop")
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        info!("validate");
        actions(config)?.run("validate")?;
        Ok(low_above_high(config).then(|| ("low".to_owned(), "low is above high".to_owned())).into_iter().collect())
    }

    fn exactly_once_support(config: &ConfigMap) -> Result<Support> {
        info!("exactly-once");
        actions(config)?.run("exactly-once")?;
        Ok(Support::Supported)
    }

    fn can_define_transaction_boundaries(config: &ConfigMap) -> Result<Support> {
        info!("boundaries");
        actions(config)?.run("boundaries")?;
        Ok(Support::Supported)
    }

    fn alter_offsets(config: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool> {
        for (partition, offset) in offsets {
            info!("alter-offsets {} {}", show(partition), show(offset.as_ref().unwrap_or(&Value::Null)));
        }
        actions(config)?.run("alter-offsets")?;
        match offsets.iter().flat_map(|(_, offset)| offset).all(|offset| get(offset, "n").is_some()) {
            true => Ok(true),
            false => Err(Error::fatal("offset has no n")),
        }
    }
}

/// The task.
pub struct KitSourceTask {
    config: KitConfig,
    context: SourceContext,
    next: i64,
    sent_types: bool,
    lines: Option<Lines>,
}

/// A file that is being read.
struct Lines {
    file: File,
    /// Behind the last line that was sent.
    position: u64,
    /// What was read behind that.
    unsent: Vec<u8>,
}

fn counter() -> Value {
    map([("kit", "counter".into())])
}

impl SourceTask for KitSourceTask {
    type Config = KitConfig;

    fn start(config: KitConfig, context: SourceContext) -> Result<Self> {
        info!("start");
        let mut task = Self { config, context, next: 0, sent_types: false, lines: None };
        task.act("start")?;
        info!("{}", task.config.seen);
        if task.config.mode == "counter" {
            if let Some(Value::Int64(stored)) = context.offset(&counter())?.as_ref().and_then(|at| get(at, "n")) {
                task.next = stored + 1;
            }
            info!("from {}", task.next);
        }
        Ok(task)
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        if let Some(answer) = self.act("poll")? {
            return answer;
        }
        match self.config.mode.as_str() {
            "types" if self.sent_types => Ok(None),
            "types" => {
                self.sent_types = true;
                collected(crate::types::records(&self.config.topic)?)
            }
            "lines" => collected(self.read_lines()?),
            _ => {
                let count = self.config.per_poll.min(limits.max_records.into());
                let until = self.config.records.min(self.next + count);
                if until <= self.next {
                    wait(Duration::from_millis(limits.max_wait_ms.min(20).into()));
                    return Ok(None);
                }
                let first = std::mem::replace(&mut self.next, until);
                collected((first..until).map(|number| self.counted(number)))
            }
        }
    }

    fn committed(&mut self, rows: &Table<'_>) -> Result<()> {
        let place = |row: usize| {
            let topic = rows.topic(row).unwrap_or_default();
            match (rows.integer(Role::PARTITION, row), rows.integer(Role::OFFSET, row)) {
                (Some(partition), Some(offset)) => format!("{topic}-{partition}@{offset}"),
                _ => format!("{topic}-none"),
            }
        };
        info!("committed {}", (0..rows.rows as usize).map(place).collect::<Vec<_>>().join(" "));
        self.act("committed").map(drop)
    }

    fn commit(&mut self) -> Result<()> {
        info!("commit");
        self.act("commit").map(drop)
    }

    fn stop(&mut self) -> Result<()> {
        info!("stop");
        self.act("stop").map(drop)
    }
}

type Answer = Result<Option<Table<'static>>>;

fn collected(records: impl IntoIterator<Item = Record>) -> Answer {
    let mut collector = Collector::new();
    records.into_iter().try_for_each(|record| collector.push(&record))?;
    collector.into_table()
}

impl KitSourceTask {
    /// Does what is to be done in a call; in `poll` that may be its answer.
    fn act(&mut self, place: &str) -> Result<Option<Answer>> {
        let mut answer = None;
        for action in self.config.actions.run(place)? {
            let words: Vec<&str> = action.iter().map(String::as_str).collect();
            match words[..] {
                ["offset"] => {
                    info!("offset {}", show(&self.context.offset(&counter())?.unwrap_or(Value::Null)));
                }
                ["http"] => kit::get(&self.config.url)?,
                ["rest", ms] => {
                    rest(Duration::from_millis(number(ms)?));
                    answer = Some(Ok(None));
                }
                ["nothing"] => answer = Some(Ok(None)),
                ["bad" | "wrong"] => {
                    let schema = Arc::new(Schema::new(SchemaType::Int32));
                    answer = Some(collected([Record::with_schema(&self.config.topic, &schema, "seven")]));
                }
                ["huge", size] => {
                    answer = Some(collected([Record::new(&self.config.topic, "x".repeat(number(size)?).as_str())]));
                }
                ["commit" | "abort"] | ["commit-after" | "abort-after", _] => self.end_transaction(&words)?,
                _ => return Err(Error::config(format!("cannot read the action {}", words.join(" ")))),
            }
        }
        Ok(answer)
    }

    fn end_transaction(&self, words: &[&str]) -> Result<()> {
        let Some(transaction) = self.context.transaction() else {
            info!("no transactions");
            return Ok(());
        };
        match *words {
            ["commit"] => transaction.commit(),
            ["abort"] => transaction.abort(),
            ["commit-after", row] => transaction.commit_after(number(row)?),
            ["abort-after", row] => transaction.abort_after(number(row)?),
            _ => {}
        }
        Ok(())
    }

    fn counted(&self, number: i64) -> Record {
        let (text, long) = (Schema::new(SchemaType::String), Schema::new(SchemaType::Int64));
        Record::with_schema(&self.config.topic, &Arc::new(long), Value::Int64(number))
            .key_with_schema(&Arc::new(text), format!("k{number}").as_str())
            .from(counter(), map([("n", Value::Int64(number))]))
    }

    fn read_lines(&mut self) -> Result<Vec<Record>> {
        let name = &self.config.file;
        let partition = map([("file", name.as_str().into())]);
        if self.lines.is_none() {
            let mut file = File::open("file")?.ok_or_else(|| Error::retriable(format!("there is no file {name}")))?;
            let position = match self.context.offset(&partition)?.as_ref().and_then(|at| get(at, "position")) {
                Some(Value::Int64(position)) => *position as u64,
                _ => 0,
            };
            file.seek(position)?;
            self.lines = Some(Lines { file, position, unsent: Vec::new() });
        }
        let lines = self.lines.as_mut().expect("it was just opened");
        lines.unsent.extend(lines.file.read(1 << 16)?);
        let mut records = Vec::new();
        while records.len() < self.config.per_poll as usize
            && let Some(end) = lines.unsent.iter().position(|&byte| byte == b'\n')
        {
            let line: Vec<u8> = lines.unsent.drain(..=end).collect();
            lines.position += line.len() as u64;
            let text = String::from_utf8_lossy(&line[..end]).into_owned();
            let offset = map([("position", Value::Int64(lines.position as i64))]);
            records.push(Record::new(&self.config.topic, text.as_str()).from(partition.clone(), offset));
        }
        if records.is_empty() && lines.file.ends_rest() {
            rest(Duration::from_secs(1));
        }
        Ok(records)
    }
}
