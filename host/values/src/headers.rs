//! A record's headers as a list: Connect's `ConnectHeaders`. On the data path headers stay in the column of their batch.

use std::sync::Arc;

use millstream_record::{Schema, Value};

use crate::{JavaError, model};

/// A header, whose value [`Header::new`] holds against its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Its key; several headers may share one.
    pub key: String,
    /// The schema of its value, if it has one.
    pub schema: Option<Arc<Schema>>,
    /// Anything if there is no schema; else what the schema allows.
    pub value: Value,
}

impl Header {
    /// A header whose value fits its schema. A struct without a schema brings its own.
    ///
    /// # Errors
    ///
    /// A DataException if a null stands under a required schema, default or not, or if the value is of another class
    /// than the schema's. What collections hold, and the range and scale of logical values, are not looked at.
    pub fn new(key: impl Into<String>, schema: Option<Arc<Schema>>, value: Value) -> Result<Self, JavaError> {
        let schema = match (&schema, &value) {
            (None, Value::Struct(own, _)) => Some(Arc::clone(own)),
            _ => schema,
        };
        if let Some(schema) = &schema {
            check(schema, &value)?;
        }
        Ok(Self { key: key.into(), schema, value })
    }
}

/// Whether a header's value fits its schema.
///
/// # Errors
///
/// As for [`Header::new`].
pub fn check(schema: &Schema, value: &Value) -> Result<(), JavaError> {
    if value.is_null() {
        if schema.optional {
            return Ok(());
        }
        let message = format!("A null value requires an optional schema but was {}", schema.java_text());
        return Err(JavaError::data(message));
    }
    if model::has_class_of(schema, value) {
        return Ok(());
    }
    let text = crate::value_text(value);
    Err(JavaError::data(format!("The value {text} is not compatible with the schema {}", schema.java_text())))
}

/// Headers in order, repetitions included.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<Header>);

impl Headers {
    /// Appends a header.
    ///
    /// # Errors
    ///
    /// As for [`Header::new`]; nothing is appended then.
    pub fn add(&mut self, key: &str, schema: Option<Arc<Schema>>, value: Value) -> Result<(), JavaError> {
        self.0.push(Header::new(key, schema, value)?);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.0.iter()
    }

    /// The last one of that key, which is the one that counts where a single one is wanted; `None` if there is none.
    pub fn last_with_name(&self, key: &str) -> Option<&Header> {
        self.0.iter().rfind(|header| header.key == key)
    }

    /// Those of that key, in order.
    pub fn all_with_name(&self, key: &str) -> impl Iterator<Item = &Header> {
        self.0.iter().filter(move |header| header.key == key)
    }

    /// Removes those of that key.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|header| header.key != key);
    }

    /// Removes all headers, whatever their keys.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keeps only the last one of each key, in its place; or of one key, leaving the others as they are.
    pub fn retain_latest(&mut self, key: Option<&str>) {
        let mut seen = std::collections::HashSet::new();
        let mut latest: Vec<Header> = Vec::with_capacity(self.0.len());
        for header in std::mem::take(&mut self.0).into_iter().rev() {
            let meant = key.is_none_or(|key| key == header.key);
            if !meant || seen.insert(header.key.clone()) {
                latest.push(header);
            }
        }
        latest.reverse();
        self.0 = latest;
    }

    /// Replaces each header, or each of one key, by what `change` makes of it; `None` removes it.
    pub fn apply(&mut self, key: Option<&str>, mut change: impl FnMut(Header) -> Option<Header>) {
        let headers = std::mem::take(&mut self.0).into_iter();
        let meant = |header: &Header| key.is_none_or(|key| key == header.key);
        self.0 = headers.filter_map(|header| if meant(&header) { change(header) } else { Some(header) }).collect();
    }
}

#[cfg(test)]
mod tests {
    use millstream_record::SchemaType;

    use super::*;

    fn of(entries: &[(&str, i8)]) -> Headers {
        let mut headers = Headers::default();
        for (key, value) in entries {
            headers.add(key, None, Value::Int8(*value)).expect("fits");
        }
        headers
    }

    #[test]
    fn the_last_header_of_each_key_stays_in_its_place() {
        let mut headers = of(&[("a", 1), ("b", 2), ("a", 3), ("b", 4)]);
        headers.retain_latest(Some("a"));
        assert_eq!(headers, of(&[("b", 2), ("a", 3), ("b", 4)]));
        headers.retain_latest(None);
        assert_eq!(headers, of(&[("a", 3), ("b", 4)]));
    }

    #[test]
    fn a_null_needs_an_optional_schema_even_if_there_is_a_default() {
        let mut schema = Schema::new(SchemaType::Int8);
        schema.default = Some(Value::Int8(1));
        assert!(check(&schema, &Value::Null).is_err());
        assert!(check(&schema.optional(), &Value::Null).is_ok());
        assert!(check(&Schema::new(SchemaType::Int8), &Value::Int16(1)).is_err());
    }
}
