//! Texts of configurations as Kafka's `ConfigDef` reads them: one reading for the host's keys and for those of plugins.

use crate::java_text::{java_trim, parse_int, parse_java_double};

/// What a text is read as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TextType {
    /// STRING, PASSWORD and CLASS: trimmed.
    Text,
    /// BOOLEAN: `true` or `false`, in any case.
    Boolean,
    /// SHORT, INT or LONG: a whole number that fits this many bits.
    Integer(u32),
    /// DOUBLE: what Java's `Double.parseDouble` reads.
    Double,
    /// LIST: items between commas.
    List,
}

/// A text that was read.
#[derive(Clone, Debug, PartialEq)]
pub enum TextValue {
    /// Without blanks at its ends.
    Text(String),
    /// True or false.
    Boolean(bool),
    /// Within its type.
    Integer(i64),
    /// Possibly NaN or an infinity.
    Double(f64),
    /// Empty items included.
    List(Vec<String>),
}

/// Reads a text, blanks at its ends aside; `None` if it is not of that type.
///
/// Blanks are what Java's `trim` takes for them: everything up to U+0020, and nothing else.
pub fn read(raw: &str, kind: TextType) -> Option<TextValue> {
    let text = java_trim(raw);
    Some(match kind {
        TextType::Text => TextValue::Text(text.to_owned()),
        TextType::Boolean => TextValue::Boolean(boolean(text)?),
        TextType::Integer(bits) => TextValue::Integer(parse_int(text, bits)?),
        TextType::Double => TextValue::Double(parse_java_double(text)?),
        TextType::List => TextValue::List(list(text)),
    })
}

/// A STRING, PASSWORD or CLASS: the text without blanks at its ends.
pub fn text(raw: &str) -> &str {
    java_trim(raw)
}

/// `true` or `false` in any case, `None` for everything else. Java compares in upper case, so that the long s counts
/// as an s.
pub fn boolean(raw: &str) -> Option<bool> {
    let text = java_trim(raw);
    let is = |word: &str| {
        let mut letters = text.chars().map(|c| if c == '\u{17f}' { 's' } else { c.to_ascii_lowercase() });
        word.chars().all(|c| letters.next() == Some(c)) && letters.next().is_none()
    };
    match (is("true"), is("false")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// The items between commas, without the white space around them; none if there is nothing but blanks. Empty items stay.
pub fn list(raw: &str) -> Vec<String> {
    let text = java_trim(raw);
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').map(|item| item.trim_matches(is_regex_space).to_owned()).collect()
}

/// Items without repetition, in their order: what Kafka makes of a list that may name nothing twice.
pub fn distinct(items: &[String]) -> Vec<String> {
    let mut distinct: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        if !distinct.contains(item) {
            distinct.push(item.clone());
        }
    }
    distinct
}

/// What `\s` matches in a Java regular expression.
fn is_regex_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_s_is_an_s_to_java() {
        assert_eq!(boolean("fal\u{17f}e"), Some(false));
        assert_eq!(boolean("tru"), None);
        assert_eq!(boolean("truee"), None);
    }

    #[test]
    fn only_what_java_trims_is_a_blank() {
        assert_eq!(read("\u{1f}x\u{0}", TextType::Text), Some(TextValue::Text("x".into())));
        assert_eq!(read("\u{a0}x", TextType::Text), Some(TextValue::Text("\u{a0}x".into())));
        assert_eq!(list("a\u{b},\u{1f},b "), ["a", "\u{1f}", "b"]);
    }

    #[test]
    fn of_equal_items_the_first_stays() {
        assert_eq!(distinct(&list("b,a,b")), ["b", "a"]);
    }
}
