//! Self-describing values: what no column can hold, readable in place.
//!
//! A value is a tag byte and its payload, all numbers little-endian. Containers say how many bytes
//! they take, so that a reader can step over them. Names of map entries stand in the dictionary of
//! the column (a u16 id) or inline.

use std::{collections::HashSet, sync::Arc};

use super::layout::{MAX_VARIANT_DEPTH, NO_SCHEMA_16, u32_at};
use crate::{Decimal, Schema, Value};

/// Tag bytes.
pub mod tag {
    #![expect(missing_docs, reason = "the names say it; the payloads are in batch.md")]
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INT8: u8 = 3;
    pub const INT16: u8 = 4;
    pub const INT32: u8 = 5;
    pub const INT64: u8 = 6;
    pub const FLOAT32: u8 = 7;
    pub const FLOAT64: u8 = 8;
    pub const STRING: u8 = 9;
    pub const BYTES: u8 = 10;
    pub const DECIMAL: u8 = 11;
    pub const BIG_INTEGER: u8 = 12;
    pub const INSTANT: u8 = 13;
    pub const LIST: u8 = 14;
    pub const MAP: u8 = 15;
    pub const OBJECT: u8 = 16;
    pub const STRUCT: u8 = 17;
}

/// Marks an entry whose name stands inline.
pub(super) const INLINE_NAME: u16 = u16::MAX;

/// Names that variants of one column refer to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    sealed: bool,
    names: Vec<String>,
    ids: std::collections::HashMap<String, u16>,
}

impl Names {
    /// The id of a name, made if there is room for one more.
    pub fn id(&mut self, name: &str) -> Option<u16> {
        if let Some(&id) = self.ids.get(name) {
            return Some(id);
        }
        if self.sealed || self.names.len() == super::layout::MAX_VARIANT_NAMES {
            return None;
        }
        let id = u16::try_from(self.names.len()).expect("bounded by MAX_VARIANT_NAMES");
        self.names.push(name.to_owned());
        self.ids.insert(name.to_owned(), id);
        Some(id)
    }

    /// Takes no further names; those that come stand inline.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// All names, in order of their ids.
    pub fn as_slice(&self) -> &[String] {
        &self.names
    }
}

/// Gives the place of a schema in the batch's table.
pub(crate) trait SchemaNumbers {
    /// The place, `None` if the table is full.
    fn number(&mut self, schema: &Arc<Schema>) -> Option<u16>;
}

/// Writes variants. It trusts its caller to write as many values as a container was announced to have.
pub(crate) struct VariantWriter<'a> {
    out: &'a mut Vec<u8>,
    names: &'a mut Names,
}

/// Where a container begins, so that its length can be filled in at its end.
#[derive(Debug)]
pub(crate) struct OpenContainer {
    at: usize,
}

impl<'a> VariantWriter<'a> {
    /// Appends to `out`; names go to the dictionary.
    pub fn new(out: &'a mut Vec<u8>, names: &'a mut Names) -> Self {
        Self { out, names }
    }

    /// Java's `null`.
    pub fn null(&mut self) {
        self.out.push(tag::NULL);
    }

    /// A byte that is tag and value in one.
    pub fn boolean(&mut self, value: bool) {
        self.out.push(if value { tag::TRUE } else { tag::FALSE });
    }

    /// A 64-bit integer.
    pub fn int64(&mut self, value: i64) {
        self.fixed(tag::INT64, &value.to_le_bytes());
    }

    /// A 64-bit float.
    pub fn float64(&mut self, value: f64) {
        self.fixed(tag::FLOAT64, &value.to_le_bytes());
    }

    /// Text, behind its length in bytes.
    pub fn string(&mut self, value: &str) {
        self.sized(tag::STRING, value.as_bytes());
    }

    /// Begins a list; close it with [`VariantWriter::end`].
    pub fn list(&mut self, count: u32) -> OpenContainer {
        self.open(tag::LIST, count)
    }

    /// Begins a map with text keys.
    pub fn object(&mut self, count: u32) -> OpenContainer {
        self.open(tag::OBJECT, count)
    }

    /// Begins a container whose entry count is not known yet.
    fn open(&mut self, tag: u8, count: u32) -> OpenContainer {
        self.out.push(tag);
        let at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        self.out.extend_from_slice(&count.to_le_bytes());
        OpenContainer { at }
    }

