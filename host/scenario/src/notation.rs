//! Schemas and values in JSON: the notation of scenarios, and of the cases that `tests/conformance` runs.
//!
//! A schema is the schema object of the JSON converter's envelope, or short: `"int64"`, `"string?"` (optional), `"date"`,
//! `"time"`, `"timestamp"`, `"decimal(2)"`. The fields of a struct are a list of schemas with their names under `field`, or
//! an object of schemas by name.
//!
//! Without a schema texts, booleans, null, lists and objects (maps with text keys) stand for themselves, a whole number for
//! INT64, any other number for FLOAT64. All else is tagged: an object with one key that begins with `$`, such as
//! `{"$int32": 1}`, `{"$bytes": "aGk="}`, `{"$decimal": "1.20"}`, `{"$timestamp": 1700000000123}`. Under a schema a value is
//! what the schema says, and a tag says that it is something else.

use std::sync::Arc;

use millstream_record::{Decimal, Field, Parameters, Schema, SchemaType, Value, logical};
use millstream_values::{base64, decimal};
use serde_json::{Map, Number, Value as Json};

const DAY_MS: i64 = 86_400_000;

/// A schema and a value under it.
pub type Datum = (Option<Arc<Schema>>, Value);

/// A schema, or none. Nothing is checked: some cases are about schemas that cannot be built.
pub fn schema(json: &Json) -> Result<Option<Arc<Schema>>, String> {
    if json.is_null() {
        return Ok(None);
    }
    if let Some(short) = json.as_str() {
        return short_schema(short).map(|schema| Some(Arc::new(schema)));
    }
    if !json.is_object() {
        return Err(format!("{json} is no schema"));
    }
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let part = |name: &str| schema(json.get(name).unwrap_or(&Json::Null));
    let kind = match json.get("type").and_then(Json::as_str).unwrap_or_default() {
        "int8" => SchemaType::Int8,
        "int16" => SchemaType::Int16,
        "int32" => SchemaType::Int32,
        "int64" => SchemaType::Int64,
        "float" => SchemaType::Float32,
        "double" => SchemaType::Float64,
        "boolean" => SchemaType::Boolean,
        "string" => SchemaType::String,
        "bytes" => SchemaType::Bytes,
        "array" => SchemaType::Array(part("items")?),
        "map" => SchemaType::Map(part("keys")?, part("values")?),
        "struct" => SchemaType::Struct(match json.get("fields") {
            Some(Json::Array(fields)) => fields.iter().map(field).collect::<Result<_, String>>()?,
            Some(Json::Object(fields)) => fields.iter().map(named_field).collect::<Result<_, String>>()?,
            _ => return Err("a struct schema has no fields".to_owned()),
        }),
        other => return Err(format!("there is no schema type {other:?}")),
    };
    let parameters = json.get("parameters").and_then(Json::as_object).map(|parameters| {
        let entry = |(key, value): (&String, &Json)| (key.clone(), value.as_str().unwrap_or_default().to_owned());
        Parameters(parameters.iter().map(entry).collect())
    });
    let version = json.get("version").filter(|version| !version.is_null());
    let mut schema = Schema {
        kind,
        optional: json.get("optional").and_then(Json::as_bool).unwrap_or(false),
        default: None,
        name: text("name"),
        version: version.map(|version| version.to_string().parse()).transpose().map_err(|_| "a version is no int")?,
        doc: text("doc"),
        parameters,
    };
    if let Some(default) = json.get("default") {
        schema.default = Some(payload(Some(&Arc::new(schema.clone())), default)?);
    }
    Ok(Some(Arc::new(schema)))
}

/// `int64`, `string?`, `decimal(2)`: a schema in a word, optional with a question mark.
fn short_schema(text: &str) -> Result<Schema, String> {
    let unknown = || {
        format!(
            "there is no schema {text:?}: a schema in a word is one of int8, int16, int32, int64, float, double, boolean, \
             string, bytes, date, time, timestamp and decimal(SCALE), with ? behind it if it is optional"
        )
    };
    let (word, optional) = text.strip_suffix('?').map_or((text, false), |word| (word, true));
    let schema = match word {
        "int8" => Schema::new(SchemaType::Int8),
        "int16" => Schema::new(SchemaType::Int16),
        "int32" => Schema::new(SchemaType::Int32),
        "int64" => Schema::new(SchemaType::Int64),
        "float" => Schema::new(SchemaType::Float32),
        "double" => Schema::new(SchemaType::Float64),
        "boolean" => Schema::new(SchemaType::Boolean),
        "string" => Schema::new(SchemaType::String),
        "bytes" => Schema::new(SchemaType::Bytes),
        "date" => Schema::date(),
        "time" => Schema::time(),
        "timestamp" => Schema::timestamp(),
        other => {
            let scale = other.strip_prefix("decimal(").and_then(|rest| rest.strip_suffix(')'));
            Schema::decimal(scale.and_then(|scale| scale.parse().ok()).ok_or_else(unknown)?)
        }
    };
    Ok(if optional { schema.optional() } else { schema })
}

