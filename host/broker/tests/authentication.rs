//! Listeners with TLS and SASL: who gets in, who does not, and what each is told.
//!
//! Every test collects the log: a line that a thread without a collector writes first may be lost for all.

mod support;

use std::{collections::BTreeMap, path::Path, time::Duration};

use bytes::Bytes;
use millstream_broker::{Broker, BrokerConfig};
use millstream_security::{
    sasl::{BearerToken, ClientStep, Mechanism, SaslClient, jwt, scram::ScramHash},
    tls::{TlsClient, TlsKeys, server_name},
};
use millstream_wire::protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiKey, ApiVersionsRequest,
    ApiVersionsResponse, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, MetadataRequest,
    MetadataResponse, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
    alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion},
};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use support::{Client, Log, text};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const JAAS: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                    user_alice=\"secret\" user_bob=\"other\";";

fn config(dir: &Path, pairs: &[(&str, &str)]) -> BrokerConfig {
    let own = [
        ("log.dirs", dir.to_str().unwrap()),
        ("listeners", "SASL_PLAINTEXT://127.0.0.1:0"),
        ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
        ("listener.name.sasl_plaintext.plain.sasl.jaas.config", JAAS),
    ];
    let all = own.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    BrokerConfig::from_properties(&all.collect::<BTreeMap<_, _>>()).unwrap()
}

async fn dial(broker: &Broker) -> Client<TcpStream> {
    Client::over(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap())
}

async fn versions<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> i16 {
    let request =
        ApiVersionsRequest::default().with_client_software_name(text("test")).with_client_software_version(text("1"));
    let response: ApiVersionsResponse = client.call(ApiKey::ApiVersions, 3, &request).await;
    response.error_code
}

async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, name: &str) -> SaslHandshakeResponse {
    client.call(ApiKey::SaslHandshake, 1, &SaslHandshakeRequest::default().with_mechanism(text(name))).await
}

async fn token<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, token: Vec<u8>) -> SaslAuthenticateResponse {
    client.call(ApiKey::SaslAuthenticate, 2, &SaslAuthenticateRequest::default().with_auth_bytes(token.into())).await
}

/// The lifetime of the session, or the code and the words of the refusal.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    mut sasl: SaslClient,
) -> Result<i64, (i16, String)> {
    let mut next = sasl.first();
    loop {
        let answer = token(client, next).await;
        if answer.error_code != 0 {
            return Err((answer.error_code, answer.error_message.unwrap().to_string()));
        }
        match sasl.step(&answer.auth_bytes).unwrap() {
            ClientStep::Done => return Ok(answer.session_lifetime_ms),
            ClientStep::Send(token) => next = token,
        }
    }
}

async fn log_in<S: AsyncRead + AsyncWrite + Unpin>(
    client: &mut Client<S>,
    mechanism: Mechanism,
    user: &str,
    password: &str,
) -> Result<i64, (i16, String)> {
    let sasl = match mechanism {
        Mechanism::Plain => SaslClient::plain(user, password),
        Mechanism::Scram(hash) => SaslClient::scram(hash, user, password),
        Mechanism::OauthBearer => {
            let made = jwt::unsecured(user, std::time::SystemTime::now(), Duration::from_secs(600));
            SaslClient::oauth_bearer(&BearerToken::new(&made, BTreeMap::new()).unwrap())
        }
    };
    assert_eq!(handshake(client, mechanism.name()).await.error_code, 0);
    exchange(client, sasl).await
}

