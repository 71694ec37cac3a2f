"""What a broker answers to hand-made requests, as tables that Millstream's own tests replay.

    answers.py produce HOST:PORT     record batches, sound and odd, and what becomes of each
    answers.py epochs HOST:PORT      leader epochs in requests and answers, of a partition in its first epoch
    answers.py settings HOST:PORT    settings of topics and of the broker, and which values are refused
    answers.py transactions HOST:PORT   transactional producers, request by request, and what is written meanwhile
    answers.py groups HOST:PORT FIRST..LAST   members of classic groups, by scripts that chance has written

Asked of Apache Kafka the output is what stands in host/broker/tests/recorded. Uses nothing but Python itself.
"""

import gzip
import struct
import sys
import time
import zlib

from protocol import Connection, array, octets, text

T = 1_700_000_000_000
NEVER = object()


# ---- bytes -------------------------------------------------------------------------------------------------------

def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


CRC = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(n):
    n = ((n << 1) ^ (n >> 63)) & 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while True:
        if n < 0x80:
            out.append(n)
            return bytes(out)
        out.append((n & 0x7F) | 0x80)
        n >>= 7


def nullable(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record(offset=0, timestamp=0, key=None, value=b"v", headers=(), attributes=0, length=None, count=None, tail=b""):
    body = bytes([attributes]) + varint(timestamp) + varint(offset) + nullable(key) + nullable(value)
    body += varint(len(headers) if count is None else count)
    for name, content in headers:
        body += nullable(name) + nullable(content)
    body += tail
    return varint(len(body) if length is None else length) + body


def zip_none(data):
    return data


def zip_gzip(data):
    return gzip.compress(data, mtime=0)


def zip_snappy(data):
    # One raw block of literals.
    out, left = bytearray(), data
    n = len(data)
    while True:
        if n < 0x80:
            out.append(n)
            break
        out.append((n & 0x7F) | 0x80)
        n >>= 7
    while left:
        piece, left = left[:60], left[60:]
        out.append((len(piece) - 1) << 2)
        out += piece
    return bytes(out)


def zip_xerial(data):
    block = zip_snappy(data)
    return b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01" + struct.pack(">i", len(block)) + block


def zip_lz4(data):
    return bytes.fromhex("04224d18604082") + struct.pack("<I", len(data) | 0x80000000) + data + bytes(4)


def zip_zstd(data):
    return bytes.fromhex("28b52ffd20") + bytes([len(data)]) + struct.pack("<I", (len(data) << 3) | 1)[:3] + data


CODECS = {"none": (0, zip_none), "gzip": (1, zip_gzip), "snappy": (2, zip_xerial), "lz4": (3, zip_lz4), "zstd": (4, zip_zstd)}


def batch(records=None, base_offset=0, epoch=-1, magic=2, attributes=0, last=None, base_ts=T, max_ts=T, pid=-1,
          producer_epoch=-1, seq=-1, count=None, length=None, crc=None, codec="none", data=None, tail=b""):
    records = [record()] if records is None else records
    bits, zip_it = CODECS[codec]
    body = zip_it(b"".join(records)) if data is None else data
    body += tail
    n = len(records)
    covered = struct.pack(">hiqqqhii", attributes | bits, n - 1 if last is None else last, base_ts, max_ts, pid,
                          producer_epoch, seq, n if count is None else count) + body
    after = struct.pack(">ib", epoch, magic) + struct.pack(">I", crc32c(covered) if crc is None else crc) + covered
    return struct.pack(">qi", base_offset, len(after) if length is None else length) + after


def message_set(magic, attributes=0, value=b"v"):
    body = struct.pack(">bb", magic, attributes) + (struct.pack(">q", T) if magic else b"")
    body += struct.pack(">i", -1) + struct.pack(">i", len(value)) + value
    message = struct.pack(">I", zlib.crc32(body)) + body
    return struct.pack(">qi", 0, len(message)) + message


# ---- the protocol ------------------------------------------------------------------------------------------------

class Client:
    def __init__(self, address, client_id="answers"):
        self.connection = Connection(address, client_id, limit=5)
        self.address = self.connection.address

    def ask(self, api, version, body, answer=True, flexible=False):
        """The answer's body; None where the broker closes the connection."""
        try:
            self.connection.send(api, version, body, flexible)
            if not answer:
                return b""
            reader = self.connection.receive(self.connection.limit, flexible)
        except ConnectionError:
            self.connection.close()
            return None
        except TimeoutError:
            reader = None
        if reader is None:
            self.connection.close()
            return "no answer"
        return reader

    def create_topic(self, name, settings, validate_only=False):
        configs = array([text(key) + text(value) for key, value in settings])
        body = array([text(name) + struct.pack(">ih", 1, 1) + array([]) + configs]) + struct.pack(">i?", 30000, validate_only)
        reader = self.ask(19, 2, body)
        reader.take("i")
        [(_, code, message)] = reader.array(lambda: (reader.text(), reader.take("h"), reader.text()))
        return code, message

    def produce(self, topic, records, version=8, acks=-1, transactional_id=None, partition=0, timeout=10000,
                topic_exists=True):
        data = array([struct.pack(">i", partition) + octets(records)])
        body = text(transactional_id) + struct.pack(">hi", acks, timeout) + array([text(topic) + data])
        retries = 40 if topic_exists else 0
        while True:
            reader = self.ask(0, version, body, answer=acks != 0)
            if reader is None or isinstance(reader, str):
                return reader or "closed"
            if acks == 0:
                # Whether it was taken shows in whether the connection still works.
                return "closed" if self.ask(18, 0, b"") is None else "silence"

            def one():
                index, code, base, time_ = reader.take("ihqq")
                start = reader.take("q") if version >= 5 else None
                errors, message = [], None
                if version >= 8:
                    errors = reader.array(lambda: (reader.take("i"), reader.text()))
                    message = reader.text()
                return code, base, time_, start, [at for at, _ in errors], message
            [(_, [answer])] = reader.array(lambda: (reader.text(), reader.array(one)))
            # Not yet the leader, not yet there, or still loading.
            if answer[0] in (6, 14, 16) or answer[0] == 3 and partition == 0 and retries:
                retries -= 1
                time.sleep(0.05)
                continue
            return answer

    def fetch(self, topic, offset=0):
        part = array([struct.pack(">iiqqi", 0, -1, offset, -1, 1 << 20)])
        body = struct.pack(">iiiibii", -1, 100, 0, 1 << 20, 0, 0, -1) + array([text(topic) + part]) + array([]) + text("")
        reader = self.ask(1, 11, body)
        reader.take("ihi")

        def one():
            _, code, _, _, _ = reader.take("ihqqq")
            reader.array(lambda: reader.take("qq"))
            reader.take("i")
            return code, reader.octets()
        [(_, [answer])] = reader.array(lambda: (reader.text(), reader.array(one)))
        return answer

    def describe(self, kind, name):
        body = array([struct.pack(">b", kind) + text(name) + struct.pack(">i", -1)]) + struct.pack(">??", True, False)
        reader = self.ask(32, 3, body)
        reader.take("i")

        def entry():
            name, value, read_only, source, sensitive = reader.text(), reader.text(), *reader.take("?b?")
            synonyms = reader.array(lambda: (reader.text(), reader.text(), reader.take("b")))
            return name, value, read_only, source, sensitive, synonyms, reader.take("b"), reader.text()
        [(_, _, _, _, entries)] = reader.array(
            lambda: (reader.take("h"), reader.text(), reader.take("b"), reader.text(), reader.array(entry)))
        return entries

    def alter(self, kind, name, changes, validate_only=False):
        configs = array([text(key) + struct.pack(">b", how) + text(value) for key, how, value in changes])
        reader = self.ask(44, 0, array([struct.pack(">b", kind) + text(name) + configs]) + struct.pack(">?", validate_only))
        reader.take("i")
        [(code, message, _, _)] = reader.array(lambda: (reader.take("h"), reader.text(), reader.take("b"), reader.text()))
        return code, message


# ---- produce -----------------------------------------------------------------------------------------------------

def produce_cases():
    """(name, settings of the topic, options, batches sent one after another)."""
    cases = []

    def case(name, *batches, topic=(), **options):
        cases.append((name, topic, options, batches or (batch(),)))

    two = [record(0), record(1, timestamp=5, key=b"k", headers=[(b"h", b"1"), (b"h", None)])]
    for codec in CODECS:
        case(f"sound batch {codec}", batch(two, max_ts=T + 5, codec=codec))
        case(f"sound batch with sequence 0 and no producer id {codec}", batch(two, max_ts=T + 5, codec=codec, seq=0))
    case("raw snappy block", batch(two, max_ts=T + 5, attributes=2, data=zip_snappy(b"".join(two))))
    # Who wrote it.
    case("sequence without producer id", batch(seq=17))
    case("sequence below -1 without producer id", batch(seq=-5))
    case("epoch without producer id", batch(producer_epoch=3))
    case("sequence and epoch without producer id", batch(seq=4, producer_epoch=3), batch(seq=4, producer_epoch=3), batch(seq=9, producer_epoch=1))
    case("producer id below -1", batch(pid=-2, producer_epoch=0, seq=0))
    case("producer id, no epoch", batch(pid=4711, seq=0))
    case("producer id, no sequence", batch(pid=4711, producer_epoch=0))
    case("producer id, sequence below -1", batch(pid=4711, producer_epoch=0, seq=-2))
    case("producer id, epoch below -1", batch(pid=4711, producer_epoch=-2, seq=0))
    case("producer id alone", batch(pid=4711))
    case("idempotent batches", batch(pid=4711, producer_epoch=0, seq=0), batch(pid=4711, producer_epoch=0, seq=1))
    case("repeated batch", batch(pid=4711, producer_epoch=0, seq=0), batch(pid=4711, producer_epoch=0, seq=0))
    case("gap in sequences", batch(pid=4711, producer_epoch=0, seq=0), batch(pid=4711, producer_epoch=0, seq=2))
    case("first sequence not 0", batch(pid=4711, producer_epoch=0, seq=5))
    case("lower epoch", batch(pid=4711, producer_epoch=2, seq=0), batch(pid=4711, producer_epoch=1, seq=1))
    case("higher epoch from 0", batch(pid=4711, producer_epoch=2, seq=0), batch(pid=4711, producer_epoch=3, seq=0))
    case("higher epoch not from 0", batch(pid=4711, producer_epoch=2, seq=0), batch(pid=4711, producer_epoch=3, seq=1))
    case("part of an earlier batch", batch([record(0), record(1)], pid=4711, producer_epoch=0, seq=0), batch([record(0)], pid=4711, producer_epoch=0, seq=1))
    # Offsets and counts.
    case("base offset 7", batch(base_offset=7))
    case("base offset -1", batch(base_offset=-1))
    case("base offset -9", batch(base_offset=-9))
    case("largest base offset", batch(base_offset=2**63 - 1))
    case("leader epoch 5", batch(epoch=5))
    case("leader epoch -7", batch(epoch=-7))
    for codec in ("none", "gzip"):
        case(f"last offset delta too small {codec}", batch(two, last=0, codec=codec))
        case(f"last offset delta too large {codec}", batch(two, last=5, codec=codec))
        case(f"last offset delta negative {codec}", batch(two, last=-1, codec=codec))
        case(f"count too small {codec}", batch(two, count=1, codec=codec))
        case(f"count too large {codec}", batch(two, count=3, codec=codec))
        case(f"count and last offset delta too small {codec}", batch(two, count=1, last=0, codec=codec))
        case(f"count and last offset delta too large {codec}", batch(two, count=3, last=2, codec=codec))
        case(f"count negative {codec}", batch(two, count=-1, codec=codec))
        case(f"no records {codec}", batch([], count=0, last=0, codec=codec, data=b""))
        case(f"no records, last offset delta -1 {codec}", batch([], count=0, last=-1, codec=codec, data=b""))
        case(f"no records, producer id {codec}", batch([], count=0, last=0, codec=codec, data=b"", pid=4711, producer_epoch=0, seq=0))
        case(f"no records, last offset delta 3 {codec}", batch([], count=0, last=3, codec=codec, data=b""))
        case(f"offset deltas repeat {codec}", batch([record(0), record(0)], codec=codec))
        case(f"offset deltas descend {codec}", batch([record(1), record(0)], codec=codec))
        case(f"offset deltas start at 1 {codec}", batch([record(1), record(2)], codec=codec))
        case(f"offset deltas skip {codec}", batch([record(0), record(2)], codec=codec))
        case(f"offset deltas skip, last offset delta fits {codec}", batch([record(0), record(2)], last=2, codec=codec))
        case(f"offset delta negative {codec}", batch([record(-1)], codec=codec))
        case(f"bytes behind the records {codec}", batch([record()], data=CODECS[codec][1](record() + b"xyz"), attributes=CODECS[codec][0]))
    case("bytes behind the compressed records", batch(codec="gzip", tail=b"xyz"))
    case("empty payload in a compressed batch", batch([record()], attributes=1, data=b""))
    case("gzip of nothing, no records", batch([], count=0, last=0, codec="gzip"))
    # Records that are not well-formed.
    for codec in ("none", "gzip"):
        case(f"record attributes set {codec}", batch([record(attributes=0x7F)], codec=codec))
        case(f"record longer than its fields {codec}", batch([record(tail=b"x")], codec=codec))
        case(f"record shorter than its fields {codec}", batch([record(length=4)], codec=codec))
        case(f"record of length 0 {codec}", batch([b"\0"], codec=codec))
        case(f"record of negative length {codec}", batch([b"\1"], codec=codec))
        case(f"header count negative {codec}", batch([record(count=-1)], codec=codec))
        case(f"header count too large {codec}", batch([record(count=1000)], codec=codec))
        case(f"header key null {codec}", batch([record(headers=[(None, b"x")])], codec=codec))
        case(f"header key no UTF-8 {codec}", batch([record(headers=[(b"\xff\xfe", b"x")])], codec=codec))
        case(f"value length -2 {codec}", batch([varint(6) + b"\0\0\0\1\3\0"], codec=codec))
        case(f"key length -2 {codec}", batch([varint(6) + b"\0\0\0\3\1\0"], codec=codec))
        case(f"varint of six bytes {codec}", batch([varint(12) + b"\0" + b"\x80" * 5 + b"\x01" + b"\0\1\1\0\0"], codec=codec))
        case(f"empty key and null value {codec}", batch([record(key=b"", value=None)], codec=codec))
    # Timestamps.
    for kind in ("CreateTime", "LogAppendTime"):
        topic = [("message.timestamp.type", kind)]
        for codec in ("none", "gzip"):
            tag = f"{kind} {codec}"
            case(f"the LogAppendTime bit {tag}", batch(two, max_ts=T + 5, attributes=8, codec=codec), topic=topic)
            case(f"sound batch {tag}", batch(two, max_ts=T + 5, codec=codec), topic=topic)
            case(f"timestamps -1 {tag}", batch(two[:1], base_ts=-1, max_ts=-1, codec=codec), topic=topic)
            case(f"timestamps -1, largest 0 {tag}", batch(two[:1], base_ts=-1, max_ts=0, codec=codec), topic=topic)
            case(f"timestamps -2 {tag}", batch(two[:1], base_ts=-2, max_ts=-2, codec=codec), topic=topic)
            case(f"timestamps far below zero {tag}", batch(two[:1], base_ts=-10**12, max_ts=-10**12, codec=codec), topic=topic)
            case(f"timestamp delta below zero {tag}", batch([record(0), record(1, timestamp=-9)], codec=codec), topic=topic)
            case(f"largest timestamp too small {tag}", batch(two, max_ts=T, codec=codec), topic=topic)
            case(f"largest timestamp too large {tag}", batch(two, max_ts=T + 99, codec=codec), topic=topic)
            case(f"largest timestamp -1 {tag}", batch(two, max_ts=-1, codec=codec), topic=topic)
            case(f"timestamps of the year 2200 {tag}", batch(base_ts=7258118400000, max_ts=7258118400000, codec=codec), topic=topic)
            case(f"timestamp of the second record of the year 2200 {tag}", batch([record(0), record(1, timestamp=7258118400000 - T)], codec=codec), topic=topic)
            case(f"largest timestamp of the year 2200, no record's {tag}", batch(max_ts=7258118400000, codec=codec), topic=topic)
            case(f"largest possible timestamp {tag}", batch(base_ts=2**63 - 1, max_ts=2**63 - 1, codec=codec), topic=topic)
            case(f"timestamp beyond the largest possible {tag}", batch([record(timestamp=2)], base_ts=2**63 - 1, codec=codec), topic=topic)
    narrow = [("message.timestamp.before.max.ms", "60000")]
    case("timestamp too old", batch(), topic=narrow)
    case("timestamp -1 where old ones are refused", batch(base_ts=-1, max_ts=-1), topic=narrow)
    case("timestamp too old under LogAppendTime", batch(), topic=narrow + [("message.timestamp.type", "LogAppendTime")])
    case("second timestamp too old gzip", batch([record(0), record(1)], codec="gzip"), topic=narrow)
    wide = [("message.timestamp.after.max.ms", str(2**63 - 1))]
    case("timestamps of the year 2200 where allowed", batch(base_ts=7258118400000, max_ts=7258118400000), topic=wide)
    case("largest possible timestamp where allowed", batch(base_ts=2**63 - 1, max_ts=2**63 - 1), topic=wide)
    # Attributes.
    for bits in (5, 6, 7):
        case(f"codec number {bits}", batch(attributes=bits))
    case("transactional bit, no producer", batch(attributes=0x10))
    case("transactional bit, producer, no transaction", batch(attributes=0x10, pid=4711, producer_epoch=0, seq=0))
    case("transactional id, plain batch", batch(), transactional_id="tx")
    case("transactional id, idempotent batch", batch(pid=4711, producer_epoch=0, seq=0), transactional_id="tx")
    case("transactional id, transactional batch", batch(attributes=0x10, pid=4711, producer_epoch=0, seq=0), transactional_id="tx")
    marker = record(key=struct.pack(">hh", 0, 1), value=struct.pack(">hi", 0, 0))
    case("control bit", batch(attributes=0x20))
    case("control bit, marker", batch([marker], attributes=0x30, pid=4711, producer_epoch=0))
    case("delete horizon bit", batch(attributes=0x40))
    case("delete horizon bit gzip", batch(attributes=0x40, codec="gzip"))
    case("unknown attribute bit 7", batch(attributes=0x80))
    case("unknown attribute bits 8 to 15", batch(attributes=-0x100))
    case("unknown attribute bits gzip", batch(attributes=0x7F80, codec="gzip"))
    # The batch as a whole.
    case("null records", None)
    case("empty records", b"")
    case("two batches", batch() + batch())
    case("two batches, offsets go on", batch() + batch(base_offset=1))
    case("two idempotent batches", batch(pid=4711, producer_epoch=0, seq=0) + batch(pid=4711, producer_epoch=0, seq=1))
    case("two batches gzip", batch(codec="gzip") + batch(codec="gzip"))
    case("a batch and half of one", batch() + batch()[:40])
    case("a batch and garbage", batch() + b"\0" * 80)
    case("a batch and one byte", batch() + b"\0")
    case("half a header", batch()[:30])
    case("header only", batch()[:61])
    case("all but the last byte", batch()[:-1])
    case("60 zeros", bytes(60))
    case("100 zeros", bytes(100))
    case("length 0", batch(length=0))
    case("length 13", batch(length=13))
    case("length negative", batch(length=-1))
    case("length less than a header", batch(length=48))
    case("length too large", batch(length=1000))
    case("length one too small", batch(length=len(batch()) - 13))
    case("wrong checksum", batch(crc=1))
    case("wrong checksum gzip", batch(crc=1, codec="gzip"))
    case("wrong checksum and control bit", batch(crc=1, attributes=0x20))
    for magic in (0, 1):
        case(f"magic {magic}", message_set(magic))
        case(f"magic {magic} gzip", message_set(magic, 1, zip_gzip(message_set(magic))))
        case(f"magic {magic} in a batch of today", batch(magic=magic))
    case("magic 3", batch(magic=3))
    case("magic -1", batch(magic=-1))
    # Codecs.
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        bits = CODECS[codec][0]
        case(f"garbage as {codec}", batch(attributes=bits, data=b"garbage garbage garbage"))
        case(f"truncated {codec}", batch(attributes=bits, data=CODECS[codec][1](record(value=bytes(range(100))))[:-20]))
    case("zstd in version 3", batch(codec="zstd"), version=3)
    case("zstd in version 6", batch(codec="zstd"), version=6)
    case("zstd in version 7", batch(codec="zstd"), version=7)
    case("version 2", version=2)
    for stored in ("uncompressed", "gzip", "snappy", "lz4", "zstd"):
        topic = [("compression.type", stored)]
        for codec in CODECS:
            case(f"{codec} into a topic of {stored}", batch(two, max_ts=T + 5, codec=codec), topic=topic)
    gz = [("compression.type", "gzip")]
    case("idempotent batch into a topic of gzip", batch(two, pid=4711, producer_epoch=3, seq=0), topic=gz)
    case("delta below zero into a topic of gzip", batch([record(0), record(1, timestamp=-9)]), topic=gz)
    case("base timestamp of no record into a topic of gzip", batch([record(0, timestamp=7)], max_ts=T + 7), topic=gz)
    case("record attributes into a topic of gzip", batch([record(attributes=0x7F)]), topic=gz)
    case("offset deltas skip into a topic of gzip", batch([record(0), record(2)]), topic=gz)
    case("unknown attribute bits into a topic of gzip", batch(attributes=0x7F80), topic=gz)
    case("delete horizon bit into a topic of gzip", batch(attributes=0x40), topic=gz)
    case("two batches into a topic of gzip", batch() + batch(), topic=gz)
    case("the LogAppendTime bit into a topic of gzip", batch(attributes=8), topic=gz)
    case("into a topic of gzip under LogAppendTime", batch(two), topic=gz + [("message.timestamp.type", "LogAppendTime")])
    case("timestamp -1 into a topic of gzip", batch(base_ts=-1, max_ts=-1), topic=gz)
    # Compacted topics.
    compact = [("cleanup.policy", "compact")]
    case("no key in a compacted topic", batch(), topic=compact)
    case("second record without key in a compacted topic", batch([record(0, key=b"k"), record(1)]), topic=compact)
    case("second record without key in a compacted topic gzip", batch([record(0, key=b"k"), record(1)], codec="gzip"), topic=compact)
    case("empty key in a compacted topic", batch([record(key=b"")]), topic=compact)
    case("no key in a topic compacted and deleted", batch(), topic=[("cleanup.policy", "compact,delete")])
    case("two records without key in a compacted topic", batch([record(0), record(1)]), topic=compact)
    # Sizes.
    small = [("max.message.bytes", "200")]
    case("batch larger than max.message.bytes", batch([record(value=b"x" * 200)]), topic=small)
    fits = 200 - len(batch([record(value=b"x" * 100)])) + 100
    case("batch as large as max.message.bytes", batch([record(value=b"x" * fits)]), topic=small)
    case("batch one larger than max.message.bytes", batch([record(value=b"x" * (fits + 1))]), topic=small)
    case("batch too large and checksum wrong", batch([record(value=b"x" * 200)], crc=1), topic=small)
    case("batch small when compressed only", batch([record(value=b"x" * 1000)], codec="gzip"), topic=small)
    case("batch too large after recompression", batch([record(value=b"x" * 1000)], codec="gzip"), topic=small + [("compression.type", "uncompressed")])
    case("batch small after recompression only", batch([record(value=b"x" * 1000)]), topic=small + gz)
    # The request.
    case("acks 1", acks=1)
    case("acks 0", acks=0)
    case("acks 0, refused", batch(crc=1), acks=0)
    case("acks 2", acks=2)
    case("acks -2", acks=-2)
    case("acks 2 and wrong checksum", batch(crc=1), acks=2)
    case("timeout below zero", timeout=-1)
    case("partition 5", partition=5)
    case("partition -1", partition=-1)
    case("no such topic", topic=NEVER)
    case("no such topic, null records", None, topic=NEVER)
    case("min.insync.replicas 2", topic=[("min.insync.replicas", "2")])
    case("min.insync.replicas 2 with acks 1", topic=[("min.insync.replicas", "2")], acks=1)
    return cases


def stored_form(data, append_time):
    """attributes/last offset delta/base timestamp/largest timestamp/producer id/epoch/sequence/count of each batch."""
    out = []
    while data:
        length = struct.unpack_from(">i", data, 8)[0]
        attributes, last, base, largest, pid, epoch, seq, count = struct.unpack_from(">hiqqqhii", data, 21)
        said = ["now" if append_time != -1 and at == append_time else str(at) for at in (base, largest)]
        out.append("/".join([str(attributes), str(last), *said, str(pid), str(epoch), str(seq), str(count)]))
        data = data[12 + length:]
    return "+".join(out) or "nothing"


def fetch_from_leader(client, topic):
    """The code and the records of a topic, once somebody leads it; waits at most some seconds."""
    code, data = client.fetch(topic)
    for _ in range(100):
        if code not in (6, 3):
            break
        time.sleep(0.05)
        code, data = client.fetch(topic)
    return code, data


def produce(client):
    print("# name | settings of the topic | options | batches | answers | stored")
    print("# An answer is: error code/base offset/append time/records at fault. What is stored is for each batch:")
    print("# attributes/last offset delta/base timestamp/largest timestamp/producer id/epoch/sequence/count.")
    stamp = int(time.time())
    for number, (name, settings, options, batches) in enumerate(produce_cases()):
        topic = f"answers-{stamp}-{number}"
        if settings is not NEVER:
            code, message = client.create_topic(topic, settings)
            assert code == 0, (name, code, message)
            # A broker that is not the leader yet cannot say so to who wants no answer.
            fetch_from_leader(client, topic)
        answers, append_time = [], -1
        for records in batches:
            answer = client.produce(topic, records, topic_exists=settings is not NEVER, **options)
            if isinstance(answer, str):
                answers.append(answer)
                continue
            code, base, time_, _, at_fault, message = answer
            if abs(time_ - time.time() * 1000) < 60_000:
                append_time, time_ = time_, "now"
            if "-v" in sys.argv:
                print(f"## {message}")
            answers.append("/".join([str(code), str(base), str(time_), ".".join(map(str, at_fault)) or "-"]))
        stored = "nothing"
        if settings is not NEVER:
            code, data = fetch_from_leader(client, topic)
            stored = stored_form(data or b"", append_time) if code == 0 else f"error {code}"
        given = "none" if settings is NEVER else ";".join(f"{key}={value}" for key, value in settings)
        sent = ";".join(f"{key}={value}" for key, value in options.items())
        batches = ",".join("null" if b is None else b.hex() or "empty" for b in batches)
        print("|".join([name, given, sent, batches, ",".join(answers), stored]), flush=True)


# ---- settings ----------------------------------------------------------------------------------------------------

NUMBERS = ["", " ", "x", "1.5", "5", " 5 ", "\t5\n", "+5", "0x10", "1e3", "1_000", "5L", "\uff15", "-3", "-2", "-1", "-0", "0", "1", "3", "4",
           "9", "10", "13", "14", "17", "18", "22", "23", "1048575", "1048576", "2147483647", "2147483648", "-131072",
           "-131073", "-2147483649", "9223372036854775807", "9223372036854775808", "-9223372036854775808"]
VALUES = {
    1: ["", " ", "true", "false", "TRUE", "fAlse", " true ", "yes", "1", "0", "tru", "true,false"],
    3: NUMBERS,
    5: NUMBERS,
    6: ["", " ", "0", "1", "0.5", " 0.5 ", "-0.1", "1.1", ".5", "1.", "5e-1", "0x1p-1", "0.5f", "0.5D", "NaN", "Infinity", "-0", "x", "0,5"],
    2: ["", " ", "none", "gzip", " gzip ", "GZIP", "gzip,snappy", "uncompressed", "producer", "lz4", "snappy", "zstd",
        "CreateTime", "LogAppendTime", " LogAppendTime ", "createtime", "x"],
    7: ["", " ", ",", "delete", "compact", "delete,compact", "compact,delete", " compact , delete ", "compact,compact", "delete,compact,delete",
        "compact,", ",compact", "compact,,delete", "none", "Compact", "*", "0:1", "0:1,1:2", "0:1,0:1", " 0:1 , 1:2 ", "0:1,", "0", "a:b", "*,0:1", "0:1:2", "-1:1", "x"],
}
# What one value is refused for beside another.
PAIRS = [
    [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")],
    [("local.retention.ms", "10"), ("retention.ms", "5")],
    [("local.retention.ms", "-1"), ("retention.ms", "5")],
    [("local.retention.bytes", "10"), ("retention.bytes", "5")],
    [("local.retention.bytes", "-1"), ("retention.bytes", "5")],
    [("remote.storage.enable", "true")],
    [("remote.storage.enable", "true"), ("cleanup.policy", "compact")],
    [("remote.storage.enable", "false"), ("remote.log.delete.on.disable", "true")],
    [("remote.log.copy.disable", "true")],
    [("remote.log.copy.disable", "true"), ("local.retention.ms", "5")],
    [("retention.ms", "1"), ("retention.ms", "2")],
    [("no.such.key", "1")],
    [("Retention.ms", "1")],
    [(" retention.ms", "1")],
    [("", "1")],
    [("retention.ms", None)],
    [("cleanup.policy", None)],
    [("message.format.version", "3.0")],
    [("message.downconversion.enable", "true")],
    [("message.timestamp.difference.max.ms", "1000")],
]


def escaped(value):
    return "null" if value is None else "'" + value.encode("unicode_escape").decode().replace("|", "\\x7c") + "'"


class Marker:
    """Shows when a change has reached what DescribeConfigs answers: each change moves a second key along."""

    def __init__(self, client, topic):
        self.client, self.topic, self.number = client, topic, 1000

    def alter(self, name, how, value):
        """The answer, and how the key is described once it is in effect."""
        self.number += 1
        beside = "flush.ms" if name != "flush.ms" else "flush.messages"
        code, message = self.client.alter(2, self.topic, [(name, how, value), (beside, 0, str(self.number))])
        end = time.monotonic() + 30
        now = described(self.client, self.topic)
        while code == 0 and now[beside][0] != str(self.number) and time.monotonic() < end:
            now = described(self.client, self.topic)
        return code, message, escaped(now[name][0]) if name in now else "-"


def described(client, topic):
    return {entry[0]: entry[1:] for entry in client.describe(2, topic)}


def settings(client):
    topic = f"answers-settings-{int(time.time())}"
    assert client.create_topic(topic, [])[0] == 0
    while not (before := described(client, topic)):
        time.sleep(0.05)
    marker = Marker(client, topic)
    print("# described | name | value | read only | source | sensitive | type | synonyms")
    for name, (value, read_only, source, sensitive, synonyms, kind, _) in sorted(before.items()):
        # Where a value of the broker's is known to the controller is its own affair.
        said = ";".join(f"{other}={escaped(content)}" for other, content, where in synonyms if where == 5)
        print("|".join(["described", name, escaped(value), str(read_only), "5" if source == 3 else str(source), str(sensitive), str(kind), said]))
    print("# value | name | value | code of CreateTopics | code of IncrementalAlterConfigs | as described afterwards")
    for name in sorted(before):
        for value in VALUES[before[name][5]]:
            created, _ = client.create_topic(topic + "-x", [(name, value)], validate_only=True)
            altered, message, after = marker.alter(name, 0, value)
            after = after if altered == 0 else "-"
            print("|".join(["value", name, escaped(value), str(created), str(altered), after]), flush=True)
            if "-v" in sys.argv and altered:
                print("##", message)
        assert client.alter(2, topic, [(name, 1, None)])[0] == 0
    print("# together | names and values | code of CreateTopics | code of IncrementalAlterConfigs")
    for pairs in PAIRS:
        created, _ = client.create_topic(topic + "-x", pairs, validate_only=True)
        altered, _ = client.alter(2, topic, [(name, 0, value) for name, value in pairs], validate_only=True)
        said = ";".join(f"{name}={escaped(value)}" for name, value in pairs)
        print("|".join(["together", said, str(created), str(altered)]), flush=True)
    print("# operation | first | operation | value | code | as described afterwards")
    for first, key, how, value in [
        ("delete", "cleanup.policy", 2, "compact"), ("delete", "cleanup.policy", 2, "delete"), ("delete", "cleanup.policy", 2, ""),
        ("delete", "cleanup.policy", 2, "compact,compact"), ("delete", "cleanup.policy", 2, "x"), ("delete", "cleanup.policy", 3, "delete"),
        ("delete", "cleanup.policy", 3, "compact"), ("delete,compact", "cleanup.policy", 3, "delete"), (None, "cleanup.policy", 2, "compact"),
        (None, "cleanup.policy", 3, "delete"), (None, "cleanup.policy", 1, "x"), ("delete", "cleanup.policy", 2, None),
        ("delete", "cleanup.policy", 3, None), ("delete", "cleanup.policy", 0, None), ("5", "retention.ms", 2, "1"), ("5", "retention.ms", 3, "5"),
        ("5", "retention.ms", 1, None), ("5", "retention.ms", 0, None), ("5", "retention.ms", 4, "1"), ("5", "retention.ms", -1, "1"),
        (None, "no.such.key", 1, None), ("0:1", "leader.replication.throttled.replicas", 2, "1:1"),
        ("0:1", "leader.replication.throttled.replicas", 3, "0:1"), ("*", "leader.replication.throttled.replicas", 2, "0:1"),
    ]:
        if first is not None:
            assert marker.alter(key, 0, first)[0] == 0
        code, message, after = marker.alter(key, how, value)
        print("|".join(["operation", escaped(first), key, str(how), escaped(value), str(code), after]), flush=True)
        if "-v" in sys.argv and code:
            print("##", message)
        client.alter(2, topic, [(key, 1, None)])


# ---- leader epochs -----------------------------------------------------------------------------------------------

def epochs(client):
    topic = f"answers-epochs-{int(time.time())}"
    assert client.create_topic(topic, [])[0] == 0
    print("# Of a partition of three records, and of one without any.")
    for state in ("empty", "three"):
        if state == "three":
            assert client.produce(topic, batch([record(n, timestamp=n) for n in range(3)], max_ts=T + 2))[0] == 0
        while client.fetch(topic)[0] != 0:
            time.sleep(0.05)
        print("# end | partition | current epoch | epoch asked for | code/epoch/end offset")
        for current in (-2, -1, 0, 1):
            for epoch in (-1, 0, 1, 7):
                body = struct.pack(">i", -1) + array([text(topic) + array([struct.pack(">iii", 0, current, epoch)])])
                reader = client.ask(23, 3, body)
                reader.take("i")
                [(_, [(code, _, known, end)])] = reader.array(lambda: (reader.text(), reader.array(lambda: reader.take("hiiq"))))
                print(f"end|{state}|{current}|{epoch}|{code}/{known}/{end}")
        print("# offsets | partition | current epoch | time | code/time/offset/epoch")
        for current in (-1, 0, 1):
            for at in (-1, -2, -3, T, T + 1, T + 9):
                body = struct.pack(">ib", -1, 0) + array([text(topic) + array([struct.pack(">iiq", 0, current, at)])])
                reader = client.ask(2, 5, body)
                reader.take("i")
                [(_, [(_, code, found, offset, epoch)])] = reader.array(lambda: (reader.text(), reader.array(lambda: reader.take("ihqqi"))))
                print(f"offsets|{state}|{current}|{at}|{code}/{found}/{offset}/{epoch}")
        print("# fetch | partition | current epoch | offset | code")
        for current in (-1, 0, 1):
            for offset in (0, 3, 4, -1):
                part = array([struct.pack(">iiqqi", 0, current, offset, -1, 1 << 20)])
                body = struct.pack(">iiiibii", -1, 0, 0, 1 << 20, 0, 0, -1) + array([text(topic) + part]) + array([]) + text("")
                reader = client.ask(1, 11, body)
                reader.take("ihi")

                def one():
                    _, code, _, _, _ = reader.take("ihqqq")
                    reader.array(lambda: reader.take("qq"))
                    reader.take("i")
                    reader.octets()
                    return code
                [(_, [code])] = reader.array(lambda: (reader.text(), reader.array(one)))
                print(f"fetch|{state}|{current}|{offset}|{code}")
    print("# committed | epoch committed | code | offset/epoch/metadata as fetched")
    for epoch in (-1, 0, 5, -7):
        while True:
            part = struct.pack(">iqi", 0, 2, epoch) + text("note")
            body = text("group-" + topic) + struct.pack(">i", -1) + text("") + text(None) + array([text(topic) + array([part])])
            reader = client.ask(8, 7, body)
            reader.take("i")
            [(_, [(_, code)])] = reader.array(lambda: (reader.text(), reader.array(lambda: reader.take("ih"))))
            if code not in (14, 15, 16):
                break
            client.ask(10, 0, text("group-" + topic))
            time.sleep(0.1)
        reader = client.ask(9, 5, text("group-" + topic) + array([text(topic) + array([struct.pack(">i", 0)])]))
        reader.take("i")
        [(_, [(_, offset, known, note, _)])] = reader.array(
            lambda: (reader.text(), reader.array(lambda: (reader.take("i"), reader.take("q"), reader.take("i"), reader.text(), reader.take("h")))))
        print(f"committed|{epoch}|{code}|{offset}/{known}/{note}")


def main():
    what, address = sys.argv[1:3]
    if what == "transactions":
        import transactions

        return transactions.scenarios(address)
    if what == "groups":
        import groups

        return groups.scripts(Client(address), sys.argv[3])
    {"produce": produce, "settings": settings, "epochs": epochs}[what](Client(address))


if __name__ == "__main__":
    main()
