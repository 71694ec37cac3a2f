//! A transform: capitals for the text in a field.

use millstream_sdk::{
    Error, Info, Record, Result, RowTransform, Rows, Value,
    config::{ConfigDef, ConfigValues, Key, PluginConfig},
};

millstream_sdk::plugin! {
    transforms: [Rows<__TYPE__>],
}

/// Which field; the whole value if it is empty.
pub struct Config {
    field: String,
}

impl PluginConfig for Config {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(Key::string("field").default("").doc("Field with the text; the whole value if empty."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { field: values.string("field")?.to_owned() })
    }
}

/// The transform.
pub struct __TYPE__ {
    field: String,
}

impl RowTransform for __TYPE__ {
    const INFO: Info = Info::new("__CLASS__").version(env!("CARGO_PKG_VERSION")).doc("Capitals for text.");
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        Ok(Self { field: config.field })
    }

    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        match part(&mut record.value, &self.field) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => *text = text.to_uppercase(),
            // Concerns this record alone: what follows is up to the user's error policy.
            Some(other) => return Err(Error::data(format!("expected text, found a {}", other.java_class()))),
        }
        Ok(Some(record))
    }
}

/// The field of a struct or map, or the value itself; none if there is no such field.
fn part<'v>(value: &'v mut Value, field: &str) -> Option<&'v mut Value> {
    match value {
        value if field.is_empty() => Some(value),
        Value::Struct(schema, values) => values.get_mut(schema.fields().iter().position(|of| of.name == field)?),
        Value::Map(entries) => entries.iter_mut().find_map(|(key, value)| (*key == field.into()).then_some(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::map;

    use super::*;

    #[test]
    fn text_becomes_capitals_and_what_is_no_text_fails() {
        let mut transform = __TYPE__ { field: "name".to_owned() };
        let mut applied = |value: Value| transform.apply(Record::new("t", map([("name", value)])));
        let changed = applied("ann".into()).expect("applied").expect("kept");
        assert_eq!(changed.value, map([("name", "ANN".into())]));
        assert_eq!(applied(Value::Null).expect("applied").expect("kept").value, map([("name", Value::Null)]));
        assert!(applied(Value::Int64(1)).is_err());
    }
}
