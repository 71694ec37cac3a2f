//! Statuses of a group of workers: the status topic.
//!
//! What is shown is what was read back. Of each instance one record at most is on its way, and behind it one more
//! status waits, the newest: whatever happens to the brokers, no more than that is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    ConnectorStatuses, Instance, InstanceStatus, State, StatusStore, TopicUse,
    record::{StatusKey, StatusValue, key_of, read_key, read_value, value_of},
};
use crate::{
    membership::GroupSession,
    topic_log::{EndId, LogRecord, NewRecord, Step, TopicLog, WriteId},
};

/// Other workers that are named before no more are.
const MAX_STRANGERS: usize = 16;

/// Workers that were named before those are forgotten that may have gone long ago.
const MAX_WRITERS: usize = 1024;

/// Wait before a status is written again whose record was lost.
const RETRY: Duration = Duration::from_millis(300);

/// See the module's documentation. Close it with [`TopicStatusStore::close`]; dropping it forgets what is not written.
pub struct TopicStatusStore {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Notify,
    /// Somebody's word was read.
    heard: Notify,
    closing: watch::Sender<bool>,
    /// Up to which turn all is written, or given up.
    done: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    known: BTreeMap<String, ConnectorStatuses>,
    /// Topics by connector; `false` for one whose record has not been read back.
    topics: BTreeMap<String, BTreeMap<String, bool>>,
    wanted: BTreeMap<StatusKey, Wanted>,
    /// Statuses that were asked for so far.
    asked: u64,
    /// Workers of the group, of a leader; empty while that is not known.
    writers: BTreeSet<String>,
    /// Of whose membership the statuses are.
    session: GroupSession,
    /// How often what waited was forgotten.
    era: u64,
    /// What was read since somebody asked; each of what is known once at most.
    heard: BTreeSet<Instance>,
}

/// A status to be written.
#[derive(Clone, Debug)]
struct Wanted {
    /// Its place in the order of all that were asked for.
    turn: u64,
    /// `None` to forget what it is about.
    value: Option<StatusValue>,
    safe: bool,
    /// When it was asked for; what is forgotten since then is not tried again.
    era: u64,
    /// Not before.
    due: Option<Instant>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("statuses are changed by whole values, which does not panic")
    }

    fn want(&self, of: &Instance, status: InstanceStatus, safe: bool) {
        self.inner().want(StatusKey::Of(of.clone()), Some(StatusValue::Of(status)), safe);
        self.changed.notify_one();
    }
}

impl Inner {
    fn want(&mut self, of: StatusKey, value: Option<StatusValue>, safe: bool) {
        self.asked += 1;
        self.wanted.insert(of, Wanted { turn: self.asked, value, safe, era: self.era, due: None });
    }

    fn use_topic(&mut self, used: &TopicUse) -> bool {
        if self.topics.get(&used.connector).is_some_and(|topics| topics.contains_key(&used.topic)) {
            return false;
        }
        self.topics.entry(used.connector.clone()).or_default().insert(used.topic.clone(), false);
        let TopicUse { topic, connector, .. } = used.clone();
        self.want(StatusKey::ActiveTopic { topic, connector }, Some(StatusValue::ActiveTopic(used.clone())), false);
        true
    }

    fn forget_topics(&mut self, connector: &str) {
        // What is asked for again from here on is written again, behind these.
        for topic in self.topics.remove(connector).unwrap_or_default().into_keys() {
            self.want(StatusKey::ActiveTopic { topic, connector: connector.to_owned() }, None, false);
        }
    }

    /// Takes what was read of the use of a topic.
    fn take_use(&mut self, topic: String, connector: String, used: bool) {
        if used {
            let asked = StatusKey::ActiveTopic { topic, connector };
            // It is about to be forgotten.
            let forgotten = self.wanted.get(&asked).is_some_and(|wanted| wanted.value.is_none());
            if let (StatusKey::ActiveTopic { topic, connector }, false) = (asked, forgotten) {
                self.topics.entry(connector).or_default().insert(topic, true);
            }
        } else if let Some(topics) = self.topics.get_mut(&connector) {
            // Its use may have been noted again meanwhile.
            if topics.get(&topic) == Some(&true) {
                topics.remove(&topic);
            }
            if topics.is_empty() {
                self.topics.remove(&connector);
            }
        }
    }

    /// Whether a worker that writes is none of the group, as far as that is known. Who stood still, and leads perhaps no
    /// more, does not know who has come meanwhile.
    fn is_stranger(&self, worker_id: &str) -> bool {
        self.session.is_open() && !self.writers.is_empty() && !self.writers.contains(worker_id)
    }

    fn known(&self, of: &Instance) -> Option<&InstanceStatus> {
        self.known.get(of.connector())?.get(of)
    }

