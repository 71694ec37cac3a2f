//! See `millstream_fuzz::batch`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::batch::batch(bytes);
});