    /// The name of the next entry of an object; its value follows.
    pub fn name(&mut self, name: &str) {
        match self.names.id(name) {
            Some(id) => self.out.extend_from_slice(&id.to_le_bytes()),
            None => {
                self.out.extend_from_slice(&INLINE_NAME.to_le_bytes());
                self.out.extend_from_slice(&(name.len() as u32).to_le_bytes());
                self.out.extend_from_slice(name.as_bytes());
            }
        }
    }

    /// Fills in the length of a container, all of whose entries are written.
    pub fn end(&mut self, container: OpenContainer) {
        let len = (self.out.len() - container.at - 4) as u32;
        self.out[container.at..container.at + 4].copy_from_slice(&len.to_le_bytes());
    }

    /// Any value. A struct's schema goes to the batch's table; where that is full the struct is
    /// refused.
    ///
    /// # Errors
    ///
    /// [`CannotEncode`], having written a part: truncate to the position before.
    pub fn value(&mut self, value: &Value, schemas: &mut dyn SchemaNumbers) -> Result<(), CannotEncode> {
        self.value_at(value, schemas, 0)
    }

    fn value_at(&mut self, value: &Value, schemas: &mut dyn SchemaNumbers, depth: usize) -> Result<(), CannotEncode> {
        if MAX_VARIANT_DEPTH <= depth && matches!(value, Value::List(_) | Value::Map(_) | Value::Struct(..)) {
            return Err(CannotEncode::TooDeep);
        }
        match value {
            Value::Null => self.null(),
            Value::Boolean(value) => self.boolean(*value),
            Value::Int8(value) => self.fixed(tag::INT8, &value.to_le_bytes()),
            Value::Int16(value) => self.fixed(tag::INT16, &value.to_le_bytes()),
            Value::Int32(value) => self.fixed(tag::INT32, &value.to_le_bytes()),
            Value::Int64(value) => self.int64(*value),
            Value::Float32(value) => self.fixed(tag::FLOAT32, &value.to_le_bytes()),
            Value::Float64(value) => self.float64(*value),
            Value::String(value) => self.string(value),
            Value::Bytes(value) => self.sized(tag::BYTES, value),
            Value::Decimal(value) => {
                self.out.push(tag::DECIMAL);
                self.out.extend_from_slice(&(value.unscaled.len() as u32 + 4).to_le_bytes());
                self.out.extend_from_slice(&value.scale.to_le_bytes());
                self.out.extend_from_slice(&value.unscaled);
            }
            Value::BigInteger(value) => self.sized(tag::BIG_INTEGER, value),
            Value::Instant(value) => self.fixed(tag::INSTANT, &value.to_le_bytes()),
            Value::List(values) => {
                let list = self.list(values.len() as u32);
                for value in values {
                    self.value_at(value, schemas, depth + 1)?;
                }
                self.end(list);
            }
            Value::Map(entries) if entries.iter().all(|(key, _)| matches!(key, Value::String(_))) => {
                let object = self.object(entries.len() as u32);
                for (key, value) in entries {
                    if let Value::String(name) = key {
                        self.name(name);
                    }
                    self.value_at(value, schemas, depth + 1)?;
                }
                self.end(object);
            }
            Value::Map(entries) => {
                let map = self.open(tag::MAP, entries.len() as u32);
                for (key, value) in entries {
                    self.value_at(key, schemas, depth + 1)?;
                    self.value_at(value, schemas, depth + 1)?;
                }
                self.end(map);
            }
            Value::Struct(schema, slots) => {
                let number = schemas.number(schema).ok_or(CannotEncode::TooManySchemas)?;
                let structure = self.open(tag::STRUCT, slots.len() as u32);
                self.out.extend_from_slice(&number.to_le_bytes());
                for slot in slots {
                    self.value_at(slot, schemas, depth + 1)?;
                }
                self.end(structure);
            }
        }
        Ok(())
    }

    fn fixed(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.out.extend_from_slice(bytes);
    }

    fn sized(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.out.extend_from_slice(bytes);
    }
}

/// A value on its own, as variants of any column hold it: its names stand inline.
#[derive(Clone, Debug)]
pub struct VariantBytes(Vec<u8>);

