"""segmentio's kafka-go with its own tests. They name a broker at a fixed port; another one is put in its place, which a
program that is there anyway does not have."""

import concurrent.futures
import json
import re
import shutil
import socket

from . import Missing, call, environment, go_test, need, once

MODULE, VERSION = "github.com/segmentio/kafka-go", "0.4.51"
THEIRS, PORT = "9092", 29192

folder = None


def prepare(home):
    global folder
    need("go")
    folder = home / f"kafka-go-{VERSION}"
    once(folder, build)
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            raise Missing(f"another program uses port {PORT}, which these tests need")


def build(folder):
    (folder / "go.mod").write_text("module fetching\n\ngo 1.24\n")
    shown = json.loads(call("go", "mod", "download", "-json", f"{MODULE}@v{VERSION}", cwd=folder))
    sources = folder / "sources"
    shutil.rmtree(sources, ignore_errors=True)
    shutil.copytree(shown["Dir"], sources)
    for path in [sources, *sources.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)
    names = []
    for file in sorted(sources.glob("*_test.go")):
        text = file.read_text()
        names += re.findall(r"^func (Test\w+)\(", text, re.M)
        if file.name != "address_test.go":
            text = text.replace('TCP("localhost")', f'TCP("localhost:{THEIRS}")')
            file.write_text(re.sub(rf"\b{THEIRS}\b", str(PORT), text))
    call("go", "test", "-mod=mod", "-c", "-o", folder / "kafka-go.test", ".", cwd=sources)
    (folder / "names").write_text("\n".join(names))


def tests(short):
    there = set(call(folder / "kafka-go.test", "-test.list", ".").split())
    return [name for name in (folder / "names").read_text().split() if name in there]


def brokers(tests, short):
    yield {"@port": PORT, "advertised.listeners": f"PLAINTEXT://localhost:{PORT}", "message.max.bytes": 200000000,
           "allow.everyone.if.no.acl.found": "true",
           "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}, tests


def run(address, tests, short):
    own = environment(KAFKA_VERSION="4.3.0", KAFKA_SKIP_NETTEST=1)
    # Each in a process of its own: some end it where they should fail.
    one = lambda test: go_test(folder / "kafka-go.test", [test], folder / "sources", own, 300)[test]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return dict(zip(tests, pool.map(one, tests)))
