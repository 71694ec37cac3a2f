//! Data to JSON: straight out of the columns, and as trees where no column fits.

use std::{ops::Range, sync::Arc};

use millstream_connector::Failure;
use millstream_record::{
    Decimal, Schema, SchemaType, Value, append,
    batch::{Column, EntryName, Kind, SchemaTable, Variant, VariantRef},
    logical,
};
use millstream_values::{decimal, java_text};

use crate::trees::{check_scale, class_text, data, date_days, found, in_element, in_field, time_ms};

/// How data is written.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Decimals as numbers rather than base64.
    pub numeric_decimals: bool,
    /// Defaults in the place of nulls.
    pub replace_null: bool,
}

/// A column made ready for writing many rows: member names escaped, kinds compared with schemas.
pub struct Plan<'t, 'a> {
    column: &'t Column<'a>,
    schema: Option<&'t Arc<Schema>>,
    /// `"name":`, behind a bracket or comma if every row has the same members.
    prefix: Piece,
    /// Whether every row has all members.
    uniform: bool,
    /// How rows are written where there is nothing to be looked at first.
    quick: Quick<'t>,
    children: Vec<Plan<'t, 'a>>,
    /// `"name":` for each name in the dictionary of schemaless variants.
    names: Vec<Piece>,
    /// The default, written; what a null becomes. `None`: `null`, or an error if not allowed.
    default: Option<Vec<u8>>,
    null_allowed: bool,
    /// Instants: how they are written.
    unit: Unit,
}

/// A column without nulls whose rows all differ, of a kind that most columns have.
enum Quick<'t> {
    No,
    Integers(&'t [[u8; 8]]),
    /// Offsets and bytes of texts of which none needs an escape.
    Texts(&'t [[u8; 4]], &'t [u8]),
}

impl<'t> Quick<'t> {
    fn of(column: &'t Column<'_>) -> Self {
        if !column.is_full() || column.constant {
            return Self::No;
        }
        match column.kind {
            Kind::Int64 => Self::Integers(column.data.as_chunks().0),
            Kind::String if !needs_escape(column.heap()) => {
                let heap_at = column.data.len() - column.heap().len();
                Self::Texts(column.data[..heap_at].as_chunks().0, column.heap())
            }
            _ => Self::No,
        }
    }

    /// Appends one row behind its prefix, which for a text has its first quote; false if that cannot be done here.
    #[inline]
    fn write(&self, prefix: &Piece, row: usize, out: &mut Vec<u8>) -> bool {
        match self {
            Self::No => return false,
            Self::Integers(values) => {
                prefix.push_to(out);
                write_integer(i64::from_le_bytes(values[row]), out);
            }
            Self::Texts(offsets, heap) => {
                let offset = |row: usize| u32::from_le_bytes(offsets[row]) as usize;
                prefix.push_to(out);
                push_part(heap, offset(row)..offset(row + 1), out);
                out.push(b'"');
            }
        }
        true
    }
}

#[derive(Clone, Copy)]
enum Unit {
    Days,
    TimeOfDay,
    Millis,
}

impl<'t, 'a> Plan<'t, 'a> {
    /// For a block's column.
    pub fn new(column: &'t Column<'a>, schema: Option<&'t Arc<Schema>>, settings: &Settings) -> Result<Self, Failure> {
        let element = |schema: &'t Option<Arc<Schema>>| schema.as_ref();
        let child_schemas: Vec<Option<&Arc<Schema>>> = match (column.kind, schema.map(|schema| &schema.kind)) {
            (Kind::List, Some(SchemaType::Array(items))) => vec![element(items)],
            (Kind::Map, Some(SchemaType::Map(key, value))) => vec![element(key), element(value)],
            (Kind::Struct, Some(SchemaType::Struct(fields))) => {
                fields.iter().map(|field| Some(&field.schema)).collect()
            }
            _ => vec![None; column.children.len()],
        };
        let uniform = column.children.iter().all(|child| child.present.is_none());
        let mut children = Vec::new();
        if matches!(column.kind, Kind::List | Kind::Map | Kind::Struct | Kind::Object) {
            for (at, (child, schema)) in column.children.iter().zip(child_schemas).enumerate() {
                let mut plan = Plan::new(child, schema, settings).map_err(|failure| match column.kind {
                    Kind::Struct => in_field(failure, &child.name),
                    _ => failure,
                })?;
                if matches!(column.kind, Kind::Struct | Kind::Object) {
                    let mut prefix = Vec::new();
                    if uniform {
                        prefix.push(if at == 0 { b'{' } else { b',' });
                    }
                    write_text(&child.name, &mut prefix);
                    prefix.push(b':');
                    if uniform && matches!(plan.quick, Quick::Texts(..)) {
                        prefix.push(b'"');
                    }
                    plan.prefix = Piece::new(prefix);
                }
                children.push(plan);
            }
        }
        let mut default = None;
        if let Some((schema, value)) = schema.and_then(|schema| Some((schema, schema.default.as_ref()?)))
            && settings.replace_null
        {
            let mut text = Vec::new();
            write_value(Some(schema), value, settings, &mut text)?;
            default = Some(text);
        }
        let unit = match schema.and_then(|schema| schema.name.as_deref()) {
            Some(logical::DATE) => Unit::Days,
            Some(logical::TIME) => Unit::TimeOfDay,
            _ => Unit::Millis,
        };
        let null_allowed = schema.is_none_or(|schema| schema.optional);
        let (prefix, quick) = (Piece::default(), Quick::of(column));
        let names = match column.kind {
            Kind::Variant if schema.is_none() => (0..column.children[0].rows)
                .map(|id| {
                    let mut name = Vec::new();
                    write_text(column.children[0].str(id as usize), &mut name);
                    name.push(b':');
                    Piece::new(name)
                })
                .collect(),
            _ => Vec::new(),
        };
        Ok(Self { column, schema, prefix, uniform, quick, children, names, default, null_allowed, unit })
    }

