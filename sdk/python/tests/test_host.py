"""What plugins ask of the host, against the harness."""

import datetime
import logging
import unittest

from millstream import (
    Config,
    ConnectorContext,
    DataError,
    FatalError,
    File,
    Lease,
    PollLimits,
    Record,
    RetriableError,
    RowError,
    SinkTask,
    SourceTask,
    TopicOffset,
    TopicPartition,
    TopicReport,
    http,
    kept,
    records_of,
    rest,
    string,
    value_text,
    wait,
)
from millstream.http import HttpError, Request, Response
from millstream.log import TRACE
from millstream.sql import Database, Parameter, instant_text, parameter, quoted
from millstream.testing import Harness
from millstream.values import Float32, Instant, Struct
from millstream.schema import INT32, STRING, struct
from millstream.zone import described


class Sources(unittest.TestCase):
    def test_offsets_transactions_and_waits(self):
        class Task(SourceTask[Config]):
            def start(self):
                self.stored = self.context.offsets([{"a": 1}, {"b": [2, None]}])

            def poll(self, limits: PollLimits):
                if self.context.transaction is not None:
                    self.context.transaction.commit_after(0)
                    self.context.transaction.abort()
                rest(1.5)
                return [Record("t", wait(0.25))]

        with Harness() as harness:
            harness.store_offset({"b": [2, None]}, {"at": 1 << 60})
            task = harness.source_task(Task, {})
            self.assertEqual(task.task.stored, [None, {"at": 1 << 60}])
            self.assertEqual([record.value for record in task.poll()], [False])
            harness.stopping = harness.lets_end_transactions = True
            self.assertEqual([record.value for record in task.poll()], [True])
            self.assertEqual((harness.waits, harness.rests), ([250, 250], [1500, 1500]))
            self.assertEqual(harness.boundaries, [(0, True), (None, False)])
            with self.assertRaisesRegex(DataError, "cannot hold b'x'"):
                task.task.context.offset({"bytes": b"x"})

    def test_ends_behind_rows_of_a_poll_that_failed_are_forgotten(self):
        class Task(SourceTask[Config]):
            failing = True

            def poll(self, limits: PollLimits):
                if self.failing:
                    self.context.transaction.commit_after(5)
                    self.context.transaction.commit()
                    raise RetriableError("later")
                return None

        with Harness() as harness:
            harness.lets_end_transactions = True
            task = harness.source_task(Task, {})
            with self.assertRaises(RetriableError):
                task.poll()
            task.task.failing = False
            task.poll()
            self.assertEqual(harness.boundaries, [(None, True)])


    def test_what_poll_must_not_return_is_named_with_the_authors_file(self):
        class Task(SourceTask[Config]):
            def poll(self, limits: PollLimits):
                return 7

        with Harness() as harness, self.assertRaisesRegex(TypeError, "that of Task in test_host.py returned a int"):
            harness.source_task(Task, {}).poll()


class Sinks(unittest.TestCase):
    def test_what_a_sink_asks_for(self):
        class Task(SinkTask[Config]):
            def open(self, partitions):
                self.context.seek([partitions[0].at(7)])

            def put(self, records):
                self.context.pause([TopicPartition("t", 0)])
                self.context.timeout(0.5)
                self.context.request_commit()
                self.context.report([RowError(row, DataError("no", field="x")) for row, _ in records_of(records)])
                self.context.write("why", [TopicReport(value=b"v")] * 1500)

            def pre_commit(self, offsets):
                return [one for one in offsets if one.topic == "t"]

        with Harness() as harness:
            harness.assigned = [TopicPartition("t", 0)]
            task = harness.sink_task(Task, {})
            task.open(TopicPartition("t", 0))
            task.put([Record("t", 1)])
            self.assertEqual(harness.sink.seeks, [[TopicOffset("t", 0, 7)]])
            self.assertEqual((harness.sink.timeout_ms, harness.sink.commits), (500, 1))
            self.assertEqual([(error.row, error.field) for error in harness.sink.reported], [(0, "x")])
            self.assertEqual(len(harness.sink.written), 1500)
            self.assertEqual(task.pre_commit(TopicOffset("t", 0, 1), TopicOffset("u", 0, 1)), [TopicOffset("t", 0, 1)])
            with self.assertRaisesRegex(FatalError, "partition u-1 is not assigned"):
                task.task.context.resume([TopicPartition("u", 1)])
            harness.refuse_reports = FatalError("tolerates none")
            with self.assertRaisesRegex(FatalError, "tolerates none"):
                task.put([Record("t", 1)])