async fn is_served<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> bool {
    client.send(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
    client.receive_raw().await.is_some()
}

#[tokio::test]
async fn a_user_of_plain_gets_in_with_the_right_password_and_is_told_kafkas_words_with_a_wrong_one() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let mut client = dial(&broker).await;
    assert_eq!(versions(&mut client).await, 0);
    assert_eq!(log_in(&mut client, Mechanism::Plain, "alice", "secret").await, Ok(0));
    let response: MetadataResponse = client.call(ApiKey::Metadata, 9, &MetadataRequest::default()).await;
    assert_eq!(response.brokers.len(), 1);

    for (user, password) in [("alice", "other"), ("nobody", "secret"), ("alice", "Secret")] {
        let mut client = dial(&broker).await;
        let refused = log_in(&mut client, Mechanism::Plain, user, password).await;
        assert_eq!(refused, Err((58, "Authentication failed: Invalid username or password".to_owned())));
        assert_eq!(client.receive_raw().await, None, "the connection is closed");
    }
    let told = log.lines(&["WARN", "peer=\"/127.0.0.1\"", "authentication failed", "sasl.mechanism"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(log.lines(&["secret"]).is_empty() && log.lines(&["Secret"]).is_empty());
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn requests_before_authentication_close_the_connection_and_the_operator_hears_of_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    for _ in 0..3 {
        let mut client = dial(&broker).await;
        assert!(!is_served(&mut client).await);
        let mut client = dial(&broker).await;
        versions(&mut client).await;
        assert!(!is_served(&mut client).await);
        let mut client = dial(&broker).await;
        assert_eq!(handshake(&mut client, "PLAIN").await.error_code, 0);
        assert!(!is_served(&mut client).await, "the exchange comes first");
        let mut client = dial(&broker).await;
        client.send(ApiKey::SaslAuthenticate, 2, &SaslAuthenticateRequest::default()).await;
        assert_eq!(client.receive_raw().await, None, "a mechanism comes first");
    }
    let told = log.lines(&["WARN", "does not authenticate", "security.protocol=SASL"]);
    assert_eq!(told.len(), 1, "{told:?}");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn garbage_before_authentication_ends_its_own_connection_only() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let mut sound = dial(&broker).await;
    assert_eq!(handshake(&mut sound, "PLAIN").await.error_code, 0);
    let garbage: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        &[0x7f, 0xff, 0xff, 0xff, 0, 0],
        &[0xff, 0xff, 0xff, 0xff],
        &[0, 0, 0, 0],
        &[0, 0, 0, 2, 0, 17],
        &[0, 0, 0, 10, 0, 17, 0, 1, 0, 0, 0, 1, 0xff, 0xff],
    ];
    for bytes in garbage {
        let mut client = dial(&broker).await;
        client.send_raw(bytes).await;
        client.end().await;
    }
    assert_eq!(exchange(&mut sound, SaslClient::plain("bob", "other")).await, Ok(0));
    assert!(is_served(&mut sound).await);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_mechanism_that_is_not_enabled_is_answered_with_those_that_are() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    for name in ["OAUTHBEARER", "GSSAPI", ""] {
        let mut client = dial(&broker).await;
        let answer = handshake(&mut client, name).await;
        let names: Vec<&str> = answer.mechanisms.iter().map(|name| name.as_str()).collect();
        assert_eq!((answer.error_code, names), (33, vec!["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]));
        assert_eq!(client.receive_raw().await, None);
    }
    // On a connection that is served already, and where sessions do not end.
    let mut client = dial(&broker).await;
    log_in(&mut client, Mechanism::Plain, "alice", "secret").await.unwrap();
    assert_eq!(handshake(&mut client, "PLAIN").await.error_code, 34);
    assert_eq!(token(&mut client, b"\0alice\0secret".to_vec()).await.error_code, 34);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn old_clients_send_their_tokens_bare() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    for (password, gets_in) in [("secret", true), ("wrong", false)] {
        let mut client = dial(&broker).await;
        let request = SaslHandshakeRequest::default().with_mechanism(text("PLAIN"));
        let answer: SaslHandshakeResponse = client.call(ApiKey::SaslHandshake, 0, &request).await;
        assert_eq!(answer.error_code, 0);
        let token = format!("\0alice\0{password}");
        let frame = [&(token.len() as u32).to_be_bytes(), token.as_bytes()].concat();
        client.send_raw(&frame).await;
        assert_eq!(client.receive_raw().await, gets_in.then(Bytes::new));
        if gets_in {
            assert!(is_served(&mut client).await);
        }
    }
    broker.shutdown().await.unwrap();
}

/// What kafka-configs sends: the password is salted by the client.
fn upsertion(user: &str, hash: ScramHash, password: &str, iterations: i32) -> ScramCredentialUpsertion {
    let salt = b"a salt of the client".to_vec();
    let salted = hash.salted_password(password, &salt, u32::try_from(iterations).unwrap().try_into().unwrap());
    ScramCredentialUpsertion::default()
        .with_name(text(user))
        .with_mechanism(if hash == ScramHash::Sha256 { 1 } else { 2 })
        .with_iterations(iterations)
        .with_salt(salt.into())
        .with_salted_password(salted.into())
}

async fn alter(broker: &Broker, request: &AlterUserScramCredentialsRequest) -> Vec<(String, i16)> {
    let mut client = Client::new(broker);
    let answer: AlterUserScramCredentialsResponse = client.call(ApiKey::AlterUserScramCredentials, 0, request).await;
    answer.results.iter().map(|result| (result.user.to_string(), result.error_code)).collect()
}

async fn described(broker: &Broker) -> Vec<String> {
    let mut client = Client::new(broker);
    let request = DescribeUserScramCredentialsRequest::default().with_users(None);
    let answer: DescribeUserScramCredentialsResponse =
        client.call(ApiKey::DescribeUserScramCredentials, 0, &request).await;
    let of = |result: &millstream_wire::protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult| {
        let infos: Vec<String> =
            result.credential_infos.iter().map(|info| format!("{}:{}", info.mechanism, info.iterations)).collect();
        format!("{} {}", result.user, infos.join(" "))
    };
    answer.results.iter().map(of).collect()
}

#[tokio::test]
async fn users_of_scram_are_made_by_request_and_outlive_a_crash() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![
        upsertion("carol", ScramHash::Sha256, "pencil", 4096),
        upsertion("carol", ScramHash::Sha512, "pencil", 8192),
        upsertion("dave", ScramHash::Sha256, "pen", 4095),
        upsertion("", ScramHash::Sha256, "pen", 4096),
    ]);
    let answered = alter(&broker, &request).await;
    assert_eq!(answered, [(String::new(), 93), ("carol".to_owned(), 0), ("dave".to_owned(), 93)]);
    let twice = AlterUserScramCredentialsRequest::default().with_upsertions(vec![
        upsertion("erin", ScramHash::Sha256, "a", 4096),
        upsertion("erin", ScramHash::Sha256, "b", 4096),
    ]);
    assert_eq!(alter(&broker, &twice).await, [("erin".to_owned(), 92)]);
    broker.abandon().await;

    let broker = Broker::start(config(dir.path(), &[])).await.unwrap();
    assert_eq!(described(&broker).await, ["carol 1:4096 2:8192"]);
    for hash in [ScramHash::Sha256, ScramHash::Sha512] {
        let mechanism = Mechanism::Scram(hash);
        let mut client = dial(&broker).await;
        assert_eq!(log_in(&mut client, mechanism, "carol", "pencil").await, Ok(0));
        assert!(is_served(&mut client).await);
        let words = format!(
            "Authentication failed during authentication due to invalid credentials with SASL mechanism {mechanism}"
        );
        for (user, password) in [("carol", "pen"), ("nobody", "pencil"), ("dave", "pen")] {
            let mut client = dial(&broker).await;
            assert_eq!(log_in(&mut client, mechanism, user, password).await, Err((58, words.clone())));
        }
    }
    let deletion = |user: &str| ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(1);
    let request =
        AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion("carol"), deletion("nobody")]);
    assert_eq!(alter(&broker, &request).await, [("carol".to_owned(), 0), ("nobody".to_owned(), 91)]);
    let mut client = dial(&broker).await;
    assert!(log_in(&mut client, Mechanism::Scram(ScramHash::Sha256), "carol", "pencil").await.is_err());
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_over_is_renewed_or_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    let pairs = [("connections.max.reauth.ms", "60000")];
    let broker = Broker::start(config(dir.path(), &pairs)).await.unwrap();
    let forward = async |by: Duration| {
        tokio::time::pause();
        tokio::time::advance(by).await;
        tokio::time::resume();
    };
    let (mut renewed, mut idle, mut other) = (dial(&broker).await, dial(&broker).await, dial(&broker).await);
    for client in [&mut renewed, &mut idle, &mut other] {
        assert_eq!(log_in(client, Mechanism::Plain, "alice", "secret").await, Ok(60_000));
    }
    assert_eq!(handshake(&mut renewed, "PLAIN").await.error_code, 34, "not twice in a second");
    forward(Duration::from_secs(30)).await;
    assert_eq!(log_in(&mut renewed, Mechanism::Plain, "alice", "secret").await, Ok(60_000));
    let refused = log_in(&mut other, Mechanism::Plain, "bob", "other").await;
    assert_eq!(refused.unwrap_err().0, 58, "another user cannot take over a connection");
    assert!(!is_served(&mut other).await);
    assert!(is_served(&mut renewed).await && is_served(&mut idle).await);
    forward(Duration::from_secs(31)).await;
    assert!(is_served(&mut renewed).await);
    assert!(!is_served(&mut idle).await, "its session is over");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn tokens_without_a_signature_are_believed_only_where_a_key_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    let pairs = [("sasl.enabled.mechanisms", "OAUTHBEARER"), ("sasl.oauthbearer.unsecured.allow", "true")];
    let broker = Broker::start(config(dir.path(), &pairs)).await.unwrap();
    let mut client = dial(&broker).await;
    let lifetime = log_in(&mut client, Mechanism::OauthBearer, "alice", "").await.unwrap();
    assert!((1..=600_000).contains(&lifetime), "the session ends with the token: {lifetime}");
    assert!(is_served(&mut client).await);
    let mut client = dial(&broker).await;
    handshake(&mut client, "OAUTHBEARER").await;
    let bad = SaslClient::oauth_bearer(&BearerToken::new("a.b.c", BTreeMap::new()).unwrap());
    assert_eq!(exchange(&mut client, bad).await, Err((58, r#"{"status":"invalid_token"}"#.to_owned())));
    broker.shutdown().await.unwrap();

    let error = Broker::start(config(dir.path(), &pairs[..1])).await.map(drop).unwrap_err();
    let words = millstream_record::ErrorChain(&error).to_string();
    assert!(words.contains("sasl.oauthbearer.jwks.endpoint.url"), "{words}");
}

/// An authority with a server's certificate in a folder, and what its clients trust.
struct Certificates {
    issuer: Issuer<'static, KeyPair>,
    authority: String,
}

impl Certificates {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), authority }
    }

    fn sign(&self, name: &str) -> String {
        self.sign_until(name, 4096)
    }

    /// A certificate that ends with the beginning of a year.
    fn sign_until(&self, name: &str, year: i32) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        params.distinguished_name.push(DnType::CommonName, name);
        format!("{}{}", key.serialize_pem(), params.signed_by(&key, &self.issuer).unwrap().pem())
    }
}

