//! A converter: maps as text of the form `a=1;b=2`.

use std::sync::Arc;

use millstream_sdk::{
    ConverterRole, Error, Info, Result, RowConverter, RowsInRole, Schema, Subject, Value, values::value_text,
};

millstream_sdk::plugin! {
    converters: [RowsInRole<PairsConverter>],
}

/// The converter.
pub struct PairsConverter;

impl RowConverter for PairsConverter {
    const INFO: Info = Info::new("org.example.PairsConverter").version("1").doc("Maps as `a=1;b=2`.");
    type Config = ();

    fn configure(_: (), _: ConverterRole) -> Result<Self> {
        Ok(Self)
    }

    fn to_connect(&mut self, _: Subject<'_>, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value)> {
        let Some(bytes) = bytes else { return Ok((None, Value::Null)) };
        let text = std::str::from_utf8(bytes).map_err(|error| Error::data("read pairs").because(&error))?;
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, value)) => Ok((key.into(), value.into())),
            None => Err(Error::data(format!("expected a pair with '=', found '{pair}'"))),
        };
        let pairs = text.split(';').filter(|pair| !pair.is_empty()).map(pair).collect::<Result<_>>()?;
        Ok((None, Value::Map(pairs)))
    }

    fn from_connect(&mut self, _: Subject<'_>, _: Option<&Arc<Schema>>, value: &Value) -> Result<Option<Vec<u8>>> {
        match value {
            Value::Null => Ok(None),
            Value::Map(entries) => {
                let pair = |(key, value): &(Value, Value)| format!("{}={}", value_text(key), value_text(value));
                Ok(Some(entries.iter().map(pair).collect::<Vec<_>>().join(";").into_bytes()))
            }
            other => Err(Error::data(format!("expected a map, found a {}", other.java_class()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Collector, Converter, Record, Records, map};

    use super::*;

    #[test]
    fn pairs_survive_both_ways_and_what_is_no_pair_fails_alone() {
        let mut converter =
            <RowsInRole<PairsConverter> as Converter>::configure((), ConverterRole::Value).expect("ready");
        let mut collector = Collector::new();
        for bytes in ["a=1;b=2", "oops", ""] {
            collector.push(&Record::new("t", Value::Bytes(bytes.into())).key("k")).expect("fits");
        }
        let mut records = Records::new(collector.into_table().expect("a batch").expect("rows"));
        converter.to_connect(&mut records).expect("converted");
        let values: Vec<_> = Record::selected(&records).into_iter().map(|(row, record)| (row, record.value)).collect();
        assert_eq!(values, [(0, map([("a", "1".into()), ("b", "2".into())])), (2, map([]))]);
        converter.from_connect(&mut records).expect("converted");
        assert_eq!(Record::selected(&records)[0].1.value, Value::Bytes(b"a=1;b=2".to_vec()));
        let (_, errors) = records.finish();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].1.row, 1);
    }
}
