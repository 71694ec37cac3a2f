//! The keys of castorm's HTTP source: one request again and again, whose templates have the last record's offset.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_sdk::{
    Collector, ConnectorContext, Error, Field, Info, PollLimits, Record, Result, Schema, SchemaType, Source,
    SourceContext, SourceTask, Timestamp, Value,
    batch::Table,
    config::{
        ConfigDef, ConfigMap, ConfigValue, ConfigValues,
        Importance::{High, Low, Medium},
        Key, Opens, PluginConfig,
    },
    http::{Cause, Request},
    map, rest,
    values::DatePattern,
};
use serde_json::Value as Json;

use super::freemarker::{Template, Values};
use super::md5::name_uuid;
use super::record::{items, parse, scalar, take, text};
use super::timestamp;
use crate::keys::{one_of, text_of};

const ROLES: &[(&str, &str)] = &[
    ("auth", "http.auth.type"),
    ("user", "http.auth.user"),
    ("password", "http.auth.password"),
    ("headers", "http.request.headers"),
    ("header-separator", "http.request.headers.separator"),
    ("connect-timeout-ms", "http.client.connection.timeout.millis"),
    ("request-timeout-ms", "http.client.read.timeout.millis"),
    ("idle-timeout-ms", "http.client.ttl.millis"),
    ("keystore", "http.client.keystore"),
    ("keystore-password", "http.client.keystore.password"),
    ("proxy-host", "http.client.proxy.host"),
    ("proxy-port", "http.client.proxy.port"),
    ("proxy-user", "http.client.proxy.username"),
    ("proxy-password", "http.client.proxy.password"),
    ("redirects", "http.redirects.follow"),
    ("origins", "http.allowed.origins"),
];

/// The pattern that needs no other reader than ISO 8601.
const ISO_PATTERN: &str = "yyyy-MM-dd'T'HH:mm:ss[.SSS]X";

/// Longest part of an answer in messages, in characters.
const MAX_SHOWN: usize = 500;

/// Parts that castorm lets users exchange, with those that are known here; the first is the default.
const PARTS: [(&str, &[&str]); 13] = [
    ("http.timer", &["AdaptableIntervalTimer", "FixedIntervalTimer"]),
    ("http.client", &["OkHttpClient"]),
    ("http.auth", &["ConfigurableHttpAuthenticator"]),
    ("http.request.factory", &["TemplateHttpRequestFactory"]),
    ("http.request.template.factory", &["BackwardsCompatibleFreeMarkerTemplateFactory", "FreeMarkerTemplateFactory"]),
    ("http.response.parser", &["PolicyHttpResponseParser"]),
    ("http.response.policy", &["StatusCodeHttpResponsePolicy"]),
    ("http.response.policy.parser", &["KvHttpResponseParser"]),
    ("http.response.record.parser", &["JacksonKvRecordHttpResponseParser"]),
    ("http.response.record.mapper", &["SchemedKvSourceRecordMapper", "StringKvSourceRecordMapper"]),
    (
        "http.response.record.timestamp.parser",
        &["EpochMillisOrDelegateTimestampParser", "EpochMillisTimestampParser", "DateTimeFormatterTimestampParser"],
    ),
    ("http.record.sorter", &["OrderDirectionSourceRecordSorter"]),
    (
        "http.record.filter.factory",
        &["OffsetRecordFilterFactory", "OffsetTimestampRecordFilterFactory", "PassthroughRecordFilterFactory"],
    ),
];

/// The configuration of connector and task alike.
#[derive(Debug)]
pub struct CastormSourceConfig {
    settings: Settings,
    originals: ConfigMap,
}

#[derive(Debug)]
struct Settings {
    topic: String,
    url: Template,
    method: String,
    params: Vec<(String, Template)>,
    body: Template,
    initial: Values,
    list: String,
    record: String,
    offsets: Vec<(String, String)>,
    moments: Moments,
    order: Order,
    process: Vec<(u16, u16)>,
    skip: Vec<(u16, u16)>,
    interval: Duration,
    catch_up: Duration,
    plain: bool,
    filter: Filter,
}

