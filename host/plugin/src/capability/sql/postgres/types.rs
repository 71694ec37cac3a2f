//! PostgreSQL's types: how their bytes are to be read, and how values for placeholders are written.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgTypeKind};
use sqlx::{Postgres, Type, TypeInfo};

use super::super::clock::{Moment, Zone, parse_date, parse_shown, parse_time};
use super::super::columns::Form;
use super::super::numeric::Number;
use super::super::options::QueryOptions;

/// Days and seconds from 1970 to 2000, where the server's clock begins.
pub(super) const EPOCH_DAYS: i64 = 10_957;
pub(super) const EPOCH_SECONDS: i64 = EPOCH_DAYS * 86_400;

/// How a column's bytes are to be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in super::super) enum Source {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Money,
    Numeric,
    Text,
    /// `"char"`.
    Char,
    Jsonb,
    Uuid,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    /// `bit(1)`.
    Bit,
    /// Bits up to eight.
    FewBits,
    Bits,
    Array(Box<Source>),
    /// Left out.
    Unknown,
}

/// Numbers of the types that the server brings.
pub(super) mod oid {
    pub(crate) const BOOL: u32 = 16;
    pub(crate) const BYTEA: u32 = 17;
    pub(crate) const CHAR: u32 = 18;
    pub(crate) const NAME: u32 = 19;
    pub(crate) const INT8: u32 = 20;
    pub(crate) const INT2: u32 = 21;
    pub(crate) const INT4: u32 = 23;
    pub(crate) const TEXT: u32 = 25;
    pub(crate) const OID: u32 = 26;
    pub(crate) const JSON: u32 = 114;
    pub(crate) const XML: u32 = 142;
    pub(crate) const FLOAT4: u32 = 700;
    pub(crate) const FLOAT8: u32 = 701;
    pub(crate) const UNKNOWN: u32 = 705;
    pub(crate) const MONEY: u32 = 790;
    pub(crate) const BPCHAR: u32 = 1042;
    pub(crate) const VARCHAR: u32 = 1043;
    pub(crate) const DATE: u32 = 1082;
    pub(crate) const TIME: u32 = 1083;
    pub(crate) const TIMESTAMP: u32 = 1114;
    pub(crate) const TIMESTAMPTZ: u32 = 1184;
    pub(crate) const TIMETZ: u32 = 1266;
    pub(crate) const BIT: u32 = 1560;
    pub(crate) const NUMERIC: u32 = 1700;
    pub(crate) const UUID: u32 = 2950;
    pub(crate) const JSONB: u32 = 3802;
}

/// The number of a type; 0 if the server has not given it one.
pub(super) fn number(kind: &PgTypeInfo) -> u32 {
    kind.oid().map_or(0, |oid| oid.0)
}

/// The type beneath domains.
pub(super) fn base(kind: &PgTypeInfo) -> &PgTypeInfo {
    let mut kind = kind;
    while let PgTypeKind::Domain(inner) = kind.kind() {
        kind = inner;
    }
    kind
}

/// A type's name as the server's catalogue has it.
pub(super) fn name(kind: &PgTypeInfo) -> String {
    kind.name().trim_matches('"').to_ascii_lowercase()
}

/// Precision and scale of a NUMERIC by its modifier.
pub(super) fn precision(modifier: i32) -> Option<(u32, i32)> {
    let modifier = modifier.checked_sub(4).filter(|&modifier| 0 <= modifier)?;
    Some(((modifier >> 16 & 0xffff) as u32, (modifier & 0x7ff ^ 1024) - 1024))
}

/// How a column is read, and what it becomes.
pub(super) fn source(kind: &PgTypeInfo, modifier: i32, options: &QueryOptions) -> Option<(Source, Form)> {
    let kind = base(kind);
    let timestamp = Form::Timestamp(options.granularity);
    Some(match number(kind) {
        oid::BOOL => (Source::Bool, Form::Boolean),
        oid::INT2 => (Source::Int2, Form::Int16),
        oid::INT4 => (Source::Int4, Form::Int32),
        oid::INT8 => (Source::Int8, Form::Int64),
        oid::OID => (Source::Oid, Form::Int64),
        oid::FLOAT4 => (Source::Float4, Form::Float32),
        oid::FLOAT8 => (Source::Float8, Form::Float64),
        oid::MONEY => (Source::Money, Form::Float64),
        oid::NUMERIC => {
            let (digits, places) = precision(modifier).unzip();
            (Source::Numeric, Form::numeric(digits, places, options.numeric))
        }
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON | oid::XML | oid::UNKNOWN => {
            (Source::Text, Form::Text)
        }
        oid::CHAR => (Source::Char, Form::Text),
        oid::JSONB => (Source::Jsonb, Form::Text),
        oid::UUID => (Source::Uuid, Form::Text),
        oid::BYTEA => (Source::Bytea, Form::Bytes),
        oid::DATE => (Source::Date, Form::Date),
        oid::TIME => (Source::Time, Form::Time),
        oid::TIMETZ => (Source::TimeTz, Form::Time),
        oid::TIMESTAMP => (Source::Timestamp, timestamp),
        oid::TIMESTAMPTZ => (Source::TimestampTz, timestamp),
        oid::BIT => match modifier {
            1 => (Source::Bit, Form::Boolean),
            2..=8 => (Source::FewBits, Form::Int8),
            _ => (Source::Bits, Form::Bytes),
        },
        _ => match kind.kind() {
            PgTypeKind::Enum(_) => (Source::Text, Form::Text),
            PgTypeKind::Array(element) if options.arrays => {
                let (source, form) = source(element, modifier, options)?;
                (Source::Array(Box::new(source)), Form::Array(Box::new(form)))
            }
            _ if name(kind) == "citext" => (Source::Text, Form::Text),
            _ => return None,
        },
    })
}

