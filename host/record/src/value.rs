//! One value of Connect's data model as a tree: for rows seen one at a time, defaults, tests and
//! tools. On the data path values stay in the columns of a batch.

use std::sync::Arc;

use crate::Schema;

/// A value. What Java tells apart by class is told apart here by variant.
///
/// Floats compare by bits through [`Value::same`]; `PartialEq` follows IEEE (NaN differs from itself).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Java's `null`.
    #[default]
    Null,
    /// Java's `Boolean`.
    Boolean(bool),
    /// Java's `Byte`.
    Int8(i8),
    /// Java's `Short`.
    Int16(i16),
    /// Java's `Integer`.
    Int32(i32),
    /// Java's `Long`.
    Int64(i64),
    /// Java's `Float`.
    Float32(f32),
    /// Java's `Double`.
    Float64(f64),
    /// Java's `String`.
    String(String),
    /// `byte[]` or `ByteBuffer`.
    Bytes(Vec<u8>),
    /// `BigDecimal`; carries its own scale, which may differ from its schema's.
    Decimal(Decimal),
    /// `BigInteger`, as minimal big-endian two's complement.
    BigInteger(Vec<u8>),
    /// `java.util.Date`: milliseconds since the epoch. Stands for dates, times and timestamps alike.
    Instant(i64),
    /// Java's `List`; its values may be of different classes.
    List(Vec<Value>),
    /// `Map`, in insertion order. Keys may be any value; no two are equal.
    Map(Vec<(Value, Value)>),
    /// `Struct`: one slot per field of its schema, [`Value::Null`] where it is not set.
    Struct(Arc<Schema>, Vec<Value>),
}

/// An unscaled integer and the number of decimal places: `unscaled × 10^-scale`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Decimal {
    /// Minimal big-endian two's complement, at least one byte.
    pub unscaled: Vec<u8>,
    /// Decimal places; may be negative.
    pub scale: i32,
}

impl Value {
    /// The Java class that Connect's messages would name.
    pub fn java_class(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "java.lang.Boolean",
            Self::Int8(_) => "java.lang.Byte",
            Self::Int16(_) => "java.lang.Short",
            Self::Int32(_) => "java.lang.Integer",
            Self::Int64(_) => "java.lang.Long",
            Self::Float32(_) => "java.lang.Float",
            Self::Float64(_) => "java.lang.Double",
            Self::String(_) => "java.lang.String",
            Self::Bytes(_) => "[B",
            Self::Decimal(_) => "java.math.BigDecimal",
            Self::BigInteger(_) => "java.math.BigInteger",
            Self::Instant(_) => "java.util.Date",
            Self::List(_) => "java.util.ArrayList",
            Self::Map(_) => "java.util.HashMap",
            Self::Struct(..) => "org.apache.kafka.connect.data.Struct",
        }
    }

    /// Whether this is Java's `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Equality as Java's `equals` sees it: floats by bits, so NaN equals NaN and 0.0 differs from
    /// -0.0; maps without regard to order.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Float32(a), Self::Float32(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Float64(a), Self::Float64(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::List(a), Self::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b)),
            (Self::Map(a), Self::Map(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| b.iter().any(|(k, v)| k.same(key) && v.same(value)))
            }
            (Self::Struct(schema_a, a), Self::Struct(schema_b, b)) => {
                schema_a == schema_b && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            _ => self == other,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}
