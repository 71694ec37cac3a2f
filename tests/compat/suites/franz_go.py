"""franz-go's own tests of its package kgo: producing, consuming, groups by every balancer in both protocols, and
chains of consume-transform-produce with and without transactions."""

import json
import pathlib
import shutil
import socket

from . import call, environment, go_test, need, once

MODULE, VERSION = "github.com/twmb/franz-go", "1.22.2"
SHORT = ["TestGroupETL", "TestTxnEtl", "TestIssue337", "TestIssue434", "TestAddRemovePartitions", "TestConsumeRegex",
         "Test848RegexBrokerResolves", "TestGroupSimple", "TestClient_Produce", "TestPauseIssue489"]

# One user, at a listener beside the one that all other tests use.
USER, PASSWORD = "tester", "tester-secret"
MODULE_OF_LOGINS = "org.apache.kafka.common.security.scram.ScramLoginModule"

folder = scram_port = None


def prepare(home):
    global folder
    need("go")
    folder = home / f"franz-go-{VERSION}"
    once(folder, build)


def build(folder):
    (folder / "go.mod").write_text("module fetching\n\ngo 1.24\n")
    shown = json.loads(call("go", "mod", "download", "-json", f"{MODULE}@v{VERSION}", cwd=folder))
    sources = pathlib.Path(shown["Dir"]) / "pkg" / "kgo"
    call("go", "test", "-c", "-o", folder / "kgo.test", ".", cwd=sources)
    # Some tests read the package's sources.
    shutil.copytree(sources, folder / "kgo", dirs_exist_ok=True)


def tests(short):
    return SHORT if short else call(folder / "kgo.test", "-test.list", "^Test").split()


def brokers(tests, short):
    global scram_port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        scram_port = probe.getsockname()[1]
    yield {"num.partitions": 1, "sasl.enabled.mechanisms": "SCRAM-SHA-256",
           "listeners": f"PLAINTEXT://127.0.0.1:@PORT@,SASL_PLAINTEXT://127.0.0.1:{scram_port}",
           "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config":
               f'{MODULE_OF_LOGINS} required user_{USER}="{PASSWORD}";'}, tests


def run(address, tests, short):
    own = environment(KGO_SEEDS=address, KGO_TEST_RF=1, KGO_TEST_RECORDS=5000 if short else 50000, KGO_LOG_LEVEL="none",
                      KGO_TEST_SCRAM_SEEDS=f"127.0.0.1:{scram_port}", KGO_TEST_SCRAM=f"{USER}:{PASSWORD}")
    return go_test(folder / "kgo.test", tests, folder / "kgo", own)
