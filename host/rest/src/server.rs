//! Listening, serving, stopping.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use millstream_config::{Mode, WorkerConfig, worker_key as key};
use millstream_record::ErrorChain;
use millstream_runtime::herder::Peers;
use millstream_security::tls::{TlsError, TlsKeys, TlsServer};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    HeaderRuleError, Herder, Listener, ListenerError, Protocol,
    basic_auth::{self, AuthConfigError, BasicAuth},
    client::{ClientSettings, HttpClient},
    cors::Cors,
    peers::HttpPeers,
    requests::{Peer, Requests},
    response_headers::{self, HeaderRule},
    routes::{self, Api, ConnectorLogs, ConnectorProgress, MetricsPage, Part},
    signature::Signing,
    stream::BoundedListener,
};

/// How long running requests may still take when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// What workers call themselves when they ask others, as in Connect.
const FORWARDS_AS: &str = "kafka-connect";

/// How often it is looked whether keys and certificates have changed.
const CERTIFICATES_CHECKED: Duration = Duration::from_secs(10);

/// What `GET /` says of the worker.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WorkerVersion {
    /// The version of Connect that it is compatible with, as tools expect it.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
}

/// Something beside the herder that `/health` asks after: what is broken there, for people. Must not block.
pub type HealthCheck = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// How the API is served.
#[derive(Clone, Debug)]
pub struct RestConfig {
    listeners: Vec<Listener>,
    tls: Option<TlsKeys>,
    /// Where `/admin` is served; `None` for beside everything else, empty for nowhere.
    admin_listeners: Option<Vec<Listener>>,
    admin_tls: Option<TlsKeys>,
    /// Where `/metrics` is served, likewise.
    metrics_listeners: Option<Vec<Listener>>,
    metrics_tls: Option<TlsKeys>,
    /// Which of the listeners others are told of.
    advertised: usize,
    advertised_host: Option<String>,
    advertised_port: Option<u16>,
    max_body_bytes: usize,
    auth: Option<BasicAuth>,
    policy: Policy,
    signing: Signing,
}

/// What is done to every response.
#[derive(Clone, Debug, Default, PartialEq)]
struct Policy {
    cors: Cors,
    headers: Vec<HeaderRule>,
}

