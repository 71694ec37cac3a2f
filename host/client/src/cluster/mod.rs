//! A cluster as its clients see it: connections to its brokers and what is known about its topics.

mod error;

use std::{
    collections::HashMap,
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use millstream_record::TopicName;
use millstream_wire::protocol::{
    messages::{
        FindCoordinatorRequest, MetadataRequest, MetadataResponse, TransactionalId,
        metadata_request::MetadataRequestTopic,
    },
    protocol::{Request, StrBytes},
};
use tokio::time::Instant;

pub use self::error::{ConnectError, RequestError};
use crate::{
    config::ConnectionSettings,
    connection::Connection,
    dial::{Dial, HostPort},
    kafka_error::ErrorCode,
    metadata::Metadata,
    security::Security,
    trouble,
};

/// A cluster. Clones share connections and knowledge.
///
/// Nothing is connected before the first request. What may wait long at a broker, fetches and groups, has connections of
/// its own; those of the cluster serve all else: metadata, administration, what producers write, what consumers commit.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<ClusterState>,
}

struct ClusterState {
    dial: Arc<dyn Dial>,
    bootstrap: Vec<HostPort>,
    settings: Arc<ConnectionSettings>,
    metadata: Mutex<Arc<Metadata>>,
    pool: Arc<Pool>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("bootstrap", &self.shared.bootstrap).finish_non_exhaustive()
    }
}

/// Which topics to ask about.
#[derive(Clone, Copy, Debug)]
pub enum TopicsWanted<'a> {
    /// These; one that does not exist is missing in the answer.
    Named(&'a [TopicName]),
    /// All that exist and may be described.
    All,
}

