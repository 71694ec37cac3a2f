//! Transactions from the outside: what producers are answered, and what consumers of either isolation see.

mod support;

use millstream_broker::Broker;
use millstream_wire::protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, EndTxnResponse, ListTransactionsRequest,
    ListTransactionsResponse, ProducerId, TransactionalId, UpdateFeaturesRequest, UpdateFeaturesResponse,
    WriteTxnMarkersRequest, WriteTxnMarkersResponse,
    describe_producers_request::TopicRequest,
    update_features_request::FeatureUpdateKey,
    write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic},
};
use support::{
    Client, config, name, text,
    transactional::{FIRST, Generation, Producer, SECOND, consume, offset},
    with,
};

const BOTH: [Generation; 2] = [FIRST, SECOND];
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const CONCURRENT_TRANSACTIONS: i16 = 51;
const TRANSACTIONAL_ID_NOT_FOUND: i16 = 105;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;
const ILLEGAL_GENERATION: i16 = 22;
const UNKNOWN_MEMBER_ID: i16 = 25;
const PRODUCER_FENCED: i16 = 90;
const TRANSACTION_ABORTABLE: i16 = 120;

async fn start(dir: &tempfile::TempDir) -> Broker {
    Broker::start(config(dir.path())).await.unwrap()
}

#[tokio::test]
async fn committed_records_are_seen_once_the_transaction_ends_and_aborted_ones_never() {
    for generation in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let broker = start(&dir).await;
        let mut reader = Client::new(&broker);
        for topic in ["a", "b"] {
            reader.create(topic).await;
        }
        let mut producer = Producer::new(Client::new(&broker), "tx", generation).await;
        for (value, commit) in [("one", true), ("two", false), ("three", true)] {
            for topic in ["a", "b"] {
                assert_eq!(producer.write(topic, value).await, 0, "{generation:?} {value}");
            }
            let (values, stable) = consume(&mut reader, "a", true).await;
            assert!(!values.contains(&value.to_owned()), "{values:?}");
            assert_eq!(
                stable,
                match value {
                    "one" => 0,
                    "two" => 2,
                    _ => 4,
                }
            );
            assert_eq!(producer.end(commit).await, 0);
        }
        for topic in ["a", "b"] {
            assert_eq!(consume(&mut reader, topic, true).await, (vec!["one".to_owned(), "three".to_owned()], 6));
            assert_eq!(consume(&mut reader, topic, false).await.0, ["one", "two", "three"]);
        }
        broker.shutdown().await.unwrap();
        let broker = start(&dir).await;
        let mut reader = Client::new(&broker);
        assert_eq!(consume(&mut reader, "b", true).await, (vec!["one".to_owned(), "three".to_owned()], 6));
    }
}

#[tokio::test]
async fn a_batch_outside_of_a_transaction_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(&dir).await;
    let mut reader = Client::new(&broker);
    reader.create("t").await;
    let mut producer = Producer::new(Client::new(&broker), "tx", FIRST).await;
    assert_eq!(producer.produce("t", "x").await, TRANSACTION_ABORTABLE);
    producer.generation.produce = 10;
    assert_eq!(producer.produce("t", "x").await, INVALID_TXN_STATE);
    assert_eq!(producer.write("t", "x").await, 0);
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(producer.produce("t", "y").await, INVALID_TXN_STATE, "the transaction has ended");
    producer.epoch -= 1;
    assert_eq!(producer.produce("t", "y").await, INVALID_PRODUCER_EPOCH);
    assert_eq!(consume(&mut reader, "t", false).await.0, ["x"]);
}

#[tokio::test]
async fn a_new_instance_ends_the_old_ones_transaction_and_fences_it() {
    for generation in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let broker = start(&dir).await;
        let mut reader = Client::new(&broker);
        reader.create("t").await;
        let mut old = Producer::new(Client::new(&broker), "tx", generation).await;
        assert_eq!(old.write("t", "old").await, 0);
        let mut new =
            Producer { client: Client::new(&broker), ..Producer::new(Client::new(&broker), "other", generation).await };
        new.id = "tx";
        let mut code = new.init(60_000).await;
        assert_eq!(code, CONCURRENT_TRANSACTIONS);
        while code == CONCURRENT_TRANSACTIONS {
            code = new.init(60_000).await;
        }
        assert_eq!(code, 0);
        assert_eq!(old.produce("t", "late").await, INVALID_PRODUCER_EPOCH);
        assert_eq!(old.end(true).await, PRODUCER_FENCED);
        assert_eq!(new.write("t", "new").await, 0);
        assert_eq!(new.end(true).await, 0);
        let seen = (consume(&mut reader, "t", true).await, consume(&mut reader, "t", false).await);
        assert_eq!(seen.0.0, ["new"], "{seen:?} {generation:?}");
    }
}

