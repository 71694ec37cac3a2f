"""One Kafka client, driven over standard input: confluent-kafka's, which is librdkafka.

    peer.py ADDRESS

Each line is a JSON object that says what to do, each answer another one; nothing is done at once with something else.
Ends with its input. An answer has "ok", or "failed" (it certainly did not happen), or "unknown", with the reason.
"""

import json
import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

# What a client gives up without an answer, in seconds.
LIMIT = 20


class Peer:
    def __init__(self, address):
        self.address = address
        self.producer = self.consumer = None
        self.moved = False
        self.own_group = False

    def open(self, isolation, group, consumer_protocol, transactional_id, transaction_timeout_ms, delivery_timeout_ms):
        common = {"bootstrap.servers": self.address, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 200,
                  "socket.connection.setup.timeout.ms": 2000, "socket.timeout.ms": 3000, "log_level": 0,
                  "error_cb": lambda error: None}
        producer = {**common, "enable.idempotence": True, "linger.ms": 1, "delivery.timeout.ms": delivery_timeout_ms,
                    "request.timeout.ms": 3000, "retry.backoff.ms": 50}
        if transactional_id:
            producer |= {"transactional.id": transactional_id, "transaction.timeout.ms": transaction_timeout_ms,
                         "delivery.timeout.ms": min(delivery_timeout_ms, transaction_timeout_ms)}
        self.producer = Producer(producer)
        consumer = {**common, "group.id": group or "nobody", "isolation.level": isolation, "auto.offset.reset": "earliest",
                    "enable.auto.commit": bool(group) and not transactional_id, "auto.commit.interval.ms": 200,
                    "max.poll.interval.ms": 20000,
                    "fetch.wait.max.ms": 100, "fetch.error.backoff.ms": 50, "topic.metadata.refresh.interval.ms": 5000}
        if consumer_protocol:
            # Its times are the broker's to choose.
            consumer["group.protocol"] = "consumer"
        else:
            consumer |= {"session.timeout.ms": 2000, "heartbeat.interval.ms": 300}
        self.consumer = Consumer(consumer)
        self.own_group = bool(group)
        if transactional_id:
            self.repeat(lambda: self.producer.init_transactions(5))
        return {}

    def repeat(self, work):
        """Again for as long as the client says that it is worth it."""
        end = time.monotonic() + LIMIT
        while True:
            try:
                return work()
            except KafkaException as failure:
                if not failure.args[0].retriable() or end < time.monotonic():
                    raise
                time.sleep(0.02)

    def assign(self, partitions):
        self.consumer.assign([TopicPartition(topic, index, confluent_kafka.OFFSET_BEGINNING) for topic, index in partitions])
        return {}

    def subscribe(self, topics, partitions):
        """To topics as a member, or to partitions from where the group is."""
        if partitions:
            self.consumer.assign([TopicPartition(topic, index) for topic, index in partitions])
        else:
            moved = lambda *_: setattr(self, "moved", True)
            self.consumer.subscribe(topics, on_assign=moved, on_revoke=moved, on_lost=moved)
        return {}

    def begin(self):
        self.producer.begin_transaction()
        return {}

    def send(self, records):
        fates = ["unknown"] * len(records)

        def reporter(at):
            def report(error, message):
                if error is None:
                    fates[at] = message.offset() if message.offset() >= 0 else "written"
                elif error.code() == KafkaError._PURGE_QUEUE:
                    fates[at] = "refused"
            return report
        for at, (topic, index, value) in enumerate(records):
            try:
                self.producer.produce(topic, value.encode(), partition=index, on_delivery=reporter(at))
            except KafkaException:
                # It was not even put into the queue.
                fates[at] = "refused"
        self.producer.flush(LIMIT)
        return {"fates": fates}

    def poll(self, max, wait_ms):
        self.moved = False
        records = []
        for message in self.consumer.consume(max, wait_ms / 1000):
            error = message.error()
            if error is None:
                records.append([message.topic(), message.partition(), message.offset(), message.value().decode()])
            elif error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT):
                pass
            elif not error.retriable() and error.code() not in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._MAX_POLL_EXCEEDED):
                raise KafkaException(error)
        return {"moved": self.moved, "records": records}

    def offsets(self, offsets):
        metadata = self.consumer.consumer_group_metadata()
        wanted = [TopicPartition(topic, index, offset) for topic, index, offset in offsets]
        self.repeat(lambda: self.producer.send_offsets_to_transaction(wanted, metadata, 5))
        return {}

    def commit(self):
        self.repeat(lambda: self.producer.commit_transaction(5))
        return {}

    def abort(self):
        self.repeat(lambda: self.producer.abort_transaction(5))
        return {}

    def close(self):
        if self.consumer:
            self.consumer.close()
        return {}


def main():
    peer = Peer(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("do")
        try:
            answer = {"ok": True, **getattr(peer, name)(**request)}
        except KafkaException as failure:
            error = failure.args[0]
            # A transaction that can only be aborted was not committed; whatever else has failed may have happened.
            certain = error.txn_requires_abort()
            answer = {"failed" if certain else "unknown": str(error)}
        print(json.dumps(answer), flush=True)


main()
