//! What survives a stop, and what a crash leaves behind.

mod support;

use std::{fs, io::Write};

use millstream_broker::{Broker, OpenDataDirError, StartBrokerError};
use millstream_wire::protocol::messages::{
    ApiKey, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, GroupId, JoinGroupRequest, JoinGroupResponse, ListOffsetsRequest, ListOffsetsResponse,
    MetadataRequest, MetadataResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest,
    OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, SyncGroupRequest,
    SyncGroupResponse,
    create_topics_request::{CreatableTopic, CreatableTopicConfig},
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    delete_topics_request::DeleteTopicState,
    join_group_request::JoinGroupRequestProtocol,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    metadata_request::MetadataRequestTopic,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
    sync_group_request::SyncGroupRequestAssignment,
};
use support::{Client, batch, config, name, text};

#[tokio::test]
async fn records_ids_and_producer_states_survive_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let cluster_id = broker.cluster_id().to_owned();
    let mut client = Client::new(&broker);
    client.create("t").await;
    for sequence in 0..5 {
        client.produce("t", -1, batch(&["v"], Some((7, 0, sequence)))).await;
    }
    let before = topic_id(&mut client, "t").await;
    broker.shutdown().await.unwrap();
    assert!(dir.path().join(".kafka_cleanshutdown").exists());

    let broker = Broker::start(config(dir.path())).await.unwrap();
    assert_eq!(broker.cluster_id(), cluster_id);
    let mut client = Client::new(&broker);
    assert_eq!(topic_id(&mut client, "t").await, before);
    // All five in flight at the stop are recognised, and the next one continues.
    for sequence in 0..6 {
        let answer = client.produce("t", -1, batch(&["v"], Some((7, 0, sequence)))).await;
        assert_eq!(answer, (0, i64::from(sequence)));
    }
}

async fn topic_id(client: &mut Client, topic: &str) -> (String, i32) {
    let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
    let response: MetadataResponse = client.call(ApiKey::Metadata, 12, &request).await;
    (response.topics[0].topic_id.to_string(), response.topics[0].partitions[0].leader_epoch)
}

#[tokio::test]
async fn after_an_unclean_stop_a_torn_end_is_cut_and_the_leader_epoch_goes_up() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    client.produce("t", -1, batch(&["kept"], Some((7, 0, 0)))).await;
    let before = topic_id(&mut client, "t").await;
    broker.shutdown().await.unwrap();
    // As a crash leaves it: no marker, and half a batch at the end.
    fs::remove_file(dir.path().join(".kafka_cleanshutdown")).unwrap();
    let log = dir.path().join("t-0/00000000000000000000.log");
    let torn = batch(&["lost"], None);
    fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(&torn[..torn.len() - 3]).unwrap();

    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let after = topic_id(&mut client, "t").await;
    assert_eq!((after.0.as_str(), after.1), (before.0.as_str(), before.1 + 1));
    let (code, high_watermark, records) = client.fetch("t", 0, 0).await;
    assert_eq!((code, high_watermark), (0, 1));
    assert!(records.windows(4).any(|bytes| bytes == b"kept"));
    assert_eq!(client.produce("t", -1, batch(&["kept"], Some((7, 0, 0)))).await, (0, 0), "a retry is recognised");
    assert_eq!(client.produce("t", -1, batch(&["next"], None)).await, (0, 1));
}

