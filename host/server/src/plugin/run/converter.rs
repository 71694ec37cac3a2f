//! Running a converter: bytes to data, and the data back to bytes.

use millstream_connector::{ByteColumn, ConverterRole, InputRow, RowInput};
use millstream_record::batch::{Column, Role, SchemaTable, Side, Table, UnionBuilder};
use serde_json::{Value, json};

use super::{
    Run, Tally, ended, error_json, failure_text,
    input::{Input, shown},
    records::{Datum, Meant, Record},
    show,
};
use crate::{
    exit::{Failure, USAGE},
    output::bytes_json,
    plugin::subject::Subject,
};

/// Values of records as bytes.
struct Values<'r>(&'r [Record]);

impl RowInput for Values<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn row(&self, at: usize) -> InputRow<'_> {
        let bytes = match &self.0[at].value {
            Datum::Bytes(bytes) => Some(&bytes[..]),
            // A file for converters is read as bytes, a topic has nothing else.
            Datum::Null | Datum::Json(_) => None,
        };
        InputRow { bytes }
    }
}

pub async fn run(subject: &Subject, arguments: &Run) -> Result<(), Failure> {
    let Input { records, topic, mut notation } = Input::of(subject, arguments, Meant::Bytes).await?;
    let mut converter = subject.converter(&subject.info.class, ConverterRole::Value, &subject.config).await?;
    let mut tally = Tally { records: records.len() as u64, ..Tally::default() };
    let mut rest = &records[..];
    while !rest.is_empty() {
        let some = &rest[..rest.len().min(arguments.batch as usize)];
        let (mut schemas, mut values) = (SchemaTable::default(), UnionBuilder::default());
        let mut errors = Vec::new();
        let read = converter.to_connect(&topic, &Values(some), &mut schemas, &mut values, &mut errors).await;
        let rows = read.map_err(|error| ended("read bytes", &error))?;
        if rows == 0 {
            return Err(Failure::new(
                USAGE,
                "the converter's data does not fit into a batch: make it smaller with --batch",
            ));
        }
        let some = &some[..rows];
        let first = records.len() - rest.len();
        let mut table = Table::new(rows as u32);
        table.values = values.finish(&mut schemas).map_err(|error| Failure::of(USAGE, &error))?;
        table.schemas = schemas;
        table.set(Role::TOPIC, Column::constant_str(rows as u32, &topic));
        // What cannot be read is not written either.
        table.deselect(errors.iter().map(|error| error.row as usize));
        let batch = table.into_batch();
        let data = notation.rows(&batch).await?;
        let (mut bytes, mut write_errors) = (ByteColumn::default(), Vec::new());
        let written = converter.from_connect(&batch, Side::Value, &mut bytes, &mut write_errors).await;
        written.map_err(|error| ended("write bytes", &error))?;
        for (row, record) in some.iter().enumerate() {
            let number = first + row + 1;
            let before = shown(&record.value);
            let mut line = json!({"record": number, "bytes": before});
            let mut text = format!("{number} {before}\n");
            let find = |errors: &[millstream_connector::RowError]| {
                errors.iter().find(|error| error.row as usize == row).map(error_json)
            };
            if let Some(error) = find(&errors) {
                text.push_str(&failure_text(&error));
                line["error"] = error;
                tally.count("that cannot be read");
                show(arguments.output, &line, &text)?;
                continue;
            }
            let value: &Value = &data[row]["value"];
            text.push_str(&format!("  → {value}\n"));
            line["data"] = value.clone();
            if let Some(error) = find(&write_errors) {
                text.push_str(&failure_text(&error));
                line["error"] = error;
                tally.count("that cannot be written");
            } else {
                let back = bytes_json(bytes.get(row));
                tally.count(if back == before {
                    "that come back as they were"
                } else {
                    "that come back as other bytes"
                });
                text.push_str(&format!("  {} {back}\n", if back == before { "=" } else { "←" }));
                line["back"] = back;
            }
            show(arguments.output, &line, &text)?;
        }
        rest = &rest[rows..];
    }
    tally.report(arguments.output)
}
