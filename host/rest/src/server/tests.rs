use millstream_config::{ConfigMap, Mode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::routes::tests::Fake;

fn config(entries: &[(&str, &str)]) -> Result<RestConfig, RestConfigError> {
    let base = [("key.converter", "J"), ("value.converter", "J"), ("offset.storage.file.filename", "o")];
    let properties: ConfigMap =
        base.iter().chain(entries).map(|&(key, value)| (key.to_owned(), Some(value.to_owned()))).collect();
    RestConfig::of(&WorkerConfig::parse(Mode::Standalone, &properties).unwrap())
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_key() {
    let first = RestServer::bind(config(&[("listeners", "http://127.0.0.1:0")]).unwrap()).await.unwrap();
    let taken = format!("http://{}", first.addresses()[0]);
    let Err(error) = RestServer::bind(config(&[("listeners", &taken)]).unwrap()).await else {
        panic!("two servers listen on {taken}");
    };
    assert_eq!(
        error.to_string(),
        format!(
            "listen on {taken} (key listeners): the address is in use; stop the process that uses it or set another port"
        )
    );
    first.stop().await;
}

#[tokio::test]
async fn the_worker_is_known_by_its_listener_unless_told_otherwise() {
    let server = RestServer::bind(config(&[("listeners", "http://127.0.0.1:0")]).unwrap()).await.unwrap();
    assert_eq!(server.worker_id(), server.addresses()[0].to_string());
    let told = [
        ("listeners", "http://127.0.0.1:0"),
        ("rest.advertised.host.name", "worker.example"),
        ("rest.advertised.port", "80"),
    ];
    let server = RestServer::bind(config(&told).unwrap()).await.unwrap();
    assert_eq!(server.worker_id(), "worker.example:80");
}

#[test]
fn keys_that_cannot_be_obeyed_are_refused() {
    assert!(matches!(config(&[("listeners", "ftp://h:1")]), Err(RestConfigError::Listeners(_))));
    assert!(matches!(config(&[("admin.listeners", "h:1")]), Err(RestConfigError::AdminListeners(_))));
    assert!(matches!(config(&[("metrics.listeners", "h:1")]), Err(RestConfigError::MetricsListeners(_))));
    let old = [("listeners", "https://h:1"), ("ssl.enabled.protocols", "SSLv3")];
    assert!(matches!(config(&old), Err(RestConfigError::Tls { prefix: "listeners.https.", .. })));
    assert!(matches!(config(&[("response.http.headers.config", "x")]), Err(RestConfigError::Headers(_))));
    assert!(matches!(config(&[("rest.advertised.port", "70000")]), Err(RestConfigError::AdvertisedPort { .. })));
    assert!(matches!(
        config(&[("rest.advertised.listener", "https")]),
        Err(RestConfigError::AdvertisedListener { .. })
    ));
}

#[tokio::test]
async fn metrics_have_listeners_of_their_own_where_these_are_named() {
    let listen = ("listeners", "http://127.0.0.1:0");
    for (told, addresses) in [("http://127.0.0.1:0,http://localhost:0", 3), ("", 1)] {
        let server = RestServer::bind(config(&[listen, ("metrics.listeners", told)]).unwrap()).await.unwrap();
        let parts: Vec<bool> = server.waiting.iter().map(|(_, part)| part.metrics).collect();
        assert_eq!(parts, (0..addresses).map(|listener| 0 < listener).collect::<Vec<_>>());
    }
}

/// Reads from a connection until it has seen the text.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains(text) {
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_buf(&mut seen)).await;
        assert_ne!(read.expect("an answer in time").unwrap(), 0, "ended after {}", String::from_utf8_lossy(&seen));
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test]
async fn callers_wait_for_the_herder_and_an_idle_connection_does_not_delay_the_stop() {
    let keys = [
        ("listeners", "http://127.0.0.1:0"),
        ("access.control.allow.origin", "http://page.example"),
        ("response.http.headers.config", "set X-Frame-Options: deny"),
    ];
    let mut server = RestServer::bind(config(&keys).unwrap()).await.unwrap();
    let mut caller = TcpStream::connect(server.addresses()[0]).await.unwrap();
    caller.write_all(b"GET /connectors HTTP/1.1\r\nHost: h\r\nOrigin: http://page.example\r\n\r\n").await.unwrap();

    server.attach(
        Arc::new(Fake::default()),
        WorkerVersion { version: "4.3.0".to_owned(), commit: "c".to_owned() },
        Vec::new(),
    );
    let answer = read_until(&mut caller, r#"["c","no status"]"#).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n"), "{answer}");
    assert!(answer.contains("access-control-allow-origin: http://page.example\r\n"), "{answer}");
    assert!(answer.contains("x-frame-options: deny\r\n"), "{answer}");

    tokio::time::timeout(Duration::from_secs(20), server.stop()).await.expect("a prompt stop");
    assert_eq!(caller.read(&mut [0; 1]).await.unwrap(), 0);
}

fn version() -> WorkerVersion {
    WorkerVersion { version: "4.3.0".to_owned(), commit: "c".to_owned() }
}

/// A certificate of its own for `localhost`, with its key, in one PEM file.
fn certificate(file: &std::path::Path) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.pem();
    std::fs::write(file, format!("{}{certificate}", made.signing_key.serialize_pem())).unwrap();
    certificate
}

