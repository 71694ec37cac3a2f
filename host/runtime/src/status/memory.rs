//! Statuses of a worker that is alone: gone with the process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use millstream_connector::TaskId;

use super::{ConnectorStatuses, Instance, InstanceStatus, StatusStore, TopicUse};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct MemoryStatusStore {
    statuses: Mutex<BTreeMap<String, ConnectorStatuses>>,
    /// By connector.
    topics: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl MemoryStatusStore {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ConnectorStatuses>> {
        self.statuses.lock().expect("statuses are changed by whole values, which does not panic")
    }

    fn lock_topics(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<String>>> {
        self.topics.lock().expect("nothing panics while a name is added or taken")
    }
}

#[async_trait]
impl StatusStore for MemoryStatusStore {
    fn put(&self, of: &Instance, status: InstanceStatus) {
        self.lock().entry(of.connector().to_owned()).or_default().set(of, status);
    }

    fn put_safe(&self, of: &Instance, status: InstanceStatus) {
        let mut statuses = self.lock();
        let known = statuses.entry(of.connector().to_owned()).or_default();
        if status.may_overrule(known.get(of)) {
            known.set(of, status);
        }
    }

    fn remove(&self, of: &Instance) {
        let mut statuses = self.lock();
        match of {
            Instance::Connector(name) => {
                statuses.remove(name);
                self.lock_topics().remove(name);
            }
            Instance::Task(TaskId { connector, number }) => {
                if let Some(known) = statuses.get_mut(connector) {
                    known.tasks.remove(number);
                }
            }
        }
    }

    fn get(&self, connector: &str) -> Option<ConnectorStatuses> {
        self.lock().get(connector).cloned()
    }

    fn connectors(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn use_topic(&self, TopicUse { topic, connector, .. }: &TopicUse) {
        let mut topics = self.lock_topics();
        if !topics.get(connector).is_some_and(|known| known.contains(topic)) {
            topics.entry(connector.clone()).or_default().insert(topic.clone());
        }
    }

    fn topics(&self, connector: &str) -> Vec<String> {
        self.lock_topics().get(connector).into_iter().flatten().cloned().collect()
    }

    fn forget_topics(&self, connector: &str) {
        self.lock_topics().remove(connector);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::State;

    fn status(worker: &str, generation: i32, state: State) -> InstanceStatus {
        InstanceStatus { state, worker_id: worker.to_owned(), generation, trace: None, version: None }
    }

    #[test]
    fn a_connector_is_forgotten_with_its_tasks_and_a_task_alone() {
        let store = MemoryStatusStore::default();
        let connector = Instance::Connector("c".to_owned());
        let task = |number| Instance::Task(TaskId { connector: "c".to_owned(), number });
        for of in [&connector, &task(0), &task(1)] {
            store.put(of, status("w", 0, State::Running));
        }
        store.remove(&task(0));
        let known = store.get("c").expect("known");
        assert_eq!((known.connector.is_some(), known.tasks.into_keys().collect::<Vec<_>>()), (true, vec![1]));
        store.remove(&connector);
        assert_eq!(store.get("c"), None);
    }

    #[test]
    fn topics_are_known_until_they_or_their_connector_are_forgotten() {
        let store = MemoryStatusStore::default();
        let used = |topic: &str, connector: &str| {
            let (topic, connector) = (topic.to_owned(), connector.to_owned());
            store.use_topic(&TopicUse { topic, connector, task: 0, discovered_ms: 0 });
        };
        for (topic, connector) in [("b", "c"), ("a", "c"), ("b", "c"), ("b", "d")] {
            used(topic, connector);
        }
        assert_eq!(
            (store.topics("c"), store.topics("d")),
            (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()])
        );
        store.forget_topics("c");
        store.remove(&Instance::Connector("d".to_owned()));
        assert_eq!((store.topics("c"), store.topics("d")), (Vec::new(), Vec::new()));
        used("b", "c");
        assert_eq!(store.topics("c"), ["b"]);
    }

    #[test]
    fn a_late_word_of_a_worker_that_lost_a_task_does_not_stand_over_its_successors() {
        let store = MemoryStatusStore::default();
        let task = Instance::Task(TaskId { connector: "c".to_owned(), number: 0 });
        store.put(&task, status("new", 2, State::Running));
        store.put_safe(&task, status("old", 1, State::Failed));
        assert_eq!(store.get("c").expect("known").tasks[&0], status("new", 2, State::Running));
        store.put(&task, status("old", 1, State::Paused));
        assert_eq!(store.get("c").expect("known").tasks[&0], status("old", 1, State::Paused));
    }
}
