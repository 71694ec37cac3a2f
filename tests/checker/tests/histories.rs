//! Histories written by hand: each anomaly is found where it is, and none where there is none.

use checker::{Allowed, History, Kind, Partition, Rules, check};

/// What is found, in its order, with partition 9 as one whose records are copied.
#[track_caller]
fn found(history: &str) -> (Vec<Kind>, Allowed) {
    let history: History = history.parse().expect("a history");
    let report = check(&history, &Rules { copied: [Partition(9)].into() }).expect("well-formed");
    (report.anomalies.iter().map(|anomaly| anomaly.kind).collect(), report.allowed)
}

#[track_caller]
fn assert_found(history: &str, expected: &[Kind]) {
    assert_eq!(found(history).0, expected, "{history}");
}

#[track_caller]
fn assert_fine(history: &str) {
    assert_found(history, &[]);
}

/// Client `reader` opens and reads the given partitions from their start.
fn reads(reader: u32, isolation: &str, partitions: &str, polls: &[&str]) -> String {
    let mut text = format!("{reader} open {isolation}\n{reader} ok\n{reader} assign {partitions}\n{reader} ok\n");
    for records in polls {
        text.push_str(&format!("{reader} poll\n{reader} ok {records}\n"));
    }
    text
}

const SENDER: &str = "1 open committed\n1 ok\n";

#[test]
fn a_history_in_which_everything_is_in_order() {
    let history = format!(
        "{SENDER}1 send 0:1 1:2\n1 ok 0@0 1@0\n\
         1 begin\n1 ok\n1 send 0:3\n1 ok 0@1\n1 commit\n1 ok\n\
         1 begin\n1 ok\n1 send 0:4 1:5\n1 ok 0@3 1@1\n1 abort\n1 ok\n\
         1 send 0:6\n1 ok @\n{}{}",
        reads(2, "committed", "0 1", &["0@0=1 0@1=3 1@0=2", "", "0@5=6"]),
        reads(3, "uncommitted", "0 1", &["0@0=1 0@1=3 0@3=4", "1@0=2 1@1=5 0@5=6"]),
    );
    assert_fine(&history);
    let parsed: History = history.parse().unwrap();
    let report = check(&parsed, &Rules::default()).unwrap();
    assert_eq!((report.sends, report.certain, report.reads), (6, 4, 10));
    assert_eq!((report.committed, report.aborted, report.undecided), (1, 1, 0));
}

#[test]
fn an_acknowledged_record_that_is_passed_over_is_lost() {
    let sends = format!("{SENDER}1 send 0:1 0:2 0:3\n1 ok 0@0 0@1 0@2\n");
    let passed = format!(
        "{sends}2 open committed\n2 ok\n2 subscribe\n2 ok\n2 poll\n2 ok moved 0@0=1\n2 poll\n2 ok moved 0@2=3\n"
    );
    assert_found(&passed, &[Kind::LostWrite]);
    // Where a client read straight through it was skipped, too.
    let skipped = format!("{sends}{}", reads(2, "committed", "0", &["0@0=1 0@2=3"]));
    assert_found(&skipped, &[Kind::LostWrite, Kind::InternalPollSkip]);
}

#[test]
fn an_acknowledged_record_at_the_end_that_nobody_finds_is_unseen() {
    let sends = format!("{SENDER}1 send 0:1 0:2\n1 ok 0@0 0@1\n");
    assert_found(&format!("{sends}{}", reads(2, "committed", "0", &["0@0=1"])), &[Kind::Unseen]);
    let nowhere = format!("{SENDER}1 send 0:1 0:2\n1 ok @ 0@1\n{}", reads(2, "committed", "0", &["0@1=2"]));
    assert_found(&nowhere, &[Kind::Unseen]);
}

