//! SASL, both sides, as values that take a token and return the next. Which bytes carry the tokens (SaslAuthenticate
//! requests, or bare frames) is the caller's business.
//!
//! A client: make a [`SaslClient`], send [`SaslClient::first`], pass every answer to [`SaslClient::step`] until it says
//! [`ClientStep::Done`]. A server: make a [`SaslServer`] for the mechanism that the handshake chose, and pass every
//! token to [`SaslServer::step`].

pub mod jwt;
mod oauth_bearer;
mod plain;
pub mod scram;

use std::{fmt, time::SystemTime};

pub use oauth_bearer::{BearerToken, InvalidBearerToken};

use jwt::TokenValidator;
use scram::{ScramCredential, ScramHash};

/// A mechanism that is spoken here.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Mechanism {
    /// `PLAIN` (RFC 4616).
    Plain,
    /// `SCRAM-SHA-256` and `SCRAM-SHA-512` (RFC 5802, RFC 7677).
    Scram(ScramHash),
    /// `OAUTHBEARER` (RFC 7628).
    OauthBearer,
}

impl Mechanism {
    /// What `sasl.enabled.mechanisms` may list; GSSAPI is not among them.
    pub const ALL: [Self; 4] =
        [Self::Plain, Self::Scram(ScramHash::Sha256), Self::Scram(ScramHash::Sha512), Self::OauthBearer];

    /// As it is written in keys and handshakes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Scram(ScramHash::Sha256) => "SCRAM-SHA-256",
            Self::Scram(ScramHash::Sha512) => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
        }
    }

    /// As `sasl.mechanism` and the handshake spell it, in capitals; `None` for a mechanism we do not speak.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an exchange failed, in words for whoever is at the other end: no word of what is secret or of who exists.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SaslError {
    /// The credentials are wrong. Kafka's words.
    #[error("{0}")]
    Refused(String),
    /// A token does not follow the mechanism's form.
    #[error("the other side breaks the rules of {mechanism}: {reason}")]
    Malformed {
        mechanism: Mechanism,
        /// What is wrong with the token.
        reason: &'static str,
    },
    /// The server cannot prove that it knows the password.
    #[error("the server does not prove that it knows the password: it may not be the one it seems to be")]
    ServerUnproven,
}

/// What a client does next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientStep {
    /// Sends this and waits for the answer.
    Send(Vec<u8>),
    /// Nothing more: it is authenticated, and so is the server where the mechanism does that.
    Done,
}

/// A client's side of one exchange.
#[derive(Debug)]
pub struct SaslClient(ClientState);

#[derive(Debug)]
enum ClientState {
    Plain(plain::PlainClient),
    Scram(scram::ScramClient),
    OauthBearer(oauth_bearer::BearerClient),
}

impl SaslClient {
    /// PLAIN: the password goes over the wire, so the connection should be TLS.
    pub fn plain(username: &str, password: &str) -> Self {
        Self(ClientState::Plain(plain::PlainClient::new(username, password)))
    }

    /// SCRAM, with a nonce of its own.
    pub fn scram(hash: ScramHash, username: &str, password: &str) -> Self {
        Self(ClientState::Scram(scram::ScramClient::new(hash, username, password, &scram::nonce())))
    }

    /// OAUTHBEARER with a token that was got elsewhere.
    pub fn oauth_bearer(token: &BearerToken) -> Self {
        Self(ClientState::OauthBearer(oauth_bearer::BearerClient::new(token)))
    }

    /// The first token.
    pub fn first(&self) -> Vec<u8> {
        match &self.0 {
            ClientState::Plain(client) => client.first(),
            ClientState::Scram(client) => client.first(),
            ClientState::OauthBearer(client) => client.first(),
        }
    }

    /// Takes the server's answer to the last token.
    ///
    /// # Errors
    ///
    /// The exchange is over; nothing of the connection may be used.
    pub fn step(&mut self, answer: &[u8]) -> Result<ClientStep, SaslError> {
        match &mut self.0 {
            // The server accepts with an empty answer and refuses outside of the exchange.
            ClientState::Plain(_) => Ok(ClientStep::Done),
            ClientState::Scram(client) => client.step(answer),
            ClientState::OauthBearer(client) => client.step(answer),
        }
    }
}

/// What a server knows of its users.
pub trait Credentials: Send + Sync {
    /// Whether PLAIN's password is this user's. Compare with [`same`].
    fn is_plain_password(&self, username: &str, password: &str) -> bool;

    /// What is kept of a user for SCRAM.
    fn scram(&self, hash: ScramHash, username: &str) -> Option<ScramCredential>;

