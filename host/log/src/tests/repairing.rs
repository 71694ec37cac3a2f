use millstream_disk::real;

use super::*;
use crate::{Cut, RepairPlan, plan_repair};

/// Three batches of two records in one segment, two in the next, all on stable storage; and damage.
fn bed(damage: impl Fn(&Bed, usize)) -> (Bed, OpenMode) {
    let len = batch(2).len();
    let bed = Bed::new(LogConfig { segment_bytes: 3 * len as u64, ..LogConfig::default() });
    let mut log = bed.start();
    for n in 0..5 {
        append(&mut log, sequenced(2, 2 * n));
    }
    let recovery_point = log.sync_handle().sync().unwrap();
    drop(log);
    damage(&bed, len);
    (bed, OpenMode { recovery_point, ..OpenMode::UNKNOWN })
}

fn flip(bed: &Bed, name: &str, at: usize) {
    let mut bytes = fs::read(bed.file(name)).unwrap();
    bytes[at] ^= 1;
    fs::write(bed.file(name), bytes).unwrap();
}

const FIRST: &str = "00000000000000000000.log";
const SECOND: &str = "00000000000000000006.log";

/// Plans (which changes nothing) and applies; then the log opens, and has these batches.
#[track_caller]
fn repair(bed: &Bed, mode: OpenMode, expected: &[i64]) -> (RepairPlan, PartitionLog) {
    assert!(PartitionLog::open(&real(), &bed.path(), bed.config.clone(), mode, now()).is_err());
    let before = content(&bed.path());
    let plan = plan_repair(&real(), &bed.path(), mode).unwrap().unwrap();
    assert!(content(&bed.path()) == before, "a plan changes nothing");
    let set_aside = plan.apply(&real()).unwrap();
    assert_eq!(set_aside.len(), plan.files.iter().map(|file| file.cuts.len()).sum::<usize>());
    let (log, report) = bed.open(OpenMode { recovery_point: plan.end, ..mode });
    assert_eq!(bases(&log), expected);
    assert_eq!(report.truncated_bytes, 0);
    (plan, log)
}

#[test]
fn what_is_sound_behind_the_damage_is_kept_and_what_is_cut_is_set_aside() {
    let (bed, _) = bed(|bed, len| flip(bed, FIRST, len + 70));
    let mode = OpenMode::UNKNOWN;
    let (len, damaged) = (batch(2).len() as u64, fs::read(bed.file(FIRST)).unwrap());
    let (plan, mut log) = repair(&bed, mode, &[0, 4, 6, 8]);
    assert_eq!(plan.files.len(), 1);
    assert_eq!(plan.files[0].cuts, [Cut { from: len, to: 2 * len, batches: 1, records: 2 }]);
    assert_eq!((plan.holes, plan.end), (vec![(at(2), at(4))], at(10)));
    let side = fs::read(bed.file(&format!("{FIRST}.cut-{len}-{}", 2 * len))).unwrap();
    assert_eq!(side, damaged[len as usize..2 * len as usize]);
    let slice = log.reader().read(at(2), 1, true, at(10)).unwrap();
    assert_eq!(slice.next_offset, at(6), "a reader goes on behind the hole");
    // Producers go on where they were, and nothing is left to repair.
    assert!(append(&mut log, sequenced(2, 8)).duplicate);
    assert_eq!(append(&mut log, sequenced(2, 10)).base_offset, at(10));
    drop(log);
    assert_eq!(plan_repair(&real(), &bed.path(), OpenMode { recovery_point: at(10), ..mode }).unwrap(), None);
}

