"""kafka-python's own tests against a broker, from its source distribution."""

import json
import pathlib
import shutil
import tarfile
import tempfile

from . import HERE, Certificates, Python, call, environment, free_port, once, tools

VERSION = "3.0.12"
SHORT = ["test_group", "test_delete_groups", "test_transactional", "test_kafka_consumer_offsets", "test_end_to_end"]

# What the distribution leaves out of its tests: all that is asked of a broker that somebody else runs.
SERVICE = '''class ExternalService:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def dump_logs(self):
        pass

    def stop(self):
        pass


class SpawnedService:
    def __init__(self, *arguments):
        raise RuntimeError("these tests are for a broker that runs")
'''
# As the tests' own brokers know them.
USER, PASSWORD = "alice", "alice-secret"
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
MODULES = "org.apache.kafka.common.security"

folder = python = certificates = None
# Listeners by their protocols.
ports = {}


def prepare(home):
    global folder, python, certificates
    python, certificates = Python(home), Certificates(home)
    folder = home / f"kafka-python-{VERSION}"
    once(folder, build)
    # Some tests list topics with it.
    tools(folder, kafka_topics="org.apache.kafka.tools.TopicCommand")
    # Under this name the tests expect whom to trust.
    shutil.copy(certificates.folder / "ca.pem", folder / "ca-cert")


def build(folder):
    with tempfile.TemporaryDirectory() as fetched:
        call(python.folder / "bin/pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:",
             "-d", fetched, f"kafka-python=={VERSION}")
        archive, = pathlib.Path(fetched).iterdir()
        with tarfile.open(archive) as contents:
            contents.extractall(fetched, filter="data")
        (pathlib.Path(fetched) / f"kafka_python-{VERSION}" / "test").rename(folder / "test")
    # The package is a namespace without this file, which the distribution leaves out, too.
    (folder / "test" / "__init__.py").touch()
    (folder / "test" / "service.py").write_text(SERVICE)


def own():
    return environment(KAFKA_VERSION="4.3.0", KAFKA_ROOT=folder, PYTHONPATH=f"{folder}:{HERE / 'stand_ins'}", SSL_DIR=folder,
                       LISTENERS=json.dumps(ports))


def tests(short):
    found = python.collected("test/integration", cwd=folder, env=own())
    return [test for test in found if not short or any(f"::{name}" in test for name in SHORT)]


def brokers(tests, short):
    ports.update(SASL_PLAINTEXT=free_port(), SSL=free_port())
    listeners = ",".join(["PLAINTEXT://127.0.0.1:@PORT@", *(f"{protocol}://127.0.0.1:{port}" for protocol, port in ports.items()
                                                          if protocol != "PLAINTEXT")])
    user = f'user_{USER}="{PASSWORD}";'
    logins = {f"listener.name.sasl_plaintext.{kind.lower()}.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required {user}"
              for kind in SCRAM}
    logins["listener.name.sasl_plaintext.plain.sasl.jaas.config"] = f"{MODULES}.plain.PlainLoginModule required {user}"
    # As in the file that the tests' authors give their broker.
    yield {"node.id": 0, "listeners": listeners, "advertised.listeners": listeners, "num.partitions": 4,
           "allow.everyone.if.no.acl.found": "true",
           "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
           "sasl.enabled.mechanisms": ",".join(["PLAIN", *SCRAM]), **logins, **certificates.settings("none")}, tests


def run(address, tests, short):
    ports["PLAINTEXT"] = int(address.split(":")[1])
    return python.pytest(["--timeout=300", "-p", "kafka_python_broker"], tests, 1800, cwd=folder, env=own())
