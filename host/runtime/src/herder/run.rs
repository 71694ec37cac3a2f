//! The herder's loop: an event becomes entries of the config log; what is read back from it, from whomever, changes
//! what is desired; then [`plan`] is asked and the worker acts, until there is nothing left to do.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure, TaskId};
use millstream_record::ErrorChain;
use tokio::{sync::mpsc, time::Instant};

use super::{
    ConnectorStatus, HerderError, PutConnector, RestartRequest, State, TargetState,
    event::{Event, Reconfigurations, Reply},
    group::{Ending, GroupRules},
    handle::{Shared, mark_restarting},
    plan::{Action, Running, RunningConnector, plan},
    rebalances::Rebalances,
    view::View,
};
use crate::{
    config_log::{Change, ConfigLog, Entry, Logged},
    membership::Membership,
    worker::{TaskStart, Worker, class_of},
};

/// Longest time for a change to be written to the config log and read back, as in Connect.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest time for leaving the group and for what is still on its way to the config log.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// See the module's documentation.
pub(super) struct Loop {
    pub(super) shared: Arc<Shared>,
    pub(super) worker: Worker,
    pub(super) log: Box<dyn ConfigLog>,
    pub(super) membership: Box<dyn Membership>,
    /// Set for a worker in a group.
    pub(super) group: Option<GroupRules>,
    pub(super) rebalances: Rebalances,
    /// Whether this worker may run anything, and change anything.
    pub(super) member: bool,
    /// When a new session key is due, of a leader.
    pub(super) key_due: Option<Instant>,
    reconfigurations: Arc<Reconfigurations>,
    pub(super) running: BTreeMap<String, Running>,
    /// Connectors about which something was read, and that may not be as desired.
    pub(super) due: BTreeSet<String>,
    /// Restarts that were read and not yet carried out.
    pub(super) restarts: VecDeque<(String, RestartRequest)>,
}

impl Loop {
    pub(super) fn new(
        shared: Arc<Shared>,
        worker: Worker,
        log: Box<dyn ConfigLog>,
        membership: Box<dyn Membership>,
        group: Option<GroupRules>,
        rebalances: Rebalances,
        reconfigurations: Arc<Reconfigurations>,
    ) -> Self {
        Self {
            shared,
            worker,
            log,
            membership,
            group,
            rebalances,
            member: false,
            key_due: None,
            reconfigurations,
            running: BTreeMap::new(),
            due: BTreeSet::new(),
            restarts: VecDeque::new(),
        }
    }

