"""Schemathesis: requests made from the API's own description, answers held against it. A test is an operation."""

import json
import pathlib
import subprocess
import tempfile
import xml.etree.ElementTree as xml

from . import HERE, Alone, environment

VERSION = "4.32.5"
WORKER = True
DOCUMENT = HERE.parent.parent.parent / "host" / "rest" / "reference" / "openapi.json"
CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance", "allow_header_conformance", "use_after_free"]

python = None


def prepare(home):
    global python
    python = Alone(home, f"schemathesis=={VERSION}")


def tests(short):
    paths = json.loads(DOCUMENT.read_text())["paths"]
    return [f"{method.upper()}_{path}" for path, methods in paths.items() for method in methods if method != "parameters"]


def brokers(tests, short):
    yield {}, tests


def run(address, tests, short):
    chosen = [part for test in tests for part in ("--include-name", test.replace("_", " ", 1))]
    with tempfile.TemporaryDirectory() as scratch:
        report = pathlib.Path(scratch) / "report.xml"
        # Valid by the description and not: nothing may end in a failure of the worker.
        done = subprocess.run(
            [python.folder / "bin/st", "run", f"http://{address}/openapi.json", "--mode", "all", "--phases", "coverage,fuzzing",
             "--max-examples", "10" if short else "300", "--seed", "1", "--checks", ",".join(CHECKS), "--warnings", "off",
             "--continue-on-failure", "--report-junit-path", report, *chosen],
            cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=120 if short else 1800, env=environment())
        if not report.exists():
            return {"the whole": ("failed", " ".join(done.stdout.split())[-300:])}
        results = {}
        for case in xml.parse(report).getroot().iter("testcase"):
            wrong = [child for child in case if child.tag in ("failure", "error")]
            words = " ".join(" ".join((child.text or "") for child in wrong).split())
            ending = "failed" if wrong else "passed"
            if "[501]" in words:
                ending, words = "skipped", "not there yet: the worker answers 501"
            results[case.get("name").replace(" ", "_", 1)] = (ending, words[:400])
        return results
