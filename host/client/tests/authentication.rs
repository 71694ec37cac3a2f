//! How the clients log in, and what they do when a broker does not let them.

mod common;

use std::{sync::Arc, time::Duration};

use common::{log::Lines, producer, properties, sasl::SaslScript, scripted::Scripted, topic};
use millstream_client::{AdminConfig, Cluster, Dial, Producer, RecordRef, SendError, Stream, TopicsWanted};
use millstream_record::ErrorChain;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const PLAIN: &str =
    "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"secret\";";
const SCRAM: &str =
    "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"secret\";";

#[tokio::test(start_paused = true)]
async fn every_mechanism_of_passwords_lets_in() {
    for (mechanism, jaas) in [("PLAIN", PLAIN), ("SCRAM-SHA-256", SCRAM), ("SCRAM-SHA-512", SCRAM)] {
        let broker = broker(0);
        let mut producer = client(&broker, mechanism, jaas, &[]);
        send(&mut producer, 1).await;
        script(&broker, |sasl| {
            assert!(0 < sasl.logins, "{mechanism}");
            assert_eq!(sasl.logins, sasl.connections, "{mechanism}: once for each connection");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_fails_at_once_with_the_brokers_words_and_without_the_password() {
    for (mechanism, jaas) in [("PLAIN", PLAIN), ("SCRAM-SHA-512", SCRAM)] {
        let (lines, _guard) = Lines::collect();
        let broker = broker(0);
        let jaas = jaas.replace("secret", "hunter2");
        // What is told is told of an address, which other tests have, too.
        let host = format!("{mechanism}.example:9092");
        let producer = client(&broker, mechanism, &jaas, &[("bootstrap.servers", &host)]);
        let began = Instant::now();
        let error = producer.partitions(&topic("t")).await.expect_err("not let in");
        assert!(began.elapsed() < Duration::from_secs(1), "nothing is tried again");
        let text = ErrorChain(&error).to_string();
        assert!(
            text.contains("SASL_AUTHENTICATION_FAILED") && text.contains(&format!("log in ({mechanism})")),
            "{text}"
        );
        assert_eq!(error.java_class(), "org.apache.kafka.common.errors.SaslAuthenticationException");
        assert!(!error.is_retriable());
        let told = lines.taken().join("\n");
        assert!(told.contains("log in") && !told.contains("hunter2") && !text.contains("hunter2"), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mechanism_that_the_broker_does_not_offer_is_told_with_those_it_does() {
    let broker = broker(0);
    let jaas = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"alice\";";
    let producer = client(&broker, "OAUTHBEARER", jaas, &[]);
    let error = producer.partitions(&topic("t")).await.expect_err("not let in");
    let text = ErrorChain(&error).to_string();
    assert!(text.contains("the broker offers SCRAM-SHA-256, SCRAM-SHA-512, PLAIN"), "{text}");
    assert_eq!(error.java_class(), "org.apache.kafka.common.errors.UnsupportedSaslMechanismException");
}

#[tokio::test(start_paused = true)]
async fn a_login_is_renewed_on_its_connection_before_it_ends_and_nothing_comes_between() {
    let broker = broker(10_000);
    let mut producer = client(&broker, "SCRAM-SHA-256", SCRAM, &[]);
    send(&mut producer, 1).await;
    let (logins, connections) = script(&broker, |sasl| (sasl.logins, sasl.connections));
    for _ in 0..10 {
        // Within two of these it has run out.
        tokio::time::sleep(Duration::from_secs(5)).await;
        for _ in 0..20 {
            append(&mut producer).await;
        }
        producer.flush().await;
    }
    let acks = producer.close(PATIENCE).await;
    assert!(acks.iter().all(|ack| ack.result.is_ok()), "{acks:?}");
    script(&broker, |sasl| {
        assert_eq!(sasl.connections, connections, "no connection was made anew");
        assert!(logins + 4 <= sasl.logins, "{logins} and then {}", sasl.logins);
        assert_eq!(sasl.out_of_turn, 0);
    });
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_not_renewed_ends_its_connection_and_the_next_one_says_why() {
    let broker = broker(10_000);
    let mut producer = client(&broker, "PLAIN", PLAIN, &[("delivery.timeout.ms", "60000")]);
    send(&mut producer, 1).await;
    script(&broker, |sasl| sasl.closed = true);
    tokio::time::sleep(Duration::from_secs(11)).await;
    append(&mut producer).await;
    producer.flush().await;
    let ack = producer.try_ack().expect("given up");
    let Err(SendError::Expired { source: Some(source), .. }) = ack.result else { panic!("{ack:?}") };
    let text = ErrorChain(&*source).to_string();
    assert!(text.contains("renew the login") && text.contains("nobody gets in"), "{text}");
    let error = producer.partitions(&topic("other")).await.expect_err("not let in");
    assert!(ErrorChain(&error).to_string().contains("nobody gets in"), "{}", ErrorChain(&error));
    // Once it is let in again it goes on.
    script(&broker, |sasl| sasl.closed = false);
    send(&mut producer, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_nobody_waits_for_any_more_ends_its_connection_so_that_nothing_is_taken_for_part_of_it() {
    let broker = broker(10_000);
    let settings = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", PLAIN)];
    let config = AdminConfig::from_properties(&properties("scripted.example:9092", &settings)).expect("valid");
    let cluster = Cluster::connect(Arc::new(broker.clone()), &config.bootstrap, config.connection);
    cluster.refresh(TopicsWanted::All, false).await.expect("answered");
    tokio::time::sleep(Duration::from_secs(11)).await;
    script(&broker, |sasl| sasl.hangs = true);
    let dropped = timeout(Duration::from_millis(100), cluster.refresh(TopicsWanted::All, false)).await;
    assert!(dropped.is_err(), "the login hangs");
    let asked = timeout(Duration::from_secs(5), cluster.refresh(TopicsWanted::All, false)).await;
    asked.expect("at once").expect("over a new connection");
    script(&broker, |sasl| assert_eq!((sasl.out_of_turn, sasl.connections, sasl.logins), (0, 2, 2)));
}

#[tokio::test(start_paused = true)]
async fn what_stays_within_the_process_is_not_protected() {
    struct Within(Scripted);
    #[async_trait::async_trait]
    impl Dial for Within {
        async fn dial(&self, host: &str, port: u16) -> std::io::Result<Box<dyn Stream>> {
            self.0.dial(host, port).await
        }

        fn is_within_process(&self) -> bool {
            true
        }
    }
    let settings = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", PLAIN)];
    let mut producer = producer(Arc::new(Within(Scripted::default())), "scripted.example:9092", &settings);
    send(&mut producer, 1).await;
}

fn broker(lifetime_ms: i64) -> Scripted {
    let broker = Scripted::default();
    broker.script.lock().expect("unpoisoned").sasl = Some(SaslScript { lifetime_ms, ..SaslScript::default() });
    broker
}

fn script<T>(broker: &Scripted, look: impl FnOnce(&mut SaslScript) -> T) -> T {
    look(broker.script.lock().expect("unpoisoned").sasl.as_mut().expect("a login"))
}

fn client(broker: &Scripted, mechanism: &str, jaas: &str, more: &[(&str, &str)]) -> Producer {
    let mut settings = vec![
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", mechanism),
        ("sasl.jaas.config", jaas),
        ("linger.ms", "0"),
    ];
    settings.extend_from_slice(more);
    producer(Arc::new(broker.clone()), "scripted.example:9092", &settings)
}

async fn append(producer: &mut Producer) {
    producer.append(&topic("t"), None, RecordRef { value: Some(b"x"), ..RecordRef::default() }).await.expect("taken");
}

async fn send(producer: &mut Producer, records: usize) {
    for _ in 0..records {
        append(producer).await;
    }
    producer.flush().await;
    while let Some(ack) = producer.try_ack() {
        ack.result.unwrap_or_else(|error| panic!("{}", ErrorChain(&error)));
    }
}
