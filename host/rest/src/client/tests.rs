use std::net::SocketAddr;

use millstream_record::ErrorChain;
use millstream_security::tls::TlsServer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// A server that reads one request to the end of its head and `body` further bytes, writes `answer` and closes.
async fn server(answer: &'static str, body: usize) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        loop {
            let head = seen.windows(4).position(|window| window == b"\r\n\r\n");
            if head.is_some_and(|head| head + 4 + body <= seen.len()) || stream.read_buf(&mut seen).await.unwrap() == 0
            {
                break;
            }
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(seen).unwrap()
    });
    (address, serving)
}

fn url(address: SocketAddr) -> HttpUrl {
    HttpUrl::parse(&format!("http://{address}/base")).unwrap()
}

fn client(max_body_bytes: usize) -> HttpClient {
    HttpClient::new(ClientSettings { max_body_bytes, ..ClientSettings::default() })
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_made_and_its_answer_comes_back_whole() {
    let chunked =
        "HTTP/1.1 409 Conflict\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let (address, serving) = server(chunked, 7).await;
    let request = HttpRequest::new("PUT", url(address).with_credentials("alice", "s:t").below(&["x"]));
    let request = request.with_json(&serde_json::json!({"a": 1})).with_header("User-Agent", "kafka-connect");
    let answer = client(5).send(&request).await.unwrap();
    assert_eq!((answer.status(), answer.header("x-a"), answer.body()), (409, Some("b"), &b"abcde"[..]));
    assert!(!answer.is_success());
    let seen = serving.await.unwrap();
    let head = seen.to_ascii_lowercase();
    assert!(head.starts_with("put /base/x http/1.1\r\n"), "{seen}");
    for line in
        [format!("host: {address}"), "user-agent: kafka-connect".into(), "content-type: application/json".into()]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {seen}");
    }
    assert!(seen.contains("Basic YWxpY2U6czp0\r\n") && seen.ends_with("\r\n\r\n{\"a\":1}"), "{seen}");
}

#[tokio::test]
async fn an_answer_larger_than_allowed_for_is_refused() {
    let (address, _serving) = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde", 0).await;
    let error = client(4).send(&HttpRequest::new("GET", url(address))).await.unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { max_bytes: 4, .. }), "{error:?}");
}

#[tokio::test]
async fn a_body_up_to_the_end_of_the_connection_is_whole_and_one_cut_off_is_not() {
    let (address, _serving) = server("HTTP/1.1 200 OK\r\n\r\nabc", 0).await;
    let answer = client(9).send(&HttpRequest::new("GET", url(address))).await.unwrap();
    assert_eq!(answer.body(), b"abc");
    let cut_off = ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "HTTP/1.1 200", "", "\u{15}\u{3}\u{3}garbage"];
    for answer in cut_off {
        let (address, _serving) = server(answer, 0).await;
        let error = client(9).send(&HttpRequest::new("GET", url(address))).await.unwrap_err();
        assert!(matches!(error, HttpError::Broken { .. }) && error.may_have_arrived(), "{error:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_reached_says_so_with_its_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = client(1).send(&HttpRequest::new("GET", url(address))).await.unwrap_err();
    assert!(!error.may_have_arrived());
    assert!(error.likely_cause().unwrap().contains("nobody listens"), "{error:?}");
    let text = ErrorChain(&error).to_string();
    assert!(text.starts_with(&format!("connect to http://{address}/base: ")), "{text}");
    let odd = HttpRequest::new("GET", url(address)).with_header("a b", "c");
    assert!(matches!(client(1).send(&odd).await, Err(HttpError::Request { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_silent_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let request = HttpRequest::new("POST", url(listener.local_addr().unwrap()));
    let (error, _open) =
        tokio::join!(async { client(1).send(&request).await.unwrap_err() }, async { listener.accept().await.unwrap() });
    let HttpError::TimedOut { stage, after, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*stage, *after), (Stage::Answer, ClientSettings::default().timeout));
    assert!(error.may_have_arrived());
}

/// A certificate of its own for `localhost`, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn keys(entries: &[(&str, &str)]) -> TlsKeys {
    TlsKeys::read(&|key| entries.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).to_owned())).unwrap()
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_keys_trust_and_with_nobody_else() {
    let ((server_certificate, server_key), (certificate, key)) = (certificate(), certificate());
    let served = TlsServer::new(keys(&[
        ("ssl.keystore.certificate.chain", &server_certificate),
        ("ssl.keystore.key", &server_key),
        ("ssl.truststore.certificates", &certificate),
        ("ssl.client.auth", "required"),
    ]));
    let acceptor = tokio_rustls::TlsAcceptor::from(served.unwrap().config());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            if stream.read(&mut [0; 1000]).await.is_ok() {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                stream.shutdown().await.unwrap();
            }
        }
    });
    let trust = ("ssl.truststore.certificates", server_certificate.as_str());
    let own = [("ssl.keystore.certificate.chain", certificate.as_str()), ("ssl.keystore.key", key.as_str())];
    let ask = async |host: &str, tls: TlsKeys| {
        let client = HttpClient::new(ClientSettings { tls: Some(tls), ..ClientSettings::default() });
        client.send(&HttpRequest::new("GET", HttpUrl::parse(&format!("https://{host}:{port}")).unwrap())).await
    };
    assert_eq!(ask("localhost", keys(&[trust, own[0], own[1]])).await.unwrap().body(), b"ok");
    let stranger = ask("localhost", keys(&[("ssl.truststore.certificates", &certificate), own[0], own[1]])).await;
    assert!(stranger.unwrap_err().likely_cause().unwrap().contains("not signed by anyone"));
    let elsewhere = ask("127.0.0.1", keys(&[trust, own[0], own[1]])).await;
    assert!(elsewhere.unwrap_err().likely_cause().unwrap().contains("another host name"));
    let nameless = ask("localhost", keys(&[trust])).await.unwrap_err();
    assert!(nameless.likely_cause().unwrap().contains("asks for a client certificate"), "{nameless:?}");
    serving.abort();
}
