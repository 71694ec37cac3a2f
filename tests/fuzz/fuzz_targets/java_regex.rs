//! See `millstream_fuzz::java_regex`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::java_regex::java_regex(bytes);
});
