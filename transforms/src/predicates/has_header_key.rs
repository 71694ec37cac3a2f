//! HasHeaderKey: records with a header of that key.

use millstream_sdk::{
    Info, Predicate, Result, Verdict,
    batch::{Role, Table},
    config::{ConfigDef, ConfigValues, Importance::Medium, Key, PluginConfig},
};

/// Its configuration.
#[derive(Debug)]
pub struct HasHeaderKeyConfig {
    name: String,
}

impl PluginConfig for HasHeaderKeyConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(Key::string("name").required().non_empty().importance(Medium).doc("The header key."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { name: values.opt_string("name").unwrap_or_default().to_owned() })
    }
}

/// The predicate.
pub struct HasHeaderKey(HasHeaderKeyConfig);

impl Predicate for HasHeaderKey {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.predicates.HasHeaderKey")
        .version(crate::KAFKA_VERSION)
        .doc("Holds for records with at least one header of the configured key.");
    type Config = HasHeaderKeyConfig;

    fn configure(config: HasHeaderKeyConfig) -> Result<Self> {
        Ok(Self(config))
    }

    fn test(&mut self, records: &Table<'_>, verdict: &mut Verdict) -> Result<()> {
        if let Some(headers) = records.get(Role::HEADERS) {
            for row in 0..records.rows as usize {
                verdict.set(row, headers.headers(row).any(|header| header.key == self.0.name));
            }
        }
        Ok(())
    }
}
