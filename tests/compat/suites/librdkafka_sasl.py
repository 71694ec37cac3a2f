"""Those of librdkafka's own tests that want SASL, and the most telling others once more over a listener with SASL, where
whoever is connected has to log in again every few seconds."""

from . import librdkafka
from .librdkafka import VERSION, prepare

OWN = ["0135_sasl_credentials", "0142_reauthentication"]
USER, PASSWORD = "tester", "tester-secret"
SETTINGS = {
    "listeners": "SASL_PLAINTEXT://127.0.0.1:@PORT@", "sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config":
        f'org.apache.kafka.common.security.scram.ScramLoginModule required user_{USER}="{PASSWORD}";',
    "connections.max.reauth.ms": 5000, "super.users": f"User:{USER}",
}
CLIENT = f"""security.protocol=SASL_PLAINTEXT
sasl.mechanism=SCRAM-SHA-256
sasl.username={USER}
sasl.password={PASSWORD}
"""


def tests(short):
    return OWN if short else [*OWN, *librdkafka.SHORT]


def brokers(tests, short):
    for settings, group in librdkafka.brokers(tests, short):
        yield {**settings, **SETTINGS}, group


def run(address, tests, short):
    return librdkafka.run(address, tests, short, client=CLIENT)
