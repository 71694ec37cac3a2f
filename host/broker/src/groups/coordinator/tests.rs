//! Answers and records where the disk is slow, or fails, in groups that change their protocol.

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;
use uuid::Uuid;

use super::{
    Action, Coordinator, HeartbeatAnswer, HeartbeatRequest, JoinRequest, Leaving, Protocol, Refused, Settings, Ticket,
    Times, Topology,
};
use crate::{
    clock::Tick,
    config::group::ConsumerTimes,
    groups::{
        consumer_protocol::Subscription,
        records::{ConsumerPart, Partitions, RecordKey},
    },
};

/// One topic, `t`, with one partition.
struct OneTopic;

const ID: Uuid = Uuid::from_u128(7);

impl Topology for OneTopic {
    fn version(&self) -> u64 {
        1
    }

    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        (name == "t").then_some((ID, 1))
    }

    fn name(&self, id: Uuid) -> Option<String> {
        (id == ID).then(|| "t".to_owned())
    }

    fn names(&self) -> Vec<String> {
        vec!["t".to_owned()]
    }
}

const AT_ONCE: ConsumerTimes = ConsumerTimes { session_ms: 45_000, heartbeat_ms: 5_000, assignment_interval_ms: 0 };

const TIMES: Times<'static> = Times { now: Tick::ZERO, wall_ms: 1, topics: &OneTopic, via: None };

fn beat(id: &str, epoch: i32) -> HeartbeatRequest {
    HeartbeatRequest {
        group: "g".into(),
        member_id: id.into(),
        new_member_id: String::new(),
        epoch,
        instance_id: None,
        rack_id: None,
        client_id: "c".into(),
        client_host: "/h".into(),
        rebalance_timeout_ms: 60_000,
        topics: Some(vec!["t".into()]),
        regex: None,
        assignor: None,
        owned: Some(Partitions::new()),
        names_itself: true,
    }
}

fn join(id: &str) -> JoinRequest {
    JoinRequest {
        group: "g".into(),
        member_id: String::new(),
        new_member_id: id.into(),
        instance_id: None,
        client_id: "c".into(),
        client_host: "/h".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Subscription::write(["t"].iter()) }],
        require_known_member: false,
        knows_skip_assignment: true,
    }
}

/// What an event brought about, in its parts.
#[derive(Debug, Default)]
struct Outcome {
    /// Numbers of appends and stores.
    writes: Vec<u64>,
    /// Keys of records, each with whether it is deleted, in the order of the log.
    records: Vec<(RecordKey, bool)>,
    heartbeats: Vec<(u64, Result<HeartbeatAnswer, Refused>)>,
    joins: Vec<(u64, ErrorCode)>,
}

fn outcome(actions: Vec<Action>) -> Outcome {
    let mut outcome = Outcome::default();
    for action in actions {
        match action {
            Action::Append { append, records, .. } => {
                outcome.writes.push(append);
                let read = |(key, value): (Bytes, Option<Bytes>)| (RecordKey::decode(&key).unwrap(), value.is_none());
                outcome.records.extend(records.into_iter().map(read));
            }
            Action::Store { group, store, delete, .. } => {
                outcome.writes.push(store);
                outcome.records.extend(delete.into_iter().map(|key| (key, true)));
                outcome.records.push((RecordKey::Group { group }, false));
            }
            Action::Forget { keys, .. } => outcome.records.extend(keys.into_iter().map(|key| (key, true))),
            Action::AnswerHeartbeat { to, answer } => outcome.heartbeats.push((to.0, answer)),
            Action::AnswerJoin { to, answer } => outcome.joins.push((to.0, answer.error)),
            Action::AnswerSync { .. } => {}
        }
    }
    outcome
}

fn coordinator() -> Coordinator {
    Coordinator::new(Settings { initial_delay_ms: 0, consumer_times: AT_ONCE, ..Settings::default() })
}

#[test]
fn a_heartbeat_that_comes_again_is_answered_when_what_the_first_one_brought_about_is_on_disk() {
    for durable in [true, false] {
        let mut coordinator = coordinator();
        let first = outcome(coordinator.consumer_heartbeat(TIMES, &beat("m", 0), Ticket(1)));
        assert_eq!((first.heartbeats.len(), first.writes.len()), (0, 1));
        let again = outcome(coordinator.consumer_heartbeat(TIMES, &beat("m", 0), Ticket(2)));
        assert!(again.heartbeats.is_empty(), "{again:?}");
        let mut answered = Vec::new();
        for write in first.writes.into_iter().chain(again.writes) {
            answered.extend(outcome(coordinator.appended("g", write, durable)).heartbeats);
        }
        let told: Vec<(u64, bool)> = answered.iter().map(|(to, answer)| (*to, answer.is_ok())).collect();
        assert_eq!(told, [(1, durable), (2, durable)]);
    }
}

/// A group of the consumer protocol in which only a member is left that speaks the classic one, and what its turning
/// classic wrote.
fn turned_classic() -> (Coordinator, Outcome) {
    let mut coordinator = coordinator();
    let mut all = outcome(coordinator.consumer_heartbeat(TIMES, &beat("m", 0), Ticket(1))).writes;
    all.extend(outcome(coordinator.join(TIMES, &join("old"), Ticket(2))).writes);
    for write in all {
        coordinator.appended("g", write, true);
    }
    let left = outcome(coordinator.consumer_heartbeat(TIMES, &beat("m", -1), Ticket(3)));
    assert_eq!(left.records.last(), Some(&(RecordKey::Group { group: "g".into() }, false)));
    (coordinator, left)
}

