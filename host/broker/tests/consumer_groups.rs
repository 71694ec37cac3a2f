//! Groups of the consumer protocol (KIP-848), as a client sees them.

mod support;

use millstream_broker::Broker;
use millstream_wire::protocol::messages::{
    ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteGroupsRequest,
    DeleteGroupsResponse, GroupId, ListGroupsRequest, ListGroupsResponse, MetadataRequest, MetadataResponse,
    OffsetCommitRequest, OffsetCommitResponse, TopicName,
    create_topics_request::CreatableTopic,
    metadata_request::MetadataRequestTopic,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
};
use support::{Client, config, name, text};

fn beat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(30_000)
        .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
        .with_topic_partitions(Some(Vec::new()))
}

async fn send(client: &mut Client, request: &ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    client.call(ApiKey::ConsumerGroupHeartbeat, 1, request).await
}

fn partitions(answer: &ConsumerGroupHeartbeatResponse) -> usize {
    let topics = answer.assignment.iter().flat_map(|assignment| &assignment.topic_partitions);
    topics.map(|topic| topic.partitions.len()).sum()
}

async fn commit(client: &mut Client, member: &str, epoch: i32) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
    let topic = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text(member))
        .with_generation_id_or_member_epoch(epoch)
        .with_topics(vec![topic]);
    let response: OffsetCommitResponse = client.call(ApiKey::OffsetCommit, 9, &request).await;
    response.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn a_group_of_the_consumer_protocol_is_served_described_kept_over_a_restart_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let topic = CreatableTopic::default().with_name(name("t")).with_num_partitions(4).with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    let made: CreateTopicsResponse = client.call(ApiKey::CreateTopics, 7, &request).await;
    let id = made.topics[0].topic_id;

    let joined = send(&mut client, &beat("m", 0)).await;
    assert_eq!((joined.error_code, joined.member_epoch, partitions(&joined)), (0, 2, 4));
    assert_eq!(commit(&mut client, "m", 2).await, 0);
    assert_eq!(commit(&mut client, "m", 9).await, 113);
    let refused = send(&mut client, &beat("n", 5)).await;
    assert_eq!(refused.error_code, 25);
    assert_eq!(refused.error_message, Some(text("Member n is not a member of group g.")));

    // Java's consumer knows its topics by their ids, and fills in an empty name.
    let wanted = MetadataRequestTopic::default().with_topic_id(id).with_name(Some(name("")));
    let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
    let metadata: MetadataResponse = client.call(ApiKey::Metadata, 13, &request).await;
    assert_eq!((metadata.topics[0].error_code, metadata.topics[0].name.clone()), (0, Some(name("t"))));

    broker.shutdown().await.unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text("g"))]);
    let described: ConsumerGroupDescribeResponse = client.call(ApiKey::ConsumerGroupDescribe, 1, &request).await;
    let group = &described.groups[0];
    // Whoever joined from within the process died with it.
    assert_eq!((group.error_code, group.group_state.as_str(), group.members.len()), (0, "Empty", 0));
    assert_eq!((group.group_epoch, group.assignor_name.as_str()), (3, "uniform"));
    let refused = send(&mut client, &beat("m", 2)).await;
    assert_eq!(refused.error_code, 25);
    let request = ListGroupsRequest::default().with_types_filter(vec![text("consumer")]);
    let listed: ListGroupsResponse = client.call(ApiKey::ListGroups, 5, &request).await;
    let listed: Vec<_> = listed.groups.iter().map(|group| (group.group_id.as_str(), &*group.group_type)).collect();
    assert_eq!(listed, [("g", "consumer")]);

    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
    let deleted: DeleteGroupsResponse = client.call(ApiKey::DeleteGroups, 2, &request).await;
    assert_eq!(deleted.results[0].error_code, 0);
    broker.shutdown().await.unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let listed: ListGroupsResponse =
        Client::new(&broker).call(ApiKey::ListGroups, 5, &ListGroupsRequest::default()).await;
    assert_eq!(listed.groups.len(), 0);
    broker.shutdown().await.unwrap();
}
