//! Looks after one connector and its tasks, as a task of its own: asks [`plan`] what is to be done, and has the worker
//! do it.
//!
//! A call into a connector, or a look-up of its values, that takes long holds up nobody but this connector. When
//! something else is wanted of the connector meanwhile, the call has five more seconds and is given up then.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure, TaskId};
use millstream_record::{ErrorChain, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    Desired, HerderError, RestartRequest, State, TargetState,
    event::Reply,
    handle::{Shared, mark_restarting},
    mailbox::{Mailbox, Next, Settled, Unsettled, Wish},
    plan::{Action, Owned, Running, RunningConnector, plan},
    submit::Submission,
    view::View,
};
use crate::{
    config_log::Entry,
    long_wait::{until, utc},
    restarts::{RestartPolicy, Restarts, Verdict},
    worker::{CONNECTOR_STOP_TIMEOUT, TaskStart, Worker, plugin_of},
};

/// The kind of a connector's note that its task configurations are not stored yet.
const NOT_STORED: &str = "task configurations";

/// Entries that a caretaker asks the herder's loop to write.
pub(super) struct Write {
    /// The connector that they are for.
    pub(super) name: String,
    /// What the connector has to be still, for them to make sense.
    pub(super) desired: Option<Desired>,
    pub(super) entries: Vec<Entry>,
    pub(super) reply: Reply<()>,
}

/// See the module's documentation. Dropping it abandons what runs.
pub(super) struct Caretaker {
    shared: Arc<Shared>,
    worker: Worker,
    name: String,
    /// In a group a task that begins anew shows what became of it until it runs again.
    in_group: bool,
    mailbox: Arc<Mailbox>,
    running: Running,
    writes: mpsc::Sender<Write>,
    /// Of the connector (`None`) and its tasks, if they have failed.
    restarts: BTreeMap<Option<u32>, Restarts>,
    /// Task configurations on their way to the leader.
    submission: Submission,
    /// Kept as long as the connector is looked after.
    counts: Option<Arc<millstream_metrics::Restarts>>,
}

impl Caretaker {
    /// A caretaker that looks after nothing yet, and where to leave what it is to do.
    pub(super) fn new(
        shared: Arc<Shared>,
        mut worker: Worker,
        name: &str,
        in_group: bool,
        writes: mpsc::Sender<Write>,
    ) -> (Self, Arc<Mailbox>) {
        let mailbox: Arc<Mailbox> = Arc::default();
        let told = Arc::clone(&mailbox);
        worker.tell_failures(Arc::new(move |part| told.failed(part)));
        let caretaker = Self {
            shared,
            worker,
            name: name.to_owned(),
            in_group,
            mailbox: Arc::clone(&mailbox),
            running: Running::default(),
            writes,
            restarts: BTreeMap::new(),
            submission: Submission::default(),
            counts: None,
        };
        (caretaker, mailbox)
    }

    /// Runs until it is told to end, or nothing of the connector is this worker's.
    pub(super) async fn run(mut self) -> String {
        loop {
            let due = self.next_restart();
            tokio::select! {
                biased;
                next = self.mailbox.next() => match next {
                    Next::End(error) => {
                        self.worker.stop_all().await;
                        self.mailbox.close(&error);
                        return self.name;
                    }
                    // What fails says so in its status.
                    Next::Due => drop(self.reconcile().await),
                    Next::Wish(wish) => self.grant(wish).await,
                    Next::Failed(part) => self.failed(part),
                },
                () = until(due.map(|(due, _)| due)) => if let Some((_, part)) = due {
                    self.restart_by_itself(part).await;
                },
                _ = self.worker.expired() => self.renew().await,
                again = self.submission.ended() => if again {
                    self.shared.view().want_task_configs(&self.name, true);
                    drop(self.reconcile().await);
                } else {
                    self.worker.note_of_connector(&self.name, NOT_STORED, None);
                },
            }
            let (desired, owned) = self.wanted();
            let is_needed = desired.is_some() && !owned.is_nothing();
            if !is_needed && self.is_idle() && self.mailbox.close_if_empty() {
                return self.name;
            }
        }
    }

    fn wanted(&self) -> (Option<Desired>, Owned) {
        self.shared.wanted(&self.name)
    }

    fn is_idle(&self) -> bool {
        self.running == Running::default()
    }

