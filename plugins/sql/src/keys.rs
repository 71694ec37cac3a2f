//! Keys that source and sink share, and how their texts are read.

use millstream_sdk::{
    Error, Result,
    config::{ConfigMap, ConfigValue, ConfigValues, Importance, Key, Opens, Validator, Width},
};

use crate::dialect::{Dialect, Quoting};

/// Names of keys, those of Connect's connectors first.
pub mod name {
    pub const URL: &str = "connection.url";
    pub const USER: &str = "connection.user";
    pub const PASSWORD: &str = "connection.password";
    pub const CREDENTIALS: &str = "jdbc.credentials.provider.class";
    pub const ATTEMPTS: &str = "connection.attempts";
    pub const BACKOFF: &str = "connection.backoff.ms";
    pub const DIALECT: &str = "dialect.name";
    pub const TABLE_TYPES: &str = "table.types";
    pub const ZONE: &str = "db.timezone";
    pub const CALENDAR: &str = "date.calendar.system";
    pub const QUOTE: &str = "quote.sql.identifiers";
    pub const AIVEN_QUOTE: &str = "sql.quote.identifiers";
}

/// Keys of the driver: what stands behind this and is no key of the connector.
const PROPERTIES: &str = "connection.";
/// The only provider of credentials: user and password as they are configured.
const DEFAULT_CREDENTIALS: &str = "io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider";

/// `connection.url`.
pub fn url(group: (&str, i32)) -> Key {
    Key::string(name::URL)
        .importance(Importance::High)
        .group(group.0, group.1)
        .width(Width::Long)
        .display_name("JDBC URL")
        .doc(
            "JDBC URL of the database: jdbc:postgresql://host/database, jdbc:mysql://host/database, \
             jdbc:mariadb://host/database or jdbc:sqlite:file.",
        )
        .opens(Opens::sql().user(name::USER).password(name::PASSWORD).properties(PROPERTIES))
}

/// `connection.user`.
pub fn user(group: (&str, i32)) -> Key {
    Key::string(name::USER)
        .importance(Importance::High)
        .group(group.0, group.1)
        .width(Width::Medium)
        .display_name("JDBC User")
        .doc("User of the database.")
}

/// `connection.password`.
pub fn password(group: (&str, i32)) -> Key {
    Key::password(name::PASSWORD)
        .importance(Importance::High)
        .group(group.0, group.1)
        .width(Width::Short)
        .display_name("JDBC Password")
        .doc("Password of the user. It stays in the worker: the plugin never sees it.")
}

/// `jdbc.credentials.provider.class`.
pub fn credentials(group: (&str, i32)) -> Key {
    Key::class(name::CREDENTIALS)
        .default(DEFAULT_CREDENTIALS)
        .importance(Importance::Low)
        .group(group.0, group.1)
        .width(Width::Long)
        .display_name("JDBC Credentials Provider Class")
        .doc("Java class that provides user and password. Only the default one can be had here, which takes them from their keys; a config provider does what the others are for.")
        .check(|value| match value {
            ConfigValue::String(class) if class == DEFAULT_CREDENTIALS => Ok(()),
            ConfigValue::Null => Ok(()),
            _ => Err(format!("Java classes cannot be run here: leave it out, and let {} refer to a config provider", name::PASSWORD)),
        })
}

/// `connection.attempts`.
pub fn attempts(group: (&str, i32)) -> Key {
    Key::int(name::ATTEMPTS)
        .default(3)
        .range(1..)
        .importance(Importance::Low)
        .group(group.0, group.1)
        .width(Width::Short)
        .display_name("JDBC connection attempts")
        .doc("How often a connection is tried before the connector or task fails.")
}

/// `connection.backoff.ms`.
pub fn backoff(group: (&str, i32)) -> Key {
    Key::long(name::BACKOFF)
        .default(10_000)
        .importance(Importance::Low)
        .group(group.0, group.1)
        .width(Width::Short)
        .display_name("JDBC connection backoff in milliseconds")
        .doc("Milliseconds between two attempts to connect.")
}

