//! See `millstream_fuzz::group_records`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::group_records::group_records(bytes);
});
