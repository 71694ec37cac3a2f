//! The keys of Aiven's HTTP sink.

use std::time::Duration;

use millstream_sdk::{
    ConnectorContext, Error, Info, Result, Sink, TopicOffset, TopicPartition,
    config::{
        ConfigDef, ConfigMap, ConfigValues,
        Importance::{High, Low, Medium},
        Key, Opens, PluginConfig,
    },
    http::parts,
};

use super::confluent::decimals;
use super::settings::{Batches, Dialect, Format, OnError, OnNull, RecordText, Reports, Settings};
use super::task::{HttpSinkTask, TaskConfig};
use crate::{
    keys::{one_of, text_of},
    retry::{Growth, Policy, Statuses},
    template::Template,
};

const ROLES: &[(&str, &str)] = &[
    ("auth", "http.authorization.type"),
    ("authorization", "http.headers.authorization"),
    ("headers", "http.headers.additional"),
    ("header-separator", "http.headers.additional.separator"),
    ("oauth2-token-url", "oauth2.access.token.url"),
    ("oauth2-client-id", "oauth2.client.id"),
    ("oauth2-client-secret", "oauth2.client.secret"),
    ("oauth2-grant-type", "oauth2.grant.type"),
    ("oauth2-grant-type-property", "oauth2.request.grant.type.property"),
    ("oauth2-client-id-property", "oauth2.request.client.id.property"),
    ("oauth2-client-secret-property", "oauth2.request.client.secret.property"),
    ("oauth2-mode", "oauth2.client.authorization.mode"),
    ("oauth2-scope", "oauth2.client.scope"),
    ("oauth2-token-property", "oauth2.response.token.property"),
    ("oauth2-renew-codes", "oauth2.token.renew.on.status.codes"),
    ("trust-all", "http.ssl.trust.all.certs"),
    ("truststore", "http.ssl.truststore.location"),
    ("truststore-password", "http.ssl.truststore.password"),
    ("proxy-host", "http.proxy.host"),
    ("proxy-port", "http.proxy.port"),
    ("request-timeout-s", "http.timeout"),
];

const URL: &str = "http.url";

/// The configuration of connector and task alike.
#[derive(Debug)]
pub struct AivenSinkConfig {
    settings: Settings,
    originals: ConfigMap,
}

