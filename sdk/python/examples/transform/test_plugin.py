import unittest

from millstream import Record
from millstream.testing import applied
from plugin import Retopic, Shout, SplitWords


class TransformTest(unittest.TestCase):
    def test_a_chain_changes_multiplies_and_drops(self):
        records = [Record("t", value) for value in ("a bc", None, 1, "d")]
        left, failed = applied([SplitWords, Shout, (Retopic, {"topic": "words"})], records)
        self.assertEqual([(record.topic, record.value) for record in left], [("words", w) for w in ("A", "BC", "D")])
        # The third row, by the number it came in with.
        self.assertEqual([error.row for error in failed], [2])

    def test_rows_that_are_not_meant_stay_as_they_are(self):
        left, _ = applied((Retopic, {"topic": "new"}), [Record("t", "a"), Record("t", "b")], only=[False, True])
        self.assertEqual([record.topic for record in left], ["t", "new"])


if __name__ == "__main__":
    unittest.main()
