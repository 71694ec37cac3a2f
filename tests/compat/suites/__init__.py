"""What suites have in common. A suite is a module with

    VERSION                        of what it runs
    prepare(home)                  fetches and builds what is not there yet, below `home`; raises Missing
    tests(short)                   the names of its tests
    brokers(tests, short)          what brokers they need: pairs of settings and the tests that run against such a broker
    run(address, tests, short)     runs them: test -> (passed, failed or skipped; its words)
    WORKER                         true if it is about the REST API: what is started then is a worker
"""

import fcntl
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import xml.etree.ElementTree as xml
import zlib

HERE = pathlib.Path(__file__).resolve().parent
KAFKA = HERE.parent / "kafka.sh"


class Missing(Exception):
    """Something that a suite needs cannot be had."""


def need(*tools):
    for tool in tools:
        if shutil.which(tool) is None:
            raise Missing(f"{tool} is not installed")


def free_port():
    # Below the range that outgoing connections take their ports from.
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def once(folder, make):
    """Has `make` fill the folder unless it did already; one process at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".complete").exists():
            make(folder)
            (folder / ".complete").touch()


def call(*command, stderr_too=True, **options):
    """What a command says that has to succeed; its end is in the error otherwise."""
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT if stderr_too else subprocess.PIPE, text=True, errors="replace", **options)
    if done.returncode != 0:
        said = done.stdout + (done.stderr or "")
        raise Missing(f"{' '.join(map(str, command))}: {said[-2000:]}")
    return done.stdout


def junit(file):
    """The results in a report in JUnit's form, by the names `class::test`."""
    results = {}
    if not pathlib.Path(file).exists():
        return results
    for case in xml.parse(file).getroot().iter("testcase"):
        name = f"{case.get('classname')}::{case.get('name')}".replace(" ", "_")
        ending, words = "passed", ""
        for child in case:
            if child.tag in ("failure", "error"):
                ending, words = "failed", (child.get("message") or child.text or "")
            elif child.tag == "skipped" and ending == "passed":
                ending, words = "skipped", (child.get("message") or "")
        results[name] = (ending, " ".join(words.split())[:300])
    return results


def tools(folder, **programs):
    """Gives a folder Apache Kafka's own programs, which some tests call by the names of its scripts."""
    call(KAFKA, "libs")
    (folder / "bin").mkdir(exist_ok=True)
    for name, program in programs.items():
        script = folder / "bin" / f"{name.replace('_', '-')}.sh"
        script.write_text(f'#!/bin/sh\nexec "{KAFKA}" run {program} "$@"\n')
        script.chmod(0o755)


class Certificates:
    """An authority, and what it has signed for a broker at 127.0.0.1 and for a client, in every form that clients read."""

    PASSWORD = "secret"

    def __init__(self, home):
        need("openssl")
        self.folder = home / "certificates"
        once(self.folder, self.make)

    def make(self, folder):
        openssl = lambda *words: call("openssl", *words, cwd=folder)
        years, key = ("-days", "3650"), ("-newkey", "rsa:2048", "-nodes")
        for authority in ("ca", "other-ca"):
            openssl("req", "-x509", *key, *years, "-keyout", f"{authority}.key", "-out", f"{authority}.pem", "-subj", f"/CN={authority}",
                    "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        (folder / "all-cas.pem").write_text((folder / "ca.pem").read_text() + (folder / "other-ca.pem").read_text())
        (folder / "extensions").write_text("basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n")
        for name in ("broker", "client"):
            openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", *years,
                    "-extfile", "extensions", "-out", f"{name}.pem")
        (folder / "broker-store.pem").write_text((folder / "broker.key").read_text() + (folder / "broker.pem").read_text())
        for name in ("client", "ca"):
            openssl("x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.der")
        openssl("pkcs8", "-topk8", "-nocrypt", "-in", "client.key", "-outform", "DER", "-out", "client.key.der")
        openssl("pkcs12", "-export", "-inkey", "client.key", "-in", "client.pem", "-certfile", "ca.pem", "-out", "client.p12",
                "-passout", f"pass:{self.PASSWORD}")

    def settings(self, client_auth):
        """A broker's, for its listeners with TLS."""
        return {"ssl.keystore.type": "PEM", "ssl.keystore.location": self.folder / "broker-store.pem",
                "ssl.truststore.type": "PEM", "ssl.truststore.location": self.folder / "ca.pem", "ssl.client.auth": client_auth}


def environment(**more):
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **{key: str(value) for key, value in more.items()}}


