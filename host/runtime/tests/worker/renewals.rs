//! Plugins that begin anew since they hold too much memory: at a moment when nothing is lost by it.

use std::time::Duration;

use millstream_connector::TopicOffset;
use simulation::scripted::{SINK, SOURCE, World, eventually, run};

#[tokio::test(start_paused = true)]
async fn a_source_begins_anew_when_all_it_has_polled_has_ended_and_is_stored() {
    let world = World::default();
    world.state().lines = vec![("t".to_owned(), "a".to_owned()), ("t".to_owned(), "b".to_owned())];
    let (_herder, _) = run(&world, SOURCE, &[]).await;
    eventually("the lines are written", || {
        world.state().written.get("t").is_some_and(|lines| lines.len() == 2).then_some(())
    })
    .await;
    assert!(world.state().stored.is_empty(), "it is not yet time to store offsets");
    world.state().wants_renewal = true;
    eventually("it begins anew", || (!world.state().renewed.is_empty()).then_some(())).await;
    assert!(world.state().renewed[0].contains("2"), "{:?}", world.state().renewed);
    world.state().lines = vec![("t".to_owned(), "c".to_owned())];
    eventually("it goes on", || (world.state().written["t"].len() == 3).then_some(())).await;
    assert_eq!(world.state().renewed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_goes_on_as_it_is_while_offsets_cannot_be_stored() {
    let world = World::default();
    world.state().store_fails = true;
    world.state().lines = vec![("t".to_owned(), "a".to_owned())];
    let (_herder, _) = run(&world, SOURCE, &[]).await;
    eventually("the line is written", || world.state().written.contains_key("t").then_some(())).await;
    world.state().wants_renewal = true;
    world.state().lines = vec![("t".to_owned(), "b".to_owned())];
    eventually("it goes on", || (world.state().written["t"].len() == 2).then_some(())).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.state().renewed, Vec::<String>::new());
    world.state().store_fails = false;
    eventually("it begins anew", || (!world.state().renewed.is_empty()).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_begins_anew_after_a_commit_and_sees_nothing_twice_that_was_safe() {
    let world = World::default();
    world.consume(&["a", "b"]);
    let (_herder, _) = run(&world, SINK, &[]).await;
    eventually("the batch is taken", || (world.state().put.len() == 2).then_some(())).await;
    assert_eq!(world.state().committed, Vec::<i64>::new(), "it is not yet time to commit");
    world.state().wants_renewal = true;
    eventually("it begins anew", || (!world.state().renewed.is_empty()).then_some(())).await;
    assert_eq!(world.state().renewed, ["[2]"]);
    assert!(world.state().sought.iter().all(|to| *to == 2), "{:?}", world.state().sought);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_keeps_its_offsets_says_again_where_it_begins() {
    let world = World::default();
    world.state().own_offsets = Some(vec![TopicOffset { topic: "t".to_owned(), partition: 0, offset: 7 }]);
    world.consume(&["a", "b"]);
    let (_herder, _) = run(&world, SINK, &[]).await;
    eventually("the batch is taken", || (world.state().put.len() == 2).then_some(())).await;
    let before = world.state().sought.len();
    world.state().own_offsets = Some(vec![TopicOffset { topic: "t".to_owned(), partition: 0, offset: 9 }]);
    world.state().wants_renewal = true;
    eventually("it begins where it says", || {
        let sought = world.state().sought.clone();
        (before < sought.len() && sought.last() == Some(&9)).then_some(())
    })
    .await;
    let state = world.state();
    assert_eq!((state.renewed.len(), state.committed.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_say_what_is_safe_is_left_as_it_is() {
    let world = World::default();
    world.state().fails.insert("sink pre commit");
    world.consume(&["a"]);
    let (_herder, _) = run(&world, SINK, &[]).await;
    eventually("the batch is taken", || (!world.state().put.is_empty()).then_some(())).await;
    world.state().wants_renewal = true;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.state().renewed, Vec::<String>::new());
    world.state().fails.remove("sink pre commit");
    eventually("it begins anew", || (!world.state().renewed.is_empty()).then_some(())).await;
}
