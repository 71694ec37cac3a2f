//! What to do about one connector, given what is desired and what runs. A plain function.
//!
//! The herder carries the actions out and asks again, until there is nothing left to do. What has
//! failed counts as running: nothing is retried by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::TargetState;

/// What one connector should be.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Desired {
    /// What users want it to be.
    pub target: TargetState,
    /// Changes with every configuration that is put.
    pub generation: u64,
    /// How many tasks it has.
    pub tasks: u32,
    /// Changes with every set of task configurations.
    pub tasks_generation: u64,
    /// Whether the connector has to be asked for task configurations.
    pub wants_task_configs: bool,
}

/// The connector instance as it runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RunningConnector {
    /// Of the configuration it was made with.
    pub generation: u64,
    /// What it was last told to be.
    pub target: TargetState,
    /// Whether it has failed.
    pub failed: bool,
}

/// What of one connector runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Running {
    /// The connector instance.
    pub connector: Option<RunningConnector>,
    /// Tasks by number: generation of their configuration, and what they were last told to be.
    pub tasks: BTreeMap<u32, (u64, TargetState)>,
}

/// What of a connector is this worker's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owned {
    /// Whether the connector instance is.
    pub connector: bool,
    /// Which tasks are; `None` for all there are.
    pub tasks: Option<BTreeSet<u32>>,
    /// Whether tasks may begin.
    pub starts_tasks: bool,
}

impl Owned {
    /// Whether nothing is.
    pub(super) fn is_nothing(&self) -> bool {
        !self.connector && self.tasks.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Whether a task is this worker's, if there is such a task.
    pub(super) fn task(&self, number: u32) -> bool {
        self.tasks.as_ref().is_none_or(|tasks| tasks.contains(&number))
    }
}

/// One thing to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Stop these tasks together.
    StopTasks(Vec<u32>),
    /// Stop the connector instance and discard it.
    StopConnector,
    /// Make a connector instance and start it as the target says.
    StartConnector,
    /// Pause, resume or stop the instance.
    TurnConnector(TargetState),
    /// Ask the connector for task configurations.
    MakeTaskConfigs,
    /// Start a task.
    StartTask(u32),
    /// Pause or resume a task.
    TurnTask(u32, TargetState),
}

/// What to do next; empty when everything is as desired. `desired` is `None` for a deleted connector.
pub fn plan(desired: Option<&Desired>, owned: &Owned, running: &Running) -> Vec<Action> {
    let Some(desired) = desired else { return remove(running) };
    let mut actions = Vec::new();
    let (target, tasks) = match desired.target {
        // A stopped connector has no tasks.
        TargetState::Stopped => (TargetState::Stopped, 0),
        target => (target, desired.tasks),
    };
    let surplus = |&(number, &(generation, _)): &(&u32, &(u64, TargetState))| {
        tasks <= *number || generation != desired.tasks_generation || !owned.task(*number)
    };
    let outdated: Vec<u32> = running.tasks.iter().filter(surplus).map(|(number, _)| *number).collect();
    if !outdated.is_empty() {
        actions.push(Action::StopTasks(outdated));
    }
    match running.connector {
        None if owned.connector => actions.push(Action::StartConnector),
        None => {}
        Some(_) if !owned.connector => actions.push(Action::StopConnector),
        Some(connector) if connector.generation != desired.generation => {
            actions.push(Action::StopConnector);
            actions.push(Action::StartConnector);
        }
        Some(connector) if connector.target != target => actions.push(Action::TurnConnector(target)),
        Some(connector) if desired.wants_task_configs && target == TargetState::Started && !connector.failed => {
            actions.push(Action::MakeTaskConfigs);
        }
        Some(_) => {}
    }
    if !actions.is_empty() {
        // Which tasks there are may depend on what these bring about.
        return actions;
    }
    for number in (0..tasks).filter(|number| owned.task(*number)) {
        match running.tasks.get(&number) {
            None if !owned.starts_tasks => {}
            None => actions.push(Action::StartTask(number)),
            Some((_, told)) if *told != target => actions.push(Action::TurnTask(number, target)),
            Some(_) => {}
        }
    }
    actions
}

fn remove(running: &Running) -> Vec<Action> {
    let mut actions = Vec::new();
    if !running.tasks.is_empty() {
        actions.push(Action::StopTasks(running.tasks.keys().copied().collect()));
    }
    if running.connector.is_some() {
        actions.push(Action::StopConnector);
    }
    actions
}

