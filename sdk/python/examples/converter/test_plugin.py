import unittest

from millstream import Record
from millstream.testing import converted
from plugin import PairsConverter


class ConverterTest(unittest.TestCase):
    def test_pairs_survive_both_ways_and_what_is_no_pair_fails_alone(self):
        records = [Record("t", data, key="k") for data in (b"a=1;b=2", b"oops", b"")]
        left, failed = converted(PairsConverter, records, to_connect=True)
        self.assertEqual([record.value for record in left], [{"a": "1", "b": "2"}, {}])
        self.assertEqual([error.row for error in failed], [1])
        back, _ = converted(PairsConverter, left, to_connect=False)
        self.assertEqual([record.value for record in back], [b"a=1;b=2", b""])


if __name__ == "__main__":
    unittest.main()
