//! The herder as a member of a group: how it begins, and what an event of its membership means.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use millstream_config::ConfigMap;
use millstream_record::ErrorChain;
use tokio::{sync::mpsc, time::Instant};

use super::{
    HerderError, Peers, TargetState,
    event::{Event, Reply},
    run::Loop,
};
use crate::{
    config_log::Entry,
    membership::{Assigned, MembershipEvent, OwnState, WorkSet},
};

/// Wait before the config log is asked for its end again.
const CATCH_UP_RETRY: Duration = Duration::from_secs(1);

/// Wait before members join again that disagreed about how much there is in the config log.
const MISMATCH_RETRY: Duration = Duration::from_millis(100);

/// Wait before a leader takes its place in the config log again, after a write that failed; Connect's.
const LEAD_AGAIN: Duration = Duration::from_millis(250);

/// Wait before it tries that again.
const LEAD_RETRY: Duration = Duration::from_secs(5);

/// How often a worker joins again over that before it stops what it runs.
const CATCH_UP_TRIES: u32 = 5;

/// How long work of a worker that was stopped waits for it in a group of ours, unless
/// `scheduled.rebalance.max.delay.ms` says otherwise: as long as a restart takes.
const RESTART_WAIT: Duration = Duration::from_secs(10);

/// Longest wait for the others to take note that this worker leaves.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(5);

/// Gives so many bytes that nobody can guess.
pub type SecretSource = dyn Fn(usize) -> Vec<u8> + Send + Sync;

/// What a worker in a group has to keep to.
#[derive(Clone)]
pub struct GroupRules {
    /// Algorithm that session keys are made for (`inter.worker.key.generation.algorithm`).
    pub key_algorithm: String,
    /// Bits of a session key (`inter.worker.key.size`); the algorithm's own unless set.
    pub key_bits: Option<u32>,
    /// Life of a session key (`inter.worker.key.ttl.ms`); zero for ever.
    pub key_ttl: Duration,
    /// Longest time for reading what others wrote before work is divided (`worker.sync.timeout.ms`).
    pub sync_timeout: Duration,
    /// How long work waits for a worker that has gone (`scheduled.rebalance.max.delay.ms`), if that is set. Otherwise it
    /// does not, in a group of ours alone, and for Connect's five minutes where a Kafka Connect is a member.
    pub max_delay: Option<Duration>,
    /// Where secrets come from.
    pub secrets: Arc<SecretSource>,
    /// The way to other workers.
    pub peers: Arc<dyn Peers>,
}

impl GroupRules {
    /// How long work of a worker that was stopped, and has said so, waits for it in a group of ours.
    pub(super) fn restart_wait(&self) -> Duration {
        self.max_delay.unwrap_or(RESTART_WAIT)
    }
}

/// A worker that was told to end, and tells its group before.
pub(super) struct Leaving {
    reply: Reply<()>,
    /// When it goes whether the group has heard of it or not.
    pub(super) due: Instant,
    /// Whether the round that is under way is the one in which it says so.
    said: bool,
}

/// Why the loop ends.
pub(super) enum Ending {
    /// Somebody asked, and may want to hear of it.
    Asked(Option<Reply<()>>),
    /// The group is of no use any more. Inside: why.
    Failed(String),
}

