"""franz-go's own tests of its package kgo: producing, consuming, groups by every balancer in both protocols, and
chains of consume-transform-produce with and without transactions."""

import json
import os
import pathlib
import re
import subprocess

from . import call, environment, need, once

MODULE, VERSION = "github.com/twmb/franz-go", "1.22.2"
SHORT = ["TestGroupETL", "TestTxnEtl", "TestIssue337", "TestIssue434", "TestAddRemovePartitions", "TestConsumeRegex",
         "Test848RegexBrokerResolves", "TestGroupSimple", "TestClient_Produce", "TestPauseIssue489", "TestSCRAMAuth"]

folder = None


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


def tests(short):
    return SHORT if short else call(folder / "kgo.test", "-test.list", ".").split()


def brokers(tests, short):
    yield {"num.partitions": 1}, tests


def run(address, tests, short):
    own = environment(KGO_SEEDS=address, KGO_TEST_RF=1, KGO_TEST_RECORDS=5000 if short else 50000, KGO_LOG_LEVEL="none",
                      GODEBUG=os.environ.get("GODEBUG", ""))
    chosen = "^(" + "|".join(map(re.escape, tests)) + ")$"
    done = subprocess.run([folder / "kgo.test", "-test.v", "-test.timeout", "1500s", "-test.run", chosen], cwd=folder,
                          env=own, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace")
    results = {}
    endings = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}
    lines = done.stdout.splitlines()
    for number, line in enumerate(lines):
        ended = re.match(r"--- (PASS|FAIL|SKIP): (\S+)", line)
        if ended:
            said = [line for line in lines[number + 1:number + 30] if re.match(r"\s+\w+\.go:\d+: ", line)]
            said = " ".join(" ".join(said[:2]).split())[:300]
            results[ended[2]] = (endings[ended[1]], "" if ended[1] == "PASS" else said)
    for test in tests:
        if test not in results and "panic:" in done.stdout:
            results[test] = ("failed", done.stdout[done.stdout.index("panic:"):][:300])
    return results
