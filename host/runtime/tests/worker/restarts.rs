//! Connectors and tasks that are started again by themselves, because their configuration says so.

use std::time::Duration;

use millstream_metrics::Value;
use millstream_runtime::herder::HerderHandle;
use simulation::scripted::{SOURCE, World, eventually, run, task, trace_with};

const POLICY: [(&str, &str); 3] =
    [("restart.policy", "backoff"), ("restart.backoff.ms", "10000"), ("restart.max", "3")];

async fn runs(handle: &HerderHandle) {
    eventually("the task runs", || (task(handle)?.state.name() == "RUNNING").then_some(())).await;
}

fn restarts(world: &World) -> Option<Value> {
    world.counted("connector-restart-metrics", "restarts")
}

#[tokio::test(start_paused = true)]
async fn a_task_that_failed_is_started_again_and_says_when_before() {
    let world = World::default();
    world.state().fails.insert("source start");
    let (_herder, handle) = run(&world, SOURCE, &POLICY).await;
    let trace = trace_with(&handle, "FAILED", "It is started again at 20").await;
    assert!(trace.contains("source start fails") && trace.contains("for restart 1 in a row"), "{trace}");
    world.state().fails.clear();
    runs(&handle).await;
    assert_eq!(task(&handle).and_then(|status| status.trace), None);
    assert_eq!(restarts(&world), Some(Value::Total(1)));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_again_and_again_stays_failed_in_the_end_until_somebody_restarts_it() {
    let world = World::default();
    world.state().fails.insert("source start");
    let (_herder, handle) = run(&world, SOURCE, &POLICY).await;
    let trace = trace_with(&handle, "FAILED", "It is not started again").await;
    assert!(trace.contains("3 restarts within 3600000 ms"), "{trace}");
    assert_eq!(restarts(&world), Some(Value::Total(3)));
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert_eq!(restarts(&world), Some(Value::Total(3)));
    handle.restart_task("c", 0).await.expect("restarted");
    trace_with(&handle, "FAILED", "for restart 1 in a row").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_paused_stopped_or_deleted_is_not_started_again_before_it_is_resumed() {
    for change in ["pause", "stop", "delete"] {
        let world = World::default();
        world.state().fails.insert("source start");
        let (_herder, handle) = run(&world, SOURCE, &POLICY).await;
        trace_with(&handle, "FAILED", "It is started again").await;
        match change {
            "pause" => handle.pause("c").await.expect("paused"),
            "stop" => handle.stop("c").await.expect("stopped"),
            _ => handle.delete("c").await.expect("deleted"),
        }
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(restarts(&world), None, "{change}");
        if change != "delete" {
            world.state().fails.clear();
            handle.resume("c").await.expect("resumed");
            runs(&handle).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_fails_to_make_task_configurations_is_started_again() {
    let world = World::default();
    world.state().fails.insert("connector task configs");
    let herder = world.start();
    let handle = herder.handle();
    let config = simulation::scripted::config(SOURCE, &POLICY);
    let target = millstream_runtime::herder::TargetState::Started;
    handle.put_config("c", config, target, false).await.expect_err("it fails");
    eventually("it says when", || {
        let status = handle.status("c").ok()?.connector;
        (status.state.name() == "FAILED" && status.trace?.contains("It is started again at 20")).then_some(())
    })
    .await;
    world.state().fails.clear();
    runs(&handle).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_nothing_is_started_again() {
    let world = World::default();
    world.state().fails.insert("source start");
    let (_herder, handle) = run(&world, SOURCE, &[("restart.backoff.ms", "1")]).await;
    let trace = trace_with(&handle, "FAILED", "source start fails").await;
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert_eq!(task(&handle).and_then(|status| status.trace), Some(trace));
    assert_eq!(restarts(&world), None);
}
