//! See `millstream_fuzz::messages`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::messages::messages(bytes);
});
