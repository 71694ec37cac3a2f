//! The herder's loop: an event becomes entries of the config log; what is read back from it, from whomever, changes
//! what is desired, and the connector's caretaker is told. The loop waits for the config log and its group, never for
//! a connector: what answers when something has been done is left with the caretaker.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use millstream_config::ConfigMap;
use millstream_record::ErrorChain;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::Instrument as _;

use super::{
    HerderError, PutConnector, RestartRequest, TargetState,
    caretaker::{Caretaker, Write},
    divide::Weights,
    event::{Event, Reconfigurations, Reply},
    fencing::Fencings,
    group::{Ending, GroupRules, Leaving},
    handle::{Shared, mark_restarting},
    leftovers::Leftovers,
    mailbox::{Mailbox, Settled, Unsettled, Wish},
    rebalances::Rebalances,
};
use crate::{
    config_log::{Change, ConfigLog, Entry, Logged},
    loads::{self, BusyTimes, Loads},
    log_context,
    long_wait::until,
    membership::{Absences, Membership, WorkSet, assignor::Incremental},
    worker::{CONNECTOR_STOP_TIMEOUT, Worker, plugin_of},
};

/// Longest time for a change to be written to the config log and read back, as in Connect.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes of caretakers that may wait for the loop; further ones wait before it.
const WRITES: usize = 16;

/// Time over that which connectors and tasks have to stop, after which a caretaker is abandoned.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Longest time for leaving the group and for what is still on its way to the config log.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for the statuses of what was given up, which others are given then.
const STATUSES_TIMEOUT: Duration = Duration::from_secs(5);

/// Shortest time between two rounds that are asked for because a worker's load has shifted.
const TOLD_AGAIN: Duration = Duration::from_secs(120);

/// See the module's documentation.
pub(super) struct Loop {
    pub(super) shared: Arc<Shared>,
    /// Makes the worker of one more caretaker.
    workers: Box<dyn Fn() -> Worker + Send>,
    /// Time that tasks have to stop.
    shutdown_timeout: Duration,
    pub(super) log: Box<dyn ConfigLog>,
    pub(super) membership: Box<dyn Membership>,
    /// Set for a worker in a group.
    pub(super) group: Option<GroupRules>,
    pub(super) rebalances: Rebalances,
    /// What it remembers of the rounds that it led.
    pub(super) assignor: Incremental,
    /// What waits for members that have said that they leave, and whether all members understand that.
    pub(super) absences: Absences,
    pub(super) among_ours: bool,
    /// How busy its tasks are, and when it looks again.
    busy: BusyTimes,
    pub(super) loads: Loads,
    pub(super) look_due: Option<Instant>,
    pub(super) told_at: Instant,
    /// What a leader knows of the loads of all, and when tasks may change places for them.
    pub(super) weights: Weights,
    /// Set once it is to end, while it tells its group.
    pub(super) leaving: Option<Leaving>,
    /// What nobody was given in the last of them, and who was a member.
    pub(super) lost: WorkSet,
    pub(super) members: BTreeSet<String>,
    /// From where the assignor's time counts.
    pub(super) began: Instant,
    /// Whether a round of the group is under way, and whether another one is needed, or will be.
    pub(super) joining: bool,
    pub(super) rejoin: bool,
    pub(super) rejoin_due: Option<Instant>,
    /// Ends when what others may be given runs here no more, and its statuses are written.
    pub(super) giving_up: Option<BoxFuture<'static, ()>>,
    /// How often in a row this worker could not read what others had read.
    pub(super) behind: u32,
    /// When a new session key is due, of a leader.
    pub(super) key_due: Option<Instant>,
    /// When a leader takes its place in the config log again, after a write that failed.
    pub(super) lead_due: Option<Instant>,
    reconfigurations: Arc<Reconfigurations>,
    /// Rounds of fencing that are under way.
    pub(super) fencings: Fencings,
    /// What is done about tasks that have ended with their worker.
    pub(super) leftovers: Leftovers,
    /// Who looks after the connectors that run, or are to run.
    pub(super) charges: BTreeMap<String, Arc<Mailbox>>,
    caretakers: JoinSet<String>,
    /// Where caretakers ask for entries; each waits for its answer, so that there is at most one of each.
    asked: mpsc::Receiver<Write>,
    ask: mpsc::Sender<Write>,
    /// Connectors about which something was read, and that may not be as desired.
    pub(super) due: BTreeSet<String>,
    /// Restarts that were read and not yet passed on.
    pub(super) restarts: VecDeque<(String, RestartRequest)>,
}

