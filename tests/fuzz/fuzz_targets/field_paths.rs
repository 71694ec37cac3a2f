//! See `millstream_fuzz::field_paths`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::field_paths::field_paths(bytes);
});