class Capabilities(unittest.TestCase):
    def test_files(self):
        with Harness() as harness:
            file = harness.file("file", "one\n")
            self.assertIsNone(File.open("other"))
            with File.open("file") as opened:
                self.assertEqual((opened.read(100), opened.size()), (b"one\n", 4))
                file.append("two\n")
                self.assertEqual((opened.read(100), opened.ends_rest()), (b"two\n", True))
                opened.seek(4)
                self.assertEqual(opened.read(), b"two\n")
                file.room = 2
                with self.assertRaisesRegex(FatalError, "No space left"):
                    opened.write("three")
                opened.truncate(3)
                opened.sync()
            self.assertEqual((file.text, file.synced), ("one", b"one"))

    def test_a_lease_that_another_task_took_is_lost(self):
        with Harness() as harness:
            lease = Lease.obtain()
            self.assertEqual(Lease.obtain().epoch, lease.epoch)
            lease.write({"a": b"1", "b": b"2"})
            lease.write({"b": None})
            harness.take_lease()
            with self.assertRaises(FatalError) as caught:
                lease.write({"a": b"3"})
            self.assertTrue(caught.exception.lease_lost)
            self.assertEqual((kept("a"), lease.keys(), harness.kept), (b"1", ["a"], {"a": b"1"}))
            self.assertGreater(Lease.obtain().epoch, lease.epoch)

    def test_databases(self):
        with Harness() as harness:
            fake = harness.database("db")
            fake.clock = "1714566896.000001000"
            fake.answer("select ?", [Record("", {"n": 1}), Record("", {"n": 2})], then=RetriableError("lost"))
            with Database.open("db", db_timezone="UTC", read_only=True) as database:
                self.assertEqual(database.now().isoformat(), "2024-05-01T12:34:56.000001+00:00")
                found = []
                with self.assertRaisesRegex(RetriableError, "lost"), database.query("select ?", [5]) as rows:
                    for record in rows:
                        found.append(record.value["n"])
                self.assertEqual(found, [1, 2])
                database.begin()
                fake.fail("commit", RetriableError("deadlock"))
                with self.assertRaisesRegex(RetriableError, "deadlock"):
                    database.commit()
            self.assertEqual(fake.calls[0].arguments, ({"db.timezone": "UTC", "read.only": True},))
            self.assertEqual(fake.calls[1].arguments[:2], ("select ?", [Parameter("int64", "5")]))

    def test_parameters_of_statements(self):
        moment = datetime.datetime(1969, 12, 31, 23, 59, 58, 500000, tzinfo=datetime.timezone.utc)
        self.assertEqual(instant_text(moment), "-2.500000000")
        self.assertEqual(instant_text(Instant(-1500)), "-2.500000000")
        self.assertEqual(parameter(None), ("string", None))
        self.assertEqual(parameter(True), ("boolean", "true"))
        self.assertEqual(parameter(1 << 70), ("decimal", str(1 << 70)))
        self.assertEqual(parameter(b"\x00\xff"), ("bytes", "00ff"))
        self.assertEqual(quoted('a"b'), '"a""b"')

    def test_requests(self):
        with Harness() as harness:
            harness.serve(lambda request: Response(200, f"{request.method} {len(request.body)}".encode()))
            pending = [Request("POST", "http://h/x", body=b"x" * n).start() for n in (1, 2)]
            self.assertEqual([one.wait().text for one in pending], ["POST 1", "POST 2"])
            self.assertEqual(http.post("http://h", json={"a": 1}).text, "POST 8")

            def refuse(request):
                raise HttpError("timeout", "too slow")

            harness.serve(refuse)
            with self.assertRaises(HttpError) as caught:
                http.get("http://h")
            self.assertIsInstance(caught.exception.as_plugin_error(), RetriableError)
        self.assertEqual(HttpError.of_host("dns: look up h: no").cause, "dns")
        self.assertEqual(HttpError.of_host("odd: text").message, "odd: text")
        self.assertEqual(http.parts("http://h:1/a?b#c"), (False, "h:1", "/a?b"))
        self.assertEqual(http.parts("HTTPS://h?b"), (True, "h", "/?b"))
        self.assertIsNone(http.parts("ftp://h"))
        self.assertEqual(http.encode("a/b ü?"), "a%2Fb%20%C3%BC%3F")

    def test_logging_is_pythons_own(self):
        with Harness() as harness:
            logging.getLogger("x").info("hello %s", "you")
            logging.getLogger("x").log(TRACE, "step")
            logging.getLogger("x").warning("look")
            self.assertEqual(harness.logged, [("info", "hello you"), ("trace", "step"), ("warn", "look")])

    def test_connectors(self):
        with Harness() as harness:
            ConnectorContext().request_task_reconfiguration()
            ConnectorContext().raise_error(FatalError("x"))
            self.assertEqual((harness.reconfigurations, harness.raised[0].message), (1, "x"))

    def test_without_a_host_it_is_said_what_to_do(self):
        with self.assertRaisesRegex(FatalError, r"enter millstream.testing.Harness\(\)"):
            wait(1)


