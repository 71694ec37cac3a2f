import unittest

from millstream.testing import Harness
from plugin import PARTITION, __TYPE__Task


class SourceTest(unittest.TestCase):
    def test_it_goes_on_after_a_restart(self):
        with Harness() as harness:
            harness.store_offset(PARTITION, {"tick": 41})
            task = harness.source_task(__TYPE__Task, {"topic": "ticks", "every.ms": "250"})
            (record,) = task.poll()
            self.assertEqual((record.topic, record.key, record.value), ("ticks", "main", 42))
            self.assertEqual(record.source_offset, {"tick": 42})
            self.assertEqual(harness.waits, [250])


if __name__ == "__main__":
    unittest.main()
