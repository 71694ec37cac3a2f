//! Worker and connector keys are declared as Kafka 4.3.0 declares them: names, types, defaults, importance, bounds.
//! The file beside was written down from the definitions of its classes.

use millstream_config::{
    ConfigDef, ConfigKey, ConfigMap, Default, Mode, PlainEnvironment, Validator, sink_keys, source_keys,
};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../testdata/kafka-4.3-definitions.jsonl");

/// Where ours differs on purpose: key, member, why.
const DIFFERENT: [(&str, &str, &str); 8] = [
    ("bootstrap.servers", "required", "without it the built-in broker is used"),
    ("bootstrap.servers", "default", "without it the built-in broker is used"),
    ("connect.protocol", "accepts", "Kafka's words say less than it takes: any case"),
    ("inter.worker.verification.algorithms", "list", "refused in words of its own when the worker's keys are compared"),
    ("listeners", "list", "checked where they are parsed"),
    ("transforms", "list", "refused under the alias's own keys"),
    ("predicates", "list", "the same"),
    ("topic.creation.groups", "list", "the same"),
];

#[test]
fn keys_are_declared_as_kafka_declares_them() {
    let defs = [
        ("standalone", Mode::Standalone.config_def()),
        ("distributed", Mode::Distributed.config_def()),
        ("source", source_keys()),
        ("sink", sink_keys()),
    ];
    let mut wrong = Vec::new();
    for line in RECORDED.lines() {
        let theirs: Value = serde_json::from_str(line).expect("the recording is JSON");
        let Some((of, def)) = defs.iter().find(|(of, _)| theirs["of"] == *of) else { continue };
        let name = theirs["key"].as_str().expect("a name");
        let allowed = |member: &str| DIFFERENT.iter().any(|(key, at, _)| *key == name && *at == member);
        let Some(key) = def.get(name) else {
            if !allowed("key") {
                wrong.push(format!("{of}: {name} is not declared"));
            }
            continue;
        };
        for (member, ours) in members(key) {
            let expected = match (member, theirs.get(member)) {
                ("accepts", Some(Value::String(text))) => json!(text.replace("0.0,", "0,").replace("1.0]", "1]")),
                (_, expected) => expected.cloned().unwrap_or(Value::Null),
            };
            let comparable = match member {
                // Rules that Kafka describes in words are compared by the tests of the behaviour.
                "accepts" => expected.as_str().is_some_and(|text| text.contains('[') && !text.contains("action")),
                "list" => expected.is_object(),
                _ => true,
            };
            if comparable && ours != expected && !allowed(member) {
                wrong.push(format!("{of}: {name}: {member} is {ours}, Kafka has {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn members(key: &ConfigKey) -> [(&'static str, Value); 6] {
    let default = match &key.default {
        Default::Text(text) => json!(text),
        _ => Value::Null,
    };
    [
        ("type", json!(key.kind.as_str())),
        ("required", json!(key.is_required())),
        ("default", default),
        ("importance", json!(key.importance.as_str())),
        ("accepts", key.validator.as_ref().map_or(Value::Null, accepts)),
        ("list", lists(key)),
    ]
}

/// A rule as Kafka's validators print themselves.
fn accepts(rule: &Validator) -> Value {
    let bound = |bound: &Option<f64>| bound.map(|bound| bound.to_string()).unwrap_or_default();
    match rule {
        Validator::Range { min, max: None } => json!(format!("[{},...]", bound(min))),
        Validator::Range { min, max } => json!(format!("[{},...,{}]", bound(min), bound(max))),
        Validator::OneOf(texts) => json!(format!("[{}]", texts.join(", "))),
        Validator::OneOfIgnoreCase(texts) => {
            json!(format!("(case insensitive) [{}]", texts.join(", ").to_ascii_uppercase()))
        }
        Validator::NullOr(rule) => accepts(rule),
        other => json!(other.describe()),
    }
}

/// Which lists a key takes.
fn lists(key: &ConfigKey) -> Value {
    let takes = |text: Option<&str>| {
        let config = ConfigMap::from([(key.name.clone(), text.map(str::to_owned))]);
        ConfigDef::of([key.clone()]).validate(&config, &PlainEnvironment).iter().all(|value| value.errors.is_empty())
    };
    match key.kind {
        millstream_config::ConfigType::List => json!({
            "null": takes(None),
            "empty": takes(Some("")),
            "twice": takes(Some("HmacSHA256,HmacSHA256")),
            "blank": takes(Some("HmacSHA256,")),
        }),
        _ => Value::Null,
    }
}