/// `dialect.name`.
pub fn dialect(group: (&str, i32)) -> Key {
    Key::string(name::DIALECT)
        .default("")
        .importance(Importance::Low)
        .group(group.0, group.1)
        .width(Width::Long)
        .display_name("Database Dialect")
        .doc("Dialect of SQL that is spoken to the database; empty for that of the URL.")
        .check(|value| match value {
            ConfigValue::String(name) => Dialect::choose("jdbc:sqlite:", name).map(drop),
            _ => Ok(()),
        })
}

/// `table.types`, with the types that the host can tell apart beside those of the key's own list.
pub fn table_types(group: (&str, i32), recommended: &[&str], doc: &str) -> Key {
    Key::list(name::TABLE_TYPES)
        .default("TABLE")
        .importance(Importance::Low)
        .group(group.0, group.1)
        .width(Width::Medium)
        .display_name("Table Types")
        .recommended(recommended)
        .doc(doc)
        .check(|value| match value {
            ConfigValue::List(types) => {
                let known = |text: &String| TABLE_TYPES.iter().any(|known| text.trim().eq_ignore_ascii_case(known));
                match types.iter().find(|text| !known(text)) {
                    None => Ok(()),
                    Some(_) => Err(format!("must be among {}", TABLE_TYPES.join(", "))),
                }
            }
            _ => Ok(()),
        })
}

/// Types of tables that may be named.
const TABLE_TYPES: [&str; 10] = [
    "TABLE",
    "VIEW",
    "SYSTEM TABLE",
    "GLOBAL TEMPORARY",
    "LOCAL TEMPORARY",
    "ALIAS",
    "SYNONYM",
    "PARTITIONED TABLE",
    "MATERIALIZED VIEW",
    "FOREIGN TABLE",
];

/// `db.timezone`.
pub fn zone(group: (&str, i32), doc: &str) -> Key {
    Key::string(name::ZONE)
        .default("UTC")
        .importance(Importance::Medium)
        .group(group.0, group.1)
        .width(Width::Medium)
        .display_name("DB Time Zone")
        .doc(doc)
        .check(zone_text)
}

/// A zone's name, as far as it can be told without a list of zones; the host has one, which it looks into when the
/// database is opened.
pub fn zone_text(value: &ConfigValue) -> Result<(), String> {
    let looks_like_one = |text: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ':');
        !text.is_empty() && text.chars().all(allowed)
    };
    match value {
        ConfigValue::String(text) if !looks_like_one(text) => Err(
            "Invalid time zone. See the list of valid time zones at https://en.wikipedia.org/wiki/List_of_tz_database_time_zones"
                .to_owned(),
        ),
        _ => Ok(()),
    }
}

/// `date.calendar.system`.
pub fn calendar(group: (&str, i32)) -> Key {
    Key::string(name::CALENDAR)
        .default("LEGACY")
        .one_of(&["LEGACY", "PROLEPTIC_GREGORIAN"])
        .recommended(&["LEGACY", "PROLEPTIC_GREGORIAN"])
        .importance(Importance::Low)
        .group(group.0, group.1)
        .width(Width::Medium)
        .display_name("Date Calendar System")
        .doc("How dates before 15 October 1582 are counted: LEGACY as java.util.Date does, by the Julian calendar, or PROLEPTIC_GREGORIAN as databases do.")
}

/// `quote.sql.identifiers`.
pub fn quote(group: (&str, i32)) -> Key {
    Key::string(name::QUOTE)
        .default("ALWAYS")
        .validator(either_case(&["ALWAYS", "NEVER"]))
        .importance(Importance::Medium)
        .group(group.0, group.1)
        .width(Width::Medium)
        .display_name("Quote Identifiers")
        .doc("Whether names of tables and columns stand between quotes in statements: always, or never.")
}

