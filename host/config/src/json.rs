//! JSON as Connect's Jackson reads it, where it carries configurations: connector files and request bodies.
//!
//! Any encoding of Unicode, with or without a byte order mark; the first value counts, and what follows it is ignored;
//! of a member given twice the last one counts.

use millstream_values::json_text::{self, NotText};
use serde_json::Value;

/// Bytes that do not begin with a JSON value.
#[derive(Debug, thiserror::Error)]
pub enum InvalidJson {
    /// No text at all.
    #[error(transparent)]
    Text(#[from] NotText),
    /// A text that breaks JSON's grammar.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes of UTF-8.
        column: usize,
        /// The rule that is broken.
        what: String,
    },
}

/// The first value; `None` if there is nothing but white space.
///
/// # Errors
///
/// See [`InvalidJson`].
pub fn first_json_value(bytes: &[u8]) -> Result<Option<Value>, InvalidJson> {
    let text = json_text::decode(bytes)?;
    serde_json::Deserializer::from_str(&text).into_iter().next().transpose().map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = error.to_string();
        let what = what.strip_suffix(&place).unwrap_or(&what).to_owned();
        InvalidJson::Syntax { line: error.line(), column: error.column(), what }
    })
}

/// Whether the first character that is not white space begins an object.
pub(crate) fn begins_with_object(bytes: &[u8]) -> bool {
    let white = |c| matches!(c, ' ' | '\t' | '\r' | '\n');
    match json_text::decode(bytes) {
        Ok(text) => text.trim_start_matches(white).starts_with('{'),
        Err(_) => bytes.trim_ascii_start().starts_with(b"{"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_windows_tools_write_is_read() {
        let expected = json!({"a": "é"});
        assert_eq!(first_json_value(b"\xef\xbb\xbf{\"a\": \"\xc3\xa9\"}").unwrap(), Some(expected.clone()));
        let utf16: Vec<u8> = "\u{feff}{\"a\": \"é\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(first_json_value(&utf16).unwrap(), Some(expected));
    }

    #[test]
    fn the_first_value_and_of_equal_members_the_last_count() {
        let read = |text: &str| first_json_value(text.as_bytes()).unwrap();
        assert_eq!(read("{\"a\": 1, \"a\": 2} x"), Some(json!({"a": 2})));
        assert_eq!(read("{\"a\": 1}}"), Some(json!({"a": 1})));
        assert_eq!(read(" \t\r\n"), None);
        assert_eq!(read(""), None);
    }

    #[test]
    fn a_fault_has_its_place() {
        let error = |bytes: &[u8]| first_json_value(bytes).unwrap_err().to_string();
        assert_eq!(error(b"{\"a\": 1,\n  b: 2}"), "line 2, column 3: key must be a string");
        assert_eq!(error(b"{\"a\": \"\xe9\"}"), "invalid UTF-8, at byte 7, found 0xe9");
        for refused in ["\u{c}{}", "\u{a0}{}", "{a:1}", "{'a':1}", "{\"a\":01}", "{\"a\":NaN}", "{\"a\":1,}", "//x\n{}"]
        {
            assert!(first_json_value(refused.as_bytes()).is_err(), "{refused:?}");
        }
    }
}
