//! TLS and SASL against Apache Kafka and our own broker.

mod common;

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{Kafka, consumer, kafka_with, producer, topic};
use harness::{free_port, peers};
use millstream_client::{Dial, Producer, RecordRef, SendError, Stream, TcpDial};
use millstream_record::ErrorChain;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(120);

/// How long a login lasts over SASL_PLAINTEXT. It is renewed when 85 to 95 % of that are over: what is left has to be more
/// than a request may be on its way on a busy machine.
const RENEWED_MS: u64 = 8000;
const SCRAM: &str =
    "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"secret\";";
const PLAIN: &str =
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"secret\";";
const TOKEN: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"alice\";";

/// A broker with a listener for each protocol, and who may talk to it.
struct Secured {
    kafka: Option<Kafka>,
    ssl: u16,
    sasl_ssl: u16,
    sasl_plaintext: u16,
    /// The authority that vouches for broker and client, in PEM.
    authority: String,
    client_chain: String,
    client_key: String,
    /// An authority that vouches for nobody.
    stranger: String,
}

/// Apache Kafka, and ours.
fn brokers() -> Vec<(&'static str, &'static Secured)> {
    static FOREIGN: OnceLock<Secured> = OnceLock::new();
    static OURS: OnceLock<Secured> = OnceLock::new();
    if !peers::have_kafka() {
        return Vec::new();
    }
    vec![("kafka", FOREIGN.get_or_init(Secured::foreign)), ("ours", OURS.get_or_init(Secured::ours))]
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("signed");
    (certificate.pem(), Issuer::new(params, key))
}

fn signed(name: &str, hosts: &[&str], by: &Issuer<'_, KeyPair>) -> (String, String) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("host names");
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    (params.signed_by(&key, by).expect("signed").pem(), key.serialize_pem())
}

/// PEM as a line of Java properties.
fn line(pem: &str) -> String {
    pem.trim().replace('\n', "\\n")
}

impl Secured {
    /// With ports and certificates, before there is a broker.
    fn prepared(start: impl FnOnce(&Self, &[(String, String)]) -> Kafka, listeners: &str) -> Self {
        let (authority_pem, issuer) = authority("authority");
        let (stranger, _) = authority("stranger");
        let (chain, key) = signed("broker", &["localhost"], &issuer);
        let (client_chain, client_key) = signed("client", &[], &issuer);
        let mut secured = Self {
            kafka: None,
            ssl: free_port(),
            sasl_ssl: free_port(),
            sasl_plaintext: free_port(),
            authority: authority_pem,
            client_chain,
            client_key,
            stranger,
        };
        let Self { ssl, sasl_ssl, sasl_plaintext, .. } = secured;
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let plain = "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"secret\";";
        let bound = |host: &str| {
            format!(
                "{listeners},SSL://{host}:{ssl},SASL_SSL://{host}:{sasl_ssl},SASL_PLAINTEXT://{host}:{sasl_plaintext}"
            )
        };
        let settings = [
            ("listeners", bound("127.0.0.1")),
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.certificate.chain", chain),
            ("ssl.keystore.key", key),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.certificates", secured.authority.clone()),
            ("listener.name.ssl.ssl.client.auth", "required".to_owned()),
            ("listener.name.sasl_ssl.plain.sasl.jaas.config", plain.to_owned()),
            ("listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config", scram.to_owned()),
            ("listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config", scram.to_owned()),
            ("listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config", scram.to_owned()),
            ("listener.name.sasl_plaintext.sasl.enabled.mechanisms", "SCRAM-SHA-256".to_owned()),
            ("listener.name.sasl_plaintext.scram-sha-256.connections.max.reauth.ms", RENEWED_MS.to_string()),
            ("advertised.listeners", bound("localhost")),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        secured.kafka = Some(start(&secured, &settings));
        secured
    }

    fn foreign() -> Self {
        let start = |_: &Self, settings: &[(String, String)]| {
            let mut lines: String = settings.iter().map(|(key, value)| format!("{key}={}\n", line(value))).collect();
            lines.push_str("listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT\n");
            lines.push_str("sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n");
            lines.push_str("listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";\n");
            let users = "--add-scram SCRAM-SHA-256=[name=alice,password=secret] --add-scram SCRAM-SHA-512=[name=alice,password=secret]";
            kafka_with(&lines, users)
        };
        Self::prepared(start, "@ADDRESSES@")
    }

    fn ours() -> Self {
        let plain = free_port();
        let start = |_: &Self, settings: &[(String, String)]| {
            let mechanisms = ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");
            let settings = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain([mechanisms]);
            let ours = Kafka::ours(&settings.collect::<Vec<_>>());
            // Its users are made as those of Kafka are.
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                let (address, user) = (ours.address(), format!("{mechanism}=[password=secret]"));
                let wanted = [
                    "--bootstrap-server",
                    &address,
                    "--alter",
                    "--entity-type",
                    "users",
                    "--entity-name",
                    "alice",
                    "--add-config",
                    &user,
                ];
                let made = peers::java("kafka.admin.ConfigCommand", &wanted).output().expect("it runs");
                assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            }
            ours
        };
        Self::prepared(start, &format!("PLAINTEXT://127.0.0.1:{plain}"))
    }

    fn kafka(&self) -> &Kafka {
        self.kafka.as_ref().expect("started")
    }

    fn tls<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let trust = [("security.protocol", "SSL"), ("ssl.truststore.certificates", self.authority.as_str())];
        trust.into_iter().chain(more.iter().copied()).collect()
    }