    /// A secret of this server, the same for all its life: what is told about users who do not exist is made of it.
    fn scram_decoy(&self) -> [u8; 32];

    /// Who judges bearer tokens.
    fn tokens(&self) -> Option<&TokenValidator>;
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    // Digests of equal length hide the length, too.
    let digest = |bytes| ring::digest::digest(&ring::digest::SHA256, bytes);
    let (left, right) = (digest(left), digest(right));
    left.as_ref().iter().zip(right.as_ref()).fold(0, |differing, (left, right)| differing | (left ^ right)) == 0
}

/// What a server does next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerStep {
    /// Sends this and waits for the next token.
    Challenge(Vec<u8>),
    /// Sends this; the client is who it says.
    Done {
        /// The last token.
        last: Vec<u8>,
        /// The user's name.
        user: String,
        /// When what it was authenticated by ends.
        expires: Option<SystemTime>,
    },
}

/// A server's side of one exchange.
#[derive(Debug)]
pub struct SaslServer(ServerState);

#[derive(Debug)]
enum ServerState {
    Plain,
    Scram(scram::ScramServer),
    OauthBearer(oauth_bearer::BearerServer),
}

impl SaslServer {
    /// Begins an exchange.
    pub fn new(mechanism: Mechanism) -> Self {
        Self(match mechanism {
            Mechanism::Plain => ServerState::Plain,
            Mechanism::Scram(hash) => ServerState::Scram(scram::ScramServer::new(hash, scram::nonce())),
            Mechanism::OauthBearer => ServerState::OauthBearer(oauth_bearer::BearerServer::default()),
        })
    }

    /// Takes the client's next token.
    ///
    /// # Errors
    ///
    /// The exchange is over. [`SaslError::Refused`] carries the words that Kafka tells the client; of anything else it
    /// is told only that it failed.
    pub fn step(
        &mut self,
        token: &[u8],
        credentials: &dyn Credentials,
        now: SystemTime,
    ) -> Result<ServerStep, SaslError> {
        match &mut self.0 {
            ServerState::Plain => plain::check(token, credentials),
            ServerState::Scram(server) => server.step(token, credentials),
            ServerState::OauthBearer(server) => server.step(token, credentials, now),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Alice, whose password is "secret", for every mechanism.
    pub(crate) struct Alice;

    impl Credentials for Alice {
        fn is_plain_password(&self, username: &str, password: &str) -> bool {
            username == "alice" && same(password.as_bytes(), b"secret")
        }

        fn scram(&self, hash: ScramHash, username: &str) -> Option<ScramCredential> {
            (username == "alice").then(|| ScramCredential::of_password(hash, "secret", b"salt and more".to_vec(), 4096))
        }

        fn scram_decoy(&self) -> [u8; 32] {
            [7; 32]
        }

        fn tokens(&self) -> Option<&TokenValidator> {
            None
        }
    }

    /// Both sides, until one has an end.
    pub(crate) fn exchange(mut client: SaslClient, mechanism: Mechanism) -> Result<String, SaslError> {
        let mut server = SaslServer::new(mechanism);
        let mut token = client.first();
        loop {
            match server.step(&token, &Alice, SystemTime::UNIX_EPOCH)? {
                ServerStep::Challenge(challenge) => match client.step(&challenge)? {
                    ClientStep::Send(next) => token = next,
                    ClientStep::Done => panic!("the client ends before the server"),
                },
                ServerStep::Done { last, user, .. } => {
                    assert_eq!(client.step(&last)?, ClientStep::Done);
                    return Ok(user);
                }
            }
        }
    }

    #[test]
    fn the_right_password_lets_in_and_no_other_does() {
        for mechanism in Mechanism::ALL {
            let client = |user: &str, password: &str| match mechanism {
                Mechanism::Plain => SaslClient::plain(user, password),
                Mechanism::Scram(hash) => SaslClient::scram(hash, user, password),
                Mechanism::OauthBearer => unreachable!(),
            };
            if mechanism == Mechanism::OauthBearer {
                continue;
            }
            assert_eq!(exchange(client("alice", "secret"), mechanism).as_deref(), Ok("alice"), "{mechanism}");
            let wrong = exchange(client("alice", "Secret"), mechanism).unwrap_err();
            let unknown = exchange(client("bob", "secret"), mechanism).unwrap_err();
            assert!(matches!(wrong, SaslError::Refused(_)), "{wrong}");
            assert_eq!(wrong, unknown, "{mechanism}: whether a user exists must not show");
        }
    }

    #[test]
    fn names_of_mechanisms_are_read_and_written() {
        for mechanism in Mechanism::ALL {
            assert_eq!(Mechanism::of_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::of_name("GSSAPI"), None);
    }
}
