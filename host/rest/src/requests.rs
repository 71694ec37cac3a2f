//! Running requests: each in a task that the server owns and finishes, whether its caller waits or hangs up,
//! so that no change stops half-way. Changes leave one line each in the log.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, connect_info::Connected},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};
use tokio_util::task::TaskTracker;

use crate::{
    body,
    error::{Refusal, RestError},
    stream::BoundedListener,
};

/// Longest wait for the herder and for the request's body, as in Connect.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);

/// Most changes and validations at a time, those included whose callers are gone. Further ones wait; questions do not,
/// so that the worker still says how it is when changes have piled up.
const MAX_RUNNING: usize = 1024;

const TIMED_OUT: &str = "Request timed out";

/// Characters of a name that the log shows.
const NAME_SHOWN: usize = 250;

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(SocketAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// The requests of one server. Cheap to clone; clones share them.
#[derive(Clone)]
pub(crate) struct Requests {
    running: TaskTracker,
    permits: Arc<Semaphore>,
    max_body_bytes: usize,
}

/// What the log says of a change.
pub(crate) struct Change {
    method: Method,
    path: String,
    peer: String,
    /// The connector that the body names.
    connector: Option<String>,
    began: Instant,
}

impl Requests {
    pub(crate) fn new(max_body_bytes: usize) -> Self {
        Self { running: TaskTracker::new(), permits: Arc::new(Semaphore::new(MAX_RUNNING)), max_body_bytes }
    }

    /// Answers a request within the time limit. Dropping the future before the body is there drops the request;
    /// from then on it runs to its end.
    pub(crate) async fn run(self, request: Request, next: Next) -> Response {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut change = Change::of(&request);
        let (parts, body) = request.into_parts();
        let read = async {
            let permit = match is_question(&parts.method) {
                true => None,
                false => Some(Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed")),
            };
            Ok((permit, body::read(body, self.max_body_bytes).await?))
        };
        let read = tokio::time::timeout_at(deadline, read).await;
        let (permit, bytes) = match read.unwrap_or_else(|_| Err(RestError::internal(TIMED_OUT))) {
            Ok(read) => read,
            Err(error) => return refuse(change, error),
        };
        if let Some(change) = &mut change {
            change.take_name(&bytes);
        }
        let answer = self.start(Request::from_parts(parts, Body::from(bytes)), next, change, permit);
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => RestError::internal("Worker is shutting down").into_response(),
            Err(_) => RestError::internal(TIMED_OUT).into_response(),
        }
    }

    fn start(
        &self,
        request: Request,
        next: Next,
        change: Option<Change>,
        permit: Option<OwnedSemaphorePermit>,
    ) -> oneshot::Receiver<Response> {
        let (reply, answer) = oneshot::channel();
        let work = tokio::spawn(next.run(request));
        self.running.spawn(async move {
            let response = match work.await {
                Ok(response) => response,
                Err(error) => {
                    tracing::error!(%error, "a request to the REST API panicked");
                    RestError::internal(
                        "The request could not be completed because of a fault in the worker; its log has more",
                    )
                    .into_response()
                }
            };
            let gone = reply.is_closed();
            change.inspect(|change| change.log(&response, gone));
            // A caller that is gone needs no answer.
            let _ = reply.send(response);
            drop(permit);
        });
        answer
    }

    /// Waits for requests whose callers are gone. No more may begin.
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<> {
        self.running.close();
        let running = self.running.clone();
        async move { running.wait().await }
    }
}

fn is_question(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

/// Answers a request that is not begun.
pub(crate) fn refuse(change: Option<Change>, error: RestError) -> Response {
    let response = error.into_response();
    change.inspect(|change| change.log(&response, false));
    response
}

impl Change {
    /// What a request is about to change; `None` if it only asks.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let (method, path) = (request.method(), request.uri().path());
        let asks = is_question(method) || path.trim_end_matches('/').ends_with("/config/validate");
        let peer = request.extensions().get::<ConnectInfo<Peer>>();
        let peer =
            peer.map_or_else(|| "an unknown address".to_owned(), |ConnectInfo(Peer(address))| address.to_string());
        let (method, path) = (method.clone(), path.to_owned());
        (!asks).then(|| Self { method, path, peer, connector: None, began: Instant::now() })
    }

    /// Takes the connector's name from the body where the path does not have it.
    fn take_name(&mut self, bytes: &[u8]) {
        if self.path.trim_end_matches('/') == "/connectors" {
            let asked = body::create_connector(bytes).ok();
            self.connector = asked.map(|asked| asked.name.chars().take(NAME_SHOWN).collect());
        }
    }

    /// Of the request's body and query no more than a connector's name, since they may hold secrets.
    fn log(&self, response: &Response, gone: bool) {
        let Self { method, path, peer, connector, began } = self;
        let connector = connector.as_deref();
        let status = response.status().as_u16();
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let refusal = response.extensions().get::<Refusal>().map(Refusal::headline);
        let caller = if gone { " (who did not wait for the answer)" } else { "" };
        match refusal {
            Some(refusal) => {
                tracing::info!(status, ms, connector, "{method} {path} from {peer}{caller}: refused, {refusal}")
            }
            None => tracing::info!(status, ms, connector, "{method} {path} from {peer}{caller}: done"),
        }
    }
}
