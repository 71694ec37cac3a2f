//! What may go wrong in a group, and what must not come of it.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use harness::{
    eventually,
    files::{append, await_content, lines},
    get, request,
};
use serde_json::json;

#[path = "support/group.rs"]
mod group;

use group::{Group, SHORT, ask, await_running, sink, source, states};

#[test]
fn patches_that_several_workers_take_at_the_same_time_all_count() {
    let group = Group::of(3, "");
    let rests = group.rests();
    let folder = tempfile::tempdir().unwrap();
    let config = sink(&folder.path().join("out"), "lines");
    assert_eq!(ask(&rests[1], "PUT", "/connectors/c/config", Some(&config)), 201);
    thread::scope(|scope| {
        for (at, rest) in rests.iter().enumerate() {
            scope.spawn(move || {
                for number in 0..10 {
                    let patch = json!({format!("consumer.override.client.rack.{at}.{number}"): "x"});
                    assert_eq!(ask(rest, "PATCH", "/connectors/c/config", Some(&patch)), 200, "{patch}");
                }
            });
        }
    });
    // Whoever leads has made them all, and each worker reads of them by itself.
    for rest in &rests {
        eventually("each of them is there", || {
            let config = get(rest, "/connectors/c/config")?.json();
            let mut all = (0..3).flat_map(|at| (0..10).map(move |number| (at, number)));
            all.all(|(at, number)| config[format!("consumer.override.client.rack.{at}.{number}")] == "x").then_some(())
        });
    }
}

