//! How commands print: text for people, in Apache Kafka's own form where its tools have one, or JSON for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::exit::{Failure, USAGE};

/// What to print.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// Text for people
    #[default]
    Text,
    /// JSON for programs
    Json,
}

/// Prints text, and ends quietly where nobody reads on, as in a pipe into `head`.
///
/// # Errors
///
/// Standard output cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(USAGE, format!("write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a JSON document.
///
/// # Errors
///
/// Standard output cannot be written.
pub fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Columns below their headings, as wide as they have to be.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([headings[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&mut headings.iter().copied());
    rows.iter().for_each(|row| text.push_str(&line(&mut row.iter().map(String::as_str))));
    text
}

/// Bytes as JSON: a string where they are text, else an object with their base64.
pub fn bytes_json(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => Value::Null,
        Some((_, Ok(text))) => json!(text),
        Some((bytes, Err(_))) => json!({ "base64": millstream_values::base64::encode(bytes) }),
    }
}

/// The bytes that [`bytes_json`] writes so.
///
/// # Errors
///
/// What was wanted instead.
pub fn bytes_of_json(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_bytes())),
        Value::Object(object) if object.len() == 1 && object.contains_key("base64") => {
            let text = object.get("base64").and_then(Value::as_str);
            let bytes = text.and_then(millstream_values::base64::decode);
            bytes.map(Some).ok_or_else(|| "an object must be {\"base64\": \"…\"}".to_owned())
        }
        // What is neither is meant as the JSON it is.
        other => Ok(Some(other.to_string().into_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "12".to_owned()], vec!["longer".to_owned(), String::new()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME    N\na       12\nlonger\n");
    }

    #[test]
    fn bytes_come_back_from_their_json() {
        for bytes in [None, Some(&b"text"[..]), Some(b""), Some(b"\xff\x00")] {
            assert_eq!(bytes_of_json(&bytes_json(bytes)), Ok(bytes.map(<[u8]>::to_vec)));
        }
        assert_eq!(bytes_of_json(&json!({"a": [1]})), Ok(Some(b"{\"a\":[1]}".to_vec())));
        assert!(bytes_of_json(&json!({"base64": 1})).is_err());
    }
}