/// How timestamps are read.
#[derive(Debug)]
struct Moments {
    epoch: bool,
    /// None for ISO 8601, or for numbers alone.
    pattern: Option<DatePattern>,
    text: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Order {
    Implicit,
    Asc,
    Desc,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Filter {
    Offset,
    Timestamp,
    None,
}

/// A pointer as castorm has it: `/` is the whole document.
fn pointer(text: &str) -> String {
    if text == "/" { String::new() } else { text.to_owned() }
}

fn is_pointer(value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        "" => Ok(()),
        text if text.starts_with('/') => Ok(()),
        _ => Err("a JSON pointer begins with /".to_owned()),
    }
}

fn is_template(value: &ConfigValue) -> Result<(), String> {
    Template::parse(text_of(value)).map(drop)
}

/// `k=v, k2=v2`.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |item: &str| {
        let (name, value) = item.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    text.split(',').filter_map(pair).filter(|(name, _)| !name.is_empty()).collect()
}

/// `200..299, 404`.
fn codes(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    let range = |item: &str| {
        let range = match item.split_once("..") {
            None => code(item).map(|one| (one, one)),
            Some((from, to)) => code(from).zip(code(to)).filter(|(from, to)| from <= to),
        };
        range.ok_or_else(|| format!("{item} is neither a status nor a range such as 200..299"))
    };
    items.map(range).collect()
}

fn within(codes: &[(u16, u16)], code: u16) -> bool {
    codes.iter().any(|&(from, to)| (from..=to).contains(&code))
}

/// The simple name of a class that stands for a part.
fn part<'v>(values: &'v ConfigValues, key: &str) -> Result<&'v str> {
    let class = values.string(key)?;
    let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
    let (_, known) = PARTS.iter().find(|(known, _)| *known == key).expect("each part is in the list");
    if known.contains(&simple) {
        return Ok(simple);
    }
    Err(Error::config(format!("Invalid value {class} for configuration {key}: known here is {}", known.join(", "))))
}

