//! Key stores and trust stores: from files or inline text to keys and certificates.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    client::ResolvesClientCert,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::keys::{Kind, Source, TlsKeys};
use crate::{
    Certificate, InvalidCertificate,
    password_based::DecryptError,
    pem::{self, PemError},
    pkcs12::{KeyStore, Pkcs12Error, decrypt_key},
};

/// Largest key store or trust store, in bytes.
const MAX_FILE: u64 = 16 << 20;

/// Why TLS cannot be set up. Messages name the key and the file.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A value that its key does not take.
    #[error("{key} cannot be '{value}': {reason}")]
    Value {
        key: &'static str,
        /// The value; not of a secret.
        value: String,
        /// What the key takes instead.
        reason: &'static str,
    },
    /// One of two keys that belong together.
    #[error("ssl.keystore.key and ssl.keystore.certificate.chain belong together: set both, or ssl.keystore.location")]
    HalfInline,
    /// A server needs a certificate.
    #[error(
        "a listener with TLS needs a certificate: set ssl.keystore.location, or ssl.keystore.key and .certificate.chain"
    )]
    NoKeyStore,
    /// A server that asks for certificates must know whom it trusts.
    #[error(
        "ssl.client.auth asks clients for certificates: set ssl.truststore.location or ssl.truststore.certificates"
    )]
    NoTrustStore,
    /// The file cannot be read.
    #[error("read {key}={}", path.display())]
    File { key: &'static str, path: PathBuf, source: io::Error },
    /// The old format of Java.
    #[error(
        "{key}={} is a key store of type JKS, which is not read; convert it with: keytool -importkeystore -srckeystore {} \
         -destkeystore {}.p12 -deststoretype PKCS12",
        path.display(), path.display(), path.display()
    )]
    Jks { key: &'static str, path: PathBuf },
    /// The content is not what its type says.
    #[error("read {what}")]
    Pem {
        /// Key and file.
        what: String,
        source: PemError,
    },
    /// The content cannot be opened.
    #[error("open {what}")]
    Pkcs12 {
        /// Key and file.
        what: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A key that a password protects.
    #[error("decrypt the private key in {what} ({hint})")]
    Key {
        /// Key and file.
        what: String,
        /// Which key to look at.
        hint: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A traditional encrypted key.
    #[error(
        "the private key in {what} is encrypted in openssl's traditional form; convert it with: openssl pkcs8 -topk8 -in \
         FILE -out FILE.p8"
    )]
    TraditionalKey {
        /// Key and file.
        what: String,
    },
    /// Something is missing.
    #[error("{what} has no {missing}")]
    Missing {
        /// Key and file.
        what: String,
        /// What it should have.
        missing: &'static str,
    },
    /// A certificate that cannot be read.
    #[error("read a certificate in {what}")]
    Certificate {
        /// Key and file.
        what: String,
        source: InvalidCertificate,
    },
    /// A key of a kind that is not supported, or that is not its certificate's.
    #[error("use the key in {what}: RSA of 2048 to 8192 bits, P-256, P-384 and Ed25519 are supported")]
    Unusable {
        /// Key and file.
        what: String,
        source: rustls::Error,
    },
    /// The key is not that of the certificate.
    #[error("the private key in {what} is not that of the first certificate there")]
    Mismatch {
        /// Key and file.
        what: String,
    },
    /// A certificate that cannot be trusted.
    #[error("trust a certificate in {what}")]
    Anchor {
        /// Key and file.
        what: String,
        source: rustls::Error,
    },
    /// The system trusts nobody.
    #[error("the system has no trusted certificates: set ssl.truststore.location or ssl.truststore.certificates")]
    NoSystemTrust,
    /// The versions and cipher suites do not go together.
    #[error("no cipher suite is left for the versions (ssl.enabled.protocols, ssl.cipher.suites)")]
    Protocols { source: rustls::Error },
    /// The address that is dialled.
    #[error("'{host}' is neither a host name nor an address")]
    ServerName { host: String },
}

