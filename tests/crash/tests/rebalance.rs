//! A third worker joins two that have many tasks, and is killed again: it gets its share, the others get that back, and no
//! task is started again that does not move. How long that takes is printed.
//!
//! `MILLSTREAM_TASKS` says how many tasks, for the long form.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use harness::{Broker, Worker, get, request, within};
use serde_json::json;
use tempfile::TempDir;

/// Tasks of all connectors, unless said.
const TASKS: usize = 60;

/// Connectors that they belong to.
const CONNECTORS: usize = 10;

/// So many tasks take their time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Time between two looks, as an answer about so many tasks is long.
const LOOK: Duration = Duration::from_millis(50);

/// How many tasks run, by worker. `None` while that is not known.
fn running(rest: &str) -> Option<BTreeMap<String, usize>> {
    let answer = get(rest, "/connectors?expand=status").filter(|answer| answer.status == 200)?.json();
    let mut running = BTreeMap::new();
    for connector in answer.as_object()?.values() {
        for task in connector["status"]["tasks"].as_array()? {
            if task["state"] == "RUNNING" {
                *running.entry(task["worker_id"].as_str()?.to_owned()).or_default() += 1;
            }
        }
    }
    Some(running)
}

/// Waits until all tasks run on these workers, on each as many as on any other; how many each has.
#[track_caller]
fn await_even(workers: &[&Worker], tasks: usize) -> BTreeMap<String, usize> {
    let (least, most) = (tasks / workers.len(), tasks.div_ceil(workers.len()));
    within(PATIENCE, "everything runs, evenly", || {
        let running = running(&workers[0].rest).filter(|running| {
            let even = |worker: &&Worker| (least..=most).contains(running.get(&worker.rest).unwrap_or(&0));
            workers.iter().all(even)
                && workers.iter().filter_map(|worker| running.get(&worker.rest)).sum::<usize>() == tasks
        });
        if running.is_none() {
            thread::park_timeout(LOOK);
        }
        running
    })
}

/// How many tasks a worker has started.
#[track_caller]
fn starts(worker: &Worker) -> usize {
    let page = worker.get("/metrics").body;
    let line = page.lines().find(|line| line.starts_with("kafka_connect_worker_task_startup_attempts_total"));
    let count = line.and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok());
    count.unwrap_or_else(|| panic!("{page}")) as usize
}

#[test]
fn of_many_tasks_only_those_are_started_again_that_move() {
    let tasks: usize = std::env::var("MILLSTREAM_TASKS").ok().and_then(|count| count.parse().ok()).unwrap_or(TASKS);
    let each = tasks.div_ceil(CONNECTORS);
    let tasks = each * CONNECTORS;
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    // Nobody loses a session because the machine is busy; whoever is killed is missed when its connection ends.
    let settings = format!("bootstrap.servers={}\nsession.timeout.ms=600000", broker.address);
    let folders: Vec<TempDir> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let start = |at: usize| Worker::start_distributed(folders[at].path(), &settings);
    let (one, two) = (start(0), start(1));
    for number in 0..CONNECTORS {
        let config = json!({
            "connector.class": "Datagen", "topic": "records", "records.per.second": each.to_string(),
            "count": each.to_string(), "tasks.max": each.to_string(),
        });
        within(PATIENCE, "a connector is created", || {
            let path = format!("/connectors/c{number}/config");
            let answer = request(&one.rest, "PUT", &path, Some(&config.to_string()))?;
            (answer.status / 100 == 2).then_some(())
        });
    }
    await_even(&[&one, &two], tasks);
    let before = [starts(&one), starts(&two)];

    let began = Instant::now();
    let mut three = start(2);
    let ready = began.elapsed();
    let now = await_even(&[&one, &two, &three], tasks);
    println!("{tasks} tasks, a third worker: ready after {ready:?}, even after {:?}", began.elapsed());
    assert_eq!([starts(&one), starts(&two)], before, "tasks that stayed were started again");
    assert_eq!(starts(&three), now[&three.rest]);

    let began = Instant::now();
    three.kill();
    await_even(&[&one, &two], tasks);
    println!("{} of {tasks} tasks run again after {:?}", now[&three.rest], began.elapsed());
    let again = starts(&one) + starts(&two) - before[0] - before[1];
    assert_eq!(again, now[&three.rest], "tasks that stayed were started again");
}
