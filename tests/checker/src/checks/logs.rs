//! What stands where, by everything that anybody was told, and what is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    anomaly::{Anomaly, Kind},
    history::{Fate, Isolation, Offset, Partition, Value},
    model::{Model, Standing, Write},
};

/// The partitions as they can be pieced together.
#[derive(Debug, Default)]
pub struct Logs {
    /// All values that were seen at each offset: one, if all is well.
    values: BTreeMap<Partition, BTreeMap<Offset, BTreeSet<Value>>>,
    /// What anybody has read.
    read: HashSet<(Partition, Value)>,
    /// What a reader of committed records has read.
    read_committed: HashSet<(Partition, Value)>,
    /// The last offset that anybody has read.
    last_read: BTreeMap<Partition, Offset>,
    /// Offsets that no reader may leave out, ascending.
    visible: HashMap<(Partition, Isolation), Vec<Offset>>,
}

impl Logs {
    pub fn new(model: &Model) -> Self {
        let mut logs = Self::default();
        for write in &model.writes {
            if let Fate::At(offset) = write.fate {
                logs.stands(write.partition, offset, write.value);
            }
        }
        for read in &model.reads {
            logs.stands(read.partition, read.offset, read.value);
            logs.read.insert((read.partition, read.value));
            if read.isolation == Isolation::Committed {
                logs.read_committed.insert((read.partition, read.value));
            }
            let last = logs.last_read.entry(read.partition).or_insert(read.offset);
            *last = read.offset.max(*last);
        }
        for (partition, values) in &logs.values {
            let all = values.keys().copied().collect();
            let committed = values.iter().filter(|(_, values)| {
                let mut writes = values.iter().filter_map(|value| model.write_of(*partition, *value));
                writes.any(|write| logs.is_in_effect(write))
            });
            let committed = committed.map(|(offset, _)| *offset).collect();
            logs.visible.insert((*partition, Isolation::Uncommitted), all);
            logs.visible.insert((*partition, Isolation::Committed), committed);
        }
        logs
    }

    fn stands(&mut self, partition: Partition, offset: Offset, value: Value) {
        self.values.entry(partition).or_default().entry(offset).or_default().insert(value);
    }

    /// Whether readers of committed records have to see it, or one has seen it rightly.
    pub fn is_in_effect(&self, write: &Write) -> bool {
        match write.standing {
            Standing::Certain => true,
            Standing::Perhaps => self.read_committed.contains(&(write.partition, write.value)),
            Standing::Never => false,
        }
    }

    /// The first offset between two that a reader must not leave out.
    pub fn first_between(
        &self,
        partition: Partition,
        isolation: Isolation,
        after: Offset,
        before: Offset,
    ) -> Option<Offset> {
        let visible = self.visible.get(&(partition, isolation))?;
        let next = visible[visible.partition_point(|offset| *offset <= after)..].first()?;
        (*next < before).then_some(*next)
    }

    /// Each partition with its values in the order in which they stand.
    pub fn in_order(&self) -> impl Iterator<Item = (Partition, impl Iterator<Item = Value>)> {
        self.values.iter().map(|(partition, values)| (*partition, values.values().flatten().copied()))
    }

    /// Lost, unseen, invented, duplicated values, and offsets with several.
    pub fn check(&self, model: &Model, found: &mut Vec<Anomaly>) {
        for (partition, values) in &self.values {
            let mut offsets: BTreeMap<Value, Vec<i64>> = BTreeMap::new();
            for (offset, here) in values {
                if 1 < here.len() {
                    let here: Vec<_> = here.iter().map(|value| value.0).collect();
                    let detail = format!("partition {} has {here:?} at offset {}", partition.0, offset.0);
                    found.push(Anomaly { kind: Kind::InconsistentOffset, detail });
                }
                for value in here {
                    offsets.entry(*value).or_default().push(offset.0);
                }
            }
            for (value, offsets) in offsets {
                if 1 < offsets.len() {
                    let detail = format!("value {} stands at {offsets:?} of partition {}", value.0, partition.0);
                    found.push(Anomaly { kind: Kind::Duplicate, detail });
                }
                if model.write_of(*partition, value).is_none() {
                    let detail = format!("value {} at {offsets:?} of partition {}", value.0, partition.0);
                    found.push(Anomaly { kind: Kind::Invented, detail });
                }
            }
        }
        self.check_missing(model, found);
    }

    fn check_missing(&self, model: &Model, found: &mut Vec<Anomaly>) {
        for write in &model.writes {
            if write.standing != Standing::Certain || self.read.contains(&(write.partition, write.value)) {
                continue;
            }
            let last = self.last_read.get(&write.partition);
            let behind = match (write.fate, last) {
                (Fate::At(offset), Some(last)) if offset <= *last => Some(last),
                _ => None,
            };
            let place = match write.fate {
                Fate::At(offset) => format!("offset {}", offset.0),
                _ => "an unknown offset".to_owned(),
            };
            let (partition, value) = (write.partition.0, write.value.0);
            let what = format!("value {value}, acknowledged at {place} of partition {partition}, was read by nobody");
            found.push(match behind {
                Some(last) => {
                    let detail = format!("{what}, while the partition was read up to offset {}", last.0);
                    Anomaly { kind: Kind::LostWrite, detail }
                }
                None => Anomaly { kind: Kind::Unseen, detail: what },
            });
        }
    }
}
