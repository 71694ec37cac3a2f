//! Where leader epochs end, as consumers ask who have read up to somewhere.

mod support;

use std::fs;

use millstream_broker::Broker;
use millstream_wire::protocol::messages::{
    ApiKey, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};
use support::{Client, batch, config, name};

#[tokio::test]
async fn an_epoch_in_which_nothing_was_written_ended_where_the_log_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    for restart in 0..3 {
        let broker = Broker::start(config(dir.path())).await.unwrap();
        let mut client = Client::new(&broker);
        if restart == 0 {
            client.create("t").await;
            client.produce("t", -1, batch(&["a", "b"], None)).await;
        } else {
            assert_eq!(end_of(&mut client, 0, restart).await, (0, 2));
        }
        // A reader that began at the end was told this epoch, and must not be sent elsewhere for it.
        assert_eq!(end_of(&mut client, restart, restart).await, (restart, 2));
        if restart == 2 {
            assert_eq!(end_of(&mut client, 1, 2).await, (1, 2));
        }
        assert_eq!(end_of(&mut client, restart + 1, -1).await, (-1, -1), "it has not begun");
        broker.shutdown().await.unwrap();
        // As a crash leaves it.
        fs::remove_file(dir.path().join(".kafka_cleanshutdown")).unwrap();
    }
}

/// The epoch and its end that the broker answers.
async fn end_of(client: &mut Client, epoch: i32, current: i32) -> (i32, i64) {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(current).with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default().with_topic(name("t")).with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
    let response: OffsetForLeaderEpochResponse = client.call(ApiKey::OffsetForLeaderEpoch, 4, &request).await;
    let end = &response.topics[0].partitions[0];
    assert_eq!(end.error_code, 0);
    (end.leader_epoch, end.end_offset)
}
