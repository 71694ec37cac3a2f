//! A server that answers as a test wants it: well, badly, in part, or not at all.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Got {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Got {
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What the server does about a request.
pub enum Answer {
    /// These bytes, and the connection stays.
    Bytes(Vec<u8>),
    /// These bytes, and the connection ends.
    Cut(Vec<u8>),
    /// These bytes, and then nothing for ever.
    Stall(Vec<u8>),
    /// These bytes, and then these over and over.
    Endless(Vec<u8>, Vec<u8>),
    /// The answer of a proxy, behind which bytes are passed on to this address.
    Tunnel(SocketAddr),
}

/// A whole answer.
pub fn reply(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Answer::Bytes(bytes)
}

type Handler = Arc<dyn Fn(&Got) -> Answer + Send + Sync>;

/// It ends when it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub requests: Arc<Mutex<Vec<Got>>>,
    pub connections: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Server {
    pub async fn start(handler: impl Fn(&Got) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(None, handler).await
    }

    pub async fn secure(tls: TlsAcceptor, handler: impl Fn(&Got) -> Answer + Send + Sync + 'static) -> Self {
        Self::with(Some(tls), handler).await
    }

    async fn with(tls: Option<TlsAcceptor>, handler: impl Fn(&Got) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, connections) = (Arc::<Mutex<Vec<Got>>>::default(), Arc::<AtomicUsize>::default());
        let (handler, theirs, counted): (Handler, _, _) =
            (Arc::new(handler), Arc::clone(&requests), Arc::clone(&connections));
        let running = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                let (handler, requests, tls) = (Arc::clone(&handler), Arc::clone(&theirs), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, &handler, &requests).await,
                        // A client that does not like the certificate goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &handler, &requests).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, connections, running }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn last(&self) -> Got {
        self.requests.lock().unwrap().last().cloned().unwrap_or_default()
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, handler: &Handler, requests: &Mutex<Vec<Got>>) {
    while let Some(got) = request(&mut stream).await {
        let answer = handler(&got);
        requests.lock().unwrap().push(got);
        let written = match answer {
            Answer::Bytes(bytes) => stream.write_all(&bytes).await,
            Answer::Cut(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Answer::Stall(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending().await
            }
            Answer::Endless(head, chunk) => {
                let mut written = stream.write_all(&head).await;
                while written.is_ok() {
                    written = stream.write_all(&chunk).await;
                }
                written
            }
            Answer::Tunnel(address) => {
                let mut there = TcpStream::connect(address).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 go on\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Got> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut got = Got { line, headers, body: Vec::new() };
    let length = got.header("content-length").map_or(0, |length| length.parse().unwrap());
    got.body = vec![0; length];
    stream.read_exact(&mut got.body).await.ok()?;
    Some(got)
}

/// An authority whose certificates a test trusts or not.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for a name, and its key, as PEM.
    pub fn certificate(&self, name: &str, has_expired: bool) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if has_expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// What a server with such a certificate does; it asks for those of clients if it is to.
    pub fn acceptor(&self, name: &str, has_expired: bool, asks: bool) -> TlsAcceptor {
        let (certificate, key) = self.certificate(name, has_expired);
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if asks {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
            let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
    }

    /// A file that says that it is trusted.
    pub fn write(&self, folder: &Path) -> String {
        let path = folder.join("trust.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path.display().to_string()
    }
}
