//! InsertHeader: appends a header with a fixed value.

use std::sync::Arc;

use millstream_sdk::{
    Info, Records, Result, Schema, Transform, Value,
    batch::{HeadersBuilder, Role},
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig, Validator},
    values::values,
};

/// Its configuration.
#[derive(Debug)]
pub struct InsertHeaderConfig {
    header: String,
    schema: Option<Arc<Schema>>,
    value: Value,
}

impl PluginConfig for InsertHeaderConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::string("header")
                    .required()
                    .validator(Validator::NonNull)
                    .importance(High)
                    .doc("Key of the header that is appended."),
            )
            .key(Key::string("value.literal").required().validator(Validator::NonNull).importance(High).doc(
                "The header's value. Numbers, booleans, dates, lists and maps are recognised by their look, as in \
                 headers that SimpleHeaderConverter reads.",
            ))
    }

    fn from_values(config: &ConfigValues) -> Result<Self> {
        let (schema, value) = match values::parse_string(config.string("value.literal")?)? {
            Some((schema, value)) => (Some(schema), value),
            None => (None, Value::Null),
        };
        Ok(Self { header: config.string("header")?.to_owned(), schema, value })
    }
}

/// The transform.
pub struct InsertHeader(InsertHeaderConfig);

impl Transform for InsertHeader {
    const INFO: Info = Info::new("org.apache.kafka.connect.transforms.InsertHeader")
        .version(crate::KAFKA_VERSION)
        .doc("Appends a header with a fixed value to each record.");
    type Config = InsertHeaderConfig;

    fn configure(config: InsertHeaderConfig) -> Result<Self> {
        Ok(Self(config))
    }

    fn apply(&mut self, records: &mut Records<'_>) -> Result<()> {
        let rows = records.rows;
        if rows == 0 {
            return Ok(());
        }
        let InsertHeaderConfig { header, schema, value } = &self.0;
        let mut one = HeadersBuilder::default();
        one.push(header, schema.as_ref(), value, &mut records.schemas)?;
        one.end_row();
        let Some(one) = one.finish() else { return Ok(()) };
        let old = records.get(Role::HEADERS);
        if records.all_matter() && old.is_none() {
            records.set(Role::HEADERS, one.repeated(rows));
            return Ok(());
        }
        let mut all = HeadersBuilder::default();
        for row in 0..rows as usize {
            old.into_iter().flat_map(|old| old.headers(row)).for_each(|header| all.push_raw(&header));
            if records.is_active(row) {
                one.headers(0).for_each(|header| all.push_raw(&header));
            }
            all.end_row();
        }
        if let Some(all) = all.finish() {
            records.set(Role::HEADERS, all);
        }
        Ok(())
    }
}
