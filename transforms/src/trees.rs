//! What several transforms need to know of schemas, structs and maps.

use std::{fmt::Display, sync::Arc};

use millstream_sdk::{
    Error, Field, InvalidSchema, Result, Schema, SchemaType, Value, batch, check_fields, error::class,
};

/// Rebuilt schemas kept per transform, as in Connect.
const CACHE_ENTRIES: usize = 16;

/// Keeps what was made of recent schemas, so that equal schemas give one schema and no work.
#[derive(Debug)]
pub struct SchemaCache<T = Arc<Schema>>(Vec<(Arc<Schema>, T)>);

impl<T> Default for SchemaCache<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> SchemaCache<T> {
    /// What was made of a schema, made now if it is not known.
    ///
    /// # Errors
    ///
    /// Those of `make`.
    pub fn get(&mut self, schema: &Arc<Schema>, make: impl FnOnce(&Arc<Schema>) -> Result<T>) -> Result<T> {
        if let Some(at) = self.0.iter().position(|(known, _)| Arc::ptr_eq(known, schema) || known == schema) {
            let entry = self.0.remove(at);
            let made = entry.1.clone();
            self.0.push(entry);
            return Ok(made);
        }
        let made = make(schema)?;
        if self.0.len() == CACHE_ENTRIES {
            self.0.remove(0);
        }
        self.0.push((Arc::clone(schema), made.clone()));
        Ok(made)
    }
}

/// A struct schema with the source's name, version, doc and parameters, but neither optional nor
/// with a default: what Connect calls copying the basics.
///
/// # Errors
///
/// Fields without or with equal names.
pub fn rebuilt(source: &Schema, fields: Vec<Field>) -> Result<Arc<Schema>> {
    check_fields(&fields).map_err(cannot_build)?;
    Ok(shared(Schema {
        kind: SchemaType::Struct(fields),
        optional: false,
        default: None,
        name: source.name.clone(),
        version: source.version,
        doc: source.doc.clone(),
        parameters: source.parameters.clone(),
    }))
}

/// The failure of a struct schema that cannot be built, in the field that is there twice.
#[cold]
pub fn cannot_build(error: InvalidSchema) -> Error {
    let failure = Error::data(error.to_string()).class(class::SCHEMA_BUILDER_EXCEPTION);
    match &error {
        InvalidSchema::DuplicateField { name } => found(failure, "two of this name", "one").in_field(name),
        _ => found(failure, "an empty name of a field", "a name"),
    }
}

/// A schema in its canonical copy, so that batches find it by address.
pub fn shared(schema: Schema) -> Arc<Schema> {
    let schema = Arc::new(schema);
    batch::intern(&schema).unwrap_or(schema)
}

/// The same failure with what stood there and what should have, where Connect's own words leave that open.
#[cold]
pub fn found(mut error: Error, found: impl Display, wanted: impl Display) -> Error {
    error.causes.push(format!("found {found}, wanted {wanted}"));
    error
}

/// What a value is, in Connect's names of types.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Boolean(_) => "BOOLEAN",
        Value::Int8(_) => "INT8",
        Value::Int16(_) => "INT16",
        Value::Int32(_) => "INT32",
        Value::Int64(_) => "INT64",
        Value::Float32(_) => "FLOAT32",
        Value::Float64(_) => "FLOAT64",
        Value::String(_) => "STRING",
        Value::Bytes(_) => "BYTES",
        Value::Decimal(_) => "Decimal",
        Value::BigInteger(_) => "BigInteger",
        Value::Instant(_) => "Date, Time or Timestamp",
        Value::List(_) => "ARRAY",
        Value::Map(_) => "MAP",
        Value::Struct(..) => "STRUCT",
    }
}

/// The fields of a struct schema, for messages: all of a few, some of many.
pub fn field_names(schema: &Schema) -> String {
    const SHOWN: usize = 20;
    let names: Vec<&str> = schema.fields().iter().take(SHOWN).map(|field| field.name.as_str()).collect();
    let more = if SHOWN < schema.fields().len() { ", …" } else { "" };
    format!("the fields [{}{more}]", names.join(", "))
}