/// `sql.quote.identifiers`, as Aiven's connectors have it.
pub fn aiven_quote(group: (&str, i32)) -> Key {
    Key::boolean(name::AIVEN_QUOTE)
        .default(true)
        .importance(Importance::Medium)
        .group(group.0, group.1)
        .width(Width::Medium)
        .display_name("Quote SQL Identifiers")
        .doc("Whether names of tables and columns stand between quotes in statements.")
}

/// Enumerations in Connect's JDBC connectors: all upper case or all lower case.
pub fn either_case(values: &[&str]) -> Validator {
    let lower = values.iter().map(|value| value.to_lowercase());
    let upper = values.iter().map(|value| value.to_uppercase());
    Validator::OneOf(
        upper.chain(lower.filter(|lower| !values.iter().any(|value| value.to_uppercase() == *lower))).collect(),
    )
}

/// What is needed to reach a database.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The dialect that is named; empty for that of the URL.
    pub dialect: String,
    /// How often to try.
    pub attempts: u32,
    /// Milliseconds between two attempts.
    pub backoff_ms: u64,
    /// Zone in which times without one are meant.
    pub zone: String,
    /// How dates before 1582 are counted.
    pub calendar: String,
}

impl Connection {
    /// Reads it from a configuration whose definition has the keys above; `calendar` may be missing.
    ///
    /// # Errors
    ///
    /// A value is null.
    pub fn read(values: &ConfigValues, has_calendar: bool) -> Result<Self> {
        Ok(Self {
            dialect: values.opt_string(name::DIALECT).unwrap_or_default().to_owned(),
            attempts: u32::try_from(values.int(name::ATTEMPTS)?).unwrap_or(1),
            backoff_ms: u64::try_from(values.long(name::BACKOFF)?).unwrap_or_default(),
            zone: values.string(name::ZONE)?.to_owned(),
            calendar: if has_calendar { values.string(name::CALENDAR)?.to_owned() } else { "LEGACY".to_owned() },
        })
    }
}

/// Whether names are quoted, by either family's key.
///
/// # Errors
///
/// The value is null.
pub fn quoting(values: &ConfigValues, aiven: bool) -> Result<Quoting> {
    let always = match aiven {
        true => values.boolean(name::AIVEN_QUOTE)?,
        false => values.string(name::QUOTE)?.eq_ignore_ascii_case("ALWAYS"),
    };
    Ok(if always { Quoting::Always } else { Quoting::Never })
}

/// A list without its empty items, each trimmed.
pub fn items(values: &ConfigValues, key: &str) -> Vec<String> {
    let items = values.opt_list(key).unwrap_or_default().iter().map(|item| item.trim().to_owned());
    items.filter(|item| !item.is_empty()).collect()
}

/// What is wrong with URL and dialect together, as text for the URL's key. A URL that the host hides is looked at when it
/// is opened.
pub fn refuse_url(config: &ConfigMap) -> Option<String> {
    let url = config.get(name::URL).map(str::trim).unwrap_or_default();
    if url == HIDDEN {
        return None;
    }
    Dialect::choose(url, config.get(name::DIALECT).unwrap_or_default())
        .err()
        .map(|problem| format!("Invalid value {url} for configuration {}: {problem}", name::URL))
}

/// What stands in place of values that the plugin is not to see.
const HIDDEN: &str = "[hidden]";

/// A problem of the configuration with the key that shows it.
pub type Problem = (String, String);

/// The same text on several keys.
pub fn on_each(keys: &[&str], problem: &str) -> Vec<Problem> {
    keys.iter().map(|&key| (key.to_owned(), problem.to_owned())).collect()
}

/// A configuration that a check has found something against, where no validation has said so before.
///
/// # Errors
///
/// The first problem.
pub fn refuse_first(problems: Vec<Problem>) -> Result<()> {
    match problems.into_iter().next() {
        None => Ok(()),
        Some((_, text)) => Err(Error::config(text)),
    }
}
