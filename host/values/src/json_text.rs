//! The text of a JSON document, in whichever encoding of Unicode it came.
//!
//! Jackson, which Connect reads all its JSON with, tells the encoding from a byte order mark or from where zero bytes
//! stand among the first four. Connector files, request bodies and messages are read through here.

use std::borrow::Cow;

/// Bytes that are no text in the encoding they are in.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotText {
    /// What stands at the position cannot stand in UTF-8.
    #[error("invalid UTF-8, at byte {at}, found 0x{byte:02x}")]
    Utf8 {
        /// Bytes before it, the byte order mark aside.
        at: usize,
        byte: u8,
    },
    /// Half of a pair stands alone.
    #[error("invalid UTF-16")]
    Utf16,
    /// A number that stands for no character.
    #[error("invalid UTF-32")]
    Utf32,
}

/// The text: UTF-8, or UTF-16 or UTF-32 as recognised by a byte order mark or by zero bytes. The mark is no part of it.
///
/// `utf8` checks UTF-8: who reads millions of messages brings a faster check than the standard library's.
///
/// # Errors
///
/// See [`NotText`].
pub fn decode_with<'a>(
    bytes: &'a [u8],
    utf8: impl Fn(&'a [u8]) -> Result<&'a str, NotText>,
) -> Result<Cow<'a, str>, NotText> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest).map(Cow::Borrowed),
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0, 0, 0, 1..=255, ..] => utf32(bytes, u32::from_be_bytes),
        [1..=255, 0, 0, 0, ..] => utf32(bytes, u32::from_le_bytes),
        [0, 1..=255, ..] => utf16(bytes, u16::from_be_bytes),
        [1..=255, 0, ..] => utf16(bytes, u16::from_le_bytes),
        _ => utf8(bytes).map(Cow::Borrowed),
    }
}

/// Like [`decode_with`], for documents that are read now and then.
///
/// # Errors
///
/// See [`NotText`].
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, NotText> {
    decode_with(bytes, utf8)
}

/// The text of UTF-8.
///
/// # Errors
///
/// [`NotText::Utf8`] names the first byte at fault.
pub fn utf8(bytes: &[u8]) -> Result<&str, NotText> {
    std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        NotText::Utf8 { at, byte: bytes.get(at).copied().unwrap_or_default() }
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, NotText> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).collect::<Result<String, _>>().map(Cow::Owned).map_err(|_| NotText::Utf16)
}

fn utf32(bytes: &[u8], number: fn([u8; 4]) -> u32) -> Result<Cow<'static, str>, NotText> {
    let chars = bytes.chunks_exact(4).map(|four| char::from_u32(number([four[0], four[1], four[2], four[3]])));
    chars.collect::<Option<String>>().map(Cow::Owned).ok_or(NotText::Utf32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\"a\":\"é😀\"}";

    fn utf16(bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        TEXT.encode_utf16().flat_map(bytes).collect()
    }

    fn utf32(bytes: fn(u32) -> [u8; 4]) -> Vec<u8> {
        TEXT.chars().flat_map(|c| bytes(c.into())).collect()
    }

    #[test]
    fn every_encoding_is_told_with_and_without_a_mark() {
        let marks: [&[u8]; 5] = [b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe", b"\x00\x00\xfe\xff", b"\xff\xfe\x00\x00"];
        let bodies = [
            TEXT.as_bytes().to_vec(),
            utf16(u16::to_be_bytes),
            utf16(u16::to_le_bytes),
            utf32(u32::to_be_bytes),
            utf32(u32::to_le_bytes),
        ];
        for (mark, body) in marks.into_iter().zip(bodies) {
            assert_eq!(decode(&body).as_deref(), Ok(TEXT));
            assert_eq!(decode(&[mark, &body].concat()).as_deref(), Ok(TEXT));
        }
    }

    #[test]
    fn one_mark_is_taken_off_and_what_is_no_text_is_named() {
        assert_eq!(decode(b"\xef\xbb\xbf\xef\xbb\xbf1").as_deref(), Ok("\u{feff}1"));
        assert_eq!(decode(b"{\xff"), Err(NotText::Utf8 { at: 1, byte: 0xff }));
        assert_eq!(decode(b"\xfe\xff\xd8\x00\x00\x22"), Err(NotText::Utf16));
        assert_eq!(decode(b"\x00\x00\xfe\xff\x00\x11\x00\x00"), Err(NotText::Utf32));
        assert_eq!(decode(b"").as_deref(), Ok(""));
    }
}