#[test]
fn what_is_not_known_to_be_written_may_be_there_or_not() {
    let sends = format!("{SENDER}1 send 0:1 0:2\n1 ok ? ?\n1 send 0:3\n1 unknown\n1 send 0:4\n1 ok refused\n");
    assert_fine(&sends);
    assert_fine(&format!("{sends}{}", reads(2, "committed", "0", &["0@0=2 0@1=3"])));
}

#[test]
fn a_transaction_that_is_seen_in_part_has_to_be_there_as_a_whole() {
    let sends = format!("{SENDER}1 begin\n1 ok\n1 send 0:1 1:2\n1 ok 0@0 1@0\n1 commit\n1 unknown\n");
    assert_fine(&sends);
    assert_fine(&format!("{sends}{}", reads(2, "committed", "0 1", &["0@0=1 1@0=2"])));
    assert_found(&format!("{sends}{}", reads(2, "committed", "0 1", &["0@0=1"])), &[Kind::Unseen]);
}

#[test]
fn a_value_that_nobody_sent_there_is_invented() {
    assert_found(&reads(2, "uncommitted", "0", &["0@0=1"]), &[Kind::Invented]);
    let sends = format!("{SENDER}1 send 0:1\n1 ok 0@0\n{}", reads(2, "committed", "0 1", &["0@0=1 1@0=1"]));
    assert_found(&sends, &[Kind::Invented]);
}

#[test]
fn a_value_at_two_offsets_is_a_duplicate() {
    let sends = format!("{SENDER}1 send 0:1\n1 ok 0@0\n");
    assert_found(&format!("{sends}{}", reads(2, "committed", "0", &["0@0=1 0@1=1"])), &[Kind::Duplicate]);
    // Or where it was acknowledged and found at different ones.
    assert_found(
        &format!("{sends}{}", reads(2, "committed", "0", &["0@1=1"])),
        &[Kind::Duplicate, Kind::ExternalPollSkip],
    );
}

#[test]
fn an_offset_with_two_values_is_inconsistent() {
    let sends = format!("{SENDER}1 send 0:1\n1 ok 0@0\n1 send 0:2\n1 ok @\n");
    let differ = format!("{sends}{}{}", reads(2, "committed", "0", &["0@0=1"]), reads(3, "committed", "0", &["0@0=2"]));
    assert_found(&differ, &[Kind::InconsistentOffset]);
    let acknowledged = format!(
        "{SENDER}1 send 0:1\n1 ok 0@0\n3 open committed\n3 ok\n3 send 0:2\n3 ok 0@0\n{}",
        reads(2, "committed", "0", &["0@0=1"])
    );
    assert!(found(&acknowledged).0.contains(&Kind::InconsistentOffset));
}

#[test]
fn what_was_aborted_or_refused_is_read_by_nobody() {
    let read = reads(2, "committed", "0", &["0@0=1"]);
    let begin = format!("{SENDER}1 begin\n1 ok\n1 send 0:1\n1 ok 0@0\n");
    for end in ["1 abort\n1 ok\n", "1 abort\n1 unknown\n", "", "1 close\n1 ok\n", "1 commit\n1 fail\n1 abort\n1 ok\n"] {
        assert_found(&format!("{begin}{end}{read}"), &[Kind::AbortedRead]);
        // Whoever reads everything sees it.
        assert_fine(&format!("{begin}{end}{}", reads(2, "uncommitted", "0", &["0@0=1"])));
    }
    // It may have been committed.
    for end in ["1 commit\n1 unknown\n", "1 commit\n1 unknown\n1 abort\n1 ok\n", "1 commit\n"] {
        assert_fine(&format!("{begin}{end}{read}"));
    }
    for refused in ["1 send 0:1\n1 ok refused\n", "1 send 0:1\n1 fail\n"] {
        for isolation in ["committed", "uncommitted"] {
            let read = reads(2, isolation, "0", &["0@0=1"]);
            assert_found(&format!("{SENDER}{refused}{read}"), &[Kind::AbortedRead]);
        }
    }
}

