import unittest

from millstream import Record
from millstream.testing import held
from plugin import __TYPE__


class PredicateTest(unittest.TestCase):
    def test_it_holds_where_the_text_is(self):
        values = ["hello", "bye", None, 1, {"name": "hello"}]
        holds, failed = held((__TYPE__, {"text": "ell"}), [Record("t", value) for value in values])
        self.assertEqual((holds, failed), ([True, False, False, False, False], []))

    def test_a_field_alone(self):
        values = [{"name": "hello"}, {"name": "bye"}, {}, "hello"]
        holds, _ = held((__TYPE__, {"text": "ell", "field": "name"}), [Record("t", value) for value in values])
        self.assertEqual(holds, [True, False, False, False])


if __name__ == "__main__":
    unittest.main()
