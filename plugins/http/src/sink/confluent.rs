//! The keys of Confluent's HTTP sink, version 1, with ours.

use std::time::Duration;

use millstream_sdk::{
    ConnectorContext, Error, Info, Result, Sink, TopicOffset, TopicPartition,
    config::{
        ConfigDef, ConfigMap, ConfigValue, ConfigValues,
        Importance::{High, Low, Medium},
        Key, Opens, PluginConfig,
    },
    values::JavaRegex,
};

use super::settings::{Batches, Dialect, Format, OnError, OnNull, RecordText, ReportFormat, Reports, Settings};
use super::task::{HttpSinkTask, TaskConfig};
use crate::{
    json::Decimals,
    keys::{CONFLUENT_ROLES, connection, one_of, text_of},
    retry::{Growth, Policy, Statuses},
    template::Template,
};

const URL: &str = "http.api.url";

/// Keys that name the topics of reports.
pub(super) const RESULTS: &str = "reporter.result.topic.name";
pub(super) const ERRORS: &str = "reporter.error.topic.name";

/// The configuration of connector and task alike.
#[derive(Debug)]
pub struct HttpSinkConfig {
    settings: Settings,
    originals: ConfigMap,
}

fn template(value: &ConfigValue) -> Result<(), String> {
    Template::parse(text_of(value)).map(drop)
}

fn statuses(value: &ConfigValue) -> Result<(), String> {
    Statuses::parse(text_of(value)).map(drop)
}

fn pointer(value: &ConfigValue) -> Result<(), String> {
    match text_of(value) {
        "" => Ok(()),
        text if text.starts_with('/') => Ok(()),
        _ => Err("a JSON pointer begins with /".to_owned()),
    }
}

