//! What the keys say of each listener: protocol, certificates, mechanisms and the users that the configuration names.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use millstream_security::{
    jaas::{self, InvalidJaas},
    principal::{InvalidMapping, PrincipalMapping},
    sasl::{
        Credentials, Mechanism,
        jwt::{InvalidKeySet, KeySet, TokenRules, TokenValidator},
        same,
        scram::{MIN_ITERATIONS, ScramCredential, ScramHash},
    },
    tls::{TlsError, TlsKeys, TlsServer},
};

use super::users::Users;
use crate::config::listener::Endpoint;

/// Kafka's security protocols.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// Nothing is hidden and nobody known.
    Plaintext,
    /// TLS; a client may be known by its certificate.
    Ssl,
    /// SASL, in the clear.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl Protocol {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "PLAINTEXT" => Self::Plaintext,
            "SSL" => Self::Ssl,
            "SASL_PLAINTEXT" => Self::SaslPlaintext,
            "SASL_SSL" => Self::SaslSsl,
            _ => return None,
        })
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }
}

/// One listener.
#[derive(Debug)]
pub struct ListenerSecurity {
    /// In capitals.
    pub name: String,
    /// For listeners with TLS.
    pub tls: Option<TlsServer>,
    /// From a certificate's subject to a user.
    pub mapping: PrincipalMapping,
    /// For listeners with SASL.
    pub sasl: Option<SaslSettings>,
}

/// SASL on one listener.
#[derive(Debug)]
pub struct SaslSettings {
    /// In the order of the key.
    pub mechanisms: Vec<Mechanism>,
    /// Most bytes of one token.
    pub max_receive_bytes: usize,
    /// How long the answer to a failed authentication is held back.
    pub failure_delay: Duration,
    /// How long a session lasts at most, by mechanism.
    max_session: BTreeMap<Mechanism, Duration>,
    plain: BTreeMap<String, String>,
    scram: BTreeMap<(ScramHash, String), ScramCredential>,
    tokens: Option<TokenFile>,
}

/// Who judges bearer tokens, and the file with the keys, which may change.
#[derive(Debug)]
struct TokenFile {
    path: Option<PathBuf>,
    rules: TokenRules,
    current: RwLock<(Arc<TokenValidator>, Option<SystemTime>)>,
}

/// Why the keys of a listener cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSecurity {
    /// A value that its key does not take.
    #[error("{key} cannot be '{value}': {reason}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error("set up TLS for listener {listener}")]
    Tls {
        /// Its name.
        listener: String,
        /// What is wrong.
        source: TlsError,
    },
    /// Rules for principals.
    #[error("read ssl.principal.mapping.rules")]
    Mapping {
        /// What is wrong.
        source: InvalidMapping,
    },
    /// A JAAS configuration.
    #[error("read {key}")]
    Jaas {
        /// The key.
        key: String,
        /// What is wrong.
        source: InvalidJaas,
    },
    /// The keys of an issuer of tokens.
    #[error("read sasl.oauthbearer.jwks.endpoint.url={}", path.display())]
    Jwks {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Values as a listener, or one of its mechanisms, sees them: its own first, then the general one.
struct Keys<'a> {
    given: &'a BTreeMap<String, String>,
    listener: String,
}

impl Keys<'_> {
    fn get(&self, key: &str) -> Option<String> {
        self.given.get(&format!("listener.name.{}.{key}", self.listener)).or_else(|| self.given.get(key)).cloned()
    }

    fn own_name(&self, mechanism: Mechanism, key: &str) -> String {
        format!("listener.name.{}.{}.{key}", self.listener, mechanism.name().to_ascii_lowercase())
    }

    fn of_mechanism(&self, mechanism: Mechanism, key: &str) -> Option<String> {
        self.given.get(&self.own_name(mechanism, key)).cloned().or_else(|| self.get(key))
    }

    fn list(&self, key: &str) -> Vec<String> {
        let text = self.get(key).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// A whole number; the general key was checked against its declaration, a listener's own was not.
    fn number(&self, mechanism: Option<Mechanism>, key: &str, default: u64) -> Result<u64, InvalidSecurity> {
        let text = match mechanism {
            Some(mechanism) => self.of_mechanism(mechanism, key),
            None => self.get(key),
        };
        let Some(text) = text else { return Ok(default) };
        text.trim().parse().map_err(|_| invalid(key, &text, "it must be a whole number that is not negative"))
    }
}

fn invalid(key: &str, value: &str, reason: impl Into<String>) -> InvalidSecurity {
    InvalidSecurity::Value { key: key.to_owned(), value: value.to_owned(), reason: reason.into() }
}

