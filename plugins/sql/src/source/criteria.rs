//! Queries for what is new in a table or query.

use millstream_sdk::Result;

use super::{
    columns::Cursor,
    offset::{Moment, Position},
    settings::Mode,
};
use crate::dialect::Spelling;

/// A value for a placeholder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parameter {
    Number(i64),
    Time(Moment),
}

/// Up to where is read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Bounds {
    /// The highest id, included; none for no limit.
    pub incrementing: Option<i64>,
    /// The time, excluded. Always there in the modes that have one.
    pub timestamp: Moment,
}

/// What is read from: `SELECT * FROM table`, or the user's query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Base {
    pub sql: String,
    /// The table's name as it is spelled, which stands before columns; none for a query.
    pub table: Option<String>,
}

impl Base {
    fn column(&self, name: &str, spelling: Spelling) -> Result<String> {
        let name = spelling.name(name)?;
        Ok(self.table.as_ref().map_or_else(|| name.clone(), |table| format!("{table}.{name}")))
    }

    /// The query for the rows behind a position, with the values of its placeholders.
    ///
    /// # Errors
    ///
    /// A column's name cannot be spelled.
    pub fn query(
        &self,
        mode: Mode,
        cursor: &Cursor,
        spelling: Spelling,
        suffix: &str,
        from: (Moment, i64),
        to: &Bounds,
    ) -> Result<(String, Vec<Parameter>)> {
        use Parameter::{Number, Time};
        let incrementing = cursor.incrementing.as_deref().map(|name| self.column(name, spelling)).transpose()?;
        let incrementing = incrementing.unwrap_or_default();
        let time = self.time(cursor, spelling)?;
        let (begin, id) = from;
        let mut sql = self.sql.clone();
        let parameters = match mode {
            Mode::Bulk => Vec::new(),
            Mode::Incrementing => match to.incrementing {
                None => {
                    sql.push_str(&format!(" WHERE {incrementing} > ? ORDER BY {incrementing} ASC"));
                    vec![Number(id)]
                }
                Some(last) => {
                    sql.push_str(&format!(
                        " WHERE {incrementing} > ? AND {incrementing} <= ? ORDER BY {incrementing} ASC"
                    ));
                    vec![Number(id), Number(last)]
                }
            },
            Mode::Timestamp => {
                sql.push_str(&format!(" WHERE {time} > ? AND {time} < ? ORDER BY {time} ASC"));
                vec![Time(begin), Time(to.timestamp)]
            }
            Mode::Both => {
                sql.push_str(&format!(
                    " WHERE {time} < ? AND (({time} = ? AND {incrementing} > ?) OR {time} > ?) ORDER BY {time},{incrementing} ASC"
                ));
                vec![Time(to.timestamp), Time(begin), Number(id), Time(begin)]
            }
        };
        if !suffix.is_empty() {
            sql.push(' ');
            sql.push_str(suffix);
        }
        Ok((sql, parameters))
    }

    /// The query for the highest id that there is.
    ///
    /// # Errors
    ///
    /// A column's name cannot be spelled.
    pub fn highest(&self, incrementing: &str, spelling: Spelling) -> Result<String> {
        let from = match &self.table {
            Some(table) => table.clone(),
            None => format!("({}) millstream_query", self.sql),
        };
        Ok(format!("SELECT max({}) AS highest FROM {from}", spelling.name(incrementing)?))
    }

    fn time(&self, cursor: &Cursor, spelling: Spelling) -> Result<String> {
        let columns = cursor.timestamps.iter().map(|name| self.column(name, spelling));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(match columns.as_slice() {
            [one] => one.clone(),
            several => format!("COALESCE({})", several.join(",")),
        })
    }
}

