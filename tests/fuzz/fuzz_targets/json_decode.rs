//! See `millstream_fuzz::json_decode`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::json_decode::json_decode(bytes);
});
