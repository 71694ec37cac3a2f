//! A log that others write to as well, and one that refuses to be written.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millstream_config::ConfigMap;
use millstream_runtime::{
    config_log::Entry,
    herder::{Herder, HerderHandle, TargetState},
};
use simulation::{
    fakes::config_log::{FakeConfigLog, LogFaults},
    scripted::{SOURCE, World, config, eventually, is_healthy, task, texts, trace_with},
};

/// Whether an entry is one of a kind.
type Kind = fn(&Entry) -> bool;

/// Which entries of the worker are refused, and whether for good.
#[derive(Clone, Default)]
struct Refused(Arc<Mutex<Option<Kind>>>, bool);

impl Refused {
    fn set(&self, refused: Option<Kind>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }
}

impl LogFaults for Refused {
    fn append_fails(&mut self, entries: &[Entry]) -> Option<String> {
        let refused = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refused.is_some_and(|refused| entries.iter().any(refused)).then(|| "timed out".to_owned())
    }

    fn failure_lasts(&self) -> bool {
        self.1
    }
}

fn connector(config: Option<ConfigMap>) -> Entry {
    Entry::Connector { name: "c".to_owned(), config }
}

fn target(target: Option<TargetState>) -> Entry {
    Entry::Target { name: "c".to_owned(), target }
}

fn tasks(configs: &[ConfigMap]) -> Vec<Entry> {
    let task = |(number, config): (u32, &ConfigMap)| Entry::Task {
        name: "c".to_owned(),
        number,
        config: Some(config.clone()),
    };
    let count = u32::try_from(configs.len()).unwrap();
    (0..).zip(configs).map(task).chain([Entry::Commit { name: "c".to_owned(), tasks: Some(count) }]).collect()
}

/// A worker that follows the log.
fn start(world: &World, log: &FakeConfigLog, refused: &Refused) -> (Herder, HerderHandle) {
    let herder = world.start_with_log(log.worker(refused.clone()));
    let handle = herder.handle();
    handle.mark_ready();
    (herder, handle)
}

/// Waits until the connector and so many tasks are in a state.
async fn all(handle: &HerderHandle, state: &str, tasks: usize) {
    let look = || {
        let status = handle.status("c").ok()?;
        let of_tasks: Vec<&str> = status.tasks.iter().map(|(_, task)| task.state.name()).collect();
        (status.connector.state.name() == state && of_tasks == vec![state; tasks]).then_some(())
    };
    eventually(&format!("{state} with {tasks} tasks"), look).await;
}

