//! The rules of the classic protocol, one after the other: those that the tests beside this file do not tell.

use super::*;
use crate::groups::coordinator::ListedGroup;

fn asked(member: &str, generation: i32) -> SyncRequest {
    SyncRequest {
        group: "g".into(),
        generation,
        member_id: member.into(),
        instance_id: None,
        protocol_type: None,
        protocol: None,
        assignments: Vec::new(),
    }
}

fn sync(bench: &mut Bench, request: &SyncRequest) -> u64 {
    let ticket = bench.ticket();
    let actions = bench.coordinator.sync(times(bench.now_ms), request, ticket);
    bench.take(actions);
    ticket.0
}

fn commits(bench: &mut Bench, member: &str, instance: Option<&str>, generation: i32) -> ErrorCode {
    let committer =
        Committer { group: "g", generation, member_id: member, instance_id: instance, via: None, version: 8 };
    bench.coordinator.check_commit(bench.now(), WALL, &committer, Vec::new()).err().unwrap_or(ErrorCode::NONE)
}

/// Two members in generation 2 that wait for the leader's assignment.
fn completing_pair() -> Bench {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    bench.join(&member("b"));
    bench.join(&known("a"));
    bench.joins.clear();
    assert_eq!(bench.state(), Some(GroupState::CompletingRebalance));
    bench
}

#[test]
fn a_group_that_all_have_left_keeps_its_type_while_somebody_who_was_given_an_id_is_waited_for() {
    let mut bench = Bench::stable_pair();
    bench.join(&JoinRequest { require_known_member: true, ..member("c") });
    assert_eq!((bench.leave("a"), bench.leave("b")), (ErrorCode::NONE, ErrorCode::NONE));
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
    for (kind, expected) in
        [("connect", ErrorCode::INCONSISTENT_GROUP_PROTOCOL), ("consumer", ErrorCode::UNKNOWN_MEMBER_ID)]
    {
        let ticket = bench.join(&JoinRequest { protocol_type: kind.into(), ..known("nobody") });
        assert_eq!(bench.joined(ticket).error, expected, "{kind}");
    }
}