/// Why the worker's keys for the REST API are refused.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum RestConfigError {
    /// `listeners`.
    #[error("read the key listeners")]
    Listeners(#[source] ListenerError),
    /// `admin.listeners`.
    #[error("read the key admin.listeners")]
    AdminListeners(#[source] ListenerError),
    /// `metrics.listeners`.
    #[error("read the key metrics.listeners")]
    MetricsListeners(#[source] ListenerError),
    /// The keys of TLS.
    #[error("read the TLS keys of the REST API ({prefix}ssl.*, or ssl.* if there is none of these)")]
    Tls { prefix: &'static str, source: TlsError },
    /// `response.http.headers.config`.
    #[error("read the key response.http.headers.config")]
    Headers(#[source] HeaderRuleError),
    /// `rest.extension.classes` and what belongs to it.
    #[error(transparent)]
    Auth(#[from] AuthConfigError),
    /// How workers sign what they ask of each other.
    #[error("read the key {fault}")]
    Signing { fault: String },
    /// `rest.advertised.port`.
    #[error("the key rest.advertised.port is {port}, which is no port")]
    AdvertisedPort { port: i32 },
    /// `rest.advertised.listener`.
    #[error("the key rest.advertised.listener is {protocol:?}, but there is no such listener among the key listeners")]
    AdvertisedListener { protocol: String },
}

/// Why the API cannot be served.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum StartRestError {
    /// Somebody else listens there.
    #[error(
        "listen on {listener} (key {key}): the address is in use; stop the process that uses it or set another port"
    )]
    InUse {
        listener: Listener,
        key: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("listen on {listener} (key {key})")]
    Listen {
        listener: Listener,
        key: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Keys or certificates.
    #[error("read the keys and certificates for the https listeners of key {key}")]
    Tls {
        key: &'static str,
        /// Which file, and what to do.
        source: TlsError,
    },
}

impl RestConfig {
    /// Reads a worker's keys.
    ///
    /// # Errors
    ///
    /// See [`RestConfigError`].
    pub fn of(worker: &WorkerConfig) -> Result<Self, RestConfigError> {
        let config = worker.config();
        let advertised_port = key::ADVERTISED_PORT
            .get(config)
            .map(|port| u16::try_from(port).map_err(|_| RestConfigError::AdvertisedPort { port }))
            .transpose()?;
        let listeners = Listener::parse_all(&key::LISTENERS.get(config)).map_err(RestConfigError::Listeners)?;
        let advertised = match key::ADVERTISED_LISTENER.get(config).filter(|protocol| !protocol.trim().is_empty()) {
            Some(protocol) => {
                let wanted = Protocol::from_name(protocol.trim());
                let found = listeners.iter().position(|listener| Some(listener.protocol) == wanted);
                found.ok_or(RestConfigError::AdvertisedListener { protocol })?
            }
            None => listeners.iter().position(|listener| listener.protocol == Protocol::Http).unwrap_or(0),
        };
        let beside = |texts: Option<Vec<String>>| match texts {
            Some(texts) if !texts.is_empty() => Listener::parse_all(&texts).map(Some),
            other => Ok(other.map(|_| Vec::new())),
        };
        let admin_listeners = beside(key::ADMIN_LISTENERS.get(config)).map_err(RestConfigError::AdminListeners)?;
        let metrics_listeners =
            beside(key::METRICS_LISTENERS.get(config)).map_err(RestConfigError::MetricsListeners)?;
        let tls_of = |listeners: &Option<Vec<Listener>>, prefix| {
            tls_keys(worker, listeners.as_deref().unwrap_or_default(), prefix)
        };
        // A worker that is alone signs nothing, and has no such keys.
        let signing = match worker.mode() {
            Mode::Standalone => Signing::default(),
            Mode::Distributed => Signing {
                algorithm: key::INTER_WORKER_SIGNATURE.get(config),
                accepted: key::INTER_WORKER_VERIFICATION.get(config),
            },
        };
        if let Some(fault) = signing.fault() {
            return Err(RestConfigError::Signing { fault });
        }
        Ok(Self {
            signing,
            tls: tls_keys(worker, &listeners, "listeners.https.")?,
            admin_tls: tls_of(&admin_listeners, "admin.listeners.https.")?,
            metrics_tls: tls_of(&metrics_listeners, "metrics.listeners.https.")?,
            listeners,
            admin_listeners,
            metrics_listeners,
            advertised,
            advertised_host: key::ADVERTISED_HOST.get(config).filter(|host| !host.is_empty()),
            advertised_port,
            max_body_bytes: usize::try_from(key::REST_REQUEST_MAX_BYTES.get(config)).unwrap_or(usize::MAX),
            auth: BasicAuth::of(worker)?,
            policy: Policy {
                cors: Cors::new(&key::CORS_ORIGIN.get(config), &key::CORS_METHODS.get(config)),
                headers: response_headers::parse(&key::RESPONSE_HEADERS.get(config))
                    .map_err(RestConfigError::Headers)?,
            },
        })
    }
}

/// The keys of TLS for listeners that need them: all of those with the prefix if there is one, otherwise the worker's.
fn tls_keys(
    worker: &WorkerConfig,
    listeners: &[Listener],
    prefix: &'static str,
) -> Result<Option<TlsKeys>, RestConfigError> {
    if listeners.iter().all(|listener| listener.protocol == Protocol::Http) {
        return Ok(None);
    }
    let mut keys = worker.config().originals_with_prefix(prefix);
    if keys.is_empty() {
        keys.clone_from(worker.config().originals());
    }
    let read = TlsKeys::read(&|key| keys.get(key).cloned().flatten());
    read.map(Some).map_err(|source| RestConfigError::Tls { prefix, source })
}

/// The API's server: bound first, attached to the herder later.
///
/// Callers that connect in between wait. Requests that have begun are finished even if the server is dropped;
/// [`RestServer::stop`] waits for them.
pub struct RestServer {
    config: RestConfig,
    addresses: Vec<SocketAddr>,
    waiting: Vec<(BoundedListener, Part)>,
    tls: Vec<Arc<TlsServer>>,
    serving: JoinSet<io::Result<()>>,
    requests: Requests,
    metrics: Option<MetricsPage>,
    client: HttpClient,
    logs: Option<ConnectorLogs>,
    progress: Option<ConnectorProgress>,
    stop: watch::Sender<bool>,
}

impl RestServer {
    /// Takes all listeners.
    ///
    /// # Errors
    ///
    /// The first that cannot be had.
    pub async fn bind(config: RestConfig) -> Result<Self, StartRestError> {
        let main =
            Part { api: true, admin: config.admin_listeners.is_none(), metrics: config.metrics_listeners.is_none() };
        let admin = config.admin_listeners.as_deref().unwrap_or_default();
        let metrics = config.metrics_listeners.as_deref().unwrap_or_default();
        let (only_admin, only_metrics) =
            (Part { admin: true, ..Part::default() }, Part { metrics: true, ..Part::default() });
        let mut addresses = Vec::new();
        let mut waiting = Vec::new();
        let mut all_tls = Vec::new();
        for (key, listeners, keys, part) in [
            ("listeners", &config.listeners[..], &config.tls, main),
            ("admin.listeners", admin, &config.admin_tls, only_admin),
            ("metrics.listeners", metrics, &config.metrics_tls, only_metrics),
        ] {
            let made = keys.clone().map(TlsServer::new).transpose();
            let tls = made.map_err(|source| StartRestError::Tls { key, source })?.map(Arc::new);
            for listener in listeners {
                let failed = |source: io::Error| {
                    let listener = listener.clone();
                    match source.kind() {
                        io::ErrorKind::AddrInUse => StartRestError::InUse { listener, key, source },
                        _ => StartRestError::Listen { listener, key, source },
                    }
                };
                let socket = listen(listener).await.map_err(failed)?;
                addresses.push(socket.local_addr().map_err(failed)?);
                let tls = tls.clone().filter(|_| listener.protocol == Protocol::Https);
                waiting.push((BoundedListener::new(socket, tls), part));
            }
            all_tls.extend(tls);
        }
        let requests = Requests::new(config.max_body_bytes);
        let (serving, stop) = (JoinSet::new(), watch::Sender::new(false));
        // Workers of a group have the same certificates, as a rule.
        let client = HttpClient::new(ClientSettings {
            user_agent: FORWARDS_AS.to_owned(),
            tls: config.tls.clone(),
            ..ClientSettings::default()
        });
        Ok(Self {
            config,
            addresses,
            waiting,
            tls: all_tls,
            serving,
            requests,
            metrics: None,
            logs: None,
            progress: None,
            client,
            stop,
        })
    }

    /// What `/metrics` shows, from the next [`Self::attach`] on; there is none without.
    pub fn show_metrics(&mut self, page: MetricsPage) {
        self.metrics = Some(page);
    }

    /// Which lines `/connectors/{connector}/logs` shows, from the next [`Self::attach`] on; there are none without.
    pub fn show_logs(&mut self, logs: ConnectorLogs) {
        self.logs = Some(logs);
    }

    /// What `/connectors/{connector}/progress` shows, from the next [`Self::attach`] on; there is nothing without.
    pub fn show_progress(&mut self, progress: ConnectorProgress) {
        self.progress = Some(progress);
    }

    /// Where it listens, in the order of the keys `listeners`, `admin.listeners` and `metrics.listeners`; ports are real
    /// ones.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Host and port under which others reach the worker, as `host:port`: the worker's id.
    pub fn worker_id(&self) -> String {
        let advertised = self.config.advertised;
        let listener = self.config.listeners.get(advertised).and_then(|listener| listener.host.clone());
        let host = self.config.advertised_host.clone().or(listener).unwrap_or_else(|| local_address().to_string());
        let port = self.config.advertised_port.or(self.addresses.get(advertised).map(SocketAddr::port)).unwrap_or(0);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The URL under which others reach the worker, without a slash at its end.
    pub fn url(&self) -> String {
        let protocol = self.config.listeners.get(self.config.advertised).map_or("http", |of| of.protocol.name());
        format!("{protocol}://{}", self.worker_id())
    }

    /// The way to other workers of a group.
    pub fn peers(&self) -> Arc<dyn Peers> {
        Arc::new(HttpPeers { client: self.client.clone(), signing: self.config.signing.clone() })
    }

    /// Serves the API from here on. Further calls change nothing. `checks` are what `/health` asks beside the
    /// herder.
    pub fn attach(&mut self, herder: Arc<dyn Herder>, version: WorkerVersion, checks: Vec<HealthCheck>) {
        let api = Api {
            herder,
            version,
            checks: checks.into(),
            max_body_bytes: self.config.max_body_bytes,
            metrics: self.metrics.clone(),
            logs: self.logs.clone(),
            progress: self.progress.clone(),
            signing: self.config.signing.clone(),
            client: self.client.clone(),
        };
        for (listener, part) in self.waiting.drain(..) {
            let mut router = routes::router(api.clone(), &self.requests, part);
            if let Some(auth) = &self.config.auth {
                router = router.route_layer(from_fn_with_state(auth.clone(), basic_auth::guard));
            }
            let router = with_policy(router, self.config.policy.clone());
            let mut stop = self.stop.subscribe();
            let stopped = async move {
                // The sender gone means that the server was dropped, which ends this task anyway.
                stop.wait_for(|&stop| stop).await.ok();
            };
            let service = router.into_make_service_with_connect_info::<Peer>();
            let served = axum::serve(listener, service).with_graceful_shutdown(stopped);
            self.serving.spawn(async move { served.await });
        }
        for tls in self.tls.drain(..) {
            self.serving.spawn(follow_certificates(tls, self.stop.subscribe()));
        }
    }

    /// Takes no more requests and waits for those that are running, at most 60 seconds.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let requests = self.requests.ended();
        let ended = async {
            while let Some(ended) = self.serving.join_next().await {
                match ended {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%error, "serving the REST API ended with an error"),
                    Err(error) => tracing::error!(%error, "serving the REST API panicked"),
                }
            }
            requests.await;
        };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("requests to the REST API were still running after 60 seconds and were ended");
        }
    }
}

/// Reads keys and certificates again when their files have changed, until the server stops.
async fn follow_certificates(tls: Arc<TlsServer>, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    loop {
        tokio::select! {
            _ = stop.wait_for(|&stop| stop) => return Ok(()),
            () = tokio::time::sleep(CERTIFICATES_CHECKED) => {}
        }
        let reloading = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || reloading.reload()).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => tracing::info!("the REST API has new keys and certificates"),
            Ok(Err(error)) => tracing::error!(
                error = %ErrorChain(&error),
                "the REST API goes on with its old keys and certificates: the new ones cannot be used"
            ),
            Err(error) => tracing::error!(%error, "reading the REST API's keys and certificates panicked"),
        }
    }
}

