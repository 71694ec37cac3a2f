//! Java's `.properties` syntax, character for character as `java.util.Properties` reads it.

use std::collections::BTreeMap;

/// Why a properties text could not be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PropertiesError {
    /// `\u` without four hexadecimal digits.
    #[error("Malformed \\uxxxx encoding. (line {line})")]
    MalformedUnicode {
        /// Line of the entry's beginning, counted from 1.
        line: usize,
    },
    /// Half of a UTF-16 surrogate pair, which is no character.
    #[error("unpaired surrogate \\u{unit:04x} in line {line}")]
    UnpairedSurrogate {
        /// Line of the entry's beginning, counted from 1.
        line: usize,
        /// The half that stands alone.
        unit: u16,
    },
}

/// Reads a file in ISO-8859-1, as worker and connector files are.
///
/// Entries come in the order of the file; of a key given twice only the last value remains, at the place of
/// the first.
///
/// # Errors
///
/// See [`PropertiesError`].
pub fn parse(bytes: &[u8]) -> Result<Vec<(String, String)>, PropertiesError> {
    let text: Vec<char> = bytes.iter().map(|&byte| char::from(byte)).collect();
    parse_chars(&text)
}

/// Reads a text that was decoded already.
///
/// # Errors
///
/// See [`PropertiesError`].
pub fn parse_str(text: &str) -> Result<Vec<(String, String)>, PropertiesError> {
    parse_chars(&text.chars().collect::<Vec<_>>())
}

/// The line, counted from 1, of each key's last entry in a file in ISO-8859-1; a key with a broken escape has none.
pub fn lines_of_keys(bytes: &[u8]) -> BTreeMap<String, usize> {
    let text: Vec<char> = bytes.iter().map(|&byte| char::from(byte)).collect();
    let mut lines = LogicalLines { text: &text, position: 0, line: 1 };
    let mut found = BTreeMap::new();
    while let Some((line, number)) = lines.next_line() {
        if let Ok(key) = unescape(split(&line).0, number) {
            found.insert(key, number);
        }
    }
    found
}

fn parse_chars(text: &[char]) -> Result<Vec<(String, String)>, PropertiesError> {
    let mut lines = LogicalLines { text, position: 0, line: 1 };
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    while let Some((line, number)) = lines.next_line() {
        let (raw_key, raw_value) = split(&line);
        let (key, value) = (unescape(raw_key, number)?, unescape(raw_value, number)?);
        match places.get(&key) {
            Some(&place) => {
                let entry: &mut (String, String) = &mut entries[place];
                entry.1 = value;
            }
            None => {
                places.insert(key.clone(), entries.len());
                entries.push((key, value));
            }
        }
    }
    Ok(entries)
}

fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Joins continued lines and leaves out blank ones and comments.
struct LogicalLines<'a> {
    text: &'a [char],
    position: usize,
    line: usize,
}

impl LogicalLines<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.position).copied()
    }

    /// Passes over one line ending, of which CR LF is one.
    fn end_line(&mut self, first: char) {
        if first == '\r' && self.peek() == Some('\n') {
            self.position += 1;
        }
        self.line += 1;
    }

    fn next_line(&mut self) -> Option<(Vec<char>, usize)> {
        let mut logical = Vec::new();
        let (mut skip_white, mut continued, mut backslash) = (true, false, false);
        let mut started = self.line;
        while let Some(c) = self.peek() {
            self.position += 1;
            let ends_line = c == '\n' || c == '\r';
            if skip_white {
                if is_white(c) {
                    continue;
                }
                if !continued && ends_line {
                    self.end_line(c);
                    continue;
                }
                (skip_white, continued) = (false, false);
            }
            if logical.is_empty() {
                if c == '#' || c == '!' {
                    while self.peek().is_some_and(|c| c != '\n' && c != '\r') {
                        self.position += 1;
                    }
                    skip_white = true;
                    continue;
                }
                started = self.line;
            }
            if !ends_line {
                backslash = c == '\\' && !backslash;
                logical.push(c);
                continue;
            }
            self.end_line(c);
            if logical.is_empty() {
                skip_white = true;
            } else if backslash {
                logical.pop();
                (skip_white, continued, backslash) = (true, true, false);
            } else {
                return Some((logical, started));
            }
        }
        // A lone backslash before the end of the file continues nothing.
        let read = !logical.is_empty();
        if backslash {
            logical.pop();
        }
        read.then_some((logical, started))
    }
}

/// Splits at the first `=`, `:` or white space that no backslash precedes.
fn split(line: &[char]) -> (&[char], &[char]) {
    let mut backslash = false;
    let key_end = line
        .iter()
        .position(|&c| {
            let ends = !backslash && (matches!(c, '=' | ':') || is_white(c));
            backslash = c == '\\' && !backslash;
            ends
        })
        .unwrap_or(line.len());
    let mut value = key_end;
    let mut separated = false;
    while let Some(&c) = line.get(value) {
        if matches!(c, '=' | ':') && !separated {
            separated = true;
        } else if !is_white(c) {
            break;
        }
        value += 1;
    }
    (&line[..key_end], &line[value..])
}

