//! The keys of the source connectors: Confluent's, which ours shares, and Aiven's.

use millstream_sdk::config::{ConfigDef, ConfigValue, Importance, Key, Width};

use crate::keys;

/// Names of keys.
pub mod name {
    pub const WHITELIST: &str = "table.whitelist";
    pub const BLACKLIST: &str = "table.blacklist";
    pub const INCLUDE: &str = "table.include.list";
    pub const EXCLUDE: &str = "table.exclude.list";
    pub const CATALOG: &str = "catalog.pattern";
    pub const SCHEMA: &str = "schema.pattern";
    pub const PRECISION_MAPPING: &str = "numeric.precision.mapping";
    pub const NUMERIC_MAPPING: &str = "numeric.mapping";
    pub const MODE: &str = "mode";
    pub const INCREMENTING: &str = "incrementing.column.name";
    pub const TIMESTAMP: &str = "timestamp.column.name";
    pub const TIMESTAMP_MAPPING: &str = "timestamp.columns.mapping";
    pub const INCREMENTING_MAPPING: &str = "incrementing.column.mapping";
    pub const TIMESTAMP_INITIAL: &str = "timestamp.initial";
    pub const TIMESTAMP_INITIAL_MS: &str = "timestamp.initial.ms";
    pub const INCREMENTING_INITIAL: &str = "incrementing.initial";
    pub const NON_NULL: &str = "validate.non.null";
    pub const QUERY: &str = "query";
    pub const QUERY_MASKED: &str = "query.masked";
    pub const SUFFIX: &str = "query.suffix";
    pub const ISOLATION: &str = "transaction.isolation.mode";
    pub const RETRIES: &str = "query.retry.attempts";
    pub const POLL_INTERVAL: &str = "poll.interval.ms";
    pub const BATCH_ROWS: &str = "batch.max.rows";
    pub const BUFFER: &str = "max.buffer.size";
    pub const LINGER: &str = "poll.linger.ms";
    pub const STARTUP_LIMIT: &str = "table.monitoring.startup.polling.limit.ms";
    pub const TABLE_INTERVAL: &str = "table.poll.interval.ms";
    pub const PREFIX: &str = "topic.prefix";
    pub const DELAY: &str = "timestamp.delay.interval.ms";
    pub const GRANULARITY: &str = "timestamp.granularity";
    pub const QUALIFY: &str = "table.names.qualify";
    pub const RECORD_KEY: &str = "record.key";
    pub const HORIZON: &str = "commit.horizon";
    pub const CHANNEL: &str = "notify.channel";
    pub const TABLES: &str = "tables";
    pub const TABLES_FETCHED: &str = "tables.fetched";
}

use name::*;

const DATABASE: &str = "Database";
const QUERYING: &str = "Mode";
const CONNECTOR: &str = "Connector";

const MODES: [&str; 5] = ["", "bulk", "timestamp", "incrementing", "timestamp+incrementing"];
const ISOLATIONS: [&str; 6] =
    ["DEFAULT", "READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE", "SQL_SERVER_SNAPSHOT"];
const GRANULARITIES: [&str; 7] = [
    "connect_logical",
    "micros_long",
    "micros_string",
    "micros_iso_datetime_string",
    "nanos_long",
    "nanos_string",
    "nanos_iso_datetime_string",
];
const MAPPINGS: [&str; 4] = ["none", "precision_only", "best_fit", "best_fit_eager_double"];

/// Counts the keys of a group.
struct Group {
    name: &'static str,
    order: i32,
}

impl Group {
    fn new(name: &'static str) -> Self {
        Self { name, order: 0 }
    }

    fn next(&mut self) -> (&'static str, i32) {
        self.order += 1;
        (self.name, self.order)
    }

    fn place(&mut self, key: Key) -> Key {
        let (name, order) = self.next();
        key.group(name, order)
    }
}