async fn listen(listener: &Listener) -> io::Result<TcpListener> {
    match &listener.host {
        Some(host) => TcpListener::bind((host.as_str(), listener.port)).await,
        // The unspecified IPv6 address takes IPv4 callers too; not every machine has IPv6.
        None => match TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, listener.port)).await {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, listener.port)).await
            }
            bound => bound,
        },
    }
}

/// The address that this machine uses towards others; loopback if there is none.
fn local_address() -> IpAddr {
    // Connecting a datagram socket sends nothing: it only chooses the interface. The target is reserved for
    // documentation.
    let chosen = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
        .and_then(|socket| socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr()));
    chosen.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// Puts the worker's header rules around the API.
fn with_policy(router: Router, policy: Policy) -> Router {
    router.layer(from_fn_with_state(Arc::new(policy), around))
}

async fn around(State(policy): State<Arc<Policy>>, request: Request, next: Next) -> Response {
    let started = std::time::Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = match policy.cors.preflight(&method, request.headers()) {
        Some(headers) => (StatusCode::OK, headers).into_response(),
        None => {
            let granted = policy.cors.grant(request.headers());
            let mut response = next.run(request).await;
            response.headers_mut().extend(granted);
            response
        }
    };
    response_headers::apply(&policy.headers, response.headers_mut(), SystemTime::now());
    tracing::debug!(
        %method,
        path,
        status = response.status().as_u16(),
        ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered a request",
    );
    response
}

#[cfg(test)]
mod tests;
