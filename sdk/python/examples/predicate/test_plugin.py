import unittest

from millstream import Record
from millstream.testing import held
from plugin import Contains


class PredicateTest(unittest.TestCase):
    def test_it_holds_for_text_that_contains_the_other(self):
        records = [Record("t", value) for value in ("hello", "bye", None)]
        self.assertEqual(held((Contains, {"text": "lo"}), records), ([True, False, False], []))


if __name__ == "__main__":
    unittest.main()
