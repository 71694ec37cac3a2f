//! See `millstream_fuzz::request_frames`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::request_frames::request_frames(bytes);
});