    /// Appends one row.
    pub fn write(
        &self,
        row: usize,
        settings: &Settings,
        schemas: &SchemaTable<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let column = self.column;
        if column.is_null(row) {
            return match &self.default {
                Some(default) => {
                    out.extend_from_slice(default);
                    Ok(())
                }
                None if self.null_allowed => {
                    out.extend_from_slice(b"null");
                    Ok(())
                }
                None => Err(missing(self.schema.map(|schema| &**schema))),
            };
        }
        match column.kind {
            Kind::Bool => write_boolean(column.boolean(row), out),
            Kind::Int8 => write_integer(column.int8(row).into(), out),
            Kind::Int16 => write_integer(column.int16(row).into(), out),
            Kind::Int32 => write_integer(column.int32(row).into(), out),
            Kind::Int64 => write_integer(column.int64(row), out),
            Kind::Float32 => write_f32(column.float32(row), out),
            Kind::Float64 => write_f64(column.float64(row), out),
            Kind::String => write_text(column.str(row), out),
            Kind::Bytes => write_base64(column.bytes(row), out),
            Kind::Decimal => match self.schema {
                Some(schema) => {
                    let (scale, unscaled) = column.decimal(row);
                    write_decimal(schema, scale, unscaled, settings, out)?;
                }
                None => return Err(no_schema_for("java.math.BigDecimal")),
            },
            Kind::Instant => {
                if self.schema.is_none() {
                    return Err(no_schema_for("java.util.Date"));
                }
                let ms = column.int64(row);
                match self.unit {
                    Unit::Days => write_integer(date_days(ms)?.into(), out),
                    Unit::TimeOfDay => write_integer(time_ms(ms)?.into(), out),
                    Unit::Millis => write_integer(ms, out),
                }
            }
            Kind::List => {
                out.push(b'[');
                for (at, element) in column.range(row).enumerate() {
                    if 0 < at {
                        out.push(b',');
                    }
                    self.children[0]
                        .write(element, settings, schemas, out)
                        .map_err(|failure| in_element(failure, at))?;
                }
                out.push(b']');
            }
            Kind::Struct | Kind::Object if self.uniform => {
                let row = column.physical(row);
                for child in &self.children {
                    if child.quick.write(&child.prefix, row, out) {
                        continue;
                    }
                    child.prefix.push_to(out);
                    child
                        .write(row, settings, schemas, out)
                        .map_err(|failure| in_field(failure, &child.column.name))?;
                }
                out.extend_from_slice(if self.children.is_empty() { b"{}" } else { b"}" });
            }
            Kind::Object => {
                let row = column.physical(row);
                out.push(b'{');
                let mut first = true;
                for child in self.children.iter().filter(|child| child.column.is_present(row)) {
                    if !first {
                        out.push(b',');
                    }
                    first = false;
                    child.prefix.push_to(out);
                    child
                        .write(row, settings, schemas, out)
                        .map_err(|failure| in_field(failure, &child.column.name))?;
                }
                out.push(b'}');
            }
            Kind::Variant if self.schema.is_none() => {
                let variants = Variants { column, names: &self.names, schemas, settings };
                variants.write(column.variant(row), out)?;
            }
            _ => {
                let value = column.value(row, self.schema, schemas);
                write_value(self.schema.map(|schema| &**schema), &value, settings, out)?;
            }
        }
        Ok(())
    }
}

