//! The coordinator as tables: what comes in, and what goes out.

mod rules;

use bytes::Bytes;
use millstream_wire::error_code::ErrorCode;
use uuid::Uuid;

use crate::groups::coordinator::{
    Action, CommitPermit, CommitTo, Committer, Coordinator, Described, JoinAnswer, JoinRequest, Leaving, Protocol,
    Settings, SyncAnswer, SyncRequest, Ticket, Times, Topology, messages::GroupState,
};
use crate::{
    clock::Tick,
    groups::{
        offsets::CommittedOffset,
        records::{RecordKey, StoredGroup, StoredMember},
    },
};

const WALL: i64 = 1_700_000_000_000;

struct Bench {
    coordinator: Coordinator,
    now_ms: u64,
    next_ticket: u64,
    joins: Vec<(u64, JoinAnswer)>,
    syncs: Vec<(u64, SyncAnswer)>,
    stores: Vec<(u64, StoredGroup)>,
}

/// No topics.
struct Nothing;

impl Topology for Nothing {
    fn version(&self) -> u64 {
        0
    }

    fn topic(&self, _: &str) -> Option<(Uuid, i32)> {
        None
    }

    fn name(&self, _: Uuid) -> Option<String> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

fn times(now_ms: u64) -> Times<'static> {
    Times { now: Tick::from_millis(now_ms), wall_ms: WALL, topics: &Nothing, via: None }
}

impl Bench {
    fn new() -> Self {
        Self::with(Settings {
            min_session_ms: 6_000,
            max_session_ms: 1_800_000,
            initial_delay_ms: 0,
            max_size: 100,
            offset_retention_ms: 1_000,
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Self {
        Self {
            coordinator: Coordinator::new(settings),
            now_ms: 0,
            next_ticket: 0,
            joins: Vec::new(),
            syncs: Vec::new(),
            stores: Vec::new(),
        }
    }

    fn now(&self) -> Tick {
        Tick::from_millis(self.now_ms)
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::AnswerJoin { to, answer } => self.joins.push((to.0, answer)),
                Action::AnswerSync { to, answer } => self.syncs.push((to.0, answer)),
                Action::Store { store, record, .. } => self.stores.push((store, record)),
                Action::Forget { .. } | Action::AnswerHeartbeat { .. } | Action::Append { .. } => {}
            }
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    fn join(&mut self, request: &JoinRequest) -> u64 {
        let ticket = self.ticket();
        let actions = self.coordinator.join(times(self.now_ms), request, ticket);
        self.take(actions);
        ticket.0
    }

    fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &str)]) -> u64 {
        let ticket = self.ticket();
        let request = SyncRequest {
            group: "g".into(),
            generation,
            member_id: member.into(),
            instance_id: None,
            protocol_type: None,
            protocol: None,
            assignments: assignments
                .iter()
                .map(|(member, share)| ((*member).to_owned(), Bytes::copy_from_slice(share.as_bytes())))
                .collect(),
        };
        let actions = self.coordinator.sync(times(self.now_ms), &request, ticket);
        self.take(actions);
        ticket.0
    }

    fn store_done(&mut self, durable: bool) {
        for (store, _) in std::mem::take(&mut self.stores) {
            let actions = self.coordinator.stored(self.now(), WALL, "g", store, durable);
            self.take(actions);
        }
    }

    fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
        let actions = self.coordinator.tick(times(self.now_ms));
        self.take(actions);
    }

    /// Deletions are on disk at this place of the log, or failed.
    fn forgotten(&mut self, actions: &[Action], log_position: Option<i64>) {
        for action in actions {
            let Action::Forget { group, forget, .. } = action else { panic!("{action:?}") };
            self.coordinator.forgotten(group, *forget, log_position);
        }
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        self.coordinator.heartbeat(times(self.now_ms), "g", generation, member, None)
    }

    fn leave(&mut self, member: &str) -> ErrorCode {
        let leaving = [Leaving { member_id: member.into(), instance_id: None }];
        let (verdicts, actions) = self.coordinator.leave(times(self.now_ms), "g", &leaving).unwrap();
        self.take(actions);
        verdicts[0]
    }

    #[track_caller]
    fn joined(&mut self, ticket: u64) -> JoinAnswer {
        let at = self.joins.iter().position(|(to, _)| *to == ticket).expect("the join was answered");
        self.joins.remove(at).1
    }

    #[track_caller]
    fn synced(&mut self, ticket: u64) -> SyncAnswer {
        let at = self.syncs.iter().position(|(to, _)| *to == ticket).expect("the sync was answered");
        self.syncs.remove(at).1
    }

    fn state(&self) -> Option<GroupState> {
        match self.coordinator.describe("g") {
            Described::Classic(group) => Some(group.state),
            Described::Other | Described::Missing => None,
        }
    }

    /// Members `a` (leader) and `b`, stable in generation 2.
    fn stable_pair() -> Self {
        let mut bench = Self::new();
        let first = bench.join(&member("a"));
        assert_eq!(bench.joined(first).generation, 1);
        let second = bench.join(&member("b"));
        assert_eq!(bench.heartbeat("a", 1), ErrorCode::REBALANCE_IN_PROGRESS);
        let again = bench.join(&JoinRequest { member_id: "a".into(), ..member("a") });
        assert_eq!(bench.joined(again).generation, 2);
        assert_eq!(bench.joined(second).leader, "a");
        let (sync_b, sync_a) = (bench.sync("b", 2, &[]), bench.sync("a", 2, &[("a", "1"), ("b", "2")]));
        assert!(bench.syncs.is_empty(), "nobody is answered before the assignment is on disk");
        bench.store_done(true);
        assert_eq!(bench.synced(sync_a).assignment, "1");
        assert_eq!(bench.synced(sync_b).assignment, "2");
        bench
    }
}

/// A new member that will be called `id`, of a version that admits it at once.
fn member(id: &str) -> JoinRequest {
    JoinRequest {
        group: "g".into(),
        member_id: String::new(),
        new_member_id: id.into(),
        instance_id: None,
        client_id: "client".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range", "r"), protocol("sticky", "s")],
        require_known_member: false,
        knows_skip_assignment: false,
    }
}

fn known(id: &str) -> JoinRequest {
    JoinRequest { member_id: id.into(), ..member(id) }
}

fn static_member(id: &str, instance: &str) -> JoinRequest {
    JoinRequest { instance_id: Some(instance.into()), ..member(id) }
}

fn protocol(name: &str, metadata: &str) -> Protocol {
    Protocol { name: name.into(), metadata: Bytes::copy_from_slice(metadata.as_bytes()) }
}

