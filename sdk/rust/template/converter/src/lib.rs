//! A converter: structs and maps as text of the form `a=1;b=2`.

use std::sync::Arc;

use millstream_sdk::{
    ConverterRole, Error, Info, Result, RowConverter, RowsInRole, Schema, Subject, Value,
    config::{ConfigDef, ConfigValues, Key, PluginConfig},
    values::value_text,
};

millstream_sdk::plugin! {
    converters: [RowsInRole<__TYPE__>],
}

/// What stands between two pairs.
pub struct Config {
    separator: String,
}

impl PluginConfig for Config {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(Key::string("separator").default(";").non_empty().doc("What stands between two pairs."))
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self { separator: values.string("separator")?.to_owned() })
    }
}

/// The converter.
pub struct __TYPE__ {
    separator: String,
}

impl RowConverter for __TYPE__ {
    const INFO: Info = Info::new("__CLASS__").version(env!("CARGO_PKG_VERSION")).doc("Pairs as `a=1;b=2`.");
    type Config = Config;

    fn configure(config: Config, _: ConverterRole) -> Result<Self> {
        Ok(Self { separator: config.separator })
    }

    fn to_connect(&mut self, _: Subject<'_>, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value)> {
        let Some(bytes) = bytes else { return Ok((None, Value::Null)) };
        let text = std::str::from_utf8(bytes).map_err(|error| Error::data("read pairs").because(&error))?;
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, value)) => Ok((key.into(), value.into())),
            None => Err(Error::data(format!("expected a pair with '=', found '{pair}'"))),
        };
        let pairs = text.split(self.separator.as_str()).filter(|pair| !pair.is_empty());
        Ok((None, Value::Map(pairs.map(pair).collect::<Result<_>>()?)))
    }

    fn from_connect(&mut self, _: Subject<'_>, _: Option<&Arc<Schema>>, value: &Value) -> Result<Option<Vec<u8>>> {
        let pairs: Vec<String> = match value {
            Value::Null => return Ok(None),
            Value::Struct(schema, values) => {
                let pairs = schema.fields().iter().zip(values);
                pairs.map(|(field, value)| format!("{}={}", field.name, value_text(value))).collect()
            }
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| format!("{}={}", value_text(key), value_text(value))).collect()
            }
            other => return Err(Error::data(format!("expected pairs, found a {}", other.java_class()))),
        };
        Ok(Some(pairs.join(&self.separator).into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Collector, Converter, Record, Records, map};

    use super::*;

    #[test]
    fn pairs_survive_both_ways_and_what_is_no_pair_fails_alone() {
        let config = Config { separator: ";".to_owned() };
        let mut converter =
            <RowsInRole<__TYPE__> as Converter>::configure(config, ConverterRole::Value).expect("ready");
        let mut collector = Collector::new();
        for bytes in ["a=1;b=2", "oops"] {
            collector.push(&Record::new("t", Value::Bytes(bytes.into())).key("k")).expect("fits");
        }
        let mut records = Records::new(collector.into_table().expect("a batch").expect("rows"));
        converter.to_connect(&mut records).expect("converted");
        let values: Vec<_> = Record::selected(&records).into_iter().map(|(row, record)| (row, record.value)).collect();
        assert_eq!(values, [(0, map([("a", "1".into()), ("b", "2".into())]))]);
        converter.from_connect(&mut records).expect("converted");
        assert_eq!(Record::selected(&records)[0].1.value, Value::Bytes(b"a=1;b=2".to_vec()));
        let (_, errors) = records.finish();
        assert_eq!(errors.iter().map(|(_, error)| error.row).collect::<Vec<_>>(), [1]);
    }
}
