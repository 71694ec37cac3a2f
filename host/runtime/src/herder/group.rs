//! The herder as a member of a group: how it begins, what an event of its membership means, and the session key.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use millstream_config::ConfigMap;
use millstream_connector::TaskId;
use millstream_record::{ErrorChain, Timestamp};
use tokio::{sync::mpsc, time::Instant};

use super::{
    HerderError, Peers, TargetState,
    event::{Event, Reply},
    run::Loop,
};
use crate::{
    config_log::{Entry, SessionKey},
    membership::{
        Assigned, ConnectVersion, Member, MembershipEvent, WorkAssignment, WorkSet,
        assignor::{Decision, Generations, Part, eager},
    },
};

/// Wait before the config log is asked for its end again.
const CATCH_UP_RETRY: Duration = Duration::from_secs(1);

/// Wait before a session key is written again that could not be.
const KEY_RETRY: Duration = Duration::from_secs(10);

/// How often a worker tries that before it stops what it runs.
const CATCH_UP_TRIES: u32 = 5;

/// How long Connect waits for a worker that has gone, unless told otherwise.
const CONNECTS_DELAY: Duration = Duration::from_secs(300);

/// Members disagree about the config log.
const CONFIG_MISMATCH: i16 = 1;

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
    /// Bytes of a session key: those that Java's generators make.
    fn key_len(&self) -> usize {
        let own = match self.key_algorithm.to_ascii_uppercase().as_str() {
            "HMACSHA1" | "HMACMD5" | "HMACSHA512" => 64,
            "HMACSHA224" => 28,
            "HMACSHA384" => 48,
            _ => 32,
        };
        self.key_bits.map_or(own, |bits| bits.div_ceil(8) as usize)
    }

    /// How long a key may still be used at this time (in milliseconds of Unix time); `None` for ever.
    fn life_of(&self, key: Option<&SessionKey>, now_ms: i64) -> Option<Duration> {
        let fits = |key: &&SessionKey| {
            key.algorithm == self.key_algorithm
                && STANDARD.decode(&key.key).is_ok_and(|bytes| bytes.len() == self.key_len())
        };
        let Some(key) = key.filter(fits) else { return Some(Duration::ZERO) };
        if self.key_ttl.is_zero() {
            return None;
        }
        let age = u64::try_from(now_ms.saturating_sub(key.created_ms)).unwrap_or(0);
        Some(self.key_ttl.saturating_sub(Duration::from_millis(age)))
    }
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
        self.membership.join(self.log.offset(), &holds);
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
    }

    /// Everything there is to do in the group.
    fn wanted(&self) -> WorkSet {
        let view = self.shared.view();
        let cluster = view.cluster();
        let tasks = |name: &str| {
            let id = |number| TaskId { connector: name.to_owned(), number };
            (0..cluster.task_count(name)).map(id).collect::<Vec<_>>()
        };
        WorkSet {
            connectors: cluster.connectors().map(str::to_owned).collect(),
            tasks: cluster.connectors().flat_map(tasks).collect(),
        }
    }

    pub(super) async fn member(&mut self, event: MembershipEvent) -> Option<Ending> {
        match event {
            MembershipEvent::Elected { id, generation, version, members } => {
                self.divide(&id, generation, version, &members).await;
            }
            MembershipEvent::Assigned(assigned) => self.assigned(assigned).await,
            // One that came before the round that is under way is part of that.
            MembershipEvent::RebalanceNeeded => self.rejoin |= !self.joining,
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
        self.log.follow();
        self.key_due = None;
        self.stop_all(HerderError::NoLeader).await;
        self.giving_up = None;
    }

    /// Decides, as the leader, who does what.
    async fn divide(&mut self, id: &str, generation: i32, version: ConnectVersion, members: &[Member]) {
        let newest = members.iter().map(|member| member.offset).max().unwrap_or(-1);
        if self.log.offset() < newest {
            self.catch_up().await;
        }
        let offset = self.log.offset();
        let leader_url = members.iter().find(|member| member.id == id).map(|member| member.url.clone());
        let told = WorkAssignment {
            error: if offset < newest { CONFIG_MISMATCH } else { 0 },
            leader: id.to_owned(),
            leader_url: leader_url.unwrap_or_default(),
            offset,
            ..WorkAssignment::default()
        };
        let decision = if told.error == 0 {
            let decision = self.decide(generation, version, members);
            self.shared.place().note(members, &decision.holds);
            decision
        } else {
            let parts = members.iter().map(|member| (member.id.clone(), Part::default()));
            Decision { parts: parts.collect(), ..Decision::default() }
        };
        self.shared.statuses.expect_writers(members.iter().map(|member| authority(&member.url)).collect());
        let delay_ms = decision.delay_ms;
        let part_of = |(member, part): (String, Part)| {
            let (assigned, revoked) = (part.assigned.shares(), part.revoked.shares());
            (member, WorkAssignment { assigned, revoked, delay_ms, ..told.clone() })
        };
        self.membership.assign(decision.parts.into_iter().map(part_of).collect());
    }

    fn decide(&mut self, generation: i32, version: ConnectVersion, members: &[Member]) -> Decision {
        let configured = self.wanted();
        if version == ConnectVersion::Eager {
            return eager(&configured, members.iter().map(|member| &*member.id));
        }
        let delay = self.group.as_ref().and_then(|rules| rules.max_delay).unwrap_or_else(|| {
            // Work of a worker that has gone is given out at once, by those that do not mind being asked twice.
            if members.iter().all(|member| member.ours) { Duration::ZERO } else { CONNECTS_DELAY }
        });
        let max_delay_ms = i32::try_from(delay.as_millis()).unwrap_or(i32::MAX);
        let now_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let generations = Generations { completed: self.shared.place().completed, current: generation };
        let holds = members.iter().map(|member| (member.id.clone(), member.holds.clone())).collect();
        self.assignor.assign(now_ms, generations, &configured, &holds, max_delay_ms)
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
        let work = &assigned.work;
        if work.error != 0 {
            self.catch_up().await;
            return self.join();
        }
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
            match self.log.lead().await {
                // A change that its predecessor was about to write is there by now, or never.
                Ok(true) => self.catch_up().await,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(error = %ErrorChain(&error), "this worker cannot write to the config log as the leader of its group yet, and tries again with its next change");
                }
            }
        } else {
            self.log.follow();
        }
        let known: Vec<String> = self.shared.view().cluster().connectors().map(str::to_owned).collect();
        if self.shared.place().leads_group() {
            self.forget_statuses(&known);
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

    /// Takes what the leader decided, and says what is to be given up.
    fn take_place(&mut self, assigned: &Assigned) -> WorkSet {
        let mut place = self.shared.place();
        let revoked = place.take(assigned);
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

    /// Of what was deleted while its worker could not say so.
    fn forget_statuses(&self, known: &[String]) {
        let statuses = &self.shared.statuses;
        statuses.keep_connectors(|name| known.iter().any(|known| known == name));
        for name in known {
            let count = self.shared.view().cluster().task_count(name);
            statuses.keep_tasks(name, |number| number < count);
        }
    }

    /// Writes a session key if none is there that may still be used.
    pub(super) async fn renew_session_key(&mut self) {
        self.key_due = None;
        let renews = {
            let place = self.shared.place();
            place.leads_group() && place.is_sessioned()
        };
        let Some(rules) = self.group.clone().filter(|_| renews) else { return };
        let now_ms = Timestamp::now().as_millis();
        let life = rules.life_of(self.shared.view().cluster().session_key(), now_ms);
        if life != Some(Duration::ZERO) {
            return self.note_session_key();
        }
        let key = SessionKey {
            key: STANDARD.encode((rules.secrets)(rules.key_len())),
            algorithm: rules.key_algorithm.clone(),
            created_ms: now_ms,
        };
        if let Err(error) = self.write(vec![Entry::SessionKey(Some(key))]).await {
            tracing::warn!(error = %ErrorChain(&error), "the session key could not be renewed, and is tried again");
            self.key_due = Some(Instant::now() + KEY_RETRY);
        }
    }

    /// Notes when the session key that is there has to be renewed.
    pub(super) fn note_session_key(&mut self) {
        let Some(rules) = self.group.as_ref().filter(|_| self.shared.place().leads_group()) else { return };
        let life = rules.life_of(self.shared.view().cluster().session_key(), Timestamp::now().as_millis());
        self.key_due = life.and_then(|life| Instant::now().checked_add(life));
    }
}

/// `host:port` of a URL, by which a worker signs its statuses.
fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    #[async_trait::async_trait]
    impl Peers for Nobody {
        async fn put_task_configs(
            &self,
            _: &str,
            _: &str,
            _: &[ConfigMap],
            _: Option<&SessionKey>,
        ) -> Result<(), crate::herder::PeerError> {
            Ok(())
        }
    }

    fn rules(algorithm: &str, bits: Option<u32>, ttl_ms: u64) -> GroupRules {
        GroupRules {
            key_algorithm: algorithm.to_owned(),
            key_bits: bits,
            key_ttl: Duration::from_millis(ttl_ms),
            sync_timeout: Duration::from_secs(3),
            max_delay: None,
            secrets: Arc::new(|len| vec![7; len]),
            peers: Arc::new(Nobody),
        }
    }

    fn key(algorithm: &str, len: usize, created_ms: i64) -> SessionKey {
        SessionKey { key: STANDARD.encode(vec![1; len]), algorithm: algorithm.to_owned(), created_ms }
    }

    #[test]
    fn a_session_key_lives_for_its_time_if_it_is_of_the_right_kind() {
        let rules = rules("HmacSHA256", None, 1000);
        let life = |key: Option<&SessionKey>, now| rules.life_of(key, now);
        assert_eq!(life(None, 0), Some(Duration::ZERO));
        assert_eq!(life(Some(&key("HmacSHA256", 32, 500)), 700), Some(Duration::from_millis(800)));
        assert_eq!(life(Some(&key("HmacSHA256", 32, 500)), 1500), Some(Duration::ZERO));
        assert_eq!(life(Some(&key("HmacSHA512", 32, 500)), 700), Some(Duration::ZERO));
        assert_eq!(life(Some(&key("HmacSHA256", 64, 500)), 700), Some(Duration::ZERO));
        // A clock that was set back makes no key older, nor any arithmetic wrong.
        assert_eq!(life(Some(&key("HmacSHA256", 32, i64::MAX)), i64::MIN), Some(Duration::from_millis(1000)));
    }

    #[test]
    fn keys_are_as_long_as_javas_unless_said_and_last_for_ever_with_a_ttl_of_0() {
        for (algorithm, len) in [("HmacSHA1", 64), ("HmacSHA256", 32), ("HmacSHA384", 48), ("HmacSHA512", 64)] {
            assert_eq!(rules(algorithm, None, 1).key_len(), len, "{algorithm}");
        }
        assert_eq!(rules("HmacSHA256", Some(512), 1).key_len(), 64);
        assert_eq!(rules("HmacSHA256", None, 0).life_of(Some(&key("HmacSHA256", 32, 0)), i64::MAX), None);
    }
}
