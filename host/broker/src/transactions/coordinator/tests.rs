//! Requests one by one, as Kafka's table of codes has them.

use super::*;

const T0: Now = Now { tick: Tick::ZERO, wall_ms: 1_700_000_000_000 };
const ID: &str = "tx";

fn on(connection: u64) -> Caller<'static> {
    Caller { id: ID, connection }
}

fn coordinator(generation: Generation) -> Coordinator {
    Coordinator::new(Settings { max_timeout_ms: 900_000, id_expiration_ms: 10_000 }, generation)
}

fn stored(now: Now, coordinator: &mut Coordinator, decision: Decision) -> AfterStep {
    let Decision::Store(step) = decision else { panic!("nothing to store: {decision:?}") };
    coordinator.stored(now, &step.id, step.number, true).expect("the step is under way")
}

/// A producer that was initialised.
fn initialised(generation: Generation) -> (Coordinator, Identity) {
    let mut coordinator = coordinator(generation);
    let decision = coordinator.init(T0, on(1), 60_000, None, Some(7));
    let identity = stored(T0, &mut coordinator, decision).answer.unwrap();
    (coordinator, identity)
}

fn of(partitions: &[i32]) -> Partitions {
    partitions.iter().map(|&partition| ("t", partition)).collect()
}

fn begin(coordinator: &mut Coordinator, producer: Identity, generation: Generation) {
    let decision = coordinator.add_partitions(T0, on(1), producer, &of(&[0]), generation);
    stored(T0, coordinator, decision).answer.unwrap();
}

/// Ends the transaction from the decision to the last note of it.
fn finish(coordinator: &mut Coordinator, decision: Decision) -> Answer {
    let after = stored(T0, coordinator, decision);
    coordinator.marked(T0, &after.markers.expect("it has ended")).expect("it is complete");
    after.answer
}

fn refused(code: ErrorCode) -> Decision {
    Decision::Answer(Err(code))
}

fn state(coordinator: &Coordinator) -> TransactionState {
    coordinator.get(ID).unwrap().state
}

const BOTH: [Generation; 2] = [Generation::First, Generation::Second];

