//! Source partitions and offsets, in the form in which Connect's JDBC connectors store them.

use millstream_sdk::{Error, Result, SourceContext, Value, get, map};

use super::settings::Mode;
use crate::table_name::TableName;

const INCREMENTING: &str = "incrementing";
const TIMESTAMP: &str = "timestamp";
const NANOS: &str = "timestamp_nanos";

/// A moment: whole seconds since 1970, rounded down, and nanoseconds of the second.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Moment {
    pub seconds: i64,
    pub nanos: u32,
}

impl Moment {
    /// Milliseconds since 1970.
    pub fn of_millis(ms: i64) -> Self {
        Self { seconds: ms.div_euclid(1000), nanos: ms.rem_euclid(1000) as u32 * 1_000_000 }
    }

    /// Milliseconds since 1970, rounded down.
    pub fn millis(self) -> i64 {
        self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000))
    }

    /// The moment so many milliseconds before.
    #[must_use]
    pub fn minus_millis(self, ms: i64) -> Self {
        let whole = Self::of_millis(self.millis().saturating_sub(ms));
        Self { nanos: whole.nanos + self.nanos % 1_000_000, ..whole }
    }

    /// The same without what is less than a millisecond.
    #[must_use]
    pub fn whole_millis(self) -> Self {
        Self { nanos: self.nanos / 1_000_000 * 1_000_000, ..self }
    }
}

/// Where a table or query goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// The last number read.
    pub incrementing: Option<i64>,
    /// The last time read.
    pub timestamp: Option<Moment>,
}

impl Position {
    /// What a stored offset says.
    ///
    /// # Errors
    ///
    /// A member has not the form that it should have.
    pub fn of_offset(offset: &Value) -> Result<Self> {
        let number = |key: &str| match get(offset, key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Int64(number)) => Ok(Some(*number)),
            Some(_) => {
                Err(Error::config(format!("the value for the '{key}' key in the offset must be a whole number")))
            }
        };
        let nanos = number(NANOS)?
            .map(|nanos| u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or(nanos))
            .transpose()
            .map_err(|found| {
                Error::config(format!(
                    "the value for the '{NANOS}' key in the offset must be from 0 to 999999999: {found}"
                ))
            })?;
        let timestamp = number(TIMESTAMP)?.map(|ms| {
            let whole = Moment::of_millis(ms);
            Moment { nanos: nanos.unwrap_or(whole.nanos), ..whole }
        });
        Ok(Self { incrementing: number(INCREMENTING)?, timestamp })
    }

    /// The names of the columns of offsets in a mode, in the order in which they stand.
    pub fn members(mode: Mode) -> &'static [&'static str] {
        match mode {
            Mode::Bulk => &[],
            Mode::Incrementing => &[INCREMENTING],
            Mode::Timestamp => &[TIMESTAMP, NANOS],
            Mode::Both => &[INCREMENTING, TIMESTAMP, NANOS],
        }
    }
}

/// What the records of a table or query come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A table.
    Table(TableName),
    /// The configured query.
    Query,
}

impl Origin {
    /// The partition under which offsets are stored.
    pub fn partition(&self, mode: Mode) -> Value {
        match (self, mode) {
            (Self::Query, _) => map([("query", "query".into())]),
            (Self::Table(table), Mode::Bulk) => map([("table", table.table().into())]),
            (Self::Table(table), _) => current(table.to_string()),
        }
    }

    /// All partitions under which offsets of this may be stored, the one that counts first: today's, that of before mid-2018,
    /// and one that drivers since 2025 have made, with the database's name in front.
    fn partitions(&self, mode: Mode, catalog: Option<&str>) -> Vec<Value> {
        let mut partitions = vec![self.partition(mode)];
        if let (Self::Table(table), true) = (self, mode != Mode::Bulk) {
            partitions.push(map([("table", table.table().into())]));
            if let Some(catalog) = catalog.filter(|_| table.parts().len() == 2) {
                partitions.push(current(format!("{catalog}.{table}")));
            }
        }
        partitions
    }

    /// Where to go on: the first offset that is stored.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or what is stored has another form.
    pub fn stored(&self, mode: Mode, catalog: Option<&str>, context: &SourceContext) -> Result<Option<Position>> {
        let stored = context.offsets(&self.partitions(mode, catalog))?;
        let first = stored.into_iter().flatten().find(|offset| !offset.is_null());
        first.as_ref().map(Position::of_offset).transpose()
    }
}

/// What messages call it.
impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table(table) => write!(f, "table {table}"),
            Self::Query => f.write_str("the query"),
        }
    }
}

fn current(name: String) -> Value {
    map([("protocol", "1".into()), ("table", Value::String(name))])
}