#[test]
fn offsets_that_were_given_out_are_never_given_out_again() {
    // The last batch is damaged, the last segment cut short, the last segment gone.
    let (one, mode) = bed(|bed, len| flip(bed, SECOND, 2 * len - 1));
    let (plan, mut log) = repair(&one, mode, &[0, 2, 4, 6]);
    assert_eq!((plan.holes, plan.end), (vec![(at(8), at(10))], at(10)));
    assert_eq!(append(&mut log, batch(1)).base_offset, at(10));
    let (two, mode) = bed(|bed, len| {
        let bytes = fs::read(bed.file(SECOND)).unwrap();
        fs::write(bed.file(SECOND), &bytes[..len]).unwrap();
    });
    let (plan, log) = repair(&two, mode, &[0, 2, 4, 6]);
    assert_eq!((plan.files.len(), log.end_offset()), (0, at(10)));
    let (three, mode) = bed(|bed, _| fs::remove_file(bed.file(SECOND)).unwrap());
    assert_eq!(repair(&three, mode, &[0, 2, 4]).1.end_offset(), at(10));
    let (four, mode) = bed(|_, _| {});
    let (_, log) = repair(&four, OpenMode { log_start: at(50), ..mode }, &[]);
    assert_eq!((log.start_offset(), log.end_offset()), (at(50), at(50)));
}

#[test]
fn the_last_batch_is_kept_when_the_one_before_it_is_damaged() {
    let (bed, _) = bed(|bed, _| flip(bed, SECOND, 70));
    let (plan, log) = repair(&bed, OpenMode::UNKNOWN, &[0, 2, 4, 8]);
    drop(log);
    let mode = OpenMode { recovery_point: plan.end, ..OpenMode::UNKNOWN };
    assert_eq!(plan_repair(&real(), &bed.path(), mode).unwrap(), None, "a second repair finds nothing");
}

#[test]
fn a_batch_whose_offset_changed_is_cut_alone() {
    for byte in [4, 6] {
        let (bed, _) = bed(|bed, len| flip(bed, FIRST, len + byte));
        let (plan, _) = repair(&bed, OpenMode::UNKNOWN, &[0, 4, 6, 8]);
        assert_eq!(plan.files[0].cuts.len(), 1, "byte {byte}");
    }
}

#[test]
fn of_overlapping_segments_the_first_counts() {
    let (bed, mode) = bed(|bed, _| {
        fs::copy(bed.file(SECOND), bed.file("00000000000000000005.log")).unwrap();
    });
    let (plan, _) = repair(&bed, mode, &[0, 2, 4, 6, 8]);
    // The copy comes first, has the same records, and gets the name that they belong to.
    assert_eq!((plan.files[0].base_offset, plan.files[0].new_base_offset), (at(5), Some(at(6))));
    assert_eq!((plan.files[1].base_offset, plan.files[1].cuts[0].records), (at(6), 4));
    assert!(!bed.file("00000000000000000005.log").exists());
}

#[test]
fn damage_that_no_start_looks_for_is_found_and_a_sound_log_needs_no_repair() {
    let (sound, mode) = bed(|_, _| {});
    assert_eq!(plan_repair(&real(), &sound.path(), mode).unwrap(), None);
    // A torn end is cut at the next start anyway.
    let bytes = fs::read(sound.file(SECOND)).unwrap();
    fs::write(sound.file(SECOND), [&bytes, &bytes[..20]].concat()).unwrap();
    assert_eq!(plan_repair(&real(), &sound.path(), mode).unwrap(), None);
    let (bed, mode) = bed(|bed, len| flip(bed, FIRST, len + 70));
    let mode = OpenMode { recovery_point: at(10), ..mode };
    let plan = plan_repair(&real(), &bed.path(), mode).unwrap().unwrap();
    assert_eq!(plan.bytes(), batch(2).len() as u64);
}

#[test]
fn a_plan_that_is_out_of_date_is_not_carried_out() {
    let (bed, mode) = bed(|bed, len| flip(bed, FIRST, len + 70));
    let plan = plan_repair(&real(), &bed.path(), mode).unwrap().unwrap();
    let mut bytes = fs::read(bed.file(FIRST)).unwrap();
    bytes.push(0);
    fs::write(bed.file(FIRST), &bytes).unwrap();
    let error = plan.apply(&real()).unwrap_err();
    assert!(matches!(error, crate::RepairError::Changed { .. }));
    assert_eq!(fs::read(bed.file(FIRST)).unwrap(), bytes);
}
