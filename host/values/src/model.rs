//! The rules of Connect's data model: which values a schema admits, how structs are filled and read,
//! which schemas can be built, and how records are projected from one schema to another.

use std::{fmt, sync::Arc};

use millstream_record::{Field, Parameters, Schema, SchemaType, Value, check_fields};

use crate::JavaError;

/// Deepest nesting of schemas and values that is followed here.
pub const MAX_DEPTH: usize = 1_000;

/// What a value is to the schema it is checked against; a part of messages.
#[derive(Clone, Copy)]
enum Place<'a> {
    Value,
    Field(&'a str),
    Element(&'a Place<'a>),
    Key(&'a Place<'a>),
    MapValue(&'a Place<'a>),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => f.write_str("value"),
            Self::Field(name) => write!(f, "field: \"{name}\""),
            Self::Element(of) => write!(f, "element of array {of}"),
            Self::Key(of) => write!(f, "key of map {of}"),
            Self::MapValue(of) => write!(f, "value of map {of}"),
        }
    }
}

/// `ConnectSchema.validateValue`: whether a value may stand under a schema, in depth. Range and scale
/// of logical values are not looked at.
///
/// # Errors
///
/// A DataException with Connect's message.
pub fn validate(schema: &Schema, value: &Value) -> Result<(), JavaError> {
    validate_at(Some(schema), value, Place::Value, 0)
}

/// As [`validate`], for the value of a field: messages name it.
///
/// # Errors
///
/// A DataException with Connect's message.
pub fn validate_field(name: &str, schema: &Schema, value: &Value) -> Result<(), JavaError> {
    validate_at(Some(schema), value, Place::Field(name), 0)
}

fn validate_at(schema: Option<&Schema>, value: &Value, place: Place<'_>, depth: usize) -> Result<(), JavaError> {
    let Some(schema) = schema else {
        return Err(JavaError::data(format!("No schema defined for {place}")));
    };
    if MAX_DEPTH < depth {
        return Err(JavaError::data(format!("value is nested more than {MAX_DEPTH} levels deep")));
    }
    if value.is_null() {
        if schema.optional {
            return Ok(());
        }
        return Err(JavaError::data(format!(
            "Invalid value: null used for required {place}, schema type: {}",
            schema.kind.name()
        )));
    }
    if !has_class_of(schema, value) {
        let name = schema.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
        return Err(JavaError::data(format!(
            "Invalid Java object for schema{name} with type {}: class {} for {place}",
            schema.kind.name(),
            value.java_class()
        )));
    }
    match (&schema.kind, value) {
        (SchemaType::Struct(_), Value::Struct(own, slots)) => {
            if !same_schema(own, schema) {
                return Err(JavaError::data("Struct schemas do not match."));
            }
            validate_slots(own, slots, depth)
        }
        (SchemaType::Array(element), Value::List(items)) => {
            let place = Place::Element(&place);
            check_defined(element, place)?;
            items.iter().try_for_each(|item| validate_at(element.as_deref(), item, place, depth + 1))
        }
        (SchemaType::Map(key, value), Value::Map(entries)) => {
            let (key_place, value_place) = (Place::Key(&place), Place::MapValue(&place));
            check_defined(key, key_place)?;
            check_defined(value, value_place)?;
            entries.iter().try_for_each(|(k, v)| {
                validate_at(key.as_deref(), k, key_place, depth + 1)?;
                validate_at(value.as_deref(), v, value_place, depth + 1)
            })
        }
        _ => Ok(()),
    }
}

fn check_defined(schema: &Option<Arc<Schema>>, place: Place<'_>) -> Result<(), JavaError> {
    match schema {
        Some(_) => Ok(()),
        None => Err(JavaError::data(format!("No schema defined for {place}"))),
    }
}

/// Whether a value has the Java class that the schema asks for: by logical name first, then by type.
pub fn has_class_of(schema: &Schema, value: &Value) -> bool {
    if schema.is_decimal() {
        return matches!(value, Value::Decimal(_));
    }
    if schema.is_instant() {
        return matches!(value, Value::Instant(_));
    }
    matches!(
        (&schema.kind, value),
        (SchemaType::Int8, Value::Int8(_))
            | (SchemaType::Int16, Value::Int16(_))
            | (SchemaType::Int32, Value::Int32(_))
            | (SchemaType::Int64, Value::Int64(_))
            | (SchemaType::Float32, Value::Float32(_))
            | (SchemaType::Float64, Value::Float64(_))
            | (SchemaType::Boolean, Value::Boolean(_))
            | (SchemaType::String, Value::String(_))
            | (SchemaType::Bytes, Value::Bytes(_))
            | (SchemaType::Array(_), Value::List(_))
            | (SchemaType::Map(..), Value::Map(_))
            | (SchemaType::Struct(_), Value::Struct(..))
    )
}

