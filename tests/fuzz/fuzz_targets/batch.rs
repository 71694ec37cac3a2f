//! Batches as a hostile plugin might hand them over.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    millstream_fuzz::batch(bytes);
});
