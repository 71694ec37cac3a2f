"""What the bench asks of a broker, by librdkafka: one command line for each load.

    client.py ADDRESS create TOPIC PARTITIONS [NAME=VALUE ...]   makes a topic with these configs
    client.py ADDRESS alter TOPIC NAME=VALUE ...                 sets configs of a topic
    client.py ADDRESS produce TOPIC RECORDS BYTES [KEYS]         acks=all; keys at random out of so many, or none
    client.py ADDRESS spread TOPIC PARTITIONS                    one record to each partition
    client.py ADDRESS consume TOPIC RECORDS TIMES                partition 0 from its beginning, so many times
    client.py ADDRESS transact TOPIC COUNT RECORDS               transactions, one after another, of so many records
    client.py ADDRESS latency TOPIC RATE SECONDS LINGER_MS       prints p50 and p99 from produce() to acknowledgement, in ms

Ends with an error where a record is not acknowledged, or not read.
"""

import random
import sys
import time

import confluent_kafka
from confluent_kafka import admin

LIMIT = 120


def fail(reason):
    sys.exit(f"client.py: {reason}")


def producer(address, **more):
    names = {name.replace("_", "."): value for name, value in more.items()}
    return confluent_kafka.Producer({"bootstrap.servers": address, "acks": "all", "log_level": 3, **names})


def configs(arguments):
    return dict(argument.split("=", 1) for argument in arguments)


def ask(address, call):
    # It has to live until it is answered.
    client = admin.AdminClient({"bootstrap.servers": address, "log_level": 3})
    for future in call(client).values():
        future.result(LIMIT)


def create(address, topic, partitions, *settings):
    new = admin.NewTopic(topic, int(partitions), 1, config=configs(settings))
    ask(address, lambda client: client.create_topics([new], request_timeout=LIMIT))


def alter(address, topic, *settings):
    entries = [
        admin.ConfigEntry(name, value, incremental_operation=admin.AlterConfigOpType.SET)
        for name, value in configs(settings).items()
    ]
    resource = admin.ConfigResource(admin.ResourceType.TOPIC, topic, incremental_configs=entries)
    ask(address, lambda client: client.incremental_alter_configs([resource]))


class Failures:
    """Counts what was not acknowledged; without a callback for each record, librdkafka reports only these."""

    def __init__(self):
        self.errors = []

    def report(self, error, _):
        if error is not None:
            self.errors.append(error)

    def check(self, producer):
        left = producer.flush(LIMIT)
        if left or self.errors:
            fail(f"not acknowledged: {left} records, {self.errors[:3]}")


def put(producer, topic, value, **more):
    while True:
        try:
            return producer.produce(topic, value, **more)
        except BufferError:
            producer.poll(0.01)


def produce(address, topic, records, size, keys="0"):
    failures, value, keys = Failures(), b"v" * int(size), int(keys)
    sender = producer(address, delivery_report_only_error=True)
    random.seed(1)
    for number in range(int(records)):
        key = b"key-%012d" % random.randrange(keys) if keys else None
        put(sender, topic, value, key=key, partition=0, on_delivery=failures.report)
        if number % 1000 == 0:
            sender.poll(0)
    failures.check(sender)


def spread(address, topic, partitions):
    failures, sender = Failures(), producer(address, delivery_report_only_error=True)
    for partition in range(int(partitions)):
        put(sender, topic, b"one", partition=partition, on_delivery=failures.report)
    failures.check(sender)


def consume(address, topic, records, times):
    reader = confluent_kafka.Consumer({
        "bootstrap.servers": address, "group.id": "bench", "enable.auto.commit": False, "log_level": 3,
    })
    for _ in range(int(times)):
        reader.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
        left, end = int(records), time.monotonic() + LIMIT
        while left:
            messages = reader.consume(min(left, 10_000), 1)
            if any(message.error() for message in messages) or end < time.monotonic():
                fail(f"{left} records were not read")
            left -= len(messages)
        reader.unassign()
    reader.close()


def transact(address, topic, count, records):
    failures = Failures()
    sender = producer(address, transactional_id=f"bench-{topic}", delivery_report_only_error=True)
    sender.init_transactions(LIMIT)
    for _ in range(int(count)):
        sender.begin_transaction()
        for _ in range(int(records)):
            put(sender, topic, b"v" * 100, partition=0, on_delivery=failures.report)
        sender.commit_transaction(LIMIT)
    failures.check(sender)


def latency(address, topic, rate, seconds, linger_ms):
    sender, took, failures = producer(address, linger_ms=linger_ms), [], Failures()

    def report(error, message):
        failures.report(error, message)
        took.append(message.latency())

    total, begin = int(rate) * int(seconds), time.monotonic()
    sent = 0
    while sent < total:
        due = min(total, int((time.monotonic() - begin) * int(rate)))
        for _ in range(due - sent):
            put(sender, topic, b"v" * 100, partition=0, on_delivery=report)
        sent = due
        sender.poll(0.001)
    failures.check(sender)
    # The first second is connecting.
    took = sorted(took[int(rate):])
    print(*(f"{took[len(took) * percent // 100] * 1000:.3f}" for percent in (50, 99)))


COMMANDS = {
    "create": create, "alter": alter, "produce": produce, "spread": spread, "consume": consume,
    "transact": transact, "latency": latency,
}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[2] not in COMMANDS:
        fail(__doc__)
    try:
        COMMANDS[sys.argv[2]](sys.argv[1], *sys.argv[3:])
    except confluent_kafka.KafkaException as error:
        fail(error)
