//! Starting and stopping: from a data folder to a serving node, and back to a data folder left in order.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::{Duration, Instant, SystemTime},
};

use millstream_disk::Disk;
use millstream_log::checkpoint::CheckpointError;
use millstream_metrics::Labels;
use millstream_record::{ErrorChain, Timestamp};
use tokio::{
    io::DuplexStream,
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::{error, info, warn};

use crate::{
    api::Peer,
    budget::Budget,
    changes::Changes,
    cleaner::Cleaner,
    clock::Clock,
    config::{BrokerConfig, group::OwnSettings, listener::Endpoint},
    connection,
    features::{Features, TRANSACTION_VERSION},
    fetch_sessions::FetchSessions,
    group_configs::GroupConfigs,
    groups::{
        EMBEDDED_HOST, Groups, Load,
        coordinator::{Assignor, MigrationPolicy, Settings},
    },
    handshake::{self, Opened},
    health::{Health, panic_text},
    io_threads::IoThreads,
    node::Node,
    open_files,
    partition::Partition,
    places::{Full, Limits, Places, parse_overrides, resolve},
    producer_ids::ProducerIds,
    quotas::{Quotas, rate::Window},
    recovery,
    security::{self, authorizer::Authorizer, listener::ListenerSecurity, session::Session, users::Users},
    seldom::Seldom,
    start_error::StartBrokerError,
    storage::data_dir::DataDir,
    strangers::Strangers,
    topics::Topics,
    transactions::{self, Surroundings, Transactions},
};

/// Room in each direction of an in-memory connection, in bytes.
const STREAM_BYTES: usize = 1 << 20;

/// Most connections that are held and not served, because their address has connected too fast.
const MOST_HELD: usize = 1_000;

/// How long connections may take to end once the broker stops.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// How often files with certificates and keys are looked at.
const RELOAD_EVERY: Duration = Duration::from_secs(10);

/// How often partitions that could not be opened are looked at; each has a pause of its own.
const OPEN_AGAIN_EVERY: Duration = Duration::from_secs(1);

/// A running broker. Dropping it ends it as a crash would, promises intact; the data folder stays locked until its
/// last task has noticed. [`Broker::shutdown`] leaves the data folder in order, which makes the next start faster.
pub struct Broker {
    pub(crate) node: Arc<Node>,
    addresses: Vec<SocketAddr>,
    data_dir: Arc<DataDir>,
    /// Listeners, connections, timers.
    tasks: TaskTracker,
    /// Work on its way to the disk.
    disk_tasks: TaskTracker,
    /// Ends what does not end by itself.
    abort: CancellationToken,
    _ends_with: (DropGuard, DropGuard),
    connections: Arc<Places>,
}

/// Why a broker did not stop in order. The next start recovers its data folder.
#[derive(Debug, thiserror::Error)]
pub enum StopBrokerError {
    /// Some partitions could not be closed, or were offline; each was reported.
    #[error(
        "partitions that are offline or could not be closed: {count}; each was named, and the next start checks all"
    )]
    Partitions {
        /// How many.
        count: usize,
    },
    /// A checkpoint could not be written.
    #[error("write the checkpoints")]
    Checkpoint {
        /// Why.
        #[from]
        source: CheckpointError,
    },
    /// The catalogue on disk may not be the one that was in effect, and could not be written again: a topic that was
    /// refused may be there at the next start, and one whose deletion was refused may be set aside.
    #[error("write the catalogue of topics; see to the disk, and compare the topics after the next start")]
    Catalogue,
    /// The marker could not be written.
    #[error("mark the data folder as cleanly left")]
    Marker {
        /// What the system said.
        source: io::Error,
    },
    /// The thread that closes ended early.
    #[error("close the data folder")]
    Interrupted {
        /// How it ended.
        source: io::Error,
    },
}

impl Broker {
    /// Opens the data folder, recovers it if it was not left in order, and serves. Clients are answered once this
    /// returns; none is accepted before everything is recovered.
    ///
    /// Must be called within a tokio runtime with time and I/O enabled. Dropping the future half-way leaves the
    /// data folder as a crash would.
    ///
    /// # Errors
    ///
    /// Says which folder, file or listener stands in the way.
    pub async fn start(config: BrokerConfig) -> Result<Self, StartBrokerError> {
        let most_open = open_files::raise_limit(config.most_open_files);
        Self::start_on(millstream_disk::real_with(most_open), config).await
    }

