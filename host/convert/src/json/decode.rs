//! JSON to data: straight into columns, and through trees where the text is not what the schema
//! calls for.
//!
//! Under a schema Connect coerces silently (a text under int32 reads as 0); the table of those
//! coercions is `value_of`. The fast path below takes texts of the expected kind and leaves the
//! rest to it.

use std::{cell::Cell, collections::HashMap, sync::Arc};

use millstream_connector::{ErrorKind, Failure};
use millstream_record::{
    Decimal, Field, Schema, SchemaType, Value,
    batch::{ColumnBuilder, Kind, SchemaTable, physical_kind},
    logical,
};
use millstream_values::{JavaMap, base64, decimal};

use super::{
    node::Node,
    scan::{Malformed, Number, Scanner},
};
use crate::trees::{data, decimal_scale, found, in_element, in_field, instant_from_stored};

/// Fields or members up to which comparing one by one is fastest.
const FEW: usize = 16;

/// Why a text gives no data.
#[derive(Debug)]
pub enum CannotDecode {
    /// The text is no JSON.
    Malformed(Malformed),
    /// It is not what the schema wants.
    Data(Failure),
}

impl CannotDecode {
    /// The same, with what is around it put in front of its path.
    #[cold]
    fn inside(self, around: impl FnOnce(Failure) -> Failure) -> Self {
        match self {
            Self::Data(failure) => Self::Data(around(failure)),
            malformed => malformed,
        }
    }
}

impl From<Malformed> for CannotDecode {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Failure> for CannotDecode {
    fn from(failure: Failure) -> Self {
        Self::Data(failure)
    }
}

/// Appends the value that comes next, without a schema.
pub fn schemaless(scanner: &mut Scanner<'_>, out: &mut ColumnBuilder, depth: usize) -> Result<(), Malformed> {
    match scanner.peek() {
        b'"' => out.push_str(&scanner.string()?),
        b'-' | b'0'..=b'9' => {
            let number = scanner.number()?;
            if number.integral {
                out.push_int64(number.low_bits());
            } else {
                out.push_float64(number.to_f64());
            }
        }
        b't' => {
            scanner.word("true")?;
            out.push_bool(true);
        }
        b'f' => {
            scanner.word("false")?;
            out.push_bool(false);
        }
        b'n' => {
            scanner.word("null")?;
            out.push_null();
        }
        b'{' => {
            scanner.check_depth(depth)?;
            let begin = scanner.position();
            if let Some(mut cursor) = out.begin_object() {
                if object(scanner, out, &mut cursor, depth)? {
                    out.end_schemaless_object();
                    return Ok(());
                }
                out.abandon();
                scanner.set_position(begin);
            }
            tree(scanner, out, depth)?;
        }
        b'[' => {
            scanner.check_depth(depth)?;
            let Some(elements) = out.begin_list() else { return tree(scanner, out, depth) };
            scanner.accept(b'[');
            if !scanner.accept(b']') {
                loop {
                    schemaless(scanner, elements, depth + 1)?;
                    if !scanner.more(b']')? {
                        break;
                    }
                }
            }
            out.end_list();
        }
        _ => return Node::read(scanner, depth).map(|_| ()),
    }
    Ok(())
}

/// Reads the members of an object; false if there are too many different ones.
fn object(
    scanner: &mut Scanner<'_>,
    out: &mut ColumnBuilder,
    cursor: &mut millstream_record::batch::ObjectCursor,
    depth: usize,
) -> Result<bool, Malformed> {
    let mut first = true;
    loop {
        let begin = scanner.position();
        let expected = out.expected_member(cursor, scanner.rest().as_bytes());
        let member = match expected {
            Some((lead, member)) => {
                scanner.set_position(begin + lead);
                member
            }
            None => {
                if first {
                    scanner.accept(b'{');
                    if scanner.accept(b'}') {
                        return Ok(true);
                    }
                } else if !scanner.more(b'}')? {
                    return Ok(true);
                }
                let name = scanner.name()?;
                let lead = scanner.slice(begin, scanner.position()).as_bytes();
                let Some(member) = out.member_after(cursor, &name, lead) else { return Ok(false) };
                member
            }
        };
        first = false;
        schemaless(scanner, member, depth + 1)?;
    }
}

fn tree(scanner: &mut Scanner<'_>, out: &mut ColumnBuilder, depth: usize) -> Result<(), Malformed> {
    let at = scanner.position();
    let value = Node::read(scanner, depth)?.to_value();
    // Depth was checked, and JSON knows no structs, so a batch can carry it.
    out.push(&value, &mut SchemaTable::default()).map_err(|_| Malformed {
        what: "nested deeper than a batch can carry",
        limit: None,
        at,
    })
}

/// How data is read.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'m> {
    /// Defaults in the place of nulls.
    pub replace_null: bool,
    /// What the message may still take for nulls and defaults.
    pub filled: &'m Filled,
}

