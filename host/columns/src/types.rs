//! Values as other types.

use std::sync::Arc;

use millstream_record::batch::{Block, Column, ColumnBuilder, Kind, Union};
use millstream_record::{Field, Schema, SchemaType, Value, logical};
use millstream_values::base64;
use millstream_values::cast::{CannotCast, CastTarget};

use crate::build::{Build, typed_nulls};
use crate::cells::{Cell, Cells, common_rows, wanted};
use crate::error::{Result, misuse};
use crate::held::{Held, masked};
use crate::place::{plain, shared, type_schema};
use crate::session::{Bounds, Made, Session};

/// What `cast` goes to.
#[derive(Clone, Copy)]
enum Target {
    Plain(CastTarget),
    Moment(&'static str),
}

/// How bytes stand in text.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Base64,
    Hex,
}

impl Target {
    fn of(name: &str) -> Result<Self> {
        Ok(match name {
            "date" => Self::Moment(logical::DATE),
            "time" => Self::Moment(logical::TIME),
            "timestamp" => Self::Moment(logical::TIMESTAMP),
            name => Self::Plain(CastTarget::of(&name.to_uppercase()).ok_or_else(|| {
                misuse(format!(
                    "nothing is cast to {name}: there are int8, int16, int32, int64, float32, float64, boolean, string, date, \
                     time and timestamp"
                ))
            })?),
        })
    }

    fn schema(self) -> Schema {
        match self {
            Self::Plain(target) => Schema::new(target.schema_type()),
            Self::Moment(logical::DATE) => Schema::date(),
            Self::Moment(logical::TIME) => Schema::time(),
            Self::Moment(_) => Schema::timestamp(),
        }
    }

    fn cast(self, schema: Option<&Arc<Schema>>, value: &Value) -> std::result::Result<Value, String> {
        match (self, value) {
            (_, Value::Null) => Ok(Value::Null),
            (Self::Plain(target), Value::Instant(ms)) if schema.is_none() && target != CastTarget::String => {
                target.cast(None, &Value::Int64(*ms)).map_err(said)
            }
            (Self::Plain(CastTarget::String), Value::Decimal(_)) => {
                Ok(Value::String(millstream_values::value_text(value)))
            }
            (Self::Plain(target), _) => target.cast(schema, value).map_err(said),
            (Self::Moment(name), Value::Instant(ms)) => Ok(Value::Instant(match name {
                logical::DATE => ms - ms.rem_euclid(DAY_MS),
                logical::TIME => ms.rem_euclid(DAY_MS),
                _ => *ms,
            })),
            (Self::Moment(logical::DATE), _) => {
                let days = whole(value)?;
                let ms = i32::try_from(days).ok().map(|days| i64::from(days) * DAY_MS);
                ms.map(Value::Instant).ok_or_else(|| format!("there is no day {days}"))
            }
            (Self::Moment(logical::TIME), _) => {
                let ms = whole(value)?;
                if (0..DAY_MS).contains(&ms) {
                    Ok(Value::Instant(ms))
                } else {
                    Err(format!("no day has the millisecond {ms}"))
                }
            }
            (Self::Moment(_), _) => whole(value).map(Value::Instant),
        }
    }
}

const DAY_MS: i64 = 86_400_000;

fn whole(value: &Value) -> std::result::Result<i64, String> {
    match value {
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => {
            match CastTarget::Int64.cast(None, value).map_err(said)? {
                Value::Int64(number) => Ok(number),
                _ => Err("no whole number".to_owned()),
            }
        }
        other => Err(format!("found a {}, wanted a whole number or a moment", other.java_class())),
    }
}

fn said(CannotCast { message, found }: CannotCast) -> String {
    match found {
        Some((found, wanted)) => format!("{message} (found {found}, wanted {wanted})"),
        None => message,
    }
}