/// The consumer group's records that are deleted.
fn deleted(outcome: &Outcome) -> Vec<RecordKey> {
    let of_consumers = outcome.records.iter().filter(|(key, gone)| *gone && matches!(key, RecordKey::Consumer { .. }));
    of_consumers.map(|(key, _)| key.clone()).collect()
}

#[test]
fn records_of_a_consumer_group_that_turned_classic_are_deleted_with_the_next_write_if_they_could_not_be_then() {
    let (mut coordinator, left) = turned_classic();
    let owed = deleted(&left);
    let of_old = RecordKey::Consumer { part: ConsumerPart::Member, group: "g".into(), name: "old".into() };
    assert!(owed.contains(&of_old), "{owed:?}");
    outcome(coordinator.appended("g", left.writes[0], false));
    // The next that is written of the group, again and again until it can be.
    let leave = [Leaving { member_id: "old".into(), instance_id: None }];
    let (_, actions) = coordinator.leave(TIMES, "g", &leave).unwrap();
    let stored = outcome(actions);
    assert_eq!(deleted(&stored), owed);
    assert_eq!(stored.records.last(), Some(&(RecordKey::Group { group: "g".into() }, false)));
    coordinator.stored(TIMES.now, TIMES.wall_ms, "g", stored.writes[0], false);
    let gone = outcome(vec![coordinator.delete("g").unwrap()]);
    assert_eq!(deleted(&gone), owed, "the deletion of the group takes them with it");
}

#[test]
fn records_of_a_consumer_group_that_are_to_be_deleted_are_not_forgotten_when_it_becomes_one_again() {
    for failed_before in [true, false] {
        let (mut coordinator, left) = turned_classic();
        let owed = deleted(&left);
        if failed_before {
            outcome(coordinator.appended("g", left.writes[0], false));
        }
        let again = outcome(coordinator.consumer_heartbeat(TIMES, &beat("n", 0), Ticket(4)));
        assert_eq!(deleted(&again), owed);
        let last_deletion = again.records.iter().rposition(|(_, gone)| *gone).unwrap();
        let first_value = again.records.iter().position(|(_, gone)| !gone).unwrap();
        assert!(last_deletion < first_value, "they go before what there is now");
        // Nor when it turns classic at once, before any of that is on disk.
        outcome(coordinator.appended("g", again.writes[0], false));
        let once_more = deleted(&outcome(coordinator.consumer_heartbeat(TIMES, &beat("n", -1), Ticket(5))));
        assert!(owed.iter().all(|key| once_more.contains(key)), "{once_more:?}");
    }
}

#[test]
fn records_of_an_empty_consumer_group_are_deleted_with_the_next_write_too() {
    let mut coordinator = coordinator();
    for request in [beat("m", 0), beat("m", -1)] {
        for write in outcome(coordinator.consumer_heartbeat(TIMES, &request, Ticket(1))).writes {
            coordinator.appended("g", write, true);
        }
    }
    let refused = JoinRequest { protocols: Vec::new(), ..join("new") };
    assert_eq!(outcome(coordinator.join(TIMES, &refused, Ticket(2))).records, []);
    let joined = outcome(coordinator.join(TIMES, &join("new"), Ticket(2)));
    let owed = deleted(&joined);
    assert!(!owed.is_empty());
    outcome(coordinator.appended("g", joined.writes[0], false));
    let leave = [Leaving { member_id: "new".into(), instance_id: None }];
    let (_, actions) = coordinator.leave(TIMES, "g", &leave).unwrap();
    assert_eq!(deleted(&outcome(actions)), owed);
}

#[test]
fn a_group_may_have_times_of_its_own_which_hold_from_its_next_heartbeat_on() {
    let mut coordinator = coordinator();
    let told = |coordinator: &mut Coordinator, request: &HeartbeatRequest| {
        let mut all = outcome(coordinator.consumer_heartbeat(TIMES, request, Ticket(1)));
        for write in all.writes {
            all.heartbeats.extend(outcome(coordinator.appended(&request.group, write, true)).heartbeats);
        }
        (all.heartbeats.remove(0).1.unwrap().interval_ms, coordinator.next_deadline())
    };
    let after = |ms| Some(TIMES.now.plus_ms(ms));
    assert_eq!(told(&mut coordinator, &beat("m", 0)), (5_000, after(45_000)));
    let own = ConsumerTimes { session_ms: 9_000, heartbeat_ms: 3_000, assignment_interval_ms: 0 };
    coordinator.configure("g", own);
    coordinator.configure("later", own);
    assert_eq!(told(&mut coordinator, &beat("m", 2)), (3_000, after(9_000)));
    coordinator.configure("g", AT_ONCE);
    assert_eq!(told(&mut coordinator, &beat("m", 2)), (5_000, after(45_000)));
    let later = HeartbeatRequest { group: "later".into(), ..beat("m", 0) };
    assert_eq!(told(&mut coordinator, &later), (3_000, after(9_000)), "it was set before there was such a group");
}