/// Where reading begins: what is stored, and where nothing is, what the configuration says.
pub fn begin(position: Position, initial_time: Option<Moment>, initial_id: i64) -> (Moment, i64) {
    (position.timestamp.or(initial_time).unwrap_or_default(), position.incrementing.unwrap_or(initial_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{Dialect, Quoting};

    const PG: Spelling = Spelling { dialect: Dialect::PostgreSql, quoting: Quoting::Always };

    fn base() -> Base {
        Base { sql: "SELECT * FROM \"public\".\"t\"".into(), table: Some("\"public\".\"t\"".into()) }
    }

    fn cursor(times: &[&str]) -> Cursor {
        Cursor { incrementing: Some("id".into()), timestamps: times.iter().map(|&name| name.to_owned()).collect() }
    }

    fn built(base: &Base, mode: Mode, times: &[&str], to: Bounds) -> (String, Vec<Parameter>) {
        let from = (Moment { seconds: 5, nanos: 0 }, 7);
        base.query(mode, &cursor(times), PG, "", from, &to).expect("spelled")
    }

    #[test]
    fn queries_are_those_of_the_original() {
        let (begin, end) = (Moment { seconds: 5, nanos: 0 }, Moment { seconds: 9, nanos: 1 });
        let to = Bounds { incrementing: None, timestamp: end };
        let i = "\"public\".\"t\".\"id\"";
        let t = "\"public\".\"t\".\"at\"";
        let select = "SELECT * FROM \"public\".\"t\"";
        assert_eq!(built(&base(), Mode::Bulk, &[], to), (select.into(), vec![]));
        assert_eq!(
            built(&base(), Mode::Incrementing, &[], to),
            (format!("{select} WHERE {i} > ? ORDER BY {i} ASC"), vec![Parameter::Number(7)])
        );
        assert_eq!(
            built(&base(), Mode::Timestamp, &["at"], to),
            (
                format!("{select} WHERE {t} > ? AND {t} < ? ORDER BY {t} ASC"),
                vec![Parameter::Time(begin), Parameter::Time(end)]
            )
        );
        assert_eq!(
            built(&base(), Mode::Both, &["at"], to),
            (
                format!("{select} WHERE {t} < ? AND (({t} = ? AND {i} > ?) OR {t} > ?) ORDER BY {t},{i} ASC"),
                vec![Parameter::Time(end), Parameter::Time(begin), Parameter::Number(7), Parameter::Time(begin)]
            )
        );
    }

    #[test]
    fn a_query_has_its_columns_alone_and_the_suffix_comes_last() {
        let base = Base { sql: "SELECT * FROM x".into(), table: None };
        let to = Bounds { incrementing: Some(99), timestamp: Moment::default() };
        assert_eq!(
            built(&base, Mode::Incrementing, &[], to),
            (
                "SELECT * FROM x WHERE \"id\" > ? AND \"id\" <= ? ORDER BY \"id\" ASC".into(),
                vec![Parameter::Number(7), Parameter::Number(99)]
            )
        );
        let (sql, _) = built(&base, Mode::Timestamp, &["a", "b\""], to);
        assert!(sql.ends_with(" WHERE COALESCE(\"a\",\"b\"\"\") > ? AND COALESCE(\"a\",\"b\"\"\") < ? ORDER BY COALESCE(\"a\",\"b\"\"\") ASC"), "{sql}");
        let (sql, _) = base.query(Mode::Bulk, &cursor(&[]), PG, "LIMIT 5", Default::default(), &to).expect("spelled");
        assert_eq!(sql, "SELECT * FROM x LIMIT 5");
        assert_eq!(
            base.highest("id", PG).expect("spelled"),
            "SELECT max(\"id\") AS highest FROM (SELECT * FROM x) millstream_query"
        );
    }

    #[test]
    fn reading_begins_where_the_offset_says_or_the_configuration() {
        let stored = Position { incrementing: Some(3), timestamp: Some(Moment { seconds: 1, nanos: 2 }) };
        assert_eq!(begin(stored, Some(Moment::of_millis(9)), -1), (Moment { seconds: 1, nanos: 2 }, 3));
        assert_eq!(begin(Position::default(), None, -1), (Moment::default(), -1));
        assert_eq!(begin(Position::default(), Some(Moment::of_millis(-5)), 10), (Moment::of_millis(-5), 10));
    }
}
