//! Bytes as text, with what is not UTF-8 replaced the way Java's decoder replaces it.

/// Passes on the text of the bytes, in pieces. What is malformed becomes `\u{FFFD}`: once for each longest part
/// that could have begun a character, and once for all three bytes of an encoded surrogate, which
/// Java's decoder takes for one.
pub fn append_replacing(bytes: &[u8], mut append: impl FnMut(&str)) {
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        append(chunk.valid());
        let invalid = chunk.invalid().len();
        if invalid == 0 {
            return;
        }
        append("\u{FFFD}");
        let at = &rest[chunk.valid().len()..];
        let skip = if matches!(at, [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..]) { 3 } else { invalid };
        rest = &at[skip..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_text(bytes: &[u8], expected: &str) {
        let mut out = String::new();
        append_replacing(bytes, |text| out.push_str(text));
        assert_eq!(out, expected);
    }

    #[test]
    fn malformed_bytes_are_replaced_as_java_does() {
        check_text("für €\u{10348}".as_bytes(), "für €\u{10348}");
        check_text(b"a\xffb", "a\u{FFFD}b");
        check_text(b"\xc0\x80", "\u{FFFD}\u{FFFD}");
        check_text(b"\xe2\x82x", "\u{FFFD}x");
        check_text(b"\xf0\x9f\x98", "\u{FFFD}");
        check_text(b"x\xed\xa0\x80y", "x\u{FFFD}y");
        check_text(b"\xed\xa0", "\u{FFFD}\u{FFFD}");
        check_text(b"", "");
    }
}