impl PluginConfig for AivenSinkConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::string(URL)
                    .required()
                    .importance(High)
                    .opens(Opens::http_url(ROLES))
                    .check(|value| parts(text_of(value)).map(drop).ok_or_else(|| "malformed URL".to_owned()))
                    .doc("Where records are posted."),
            )
            .key(Key::string("http.proxy.host").importance(Low).doc("A proxy for all requests."))
            .key(Key::int("http.proxy.port").default(-1).range(-1..=65535).importance(Low).doc("Its port."))
            .key(
                Key::boolean("http.ssl.trust.all.certs")
                    .default(false)
                    .importance(Low)
                    .doc("Takes every certificate: for tests."),
            )
            .key(
                Key::string("http.ssl.truststore.location")
                    .importance(Low)
                    .doc("Certificates that are trusted: a PKCS #12 file."),
            )
            .key(Key::password("http.ssl.truststore.password").importance(Low).doc("Its password."))
            .key(
                one_of(Key::string("http.authorization.type"), &["none", "oauth2", "static"])
                    .required()
                    .importance(High)
                    .doc("How requests are authenticated. The host adds it: no secret enters the connector."),
            )
            .key(
                Key::password("http.headers.authorization")
                    .importance(Medium)
                    .doc("The value of `Authorization`, for `static`."),
            )
            .key(
                Key::string("http.headers.content.type")
                    .non_empty()
                    .importance(Low)
                    .doc("The value of `Content-Type`."),
            )
            .key(
                Key::list("http.headers.additional")
                    .default("")
                    .importance(Low)
                    .doc("Further headers, each `name:value`. The connector itself does not see them."),
            )
            .key(
                Key::string("http.headers.additional.separator")
                    .default(",")
                    .importance(Low)
                    .doc("What stands between these headers. A key of ours."),
            )
            .key(Key::string("oauth2.access.token.url").importance(High).doc("Where tokens are fetched."))
            .key(
                Key::string("oauth2.request.grant.type.property")
                    .default("grant_type")
                    .importance(High)
                    .doc("Name of the grant's kind in the request."),
            )
            .key(
                Key::string("oauth2.grant.type")
                    .default("client_credentials")
                    .importance(High)
                    .doc("The grant's kind."),
            )
            .key(
                Key::string("oauth2.request.client.id.property")
                    .default("client_id")
                    .importance(High)
                    .doc("Name of the client's id in the request."),
            )
            .key(Key::string("oauth2.client.id").importance(High).doc("The client's id."))
            .key(
                Key::string("oauth2.request.client.secret.property")
                    .default("client_secret")
                    .importance(High)
                    .doc("Name of the client's secret in the request."),
            )
            .key(Key::password("oauth2.client.secret").importance(High).doc("The client's secret."))
            .key(
                one_of(Key::string("oauth2.client.authorization.mode"), &["HEADER", "URL"])
                    .default("HEADER")
                    .importance(Medium)
                    .doc("Where the credentials stand."),
            )
            .key(Key::string("oauth2.client.scope").importance(Low).doc("The scope asked for."))
            .key(
                Key::string("oauth2.response.token.property")
                    .default("access_token")
                    .importance(Low)
                    .doc("Member of the answer that is the token."),
            )
            .key(
                Key::list("oauth2.token.renew.on.status.codes")
                    .default("401")
                    .importance(Low)
                    .doc("Statuses after which a new token is fetched."),
            )
            .key(
                Key::boolean("batching.enabled")
                    .default(false)
                    .importance(High)
                    .doc("Whether a request has several records."),
            )
            .key(
                Key::int("batch.max.size")
                    .default(500)
                    .range(1..=1_000_000)
                    .importance(Medium)
                    .doc("Most records of one request."),
            )
            .key(Key::string("batch.prefix").default("").importance(High).doc("Before the records of a request."))
            .key(Key::string("batch.suffix").importance(High).doc("Behind them; a line end unless set."))
            .key(Key::string("batch.separator").importance(High).doc("Between them; a line end unless set."))
            .key(
                Key::long("kafka.retry.backoff.ms")
                    .importance(Medium)
                    .doc("Not used: a request that fails is sent again as the next two say."),
            )
            .key(
                Key::int("max.retries")
                    .default(1)
                    .range(0..)
                    .importance(Medium)
                    .doc("How often a request is sent again."),
            )
            .key(Key::int("retry.backoff.ms").default(3000).range(0..).importance(Medium).doc("The wait before that."))
            .key(
                Key::int("http.timeout").default(30).range(1..).importance(Low).doc("Seconds that a request may take."),
            )
            .key(
                one_of(Key::string("decimal.format"), &["BASE64", "NUMERIC"])
                    .default("BASE64")
                    .importance(Low)
                    .doc("How decimals are written in JSON."),
            )
            .key(
                one_of(Key::string("behavior.on.error"), &["fail", "ignore", "log"])
                    .default("fail")
                    .importance(Low)
                    .doc("What happens to records that are refused for good. A key of ours."),
            )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let originals = values.originals();
        let raw = |key: &str, or: &str| originals.get(key).unwrap_or(or).to_owned();
        let batching = values.boolean("batching.enabled")?;
        let proxy = (values.opt_string("http.proxy.host").is_some(), values.int("http.proxy.port")? != -1);
        if proxy.0 != proxy.1 {
            return Err(Error::config("Proxy host and port must be defined together"));
        }
        if batching && originals.get("errors.tolerance").is_some_and(|text| text.trim().eq_ignore_ascii_case("all")) {
            return Err(Error::config("Cannot use errors.tolerance when batching is enabled"));
        }
        let statuses = |text: &str| Statuses::parse(text).map_err(Error::config);
        let count = |key: &str| values.int(key).map(|count| u32::try_from(count).unwrap_or(0));
        let backoff = Duration::from_millis(count("retry.backoff.ms")?.into());
        let batches = Batches {
            max: if batching { count("batch.max.size")? as usize } else { 1 },
            key: Template::default(),
            prefix: if batching { raw("batch.prefix", "") } else { String::new() },
            suffix: if batching { raw("batch.suffix", "\n") } else { String::new() },
            separator: raw("batch.separator", "\n"),
        };
        Ok(Self {
            settings: Settings {
                // The URL is fixed: what looks like a placeholder is none here.
                url: Template::literal(values.string(URL)?),
                method: "POST".to_owned(),
                content_type: values.opt_string("http.headers.content.type").map(str::to_owned),
                text: RecordText {
                    format: Format::TextOrJson,
                    decimals: decimals(values.string("decimal.format")?),
                    regexes: Vec::new(),
                    template: None,
                },
                batches,
                nulls: OnNull::Fail,
                deletes_in_order: true,
                errors: match values.string("behavior.on.error")?.to_ascii_lowercase().as_str() {
                    "ignore" => OnError::Ignore,
                    "log" => OnError::Log,
                    _ => OnError::Fail,
                },
                good: statuses("100-399")?,
                retried: statuses("400-")?,
                retries: Policy {
                    max_retries: count("max.retries")?,
                    backoff,
                    max_backoff: backoff,
                    growth: Growth::Constant,
                },
                splits: false,
                faults: None,
                in_flight: 1,
                interval: Duration::ZERO,
                dialect: Dialect::Aiven,
                reports: Reports::default(),
            },
            originals: originals.clone(),
        })
    }
}

impl TaskConfig for AivenSinkConfig {
    fn into_settings(self) -> Settings {
        self.settings
    }
}

/// The connector: as many tasks as are asked for, all of which do the same.
#[derive(Debug)]
pub struct AivenSink {
    originals: ConfigMap,
}

impl Sink for AivenSink {
    const INFO: Info = Info::new("io.aiven.kafka.connect.http.HttpSinkConnector")
        .task_class("io.aiven.kafka.connect.http.HttpSinkTask")
        .version(env!("CARGO_PKG_VERSION"))
        .doc("Posts records to one URL, under the keys of Aiven's connector.");
    type Config = AivenSinkConfig;
    type Task = HttpSinkTask<AivenSinkConfig>;

    fn start(config: AivenSinkConfig, _: ConnectorContext) -> Result<Self> {
        Ok(Self { originals: config.originals })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok((0..max_tasks).map(|_| self.originals.clone()).collect())
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        Ok(match AivenSinkConfig::parse(config) {
            Ok(_) => Vec::new(),
            Err(error) => vec![(URL.to_owned(), error.message)],
        })
    }

    fn alter_offsets(_: &ConfigMap, _: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        Ok(true)
    }
}
