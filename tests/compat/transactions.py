"""What a broker answers to transactional producers, request by request, and what it writes down meanwhile.

    answers.py transactions HOST:PORT      a table that Millstream's own tests hold against that of Apache Kafka

Asked of Apache Kafka the output is what stands in host/broker/tests/recorded. Producer ids are named in the order in
which they appear, times are left out. The topics of the broker are expected to have three partitions. Uses nothing but
Python itself.
"""

import struct
import time

import answers
from answers import Client, batch, record
from protocol import Reader, array, compact, compact_array, compact_octets, text

T = int(time.time() * 1000)
CONCURRENT = 51
NOT_THERE_YET = (14, 15, 16)


def place(name):
    """Partition of a group or a transactional id among three."""
    hash_ = 0
    for unit in name:
        hash_ = (31 * hash_ + ord(unit)) & 0xFFFFFFFF
    return abs(hash_ - (hash_ >> 31 << 32)) % 3


class Peer(Client):
    """A client that speaks flexible versions, too, and is always answered."""

    def flexible(self, api, version, body):
        return self.ask_with(api, version, body, flexible=True)

    def ask_with(self, api, version, body, flexible=False):
        reader = self.ask(api, version, body, flexible=flexible)
        assert isinstance(reader, Reader), (api, version, reader)
        return reader


class Names:
    def __init__(self):
        self.known = {}

    def of(self, producer_id):
        if producer_id < 0:
            return str(producer_id)
        return self.known.setdefault(producer_id, f"P{len(self.known) + 1}")