fn tls_keys(entries: &[(&str, &str)]) -> TlsKeys {
    TlsKeys::read(&|key| entries.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).to_owned())).unwrap()
}

/// What a client gets that speaks TLS with these keys.
async fn ask_over_tls(address: SocketAddr, keys: TlsKeys, path: &str) -> io::Result<String> {
    let client = millstream_security::tls::TlsClient::new(keys).unwrap();
    let name = millstream_security::tls::server_name("localhost").unwrap();
    let stream = TcpStream::connect(address).await?;
    let mut stream = tokio_rustls::TlsConnector::from(client.config()).connect(name, stream).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn https_is_served_to_clients_that_show_a_trusted_certificate_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (of_server, of_client) = (folder.path().join("server.pem"), folder.path().join("client.pem"));
    let (server_certificate, client_certificate) = (certificate(&of_server), certificate(&of_client));
    let keys = [
        ("listeners", "https://127.0.0.1:0"),
        // Keys with the prefix count alone.
        ("ssl.keystore.location", "/no/such/file"),
        ("listeners.https.ssl.keystore.type", "PEM"),
        ("listeners.https.ssl.keystore.location", of_server.to_str().unwrap()),
        ("listeners.https.ssl.truststore.certificates", &client_certificate),
        ("listeners.https.ssl.truststore.type", "PEM"),
        ("listeners.https.ssl.client.auth", "required"),
    ];
    let mut server = RestServer::bind(config(&keys).unwrap()).await.unwrap();
    server.attach(Arc::new(Fake::default()), version(), Vec::new());
    let address = server.addresses()[0];
    assert_eq!(server.url(), format!("https://{address}"));

    let trusting = [("ssl.truststore.certificates", server_certificate.as_str()), ("ssl.truststore.type", "PEM")];
    let identified = [
        trusting[0],
        trusting[1],
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.location", of_client.to_str().unwrap()),
    ];
    let answer = ask_over_tls(address, tls_keys(&identified), "/connectors").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with(r#"["c","no status"]"#), "{answer}");
    assert!(ask_over_tls(address, tls_keys(&trusting), "/connectors").await.is_err());

    // One who speaks plain text is sent away, and one who says nothing delays neither others nor the stop.
    let silent = TcpStream::connect(address).await.unwrap();
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), plain.read_to_end(&mut answer)).await.expect("an end");
    assert!(read.is_err() || !String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    assert!(ask_over_tls(address, tls_keys(&identified), "/").await.is_ok());
    tokio::time::timeout(Duration::from_secs(20), server.stop()).await.expect("a prompt stop");
    drop(silent);
}

