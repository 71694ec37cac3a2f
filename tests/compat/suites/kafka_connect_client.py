"""The Java client org.sourcelab:kafka-connect-client: each verb that it has."""

import tempfile

from . import HERE, call, need, once, told

VERSION = "4.0.5"
WORKER = True
PROGRAM = HERE / "programs/ConnectClient.java"
VERBS = ["version", "create", "create-again", "create-wrong", "list", "list-status", "list-info", "list-all", "get", "config", "status", "update",
         "pause", "resume", "restart", "restart-with-tasks", "restart-failed", "tasks", "task-status", "restart-task", "topics", "reset-topics",
         "plugins", "validate", "validate-wrong", "stop", "delete", "get-of-none"]
home = None


def prepare(folder):
    global home
    need("java", "javac", "mvn")
    home = folder / f"kafka-connect-client-{VERSION}"
    once(home, lambda to: call("mvn", "-q", "-B", "-f", HERE / "programs/connect-client-pom.xml", f"-Dclient.version={VERSION}",
                               "dependency:copy-dependencies", f"-DoutputDirectory={to}"))


def tests(short):
    return VERBS


def brokers(tests, short):
    yield {}, tests


def run(address, tests, short):
    with tempfile.TemporaryDirectory() as folder:
        call("javac", "-nowarn", "-d", folder, "-cp", f"{home}/*", PROGRAM)
        return told(["java", "-cp", f"{home}/*:{folder}", "ConnectClient", f"http://{address}", folder])