class Producer:
    """One transactional id, its requests, and what is answered."""

    def __init__(self, peer, names, scenario, id):
        self.peer, self.names, self.scenario, self.id = peer, names, scenario, id
        self.pid, self.epoch, self.sequences = -1, -1, {}

    def say(self, what, answer):
        print(f"{self.scenario} | {what} | {answer}", flush=True)
        return answer

    def until_settled(self, ask):
        """Asks again for as long as the answer is that something is under way."""
        for _ in range(200):
            code = ask()
            if code[0] not in (CONCURRENT, *NOT_THERE_YET):
                return code
            time.sleep(0.05)
        return code

    def init(self, timeout=60000, pid=-1, epoch=-1, version=4, settled=True, id=None, say=True):
        def ask():
            id_ = self.id if id is None else id
            if version < 2:
                reader = self.peer.ask_with(22, version, text(id_) + struct.pack(">i", timeout))
            else:
                body = compact(id_) + struct.pack(">i", timeout)
                body += struct.pack(">qh", pid, epoch) if version >= 3 else b""
                reader = self.peer.flexible(22, version, body + b"\0")
            reader.take("i")
            return reader.take("hqh")
        code, got_pid, got_epoch = self.until_settled(ask) if settled else ask()
        if code == 0:
            self.pid, self.epoch, self.sequences = got_pid, got_epoch, {}
        given = "" if pid < 0 and epoch < 0 else f" as {self.names.of(pid)}/{epoch}"
        if say:
            self.say(f"init v{version}{given}", f"{code} {self.names.of(got_pid)}/{got_epoch}")
        return code

    def add(self, *partitions, version=3, pid=None, epoch=None, settled=True, what=""):
        def ask():
            topics = [(topic, index) for topic, index in partitions or [(self.topic, 0)]]
            head = struct.pack(">qh", self.pid if pid is None else pid, self.epoch if epoch is None else epoch)
            if version < 3:
                body = text(self.id) + head
                body += array([text(t) + array([struct.pack(">i", p)]) for t, p in topics])
                reader = self.peer.ask_with(24, version, body)
                reader.take("i")
                found = reader.array(lambda: (reader.text(), reader.array(lambda: reader.take("ih"))))
            else:
                body = compact(self.id) + head
                body += compact_array([compact(t) + compact_array([struct.pack(">i", p)]) + b"\0" for t, p in topics])
                reader = self.peer.flexible(24, version, body + b"\0")
                reader.take("i")

                def partition():
                    found = reader.take("ih")
                    reader.tags()
                    return found

                def topic():
                    found = (reader.text(), reader.array(partition))
                    reader.tags()
                    return found
                found = reader.array(topic)
            return sorted(code for _, codes in found for _, code in codes)
        codes = self.until_settled(ask) if settled else ask()
        return self.say(f"add v{version}{what}", " ".join(map(str, codes)))

    def verify(self, *partitions, version=5, verify_only=True, pid=None, epoch=None, settled=True, what=""):
        def ask():
            topics = partitions or [(self.topic, 0)]
            head = struct.pack(">qh?", self.pid if pid is None else pid, self.epoch if epoch is None else epoch, verify_only)
            one = compact(self.id) + head
            one += compact_array([compact(t) + compact_array([struct.pack(">i", p)]) + b"\0" for t, p in topics]) + b"\0"
            reader = self.peer.flexible(24, version, compact_array([one]) + b"\0")
            reader.take("i")
            top = reader.take("h")

            def partition():
                found = reader.take("ih")
                reader.tags()
                return found

            def topic():
                found = (reader.text(), reader.array(partition))
                reader.tags()
                return found

            def transaction():
                found = (reader.text(), reader.array(topic))
                reader.tags()
                return found
            found = reader.array(transaction)
            return [top] + [code for _, topics in found for _, codes in topics for _, code in codes]

        def settle():
            codes = ask()
            return codes[1:] + codes[:1]
        codes = self.until_settled(settle) if settled else settle()
        kind = "verify" if verify_only else "add by a broker"
        return self.say(f"{kind} v{version}{what}", " ".join(map(str, codes[:-1])))

    def produce(self, topic=None, version=11, pid=None, epoch=None, sequence=None, transactional=True, id="own", settled=True,
                what=""):
        topic = topic or self.topic
        pid = self.pid if pid is None else pid
        epoch = self.epoch if epoch is None else epoch
        own = self.sequences.get(topic, 0)
        data = batch([record()], base_ts=T, max_ts=T, pid=pid, producer_epoch=epoch, seq=own if sequence is None else sequence,
                     attributes=0x10 if transactional else 0)

        def ask():
            id_ = self.id if id == "own" else id
            one = struct.pack(">i", 0) + compact_octets(data) + b"\0"
            body = compact(id_) + struct.pack(">hi", -1, 10000)
            body += compact_array([compact(topic) + compact_array([one]) + b"\0"]) + b"\0"
            reader = self.peer.flexible(0, version, body)

            def error():
                found = (reader.take("i"), reader.text())
                reader.tags()
                return found

            def partition():
                found = reader.take("ihqqq")
                reader.array(error)
                reader.text()
                reader.tags()
                return found

            def one_topic():
                found = (reader.text(), reader.array(partition))
                reader.tags()
                return found
            [(_, [(_, code, offset, _, _)])] = reader.array(one_topic)
            # Also told where the coordinator is not asked in time.
            return (CONCURRENT if code == 19 and settled else code, offset)
        code, offset = self.until_settled(ask) if settled else ask()
        if code == 0 and sequence is None:
            self.sequences[topic] = own + 1
        kind = "" if transactional else " outside"
        return self.say(f"produce v{version}{kind}{what}", f"{code} at {offset}")

    def end(self, commit, version=4, pid=None, epoch=None, settled=True, adopt=True, what=""):
        def ask():
            head = struct.pack(">qh?", self.pid if pid is None else pid, self.epoch if epoch is None else epoch, commit)
            if version < 3:
                reader = self.peer.ask_with(26, version, text(self.id) + head)
            else:
                reader = self.peer.flexible(26, version, compact(self.id) + head + b"\0")
            reader.take("i")
            return (reader.take("h"),) + (reader.take("qh") if version >= 5 else (None, None))
        code, next_pid, next_epoch = self.until_settled(ask) if settled else ask()
        next_ = "" if next_pid is None else f" {self.names.of(next_pid)}/{next_epoch}"
        if code == 0 and next_pid is not None and adopt:
            self.pid, self.epoch, self.sequences = next_pid, next_epoch, {}
        return self.say(f"{'commit' if commit else 'abort'} v{version}{what}", f"{code}{next_}")

    def add_offsets(self, group, version=3, epoch=None, pid=None):
        def ask():
            head = struct.pack(">qh", self.pid if pid is None else pid, self.epoch if epoch is None else epoch)
            if version < 3:
                reader = self.peer.ask_with(25, version, text(self.id) + head + text(group))
            else:
                reader = self.peer.flexible(25, version, compact(self.id) + head + compact(group) + b"\0")
            reader.take("i")
            return (reader.take("h"),)
        return self.say(f"add offsets v{version}", self.until_settled(ask)[0])

    def commit_offset(self, group, topic, offset, generation=-1, member="", version=4, epoch=None, pid=None, metadata="", what=""):
        def ask():
            body = compact(self.id) + compact(group)
            body += struct.pack(">qh", self.pid if pid is None else pid, self.epoch if epoch is None else epoch)
            body += struct.pack(">i", generation) + compact(member) + compact(None)
            one = struct.pack(">iqi", 0, offset, -1) + compact(metadata) + b"\0"
            body += compact_array([compact(topic) + compact_array([one]) + b"\0"]) + b"\0"
            reader = self.peer.flexible(28, version, body)
            reader.take("i")

            def partition():
                found = reader.take("ih")
                reader.tags()
                return found

            def one_topic():
                found = (reader.text(), reader.array(partition))
                reader.tags()
                return found
            [(_, [(_, code)])] = reader.array(one_topic)
            return (code,)
        return self.say(f"commit offset v{version}{what}", self.until_settled(ask)[0])

    def fetch_offset(self, group, topic, stable=True):
        def ask():
            one = compact(group) + compact_array([compact(topic) + compact_array([struct.pack(">i", 0)]) + b"\0"]) + b"\0"
            reader = self.peer.flexible(9, 8, compact_array([one]) + struct.pack(">?", stable) + b"\0")
            reader.take("i")

            def partition():
                index, offset, _ = reader.take("iqi")
                reader.text()
                code = reader.take("h")
                reader.tags()
                return offset, code

            def one_topic():
                found = (reader.text(), reader.array(partition))
                reader.tags()
                return found

            def one_group():
                found = (reader.text(), reader.array(one_topic), reader.take("h"))
                reader.tags()
                return found
            [(_, topics, code)] = reader.array(one_group)
            return (code,) if code else (topics[0][1][0][1], topics[0][1][0][0])
        found = self.until_settled(ask)
        return self.say(f"fetch offset{' stable' if stable else ''}", " ".join(map(str, found)))

    def describe(self, id=None, until=None):
        def ask():
            reader = self.peer.flexible(65, 0, compact_array([compact(self.id if id is None else id)]) + b"\0")
            reader.take("i")

            def topic():
                found = (reader.text(), reader.array(lambda: reader.take("i")))
                reader.tags()
                return found

            def state():
                code, name, state = reader.take("h"), reader.text(), reader.text()
                timeout, start, pid, epoch = reader.take("iqqh")
                topics = reader.array(topic)
                reader.tags()
                return code, state, timeout, start, pid, epoch, topics
            [found] = reader.array(state)
            return found
        for _ in range(400):
            code, state, timeout, start, pid, epoch, topics = ask()
            if until is None or state == until:
                break
            time.sleep(0.05)
        topics = sum(len(partitions) for _, partitions in topics)
        began = "began" if start > 0 else str(start)
        return self.say("describe", f"{code} {state} {timeout} {began} {self.names.of(pid)}/{epoch} {topics}")

    def ended(self, commit):
        """Waits until all partitions have heard of an end."""
        self.describe(until="CompleteCommit" if commit else "CompleteAbort")