class Texts(unittest.TestCase):
    def test_values_look_as_java_writes_them(self):
        schema = struct({"a": INT32, "b": STRING.as_optional()})
        for value, text in (
            (None, "null"),
            (True, "true"),
            (1.0, "1.0"),
            (1e7, "1.0E7"),
            (1234567.0, "1234567.0"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (-0.0, "-0.0"),
            (1.5e300, "1.5E300"),
            (Float32(0.1), "0.1"),
            (float("inf"), "Infinity"),
            ([1, "a", None], "[1, a, null]"),
            ({"a": 1, "b": {}}, "{a=1, b={}}"),
            (Struct(schema, {"a": 1, "b": None}), "Struct{a=1}"),
            (datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc), "Thu Jan 01 00:00:00 UTC 1970"),
        ):
            with self.subTest(text):
                self.assertEqual(value_text(value), text)

    def test_zones_that_workers_describe(self):
        moment = datetime.datetime(2024, 7, 1, tzinfo=datetime.timezone.utc)
        for text, hours, name in (
            ("GMT+5:30", 5.5, "GMT+05:30"),
            ("GMT-0330", -3.5, "GMT-03:30"),
            ("CET-1CEST,M3.5.0,M10.5.0/3", 2, "CEST"),
            ("", 0, "UTC"),
        ):
            with self.subTest(text):
                local = moment.astimezone(described(text))
                self.assertEqual((local.utcoffset(), local.tzname()), (datetime.timedelta(hours=hours), name))
        with self.assertRaises(ValueError):
            described("nowhere at all")


class Configured(unittest.TestCase):
    def test_a_class_finds_its_configuration_in_the_brackets_of_its_base(self):
        class Own(Config):
            x = string("x", default="d")

        class Base(SourceTask[Own]):
            pass

        class Derived(Base):
            pass

        self.assertIs(Derived.config_class, Own)
        self.assertIs(SourceTask.config_class, Config)


if __name__ == "__main__":
    unittest.main()
