"""Scenarios with confluent-kafka (librdkafka), whose distribution brings no tests that can be run. BROKER is the
broker's address."""

import os
import time
import uuid

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING, ConsumerGroupState, ConsumerGroupTopicPartitions, Consumer, IsolationLevel, KafkaError,
    KafkaException, Producer, TopicPartition)
from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, AlterConfigOpType, ConfigEntry,
    ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourcePatternType, ResourceType, ScramCredentialInfo,
    ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion)

BROKER = os.environ["BROKER"]
LIMIT = 60
GROUP_PROTOCOLS = ["classic", "consumer"]


def fresh(kind):
    return f"{kind}-{uuid.uuid4()}"


@pytest.fixture
def admin():
    return AdminClient({"bootstrap.servers": BROKER})


@pytest.fixture
def topic(admin):
    return make_topic(admin)


def make_topic(admin, partitions=1, config=None):
    name = fresh("topic")
    done(admin.create_topics([NewTopic(name, partitions, 1, config=config or {})]))
    return name


def done(futures):
    """The results of a request by what was asked for."""
    return {key: future.result(LIMIT) for key, future in futures.items()}


def producer(**options):
    return Producer({"bootstrap.servers": BROKER, "linger.ms": 0, **{k.replace("_", "."): v for k, v in options.items()}})


def send(topic, values, sender=None, **options):
    sender = sender or producer(**options)
    failed = []
    for value in values:
        sender.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
    assert sender.flush(LIMIT) == 0
    assert not failed
    return sender


def consumer(group=None, **options):
    return Consumer({"bootstrap.servers": BROKER, "group.id": group or fresh("group"), "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, **{k.replace("_", "."): v for k, v in options.items()}})


def poll(reader, count):
    found, end = [], time.monotonic() + LIMIT
    while len(found) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} records within {LIMIT} s"
        message = reader.poll(0.2)
        if message is not None:
            assert message.error() is None, message.error()
            found.append(message)
    return found


def read(topic, count, **options):
    reader = consumer(**options)
    reader.subscribe([topic])
    found = [message.value() for message in poll(reader, count)]
    reader.close()
    return found


def eventually(what, holds):
    end = time.monotonic() + LIMIT
    while not (found := holds()):
        assert time.monotonic() < end, f"not within {LIMIT} s: {what}"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_records_in_every_codec(topic, codec):
    values = [b"value %d" % number for number in range(500)]
    send(topic, values, compression_type=codec)
    assert read(topic, len(values)) == values


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_every_kind_of_acknowledgement(topic, acks):
    send(topic, [b"x"], acks=acks)
    assert read(topic, 1) == [b"x"]


def test_keys_headers_and_time_stamps(topic):
    sender = producer()
    sender.produce(topic, b"v", b"k", headers=[("h", b"1"), ("h", None)], timestamp=1_700_000_000_000)
    sender.produce(topic, None, b"gone")
    assert sender.flush(LIMIT) == 0
    reader = consumer()
    reader.subscribe([topic])
    first, second = poll(reader, 2)
    reader.close()
    assert (first.key(), first.headers(), first.timestamp()[1]) == (b"k", [("h", b"1"), ("h", None)], 1_700_000_000_000)
    assert second.value() is None


def test_an_idempotent_producer_keeps_order(topic):
    values = [b"%d" % number for number in range(2000)]
    send(topic, values, enable_idempotence=True, batch_num_messages=10)
    assert read(topic, len(values)) == values


def test_a_record_above_the_limit_is_refused(admin):
    name = make_topic(admin, config={"max.message.bytes": "10000"})
    errors = []
    sender = producer()
    sender.produce(name, b"x" * 50_000, on_delivery=lambda error, _: errors.append(error))
    assert sender.flush(LIMIT) == 0
    assert errors[0].code() == KafkaError.MSG_SIZE_TOO_LARGE


@pytest.mark.parametrize("protocol", GROUP_PROTOCOLS)
def test_a_group_goes_on_behind_its_commit(topic, protocol):
    group = fresh("group")
    send(topic, [b"a", b"b"])
    for expected in ([b"a", b"b"], [b"c"]):
        reader = consumer(group, group_protocol=protocol)
        reader.subscribe([topic])
        assert [message.value() for message in poll(reader, len(expected))] == expected
        reader.commit(asynchronous=False)
        reader.close()
        send(topic, [b"c"])


@pytest.mark.parametrize("protocol,strategy", [
    ("classic", "range"), ("classic", "roundrobin"), ("classic", "cooperative-sticky"), ("consumer", None)])
def test_members_share_partitions_and_take_over(admin, protocol, strategy):
    name, group = make_topic(admin, 6), fresh("group")
    options = {"group_protocol": protocol}
    if strategy:
        options["partition_assignment_strategy"] = strategy
    members = [consumer(group, **options) for _ in range(3)]
    for member in members:
        member.subscribe([name])

    def shares(expected):
        for member in members:
            member.poll(0.05)
        held = [{partition.partition for partition in member.assignment()} for member in members]
        return [len(each) for each in held] == expected and set().union(*held) == set(range(6))

    eventually("each of three holds two", lambda: shares([2, 2, 2]))
    members.pop().close()
    eventually("each of two holds three", lambda: shares([3, 3]))
    for member in members:
        member.close()


@pytest.mark.parametrize("protocol", GROUP_PROTOCOLS)
def test_a_subscription_by_pattern(admin, protocol):
    prefix = fresh("pattern")
    names = [f"{prefix}-a", f"{prefix}-b"]
    done(admin.create_topics([NewTopic(name, 1, 1) for name in names]))
    for name in names:
        send(name, [name.encode()])
    reader = consumer(group_protocol=protocol)
    reader.subscribe([f"^{prefix}-.*"])
    assert sorted(message.topic() for message in poll(reader, 2)) == names
    reader.close()


@pytest.mark.parametrize("protocol", GROUP_PROTOCOLS)
def test_a_static_member_comes_back_to_its_partitions(admin, protocol):
    name, group = make_topic(admin, 2), fresh("group")

    def member(number):
        joined = consumer(group, group_protocol=protocol, group_instance_id=f"instance-{number}")
        joined.subscribe([name])
        return joined

    first, second = member(1), member(2)
    held = lambda one: {partition.partition for partition in one.assignment()}

    def both():
        first.poll(0.05), second.poll(0.05)
        return len(held(first)) == 1 and len(held(second)) == 1

    eventually("each holds one", both)
    before = held(second)
    second.close()
    second = member(2)
    eventually("it is back", lambda: (first.poll(0.05), second.poll(0.05), held(second) == before)[-1])
    first.close(), second.close()


def test_seek_positions_and_watermarks(topic):
    send(topic, [b"%d" % number for number in range(10)])
    reader = consumer()
    reader.assign([TopicPartition(topic, 0, 7)])
    assert [message.value() for message in poll(reader, 3)] == [b"7", b"8", b"9"]
    reader.seek(TopicPartition(topic, 0, 2))
    assert poll(reader, 1)[0].value() == b"2"
    assert reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=LIMIT) == (0, 10)
    reader.close()