/// Reads what the keys say of all listeners, with the files they name. Blocks.
///
/// # Errors
///
/// Names the key, the file and what to do.
pub fn read_all(
    given: &BTreeMap<String, String>,
    listeners: &[Endpoint],
) -> Result<Vec<Arc<ListenerSecurity>>, InvalidSecurity> {
    let map = protocol_map(given)?;
    listeners.iter().map(|endpoint| read(given, &endpoint.name, &map).map(Arc::new)).collect()
}

fn protocol_map(given: &BTreeMap<String, String>) -> Result<BTreeMap<String, Protocol>, InvalidSecurity> {
    const KEY: &str = "listener.security.protocol.map";
    let names = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];
    let mut map: BTreeMap<String, Protocol> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), Protocol::parse(name)?))).collect();
    for pair in given.get(KEY).map(String::as_str).unwrap_or_default().split(',').filter(|pair| !pair.trim().is_empty())
    {
        let parsed = pair.trim().split_once(':').and_then(|(name, protocol)| {
            Some((name.trim().to_ascii_uppercase(), Protocol::parse(&protocol.trim().to_ascii_uppercase())?))
        });
        let (name, protocol) = parsed.ok_or_else(|| {
            let reason = "each entry must be NAME:PROTOCOL with PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
            invalid(KEY, pair.trim(), reason)
        })?;
        map.insert(name, protocol);
    }
    Ok(map)
}

fn read(
    given: &BTreeMap<String, String>,
    name: &str,
    map: &BTreeMap<String, Protocol>,
) -> Result<ListenerSecurity, InvalidSecurity> {
    let protocol = *map.get(name).ok_or_else(|| {
        let reason = "the listener has no security protocol; add it to listener.security.protocol.map";
        invalid("listeners", name, reason)
    })?;
    let keys = Keys { given, listener: name.to_ascii_lowercase() };
    let tls_failed = |source| InvalidSecurity::Tls { listener: name.to_owned(), source };
    let tls = match protocol.has_tls() {
        true => Some(TlsKeys::read(&|key| keys.get(key)).and_then(TlsServer::new).map_err(tls_failed)?),
        false => None,
    };
    let rules = keys.get("ssl.principal.mapping.rules").unwrap_or_default();
    let mapping = PrincipalMapping::parse(&rules).map_err(|source| InvalidSecurity::Mapping { source })?;
    let sasl = if protocol.has_sasl() { Some(read_sasl(&keys)?) } else { None };
    Ok(ListenerSecurity { name: name.to_owned(), tls, mapping, sasl })
}

fn read_sasl(keys: &Keys<'_>) -> Result<SaslSettings, InvalidSecurity> {
    const KEY: &str = "sasl.enabled.mechanisms";
    let names = keys.list(KEY);
    let known = || Mechanism::ALL.map(Mechanism::name).join(", ");
    let mut mechanisms = Vec::new();
    for name in &names {
        let mechanism = Mechanism::of_name(name);
        mechanisms.push(mechanism.ok_or_else(|| invalid(KEY, name, format!("{} are served", known())))?);
    }
    if mechanisms.is_empty() {
        // Kafka's default is GSSAPI, which is not served.
        let reason = format!("listener {} needs one of {}", keys.listener.to_ascii_uppercase(), known());
        return Err(invalid(KEY, "", reason));
    }
    let mut max_session = BTreeMap::new();
    let (mut plain, mut scram, mut tokens) = (BTreeMap::new(), BTreeMap::new(), None);
    for &mechanism in &mechanisms {
        let limit = keys.number(Some(mechanism), "connections.max.reauth.ms", 0)?;
        if limit != 0 {
            max_session.insert(mechanism, Duration::from_millis(limit));
        }
        match mechanism {
            Mechanism::Plain => plain = jaas_users(keys, mechanism)?,
            Mechanism::Scram(hash) => {
                for (user, password) in jaas_users(keys, mechanism)? {
                    let salt = millstream_security::sasl::scram::salt();
                    scram.insert((hash, user), ScramCredential::of_password(hash, &password, salt, MIN_ITERATIONS));
                }
            }
            Mechanism::OauthBearer => tokens = Some(read_tokens(keys)?),
        }
    }
    Ok(SaslSettings {
        mechanisms,
        max_receive_bytes: usize::try_from(keys.number(None, "sasl.server.max.receive.size", 524_288)?)
            .unwrap_or(usize::MAX),
        failure_delay: Duration::from_millis(keys.number(None, "connection.failed.authentication.delay.ms", 100)?),
        max_session,
        plain,
        scram,
        tokens,
    })
}