#[test]
fn a_producer_gets_an_id_and_then_an_epoch_each_time() {
    let mut coordinator = coordinator(Generation::Second);
    assert_eq!(coordinator.init(T0, on(1), 60_000, None, None), Decision::NeedsProducerId);
    let decision = coordinator.init(T0, on(1), 60_000, None, Some(7));
    assert_eq!(coordinator.init(T0, on(1), 60_000, None, Some(8)), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    assert_eq!(coordinator.get(ID), None, "nothing is known before it is durable");
    assert_eq!(stored(T0, &mut coordinator, decision).answer, Ok(Identity { producer_id: 7, epoch: 0 }));
    let decision = coordinator.init(T0, on(1), 30_000, None, None);
    assert_eq!(stored(T0, &mut coordinator, decision).answer, Ok(Identity { producer_id: 7, epoch: 1 }));
    assert_eq!(coordinator.get(ID).unwrap().timeout_ms, 30_000);
}

#[test]
fn names_and_times_that_can_never_be_are_refused() {
    let mut coordinator = coordinator(Generation::First);
    assert_eq!(
        coordinator.init(T0, Caller { id: "", connection: 1 }, 1, None, None),
        refused(ErrorCode::INVALID_REQUEST)
    );
    let long = "x".repeat(32_768);
    assert_eq!(
        coordinator.init(T0, Caller { id: &long, connection: 1 }, 1, None, None),
        refused(ErrorCode::INVALID_REQUEST)
    );
    for timeout_ms in [0, -1, 900_001] {
        let decision = coordinator.init(T0, on(1), timeout_ms, None, None);
        assert_eq!(decision, refused(ErrorCode::INVALID_TRANSACTION_TIMEOUT));
    }
    let nobody = Identity { producer_id: 7, epoch: 0 };
    let added = coordinator.add_partitions(T0, on(1), nobody, &of(&[0]), Generation::First);
    assert_eq!(added, refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    for generation in BOTH {
        let ended = coordinator.end(T0, on(1), nobody, Verdict::Commit, generation, None);
        assert_eq!(ended, refused(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
    }
    assert_eq!(coordinator.check_append(ID, nobody, "t", 0), Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING));
}

#[test]
fn what_could_not_be_written_has_not_happened() {
    let mut coordinator = coordinator(Generation::First);
    let Decision::Store(step) = coordinator.init(T0, on(1), 60_000, None, Some(7)) else { panic!() };
    let after = coordinator.stored(T0, ID, step.number, false).unwrap();
    assert_eq!((after.answer, after.markers), (Err(ErrorCode::COORDINATOR_NOT_AVAILABLE), None));
    assert_eq!(coordinator.init(T0, on(1), 60_000, None, None), Decision::NeedsProducerId, "the id is unknown");

    let (mut coordinator, producer) = initialised(Generation::First);
    let Decision::Store(step) = coordinator.add_partitions(T0, on(1), producer, &of(&[0]), Generation::First) else {
        panic!()
    };
    coordinator.stored(T0, ID, step.number, false).unwrap();
    assert_eq!(state(&coordinator), TransactionState::Empty);
    assert_eq!(coordinator.stored(T0, ID, step.number, true), None, "a step ends once");
}

#[test]
fn a_new_instance_aborts_the_open_transaction_of_the_old_one_which_is_refused_from_then_on() {
    for generation in BOTH {
        let (mut coordinator, old) = initialised(generation);
        begin(&mut coordinator, old, generation);
        let decision = coordinator.init(T0, on(2), 60_000, None, None);
        let after = stored(T0, &mut coordinator, decision);
        assert_eq!(after.answer, Err(ErrorCode::CONCURRENT_TRANSACTIONS));
        let markers = after.markers.unwrap();
        assert_eq!((markers.verdict, markers.identity.epoch), (Verdict::Abort, 1));
        assert_eq!(coordinator.init(T0, on(2), 60_000, None, None), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
        coordinator.marked(T0, &markers).unwrap();
        assert_eq!(coordinator.marked(T0, &markers), None, "it was complete");
        let decision = coordinator.init(T0, on(2), 60_000, None, None);
        assert_eq!(stored(T0, &mut coordinator, decision).answer, Ok(Identity { producer_id: 7, epoch: 2 }));
        assert_eq!(coordinator.check_append(ID, old, "t", 0), Err(ErrorCode::PRODUCER_FENCED));
        for generation in BOTH {
            let added = coordinator.add_partitions(T0, on(1), old, &of(&[0]), generation);
            assert_eq!(added, refused(ErrorCode::PRODUCER_FENCED));
            let ended = coordinator.end(T0, on(1), old, Verdict::Commit, generation, None);
            assert_eq!(ended, refused(ErrorCode::PRODUCER_FENCED));
        }
    }
}

#[test]
fn a_producer_that_names_itself_continues_and_an_older_one_is_fenced() {
    let (mut coordinator, first) = initialised(Generation::First);
    let decision = coordinator.init(T0, on(1), 60_000, Some(first), None);
    let second = stored(T0, &mut coordinator, decision).answer.unwrap();
    assert_eq!(second, Identity { epoch: 1, ..first });
    // The answer was lost.
    let decision = coordinator.init(T0, on(1), 60_000, Some(first), None);
    assert_eq!(stored(T0, &mut coordinator, decision).answer, Ok(second));
    // Another instance came in between.
    let decision = coordinator.init(T0, on(1), 60_000, None, None);
    stored(T0, &mut coordinator, decision).answer.unwrap();
    for fenced in [first, second, Identity { producer_id: 8, epoch: 2 }] {
        let decision = coordinator.init(T0, on(1), 60_000, Some(fenced), None);
        assert_eq!(decision, refused(ErrorCode::PRODUCER_FENCED), "{fenced:?}");
    }
}

#[test]
fn the_highest_epochs_are_kept_for_fencing_and_another_producer_id_follows() {
    let last = Identity { producer_id: 7, epoch: i16::MAX - 1 };
    let mut coordinator = coordinator(Generation::First);
    coordinator.load(T0, ID, Some(Metadata { epoch: last.epoch, ..Metadata::new(7, 60_000, T0.wall_ms) }));
    assert_eq!(coordinator.init(T0, on(1), 60_000, Some(last), None), Decision::NeedsProducerId);
    let decision = coordinator.init(T0, on(1), 60_000, Some(last), Some(9));
    let next = Identity { producer_id: 9, epoch: 0 };
    assert_eq!(stored(T0, &mut coordinator, decision).answer, Ok(next));
    let decision = coordinator.init(T0, on(1), 60_000, Some(last), Some(10));
    assert_eq!(stored(T0, &mut coordinator, decision).answer, Ok(next), "the answer was lost");
    assert_eq!(coordinator.last_producer_id(), Some(9));
}

#[test]
fn partitions_take_part_once_they_are_durable_and_not_while_an_end_is_under_way() {
    let (mut coordinator, producer) = initialised(Generation::First);
    assert_eq!(coordinator.check_append(ID, producer, "t", 0), Err(ErrorCode::TRANSACTION_ABORTABLE));
    let decision = coordinator.add_partitions(T0, on(1), producer, &of(&[0]), Generation::First);
    assert_eq!(coordinator.check_append(ID, producer, "t", 0), Err(ErrorCode::TRANSACTION_ABORTABLE));
    let again = coordinator.add_partitions(T0, on(1), producer, &of(&[1]), Generation::First);
    assert_eq!(again, refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    stored(T0, &mut coordinator, decision);
    assert_eq!(coordinator.check_append(ID, producer, "t", 0), Ok(()));
    let again = coordinator.add_partitions(T0, on(1), producer, &of(&[0]), Generation::First);
    assert_eq!(again, Decision::Answer(Ok(producer)), "it takes part already");
    let later = Now { wall_ms: T0.wall_ms + 5, ..T0 };
    let decision = coordinator.add_partitions(later, on(1), producer, &of(&[1]), Generation::First);
    stored(later, &mut coordinator, decision);
    let known = coordinator.get(ID).unwrap();
    assert_eq!((known.started_ms, known.updated_ms), (T0.wall_ms, later.wall_ms));

    let decision = coordinator.end(T0, on(1), producer, Verdict::Commit, Generation::First, None);
    let after = stored(T0, &mut coordinator, decision);
    assert_eq!(after.markers.unwrap().partitions, of(&[0, 1]));
    assert_eq!(coordinator.check_append(ID, producer, "t", 0), Err(ErrorCode::CONCURRENT_TRANSACTIONS));
    let added = coordinator.add_partitions(T0, on(1), producer, &of(&[0]), Generation::First);
    assert_eq!(added, refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    let init = coordinator.init(T0, on(1), 60_000, None, None);
    assert_eq!(init, refused(ErrorCode::CONCURRENT_TRANSACTIONS));
}

/// Where an id may stand, and the producer that is the present one there.
fn standing(at: TransactionState, generation: Generation) -> (Coordinator, Identity) {
    let (mut coordinator, producer) = initialised(generation);
    if at == TransactionState::Empty {
        return (coordinator, producer);
    }
    begin(&mut coordinator, producer, generation);
    let verdict = match at {
        TransactionState::PrepareCommit | TransactionState::CompleteCommit => Verdict::Commit,
        TransactionState::PrepareAbort | TransactionState::CompleteAbort => Verdict::Abort,
        TransactionState::Empty | TransactionState::Ongoing => return (coordinator, producer),
    };
    let decision = coordinator.end(T0, on(1), producer, verdict, generation, None);
    if at.prepared().is_some() {
        stored(T0, &mut coordinator, decision);
    } else {
        finish(&mut coordinator, decision).unwrap();
    }
    assert_eq!(state(&coordinator), at);
    (coordinator, producer)
}

#[test]
fn an_end_is_answered_by_kafkas_table_for_the_first_generation() {
    use TransactionState::{CompleteAbort, CompleteCommit, Empty, PrepareAbort, PrepareCommit};
    let (done, wait) = (Decision::Answer(Ok(Identity::NONE)), refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    let wrong = refused(ErrorCode::INVALID_TXN_STATE);
    let table = [
        (Empty, &wrong, &wrong),
        (PrepareCommit, &wait, &wrong),
        (PrepareAbort, &wrong, &wait),
        (CompleteCommit, &done, &wrong),
        (CompleteAbort, &wrong, &done),
    ];
    for (at, commit, abort) in table {
        for (verdict, expected) in [(Verdict::Commit, commit), (Verdict::Abort, abort)] {
            let (mut coordinator, producer) = standing(at, Generation::First);
            let decision = coordinator.end(T0, on(1), producer, verdict, Generation::First, None);
            assert_eq!(decision, *expected, "{at:?} {verdict:?}");
        }
    }
}

#[test]
fn an_end_is_answered_by_kafkas_table_for_the_second_generation() {
    use TransactionState::{CompleteAbort, CompleteCommit, Empty, PrepareAbort, PrepareCommit};
    let wait = Some(refused(ErrorCode::CONCURRENT_TRANSACTIONS));
    let wrong = Some(refused(ErrorCode::INVALID_TXN_STATE));
    let fenced = Some(refused(ErrorCode::PRODUCER_FENCED));
    let done = Some(Decision::Answer(Ok(Identity { producer_id: 7, epoch: 1 })));
    let raised = None;
    // Abort: sent again, anew; commit: sent again, anew.
    let table = [
        (Empty, [&fenced, &raised, &fenced, &wrong]),
        (PrepareCommit, [&wrong, &fenced, &wait, &fenced]),
        (PrepareAbort, [&wait, &fenced, &wrong, &fenced]),
        (CompleteCommit, [&wrong, &raised, &done, &wrong]),
        (CompleteAbort, [&done, &raised, &wrong, &wrong]),
    ];
    for (at, expected) in table {
        for (expected, (verdict, anew)) in expected.into_iter().zip([
            (Verdict::Abort, false),
            (Verdict::Abort, true),
            (Verdict::Commit, false),
            (Verdict::Commit, true),
        ]) {
            let (mut coordinator, _) = standing(at, Generation::Second);
            let present = coordinator.get(ID).unwrap().epoch;
            let producer = Identity { producer_id: 7, epoch: if anew { present } else { present - 1 } };
            let decision = coordinator.end(T0, on(1), producer, verdict, Generation::Second, None);
            match expected {
                Some(expected) => assert_eq!(decision, *expected, "{at:?} {verdict:?} {anew}"),
                None => {
                    let next = finish(&mut coordinator, decision);
                    assert_eq!(next, Ok(Identity { producer_id: 7, epoch: present + 1 }), "{at:?} {verdict:?} {anew}");
                }
            }
        }
    }
}

#[test]
fn each_transaction_of_the_second_generation_has_an_epoch_of_its_own_and_in_the_end_a_new_producer_id() {
    let mut coordinator = coordinator(Generation::Second);
    let last = Identity { producer_id: 7, epoch: i16::MAX - 1 };
    coordinator.load(T0, ID, Some(Metadata { epoch: last.epoch - 1, ..Metadata::new(7, 60_000, T0.wall_ms) }));
    let before = Identity { epoch: last.epoch - 1, ..last };
    begin(&mut coordinator, before, Generation::Second);
    let decision = coordinator.end(T0, on(1), before, Verdict::Commit, Generation::Second, None);
    assert_eq!(finish(&mut coordinator, decision), Ok(last));
    begin(&mut coordinator, last, Generation::Second);
    let decision = coordinator.end(T0, on(1), last, Verdict::Commit, Generation::Second, None);
    assert_eq!(decision, Decision::NeedsProducerId);
    let decision = coordinator.end(T0, on(1), last, Verdict::Commit, Generation::Second, Some(9));
    let next = Identity { producer_id: 9, epoch: 0 };
    let after = stored(T0, &mut coordinator, decision);
    assert_eq!(after.answer, Ok(next));
    let markers = after.markers.unwrap();
    assert_eq!(markers.identity, Identity { epoch: i16::MAX, ..last }, "the markers are still the old one's");
    coordinator.marked(T0, &markers).unwrap();
    let again = coordinator.end(T0, on(1), last, Verdict::Commit, Generation::Second, None);
    assert_eq!(again, Decision::Answer(Ok(next)), "sent again");
}

#[test]
fn a_request_on_a_connection_that_the_producer_has_left_is_late() {
    let (mut coordinator, producer) = initialised(Generation::First);
    begin(&mut coordinator, producer, Generation::First);
    // Sent on connection 1, given up, and sent again on 2.
    let decision = coordinator.end(T0, on(2), producer, Verdict::Commit, Generation::First, None);
    finish(&mut coordinator, decision).unwrap();
    let decision = coordinator.add_partitions(T0, on(2), producer, &of(&[0]), Generation::First);
    stored(T0, &mut coordinator, decision);
    let late = coordinator.end(T0, on(1), producer, Verdict::Commit, Generation::First, None);
    assert_eq!((late, state(&coordinator)), (Decision::Late, TransactionState::Ongoing));
    let late = coordinator.add_partitions(T0, on(1), producer, &of(&[1]), Generation::First);
    assert_eq!(late, Decision::Late);
    let decision = coordinator.end(T0, on(2), producer, Verdict::Abort, Generation::First, None);
    finish(&mut coordinator, decision).unwrap();
    // A new instance may come on whatever connection.
    let decision = coordinator.init(T0, on(1), 60_000, None, None);
    let next = stored(T0, &mut coordinator, decision).answer.unwrap();
    begin(&mut coordinator, next, Generation::First);
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_time_runs_on_while_the_broker_is_down() {
    for generation in BOTH {
        let (mut coordinator, producer) = initialised(generation);
        begin(&mut coordinator, producer, generation);
        let at = |ms: u64| Now { tick: Tick::from_millis(ms), ..T0 };
        assert_eq!(coordinator.time_out(at(59_999)), []);
        let steps = coordinator.time_out(at(60_000));
        assert_eq!(steps.len(), 1);
        assert_eq!(coordinator.time_out(at(60_001)), [], "it is under way");
        let after = coordinator.stored(at(60_001), ID, steps[0].number, true).unwrap();
        let markers = after.markers.unwrap();
        assert_eq!((markers.verdict, markers.identity.epoch), (Verdict::Abort, 1));
        let end = coordinator.end(T0, on(1), producer, Verdict::Commit, Generation::First, None);
        assert_eq!(end, refused(ErrorCode::PRODUCER_FENCED));

        let (mut coordinator, producer) = initialised(generation);
        begin(&mut coordinator, producer, generation);
        let known = coordinator.get(ID).cloned();
        for (after_ms, expected) in [(20_000, 40_000), (80_000, 0), (-5_000, 60_000)] {
            let mut started = self::coordinator(generation);
            started.load(Now { tick: Tick::ZERO, wall_ms: T0.wall_ms + after_ms }, ID, known.clone());
            if 0 < expected {
                assert_eq!(started.time_out(at(expected - 1)), [], "{after_ms}");
            }
            assert_eq!(started.time_out(at(expected)).len(), 1, "{after_ms}");
        }
    }
}

#[test]
fn ids_that_nobody_uses_are_forgotten_and_not_those_with_a_transaction() {
    let at = |ms: i64| Now { wall_ms: T0.wall_ms + ms, ..T0 };
    for state in TransactionState::ALL {
        let (mut coordinator, _) = standing(state, Generation::First);
        assert_eq!(coordinator.expire(at(9_999)), []);
        let steps = coordinator.expire(at(10_000));
        assert_eq!(steps.len(), usize::from(state.is_idle()), "{state:?}");
        let Some(step) = steps.first() else { continue };
        assert_eq!(step.record, None);
        let init = coordinator.init(T0, on(1), 60_000, None, None);
        assert_eq!(init, refused(ErrorCode::CONCURRENT_TRANSACTIONS));
        coordinator.stored(T0, ID, step.number, true).unwrap();
        assert_eq!(coordinator.get(ID), None);
    }
}

#[test]
fn a_start_finds_what_was_decided_and_not_complete() {
    for state in TransactionState::ALL {
        let (before, _) = standing(state, Generation::Second);
        let mut coordinator = coordinator(Generation::Second);
        coordinator.load(T0, ID, before.get(ID).cloned());
        let unfinished = coordinator.unfinished();
        assert_eq!(unfinished.len(), usize::from(state.prepared().is_some()), "{state:?}");
        for markers in unfinished {
            let step = coordinator.marked(T0, &markers).unwrap();
            let record = step.record.unwrap();
            assert!(record.state.is_idle() && record.partitions.is_empty());
        }
        coordinator.load(T0, ID, None);
        assert_eq!(coordinator.get(ID), None, "a deletion is the last word");
    }
}
