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
use millstream_config::{WorkerConfig, worker_key as key};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{
    HeaderRuleError, Herder, Listener, ListenerError,
    cors::Cors,
    requests::{Peer, Requests},
    response_headers::{self, HeaderRule},
    routes::{self, Api},
    stream::BoundedListener,
};

/// How long running requests may still take when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

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
#[derive(Clone, Debug, PartialEq)]
pub struct RestConfig {
    listeners: Vec<Listener>,
    advertised_host: Option<String>,
    advertised_port: Option<u16>,
    max_body_bytes: usize,
    policy: Policy,
}

/// What is done to every response.
#[derive(Clone, Debug, Default, PartialEq)]
struct Policy {
    cors: Cors,
    headers: Vec<HeaderRule>,
}

/// Why the worker's keys for the REST API are refused.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RestConfigError {
    /// `listeners`.
    #[error("read the key listeners")]
    Listeners(#[source] ListenerError),
    /// `response.http.headers.config`.
    #[error("read the key response.http.headers.config")]
    Headers(#[source] HeaderRuleError),
    /// `rest.advertised.port`.
    #[error("the key rest.advertised.port is {port}, which is no port")]
    AdvertisedPort { port: i32 },
    /// `rest.advertised.listener`.
    #[error("the key rest.advertised.listener is {protocol:?}, but only http is served")]
    AdvertisedListener { protocol: String },
}

/// Why the API cannot be served.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum StartRestError {
    /// Somebody else listens there.
    #[error(
        "listen on {listener} (key listeners): the address is in use; stop the process that uses it or set another port"
    )]
    InUse {
        listener: Listener,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else.
    #[error("listen on {listener} (key listeners)")]
    Listen {
        listener: Listener,
        /// What the system said.
        source: io::Error,
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
        match key::ADVERTISED_LISTENER.get(config) {
            Some(protocol) if !protocol.eq_ignore_ascii_case("http") => {
                return Err(RestConfigError::AdvertisedListener { protocol });
            }
            _ => {}
        }
        Ok(Self {
            listeners: Listener::parse_all(&key::LISTENERS.get(config)).map_err(RestConfigError::Listeners)?,
            advertised_host: key::ADVERTISED_HOST.get(config).filter(|host| !host.is_empty()),
            advertised_port,
            max_body_bytes: usize::try_from(key::REST_REQUEST_MAX_BYTES.get(config)).unwrap_or(usize::MAX),
            policy: Policy {
                cors: Cors::new(&key::CORS_ORIGIN.get(config), &key::CORS_METHODS.get(config)),
                headers: response_headers::parse(&key::RESPONSE_HEADERS.get(config))
                    .map_err(RestConfigError::Headers)?,
            },
        })
    }
}

/// The API's server: bound first, attached to the herder later.
///
/// Callers that connect in between wait. Requests that have begun are finished even if the server is dropped;
/// [`RestServer::stop`] waits for them.
pub struct RestServer {
    config: RestConfig,
    addresses: Vec<SocketAddr>,
    waiting: Vec<BoundedListener>,
    serving: JoinSet<io::Result<()>>,
    requests: Requests,
    stop: watch::Sender<bool>,
}

impl RestServer {
    /// Takes all listeners.
    ///
    /// # Errors
    ///
    /// The first that cannot be had.
    pub async fn bind(config: RestConfig) -> Result<Self, StartRestError> {
        let mut addresses = Vec::new();
        let mut waiting = Vec::new();
        for listener in &config.listeners {
            let failed = |source: io::Error| {
                let listener = listener.clone();
                match source.kind() {
                    io::ErrorKind::AddrInUse => StartRestError::InUse { listener, source },
                    _ => StartRestError::Listen { listener, source },
                }
            };
            let socket = listen(listener).await.map_err(failed)?;
            addresses.push(socket.local_addr().map_err(failed)?);
            waiting.push(BoundedListener::new(socket));
        }
        let requests = Requests::new(config.max_body_bytes);
        Ok(Self { config, addresses, waiting, serving: JoinSet::new(), requests, stop: watch::Sender::new(false) })
    }

    /// Where it listens, in the order of the key `listeners`; ports are real ones.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Host and port under which others reach the worker, as `host:port`: the worker's id.
    pub fn worker_id(&self) -> String {
        let listener = self.config.listeners.first().and_then(|listener| listener.host.clone());
        let host = self.config.advertised_host.clone().or(listener).unwrap_or_else(|| local_address().to_string());
        let port = self.config.advertised_port.or(self.addresses.first().map(SocketAddr::port)).unwrap_or(0);
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// Serves the API from here on. Further calls change nothing. `checks` are what `/health` asks beside the
    /// herder.
    pub fn attach(&mut self, herder: Arc<dyn Herder>, version: WorkerVersion, checks: Vec<HealthCheck>) {
        let api = Api { herder, version, checks: checks.into(), max_body_bytes: self.config.max_body_bytes };
        let router = with_policy(routes::router(api, &self.requests), self.config.policy.clone());
        for listener in self.waiting.drain(..) {
            let mut stop = self.stop.subscribe();
            let stopped = async move {
                // The sender gone means that the server was dropped, which ends this task anyway.
                stop.wait_for(|&stop| stop).await.ok();
            };
            let service = router.clone().into_make_service_with_connect_info::<Peer>();
            let served = axum::serve(listener, service).with_graceful_shutdown(stopped);
            self.serving.spawn(async move { served.await });
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
