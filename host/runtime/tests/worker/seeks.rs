//! A sink that wants to see records again, because it has lost what it had of them.

use millstream_connector::TopicOffset;
use simulation::scripted::{SINK, World, eventually, run};

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
