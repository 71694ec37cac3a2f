"""Librdkafka's consumers under the consumer protocol (KIP-848), each a process of its own: they share a group, one is
killed, patterns stand for topics, a static member comes back to its partitions, and offsets are kept. Prints what was
waited for; ends with an error where it is waited in vain.

    consumer_groups.py ADDRESS                                  all of that
    consumer_groups.py ADDRESS member TOPIC GROUP [INSTANCE]    one member, until its standard input ends

Whoever is killed has to be given up in time: the broker needs a grace for broken connections, or a short session.
"""

import subprocess
import sys
import threading
import time

import confluent_kafka
from confluent_kafka.admin import AdminClient, NewTopic

LIMIT = 60


def fail(reason):
    sys.exit(f"consumer_groups.py: {reason}")


class Member:
    """A process that is a member of a group, and what it says of its partitions."""

    def __init__(self, *arguments):
        command = [sys.executable, __file__, sys.argv[1], "member", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.has, self.history, self.failed = frozenset(), [], None
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "has":
                self.has = frozenset(rest.split())
                self.history.append(self.has)
            else:
                self.failed = line.strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait(LIMIT)

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)


def until(what, reached, *members):
    end = time.monotonic() + LIMIT
    while not reached():
        failed = [member.failed for member in members if member.failed]
        if failed or end < time.monotonic():
            fail(f"waited in vain: {what}: {failed or [sorted(member.has) for member in members]}")
        time.sleep(0.02)
    print(what, flush=True)


def member(address, topic, group, instance=""):
    """Says what it has whenever that changes, and commits what it reads, until its input ends."""
    settings = {
        "bootstrap.servers": address, "group.id": group, "group.protocol": "consumer",
        "auto.offset.reset": "earliest", "enable.auto.commit": False, "topic.metadata.refresh.interval.ms": 500,
    }
    if instance:
        settings["group.instance.id"] = instance
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic])
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    before = None
    while not ended.is_set():
        message = consumer.poll(0.1)
        has = sorted(f"{it.topic}-{it.partition}" for it in consumer.assignment())
        if has != before:
            before = has
            print("has", *has, flush=True)
        if message is None:
            continue
        if message.error():
            print("error", message.error(), flush=True)
        else:
            consumer.commit(message, asynchronous=False)
    consumer.close()


def committed(address, group, topic, partitions):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": address, "group.id": group})
    places = [confluent_kafka.TopicPartition(topic, number) for number in range(partitions)]
    found = consumer.committed(places, timeout=LIMIT)
    consumer.close()
    return [place.offset for place in found]


def scenario(address):
    admin = AdminClient({"bootstrap.servers": address})
    made = admin.create_topics([NewTopic("orders", 4, 1), NewTopic("other", 1, 1)])
    [future.result(LIMIT) for future in made.values()]
    whole = {f"orders-{number}" for number in range(4)}

    a = Member("orders", "g")
    until("one has everything", lambda: a.has == whole, a)
    b = Member("orders", "g")
    until("two share it", lambda: a.has | b.has == whole and len(a.has) == len(b.has) == 2, a, b)
    producer = confluent_kafka.Producer({"bootstrap.servers": address})
    for number in range(200):
        producer.produce("orders", str(number).encode(), partition=number % 4)
    b.kill()
    until("one is killed, and the other has everything again", lambda: a.has == whole, a)
    producer.flush(LIMIT)
    until("all is read and committed", lambda: committed(address, "g", "orders", 4) == [50] * 4, a)
    a.close()

    pattern = Member("^ord.*", "p")
    until("a pattern stands for a topic", lambda: pattern.has == whole, pattern)
    admin.create_topics([NewTopic("ordinary", 1, 1)])["ordinary"].result(LIMIT)
    until("and for another one that is made", lambda: pattern.has == whole | {"ordinary-0"}, pattern)
    pattern.close()

    fixed, plain = Member("orders", "s", "one"), Member("orders", "s")
    shared = lambda: fixed.has | plain.has == whole and len(fixed.has) == len(plain.has) == 2
    until("a static member and another", shared, fixed, plain)
    had, steps = fixed.has, len(plain.history)
    fixed.close()
    again = Member("orders", "s", "one")
    until("the static member is back with what it had", lambda: again.has == had, again, plain)
    if len(plain.history) != steps:
        fail(f"the other one was moved: {plain.history}")
    again.close()
    plain.close()

    print("done")


if __name__ == "__main__":
    if 2 < len(sys.argv):
        member(sys.argv[1], *sys.argv[3:])
    else:
        scenario(sys.argv[1])
