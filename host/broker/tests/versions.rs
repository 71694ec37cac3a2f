//! Every version that is announced can be asked for and gives an answer that reads; damaged requests of each harm
//! nobody else.

mod support;

use std::cell::RefCell;

use bytes::Bytes;
use millstream_broker::Broker;
use millstream_wire::protocol::{
    messages::*,
    protocol::{Decodable, Encodable},
};
use support::{
    Client, batch, config,
    hostile::{Panics, send_damaged},
    name, text,
};

#[tokio::test]
async fn a_producer_that_names_topics_by_id_never_writes_to_another_topic_of_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let send = async |client: &mut Client, id: uuid::Uuid| {
        let mut request = support::produce_request("", -1, batch(&["x"], None));
        request.topic_data[0].topic_id = id;
        let answer: ProduceResponse = client.call(ApiKey::Produce, 13, &request).await;
        let topic = &answer.responses[0];
        assert_eq!(topic.topic_id, id);
        (topic.partition_responses[0].error_code, topic.partition_responses[0].base_offset)
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        client.create("t").await;
        let wanted = metadata_request::MetadataRequestTopic::default().with_name(Some(name("t")));
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        let response: MetadataResponse = client.call(ApiKey::Metadata, 12, &request).await;
        let id = response.topics[0].topic_id;
        assert_eq!(send(&mut client, id).await, (0, 0));
        ids.push(id);
        if ids.len() == 1 {
            client.delete("t").await;
        }
    }
    assert_eq!(send(&mut client, ids[0]).await, (millstream_wire::error_code::ErrorCode::UNKNOWN_TOPIC_ID.get(), -1));
    assert_eq!(send(&mut client, ids[1]).await, (0, 1));
    broker.shutdown().await.unwrap();
}

thread_local! {
    /// Every request of a test.
    static ASKED: RefCell<Vec<Bytes>> = const { RefCell::new(Vec::new()) };
}

/// Sends damaged copies of all that was asked. None may do more than end its own connection.
async fn damage_all(broker: &Broker) {
    let panics = Panics::count();
    send_damaged(broker, &ASKED.take()).await;
    assert_eq!(panics.so_far(), 0);
}

async fn ask<Q: Encodable, R: Decodable>(
    broker: &Broker,
    api: ApiKey,
    versions: std::ops::RangeInclusive<i16>,
    request: impl Fn(i16) -> Q,
) {
    for version in versions {
        let mut client = Client::new(broker);
        let correlation = client.send(api, version, &request(version)).await;
        ASKED.with_borrow_mut(|asked| asked.push(client.sent.clone()));
        let Some(mut frame) = client.receive_raw().await else { panic!("{api:?} version {version} closed") };
        let header = millstream_wire::frame::decode_response_header(api, version, &mut frame);
        assert_eq!(header.unwrap(), correlation);
        let response: Result<R, _> = millstream_wire::frame::decode_response(api, version, frame);
        assert!(response.is_ok(), "{api:?} version {version} does not read");
    }
}

fn group() -> GroupId {
    GroupId(text("g"))
}

