//! YAML as configurations need it: scalars are the texts they were written as, so that `1.10` and `007` stay what they are.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value};

/// Most values of a file, those behind aliases included.
const MAX_VALUES: usize = 100_000;

/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// Why a text is no YAML that is read here.
#[derive(Debug, thiserror::Error)]
pub enum InvalidYaml {
    /// Against the grammar.
    #[error("line {line}, column {column}: {what}")]
    Syntax { line: usize, column: usize, what: String },
    /// A key that is no text.
    #[error("line {line}: a key must be a text")]
    Key { line: usize },
    /// The same key again.
    #[error("line {line}: the key {key} is there already")]
    Twice { line: usize, key: String },
    /// Too much of it.
    #[error("line {line}: more than {MAX_VALUES} values, or nested deeper than {MAX_DEPTH}")]
    TooMuch { line: usize },
    /// An alias of nothing.
    #[error("line {line}: nothing before has the anchor that the alias names")]
    Alias { line: usize },
}

/// The documents of a text: scalars as JSON texts, `null`, `~` and nothing as `null`.
///
/// # Errors
///
/// Names the line.
pub fn documents(text: &str) -> Result<Vec<Value>, InvalidYaml> {
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), values: 0 };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentStart(_) => {
                reader.anchors.clear();
                let Some((event, span)) = reader.next()? else { break };
                documents.push(reader.value(event, span, 0)?);
            }
            Event::StreamEnd => break,
            _ => {
                let _ = span;
            }
        }
    }
    // An empty document, such as the one after a last `---`, holds nothing.
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: HashMap<usize, (Value, usize)>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, InvalidYaml> {
        self.events.next_event().transpose().map_err(|error: ScanError| InvalidYaml::Syntax {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            what: error.info().to_owned(),
        })
    }

    fn must(&mut self, after: Span) -> Result<(Event<'a>, Span), InvalidYaml> {
        let (line, column) = (after.start.line(), after.start.col() + 1);
        self.next()?.ok_or(InvalidYaml::Syntax { line, column, what: "it ends in the middle".to_owned() })
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Value, InvalidYaml> {
        let line = span.start.line();
        self.values += 1;
        if MAX_VALUES < self.values || MAX_DEPTH < depth {
            return Err(InvalidYaml::TooMuch { line });
        }
        let before = self.values;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                let none = plain && ["", "~", "null", "Null", "NULL"].contains(&&*text);
                (if none { Value::Null } else { Value::String(text.into_owned()) }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                let mut items = Vec::new();
                loop {
                    match self.must(span)? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.value(event, span, depth + 1)?),
                    }
                }
                (Value::Array(items), anchor)
            }
            Event::MappingStart(anchor, _) => (Value::Object(self.mapping(span, depth)?), anchor),
            Event::Alias(anchor) => {
                let (value, size) = self.anchors.get(&anchor).ok_or(InvalidYaml::Alias { line })?;
                self.values += size;
                if MAX_VALUES < self.values {
                    return Err(InvalidYaml::TooMuch { line });
                }
                return Ok(value.clone());
            }
            _ => return Ok(Value::Null),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - before + 1));
        }
        Ok(value)
    }

    fn mapping(&mut self, span: Span, depth: usize) -> Result<Map<String, Value>, InvalidYaml> {
        let mut members = Map::new();
        loop {
            let (event, span) = self.must(span)?;
            let line = span.start.line();
            if event == Event::MappingEnd {
                return Ok(members);
            }
            let Value::String(key) = self.value(event, span, depth + 1)? else { return Err(InvalidYaml::Key { line }) };
            let (event, span) = self.must(span)?;
            let value = self.value(event, span, depth + 1)?;
            if members.insert(key.clone(), value).is_some() {
                return Err(InvalidYaml::Twice { line, key });
            }
        }
    }
}

/// A value as YAML, so that [`documents`] and other readers get back what it is.
pub fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => write_members(members, 0, &mut text),
        Value::Array(items) if !items.is_empty() => write_items(items, 0, &mut text),
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
    text
}

fn write_members(members: &Map<String, Value>, indent: usize, text: &mut String) {
    for (number, (key, value)) in members.iter().enumerate() {
        // The first stands behind the dash of its item, or at the start.
        if number > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&scalar(key));
        text.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                text.push_str(&" ".repeat(indent + 2));
                write_members(inner, indent + 2, text);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                write_items(items, indent, text);
            }
            other => {
                text.push(' ');
                text.push_str(&inline(other));
                text.push('\n');
            }
        }
    }
}

fn write_items(items: &[Value], indent: usize, text: &mut String) {
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str("- ");
        match item {
            Value::Object(members) if !members.is_empty() => write_members(members, indent + 2, text),
            Value::Array(inner) if !inner.is_empty() => write_items(inner, indent + 2, text),
            other => {
                text.push_str(&inline(other));
                text.push('\n');
            }
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        other => other.to_string(),
    }
}

/// A text as it is where nobody could take it for something else, otherwise in JSON's quotes, which are YAML's, too.
fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_');
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@,;()$ ".contains(c);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if begins && text.chars().all(plain) && !text.ends_with(' ') && !words.contains(&text.to_ascii_lowercase().as_str())
    {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_stay_the_texts_they_were_written_as() {
        let text = "a: 1.10\nb: 007\nc: yes\nd: ~\ne: 'null'\nf:\ng: \"x\\ty\"\nh: |\n  two\n  lines\ni: !!str null\n---\n[1, b]\n---\n";
        let expected = json!({"a": "1.10", "b": "007", "c": "yes", "d": null, "e": "null", "f": null, "g": "x\ty",
            "h": "two\nlines\n", "i": "null"});
        assert_eq!(documents(text).unwrap(), [expected, json!(["1", "b"])]);
        assert_eq!(documents("a: &x {b: 1}\nc: *x\n").unwrap(), [json!({"a": {"b": "1"}, "c": {"b": "1"}})]);
        assert!(documents("# nothing\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, expected) in [
            ("a: 1\nb: [", "line "),
            ("a: 1\na: 2\n", "line 2: the key a is there already"),
            ("? [a]\n: b\n", "line 1: a key must be a text"),
            ("a: *nobody\n", "line 1"),
        ] {
            let error = documents(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let bomb: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{p}, *a{p}, *a{p}]\n", p = n - 1)).collect();
        assert!(matches!(documents(&format!("a0: &a0 [x]\n{bomb}")), Err(InvalidYaml::TooMuch { .. })));
        let deep = "[".repeat(5000);
        assert!(documents(&deep).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let value = json!({"name": "a", "config": {"x": "1", "b": "true", "c": "a: b # c", "d": null, "e": "", "f": " x", "g": "two\nlines", "#": "-"},
            "list": [{"a": "b", "c": ["d", ["e", "f"], {}]}, "g"], "none": []});
        let text = to_yaml(&value);
        assert_eq!(documents(&text).unwrap(), std::slice::from_ref(&value), "{text}");
        let expected = "a: b\nc:\n- d: \"1\"\n  e:\n    f: g\n- 2\n";
        assert_eq!(to_yaml(&json!({"a": "b", "c": [{"d": "1", "e": {"f": "g"}}, 2]})), expected);
    }
}
