//! The herder's loop: takes an event, changes what is desired, asks [`plan`] and lets the worker act,
//! until there is nothing left to do.

use std::{collections::BTreeMap, sync::Arc};

use millstream_config::ConfigMap;
use millstream_connector::{Failure, TaskId};
use tokio::sync::mpsc;

use super::{
    ConnectorStatus, ConnectorType, HerderError, PutConnector, RestartRequest, State, TargetState,
    event::{Event, Reconfigurations, Reply},
    handle::{Known, Shared, mark_restarting},
    plan::{Action, Desired, Running, RunningConnector, plan},
};
use crate::worker::{TaskStart, Worker};

/// See the module's documentation.
pub(super) struct Loop {
    shared: Arc<Shared>,
    worker: Worker,
    reconfigurations: Arc<Reconfigurations>,
    running: BTreeMap<String, Running>,
    generation: u64,
}

impl Loop {
    pub(super) fn new(shared: Arc<Shared>, worker: Worker, reconfigurations: Arc<Reconfigurations>) -> Self {
        Self { shared, worker, reconfigurations, running: BTreeMap::new(), generation: 0 }
    }

    /// Runs until it is told to shut down, or nobody is left who could tell it anything.
    pub(super) async fn run(mut self, requests: &mut mpsc::Receiver<Event>) {
        loop {
            tokio::select! {
                event = requests.recv() => match event {
                    Some(Event::Shutdown { reply }) => {
                        self.worker.stop_all().await;
                        requests.close();
                        answer(reply, Ok(()));
                        break;
                    }
                    Some(event) => {
                        self.shared.does(Some(event.describe()));
                        self.handle(event).await;
                        self.shared.does(None);
                    }
                    None => {
                        self.worker.stop_all().await;
                        break;
                    }
                },
                name = self.reconfigurations.next() => {
                    self.shared.does(Some(format!("reconfiguring the tasks of connector {name}")));
                    self.reconfigure(&name).await;
                    self.shared.does(None);
                }
            }
        }
        // Dropping what still waits answers it with `ShuttingDown`.
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Put { name, config, initial, replace, based_on, reply } => {
                let stale = based_on.is_some_and(|before| {
                    self.shared.connectors().get(&name).is_none_or(|known| known.config != before)
                });
                let put = if stale { Err(HerderError::Stale) } else { self.put(&name, config, initial, replace).await };
                answer(reply, put);
            }
            Event::Delete { name, reply } => answer(reply, self.delete(&name).await),
            Event::SetTarget { name, target, reply } => self.set_target(&name, target, reply).await,
            Event::RestartConnector { name, reply } => answer(reply, self.restart_connector(&name).await),
            Event::Restart { name, request, reply } => answer(reply, self.restart(&name, request).await),
            Event::RestartTask { name, number, reply } => answer(reply, self.restart_task(&name, number).await),
            Event::Ping { reply } | Event::Shutdown { reply } => answer(reply, Ok(())),
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.shared.connectors().contains_key(name)
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut Known) -> T) -> Option<T> {
        self.shared.connectors().get_mut(name).map(change)
    }

    async fn put(
        &mut self,
        name: &str,
        config: ConfigMap,
        initial: TargetState,
        replace: bool,
    ) -> Result<PutConnector, HerderError> {
        let created = !self.knows(name);
        if !created && !replace {
            return Err(HerderError::AlreadyExists(format!("Connector {name} already exists")));
        }
        self.generation += 1;
        let class = config.get("connector.class").and_then(Option::as_deref).unwrap_or("").trim();
        let found = self.shared.plugins.find_connector(class);
        let version = found.as_ref().ok().map(|plugin| plugin.version.clone()).filter(|version| !version.is_empty());
        self.shared.statuses.set_version(name, version);
        let kind = found.map_or(ConnectorType::Unknown, |plugin| ConnectorType::of(plugin.kind));
        let generation = self.generation;
        {
            let mut connectors = self.shared.connectors();
            let known = connectors.entry(name.to_owned()).or_insert_with(|| Known {
                config: ConfigMap::new(),
                kind,
                desired: Desired { target: initial, ..Desired::default() },
                task_configs: Vec::new(),
                applied: None,
            });
            known.config = config;
            known.kind = kind;
            known.desired.generation = generation;
            known.desired.wants_task_configs = true;
        }
        self.settle(name).await.map_err(|failure| {
            HerderError::caused(format!("Failed to transition connector {name} to state {}", initial.name()), failure)
        })?;
        let info = self.shared.info(name).ok_or_else(|| HerderError::no_connector(name))?;
        Ok(PutConnector { created, info })
    }

    async fn delete(&mut self, name: &str) -> Result<(), HerderError> {
        if self.shared.connectors().remove(name).is_none() {
            return Err(HerderError::no_connector(name));
        }
        // Nothing is started here that could fail.
        let _ = self.settle(name).await;
        self.running.remove(name);
        self.shared.statuses.remove(name);
        Ok(())
    }

    /// Pausing and resuming is answered at once, stopping when everything has stopped.
    async fn set_target(&mut self, name: &str, target: TargetState, reply: Reply<()>) {
        let changed = self.change(name, |known| {
            known.desired.target = target;
            known.desired.wants_task_configs |= target == TargetState::Started;
            if target == TargetState::Stopped {
                known.task_configs.clear();
                known.desired.tasks = 0;
                known.applied = None;
            }
        });
        if changed.is_none() {
            return answer(reply, Err(HerderError::unknown_connector(name)));
        }
        if target == TargetState::Stopped {
            let _ = self.settle(name).await;
            answer(reply, Ok(()));
        } else {
            answer(reply, Ok(()));
            // What fails to start says so in its status.
            let _ = self.settle(name).await;
        }
    }

    async fn restart_connector(&mut self, name: &str) -> Result<(), HerderError> {
        if !self.knows(name) {
            return Err(HerderError::no_connector(name));
        }
        self.stop_instance(name).await;
        self.settle(name)
            .await
            .map_err(|failure| HerderError::caused(format!("Failed to start connector: {name}"), failure))
    }

    async fn stop_instance(&mut self, name: &str) {
        self.worker.stop_connector(name).await;
        self.shared.statuses.set(name, None, State::Restarting, None);
        if let Some(running) = self.running.get_mut(name) {
            running.connector = None;
        }
        self.change(name, |known| known.desired.wants_task_configs = true);
    }

    async fn stop_tasks(&mut self, name: &str, numbers: &[u32]) {
        let ids: Vec<TaskId> = numbers.iter().map(|&number| id(name, number)).collect();
        self.worker.stop_tasks(&ids).await;
        if let Some(running) = self.running.get_mut(name) {
            running.tasks.retain(|number, _| !numbers.contains(number));
        }
    }

    async fn restart(&mut self, name: &str, request: RestartRequest) -> Result<ConnectorStatus, HerderError> {
        if !self.knows(name) {
            return Err(HerderError::NotFound(format!("Unknown connector: {name}")));
        }
        let missing = || HerderError::NotFound(format!("Status for connector {name} not found"));
        let (status, parts) = mark_restarting(self.shared.status(name).ok_or_else(missing)?, request);
        self.stop_tasks(name, &parts.tasks).await;
        for &number in &parts.tasks {
            self.shared.statuses.set(name, Some(number), State::Restarting, None);
        }
        if parts.connector {
            self.stop_instance(name).await;
        }
        // What fails to start says so in its status.
        let _ = self.settle(name).await;
        Ok(status)
    }

    async fn restart_task(&mut self, name: &str, number: u32) -> Result<(), HerderError> {
        let tasks = self.change(name, |known| known.desired.tasks).ok_or_else(|| HerderError::no_connector(name))?;
        if tasks <= number {
            return Err(HerderError::NotFound(format!("Task {name}-{number} not found")));
        }
        self.stop_tasks(name, &[number]).await;
        self.shared.statuses.set(name, Some(number), State::Restarting, None);
        self.settle(name)
            .await
            .map_err(|failure| HerderError::caused(format!("Failed to start task: {name}-{number}"), failure))
    }

    async fn reconfigure(&mut self, name: &str) {
        if self.change(name, |known| known.desired.wants_task_configs = true).is_some() {
            // What fails says so in its status.
            let _ = self.settle(name).await;
        }
    }

    /// Acts until a connector is as desired. Gives back the first failure of the connector itself; what
    /// has failed is left as it is.
    async fn settle(&mut self, name: &str) -> Result<(), Failure> {
        let mut first = Ok(());
        loop {
            let desired = self.change(name, |known| known.desired);
            let running = self.running.entry(name.to_owned()).or_default();
            let actions = plan(desired.as_ref(), running);
            if actions.is_empty() {
                return first;
            }
            for action in actions {
                let done = self.perform(name, action).await;
                if first.is_ok() {
                    first = done;
                }
            }
        }
    }

    async fn perform(&mut self, name: &str, action: Action) -> Result<(), Failure> {
        match action {
            Action::StopTasks(numbers) => {
                self.stop_tasks(name, &numbers).await;
                numbers.iter().for_each(|&number| self.shared.statuses.remove_task(name, number));
                Ok(())
            }
            Action::StopConnector => {
                self.worker.stop_connector(name).await;
                if let Some(running) = self.running.get_mut(name) {
                    running.connector = None;
                }
                Ok(())
            }
            Action::StartConnector => {
                let Some((config, desired)) = self.change(name, |known| (known.config.clone(), known.desired)) else {
                    return Ok(());
                };
                let started = self.worker.start_connector(name, &config, desired.target).await;
                let failed = started.is_err();
                self.running.entry(name.to_owned()).or_default().connector =
                    Some(RunningConnector { generation: desired.generation, target: desired.target, failed });
                started
            }
            Action::TurnConnector(target) => {
                let Some(config) = self.change(name, |known| known.config.clone()) else { return Ok(()) };
                let mut turned = Ok(());
                if let Some(connector) = self.running.get_mut(name).and_then(|running| running.connector.as_mut()) {
                    connector.target = target;
                    // A connector that has failed can only be stopped.
                    if !connector.failed || target == TargetState::Stopped {
                        turned = self.worker.turn_connector(name, &config, target).await;
                        connector.failed = turned.is_err();
                    }
                }
                turned
            }
            Action::MakeTaskConfigs => self.make_task_configs(name).await,
            Action::StartTask(number) => {
                self.start_task(name, number);
                Ok(())
            }
            Action::TurnTask(number, target) => {
                self.worker.turn_task(&id(name, number), target);
                if let Some(task) = self.running.get_mut(name).and_then(|running| running.tasks.get_mut(&number)) {
                    task.1 = target;
                }
                Ok(())
            }
        }
    }

    /// Asks for task configurations and takes them over if anything changed.
    async fn make_task_configs(&mut self, name: &str) -> Result<(), Failure> {
        let config = self.change(name, |known| {
            known.desired.wants_task_configs = false;
            known.config.clone()
        });
        let Some(config) = config else { return Ok(()) };
        let class = config.get("connector.class").and_then(Option::as_deref).unwrap_or("").trim();
        let task_class =
            self.shared.plugins.find_connector(class).map_or(String::new(), |plugin| plugin.task_class.clone());
        match self.worker.task_configs(name, &config, &task_class).await {
            Ok(None) => Ok(()),
            Ok(Some(configs)) => {
                self.generation += 1;
                let generation = self.generation;
                self.change(name, |known| {
                    if known.task_configs != configs || known.applied.as_ref() != Some(&config) {
                        known.desired.tasks = u32::try_from(configs.len()).unwrap_or(u32::MAX);
                        known.desired.tasks_generation = generation;
                        known.task_configs = configs;
                        known.applied = Some(config);
                    }
                });
                Ok(())
            }
            Err(failure) => {
                if let Some(connector) = self.running.get_mut(name).and_then(|running| running.connector.as_mut()) {
                    connector.failed = true;
                }
                Err(failure)
            }
        }
    }

    fn start_task(&mut self, name: &str, number: u32) {
        let start = self.change(name, |known| TaskStart {
            id: id(name, number),
            connector_config: known.config.clone(),
            task_config: known.task_configs.get(number as usize).cloned().unwrap_or_default(),
            count: known.desired.tasks,
            target: known.desired.target,
        });
        let Some(start) = start else { return };
        let generation = self.change(name, |known| known.desired.tasks_generation).unwrap_or_default();
        let target = start.target;
        self.worker.start_task(start);
        self.running.entry(name.to_owned()).or_default().tasks.insert(number, (generation, target));
    }
}

fn id(name: &str, number: u32) -> TaskId {
    TaskId { connector: name.to_owned(), number }
}

/// Answers; the asker may have gone away.
fn answer<T>(reply: Reply<T>, result: Result<T, HerderError>) {
    let _ = reply.send(result);
}
