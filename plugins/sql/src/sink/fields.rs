//! Which columns a record's key and value are.

use std::sync::Arc;

use millstream_sdk::{Error, Result, Schema, SchemaType};

use super::settings::{PkMode, Settings};
use crate::table_name::TableName;

/// Where a column's values come from, as bindings say it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum From {
    Topic,
    Partition,
    Offset,
    /// The whole key.
    Key,
    KeyField(String),
    /// The whole value.
    Value,
    ValueField(String),
}

/// A column that is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub from: From,
    pub schema: Arc<Schema>,
}

/// The columns of a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// Those of the row's key.
    pub keys: Vec<Field>,
    /// All others.
    pub others: Vec<Field>,
}

const KAFKA: [&str; 3] = ["__connect_topic", "__connect_partition", "__connect_offset"];

impl Fields {
    /// The columns for records with such a key and value; no value for those that delete.
    ///
    /// # Errors
    ///
    /// The configuration does not fit the schemas.
    pub fn of(
        settings: &Settings,
        table: &TableName,
        key: Option<&Arc<Schema>>,
        value: Option<&Arc<Schema>>,
    ) -> Result<Self> {
        let value_fields = value.filter(|schema| matches!(schema.kind, SchemaType::Struct(_)));
        let keys = match settings.pk_mode {
            PkMode::None => Vec::new(),
            PkMode::Kafka => kafka(settings, table)?,
            PkMode::RecordKey => record_key(settings, table, key)?,
            PkMode::RecordValue => match value_fields {
                None => {
                    return Err(Error::config(format!(
                        "PK mode for table '{table}' is RECORD_VALUE, but record value schema is missing or no struct"
                    )));
                }
                Some(schema) => {
                    let all = || schema.fields().iter().map(|field| field.name.clone()).collect();
                    let names: Vec<String> =
                        if settings.pk_fields.is_empty() { all() } else { settings.pk_fields.clone() };
                    some_of(settings, table, schema, &names, "value", From::ValueField)?
                }
            },
        };
        let is_key = |name: &str| keys.iter().any(|key| key.name == name);
        let others = match (value_fields, value) {
            (Some(schema), _) => {
                let wanted =
                    |name: &str| settings.whitelist.is_empty() || settings.whitelist.iter().any(|item| item == name);
                let fields = schema.fields().iter().filter(|field| !is_key(&field.name) && wanted(&field.name));
                fields
                    .map(|field| Field {
                        name: field.name.clone(),
                        from: From::ValueField(field.name.clone()),
                        schema: Arc::clone(&field.schema),
                    })
                    .collect()
            }
            (None, Some(_)) => {
                let schema = Arc::new(Schema::new(SchemaType::String).optional());
                vec![Field { name: settings.string_column.clone(), from: From::Value, schema }]
            }
            (None, None) => Vec::new(),
        };
        if keys.is_empty() && others.is_empty() {
            return Err(Error::config(format!("No fields found using key and value schemas for table: {table}")));
        }
        Ok(Self { keys, others })
    }

    /// All columns, the key's first.
    pub fn all(&self) -> impl Iterator<Item = &Field> {
        self.keys.iter().chain(&self.others)
    }

    /// Whether it is a column of the row's key.
    pub fn is_key(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }
}

fn kafka(settings: &Settings, table: &TableName) -> Result<Vec<Field>> {
    let names: [&str; 3] = match settings.pk_fields.as_slice() {
        [] => KAFKA,
        [topic, partition, offset] => [topic, partition, offset],
        given => {
            return Err(Error::config(format!(
                "PK mode for table '{table}' is KAFKA so there should either be no field names defined for defaults [{}] to be applicable, or exactly 3, defined fields are: [{}]",
                KAFKA.join(", "),
                given.join(", ")
            )));
        }
    };
    let kinds =
        [(From::Topic, SchemaType::String), (From::Partition, SchemaType::Int32), (From::Offset, SchemaType::Int64)];
    let field = |(name, (from, kind)): (&str, (From, SchemaType))| Field {
        name: name.to_owned(),
        from,
        schema: Arc::new(Schema::new(kind)),
    };
    Ok(names.into_iter().zip(kinds).map(field).collect())
}

fn record_key(settings: &Settings, table: &TableName, key: Option<&Arc<Schema>>) -> Result<Vec<Field>> {
    let Some(key) = key else {
        return Err(Error::config(format!(
            "PK mode for table '{table}' is RECORD_KEY, but record key schema is missing"
        )));
    };
    match &key.kind {
        SchemaType::Struct(fields) => {
            let all = || fields.iter().map(|field| field.name.clone()).collect();
            let names: Vec<String> = if settings.pk_fields.is_empty() { all() } else { settings.pk_fields.clone() };
            some_of(settings, table, key, &names, "key", From::KeyField)
        }
        kind if kind.is_primitive() => match settings.pk_fields.as_slice() {
            [name] => Ok(vec![Field { name: name.clone(), from: From::Key, schema: Arc::clone(key) }]),
            given => Err(Error::config(format!(
                "Need exactly one PK column defined since the key schema for records is a primitive type, defined columns are: [{}]",
                given.join(", ")
            ))),
        },
        kind => {
            Err(Error::config(format!("Key schema must be primitive type or Struct, but is of type: {}", kind.name())))
        }
    }
}

fn some_of(
    settings: &Settings,
    table: &TableName,
    schema: &Schema,
    names: &[String],
    side: &str,
    from: fn(String) -> From,
) -> Result<Vec<Field>> {
    let field = |name: &String| match schema.field(name) {
        Some((_, field)) => {
            Ok(Field { name: name.clone(), from: from(name.clone()), schema: Arc::clone(&field.schema) })
        }
        None => Err(Error::config(format!(
            "PK mode for table '{table}' is {} with configured PK fields [{}], but record {side} schema does not contain field: {name}",
            settings.pk_mode.name(),
            settings.pk_fields.join(", ")
        ))),
    };
    names.iter().map(field).collect()
}
