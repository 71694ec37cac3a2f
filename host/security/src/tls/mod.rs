//! TLS as Kafka's `ssl.*` keys describe it, carried out by rustls with ring.
//!
//! A [`TlsServer`] or [`TlsClient`] reads its files when it is made, and again when [`TlsServer::reload`] or
//! [`TlsClient::reload`] finds them changed; a connection is made with the configuration of its moment. What cannot be
//! read leaves the last good configuration in place.
//!
//! Key stores are PEM (files, or inline in the keys) or PKCS #12. JKS is refused with the command that converts it.

mod keys;
mod stores;
mod verify;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rustls::{
    ClientConfig, ServerConfig,
    pki_types::{CertificateDer, ServerName},
    version::{TLS12, TLS13},
};

pub use keys::{ClientAuth, TlsKeys};
pub use stores::TlsError;

use crate::Certificate;
use stores::{Files, Identity, provider};
use verify::{ServerCheck, Trust};

/// How long before a certificate's end a warning is due.
pub const EXPIRES_SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// The side that is dialled.
#[derive(Debug)]
pub struct TlsServer {
    keys: TlsKeys,
    current: Mutex<(Arc<ServerConfig>, Files, Vec<Certificate>)>,
}

impl TlsServer {
    /// Reads keys and files. Blocks.
    ///
    /// # Errors
    ///
    /// Names the key, the file and what to do.
    pub fn new(keys: TlsKeys) -> Result<Self, TlsError> {
        let built = build_server(&keys)?;
        Ok(Self { keys, current: Mutex::new(built) })
    }

    /// For the next connection.
    pub fn config(&self) -> Arc<ServerConfig> {
        // What is inside is replaced as a whole.
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Reads the files again if one of them has changed; true if there is a new configuration. Blocks.
    ///
    /// # Errors
    ///
    /// The last good configuration stays, and the same change is not tried again.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let files = Files::of(&self.keys);
        if self.current.lock().unwrap_or_else(PoisonError::into_inner).1 == files {
            return Ok(false);
        }
        match build_server(&self.keys) {
            Ok(built) => {
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = built;
                Ok(true)
            }
            Err(error) => {
                self.current.lock().unwrap_or_else(PoisonError::into_inner).1 = files;
                Err(error)
            }
        }
    }

    /// Its own certificates that have ended or end within [`EXPIRES_SOON`].
    pub fn expiring(&self, now: SystemTime) -> Vec<Certificate> {
        expiring(&self.current.lock().unwrap_or_else(PoisonError::into_inner).2, now)
    }
}

fn expiring(own: &[Certificate], now: SystemTime) -> Vec<Certificate> {
    own.iter().filter(|certificate| certificate.not_after <= now + EXPIRES_SOON).cloned().collect()
}

fn build_server(keys: &TlsKeys) -> Result<(Arc<ServerConfig>, Files, Vec<Certificate>), TlsError> {
    // Before reading: a change meanwhile is then found later, not lost.
    let files = Files::of(keys);
    let identity = Identity::read(keys)?.ok_or(TlsError::NoKeyStore)?;
    let provider = Arc::new(provider(keys)?);
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&versions(keys)).map_err(|source| TlsError::Protocols { source })?;
    let builder = match keys.client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        wanted => {
            let trust = Trust::read(keys, provider)?;
            builder.with_client_cert_verifier(Arc::new(trust.for_clients(wanted == ClientAuth::Required)?))
        }
    };
    let certificates = identity.certificates.clone();
    let config = builder.with_cert_resolver(Arc::new(identity.into_resolver()));
    Ok((Arc::new(config), files, certificates))
}

fn versions(keys: &TlsKeys) -> Vec<&'static rustls::SupportedProtocolVersion> {
    let all = [(keys.tls13, &TLS13), (keys.tls12, &TLS12)];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, version)| version).collect()
}

/// The side that dials.
#[derive(Debug)]
pub struct TlsClient {
    keys: TlsKeys,
    current: Mutex<(Arc<ClientConfig>, Files, Vec<Certificate>)>,
}

impl TlsClient {
    /// Reads keys and files; without a trust store, the certificates that the system trusts. Blocks.
    ///
    /// # Errors
    ///
    /// Names the key, the file and what to do.
    pub fn new(keys: TlsKeys) -> Result<Self, TlsError> {
        let built = build_client(&keys)?;
        Ok(Self { keys, current: Mutex::new(built) })
    }

