//! Connect's `Values`: the text of header values and the grammar that reads it back.

use std::sync::Arc;

use millstream_record::{Schema, SchemaType, Value};

use crate::{
    JavaError, base64, convert_number as convert,
    date_pattern::write_instant_header_text,
    decimal::{decimal_as_exact_i64, decimal_to_f32, decimal_to_f64, parse_decimal},
    java_map::JavaMap,
    java_text::{decimal_digit, java_trim},
    model::number_rank,
    temporal_text::parse_temporal,
    value_text::write_value_text,
};

/// Deepest nesting of arrays and maps in a text, unless another is given. Java's own limit is its stack.
pub const MAX_NESTING: usize = 200;

/// A value with its schema; `None` for the literal `null`.
pub type Parsed = Option<(Arc<Schema>, Value)>;

/// `Values.convertToString` of a value, as headers carry it: strings as they are at top level and
/// quoted inside collections, bytes as base64, no blanks after commas. `None` for null.
///
/// # Errors
///
/// A DataException for a value without such a text; with our values there is none, but nesting
/// beyond what a batch can hold is refused.
pub fn to_header_text(value: &Value) -> Result<Option<String>, JavaError> {
    if value.is_null() {
        return Ok(None);
    }
    let mut out = String::new();
    write_header_text(&mut out, value)?;
    Ok(Some(out))
}

/// Appends [`to_header_text`]; null is `null`.
///
/// # Errors
///
/// As [`to_header_text`].
pub fn write_header_text(out: &mut String, value: &Value) -> Result<(), JavaError> {
    write_text(out, value, 0)
}

fn write_text(out: &mut String, value: &Value, depth: usize) -> Result<(), JavaError> {
    /// Values of a batch nest less deeply than this.
    const MAX_DEPTH: usize = 1_000;
    if MAX_DEPTH < depth {
        return Err(JavaError::data(format!("value is nested more than {MAX_DEPTH} levels deep")));
    }
    let quote = if depth == 0 { "" } else { "\"" };
    match value {
        Value::String(text) if depth == 0 => out.push_str(text),
        Value::String(text) => write_quoted(out, text),
        Value::Bytes(bytes) => {
            out.push_str(quote);
            base64::encode_onto(bytes, out);
            out.push_str(quote);
        }
        Value::Instant(ms) => write_instant_header_text(out, *ms),
        Value::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if 0 < place {
                    out.push(',');
                }
                write_text(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (place, (key, value)) in entries.iter().enumerate() {
                if 0 < place {
                    out.push(',');
                }
                write_text(out, key, depth + 1)?;
                out.push(':');
                write_text(out, value, depth + 1)?;
            }
            out.push('}');
        }
        Value::Struct(schema, slots) => {
            out.push('{');
            for (place, (field, slot)) in schema.fields().iter().zip(slots).enumerate() {
                if 0 < place {
                    out.push(',');
                }
                write_quoted(out, &field.name);
                out.push(':');
                let value = if slot.is_null() { field.schema.default.as_ref().unwrap_or(slot) } else { slot };
                write_text(out, value, depth + 1)?;
            }
            out.push('}');
        }
        _ => write_value_text(out, value),
    }
    Ok(())
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// `Values.parseString`: the value a text stands for. Whatever is neither a literal, a number, a
/// date or time, an array nor a map is the text itself. `None` for the literal `null`.
///
/// # Errors
///
/// Only for nesting beyond [`MAX_NESTING`].
pub fn parse_string(text: &str) -> Result<Parsed, JavaError> {
    parse_string_within(text, MAX_NESTING)
}

/// As [`parse_string`], with another bound on nesting.
///
/// # Errors
///
/// Only for nesting beyond `max_nesting`.
pub fn parse_string_within(text: &str, max_nesting: usize) -> Result<Parsed, JavaError> {
    if text.is_empty() {
        return Ok(Some((Arc::new(Schema::new(SchemaType::String)), Value::String(String::new()))));
    }
    let mut parser = Parser { text, at: 0, next: None, depth: 0, max_nesting };
    match parser.parse(false) {
        Ok(parsed) => Ok(parsed),
        // What cannot be read as a whole is text.
        Err(Refused::Data) => Ok(string(text)),
        Err(Refused::TooDeep) => Err(JavaError::stack_overflow(format!(
            "header text nests arrays and maps deeper than the {max_nesting} levels that are allowed"
        ))),
    }
}

fn string(text: &str) -> Parsed {
    Some((Arc::new(Schema::new(SchemaType::String)), Value::String(text.to_owned())))
}

/// Why a part of a text is no array, map or element.
enum Refused {
    /// Connect's DataException, which makes the part a text.
    Data,
    TooDeep,
}

struct Parser<'a> {
    text: &'a str,
    /// Where the next token to be cut begins.
    at: usize,
    /// A token that was looked at and not taken.
    next: Option<&'a str>,
    depth: usize,
    max_nesting: usize,
}