fn named_field((name, json): (&String, &Json)) -> Result<Field, String> {
    Ok(Field { name: name.clone(), schema: schema(json)?.ok_or_else(|| format!("the field {name} has no schema"))? })
}

fn field(json: &Json) -> Result<Field, String> {
    let name = json.get("field").and_then(Json::as_str).ok_or("a field has no name")?.to_owned();
    Ok(Field { name, schema: schema(json)?.ok_or("a field has no schema")? })
}

/// `{"schema": …, "payload": …}`.
pub fn datum(json: &Json) -> Result<Datum, String> {
    let schema = schema(json.get("schema").unwrap_or(&Json::Null))?;
    let value = payload(schema.as_ref(), json.get("payload").unwrap_or(&Json::Null))?;
    Ok((schema, value))
}

/// A value, with or without a schema.
pub fn payload(schema: Option<&Arc<Schema>>, json: &Json) -> Result<Value, String> {
    let Some(schema) = schema else { return schemaless(json) };
    if json.is_null() {
        return Ok(Value::Null);
    }
    if let Some((name, tagged)) = tag(json)
        && schema.field(&format!("${name}")).is_none()
    {
        return tagged_value(name, tagged);
    }
    let wrong = || format!("{json} is no payload for {}", schema.java_text());
    match (schema.name.as_deref(), &schema.kind) {
        (Some(logical::DECIMAL), SchemaType::Bytes) => {
            let unscaled = bytes(json).ok_or_else(wrong)?;
            let parameters = schema.parameters.as_ref().map_or(&[][..], |parameters| &parameters.0);
            let scale = parameters.iter().find(|(key, _)| key == logical::SCALE);
            let scale = scale.and_then(|(_, scale)| scale.parse().ok()).ok_or_else(wrong)?;
            return Ok(Value::Decimal(Decimal { unscaled: decimal::minimal_bytes(&unscaled).to_vec(), scale }));
        }
        (Some(logical::DATE), SchemaType::Int32) => {
            return Ok(Value::Instant(integer(json).ok_or_else(wrong)? * DAY_MS));
        }
        (Some(logical::TIME), SchemaType::Int32) | (Some(logical::TIMESTAMP), SchemaType::Int64) => {
            return Ok(Value::Instant(integer(json).ok_or_else(wrong)?));
        }
        _ => {}
    }
    let int = || integer(json).ok_or_else(wrong);
    Ok(match &schema.kind {
        SchemaType::Int8 => Value::Int8(i8::try_from(int()?).map_err(|_| wrong())?),
        SchemaType::Int16 => Value::Int16(i16::try_from(int()?).map_err(|_| wrong())?),
        SchemaType::Int32 => Value::Int32(i32::try_from(int()?).map_err(|_| wrong())?),
        SchemaType::Int64 => Value::Int64(int()?),
        SchemaType::Float32 => Value::Float32(float(json).ok_or_else(wrong)? as f32),
        SchemaType::Float64 => Value::Float64(float(json).ok_or_else(wrong)?),
        SchemaType::Boolean => Value::Boolean(json.as_bool().ok_or_else(wrong)?),
        SchemaType::String => Value::from(json.as_str().ok_or_else(wrong)?),
        SchemaType::Bytes => Value::Bytes(bytes(json).ok_or_else(wrong)?),
        SchemaType::Array(element) => {
            let elements = json.as_array().ok_or_else(wrong)?;
            let element = |json: &Json| payload(element.as_ref(), json);
            Value::List(elements.iter().map(element).collect::<Result<_, _>>()?)
        }
        SchemaType::Map(key, value) => {
            let value = |json: &Json| payload(value.as_ref(), json);
            Value::Map(match json {
                Json::Object(members) => members
                    .iter()
                    .map(|(key, json)| Ok((Value::from(key.as_str()), value(json)?)))
                    .collect::<Result<_, String>>()?,
                _ => pairs(json)?
                    .map(|(k, json)| Ok((payload(key.as_ref(), k)?, value(json)?)))
                    .collect::<Result<_, String>>()?,
            })
        }
        SchemaType::Struct(fields) => {
            let members = json.as_object().ok_or_else(wrong)?;
            let slot = |field: &Field| payload(Some(&field.schema), members.get(&field.name).unwrap_or(&Json::Null));
            Value::Struct(Arc::clone(schema), fields.iter().map(slot).collect::<Result<_, _>>()?)
        }
    })
}

