//! SetSchemaMetadata: another name or version for the schema.

use std::sync::Arc;

use millstream_sdk::{
    Error, Result, Schema, SchemaType, Value,
    batch::Kind,
    config::{ConfigDef, ConfigValues, Importance::High, Key, PluginConfig},
};

use crate::{
    key_and_value,
    side::{Datum, Logic, OpenBlock, RowContext},
    trees::{SchemaCache, copied, copies_as_is, found, require_struct, shared, type_name},
};

key_and_value!(
    SetSchemaMetadataKey,
    SetSchemaMetadataValue,
    "org.apache.kafka.connect.transforms.SetSchemaMetadata",
    SetSchemaMetadataConfig,
    SetSchemaMetadata,
    "Sets the name, the version, or both, of the schema of a struct."
);

const PURPOSE: &str = "updating schema metadata";

/// Its configuration.
#[derive(Debug)]
pub struct SetSchemaMetadataConfig {
    name: Option<String>,
    version: Option<i32>,
    replace_null: bool,
}

impl PluginConfig for SetSchemaMetadataConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(Key::string("schema.name").importance(High).doc("Name to set."))
            .key(Key::int("schema.version").importance(High).doc("Version to set."))
            .key(crate::replace_null_key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let name = values.opt_string("schema.name").map(str::to_owned);
        let version = values.opt_int("schema.version");
        if name.is_none() && version.is_none() {
            return Err(Error::config("Neither schema name nor version configured"));
        }
        Ok(Self { name, version, replace_null: values.boolean("replace.null.with.default")? })
    }
}

/// The transform.
pub struct SetSchemaMetadata {
    config: SetSchemaMetadataConfig,
    schemas: SchemaCache,
}

impl SetSchemaMetadata {
    fn configure(config: SetSchemaMetadataConfig) -> Result<Self> {
        Ok(Self { config, schemas: SchemaCache::default() })
    }

    fn schema(&mut self, schema: &Arc<Schema>) -> Result<Arc<Schema>> {
        if !matches!(schema.kind, SchemaType::Struct(_)) {
            return Err(found(Error::data("Cannot list fields on non-struct type"), schema.kind.name(), "STRUCT"));
        }
        let SetSchemaMetadataConfig { name, version, .. } = &self.config;
        self.schemas.get(schema, |schema| {
            let mut named = (**schema).clone();
            named.name = name.clone().or(named.name);
            named.version = version.or(named.version);
            Ok(shared(named))
        })
    }
}

impl Logic for SetSchemaMetadata {
    fn columns(&mut self, block: &mut OpenBlock<'_, '_>) -> Result<bool> {
        let Some(schema) = block.schema.clone() else { return Ok(block.column.kind == Kind::Null) };
        let renamed = self.schema(&schema)?;
        let plain = match block.column.kind {
            Kind::Null => true,
            Kind::Struct => copies_as_is(&schema, block.column, |_| false),
            _ => false,
        };
        if plain {
            *block.schema = Some(renamed);
        }
        Ok(plain)
    }

    fn row(&mut self, schema: Option<Arc<Schema>>, value: Value, _: &RowContext<'_, '_>) -> Result<Datum> {
        let Some(schema) = schema else {
            if value.is_null() {
                return Ok((None, value));
            }
            let error = Error::data(format!("Schema required for [{PURPOSE}]"));
            return Err(found(error, format!("{} without a schema", type_name(&value)), "a struct with one"));
        };
        let renamed = self.schema(&schema)?;
        if value.is_null() {
            return Ok((Some(renamed), value));
        }
        let (own, slots) = require_struct(value, PURPOSE)?;
        let copy = |(field, slot)| copied(field, slot, self.config.replace_null);
        let copies = own.fields().iter().zip(slots).map(copy).collect::<Result<_>>()?;
        Ok((Some(Arc::clone(&renamed)), Value::Struct(renamed, copies)))
    }
}