fn same_schema(a: &Schema, b: &Schema) -> bool {
    std::ptr::eq(a, b) || a == b
}

fn validate_slots(schema: &Schema, slots: &[Value], depth: usize) -> Result<(), JavaError> {
    for (field, slot) in schema.fields().iter().zip(slots) {
        if slot.is_null() && (field.schema.optional || field.schema.default.is_some()) {
            continue;
        }
        validate_at(Some(&field.schema), slot, Place::Field(&field.name), depth + 1)?;
    }
    Ok(())
}

/// Connect's `Struct`: slots under a struct schema, checked as they are set.
#[derive(Clone, Debug, PartialEq)]
pub struct StructValue {
    schema: Arc<Schema>,
    slots: Vec<Value>,
}

impl StructValue {
    /// An empty struct.
    ///
    /// # Errors
    ///
    /// A DataException if the schema is not a struct's.
    pub fn new(schema: Arc<Schema>) -> Result<Self, JavaError> {
        let SchemaType::Struct(fields) = &schema.kind else {
            return Err(JavaError::data(format!("Not a struct schema: {}", schema.java_text())));
        };
        let slots = vec![Value::Null; fields.len()];
        Ok(Self { schema, slots })
    }

    /// The schema that the struct was made for; always one of a struct.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    fn find(&self, name: &str) -> Result<(usize, &Field), JavaError> {
        self.schema.field(name).ok_or_else(|| JavaError::data(format!("{name} is not a valid field name")))
    }

    /// Sets a field. Null is refused for a required field even if it has a default.
    ///
    /// # Errors
    ///
    /// A DataException if there is no such field or its schema does not admit the value.
    pub fn put(&mut self, name: &str, value: Value) -> Result<(), JavaError> {
        let (index, field) = self.find(name)?;
        validate_field(name, &field.schema, &value)?;
        self.slots[index] = value;
        Ok(())
    }

    /// The field's value, or its default if it is not set.
    ///
    /// # Errors
    ///
    /// A DataException if there is no such field.
    pub fn get(&self, name: &str) -> Result<&Value, JavaError> {
        let (index, field) = self.find(name)?;
        Ok(with_default(&field.schema, &self.slots[index]))
    }

    /// The field's value as it was set.
    ///
    /// # Errors
    ///
    /// A DataException if there is no such field.
    pub fn get_without_default(&self, name: &str) -> Result<&Value, JavaError> {
        self.find(name).map(|(index, _)| &self.slots[index])
    }

    /// The typed getters (`getInt8`, `getString`, …): the raw value of a field that is declared with that type,
    /// given by its upper-case name.
    ///
    /// # Errors
    ///
    /// A DataException if there is no such field or it has another type.
    pub fn get_typed(&self, name: &str, type_name: &str) -> Result<&Value, JavaError> {
        let (index, field) = self.find(name)?;
        if field.schema.kind.name() != type_name {
            return Err(JavaError::data(format!("Field '{name}' is not of type {type_name}")));
        }
        Ok(&self.slots[index])
    }

    /// Whether every field is set, optional or has a default, and fits its schema.
    ///
    /// # Errors
    ///
    /// A DataException about the first field that is not.
    pub fn validate(&self) -> Result<(), JavaError> {
        validate_slots(&self.schema, &self.slots, 0)
    }

    /// As a value, not validated.
    pub fn into_value(self) -> Value {
        Value::Struct(self.schema, self.slots)
    }
}

/// The value, or the schema's default for null.
pub fn with_default<'a>(schema: &'a Schema, value: &'a Value) -> &'a Value {
    match &schema.default {
        Some(default) if value.is_null() => default,
        _ => value,
    }
}

/// `Struct.get` on a struct's parts: the field's value or default.
///
/// # Errors
///
/// A DataException if there is no such field.
pub fn struct_get<'a>(schema: &'a Schema, slots: &'a [Value], name: &str) -> Result<&'a Value, JavaError> {
    match schema.field(name) {
        Some((index, field)) => Ok(with_default(&field.schema, slots.get(index).unwrap_or(&Value::Null))),
        None => Err(JavaError::data(format!("{name} is not a valid field name"))),
    }
}

