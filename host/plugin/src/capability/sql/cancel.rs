//! Ends what a database still does for a connection that was given up: it notices the end of the connection only when it
//! has something to send.

use std::time::Duration;

use super::SqlError;
use super::connect::{Connection, Login};
use super::options::SessionOptions;
use super::{mysql, postgres};

/// Who can cancel what runs over a connection.
#[derive(Clone)]
pub(super) struct Canceller {
    login: Login,
    options: SessionOptions,
    timeout: Duration,
    sql: String,
}

impl Canceller {
    /// Asks the server how it calls the connection.
    pub(super) async fn of(
        login: Login,
        options: &SessionOptions,
        timeout: Duration,
        connection: &mut Connection,
    ) -> Result<Self, SqlError> {
        let sql = match connection {
            Connection::Postgres(connection) => postgres::cancels(connection).await?,
            Connection::MySql(connection, settings) => mysql::cancels(connection, *settings).await?,
            // Its thread is the host's own, and ends with the connection.
            Connection::Sqlite(..) => String::new(),
        };
        Ok(Self { login, options: options.clone(), timeout, sql })
    }

    /// Cancels over a connection of its own, for which nobody waits: it ends within the time of a connection's opening.
    pub(super) fn cancel(self) {
        // Without a runtime the process is at its end, and its connections with it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let cancelling = async {
                let connection = self.login.connect_once(&self.options, self.timeout).await?;
                match connection {
                    Connection::Postgres(mut connection) => {
                        let done = postgres::plain(&mut connection, &self.sql).await;
                        done.map_err(|error| SqlError::driver(self.login.target.product, "cancel", error))
                    }
                    Connection::MySql(mut connection, settings) => {
                        let done = mysql::plain(&mut connection, &self.sql).await;
                        done.map_err(|error| SqlError::driver(settings.product, "cancel", error))
                    }
                    Connection::Sqlite(..) => Ok(()),
                }
            };
            match tokio::time::timeout(self.timeout, cancelling).await {
                Ok(Ok(())) => {}
                // What runs ends by itself at the statement's own deadline.
                Ok(Err(error)) => tracing::debug!(error = error.message, "a statement could not be cancelled"),
                Err(_) => tracing::debug!("a statement could not be cancelled in time"),
            }
        });
    }
}

/// Cancels unless it is told that what ran has ended.
pub(super) struct CancelOnDrop(Option<Canceller>);

impl CancelOnDrop {
    pub(super) fn new(canceller: Option<Canceller>) -> Self {
        Self(canceller)
    }

    /// There is nothing to be cancelled.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(canceller) = self.0.take() {
            canceller.cancel();
        }
    }
}
