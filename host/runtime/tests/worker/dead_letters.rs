//! Dead letters that are written, wait, or cannot be written.

use millstream_runtime::kafka::{Polled, Rebalance};
use simulation::scripted::{Produce, SINK, World, eventually, partition, run, task, trace_with};
use tokio::time::Instant;

const TOLERANT: &[(&str, &str)] = &[
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", "dead"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

#[tokio::test(start_paused = true)]
async fn written_dead_letters_let_the_offsets_behind_them_be_committed() {
    let world = World::default();
    world.consume(&["a", "bad", "b"]);
    let (_herder, _) = run(&world, SINK, TOLERANT).await;
    eventually("everything is committed", || (world.state().committed.last() == Some(&3)).then_some(())).await;
    let state = world.state();
    assert_eq!(state.put, ["a", "b"]);
    assert_eq!(state.written["dead"].iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(), ["bad"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_more_is_consumed_while_very_many_dead_letters_wait_for_their_acknowledgement() {
    let world = World::default();
    world.state().produce = Produce::Stall;
    world.consume(&["bad"; 10_000]);
    let (_herder, _) = run(&world, SINK, TOLERANT).await;
    eventually("the consumer is paused", || world.state().paused.then_some(())).await;
    world.state().produce = Produce::Acknowledge;
    eventually("it goes on", || (!world.state().paused).then_some(())).await;
    eventually("everything is committed", || (world.state().committed.last() == Some(&10_000)).then_some(())).await;
    assert_eq!(world.state().written["dead"].len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_is_refused_fails_its_task_and_its_offset_is_not_committed() {
    let world = World::default();
    world.state().produce = Produce::Refuse;
    world.consume(&["a", "bad", "b"]);
    let (_herder, handle) = run(&world, SINK, TOLERANT).await;
    let trace = trace_with(&handle, "FAILED", "dead letter queue with topic=dead").await;
    assert!(trace.contains("{topic='t', partition=0, offset=1}"), "{trace}");
    assert!(trace.contains("Caused by: org.apache.kafka.common.errors.InvalidProducerEpochException"), "{trace}");
    assert_eq!(world.state().committed, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_a_topic_fails_its_task_when_the_time_for_it_has_passed() {
    let world = World::default();
    world.state().missing.insert("dead".to_owned());
    world.consume(&["a", "bad", "b"]);
    let (_herder, handle) = run(&world, SINK, TOLERANT).await;
    trace_with(&handle, "RUNNING", "Waiting for the dead letter queue dead").await;
    let trace = trace_with(&handle, "FAILED", "dead letter queue with topic=dead").await;
    assert!(trace.contains("topic dead not present in metadata after 60000 ms"), "{trace}");
    assert!(world.state().committed.iter().all(|offset| *offset <= 1));
}

#[tokio::test(start_paused = true)]
async fn a_record_too_large_for_the_queue_is_written_without_its_stack_trace() {
    let write = async |produce| {
        let world = World::default();
        world.state().produce = produce;
        world.consume(&["bad"]);
        let (_herder, handle) = run(&world, SINK, TOLERANT).await;
        eventually("the letter is committed", || (world.state().committed.last() == Some(&1)).then_some(())).await;
        assert_eq!(task(&handle).unwrap().state.name(), "RUNNING");
        let written = world.state().written["dead"].clone();
        assert_eq!(written.len(), 1);
        written[0].1.clone()
    };
    let whole = write(Produce::Acknowledge).await;
    let without = write(Produce::LargeHeaders(whole.len() - 1)).await;
    // The number of headers comes first, as a zig-zag varint.
    assert_eq!((whole[0], without[0]), (2 * 10, 2 * 9));
    assert!(whole.starts_with(&[&[whole[0]], &without[1..]].concat()));
    let rest = String::from_utf8_lossy(&whole[without.len()..]).into_owned();
    assert!(rest.contains("__connect.errors.exception.stacktrace"), "{rest}");
}

#[tokio::test(start_paused = true)]
async fn a_record_too_large_even_so_fails_its_task_and_names_the_keys() {
    let world = World::default();
    world.state().produce = Produce::LargeHeaders(0);
    world.consume(&["bad"]);
    let (_herder, handle) = run(&world, SINK, TOLERANT).await;
    let trace = trace_with(&handle, "FAILED", "raise max.message.bytes").await;
    assert!(trace.contains("producer.override.max.request.size"), "{trace}");
    assert!(world.state().committed.is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_a_dead_letter_waits_the_status_says_so_commits_go_on_and_a_stop_is_served() {
    let world = World::default();
    world.state().produce = Produce::Stall;
    world.consume(&["a", "bad", "b"]);
    let (_herder, handle) = run(&world, SINK, TOLERANT).await;
    trace_with(&handle, "RUNNING", "Waiting for the dead letter queue dead to take 1 record(s)").await;
    eventually("what came before it is committed", || (world.state().committed == [1]).then_some(())).await;
    assert_eq!(world.state().put, ["a", "b"]);
    let asked = Instant::now();
    handle.stop("c").await.expect("stopped");
    // Well within the time after which a task is cancelled.
    assert!(asked.elapsed().as_secs() < 3, "{:?}", asked.elapsed());
    assert_eq!(world.state().committed, [1]);
}

#[tokio::test(start_paused = true)]
async fn while_a_dead_letter_waits_a_rebalance_is_served() {
    let world = World::default();
    world.state().produce = Produce::Stall;
    world.consume(&["a", "bad", "b"]);
    let (_herder, handle) = run(&world, SINK, TOLERANT).await;
    trace_with(&handle, "RUNNING", "Waiting for the dead letter queue").await;
    let asked = Instant::now();
    let revoked = Rebalance::Revoked(vec![partition()]);
    world.state().polls.push_back(Polled { events: vec![revoked], fetched: Vec::new() });
    eventually("the partition is given up", || (world.state().closed == [partition()]).then_some(())).await;
    assert!(asked.elapsed().as_secs() < 3, "{:?}", asked.elapsed());
    assert_eq!(world.state().committed, [1]);
}

#[tokio::test(start_paused = true)]
async fn when_the_queue_takes_letters_again_the_status_is_plain_and_all_is_committed() {
    let world = World::default();
    world.state().produce = Produce::Stall;
    world.consume(&["bad", "bad", "b"]);
    let (_herder, handle) = run(&world, SINK, TOLERANT).await;
    trace_with(&handle, "RUNNING", "Waiting for the dead letter queue").await;
    world.state().produce = Produce::Acknowledge;
    eventually("all is committed", || (world.state().committed.last() == Some(&3)).then_some(())).await;
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
}
