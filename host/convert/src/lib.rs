//! Connect's own converters: bytes to data and back, natively, a batch at a time.
//!
//! They read bytes straight into the columns of a batch and write bytes straight out of them.
//! Converters that come as plugins are the `plugin` crate's; both stand behind the traits of
//! `connector`. Nothing here knows topics or producing.

#![forbid(unsafe_code)]

mod bytes;
mod definitions;
mod json;
mod limits;
mod number;
mod rows;
mod simple_header;
mod string;
mod trees;

use millstream_config::{ConfigDef, ConfigMap};
use millstream_connector::{Converter, ConverterRole, Failure, HeaderConverter};

pub use definitions::{Definition, definitions};
pub use json::columns::{JsonRows, read_json, read_json_array, read_json_schema, write_json_schema, write_json_text};
pub use limits::ReadLimits;

/// Creates one of Connect's own converters by class name or alias; `None` if the class is none of
/// them.
///
/// # Errors
///
/// The configuration is refused.
pub fn native(class: &str, role: ConverterRole, config: &ConfigMap) -> Option<Result<Box<dyn Converter>, Failure>> {
    native_within(class, role, config, ReadLimits::DEFAULT)
}

fn native_within(
    class: &str,
    role: ConverterRole,
    config: &ConfigMap,
    limits: ReadLimits,
) -> Option<Result<Box<dyn Converter>, Failure>> {
    let class = definitions::resolve(class, false)?;
    Some(definitions::parsed(class, role, config).and_then(|config| create(class, &config, limits)))
}

fn create(
    class: &'static str,
    config: &millstream_config::ParsedConfig,
    limits: ReadLimits,
) -> Result<Box<dyn Converter>, Failure> {
    Ok(match class {
        definitions::JSON => Box::new(json::JsonConverter::configure(config, limits)?),
        definitions::STRING => Box::new(string::StringConverter::configure(config)?),
        definitions::BYTE_ARRAY => Box::new(bytes::ByteArrayConverter),
        definitions::SIMPLE_HEADER => {
            let message = format!("{class} converts headers only");
            return Err(Failure::new(millstream_connector::ErrorKind::Config, "", message));
        }
        class => Box::new(number::NumberConverter::of_class(class)),
    })
}

/// Creates one of Connect's own header converters by class name or alias; `None` if the class is
/// none of them.
///
/// # Errors
///
/// The configuration is refused.
pub fn native_header(class: &str, config: &ConfigMap) -> Option<Result<Box<dyn HeaderConverter>, Failure>> {
    native_header_within(class, config, ReadLimits::DEFAULT)
}

fn native_header_within(
    class: &str,
    config: &ConfigMap,
    limits: ReadLimits,
) -> Option<Result<Box<dyn HeaderConverter>, Failure>> {
    let class = definitions::resolve(class, true)?;
    if class == definitions::SIMPLE_HEADER {
        let max_nesting = limits.header_nesting_max;
        return Some(Ok(Box::new(simple_header::SimpleHeaderConverter { max_nesting })));
    }
    let config = match definitions::parsed(class, ConverterRole::Header, config) {
        Ok(config) => config,
        Err(failure) => return Some(Err(failure)),
    };
    Some(match class {
        definitions::JSON => json::JsonConverter::configure(&config, limits).map(|json| Box::new(json) as _),
        definitions::STRING => string::StringConverter::configure(&config).map(|string| Box::new(string) as _),
        definitions::BYTE_ARRAY => Ok(Box::new(bytes::ByteArrayConverter) as _),
        class => Ok(Box::new(number::NumberConverter::of_class(class)) as _),
    })
}

/// The keys of one of Connect's own converters, by class name or alias.
pub fn config_def(class: &str) -> Option<ConfigDef> {
    definitions::resolve(class, true).map(definitions::config_def)
}
