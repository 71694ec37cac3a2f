//! DropHeaders: leaves headers out by their keys.

use millstream_sdk::{
    Info, Records, Result, Transform,
    batch::{HeadersBuilder, Role},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig, Validator},
};

/// Its configuration.
#[derive(Debug)]
pub struct DropHeadersConfig {
    headers: Vec<String>,
}

impl PluginConfig for DropHeadersConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(
            Key::list("headers")
                .required()
                .validator(Validator::non_empty_list())
                .importance(High)
                .doc("Keys of the headers to leave out."),
        )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { headers: values.list("headers")?.to_vec() })
    }
}

/// The transform.
pub struct DropHeaders(DropHeadersConfig);

impl Transform for DropHeaders {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.DropHeaders")
        .version(crate::KAFKA_VERSION)
        .doc("Leaves out headers with the given keys.");
    type Config = DropHeadersConfig;

    fn configure(config: DropHeadersConfig) -> Result<Self> {
        Ok(Self(config))
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let Some(column) = records.get(Role::HEADERS) else { return Ok(()) };
        let mut kept = HeadersBuilder::default();
        let mut dropped = false;
        for row in 0..records.rows as usize {
            let active = records.is_active(row);
            for header in column.headers(row) {
                if active && self.0.headers.iter().any(|name| name == header.key) {
                    dropped = true;
                } else {
                    kept.push_raw(&header);
                }
            }
            kept.end_row();
        }
        if dropped {
            match kept.finish() {
                Some(column) => records.set(Role::HEADERS, column),
                None => {
                    records.remove(Role::HEADERS);
                }
            }
        }
        Ok(())
    }
}
