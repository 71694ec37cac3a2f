//! What is wrong with a source's configuration, beyond its single keys.

use millstream_sdk::{Result, config::ConfigMap};

use super::{
    keys::name::*,
    settings::{Mode, Settings},
};
use crate::{
    keys::{self, Problem, on_each},
    session::Session,
};

/// Keys that are alternatives to one another.
const LEGACY: [&str; 4] = [WHITELIST, BLACKLIST, INCREMENTING, TIMESTAMP];
const NEW: [&str; 4] = [INCLUDE, EXCLUDE, TIMESTAMP_MAPPING, INCREMENTING_MAPPING];
const FILTERS: [&str; 4] = [WHITELIST, BLACKLIST, INCLUDE, EXCLUDE];

/// What is wrong, the first kind of it that is found; then what the database says of it.
///
/// # Errors
///
/// None: what keeps a configuration from being read is said of its keys.
pub fn problems(config: &ConfigMap, settings: &Settings) -> Result<Vec<Problem>> {
    let found = without_database(config, settings);
    if !found.is_empty() {
        return Ok(found);
    }
    let session = match Session::open(&settings.connection, &settings.isolation) {
        Ok(session) => session,
        Err(error) => return Ok(on_each(&[keys::name::URL], &format!("Could not connect to database. {error}"))),
    };
    Ok(match &settings.query {
        None => Vec::new(),
        Some(query) => match session.check(query) {
            Ok(_) => Vec::new(),
            Err(error) => on_each(
                &[query_key(config)],
                &format!(
                    "The configured query is not valid and has database/connection errors. Please provide the correct query by validating the query syntax and the existing table/column names with the database being connected ({error})."
                ),
            ),
        },
    })
}

/// Which of the two keys has the query.
fn query_key(config: &ConfigMap) -> &'static str {
    if is_set(config, QUERY) { QUERY } else { QUERY_MASKED }
}

fn is_set(config: &ConfigMap, key: &str) -> bool {
    config.get(key).is_some_and(|value| !value.trim().is_empty())
}

