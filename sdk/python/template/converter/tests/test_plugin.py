import unittest

from millstream import Record
from millstream.schema import INT64, STRING, struct
from millstream.testing import converted
from plugin import __TYPE__


class ConverterTest(unittest.TestCase):
    def test_pairs_become_maps_and_what_is_no_pair_fails_alone(self):
        records = [Record("t", data) for data in (b"a=1;b=2", b"oops", b"", None)]
        left, failed = converted(__TYPE__, records, to_connect=True)
        self.assertEqual([record.value for record in left], [{"a": "1", "b": "2"}, {}, None])
        self.assertEqual([error.row for error in failed], [1])

    def test_structs_and_maps_become_pairs(self):
        schema = struct({"n": INT64, "s": STRING.as_optional()})
        records = [Record("t", {"a": 1, "b": True}), Record("t", {"n": 7}, value_schema=schema), Record("t", "text")]
        left, failed = converted((__TYPE__, {"separator": ","}), records, to_connect=False)
        self.assertEqual([record.value for record in left], [b"a=1,b=true", b"n=7,s=null"])
        self.assertEqual([error.row for error in failed], [2])


if __name__ == "__main__":
    unittest.main()