#[tokio::test(start_paused = true)]
async fn what_another_worker_writes_is_followed() {
    let (world, log) = (World::default(), FakeConfigLog::default());
    let (_herder, handle) = start(&world, &log, &Refused::default());
    log.write([connector(Some(config(SOURCE, &[("tasks.max", "2")])))]);
    all(&handle, "RUNNING", 2).await;
    log.write([target(Some(TargetState::Paused))]);
    all(&handle, "PAUSED", 2).await;
    log.write([target(Some(TargetState::Started))]);
    all(&handle, "RUNNING", 2).await;
    log.write(tasks(&[texts(&[("n", "0")])]));
    all(&handle, "RUNNING", 1).await;
    assert_eq!(handle.tasks("c").expect("there")[0].config["n"].as_deref(), Some("0"));
    log.write([Entry::Commit { name: "c".to_owned(), tasks: Some(0) }, target(Some(TargetState::Stopped))]);
    all(&handle, "STOPPED", 0).await;
    log.write([connector(None), target(None)]);
    eventually("the connector is gone", || handle.connectors().is_ok_and(|names| names.is_empty()).then_some(())).await;
    eventually("so is its status", || handle.status("c").is_err().then_some(())).await;
    assert!(is_healthy(&handle).await);
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_another_worker_asks_for_restarts_what_has_failed_here() {
    let (world, log) = (World::default(), FakeConfigLog::default());
    let (_herder, handle) = start(&world, &log, &Refused::default());
    world.state().panics.insert("poll");
    handle.put_config("c", config(SOURCE, &[]), TargetState::Started, false).await.expect("created");
    trace_with(&handle, "FAILED", "poll breaks").await;
    world.state().panics.clear();
    let restart = |only_failed| Entry::Restart { name: "c".to_owned(), include_tasks: true, only_failed };
    // Of nobody and of somebody.
    log.write([Entry::Restart { name: "nobody".to_owned(), include_tasks: true, only_failed: false }, restart(true)]);
    all(&handle, "RUNNING", 1).await;
}

#[tokio::test(start_paused = true)]
async fn entries_of_others_between_the_own_ones_count_in_the_order_of_the_log() {
    let put = async |before: Vec<Entry>, behind: Vec<Entry>| {
        let (world, log) = (World::default(), FakeConfigLog::default());
        let (herder, handle) = start(&world, &log, &Refused::default());
        log.write_around(before, behind);
        let put = handle.put_config("c", config(SOURCE, &[("a", "own")]), TargetState::Started, false).await;
        assert!(is_healthy(&handle).await);
        (herder, handle, put)
    };
    let theirs = || connector(Some(config(SOURCE, &[("a", "theirs"), ("tasks.max", "2")])));

    let (_herder, handle, result) = put(vec![theirs()], Vec::new()).await;
    result.expect("the later one counts");
    all(&handle, "RUNNING", 1).await;
    assert_eq!(handle.connector_config("c").expect("there")["a"].as_deref(), Some("own"));

    let (_herder, handle, result) = put(Vec::new(), vec![theirs()]).await;
    result.expect("it was there");
    eventually("the later one counts", || {
        (handle.connector_config("c").ok()?["a"].as_deref() == Some("theirs")).then_some(())
    })
    .await;
    eventually("its tasks are made", || (handle.tasks("c").ok()?.len() == 2).then_some(())).await;
    all(&handle, "RUNNING", 2).await;

    let (_herder, handle, result) = put(Vec::new(), vec![connector(None), target(None)]).await;
    // It was written, and deleted thereafter.
    assert_eq!(result.expect("written").info.config["a"].as_deref(), Some("own"));
    assert!(handle.connectors().is_ok_and(|names| names.is_empty()) && handle.status("c").is_err());
}

#[tokio::test(start_paused = true)]
async fn what_the_log_refuses_changes_nothing_and_is_answered_with_the_cause() {
    let (world, log, refused) = (World::default(), FakeConfigLog::default(), Refused::default());
    let (_herder, handle) = start(&world, &log, &refused);
    refused.set(Some(|_| true));
    let put = || handle.put_config("c", config(SOURCE, &[]), TargetState::Started, false);
    let error = put().await.expect_err("refused");
    assert_eq!(error.to_string(), "write to the config log: timed out");
    assert!(handle.connectors().is_ok_and(|names| names.is_empty()) && handle.status("c").is_err());
    refused.set(None);
    put().await.expect("created");
    all(&handle, "RUNNING", 1).await;
    refused.set(Some(|_| true));
    for error in [handle.pause("c").await, handle.stop("c").await, handle.delete("c").await] {
        assert_eq!(error.expect_err("refused").to_string(), "write to the config log: timed out");
    }
    all(&handle, "RUNNING", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_come_back_is_answered_in_time_and_counts_when_it_does() {
    let (world, log) = (World::default(), FakeConfigLog::default());
    let (_herder, handle) = start(&world, &log, &Refused::default());
    log.silence(true);
    let put = handle.put_config("c", config(SOURCE, &[]), TargetState::Started, false);
    let late = tokio::time::timeout(Duration::from_secs(60), put).await.expect("answered").expect_err("not read back");
    let expected = "what was asked has not come back from the config log within 30 seconds: it may still take effect, \
                    so look before you ask again";
    assert_eq!(late.to_string(), expected);
    log.silence(false);
    all(&handle, "RUNNING", 1).await;
    log.silence(true);
    let pause = tokio::time::timeout(Duration::from_secs(60), handle.pause("c")).await;
    assert_eq!(pause.expect("answered").expect_err("not read back").to_string(), expected);
    let stopped = tokio::time::timeout(Duration::from_secs(60), handle.shutdown()).await;
    stopped.expect("a silent log holds no stop up").expect("in good order");
}

#[tokio::test(start_paused = true)]
async fn task_configurations_that_were_not_stored_are_tried_again_and_the_status_says_so_meanwhile() {
    let (world, log, refused) = (World::default(), FakeConfigLog::default(), Refused::default());
    let (_herder, handle) = start(&world, &log, &refused);
    refused.set(Some(|entry| matches!(entry, Entry::Task { .. })));
    log.write([connector(Some(config(SOURCE, &[])))]);
    let trace = || handle.status("c").ok().map(|status| (status.connector.state.name(), status.connector.trace));
    let (state, told) = eventually("the status says so", || trace().filter(|(_, trace)| trace.is_some())).await;
    let expected =
        "The task configurations could not be stored, which is tried again: write to the config log: timed out\n";
    assert_eq!((state, told.as_deref()), ("RUNNING", Some(expected)));
    // However long it takes.
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert!(task(&handle).is_none());
    refused.set(None);
    all(&handle, "RUNNING", 1).await;
    eventually("nothing is told any more", || (trace()?.1.is_none()).then_some(())).await;
}

#[tokio::test(start_paused = true)]
async fn a_connector_whose_tasks_can_never_be_stored_has_failed_and_says_why_until_it_is_restarted() {
    let (world, log, refused) = (World::default(), FakeConfigLog::default(), Refused(Arc::default(), true));
    let (_herder, handle) = start(&world, &log, &refused);
    refused.set(Some(|entry| matches!(entry, Entry::Task { .. })));
    log.write([connector(Some(config(SOURCE, &[])))]);
    let status = eventually("the connector has failed", || {
        handle.status("c").ok().filter(|status| status.connector.state.name() == "FAILED")
    })
    .await;
    let trace = status.connector.trace.unwrap_or_default();
    assert!(trace.contains("the task configurations of connector c could not be stored"), "{trace}");
    assert!(trace.contains("write to the config log: timed out"), "{trace}");
    assert!(task(&handle).is_none());
    refused.set(None);
    handle.restart_connector("c").await.expect("restarted");
    all(&handle, "RUNNING", 1).await;
}