    fn mutual<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = [
            ("ssl.keystore.certificate.chain", self.client_chain.as_str()),
            ("ssl.keystore.key", self.client_key.as_str()),
        ];
        self.tls(&[&own[..], more].concat())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_over_tls_with_certificates_on_both_sides() {
    for (_, secured) in brokers() {
        let address = format!("localhost:{}", secured.ssl);
        there_and_back(secured, &address, &secured.mutual(&[]), "mutual").await;
        // The same from files, PEM and PKCS #12, with an encrypted key.
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
        std::fs::write(file("trust.pem"), &secured.authority).expect("written");
        std::fs::write(file("own.pem"), format!("{}{}", secured.client_key, secured.client_chain)).expect("written");
        let (trust, own) = (file("trust.pem"), file("own.pem"));
        let pem = [
            ("security.protocol", "SSL"),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", trust.as_str()),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", own.as_str()),
        ];
        there_and_back(secured, &address, &pem, "pem-files").await;
        let (store, trusted) = (file("own.p12"), file("trust.p12"));
        let made = tool("openssl", &["pkcs12", "-export", "-in", &own, "-out", &store, "-passout", "pass:open sesame"])
            && tool(
                "keytool",
                &[
                    "-importcert",
                    "-noprompt",
                    "-alias",
                    "a",
                    "-file",
                    &trust,
                    "-keystore",
                    &trusted,
                    "-storetype",
                    "PKCS12",
                    "-storepass",
                    "open sesame",
                ],
            );
        assert!(made, "openssl, and keytool, which comes with Java");
        let pkcs12 = [
            ("security.protocol", "SSL"),
            ("ssl.truststore.location", trusted.as_str()),
            ("ssl.truststore.password", "open sesame"),
            ("ssl.keystore.type", "PKCS12"),
            ("ssl.keystore.location", store.as_str()),
            ("ssl.keystore.password", "open sesame"),
        ];
        there_and_back(secured, &address, &pkcs12, "pkcs12-files").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_go_over_tls_after_every_kind_of_login() {
    for (broker, secured) in brokers() {
        let address = format!("localhost:{}", secured.sasl_ssl);
        let dir = tempfile::tempdir().expect("a folder");
        let token = token_file(dir.path());
        for (name, mechanism, jaas, more) in [
            ("plain", "PLAIN", PLAIN, None),
            ("scram-256", "SCRAM-SHA-256", SCRAM, None),
            ("scram-512", "SCRAM-SHA-512", SCRAM, None),
            ("unsecured", "OAUTHBEARER", TOKEN, None),
            (
                "token-file",
                "OAUTHBEARER",
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;",
                Some(("sasl.oauthbearer.token.endpoint.url", token.as_str())),
            ),
        ] {
            if mechanism == "OAUTHBEARER" && broker == "ours" {
                // It takes signed tokens only.
                continue;
            }
            let mut settings = secured.tls(&[("sasl.mechanism", mechanism), ("sasl.jaas.config", jaas)]);
            settings.push(("security.protocol", "SASL_SSL"));
            settings.extend(more);
            there_and_back(secured, &address, &settings, name).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_renewed_for_as_long_as_the_connection_is_used() {
    for (broker, secured) in brokers() {
        let address = format!("localhost:{}", secured.sasl_plaintext);
        let settings = [
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "SCRAM-SHA-256"),
            ("sasl.jaas.config", SCRAM),
            ("linger.ms", "0"),
        ];
        let topic = secured.kafka().topic("renewed", 1, &[]).await;
        let dial = Arc::new(Counting::default());
        let mut producer = producer(Arc::clone(&dial) as Arc<dyn Dial>, &address, &settings);
        let began = Instant::now();
        // Kafka ends a connection whose login has run out, at the first request after that.
        let (mut sent, mut dialled) = (0, 0);
        while sent < 2 || began.elapsed() < Duration::from_millis(RENEWED_MS + 2000) {
            let record = RecordRef { value: Some(b"x"), ..RecordRef::default() };
            producer.append(&topic, None, record).await.expect("taken");
            sent += 1;
            let ack = timeout(PATIENCE, producer.next_ack()).await.expect("in time");
            ack.result.unwrap_or_else(|error| panic!("{broker}: {}", ErrorChain(&error)));
            if sent == 1 {
                dialled = dial.0.load(Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(dial.0.load(Ordering::Relaxed), dialled, "{broker}: no connection was made anew");
    }
}

/// Counts connections.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait::async_trait]
impl Dial for Counting {
    async fn dial(&self, host: &str, port: u16) -> std::io::Result<Box<dyn Stream>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        TcpDial.dial(host, port).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_let_in_is_told_why_at_once() {
    for (broker, secured) in brokers() {
        let (ssl, sasl_ssl) = (format!("localhost:{}", secured.ssl), format!("localhost:{}", secured.sasl_ssl));
        let by_address = format!("127.0.0.1:{}", secured.ssl);
        let wrong = SCRAM.replace("secret", "hunter2");
        let unchecked = [("ssl.endpoint.identification.algorithm", "")];
        let strangers = [("ssl.truststore.certificates", secured.stranger.as_str())];
        let login = |mechanism| {
            let mut settings = secured.tls(&[("sasl.mechanism", mechanism), ("sasl.jaas.config", wrong.as_str())]);
            settings.push(("security.protocol", "SASL_SSL"));
            settings
        };
        for (what, address, settings, class, words) in [
            (
                "password",
                &sasl_ssl,
                login("SCRAM-SHA-512"),
                "SaslAuthenticationException",
                "SASL_AUTHENTICATION_FAILED",
            ),
            ("plain password", &sasl_ssl, login("PLAIN"), "SaslAuthenticationException", "SASL_AUTHENTICATION_FAILED"),
            ("authority", &ssl, secured.mutual(&strangers), "SslAuthenticationException", "UnknownIssuer"),
            ("host name", &by_address, secured.mutual(&[]), "SslAuthenticationException", "not valid for name"),
            ("certificate", &ssl, secured.tls(&[]), "SslAuthenticationException", "alert"),
        ] {
            let error = refused(address, &settings).await;
            let text = ErrorChain(&error).to_string();
            assert!(text.to_lowercase().contains(&words.to_lowercase()), "{broker}, {what}: {text}");
            assert!(!text.contains("hunter2"), "{broker}: {text}");
            assert_eq!(
                error.java_class(),
                format!("org.apache.kafka.common.errors.{class}"),
                "{broker}, {what}: {text}"
            );
        }
        // Without the check of the host name the certificate will do.
        there_and_back(secured, &by_address, &secured.mutual(&unchecked), "unchecked").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_another_protocol_is_told_as_such() {
    for (broker, secured) in brokers() {
        let (ssl, plain) = (format!("localhost:{}", secured.ssl), secured.kafka().address());
        for (address, settings) in [(&ssl, Vec::new()), (&plain, secured.tls(&[]))] {
            let mut settings = settings;
            settings.push(("max.block.ms", "3000"));
            let error = refused(address, &settings).await;
            let SendError::NoMetadata { source: Some(source), .. } = &error else { panic!("{error:?}") };
            let cause =
                source.likely_cause().unwrap_or_else(|| panic!("{broker}: no cause for {}", ErrorChain(&error)));
            assert!(cause.contains("security.protocol"), "{cause}: {}", ErrorChain(&error));
        }
    }
}

/// Sends and reads a few records with these settings.
async fn there_and_back(secured: &Secured, address: &str, settings: &[(&str, &str)], name: &str) {
    let topic = secured.kafka().topic(name, 1, &[]).await;
    let mut producer: Producer = producer(Arc::new(TcpDial), address, settings);
    for n in 0..10 {
        let value = format!("{name} {n}");
        let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
        let taken = timeout(PATIENCE, producer.append(&topic, None, record)).await.expect("in time");
        taken.unwrap_or_else(|error| panic!("{name}: {}", ErrorChain(&error)));
    }
    // More than one record of TLS.
    let large = vec![b'x'; 200_000];
    producer.append(&topic, None, RecordRef { value: Some(&large), ..RecordRef::default() }).await.expect("taken");
    producer.flush().await;
    while let Some(ack) = producer.try_ack() {
        ack.result.unwrap_or_else(|error| panic!("{name}: {}", ErrorChain(&error)));
    }
    let mut consumer = consumer(Arc::new(TcpDial), address, settings);
    consumer.assign([(topic.clone(), 0)]);
    consumer.seek(&topic, 0, 0).expect("assigned");
    let (deadline, mut read) = (Instant::now() + PATIENCE, 0);
    while read < 11 {
        assert!(Instant::now() < deadline, "{name}: read in time");
        let polled = consumer.poll(Duration::from_millis(200)).await;
        let polled = polled.unwrap_or_else(|error| panic!("{name}: {}", ErrorChain(&error)));
        read += polled.fetched.iter().map(|fetched| fetched.record_count).sum::<u32>();
    }
}

async fn refused(address: &str, settings: &[(&str, &str)]) -> SendError {
    let producer = producer(Arc::new(TcpDial), address, settings);
    let asked = timeout(PATIENCE, producer.partitions(&topic("refused"))).await;
    asked.expect("without waiting for long").expect_err("not let in")
}

/// A token without a signature, which Kafka takes by default, in a file.
fn token_file(dir: &Path) -> String {
    let token =
        millstream_security::sasl::jwt::unsecured("alice", std::time::SystemTime::now(), Duration::from_secs(600));
    let path = dir.join("token");
    std::fs::write(&path, format!("{token}\n")).expect("written");
    format!("file://{}", path.display())
}

fn tool(name: &str, arguments: &[&str]) -> bool {
    Command::new(name).args(arguments).output().is_ok_and(|output| output.status.success())
}
