//! A predicate: holds for records whose text contains another text.

use millstream_sdk::{
    Info, Record, Result, RowPredicate, Rows, Value,
    config::{ConfigDef, ConfigValues, Importance, Key, PluginConfig},
};

millstream_sdk::plugin! {
    predicates: [Rows<Contains>],
}

/// What to look for.
pub struct ContainsConfig {
    text: String,
}

impl PluginConfig for ContainsConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("text").required().non_empty().importance(Importance::High).doc("What to look for."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { text: values.string("text")?.to_owned() })
    }
}

/// The predicate.
pub struct Contains {
    text: String,
}

impl RowPredicate for Contains {
    const INFO: Info = Info::new("org.example.Contains").version("1").doc("Whether a text value contains a text.");
    type Config = ContainsConfig;

    fn configure(config: ContainsConfig) -> Result<Self> {
        Ok(Self { text: config.text })
    }

    fn test(&mut self, record: &Record) -> Result<bool> {
        Ok(matches!(&record.value, Value::String(value) if value.contains(&self.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_for_text_that_contains_the_other() {
        let mut predicate = Contains { text: "lo".to_owned() };
        assert_eq!(predicate.test(&Record::new("t", "hello")), Ok(true));
        assert_eq!(predicate.test(&Record::new("t", "bye")), Ok(false));
        assert_eq!(predicate.test(&Record::new("t", Value::Null)), Ok(false));
    }
}
