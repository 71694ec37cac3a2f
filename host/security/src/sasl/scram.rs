//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677), without channel binding.
//!
//! A server that is asked for a user it does not know goes on with a salt made up for that name, the same every time,
//! and refuses at the end as it does a wrong password. Kafka's delegation tokens (`tokenauth`) are not known.

use std::num::NonZeroU32;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    digest, hmac, pbkdf2,
    rand::{SecureRandom, SystemRandom},
};

use super::{ClientStep, Credentials, Mechanism, SaslError, ServerStep};

/// Fewest rounds that Kafka accepts for a user.
pub const MIN_ITERATIONS: u32 = 4096;

/// Most rounds that Kafka accepts for a user.
pub const MAX_ITERATIONS: u32 = 16_384;

/// Most rounds that a client does for a server, which might otherwise keep it busy.
const MOST_ROUNDS: u32 = 1_000_000;

/// The hash function of a mechanism.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ScramHash {
    /// `SCRAM-SHA-256`; digests of 32 bytes.
    Sha256,
    /// `SCRAM-SHA-512`; digests of 64 bytes.
    Sha512,
}

impl ScramHash {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec()
    }

    fn hash(self, bytes: &[u8]) -> Vec<u8> {
        digest::digest(self.digest(), bytes).as_ref().to_vec()
    }

    /// `Hi` of RFC 5802: what a client sends of a new password. Takes milliseconds.
    pub fn salted_password(self, password: &str, salt: &[u8], iterations: NonZeroU32) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        };
        let mut salted = vec![0; self.digest().output_len()];
        pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), &mut salted);
        salted
    }

    fn mechanism(self) -> Mechanism {
        Mechanism::Scram(self)
    }
}

/// What a server keeps of a user: enough to recognise the password, too little to log in with.
#[derive(Clone, Eq, PartialEq)]
pub struct ScramCredential {
    /// Mixed into the password.
    pub salt: Vec<u8>,
    /// Recognises the client.
    pub stored_key: Vec<u8>,
    /// Proves the server.
    pub server_key: Vec<u8>,
    /// Rounds of the derivation.
    pub iterations: u32,
}

/// Neither key belongs into a log.
impl std::fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramCredential").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

impl ScramCredential {
    /// Of the password that a client has salted already, as AlterUserScramCredentials carries it.
    pub fn of_salted(hash: ScramHash, salted: &[u8], salt: Vec<u8>, iterations: u32) -> Self {
        let client_key = hash.hmac(salted, b"Client Key");
        let (stored_key, server_key) = (hash.hash(&client_key), hash.hmac(salted, b"Server Key"));
        Self { salt, stored_key, server_key, iterations }
    }

    /// Of a password. Takes milliseconds; 0 rounds count as 1.
    pub fn of_password(hash: ScramHash, password: &str, salt: Vec<u8>, iterations: u32) -> Self {
        let rounds = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        Self::of_salted(hash, &hash.salted_password(password, &salt, rounds), salt, rounds.get())
    }
}

/// A random word without commas.
pub(super) fn nonce() -> String {
    STANDARD.encode(random::<24>())
}

/// A salt for a new password.
pub fn salt() -> Vec<u8> {
    random::<20>().to_vec()
}

/// A secret for [`Credentials::scram_decoy`].
pub fn secret() -> [u8; 32] {
    random()
}

fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    // The generator of an operating system that has started does not fail; without it nothing here is safe.
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

pub(super) struct ScramClient {
    hash: ScramHash,
    password: String,
    nonce: String,
    first_bare: String,
    /// What the server must prove, once that is known.
    server_signature: Option<Vec<u8>>,
}

impl std::fmt::Debug for ScramClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScramClient").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl ScramClient {
    pub fn new(hash: ScramHash, username: &str, password: &str, nonce: &str) -> Self {
        let name = username.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            password: password.to_owned(),
            nonce: nonce.to_owned(),
            first_bare: format!("n={name},r={nonce}"),
            server_signature: None,
        }
    }

    pub fn first(&self) -> Vec<u8> {
        format!("n,,{}", self.first_bare).into_bytes()
    }

    pub fn step(&mut self, answer: &[u8]) -> Result<ClientStep, SaslError> {
        let malformed = |reason| SaslError::Malformed { mechanism: self.hash.mechanism(), reason };
        let text = std::str::from_utf8(answer).map_err(|_| malformed("the answer is not UTF-8"))?;
        if let Some(error) = text.strip_prefix("e=") {
            return Err(SaslError::Refused(format!("the server refuses: {error}")));
        }
        if let Some(expected) = &self.server_signature {
            let proof = text.split(',').next().and_then(|part| part.strip_prefix("v="));
            let proof = proof.and_then(|proof| STANDARD.decode(proof).ok()).ok_or(SaslError::ServerUnproven)?;
            return if super::same(&proof, expected) { Ok(ClientStep::Done) } else { Err(SaslError::ServerUnproven) };
        }
        let mut parts = text.split(',');
        let mut part = |name: &str| parts.next().and_then(|part| part.strip_prefix(name));
        let nonce = part("r=").ok_or_else(|| malformed("the nonce is missing"))?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(malformed("the nonce is not a continuation of ours"));
        }
        let salt = part("s=").and_then(|salt| STANDARD.decode(salt).ok()).ok_or_else(|| malformed("no salt"))?;
        let rounds: Option<NonZeroU32> = part("i=").and_then(|rounds| rounds.parse().ok());
        let rounds = rounds
            .filter(|rounds| (MIN_ITERATIONS..=MOST_ROUNDS).contains(&rounds.get()))
            .ok_or_else(|| malformed("the number of rounds is missing, below 4096 or above 1000000"))?;
        let salted = self.hash.salted_password(&self.password, &salt, rounds);
        let client_key = self.hash.hmac(&salted, b"Client Key");
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{text},{without_proof}", self.first_bare);
        let signature = self.hash.hmac(&self.hash.hash(&client_key), message.as_bytes());
        let proof = STANDARD.encode(xor(&client_key, &signature));
        self.server_signature = Some(self.hash.hmac(&self.hash.hmac(&salted, b"Server Key"), message.as_bytes()));
        Ok(ClientStep::Send(format!("{without_proof},p={proof}").into_bytes()))
    }
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

