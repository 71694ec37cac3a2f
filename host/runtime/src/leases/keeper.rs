//! The worker's way to the log of leases: one task reads it, writes to it, and answers when a record was read back. What
//! counts is [`Space`]'s to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use millstream_connector::{ErrorKind, Failure, KeyChange};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    log::{LeaseLog, LeaseStep, OpenLeaseLog},
    record::{self, BEGIN, Content, RecordId},
    space::{Refused, Space, SpaceLimits, Verdict},
};
use crate::topic_log::{EndId, LogRecord, NewRecord, WriteId};

/// Requests that may wait for the keeper; further ones wait before it. A task has one at a time.
const MAX_REQUESTS: usize = 64;

/// How leases are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LeaseSettings {
    /// How much one connector may keep.
    pub limits: SpaceLimits,
    /// `kv.timeout.ms`: longest time for one request of a task.
    pub timeout: Duration,
}

/// Why a request did not succeed.
#[derive(Debug)]
pub(super) enum KeepError {
    /// Somebody has the lease in this epoch.
    Stale { epoch: u64 },
    /// A limit. Nothing has changed.
    Refused(Refused),
    /// It is not known whether anything has changed, or the log cannot be read.
    Failed(Failure),
}

type Reply<T> = oneshot::Sender<Result<T, KeepError>>;

/// What a read gives: for each key its value.
type Values = Vec<Option<Vec<u8>>>;

enum Request {
    /// The highest epoch that was ever begun.
    Epoch {
        connector: String,
        reply: Reply<u64>,
    },
    Begin {
        connector: String,
        epoch: u64,
        owner: String,
        reply: Reply<()>,
    },
    Confirm {
        connector: String,
        epoch: u64,
        reply: Reply<()>,
    },
    Keys {
        connector: String,
        reply: Reply<Vec<String>>,
    },
    Read {
        connector: String,
        keys: Vec<String>,
        reply: Reply<Values>,
    },
    Write {
        connector: String,
        epoch: u64,
        changes: Vec<KeyChange>,
        reply: Reply<()>,
    },
    Close {
        timeout: Duration,
        reply: oneshot::Sender<()>,
    },
}

