//! The keys of the sink connectors: Confluent's, which ours shares, and Aiven's.

use millstream_sdk::config::{ConfigDef, Importance, Key, Validator, Width};

use crate::keys;

/// Names of keys.
pub mod name {
    pub const INSERT_MODE: &str = "insert.mode";
    pub const BATCH_SIZE: &str = "batch.size";
    pub const DELETE: &str = "delete.enabled";
    pub const NULL_DEFAULT: &str = "replace.null.with.default";
    pub const TABLE_FORMAT: &str = "table.name.format";
    pub const PK_MODE: &str = "pk.mode";
    pub const PK_FIELDS: &str = "pk.fields";
    pub const WHITELIST: &str = "fields.whitelist";
    pub const DATE_ZONE: &str = "date.timezone";
    pub const TIMESTAMP_FIELDS: &str = "timestamp.fields.list";
    pub const TIMESTAMP_PRECISION: &str = "timestamp.precision.mode";
    pub const STRING_COLUMN: &str = "string.output.value.column.name";
    pub const CREATE: &str = "auto.create";
    pub const EVOLVE: &str = "auto.evolve";
    pub const HOLDLOCK: &str = "mssql.use.merge.holdlock";
    pub const RETRIES: &str = "max.retries";
    pub const RETRY_BACKOFF: &str = "retry.backoff.ms";
    pub const TRIM_LOG: &str = "trim.sensitive.log";
    pub const NORMALIZE: &str = "table.name.normalize";
    pub const TOPIC_TABLES: &str = "topics.to.tables.mapping";
    pub const ONCE: &str = "exactly.once";
    pub const ONCE_TABLE: &str = "exactly.once.table";
    pub const NULL_VALUES: &str = "behavior.on.null.values";
}

use name::*;

const CONNECTION: &str = "Connection";
const WRITES: &str = "Writes";
const MAPPING: &str = "Data Mapping";
const DDL: &str = "DDL Support";
const DML: &str = "DML Support";
const RETRY: &str = "Retries";
const OURS: &str = "Delivery";

const TYPES: &str = "Types of tables that are written to.";

/// Confluent's keys, and behind them what is ours.
pub fn confluent() -> ConfigDef {
    ours(
        ConfigDef::new()
            .key(keys::url((CONNECTION, 1)).required())
            .key(keys::user((CONNECTION, 2)))
            .key(keys::password((CONNECTION, 3)))
            .key(keys::credentials((CONNECTION, 4)))
            .key(keys::dialect((CONNECTION, 5)))
            .key(keys::attempts((CONNECTION, 6)))
            .key(keys::backoff((CONNECTION, 7)))
            .key(insert_mode(&["insert", "upsert", "update"]))
            .key(batch_size())
            .key(delete())
            .key(keys::table_types((WRITES, 4), &["TABLE", "PARTITIONED TABLE", "VIEW"], TYPES))
            .key(null_default().group(WRITES, 5))
            .key(table_format())
            .key(pk_mode())
            .key(pk_fields())
            .key(whitelist())
            .key(keys::zone((MAPPING, 5), ZONE_DOC))
            .key(
                Key::string(DATE_ZONE)
                    .default("DB_TIMEZONE")
                    .one_of(&["DB_TIMEZONE", "UTC"])
                    .recommended(&["DB_TIMEZONE", "UTC"])
                    .importance(Importance::Low)
                    .group(MAPPING, 6)
                    .width(Width::Medium)
                    .display_name("Date Time Zone")
                    .doc("Zone in which dates are meant: that of db.timezone, in which a zone west of Greenwich makes each date the day before, or UTC, which is what most want."),
            )
            .key(
                Key::list(TIMESTAMP_FIELDS)
                    .default("")
                    .group(MAPPING, 7)
                    .width(Width::Long)
                    .display_name("Timestamp Fields")
                    .doc("Fields of type int64 or string that hold the time since 1970, and become timestamps."),
            )
            .key(
                Key::string(TIMESTAMP_PRECISION)
                    .default("microseconds")
                    .one_of(&["microseconds", "nanoseconds"])
                    .recommended(&["microseconds", "nanoseconds"])
                    .importance(Importance::Low)
                    .group(MAPPING, 8)
                    .width(Width::Medium)
                    .display_name("Timestamp Precision Mode")
                    .doc("What timestamp.fields.list counts in."),
            )
            .key(keys::calendar((MAPPING, 9)))
            .key(
                Key::string(STRING_COLUMN)
                    .default("record_value")
                    .non_empty()
                    .importance(Importance::Low)
                    .group(MAPPING, 10)
                    .width(Width::Medium)
                    .display_name("String Output Value Column Name")
                    .doc("Column for values that are texts rather than structs."),
            )
            .key(create())
            .key(evolve())
            .key(keys::quote((DDL, 3)))
            .key(
                Key::boolean(HOLDLOCK)
                    .default(true)
                    .importance(Importance::Low)
                    .group(DML, 1)
                    .width(Width::Medium)
                    .display_name("SQL Server - Use HOLDLOCK in MERGE")
                    .doc("Taken, and of no effect: it concerns SQL Server."),
            )
            .key(retries())
            .key(retry_backoff())
            .key(
                Key::boolean(TRIM_LOG)
                    .default(false)
                    .importance(Importance::Low)
                    .doc("Taken, and of no effect: values are in no line of the log."),
            ),
    )
}

