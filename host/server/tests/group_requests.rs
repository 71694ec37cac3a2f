//! What is asked of a group and has to count for all of its workers, those that come later among them; and what somebody
//! asks who is none of them.

use std::fs;

use harness::{
    Worker, eventually,
    files::{append, lines},
    get, request, request_with,
};
use serde_json::{Value, json};

#[path = "support/group.rs"]
mod group;

use group::{Group, ask, await_running, consumed, sink, source, states};

/// Waits until every worker of the group sees the connector and its tasks in a state.
#[track_caller]
fn await_state(rests: &[String], name: &str, state: &str, tasks: usize) {
    for rest in rests {
        eventually(&format!("{rest} sees that {name} is {state}"), || {
            let states = states(rest, name)?;
            (states.len() == tasks + 1 && states.values().all(|(found, _)| found == state)).then_some(())
        });
    }
}

#[test]
fn what_was_paused_or_stopped_stays_so_when_all_workers_are_started_anew() {
    let mut group = Group::of(2, "");
    let rests = group.rests();
    let data = tempfile::tempdir().unwrap();
    for name in ["paused", "stopped", "running"] {
        let file = data.path().join(name);
        append(&file, &lines(0..10));
        let config = source(&file, &format!("of-{name}"));
        assert_eq!(ask(&rests[0], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
        await_running(&rests[1], &[name], &[&rests[0], &rests[1]]);
        eventually("its lines are there", || {
            (consumed(group.broker(), &format!("of-{name}")).len() == 10).then_some(())
        });
    }
    assert_eq!(ask(&rests[1], "PUT", "/connectors/paused/pause", None), 202);
    assert_eq!(ask(&rests[1], "PUT", "/connectors/stopped/stop", None), 204);
    await_state(&rests, "paused", "PAUSED", 1);
    await_state(&rests, "stopped", "STOPPED", 0);
    let grown = |from: u32| {
        ["paused", "stopped", "running"]
            .iter()
            .for_each(|name| append(&data.path().join(name), &lines(from..from + 10)));
    };
    // One after the other in good order, then both at once.
    for at in [0, 1] {
        assert!(group.workers.remove(at).terminate().success());
        group.workers.insert(at, group.start(at));
    }
    await_state(&group.rests(), "paused", "PAUSED", 1);
    grown(10);
    group.workers.iter_mut().for_each(Worker::kill);
    (0..2).for_each(|at| group.workers[at] = group.start(at));
    let rests = group.rests();
    await_running(&rests[0], &["running"], &[&rests[0], &rests[1]]);
    await_state(&rests, "paused", "PAUSED", 1);
    await_state(&rests, "stopped", "STOPPED", 0);
    eventually("what runs has gone on", || {
        consumed(group.broker(), "of-running").contains(&"line 19".to_owned()).then_some(())
    });
    for name in ["paused", "stopped"] {
        assert_eq!(consumed(group.broker(), &format!("of-{name}")).len(), 10, "{name}");
        assert_eq!(ask(&rests[0], "PUT", &format!("/connectors/{name}/resume"), None), 202);
        eventually("it goes on", || (consumed(group.broker(), &format!("of-{name}")).len() == 20).then_some(()));
    }
}

#[test]
fn a_task_that_has_failed_is_restarted_by_whichever_worker_is_asked() {
    let group = Group::of(2, "");
    let rests = group.rests();
    let data = tempfile::tempdir().unwrap();
    let (missing, input) = (data.path().join("missing"), data.path().join("in"));
    append(&input, &lines(0..5));
    assert_eq!(ask(&rests[0], "PUT", "/connectors/source/config", Some(&source(&input, "lines"))), 201);
    for name in ["a", "b"] {
        let config = sink(&missing.join(name), "lines");
        assert_eq!(ask(&rests[0], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
        eventually("its task fails, since there is no such folder", || {
            let states = states(&rests[1], name)?;
            (states.get(&format!("{name}-0"))?.0 == "FAILED").then_some(())
        });
    }
    fs::create_dir(&missing).unwrap();
    for (name, path) in [("a", "tasks/0/restart"), ("b", "restart?includeTasks=true&onlyFailed=true")] {
        for (rest, expected) in rests.iter().zip(if name == "a" { [204, 204] } else { [202, 202] }) {
            assert_eq!(ask(rest, "POST", &format!("/connectors/{name}/{path}"), None), expected, "{name}");
        }
        await_state(&rests, name, "RUNNING", 1);
        harness::files::await_content(&missing.join(name), &lines(0..5));
    }
}

#[test]
fn the_level_of_a_logger_is_set_at_all_workers_that_run_or_at_one() {
    let mut group = Group::of(3, "");
    let rests = group.rests();
    let logger = "/admin/loggers/org.apache.kafka.connect.runtime";
    let level = |rest: &str| get(rest, logger).filter(|answer| answer.status == 200).map(|answer| answer.json());
    let is = |rest: &str, wanted: &str| level(rest).is_some_and(|level| level["level"] == wanted);
    assert_eq!(ask(&rests[1], "PUT", &format!("{logger}?scope=cluster"), Some(&json!({"level": "debug"}))), 204);
    for rest in &rests {
        eventually("the level is set", || is(rest, "DEBUG").then_some(()));
    }
    assert_eq!(ask(&rests[2], "PUT", logger, Some(&json!({"level": "WARN"}))), 200);
    assert!(is(&rests[2], "WARN") && is(&rests[0], "DEBUG") && is(&rests[1], "DEBUG"));
    for scope in ["cluster", "worker"] {
        let answer = request(&rests[0], "PUT", &format!("{logger}?scope={scope}"), Some(r#"{"level":"LOUD"}"#));
        assert_eq!(answer.unwrap().status, 404, "{scope}");
    }
    // A level is no setting: a worker that is started anew has its own.
    group.workers[2].kill();
    group.workers[2] = group.start(2);
    assert!(!is(&group.workers[2].rest, "DEBUG") && !is(&group.workers[2].rest, "WARN"));
    assert_eq!(ask(&rests[0], "PUT", &format!("{logger}?scope=cluster"), Some(&json!({"level": "ERROR"}))), 204);
    for rest in group.rests() {
        eventually("the level is set", || is(&rest, "ERROR").then_some(()));
    }
}

#[test]
fn what_somebody_else_has_signed_is_refused_and_changes_nothing() {
    let group = Group::of(2, "exactly.once.source.support=enabled");
    let rests = group.rests();
    let data = tempfile::tempdir().unwrap();
    append(&data.path().join("in"), &lines(0..5));
    let config = source(&data.path().join("in"), "lines");
    assert_eq!(ask(&rests[0], "PUT", "/connectors/c/config", Some(&config)), 201);
    await_running(&rests[0], &["c"], &[&rests[0], &rests[1]]);
    let (signature, algorithm) = ("X-Connect-Authorization", "X-Connect-Request-Signature-Algorithm");
    let wrong = "bm90IHRoZSBzaWduYXR1cmUgb2YgYW55dGhpbmcgaGVyZQ==";
    let requests = [("POST", "/connectors/c/tasks", Some("[]")), ("PUT", "/connectors/c/fence", None)];
    for (method, path, body) in requests {
        for (headers, status, says) in [
            (vec![(signature, wrong), (algorithm, "HmacSHA256")], 403, "Internal request contained invalid signature."),
            (vec![(signature, wrong), (algorithm, "HmacMD4")], 400, "Algorithm HmacMD4 not available"),
            (vec![(signature, wrong), (algorithm, "HmacSHA512")], 400, "does not support the 'HmacSHA512'"),
            (vec![(signature, "?"), (algorithm, "HmacSHA256")], 400, ""),
            (vec![(algorithm, "HmacSHA256")], 400, "Internal request missing required signature"),
            (vec![], 400, "Internal request missing required signature"),
        ] {
            // The first worker leads.
            let answer = request_with(&rests[0], method, path, &headers, body).unwrap();
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert_eq!(answer.status, status, "{method} {path} {headers:?}: {message}");
            assert!(message.contains(says), "{method} {path} {headers:?}: {message}");
        }
    }
    // Its task is what it was.
    await_running(&rests[1], &["c"], &[&rests[0], &rests[1]]);
    let tasks: Value = get(&rests[0], "/connectors/c/tasks").unwrap().json();
    assert_eq!(tasks.as_array().map(Vec::len), Some(1), "{tasks}");
}

#[test]
fn a_worker_of_another_group_on_the_same_topics_is_named() {
    let group = Group::of(1, "");
    let data = tempfile::tempdir().unwrap();
    append(&data.path().join("in"), &lines(0..5));
    let config = source(&data.path().join("in"), "lines");
    assert_eq!(ask(&group.workers[0].rest, "PUT", "/connectors/c/config", Some(&config)), 201);
    await_running(&group.workers[0].rest, &["c"], &[&group.workers[0].rest]);
    let own = tempfile::tempdir().unwrap();
    let stranger = Worker::start_distributed(own.path(), &format!("{}\ngroup.id=another", group.settings));
    let named = |worker: &Worker, other: &Worker| {
        eventually("the other worker is named", || {
            let log = worker.log();
            let line = log.lines().find(|line| line.contains(&format!("worker {}", other.rest)))?;
            (line.contains("is no member of the group") && line.contains("group.id")).then_some(())
        });
    };
    named(&group.workers[0], &stranger);
    // What the other one has not written anything about, it cannot be told by.
    assert_eq!(ask(&group.workers[0].rest, "POST", "/connectors/c/restart?includeTasks=true", None), 202);
    named(&stranger, &group.workers[0]);
}