impl PluginConfig for CastormSourceConfig {
    fn definition() -> ConfigDef {
        let definition = ConfigDef::new()
            .key(Key::string("kafka.topic").required().non_empty().importance(High).doc("Topic of the records."))
            .key(Key::string("http.request.url").required().non_empty().check(is_template).importance(High).opens(Opens::http_url(ROLES)).doc("Where requests go; `${offset.NAME}` stands for a part of the last record's offset."))
            .key(one_of(Key::string("http.request.method"), &["GET", "HEAD", "PUT", "POST", "PATCH"]).default("GET").importance(High).doc("Method of the requests."))
            .key(Key::string("http.request.headers").default("").importance(Medium).doc("`Name: value` items; a comma in a value is `\\,`. No templates. The connector itself does not see them."))
            .key(Key::string("http.request.headers.separator").default(",").importance(Low).doc("What stands between these items. A key of ours."))
            .key(Key::string("http.request.params").default("").check(is_template).importance(Medium).doc("`name=value` items between `&`, encoded."))
            .key(Key::string("http.request.body").default("").check(is_template).importance(Low).doc("Body of the requests."))
            .key(Key::string("http.offset.initial").default("").importance(High).doc("The first offset: `key=0, timestamp=2024-01-01T00:00:00Z`."))
            .key(Key::string("http.response.list.pointer").default("/").check(is_pointer).importance(High).doc("To the records, from the answer; `/` is the whole."))
            .key(Key::string("http.response.record.pointer").default("/").check(is_pointer).importance(High).doc("To what is a record's value, from an item of the list."))
            .key(Key::string("http.response.record.offset.pointer").default("").importance(High).doc("To the parts of the offset, from an item: `key=/id, timestamp=/updated`."))
            .key(Key::string("http.response.record.key.pointer").check(is_pointer).importance(Low).doc("To the key: an old name."))
            .key(Key::string("http.response.record.timestamp.pointer").check(is_pointer).importance(Low).doc("To the timestamp: an old name."))
            .key(Key::class("http.response.record.timestamp.parser.delegate").default("DateTimeFormatterTimestampParser").importance(Low).doc("Reads timestamps that are no numbers."))
            .key(Key::string("http.response.record.timestamp.parser.pattern").default(ISO_PATTERN).importance(Low).doc("How they are written: ISO 8601, or a pattern of SimpleDateFormat."))
            .key(Key::string("http.response.record.timestamp.parser.zone").default("UTC").one_of(&["UTC", "GMT", "Z"]).importance(Low).doc("Their zone where they name none: UTC."))
            .key(one_of(Key::string("http.response.list.order.direction"), &["ASC", "DESC", "IMPLICIT"]).default("IMPLICIT").importance(Medium).doc("Order of the list: what comes last first is turned round."))
            .key(Key::string("http.response.policy.codes.process").default("200..299").check(|value| codes(text_of(value)).map(drop)).importance(Medium).doc("Statuses whose answers are read."))
            .key(Key::string("http.response.policy.codes.skip").default("300..399").check(|value| codes(text_of(value)).map(drop)).importance(Medium).doc("Statuses whose answers have no records; any other fails the task."))
            .key(Key::long("http.timer.interval.millis").importance(High).doc("Time between requests; 60000 unless set."))
            .key(Key::long("http.timer.catchup.interval.millis").importance(High).doc("The same while there is much to be read; 30000 unless set."))
            .key(Key::long("http.throttler.interval.millis").importance(Low).doc("An old name of the interval."))
            .key(Key::long("http.throttler.catchup.interval.millis").importance(Low).doc("An old name of the other interval."))
            .key(one_of(Key::string("http.auth.type"), &["None", "Basic"]).default("None").importance(Medium).doc("How requests are authenticated."))
            .key(Key::string("http.auth.user").default("").importance(Medium).doc("User for basic authentication."))
            .key(Key::password("http.auth.password").default("").importance(Medium).doc("Their password."))
            .key(Key::long("http.client.connection.timeout.millis").default(2000).importance(Low).doc("Longest wait for a connection."))
            .key(Key::long("http.client.read.timeout.millis").default(2000).importance(Low).doc("Longest wait for an answer."))
            .key(Key::long("http.client.ttl.millis").default(300_000).importance(Low).doc("How long an unused connection is kept."))
            .key(Key::int("http.client.max-idle").default(1).importance(Low).doc("Ignored."))
            .key(Key::string("http.client.proxy.host").default("").importance(Low).doc("A proxy for all requests."))
            .key(Key::int("http.client.proxy.port").default(3128).importance(Low).doc("Its port."))
            .key(Key::string("http.client.proxy.username").default("").importance(Low).doc("User at the proxy."))
            .key(Key::password("http.client.proxy.password").default("").importance(Low).doc("Their password."))
            .key(Key::string("http.client.keystore").default("").importance(Low).doc("Client certificate: a PKCS #12 file."))
            .key(Key::password("http.client.keystore.password").default("").importance(Low).doc("Its password."))
            .key(Key::boolean("http.redirects.follow").default(false).importance(Low).doc("Whether redirects are followed, to servers that keys name. A key of ours."))
            .key(Key::list("http.allowed.origins").default("").importance(Low).doc("Further servers that requests may go to. A key of ours."));
        PARTS.iter().fold(definition, |definition, (key, known)| {
            definition.key(
                Key::class(key).default(known[0]).importance(Low).doc(&format!("Known here: {}.", known.join(", "))),
            )
        })
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        for (key, _) in PARTS {
            part(values, key)?;
        }
        let template = |key: &str| {
            let text = values.opt_string(key).unwrap_or_default();
            Template::parse(text).map_err(|why| Error::config(format!("Invalid value for configuration {key}: {why}")))
        };
        let mut params = Vec::new();
        let text = values.string("http.request.params")?;
        for item in text.split('&').map(str::trim).filter(|item| !item.is_empty()) {
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            params.push((name.trim().to_owned(), Template::parse(value.trim()).map_err(Error::config)?));
        }
        let mut offsets = pairs(values.string("http.response.record.offset.pointer")?);
        for (name, key) in
            [("key", "http.response.record.key.pointer"), ("timestamp", "http.response.record.timestamp.pointer")]
        {
            if let Some(old) = values.opt_string(key).filter(|old| !old.is_empty())
                && offsets.iter().all(|(known, _)| known != name)
            {
                offsets.push((name.to_owned(), old.to_owned()));
            }
        }
        if let Some((name, wrong)) = offsets.iter().find(|(_, pointer)| !pointer.starts_with('/')) {
            return Err(Error::config(format!(
                "Invalid value {name}={wrong} for configuration http.response.record.offset.pointer: a JSON pointer begins with /"
            )));
        }
        let pattern = values.string("http.response.record.timestamp.parser.pattern")?;
        let pattern = match pattern {
            ISO_PATTERN => None,
            other => Some(DatePattern::compile(other).map_err(|error| {
                Error::config(format!(
                    "Invalid value {other} for configuration http.response.record.timestamp.parser.pattern: {error}"
                ))
            })?),
        };
        let parser = part(values, "http.response.record.timestamp.parser")?;
        let ms = |keys: [&str; 2], or: i64| {
            let set = keys.iter().find_map(|key| values.opt_long(key)).unwrap_or(or);
            Duration::from_millis(u64::try_from(set).unwrap_or(0))
        };
        let interval = ms(["http.timer.interval.millis", "http.throttler.interval.millis"], 60_000);
        let adapts = part(values, "http.timer")? == "AdaptableIntervalTimer";
        Ok(Self {
            settings: Settings {
                topic: values.string("kafka.topic")?.to_owned(),
                url: template("http.request.url")?,
                method: values.string("http.request.method")?.to_ascii_uppercase(),
                params,
                body: template("http.request.body")?,
                initial: pairs(values.string("http.offset.initial")?).into_iter().collect(),
                list: pointer(values.string("http.response.list.pointer")?),
                record: pointer(values.string("http.response.record.pointer")?),
                offsets: offsets.into_iter().map(|(name, to)| (name, pointer(&to))).collect(),
                moments: Moments {
                    epoch: parser != "DateTimeFormatterTimestampParser",
                    text: parser != "EpochMillisTimestampParser",
                    pattern,
                },
                order: match values.string("http.response.list.order.direction")?.to_ascii_uppercase().as_str() {
                    "ASC" => Order::Asc,
                    "DESC" => Order::Desc,
                    _ => Order::Implicit,
                },
                process: codes(values.string("http.response.policy.codes.process")?).map_err(Error::config)?,
                skip: codes(values.string("http.response.policy.codes.skip")?).map_err(Error::config)?,
                interval,
                catch_up: if adapts {
                    ms(["http.timer.catchup.interval.millis", "http.throttler.catchup.interval.millis"], 30_000)
                } else {
                    interval
                },
                plain: part(values, "http.response.record.mapper")? == "StringKvSourceRecordMapper",
                filter: match part(values, "http.record.filter.factory")? {
                    "OffsetTimestampRecordFilterFactory" => Filter::Timestamp,
                    "PassthroughRecordFilterFactory" => Filter::None,
                    _ => Filter::Offset,
                },
            },
            originals: values.originals().clone(),
        })
    }
}

