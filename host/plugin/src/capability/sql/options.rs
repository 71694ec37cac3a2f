//! What a guest says about a session and a query, as JSON, and the values that it gives for placeholders.

use std::time::Duration;

use serde_json::{Map, Value};

use super::SqlError;
use super::clock::{Calendar, Zone};

/// A value for one placeholder.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) kind: String,
    pub(crate) value: Option<String>,
}

/// How a session is opened.
#[derive(Clone, Debug)]
pub(super) struct SessionOptions {
    /// As SQL has it; none leaves it to the database.
    pub(super) isolation: Option<&'static str>,
    pub(super) zone: Zone,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) statement_timeout: Option<Duration>,
    pub(super) read_only: bool,
    /// The name that Connect's JDBC connectors have for the database, if it is to be this one.
    pub(super) dialect: Option<String>,
}

/// What becomes of NUMERIC columns.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NumericMapping {
    None,
    PrecisionOnly,
    BestFit,
    BestFitEagerDouble,
}

/// What becomes of timestamps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Granularity {
    ConnectLogical,
    MicrosLong,
    NanosLong,
    MicrosString,
    NanosString,
    MicrosIso,
    NanosIso,
}

/// What becomes of whole numbers without a sign of 64 bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum UnsignedBigint {
    Int64,
    Decimal,
    Text,
}

/// How rows become records.
#[derive(Clone, Debug)]
pub(super) struct QueryOptions {
    pub(super) name: Option<String>,
    pub(super) numeric: NumericMapping,
    pub(super) granularity: Granularity,
    pub(super) zone: Zone,
    pub(super) calendar: Calendar,
    pub(super) arrays: bool,
    pub(super) unsigned_bigint: UnsignedBigint,
    pub(super) cursor: Vec<String>,
}

/// Reads members of a JSON object.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn parse(json: &str, of: &str) -> Result<Self, SqlError> {
        let json = if json.trim().is_empty() { "{}" } else { json };
        match serde_json::from_str(json) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(SqlError::fatal(format!("the {of} of the plugin are no JSON object: {json}"))),
        }
    }

    pub(super) fn of(members: Map<String, Value>) -> Self {
        Self(members)
    }

    fn odd(name: &str, value: &Value) -> SqlError {
        SqlError::fatal(format!("the plugin says {name}: {value}, which is none of its values"))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, SqlError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(Self::odd(name, other)),
        }
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, SqlError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Self::odd(name, other)),
        }
    }

    pub(super) fn millis(&self, name: &str) -> Result<Option<Duration>, SqlError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let millis = value.as_u64().ok_or_else(|| Self::odd(name, value))?;
                Ok((millis != 0).then(|| Duration::from_millis(millis)))
            }
        }
    }

    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, SqlError> {
        let Some(value) = self.0.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let texts = value.as_array().and_then(|list| list.iter().map(|one| one.as_str().map(str::to_owned)).collect());
        texts.map(Some).ok_or_else(|| Self::odd(name, value))
    }

    /// One of several words, whatever their case.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], default: T) -> Result<T, SqlError> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else { return Ok(default) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value).ok_or_else(|| Self::odd(name, &text.into()))
    }

    pub(super) fn zone(&self, name: &str, default: Zone) -> Result<Zone, SqlError> {
        match self.text(name)?.filter(|text| !text.is_empty()) {
            Some(text) => Zone::named(text).map_err(|why| SqlError::config(format!("{name}: {why}"))),
            None => Ok(default),
        }
    }

    pub(super) fn calendar(&self) -> Result<Calendar, SqlError> {
        let words = [("LEGACY", Calendar::Legacy), ("PROLEPTIC_GREGORIAN", Calendar::ProlepticGregorian)];
        self.word("date.calendar.system", &words, Calendar::Legacy)
    }
}

impl SessionOptions {
    pub(super) fn parse(json: &str) -> Result<Self, SqlError> {
        let members = Members::parse(json, "options of the session")?;
        let levels = [
            ("DEFAULT", None),
            ("READ_UNCOMMITTED", Some("READ UNCOMMITTED")),
            ("READ_COMMITTED", Some("READ COMMITTED")),
            ("REPEATABLE_READ", Some("REPEATABLE READ")),
            ("SERIALIZABLE", Some("SERIALIZABLE")),
        ];
        Ok(Self {
            isolation: members.word("isolation", &levels, None)?,
            zone: members.zone("db.timezone", Zone::utc())?,
            connect_timeout: members.millis("connect.timeout.ms")?,
            statement_timeout: members.millis("statement.timeout.ms")?,
            read_only: members.flag("read.only")?,
            dialect: members.text("dialect")?.filter(|name| !name.is_empty()).map(str::to_owned),
        })
    }
}

impl QueryOptions {
    pub(super) fn parse(json: &str, zone: &Zone) -> Result<Self, SqlError> {
        let members = Members::parse(json, "options of the query")?;
        let mappings = [
            ("none", NumericMapping::None),
            ("precision_only", NumericMapping::PrecisionOnly),
            ("best_fit", NumericMapping::BestFit),
            ("best_fit_eager_double", NumericMapping::BestFitEagerDouble),
        ];
        let granularities = [
            ("connect_logical", Granularity::ConnectLogical),
            ("micros_long", Granularity::MicrosLong),
            ("nanos_long", Granularity::NanosLong),
            ("micros_string", Granularity::MicrosString),
            ("nanos_string", Granularity::NanosString),
            ("micros_iso_datetime_string", Granularity::MicrosIso),
            ("nanos_iso_datetime_string", Granularity::NanosIso),
        ];
        let unsigned =
            [("int64", UnsignedBigint::Int64), ("decimal", UnsignedBigint::Decimal), ("string", UnsignedBigint::Text)];
        Ok(Self {
            name: members.text("name")?.map(str::to_owned),
            numeric: members.word("numeric.mapping", &mappings, NumericMapping::None)?,
            granularity: members.word("timestamp.granularity", &granularities, Granularity::ConnectLogical)?,
            zone: members.zone("db.timezone", zone.clone())?,
            calendar: members.calendar()?,
            arrays: members.flag("arrays")?,
            unsigned_bigint: members.word("unsigned.bigint", &unsigned, UnsignedBigint::Int64)?,
            cursor: members.texts("cursor")?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_what_is_none_of_their_values_is_named() {
        let options = SessionOptions::parse(r#"{"isolation":"serializable","statement.timeout.ms":5}"#).unwrap();
        assert_eq!(options.isolation, Some("SERIALIZABLE"));
        assert_eq!(options.statement_timeout, Some(Duration::from_millis(5)));
        let refused = SessionOptions::parse(r#"{"isolation":"SNAPSHOT"}"#).unwrap_err().message;
        assert_eq!(refused, "the plugin says isolation: \"SNAPSHOT\", which is none of its values");
        let zone = Zone::utc();
        let query =
            QueryOptions::parse(r#"{"numeric.mapping":"best_fit","cursor":["id"],"arrays":true}"#, &zone).unwrap();
        assert_eq!((query.numeric, query.cursor, query.arrays), (NumericMapping::BestFit, vec!["id".to_owned()], true));
        for odd in ["[]", "7", r#"{"cursor":"id"}"#, r#"{"arrays":"yes"}"#, r#"{"db.timezone":"Nowhere/Land"}"#] {
            assert!(QueryOptions::parse(odd, &zone).is_err(), "{odd}");
        }
    }
}