    /// As [`Broker::start`], with its data on another disk than the machine's.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn start_on(disk: Arc<dyn Disk>, config: BrokerConfig) -> Result<Self, StartBrokerError> {
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let (tasks, disk_tasks) = (TaskTracker::new(), TaskTracker::new());
        let (stopping, abort) = (CancellationToken::new(), CancellationToken::new());
        let clock = Clock::start();
        let (given, endpoints) = (config.given.clone(), config.listeners.clone());
        let secured = run_blocking(move || security::listener::read_all(&given, &endpoints))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })??;
        let mut listeners = Vec::with_capacity(config.listeners.len());
        let mut addresses = Vec::with_capacity(config.listeners.len());
        for endpoint in &config.listeners {
            let listen = |source: io::Error| match source.kind() {
                io::ErrorKind::AddrInUse => StartBrokerError::PortInUse { endpoint: endpoint.clone(), source },
                _ => StartBrokerError::Listen { endpoint: endpoint.clone(), source },
            };
            let listener = TcpListener::bind(endpoint.bind_address()).await.map_err(listen)?;
            addresses.push(listener.local_addr().map_err(listen)?);
            listeners.push(listener);
        }
        let health = Arc::new(Health::default());
        let changes = Changes::new(disk_tasks.clone(), Arc::clone(&health));
        let threads = IoThreads::new(config.io_threads, config.sync_threads, &disk_tasks, &health);
        let (opening, own_changes, own_health) = (config.clone(), changes.clone(), Arc::clone(&health));
        let (data_dir, topics) =
            run_blocking(move || recovery::open(&disk, &opening, threads, own_changes, own_health))
                .await
                .map_err(|source| StartBrokerError::Interrupted { source })??;
        let settings = group_settings(&config);
        let groups = Groups::new(settings, clock, Arc::clone(&topics), disk_tasks.clone(), Arc::clone(&health));
        let configs_dir = Arc::clone(&data_dir);
        let group_configs = run_blocking(move || GroupConfigs::open(configs_dir.disk(), configs_dir.path()))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })??;
        for (group, own) in group_configs.all().iter() {
            // Nobody else knows of the groups yet.
            let _ = groups.configure(group, config.consumer_bounds.effective(own));
        }
        let loading = Arc::clone(&groups);
        run_blocking(move || loading.load(Load::All))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })?;
        let (features_dir, own_changes) = (Arc::clone(&data_dir), changes.clone());
        let features = run_blocking(move || Features::open(features_dir.disk(), features_dir.path(), own_changes))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })??;
        let producer_ids =
            ProducerIds::new(data_dir.disk(), data_dir.path(), changes.clone(), first_producer_id(&topics));
        let around = Surroundings {
            clock,
            topics: Arc::clone(&topics),
            groups: Arc::clone(&groups),
            producer_ids: Arc::new(producer_ids),
            tracker: disk_tasks.clone(),
            health: Arc::clone(&health),
            stopping: stopping.clone(),
        };
        let producer_ids = Arc::clone(&around.producer_ids);
        let settings = transactions::Settings {
            max_timeout_ms: config.transaction_max_timeout_ms,
            id_expiration_ms: config.transactional_id_expiration_ms,
        };
        let transactions = Transactions::new(settings, features.levels().of(TRANSACTION_VERSION), around);
        let loading = Arc::clone(&transactions);
        run_blocking(move || loading.load(transactions::Load::All))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })?;
        if let Some(last) = transactions.last_producer_id() {
            producer_ids.begin_after(last);
        }
        let (rules_dir, given) = (Arc::clone(&data_dir), config.given.clone());
        let authorizer = run_blocking(move || Authorizer::open(&given, rules_dir.disk(), rules_dir.path()))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })??;
        let sample_ms = u64::try_from(config.quota_sample.as_millis()).unwrap_or(u64::MAX);
        let (quotas_dir, window) = (Arc::clone(&data_dir), Window { samples: config.quota_samples, sample_ms });
        let mutation_ms = u64::try_from(config.mutation_quota_sample.as_millis()).unwrap_or(u64::MAX);
        let mutations = Window { samples: config.mutation_quota_samples, sample_ms: mutation_ms };
        let quotas = run_blocking(move || Quotas::open(window, mutations, quotas_dir.disk(), quotas_dir.path()))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })??;
        let users_dir = Arc::clone(&data_dir);
        let users = run_blocking(move || Users::open(users_dir.disk(), users_dir.path()))
            .await
            .map_err(|source| StartBrokerError::Interrupted { source })??;
        let node = Arc::new(Node {
            authorizer,
            quotas,
            group_configs,
            users,
            listeners: secured,
            cluster_id: data_dir.cluster_id.clone(),
            connections: AtomicU64::new(0),
            features,
            fetch_sessions: Mutex::new(FetchSessions::new(config.fetch_session_slots)),
            producer_ids,
            transactions,
            changes,
            health,
            topics,
            groups,
            stopping: stopping.clone(),
            budget: Arc::new(Budget::new(config.request_memory_bytes / 2)),
            answers: Arc::new(Budget::new(config.request_memory_bytes / 2)),
            counts: config.metrics.group(Labels::none()),
            strangers: Strangers::default(),
            config,
        });
        let broker = Self {
            connections: Arc::default(),
            node,
            addresses,
            data_dir,
            tasks,
            disk_tasks,
            _ends_with: (stopping.drop_guard(), abort.clone().drop_guard()),
            abort,
        };
        broker.spawn_timers();
        for (number, listener) in listeners.into_iter().enumerate() {
            broker.spawn_listener(number, listener);
        }
        info!(cluster_id = %broker.node.cluster_id, listeners = ?broker.addresses, "broker started");
        Ok(broker)
    }

    /// Where the broker listens, in the order of its listeners, chosen ports filled in.
    pub fn listen_addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The id that clients see in Metadata; the same for the life of the data folder.
    pub fn cluster_id(&self) -> &str {
        &self.node.cluster_id
    }

    /// A connection within the process: the same frames as over TCP, at most 1 MiB under way in each direction.
    ///
    /// A group member that joins through it is taken to have died with its process: it is dropped when groups are
    /// loaded. The addresses in Metadata are not meant to be dialled; every one means this broker.
    pub fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(STREAM_BYTES);
        let (connection, session) = (self.node.next_connection(), Arc::new(Session::trusted()));
        let peer = Peer { host: EMBEDDED_HOST.to_owned(), advertised: self.embedded(), connection, session };
        let (reader, writer) = tokio::io::split(far);
        self.tasks.spawn(serve(Arc::clone(&self.node), peer, reader, writer, self.abort.clone()));
        near
    }

    /// The address by which Metadata names this broker to who connects within the process, as `host:port`. A client that
    /// begins there needs no other connection.
    pub fn embedded_address(&self) -> String {
        let Endpoint { host, port, .. } = self.embedded();
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    fn embedded(&self) -> Endpoint {
        match self.node.config.advertised_listeners.first().or(self.node.config.listeners.first()) {
            Some(endpoint) => Endpoint {
                port: if endpoint.port == 0 {
                    self.addresses.first().map_or(0, SocketAddr::port)
                } else {
                    endpoint.port
                },
                host: if endpoint.host.is_empty() { "localhost".to_owned() } else { endpoint.host.clone() },
                name: endpoint.name.clone(),
            },
            None => Endpoint { name: "PLAINTEXT".to_owned(), host: "embedded".to_owned(), port: 9092 },
        }
    }

    /// Stops serving, answers or fails what is parked, makes everything durable and leaves the folder in order.
    /// Takes a few seconds at most unless the disk is slower than that.
    ///
    /// # Errors
    ///
    /// Everything acknowledged is safe all the same; the next start recovers.
    pub async fn shutdown(self) -> Result<(), StopBrokerError> {
        self.node.stopping.cancel();
        self.node.groups.close();
        self.tasks.close();
        if timeout(DRAIN_LIMIT, self.tasks.wait()).await.is_err() {
            warn!("some connections did not end in time and are cut off");
        }
        self.abort.cancel();
        self.tasks.wait().await;
        self.disk_tasks.close();
        self.disk_tasks.wait().await;
        let (node, data_dir) = (Arc::clone(&self.node), Arc::clone(&self.data_dir));
        let closed = run_blocking(move || close(&node, &data_dir)).await;
        closed.map_err(|source| StopBrokerError::Interrupted { source })??;
        info!("broker stopped");
        Ok(())
    }

    /// Ends at once, as a crash of the process would, and waits until nothing of the broker runs any more. What was
    /// acknowledged is safe; the next start recovers the rest.
    pub async fn abandon(self) {
        self.node.stopping.cancel();
        self.abort.cancel();
        self.node.groups.close();
        self.tasks.close();
        self.tasks.wait().await;
        self.disk_tasks.close();
        self.disk_tasks.wait().await;
    }

    /// What has died while the broker goes on, a line each: partitions offline, timers that ended, faults in the
    /// program. Empty for a broker in order. Cheap; neither waits nor looks at the disk.
    pub fn health(&self) -> Vec<String> {
        self.node.health.faults()
    }

    /// Changes, and work on its way to the disk.
    #[cfg(test)]
    pub(crate) fn owned_tasks(&self) -> &TaskTracker {
        &self.disk_tasks
    }

    /// Runs a task that has to go on until the broker stops. Its end before that is a fault.
    fn spawn_lasting(&self, what: String, task: impl Future<Output = ()> + Send + 'static) {
        let (health, stopping) = (Arc::clone(&self.node.health), self.node.stopping.clone());
        let running = self.tasks.spawn(task);
        self.tasks.spawn(async move {
            let reason = match running.await {
                Ok(()) if stopping.is_cancelled() => return,
                Ok(()) => "it ended early".to_owned(),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => panic_text(&*panic),
                    // The runtime is shut down.
                    Err(_) => return,
                },
            };
            health.report(what, reason);
        });
    }

    fn spawn_timers(&self) {
        let (node, stop) = (Arc::clone(&self.node), self.node.stopping.clone());
        self.spawn_lasting("the timer of groups".to_owned(), async move {
            node.groups.run(node.config.offsets_check_interval, stop).await;
        });
        let (node, stop) = (Arc::clone(&self.node), self.node.stopping.clone());
        self.spawn_lasting("the timer of transactions".to_owned(), async move {
            let (abort, expiry) =
                (node.config.transaction_abort_interval, node.config.transactional_id_expiry_interval);
            node.transactions.run(abort, expiry, stop).await;
        });
        let node = Arc::clone(&self.node);
        self.spawn_periodic("retention", self.node.config.retention_check_interval, move || {
            let now = Timestamp::now();
            for_each_partition(&node, |partition| drop(partition.submit_here(move |partition| partition.retain(now))));
        });
        self.spawn_cleaners();
        let node = Arc::clone(&self.node);
        self.spawn_periodic("the checkpoints", self.node.config.checkpoint_interval, move || {
            if let Err(error) = node.topics.write_checkpoints() {
                // Old checkpoints are still true; recovery merely reads more.
                warn!(error = %ErrorChain(&error), "checkpoints could not be written");
            }
        });
        let secured = self.node.listeners.iter().any(|listener| listener.tls.is_some() || listener.sasl.is_some());
        if secured {
            let node = Arc::clone(&self.node);
            self.node.listeners.iter().for_each(|listener| warn_of_expiry(listener));
            self.spawn_periodic("the certificates", RELOAD_EVERY, move || reload(&node));
        }
        let node = Arc::clone(&self.node);
        self.spawn_periodic("the opening of partitions", OPEN_AGAIN_EVERY, move || {
            // A partition that could not be opened is a fault, so there are none to look for.
            if node.health.is_good() {
                return;
            }
            let now = Instant::now();
            for_each_partition(&node, |partition| {
                if partition.wants_opening(now) {
                    drop(partition.submit_here(move |partition| partition.open_again(now)));
                }
            });
            node.groups.load(Load::Missing);
            node.transactions.load(transactions::Load::Missing);
        });
    }

    fn spawn_cleaners(&self) {
        let (topics, config) = (Arc::clone(&self.node.topics), self.node.config.cleaner.clone());
        let counts = self.node.config.metrics.group(Labels::none());
        let cleaner = Cleaner::new(topics, config, self.node.stopping.clone(), counts);
        for number in 0..cleaner.threads() {
            let (cleaner, stop) = (cleaner.clone(), self.node.stopping.clone());
            let (what, health) = (format!("log cleaner {number}"), Arc::clone(&self.node.health));
            self.spawn_lasting(what.clone(), async move {
                while !stop.is_cancelled() {
                    let cleaning = cleaner.clone();
                    let cleaned = run_blocking(move || cleaning.clean_next()).await.unwrap_or_else(|error| {
                        health.report(what.as_str(), error.to_string());
                        false
                    });
                    if !cleaned {
                        let _stopped = timeout(cleaner.backoff(), stop.cancelled()).await;
                    }
                }
            });
        }
    }

    /// Runs `work` on a blocking thread every now and then until the broker stops.
    fn spawn_periodic(&self, what: &str, interval: Duration, work: impl Fn() + Send + Sync + 'static) {
        let (health, stop, name) = (Arc::clone(&self.node.health), self.node.stopping.clone(), what.to_owned());
        let work = Arc::new(work);
        self.spawn_lasting(what.to_owned(), async move {
            let mut ticks = tokio::time::interval(interval);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            ticks.tick().await;
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = ticks.tick() => {}
                }
                let work = Arc::clone(&work);
                if let Err(error) = run_blocking(move || work()).await {
                    health.report(name.as_str(), error.to_string());
                }
            }
        });
    }

    fn spawn_listener(&self, number: usize, listener: TcpListener) {
        let node = Arc::clone(&self.node);
        let (tasks, abort) = (self.tasks.clone(), self.abort.clone());
        let connections = Arc::clone(&self.connections);
        self.spawn_lasting(format!("listener {number}"), async move {
            let (mut refused, mut too_many, mut too_fast) = (Seldom::default(), Seldom::default(), Seldom::default());
            let (mut overrides, held) = (AddressLimits::default(), Arc::new(Semaphore::new(MOST_HELD)));
            loop {
                let accepted = tokio::select! {
                    () = node.stopping.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of file handles, usually: accepting again at once would only burn time.
                        error!(%error, "a connection could not be accepted (see max.connections and ulimit -n)");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let (limits, rate) = connection_limits(&node, &mut overrides).await;
                let mut refuse_all = || {
                    if let Some(refused) = refused.add(Instant::now()) {
                        warn!(
                            refused,
                            limit = limits.most,
                            "too many connections (max.connections): new ones are refused"
                        );
                    }
                };
                if connections.is_full(&limits) {
                    refuse_all();
                    continue;
                }
                let (Ok(peer), Ok(address)) = (peer_of(&node, number, &stream), stream.peer_addr()) else { continue };
                let too_soon = node.quotas.admit_ip(peer.host.trim_start_matches('/'), node.quotas.now_ms());
                if 0 < too_soon {
                    let (stop, host, pause) = (node.stopping.clone(), peer.host, Duration::from_millis(too_soon));
                    if let Some(connections) = too_fast.add(Instant::now()) {
                        warn!(
                            peer = host,
                            connections, "connections come too fast (quota connection_creation_rate): closed"
                        );
                    }
                    // It is none of the connections that are counted: those that wait must not keep others out.
                    let Ok(place) = Arc::clone(&held).try_acquire_owned() else { continue };
                    tasks.spawn(async move {
                        // As Kafka's, it is closed only after the wait, so that its client does not try again at once.
                        let _held = (place, stream);
                        let _stopped = timeout(pause, stop.cancelled()).await;
                    });
                    continue;
                }
                let place = match connections.take(address.ip().to_canonical(), &limits) {
                    Ok(place) => place,
                    Err(Full::All) => {
                        refuse_all();
                        continue;
                    }
                    Err(Full::OfAddress { most }) => {
                        if let Some(refused) = too_many.add(Instant::now()) {
                            warn!(
                                peer = peer.host,
                                refused,
                                most,
                                "too many connections from one address (max.connections.per.ip): new ones are refused"
                            );
                        }
                        continue;
                    }
                };
                let (serving, abort) = (Arc::clone(&node), abort.clone());
                tasks.spawn(async move {
                    let _place = place;
                    serve_socket(serving, number, peer, stream, abort).await;
                });
                if let Some(rate) = rate {
                    let pause = Duration::from_millis(node.quotas.admit_any(rate, node.quotas.now_ms()));
                    let _stopped = timeout(pause, node.stopping.cancelled()).await;
                }
            }
        });
    }
}