def list_transactions(peer, names, scenario, prefix, states=(), duration=-1):
    body = compact_array([compact(state) for state in states]) + compact_array([]) + struct.pack(">q", duration) + b"\0"
    reader = peer.flexible(66, 1, body)
    reader.take("i")
    code = reader.take("h")
    unknown = reader.array(reader.text)

    def state():
        found = (reader.text(), reader.take("q"), reader.text())
        reader.tags()
        return found
    found = sorted((id[len(prefix):].split("-")[0], state) for id, _, state in reader.array(state) if id.startswith(prefix))
    print(f"{scenario} | list {' '.join(states)} {duration} | {code} {found} {unknown}", flush=True)


def describe_producers(peer, names, scenario, topic):
    body = compact_array([compact(topic) + compact_array([struct.pack(">i", index) for index in (0, 7)]) + b"\0"]) + b"\0"
    reader = peer.flexible(61, 0, body)
    reader.take("i")

    def producer():
        found = reader.take("qiiqiq")
        reader.tags()
        return found

    def partition():
        index, code = reader.take("ih")
        reader.text()
        found = (index, code, reader.array(producer))
        reader.tags()
        return found

    def one_topic():
        found = (reader.text(), reader.array(partition))
        reader.tags()
        return found
    [(_, partitions)] = reader.array(one_topic)
    for index, code, producers in partitions:
        said = [f"{names.of(pid)}/{epoch} {seq} {'then' if at > 0 else at} {'-' if coordinator < 0 else 'ended'} {start}"
                for pid, epoch, seq, at, coordinator, start in producers]
        print(f"{scenario} | producers of {index} | {code} {' '.join(said)}", flush=True)