/// Whether offsets that a user sets have a form that the connector reads.
///
/// # Errors
///
/// What is wrong with them.
pub fn check_altered(mode: Mode, partition: &Value, offset: Option<&Value>) -> Result<()> {
    let text = |key: &str| matches!(get(partition, key), Some(Value::String(_)));
    if !text("table") && !text("query") {
        return Err(Error::config(
            "a source partition is {\"protocol\": \"1\", \"table\": full name}, or {\"query\": \"query\"}".to_owned(),
        ));
    }
    let Some(offset) = offset.filter(|offset| !offset.is_null()) else { return Ok(()) };
    if mode == Mode::Bulk {
        return Err(Error::config("in mode bulk there are no offsets: everything is read each time"));
    }
    let position = Position::of_offset(offset)?;
    let wanted = [
        (mode.has_incrementing(), position.incrementing.is_some(), INCREMENTING),
        (mode == Mode::Timestamp, position.timestamp.is_some(), TIMESTAMP),
    ];
    match wanted.into_iter().find(|(wanted, found, _)| *wanted && !found) {
        None => Ok(()),
        Some((_, _, key)) => {
            Err(Error::config(format!("an offset in mode {} has a whole number under the key '{key}'", mode.name())))
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{PollLimits, SourceTask, batch::Table, config::ConfigMap, harness::Harness};

    use super::*;

    fn orders() -> Origin {
        Origin::Table(TableName::new(None, Some("public"), "orders"))
    }

    /// A task that only looks where its table goes on.
    struct Probe(Option<Position>);

    impl SourceTask for Probe {
        type Config = ();

        fn start(_: (), context: SourceContext) -> Result<Self> {
            Ok(Self(orders().stored(Mode::Both, Some("shop"), &context)?))
        }

        fn poll(&mut self, _: &PollLimits) -> Result<Option<Table<'_>>> {
            Ok(None)
        }
    }

    fn found(stored: &[(Value, Value)]) -> Result<Option<Position>> {
        let harness = Harness::enter();
        stored.iter().for_each(|(partition, offset)| harness.store_offset(partition, offset));
        harness.source_task::<Probe>(&ConfigMap::new()).map(|probe| probe.0)
    }

    #[test]
    fn offsets_of_all_generations_are_found_and_the_newest_counts() {
        let offset = |id: i64| map([("incrementing", Value::Int64(id))]);
        let id = |id: i64| Ok(Some(Position { incrementing: Some(id), timestamp: None }));
        let (new, old) = (current("public.orders".to_owned()), map([("table", "orders".into())]));
        let odd = current("shop.public.orders".to_owned());
        assert_eq!(found(&[]), Ok(None));
        assert_eq!(found(&[(odd.clone(), offset(3))]), id(3));
        assert_eq!(found(&[(odd.clone(), offset(3)), (old.clone(), offset(2))]), id(2));
        assert_eq!(found(&[(odd, offset(3)), (old, offset(2)), (new, offset(1))]), id(1));
    }

    #[test]
    fn nanoseconds_replace_those_of_the_milliseconds_where_they_are_stored() {
        let at = |entries: &[(&str, i64)]| {
            let entries = entries.iter().map(|&(key, number)| (key.into(), Value::Int64(number))).collect();
            Position::of_offset(&Value::Map(entries))
        };
        let moment = |seconds, nanos| Ok(Position { incrementing: None, timestamp: Some(Moment { seconds, nanos }) });
        assert_eq!(at(&[("timestamp", 1_500)]), moment(1, 500_000_000));
        assert_eq!(at(&[("timestamp", 1_500), ("timestamp_nanos", 500_123_456)]), moment(1, 500_123_456));
        assert_eq!(at(&[("timestamp", -1)]), moment(-1, 999_000_000));
        assert!(at(&[("timestamp", 1), ("timestamp_nanos", 1_000_000_000)]).is_err());
        assert!(Position::of_offset(&map([("incrementing", "7".into())])).is_err());
    }

    #[test]
    fn partitions_are_those_of_the_original() {
        assert_eq!(orders().partition(Mode::Bulk), map([("table", "orders".into())]));
        let full = map([("protocol", "1".into()), ("table", "public.orders".into())]);
        assert_eq!(orders().partition(Mode::Timestamp), full);
        assert_eq!(Origin::Query.partition(Mode::Both), map([("query", "query".into())]));
    }

    #[test]
    fn offsets_that_a_user_sets_have_the_members_of_the_mode() {
        let table = current("public.orders".to_owned());
        let id = map([("incrementing", Value::Int64(4))]);
        assert!(check_altered(Mode::Incrementing, &table, Some(&id)).is_ok());
        assert!(check_altered(Mode::Incrementing, &table, None).is_ok());
        assert!(check_altered(Mode::Timestamp, &table, Some(&id)).is_err());
        assert!(check_altered(Mode::Bulk, &table, Some(&id)).is_err());
        assert!(check_altered(Mode::Both, &map([("file", "x".into())]), Some(&id)).is_err());
    }

    #[test]
    fn moments_before_1970_keep_their_parts() {
        assert_eq!(Moment::of_millis(-1), Moment { seconds: -1, nanos: 999_000_000 });
        assert_eq!(Moment { seconds: -1, nanos: 999_999_999 }.millis(), -1);
        let moment = Moment { seconds: 10, nanos: 1_234_567 };
        assert_eq!(moment.minus_millis(2), Moment { seconds: 9, nanos: 999_234_567 });
        assert_eq!(moment.whole_millis(), Moment { seconds: 10, nanos: 1_000_000 });
    }
}
