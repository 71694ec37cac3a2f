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
    assert!(matches!(config(&[("listeners", "https://h:1")]), Err(RestConfigError::Listeners(_))));
    assert!(matches!(config(&[("response.http.headers.config", "x")]), Err(RestConfigError::Headers(_))));
    assert!(matches!(config(&[("rest.advertised.port", "70000")]), Err(RestConfigError::AdvertisedPort { .. })));
    assert!(matches!(
        config(&[("rest.advertised.listener", "https")]),
        Err(RestConfigError::AdvertisedListener { .. })
    ));
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
