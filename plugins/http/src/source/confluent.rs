//! The keys of Confluent's HTTP source, version 1, with ours.

use std::time::Duration;

use millstream_sdk::{
    ConnectorContext, Error, Info, Result, Source, Value,
    config::{
        ConfigDef, ConfigMap, ConfigValue, ConfigValues,
        Importance::{High, Low, Medium},
        Key, Opens, PluginConfig,
    },
};

use super::position::{Mode, Pointers, Position};
use super::task::{HttpSourceTask, Settings};
use crate::{
    keys::{SOURCE_ROLES, connection, one_of, text_of},
    retry::{Growth, Policy, Statuses},
};

const MODES: [&str; 5] = ["SIMPLE_INCREMENTING", "CHAINING", "CURSOR_PAGINATION", "LINK_HEADER", "PAGE_NUMBER"];

/// The configuration of connector and task alike.
#[derive(Debug)]
pub struct HttpSourceConfig {
    pub(super) settings: Settings,
    originals: ConfigMap,
}

fn pointer(value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        "" => Ok(()),
        text if text.starts_with('/') => Ok(()),
        _ => Err("a JSON pointer begins with /".to_owned()),
    }
}

impl PluginConfig for HttpSourceConfig {
    fn definition() -> ConfigDef {
        let definition = ConfigDef::new()
            .key(Key::string("topic.name.pattern").required().non_empty().importance(High).doc("Topic of the records; `${entityName}` stands for the entity."))
            .key(Key::string("url").required().non_empty().importance(High).opens(Opens::http_url(SOURCE_ROLES)).doc("Where requests go; `${entityName}` and `${offset}` stand for the entity and the offset, encoded."))
            .key(Key::list("entity.names").default("").importance(High).doc("Entities that are read, spread over the tasks."))
            .key(one_of(Key::string("http.request.method"), &["get", "post"]).default("get").importance(High).doc("Method of the requests."))
            .key(Key::string("http.request.headers").default("").importance(Medium).doc("`Name:value` items for every request, between separators. The connector itself does not see them."))
            .key(Key::string("http.request.headers.separator").default("|").importance(Medium).doc("What stands between these items."))
            .key(Key::password("http.request.sensitive.headers").default("").importance(Medium).doc("The same, hidden wherever the configuration is shown."))
            .key(Key::string("http.request.parameters").default("").importance(Medium).doc("`name=value` items for the query of a GET, with placeholders as in the URL."))
            .key(Key::string("http.request.parameters.separator").default("&").importance(Medium).doc("What stands between these items."))
            .key(Key::string("http.request.body").default("").importance(Medium).doc("Body of a POST, with placeholders as in the URL, not encoded."))
            .key(Key::string("http.initial.offset").default("").importance(High).doc("The first offset."))
            .key(one_of(Key::string("http.offset.mode"), &MODES).default("SIMPLE_INCREMENTING").importance(High).doc("How the API is walked through. The last two are ours: the next page is in the `Link` header, or has the next number."))
            .key(Key::string("http.response.data.json.pointer").default("").check(pointer).importance(High).doc("To the records, from the answer: an array has many, anything else is one."))
            .key(Key::string("http.offset.json.pointer").default("").check(pointer).importance(High).doc("To the offset, from a record, for CHAINING."))
            .key(Key::boolean("use.http.offset.json.pointer.as.string").default(true).importance(High).doc("Ignored: offsets are kept as text."))
            .key(Key::string("http.next.page.json.pointer").default("").check(pointer).importance(High).doc("To the next page, from the answer, for CURSOR_PAGINATION: a token for `${offset}`, a URL, or what follows a server's name or path in one."))
            .key(Key::int("http.page.size").default(0).range(0..).importance(Medium).doc("Records of a full page, for PAGE_NUMBER. A key of ours."))
            .key(Key::int("max.retries").default(10).range(0..).importance(Medium).doc("How often a request is sent again."))
            .key(Key::int("retry.backoff.ms").default(3000).range(0..).importance(Medium).doc("The first wait before that; they double up to a minute. A `Retry-After` is obeyed where it is longer."))
            .key(Key::string("retry.on.status.codes").default("400-").check(|value| Statuses::parse(text_of(value)).map(drop)).importance(Medium).doc("Statuses after which a request is sent again, beside 401, 408 and 429."))
            .key(Key::int("max.in.flight.requests").default(10).range(1..).importance(High).doc("Accepted; each task sends one request at a time."))
            .key(Key::long("request.interval.ms").importance(Medium).doc("Shortest time between the requests of an entity."))
            .key(Key::long("http.idle.interval.ms").default(1000).importance(Medium).doc("The same where an answer has brought nothing that more could follow. A key of ours."))
            .key(Key::boolean("http.etag.enabled").default(true).importance(Low).doc("Whether a GET that was sent before says what it knows (`If-None-Match`). A key of ours."))
            .key(one_of(Key::string("http.record.format"), &["data", "string"]).default("data").importance(Medium).doc("Whether a record's value is schemaless data or JSON as a text. A key of ours."))
            .key(Key::string("sensitive.headers.list").default("authorization").importance(Low).doc("Ignored: no header is shown."))
            .key(Key::boolean("sensitive.headers.validation.enabled").default(true).importance(Low).doc("Ignored."));
        connection(definition, "oauth2.client.mode", &["NONE", "BASIC", "OAUTH2", "BEARER", "API_KEY"])
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let text = |key: &str| values.string(key).map(str::to_owned);
        let word = |key: &str| values.string(key).map(str::to_ascii_uppercase);
        let invalid = |key: &str, why: &str| Error::config(format!("Invalid value for configuration {key}: {why}"));
        let pointers = Pointers {
            data: text("http.response.data.json.pointer")?,
            offset: text("http.offset.json.pointer")?,
            next: text("http.next.page.json.pointer")?,
        };
        let mode = match word("http.offset.mode")?.as_str() {
            "CHAINING" if pointers.offset.is_empty() => {
                return Err(invalid("http.offset.json.pointer", "it must be set for CHAINING"));
            }
            "CHAINING" => Mode::Chaining,
            "CURSOR_PAGINATION" if pointers.next.is_empty() => {
                return Err(invalid("http.next.page.json.pointer", "it must be set for CURSOR_PAGINATION"));
            }
            "CURSOR_PAGINATION" => Mode::Cursor,
            "LINK_HEADER" => Mode::Link,
            "PAGE_NUMBER" => match usize::try_from(values.int("http.page.size")?) {
                Ok(size) if size != 0 => Mode::Page(size),
                _ => return Err(invalid("http.page.size", "it must be set for PAGE_NUMBER")),
            },
            _ => Mode::Incrementing,
        };
        let mut initial = text("http.initial.offset")?;
        if initial.is_empty() {
            match mode {
                Mode::Incrementing => initial.push('0'),
                Mode::Page(_) => initial.push('1'),
                Mode::Chaining | Mode::Cursor | Mode::Link => {}
            }
        }
        let parameters = values.string("http.request.parameters")?;
        let separator = values.string("http.request.parameters.separator")?;
        let parameters = match separator {
            "" => vec![parameters.to_owned()],
            separator => parameters.split(separator).map(|item| item.trim().to_owned()).collect(),
        };
        let method = word("http.request.method")?;
        let ms = |number: Option<i64>| Duration::from_millis(number.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0));
        let statuses = Statuses::parse(&format!("401,408,429,{}", values.string("retry.on.status.codes")?));
        Ok(Self {
            settings: Settings {
                topic: text("topic.name.pattern")?,
                url: text("url")?,
                entities: values.list("entity.names")?.to_vec(),
                body: (method == "POST").then(|| values.string("http.request.body").map(str::to_owned)).transpose()?,
                method,
                parameters: parameters.into_iter().filter(|item| !item.is_empty()).collect(),
                initial: Position { offset: initial, read: 0 },
                mode,
                pointers,
                retried: statuses.map_err(Error::config)?,
                retries: Policy {
                    max_retries: u32::try_from(values.int("max.retries")?).unwrap_or(0),
                    backoff: Duration::from_millis(u64::try_from(values.int("retry.backoff.ms")?).unwrap_or(0)),
                    max_backoff: Duration::from_secs(60),
                    growth: Growth::Exponential,
                },
                interval: ms(values.opt_long("request.interval.ms")),
                idle: ms(values.opt_long("http.idle.interval.ms")),
                etag: values.boolean("http.etag.enabled")?,
                as_text: word("http.record.format")? == "STRING",
            },
            originals: values.originals().clone(),
        })
    }
}