#[tokio::test]
async fn an_end_that_arrives_late_does_not_hit_the_next_transaction() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(&dir).await;
    let mut reader = Client::new(&broker);
    reader.create("t").await;
    // The first generation: the producer gave up its first connection, on which an EndTxn was still under way.
    let mut producer = Producer::new(Client::new(&broker), "tx", FIRST).await;
    assert_eq!(producer.write("t", "one").await, 0);
    let mut left = std::mem::replace(&mut producer.client, Client::new(&broker));
    assert_eq!(producer.end(true).await, 0);
    assert_eq!(producer.write("t", "two").await, 0);
    left.send(ApiKey::EndTxn, 4, &producer.end_request(true)).await;
    assert_eq!(left.receive_raw().await, None, "the connection is closed");
    assert_eq!(consume(&mut reader, "t", true).await.0, ["one"]);
    assert_eq!(producer.end(false).await, 0);
    assert_eq!(consume(&mut reader, "t", true).await.0, ["one"]);

    // The second: the epoch tells.
    let mut producer = Producer::new(Client::new(&broker), "ty", SECOND).await;
    assert_eq!(producer.write("t", "three").await, 0);
    let sent = producer.end_request(true);
    assert_eq!(producer.end(true).await, 0);
    let again: EndTxnResponse = producer.client.call(ApiKey::EndTxn, 5, &sent).await;
    assert_eq!((again.error_code, again.producer_epoch), (0, producer.epoch), "it is recognised");
    assert_eq!(producer.write("t", "four").await, 0);
    let again: EndTxnResponse = producer.client.call(ApiKey::EndTxn, 5, &sent).await;
    assert_eq!(again.error_code, PRODUCER_FENCED);
    assert_eq!(consume(&mut reader, "t", true).await.0, ["one", "three"]);
}

#[tokio::test]
async fn a_transaction_that_takes_too_long_is_aborted_by_the_broker() {
    for generation in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let settings = [("transaction.abort.timed.out.transaction.cleanup.interval.ms", "10")];
        let broker = Broker::start(with(dir.path(), &settings)).await.unwrap();
        let mut reader = Client::new(&broker);
        reader.create("t").await;
        let mut producer = Producer::new(Client::new(&broker), "tx", generation).await;
        assert_eq!(producer.init(1).await, 0);
        // It may be over before its first record is written.
        let code = producer.write("t", "x").await;
        assert!(
            [0, PRODUCER_FENCED, INVALID_PRODUCER_EPOCH, CONCURRENT_TRANSACTIONS, TRANSACTION_ABORTABLE, 19]
                .contains(&code),
            "{code}"
        );
        let waited = async {
            while describe(&mut reader, "tx").await.1 != "CompleteAbort" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(120), waited).await.expect("it is aborted");
        // In the second generation the epoch says that this end is of the transaction that was aborted.
        let expected = if generation.end < 5 { PRODUCER_FENCED } else { INVALID_TXN_STATE };
        assert_eq!(producer.end(true).await, expected);
        assert_eq!(consume(&mut reader, "t", true).await.0, Vec::<String>::new());
    }
}

/// Code, state, topics.
async fn describe(client: &mut Client, id: &str) -> (i16, String, usize) {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![TransactionalId(text(id))]);
    let response: DescribeTransactionsResponse = client.call(ApiKey::DescribeTransactions, 0, &request).await;
    let state = &response.transaction_states[0];
    (state.error_code, state.transaction_state.to_string(), state.topics.len())
}

#[tokio::test]
async fn offsets_within_a_transaction_count_once_it_is_committed_and_never_after_an_abort() {
    for generation in BOTH {
        let dir = tempfile::tempdir().unwrap();
        let mut broker = start(&dir).await;
        let mut reader = Client::new(&broker);
        reader.create("t").await;
        let mut producer = Producer::new(Client::new(&broker), "tx", generation).await;
        for (committed, commit, expected) in [(5, true, 5), (9, false, 5), (11, true, 11)] {
            if generation.commit < 5 {
                assert_eq!(producer.commit_offset("g", "t", committed, -1).await, TRANSACTION_ABORTABLE);
                assert_eq!(producer.add_offsets("g").await, 0);
            }
            let member = producer.commit_offset("g", "t", committed, 3).await;
            assert!([ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID].contains(&member), "{member}");
            assert_eq!(producer.commit_offset("g", "t", committed, -1).await, 0);
            assert_eq!(offset(&mut reader, "g", "t", true).await, (-1, UNSTABLE_OFFSET_COMMIT));
            let before = offset(&mut reader, "g", "t", false).await;
            assert_ne!(before.0, committed);
            if committed == 9 {
                // What waits for the end survives a crash.
                broker.abandon().await;
                broker = start(&dir).await;
                reader = Client::new(&broker);
                producer.client = Client::new(&broker);
                assert_eq!(offset(&mut reader, "g", "t", true).await, (-1, UNSTABLE_OFFSET_COMMIT));
            }
            assert_eq!(producer.end(commit).await, 0);
            assert_eq!(offset(&mut reader, "g", "t", true).await, (expected, 0));
        }
        broker.abandon().await;
        let broker = start(&dir).await;
        assert_eq!(offset(&mut Client::new(&broker), "g", "t", true).await, (11, 0));
    }
}

