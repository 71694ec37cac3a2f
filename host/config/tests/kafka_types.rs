//! Texts of every type, read as `ConfigDef.parseType` of Kafka 4.3.0 reads them. The file beside was written down by
//! running that function.

use millstream_config::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Environment, ParsedValue};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../testdata/kafka-4.3-config-types.jsonl");

/// Knows the classes that the recording's class path had.
struct Jdk;

impl Environment for Jdk {
    fn check_regex(&self, _: &str) -> Result<(), String> {
        Ok(())
    }

    fn resolve_class(&self, name: &str) -> Option<String> {
        ["java.lang.String", "java.util.Map$Entry"].contains(&name).then(|| name.to_owned())
    }
}

#[test]
fn texts_are_read_as_kafka_reads_them() {
    let mut wrong = Vec::new();
    for line in RECORDED.lines() {
        let recorded: Value = serde_json::from_str(line).expect("the recording is JSON");
        let text = recorded["text"].as_str().expect("a text");
        let kind = ConfigType::from_name(recorded["type"].as_str().expect("a type")).expect("a known type");
        let def = ConfigDef::of([ConfigKey::new("k", kind)]);
        let parsed = def.parse_in(&ConfigMap::from([("k".to_owned(), Some(text.to_owned()))]), &Jdk);
        let ours = match parsed {
            Ok(config) => json!({"value": shown(config.value("k"))}),
            Err(error) => json!({"error": error.message()}),
        };
        let expected = match recorded.get("error") {
            Some(error) => json!({"error": error}),
            None => json!({"value": recorded["value"]}),
        };
        if ours != expected {
            wrong.push(format!("{line}\n    ours: {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), RECORDED.lines().count(), wrong.join("\n"));
}

fn shown(value: &ParsedValue) -> Value {
    match value {
        ParsedValue::Null => Value::Null,
        ParsedValue::Boolean(value) => json!(value),
        ParsedValue::List(items) => json!(items),
        ParsedValue::Text(text) | ParsedValue::Password(text) | ParsedValue::Class(text) => json!(text),
        number => json!(number.to_string()),
    }
}
