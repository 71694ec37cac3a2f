//! Small worlds of a group and its consumers, each with every state that it can get into.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;
use uuid::Uuid;

use super::*;
use crate::config::group::ConsumerTimes;
use crate::groups::{
    consumer_protocol::{Subscription, read_assignment},
    coordinator::{
        Assignor, Settings,
        messages::{JoinAnswer, JoinRequest, Protocol, SyncRequest},
    },
    records::RecordKey,
};

/// Topics by name, with how many partitions they have; a topic's id is its name's first letter.
#[derive(Clone, Debug, Default)]
struct Topics {
    version: u64,
    all: BTreeMap<&'static str, i32>,
}

fn id_of(name: &str) -> Uuid {
    Uuid::from_u128(name.bytes().next().unwrap_or_default().into())
}

impl Topology for Topics {
    fn version(&self) -> u64 {
        self.version
    }

    fn topic(&self, name: &str) -> Option<(Uuid, i32)> {
        self.all.get(name).map(|partitions| (id_of(name), *partitions))
    }

    fn name(&self, id: Uuid) -> Option<String> {
        self.all.keys().find(|name| id_of(name) == id).map(|name| (*name).to_owned())
    }

    fn names(&self) -> Vec<String> {
        self.all.keys().map(|name| (*name).to_owned()).collect()
    }
}

const AT_ONCE: ConsumerTimes = ConsumerTimes { session_ms: 45_000, heartbeat_ms: 5_000, assignment_interval_ms: 0 };

fn settings() -> Settings {
    Settings { consumer_times: AT_ONCE, ..Settings::default() }
}

fn moment<'a>(settings: &'a Settings, topics: &'a Topics, now_ms: u64) -> Moment<'a> {
    Moment { now: Tick::from_millis(now_ms), wall_ms: 1, settings, topics }
}

/// A heartbeat in which a consumer says everything of itself.
fn beat(id: &str, epoch: i32, topics: &[&str], owned: &Partitions) -> HeartbeatRequest {
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
        topics: Some(topics.iter().map(|topic| (*topic).to_owned()).collect()),
        regex: None,
        assignor: None,
        owned: Some(owned.clone()),
        names_itself: true,
    }
}

/// A consumer: it gives back what it is not to have any more, and only then takes what it is to have.
#[derive(Clone, Debug, Default)]
struct Consumer {
    /// 0 when it is no member.
    epoch: i32,
    topics: Vec<&'static str>,
    owned: Partitions,
    wanted: Partitions,
    /// An answer was lost: it says again what it has, and takes nothing until it has heard what it is to have.
    unsure: bool,
}

