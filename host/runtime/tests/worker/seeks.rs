//! A sink that has a say in what it is given: it wants to see records again, or none for a while.

use std::time::Duration;

use millstream_connector::{TopicOffset, TopicPartition};
use millstream_runtime::kafka::{Polled, Rebalance};
use simulation::scripted::{SINK, World, eventually, partition, run, task};

/// Asks for everything again.
fn rewind(world: &World) {
    let context = world.state().sink.clone().expect("a sink");
    context.seek(vec![TopicOffset { topic: "t".to_owned(), partition: 0, offset: 0 }]);
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_wants_to_see_again_is_not_committed() {
    let world = World::default();
    world.consume(&["a", "b"]);
    let (_herder, _) = run(&world, SINK, &[]).await;
    eventually("the batch is taken", || (world.state().put.len() == 2).then_some(())).await;
    rewind(&world);
    eventually("the sink goes back", || (world.state().sought == [0]).then_some(())).await;
    assert_eq!(world.state().committed, Vec::<i64>::new());
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_wants_to_see_again_comes_before_a_batch_that_it_has_not_taken() {
    let world = World::default();
    world.state().redeliver = Some("the database is away".to_owned());
    world.consume(&["a", "b"]);
    let (_herder, _) = run(&world, SINK, &[]).await;
    eventually("the batch waits", || world.state().paused.then_some(())).await;
    rewind(&world);
    eventually("the sink goes back", || world.state().sought.contains(&0).then_some(())).await;
    world.state().redeliver = None;
    world.consume(&["a", "b", "c"]);
    eventually("something is taken", || (!world.state().put.is_empty()).then_some(())).await;
    assert_eq!(world.state().put, ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_keeps_its_offsets_begins_where_it_says_and_has_nothing_committed() {
    let world = World::default();
    let own = |offset| Some(vec![TopicOffset { topic: "t".to_owned(), partition: 0, offset }]);
    world.state().own_offsets = own(7);
    world.consume(&["a", "b"]);
    let (herder, _) = run(&world, SINK, &[]).await;
    eventually("the batch is taken", || (world.state().put.len() == 2).then_some(())).await;
    assert_eq!(world.state().sought, [7], "before the first records");
    // Several times for commits go by.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(world.state().committed, Vec::<i64>::new());
    assert_eq!(world.state().sought, [7]);

    // A partition that comes again begins where the target says by then.
    world.state().own_offsets = own(9);
    let events = vec![Rebalance::Revoked(vec![partition()]), Rebalance::Assigned(vec![partition()])];
    world.state().polls.push_back(Polled { events, fetched: Vec::new() });
    eventually("the sink goes there", || (world.state().sought == [7, 9]).then_some(())).await;
    herder.handle().shutdown().await.unwrap();
    assert_eq!(world.state().committed, Vec::<i64>::new(), "at the end neither");
}

#[tokio::test(start_paused = true)]
async fn a_sink_whose_commit_fails_begins_again_where_it_has_said_last() {
    let world = World::default();
    world.state().own_offsets = Some(vec![TopicOffset { topic: "t".to_owned(), partition: 0, offset: 7 }]);
    world.state().fails.insert("sink pre commit");
    world.consume(&["a", "b"]);
    let (_herder, _) = run(&world, SINK, &[]).await;
    eventually("the sink goes back", || (1 < world.state().sought.len()).then_some(())).await;
    assert!(world.state().sought.iter().all(|to| *to == 7), "{:?}", world.state().sought);
    assert_eq!(world.state().committed, Vec::<i64>::new());
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_a_sink_pauses_delivers_nothing_before_it_resumes_it_whatever_the_user_does() {
    let world = World::default();
    world.consume(&["a"]);
    let (_herder, handle) = run(&world, SINK, &[]).await;
    eventually("the batch is taken", || (world.state().put.len() == 1).then_some(())).await;
    let context = world.state().sink.clone().expect("a sink");
    context.pause(&[partition()]).expect("it has it");
    eventually("it is paused", || world.state().paused.then_some(())).await;

    let is = |state: &'static str| task(&handle).filter(|task| task.state.name() == state);
    handle.pause("c").await.expect("paused");
    eventually("the connector is paused", || is("PAUSED")).await;
    handle.resume("c").await.expect("resumed");
    eventually("the connector runs again", || is("RUNNING")).await;
    assert!(world.state().paused, "the sink has not resumed it");

    context.resume(&[partition()]).expect("it has it");
    eventually("it is resumed", || (!world.state().paused).then_some(())).await;
    let foreign = [TopicPartition { topic: "u".to_owned(), partition: 0 }];
    assert!(context.pause(&foreign).is_err() && context.resume(&foreign).is_err());
}
