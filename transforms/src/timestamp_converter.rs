//! TimestampConverter: instants between text, numbers and Connect's logical types.

use std::sync::Arc;

use millstream_sdk::{
    Error, Field, Result, Schema, SchemaType, Value,
    batch::{Column, ColumnBuilder, Kind},
    config::{
        ConfigDef, ConfigValues,
        Importance::{High, Low, Medium},
        Key, PluginConfig, Validator,
    },
    error::class,
    logical,
    values::{DatePattern, value_text},
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{
        SchemaCache, copied, copies_as_is, found, get, is_in_every_map, put, require_map, require_struct, shared,
        type_name,
    },
};

key_and_value!(
    TimestampConverterKey,
    TimestampConverterValue,
    "org.apache.kafka.connect.transforms.TimestampConverter",
    TimestampConverterConfig,
    TimestampConverter,
    "Converts timestamps between text, epoch numbers and Connect's Date, Time and Timestamp."
);

/// What a time can be read from.
const WANTED: &str = "STRING, INT64, Date, Time or Timestamp";
const PURPOSE: &str = "converting timestamp formats";
const DAY_MS: i64 = 86_400_000;

/// A form that an instant may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Text,
    Unix,
    Date,
    Time,
    Timestamp,
}

impl Form {
    const NAMES: [(&str, Self); 5] = [
        ("string", Self::Text),
        ("unix", Self::Unix),
        ("Date", Self::Date),
        ("Time", Self::Time),
        ("Timestamp", Self::Timestamp),
    ];

    fn schema(self, optional: bool) -> Arc<Schema> {
        let schema = match self {
            Self::Text => Schema::new(SchemaType::String),
            Self::Unix => Schema::new(SchemaType::Int64),
            Self::Date => Schema::date(),
            Self::Time => Schema::time(),
            Self::Timestamp => Schema::timestamp(),
        };
        shared(Schema { optional, ..schema })
    }

    /// What a schema says that its values are.
    fn of_schema(schema: &Schema) -> Result<Self> {
        Ok(match (schema.name.as_deref(), &schema.kind) {
            (Some(logical::TIMESTAMP), _) => Self::Timestamp,
            (Some(logical::DATE), _) => Self::Date,
            (Some(logical::TIME), _) => Self::Time,
            (_, SchemaType::String) => Self::Text,
            (_, SchemaType::Int64) => Self::Unix,
            _ => {
                let text = schema.java_text();
                let message = format!("Schema {text} does not correspond to a known timestamp type format");
                return Err(found(Error::data(message).class(class::CONNECT_EXCEPTION), schema.kind.name(), WANTED));
            }
        })
    }

    /// What a value without a schema is by its class.
    fn of_value(value: &Value) -> Result<Self> {
        match value {
            Value::Instant(_) => Ok(Self::Timestamp),
            Value::Int64(_) => Ok(Self::Unix),
            Value::String(_) => Ok(Self::Text),
            other => {
                let class = other.java_class();
                let message = format!("TimestampConverter does not support class {class} objects as timestamps");
                Err(found(Error::data(message), type_name(other), WANTED))
            }
        }
    }
}

/// What a number counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Precision {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
}

impl Precision {
    const NAMES: [(&str, Self); 4] = [
        ("nanoseconds", Self::Nanoseconds),
        ("microseconds", Self::Microseconds),
        ("milliseconds", Self::Milliseconds),
        ("seconds", Self::Seconds),
    ];

    /// Milliseconds, towards zero and saturating.
    fn to_ms(self, number: i64) -> i64 {
        match self {
            Self::Nanoseconds => number / 1_000_000,
            Self::Microseconds => number / 1_000,
            Self::Milliseconds => number,
            Self::Seconds => number.saturating_mul(1_000),
        }
    }

    fn count_of_ms(self, ms: i64) -> i64 {
        match self {
            Self::Nanoseconds => ms.saturating_mul(1_000_000),
            Self::Microseconds => ms.saturating_mul(1_000),
            Self::Milliseconds => ms,
            Self::Seconds => ms / 1_000,
        }
    }
}

/// Its configuration.
#[derive(Debug)]
pub struct TimestampConverterConfig {
    /// Empty for the whole key or value.
    field: String,
    target: Form,
    format: Option<(String, DatePattern)>,
    precision: Precision,
    replace_null: bool,
}

