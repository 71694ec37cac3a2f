//! Records of the offsets topic as another program may have written them.

use super::parts::parts;

/// A key and a value, in hexadecimal, with the mark of the end of a part between them.
pub const SEEDS: &[&str] = &[
    "000100016700017400000003ffff000300000000000000070000000500016d0000018bcfe56800",
    "000100016700017400000003ffff00010000000000000007000000000000018bcfe568000000018bcfe56801",
    "0002000167ffff00030008636f6e73756d657200000005000572616e676500016d0000018bcfe568000000000100016dffff000163\
     00022f78000003e8000003e8000000020102000000020304",
];

/// Reads a record as the coordinator does when it loads. True if it was understood; then what is written from it is
/// read as the same.
pub fn group_records(bytes: &[u8]) -> bool {
    let [key, value] = parts::<2>(bytes);
    let Some((key, value)) = millstream_broker::rewrite_group_record(key, value) else { return false };
    let again = millstream_broker::rewrite_group_record(&key, &value);
    assert_eq!(again, Some((key, value)), "what the coordinator wrote it reads as the same");
    true
}