async fn dial_tls(broker: &Broker, trusted: &str) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let get = |key: &str| (key == "ssl.truststore.certificates").then(|| trusted.to_owned());
    let client = TlsClient::new(TlsKeys::read(&get).unwrap()).unwrap();
    let stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
    TlsConnector::from(client.config()).connect(server_name("localhost").unwrap(), stream).await.map(Client::over)
}

#[tokio::test]
async fn a_listener_with_tls_serves_who_speaks_it_and_says_of_others_what_they_look_like() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let certificates = Certificates::new();
    let pem = certificates.sign("localhost");
    let pairs = [
        ("listeners", "SASL_SSL://127.0.0.1:0"),
        ("listener.name.sasl_ssl.plain.sasl.jaas.config", JAAS),
        ("ssl.keystore.key", &pem),
        ("ssl.keystore.certificate.chain", &pem),
    ];
    let broker = Broker::start(config(dir.path(), &pairs)).await.unwrap();
    let mut client = dial_tls(&broker, &certificates.authority).await.unwrap();
    assert_eq!(log_in(&mut client, Mechanism::Plain, "alice", "secret").await, Ok(0));
    assert!(is_served(&mut client).await);
    client.create("t").await;
    let large = "x".repeat(300_000);
    assert_eq!(client.produce("t", -1, support::batch(&[&large], None)).await, (0, 0));
    assert!(300_000 < client.fetch("t", 0, 0).await.2.len());
    let mut client = dial_tls(&broker, &certificates.authority).await.unwrap();
    assert_eq!(log_in(&mut client, Mechanism::Plain, "alice", "wrong").await.unwrap_err().0, 58);

    let mut plain = dial(&broker).await;
    plain.send(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()).await;
    plain.end().await;
    let told = log.lines(&["WARN", "/127.0.0.1", "looks like plain text", "SASL_SSL"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(dial_tls(&broker, &Certificates::new().authority).await.is_err());
    let hears = async {
        while log.lines(&["WARN", "the TLS handshake failed"]).len() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), hears).await.expect("the operator hears of the handshake");
    // Who merely looks whether the port is open is not worth a line.
    drop(TcpStream::connect(broker.listen_addresses()[0]).await.unwrap());
    assert!(is_served(&mut dial_and_log_in(&broker, &certificates).await).await);
    broker.shutdown().await.unwrap();
}

