//! See `millstream_fuzz::record_batches`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::record_batches::record_batches(bytes);
});
