//! Class names, aliases and configuration keys of Connect's own converters.

use millstream_config::{ConfigDef, ConfigMap, Importance, Key, ParsedConfig, Place, Validator, Width, keys};
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
    /// A sentence for the reference page.
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

const SCHEMAS: &str = "Schemas";
const SERIALIZATION: &str = "Serialization";

keys! {
    /// Keys of every converter of data.
    of_all:
    TYPE: String = Key::string("converter.type").importance(Importance::Low)
        .validator(|| Validator::one_of(&["key", "value", "header"]))
        .doc("How this converter will be used: for keys, values or headers. Set by the worker.");
}

keys! {
    /// Keys of the converter of texts.
    of_string:
    ENCODING: String = Key::string("converter.encoding").default("UTF-8").importance(Importance::High)
        .doc("The Java character set with which text is written and read.");
}

keys! {
    /// Keys of the converter of JSON.
    of_json:
    SCHEMAS_ENABLE: bool = Key::boolean("schemas.enable").default("true").importance(Importance::High)
        .placed(Place::at(SCHEMAS, 0, Width::Medium, "Enable Schemas"))
        .doc("Write each message as an envelope of schema and payload, and expect such envelopes when reading.");
    SCHEMAS_CACHE_SIZE: i32 = Key::int("schemas.cache.size").default("1000").importance(Importance::High)
        .placed(Place::at(SCHEMAS, 1, Width::Medium, "Schema Cache Size"))
        .doc("How many schemas are kept in converted form.");
    SCHEMA_CONTENT: Option<String> = Key::optional_string("schema.content").importance(Importance::High)
        .placed(Place::at(SCHEMAS, 2, Width::Medium, "Schema Content"))
        .doc("A schema in the envelope's notation under which every message is read as a bare payload.");
    DECIMAL_FORMAT: String = Key::string("decimal.format").default("BASE64").importance(Importance::Low)
        .validator(|| Validator::one_of_ignore_case(&["NUMERIC", "BASE64"]))
        .placed(Place::at(SERIALIZATION, 0, Width::Medium, "Decimal Format"))
        .doc("How decimals are written: as a JSON number, or as base64 of their unscaled bytes. Both are read.");
    REPLACE_NULL_WITH_DEFAULT: bool = Key::boolean("replace.null.with.default").default("true").importance(Importance::Low)
        .placed(Place::at(SERIALIZATION, 1, Width::Medium, "Replace null with default"))
        .doc("Whether a null is replaced by the default of its schema.");
}

/// The keys of a converter, by class name.
pub fn config_def(class: &str) -> ConfigDef {
    let mut def = if class == SIMPLE_HEADER { ConfigDef::new() } else { of_all() };
    match class {
        STRING => def.define_all(&of_string()),
        JSON => def.define_all(&of_json()),
        _ => {}
    }
    def
}

/// A converter's configuration, parsed with the role filled in.
pub fn parsed(class: &str, role: ConverterRole, config: &ConfigMap) -> Result<ParsedConfig, Failure> {
    let mut config = config.clone();
    config.insert(TYPE.name().to_owned(), Some(role.name().to_owned()));
    config_def(class).parse(&config).map_err(|error| Failure::new(ErrorKind::Config, "", error.message().to_owned()))
}
