//! SASL over a connection: the exchange at its beginning, and again before the session ends (KIP-368).
//!
//! While an exchange goes on, nothing else may be sent: a broker takes whatever comes for part of it. So requests pass
//! a gate on their way into the connection's queue, and the exchange closes it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millstream_security::sasl::{ClientStep, Mechanism, SaslError};
use millstream_wire::protocol::{
    messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse},
    protocol::StrBytes,
};
use tokio::{
    sync::{RwLock, RwLockReadGuard},
    time::Instant,
};

use super::{CallError, Connection, Disconnect};
use crate::{
    config::jitter,
    kafka_error::ErrorCode,
    security::{Login, LoginError},
};

/// Tokens that are exchanged at most; no mechanism needs more than three.
const MOST_STEPS: usize = 8;

/// Why the broker does not know who the client is.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// There is nothing to log in with.
    #[error("log in ({mechanism})")]
    Login { mechanism: Mechanism, source: LoginError },
    /// The exchange broke off.
    #[error("log in ({mechanism})")]
    Call { mechanism: Mechanism, source: CallError },
    /// The broker offers other mechanisms.
    #[error("log in ({mechanism}): the broker offers {offered} (sasl.mechanism)")]
    Mechanism {
        /// The mechanism that was asked for.
        mechanism: Mechanism,
        /// Those of the broker.
        offered: String,
        source: ErrorCode,
    },
    /// The broker does not accept the credentials.
    #[error("log in ({mechanism}){}", message.as_deref().map(|message| format!(": {message}")).unwrap_or_default())]
    Refused {
        mechanism: Mechanism,
        /// What the broker says about it in words.
        message: Option<String>,
        source: ErrorCode,
    },
    /// The broker's tokens cannot be accepted.
    #[error("log in ({mechanism})")]
    Exchange { mechanism: Mechanism, source: SaslError },
}

impl AuthenticationError {
    /// Whether trying again would be answered the same.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Login { .. } => false,
            Self::Call { source, .. } => !source.is_retriable(),
            Self::Mechanism { .. } | Self::Refused { .. } | Self::Exchange { .. } => true,
        }
    }

    /// Full name of the exception class that Java clients raise.
    pub fn java_class(&self) -> String {
        match self {
            Self::Mechanism { source, .. } | Self::Refused { source, .. } => source.java_class(),
            _ => "org.apache.kafka.common.errors.SaslAuthenticationException".to_owned(),
        }
    }
}

/// A connection's login, and until when it holds.
#[derive(Debug)]
pub(crate) struct Session {
    login: Option<Arc<Login>>,
    /// When the login has to be renewed, as it is then for the next request.
    renew_at: Mutex<Option<Instant>>,
    /// Passed by every request, closed by an exchange.
    gate: RwLock<()>,
}

/// Open while it exists.
pub(crate) struct Passage<'a> {
    _open: Option<RwLockReadGuard<'a, ()>>,
}

impl Session {
    pub(crate) fn new(login: Option<Arc<Login>>) -> Self {
        Self { login, renew_at: Mutex::default(), gate: RwLock::default() }
    }

    fn is_due(&self) -> bool {
        let renew_at = *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner);
        renew_at.is_some_and(|at| at <= Instant::now())
    }

    /// Logs in for the first time.
    pub(crate) async fn begin(&self, connection: &Connection) -> Result<(), AuthenticationError> {
        let _closed = self.gate.write().await;
        match &self.login {
            Some(login) => self.log_in(connection, login).await,
            None => Ok(()),
        }
    }

    /// Waits for the gate; logs in again before, if that is due. If that fails, or the future is dropped meanwhile, the
    /// connection is of no use any more and ends.
    pub(crate) async fn pass(&self, connection: &Connection) -> Passage<'_> {
        let Some(login) = &self.login else { return Passage { _open: None } };
        let open = self.gate.read().await;
        if !self.is_due() {
            return Passage { _open: Some(open) };
        }
        drop(open);
        let closed = self.gate.write().await;
        if self.is_due() {
            let unfinished = Unfinished(Some(connection));
            match self.log_in(connection, login).await {
                Ok(()) => tracing::debug!(mechanism = %login.mechanism(), "the login was renewed"),
                Err(source) => connection.end(Disconnect::LoginNotRenewed { source }),
            }
            unfinished.over();
        }
        Passage { _open: Some(closed.downgrade()) }
    }

    async fn log_in(&self, connection: &Connection, login: &Login) -> Result<(), AuthenticationError> {
        let result = self.exchange(connection, login).await;
        connection.logged_in(result.is_ok());
        result
    }

    async fn exchange(&self, connection: &Connection, login: &Login) -> Result<(), AuthenticationError> {
        let mechanism = login.mechanism();
        let call = |source| AuthenticationError::Call { mechanism, source };
        let mut client = login.begin().await.map_err(|source| AuthenticationError::Login { mechanism, source })?;
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism.name()));
        let response: SaslHandshakeResponse = connection.call_past_the_gate(&request).await.map_err(call)?;
        if let Err(source) = ErrorCode::check(response.error_code) {
            let offered = response.mechanisms.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(AuthenticationError::Mechanism { mechanism, offered, source });
        }
        let mut token = client.first();
        for _ in 0..MOST_STEPS {
            let began = Instant::now();
            let request = SaslAuthenticateRequest::default().with_auth_bytes(token.into());
            let response: SaslAuthenticateResponse = connection.call_past_the_gate(&request).await.map_err(call)?;
            if let Err(source) = ErrorCode::check(response.error_code) {
                let message = response.error_message.map(|message| message.to_string());
                return Err(AuthenticationError::Refused { mechanism, message, source });
            }
            let step = client.step(&response.auth_bytes);
            match step.map_err(|source| AuthenticationError::Exchange { mechanism, source })? {
                ClientStep::Send(next) => token = next,
                ClientStep::Done => {
                    let lifetime = u64::try_from(response.session_lifetime_ms).ok().filter(|lifetime| 0 < *lifetime);
                    // Not all connections at once, and well before the end.
                    let part = 0.85 + 0.1 * jitter();
                    let renew_at = lifetime.map(|lifetime| began + Duration::from_millis(lifetime).mul_f64(part));
                    *self.renew_at.lock().unwrap_or_else(PoisonError::into_inner) = renew_at;
                    return Ok(());
                }
            }
        }
        let source = SaslError::Malformed { mechanism, reason: "the exchange has no end" };
        Err(AuthenticationError::Exchange { mechanism, source })
    }
}

/// An exchange that somebody has stopped waiting for, so that the broker would take the next request for part of it.
struct Unfinished<'a>(Option<&'a Connection>);

impl Unfinished<'_> {
    fn over(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            connection.end(Disconnect::Dropped);
        }
    }
}