impl<'a> Parser<'a> {
    fn has_next(&self) -> bool {
        self.next.is_some() || self.at < self.text.len()
    }

    /// Where the next token begins.
    fn mark(&self) -> usize {
        self.at - self.next.map_or(0, str::len)
    }

    fn rewind(&mut self, mark: usize) {
        self.at = mark;
        self.next = None;
    }

    fn take(&mut self) -> &'a str {
        match self.next.take() {
            Some(token) => token,
            None => self.cut(),
        }
    }

    /// Cuts the next token: a delimiter, or everything up to the next one that is not escaped.
    fn cut(&mut self) -> &'a str {
        let start = self.at;
        let mut escaped = false;
        for (offset, byte) in self.text.as_bytes()[start..].iter().enumerate() {
            match byte {
                b'\\' => escaped = !escaped,
                b':' | b',' | b'{' | b'}' | b'[' | b']' | b'"' if !escaped => {
                    self.at = start + offset.max(1);
                    return &self.text[start..self.at];
                }
                _ => escaped = false,
            }
        }
        self.at = self.text.len();
        &self.text[start..]
    }

    /// Takes the next token if it is that one, blanks around it aside. Blank tokens before it are passed.
    fn accept(&mut self, expected: &str) -> bool {
        if !self.has_next() {
            return false;
        }
        let mut token = self.take();
        while java_trim(token).is_empty() && self.at < self.text.len() {
            token = self.cut();
        }
        if java_trim(token) == expected {
            return true;
        }
        self.next = Some(token);
        false
    }

    fn accept_exactly(&mut self, expected: &str) -> bool {
        if !self.has_next() {
            return false;
        }
        let token = self.take();
        if token == expected {
            return true;
        }
        self.next = Some(token);
        false
    }

    /// A literal: inside a collection whatever follows, else only if nothing does.
    fn accept_literal(&mut self, literal: &str, embedded: bool) -> bool {
        let mark = self.mark();
        if self.accept(literal) && (embedded || !self.has_next()) {
            return true;
        }
        self.rewind(mark);
        false
    }

    fn parse(&mut self, embedded: bool) -> Result<Parsed, Refused> {
        if !self.has_next() {
            return Err(Refused::Data);
        }
        if embedded && self.accept("\"") {
            return Ok(self.quoted());
        }
        if self.accept_literal("null", embedded) {
            return Ok(None);
        }
        for (literal, value) in [("true", true), ("false", false)] {
            if self.accept_literal(literal, embedded) {
                return Ok(Some((Arc::new(Schema::new(SchemaType::Boolean)), Value::Boolean(value))));
            }
        }
        let mark = self.mark();
        match self.collection() {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(Refused::Data) => self.rewind(mark),
            Err(Refused::TooDeep) => return Err(Refused::TooDeep),
        }
        if let Some(found) = self.number_or_time() {
            return Ok(Some(found));
        }
        if embedded { Err(Refused::Data) } else { Ok(string(self.text)) }
    }

    /// The rest of a quoted text, whose escapes stay as they are.
    fn quoted(&mut self) -> Parsed {
        let start = self.mark();
        let mut end = start;
        while self.has_next() {
            if self.accept_exactly("\"") {
                break;
            }
            self.take();
            end = self.at;
        }
        let content = &self.text[start..end];
        let mut inner = Parser { text: content, at: 0, next: None, depth: 0, max_nesting: 0 };
        match inner.has_next().then(|| inner.time()).flatten() {
            Some(found) => Some(found),
            None => string(content),
        }
    }

    fn collection(&mut self) -> Result<Parsed, Refused> {
        let is_array = self.accept("[");
        if !is_array && !self.accept("{") {
            return Ok(None);
        }
        self.depth += 1;
        if self.max_nesting < self.depth {
            return Err(Refused::TooDeep);
        }
        let found = if is_array { self.array() } else { self.map() };
        self.depth -= 1;
        found.map(Some)
    }

    fn array(&mut self) -> Result<(Arc<Schema>, Value), Refused> {
        let mut merged = MergedSchema::default();
        let mut items = Vec::new();
        while self.has_next() {
            if self.accept("]") {
                if let Some(schema) = &merged.common {
                    for item in &mut items {
                        align(schema, item)?;
                    }
                }
                return Ok((Arc::new(Schema::new(SchemaType::Array(merged.common))), Value::List(items)));
            }
            if self.accept(",") {
                return Err(Refused::Data);
            }
            let element = self.parse(true)?;
            items.push(merged.add(element));
            let mark = self.mark();
            if self.accept("]") {
                self.rewind(mark);
            } else if !self.accept(",") {
                return Err(Refused::Data);
            }
        }
        Err(Refused::Data)
    }

    fn map(&mut self) -> Result<(Arc<Schema>, Value), Refused> {
        let (mut keys, mut values) = (MergedSchema::default(), MergedSchema::default());
        let mut entries = JavaMap::default();
        while self.has_next() {
            if self.accept("}") {
                // Without a common key schema the one of the values counts for nothing.
                if keys.common.is_none() {
                    values.common = None;
                }
                if let Some(schema) = &keys.common {
                    let mut aligned = JavaMap::default();
                    for (mut key, mut value) in entries.into_entries() {
                        align(schema, &mut key)?;
                        if let Some(schema) = &values.common {
                            align(schema, &mut value)?;
                        }
                        aligned.put(key, value);
                    }
                    entries = aligned;
                }
                return Ok((
                    Arc::new(Schema::new(SchemaType::Map(keys.common, values.common))),
                    Value::Map(entries.into_entries()),
                ));
            }
            if self.accept(",") {
                return Err(Refused::Data);
            }
            let key = keys.add(self.parse(true)?);
            if key.is_null() || !self.accept(":") {
                return Err(Refused::Data);
            }
            let value = values.add(self.parse(true)?);
            entries.put(key, value);
            self.accept(",");
        }
        Err(Refused::Data)
    }

    fn number_or_time(&mut self) -> Option<(Arc<Schema>, Value)> {
        let mark = self.mark();
        if let Some(found) = self.time() {
            return Some(found);
        }
        self.rewind(mark);
        let token = java_trim(self.take());
        let first = token.chars().next()?;
        if decimal_digit(first).is_none() && !matches!(first, '+' | '-') {
            return None;
        }
        number(token)
    }

    /// A date, time or timestamp, whose colons make five tokens of it.
    fn time(&mut self) -> Option<(Arc<Schema>, Value)> {
        let token = java_trim(self.take());
        decimal_digit(token.chars().next()?)?;
        let rest_start = self.mark();
        let rest = self.take_four();
        // Only texts of 13 or 24 characters are looked at, so a long rest is not worth joining.
        if let Some(rest) = rest.filter(|rest| token.len() + rest.len() <= 200)
            && let Some(found) = parse_temporal(&format!("{token}{rest}"))
        {
            return Some(found);
        }
        self.rewind(rest_start);
        parse_temporal(token)
    }

    /// The text of the next four tokens, if there are as many.
    fn take_four(&mut self) -> Option<&'a str> {
        let start = self.mark();
        for _ in 0..4 {
            if !self.has_next() {
                return None;
            }
            self.take();
        }
        Some(&self.text[start..self.at])
    }
}