def batches_of(peer, topic, partition=0):
    """Header fields and records of every batch of a partition."""
    found, offset = [], 0
    while True:
        part = array([struct.pack(">iiqqi", partition, -1, offset, -1, 1 << 20)])
        body = struct.pack(">iiiibii", -1, 100, 0, 1 << 20, 0, 0, -1) + array([text(topic) + part]) + array([]) + text("")
        reader = peer.ask(1, 11, body)
        reader.take("ihi")

        def one():
            reader.take("ihqqq")
            reader.array(lambda: reader.take("qq"))
            reader.take("i")
            return reader.octets()
        [(_, [data])] = reader.array(lambda: (reader.text(), reader.array(one)))
        if not data:
            return found
        while len(data) >= 61:
            base, length = struct.unpack_from(">qi", data, 0)
            attributes, last, _, _, pid, epoch, seq, count = struct.unpack_from(">hiqqqhii", data, 21)
            records = Reader(data[61:12 + length])
            found.append((base, attributes, pid, epoch, seq, [key_and_value(records) for _ in range(count)]))
            offset = base + last + 1
            data = data[12 + length:]


def zigzag(reader):
    n = reader.uvarint()
    return (n >> 1) ^ -(n & 1)


def key_and_value(reader):
    zigzag(reader)
    reader.take("b")
    zigzag(reader)
    zigzag(reader)
    pair = []
    for _ in range(2):
        n = zigzag(reader)
        pair.append(None if n < 0 else reader.raw(n))
    assert zigzag(reader) == 0
    return pair


def show_partition(peer, names, scenario, topic):
    for base, attributes, pid, epoch, seq, records in batches_of(peer, topic):
        kind = "plain" if not attributes & 0x10 else "data" if not attributes & 0x20 else "marker"
        # The epoch of the coordinator counts its partition's leaders.
        content = f" key {records[0][0].hex()} value {records[0][1][:2].hex()}+{len(records[0][1]) - 2}" if kind == "marker" else ""
        print(f"{scenario} | stored at {base} | {kind} {attributes} {names.of(pid)}/{epoch} {seq}{content}", flush=True)