/// The algorithms: all that rustls has with ring, or those of `ssl.cipher.suites`.
pub fn provider(keys: &TlsKeys) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if !keys.cipher_suites.is_empty() {
        // Java writes suites of TLS 1.3 as TLS_…, rustls as TLS13_…
        let name = |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1);
        provider.cipher_suites.retain(|suite| keys.cipher_suites.contains(&name(suite)));
        if provider.cipher_suites.is_empty() {
            let known: Vec<String> = ring::default_provider().cipher_suites.iter().map(name).collect();
            let value = format!("{} (known: {})", keys.cipher_suites.join(","), known.join(", "));
            return Err(TlsError::Value { key: "ssl.cipher.suites", value, reason: "none of these is known" });
        }
    }
    Ok(provider)
}

/// How the files looked: what changes when they do.
#[derive(Debug, Eq, PartialEq)]
pub struct Files(Vec<Option<(SystemTime, u64)>>);

impl Files {
    pub fn of(keys: &TlsKeys) -> Self {
        let look = |source: &Option<Source>| match source {
            Some(Source::File { path, .. }) => {
                let metadata = fs::metadata(path).ok()?;
                Some((metadata.modified().ok()?, metadata.len()))
            }
            _ => None,
        };
        Self(vec![look(&keys.key_store), look(&keys.trust_store)])
    }
}

fn describe(key: &str, path: &Path) -> String {
    format!("{key}={}", path.display())
}

/// The content of a store, by its kind.
enum Content {
    Pem(String),
    Pkcs12(Vec<u8>),
}

fn read_file(key: &'static str, path: &Path, kind: Kind) -> Result<Content, TlsError> {
    let failed = |source| TlsError::File { key, path: path.to_owned(), source };
    if MAX_FILE < fs::metadata(path).map_err(failed)?.len() {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let bytes = fs::read(path).map_err(failed)?;
    if bytes.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || bytes.starts_with(&[0xce, 0xce, 0xce, 0xce]) {
        return Err(TlsError::Jks { key, path: path.to_owned() });
    }
    if kind != Kind::Pem {
        return Ok(Content::Pkcs12(bytes));
    }
    String::from_utf8(bytes).map(Content::Pem).map_err(|error| failed(io::Error::other(error)))
}

/// A private key with its certificates, as it is shown to others.
pub struct Identity {
    key: CertifiedKey,
    pub certificates: Vec<Certificate>,
}

impl Identity {
    /// `None` where no key store is set.
    pub fn read(keys: &TlsKeys) -> Result<Option<Self>, TlsError> {
        const LOCATION: &str = "ssl.keystore.location";
        let key_password = keys.key_password.as_deref();
        match &keys.key_store {
            None => Ok(None),
            Some(Source::Inline { certificates, key }) => {
                let what = "ssl.keystore.certificate.chain";
                let chain = certificates_of(certificates, what)?;
                let key = private_key(key.as_deref().unwrap_or_default(), key_password, "ssl.keystore.key")?;
                Self::new(key, chain, "ssl.keystore.key and ssl.keystore.certificate.chain").map(Some)
            }
            Some(Source::File { path, kind, password }) => {
                let what = describe(LOCATION, path);
                match read_file(LOCATION, path, *kind)? {
                    Content::Pem(text) => {
                        let key = private_key(&text, key_password, &what)?;
                        Self::new(key, certificates_of(&text, &what)?, &what).map(Some)
                    }
                    Content::Pkcs12(bytes) => {
                        let password = password.as_deref().unwrap_or_default();
                        let store = KeyStore::open(&bytes, password, key_password.unwrap_or(password));
                        let store = store.map_err(|error| of_store(&what, "ssl.keystore.password", error))?;
                        let missing =
                            || TlsError::Missing { what: what.clone(), missing: "private key with a certificate" };
                        let (key, chain) = store.key_and_chain().ok_or_else(missing)?;
                        let chain = chain.into_iter().map(CertificateDer::from).collect();
                        Self::new(PrivatePkcs8KeyDer::from(key).into(), chain, &what).map(Some)
                    }
                }
            }
        }
    }

    fn new(key: PrivateKeyDer<'static>, chain: Vec<CertificateDer<'static>>, what: &str) -> Result<Self, TlsError> {
        let what = || what.to_owned();
        let read = |der: &CertificateDer<'_>| Certificate::read(der);
        let certificates: Result<Vec<Certificate>, _> = chain.iter().map(read).collect();
        let certificates = certificates.map_err(|source| TlsError::Certificate { what: what(), source })?;
        let key = ring::sign::any_supported_type(&key).map_err(|source| TlsError::Unusable { what: what(), source })?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(TlsError::Mismatch { what: what() }),
            Err(source) => return Err(TlsError::Unusable { what: what(), source }),
        }
        Ok(Self { key, certificates })
    }

    pub fn into_resolver(self) -> Always {
        Always(Arc::new(self.key))
    }
}