    /// For the next connection.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Reads the files again if one of them has changed; true if there is a new configuration. Blocks.
    ///
    /// # Errors
    ///
    /// The last good configuration stays, and the same change is not tried again.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let files = Files::of(&self.keys);
        if self.current.lock().unwrap_or_else(PoisonError::into_inner).1 == files {
            return Ok(false);
        }
        match build_client(&self.keys) {
            Ok(built) => {
                *self.current.lock().unwrap_or_else(PoisonError::into_inner) = built;
                Ok(true)
            }
            Err(error) => {
                self.current.lock().unwrap_or_else(PoisonError::into_inner).1 = files;
                Err(error)
            }
        }
    }

    /// Its own certificates that have ended or end within [`EXPIRES_SOON`].
    pub fn expiring(&self, now: SystemTime) -> Vec<Certificate> {
        expiring(&self.current.lock().unwrap_or_else(PoisonError::into_inner).2, now)
    }
}

/// The name or address that is dialled, as rustls wants it. An IPv6 address has no brackets.
///
/// # Errors
///
/// Neither a host name nor an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::ServerName { host: host.to_owned() })
}

fn build_client(keys: &TlsKeys) -> Result<(Arc<ClientConfig>, Files, Vec<Certificate>), TlsError> {
    let files = Files::of(keys);
    let provider = Arc::new(provider(keys)?);
    let trust = Trust::read(keys, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&versions(keys)).map_err(|source| TlsError::Protocols { source })?;
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerCheck { trust, host_name: keys.check_host_name }));
    let (config, certificates) = match Identity::read(keys)? {
        None => (builder.with_no_client_auth(), Vec::new()),
        Some(identity) => {
            let certificates = identity.certificates.clone();
            (builder.with_client_cert_resolver(Arc::new(identity.into_resolver())), certificates)
        }
    };
    Ok((Arc::new(config), files, certificates))
}

/// What is wrong with a handshake, in words for an operator: the likely cause and the key to look at.
///
/// `error` is what rustls or the stream said. `None` for errors that are not of TLS.
pub fn explain(error: &rustls::Error) -> Option<&'static str> {
    use rustls::{AlertDescription as Alert, CertificateError as Cert, Error, PeerIncompatible};
    Some(match error {
        Error::InvalidMessage(_) => "the other side does not speak TLS (security.protocol)",
        Error::InvalidCertificate(Cert::Expired | Cert::ExpiredContext { .. }) => {
            "the other side's certificate has expired: renew it"
        }
        Error::InvalidCertificate(Cert::NotValidYet | Cert::NotValidYetContext { .. }) => {
            "the other side's certificate is not valid yet: see to the clocks"
        }
        Error::InvalidCertificate(Cert::UnknownIssuer | Cert::BadSignature) => {
            "the other side's certificate is not signed by anyone in the trust store (ssl.truststore.*)"
        }
        Error::InvalidCertificate(Cert::NotValidForName | Cert::NotValidForNameContext { .. }) => {
            "the certificate is for another host name: correct the address or the certificate's alternative names \
             (ssl.endpoint.identification.algorithm= switches the check off)"
        }
        Error::InvalidCertificate(_) => "the other side's certificate cannot be accepted",
        Error::NoCertificatesPresented => "the client shows no certificate, and ssl.client.auth=required",
        Error::AlertReceived(Alert::CertificateExpired) => "our certificate has expired, says the other side: renew it",
        Error::AlertReceived(Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown) => {
            "the other side does not accept our certificate: see to its trust store"
        }
        Error::AlertReceived(Alert::CertificateRequired) => {
            "the server asks for a client certificate, and there is none (ssl.keystore.*)"
        }
        Error::AlertReceived(Alert::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "no version of TLS is known to both sides (ssl.enabled.protocols)",
        Error::AlertReceived(Alert::HandshakeFailure) | Error::PeerIncompatible(_) => {
            "no cipher suite is known to both sides (ssl.cipher.suites)"
        }
        Error::PeerMisbehaved(_) => "the other side breaks the rules of TLS",
        _ => return None,
    })
}

/// The subject of the certificate that a client has shown.
///
/// # Errors
///
/// It cannot be read, though it was verified.
pub fn subject(certificate: &CertificateDer<'_>) -> Result<String, crate::InvalidCertificate> {
    Certificate::read(certificate).map(|certificate| certificate.subject)
}
