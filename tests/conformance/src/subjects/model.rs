//! The data model: validation, schemas, structs, projection, logical types, field paths.

use std::sync::Arc;

use millstream_record::{Schema, Value};
use millstream_values::model::{self, StructValue};
use millstream_values::{FieldPath, JavaError, PathSyntax, logical_type as logical_types};
use serde_json::Value as Json;

use super::values::check_value;
use crate::cases::Case;
use crate::compare::{self, Thrown};
use crate::notation::{payload, schema as read_schema};

fn required_schema(case: &Case, name: &str) -> Result<Arc<Schema>, String> {
    read_schema(case.get(name))?.ok_or_else(|| format!("the case has no schema {name}"))
}

/// A value seen through another schema.
pub fn projector(case: &Case) -> Result<(), String> {
    let (source, target) = (required_schema(case, "source")?, required_schema(case, "target")?);
    let value = payload(Some(&source), case.get("value"))?;
    let found = model::project(&source, &value, &target).map_err(Thrown::from);
    let expect = case.expect();
    compare::result(
        found,
        expect,
        |found| compare::value("value", &found, &payload(Some(&target), expect.get("value").unwrap_or(&Json::Null))?),
        compare::show,
    )
}

/// A value against a schema.
pub fn validate(case: &Case) -> Result<(), String> {
    let schema = required_schema(case, "schema")?;
    let value = payload(None, case.get("value"))?;
    let found = model::validate(&schema, &value).map_err(Thrown::from);
    compare::result(found, case.expect(), Ok, |()| "no error".to_owned())
}

/// A schema that is built, or two that are compared.
pub fn schema(case: &Case) -> Result<(), String> {
    let expect = case.expect();
    if case.has("a") {
        let (a, b) = (required_schema(case, "a")?, required_schema(case, "b")?);
        let found = *a == *b;
        return match expect.get("equal").and_then(Json::as_bool) == Some(found) {
            true => Ok(()),
            false => Err(format!("found {found}\nexpected {expect}")),
        };
    }
    let schema = required_schema(case, "schema")?;
    let found = model::check_schema(&schema).map_err(Thrown::from);
    compare::result(
        found,
        expect,
        |()| {
            let expected = read_schema(expect.get("schema").unwrap_or(&Json::Null))?;
            compare::datum("schema", &(Some(Arc::clone(&schema)), Value::Null), &(expected, Value::Null))
        },
        |()| "no error".to_owned(),
    )
}

/// A struct that is filled and read.
pub fn structure(case: &Case) -> Result<(), String> {
    let expect = case.expect();
    let mut structure = match StructValue::new(required_schema(case, "schema")?) {
        Ok(structure) => structure,
        Err(error) => return Thrown::from(error).check(expect),
    };
    let (steps, results) = (case.get("steps"), expect.get("results").unwrap_or(&Json::Null));
    let steps = steps.as_array().zip(results.as_array()).ok_or("the case has no steps with results")?;
    for (at, (step, expected)) in steps.0.iter().zip(steps.1).enumerate() {
        let found = step_of(&mut structure, step)?;
        check_step(found, expected).map_err(|difference| format!("step {at}: {difference}"))?;
    }
    Ok(())
}

/// What a step of a case returns: nothing, or a value.
pub type StepResult = Result<Option<Value>, Thrown>;

/// Whether a step returned what is expected.
pub fn check_step(found: StepResult, expected: &Json) -> Result<(), String> {
    let ok = expected.as_str() == Some("ok");
    compare::result(
        found,
        expected,
        |found| match found {
            None if ok => Ok(()),
            None => Err(format!("found nothing\nexpected {expected}")),
            Some(found) => compare::value("result", &found, &payload(None, expected)?),
        },
        |found| format!("{found:?}"),
    )
}