/// Confluent's keys, and behind them what is ours.
pub fn confluent() -> ConfigDef {
    let mut db = Group::new(DATABASE);
    let mut mode = Group::new(QUERYING);
    let mut connector = Group::new(CONNECTOR);
    let def = ConfigDef::new()
        .key(keys::url(db.next()).default("").dependents(&[WHITELIST, BLACKLIST]))
        .key(keys::user(db.next()))
        .key(keys::password(db.next()))
        .key(keys::credentials(db.next()))
        .key(keys::attempts(db.next()))
        .key(keys::backoff(db.next()))
        .key(db.place(whitelist()))
        .key(db.place(blacklist()))
        .key(db.place(tables_key(INCLUDE, "Table Include List", "Regular expressions: tables are copied whose full name one of them matches.")))
        .key(db.place(tables_key(EXCLUDE, "Table Exclude List", "Regular expressions: of the tables included, those are left out whose full name one of them matches.")))
        .key(db.place(catalog()))
        .key(db.place(schema()))
        .key(db.place(precision_mapping()))
        .key(db.place(numeric_mapping(&MAPPINGS)))
        .key(keys::dialect(db.next()))
        .key(keys::calendar(db.next()))
        .key(mode.place(mode_key().default("").dependents(&[INCREMENTING, TIMESTAMP, TIMESTAMP_MAPPING, INCREMENTING_MAPPING, NON_NULL])))
        .key(mode.place(incrementing()))
        .key(mode.place(timestamp()))
        .key(mode.place(mapping(TIMESTAMP_MAPPING, "Timestamp Columns Mapping", "For tables by their full names: REGEX:[column|column], the columns whose time says when a row has changed.")))
        .key(mode.place(mapping(INCREMENTING_MAPPING, "Incrementing Column Mapping", "For tables by their full names: REGEX:column, the column that grows with each new row.")))
        .key(mode.place(
            Key::long(TIMESTAMP_INITIAL)
                .importance(Importance::Low)
                .width(Width::Long)
                .display_name("Unix time value of initial timestamp")
                .doc("Where the timestamp modes begin while there is no stored offset, in milliseconds since 1970; -1 is now. From 1970 unless set."),
        ))
        .key(mode.place(non_null()))
        .key(mode.place(query()))
        .key(mode.place(
            Key::password(QUERY_MASKED)
                .default("")
                .width(Width::Short)
                .display_name("Query")
                .doc("The same as query, and shown to nobody. Only one of the two can be set."),
        ))
        .key(keys::quote(mode.next()))
        .key(mode.place(
            Key::string(SUFFIX)
                .default("")
                .importance(Importance::Low)
                .width(Width::Medium)
                .display_name("Query suffix")
                .doc("Text at the end of each query, behind the order."),
        ))
        .key(mode.place(
            Key::string(ISOLATION)
                .default("DEFAULT")
                .one_of(&ISOLATIONS)
                .recommended(&ISOLATIONS)
                .importance(Importance::Low)
                .width(Width::Medium)
                .display_name("Transaction Isolation Mode")
                .doc("Isolation of the transactions that read; DEFAULT leaves it to the database."),
        ))
        .key(mode.place(
            Key::int(RETRIES)
                .default(-1)
                .importance(Importance::Low)
                .width(Width::Short)
                .display_name("Query Retry Attempts")
                .doc("How often the query of a table may fail in a row, where trying again may help, before the task fails. Without end if not above 0."),
        ));
    let types = "Types of tables that are copied.";
    let def = def
        .key(keys::table_types(connector.next(), &["TABLE", "VIEW", "SYSTEM TABLE", "GLOBAL TEMPORARY", "LOCAL TEMPORARY", "ALIAS", "SYNONYM"], types))
        .key(connector.place(poll_interval()))
        .key(connector.place(batch_rows(1000)))
        .key(connector.place(
            Key::int(BUFFER)
                .default(0)
                .importance(Importance::Low)
                .width(Width::Short)
                .display_name("Max Buffer Size")
                .doc("Taken, and of no effect: rows are read as fast as they are taken, and wait in no buffer of the connector."),
        ))
        .key(connector.place(
            Key::long(LINGER)
                .default(5000)
                .importance(Importance::Low)
                .width(Width::Short)
                .display_name("Poll Linger Milliseconds")
                .doc("Taken, and of no effect: rows are handed on as they come."),
        ))
        .key(connector.place(
            Key::long(STARTUP_LIMIT)
                .default(10_000)
                .importance(Importance::Low)
                .width(Width::Short)
                .display_name("Table Monitoring Startup Polling Limit")
                .doc("Taken, and of no effect: tables are known before tasks are made."),
        ))
        .key(connector.place(table_interval()))
        .key(connector.place(prefix().default("")))
        .key(connector.place(delay()))
        .key(keys::zone(connector.next(), ZONE_DOC))
        .key(connector.place(
            Key::string(GRANULARITY)
                .default("connect_logical")
                .one_of(&GRANULARITIES)
                .recommended(&GRANULARITIES)
                .importance(Importance::Low)
                .width(Width::Medium)
                .display_name("Timestamp granularity for timestamp columns")
                .doc("What becomes of timestamps: connect_logical is Connect's Timestamp, in milliseconds; the others keep micro- or nanoseconds, as numbers since 1970 or as texts."),
        ))
        .key(connector.place(incrementing_initial()));
    task_keys(ours(def, &mut connector))
}

