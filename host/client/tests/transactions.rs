//! What a transactional producer asks, in which order, and what it does when answers are lost.

mod common;

use std::{sync::Arc, time::Duration};

use common::{
    coordinator::Coordinator,
    producer,
    scripted::{Fault, Script, Scripted},
    topic,
};
use futures::FutureExt as _;
use millstream_client::{
    GroupMetadata, Producer, RecordRef, SendError, TransactionError, TryAppendError, consumer::OffsetAndMetadata,
};
use millstream_record::ErrorChain;
use millstream_wire::batch::Batches;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn the_older_generation_announces_partitions_and_groups_and_keeps_its_epoch() {
    let broker = broker(1);
    let mut producer = ready(&broker, &[]).await;
    for offset in [3, 4] {
        transaction(&mut producer, offset).await;
        producer.commit_transaction().await.expect("committed");
    }
    let script = broker.script.lock().expect("unpoisoned");
    let coordinator = script.coordinator.as_ref().expect("a coordinator");
    let expected = [
        "init -1 -1",
        "add 1 of t",
        "add offsets of g",
        "v4 offset 3",
        "v4 commit 1",
        "add 1 of t",
        "add offsets of g",
        "v4 offset 4",
        "v4 commit 1",
    ];
    assert_eq!(coordinator.asked, expected);
    assert_eq!(coordinator.ended, [(1, true), (1, true)]);
    assert_eq!(script.produced, [11, 11]);
    assert_eq!(stamps(&script), [(7, 1, 0), (7, 1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_in_which_nothing_was_written_ends_at_once_and_nobody_is_asked() {
    let broker = broker(2);
    let mut producer = ready(&broker, &[]).await;
    for commit in [true, false] {
        transaction(&mut producer, 3).await;
        producer.commit_transaction().await.expect("committed");
        while producer.try_ack().is_some() {}
        producer.begin_transaction().expect("ready");
        // Nothing is on its way that would wake its owner.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let ended =
            async { if commit { producer.commit_transaction().await } else { producer.abort_transaction().await } };
        timeout(Duration::from_secs(1), ended).await.expect("at once").expect("it ends");
    }
    let script = broker.script.lock().expect("unpoisoned");
    assert_eq!(script.coordinator.as_ref().expect("a coordinator").ended.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_newer_generation_announces_nothing_and_begins_each_transaction_with_its_own_epoch() {
    let broker = broker(2);
    let mut producer = ready(&broker, &[]).await;
    for offset in [3, 4] {
        transaction(&mut producer, offset).await;
        producer.commit_transaction().await.expect("committed");
    }
    let script = broker.script.lock().expect("unpoisoned");
    let coordinator = script.coordinator.as_ref().expect("a coordinator");
    assert_eq!(coordinator.asked, ["init -1 -1", "v5 offset 3", "v5 commit 1", "v5 offset 4", "v5 commit 2"]);
    assert_eq!(coordinator.ended, [(1, true), (2, true)]);
    assert_eq!(script.produced, [12, 12]);
    assert_eq!(stamps(&script), [(7, 1, 0), (7, 2, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_answer_is_lost_is_asked_about_until_it_is_known_and_shut_out_before_the_next() {
    for (version, after) in [(1, "init 7 1"), (2, "v5 commit 1")] {
        for faults in
            [[Fault::DropAnswer, Fault::None], [Fault::Drop, Fault::DropAnswer], [Fault::Refuse(16), Fault::DropAnswer]]
        {
            let broker = broker(version);
            let mut producer = ready(&broker, &[]).await;
            producer.begin_transaction().expect("ready");
            append(&mut producer, "x").await;
            producer.flush().await;
            coordinator(&broker, |coordinator| coordinator.faults = faults.into());
            timeout(PATIENCE, producer.commit_transaction()).await.expect("in time").expect("committed");
            coordinator(&broker, |coordinator| {
                assert_eq!(coordinator.ended, [(1, true)], "{version} {faults:?}");
                assert_eq!(coordinator.asked.last().map(String::as_str), Some(after), "{version} {faults:?}");
            });
            producer.begin_transaction().expect("ready");
            append(&mut producer, "y").await;
            producer.commit_transaction().await.expect("committed");
            assert_eq!(stamps(&broker.script.lock().expect("unpoisoned")), [(7, 1, 0), (7, 2, 0)]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_too_long_goes_on_and_can_be_waited_for_again() {
    for version in [1, 2] {
        let broker = broker(version);
        let mut producer = ready(&broker, &[("max.block.ms", "2000")]).await;
        producer.begin_transaction().expect("ready");
        append(&mut producer, "x").await;
        producer.flush().await;
        coordinator(&broker, |coordinator| coordinator.faults = [Fault::Refuse(14); 8].into());
        let late = producer.commit_transaction().await.expect_err("not yet");
        assert!(matches!(late, TransactionError::Timeout { .. }), "{}", ErrorChain(&late));
        assert!(matches!(producer.begin_transaction(), Err(TransactionError::WrongState { .. })));
        assert!(matches!(producer.abort_transaction().await, Err(TransactionError::WrongState { .. })));
        // One that nobody waits for any more.
        assert!(producer.commit_transaction().now_or_never().is_none());
        while producer.commit_transaction().await.is_err() {}
        coordinator(&broker, |coordinator| assert_eq!(coordinator.ended, [(1, true)], "{version}"));
        assert!(matches!(producer.commit_transaction().await, Err(TransactionError::WrongState { .. })), "it was told");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_lost_forbids_the_commit_and_the_next_transaction_has_a_new_epoch() {
    for version in [1, 2] {
        let broker = broker(version);
        let mut producer = ready(&broker, &[("batch.size", "0")]).await;
        producer.begin_transaction().expect("ready");
        append(&mut producer, "written").await;
        producer.flush().await;
        broker.script.lock().expect("unpoisoned").produce = [Fault::Refuse(87)].into();
        append(&mut producer, "refused").await;
        producer.flush().await;
        let forbidden = producer.commit_transaction().await.expect_err("a record is missing");
        assert!(forbidden.is_abortable(), "{}", ErrorChain(&forbidden));
        assert!(ErrorChain(&forbidden).to_string().contains("INVALID_RECORD"), "{}", ErrorChain(&forbidden));
        let refused = producer.try_append(&topic("t"), None, RecordRef::default());
        assert!(matches!(refused, Err(TryAppendError::Failed(SendError::Transaction { .. }))), "{refused:?}");
        producer.abort_transaction().await.expect("aborted");
        transaction(&mut producer, 1).await;
        producer.commit_transaction().await.expect("committed");
        coordinator(&broker, |coordinator| assert_eq!(coordinator.ended, [(1, false), (2, true)], "{version}"));
        assert_eq!(stamps(&broker.script.lock().expect("unpoisoned")), [(7, 1, 0), (7, 2, 0)]);
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_a_transaction_that_is_aborted_are_not_sent_and_each_is_told_why() {
    let broker = broker(2);
    let mut producer = ready(&broker, &[("linger.ms", "100000")]).await;
    producer.begin_transaction().expect("ready");
    append(&mut producer, "x").await;
    producer.abort_transaction().await.expect("aborted");
    let ack = producer.try_ack().expect("acknowledged");
    assert!(matches!(ack.result, Err(SendError::Aborted)), "{ack:?}");
    coordinator(&broker, |coordinator| assert_eq!(coordinator.asked, ["init -1 -1"], "nothing had begun"));
}

#[tokio::test(start_paused = true)]
async fn calls_out_of_turn_are_refused_with_what_the_producer_is_doing() {
    let broker = broker(2);
    let mut producer = transactional(&broker, &[]);
    let told = |error: TransactionError| error.to_string();
    assert_eq!(
        told(producer.begin_transaction().expect_err("too early")),
        "begin a transaction: the producer p is not initialized"
    );
    producer.init_transactions().await.expect("initialized");
    producer.init_transactions().await.expect("once is enough");
    let refused = producer.commit_transaction().await.expect_err("there is none");
    assert_eq!(told(refused.clone()), "commit the transaction: the producer p is in no transaction");
    assert_eq!(refused.java_class(), "java.lang.IllegalStateException");
    producer.partitions(&topic("t")).await.expect("known");
    let refused = producer.try_append(&topic("t"), None, RecordRef::default());
    assert!(matches!(refused, Err(TryAppendError::Failed(SendError::Transaction { .. }))), "{refused:?}");
    producer.begin_transaction().expect("ready");
    assert_eq!(
        told(producer.begin_transaction().expect_err("twice")),
        "begin a transaction: the producer p is in a transaction"
    );
    let mut plain = common::producer(Arc::new(broker.clone()), "scripted.example:9092", &[]);
    let refused = plain.init_transactions().await.expect_err("no name");
    assert_eq!(told(refused), "initialize transactions: the producer has no transactional.id");
}

fn broker(version: i16) -> Scripted {
    let broker = Scripted::default();
    broker.script.lock().expect("unpoisoned").coordinator = Some(Coordinator { version, ..Coordinator::default() });
    broker
}

fn coordinator(broker: &Scripted, look: impl FnOnce(&mut Coordinator)) {
    look(broker.script.lock().expect("unpoisoned").coordinator.as_mut().expect("a coordinator"));
}

fn transactional(broker: &Scripted, more: &[(&str, &str)]) -> Producer {
    let mut settings = vec![
        ("transactional.id", "p"),
        ("linger.ms", "0"),
        ("retry.backoff.ms", "1000"),
        ("reconnect.backoff.ms", "1"),
    ];
    settings.extend_from_slice(more);
    producer(Arc::new(broker.clone()), "scripted.example:9092", &settings)
}

async fn ready(broker: &Scripted, more: &[(&str, &str)]) -> Producer {
    let mut producer = transactional(broker, more);
    timeout(PATIENCE, producer.init_transactions()).await.expect("in time").expect("initialized");
    producer
}

/// Begins a transaction with one record and an offset.
async fn transaction(producer: &mut Producer, offset: i64) {
    producer.begin_transaction().expect("ready");
    append(producer, "x").await;
    producer.flush().await;
    let offsets = [(topic("t"), 0, OffsetAndMetadata::new(offset))];
    producer.send_offsets_to_transaction(GroupMetadata::of_nobody("g"), &offsets).await.expect("written");
}

async fn append(producer: &mut Producer, value: &str) {
    let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
    producer.append(&topic("t"), None, record).await.expect("taken");
}

/// Producer id, epoch and sequence of each batch in the log.
fn stamps(script: &Script) -> Vec<(i64, i16, i32)> {
    let headers = Batches::new(&script.log).map(|batch| batch.expect("a batch").0);
    let stamp = |header: millstream_wire::batch::BatchHeader| {
        assert!(header.is_transactional());
        (header.producer_id, header.producer_epoch, header.base_sequence)
    };
    headers.map(stamp).collect()
}
