//! SaslHandshake and SaslAuthenticate: before anything else on a connection, and again when its session ends (KIP-368).
//!
//! The order of checks and the words for clients are Kafka's. What exactly was wrong stands in the broker's log only.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use millstream_security::sasl::{Credentials, Mechanism, SaslError, SaslServer, ServerStep};
use millstream_wire::protocol::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use tokio::time::Instant;

use super::{Call, Incoming, Peer, Rejected, Reply, text};
use crate::{
    error_code::ErrorCode,
    node::Node,
    security::{
        listener::{ListenerSecurity, SaslSettings},
        session::{Again, Session},
    },
};

/// How far a connection has come before it is authenticated.
#[derive(Debug, Default)]
pub enum Stage {
    /// Nothing has been asked.
    #[default]
    Begin,
    /// The versions were asked for.
    Versions,
    /// A mechanism was chosen.
    Exchange {
        /// The one.
        mechanism: Mechanism,
        /// Our side.
        server: Box<SaslServer>,
        /// Whether tokens come without a request around them, as after version 0 of the handshake.
        bare: bool,
    },
}

/// Why a connection was not authenticated.
#[derive(Debug, thiserror::Error)]
pub enum NotAuthenticated {
    /// Something else came first.
    #[error("{api:?} was asked before the connection was authenticated")]
    Unexpected {
        /// What.
        api: ApiKey,
    },
    /// Not one of the mechanisms of the listener.
    #[error("the mechanism '{name}' is not enabled on this listener (sasl.enabled.mechanisms)")]
    Mechanism {
        /// As asked for.
        name: String,
    },
    /// The exchange failed.
    #[error("authenticate by {mechanism}")]
    Failed {
        /// By which mechanism.
        mechanism: Mechanism,
        /// Why.
        source: SaslError,
    },
    /// A certificate or token of another user.
    #[error("the connection was of user '{before}', and now somebody authenticates as '{now}'")]
    OtherUser {
        /// At first.
        before: String,
        /// Now.
        now: String,
    },
}

/// What one frame of a connection that is not authenticated yet leads to.
pub enum Progress {
    /// This is sent, and the next frame awaited.
    Answer(Bytes),
    /// This is sent, and requests are served.
    Authenticated(Bytes, Arc<Session>),
    /// This is sent after a while, and the connection closed.
    Refused(Option<Bytes>, NotAuthenticated),
}

/// Takes one frame of a connection that is not authenticated yet.
///
/// # Errors
///
/// The connection is to be closed.
pub async fn step(
    node: &Arc<Node>,
    peer: &Peer,
    listener: &Arc<ListenerSecurity>,
    sasl: &SaslSettings,
    stage: &mut Stage,
    frame: Bytes,
) -> Result<Progress, Rejected> {
    if let Stage::Exchange { mechanism, server, bare: true } = stage {
        let outcome = exchange(sasl, node, *mechanism, server, &frame).await;
        return Ok(match outcome {
            Ok(Exchanged::Challenge(token)) => Progress::Answer(bare(&token)),
            Ok(Exchanged::Done { last, user, .. }) => {
                // Such a client knows of no lifetime.
                let session = Session::of_sasl(user, Arc::clone(listener), *mechanism, None, Instant::now());
                Progress::Authenticated(bare(&last), Arc::new(session))
            }
            Err(failed) => Progress::Refused(None, failed),
        });
    }
    let incoming = Incoming::read(frame)?;
    match (incoming.api, &mut *stage) {
        (ApiKey::ApiVersions, Stage::Begin) => {
            let known = super::table::serves(incoming.api, incoming.version());
            let Reply::Now(answer) = super::dispatch(node, peer, incoming).await? else {
                return Err(Rejected::Unacknowledged);
            };
            if known {
                *stage = Stage::Versions;
            }
            Ok(Progress::Answer(answer.frame))
        }
        (ApiKey::SaslHandshake, Stage::Begin | Stage::Versions) => {
            let request: SaslHandshakeRequest = incoming.decode()?;
            let name = request.mechanism.as_str();
            let chosen = Mechanism::of_name(name).filter(|mechanism| sasl.mechanisms.contains(mechanism));
            let names = sasl.mechanisms.iter().map(|mechanism| text(mechanism.name())).collect();
            let response = SaslHandshakeResponse::default().with_mechanisms(names);
            match chosen {
                Some(mechanism) => {
                    let (server, bare) = (Box::new(SaslServer::new(mechanism)), incoming.version() == 0);
                    *stage = Stage::Exchange { mechanism, server, bare };
                    Ok(Progress::Answer(incoming.encode(&response)?.frame))
                }
                None => {
                    let code = ErrorCode::UNSUPPORTED_SASL_MECHANISM.get();
                    let answer = incoming.encode(&response.with_error_code(code))?.frame;
                    Ok(Progress::Refused(Some(answer), NotAuthenticated::Mechanism { name: name.to_owned() }))
                }
            }
        }
        (ApiKey::SaslAuthenticate, Stage::Exchange { mechanism, server, .. }) => {
            let request: SaslAuthenticateRequest = incoming.decode()?;
            match exchange(sasl, node, *mechanism, server, &request.auth_bytes).await {
                Ok(Exchanged::Challenge(token)) => {
                    Ok(Progress::Answer(incoming.encode(&authenticated(token, 0))?.frame))
                }
                Ok(Exchanged::Done { last, user, expires }) => {
                    let lifetime = sasl.session_lifetime(*mechanism, expires, SystemTime::now());
                    let answer = incoming.encode(&authenticated(last, millis(lifetime)))?.frame;
                    let session = Session::of_sasl(user, Arc::clone(listener), *mechanism, lifetime, Instant::now());
                    Ok(Progress::Authenticated(answer, Arc::new(session)))
                }
                Err(failed) => {
                    let answer = incoming.encode(&refused(&failed, "authentication"))?.frame;
                    Ok(Progress::Refused(Some(answer), failed))
                }
            }
        }
        (api, _) => Ok(Progress::Refused(None, NotAuthenticated::Unexpected { api })),
    }
}