#[test]
fn a_heartbeat_is_answered_by_the_state_of_the_group() {
    let mut bench = completing_pair();
    assert_eq!(bench.heartbeat("b", 2), ErrorCode::NONE, "completing");
    bench.sync("a", 2, &[]);
    bench.store_done(true);
    assert_eq!(bench.heartbeat("b", 2), ErrorCode::NONE, "stable");
    assert_eq!(bench.heartbeat("b", 1), ErrorCode::ILLEGAL_GENERATION);
    assert_eq!(bench.heartbeat("x", 2), ErrorCode::UNKNOWN_MEMBER_ID);
    bench.join(&member("c"));
    assert_eq!(bench.heartbeat("b", 2), ErrorCode::REBALANCE_IN_PROGRESS, "preparing");
    let of = |bench: &mut Bench, group: &str| bench.coordinator.heartbeat(times(0), group, 2, "b", None);
    assert_eq!(of(&mut bench, "other"), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(of(&mut bench, ""), ErrorCode::INVALID_GROUP_ID);
    let mut bench = Bench::stable_pair();
    assert_eq!((bench.leave("a"), bench.leave("b")), (ErrorCode::NONE, ErrorCode::NONE));
    assert_eq!(bench.heartbeat("b", 3), ErrorCode::UNKNOWN_MEMBER_ID, "empty");
}

#[test]
fn whatever_a_member_asks_for_keeps_its_session() {
    type Ask = fn(&mut Bench);
    let asks: [(&str, Ask); 4] = [
        ("join", |bench| assert_ne!(bench.join(&known("b")), 0)),
        ("sync", |bench| assert_ne!(bench.sync("b", 2, &[]), 0)),
        ("heartbeat", |bench| assert_eq!(bench.heartbeat("b", 2), ErrorCode::NONE)),
        ("commit", |bench| assert_eq!(commits(bench, "b", None, 2), ErrorCode::NONE)),
    ];
    for (what, ask) in asks {
        let mut bench = Bench::stable_pair();
        for _ in 0..3 {
            bench.advance(9_000);
            assert_eq!(bench.heartbeat("a", 2), ErrorCode::NONE, "{what}");
            ask(&mut bench);
        }
        bench.advance(9_999);
        assert_eq!(bench.heartbeat("b", 2), ErrorCode::NONE, "{what}");
    }
}

#[test]
fn a_member_that_joins_again_while_the_assignment_is_awaited_is_told_the_generation_unless_it_offers_something_else() {
    let mut bench = completing_pair();
    let (leader, follower) = (bench.join(&known("a")), bench.join(&known("b")));
    let (leader, follower) = (bench.joined(leader), bench.joined(follower));
    assert_eq!((leader.generation, leader.members.len()), (2, 2));
    assert_eq!((follower.generation, follower.members.len()), (2, 0));
    let waiting = bench.sync("b", 2, &[]);
    bench.join(&JoinRequest { protocols: vec![protocol("range", "new")], ..known("a") });
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
    assert_eq!(bench.synced(waiting).error, ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn an_instance_id_and_a_member_id_that_do_not_belong_together_are_refused_in_every_request() {
    let mut bench = Bench::new();
    bench.join(&static_member("s", "inst"));
    bench.sync("s", 1, &[]);
    bench.store_done(true);
    for (member, instance, expected) in [
        ("x", "inst", ErrorCode::FENCED_INSTANCE_ID),
        ("s", "other", ErrorCode::UNKNOWN_MEMBER_ID),
        ("x", "other", ErrorCode::UNKNOWN_MEMBER_ID),
    ] {
        let join = bench.join(&JoinRequest { instance_id: Some(instance.into()), ..known(member) });
        assert_eq!(bench.joined(join).error, expected, "join {member} {instance}");
        let sync = sync(&mut bench, &SyncRequest { instance_id: Some(instance.into()), ..asked(member, 1) });
        assert_eq!(bench.synced(sync).error, expected, "sync {member} {instance}");
        let beat = bench.coordinator.heartbeat(times(0), "g", 1, member, Some(instance));
        assert_eq!(beat, expected, "heartbeat {member} {instance}");
        assert_eq!(commits(&mut bench, member, Some(instance), 1), expected, "commit {member} {instance}");
    }
    assert_eq!(bench.state(), Some(GroupState::Stable));
}

#[test]
fn a_static_member_that_returns_rebalances_where_the_assignment_is_awaited_or_the_vote_would_go_another_way() {
    let mut bench = Bench::new();
    bench.join(&static_member("s1", "inst"));
    assert_eq!(bench.state(), Some(GroupState::CompletingRebalance));
    let back = bench.join(&static_member("s2", "inst"));
    assert_eq!(bench.joined(back).generation, 2, "a new one began");
    bench.sync("s2", 2, &[]);
    bench.store_done(true);
    let back = bench.join(&JoinRequest { protocols: vec![protocol("sticky", "s")], ..static_member("s3", "inst") });
    let answer = bench.joined(back);
    assert_eq!((answer.generation, answer.protocol.as_deref()), (3, Some("sticky")));
}

#[test]
fn joins_are_awaited_for_the_longest_timeout_and_on_where_nobody_came_and_a_static_member_is_not_missed() {
    let slow =
        |request: JoinRequest| JoinRequest { session_timeout_ms: 1_000_000, rebalance_timeout_ms: 20_000, ..request };
    let mut bench = Bench::new();
    for request in [member("a"), member("b"), static_member("s", "inst")] {
        bench.join(&JoinRequest { session_timeout_ms: 1_000_000, ..request.clone() });
        for id in ["a", "b"] {
            if bench.state() == Some(GroupState::PreparingRebalance) {
                bench.join(&slow(known(id)));
            }
        }
    }
    bench.joins.clear();
    let generation = 3;
    // Of a, which lets the others wait: the static one alone has the longer timeout of a minute.
    let waiting = bench.join(&slow(JoinRequest { protocols: vec![protocol("range", "new")], ..known("a") }));
    bench.advance(59_999);
    assert!(bench.joins.is_empty());
    bench.advance(1);
    let answer = bench.joined(waiting);
    let members: Vec<&str> = answer.members.iter().map(|member| member.member_id.as_str()).collect();
    assert_eq!((answer.generation, members), (generation + 1, vec!["a", "s"]), "b is gone");
    // Nobody comes: a member that leaves begins a rebalance, and who is left has a session of its own.
    let mut bench = Bench::stable_pair();
    let long = |id| JoinRequest { session_timeout_ms: 1_000_000, ..known(id) };
    for id in ["a", "b"] {
        bench.join(&long(id));
    }
    bench.sync("a", 3, &[]);
    bench.store_done(true);
    assert_eq!(bench.leave("a"), ErrorCode::NONE);
    for _ in 0..5 {
        bench.advance(60_000);
        assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
    }
    assert_eq!(bench.heartbeat("b", 3), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn a_group_whose_last_members_leave_while_joins_are_awaited_is_empty_in_the_next_generation() {
    let mut bench = Bench::stable_pair();
    bench.join(&member("c"));
    for id in ["c", "a", "b"] {
        assert_eq!(bench.leave(id), ErrorCode::NONE);
    }
    assert_eq!(bench.state(), Some(GroupState::Empty));
    assert_eq!(bench.stores.pop().unwrap().1.generation, 3);
}

#[test]
fn a_sync_names_the_groups_protocol_or_none_and_who_was_given_nothing_gets_no_bytes() {
    let mut bench = completing_pair();
    for (protocol_type, protocol) in [(Some("connect"), None), (None, Some("sticky"))] {
        let wrong = SyncRequest {
            protocol_type: protocol_type.map(str::to_owned),
            protocol: protocol.map(str::to_owned),
            ..asked("b", 2)
        };
        let ticket = sync(&mut bench, &wrong);
        assert_eq!(bench.synced(ticket).error, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    }
    let right = SyncRequest { protocol_type: Some("consumer".into()), protocol: Some("range".into()), ..asked("b", 2) };
    let b = sync(&mut bench, &right);
    bench.sync("a", 2, &[("a", "all of it")]);
    assert!(bench.syncs.is_empty());
    bench.store_done(true);
    let answer = bench.synced(b);
    assert_eq!((answer.error, answer.assignment.as_ref()), (ErrorCode::NONE, &b""[..]));
    assert_eq!((answer.protocol_type.as_deref(), answer.protocol.as_deref()), (Some("consumer"), Some("range")));
}

#[test]
fn each_that_leaves_has_a_verdict_of_its_own_and_an_id_that_was_never_used_can_leave_too() {
    let mut bench = Bench::stable_pair();
    bench.join(&JoinRequest { require_known_member: true, ..member("pending") });
    let leaving = ["x", "b", "pending"].map(|id| Leaving { member_id: id.into(), instance_id: None });
    let (verdicts, actions) = bench.coordinator.leave(times(0), "g", &leaving).unwrap();
    bench.take(actions);
    assert_eq!(verdicts, [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::NONE, ErrorCode::NONE]);
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance), "a has to join again");
}

#[test]
fn what_members_said_is_described_of_a_stable_group_only_and_what_they_were_given_last_of_any() {
    let texts = |bench: &Bench| {
        let Described::Classic(group) = bench.coordinator.describe("g") else { panic!("a classic group") };
        let member = &group.members[0];
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        (group.state.name(), group.protocol, text(&member.metadata), text(&member.assignment))
    };
    let of = |state, protocol: &str, metadata: &str, assignment: &str| {
        (state, protocol.to_owned(), metadata.to_owned(), assignment.to_owned())
    };
    let mut bench = completing_pair();
    assert_eq!(texts(&bench), of("CompletingRebalance", "", "", ""));
    bench.sync("a", 2, &[("a", "mine")]);
    bench.store_done(true);
    assert_eq!(texts(&bench), of("Stable", "range", "r", "mine"));
    bench.join(&member("c"));
    assert_eq!(texts(&bench), of("PreparingRebalance", "", "", "mine"));
}

#[test]
fn a_rebalance_waits_for_whoever_was_given_an_id_unless_it_is_the_first() {
    let pending = |id: &str| JoinRequest { require_known_member: true, ..member(id) };
    // With something new to say, so that it is not told of the generation that is there.
    let again = |id: &str, said: &str| JoinRequest { protocols: vec![protocol("range", said)], ..known(id) };
    let mut bench = Bench::new();
    bench.join(&pending("b"));
    let a = bench.join(&member("a"));
    assert_eq!(bench.joined(a).generation, 1, "the first does not");
    bench.join(&pending("c"));
    let a = bench.join(&again("a", "2"));
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance), "both are about to join");
    let b = bench.join(&known("b"));
    assert_eq!(bench.state(), Some(GroupState::PreparingRebalance), "c is about to join");
    let c = bench.join(&known("c"));
    assert_eq!([a, b, c].map(|ticket| bench.joined(ticket).generation), [2; 3]);

    // Who is waited for may leave, or be forgotten.
    for (generation, leaves) in [(3, true), (4, false)] {
        bench.join(&pending("d"));
        let said = generation.to_string();
        let tickets = ["a", "b", "c"].map(|id| bench.join(&again(id, &said)));
        assert_eq!(bench.state(), Some(GroupState::PreparingRebalance));
        if leaves {
            assert_eq!(bench.leave("d"), ErrorCode::NONE);
        } else {
            bench.advance(10_000);
        }
        assert_eq!(tickets.map(|ticket| bench.joined(ticket).generation), [generation; 3]);
    }
}

#[test]
fn members_join_again_when_one_leaves_that_was_only_given_an_id_whatever_instance_it_names() {
    let mut bench = Bench::stable_pair();
    bench.join(&JoinRequest { require_known_member: true, ..member("c") });
    let leaving = [Leaving { member_id: "c".into(), instance_id: Some("none".into()) }];
    let (verdicts, actions) = bench.coordinator.leave(times(0), "g", &leaving).unwrap();
    bench.take(actions);
    assert_eq!((verdicts, bench.state()), (vec![ErrorCode::NONE], Some(GroupState::PreparingRebalance)));
}

#[test]
fn a_group_that_its_last_member_leaves_is_empty_at_once_whoever_is_about_to_join() {
    let mut bench = Bench::new();
    bench.join(&member("a"));
    bench.join(&JoinRequest { require_known_member: true, ..member("b") });
    assert_eq!(bench.leave("a"), ErrorCode::NONE);
    assert_eq!(bench.state(), Some(GroupState::Empty));
    let b = bench.join(&known("b"));
    assert_eq!(bench.joined(b).generation, 3);
}

#[test]
fn a_member_that_leaves_while_it_waits_is_told_no_id() {
    let mut bench = Bench::stable_pair();
    let waiting = bench.join(&member("c"));
    assert_eq!(bench.leave("c"), ErrorCode::NONE);
    let answer = bench.joined(waiting);
    assert_eq!((answer.error, answer.member_id.as_str()), (ErrorCode::UNKNOWN_MEMBER_ID, ""));
}

#[test]
fn a_static_member_that_comes_back_is_described_by_the_client_that_it_came_as_first() {
    let mut bench = Bench::new();
    bench.join(&static_member("s1", "inst"));
    bench.sync("s1", 1, &[]);
    bench.store_done(true);
    bench.join(&JoinRequest { client_id: "other".into(), ..static_member("s2", "inst") });
    bench.store_done(true);
    let Described::Classic(group) = bench.coordinator.describe("g") else { panic!("a classic group") };
    assert_eq!((group.members[0].member_id.as_str(), group.members[0].client_id.as_str()), ("s2", "client"));
}

#[test]
fn offsets_are_deleted_unless_somebody_may_need_them() {
    let offsets = [("t".to_owned(), 0), ("u".to_owned(), 0)];
    let mut bench = Bench::new();
    assert_eq!(bench.coordinator.delete_offsets("g", &offsets).err(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
    assert_eq!(bench.coordinator.delete_offsets("", &offsets).err(), Some(ErrorCode::INVALID_GROUP_ID));
    bench.join(&JoinRequest { protocol_type: "connect".into(), ..member("a") });
    assert_eq!(bench.coordinator.delete_offsets("g", &offsets).err(), Some(ErrorCode::NON_EMPTY_GROUP));
    assert_eq!(bench.leave("a"), ErrorCode::NONE);
    assert_eq!(bench.coordinator.delete_offsets("g", &offsets).unwrap().0, [ErrorCode::NONE; 2]);

    let subscription = crate::groups::consumer_protocol::Subscription::write(["t"].iter());
    let mut bench = Bench::new();
    bench.join(&JoinRequest {
        protocols: vec![Protocol { name: "range".into(), metadata: subscription }],
        ..member("a")
    });
    let verdicts = bench.coordinator.delete_offsets("g", &offsets).unwrap().0;
    let subscribed = [ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode::NONE];
    assert_eq!(verdicts, subscribed);
    // What the next generation will want is not known yet.
    let other = crate::groups::consumer_protocol::Subscription::write(["u"].iter());
    bench.join(&JoinRequest { protocols: vec![Protocol { name: "range".into(), metadata: other }], ..member("b") });
    assert_eq!(bench.coordinator.delete_offsets("g", &offsets).unwrap().0, subscribed);

    let mut bench = Bench::new();
    bench.join(&JoinRequest { protocols: vec![protocol("range", "")], ..member("a") });
    let verdicts = bench.coordinator.delete_offsets("g", &offsets).unwrap().0;
    assert_eq!(verdicts, [ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC; 2], "nobody knows what its members read");
}

#[test]
fn every_group_is_listed_with_its_type_and_state_also_one_that_has_offsets_only() {
    let mut bench = Bench::stable_pair();
    bench.coordinator.load_offset(WALL, "offsets", "t", 0, committed(1, WALL));
    let mut listed = bench.coordinator.list();
    listed.sort_by(|one, other| one.group.cmp(&other.group));
    let of = |group: &str, protocol_type: &str, state| ListedGroup {
        group: group.to_owned(),
        protocol_type: protocol_type.to_owned(),
        state,
        group_type: "classic",
    };
    assert_eq!(listed, [of("g", "consumer", "Stable"), of("offsets", "", "Empty")]);
}