#[cold]
fn missing(schema: Option<&Schema>) -> Failure {
    let message = "Conversion error: null value for field that is required and has no default value";
    found(message, "null", schema.map_or("a value", |schema| schema.kind.name()))
}

/// The failure of a struct under another schema, with where the two begin to differ.
#[cold]
fn mismatching(own: &Schema, wanted: &Schema) -> Failure {
    let message = "Mismatching schema.";
    let text = |schema: &Schema| schema.name.as_ref().map_or("no name".to_owned(), |name| format!("name {name:?}"));
    if own.name != wanted.name {
        return found(message, text(own), text(wanted));
    }
    let field = |schema: &Schema, at: usize| match schema.fields().get(at) {
        Some(field) => format!("field {} as {}", field.name, field.schema.java_text()),
        None => "no more field".to_owned(),
    };
    let differs = |at: &usize| own.fields().get(*at) != wanted.fields().get(*at);
    match (0..own.fields().len().max(wanted.fields().len())).find(differs) {
        Some(at) if field(own, at) != field(wanted, at) => found(message, field(own, at), field(wanted, at)),
        Some(at) => in_field(found(message, "another schema", "that of the struct's schema"), &own.fields()[at].name),
        None => found(message, "another version, default or documentation", "that of the schema"),
    }
}

fn no_schema_for(class: &str) -> Failure {
    data(format!("Java class class {class} does not have corresponding schema type."))
}

/// What the variants of a column refer to.
struct Variants<'v> {
    column: &'v Column<'v>,
    names: &'v [Piece],
    schemas: &'v SchemaTable<'v>,
    settings: &'v Settings,
}

impl<'v> Variants<'v> {
    fn write(&self, variant: Variant<'v>, out: &mut Vec<u8>) -> Result<(), Failure> {
        match variant.read() {
            VariantRef::Null => out.extend_from_slice(b"null"),
            VariantRef::Boolean(value) => write_boolean(value, out),
            VariantRef::Int8(value) => write_integer(value.into(), out),
            VariantRef::Int16(value) => write_integer(value.into(), out),
            VariantRef::Int32(value) => write_integer(value.into(), out),
            VariantRef::Int64(value) => write_integer(value, out),
            VariantRef::Float32(value) => write_f32(value, out),
            VariantRef::Float64(value) => write_f64(value, out),
            VariantRef::String(value) => write_text(value, out),
            VariantRef::Bytes(value) => write_base64(value, out),
            VariantRef::List(entries) => {
                out.push(b'[');
                for (at, entry) in entries.enumerate() {
                    if 0 < at {
                        out.push(b',');
                    }
                    self.write(entry, out).map_err(|failure| in_element(failure, at))?;
                }
                out.push(b']');
            }
            VariantRef::Object(entries) => {
                out.push(b'{');
                for (at, (name, entry)) in entries.enumerate() {
                    if 0 < at {
                        out.push(b',');
                    }
                    match name {
                        EntryName::Id(id) => self.names[usize::from(id)].push_to(out),
                        EntryName::Inline(name) => {
                            write_text(name, out);
                            out.push(b':');
                        }
                    }
                    let name = || name.resolve(&|id| self.column.variant_name(id));
                    self.write(entry, out).map_err(|failure| in_field(failure, name()))?;
                }
                out.push(b'}');
            }
            _ => {
                let names = |id| self.column.variant_name(id);
                let value = variant.to_value(&names, &|place| self.schemas.get(place));
                write_value(None, &value, self.settings, out)?;
            }
        }
        Ok(())
    }
}