impl PluginConfig for TimestampConverterConfig {
    fn definition() -> ConfigDef {
        let names = |names: Vec<&str>| Validator::OneOf(names.into_iter().map(str::to_owned).collect());
        ConfigDef::new()
            .key(
                Key::string("field")
                    .default("")
                    .importance(High)
                    .doc("Name of the field that holds the timestamp; empty if the whole key or value is one."),
            )
            .key(
                Key::string("target.type")
                    .required()
                    .validator(names(Form::NAMES.map(|(name, _)| name).to_vec()))
                    .importance(High)
                    .doc("What to convert to: string, unix, Date, Time, or Timestamp."),
            )
            .key(
                Key::string("format")
                    .default("")
                    .importance(Medium)
                    .doc("Pattern of Java's SimpleDateFormat, in UTC, with which text is written and read."),
            )
            .key(
                Key::string("unix.precision")
                    .default("milliseconds")
                    .validator(names(Precision::NAMES.map(|(name, _)| name).to_vec()))
                    .importance(Low)
                    .doc("What epoch numbers count, read and written: nanoseconds to seconds."),
            )
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let target = values.string("target.type")?;
        let target = Form::NAMES.into_iter().find(|(name, _)| *name == target).map(|(_, form)| form);
        let precision = values.string("unix.precision")?;
        let precision = Precision::NAMES.into_iter().find(|(name, _)| *name == precision).map(|(_, unit)| unit);
        let (Some(target), Some(precision)) = (target, precision) else {
            return Err(Error::config("unknown target.type or unix.precision"));
        };
        let format = values.opt_string("format").unwrap_or_default();
        if target == Form::Text && format.trim().is_empty() {
            let error = "TimestampConverter requires format option to be specified when using string timestamps";
            return Err(found(Error::config(error), "format=", "a pattern of Java's SimpleDateFormat"));
        }
        let format = match format.trim() {
            "" => None,
            _ => {
                let pattern = DatePattern::compile(format).map_err(|error| {
                    let refused = Error::config(format!(
                        "Invalid value java.lang.IllegalArgumentException: {error} for configuration TimestampConverter \
                         requires a SimpleDateFormat-compatible pattern for string timestamps: {format}"
                    ));
                    found(refused, format!("format={format}"), "a pattern of Java's SimpleDateFormat")
                })?;
                Some((format.to_owned(), pattern))
            }
        };
        let replace_null = values.boolean("replace.null.with.default")?;
        Ok(Self {
            field: values.opt_string("field").unwrap_or_default().to_owned(),
            target,
            format,
            precision,
            replace_null,
        })
    }
}

impl TimestampConverterConfig {
    /// The instant that a value stands for.
    fn read(&self, form: Form, value: &Value) -> Result<i64> {
        match (form, value) {
            (Form::Text, Value::String(text)) => self.read_text(text),
            (Form::Unix, Value::Int64(number)) => Ok(self.precision.to_ms(*number)),
            (Form::Date | Form::Time | Form::Timestamp, Value::Instant(ms)) => Ok(*ms),
            (_, other) => Err(Error::data(format!(
                "Expected {} timestamp to be of another class, but found {}",
                Form::NAMES.iter().find(|(_, known)| *known == form).map_or("", |(name, _)| name),
                other.java_class()
            ))),
        }
    }

    fn read_text(&self, text: &str) -> Result<i64> {
        let Some((format, pattern)) = &self.format else {
            let error = Error::data("text cannot be read without format").class("java.lang.NullPointerException");
            return Err(found(error, "STRING", "INT64, Date, Time or Timestamp, as no format is configured"));
        };
        pattern.parse(text).ok_or_else(|| {
            Error::data(format!("Could not parse timestamp: value ({text}) does not match pattern ({format})"))
        })
    }

    /// An instant as the target stores it, where that is a number.
    fn stored(&self, ms: i64) -> i64 {
        match self.target {
            Form::Unix => self.precision.count_of_ms(ms),
            Form::Date => ms - ms.rem_euclid(DAY_MS),
            Form::Time => ms.rem_euclid(DAY_MS),
            Form::Text | Form::Timestamp => ms,
        }
    }