impl Session {
    /// Values as another type.
    ///
    /// # Errors
    ///
    /// No such column or type.
    pub fn cast(&mut self, column: u32, to: &str, bounds: &Bounds) -> Result<Made> {
        let target = Target::of(to)?;
        let held = self.column(column)?;
        let mut failed = Vec::new();
        let mut blocks = Vec::with_capacity(held.union.blocks.len());
        for (at, (block, schema)) in held.union.blocks.iter().zip(held.schemas(&self.base)).enumerate() {
            bounds.check()?;
            let members = held.union.rows_of(at, held.rows as usize);
            let typed = shared(target.schema());
            let mut builder = ColumnBuilder::for_schema(&typed);
            for (row, of_column) in members.into_iter().enumerate() {
                if row % 1024 == 0 {
                    bounds.check()?;
                }
                let value = match held.is_present(of_column as usize) {
                    true => block.column.value(row, schema.as_ref(), &self.base),
                    false => Value::Null,
                };
                match target.cast(schema.as_ref(), &value) {
                    Ok(value) => builder.push(&value, &mut self.base)?,
                    Err(message) => {
                        failed.push((of_column as usize, message));
                        builder.push_null();
                    }
                }
            }
            let mut column = builder.finish();
            if column.kind == Kind::Null {
                column = typed_nulls(millstream_record::batch::physical_kind(&typed), column.rows);
            }
            let has_schema = schema.is_some() || (held.fresh && matches!(target, Target::Moment(_)));
            let place = match has_schema {
                false => None,
                true => {
                    let optional = !column.is_full() || schema.as_ref().is_some_and(|schema| schema.optional);
                    Some(self.base.place(&shared(Schema { optional, ..(*typed).clone() }))?)
                }
            };
            blocks.push(Block { schema: place, column });
        }
        failed.sort_by_key(|(row, _)| *row);
        // Without a schema, what is not from maps gets one by its new type.
        let fresh = held.fresh && blocks.iter().all(|block| block.schema.is_none());
        let union = Union { tags: held.union.tags.clone(), blocks };
        let made = Held { rows: held.rows, constant: held.constant, union, present: held.present.clone(), fresh };
        self.made(made, failed, bounds)
    }

    /// Bytes as text.
    ///
    /// # Errors
    ///
    /// No such column or encoding; values that are no bytes.
    pub fn to_text(&mut self, column: u32, encoding: &str, bounds: &Bounds) -> Result<Made> {
        let encoding = Encoding::of(encoding)?;
        self.recoded(column, Kind::String, bounds, |row, cell, build| {
            let bytes = match cell {
                Cell::Bytes(bytes) => bytes,
                // It is text already.
                Cell::Text(text) if matches!(encoding, Encoding::Utf8) => text.as_bytes(),
                other => return Err(wanted(row, other, "bytes")),
            };
            Ok(match encoding.text(bytes) {
                Some(text) => {
                    build.text(&text);
                    None
                }
                None => Some("the bytes are no UTF-8".to_owned()),
            })
        })
    }

    /// Text as bytes.
    ///
    /// # Errors
    ///
    /// No such column or encoding; values that are no texts.
    pub fn to_bytes(&mut self, column: u32, encoding: &str, bounds: &Bounds) -> Result<Made> {
        let encoding = Encoding::of(encoding)?;
        self.recoded(column, Kind::Bytes, bounds, |row, cell, build| {
            let Cell::Text(text) = cell else { return Err(wanted(row, cell, "a text")) };
            Ok(match encoding.bytes(text) {
                Some(bytes) => {
                    build.bytes(&bytes);
                    None
                }
                None => Some(format!("the text is no {}", encoding.name())),
            })
        })
    }