#[derive(Debug)]
pub(super) struct ScramServer {
    hash: ScramHash,
    nonce: String,
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    user: String,
    header: String,
    nonce: String,
    /// Both first messages, with a comma between.
    messages: String,
    credential: ScramCredential,
    known: bool,
}

impl ScramServer {
    pub fn new(hash: ScramHash, nonce: String) -> Self {
        Self { hash, nonce, begun: None }
    }

    pub fn step(&mut self, token: &[u8], credentials: &dyn Credentials) -> Result<ServerStep, SaslError> {
        match self.begun.take() {
            None => self.begin(token, credentials),
            Some(begun) => self.end(token, &begun),
        }
    }

    fn malformed(&self, reason: &'static str) -> SaslError {
        SaslError::Malformed { mechanism: self.hash.mechanism(), reason }
    }

    fn refused(&self) -> SaslError {
        let mechanism = self.hash.mechanism();
        SaslError::Refused(format!(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
        ))
    }

    fn begin(&mut self, token: &[u8], credentials: &dyn Credentials) -> Result<ServerStep, SaslError> {
        let text = std::str::from_utf8(token).map_err(|_| self.malformed("the token is not UTF-8"))?;
        let mut parts = text.splitn(3, ',');
        let (binding, acting_as) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let bare = parts.next().ok_or_else(|| self.malformed("the header is incomplete"))?;
        if binding != "n" && binding != "y" {
            return Err(self.malformed("channel binding is not served"));
        }
        let mut fields = bare.split(',');
        let name = fields.next().and_then(|field| field.strip_prefix("n="));
        let user = name.and_then(unescaped).ok_or_else(|| self.malformed("no user"))?;
        let client_nonce = fields.next().and_then(|field| field.strip_prefix("r=")).filter(|nonce| !nonce.is_empty());
        let client_nonce = client_nonce.ok_or_else(|| self.malformed("no nonce"))?;
        if fields.any(|field| field.eq_ignore_ascii_case("tokenauth=true")) {
            return Err(self.malformed("delegation tokens are not served"));
        }
        let acting_as_another = match acting_as.strip_prefix("a=") {
            Some(name) => unescaped(name).as_deref() != Some(user.as_str()),
            None => !acting_as.is_empty(),
        };
        if acting_as_another {
            return Err(self.malformed("acting as somebody else is not served"));
        }
        let found = credentials.scram(self.hash, &user);
        let known = found.is_some();
        let credential = found.unwrap_or_else(|| decoy(self.hash, &user, &credentials.scram_decoy()));
        let nonce = format!("{client_nonce}{}", self.nonce);
        let first = format!("r={nonce},s={},i={}", STANDARD.encode(&credential.salt), credential.iterations);
        let messages = format!("{bare},{first}");
        let header = STANDARD.encode(format!("{binding},{acting_as},"));
        self.begun = Some(Begun { user, header, nonce, messages, credential, known });
        Ok(ServerStep::Challenge(first.into_bytes()))
    }

    fn end(&self, token: &[u8], begun: &Begun) -> Result<ServerStep, SaslError> {
        let text = std::str::from_utf8(token).map_err(|_| self.malformed("the token is not UTF-8"))?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(|| self.malformed("no proof"))?;
        let mut fields = without_proof.split(',');
        if fields.next().and_then(|field| field.strip_prefix("c=")) != Some(begun.header.as_str()) {
            return Err(self.malformed("the header has changed"));
        }
        if fields.next().and_then(|field| field.strip_prefix("r=")) != Some(begun.nonce.as_str()) {
            return Err(self.malformed("the nonce has changed"));
        }
        let proof = STANDARD.decode(proof).map_err(|_| self.malformed("the proof is not Base64"))?;
        let message = format!("{},{without_proof}", begun.messages);
        let signature = self.hash.hmac(&begun.credential.stored_key, message.as_bytes());
        let client_key = xor(&proof, &signature);
        let fits =
            proof.len() == signature.len() && super::same(&self.hash.hash(&client_key), &begun.credential.stored_key);
        if !fits || !begun.known {
            return Err(self.refused());
        }
        let signature = self.hash.hmac(&begun.credential.server_key, message.as_bytes());
        let last = format!("v={}", STANDARD.encode(signature)).into_bytes();
        Ok(ServerStep::Done { last, user: begun.user.clone(), expires: None })
    }
}