impl Loop {
    /// Reads the config log to its end and joins the group. Requests are answered meanwhile.
    pub(super) async fn begin(&mut self, requests: &mut mpsc::Receiver<Event>) -> Option<Ending> {
        self.shared.does(Some("reading the config log".to_owned()));
        loop {
            let caught_up = tokio::select! {
                biased;
                caught_up = self.log.catch_up() => caught_up,
                ending = refuse_all(requests) => return Some(ending),
            };
            match caught_up {
                Ok(entries) => {
                    // Levels of loggers count for workers that run when they are set.
                    let lasting =
                        entries.into_iter().filter(|logged| !matches!(logged.entry, Entry::LoggerLevel { .. }));
                    lasting.for_each(|logged| self.take(logged));
                    break;
                }
                Err(error) => {
                    tracing::warn!(error = %ErrorChain(&error), "the config log cannot be read yet, and is read again");
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(CATCH_UP_RETRY) => {}
                        ending = refuse_all(requests) => return Some(ending),
                    }
                }
            }
        }
        // What somebody wanted while this worker did not run concerns nothing that runs.
        self.restarts.clear();
        self.shared.informed.store(true, Ordering::Release);
        self.shared.does(self.group.is_some().then(|| "joining its group".to_owned()));
        self.join();
        if self.group.is_some() {
            return None;
        }
        let event = self.membership.next().await;
        self.member(event).await
    }

    /// Joins, with what it holds.
    fn join(&mut self) {
        self.rejoin = false;
        self.rejoin_due = None;
        self.joining = true;
        let holds = self.shared.place().work().clone();
        if let Some(leaving) = &mut self.leaving {
            leaving.said = true;
        }
        self.told_at = Instant::now();
        let own = OwnState { leaving: self.leaving.is_some(), loads: self.loads.tell() };
        self.membership.join(self.log.offset(), &holds, own);
    }

    /// Is to end. A member of a group of ours says so first, so that its work can wait for it.
    pub(super) fn shut_down(&mut self, reply: Reply<()>) -> Option<Ending> {
        let wait = self.group.as_ref().map_or(Duration::ZERO, GroupRules::restart_wait);
        let alone = self.shared.place().leads_group() && self.members.len() <= 1;
        if !self.is_member() || !self.among_ours || alone || wait.is_zero() {
            return Some(Ending::Asked(Some(reply)));
        }
        self.shared.does(Some("telling its group that it leaves".to_owned()));
        self.leaving = Some(Leaving { reply, due: Instant::now() + ANNOUNCE_TIMEOUT, said: false });
        self.rejoin = true;
        None
    }

    /// Goes, since the group has heard of it, or has had its time.
    pub(super) fn goes(&mut self) -> Option<Ending> {
        self.leaving.take().map(|leaving| Ending::Asked(Some(leaving.reply)))
    }

    /// Joins again if work has to be divided anew. A round that is under way decides about what was said when it began:
    /// there is another one behind it. Nobody is given what is still being stopped here, and before an eager round that is
    /// everything.
    pub(super) fn join_if_needed(&mut self) {
        if !self.rejoin || self.joining || self.group.is_none() || !self.is_member() {
            return;
        }
        let is_eager = self.shared.place().is_eager();
        if is_eager {
            self.give_up_work();
        }
        if self.giving_up.is_none() {
            self.join();
        }
    }

    /// Stops everything, and stays a member.
    fn give_up_work(&mut self) {
        let work = self.shared.place().give_up();
        if !work.is_empty() {
            self.give_up(&work.names());
        }
    }

    /// Joins again because a time has come.
    pub(super) fn rejoin_is_due(&mut self) {
        self.rejoin_due = None;
        self.rejoin = true;
        if !self.is_member() && !self.joining {
            // It has never been told anything, and runs nothing.
            self.join();
        }
    }

    pub(super) async fn member(&mut self, event: MembershipEvent) -> Option<Ending> {
        match event {
            MembershipEvent::Elected { id, generation, version, members } => {
                self.divide(&id, generation, version, &members).await;
            }
            MembershipEvent::Assigned(assigned) => {
                let said = self.leaving.as_ref().is_some_and(|leaving| leaving.said);
                self.assigned(assigned).await;
                if said {
                    return self.goes();
                }
            }
            // One that came before the round that is under way is part of that.
            MembershipEvent::RebalanceNeeded => self.rejoin |= !self.joining,
            MembershipEvent::Lost(_) if self.leaving.is_some() => return self.goes(),
            MembershipEvent::Lost(reason) => {
                tracing::warn!("everything is stopped until the worker is back in its group: {reason}");
                self.give_up_all().await;
                self.join();
            }
            MembershipEvent::Failed(reason) => return Some(Ending::Failed(reason)),
        }
        None
    }

    /// Stops everything, since it may run elsewhere.
    async fn give_up_all(&mut self) {
        self.shared.place().lose();
        self.shared.moved.notify_waiters();
        self.log.follow();
        (self.key_due, self.lead_due) = (None, None);
        self.stop_all(HerderError::NoLeader).await;
        self.shared.statuses.forget_waiting();
        self.giving_up = None;
    }

    /// Reads what others wrote, for as long as a worker has for it.
    pub(super) async fn catch_up(&mut self) {
        let limit = self.group.as_ref().map_or(CATCH_UP_RETRY, |rules| rules.sync_timeout);
        match tokio::time::timeout(limit, self.log.catch_up()).await {
            Ok(Ok(entries)) => entries.into_iter().for_each(|logged| self.take(logged)),
            Ok(Err(error)) => tracing::warn!(error = %ErrorChain(&error), "the config log cannot be read to its end"),
            Err(_) => tracing::warn!("reading the config log took longer than worker.sync.timeout.ms"),
        }
    }

    async fn assigned(&mut self, assigned: Assigned) {
        self.joining = false;
        let began = self.rebalances.begins(&assigned);
        self.shared.statuses.set_generation(assigned.generation);
        self.shared.statuses.repeat_all();
        let work = &assigned.work;
        if work.error != 0 {
            self.catch_up().await;
            // Not at once: whoever has read more than there is would make this an endless hurry.
            self.rejoin_due = Some(Instant::now() + MISMATCH_RETRY);
            return;
        }
        if let Some(own) = &work.own {
            self.absences.learn(self.now_ms(), &own.away);
        }
        self.among_ours = work.own.is_some();
        let was_member = self.is_member();
        let revoked = self.take_place(&assigned);
        if !revoked.is_empty() {
            // Before others hear that they may begin it.
            self.give_up(&revoked.names());
        }
        if self.log.offset() < work.offset {
            self.catch_up().await;
        }
        if self.log.offset() < work.offset {
            self.follow();
            return self.fall_behind();
        }
        self.behind = 0;
        if self.shared.place().leads_group() {
            self.lead().await;
        } else {
            self.log.follow();
            self.lead_due = None;
        }
        let known: Vec<String> = self.shared.view().cluster().connectors().map(str::to_owned).collect();
        if self.shared.place().leads_group() {
            self.dismiss_leftovers(&known);
            self.forget_statuses(&known);
            self.show_lost();
        }
        self.due.extend(known);
        if !was_member {
            self.shared.does(Some("starting connectors and tasks".to_owned()));
        }
        self.renew_session_key().await;
        if self.group.is_some() {
            self.shared.ready.store(true, Ordering::Release);
        }
        self.follow();
        self.shared.does(None);
        self.rebalances.ends(began);
        if 0 < work.delay_ms {
            self.rejoin_due = Instant::now().checked_add(Duration::from_millis(work.delay_ms.unsigned_abs().into()));
        }
        // What was given up can be given to others then.
        self.rejoin |= !work.revoked.is_empty();
    }

    /// Takes the leader's place in the config log, and reads what was uncertain before.
    async fn lead(&mut self) {
        self.lead_due = None;
        match self.log.lead().await {
            // A change that its predecessor was about to write, or this worker before, is there by now, or never.
            Ok(true) => self.catch_up().await,
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(error = %ErrorChain(&error), "this worker cannot write to the config log as the leader of its group yet, and tries again");
                self.lead_due = Some(Instant::now() + LEAD_RETRY);
            }
        }
    }

    /// A change was not written, or nobody knows. What a leader's transaction holds back nobody reads until it is ended,
    /// which its next one does.
    pub(super) fn write_failed(&mut self) {
        if self.shared.place().leads_group() {
            self.lead_due = Some(Instant::now() + LEAD_AGAIN);
        }
    }

    pub(super) async fn lead_again(&mut self) {
        self.lead_due = None;
        if !self.shared.place().leads_group() {
            return;
        }
        if !self.membership.session().is_open() {
            // It would shut out whoever leads by now.
            self.lead_due = Some(Instant::now() + LEAD_AGAIN);
            return;
        }
        self.lead().await;
        self.follow();
    }

    /// Takes what the leader decided, and says what is to be given up.
    fn take_place(&mut self, assigned: &Assigned) -> WorkSet {
        let mut place = self.shared.place();
        let revoked = place.take(assigned);
        self.shared.moved.notify_waiters();
        if self.group.is_some() {
            tracing::info!(
                generation = assigned.generation,
                leader = assigned.work.leader_url,
                delay_ms = assigned.work.delay_ms,
                "this worker is a member of its group with {} connector(s) and {} task(s)",
                place.work().connectors.len(),
                place.work().tasks.len(),
            );
        }
        revoked
    }

    /// Work was divided by a state of the config log that this worker does not have.
    fn fall_behind(&mut self) {
        self.behind += 1;
        if self.behind == CATCH_UP_TRIES {
            tracing::warn!("everything is stopped, since the config log cannot be read to where work was divided");
            self.give_up_work();
        }
        self.rejoin_due = Some(Instant::now() + CATCH_UP_RETRY);
    }

    /// Does, as the leader, what another worker hands in.
    pub(super) async fn put_task_configs(&mut self, name: &str, tasks: Vec<ConfigMap>) -> Result<(), HerderError> {
        self.leads()?;
        let target = self.shared.view().cluster().target(name);
        if !self.shared.view().knows(name) {
            return Err(HerderError::no_connector(name));
        }
        if target == Some(TargetState::Stopped) && !tasks.is_empty() {
            return Err(HerderError::BadRequest(format!(
                "Cannot submit non-empty set of task configs for stopped connector {name}"
            )));
        }
        self.write(Entry::task_set(name, tasks)).await
    }
}

/// Answers requests that nothing can be done about. Returns when the loop has to end.
async fn refuse_all(requests: &mut mpsc::Receiver<Event>) -> Ending {
    loop {
        match requests.recv().await {
            Some(Event::Shutdown { reply }) => return Ending::Asked(Some(reply)),
            Some(event) => event.refuse(HerderError::NoLeader),
            None => return Ending::Asked(None),
        }
    }
}