    fn recoded(
        &mut self,
        column: u32,
        kind: Kind,
        bounds: &Bounds,
        each: impl Fn(usize, Cell<'_>, &mut Build) -> Result<Option<String>>,
    ) -> Result<Made> {
        let held = self.column(column)?;
        let cells = Cells::new(&held);
        let (mut build, mut failed) = (Build::new(), Vec::new());
        for row in 0..held.rows as usize {
            if row % 1024 == 0 {
                bounds.check()?;
            }
            match cells.get(row) {
                cell @ (Cell::Null | Cell::Absent) => build.missing(cell),
                cell => {
                    if let Some(message) = each(row, cell, &mut build)? {
                        failed.push((row, message));
                        build.null();
                    }
                }
            }
        }
        let rows = (!held.constant).then_some(held.rows);
        let made = build.finish(kind, rows, crate::build::schemaless(&[&held]));
        self.made(made, failed, bounds)
    }

    /// The same values without their schemas.
    ///
    /// # Errors
    ///
    /// No such column.
    pub fn schemaless(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        bounds.check()?;
        let held = self.column(column)?;
        let mut blocks = Vec::with_capacity(held.union.blocks.len());
        for (block, schema) in held.union.blocks.iter().zip(held.schemas(&self.base)) {
            blocks.push(Block { schema: None, column: plain(&block.column, schema.as_ref(), &mut self.base)? });
        }
        let union = Union { tags: held.union.tags.clone(), blocks };
        let made = Held { union, fresh: false, ..(*held).clone() };
        self.hold(made, bounds)
    }

    /// Structs of columns, or maps if one of them has data without a schema.
    ///
    /// # Errors
    ///
    /// Names that are none or the same, columns that do not go together or have values of several schemas.
    pub fn pack(&mut self, names: &[String], columns: &[u32], name: Option<&str>, bounds: &Bounds) -> Result<u32> {
        bounds.check()?;
        if names.len() != columns.len() || names.is_empty() {
            return Err(misuse(format!("pack: {} names for {} columns", names.len(), columns.len())));
        }
        for (at, name) in names.iter().enumerate() {
            if name.is_empty() || names[..at].contains(name) {
                return Err(misuse(format!("pack: {name:?} is empty or there twice")));
            }
        }
        let columns = self.columns(columns)?;
        let all: Vec<&Held> = columns.iter().map(|held| &**held).collect();
        let rows = common_rows(&all)?;
        let count = rows.unwrap_or(1);
        let as_map = all.iter().any(|held| held.is_schemaless());
        let mut fields = Vec::new();
        let mut children = Vec::new();
        for (name, held) in names.iter().zip(&all) {
            let held = match held.single() {
                Some(_) => held.expanded(count),
                None => self.one_block(held)?,
            };
            let block = &held.union.blocks[0];
            let schema = block.schema.map(|place| self.base.get(place));
            if as_map {
                let mut child = plain(&block.column, schema.as_ref(), &mut self.base)?.named(name.clone());
                if let Some(present) = held.present {
                    if child.constant {
                        child = child.expanded().named(name.clone());
                    }
                    child.present = Some(present.into());
                }
                children.push(child);
                continue;
            }
            let column = masked(block.column.clone(), held.present.as_deref(), &mut self.base)?;
            let schema = match schema {
                Some(schema) => schema,
                None => {
                    Arc::new(type_schema(column.kind).ok_or_else(|| misuse(format!("pack: {name} needs a schema")))?)
                }
            };
            let schema = match schema.optional || column.is_full() {
                true => schema,
                false => Arc::new(Schema { optional: true, ..(*schema).clone() }),
            };
            fields.push(Field { name: name.clone(), schema });
            children.push(column.named(name.clone()));
        }
        let (kind, schema) = match as_map {
            true => (Kind::Object, None),
            false => {
                let schema = Schema { name: name.map(str::to_owned), ..Schema::new(SchemaType::Struct(fields)) };
                (Kind::Struct, Some(self.base.place(&shared(schema))?))
            }
        };
        let column = Column::new(kind, count, Vec::new()).with_children(children);
        let held = match rows {
            Some(_) => Held::of(column, schema, false),
            None => Held::constant(column, schema, false),
        };
        self.hold(held, bounds)
    }

    /// Values of several schemas in one block, for data without one.
    fn one_block(&mut self, held: &Held) -> Result<Held> {
        if !held.is_schemaless() {
            return Err(misuse(
                "pack: a column has values of several schemas; take their schemas away first (schemaless)",
            ));
        }
        let mut builder = ColumnBuilder::new();
        for (row, place) in held.places().into_iter().enumerate() {
            match held.is_present(row) {
                true => {
                    let value = held.union.blocks[place.block].column.value(place.row, None, &self.base);
                    builder.push(&value, &mut self.base)?;
                }
                false => builder.push_null(),
            }
        }
        Ok(Held { union: Union::single(None, builder.finish()), ..held.clone() })
    }
}

impl Encoding {
    fn of(name: &str) -> Result<Self> {
        match name {
            "utf-8" => Ok(Self::Utf8),
            "base64" => Ok(Self::Base64),
            "hex" => Ok(Self::Hex),
            name => Err(misuse(format!("there is no encoding {name}: there are utf-8, base64 and hex"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Base64 => "base64",
            Self::Hex => "hexadecimal number of whole bytes",
        }
    }

    fn text(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Utf8 => std::str::from_utf8(bytes).ok().map(str::to_owned),
            Self::Base64 => Some(base64::encode(bytes)),
            Self::Hex => Some(hex(bytes)),
        }
    }

    fn bytes(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Utf8 => Some(text.as_bytes().to_vec()),
            Self::Base64 => base64::decode(text),
            Self::Hex => {
                let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
                let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
                Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
            }
        }
    }
}

/// Hexadecimal digits of bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
