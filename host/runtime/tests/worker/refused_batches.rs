//! Batches that a sink does not take: records at fault are found, and batches are not tried for ever.

use millstream_connector::ErrorKind;
use simulation::scripted::{SINK, World, eventually, run, task, trace_with};
use tokio::time::Instant;

const ISOLATING: &[(&str, &str)] = &[
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", "dead"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
    ("errors.put.isolate", "true"),
];

/// Settings with further ones.
fn with<'a>(settings: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().chain(more).copied().collect()
}

fn poison(world: &World, values: &[&str], kind: ErrorKind) {
    world.state().poison = values.iter().map(|value| ((*value).to_owned(), kind)).collect();
}

fn letters(world: &World) -> Vec<String> {
    let state = world.state();
    state.written.get("dead").into_iter().flatten().map(|(value, _)| value.clone()).collect()
}

async fn await_committed(world: &World, offset: i64) {
    eventually(&format!("{offset} is committed"), || (world.state().committed.last() == Some(&offset)).then_some(()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn the_one_record_at_fault_is_found_and_everything_else_delivered_in_order() {
    let world = World::default();
    poison(&world, &["x"], ErrorKind::Fatal);
    let values: Vec<String> =
        (0..100).map(|number| if number == 37 { "x".into() } else { number.to_string() }).collect();
    world.consume(&values.iter().map(String::as_str).collect::<Vec<_>>());
    let (_herder, handle) = run(&world, SINK, ISOLATING).await;
    await_committed(&world, 100).await;
    assert_eq!(letters(&world), ["x"]);
    let state = world.state();
    let others: Vec<&String> = values.iter().filter(|value| *value != "x").collect();
    assert_eq!(state.put.iter().collect::<Vec<_>>(), others);
    // Once as a whole, and twice for each of the seven halves that a hundred has.
    assert!(state.given.len() <= 1 + 2 * 7, "{} calls", state.given.len());
    assert!(String::from_utf8_lossy(&state.written["dead"][0].1).contains("TASK_PUT"));
    drop(state);
    assert_eq!(task(&handle).unwrap().state.name(), "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_batch_costs_at_most_twice_as_many_calls_as_it_has_records() {
    let world = World::default();
    let values: Vec<String> =
        (0..64).map(|number| format!("{}{number}", if number % 2 == 0 { "x" } else { "" })).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    poison(&world, &values.iter().copied().filter(|value| value.starts_with('x')).collect::<Vec<_>>(), ErrorKind::Data);
    world.consume(&values);
    let (_herder, _) = run(&world, SINK, ISOLATING).await;
    await_committed(&world, 64).await;
    assert_eq!((letters(&world).len(), world.state().put.len()), (32, 32));
    assert!(world.state().given.len() < 2 * 64, "{} calls", world.state().given.len());
}

#[tokio::test(start_paused = true)]
async fn without_tolerance_the_task_fails_at_the_record_and_names_it() {
    let world = World::default();
    poison(&world, &["x"], ErrorKind::Fatal);
    world.consume(&["a", "b", "x", "c"]);
    let (_herder, handle) = run(&world, SINK, &[("errors.put.isolate", "true")]).await;
    let trace = trace_with(&handle, "FAILED", "x is poison").await;
    assert!(trace.contains("TASK_PUT by org.apache.kafka.connect.sink.SinkTask, record {topic='t', partition=0, offset=2}; with errors.tolerance=all it would be skipped"), "{trace}");
    let state = world.state();
    assert_eq!(
        (state.put.as_slice(), state.committed.as_slice()),
        (["a", "b"].map(str::to_owned).as_slice(), [2].as_slice())
    );
}

#[tokio::test(start_paused = true)]
async fn no_offset_behind_a_record_at_fault_is_committed_before_its_letter_is_written() {
    let world = World::default();
    poison(&world, &["x"], ErrorKind::Fatal);
    world.state().stalls.insert("dead".to_owned());
    world.consume(&["a", "x", "b"]);
    let (_herder, handle) = run(&world, SINK, ISOLATING).await;
    trace_with(&handle, "RUNNING", "Waiting for the dead letter queue dead to take 1 record(s)").await;
    eventually("what came before it is committed", || (world.state().committed == [1]).then_some(())).await;
    assert_eq!(world.state().put, ["a", "b"]);
    world.state().stalls.clear();
    await_committed(&world, 3).await;
}

#[tokio::test(start_paused = true)]
async fn when_every_record_is_refused_the_fault_is_not_theirs() {
    let world = World::default();
    poison(&world, &["x"], ErrorKind::Fatal);
    world.consume(&["x"; 50]);
    let (_herder, handle) = run(&world, SINK, &with(ISOLATING, &[("errors.put.isolate.max.in.row", "3")])).await;
    let trace = trace_with(&handle, "FAILED", "errors.put.isolate.max.in.row").await;
    assert!(trace.contains("offset=3}"), "{trace}");
    assert_eq!(letters(&world).len(), 3);
    eventually("what ended is committed", || (world.state().committed.last() == Some(&3)).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_sink_wants_again_too_often_goes_to_the_letters_as_a_whole() {
    let world = World::default();
    poison(&world, &["x"], ErrorKind::Retriable);
    world.consume(&["a", "x", "b"]);
    let settings =
        [("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "dead"), ("errors.put.max.tries", "3")];
    let (_herder, _) = run(&world, SINK, &settings).await;
    await_committed(&world, 3).await;
    assert_eq!((letters(&world), world.state().given.len()), (vec!["a".into(), "x".into(), "b".into()], 3));
    assert!(!world.state().paused);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_the_sink_wants_again_for_too_long_is_divided() {
    let world = World::default();
    poison(&world, &["x"], ErrorKind::Retriable);
    world.consume(&["a", "x", "b"]);
    let began = Instant::now();
    let (_herder, _) = run(&world, SINK, &with(ISOLATING, &[("errors.put.retry.timeout", "2000")])).await;
    await_committed(&world, 3).await;
    assert_eq!((letters(&world), world.state().put.clone()), (vec!["x".into()], vec!["a".into(), "b".into()]));
    // As a whole at first and two seconds later, then by parts: a; x, b; x; b.
    assert_eq!(world.state().given.len(), 2 + 4);
    assert!((2..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_the_sink_wants_again_for_a_while_is_not_at_fault() {
    let world = World::default();
    world.state().poison = [("x".to_owned(), ErrorKind::Fatal), ("b".to_owned(), ErrorKind::Retriable)].into();
    world.consume(&["a", "x", "b", "c"]);
    let (_herder, _) = run(&world, SINK, ISOLATING).await;
    eventually("x is a letter", || (letters(&world) == ["x"]).then_some(())).await;
    world.state().poison.remove("b");
    await_committed(&world, 4).await;
    assert_eq!(
        (letters(&world), world.state().put.clone()),
        (vec!["x".into()], vec!["a".into(), "b".into(), "c".into()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_batch_to_be_divided() {
    let world = World::default();
    let values: Vec<String> = (0..1_000).map(|number| format!("x{number}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    poison(&world, &values, ErrorKind::Fatal);
    world.state().put_takes = std::time::Duration::from_secs(1);
    world.consume(&values);
    let (_herder, handle) = run(&world, SINK, &with(ISOLATING, &[("errors.put.isolate.max.in.row", "1000")])).await;
    eventually("the first is found", || (!letters(&world).is_empty()).then_some(())).await;
    let asked = Instant::now();
    handle.stop("c").await.expect("stopped");
    assert!(asked.elapsed().as_secs() < 3, "{:?}", asked.elapsed());
}