fn unescape(raw: &[char], line: usize) -> Result<String, PropertiesError> {
    // Escapes give UTF-16 units, of which two can make one character, so the text is put together in those.
    let mut units: Vec<u16> = Vec::with_capacity(raw.len());
    let mut buffer = [0; 2];
    let mut rest = raw.iter().copied();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next() {
                None => break,
                Some('u') => {
                    let mut unit = 0;
                    for _ in 0..4 {
                        let digit = rest.next().and_then(|c| c.to_digit(16));
                        let digit = digit.ok_or(PropertiesError::MalformedUnicode { line })?;
                        unit = unit << 4 | digit as u16;
                    }
                    units.push(unit);
                    continue;
                }
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some(other) => other,
            },
            other => other,
        };
        units.extend_from_slice(c.encode_utf16(&mut buffer));
    }
    char::decode_utf16(units)
        .collect::<Result<_, _>>()
        .map_err(|error| PropertiesError::UnpairedSurrogate { line, unit: error.unpaired_surrogate() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_the_line_of_its_last_entry() {
        let found = lines_of_keys(b"# c\na=1\n\nb = 2 \\\n  more\na: 3\n");
        assert_eq!(found, BTreeMap::from([("a".to_owned(), 6), ("b".to_owned(), 4)]));
    }

    fn one(text: &str) -> (String, String) {
        let mut entries = parse(text.as_bytes()).unwrap();
        assert_eq!(entries.len(), 1, "{text:?} gives {entries:?}");
        entries.remove(0)
    }

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn keys_and_values_are_split_at_the_first_unescaped_separator() {
        assert_eq!(one("a=b"), pair("a", "b"));
        assert_eq!(one("  a : b = c"), pair("a", "b = c"));
        assert_eq!(one("a b"), pair("a", "b"));
        assert_eq!(one("a\t=\u{c}b  "), pair("a", "b  "));
        assert_eq!(one("a==b"), pair("a", "=b"));
        assert_eq!(one("a"), pair("a", ""));
        assert_eq!(one("=b"), pair("", "b"));
        assert_eq!(one("a\\:b\\ c\\=d=e"), pair("a:b c=d", "e"));
        assert_eq!(one("a\\\\=b"), pair("a\\", "b"));
        assert_eq!(one("a b\\ : c\\=d"), pair("a", "b : c=d"));
    }

    #[test]
    fn a_backslash_at_the_end_continues_the_line() {
        assert_eq!(one("a\\ b : c\\=d \\\n   e"), pair("a b", "c=d e"));
        assert_eq!(one("a=b\\\r\n  c\\\r  d"), pair("a", "bcd"));
        assert_eq!(one("a=b\\\n#c"), pair("a", "b#c"));
        assert_eq!(one("a=b\\\n\n"), pair("a", "b"));
        assert_eq!(one("a=b\\\\\n"), pair("a", "b\\"));
        assert_eq!(one("a=b\\"), pair("a", "b"));
        let entries = parse(b"a=b\\\n\nc=d").unwrap();
        assert_eq!(entries, [pair("a", "b"), pair("c", "d")]);
    }

    #[test]
    fn comments_and_blank_lines_are_left_out_and_a_comment_is_not_continued() {
        let entries = parse(b"# x\\\na=1\n  ! y\r\n\t\n\r\nb=2\r#z").unwrap();
        assert_eq!(entries, [pair("a", "1"), pair("b", "2")]);
        assert!(parse(b"").unwrap().is_empty());
        assert_eq!(one("a=1 # not a comment"), pair("a", "1 # not a comment"));
    }

    #[test]
    fn escapes_give_characters() {
        assert_eq!(one("a=\\t\\n\\r\\f\\u00e9\\u20AC\\q\\\\"), pair("a", "\t\n\r\u{c}é€q\\"));
        assert_eq!(one("a=\\ud83d\\ude00"), pair("a", "😀"));
        assert_eq!(parse(b"a=\xe9").unwrap(), [pair("a", "é")]);
        assert_eq!(parse_str("a=é").unwrap(), [pair("a", "é")]);
        assert_eq!(parse(b"\n\na=\\u00g0"), Err(PropertiesError::MalformedUnicode { line: 3 }));
        assert_eq!(parse(b"a=\\u12"), Err(PropertiesError::MalformedUnicode { line: 1 }));
        assert_eq!(parse(b"a=\\ud83d"), Err(PropertiesError::UnpairedSurrogate { line: 1, unit: 0xd83d }));
    }

    #[test]
    fn of_a_key_given_twice_the_last_value_wins() {
        assert_eq!(parse(b"a=1\nb=2\na=3").unwrap(), [pair("a", "3"), pair("b", "2")]);
    }
}
