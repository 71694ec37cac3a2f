#!/usr/bin/env python3
"""Runs the tests of the project in the current folder (`tests/test_*.py`, unittest) without a host.

    python3 test.py [-v] [NAME…]
"""

import os
import sys
import unittest

SDK = os.path.dirname(os.path.abspath(__file__))


def main():
    if sys.version_info < (3, 11):
        print(f"Python {sys.version.split()[0]} is too old: Millstream's SDK needs Python 3.11 or newer", file=sys.stderr)
        return 1
    project = os.getcwd()
    tests = os.path.join(project, "tests")
    if not os.path.isdir(tests):
        tests = project
    for folder in (os.path.join(project, "build", "packages"), os.path.join(SDK, "src"), project, os.path.join(project, "src")):
        if os.path.isdir(folder):
            sys.path.insert(0, folder)
    named = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    if named:
        sys.path.insert(0, tests)
        arguments = [sys.argv[0], *options, *named]
    else:
        arguments = [sys.argv[0], "discover", *options, "-s", tests, "-t", tests]
    return 0 if unittest.main(module=None, argv=arguments, exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