/// What nulls and defaults take that one message gets for fields it lacks. A few bytes of text can stand for any number
/// of fields.
#[derive(Debug)]
pub struct Filled {
    limit: usize,
    left: Cell<usize>,
}

impl Filled {
    /// Nothing so far.
    pub fn new(limit: usize) -> Self {
        Self { limit, left: Cell::new(limit) }
    }

    #[inline]
    fn take(&self, bytes: usize) -> Result<(), Failure> {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(self.used_up()),
        }
    }

    #[cold]
    fn used_up(&self) -> Failure {
        data(format!(
            "the nulls and defaults that the message stands for take more than the {} bytes that \
             converter.filled.max.bytes allows",
            self.limit
        ))
    }
}

/// Bytes of a null under a schema: a struct that is null has nulls for its fields.
fn null_size(schema: &Schema) -> usize {
    8 + schema.fields().iter().map(|field| null_size(&field.schema)).sum::<usize>()
}

/// About as many bytes as a value takes.
fn size_of(value: &Value) -> usize {
    8 + match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::Decimal(decimal) => decimal.unscaled.len(),
        Value::List(values) | Value::Struct(_, values) => values.iter().map(size_of).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| size_of(key) + size_of(value)).sum(),
        _ => 0,
    }
}

/// Appends the value that comes next, under a schema.
pub fn typed(
    scanner: &mut Scanner<'_>,
    schema: &Arc<Schema>,
    out: &mut ColumnBuilder,
    settings: Settings<'_>,
    depth: usize,
) -> Result<(), CannotDecode> {
    let begin = scanner.position();
    let next = scanner.peek();
    let kind = physical_kind(schema);
    match (next, kind) {
        (b'"', Kind::String) => out.push_str(&scanner.string()?),
        (b'-' | b'0'..=b'9', Kind::Int8) => out.push_int8(scanner.number()?.low_bits() as i8),
        (b'-' | b'0'..=b'9', Kind::Int16) => out.push_int16(scanner.number()?.low_bits() as i16),
        (b'-' | b'0'..=b'9', Kind::Int32) => out.push_int32(scanner.number()?.low_bits() as i32),
        (b'-' | b'0'..=b'9', Kind::Int64) => out.push_int64(scanner.number()?.low_bits()),
        (b'-' | b'0'..=b'9', Kind::Float32) => out.push_float32(scanner.number()?.to_f32()),
        (b'-' | b'0'..=b'9', Kind::Float64) => out.push_float64(scanner.number()?.to_f64()),
        (b't', Kind::Bool) => {
            scanner.word("true")?;
            out.push_bool(true);
        }
        (b'f', Kind::Bool) => {
            scanner.word("false")?;
            out.push_bool(false);
        }
        (b'n', _) => {
            scanner.word("null")?;
            push_null(schema, out, settings)?;
        }
        (b'{', Kind::Struct) if out.kind() == Kind::Struct => {
            structure(scanner, schema, out, settings, depth)?;
        }
        (b'[', Kind::List) if out.kind() == Kind::List => {
            scanner.check_depth(depth)?;
            let SchemaType::Array(Some(items)) = &schema.kind else {
                return slow(scanner, begin, schema, out, settings, depth);
            };
            let Some(elements) = out.begin_list() else { return slow(scanner, begin, schema, out, settings, depth) };
            scanner.accept(b'[');
            if !scanner.accept(b']') {
                let first = elements.rows();
                loop {
                    let at = elements.rows();
                    typed(scanner, items, elements, settings, depth + 1)
                        .map_err(|error| error.inside(|failure| in_element(failure, at - first)))?;
                    if !scanner.more(b']')? {
                        break;
                    }
                }
            }
            out.end_list();
        }
        _ => return slow(scanner, begin, schema, out, settings, depth),
    }
    Ok(())
}

fn slow(
    scanner: &mut Scanner<'_>,
    begin: usize,
    schema: &Arc<Schema>,
    out: &mut ColumnBuilder,
    settings: Settings<'_>,
    depth: usize,
) -> Result<(), CannotDecode> {
    scanner.set_position(begin);
    let node = Node::read(scanner, depth)?;
    push_value(&value_of(&node, schema, settings)?, out)?;
    Ok(())
}

fn push_value(value: &Value, out: &mut ColumnBuilder) -> Result<(), Failure> {
    out.push(value, &mut SchemaTable::default()).map_err(|error| data(error.to_string()))
}

