//! What is deleted stays deleted, and what cannot be deleted stays whole.

use std::io::ErrorKind;

use millstream_disk::faulty::{FaultyDisk, Operation, Trigger};
use millstream_wire::protocol::messages::{
    ApiKey, DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
};

use super::*;
use crate::error_code::ErrorCode;

async fn delete_group(node: &Arc<Node>, group: &str) -> i16 {
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
    let deleted: DeleteGroupsResponse = call(node, ApiKey::DeleteGroups, 1, &request).await;
    deleted.results[0].error_code
}

async fn state(node: &Arc<Node>, group: &str) -> String {
    let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
    let described: DescribeGroupsResponse = call(node, ApiKey::DescribeGroups, 5, &request).await;
    described.groups[0].group_state.to_string()
}

#[tokio::test]
async fn offsets_of_a_deleted_topic_that_could_not_be_read_are_not_those_of_the_next_of_its_name() {
    let disk = FaultyDisk::new(1);
    leave_offsets(&disk).await;

    // The topic is deleted while the groups of one partition cannot be read, and made anew after a restart.
    disk.fail(Trigger::on(Operation::Open).path("__consumer_offsets-1/").always(), ErrorKind::Other);
    let broker = start(disk.process()).await;
    assert_eq!(delete(&broker.node, "b").await, 0);
    broker.abandon().await;
    let broker = start(disk.process()).await;
    assert_eq!(create(&broker.node, "b").await, 0);
    assert_eq!(committed(&broker.node, "g").await, (ErrorCode::NOT_COORDINATOR.get(), None));
    assert_eq!(committed(&broker.node, "h").await, (0, Some(-1)));
    broker.abandon().await;

    // And then they can be read.
    disk.heal();
    let broker = start(disk.process()).await;
    assert_eq!(committed(&broker.node, "g").await, (0, Some(-1)));
    assert_eq!(commit_offset(&broker.node, "g", "b", 1).await, 0);
    broker.abandon().await;
    let broker = start(disk.process()).await;
    assert_eq!(committed(&broker.node, "g").await, (0, Some(1)));
    broker.abandon().await;
}

#[tokio::test]
async fn a_group_whose_deletion_cannot_be_written_stays_as_it_is() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    let node = &broker.node;
    assert_eq!(create(node, "b").await, 0);
    assert_eq!(commit_offset(node, "g", "b", 5).await, 0);
    disk.fail(Trigger::on(Operation::Write).path("__consumer_offsets-1/").always(), ErrorKind::StorageFull);
    assert_eq!(delete_group(node, "g").await, ErrorCode::COORDINATOR_NOT_AVAILABLE.get());
    assert_eq!((state(node, "g").await.as_str(), committed(node, "g").await), ("Empty", (0, Some(5))));
    disk.heal();
    assert_eq!(delete_group(node, "g").await, 0);
    assert_eq!((state(node, "g").await.as_str(), committed(node, "g").await), ("Dead", (0, Some(-1))));
    broker.abandon().await;
    let broker = start(disk.process()).await;
    assert_eq!(state(&broker.node, "g").await, "Dead");
    broker.abandon().await;
}

#[tokio::test]
async fn a_damaged_catalogue_stops_the_start_with_its_name_and_the_remedy() {
    let disk = FaultyDisk::new(1);
    let broker = start(disk.process()).await;
    assert_eq!(create(&broker.node, "b").await, 0);
    broker.shutdown().await.unwrap();
    let file = in_data("topics.catalogue");
    let at = disk.content(&file).unwrap().len() as u64 / 2;
    disk.damage(&file, at, 1);
    let Err(refused) = try_start(disk.process()).await else { panic!("started on a damaged catalogue") };
    let said = millstream_record::ErrorChain(&refused).to_string();
    assert!(said.contains("topics.catalogue is damaged") && said.contains("restore the file"), "{said}");
}