/// The connector: one task.
#[derive(Debug)]
pub struct CastormSource {
    originals: ConfigMap,
}

impl Source for CastormSource {
    const INFO: Info = Info::new("com.github.castorm.kafka.connect.http.HttpSourceConnector")
        .task_class("com.github.castorm.kafka.connect.http.HttpSourceTask")
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Asks an HTTP API again and again, under the keys of castorm's connector.");
    type Config = CastormSourceConfig;
    type Task = CastormSourceTask;

    fn start(config: CastormSourceConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { originals: config.originals })
    }

    fn task_configs(&mut self, _: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.originals.clone()])
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        Ok(match CastormSourceConfig::parse(config) {
            Ok(_) => Vec::new(),
            Err(error) => vec![("http.request.url".to_owned(), error.message)],
        })
    }

    fn alter_offsets(_: &ConfigMap, _: &[(Value, Option<Value>)]) -> Result<bool> {
        Ok(true)
    }
}

/// One record of an answer.
#[derive(Debug)]
struct Item {
    text: String,
    offset: Values,
    timestamp: Option<i64>,
}

/// The task.
#[derive(Debug)]
pub struct CastormSourceTask {
    settings: Settings,
    offset: Values,
    ready: VecDeque<Item>,
    due: Instant,
    schemas: [Arc<Schema>; 2],
}

fn schemas() -> [Arc<Schema>; 2] {
    let field = |name: &str, kind: SchemaType, optional: bool| {
        let schema = Schema::new(kind);
        Field { name: name.to_owned(), schema: Arc::new(if optional { schema.optional() } else { schema }) }
    };
    let named = |name: &str, fields| {
        Arc::new(
            Schema::new(SchemaType::Struct(fields)).named(&format!("com.github.castorm.kafka.connect.http.{name}")),
        )
    };
    [
        named("Key", vec![field("key", SchemaType::String, true)]),
        named(
            "Value",
            vec![
                field("value", SchemaType::String, false),
                field("key", SchemaType::String, true),
                field("timestamp", SchemaType::Int64, true),
            ],
        ),
    ]
}

