//! The converters: everything as text.

use std::sync::Arc;

use millstream_sdk::{
    ConverterRole, Error, Info, PluginKind, Result, RowConverter, Schema, SchemaType, Subject, Value,
    config::{ConfigDef, ConfigValues, Key, PluginConfig},
};

use crate::kit::{self, Actions, failure, text_of};
use crate::show::show;

/// The configuration of both.
pub struct KitConverterConfig(Text);

impl PluginConfig for KitConverterConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(Key::string("prefix").default("")).key(kit::key())
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        let text = |key: &str| values.opt_string(key).unwrap_or_default().to_owned();
        let mut text = Text { prefix: text("prefix"), actions: Actions::parse(&text("do"))? };
        text.run("configure")?;
        Ok(Self(text))
    }
}

/// What both do.
pub struct Text {
    prefix: String,
    actions: Actions,
}

type Datum = (Option<Arc<Schema>>, Value);

impl Text {
    fn run(&mut self, place: &str) -> Result<()> {
        match self.actions.run(place)?.first() {
            None => Ok(()),
            Some(words) => Err(Error::config(format!("cannot read the action {}", words.join(" ")))),
        }
    }

    fn to_connect(&mut self, bytes: Option<&[u8]>) -> Result<Datum> {
        self.run("to-connect")?;
        let schema = Some(Arc::new(Schema::new(SchemaType::String).optional()));
        let Some(bytes) = bytes else { return Ok((schema, Value::Null)) };
        let text = std::str::from_utf8(bytes).map_err(|error| Error::data("not UTF-8").because(&error))?;
        let prefix = self.prefix.as_str();
        let text = text.strip_prefix(prefix).ok_or_else(|| Error::data(format!("expected the prefix {prefix}")))?;
        Ok((schema, text.into()))
    }

    fn from_connect(&mut self, value: &Value) -> Result<Option<Vec<u8>>> {
        self.run("from-connect")?;
        match value {
            Value::Null => Ok(None),
            value if text_of(value) == Some("fail data") => Err(failure("data", "record")),
            value => Ok(Some(format!("{}{}", self.prefix, show(value)).into_bytes())),
        }
    }
}

const fn info(class: &'static str) -> Info {
    Info::new(class).version("1.0.0").doc("Kit converter.")
}

/// Of keys and values.
pub struct KitConverter(Text);

impl RowConverter for KitConverter {
    const INFO: Info = info("org.millstream.kit.KitConverter");
    type Config = KitConverterConfig;

    fn configure(config: KitConverterConfig, _: ConverterRole) -> Result<Self> {
        Ok(Self(config.0))
    }

    fn to_connect(&mut self, _: Subject<'_>, bytes: Option<&[u8]>) -> Result<Datum> {
        self.0.to_connect(bytes)
    }

    fn from_connect(&mut self, _: Subject<'_>, _: Option<&Arc<Schema>>, value: &Value) -> Result<Option<Vec<u8>>> {
        self.0.from_connect(value)
    }
}

/// Of headers.
pub struct KitHeaderConverter(Text);

impl RowConverter for KitHeaderConverter {
    const INFO: Info = info("org.millstream.kit.KitHeaderConverter");
    const KIND: PluginKind = PluginKind::HeaderConverter;
    type Config = KitConverterConfig;

    fn configure(config: KitConverterConfig, _: ConverterRole) -> Result<Self> {
        Ok(Self(config.0))
    }

    fn to_connect(&mut self, _: Subject<'_>, bytes: Option<&[u8]>) -> Result<Datum> {
        self.0.to_connect(bytes)
    }

    fn from_connect(&mut self, _: Subject<'_>, _: Option<&Arc<Schema>>, value: &Value) -> Result<Option<Vec<u8>>> {
        self.0.from_connect(value)
    }
}
