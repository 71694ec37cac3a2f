//! What this worker knows: the shared state, and what follows from the order of its changes. A plain value.

use std::collections::BTreeMap;

use millstream_config::ConfigMap;

use super::{TargetState, plan::Desired};
use crate::config_log::{Change, ClusterState, Logged};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(crate) struct View {
    cluster: ClusterState,
    order: BTreeMap<String, Order>,
}

/// Where in the log the parts of a connector stand.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    /// Of the configuration.
    config: u64,
    /// Of the set of task configurations.
    tasks: u64,
    /// Whether the connector has to be asked for task configurations.
    wants_task_configs: bool,
}

impl View {
    /// Takes an entry that was read, and says what it changed.
    pub(crate) fn take(&mut self, logged: Logged) -> Option<Change> {
        let change = self.cluster.apply_at(logged.position, logged.entry)?;
        match &change {
            Change::ConnectorUpdated(name) => {
                let order = self.order.entry(name.clone()).or_default();
                order.config = logged.position;
                order.wants_task_configs = true;
            }
            Change::ConnectorRemoved(name) => {
                self.order.remove(name);
            }
            Change::TargetChanged(name) => {
                if self.cluster.target(name) == Some(TargetState::Started) {
                    self.want_task_configs(name, true);
                }
            }
            Change::TasksUpdated { name, .. } => {
                if let Some(order) = self.order.get_mut(name) {
                    order.tasks = logged.position;
                }
            }
            Change::SessionKeyUpdated | Change::RestartRequested { .. } | Change::LoggerLevel { .. } => {}
        }
        Some(change)
    }

    /// Notes whether a connector has to be asked for task configurations; `false` if there is no such connector.
    pub(crate) fn want_task_configs(&mut self, name: &str, wanted: bool) -> bool {
        let order = self.order.get_mut(name);
        order.map(|order| order.wants_task_configs = wanted).is_some()
    }

    /// The shared state.
    pub(crate) fn cluster(&self) -> &ClusterState {
        &self.cluster
    }

    /// Whether there is a connector of this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.cluster.config(name).is_some()
    }

    /// What a connector should be; `None` for one that is not there.
    pub(crate) fn desired(&self, name: &str) -> Option<Desired> {
        let order = self.order.get(name)?;
        Some(Desired {
            target: self.cluster.target(name)?,
            generation: order.config,
            tasks: self.cluster.task_count(name),
            tasks_generation: order.tasks,
            wants_task_configs: order.wants_task_configs,
        })
    }

    /// Whether a set of task configurations is another than the one in effect, or was made from another configuration.
    pub(crate) fn is_news(&self, name: &str, config: &ConfigMap, tasks: &[ConfigMap]) -> bool {
        self.cluster.applied(name) != Some(config) || !self.cluster.tasks(name).into_iter().eq(tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_log::Entry;

    fn config(value: &str) -> ConfigMap {
        ConfigMap::from([("k".to_owned(), Some(value.to_owned()))])
    }

    fn view(entries: &[Entry]) -> View {
        let mut view = View::default();
        for (position, entry) in (1..).zip(entries) {
            view.take(Logged { position, entry: entry.clone() });
        }
        view
    }

    #[test]
    fn every_configuration_and_every_set_of_tasks_is_told_apart_from_the_one_before() {
        let name = || "c".to_owned();
        let connector = Entry::Connector { name: name(), config: Some(config("1")) };
        let task = Entry::Task { name: name(), number: 0, config: Some(config("t")) };
        let commit = Entry::Commit { name: name(), tasks: Some(1) };
        let first = view(&[connector.clone(), task.clone(), commit.clone()]);
        let desired = first.desired("c").unwrap();
        assert_eq!((desired.generation, desired.tasks_generation, desired.tasks), (1, 3, 1));
        assert!(desired.wants_task_configs && !first.is_news("c", &config("1"), &[config("t")]));
        assert!(first.is_news("c", &config("2"), &[config("t")]) && first.is_news("c", &config("1"), &[]));

        let again = view(&[connector.clone(), task.clone(), commit.clone(), connector, task, commit]);
        let desired = again.desired("c").unwrap();
        assert_eq!((desired.generation, desired.tasks_generation), (4, 6));
    }

    #[test]
    fn a_connector_that_is_resumed_is_asked_for_tasks_and_a_deleted_one_is_nothing() {
        let target = |target| Entry::Target { name: "c".to_owned(), target };
        let mut view = view(&[Entry::Connector { name: "c".to_owned(), config: Some(config("1")) }]);
        assert!(view.want_task_configs("c", false));
        for (position, to, wants) in [(2, TargetState::Paused, false), (3, TargetState::Started, true)] {
            view.take(Logged { position, entry: target(Some(to)) });
            assert_eq!(view.desired("c").unwrap().wants_task_configs, wants, "{to:?}");
        }
        view.take(Logged { position: 4, entry: Entry::Connector { name: "c".to_owned(), config: None } });
        assert!(view.desired("c").is_none() && !view.want_task_configs("c", true) && !view.knows("c"));
    }
}
