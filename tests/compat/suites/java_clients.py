"""Java's clients of Kafka 4.3 and 4.4, as programs: producers of every codec, idempotent and transactional, consumers of both
protocols in one group, administrators, and a copier whose transactions abort by chance. What 4.4 can do beyond 4.3 has
to be left alone by it, since the broker announces 4.3."""

import os
import subprocess

from . import HERE, Missing, call, need

VERSION = "4.3.0 and 4.4.0"
COMPAT = HERE.parent
RELEASES = ("4.3", "4.4")
KAFKA = COMPAT / "kafka.sh"
LIMIT_S = 300
RECORDS = 500


def prepare(home):
    need("java", "javac")
    for release in RELEASES:
        call(KAFKA, "libs", env={**os.environ, "KAFKA": release})


def tests(short):
    return [f"{release}_{name}" for release in RELEASES[-1 if short else 0:] for name in SCENARIOS]


def brokers(tests, short):
    for release in RELEASES:
        wanted = [test for test in tests if test.startswith(release)]
        if wanted:
            yield {"group.consumer.heartbeat.interval.ms": 200, "group.consumer.min.heartbeat.interval.ms": 200,
                   "group.consumer.assignment.interval.ms": 0, "log.cleaner.backoff.ms": 200, "num.partitions": 1,
                   "log.flush.start.offset.checkpoint.interval.ms": 200, "offsets.topic.num.partitions": 3,
                   "transaction.state.log.num.partitions": 3}, wanted


def program(release, *arguments, said=""):
    """What a program prints that has to succeed."""
    done = subprocess.run([KAFKA, "run", *arguments], input=said, text=True, timeout=LIMIT_S, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, errors="replace", env={**os.environ, "KAFKA": release})
    assert done.returncode == 0, (done.stdout + done.stderr)[-1000:]
    return done.stdout


def consumers_of_both_protocols(release, address):
    assert program(release, COMPAT / "ConsumerGroups.java", address).endswith("done\n")


def all_that_files_can_hold(release, address):
    step = lambda name: program(release, COMPAT / "Files.java", name, address)
    assert step("fill").endswith("done\n")
    assert step("print") == step("print")
    assert step("go-on").endswith("done\n")


def transactional_copier(release, address):
    lines = "".join(f"line {number}\n" for number in range(RECORDS))
    program(release, "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", address, "--topic", "in", said=lines)
    program(release, "org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", address, "--input-topic", "in",
            "--input-partition", "0", "--output-topic", "out", "--max-messages", str(RECORDS), "--consumer-group", "copiers",
            "--transaction-size", "50", "--transactional-id", "copier", "--enable-random-aborts", "--group-mode",
            "--use-group-metadata")
    found = program(release, "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", address, "--topic",
                    "out", "--from-beginning", "--isolation-level", "read_committed", "--max-messages", str(RECORDS),
                    "--timeout-ms", "30000")
    assert "".join(line + "\n" for line in found.splitlines() if line.startswith("line ")) == lines, found[-300:]


SCENARIOS = {"consumers_of_both_protocols": consumers_of_both_protocols, "all_that_files_can_hold": all_that_files_can_hold,
             "transactional_copier": transactional_copier}


def run(address, tests, short):
    results = {}
    for test in tests:
        release, name = test.split("_", 1)
        try:
            SCENARIOS[name](release, address)
            results[test] = ("passed", "")
        except (AssertionError, OSError, subprocess.SubprocessError, Missing) as error:
            results[test] = ("failed", " ".join(repr(error).split())[-300:])
    return results
