"""Scenarios with aiokafka, whose distribution brings no tests. BROKER is the broker's address."""

import asyncio
import os
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced, TopicAlreadyExistsError

BROKER = os.environ["BROKER"]
LIMIT = 60


def fresh(kind):
    return f"{kind}-{uuid.uuid4()}"


def scenario(work):
    """Runs a test that is a coroutine, within a bound."""
    def run(**arguments):
        asyncio.run(asyncio.wait_for(work(**arguments), 4 * LIMIT))
    run.__signature__ = __import__("inspect").signature(work)
    run.__name__, run.pytestmark = work.__name__, getattr(work, "pytestmark", [])
    return run


async def make_topic(partitions=1):
    name = fresh("topic")
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await admin.start()
    await admin.create_topics([NewTopic(name, partitions, 1)])
    await admin.close()
    return name


async def send(topic, values, **options):
    async with AIOKafkaProducer(bootstrap_servers=BROKER, **options) as producer:
        waiting = [await producer.send(topic, value, partition=0) for value in values]
        await producer.flush()
        return [await each for each in waiting]


async def read(topic, count, **options):
    async with AIOKafkaConsumer(topic, bootstrap_servers=BROKER, auto_offset_reset="earliest", **options) as consumer:
        return [(await asyncio.wait_for(consumer.getone(), LIMIT)).value for _ in range(count)]


async def eventually(what, holds):
    end = asyncio.get_running_loop().time() + LIMIT
    while not (found := holds()):
        assert asyncio.get_running_loop().time() < end, f"not within {LIMIT} s: {what}"
        await asyncio.sleep(0.05)
    return found


@pytest.mark.parametrize("idempotent", [False, True])
@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
@scenario
async def test_records_in_every_codec(codec, idempotent):
    topic, values = await make_topic(), [b"value %d" % number for number in range(500)]
    sent = await send(topic, values, compression_type=codec, enable_idempotence=idempotent)
    assert [each.offset for each in sent] == list(range(500))
    assert await read(topic, 500) == values


@pytest.mark.parametrize("acks", [0, 1, "all"])
@scenario
async def test_every_kind_of_acknowledgement(acks):
    topic = await make_topic()
    await send(topic, [b"x"], acks=acks)
    assert await read(topic, 1) == [b"x"]


@scenario
async def test_keys_headers_and_time_stamps():
    topic = await make_topic()
    async with AIOKafkaProducer(bootstrap_servers=BROKER) as producer:
        await producer.send_and_wait(topic, b"v", b"k", headers=[("h", b"1")], timestamp_ms=1_700_000_000_000)
        await producer.send_and_wait(topic, None, b"gone")
    async with AIOKafkaConsumer(topic, bootstrap_servers=BROKER, auto_offset_reset="earliest") as consumer:
        first, second = await consumer.getone(), await consumer.getone()
    assert (first.key, first.headers, first.timestamp) == (b"k", (("h", b"1"),), 1_700_000_000_000)
    assert second.value is None


@scenario
async def test_a_record_above_the_limit_is_refused():
    topic = await make_topic()
    with pytest.raises(MessageSizeTooLargeError):
        await send(topic, [b"x" * 2_000_000], max_request_size=10_000_000)


@scenario
async def test_a_group_goes_on_behind_its_commit():
    topic, group = await make_topic(), fresh("group")
    await send(topic, [b"a", b"b"])
    assert await read(topic, 2, group_id=group) == [b"a", b"b"]
    await send(topic, [b"c"])
    assert await read(topic, 1, group_id=group) == [b"c"]


@pytest.mark.parametrize("assignor", [RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor])
@scenario
async def test_members_share_partitions_and_take_over(assignor):
    topic, group = await make_topic(4), fresh("group")
    member = lambda: AIOKafkaConsumer(topic, bootstrap_servers=BROKER, group_id=group, heartbeat_interval_ms=300,
                                      session_timeout_ms=10_000, partition_assignment_strategy=(assignor,))
    first, second = member(), member()
    await first.start()
    await eventually("one holds all", lambda: len(first.assignment()) == 4)
    await second.start()
    await eventually("they share", lambda: len(first.assignment()) == 2 == len(second.assignment()))
    await first.stop()
    await eventually("the other holds all", lambda: len(second.assignment()) == 4)
    await second.stop()


@scenario
async def test_a_static_member_comes_back_to_its_partitions():
    topic, group = await make_topic(2), fresh("group")
    revoked = []

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, partitions):
            revoked.append(partitions)

        def on_partitions_assigned(self, partitions):
            pass

    async def member(number, listener=None):
        consumer = AIOKafkaConsumer(bootstrap_servers=BROKER, group_id=group, group_instance_id=f"instance-{number}",
                                    heartbeat_interval_ms=300)
        consumer.subscribe([topic], listener=listener)
        await consumer.start()
        return consumer

    first, second = await member(1, Listener()), await member(2)
    await eventually("they share", lambda: len(first.assignment()) == 1 == len(second.assignment()))
    held, before = second.assignment(), len(revoked)
    await second.stop()
    second = await member(2)
    await eventually("it is back", lambda: second.assignment() == held)
    assert len(revoked) == before
    await first.stop()
    await second.stop()


