//! Settings that are changed while the broker runs: they are in effect at once, and after a restart.

mod support;

use millstream_broker::Broker;
use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        ApiKey, DescribeConfigsRequest, DescribeConfigsResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    },
};
use support::{Client, batch, config, text};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;

/// Sets a key, or deletes it. Error code and words.
async fn set(broker: &Broker, kind: i8, name: &str, key: &str, value: Option<&str>) -> (i16, Option<String>) {
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response: IncrementalAlterConfigsResponse =
        Client::new(broker).call(ApiKey::IncrementalAlterConfigs, 1, &request).await;
    let answer = &response.responses[0];
    (answer.error_code, answer.error_message.as_ref().map(|words| words.to_string()))
}

/// Value, source, and whether it can be changed.
async fn show(broker: &Broker, kind: i8, name: &str, key: &str) -> Option<(Option<String>, i8, bool)> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let response: DescribeConfigsResponse = Client::new(broker).call(ApiKey::DescribeConfigs, 4, &request).await;
    let config = response.results[0].configs.first()?;
    Some((config.value.as_ref().map(|value| value.to_string()), config.config_source, !config.read_only))
}

fn shown(value: &str, source: i8, changes: bool) -> Option<(Option<String>, i8, bool)> {
    Some((Some(value.to_owned()), source, changes))
}

const SET: (i16, Option<String>) = (0, None);

#[tokio::test]
async fn a_setting_of_the_broker_takes_effect_at_once_and_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(config(dir.path())).await.unwrap();
    Client::new(&broker).create("t").await;
    let large = "x".repeat(5_000);
    let send = async |broker: &Broker| Client::new(broker).produce("t", -1, batch(&[&large], None)).await.0;
    assert_eq!(send(&broker).await, 0);
    assert_eq!(set(&broker, BROKER, "", "message.max.bytes", Some("4000")).await, SET);
    assert_eq!(send(&broker).await, ErrorCode::MESSAGE_TOO_LARGE.get(), "for all brokers");
    assert_eq!(set(&broker, BROKER, "1", "message.max.bytes", Some("8000")).await, SET);
    assert_eq!(send(&broker).await, 0, "for this one");
    for restarts in 0..2 {
        assert_eq!(show(&broker, BROKER, "1", "message.max.bytes").await, shown("8000", 2, true), "{restarts}");
        assert_eq!(show(&broker, BROKER, "", "message.max.bytes").await, shown("4000", 3, true));
        assert_eq!(show(&broker, TOPIC, "t", "max.message.bytes").await, shown("8000", 2, true));
        broker.shutdown().await.unwrap();
        broker = Broker::start(config(dir.path())).await.unwrap();
    }
    assert_eq!(set(&broker, BROKER, "1", "message.max.bytes", None).await, SET);
    assert_eq!(send(&broker).await, ErrorCode::MESSAGE_TOO_LARGE.get(), "what is set for all is left");
    // A topic's own value stands over both.
    assert_eq!(set(&broker, TOPIC, "t", "max.message.bytes", Some("9000")).await, SET);
    assert_eq!(send(&broker).await, 0);
    // One that is made later has the broker's.
    Client::new(&broker).create("later").await;
    assert_eq!(show(&broker, TOPIC, "later", "max.message.bytes").await, shown("4000", 3, true));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_changed_is_said_to_be_read_only_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let invalid = ErrorCode::INVALID_REQUEST.get();
    for (key, value) in
        [("num.io.threads", "9"), ("listener.name.a.ssl.keystore.location", "/x"), ("acks.durability", "os")]
    {
        let words = format!("Cannot update these configs dynamically: [{key}]");
        assert_eq!(set(&broker, BROKER, "1", key, Some(value)).await, (invalid, Some(words)));
    }
    assert_eq!(show(&broker, BROKER, "1", "num.io.threads").await, shown("8", 5, false));
    // Kafka's own that mean nothing here.
    assert_eq!(show(&broker, BROKER, "1", "num.network.threads").await, shown("3", 5, true));
    assert_eq!(show(&broker, BROKER, "1", "controlled.shutdown.enable").await, shown("true", 5, false));
    assert_eq!(set(&broker, BROKER, "1", "num.network.threads", Some("7")).await, SET);
    assert_eq!(show(&broker, BROKER, "1", "num.network.threads").await, shown("7", 2, true));
    assert_eq!(set(&broker, BROKER, "1", "num.network.threads", Some("x")).await.0, invalid);
    assert_eq!(show(&broker, BROKER, "1", "log.initial.task.delay.ms").await, None, "internal");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_key_that_kafka_tells_of_a_broker_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let resource = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text("1"))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_documentation(true);
    let response: DescribeConfigsResponse = Client::new(&broker).call(ApiKey::DescribeConfigs, 4, &request).await;
    let told = &response.results[0].configs;
    let kafkas =
        include_str!("../src/config/kafkas_broker_keys.txt").lines().filter(|line| !line.ends_with("|internal"));
    for line in kafkas.clone() {
        let name = line.split('|').next().unwrap();
        let config = told.iter().find(|config| &*config.name == name);
        let config = config.unwrap_or_else(|| panic!("{name} is not told"));
        assert!(config.documentation.as_ref().is_some_and(|words| !words.is_empty()), "{name}");
        assert_ne!(config.config_type, 0, "{name}");
    }
    assert_eq!(kafkas.count(), 340);
    let mut names: Vec<_> = told.iter().map(|config| config.name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), told.len(), "each once");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn subscriptions_to_clients_metrics_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    assert_eq!(set(&broker, CLIENT_METRICS, "m", "interval.ms", Some("500")).await, SET);
    broker.shutdown().await.unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    assert_eq!(show(&broker, CLIENT_METRICS, "m", "interval.ms").await, shown("500", 7, true));
    broker.shutdown().await.unwrap();
}
