//! Where one instance may send requests, and how many at a time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use millstream_config::ConfigMap;
use millstream_metrics::PluginInstance;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use wasmtime_wasi_http::{Error as WasiError, RequestOptions, WasiBody, WasiHttpHooks};

use super::HttpAllowed;
use super::body::Stop;
use super::check::items;
use super::client::Client;
use super::declare::{Names, NamesServer};
use super::failure::{Cause, Failure};
use super::origin::{Origin, OriginPattern};
use super::send::{Room, send};
use super::settings::Settings;
use crate::capability::Worker;

/// What a request may take that begins after the task was asked to stop: a last flush, and no more.
const LAST_MOMENTS: Duration = Duration::from_secs(5);

/// What the keys of an instance's configuration open.
pub(crate) struct HttpAccess {
    grants: Arc<Vec<Grant>>,
    allowed: HttpAllowed,
    worker: Worker,
    metrics: Arc<PluginInstance>,
    requests: Arc<Semaphore>,
    buffer: Arc<Semaphore>,
}

#[derive(Clone)]
struct Grant {
    pattern: Place,
    client: Result<Arc<Client>, Failure>,
}

#[derive(Clone)]
enum Place {
    One(Origin),
    Many(OriginPattern),
}

impl fmt::Debug for HttpAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpAccess").field("grants", &self.grants.len()).finish_non_exhaustive()
    }
}

impl HttpAccess {
    /// Nothing is opened yet.
    pub(crate) fn new(allowed: HttpAllowed, worker: Worker, metrics: Arc<PluginInstance>) -> Self {
        let requests = Arc::new(Semaphore::new(allowed.requests.min(Semaphore::MAX_PERMITS)));
        let buffer = usize::try_from(allowed.buffer_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { grants: Arc::default(), allowed, worker, metrics, requests, buffer: Arc::new(Semaphore::new(buffer)) }
    }

    /// No key opens anything any more. Requests under way go on.
    pub(crate) fn revoke_all(&mut self) {
        self.grants = Arc::default();
    }

    /// Lets requests go to what a key's value names.
    pub(super) fn grant(&mut self, opening: &NamesServer, value: Option<&str>, config: &ConfigMap) {
        let Some(value) = value else { return };
        let places: Vec<Place> = match opening.names {
            // A template grants nothing by itself.
            Names::Url => Origin::of_url(value).into_iter().map(Place::One).collect(),
            Names::Origins => items(value).filter_map(OriginPattern::parse).map(Place::Many).collect(),
        };
        // The configuration was checked; what is wrong all the same is heard with the first request.
        let client = match Settings::read(&opening.roles, config) {
            Ok(settings) => Ok(Arc::new(Client::new(settings, &self.allowed, Arc::clone(&self.metrics)))),
            Err(error) => Err(Failure::new(Cause::Config, error.to_string())),
        };
        let grants = places.into_iter().map(|pattern| Grant { pattern, client: client.clone() });
        Arc::make_mut(&mut self.grants).extend(grants);
    }
}

/// The client of the first key that opens an origin.
fn find(grants: &[Grant], allowed: &HttpAllowed, origin: &Origin) -> Result<Arc<Client>, Failure> {
    let opens = |grant: &&Grant| match &grant.pattern {
        Place::One(one) => one == origin,
        Place::Many(pattern) => pattern.matches(origin),
    };
    let grant = grants.iter().find(opens).ok_or_else(|| {
        let text = format!("no key of the configuration opens {origin} for the plugin");
        Failure::new(Cause::Denied, text)
    })?;
    allowed.check(origin).map_err(|why| Failure::new(Cause::Denied, why))?;
    grant.client.clone()
}

type Answer = hyper::Response<WasiBody>;
type Afterwards = Box<dyn Future<Output = Result<(), WasiError>> + Send>;

impl WasiHttpHooks for HttpAccess {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Afterwards,
    ) -> Box<dyn Future<Output = Result<(Answer, Afterwards), WasiError>> + Send> {
        let (grants, allowed, metrics) = (Arc::clone(&self.grants), self.allowed.clone(), Arc::clone(&self.metrics));
        let (worker, buffer) = (self.worker.clone(), Arc::clone(&self.buffer));
        let place = Arc::clone(&self.requests).try_acquire_owned();
        Box::new(async move {
            let began = Instant::now();
            let sent = async {
                let busy = || format!("{} requests are under way (plugin.http.requests.max)", allowed.requests);
                let place = place.map_err(|_| Failure::new(Cause::Busy, busy()))?;
                let origin = Origin::of_uri(request.uri())
                    .map_err(|error| Failure::new(Cause::Denied, format!("{}: {error}", request.uri())))?;
                let client = find(&grants, &allowed, &origin)?;
                let mut room = room(&client, options, buffer);
                let is_last = is_over(worker.stopping()).await;
                if is_last {
                    room.limit = room.limit.min(LAST_MOMENTS);
                    room.silence = room.silence.min(LAST_MOMENTS);
                }
                let stop = |worker: Worker| -> Stop {
                    Box::pin(
                        async move { if is_last { std::future::pending().await } else { worker.stopping().await } },
                    )
                };
                let answer_stop = stop(worker.clone());
                let find = move |origin: &Origin| find(&grants, &allowed, origin);
                let answer = tokio::select! {
                    biased;
                    () = stop(worker) => Err(Failure::stopping()),
                    answer = send(origin, request, Box::new(find), room, answer_stop) => answer,
                };
                drop(place);
                answer
            };
            let answer = sent.await;
            metrics.http_time.add(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
            if answer.is_err() {
                metrics.http_failures.add(1);
            }
            let afterwards: Afterwards = Box::new(async { Ok(()) });
            Ok((answer?, afterwards))
        })
    }
}

/// What a request may take: as the configuration says, or less if the guest wants that.
fn room(client: &Client, options: Option<RequestOptions>, buffer: Arc<Semaphore>) -> Room {
    let RequestOptions { connect_timeout, first_byte_timeout, between_bytes_timeout } = options.unwrap_or_default();
    let whole = client.connect_timeout.saturating_add(client.request_timeout);
    let wanted = first_byte_timeout.map(|wait| wait.saturating_add(connect_timeout.unwrap_or_default()));
    Room {
        request_max: client.request_max,
        response_max: client.response_max,
        buffer,
        limit: wanted.map_or(whole, |wanted| wanted.min(whole)),
        silence: between_bytes_timeout.map_or(client.request_timeout, |wanted| wanted.min(client.request_timeout)),
    }
}

/// Whether a wait is over already.
async fn is_over(wait: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = wait => true,
        () = std::future::ready(()) => false,
    }
}
