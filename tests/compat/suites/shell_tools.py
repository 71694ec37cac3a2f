"""Kafka's shell tools of 4.3 and 4.4, each with its verbs: what they say and how they end is what they say and how they end
with Apache Kafka 4.3, once ids, times and addresses are left out. Each test is a command; both brokers get all of them, in
the same order."""

import difflib
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

from . import HERE, Missing, call, need

VERSION = "4.3.0 and 4.4.0"
COMPAT = HERE.parent
RELEASES = ("4.3", "4.4")
SECURITY = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS"}
COUNTS = {"offsets.topic.num.partitions": 3, "transaction.state.log.num.partitions": 3}

TOOLS = {
    "topics": "TopicCommand", "configs": "kafka.admin.ConfigCommand", "groups": "consumer.group.ConsumerGroupCommand",
    "all-groups": "GroupsCommand", "acls": "AclCommand", "delete-records": "DeleteRecordsCommand",
    "get-offsets": "GetOffsetShell", "log-dirs": "LogDirsCommand", "leader-election": "LeaderElectionCommand",
    "reassign-partitions": "reassign.ReassignPartitionsCommand", "features": "FeatureCommand",
    "transactions": "TransactionsCommand", "client-metrics": "ClientMetricsCommand",
    "broker-api-versions": "BrokerApiVersionsCommand", "cluster": "ClusterTool", "producer-perf": "ProducerPerformance",
    "consumer-perf": "ConsumerPerformance", "console-producer": "ConsoleProducer",
    "console-consumer": "consumer.ConsoleConsumer", "verifiable-producer": "VerifiableProducer",
    "verifiable-consumer": "VerifiableConsumer", "delegation-tokens": "DelegationTokenCommand",
    "share-groups": "consumer.group.ShareGroupCommand", "streams-groups": "streams.StreamsGroupCommand",
}
# Files that commands name.
FILES = {
    "delete.json": '{"version":1,"partitions":[{"topic":"t","partition":0,"offset":3},{"topic":"none","partition":0,"offset":1}]}',
    "elect.json": '{"partitions":[{"topic":"t","partition":0}]}',
    "move.json": '{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[7]}]}',
    "same.json": '{"version":1,"partitions":[{"topic":"t","partition":0,"replicas":[1]}]}',
    "topics.json": '{"version":1,"topics":[{"topic":"t"}]}',
    "reset.csv": "t,0,2\n",
}

