//! Owners that come, are shut out and write all the same, in every order, over logs that were compacted to any point.

use std::collections::BTreeMap;

use super::*;

const LIMITS: SpaceLimits = SpaceLimits { entries: 3, key_bytes: 4, value_bytes: 10, bytes: 20 };

/// A record of a log, or its tombstone.
type Line = (RecordId, Option<Content>);

fn id(epoch: u64, number: u64) -> RecordId {
    RecordId { epoch, number }
}

fn begin(epoch: u64) -> Line {
    (id(epoch, BEGIN), Some(Content::Begin { owner: epoch.to_string() }))
}

fn change(epoch: u64, number: u64, changes: &[(&str, Option<&str>)]) -> Line {
    let one = |(key, value): &(&str, Option<&str>)| ((*key).to_owned(), value.map(|value| value.as_bytes().into()));
    (id(epoch, number), Some(Content::Change(changes.iter().map(one).collect())))
}

fn fold<'l>(log: impl IntoIterator<Item = (u64, &'l Line)>) -> Space {
    let mut space = Space::default();
    for (position, (id, content)) in log {
        space.take(position, *id, content.clone());
    }
    space
}

fn whole(log: &[Line]) -> Space {
    fold((0..).zip(log))
}

fn entries(space: &Space) -> BTreeMap<String, String> {
    let text = |value: &Arc<[u8]>| String::from_utf8_lossy(value).into_owned();
    space.entries().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// What is left of a log after a compaction that knew it up to `seen` and has rewritten it up to `done`, after an earlier
/// one of everything before `first`.
fn compacted(log: &[Line], first: usize, seen: usize, done: usize, tombstones: bool) -> Vec<(u64, &Line)> {
    let is_left = |at: usize| {
        let known = if at < done { seen } else { first };
        let (id, content) = &log[at];
        let is_latest = !log[(at + 1).min(known)..known].iter().any(|(later, _)| later == id);
        at >= known || (is_latest && (tombstones || content.is_some()))
    };
    (0..log.len()).filter(|&at| is_left(at)).map(|at| (at as u64, &log[at])).collect()
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(u64),
    Set(u64),
    Remove(u64),
    /// The owner takes so many of the records away that say nothing any more.
    Clear(usize),
}

/// What happened, seen by somebody who knows who the owner is.
#[derive(Clone, Default)]
struct World {
    log: Vec<Line>,
    owner: u64,
    value: Option<String>,
    numbers: BTreeMap<u64, u64>,
}

impl World {
    /// `None` if that cannot happen.
    fn after(&self, step: Step) -> Option<Self> {
        let mut world = self.clone();
        match step {
            Step::Begin(epoch) => {
                if world.numbers.insert(epoch, BEGIN).is_some() {
                    return None;
                }
                world.log.push(begin(epoch));
                world.owner = world.owner.max(epoch);
            }
            Step::Set(epoch) | Step::Remove(epoch) => {
                let number = world.numbers.get_mut(&epoch)?;
                *number += 1;
                let value = matches!(step, Step::Set(_)).then(|| format!("{epoch}.{number}"));
                world.log.push(change(epoch, *number, &[("a", value.as_deref())]));
                if epoch == world.owner {
                    world.value = value;
                }
            }
            Step::Clear(most) => {
                let spent = whole(&world.log).spent();
                if spent.len() < most {
                    return None;
                }
                world.log.extend(spent.into_iter().take(most).map(|id| (id, None)));
            }
        }
        Some(world)
    }
}

fn each_world(world: &World, left: usize, check: &mut impl FnMut(&World)) {
    check(world);
    if left == 0 {
        return;
    }
    let owners = (1..=3).flat_map(|epoch| [Step::Begin(epoch), Step::Set(epoch), Step::Remove(epoch)]);
    for step in owners.chain([Step::Clear(1), Step::Clear(2)]) {
        if let Some(next) = world.after(step) {
            each_world(&next, left - 1, check);
        }
    }
}

#[test]
fn only_owners_change_anything_and_a_log_says_the_same_however_far_it_was_compacted() {
    let mut worlds = 0;
    // Whoever comes first has the lowest epoch, but for those that come late.
    let first = World::default().after(Step::Begin(1)).expect("nobody has begun");
    each_world(&first, 5, &mut |world| {
        worlds += 1;
        let (log, space) = (&world.log, whole(&world.log));
        let expected: BTreeMap<String, String> =
            world.value.iter().map(|value| ("a".to_owned(), value.clone())).collect();
        assert_eq!((space.epoch(), entries(&space)), (world.owner, expected.clone()), "{log:?}");
        // What is said by nothing yet, or by one record alone, is compacted in one way only.
        if log.len() < 3 || log.iter().all(|(_, content)| content.is_some()) {
            return;
        }
        for seen in 1..=log.len() {
            for (first, done) in (0..=seen).flat_map(|done| [0, (done + seen) / 2].map(|first| (first, done))) {
                for tombstones in [true, false] {
                    let left = fold(compacted(log, first, seen, done, tombstones));
                    let what = (first, seen, done, tombstones);
                    assert_eq!((left.epoch(), entries(&left)), (world.owner, expected.clone()), "{log:?} {what:?}");
                }
            }
        }
    });
    assert_eq!(worlds, 7_009);
}

#[test]
fn a_record_of_an_earlier_owner_is_refused_with_the_epoch_of_the_present_one() {
    let mut space = whole(&[begin(3), change(3, 1, &[("a", Some("x"))]), begin(7)]);
    let take = |space: &mut Space, (id, content): Line| space.take(9, id, content);
    for late in [begin(3), begin(5), begin(7), change(3, 2, &[("a", Some("y"))])] {
        assert_eq!(take(&mut space, late), Verdict::Stale { epoch: 7 });
    }
    assert_eq!(entries(&space), BTreeMap::from([("a".to_owned(), "x".to_owned())]));
    assert_eq!(take(&mut space, change(7, 1, &[("a", Some("z")), ("b", Some(""))])), Verdict::Counts);
    assert_eq!(entries(&space), BTreeMap::from([("a".to_owned(), "z".to_owned()), ("b".to_owned(), String::new())]));
    assert_eq!(
        (space.next_number(7), space.next_number(8), space.next_number(3)),
        (2, 0, 3),
        "one that does not count is not written over"
    );
}

#[test]
fn what_says_nothing_any_more_goes_in_an_order_that_hides_nothing_meanwhile() {
    let mut log = vec![
        begin(1),
        change(1, 1, &[("a", Some("x")), ("b", Some("x"))]),
        change(1, 2, &[("a", None)]),
        begin(2),
        change(1, 3, &[("b", Some("late"))]),
        change(2, 1, &[("b", Some("y"))]),
    ];
    // The removal hides the first record as long as that is there.
    assert_eq!(whole(&log).spent(), [id(1, 1), id(1, 3), id(1, 0)]);
    log.push((id(1, 1), None));
    assert_eq!(whole(&log).spent(), [id(1, 2), id(1, 3), id(1, 0)]);
    log.extend([(id(1, 2), None), (id(1, 3), None), (id(1, 0), None)]);
    assert_eq!(whole(&log).spent(), []);
    assert_eq!(entries(&whole(&log)), BTreeMap::from([("b".to_owned(), "y".to_owned())]));
}

fn wanted(changes: &[(&str, Option<&str>)]) -> Vec<(String, Option<Vec<u8>>)> {
    changes.iter().map(|(key, value)| ((*key).to_owned(), value.map(|value| value.as_bytes().to_vec()))).collect()
}

#[test]
fn a_change_beyond_a_limit_is_refused_whole_and_the_key_of_the_limit_is_named() {
    let space = whole(&[begin(1), change(1, 1, &[("a", Some("12345")), ("b", Some("12345"))])]);
    for (changes, refusal) in [
        (&[("", Some("x"))][..], "a key is empty, or has a control character"),
        (&[("a\n", Some("x"))], "a key is empty, or has a control character"),
        (&[("abcde", None)], "a key has 5 bytes, 4 are allowed (kv.max.key.bytes)"),
        (&[("a", Some("12345678901"))], "the value of key \"a\" has 11 bytes, 10 are allowed (kv.max.value.bytes)"),
        (&[("a", Some("1")), ("a", None)], "key \"a\" is changed twice at once"),
        (&[("c", Some("")), ("d", Some(""))], "there would be 4 keys, 3 are allowed (kv.max.entries)"),
        (&[("c", Some("12345678"))], "keys and values would have 21 bytes together, 20 are allowed (kv.max.bytes)"),
    ] {
        let refused = space.change(wanted(changes), &LIMITS).map_err(|error| error.to_string());
        assert_eq!(refused, Err(refusal.to_owned()), "{changes:?}");
    }
    for fits in [&[("c", Some("")), ("d", Some("")), ("a", None)][..], &[("c", Some("1234567"))], &[("x", None)]] {
        assert!(space.change(wanted(fits), &LIMITS).is_ok(), "{fits:?}");
    }
}

#[test]
fn records_that_hold_much_that_was_changed_since_are_replaced_by_one_that_has_everything() {
    let (mut log, mut longest) = (vec![begin(1)], 0);
    for number in 1..60 {
        let space = whole(&log);
        let key = ["a", "b", "c"][number as usize % 3];
        let value = format!("{number:04}");
        let changes = space.change(wanted(&[(key, Some(&value))]), &LIMITS).expect("it fits");
        longest = longest.max(changes.len());
        log.push((id(1, number), Some(Content::Change(changes))));
        let mut after = whole(&log);
        assert_eq!(entries(&after)[key], value);
        assert_eq!(entries(&after).len(), (number as usize).min(3), "nothing is lost by it");
        // Of an owner that has no time to clear up.
        if number % 10 == 0 {
            let spent = after.spent();
            for id in &spent {
                after.take(99, *id, None);
            }
            log.extend(spent.into_iter().map(|id| (id, None)));
        }
        let held: usize = after.records.values().flat_map(|kept| &kept.changes).map(held_bytes).sum();
        assert!(held < 20 * LIMITS.bytes, "{held}");
    }
    assert_eq!(longest, 3);
}