#[tokio::test]
async fn every_version_of_the_data_apis_answers_and_damaged_requests_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    client.create("t").await;
    let topic_id = {
        let wanted = metadata_request::MetadataRequestTopic::default().with_name(Some(name("t")));
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        let response: MetadataResponse = client.call(ApiKey::Metadata, 12, &request).await;
        response.topics[0].topic_id
    };
    for topic in ["t", "none"] {
        ask::<_, ProduceResponse>(&broker, ApiKey::Produce, 3..=13, |version| {
            let mut request = support::produce_request(topic, -1, batch(&["x"], None)).with_transactional_id(None);
            if 13 <= version {
                request.topic_data[0].name = TopicName::default();
                request.topic_data[0].topic_id = if topic == "t" { topic_id } else { uuid::Uuid::from_u128(7) };
            }
            request
        })
        .await;
        ask::<_, FetchResponse>(&broker, ApiKey::Fetch, 4..=18, |version| {
            let mut request = support::fetch_request(topic, 0, 0);
            if 13 <= version {
                request.topics[0].topic = TopicName::default();
                request.topics[0].topic_id = if topic == "t" { topic_id } else { uuid::Uuid::from_u128(7) };
            }
            request
        })
        .await;
        ask::<_, ListOffsetsResponse>(&broker, ApiKey::ListOffsets, 1..=11, |_| {
            let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(-1);
            let asked = list_offsets_request::ListOffsetsTopic::default().with_name(name(topic));
            ListOffsetsRequest::default().with_topics(vec![asked.with_partitions(vec![partition])])
        })
        .await;
        ask::<_, MetadataResponse>(&broker, ApiKey::Metadata, 0..=13, |version| {
            let asked = metadata_request::MetadataRequestTopic::default().with_name(Some(name(topic)));
            let request = MetadataRequest::default().with_topics(Some(vec![asked]));
            request.with_allow_auto_topic_creation(version < 4)
        })
        .await;
        ask::<_, OffsetForLeaderEpochResponse>(&broker, ApiKey::OffsetForLeaderEpoch, 2..=4, |_| {
            let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default();
            let asked = offset_for_leader_epoch_request::OffsetForLeaderTopic::default().with_topic(name(topic));
            OffsetForLeaderEpochRequest::default().with_topics(vec![asked.with_partitions(vec![partition])])
        })
        .await;
        ask::<_, DeleteRecordsResponse>(&broker, ApiKey::DeleteRecords, 0..=2, |_| {
            let partition = delete_records_request::DeleteRecordsPartition::default();
            let asked = delete_records_request::DeleteRecordsTopic::default().with_name(name(topic));
            DeleteRecordsRequest::default().with_topics(vec![asked.with_partitions(vec![partition])])
        })
        .await;
    }
    for transactional_id in [None, Some(TransactionalId(text("x")))] {
        ask::<_, InitProducerIdResponse>(&broker, ApiKey::InitProducerId, 0..=5, |_| {
            InitProducerIdRequest::default().with_transactional_id(transactional_id.clone())
        })
        .await;
    }
    ask::<_, ApiVersionsResponse>(&broker, ApiKey::ApiVersions, 0..=4, |version| {
        let request = ApiVersionsRequest::default();
        if version < 3 { request } else { request.with_client_software_name(text("bad name")) }
    })
    .await;
    damage_all(&broker).await;
}

#[tokio::test]
async fn every_version_of_the_group_apis_answers_and_damaged_requests_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    Client::new(&broker).create("t").await;
    ask::<_, FindCoordinatorResponse>(&broker, ApiKey::FindCoordinator, 0..=5, |version| {
        if version < 4 {
            FindCoordinatorRequest::default().with_key(text("g"))
        } else {
            FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")])
        }
    })
    .await;
    ask::<_, JoinGroupResponse>(&broker, ApiKey::JoinGroup, 0..=9, |version| {
        let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(&format!("g{version}"))))
            .with_session_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        if 1 <= version { request.with_rebalance_timeout_ms(10_000) } else { request }
    })
    .await;
    ask::<_, SyncGroupResponse>(&broker, ApiKey::SyncGroup, 0..=5, |_| {
        SyncGroupRequest::default().with_group_id(group())
    })
    .await;
    ask::<_, HeartbeatResponse>(&broker, ApiKey::Heartbeat, 0..=4, |_| {
        HeartbeatRequest::default().with_group_id(group())
    })
    .await;
    ask::<_, LeaveGroupResponse>(&broker, ApiKey::LeaveGroup, 0..=5, |version| {
        let request = LeaveGroupRequest::default().with_group_id(group());
        if version < 3 { request } else { request.with_members(vec![leave_group_request::MemberIdentity::default()]) }
    })
    .await;
    ask::<_, OffsetCommitResponse>(&broker, ApiKey::OffsetCommit, 2..=9, |_| {
        let partition = offset_commit_request::OffsetCommitRequestPartition::default().with_committed_offset(5);
        let topic = offset_commit_request::OffsetCommitRequestTopic::default().with_name(name("t"));
        OffsetCommitRequest::default().with_group_id(group()).with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    ask::<_, OffsetFetchResponse>(&broker, ApiKey::OffsetFetch, 1..=9, |version| {
        if version < 8 {
            let topic = offset_fetch_request::OffsetFetchRequestTopic::default().with_name(name("t"));
            let request = OffsetFetchRequest::default().with_group_id(group());
            request.with_topics(Some(vec![topic.with_partition_indexes(vec![0, 1])]))
        } else {
            let asked = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group());
            OffsetFetchRequest::default().with_groups(vec![asked.with_topics(None)])
        }
    })
    .await;
    ask::<_, DescribeGroupsResponse>(&broker, ApiKey::DescribeGroups, 0..=6, |_| {
        DescribeGroupsRequest::default().with_groups(vec![group(), GroupId(text("none")), GroupId(text("g3"))])
    })
    .await;
    ask::<_, ListGroupsResponse>(&broker, ApiKey::ListGroups, 0..=5, |_| ListGroupsRequest::default()).await;
    ask::<_, OffsetDeleteResponse>(&broker, ApiKey::OffsetDelete, 0..=0, |_| {
        OffsetDeleteRequest::default().with_group_id(group())
    })
    .await;
    ask::<_, DeleteGroupsResponse>(&broker, ApiKey::DeleteGroups, 0..=2, |_| {
        DeleteGroupsRequest::default().with_groups_names(vec![group(), GroupId(text("none"))])
    })
    .await;
    damage_all(&broker).await;
}

