//! Schemas in JSON.

use std::sync::Arc;

use millstream_connector::{ErrorKind, Failure};
use millstream_record::{Field, InvalidSchema, Parameters, Schema, SchemaType, Value};

use super::{decode, encode, node::Node, scan::Number};
use crate::{
    ReadLimits,
    trees::{data, found, in_field},
};

const TYPES: &str = "int8, int16, int32, int64, float, double, boolean, string, bytes, array, map or struct";

/// What kind a member of a schema is, for messages.
fn kind_of(node: Option<&Node>) -> &'static str {
    node.map_or("nothing", Node::kind)
}

fn schema_builder(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Data, "org.apache.kafka.connect.errors.SchemaBuilderException", message)
}

fn invalid(error: InvalidSchema) -> Failure {
    schema_builder(error.to_string())
}

/// Reads a schema; JSON `null` is no schema.
pub fn read(node: &Node) -> Result<Option<Schema>, Failure> {
    if *node == Node::Null {
        return Ok(None);
    }
    let Some(Node::Text(name)) = node.get("type") else {
        return Err(found("Schema must contain 'type' field", kind_of(node.get("type")), "STRING"));
    };
    let inner = |member: &str, missing: &'static str| -> Result<Option<Arc<Schema>>, Failure> {
        let node = node.get(member).ok_or_else(|| data(missing))?;
        read(node).map(|schema| schema.map(Arc::new))
    };
    let kind = match name.as_str() {
        "int8" => SchemaType::Int8,
        "int16" => SchemaType::Int16,
        "int32" => SchemaType::Int32,
        "int64" => SchemaType::Int64,
        "float" => SchemaType::Float32,
        "double" => SchemaType::Float64,
        "boolean" => SchemaType::Boolean,
        "string" => SchemaType::String,
        "bytes" => SchemaType::Bytes,
        "array" => {
            const MISSING: &str = "Array schema did not specify the element type";
            let items = inner("items", MISSING)?.ok_or_else(|| data(MISSING))?;
            SchemaType::Array(Some(items))
        }
        "map" => {
            let key = inner("keys", "Map schema did not specify the key type")?;
            let value = inner("values", "Map schema did not specify the value type")?;
            let key = key.ok_or_else(|| schema_builder("Null key schema is not allowed"))?;
            let value = value.ok_or_else(|| schema_builder("Null value schema is not allowed"))?;
            SchemaType::Map(Some(key), Some(value))
        }
        "struct" => SchemaType::Struct(read_fields(node)?),
        other => return Err(found(format!("Unknown schema type: {other}"), format!("{other:?}"), TYPES)),
    };
    let text = |member: &str| match node.get(member) {
        Some(Node::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let mut schema = Schema {
        kind,
        optional: matches!(node.get("optional"), Some(Node::Boolean(true))),
        default: None,
        name: text("name"),
        version: match node.get("version") {
            Some(Node::Number { text, integral: true }) => Some(Number::of(text, true).low_bits() as i32),
            _ => None,
        },
        doc: text("doc"),
        parameters: read_parameters(node)?,
    };
    if let Some(default) = node.get("default") {
        schema.default = read_default(default, &schema)?;
    }
    Ok(Some(schema))
}

fn read_fields(node: &Node) -> Result<Vec<Field>, Failure> {
    let Some(Node::Array(nodes)) = node.get("fields") else {
        let message = "Struct schema's \"fields\" argument is not an array.";
        return Err(found(message, kind_of(node.get("fields")), "ARRAY"));
    };
    let mut fields = Vec::with_capacity(nodes.len());
    for node in nodes {
        let Some(Node::Text(name)) = node.get("field") else {
            let message = "Struct schema's field name not specified properly";
            return Err(found(message, kind_of(node.get("field")), "STRING"));
        };
        let schema = read(node).map_err(|failure| in_field(failure, name))?;
        let schema = schema.ok_or_else(|| schema_builder(format!("fieldSchema for field {name} cannot be null.")))?;
        fields.push(Field { name: name.clone(), schema: Arc::new(schema) });
    }
    millstream_record::check_fields(&fields).map_err(invalid)?;
    Ok(fields)
}

fn read_parameters(node: &Node) -> Result<Option<Parameters>, Failure> {
    let Some(Node::Object(members)) = node.get("parameters") else { return Ok(None) };
    let mut parameters = Vec::with_capacity(members.len());
    for (key, value) in members {
        let Node::Text(value) = value else {
            let found_kind = format!("{key:?} with {}", value.kind());
            return Err(found("Schema parameters must have string values.", found_kind, "STRING"));
        };
        parameters.push((key.clone(), value.clone()));
    }
    Ok((!parameters.is_empty()).then_some(Parameters(parameters)))
}

fn read_default(node: &Node, schema: &Schema) -> Result<Option<Value>, Failure> {
    let shared = Arc::new(schema.clone());
    // What a default leaves to other defaults is bounded as in a message.
    let filled = decode::Filled::new(ReadLimits::DEFAULT.filled_max_bytes);
    let value = decode::value_of(node, &shared, decode::Settings { replace_null: true, filled: &filled })?;
    if matches!(schema.kind, SchemaType::Struct(_)) && !value.is_null() {
        return Err(schema_builder("Invalid default value"));
    }
    Ok(if value.is_null() { None } else { Some(value) })
}

/// Appends a schema as JSON.
///
/// # Errors
///
/// A default that its own schema cannot write.
pub fn write(schema: &Schema, settings: &encode::Settings, out: &mut Vec<u8>) -> Result<(), Failure> {
    out.push(b'{');
    write_members(schema, settings, out)?;
    out.push(b'}');
    Ok(())
}

fn write_members(schema: &Schema, settings: &encode::Settings, out: &mut Vec<u8>) -> Result<(), Failure> {
    let Schema { kind, optional, default, name, version, doc, parameters } = schema;
    out.extend_from_slice(b"\"type\":\"");
    out.extend_from_slice(kind.json_name().as_bytes());
    out.push(b'"');
    let inner = |member: &[u8], schema: &Option<Arc<Schema>>, out: &mut Vec<u8>| {
        out.extend_from_slice(member);
        match schema {
            Some(schema) => write(schema, settings, out),
            None => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    };
    match kind {
        SchemaType::Array(items) => inner(b",\"items\":", items, out)?,
        SchemaType::Map(key, value) => {
            inner(b",\"keys\":", key, out)?;
            inner(b",\"values\":", value, out)?;
        }
        SchemaType::Struct(fields) => {
            out.extend_from_slice(b",\"fields\":[");
            for (at, field) in fields.iter().enumerate() {
                out.extend_from_slice(if at == 0 { b"{" } else { b",{" });
                write_members(&field.schema, settings, out).map_err(|failure| in_field(failure, &field.name))?;
                out.extend_from_slice(b",\"field\":");
                encode::write_text(&field.name, out);
                out.push(b'}');
            }
            out.push(b']');
        }
        _ => {}
    }
    out.extend_from_slice(if *optional { b",\"optional\":true" } else { b",\"optional\":false" });
    if let Some(name) = name {
        out.extend_from_slice(b",\"name\":");
        encode::write_text(name, out);
    }
    if let Some(version) = version {
        out.extend_from_slice(b",\"version\":");
        encode::write_integer(i64::from(*version), out);
    }
    if let Some(doc) = doc {
        out.extend_from_slice(b",\"doc\":");
        encode::write_text(doc, out);
    }
    if let Some(Parameters(parameters)) = parameters {
        out.extend_from_slice(b",\"parameters\":{");
        for (at, (key, value)) in parameters.iter().enumerate() {
            if 0 < at {
                out.push(b',');
            }
            encode::write_text(key, out);
            out.push(b':');
            encode::write_text(value, out);
        }
        out.push(b'}');
    }
    if let Some(default) = default {
        if matches!(kind, SchemaType::Struct(_)) {
            return Err(data("Mismatching schema."));
        }
        out.extend_from_slice(b",\"default\":");
        encode::write_value(Some(schema), default, settings, out)?;
    }
    Ok(())
}