#[test]
fn a_worker_that_was_frozen_brings_nothing_back_that_was_deleted_meanwhile() {
    let group = Group::of(3, SHORT);
    let rests = group.rests();
    let all: Vec<&str> = rests.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"];
    for name in names {
        let config = sink(&folder.path().join(name), "lines");
        assert_eq!(ask(all[0], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
    }
    // Each worker has one; the first one leads.
    let places = eventually("the work is even", || {
        let places = await_running(all[0], &names, &all);
        all.iter().all(|rest| places.values().filter(|place| *place == rest).count() == 2).then_some(places)
    });
    let frozen = &group.workers[1];
    let task = places.iter().find(|(part, place)| part.ends_with("-0") && **place == frozen.rest).unwrap().0;
    let deleted = task.trim_end_matches("-0");
    frozen.freeze();
    let left = [all[0], all[2]];
    await_running(all[0], &names, &left);
    assert_eq!(ask(all[0], "DELETE", &format!("/connectors/{deleted}"), None), 204);
    let is_gone =
        |rest: &str| get(rest, &format!("/connectors/{deleted}/status")).is_some_and(|answer| answer.status == 404);
    eventually("its status is gone", || is_gone(all[0]).then_some(()));
    frozen.thaw();
    // It is told to begin what is new only after it has stopped what it had.
    assert_eq!(ask(all[0], "PUT", "/connectors/d/config", Some(&sink(&folder.path().join("d"), "lines"))), 201);
    let kept: Vec<&str> = names.into_iter().filter(|name| *name != deleted).chain(["d"]).collect();
    eventually("the thawed worker has work again", || {
        let places = await_running(all[0], &kept, &all);
        places.values().any(|place| *place == all[1]).then_some(())
    });
    assert!(is_gone(all[0]), "{:?}", get(all[0], &format!("/connectors/{deleted}/status")));
    // Each of the others reads by itself that it is gone.
    for rest in all {
        eventually("its status is gone for everybody", || is_gone(rest).then_some(()));
    }
}

#[test]
fn work_that_waits_for_a_worker_that_has_gone_is_shown_unassigned_and_given_to_it_as_soon_as_it_is_back() {
    let mut group = Group::of(2, "scheduled.rebalance.max.delay.ms=3600000");
    let rests = group.rests();
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b"];
    for name in names {
        append(&folder.path().join(format!("in-{name}")), &lines(0..10));
        let config = source(&folder.path().join(format!("in-{name}")), "lines");
        assert_eq!(ask(&rests[0], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
    }
    let all = [&*rests[0], &*rests[1]];
    let places = eventually("the work is even", || {
        let places = await_running(all[0], &names, &all);
        (places.values().filter(|place| *place == all[1]).count() == 2).then_some(places)
    });
    let lost: Vec<&String> = places.iter().filter(|(_, place)| *place == all[1]).map(|(part, _)| part).collect();
    group.workers[1].kill();
    let state = |part: &str| {
        let name = part.split('-').next()?;
        states(all[0], name)?.get(part).map(|(state, _)| state.clone())
    };
    eventually("what was lost is unassigned", || {
        lost.iter().all(|part| state(part).as_deref() == Some("UNASSIGNED")).then_some(())
    });
    let kept = places.iter().find(|(part, place)| part.ends_with("-0") && *place == all[0]).unwrap().0;
    assert_eq!(state(kept).as_deref(), Some("RUNNING"));
    group.workers[1] = group.start(1);
    let again = group.workers[1].rest.clone();
    let now = await_running(all[0], &names, &[all[0], &again]);
    for part in lost {
        assert_eq!(now[part], again, "{part}");
    }
}

#[test]
fn a_rolling_restart_moves_nothing_from_one_worker_to_another() {
    rolling_restart("", &[0, 1, 2]);
}

#[test]
fn a_rolling_restart_with_a_delay_moves_nothing_from_one_worker_to_another() {
    rolling_restart("scheduled.rebalance.max.delay.ms=3600000", &[1, 0, 2]);
}

/// How many tasks a worker has started since its own start.
fn starts(rest: &str) -> f64 {
    let page = get(rest, "/metrics").unwrap().body;
    let line = page.lines().find(|line| line.starts_with("kafka_connect_worker_task_startup_attempts_total"));
    line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_else(|| panic!("{page}"))
}

fn rolling_restart(settings: &str, order: &[usize]) {
    let mut group = Group::of(3, settings);
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..6).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for name in &names {
        let config = sink(&folder.path().join(name), "lines");
        assert_eq!(ask(&group.workers[0].rest, "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
    }
    let mut before = eventually("the work is even", || {
        let rests = group.rests();
        let all: Vec<&str> = rests.iter().map(String::as_str).collect();
        let places = await_running(all[0], &names, &all);
        all.iter().all(|rest| places.values().filter(|place| *place == rest).count() == 4).then_some(places)
    });
    for &at in order {
        let old = group.workers[at].rest.clone();
        let others: Vec<String> = group.rests().into_iter().filter(|rest| *rest != old).collect();
        let started: Vec<f64> = others.iter().map(|rest| starts(rest)).collect();
        let began = Instant::now();
        assert!(group.workers.remove(at).terminate().success());
        group.workers.insert(at, group.start(at));
        if settings.is_empty() && Duration::from_secs(8) < began.elapsed() {
            return harness::skip("a restart took so long on this machine that its work is not waited for");
        }
        let rests = group.rests();
        let all: Vec<&str> = rests.iter().map(String::as_str).collect();
        let after = await_running(all[0], &names, &all);
        for (part, place) in &before {
            let expected = if *place == old { &rests[at] } else { place };
            assert_eq!(&after[part], expected, "{part}");
        }
        assert_eq!(
            others.iter().map(|rest| starts(rest)).collect::<Vec<_>>(),
            started,
            "tasks that were started again"
        );
        before = after;
    }
}

#[test]
fn a_group_that_becomes_eager_and_back_runs_everything_once() {
    let mut group = Group::of(2, "");
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"];
    let out = |name: &str| folder.path().join(format!("out-{name}"));
    for name in names {
        let config = sink(&out(name), "lines");
        assert_eq!(ask(&group.workers[0].rest, "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
    }
    let input = folder.path().join("in");
    append(&input, &lines(0..10));
    let config = source(&input, "lines");
    assert_eq!(ask(&group.workers[0].rest, "PUT", "/connectors/source/config", Some(&config)), 201);
    names.iter().for_each(|name| await_content(&out(name), &lines(0..10)));
    let all = ["a", "b", "c", "source"];
    let own = tempfile::tempdir().unwrap();
    let settings = format!("{}\nconnect.protocol=eager", group.settings);
    let eager = harness::Worker::start_distributed(own.path(), &settings);
    let runs = |rests: &[String]| {
        let rests: Vec<&str> = rests.iter().map(String::as_str).collect();
        await_running(rests[0], &all, &rests)
    };
    let mut rests = group.rests();
    rests.push(eager.rest.clone());
    eventually("the eager worker has its part", || {
        runs(&rests).values().any(|place| *place == eager.rest).then_some(())
    });
    append(&input, &lines(10..20));
    names.iter().for_each(|name| await_content(&out(name), &lines(0..20)));
    assert!(eager.terminate().success());
    runs(&group.rests());
    append(&input, &lines(20..30));
    names.iter().for_each(|name| await_content(&out(name), &lines(0..30)));
    for worker in group.workers.drain(..) {
        let log = worker.log();
        assert!(!log.contains("already exists") && !log.contains("panicked"), "{log}");
        assert!(worker.terminate().success());
    }
}

#[test]
fn session_keys_are_changed_in_use_and_what_nobody_signed_is_refused() {
    let group = Group::of(2, "inter.worker.key.ttl.ms=1000");
    let rests = group.rests();
    let folder = tempfile::tempdir().unwrap();
    let broker = group.settings.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).unwrap();
    let keys = || {
        let configs = std::process::Command::new(harness::millstream())
            .args(["topic", "consume", "configs", "--bootstrap-server", broker])
            .args(["--from-beginning", "--until-end"])
            .output();
        String::from_utf8(configs.unwrap().stdout).unwrap().matches("creation-timestamp").count()
    };
    // Connectors of the follower send their task configurations to the leader.
    let mut made = 0;
    eventually("keys were changed while connectors were made", || {
        let name = format!("c{made}");
        let config = sink(&folder.path().join(&name), "lines");
        assert_eq!(ask(&rests[0], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201);
        await_running(&rests[0], &[&name], &[&rests[0], &rests[1]]);
        made += 1;
        (2 < made && 3 < keys()).then_some(())
    });
    let answer = request(&rests[0], "POST", "/connectors/c0/tasks", Some("[]")).unwrap();
    let message = &answer.json()["message"];
    assert_eq!((answer.status, message), (400, &json!("Internal request missing required signature")));
}

#[test]
fn a_worker_that_was_frozen_writes_nothing_of_what_others_have_done_meanwhile() {
    const PAIRS: usize = 3;
    let group = Group::of(2, SHORT);
    let rests = group.rests();
    let all: Vec<&str> = rests.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = |kind: &str, number: usize| folder.path().join(format!("{kind}{number}"));
    let names: Vec<String> =
        (0..PAIRS).flat_map(|number| [format!("source{number}"), format!("sink{number}")]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let grow = |text: &str| (0..PAIRS).for_each(|number| append(&file("in", number), text));
    let await_end = |text: &str| {
        eventually(&format!("{text:?} has come through"), || {
            let ends = |number| fs::read_to_string(file("out", number)).is_ok_and(|all| all.ends_with(text));
            (0..PAIRS).all(ends).then_some(())
        });
    };
    grow("before\n");
    for number in 0..PAIRS {
        let topic = format!("lines{number}");
        for (name, config) in
            [("source", source(&file("in", number), &topic)), ("sink", sink(&file("out", number), &topic))]
        {
            let path = format!("/connectors/{name}{number}/config");
            assert_eq!(ask(all[0], "PUT", &path, Some(&config)), 201);
        }
    }
    await_end("before\n");
    let even = || {
        let places = await_running(all[0], &names, &all);
        (places.values().filter(|place| *place == all[1]).count() == 2 * PAIRS).then_some(())
    };
    eventually("the work is even", even);

    group.workers[1].freeze();
    grow(&lines(0..20_000));
    await_running(all[0], &names, &[all[0]]);
    await_end(&lines(19_999..20_000));
    // What it had asked for lies in its sockets by now, and in its files.
    group.workers[1].thaw();
    eventually("the thawed worker has its part again", even);
    grow("after\n");
    await_end("after\n");
    for number in 0..PAIRS {
        let text = fs::read_to_string(file("out", number)).unwrap();
        let mut seen = std::collections::BTreeMap::new();
        text.lines().filter(|line| line.starts_with("line ")).for_each(|line| *seen.entry(line).or_insert(0) += 1);
        assert_eq!(seen.len(), 20_000);
        let twice: Vec<_> = seen.into_iter().filter(|(_, times)| *times != 1).collect();
        assert!(twice.is_empty(), "out{number}: {} lines were written again, {:?} first", twice.len(), twice[0]);
    }
}

/// Runs the program's own tool against the group's broker, with this input.
fn topic_tool(group: &Group, arguments: &[&str], input: &str) {
    let mut tool = Command::new(harness::millstream())
        .arg("topic")
        .args(arguments)
        .args(["--bootstrap-server", group.broker()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(tool.wait().unwrap().success(), "{arguments:?}");
}

#[test]
fn partitions_of_tasks_that_died_and_are_no_more_go_to_the_others_at_once() {
    let mut group = Group::of(2, "");
    let rests = group.rests();
    let all = [&*rests[0], &*rests[1]];
    let folder = tempfile::tempdir().unwrap();
    topic_tool(&group, &["create", "lines", "--partitions", "4"], "");
    let names = ["a", "b"];
    let config = |name: &str, tasks: u32| {
        let mut config = sink(&folder.path().join(name), "lines");
        config["tasks.max"] = json!(tasks.to_string());
        // Nobody waits for the end of a session here.
        config["consumer.override.session.timeout.ms"] = json!("600000");
        config
    };
    for name in names {
        assert_eq!(ask(all[0], "PUT", &format!("/connectors/{name}/config"), Some(&config(name, 4))), 201);
    }
    // The first worker leads. It is to have the connector, and the other one a task that will be no more.
    let name = eventually("the work is even", || {
        let places = await_running(all[0], &names, &all);
        let is_fit = |name: &&&str| {
            let beyond = (1..4).any(|number| places.get(&format!("{name}-{number}")).is_some_and(|at| at == all[1]));
            places[**name] == all[0] && beyond
        };
        (places.len() == 10).then(|| names.iter().find(is_fit).copied()).flatten()
    });
    let out = folder.path().join(name);
    let mut written = 0;
    let mut grow = |group: &Group| {
        let keyed: String = (written..written + 40).map(|number| format!("{number}|line {number}\n")).collect();
        written += 40;
        topic_tool(group, &["produce", "lines", "--key-separator", "|"], &keyed);
        eventually("every line has come through", || {
            let text = fs::read_to_string(&out).unwrap_or_default();
            (0..written).all(|number| text.lines().any(|line| line == format!("line {number}"))).then_some(())
        });
    };
    grow(&group);
    group.workers[1].freeze();
    assert_eq!(ask(all[0], "PUT", &format!("/connectors/{name}/config"), Some(&config(name, 1))), 200);
    eventually("it has one task", || {
        let tasks = get(all[0], &format!("/connectors/{name}/tasks"))?.json();
        (tasks.as_array()?.len() == 1).then_some(())
    });
    group.workers[1].kill();
    await_running(all[0], &[name], &[all[0]]);
    grow(&group);
}
