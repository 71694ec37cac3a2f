//! The `ssl.*` keys, read into one value.

use std::path::PathBuf;

use super::TlsError;

/// `ssl.client.auth`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientAuth {
    /// Clients are not asked for a certificate.
    #[default]
    None,
    /// A client may show one.
    Requested,
    /// A client without one is refused.
    Required,
}

/// Where keys and certificates are.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Source {
    /// `.location` with the type that was given, if any, and the password.
    File { path: PathBuf, kind: Kind, password: Option<String> },
    /// PEM in the configuration itself: certificates, and the key for a key store.
    Inline { certificates: String, key: Option<String> },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The content decides between PKCS #12 and JKS, as in Java.
    Default,
    Pem,
    Pkcs12,
}

/// What the keys say. It holds passwords, and shows none.
#[derive(Clone)]
pub struct TlsKeys {
    pub(super) key_store: Option<Source>,
    pub(super) key_password: Option<String>,
    pub(super) trust_store: Option<Source>,
    pub(super) client_auth: ClientAuth,
    pub(super) tls12: bool,
    pub(super) tls13: bool,
    /// Names as in Java; empty for all that are safe.
    pub(super) cipher_suites: Vec<String>,
    pub(super) check_host_name: bool,
}

impl std::fmt::Debug for TlsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = |source: &Option<Source>| match source {
            Some(Source::File { path, .. }) => path.display().to_string(),
            Some(Source::Inline { .. }) => "inline".to_owned(),
            None => "none".to_owned(),
        };
        f.debug_struct("TlsKeys")
            .field("key_store", &path(&self.key_store))
            .field("trust_store", &path(&self.trust_store))
            .field("client_auth", &self.client_auth)
            .finish_non_exhaustive()
    }
}

impl TlsKeys {
    /// Names of all keys that are read here.
    pub const NAMES: [&'static str; 16] = [
        "ssl.keystore.type",
        "ssl.keystore.location",
        "ssl.keystore.password",
        "ssl.keystore.key",
        "ssl.keystore.certificate.chain",
        "ssl.key.password",
        "ssl.truststore.type",
        "ssl.truststore.location",
        "ssl.truststore.password",
        "ssl.truststore.certificates",
        "ssl.client.auth",
        "ssl.enabled.protocols",
        "ssl.protocol",
        "ssl.cipher.suites",
        "ssl.endpoint.identification.algorithm",
        "ssl.provider",
    ];

    /// Reads the keys through `get`, which gives what was set (a listener's own value before the general one) and
    /// `None` where nothing was. No file is read.
    ///
    /// # Errors
    ///
    /// Names the key and what it takes.
    pub fn read(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, TlsError> {
        let set = |key: &str| get(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let list = |key: &str| -> Vec<String> {
            let text = set(key).unwrap_or_default();
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let invalid = |key: &'static str, value: String, reason: &'static str| TlsError::Value { key, value, reason };
        let mut protocols = list("ssl.enabled.protocols");
        if protocols.is_empty() {
            protocols = vec!["TLSv1.2".to_owned(), "TLSv1.3".to_owned()];
        }
        if let Some(old) = protocols.iter().find(|name| !["TLSv1.2", "TLSv1.3"].contains(&name.as_str())) {
            let reason = "only TLSv1.2 and TLSv1.3 are safe and served";
            return Err(invalid("ssl.enabled.protocols", old.clone(), reason));
        }
        let client_auth = match set("ssl.client.auth").as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("none") => ClientAuth::None,
            Some("requested") => ClientAuth::Requested,
            Some("required") => ClientAuth::Required,
            Some(other) => {
                return Err(invalid("ssl.client.auth", other.to_owned(), "it must be none, requested or required"));
            }
        };
        // Set and empty is how the check is switched off.
        let check_host_name = match get("ssl.endpoint.identification.algorithm").as_deref().map(str::trim) {
            None => true,
            Some("") => false,
            Some(name) if name.eq_ignore_ascii_case("https") => true,
            Some(other) => {
                let reason = "it must be https, or empty for no check of the host name";
                return Err(invalid("ssl.endpoint.identification.algorithm", other.to_owned(), reason));
            }
        };
        let key_store = match (set("ssl.keystore.certificate.chain"), set("ssl.keystore.key")) {
            (Some(certificates), Some(key)) => Some(Source::Inline { certificates, key: Some(key) }),
            (None, None) => file(&set, "ssl.keystore.location", "ssl.keystore.type", "ssl.keystore.password")?,
            _ => return Err(TlsError::HalfInline),
        };
        let trust_store = match set("ssl.truststore.certificates") {
            Some(certificates) => Some(Source::Inline { certificates, key: None }),
            None => file(&set, "ssl.truststore.location", "ssl.truststore.type", "ssl.truststore.password")?,
        };
        Ok(Self {
            key_store,
            key_password: get("ssl.key.password").filter(|password| !password.is_empty()),
            trust_store,
            client_auth,
            tls12: protocols.iter().any(|name| name == "TLSv1.2"),
            tls13: protocols.iter().any(|name| name == "TLSv1.3"),
            cipher_suites: list("ssl.cipher.suites"),
            check_host_name,
        })
    }

    /// Whether a server asks clients for certificates.
    pub fn client_auth(&self) -> ClientAuth {
        self.client_auth
    }
}

fn file(
    set: &dyn Fn(&str) -> Option<String>,
    location: &'static str,
    type_key: &'static str,
    password_key: &'static str,
) -> Result<Option<Source>, TlsError> {
    let Some(path) = set(location) else { return Ok(None) };
    let kind = match set(type_key).as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("JKS") => Kind::Default,
        Some("PEM") => Kind::Pem,
        Some("PKCS12") => Kind::Pkcs12,
        Some(other) => {
            let reason = "it must be PEM or PKCS12";
            return Err(TlsError::Value { key: type_key, value: other.to_owned(), reason });
        }
    };
    let password = set(password_key);
    if kind == Kind::Pem && password.is_some() {
        // In Kafka, too: it would seem to protect something.
        let reason = "a PEM file has no password; ssl.key.password is for an encrypted key";
        return Err(TlsError::Value { key: password_key, value: "[hidden]".to_owned(), reason });
    }
    Ok(Some(Source::File { path: path.into(), kind, password }))
}