/// Appends any value, with all of Connect's checks.
///
/// # Errors
///
/// The value does not fit its schema, or has no form in JSON.
pub fn write_value(
    schema: Option<&Schema>,
    value: &Value,
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let Some(schema) = schema else { return write_schemaless(value, settings, out) };
    if value.is_null() {
        return match &schema.default {
            Some(default) if settings.replace_null => write_value(Some(schema), default, settings, out),
            _ if schema.optional => {
                out.extend_from_slice(b"null");
                Ok(())
            }
            _ => Err(missing(Some(schema))),
        };
    }
    let wrong = || data(format!("Invalid type for {}: {}", schema.kind.name(), class_text(value)));
    match schema.name.as_deref() {
        Some(logical::DECIMAL) => {
            return match value {
                Value::Decimal(Decimal { unscaled, scale }) => write_decimal(schema, *scale, unscaled, settings, out),
                _ => Err(data(format!("Invalid type for Decimal, expected BigDecimal but was {}", class_text(value)))),
            };
        }
        Some(name @ (logical::DATE | logical::TIME | logical::TIMESTAMP)) => {
            let Value::Instant(ms) = value else {
                let short = name.rsplit('.').next().unwrap_or(name);
                return Err(data(format!("Invalid type for {short}, expected Date but was {}", class_text(value))));
            };
            write_integer(
                match name {
                    logical::DATE => date_days(*ms)?.into(),
                    logical::TIME => time_ms(*ms)?.into(),
                    _ => *ms,
                },
                out,
            );
            return Ok(());
        }
        _ => {}
    }
    match (&schema.kind, value) {
        (SchemaType::Int8, Value::Int8(value)) => write_integer((*value).into(), out),
        (SchemaType::Int16, Value::Int16(value)) => write_integer((*value).into(), out),
        (SchemaType::Int32, Value::Int32(value)) => write_integer((*value).into(), out),
        (SchemaType::Int64, Value::Int64(value)) => write_integer(*value, out),
        (SchemaType::Float32, Value::Float32(value)) => write_f32(*value, out),
        (SchemaType::Float64, Value::Float64(value)) => write_f64(*value, out),
        (SchemaType::Boolean, Value::Boolean(value)) => write_boolean(*value, out),
        (SchemaType::String, Value::String(value)) => write_text(value, out),
        (SchemaType::Bytes, Value::Bytes(value)) => write_base64(value, out),
        (SchemaType::Array(items), Value::List(values)) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if 0 < at {
                    out.push(b',');
                }
                write_value(items.as_deref(), value, settings, out).map_err(|failure| in_element(failure, at))?;
            }
            out.push(b']');
        }
        (SchemaType::Map(key, item), Value::Map(entries)) => {
            let as_object = key.as_ref().is_some_and(|key| key.kind == SchemaType::String);
            write_map(entries, as_object, key.as_deref(), item.as_deref(), settings, out)?;
        }
        (SchemaType::Struct(fields), Value::Struct(own, slots)) => {
            if **own != *schema {
                return Err(mismatching(own, schema));
            }
            out.push(b'{');
            for (at, (field, slot)) in fields.iter().zip(slots).enumerate() {
                if 0 < at {
                    out.push(b',');
                }
                write_text(&field.name, out);
                out.push(b':');
                write_value(Some(&field.schema), slot, settings, out)
                    .map_err(|failure| in_field(failure, &field.name))?;
            }
            out.push(b'}');
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

fn write_schemaless(value: &Value, settings: &Settings, out: &mut Vec<u8>) -> Result<(), Failure> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(value) => write_boolean(*value, out),
        Value::Int8(value) => write_integer((*value).into(), out),
        Value::Int16(value) => write_integer((*value).into(), out),
        Value::Int32(value) => write_integer((*value).into(), out),
        Value::Int64(value) => write_integer(*value, out),
        Value::Float32(value) => write_f32(*value, out),
        Value::Float64(value) => write_f64(*value, out),
        Value::String(value) => write_text(value, out),
        Value::Bytes(value) => write_base64(value, out),
        Value::List(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if 0 < at {
                    out.push(b',');
                }
                write_schemaless(value, settings, out).map_err(|failure| in_element(failure, at))?;
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            let as_object = entries.iter().all(|(key, _)| matches!(key, Value::String(_)));
            write_map(entries, as_object, None, None, settings, out)?;
        }
        Value::Struct(..) => return Err(found("Mismatching schema.", "STRUCT", "data without a schema")),
        Value::Decimal(_) | Value::BigInteger(_) | Value::Instant(_) => return Err(no_schema_for(value.java_class())),
    }
    Ok(())
}

fn write_map(
    entries: &[(Value, Value)],
    as_object: bool,
    key_schema: Option<&Schema>,
    value_schema: Option<&Schema>,
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    out.push(if as_object { b'{' } else { b'[' });
    for (at, (key, value)) in entries.iter().enumerate() {
        if 0 < at {
            out.push(b',');
        }
        match key {
            Value::String(name) if as_object => {
                write_text(name, out);
                out.push(b':');
            }
            Value::Null if as_object => out.extend_from_slice(b"\"null\":"),
            other if as_object => {
                return Err(data(format!("Invalid type for STRING: {}", class_text(other))));
            }
            key => {
                out.push(b'[');
                write_value(key_schema, key, settings, out).map_err(|failure| in_element(failure, at))?;
                out.push(b',');
            }
        }
        write_value(value_schema, value, settings, out).map_err(|failure| match key {
            Value::String(name) => in_field(failure, name),
            _ => in_element(failure, at),
        })?;
        if !as_object {
            out.push(b']');
        }
    }
    out.push(if as_object { b'}' } else { b']' });
    Ok(())
}

