"""In place of the brokers that kafka-python's tests start, one for each protocol and mechanism: one that runs already.

A plugin for pytest. LISTENERS has its ports by their protocols, SSL_DIR a folder with the file ca-cert.
"""

import json
import os

import py
from test.integration.fixtures import KafkaFixture
from test.service import ExternalService


def open_running(self):
    self.host, self.port = "127.0.0.1", json.loads(os.environ["LISTENERS"])[self.transport]
    self.child = ExternalService(self.host, self.port)
    self.external = self.running = True
    self.jaas_config = self._jaas_config()
    self.ssl_dir = os.environ["SSL_DIR"]
    if self.tmp_dir is None:
        self.tmp_dir = py.path.local.mkdtemp()


def connect_arguments(self):
    """What Apache Kafka's own programs need to reach it."""
    file = self.tmp_dir.join("command.properties")
    lines = [f"security.protocol={self.transport}"]
    if self.sasl_enabled:
        lines += [f"sasl.mechanism={self.sasl_mechanism}", f"sasl.jaas.config={self.jaas_config}"]
    file.write("\n".join(lines))
    return ["--bootstrap-server", self.bootstrap_server(), "--command-config", file.strpath]


KafkaFixture.open = open_running
KafkaFixture._cli_connect_args = connect_arguments
