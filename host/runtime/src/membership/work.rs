//! Connectors and tasks, as one member holds them (in order) and as sets.

use std::collections::BTreeSet;

use millstream_client::group::connect_protocol::{CONNECTOR, Share};
use millstream_connector::TaskId;

/// Connectors and tasks in the order in which they were given. None occurs twice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Work {
    /// Names of connectors, whose instances are meant, not their tasks.
    pub connectors: Vec<String>,
    /// Tasks, whether their connectors are here or not.
    pub tasks: Vec<TaskId>,
}

impl Work {
    /// What a message says. Numbers that no task has are left out.
    pub fn of_shares(shares: &[Share]) -> Self {
        let mut work = Self::default();
        for (name, number) in
            shares.iter().flat_map(|(name, numbers)| numbers.iter().map(move |number| (name, *number)))
        {
            if number == CONNECTOR {
                work.connectors.push(name.clone());
            } else if let Ok(number) = u32::try_from(number) {
                work.tasks.push(TaskId { connector: name.clone(), number });
            }
        }
        // From outside: a member that names something twice holds it once.
        let mut seen = WorkSet::default();
        work.connectors.retain(|name| seen.connectors.insert(name.clone()));
        work.tasks.retain(|task| seen.tasks.insert(task.clone()));
        work
    }

    /// For a message: connectors first, each with its tasks behind it.
    pub fn shares(&self) -> Vec<Share> {
        let mut shares: Vec<Share> = self.connectors.iter().map(|name| (name.clone(), vec![CONNECTOR])).collect();
        for task in &self.tasks {
            let number = i32::try_from(task.number).unwrap_or(i32::MAX);
            match shares.iter_mut().find(|(name, _)| *name == task.connector) {
                Some((_, numbers)) => numbers.push(number),
                None => shares.push((task.connector.clone(), vec![number])),
            }
        }
        shares
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }

    /// Keeps the order of what remains.
    pub fn remove(&mut self, gone: &WorkSet) {
        self.connectors.retain(|name| !gone.connectors.contains(name));
        self.tasks.retain(|task| !gone.tasks.contains(task));
    }

    /// Appends what is not here yet.
    pub fn add(&mut self, new: &Self) {
        let own = self.set();
        self.connectors.extend(new.connectors.iter().filter(|name| !own.connectors.contains(*name)).cloned());
        self.tasks.extend(new.tasks.iter().filter(|task| !own.tasks.contains(task)).cloned());
    }

    /// What of this is in a set, in this order.
    pub fn within(&self, set: &WorkSet) -> Self {
        let connectors = self.connectors.iter().filter(|name| set.connectors.contains(*name)).cloned();
        let tasks = self.tasks.iter().filter(|task| set.tasks.contains(task)).cloned();
        Self { connectors: connectors.collect(), tasks: tasks.collect() }
    }

    /// Without the order.
    pub fn set(&self) -> WorkSet {
        WorkSet { connectors: self.connectors.iter().cloned().collect(), tasks: self.tasks.iter().cloned().collect() }
    }
}

/// Connectors and tasks, sorted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorkSet {
    /// Names of connectors.
    pub connectors: BTreeSet<String>,
    /// Tasks.
    pub tasks: BTreeSet<TaskId>,
}

impl WorkSet {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.connectors.is_empty() && self.tasks.is_empty()
    }

    /// What is here and not there.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self { connectors: &self.connectors - &other.connectors, tasks: &self.tasks - &other.tasks }
    }

    /// What is here, there, or in both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { connectors: &self.connectors | &other.connectors, tasks: &self.tasks | &other.tasks }
    }

    /// Whether nothing is in both.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        self.connectors.is_disjoint(&other.connectors) && self.tasks.is_disjoint(&other.tasks)
    }

    /// Numbers of a connector's tasks.
    pub fn tasks_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = u32> + 'a {
        let first = TaskId { connector: name.to_owned(), number: 0 };
        self.tasks.range(first..).take_while(move |task| task.connector == name).map(|task| task.number)
    }

    /// Names of the connectors that are here, or that a task belongs to.
    pub fn names(&self) -> BTreeSet<&str> {
        let connectors = self.connectors.iter().map(String::as_str);
        connectors.chain(self.tasks.iter().map(|task| &*task.connector)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_a_message_is_work_once_and_goes_back_with_connectors_first() {
        let shares: Vec<Share> =
            vec![("b".into(), vec![0, CONNECTOR, 0]), ("a".into(), vec![1, -7]), ("b".into(), vec![2])];
        let work = Work::of_shares(&shares);
        assert_eq!(work.connectors, ["b"]);
        assert_eq!(work.tasks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b-0", "a-1", "b-2"]);
        assert_eq!(work.shares(), [("b".to_owned(), vec![CONNECTOR, 0, 2]), ("a".to_owned(), vec![1])]);
    }
}
