//! Who sends the requests of one connection.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millstream_security::sasl::{Mechanism, SaslServer};
use tokio::time::Instant;

use super::listener::ListenerSecurity;

/// The user of connections that nobody has authenticated.
pub const ANONYMOUS: &str = "ANONYMOUS";

/// Least time between two authentications of one connection; a client that asks more often gets an error.
const REAUTHENTICATION_PAUSE: Duration = Duration::from_secs(1);

/// A connection's user, for as long as it is believed.
#[derive(Debug)]
pub struct Session {
    /// The name behind `User:`.
    pub user: String,
    /// Whether it is the worker itself, over a stream in memory, which may do everything.
    pub is_trusted: bool,
    sasl: Option<SaslSession>,
    /// Until when nothing is carried out, for quotas.
    muted_until: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct SaslSession {
    listener: Arc<ListenerSecurity>,
    mechanism: Mechanism,
    state: Mutex<SaslState>,
}

#[derive(Debug)]
struct SaslState {
    expires: Option<Instant>,
    begun: Option<Instant>,
    /// The exchange that was begun and has not ended.
    again: Option<SaslServer>,
    /// An authentication failed: nothing is answered any more.
    failed: bool,
}

/// What an answer to the handshake of a connection that is authenticated already depends on.
#[derive(Debug)]
pub enum Again {
    /// The exchange has begun.
    Begun,
    /// Sessions do not end on this connection, or the last one began just now.
    NotNow,
    /// Another mechanism than at first.
    OtherMechanism(Mechanism),
}

impl Session {
    /// Nobody in particular.
    pub fn anonymous() -> Self {
        Self { user: ANONYMOUS.to_owned(), is_trusted: false, sasl: None, muted_until: Mutex::default() }
    }

    /// The worker itself.
    pub fn trusted() -> Self {
        Self { is_trusted: true, ..Self::anonymous() }
    }

    /// Who showed a certificate.
    pub fn of_certificate(user: String) -> Self {
        Self { user, ..Self::anonymous() }
    }

    /// Who has authenticated by SASL; `lifetime` from now on, if it ends.
    pub fn of_sasl(
        user: String,
        listener: Arc<ListenerSecurity>,
        mechanism: Mechanism,
        lifetime: Option<Duration>,
        now: Instant,
    ) -> Self {
        let expires = lifetime.map(|lifetime| now + lifetime);
        let state = Mutex::new(SaslState { expires, begun: Some(now), again: None, failed: false });
        Self { user, sasl: Some(SaslSession { listener, mechanism, state }), ..Self::anonymous() }
    }

    /// Carries out nothing before this.
    pub fn mute(&self, until: Instant) {
        let mut muted = self.muted_until.lock().unwrap_or_else(PoisonError::into_inner);
        *muted = (*muted).max(Some(until));
    }

    /// Until when nothing is carried out.
    pub fn muted_until(&self) -> Option<Instant> {
        *self.muted_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether requests are answered no more until the client has authenticated again.
    pub fn is_over(&self, now: Instant) -> bool {
        self.state(|_, state| state.failed || state.expires.is_some_and(|expires| expires < now)).unwrap_or(false)
    }

    /// Nothing more is answered: an authentication has failed.
    pub fn fail(&self) {
        self.state(|_, state| state.failed = true);
    }

    /// Begins another authentication. `None` if this connection has none.
    pub fn authenticate_again(&self, mechanism: Option<Mechanism>, now: Instant) -> Option<Again> {
        self.state(|sasl, state| {
            let just_now = state.begun.is_some_and(|begun| now < begun + REAUTHENTICATION_PAUSE);
            if state.failed || state.expires.is_none() || just_now {
                return Again::NotNow;
            }
            if mechanism != Some(sasl.mechanism) {
                return Again::OtherMechanism(sasl.mechanism);
            }
            state.begun = Some(now);
            state.again = Some(SaslServer::new(sasl.mechanism));
            Again::Begun
        })
    }

    /// The exchange that was begun, which is over unless [`Session::go_on`] gives it back.
    pub fn take_exchange(&self) -> Option<(Arc<ListenerSecurity>, Mechanism, SaslServer)> {
        self.state(|sasl, state| Some((Arc::clone(&sasl.listener), sasl.mechanism, state.again.take()?)))?
    }

    /// The exchange goes on.
    pub fn go_on(&self, exchange: SaslServer) {
        self.state(|_, state| state.again = Some(exchange));
    }

    /// The same user has authenticated again.
    pub fn renew(&self, lifetime: Option<Duration>, now: Instant) {
        self.state(|_, state| state.expires = lifetime.map(|lifetime| now + lifetime));
    }

    fn state<T>(&self, act: impl FnOnce(&SaslSession, &mut SaslState) -> T) -> Option<T> {
        let sasl = self.sasl.as_ref()?;
        // Every field is whole whatever happened to who held the lock.
        let mut state = sasl.state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(act(sasl, &mut state))
    }
}
