//! The herder as a member of a group: how it begins, what an event of its membership means, and the session key.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use millstream_record::{ErrorChain, Timestamp};
use tokio::{sync::mpsc, time::Instant};

use super::{
    HerderError,
    event::{Event, Reply},
    run::Loop,
};
use crate::{
    config_log::{Entry, SessionKey},
    membership::{
        Assigned, CONNECTOR, ConnectVersion, Member, MembershipEvent, Work, WorkAssignment, assignor::assign, shares,
    },
};

/// Wait before the config log is asked for its end again.
const CATCH_UP_RETRY: Duration = Duration::from_secs(1);

/// Wait before a session key is written again that could not be.
const KEY_RETRY: Duration = Duration::from_secs(10);

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
    /// Where secrets come from.
    pub secrets: Arc<SecretSource>,
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

    /// Joins, with what runs here.
    fn join(&mut self) {
        let holds = self.holds();
        self.membership.join(self.log.offset(), &holds);
    }

    fn holds(&self) -> Work {
        let held = |(name, charge): (&String, &super::caretaker::Charge)| {
            let running = charge.running();
            let connector = running.connector.iter().map(|_| CONNECTOR);
            let tasks = running.tasks.keys().map(|&number| i32::try_from(number).unwrap_or(i32::MAX));
            (name.clone(), connector.chain(tasks).collect::<Vec<_>>())
        };
        self.charges.iter().map(held).filter(|(_, numbers)| !numbers.is_empty()).collect()
    }

    /// Everything there is to do in the group.
    fn wanted(&self) -> Work {
        let view = self.shared.view();
        let cluster = view.cluster();
        let items = |name: &str| {
            let tasks = 0..i32::try_from(cluster.task_count(name)).unwrap_or(i32::MAX);
            (name.to_owned(), std::iter::once(CONNECTOR).chain(tasks).collect())
        };
        cluster.connectors().map(items).collect()
    }

    pub(super) async fn member(&mut self, event: MembershipEvent) -> Option<Ending> {
        match event {
            MembershipEvent::Elected { id, version, members } => self.divide(&id, version, &members).await,
            MembershipEvent::Assigned(assigned) => return self.assigned(assigned).await,
            MembershipEvent::RebalanceNeeded => self.join(),
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
        self.member = false;
        self.key_due = None;
        self.stop_all(HerderError::NoLeader).await;
    }

    /// Decides, as the leader, who does what.
    async fn divide(&mut self, id: &str, version: ConnectVersion, members: &[Member]) {
        let newest = members.iter().map(|member| member.offset).max().unwrap_or(-1);
        if self.log.offset() < newest {
            self.catch_up().await;
        }
        let offset = self.log.offset();
        let error = if offset < newest { CONFIG_MISMATCH } else { 0 };
        let wanted = if error == 0 { self.wanted() } else { Work::new() };
        let others: Vec<&str> = members.iter().filter(|member| member.id != id).map(|member| &*member.url).collect();
        if !others.is_empty() {
            tracing::error!(
                "the group has other members, which get no work: {}; groups of several workers are not supported yet, so \
                 give them another group.id and other topics",
                others.join(", ")
            );
        }
        let leader_url = members.iter().find(|member| member.id == id).map(|member| member.url.clone());
        let told = WorkAssignment {
            error,
            leader: id.to_owned(),
            leader_url: leader_url.unwrap_or_default(),
            offset,
            ..WorkAssignment::default()
        };
        let part_of = |(member, part): (String, crate::membership::assignor::Part)| {
            // An eager member hears of everything it has to do, not only of what is new.
            let whole = version == ConnectVersion::Eager && member == id && error == 0;
            let assigned = if whole { shares(&wanted) } else { shares(&part.assigned) };
            (member, WorkAssignment { assigned, revoked: shares(&part.revoked), ..told.clone() })
        };
        let parts = match error {
            0 => assign(members, id, &wanted),
            _ => members.iter().map(|member| (member.id.clone(), Default::default())).collect(),
        };
        self.membership.assign(parts.into_iter().map(part_of).collect());
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

    async fn assigned(&mut self, assigned: Assigned) -> Option<Ending> {
        let began = self.rebalances.begins(&assigned);
        let Assigned { generation, leads, work, .. } = assigned;
        if self.group.is_some() && !leads {
            return Some(Ending::Failed(format!(
                "the group is led by another worker, at {}: groups of several workers are not supported yet; stop that \
                 one, or give this worker another group.id and other topics",
                work.leader_url
            )));
        }
        self.shared.statuses.set_generation(generation);
        if work.error != 0 {
            self.catch_up().await;
            self.join();
            return None;
        }
        let was_member = std::mem::replace(&mut self.member, true);
        let known: Vec<String> = self.shared.view().cluster().connectors().map(str::to_owned).collect();
        if self.group.is_some() {
            tracing::info!(generation, "this worker leads its group");
            // Of what was deleted while nobody ran.
            self.shared.statuses.keep_connectors(|name| known.iter().any(|known| known == name));
        }
        if !was_member {
            self.due.extend(known);
            self.shared.does(Some("starting connectors and tasks".to_owned()));
        }
        self.renew_session_key().await;
        if self.group.is_some() {
            self.shared.ready.store(true, Ordering::Release);
        }
        self.follow();
        self.shared.does(None);
        self.rebalances.ends(began);
        None
    }

    /// Writes a session key if none is there that may still be used.
    pub(super) async fn renew_session_key(&mut self) {
        self.key_due = None;
        let Some(rules) = self.group.clone().filter(|_| self.member) else { return };
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
        let Some(rules) = self.group.as_ref().filter(|_| self.member) else { return };
        let life = rules.life_of(self.shared.view().cluster().session_key(), Timestamp::now().as_millis());
        self.key_due = life.and_then(|life| Instant::now().checked_add(life));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(algorithm: &str, bits: Option<u32>, ttl_ms: u64) -> GroupRules {
        GroupRules {
            key_algorithm: algorithm.to_owned(),
            key_bits: bits,
            key_ttl: Duration::from_millis(ttl_ms),
            sync_timeout: Duration::from_secs(3),
            secrets: Arc::new(|len| vec![7; len]),
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
