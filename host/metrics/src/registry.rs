//! The groups that somebody counts with, and reading all of them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::table::{Group, GroupDefinition, Value};

/// What tells one group of a kind from the others; in the order of the kind's labels.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Labels(Vec<(&'static str, String)>);

impl Labels {
    /// None: there is one such group.
    pub fn none() -> Self {
        Self::default()
    }

    /// A task of a connector.
    pub fn task(connector: &str, task: u32) -> Self {
        Self(vec![("connector", connector.to_owned()), ("task", task.to_string())])
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
    /// Its instruments by name; attributes say how they follow from these.
    pub values: Vec<(&'static str, Value)>,
}

/// All groups that are counted with. Cheap to clone; the clones are one.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Vec<Registered>>>);

struct Registered {
    definition: &'static GroupDefinition,
    labels: Labels,
    group: Weak<dyn Readable>,
}

trait Readable: Send + Sync {
    fn values(&self) -> Vec<(&'static str, Value)>;
    fn end_window(&self);
}

impl<G: Group> Readable for G {
    fn values(&self) -> Vec<(&'static str, Value)> {
        Group::values(self)
    }

    fn end_window(&self) {
        Group::end_window(self);
    }
}

impl Metrics {
    /// A group with these labels, which exists until the last clone of what is returned is dropped. One that exists
    /// already counts separately: a task that is started anew counts from zero, as in Connect.
    pub fn group<G: Group>(&self, labels: Labels) -> Arc<G> {
        let group = Arc::new(G::default());
        let weak: Weak<G> = Arc::downgrade(&group);
        let mut groups = self.groups();
        groups.retain(|other| 0 < other.group.strong_count());
        groups.push(Registered { definition: G::DEFINITION, labels, group: weak });
        group
    }

    /// What all groups say, by name and labels.
    pub fn read(&self) -> Vec<Reading> {
        self.read_each(|_| {})
    }

    /// What all groups say, at the end of a window: what is the largest begins anew.
    pub fn read_window(&self) -> Vec<Reading> {
        self.read_each(|group| group.end_window())
    }

    fn read_each(&self, then: impl Fn(&dyn Readable)) -> Vec<Reading> {
        let read = |registered: &Registered| {
            let group = registered.group.upgrade()?;
            let values = group.values();
            then(&*group);
            Some(Reading { definition: registered.definition, labels: registered.labels.clone(), values })
        };
        let mut readings: Vec<Reading> = self.groups().iter().filter_map(read).collect();
        readings.sort_by(|a, b| (a.definition.name, &a.labels).cmp(&(b.definition.name, &b.labels)));
        readings
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Registered>> {
        self.0.lock().expect("nothing that changes the list of groups panics")
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Metrics({} groups)", self.groups().len())
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
    fn the_end_of_a_window_begins_the_search_for_the_largest_anew() {
        let metrics = Metrics::default();
        let source = metrics.group::<SourceTask>(Labels::task("lines", 0));
        let poll_time =
            |reading: &Reading| reading.values.iter().find(|(name, _)| *name == "poll_time").map(|(_, value)| *value);
        source.poll_time.record(9);
        let first = Value::Distribution { count: 1, sum: 9, largest: 9 };
        assert_eq!(poll_time(&metrics.read()[0]), Some(first), "reading changes nothing");
        assert_eq!(poll_time(&metrics.read_window()[0]), Some(first));
        source.poll_time.record(4);
        assert_eq!(poll_time(&metrics.read()[0]), Some(Value::Distribution { count: 2, sum: 13, largest: 4 }));
    }
}