#[derive(Clone, Debug)]
struct World {
    group: ConsumerGroup,
    topics: Topics,
    consumers: BTreeMap<&'static str, Consumer>,
    disk: LoadedConsumerGroup,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Beat(&'static str),
    /// The answer is lost.
    BeatUnheard(&'static str),
    Adjust(&'static str),
    Leave(&'static str),
    Subscribe(&'static str, &'static [&'static str]),
    MorePartitions,
    Delete,
}

impl World {
    fn new(consumers: &[&'static str]) -> Self {
        let consumer = Consumer { topics: vec!["a"], ..Consumer::default() };
        Self {
            group: ConsumerGroup::new("g"),
            topics: Topics { version: 1, all: [("a", 2), ("b", 1)].into() },
            consumers: consumers.iter().map(|id| (*id, consumer.clone())).collect(),
            disk: LoadedConsumerGroup::default(),
        }
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for (id, consumer) in &self.consumers {
            events.extend([Event::Beat(id), Event::BeatUnheard(id)]);
            if consumer.owned != consumer.wanted && !consumer.unsure {
                events.push(Event::Adjust(id));
            }
            if consumer.epoch != 0 {
                events.push(Event::Leave(id));
            }
        }
        events.extend([Event::Subscribe("x", &["b"]), Event::Subscribe("x", &["a", "b"])]);
        if self.topics.all.get("a") == Some(&2) {
            events.push(Event::MorePartitions);
        }
        if self.topics.all.contains_key("b") {
            events.push(Event::Delete);
        }
        events
    }

    fn apply(&mut self, event: Event) {
        let settings = settings();
        match event {
            Event::Beat(id) => self.beat(id, true),
            Event::BeatUnheard(id) => self.beat(id, false),
            Event::Adjust(id) => {
                let consumer = self.consumers.get_mut(id).unwrap();
                consumer.owned = consumer.wanted.clone();
            }
            Event::Leave(id) => {
                let consumer = self.consumers.get_mut(id).unwrap();
                consumer.epoch = 0;
                consumer.owned.clear();
                consumer.wanted.clear();
                let request = beat(id, -1, &[], &Partitions::new());
                let _ = self.group.leave(&request, &moment(&settings, &self.topics, 0));
            }
            Event::Subscribe(id, topics) => self.consumers.get_mut(id).unwrap().topics = topics.to_vec(),
            Event::MorePartitions => {
                self.topics.version += 1;
                self.topics.all.insert("a", 3);
            }
            Event::Delete => {
                self.topics.version += 1;
                self.topics.all.remove("b");
            }
        }
        self.write();
    }

    fn beat(&mut self, id: &'static str, heard: bool) {
        let settings = settings();
        let consumer = self.consumers.get_mut(id).unwrap();
        let mut request = beat(id, consumer.epoch, &consumer.topics, &consumer.owned);
        if consumer.epoch != 0 && consumer.owned != consumer.wanted && !consumer.unsure {
            // It is about to take what it was given, which it does not have yet.
            request.owned = None;
        }
        let answer = self.group.heartbeat(&request, &moment(&settings, &self.topics, 0));
        consumer.unsure = !heard;
        if !heard {
            return;
        }
        match answer {
            Ok(answer) => {
                consumer.epoch = answer.epoch;
                if let Some(assignment) = answer.assignment {
                    // Giving back is of no harm to others, taking waits for it.
                    consumer.wanted = assignment;
                }
            }
            Err(refused) => {
                let expected = [ErrorCode::FENCED_MEMBER_EPOCH, ErrorCode::UNKNOWN_MEMBER_ID];
                assert!(expected.contains(&refused.code), "{refused:?}");
                *consumer = Consumer { topics: consumer.topics.clone(), ..Consumer::default() };
            }
        }
    }

    /// Writes what has changed, and reads it back.
    fn write(&mut self) {
        for (key, value) in self.group.take_records(1) {
            match RecordKey::decode(&key).unwrap() {
                RecordKey::Consumer { part, name, .. } => self.disk.take(part, name, value.as_deref()).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        self.group.appended(1, true);
        let read = ConsumerGroup::restore("g", self.disk.clone(), Tick::default(), 0);
        let facts = |group: &ConsumerGroup| {
            let members: Vec<_> = group
                .members
                .values()
                .map(|member| (member.id.clone(), member.to_stored(), member.to_stored_current()))
                .collect();
            (members, group.targets.clone(), group.epoch.max(2), group.target_epoch, group.regexes.clone())
        };
        assert_eq!(facts(&read), facts(&self.group), "what is read is what was written");
        assert!(read.is_written(), "and nothing is left over");
    }

    fn check(&self, how: &dyn Fn() -> String) {
        let mut owners: BTreeMap<(Uuid, i32), &str> = BTreeMap::new();
        for (id, consumer) in &self.consumers {
            for (topic, indexes) in &consumer.owned {
                for index in indexes {
                    let before = owners.insert((*topic, *index), id);
                    assert_eq!(before, None, "{topic}-{index} is with {id}, too; {}", how());
                }
            }
        }
    }

    /// What tells this world from others; epochs count from that of the group.
    fn facts(&self) -> String {
        let group = &self.group;
        let members: Vec<_> = group
            .members
            .values()
            .map(|member| {
                let keys = |all: &PartitionsWithEpochsOf| -> Vec<(Uuid, Vec<i32>)> {
                    all.iter().map(|(topic, epochs)| (*topic, epochs.keys().copied().collect())).collect()
                };
                let (epoch, previous) = (member.epoch - group.epoch, member.previous_epoch - group.epoch);
                (
                    &member.id,
                    epoch,
                    previous,
                    member.state,
                    &member.topics,
                    keys(&member.assigned),
                    keys(&member.revoking),
                )
            })
            .collect();
        let consumers: Vec<_> = self
            .consumers
            .iter()
            .map(|(id, it)| {
                let epoch = if it.epoch == 0 { i32::MIN } else { it.epoch - group.epoch };
                (id, epoch, &it.topics, &it.owned, &it.wanted, it.unsure)
            })
            .collect();
        let target = group.target_epoch - group.epoch;
        let seen = group.seen == Some(self.topics.version);
        format!("{members:?} {:?} {target} {seen} {:?} {consumers:?}", group.targets, self.topics.all)
    }

    /// Left alone, everybody gets what it is to have.
    fn settles(mut self, how: &dyn Fn() -> String) {
        let members: Vec<&'static str> =
            self.consumers.iter().filter(|(_, consumer)| consumer.epoch != 0).map(|(id, _)| *id).collect();
        for _ in 0..10 {
            for id in &members {
                self.apply(Event::Adjust(id));
                self.apply(Event::Beat(id));
                self.check(how);
            }
        }
        // Those of which nobody hears any more are fenced one day.
        let unheard: Vec<String> =
            self.group.members.keys().filter(|id| !members.contains(&id.as_str())).cloned().collect();
        let ids: Vec<&str> = unheard.iter().map(String::as_str).collect();
        let settings = settings();
        self.group.fence(&ids, &moment(&settings, &self.topics, 0));
        for _ in 0..10 {
            for id in &members {
                self.apply(Event::Adjust(id));
                self.apply(Event::Beat(id));
                self.check(how);
            }
        }
        if members.is_empty() {
            assert_eq!(self.group.state(), ConsumerGroupState::Empty);
            return;
        }
        assert_eq!(self.group.state(), ConsumerGroupState::Stable, "{}", how());
        let mut expected: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        let mut owned: BTreeSet<(Uuid, i32)> = BTreeSet::new();
        for id in &members {
            let consumer = &self.consumers[id];
            assert_eq!(consumer.epoch, self.group.epoch);
            for topic in &consumer.topics {
                let partitions = self.topics.all.get(topic).copied().unwrap_or(0);
                expected.extend((0..partitions).map(|index| (id_of(topic), index)));
            }
            owned.extend(
                consumer.owned.iter().flat_map(|(topic, indexes)| indexes.iter().map(|index| (*topic, *index))),
            );
        }
        assert_eq!(owned, expected, "{}", how());
    }
}

type PartitionsWithEpochsOf = crate::groups::records::PartitionsWithEpochs;

/// Every world that can be got into from this one, as far as `most` of them.
fn explore(from: World, most: usize) -> usize {
    let mut seen = HashSet::from([from.facts()]);
    let mut worlds = VecDeque::from([(from, Vec::new())]);
    while let Some((world, way)) = worlds.pop_front() {
        for event in world.events() {
            let mut next = world.clone();
            next.apply(event);
            let mut way: Vec<Event> = way.clone();
            way.push(event);
            let how = || format!("after {way:?}");
            next.check(&how);
            if seen.len() < most && seen.insert(next.facts()) {
                if seen.len() % 7 == 0 {
                    next.clone().settles(&how);
                }
                worlds.push_back((next, way));
            }
        }
    }
    seen.len()
}

#[test]
fn no_partition_is_ever_with_two_consumers_and_all_get_what_they_are_to_have_whatever_happens() {
    assert!(1_000 < explore(World::new(&["x", "y"]), 3_000));
    explore(World::new(&["x", "y", "z"]), 1_500);
}

fn assignment(partitions: &[(&str, &[i32])]) -> Partitions {
    partitions.iter().map(|(topic, indexes)| (id_of(topic), indexes.iter().copied().collect())).collect()
}

#[test]
fn partitions_are_given_to_a_new_member_only_when_the_old_one_has_given_them_back() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let at = moment(&settings, &topics, 0);
    let mut group = ConsumerGroup::new("g");
    let none = Partitions::new();
    let both = assignment(&[("a", &[0, 1])]);
    let answer = group.heartbeat(&beat("x", 0, &["a"], &none), &at).unwrap();
    assert_eq!((answer.epoch, answer.assignment), (2, Some(both.clone())));
    let answer = group.heartbeat(&beat("y", 0, &["a"], &none), &at).unwrap();
    assert_eq!((answer.epoch, answer.assignment), (3, Some(none.clone())));
    assert_eq!(group.state(), ConsumerGroupState::Reconciling);
    // It keeps its epoch until it has given one back.
    let answer = group.heartbeat(&beat("x", 2, &["a"], &both), &at).unwrap();
    let one = answer.assignment.unwrap();
    assert_eq!((answer.epoch, one.values().map(BTreeSet::len).sum::<usize>()), (2, 1));
    let answer = group.heartbeat(&beat("y", 3, &["a"], &none), &at).unwrap();
    assert_eq!(answer.assignment, Some(none.clone()));
    let answer = group.heartbeat(&beat("x", 2, &["a"], &one), &at).unwrap();
    assert_eq!((answer.epoch, answer.assignment), (3, Some(one.clone())));
    let answer = group.heartbeat(&beat("y", 3, &["a"], &none), &at).unwrap();
    let other = answer.assignment.unwrap();
    assert!(other != one && other.values().map(BTreeSet::len).sum::<usize>() == 1);
    assert_eq!(group.state(), ConsumerGroupState::Stable);
}

#[test]
fn a_member_that_does_not_give_back_in_time_is_given_up_and_so_is_one_that_falls_silent() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let none = Partitions::new();
    let both = assignment(&[("a", &[0, 1])]);
    let mut group = ConsumerGroup::new("g");
    group.heartbeat(&beat("x", 0, &["a"], &none), &moment(&settings, &topics, 0)).unwrap();
    group.heartbeat(&beat("y", 0, &["a"], &none), &moment(&settings, &topics, 0)).unwrap();
    for now_ms in [0, 30_000, 59_999] {
        group.heartbeat(&beat("x", 2, &["a"], &both), &moment(&settings, &topics, now_ms)).unwrap();
        group.heartbeat(&beat("y", 3, &["a"], &none), &moment(&settings, &topics, now_ms)).unwrap();
        assert_eq!(group.expire(&moment(&settings, &topics, now_ms)), Vec::<String>::new());
    }
    assert_eq!(group.next_deadline(), Some(Tick::from_millis(60_000)));
    assert_eq!(group.expire(&moment(&settings, &topics, 60_000)), ["x"]);
    let answer = group.heartbeat(&beat("y", 3, &["a"], &none), &moment(&settings, &topics, 60_000)).unwrap();
    assert_eq!((answer.epoch, answer.assignment), (4, Some(both)));
    assert_eq!(group.expire(&moment(&settings, &topics, 105_000)), ["y"]);
    assert_eq!(group.state(), ConsumerGroupState::Empty);
}

#[test]
fn a_pattern_stands_for_the_topics_that_there_are_and_those_that_come() {
    let settings = settings();
    let mut topics = Topics { version: 1, all: [("apple", 1), ("banana", 1)].into() };
    let mut group = ConsumerGroup::new("g");
    let by_pattern = |epoch, regex: &str, owned: &Partitions| HeartbeatRequest {
        topics: None,
        regex: Some(regex.to_owned()),
        ..beat("x", epoch, &[], owned)
    };
    let refused =
        group.heartbeat(&by_pattern(0, "a(", &Partitions::new()), &moment(&settings, &topics, 0)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::INVALID_REGULAR_EXPRESSION);
    assert!(group.is_empty() && group.is_written(), "nothing has changed");
    let answer = group.heartbeat(&by_pattern(0, "[ac].*", &Partitions::new()), &moment(&settings, &topics, 0)).unwrap();
    let apple = assignment(&[("apple", &[0])]);
    assert_eq!(answer.assignment, Some(apple.clone()));
    assert!(group.is_subscribed_to("apple") && !group.is_subscribed_to("banana"));
    topics.version = 2;
    topics.all.insert("cherry", 1);
    let answer = group.heartbeat(&by_pattern(2, "[ac].*", &apple), &moment(&settings, &topics, 0)).unwrap();
    assert_eq!((answer.epoch, answer.assignment), (3, Some(assignment(&[("apple", &[0]), ("cherry", &[0])]))));
    group.leave(&by_pattern(-1, "", &apple), &moment(&settings, &topics, 0)).unwrap();
    assert!(group.regexes.is_empty());
}

#[test]
fn a_static_member_that_left_for_a_while_finds_its_partitions_again() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let at = moment(&settings, &topics, 0);
    let mut group = ConsumerGroup::new("g");
    let none = Partitions::new();
    let fixed = |id: &str, epoch, owned: &Partitions| HeartbeatRequest {
        instance_id: Some("i".into()),
        ..beat(id, epoch, &["a"], owned)
    };
    let both = assignment(&[("a", &[0, 1])]);
    assert_eq!(group.heartbeat(&fixed("x", 0, &none), &at).unwrap().assignment, Some(both.clone()));
    let refused = group.heartbeat(&fixed("y", 0, &none), &at).unwrap_err();
    assert_eq!(refused.code, ErrorCode::UNRELEASED_INSTANCE_ID);
    assert_eq!(group.leave(&fixed("x", -2, &none), &at).unwrap().epoch, -2);
    let answer = group.heartbeat(&fixed("y", 0, &none), &at).unwrap();
    assert_eq!((answer.epoch, answer.assignment), (2, Some(both)), "and nobody else is moved");
    assert_eq!(group.heartbeat(&fixed("x", 2, &none), &at).unwrap_err().code, ErrorCode::FENCED_INSTANCE_ID);
}

#[test]
fn what_could_not_be_written_is_written_again() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let at = moment(&settings, &topics, 0);
    let mut group = ConsumerGroup::new("g");
    group.heartbeat(&beat("x", 0, &["a"], &Partitions::new()), &at).unwrap();
    let first = group.take_records(1);
    assert_eq!(group.take_records(2), []);
    group.appended(1, false);
    assert_eq!(group.take_records(3), first);
    group.leave(&beat("x", -1, &[], &Partitions::new()), &at).unwrap();
    let gone: Vec<_> = group.take_records(4).into_iter().filter(|(_, value)| value.is_none()).collect();
    assert_eq!(gone.len(), 3, "subscription, target and current assignment");
    assert!(group.keys().len() >= 6, "whatever may be on disk is deleted with the group");
}

fn classic(id: &str, topics: &[&str], owned: &[(&str, &[i32])]) -> JoinRequest {
    // Version 1 with what it has.
    let mut metadata = Subscription::write(topics.iter()).to_vec();
    metadata.truncate(metadata.len() - 4);
    metadata.extend(i32::try_from(owned.len()).unwrap().to_be_bytes());
    for (topic, indexes) in owned {
        metadata.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        metadata.extend(topic.as_bytes());
        metadata.extend(i32::try_from(indexes.len()).unwrap().to_be_bytes());
        indexes.iter().for_each(|index| metadata.extend(index.to_be_bytes()));
    }
    JoinRequest {
        group: "g".into(),
        member_id: id.into(),
        new_member_id: "new".into(),
        instance_id: None,
        client_id: "c".into(),
        client_host: "/h".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: metadata.into() }],
        require_known_member: true,
        knows_skip_assignment: true,
    }
}

fn sync(id: &str, generation: i32) -> SyncRequest {
    SyncRequest {
        group: "g".into(),
        generation,
        member_id: id.into(),
        instance_id: None,
        protocol_type: Some("consumer".into()),
        protocol: Some("range".into()),
        assignments: Vec::new(),
    }
}

/// What a classic member is given.
fn given(bytes: &Bytes) -> Vec<(String, Vec<i32>)> {
    read_assignment(bytes).unwrap().0
}

#[test]
fn a_member_of_the_classic_protocol_takes_part_and_is_told_to_join_again_when_it_has_a_step_to_take() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let at = moment(&settings, &topics, 0);
    let mut group = ConsumerGroup::new("g");
    let none = Partitions::new();
    let both = assignment(&[("a", &[0, 1])]);
    group.heartbeat(&beat("x", 0, &["a"], &none), &at).unwrap();
    let answer = group.classic_join(&classic("", &["a"], &[]), &at).unwrap();
    assert_eq!((answer.error, answer.member_id.as_str()), (ErrorCode::MEMBER_ID_REQUIRED, "new"));
    let odd = JoinRequest { protocol_type: "connect".into(), ..classic("", &["a"], &[]) };
    assert_eq!(group.classic_join(&odd, &at), Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL));
    let answer = group.classic_join(&classic("new", &["a"], &[]), &at).unwrap();
    assert_eq!((answer.error, answer.generation, answer.leader.as_str()), (ErrorCode::NONE, 3, ""));
    assert_eq!(given(&group.classic_sync(&sync("new", 3), &at).unwrap().assignment), []);
    assert_eq!(group.classic_sync(&sync("new", 2), &at).err(), Some(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(group.classic_heartbeat(3, "new", None, &at), ErrorCode::NONE, "it waits for x");
    let one = group.heartbeat(&beat("x", 2, &["a"], &both), &at).unwrap().assignment.unwrap();
    group.heartbeat(&beat("x", 2, &["a"], &one), &at).unwrap();
    assert_eq!(group.classic_heartbeat(3, "new", None, &at), ErrorCode::REBALANCE_IN_PROGRESS, "x has given one back");
    let answer = group.classic_join(&classic("new", &["a"], &[]), &at).unwrap();
    let share = given(&group.classic_sync(&sync("new", answer.generation), &at).unwrap().assignment);
    assert_eq!(share.iter().map(|(_, indexes)| indexes.len()).sum::<usize>(), 1);
    assert_eq!(group.classic_heartbeat(answer.generation, "new", None, &at), ErrorCode::NONE);
    assert!(!group.is_to_be_classic(&at));
    group.leave(&beat("x", -1, &[], &none), &at).unwrap();
    assert!(group.is_to_be_classic(&at), "nobody speaks the consumer protocol any more");
    let classic = group.to_classic(&at);
    let share_of = given(&classic.members["new"].assignment);
    assert_eq!((classic.generation, classic.leader.as_deref(), share_of), (group.epoch, Some("new"), share));
}

#[test]
fn a_classic_group_goes_on_as_a_consumer_group_with_its_assignment() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let at = moment(&settings, &topics, 0);
    let mut group = ConsumerGroup::new("g");
    group.heartbeat(&beat("x", 0, &["a"], &Partitions::new()), &at).unwrap();
    group.classic_join(&classic("new", &["a"], &[]), &at).unwrap();
    group.leave(&beat("x", -1, &[], &Partitions::new()), &at).unwrap();
    let JoinAnswer { generation, .. } = group.classic_join(&classic("new", &["a"], &[]), &at).unwrap();
    let classic_group = group.to_classic(&at);
    assert_eq!(classic_group.generation, generation);
    let mut again = ConsumerGroup::from_classic(&classic_group, &at).unwrap();
    assert_eq!((again.epoch, again.target_epoch, again.state()), (generation, generation, ConsumerGroupState::Stable));
    assert_eq!(again.members["new"].assigned(), assignment(&[("a", &[0, 1])]));
    let records = again.take_records(1);
    let first = RecordKey::decode(&records[0].0).unwrap();
    assert_eq!((first, records[0].1.clone()), (RecordKey::Group { group: "g".into() }, None));
    let answer = again.heartbeat(&beat("y", 0, &["a"], &Partitions::new()), &at).unwrap();
    assert_eq!((answer.epoch, answer.assignment), (generation + 1, Some(Partitions::new())));
    let mut foreign = classic_group;
    foreign.protocol_type = Some("connect".into());
    let refused = ConsumerGroup::from_classic(&foreign, &at).unwrap_err();
    assert_eq!(refused.code, ErrorCode::GROUP_ID_NOT_FOUND);
}

#[test]
fn who_may_commit_is_a_member_in_its_epoch_or_in_that_in_which_it_was_given_the_partition() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let at = moment(&settings, &topics, 0);
    let mut group = ConsumerGroup::new("g");
    let check = |group: &ConsumerGroup, id: &str, epoch| {
        group.check_commit(id, epoch, false, [(id_of("a"), 0), (id_of("b"), 0)].into_iter())
    };
    let (fine, stale) = (ErrorCode::NONE, ErrorCode::STALE_MEMBER_EPOCH);
    assert_eq!(check(&group, "", -1), Ok(vec![fine; 2]), "nobody is in the group");
    group.heartbeat(&beat("x", 0, &["a"], &Partitions::new()), &at).unwrap();
    assert_eq!(check(&group, "", -1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(check(&group, "x", 2), Ok(vec![fine; 2]));
    assert_eq!(check(&group, "x", 3), Err(stale));
    assert_eq!(check(&group, "x", 1), Ok(vec![stale; 2]));
    assert_eq!(group.check_commit("x", 2, true, std::iter::empty()), Err(ErrorCode::UNSUPPORTED_VERSION));
    let both = assignment(&[("a", &[0, 1])]);
    group.heartbeat(&beat("x", 2, &["a", "b"], &both), &at).unwrap();
    assert_eq!(check(&group, "x", 2), Ok(vec![fine, stale]), "the answer that named epoch 3 may be under way");
    assert_eq!(group.check_fetch(None, -1), Ok(()));
    assert_eq!(group.check_fetch(Some("x"), 2), Err(stale));
    assert_eq!(group.check_fetch(Some("x"), 3), Ok(()));
}

#[test]
fn the_assignor_that_most_members_prefer_is_taken() {
    let (settings, topics) = (settings(), Topics { version: 1, all: [("a", 2)].into() });
    let at = moment(&settings, &topics, 0);
    let mut group = ConsumerGroup::new("g");
    assert_eq!(group.preferred_assignor(&at), Assignor::Uniform);
    let ranged = HeartbeatRequest { assignor: Some("range".into()), ..beat("x", 0, &["a"], &Partitions::new()) };
    group.heartbeat(&ranged, &at).unwrap();
    group.heartbeat(&beat("y", 0, &["a"], &Partitions::new()), &at).unwrap();
    assert_eq!(group.preferred_assignor(&at), Assignor::Range);
    let odd = HeartbeatRequest { assignor: Some("sticky".into()), ..ranged };
    let refused = odd.check_assignor(&settings.consumer_assignors).unwrap_err();
    assert_eq!(refused.code, ErrorCode::UNSUPPORTED_ASSIGNOR);
}
