import unittest

from millstream import Record
from millstream.testing import Harness
from plugin import TotalTask


class SinkTest(unittest.TestCase):
    def test_numbers_are_added_up_and_others_reported(self):
        with Harness() as harness:
            file = harness.file("file")
            task = harness.sink_task(TotalTask, {"file": "totals.txt"})
            task.put([Record("t", 2, key="a"), Record("t", "two", key="a"), Record("t", 3, key="a")])
            self.assertEqual(file.text, "a=2\na=5\n")
            (reported,) = harness.sink.reported
            self.assertEqual((reported.row, reported.error.message), (1, "expected a whole number, found a str"))
            task.pre_commit()
            self.assertEqual(file.synced, b"a=2\na=5\n")


if __name__ == "__main__":
    unittest.main()