/// Limits of single addresses, and the text that they were read from.
#[derive(Default)]
struct AddressLimits {
    text: String,
    known: Arc<HashMap<IpAddr, usize>>,
}

impl AddressLimits {
    /// Reads them if the text has changed, which waits for names to be looked up.
    async fn follow(&mut self, text: &str) {
        if self.text == text {
            return;
        }
        let parsed = parse_overrides(text).unwrap_or_default();
        let Ok((known, unknown)) = run_blocking(move || resolve(parsed)).await else { return };
        if !unknown.is_empty() {
            let hosts = unknown.join(", ");
            warn!(hosts, "hosts without an address have no limit of their own (max.connections.per.ip.overrides)");
        }
        *self = Self { text: text.to_owned(), known: Arc::new(known) };
    }
}

/// Most connections at once, and most new ones a second if that is limited, as of now.
async fn connection_limits(node: &Node, of_addresses: &mut AddressLimits) -> (Limits, Option<f64>) {
    let layers = node.topics.dynamic().layers();
    let set = |name: &str| layers.get(name).and_then(|(value, _)| value.trim().parse::<u32>().ok());
    let text = layers.get("max.connections.per.ip.overrides").map_or("", |(value, _)| value);
    of_addresses.follow(text).await;
    let per_address = set("max.connections.per.ip").and_then(|most| usize::try_from(most).ok());
    let most = set("max.connections").and_then(|most| usize::try_from(most).ok());
    let rate = set("max.connection.creation.rate").filter(|rate| *rate < i32::MAX as u32);
    // A rate of none would be no broker at all: one in a while is let through.
    let limits = Limits {
        most: most.unwrap_or(node.config.max_connections),
        per_address: per_address.unwrap_or(usize::MAX),
        overrides: Arc::clone(&of_addresses.known),
    };
    (limits, rate.map(|rate| f64::from(rate).max(0.01)))
}

