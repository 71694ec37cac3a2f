"""Scenarios with kafkajs, whose package brings no tests: programs/kafkajs.test.mjs."""

import pathlib
import re
import shutil
import subprocess
import tempfile

from . import call, environment, junit, need, once

VERSION = "2.2.4"
PROGRAMS = pathlib.Path(__file__).parent / "programs"

folder = None


def prepare(home):
    global folder
    need("node", "npm")
    folder = home / f"kafkajs-{VERSION}"
    once(folder, build)
    shutil.copy(PROGRAMS / "kafkajs.test.mjs", folder)


def build(folder):
    shutil.copy(PROGRAMS / "package.json", folder)
    call("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=folder)


def tests(short):
    text = (PROGRAMS / "kafkajs.test.mjs").read_text()
    named = re.findall(r"^\s*test\((['`])(.*?)\1", text, re.M)
    # Two names stand for one test each of a row of settings.
    rows = {"${codec}": ["none", "gzip", "snappy", "lz4"], "${acks}": ["0", "1", "-1"]}
    found = []
    for _, name in named:
        row = next((row for row in rows if row in name), None)
        found += [name.replace(row, value) for value in rows[row]] if row else [name]
    return [f"test::{name}".replace(" ", "_") for name in found]


def brokers(tests, short):
    yield {"num.partitions": 1}, tests


def run(address, tests, short):
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.xml"
        patterns = [f"--test-name-pattern=/^{re.escape(test.removeprefix('test::')).replace('_', '[ _]')}$/"
                    for test in tests]
        subprocess.run(["node", "--test", "--test-reporter=junit", f"--test-reporter-destination={report}",
                        *patterns, "kafkajs.test.mjs"], cwd=folder, env=environment(BROKER=address),
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=1200)
        results = junit(report)
    return {test: results[test] for test in tests if test in results}