/// The fields of the struct that an operating value must be.
///
/// # Errors
///
/// Connect's DataException for anything else.
pub fn require_struct(value: Value, purpose: &str) -> Result<(Arc<Schema>, Vec<Value>)> {
    match value {
        Value::Struct(schema, slots) => Ok((schema, slots)),
        other => {
            Err(Error::data(format!("Only Struct objects supported for [{purpose}], found: {}", other.java_class())))
        }
    }
}

/// The entries of the map that a schemaless operating value must be.
///
/// # Errors
///
/// Connect's DataException for anything else.
pub fn require_map(value: Value, purpose: &str) -> Result<Vec<(Value, Value)>> {
    match value {
        Value::Map(entries) => Ok(entries),
        other => Err(Error::data(format!(
            "Only Map objects supported in absence of schema for [{purpose}], found: {}",
            other.java_class()
        ))),
    }
}

/// Sets an entry of a map, in its place if the key is there.
pub fn put(entries: &mut Vec<(Value, Value)>, key: &str, value: Value) {
    match entries.iter_mut().find(|(name, _)| matches!(name, Value::String(name) if name == key)) {
        Some((_, old)) => *old = value,
        None => entries.push((Value::from(key), value)),
    }
}

/// An entry of a map; null if there is none.
pub fn get<'v>(entries: &'v [(Value, Value)], key: &str) -> Option<&'v Value> {
    entries.iter().find(|(name, _)| matches!(name, Value::String(name) if name == key)).map(|(_, value)| value)
}

/// A struct's slot as a copy into another struct sees it: null becomes the default if that is
/// wanted, and a null that a required field has no right to is refused.
///
/// # Errors
///
/// Null in a required field.
pub fn copied(field: &Field, slot: Value, replace_null: bool) -> Result<Value> {
    if !slot.is_null() {
        return Ok(slot);
    }
    match field.schema.default_value() {
        Some(default) if replace_null => Ok(default),
        _ if field.schema.optional => Ok(Value::Null),
        // A slot that was never set is copied as it is; only a default that is not wanted shows.
        None => Err(null_in_required(field)),
        Some(_) => Err(null_in_required(field)),
    }
}

#[cold]
fn null_in_required(field: &Field) -> Error {
    let (name, kind) = (&field.name, field.schema.kind.name());
    Error::data(format!("Invalid value: null used for required field: \"{name}\", schema type: {kind}")).in_field(name)
}

/// Whether copying a struct's columns as they are is what Connect does: no default would take the
/// place of a null, and no required field holds one.
pub fn copies_as_is(schema: &Schema, column: &batch::Column<'_>, skip: impl Fn(&str) -> bool) -> bool {
    schema.fields().iter().zip(&column.children).all(|(field, child)| {
        skip(&field.name) || child.is_full() || field.schema.optional && field.schema.default.is_none()
    })
}

/// Whether every map of a column that is not null has the member.
pub fn is_in_every_map(column: &batch::Column<'_>, member: &batch::Column<'_>) -> bool {
    let Some(present) = &member.present else { return true };
    let Some(valid) = &column.valid else { return false };
    !column.constant
        && !member.constant
        && valid.iter().zip(present.iter()).all(|(valid, present)| valid & !present == 0)
}

/// A member of maps as a field that each of them has: where it was absent it is null.
pub fn null_where_absent(mut column: batch::Column<'_>) -> batch::Column<'_> {
    let Some(present) = column.present.take() else { return column };
    if column.kind != batch::Kind::Null {
        column.valid = Some(match &column.valid {
            Some(valid) => and_bits(valid, &present).into(),
            None => present,
        });
    }
    column
}

/// Bits that are set in both bitmaps.
pub fn and_bits(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a & b).collect()
}

/// A validity bitmap with nulls in these rows; `None` if there is none.
pub fn nulls_at(rows: usize, nulls: &[usize]) -> Option<Vec<u8>> {
    if nulls.is_empty() {
        return None;
    }
    let mut valid = batch::bits::filled(rows, true);
    nulls.iter().for_each(|&row| batch::bits::set(&mut valid, row, false));
    Some(valid)
}
