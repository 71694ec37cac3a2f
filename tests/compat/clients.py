"""Python's Kafka clients, one command line for all:

    clients.py ADDRESS CLIENT produce TOPIC FROM TO       sends the numbers FROM to TO - 1, in order
    clients.py ADDRESS CLIENT plain TOPIC CODEC COUNT     sends COUNT numbers from 0 in CODEC, without idempotence
    clients.py ADDRESS CLIENT consume TOPIC GROUP COUNT   prints the next COUNT values of the group, and commits

CLIENT is confluent, kafka-python or aiokafka.
"""

import asyncio
import sys
import time

LIMIT = 60


def fail(reason):
    sys.exit(f"clients.py: {reason}")


def confluent(address):
    import confluent_kafka

    def produce(topic, numbers, codec="zstd", idempotent=True):
        failed = []
        producer = confluent_kafka.Producer({
            "bootstrap.servers": address, "enable.idempotence": idempotent, "compression.type": codec,
            "linger.ms": 1, "reconnect.backoff.max.ms": 200,
        })
        for number in numbers:
            report = lambda error, _: failed.append(error) if error else None
            producer.produce(topic, str(number).encode(), on_delivery=report)
            producer.poll(0)
            if number % 100 == 0:
                # Spread over some time, in which the broker may come and go.
                producer.poll(0.01)
        if producer.flush(LIMIT) or failed:
            fail(f"not delivered: {failed[:3]}")

    def consume(topic, group, count):
        consumer = confluent_kafka.Consumer({
            "bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        })
        consumer.subscribe([topic])
        values, end = [], time.monotonic() + LIMIT
        while len(values) < count and time.monotonic() < end:
            message = consumer.poll(0.2)
            if message is not None and not message.error():
                values.append(message.value())
        consumer.commit(asynchronous=False)
        consumer.close()
        return values

    return produce, consume


def kafka_python(address):
    import kafka

    def produce(topic, numbers, codec="gzip", idempotent=True):
        producer = kafka.KafkaProducer(
            bootstrap_servers=address, enable_idempotence=idempotent, acks="all" if idempotent else 1, linger_ms=1,
            compression_type=None if codec == "none" else codec,
        )
        sent = [producer.send(topic, str(number).encode()) for number in numbers]
        producer.flush(LIMIT)
        for future in sent:
            future.get(LIMIT)
        producer.close()

    def consume(topic, group, count):
        consumer = kafka.KafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest",
            enable_auto_commit=False, max_poll_records=count,
        )
        values, end = [], time.monotonic() + LIMIT
        while len(values) < count and time.monotonic() < end:
            # Where a poll ends in the middle of joining, kafka-python 3.0.12 forgets what it was assigned.
            for records in consumer.poll(timeout_ms=10_000, max_records=count - len(values)).values():
                values.extend(record.value for record in records)
        consumer.commit()
        consumer.close()
        return values

    return produce, consume


def aio_kafka(address):
    import aiokafka

    async def produce_all(topic, numbers, codec, idempotent):
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=address, enable_idempotence=idempotent, linger_ms=1,
            compression_type=None if codec == "none" else codec,
        )
        await producer.start()
        sent = [await producer.send(topic, str(number).encode()) for number in numbers]
        await asyncio.gather(*sent)
        await producer.stop()

    async def consume_some(topic, group, count):
        consumer = aiokafka.AIOKafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        values, end = [], time.monotonic() + LIMIT
        while len(values) < count and time.monotonic() < end:
            polled = await consumer.getmany(timeout_ms=200, max_records=count - len(values))
            for records in polled.values():
                values.extend(record.value for record in records)
        await consumer.commit()
        await consumer.stop()
        return values

    def produce(topic, numbers, codec="lz4", idempotent=True):
        asyncio.run(asyncio.wait_for(produce_all(topic, numbers, codec, idempotent), LIMIT))

    def consume(topic, group, count):
        return asyncio.run(consume_some(topic, group, count))

    return produce, consume


def main(address, client, action, topic, first, second):
    clients = {"confluent": confluent, "kafka-python": kafka_python, "aiokafka": aio_kafka}
    produce, consume = clients[client](address)
    if action == "produce":
        produce(topic, range(int(first), int(second)))
        return
    if action == "plain":
        produce(topic, range(int(second)), codec=first, idempotent=False)
        return
    values = consume(topic, first, int(second))
    print("\n".join(value.decode() for value in values))


if __name__ == "__main__":
    main(*sys.argv[1:])
