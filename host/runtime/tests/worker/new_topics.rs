//! Topics that a source makes by its rules, before the first record to each.

use millstream_runtime::kafka::WantedTopic;
use simulation::scripted::{Create, SOURCE, World, eventually, run, task, trace_with};

const RULES: [(&str, &str); 5] = [
    ("topic.creation.groups", "compacted"),
    ("topic.creation.default.partitions", "3"),
    ("topic.creation.default.replication.factor", "-1"),
    ("topic.creation.compacted.include", "table-.*"),
    ("topic.creation.compacted.cleanup.policy", "compact"),
];

fn world(missing: &[&str], lines: &[(&str, &str)]) -> World {
    let world = World::default();
    world.state().missing = missing.iter().map(|topic| (*topic).to_owned()).collect();
    world.state().lines = lines.iter().map(|(topic, line)| ((*topic).to_owned(), (*line).to_owned())).collect();
    world
}

async fn written(world: &World, topic: &str) -> Vec<String> {
    eventually(&format!("{topic} is written"), || {
        world.state().written.get(topic).map(|records| records.iter().map(|(value, _)| value.clone()).collect())
    })
    .await
}

fn made(world: &World) -> Vec<String> {
    world.state().made.iter().map(WantedTopic::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_missing_topic_is_made_by_the_rule_of_its_group_and_one_that_exists_is_left_alone() {
    let lines = [("there", "1"), ("table-a", "2"), ("other", "3"), ("table-a", "4")];
    let world = world(&["table-a", "other"], &lines);
    let _worker = run(&world, SOURCE, &RULES).await;
    assert_eq!(written(&world, "other").await, ["3"]);
    assert_eq!(written(&world, "table-a").await, ["2", "4"]);
    assert_eq!(
        made(&world),
        [
            "(name=table-a, numPartitions=3, replicationFactor=-1, replicasAssignments=null, configs={cleanup.policy=compact})",
            "(name=other, numPartitions=3, replicationFactor=-1, replicasAssignments=null, configs={})",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_another_task_makes_at_the_same_time_is_as_good() {
    let world = world(&["late"], &[("late", "1")]);
    world.state().create = Create::Exists;
    let _worker = run(&world, SOURCE, &RULES).await;
    assert_eq!(written(&world, "late").await, ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_may_not_make_its_topic_fails_in_connects_words_and_tolerance_changes_nothing() {
    let world = world(&["late"], &[("late", "1")]);
    world.state().create = Create::Refuse;
    let config = [&RULES[..], &[("errors.tolerance", "all")]].concat();
    let (_herder, handle) = run(&world, SOURCE, &config).await;
    let trace = trace_with(&handle, "FAILED", "Task failed to create new topic").await;
    for part in [
        "org.apache.kafka.connect.errors.ConnectException: Task failed to create new topic (name=late, numPartitions=3, replicationFactor=-1, replicasAssignments=null, configs={}). Ensure that the task is authorized to create topics or that the topic exists and restart the task\n",
        "Caused by: org.apache.kafka.common.errors.TopicAuthorizationException: not allowed\n",
    ] {
        assert!(trace.contains(part), "{trace}");
    }
    assert!(world.state().stored.is_empty(), "an offset was committed");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_in_time_is_asked_again_until_it_does() {
    let world = world(&["late"], &[("late", "1")]);
    world.state().silent = 1000;
    let (_herder, handle) = run(&world, SOURCE, &RULES).await;
    trace_with(&handle, "RUNNING", "Waiting for the cluster to say whether topic late exists").await;
    assert_eq!(written(&world, "late").await, ["1"]);
    eventually("the status is plain", || task(&handle)?.trace.is_none().then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_the_cluster_to_answer_can_be_stopped() {
    let world = world(&["late"], &[("late", "1")]);
    world.state().silent = u32::MAX;
    let (_herder, handle) = run(&world, SOURCE, &RULES).await;
    trace_with(&handle, "RUNNING", "Waiting for the cluster to say whether topic late exists").await;
    handle.stop("c").await.expect("stopped");
    assert!(world.state().written.is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_rules_no_topic_is_made() {
    let world = world(&["late"], &[("late", "1")]);
    let (_herder, handle) = run(&world, SOURCE, &[]).await;
    trace_with(&handle, "RUNNING", "Waiting for topic late to exist").await;
    assert!(made(&world).is_empty());
}