async fn dial_and_log_in(broker: &Broker, certificates: &Certificates) -> Client<TlsStream<TcpStream>> {
    let mut client = dial_tls(broker, &certificates.authority).await.unwrap();
    log_in(&mut client, Mechanism::Plain, "alice", "secret").await.unwrap();
    client
}

#[tokio::test]
async fn a_certificate_that_has_expired_lets_nobody_in_and_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let certificates = Certificates::new();
    let pem = certificates.sign("localhost");
    let pairs = [
        ("listeners", "SSL://127.0.0.1:0"),
        ("ssl.client.auth", "required"),
        ("ssl.truststore.certificates", &certificates.authority),
        ("ssl.keystore.key", &pem),
        ("ssl.keystore.certificate.chain", &pem),
    ];
    let broker = Broker::start(config(dir.path(), &pairs)).await.unwrap();
    let dial = async |own: String| {
        let get = |key: &str| match key {
            "ssl.truststore.certificates" => Some(certificates.authority.clone()),
            "ssl.keystore.key" | "ssl.keystore.certificate.chain" => Some(own.clone()),
            _ => None,
        };
        let client = TlsClient::new(TlsKeys::read(&get).unwrap()).unwrap();
        let stream = TcpStream::connect(broker.listen_addresses()[0]).await.unwrap();
        TlsConnector::from(client.config()).connect(server_name("localhost").unwrap(), stream).await.map(Client::over)
    };
    let mut sound = dial(certificates.sign("sound")).await.unwrap();
    assert!(is_served(&mut sound).await);
    // Under TLS 1.3 a client learns only later that it is not let in.
    if let Ok(late) = dial(certificates.sign_until("late", 2001)).await {
        late.end().await;
    }
    let hears = async {
        while log.lines(&["WARN", "/127.0.0.1", "the TLS handshake failed", "expired"]).len() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), hears).await.expect("the operator hears why");
    assert!(is_served(&mut sound).await, "nobody else notices");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn tls_to_a_plain_listener_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _guard) = Log::collect();
    let broker = Broker::start(config(dir.path(), &[("listeners", "PLAINTEXT://127.0.0.1:0")])).await.unwrap();
    let error = dial_tls(&broker, &Certificates::new().authority).await.map(drop).unwrap_err();
    assert_ne!(error.kind(), std::io::ErrorKind::TimedOut);
    let told = log.lines(&["WARN", "looks like TLS, and this listener is plain"]);
    assert_eq!(told.len(), 1, "{told:?}");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_broker_whose_listeners_cannot_be_secured_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    for (pairs, words) in [
        (&[("listeners", "SSL://127.0.0.1:0")][..], "ssl.keystore.location"),
        (&[("listeners", "INSIDE://127.0.0.1:0")], "listener.security.protocol.map"),
        (&[("sasl.enabled.mechanisms", "GSSAPI")], "GSSAPI"),
        (&[("listener.name.sasl_plaintext.plain.sasl.jaas.config", "x required user_a=1;")], "'user_a' has no value"),
        (&[("ssl.principal.mapping.rules", "RULE:x")], "ssl.principal.mapping.rules"),
    ] {
        let error = Broker::start(config(dir.path(), pairs)).await.map(drop).unwrap_err();
        let chain = millstream_record::ErrorChain(&error).to_string();
        assert!(chain.contains(words), "{chain} lacks {words}");
    }
}

#[tokio::test]
async fn damaged_users_are_not_guessed() {
    let dir = tempfile::tempdir().unwrap();
    let (_log, _guard) = Log::collect();
    std::fs::write(dir.path().join("scram-users"), "1\nnonsense\n").unwrap();
    let error = Broker::start(config(dir.path(), &[])).await.map(drop).unwrap_err();
    assert!(millstream_record::ErrorChain(&error).to_string().contains("scram-users is damaged"));
}
