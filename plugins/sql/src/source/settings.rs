//! What a source's configuration says, whichever family of keys it has.

use millstream_sdk::{
    Error, Result,
    config::{ConfigDef, ConfigMap, ConfigValues},
};

use super::{
    columns::Mapping,
    connector::unlisted,
    filter::TableFilter,
    keys::{aiven, confluent, name::*},
};
use crate::{
    dialect::{Dialect, Quoting},
    family::FamilySettings,
    keys::{self, Connection, items},
    table_name::TableName,
};

/// How new rows are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// They are not: everything is read each time.
    #[default]
    Bulk,
    /// By a time.
    Timestamp,
    /// By a number that grows.
    Incrementing,
    /// By a time, and a number where times are equal.
    Both,
}

impl Mode {
    /// Whether a time says it.
    pub fn has_timestamp(self) -> bool {
        matches!(self, Self::Timestamp | Self::Both)
    }

    /// Whether a number says it.
    pub fn has_incrementing(self) -> bool {
        matches!(self, Self::Incrementing | Self::Both)
    }

    /// The value of `mode`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Timestamp => "timestamp",
            Self::Incrementing => "incrementing",
            Self::Both => "timestamp+incrementing",
        }
    }

    /// The mode that a value of `mode` means; none if it means nothing.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Bulk, Self::Timestamp, Self::Incrementing, Self::Both].into_iter().find(|mode| mode.name() == name)
    }
}

/// What the configuration says about columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    pub incrementing: Option<String>,
    pub timestamps: Vec<String>,
    pub incrementing_mapping: Vec<Mapping>,
    pub timestamp_mapping: Vec<Mapping>,
}

/// Where the timestamp modes begin without a stored offset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Begin {
    /// Milliseconds since 1970.
    At(i64),
    /// The database's clock when the task starts.
    Now,
}

/// The configuration of connector and task.
#[derive(Clone, Debug)]
pub struct Settings {
    pub aiven: bool,
    pub connection: Connection,
    pub quoting: Quoting,
    pub filter: TableFilter,
    /// Pattern of catalogs; `None` is any.
    pub catalog: Option<String>,
    /// Pattern of schemas; `None` is any.
    pub schema: Option<String>,
    /// Upper case.
    pub table_types: Vec<String>,
    pub numeric_mapping: String,
    pub granularity: String,
    pub mode: Mode,
    pub columns: Columns,
    pub timestamp_initial: Option<Begin>,
    pub incrementing_initial: i64,
    pub non_null: bool,
    pub query: Option<String>,
    pub suffix: String,
    pub isolation: String,
    /// Failures in a row after which the task fails; `None` is never.
    pub retries: Option<u32>,
    pub poll_interval_ms: u64,
    pub table_interval_ms: u64,
    pub batch_rows: u32,
    pub prefix: String,
    pub delay_ms: i64,
    /// Whether queries name tables in full.
    pub qualify: bool,
    /// Whether records have the primary key as theirs.
    pub keyed: bool,
    pub horizon: bool,
    pub channel: Option<String>,
    /// Tasks: as the connector has spelled them.
    pub tables: Vec<String>,
    pub originals: ConfigMap,
}

impl FamilySettings for Settings {
    fn definition(is_aiven: bool) -> ConfigDef {
        if is_aiven { aiven() } else { confluent() }
    }

    fn read(values: &ConfigValues, aiven: bool) -> Result<Self> {
        let text = |key: &str| values.opt_string(key).map(str::to_owned);
        let filled = |key: &str| text(key).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        // What Aiven's connectors do not know has the value that it stands for there.
        let theirs = |key: &str| if aiven { None } else { filled(key) };
        let list = |key: &str| if aiven { Vec::new() } else { items(values, key) };
        let mappings = |key: &str| list(key).iter().map(|item| Mapping::parse(item)).collect::<Result<Vec<_>>>();
        let mode = text(MODE).unwrap_or_default();
        let mode = Mode::of_name(&mode).ok_or_else(|| Error::config("Query mode must be specified"))?;
        let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
        let numeric_mapping = match filled(NUMERIC_MAPPING) {
            Some(mapping) => mapping.to_lowercase(),
            None if values.boolean(PRECISION_MAPPING)? => "precision_only".to_owned(),
            None => "none".to_owned(),
        };
        let timestamp_initial = match aiven {
            true => Some(Begin::At(values.long(TIMESTAMP_INITIAL_MS)?)),
            false => values.opt_long(TIMESTAMP_INITIAL).map(|ms| if ms == -1 { Begin::Now } else { Begin::At(ms) }),
        };
        let retries = if aiven { -1 } else { values.int(RETRIES)? };
        Ok(Self {
            aiven,
            connection: Connection::read(values, !aiven)?,
            quoting: keys::quoting(values, aiven)?,
            filter: TableFilter::new(
                items(values, WHITELIST),
                items(values, BLACKLIST),
                &list(INCLUDE),
                &list(EXCLUDE),
            )?,
            catalog: text(CATALOG),
            schema: text(SCHEMA),
            table_types: items(values, keys::name::TABLE_TYPES).iter().map(|kind| kind.to_uppercase()).collect(),
            numeric_mapping,
            granularity: theirs(GRANULARITY).unwrap_or_else(|| "connect_logical".to_owned()),
            mode,
            columns: Columns {
                incrementing: filled(INCREMENTING),
                timestamps: items(values, TIMESTAMP),
                incrementing_mapping: mappings(INCREMENTING_MAPPING)?,
                timestamp_mapping: mappings(TIMESTAMP_MAPPING)?,
            },
            timestamp_initial,
            incrementing_initial: values.long(INCREMENTING_INITIAL)?,
            non_null: values.boolean(NON_NULL)?,
            query: filled(QUERY).or_else(|| theirs(QUERY_MASKED)),
            suffix: theirs(SUFFIX).unwrap_or_default(),
            isolation: theirs(ISOLATION).unwrap_or_else(|| "DEFAULT".to_owned()),
            retries: u32::try_from(retries).ok().filter(|&retries| retries != 0),
            poll_interval_ms: unsigned(values.int(POLL_INTERVAL)?.into()),
            table_interval_ms: unsigned(values.long(TABLE_INTERVAL)?),
            batch_rows: u32::try_from(values.int(BATCH_ROWS)?).unwrap_or(1).max(1),
            prefix: text(PREFIX).unwrap_or_default().trim().to_owned(),
            delay_ms: values.long(DELAY)?,
            qualify: if aiven { values.boolean(QUALIFY)? } else { true },
            keyed: values.string(RECORD_KEY)? == "primary_key",
            horizon: values.boolean(HORIZON)?,
            channel: filled(CHANNEL),
            tables: items(values, TABLES),
            originals: values.originals().clone(),
        })
    }
}

impl Settings {
    /// The tables that the connector has given the task.
    ///
    /// # Errors
    ///
    /// One has no form of a name.
    pub fn task_tables(&self, dialect: Dialect) -> Result<Vec<TableName>> {
        self.tables.iter().map(|item| unlisted(item, dialect)).collect()
    }
}
