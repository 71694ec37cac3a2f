//! Schemas as bytes: once per batch, in its schema table.

use std::sync::Arc;

use super::{
    layout::MAX_SCHEMA_DEPTH,
    variant::{CannotEncode, InvalidVariant, Names, SchemaNumbers, Variant, VariantChecker, VariantWriter},
};
use crate::{Field, Parameters, Schema, SchemaType, Value, check_fields};

const OPTIONAL: u8 = 1;
const NAME: u8 = 2;
const VERSION: u8 = 4;
const DOC: u8 = 8;
const PARAMETERS: u8 = 16;
const DEFAULT: u8 = 32;

const ARRAY: u8 = 9;
const MAP: u8 = 10;
const STRUCT: u8 = 11;

/// What is wrong with the bytes of a schema.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidSchemaBytes {
    /// Ends too early.
    #[error("a schema is cut off")]
    CutOff,
    /// Bytes are left over.
    #[error("bytes are left over behind a schema")]
    Trailing,
    /// Unknown type or flag.
    #[error("unknown schema type {0}")]
    Type(u8),
    /// Not UTF-8.
    #[error("a text of a schema is not UTF-8")]
    Utf8,
    /// Nested beyond [`MAX_SCHEMA_DEPTH`].
    #[error("a schema is nested deeper than {MAX_SCHEMA_DEPTH} levels")]
    TooDeep,
    /// Fields without or with equal names.
    #[error("{0}")]
    Fields(crate::InvalidSchema),
    /// The default is damaged.
    #[error("the default of a schema is damaged: {0}")]
    Default(InvalidVariant),
}

/// Structs inside a default are written as lists of their slots, since the schema at their place says what they are;
/// where there is no schema they are refused.
struct NoSchemas;

impl SchemaNumbers for NoSchemas {
    fn number(&mut self, _: &Arc<Schema>) -> Option<u16> {
        None
    }
}

/// Appends a schema.
///
/// # Errors
///
/// A default that holds a struct where no schema says so, or is nested too deep.
pub fn encode(schema: &Schema, out: &mut Vec<u8>) -> Result<(), CannotEncode> {
    encode_at(schema, out, 0)
}