fn write_boolean(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends an integer.
#[inline]
pub fn write_integer(value: i64, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    append(digits, out);
}

fn write_f64(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        java_text::write_f64_bytes(out, value);
    } else {
        out.push(b'"');
        java_text::write_f64_bytes(out, value);
        out.push(b'"');
    }
}

fn write_f32(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        java_text::write_f32_bytes(out, value);
    } else {
        out.push(b'"');
        java_text::write_f32_bytes(out, value);
        out.push(b'"');
    }
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(millstream_values::base64::encode(bytes).as_bytes());
    out.push(b'"');
}

fn write_decimal(
    schema: &Schema,
    scale: i32,
    unscaled: &[u8],
    settings: &Settings,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    if settings.numeric_decimals {
        let value = Decimal { unscaled: unscaled.to_vec(), scale };
        out.extend_from_slice(decimal::decimal_text(&value).as_bytes());
    } else {
        check_scale(schema, scale)?;
        write_base64(unscaled, out);
    }
    Ok(())
}

/// Bytes moved at once where a text is short.
const BLOCK: usize = 32;

/// A short text that is written often.
#[derive(Default)]
struct Piece {
    text: Vec<u8>,
    /// The same, padded, if it is short enough.
    block: Option<[u8; BLOCK]>,
}

impl Piece {
    fn new(text: Vec<u8>) -> Self {
        let mut block = [0; BLOCK];
        let block = block.get_mut(..text.len()).map(|start| start.copy_from_slice(&text)).map(|()| block);
        Self { text, block }
    }

    #[inline]
    fn push_to(&self, out: &mut Vec<u8>) {
        match &self.block {
            Some(block) => {
                // A move of fixed size costs less than a call, and what is too much is taken back.
                out.extend_from_slice(block);
                out.truncate(out.len() - BLOCK + self.text.len());
            }
            None => out.extend_from_slice(&self.text),
        }
    }
}

/// Appends a part of a larger text, likewise.
#[inline]
fn push_part(whole: &[u8], part: Range<usize>, out: &mut Vec<u8>) {
    match whole.get(part.start..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        Some(block) if part.len() <= BLOCK => {
            out.extend_from_slice(block);
            out.truncate(out.len() - BLOCK + part.len());
        }
        _ => out.extend_from_slice(&whole[part]),
    }
}

/// Whether a byte of a text cannot stand as it is: control characters, quotes, backslashes, and the first
/// byte of characters beyond U+FFFF.
#[inline]
fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\' || 0xf0 <= byte
}

/// Whether any byte is special. Looks at many bytes at once, and at eight of short texts.
#[inline]
fn needs_escape(bytes: &[u8]) -> bool {
    const SHORT: usize = 64;
    if SHORT < bytes.len() {
        return bytes.chunks(256).any(|chunk| chunk.iter().fold(false, |found, &byte| found | is_special(byte)));
    }
    let suspicious = match bytes.last_chunk::<8>() {
        Some(last) => bytes.as_chunks::<8>().0.iter().chain([last]).any(|word| may_be_special(*word)),
        None => true,
    };
    suspicious && bytes.iter().any(|&byte| is_special(byte))
}

/// Whether one of eight bytes is special, or not ASCII.
#[inline]
fn may_be_special(bytes: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = ONES << 7;
    let word = u64::from_le_bytes(bytes);
    // The high bit is set for a byte that is zero, and for every byte that has it.
    let zeros = |word: u64| word.wrapping_sub(ONES) | word;
    let quotes = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
    let controls = word.wrapping_sub(ONES * 0x20) | word;
    (quotes | controls) & HIGHS != 0
}

/// Appends a text in quotes.
#[inline]
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    if needs_escape(bytes) {
        let plain = bytes.iter().position(|&byte| is_special(byte)).unwrap_or(bytes.len());
        out.extend_from_slice(&bytes[..plain]);
        write_escaped(&text[plain..], out);
    } else {
        append(bytes, out);
    }
    out.push(b'"');
}

fn write_escaped(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let unit = |unit: u16, out: &mut Vec<u8>| {
        out.extend_from_slice(b"\\u");
        (0..4).rev().for_each(|digit| out.push(HEX[usize::from(unit >> (digit * 4) & 0xf)]));
    };
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            c if c < ' ' => unit(c as u16, out),
            c if '\u{ffff}' < c => c.encode_utf16(&mut [0; 2]).iter().for_each(|half| unit(*half, out)),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
