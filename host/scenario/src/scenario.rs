//! What a scenario is, read from its file. `README.md` beside this crate is the reference for those who write some.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_config::ConfigMap;
use millstream_connector::{ConverterRole, TopicOffset, TopicPartition};
use millstream_record::Schema;
use serde_json::{Map, Value as Json};

use crate::members::{Fault, Members};
use crate::notation::{self, Datum};
use crate::page::Path;
use crate::record::{Record, bytes, read_datum};

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it states, as a sentence.
    pub name: String,
    /// Class, or alias, of the plugin.
    pub plugin: String,
    /// Configuration, with `${dir}` for the scenario's folder and `${server}` for its server.
    pub config: ConfigMap,
    /// Transforms in place of the plugin alone.
    pub chain: Vec<LinkSpec>,
    /// Converters: what is converted.
    pub role: ConverterRole,
    /// What of the worker's limits is otherwise.
    pub limits: LimitsSpec,
    /// Files by their names, made before the first step.
    pub files: BTreeMap<String, String>,
    /// Offsets that the worker has stored: source partitions and offsets.
    pub stored: Vec<(Json, Json)>,
    /// Sinks: whether rows may be reported.
    pub tolerates_errors: bool,
    /// Sources: whether the task says where its transactions end.
    pub ends_transactions: bool,
    /// What its server answers, by `METHOD PATH`.
    pub server: BTreeMap<String, Answer>,
    /// Schemas that it gives names.
    pub schemas: Vec<(String, Arc<Schema>)>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Where it stands.
    pub at: Path,
}

/// A transform of a chain.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    pub class: String,
    pub config: ConfigMap,
    pub predicate: Option<PredicateSpec>,
}

/// When a transform of a chain applies.
#[derive(Clone, Debug)]
pub struct PredicateSpec {
    pub class: String,
    pub config: ConfigMap,
    pub negate: bool,
}

/// Limits of the worker that a scenario changes.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct LimitsSpec {
    pub call_timeout: Option<Duration>,
    pub host_call_timeout: Option<Duration>,
    pub memory_max_bytes: Option<usize>,
    pub batch_max_bytes: Option<u32>,
    pub batch_max_records: Option<u32>,
    pub log_rate: Option<u32>,
}

/// What the scenario's server answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

/// A step: what is done, and what must come of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub act: Act,
    /// The word for it.
    pub word: String,
    /// How often.
    pub repeat: u32,
    /// What must come of it, by the names in [`crate::expect::NAMES`].
    pub expect: Option<Map<String, Json>>,
    /// Where it stands.
    pub at: Path,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Act {
    Describe,
    Validate { config: Option<ConfigMap> },
    ConnectorStart,
    TaskConfigs { max_tasks: u32 },
    ConnectorStop,
    ExactlyOnce,
    Boundaries,
    AlterOffsets { source: Vec<(Json, Json)>, sink: Vec<(TopicPartition, Option<i64>)> },
    Start { config: Option<ConfigMap> },
    Restart { config: Option<ConfigMap> },
    Stop,
    AskToStop,
    Poll(PollSpec),
    Deliver { filtered: Vec<usize> },
    Commit,
    Open { partitions: Vec<TopicPartition> },
    Close { partitions: Vec<TopicPartition> },
    Put { records: Vec<Record> },
    PreCommit { offsets: Option<Vec<TopicOffset>> },
    TakeLease,
    Configure,
    Apply { records: Vec<Record> },
    Test { records: Vec<Record> },
    ToConnect { topic: String, bytes: Vec<Option<Vec<u8>>> },
    FromConnect { topic: String, data: Vec<Datum> },
    HeadersToConnect { records: Vec<Record> },
    HeadersFromConnect { records: Vec<Record> },
    WriteFile { file: String, text: String },
}

/// How a source is polled.
#[derive(Clone, Debug)]
pub struct PollSpec {
    /// Rows of one poll.
    pub max_records: u32,
    /// Bytes of one poll.
    pub max_bytes: u32,
    /// Milliseconds of one poll.
    pub max_wait_ms: u32,
    /// Polls again until there are so many records; without it there is one poll.
    pub until_records: Option<usize>,
    /// For so long at most.
    pub within: Duration,
}

