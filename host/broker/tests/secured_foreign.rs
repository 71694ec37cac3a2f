//! Other people's clients on secured listeners: Apache Kafka's tools, the Java client and librdkafka's kcat.

mod support;

use std::{collections::BTreeMap, path::Path};

use harness::free_port;
use millstream_broker::{Broker, BrokerConfig};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use support::peers::{have_java, have_kcat, java, kcat, run};

const ACLS: &str = "org.apache.kafka.tools.AclCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

/// A broker with SASL_SSL and SSL, an authority, and the files that clients need.
struct Secured {
    broker: Broker,
    sasl: String,
    ssl: String,
    ca: String,
}

impl Secured {
    async fn start(dir: &Path) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let sign = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            format!("{}{}", key.serialize_pem(), params.signed_by(&key, &issuer).unwrap().pem())
        };
        let write = |name: &str, content: &str| {
            let path = dir.join(name);
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let (ca, server) = (write("ca.pem", &authority), write("server.pem", &sign("localhost")));
        write("carol.pem", &sign("carol"));
        let (sasl_port, ssl_port) = (free_port(), free_port());
        let listeners = format!("SASL_SSL://127.0.0.1:{sasl_port},SSL://127.0.0.1:{ssl_port}");
        let advertised = listeners.replace("127.0.0.1", "localhost");
        let data = dir.join("data").display().to_string();
        let pairs = [
            ("log.dirs", data.as_str()),
            ("listeners", &listeners),
            ("advertised.listeners", &advertised),
            ("offsets.topic.num.partitions", "1"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"),
            (
                "listener.name.sasl_ssl.plain.sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required user_root=\"root-secret\";",
            ),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", &server),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", &ca),
            ("listener.name.ssl.ssl.client.auth", "required"),
            ("ssl.principal.mapping.rules", "RULE:^CN=([a-z]+)$/$1/,DEFAULT"),
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
            ("super.users", "User:root"),
        ];
        let properties: BTreeMap<_, _> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let broker = Broker::start(BrokerConfig::from_properties(&properties).unwrap()).await.unwrap();
        Self { broker, sasl: format!("localhost:{sasl_port}"), ssl: format!("localhost:{ssl_port}"), ca }
    }

    /// A file of properties for one user of SASL.
    fn properties(&self, dir: &Path, mechanism: &str, user: &str, password: &str) -> String {
        let module = if mechanism == "PLAIN" { "plain.PlainLoginModule" } else { "scram.ScramLoginModule" };
        let content = format!(
            "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\nsasl.mechanism={mechanism}\n\
             sasl.jaas.config=org.apache.kafka.common.security.{module} required username=\"{user}\" \
             password=\"{password}\";\nmax.block.ms=20000\n",
            self.ca
        );
        let path = dir.join(format!("{user}-{mechanism}.properties"));
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafkas_tools_make_users_rules_and_quotas_and_its_clients_live_by_them() {
    if !have_java() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let secured = Secured::start(dir.path()).await;
    let root = secured.properties(dir.path(), "PLAIN", "root", "root-secret");
    let admin = async |class: &str, arguments: &[&str]| {
        let common = ["--bootstrap-server", secured.sasl.as_str(), "--command-config", root.as_str()];
        run(java(class, &[&common[..], arguments].concat()), "").await
    };
    // Users.
    let user = ["--entity-type", "users", "--entity-name", "bob"];
    for hash in ["256", "512"] {
        let config = format!("SCRAM-SHA-{hash}=[iterations=8192,password=bob-secret]");
        admin(CONFIGS, &[&["--alter", "--add-config", config.as_str()][..], &user].concat()).await;
    }
    let described = admin(CONFIGS, &[&["--describe"][..], &user].concat()).await;
    assert!(described.contains("SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=8192"), "{described}");
    // Rules.
    admin(TOPICS, &["--create", "--topic", "t"]).await;
    admin(ACLS, &["--add", "--allow-principal", "User:bob", "--producer", "--topic", "t"]).await;
    admin(ACLS, &["--add", "--allow-principal", "User:carol", "--consumer", "--topic", "t", "--group", "g"]).await;
    let listed = admin(ACLS, &["--list", "--topic", "t"]).await;
    assert!(listed.contains("principal=User:bob") && listed.contains("operation=WRITE"), "{listed}");
    // A producer by SCRAM, idempotent as it is by default.
    for hash in ["256", "512"] {
        let bob = secured.properties(dir.path(), &format!("SCRAM-SHA-{hash}"), "bob", "bob-secret");
        let arguments = ["--bootstrap-server", &secured.sasl, "--topic", "t", "--command-config", &bob];
        run(java(CONSOLE_PRODUCER, &arguments), &format!("by {hash}\n")).await;
    }
    // A consumer by its certificate.
    let carol = dir.path().join("carol.properties");
    let content = format!(
        "security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\nssl.keystore.type=PEM\n\
         ssl.keystore.location={}\n",
        secured.ca,
        dir.path().join("carol.pem").display()
    );
    std::fs::write(&carol, content).unwrap();
    let carol = carol.display().to_string();
    let arguments = [
        "--bootstrap-server",
        &secured.ssl,
        "--topic",
        "t",
        "--group",
        "g",
        "--command-config",
        &carol,
        "--from-beginning",
        "--max-messages",
        "2",
        "--timeout-ms",
        "60000",
    ];
    assert_eq!(run(java(CONSOLE_CONSUMER, &arguments), "").await, "by 256\nby 512\n");
    // Quotas.
    admin(CONFIGS, &[&["--alter", "--add-config", "producer_byte_rate=1048576"][..], &user].concat()).await;
    let described = admin(CONFIGS, &[&["--describe"][..], &user].concat()).await;
    assert!(described.contains("producer_byte_rate=1048576"), "{described}");
    // Without a rule, and with a wrong password.
    let bob = secured.properties(dir.path(), "SCRAM-SHA-256", "bob", "bob-secret");
    let arguments = [
        "--bootstrap-server",
        &secured.sasl,
        "--topic",
        "t",
        "--group",
        "g",
        "--command-config",
        &bob,
        "--timeout-ms",
        "60000",
    ];
    let refused = support::peers::fails(java(CONSOLE_CONSUMER, &arguments), "").await;
    assert!(refused.contains("GroupAuthorizationException"), "{refused}");
    let wrong = secured.properties(dir.path(), "SCRAM-SHA-256", "bob", "wrong");
    let arguments = ["--bootstrap-server", &secured.sasl, "--list", "--command-config", &wrong];
    let refused = support::peers::fails(java(TOPICS, &arguments), "").await;
    assert!(
        refused.contains("Authentication failed during authentication due to invalid credentials with SASL mechanism"),
        "{refused}"
    );
    secured.broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafka_speaks_tls_and_sasl_with_the_broker() {
    if !have_kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let secured = Secured::start(dir.path()).await;
    let ca = format!("ssl.ca.location={}", secured.ca);
    let common = |password: &'static str| {
        [
            "-b",
            secured.sasl.as_str(),
            "-X",
            "security.protocol=SASL_SSL",
            "-X",
            ca.as_str(),
            "-X",
            "sasl.mechanism=PLAIN",
            "-X",
            "sasl.username=root",
            "-X",
            password,
            "-m",
            "20",
        ]
    };
    let good = common("sasl.password=root-secret");
    run(kcat(&[&good[..], &["-P", "-t", "k"]].concat()), "one\ntwo\n").await;
    let read = run(kcat(&[&good[..], &["-C", "-t", "k", "-o", "beginning", "-e", "-q"]].concat()), "").await;
    assert_eq!(read, "one\ntwo\n");
    let refused = support::peers::fails(kcat(&[&common("sasl.password=wrong")[..], &["-L"]].concat()), "").await;
    assert!(refused.contains("Invalid username or password"), "{refused}");
    secured.broker.shutdown().await.unwrap();
}
