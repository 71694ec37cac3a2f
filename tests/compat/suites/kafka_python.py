"""kafka-python's own tests against a broker, from its source distribution."""

import pathlib
import tarfile
import tempfile

from . import Python, call, environment, once

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

folder = python = None


def prepare(home):
    global folder, python
    python = Python(home)
    folder = home / f"kafka-python-{VERSION}"
    once(folder, build)


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


def own(address="127.0.0.1:9"):
    return environment(KAFKA_VERSION="4.3.0", KAFKA_URI=f"kafka://{address}", KAFKA_ROOT=folder, PYTHONPATH=folder)


def tests(short):
    found = python.collected("test/integration", cwd=folder, env=own())
    return [test for test in found if not short or any(f"::{name}" in test for name in SHORT)]


def brokers(tests, short):
    # As in the file that the tests' authors give their broker.
    yield {"node.id": 0, "advertised.listeners": "PLAINTEXT://127.0.0.1:@PORT@", "num.partitions": 4, "allow.everyone.if.no.acl.found": "true",
           "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}, tests


def run(address, tests, short):
    return python.pytest(["--timeout=300"], tests, 1800, cwd=folder, env=own(address))