/// The fields of a struct schema.
///
/// # Errors
///
/// A DataException for another type.
pub fn fields(schema: &Schema) -> Result<&[Field], JavaError> {
    match &schema.kind {
        SchemaType::Struct(fields) => Ok(fields),
        _ => Err(JavaError::data("Cannot list fields on non-struct type")),
    }
}

/// The field of that name, if the struct schema has it.
///
/// # Errors
///
/// A DataException for another type.
pub fn field<'a>(schema: &'a Schema, name: &str) -> Result<Option<&'a Field>, JavaError> {
    match &schema.kind {
        SchemaType::Struct(fields) => Ok(fields.iter().find(|field| field.name == name)),
        _ => Err(JavaError::data("Cannot look up fields on non-struct type")),
    }
}

/// The key schema of a map; `None` if it has none.
///
/// # Errors
///
/// A DataException for another type.
pub fn key_schema(schema: &Schema) -> Result<Option<&Arc<Schema>>, JavaError> {
    match &schema.kind {
        SchemaType::Map(key, _) => Ok(key.as_ref()),
        _ => Err(JavaError::data("Cannot look up key schema on non-map type")),
    }
}

/// The value schema of a map or array; `None` if it has none.
///
/// # Errors
///
/// A DataException for another type.
pub fn value_schema(schema: &Schema) -> Result<Option<&Arc<Schema>>, JavaError> {
    match &schema.kind {
        SchemaType::Map(_, value) | SchemaType::Array(value) => Ok(value.as_ref()),
        _ => Err(JavaError::data("Cannot look up value schema on non-array and non-map type")),
    }
}

/// Whether Connect's schema builder would build this schema: field names unique and not empty, element,
/// key and value schemas present, defaults that fit, no default on a struct. Schemas inside are checked
/// likewise.
///
/// # Errors
///
/// A SchemaBuilderException with Connect's message.
pub fn check_schema(schema: &Schema) -> Result<(), JavaError> {
    check_schema_at(schema, 0)
}

fn check_schema_at(schema: &Schema, depth: usize) -> Result<(), JavaError> {
    if MAX_DEPTH < depth {
        return Err(JavaError::schema_builder(format!("schema is nested more than {MAX_DEPTH} levels deep")));
    }
    let check_part = |part: &Option<Arc<Schema>>, what: &str| match part {
        Some(part) => check_schema_at(part, depth + 1),
        None => Err(JavaError::schema_builder(format!("{what} cannot be null."))),
    };
    match &schema.kind {
        SchemaType::Struct(fields) => {
            check_fields(fields).map_err(|error| JavaError::schema_builder(error.to_string()))?;
            fields.iter().try_for_each(|field| check_schema_at(&field.schema, depth + 1))?;
        }
        SchemaType::Array(element) => check_part(element, "element schema")?,
        SchemaType::Map(key, value) => {
            check_part(key, "key schema")?;
            check_part(value, "value schema")?;
        }
        _ => {}
    }
    check_default(schema)
}

/// Whether Connect's schema builder would take the default that the schema has, if any.
///
/// # Errors
///
/// A SchemaBuilderException, caused by what is wrong with the value.
pub fn check_default(schema: &Schema) -> Result<(), JavaError> {
    let Some(default) = &schema.default else {
        return Ok(());
    };
    let refused = |cause| JavaError::schema_builder("Invalid default value").caused_by(cause);
    if let (SchemaType::Struct(_), Value::Struct(..)) = (&schema.kind, default) {
        // The unfinished schema equals no struct's schema.
        return Err(refused(JavaError::data("Struct schemas do not match.")));
    }
    validate(schema, default).map_err(refused)
}

/// `SchemaProjector.project`: a value written under one schema as a reader with another one sees it.
///
/// # Errors
///
/// A SchemaProjectorException if the schemas do not go together, a DataException if a field does not
/// admit what was projected.
pub fn project(source: &Schema, value: &Value, target: &Arc<Schema>) -> Result<Value, JavaError> {
    project_at(source, value, target, 0)
}