#[tokio::test]
async fn a_request_is_passed_on_over_https_with_the_workers_own_keys_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("worker.pem");
    let certificate = certificate(&pem);
    let keys = [
        ("listeners", "https://127.0.0.1:0"),
        ("listeners.https.ssl.keystore.type", "PEM"),
        ("listeners.https.ssl.keystore.location", pem.to_str().unwrap()),
        ("listeners.https.ssl.truststore.certificates", &certificate),
        ("listeners.https.ssl.truststore.type", "PEM"),
        ("listeners.https.ssl.client.auth", "required"),
    ];
    let identified: Vec<(&str, &str)> =
        keys[1..5].iter().map(|(key, value)| (key.trim_start_matches("listeners.https."), *value)).collect();
    let mut owner = RestServer::bind(config(&keys).unwrap()).await.unwrap();
    owner.attach(Arc::new(Fake::default()), version(), Vec::new());
    let url = |server: &RestServer| format!("https://localhost:{}/", server.addresses()[0].port());
    let mut asked = RestServer::bind(config(&keys).unwrap()).await.unwrap();
    asked.attach(Arc::new(Fake::elsewhere(url(&owner))), version(), Vec::new());
    let answer = ask_over_tls(asked.addresses()[0], tls_keys(&identified), "/connectors/c/status").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"FAILED\""), "{answer}");

    // One that takes itself for another, as two may that disagree.
    let mut lost = RestServer::bind(config(&keys).unwrap()).await.unwrap();
    let herder = Fake::elsewhere(url(&lost));
    lost.attach(Arc::new(herder), version(), Vec::new());
    let answer = ask_over_tls(lost.addresses()[0], tls_keys(&identified), "/connectors/c/status").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("conflicting operation"), "{answer}");
}

#[tokio::test]
async fn keys_that_cannot_be_read_are_named() {
    let keys = [("listeners", "https://127.0.0.1:0"), ("ssl.keystore.location", "/no/such/file")];
    let Err(error) = RestServer::bind(config(&keys).unwrap()).await else { panic!("there are no keys") };
    let text = ErrorChain(&error).to_string();
    assert!(text.contains("key listeners") && text.contains("/no/such/file"), "{text}");
}

#[tokio::test]
async fn admin_is_served_where_it_is_wished() {
    async fn status(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    }
    for (admin, beside, alone) in [(None, "200", ""), (Some(""), "404", ""), (Some("http://127.0.0.1:0"), "404", "200")]
    {
        let mut keys = vec![("listeners", "http://127.0.0.1:0")];
        keys.extend(admin.map(|admin| ("admin.listeners", admin)));
        let mut server = RestServer::bind(config(&keys).unwrap()).await.unwrap();
        server.attach(Arc::new(Fake::default()), version(), Vec::new());
        assert_eq!(status(server.addresses()[0], "/connectors").await, "200");
        assert_eq!(status(server.addresses()[0], "/admin/loggers").await, beside, "{admin:?}");
        assert_eq!(server.addresses().len(), if alone.is_empty() { 1 } else { 2 });
        if let Some(&address) = server.addresses().get(1) {
            assert_eq!(status(address, "/admin/loggers").await, alone);
            assert_eq!(status(address, "/connectors").await, "404");
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn others_are_told_of_the_listener_that_was_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("server.pem");
    certificate(&pem);
    let base = [
        ("listeners", "https://127.0.0.1:0,http://127.0.0.1:0"),
        ("ssl.keystore.type", "PEM"),
        ("ssl.keystore.location", pem.to_str().unwrap()),
    ];
    for (chosen, protocol, place) in [(None, "http", 1), (Some("HTTPS"), "https", 0), (Some("http"), "http", 1)] {
        let keys: Vec<_> = base.into_iter().chain(chosen.map(|chosen| ("rest.advertised.listener", chosen))).collect();
        let server = RestServer::bind(config(&keys).unwrap()).await.unwrap();
        assert_eq!(server.url(), format!("{protocol}://{}", server.addresses()[place]));
    }
}
