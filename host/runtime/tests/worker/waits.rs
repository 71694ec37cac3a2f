//! Waits without a near end: visible, and no hindrance to commits, answers and stops.

use std::time::Duration;

use millstream_runtime::kafka::{Polled, Rebalance};
use simulation::scripted::{Produce, SINK, SOURCE, World, eventually, run, task, trace_with};
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

fn lines(world: &World, lines: &[(&str, &str)]) {
    world.state().lines = lines.iter().map(|(topic, line)| ((*topic).to_owned(), (*line).to_owned())).collect();
}

#[tokio::test(start_paused = true)]
async fn a_source_that_waits_for_a_topic_says_so_commits_and_goes_on_when_the_topic_is_there() {
    let world = World::default();
    world.state().missing.insert("late".to_owned());
    lines(&world, &[("early", "1"), ("late", "2")]);
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "RUNNING", "Waiting for topic late to exist").await;
    eventually("what went to the other topic is committed", || {
        (world.state().stored.get("null").map(String::as_str) == Some(r#"{"position":1}"#)).then_some(())
    })
    .await;
    world.state().missing.clear();
    eventually("the rest is committed", || {
        (world.state().stored.get("null").map(String::as_str) == Some(r#"{"position":2}"#)).then_some(())
    })
    .await;
    assert_eq!(task(&handle).unwrap().trace, None);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_waits_for_a_topic_can_be_stopped() {
    let world = World::default();
    world.state().missing.insert("late".to_owned());
    lines(&world, &[("late", "1")]);
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "RUNNING", "Waiting for topic late to exist").await;
    let asked = Instant::now();
    handle.stop("c").await.expect("stopped");
    assert!(asked.elapsed().as_secs() < 3, "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_always_has_something_leaves_others_their_turns() {
    let world = World::default();
    world.state().endless = true;
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    let (mut polls, mut most) = (0, 0);
    while polls < 10_000 {
        tokio::task::yield_now().await;
        let now = world.state().endless_polls;
        most = most.max(now - polls);
        polls = now;
    }
    // Two turns, when it is woken before this one is.
    assert!(most <= 150, "it was polled {most} times in a row");
    handle.stop("c").await.expect("stopped");
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_records_nobody_acknowledges_says_so() {
    let world = World::default();
    world.state().produce = Produce::Stall;
    lines(&world, &[("t", "1")]);
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "RUNNING", "Waiting for the cluster to acknowledge 1 record(s)").await;
    world.state().produce = Produce::Acknowledge;
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn offsets_that_cannot_be_stored_show_in_the_status_until_they_are() {
    let world = World::default();
    world.state().store_fails = true;
    lines(&world, &[("t", "1")]);
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "RUNNING", "The last commit of offsets failed and is tried again: write source offsets").await;
    world.state().store_fails = false;
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
    assert_eq!(world.state().stored["null"], r#"{"position":1}"#);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_rests_is_polled_when_its_time_has_come_and_paused_and_stopped_at_once() {
    let world = World::default();
    world.state().rest = Some(HOUR);
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    eventually("it runs", || (task(&handle)?.state.name() == "RUNNING").then_some(())).await;
    tokio::time::sleep(HOUR / 2).await;
    lines(&world, &[("t", "1")]);
    tokio::time::sleep(HOUR / 3).await;
    assert!(world.state().written.is_empty(), "it is not polled before");
    eventually("it is polled then", || (world.state().written.get("t")?.len() == 1).then_some(())).await;
    let asked = Instant::now();
    handle.pause("c").await.expect("paused");
    eventually("it is paused", || (task(&handle)?.state.name() == "PAUSED").then_some(())).await;
    handle.resume("c").await.expect("resumed");
    eventually("it runs again", || (task(&handle)?.state.name() == "RUNNING").then_some(())).await;
    handle.stop("c").await.expect("stopped");
    assert!(asked.elapsed().as_secs() < 3, "{:?}", asked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_rests_hears_of_commits_and_fails_at_once_when_a_record_is_refused() {
    let world = World::default();
    world.state().rest = Some(HOUR);
    world.state().hangs.insert("source commit");
    lines(&world, &[("t", "1")]);
    let began = Instant::now();
    let (herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "RUNNING", "Waiting for the source to take note of a commit").await;
    assert!(began.elapsed() < HOUR / 2, "{:?}", began.elapsed());
    drop((herder, handle));

    let world = World::default();
    world.state().rest = Some(HOUR);
    world.state().produce = Produce::Refuse;
    lines(&world, &[("t", "1")]);
    let began = Instant::now();
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "FAILED", "Unrecoverable exception from producer send callback").await;
    assert!(began.elapsed() < HOUR / 2, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_sink_without_partitions_says_whether_the_group_has_spoken() {
    let world = World::default();
    let (_herder, handle) = run(&world, SINK, &[]).await;
    trace_with(&handle, "RUNNING", "Waiting for the consumer group to assign partitions").await;
    let nothing = Rebalance::Assigned(Vec::new());
    world.state().polls.push_back(Polled { events: vec![nothing], fetched: Vec::new() });
    trace_with(&handle, "RUNNING", "Waiting for partitions: none of the connector's topics").await;
    world.consume(&["a"]);
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_wants_a_batch_again_and_again_shows_why() {
    let world = World::default();
    world.state().redeliver = Some("the database is away".to_owned());
    world.consume(&["a"]);
    let (_herder, handle) = run(&world, SINK, &[]).await;
    trace_with(&handle, "RUNNING", "wants to see again: the database is away").await;
    world.state().redeliver = None;
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
    assert_eq!(world.state().put, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_long_over_a_batch_says_so() {
    let world = World::default();
    world.state().put_takes = Duration::from_secs(20);
    world.consume(&["a", "b"]);
    let (_herder, handle) = run(&world, SINK, &[]).await;
    trace_with(&handle, "RUNNING", "Waiting for the sink to take 2 record(s)").await;
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
    assert_eq!(world.state().put, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_stored_though_a_stop_finds_other_records_unacknowledged() {
    let world = World::default();
    lines(&world, &[("t", "1")]);
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    eventually("the first is written", || world.state().written.contains_key("t").then_some(())).await;
    world.state().produce = Produce::Stall;
    lines(&world, &[("t", "2")]);
    eventually("the second is read", || world.state().lines.is_empty().then_some(())).await;
    handle.stop("c").await.expect("stopped");
    assert_eq!(world.state().stored["null"], r#"{"position":1}"#);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_tried_again_without_end_shows_where_and_why_and_can_be_stopped() {
    let chain = [
        ("transforms", "first,mask"),
        ("transforms.first.type", "test.Chain"),
        ("transforms.mask.type", "test.Chain"),
        ("errors.retry.timeout", "-1"),
    ];
    for class in [SINK, SOURCE] {
        let world = World::default();
        world.consume(&["a", "later"]);
        lines(&world, &[("t", "a"), ("t", "later")]);
        let (_herder, handle) = run(&world, class, &chain).await;
        let text = "another try at TRANSFORMATION by transform 'mask' (test.Chain), record {topic='t'";
        let trace = trace_with(&handle, "RUNNING", text).await;
        assert!(trace.contains("(errors.retry.timeout bounds this): later"), "{trace}");
        let asked = Instant::now();
        handle.stop("c").await.expect("stopped");
        assert!(asked.elapsed().as_secs() < 3, "{:?}", asked.elapsed());
    }
}