impl PluginConfig for HttpSinkConfig {
    fn definition() -> ConfigDef {
        let definition = ConfigDef::new()
            .key(Key::string(URL).required().non_empty().check(template).importance(High).opens(Opens::http_url(CONFLUENT_ROLES))
                .doc("Where requests go. `${topic}`, `${key}`, `${partition}`, `${offset}`, `${timestamp}`, `${header.NAME}` and names of fields (`${customer.id}`) stand for parts of the record, encoded; with a batch, of its first record."))
            .key(one_of(Key::string("request.method"), &["post", "put", "patch"]).default("post").importance(High).doc("Method of the requests."))
            .key(one_of(Key::string("behavior.on.null.values"), &["ignore", "delete", "log", "fail"]).default("ignore").importance(Low).doc("What happens to a record without a value: `delete` sends a DELETE."))
            .key(one_of(Key::string("behavior.on.error"), &["fail", "ignore", "log"]).default("fail").importance(Low).doc("What happens to records that are refused for good. With `fail` they go to the error policy (`errors.tolerance`, dead letters)."))
            .key(Key::string("headers").default("").importance(High).doc("`Name:value` items for every request, between separators. The connector itself does not see them."))
            .key(Key::string("header.separator").default("|").importance(High).doc("What stands between these items."))
            .key(Key::password("sensitive.headers").importance(Medium).doc("The same, hidden wherever the configuration is shown."))
            .key(Key::boolean("deletes.send.in.order").default(false).importance(Low).doc("Whether a DELETE waits for the records before it; if not it goes out at once."))
            .key(Key::int("max.retries").default(5).range(0..).importance(Medium).doc("How often a request is sent again."))
            .key(Key::int("retry.backoff.ms").default(3000).range(0..).importance(Medium).doc("The first wait before that."))
            .key(Key::int("retry.backoff.max.ms").default(60_000).range(0..).importance(Low).doc("The longest wait. A key of ours."))
            .key(one_of(Key::string("retry.backoff.policy"), &["EXPONENTIAL_WITH_JITTER", "CONSTANT_VALUE"]).default("EXPONENTIAL_WITH_JITTER").importance(Low).doc("Whether waits double, by chance a little less, or stay. A `Retry-After` is obeyed where it is longer, up to five minutes."))
            .key(Key::string("retry.on.status.codes").default("400-").check(statuses).importance(Medium).doc("Statuses after which a request is sent again: `404,408,500-`."))
            .key(Key::list("regex.patterns").default("").importance(Low).doc("Unused unless set: replaced in the text of each record, one after the other, between `regex.separator`."))
            .key(Key::list("regex.replacements").default("").importance(Low).doc("What they are replaced with, in the same order; may hold `${key}` and `${topic}`."))
            .key(Key::string("regex.separator").default("~").importance(High).doc("What stands between patterns, and between replacements."))
            .key(one_of(Key::string("request.body.format"), &["string", "json"]).default("string").importance(Medium).doc("Whether a record is its text as Java prints it, or JSON."))
            .key(Key::string("request.body.template").default("").check(template).importance(Low).doc("What stands for each record instead: a text with placeholders as in the URL, and `${value}`. A key of ours."))
            .key(Key::boolean("batch.json.as.array").default(true).importance(High).doc("Whether JSON records stand in an array, a single one too."))
            .key(Key::string("batch.key.pattern").default("someKey").check(template).importance(High).doc("Records for which this differs go in different requests: `${key}`, `${topic}`."))
            .key(Key::int("batch.max.size").default(1).range(1..=1_000_000).importance(High).doc("Most records of one request."))
            .key(Key::string("batch.prefix").default("").importance(High).doc("Before the records of a request."))
            .key(Key::string("batch.suffix").default("").importance(High).doc("Behind them."))
            .key(Key::string("batch.separator").importance(High).doc("Between them; a comma unless set."))
            .key(Key::string("batch.seperator").importance(High).doc("The same, misspelt as in old versions."))
            .key(one_of(Key::string("json.decimal.format"), &["BASE64", "NUMERIC"]).default("BASE64").importance(Low).doc("How decimals are written in JSON."))
            .key(Key::boolean("batch.split.on.error").importance(Low).doc("Whether a batch that is refused for good is sent in halves, down to the records at fault; as `errors.tolerance=all` says unless set. A key of ours."))
            .key(Key::string("batch.errors.json.pointer").default("").check(pointer).importance(Low).doc("Where a refusal lists the records at fault: numbers, or objects with `index`, from 0. The others count as delivered. A key of ours."))
            .key(Key::int("max.in.flight.requests").default(1).range(1..=64).importance(Medium).doc("Requests at a time; with more than one, records may arrive out of order. A key of ours."))
            .key(Key::double("request.rate.max").default(0).importance(Medium).doc("Most requests a second of each task; 0 for any number. A key of ours."));
        let definition =
            connection(definition, "oauth2.client.auth.mode", &["NONE", "BASIC", "OAUTH2", "BEARER", "API_KEY"]);
        definition
            .key(Key::password("oauth2.client.headers").default("").importance(Low).doc("`Name:value` items for requests of tokens."))
            .key(Key::string("oauth2.client.header.separator").default("|").importance(Low).doc("What stands between these items."))
            .key(Key::boolean("oauth2.jwt.enabled").default(false).importance(Medium).check(|value| match value {
                ConfigValue::Boolean(true) => Err("signed assertions are not made here: use client credentials".to_owned()),
                _ => Ok(()),
            }).doc("Must be false."))
            .key(Key::list("reporter.bootstrap.servers").default("").importance(Medium).doc("Switches reports on; they go to the worker's own cluster."))
            .key(Key::string(RESULTS).default("${connector}-success").importance(Medium).opens(Opens::topic("${connector}-success", "reporter.result.topic.replication.factor")).doc("Topic of the answers, one for each record that was taken; none when empty. Setting it switches it on, too."))
            .key(Key::string(ERRORS).default("${connector}-error").importance(Medium).opens(Opens::topic("${connector}-error", "reporter.error.topic.replication.factor")).doc("Topic of the records that were refused, with why; none when empty. Setting it switches it on, too."))
            .key(Key::short("reporter.result.topic.replication.factor").default(3).importance(Medium).doc("Replicas of that topic if it is made, with one partition."))
            .key(Key::short("reporter.error.topic.replication.factor").default(3).importance(Medium).doc("Replicas of that topic if it is made, with one partition."))
            .key(one_of(Key::string("reporter.result.topic.value.format"), &["json", "string"]).default("json").importance(Medium).doc("Whether an answer is written as a JSON string or as it is."))
            .key(one_of(Key::string("reporter.error.topic.value.format"), &["json", "string"]).default("json").importance(Medium).doc("The same for errors."))
            .key(one_of(Key::string("report.errors.as"), &["error_string", "http_response"]).default("error_string").importance(Medium).doc("Whether an error is a sentence with everything, or the answer alone."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let parse = |key: &str| {
            Template::parse(values.opt_string(key).unwrap_or_default())
                .map_err(|why| Error::config(format!("Invalid value for configuration {key}: {why}")))
        };
        let word = |key: &str| values.string(key).map(str::to_ascii_lowercase);
        let statuses = |text: &str| Statuses::parse(text).map_err(Error::config);
        let format = if word("request.body.format")? == "json" { Format::Json } else { Format::Java };
        let original = |key: &str| values.originals().get(key).unwrap_or_default();
        let template = Some(parse("request.body.template")?).filter(|template| template.fixed() != Some(""));
        let as_array = format == Format::Json && values.boolean("batch.json.as.array")? && template.is_none();
        // Texts as they were written: spaces and line ends matter here.
        let raw = |key: &str| original(key).to_owned();
        let separator = [raw("batch.separator"), raw("batch.seperator")].into_iter().find(|text| !text.is_empty());
        // Nothing else stands between the items of an array.
        let separator = separator.filter(|_| !as_array).unwrap_or_else(|| ",".to_owned());
        let max_retries = values.int("max.retries")?;
        let ms = |key: &str| values.int(key).map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        let rate = values.double("request.rate.max")?;
        if !(0.0..=1e9).contains(&rate) {
            let text = format!("Invalid value {rate} for configuration request.rate.max: Value must be at least 0");
            return Err(Error::config(text));
        }
        let reports = |key: &str, format: &str| {
            let is_on = match values.originals().get(key).map(str::trim) {
                Some(topic) => !topic.is_empty(),
                None => !original("reporter.bootstrap.servers").trim().is_empty(),
            };
            let is_text = values.opt_string(format).is_some_and(|format| format.eq_ignore_ascii_case("string"));
            is_on.then_some(if is_text { ReportFormat::Text } else { ReportFormat::Json })
        };
        let tolerates = original("errors.tolerance").trim().eq_ignore_ascii_case("all");
        Ok(Self {
            settings: Settings {
                url: parse(URL)?,
                method: values.string("request.method")?.to_ascii_uppercase(),
                content_type: (format == Format::Json).then(|| "application/json".to_owned()),
                text: RecordText {
                    format,
                    decimals: decimals(values.string("json.decimal.format")?),
                    regexes: regexes(
                        original("regex.patterns"),
                        original("regex.replacements"),
                        values.string("regex.separator")?,
                    )?,
                    template,
                },
                batches: Batches {
                    max: usize::try_from(values.int("batch.max.size")?).unwrap_or(1),
                    key: parse("batch.key.pattern")?,
                    prefix: raw("batch.prefix") + if as_array { "[" } else { "" },
                    suffix: if as_array { "]".to_owned() } else { String::new() } + &raw("batch.suffix"),
                    separator,
                },
                nulls: match word("behavior.on.null.values")?.as_str() {
                    "delete" => OnNull::Delete,
                    "log" => OnNull::Log,
                    "fail" => OnNull::Fail,
                    _ => OnNull::Ignore,
                },
                deletes_in_order: values.boolean("deletes.send.in.order")?,
                errors: match word("behavior.on.error")?.as_str() {
                    "ignore" => OnError::Ignore,
                    "log" => OnError::Log,
                    _ => OnError::Fail,
                },
                good: statuses("200-299")?,
                retried: statuses(values.string("retry.on.status.codes")?)?,
                retries: Policy {
                    max_retries: u32::try_from(max_retries).unwrap_or(0),
                    backoff: ms("retry.backoff.ms")?,
                    max_backoff: ms("retry.backoff.max.ms")?,
                    growth: match word("retry.backoff.policy")?.as_str() {
                        "constant_value" => Growth::Constant,
                        _ => Growth::Exponential,
                    },
                },
                splits: values.opt_boolean("batch.split.on.error").unwrap_or(tolerates),
                faults: values
                    .opt_string("batch.errors.json.pointer")
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned),
                in_flight: usize::try_from(values.int("max.in.flight.requests")?).unwrap_or(1),
                interval: if rate == 0.0 { Duration::ZERO } else { Duration::from_secs_f64(1.0 / rate.max(1e-6)) },
                dialect: Dialect::Confluent,
                reports: Reports {
                    results: reports(RESULTS, "reporter.result.topic.value.format"),
                    errors: reports(ERRORS, "reporter.error.topic.value.format"),
                    as_response: word("report.errors.as")? == "http_response",
                },
            },
            originals: values.originals().clone(),
        })
    }
}

impl TaskConfig for HttpSinkConfig {
    fn into_settings(self) -> Settings {
        self.settings
    }
}

pub(super) fn decimals(text: &str) -> Decimals {
    if text.eq_ignore_ascii_case("numeric") { Decimals::Numeric } else { Decimals::Base64 }
}

fn regexes(patterns: &str, replacements: &str, separator: &str) -> Result<Vec<(JavaRegex, Template)>> {
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let invalid =
        |key: &str, why: &dyn std::fmt::Display| Error::config(format!("Invalid value for configuration {key}: {why}"));
    // An empty separator would stand between all letters.
    let split = |text: &str| -> Vec<String> {
        if separator.is_empty() { vec![text.to_owned()] } else { text.split(separator).map(str::to_owned).collect() }
    };
    let mut replacements = split(replacements).into_iter();
    let pair = |pattern: String| {
        let regex = JavaRegex::compile(&pattern).map_err(|error| invalid("regex.patterns", &error))?;
        let replacement = Template::parse(&replacements.next().unwrap_or_default());
        Ok((regex, replacement.map_err(|why| invalid("regex.replacements", &why))?))
    };
    split(patterns).into_iter().map(pair).collect()
}

/// The connector: as many tasks as are asked for, all of which do the same.
#[derive(Debug)]
pub struct HttpSink {
    originals: ConfigMap,
}

impl Sink for HttpSink {
    const INFO: Info = Info::new("io.confluent.connect.http.HttpSinkConnector")
        .task_class("io.confluent.connect.http.HttpSinkTask")
        .aliases(&["io.millstream.HttpSinkConnector"])
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Sends records to an HTTP API: one by one or in batches, with retries, rate limits and dead letters.");
    type Config = HttpSinkConfig;
    type Task = HttpSinkTask<HttpSinkConfig>;

    fn start(config: HttpSinkConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { originals: config.originals })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok((0..max_tasks).map(|_| self.originals.clone()).collect())
    }

    fn alter_offsets(_: &ConfigMap, _: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        // Offsets are the worker's alone; the server knows none.
        Ok(true)
    }
}