class Python:
    """An environment with the clients of requirements.txt and pytest."""

    def __init__(self, home):
        wanted = [HERE / "programs" / "requirements.txt", HERE.parent / "requirements.txt"]
        mark = zlib.crc32(b"".join(file.read_bytes() for file in wanted))
        self.folder = home / f"python-{mark:08x}"
        need("python3")
        once(self.folder, lambda folder: self.build(folder, wanted))

    def build(self, folder, wanted):
        call("python3", "-m", "venv", folder)
        call(folder / "bin/pip", "install", "-q", "--disable-pip-version-check", *(f"-r{file}" for file in wanted))

    def collected(self, *arguments, **options):
        """The names of the tests that pytest finds."""
        said = call(self.folder / "bin/python", "-m", "pytest", "--collect-only", "-q", *arguments, **options)
        return [line.strip().replace(" ", "_") for line in said.splitlines() if "::" in line]

    def pytest(self, arguments, tests, limit_s, **options):
        """Runs tests: test -> (ending, words)."""
        with tempfile.TemporaryDirectory() as scratch:
            report = pathlib.Path(scratch) / "report.xml"
            try:
                subprocess.run([self.folder / "bin/python", "-m", "pytest", "-q", f"--junitxml={report}", "-p", "no:cacheprovider",
                                "-o", "junit_logging=no", *arguments, *tests], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, timeout=limit_s, **options)
            except subprocess.TimeoutExpired:
                return {test: ("failed", f"the run was not done after {limit_s} s") for test in tests}
            results = junit(report)
        # A class in the report is the file's path with dots, and a class within it.
        named = lambda test: test.split("::")[0].removesuffix(".py").replace("/", ".") + "".join(
            f".{part}" for part in test.split("::")[1:-1]) + "::" + test.split("::")[-1]
        return {test: results[named(test)] for test in tests if named(test) in results}


class Programs:
    """A suite of our own: a file of `programs` with scenarios for pytest, which finds the broker by its variable BROKER."""

    def __init__(self, file):
        self.file = file
        self.python = None

    def prepare(self, home):
        self.python = Python(home)

    def tests(self, short):
        return self.python.collected(self.file, cwd=HERE / "programs", env=environment(BROKER=""))

    def brokers(self, tests, short):
        yield {"num.partitions": 1, "allow.everyone.if.no.acl.found": "true",
               "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}, tests

    def run(self, address, tests, short):
        return self.python.pytest(["--timeout=300"], tests, 1800, cwd=HERE / "programs", env=environment(BROKER=address))


def told(command):
    """Runs a program that prints a line of JSON for each of its tests: [name, ending, words]."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                          env=environment())
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    results = {name: (ending, words) for name, ending, words in lines}
    if done.returncode != 0:
        results["the whole"] = ("failed", " ".join(done.stderr.split())[-300:])
    return results


class Alone:
    """An environment of Python with one package: those of clients of the REST API want different versions of the same."""

    def __init__(self, home, package):
        need("python3")
        self.folder = home / f"python-{package.replace('==', '-')}"
        once(self.folder, lambda folder: self.build(folder, package))
        self.python = self.folder / "bin/python"

    def build(self, folder, package):
        call("python3", "-m", "venv", folder)
        call(folder / "bin/pip", "install", "-q", "--disable-pip-version-check", package)

    def scenario(self, program, address, folder):
        """Runs a program of `programs`, as `told` does."""
        return told([self.python, HERE / "programs" / program, f"http://{address}", folder])


class Rest:
    """A suite of one client of the REST API: a program of `programs` that tells how each verb of that client ended."""

    def __init__(self, package, program, verbs):
        self.package = package
        self.program = program
        self.verbs = verbs
        self.python = None

    def prepare(self, home):
        self.python = Alone(home, self.package)

    def tests(self, short):
        return self.verbs

    def brokers(self, tests, short):
        yield {}, tests

    def run(self, address, tests, short):
        with tempfile.TemporaryDirectory() as folder:
            return self.python.scenario(self.program, address, folder)


def pinned(package):
    """The version of a package in requirements.txt."""
    lines = (HERE.parent / "requirements.txt").read_text().splitlines()
    return next(line.split("==")[1] for line in lines if line.startswith(f"{package}=="))


def go_test(program, tests, folder, own, limit_s=1500):
    """Runs tests of a program that `go test -c` made: test -> (ending, words)."""
    chosen = "^(" + "|".join(map(re.escape, tests)) + ")$"
    done = subprocess.run([program, "-test.v", "-test.timeout", f"{limit_s}s", "-test.run", chosen], cwd=folder, env=own,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace")
    results, said = {}, {}
    endings = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
    lines, named = done.stdout.splitlines(), None
    for line in lines:
        begun = re.match(r"=== (?:RUN|CONT|NAME)\s+(\w+)", line)
        ended = re.match(r"--- (PASS|FAIL|SKIP): (\S+)", line)
        if begun:
            named = begun[1]
        elif ended:
            results[ended[2]] = endings[ended[1]]
            named = ended[2]
        elif re.match(r"\s+\w+\.go:\d+: ", line) or "Error:" in line:
            said.setdefault(named, []).append(line.strip())
    words = lambda test: " ".join(said.get(test, [])[-3:])[:400]
    broken = done.stdout[done.stdout.index("panic:"):][:400] if "panic:" in done.stdout else done.stdout[-400:]
    return {test: (results[test], words(test) if results[test] != "passed" else "") if test in results
            else ("failed", "the run ended early: " + " ".join(broken.split())) for test in tests}