/// Aiven's keys, and behind them what is ours.
pub fn aiven() -> ConfigDef {
    let mut db = Group::new(DATABASE);
    let mut mode = Group::new(QUERYING);
    let mut connector = Group::new(CONNECTOR);
    let types = "Types of tables that are copied.";
    let def = ConfigDef::new()
        .key(keys::url(db.next()).required().dependents(&[WHITELIST, BLACKLIST]))
        .key(keys::user(db.next()))
        .key(keys::password(db.next()))
        .key(keys::attempts(db.next()))
        .key(keys::backoff(db.next()))
        .key(db.place(whitelist()))
        .key(db.place(blacklist()))
        .key(db.place(catalog()))
        .key(db.place(schema()))
        .key(db.place(precision_mapping()))
        .key(db.place(numeric_mapping(&MAPPINGS[..3])))
        .key(keys::dialect(db.next()))
        .key(keys::aiven_quote(db.next()))
        .key(mode.place(mode_key().required().dependents(&[INCREMENTING, TIMESTAMP, NON_NULL])))
        .key(mode.place(incrementing()))
        .key(mode.place(incrementing_initial()))
        .key(mode.place(timestamp()))
        .key(mode.place(
            Key::long(TIMESTAMP_INITIAL_MS)
                .default(0)
                .importance(Importance::Low)
                .width(Width::Long)
                .display_name("Initial Timestamp")
                .doc("Where the timestamp modes begin while there is no stored offset, in milliseconds since 1970. It may be negative."),
        ))
        .key(mode.place(non_null()))
        .key(mode.place(query()))
        .key(keys::table_types(connector.next(), &["TABLE", "VIEW", "SYSTEM TABLE", "GLOBAL TEMPORARY", "LOCAL TEMPORARY", "ALIAS", "SYNONYM"], types))
        .key(connector.place(poll_interval()))
        .key(connector.place(batch_rows(100)))
        .key(connector.place(table_interval()))
        .key(connector.place(prefix().required()))
        .key(connector.place(delay()))
        .key(keys::zone(connector.next(), ZONE_DOC))
        .key(connector.place(
            Key::boolean(QUALIFY)
                .default(true)
                .importance(Importance::Low)
                .width(Width::Short)
                .display_name("Qualify Table Names")
                .doc("Whether queries name tables with catalog and schema, or by their own names alone."),
        ));
    task_keys(ours(def, &mut connector))
}

fn ours(def: ConfigDef, connector: &mut Group) -> ConfigDef {
    def.key(connector.place(
        Key::string(RECORD_KEY)
            .default("none")
            .one_of(&["none", "primary_key"])
            .recommended(&["none", "primary_key"])
            .width(Width::Short)
            .display_name("Record Key")
            .doc("The key of records: none, as in Connect's JDBC connectors, or a struct of the columns of the table's primary key."),
    ))
    .key(connector.place(
        Key::boolean(HORIZON)
            .default(true)
            .width(Width::Short)
            .display_name("Commit Horizon")
            .doc("PostgreSQL, incremental modes: rows are read only once every transaction has ended that might still commit a row with a lower id or an earlier time, so that none is passed over. Elsewhere timestamp.delay.interval.ms has to be long enough."),
    ))
    .key(connector.place(
        Key::string(CHANNEL)
            .importance(Importance::Low)
            .width(Width::Medium)
            .display_name("Notify Channel")
            .doc("PostgreSQL: a channel whose notifications (NOTIFY) have tables looked at at once, whatever is left of poll.interval.ms."),
    ))
}

/// What the connector tells its tasks.
fn task_keys(def: ConfigDef) -> ConfigDef {
    def.key(Key::list(TABLES).default("").importance(Importance::Low).doc("Tables of the task. Set by the connector."))
        .key(
            Key::boolean(TABLES_FETCHED)
                .default(false)
                .importance(Importance::Low)
                .doc("Whether the tables are known. Set by the connector."),
        )
}

const ZONE_DOC: &str = "Time zone in which the database means times and timestamps that have none.";

fn whitelist() -> Key {
    tables_key(
        WHITELIST,
        "Table Whitelist",
        "Tables that are copied, by full or own names. Not together with table.blacklist; all tables without either.",
    )
}

fn blacklist() -> Key {
    tables_key(BLACKLIST, "Table Blacklist", "Tables that are not copied, by full or own names.")
}

fn tables_key(name: &str, display: &str, doc: &str) -> Key {
    Key::list(name).default("").width(Width::Long).display_name(display).doc(doc)
}

fn catalog() -> Key {
    Key::string(CATALOG)
        .width(Width::Short)
        .display_name("Catalog Pattern")
        .doc("Pattern (as of LIKE) of the catalogs whose tables are looked at; every catalog if not set, and those without one if empty.")
}

fn schema() -> Key {
    Key::string(SCHEMA)
        .importance(Importance::High)
        .width(Width::Short)
        .display_name("Schema Pattern")
        .doc("Pattern (as of LIKE) of the schemas whose tables are looked at; every schema if not set, and those without one if empty.")
}

