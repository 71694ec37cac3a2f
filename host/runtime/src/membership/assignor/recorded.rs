//! Held against what Connect's own class decided.
//!
//! `testdata/assignments.connect-4.3.0.txt` was recorded from Kafka 4.3.0. `H` begins a history with the longest delay,
//! `C` says what is configured (name:tasks), `S` at which time and in which generations (last completed, current), `M` what
//! a member holds; then comes the decision: `A` new work and work to be given up, `D` the delay. `E` begins an eager round.

use std::collections::BTreeMap;

use millstream_connector::TaskId;

use super::{Delay, Generations, Incremental, eager};
use crate::membership::{Work, WorkSet};

const RECORDED: &str = include_str!("../../../testdata/assignments.connect-4.3.0.txt");

fn work(text: &str) -> Work {
    let mut work = Work::default();
    for item in text.split(',').filter(|item| *item != "-") {
        match item.split_once('.') {
            Some((connector, number)) => {
                work.tasks.push(TaskId { connector: connector.to_owned(), number: number.parse().unwrap() });
            }
            None => work.connectors.push(item.to_owned()),
        }
    }
    work
}

fn configured(text: &str) -> WorkSet {
    let mut set = WorkSet::default();
    for (name, count) in text.split_whitespace().skip(1).map(|item| item.split_once(':').unwrap()) {
        set.connectors.insert(name.to_owned());
        let tasks = 0..count.parse::<u32>().unwrap();
        set.tasks.extend(tasks.map(|number| TaskId { connector: name.to_owned(), number }));
    }
    set
}

#[test]
fn every_decision_is_the_one_that_connect_takes() {
    let mut assignor = Incremental::default();
    let (mut max_delay_ms, mut to_do, mut at) = (0, WorkSet::default(), None);
    let mut members = BTreeMap::new();
    let mut decided = None;
    let mut eager_expected = BTreeMap::new();
    let (mut rounds, mut eager_rounds) = (0, 0);
    for (line, text) in (1..).zip(RECORDED.lines()) {
        let fields: Vec<&str> = text.split_whitespace().collect();
        match *fields.as_slice() {
            ["H", longest] => (assignor, max_delay_ms) = (Incremental::default(), longest.parse().unwrap()),
            ["C", ..] => {
                to_do = configured(text);
                members.clear();
                decided = None;
            }
            ["S", now_ms, completed, current] => {
                let generations =
                    Generations { completed: completed.parse().unwrap(), current: current.parse().unwrap() };
                at = Some((now_ms.parse().unwrap(), generations));
            }
            ["M", id, holds] => drop(members.insert(id.to_owned(), work(holds))),
            ["A", id, assigned, revoked] => {
                let (now_ms, generations) = at.unwrap();
                let delay = Delay { most_ms: max_delay_ms, until_back: false };
                let decision =
                    decided.get_or_insert_with(|| assignor.assign(now_ms, generations, &to_do, &members, delay));
                assert_eq!(decision.parts[id].assigned, work(assigned), "line {line}");
                assert_eq!(decision.parts[id].revoked.set(), work(revoked).set(), "line {line}");
            }
            ["D", delay_ms] => {
                assert_eq!(decided.take().unwrap().delay_ms.to_string(), delay_ms, "line {line}");
                rounds += 1;
            }
            ["E"] => {
                check_eager(&to_do, &mut eager_expected);
                eager_rounds += 1;
            }
            ["A", id, assigned] => drop(eager_expected.insert(id.to_owned(), work(assigned))),
            _ => panic!("line {line}: {text}"),
        }
    }
    check_eager(&to_do, &mut eager_expected);
    assert!(1000 < rounds && 20 < eager_rounds, "{rounds}, {eager_rounds}");
}

#[track_caller]
fn check_eager(to_do: &WorkSet, expected: &mut BTreeMap<String, Work>) {
    let expected = std::mem::take(expected);
    if !expected.is_empty() {
        let decided = eager(to_do, expected.keys().map(String::as_str)).holds;
        // A message has tasks by connector, so that their order does not show in it.
        let sets =
            |holds: BTreeMap<String, Work>| holds.into_iter().map(|(id, work)| (id, work.set())).collect::<Vec<_>>();
        assert_eq!(sets(decided), sets(expected));
    }
}
