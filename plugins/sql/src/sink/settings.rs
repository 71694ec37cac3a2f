//! What a sink's configuration says, whichever family of keys it has.

use std::collections::BTreeMap;

use millstream_sdk::{
    Error, Result,
    config::{ConfigDef, ConfigMap, ConfigValues},
};

use super::keys::{aiven, confluent, name::*};
use crate::{
    dialect::{Dialect, Quoting},
    family::FamilySettings,
    keys::{self, Connection, items},
    table_name::TableName,
};

/// How rows are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InsertMode {
    Insert,
    Upsert,
    Update,
}

/// What the key of a row is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PkMode {
    None,
    Kafka,
    RecordKey,
    RecordValue,
}

impl PkMode {
    /// As messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Kafka => "KAFKA",
            Self::RecordKey => "RECORD_KEY",
            Self::RecordValue => "RECORD_VALUE",
        }
    }
}

/// The configuration of connector and task.
#[derive(Clone, Debug)]
pub struct Settings {
    pub connection: Connection,
    pub quoting: Quoting,
    pub insert_mode: InsertMode,
    pub batch_size: usize,
    pub delete: bool,
    /// Upper case.
    pub table_types: Vec<String>,
    pub null_default: bool,
    pub table_format: String,
    pub normalize: bool,
    /// Tables by topics, if that is how they are found.
    pub topic_tables: Option<BTreeMap<String, String>>,
    pub pk_mode: PkMode,
    pub pk_fields: Vec<String>,
    pub whitelist: Vec<String>,
    /// Zone of dates.
    pub date_zone: String,
    pub timestamp_fields: Vec<String>,
    pub timestamp_precision: String,
    pub string_column: String,
    pub create: bool,
    pub evolve: bool,
    pub retries: u32,
    pub retry_backoff_ms: u64,
    /// The table for offsets, if they are kept in the database.
    pub once: Option<String>,
    pub ignore_null_values: bool,
    pub name: String,
    pub originals: ConfigMap,
}

impl FamilySettings for Settings {
    fn definition(is_aiven: bool) -> ConfigDef {
        if is_aiven { aiven() } else { confluent() }
    }

    fn read(values: &ConfigValues, aiven: bool) -> Result<Self> {
        let unsigned = |number: i32| u32::try_from(number).unwrap_or_default();
        let list = |key: &str| if aiven { Vec::new() } else { items(values, key) };
        let connection = Connection::read(values, !aiven)?;
        let date_zone = match aiven || values.string(DATE_ZONE)? == "DB_TIMEZONE" {
            true => connection.zone.clone(),
            false => "UTC".to_owned(),
        };
        let table_types = match aiven {
            true => vec!["TABLE".to_owned(), "PARTITIONED TABLE".to_owned()],
            false => items(values, keys::name::TABLE_TYPES).iter().map(|kind| kind.to_uppercase()).collect(),
        };
        Ok(Self {
            quoting: keys::quoting(values, aiven)?,
            insert_mode: match values.string(INSERT_MODE)?.to_lowercase().as_str() {
                "upsert" => InsertMode::Upsert,
                "update" => InsertMode::Update,
                // Several rows at a time are what insert writes in any case.
                _ => InsertMode::Insert,
            },
            batch_size: unsigned(values.int(BATCH_SIZE)?).max(1) as usize,
            delete: values.boolean(DELETE)?,
            table_types,
            null_default: if aiven { true } else { values.boolean(NULL_DEFAULT)? },
            table_format: values.string(TABLE_FORMAT)?.trim().to_owned(),
            normalize: aiven && values.boolean(NORMALIZE)?,
            topic_tables: if aiven { topic_tables(values)? } else { None },
            pk_mode: match values.string(PK_MODE)?.to_lowercase().as_str() {
                "kafka" => PkMode::Kafka,
                "record_key" => PkMode::RecordKey,
                "record_value" => PkMode::RecordValue,
                _ => PkMode::None,
            },
            pk_fields: items(values, PK_FIELDS),
            whitelist: items(values, WHITELIST),
            date_zone,
            timestamp_fields: list(TIMESTAMP_FIELDS),
            timestamp_precision: match aiven {
                true => "microseconds".to_owned(),
                false => values.string(TIMESTAMP_PRECISION)?.to_owned(),
            },
            string_column: match aiven {
                true => "record_value".to_owned(),
                false => values.string(STRING_COLUMN)?.to_owned(),
            },
            create: values.boolean(CREATE)?,
            evolve: values.boolean(EVOLVE)?,
            retries: unsigned(values.int(RETRIES)?),
            retry_backoff_ms: unsigned(values.int(RETRY_BACKOFF)?).into(),
            once: values.boolean(ONCE)?.then(|| values.string(ONCE_TABLE).map(str::to_owned)).transpose()?,
            ignore_null_values: values.string(NULL_VALUES)? == "ignore",
            name: values.originals().get("name").unwrap_or_default().to_owned(),
            originals: values.originals().clone(),
            connection,
        })
    }
}

impl Settings {
    /// The table for the records of a topic.
    ///
    /// # Errors
    ///
    /// There is none, or it has no form of a name.
    pub fn table_of(&self, topic: &str, dialect: Dialect) -> Result<TableName> {
        if let Some(tables) = &self.topic_tables {
            return match tables.get(topic) {
                Some(table) => TableName::parse(table, dialect),
                None => {
                    let shown: Vec<String> = tables.iter().map(|(topic, table)| format!("{topic}={table}")).collect();
                    Err(Error::config(format!(
                        "Destination table for the topic: '{topic}' couldn't be found in the topics to tables mapping: '{{{}}}' and couldn't be generated for the format string '{}'",
                        shown.join(", "),
                        self.table_format
                    )))
                }
            };
        }
        let name = self.table_format.replace("${topic}", topic);
        if name.is_empty() {
            return Err(Error::config(format!(
                "Destination table name for topic '{topic}' is empty using the format string '{}'",
                self.table_format
            )));
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
        let name = if self.normalize { name.chars().map(plain).collect() } else { name };
        TableName::parse(&name, dialect)
    }
}

fn topic_tables(values: &ConfigValues) -> Result<Option<BTreeMap<String, String>>> {
    let listed = items(values, TOPIC_TABLES);
    let entry = |item: &String| match item.split_once(':') {
        Some((topic, table)) if !topic.trim().is_empty() && !table.trim().is_empty() => {
            Ok((topic.trim().to_owned(), table.trim().to_owned()))
        }
        _ => Err(Error::config(format!(
            "Invalid value {item} for configuration {TOPIC_TABLES}: it has not the form TOPIC:TABLE"
        ))),
    };
    let tables: BTreeMap<_, _> = listed.iter().map(entry).collect::<Result<_>>()?;
    Ok((!tables.is_empty()).then_some(tables))
}
