//! Prints messages in the words of `src/guard/schema.rs`.

use std::fmt::Write;

use millstream_wire::protocol::messages::ApiKey;

use crate::definition::{Field, Layout, Message, Versions};

/// Columns of a line, as rustfmt has them here.
const WIDTH: usize = 120;

/// The file that holds these messages, which are in ascending order of their API keys.
pub fn print(what: &str, messages: &[(ApiKey, Message)]) -> String {
    let mut out = format!(
        "//! What every {what} consists of, in each version that the message types know.\n\
         //!\n\
         //! Generated from Apache Kafka's message definitions by `tests/guard_tables`: not to be edited.\n\
         \n\
         use kafka_protocol::messages::ApiKey;\n\
         \n\
         use super::schema::*;\n\
         \n\
         /// In ascending order of the API keys.\n\
         pub(super) static MESSAGES: &[Message] = &[\n"
    );
    for (api, message) in messages {
        let Versions(first, last) = message.versions;
        let flexible = message.flexible_from.map_or("NEVER".to_owned(), |version| version.to_string());
        let head = format!("message(ApiKey::{api:?}, ({first}, {last}), {flexible}, &[");
        print_item(&mut out, 1, &head, &message.fields, message.versions, "]),");
    }
    out.push_str("];\n");
    out
}

/// On one line if it fits; else its fields are filled into lines between its head and its tail.
fn print_item(out: &mut String, depth: usize, head: &str, fields: &[Field], within: Versions, tail: &str) {
    let indent = depth * 4;
    let whole = inline(head, fields, within, tail);
    if indent + whole.len() <= WIDTH {
        writeln!(out, "{:indent$}{whole}", "").unwrap();
        return;
    }
    writeln!(out, "{:indent$}{head}", "").unwrap();
    let inner = indent + 4;
    let mut line = String::new();
    for field in fields {
        let (head, fields, tail) = parts(field, within);
        let whole = inline(&head, fields, field.versions, &tail);
        if !line.is_empty() && WIDTH < inner + line.len() + 1 + whole.len() {
            writeln!(out, "{:inner$}{line}", "").unwrap();
            line.clear();
        }
        if WIDTH < inner + whole.len() {
            print_item(out, depth + 1, &head, fields, field.versions, &tail);
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(&whole);
        }
    }
    if !line.is_empty() {
        writeln!(out, "{:inner$}{line}", "").unwrap();
    }
    writeln!(out, "{:indent$}{tail}", "").unwrap();
}

fn inline(head: &str, fields: &[Field], within: Versions, tail: &str) -> String {
    let fields = fields.iter().map(|field| {
        let (head, fields, tail) = parts(field, within);
        inline(&head, fields, field.versions, &tail)
    });
    let fields = fields.collect::<Vec<_>>().join(" ");
    format!("{head}{}{tail}", if tail.starts_with(']') { fields.trim_end_matches(',') } else { &fields })
}

/// What stands before a field's own fields, these, and what stands behind them.
fn parts(field: &Field, within: Versions) -> (String, &[Field], String) {
    let name = &field.name;
    let (head, fields, tail) = match &field.layout {
        Layout::Plain(word) => (format!("{word}(\"{name}\""), &[][..], ")"),
        Layout::Plains(word) => (format!("{word}s(\"{name}\""), &[][..], ")"),
        Layout::Struct(fields) => (format!("structure(\"{name}\", &["), &fields[..], "])"),
        Layout::Optional(fields) => (format!("optional(\"{name}\", &["), &fields[..], "])"),
        Layout::Structs(fields) => (format!("structures(\"{name}\", &["), &fields[..], "])"),
    };
    let mut tail = tail.to_owned();
    if let Some(tag) = field.tag {
        write!(tail, ".tag({tag})").unwrap();
    }
    if within.0 < field.versions.0 {
        write!(tail, ".since({})", field.versions.0).unwrap();
    }
    if field.versions.1 < within.1 {
        write!(tail, ".until({})", field.versions.1).unwrap();
    }
    tail.push(',');
    (head, fields, tail)
}