/// What a user who does not exist seems to have: the same every time, and no password fits.
fn decoy(hash: ScramHash, user: &str, secret: &[u8; 32]) -> ScramCredential {
    let salt = hash.hmac(secret, user.as_bytes())[..20].to_vec();
    let keys = hash.hmac(&hash.hmac(secret, b"keys"), user.as_bytes());
    ScramCredential { salt, stored_key: keys.clone(), server_key: keys, iterations: MIN_ITERATIONS }
}

/// A user's name as RFC 5802 writes it; `None` where an escape is none.
fn unescaped(name: &str) -> Option<String> {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('=') {
        out.push_str(&rest[..at]);
        out.push(match rest.get(at..at + 3)? {
            "=2C" => ',',
            "=3D" => '=',
            _ => return None,
        });
        rest = &rest[at + 3..];
    }
    out.push_str(rest);
    (!out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::{super::jwt::TokenValidator, *};

    struct Known(ScramCredential);

    impl Credentials for Known {
        fn is_plain_password(&self, _: &str, _: &str) -> bool {
            false
        }

        fn scram(&self, _: ScramHash, username: &str) -> Option<ScramCredential> {
            (username == "user").then(|| self.0.clone())
        }

        fn scram_decoy(&self) -> [u8; 32] {
            [0; 32]
        }

        fn tokens(&self) -> Option<&TokenValidator> {
            None
        }
    }

    const FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const CHALLENGE: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const FINAL: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                           p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const LAST: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    /// The example of RFC 7677, from both sides.
    #[test]
    fn the_example_of_the_rfc_is_spoken_to_the_byte() {
        let mut client = ScramClient::new(ScramHash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(client.first(), FIRST);
        assert_eq!(client.step(CHALLENGE), Ok(ClientStep::Send(FINAL.to_vec())));
        assert_eq!(client.step(LAST), Ok(ClientStep::Done));

        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let known = Known(ScramCredential::of_password(ScramHash::Sha256, "pencil", salt, 4096));
        let mut server = ScramServer::new(ScramHash::Sha256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned());
        assert_eq!(server.step(FIRST, &known), Ok(ServerStep::Challenge(CHALLENGE.to_vec())));
        let done = ServerStep::Done { last: LAST.to_vec(), user: "user".to_owned(), expires: None };
        assert_eq!(server.step(FINAL, &known), Ok(done));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        let mut client = ScramClient::new(ScramHash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        client.step(CHALLENGE).unwrap();
        assert_eq!(client.step(b"v=AAAA"), Err(SaslError::ServerUnproven));
        let mut client = ScramClient::new(ScramHash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
        client.step(CHALLENGE).unwrap();
        assert!(matches!(client.step(b"e=other-error"), Err(SaslError::Refused(_))));
        // Few rounds would let a false server guess the password.
        for challenge in
            ["r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1", "r=other,s=AAAA,i=4096", "r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096"]
        {
            let mut client = ScramClient::new(ScramHash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO");
            assert!(matches!(client.step(challenge.as_bytes()), Err(SaslError::Malformed { .. })), "{challenge}");
        }
    }

    #[test]
    fn tokens_that_break_the_form_are_refused() {
        let known = Known(ScramCredential::of_password(ScramHash::Sha512, "pencil", vec![1], 4096));
        for token in [
            &b""[..],
            b"n,,",
            b"n,,n=user",
            b"n,,n=,r=x",
            b"n,,n=us=er,r=x",
            b"p=tls-unique,,n=user,r=x",
            b"n,a=other,n=user,r=x",
            b"n,,n=user,r=x,tokenauth=true",
            b"\xff",
        ] {
            let mut server = ScramServer::new(ScramHash::Sha512, "n".to_owned());
            let answer = server.step(token, &known);
            assert!(matches!(answer, Err(SaslError::Malformed { .. })), "{token:?}: {answer:?}");
        }
        for end in ["", "c=biws,r=xn", "c=eSws,r=xn,p=AAAA", "c=biws,r=xm,p=AAAA", "c=biws,r=xn,p=!"] {
            let mut server = ScramServer::new(ScramHash::Sha512, "n".to_owned());
            server.step(b"n,,n=user,r=x", &known).unwrap();
            assert!(matches!(server.step(end.as_bytes(), &known), Err(SaslError::Malformed { .. })), "{end}");
        }
    }

    #[test]
    fn a_name_with_commas_and_equals_signs_arrives_whole() {
        let client = ScramClient::new(ScramHash::Sha256, "a,b=c", "x", "r");
        assert_eq!(client.first(), b"n,,n=a=2Cb=3Dc,r=r");
        assert_eq!(unescaped("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
    }
}