/// Aiven's keys, and behind them what is ours.
pub fn aiven() -> ConfigDef {
    ours(
        ConfigDef::new()
            .key(keys::url((CONNECTION, 1)).required())
            .key(keys::user((CONNECTION, 2)))
            .key(keys::password((CONNECTION, 3)))
            .key(keys::dialect((CONNECTION, 4)))
            .key(keys::aiven_quote((CONNECTION, 5)))
            .key(keys::attempts((CONNECTION, 6)))
            .key(keys::backoff((CONNECTION, 7)))
            .key(insert_mode(&["insert", "multi", "upsert", "update"]))
            .key(batch_size())
            .key(delete())
            .key(table_format())
            .key(
                Key::boolean(NORMALIZE)
                    .default(false)
                    .group(MAPPING, 2)
                    .width(Width::Short)
                    .display_name("Table Name Normalize")
                    .doc("Whether each character of a table's name that is no ASCII letter, digit or underscore becomes an underscore."),
            )
            .key(
                Key::list(TOPIC_TABLES)
                    .group(MAPPING, 3)
                    .width(Width::Long)
                    .display_name("Topics To Tables Mapping")
                    .doc("TOPIC:TABLE for each topic; with it, records of other topics are refused."),
            )
            .key(pk_mode())
            .key(pk_fields())
            .key(whitelist())
            .key(keys::zone((MAPPING, 7), ZONE_DOC))
            .key(create())
            .key(evolve())
            .key(retries())
            .key(retry_backoff()),
    )
}

const ZONE_DOC: &str = "Time zone in which columns without one are written.";

fn ours(def: ConfigDef) -> ConfigDef {
    def.key(
        Key::boolean(ONCE)
            .default(false)
            .group(OURS, 1)
            .width(Width::Short)
            .display_name("Exactly Once")
            .doc("Whether the offsets are kept in the database, in the transactions that write the rows, so that each record is written exactly once."),
    )
    .key(
        Key::string(ONCE_TABLE)
            .default("millstream_offsets")
            .non_empty()
            .importance(Importance::Low)
            .group(OURS, 2)
            .width(Width::Medium)
            .display_name("Exactly Once Table")
            .doc("Table for the offsets; it is made if it is missing. Connectors may share it."),
    )
    .key(
        Key::string(NULL_VALUES)
            .default("fail")
            .one_of(&["fail", "ignore"])
            .recommended(&["fail", "ignore"])
            .importance(Importance::Low)
            .group(OURS, 3)
            .width(Width::Short)
            .display_name("Behavior On Null Values")
            .doc("What becomes of records without a value while delete.enabled is false: fail is Connect's way, an error of the record; ignore leaves them out."),
    )
}

