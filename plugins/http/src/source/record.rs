//! What a JSON answer is as records.
//!
//! A whole number of JSON may have any number of digits, where serde_json has 64 bits and makes the nearest floating-point
//! number of what is beyond. So such a number is put between quotes before, inside an object that no answer has, and taken
//! out of it wherever values leave this module.

use std::borrow::Cow;

use millstream_sdk::{Value, data_of_json, values::decimal};
use serde_json::Value as Json;

/// The only member of an object that stands for a number beyond 64 bits.
const LARGE: &str = "\0integer";

/// The same as JSON text, up to the digits.
const LARGE_BEGIN: &str = r#"{"\u0000integer":""#;

/// And behind them.
const LARGE_END: &str = r#""}"#;

/// Most digits that certainly fit into 64 bits.
const FITTING_DIGITS: usize = 18;

/// Reads a document, whole numbers with every digit.
pub fn parse(document: &[u8]) -> serde_json::Result<Json> {
    serde_json::from_slice(&with_large_numbers(document))
}

/// A document in which whole numbers beyond 64 bits are objects.
fn with_large_numbers(document: &[u8]) -> Cow<'_, [u8]> {
    let (mut out, mut copied, mut at) = (Vec::new(), 0, 0);
    while at < document.len() {
        match document[at] {
            b'"' => at = end_of_text(document, at),
            b'-' | b'0'..=b'9' => {
                let begin = at;
                at += 1;
                while document
                    .get(at)
                    .is_some_and(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
                {
                    at += 1;
                }
                let number = &document[begin..at];
                if is_large(number) {
                    out.extend_from_slice(&document[copied..begin]);
                    out.extend_from_slice(LARGE_BEGIN.as_bytes());
                    out.extend_from_slice(number);
                    out.extend_from_slice(LARGE_END.as_bytes());
                    copied = at;
                }
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(document);
    }
    out.extend_from_slice(&document[copied..]);
    Cow::Owned(out)
}

/// Behind the closing quote of a text, or the end of a document that has none.
fn end_of_text(document: &[u8], opening: usize) -> usize {
    let mut at = opening + 1;
    while let Some(byte) = document.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    document.len()
}

/// Whether a number is a whole one that 64 bits do not hold. What JSON does not take for one is left to its parser.
fn is_large(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    FITTING_DIGITS < digits.len()
        && digits[0] != b'0'
        && digits.iter().all(u8::is_ascii_digit)
        && str::from_utf8(number).is_ok_and(|text| text.parse::<i64>().is_err())
}

/// The digits of a number beyond 64 bits.
fn large(json: &Json) -> Option<&str> {
    let members = json.as_object().filter(|members| members.len() == 1)?;
    // An answer may have an object of this form by itself: with other digits it is what it is.
    members.get(LARGE)?.as_str().filter(|digits| is_large(digits.as_bytes()))
}

/// JSON as schemaless data of Connect; a whole number beyond 64 bits is a `BigInteger`.
pub fn data(json: Json) -> Value {
    if let Some(number) = large(&json).and_then(decimal::parse_integer) {
        return Value::BigInteger(number);
    }
    match json {
        Json::Array(items) => Value::List(items.into_iter().map(data).collect()),
        Json::Object(members) => {
            Value::Map(members.into_iter().map(|(name, value)| (Value::String(name), data(value))).collect())
        }
        other => data_of_json(other),
    }
}

/// The text of a JSON text, and everything else as JSON.
pub fn text(json: Json) -> String {
    if let Json::String(text) = json {
        return text;
    }
    let shown = json.to_string();
    let Some((before, rest)) = shown.split_once(LARGE_BEGIN) else { return shown };
    let mut out = before.to_owned();
    for part in rest.split(LARGE_BEGIN) {
        match part.split_once(LARGE_END).filter(|(digits, _)| is_large(digits.as_bytes())) {
            Some((digits, behind)) => out.extend([digits, behind]),
            None => out.extend([LARGE_BEGIN, part]),
        }
    }
    out
}

/// The value at a pointer; the document itself for an empty one.
pub fn at<'j>(json: &'j Json, pointer: &str) -> Option<&'j Json> {
    json.pointer(pointer)
}

/// The records of an answer: the items of an array, or the one thing that is there.
pub fn items(found: Option<Json>) -> Vec<Json> {
    match found {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(items)) => items,
        Some(one) => vec![one],
    }
}

/// Takes what stands at a pointer out of a document.
pub fn take(mut json: Json, pointer: &str) -> Option<Json> {
    json.pointer_mut(pointer).map(Json::take)
}

/// A text or number as text; none for everything else.
pub fn scalar(json: &Json) -> Option<String> {
    if let Some(digits) = large(json) {
        return Some(digits.to_owned());
    }
    match json {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::map;

    use super::*;

    const ANSWER: &str = r#"{"a":9223372036854775807,"b":[9223372036854775808,-123456789012345678901234567890],"t":"\"12345678901234567890","f":12345678901234567890.5,"e":12345678901234567890e1}"#;

    #[test]
    fn whole_numbers_keep_every_digit() {
        let json = parse(ANSWER.as_bytes()).expect("JSON");
        let big = |digits: &str| Value::BigInteger(decimal::parse_integer(digits).expect("digits"));
        let expected = map([
            ("a", Value::Int64(i64::MAX)),
            ("b", Value::List(vec![big("9223372036854775808"), big("-123456789012345678901234567890")])),
            ("e", Value::Float64(123_456_789_012_345_678_900.0)),
            ("f", Value::Float64(12_345_678_901_234_567_890.5)),
            ("t", "\"12345678901234567890".into()),
        ]);
        let Value::Map(mut found) = data(json.clone()) else { panic!("a map") };
        found.sort_by_key(|(name, _)| format!("{name:?}"));
        assert_eq!(Value::Map(found), expected);
        assert_eq!(scalar(json.pointer("/b/1").expect("there")).as_deref(), Some("-123456789012345678901234567890"));
        let shown = text(take(json, "/b").expect("there"));
        assert_eq!(shown, "[9223372036854775808,-123456789012345678901234567890]");
    }

    #[test]
    fn what_looks_like_a_large_number_and_is_none_stays_what_it_is() {
        for odd in [r#"{"\u0000integer":"7"}"#, r#"{"\u0000integer":7}"#, r#"["\u0000integer\":\"", 1]"#] {
            let json = parse(odd.as_bytes()).expect("JSON");
            assert_eq!(text(json.clone()), json.to_string());
            assert_eq!(data(json.clone()), data_of_json(json), "{odd}");
        }
        for broken in
            ["012345678901234567890", "-", "12345678901234567890x", "\"12345678901234567890", "--12345678901234567890"]
        {
            assert!(parse(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