/// Shows the same certificates whatever is asked for.
#[derive(Debug)]
pub struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn of_store(what: &str, hint: &'static str, error: Pkcs12Error) -> TlsError {
    TlsError::Pkcs12 { what: format!("{what} (its password is {hint})"), source: error.into() }
}

fn certificates_of(text: &str, what: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = pem::sections(text).map_err(|source| TlsError::Pem { what: what.to_owned(), source })?;
    let certificates: Vec<_> = sections
        .into_iter()
        .filter(|section| ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"].contains(&section.label.as_str()))
        .map(|section| CertificateDer::from(section.der))
        .collect();
    if certificates.is_empty() {
        return Err(TlsError::Missing { what: what.to_owned(), missing: "certificate in PEM" });
    }
    Ok(certificates)
}

fn private_key(text: &str, password: Option<&str>, what: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    let sections = pem::sections(text).map_err(|source| TlsError::Pem { what: what.to_owned(), source })?;
    let found = sections.into_iter().find(|section| section.label.ends_with("PRIVATE KEY"));
    let key = found.ok_or(TlsError::Missing { what: what.to_owned(), missing: "private key in PEM" })?;
    if key.has_headers {
        return Err(TlsError::TraditionalKey { what: what.to_owned() });
    }
    Ok(match key.label.as_str() {
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(key.der).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(key.der).into(),
        "ENCRYPTED PRIVATE KEY" => {
            let failed = |hint, source: Box<dyn std::error::Error + Send + Sync>| TlsError::Key {
                what: what.to_owned(),
                hint,
                source,
            };
            let password = password.ok_or_else(|| failed("set ssl.key.password", DecryptError::Password.into()))?;
            let der = decrypt_key(&key.der, password).map_err(|error| failed("ssl.key.password", error.into()))?;
            PrivatePkcs8KeyDer::from(der).into()
        }
        _ => PrivatePkcs8KeyDer::from(key.der).into(),
    })
}

/// The certificates of the trust store; `None` where none is set.
pub fn trusted(keys: &TlsKeys) -> Result<Option<(Vec<CertificateDer<'static>>, String)>, TlsError> {
    const LOCATION: &str = "ssl.truststore.location";
    let Some(source) = &keys.trust_store else { return Ok(None) };
    match source {
        Source::Inline { certificates, .. } => {
            let what = "ssl.truststore.certificates";
            Ok(Some((certificates_of(certificates, what)?, what.to_owned())))
        }
        Source::File { path, kind, password } => {
            let what = describe(LOCATION, path);
            let certificates = match read_file(LOCATION, path, *kind)? {
                Content::Pem(text) => certificates_of(&text, &what)?,
                Content::Pkcs12(bytes) => {
                    let password = password.as_deref().unwrap_or_default();
                    let store = KeyStore::open(&bytes, password, password);
                    let store = store.map_err(|error| of_store(&what, "ssl.truststore.password", error))?;
                    store.trusted().into_iter().map(CertificateDer::from).collect()
                }
            };
            if certificates.is_empty() {
                return Err(TlsError::Missing { what, missing: "trusted certificate" });
            }
            Ok(Some((certificates, what)))
        }
    }
}
