import unittest

from millstream import Record
from millstream.testing import Harness
from plugin import __TYPE__Task


class SinkTest(unittest.TestCase):
    def test_each_record_is_a_line_and_safe_after_the_flush(self):
        with Harness() as harness:
            file = harness.file("file")
            task = harness.sink_task(__TYPE__Task, {"file": "out.txt"})
            task.put([Record("t", 1, key="a"), Record("t", {"b": True})])
            self.assertEqual(file.text, "a=1\nnull={b=true}\n")
            task.pre_commit()
            self.assertEqual(file.synced, file.content)


if __name__ == "__main__":
    unittest.main()
