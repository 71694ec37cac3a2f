#!/usr/bin/env python3
"""Builds a plugin: makes a component of the Python project in the current folder.

    python3 build.py --out build/NAME.wasm

The project has `plugin.py` in `src/` or at its top, where `Plugin = component(...)` stands. What `requirements.txt` names
(packages in pure Python) is put into the component, too. Needs Python 3.11 and componentize-py 0.25.1.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys

NEEDED = "0.25.1"
SDK = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """What the author of the project is told."""


def main():
    parser = argparse.ArgumentParser(description="Makes a component of the Python project in the current folder.")
    parser.add_argument("--out", required=True, help="file to write, such as build/NAME.wasm")
    parser.add_argument("--project", default=".", help="folder of the project")
    arguments = parser.parse_args()
    try:
        build(os.path.abspath(arguments.project), os.path.abspath(arguments.out))
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


def build(project, out):
    if sys.version_info < (3, 11):
        raise Failed(f"Python {sys.version.split()[0]} is too old: Millstream's SDK needs Python 3.11 or newer")
    source = os.path.join(project, "src")
    if not os.path.exists(os.path.join(source, "plugin.py")):
        source = project
    if not os.path.exists(os.path.join(source, "plugin.py")):
        raise Failed(f"there is no src/plugin.py in {project}: it is where Plugin = component(...) stands")
    componentize = find_componentize(project)
    folders = [source, os.path.join(SDK, "src"), os.path.join(SDK, "src", "millstream", "component_modules")]
    folders += packages(project)
    os.makedirs(os.path.dirname(out), exist_ok=True)
    command = [*componentize, "-q", "-w", "component", "componentize", "-o", out]
    for folder in folders:
        command += ["-p", folder]
    # Byte code of this Python is of no use to the one in the component.
    done = subprocess.run([*command, "plugin"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(explained(done.stdout + done.stderr, folders))


def find_componentize(project):
    places = [os.environ.get("COMPONENTIZE_PY")]
    for venv in (os.path.join(project, ".venv"), os.environ.get("VIRTUAL_ENV"), os.path.dirname(os.path.dirname(sys.executable))):
        if venv:
            places += [os.path.join(venv, "bin", "componentize-py"), os.path.join(venv, "Scripts", "componentize-py.exe")]
    places.append(shutil.which("componentize-py"))
    found = next((place for place in places if place and os.path.exists(place)), None)
    how = f"python3 -m venv .venv && .venv/bin/pip install componentize-py=={NEEDED}"
    if found is None:
        raise Failed(f"componentize-py is not installed: run\n\n    {how}\n\nin {project}")
    said = subprocess.run([found, "--version"], capture_output=True, text=True).stdout.split()
    version = said[-1] if said else "that does not start"
    if version != NEEDED:
        raise Failed(f"{found} is componentize-py {version}, and Millstream's SDK needs {NEEDED}: run\n\n    {how}\n\nin {project}")
    return [found]


def packages(project):
    """The folder with the packages of requirements.txt, if there are any."""
    requirements = os.path.join(project, "requirements.txt")
    if not os.path.exists(requirements):
        return []
    with open(requirements, encoding="utf-8") as file:
        text = file.read()
    if not [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]:
        return []
    target = os.path.join(project, "build", "packages")
    stamp = os.path.join(target, ".requirements")
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not (os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == digest):
        shutil.rmtree(target, ignore_errors=True)
        # Only packages in pure Python run in a component.
        pure = ["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none", "--python-version=3.14"]
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *pure]
        done = subprocess.run([*command, "--target", target, "-r", requirements], capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(
                "the packages of requirements.txt could not be installed; a component can only have packages in pure "
                f"Python:\n{done.stderr.strip()}"
            )
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(digest)
    return [target]


def explained(said, folders):
    """What componentize-py says, without its own stack, and with the author's own paths."""
    start = said.find("AssertionError:")
    text = said[start + len("AssertionError:") :] if start >= 0 else said
    text = re.split(r"\n+Caused by:|\nStack backtrace:", text)[0].strip("\n ")

    def path(match):
        number = int(match.group(1))
        return os.path.join(os.path.relpath(folders[number]), "") if number < len(folders) else match.group(0)

    text = re.sub(r'(?<=")/([0-9]+)/', path, text)
    if "has no attribute 'Plugin'" in text:
        return "plugin.py has no Plugin: list your plugins at its end, as Plugin = component(MyTransform)"
    missing = re.search(r"No module named '([^']+)'", text)
    if missing:
        text += (
            f"\n\n{missing.group(1)} is not in the component: name its package in requirements.txt. Packages that are not in "
            "pure Python, and modules that need an operating system, cannot be used."
        )
    return f"the plugin failed while it was loaded:\n{text}"


if __name__ == "__main__":
    sys.exit(main())
