//! Which columns of a table say what is new: those named, those of a mapping, or those found.

use std::sync::Arc;

use millstream_sdk::{Error, Result, values::JavaRegex};
use serde::Deserialize;

use super::settings::{Columns, Mode};
use crate::table_name::TableName;

/// Columns for the tables whose names match: `regex:[a|b]` or `regex:a`.
#[derive(Clone, Debug)]
pub struct Mapping {
    text: String,
    regex: Arc<JavaRegex>,
    columns: Vec<String>,
}

/// Most steps that a regular expression may take on one name.
const MAX_STEPS: u64 = 1_000_000;

impl Mapping {
    /// Reads an item of `timestamp.columns.mapping` or `incrementing.column.mapping`.
    ///
    /// # Errors
    ///
    /// What is wrong with the item.
    pub fn parse(item: &str) -> Result<Self> {
        let form = || Error::config(format!("{item:?} has not the form REGEX:column or REGEX:[column|column]"));
        let item = item.trim();
        let (pattern, columns) = match item.strip_suffix(']') {
            Some(rest) => rest.rsplit_once(":[").ok_or_else(form)?,
            None => item.rsplit_once(':').ok_or_else(form)?,
        };
        let columns: Vec<String> = columns.split('|').map(|column| column.trim().to_owned()).collect();
        if pattern.is_empty() || columns.iter().any(String::is_empty) {
            return Err(form());
        }
        Ok(Self { text: pattern.to_owned(), regex: regex(pattern)?, columns })
    }

    fn matches(&self, table: &TableName) -> Result<bool> {
        Ok(self.regex.matches_whole(&table.to_string())?)
    }

    /// The columns of the one mapping that a table's name matches.
    fn for_table<'m>(mappings: &'m [Self], table: &TableName, what: &str) -> Result<&'m Self> {
        let mut found = None;
        for mapping in mappings {
            if mapping.matches(table)? {
                if found.is_some() {
                    return Err(Error::config(format!(
                        "Error while validating {what} column mappings: Included table '{table}' matches more than one of the provided regexes"
                    )));
                }
                found = Some(mapping);
            }
        }
        found.ok_or_else(|| {
            Error::config(format!(
                "Error while validating {what} column mappings: Included table '{table}' does not match any of the provided regexes"
            ))
        })
    }
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.columns == other.columns
    }
}

/// A regular expression as Java reads it.
///
/// # Errors
///
/// It is none.
pub fn regex(pattern: &str) -> Result<Arc<JavaRegex>> {
    let compiled = JavaRegex::compile(pattern);
    let compiled =
        compiled.map_err(|error| Error::config(format!("{pattern:?} is no regular expression")).because(&error))?;
    Ok(Arc::new(compiled.limited(MAX_STEPS)))
}

/// A column as the database describes it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its type, as a definition would have it.
    #[serde(default, rename = "type")]
    pub type_text: String,
    /// The type without length and precision, as bindings want it.
    #[serde(default)]
    pub base: Option<String>,
    /// Whether it may be null; unknown for expressions.
    #[serde(default)]
    pub nullable: Option<bool>,
    /// Whether the database counts it up.
    #[serde(default)]
    pub auto: bool,
    /// Whether it holds an instant rather than a wall clock's time.
    #[serde(default)]
    pub instant: bool,
    /// Connect's type; none if the column is left out.
    #[serde(default)]
    pub connect: Option<String>,
}

/// A table as the database describes it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct TableInfo {
    /// TABLE, VIEW, ….
    #[serde(default, rename = "type")]
    pub kind: String,
    /// In order.
    pub columns: Vec<ColumnInfo>,
    /// Columns of the primary key.
    #[serde(default)]
    pub primary: Vec<String>,
    /// Columns of each unique key.
    #[serde(default)]
    pub unique: Vec<Vec<String>>,
}

impl TableInfo {
    /// The column of that name, else the only one that has it in another case.
    pub fn column(&self, name: &str) -> Option<&ColumnInfo> {
        find(&self.columns, name)
    }

    fn may_be_null(&self, column: &ColumnInfo) -> bool {
        column.nullable != Some(false) && !self.primary.contains(&column.name)
    }
}

/// The column of that name, else the only one that has it in another case.
pub fn find<'c>(columns: &'c [ColumnInfo], name: &str) -> Option<&'c ColumnInfo> {
    columns.iter().find(|column| column.name == name).or_else(|| {
        let mut same = columns.iter().filter(|column| column.name.to_lowercase() == name.to_lowercase());
        same.next().filter(|_| same.next().is_none())
    })
}

/// The columns that say what is new in a table or query.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cursor {
    /// The column that grows.
    pub incrementing: Option<String>,
    /// The columns that hold the time of a change; the first that is not null counts.
    pub timestamps: Vec<String>,
}

/// What the configuration says about a table's columns, before the table has been looked at.
///
/// # Errors
///
/// A mapping fits no table, or more than one fits.
pub fn configured(columns: &Columns, mode: Mode, table: &TableName) -> Result<Cursor> {
    let incrementing = match mode.has_incrementing() {
        false => None,
        true if columns.incrementing_mapping.is_empty() => columns.incrementing.clone(),
        true => Mapping::for_table(&columns.incrementing_mapping, table, "incrementing")?.columns.first().cloned(),
    };
    let timestamps = match mode.has_timestamp() {
        false => Vec::new(),
        true if columns.timestamp_mapping.is_empty() => columns.timestamps.clone(),
        true => Mapping::for_table(&columns.timestamp_mapping, table, "timestamp")?.columns.clone(),
    };
    Ok(Cursor { incrementing, timestamps })
}