/// A connection of a listener, from its handshake to its end.
async fn serve_socket(node: Arc<Node>, listener: usize, peer: Peer, stream: TcpStream, abort: CancellationToken) {
    let security = Arc::clone(&node.listeners[listener]);
    let (stop, health) = (node.stopping.clone(), Arc::clone(&node.health));
    let opened = tokio::select! {
        opened = caught(&health, handshake::open(&node, peer, &security, stream)) => opened.flatten(),
        () = stop.cancelled() => None,
        () = abort.cancelled() => None,
    };
    match opened {
        Some((peer, Opened::Plain(stream))) => tokio::select! {
            _ = caught(&health, connection::serve_tcp(node, peer, stream, stop, abort.clone())) => {}
            () = abort.cancelled() => {}
        },
        Some((peer, Opened::Tls(stream))) => {
            let (reader, writer) = tokio::io::split(*stream);
            serve(node, peer, reader, writer, abort).await;
        }
        None => {}
    }
}

/// A fault in the program ends this connection only, and is told.
async fn caught<T>(health: &Health, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Ready(value)) => Poll::Ready(Some(value)),
        Ok(Poll::Pending) => Poll::Pending,
        Err(panic) => {
            health.report("a connection", panic_text(&*panic));
            Poll::Ready(None)
        }
    })
    .await
}