def test_transactions_are_seen_when_committed_only(topic):
    sender = producer(transactional_id=fresh("txn"))
    sender.init_transactions(LIMIT)
    for number in range(6):
        sender.begin_transaction()
        send(topic, [b"%d" % number], sender)
        sender.abort_transaction(LIMIT) if number % 2 else sender.commit_transaction(LIMIT)
    assert read(topic, 3, isolation_level="read_committed") == [b"0", b"2", b"4"]
    assert len(read(topic, 6, isolation_level="read_uncommitted")) == 6


@pytest.mark.parametrize("protocol", GROUP_PROTOCOLS)
def test_consume_transform_produce(admin, protocol):
    source, target, group = make_topic(admin), make_topic(admin), fresh("group")
    send(source, [b"%d" % number for number in range(20)])
    sender = producer(transactional_id=fresh("txn"))
    sender.init_transactions(LIMIT)
    reader = consumer(group, isolation_level="read_committed", group_protocol=protocol)
    reader.subscribe([source])
    for turn in range(4):
        records = poll(reader, 5)
        sender.begin_transaction()
        for record in records:
            sender.produce(target, record.value() + b"!")
        sender.send_offsets_to_transaction(reader.position(reader.assignment()), reader.consumer_group_metadata(), LIMIT)
        sender.commit_transaction(LIMIT)
    assert reader.committed([TopicPartition(source, 0)], LIMIT)[0].offset == 20
    reader.close()
    assert read(target, 20, isolation_level="read_committed") == [b"%d!" % number for number in range(20)]


def test_a_fenced_producer_fails_for_good(topic):
    transactional_id = fresh("txn")
    first, second = producer(transactional_id=transactional_id), producer(transactional_id=transactional_id)
    first.init_transactions(LIMIT)
    first.begin_transaction()
    send(topic, [b"first"], first)
    second.init_transactions(LIMIT)
    with pytest.raises(KafkaException) as refused:
        first.commit_transaction(LIMIT)
    assert refused.value.args[0].code() == KafkaError._FENCED and refused.value.args[0].fatal()
    second.begin_transaction()
    send(topic, [b"second"], second)
    second.commit_transaction(LIMIT)
    assert read(topic, 1, isolation_level="read_committed") == [b"second"]


def test_topics_are_created_described_extended_and_deleted(admin):
    name = make_topic(admin, 2)
    with pytest.raises(KafkaException) as refused:
        done(admin.create_topics([NewTopic(name, 1, 1)]))
    assert refused.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    done(admin.create_partitions([NewPartitions(name, 4)]))
    eventually("four partitions", lambda: len(admin.list_topics(name, LIMIT).topics[name].partitions) == 4)
    done(admin.delete_topics([name]))
    eventually("it is gone", lambda: name not in admin.list_topics(timeout=LIMIT).topics)


