//! Connect's schemas.

use std::sync::Arc;

use crate::Value;

/// Names of the logical types, which are recognised by schema name alone.
pub mod logical {
    /// Arbitrary-precision decimal on BYTES; the scale is a parameter.
    pub const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
    /// Days since the epoch on INT32.
    pub const DATE: &str = "org.apache.kafka.connect.data.Date";
    /// Milliseconds since midnight on INT32.
    pub const TIME: &str = "org.apache.kafka.connect.data.Time";
    /// Milliseconds since the epoch on INT64.
    pub const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";
    /// The parameter of [`DECIMAL`] that holds the scale, as decimal text.
    pub const SCALE: &str = "scale";
}

/// What a schema describes, without its attributes.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaType {
    /// `INT8`, of [`Value::Int8`](crate::Value::Int8).
    Int8,
    /// `INT16`, of [`Value::Int16`](crate::Value::Int16).
    Int16,
    /// `INT32`, of [`Value::Int32`](crate::Value::Int32); also of dates and times of day, which are instants.
    Int32,
    /// `INT64`, of [`Value::Int64`](crate::Value::Int64); also of timestamps, which are instants.
    Int64,
    /// `FLOAT32`, of [`Value::Float32`](crate::Value::Float32).
    Float32,
    /// `FLOAT64`, of [`Value::Float64`](crate::Value::Float64).
    Float64,
    /// `BOOLEAN`, of [`Value::Boolean`](crate::Value::Boolean).
    Boolean,
    /// `STRING`, of [`Value::String`](crate::Value::String).
    String,
    /// `BYTES`, of [`Value::Bytes`](crate::Value::Bytes); also of decimals.
    Bytes,
    /// `ARRAY`; the element schema is missing only where string parsing found no common one.
    Array(Option<Arc<Schema>>),
    /// `MAP`; key and value schema, missing as in [`SchemaType::Array`].
    Map(Option<Arc<Schema>>, Option<Arc<Schema>>),
    /// `STRUCT` with its fields in order. Names differ and are not empty.
    Struct(Vec<Field>),
}

impl SchemaType {
    /// Upper-case name, as in Connect's messages: `INT8`, `STRUCT`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Float32 => "FLOAT32",
            Self::Float64 => "FLOAT64",
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Array(_) => "ARRAY",
            Self::Map(..) => "MAP",
            Self::Struct(_) => "STRUCT",
        }
    }

    /// Name in the JSON converter's schemas: `int8`, `float`, `struct`.
    pub fn json_name(&self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float",
            Self::Float64 => "double",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Array(_) => "array",
            Self::Map(..) => "map",
            Self::Struct(_) => "struct",
        }
    }

    /// Whether it is anything but ARRAY, MAP and STRUCT.
    pub fn is_primitive(&self) -> bool {
        !matches!(self, Self::Array(_) | Self::Map(..) | Self::Struct(_))
    }
}

/// A field of a struct schema. Its index is its place in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Name, unique within the struct, case-sensitive.
    pub name: String,
    /// Schema of the field's values.
    pub schema: Arc<Schema>,
}

/// A schema with all its attributes. Two are equal only if every attribute is.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Type and, for containers, what they contain.
    pub kind: SchemaType,
    /// Whether null is allowed.
    pub optional: bool,
    /// What null is read as; `None` for no default.
    pub default: Option<Value>,
    /// Name; an empty one is a name. Logical types are known by it.
    pub name: Option<String>,
    /// Version number.
    pub version: Option<i32>,
    /// Documentation text.
    pub doc: Option<String>,
    /// Parameters in the order they were set; equality disregards the order.
    pub parameters: Option<Parameters>,
}

/// Schema parameters: ordered for output, compared without regard to order.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub Vec<(String, String)>);

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|entry| other.0.contains(entry))
    }
}

/// Why a schema cannot be built; Connect's SchemaBuilderException.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidSchema {
    /// Two fields of one name.
    #[error("Cannot create field because of field name duplication {name}")]
    DuplicateField { name: String },
    /// A field without a name.
    #[error("fieldName cannot be null.")]
    EmptyFieldName,
}

impl Schema {
    /// A required schema of this type without other attributes.
    pub fn new(kind: SchemaType) -> Self {
        Self { kind, optional: false, default: None, name: None, version: None, doc: None, parameters: None }
    }

    /// A struct schema.
    ///
    /// # Errors
    ///
    /// Names must be unique and not empty.
    pub fn structure(fields: Vec<Field>) -> Result<Self, InvalidSchema> {
        check_fields(&fields)?;
        Ok(Self::new(SchemaType::Struct(fields)))
    }

    /// The same schema, allowing null.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same schema under a name.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Connect's Decimal with a scale.
    pub fn decimal(scale: i32) -> Self {
        let mut schema = Self::new(SchemaType::Bytes).named(logical::DECIMAL);
        schema.version = Some(1);
        schema.parameters = Some(Parameters(vec![(logical::SCALE.to_owned(), scale.to_string())]));
        schema
    }

    /// Connect's Date.
    pub fn date() -> Self {
        Self { version: Some(1), ..Self::new(SchemaType::Int32).named(logical::DATE) }
    }

    /// Connect's Time.
    pub fn time() -> Self {
        Self { version: Some(1), ..Self::new(SchemaType::Int32).named(logical::TIME) }
    }

    /// Connect's Timestamp.
    pub fn timestamp() -> Self {
        Self { version: Some(1), ..Self::new(SchemaType::Int64).named(logical::TIMESTAMP) }
    }

    /// What null is read as. A struct that is a default stands under this schema when it is a value; the default itself
    /// cannot name a schema that it is part of.
    pub fn default_value(self: &Arc<Self>) -> Option<Value> {
        match (&self.kind, &self.default) {
            (SchemaType::Struct(_), Some(Value::Struct(_, slots))) => {
                Some(Value::Struct(Arc::clone(self), slots.clone()))
            }
            (_, default) => default.clone(),
        }
    }

    /// The fields of a struct; empty for other types.
    pub fn fields(&self) -> &[Field] {
        match &self.kind {
            SchemaType::Struct(fields) => fields,
            _ => &[],
        }
    }

    /// Index and field of that name.
    pub fn field(&self, name: &str) -> Option<(usize, &Field)> {
        self.fields().iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// Whether values under this schema are instants (Date, Time, Timestamp by name).
    pub fn is_instant(&self) -> bool {
        matches!(self.name.as_deref(), Some(logical::DATE | logical::TIME | logical::TIMESTAMP))
    }

    /// Whether values under this schema are decimals (by name).
    pub fn is_decimal(&self) -> bool {
        self.name.as_deref() == Some(logical::DECIMAL)
    }

    /// Text form in Connect's messages: `Schema{INT32}` or `Schema{name:INT32}`.
    pub fn java_text(&self) -> String {
        match &self.name {
            Some(name) => format!("Schema{{{name}:{}}}", self.kind.name()),
            None => format!("Schema{{{}}}", self.kind.name()),
        }
    }
}

/// Checks that field names are unique and not empty.
pub fn check_fields(fields: &[Field]) -> Result<(), InvalidSchema> {
    let mut seen = std::collections::HashSet::with_capacity(fields.len());
    for field in fields {
        if field.name.is_empty() {
            return Err(InvalidSchema::EmptyFieldName);
        }
        if !seen.insert(field.name.as_str()) {
            return Err(InvalidSchema::DuplicateField { name: field.name.clone() });
        }
    }
    Ok(())
}