fn bare(token: &[u8]) -> Bytes {
    let len = u32::try_from(token.len()).expect("a token of ours is short");
    [&len.to_be_bytes(), token].concat().into()
}

fn millis(lifetime: Option<std::time::Duration>) -> i64 {
    lifetime.map_or(0, |lifetime| i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX))
}

fn authenticated(token: Vec<u8>, lifetime_ms: i64) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default().with_auth_bytes(token.into()).with_session_lifetime_ms(lifetime_ms)
}

/// In Kafka's words: what a mechanism says of credentials, and nothing of anything else.
fn refused(failed: &NotAuthenticated, what: &str) -> SaslAuthenticateResponse {
    let words = match failed {
        NotAuthenticated::Failed { source: SaslError::Refused(words), .. } => words.clone(),
        NotAuthenticated::Failed { mechanism, .. } => {
            format!("Authentication failed during {what} due to invalid credentials with SASL mechanism {mechanism}")
        }
        _ => format!("Authentication failed during {what}"),
    };
    SaslAuthenticateResponse::default()
        .with_error_code(ErrorCode::SASL_AUTHENTICATION_FAILED.get())
        .with_error_message(Some(text(words)))
}

enum Exchanged {
    Challenge(Vec<u8>),
    Done { last: Vec<u8>, user: String, expires: Option<SystemTime> },
}

/// One token. Takes microseconds.
async fn exchange(
    sasl: &SaslSettings,
    node: &Node,
    mechanism: Mechanism,
    server: &mut SaslServer,
    token: &[u8],
) -> Result<Exchanged, NotAuthenticated> {
    let credentials = sasl.credentials(&node.users);
    let step = server.step(token, &credentials as &dyn Credentials, SystemTime::now());
    match step.map_err(|source| NotAuthenticated::Failed { mechanism, source })? {
        ServerStep::Challenge(token) => Ok(Exchanged::Challenge(token)),
        ServerStep::Done { last, user, expires } => Ok(Exchanged::Done { last, user, expires }),
    }
}

/// SaslHandshake on a connection that is served: the beginning of another authentication, or out of place.
pub(super) fn handshake(call: &Call<'_>, incoming: &Incoming) -> Result<Reply, Rejected> {
    let request: SaslHandshakeRequest = incoming.decode()?;
    let chosen = Mechanism::of_name(request.mechanism.as_str());
    let failed = |code: ErrorCode| SaslHandshakeResponse::default().with_error_code(code.get());
    match call.peer.session.authenticate_again(chosen, Instant::now()) {
        Some(Again::Begun) => {
            let names = chosen.iter().map(|mechanism| text(mechanism.name())).collect();
            incoming.answer(&SaslHandshakeResponse::default().with_mechanisms(names))
        }
        Some(Again::OtherMechanism(mechanism)) => {
            call.peer.session.fail();
            let names = vec![text(mechanism.name())];
            incoming.answer(&failed(ErrorCode::UNSUPPORTED_SASL_MECHANISM).with_mechanisms(names))
        }
        Some(Again::NotNow) | None => incoming.answer(&failed(ErrorCode::ILLEGAL_SASL_STATE)),
    }
}

/// SaslAuthenticate on a connection that is served.
pub(super) async fn authenticate(call: &Call<'_>, incoming: &Incoming) -> Result<Reply, Rejected> {
    let request: SaslAuthenticateRequest = incoming.decode()?;
    let session = &call.peer.session;
    let Some((listener, mechanism, mut server)) = session.take_exchange() else {
        let words = "SaslAuthenticate request received after successful authentication";
        let response = SaslAuthenticateResponse::default()
            .with_error_code(ErrorCode::ILLEGAL_SASL_STATE.get())
            .with_error_message(Some(text(words)));
        return incoming.answer(&response);
    };
    let Some(sasl) = &listener.sasl else { return Err(Rejected::Unacknowledged) };
    let outcome = exchange(sasl, call.node, mechanism, &mut server, &request.auth_bytes).await;
    let failed = match outcome {
        Ok(Exchanged::Challenge(token)) => {
            session.go_on(server);
            return incoming.answer(&authenticated(token, 0));
        }
        Ok(Exchanged::Done { last, user, expires }) if user == session.user => {
            let lifetime = sasl.session_lifetime(mechanism, expires, SystemTime::now());
            session.renew(lifetime, Instant::now());
            return incoming.answer(&authenticated(last, millis(lifetime)));
        }
        Ok(Exchanged::Done { user, .. }) => NotAuthenticated::OtherUser { before: session.user.clone(), now: user },
        Err(failed) => failed,
    };
    session.fail();
    call.node.strangers.report(
        crate::strangers::Trouble::Credentials,
        &call.peer.host,
        &millstream_record::ErrorChain(&failed),
    );
    tokio::time::sleep(sasl.failure_delay).await;
    incoming.answer(&refused(&failed, "re-authentication"))
}

/// Whether this request is answered: a session that is over is closed unless it is being renewed.
pub(super) fn check_session(peer: &Peer, incoming: &Incoming) -> Result<(), Rejected> {
    let renews = matches!(incoming.api, ApiKey::SaslHandshake | ApiKey::SaslAuthenticate);
    if !renews && peer.session.is_over(Instant::now()) { Err(Rejected::SessionOver) } else { Ok(()) }
}
