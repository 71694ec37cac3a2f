//! Lists of headers.

use millstream_record::Value;
use millstream_values::headers::{Header, Headers};
use serde_json::Value as Json;

use crate::cases::Case;
use crate::compare::{self, Thrown};
use crate::notation::datum;

/// A list of headers that is changed and read.
pub fn headers(case: &Case) -> Result<(), String> {
    let expect = case.expect();
    let mut headers = Headers::default();
    let (steps, results) = (case.get("steps"), expect.get("results").unwrap_or(&Json::Null));
    let steps = steps.as_array().zip(results.as_array()).ok_or("the case has no steps with results")?;
    for (at, (step, expected)) in steps.0.iter().zip(steps.1).enumerate() {
        step_of(&mut headers, step, expected).map_err(|difference| format!("step {at} {step}: {difference}"))?;
    }
    let left: Vec<&Header> = headers.iter().collect();
    check_all(&left, expect.get("headers").unwrap_or(&Json::Null))
}

fn step_of(headers: &mut Headers, step: &Json, expected: &Json) -> Result<(), String> {
    let text = |name: &str| step.get(name).and_then(Json::as_str);
    let key = text("key");
    let same = |found: Json| match found == *expected {
        true => Ok(()),
        false => Err(format!("found {found}\nexpected {expected}")),
    };
    match text("op").unwrap_or_default() {
        "add" => {
            let (schema, value) = datum(step.get("data").unwrap_or(&Json::Null))?;
            let added = match key {
                Some(key) => headers.add(key, schema, value).map_err(Thrown::from),
                None => Err(Thrown::apply("java.lang.NullPointerException", "a header has no key")),
            };
            return compare::result(added, expected, |()| same("ok".into()), |()| "ok".to_owned());
        }
        "remove" => match key {
            Some(key) => headers.remove(key),
            None => return Thrown::apply("java.lang.NullPointerException", "no key").check(expected),
        },
        "clear" => headers.clear(),
        "retainLatest" => headers.retain_latest(key),
        "rename" => {
            let suffix = text("suffix").unwrap_or_default();
            headers.apply(key, |mut header| {
                header.key.push_str(suffix);
                Some(header)
            });
        }
        "dropType" => {
            let name = text("type").unwrap_or_default();
            let is_type = |header: &Header| header.schema.as_ref().is_some_and(|it| it.kind.json_name() == name);
            headers.apply(key, |header| if is_type(&header) { None } else { Some(header) });
        }
        "size" => return same(headers.len().into()),
        "isEmpty" => return same(headers.is_empty().into()),
        "lastWithName" => {
            return match (headers.last_with_name(key.unwrap_or_default()), expected) {
                (None, Json::Null) => Ok(()),
                (Some(found), expected) if !expected.is_null() => check(found, expected),
                (found, _) => Err(format!("found {found:?}\nexpected {expected}")),
            };
        }
        "allWithName" => {
            let found: Vec<&Header> = headers.all_with_name(key.unwrap_or_default()).collect();
            return check_all(&found, expected);
        }
        other => return Err(format!("there is no step {other}")),
    }
    same("ok".into())
}

fn check_all(found: &[&Header], expected: &Json) -> Result<(), String> {
    let expected = expected.as_array().map_or(&[][..], Vec::as_slice);
    if found.len() != expected.len() {
        return Err(format!("found {} headers\nexpected {}", found.len(), expected.len()));
    }
    found.iter().zip(expected).try_for_each(|(found, expected)| check(found, expected))
}

fn check(found: &Header, expected: &Json) -> Result<(), String> {
    if expected.get("key").and_then(Json::as_str) != Some(&found.key) {
        return Err(format!("found the key {:?}\nexpected {expected}", found.key));
    }
    let value: (_, Value) = (found.schema.clone(), found.value.clone());
    compare::datum(&found.key, &value, &datum(expected.get("data").unwrap_or(&Json::Null))?)
}