fn project_at(source: &Schema, value: &Value, target: &Arc<Schema>, depth: usize) -> Result<Value, JavaError> {
    if MAX_DEPTH < depth {
        return Err(JavaError::data(format!("value is nested more than {MAX_DEPTH} levels deep")));
    }
    check_compatible(source, target)?;
    if source.optional && !target.optional {
        let Some(default) = target.default_value() else {
            return Err(JavaError::schema_projector(
                "Writer schema is optional, however, target schema does not provide a default value.",
            ));
        };
        if value.is_null() {
            return Ok(default);
        }
    }
    if value.is_null() {
        return Ok(Value::Null);
    }
    match (&target.kind, &source.kind) {
        (SchemaType::Struct(_), SchemaType::Struct(_)) => project_struct(source, value, target, depth),
        (SchemaType::Array(to), SchemaType::Array(from)) => {
            let Value::List(items) = value else {
                return Err(wrong_class(value, "java.util.List"));
            };
            let items = items.iter().map(|item| project_part(from, item, to, depth)).collect::<Result<_, _>>()?;
            Ok(Value::List(items))
        }
        (SchemaType::Map(key_to, value_to), SchemaType::Map(key_from, value_from)) => {
            let Value::Map(entries) = value else {
                return Err(wrong_class(value, "java.util.Map"));
            };
            let mut projected: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                let key = project_part(key_from, key, key_to, depth)?;
                projected.push((key, project_part(value_from, value, value_to, depth)?));
            }
            Ok(Value::Map(projected))
        }
        _ => Ok(promote(value, &target.kind)),
    }
}

fn project_part(
    from: &Option<Arc<Schema>>,
    value: &Value,
    to: &Option<Arc<Schema>>,
    depth: usize,
) -> Result<Value, JavaError> {
    match (from, to) {
        (Some(from), Some(to)) => project_at(from, value, to, depth + 1),
        _ => Err(JavaError::null_pointer("a collection without element schema cannot be projected")),
    }
}

fn wrong_class(value: &Value, wanted: &str) -> JavaError {
    JavaError::class_cast(format!("class {} cannot be cast to class {wanted}", value.java_class()))
}

fn check_compatible(source: &Schema, target: &Schema) -> Result<(), JavaError> {
    let mismatch = |what: &str, from: &str, to: &str| {
        let (kind, label) = what.split_once('|').unwrap_or((what, what));
        Err(JavaError::schema_projector(format!("Schema {kind}. source {label}: {from} and target {label}: {to}")))
    };
    let same_type = source.kind.name() == target.kind.name();
    let ranks = number_rank(&source.kind).zip(number_rank(&target.kind));
    if !same_type && ranks.is_none_or(|(from, to)| to <= from) {
        return mismatch("type mismatch|type", source.kind.name(), target.kind.name());
    }
    if source.name != target.name {
        let text = |name: &Option<String>| name.clone().unwrap_or_else(|| "null".to_owned());
        return mismatch("name mismatch|name", &text(&source.name), &text(&target.name));
    }
    if source.parameters != target.parameters {
        return mismatch(
            "parameters not equal|parameters",
            &parameters_text(&source.parameters),
            &parameters_text(&target.parameters),
        );
    }
    Ok(())
}

