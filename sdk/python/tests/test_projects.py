"""Examples, templates and the copy of the contract."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SDK = Path(__file__).parents[1]
REPOSITORY = SDK.parents[1]
KINDS = ("source", "sink", "transform", "predicate", "converter")


def made(kind: str, folder: Path) -> Path:
    """A project of a template, as `millstream plugin new` makes it."""
    project = folder / f"my-{kind}"
    names = {"__NAME__": f"my-{kind}", "__IDENT__": f"my_{kind}", "__CLASS__": f"org.example.My{kind.title()}"}
    names["__TYPE__"] = f"My{kind.title()}"
    for source in (SDK / "template" / kind).rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            target = project / source.relative_to(SDK / "template" / kind)
            target.parent.mkdir(parents=True, exist_ok=True)
            text = source.read_text()
            target.write_text(re.sub("__[A-Z]+__", lambda found: names.get(found[0], found[0]), text))
    return project


def run(project: Path, script: str, *arguments: str) -> subprocess.CompletedProcess:
    environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    command = [sys.executable, str(SDK / script), *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


class Projects(unittest.TestCase):
    def test_the_tests_of_examples_pass(self):
        for kind in KINDS:
            with self.subTest(kind):
                done = run(SDK / "examples" / kind, "test.py")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stderr, "Ran [1-9]")

    def test_the_tests_of_templates_pass(self):
        for kind in KINDS:
            with self.subTest(kind), tempfile.TemporaryDirectory() as folder:
                done = run(made(kind, Path(folder)), "test.py")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertRegex(done.stderr, "Ran [1-9]")

    def test_the_copy_of_the_contract_is_the_contract(self):
        contract = REPOSITORY / "wit" / "millstream-connect@0.1.0" / "connect.wit"
        if not contract.exists():
            self.skipTest("the SDK stands alone here, without the contract to compare with")
        copy = SDK / "src" / "millstream" / "wit" / "deps" / "connect.wit"
        self.assertEqual(copy.read_text(), contract.read_text(), "run sdk/python/bindings.sh")


class Building(unittest.TestCase):
    def setUp(self):
        beside = Path(sys.executable).parent / "componentize-py"
        if not (os.environ.get("COMPONENTIZE_PY") or beside.exists() or shutil.which("componentize-py")):
            self.skipTest("componentize-py is not installed here: pip install componentize-py==0.25.1")
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.project = Path(folder.name)

    def refused(self, source: str, *words: str) -> None:
        (self.project / "plugin.py").write_text(source)
        done = run(self.project, "build.py", "--out", "build/x.wasm")
        self.assertEqual(done.returncode, 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("Stack backtrace", done.stderr)

    def test_a_project_becomes_a_component(self):
        project = made("transform", self.project)
        done = run(project, "build.py", "--out", "build/my-transform.wasm")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        self.assertEqual((project / "build" / "my-transform.wasm").read_bytes()[:4], b"\0asm")

    def test_what_is_wrong_is_told_with_the_authors_file_and_line(self):
        self.refused("x = (\n", 'plugin.py", line 1', "SyntaxError")
        self.refused("import no_such_thing\n", "No module named 'no_such_thing'", "requirements.txt")
        self.refused("x = 1\n", "plugin.py has no Plugin: list your plugins at its end")
        self.refused("from millstream import wait\nwait(1)\n", 'plugin.py", line 2', "there is no host")
        done = run(self.project / "..", "build.py", "--out", "x.wasm", "--project", tempfile.mkdtemp(dir=self.project))
        self.assertIn("there is no src/plugin.py", done.stderr)

    def test_packages_that_are_not_in_pure_python_are_refused(self):
        (self.project / "requirements.txt").write_text("./no-such-package\n")
        self.refused("", "the packages of requirements.txt could not be installed")


if __name__ == "__main__":
    unittest.main()
