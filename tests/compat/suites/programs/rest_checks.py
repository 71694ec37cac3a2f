"""What the programs with clients of the REST API share: a verb is run, how it ended is a line of JSON [verb, ending, words]."""

import json
import time
import urllib.error
import urllib.request


def check(verb, act, right):
    """Runs a verb, and says whether what it gives is right."""
    try:
        found = act()
        ending = ["passed", ""] if right(found) else ["failed", f"gave {found!r}"[:300]]
    except Exception as error:  # The client's own errors are findings.
        ending = ["failed", f"{type(error).__name__}: {error}"[:300]]
    print(json.dumps([verb, *ending]), flush=True)


def refused(act, kind):
    """Whether a verb ends with an error of this kind."""
    try:
        act()
        return False
    except kind:
        return True


def until(address, name, state, act=lambda: None):
    """Does something and waits until the connector and its tasks have a state, and there is one if they run; gives what the
    first gave."""
    found, status, end = act(), None, time.monotonic() + 60
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{address}/connectors/{name}/status", timeout=30) as answer:
                status = json.load(answer)
        except urllib.error.HTTPError as error:
            # A worker of a group has none before something has been started.
            status = f"{error.code}"
        else:
            tasks = {task["state"] for task in status["tasks"]}
            if status["connector"]["state"] == state and tasks <= {state} and (tasks or state != "RUNNING"):
                return found
        time.sleep(0.1)
    raise TimeoutError(f"the connector is not {state}: {status}")


def names(address):
    """The connectors that the worker has, asked for without any client."""
    with urllib.request.urlopen(f"{address}/connectors", timeout=30) as answer:
        return sorted(json.load(answer))
