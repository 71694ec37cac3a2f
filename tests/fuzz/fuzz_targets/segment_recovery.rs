//! See `millstream_fuzz::segment_recovery`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::segment_recovery::segment_recovery(bytes);
});
