//! Values as trees, where no column will do.

use millstream_record::Value;

/// What a path leads to in a value; none where there is nothing, null included unless it is the end.
pub(crate) fn value_at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    let Some((name, rest)) = path.split_first() else { return Some(value) };
    let child = match value {
        Value::Map(entries) => {
            entries.iter().find(|(key, _)| matches!(key, Value::String(key) if key == name)).map(|(_, value)| value)
        }
        Value::Struct(schema, slots) => schema.field(name).map(|(at, _)| &slots[at]),
        _ => None,
    };
    value_at(child?, rest)
}

/// Why an entry cannot be changed: what stands where a map was wanted.
pub(crate) struct NoMap(pub &'static str);

/// Sets, or with none takes out, what a path of at least one step leads to in a schemaless value. Maps are made where there is nothing, and
/// nothing happens to null.
pub(crate) fn set_at(value: &mut Value, path: &[String], new: Option<Value>) -> Result<(), NoMap> {
    let Some((name, rest)) = path.split_first() else { return Ok(()) };
    let entries = match value {
        Value::Null => return Ok(()),
        Value::Map(entries) => entries,
        other => return Err(NoMap(other.java_class())),
    };
    let at = entries.iter().position(|(key, _)| matches!(key, Value::String(key) if key == name));
    match (at, rest.is_empty(), new) {
        (Some(at), true, Some(new)) => entries[at].1 = new,
        (Some(at), true, None) => drop(entries.remove(at)),
        (None, true, Some(new)) => entries.push((Value::String(name.clone()), new)),
        (None, _, None) => {}
        (Some(at), false, new) => return set_at(&mut entries[at].1, rest, new),
        (None, false, Some(new)) => {
            let mut inner = Value::Map(Vec::new());
            set_at(&mut inner, rest, Some(new))?;
            entries.push((Value::String(name.clone()), inner));
        }
    }
    Ok(())
}

/// Gives what a path leads to in a schemaless value another name, in its place. False if there is something of that name.
pub(crate) fn rename_at(value: &mut Value, path: &[String], name: &str) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let Value::Map(entries) = value else { return true };
    let find = |name: &str| entries.iter().position(|(key, _)| matches!(key, Value::String(key) if key == name));
    let Some(at) = find(first) else { return true };
    if !rest.is_empty() {
        return rename_at(&mut entries[at].1, rest, name);
    }
    if find(name).is_some_and(|other| other != at) {
        return false;
    }
    entries[at].0 = Value::String(name.to_owned());
    true
}

/// A value without schemas: structs become maps.
pub(crate) fn schemaless(value: Value) -> Value {
    match value {
        Value::Struct(schema, slots) => {
            let named = |(field, slot): (&millstream_record::Field, Value)| {
                (Value::String(field.name.clone()), schemaless(slot))
            };
            Value::Map(schema.fields().iter().zip(slots).map(named).collect())
        }
        Value::List(values) => Value::List(values.into_iter().map(schemaless).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (schemaless(key), schemaless(value))).collect())
        }
        other => other,
    }
}
