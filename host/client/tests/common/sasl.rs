//! The scripted broker's part in a login: alice's password is "secret".

use millstream_security::sasl::{
    Credentials, Mechanism, SaslServer, ServerStep,
    jwt::TokenValidator,
    same,
    scram::{ScramCredential, ScramHash},
};
use millstream_wire::protocol::{
    messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse},
    protocol::StrBytes,
};

/// What the broker demands, and what it has seen.
#[derive(Debug, Default)]
pub struct SaslScript {
    /// How long a login holds; 0 for always.
    pub lifetime_ms: i64,
    /// Logins that were accepted, over all connections.
    pub logins: usize,
    /// Set to refuse everybody.
    pub closed: bool,
    /// Requests that came in the middle of an exchange.
    pub out_of_turn: usize,
    /// Connections that were opened.
    pub connections: usize,
    /// Set to leave the next login unanswered.
    pub hangs: bool,
}

/// One connection's login.
#[derive(Debug, Default)]
pub struct Login {
    pub done: bool,
    exchange: Option<SaslServer>,
}

struct Alice;

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

impl Login {
    /// Whether an exchange has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.exchange.is_some()
    }

    pub fn handshake(&mut self, request: &SaslHandshakeRequest) -> SaslHandshakeResponse {
        let names = ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"];
        let known = names.contains(&request.mechanism.as_str());
        let mechanism = Mechanism::of_name(&request.mechanism).filter(|_| known);
        self.exchange = mechanism.map(SaslServer::new);
        SaslHandshakeResponse::default()
            .with_error_code(if mechanism.is_some() { 0 } else { 33 })
            .with_mechanisms(names.map(StrBytes::from_static_str).to_vec())
    }

    pub fn token(&mut self, script: &mut SaslScript, request: &SaslAuthenticateRequest) -> SaslAuthenticateResponse {
        let refused = |message: &str| {
            let message = Some(StrBytes::from_string(message.to_owned()));
            SaslAuthenticateResponse::default().with_error_code(58).with_error_message(message)
        };
        let Some(exchange) = &mut self.exchange else { return refused("no exchange") };
        if script.closed {
            return refused("nobody gets in");
        }
        match exchange.step(&request.auth_bytes, &Alice, std::time::SystemTime::now()) {
            Err(error) => refused(&error.to_string()),
            Ok(ServerStep::Challenge(token)) => SaslAuthenticateResponse::default().with_auth_bytes(token.into()),
            Ok(ServerStep::Done { last, .. }) => {
                self.exchange = None;
                self.done = true;
                script.logins += 1;
                SaslAuthenticateResponse::default()
                    .with_auth_bytes(last.into())
                    .with_session_lifetime_ms(script.lifetime_ms)
            }
        }
    }
}