/// The columns of a table that was looked at, with the names that they have there.
///
/// # Errors
///
/// A column does not exist, cannot be detected, or may be null where the configuration forbids it.
pub fn resolve(cursor: &Cursor, mode: Mode, table: &TableName, info: &TableInfo, non_null: bool) -> Result<Cursor> {
    let incrementing = match (&cursor.incrementing, mode.has_incrementing()) {
        (_, false) => None,
        (Some(name), true) => Some(info.column(name).ok_or_else(|| {
            Error::config(format!("Incrementing column: {name} does not exist in table '{table}'"))
        })?),
        (None, true) => Some(info.columns.iter().find(|column| column.auto).ok_or_else(|| {
            Error::config(format!(
                "table '{table}' has no column that the database counts up: name its incrementing column in incrementing.column.name, or choose another mode"
            ))
        })?),
    };
    let mut timestamps = Vec::new();
    for name in &cursor.timestamps {
        timestamps.push(info.column(name).ok_or_else(|| {
            let names = cursor.timestamps.join(", ");
            Error::config(format!("Timestamp columns: {names} do not exist in table '{table}'"))
        })?);
    }
    if mode.has_timestamp() && timestamps.is_empty() {
        return Err(Error::config(format!(
            "mode {} needs timestamp.column.name (or timestamp.columns.mapping) for table '{table}'",
            mode.name()
        )));
    }
    if let Some(column) = incrementing.filter(|column| non_null && info.may_be_null(column)) {
        return Err(Error::config(format!(
            "Cannot make incremental queries using incrementing column {} on {table} because this column is nullable.",
            column.name
        )));
    }
    if non_null && !timestamps.is_empty() && timestamps.iter().all(|column| info.may_be_null(column)) {
        let names: Vec<&str> = timestamps.iter().map(|column| column.name.as_str()).collect();
        return Err(Error::config(format!(
            "Cannot make incremental queries using timestamp columns [{}] on {table} because all of these columns are nullable.",
            names.join(", ")
        )));
    }
    Ok(Cursor {
        incrementing: incrementing.map(|column| column.name.clone()),
        timestamps: timestamps.into_iter().map(|column| column.name.clone()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> TableName {
        TableName::new(None, Some("public"), name)
    }

    fn info(columns: &[(&str, bool, bool)]) -> TableInfo {
        let column = |&(name, nullable, auto): &(&str, bool, bool)| ColumnInfo {
            name: name.to_owned(),
            nullable: Some(nullable),
            auto,
            ..ColumnInfo::default()
        };
        TableInfo { columns: columns.iter().map(column).collect(), ..TableInfo::default() }
    }

    fn mappings(items: &[&str]) -> Vec<Mapping> {
        items.iter().map(|item| Mapping::parse(item).expect("a mapping")).collect()
    }

    #[test]
    fn mappings_are_read_and_each_table_has_exactly_one() {
        let columns = Columns {
            timestamp_mapping: mappings(&["public\\.o.*:[changed|created]", "public.a:at"]),
            incrementing_mapping: mappings(&[".*:id"]),
            ..Columns::default()
        };
        let of = |mode, name: &str| configured(&columns, mode, &table(name));
        let expected = Cursor { incrementing: Some("id".into()), timestamps: vec!["changed".into(), "created".into()] };
        assert_eq!(of(Mode::Both, "orders"), Ok(expected));
        let error = of(Mode::Timestamp, "x").expect_err("none").message;
        assert_eq!(
            error,
            "Error while validating timestamp column mappings: Included table 'public.x' does not match any of the provided regexes"
        );
        let twice = Columns { incrementing_mapping: mappings(&[".*:id", "public.*:nr"]), ..Columns::default() };
        let error = configured(&twice, Mode::Incrementing, &table("x")).expect_err("two").message;
        assert!(error.ends_with("matches more than one of the provided regexes"), "{error}");
        for bad in ["", "x", ":a", "x:", "x:[a|]", "(:a"] {
            assert!(Mapping::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn columns_are_found_whatever_their_case_and_refused_where_they_may_be_null() {
        let found = info(&[("ID", false, true), ("Changed", true, false), ("created", true, false)]);
        let cursor = Cursor { incrementing: Some("id".into()), timestamps: vec!["changed".into(), "created".into()] };
        let resolve = |mode, non_null| resolve(&cursor, mode, &table("t"), &found, non_null);
        assert_eq!(
            resolve(Mode::Both, false),
            Ok(Cursor { incrementing: Some("ID".into()), timestamps: vec!["Changed".into(), "created".into()] })
        );
        let error = resolve(Mode::Both, true).expect_err("null").message;
        assert_eq!(
            error,
            "Cannot make incremental queries using timestamp columns [Changed, created] on public.t because all of these columns are nullable."
        );
    }

    #[test]
    fn the_column_that_the_database_counts_is_found_and_a_missing_one_named() {
        let found = info(&[("a", true, false), ("n", false, true)]);
        let none = Cursor::default();
        let detected = resolve(&none, Mode::Incrementing, &table("t"), &found, true).expect("found");
        assert_eq!(detected.incrementing.as_deref(), Some("n"));
        let named = |name: &str| Cursor { incrementing: Some(name.into()), timestamps: Vec::new() };
        let error = resolve(&named("x"), Mode::Incrementing, &table("t"), &found, true).expect_err("missing").message;
        assert_eq!(error, "Incrementing column: x does not exist in table 'public.t'");
        let error = resolve(&named("a"), Mode::Incrementing, &table("t"), &found, true).expect_err("null").message;
        assert!(error.ends_with("because this column is nullable."), "{error}");
        let mut keyed = found.clone();
        keyed.primary = vec!["a".into()];
        assert!(resolve(&named("a"), Mode::Incrementing, &table("t"), &keyed, true).is_ok());
    }
}