    /// Takes what was read.
    fn take(&mut self, of: Instance, status: Option<InstanceStatus>) {
        match (status, &of) {
            (Some(status), _) => {
                // It tells of the end of an instance that runs elsewhere, or here again, by now.
                let late = |known: &InstanceStatus| {
                    status.state == State::Unassigned
                        && known.state == State::Running
                        && status.generation <= known.generation
                        // Of what one worker says itself the later word is right.
                        && status.worker_id != known.worker_id
                };
                if !self.known(&of).is_some_and(late) {
                    self.known.entry(of.connector().to_owned()).or_default().set(&of, status);
                    self.heard.insert(of);
                }
            }
            // A tombstone of a connector says nothing of its tasks, which have their own: they may stand in other
            // partitions, of which nobody knows whether they were written before or after it.
            (None, of) => {
                self.heard.remove(of);
                if let Some(known) = self.known.get_mut(of.connector()) {
                    match of {
                        Instance::Connector(_) => known.connector = None,
                        Instance::Task(task) => drop(known.tasks.remove(&task.number)),
                    }
                    if known.tasks.is_empty() && known.connector.is_none() {
                        self.known.remove(of.connector());
                    }
                }
            }
        }
    }

    /// Takes out what may be written now, in order: nothing of an instance that has a record on its way.
    fn writable(&mut self, busy: impl Fn(&StatusKey) -> bool, now: Instant) -> Vec<(StatusKey, Wanted)> {
        let due = |wanted: &Wanted| wanted.due.is_none_or(|due| due <= now);
        let mut free: Vec<StatusKey> =
            self.wanted.iter().filter(|(of, wanted)| due(wanted) && !busy(of)).map(|(of, _)| of.clone()).collect();
        free.sort_by_key(|of| self.wanted.get(of).map(|wanted| wanted.turn));
        let mut writable = Vec::new();
        for of in free {
            let Some(wanted) = self.wanted.remove(&of) else { continue };
            let overruled = match (&of, &wanted.value) {
                (StatusKey::Of(of), Some(StatusValue::Of(status))) => {
                    wanted.safe && !status.may_overrule(self.known(of))
                }
                _ => false,
            };
            if !overruled {
                writable.push((of, wanted));
            }
        }
        writable
    }

    fn next_due(&self) -> Option<Instant> {
        self.wanted.values().filter_map(|wanted| wanted.due).min()
    }
}

impl TopicStatusStore {
    /// Reads the topic to its end and follows it from there on, in a task of its own.
    ///
    /// # Errors
    ///
    /// Where it ends could not be found out.
    pub async fn start(mut log: TopicLog) -> Result<Self, millstream_connector::Failure> {
        let shared = Arc::new(Shared::default());
        let mut work = Work { shared: Arc::clone(&shared), on_their_way: OnTheirWay::default(), strangers: None };
        let end: EndId = log.ask_end();
        loop {
            match log.step().await {
                Step::Record(record) => work.take(&log, &record),
                Step::Reached(id, result) if id == end => {
                    result?;
                    break;
                }
                Step::Reached(..) | Step::Written(..) => {}
            }
        }
        work.strangers = Some(BTreeSet::new());
        let task = tokio::spawn(work.run(log));
        Ok(Self { shared, task: Mutex::new(Some(task)) })
    }

    /// Writes what waits, for at most `timeout`, and ends. Nothing is written afterwards.
    pub async fn close(&self, timeout: Duration) {
        self.shared.closing.send_replace(true);
        self.shared.changed.notify_one();
        let task = self.task.lock().expect("a handle is taken whole, which does not panic").take();
        let Some(mut task) = task else { return };
        if tokio::time::timeout(timeout, &mut task).await.is_err() {
            let left = self.shared.inner().wanted.len();
            tracing::warn!("{left} status(es) were not written before the end");
            task.abort();
        }
    }
}

impl Drop for TopicStatusStore {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().ok().and_then(|mut task| task.take()) {
            task.abort();
        }
    }
}

#[async_trait]
impl StatusStore for TopicStatusStore {
    fn put(&self, of: &Instance, status: InstanceStatus) {
        self.shared.want(of, status, false);
    }

    fn put_safe(&self, of: &Instance, status: InstanceStatus) {
        self.shared.want(of, status, true);
    }

