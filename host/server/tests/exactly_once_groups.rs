//! Groups of several workers whose sources deliver exactly once: how one is switched to it, and what a leader's death,
//! its owner's and its silence do to a source.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use harness::{
    SOON, Worker, eventually,
    files::{append, lines},
    get, millstream, within,
};
use serde_json::json;

#[path = "support/group.rs"]
mod group;

use group::{Group, SHORT, ask, await_running, sink, source};

const ENABLED: &str = "exactly.once.source.support=enabled\n";

/// Where the group's topics are.
fn broker(group: &Group) -> &str {
    group.settings.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).expect("every worker is told")
}

/// Ends a worker in good order and starts it again, with the group's present settings.
fn restart(group: &mut Group, at: usize) {
    assert!(group.workers.remove(at).terminate().success());
    let worker = group.start(at);
    group.workers.insert(at, worker);
}

/// Which worker leads, as one of them has heard last.
fn leader(group: &Group) -> usize {
    eventually("one of the workers leads", || {
        let log = group.workers[0].log();
        let heard = log.lines().rfind(|line| line.contains("this worker is a member of its group"))?;
        let (_, leader) = heard.split_once("leader=")?;
        group.workers.iter().position(|worker| leader.contains(&worker.rest))
    })
}

/// Reads what is committed of a topic until it is this; a line too many is seen, too.
#[track_caller]
fn await_committed(group: &Group, topic: &str, expected: &str) {
    let mut seen = String::new();
    within(2 * SOON, &format!("the lines of {topic} are committed"), || {
        let consumed = Command::new(millstream())
            .args(["topic", "consume", topic, "--from-beginning", "--isolation-level", "read_committed"])
            .args(["--until-end", "--bootstrap-server", broker(group)])
            .output()
            .expect("the program runs");
        seen = String::from_utf8(consumed.stdout).expect("text");
        (expected.len() <= seen.len()).then_some(())
    });
    assert_eq!(seen, expected, "{topic}");
}

/// Asks for a restart of a source's task; which leader its owner asks then, without which it cannot fence.
#[track_caller]
fn asked_leader(group: &Group, name: &str, owner: &str) -> usize {
    let owner = group.workers.iter().find(|worker| worker.rest == owner).unwrap();
    let asked = || {
        let log = owner.log();
        let asked = log.lines().filter(|line| line.contains("the leader is asked to fence"));
        let asked: Vec<String> = asked.filter(|line| line.contains(name)).map(str::to_owned).collect();
        (asked.len(), asked.last().cloned())
    };
    let before = asked().0;
    // Its owner does it by itself.
    assert_eq!(ask(&owner.rest, "POST", &format!("/connectors/{name}/tasks/0/restart"), None), 204);
    eventually("its owner asks the leader to fence", || {
        let (count, last) = asked();
        let last = last.filter(|_| before < count)?;
        group.workers.iter().position(|worker| last.contains(&worker.rest))
    })
}

/// Waits until the source runs on one of these workers, and has not failed meanwhile; on which.
#[track_caller]
fn await_source(rest: &str, name: &str, workers: &[&str]) -> String {
    within(2 * SOON, &format!("{name} runs on {workers:?}"), || {
        let status = get(rest, &format!("/connectors/{name}/status")).filter(|answer| answer.status == 200)?.json();
        let task = &status["tasks"][0];
        assert_ne!(task["state"], "FAILED", "{}", task["trace"]);
        let worker = task["worker_id"].as_str()?;
        (task["state"] == "RUNNING" && workers.contains(&worker)).then(|| worker.to_owned())
    })
}

/// A source of a group, whose task runs beside the leader.
struct Beside {
    name: &'static str,
    input: PathBuf,
    owner: String,
}

/// Creates two sources, of which one at least is not the leader's.
fn beside_the_leader(group: &Group, folder: &Path) -> Beside {
    let rests = group.rests();
    let rests: Vec<&str> = rests.iter().map(String::as_str).collect();
    let names = ["one", "two"];
    for name in names {
        let input = folder.join(name);
        append(&input, &lines(0..10));
        let path = format!("/connectors/{name}/config");
        assert_eq!(ask(rests[0], "PUT", &path, Some(&source(&input, name))), 201);
    }
    let places = eventually("the sources are on two workers", || {
        let places = await_running(rests[0], &names, &rests);
        (places["one-0"] != places["two-0"]).then_some(places)
    });
    let leader = rests[leader(group)];
    let name = names.into_iter().find(|name| places[&format!("{name}-0")] != leader).unwrap();
    await_committed(group, name, &lines(0..10));
    Beside { name, input: folder.join(name), owner: places[&format!("{name}-0")].clone() }
}

/// Whether a task of the worker has written transactions.
fn writes_transactions(worker: &Worker) -> bool {
    worker.get("/metrics").body.contains("kafka_connect_source_task_transaction_size_max{")
}