/// Whether columns of the type hold instants.
pub(super) fn is_instant(kind: &PgTypeInfo) -> bool {
    number(base(kind)) == oid::TIMESTAMPTZ
}

/// A value in the server's binary form.
pub(super) struct Raw {
    pub(super) kind: PgTypeInfo,
    pub(super) bytes: Option<Vec<u8>>,
}

impl Type<Postgres> for Raw {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(sqlx::postgres::types::Oid(oid::UNKNOWN))
    }
}

impl Encode<'_, Postgres> for Raw {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match &self.bytes {
            None => Ok(IsNull::Yes),
            Some(bytes) => {
                buffer.extend_from_slice(bytes);
                Ok(IsNull::No)
            }
        }
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }

    fn size_hint(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }
}

/// The microseconds of a moment since 2000.
pub(super) fn timestamp_bytes(moment: Moment) -> Option<[u8; 8]> {
    let since = Moment { seconds: moment.seconds.checked_sub(EPOCH_SECONDS)?, nanos: moment.nanos };
    since.micros().map(i64::to_be_bytes)
}

/// The days of a date since 2000.
pub(super) fn date_bytes(day: i64) -> Option<[u8; 4]> {
    i32::try_from(day - EPOCH_DAYS).ok().map(i32::to_be_bytes)
}

/// A value for a placeholder, in the form of the type that the server has inferred for it.
pub(super) fn encode_text(kind: &PgTypeInfo, of: &str, text: &str, zone: &Zone) -> Result<Vec<u8>, String> {
    let kind = base(kind);
    let none = || format!("{text:?} is none");
    let moment = || -> Result<Option<Moment>, String> {
        match of {
            "timestamp" | "instant" => Ok(Some(Moment::parse(text).ok_or_else(none)?)),
            _ => Ok(None),
        }
    };
    Ok(match number(kind) {
        oid::BOOL => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "1" => vec![1],
            "false" | "f" | "0" => vec![0],
            _ => return Err(none()),
        },
        oid::INT2 => text.trim().parse::<i16>().map_err(|_| none())?.to_be_bytes().to_vec(),
        oid::INT4 => text.trim().parse::<i32>().map_err(|_| none())?.to_be_bytes().to_vec(),
        oid::OID => text.trim().parse::<u32>().map_err(|_| none())?.to_be_bytes().to_vec(),
        oid::INT8 => text.trim().parse::<i64>().map_err(|_| none())?.to_be_bytes().to_vec(),
        oid::FLOAT4 => text.trim().parse::<f32>().map_err(|_| none())?.to_be_bytes().to_vec(),
        oid::FLOAT8 => text.trim().parse::<f64>().map_err(|_| none())?.to_be_bytes().to_vec(),
        oid::NUMERIC => {
            let mut bytes = Vec::new();
            Number::parse(text).ok_or_else(none)?.write_postgres(&mut bytes)?;
            bytes
        }
        oid::BYTEA if of == "bytes" => hex(text).ok_or_else(none)?,
        oid::BYTEA => text.as_bytes().to_vec(),
        oid::UUID => {
            let digits: String = text.chars().filter(|character| !matches!(character, '-' | '{' | '}')).collect();
            hex(&digits).filter(|bytes| bytes.len() == 16).ok_or_else(none)?
        }
        oid::DATE => {
            let day = match moment()? {
                Some(moment) => zone.shown_at(moment).seconds.div_euclid(86_400),
                None => parse_date(text).ok_or_else(none)?,
            };
            date_bytes(day).ok_or_else(none)?.to_vec()
        }
        oid::TIME => (parse_time(text).ok_or_else(none)? / 1000).to_be_bytes().to_vec(),
        oid::TIMESTAMP => {
            let shown = match moment()? {
                Some(moment) => zone.shown_at(moment),
                None => parse_shown(text).ok_or_else(none)?,
            };
            timestamp_bytes(shown).ok_or_else(none)?.to_vec()
        }
        oid::TIMESTAMPTZ => {
            let moment = match moment()? {
                Some(moment) => moment,
                None => parse_shown(text).ok_or_else(none)?,
            };
            timestamp_bytes(moment).ok_or_else(none)?.to_vec()
        }
        oid::JSONB => [&[1], text.as_bytes()].concat(),
        oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::JSON | oid::XML | oid::UNKNOWN | oid::CHAR => {
            no_zero_bytes(match moment()? {
                Some(moment) => zone.shown_at(moment).shown(' ', 9),
                None => text.to_owned(),
            })?
        }
        _ if matches!(kind.kind(), PgTypeKind::Enum(_)) || name(kind) == "citext" => no_zero_bytes(text.to_owned())?,
        _ => {
            return Err(format!("values of this type cannot be given: write CAST(CAST(? AS text) AS {})", name(kind)));
        }
    })
}

fn no_zero_bytes(text: String) -> Result<Vec<u8>, String> {
    if text.contains('\0') {
        return Err("the text has a zero byte, which PostgreSQL stores in no text".to_owned());
    }
    Ok(text.into_bytes())
}

/// Bytes from hexadecimal digits.
pub(in super::super) fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let bytes = pairs.iter().map(|[high, low]| Some((digit(*high)? * 16 + digit(*low)?) as u8));
    if rest.is_empty() { bytes.collect() } else { None }
}
