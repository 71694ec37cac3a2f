//! What users may do, where an authorizer is configured.

mod support;

use std::{collections::BTreeMap, path::Path};

use millstream_broker::{Broker, BrokerConfig};
use millstream_wire::protocol::{
    messages::{
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiKey, CreateAclsRequest,
        CreateAclsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteAclsRequest, DeleteAclsResponse,
        DeleteGroupsRequest, DeleteGroupsResponse, DeleteTopicsRequest, DeleteTopicsResponse, DescribeAclsRequest,
        DescribeAclsResponse, DescribeClusterRequest, DescribeClusterResponse, DescribeConfigsRequest,
        DescribeConfigsResponse, DescribeGroupsRequest, DescribeGroupsResponse, FetchRequest, FetchResponse,
        FindCoordinatorRequest, FindCoordinatorResponse, GroupId, HeartbeatRequest, HeartbeatResponse,
        InitProducerIdRequest, InitProducerIdResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest, ListOffsetsResponse,
        MetadataRequest, MetadataResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
        OffsetFetchResponse, ProduceRequest, ProduceResponse, SaslAuthenticateRequest, SaslAuthenticateResponse,
        SaslHandshakeRequest, SaslHandshakeResponse, SyncGroupRequest, SyncGroupResponse, TransactionalId,
        alter_user_scram_credentials_request::ScramCredentialDeletion,
        create_acls_request::AclCreation,
        create_topics_request::CreatableTopic,
        delete_acls_request::DeleteAclsFilter,
        delete_topics_request::DeleteTopicState,
        describe_configs_request::DescribeConfigsResource,
        fetch_request::{FetchPartition, FetchTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Decodable, Encodable},
};
use support::{Client, batch, name, text};
use tokio::net::TcpStream;

const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"a\" user_root=\"r\";";

fn config(dir: &Path, pairs: &[(&str, &str)]) -> BrokerConfig {
    let own = [
        ("log.dirs", dir.to_str().unwrap()),
        ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
        ("sasl.enabled.mechanisms", "PLAIN"),
        ("listener.name.sasl_plaintext.plain.sasl.jaas.config", JAAS),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("super.users", "User:root"),
        ("offsets.topic.num.partitions", "1"),
        ("group.initial.rebalance.delay.ms", "0"),
    ];
    let all = own.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    BrokerConfig::from_properties(&all.collect::<BTreeMap<_, _>>()).unwrap()
}

async fn as_user(broker: &Broker, user: &str) -> Client<TcpStream> {
    let mut client = Client::over(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap());
    let request = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
    let _: SaslHandshakeResponse = client.call(ApiKey::SaslHandshake, 1, &request).await;
    let token = format!("\0{user}\0{}", &user[..1]);
    let request = SaslAuthenticateRequest::default().with_auth_bytes(token.into_bytes().into());
    let answer: SaslAuthenticateResponse = client.call(ApiKey::SaslAuthenticate, 2, &request).await;
    assert_eq!(answer.error_code, 0);
    client
}

/// Type, name, pattern, user, operation, permission, in the protocol's numbers.
fn rule(resource: i8, of: &str, pattern: i8, user: &str, operation: i8, permission: i8) -> AclCreation {
    AclCreation::default()
        .with_resource_type(resource)
        .with_resource_name(text(of))
        .with_resource_pattern_type(pattern)
        .with_principal(text(&format!("User:{user}")))
        .with_host(text("*"))
        .with_operation(operation)
        .with_permission_type(permission)
}

const TOPIC: i8 = 2;
const GROUP: i8 = 3;
const CLUSTER: i8 = 4;
const ID: i8 = 5;
const READ: i8 = 3;
const WRITE: i8 = 4;
const CREATE: i8 = 5;
const DELETE: i8 = 6;
const ALTER: i8 = 7;
const DESCRIBE: i8 = 8;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

async fn add(client: &mut Client<TcpStream>, rules: Vec<AclCreation>) -> Vec<i16> {
    let request = CreateAclsRequest::default().with_creations(rules);
    let answer: CreateAclsResponse = client.call(ApiKey::CreateAcls, 3, &request).await;
    answer.results.iter().map(|result| result.error_code).collect()
}

async fn allow(client: &mut Client<TcpStream>, resource: i8, of: &str, operation: i8) {
    assert_eq!(add(client, vec![rule(resource, of, LITERAL, "alice", operation, ALLOW)]).await, [0]);
}

fn produce(topic: &str) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch(&["x"], None)));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(20_000).with_topic_data(vec![topic])
}

