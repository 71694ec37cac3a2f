//! LISTEN and NOTIFY. A connection of its own belongs to a task that ends with the guest's handle.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millstream_connector::Rest;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::super::SqlError;
use super::PRODUCT;

/// Notifications that wait to be asked for. Of more the oldest are given up: they only say that there is something new.
const MOST_WAITING: usize = 10_000;

/// What a session listens to.
pub(in super::super) struct Listener {
    channels: mpsc::Sender<(String, oneshot::Sender<Result<(), SqlError>>)>,
    heard: Arc<Heard>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Heard {
    inside: Mutex<Inside>,
    changed: Notify,
}

#[derive(Default)]
struct Inside {
    payloads: Vec<String>,
    lost: Option<SqlError>,
}

impl Heard {
    fn note(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_waiters();
    }

    fn is_quiet(&self) -> bool {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.payloads.is_empty() && inside.lost.is_none()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Opens a connection and listens to a channel.
    pub(in super::super) async fn start(
        options: PgConnectOptions,
        timeout: Duration,
        channel: &str,
    ) -> Result<Self, SqlError> {
        let attempted = format!("listen to {channel}");
        let failed = |error| SqlError::driver(PRODUCT, &attempted, error);
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(timeout).connect_lazy_with(options);
        let mut listener = PgListener::connect_with(&pool).await.map_err(failed)?;
        // A lost connection may have lost notifications: who listens is to know, and to look.
        listener.eager_reconnect(false);
        listener.ignore_pool_close_event(true);
        listener.listen(channel).await.map_err(failed)?;
        let (channels, receiver) = mpsc::channel(1);
        let heard = Arc::<Heard>::default();
        let task = tokio::spawn(hear(listener, receiver, Arc::clone(&heard)));
        Ok(Self { channels, heard, task })
    }

    /// Listens to one more channel.
    pub(in super::super) async fn add(&self, channel: &str) -> Result<(), SqlError> {
        let (answer, answered) = oneshot::channel();
        let gone = || SqlError::lost(format!("listen to {channel}: the connection that listens is lost"));
        self.channels.send((channel.to_owned(), answer)).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// What was heard since the last call. After an error there is nothing more to hear.
    pub(in super::super) fn take(&self) -> Result<Vec<String>, SqlError> {
        let mut inside = self.heard.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match inside.lost.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut inside.payloads)),
        }
    }

    /// Ends when there is something to be taken.
    pub(in super::super) fn notified(&self) -> Rest {
        let heard = Arc::clone(&self.heard);
        Box::pin(async move {
            loop {
                let changed = heard.changed.notified();
                tokio::pin!(changed);
                // From here on no change is missed.
                changed.as_mut().enable();
                if !heard.is_quiet() {
                    return;
                }
                changed.await;
            }
        })
    }
}

async fn hear(
    mut listener: PgListener,
    mut channels: mpsc::Receiver<(String, oneshot::Sender<Result<(), SqlError>>)>,
    heard: Arc<Heard>,
) {
    let lost = |error: Option<sqlx::Error>| match error {
        Some(error) => SqlError::driver(PRODUCT, "listen", error),
        None => {
            SqlError::lost("listen: the connection to PostgreSQL was lost: listen anew, and look at what has changed")
        }
    };
    loop {
        let received = tokio::select! {
            channel = channels.recv() => match channel {
                Some((channel, answer)) => {
                    let listened = listener.listen(&channel).await;
                    let listened = listened.map_err(|error| SqlError::driver(PRODUCT, "listen", error));
                    // Who has asked may have gone.
                    drop(answer.send(listened));
                    continue;
                }
                None => return,
            },
            received = listener.try_recv() => received,
        };
        match received {
            Ok(Some(notification)) => heard.note(|inside| {
                if MOST_WAITING <= inside.payloads.len() {
                    inside.payloads.remove(0);
                }
                inside.payloads.push(notification.payload().to_owned());
            }),
            Ok(None) => return heard.note(|inside| inside.lost = Some(lost(None))),
            Err(error) => return heard.note(|inside| inside.lost = Some(lost(Some(error)))),
        }
    }
}