#[test]
fn requests_that_can_never_work_are_refused_with_their_own_error() {
    let cases = [
        (JoinRequest { group: String::new(), ..member("a") }, ErrorCode::INVALID_GROUP_ID),
        (JoinRequest { session_timeout_ms: 5_999, ..member("a") }, ErrorCode::INVALID_SESSION_TIMEOUT),
        (JoinRequest { session_timeout_ms: 1_800_001, ..member("a") }, ErrorCode::INVALID_SESSION_TIMEOUT),
        (JoinRequest { protocol_type: String::new(), ..member("a") }, ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
        (JoinRequest { protocols: Vec::new(), ..member("a") }, ErrorCode::INCONSISTENT_GROUP_PROTOCOL),
        (known("a"), ErrorCode::UNKNOWN_MEMBER_ID),
    ];
    for (request, expected) in cases {
        let mut bench = Bench::new();
        let ticket = bench.join(&request);
        assert_eq!(bench.joined(ticket).error, expected, "{request:?}");
        assert_eq!(bench.state(), None, "no trace of the group is left");
    }
}

#[test]
fn a_lone_member_leads_the_first_generation_and_sees_its_own_metadata() {
    let mut bench = Bench::new();
    let ticket = bench.join(&member("a"));
    let answer = bench.joined(ticket);
    assert_eq!((answer.error, answer.generation, answer.leader.as_str()), (ErrorCode::NONE, 1, "a"));
    assert_eq!(answer.protocol.as_deref(), Some("range"));
    assert_eq!(answer.members.len(), 1);
    assert_eq!(answer.members[0].metadata, "r");
}

#[test]
fn from_version_four_on_a_new_member_first_learns_its_id_and_is_forgotten_if_it_never_uses_it() {
    let mut bench = Bench::new();
    let ticket = bench.join(&JoinRequest { require_known_member: true, ..member("a") });
    let answer = bench.joined(ticket);
    assert_eq!((answer.error, answer.member_id.as_str()), (ErrorCode::MEMBER_ID_REQUIRED, "a"));
    let ticket = bench.join(&known("a"));
    assert_eq!(bench.joined(ticket).generation, 1);

    let mut bench = Bench::new();
    bench.join(&JoinRequest { require_known_member: true, ..member("a") });
    bench.advance(10_000);
    assert_eq!(bench.state(), None);
    let ticket = bench.join(&known("a"));
    assert_eq!(bench.joined(ticket).error, ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn two_members_share_a_generation_and_only_the_leader_sees_the_list() {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    let b = bench.join(&member("b"));
    let a = bench.join(&known("a"));
    let (a, b) = (bench.joined(a), bench.joined(b));
    assert_eq!((a.generation, b.generation), (2, 2));
    assert_eq!(a.members.iter().map(|member| member.member_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(b.members.is_empty());
}

#[test]
fn the_protocol_with_most_first_choices_among_the_common_ones_wins() {
    let mut bench = Bench::new();
    let lists: [(&str, &[&str]); 3] =
        [("a", &["x", "range", "sticky"]), ("b", &["sticky", "range"]), ("c", &["sticky", "range"])];
    bench.join(&JoinRequest { protocols: named(lists[0].1), ..member("a") });
    bench.join(&JoinRequest { protocols: named(lists[1].1), ..member("b") });
    bench.join(&JoinRequest { protocols: named(lists[2].1), ..member("c") });
    let a = bench.join(&JoinRequest { protocols: named(lists[0].1), ..known("a") });
    assert_eq!(bench.joined(a).protocol.as_deref(), Some("sticky"));
}

fn named(names: &[&str]) -> Vec<Protocol> {
    names.iter().map(|name| protocol(name, name)).collect()
}

#[test]
fn a_candidate_without_a_common_protocol_or_of_another_type_is_refused() {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    for odd in [
        JoinRequest { protocols: named(&["other"]), ..member("b") },
        JoinRequest { protocol_type: "connect".into(), ..member("b") },
    ] {
        let ticket = bench.join(&odd);
        assert_eq!(bench.joined(ticket).error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
}

#[test]
fn members_that_do_not_join_again_in_time_are_removed() {
    let mut bench = Bench::stable_pair();
    let c = bench.join(&member("c"));
    let a = bench.join(&known("a"));
    // b keeps its session alive but never joins.
    for _ in 0..7 {
        bench.advance(8_500);
        bench.heartbeat("b", 2);
    }
    bench.advance(8_500);
    let answer = bench.joined(a);
    assert_eq!(answer.generation, 3);
    assert_eq!(answer.members.iter().map(|member| member.member_id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(bench.joined(c).generation, 3);
    assert_eq!(bench.heartbeat("b", 3), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_session_that_ends_removes_the_member_and_rebalances_the_rest() {
    let mut bench = Bench::stable_pair();
    bench.advance(6_000);
    assert_eq!(bench.heartbeat("a", 2), ErrorCode::NONE);
    bench.advance(5_000);
    assert_eq!(bench.heartbeat("b", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.heartbeat("a", 2), ErrorCode::REBALANCE_IN_PROGRESS);
    let a = bench.join(&known("a"));
    assert_eq!(bench.joined(a).generation, 3);
}

#[test]
fn a_parked_join_keeps_its_member_alive_however_long_it_waits() {
    let mut bench = Bench::stable_pair();
    let c = bench.join(&member("c"));
    for _ in 0..3 {
        bench.advance(9_000);
        bench.heartbeat("a", 2);
        bench.heartbeat("b", 2);
    }
    let (a, b) = (bench.join(&known("a")), bench.join(&known("b")));
    for ticket in [a, b, c] {
        assert_eq!(bench.joined(ticket).generation, 3);
    }
}

#[test]
fn the_last_member_leaving_empties_the_group_and_writes_it() {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    bench.sync("a", 1, &[("a", "x")]);
    bench.store_done(true);
    assert_eq!(bench.leave("a"), ErrorCode::NONE);
    assert_eq!(bench.state(), Some(GroupState::Empty));
    let (_, stored) = bench.stores.pop().unwrap();
    assert_eq!((stored.generation, stored.members.len(), stored.leader), (2, 0, None));
    assert_eq!(bench.leave("a"), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn a_follower_that_joins_again_unchanged_is_answered_without_a_rebalance() {
    let mut bench = Bench::stable_pair();
    let b = bench.join(&known("b"));
    assert_eq!(bench.joined(b).generation, 2);
    assert_eq!(bench.state(), Some(GroupState::Stable));
    bench.join(&JoinRequest { protocols: vec![protocol("range", "new")], ..known("b") });
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
}

#[test]
fn the_leader_joining_again_rebalances() {
    let mut bench = Bench::stable_pair();
    bench.join(&known("a"));
    assert_eq!(bench.heartbeat("b", 2), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn sync_checks_member_then_generation_then_state() {
    let mut bench = Bench::stable_pair();
    let cases = [("x", 2, ErrorCode::UNKNOWN_MEMBER_ID), ("a", 1, ErrorCode::ILLEGAL_GENERATION)];
    for (member, generation, expected) in cases {
        let ticket = bench.sync(member, generation, &[]);
        assert_eq!(bench.synced(ticket).error, expected);
    }
    let again = bench.sync("b", 2, &[]);
    assert_eq!(bench.synced(again).assignment, "2");
    bench.join(&member("c"));
    let ticket = bench.sync("a", 2, &[]);
    assert_eq!(bench.synced(ticket).error, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn an_assignment_that_cannot_be_written_is_never_handed_out() {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    let sync = bench.sync("a", 1, &[("a", "x")]);
    bench.store_done(false);
    assert_eq!(bench.synced(sync).error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
}

#[test]
fn members_that_never_ask_for_their_assignment_are_expelled() {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    let b = bench.join(&member("b"));
    bench.join(&known("a"));
    bench.joined(b);
    bench.sync("a", 2, &[("a", "1")]);
    bench.store_done(true);
    for _ in 0..10 {
        bench.advance(6_100);
        bench.heartbeat("a", 2);
        bench.heartbeat("b", 2);
    }
    assert_eq!(bench.heartbeat("b", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(bench.heartbeat("a", 2), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn the_first_rebalance_waits_for_more_members_and_arrivals_extend_it() {
    let mut bench = Bench::with(Settings {
        min_session_ms: 1,
        max_session_ms: 1_800_000,
        initial_delay_ms: 3_000,
        max_size: 100,
        offset_retention_ms: 1_000,
        ..Settings::default()
    });
    let a = bench.join(&member("a"));
    bench.advance(2_000);
    let b = bench.join(&member("b"));
    bench.advance(1_000);
    assert!(bench.joins.is_empty(), "the arrival of b has extended the wait");
    bench.advance(3_000);
    assert_eq!((bench.joined(a).generation, bench.joined(b).generation), (1, 1));
}

#[test]
fn a_returning_static_member_gets_a_new_id_and_causes_no_rebalance() {
    let mut bench = Bench::new();
    bench.join(&static_member("s1", "inst"));
    bench.sync("s1", 1, &[("s1", "mine")]);
    bench.store_done(true);
    bench.syncs.clear();

    let back = bench.join(&static_member("s2", "inst"));
    bench.store_done(true);
    let answer = bench.joined(back);
    assert_eq!((answer.error, answer.generation, answer.member_id.as_str()), (ErrorCode::NONE, 1, "s2"));
    assert_eq!(answer.leader, "s1", "it must believe that it follows");
    assert!(answer.members.is_empty() && !answer.skip_assignment);
    let sync = bench.sync("s2", 1, &[]);
    assert_eq!(bench.synced(sync).assignment, "mine");

    let verdict = bench.coordinator.heartbeat(times(bench.now_ms), "g", 1, "s1", Some("inst"));
    assert_eq!(verdict, ErrorCode::FENCED_INSTANCE_ID);

    let back = bench.join(&JoinRequest { knows_skip_assignment: true, ..static_member("s3", "inst") });
    bench.store_done(true);
    let answer = bench.joined(back);
    assert_eq!((answer.leader.as_str(), answer.skip_assignment, answer.members.len()), ("s3", true, 1));
}

#[test]
fn a_static_member_that_came_back_stays_who_it_was_if_that_cannot_be_written() {
    let mut bench = Bench::new();
    let first = bench.join(&static_member("s1", "inst"));
    assert_eq!(bench.joined(first).error, ErrorCode::NONE);
    bench.sync("s1", 1, &[("s1", "share")]);
    bench.store_done(true);
    let back = bench.join(&static_member("s2", "inst"));
    assert_eq!(bench.heartbeat("s1", 1), ErrorCode::UNKNOWN_MEMBER_ID, "until it is known, the new one has its place");
    bench.store_done(false);
    assert_eq!(bench.joined(back).error, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    assert_eq!((bench.heartbeat("s1", 1), bench.heartbeat("s2", 1)), (ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID));
    let synced = bench.sync("s1", 1, &[]);
    assert_eq!(bench.synced(synced).assignment, Bytes::from_static(b"share"));
    // It comes back once more, and this time it can be written.
    let again = bench.join(&static_member("s3", "inst"));
    bench.store_done(true);
    let again = bench.joined(again);
    assert_eq!((again.error, again.member_id.as_str(), again.leader.as_str()), (ErrorCode::NONE, "s3", "s1"));
    assert_eq!(bench.heartbeat("s3", 1), ErrorCode::NONE);
}

#[test]
fn the_parked_requests_of_a_displaced_static_member_are_fenced() {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    let first = bench.join(&static_member("s1", "inst"));
    let second = bench.join(&static_member("s2", "inst"));
    assert_eq!(bench.joined(first).error, ErrorCode::FENCED_INSTANCE_ID);
    bench.join(&known("a"));
    assert_eq!(bench.joined(second).error, ErrorCode::NONE);
}

#[test]
fn an_administrator_removes_a_static_member_by_its_instance_id() {
    let mut bench = Bench::new();
    bench.join(&static_member("s1", "inst"));
    let leave = |bench: &mut Bench, member: &str, instance: &str| {
        let leaving = [Leaving { member_id: member.into(), instance_id: Some(instance.into()) }];
        let (verdicts, actions) = bench.coordinator.leave(times(bench.now_ms), "g", &leaving).unwrap();
        bench.take(actions);
        verdicts[0]
    };
    assert_eq!(leave(&mut bench, "", "other"), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(leave(&mut bench, "x", "inst"), ErrorCode::FENCED_INSTANCE_ID);
    assert_eq!(leave(&mut bench, "", "inst"), ErrorCode::NONE);
    assert_eq!(bench.state(), Some(GroupState::Empty));
}

#[test]
fn a_full_group_admits_nobody_new() {
    let mut bench = Bench::with(Settings {
        min_session_ms: 1,
        max_session_ms: 1_800_000,
        initial_delay_ms: 0,
        max_size: 1,
        offset_retention_ms: 1_000,
        ..Settings::default()
    });
    bench.join(&member("a"));
    let b = bench.join(&member("b"));
    assert_eq!(bench.joined(b).error, ErrorCode::GROUP_MAX_SIZE_REACHED);
    let a = bench.join(&known("a"));
    assert_eq!(bench.joined(a).error, ErrorCode::NONE);
}

#[test]
fn who_may_commit_depends_on_state_member_and_generation() {
    let check = |bench: &mut Bench, generation, member: &str| {
        let committer =
            Committer { group: "g", generation, member_id: member, instance_id: None, via: None, version: 8 };
        bench.coordinator.check_commit(bench.now(), WALL, &committer, Vec::new()).err()
    };
    let mut bench = Bench::new();
    assert_eq!(check(&mut bench, 0, "a"), Some(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(check(&mut bench, -1, ""), None, "a consumer without a group protocol");

    let mut bench = Bench::stable_pair();
    assert_eq!(check(&mut bench, 2, "a"), None);
    assert_eq!(check(&mut bench, 1, "a"), Some(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(check(&mut bench, 2, "x"), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(check(&mut bench, -1, ""), Some(ErrorCode::UNKNOWN_MEMBER_ID));
    bench.join(&member("c"));
    assert_eq!(check(&mut bench, 2, "b"), None, "revocation commits while a rebalance is prepared");
    bench.join(&known("a"));
    bench.join(&known("b"));
    assert_eq!(check(&mut bench, 3, "b"), Some(ErrorCode::REBALANCE_IN_PROGRESS));
}

fn committed(offset: i64, at_ms: i64) -> CommittedOffset {
    CommittedOffset {
        offset,
        leader_epoch: -1,
        metadata: String::new(),
        committed_at_ms: at_ms,
        expires_at_ms: None,
        log_position: 0,
    }
}

#[test]
fn offsets_outlive_their_group_by_the_retention_and_then_go_with_it() {
    let mut bench = Bench::new();
    bench.coordinator.load_offset(WALL, "g", "t", 0, committed(5, WALL));
    assert_eq!(bench.coordinator.expire_offsets(WALL + 999), []);
    let gone = bench.coordinator.expire_offsets(WALL + 1_000);
    assert_eq!(forgets(&gone), [(vec![0], true)]);
    assert_eq!(bench.coordinator.expire_offsets(WALL + 1_000), [], "it is under way");
    bench.forgotten(&gone, None);
    assert_eq!(bench.state(), Some(GroupState::Empty), "what could not be written is tried again");
    let gone = bench.coordinator.expire_offsets(WALL + 1_000);
    bench.forgotten(&gone, Some(1));
    assert_eq!(bench.state(), None);
}

#[test]
fn a_live_group_keeps_its_offsets() {
    let mut bench = Bench::stable_pair();
    let connect = JoinRequest { protocol_type: "connect".into(), group: "w".into(), ..member("w1") };
    bench.join(&connect);
    bench.coordinator.load_offset(WALL, "w", "t", 0, committed(5, WALL));
    assert_eq!(bench.coordinator.expire_offsets(WALL + 1_000_000), []);
}

fn stored(hosts: &[(&str, &str)]) -> StoredGroup {
    StoredGroup {
        protocol_type: "connect".into(),
        generation: 7,
        protocol: Some("sessioned".into()),
        leader: Some(hosts[0].0.into()),
        state_since_ms: WALL,
        members: hosts
            .iter()
            .map(|(id, host)| StoredMember {
                member_id: (*id).into(),
                instance_id: None,
                client_id: "c".into(),
                client_host: (*host).into(),
                rebalance_timeout_ms: 60_000,
                session_timeout_ms: 10_000,
                subscription: Bytes::new(),
                assignment: Bytes::from_static(b"kept"),
            })
            .collect(),
    }
}

#[test]
fn a_loaded_group_goes_on_in_its_generation_with_fresh_sessions() {
    let mut bench = Bench::new();
    bench.now_ms = 50;
    let actions = bench.coordinator.load_group(bench.now(), WALL, "g", stored(&[("m", "/1.2.3.4")]), |_| false);
    assert_eq!(actions, []);
    assert_eq!(bench.heartbeat("m", 7), ErrorCode::NONE);
    let sync = bench.sync("m", 7, &[]);
    assert_eq!(bench.synced(sync).assignment, "kept");
    bench.advance(10_001);
    assert_eq!(bench.heartbeat("m", 7), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn members_that_died_with_the_process_are_dropped_when_their_group_is_loaded() {
    let mut bench = Bench::new();
    let died = |host: &str| host == "/embedded";
    bench.coordinator.load_group(bench.now(), WALL, "g", stored(&[("m", "/embedded")]), died);
    assert_eq!(bench.state(), Some(GroupState::Empty));
    let fresh = bench.join(&JoinRequest { protocol_type: "connect".into(), ..member("n") });
    assert_eq!(bench.joined(fresh).generation, 9, "one for the emptying, one for the new member");

    let mut bench = Bench::new();
    bench.coordinator.load_group(bench.now(), WALL, "g", stored(&[("m", "/embedded"), ("o", "/1.2.3.4")]), died);
    assert_eq!(bench.heartbeat("o", 7), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn deleting_needs_an_empty_group() {
    let mut bench = Bench::stable_pair();
    assert_eq!(bench.coordinator.delete("g"), Err(ErrorCode::NON_EMPTY_GROUP));
    assert_eq!(bench.coordinator.delete("x"), Err(ErrorCode::GROUP_ID_NOT_FOUND));
    bench.leave("a");
    bench.leave("b");
    let gone = [bench.coordinator.delete("g").unwrap()];
    assert_eq!(forgets(&gone), [(vec![], true)]);
    bench.forgotten(&gone, Some(1));
    assert_eq!(bench.state(), None);
}

/// Partitions whose offsets are deleted, and whether the group is, by the deletion.
fn forgets(actions: &[Action]) -> Vec<(Vec<i32>, bool)> {
    let forget = |action: &Action| match action {
        Action::Forget { keys, .. } => {
            let offset = |key: &RecordKey| match key {
                RecordKey::Offset { partition, .. } => Some(*partition),
                _ => None,
            };
            (keys.iter().filter_map(offset).collect(), keys.iter().any(|key| offset(key).is_none()))
        }
        other => panic!("{other:?}"),
    };
    actions.iter().map(forget).collect()
}

/// A commit of partitions 0 and 1 of `t` that is on its way to the disk.
fn begun(bench: &mut Bench) -> CommitPermit {
    let to = |partition| CommitTo { topic: "t".into(), topic_id: Uuid::nil(), partition };
    let partitions = vec![to(0), to(1)];
    let committer = Committer { group: "g", generation: -1, member_id: "", instance_id: None, via: None, version: 8 };
    bench.coordinator.check_commit(bench.now(), WALL, &committer, partitions).unwrap().0
}

/// The commit is on disk. Returns what is committed then.
fn ended(bench: &mut Bench, permit: CommitPermit) -> Vec<i32> {
    let offsets = [("t".to_owned(), 0, committed(7, WALL)), ("t".to_owned(), 1, committed(8, WALL))];
    bench.coordinator.committed("g", permit, offsets);
    let known = bench.coordinator.offsets("g");
    known.map(|offsets| offsets.iter().map(|(_, partition, _)| partition).collect()).unwrap_or_default()
}

#[test]
fn a_commit_on_its_way_does_not_bring_back_what_is_deleted_meanwhile_and_is_deleted_on_disk_behind_it() {
    let mut bench = Bench::new();
    let permit = begun(&mut bench);
    let gone = bench.coordinator.forget_topic("t");
    assert_eq!(forgets(&gone), [(vec![0, 1], false)]);
    assert_eq!(ended(&mut bench, permit), [0; 0], "whether or not the deletion is on disk");

    for deleted_first in [true, false] {
        let mut bench = Bench::new();
        let permit = begun(&mut bench);
        let (verdicts, action) = bench.coordinator.delete_offsets("g", &[("t".to_owned(), 1)]).unwrap();
        let gone = [action.unwrap()];
        assert_eq!((verdicts, forgets(&gone)), (vec![ErrorCode::NONE], vec![(vec![1], false)]));
        if deleted_first {
            bench.forgotten(&gone, Some(1));
            assert_eq!(ended(&mut bench, permit), [0], "the other partition is committed");
        } else {
            assert_eq!(ended(&mut bench, permit), [0, 1]);
            bench.forgotten(&gone, Some(1));
            let left = bench.coordinator.offsets("g").unwrap();
            assert_eq!(left.iter().map(|(_, partition, _)| partition).collect::<Vec<_>>(), [0]);
        }
    }

    let mut bench = Bench::new();
    let permit = begun(&mut bench);
    let gone = [bench.coordinator.delete("g").unwrap()];
    assert_eq!(forgets(&gone), [(vec![0, 1], true)]);
    bench.forgotten(&gone, Some(1));
    let later = begun(&mut bench);
    assert_eq!(ended(&mut bench, permit), [0; 0], "the commit was for the group that was deleted");
    assert_eq!(ended(&mut bench, later), [0, 1], "and this one is for the new group of its name");
}

#[test]
fn a_group_whose_deletion_is_on_its_way_takes_nothing_and_stays_if_it_cannot_be_written() {
    let mut bench = Bench::new();
    bench.coordinator.load_offset(WALL, "g", "t", 0, committed(5, WALL));
    let gone = [bench.coordinator.delete("g").unwrap()];
    let busy = ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
    assert_eq!(bench.coordinator.delete("g"), Err(busy));
    let committer = Committer { group: "g", generation: -1, member_id: "", instance_id: None, via: None, version: 8 };
    assert_eq!(bench.coordinator.check_commit(bench.now(), WALL, &committer, Vec::new()).err(), Some(busy));
    let ticket = bench.join(&member("a"));
    assert_eq!(bench.joined(ticket).error, busy);
    bench.forgotten(&gone, None);
    assert_eq!(bench.coordinator.offsets("g").and_then(|offsets| offsets.get("t", 0)), Some(&committed(5, WALL)));
    let ticket = bench.join(&member("a"));
    assert_eq!(bench.joined(ticket).error, ErrorCode::NONE);
}

#[test]
fn neither_a_group_nor_an_offset_expires_under_a_commit_that_is_on_its_way() {
    let mut bench = Bench::new();
    bench.coordinator.load_offset(WALL, "g", "t", 0, committed(5, WALL));
    let permit = begun(&mut bench);
    assert_eq!(bench.coordinator.expire_offsets(WALL + 1_000), []);
    assert_eq!(ended(&mut bench, permit), [0, 1]);

    // A group that members have left, with nothing committed yet.
    let mut bench = Bench::stable_pair();
    bench.leave("a");
    bench.leave("b");
    bench.store_done(true);
    let permit = begun(&mut bench);
    assert_eq!(bench.coordinator.expire_offsets(WALL + 1_000_000), []);
    assert_eq!(ended(&mut bench, permit), [0, 1]);
}

#[test]
fn a_group_that_exists_only_for_a_commit_is_gone_when_that_fails_and_not_before() {
    let mut bench = Bench::new();
    let permit = begun(&mut bench);
    let leaving = [Leaving { member_id: "nobody".into(), instance_id: None }];
    let (verdicts, _) = bench.coordinator.leave(times(bench.now_ms), "g", &leaving).unwrap();
    assert_eq!(verdicts, [ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(bench.state(), Some(GroupState::Empty));
    bench.coordinator.commit_failed("g", permit);
    assert_eq!(bench.state(), None);
}
