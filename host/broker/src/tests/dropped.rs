//! A client that goes away, at every moment, tears nothing.

use std::{future::Future, pin::pin, time::Duration};

use millstream_disk::faulty::{FaultyDisk, Operation, Stall, Trigger};
use millstream_wire::protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, CreatePartitionsRequest, DeleteGroupsRequest, InitProducerIdRequest,
    OffsetDeleteRequest,
    alter_configs_request::{AlterConfigsResource, AlterableConfig},
    create_partitions_request::CreatePartitionsTopic,
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
};

use super::*;

/// Every kind of operation that a change waits for.
const OPERATIONS: [Operation; 7] = [
    Operation::Open,
    Operation::Write,
    Operation::Sync,
    Operation::Rename,
    Operation::CreateDir,
    Operation::Remove,
    Operation::SyncDir,
];

/// Runs a request until it is through or the disk is at the operation that stalls. Returns whether it was through.
async fn until_stalled(request: impl Future, stall: &Stall) -> bool {
    let mut request = pin!(request);
    loop {
        tokio::select! {
            biased;
            _ = &mut request => return true,
            () = tokio::task::yield_now() => {
                if stall.is_reached_within(Duration::ZERO) {
                    return false;
                }
            }
        }
    }
}

/// Drops a request while the disk is at each operation that it needs, and compares what the broker then knows with
/// what it knows after a crash and a restart.
async fn check_dropped<B: Encodable>(api: ApiKey, version: i16, body: &B) {
    let mut dropped = 0;
    for operation in OPERATIONS {
        for skipped in 0.. {
            let (disk, broker) = prepared().await;
            let stall = disk.stall(Trigger::on(operation).skip(skipped));
            let request = async {
                let reply = api::handle(&broker.node, &peer(), incoming(api, version, body)).await;
                if let Ok(Reply::Later(later)) = reply {
                    let _ = answer_of(later).await;
                }
            };
            let through = until_stalled(request, &stall).await;
            stall.release();
            disk.heal();
            settle(&broker).await;
            let known = knowledge(&broker.node);
            // A producer id that was lost on the way is none that anybody else is given.
            let next_id = broker.node.producer_ids.next().await.unwrap();
            broker.abandon().await;
            disk.kill();
            let broker = start(disk.process()).await;
            assert_eq!(knowledge(&broker.node), known, "{api:?} dropped at {operation:?} {skipped}");
            assert!(next_id < broker.node.producer_ids.next().await.unwrap());
            broker.abandon().await;
            if through {
                break;
            }
            dropped += 1;
        }
    }
    assert!(0 < dropped, "the request waits for the disk");
}

/// A broker with topics `t` and `u`, a record in each, and offsets of the group `g` for both.
async fn prepared() -> (FaultyDisk, Broker) {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    let made: CreateTopicsResponse = call(node, ApiKey::CreateTopics, 5, &create_topics(&["t", "u"], 2)).await;
    assert!(made.topics.iter().all(|topic| topic.error_code == 0));
    for (topic, offset) in [("t", 3), ("u", 4)] {
        let produced: ProduceResponse = call(node, ApiKey::Produce, 9, &produce(topic, "value")).await;
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
        let committed: OffsetCommitResponse = call(node, ApiKey::OffsetCommit, 8, &commit("g", topic, offset)).await;
        assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    }
    settle(&broker).await;
    assert_eq!(knowledge(node).len(), 9, "three topics, four partitions, two offsets");
    (disk, broker)
}

#[tokio::test]
async fn topics_are_made_as_a_whole_or_not_at_all() {
    check_dropped(ApiKey::CreateTopics, 5, &create_topics(&["v", "w"], 3)).await;
}

#[tokio::test]
async fn topics_are_deleted_as_a_whole_or_not_at_all() {
    check_dropped(ApiKey::DeleteTopics, 6, &delete_topics(&["t", "u"])).await;
}

#[tokio::test]
async fn partitions_are_added_as_a_whole_or_not_at_all() {
    let wanted = CreatePartitionsTopic::default().with_name(name("t")).with_count(5).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![wanted]);
    check_dropped(ApiKey::CreatePartitions, 2, &request).await;
}

#[tokio::test]
async fn settings_are_altered_as_a_whole_or_not_at_all() {
    let config = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("77")));
    let resource =
        AlterConfigsResource::default().with_resource_type(2).with_resource_name(text("t")).with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    check_dropped(ApiKey::AlterConfigs, 1, &request).await;
    let (_, broker) = prepared().await;
    let altered: AlterConfigsResponse = call(&broker.node, ApiKey::AlterConfigs, 1, &request).await;
    assert_eq!(altered.responses[0].error_code, 0);
}

#[tokio::test]
async fn records_are_deleted_as_a_whole_or_not_at_all() {
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(1);
    let topic = DeleteRecordsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    check_dropped(ApiKey::DeleteRecords, 2, &request).await;
}

#[tokio::test]
async fn offsets_are_committed_and_deleted_as_a_whole_or_not_at_all() {
    check_dropped(ApiKey::OffsetCommit, 8, &commit("g", "t", 55)).await;
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic = OffsetDeleteRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic]);
    check_dropped(ApiKey::OffsetDelete, 0, &request).await;
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
    check_dropped(ApiKey::DeleteGroups, 1, &request).await;
}

#[tokio::test]
async fn records_are_appended_as_a_whole_or_not_at_all() {
    check_dropped(ApiKey::Produce, 9, &produce("t", "another")).await;
}

#[tokio::test]
async fn a_producer_id_is_never_given_twice() {
    check_dropped(ApiKey::InitProducerId, 4, &InitProducerIdRequest::default().with_transactional_id(None)).await;
}
