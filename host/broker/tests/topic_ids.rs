//! Versions that the message types do not know: OffsetCommit and OffsetFetch 10, which name topics by their ids (KIP-848),
//! ListOffsets 11 and DescribeLogDirs 5. Requests are put together here byte by byte.
//!
//! That Apache Kafka answers OffsetCommit and OffsetFetch 10 in the same way is for `random_groups` to show.

mod support;

use millstream_broker::Broker;
use millstream_wire::protocol::{
    messages::{
        ApiKey, CreateAclsRequest, CreateAclsResponse, CreateTopicsRequest, CreateTopicsResponse,
        DescribeLogDirsRequest, ListOffsetsRequest, ListOffsetsResponse, OffsetCommitResponse, OffsetFetchResponse,
        create_acls_request::AclCreation,
        create_topics_request::CreatableTopic,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
    protocol::Decodable,
};
use support::{
    Client, config,
    hostile::{Panics, send_damaged},
    name, text, with,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use uuid::Uuid;

const UNKNOWN_TOPIC_ID: i16 = 100;
const TOPIC_REFUSED: i16 = 29;
const GROUP_REFUSED: i16 = 30;

/// A length and as many bytes, in the compact form.
fn compact(text: &str) -> Vec<u8> {
    let mut out = vec![u8::try_from(text.len() + 1).unwrap()];
    out.extend(text.as_bytes());
    out
}

/// OffsetCommit 10 of nobody's member: one offset for partition 0 of each topic.
fn commit(group: &str, topics: &[(Uuid, i64)]) -> Vec<u8> {
    let mut body = compact(group);
    body.extend((-1_i32).to_be_bytes());
    body.extend(compact(""));
    // No instance.
    body.push(0);
    body.push(u8::try_from(topics.len() + 1).unwrap());
    for (id, offset) in topics {
        body.extend(id.as_bytes());
        body.push(2);
        body.extend(0_i32.to_be_bytes());
        body.extend(offset.to_be_bytes());
        body.extend((-1_i32).to_be_bytes());
        body.extend(compact("note"));
        body.extend([0, 0]);
    }
    body.push(0);
    body
}

/// OffsetFetch 10 for partition 0 of topics, or of all that there is.
fn fetch(group: &str, topics: Option<&[Uuid]>) -> Vec<u8> {
    let mut body = vec![2];
    body.extend(compact(group));
    // Nobody's member.
    body.push(0);
    body.extend((-1_i32).to_be_bytes());
    body.push(topics.map_or(0, |topics| u8::try_from(topics.len() + 1).unwrap()));
    for id in topics.unwrap_or_default() {
        body.extend(id.as_bytes());
        body.push(2);
        body.extend(0_i32.to_be_bytes());
        body.push(0);
    }
    // The group's tags, no need for what is stable, and the tags.
    body.extend([0, 0, 0]);
    body
}

fn framed(api: ApiKey, version: i16, body: &[u8]) -> Vec<u8> {
    let mut rest = (api as i16).to_be_bytes().to_vec();
    rest.extend(version.to_be_bytes());
    rest.extend(7_i32.to_be_bytes());
    rest.extend([0, 4]);
    rest.extend(b"test");
    rest.push(0);
    rest.extend(body);
    let mut frame = u32::try_from(rest.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(rest);
    frame
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin, R: Decodable>(client: &mut Client<S>, api: ApiKey, body: &[u8]) -> R {
    client.send_raw(&framed(api, 10, body)).await;
    client.receive(api, 10, 7).await
}

/// The id and code of each topic's partition.
async fn committed<S>(client: &mut Client<S>, group: &str, topics: &[(Uuid, i64)]) -> Vec<(Uuid, i16)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer: OffsetCommitResponse = ask(client, ApiKey::OffsetCommit, &commit(group, topics)).await;
    let mut codes: Vec<_> =
        answer.topics.iter().map(|topic| (topic.topic_id, topic.partitions[0].error_code)).collect();
    codes.sort();
    codes
}

/// The group's code; the id, offset and code of each topic's partition.
async fn fetched<S>(client: &mut Client<S>, group: &str, topics: Option<&[Uuid]>) -> (i16, Vec<(Uuid, i64, i16)>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let answer: OffsetFetchResponse = ask(client, ApiKey::OffsetFetch, &fetch(group, topics)).await;
    let [found] = &answer.groups[..] else { panic!("{answer:?}") };
    let topics = found.topics.iter();
    let part =
        topics.map(|topic| (topic.topic_id, topic.partitions[0].committed_offset, topic.partitions[0].error_code));
    let mut parts: Vec<_> = part.collect();
    parts.sort();
    (found.error_code, parts)
}

async fn create(client: &mut Client, topic: &str) -> Uuid {
    let topic = CreatableTopic::default().with_name(name(topic)).with_num_partitions(1).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    let made: CreateTopicsResponse = client.call(ApiKey::CreateTopics, 7, &request).await;
    assert_eq!(made.topics[0].error_code, 0);
    made.topics[0].topic_id
}

fn sorted<T: Ord, const N: usize>(mut all: [T; N]) -> Vec<T> {
    all.sort();
    all.into()
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_for_topics_that_are_named_by_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let (a, b, none, zero) =
        (create(&mut client, "a").await, create(&mut client, "b").await, Uuid::from_u128(7), Uuid::nil());
    let codes = committed(&mut client, "g", &[(none, 1), (a, 5), (zero, 2), (b, 6)]).await;
    assert_eq!(codes, sorted([(a, 0), (b, 0), (none, UNKNOWN_TOPIC_ID), (zero, UNKNOWN_TOPIC_ID)]));
    let found = fetched(&mut client, "g", Some(&[a, none, zero])).await;
    assert_eq!(found, (0, sorted([(a, 5, 0), (none, -1, UNKNOWN_TOPIC_ID), (zero, -1, UNKNOWN_TOPIC_ID)])));
    assert_eq!(fetched(&mut client, "g", None).await, (0, sorted([(a, 5, 0), (b, 6, 0)])));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_topic_that_was_made_anew_has_none_of_the_offsets_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let old = create(&mut client, "t").await;
    assert_eq!(committed(&mut client, "g", &[(old, 5)]).await, [(old, 0)]);
    client.delete("t").await;
    let new = create(&mut client, "t").await;
    assert_eq!(committed(&mut client, "g", &[(old, 9)]).await, [(old, UNKNOWN_TOPIC_ID)]);
    let found = fetched(&mut client, "g", Some(&[old, new])).await;
    assert_eq!(found, (0, sorted([(old, -1, UNKNOWN_TOPIC_ID), (new, -1, 0)])));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn whoever_may_not_see_a_topic_is_refused_it_by_its_id_and_unknown_ids_are_unknown_to_everybody() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("listeners", "PLAINTEXT://127.0.0.1:0"),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("allow.everyone.if.no.acl.found", "true"),
    ];
    let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
    let mut trusted = Client::new(&broker);
    let (open, shut, none) =
        (create(&mut trusted, "open").await, create(&mut trusted, "shut").await, Uuid::from_u128(7));
    // Nobody may do anything with this topic (2) and this group (3), by their literal names.
    let denied = [(2, "shut"), (3, "closed")].map(|(kind, name)| {
        AclCreation::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_resource_pattern_type(3)
            .with_principal(text("User:*"))
            .with_host(text("*"))
            .with_operation(2)
            .with_permission_type(2)
    });
    let request = CreateAclsRequest::default().with_creations(denied.to_vec());
    let made: CreateAclsResponse = trusted.call(ApiKey::CreateAcls, 3, &request).await;
    assert!(made.results.iter().all(|result| result.error_code == 0), "{made:?}");
    let mut client = Client::over(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap());
    let all = [(open, 5), (shut, 6), (none, 7)];
    let codes = committed(&mut client, "g", &all).await;
    assert_eq!(codes, sorted([(open, 0), (shut, TOPIC_REFUSED), (none, UNKNOWN_TOPIC_ID)]));
    let found = fetched(&mut client, "g", Some(&[open, shut, none])).await;
    assert_eq!(found, (0, sorted([(open, 5, 0), (shut, -1, TOPIC_REFUSED), (none, -1, UNKNOWN_TOPIC_ID)])));
    let codes = committed(&mut client, "closed", &all).await;
    assert_eq!(codes, sorted([(open, GROUP_REFUSED), (shut, GROUP_REFUSED), (none, GROUP_REFUSED)]));
    assert_eq!(fetched(&mut client, "closed", Some(&[open])).await, (GROUP_REFUSED, vec![]));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn damaged_requests_that_name_topics_by_their_ids_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let id = create(&mut client, "t").await;
    let panics = Panics::count();
    let requests = [
        framed(ApiKey::OffsetCommit, 10, &commit("g", &[(id, 5), (Uuid::from_u128(7), 6)])),
        framed(ApiKey::OffsetFetch, 10, &fetch("g", Some(&[id, Uuid::nil()]))),
    ];
    send_damaged(&broker, &requests.map(Into::into)).await;
    assert_eq!(panics.so_far(), 0);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn nothing_is_pending_upload_to_remote_storage_and_the_folder_is_not_cordoned() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    create(&mut client, "t").await;
    for (version, expected) in [(10, (35, -1)), (11, (0, -1))] {
        let partition = ListOffsetsPartition::default().with_timestamp(-6);
        let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let answer: ListOffsetsResponse = client.call(ApiKey::ListOffsets, version, &request).await;
        let found = &answer.topics[0].partitions[0];
        assert_eq!((found.error_code, found.offset), expected, "version {version}");
    }
    let request = DescribeLogDirsRequest::default().with_topics(None);
    let mut answers = Vec::new();
    for version in [4, 5] {
        client.send(ApiKey::DescribeLogDirs, version, &request).await;
        answers.push(client.receive_raw().await.unwrap());
    }
    // One folder, so one byte more: false, before two empty lists of tagged fields.
    assert_eq!(answers[1].len(), answers[0].len() + 1);
    assert!(answers[1].ends_with(&[0, 0, 0]));
    broker.shutdown().await.unwrap();
}