fn push_null(schema: &Arc<Schema>, out: &mut ColumnBuilder, settings: Settings<'_>) -> Result<(), Failure> {
    match null_of(schema, settings)? {
        Value::Null => {
            out.push_null();
            Ok(())
        }
        value => push_value(&value, out),
    }
}

fn structure<'f>(
    scanner: &mut Scanner<'_>,
    schema: &'f Arc<Schema>,
    out: &mut ColumnBuilder,
    settings: Settings<'_>,
    depth: usize,
) -> Result<(), CannotDecode> {
    scanner.check_depth(depth)?;
    let fields = schema.fields();
    let rows = out.rows();
    let Some(builders) = out.begin_struct() else { return Ok(()) };
    scanner.accept(b'{');
    let mut next = 0;
    let mut index: Option<HashMap<&'f str, usize>> = None;
    // What a field's value lacks shows only when no later member of the same name replaces it.
    let mut faults: Vec<(usize, Failure)> = Vec::new();
    if !scanner.accept(b'}') {
        loop {
            let name = scanner.name()?;
            let at = match fields.get(next) {
                Some(field) if field.name == name => Some(next),
                _ if fields.len() <= FEW => fields.iter().position(|field| field.name == name),
                _ => {
                    let named = |(at, field): (usize, &'f Field)| (field.name.as_str(), at);
                    let index = index.get_or_insert_with(|| fields.iter().enumerate().map(named).collect());
                    index.get(&*name).copied()
                }
            };
            match at {
                None => scanner.skip(depth + 1)?,
                Some(at) => {
                    next = at + 1;
                    let builder = &mut builders[at];
                    if rows < builder.rows() {
                        builder.truncate(rows);
                        faults.retain(|(field, _)| *field != at);
                    }
                    let begin = scanner.position();
                    match typed(scanner, &fields[at].schema, builder, settings, depth + 1) {
                        Ok(()) => {}
                        Err(CannotDecode::Malformed(malformed)) => return Err(malformed.into()),
                        Err(CannotDecode::Data(failure)) => {
                            scanner.set_position(begin);
                            scanner.skip(depth + 1)?;
                            builder.truncate(rows);
                            builder.push_null();
                            faults.push((at, failure));
                        }
                    }
                }
            }
            if !scanner.more(b'}')? {
                break;
            }
        }
    }
    faults.sort_by_key(|(field, _)| *field);
    if let Some((field, failure)) = faults.into_iter().next() {
        return Err(in_field(failure, &fields[field].name).into());
    }
    for (field, builder) in fields.iter().zip(builders) {
        if builder.rows() == rows {
            push_null(&field.schema, builder, settings).map_err(|failure| in_field(failure, &field.name))?;
        }
    }
    out.end_struct();
    Ok(())
}

fn null_of(schema: &Schema, settings: Settings<'_>) -> Result<Value, Failure> {
    match &schema.default {
        Some(default) if settings.replace_null => {
            settings.filled.take(size_of(default))?;
            Ok(default.clone())
        }
        _ if schema.optional => {
            settings.filled.take(null_size(schema))?;
            Ok(Value::Null)
        }
        _ => {
            let kind = schema.kind.name();
            Err(found(format!("Invalid null value for required {kind} field"), "null", kind))
        }
    }
}

/// A JSON tree as data under a schema, with Connect's silent coercions.
///
/// # Errors
///
/// What Connect does not coerce.
pub fn value_of(node: &Node, schema: &Arc<Schema>, settings: Settings<'_>) -> Result<Value, Failure> {
    if *node == Node::Null {
        return null_of(schema, settings);
    }
    if let Some(name) = schema.name.as_deref()
        && let Some(value) = logical_value(name, node, schema)?
    {
        return Ok(value);
    }
    let number = match node {
        Node::Number { text, integral } => Some(Number::of(text, *integral)),
        _ => None,
    };
    let bits = number.map_or(0, |number| number.low_bits());
    Ok(match &schema.kind {
        SchemaType::Int8 => Value::Int8(bits as i8),
        SchemaType::Int16 => Value::Int16(bits as i16),
        SchemaType::Int32 => Value::Int32(bits as i32),
        SchemaType::Int64 => Value::Int64(bits),
        SchemaType::Float32 => Value::Float32(number.map_or(0.0, Number::to_f32)),
        SchemaType::Float64 => Value::Float64(number.map_or(0.0, Number::to_f64)),
        SchemaType::Boolean => Value::Boolean(*node == Node::Boolean(true)),
        SchemaType::String => match node {
            Node::Text(text) => Value::String(text.clone()),
            _ => Value::Null,
        },
        SchemaType::Bytes => match node {
            Node::Text(text) => {
                let bytes = base64::decode(text);
                Value::Bytes(bytes.ok_or_else(|| found("Invalid bytes field", "another text", "base64"))?)
            }
            _ => Value::Null,
        },
        SchemaType::Array(items) => {
            let element = |(at, node): (usize, &Node)| {
                element_of(node, items, settings).map_err(|failure| in_element(failure, at))
            };
            Value::List(match node {
                Node::Array(nodes) => nodes.iter().enumerate().map(element).collect::<Result<_, _>>()?,
                Node::Object(members) => {
                    members.iter().map(|(_, node)| node).enumerate().map(element).collect::<Result<_, _>>()?
                }
                _ => Vec::new(),
            })
        }
        SchemaType::Map(key, item) => map_of(node, key, item, settings)?,
        SchemaType::Struct(fields) => {
            if !matches!(node, Node::Object(_)) {
                return Err(data(format!("Structs should be encoded as JSON objects, but found {}", node.kind())));
            }
            let members = Members::new(node);
            let slot = |field: &Field| {
                value_of(members.get(&field.name).unwrap_or(&Node::Null), &field.schema, settings)
                    .map_err(|failure| in_field(failure, &field.name))
            };
            Value::Struct(Arc::clone(schema), fields.iter().map(slot).collect::<Result<_, _>>()?)
        }
    })
}

fn element_of(node: &Node, schema: &Option<Arc<Schema>>, settings: Settings<'_>) -> Result<Value, Failure> {
    match schema {
        Some(schema) => value_of(node, schema, settings),
        None => Ok(node.to_value()),
    }
}

fn map_of(
    node: &Node,
    key: &Option<Arc<Schema>>,
    item: &Option<Arc<Schema>>,
    settings: Settings<'_>,
) -> Result<Value, Failure> {
    if key.as_ref().is_some_and(|key| key.kind == SchemaType::String) {
        let Node::Object(members) = node else {
            let kind = node.kind();
            return Err(data(format!("Maps with string fields should be encoded as JSON objects, but found {kind}")));
        };
        let mut map = Vec::with_capacity(members.len());
        for (name, node) in members {
            let value = element_of(node, item, settings).map_err(|failure| in_field(failure, name))?;
            map.push((Value::String(name.clone()), value));
        }
        return Ok(Value::Map(map));
    }
    let Node::Array(entries) = node else {
        let kind = node.kind();
        return Err(data(format!(
            "Maps with non-string fields should be encoded as JSON array of tuples, but found {kind}"
        )));
    };
    let mut map = JavaMap::default();
    for (at, entry) in entries.iter().enumerate() {
        let (name, value) = entry_of(entry, key, item, settings).map_err(|failure| in_element(failure, at))?;
        map.put(name, value);
    }
    Ok(Value::Map(map.into_entries()))
}

/// The members of an object by name; none of anything else.
struct Members<'n> {
    node: &'n Node,
    /// Where there are many.
    index: Option<HashMap<&'n str, &'n Node>>,
}