def show_offsets(peer, names, scenario, group):
    for partition in range(3):
        for _, attributes, pid, epoch, seq, records in batches_of(peer, "__consumer_offsets", partition):
            if attributes & 0x20:
                of = [r[0].hex() for r in records]
            else:
                of = [r[0].hex()[:4] for r in records if group.encode() in r[0]]
                if not of:
                    continue
            if pid >= 0:
                print(f"{scenario} | in the offsets | {attributes} {names.of(pid)}/{epoch} {seq} {of}", flush=True)


def show_log(peer, names, scenario, id):
    """What the coordinator wrote of an id, field by field, in the order of the bytes; once all is written."""
    for _ in range(200):
        found = [(key, value, attributes)
                 for partition in range(3)
                 for _, attributes, _, _, _, records in batches_of(peer, "__transaction_state", partition)
                 for key, value in records if key[4:].decode() == id]
        # Byte 16 is the status; an open transaction, or one on its way to its end, is not the last word here.
        if found and found[-1][1][16] not in (1, 2, 3):
            break
        time.sleep(0.05)
    for key, value, attributes in found:
        what = "deleted" if value is None else f"{attributes} {said(names, value)}"
        print(f"{scenario} | log | {key[:2].hex()} {what}", flush=True)


def said(names, value):
    reader = Reader(value)
    version = reader.take("h")
    reader.flexible = version >= 1
    pid, epoch, timeout, status = reader.take("qhib")
    if version == 0:
        topics = [] if (n := reader.take("i")) < 0 else [
            (reader.text() and "", [reader.take("i") for _ in range(reader.take("i"))]) for _ in range(n)]
        none = n < 0
    else:
        n = reader.uvarint() - 1
        none, topics = n < 0, []
        for _ in range(n):
            reader.text()
            partitions = reader.array(lambda: reader.take("i"))
            reader.tags()
            topics.append(("", partitions))
    partitions = "null" if none else str(sorted(len(partitions) for _, partitions in topics))
    updated, started = reader.take("qq")
    tags = reader.tags() if version >= 1 else {}
    shown = {tag: names.of(struct.unpack(">q", v)[0]) if len(v) == 8 else v.hex() for tag, v in tags.items()}
    assert reader.at == len(value)
    began = "began" if started > 0 else str(started)
    return f"v{version} {names.of(pid)}/{epoch} {timeout} status {status} {partitions} {began} tags {shown}"


