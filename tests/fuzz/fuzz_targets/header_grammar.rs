//! See `millstream_fuzz::header_grammar`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::header_grammar::header_grammar(bytes);
});
