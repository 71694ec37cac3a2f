//! Connections that are kept for the next request, so many for each origin.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::dial::Dialer;
use super::failure::{Cause, Failure};
use super::origin::Origin;

/// Unused connections of all origins together.
const MAX_IDLE: usize = 64;

/// A connection, and the task that moves its bytes, which ends with it.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

pub(super) struct Pool {
    per_origin: usize,
    idle_timeout: Duration,
    origins: Mutex<HashMap<Origin, Kept>>,
}

/// What there is of one origin.
struct Kept {
    /// With the time of their last use, the oldest first.
    idle: Vec<(Connection, Instant)>,
    places: Arc<Semaphore>,
}

/// A connection in use, and its place among those of its origin. Dropping it closes the connection.
pub(super) struct Lease {
    pub(super) connection: Option<Connection>,
    /// Whether it was used before, and so may have been closed by the other side meanwhile.
    pub(super) used_before: bool,
    origin: Origin,
    pool: Arc<Pool>,
    place: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(per_origin: usize, idle_timeout: Duration) -> Self {
        Self { per_origin, idle_timeout, origins: Mutex::default() }
    }

    fn origins(&self) -> MutexGuard<'_, HashMap<Origin, Kept>> {
        // What is inside is changed by single steps.
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn places(&self, origin: &Origin) -> Arc<Semaphore> {
        let mut origins = self.origins();
        let kept = origins
            .entry(origin.clone())
            .or_insert_with(|| Kept { idle: Vec::new(), places: Arc::new(Semaphore::new(self.per_origin)) });
        Arc::clone(&kept.places)
    }

    /// A connection to an origin: one that was used before if there is one and `fresh` does not forbid it. Waits for a
    /// place while all are taken; dropping the future gives it up.
    pub(super) async fn lease(
        self: &Arc<Self>,
        origin: &Origin,
        dialer: &Dialer,
        fresh: bool,
    ) -> Result<Lease, Failure> {
        let place = self.places(origin).acquire_owned().await.expect("it is never closed");
        let mut lease = Lease {
            connection: None,
            used_before: false,
            origin: origin.clone(),
            pool: Arc::clone(self),
            place: Some(place),
        };
        if !fresh && let Some(connection) = self.take_idle(origin) {
            lease.connection = Some(connection);
            lease.used_before = true;
            return Ok(lease);
        }
        let stream = dialer.dial(origin).await?;
        let (sender, driver) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::new(Cause::Cut, format!("begin HTTP with {origin}: {error}")))?;
        let driver = tokio::spawn(async move {
            // Whoever waits for the answer hears what went wrong.
            let _ = driver.await;
        });
        lease.connection = Some(Connection { sender, driver });
        Ok(lease)
    }

    fn take_idle(&self, origin: &Origin) -> Option<Connection> {
        let mut origins = self.origins();
        let kept = origins.get_mut(origin)?;
        let now = Instant::now();
        // The one used last is the least likely to have been closed.
        while let Some((connection, since)) = kept.idle.pop() {
            if now < since + self.idle_timeout && !connection.sender.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, origin: &Origin, connection: Connection) {
        let mut origins = self.origins();
        let now = Instant::now();
        for kept in origins.values_mut() {
            kept.idle.retain(|(connection, since)| now < *since + self.idle_timeout && !connection.sender.is_closed());
        }
        if MAX_IDLE <= origins.values().map(|kept| kept.idle.len()).sum() {
            return;
        }
        if let Some(kept) = origins.get_mut(origin) {
            kept.idle.push((connection, now));
        }
    }

    /// Forgets an origin of which nothing is left.
    fn tidy(&self, origin: &Origin) {
        let mut origins = self.origins();
        let is_bare = |kept: &Kept| kept.idle.is_empty() && Arc::strong_count(&kept.places) == 1;
        if origins.get(origin).is_some_and(is_bare) {
            origins.remove(origin);
        }
    }
}

impl Lease {
    /// The answer was read to its end: the next request may use the connection.
    pub(super) fn give_back(mut self) {
        if let Some(connection) = self.connection.take().filter(|connection| !connection.sender.is_closed()) {
            self.pool.keep(&self.origin, connection);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connection = None;
        self.place = None;
        self.pool.tidy(&self.origin);
    }
}