def scenarios(address):
    """Each has transactional ids, topics and a connection of its own."""
    peer, names, stamp = Peer(address), Names(), int(time.time())
    # Coordinators come into being when they are looked for.
    for key_type in (0, 1):
        for _ in range(200):
            reader = peer.ask(10, 1, text("x") + struct.pack(">b", key_type))
            reader.take("i")
            if reader.take("h") == 0:
                break
            time.sleep(0.1)
    Producer(peer, Names(), "", f"warm-{stamp}").init(say=False)

    def producer(scenario, number=0, topics=1):
        it = Producer(peer, names, scenario, f"{scenario.replace(' ', '-')}-{number}-{stamp}")
        it.topics = [f"{scenario.replace(' ', '-')}-{number}-{stamp}-{n}" for n in range(topics)]
        for topic in it.topics:
            assert peer.create_topic(topic, [])[0] == 0
            answers.fetch_from_leader(peer, topic)
        it.topic = it.topics[0]
        return it

    p = producer("init")
    for version in (0, 1, 2, 3, 4, 5):
        p.init(version=version)
    p.init(timeout=0)
    p.init(timeout=-1)
    p.init(timeout=900001)
    p.init(id="")
    p.init(pid=p.pid, epoch=-1, version=4)
    p.init(pid=-1, epoch=3, version=4)
    p.describe()
    p.describe(id="nobody")
    p.describe(id="")

    p = producer("continue")
    p.init()
    first = p.pid, p.epoch
    p.init(pid=first[0], epoch=first[1])
    p.init(pid=first[0], epoch=first[1])
    second = p.pid, p.epoch
    p.init()
    for pid, epoch in (first, second, (p.pid + 10**6, p.epoch), (p.pid, p.epoch + 1)):
        p.init(pid=pid, epoch=epoch)
    p.init(pid=first[0], epoch=first[1], version=3)
    show_log(peer, names, "continue", p.id)

    p = producer("first generation", topics=2)
    for version in (0, 2, 3):
        p.add(version=version, pid=4711, what=" of nobody")
    p.init()
    for version in (1, 2, 3):
        p.add(version=version, epoch=p.epoch + 1, what=" of another epoch")
    p.add(version=3, pid=p.pid + 10**6, what=" of another producer")
    p.add((p.topic, 0), ("no-such-topic", 0), what=" with an unknown topic")
    p.add((p.topic, 9), what=" of an unknown partition")
    p.end(True, what=" of nothing")
    p.end(False, what=" of nothing")
    for version in (9, 10, 11):
        p.produce(version=version, settled=False, what=" before it is added")
    p.verify(what=" before it is added")
    p.verify(version=4, what=" before it is added")
    p.add((p.topics[0], 0), (p.topics[1], 0))
    p.add()
    p.verify()
    p.describe()
    p.produce()
    p.produce()
    p.produce(p.topics[1])
    p.produce(transactional=False, what=" of an open transaction")
    p.produce(pid=p.pid, epoch=p.epoch + 1, sequence=0, settled=False, what=" of a higher epoch")
    p.produce(pid=p.pid + 10**6, sequence=0, settled=False, what=" of another producer")
    p.produce(sequence=7, what=" that leaves a gap")
    p.produce(sequence=0, what=" sent again")
    p.produce(id=None, what=" without the id")
    p.produce(id="other", settled=False, what=" under another id")
    for version in (1, 2):
        p.end(True, version=version, epoch=p.epoch + 1, what=" of another epoch")
    p.end(True, pid=p.pid + 10**6, what=" of another producer")
    describe_producers(peer, names, p.scenario, p.topic)
    p.end(True)
    p.ended(True)
    p.end(True, what=" again")
    p.end(False, what=" again")
    p.produce(settled=False, what=" after the end")
    p.add()
    p.produce()
    p.end(False)
    p.ended(False)
    p.end(False, what=" again")
    p.end(True, what=" again")
    describe_producers(peer, names, p.scenario, p.topic)
    show_partition(peer, names, p.scenario, p.topics[0])
    show_partition(peer, names, p.scenario, p.topics[1])
    show_log(peer, names, p.scenario, p.id)

    p = producer("second generation", topics=2)
    p.init()
    p.end(True, version=5, what=" of nothing")
    before = p.epoch
    p.end(False, version=5, what=" of nothing")
    p.ended(False)
    p.end(False, version=5, epoch=before, what=" sent again")
    p.end(True, version=5, epoch=before, what=" sent again")
    p.produce(version=12)
    p.produce(version=12)
    p.produce(p.topics[1], version=12)
    p.produce(version=12, epoch=p.epoch - 1, sequence=0, settled=False, what=" of an older epoch")
    p.produce(version=12, epoch=p.epoch + 1, sequence=0, settled=False, what=" of a higher epoch")
    p.produce(version=12, pid=p.pid + 10**6, sequence=0, settled=False, what=" of another producer")
    p.describe()
    before = p.epoch
    p.end(True, version=5, epoch=before - 1, what=" of an older epoch")
    p.end(True, version=5, epoch=before + 1, what=" of a higher epoch")
    p.end(True, version=5)
    p.ended(True)
    p.end(True, version=5, epoch=before, adopt=False, what=" sent again")
    p.end(False, version=5, epoch=before, what=" sent again")
    p.end(True, version=5, what=" of nothing")
    p.produce(version=12)
    p.end(True, version=5, epoch=before, what=" of the last transaction")
    before = p.epoch
    p.end(False, version=5)
    p.ended(False)
    p.end(False, version=5, epoch=before, adopt=False, what=" sent again")
    p.end(True, version=5, epoch=before, what=" sent again")
    p.end(True, version=5, what=" of nothing")
    p.end(False, version=5, what=" of nothing")
    p.verify(verify_only=False)
    p.verify()
    p.end(True, version=4, what=" in the old way")
    p.ended(True)
    show_partition(peer, names, p.scenario, p.topics[0])
    show_log(peer, names, p.scenario, p.id)

    p = producer("fencing")
    p.init()
    p.add()
    p.produce()
    old = p.pid, p.epoch
    p.init()
    for version in (0, 1, 2, 3):
        p.add(version=version, epoch=old[1], what=" of the old one")
    for version in (1, 2, 4, 5):
        p.end(True, version=version, epoch=old[1], what=" of the old one")
    for version in (1, 2, 3):
        p.add_offsets("g", version=version, epoch=old[1])
    for version in (3, 4, 5):
        p.commit_offset("g", p.topic, 5, version=version, epoch=old[1], what=" of the old one")
    for version in (10, 11, 12):
        p.produce(version=version, epoch=old[1], sequence=1, settled=False, what=" of the old one")
    p.verify(epoch=old[1], what=" of the old one")
    show_partition(peer, names, p.scenario, p.topic)
    show_log(peer, names, p.scenario, p.id)

    p = producer("time out")
    p.init(timeout=1000)
    p.produce(version=12)
    p.ended(False)
    p.end(True, version=5, what=" too late")
    p.end(False, version=4, what=" too late")
    p.produce(version=12, settled=False, what=" too late")
    p.init(pid=p.pid, epoch=p.epoch)
    p.init()
    p.produce(version=12)
    p.end(True, version=5)
    p.ended(True)
    show_partition(peer, names, p.scenario, p.topic)
    show_log(peer, names, p.scenario, p.id)

    p = producer("offsets")
    group = f"group-{stamp}"
    p.init()
    for version in (3, 4):
        p.commit_offset(group, p.topic, 5, version=version, what=" before it is added")
        p.commit_offset(group, p.topic, 5, generation=3, member="m", version=version, what=" of a member before it is added")
    p.add_offsets(group)
    p.describe()
    p.commit_offset(group, p.topic, 5)
    p.fetch_offset(group, p.topic)
    p.fetch_offset(group, p.topic, stable=False)
    p.commit_offset(group, p.topic, 6)
    p.commit_offset(group, p.topic, 7, generation=3, member="m", what=" of a member")
    p.commit_offset(group, p.topic, 7, member="m", what=" of a member without generation")
    p.commit_offset(group, "no-such-topic", 7, what=" of an unknown topic")
    p.commit_offset(group, p.topic, 8, metadata="x" * 5000, what=" with much metadata")
    p.commit_offset("", p.topic, 8, what=" of no group")
    neighbour = next(name for name in (f"unknown-{n}-{stamp}" for n in range(100)) if place(name) == place(group))
    p.commit_offset(neighbour, p.topic, 8, generation=3, member="m", what=" of an unknown group")
    p.end(True)
    p.ended(True)
    p.fetch_offset(group, p.topic)
    p.commit_offset(group, p.topic, 9, version=5)
    p.fetch_offset(group, p.topic)
    p.end(False, version=5)
    p.ended(False)
    p.fetch_offset(group, p.topic)
    show_offsets(peer, names, p.scenario, group)
    show_log(peer, names, p.scenario, p.id)

    p, idle = producer("list"), producer("list", 1)
    p.init()
    idle.init()
    p.produce(version=12)
    for states in ((), ("Ongoing",), ("Empty", "Nonsense"), ("Nonsense",), ("Dead", "PrepareEpochFence")):
        list_transactions(peer, names, "list", "list-", states)
    list_transactions(peer, names, "list", "list-", duration=0)
    list_transactions(peer, names, "list", "list-", duration=3_600_000)
    p.end(True, version=5)
    p.ended(True)