#[tokio::test]
async fn each_epoch_ends_where_the_next_begins_and_the_earliest_offset_tells_its_own() {
    let dir = tempfile::tempdir().unwrap();
    for crash in 0..3 {
        let broker = Broker::start(config(dir.path())).await.unwrap();
        let mut client = Client::new(&broker);
        if crash == 0 {
            client.create("t").await;
        }
        assert_eq!(client.produce("t", -1, batch(&["a", "b"], None)).await, (0, 2 * crash));
        broker.abandon().await;
    }
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    for (asked, expected) in [(0, (0, 2)), (1, (1, 4)), (2, (2, 6)), (3, (3, 6)), (4, (-1, -1))] {
        let partition = OffsetForLeaderPartition::default().with_leader_epoch(asked).with_current_leader_epoch(3);
        let topic = OffsetForLeaderTopic::default().with_topic(name("t")).with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let answer: OffsetForLeaderEpochResponse = client.call(ApiKey::OffsetForLeaderEpoch, 4, &request).await;
        let found = &answer.topics[0].partitions[0];
        assert_eq!((found.error_code, found.leader_epoch, found.end_offset), (0, expected.0, expected.1), "{asked}");
    }
    for (before, expected) in [(0, (0, 0)), (3, (3, 1)), (6, (6, 3))] {
        let delete = DeleteRecordsPartition::default().with_offset(before);
        let topic = DeleteRecordsTopic::default().with_name(name("t")).with_partitions(vec![delete]);
        let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(20_000);
        let _: DeleteRecordsResponse = client.call(ApiKey::DeleteRecords, 2, &request).await;
        let partition = ListOffsetsPartition::default().with_timestamp(-2).with_current_leader_epoch(3);
        let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_topics(vec![topic]);
        let answer: ListOffsetsResponse = client.call(ApiKey::ListOffsets, 5, &request).await;
        let found = &answer.topics[0].partitions[0];
        assert_eq!((found.offset, found.leader_epoch), expected);
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _broker = Broker::start(config(dir.path())).await.unwrap();
    let refused = Broker::start(config(dir.path())).await.err().unwrap();
    assert!(matches!(refused, StartBrokerError::DataDir { source: OpenDataDirError::InUse { .. } }));
}

#[tokio::test]
async fn committed_offsets_survive_and_members_of_the_process_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let find = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    let found: FindCoordinatorResponse = client.call(ApiKey::FindCoordinator, 4, &find).await;
    assert_eq!(found.coordinators[0].error_code, 0);
    let (member_id, generation) = join(&mut client, "").await;
    commit(&mut client, &member_id, generation, 42).await;
    assert_eq!(committed(&mut client).await, 42);
    assert_eq!(state(&mut client).await, "Stable");
    broker.shutdown().await.unwrap();

    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(state(&mut client).await, "Empty");
    assert_eq!(committed(&mut client).await, 42);
    let (_, generation_after) = join(&mut client, "").await;
    assert!(generation < generation_after);
}

/// Joins, leads and syncs alone; returns member id and generation.
async fn join(client: &mut Client, member_id: &str) -> (String, i32) {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_member_id(text(member_id))
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let first: JoinGroupResponse = client.call(ApiKey::JoinGroup, 9, &request).await;
    assert_eq!(first.error_code, 79, "a new member first learns its id");
    let request = request.with_member_id(first.member_id.clone());
    let joined: JoinGroupResponse = client.call(ApiKey::JoinGroup, 9, &request).await;
    assert_eq!((joined.error_code, &joined.leader), (0, &joined.member_id));
    let share = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
    let request = SyncGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![share.with_assignment(bytes::Bytes::from_static(b"all"))]);
    let synced: SyncGroupResponse = client.call(ApiKey::SyncGroup, 4, &request).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    (joined.member_id.to_string(), joined.generation_id)
}

async fn commit(client: &mut Client, member_id: &str, generation: i32, offset: i64) {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member_id))
        .with_topics(vec![topic]);
    let response: OffsetCommitResponse = client.call(ApiKey::OffsetCommit, 8, &request).await;
    assert_eq!(response.topics[0].partitions[0].error_code, 0);
}

async fn committed(client: &mut Client) -> i64 {
    let topic = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    let response: OffsetFetchResponse = client.call(ApiKey::OffsetFetch, 8, &request).await;
    response.groups[0].topics[0].partitions[0].committed_offset
}

async fn state(client: &mut Client) -> String {
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]);
    let response: DescribeGroupsResponse = client.call(ApiKey::DescribeGroups, 5, &request).await;
    response.groups[0].group_state.to_string()
}

#[tokio::test]
async fn a_topic_made_anew_under_an_old_name_has_a_new_id_and_no_records() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(create(&mut client, "t", 3, &[("retention.ms", "1000")]).await, 0);
    assert_eq!(create(&mut client, "t", 1, &[]).await, 36);
    assert_eq!(create(&mut client, "u", 1, &[("no.such.key", "1")]).await, 40);
    assert_eq!(create(&mut client, "bad name", 1, &[]).await, 17);
    let before = topic_id(&mut client, "t").await.0;
    client.produce("t", -1, batch(&["x"], None)).await;
    let doomed = DeleteTopicState::default().with_name(Some(name("t")));
    let request = DeleteTopicsRequest::default().with_topics(vec![doomed]);
    let response: DeleteTopicsResponse = client.call(ApiKey::DeleteTopics, 6, &request).await;
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(client.fetch("t", 0, 10_000).await.0, 3);
    assert_eq!(create(&mut client, "t", 1, &[]).await, 0);
    assert_ne!(topic_id(&mut client, "t").await.0, before);
    assert_eq!(client.fetch("t", 0, 0).await, (0, 0, bytes::Bytes::new()));
    broker.shutdown().await.unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(client.fetch("t", 0, 0).await, (0, 0, bytes::Bytes::new()));
}

async fn create(client: &mut Client, topic: &str, replication_factor: i16, configs: &[(&str, &str)]) -> i16 {
    let configs = configs
        .iter()
        .map(|(key, value)| CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value))));
    let topic = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(1)
        .with_replication_factor(replication_factor)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000);
    let response: CreateTopicsResponse = client.call(ApiKey::CreateTopics, 7, &request).await;
    response.topics[0].error_code
}
