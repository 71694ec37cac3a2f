import unittest

from millstream import Record
from millstream.testing import applied
from plugin import __TYPE__


class TransformTest(unittest.TestCase):
    def test_text_becomes_capitals_and_what_is_no_text_fails_alone(self):
        left, failed = applied(__TYPE__, [Record("t", "a"), Record("t", None), Record("t", 1)])
        self.assertEqual([record.value for record in left], ["A", None])
        self.assertEqual([(error.row, error.error.message) for error in failed], [(2, "expected text, found a int")])

    def test_a_field_alone(self):
        records = [Record("t", {"name": "a", "n": 1}), Record("t", {"n": 2}), Record("t", {"name": 3})]
        left, failed = applied((__TYPE__, {"field": "name"}), records)
        self.assertEqual([record.value for record in left], [{"name": "A", "n": 1}, {"n": 2}])
        self.assertEqual([(error.row, error.field) for error in failed], [(2, "name")])


if __name__ == "__main__":
    unittest.main()