#[cfg(test)]
mod tests {
    use super::{Action::*, TargetState::*, *};

    const ALL: Owned = Owned { connector: true, tasks: None, starts_tasks: true };

    fn desired(target: TargetState, generation: u64, tasks: u32) -> Desired {
        Desired { target, generation, tasks, tasks_generation: 1, wants_task_configs: false }
    }

    fn running(connector: Option<(u64, TargetState)>, tasks: &[(u32, u64, TargetState)]) -> Running {
        Running {
            connector: connector.map(|(generation, target)| RunningConnector { generation, target, failed: false }),
            tasks: tasks.iter().map(|&(number, generation, target)| (number, (generation, target))).collect(),
        }
    }

    #[test]
    fn every_difference_between_desired_and_running_has_its_action() {
        let nothing = running(None, &[]);
        let up = running(Some((1, Started)), &[(0, 1, Started), (1, 1, Started)]);
        for (what, desired, running, expected) in [
            ("new", Some(desired(Started, 1, 0)), &nothing, vec![StartConnector]),
            ("as desired", Some(desired(Started, 1, 2)), &up, vec![]),
            ("fewer tasks", Some(desired(Started, 1, 1)), &up, vec![StopTasks(vec![1])]),
            ("more tasks", Some(desired(Started, 1, 3)), &up, vec![StartTask(2)]),
            ("new config", Some(desired(Started, 2, 2)), &up, vec![StopConnector, StartConnector]),
            ("paused", Some(desired(Paused, 1, 2)), &up, vec![TurnConnector(Paused)]),
            ("stopped", Some(desired(Stopped, 1, 2)), &up, vec![StopTasks(vec![0, 1]), TurnConnector(Stopped)]),
            ("deleted", None, &up, vec![StopTasks(vec![0, 1]), StopConnector]),
            ("gone", None, &nothing, vec![]),
            (
                "tasks follow the connector",
                Some(desired(Paused, 1, 2)),
                &running(Some((1, Paused)), &[(0, 1, Started), (1, 1, Paused)]),
                vec![TurnTask(0, Paused)],
            ),
            (
                "new task configurations",
                Some(Desired { tasks_generation: 2, ..desired(Started, 1, 2) }),
                &up,
                vec![StopTasks(vec![0, 1])],
            ),
            (
                "asked for",
                Some(Desired { wants_task_configs: true, ..desired(Started, 1, 2) }),
                &up,
                vec![MakeTaskConfigs],
            ),
            (
                "not asked for while paused",
                Some(Desired { wants_task_configs: true, ..desired(Paused, 1, 1) }),
                &running(Some((1, Paused)), &[(0, 1, Paused)]),
                vec![],
            ),
        ] {
            assert_eq!(plan(desired.as_ref(), &ALL, running), expected, "{what}");
        }
    }

    #[test]
    fn of_a_connector_only_what_is_owned_runs_and_the_rest_stops() {
        let up = running(Some((1, Started)), &[(0, 1, Started), (1, 1, Started)]);
        let owned = |connector, tasks: &[u32], starts_tasks| Owned {
            connector,
            tasks: Some(tasks.iter().copied().collect()),
            starts_tasks,
        };
        let desired = desired(Started, 1, 3);
        for (what, owned, running, expected) in [
            ("the same", owned(true, &[0, 1], true), &up, vec![]),
            ("connector given up", owned(false, &[0, 1], true), &up, vec![StopConnector]),
            ("task given up", owned(true, &[1], true), &up, vec![StopTasks(vec![0])]),
            ("task given", owned(true, &[0, 1, 2], true), &up, vec![StartTask(2)]),
            ("task that has to wait", owned(true, &[0, 1, 2], false), &up, vec![]),
            ("nothing owned", owned(false, &[], true), &running(None, &[]), vec![]),
            ("a task that is no more", owned(true, &[0, 1, 7], true), &up, vec![]),
        ] {
            assert_eq!(plan(Some(&desired), &owned, running), expected, "{what}");
        }
    }

    #[test]
    fn a_failed_connector_is_left_alone_and_its_tasks_go_on() {
        let mut failed = running(Some((1, Started)), &[(0, 1, Started)]);
        failed.connector = failed.connector.map(|connector| RunningConnector { failed: true, ..connector });
        let desired = Desired { wants_task_configs: true, ..desired(Started, 1, 1) };
        assert_eq!(plan(Some(&desired), &ALL, &failed), []);
    }
}