fn encode_at(schema: &Schema, out: &mut Vec<u8>, depth: usize) -> Result<(), CannotEncode> {
    if MAX_SCHEMA_DEPTH <= depth {
        return Err(CannotEncode::TooDeep);
    }
    let Schema { kind, optional, default, name, version, doc, parameters } = schema;
    out.push(match kind {
        SchemaType::Int8 => 0,
        SchemaType::Int16 => 1,
        SchemaType::Int32 => 2,
        SchemaType::Int64 => 3,
        SchemaType::Float32 => 4,
        SchemaType::Float64 => 5,
        SchemaType::Boolean => 6,
        SchemaType::String => 7,
        SchemaType::Bytes => 8,
        SchemaType::Array(_) => ARRAY,
        SchemaType::Map(..) => MAP,
        SchemaType::Struct(_) => STRUCT,
    });
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    out.push(
        flag(*optional, OPTIONAL)
            | flag(name.is_some(), NAME)
            | flag(version.is_some(), VERSION)
            | flag(doc.is_some(), DOC)
            | flag(parameters.is_some(), PARAMETERS)
            | flag(default.is_some(), DEFAULT),
    );
    if let Some(name) = name {
        text(name, out);
    }
    if let Some(version) = version {
        out.extend_from_slice(&version.to_le_bytes());
    }
    if let Some(doc) = doc {
        text(doc, out);
    }
    if let Some(Parameters(parameters)) = parameters {
        out.extend_from_slice(&(parameters.len() as u32).to_le_bytes());
        for (key, value) in parameters {
            text(key, out);
            text(value, out);
        }
    }
    if let Some(default) = default {
        let mut bytes = Vec::new();
        let mut names = Names::default();
        // Defaults stand alone, so every name is inline.
        names.seal();
        VariantWriter::new(&mut bytes, &mut names).value(&without_schemas(default, schema), &mut NoSchemas)?;
        out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&bytes);
    }
    let inner = |schema: &Option<Arc<Schema>>, out: &mut Vec<u8>| {
        out.push(u8::from(schema.is_some()));
        schema.as_ref().map_or(Ok(()), |schema| encode_at(schema, out, depth + 1))
    };
    match kind {
        SchemaType::Array(element) => inner(element, out)?,
        SchemaType::Map(key, value) => {
            inner(key, out)?;
            inner(value, out)?;
        }
        SchemaType::Struct(fields) => {
            out.extend_from_slice(&(fields.len() as u32).to_le_bytes());
            for field in fields {
                text(&field.name, out);
                encode_at(&field.schema, out, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// A default with its structs as lists of slots.
fn without_schemas(value: &Value, schema: &Schema) -> Value {
    let part = |value: &Value, schema: &Option<Arc<Schema>>| match schema {
        Some(schema) => without_schemas(value, schema),
        None => value.clone(),
    };
    match (value, &schema.kind) {
        (Value::Struct(_, slots), SchemaType::Struct(fields)) if slots.len() == fields.len() => {
            Value::List(slots.iter().zip(fields).map(|(slot, field)| without_schemas(slot, &field.schema)).collect())
        }
        (Value::List(values), SchemaType::Array(element)) => {
            Value::List(values.iter().map(|value| part(value, element)).collect())
        }
        (Value::Map(entries), SchemaType::Map(key, value)) => {
            Value::Map(entries.iter().map(|(k, v)| (part(k, key), part(v, value))).collect())
        }
        _ => value.clone(),
    }
}

/// A default with structs where the schema says so; `None` if a list has another number of slots.
fn with_schemas(value: Value, schema: &Arc<Schema>) -> Option<Value> {
    let part = |value: Value, schema: &Option<Arc<Schema>>| match schema {
        Some(schema) => with_schemas(value, schema),
        None => Some(value),
    };
    match (value, &schema.kind) {
        (Value::List(slots), SchemaType::Struct(fields)) => {
            if slots.len() != fields.len() {
                return None;
            }
            let slots = slots.into_iter().zip(fields).map(|(slot, field)| with_schemas(slot, &field.schema));
            Some(Value::Struct(Arc::clone(schema), slots.collect::<Option<_>>()?))
        }
        (Value::List(values), SchemaType::Array(element)) => {
            Some(Value::List(values.into_iter().map(|value| part(value, element)).collect::<Option<_>>()?))
        }
        (Value::Map(entries), SchemaType::Map(key, value)) => {
            let entry = |(k, v)| Some((part(k, key)?, part(v, value)?));
            Some(Value::Map(entries.into_iter().map(entry).collect::<Option<_>>()?))
        }
        (value, _) => Some(value),
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads a schema that fills the bytes.
///
/// # Errors
///
/// Says what is wrong with the first part that is.
pub fn decode(bytes: &[u8]) -> Result<Schema, InvalidSchemaBytes> {
    let mut reader = Reader { rest: bytes };
    let schema = reader.schema(0)?;
    if reader.rest.is_empty() { Ok(schema) } else { Err(InvalidSchemaBytes::Trailing) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn schema(&mut self, depth: usize) -> Result<Schema, InvalidSchemaBytes> {
        if MAX_SCHEMA_DEPTH <= depth {
            return Err(InvalidSchemaBytes::TooDeep);
        }
        let kind = self.byte()?;
        let flags = self.byte()?;
        if flags & !(OPTIONAL | NAME | VERSION | DOC | PARAMETERS | DEFAULT) != 0 {
            return Err(InvalidSchemaBytes::Type(kind));
        }
        let name = (flags & NAME != 0).then(|| self.text()).transpose()?;
        let version = (flags & VERSION != 0).then(|| self.u32()).transpose()?.map(|version| version as i32);
        let doc = (flags & DOC != 0).then(|| self.text()).transpose()?;
        let parameters = (flags & PARAMETERS != 0).then(|| self.parameters()).transpose()?;
        let default = if flags & DEFAULT != 0 {
            let len = self.u32()? as usize;
            let bytes = self.take(len)?;
            VariantChecker::new(&[], &|_| None).check(bytes).map_err(InvalidSchemaBytes::Default)?;
            let no_schema = |_| Arc::new(Schema::new(SchemaType::Struct(Vec::new())));
            Some(Variant::trusted(bytes).to_value(&|_| "", &no_schema))
        } else {
            None
        };
        let kind = match kind {
            0 => SchemaType::Int8,
            1 => SchemaType::Int16,
            2 => SchemaType::Int32,
            3 => SchemaType::Int64,
            4 => SchemaType::Float32,
            5 => SchemaType::Float64,
            6 => SchemaType::Boolean,
            7 => SchemaType::String,
            8 => SchemaType::Bytes,
            ARRAY => SchemaType::Array(self.inner(depth)?),
            MAP => SchemaType::Map(self.inner(depth)?, self.inner(depth)?),
            STRUCT => {
                let count = self.u32()?;
                // A field takes at least six bytes, so the count cannot ask for more than is there.
                if self.rest.len() / 6 < count as usize {
                    return Err(InvalidSchemaBytes::CutOff);
                }
                let mut fields = Vec::with_capacity(count as usize);
                for _ in 0..count {
                    let name = self.text()?;
                    fields.push(Field { name, schema: Arc::new(self.schema(depth + 1)?) });
                }
                check_fields(&fields).map_err(InvalidSchemaBytes::Fields)?;
                SchemaType::Struct(fields)
            }
            other => return Err(InvalidSchemaBytes::Type(other)),
        };
        let mut schema =
            Schema { kind, optional: flags & OPTIONAL != 0, default: None, name, version, doc, parameters };
        if let Some(default) = default {
            // A struct that is a default is of the schema without it.
            let default = match &schema.kind {
                SchemaType::Struct(_) | SchemaType::Array(_) | SchemaType::Map(..) => {
                    with_schemas(default, &Arc::new(schema.clone()))
                }
                _ => Some(default),
            };
            schema.default = Some(default.ok_or(InvalidSchemaBytes::Default(InvalidVariant::Reference))?);
        }
        Ok(schema)
    }

    fn inner(&mut self, depth: usize) -> Result<Option<Arc<Schema>>, InvalidSchemaBytes> {
        Ok(if self.byte()? == 0 { None } else { Some(Arc::new(self.schema(depth + 1)?)) })
    }

    fn parameters(&mut self) -> Result<Parameters, InvalidSchemaBytes> {
        let count = self.u32()?;
        let mut parameters = Vec::new();
        for _ in 0..count {
            parameters.push((self.text()?, self.text()?));
        }
        Ok(Parameters(parameters))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], InvalidSchemaBytes> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(InvalidSchemaBytes::CutOff)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, InvalidSchemaBytes> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32, InvalidSchemaBytes> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes")))
    }

    fn text(&mut self) -> Result<String, InvalidSchemaBytes> {
        let len = self.u32()? as usize;
        std::str::from_utf8(self.take(len)?).map(str::to_owned).map_err(|_| InvalidSchemaBytes::Utf8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;

    fn rich() -> Schema {
        let price = Schema { default: Some(Value::Int32(7)), doc: Some("d".into()), ..Schema::new(SchemaType::Int32) };
        let tags = Schema::new(SchemaType::Array(Some(Arc::new(Schema::new(SchemaType::String)))));
        let odd = Schema::new(SchemaType::Map(None, None)).optional();
        let field = |name: &str, schema| Field { name: name.into(), schema: Arc::new(schema) };
        let fields =
            vec![field("price", price), field("tags", tags), field("odd", odd), field("d", Schema::decimal(2))];
        Schema { version: Some(3), ..Schema::structure(fields).unwrap().named("s.N") }
    }

    #[test]
    fn every_attribute_survives() {
        let mut bytes = Vec::new();
        encode(&rich(), &mut bytes).unwrap();
        assert_eq!(decode(&bytes), Ok(rich()));
    }

    #[test]
    fn a_struct_may_be_a_default() {
        let field = |name: &str, schema| Field { name: name.into(), schema: Arc::new(schema) };
        let inner = Schema::structure(vec![field("x", Schema::new(SchemaType::Int8))]).unwrap();
        let mut outer = Schema::structure(vec![field("in", inner.clone())]).unwrap();
        let slot = Value::Struct(Arc::new(inner), vec![Value::Int8(1)]);
        outer.default = Some(Value::Struct(Arc::new(outer.clone()), vec![slot]));
        let mut bytes = Vec::new();
        encode(&outer, &mut bytes).unwrap();
        assert_eq!(decode(&bytes), Ok(outer));
    }

    #[test]
    fn a_schema_cut_off_anywhere_is_refused() {
        let mut bytes = Vec::new();
        encode(&rich(), &mut bytes).unwrap();
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "{len} bytes were accepted");
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_reserves_nothing() {
        assert_eq!(decode(&[STRUCT, 0, 0xff, 0xff, 0xff, 0xff]), Err(InvalidSchemaBytes::CutOff));
    }
}
