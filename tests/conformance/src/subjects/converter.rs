//! Converters, as the worker links them.

use millstream_config::ConfigMap;
use millstream_connector::{ByteColumn, ConverterRole, Failure, InputRow, PluginError, RowInput};
use millstream_record::Value;
use millstream_record::batch::{SchemaTable, Side, Table, UnionBuilder};
use serde_json::Value as Json;

use super::{config, thrown};
use crate::cases::{Case, File};
use crate::compare;
use crate::notation::{Datum, datum, raw_bytes};
use crate::record::side_batch;

struct One(Option<Vec<u8>>);

impl RowInput for One {
    fn len(&self) -> usize {
        1
    }

    fn row(&self, _: usize) -> InputRow<'_> {
        InputRow { bytes: self.0.as_deref() }
    }
}

/// A converter, and what it is used for.
pub enum Made {
    /// Keys or values.
    Data(Box<dyn millstream_connector::Converter>, Side),
    /// Headers of this key.
    Header(Box<dyn millstream_connector::HeaderConverter>, String),
}

/// What a converter is made for.
pub enum Use<'u> {
    /// Keys or values.
    Side(Side),
    /// Headers of this key.
    Header(&'u str),
}

/// A converter by its class; the failure is that of its configuration.
pub fn make(class: &str, made_for: Use<'_>, config: &ConfigMap) -> Result<Result<Made, Failure>, String> {
    let made = match made_for {
        Use::Header(header) => millstream_convert::native_header(class, config)
            .map(|made| made.map(|made| Made::Header(made, header.to_owned()))),
        Use::Side(side) => {
            let role = if side == Side::Key { ConverterRole::Key } else { ConverterRole::Value };
            millstream_convert::native(class, role, config).map(|made| made.map(|made| Made::Data(made, side)))
        }
    };
    made.ok_or_else(|| format!("there is no converter {class}"))
}

/// A converter in one direction, or there and back.
pub async fn converter(file: &File, case: &Case) -> Result<(), String> {
    let (direction, topic, expect) = (case.text("direction")?, case.text("topic")?, case.expect());
    let config = config(case.get("config"));
    let is_key = case.get("isKey").as_bool().unwrap_or(false);
    let (direction, header) = match direction.strip_suffix("Header") {
        Some(direction) => (direction, Some(case.text("header")?)),
        None => (direction, None),
    };
    let made_for = match header {
        Some(header) => Use::Header(header),
        None => Use::Side(if is_key { Side::Key } else { Side::Value }),
    };
    let mut made = match make(&file.subject, made_for, &config)? {
        Ok(made) => made,
        Err(failure) => return thrown("configure", &failure).check(expect),
    };
    let mut bytes = None;
    if direction != "toConnect" {
        let data = datum(case.get("data"))?;
        let written = match from_connect(&mut made, topic, &data).await? {
            Ok(written) => written,
            Err(failure) => return thrown("apply", &failure).check(expect),
        };
        if let Some(expected) = expect.get("bytes") {
            check_bytes(written.as_deref(), raw_bytes(expected)?.as_deref(), file.compare_json)?;
        } else if direction == "fromConnect" {
            return Err(format!("found {}\nexpected {expect}", show(written.as_deref())));
        }
        bytes = written;
    }
    if direction == "fromConnect" {
        return Ok(());
    }
    if direction == "toConnect" {
        bytes = raw_bytes(case.get("bytes"))?;
    }
    let found = to_connect(&mut made, topic, bytes).await?.map_err(|failure| thrown("apply", &failure));
    compare::result(
        found,
        expect,
        |found| compare::datum("data", &found, &datum(expect.get("data").unwrap_or(&Json::Null))?),
        compare::show_datum,
    )
}

/// Data to bytes.
pub async fn from_connect(
    made: &mut Made,
    topic: &str,
    data: &Datum,
) -> Result<Result<Option<Vec<u8>>, Failure>, String> {
    match made {
        Made::Header(converter, header) => Ok(converter.from_connect(topic, header, data.0.as_ref(), &data.1)),
        Made::Data(converter, side) => {
            let batch = side_batch(*side, data)?;
            let (mut out, mut errors) = (ByteColumn::default(), Vec::new());
            if let Err(error) = converter.from_connect(&batch, *side, &mut out, &mut errors).await {
                return words_of(error).map(Err);
            }
            if out.len() != 1 {
                return Err(format!("{} rows were written for one", out.len()));
            }
            Ok(failed(errors).map(|()| out.get(0).map(<[u8]>::to_vec)))
        }
    }
}

/// Bytes to data.
pub async fn to_connect(
    made: &mut Made,
    topic: &str,
    bytes: Option<Vec<u8>>,
) -> Result<Result<Datum, Failure>, String> {
    match made {
        Made::Header(converter, header) => Ok(converter.to_connect(topic, header, bytes.as_deref())),
        Made::Data(converter, side) => {
            // Twice: what is the same as in the record before is often read another way.
            let mut found = Err("nothing was read".to_owned());
            for _ in 0..2 {
                found = read_one(converter.as_mut(), *side, topic, bytes.clone()).await;
            }
            found
        }
    }
}

async fn read_one(
    converter: &mut dyn millstream_connector::Converter,
    side: Side,
    topic: &str,
    bytes: Option<Vec<u8>>,
) -> Result<Result<Datum, Failure>, String> {
    let (mut schemas, mut out, mut errors) = (SchemaTable::default(), UnionBuilder::default(), Vec::new());
    match converter.to_connect(topic, &One(bytes), &mut schemas, &mut out, &mut errors).await {
        Ok(1) => {}
        Ok(rows) => return Err(format!("{rows} rows were read of one")),
        Err(error) => return words_of(error).map(Err),
    }
    if let Err(failure) = failed(errors) {
        return Ok(Err(failure));
    }
    let mut table = Table::new(1);
    *table.side_mut(side) = out.finish(&mut schemas).map_err(|error| error.to_string())?;
    table.schemas = schemas;
    let batch = millstream_record::batch::Batch::validate(table.write(), &Default::default())
        .map_err(|error| format!("the converter made no batch: {error}"))?;
    let found: Option<(_, Value)> = batch.open().data(side).pop();
    found.map(Ok).ok_or_else(|| "no row was read".to_owned())
}

fn failed(errors: Vec<millstream_connector::RowError>) -> Result<(), Failure> {
    match errors.into_iter().next() {
        None => Ok(()),
        Some(error) => Err(error.failure),
    }
}

/// What a converter reports; one that broke has no words.
fn words_of(error: PluginError) -> Result<Failure, String> {
    match error {
        PluginError::Reported(failure) => Ok(failure),
        other => Err(other.to_string()),
    }
}

fn check_bytes(found: Option<&[u8]>, expected: Option<&[u8]>, json: bool) -> Result<(), String> {
    let parse = |bytes: Option<&[u8]>| bytes.and_then(|bytes| serde_json::from_slice::<Json>(bytes).ok());
    let same = found == expected
        || json
            && match (parse(found), parse(expected)) {
                (Some(found), Some(expected)) => compare::same_json(&found, &expected),
                _ => false,
            };
    if same { Ok(()) } else { Err(format!("bytes:\n found    {}\n expected {}", show(found), show(expected))) }
}

fn show(bytes: Option<&[u8]>) -> String {
    match bytes {
        None => "null".to_owned(),
        Some(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => format!("{bytes:?}"),
        },
    }
}
