//! Groups of several workers: each runs a part, any of them is asked, and what a killed one ran goes on elsewhere.

use std::{collections::BTreeSet, fs, path::Path};

use harness::{
    Broker, Worker, eventually,
    files::{append, lines},
    get,
    peers::{Connect, have_kafka},
};

#[path = "support/group.rs"]
mod group;

use group::{GROUP, Group, SHORT, ask, await_running, sink, source};

/// Waits until a file has all of these lines, in whatever order and however often.
#[track_caller]
fn await_lines(file: &Path, lines: std::ops::Range<u32>) {
    eventually(&format!("{} has every line", file.display()), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found: BTreeSet<&str> = text.lines().collect();
        lines.clone().all(|number| found.contains(&*format!("line {number}"))).then_some(())
    });
}

#[test]
fn a_group_of_three_shares_the_work_and_loses_nothing_when_one_is_killed() {
    let mut group = Group::of(3, "");
    let rests = group.rests();
    let all: Vec<&str> = rests.iter().map(String::as_str).collect();
    let data = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..3).flat_map(|number| [format!("source{number}"), format!("sink{number}")]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // Whichever worker is asked, the leader does it.
    for (at, name) in names.iter().enumerate() {
        let number = at / 2;
        let topic = format!("lines{number}");
        let config = if name.starts_with("source") {
            let file = data.path().join(format!("in{number}"));
            append(&file, &lines(0..50));
            source(&file, &topic)
        } else {
            sink(&data.path().join(format!("out{number}")), &topic)
        };
        assert_eq!(ask(all[at % 3], "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201, "{name}");
    }
    // Six connectors and six tasks are two of each for everybody.
    let places = eventually("the work is even", || {
        let places = await_running(all[0], &names, &all);
        let of = |rest: &str| places.values().filter(|place| *place == rest).count();
        all.iter().all(|rest| of(rest) == 4).then(|| places.clone())
    });
    (0..3).for_each(|number| await_lines(&data.path().join(format!("out{number}")), 0..50));
    // A restart is passed on to who runs the task.
    for rest in &all {
        assert_eq!(ask(rest, "POST", "/connectors/source0/tasks/0/restart", None), 204);
        assert_eq!(ask(rest, "POST", "/connectors/source0/restart", None), 204);
    }
    for path in ["/connectors/source0/tasks/0/restart", "/connectors/source0/restart"] {
        let asked = |worker: &Worker| worker.log().lines().filter(|line| line.contains(path)).count();
        let asked: usize = group.workers.iter().map(asked).sum();
        assert!(5 <= asked, "two of three workers have passed it on: {path} was asked for {asked} times");
    }

    // The one that runs a source's task, and does not lead: the first one does.
    let killed =
        (1..3).find(|&at| places.iter().any(|(part, place)| part.ends_with("-0") && *place == rests[at])).unwrap();
    group.workers[killed].kill();
    (0..3).for_each(|number| append(&data.path().join(format!("in{number}")), &lines(50..100)));
    let left: Vec<&str> = all.iter().copied().filter(|rest| *rest != rests[killed]).collect();
    await_running(left[0], &names, &left);
    (0..3).for_each(|number| await_lines(&data.path().join(format!("out{number}")), 0..100));

    // And the leader.
    group.workers[0].kill();
    (0..3).for_each(|number| append(&data.path().join(format!("in{number}")), &lines(100..150)));
    let last = left[1];
    await_running(last, &names, &[last]);
    (0..3).for_each(|number| await_lines(&data.path().join(format!("out{number}")), 0..150));
    // A worker that comes back is given its share.
    group.workers[0] = group.start(0);
    let back = group.workers[0].rest.clone();
    eventually("the work is even again", || {
        let places = await_running(last, &names, &[last, &back]);
        (places.values().filter(|place| **place == back).count() == 6).then_some(())
    });
    assert_eq!(ask(last, "DELETE", "/connectors/sink0", None), 204);
    eventually("its status is gone", || (get(last, "/connectors/sink0/status")?.status == 404).then_some(()));
}

#[test]
fn a_worker_beside_connect_shares_the_work_whoever_leads() {
    if !have_kafka() {
        return;
    }
    let all = ["sessioned", "compatible", "eager"].map(|protocol| [(true, protocol), (false, protocol)]).concat();
    let usual = vec![(true, "sessioned"), (false, "sessioned"), (false, "compatible"), (true, "eager")];
    let cases = if std::env::var("MILLSTREAM_MIXED").as_deref() == Ok("all") { all } else { usual };
    for (connect_leads, protocol) in cases {
        let (folder, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let broker = Broker::start(folder.path(), &[]);
        let settings = format!(
            "bootstrap.servers={}\n{GROUP}{SHORT}connect.protocol={protocol}\nscheduled.rebalance.max.delay.ms=3000\n\
             group.id=group\nconfig.storage.topic=configs\noffset.storage.topic=offsets\n\
             status.storage.topic=statuses\noffset.storage.partitions=3\nstatus.storage.partitions=2\n\
             config.storage.replication.factor=1\noffset.storage.replication.factor=1\n\
             status.storage.replication.factor=1\noffset.flush.interval.ms=200\n\
             key.converter=org.apache.kafka.connect.storage.StringConverter\n\
             value.converter=org.apache.kafka.connect.storage.StringConverter\n",
            broker.address
        );
        let (connect, worker);
        if connect_leads {
            connect = Connect::start_distributed(folder.path(), &settings);
            worker = Worker::start_distributed(own.path(), &settings);
        } else {
            worker = Worker::start_distributed(own.path(), &settings);
            connect = Connect::start_distributed(folder.path(), &settings);
        }
        let names = ["a", "b", "c", "d"];
        let (first, second) = (connect.rest.clone(), worker.rest.clone());
        for (at, name) in names.iter().enumerate() {
            let file = folder.path().join(format!("in-{name}"));
            append(&file, &lines(0..10));
            let rest = if at % 2 == 0 { &first } else { &second };
            let config = source(&file, "lines");
            assert_eq!(ask(rest, "PUT", &format!("/connectors/{name}/config"), Some(&config)), 201, "{name}");
        }
        let places = eventually("the work is even", || {
            let places = await_running(&second, &names, &[&first, &second]);
            (places.values().filter(|place| **place == second).count() == 4).then_some(places)
        });
        assert_eq!(places.len(), 8);
        // Both pass on what is not theirs, and Connect takes what this worker signs, and the reverse.
        for rest in [&first, &second] {
            for name in names {
                assert_eq!(ask(rest, "POST", &format!("/connectors/{name}/tasks/0/restart"), None), 204, "{name}");
            }
        }
        drop(connect);
        await_running(&second, &names, &[&second]);
        assert!(worker.terminate().success());
    }
}