def test_topic_configs(admin):
    name = make_topic(admin, config={"retention.ms": "1000"})
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    entry = lambda key: next(iter(done(admin.describe_configs([resource])).values()))[key]
    assert entry("retention.ms").value == "1000"
    change = [ConfigEntry("retention.ms", "2000", incremental_operation=AlterConfigOpType.SET),
              ConfigEntry("cleanup.policy", "compact", incremental_operation=AlterConfigOpType.APPEND)]
    done(admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=change)]))
    eventually("the new value", lambda: entry("retention.ms").value == "2000")
    assert entry("cleanup.policy").value == "delete,compact"
    wrong = [ConfigEntry("retention.ms", "x", incremental_operation=AlterConfigOpType.SET)]
    with pytest.raises(KafkaException) as refused:
        done(admin.incremental_alter_configs([ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=wrong)]))
    assert refused.value.args[0].code() == KafkaError.INVALID_CONFIG


@pytest.mark.parametrize("protocol", GROUP_PROTOCOLS)
def test_groups_are_listed_described_and_deleted(admin, topic, protocol):
    group = fresh("group")
    reader = consumer(group, group_protocol=protocol, client_id="somebody")
    reader.subscribe([topic])
    described = lambda: done(admin.describe_consumer_groups([group]))[group]
    eventually("it is stable", lambda: (reader.poll(0.05), described().state == ConsumerGroupState.STABLE)[-1])
    eventually("the member has its partition", lambda: (
        reader.poll(0.05), described().members[0].assignment.topic_partitions == [TopicPartition(topic, 0)])[-1])
    assert described().members[0].client_id == "somebody"
    listed = admin.list_consumer_groups(request_timeout=LIMIT).result(LIMIT)
    assert group in [each.group_id for each in listed.valid]
    with pytest.raises(KafkaException) as refused:
        done(admin.delete_consumer_groups([group]))
    assert refused.value.args[0].code() == KafkaError.NON_EMPTY_GROUP
    reader.close()
    done(admin.delete_consumer_groups([group]))


def test_offsets_of_groups_are_altered_and_listed(admin, topic):
    group = fresh("group")
    send(topic, [b"a", b"b"])
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 1)])
    done(admin.alter_consumer_group_offsets([asked]))
    found = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))[group]
    assert [(each.topic, each.partition, each.offset) for each in found.topic_partitions] == [(topic, 0, 1)]


def test_offsets_of_topics_and_deleted_records(admin, topic):
    sender = producer()
    for stamp in (1000, 2000, 3000):
        sender.produce(topic, b"x", timestamp=stamp)
    assert sender.flush(LIMIT) == 0
    at = TopicPartition(topic, 0)
    offset = lambda spec: done(admin.list_offsets({at: spec}, isolation_level=IsolationLevel.READ_COMMITTED))[at].offset
    assert [offset(OffsetSpec.earliest()), offset(OffsetSpec.latest()), offset(OffsetSpec.for_timestamp(1500)),
            offset(OffsetSpec.max_timestamp())] == [0, 3, 1, 2]
    done(admin.delete_records([TopicPartition(topic, 0, 2)]))
    assert offset(OffsetSpec.earliest()) == 2


def test_access_rules(admin):
    rule = AclBinding(ResourceType.TOPIC, fresh("topic"), ResourcePatternType.LITERAL, "User:somebody", "*",
                      AclOperation.READ, AclPermissionType.ALLOW)
    sought = AclBindingFilter(ResourceType.TOPIC, rule.name, ResourcePatternType.ANY, None, None, AclOperation.ANY,
                              AclPermissionType.ANY)
    done(admin.create_acls([rule]))
    eventually("it is there", lambda: admin.describe_acls(sought).result(LIMIT) == [rule])
    assert done(admin.delete_acls([sought]))[sought] == [rule]
    eventually("it is gone", lambda: admin.describe_acls(sought).result(LIMIT) == [])


def test_scram_users(admin):
    user = fresh("user")
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    done(admin.alter_user_scram_credentials([UserScramCredentialUpsertion(user, info, b"secret")]))
    found = eventually("the user", lambda: user in (users := admin.describe_user_scram_credentials().result(LIMIT)) and users)
    assert [(each.mechanism, each.iterations) for each in found[user].scram_credential_infos] == [
        (ScramMechanism.SCRAM_SHA_256, 4096)]
    done(admin.alter_user_scram_credentials([UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256)]))
    eventually("the user is gone", lambda: user not in admin.describe_user_scram_credentials().result(LIMIT))


def test_the_cluster_is_described(admin):
    cluster = admin.describe_cluster().result(LIMIT)
    assert len(cluster.nodes) == 1 and cluster.controller.id == cluster.nodes[0].id and cluster.cluster_id