async fn serve(
    node: Arc<Node>,
    peer: Peer,
    reader: impl tokio::io::AsyncRead + Unpin + Send,
    writer: impl tokio::io::AsyncWrite + Unpin + Send,
    abort: CancellationToken,
) {
    let (stop, health) = (node.stopping.clone(), Arc::clone(&node.health));
    tokio::select! {
        _ = caught(&health, connection::serve(node, peer, reader, writer, stop)) => {}
        () = abort.cancelled() => {}
    }
}

/// Reads certificates and keys that have changed.
fn reload(node: &Node) {
    for listener in &node.listeners {
        for outcome in listener.reload() {
            match outcome {
                Ok(what) => {
                    info!(listener = %listener.name, "the listener's {what} were read again");
                    warn_of_expiry(listener);
                }
                Err(error) => {
                    let listener = &listener.name;
                    error!(%listener, error = %ErrorChain(&error), "a changed file cannot be used; the last good one stays");
                }
            }
        }
    }
}

/// Tells which certificates end soon.
fn warn_of_expiry(listener: &ListenerSecurity) {
    let expiring = listener.tls.as_ref().map(|tls| tls.expiring(SystemTime::now())).unwrap_or_default();
    for certificate in expiring {
        let left = certificate.not_after.duration_since(SystemTime::now()).unwrap_or_default();
        let (listener, subject, days) = (&listener.name, &certificate.subject, left.as_secs() / 86_400);
        if days == 0 {
            error!(%listener, %subject, "the certificate has expired or does so today: renew it");
        } else {
            warn!(%listener, %subject, days, "the certificate expires soon: renew it");
        }
    }
}

