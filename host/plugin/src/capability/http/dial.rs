//! Connections: from a name to a stream of bytes, through a proxy and TLS where the configuration says so.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderValue;
use millstream_record::ErrorChain;
use millstream_security::tls::{self, TlsClient, TlsKeys, server_name};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::address::{self, AllowedPlaces, OwnRules};
use super::failure::{Cause, Failure};
use super::origin::Origin;
use super::settings::{Proxy, Settings};

/// Longest answer of a proxy to CONNECT.
const MAX_PROXY_ANSWER: usize = 16 << 10;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections for one set of keys.
pub(super) struct Dialer {
    keys: TlsKeys,
    trust_all: bool,
    tls: OnceCell<Arc<TlsClient>>,
    proxy: Option<Proxy>,
    own_rules: OwnRules,
    places: AllowedPlaces,
    limit: Duration,
}

impl Dialer {
    pub(super) fn new(settings: &Settings, places: AllowedPlaces) -> Self {
        Self {
            keys: settings.tls.clone(),
            trust_all: settings.trust_all,
            tls: OnceCell::new(),
            proxy: settings.proxy.clone(),
            own_rules: settings.own_rules.clone(),
            places,
            limit: settings.connect_timeout,
        }
    }

    /// The proxy that reads requests for an origin, which then name it in full.
    pub(super) fn reading_proxy(&self, origin: &Origin) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| !origin.is_secure())
    }

    /// A stream on which the origin, or the proxy that reads requests for it, speaks HTTP.
    pub(super) async fn dial(&self, origin: &Origin) -> Result<Box<dyn Stream>, Failure> {
        let ms = self.limit.as_millis();
        let late = || Failure::new(Cause::Timeout, format!("no connection to {origin} within {ms} ms"));
        timeout(self.limit, self.connect(origin)).await.unwrap_or_else(|_| Err(late()))
    }

    async fn connect(&self, origin: &Origin) -> Result<Box<dyn Stream>, Failure> {
        let stream = match &self.proxy {
            None => self.socket(origin).await?,
            Some(proxy) => {
                let mut stream = self.socket(&proxy.origin).await?;
                if origin.is_secure() {
                    tunnel(&mut stream, origin, proxy.authorization.as_ref()).await?;
                }
                stream
            }
        };
        if !origin.is_secure() {
            return Ok(Box::new(stream));
        }
        let failed = |text: String| Failure::new(Cause::Tls, format!("secure the connection to {origin}: {text}"));
        let config = self.tls_config().await?;
        let name = server_name(&origin.host).map_err(|error| failed(error.to_string()))?;
        let secured = tokio_rustls::TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::new(secured.map_err(|error| failed(explained(&error)))?))
    }

    /// Looks the name up and tries its addresses in turn, those that may be dialled.
    async fn socket(&self, origin: &Origin) -> Result<TcpStream, Failure> {
        let Origin { host, port, .. } = origin;
        let found: Vec<SocketAddr> = match origin.address() {
            Some(address) => vec![(address, *port).into()],
            None => {
                let found = tokio::net::lookup_host((host.as_str(), *port)).await;
                let failed = |error| Failure::new(Cause::Dns, format!("look up {host}: {error}"));
                found.map_err(failed)?.collect()
            }
        };
        let mut failure = Failure::new(Cause::Dns, format!("look up {host}: it has no address"));
        for address in found {
            failure = match address::check(host, address.ip(), &self.own_rules, &self.places) {
                Err(why) => Failure::new(Cause::Denied, format!("{origin} is at {}: {why}", address.ip())),
                Ok(()) => match TcpStream::connect(address)
                    .await
                    .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
                {
                    Ok(stream) => return Ok(stream),
                    Err(error) => Failure::new(Cause::Connect, format!("connect to {origin} at {address}: {error}")),
                },
            };
        }
        Err(failure)
    }

    /// Keys and certificates as they are in their files now, or were when they could last be read.
    async fn tls_config(&self) -> Result<Arc<ClientConfig>, Failure> {
        let failed = |text: String| Failure::new(Cause::Config, text);
        let read = || {
            let keys = self.keys.clone();
            tokio::task::spawn_blocking(move || TlsClient::new(keys).map(Arc::new))
        };
        let tls = self.tls.get_or_try_init(|| async {
            let read = read().await.map_err(|error| failed(error.to_string()))?;
            read.map_err(|error| failed(ErrorChain(&error).to_string()))
        });
        let tls = Arc::clone(tls.await?);
        let theirs = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || theirs.reload()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %ErrorChain(&error), "keys or certificates of a connector's HTTP client have changed and cannot be read; those before stay in use");
            }
            Err(error) => return Err(failed(error.to_string())),
        }
        let config = tls.config();
        if !self.trust_all {
            return Ok(config);
        }
        let mut config = (*config).clone();
        let verifier = TrustAll(Arc::clone(config.crypto_provider()));
        config.dangerous().set_certificate_verifier(Arc::new(verifier));
        Ok(Arc::new(config))
    }
}

/// What rustls has against the other side, with its likely reason.
fn explained(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner.and_then(tls::explain) {
        Some(why) => format!("{error} ({why})"),
        None => error.to_string(),
    }
}

/// Has a proxy pass everything on to an origin.
async fn tunnel(stream: &mut TcpStream, origin: &Origin, authorization: Option<&HeaderValue>) -> Result<(), Failure> {
    let failed = |text: String| Failure::new(Cause::Proxy, format!("reach {origin} through the proxy: {text}"));
    let host = if origin.host.contains(':') { format!("[{}]", origin.host) } else { origin.host.clone() };
    let target = format!("{host}:{}", origin.port);
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(value) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(|error| failed(error.to_string()))?;
    let mut answer = Vec::new();
    // Byte by byte, since what follows the answer is the origin's.
    while !answer.ends_with(b"\r\n\r\n") {
        if MAX_PROXY_ANSWER <= answer.len() {
            return Err(failed("its answer does not end".to_owned()));
        }
        answer.push(stream.read_u8().await.map_err(|error| failed(error.to_string()))?);
    }
    let line = String::from_utf8_lossy(answer.split(|&byte| byte == b'\r').next().unwrap_or_default()).into_owned();
    match line.split(' ').nth(1) {
        Some(status) if line.starts_with("HTTP/1.") && status.len() == 3 && status.starts_with('2') => Ok(()),
        _ => Err(failed(format!("it answered {line:?}"))),
    }
}

/// Takes every certificate; only that the other side has its key is checked.
#[derive(Debug)]
struct TrustAll(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
