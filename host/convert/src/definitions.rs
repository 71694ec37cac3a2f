//! Class names, aliases and configuration keys of Connect's own converters.

use millstream_config::{ConfigDef, ConfigKey, ConfigMap, ConfigType, Importance, ParsedConfig, Validator, Width};
use millstream_connector::{ConverterRole, ErrorKind, Failure};

pub const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
pub const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
pub const SIMPLE_HEADER: &str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
pub const BYTE_ARRAY: &str = "org.apache.kafka.connect.converters.ByteArrayConverter";
pub const BOOLEAN: &str = "org.apache.kafka.connect.converters.BooleanConverter";
pub const SHORT: &str = "org.apache.kafka.connect.converters.ShortConverter";
pub const INTEGER: &str = "org.apache.kafka.connect.converters.IntegerConverter";
pub const LONG: &str = "org.apache.kafka.connect.converters.LongConverter";
pub const FLOAT: &str = "org.apache.kafka.connect.converters.FloatConverter";
pub const DOUBLE: &str = "org.apache.kafka.connect.converters.DoubleConverter";

/// One of Connect's own converters.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Class name.
    pub class: &'static str,
    /// Whether it converts keys and values.
    pub converts_data: bool,
    /// What it does.
    pub documentation: &'static str,
}

const DEFINITIONS: [Definition; 10] = [
    data(BOOLEAN, "One byte: 0x01 for true, 0x00 for false."),
    data(BYTE_ARRAY, "Bytes as they are."),
    data(DOUBLE, "A double, 8 bytes, big-endian."),
    data(FLOAT, "A float, 4 bytes, big-endian."),
    data(INTEGER, "A 32-bit integer, big-endian."),
    data(LONG, "A 64-bit integer, big-endian."),
    data(SHORT, "A 16-bit integer, big-endian."),
    data(JSON, "JSON, with or without a schema in each message."),
    data(STRING, "The text form of any value; text is read as an optional string."),
    Definition {
        class: SIMPLE_HEADER,
        converts_data: false,
        documentation: "Header values as text; read back by what the text looks like.",
    },
];

const fn data(class: &'static str, documentation: &'static str) -> Definition {
    Definition { class, converts_data: true, documentation }
}

/// All of Connect's own converters, by class name.
pub fn definitions() -> &'static [Definition] {
    &DEFINITIONS
}

/// The class that a name or alias stands for.
pub fn resolve(name: &str, for_headers: bool) -> Option<&'static str> {
    let name = name.trim();
    let named = |definition: &&Definition| {
        let simple = definition.class.rsplit('.').next().unwrap_or(definition.class);
        let pruned = simple.strip_suffix("HeaderConverter").or_else(|| simple.strip_suffix("Converter"));
        [Some(definition.class), Some(simple), pruned].contains(&Some(name))
    };
    DEFINITIONS.iter().filter(|definition| definition.converts_data || for_headers).find(named).map(|found| found.class)
}

/// The keys of a converter, by class name.
pub fn config_def(class: &str) -> ConfigDef {
    let kind = ConfigKey::new("converter.type", ConfigType::String)
        .validator(Validator::one_of(&["key", "value", "header"]))
        .importance(Importance::Low)
        .doc("How this converter will be used: for keys, values or headers. Set by the worker.");
    match class {
        SIMPLE_HEADER => ConfigDef::new(),
        STRING => ConfigDef::of([
            kind,
            ConfigKey::new("converter.encoding", ConfigType::String)
                .default_text("UTF-8")
                .importance(Importance::High)
                .doc("The Java character set with which text is written and read."),
        ]),
        JSON => json_keys(kind),
        _ => ConfigDef::of([kind]),
    }
}

fn json_keys(kind: ConfigKey) -> ConfigDef {
    let (schemas, serialization) = ("Schemas", "Serialization");
    ConfigDef::of([
        kind,
        ConfigKey::new("schemas.enable", ConfigType::Boolean)
            .default_text("true")
            .importance(Importance::High)
            .placed(schemas, 0, Width::Medium, "Enable Schemas")
            .doc("Write each message as an envelope of schema and payload, and expect such envelopes when reading."),
        ConfigKey::new("schemas.cache.size", ConfigType::Int)
            .default_text("1000")
            .importance(Importance::High)
            .placed(schemas, 1, Width::Medium, "Schema Cache Size")
            .doc("How many schemas are kept in converted form."),
        ConfigKey::new("schema.content", ConfigType::String)
            .default_null()
            .importance(Importance::High)
            .placed(schemas, 2, Width::Medium, "Schema Content")
            .doc("A schema in the envelope's notation under which every message is read as a bare payload."),
        ConfigKey::new("decimal.format", ConfigType::String)
            .default_text("BASE64")
            .validator(Validator::one_of_ignore_case(&["NUMERIC", "BASE64"]))
            .importance(Importance::Low)
            .placed(serialization, 0, Width::Medium, "Decimal Format")
            .doc("How decimals are written: as a JSON number, or as base64 of their unscaled bytes. Both are read."),
        ConfigKey::new("replace.null.with.default", ConfigType::Boolean)
            .default_text("true")
            .importance(Importance::Low)
            .placed(serialization, 1, Width::Medium, "Replace null with default")
            .doc("Whether a null is replaced by the default of its schema."),
    ])
}

/// A converter's configuration, parsed with the role filled in.
pub fn parsed(class: &str, role: ConverterRole, config: &ConfigMap) -> Result<ParsedConfig, Failure> {
    let mut config = config.clone();
    config.insert("converter.type".to_owned(), Some(role.name().to_owned()));
    config_def(class).parse(&config).map_err(|error| Failure::new(ErrorKind::Config, "", error.message().to_owned()))
}
