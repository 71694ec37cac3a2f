//! What tasks count while they work.

use millstream_metrics::{State, Value};
use simulation::scripted::{Produce, SINK, SOURCE, World, eventually, run, trace_with};

const ERRORS: &str = "task-error-metrics";

#[track_caller]
fn expect(world: &World, group: &str, totals: &[(&str, u64)]) {
    for (instrument, total) in totals {
        assert_eq!(world.counted(group, instrument), Some(Value::Total(*total)), "{instrument} of {group}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_counts_what_it_polled_and_what_was_written() {
    let world = World::default();
    world.state().lines = ["x", "y", "z"].map(|line| ("t".to_owned(), line.to_owned())).to_vec();
    let (herder, handle) = run(&world, SOURCE, &[]).await;
    eventually("the offset is stored", || (!world.state().stored.is_empty()).then_some(())).await;
    expect(&world, "source-task-metrics", &[("polled", 3), ("written", 3)]);
    assert_eq!(world.counted("source-task-metrics", "active"), Some(Value::Current(0)));
    let batch = Value::Distribution { count: 1, sum: 3, largest: 3, smallest: 3 };
    assert_eq!(world.counted("connector-task-metrics", "batch_size"), Some(batch));
    expect(&world, ERRORS, &[("failures", 0)]);
    for stage in ["poll", "convert", "produce", "commit"] {
        assert!(0 < world.timed(stage), "{stage}");
    }
    assert_eq!(world.timed("transform"), 0, "it has none");
    let Some(Value::Histogram { counts, .. }) = world.counted("connector-latency-metrics", "end_to_end") else {
        panic!("it is counted")
    };
    assert_eq!(counts.iter().sum::<u64>(), 1, "one batch has come through");
    assert_eq!(world.counted("task-memory-metrics", "in_flight"), Some(Value::Current(0)));
    let Some(Value::States { current, .. }) = world.counted("connector-task-metrics", "state") else {
        panic!("it is counted")
    };
    assert_eq!(current, Some(State::Running));
    let Some(Value::Text(kind)) = world.counted("connector-metrics", "kind") else { panic!("it is said") };
    assert_eq!(&*kind, "source");
    assert_eq!(world.counted("connect-worker-metrics", "running"), Some(Value::Current(1)));
    let worker = "connect-worker-metrics";
    expect(&world, worker, &[("task_starts", 1), ("task_start_successes", 1), ("connector_start_successes", 1)]);
    assert_eq!(world.counted(worker, "tasks"), Some(Value::Current(1)));
    handle.delete("c").await.expect("deleted");
    assert_eq!(world.counted("source-task-metrics", "polled"), None, "the group goes with the task");
    assert_eq!(world.counted(worker, "tasks"), Some(Value::Current(0)));
    drop(herder);
}

#[tokio::test(start_paused = true)]
async fn a_sink_counts_what_it_read_and_put_and_what_became_of_bad_records() {
    let world = World::default();
    world.consume(&["a", "bad", "b"]);
    world.state().lag = Some(7);
    let tolerant =
        [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "dead"), ("errors.log.enable", "true")];
    let (_herder, _) = run(&world, SINK, &tolerant).await;
    eventually("everything is committed", || (world.state().committed.last() == Some(&3)).then_some(())).await;
    expect(&world, "sink-task-metrics", &[("read", 3), ("sent", 2)]);
    for stage in ["convert", "put", "commit"] {
        assert!(0 < world.timed(stage), "{stage}");
    }
    assert_eq!(world.counted("sink-partition-metrics", "lag"), Some(Value::Current(7)));
    assert_eq!(world.counted("task-memory-metrics", "in_flight"), Some(Value::Current(0)));
    assert_eq!(world.counted("sink-task-metrics", "partitions"), Some(Value::Current(1)));
    let nothing_active = || (world.counted("sink-task-metrics", "active") == Some(Value::Current(0))).then_some(());
    eventually("nothing is left to commit", nothing_active).await;
    let Some(Value::Distribution { largest, .. }) = world.counted("sink-task-metrics", "active_seen") else {
        panic!("it is counted")
    };
    assert_eq!(largest, 3, "from the put until the commit");
    expect(&world, ERRORS, &[("failures", 1), ("skipped", 1), ("errors", 0), ("logged", 1), ("dead_letters", 1)]);
    let Some(Value::Total(completed)) = world.counted("sink-task-metrics", "commits_completed") else {
        panic!("it is counted")
    };
    assert_eq!(completed, world.state().committed.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_failed_is_counted_until_it_is_stopped() {
    let world = World::default();
    world.state().produce = Produce::Refuse;
    world.state().lines = vec![("t".to_owned(), "x".to_owned())];
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "FAILED", "Unrecoverable exception from producer send callback").await;
    expect(&world, "source-task-metrics", &[("polled", 1), ("written", 0)]);
    expect(&world, ERRORS, &[("failures", 1), ("errors", 1), ("skipped", 0)]);
    assert_eq!(world.counted("connect-worker-metrics", "failed"), Some(Value::Current(1)));
    handle.delete("c").await.expect("deleted");
    assert_eq!(world.counted(ERRORS, "errors"), None);
}