    fn write(&self, ms: i64) -> Value {
        match (self.target, &self.format) {
            (Form::Text, Some((_, pattern))) => Value::String(pattern.format(ms)),
            (Form::Unix, _) => Value::Int64(self.stored(ms)),
            _ => Value::Instant(self.stored(ms)),
        }
    }

    fn convert(&self, form: Form, value: &Value) -> Result<Value> {
        if value.is_null() {
            return Ok(Value::Null);
        }
        Ok(self.write(self.read(form, value).map_err(|error| self.in_field(error))?))
    }

    /// A failure in the field that is converted, if it is one.
    fn in_field(&self, error: Error) -> Error {
        if self.field.is_empty() { error } else { error.in_field(&self.field) }
    }

    /// A column converted; `None` if its rows have to be looked at.
    fn column(&self, form: Form, column: &Column<'_>) -> Option<Column<'static>> {
        if column.kind == Kind::Null {
            return Some(column.clone().into_owned());
        }
        let wanted = match form {
            Form::Text => Kind::String,
            Form::Unix => Kind::Int64,
            Form::Date | Form::Time | Form::Timestamp => Kind::Instant,
        };
        if column.kind != wanted {
            return None;
        }
        let mut out = ColumnBuilder::new();
        let mut text = String::new();
        for row in 0..column.physical_rows() {
            if column.is_null(row) {
                out.push_null();
                continue;
            }
            let ms = match form {
                Form::Text => self.read_text(column.str(row)).ok()?,
                Form::Unix => self.precision.to_ms(column.int64(row)),
                Form::Date | Form::Time | Form::Timestamp => column.int64(row),
            };
            match (self.target, &self.format) {
                (Form::Text, Some((_, pattern))) => {
                    text.clear();
                    pattern.write(&mut text, ms);
                    out.push_str(&text);
                }
                (Form::Unix, _) => out.push_int64(self.stored(ms)),
                _ => out.push_instant(self.stored(ms)),
            }
        }
        let mut out = out.finish().named(column.name.clone().into_owned());
        if column.constant {
            out = out.repeated(column.rows);
        }
        out.present = column.present.clone().map(|bits| bits.into_owned().into());
        Some(out)
    }
}

/// What becomes of a schema whose field is converted.
#[derive(Clone, Debug)]
struct Plan {
    schema: Arc<Schema>,
    /// Place of the field and what it holds; none if there is no such field.
    field: Option<(usize, Form)>,
}

/// The transform.
pub struct TimestampConverter {
    config: TimestampConverterConfig,
    plans: SchemaCache<Result<Plan>>,
}

impl TimestampConverter {
    fn configure(config: TimestampConverterConfig) -> Result<Self> {
        Ok(Self { config, plans: SchemaCache::default() })
    }

