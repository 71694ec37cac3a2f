"""sarama's functional tests. They want five brokers behind Toxiproxy at fixed ports; here one broker stands behind all
of them."""

import json
import pathlib
import re
import socket

from . import Missing, call, environment, go_test, need, once
from .stand_ins import toxiproxy

MODULE, VERSION = "github.com/IBM/sarama", "1.61.1"
PORTS = range(29091, 29096)
SHORT = ["TestFuncConsumerGroupPartitioning", "TestFuncTxnProduce", "TestFuncTxnProduceAndCommitOffset",
         "TestReadOnlyAndAllCommittedMessages", "TestFuncConsumerGroupStaticMembership_Basic"]

folder = None


def prepare(home):
    global folder
    need("go")
    folder = home / f"sarama-{VERSION}"
    once(folder, build)
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise Missing(f"another program uses port {port}, which these tests need")


def build(folder):
    (folder / "go.mod").write_text("module fetching\n\ngo 1.24\n")
    shown = json.loads(call("go", "mod", "download", "-json", f"{MODULE}@v{VERSION}", cwd=folder))
    call("go", "test", "-c", "-tags", "functional", "-o", folder / "sarama.test", ".", cwd=shown["Dir"])
    # The rest of the package's tests needs no broker.
    sources = sorted(pathlib.Path(shown["Dir"]).glob("functional_*_test.go"))
    names = [name for file in sources for name in re.findall(r"^func (Test\w+)\(", file.read_text(), re.M)]
    (folder / "names").write_text("\n".join(name for name in names if name != "TestMain"))


def tests(short):
    return SHORT if short else (folder / "names").read_text().split()


def brokers(tests, short):
    yield {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{PORTS[0]}", "auto.create.topics.enable": "false"}, tests


def run(address, tests, short):
    host, port = address.split(":")
    proxies = {f"kafka{number}": toxiproxy.Proxy(port_of, (host, int(port))) for number, port_of in enumerate(PORTS, 1)}
    server = toxiproxy.Server(proxies)
    try:
        own = environment(TOXIPROXY_ADDR=f"http://127.0.0.1:{server.server_port}", KAFKA_VERSION="4.1.0")
        return go_test(folder / "sarama.test", tests, folder, own)
    finally:
        server.shutdown()
        for proxy in proxies.values():
            proxy.enable(False)
