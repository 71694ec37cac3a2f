//! A predicate: holds for records with a text that contains another.

use millstream_sdk::{
    Info, Record, Result, RowPredicate, Rows, Value,
    config::{ConfigDef, ConfigValues, Importance, Key, PluginConfig},
};

millstream_sdk::plugin! {
    predicates: [Rows<__TYPE__>],
}

/// Where to look, and what for.
pub struct Config {
    field: String,
    text: String,
}

impl PluginConfig for Config {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("field").default("").doc("Field to look into; the whole value if empty."))
            .key(Key::string("text").required().non_empty().importance(Importance::High).doc("What to look for."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { field: values.string("field")?.to_owned(), text: values.string("text")?.to_owned() })
    }
}

/// The predicate.
pub struct __TYPE__ {
    field: String,
    text: String,
}

impl RowPredicate for __TYPE__ {
    const INFO: Info =
        Info::new("__CLASS__").version(env!("CARGO_PKG_VERSION")).doc("Whether a text contains another.");
    type Config = Config;

    fn configure(Config { field, text }: Config) -> Result<Self> {
        Ok(Self { field, text })
    }

    fn test(&mut self, record: &Record) -> Result<bool> {
        Ok(matches!(part(&record.value, &self.field), Some(Value::String(found)) if found.contains(&self.text)))
    }
}

/// The field of a struct or map, or the value itself; none if there is no such field.
fn part<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    match value {
        value if field.is_empty() => Some(value),
        Value::Struct(schema, values) => values.get(schema.fields().iter().position(|of| of.name == field)?),
        Value::Map(entries) => entries.iter().find_map(|(key, value)| (*key == field.into()).then_some(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::map;

    use super::*;

    #[test]
    fn it_holds_for_text_that_contains_the_other() {
        let mut predicate = __TYPE__ { field: "name".to_owned(), text: "nn".to_owned() };
        let mut holds = |value: Value| predicate.test(&Record::new("t", value)).expect("tested");
        assert!(holds(map([("name", "ann".into())])));
        assert!(!holds(map([("name", "bob".into())])));
        assert!(!holds(map([("name", Value::Int64(1))])));
        assert!(!holds("ann".into()));
    }
}