# Commands, with what they read behind ` < `.
COMMANDS = r"""
topics --create --topic t --partitions 2 --config retention.ms=100000
topics --create --topic t
topics --create --topic t --if-not-exists
topics --create --topic a/b
topics --create --topic many --replication-factor 3
topics --create --topic odd --config retention.ms=soon
topics --create --topic odd --config what.is.this=1
topics --create --topic single --partitions 1
topics --list
topics --describe
topics --describe --topic t
topics --describe --topic none
topics --describe --topics-with-overrides
topics --describe --under-replicated-partitions
topics --describe --unavailable-partitions
topics --alter --topic t --partitions 3
topics --alter --topic t --partitions 1
topics --alter --topic none --partitions 3
console-producer --topic t --property parse.key=true --property key.separator=: < k1:v1\nk2:v2\nk3:v3\nk1:v4\nk5:v5\nk6:v6
console-producer --topic single --compression-codec zstd < one\ntwo\nthree\nfour\nfive
console-consumer --topic single --from-beginning --max-messages 5
console-consumer --topic single --partition 0 --offset 3 --max-messages 2 --property print.offset=true --property print.partition=true
console-consumer --topic t --from-beginning --max-messages 6 --group tools --property print.key=true
console-consumer --topic single --from-beginning --max-messages 2 --group new --consumer-property group.protocol=consumer
console-consumer --topic single --from-beginning --timeout-ms 3000 --isolation-level read_committed
get-offsets --topic t
get-offsets --topic t --time earliest
get-offsets --topic single --time max-timestamp
get-offsets --topic single --time 0
get-offsets --topic-partitions t:0-2,single
get-offsets --exclude-internal-topics
get-offsets --topic none
delete-records --offset-json-file @DIR@/delete.json
get-offsets --topic t --time -2
groups --list
groups --list --state
groups --list --type
groups --describe --group tools
groups --describe --group tools --state
groups --describe --group tools --members --verbose
groups --describe --group new
groups --describe --group new --state
groups --describe --group none
groups --describe --all-groups --state
groups --reset-offsets --group tools --topic t --to-earliest --dry-run
groups --reset-offsets --group tools --topic t:0 --to-offset 1 --execute
groups --reset-offsets --group tools --topic t --shift-by -1 --execute
groups --reset-offsets --group tools --topic t --to-datetime 2020-01-01T00:00:00.000 --execute
groups --reset-offsets --group tools --from-file @DIR@/reset.csv --execute
groups --reset-offsets --group new --topic single --to-latest --execute
groups --reset-offsets --group tools --topic t --to-earliest --export --dry-run
groups --delete-offsets --group tools --topic t
groups --delete-offsets --group none --topic t
groups --validate-regex t.*
groups --delete --group tools --group none
all-groups --list
all-groups --list --consumer
configs --entity-type topics --entity-name t --describe
configs --entity-type topics --entity-name t --describe --all
configs --entity-type topics --entity-name t --alter --add-config cleanup.policy=[compact,delete],max.message.bytes=2000000
configs --entity-type topics --entity-name t --describe
configs --entity-type topics --entity-name t --alter --delete-config cleanup.policy
configs --entity-type topics --entity-name t --alter --delete-config cleanup.policy
configs --entity-type topics --entity-name t --alter --add-config retention.ms=soon
configs --entity-type topics --entity-name none --alter --add-config retention.ms=5
configs --entity-type brokers --entity-name 1 --describe
configs --entity-type brokers --entity-default --describe
configs --entity-type brokers --entity-name 1 --alter --add-config log.cleaner.backoff.ms=12000
configs --entity-type brokers --entity-name 1 --alter --add-config node.id=5
configs --entity-type users --entity-name u --alter --add-config producer_byte_rate=1024,consumer_byte_rate=2048
configs --entity-type users --describe
configs --entity-type users --entity-name u --entity-type clients --entity-name c --alter --add-config request_percentage=50
configs --entity-type users --entity-name u --entity-type clients --entity-name c --describe
configs --entity-type clients --entity-default --alter --add-config producer_byte_rate=99
configs --entity-type clients --describe
configs --entity-type users --entity-name u --alter --delete-config producer_byte_rate,consumer_byte_rate
configs --entity-type users --entity-name s --alter --add-config SCRAM-SHA-256=[iterations=8192,password=secret]
configs --entity-type users --entity-name s --describe
configs --entity-type users --entity-name s --alter --delete-config SCRAM-SHA-256
configs --entity-type users --entity-name s --alter --delete-config SCRAM-SHA-512
configs --entity-type groups --entity-name new --describe
configs --entity-type groups --entity-name new --alter --add-config consumer.session.timeout.ms=50000
configs --entity-type client-metrics --entity-name m --describe
configs --entity-type ips --entity-name 127.0.0.1 --alter --add-config connection_creation_rate=100
configs --entity-type ips --describe
configs --entity-type broker-loggers --entity-name 1 --describe
acls --add --allow-principal User:alice --operation Read --topic t
acls --add --allow-principal User:bob --producer --topic single --resource-pattern-type prefixed
acls --add --deny-principal User:eve --allow-host 10.0.0.1 --operation All --group *
acls --list
acls --list --topic t
acls --list --principal User:bob
acls --remove --allow-principal User:alice --operation Read --topic t --force
acls --remove --topic single --resource-pattern-type prefixed --force
acls --list
log-dirs --describe --topic-list t
log-dirs --describe --broker-list 1 --topic-list none
log-dirs --describe --broker-list 7 --topic-list t
leader-election --election-type preferred --all-topic-partitions
leader-election --election-type preferred --topic t --partition 0
leader-election --election-type unclean --topic t --partition 0
leader-election --election-type preferred --topic none --partition 0
leader-election --election-type preferred --path-to-json-file @DIR@/elect.json
reassign-partitions --list
reassign-partitions --generate --topics-to-move-json-file @DIR@/topics.json --broker-list 1
reassign-partitions --reassignment-json-file @DIR@/same.json --execute
reassign-partitions --reassignment-json-file @DIR@/same.json --verify
reassign-partitions --reassignment-json-file @DIR@/move.json --execute
reassign-partitions --reassignment-json-file @DIR@/same.json --cancel
features describe
features upgrade --feature transaction.version=2 --dry-run
features upgrade --feature transaction.version=9
features downgrade --feature nonsense=1
features version-mapping --release-version 4.3-IV0
transactions list
transactions describe-producers --topic t --partition 0
transactions describe --transactional-id none
transactions find-hanging --broker-id 1
transactions abort --topic t --partition 0 --start-offset 0
client-metrics --describe
client-metrics --list
client-metrics --alter --name m --metrics org.apache.kafka.producer. --interval 10000
client-metrics --delete --name m
cluster cluster-id
cluster list-endpoints
cluster unregister --id 7
producer-perf --topic single --num-records 2000 --record-size 100 --throughput 100000 --command-property acks=all
producer-perf --topic single --num-records 500 --record-size 100 --throughput 100000 --transactional-id perf --transaction-duration-ms 100
consumer-perf --topic single --num-records 2000 --group perf
transactions list
transactions describe --transactional-id perf
transactions describe-producers --topic single --partition 0
transactions find-hanging --broker-id 1 --max-transaction-timeout 15
verifiable-producer --topic single --max-messages 20 --acks -1
verifiable-consumer --topic single --group-id verified --max-messages 50 --reset-policy earliest
verifiable-consumer --topic single --group-id static --group-instance-id one --max-messages 50 --reset-policy earliest
verifiable-consumer --topic single --group-id static --group-instance-id one --max-messages 50 --reset-policy earliest
verifiable-consumer --topic single --group-id next --group-protocol consumer --max-messages 50 --reset-policy earliest
groups --describe --group static --members
groups --describe --group static
delegation-tokens --describe
share-groups --list
streams-groups --list
topics --delete --topic single
topics --delete --topic single
topics --delete --topic single --if-exists
topics --list
broker-api-versions
"""


