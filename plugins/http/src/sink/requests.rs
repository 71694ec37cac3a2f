//! From the records of a `put` to requests: which go together, and what is in each. Sends nothing.

use std::{collections::HashMap, sync::Arc};

use millstream_sdk::{
    Error, Result, Schema, Value,
    batch::{Kind, Place, Side, Table},
    http::Request,
    values::write_value_text,
};

use super::reports::About;
use super::settings::{Dialect, Format, OnNull, RecordText, Settings};
use crate::json;

/// Records that go together in one request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Work {
    pub rows: Vec<u32>,
    /// One record without a value, which is to be deleted.
    pub deletes: bool,
}

/// A record that goes in no request.
#[derive(Debug)]
pub struct Refused {
    pub row: u32,
    pub error: Error,
    /// How its request ended, if there was one.
    pub about: Option<Arc<About>>,
}

/// What is to be sent, in order.
#[derive(Debug, Default)]
pub struct Plan {
    pub works: Vec<Work>,
    pub refused: Vec<Refused>,
    /// Records without a value that were left out.
    pub left_out: usize,
}

impl Plan {
    /// Groups the selected records: those of one key together, as many as a request takes.
    pub fn of(table: &Table<'_>, settings: &Settings) -> Self {
        let mut plan = Self::default();
        let mut open: Vec<Work> = Vec::new();
        // Places of open groups by key, where keys differ at all.
        let mut groups: HashMap<String, usize> = HashMap::new();
        let fixed = settings.batches.key.fixed().is_some();
        let places = table.side(Side::Value).places(table.rows as usize);
        for (row, place) in places.enumerate().filter(|(row, _)| table.is_selected(*row)) {
            let number = row as u32;
            if is_null(table, place) {
                match settings.nulls {
                    OnNull::Ignore => plan.left_out += 1,
                    OnNull::Log => {
                        plan.left_out += 1;
                        millstream_sdk::warn!(
                            "a record of {} has no value and is left out",
                            table.topic(row).unwrap_or_default()
                        );
                    }
                    OnNull::Delete => {
                        if settings.deletes_in_order {
                            plan.works.append(&mut open);
                            groups.clear();
                        }
                        plan.works.push(Work { rows: vec![number], deletes: true });
                    }
                    OnNull::Fail => {
                        let error = match settings.dialect {
                            Dialect::Aiven => Error::data("Record value must not be null"),
                            Dialect::Confluent => Error::data("the record has no value (behavior.on.null.values=fail)"),
                        };
                        plan.refused.push(Refused { row: number, error, about: None });
                    }
                }
                continue;
            }
            let key = if fixed { Ok(String::new()) } else { settings.batches.key.expand(table, row, false) };
            let key = match key {
                Ok(key) => key,
                Err(error) => {
                    plan.refused.push(Refused { row: number, error, about: None });
                    continue;
                }
            };
            let at = *groups.entry(key).or_insert_with(|| {
                open.push(Work { rows: Vec::new(), deletes: false });
                open.len() - 1
            });
            open[at].rows.push(number);
            if settings.batches.max <= open[at].rows.len() {
                let rows = std::mem::take(&mut open[at].rows);
                plan.works.push(Work { rows, deletes: false });
            }
        }
        plan.works.extend(open.into_iter().filter(|work| !work.rows.is_empty()));
        plan
    }
}

fn is_null(table: &Table<'_>, place: Option<Place>) -> bool {
    place.is_none_or(|place| table.side(Side::Value).blocks[place.block].column.is_null(place.row))
}