impl Loop {
    /// `workers` makes one for each connector; the time beside it is what all of them have to end.
    pub(super) fn new(
        shared: Arc<Shared>,
        (workers, shutdown_timeout): (Box<dyn Fn() -> Worker + Send>, Duration),
        log: Box<dyn ConfigLog>,
        membership: Box<dyn Membership>,
        group: Option<GroupRules>,
        (rebalances, busy): (Rebalances, BusyTimes),
        reconfigurations: Arc<Reconfigurations>,
    ) -> Self {
        let (ask, asked) = mpsc::channel(WRITES);
        let is_member = group.is_some();
        Self {
            shared,
            workers,
            shutdown_timeout,
            log,
            membership,
            group,
            rebalances,
            assignor: Incremental::default(),
            absences: Absences::default(),
            among_ours: false,
            busy,
            loads: Loads::default(),
            look_due: is_member.then(|| Instant::now() + loads::INTERVAL),
            told_at: Instant::now(),
            weights: Weights::default(),
            leaving: None,
            lost: WorkSet::default(),
            members: BTreeSet::new(),
            began: Instant::now(),
            joining: false,
            rejoin: false,
            rejoin_due: None,
            giving_up: None,
            behind: 0,
            key_due: None,
            lead_due: None,
            reconfigurations,
            fencings: Fencings::default(),
            leftovers: Leftovers::default(),
            charges: BTreeMap::new(),
            caretakers: JoinSet::new(),
            asked,
            ask,
            due: BTreeSet::new(),
            restarts: VecDeque::new(),
        }
    }

    /// Runs until it is told to shut down, or nobody is left who could tell it anything, or its group fails.
    pub(super) async fn run(mut self, requests: &mut mpsc::Receiver<Event>) {
        let mut ending = self.begin(requests).await;
        while ending.is_none() {
            let (key_due, lead_due) = (until(self.key_due), until(self.lead_due));
            let (rejoin_due, look_due) = (until(self.rejoin_due), until(self.look_due));
            let leaving_due = until(self.leaving.as_ref().map(|leaving| leaving.due));
            tokio::select! {
                biased;
                event = requests.recv() => match event {
                    Some(Event::Shutdown { reply }) => ending = self.shut_down(reply),
                    Some(event) if self.is_member() => {
                        self.shared.does(Some(event.describe()));
                        self.handle(event).await;
                        self.follow();
                        self.shared.does(None);
                    }
                    Some(event) => event.refuse(HerderError::NoLeader),
                    None => ending = Some(Ending::Asked(None)),
                },
                event = self.membership.next() => ending = self.member(event).await,
                (name, fenced) = self.fencings.next() => {
                    self.fenced(name, fenced).await;
                    self.follow();
                }
                Some(ended) = self.caretakers.join_next() => self.caretaker_ended(ended),
                Some(write) = self.asked.recv() => {
                    self.shared.does(Some(format!("storing the task configurations of connector {}", write.name)));
                    self.write_for(write).await;
                    self.follow();
                    self.shared.does(None);
                }
                name = self.reconfigurations.next() => {
                    self.reconfigure(&name);
                    self.follow();
                }
                logged = self.log.next() => {
                    self.take(logged);
                    self.follow();
                }
                heard = self.shared.statuses.heard_of_others() => {
                    heard.iter().for_each(|of| self.shared.statuses.repeat(of));
                }
                () = given_up(&mut self.giving_up) => self.giving_up = None,
                () = key_due => self.renew_session_key().await,
                () = lead_due => self.lead_again().await,
                () = rejoin_due => self.rejoin_is_due(),
                () = leaving_due => ending = self.goes(),
                () = look_due => self.look_at_loads(),
            }
            self.join_if_needed();
        }
        self.stop_all(HerderError::ShuttingDown).await;
        // Dropping what still waits answers it with `ShuttingDown`, or with the reason why it has broken.
        if let Some(Ending::Failed(reason)) = &ending {
            tracing::error!("the worker ends: {reason}");
            self.shared.broken.send_replace(Some(reason.clone()));
        }
        requests.close();
        if self.is_member() {
            // As long as nobody else has what it is about.
            self.shared.statuses.written(STATUSES_TIMEOUT).await;
        }
        self.membership.leave(LEAVE_TIMEOUT).await;
        self.log.close(LEAVE_TIMEOUT).await;
        if let Some(Ending::Asked(Some(reply))) = ending {
            answer(reply, Ok(()));
        }
    }