/// The options `user_NAME=password` of a mechanism's login module.
fn jaas_users(keys: &Keys<'_>, mechanism: Mechanism) -> Result<BTreeMap<String, String>, InvalidSecurity> {
    let key = keys.own_name(mechanism, "sasl.jaas.config");
    let Some(text) = keys.given.get(&key) else {
        return match mechanism {
            // Without users nobody could ever log in.
            Mechanism::Plain => {
                Err(invalid(&key, "", "it must name the users: …PlainLoginModule required user_NAME=\"password\";"))
            }
            _ => Ok(BTreeMap::new()),
        };
    };
    let entries = jaas::parse(text).map_err(|source| InvalidSecurity::Jaas { key: key.clone(), source })?;
    let [entry] = &entries[..] else {
        return Err(invalid(&key, "[hidden]", "it must have one login module"));
    };
    let users = entry.options.iter().filter_map(|(name, value)| Some((name.strip_prefix("user_")?, value)));
    Ok(users.map(|(user, password)| (user.to_owned(), password.clone())).collect())
}

fn read_tokens(keys: &Keys<'_>) -> Result<TokenFile, InvalidSecurity> {
    const URL: &str = "sasl.oauthbearer.jwks.endpoint.url";
    const UNSECURED: &str = "sasl.oauthbearer.unsecured.allow";
    let own = |key: &str| keys.of_mechanism(Mechanism::OauthBearer, key).filter(|value| !value.trim().is_empty());
    let rules = TokenRules {
        audiences: own("sasl.oauthbearer.expected.audience")
            .map(|list| list.split(',').map(|one| one.trim().to_owned()).collect())
            .unwrap_or_default(),
        issuer: own("sasl.oauthbearer.expected.issuer"),
        clock_skew: Duration::from_secs(keys.number(
            Some(Mechanism::OauthBearer),
            "sasl.oauthbearer.clock.skew.seconds",
            30,
        )?),
        subject_claim: own("sasl.oauthbearer.sub.claim.name").unwrap_or_else(|| "sub".to_owned()),
    };
    let Some(url) = own(URL) else {
        if own(UNSECURED).as_deref() == Some("true") {
            let current = RwLock::new((Arc::new(TokenValidator::unsecured(rules.clone())), None));
            return Ok(TokenFile { path: None, rules, current });
        }
        let reason = format!("OAUTHBEARER needs the keys of the issuer, file:///…; or {UNSECURED}=true for tests");
        return Err(invalid(URL, "", reason));
    };
    let path = url.strip_prefix("file:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let path = path.ok_or_else(|| invalid(URL, &url, "a file is needed: file:///path/to/jwks.json"))?;
    let path = PathBuf::from(path);
    let modified = modified(&path);
    let validator = read_jwks(&path, &rules)?;
    Ok(TokenFile { path: Some(path), rules, current: RwLock::new((Arc::new(validator), modified)) })
}

fn modified(path: &PathBuf) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn read_jwks(path: &PathBuf, rules: &TokenRules) -> Result<TokenValidator, InvalidSecurity> {
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| InvalidSecurity::Jwks { path: path.clone(), source };
    let bytes = fs::read(path).map_err(|error| failed(error.into()))?;
    let keys = KeySet::parse(&bytes).map_err(|error: InvalidKeySet| failed(error.into()))?;
    Ok(TokenValidator::signed(rules.clone(), keys))
}

impl ListenerSecurity {
    /// Reads files that have changed; blocks. A name for each thing that has, or why it could not be read.
    pub fn reload(&self) -> Vec<Result<&'static str, InvalidSecurity>> {
        let mut outcomes = Vec::new();
        if let Some(tls) = &self.tls {
            match tls.reload() {
                Ok(false) => {}
                Ok(true) => outcomes.push(Ok("certificates")),
                Err(source) => outcomes.push(Err(InvalidSecurity::Tls { listener: self.name.clone(), source })),
            }
        }
        let tokens = self.sasl.as_ref().and_then(|sasl| sasl.tokens.as_ref());
        if let Some(TokenFile { path: Some(path), rules, current }) = tokens {
            let now = modified(path);
            if current.read().unwrap_or_else(PoisonError::into_inner).1 != now {
                let read = read_jwks(path, rules);
                let mut current = current.write().unwrap_or_else(PoisonError::into_inner);
                current.1 = now;
                outcomes.push(read.map(|validator| {
                    current.0 = Arc::new(validator);
                    "keys of tokens"
                }));
            }
        }
        outcomes
    }
}

impl SaslSettings {
    /// How long the session of somebody who has just authenticated lasts; `None` for as long as the connection.
    pub fn session_lifetime(
        &self,
        mechanism: Mechanism,
        credential_expires: Option<SystemTime>,
        now: SystemTime,
    ) -> Option<Duration> {
        let credential = credential_expires.map(|expires| expires.duration_since(now).unwrap_or_default());
        [credential, self.max_session.get(&mechanism).copied()].into_iter().flatten().min()
    }