fn peer_of(node: &Node, listener: usize, stream: &TcpStream) -> io::Result<Peer> {
    // Answers are whole messages; waiting to fill a packet would only delay them.
    stream.set_nodelay(true)?;
    let (peer, local) = (stream.peer_addr()?, stream.local_addr()?);
    let advertised = match node.config.advertised_listeners.get(listener) {
        Some(endpoint) => endpoint.clone(),
        None => {
            let configured = &node.config.listeners[listener];
            let any = configured.host.is_empty() || configured.host == "0.0.0.0" || configured.host == "::";
            Endpoint {
                name: configured.name.clone(),
                // The address this very client reached is one that it can reach again.
                host: if any { local.ip().to_canonical().to_string() } else { configured.host.clone() },
                port: local.port(),
            }
        }
    };
    let advertised = if advertised.port == 0 { Endpoint { port: local.port(), ..advertised } } else { advertised };
    let (connection, session) = (node.next_connection(), Arc::new(Session::anonymous()));
    Ok(Peer { host: format!("/{}", peer.ip().to_canonical()), advertised, connection, session })
}

fn group_settings(config: &BrokerConfig) -> Settings {
    let assignors = config.consumer_assignors.iter().filter_map(|name| Assignor::find(name)).collect();
    Settings {
        min_session_ms: config.group_min_session_ms,
        max_session_ms: config.group_max_session_ms,
        initial_delay_ms: config.group_initial_rebalance_delay_ms,
        max_size: config.group_max_size,
        disconnect_grace_ms: config.disconnect_grace_ms,
        connect_disconnect_grace_ms: config.connect_disconnect_grace_ms,
        offset_retention_ms: config.offsets_retention_ms,
        consumer_times: config.consumer_bounds.effective(&OwnSettings::new()),
        consumer_max_size: config.consumer_max_size,
        consumer_assignors: assignors,
        consumer_migration: match config.consumer_migration_policy.as_str() {
            "disabled" => MigrationPolicy::Disabled,
            "upgrade" => MigrationPolicy::Upgrade,
            "downgrade" => MigrationPolicy::Downgrade,
            _ => MigrationPolicy::Bidirectional,
        },
    }
}