/// Keeps the leases of a worker. Close it with [`LeaseKeeper::close`]; dropping it gives up what is under way.
pub struct LeaseKeeper {
    settings: LeaseSettings,
    requests: mpsc::Sender<Request>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl LeaseKeeper {
    /// Starts its task, on the current tokio runtime. The log is opened when the first lease is asked for.
    pub fn start(log: Box<dyn OpenLeaseLog>, settings: LeaseSettings) -> Self {
        let (requests, received) = mpsc::channel(MAX_REQUESTS);
        let task = Mutex::new(Some(tokio::spawn(run(log, settings.limits, received))));
        Self { settings, requests, task }
    }

    pub(super) fn settings(&self) -> &LeaseSettings {
        &self.settings
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, KeepError> {
        let (reply, answer) = oneshot::channel();
        let closed = || {
            let message = "the worker is being stopped, and keeps no leases any more";
            KeepError::Failed(Failure::new(ErrorKind::Retriable, "", message))
        };
        self.requests.send(request(reply)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    pub(super) async fn epoch(&self, connector: &str) -> Result<u64, KeepError> {
        let connector = connector.to_owned();
        self.ask(|reply| Request::Epoch { connector, reply }).await
    }

    pub(super) async fn begin(&self, connector: &str, epoch: u64, owner: &str) -> Result<(), KeepError> {
        let (connector, owner) = (connector.to_owned(), owner.to_owned());
        self.ask(|reply| Request::Begin { connector, epoch, owner, reply }).await
    }

    pub(super) async fn confirm(&self, connector: &str, epoch: u64) -> Result<(), KeepError> {
        let connector = connector.to_owned();
        self.ask(|reply| Request::Confirm { connector, epoch, reply }).await
    }

    pub(super) async fn keys(&self, connector: &str) -> Result<Vec<String>, KeepError> {
        let connector = connector.to_owned();
        self.ask(|reply| Request::Keys { connector, reply }).await
    }

    pub(super) async fn read(&self, connector: &str, keys: Vec<String>) -> Result<Values, KeepError> {
        let connector = connector.to_owned();
        self.ask(|reply| Request::Read { connector, keys, reply }).await
    }

    pub(super) async fn write(&self, connector: &str, epoch: u64, changes: Vec<KeyChange>) -> Result<(), KeepError> {
        let connector = connector.to_owned();
        self.ask(|reply| Request::Write { connector, epoch, changes, reply }).await
    }

    /// Writes what is under way, for at most `timeout`, and ends. Nothing is kept afterwards.
    pub async fn close(&self, timeout: Duration) {
        let (reply, closed) = oneshot::channel();
        let close = async {
            if self.requests.send(Request::Close { timeout, reply }).await.is_ok() {
                // Its end without an answer is an end, too.
                let _ = closed.await;
            }
        };
        // A log that is still being opened has nothing under way.
        let _ = tokio::time::timeout(timeout, close).await;
    }
}

impl Drop for LeaseKeeper {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().ok().and_then(|mut task| task.take()) {
            task.abort();
        }
    }
}

async fn run(open: Box<dyn OpenLeaseLog>, limits: SpaceLimits, mut requests: mpsc::Receiver<Request>) {
    while let Some(request) = requests.recv().await {
        if let Request::Close { reply, .. } = request {
            // Whoever asked may have gone away.
            let _ = reply.send(());
            return;
        }
        match open.open().await {
            Ok(log) => {
                let work = Work {
                    log,
                    limits,
                    spaces: BTreeMap::new(),
                    numbers: BTreeMap::new(),
                    written: BTreeMap::new(),
                    writes: BTreeMap::new(),
                    ends: BTreeMap::new(),
                    clearing: BTreeMap::new(),
                };
                return work.run(request, requests).await;
            }
            Err(failure) => {
                tracing::error!(error = %failure.trace(), "what connectors keep under their leases cannot be reached");
                request.fail(failure);
            }
        }
    }
}

impl Request {
    fn fail(self, failure: Failure) {
        let failed = KeepError::Failed(failure);
        // Whoever asked may have gone away.
        match self {
            Self::Epoch { reply, .. } => drop(reply.send(Err(failed))),
            Self::Begin { reply, .. } | Self::Confirm { reply, .. } | Self::Write { reply, .. } => {
                drop(reply.send(Err(failed)));
            }
            Self::Keys { reply, .. } => drop(reply.send(Err(failed))),
            Self::Read { reply, .. } => drop(reply.send(Err(failed))),
            Self::Close { reply, .. } => drop(reply.send(())),
        }
    }
}

/// A connector and one of its records.
type Named = (String, RecordId);

struct Work {
    log: Box<dyn LeaseLog>,
    limits: SpaceLimits,
    spaces: BTreeMap<String, Space>,
    /// The last record that this worker has written for a connector: none is ever written twice.
    numbers: BTreeMap<String, RecordId>,
    /// Who waits until a record has been read back.
    written: BTreeMap<Named, Reply<()>>,
    /// Records of writes under way.
    writes: BTreeMap<WriteId, Named>,
    /// What is to be answered when the log has been read so far.
    ends: BTreeMap<EndId, Request>,
    /// Records that are being taken away.
    clearing: BTreeMap<WriteId, (String, BTreeSet<RecordId>)>,
}

impl Work {
    async fn run(mut self, first: Request, mut requests: mpsc::Receiver<Request>) {
        self.take(first).await;
        loop {
            tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(Request::Close { timeout, reply }) => {
                        self.log.close(timeout).await;
                        let _ = reply.send(());
                        return;
                    }
                    Some(request) => self.take(request).await,
                    None => return,
                },
                step = self.log.step() => match step {
                    LeaseStep::Record(record) => self.record(&record).await,
                    LeaseStep::Written(id, written) => self.written(id, written),
                    LeaseStep::Reached(id, reached) => self.reached(id, reached),
                },
            }
        }
    }

    async fn take(&mut self, request: Request) {
        // Those that have given up do not pile up.
        self.written.retain(|_, reply| !reply.is_closed());
        match request {
            // Nobody waits for them any more, and nobody is to be surprised by them.
            Request::Begin { reply, .. } | Request::Write { reply, .. } if reply.is_closed() => {}
            Request::Begin { connector, epoch, owner, reply } => {
                self.write((connector, RecordId { epoch, number: BEGIN }), &Content::Begin { owner }, reply).await;
            }
            Request::Write { connector, epoch, changes, reply } => {
                let space = self.spaces.entry(connector.clone()).or_default();
                if space.epoch() != epoch {
                    return drop(reply.send(Err(KeepError::Stale { epoch: space.epoch() })));
                }
                let changes = changes.into_iter().map(|KeyChange { key, value }| (key, value));
                let changes = match space.change(changes, &self.limits) {
                    Ok(changes) => changes,
                    Err(refused) => return drop(reply.send(Err(KeepError::Refused(refused)))),
                };
                let last = self.numbers.get(&connector).filter(|last| last.epoch == epoch);
                let number = space.next_number(epoch).max(last.map_or(BEGIN, |last| last.number) + 1);
                self.write((connector, RecordId { epoch, number }), &Content::Change(changes), reply).await;
            }
            request => {
                let end = self.log.ask_end();
                self.ends.insert(end, request);
            }
        }
    }

    async fn write(&mut self, named: Named, content: &Content, reply: Reply<()>) {
        let (connector, id) = &named;
        self.numbers.insert(connector.clone(), *id);
        let record = NewRecord { key: record::key(connector, *id), value: Some(record::value(content)) };
        match self.log.write(vec![record]).await {
            Ok(write) => {
                self.writes.insert(write, named.clone());
                self.written.insert(named, reply);
            }
            Err(failure) => drop(reply.send(Err(KeepError::Failed(failure)))),
        }
    }

    /// A record was written, or perhaps not. That it was read back is what its writer waits for.
    fn written(&mut self, id: WriteId, written: Result<(), Failure>) {
        let named = self.writes.remove(&id);
        let cleared = self.clearing.remove(&id);
        let Err(failure) = written else { return };
        if let Some(reply) = named.and_then(|named| self.written.remove(&named)) {
            drop(reply.send(Err(KeepError::Failed(failure))));
        } else if let Some((connector, records)) = cleared {
            // They are found again after the next change.
            let records = records.len();
            tracing::debug!(connector, records, error = %failure, "records that are spent were not taken away");
        }
    }

    fn reached(&mut self, id: EndId, reached: Result<(), Failure>) {
        let Some(request) = self.ends.remove(&id) else { return };
        if let Err(failure) = reached {
            return request.fail(failure);
        }
        let nobodys = Space::default();
        let space = |connector: &str| self.spaces.get(connector).unwrap_or(&nobodys);
        match request {
            Request::Epoch { connector, reply } => drop(reply.send(Ok(space(&connector).epoch()))),
            Request::Confirm { connector, epoch, reply } => {
                let now = space(&connector).epoch();
                drop(reply.send(if now == epoch { Ok(()) } else { Err(KeepError::Stale { epoch: now }) }));
            }
            Request::Keys { connector, reply } => {
                drop(reply.send(Ok(space(&connector).entries().map(|(key, _)| key.clone()).collect())));
            }
            Request::Read { connector, keys, reply } => {
                let space = space(&connector);
                let values = keys.iter().map(|key| space.get(key).map(|value| value.to_vec()));
                drop(reply.send(Ok(values.collect())));
            }
            // These do not wait for an end.
            Request::Begin { .. } | Request::Write { .. } | Request::Close { .. } => {}
        }
    }

    async fn record(&mut self, record: &LogRecord) {
        let skipped = |log: &dyn LeaseLog, reason: &str| {
            let (place, offset) = (log.place(), record.offset);
            tracing::warn!(place, offset, reason, "a record of what is kept under leases is skipped");
        };
        let Some((connector, id)) = record.key.as_deref().and_then(record::read_key) else {
            return skipped(self.log.as_ref(), "its key is not a connector's name with an epoch and a number");
        };
        let content = match record.value.as_deref() {
            None => None,
            Some(value) => match record::read_value(id, value) {
                Some(content) => Some(content),
                None => return skipped(self.log.as_ref(), "its value says neither an owner nor changes"),
            },
        };
        let is_new = content.is_some();
        let position = u64::try_from(record.offset).unwrap_or(0);
        let verdict = self.spaces.entry(connector.clone()).or_default().take(position, id, content);
        let named = (connector, id);
        let Some(reply) = self.written.remove(&named).filter(|_| is_new) else { return };
        let counts = verdict == Verdict::Counts;
        // Whoever asked may have gone away.
        let _ = reply.send(match verdict {
            Verdict::Counts => Ok(()),
            Verdict::Stale { epoch } => Err(KeepError::Stale { epoch }),
        });
        if counts {
            self.clear(named.0).await;
        }
    }

    /// Takes away what says nothing any more. The owner of the lease alone does so, after each of its changes.
    async fn clear(&mut self, connector: String) {
        let Some(space) = self.spaces.get(&connector) else { return };
        let under_way = self.clearing.values().filter(|(other, _)| *other == connector).flat_map(|(_, ids)| ids);
        let under_way: BTreeSet<RecordId> = under_way.copied().collect();
        let spent: Vec<RecordId> = space.spent().into_iter().filter(|id| !under_way.contains(id)).collect();
        if spent.is_empty() {
            return;
        }
        let tombstone = |id: &RecordId| NewRecord { key: record::key(&connector, *id), value: None };
        match self.log.write(spent.iter().map(tombstone).collect()).await {
            Ok(write) => drop(self.clearing.insert(write, (connector, spent.into_iter().collect()))),
            Err(failure) => {
                tracing::debug!(connector, error = %failure, "records that are spent were not taken away");
            }
        }
    }
}