impl VariantBytes {
    /// Writes a value.
    ///
    /// # Errors
    ///
    /// A value that is nested too deep or holds a struct, whose schema would have to stand elsewhere.
    pub fn of(value: &Value) -> Result<Self, CannotEncode> {
        struct NoSchemas;

        impl SchemaNumbers for NoSchemas {
            fn number(&mut self, _: &Arc<Schema>) -> Option<u16> {
                None
            }
        }

        let (mut bytes, mut names) = (Vec::new(), Names::default());
        names.seal();
        VariantWriter::new(&mut bytes, &mut names).value(value, &mut NoSchemas)?;
        Ok(Self(bytes))
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// Why a value does not fit into a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CannotEncode {
    /// Nested beyond [`MAX_VARIANT_DEPTH`].
    #[error("the value is nested deeper than {MAX_VARIANT_DEPTH} levels")]
    TooDeep,
    /// More schemas than the table of a batch can hold.
    #[error("the batch has too many different schemas")]
    TooManySchemas,
}

/// One value in place. Only made over bytes that were validated.
#[derive(Clone, Copy, Debug)]
pub struct Variant<'a> {
    bytes: &'a [u8],
}

/// What a variant holds.
#[derive(Clone, Copy, Debug)]
pub enum VariantRef<'a> {
    /// Java's `null`.
    Null,
    /// Told by its tag.
    Boolean(bool),
    /// 8 bits.
    Int8(i8),
    /// 16 bits.
    Int16(i16),
    /// 32 bits.
    Int32(i32),
    /// 64 bits.
    Int64(i64),
    /// 32 bits, as IEEE has them.
    Float32(f32),
    /// 64 bits, as IEEE has them.
    Float64(f64),
    /// UTF-8, which the batch's validation has seen.
    String(&'a str),
    /// Any bytes, in place.
    Bytes(&'a [u8]),
    /// Scale and unscaled value.
    Decimal(i32, &'a [u8]),
    /// Big-endian two's complement.
    BigInteger(&'a [u8]),
    /// Milliseconds since the epoch.
    Instant(i64),
    /// A list, whose entries have no names.
    List(Entries<'a>),
    /// A map; keys and values alternate.
    Map(Entries<'a>),
    /// A map with text keys.
    Object(ObjectEntries<'a>),
    /// A struct: the place of its schema in the batch's table, and a value per field.
    Struct(u16, Entries<'a>),
}

impl<'a> Variant<'a> {
    /// Over validated bytes that begin with a value.
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The value's own bytes.
    pub fn bytes(&self) -> &'a [u8] {
        &self.bytes[..value_len(self.bytes)]
    }

    /// The byte that says what the value is: see [`tag`].
    pub fn tag(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(tag::NULL)
    }

    /// Reads the tag and what it can without copying.
    #[inline]
    pub fn read(&self) -> VariantRef<'a> {
        let bytes = self.bytes;
        let sized = || &bytes[5..5 + u32_at(bytes, 1) as usize];
        match bytes.first().copied().unwrap_or(tag::NULL) {
            tag::FALSE => VariantRef::Boolean(false),
            tag::TRUE => VariantRef::Boolean(true),
            tag::INT8 => VariantRef::Int8(bytes[1] as i8),
            tag::INT16 => VariantRef::Int16(i16::from_le_bytes(array(bytes))),
            tag::INT32 => VariantRef::Int32(i32::from_le_bytes(array(bytes))),
            tag::INT64 => VariantRef::Int64(i64::from_le_bytes(array(bytes))),
            tag::FLOAT32 => VariantRef::Float32(f32::from_le_bytes(array(bytes))),
            tag::FLOAT64 => VariantRef::Float64(f64::from_le_bytes(array(bytes))),
            tag::STRING => VariantRef::String(super::trusted_str(sized())),
            tag::BYTES => VariantRef::Bytes(sized()),
            tag::DECIMAL => {
                let sized = sized();
                VariantRef::Decimal(i32::from_le_bytes(sized[..4].try_into().expect("validated")), &sized[4..])
            }
            tag::BIG_INTEGER => VariantRef::BigInteger(sized()),
            tag::INSTANT => VariantRef::Instant(i64::from_le_bytes(array(bytes))),
            tag::LIST => VariantRef::List(Entries { rest: &sized()[4..], left: u32_at(bytes, 5) }),
            tag::MAP => VariantRef::Map(Entries { rest: &sized()[4..], left: u32_at(bytes, 5).saturating_mul(2) }),
            tag::OBJECT => VariantRef::Object(ObjectEntries { rest: &sized()[4..], left: u32_at(bytes, 5) }),
            tag::STRUCT => VariantRef::Struct(
                u16::from_le_bytes([bytes[9], bytes[10]]),
                Entries { rest: &sized()[6..], left: u32_at(bytes, 5) },
            ),
            _ => VariantRef::Null,
        }
    }

    /// The value as a tree. `names` is the column's dictionary, `schemas` the batch's table.
    pub fn to_value(&self, names: &dyn Fn(u16) -> &'a str, schemas: &dyn Fn(u16) -> Arc<Schema>) -> Value {
        match self.read() {
            VariantRef::Null => Value::Null,
            VariantRef::Boolean(value) => Value::Boolean(value),
            VariantRef::Int8(value) => Value::Int8(value),
            VariantRef::Int16(value) => Value::Int16(value),
            VariantRef::Int32(value) => Value::Int32(value),
            VariantRef::Int64(value) => Value::Int64(value),
            VariantRef::Float32(value) => Value::Float32(value),
            VariantRef::Float64(value) => Value::Float64(value),
            VariantRef::String(value) => Value::String(value.to_owned()),
            VariantRef::Bytes(value) => Value::Bytes(value.to_vec()),
            VariantRef::Decimal(scale, unscaled) => Value::Decimal(Decimal { unscaled: unscaled.to_vec(), scale }),
            VariantRef::BigInteger(value) => Value::BigInteger(value.to_vec()),
            VariantRef::Instant(value) => Value::Instant(value),
            VariantRef::List(entries) => Value::List(entries.map(|value| value.to_value(names, schemas)).collect()),
            VariantRef::Map(mut entries) => {
                let mut map = Vec::with_capacity(entries.left as usize / 2);
                while let (Some(key), Some(value)) = (entries.next(), entries.next()) {
                    map.push((key.to_value(names, schemas), value.to_value(names, schemas)));
                }
                Value::Map(map)
            }
            VariantRef::Object(entries) => Value::Map(
                entries
                    .map(|(name, value)| {
                        let name = name.resolve(names);
                        (Value::String(name.to_owned()), value.to_value(names, schemas))
                    })
                    .collect(),
            ),
            VariantRef::Struct(number, entries) => {
                Value::Struct(schemas(number), entries.map(|value| value.to_value(names, schemas)).collect())
            }
        }
    }
}

/// Values one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    rest: &'a [u8],
    left: u32,
}

impl Entries<'_> {
    /// Values left.
    pub fn len(&self) -> usize {
        self.left as usize
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Variant<'a>;

    #[inline]
    fn next(&mut self) -> Option<Variant<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (value, rest) = self.rest.split_at(value_len(self.rest));
        self.rest = rest;
        Some(Variant { bytes: value })
    }
}

/// The name of an object's entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryName<'a> {
    /// In the column's dictionary.
    Id(u16),
    /// Standing here.
    Inline(&'a str),
}

impl<'a> EntryName<'a> {
    /// The text: its own, or what `names`, the column's dictionary, has at its number.
    pub fn resolve(self, names: &dyn Fn(u16) -> &'a str) -> &'a str {
        match self {
            Self::Id(id) => names(id),
            Self::Inline(name) => name,
        }
    }
}

/// Names and values one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct ObjectEntries<'a> {
    rest: &'a [u8],
    left: u32,
}

impl ObjectEntries<'_> {
    /// Entries left.
    pub fn len(&self) -> usize {
        self.left as usize
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for ObjectEntries<'a> {
    type Item = (EntryName<'a>, Variant<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let id = u16::from_le_bytes([self.rest[0], self.rest[1]]);
        let (name, rest) = if id == INLINE_NAME {
            let len = u32_at(self.rest, 2) as usize;
            (EntryName::Inline(super::trusted_str(&self.rest[6..6 + len])), &self.rest[6 + len..])
        } else {
            (EntryName::Id(id), &self.rest[2..])
        };
        let (value, rest) = rest.split_at(value_len(rest));
        self.rest = rest;
        Some((name, Variant { bytes: value }))
    }
}

#[inline]
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes[1..1 + N].try_into().expect("validated")
}

/// Bytes of a value with the tag; 0 where its length stands behind the tag.
const LENGTHS: [u8; 18] = {
    let mut lengths = [1; 18];
    lengths[tag::INT8 as usize] = 2;
    lengths[tag::INT16 as usize] = 3;
    lengths[tag::INT32 as usize] = 5;
    lengths[tag::INT64 as usize] = 9;
    lengths[tag::FLOAT32 as usize] = 5;
    lengths[tag::FLOAT64 as usize] = 9;
    lengths[tag::INSTANT as usize] = 9;
    let sized =
        [tag::STRING, tag::BYTES, tag::DECIMAL, tag::BIG_INTEGER, tag::LIST, tag::MAP, tag::OBJECT, tag::STRUCT];
    let mut at = 0;
    while at < sized.len() {
        lengths[sized[at] as usize] = 0;
        at += 1;
    }
    lengths
};

/// Bytes that the value at the front takes, by its tag alone.
#[inline]
pub(super) fn value_len(bytes: &[u8]) -> usize {
    match LENGTHS.get(usize::from(bytes.first().copied().unwrap_or(tag::NULL))).copied() {
        Some(0) => 5 + u32_at(bytes, 1) as usize,
        Some(len) => len.into(),
        None => 1,
    }
}

/// Checks values that come from a stranger.
pub(super) struct VariantChecker<'a> {
    /// The dictionary, without repetitions.
    names: &'a [&'a str],
    /// The dictionary as a set, made when the first inline name asks for it.
    name_set: Option<HashSet<&'a str>>,
    /// Fields per schema of the table, `None` where it is no struct.
    schema_fields: &'a dyn Fn(u16) -> Option<usize>,
    /// When each name id was last seen: its object's number. Spares a search per entry.
    stamps: Vec<u32>,
    stamp: u32,
    name_bytes: u64,
}

