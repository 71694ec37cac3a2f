use std::{collections::BTreeSet, thread, time::Duration};

use super::*;

const FILE: &str = "/data/file";

/// A disk with an empty file that has a durable name, and that file open.
fn disk_with_file(seed: u64) -> (FaultyDisk, Box<dyn DiskFile>) {
    let disk = FaultyDisk::new(seed);
    disk.put(Path::new(FILE), b"");
    let file = disk.process().open(Path::new(FILE), Open::Write).unwrap();
    (disk, file)
}

fn content(disk: &FaultyDisk) -> Vec<u8> {
    disk.content(Path::new(FILE)).unwrap()
}

#[test]
fn synced_bytes_survive_a_power_failure_and_others_any_way() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..200 {
        let (disk, file) = disk_with_file(seed);
        file.write_all_at(&[1; 1000], 0).unwrap();
        file.sync_data().unwrap();
        file.write_all_at(&[2; 1000], 1000).unwrap();
        disk.lose_power();
        let left = content(&disk);
        assert_eq!(left[..1000], [1; 1000]);
        // Which of the three sectors that the second write touches are there.
        outcomes.insert([1000, 1024, 1536].map(|at| left.get(at).copied()));
    }
    for expected in [
        [None, None, None],
        [Some(2), Some(2), Some(2)],
        [Some(2), None, None],
        [Some(0), Some(2), Some(0)],
        [Some(2), Some(0), Some(2)],
    ] {
        assert!(outcomes.contains(&expected), "{expected:?} in {outcomes:?}");
    }
}

#[test]
fn a_process_that_is_killed_leaves_everything_readable_and_its_files_dead() {
    let (disk, file) = disk_with_file(1);
    let before = disk.process();
    file.write_all_at(b"abc", 0).unwrap();
    disk.kill();
    assert_eq!(content(&disk), b"abc");
    assert!(file.write_all_at(b"x", 0).is_err());
    let after = disk.process();
    assert!(before.open(Path::new(FILE), Open::Read).is_err(), "the old process");
    assert_eq!(after.read(Path::new(FILE)).unwrap(), b"abc");
}

#[test]
fn a_failed_sync_shows_the_data_and_never_makes_it_durable() {
    let mut lost = 0;
    for seed in 0..20 {
        let (disk, file) = disk_with_file(seed);
        file.write_all_at(&[7; 2048], 0).unwrap();
        disk.fail(Trigger::on(Operation::Sync), io::ErrorKind::Other);
        assert!(file.sync_data().is_err());
        file.sync_data().expect("the next one succeeds");
        assert_eq!(content(&disk), [7; 2048]);
        disk.lose_power();
        lost += u64::from(content(&disk) != [7; 2048]);
    }
    assert!(10 < lost);
    // Written again, it is durable.
    let (disk, file) = disk_with_file(0);
    file.write_all_at(&[7; 2048], 0).unwrap();
    disk.fail(Trigger::on(Operation::Sync), io::ErrorKind::Other);
    assert!(file.sync_data().is_err());
    file.write_all_at(&[7; 2048], 0).unwrap();
    file.sync_data().unwrap();
    disk.lose_power();
    assert_eq!(content(&disk), [7; 2048]);
}

#[test]
fn after_a_failed_sync_a_new_process_may_read_what_is_on_the_disk() {
    let (disk, file) = disk_with_file(0);
    file.write_all_at(&[7; 2048], 0).unwrap();
    disk.fail(Trigger::on(Operation::Sync), io::ErrorKind::Other);
    assert!(file.sync_data().is_err());
    disk.kill_and_drop_caches();
    assert_ne!(content(&disk), [7; 2048]);
}