fn schemaless(json: &Json) -> Result<Value, String> {
    if let Some((name, tagged)) = tag(json) {
        return tagged_value(name, tagged);
    }
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(*value),
        Json::String(text) => Value::from(text.as_str()),
        Json::Number(number) => bare_number(number)?,
        Json::Array(elements) => Value::List(elements.iter().map(schemaless).collect::<Result<_, _>>()?),
        Json::Object(members) => Value::Map(
            members
                .iter()
                .map(|(key, json)| Ok((Value::from(key.as_str()), schemaless(json)?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}

fn bare_number(number: &Number) -> Result<Value, String> {
    let text = number.to_string();
    if text.contains(['.', 'e', 'E']) {
        return text.parse().map(Value::Float64).map_err(|_| format!("{text} is no FLOAT64"));
    }
    text.parse()
        .map(Value::Int64)
        .map_err(|_| format!("{text} is too large for INT64: write {{\"$bigint\": \"{text}\"}}"))
}

/// Name and content of a tag.
fn tag(json: &Json) -> Option<(&str, &Json)> {
    let members: &Map<String, Json> = json.as_object().filter(|members| members.len() == 1)?;
    let (name, tagged) = members.iter().next()?;
    Some((name.strip_prefix('$')?, tagged))
}

fn tagged_value(name: &str, json: &Json) -> Result<Value, String> {
    let wrong = || format!("{json} cannot be tagged ${name}");
    let int = || integer(json).ok_or_else(wrong);
    Ok(match name {
        "int8" => Value::Int8(i8::try_from(int()?).map_err(|_| wrong())?),
        "int16" => Value::Int16(i16::try_from(int()?).map_err(|_| wrong())?),
        "int32" => Value::Int32(i32::try_from(int()?).map_err(|_| wrong())?),
        "int64" => Value::Int64(int()?),
        "float32" => Value::Float32(float(json).ok_or_else(wrong)? as f32),
        "float64" => Value::Float64(float(json).ok_or_else(wrong)?),
        "bytes" => Value::Bytes(bytes(json).ok_or_else(wrong)?),
        "timestamp" => Value::Instant(int()?),
        "decimal" => Value::Decimal(json.as_str().and_then(decimal::parse_decimal).ok_or_else(wrong)?),
        "bigint" => Value::BigInteger(json.as_str().and_then(decimal::parse_integer).ok_or_else(wrong)?),
        "entries" => Value::Map(
            pairs(json)?
                .map(|(key, value)| Ok((schemaless(key)?, schemaless(value)?)))
                .collect::<Result<_, String>>()?,
        ),
        "struct" => datum(json)?.1,
        "plain" => schemaless(json)?,
        _ => return Err(format!("there is no tag ${name}")),
    })
}

fn pairs(json: &Json) -> Result<impl Iterator<Item = (&Json, &Json)>, String> {
    let entries = json.as_array().ok_or_else(|| format!("{json} is no list of pairs"))?;
    if entries.iter().any(|entry| entry.as_array().is_none_or(|pair| pair.len() != 2)) {
        return Err(format!("{json} is no list of pairs"));
    }
    Ok(entries.iter().map(|entry| (&entry[0], &entry[1])))
}

/// An integer, exactly.
pub fn integer(json: &Json) -> Option<i64> {
    json.as_number().map(Number::to_string)?.parse().ok()
}

fn float(json: &Json) -> Option<f64> {
    match json {
        Json::Number(number) => number.to_string().parse().ok(),
        Json::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn bytes(json: &Json) -> Option<Vec<u8>> {
    base64::decode(json.as_str()?)
}

/// `null`, `{"utf8": …}` or `{"base64": …}`.
pub fn raw_bytes(json: &Json) -> Result<Option<Vec<u8>>, String> {
    let text = |name: &str| json.get(name).and_then(Json::as_str);
    match (json, text("utf8"), text("base64")) {
        (Json::Null, ..) => Ok(None),
        (_, Some(text), _) => Ok(Some(text.as_bytes().to_vec())),
        (_, _, Some(text)) => base64::decode(text).map(Some).ok_or_else(|| format!("{text} is not base64")),
        _ => Err(format!("{json} stands for no bytes")),
    }
}
