//! The broker gives the answers that Apache Kafka 4.3 gave to the same bytes (`recorded/`, made by
//! tests/compat/answers.py). Where it does not, that stands in a table here with its reason.

mod support;

use bytes::Bytes;
use millstream_broker::Broker;
use millstream_wire::{
    batch::{BatchStamp, Batches, RecordBatchBuilder},
    protocol::messages::{
        ApiKey, ApiVersionsRequest, CreateTopicsRequest, CreateTopicsResponse, DescribeConfigsRequest,
        DescribeConfigsResponse, FetchResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        ListOffsetsRequest, ListOffsetsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
        OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceResponse,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::DescribeConfigsResourceResult,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestTopic,
        offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
    },
};
use support::{Client, config, name, produce_request, text};

/// What is refused though Kafka takes it, or the other way round, or in other words: name, answers, stored, reason.
const PRODUCE_DEVIATIONS: &[(&str, &str, &str, &str)] = &[
    ("offset deltas repeat none", INVALID, NOTHING, LOST_TO_READERS),
    ("offset deltas descend none", INVALID, NOTHING, LOST_TO_READERS),
    ("offset deltas start at 1 none", INVALID, NOTHING, LOST_TO_READERS),
    ("offset deltas skip none", INVALID, NOTHING, LOST_TO_READERS),
    ("offset delta negative none", INVALID, NOTHING, LOST_TO_READERS),
    ("offset deltas skip into a topic of gzip", INVALID, NOTHING, LOST_TO_READERS),
    ("record shorter than its fields gzip", INVALID, NOTHING, LOST_TO_READERS),
    ("a batch and half of one", INVALID, NOTHING, "Kafka drops the second batch and acknowledges both"),
    ("a batch and one byte", INVALID, NOTHING, "as above"),
    ("a batch and garbage", INVALID, NOTHING, NO_USE_TO_RETRY),
    ("length one too small", INVALID, NOTHING, NO_USE_TO_RETRY),
    ("magic 3", INVALID, NOTHING, NO_USE_TO_RETRY),
    ("magic -1", INVALID, NOTHING, NO_USE_TO_RETRY),
    ("offset deltas repeat gzip", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("offset deltas descend gzip", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("offset deltas start at 1 gzip", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("offset deltas skip gzip", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("offset delta negative gzip", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("empty payload in a compressed batch", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("garbage as gzip", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("garbage as snappy", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("garbage as lz4", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("garbage as zstd", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("truncated gzip", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("truncated snappy", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("truncated lz4", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    ("truncated zstd", INVALID, NOTHING, UNEXPECTED_IN_KAFKA),
    (
        "repeated batch",
        "0/0/-1/-,0/0/-1/-",
        "0/0/1700000000000/1700000000000/4711/0/0/1",
        "the batch's timestamp is no append time, and not that of each record",
    ),
    ("60 zeros", INVALID, NOTHING, NO_USE_TO_RETRY),
    ("null records", INVALID, NOTHING, "Kafka never answers"),
    ("codec number 5", "76/-1/-1/-", NOTHING, UNEXPECTED_IN_KAFKA),
    ("codec number 6", "76/-1/-1/-", NOTHING, UNEXPECTED_IN_KAFKA),
    ("codec number 7", "76/-1/-1/-", NOTHING, UNEXPECTED_IN_KAFKA),
    ("delete horizon bit", "0/0/-1/-", "0/0/1700000000000/1700000000000/-1/-1/-1/1", HORIZON),
    (
        "transactional id, transactional batch",
        "49/-1/-1/-",
        NOTHING,
        "Kafka's coordinator was not there yet, which is told as 19 until it is",
    ),
    ("delete horizon bit gzip", "0/0/-1/-", "1/0/1700000000000/1700000000000/-1/-1/-1/1", HORIZON),
];

const INVALID: &str = "87/-1/-1/-";
const NOTHING: &str = "nothing";
const LOST_TO_READERS: &str = "Kafka stores what its readers then skip or stumble over";
const NO_USE_TO_RETRY: &str = "Kafka asks to send the same again, which will be the same";
const UNEXPECTED_IN_KAFKA: &str = "Kafka answers -1, for an exception that it has no code for";
const HORIZON: &str = "the bit is taken away, or compaction would drop tombstones at once";

async fn create(client: &mut Client, topic: &str, settings: &[(&str, Option<&str>)], validate_only: bool) -> i16 {
    let configs = settings
        .iter()
        .map(|(key, value)| CreatableTopicConfig::default().with_name(text(key)).with_value(value.map(text)));
    let topic = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(30_000)
        .with_validate_only(validate_only);
    let response: CreateTopicsResponse = client.call(ApiKey::CreateTopics, 5, &request).await;
    response.topics[0].error_code
}

fn unhex(hex: &str) -> Option<Bytes> {
    match hex {
        "null" => None,
        "empty" => Some(Bytes::new()),
        _ => {
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            Some((0..hex.len()).step_by(2).map(byte).collect())
        }
    }
}

/// `key=value` pairs with semicolons between.
fn pairs(text: &str) -> Vec<(&str, &str)> {
    text.split(';').filter_map(|pair| pair.split_once('=')).collect()
}

struct Produced {
    answers: String,
    stored: String,
}

/// Sends the batches of a case to a topic of its own, and says what became of them as answers.py does.
async fn produce(broker: &Broker, topic: &str, settings: &str, options: &str, batches: &str) -> Produced {
    let mut client = Client::new(broker);
    if settings != "none" {
        let settings: Vec<_> = pairs(settings).into_iter().map(|(key, value)| (key, Some(value))).collect();
        assert_eq!(create(&mut client, topic, &settings, false).await, 0, "{settings:?}");
    }
    let option = |wanted: &str| pairs(options).into_iter().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    let number = |wanted: &str, default: i16| option(wanted).map_or(default, |value| value.parse().unwrap());
    let (version, acks) = (number("version", 8), number("acks", -1));
    let (mut answers, mut append_time) = (Vec::new(), -1);
    for batch in batches.split(',') {
        let mut request = produce_request(topic, acks, Bytes::new())
            .with_transactional_id(option("transactional_id").map(|id| text(id).into()))
            .with_timeout_ms(number("timeout", 10_000).into());
        let data = &mut request.topic_data[0].partition_data[0];
        data.records = unhex(batch);
        data.index = number("partition", 0).into();
        if version < 3 {
            // The message types know no such version, so version 3 is sent under its number.
            client.send_as(ApiKey::Produce, 3, version, &request).await;
        } else {
            client.send(ApiKey::Produce, version, &request).await;
        }
        if acks == 0 {
            client.send(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()).await;
        }
        let Some(mut frame) = client.receive_raw().await else {
            answers.push("closed".to_owned());
            client = Client::new(broker);
            continue;
        };
        if acks == 0 {
            answers.push("silence".to_owned());
            continue;
        }
        millstream_wire::frame::decode_response_header(ApiKey::Produce, version, &mut frame).unwrap();
        let answer: ProduceResponse = millstream_wire::frame::decode_response(ApiKey::Produce, version, frame).unwrap();
        let answer = &answer.responses[0].partition_responses[0];
        let now = millstream_record::Timestamp::now().as_millis();
        let time = if (answer.log_append_time_ms - now).abs() < 60_000 {
            append_time = answer.log_append_time_ms;
            "now".to_owned()
        } else {
            answer.log_append_time_ms.to_string()
        };
        let at_fault: Vec<String> = answer.record_errors.iter().map(|error| error.batch_index.to_string()).collect();
        let at_fault = if at_fault.is_empty() { "-".to_owned() } else { at_fault.join(".") };
        answers.push(format!("{}/{}/{time}/{at_fault}", answer.error_code, answer.base_offset));
    }
    let stored = if settings == "none" {
        "nothing".to_owned()
    } else {
        // Without acks=all it may take a moment until readers see it.
        let taken = answers.iter().any(|answer| answer.starts_with("0/") || answer == "silence");
        let (code, _, records) = client.fetch(topic, 0, if taken { 20_000 } else { 0 }).await;
        assert_eq!(code, 0);
        stored(&records, append_time)
    };
    Produced { answers: answers.join(","), stored }
}

fn stored(records: &[u8], append_time: i64) -> String {
    let time = |ms: i64| if append_time != -1 && ms == append_time { "now".to_owned() } else { ms.to_string() };
    let batches = Batches::new(records).map(|batch| {
        let (it, _) = batch.unwrap();
        let times = format!("{}/{}", time(it.base_timestamp), time(it.max_timestamp));
        let producer = format!("{}/{}/{}", it.producer_id, it.producer_epoch, it.base_sequence);
        format!("{}/{}/{times}/{producer}/{}", it.attributes, it.last_offset_delta, it.record_count)
    });
    let batches: Vec<String> = batches.collect();
    if batches.is_empty() { "nothing".to_owned() } else { batches.join("+") }
}

#[tokio::test]
async fn every_batch_is_taken_or_refused_as_by_kafka_and_stored_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let (mut wrong, mut deviations) = (Vec::new(), 0);
    let recorded = include_str!("recorded/produce-4.3.txt").lines().filter(|line| !line.starts_with('#'));
    for (number, line) in recorded.enumerate() {
        let [case, settings, options, batches, answers, kept] = line.split('|').collect::<Vec<_>>()[..] else {
            panic!("six columns: {line}");
        };
        let deviation = PRODUCE_DEVIATIONS.iter().find(|(name, ..)| *name == case);
        deviations += usize::from(deviation.is_some());
        let (answers, kept) = deviation.map_or((answers, kept), |&(_, answers, kept, _)| (answers, kept));
        let found = produce(&broker, &format!("t{number}"), settings, options, batches).await;
        if (found.answers.as_str(), found.stored.as_str()) != (answers, kept) {
            wrong.push(format!("{case}: {answers} {kept} expected, {} {} found", found.answers, found.stored));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(deviations, PRODUCE_DEVIATIONS.len(), "every deviation names a case");
    broker.shutdown().await.unwrap();
}

/// A text between quotes as Python's `unicode_escape` writes it; `None` for null.
fn unquote(text: &str) -> Option<String> {
    let text = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match rest.next() {
            Some('t') => '\t',
            Some('n') => '\n',
            Some('u') => {
                let hex: String = rest.by_ref().take(4).collect();
                char::from_u32(u32::from_str_radix(&hex, 16).unwrap()).unwrap()
            }
            other => panic!("an escape that is not known here: {other:?}"),
        });
    }
    Some(plain)
}

fn quote(text: Option<&str>) -> String {
    text.map_or("null".to_owned(), |text| format!("'{text}'"))
}

async fn alter(client: &mut Client, topic: &str, changes: &[(&str, i8, Option<String>)], validate_only: bool) -> i16 {
    let configs = changes.iter().map(|(key, operation, value)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*operation)
            .with_value(value.as_deref().map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configs(configs.collect());
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(validate_only);
    let response: IncrementalAlterConfigsResponse = client.call(ApiKey::IncrementalAlterConfigs, 1, &request).await;
    response.responses[0].error_code
}

async fn described(client: &mut Client, topic: &str) -> Vec<DescribeConfigsResourceResult> {
    let resource = DescribeConfigsResource::default().with_resource_type(2).with_resource_name(text(topic));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource.with_configuration_keys(None)])
        .with_include_synonyms(true);
    let response: DescribeConfigsResponse = client.call(ApiKey::DescribeConfigs, 4, &request).await;
    response.results[0].configs.clone()
}

async fn described_value(client: &mut Client, topic: &str, key: &str) -> String {
    let all = described(client, topic).await;
    let value = all.into_iter().find(|config| &*config.name == key).map(|config| config.value);
    value.map_or("-".to_owned(), |value| quote(value.as_deref()))
}

/// Values that Java reads and this broker refuses rather than guesses.
const REFUSED_VALUES: [&str; 3] = ["'\\uff15'", "'0x1p-1'", "'NaN'"];

/// What a line of the recording is answered here where that differs, and why.
const SETTING_DEVIATIONS: &[(&str, &str, &str)] = &[
    ("operation|'5'|retention.ms|4|'1'|-1|'5'", "operation|'5'|retention.ms|4|'1'|42|'5'", "Kafka has no code for it"),
    ("operation|'5'|retention.ms|-1|'1'|-1|'5'", "operation|'5'|retention.ms|-1|'1'|42|'5'", "as above"),
];

#[tokio::test]
async fn every_setting_of_a_topic_is_described_taken_and_refused_as_by_kafka() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(create(&mut client, "t", &[], false).await, 0);
    let mut wrong = Vec::new();
    let recorded = include_str!("recorded/settings-4.3.txt").lines().filter(|line| !line.starts_with('#'));
    let mut names = Vec::new();
    for line in recorded {
        let columns: Vec<&str> = line.split('|').collect();
        let found = match columns[..] {
            ["described", name, ..] => {
                names.push(name);
                describe_line(&mut client, name).await
            }
            ["value", name, value, ..] => value_line(&mut client, name, value).await,
            ["together", settings, ..] => together_line(&mut client, settings).await,
            ["operation", first, name, operation, value, ..] => {
                operation_line(&mut client, first, name, operation, value).await
            }
            _ => panic!("no kind of line: {line}"),
        };
        let deviation = SETTING_DEVIATIONS.iter().find(|(recorded, ..)| *recorded == line);
        let expected = deviation.map_or(line, |(_, expected, _)| expected);
        let refused = REFUSED_VALUES.contains(&columns[2]) && found.ends_with("|40|40|-");
        if found != expected && !refused {
            wrong.push(format!("expected {expected}\n   found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let listed: Vec<String> = described(&mut client, "t").await.iter().map(|config| config.name.to_string()).collect();
    assert_eq!(listed, names, "no more than Kafka has");
    broker.shutdown().await.unwrap();
}

async fn describe_line(client: &mut Client, name: &str) -> String {
    let all = described(client, "t").await;
    let Some(config) = all.into_iter().find(|config| &*config.name == name) else {
        return format!("{name} is missing");
    };
    let synonyms = config.synonyms.iter().filter(|synonym| synonym.source == 5);
    let synonyms: Vec<_> = synonyms.map(|it| format!("{}={}", &*it.name, quote(it.value.as_deref()))).collect();
    let python = |flag: bool| if flag { "True" } else { "False" };
    let flags = (python(config.read_only), python(config.is_sensitive));
    let value = quote(config.value.as_deref());
    let (kind, source) = (config.config_type, config.config_source);
    format!("described|{name}|{value}|{}|{source}|{}|{kind}|{}", flags.0, flags.1, synonyms.join(";"))
}

async fn value_line(client: &mut Client, name: &str, value: &str) -> String {
    let plain = unquote(value);
    let created = create(client, "x", &[(name, plain.as_deref())], true).await;
    let altered = alter(client, "t", &[(name, 0, plain)], false).await;
    let after = if altered == 0 { described_value(client, "t", name).await } else { "-".to_owned() };
    assert_eq!(alter(client, "t", &[(name, 1, None)], false).await, 0);
    format!("value|{name}|{value}|{created}|{altered}|{after}")
}

async fn together_line(client: &mut Client, settings: &str) -> String {
    let split = settings.split(';').map(|pair| pair.split_once('=').unwrap());
    let split: Vec<(&str, Option<String>)> = split.map(|(name, value)| (name, unquote(value))).collect();
    let given: Vec<(&str, Option<&str>)> = split.iter().map(|(name, value)| (*name, value.as_deref())).collect();
    let created = create(client, "x", &given, true).await;
    let changes: Vec<_> = split.iter().map(|(name, value)| (*name, 0, value.clone())).collect();
    let altered = alter(client, "t", &changes, true).await;
    format!("together|{settings}|{created}|{altered}")
}

async fn operation_line(client: &mut Client, first: &str, name: &str, operation: &str, value: &str) -> String {
    if let Some(first) = unquote(first) {
        assert_eq!(alter(client, "t", &[(name, 0, Some(first))], false).await, 0);
    }
    let code = alter(client, "t", &[(name, operation.parse().unwrap(), unquote(value))], false).await;
    let after = described_value(client, "t", name).await;
    assert_eq!(alter(client, "t", &[(name, 1, None)], false).await, 0);
    format!("operation|{first}|{name}|{operation}|{value}|{code}|{after}")
}

#[tokio::test]
async fn leader_epochs_are_checked_and_answered_as_by_kafka() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    for topic in ["empty", "three"] {
        assert_eq!(create(&mut client, topic, &[], false).await, 0);
    }
    let mut builder = RecordBatchBuilder::with_capacity(100);
    for n in 0..3 {
        builder.append(1_700_000_000_000 + n, None, Some(b"v"), std::iter::empty()).unwrap();
    }
    let three = builder.finish(&BatchStamp::default()).unwrap().freeze();
    assert_eq!(client.produce("three", -1, three).await, (0, 0));
    let mut wrong = Vec::new();
    let recorded = include_str!("recorded/epochs-4.3.txt").lines().filter(|line| !line.starts_with('#'));
    for line in recorded {
        let columns: Vec<&str> = line.split('|').collect();
        let number = |at: usize| columns[at].parse::<i64>().unwrap();
        let epoch = |at: usize| columns[at].parse::<i32>().unwrap();
        let found = match columns[0] {
            "end" => {
                let asked = OffsetForLeaderPartition::default()
                    .with_partition(0)
                    .with_current_leader_epoch(epoch(2))
                    .with_leader_epoch(epoch(3));
                let topic = OffsetForLeaderTopic::default().with_topic(name(columns[1])).with_partitions(vec![asked]);
                let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
                let answer: OffsetForLeaderEpochResponse = client.call(ApiKey::OffsetForLeaderEpoch, 3, &request).await;
                let it = &answer.topics[0].partitions[0];
                format!("{}/{}/{}", it.error_code, it.leader_epoch, it.end_offset)
            }
            "offsets" => {
                let asked =
                    ListOffsetsPartition::default().with_current_leader_epoch(epoch(2)).with_timestamp(number(3));
                let topic = ListOffsetsTopic::default().with_name(name(columns[1])).with_partitions(vec![asked]);
                let request = ListOffsetsRequest::default().with_topics(vec![topic]);
                let answer: ListOffsetsResponse = client.call(ApiKey::ListOffsets, 5, &request).await;
                let it = &answer.topics[0].partitions[0];
                format!("{}/{}/{}/{}", it.error_code, it.timestamp, it.offset, it.leader_epoch)
            }
            "fetch" => {
                let mut request = support::fetch_request(columns[1], number(3), 0);
                request.topics[0].partitions[0].current_leader_epoch = epoch(2);
                let answer: FetchResponse = client.call(ApiKey::Fetch, 11, &request).await;
                answer.responses[0].partitions[0].error_code.to_string()
            }
            "committed" => committed(&mut client, epoch(1)).await,
            kind => panic!("{kind}: no kind of line"),
        };
        let answers = if columns[0] == "committed" { 2 } else { 4 };
        let expected = columns[answers..].join("|");
        if found != expected {
            wrong.push(format!("{line}: {found} found"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    broker.shutdown().await.unwrap();
}

/// Commits an offset with a leader epoch, and says what is fetched of it.
async fn committed(client: &mut Client, epoch: i32) -> String {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(2)
        .with_committed_leader_epoch(epoch)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default().with_name(name("three")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(text("g").into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let answer: OffsetCommitResponse = client.call(ApiKey::OffsetCommit, 7, &request).await;
    let code = answer.topics[0].partitions[0].error_code;
    let topic = OffsetFetchRequestTopic::default().with_name(name("three")).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(text("g").into()).with_topics(Some(vec![topic]));
    let answer: OffsetFetchResponse = client.call(ApiKey::OffsetFetch, 5, &request).await;
    let it = &answer.topics[0].partitions[0];
    let metadata = it.metadata.as_deref().unwrap_or("null");
    format!("{code}|{}/{}/{metadata}", it.committed_offset, it.committed_leader_epoch)
}
