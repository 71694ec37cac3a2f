//! A panic ends something visible, with the records that were in hand.

use std::time::Duration;

use async_trait::async_trait;
use millstream_runtime::{
    config_log::{AppendEntriesError, ConfigLog, Entry, Logged, MemoryLog, ReadEntriesError},
    herder::{Health, HerderError, TargetState},
};
use simulation::scripted::{SINK, SOURCE, World, config, eventually, is_healthy, run, trace_with};

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_fails_with_the_message_and_the_records_it_had() {
    let world = World::default();
    world.state().panics.insert("put");
    world.consume(&["a", "b"]);
    let (_herder, handle) = run(&world, SINK, &[]).await;
    let trace = trace_with(&handle, "FAILED", "the task panicked: put breaks").await;
    assert!(trace.contains("\tat the work on t-0 offsets 0 to 1\n"), "{trace}");
    assert!(is_healthy(&handle).await);
}

#[tokio::test(start_paused = true)]
async fn a_transform_that_panics_fails_its_source_with_the_records_it_had() {
    let world = World::default();
    world.state().panics.insert("chain");
    world.state().lines = vec![("t".to_owned(), "x".to_owned()), ("t".to_owned(), "y".to_owned())];
    let chain = [("transforms", "mask"), ("transforms.mask.type", "test.Chain")];
    let (_herder, handle) = run(&world, SOURCE, &chain).await;
    let trace = trace_with(&handle, "FAILED", "the task panicked: chain breaks").await;
    assert!(
        trace.contains("2 records from {topic='t', sourcePartition=null, sourceOffset={\"position\":1}}"),
        "{trace}"
    );
    assert!(trace.contains("{\"position\":2}"), "{trace}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_without_records_names_none() {
    let world = World::default();
    world.state().panics.insert("poll");
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    let trace = trace_with(&handle, "FAILED", "the task panicked: poll breaks").await;
    assert!(!trace.contains("the work on"), "{trace}");
}

#[tokio::test(start_paused = true)]
async fn a_transform_is_named_with_its_alias_and_predicate() {
    let world = World::default();
    world.consume(&["a", "odd"]);
    let chain =
        [("transforms", "first,mask"), ("transforms.first.type", "test.Chain"), ("transforms.mask.type", "test.Chain")];
    let (_herder, handle) = run(&world, SINK, &chain).await;
    let trace = trace_with(&handle, "FAILED", "Tolerance exceeded").await;
    assert!(
        trace.contains("TRANSFORMATION by transform 'mask' (test.Chain), record {topic='t', partition=0, offset=1}"),
        "{trace}"
    );
    let world = World::default();
    world.consume(&["bad"]);
    let (_herder, handle) = run(&world, SINK, &[]).await;
    trace_with(&handle, "FAILED", "VALUE_CONVERTER by value.converter (test.Text), record").await;
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_fails_alone() {
    let world = World::default();
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    world.state().panics.insert("connector");
    let mut other = config(SOURCE, &[]);
    other.insert("name".to_owned(), Some("other".to_owned()));
    handle.put_config("other", other, TargetState::Started, false).await.expect_err("does not start");
    let status = handle.status("other").expect("known");
    assert_eq!(status.connector.state.name(), "FAILED");
    assert!(status.connector.trace.unwrap().contains("the connector panicked: connector breaks"));
    assert!(is_healthy(&handle).await);
    assert_eq!(handle.status("c").expect("known").connector.state.name(), "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_herder_that_panics_is_noticed_and_says_why_to_everybody() {
    let world = World::default();
    let (herder, handle) = run(&world, SOURCE, &[]).await;
    world.state().panics.insert("herder");
    let broken = Err(HerderError::Broken("its main loop panicked: herder breaks".to_owned()));
    let put = handle.put_config("c", config(SOURCE, &[("a", "b")]), TargetState::Started, true).await;
    assert_eq!(put.map(drop), broken);
    assert_eq!(handle.delete("c").await, broken);
    assert_eq!(handle.broken().await, "its main loop panicked: herder breaks");
    let Health::Unhealthy(Some(why)) = handle.health().await else { panic!("healthy") };
    assert!(why.contains("herder breaks"), "{why}");
    assert!(!herder.ended().await);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_shut_down_is_not_broken() {
    let world = World::default();
    let (herder, handle) = run(&world, SOURCE, &[]).await;
    eventually("the task runs", || handle.task_status("c", 0).ok()).await;
    handle.shutdown().await.expect("stopped");
    assert!(herder.ended().await);
    assert_eq!(handle.delete("c").await, Err(HerderError::ShuttingDown));
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_traps_names_the_record_it_trapped_over() {
    let chain = [("transforms", "mask"), ("transforms.mask.type", "test.Chain")];
    let world = World::default();
    world.consume(&["a", "b", "trap", "c", "trap"]);
    let (_herder, handle) = run(&world, SINK, &chain).await;
    let trace = trace_with(&handle, "FAILED", "test.Chain trapped").await;
    assert!(trace.contains("\tat TRANSFORMATION, record {topic='t', partition=0, offset=2}\n"), "{trace}");

    let world = World::default();
    world.state().lines = ["x", "trap"].map(|line| ("t".to_owned(), line.to_owned())).to_vec();
    let (_herder, handle) = run(&world, SOURCE, &chain).await;
    let trace = trace_with(&handle, "FAILED", "test.Chain trapped").await;
    assert!(
        trace.contains("TRANSFORMATION, record {topic='t', sourcePartition=null, sourceOffset={\"position\":2}}"),
        "{trace}"
    );
}

/// A log that takes its time for everything about connector `other`.
struct SlowLog(MemoryLog);

#[async_trait]
impl ConfigLog for SlowLog {
    async fn append(&mut self, entries: Vec<Entry>) -> Result<u64, AppendEntriesError> {
        if entries.iter().any(|entry| matches!(entry, Entry::Connector { name, .. } if name == "other")) {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        self.0.append(entries).await
    }

    async fn next(&mut self) -> Logged {
        self.0.next().await
    }

    async fn catch_up(&mut self) -> Result<Vec<Logged>, ReadEntriesError> {
        self.0.catch_up().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_herder_that_is_held_up_says_by_what() {
    let world = World::default();
    let herder = world.start_with_log(Box::new(SlowLog(MemoryLog::default())));
    let handle = herder.handle();
    handle.mark_ready();
    let mut other = config(SOURCE, &[]);
    other.insert("name".to_owned(), Some("other".to_owned()));
    let put = handle.put_config("other", other, TargetState::Started, false);
    let (put, health) = tokio::join!(put, async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        handle.health().await
    });
    put.expect("started at last");
    let why = "The worker is currently configuring connector other, which began 11 seconds ago.";
    assert_eq!(health, Health::Unhealthy(Some(why.to_owned())));
    assert!(is_healthy(&handle).await);
}
