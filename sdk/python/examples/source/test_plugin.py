import unittest

from millstream import Support
from millstream.testing import Harness
from plugin import PARTITION, TickSource, TickTask


class SourceTest(unittest.TestCase):
    def test_ticks_go_on_after_a_restart(self):
        with Harness() as harness:
            harness.store_offset(PARTITION, {"tick": 41})
            task = harness.source_task(TickTask, {"topic": "ticks", "every.ms": "250"})
            (record,) = task.poll(most_wait_ms=5000)
            self.assertEqual((record.topic, record.key, record.value), ("ticks", "main", 42))
            self.assertEqual((record.source_partition, record.source_offset), (PARTITION, {"tick": 42}))
            self.assertEqual(harness.waits, [250])
            self.assertEqual(harness.logged, [("info", "ticking from 42 on")])

    def test_there_is_one_task_and_nothing_comes_when_it_is_to_stop(self):
        with Harness() as harness:
            config = {"topic": "ticks"}
            self.assertEqual(harness.connector(TickSource, config).task_configs(5), [config])
            self.assertIs(TickSource.exactly_once_support(config), Support.SUPPORTED)
            harness.stopping = True
            self.assertEqual(harness.source_task(TickTask, config).poll(), [])


if __name__ == "__main__":
    unittest.main()
