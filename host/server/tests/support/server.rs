//! An HTTP server of the test, on threads of its own; it may have a certificate, and may be a proxy.

#![allow(dead_code, reason = "each test uses its part")]

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Got {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Got {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

type Handler = Arc<dyn Fn(&Got) -> (u16, String, String) + Send + Sync>;

/// It answers as long as the process runs.
pub struct Server {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    /// Answers with status, header lines and body. A CONNECT that is answered with 200 is a tunnel from then on.
    pub fn start(handler: impl Fn(&Got) -> (u16, String, String) + Send + Sync + 'static) -> Self {
        Self::start_with(None, handler)
    }

    /// The same over TLS.
    pub fn secure(
        certificate: &Certificate,
        handler: impl Fn(&Got) -> (u16, String, String) + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Some(certificate.config()), handler)
    }

    fn start_with(
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Got) -> (u16, String, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let (theirs, handler): (_, Handler) = (Arc::clone(&got), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (handler, got, tls) = (Arc::clone(&handler), Arc::clone(&theirs), tls.clone());
                let stream = stream.unwrap();
                thread::spawn(move || match tls {
                    None => serve(stream.try_clone().ok()?, &stream, &handler, &got),
                    Some(config) => {
                        let connection = ServerConnection::new(config).ok()?;
                        let plain = stream.try_clone().ok()?;
                        serve(StreamOwned::new(connection, stream), &plain, &handler, &got)
                    }
                });
            }
        });
        Self { address, got }
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

/// Answers requests of a connection until it ends. `plain` is the socket below the stream.
fn serve(stream: impl Read + Write, plain: &TcpStream, handler: &Handler, got: &Mutex<Vec<Got>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split(' ');
        let mut request = Got { method: words.next()?.into(), path: words.next()?.into(), ..Got::default() };
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            request.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        request.body = String::from_utf8_lossy(&body).into_owned();
        let (status, headers, body) = handler(&request);
        let tunnel = (request.method == "CONNECT" && status == 200).then(|| request.path.clone());
        got.lock().unwrap().push(request);
        let length = if tunnel.is_some() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let answer = format!("HTTP/1.1 {status} said\r\n{headers}{length}\r\n{body}");
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
        reader.get_mut().flush().ok()?;
        if let Some(target) = tunnel {
            return pass_on(plain, &TcpStream::connect(target).ok()?);
        }
    }
}

/// Passes bytes on in both directions, until both have ended.
fn pass_on(here: &TcpStream, there: &TcpStream) -> Option<()> {
    let (mut from, mut to) = (there.try_clone().ok()?, here.try_clone().ok()?);
    let back = thread::spawn(move || {
        // One that breaks off has ended as well.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let (mut from, mut to) = (here, there);
    let _ = io::copy(&mut from, &mut to);
    let _ = there.shutdown(Shutdown::Both);
    back.join().ok()
}

/// A certificate for this machine that nobody has signed but itself, in PEM.
pub struct Certificate {
    certificate: String,
    key: String,
}

impl Certificate {
    pub fn new(has_expired: bool) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        if has_expired {
            parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self { certificate, key: key.serialize_pem() }
    }

    /// Writes what one who trusts it needs, as lines of a connector's file.
    pub fn trusted(&self, folder: &Path) -> String {
        let file = folder.join("trusted.pem");
        std::fs::write(&file, &self.certificate).unwrap();
        format!("https.ssl.truststore.type=PEM\nhttps.ssl.truststore.location={}\n", file.display())
    }

    fn config(&self) -> Arc<ServerConfig> {
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}