    /// Measures how busy tasks are. Where that has shifted for good the group is to hear of it, which divides anew then; no
    /// task is touched by that alone.
    fn look_at_loads(&mut self) {
        let now = Instant::now();
        self.look_due = Some(now + loads::INTERVAL);
        self.loads.look(now - self.began, self.busy.so_far());
        if self.among_ours && self.is_member() && self.loads.has_shifted() && self.told_at + TOLD_AGAIN <= now {
            self.rejoin = true;
        }
    }

    async fn handle(&mut self, event: Event) {
        if let Some(name) = event.connector()
            && let Some(mailbox) = self.charges.get(name)
            && !mailbox.has_room()
        {
            let message = format!("Too many requests wait for connector {name}: ask again later, or restart it");
            return event.refuse(HerderError::failed(message));
        }
        match event {
            Event::Put { name, config, initial, replace, based_on, reply } => {
                if let Err(error) = self.leads() {
                    return answer(reply, Err(error));
                }
                if based_on.is_some_and(|before| self.shared.view().cluster().config(&name) != Some(&before)) {
                    return answer(reply, Err(HerderError::Stale));
                }
                self.put(&name, config, initial, replace, reply).await;
            }
            Event::PutTaskConfigs { name, tasks, reply } => {
                answer(reply, self.put_task_configs(&name, tasks).await);
            }
            Event::Delete { name, reply } => self.delete(&name, reply).await,
            Event::SetTarget { name, target, reply } => self.set_target(&name, target, reply).await,
            Event::RestartConnector { name, reply } => self.restart_connector(&name, reply),
            Event::Restart { name, request, reply } => self.restart(&name, request, reply).await,
            Event::RestartTask { name, number, reply } => self.restart_task(&name, number, reply),
            Event::SetLogLevel { logger, level, reply } => {
                answer(reply, self.write(vec![Entry::LoggerLevel { logger, level }]).await)
            }
            Event::LendOffsets { name, reply } => self.lend_offsets(&name, reply).await,
            Event::Fence { name, reply } => self.fence(name, reply).await,
            Event::IsCurrent { name, generation, reply } => {
                let current = self.is_current(&name, generation).await;
                answer(reply, current);
            }
            Event::Claim { name, claim, above, reply } => {
                let epoch = self.claim(name, claim, above).await;
                answer(reply, epoch);
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
    /// They could not be written, or did not come back in time; in the latter case they take effect when they do. A worker
    /// whose group may have gone on without it, as after it stood still, writes nothing: who asks it then is told that
    /// there is no leader, and the rightful one is shut out by nobody.
    pub(super) async fn write(&mut self, entries: Vec<Entry>) -> Result<(), HerderError> {
        if !self.membership.session().is_open() {
            return Err(HerderError::NoLeader);
        }
        let written = match tokio::time::timeout(WRITE_TIMEOUT, self.write_and_read(entries)).await {
            Ok(written) => written,
            Err(_) => {
                let message = format!(
                    "what was asked has not come back from the config log within {} seconds: it may still take effect, so look before you ask again",
                    WRITE_TIMEOUT.as_secs()
                );
                Err(HerderError::NotWritten { message, lasting: false })
            }
        };
        if written.is_err() {
            self.write_failed();
        }
        written
    }

    /// Dropping the future loses nothing that was read.
    async fn write_and_read(&mut self, entries: Vec<Entry>) -> Result<(), HerderError> {
        let last = self.log.append(entries).await.map_err(|error| HerderError::NotWritten {
            message: ErrorChain(&error).to_string(),
            lasting: error.lasting,
        })?;
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
        let was_known = matches!(&logged.entry, Entry::Connector { name, .. } if self.knows(name));
        let change = self.shared.view().take(logged);
        self.rejoin |= match &change {
            // Of one that has been there before, everything stays where it is.
            Some(Change::ConnectorUpdated(_)) => !was_known,
            Some(Change::ConnectorRemoved(_) | Change::TasksUpdated { .. }) => true,
            _ => false,
        };
        match change {
            Some(Change::ConnectorUpdated(name)) => {
                let config = self.config(&name).unwrap_or_default();
                let found = plugin_of(self.shared.plugins.as_ref(), &config).ok();
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

    /// Passes on what is due to those who look after it.
    pub(super) fn follow(&mut self) {
        if !self.is_member() {
            // What this worker may not run, it does not want; of what is gone nothing is said any more.
            self.restarts.clear();
            for name in std::mem::take(&mut self.due).into_iter().filter(|name| !self.knows(name)) {
                self.shared.statuses.remove(&name);
                (self.shared.gone)(&name);
            }
            return;
        }
        for name in std::mem::take(&mut self.due) {
            if self.charges.get(&name).is_some_and(|mailbox| mailbox.due()) {
                continue;
            }
            self.charges.remove(&name);
            let (desired, owned) = self.shared.wanted(&name);
            if desired.is_none() {
                if self.leads().is_ok() {
                    self.shared.statuses.remove(&name);
                }
                (self.shared.gone)(&name);
            } else if !owned.is_nothing() {
                self.charge(&name).due();
            }
        }
        while let Some((name, request)) = self.restarts.pop_front() {
            // Whoever has nothing of it has nothing to restart.
            if self.charges.contains_key(&name) {
                self.wish(&name, Wish::Restart(request));
            }
        }
    }

    /// Has stopped what is not this worker's any more; [`Self::giving_up`] ends when that is done.
    pub(super) fn give_up(&mut self, names: &BTreeSet<&str>) {
        let (held, mut released) = mpsc::channel::<Infallible>(1);
        for (_, mailbox) in self.charges.iter().filter(|(name, _)| names.contains(&***name)) {
            // Of a caretaker that is gone nothing runs.
            drop(mailbox.wish(Wish::GiveUp(held.clone())));
        }
        let (before, statuses) = (self.giving_up.take(), self.shared.statuses.clone());
        drop(held);
        let given_up = async move {
            if let Some(before) = before {
                before.await;
            }
            while released.recv().await.is_some() {}
            statuses.written(STATUSES_TIMEOUT).await;
        };
        self.giving_up = Some(given_up.boxed());
    }

    /// Whether this worker may run anything, and change anything.
    pub(super) fn is_member(&self) -> bool {
        self.shared.place().member
    }

    /// Whether what only the leader does is to be done here.
    pub(super) fn leads(&self) -> Result<(), HerderError> {
        self.shared.place().leader()
    }

    /// The caretaker of a connector, which may be a new one.
    fn charge(&mut self, name: &str) -> &Mailbox {
        self.charges.entry(name.to_owned()).or_insert_with(|| {
            let (shared, ask) = (Arc::clone(&self.shared), self.ask.clone());
            let (caretaker, mailbox) = Caretaker::new(shared, (self.workers)(), name, self.group.is_some(), ask);
            self.caretakers.spawn(caretaker.run().instrument(log_context::of_connector(name)));
            mailbox
        })
    }

    fn wish(&mut self, name: &str, wish: Wish) {
        if let Err(wish) = self.charge(name).wish(wish) {
            // It went when there was nothing left to do.
            self.charges.remove(name);
            let taken = self.charge(name).wish(wish);
            debug_assert!(taken.is_ok(), "a new caretaker takes wishes");
        }
    }

    fn caretaker_ended(&mut self, ended: Result<String, JoinError>) {
        match ended {
            Ok(name) => self.charges.retain(|known, mailbox| *known != name || !mailbox.is_closed()),
            Err(error) => {
                // Over a connector whose state nobody knows any more the whole worker breaks.
                if let Ok(panic) = error.try_into_panic() {
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }

    async fn write_for(&mut self, write: Write) {
        let Write { name, desired, entries, reply } = write;
        let now = self.shared.view().desired(&name);
        let is_same = |wanted: &super::Desired| {
            now.is_some_and(|now| (now.generation, now.target) == (wanted.generation, wanted.target))
        };
        if desired.as_ref().is_some_and(|wanted| !is_same(wanted)) {
            return answer(reply, Err(HerderError::Stale));
        }
        let written = match self.leads() {
            Ok(()) => self.write(entries).await,
            Err(error) => Err(error),
        };
        answer(reply, written);
    }

    /// Stops everything at the same time, and waits for it no longer than connectors and tasks have for it.
    pub(super) async fn stop_all(&mut self, reason: HerderError) {
        self.fencings.refuse_all(&reason);
        for mailbox in std::mem::take(&mut self.charges).into_values() {
            mailbox.end(reason.clone());
        }
        // A call that is under way and a call to stop, then the tasks.
        let deadline = Instant::now() + 2 * CONNECTOR_STOP_TIMEOUT + self.shutdown_timeout + STOP_GRACE;
        loop {
            tokio::select! {
                biased;
                ended = self.caretakers.join_next() => match ended {
                    Some(ended) => self.caretaker_ended(ended),
                    None => return,
                },
                Some(write) = self.asked.recv() => answer(write.reply, Err(reason.clone())),
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
        tracing::error!(connectors = self.caretakers.len(), "connectors did not stop in time and are abandoned");
        self.caretakers.shutdown().await;
    }

    async fn put(
        &mut self,
        name: &str,
        config: ConfigMap,
        initial: TargetState,
        replace: bool,
        reply: Reply<PutConnector>,
    ) {
        let created = !self.knows(name);
        if !created && !replace {
            return answer(reply, Err(HerderError::AlreadyExists(format!("Connector {name} already exists"))));
        }
        let mut entries = Vec::new();
        if created && initial != TargetState::default() {
            // Before the configuration, so that nobody starts what is to wait.
            entries.push(Entry::Target { name: name.to_owned(), target: Some(initial) });
        }
        entries.push(Entry::Connector { name: name.to_owned(), config: Some(config) });
        if let Err(error) = self.write(entries).await {
            return answer(reply, Err(error));
        }
        let (shared, of) = (Arc::clone(&self.shared), name.to_owned());
        // What was written was done, even if somebody deletes it before it runs.
        let written = shared.info(name);
        let put = move || {
            let info = shared.info(&of).or(written).ok_or_else(|| HerderError::no_connector(&of))?;
            Ok(PutConnector { created, info })
        };
        // In a group it is started after the answer, by whom it falls to.
        if self.group.is_some() {
            return answer(reply, put());
        }
        let message = format!("Failed to transition connector {name} to state {}", initial.name());
        self.settle(name, message, reply, put);
    }

    /// Answers when a connector is as desired.
    fn settle<T: Send + 'static>(
        &mut self,
        name: &str,
        failed: String,
        reply: Reply<T>,
        then: impl FnOnce() -> Result<T, HerderError> + Send + 'static,
    ) {
        self.wish(name, Wish::Settle(settled(failed, reply, then)));
    }

    async fn delete(&mut self, name: &str, reply: Reply<()>) {
        if let Err(error) = self.leads() {
            return answer(reply, Err(error));
        }
        if !self.knows(name) {
            return answer(reply, Err(HerderError::no_connector(name)));
        }
        let written = self
            .write(vec![
                Entry::Connector { name: name.to_owned(), config: None },
                Entry::Target { name: name.to_owned(), target: None },
            ])
            .await;
        self.answer_when_done(name, written, reply);
    }

    /// Answers, of a worker by itself, when what was written has been done. Nothing is started that could fail.
    fn answer_when_done(&mut self, name: &str, written: Result<(), HerderError>, reply: Reply<()>) {
        if written.is_err() || self.group.is_some() {
            return answer(reply, written);
        }
        let done: Settled = Box::new(move |_| answer(reply, Ok(())));
        self.wish(name, Wish::Settle(done));
    }

    /// Pausing and resuming is answered at once, stopping, of a worker by itself, when everything has stopped.
    async fn set_target(&mut self, name: &str, target: TargetState, reply: Reply<()>) {
        if !self.knows(name) {
            return answer(reply, Err(HerderError::unknown_connector(name)));
        }
        let mut entries = vec![Entry::Target { name: name.to_owned(), target: Some(target) }];
        if target == TargetState::Stopped {
            if let Err(error) = self.leads() {
                return answer(reply, Err(error));
            }
            entries.insert(0, Entry::Commit { name: name.to_owned(), tasks: Some(0) });
        }
        let written = self.write(entries).await;
        if target == TargetState::Stopped {
            self.answer_when_done(name, written, reply);
        } else {
            answer(reply, written);
        }
    }

    fn restart_connector(&mut self, name: &str, reply: Reply<()>) {
        if !self.knows(name) {
            return answer(reply, Err(HerderError::no_connector(name)));
        }
        if let Err(error) = self.shared.place().owner(name, None) {
            return answer(reply, Err(error));
        }
        let settled = settled(format!("Failed to start connector: {name}"), reply, || Ok(()));
        self.wish(name, Wish::RestartInstance(settled));
    }

    /// What was asked for before has been done when this is answered: tasks that end have written their last offsets.
    async fn lend_offsets(&mut self, name: &str, reply: Reply<ConfigMap>) {
        if let Err(error) = self.leads() {
            return answer(reply, Err(error));
        }
        if self.group.is_some() {
            self.catch_up().await;
            self.follow();
        }
        let lent = {
            let view = self.shared.view();
            let is_stopped = view.cluster().target(name) == Some(TargetState::Stopped);
            let config = view.cluster().config(name).cloned().ok_or_else(|| HerderError::no_connector(name));
            config.and_then(|config| {
                if is_stopped && view.cluster().task_count(name) == 0 {
                    return Ok(config);
                }
                Err(HerderError::BadRequest(format!(
                    "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
                )))
            })
        };
        match lent {
            Ok(config) if self.is_member() => {
                // A connector that does not stop cleanly has no tasks any more all the same.
                self.wish(name, Wish::Settle(Box::new(move |_| answer(reply, Ok(config)))));
            }
            lent => answer(reply, lent),
        }
    }

    async fn restart(&mut self, name: &str, request: RestartRequest, reply: Reply<super::ConnectorStatus>) {
        if let Err(error) = self.leads() {
            return answer(reply, Err(error));
        }
        if !self.knows(name) {
            return answer(reply, Err(HerderError::NotFound(format!("Unknown connector: {name}"))));
        }
        let Some(status) = self.shared.status(name) else {
            return answer(reply, Err(HerderError::NotFound(format!("Status for connector {name} not found"))));
        };
        let (status, _) = mark_restarting(status, request);
        let RestartRequest { include_tasks, only_failed } = request;
        if let Err(error) = self.write(vec![Entry::Restart { name: name.to_owned(), include_tasks, only_failed }]).await
        {
            return answer(reply, Err(error));
        }
        // What was read comes before the answer.
        self.follow();
        // What fails says so in its status.
        self.wish(name, Wish::Settle(Box::new(move |_| answer(reply, Ok(status)))));
    }

    fn restart_task(&mut self, name: &str, number: u32, reply: Reply<()>) {
        // Workers of a group have other words for it in Connect.
        let in_group = self.group.is_some();
        let Some(desired) = self.shared.view().desired(name) else {
            let unknown = HerderError::NotFound(format!("Unknown connector: {name}"));
            return answer(reply, Err(if in_group { unknown } else { HerderError::no_connector(name) }));
        };
        if desired.tasks <= number {
            let task = format!("{name}-{number}");
            let message = if in_group { format!("Unknown task: {task}") } else { format!("Task {task} not found") };
            return answer(reply, Err(HerderError::NotFound(message)));
        }
        if let Err(error) = self.shared.place().owner(name, Some(number)) {
            return answer(reply, Err(error));
        }
        let settled = settled(format!("Failed to start task: {name}-{number}"), reply, || Ok(()));
        self.wish(name, Wish::RestartTask(number, settled));
    }

    fn reconfigure(&mut self, name: &str) {
        if self.shared.view().want_task_configs(name, true) {
            self.due.insert(name.to_owned());
        }
    }
}

/// Waits for what is being given up; for ever if nothing is.
async fn given_up(giving_up: &mut Option<BoxFuture<'static, ()>>) {
    match giving_up {
        Some(giving_up) => giving_up.await,
        None => std::future::pending().await,
    }
}

/// Answers when a wish has been granted, with what `then` finds.
fn settled<T: Send + 'static>(
    failed: String,
    reply: Reply<T>,
    then: impl FnOnce() -> Result<T, HerderError> + Send + 'static,
) -> Settled {
    Box::new(move |result| {
        answer(
            reply,
            match result {
                Ok(()) => then(),
                Err(Unsettled::Failed(failure)) => Err(HerderError::caused(failed, failure)),
                Err(Unsettled::Ended(error)) => Err(error),
            },
        );
    })
}

/// Answers; the asker may have gone away.
pub(super) fn answer<T>(reply: Reply<T>, result: Result<T, HerderError>) {
    let _ = reply.send(result);
}