impl<'n> Members<'n> {
    fn new(node: &'n Node) -> Self {
        let index = match node {
            Node::Object(members) if FEW < members.len() => {
                Some(members.iter().map(|(name, node)| (name.as_str(), node)).collect())
            }
            _ => None,
        };
        Self { node, index }
    }

    fn get(&self, name: &str) -> Option<&'n Node> {
        match &self.index {
            Some(index) => index.get(name).copied(),
            None => self.node.get(name),
        }
    }
}

/// An entry of a map that is written as a list of pairs.
fn entry_of(
    entry: &Node,
    key: &Option<Arc<Schema>>,
    item: &Option<Arc<Schema>>,
    settings: Settings<'_>,
) -> Result<(Value, Value), Failure> {
    let Node::Array(pair) = entry else {
        return Err(data(format!("Found invalid map entry instead of array tuple: {}", entry.kind())));
    };
    let [name, value] = pair.as_slice() else {
        return Err(data(format!("Found invalid map entry, expected length 2 but found :{}", pair.len())));
    };
    Ok((element_of(name, key, settings)?, element_of(value, item, settings)?))
}

/// A value of a logical type; `None` for names that are no logical type.
fn logical_value(name: &str, node: &Node, schema: &Schema) -> Result<Option<Value>, Failure> {
    let integer = || match node {
        Node::Number { text, integral: true } => Some(Number::of(text, true)),
        _ => None,
    };
    match name {
        logical::DECIMAL => match node {
            Node::Number { text, .. } => {
                let value = decimal::parse_decimal(text).ok_or_else(|| data("Invalid number for Decimal field"))?;
                Ok(Some(Value::Decimal(value)))
            }
            Node::Text(text) => {
                let invalid = |cause: Failure| cause.caused(ErrorKind::Data, "", "Invalid bytes for Decimal field");
                let bytes = base64::decode(text).filter(|bytes| !bytes.is_empty());
                let what = if text.is_empty() { "an empty text" } else { "another text" };
                let unscaled = bytes.ok_or_else(|| found("Invalid bytes for Decimal field", what, "base64"))?;
                let scale = decimal_scale(schema).map_err(invalid)?;
                let unscaled = decimal::minimal_bytes(&unscaled).to_vec();
                Ok(Some(Value::Decimal(Decimal { unscaled, scale })))
            }
            _ => Err(data(format!(
                "Invalid type for Decimal, underlying representation should be numeric or bytes but was {}",
                node.kind()
            ))),
        },
        logical::DATE | logical::TIME => {
            let short = if name == logical::DATE { "Date" } else { "Time" };
            let wrong = || {
                let kind = node.kind();
                let message =
                    format!("Invalid type for {short}, underlying representation should be integer but was {kind}");
                match node {
                    Node::Number { text, .. } => found(message, text, "an integer of 32 bits"),
                    _ => data(message),
                }
            };
            let stored = integer().and_then(|number| number.text.parse::<i32>().ok()).ok_or_else(wrong)?;
            instant_from_stored(name, stored.into()).map(|ms| Some(Value::Instant(ms)))
        }
        logical::TIMESTAMP => match integer() {
            Some(number) => Ok(Some(Value::Instant(number.low_bits()))),
            None => {
                let kind = node.kind();
                let message =
                    format!("Invalid type for Timestamp, underlying representation should be integral but was {kind}");
                Err(match node {
                    Node::Number { text, .. } => found(message, text, "an integer"),
                    _ => data(message),
                })
            }
        },
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadLimits;

    /// Reads a text into the builder's next row. A text that fails leaves no row.
    fn read(text: &str, out: &mut ColumnBuilder) -> Result<(), Malformed> {
        let mut scanner = Scanner::new(text, ReadLimits::default());
        let rows = out.rows();
        let result = schemaless(&mut scanner, out, 0);
        if result.is_err() {
            out.truncate(rows);
        }
        result
    }

    #[test]
    fn a_row_reads_the_same_whatever_rows_came_before_it() {
        let texts = [
            r#"{"a":1,"b":"x","a long name that no lead remembers":2}"#,
            r#"{"a":2,"b":"y","a long name that no lead remembers":3}"#,
            r#"{"a":1,"b":2}"#,
            r#"{"a":1}"#,
            r#"{"a":1"#,
            r#"{"a":"#,
            r#"{"a":1,"b":"x""#,
            r#"{"a":1,"b":2,}"#,
            r#"{"a":1,,"b":2}"#,
            r#"{"a":1,"bb":2}"#,
            r#"{"b":1,"a":2,"b":3}"#,
            r#"{"a":1,"a":2,"b":"x"}"#,
            r#"{"a":1,"b":"x","a":5,"b":"z"}"#,
            r#"{ "a" : 1 , "b" : "x" }"#,
            r#"{"\u0061":1,"b":"x"}"#,
            r#"{"a":{"a":1,"b":2},"b":[{"a":1},{"a":2,"b":3},{}]}"#,
            r#"{"a":{"a":4,"b":5},"b":[{"a":6},{"a":7,"b":8},{}]}"#,
            r#"{"a":null,"b":null}"#,
            "{}",
            "[]",
        ];
        for first in texts {
            for second in texts {
                let mut alone = ColumnBuilder::new();
                let expected = read(second, &mut alone);
                let mut both = ColumnBuilder::new();
                let row = usize::from(read(first, &mut both).is_ok());
                assert_eq!(read(second, &mut both), expected, "{second} after {first}");
                if expected.is_ok() {
                    let value = |column: ColumnBuilder, row| column.finish().value(row, None, &SchemaTable::default());
                    assert_eq!(sorted(value(both, row)), sorted(value(alone, 0)), "{second} after {first}");
                }
            }
        }
    }

    /// Maps in order of their keys: a column keeps the order of the first row.
    fn sorted(value: Value) -> Value {
        match value {
            Value::Map(mut entries) => {
                entries.sort_by_key(|(key, _)| format!("{key:?}"));
                Value::Map(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
            }
            Value::List(values) => Value::List(values.into_iter().map(sorted).collect()),
            other => other,
        }
    }
}