/// What a coordinator is responsible for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CoordinatorOf<'a> {
    /// A group, by its id.
    Group(&'a str),
    /// A transactional producer, by its `transactional.id`.
    Transaction(&'a str),
}

impl Cluster {
    /// A cluster that is reached through `dial`, first at one of the addresses of `bootstrap` and then at
    /// those its brokers advertise. Does no I/O.
    pub fn connect(dial: Arc<dyn Dial>, bootstrap: &[HostPort], mut settings: ConnectionSettings) -> Self {
        if dial.is_within_process() {
            settings.security = Security::default();
        }
        let settings = Arc::new(settings);
        let pool = Arc::new(Pool::new(Arc::clone(&dial), Arc::clone(&settings)));
        let metadata = Mutex::new(Arc::new(Metadata::default()));
        Self { shared: Arc::new(ClusterState { dial, bootstrap: bootstrap.to_vec(), settings, metadata, pool }) }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &ConnectionSettings {
        &self.shared.settings
    }

    /// What is known at the moment, without asking.
    pub fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.shared.metadata.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks a broker about topics, and brings what is known up to date. Repeats nothing.
    ///
    /// `may_create` lets the broker create topics that do not exist, if it is set up to.
    ///
    /// # Errors
    ///
    /// No broker answers. Errors of single topics are part of the result.
    pub async fn refresh(&self, wanted: TopicsWanted<'_>, may_create: bool) -> Result<Arc<Metadata>, RequestError> {
        let all = matches!(wanted, TopicsWanted::All);
        let response = self.ask(wanted, may_create).await?;
        let now = Instant::now();
        let mut metadata = self.shared.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        // In place, unless somebody is looking at it.
        Arc::make_mut(&mut *metadata).update(&response, all, now);
        Ok(Arc::clone(&metadata))
    }

    /// Asks a broker about topics, once, and keeps nothing of it: who asks for very many of them, one after another,
    /// needs none of them again. Creates none.
    pub(crate) async fn look(&self, topics: &[TopicName]) -> Result<Metadata, RequestError> {
        let response = self.ask(TopicsWanted::Named(topics), false).await?;
        let mut metadata = Metadata::default();
        metadata.update(&response, true, Instant::now());
        Ok(metadata)
    }

    async fn ask(&self, wanted: TopicsWanted<'_>, may_create: bool) -> Result<MetadataResponse, RequestError> {
        let topics = match wanted {
            TopicsWanted::All => None,
            TopicsWanted::Named(names) => {
                let topic = |name: &TopicName| MetadataRequestTopic::default().with_name(Some(wire_name(name)));
                Some(names.iter().map(topic).collect())
            }
        };
        let request = MetadataRequest::default().with_topics(topics).with_allow_auto_topic_creation(may_create);
        Ok(self.link().any().await?.call(&request).await?)
    }

    /// The cluster's own connections.
    pub(crate) fn link(&self) -> Link {
        Link { cluster: self.clone(), pool: Arc::clone(&self.shared.pool) }
    }

    /// Connections that are shared with nobody.
    pub(crate) fn own_link(&self) -> Link {
        let pool = Pool::new(Arc::clone(&self.shared.dial), Arc::clone(&self.shared.settings));
        Link { cluster: self.clone(), pool: Arc::new(pool) }
    }

    /// Asks which broker coordinates a group or a transactional producer. Repeats nothing.
    pub(crate) async fn find_coordinator(&self, of: CoordinatorOf<'_>) -> Result<(i32, HostPort), RequestError> {
        let (key, key_type) = match of {
            CoordinatorOf::Group(id) => (id, 0),
            CoordinatorOf::Transaction(id) => (id, 1),
        };
        let request =
            FindCoordinatorRequest::default().with_key(StrBytes::from_string(key.to_owned())).with_key_type(key_type);
        let response = self.link().any().await?.call(&request).await?;
        let attempted = || match of {
            CoordinatorOf::Group(id) => format!("find the coordinator of group {id}"),
            CoordinatorOf::Transaction(id) => format!("find the coordinator of transactional producer {id}"),
        };
        ErrorCode::check(response.error_code)
            .map_err(|source| RequestError::Refused { attempted: attempted(), source })?;
        let port = u16::try_from(response.port).map_err(|_| RequestError::Refused {
            attempted: attempted(),
            source: ErrorCode::COORDINATOR_NOT_AVAILABLE,
        })?;
        Ok((response.node_id.0, HostPort { host: response.host.to_string(), port }))
    }
}

/// A topic name as the message types want it.
pub(crate) fn wire_name(topic: &TopicName) -> millstream_wire::protocol::messages::TopicName {
    StrBytes::from_string(topic.as_str().to_owned()).into()
}

/// A transactional id as the message types want it.
pub(crate) fn wire_transactional_id(id: &str) -> TransactionalId {
    StrBytes::from_string(id.to_owned()).into()
}

/// A set of connections and the knowledge where they lead.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) cluster: Cluster,
    pool: Arc<Pool>,
}

impl Link {
    /// A connection to one broker, made if there is none.
    pub(crate) async fn to(&self, node: i32) -> Result<Connection, RequestError> {
        let address = self.cluster.metadata().brokers.get(&node).cloned();
        let address = address.ok_or(RequestError::UnknownBroker { node })?;
        self.to_address(node, &address).await
    }

    pub(crate) async fn to_address(&self, node: i32, address: &HostPort) -> Result<Connection, RequestError> {
        let connection = self.pool.get(address).await.map_err(|source| RequestError::Connect { node, source })?;
        connection.leads_to(node, self.cluster.settings());
        Ok(connection)
    }

    /// A connection to whichever broker answers: an open one, else one that is known, else one of the first
    /// addresses.
    pub(crate) async fn any(&self) -> Result<Connection, RequestError> {
        if let Some(open) = self.pool.open() {
            return Ok(open);
        }
        let metadata = self.cluster.metadata();
        let bootstrap = &self.cluster.shared.bootstrap;
        let mut tried: Vec<&HostPort> = Vec::new();
        let mut last = None;
        for address in metadata.brokers.values().chain(bootstrap) {
            if tried.contains(&address) {
                continue;
            }
            match self.pool.get(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
            tried.push(address);
        }
        let addresses = tried.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let source = last.unwrap_or_else(|| {
            let address = HostPort { host: String::new(), port: 0 };
            Arc::new(ConnectError::Dial { address, source: io::ErrorKind::AddrNotAvailable.into() })
        });
        Err(RequestError::Unreachable { addresses, source })
    }

    /// Whoever asks from now on gets another connection to where this one leads; it ends with those who still have it.
    pub(crate) fn leave(&self, connection: &Connection) {
        self.pool.leave(connection);
    }

    /// Says whom a request that was given up unanswered waited for; `None` if for nobody.
    pub(crate) fn silence(&self) -> Option<RequestError> {
        let addresses = self.pool.addresses().iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        if addresses.is_empty() { None } else { Some(RequestError::Silent { addresses }) }
    }

    /// A connection to the broker that changes topics.
    pub(crate) async fn controller(&self) -> Result<Connection, RequestError> {
        let mut metadata = self.cluster.metadata();
        if metadata.controller.is_none() {
            metadata = self.cluster.refresh(TopicsWanted::Named(&[]), false).await?;
        }
        match metadata.controller {
            Some(node) => self.to(node).await,
            None => self.any().await,
        }
    }

    /// Sends a request to one broker and waits for its answer. Repeats nothing.
    pub(crate) async fn call<R: Request>(&self, node: i32, request: &R) -> Result<R::Response, RequestError> {
        Ok(self.to(node).await?.call(request).await?)
    }
}

/// Connections by address, one each, made when first needed and again after they ended.
struct Pool {
    dial: Arc<dyn Dial>,
    settings: Arc<ConnectionSettings>,
    slots: Mutex<HashMap<HostPort, Slot>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

type Attempt = Shared<BoxFuture<'static, Result<Connection, Arc<ConnectError>>>>;

/// What is known and under way for one address.
#[derive(Default)]
struct Slot {
    state: SlotState,
    /// Failed attempts in a row.
    failures: u32,
    /// Tells attempts apart, so that each is counted once however many wait for it.
    attempts: u64,
    not_before: Option<Instant>,
}

#[derive(Default)]
enum SlotState {
    #[default]
    Idle,
    /// The attempt, and when it was begun.
    Connecting(Attempt, Instant),
    Open(Connection),
}

impl Pool {
    fn new(dial: Arc<dyn Dial>, settings: Arc<ConnectionSettings>) -> Self {
        Self { dial, settings, slots: Mutex::default() }
    }

    fn open(&self) -> Option<Connection> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().find_map(|slot| match &slot.state {
            SlotState::Open(connection) if connection.is_open() => Some(connection.clone()),
            _ => None,
        })
    }

    fn leave(&self, left: &Connection) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.values_mut().find(|slot| matches!(&slot.state, SlotState::Open(open) if open.is(left)));
        if let Some(slot) = slot {
            slot.state = SlotState::Idle;
        }
    }

    /// Addresses that are connected to, or are being connected to.
    fn addresses(&self) -> Vec<HostPort> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let open = slots.iter().filter(|(_, slot)| match &slot.state {
            SlotState::Idle => false,
            SlotState::Connecting(..) => true,
            SlotState::Open(connection) => connection.is_open(),
        });
        open.map(|(address, _)| address.clone()).collect()
    }

    /// An open connection. Everyone who asks meanwhile waits for the same attempt, and an attempt whose
    /// first asker has gone is carried on by the next.
    async fn get(&self, address: &HostPort) -> Result<Connection, Arc<ConnectError>> {
        let (attempt, number) = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            let slot = slots.entry(address.clone()).or_default();
            match &slot.state {
                SlotState::Open(connection) if connection.is_open() => return Ok(connection.clone()),
                // One that nobody drives any more has lost its time, and perhaps its peer.
                SlotState::Connecting(attempt, began)
                    if 1 < attempt.strong_count().unwrap_or(0) || began.elapsed() < self.settings.connect_timeout =>
                {
                    (attempt.clone(), slot.attempts)
                }
                _ => {
                    let attempt = self.attempt(address.clone(), slot.not_before);
                    slot.attempts += 1;
                    slot.state = SlotState::Connecting(attempt.clone(), Instant::now());
                    (attempt, slot.attempts)
                }
            }
        };
        let result = attempt.await;
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(address.clone()).or_default();
        if slot.attempts == number && matches!(slot.state, SlotState::Connecting(..)) {
            match &result {
                Ok(connection) => {
                    slot.failures = 0;
                    slot.not_before = None;
                    slot.state = SlotState::Open(connection.clone());
                }
                Err(_) => {
                    slot.not_before = Some(Instant::now() + self.settings.reconnect_delay(slot.failures));
                    slot.failures = slot.failures.saturating_add(1);
                    slot.state = SlotState::Idle;
                }
            }
        }
        result
    }

    fn attempt(&self, address: HostPort, not_before: Option<Instant>) -> Attempt {
        let (dial, settings) = (Arc::clone(&self.dial), Arc::clone(&self.settings));
        async move {
            if let Some(not_before) = not_before {
                tokio::time::sleep_until(not_before).await;
            }
            let result = connect(&*dial, &address, &settings).await;
            result.map_err(Arc::new)
        }
        .boxed()
        .shared()
    }
}