fn fetch(topic: &str) -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_bytes(1 << 20).with_topics(vec![topic])
}

fn commit(group: &str, topics: &[&str]) -> OffsetCommitRequest {
    let topics = topics.iter().map(|topic| {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
        OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![partition])
    });
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics.collect())
}

fn metadata(topics: Option<&[&str]>) -> MetadataRequest {
    let topic = |topic: &&str| MetadataRequestTopic::default().with_name(Some(name(topic)));
    MetadataRequest::default()
        .with_topics(topics.map(|topics| topics.iter().map(topic).collect()))
        .with_allow_auto_topic_creation(true)
}

/// Code and name of every topic.
async fn seen(client: &mut Client<TcpStream>, topics: Option<&[&str]>) -> Vec<(i16, String)> {
    let answer: MetadataResponse = client.call(ApiKey::Metadata, 12, &metadata(topics)).await;
    let topics = answer.topics.iter();
    topics.map(|topic| (topic.error_code, topic.name.as_ref().unwrap().to_string())).collect()
}

async fn call<B: Encodable, R: Decodable>(client: &mut Client<TcpStream>, api: ApiKey, version: i16, body: &B) -> R {
    client.call(api, version, body).await
}

#[tokio::test]
async fn a_user_without_rules_is_refused_by_every_api_in_every_version_with_kafkas_codes() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let mut root = as_user(&broker, "root").await;
    root.create("t").await;
    let mut alice = as_user(&broker, "alice").await;
    for version in 3..=11 {
        let answer: ProduceResponse = call(&mut alice, ApiKey::Produce, version, &produce("t")).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 29, "{version}");
    }
    for version in 4..=12 {
        let answer: FetchResponse = call(&mut alice, ApiKey::Fetch, version, &fetch("t")).await;
        assert_eq!(answer.responses[0].partitions[0].error_code, 29, "{version}");
    }
    for version in 1..=9 {
        let topic = ListOffsetsTopic::default()
            .with_name(name("t"))
            .with_partitions(vec![ListOffsetsPartition::default().with_timestamp(-1)]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let answer: ListOffsetsResponse = call(&mut alice, ApiKey::ListOffsets, version, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 29, "{version}");
    }
    for version in 0..=13 {
        let request = metadata(Some(&["t"])).with_allow_auto_topic_creation(version < 4 || version % 2 == 0);
        let request = if version < 4 { request.with_allow_auto_topic_creation(true) } else { request };
        let answer: MetadataResponse = call(&mut alice, ApiKey::Metadata, version, &request).await;
        assert_eq!((answer.topics.len(), answer.topics[0].error_code), (1, 29), "{version}");
        assert!(answer.topics[0].topic_id.is_nil());
    }
    assert_eq!(seen(&mut alice, None).await, []);
    assert_eq!(seen(&mut alice, Some(&["not-there"])).await, [(29, "not-there".to_owned())], "as one that is there");
    for version in 2..=9 {
        let answer: OffsetCommitResponse = call(&mut alice, ApiKey::OffsetCommit, version, &commit("g", &["t"])).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, 30, "{version}");
    }
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default().with_name(name("t")).with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]));
        let answer: OffsetFetchResponse = call(&mut alice, ApiKey::OffsetFetch, version, &request).await;
        let code = if version < 2 { answer.topics[0].partitions[0].error_code } else { answer.error_code };
        assert_eq!(code, 30, "{version}");
    }
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let answer: OffsetFetchResponse = call(&mut alice, ApiKey::OffsetFetch, 8, &request).await;
    assert_eq!(answer.groups[0].error_code, 30);
    for (key_type, code) in [(0, 30), (1, 53)] {
        for version in 1..=3 {
            let request = FindCoordinatorRequest::default().with_key(text("g")).with_key_type(key_type);
            let answer: FindCoordinatorResponse = call(&mut alice, ApiKey::FindCoordinator, version, &request).await;
            assert_eq!(answer.error_code, code, "{version}");
        }
        for version in 4..=5 {
            let request =
                FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]).with_key_type(key_type);
            let answer: FindCoordinatorResponse = call(&mut alice, ApiKey::FindCoordinator, version, &request).await;
            assert_eq!(answer.coordinators[0].error_code, code, "{version}");
        }
    }
    for version in 0..=9 {
        let request = JoinGroupRequest::default().with_group_id(GroupId(text("g"))).with_session_timeout_ms(10_000);
        let answer: JoinGroupResponse = call(&mut alice, ApiKey::JoinGroup, version, &request).await;
        assert_eq!(answer.error_code, 30, "{version}");
    }
    for version in 0..=5 {
        let request = SyncGroupRequest::default().with_group_id(GroupId(text("g")));
        let answer: SyncGroupResponse = call(&mut alice, ApiKey::SyncGroup, version, &request).await;
        assert_eq!(answer.error_code, 30, "{version}");
        let request = LeaveGroupRequest::default().with_group_id(GroupId(text("g")));
        let answer: LeaveGroupResponse = call(&mut alice, ApiKey::LeaveGroup, version, &request).await;
        assert_eq!(answer.error_code, 30, "{version}");
    }
    for version in 0..=4 {
        let request = HeartbeatRequest::default().with_group_id(GroupId(text("g")));
        let answer: HeartbeatResponse = call(&mut alice, ApiKey::Heartbeat, version, &request).await;
        assert_eq!(answer.error_code, 30, "{version}");
    }
    for version in 0..=6 {
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]);
        let answer: DescribeGroupsResponse = call(&mut alice, ApiKey::DescribeGroups, version, &request).await;
        assert_eq!(answer.groups[0].error_code, 30, "{version}");
    }
    for version in 0..=2 {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
        let answer: DeleteGroupsResponse = call(&mut alice, ApiKey::DeleteGroups, version, &request).await;
        assert_eq!(answer.results[0].error_code, 30, "{version}");
    }
    for version in 2..=7 {
        let topic = CreatableTopic::default().with_name(name("new")).with_num_partitions(1).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let answer: CreateTopicsResponse = call(&mut alice, ApiKey::CreateTopics, version, &request).await;
        assert_eq!(answer.topics[0].error_code, 29, "{version}");
    }
    for version in 1..=5 {
        let request = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);
        let answer: DeleteTopicsResponse = call(&mut alice, ApiKey::DeleteTopics, version, &request).await;
        assert_eq!(answer.responses[0].error_code, 29, "{version}");
    }
    for version in 0..=5 {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        let answer: InitProducerIdResponse = call(&mut alice, ApiKey::InitProducerId, version, &request).await;
        assert_eq!((answer.error_code, answer.producer_id.0), (31, -1), "{version}");
        let request = request.with_transactional_id(Some(TransactionalId(text("x"))));
        let answer: InitProducerIdResponse = call(&mut alice, ApiKey::InitProducerId, version, &request).await;
        assert_eq!(answer.error_code, 53, "{version}");
    }
    for (kind, code) in [(TOPIC, 29), (4, 31)] {
        let resource = DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text("1"));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer: DescribeConfigsResponse = call(&mut alice, ApiKey::DescribeConfigs, 4, &request).await;
        assert_eq!(answer.results[0].error_code, code);
    }
    let request = AlterUserScramCredentialsRequest::default()
        .with_deletions(vec![ScramCredentialDeletion::default().with_name(text("x")).with_mechanism(1)]);
    let answer: AlterUserScramCredentialsResponse =
        call(&mut alice, ApiKey::AlterUserScramCredentials, 0, &request).await;
    assert_eq!(answer.results[0].error_code, 31);
    assert_eq!(add(&mut alice, vec![rule(TOPIC, "t", LITERAL, "alice", READ, ALLOW)]).await, [31]);
    // Nothing of all this has done anything, and others are served.
    assert_eq!(root.fetch("t", 0, 0).await.1, 0);
    assert_eq!(seen(&mut root, Some(&["new"])).await, [(0, "new".to_owned())]);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn rules_open_what_they_name_and_nothing_else_and_outlive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let mut root = as_user(&broker, "root").await;
    root.create("open").await;
    root.create("shut").await;
    allow(&mut root, TOPIC, "open", WRITE).await;
    allow(&mut root, GROUP, "g", READ).await;
    let rules =
        vec![rule(TOPIC, "pre", PREFIXED, "alice", READ, ALLOW), rule(TOPIC, "pre-no", LITERAL, "alice", READ, DENY)];
    assert_eq!(add(&mut root, rules).await, [0, 0]);
    root.create("pre-yes").await;
    root.create("pre-no").await;
    broker.abandon().await;

    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let (mut root, mut alice) = (as_user(&broker, "root").await, as_user(&broker, "alice").await);
    let both = vec![produce("open").topic_data.remove(0), produce("shut").topic_data.remove(0)];
    let answer: ProduceResponse = alice.call(ApiKey::Produce, 9, &produce("open").with_topic_data(both)).await;
    let codes: Vec<_> = answer
        .responses
        .iter()
        .map(|topic| (topic.name.to_string(), topic.partition_responses[0].error_code))
        .collect();
    assert_eq!(codes, [("open".to_owned(), 0), ("shut".to_owned(), 29)]);
    assert_eq!(root.fetch("shut", 0, 0).await.1, 0);
    assert_eq!(alice.fetch("open", 0, 0).await.0, 29, "who may write may not read");
    let visible: Vec<String> = seen(&mut alice, None).await.into_iter().map(|(_, name)| name).collect();
    assert_eq!(visible, ["open", "pre-no", "pre-yes"], "what is forbidden to read may be described by its prefix");
    assert_eq!(alice.fetch("pre-yes", 0, 0).await.0, 0);
    assert_eq!(alice.fetch("pre-no", 0, 0).await.0, 29);
    let answer: OffsetCommitResponse = alice.call(ApiKey::OffsetCommit, 8, &commit("g", &["pre-yes", "shut"])).await;
    let codes: Vec<_> = answer.topics.iter().map(|topic| topic.partitions[0].error_code).collect();
    assert_eq!(codes, [0, 29]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(
        ["pre-yes", "shut"]
            .iter()
            .map(|topic| OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(vec![0]))
            .collect(),
    ));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let answer: OffsetFetchResponse = alice.call(ApiKey::OffsetFetch, 8, &request).await;
    let found: Vec<_> = answer.groups[0]
        .topics
        .iter()
        .map(|topic| (topic.partitions[0].error_code, topic.partitions[0].committed_offset))
        .collect();
    assert_eq!(found, [(0, 1), (29, -1)]);
    let answer: InitProducerIdResponse =
        alice.call(ApiKey::InitProducerId, 4, &InitProducerIdRequest::default().with_transactional_id(None)).await;
    assert_eq!(answer.error_code, 0, "who may write to any topic may be idempotent");
    let answer: ListGroupsResponse = alice.call(ApiKey::ListGroups, 4, &ListGroupsRequest::default()).await;
    assert_eq!(answer.groups.iter().map(|group| group.group_id.to_string()).collect::<Vec<_>>(), ["g"]);

    // Making topics: by name, by asking for them, and by the right to make any.
    allow(&mut root, TOPIC, "mine", CREATE).await;
    assert_eq!(seen(&mut alice, Some(&["mine"])).await[0].0, 29, "it may not be described");
    allow(&mut root, TOPIC, "mine", DESCRIBE).await;
    assert_eq!(seen(&mut alice, Some(&["mine"])).await[0].0, 0);
    allow(&mut root, TOPIC, "theirs", DESCRIBE).await;
    assert_eq!(seen(&mut alice, Some(&["theirs"])).await[0].0, 29, "it may be described and not made");
    allow(&mut root, CLUSTER, "kafka-cluster", CREATE).await;
    assert_eq!(seen(&mut alice, Some(&["theirs"])).await[0].0, 0);
    // A topic that is named by its id keeps its name to itself.
    let id = |response: &MetadataResponse| response.topics[0].topic_id;
    let shut: MetadataResponse = root.call(ApiKey::Metadata, 12, &metadata(Some(&["shut"]))).await;
    let request = DeleteTopicsRequest::default()
        .with_topics(vec![DeleteTopicState::default().with_name(None).with_topic_id(id(&shut))]);
    let answer: DeleteTopicsResponse = alice.call(ApiKey::DeleteTopics, 6, &request).await;
    assert_eq!((answer.responses[0].error_code, answer.responses[0].name.clone()), (29, None));
    allow(&mut root, TOPIC, "shut", DELETE).await;
    let answer: DeleteTopicsResponse = alice.call(ApiKey::DeleteTopics, 6, &request).await;
    assert_eq!(answer.responses[0].error_code, 0);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_is_allowed_is_told_as_bits() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let (mut root, mut alice) = (as_user(&broker, "root").await, as_user(&broker, "alice").await);
    root.create("t").await;
    allow(&mut root, TOPIC, "t", READ).await;
    let request = metadata(Some(&["t"])).with_include_topic_authorized_operations(true);
    for (client, bits) in [(&mut alice, 1 << READ | 1 << DESCRIBE), (&mut root, 0b1101_1111_1000 & !(1 << 9))] {
        let answer: MetadataResponse = client.call(ApiKey::Metadata, 12, &request).await;
        assert_eq!(answer.topics[0].topic_authorized_operations, bits);
    }
    let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    let answer: DescribeClusterResponse = alice.call(ApiKey::DescribeCluster, 0, &request).await;
    assert_eq!(answer.cluster_authorized_operations, 0);
    let answer: DescribeClusterResponse = root.call(ApiKey::DescribeCluster, 0, &request).await;
    assert_eq!(answer.cluster_authorized_operations, 0b1_1111_1010_0000 & !(1 << 6));
    allow(&mut root, GROUP, "g", READ).await;
    let request =
        DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]).with_include_authorized_operations(true);
    let answer: DescribeGroupsResponse = alice.call(ApiKey::DescribeGroups, 5, &request).await;
    assert_eq!(answer.groups[0].authorized_operations, 1 << READ | 1 << DESCRIBE);
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]);
    let answer: DescribeGroupsResponse = alice.call(ApiKey::DescribeGroups, 5, &request).await;
    assert_eq!(answer.groups[0].authorized_operations, i32::MIN, "nobody has asked");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn rules_are_described_and_deleted_by_filters_and_nonsense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let mut root = as_user(&broker, "root").await;
    let rules = vec![
        rule(TOPIC, "a", LITERAL, "alice", READ, ALLOW),
        rule(TOPIC, "a", LITERAL, "alice", WRITE, ALLOW),
        rule(TOPIC, "a", PREFIXED, "bob", READ, DENY),
        rule(ID, "x", LITERAL, "bob", WRITE, ALLOW),
        // None of these is a rule.
        rule(1, "a", LITERAL, "alice", READ, ALLOW),
        rule(TOPIC, "a", 2, "alice", READ, ALLOW),
        rule(TOPIC, "a", LITERAL, "alice", 1, ALLOW),
        rule(TOPIC, "a", LITERAL, "alice", READ, 1),
        rule(TOPIC, "", LITERAL, "alice", READ, ALLOW),
        rule(CLUSTER, "c", LITERAL, "alice", ALTER, ALLOW),
        rule(GROUP, "g", LITERAL, "alice", WRITE, ALLOW),
        rule(TOPIC, "a", LITERAL, "", READ, ALLOW),
        rule(TOPIC, "a", LITERAL, "alice", READ, ALLOW).with_principal(text("alice")),
        rule(TOPIC, "a", LITERAL, "alice", READ, ALLOW).with_host(text("")),
    ];
    assert_eq!(add(&mut root, rules).await, [0, 0, 0, 0, 42, 42, 42, 42, 42, 42, 42, 42, 42, 42]);
    let any = DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1);
    let count = |answer: &DescribeAclsResponse| answer.resources.iter().map(|one| one.acls.len()).collect::<Vec<_>>();
    let answer: DescribeAclsResponse = root.call(ApiKey::DescribeAcls, 3, &any).await;
    assert_eq!((answer.error_code, count(&answer)), (0, vec![2, 1, 1]));
    let matching = any.clone().with_pattern_type_filter(2).with_resource_name_filter(Some(text("abc")));
    let answer: DescribeAclsResponse = root.call(ApiKey::DescribeAcls, 3, &matching).await;
    assert_eq!(count(&answer), [1]);
    let answer: DescribeAclsResponse = root.call(ApiKey::DescribeAcls, 3, &any.clone().with_operation(0)).await;
    assert_eq!(answer.error_code, 42);
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(TOPIC)
        .with_resource_name_filter(Some(text("a")))
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(READ)
        .with_permission_type(1);
    let answer: DeleteAclsResponse =
        root.call(ApiKey::DeleteAcls, 3, &DeleteAclsRequest::default().with_filters(vec![filter])).await;
    assert_eq!(answer.filter_results[0].matching_acls.len(), 2);
    let answer: DescribeAclsResponse = root.call(ApiKey::DescribeAcls, 3, &any).await;
    assert_eq!(count(&answer), [1, 1]);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_worker_itself_may_do_everything_and_without_an_authorizer_so_may_all() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let mut worker = Client::new(&broker);
    worker.create("t").await;
    assert_eq!(worker.produce("t", -1, batch(&["x"], None)).await, (0, 0));
    broker.shutdown().await.unwrap();
    let broker = Broker::start(config(dir.path(), &[("authorizer.class.name", "")])).await.unwrap();
    let mut alice = as_user(&broker, "alice").await;
    assert_eq!(alice.produce("t", -1, batch(&["x"], None)).await, (0, 1));
    assert_eq!(add(&mut alice, vec![rule(TOPIC, "t", LITERAL, "alice", READ, ALLOW)]).await, [54]);
    broker.shutdown().await.unwrap();
}