async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

/// The first id that no record of an open partition has.
fn first_producer_id(topics: &Topics) -> i64 {
    let known = topics.partitions().iter().filter_map(|partition| partition.last_producer_id()).max();
    known.map_or(0, |last| last.saturating_add(1))
}

fn for_each_partition(node: &Node, each: impl FnMut(&Arc<Partition>)) {
    node.topics.partitions().iter().for_each(each);
}

fn close(node: &Node, data_dir: &DataDir) -> Result<(), StopBrokerError> {
    let (partitions, next, failed) = (node.topics.partitions(), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(partition) = partitions.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Files that could not even be opened must not count as cleanly left at the next start.
            if partition.is_offline() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            if let Err(error) = partition.close() {
                failed.fetch_add(1, Ordering::Relaxed);
                error!(partition = %partition.name(), error = %ErrorChain(&error), "the partition could not be closed");
            }
        }
    };
    // Each waits for the disk several times, and file systems make durable at once what is asked for at once.
    let helpers = node.config.io_threads.min(partitions.len()).saturating_sub(1);
    let runtime = Handle::current();
    thread::scope(|scope| {
        for _ in 0..helpers {
            scope.spawn(|| {
                let _entered = runtime.enter();
                work();
            });
        }
        work();
    });
    let failed = failed.into_inner();
    node.topics.write_checkpoints()?;
    if node.topics.is_catalogue_uncertain() {
        return Err(StopBrokerError::Catalogue);
    }
    if 0 < failed {
        return Err(StopBrokerError::Partitions { count: failed });
    }
    data_dir.mark_clean().map_err(|source| StopBrokerError::Marker { source })
}
