//! Dead letters of sources: which records end in one, what it says, and that nothing is committed before it is written.

use millstream_client::ErrorCode;
use simulation::scripted::{Produce, SOURCE, World, eventually, run, task, trace_with};

const TOLERANT: &[(&str, &str)] = &[("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "dead")];
const WITH_CHAIN: &[(&str, &str)] = &[
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.name", "dead"),
    ("transforms", "t"),
    ("transforms.t.type", "test.Chain"),
];

/// Lets the source return these lines, each into the topic before it.
fn poll(world: &World, lines: &[(&str, &str)]) {
    world.state().lines = lines.iter().map(|(topic, line)| ((*topic).to_owned(), (*line).to_owned())).collect();
}

/// Values in a topic.
fn values(world: &World, topic: &str) -> Vec<String> {
    let state = world.state();
    state.written.get(topic).into_iter().flatten().map(|(value, _)| value.clone()).collect()
}

/// The headers of the only letter, as text.
fn headers(world: &World) -> String {
    let state = world.state();
    let [(_, headers)] = &state.written["dead"][..] else { panic!("not one letter: {:?}", state.written["dead"]) };
    String::from_utf8_lossy(headers).into_owned()
}

async fn await_stored(world: &World, position: i64) {
    let expected = format!("{{\"position\":{position}}}");
    eventually(&format!("{expected} is stored"), || {
        world.state().stored.values().any(|stored| *stored == expected).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_transform_refuses_becomes_a_letter_and_the_rest_goes_on() {
    let world = World::default();
    poll(&world, &[("t", "a"), ("t", "odd"), ("t", "b")]);
    let (_herder, handle) = run(&world, SOURCE, WITH_CHAIN).await;
    await_stored(&world, 3).await;
    assert_eq!((values(&world, "t"), values(&world, "dead")), (vec!["a".into(), "b".into()], vec!["odd".into()]));
    let headers = headers(&world);
    for part in [
        "__connect.errors.stage\u{1c}TRANSFORMATION",
        "__connect.errors.topic\u{2}t",
        "__millstream.errors.form\u{c}polled",
        "__millstream.errors.source.offset\u{1c}{\"position\":2}",
        "__millstream.errors.config.hash\u{20}",
        "__connect.errors.exception.stacktrace",
    ] {
        assert!(headers.contains(part), "{part:?} is not in {headers:?}");
    }
    assert_eq!(task(&handle).unwrap().state.name(), "RUNNING");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_converter_refuses_becomes_a_letter() {
    let world = World::default();
    poll(&world, &[("t", "a"), ("t", "bad"), ("t", "b")]);
    let (_herder, _) = run(&world, SOURCE, TOLERANT).await;
    await_stored(&world, 3).await;
    assert_eq!((values(&world, "t"), values(&world, "dead")), (vec!["a".into(), "b".into()], vec!["bad".into()]));
    let headers = headers(&world);
    assert!(headers.contains("VALUE_CONVERTER") && headers.contains("transformed"), "{headers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_the_cluster_refuses_becomes_a_letter() {
    let world = World::default();
    world.state().refuses.insert("closed".to_owned(), ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    poll(&world, &[("t", "a"), ("closed", "x"), ("t", "b"), ("no such name!", "y")]);
    let (_herder, _) = run(&world, SOURCE, TOLERANT).await;
    await_stored(&world, 4).await;
    assert_eq!(values(&world, "t"), ["a", "b"]);
    let mut letters = values(&world, "dead");
    letters.sort();
    assert_eq!(letters, ["x", "y"]);
    let state = world.state();
    let all: Vec<_> = state.written["dead"].iter().map(|(_, headers)| String::from_utf8_lossy(headers)).collect();
    assert!(all.iter().all(|headers| headers.contains("KAFKA_PRODUCE")), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn no_offset_is_stored_before_the_letters_of_its_records_are_written() {
    let world = World::default();
    world.state().stalls.insert("dead".to_owned());
    poll(&world, &[("t", "a"), ("t", "bad"), ("t", "b")]);
    let (_herder, handle) = run(&world, SOURCE, TOLERANT).await;
    trace_with(&handle, "RUNNING", "Waiting for the dead letter queue dead to take 1 record(s)").await;
    await_stored(&world, 1).await;
    assert_eq!(values(&world, "t"), ["a", "b"]);
    world.state().stalls.clear();
    await_stored(&world, 3).await;
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_cannot_be_written_fails_its_task_and_nothing_behind_it_is_stored() {
    let world = World::default();
    world.state().refuses.insert("dead".to_owned(), ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    poll(&world, &[("t", "a"), ("t", "bad"), ("t", "b")]);
    let (_herder, handle) = run(&world, SOURCE, TOLERANT).await;
    let trace = trace_with(&handle, "FAILED", "dead letter queue with topic=dead").await;
    assert!(trace.contains("sourceOffset={\"position\":2}"), "{trace}");
    assert_eq!(world.state().stored.values().collect::<Vec<_>>(), ["{\"position\":1}"]);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_too_large_loses_its_stack_trace_and_then_its_content() {
    let world = World::default();
    world.state().produce = Produce::LargeRecords(900);
    let long = "bad".to_owned() + &"x".repeat(1_000);
    poll(&world, &[("t", "a"), ("t", &long)]);
    let (_herder, _) = run(&world, SOURCE, TOLERANT).await;
    await_stored(&world, 2).await;
    assert_eq!(values(&world, "dead"), [""]);
    let headers = headers(&world);
    assert!(headers.contains("__millstream.errors.omitted") && headers.contains("value 1003 bytes"), "{headers:?}");
    assert!(!headers.contains("stacktrace"), "{headers:?}");
}

#[tokio::test(start_paused = true)]
async fn without_tolerance_the_task_fails_and_no_letter_is_written() {
    let world = World::default();
    poll(&world, &[("t", "a"), ("t", "bad")]);
    let (_herder, handle) = run(&world, SOURCE, &[("errors.deadletterqueue.topic.name", "dead")]).await;
    trace_with(&handle, "FAILED", "VALUE_CONVERTER by value.converter").await;
    assert!(!world.state().written.contains_key("dead"));
    assert_eq!(world.state().stored.values().collect::<Vec<_>>(), ["{\"position\":1}"]);
}