    fn remove(&self, of: &Instance) {
        let mut inner = self.shared.inner();
        if let Instance::Connector(name) = of {
            // Its tasks first, as in Connect, for which a connector's tombstone takes the rest along.
            let known = inner.known.get(name).into_iter().flat_map(|known| known.tasks.keys().copied());
            let mut tasks: Vec<Instance> = known
                .map(|number| Instance::Task(millstream_connector::TaskId { connector: name.clone(), number }))
                .collect();
            let waiting = inner.wanted.keys().filter_map(|of| match of {
                StatusKey::Of(of @ Instance::Task(_)) if of.connector() == name => Some(of.clone()),
                _ => None,
            });
            tasks.extend(waiting);
            tasks.sort();
            tasks.dedup();
            tasks.into_iter().for_each(|task| inner.want(StatusKey::Of(task), None, false));
            inner.forget_topics(name);
        }
        inner.want(StatusKey::Of(of.clone()), None, false);
        drop(inner);
        self.shared.changed.notify_one();
    }

    fn get(&self, connector: &str) -> Option<ConnectorStatuses> {
        self.shared.inner().known.get(connector).cloned()
    }

    fn connectors(&self) -> Vec<String> {
        let inner = self.shared.inner();
        let mut names: Vec<String> = inner.known.keys().chain(inner.topics.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    fn use_topic(&self, used: &TopicUse) {
        if self.shared.inner().use_topic(used) {
            self.shared.changed.notify_one();
        }
    }

    fn topics(&self, connector: &str) -> Vec<String> {
        let inner = self.shared.inner();
        let read = inner.topics.get(connector).into_iter().flatten().filter(|(_, read)| **read);
        read.map(|(topic, _)| topic.clone()).collect()
    }

    fn forget_topics(&self, connector: &str) {
        self.shared.inner().forget_topics(connector);
        self.shared.changed.notify_one();
    }

    async fn written(&self) {
        let upto = self.shared.inner().asked;
        let mut done = self.shared.done.subscribe();
        self.shared.changed.notify_one();
        // Nothing is written any more once the task has ended.
        while *done.borrow_and_update() < upto && !*self.shared.closing.borrow() {
            if done.changed().await.is_err() {
                return;
            }
        }
    }

    fn write_within(&self, session: GroupSession) {
        self.shared.inner().session = session;
        self.shared.changed.notify_one();
    }

    fn forget_waiting(&self) {
        let mut inner = self.shared.inner();
        inner.era += 1;
        // Others may have come since.
        inner.writers.clear();
        // What users asked for of topics that connectors use stays.
        inner.wanted.retain(|of, _| matches!(of, StatusKey::ActiveTopic { .. }));
        drop(inner);
        self.shared.changed.notify_one();
    }

    async fn heard_of_others(&self, worker_id: &str) -> Vec<Instance> {
        loop {
            let heard: Vec<Instance> = {
                let mut inner = self.shared.inner();
                let heard = std::mem::take(&mut inner.heard);
                let is_of_another = |of: &Instance| inner.known(of).is_some_and(|known| known.worker_id != worker_id);
                heard.into_iter().filter(is_of_another).collect()
            };
            if !heard.is_empty() {
                return heard;
            }
            self.shared.heard.notified().await;
        }
    }

    fn expect_writers(&self, worker_ids: Vec<String>) {
        let mut inner = self.shared.inner();
        if MAX_WRITERS < inner.writers.len() {
            inner.writers.clear();
        }
        inner.writers.extend(worker_ids);
    }
}

/// Statuses whose records are under way: those of all connectors at once when a worker starts.
#[derive(Debug, Default)]
struct OnTheirWay {
    writes: BTreeMap<WriteId, (StatusKey, Wanted)>,
    keys: BTreeSet<StatusKey>,
    turns: BTreeSet<u64>,
}

impl OnTheirWay {
    fn insert(&mut self, id: WriteId, of: StatusKey, wanted: Wanted) {
        self.keys.insert(of.clone());
        self.turns.insert(wanted.turn);
        self.writes.insert(id, (of, wanted));
    }

    fn remove(&mut self, id: WriteId) -> Option<(StatusKey, Wanted)> {
        let (of, wanted) = self.writes.remove(&id)?;
        self.keys.remove(&of);
        self.turns.remove(&wanted.turn);
        Some((of, wanted))
    }
}

struct Work {
    shared: Arc<Shared>,
    on_their_way: OnTheirWay,
    /// Strangers that were named; `None` while what was written before the start is read.
    strangers: Option<BTreeSet<String>>,
}

impl Work {
    async fn run(mut self, mut log: TopicLog) {
        loop {
            let now = Instant::now();
            let (session, may_write, writable) = {
                let mut inner = self.shared.inner();
                let session = inner.session.clone();
                let may_write = session.is_open();
                let busy = |of: &StatusKey| self.on_their_way.keys.contains(of);
                let writable = if may_write { inner.writable(busy, now) } else { Vec::new() };
                (session, may_write, writable)
            };
            for (of, wanted) in writable {
                let value = wanted.value.as_ref().map(|value| value_of(value).into_bytes());
                match log.write(&[NewRecord { key: key_of(&of).into_bytes(), value }]).await {
                    Ok(id) => self.on_their_way.insert(id, of, wanted),
                    Err(error) => self.failed(&log, of, wanted, &error),
                }
            }
            let due = {
                let inner = self.shared.inner();
                self.shared.done.send_replace(self.done(&inner));
                // Whoever has lost its place has nothing to say of what it had.
                let nothing_waits = inner.wanted.is_empty() || !may_write;
                if *self.shared.closing.borrow() && nothing_waits && self.on_their_way.writes.is_empty() {
                    break;
                }
                inner.next_due()
            };
            let shared = Arc::clone(&self.shared);
            let later = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                step = log.step() => match step {
                    Step::Record(record) => self.take(&log, &record),
                    Step::Written(id, result) => {
                        if let Some((of, wanted)) = self.on_their_way.remove(id)
                            && let Err(error) = result
                        {
                            self.failed(&log, of, wanted, &error);
                        }
                    }
                    Step::Reached(..) => {}
                },
                () = shared.changed.notified() => {}
                () = session.opened(), if !may_write => {}
                () = later, if may_write => {}
            }
        }
        log.close(RETRY).await;
    }

    /// The last turn up to which nothing waits or is on its way.
    fn done(&self, inner: &Inner) -> u64 {
        let waiting = inner.wanted.values().map(|wanted| wanted.turn);
        waiting.chain(self.on_their_way.turns.first().copied()).min().map_or(inner.asked, |first| first - 1)
    }

    /// A status whose record was lost is written again, unless there is a newer one.
    fn failed(&self, log: &TopicLog, of: StatusKey, wanted: Wanted, error: &millstream_client::SendError) {
        let again = error.is_retriable();
        let shown = millstream_record::ErrorChain(error);
        let (topic, key) = (log.topic(), key_of(&of));
        if again {
            tracing::warn!(%topic, key, error = %shown, "a status was not written, and is written again");
            let due = Some(Instant::now() + RETRY);
            let mut inner = self.shared.inner();
            if wanted.era == inner.era || matches!(of, StatusKey::ActiveTopic { .. }) {
                inner.wanted.entry(of).or_insert(Wanted { due, ..wanted });
            }
        } else {
            tracing::error!(%topic, key, error = %shown, "a status was not written");
        }
    }

    /// Names another worker that runs something, once, and no more than a few.
    fn notice(&mut self, log: &TopicLog, status: &InstanceStatus) {
        let Some(strangers) = &mut self.strangers else { return };
        let is_stranger = {
            let inner = self.shared.inner();
            inner.is_stranger(&status.worker_id)
        };
        if status.state == State::Running
            && is_stranger
            && strangers.len() < MAX_STRANGERS
            && strangers.insert(status.worker_id.clone())
        {
            let (topic, other) = (log.topic(), &status.worker_id);
            tracing::error!(%topic, "worker {other} writes statuses to this group's topic and is no member of the group: if it is of another one (group.id), both run every connector; give each group topics of its own");
        }
    }

    fn take(&mut self, log: &TopicLog, record: &LogRecord) {
        let skipped = |reason: &str| {
            let (topic, partition, offset) = (log.topic(), record.partition, record.offset);
            tracing::warn!(%topic, partition, offset, reason, "a record of the status topic is skipped");
        };
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).and_then(read_key);
        let of = match key {
            Some(StatusKey::Of(of)) => of,
            Some(StatusKey::ActiveTopic { topic, connector }) => {
                return self.shared.inner().take_use(topic, connector, record.value.is_some());
            }
            None => return skipped("its key is none of Connect's"),
        };
        match record.value.as_deref().map(read_value).transpose() {
            Ok(status) => {
                status.iter().for_each(|status| self.notice(log, status));
                self.shared.inner().take(of, status);
                self.shared.heard.notify_one();
            }
            Err(reason) => skipped(&reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millstream_client::session::Asked;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_stood_still_takes_nobody_for_a_stranger_that_may_have_come_meanwhile() {
        let shared = Arc::<Shared>::default();
        let store = TopicStatusStore { shared: Arc::clone(&shared), task: Mutex::new(None) };
        let session = GroupSession::new(Duration::from_secs(6));
        store.write_within(session.clone());
        session.answered(Asked::now());
        let is_stranger = |worker: &str| shared.inner().is_stranger(worker);
        assert!(!is_stranger("b"), "nobody is known");
        store.expect_writers(vec!["a".to_owned()]);
        assert!(is_stranger("b") && !is_stranger("a"));
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(!is_stranger("b"));
        // It hears that it has lost its place, and is a member again that another one leads.
        store.forget_waiting();
        session.answered(Asked::now());
        assert!(!is_stranger("b"));
        store.expect_writers(vec!["a".to_owned(), "b".to_owned()]);
        assert!(is_stranger("c") && !is_stranger("b"));
    }
}
