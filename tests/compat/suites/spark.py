"""Spark's structured streaming: its Kafka source and sink read and write, go on from a checkpoint after an end and after a
kill, and see committed records only where that is asked for. programs/spark_streams.py holds the steps."""

import os
import subprocess
import tempfile

from . import HERE, call, need, once

PYSPARK, CONNECTOR = "4.3.0", "4.2.0"
VERSION = f"{PYSPARK} with Kafka connector {CONNECTOR}"
TESTS = ["write_and_read", "restart_from_checkpoint", "kill_and_restart", "read_committed"]
home = None


def prepare(folder):
    global home
    need("java", "mvn", "python3")
    home = folder / f"spark-{PYSPARK}-{CONNECTOR}"

    def make(to):
        call("python3", "-m", "venv", to / "python")
        call(to / "python/bin/pip", "install", "-q", "--disable-pip-version-check", f"pyspark=={PYSPARK}")
        call("mvn", "-q", "-B", "-f", HERE / "programs/spark-pom.xml", f"-Dspark.version={CONNECTOR}",
             "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={to / 'jars'}")

    once(home, make)


def tests(short):
    return TESTS


def brokers(tests, short):
    yield {"num.partitions": 3, "log.cleaner.backoff.ms": 200}, tests


def command(address, folder, *step):
    return [str(part) for part in
            (home / "python/bin/python", HERE / "programs/spark_streams.py", home / "jars", address, folder, *step)]


def step(address, folder, *what):
    done = subprocess.run(command(address, folder, *what), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", timeout=600)
    assert done.returncode == 0, f"{what}: {done.stderr[-3000:]}"
    return [line.split(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith(("row ", "value "))]


def kafkas(*arguments):
    return subprocess.run([HERE.parent / "kafka.sh", "run", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, check=True, timeout=300).stdout


def copied(address, topic):
    found = kafkas("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", address, "--topic", topic,
                   "--from-beginning", "--timeout-ms", "5000")
    return sorted(int(line) for line in found.split())


class Scene:
    def __init__(self, address, folder):
        self.address, self.folder, self.written = address, folder, 0

    def write(self, count):
        step(self.address, self.folder, "write", self.written, self.written + count)
        self.written += count

    def write_and_read(self):
        self.write(300)
        rows = [row.split(" ") for row in step(self.address, self.folder, "read")]
        assert sorted(int(row[1]) for row in rows) == list(range(300)), rows
        assert all(row[0] == str(int(row[1]) % 7) and row[4:] == ["h", "x"] for row in rows), rows
        assert len({(row[2], row[3]) for row in rows}) == 300, rows

    def restart_from_checkpoint(self):
        step(self.address, self.folder, "stream", "copied")
        assert copied(self.address, "copied") == list(range(self.written))
        self.write(120)
        step(self.address, self.folder, "stream", "copied")
        assert copied(self.address, "copied") == list(range(self.written)), "each once: nothing was stopped half-way"

    def kill_and_restart(self):
        for _ in range(2):
            process = subprocess.Popen(command(self.address, self.folder, "endless", "killed"), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, process_group=0)
            try:
                for line in process.stdout:
                    # Some batches of fifty have been through, and others are to come.
                    if line.startswith("batch ") and 2 <= int(line.split()[1]):
                        break
            finally:
                # Spark's JVM is a child of it.
                os.killpg(process.pid, 9)
                process.wait()
            self.write(200)
        step(self.address, self.folder, "stream", "killed")
        assert sorted(set(copied(self.address, "killed"))) == list(range(self.written)), "none is lost"

    def read_committed(self):
        kafkas(HERE.parent / "Files.java", "fill", self.address)
        printed = kafkas(HERE.parent / "Files.java", "print", self.address).splitlines()
        expected = [line.split("'")[3] for line in printed
                    if line.startswith("record transactional-") and " read_committed " in line]
        found = step(self.address, self.folder, "committed")
        assert sorted(found) == sorted(expected) and expected, (len(found), len(expected))


def run(address, tests, short):
    results = {}
    with tempfile.TemporaryDirectory(prefix="spark-") as folder:
        scene = Scene(address, folder)
        for test in TESTS:
            try:
                getattr(scene, test)()
                results[test] = ("passed", "")
            except (AssertionError, subprocess.SubprocessError) as error:
                results[test] = ("failed", str(error))
    return {test: results[test] for test in tests}