/// All scenarios of a file.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn read(json: &Json) -> Result<Vec<Scenario>, Fault> {
    let root = Path::default();
    match json {
        Json::Array(list) => list.iter().enumerate().map(|(at, json)| scenario(json, root.item(at))).collect(),
        json => Ok(vec![scenario(json, root)?]),
    }
}

fn scenario(json: &Json, at: Path) -> Result<Scenario, Fault> {
    let what = "a file has a scenario, or a list of them; one";
    let members = Members::of(json, at.clone(), what)?;
    let name = members.required("name")?.to_owned();
    let plugin = members.required("plugin")?.to_owned();
    members.get("about");
    let schemas = named_schemas(&members)?;
    let server = members.object("server")?.into_iter().flatten().map(|(to, json)| answer(&members, to, json));
    let stored = members.list("stored")?.iter().enumerate();
    let stored = stored.map(|(index, json)| stored_offset(json, members.at("stored").item(index)));
    let files = members.object("files")?.into_iter().flatten().map(|(file, text)| match text.as_str() {
        Some(text) => Ok((file.clone(), text.to_owned())),
        None => Err(members.fault("files", format!("the content of {file} has to be a text"))),
    });
    let links = members.list("chain")?.iter().enumerate();
    let links = links.map(|(index, json)| link(json, members.at("chain").item(index)));
    let role = match members.text("role")? {
        None | Some("value") => ConverterRole::Value,
        Some("key") => ConverterRole::Key,
        Some("header") => ConverterRole::Header,
        Some(other) => return Err(members.fault("role", format!("{other} is none of key, value, header"))),
    };
    let tolerates_errors = match members.text("tolerance")? {
        None | Some("all") => true,
        Some("none") => false,
        Some(other) => return Err(members.fault("tolerance", format!("{other} is none of all, none"))),
    };
    let steps = members.list("steps")?.iter().enumerate();
    let steps = steps.map(|(index, json)| step(json, &schemas, members.at("steps").item(index)));
    let scenario = Scenario {
        config: config(&members, "config")?.unwrap_or_default(),
        chain: links.collect::<Result<_, _>>()?,
        role,
        limits: limits(&members)?,
        files: files.collect::<Result<_, _>>()?,
        stored: stored.collect::<Result<_, _>>()?,
        tolerates_errors,
        ends_transactions: members.flag("transactions")?,
        server: server.collect::<Result<_, _>>()?,
        steps: steps.collect::<Result<_, _>>()?,
        name,
        plugin,
        schemas,
        at,
    };
    members.end()?;
    if scenario.steps.is_empty() {
        return Err(Fault { at: scenario.at, message: "the scenario has no steps".to_owned() });
    }
    Ok(scenario)
}

fn named_schemas(members: &Members<'_>) -> Result<Vec<(String, Arc<Schema>)>, Fault> {
    let mut schemas: Vec<(String, Arc<Schema>)> = Vec::new();
    for (name, json) in members.object("schemas")?.into_iter().flatten() {
        let read = notation::schema(&spelled_out(json, &schemas));
        let fault = |message: String| members.fault("schemas", format!("{name}: {message}"));
        let schema = read.map_err(fault)?.ok_or_else(|| fault("it is none".to_owned()))?;
        schemas.push((name.clone(), schema));
    }
    Ok(schemas)
}