    async fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Settle(settled) => self.settle(settled).await,
            // What has been given to another worker meanwhile begins anew there.
            Wish::RestartInstance(settled) => {
                if self.wanted().1.connector {
                    self.stop_instance().await;
                }
                self.settle(settled).await;
            }
            Wish::RestartTask(number, settled) => {
                if self.wanted().1.task(number) {
                    self.stop_tasks(&[number]).await;
                    self.shared.statuses.set(&self.name, Some(number), State::Restarting, None);
                }
                self.settle(settled).await;
            }
            Wish::Restart(request) => self.restart(request).await,
            Wish::GiveUp(held) => {
                self.give_up().await;
                drop(held);
            }
        }
    }

    /// Stops what is not this worker's any more, and nothing else that could take long.
    async fn give_up(&mut self) {
        let (desired, owned) = self.wanted();
        let actions = plan(desired.as_ref(), &owned, &self.running);
        for action in actions {
            if matches!(action, Action::StopTasks(_) | Action::StopConnector) {
                // Stopping is bounded, and what fails at it is gone all the same.
                drop(self.perform(action).await);
            }
        }
        self.mailbox.due();
    }

    async fn settle(&mut self, settled: Settled) {
        let result = self.reconcile().await;
        settled(match (result, self.mailbox.is_ending()) {
            (Ok(()), true) => Err(Unsettled::Ended(HerderError::ShuttingDown)),
            (result, _) => result.map_err(Unsettled::Failed),
        });
    }

    /// Restarts what a request chooses of what runs here. What fails to start says so in its status.
    async fn restart(&mut self, request: RestartRequest) {
        let Some(status) = self.shared.status(&self.name) else { return };
        let (_, mut parts) = mark_restarting(status, request);
        parts.tasks.retain(|number| self.running.tasks.contains_key(number));
        parts.connector &= self.running.connector.is_some();
        self.stop_tasks(&parts.tasks).await;
        for &number in &parts.tasks {
            self.shared.statuses.set(&self.name, Some(number), State::Restarting, None);
        }
        if parts.connector {
            self.stop_instance().await;
        }
        drop(self.reconcile().await);
    }

    /// What is to be started again next, of a connector that is to run.
    fn next_restart(&self) -> Option<(Instant, Option<u32>)> {
        let desired = self.shared.view().desired(&self.name)?;
        if desired.target != TargetState::Started {
            return None;
        }
        self.restarts.iter().filter_map(|(part, restarts)| Some((restarts.due()?, *part))).min()
    }

    /// Decides whether what has failed is started again, and says so in its status.
    fn failed(&mut self, part: Option<u32>) {
        let Some(config) = self.shared.view().cluster().config(&self.name).cloned() else { return };
        let Some(policy) = RestartPolicy::read(self.worker.properties(), &config) else { return };
        if !self.worker.has_failed(&self.name, part) {
            return;
        }
        let verdict = self.restarts.entry(part).or_default().failed(&policy, Instant::now(), self.worker.random());
        let line = match verdict {
            Verdict::After(wait, count) => {
                let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                let at = utc(Timestamp::now().as_millis().saturating_add(wait_ms));
                format!("It is started again at {at}, for restart {count} in a row (restart.policy=backoff)")
            }
            Verdict::Broken => format!(
                "It is not started again: there have been {} restarts within {} ms (restart.max, restart.window.ms); mend the cause, then restart it",
                policy.most,
                policy.window.as_millis()
            ),
        };
        self.worker.add_to_failure(&self.name, part, &line);
    }

    async fn restart_by_itself(&mut self, part: Option<u32>) {
        let Some(mut restarts) = self.restarts.remove(&part) else { return };
        if !self.worker.has_failed(&self.name, part) {
            return;
        }
        restarts.restarted(Instant::now());
        self.counts = Some(self.worker.count_restart(&self.name));
        match part {
            None => self.stop_instance().await,
            Some(number) => {
                self.stop_tasks(&[number]).await;
                self.shared.statuses.set(&self.name, part, State::Restarting, None);
            }
        }
        self.restarts.insert(part, restarts);
        drop(self.reconcile().await);
    }

    async fn stop_instance(&mut self) {
        self.restarts.remove(&None);
        self.worker.stop_connector(&self.name).await;
        self.shared.statuses.set(&self.name, None, State::Restarting, None);
        self.running.connector = None;
        self.shared.view().want_task_configs(&self.name, true);
    }

    async fn stop_tasks(&mut self, numbers: &[u32]) {
        let ids: Vec<TaskId> = numbers.iter().map(|&number| self.id(number)).collect();
        self.worker.stop_tasks(&ids).await;
        // Whoever stops them begins a new story.
        self.restarts.retain(|part, _| part.is_none_or(|number| !numbers.contains(&number)));
        self.running.tasks.retain(|number, _| !numbers.contains(number));
    }

    /// Restarts the connector and its tasks if config providers give other values than they run with.
    async fn renew(&mut self) {
        let name = self.name.clone();
        let of = |view: &View| Some((view.cluster().config(&name)?.clone(), view.desired(&name)?));
        let Some((config, desired)) = of(&self.shared.view()) else { return };
        let meanwhile = Meanwhile::of(&self.mailbox, &self.shared, &name, &desired);
        let looked_up = meanwhile.unless("looked up", self.worker.values_have_changed(&name, &config)).await;
        // What was wanted meanwhile looks them up itself.
        let Ok(changed) = looked_up else { return };
        match changed {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(connector = name, "config providers have new values: the connector is restarted");
                if self.in_group {
                    // Every worker finds out by itself for what it runs.
                    return self.restart(RestartRequest { include_tasks: true, only_failed: false }).await;
                }
                let entry = Entry::Restart { name: name.clone(), include_tasks: true, only_failed: false };
                if let Err(error) = self.write(None, vec![entry]).await {
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

    /// Has entries written, and read back, by the herder's loop.
    async fn write(&mut self, desired: Option<Desired>, entries: Vec<Entry>) -> Result<(), HerderError> {
        let (reply, answer) = oneshot::channel();
        let write = Write { name: self.name.clone(), desired, entries, reply };
        if self.writes.send(write).await.is_err() {
            return Err(HerderError::ShuttingDown);
        }
        answer.await.unwrap_or(Err(HerderError::ShuttingDown))
    }

    /// Acts until the connector is as desired. Gives back the first failure of the connector itself; what
    /// has failed is left as it is.
    async fn reconcile(&mut self) -> Result<(), Failure> {
        let mut first = Ok(());
        while !self.mailbox.is_ending() {
            let (desired, owned) = self.wanted();
            let actions = plan(desired.as_ref(), &owned, &self.running);
            if actions.is_empty() {
                match desired {
                    None => {
                        self.shared.statuses.remove(&self.name);
                        (self.shared.gone)(&self.name);
                    }
                    // Of tasks that were stopped for a restart, some may not be there any more.
                    Some(desired) if owned.connector => {
                        let kept = if desired.target == TargetState::Stopped { 0 } else { desired.tasks };
                        self.shared.statuses.keep_tasks(&self.name, |number| number < kept);
                    }
                    Some(_) => {}
                }
                return first;
            }
            for action in actions {
                match self.perform(action).await {
                    Ok(()) => {}
                    Err(Trouble::Failed(failure)) => first = first.and(Err(failure)),
                    Err(Trouble::GivenUp(failure)) => {
                        // What it was given up for comes first.
                        self.mailbox.due();
                        return first.and(Err(failure));
                    }
                }
            }
        }
        first
    }

    async fn perform(&mut self, action: Action) -> Result<(), Trouble> {
        let name = self.name.clone();
        match action {
            Action::StopTasks(numbers) => {
                self.stop_tasks(&numbers).await;
                let kept = self.in_group.then(|| self.shared.view().desired(&name)).flatten();
                let kept =
                    kept.filter(|desired| desired.target != TargetState::Stopped).map_or(0, |desired| desired.tasks);
                let gone = numbers.iter().filter(|number| kept <= **number);
                gone.for_each(|&number| self.shared.statuses.remove_task(&name, number));
                Ok(())
            }
            Action::StopConnector => {
                self.worker.stop_connector(&name).await;
                self.restarts.remove(&None);
                self.running.connector = None;
                // Of the one that takes its place.
                self.submission = Submission::default();
                self.shared.view().want_task_configs(&name, true);
                Ok(())
            }
            Action::StartConnector => {
                let of = |view: &View| Some((view.cluster().config(&name)?.clone(), view.desired(&name)?));
                let Some((config, desired)) = of(&self.shared.view()) else { return Ok(()) };
                let meanwhile = Meanwhile::of(&self.mailbox, &self.shared, &name, &desired);
                let start = self.worker.start_connector(&name, &config, desired.target);
                let started = meanwhile.unless("started", start).await?;
                let failed = started.is_err();
                self.running.connector =
                    Some(RunningConnector { generation: desired.generation, target: desired.target, failed });
                started.map_err(Trouble::Failed)
            }
            Action::TurnConnector(target) => self.turn(target).await,
            Action::MakeTaskConfigs => self.make_task_configs().await,
            Action::StartTask(number) => {
                self.start_task(number);
                Ok(())
            }
            Action::TurnTask(number, target) => {
                self.worker.turn_task(&self.id(number), target);
                if let Some(task) = self.running.tasks.get_mut(&number) {
                    task.1 = target;
                }
                Ok(())
            }
        }
    }

    async fn turn(&mut self, target: TargetState) -> Result<(), Trouble> {
        let name = self.name.clone();
        let of = |view: &View| Some((view.cluster().config(&name)?.clone(), view.desired(&name)?));
        let Some((config, desired)) = of(&self.shared.view()) else { return Ok(()) };
        if target == TargetState::Stopped {
            self.restarts.remove(&None);
        }
        let failed = match &mut self.running.connector {
            Some(connector) => {
                connector.target = target;
                connector.failed
            }
            None => return Ok(()),
        };
        // A connector that has failed can only be stopped.
        if failed && target != TargetState::Stopped {
            return Ok(());
        }
        let turn = self.worker.turn_connector(&name, &config, target);
        let turned = if target == TargetState::Started {
            let meanwhile = Meanwhile::of(&self.mailbox, &self.shared, &name, &desired);
            match meanwhile.unless("started", turn).await {
                Ok(turned) => turned,
                Err(trouble) => return Err(self.without_instance(trouble)),
            }
        } else {
            // Bounded by the worker.
            turn.await
        };
        if target == TargetState::Stopped && !self.worker.has_instance(&name) {
            // What had to be given up cannot be started again: another instance takes its place.
            self.running.connector = None;
        } else if let Some(connector) = &mut self.running.connector {
            connector.failed = turned.is_err();
        }
        turned.map_err(Trouble::Failed)
    }

    /// After a call was given up the instance cannot be used any more, and another one takes its place.
    fn without_instance(&mut self, trouble: Trouble) -> Trouble {
        self.worker.discard_connector(&self.name);
        self.running.connector = None;
        self.shared.view().want_task_configs(&self.name, true);
        trouble
    }

    /// Asks for task configurations and has them written if anything changed.
    async fn make_task_configs(&mut self) -> Result<(), Trouble> {
        let name = self.name.clone();
        let of = |view: &mut View| {
            view.want_task_configs(&name, false);
            Some((view.cluster().config(&name)?.clone(), view.desired(&name)?))
        };
        let Some((config, desired)) = of(&mut self.shared.view()) else { return Ok(()) };
        let found = plugin_of(self.shared.plugins.as_ref(), &config);
        let task_class = found.map_or(String::new(), |plugin| plugin.task_class.clone());
        let meanwhile = Meanwhile::of(&self.mailbox, &self.shared, &name, &desired);
        let asked = self.worker.task_configs(&name, &config, &task_class);
        let made = match meanwhile.unless("asked for task configurations", asked).await {
            Ok(made) => made,
            Err(trouble) => return Err(self.without_instance(trouble)),
        };
        let failure = match made {
            Ok(Some(configs)) if self.shared.view().is_news(&name, &config, &configs) => {
                let error = match self.hand_in(desired, configs).await {
                    // What was changed meanwhile asks for them anew.
                    Ok(()) | Err(HerderError::Stale) => return Ok(()),
                    Err(error) => error,
                };
                let message = format!(
                    "the task configurations of connector {name} could not be stored ({error}); restart the connector when they can be"
                );
                let failure = Failure::new(ErrorKind::Fatal, "", message);
                self.worker.fail_connector(&name, failure.clone());
                failure
            }
            Ok(_) => {
                self.worker.note_of_connector(&name, NOT_STORED, None);
                return Ok(());
            }
            Err(failure) => failure,
        };
        if let Some(connector) = &mut self.running.connector {
            connector.failed = true;
        }
        Err(Trouble::Failed(failure))
    }

    /// Has task configurations written, by the leader of the group if that is another worker.
    async fn hand_in(&mut self, desired: Desired, configs: Vec<ConfigMap>) -> Result<(), HerderError> {
        if self.submission.supersedes() {
            return Ok(());
        }
        let name = self.name.clone();
        let leader = self.shared.place().other_leader().map(str::to_owned);
        if let (Some(url), Some(peers)) = (leader, self.shared.peers.clone()) {
            let key = self.shared.session_key();
            self.submission.start(peers, (name, url), configs, key);
            return Ok(());
        }
        match self.write(Some(desired), Entry::task_set(&name, configs)).await {
            Err(error @ (HerderError::NoLeader | HerderError::Elsewhere { .. })) => {
                self.submission.put_off(name, error);
                Ok(())
            }
            Err(HerderError::NotWritten { message, lasting: false }) => {
                tracing::warn!(
                    connector = name,
                    error = message,
                    "task configurations could not be stored, which is tried again"
                );
                let note = format!("The task configurations could not be stored, which is tried again: {message}");
                self.worker.note_of_connector(&name, NOT_STORED, Some(note));
                self.submission.put_off(name, HerderError::NotWritten { message, lasting: false });
                Ok(())
            }
            Ok(()) => {
                self.submission.taken();
                self.worker.note_of_connector(&name, NOT_STORED, None);
                Ok(())
            }
            refused => refused,
        }
    }

    fn start_task(&mut self, number: u32) {
        let id = self.id(number);
        let of = |view: &View| {
            let (cluster, desired) = (view.cluster(), view.desired(&id.connector)?);
            let start = TaskStart {
                id: id.clone(),
                connector_config: cluster.config(&id.connector)?.clone(),
                task_config: (*cluster.tasks(&id.connector).get(number as usize)?).clone(),
                count: desired.tasks,
                generation: cluster.task_generation(&id.connector),
                target: desired.target,
            };
            Some((start, desired.tasks_generation))
        };
        let Some((start, generation)) = of(&self.shared.view()) else { return };
        let target = start.target;
        self.worker.start_task(start);
        self.running.tasks.insert(number, (generation, target));
    }

    fn id(&self, number: u32) -> TaskId {
        TaskId { connector: self.name.clone(), number }
    }
}

/// Why an action did not come to its end.
enum Trouble {
    /// The connector failed.
    Failed(Failure),
    /// Something else was wanted of the connector.
    GivenUp(Failure),
}

/// What may come while a call into the connector is awaited.
struct Meanwhile {
    mailbox: Arc<Mailbox>,
    shared: Arc<Shared>,
    name: String,
    /// Generation and target that the call is for.
    wanted: (u64, TargetState),
}

impl Meanwhile {
    fn of(mailbox: &Arc<Mailbox>, shared: &Arc<Shared>, name: &str, desired: &Desired) -> Self {
        let wanted = (desired.generation, desired.target);
        Self { mailbox: Arc::clone(mailbox), shared: Arc::clone(shared), name: name.to_owned(), wanted }
    }

    /// Returns when something else is wanted.
    async fn superseded(&self) {
        loop {
            let desired = self.shared.view().desired(&self.name);
            if self.mailbox.interrupts()
                || desired.is_none_or(|desired| (desired.generation, desired.target) != self.wanted)
            {
                return;
            }
            self.mailbox.news().await;
        }
    }

    /// Awaits a call, for at most so long once something else is wanted.
    async fn unless<T>(&self, done: &str, call: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::pin!(call);
        tokio::select! {
            biased;
            value = &mut call => return Ok(value),
            () = self.superseded() => {}
        }
        let Self { name, .. } = self;
        tokio::time::timeout(CONNECTOR_STOP_TIMEOUT, call).await.map_err(|_| {
            let seconds = Duration::as_secs(&CONNECTOR_STOP_TIMEOUT);
            tracing::warn!(connector = name, "the call in which the connector is {done} was given up, since something else is wanted of it and it did not return within {seconds} seconds");
            let message = format!(
                "The call in which connector {name} is {done} was given up: something else was asked of the connector, and the call did not return within {seconds} seconds"
            );
            Trouble::GivenUp(Failure::new(ErrorKind::Fatal, crate::error_policy::CONNECT_EXCEPTION, message))
        })
    }
}
