"""OAUTHBEARER with tokens that clients fetch by themselves (OIDC): librdkafka's (confluent-kafka) and Java's, from an issuer
that runs here, held by the broker against a file with the issuer's keys. programs/test_oidc.py."""

import tempfile

from . import HERE, KAFKA, Programs, call, environment, need
from .stand_ins.token_endpoint import Issuer

VERSION = "confluent-kafka 2.16.1, Java 4.3.0"

scenarios = Programs("test_oidc.py")
issuer = folder = None


def prepare(home):
    global issuer, folder
    need("openssl", "java")
    call(KAFKA, "libs")
    scenarios.prepare(home)
    folder = tempfile.TemporaryDirectory(prefix="issuer-")
    issuer = Issuer(folder.name)


def tests(short):
    return scenarios.python.collected(scenarios.file, cwd=HERE / "programs", env=environment(BROKER="", ISSUER=""))


def brokers(tests, short):
    yield {"listeners": "SASL_PLAINTEXT://127.0.0.1:@PORT@", "sasl.enabled.mechanisms": "OAUTHBEARER",
           "sasl.oauthbearer.jwks.endpoint.url": issuer.keys.as_uri(), "sasl.oauthbearer.expected.audience": "broker",
           "sasl.oauthbearer.expected.issuer": "tests", "sasl.oauthbearer.clock.skew.seconds": 0,
           "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:alice"}, tests


def run(address, tests, short):
    return scenarios.python.pytest(["--timeout=300"], tests, 1800, cwd=HERE / "programs",
                                   env=environment(BROKER=address, ISSUER=issuer.url, KAFKA_SH=KAFKA))