fn precision_mapping() -> Key {
    Key::boolean(PRECISION_MAPPING)
        .default(false)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Map Numeric Values By Precision (deprecated)")
        .doc("Stands for numeric.mapping=precision_only where that is not set.")
}

fn numeric_mapping(values: &'static [&'static str]) -> Key {
    use millstream_sdk::config::Validator;
    Key::string(NUMERIC_MAPPING)
        .validator(Validator::NullOr(Box::new(keys::either_case(values))))
        .recommended(values)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Map Numeric Values, Integral or Decimal, By Precision and Scale")
        .doc("What becomes of NUMERIC columns: none is Connect's Decimal; precision_only makes integers of those without scale that fit; best_fit also floating-point numbers of those with a scale that fit.")
}

fn mode_key() -> Key {
    Key::string(MODE)
        .one_of(&MODES)
        .recommended(&MODES[1..])
        .importance(Importance::High)
        .width(Width::Medium)
        .display_name("Table Loading Mode")
        .doc("What is read: bulk the whole of a table each time; incrementing rows with a higher id than any before; timestamp rows with a later time; timestamp+incrementing both, the id deciding where times are equal.")
}

fn incrementing() -> Key {
    Key::string(INCREMENTING)
        .default("")
        .width(Width::Medium)
        .display_name("Incrementing Column Name")
        .doc("The column that grows with each new row. Empty for the one that the database itself counts up.")
}

fn timestamp() -> Key {
    Key::list(TIMESTAMP)
        .default("")
        .width(Width::Medium)
        .display_name("Timestamp Column Name")
        .doc("Columns whose time says when a row has changed; the first that is not null counts.")
}

fn mapping(name: &str, display: &str, doc: &str) -> Key {
    Key::list(name).default("").width(Width::Long).display_name(display).doc(doc).check(|value| match value {
        ConfigValue::List(items) => items
            .iter()
            .filter(|item| !item.trim().is_empty())
            .try_for_each(|item| super::columns::Mapping::parse(item).map(drop).map_err(|error| error.message)),
        _ => Ok(()),
    })
}

fn non_null() -> Key {
    Key::boolean(NON_NULL)
        .default(true)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Validate Non Null")
        .doc("Whether tables are refused whose incrementing column may be null, or whose timestamp columns may all be: such rows are never read.")
}

fn query() -> Key {
    Key::string(QUERY)
        .default("")
        .width(Width::Short)
        .display_name("Query")
        .doc("A query whose rows are copied instead of tables. The incremental modes add WHERE and ORDER BY to it; one that has its own goes inside: SELECT * FROM (…) q.")
}

fn poll_interval() -> Key {
    Key::int(POLL_INTERVAL)
        .default(5000)
        .importance(Importance::High)
        .width(Width::Short)
        .display_name("Poll Interval (ms)")
        .doc("Milliseconds between two queries of a table.")
}

fn batch_rows(rows: i32) -> Key {
    Key::int(BATCH_ROWS)
        .default(rows)
        .range(1..)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Max Rows Per Batch")
        .doc("Most rows that are handed on at a time.")
}

fn table_interval() -> Key {
    Key::long(TABLE_INTERVAL)
        .default(60_000)
        .importance(Importance::Low)
        .width(Width::Short)
        .display_name("Metadata Change Monitoring Interval (ms)")
        .doc("Milliseconds between two looks for tables that have come or gone.")
}

fn prefix() -> Key {
    Key::string(PREFIX)
        .importance(Importance::High)
        .width(Width::Medium)
        .display_name("Topic Prefix")
        .doc("What stands before the table's own name in the name of its topic; the topic itself with a query.")
        .check(|value| match value {
            ConfigValue::Null => Err("Topic prefix must not be null.".to_owned()),
            ConfigValue::String(text) => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                let text = text.trim();
                if 249 < text.len() {
                    Err("Topic prefix length must not exceed max topic name length, 249 chars".to_owned())
                } else if !text.chars().all(allowed) {
                    Err("Topic prefix must not contain any character other than ASCII alphanumerics, '.', '_' and '-'."
                        .to_owned())
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        })
}

fn delay() -> Key {
    Key::long(DELAY)
        .default(0)
        .range(0..)
        .importance(Importance::High)
        .width(Width::Medium)
        .display_name("Delay Interval (ms)")
        .doc("Timestamp modes: rows are read so many milliseconds after their time, so that transactions that were open then have ended, and clocks that differ do no harm.")
}

fn incrementing_initial() -> Key {
    Key::long(INCREMENTING_INITIAL)
        .default(-1)
        .importance(Importance::Low)
        .width(Width::Long)
        .display_name("Initial Id")
        .doc("The incrementing modes read ids above this one while there is no stored offset.")
}
