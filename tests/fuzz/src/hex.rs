//! Bytes written as hexadecimal text.

/// The bytes of a seed.
pub fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("seeds are hexadecimal");
    (0..text.len()).step_by(2).map(byte).collect()
}