/// What is wrong with a variant.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidVariant {
    /// Ends too early, or a length points beyond the end.
    #[error("a value is cut off")]
    CutOff,
    /// Bytes are left over behind the value.
    #[error("bytes are left over behind a value")]
    Trailing,
    /// Unknown tag.
    #[error("unknown tag {0}")]
    Tag(u8),
    /// Not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Name or schema outside its table.
    #[error("a name or schema number is out of range")]
    Reference,
    /// Two entries of one name.
    #[error("a map has two entries of the same name")]
    DuplicateName,
    /// Nested too deep.
    #[error("nested deeper than {MAX_VARIANT_DEPTH} levels")]
    TooDeep,
}

impl<'a> VariantChecker<'a> {
    /// For values that refer to these names and schemas.
    pub fn new(names: &'a [&'a str], schema_fields: &'a dyn Fn(u16) -> Option<usize>) -> Self {
        Self { names, name_set: None, schema_fields, stamps: vec![0; names.len()], stamp: 0, name_bytes: 0 }
    }

    /// Bytes that the dictionary's names take where the values seen so far are written out.
    pub fn name_bytes(&self) -> u64 {
        self.name_bytes
    }

    /// Checks that the bytes are exactly one value.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the first part that is.
    pub fn check(&mut self, bytes: &[u8]) -> Result<(), InvalidVariant> {
        match self.check_one(bytes, 0)? {
            [] => Ok(()),
            _ => Err(InvalidVariant::Trailing),
        }
    }

    /// Checks the value at the front and returns what follows it.
    pub(super) fn check_one<'b>(&mut self, bytes: &'b [u8], depth: usize) -> Result<&'b [u8], InvalidVariant> {
        let (&tag, rest) = bytes.split_first().ok_or(InvalidVariant::CutOff)?;
        let fixed = |n: usize| rest.get(n..).ok_or(InvalidVariant::CutOff);
        match tag {
            tag::NULL | tag::FALSE | tag::TRUE => Ok(rest),
            tag::INT8 => fixed(1),
            tag::INT16 => fixed(2),
            tag::INT32 | tag::FLOAT32 => fixed(4),
            tag::INT64 | tag::FLOAT64 | tag::INSTANT => fixed(8),
            tag::STRING => {
                let (text, rest) = split_sized(rest)?;
                // Short texts are mostly ASCII, which is quicker to see.
                if !text.is_ascii() {
                    std::str::from_utf8(text).map_err(|_| InvalidVariant::Utf8)?;
                }
                Ok(rest)
            }
            tag::BYTES => Ok(split_sized(rest)?.1),
            tag::DECIMAL => match split_sized(rest)? {
                (number, rest) if 5 <= number.len() => Ok(rest),
                _ => Err(InvalidVariant::CutOff),
            },
            tag::BIG_INTEGER => match split_sized(rest)? {
                (number, rest) if !number.is_empty() => Ok(rest),
                _ => Err(InvalidVariant::CutOff),
            },
            tag::LIST..=tag::STRUCT => {
                if MAX_VARIANT_DEPTH <= depth {
                    return Err(InvalidVariant::TooDeep);
                }
                let (body, rest) = split_sized(rest)?;
                self.check_container(tag, body, depth)?;
                Ok(rest)
            }
            other => Err(InvalidVariant::Tag(other)),
        }
    }

    fn check_container(&mut self, tag: u8, body: &[u8], depth: usize) -> Result<(), InvalidVariant> {
        let count = u32::from_le_bytes(body.get(..4).ok_or(InvalidVariant::CutOff)?.try_into().expect("four bytes"));
        let mut body = &body[4..];
        match tag {
            tag::LIST => {
                for _ in 0..count {
                    body = self.check_one(body, depth + 1)?;
                }
            }
            tag::MAP => {
                for _ in 0..count {
                    body = self.check_one(body, depth + 1)?;
                    body = self.check_one(body, depth + 1)?;
                }
            }
            tag::STRUCT => {
                let number = body.get(..2).ok_or(InvalidVariant::CutOff)?;
                let number = u16::from_le_bytes([number[0], number[1]]);
                if number == NO_SCHEMA_16 || (self.schema_fields)(number) != Some(count as usize) {
                    return Err(InvalidVariant::Reference);
                }
                body = &body[2..];
                for _ in 0..count {
                    body = self.check_one(body, depth + 1)?;
                }
            }
            _ => body = self.check_object(count, body, depth)?,
        }
        if body.is_empty() { Ok(()) } else { Err(InvalidVariant::Trailing) }
    }

    /// Names and scalars come first and containers after them, since an object inside overwrites the stamps of
    /// names.
    fn check_object<'b>(&mut self, count: u32, body: &'b [u8], depth: usize) -> Result<&'b [u8], InvalidVariant> {
        self.stamp += 1;
        let mut inline = None::<HashSet<&[u8]>>;
        let (mut at, mut nested) = (body, false);
        for _ in 0..count {
            let (name, rest) = skip_name(at)?;
            match name {
                RawName::Id(id) => {
                    let seen = self.stamps.get_mut(usize::from(id)).ok_or(InvalidVariant::Reference)?;
                    if std::mem::replace(seen, self.stamp) == self.stamp {
                        return Err(InvalidVariant::DuplicateName);
                    }
                    self.name_bytes += self.names[usize::from(id)].len() as u64;
                }
                RawName::Inline(bytes) => {
                    let name = std::str::from_utf8(bytes).map_err(|_| InvalidVariant::Utf8)?;
                    let names = self.names;
                    let known = self.name_set.get_or_insert_with(|| names.iter().copied().collect());
                    if known.contains(name) || !inline.get_or_insert_default().insert(bytes) {
                        return Err(InvalidVariant::DuplicateName);
                    }
                }
            }
            at = match rest.first() {
                Some(tag::LIST..=tag::STRUCT) => {
                    nested = true;
                    split_sized(&rest[1..])?.1
                }
                _ => self.check_one(rest, depth + 1)?,
            };
        }
        let end = at;
        let mut at = body;
        while nested && at.len() != end.len() {
            let (_, rest) = skip_name(at)?;
            at = match rest.first() {
                Some(tag::LIST..=tag::STRUCT) => self.check_one(rest, depth + 1)?,
                _ => &rest[value_len(rest)..],
            };
        }
        Ok(end)
    }
}

enum RawName<'b> {
    Id(u16),
    Inline(&'b [u8]),
}

fn skip_name(body: &[u8]) -> Result<(RawName<'_>, &[u8]), InvalidVariant> {
    let (id, rest) = body.split_at_checked(2).ok_or(InvalidVariant::CutOff)?;
    let id = u16::from_le_bytes([id[0], id[1]]);
    if id != INLINE_NAME {
        return Ok((RawName::Id(id), rest));
    }
    let (name, rest) = split_sized(rest)?;
    Ok((RawName::Inline(name), rest))
}

fn split_sized(bytes: &[u8]) -> Result<(&[u8], &[u8]), InvalidVariant> {
    let (len, rest) = bytes.split_at_checked(4).ok_or(InvalidVariant::CutOff)?;
    let len = u32::from_le_bytes(len.try_into().expect("four bytes")) as usize;
    rest.split_at_checked(len).ok_or(InvalidVariant::CutOff)
}
