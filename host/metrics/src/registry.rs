//! The groups that somebody counts with, and reading all of them.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Instant;

use crate::custom::Custom;
use crate::table::{Group, GroupDefinition};
use crate::value::{Recorded, Value};

/// So many groups are kept without a look at who still holds them.
const FEW_GROUPS: usize = 64;

/// What tells one group of a kind from the others; in the order of the kind's labels.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Labels(Vec<(&'static str, String)>);

impl Labels {
    /// None: there is one such group.
    pub fn none() -> Self {
        Self::default()
    }

    /// A connector.
    pub fn connector(connector: &str) -> Self {
        Self(vec![("connector", connector.to_owned())])
    }

    /// A task of a connector.
    pub fn task(connector: &str, task: u32) -> Self {
        Self::connector(connector).and("task", task.to_string())
    }

    /// A client of Kafka.
    pub fn client(client_id: &str) -> Self {
        Self(vec![("client-id", client_id.to_owned())])
    }

    /// One more label.
    #[must_use]
    pub fn and(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// Names and values.
    pub fn pairs(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

/// What one group says at a moment.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What kind of group it is.
    pub definition: &'static GroupDefinition,
    /// Which one.
    pub labels: Labels,
    /// Tells it from one before it that had the same labels and ended.
    pub id: u64,
    /// Its instruments by name; attributes say how they follow from these.
    pub values: Vec<(&'static str, Value)>,
}

/// All groups that are counted with. Cheap to clone; the clones are one.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Groups>>);

#[derive(Default)]
struct Groups {
    /// A group that is shown as one may be counted by several types.
    by_name: BTreeMap<(&'static str, Labels, TypeId), Counting>,
    /// What plugins count themselves.
    custom: BTreeMap<Labels, Weak<Custom>>,
    /// How many were made so far.
    made: u64,
    /// How many there may be before those that nobody holds any more are looked for.
    look_at: usize,
}

struct Counting {
    definition: &'static GroupDefinition,
    id: u64,
    group: Weak<dyn Readable>,
}

trait Readable: Any + Send + Sync {
    fn values(&self, now: Instant) -> Vec<(&'static str, Value)>;
    fn take_recorded(&self, take: &mut dyn FnMut(&'static str, Recorded));
}

impl<G: Group> Readable for G {
    fn values(&self, now: Instant) -> Vec<(&'static str, Value)> {
        Group::values(self, now)
    }

    fn take_recorded(&self, take: &mut dyn FnMut(&'static str, Recorded)) {
        Group::take_recorded(self, take);
    }
}

impl Metrics {
    /// The group with these labels. It exists until the last clone of what is returned is dropped; after that it would
    /// count from zero, as Connect's do when a task is started anew.
    pub fn group<G: Group>(&self, labels: Labels) -> Arc<G> {
        self.group_of(G::DEFINITION, labels)
    }

    /// As [`Self::group`], of a kind that has the same instruments under another name.
    pub fn group_of<G: Group>(&self, definition: &'static GroupDefinition, labels: Labels) -> Arc<G> {
        let mut groups = self.groups();
        let name = (definition.name, labels, TypeId::of::<G>());
        let there = groups.by_name.get(&name).and_then(|counting| counting.group.upgrade());
        if let Some(Ok(group)) = there.map(|group| (group as Arc<dyn Any + Send + Sync>).downcast::<G>()) {
            return group;
        }
        let group = Arc::new(G::default());
        let weak: Weak<G> = Arc::downgrade(&group);
        groups.made += 1;
        let counting = Counting { definition, id: groups.made, group: weak };
        groups.by_name.insert(name, counting);
        if groups.look_at < groups.by_name.len() {
            groups.by_name.retain(|_, counting| 0 < counting.group.strong_count());
            groups.look_at = FEW_GROUPS.max(2 * groups.by_name.len());
        }
        group
    }

    /// What a plugin counts itself in the connector or task of these labels, for as long as somebody holds it.
    pub fn custom(&self, labels: Labels) -> Arc<Custom> {
        let mut groups = self.groups();
        if let Some(there) = groups.custom.get(&labels).and_then(Weak::upgrade) {
            return there;
        }
        groups.custom.retain(|_, custom| 0 < custom.strong_count());
        let custom = Arc::<Custom>::default();
        groups.custom.insert(labels, Arc::downgrade(&custom));
        custom
    }

    /// All that plugins count themselves, by labels.
    pub fn read_custom(&self) -> Vec<(Labels, Arc<Custom>)> {
        let groups = self.groups();
        groups.custom.iter().filter_map(|(labels, custom)| Some((labels.clone(), custom.upgrade()?))).collect()
    }

    /// What all groups say, by name and labels.
    pub fn read(&self) -> Vec<Reading> {
        self.read_at(Instant::now())
    }

    /// The same as of `now`.
    pub(crate) fn read_at(&self, now: Instant) -> Vec<Reading> {
        let groups = self.groups();
        let readings = groups.by_name.iter().filter_map(|((_, labels, _), Counting { definition, id, group })| {
            let group = group.upgrade()?;
            Some(Reading { definition, labels: labels.clone(), id: *id, values: group.values(now) })
        });
        readings.collect()
    }

    /// Hands over, group by group, what instruments with a window have recorded; what is the largest or the smallest is
    /// looked for anew. Copies nothing: there are thousands of groups, and few of them have news. For a single owner of
    /// windows.
    pub(crate) fn take_each(&self, mut take: impl FnMut(u64, &[(&'static str, Recorded)])) {
        let groups = self.groups();
        let mut of_group = Vec::new();
        for Counting { id, group, .. } in groups.by_name.values() {
            let Some(group) = group.upgrade() else { continue };
            of_group.clear();
            group.take_recorded(&mut |name, recorded| of_group.push((name, recorded)));
            take(*id, &of_group);
        }
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        self.0.lock().expect("nothing that changes the list of groups panics")
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Metrics({} groups)", self.groups().by_name.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::{SinkTask, SourceTask};

    #[test]
    fn a_group_is_read_while_somebody_holds_it() {
        let metrics = Metrics::default();
        let sink = metrics.group::<SinkTask>(Labels::task("orders", 1));
        let source = metrics.clone().group::<SourceTask>(Labels::task("lines", 0));
        source.polled.add(3);
        let names = || {
            let readings = metrics.read();
            readings.iter().map(|reading| (reading.definition.name, reading.labels.clone())).collect::<Vec<_>>()
        };
        assert_eq!(
            names(),
            [("sink-task-metrics", Labels::task("orders", 1)), ("source-task-metrics", Labels::task("lines", 0))]
        );
        assert!(metrics.read()[1].values.contains(&("polled", Value::Total(3))));
        drop(sink);
        assert_eq!(names(), [("source-task-metrics", Labels::task("lines", 0))]);
        drop(source);
        assert!(names().is_empty());
    }

    #[test]
    fn who_asks_for_the_same_group_counts_in_the_same_place() {
        let metrics = Metrics::default();
        let group = || metrics.group::<SourceTask>(Labels::task("lines", 0));
        let (first, second) = (group(), group());
        let sink = metrics.group::<SinkTask>(Labels::task("lines", 0));
        first.polled.add(1);
        second.polled.add(1);
        sink.read.add(9);
        assert_eq!((first.polled.total(), metrics.read().len()), (2, 2));
        drop((first, second));
        assert_eq!(group().polled.total(), 0, "anew after the last has gone");
    }

    #[test]
    fn one_name_may_be_counted_by_several_types_and_one_type_under_several_names() {
        use crate::groups::{ClientConnections, ProducerRecords};
        let metrics = Metrics::default();
        let records = metrics.group::<ProducerRecords>(Labels::client("p"));
        let connections = metrics.group::<ClientConnections>(Labels::client("p"));
        let others: Arc<ClientConnections> = metrics.group_of(ClientConnections::OF_CONSUMERS, Labels::client("p"));
        records.sent.add(1);
        connections.made.add(2);
        others.made.add(3);
        let value = |group: &str, instrument: &str| {
            let readings = metrics.read();
            let of_group = readings.iter().filter(|reading| reading.definition.name == group);
            of_group
                .flat_map(|reading| &reading.values)
                .find(|(name, _)| *name == instrument)
                .map(|(_, value)| value.clone())
        };
        assert_eq!(value("producer-metrics", "sent"), Some(Value::Total(1)));
        assert_eq!(value("producer-metrics", "made"), Some(Value::Total(2)));
        assert_eq!(value("consumer-metrics", "made"), Some(Value::Total(3)));
        assert_eq!(value("consumer-metrics", "sent"), None);
    }

    #[test]
    fn groups_that_are_gone_take_no_room() {
        let metrics = Metrics::default();
        for task in 0..10_000 {
            metrics.group::<SourceTask>(Labels::task("lines", task));
        }
        assert!(metrics.groups().by_name.len() <= FEW_GROUPS + 1);
    }

    #[test]
    fn what_was_taken_is_not_the_largest_any_more() {
        let metrics = Metrics::default();
        let source = metrics.group::<SourceTask>(Labels::task("lines", 0));
        let poll_time = |reading: &Reading| {
            reading.values.iter().find(|(name, _)| *name == "poll_time").map(|(_, value)| value.clone())
        };
        let value = |count, sum, largest, smallest| Some(Value::Distribution { count, sum, largest, smallest });
        source.poll_time.record(9);
        assert_eq!(poll_time(&metrics.read()[0]), value(1, 9, 9, 9), "reading changes nothing");
        let mut taken = Vec::new();
        metrics
            .take_each(|_, recorded| taken.extend(recorded.iter().filter(|(name, _)| *name == "poll_time").copied()));
        assert_eq!(taken, [("poll_time", Recorded { count: 1, sum: 9, largest: 9, smallest: 9 })]);
        source.poll_time.record(4);
        assert_eq!(poll_time(&metrics.read()[0]), value(2, 13, 4, 4));
    }
}
