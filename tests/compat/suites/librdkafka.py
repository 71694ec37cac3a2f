"""librdkafka's own tests, from the sources that the crate rdkafka-sys brings. Those that need no broker are left
to its authors."""

import concurrent.futures
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from . import call, environment, need, once, tools

CRATE, VERSION = "4.10.0+2.12.1", "2.12.1"
# Of producing, consuming, groups in both protocols' ways, administration, idempotence and transactions.
SHORT = ["0011_produce_batch", "0012_produce_consume", "0017_compression", "0019_list_groups", "0031_get_offsets",
         "0033_regex_subscribe", "0044_partition_cnt", "0054_offset_time", "0073_headers", "0090_idempotence",
         "0099_commit_metadata", "0103_transactions", "0113_cooperative_rebalance", "0140_commit_metadata"]
WITHOUT_CREATION = "noautocreate"
LIMIT_S = 600
# Rules are there to be tested; what no rule speaks of is allowed.
SETTINGS = {"num.partitions": 4, "allow.everyone.if.no.acl.found": "true",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer"}

folder = None


def prepare(home):
    global folder
    need("cargo", "gcc", "g++", "make", "java")
    folder = home / f"librdkafka-{VERSION}"
    once(folder, build)
    # Some tests create topics and rules with them.
    tools(folder, kafka_topics="org.apache.kafka.tools.TopicCommand", kafka_acls="org.apache.kafka.tools.AclCommand")


def build(folder):
    with tempfile.TemporaryDirectory() as fetching:
        fetching = pathlib.Path(fetching)
        (fetching / "src").mkdir()
        (fetching / "src/lib.rs").touch()
        (fetching / "Cargo.toml").write_text(
            f'[package]\nname = "fetching"\nversion = "0.0.0"\nedition = "2021"\n'
            f'[dependencies]\nrdkafka-sys = "={CRATE.split("+")[0]}"\n[workspace]\n')
        shown = json.loads(call("cargo", "metadata", "-q", "--format-version", "1", cwd=fetching).splitlines()[-1])
        crate, = [package for package in shown["packages"] if package["name"] == "rdkafka-sys"]
        sources = pathlib.Path(crate["manifest_path"]).parent / "librdkafka"
        shutil.copytree(sources, folder, dirs_exist_ok=True)
    call("./configure", "--disable-gssapi", cwd=folder)
    call("make", "-j2", "libs", cwd=folder)
    call("make", "-j2", "-C", "tests", "build", cwd=folder)


def declared():
    """Test -> scenario, of those that speak to a broker."""
    text = (folder / "tests/test.c").read_text()
    found = {}
    for name, rest in re.findall(r"_TEST\((\d\w+),(.*?)\),\n(?=    _TEST|#|    /\*|    \{)", text, re.S):
        flags = rest.split(",")[0]
        if "TEST_F_LOCAL" in flags or "TEST_F_MANUAL" in flags or "TEST_F_KNOWN_ISSUE" in flags.split():
            continue
        found[name] = WITHOUT_CREATION if WITHOUT_CREATION in rest else "default"
    return found


def tests(short):
    return SHORT if short else list(declared())


def brokers(tests, short):
    scenarios = declared()
    for scenario in ("default", WITHOUT_CREATION):
        group = [test for test in tests if scenarios.get(test) == scenario]
        if group:
            yield {**SETTINGS, "auto.create.topics.enable": str(scenario == "default").lower()}, group


def one(address, test, scenario, scratch, client, more):
    conf, report = scratch / f"{test}.conf", scratch / f"{test}.json"
    conf.write_text(f"metadata.broker.list={address}\ntest.topic.random=true\ntest.timeout.multiplier=3\n{client}")
    own = environment(RDKAFKA_TEST_CONF=conf, TEST_REPORT=report, TESTS=test, TEST_KAFKA_VERSION="4.0.0.0",
                      KAFKA_PATH=folder, BROKERS=address,
                      LD_LIBRARY_PATH=f"{folder}/src:{folder}/src-cpp", **more)
    with open(scratch / f"{test}.log", "w") as log:
        try:
            subprocess.run(["./test-runner", "-L", "-Q", "-p1", "-s", scenario], cwd=folder / "tests", env=own,
                           stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return "failed", f"not done after {LIMIT_S} s"
    said = (scratch / f"{test}.log").read_text(errors="replace")
    try:
        state = json.loads(report.read_text(errors="replace"), strict=False)["tests"][test]["state"]
    except (OSError, ValueError, KeyError):
        state = "no report"
    if state == "PASSED":
        return "passed", ""
    words = re.findall(r"(?:TEST FAILURE|Test .* failed: |SKIPPING|Skipping)[^\n]*\n?[^\n]*\n?[^\n]*", said)
    words = " ".join((words or [said[-300:]])[0].split())[:300]
    return ("skipped" if state == "SKIPPED" else "failed"), f"{state}: {words}"


def run(address, tests, short, client="", **more):
    scenarios = declared()
    with tempfile.TemporaryDirectory(prefix="librdkafka-") as scratch, \
            concurrent.futures.ThreadPoolExecutor(4 if len(tests) > 1 else 1) as pool:
        work = {test: pool.submit(one, address, test, scenarios[test], pathlib.Path(scratch), client, more) for test in tests}
        return {test: done.result() for test, done in work.items()}
