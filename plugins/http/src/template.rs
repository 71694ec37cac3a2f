//! Texts with placeholders: `http://host/${topic}/${customer.id}`.

use millstream_sdk::{
    Error, Result, Value,
    batch::{Role, Side, Table},
    http::encode,
    values::value_text,
};

/// A text whose placeholders stand for something of a record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    /// The whole value as text.
    Value,
    /// Names that lead into the value; the first may be those of the record's parts.
    Field {
        name: String,
        steps: Vec<String>,
    },
    KeyField {
        name: String,
        steps: Vec<String>,
    },
    Header(String),
}

impl Template {
    /// Reads a text. `${topic}`, `${partition}`, `${offset}`, `${timestamp}`, `${key}`, `${value}`, `${key.a}`,
    /// `${header.a}`; any other name is that of a field of the value, with dots between steps.
    ///
    /// # Errors
    ///
    /// A placeholder that does not end, or has no name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if at != 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let (name, behind) =
                rest[at + 2..].split_once('}').ok_or_else(|| format!("the placeholder {} has no end", &rest[at..]))?;
            parts.push(Part::named(name.trim())?);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// A text that stands for itself, whatever is in it.
    pub fn literal(text: &str) -> Self {
        Self(vec![Part::Text(text.to_owned())])
    }

    /// The text, if it has no placeholders.
    pub fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text for a row, with everything that stands for something encoded as a part of a URL if it is to be one.
    ///
    /// # Errors
    ///
    /// A field that the record does not have, or that has no value.
    pub fn expand(&self, table: &Table<'_>, row: usize, in_url: bool) -> Result<String> {
        let mut out = String::new();
        for part in &self.0 {
            let text = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                part => part.text(table, row)?,
            };
            if in_url { out.push_str(&encode(&text)) } else { out.push_str(&text) }
        }
        Ok(out)
    }
}

impl Part {
    fn named(name: &str) -> Result<Self, String> {
        let steps = |path: &str| -> Result<Vec<String>, String> {
            let steps: Vec<String> = path.split('.').map(|step| step.trim().to_owned()).collect();
            if steps.iter().any(String::is_empty) {
                Err(format!("the placeholder ${{{name}}} has no name"))
            } else {
                Ok(steps)
            }
        };
        Ok(match name {
            "topic" => Self::Topic,
            "partition" => Self::Partition,
            "offset" => Self::Offset,
            "timestamp" => Self::Timestamp,
            "key" => Self::Key,
            "value" => Self::Value,
            _ => match (name.strip_prefix("key."), name.strip_prefix("header."), name.strip_prefix("value.")) {
                (Some(path), ..) => Self::KeyField { name: name.to_owned(), steps: steps(path)? },
                (_, Some(key), _) => Self::Header(key.to_owned()),
                (.., Some(path)) => Self::Field { name: name.to_owned(), steps: steps(path)? },
                _ => Self::Field { name: name.to_owned(), steps: steps(name)? },
            },
        })
    }

    fn text(&self, table: &Table<'_>, row: usize) -> Result<String> {
        let number = |role| table.integer(role, row).map(|number| number.to_string()).unwrap_or_default();
        Ok(match self {
            Self::Text(text) => text.clone(),
            Self::Topic => table.topic(row).unwrap_or_default().to_owned(),
            Self::Partition => number(Role::PARTITION),
            Self::Offset => number(Role::OFFSET),
            Self::Timestamp => number(Role::TIMESTAMP),
            Self::Key => plain(&table.datum(Side::Key, row).1),
            Self::Value => plain(&table.datum(Side::Value, row).1),
            Self::KeyField { name, steps } => field(&table.datum(Side::Key, row).1, name, steps)?,
            Self::Field { name, steps } => field(&table.datum(Side::Value, row).1, name, steps)?,
            Self::Header(key) => {
                let column = table.get(Role::HEADERS);
                let found = column.and_then(|column| column.headers(row).filter(|header| header.key == *key).last());
                let found = found.ok_or_else(|| Error::data(format!("the record has no header {key}")))?;
                plain(&found.datum(&table.schemas).1)
            }
        })
    }
}

/// A value as it stands in a URL: nothing for null.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => value_text(other),
    }
}

fn field(value: &Value, name: &str, steps: &[String]) -> Result<String> {
    let mut value = value;
    for step in steps {
        let inner = match value {
            Value::Struct(schema, slots) => {
                let at = schema.fields().iter().position(|field| field.name == *step);
                at.and_then(|at| slots.get(at))
            }
            Value::Map(entries) => {
                entries.iter().find(|(key, _)| matches!(key, Value::String(key) if key == step)).map(|(_, value)| value)
            }
            _ => None,
        };
        value = inner
            .ok_or_else(|| Error::data(format!("${{{name}}} stands for a field that the record does not have")))?;
    }
    match value {
        Value::Null => Err(Error::data(format!("${{{name}}} stands for a field that is null"))),
        value => Ok(plain(value)),
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Collector, KafkaPosition, Record, map};

    use super::*;

    #[track_caller]
    fn check(template: &str, expected: Result<&str, &str>) {
        let mut collector = Collector::new();
        let value = map([("id", Value::Int64(7)), ("a", map([("b", "x/y".into())])), ("no", Value::Null)]);
        let mut record = Record::new("orders", value).key("k 1").header("trace", "t").partition(3).timestamp_ms(9);
        record.kafka = Some(KafkaPosition { offset: 12, ..KafkaPosition::default() });
        collector.push(&record).unwrap();
        let table = collector.into_table().unwrap().unwrap();
        let expanded = Template::parse(template).unwrap().expand(&table, 0, true).map_err(|error| error.message);
        assert_eq!(expanded.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn placeholders_stand_for_parts_of_the_record_and_are_encoded_in_a_url() {
        check("http://h/${topic}/${key}?p=${partition}&t=${timestamp}", Ok("http://h/orders/k%201?p=3&t=9"));
        check("/${id}/${a.b}/${value.id}/${header.trace}", Ok("/7/x%2Fy/7/t"));
        check("plain", Ok("plain"));
        check("${nothing.here}", Err("${nothing.here} stands for a field that the record does not have"));
        check("${no}", Err("${no} stands for a field that is null"));
        check("${header.other}", Err("the record has no header other"));
        assert!(Template::parse("${open").is_err_and(|error| error.contains("has no end")));
        assert!(Template::parse("${a..b}").is_err());
        assert_eq!(Template::parse("a").unwrap().fixed(), Some("a"));
        assert_eq!(Template::parse("${topic}").unwrap().fixed(), None);
    }
}
