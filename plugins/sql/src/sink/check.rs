//! What is wrong with a sink's configuration, beyond its single keys.

use millstream_sdk::config::ConfigMap;

use super::{
    keys::name::*,
    settings::{InsertMode, PkMode, Settings},
};
use crate::{
    keys::{self, Problem, on_each},
    session::Session,
};

/// What is wrong; where nothing is, what the database says.
pub fn problems(config: &ConfigMap, settings: &Settings) -> Vec<Problem> {
    let found = without_database(config, settings);
    if !found.is_empty() {
        return found;
    }
    match Session::open(&settings.connection, "DEFAULT") {
        Ok(_) => Vec::new(),
        Err(error) => on_each(&[keys::name::URL], &format!("Could not connect to database. {error}")),
    }
}

/// What can be told without a look at the database.
pub fn without_database(config: &ConfigMap, settings: &Settings) -> Vec<Problem> {
    if let Some(problem) = keys::refuse_url(config) {
        return on_each(&[keys::name::URL], &problem);
    }
    if settings.delete && settings.pk_mode != PkMode::RecordKey {
        return on_each(&[DELETE, PK_MODE], "Deletes are only supported for pk.mode record_key");
    }
    let mode = match settings.insert_mode {
        InsertMode::Insert => None,
        InsertMode::Upsert => Some("upsert"),
        InsertMode::Update => Some("update"),
    };
    if let Some(mode) = mode.filter(|_| settings.pk_mode == PkMode::None) {
        let text = format!(
            "insert.mode {mode} needs the key of a row, by which it is found: set pk.mode to kafka, record_key or record_value"
        );
        return on_each(&[INSERT_MODE, PK_MODE], &text);
    }
    if settings.pk_mode == PkMode::Kafka && !matches!(settings.pk_fields.len(), 0 | 3) {
        let text = "pk.mode kafka needs no names in pk.fields, or exactly 3: for topic, partition and offset";
        return on_each(&[PK_FIELDS, PK_MODE], text);
    }
    if settings.once.is_some() && settings.name.is_empty() {
        return on_each(&[ONCE], "exactly.once needs the connector's name, under which offsets are kept");
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use millstream_sdk::config::ConfigMap;

    use super::*;
    use crate::family::FamilySettings;
    use crate::sink::keys::{aiven, confluent};

    #[track_caller]
    fn check(entries: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut config = ConfigMap::from([("connection.url", "jdbc:postgresql://h/d"), ("name", "c")]);
        entries.iter().for_each(|(key, value)| config.set(*key, Some((*value).to_owned())));
        let settings = Settings::read(&confluent().parse(&config).expect("each key is fine"), false).expect("read");
        let found = without_database(&config, &settings);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((key, text), (expected_key, beginning)) in found.iter().zip(expected) {
            assert!(key == expected_key && text.starts_with(beginning), "{key}: {text}");
        }
    }

    #[test]
    fn keys_that_do_not_go_together_are_refused_on_each_of_them() {
        check(&[], &[]);
        let deletes = "Deletes are only supported for pk.mode record_key";
        check(&[("delete.enabled", "true")], &[("delete.enabled", deletes), ("pk.mode", deletes)]);
        check(&[("delete.enabled", "true"), ("pk.mode", "RECORD_KEY")], &[]);
        for mode in ["upsert", "UPDATE"] {
            check(&[("insert.mode", mode)], &[("insert.mode", "insert.mode up"), ("pk.mode", "insert.mode up")]);
        }
        check(
            &[("pk.mode", "kafka"), ("pk.fields", "a,b")],
            &[("pk.fields", "pk.mode kafka"), ("pk.mode", "pk.mode kafka")],
        );
        check(&[("exactly.once", "true"), ("name", "")], &[("exactly.once", "exactly.once needs")]);
        check(&[("connection.url", "oracle")], &[("connection.url", "Invalid value oracle for")]);
    }

    #[test]
    fn tables_are_found_by_topics() {
        use crate::dialect::Dialect::PostgreSql;
        let settings = |entries: &[(&str, &str)], is_aiven: bool| {
            let mut config = ConfigMap::from([("connection.url", "jdbc:postgresql://h/d")]);
            entries.iter().for_each(|(key, value)| config.set(*key, Some((*value).to_owned())));
            let definition = if is_aiven { aiven() } else { confluent() };
            Settings::read(&definition.parse(&config).expect("fine"), is_aiven).expect("read")
        };
        let named =
            |settings: &Settings, topic: &str| settings.table_of(topic, PostgreSql).map(|table| table.to_string());
        assert_eq!(named(&settings(&[], false), "a.b"), Ok("a.b".to_owned()));
        assert_eq!(
            named(&settings(&[("table.name.format", " kafka_${topic} ")], false), "t"),
            Ok("kafka_t".to_owned())
        );
        assert!(named(&settings(&[], false), "a.b.c.d").expect_err("too long").message.contains("more parts"));
        let quoted = settings(&[("table.name.format", "\"${topic}\"")], false).table_of("a.b.c.d", PostgreSql);
        assert_eq!(quoted.expect("one part").parts(), ["a.b.c.d"]);
        let normal = settings(&[("table.name.normalize", "true")], true);
        assert_eq!(named(&normal, "a.b-c"), Ok("a_b_c".to_owned()));
        let mapped = settings(&[("topics.to.tables.mapping", "t:other")], true);
        assert_eq!(named(&mapped, "t"), Ok("other".to_owned()));
        let error = named(&mapped, "u").expect_err("unmapped").message;
        assert!(
            error.starts_with(
                "Destination table for the topic: 'u' couldn't be found in the topics to tables mapping: '{t=other}'"
            ),
            "{error}"
        );
    }
}