#[tokio::test]
async fn every_version_of_the_admin_apis_answers_and_damaged_requests_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    Client::new(&broker).create("t").await;
    ask::<_, CreateTopicsResponse>(&broker, ApiKey::CreateTopics, 2..=7, |version| {
        let topic = |name_: String, partitions| {
            create_topics_request::CreatableTopic::default()
                .with_name(name(&name_))
                .with_num_partitions(partitions)
                .with_replication_factor(1)
        };
        CreateTopicsRequest::default().with_topics(vec![topic(format!("new{version}"), 1), topic("t".into(), 0)])
    })
    .await;
    ask::<_, CreatePartitionsResponse>(&broker, ApiKey::CreatePartitions, 0..=3, |version| {
        let topic = |topic, count| {
            create_partitions_request::CreatePartitionsTopic::default()
                .with_name(name(topic))
                .with_count(count)
                .with_assignments(None)
        };
        CreatePartitionsRequest::default().with_topics(vec![topic("t", i32::from(version) + 2), topic("none", 1)])
    })
    .await;
    let resources = [(2, "t"), (2, "none"), (4, "1"), (4, ""), (4, "9"), (8, "1"), (99, "x")];
    ask::<_, DescribeConfigsResponse>(&broker, ApiKey::DescribeConfigs, 1..=4, |version| {
        let asked = resources.map(|(kind, name)| {
            describe_configs_request::DescribeConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
                .with_configuration_keys(None)
        });
        let request = DescribeConfigsRequest::default().with_resources(asked.to_vec()).with_include_synonyms(true);
        request.with_include_documentation(3 <= version)
    })
    .await;
    ask::<_, AlterConfigsResponse>(&broker, ApiKey::AlterConfigs, 0..=2, |_| {
        let asked = resources.map(|(kind, name)| {
            alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(kind)
                .with_resource_name(text(name))
        });
        AlterConfigsRequest::default().with_resources(asked.to_vec())
    })
    .await;
    ask::<_, IncrementalAlterConfigsResponse>(&broker, ApiKey::IncrementalAlterConfigs, 0..=1, |_| {
        let config = incremental_alter_configs_request::AlterableConfig::default()
            .with_name(text("cleanup.policy"))
            .with_config_operation(2)
            .with_value(Some(text("compact")));
        let asked = incremental_alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        IncrementalAlterConfigsRequest::default().with_resources(vec![asked])
    })
    .await;
    ask::<_, DescribeClusterResponse>(&broker, ApiKey::DescribeCluster, 0..=2, |_| DescribeClusterRequest::default())
        .await;
    ask::<_, ListConfigResourcesResponse>(&broker, ApiKey::ListConfigResources, 0..=1, |version| {
        let request = ListConfigResourcesRequest::default();
        if version == 0 { request } else { request.with_resource_types(vec![2, 4, 16]) }
    })
    .await;
    ask::<_, DescribeTopicPartitionsResponse>(&broker, ApiKey::DescribeTopicPartitions, 0..=0, |_| {
        let topic = |topic| describe_topic_partitions_request::TopicRequest::default().with_name(name(topic));
        let cursor = describe_topic_partitions_request::Cursor::default().with_topic_name(name("none"));
        DescribeTopicPartitionsRequest::default().with_topics(vec![topic("t"), topic("none")]).with_cursor(Some(cursor))
    })
    .await;
    ask::<_, AlterPartitionReassignmentsResponse>(&broker, ApiKey::AlterPartitionReassignments, 0..=1, |_| {
        let partition = alter_partition_reassignments_request::ReassignablePartition::default()
            .with_replicas(Some(vec![BrokerId(1), BrokerId(7)]));
        let topic = alter_partition_reassignments_request::ReassignableTopic::default().with_name(name("t"));
        AlterPartitionReassignmentsRequest::default().with_topics(vec![topic.with_partitions(vec![partition])])
    })
    .await;
    ask::<_, AlterReplicaLogDirsResponse>(&broker, ApiKey::AlterReplicaLogDirs, 1..=2, |_| {
        let topic = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default()
            .with_name(name("t"))
            .with_partitions(vec![0, 9]);
        let dir = alter_replica_log_dirs_request::AlterReplicaLogDir::default().with_path(text("/nowhere"));
        AlterReplicaLogDirsRequest::default().with_dirs(vec![dir.with_topics(vec![topic])])
    })
    .await;
    ask::<_, ListTransactionsResponse>(&broker, ApiKey::ListTransactions, 0..=2, |version| {
        let request = ListTransactionsRequest::default();
        if version < 2 { request } else { request.with_transactional_id_pattern(Some(text("(a+)+b"))) }
    })
    .await;
    ask::<_, CreateDelegationTokenResponse>(&broker, ApiKey::CreateDelegationToken, 1..=3, |_| {
        CreateDelegationTokenRequest::default()
    })
    .await;
    ask::<_, RenewDelegationTokenResponse>(&broker, ApiKey::RenewDelegationToken, 1..=2, |_| {
        RenewDelegationTokenRequest::default()
    })
    .await;
    ask::<_, ExpireDelegationTokenResponse>(&broker, ApiKey::ExpireDelegationToken, 1..=2, |_| {
        ExpireDelegationTokenRequest::default()
    })
    .await;
    ask::<_, DescribeDelegationTokenResponse>(&broker, ApiKey::DescribeDelegationToken, 1..=3, |_| {
        DescribeDelegationTokenRequest::default()
    })
    .await;
    ask::<_, DescribeLogDirsResponse>(&broker, ApiKey::DescribeLogDirs, 1..=4, |_| {
        DescribeLogDirsRequest::default().with_topics(None)
    })
    .await;
    ask::<_, DescribeAclsResponse>(&broker, ApiKey::DescribeAcls, 1..=3, |_| DescribeAclsRequest::default()).await;
    ask::<_, CreateAclsResponse>(&broker, ApiKey::CreateAcls, 1..=3, |_| {
        CreateAclsRequest::default().with_creations(vec![create_acls_request::AclCreation::default()])
    })
    .await;
    ask::<_, DeleteAclsResponse>(&broker, ApiKey::DeleteAcls, 1..=3, |_| {
        DeleteAclsRequest::default().with_filters(vec![delete_acls_request::DeleteAclsFilter::default()])
    })
    .await;
    ask::<_, ElectLeadersResponse>(&broker, ApiKey::ElectLeaders, 0..=2, |_| {
        let topic =
            elect_leaders_request::TopicPartitions::default().with_topic(name("t")).with_partitions(vec![0, 99]);
        ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic]))
    })
    .await;
    ask::<_, ListPartitionReassignmentsResponse>(&broker, ApiKey::ListPartitionReassignments, 0..=0, |_| {
        ListPartitionReassignmentsRequest::default()
    })
    .await;
    ask::<_, DeleteTopicsResponse>(&broker, ApiKey::DeleteTopics, 1..=6, |version| {
        if version < 6 {
            DeleteTopicsRequest::default().with_topic_names(vec![name(&format!("new{version}")), name("none")])
        } else {
            let topic = delete_topics_request::DeleteTopicState::default().with_name(None);
            DeleteTopicsRequest::default().with_topics(vec![topic.with_topic_id(uuid::Uuid::from_u128(7))])
        }
    })
    .await;
    damage_all(&broker).await;
}