fn parameters_text(parameters: &Option<Parameters>) -> String {
    match parameters {
        None => "null".to_owned(),
        Some(Parameters(entries)) => {
            let entries: Vec<String> = entries.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Where a number type stands among those that widen to the next: INT8 is 0, FLOAT64 is 5.
pub(crate) fn number_rank(kind: &SchemaType) -> Option<u8> {
    Some(match kind {
        SchemaType::Int8 => 0,
        SchemaType::Int16 => 1,
        SchemaType::Int32 => 2,
        SchemaType::Int64 => 3,
        SchemaType::Float32 => 4,
        SchemaType::Float64 => 5,
        _ => return None,
    })
}

/// A number as the wider type; anything else as it is.
fn promote(value: &Value, target: &SchemaType) -> Value {
    let whole = match value {
        Value::Int8(number) => i64::from(*number),
        Value::Int16(number) => i64::from(*number),
        Value::Int32(number) => i64::from(*number),
        Value::Int64(number) => *number,
        Value::Float32(number) if *target == SchemaType::Float64 => return Value::Float64(f64::from(*number)),
        _ => return value.clone(),
    };
    match target {
        SchemaType::Int8 => Value::Int8(whole as i8),
        SchemaType::Int16 => Value::Int16(whole as i16),
        SchemaType::Int32 => Value::Int32(whole as i32),
        SchemaType::Int64 => Value::Int64(whole),
        SchemaType::Float32 => Value::Float32(whole as f32),
        SchemaType::Float64 => Value::Float64(whole as f64),
        _ => value.clone(),
    }
}

fn project_struct(source: &Schema, value: &Value, target: &Arc<Schema>, depth: usize) -> Result<Value, JavaError> {
    let Value::Struct(own, slots) = value else {
        return Err(wrong_class(value, "org.apache.kafka.connect.data.Struct"));
    };
    let mut projected = StructValue::new(Arc::clone(target))?;
    for field in target.fields() {
        let name = field.name.as_str();
        if let Some((_, from)) = source.field(name) {
            let value = struct_get(own, slots, name)?;
            let value = project_at(&from.schema, value, &field.schema, depth + 1).map_err(|error| {
                if error.class().ends_with("SchemaProjectorException") {
                    JavaError::schema_projector(format!("Error projecting {name}")).caused_by(error)
                } else {
                    error
                }
            })?;
            projected.put(name, value)?;
        } else if !field.schema.optional {
            let Some(default) = field.schema.default_value() else {
                return Err(JavaError::schema_projector(format!(
                    "Required field `{name}` is missing from source schema: {}",
                    source.java_text()
                )));
            };
            projected.put(name, default)?;
        }
    }
    Ok(projected.into_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn optional(kind: SchemaType) -> Arc<Schema> {
        Arc::new(Schema::new(kind).optional())
    }

    fn required(kind: SchemaType) -> Arc<Schema> {
        Arc::new(Schema::new(kind))
    }

    fn structure(fields: &[(&str, Arc<Schema>)]) -> Arc<Schema> {
        let fields = fields.iter().map(|(name, schema)| Field { name: (*name).to_owned(), schema: Arc::clone(schema) });
        Arc::new(Schema::structure(fields.collect()).expect("names differ"))
    }

    #[test]
    fn messages_name_the_place() {
        let message = |schema: &Schema, value| validate(schema, &value).map_err(|error| error.message().to_owned());
        let list = Schema::new(SchemaType::Array(Some(required(SchemaType::Int8))));
        assert_eq!(
            message(&list, Value::List(vec![Value::Null])),
            Err("Invalid value: null used for required element of array value, schema type: INT8".to_owned())
        );
        assert_eq!(
            message(&Schema::date(), Value::Int32(1)),
            Err("Invalid Java object for schema \"org.apache.kafka.connect.data.Date\" with type INT32: class \
                 java.lang.Integer for value"
                .to_owned())
        );
        let nothing = Schema::new(SchemaType::Array(None));
        assert!(message(&nothing, Value::List(vec![])).is_err());
        assert_eq!(message(&Schema::new(SchemaType::Int8).optional(), Value::Null), Ok(()));
    }

    #[test]
    fn a_struct_checks_what_is_put_and_reads_defaults() {
        let with_default = Arc::new(Schema { default: Some(Value::Int8(4)), ..Schema::new(SchemaType::Int8) });
        let schema = structure(&[("a", with_default), ("b", required(SchemaType::String))]);
        let mut value = StructValue::new(schema).expect("a struct schema");
        assert_eq!(value.get("a"), Ok(&Value::Int8(4)));
        assert_eq!(value.get_typed("a", "INT8"), Ok(&Value::Null));
        assert!(value.get_typed("a", "INT16").is_err());
        assert!(value.put("a", Value::Null).is_err());
        assert!(value.put("b", Value::Int8(1)).is_err());
        let error = value.validate().expect_err("b is missing");
        assert_eq!(error.message(), "Invalid value: null used for required field: \"b\", schema type: STRING");
        value.put("b", "x".into()).expect("a string fits");
        assert_eq!(value.validate(), Ok(()));
        assert_eq!(value.get("c").expect_err("no such field").message(), "c is not a valid field name");
    }

    #[test]
    fn projection_widens_numbers_and_fills_in_defaults() {
        let default = Arc::new(Schema { default: Some(Value::Int8(9)), ..Schema::new(SchemaType::Int8) });
        let source = structure(&[("a", required(SchemaType::Int8)), ("x", required(SchemaType::Int8))]);
        let target =
            structure(&[("a", required(SchemaType::Float64)), ("d", default), ("o", optional(SchemaType::Int8))]);
        let value = Value::Struct(Arc::clone(&source), vec![Value::Int8(1), Value::Int8(2)]);
        let expected = Value::Struct(Arc::clone(&target), vec![Value::Float64(1.0), Value::Int8(9), Value::Null]);
        assert_eq!(project(&source, &value, &target), Ok(expected));
        let error = project(&target, &value, &source).expect_err("a double does not become a byte");
        assert_eq!(error.to_string(), "Error projecting a");
    }

    #[test]
    fn a_default_must_fit_and_a_struct_takes_none() {
        let schema = Schema { default: Some(Value::Int64(1)), ..Schema::new(SchemaType::Int32) };
        let error = check_schema(&schema).expect_err("another class");
        assert_eq!(error.message(), "Invalid default value");
        let inner = structure(&[]);
        let value = Value::Struct(Arc::clone(&inner), vec![]);
        assert!(check_schema(&Schema { default: Some(value), ..(*inner).clone() }).is_err());
    }
}