/// The request for some records. Those that cannot be written are taken out of the work; none if nothing is left.
pub fn build(table: &Table<'_>, settings: &Settings, work: &mut Work, refused: &mut Vec<Refused>) -> Option<Request> {
    let mut body = String::new();
    if !work.deletes {
        body.push_str(&settings.batches.prefix);
        let mut writer = Writer::new(table, &settings.text);
        let mut any = false;
        work.rows.retain(|&row| {
            let before = body.len();
            if any {
                body.push_str(&settings.batches.separator);
            }
            match writer.write(row as usize, &mut body) {
                Ok(()) => {
                    any = true;
                    true
                }
                Err(error) => {
                    body.truncate(before);
                    refused.push(Refused { row, error, about: None });
                    false
                }
            }
        });
        body.push_str(&settings.batches.suffix);
    }
    let first = *work.rows.first()?;
    // The URL is that of the first record; what it lacks is missing for the whole request.
    let url = match settings.url.expand(table, first as usize, true) {
        Ok(url) => url,
        Err(error) => {
            refused.extend(work.rows.drain(..).map(|row| Refused { row, error: error.clone(), about: None }));
            return None;
        }
    };
    let request = Request::new(if work.deletes { "DELETE" } else { &settings.method }, url);
    let request = match &settings.content_type {
        Some(content_type) if !work.deletes => request.header("content-type", content_type),
        _ => request,
    };
    Some(request.body(body))
}

/// The text of a record as it stands in a request.
///
/// # Errors
///
/// It cannot be written.
pub fn text_of(table: &Table<'_>, settings: &Settings, row: u32) -> Result<String> {
    let mut text = String::new();
    Writer::new(table, &settings.text).write(row as usize, &mut text)?;
    Ok(text)
}

/// Writes records as text.
struct Writer<'t, 'a> {
    table: &'t Table<'a>,
    text: &'t RecordText,
    places: Vec<Option<Place>>,
    schemas: Vec<Option<Arc<Schema>>>,
    scratch: String,
}

impl<'t, 'a> Writer<'t, 'a> {
    fn new(table: &'t Table<'a>, text: &'t RecordText) -> Self {
        let union = table.side(Side::Value);
        Self {
            table,
            text,
            places: union.places(table.rows as usize).collect(),
            schemas: union.blocks.iter().map(|block| table.schema_of(block)).collect(),
            scratch: String::new(),
        }
    }

    fn write(&mut self, row: usize, out: &mut String) -> Result<()> {
        if self.text.regexes.is_empty() {
            return self.plain(row, out);
        }
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        self.plain(row, &mut text)?;
        for (regex, replacement) in &self.text.regexes {
            let replacement = quoted(&replacement.expand(self.table, row, false)?);
            text = regex.replace_all(&text, &replacement)?;
        }
        out.push_str(&text);
        self.scratch = text;
        Ok(())
    }

    fn plain(&self, row: usize, out: &mut String) -> Result<()> {
        if let Some(template) = &self.text.template {
            out.push_str(&template.expand(self.table, row, false)?);
            return Ok(());
        }
        let Some(place) = self.places[row] else { return Ok(()) };
        let column = &self.table.side(Side::Value).blocks[place.block].column;
        let schema = self.schemas[place.block].as_ref();
        if column.kind == Kind::String && !column.is_null(place.row) {
            match self.text.format {
                Format::Json => json::string(out, column.str(place.row)),
                Format::Java | Format::TextOrJson => out.push_str(column.str(place.row)),
            }
            return Ok(());
        }
        let value = column.value(place.row, schema, &self.table.schemas);
        match (self.text.format, &value) {
            (Format::Java, value) => {
                write_value_text(out, value);
                Ok(())
            }
            (Format::Json, value) => json::write(value, schema.map(|schema| &**schema), self.text.decimals, out),
            (Format::TextOrJson, Value::String(text)) => {
                out.push_str(text);
                Ok(())
            }
            (Format::TextOrJson, value @ (Value::Struct(..) | Value::Map(_))) => {
                json::write(value, schema.map(|schema| &**schema), self.text.decimals, out)
            }
            (Format::TextOrJson, other) => Err(Error::data(format!(
                "Record value must be a String, a Schema Struct or implement java.util.Map, but {} is given",
                other.java_class()
            ))),
        }
    }
}

/// A replacement that stands for itself: what came from a record names no groups.
fn quoted(text: &str) -> String {
    if text.contains(['\\', '$']) { text.replace('\\', "\\\\").replace('$', "\\$") } else { text.to_owned() }
}
