//! Text as data, and data as other data.

use millstream_record::Value;
use millstream_values::{JavaError, convert_value as convert, values};
use serde_json::Value as Json;

use crate::cases::Case;
use crate::compare::{self, Thrown};
use crate::notation::{datum, integer, payload, schema};

/// A call of `Values`.
pub fn values(case: &Case) -> Result<(), String> {
    let expect = case.expect();
    match case.text("op")? {
        "parseString" => {
            let found = match case.get("input") {
                // No text is no value; the grammar is not asked.
                Json::Null => Ok(None),
                _ => values::parse_string(case.text("input")?).map_err(Thrown::from),
            };
            compare::result(
                found,
                expect,
                |found| match (found, expect.get("data").unwrap_or(&Json::Null)) {
                    (None, Json::Null) => Ok(()),
                    (None, data) => compare::datum("data", &(None, Value::Null), &datum(data)?),
                    (Some((schema, value)), data) => compare::datum("data", &(Some(schema), value), &datum(data)?),
                },
                |found| format!("{found:?}"),
            )
        }
        "inferSchema" => {
            let found = values::infer_schema(&payload(None, case.get("value"))?).map_err(Thrown::from);
            let expected = schema(expect.get("schema").unwrap_or(&Json::Null))?;
            let nothing = Value::Null;
            compare::result(
                found,
                expect,
                |found| compare::datum("schema", &(found, nothing.clone()), &(expected, nothing.clone())),
                |found| format!("{found:?}"),
            )
        }
        op => {
            let (schema, value) = datum(case.get("data"))?;
            let schema = schema.as_deref();
            let found: Result<Value, JavaError> = match op {
                "convertToByte" => convert::convert_to_byte(schema, &value),
                "convertToShort" => convert::convert_to_short(schema, &value),
                "convertToInteger" => convert::convert_to_integer(schema, &value),
                "convertToLong" => convert::convert_to_long(schema, &value),
                "convertToFloat" => convert::convert_to_float(schema, &value),
                "convertToDouble" => convert::convert_to_double(schema, &value),
                "convertToBoolean" => convert::convert_to_boolean(schema, &value),
                "convertToString" => convert::convert_to_string(&value),
                "convertToList" => convert::convert_to_list(&value),
                "convertToMap" => convert::convert_to_map(&value),
                "convertToStruct" => convert::convert_to_struct(&value),
                "convertToDate" => convert::convert_to_date(schema, &value),
                "convertToTime" => convert::convert_to_time(schema, &value),
                "convertToTimestamp" => convert::convert_to_timestamp(schema, &value),
                "convertToDecimal" => {
                    let scale = integer(case.get("scale")).and_then(|scale| i32::try_from(scale).ok());
                    convert::convert_to_decimal(&value, scale.ok_or("the case has no scale")?)
                }
                other => return Err(format!("there is no call {other}")),
            };
            check_value(found.map_err(Thrown::from), expect)
        }
    }
}

/// A value in the notation without a schema.
pub fn check_value(found: Result<Value, Thrown>, expect: &Json) -> Result<(), String> {
    compare::result(
        found,
        expect,
        |found| compare::value("value", &found, &payload(None, expect.get("value").unwrap_or(&Json::Null))?),
        compare::show,
    )
}