/// What can be told without a look at the database.
pub fn without_database(config: &ConfigMap, settings: &Settings) -> Vec<Problem> {
    if let Some(problem) = keys::refuse_url(config) {
        return on_each(&[keys::name::URL], &problem);
    }
    let set = |keys: &[&'static str]| keys.iter().copied().filter(|key| is_set(config, key)).collect::<Vec<_>>();
    if settings.isolation == "SQL_SERVER_SNAPSHOT" {
        let text = "Isolation mode of `SQL_SERVER_SNAPSHOT` can only be configured with a Sql Server Dialect";
        return on_each(&[ISOLATION], text);
    }
    let (legacy, new) = (set(&LEGACY), set(&NEW));
    if !settings.aiven && !legacy.is_empty() && !new.is_empty() {
        let text = format!(
            "Cannot mix legacy and new configuration approaches. Set either {} or {}, not some of both.",
            LEGACY.join(", "),
            NEW.join(", ")
        );
        return on_each(&[legacy, new].concat(), &text);
    }
    if !settings.aiven && is_set(config, QUERY) && is_set(config, QUERY_MASKED) {
        let text =
            "Both 'query' and 'query.masked' configs cannot be set at the same time. Please use only one of them.";
        return on_each(&[QUERY, QUERY_MASKED], text);
    }
    if settings.query.is_some() {
        let filters = set(&FILTERS);
        if !filters.is_empty() {
            let text = "Do not specify table filtering configs with 'query'. Remove table.whitelist, table.blacklist, table.include.list and table.exclude.list, or the query.";
            return on_each(&filters, text);
        }
        return query_problems(config, settings);
    }
    if settings.aiven && is_set(config, WHITELIST) && is_set(config, BLACKLIST) {
        return on_each(&[WHITELIST, BLACKLIST], "table.whitelist and table.blacklist are exclusive: set one of them");
    }
    if settings.aiven { Vec::new() } else { mapping_problems(config, settings) }
}

fn query_problems(config: &ConfigMap, settings: &Settings) -> Vec<Problem> {
    let key = query_key(config);
    let query = settings.query.as_deref().unwrap_or_default();
    let begins = |word: &str| query.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if !settings.aiven && !begins("select") {
        let text = format!(
            "Only SELECT statements are supported for '{key}'. Please provide a statement that starts with SELECT."
        );
        return on_each(&[key], &text);
    }
    if settings.mode.has_incrementing() && settings.columns.incrementing.is_none() {
        let text = "A query has no column that the database counts up: incrementing.column.name must be set.";
        return on_each(&[INCREMENTING, MODE], text);
    }
    if settings.mode.has_timestamp() && settings.columns.timestamps.is_empty() {
        return on_each(&[TIMESTAMP, MODE], "timestamp.column.name must be set in the timestamp modes.");
    }
    if settings.prefix.is_empty() {
        return on_each(&[PREFIX], "With a query, topic.prefix is the name of the topic, and must be set.");
    }
    Vec::new()
}

/// The newer keys know which of them go together.
fn mapping_problems(config: &ConfigMap, settings: &Settings) -> Vec<Problem> {
    let mode = settings.mode;
    if is_set(config, EXCLUDE) && !is_set(config, INCLUDE) {
        let text = "table.exclude.list cannot be used without table.include.list. Set that to the tables of which some are excluded; .* is all of them.";
        return on_each(&[EXCLUDE], text);
    }
    let uses_new = NEW.iter().any(|key| is_set(config, key));
    let wanted = [(mode.has_timestamp(), TIMESTAMP_MAPPING), (mode.has_incrementing(), INCREMENTING_MAPPING)];
    for (needed, key) in wanted {
        match (needed, is_set(config, key)) {
            (true, false) if uses_new => {
                return on_each(
                    &[MODE],
                    &format!("mode {} needs {key} where table.include.list is used.", mode.name()),
                );
            }
            (false, true) => {
                return on_each(&[MODE], &format!("mode {} has no use for {key}: remove it.", mode.name()));
            }
            _ => {}
        }
    }
    if mode.has_timestamp() && !uses_new && settings.columns.timestamps.is_empty() {
        return on_each(&[TIMESTAMP, MODE], "timestamp.column.name must be set in the timestamp modes.");
    }
    Vec::new()
}

/// Whether a mode's offsets name a place from which exactly the records come that are missing.
pub fn repeats_exactly(mode: Mode) -> bool {
    mode.has_incrementing()
}

#[cfg(test)]
mod tests {
    use millstream_sdk::config::{ConfigDef, ConfigValues};

    use super::*;
    use crate::family::FamilySettings;
    use crate::source::keys::{aiven, confluent};

    fn values(definition: &ConfigDef, config: &ConfigMap) -> ConfigValues {
        definition.parse(config).expect("each key is fine")
    }

    #[track_caller]
    fn check(entries: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut config = ConfigMap::from([("connection.url", "jdbc:postgresql://h/d"), ("mode", "bulk")]);
        entries.iter().for_each(|(key, value)| config.set(*key, Some((*value).to_owned())));
        let settings = Settings::read(&values(&confluent(), &config), false).expect("read");
        let found = without_database(&config, &settings);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((key, text), (expected_key, beginning)) in found.iter().zip(expected) {
            assert!(key == expected_key && text.starts_with(beginning), "{key}: {text}");
        }
    }

    #[test]
    fn keys_that_exclude_one_another_are_refused_in_the_words_of_the_original() {
        check(&[], &[]);
        check(&[("table.whitelist", "a"), ("table.blacklist", "b")], &[]);
        let mixed = "Cannot mix legacy and new configuration approaches.";
        check(
            &[("table.whitelist", "a"), ("table.include.list", "b")],
            &[("table.whitelist", mixed), ("table.include.list", mixed)],
        );
        check(
            &[("table.exclude.list", "b")],
            &[("table.exclude.list", "table.exclude.list cannot be used without table.include.list. ")],
        );
        check(
            &[("query", "SELECT 1"), ("query.masked", "SELECT 2"), ("topic.prefix", "t")],
            &[("query", "Both 'query' and 'query.masked'"), ("query.masked", "Both 'query' and 'query.masked'")],
        );
        check(
            &[("query", "SELECT 1"), ("table.whitelist", "a")],
            &[("table.whitelist", "Do not specify table filtering configs with 'query'. ")],
        );
        check(
            &[("query.masked", " delete from t"), ("topic.prefix", "t")],
            &[("query.masked", "Only SELECT statements are supported for 'query.masked'. ")],
        );
        check(
            &[("transaction.isolation.mode", "SQL_SERVER_SNAPSHOT")],
            &[("transaction.isolation.mode", "Isolation mode of `SQL_SERVER_SNAPSHOT`")],
        );
        check(
            &[("connection.url", "jdbc:db2://h")],
            &[(
                "connection.url",
                "Invalid value jdbc:db2://h for configuration connection.url: there is no driver for db2",
            )],
        );
        check(&[("connection.url", "[hidden]")], &[]);
    }

    #[test]
    fn modes_have_the_columns_that_they_need() {
        check(&[("mode", "incrementing")], &[]);
        check(
            &[("mode", "timestamp")],
            &[("timestamp.column.name", "timestamp.column.name must"), ("mode", "timestamp.column.name must")],
        );
        check(&[("mode", "timestamp"), ("timestamp.column.name", "at")], &[]);
        check(
            &[("mode", "incrementing"), ("query", "select 1"), ("topic.prefix", "t")],
            &[("incrementing.column.name", "A query has no column"), ("mode", "A query has no column")],
        );
        check(
            &[("mode", "incrementing"), ("table.include.list", ".*")],
            &[("mode", "mode incrementing needs incrementing.column.mapping")],
        );
        check(
            &[("table.include.list", ".*"), ("incrementing.column.mapping", ".*:id")],
            &[("mode", "mode bulk has no use for")],
        );
        check(&[("query", "select 1")], &[("topic.prefix", "With a query")]);
    }

    #[test]
    fn aivens_keys_have_its_own_names_and_defaults() {
        let config = ConfigMap::from([
            ("connection.url", "jdbc:sqlite:x"),
            ("mode", "timestamp"),
            ("timestamp.column.name", "at"),
            ("topic.prefix", "t-"),
            ("timestamp.initial.ms", "-5"),
            ("sql.quote.identifiers", "false"),
            ("table.names.qualify", "false"),
        ]);
        let settings = Settings::read(&values(&aiven(), &config), true).expect("read");
        assert_eq!(settings.batch_rows, 100);
        assert_eq!(settings.timestamp_initial, Some(crate::source::settings::Begin::At(-5)));
        assert!(!settings.qualify && settings.quoting == crate::dialect::Quoting::Never);
        assert_eq!(without_database(&config, &settings), []);
        let missing = aiven().parse(&ConfigMap::from([("connection.url", "x"), ("mode", "bulk")]));
        assert!(missing.expect_err("required").message.contains("topic.prefix"));
    }
}