/// The connector: entities are spread over the tasks.
#[derive(Debug)]
pub struct HttpSource {
    config: HttpSourceConfig,
}

impl Source for HttpSource {
    const INFO: Info = Info::new("io.confluent.connect.http.HttpSourceConnector")
        .task_class("io.confluent.connect.http.HttpSourceTask")
        .aliases(&["io.millstream.HttpSourceConnector"])
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Reads an HTTP API page by page.");
    type Config = HttpSourceConfig;
    type Task = HttpSourceTask;

    fn start(config: HttpSourceConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { config })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        let HttpSourceConfig { settings, originals } = &self.config;
        if settings.entities.is_empty() {
            return Ok(vec![originals.clone()]);
        }
        let tasks = settings.entities.len().min(max_tasks.max(1) as usize);
        let share = |task: usize| -> Vec<&str> {
            settings.entities.iter().skip(task).step_by(tasks).map(String::as_str).collect()
        };
        Ok((0..tasks).map(|task| originals.clone().with("entity.names", share(task).join(","))).collect())
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        Ok(match HttpSourceConfig::parse(config) {
            Ok(_) => Vec::new(),
            Err(error) => vec![("http.offset.mode".to_owned(), error.message)],
        })
    }

    fn alter_offsets(_: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool> {
        for offset in offsets.iter().filter_map(|(_, offset)| offset.as_ref()) {
            Position::of_value(offset)?;
        }
        Ok(true)
    }
}