/// The smallest type that holds a number; floats even where they lose precision.
fn number(token: &str) -> Option<(Arc<Schema>, Value)> {
    let decimal = parse_decimal(token)?;
    let of = |kind, value| Some((Arc::new(Schema::new(kind)), value));
    if let Some(whole) = decimal_as_exact_i64(&decimal) {
        return if let Ok(whole) = i8::try_from(whole) {
            of(SchemaType::Int8, Value::Int8(whole))
        } else if let Ok(whole) = i16::try_from(whole) {
            of(SchemaType::Int16, Value::Int16(whole))
        } else if let Ok(whole) = i32::try_from(whole) {
            of(SchemaType::Int32, Value::Int32(whole))
        } else {
            of(SchemaType::Int64, Value::Int64(whole))
        };
    }
    if decimal.scale != 0 {
        let small = decimal_to_f32(&decimal);
        if small.is_finite() {
            return of(SchemaType::Float32, Value::Float32(small));
        }
        let large = decimal_to_f64(&decimal);
        if large.is_finite() {
            return of(SchemaType::Float64, Value::Float64(large));
        }
    }
    Some((Arc::new(Schema::decimal(decimal.scale)), Value::Decimal(decimal)))
}

/// The schema that the elements seen so far have in common.
#[derive(Default)]
struct MergedSchema {
    common: Option<Arc<Schema>>,
    /// Two elements had nothing in common: nothing later mends that.
    given_up: bool,
}