#[test]
fn names_are_lost_without_a_sync_of_their_folder() {
    let (mut lost, mut kept) = (0, 0);
    for seed in 0..50 {
        let disk = FaultyDisk::new(seed);
        disk.put(Path::new("/data/old"), b"old");
        let process = disk.process();
        process.rename(Path::new("/data/old"), Path::new("/data/new")).unwrap();
        let file = process.open(Path::new("/data/made"), Open::Create).unwrap();
        file.write_all_at(b"x", 0).unwrap();
        file.sync_all().unwrap();
        disk.lose_power();
        let names: Vec<PathBuf> = disk.files().into_keys().collect();
        let has = |name: &str| names.contains(&Path::new("/data").join(name));
        assert!(has("old") != has("new"), "a rename is atomic: {names:?}");
        lost += u64::from(!has("made"));
        kept += u64::from(has("made"));
    }
    assert!(5 < lost && 5 < kept, "{lost} {kept}");
}

#[test]
fn orders_hit_what_they_name() {
    let (disk, file) = disk_with_file(3);
    disk.fail(Trigger::on(Operation::Write).path("other"), io::ErrorKind::Other);
    disk.fail(Trigger::on(Operation::Write).path("file").skip(1).times(2), io::ErrorKind::PermissionDenied);
    let write = || file.write_all_at(b"abc", 0).map_err(|error| error.kind());
    let refused = Err(io::ErrorKind::PermissionDenied);
    assert_eq!([write(), write(), write(), write()], [Ok(()), refused, refused, Ok(())]);
    disk.write_short(Trigger::on(Operation::Write).always(), io::ErrorKind::Other);
    assert!(file.write_all_at(&[9; 100], 3).is_err());
    assert!(content(&disk).len() < 103);
    disk.heal();
    write().unwrap();
}

#[test]
fn a_full_disk_takes_what_has_room() {
    let (disk, file) = disk_with_file(1);
    disk.set_capacity(5);
    file.write_all_at(b"abc", 0).unwrap();
    assert_eq!(file.write_all_at(b"defgh", 3).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(content(&disk), b"abcde");
    file.write_all_at(b"ABCDE", 0).expect("in place");
    file.set_len(1).unwrap();
    file.write_all_at(b"fgh", 1).unwrap();
}

#[test]
fn a_process_dies_at_the_step_that_was_ordered() {
    let (disk, file) = disk_with_file(1);
    disk.die_after(1);
    file.write_all_at(b"abc", 0).unwrap();
    assert!(file.write_all_at(b"def", 3).is_err());
    assert!(file.sync_data().is_err());
    assert!(content(&disk).starts_with(b"abc"));
    disk.process().open(Path::new(FILE), Open::Read).expect("the next process lives");
}

#[test]
fn what_stalls_goes_on_when_it_is_released() {
    let (disk, file) = disk_with_file(1);
    let limit = Duration::from_secs(60);
    let stall = disk.stall(Trigger::on(Operation::Sync));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| file.sync_data());
        assert!(stall.is_reached_within(limit));
        file.write_all_at(b"others go on", 0).unwrap();
        stall.release();
        waiting.join().unwrap().unwrap();
    });
    file.sync_data().unwrap();
    // And a process that dies meanwhile wakes up dead.
    let stall = disk.stall(Trigger::on(Operation::Sync));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| file.sync_data());
        assert!(stall.is_reached_within(limit));
        disk.kill();
        assert!(waiting.join().unwrap().is_err());
    });
}

#[test]
fn a_lock_is_free_when_its_owner_has_died() {
    let disk = FaultyDisk::new(1);
    let lock = Path::new("/.lock");
    let process = disk.process();
    let held = process.lock(lock).unwrap().unwrap();
    assert!(process.lock(lock).unwrap().is_none());
    disk.kill();
    let next = disk.process();
    let taken = next.lock(lock).unwrap();
    assert!(taken.is_some());
    drop(held);
    assert!(next.lock(lock).unwrap().is_none(), "a dead process gives nothing back");
}

#[test]
fn the_same_seed_gives_the_same_failures() {
    let run = |seed| {
        let disk = FaultyDisk::new(seed);
        disk.chance(Operation::Write, 300);
        disk.put(Path::new(FILE), b"");
        let file = disk.process().open(Path::new(FILE), Open::Write).unwrap();
        let results: Vec<bool> = (0..50).map(|n| file.write_all_at(&[n; 700], 700 * u64::from(n)).is_ok()).collect();
        disk.lose_power();
        (results, disk.files())
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5).0, run(6).0);
}
