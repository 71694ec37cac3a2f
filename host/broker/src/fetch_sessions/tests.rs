//! Every course of a few steps, against a client that believes what it is told; and who gives way to whom.

use super::*;

const SLOTS: usize = 1;

fn key(name: &str) -> PartitionKey {
    (TopicKey::Name(name.into()), 0)
}

fn wanted(offset: i64) -> Wanted {
    Wanted { offset, max_bytes: 1, leader_epoch: -1, last_fetched_epoch: -1 }
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The client asks for all of these anew.
    Full(&'static [&'static str]),
    /// It asks for what has changed, adds this and leaves out that.
    Incremental { add: &'static [&'static str], forget: &'static [&'static str] },
    /// It has lost count.
    WrongEpoch,
    /// It names topics by id of a sudden.
    ById,
    /// It ends its session.
    Final,
    /// An answer to it is lost, and with it the count.
    Lost,
    /// A record is appended, which the client has not read.
    Append(&'static str),
    /// The client goes on to the end of a partition.
    Read(&'static str),
    /// Old records are deleted.
    Trim(&'static str),
    /// A partition fails, or works again.
    Break(&'static str),
    /// Somebody else begins a session of two partitions.
    Rival,
    /// More than two minutes go by.
    Pause,
}

const STEPS: &[Step] = &[
    Step::Full(&["a"]),
    Step::Full(&["a", "b"]),
    Step::Incremental { add: &[], forget: &[] },
    Step::Incremental { add: &["b"], forget: &[] },
    Step::Incremental { add: &[], forget: &["a"] },
    Step::WrongEpoch,
    Step::ById,
    Step::Final,
    Step::Lost,
    Step::Append("a"),
    Step::Read("a"),
    Step::Trim("b"),
    Step::Break("a"),
    Step::Rival,
    Step::Pause,
];

#[derive(Clone, Default, Debug, PartialEq)]
struct Partition {
    high_watermark: i64,
    log_start: i64,
    is_broken: bool,
}

/// The broker's partitions, its sessions, and one client.
#[derive(Clone)]
struct World {
    sessions: FetchSessions,
    partitions: BTreeMap<&'static str, Partition>,
    now_ms: u64,
    ids: i32,
    /// The client's: session and epoch, what it reads from where, what it knows.
    session: i32,
    epoch: i32,
    reads: BTreeMap<&'static str, i64>,
    knows: BTreeMap<&'static str, Partition>,
    /// Whether it is to be told that its session is gone.
    is_evicted: bool,
}

impl World {
    fn new() -> Self {
        Self {
            sessions: FetchSessions::new(SLOTS),
            partitions: ["a", "b"].into_iter().map(|name| (name, Partition::default())).collect(),
            now_ms: 0,
            ids: 0,
            session: 0,
            epoch: 0,
            reads: BTreeMap::new(),
            knows: BTreeMap::new(),
            is_evicted: false,
        }
    }

    fn told(&self, name: &str, offset: i64) -> Told {
        let it = &self.partitions[name];
        if it.is_broken {
            return Told {
                has_records: false,
                is_error: true,
                high_watermark: -1,
                last_stable_offset: -1,
                log_start: -1,
            };
        }
        Told {
            has_records: offset < it.high_watermark,
            is_error: false,
            high_watermark: it.high_watermark,
            last_stable_offset: it.high_watermark,
            log_start: it.log_start,
        }
    }

    fn learn(&mut self, name: &'static str) {
        let it = self.partitions[name].clone();
        let it = if it.is_broken { Partition { is_broken: true, ..Partition::default() } } else { it };
        self.knows.insert(name, it);
    }

    fn full(&mut self, id: i32, names: &[&'static str]) -> i32 {
        self.ids += 1;
        let asked: Vec<_> = names.iter().map(|name| (key(name), wanted(0))).collect();
        assert_eq!(
            self.sessions.begin((id, INITIAL_EPOCH), false, asked, [], self.now_ms),
            Ok(Fetching::Full),
            "a full request is never refused"
        );
        let partitions = names.iter().map(|name| (key(name), wanted(0), self.told(name, 0))).collect();
        if self.sessions.create(self.ids, false, partitions, self.now_ms) { self.ids } else { NO_SESSION }
    }

    fn step(&mut self, step: Step) {
        self.now_ms += 1;
        match step {
            Step::Full(names) => {
                let had_slot = self.sessions.contains(self.session);
                self.session = self.full(self.session, names);
                self.epoch = 1;
                if had_slot {
                    assert_ne!(self.session, NO_SESSION, "the slot of its old session is free");
                }
                self.is_evicted = false;
                self.reads = names.iter().map(|name| (*name, 0)).collect();
                self.knows.clear();
                names.iter().for_each(|name| self.learn(name));
            }
            Step::Incremental { add, forget } if self.session != NO_SESSION => self.incremental(add, forget),
            Step::WrongEpoch if self.session != NO_SESSION => {
                for epoch in [self.epoch - 1, self.epoch + 1, i32::MAX, i32::MIN] {
                    if [INITIAL_EPOCH, FINAL_EPOCH].contains(&epoch) {
                        continue;
                    }
                    let expected = match self.is_evicted {
                        true => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
                        false => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
                    };
                    let found = self.sessions.begin((self.session, epoch), false, [], [], self.now_ms);
                    assert_eq!(found, Err(expected));
                }
            }
            Step::ById if self.session != NO_SESSION && !self.is_evicted => {
                let found = self.sessions.begin((self.session, self.epoch), true, [], [], self.now_ms);
                assert_eq!(found, Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR));
            }
            Step::Final => {
                let found = self.sessions.begin((self.session, FINAL_EPOCH), false, [], [], self.now_ms);
                assert_eq!(found, Ok(Fetching::Once));
                assert!(!self.sessions.contains(self.session));
                self.session = NO_SESSION;
            }
            Step::Lost if self.session != NO_SESSION && !self.is_evicted => {
                let begun = self.sessions.begin((self.session, self.epoch), false, [], [], self.now_ms);
                assert!(matches!(begun, Ok(Fetching::Incremental { .. })));
                // The client repeats its request, and has to begin anew.
                let found = self.sessions.begin((self.session, self.epoch), false, [], [], self.now_ms);
                assert_eq!(found, Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH));
                let names: Vec<_> = self.reads.keys().copied().collect();
                self.session = self.full(self.session, &names);
                self.epoch = 1;
                self.reads.values_mut().for_each(|offset| *offset = 0);
                names.iter().for_each(|name| self.learn(name));
            }
            Step::Append(name) => self.partitions.get_mut(name).unwrap().high_watermark += 1,
            Step::Read(name) => {
                let end = self.partitions[name].high_watermark;
                if let Some(offset) = self.reads.get_mut(name) {
                    *offset = end;
                }
            }
            Step::Trim(name) => self.partitions.get_mut(name).unwrap().log_start += 1,
            Step::Break(name) => {
                let it = self.partitions.get_mut(name).unwrap();
                it.is_broken = !it.is_broken;
            }
            Step::Rival => {
                let had = self.sessions.contains(self.session);
                self.full(NO_SESSION, &["a", "b"]);
                self.is_evicted |= had && !self.sessions.contains(self.session);
            }
            Step::Pause => self.now_ms += EVICTION_MS + 1,
            _ => {}
        }
        self.check();
    }

    fn incremental(&mut self, add: &[&'static str], forget: &[&'static str]) {
        for name in add {
            self.reads.entry(name).or_insert(0);
        }
        for name in forget {
            self.reads.remove(name);
            self.knows.remove(name);
        }
        // As clients do: what is new, and what is read from elsewhere than before.
        let asked: Vec<_> = self.reads.iter().map(|(name, offset)| (key(name), wanted(*offset))).collect();
        let forgotten: Vec<_> = forget.iter().map(|name| key(name)).collect();
        let begun = self.sessions.begin((self.session, self.epoch), false, asked, forgotten, self.now_ms);
        if self.is_evicted {
            assert_eq!(begun, Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
            return;
        }
        if self.reads.is_empty() {
            assert_eq!(begun, Ok(Fetching::Once), "a session without partitions is over");
            assert!(!self.sessions.contains(self.session));
            self.session = NO_SESSION;
            return;
        }
        let Ok(Fetching::Incremental { id, next_epoch, partitions }) = begun else { panic!("{begun:?}") };
        assert_eq!((id, next_epoch), (self.session, self.epoch + 1));
        self.epoch += 1;
        let mut found: Vec<_> = partitions.iter().map(|(key, wanted)| (key.clone(), wanted.offset)).collect();
        found.sort();
        let expected: Vec<_> = self.reads.iter().map(|(name, offset)| (key(name), *offset)).collect();
        assert_eq!(found, expected, "it reads what the client reads, from where the client does");
        assert_eq!(self.sessions.check(id, next_epoch), Ok(()));
        for (name, offset) in self.reads.clone() {
            let told = self.told(name, offset);
            if self.sessions.tell(id, &key(name), &told) {
                self.learn(name);
            } else {
                assert!(!told.has_records && !told.is_error, "records and errors are always told");
            }
            let actual = self.partitions[name].clone();
            if !actual.is_broken {
                assert_eq!(self.knows.get(name), Some(&actual), "{name} is known as it is after an answer");
            }
        }
    }

    /// What is counted twice is counted the same.
    fn check(&self) {
        let sessions = &self.sessions;
        assert!(sessions.sessions.len() <= SLOTS);
        assert_eq!(sessions.partitions, sessions.sessions.values().map(|it| it.partitions.len()).sum::<usize>());
        assert_eq!(sessions.by_use.len(), sessions.sessions.len());
        assert!(sessions.evictable.len() <= sessions.sessions.len());
        for session in sessions.sessions.values() {
            assert_eq!(session.order.len(), session.partitions.len());
        }
    }
}

fn every_course(world: &World, left: usize) {
    if left == 0 {
        return;
    }
    for step in STEPS {
        let mut next = world.clone();
        next.step(*step);
        every_course(&next, left - 1);
    }
}

#[test]
fn after_every_course_a_client_knows_each_partition_as_it_is_and_is_told_nothing_twice() {
    every_course(&World::new(), 3);
    // Further on, where a session has begun.
    let mut world = World::new();
    world.step(Step::Full(&["a", "b"]));
    world.step(Step::Pause);
    every_course(&world, 4);
}

#[test]
fn what_was_told_is_not_told_again() {
    let mut world = World::new();
    world.step(Step::Full(&["a", "b"]));
    let asked = [(key("a"), wanted(0))];
    let begun = world.sessions.begin((world.session, 1), false, asked, [], 0);
    assert!(matches!(begun, Ok(Fetching::Incremental { next_epoch: 2, .. })));
    for name in ["a", "b"] {
        let told = world.told(name, 0);
        assert!(!world.sessions.tell(world.session, &key(name), &told));
        let told = Told { last_stable_offset: 7, ..told };
        assert!(world.sessions.tell(world.session, &key(name), &told), "an offset has changed");
    }
}

#[test]
fn partitions_that_had_records_are_read_last() {
    let mut world = World::new();
    world.step(Step::Append("a"));
    world.step(Step::Full(&["a", "b"]));
    for expected in [["a", "b"], ["b", "a"], ["b", "a"]] {
        let begun = world.sessions.begin((world.session, world.epoch), false, [], [], 0);
        let Ok(Fetching::Incremental { id, partitions, .. }) = begun else { panic!("{begun:?}") };
        let order: Vec<_> = partitions.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(order, expected.map(key));
        world.epoch += 1;
        for name in ["a", "b"] {
            let told = world.told(name, 0);
            world.sessions.tell(id, &key(name), &told);
        }
    }
}

fn create(sessions: &mut FetchSessions, id: i32, size: i32, now_ms: u64) -> bool {
    let told = Told { has_records: false, is_error: false, high_watermark: 0, last_stable_offset: 0, log_start: 0 };
    let partitions = (0..size).map(|index| ((TopicKey::Id(Uuid::nil()), index), wanted(0), told)).collect();
    sessions.create(id, true, partitions, now_ms)
}

#[test]
fn a_session_gives_way_when_it_is_idle_or_when_it_is_old_and_smaller() {
    let mut sessions = FetchSessions::new(2);
    assert!(create(&mut sessions, 1, 5, 0) && create(&mut sessions, 2, 3, 0));
    assert!(!create(&mut sessions, 3, 9, EVICTION_MS), "young ones stay");
    let used = |sessions: &mut FetchSessions, id, epoch, now_ms| {
        sessions.begin((id, epoch), true, [], [], now_ms).map(drop).unwrap();
    };
    used(&mut sessions, 1, 1, EVICTION_MS + 1);
    used(&mut sessions, 2, 1, EVICTION_MS + 1);
    assert!(!create(&mut sessions, 3, 3, EVICTION_MS + 1), "it is not larger");
    assert!(create(&mut sessions, 3, 4, EVICTION_MS + 1));
    assert!(sessions.contains(1) && !sessions.contains(2));
    used(&mut sessions, 3, 1, 3 * EVICTION_MS);
    assert!(create(&mut sessions, 4, 1, 3 * EVICTION_MS), "the first was not used for long");
    assert!(sessions.contains(3) && !sessions.contains(1));
}

#[test]
fn all_sessions_together_have_a_bound() {
    let mut sessions = FetchSessions::new(10);
    let most = i32::try_from(MOST_PARTITIONS).unwrap();
    assert!(create(&mut sessions, 1, most - 1, 0));
    assert!(!create(&mut sessions, 2, 2, 0));
    assert!(create(&mut sessions, 2, 1, 0));
    let more = [((TopicKey::Id(Uuid::max()), 0), wanted(0))];
    let refused = sessions.begin((2, 1), true, more, [], 0);
    assert_eq!(refused, Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert!(!sessions.contains(2), "its client begins anew");
}

#[test]
fn idle_sessions_give_way_where_there_are_too_many_partitions() {
    let mut sessions = FetchSessions::new(10);
    let most = i32::try_from(MOST_PARTITIONS).unwrap();
    let (early, late) = (0, EVICTION_MS);
    assert!(create(&mut sessions, 1, most / 2, early) && create(&mut sessions, 2, most / 2, late));
    assert!(!create(&mut sessions, 3, most / 2, late), "none is idle yet");
    assert!(create(&mut sessions, 3, most / 2, EVICTION_MS + 1), "the first was not used for long");
    assert!(!sessions.contains(1) && sessions.contains(2));
    // One that grows has the others give way as well.
    let more = [((TopicKey::Id(Uuid::max()), 0), wanted(0))];
    assert!(sessions.begin((3, 1), true, more, [], late + EVICTION_MS + 1).is_ok());
    assert!(!sessions.contains(2) && sessions.contains(3));
}

#[test]
fn epochs_count_on_from_one() {
    assert_eq!(next_epoch(i32::MAX), 1);
    assert_eq!(next_epoch(INITIAL_EPOCH), 1);
}

#[test]
fn names_that_no_topic_can_have_take_no_memory() {
    let mut sessions = FetchSessions::new(10);
    let told = Told { has_records: false, is_error: true, high_watermark: -1, last_stable_offset: -1, log_start: -1 };
    let of = |len: usize| vec![(key(&"x".repeat(len)), wanted(0), told)];
    assert!(!sessions.create(1, false, of(LONGEST_NAME + 1), 0), "it goes on without a session");
    assert!(sessions.create(1, false, of(LONGEST_NAME), 0));
    let asked = vec![(key(&"y".repeat(LONGEST_NAME + 1)), wanted(0))];
    assert_eq!(sessions.begin((1, 1), false, asked, [], 0), Err(ErrorCode::FETCH_SESSION_ID_NOT_FOUND));
    assert!(!sessions.contains(1) && sessions.by_use.is_empty() && sessions.partitions == 0);
}