#[test]
fn nothing_is_read_before_its_commit_was_asked_for() {
    let begin = format!("{SENDER}1 begin\n1 ok\n1 send 0:1\n1 ok 0@0\n");
    let commit = "1 commit\n1 ok\n";
    let read = reads(2, "committed", "0", &["0@0=1"]);
    assert_found(&format!("{begin}{read}{commit}"), &[Kind::PrecommittedRead]);
    // While it is under way it may be seen.
    assert_fine(&format!("{begin}1 commit\n{read}1 ok\n"));
    assert_fine(&format!("{begin}{}{commit}", reads(2, "uncommitted", "0", &["0@0=1"])));
    // Not even by the transaction itself.
    let own = format!("{SENDER}1 assign 0\n1 ok\n1 begin\n1 ok\n1 send 0:1\n1 ok 0@0\n1 poll\n1 ok 0@0=1\n{commit}");
    assert_found(&own, &[Kind::PrecommittedRead]);
}

#[test]
fn nothing_is_read_before_it_was_sent() {
    let read = reads(2, "uncommitted", "0", &["0@0=1"]);
    assert_found(&format!("{read}{SENDER}1 send 0:1\n1 ok 0@0\n"), &[Kind::PrecommittedRead]);
}

#[test]
fn a_poll_that_leaves_a_record_out_skips_it() {
    let sends =
        format!("{SENDER}1 send 0:1 0:2 0:3\n1 ok 0@0 0@1 0@2\n{}", reads(3, "committed", "0", &["0@0=1 0@1=2 0@2=3"]));
    for isolation in ["committed", "uncommitted"] {
        let within = format!("{sends}{}", reads(2, isolation, "0", &["0@0=1 0@2=3"]));
        assert_found(&within, &[Kind::InternalPollSkip]);
        let between = format!("{sends}{}", reads(2, isolation, "0", &["0@0=1", "0@2=3"]));
        assert_found(&between, &[Kind::ExternalPollSkip]);
        let at_the_start = format!("{sends}{}", reads(2, isolation, "0", &["0@1=2 0@2=3"]));
        assert_found(&at_the_start, &[Kind::ExternalPollSkip]);
    }
    // Two polls of one transaction are within it.
    let open = "2 open committed\n2 ok\n2 assign 0\n2 ok\n2 begin\n2 ok\n";
    let within = format!("{sends}{open}2 poll\n2 ok 0@0=1\n2 poll\n2 ok 0@2=3\n2 commit\n2 ok\n");
    assert_found(&within, &[Kind::InternalPollSkip]);
}

#[test]
fn what_a_reader_does_not_see_is_not_skipped() {
    // Offset 1 is a marker or was never given; 2 is aborted; 3 may or may not be committed.
    let sends = format!(
        "{SENDER}1 send 0:1\n1 ok 0@0\n1 begin\n1 ok\n1 send 0:2\n1 ok 0@2\n1 abort\n1 ok\n\
         3 open committed\n3 ok\n3 begin\n3 ok\n3 send 0:3\n3 ok 0@3\n3 commit\n3 unknown\n1 send 0:4\n1 ok 0@6\n"
    );
    assert_fine(&format!("{sends}{}", reads(2, "committed", "0", &["0@0=1 0@6=4"])));
    assert_fine(&format!("{sends}{}", reads(2, "committed", "0", &["0@0=1 0@3=3 0@6=4"])));
    // One reader saw it, so the other must.
    let differ = format!(
        "{sends}{}{}",
        reads(2, "committed", "0", &["0@0=1 0@3=3 0@6=4"]),
        reads(4, "committed", "0", &["0@0=1 0@6=4"])
    );
    assert_found(&differ, &[Kind::InternalPollSkip]);
    let uncommitted = format!("{sends}{}", reads(2, "uncommitted", "0", &["0@0=1 0@3=3 0@6=4"]));
    assert_found(&uncommitted, &[Kind::InternalPollSkip]);
}

