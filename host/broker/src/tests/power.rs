//! Power failures at random moments of random work, against a model of what was acknowledged.
//!
//! Each run is its seed: `STORE_SEEDS=FIRST..LAST` repeats others than the short list that always runs.

use std::collections::BTreeMap;

use millstream_disk::faulty::{Dice, FaultyDisk, Operation};

use super::*;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const GROUPS: [&str; 2] = ["g", "h"];

/// What one value may be after something that was begun and not acknowledged: as before, or as asked.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Either<T>(Vec<T>);

impl<T> Either<T> {
    fn new(value: T) -> Self {
        Self(vec![value])
    }

    /// A change to `next` was acknowledged, or not.
    fn change(&mut self, acknowledged: bool, next: T) {
        if acknowledged {
            self.0.clear();
        }
        self.0.push(next);
    }
}

/// What clients know of a topic that exists.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Acknowledged records, each numbered for its life.
    acknowledged: Vec<String>,
    /// Records whose append was not acknowledged: they may be there.
    uncertain: Vec<String>,
    /// Where DeleteRecords has moved the start, or may have.
    starts: Vec<i64>,
    /// Offsets acknowledged for each group, and those that may be there.
    committed: BTreeMap<&'static str, Either<i64>>,
}

#[derive(Debug)]
struct Model {
    /// The lives of a name that it may have after a failure: `None` for no topic.
    topics: BTreeMap<&'static str, Either<Option<Known>>>,
    next_value: u64,
}

impl Model {
    fn new() -> Self {
        Self { topics: TOPICS.map(|topic| (topic, Either::new(None))).into(), next_value: 0 }
    }

    /// What the topic certainly is, for as long as nothing has failed.
    fn known(&mut self, topic: &'static str) -> Option<&mut Known> {
        self.topics.get_mut(topic)?.0.last_mut()?.as_mut()
    }
}

/// One piece of work. False once the disk has failed, after which nothing is certain before a restart.
async fn work(node: &Arc<Node>, dice: &mut Dice, model: &mut Model) -> bool {
    let topic = TOPICS[dice.below(3) as usize];
    let value = format!("value {}", model.next_value);
    model.next_value += 1;
    if model.known(topic).is_none() {
        let done = create(node, topic).await == 0;
        let lives = model.topics.get_mut(topic).unwrap();
        lives.change(done, Some(Known { starts: vec![0], ..Known::default() }));
        return done;
    }
    match dice.below(10) {
        0 => {
            let done = delete(node, topic).await == 0;
            model.topics.get_mut(topic).unwrap().change(done, None);
            done
        }
        1 => {
            let to = partition(node, topic).high_watermark();
            let done = delete_records(node, topic, to).await == 0;
            let known = model.known(topic).unwrap();
            if done {
                known.starts.clear();
            }
            known.starts.push(to);
            done
        }
        2..=4 => {
            let group = GROUPS[dice.below(2) as usize];
            let offset = model.next_value as i64;
            let done = commit_offset(node, group, topic, offset).await == 0;
            let committed = &mut model.known(topic).unwrap().committed;
            committed.entry(group).or_insert_with(|| Either::new(-1)).change(done, offset);
            done
        }
        _ => {
            let done = append(node, topic, &value).await == 0;
            let known = model.known(topic).unwrap();
            if done { &mut known.acknowledged } else { &mut known.uncertain }.push(value);
            done
        }
    }
}

/// Compares the broker after a restart with the model, and makes the model certain again.
async fn check(node: &Arc<Node>, model: &mut Model, what: &str) {
    assert!(node.health.is_good(), "{what}: {:?}", node.health.faults());
    for (topic, lives) in &mut model.topics {
        let exists = node.topics.get(topic).is_some();
        let life = lives.0.iter().rfind(|life| life.is_some() == exists).cloned();
        let Some(life) = life else { panic!("{what}: topic {topic} exists: {exists}, and may be {:?}", lives.0) };
        let life = match life {
            None => {
                for group in GROUPS {
                    let known = node.groups.offsets(group, None).unwrap();
                    assert!(known.iter().all(|(name, _, _)| name != topic), "{what}: offsets of {topic} are back");
                }
                None
            }
            Some(mut known) => {
                let (code, start, values) = records(node, topic).await;
                assert_eq!(code, 0, "{what}: {topic}");
                assert!(known.starts.contains(&start), "{what}: {topic} begins at {start}, not at {:?}", known.starts);
                // Every acknowledged record that was not deleted, in order, and nothing that nobody sent.
                let all = known.acknowledged.iter().chain(&known.uncertain).skip(start as usize).collect::<Vec<_>>();
                let least = known.acknowledged.len().saturating_sub(start as usize);
                assert!(
                    least <= values.len() && all.iter().zip(&values).all(|(sent, found)| *sent == found),
                    "{what}: {topic} from {start} has {values:?}, and not {all:?} with at least {least} of them"
                );
                let found = start as usize + values.len();
                known.acknowledged = known.acknowledged.iter().chain(&known.uncertain).take(found).cloned().collect();
                known.uncertain.clear();
                known.starts = vec![start];
                for group in GROUPS {
                    let position = [((*topic).to_owned(), 0)];
                    let offsets = node.groups.offsets(group, Some(&position)).unwrap();
                    let found = offsets.first().map_or(-1, |(_, _, known)| known.offset);
                    let may_be = known.committed.entry(group).or_insert_with(|| Either::new(-1));
                    assert!(may_be.0.contains(&found), "{what}: {group} has {found} for {topic}, and not {may_be:?}");
                    *may_be = Either::new(found);
                }
                Some(known)
            }
        };
        *lives = Either::new(life);
    }
}

async fn run(seed: u64) {
    let disk = FaultyDisk::new(seed);
    let mut dice = Dice::new(seed ^ 0x5eed);
    let mut model = Model::new();
    for life in 0..4 {
        let broker = start(disk.process()).await;
        check(&broker.node, &mut model, &format!("seed {seed}, life {life}")).await;
        // A process that dies, a disk that fails here and there, or a stop in order.
        match dice.below(3) {
            0 => disk.die_after(dice.below(400)),
            1 => {
                let operations = [Operation::Write, Operation::Sync, Operation::Rename, Operation::SyncDir];
                disk.chance(operations[dice.below(4) as usize], 1 + dice.below(40));
            }
            _ => {}
        }
        let mut through = true;
        for _ in 0..dice.below(40) {
            through = work(&broker.node, &mut dice, &mut model).await;
            if !through {
                break;
            }
        }
        disk.heal();
        leave(broker, through && dice.below(2) == 0).await;
        crash(&disk, &mut dice);
    }
    let broker = start(disk.process()).await;
    check(&broker.node, &mut model, &format!("seed {seed}, at the end")).await;
    broker.abandon().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_any_failure_and_what_was_deleted_stays_deleted() {
    for seed in seeds("STORE_SEEDS", 150) {
        run(seed).await;
    }
}
