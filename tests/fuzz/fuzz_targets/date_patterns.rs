//! See `millstream_fuzz::date_patterns`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::date_patterns::date_patterns(bytes);
});