def commands(release):
    """Lines for ShellTools.java, by the tests' names."""
    lines = {}
    for line in COMMANDS.strip().splitlines():
        command, _, said = line.partition(" < ")
        tool, *arguments = command.split(" ")
        name = f"{release}_{len(lines) + 1:03}_" + command.replace(" ", "_")
        main = TOOLS[tool] if TOOLS[tool].startswith("kafka.") else f"org.apache.kafka.tools.{TOOLS[tool]}"
        if main.startswith("kafka.admin") and release == "4.4":
            main = "org.apache.kafka.tools.ConfigCommand"
        where = ["--bootstrap-server", "@SERVER@"]
        # Those of several verbs want the verb first.
        own = arguments[:1] + where + arguments[1:] if tool == "cluster" else where + arguments
        lines[name] = "\t".join([name, main, *own, said])
    return lines


# What differs from run to run.
BLUR = [
    (r"console-consumer-\d+", "console-consumer-N"), (r"Epoch: \d+", "Epoch: N"), (r"(?m)^.* records sent, .*$", ""),
    (r"\x1b\[[0-9;]*m", ""),
    (r"127\.0\.0\.1:\d+", "ADDRESS"), (r"\b(localhost|127\.0\.0\.1)\b", "HOST"), (r"\bport: ?\d+|\b[1-3]\d{4}\b", "PORT"),
    (r"/\S+/(data|kafka/data|broker)\b", "DATA"), (r"\b1[5-9]\d{11}\b", "TIME"), (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,:]\d+", "TIME"),
    (r"(TopicId: )\S+", r"\1ID"), (r"[A-Za-z0-9_-]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"(Cluster ID: )\S+", r"\1ID"), (r'"(clusterId|cluster)":"[^"]*"', "CLUSTER"),
    (r'"(size|offsetLag|totalBytes|usableBytes)":\d+', r'"\1":N'), (r"correlation id \d+", "correlation id N"),
    (r"[\d.]+ (records/sec|MB/sec|ms)\b", r"N \1"), (r"\d+\.\d+", "F"), (r"ProducerId \S+|producerId=\d+", "PRODUCER"),
    (r"(?m)^\s*\d+(\s+\d+\s+-?\d+\s+-?\d+\s+TIME)", r"PRODUCER\1"), (r"(?m)(TIME\s+)\d+\s*$", r"\1N"),
    (r"(?m)^TIME, TIME, .*$", "CONSUMED"),
    # After a minute of asking for a topic that is not there: what the client was at just then.
    (r"TimeoutException: (Call\(|Timed out waiting).*", "TimeoutException"),
    # Said by Kafka's libraries of themselves.
    (r"(?m)^(\[[\w.| =-]+\] )?(WARN|INFO|SLF4J).*$", ""), (r"(?m)^\[.*\] (WARN|INFO|ERROR) .*$", ""),
]


def blurred(text):
    for pattern, instead in BLUR:
        text = re.sub(pattern, instead, text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("at ")]
    # In the order of a hash, and some as often as it happens.
    return sorted(set(lines))


def prepare(home):
    need("java", "javac")
    for release in RELEASES:
        call(COMPAT / "kafka.sh", "libs", env={**os.environ, "KAFKA": release})


def tests(short):
    return [name for release in RELEASES for name in commands(release)]


def brokers(tests, short):
    for release in RELEASES:
        wanted = [test for test in tests if test.startswith(release)]
        if wanted:
            yield {**SECURITY, **COUNTS}, wanted


def said(address, release):
    """What each command says and how it ends."""
    with tempfile.TemporaryDirectory(prefix="tools-") as folder:
        for name, text in FILES.items():
            (pathlib.Path(folder) / name).write_text(text)
        script = "\n".join(commands(release).values()) + "\n"
        done = subprocess.run([COMPAT / "kafka.sh", "run", COMPAT / "ShellTools.java", address, folder], input=script,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=1800,
                              env={**os.environ, "KAFKA": release})
        blocks = re.split(r"(?m)^== (\S+_\S+)$", done.stdout.replace(folder, "DIR"))
        return dict(zip(blocks[1::2], blocks[2::2]))


class Kafka:
    """Apache Kafka 4.3 beside the broker that is tested."""

    def __enter__(self):
        from_port = 20000 + os.getpid() % 9000
        ports = [port for port in range(from_port, from_port + 2000) if free(port)][:2]
        self.folder = tempfile.TemporaryDirectory(prefix="kafka-")
        lines = "".join(f"{key}={value}\n" for key, value in SECURITY.items())
        self.process = subprocess.Popen(
            [COMPAT / "kafka.sh", "broker", f"{self.folder.name}/kafka", *map(str, ports)], stdin=subprocess.PIPE,
            env={**os.environ, "SETTINGS": lines, "KAFKA": ""})
        limit = time.monotonic() + 240
        while free(ports[0]):
            if limit < time.monotonic() or self.process.poll() is not None:
                raise Missing("Apache Kafka does not start")
            time.sleep(0.2)
        return f"127.0.0.1:{ports[0]}"

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()
        self.folder.cleanup()


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def run(address, tests, short):
    release = tests[0].split("_")[0]
    with Kafka() as kafka:
        theirs = said(kafka, release)
    ours = said(address, release)
    results = {}
    for name in commands(release):
        expected, found = (blurred(them.get(name, "was not run")) for them in (theirs, ours))
        same = expected == found and expected != ["was not run"]
        words = "\n".join(difflib.unified_diff(expected, found, "Kafka", "here", lineterm="", n=0))
        if name in tests:
            results[name] = ("passed" if same else "failed", words)
    return results