    /// Runs until it is told to shut down, or nobody is left who could tell it anything, or its group fails.
    pub(super) async fn run(mut self, requests: &mut mpsc::Receiver<Event>) {
        let mut ending = self.begin(requests).await;
        while ending.is_none() {
            let due = self.key_due;
            let key_due = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = requests.recv() => match event {
                    Some(Event::Shutdown { reply }) => ending = Some(Ending::Asked(Some(reply))),
                    Some(event) if self.member => {
                        self.shared.does(Some(event.describe()));
                        self.handle(event).await;
                        self.follow().await;
                        self.shared.does(None);
                    }
                    Some(event) => event.refuse(HerderError::NoLeader),
                    None => ending = Some(Ending::Asked(None)),
                },
                event = self.membership.next() => ending = self.member(event).await,
                name = self.reconfigurations.next() => {
                    self.shared.does(Some(format!("reconfiguring the tasks of connector {name}")));
                    self.reconfigure(&name);
                    self.follow().await;
                    self.shared.does(None);
                }
                name = self.worker.expired() => {
                    self.shared.does(Some(format!("looking up the values of connector {name} again")));
                    self.renew(&name).await;
                    self.follow().await;
                    self.shared.does(None);
                }
                logged = self.log.next() => {
                    self.take(logged);
                    self.shared.does(Some("following the config log".to_owned()));
                    self.follow().await;
                    self.shared.does(None);
                }
                () = key_due => self.renew_session_key().await,
            }
        }
        self.worker.stop_all().await;
        // Dropping what still waits answers it with `ShuttingDown`, or with the reason why it has broken.
        if let Some(Ending::Failed(reason)) = &ending {
            tracing::error!("the worker ends: {reason}");
            self.shared.broken.send_replace(Some(reason.clone()));
        }
        requests.close();
        self.membership.leave(LEAVE_TIMEOUT).await;
        self.log.close(LEAVE_TIMEOUT).await;
        if let Some(Ending::Asked(Some(reply))) = ending {
            answer(reply, Ok(()));
        }
    }

    async fn handle(&mut self, event: Event) {
        match event {
            Event::Put { name, config, initial, replace, based_on, reply } => {
                let stale = based_on.is_some_and(|before| self.shared.view().cluster().config(&name) != Some(&before));
                let put = if stale { Err(HerderError::Stale) } else { self.put(&name, config, initial, replace).await };
                answer(reply, put);
            }
            Event::Delete { name, reply } => answer(reply, self.delete(&name).await),
            Event::SetTarget { name, target, reply } => self.set_target(&name, target, reply).await,
            Event::RestartConnector { name, reply } => answer(reply, self.restart_connector(&name).await),
            Event::Restart { name, request, reply } => answer(reply, self.restart(&name, request).await),
            Event::RestartTask { name, number, reply } => answer(reply, self.restart_task(&name, number).await),
            Event::SetLogLevel { logger, level, reply } => {
                answer(reply, self.write(vec![Entry::LoggerLevel { logger, level }]).await)
            }
            Event::LendOffsets { name, reply } => {
                let lent = self.lend_offsets(&name).await;
                answer(reply, lent);
            }
            Event::Ping { reply } | Event::Shutdown { reply } => answer(reply, Ok(())),
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.shared.view().knows(name)
    }

    fn config(&self, name: &str) -> Option<ConfigMap> {
        self.shared.view().cluster().config(name).cloned()
    }

    /// Appends entries and takes what is in the log up to the last of them. What that makes due is not done yet.
    ///
    /// # Errors
    ///
    /// They could not be written, or did not come back in time; in the latter case they take effect when they do.
    pub(super) async fn write(&mut self, entries: Vec<Entry>) -> Result<(), HerderError> {
        match tokio::time::timeout(WRITE_TIMEOUT, self.write_and_read(entries)).await {
            Ok(written) => written,
            Err(_) => Err(HerderError::failed(format!(
                "what was asked has not come back from the config log within {} seconds: it may still take effect, so look before you ask again",
                WRITE_TIMEOUT.as_secs()
            ))),
        }
    }

    /// Dropping the future loses nothing that was read.
    async fn write_and_read(&mut self, entries: Vec<Entry>) -> Result<(), HerderError> {
        let last =
            self.log.append(entries).await.map_err(|error| HerderError::failed(ErrorChain(&error).to_string()))?;
        loop {
            let logged = self.log.next().await;
            let position = logged.position;
            self.take(logged);
            if last <= position {
                return Ok(());
            }
        }
    }

    /// Takes an entry into the view and notes what is due because of it.
    pub(super) fn take(&mut self, logged: Logged) {
        let change = self.shared.view().take(logged);
        match change {
            Some(Change::ConnectorUpdated(name)) => {
                let class = self.config(&name).as_ref().map(class_of).unwrap_or_default().to_owned();
                let found = self.shared.plugins.find_connector(&class).ok();
                let version = found.map(|plugin| plugin.version.clone()).filter(|version| !version.is_empty());
                self.shared.statuses.set_version(&name, version);
                self.due.insert(name);
            }
            Some(Change::ConnectorRemoved(name) | Change::TargetChanged(name) | Change::TasksUpdated { name, .. }) => {
                self.due.insert(name);
            }
            Some(Change::RestartRequested { name, request }) => self.restarts.push_back((name, request)),
            Some(Change::LoggerLevel { logger, level }) => {
                if let Err(error) = self.shared.levels.set(&logger, &level) {
                    tracing::warn!("the level that a worker gave to logger {logger} is left out: {error}");
                }
            }
            Some(Change::SessionKeyUpdated) => self.note_session_key(),
            None => {}
        }
    }

    /// Does everything that is due. What fails says so in its status.
    pub(super) async fn follow(&mut self) {
        loop {
            if let Some((name, request)) = self.restarts.pop_front() {
                self.carry_out(&name, request).await;
            } else if let Some(name) = self.due.pop_first() {
                let _ = self.reconcile(&name).await;
            } else {
                return;
            }
        }
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
        let mut entries = Vec::new();
        if created && initial != TargetState::default() {
            // Before the configuration, so that nobody starts what is to wait.
            entries.push(Entry::Target { name: name.to_owned(), target: Some(initial) });
        }
        entries.push(Entry::Connector { name: name.to_owned(), config: Some(config) });
        self.write(entries).await?;
        // In a group it is started after the answer, by whom it falls to.
        if self.group.is_none() {
            self.reconcile(name).await.map_err(|failure| {
                let message = format!("Failed to transition connector {name} to state {}", initial.name());
                HerderError::caused(message, failure)
            })?;
        }
        let info = self.shared.info(name).ok_or_else(|| HerderError::no_connector(name))?;
        Ok(PutConnector { created, info })
    }

    async fn delete(&mut self, name: &str) -> Result<(), HerderError> {
        if !self.knows(name) {
            return Err(HerderError::no_connector(name));
        }
        let name = name.to_owned();
        self.write(vec![
            Entry::Connector { name: name.clone(), config: None },
            Entry::Target { name: name.clone(), target: None },
        ])
        .await?;
        if self.group.is_none() {
            // Nothing is started here that could fail.
            let _ = self.reconcile(&name).await;
        }
        Ok(())
    }

    /// Pausing and resuming is answered at once, stopping, of a worker by itself, when everything has stopped.
    async fn set_target(&mut self, name: &str, target: TargetState, reply: Reply<()>) {
        if !self.knows(name) {
            return answer(reply, Err(HerderError::unknown_connector(name)));
        }
        let mut entries = vec![Entry::Target { name: name.to_owned(), target: Some(target) }];
        if target == TargetState::Stopped {
            entries.insert(0, Entry::Commit { name: name.to_owned(), tasks: Some(0) });
        }
        let written = self.write(entries).await;
        if target == TargetState::Stopped && written.is_ok() && self.group.is_none() {
            let _ = self.reconcile(name).await;
        }
        answer(reply, written);
    }

    async fn restart_connector(&mut self, name: &str) -> Result<(), HerderError> {
        if !self.knows(name) {
            return Err(HerderError::no_connector(name));
        }
        self.stop_instance(name).await;
        self.reconcile(name)
            .await
            .map_err(|failure| HerderError::caused(format!("Failed to start connector: {name}"), failure))
    }

    /// What was asked for before has been done when this is: tasks that end have written their last offsets.
    async fn lend_offsets(&mut self, name: &str) -> Result<ConfigMap, HerderError> {
        if self.group.is_some() {
            self.catch_up().await;
            self.follow().await;
        }
        let view = self.shared.view();
        let config = view.cluster().config(name).ok_or_else(|| HerderError::no_connector(name))?;
        if view.cluster().target(name) != Some(TargetState::Stopped) || view.cluster().task_count(name) != 0 {
            return Err(HerderError::BadRequest(format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            )));
        }
        Ok(config.clone())
    }

    async fn stop_instance(&mut self, name: &str) {
        self.worker.stop_connector(name).await;
        self.shared.statuses.set(name, None, State::Restarting, None);
        if let Some(running) = self.running.get_mut(name) {
            running.connector = None;
        }
        self.shared.view().want_task_configs(name, true);
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
        let (status, _) = mark_restarting(self.shared.status(name).ok_or_else(missing)?, request);
        let RestartRequest { include_tasks, only_failed } = request;
        self.write(vec![Entry::Restart { name: name.to_owned(), include_tasks, only_failed }]).await?;
        self.follow().await;
        Ok(status)
    }

    /// Restarts what a request chooses of what runs here. What fails to start says so in its status.
    async fn carry_out(&mut self, name: &str, request: RestartRequest) {
        let Some(status) = self.shared.status(name) else { return };
        let (_, parts) = mark_restarting(status, request);
        self.stop_tasks(name, &parts.tasks).await;
        for &number in &parts.tasks {
            self.shared.statuses.set(name, Some(number), State::Restarting, None);
        }
        if parts.connector {
            self.stop_instance(name).await;
        }
        self.due.insert(name.to_owned());
    }

    async fn restart_task(&mut self, name: &str, number: u32) -> Result<(), HerderError> {
        let desired = self.shared.view().desired(name).ok_or_else(|| HerderError::no_connector(name))?;
        if desired.tasks <= number {
            return Err(HerderError::NotFound(format!("Task {name}-{number} not found")));
        }
        self.stop_tasks(name, &[number]).await;
        self.shared.statuses.set(name, Some(number), State::Restarting, None);
        self.reconcile(name)
            .await
            .map_err(|failure| HerderError::caused(format!("Failed to start task: {name}-{number}"), failure))
    }

    /// Restarts a connector and its tasks if config providers give other values than they run with.
    async fn renew(&mut self, name: &str) {
        let Some(config) = self.config(name) else { return };
        match self.worker.values_have_changed(name, &config).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(connector = name, "config providers have new values: the connector is restarted");
                let request = RestartRequest { include_tasks: true, only_failed: false };
                if let Err(error) = self.restart(name, request).await {
                    tracing::error!(
                        connector = name,
                        error = %ErrorChain(&error),
                        "the connector could not be restarted and goes on with the old values: restart it by hand"
                    );
                }
            }
            Err(failure) => tracing::warn!(
                connector = name,
                error = %failure,
                "the config providers fail: the connector goes on with the values it has, and they are asked again later"
            ),
        }
    }

    fn reconfigure(&mut self, name: &str) {
        if self.shared.view().want_task_configs(name, true) {
            self.due.insert(name.to_owned());
        }
    }

    /// Acts until a connector is as desired. Gives back the first failure of the connector itself; what
    /// has failed is left as it is.
    async fn reconcile(&mut self, name: &str) -> Result<(), Failure> {
        let mut first = Ok(());
        loop {
            self.due.remove(name);
            let wanted = self.shared.view().desired(name);
            // What this worker may not run, it does not want.
            let desired = wanted.filter(|_| self.member);
            let running = self.running.entry(name.to_owned()).or_default();
            let actions = plan(desired.as_ref(), running);
            if actions.is_empty() {
                if wanted.is_none() {
                    self.running.remove(name);
                    self.shared.statuses.remove(name);
                } else if desired.is_some() {
                    // Of tasks that were stopped for a restart, some may not be there any more.
                    self.shared.statuses.keep_tasks(name, |number| running.tasks.contains_key(&number));
                }
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
                // In a group a task that begins anew shows what became of it until it runs again.
                let kept = self.group.is_some().then(|| self.shared.view().desired(name)).flatten();
                let kept =
                    kept.filter(|desired| desired.target != TargetState::Stopped).map_or(0, |desired| desired.tasks);
                let gone = numbers.iter().filter(|number| kept <= **number);
                gone.for_each(|&number| self.shared.statuses.remove_task(name, number));
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
                let of = |view: &View| Some((view.cluster().config(name)?.clone(), view.desired(name)?));
                let Some((config, desired)) = of(&self.shared.view()) else { return Ok(()) };
                let started = self.worker.start_connector(name, &config, desired.target).await;
                let failed = started.is_err();
                self.running.entry(name.to_owned()).or_default().connector =
                    Some(RunningConnector { generation: desired.generation, target: desired.target, failed });
                started
            }
            Action::TurnConnector(target) => {
                let Some(config) = self.config(name) else { return Ok(()) };
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

    /// Asks for task configurations and writes them if anything changed.
    async fn make_task_configs(&mut self, name: &str) -> Result<(), Failure> {
        self.shared.view().want_task_configs(name, false);
        let Some(config) = self.config(name) else { return Ok(()) };
        let found = self.shared.plugins.find_connector(class_of(&config));
        let task_class = found.map_or(String::new(), |plugin| plugin.task_class.clone());
        let failure = match self.worker.task_configs(name, &config, &task_class).await {
            Ok(Some(configs)) if self.shared.view().is_news(name, &config, &configs) => {
                let tasks = u32::try_from(configs.len()).unwrap_or(u32::MAX);
                let mut entries: Vec<Entry> = (0..tasks)
                    .zip(configs)
                    .map(|(number, config)| Entry::Task { name: name.to_owned(), number, config: Some(config) })
                    .collect();
                entries.push(Entry::Commit { name: name.to_owned(), tasks: Some(tasks) });
                let Err(error) = self.write(entries).await else { return Ok(()) };
                let message = format!(
                    "the task configurations of connector {name} could not be stored ({error}); restart the connector when they can be"
                );
                let failure = Failure::new(ErrorKind::Fatal, "", message);
                self.worker.fail_connector(name, failure.clone());
                failure
            }
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        if let Some(connector) = self.running.get_mut(name).and_then(|running| running.connector.as_mut()) {
            connector.failed = true;
        }
        Err(failure)
    }

    fn start_task(&mut self, name: &str, number: u32) {
        let of = |view: &View| {
            let (cluster, desired) = (view.cluster(), view.desired(name)?);
            let start = TaskStart {
                id: id(name, number),
                connector_config: cluster.config(name)?.clone(),
                task_config: (*cluster.tasks(name).get(number as usize)?).clone(),
                count: desired.tasks,
                target: desired.target,
            };
            Some((start, desired.tasks_generation))
        };
        let Some((start, generation)) = of(&self.shared.view()) else { return };
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