/// JSON with named schemas in the place of their names.
pub fn spelled_out(json: &Json, schemas: &[(String, Arc<Schema>)]) -> Json {
    /// Members whose value is a schema.
    const SCHEMAS: [&str; 6] = ["schema", "key_schema", "value_schema", "items", "keys", "values"];
    let named = |json: &Json| {
        let name = json.as_str()?.strip_prefix('#')?;
        let (_, schema) = schemas.iter().find(|(known, _)| known == name)?;
        Some(crate::written::schema(schema, &[]))
    };
    match json {
        Json::Array(items) => items.iter().map(|item| spelled_out(item, schemas)).collect(),
        Json::Object(members) => {
            let member = |(name, json): (&String, &Json)| {
                let json = match json {
                    Json::Object(fields) if name == "fields" => {
                        let field = |(name, json): (&String, &Json)| {
                            (name.clone(), named(json).unwrap_or_else(|| spelled_out(json, schemas)))
                        };
                        Json::Object(fields.iter().map(field).collect())
                    }
                    json if SCHEMAS.contains(&name.as_str()) => {
                        named(json).unwrap_or_else(|| spelled_out(json, schemas))
                    }
                    json => spelled_out(json, schemas),
                };
                (name.clone(), json)
            };
            Json::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}

fn answer(members: &Members<'_>, to: &str, json: &Json) -> Result<(String, Answer), Fault> {
    let inner = Members::of(json, members.at("server").member(to), "an answer")?;
    let answer = Answer {
        status: inner.number("status")?.unwrap_or(200),
        body: inner.text("body")?.unwrap_or_default().to_owned(),
    };
    inner.end()?;
    Ok((to.to_owned(), answer))
}

fn stored_offset(json: &Json, at: Path) -> Result<(Json, Json), Fault> {
    let members = Members::of(json, at, "a stored offset")?;
    let of = |name| members.get(name).cloned().unwrap_or(Json::Null);
    let pair = (of("partition"), of("offset"));
    members.end()?;
    Ok(pair)
}

/// A configuration: texts, numbers and truth values by their keys, and keys without a value.
fn config(members: &Members<'_>, name: &'static str) -> Result<Option<ConfigMap>, Fault> {
    let Some(object) = members.object(name)? else { return Ok(None) };
    let entry = |(key, json): (&String, &Json)| {
        let value = match json {
            Json::Null => None,
            Json::String(text) => Some(text.clone()),
            Json::Number(_) | Json::Bool(_) => Some(json.to_string()),
            Json::Object(_) if json.get("repeat").is_some() => {
                let inner = Members::of(json, members.at(name).member(key), "a value")?;
                let text = inner.required("repeat")?.repeat(inner.number("times")?.unwrap_or(1));
                inner.end()?;
                Some(text)
            }
            Json::Array(_) | Json::Object(_) => {
                let at = members.at(name).member(key);
                return Err(Fault { at, message: format!("the value of {key} has to be a text, a number or null") });
            }
        };
        Ok((key.clone(), value))
    };
    object.iter().map(entry).collect::<Result<_, _>>().map(Some)
}

fn link(json: &Json, at: Path) -> Result<LinkSpec, Fault> {
    let members = Members::of(json, at, "a transform")?;
    let predicate = match members.get("predicate") {
        None => None,
        Some(json) => {
            let inner = Members::of(json, members.at("predicate"), "a predicate")?;
            let predicate = PredicateSpec {
                class: inner.required("class")?.to_owned(),
                config: config(&inner, "config")?.unwrap_or_default(),
                negate: inner.flag("negate")?,
            };
            inner.end()?;
            Some(predicate)
        }
    };
    let link = LinkSpec {
        class: members.required("class")?.to_owned(),
        config: config(&members, "config")?.unwrap_or_default(),
        predicate,
    };
    members.end()?;
    Ok(link)
}

fn limits(members: &Members<'_>) -> Result<LimitsSpec, Fault> {
    let Some(json) = members.get("limits") else { return Ok(LimitsSpec::default()) };
    let inner = Members::of(json, members.at("limits"), "limits")?;
    let time = |name| Ok::<_, Fault>(inner.number(name)?.map(Duration::from_millis));
    let limits = LimitsSpec {
        call_timeout: time("call_timeout_ms")?,
        host_call_timeout: time("host_call_timeout_ms")?,
        memory_max_bytes: inner.number("memory_max_bytes")?,
        batch_max_bytes: inner.number("batch_max_bytes")?,
        batch_max_records: inner.number("batch_max_records")?,
        log_rate: inner.number("log_rate")?,
    };
    inner.end()?;
    Ok(limits)
}

fn step(json: &Json, schemas: &[(String, Arc<Schema>)], at: Path) -> Result<Step, Fault> {
    let json = spelled_out(json, schemas);
    let members = Members::of(&json, at.clone(), "a step")?;
    let word = members.required("do")?.to_owned();
    let records = || members.each("records", Record::read);
    let offsets = |name| partition_offsets(&members, name);
    let partitions =
        || members.each("partitions", |json| json.as_str().ok_or("it is no text".to_owned()).and_then(place));
    let topic = || Ok::<_, Fault>(members.text("topic")?.unwrap_or("t").to_owned());
    let act = match word.as_str() {
        "describe" => Act::Describe,
        "validate" => Act::Validate { config: config(&members, "config")? },
        "connector-start" => Act::ConnectorStart,
        "task-configs" => Act::TaskConfigs { max_tasks: members.number("max_tasks")?.unwrap_or(1) },
        "connector-stop" => Act::ConnectorStop,
        "exactly-once" => Act::ExactlyOnce,
        "boundaries" => Act::Boundaries,
        "alter-offsets" => match members.get("offsets") {
            Some(Json::Array(list)) => {
                let each = list.iter().enumerate();
                let each = each.map(|(index, json)| stored_offset(json, members.at("offsets").item(index)));
                Act::AlterOffsets { source: each.collect::<Result<_, _>>()?, sink: Vec::new() }
            }
            _ => Act::AlterOffsets { source: Vec::new(), sink: offsets("offsets")?.unwrap_or_default() },
        },
        "start" => Act::Start { config: config(&members, "config")? },
        "restart" => Act::Restart { config: config(&members, "config")? },
        "stop" => Act::Stop,
        "ask-to-stop" => Act::AskToStop,
        "poll" => Act::Poll(PollSpec {
            max_records: members.number("max_records")?.unwrap_or(1000),
            max_bytes: members.number("max_bytes")?.unwrap_or(1 << 20),
            max_wait_ms: members.number("max_wait_ms")?.unwrap_or(100),
            until_records: members.number("until_records")?,
            within: Duration::from_millis(members.number("within_ms")?.unwrap_or(20_000)),
        }),
        "deliver" => Act::Deliver {
            filtered: members.each("filtered", |json| {
                json.as_u64().and_then(|row| usize::try_from(row).ok()).ok_or_else(|| format!("{json} is no row"))
            })?,
        },
        "commit" => Act::Commit,
        "open" => Act::Open { partitions: partitions()? },
        "close" => Act::Close { partitions: partitions()? },
        "put" => Act::Put { records: records()? },
        "pre-commit" => {
            let position = |(at, offset): (TopicPartition, Option<i64>)| {
                Some(TopicOffset { topic: at.topic, partition: at.partition, offset: offset? })
            };
            let offsets = offsets("offsets")?;
            Act::PreCommit { offsets: offsets.map(|offsets| offsets.into_iter().filter_map(position).collect()) }
        }
        "take-lease" => Act::TakeLease,
        "configure" => Act::Configure,
        "apply" => Act::Apply { records: records()? },
        "test" => Act::Test { records: records()? },
        "to-connect" if members.get("records").is_some() => Act::HeadersToConnect { records: records()? },
        "from-connect" if members.get("records").is_some() => Act::HeadersFromConnect { records: records()? },
        "to-connect" => Act::ToConnect { topic: topic()?, bytes: members.each("bytes", bytes)? },
        "from-connect" => Act::FromConnect { topic: topic()?, data: members.each("data", read_datum)? },
        "write-file" => {
            Act::WriteFile { file: members.required("file")?.to_owned(), text: members.required("text")?.to_owned() }
        }
        other => return Err(members.fault("do", format!("there is no step {other:?}; there are {}", WORDS.join(", ")))),
    };
    let expect = members.object("expect")?.cloned();
    let unknown =
        expect.iter().flat_map(|expect| expect.keys()).find(|name| !crate::expect::NAMES.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        let message = format!("nothing goes by {unknown:?} here; there are {}", crate::expect::NAMES.join(", "));
        return Err(Fault { at: members.at("expect").member(unknown), message });
    }
    let repeat = members.number("repeat")?.unwrap_or(1);
    members.get("about");
    members.end()?;
    Ok(Step { act, word, repeat, expect, at })
}

/// All steps that there are.
const WORDS: [&str; 26] = [
    "describe",
    "validate",
    "connector-start",
    "task-configs",
    "connector-stop",
    "exactly-once",
    "boundaries",
    "alter-offsets",
    "start",
    "restart",
    "stop",
    "ask-to-stop",
    "poll",
    "deliver",
    "commit",
    "open",
    "close",
    "put",
    "pre-commit",
    "take-lease",
    "configure",
    "apply",
    "test",
    "to-connect",
    "from-connect",
    "write-file",
];

/// Offsets of partitions; none resets.
type PartitionOffsets = Vec<(TopicPartition, Option<i64>)>;

/// `{"t-0": 5, "t-1": null}`.
fn partition_offsets(members: &Members<'_>, name: &'static str) -> Result<Option<PartitionOffsets>, Fault> {
    let Some(object) = members.object(name)? else { return Ok(None) };
    let entry = |(key, json): (&String, &Json)| {
        let fault = |message: String| Fault { at: members.at(name).member(key), message };
        let offset = match json {
            Json::Null => None,
            json => Some(notation::integer(json).ok_or_else(|| fault(format!("{json} is no offset")))?),
        };
        Ok((place(key).map_err(fault)?, offset))
    };
    object.iter().map(entry).collect::<Result<_, _>>().map(Some)
}

/// `TOPIC-PARTITION`.
fn place(text: &str) -> Result<TopicPartition, String> {
    let parts = text.rsplit_once('-').and_then(|(topic, partition)| Some((topic, partition.parse().ok()?)));
    let (topic, partition) = parts.ok_or_else(|| format!("{text:?} is no partition: write topic-0"))?;
    Ok(TopicPartition { topic: topic.to_owned(), partition })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(json: Json, at: Path, message: &str) {
        let fault = read(&json).expect_err("it is wrong");
        assert_eq!(fault.at, at);
        assert!(fault.message.starts_with(message), "{}", fault.message);
    }

    #[test]
    fn what_is_unknown_is_refused_where_it_stands() {
        let steps = |step: Json| json!({"name": "n", "plugin": "p", "steps": [step]});
        let root = Path::default();
        let first = root.member("steps").item(0);
        refused(json!({"plugin": "p", "steps": []}), root.clone(), "there is no member \"name\"");
        refused(json!({"name": "n", "plugin": "p", "steps": []}), root.clone(), "the scenario has no steps");
        refused(steps(json!({"do": "jump"})), first.member("do"), "do: there is no step \"jump\"");
        refused(steps(json!({"do": "poll", "records": 1})), first.member("records"), "there is no member \"records\"");
        refused(
            steps(json!({"do": "poll", "expect": {"record": 1}})),
            first.member("expect").member("record"),
            "nothing goes by \"record\" here",
        );
        refused(
            steps(json!({"do": "put", "records": [{}, {"x": 1}]})),
            first.member("records").item(1),
            "a record has no member \"x\"",
        );
        refused(
            json!([{"name": "n", "plugin": "p", "config": {"k": []}, "steps": [{"do": "stop"}]}]),
            root.item(0).member("config").member("k"),
            "the value of k has to be",
        );
    }

    #[test]
    fn a_named_schema_stands_for_what_it_names() {
        let json = json!({"name": "n", "plugin": "p", "schemas": {"a": "int32", "b": {"type": "array", "items": "#a"}},
            "steps": [{"do": "apply", "records": [{"value_schema": "#b", "value": [1]}]}]});
        let scenarios = read(&json).unwrap();
        let Act::Apply { records } = &scenarios[0].steps[0].act else { panic!("another step") };
        assert_eq!(records[0].value.0, Some(Arc::clone(&scenarios[0].schemas[1].1)));
    }
}