#[test]
fn a_group_that_runs_is_switched_to_exactly_once_one_worker_after_the_other() {
    let mut group = Group::of(3, "");
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, &lines(0..10));
    let base = group.settings.clone();
    assert_eq!(ask(&group.rests()[0], "PUT", "/connectors/source/config", Some(&source(&input, "lines"))), 201);
    let out = sink(&folder.path().join("out.txt"), "lines");
    assert_eq!(ask(&group.rests()[0], "PUT", "/connectors/sink/config", Some(&out)), 201);
    let mut written = 10;
    await_committed(&group, "lines", &lines(0..written));
    for support in ["preparing", "enabled"] {
        group.settings = format!("{base}exactly.once.source.support={support}\n");
        for at in 0..3 {
            // Whoever leads may be behind or ahead of the others: a leader that only prepares fences for those that are
            // switched on.
            restart(&mut group, at);
            append(&input, &lines(written..written + 10));
            written += 10;
            let rests = group.rests();
            let rests: Vec<&str> = rests.iter().map(String::as_str).collect();
            await_source(rests[at], "source", &rests);
            // Another set of tasks: those before it are fenced.
            let mut config = source(&input, "lines");
            config["batch.size"] = json!((100 + written).to_string());
            assert_eq!(ask(rests[at], "PUT", "/connectors/source/config", Some(&config)), 200);
            await_committed(&group, "lines", &lines(0..written));
            await_source(rests[at], "source", &rests);
        }
    }
    let rests = group.rests();
    let rests: Vec<&str> = rests.iter().map(String::as_str).collect();
    let owner = await_source(rests[0], "source", &rests);
    let owner = group.workers.iter().find(|worker| worker.rest == owner).unwrap();
    assert!(writes_transactions(owner));
    await_running(rests[0], &["source", "sink"], &rests);
    append(&input, &lines(written..written + 10));
    await_committed(&group, "lines", &lines(0..written + 10));
}

#[test]
fn a_fencing_round_that_meets_a_dead_leader_is_asked_of_the_next_one() {
    // The leader is asked before it dies: a frozen one leads for its whole session, and a dead one only until the broker
    // notices, which may be sooner than the owner gets to ask.
    let mut group = Group::of(3, ENABLED);
    let folder = tempfile::tempdir().unwrap();
    let Beside { name, input, owner } = beside_the_leader(&group, folder.path());
    let dead = leader(&group);
    group.workers[dead].freeze();
    assert_eq!(asked_leader(&group, name, &owner), dead);
    group.workers[dead].kill();
    append(&input, &lines(10..20));
    let log = || group.workers.iter().find(|worker| worker.rest == owner).unwrap().log();
    let retried = "zombie fencing failed and is tried again";
    eventually("the dead leader does not answer", || log().contains(retried).then_some(()));
    await_source(&owner, name, &[&owner]);
    await_committed(&group, name, &lines(0..20));
}

#[test]
fn a_leader_that_is_silent_holds_up_a_fencing_round_only_until_it_has_a_successor() {
    let group = Group::of(3, &format!("{ENABLED}{SHORT}"));
    let folder = tempfile::tempdir().unwrap();
    let Beside { name, input, owner } = beside_the_leader(&group, folder.path());
    let silent = leader(&group);
    group.workers[silent].freeze();
    let asked = asked_leader(&group, name, &owner);
    append(&input, &lines(10..20));
    let log = || group.workers.iter().find(|worker| worker.rest == owner).unwrap().log();
    if asked == silent {
        eventually("its successor is asked", || log().contains("was asked to fence, and leads no more").then_some(()));
    } else {
        harness::skip("the silent leader had a successor before it was asked to fence: this machine is slow");
    }
    await_source(&owner, name, &[&owner]);
    await_committed(&group, name, &lines(0..20));
    // It comes back as one of the group, and writes nothing of what it was about to.
    group.workers[silent].thaw();
    append(&input, &lines(20..30));
    await_committed(&group, name, &lines(0..30));
}

#[test]
fn owners_and_leaders_that_are_killed_lose_and_double_nothing() {
    let mut group = Group::of(3, ENABLED);
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    append(&input, &lines(0..100));
    let rests = group.rests();
    assert_eq!(ask(&rests[0], "PUT", "/connectors/source/config", Some(&source(&input, "lines"))), 201);
    let mut written = 100;
    for kills_leader in [false, true, false, true] {
        let rests = group.rests();
        let all: Vec<&str> = rests.iter().map(String::as_str).collect();
        let owner = await_source(all[1], "source", &all);
        let at = if kills_leader { leader(&group) } else { all.iter().position(|rest| *rest == owner).unwrap() };
        append(&input, &lines(written..written + 500));
        written += 500;
        group.workers[at].kill();
        append(&input, &lines(written..written + 500));
        written += 500;
        let left: Vec<&str> = (0..3).filter(|other| *other != at).map(|other| all[other]).collect();
        await_source(left[0], "source", &left);
        group.workers[at] = group.start(at);
    }
    await_committed(&group, "lines", &lines(0..written));
}