impl MergedSchema {
    /// Takes an element's schema into account and returns its value.
    fn add(&mut self, element: Parsed) -> Value {
        let Some((schema, value)) = element else {
            return Value::Null;
        };
        if !self.given_up {
            self.common = match self.common.take() {
                None => Some(schema),
                Some(common) => merge(common, schema),
            };
            self.given_up = self.common.is_none();
        }
        value
    }
}

fn merge(first: Arc<Schema>, latest: Arc<Schema>) -> Option<Arc<Schema>> {
    match (number_rank(&first.kind), number_rank(&latest.kind)) {
        (Some(a), Some(b)) => Some(if b < a { first } else { latest }),
        _ if first.kind.name() == latest.kind.name() => Some(latest),
        _ => None,
    }
}

/// Makes an element fit the common schema.
fn align(schema: &Schema, value: &mut Value) -> Result<(), Refused> {
    let converted = match &schema.kind {
        _ if value.is_null() => return Err(Refused::Data),
        _ if schema.is_instant() => convert::number_to_instant(schema.name.as_deref().unwrap_or_default(), None, value),
        SchemaType::Int8 => convert::convert_to_byte(None, value),
        SchemaType::Int16 => convert::convert_to_short(None, value),
        SchemaType::Int32 => convert::convert_to_integer(None, value),
        SchemaType::Int64 => convert::convert_to_long(None, value),
        SchemaType::Float32 => convert::convert_to_float(None, value),
        SchemaType::Float64 => convert::convert_to_double(None, value),
        // Only elements of the same base type share one of these.
        _ => return Ok(()),
    };
    *value = converted.map_err(|_| Refused::Data)?;
    Ok(())
}

/// `Values.inferSchema`: the required schema of a value's class, a struct's own schema, and for
/// collections the type that all elements share. `None` where there is no such schema.
///
/// # Errors
///
/// A SchemaBuilderException for a collection of nothing but nulls.
pub fn infer_schema(value: &Value) -> Result<Option<Arc<Schema>>, JavaError> {
    let of = |kind| Ok(Some(Arc::new(Schema::new(kind))));
    match value {
        Value::Null | Value::Decimal(_) | Value::BigInteger(_) | Value::Instant(_) => Ok(None),
        Value::Boolean(_) => of(SchemaType::Boolean),
        Value::Int8(_) => of(SchemaType::Int8),
        Value::Int16(_) => of(SchemaType::Int16),
        Value::Int32(_) => of(SchemaType::Int32),
        Value::Int64(_) => of(SchemaType::Int64),
        Value::Float32(_) => of(SchemaType::Float32),
        Value::Float64(_) => of(SchemaType::Float64),
        Value::String(_) => of(SchemaType::String),
        Value::Bytes(_) => of(SchemaType::Bytes),
        Value::Struct(schema, _) => Ok(Some(Arc::clone(schema))),
        Value::List(items) => {
            let Some(element) = infer_common(items.iter())? else {
                return Ok(None);
            };
            of(SchemaType::Array(Some(element)))
        }
        Value::Map(entries) => {
            let keys = infer_common(entries.iter().map(|(key, _)| key))?;
            let values = infer_common(entries.iter().map(|(_, value)| value))?;
            match (keys, values) {
                (Some(keys), Some(values)) => of(SchemaType::Map(Some(keys), Some(values))),
                _ => Ok(None),
            }
        }
    }
}