fn step_of(structure: &mut StructValue, step: &Json) -> Result<StepResult, String> {
    let op = step.get("op").and_then(Json::as_str).unwrap_or_default();
    let field = step.get("field").and_then(Json::as_str).unwrap_or_default();
    let value = |value: Result<&Value, JavaError>| value.map(|value| Some(value.clone())).map_err(Thrown::from);
    Ok(match op {
        "put" => {
            // The value is in the notation of the field's schema where the field has one.
            let value = step.get("value").unwrap_or(&Json::Null);
            let schema = structure.schema().field(field).map(|(_, field)| Arc::clone(&field.schema));
            let bare = payload(None, value);
            let value = bare.or_else(|_| payload(schema.as_ref(), value))?;
            structure.put(field, value).map(|()| None).map_err(Thrown::from)
        }
        "get" => value(structure.get(field)),
        "getWithoutDefault" => value(structure.get_without_default(field)),
        "validate" => structure.validate().map(|()| None).map_err(Thrown::from),
        getter => {
            let name = getter.strip_prefix("get").ok_or_else(|| format!("there is no step {getter}"))?;
            value(structure.get_typed(field, &name.to_uppercase()))
        }
    })
}

/// Logical types to and from what stores them.
pub fn logical(case: &Case) -> Result<(), String> {
    let schema = required_schema(case, "schema")?;
    let value = payload(None, case.get("value"))?;
    let class_cast = || JavaError::class_cast("the value is of another class");
    let instant = || match value {
        Value::Instant(ms) => Ok(ms),
        _ => Err(class_cast()),
    };
    let int32 = || match value {
        Value::Int32(value) => Ok(value),
        _ => Err(class_cast()),
    };
    let found: Result<Value, JavaError> = match (case.text("type")?, case.text("op")?) {
        ("Date", "fromLogical") => {
            instant().and_then(|ms| logical_types::date_from_logical(&schema, ms)).map(Value::Int32)
        }
        ("Date", _) => int32().and_then(|days| logical_types::date_to_logical(&schema, days)).map(Value::Instant),
        ("Time", "fromLogical") => {
            instant().and_then(|ms| logical_types::time_from_logical(&schema, ms)).map(Value::Int32)
        }
        ("Time", _) => int32().and_then(|ms| logical_types::time_to_logical(&schema, ms)).map(Value::Instant),
        ("Timestamp", "fromLogical") => {
            instant().and_then(|ms| logical_types::timestamp_from_logical(&schema, ms)).map(Value::Int64)
        }
        ("Timestamp", _) => match value {
            Value::Int64(ms) => logical_types::timestamp_to_logical(&schema, ms).map(Value::Instant),
            _ => Err(class_cast()),
        },
        ("Decimal", "fromLogical") => match &value {
            Value::Decimal(value) => {
                logical_types::decimal_from_logical(&schema, value).map(|bytes| Value::Bytes(bytes.to_vec()))
            }
            _ => Err(class_cast()),
        },
        ("Decimal", _) => match &value {
            Value::Bytes(bytes) => logical_types::decimal_to_logical(&schema, bytes).map(Value::Decimal),
            _ => Err(class_cast()),
        },
        (other, _) => return Err(format!("there is no logical type {other}")),
    };
    check_value(found.map_err(Thrown::from), case.expect())
}

/// The steps of a field path.
pub fn field_path(case: &Case) -> Result<(), String> {
    let syntax = PathSyntax::parse(case.text("version")?).ok_or("there is no such syntax")?;
    let expect = case.expect();
    let found = FieldPath::parse(case.text("path")?, syntax).map_err(|error| {
        // The path is part of a configuration; the stage is what the case says.
        let when = if expect.get("when").and_then(Json::as_str) == Some("configure") { "configure" } else { "apply" };
        Thrown { when, ..Thrown::from(error) }
    });
    compare::result(
        found,
        expect,
        |found| {
            let steps = Json::from(found.steps().to_vec());
            match expect.get("steps") == Some(&steps) {
                true => Ok(()),
                false => Err(format!("found {steps}\nexpected {expect}")),
            }
        },
        |found| format!("{:?}", found.steps()),
    )
}