#[test]
fn a_poll_that_goes_back_is_not_monotonic() {
    let sends = format!("{SENDER}1 send 0:1 0:2\n1 ok 0@0 0@1\n");
    let within = format!("{sends}{}", reads(2, "committed", "0", &["0@0=1 0@1=2 0@0=1"]));
    assert_found(&within, &[Kind::InternalNonmonotonicPoll]);
    let between = format!("{sends}{}", reads(2, "committed", "0", &["0@0=1 0@1=2", "0@1=2"]));
    assert_found(&between, &[Kind::ExternalNonmonotonicPoll]);
}

#[test]
fn a_reader_whose_positions_were_moved_may_read_again_or_leave_out() {
    let sends =
        format!("{SENDER}1 send 0:1 0:2 0:3\n1 ok 0@0 0@1 0@2\n{}", reads(3, "committed", "0", &["0@0=1 0@1=2 0@2=3"]));
    let open = "2 open committed\n2 ok\n2 subscribe\n2 ok\n2 poll\n2 ok moved\n2 poll\n2 ok 0@2=3\n";
    for moves in [
        "2 poll\n2 ok moved 0@1=2\n",
        "2 subscribe\n2 ok\n2 poll\n2 ok 0@1=2\n",
        "2 assign 0\n2 ok\n2 poll\n2 ok 0@0=1\n",
        "2 close\n2 ok\n2 open committed\n2 ok\n2 subscribe\n2 ok\n2 poll\n2 ok 0@1=2\n",
        "2 poll\n2 fail\n2 poll\n2 ok 0@1=2\n",
        "2 poll\n2 unknown\n2 poll\n2 ok 0@1=2\n",
    ] {
        assert_fine(&format!("{sends}{open}{moves}"));
    }
    assert_found(&format!("{sends}{open}2 poll\n2 ok 0@1=2\n"), &[Kind::ExternalNonmonotonicPoll]);
}

#[test]
fn records_of_one_producer_stand_in_the_order_in_which_they_were_sent() {
    let read = reads(2, "committed", "0", &["0@0=2 0@1=1"]);
    assert_found(&format!("{SENDER}1 send 0:1 0:2\n1 ok 0@1 0@0\n{read}"), &[Kind::InternalNonmonotonicSend]);
    assert_found(
        &format!("{SENDER}1 send 0:1\n1 ok 0@1\n1 send 0:2\n1 ok 0@0\n{read}"),
        &[Kind::ExternalNonmonotonicSend],
    );
    let transaction = "1 begin\n1 ok\n1 send 0:1\n1 ok 0@1\n1 send 0:2\n1 ok 0@0\n1 commit\n1 ok\n";
    assert_found(&format!("{SENDER}{transaction}{read}"), &[Kind::InternalNonmonotonicSend]);
    // Another life, another producer.
    let lives = "1 send 0:1\n1 ok 0@1\n1 close\n1 ok\n1 open committed\n1 ok\n1 send 0:2\n1 ok 0@0\n";
    assert_fine(&format!("{SENDER}{lives}{read}"));
}

/// Clients 1 and 2 each in a transaction.
const TWO: &str = "1 open committed\n1 ok\n1 assign 0 1\n1 ok\n2 open committed\n2 ok\n2 assign 0 1\n2 ok\n\
    1 begin\n1 ok\n2 begin\n2 ok\n1 send 0:1\n1 ok 0@0\n2 send 1:2\n2 ok 1@0\n";