/// The bare type that all values share, optional if one is null.
fn infer_common<'a>(values: impl Iterator<Item = &'a Value>) -> Result<Option<Arc<Schema>>, JavaError> {
    let (mut known, mut optional): (Option<SchemaType>, bool) = (None, false);
    for value in values {
        if value.is_null() {
            optional = true;
            continue;
        }
        let Some(schema) = infer_schema(value)? else {
            return Ok(None);
        };
        // What the element contains does not count.
        let bare = match &schema.kind {
            SchemaType::Array(_) => SchemaType::Array(None),
            SchemaType::Map(..) => SchemaType::Map(None, None),
            SchemaType::Struct(_) => SchemaType::Struct(Vec::new()),
            other => other.clone(),
        };
        match &known {
            Some(known) if *known != bare => return Ok(None),
            _ => known = Some(bare),
        }
    }
    match known {
        Some(kind) => Ok(Some(Arc::new(Schema { optional, ..Schema::new(kind) }))),
        None if optional => Err(JavaError::schema_builder("type cannot be null")),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use millstream_record::{Decimal, Field};

    use super::*;

    #[track_caller]
    fn check(text: &str, kind: SchemaType, value: Value) {
        let expected = Some((Arc::new(Schema::new(kind)), value));
        assert_eq!(parse_string(text), Ok(expected), "{text:?}");
    }

    #[track_caller]
    fn check_text(text: &str) {
        check(text, SchemaType::String, Value::String(text.to_owned()));
    }

    fn required(kind: SchemaType) -> Option<Arc<Schema>> {
        Some(Arc::new(Schema::new(kind)))
    }

    #[test]
    fn what_means_nothing_else_is_text() {
        for text in [
            "",
            " ",
            " \"a\"",
            "NULL",
            "TRUE",
            "true}",
            "true false",
            "null]",
            ".5",
            "1f",
            "0x1F",
            "NaN",
            "1_000",
            "1 000",
            "1/2",
            "+",
            "1e5.5",
            "\"abc\"",
            "[a,b]",
            "[1,2",
            "[1,,2]",
            "[1 2]",
            "[1,null]",
            "{a:1}",
            "{\"a\":}",
            "{,\"a\":1}",
            "{\"a\":1,,}",
            "{null:1}",
            "2019-8-23",
            "a,b",
            "abc:def",
            "[2019-08-23,70000]",
            "2019-08-23T14:34:54.346",
            "2019-08-23 14:34:54.346Z",
        ] {
            check_text(text);
        }
    }

    #[test]
    fn literals_and_numbers_take_the_smallest_type() {
        assert_eq!(parse_string("null"), Ok(None));
        check(" true", SchemaType::Boolean, Value::Boolean(true));
        for text in ["1", "+1", "1.0", "1.", "1,2", "1]", "007"] {
            check(text, SchemaType::Int8, Value::Int8(if text == "007" { 7 } else { 1 }));
        }
        check("1e2", SchemaType::Int8, Value::Int8(100));
        check("128", SchemaType::Int16, Value::Int16(128));
        check("32768", SchemaType::Int32, Value::Int32(32768));
        check("2147483648", SchemaType::Int64, Value::Int64(2147483648));
        check("+.5", SchemaType::Float32, Value::Float32(0.5));
        check("1.23456789012345678", SchemaType::Float32, Value::Float32(1.2345679));
        check("1e-400", SchemaType::Float32, Value::Float32(0.0));
        check("1e39", SchemaType::Float64, Value::Float64(1e39));
        let (schema, value) = parse_string("1e309").expect("shallow").expect("not null");
        assert_eq!(*schema, Schema::decimal(-309));
        assert_eq!(value, Value::Decimal(Decimal { unscaled: vec![1], scale: -309 }));
    }

    #[test]
    fn dates_are_known_by_their_length() {
        for (text, schema, ms) in [
            ("2019-08-23", Schema::date(), 1_566_518_400_000),
            ("2019-13-45", Schema::date(), 1_581_638_400_000),
            ("2019-08-23,x", Schema::date(), 1_566_518_400_000),
            ("14:34:54.346Z", Schema::time(), 52_494_346),
            ("2019-08-23T14:34:54.346Z", Schema::timestamp(), 1_566_570_894_346),
            (r"14\:34\:54.346Z", Schema::time(), 52_494_346),
        ] {
            assert_eq!(parse_string(text), Ok(Some((Arc::new(schema), Value::Instant(ms)))), "{text}");
        }
        check("12:34:56.789Z ", SchemaType::Int8, Value::Int8(12));
    }

    #[test]
    fn collections_take_the_schema_their_elements_share() {
        let numbers = |values: &[i16]| Value::List(values.iter().map(|&n| Value::Int16(n)).collect());
        check("[1, 300]", SchemaType::Array(required(SchemaType::Int16)), numbers(&[1, 300]));
        check("[]x", SchemaType::Array(None), Value::List(vec![]));
        check("[null]", SchemaType::Array(None), Value::List(vec![Value::Null]));
        check("[1,]", SchemaType::Array(required(SchemaType::Int8)), Value::List(vec![Value::Int8(1)]));
        check("[1,\"a\",\"b\"]", SchemaType::Array(None), Value::List(vec![Value::Int8(1), "a".into(), "b".into()]));
        check(r#"["a\"b"]"#, SchemaType::Array(required(SchemaType::String)), Value::List(vec![r#"a\"b"#.into()]));
        check(
            "{1:\"a\" 2:\"b\"}",
            SchemaType::Map(required(SchemaType::Int8), required(SchemaType::String)),
            Value::Map(vec![(Value::Int8(1), "a".into()), (Value::Int8(2), "b".into())]),
        );
        check(
            "{\"a\":1,\"b\":\"x\"}",
            SchemaType::Map(required(SchemaType::String), None),
            Value::Map(vec![("a".into(), Value::Int8(1)), ("b".into(), "x".into())]),
        );
        check(
            "{\"a\":1,\"a\":2}",
            SchemaType::Map(required(SchemaType::String), required(SchemaType::Int8)),
            Value::Map(vec![("a".into(), Value::Int8(2))]),
        );
    }

    #[test]
    fn nesting_beyond_the_limit_is_an_error() {
        let deep = "[".repeat(MAX_NESTING + 1);
        assert!(parse_string(&deep).is_err());
        let nested = "[".repeat(MAX_NESTING) + &"]".repeat(MAX_NESTING);
        assert!(matches!(parse_string(&nested), Ok(Some((schema, _))) if schema.kind.name() == "ARRAY"));
    }

    #[test]
    fn header_text_quotes_inside_collections_only() {
        let field = |name: &str, default| {
            let schema = Schema { default, ..Schema::new(SchemaType::Int8).optional() };
            Field { name: name.to_owned(), schema: Arc::new(schema) }
        };
        let schema = Schema::structure(vec![field("a", Some(Value::Int8(7))), field("b", None)]).expect("names differ");
        let value = Value::List(vec![
            "a\"\\".into(),
            Value::Bytes(vec![1, 2]),
            Value::Null,
            Value::Float64(1e10),
            Value::Instant(0),
            Value::Struct(Arc::new(schema), vec![Value::Null, Value::Null]),
            Value::Map(vec![(Value::Int8(1), "x".into())]),
        ]);
        let expected = r#"["a\"\\","AQI=",null,1.0E10,00:00:00.000Z,{"a":7,"b":null},{1:"x"}]"#;
        assert_eq!(to_header_text(&value), Ok(Some(expected.to_owned())));
        assert_eq!(to_header_text(&"a\"".into()), Ok(Some("a\"".to_owned())));
        assert_eq!(to_header_text(&Value::Null), Ok(None));
    }

    proptest::proptest! {
        #[test]
        fn parsing_is_total(text in "[\\[\\]{}:,\"\\\\ 019.e+-nultrTZa]{0,40}") {
            let _ = parse_string(&text);
        }
    }
}
