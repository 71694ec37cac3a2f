//! Whether the other side's certificate is accepted: a chain to the trust store, or a certificate that stands there
//! itself, as in Java.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ParsedCertificate, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::{TlsError, keys::TlsKeys, stores};
use crate::Certificate;

/// Whom we trust.
#[derive(Debug)]
pub struct Trust {
    roots: Arc<RootCertStore>,
    /// As they stand in the trust store; empty for the system's.
    direct: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    explicit: bool,
}

impl Trust {
    /// The trust store, or what the system trusts.
    pub fn read(keys: &TlsKeys, provider: Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let Some((direct, what)) = stores::trusted(keys)? else {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err(TlsError::NoSystemTrust);
            }
            return Ok(Self { roots: Arc::new(roots), direct: Vec::new(), provider, explicit: false });
        };
        for certificate in &direct {
            roots.add(certificate.clone()).map_err(|source| TlsError::Anchor { what: what.clone(), source })?;
        }
        Ok(Self { roots: Arc::new(roots), direct, provider, explicit: true })
    }

    /// For a server that asks its clients for certificates.
    pub fn for_clients(self, required: bool) -> Result<ClientCheck, TlsError> {
        if !self.explicit {
            return Err(TlsError::NoTrustStore);
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&self.provider));
        let chain = builder.build().map_err(|_| TlsError::NoTrustStore)?;
        Ok(ClientCheck { trust: self, chain, required })
    }

    /// Whether the certificate itself is in the trust store, and in its time.
    fn is_direct(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
        if !self.direct.iter().any(|direct| direct == certificate) {
            return Ok(false);
        }
        let read = Certificate::read(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let now = std::time::UNIX_EPOCH + std::time::Duration::from_secs(now.as_secs());
        if read.not_after < now {
            return Err(CertificateError::Expired.into());
        }
        if now < read.not_before {
            return Err(CertificateError::NotValidYet.into());
        }
        Ok(true)
    }
}

/// A client's check of the server.
#[derive(Debug)]
pub struct ServerCheck {
    pub trust: Trust,
    /// Whether the certificate must be for the host that was dialled.
    pub host_name: bool,
}

impl ServerCertVerifier for ServerCheck {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        if !self.trust.is_direct(end_entity, now)? {
            let algorithms = self.trust.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, &self.trust.roots, intermediates, now, algorithms)?;
        }
        if self.host_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.trust.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.trust.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A server's check of its clients.
#[derive(Debug)]
pub struct ClientCheck {
    trust: Trust,
    chain: Arc<dyn ClientCertVerifier>,
    required: bool,
}

impl ClientCertVerifier for ClientCheck {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.trust.is_direct(end_entity, now)? {
            return Ok(ClientCertVerified::assertion());
        }
        self.chain.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