impl SourceTask for CastormSourceTask {
    type Config = CastormSourceConfig;

    fn start(config: CastormSourceConfig, context: SourceContext) -> Result<Self> {
        let stored = context.offset(&map([]))?;
        let offset = match stored {
            Some(Value::Map(entries)) => {
                let text = |(name, value): (Value, Value)| match (name, value) {
                    (Value::String(name), Value::String(text)) => Some((name, text)),
                    (Value::String(name), Value::Int64(number)) => Some((name, number.to_string())),
                    _ => None,
                };
                entries.into_iter().filter_map(text).collect()
            }
            _ => config.settings.initial.clone(),
        };
        let (ready, due, schemas) = (VecDeque::new(), Instant::now(), schemas());
        Ok(Self { settings: config.settings, offset, ready, due, schemas })
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        if self.ready.is_empty() && self.due <= Instant::now() {
            self.ask()?;
        }
        if self.ready.is_empty() {
            rest(self.due.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
            return Ok(None);
        }
        let mut collector = Collector::new();
        let count = self.ready.len().min(limits.max_records.max(1) as usize);
        for item in self.ready.drain(..count) {
            collector.push(&record(&self.settings, &self.schemas, item))?;
        }
        collector.into_table()
    }
}

fn record(settings: &Settings, schemas: &[Arc<Schema>; 2], item: Item) -> Record {
    let Item { text, offset, timestamp } = item;
    let key = offset.get("key").map_or(Value::Null, |key| Value::String(key.clone()));
    let now = || Timestamp::now().as_millis();
    let [of_key, of_value] = schemas;
    let record = if settings.plain {
        let schema = Arc::new(Schema::new(SchemaType::String));
        let of_key = Arc::new(Schema::new(SchemaType::String).optional());
        Record::with_schema(&settings.topic, &schema, Value::String(text)).key_with_schema(&of_key, key)
    } else {
        let time = timestamp.map_or(Value::Null, Value::Int64);
        let value = Value::Struct(Arc::clone(of_value), vec![Value::String(text), key.clone(), time]);
        Record::with_schema(&settings.topic, of_value, value)
            .key_with_schema(of_key, Value::Struct(Arc::clone(of_key), vec![key]))
    };
    let offset =
        Value::Map(offset.into_iter().map(|(name, text)| (Value::String(name), Value::String(text))).collect());
    record.timestamp_ms(timestamp.unwrap_or_else(now)).from(map([]), offset)
}

impl CastormSourceTask {
    fn ask(&mut self) -> Result<()> {
        let settings = &self.settings;
        let now = Instant::now();
        self.due = now + settings.interval;
        let filled = |template: &Template| template.expand(&self.offset).map_err(Error::config);
        let mut url = filled(&settings.url)?;
        for (name, value) in &settings.params {
            let joint = if url.contains('?') { '&' } else { '?' };
            let encode = millstream_sdk::http::encode;
            url.push_str(&format!("{joint}{}={}", encode(name), encode(&filled(value)?)));
        }
        let request = Request::new(&settings.method, &url).body(filled(&settings.body)?);
        let response = match request.send() {
            Ok(response) => response,
            Err(error) if error.cause == Cause::Stopping => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if within(&settings.skip, response.status) {
            return Ok(());
        }
        if !within(&settings.process, response.status) {
            let body: String = response.text().chars().take(MAX_SHOWN).collect();
            return Err(Error::fatal(format!("Policy failed for response code: {}, body: {body}", response.status)));
        }
        let is_empty = response.body.iter().all(u8::is_ascii_whitespace);
        let document: Json = if is_empty {
            Json::Null
        } else {
            parse(&response.body)
                .map_err(|error| Error::fatal(format!("the answer of {url} is no JSON")).because(&error))?
        };
        let mut found = Vec::new();
        for (number, json) in items(take(document, &settings.list)).into_iter().enumerate() {
            found.push(
                item(settings, json)
                    .map_err(|why| Error::fatal(format!("record {number} of the answer of {url}: {why}")))?,
            );
        }
        let ends = (found.first().and_then(|first| first.timestamp), found.last().and_then(|last| last.timestamp));
        let falls = matches!(ends, (Some(first), Some(last)) if last < first);
        if settings.order == Order::Desc || (settings.order == Order::Implicit && falls) {
            found.reverse();
        }
        let kept = filtered(settings.filter, &self.offset, found);
        if let Some(last) = kept.last() {
            let before = self.offset.get("timestamp").and_then(|text| timestamp::parse_iso(text));
            let moved = last.timestamp.filter(|&time| before.is_none_or(|before| before < time));
            let age = moved.map(|time| Timestamp::now().as_millis().saturating_sub(time));
            // Much is still to come as long as what comes is older than the time between requests.
            if age.is_some_and(|age| i64::try_from(settings.interval.as_millis()).unwrap_or(i64::MAX) < age) {
                self.due = now + settings.catch_up;
            }
            self.offset = last.offset.clone();
        }
        self.ready.extend(kept);
        Ok(())
    }
}

fn item(settings: &Settings, json: Json) -> Result<Item, String> {
    let mut offset = Values::new();
    let mut timestamp = None;
    for (name, to) in &settings.offsets {
        let Some(text) = json.pointer(to).and_then(scalar) else {
            return Err(format!("there is no text or number at {to} (http.response.record.offset.pointer)"));
        };
        if name == "timestamp" {
            let ms = settings.moments.parse(&text).ok_or_else(|| format!("{text} at {to} is no timestamp"))?;
            timestamp = Some(ms);
            offset.insert(name.clone(), timestamp::instant_text(ms));
        } else {
            offset.insert(name.clone(), text);
        }
    }
    let body = take(json, &settings.record);
    let text = match body {
        None => return Err(format!("there is nothing at {} (http.response.record.pointer)", settings.record)),
        Some(body) => text(body),
    };
    offset.entry("key".to_owned()).or_insert_with(|| name_uuid(text.as_bytes()));
    Ok(Item { text, offset, timestamp })
}

impl Moments {
    fn parse(&self, text: &str) -> Option<i64> {
        if self.epoch
            && let Ok(ms) = text.parse::<i64>()
        {
            return Some(ms);
        }
        if !self.text {
            return None;
        }
        match &self.pattern {
            Some(pattern) => pattern.parse(text),
            None => timestamp::parse_iso(text),
        }
    }
}

/// What of a list is new to one who has read up to an offset.
fn filtered(filter: Filter, offset: &Values, items: Vec<Item>) -> Vec<Item> {
    let last = offset.get("timestamp").and_then(|text| timestamp::parse_iso(text));
    let is_later = |item: &Item| match (last, item.timestamp) {
        (Some(last), Some(time)) => last < time,
        _ => true,
    };
    match filter {
        Filter::None => items,
        Filter::Timestamp => items.into_iter().filter(is_later).collect(),
        Filter::Offset => match items.iter().position(|item| item.offset == *offset) {
            Some(known) => {
                let at_or_before = |(at, item): (usize, Item)| {
                    (known < at || (last.is_some() && at < known && is_later(&item))).then_some(item)
                };
                items.into_iter().enumerate().filter_map(at_or_before).collect()
            }
            None => items.into_iter().filter(is_later).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use millstream_sdk::{harness::Harness, http::Response, records_of};
    use serde_json::json;

    use super::*;

    const LIMITS: PollLimits = PollLimits { max_records: 100, max_bytes: 1 << 20, max_wait_ms: 5000 };

    fn start(harness: &Harness, pairs: &[(&str, &str)]) -> Result<CastormSourceTask> {
        let base = ConfigMap::from([
            ("kafka.topic", "t"),
            ("http.request.url", "http://h/a"),
            ("http.timer.interval.millis", "0"),
        ]);
        harness.source_task(&pairs.iter().fold(base, |map, (key, value)| map.with(*key, *value)))
    }

    fn records(task: &mut CastormSourceTask) -> Vec<Record> {
        let table = task.poll(&LIMITS).expect("polled");
        table.map_or_else(Vec::new, |table| records_of(table.write()).expect("records"))
    }

    fn serve(harness: &Harness, answer: impl Fn(&str) -> Response + 'static) -> Rc<RefCell<Vec<String>>> {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let theirs = Rc::clone(&seen);
        harness.serve(move |request| {
            theirs.borrow_mut().push(request.url().to_owned());
            Ok(answer(request.url()))
        });
        seen
    }

    #[test]
    fn records_have_castorms_shape_and_the_next_request_their_offset() {
        let harness = Harness::enter();
        let seen = serve(&harness, |_| {
            let items = json!({"items": [
                {"id": 2, "at": "2024-05-01T12:00:02Z", "x": {"a": 1}},
                {"id": 1, "at": "2024-05-01T12:00:01Z", "x": "text"},
            ]});
            Response::new(200, items.to_string())
        });
        let pairs = [
            ("http.request.params", "since=${offset.timestamp?datetime.iso?long} & k=${offset.key}"),
            ("http.offset.initial", "key=0, timestamp=2024-05-01T12:00:00Z"),
            ("http.response.list.pointer", "/items"),
            ("http.response.record.pointer", "/x"),
            ("http.response.record.offset.pointer", "key=/id, timestamp=/at"),
        ];
        let mut task = start(&harness, &pairs).expect("started");
        let found = records(&mut task);
        let [first, second] = &found[..] else { panic!("{found:?}") };
        let schemas = schemas();
        let value = |text: &str, key: &str, ms| {
            Value::Struct(Arc::clone(&schemas[1]), vec![text.into(), key.into(), Value::Int64(ms)])
        };
        assert_eq!(first.value, value("text", "1", 1_714_564_801_000), "the list was the wrong way round");
        assert_eq!(second.value, value("{\"a\":1}", "2", 1_714_564_802_000));
        assert_eq!(first.key, Value::Struct(Arc::clone(&schemas[0]), vec!["1".into()]));
        assert_eq!(second.timestamp_ms, Some(1_714_564_802_000));
        assert_eq!(second.source_partition, map([]));
        assert_eq!(second.source_offset, map([("key", "2".into()), ("timestamp", "2024-05-01T12:00:02Z".into())]));
        // The same list again has nothing new.
        task.due = Instant::now();
        assert!(records(&mut task).is_empty());
        assert_eq!(*seen.borrow(), ["http://h/a?since=1714564800000&k=0", "http://h/a?since=1714564802000&k=2"]);
        harness.store_offset(&map([]), &map([("key", "1".into()), ("timestamp", "2024-05-01T12:00:01Z".into())]));
        assert_eq!(records(&mut start(&harness, &pairs).expect("started")).len(), 1);
    }

    #[test]
    fn a_record_without_a_key_is_named_by_its_text_and_filters_may_be_chosen() {
        let harness = Harness::enter();
        serve(&harness, |_| Response::new(200, r#"["abc", "def"]"#));
        let plain =
            ("http.response.record.mapper", "com.github.castorm.kafka.connect.http.record.StringKvSourceRecordMapper");
        let mut task = start(&harness, &[plain]).expect("started");
        let found = records(&mut task);
        assert_eq!((&found[0].key, &found[0].value), (&"90015098-3cd2-3fb0-9696-3f7d28e17f72".into(), &"abc".into()));
        assert!(records(&mut task).is_empty(), "up to the stored offset everything is known");
        let all = ("http.record.filter.factory", "PassthroughRecordFilterFactory");
        let mut task = start(&harness, &[plain, all]).expect("started");
        assert_eq!((records(&mut task).len(), records(&mut task).len()), (2, 2));
    }

    #[test]
    fn statuses_decide_and_what_is_not_known_is_refused() {
        let harness = Harness::enter();
        serve(&harness, |_| Response::new(304, ""));
        assert!(records(&mut start(&harness, &[]).expect("started")).is_empty());
        serve(&harness, |_| Response::new(500, "oh"));
        let error = start(&harness, &[]).expect("started").poll(&LIMITS).expect_err("failed");
        assert_eq!(error.message, "Policy failed for response code: 500, body: oh");
        let refused = |key: &str, value: &str| start(&harness, &[(key, value)]).expect_err("refused").to_string();
        assert!(refused("http.client", "com.example.MyClient").contains("known here is OkHttpClient"));
        assert!(refused("http.request.url", "http://h/<#if x>").contains("<# begins what is not known here"));
        assert!(refused("http.response.record.offset.pointer", "key=id").contains("a JSON pointer begins with /"));
        assert!(refused("http.response.policy.codes.skip", "3xx").contains("neither a status nor a range"));
    }
}