    fn plan(&mut self, schema: &Arc<Schema>) -> Result<Plan> {
        let config = &self.config;
        self.plans.get(schema, |schema| Ok(plan(config, schema)))?
    }
}

fn plan(config: &TimestampConverterConfig, schema: &Arc<Schema>) -> Result<Plan> {
    let mut fields = schema.fields().to_vec();
    let mut converted = None;
    if let Some((at, field)) = schema.field(&config.field) {
        let form = Form::of_schema(&field.schema).map_err(|error| config.in_field(error))?;
        converted = Some((at, form));
        fields[at] = Field { name: field.name.clone(), schema: config.target.schema(field.schema.optional) };
    }
    let mut out = Schema { kind: SchemaType::Struct(fields), default: None, ..(**schema).clone() };
    if let Some(Value::Struct(own, slots)) = &schema.default {
        let plain = Arc::new(out.clone());
        let mut copies = Vec::with_capacity(slots.len());
        for (at, (field, slot)) in own.fields().iter().zip(slots).enumerate() {
            copies.push(match converted {
                Some((place, form)) if place == at => {
                    config.convert(form, &read_slot(field, slot.clone(), config.replace_null))?
                }
                _ => copied(field, slot.clone(), config.replace_null)?,
            });
        }
        out.default = Some(Value::Struct(plain, copies));
    }
    Ok(Plan { schema: shared(out), field: converted })
}

fn read_slot(field: &Field, slot: Value, replace_null: bool) -> Value {
    match field.schema.default_value() {
        Some(default) if slot.is_null() && replace_null => default,
        _ => slot,
    }
}

impl Logic for TimestampConverter {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        if self.config.field.is_empty() {
            return whole_column(&self.config, block);
        }
        if block.column.constant {
            return Ok(false);
        }
        match (block.schema.clone(), block.column.kind) {
            // Nulls pass.
            (None, Kind::Null) => Ok(true),
            (Some(schema), Kind::Struct) if block.column.valid.is_none() => {
                let Ok(plan) = self.plan(&schema) else { return Ok(false) };
                if !copies_as_is(&schema, block.column, |_| false) {
                    return Ok(false);
                }
                if let Some((at, form)) = plan.field {
                    let Some(column) = self.config.column(form, &block.column.children[at]) else { return Ok(false) };
                    block.column.children[at] = column;
                }
                *block.schema = Some(plan.schema);
                Ok(true)
            }
            (None, Kind::Object) => {
                let name = &self.config.field;
                let Some(at) = block.column.children.iter().position(|child| child.name == *name) else {
                    return Ok(false);
                };
                let child = &block.column.children[at];
                let form = match child.kind {
                    Kind::Null | Kind::Instant => Form::Timestamp,
                    Kind::Int64 => Form::Unix,
                    Kind::String => Form::Text,
                    _ => return Ok(false),
                };
                if !is_in_every_map(block.column, child) {
                    return Ok(false);
                }
                let Some(column) = self.config.column(form, child) else { return Ok(false) };
                block.column.children[at] = column;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        let config = &self.config;
        if config.field.is_empty() {
            let Some(schema) = schema else {
                let form = if value.is_null() { Form::Timestamp } else { Form::of_value(&value)? };
                return Ok((None, config.convert(form, &value)?));
            };
            let form = Form::of_schema(&schema)?;
            return Ok((Some(config.target.schema(schema.optional)), config.convert(form, &value)?));
        }
        let Some(schema) = schema else {
            if value.is_null() {
                return Ok((None, value));
            }
            let mut entries = require_map(value, PURPOSE)?;
            let old = get(&entries, &config.field).cloned().unwrap_or_default();
            let form = match &old {
                Value::Null => Form::Timestamp,
                old => Form::of_value(old).map_err(|error| config.in_field(error))?,
            };
            let converted = config.convert(form, &old)?;
            put(&mut entries, &config.field, converted);
            return Ok((None, Value::Map(entries)));
        };
        if !matches!(schema.kind, SchemaType::Struct(_)) {
            let text = value_text(&value);
            let error = Error::data(format!("Only Struct objects supported for [{PURPOSE}], found: {text}"));
            return Err(found(error, schema.kind.name(), "STRUCT"));
        }
        let plan = self.plan(&schema)?;
        if value.is_null() {
            return Ok((Some(plan.schema), value));
        }
        let (own, slots) = require_struct(value, PURPOSE)?;
        let mut copies = Vec::with_capacity(slots.len());
        for (at, (field, slot)) in own.fields().iter().zip(slots).enumerate() {
            copies.push(match plan.field {
                Some((place, form)) if place == at => {
                    let slot = read_slot(field, slot, self.config.replace_null);
                    let converted = self.config.convert(form, &slot)?;
                    copied(&plan.schema.fields()[at], converted, false)?
                }
                _ => copied(field, slot, self.config.replace_null)?,
            });
        }
        Ok((Some(Arc::clone(&plan.schema)), Value::Struct(plan.schema, copies)))
    }
}

fn whole_column(config: &TimestampConverterConfig, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
    let form = match (&*block.schema, block.column.kind) {
        (Some(schema), _) => Form::of_schema(schema)?,
        (None, Kind::Null | Kind::Instant) => Form::Timestamp,
        (None, Kind::Int64) => Form::Unix,
        (None, Kind::String) => Form::Text,
        _ => return Ok(false),
    };
    let Some(column) = config.column(form, block.column) else { return Ok(false) };
    let optional = block.schema.as_ref().map(|schema| schema.optional);
    *block.column = column;
    *block.schema = optional.map(|optional| config.target.schema(optional));
    Ok(true)
}