    /// All who may log in: those of the configuration before those that were made by request.
    pub fn credentials<'a>(&'a self, users: &'a Users) -> impl Credentials + 'a {
        let validator = self
            .tokens
            .as_ref()
            .map(|tokens| Arc::clone(&tokens.current.read().unwrap_or_else(PoisonError::into_inner).0));
        Known { settings: self, users, validator }
    }
}

struct Known<'a> {
    settings: &'a SaslSettings,
    users: &'a Users,
    validator: Option<Arc<TokenValidator>>,
}

impl Credentials for Known<'_> {
    fn is_plain_password(&self, username: &str, password: &str) -> bool {
        // The same work for a user who does not exist.
        let known = self.settings.plain.get(username);
        same(password.as_bytes(), known.map(String::as_bytes).unwrap_or_default()) && known.is_some()
    }

    fn scram(&self, hash: ScramHash, username: &str) -> Option<ScramCredential> {
        let made = self.users.scram(hash, username);
        made.or_else(|| self.settings.scram.get(&(hash, username.to_owned())).cloned())
    }

    fn scram_decoy(&self) -> [u8; 32] {
        self.users.decoy()
    }

    fn tokens(&self) -> Option<&TokenValidator> {
        self.validator.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn read_one(name: &str, pairs: &[(&str, &str)]) -> Result<Arc<ListenerSecurity>, String> {
        let endpoints = [Endpoint { name: name.to_owned(), host: String::new(), port: 0 }];
        let read = read_all(&given(pairs), &endpoints).map(|mut all| all.remove(0));
        read.map_err(|error| millstream_record::ErrorChain(&error).to_string())
    }

    const ALICE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\";";

    #[test]
    fn a_listener_takes_its_own_values_before_the_general_ones() {
        let pairs = [
            ("listener.security.protocol.map", "INSIDE:SASL_PLAINTEXT,OUTSIDE:PLAINTEXT"),
            ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
            ("listener.name.inside.sasl.enabled.mechanisms", "PLAIN"),
            ("listener.name.inside.plain.sasl.jaas.config", ALICE),
            ("connections.max.reauth.ms", "1000"),
            ("listener.name.inside.plain.connections.max.reauth.ms", "5000"),
        ];
        let inside = read_one("INSIDE", &pairs).unwrap();
        let sasl = inside.sasl.as_ref().unwrap();
        assert_eq!(sasl.mechanisms, [Mechanism::Plain]);
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(sasl.session_lifetime(Mechanism::Plain, None, now), Some(Duration::from_secs(5)));
        let soon = now + Duration::from_secs(2);
        assert_eq!(sasl.session_lifetime(Mechanism::Plain, Some(soon), now), Some(Duration::from_secs(2)));
        assert!(read_one("OUTSIDE", &pairs).unwrap().sasl.is_none());
    }

    #[test]
    fn users_of_scram_may_stand_in_the_configuration_as_those_of_plain_do() {
        let module = "org.apache.kafka.common.security.scram.ScramLoginModule required user_admin=\"secret\";";
        let pairs = [
            ("sasl.enabled.mechanisms", "SCRAM-SHA-512"),
            ("listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config", module),
        ];
        let listener = read_one("SASL_PLAINTEXT", &pairs).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let users = Users::open(&millstream_disk::real(), folder.path()).unwrap();
        let known = listener.sasl.as_ref().unwrap().credentials(&users);
        let found = known.scram(ScramHash::Sha512, "admin").unwrap();
        let salt = found.salt.clone();
        assert_eq!(found, ScramCredential::of_password(ScramHash::Sha512, "secret", salt, MIN_ITERATIONS));
        assert_eq!(known.scram(ScramHash::Sha256, "admin"), None);
    }

    #[test]
    fn what_a_listener_lacks_is_named() {
        for (name, pairs, words) in [
            ("INSIDE", &[][..], "listener.security.protocol.map"),
            ("SASL_PLAINTEXT", &[], "sasl.enabled.mechanisms cannot be '': listener SASL_PLAINTEXT needs one of PLAIN"),
            ("SASL_PLAINTEXT", &[("sasl.enabled.mechanisms", "GSSAPI")], "PLAIN, SCRAM-SHA-256"),
            (
                "SASL_PLAINTEXT",
                &[("sasl.enabled.mechanisms", "PLAIN")],
                "listener.name.sasl_plaintext.plain.sasl.jaas.config",
            ),
            ("SASL_PLAINTEXT", &[("sasl.enabled.mechanisms", "OAUTHBEARER")], "sasl.oauthbearer.jwks.endpoint.url"),
            ("SSL", &[], "set up TLS for listener SSL: a listener with TLS needs a certificate"),
            ("SSL", &[("listener.security.protocol.map", "SSL")], "each entry must be NAME:PROTOCOL"),
        ] {
            let error = read_one(name, pairs).unwrap_err();
            assert!(error.contains(words), "{error} lacks {words}");
        }
    }
}