@scenario
async def test_a_subscription_by_pattern():
    prefix = fresh("pattern")
    async with AIOKafkaProducer(bootstrap_servers=BROKER) as producer:
        for end in ("a", "b"):
            await producer.send_and_wait(f"{prefix}-{end}", end.encode())
    consumer = AIOKafkaConsumer(bootstrap_servers=BROKER, group_id=fresh("group"), auto_offset_reset="earliest")
    consumer.subscribe(pattern=f"^{prefix}-.*")
    async with consumer:
        found = [(await asyncio.wait_for(consumer.getone(), LIMIT)).value for _ in range(2)]
    assert sorted(found) == [b"a", b"b"]


@scenario
async def test_seek_positions_and_offsets_by_time():
    topic = await make_topic()
    # With fewer acknowledgements a record may be told of before readers see it.
    async with AIOKafkaProducer(bootstrap_servers=BROKER, acks="all") as producer:
        for stamp in (1000, 2000, 3000):
            await producer.send_and_wait(topic, b"%d" % stamp, timestamp_ms=stamp)
    at = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=BROKER)
    consumer.assign([at])
    async with consumer:
        assert (await consumer.beginning_offsets([at]), await consumer.end_offsets([at])) == ({at: 0}, {at: 3})
        assert (await consumer.offsets_for_times({at: 1500}))[at].offset == 1
        consumer.seek(at, 1)
        assert (await consumer.getone()).value == b"2000"
        await consumer.seek_to_end(at)
        assert await consumer.position(at) == 3


@scenario
async def test_transactions_are_seen_when_committed_only():
    topic = await make_topic()
    async with AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=fresh("txn")) as producer:
        for number in range(6):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"%d" % number)
            await (producer.abort_transaction() if number % 2 else producer.commit_transaction())
    assert await read(topic, 3, isolation_level="read_committed") == [b"0", b"2", b"4"]
    assert len(await read(topic, 6)) == 6


@scenario
async def test_consume_transform_produce():
    source, target, group = await make_topic(), await make_topic(), fresh("group")
    await send(source, [b"%d" % number for number in range(20)], enable_idempotence=True)
    consumer = AIOKafkaConsumer(source, bootstrap_servers=BROKER, group_id=group, auto_offset_reset="earliest",
                                enable_auto_commit=False, isolation_level="read_committed")
    async with consumer, AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=fresh("txn")) as producer:
        for turn in range(4):
            async with producer.transaction():
                for _ in range(5):
                    record = await asyncio.wait_for(consumer.getone(), LIMIT)
                    await producer.send(target, record.value + b"!")
                await producer.send_offsets_to_transaction({TopicPartition(source, 0): record.offset + 1}, group)
        assert await consumer.committed(TopicPartition(source, 0)) == 20
    assert await read(target, 20, isolation_level="read_committed") == [b"%d!" % number for number in range(20)]


@scenario
async def test_a_fenced_producer_fails():
    topic, transactional_id = await make_topic(), fresh("txn")
    async with AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=transactional_id) as first:
        await first.begin_transaction()
        await first.send_and_wait(topic, b"first")
        async with AIOKafkaProducer(bootstrap_servers=BROKER, transactional_id=transactional_id) as second:
            with pytest.raises(ProducerFenced):
                await first.send_and_wait(topic, b"late")
                await first.commit_transaction()
            async with second.transaction():
                await second.send_and_wait(topic, b"second")
    assert await read(topic, 1, isolation_level="read_committed") == [b"second"]


@scenario
async def test_administration():
    admin = AIOKafkaAdminClient(bootstrap_servers=BROKER)
    await admin.start()
    name, group = fresh("topic"), fresh("group")
    await admin.create_topics([NewTopic(name, 2, 1, topic_configs={"retention.ms": "1000"})])
    again = await admin.create_topics([NewTopic(name, 2, 1)])
    assert [error[1] for error in again.topic_errors] == [TopicAlreadyExistsError.errno]
    await admin.create_partitions({name: NewPartitions(3)})
    described, = await admin.describe_topics([name])
    assert len(described["partitions"]) == 3
    answer, = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    assert "1000" in [entry[1] for entry in answer.resources[0][4] if entry[0] == "retention.ms"]
    await send(name, [b"a", b"b"])
    assert await read(name, 2, group_id=group) == [b"a", b"b"]
    offsets = await admin.list_consumer_group_offsets(group)
    assert offsets[TopicPartition(name, 0)].offset == 2
    assert group in [each[0] for each in await admin.list_consumer_groups()]
    await admin.delete_records({TopicPartition(name, 0): RecordsToDelete(before_offset=1)})
    assert await read(name, 1) == [b"b"]
    await admin.delete_topics([name])
    assert name not in await admin.list_topics()
    await admin.close()