#[tokio::test]
async fn administrators_see_transactions_and_end_one_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(&dir).await;
    let mut admin = Client::new(&broker);
    admin.create("t").await;
    let mut producer = Producer::new(Client::new(&broker), "tx", SECOND).await;
    let mut idle = Producer::new(Client::new(&broker), "idle", SECOND).await;
    assert_eq!(producer.write("t", "x").await, 0);
    assert_eq!(describe(&mut admin, "tx").await, (0, "Ongoing".to_owned(), 1));
    assert_eq!(describe(&mut admin, "idle").await, (0, "Empty".to_owned(), 0));
    assert_eq!(describe(&mut admin, "nobody").await.0, TRANSACTIONAL_ID_NOT_FOUND);

    let list = |states: &[&str], producers: &[i64], duration: i64| {
        ListTransactionsRequest::default()
            .with_state_filters(states.iter().map(|state| text(state)).collect())
            .with_producer_id_filters(producers.iter().map(|&id| ProducerId(id)).collect())
            .with_duration_filter(duration)
    };
    for (request, expected) in [
        (list(&[], &[], -1), vec!["idle", "tx"]),
        (list(&["Ongoing", "Nonsense"], &[], -1), vec!["tx"]),
        (list(&["Nonsense"], &[], -1), vec![]),
        (list(&["Dead"], &[], -1), vec![]),
        (list(&[], &[idle.producer_id], -1), vec!["idle"]),
        (list(&[], &[], 3_600_000), vec!["idle"]),
    ] {
        let listed: ListTransactionsResponse = admin.call(ApiKey::ListTransactions, 1, &request).await;
        let ids: Vec<_> = listed.transaction_states.iter().map(|state| state.transactional_id.as_str()).collect();
        assert_eq!(ids, expected, "{request:?}");
        assert_eq!(listed.unknown_state_filters.len(), usize::from(request.state_filters.contains(&text("Nonsense"))));
    }

    let topic = TopicRequest::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let described: DescribeProducersResponse = admin.call(ApiKey::DescribeProducers, 0, &request).await;
    let partitions = &described.topics[0].partitions;
    assert_eq!(partitions[1].error_code, 3);
    let active = &partitions[0].active_producers[0];
    assert_eq!(
        (active.producer_id.0, active.last_sequence, active.current_txn_start_offset),
        (producer.producer_id, 0, 0)
    );
    assert_eq!(active.coordinator_epoch, -1);

    let topic = WritableTxnMarkerTopic::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(producer.epoch)
        .with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let written: WriteTxnMarkersResponse = admin.call(ApiKey::WriteTxnMarkers, 1, &request).await;
    let codes: Vec<_> = written.markers[0].topics[0].partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [0, 3]);
    assert_eq!(consume(&mut admin, "t", true).await, (Vec::new(), 2));
    assert_eq!(idle.end(true).await, INVALID_TXN_STATE);
    assert_eq!(idle.end(false).await, 0, "what never began may be aborted");
}

#[tokio::test]
async fn the_generation_that_clients_are_to_speak_is_a_feature_that_can_be_lowered() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(&dir).await;
    assert_eq!(features(&mut Client::new(&broker)).await, (Some(2), 0));
    let update = |level, upgrade_type| {
        let update = FeatureUpdateKey::default()
            .with_feature(text("transaction.version"))
            .with_max_version_level(level)
            .with_upgrade_type(upgrade_type);
        UpdateFeaturesRequest::default().with_feature_updates(vec![update])
    };
    for (level, upgrade_type, code) in [(1, 1, 95), (3, 1, 95), (1, 7, 95), (1, 2, 0)] {
        let mut admin = Client::new(&broker);
        let updated: UpdateFeaturesResponse = admin.call(ApiKey::UpdateFeatures, 1, &update(level, upgrade_type)).await;
        assert_eq!(updated.error_code, code, "{level} {upgrade_type}: {:?}", updated.error_message);
    }
    assert_eq!(features(&mut Client::new(&broker)).await, (Some(1), 1));
    broker.abandon().await;
    let broker = start(&dir).await;
    assert_eq!(features(&mut Client::new(&broker)).await, (Some(1), 1));
}

/// The level of `transaction.version`, and the epoch of all levels.
async fn features(client: &mut Client) -> (Option<i16>, i64) {
    let request =
        ApiVersionsRequest::default().with_client_software_name(text("test")).with_client_software_version(text("1"));
    let response: ApiVersionsResponse = client.call(ApiKey::ApiVersions, 4, &request).await;
    let mut finalized = response.finalized_features.iter();
    let level = finalized.find(|feature| feature.name.as_str() == "transaction.version");
    (level.map(|feature| feature.max_version_level), response.finalized_features_epoch)
}