fn insert_mode(modes: &[&str]) -> Key {
    Key::string(INSERT_MODE)
        .default("insert")
        .validator(keys::either_case(modes))
        .recommended(modes)
        .importance(Importance::High)
        .group(WRITES, 1)
        .width(Width::Medium)
        .display_name("Insert Mode")
        .doc("How rows are written: insert adds them; upsert changes those whose key is there and adds the others; update only changes those that are there.")
}

fn batch_size() -> Key {
    Key::int(BATCH_SIZE)
        .default(3000)
        .range(0..)
        .group(WRITES, 2)
        .width(Width::Short)
        .display_name("Batch Size")
        .doc("Most rows in one statement; 0 and 1 write them one by one.")
}

fn delete() -> Key {
    Key::boolean(DELETE)
        .default(false)
        .group(WRITES, 3)
        .width(Width::Short)
        .display_name("Enable deletes")
        .dependents(&[PK_MODE])
        .doc("Whether a record without a value deletes the row with its key. Needs pk.mode=record_key.")
}

fn null_default() -> Key {
    Key::boolean(NULL_DEFAULT)
        .default(true)
        .importance(Importance::Low)
        .width(Width::Medium)
        .display_name("Replace null values with default")
        .doc("Whether a field that is null is written as its schema's default, if that has one.")
}

fn table_format() -> Key {
    Key::string(TABLE_FORMAT)
        .default("${topic}")
        .non_empty()
        .group(MAPPING, 1)
        .width(Width::Long)
        .display_name("Table Name Format")
        .doc("Name of the table, in which ${topic} stands for the topic's. Dots divide catalog, schema and table; a name with dots in it stands between quotes.")
}

fn pk_mode() -> Key {
    Key::string(PK_MODE)
        .default("none")
        .validator(keys::either_case(&["none", "kafka", "record_key", "record_value"]))
        .recommended(&["none", "kafka", "record_key", "record_value"])
        .importance(Importance::High)
        .group(MAPPING, 2)
        .width(Width::Long)
        .display_name("Primary Key Mode")
        .dependents(&[PK_FIELDS])
        .doc("What the key of a row is: none; the record's topic, partition and offset (kafka); its key (record_key); fields of its value (record_value).")
}

fn pk_fields() -> Key {
    Key::list(PK_FIELDS)
        .default("")
        .group(MAPPING, 3)
        .width(Width::Long)
        .display_name("Primary Key Fields")
        .doc("Columns of the key. kafka: three names, for topic, partition and offset; record_key: fields of a key that is a struct, or the one name for a key that is none; record_value: fields of the value. All fields if empty.")
}

fn whitelist() -> Key {
    Key::list(WHITELIST)
        .default("")
        .group(MAPPING, 4)
        .width(Width::Long)
        .display_name("Fields Whitelist")
        .doc("Fields of the value that are written; all if empty. The key's are written in any case.")
}

fn create() -> Key {
    Key::boolean(CREATE)
        .default(false)
        .group(DDL, 1)
        .width(Width::Short)
        .display_name("Auto-Create")
        .doc("Whether a table that is missing is made, with columns as the record's schema has fields.")
}

fn evolve() -> Key {
    Key::boolean(EVOLVE)
        .default(false)
        .group(DDL, 2)
        .width(Width::Short)
        .display_name("Auto-Evolve")
        .doc("Whether columns are added for fields that the table does not have.")
}

fn retries() -> Key {
    Key::int(RETRIES)
        .validator(Validator::Range { min: Some(0.0), max: None })
        .default(10)
        .group(RETRY, 1)
        .width(Width::Short)
        .display_name("Maximum Retries")
        .doc("How often records are written again in a row after an error that may go away, before the task fails.")
}

fn retry_backoff() -> Key {
    Key::int(RETRY_BACKOFF)
        .default(3000)
        .range(0..)
        .group(RETRY, 2)
        .width(Width::Short)
        .display_name("Retry Backoff (millis)")
        .doc("Milliseconds before such records are written again.")
}
