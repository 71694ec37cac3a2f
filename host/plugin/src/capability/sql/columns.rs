//! What a database's values become: the schema of a query's records, and their columns.

use std::sync::Arc;

use millstream_record::batch::{ColumnBuilder, SchemaTable, Table, Union};
use millstream_record::{Field, Parameters, Schema, SchemaType, logical};
use serde_json::{Value as Json, json};

use super::SqlError;
use super::clock::{DAY_NANOS, DAY_SECONDS, Moment, date_text, time_text};
use super::numeric::{NoNumber, Number};
use super::options::{Granularity, NumericMapping, QueryOptions};

/// The parameter of a Decimal that holds its precision, by Connect's JDBC connectors.
const PRECISION: &str = "connect.decimal.precision";

/// The scale of a number whose type has none, by Connect's JDBC connectors.
pub(super) const NO_SCALE: i32 = 127;

/// What a column becomes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Decimal { scale: i32, precision: Option<u32> },
    Text,
    Bytes,
    Date,
    Time,
    Timestamp(Granularity),
    Array(Box<Form>),
}

/// A value as a database gives it.
#[derive(Clone, Debug)]
pub(super) enum Cell<'c> {
    Boolean(bool),
    Int(i64),
    Unsigned(u64),
    Float32(f32),
    Float64(f64),
    Number(Number),
    NoNumber(NoNumber),
    Text(&'c str),
    Owned(String),
    Bytes(&'c [u8]),
    /// Days since 1970, in the Gregorian calendar that goes on before 1582.
    Day(i64),
    /// Nanoseconds of a day, and of UTC if it has a zone.
    Time {
        nanos: i64,
        has_zone: bool,
    },
    /// What a clock shows, as if it were UTC.
    Shown(Moment),
    Instant(Moment),
    /// A date or time that is none.
    Infinity(&'static str),
    List(Vec<Option<Cell<'c>>>),
}

/// A column of a table or a query.
#[derive(Clone, Debug)]
pub(super) struct ColumnInfo {
    pub(super) name: String,
    /// As the database writes it: `numeric(10,2)`.
    pub(super) kind: String,
    /// Without length and precision.
    pub(super) base: String,
    /// None if nobody knows.
    pub(super) nullable: Option<bool>,
    pub(super) auto: bool,
    pub(super) default: Option<String>,
    pub(super) precision: Option<u32>,
    pub(super) scale: Option<i32>,
    /// Whether it holds instants rather than what a clock shows.
    pub(super) instant: bool,
    /// What rows of it become; none if they are left out.
    pub(super) form: Option<Form>,
}

impl ColumnInfo {
    pub(super) fn json(&self) -> Json {
        json!({
            "name": self.name,
            "type": self.kind,
            "base": self.base,
            "nullable": self.nullable,
            "auto": self.auto,
            "default": self.default,
            "precision": self.precision,
            "scale": self.scale,
            "instant": self.instant,
            "connect": self.form.as_ref().map(|form| {
                let schema = form.schema(false);
                let kind = schema.kind.name();
                schema.name.as_deref().map_or(kind, |name| name.rsplit('.').next().unwrap_or(kind)).to_owned()
            }),
        })
    }
}

impl Form {
    pub(super) fn schema(&self, optional: bool) -> Schema {
        let schema = match self {
            Self::Boolean => Schema::new(SchemaType::Boolean),
            Self::Int8 => Schema::new(SchemaType::Int8),
            Self::Int16 => Schema::new(SchemaType::Int16),
            Self::Int32 => Schema::new(SchemaType::Int32),
            Self::Int64 => Schema::new(SchemaType::Int64),
            Self::Float32 => Schema::new(SchemaType::Float32),
            Self::Float64 => Schema::new(SchemaType::Float64),
            Self::Text => Schema::new(SchemaType::String),
            Self::Bytes => Schema::new(SchemaType::Bytes),
            Self::Date => Schema::date(),
            Self::Time => Schema::time(),
            Self::Timestamp(Granularity::ConnectLogical) => Schema::timestamp(),
            Self::Timestamp(Granularity::MicrosLong | Granularity::NanosLong) => Schema::new(SchemaType::Int64),
            Self::Timestamp(_) => Schema::new(SchemaType::String),
            Self::Decimal { scale, precision } => {
                let mut schema = Schema::decimal(*scale);
                if let Some(precision) = precision {
                    let scale = (logical::SCALE.to_owned(), scale.to_string());
                    schema.parameters = Some(Parameters(vec![scale, (PRECISION.to_owned(), precision.to_string())]));
                }
                schema
            }
            Self::Array(element) => Schema::new(SchemaType::Array(Some(Arc::new(element.schema(true))))),
        };
        if optional { schema.optional() } else { schema }
    }

    /// What a NUMERIC becomes; `precision` and `scale` are none where the type has none.
    pub(super) fn numeric(precision: Option<u32>, scale: Option<i32>, mapping: NumericMapping) -> Self {
        let (Some(digits), Some(places)) = (precision, scale) else {
            return match mapping {
                NumericMapping::None | NumericMapping::PrecisionOnly => {
                    Self::Decimal { scale: scale.unwrap_or(NO_SCALE), precision }
                }
                NumericMapping::BestFit | NumericMapping::BestFitEagerDouble => Self::Float64,
            };
        };
        let is_whole = match mapping {
            NumericMapping::None => false,
            NumericMapping::PrecisionOnly => digits <= 18 && places == 0,
            NumericMapping::BestFit | NumericMapping::BestFitEagerDouble => digits <= 18 && (-84..=0).contains(&places),
        };
        // A negative scale has zeros behind the digits.
        let digits = if is_whole { digits.saturating_add(places.unsigned_abs()) } else { digits };
        match (is_whole, mapping) {
            (true, _) if 18 < digits => Self::Decimal { scale: places, precision },
            (true, _) if 9 < digits => Self::Int64,
            (true, _) if 4 < digits => Self::Int32,
            (true, _) if 2 < digits => Self::Int16,
            (true, _) => Self::Int8,
            (_, NumericMapping::BestFit) if digits <= 18 && 0 < places => Self::Float64,
            (_, NumericMapping::BestFitEagerDouble) if 0 < places => Self::Float64,
            _ => Self::Decimal { scale: places, precision },
        }
    }
}

/// A column that is read.
#[derive(Clone, Debug)]
pub(super) struct ReadColumn<S> {
    /// Its place in the rows of the database.
    pub(super) at: usize,
    pub(super) name: String,
    /// How its bytes are to be read.
    pub(super) source: S,
    form: Form,
}

/// What the rows of a query become.
#[derive(Clone, Debug)]
pub(super) struct Layout<S> {
    pub(super) columns: Vec<ReadColumn<S>>,
    schema: Arc<Schema>,
    /// Places of the cursors' columns among those read, and their schema.
    cursor: Option<(Vec<usize>, Arc<Schema>)>,
    options: QueryOptions,
    /// Columns that are left out: name and type.
    pub(super) left_out: Vec<(String, String)>,
}

impl<S> Layout<S> {
    /// From the columns of a query, each with how it is read.
    pub(super) fn new(columns: Vec<(ColumnInfo, S)>, options: &QueryOptions) -> Result<Self, SqlError> {
        let (mut read, mut fields, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (info, source)) in columns.into_iter().enumerate() {
            let Some(form) = info.form else {
                left_out.push((info.name, info.kind));
                continue;
            };
            let schema = Arc::new(form.schema(info.nullable != Some(false)));
            fields.push(Field { name: info.name.clone(), schema });
            read.push(ReadColumn { at, name: info.name, source, form });
        }
        let schema = Schema::structure(fields).map_err(|error| {
            SqlError::config(format!("two columns of the query have one name: {error}; give one another with AS"))
        })?;
        let schema = Arc::new(match &options.name {
            Some(name) => schema.named(name),
            None => schema,
        });
        let cursor = if options.cursor.is_empty() { None } else { Some(Self::cursor(&read, &left_out, options)?) };
        Ok(Self { columns: read, schema, cursor, options: options.clone(), left_out })
    }

    fn cursor(
        columns: &[ReadColumn<S>],
        left_out: &[(String, String)],
        options: &QueryOptions,
    ) -> Result<(Vec<usize>, Arc<Schema>), SqlError> {
        let (mut places, mut fields) = (Vec::new(), Vec::new());
        for name in &options.cursor {
            let exact = columns.iter().position(|column| column.name == *name);
            let mut alike = columns.iter().enumerate().filter(|(_, column)| column.name.eq_ignore_ascii_case(name));
            let at = exact.or_else(|| alike.next().map(|(at, _)| at).filter(|_| alike.next().is_none()));
            let at = at.ok_or_else(|| {
                if let Some((_, kind)) = left_out.iter().find(|(other, _)| other == name) {
                    return SqlError::config(format!(
                        "the column {name} of type {kind} cannot be read, and so no cursor"
                    ));
                }
                let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
                SqlError::config(format!("column {name} not found in {}", names.join(", ")))
            })?;
            let schema = match &columns[at].form {
                Form::Int8 | Form::Int16 | Form::Int32 | Form::Int64 => Schema::new(SchemaType::Int64),
                Form::Decimal { scale: 0 | NO_SCALE, .. } => Schema::new(SchemaType::Int64),
                Form::Date | Form::Timestamp(_) => moment_schema(),
                _ => Schema::new(SchemaType::String),
            };
            fields.push(Field { name: columns[at].name.clone(), schema: Arc::new(schema.optional()) });
            places.push(at);
        }
        let schema = Schema::structure(fields).map_err(|error| SqlError::fatal(format!("the cursor: {error}")))?;
        Ok((places, Arc::new(schema)))
    }
}

/// The exact value of a date or timestamp.
fn moment_schema() -> Schema {
    let field = |name: &str, kind| Field { name: name.to_owned(), schema: Arc::new(Schema::new(kind)) };
    Schema::new(SchemaType::Struct(vec![field("seconds", SchemaType::Int64), field("nanos", SchemaType::Int32)]))
}

/// Rows on their way to a batch.
pub(super) struct RowsBuilder {
    values: ColumnBuilder,
    keys: Option<ColumnBuilder>,
    pub(super) rows: u32,
    pub(super) bytes: usize,
}

impl RowsBuilder {
    pub(super) fn new<S>(layout: &Layout<S>) -> Self {
        Self {
            values: ColumnBuilder::for_schema(&layout.schema),
            keys: layout.cursor.as_ref().map(|(_, schema)| ColumnBuilder::for_schema(schema)),
            rows: 0,
            bytes: 0,
        }
    }

    /// Appends a row, whose cells `cell` gives together with the bytes that they take.
    ///
    /// # Errors
    ///
    /// A value has no form in Connect. What was appended before is of no use then.
    pub(super) fn push<'c, S>(
        &mut self,
        layout: &Layout<S>,
        mut cell: impl FnMut(&ReadColumn<S>) -> Result<(Option<Cell<'c>>, usize), String>,
    ) -> Result<(), SqlError> {
        let refused = |column: &ReadColumn<S>, rows: u32, why: String| {
            SqlError::data(format!("column {}, row {} of the rows read at a time: {why}", column.name, rows + 1))
        };
        let mut cursor: Vec<Option<Cell<'c>>> = Vec::new();
        let places = layout.cursor.as_ref().map_or(&[][..], |(places, _)| places);
        cursor.resize(places.len(), None);
        let fields = self.values.begin_struct().expect("the column is one of structs");
        for (at, (column, builder)) in layout.columns.iter().zip(fields).enumerate() {
            let (cell, bytes) = cell(column).map_err(|why| refused(column, self.rows, why))?;
            self.bytes += bytes + 8;
            for (place, slot) in places.iter().zip(&mut cursor) {
                if *place == at {
                    slot.clone_from(&cell);
                }
            }
            match cell {
                None => builder.push_null(),
                Some(cell) => {
                    push(cell, &column.form, &layout.options, builder)
                        .map_err(|why| refused(column, self.rows, why))?;
                }
            }
        }
        self.values.end_struct();
        if let Some(keys) = &mut self.keys {
            let fields = keys.begin_struct().expect("the column is one of structs");
            for ((place, cell), builder) in places.iter().zip(cursor).zip(fields) {
                let column = &layout.columns[*place];
                push_cursor(cell, &column.form, &layout.options, builder)
                    .map_err(|why| refused(column, self.rows, why))?;
            }
            keys.end_struct();
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows as a batch.
    pub(super) fn finish<S>(self, layout: &Layout<S>) -> Result<Vec<u8>, SqlError> {
        let mut table = Table::new(self.rows);
        let mut schemas = SchemaTable::default();
        let mut union = |schema: &Arc<Schema>, builder: ColumnBuilder| {
            let place = schemas.place(schema);
            let place = place.map_err(|error| SqlError::fatal(format!("the schema of the rows: {error}")))?;
            Ok(Union::single(Some(place), builder.finish()))
        };
        table.values = union(&layout.schema, self.values)?;
        if let (Some((_, schema)), Some(keys)) = (&layout.cursor, self.keys) {
            table.keys = union(schema, keys)?;
        }
        table.schemas = schemas;
        Ok(table.write())
    }
}

/// Why an integer does not fit its column's form.
fn out_of_range(value: impl std::fmt::Display, form: &Form) -> String {
    format!("{value} is out of the range of {}", form.schema(false).kind.name())
}

fn push_int(value: i64, form: &Form, builder: &mut ColumnBuilder) -> Result<(), String> {
    let narrow = |_| out_of_range(value, form);
    match form {
        Form::Boolean => builder.push_bool(value != 0),
        Form::Int8 => builder.push_int8(i8::try_from(value).map_err(narrow)?),
        Form::Int16 => builder.push_int16(i16::try_from(value).map_err(narrow)?),
        Form::Int32 => builder.push_int32(i32::try_from(value).map_err(narrow)?),
        Form::Int64 => builder.push_int64(value),
        Form::Float32 => builder.push_float32(value as f32),
        Form::Float64 => builder.push_float64(value as f64),
        Form::Text => builder.push_str(&value.to_string()),
        Form::Decimal { .. } => return push_number(Number::of(value.into(), 0), form, builder),
        _ => return Err(format!("{value} is a whole number")),
    }
    Ok(())
}

fn push_number(number: Number, form: &Form, builder: &mut ColumnBuilder) -> Result<(), String> {
    match form {
        Form::Decimal { scale, .. } => {
            let shown = number.scale;
            match number.rescaled(*scale) {
                Some(number) => number.push(builder),
                None => {
                    return Err(format!(
                        "a number of scale {shown} loses digits in a Decimal of scale {scale}: round it \
                                        in a query"
                    ));
                }
            }
        }
        Form::Float64 => builder.push_float64(number.to_f64()),
        Form::Float32 => builder.push_float32(number.to_f64() as f32),
        Form::Text => builder.push_str(&number.text()),
        form => match number.to_i64() {
            Some(value) => push_int(value, form, builder)?,
            None => return Err(out_of_range(number.text(), form)),
        },
    }
    Ok(())
}

/// Appends a value in its column's form.
fn push(cell: Cell<'_>, form: &Form, options: &QueryOptions, builder: &mut ColumnBuilder) -> Result<(), String> {
    match (cell, form) {
        (Cell::Int(value), form) => push_int(value, form, builder)?,
        (Cell::Text(text), Form::Text) => builder.push_str(text),
        (Cell::Owned(text), Form::Text) => builder.push_str(&text),
        (Cell::Number(number), form) => push_number(number, form, builder)?,
        (Cell::Float64(value), Form::Float64) => builder.push_float64(value),
        (Cell::Float64(value), Form::Float32) => builder.push_float32(value as f32),
        (Cell::Float32(value), Form::Float32) => builder.push_float32(value),
        (Cell::Float32(value), Form::Float64) => builder.push_float64(value.into()),
        (Cell::Boolean(value), Form::Boolean) => builder.push_bool(value),
        (Cell::Boolean(value), form) => push_int(value.into(), form, builder)?,
        (Cell::Bytes(bytes), Form::Bytes) => builder.push_bytes(bytes),
        (Cell::Text(text), Form::Bytes) => builder.push_bytes(text.as_bytes()),
        (Cell::Unsigned(value), Form::Text) => builder.push_str(&value.to_string()),
        (Cell::Unsigned(value), Form::Decimal { .. }) => push_number(Number::of(value.into(), 0), form, builder)?,
        (Cell::Unsigned(value), form) => match i64::try_from(value) {
            Ok(value) => push_int(value, form, builder)?,
            Err(_) => {
                return Err(format!(
                    "{value} is more than INT64 holds (9223372036854775807): read such columns as decimals or texts"
                ));
            }
        },
        (Cell::NoNumber(NoNumber::Nan), Form::Float64) => builder.push_float64(f64::NAN),
        (Cell::NoNumber(NoNumber::Infinity), Form::Float64) => builder.push_float64(f64::INFINITY),
        (Cell::NoNumber(NoNumber::NegativeInfinity), Form::Float64) => builder.push_float64(f64::NEG_INFINITY),
        (Cell::NoNumber(what), _) => {
            let what = if what == NoNumber::Nan { "NaN" } else { "infinity" };
            return Err(format!(
                "{what} has no Decimal: read the column as FLOAT64 (numeric.mapping=best_fit_eager_double, or a cast in a \
                 query), or leave such rows out"
            ));
        }
        (Cell::Day(day), Form::Date) => {
            let ms = options.calendar.day_read(day).checked_mul(DAY_SECONDS * 1000);
            builder
                .push_instant(ms.ok_or_else(|| format!("the year of {} is beyond Connect's dates", date_text(day)))?);
        }
        (Cell::Day(day), form) => {
            return push(Cell::Shown(Moment { seconds: day * DAY_SECONDS, nanos: 0 }), form, options, builder);
        }
        (Cell::Time { nanos, has_zone }, Form::Time) => {
            if !(0..DAY_NANOS).contains(&nanos) {
                return Err("24:00:00 and beyond is no time of day for Connect: read the column as text".to_owned());
            }
            let shown = Moment::of_nanos(nanos);
            let moment = if has_zone { shown } else { options.zone.moment_of(shown) };
            let ms = moment.seconds.rem_euclid(DAY_SECONDS) * 1000 + i64::from(moment.nanos / 1_000_000);
            builder.push_instant(ms);
        }
        (Cell::Shown(shown), Form::Timestamp(granularity)) => {
            let shown = options.calendar.read(shown);
            push_moment(options.zone.moment_of(shown), shown, *granularity, builder)?;
        }
        (Cell::Instant(moment), Form::Timestamp(granularity)) => {
            let moment = options.calendar.read(moment);
            push_moment(moment, options.zone.shown_at(moment), *granularity, builder)?;
        }
        (Cell::Shown(shown), Form::Date) => {
            let day = shown.seconds.div_euclid(DAY_SECONDS);
            return push(Cell::Day(day), form, options, builder);
        }
        (Cell::Infinity(what), _) => {
            return Err(format!("{what} has no instant: leave such rows out, or read NULLIF of it in a query"));
        }
        (Cell::List(cells), Form::Array(element)) => {
            let elements = builder.begin_list().ok_or("arrays nest too deep")?;
            for cell in cells {
                match cell {
                    None => elements.push_null(),
                    Some(cell) => push(cell, element, options, elements)?,
                }
            }
            builder.end_list();
        }
        (cell, form) => {
            let name = form.schema(false).java_text();
            return Err(format!("{} is no {name}", cell_text(&cell)));
        }
    }
    Ok(())
}

fn push_moment(
    moment: Moment,
    shown: Moment,
    granularity: Granularity,
    builder: &mut ColumnBuilder,
) -> Result<(), String> {
    let beyond = || format!("{} is beyond what 64 bits hold of it: choose another granularity", shown.shown(' ', 9));
    match granularity {
        Granularity::ConnectLogical => builder.push_instant(moment.millis().ok_or_else(beyond)?),
        Granularity::MicrosLong => builder.push_int64(moment.micros().ok_or_else(beyond)?),
        Granularity::NanosLong => builder.push_int64(moment.nanos().ok_or_else(beyond)?),
        Granularity::MicrosString => builder.push_str(&moment.micros().ok_or_else(beyond)?.to_string()),
        Granularity::NanosString => builder.push_str(&moment.nanos().ok_or_else(beyond)?.to_string()),
        Granularity::MicrosIso => builder.push_str(&shown.shown('T', 6)),
        Granularity::NanosIso => builder.push_str(&shown.shown('T', 9)),
    }
    Ok(())
}

/// Appends the exact value of a cursor's column.
fn push_cursor(
    cell: Option<Cell<'_>>,
    form: &Form,
    options: &QueryOptions,
    builder: &mut ColumnBuilder,
) -> Result<(), String> {
    let Some(cell) = cell else {
        builder.push_null();
        return Ok(());
    };
    match form {
        Form::Int8 | Form::Int16 | Form::Int32 | Form::Int64 | Form::Decimal { scale: 0 | NO_SCALE, .. } => {
            let value = match &cell {
                Cell::Int(value) => Some(*value),
                Cell::Boolean(value) => Some((*value).into()),
                Cell::Unsigned(value) => i64::try_from(*value).ok(),
                Cell::Number(number) => number.to_i64(),
                _ => None,
            };
            builder.push_int64(value.ok_or_else(|| format!("{} is no whole number of 64 bits", cell_text(&cell)))?);
        }
        Form::Date | Form::Timestamp(_) => {
            let moment = match &cell {
                Cell::Day(day) => options.zone.moment_of(Moment { seconds: day * DAY_SECONDS, nanos: 0 }),
                Cell::Shown(shown) => options.zone.moment_of(*shown),
                Cell::Instant(moment) => *moment,
                other => return Err(format!("{} is no instant", cell_text(other))),
            };
            let fields = builder.begin_struct().ok_or("the cursor is no struct")?;
            fields[0].push_int64(moment.seconds);
            fields[1].push_int32(moment.nanos as i32);
            builder.end_struct();
        }
        _ => builder.push_str(&cell_text(&cell)),
    }
    Ok(())
}

/// A value as text, as a parameter takes it.
fn cell_text(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Boolean(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::Unsigned(value) => value.to_string(),
        Cell::Float32(value) => value.to_string(),
        Cell::Float64(value) => value.to_string(),
        Cell::Number(number) => number.text(),
        Cell::NoNumber(NoNumber::Nan) => "NaN".to_owned(),
        Cell::NoNumber(NoNumber::Infinity) => "Infinity".to_owned(),
        Cell::NoNumber(NoNumber::NegativeInfinity) => "-Infinity".to_owned(),
        Cell::Text(text) => (*text).to_owned(),
        Cell::Owned(text) => text.clone(),
        Cell::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Cell::Day(day) => date_text(*day),
        Cell::Time { nanos, .. } => {
            let mut text = String::new();
            time_text(*nanos, 9, &mut text);
            text
        }
        Cell::Shown(moment) | Cell::Instant(moment) => moment.shown(' ', 9),
        Cell::Infinity(what) => (*what).to_owned(),
        Cell::List(cells) => format!("an array of {}", cells.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_numeric_becomes_what_its_mapping_says() {
        let decimal = |scale, precision| Form::Decimal { scale, precision };
        let form = |mapping, precision, scale| Form::numeric(precision, scale, mapping);
        let all = [
            NumericMapping::None,
            NumericMapping::PrecisionOnly,
            NumericMapping::BestFit,
            NumericMapping::BestFitEagerDouble,
        ];
        let of = |precision, scale| all.map(|mapping| form(mapping, Some(precision), Some(scale)));
        for (precision, whole) in
            [(2, Form::Int8), (3, Form::Int16), (5, Form::Int32), (10, Form::Int64), (18, Form::Int64)]
        {
            let expected = [decimal(0, Some(precision)), whole.clone(), whole.clone(), whole];
            assert_eq!(of(precision, 0), expected, "numeric({precision},0)");
        }
        let plain = decimal(2, Some(10));
        assert_eq!(of(10, 2), [plain.clone(), plain, Form::Float64, Form::Float64]);
        let wide = decimal(2, Some(30));
        assert_eq!(of(30, 2), [wide.clone(), wide.clone(), wide, Form::Float64]);
        let none = decimal(127, None);
        assert_eq!(all.map(|mapping| form(mapping, None, None)), [none.clone(), none, Form::Float64, Form::Float64]);
    }

    #[test]
    fn a_decimal_has_its_precision_among_its_parameters() {
        let schema = Form::Decimal { scale: 2, precision: Some(10) }.schema(true);
        let parameters = [("scale", "2"), (PRECISION, "10")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(schema, Schema { parameters: Some(Parameters(parameters.into())), ..Schema::decimal(2).optional() });
    }
}