/// Connects once, within the time there is for it. Tells in the log when that takes long or fails.
async fn connect(
    dial: &dyn Dial,
    address: &HostPort,
    settings: &ConnectionSettings,
) -> Result<Connection, ConnectError> {
    let (began, timeout, client) = (Instant::now(), settings.connect_timeout, settings.client_id.as_str());
    let accepted = AtomicBool::new(false);
    let work = tokio::time::timeout(timeout, dial_and_agree(dial, address, settings, &accepted));
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            result = &mut work => break result,
            () = tokio::time::sleep(trouble::SILENCE) => {
                trouble::still_connecting(client, address, began, accepted.load(Ordering::Relaxed));
            }
        }
    };
    let result = result.unwrap_or_else(|_| {
        let accepted = accepted.load(Ordering::Relaxed);
        Err(ConnectError::Timeout { address: address.clone(), accepted, timeout })
    });
    match &result {
        Ok(_) => trouble::connected(client, address),
        Err(error) => trouble::not_connected(client, address, began, error, error.likely_cause()),
    }
    result
}

async fn dial_and_agree(
    dial: &dyn Dial,
    address: &HostPort,
    settings: &ConnectionSettings,
    accepted: &AtomicBool,
) -> Result<Connection, ConnectError> {
    let stream = dial.dial(&address.host, address.port).await;
    let stream = stream.map_err(|source| ConnectError::Dial { address: address.clone(), source })?;
    accepted.store(true, Ordering::Relaxed);
    let protected = settings.security.protect(stream, address).await;
    let stream = protected.map_err(|source| ConnectError::Tls { address: address.clone(), source })?;
    let opened = Connection::open(stream, address, settings).await;
    opened.map_err(|source| ConnectError::Handshake { address: address.clone(), source })
}