#[test]
fn transactions_do_not_read_from_one_another_in_a_circle() {
    let both = "1 commit\n2 commit\n1 ok\n2 ok\n";
    // It takes reads before the commits, which are anomalies of their own.
    let circle = format!("{TWO}1 poll\n1 ok 1@0=2\n2 poll\n2 ok 0@0=1\n{both}");
    assert_found(&circle, &[Kind::PrecommittedRead, Kind::PrecommittedRead, Kind::ReadCycle]);
    let line = format!(
        "{TWO}2 commit\n2 ok\n1 poll\n1 ok 1@0=2\n1 commit\n1 ok\n{}",
        reads(3, "committed", "0 1", &["0@0=1 1@0=2"])
    );
    assert_fine(&line);
    // What an aborted transaction has read reached nobody.
    let aborted = format!("{TWO}1 poll\n1 ok 1@0=2\n2 commit\n2 ok\n1 abort\n1 ok\n");
    assert!(!found(&aborted).0.contains(&Kind::ReadCycle));
}

#[test]
fn writes_of_open_transactions_stand_between_one_another() {
    let writes = "1 send 1:3\n1 ok 1@1\n2 send 0:4\n2 ok 0@1\n1 commit\n1 ok\n2 commit\n2 ok\n";
    let all = reads(3, "committed", "0 1", &["0@0=1 0@1=4 1@0=2 1@1=3"]);
    assert_eq!(found(&format!("{TWO}{writes}{all}")), (vec![], Allowed { write_cycles: 1, mixed_cycles: 0 }));
    // 1 writes before 2, and reads what 2 wrote.
    let mixed = "2 send 0:4\n2 ok 0@1\n2 commit\n2 ok\n1 poll\n1 ok 1@0=2\n1 commit\n1 ok\n";
    let all = reads(3, "committed", "0 1", &["0@0=1 0@1=4 1@0=2"]);
    assert_eq!(found(&format!("{TWO}{mixed}{all}")), (vec![], Allowed { write_cycles: 0, mixed_cycles: 1 }));
}

#[test]
fn each_record_of_a_copied_partition_has_one_copy() {
    let source = format!("{SENDER}1 send 9:1 9:2\n1 ok 9@0 9@1\n");
    let copy = |value: u32, of: u32, offset: u32, end: &str| {
        format!("1 begin\n1 ok\n1 send 0:{value}<{of}\n1 ok 0@{offset}\n1 offsets\n1 ok\n1 {end}\n1 ok\n")
    };
    let sources = reads(2, "committed", "9", &["9@0=1 9@1=2"]);
    let (first, second) = (copy(11, 1, 0, "commit"), copy(12, 2, 4, "commit"));
    let given_up = copy(13, 2, 2, "abort");
    let read = reads(3, "committed", "0", &["0@0=11 0@4=12"]);
    assert_fine(&format!("{source}{sources}{first}{given_up}{second}{read}"));
    let read = reads(3, "committed", "0", &["0@0=11"]);
    assert_found(&format!("{source}{sources}{first}{given_up}{read}"), &[Kind::NotCopied]);
    let again = copy(14, 1, 6, "commit");
    let read = reads(3, "committed", "0", &["0@0=11 0@4=12 0@6=14"]);
    assert_found(&format!("{source}{sources}{first}{second}{again}{read}"), &[Kind::CopiedTwice]);
}

#[test]
fn what_no_recorder_writes_is_refused() {
    for (history, reason) in [
        ("1 poll\n", "it has not begun its life"),
        ("1 open committed\n1 poll\n", "it has not been answered yet"),
        ("1 open committed\n1 ok\n1 fail\n", "nothing was asked"),
        ("1 open committed\n1 ok\n1 commit\n", "there is no transaction"),
        ("1 open committed\n1 ok\n1 begin\n1 ok\n1 begin\n", "its transaction has not ended"),
        ("1 open committed\n1 ok\n1 send 0:1\n1 ok @\n1 send 0:1\n", "a value is sent again"),
    ] {
        let parsed: History = history.parse().unwrap();
        let refused = check(&parsed, &Rules::default()).expect_err(history);
        assert_eq!(refused.reason, reason, "{history}");
    }
}
