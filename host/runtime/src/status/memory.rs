//! Statuses of a worker that is alone: gone with the process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use millstream_connector::TaskId;

use super::{ConnectorStatuses, Instance, InstanceStatus, StatusStore};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct MemoryStatusStore(Mutex<BTreeMap<String, ConnectorStatuses>>);

impl MemoryStatusStore {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ConnectorStatuses>> {
        self.0.lock().expect("statuses are changed by whole values, which does not panic")
    }
}

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
