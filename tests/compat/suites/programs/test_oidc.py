"""Clients that fetch tokens for OAUTHBEARER. BROKER is the broker's address, ISSUER that of who issues tokens
(stand_ins/token_endpoint.py), KAFKA_SH the script that runs Apache Kafka's programs."""

import os
import subprocess
import time
import uuid

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

BROKER, ISSUER = os.environ["BROKER"], os.environ["ISSUER"]
LIMIT = 60


def librdkafka(endpoint, **more):
    return {"bootstrap.servers": BROKER, "security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc", "sasl.oauthbearer.client.id": "client", "sasl.oauthbearer.client.secret": "secret",
            "sasl.oauthbearer.token.endpoint.url": f"{ISSUER}/{endpoint}", **more}


def java(folder, endpoint, tool, *arguments, said=""):
    file = folder / "client.properties"
    file.write_text(f"""security.protocol=SASL_PLAINTEXT
sasl.mechanism=OAUTHBEARER
sasl.login.callback.handler.class=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler
sasl.oauthbearer.token.endpoint.url={ISSUER}/{endpoint}
sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="client" clientSecret="secret";
sasl.login.retry.backoff.max.ms=200
default.api.timeout.ms=20000
request.timeout.ms=15000
""")
    own = {**os.environ, "JVM": f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={ISSUER}/{endpoint}"}
    return subprocess.run([os.environ["KAFKA_SH"], "run", f"org.apache.kafka.tools.{tool}", "--bootstrap-server", BROKER,
                           "--command-config", file, *arguments], input=said, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=3 * LIMIT, env=own)


def fresh():
    return f"topic-{uuid.uuid4()}"


def test_librdkafka_writes_and_reads():
    topic, failed = fresh(), []
    producer = Producer(librdkafka("valid"))
    for number in range(20):
        producer.produce(topic, f"{number}", on_delivery=lambda error, _: failed.append(error) if error else None)
    assert producer.flush(LIMIT) == 0
    assert not failed
    consumer = Consumer(librdkafka("valid", **{"group.id": topic, "auto.offset.reset": "earliest"}))
    consumer.subscribe([topic])
    found, end = [], time.monotonic() + LIMIT
    while len(found) < 20 and time.monotonic() < end:
        found += [message.value().decode() for message in consumer.consume(20, 1) if message.error() is None]
    consumer.close()
    assert found == [f"{number}" for number in range(20)]


def test_librdkafka_goes_on_when_its_token_has_ended():
    topic, errors, written = fresh(), [], []
    producer = Producer(librdkafka("short", **{"error_cb": errors.append, "linger.ms": 0}))
    end = time.monotonic() + 30
    while time.monotonic() < end:
        producer.produce(topic, "x", on_delivery=lambda error, _: written.append(error))
        assert producer.flush(LIMIT) == 0
        time.sleep(0.2)
    assert written and not any(written), [error for error in written if error]
    assert not [error for error in errors if error.code() == KafkaError._AUTHENTICATION], errors


@pytest.mark.parametrize("endpoint", ["expired", "foreign", "broken"])
def test_librdkafka_is_refused(endpoint):
    errors = []
    admin = AdminClient(librdkafka(endpoint, **{"error_cb": errors.append}))
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=10)
    admin.poll(1)
    assert any(error.code() == KafkaError._AUTHENTICATION for error in errors), errors


def test_java_writes_and_reads(tmp_path):
    topic = fresh()
    done = java(tmp_path, "valid", "ConsoleProducer", "--topic", topic, said="one\ntwo\nthree\n")
    assert done.returncode == 0, done.stderr[-1000:]
    done = java(tmp_path, "valid", "consumer.ConsoleConsumer", "--topic", topic, "--from-beginning", "--max-messages", "3")
    assert (done.returncode, done.stdout.split()) == (0, ["one", "two", "three"]), done.stderr[-1000:]


@pytest.mark.parametrize("endpoint", ["expired", "foreign", "broken"])
def test_java_is_refused(tmp_path, endpoint):
    done = java(tmp_path, endpoint, "TopicCommand", "--list")
    assert done.returncode != 0 and "topic-" not in done.stdout, done.stdout[-500:] + done.stderr[-500:]
    # Of what the issuer has no token for the broker never hears.
    word = "401" if endpoint == "broken" else "SaslAuthenticationException"
    assert word in done.stdout + done.stderr, (done.stdout + done.stderr)[:1000]
