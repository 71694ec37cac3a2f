//! Examples of converters: data that becomes bytes, and bytes that become data.

use millstream_config::ConfigMap;
use millstream_record::batch::Side;
use serde_json::{Map, Value as Json};

use super::examples::{Example, Examples};
use super::show::{self, Doc, code_cell};
use super::{error_head, failure_cell, head, line, lines_set};
use crate::notation::{Datum, datum, raw_bytes};
use crate::subjects::converter::{Made, Use, from_connect, make, to_connect};

const TOPIC: &str = "orders";

/// What stands in front of the keys of a converter, and what it is used for.
const USES: [(&str, Use<'static>); 3] = [
    ("key.converter", Use::Side(Side::Key)),
    ("value.converter", Use::Side(Side::Value)),
    ("header.converter", Use::Header("header")),
];

/// Data, the bytes it becomes, and what they are read as.
struct Row {
    data: Option<Datum>,
    bytes: Option<Vec<u8>>,
    read: Datum,
}

/// Runs the examples of a converter and appends them.
pub async fn section(page: &mut String, examples: &Examples) -> Result<(), String> {
    let mut shown = None;
    for example in &examples.examples {
        let config = examples.config(example);
        head(page, examples, example, &mut shown);
        let mut made = match converter(&config)? {
            Ok(made) => made,
            Err(failure) => return Err(format!("the configuration of an example is refused: {}", failure.trace())),
        };
        let inputs = example.all("input", "rows");
        let in_table = example.get("rows").is_array();
        if in_table {
            page.push_str("\n| Value | Schema | Bytes | Read as | Schema |\n|---|---|---|---|---|\n");
        }
        if inputs.is_empty() {
            return Err(format!("{:?} has no input", example.text("title")));
        }
        for input in inputs {
            let row = run(&mut made, input)
                .await?
                .map_err(|failure| format!("{:?} fails: {}", example.text("title"), failure.trace()))?;
            if in_table { table_row(page, &row) } else { blocks(page, &row) }
        }
    }
    if !examples.errors.is_empty() {
        error_head(page);
    }
    for example in &examples.errors {
        error(page, examples, example).await?;
    }
    Ok(())
}

/// The converter that the lines of a configuration name.
fn converter(config: &Map<String, Json>) -> Result<Result<Made, millstream_connector::Failure>, String> {
    let used = USES.into_iter().find(|(key, _)| config.contains_key(*key));
    let (prefix, used) = used.ok_or("the configuration names no converter")?;
    let class = config[prefix].as_str().unwrap_or_default();
    let own = |(key, value): (&String, &Json)| {
        let key = key.strip_prefix(prefix)?.strip_prefix('.')?;
        Some((key.to_owned(), value.as_str().map(str::to_owned)))
    };
    let own: ConfigMap = config.iter().filter_map(own).collect();
    make(class, used, &own)
}

async fn run(made: &mut Made, input: &Json) -> Result<Result<Row, millstream_connector::Failure>, String> {
    let (data, bytes) = match input.get("bytes") {
        Some(bytes) => (None, raw_bytes(bytes)?),
        None => {
            let data = datum(input)?;
            match from_connect(made, TOPIC, &data).await? {
                Ok(bytes) => (Some(data), bytes),
                Err(failure) => return Ok(Err(failure)),
            }
        }
    };
    let read = to_connect(made, TOPIC, bytes.clone()).await?;
    Ok(read.map(|read| Row { data, bytes, read }))
}

fn table_row(page: &mut String, Row { data, bytes, read }: &Row) {
    let (value, schema) = match data {
        Some(data) => cells(data),
        None => (String::new(), String::new()),
    };
    let bytes = match bytes {
        None => "null".to_owned(),
        Some(bytes) => code_cell(&show::bytes(Some(bytes))),
    };
    let (read, read_schema) = cells(read);
    line(page, format_args!("| {value} | {schema} | {bytes} | {read} | {read_schema} |"));
}

/// A value and its schema, each in a cell.
fn cells(data: &Datum) -> (String, String) {
    let schema = show::types(data).map_or_else(|| "none".to_owned(), |schema| code_cell(&schema));
    (code_cell(&show::value(data.0.as_deref(), &data.1).line()), schema)
}

fn blocks(page: &mut String, Row { data, bytes, read }: &Row) {
    let doc = |data: &Datum| {
        let mut members = vec![("value".to_owned(), show::value(data.0.as_deref(), &data.1))];
        members.extend(show::types(data).map(|types| ("schema".to_owned(), Doc::text(&types))));
        Doc::Object(members).block()
    };
    if let Some(data) = data {
        line(page, format_args!("\nData:\n\n```json\n{}\n```", doc(data)));
    }
    line(page, format_args!("\nBytes:\n\n```json\n{}\n```", pretty(bytes.as_deref())));
    match data {
        Some(data) if doc(data) == doc(read) => line(page, format_args!("\nRead back, this is the same.")),
        _ => line(page, format_args!("\nRead as:\n\n```json\n{}\n```", doc(read))),
    }
}

/// Bytes as they are, but with line breaks if they are JSON that is too long for a line.
fn pretty(bytes: Option<&[u8]>) -> String {
    match bytes.and_then(|bytes| serde_json::from_slice::<Json>(bytes).ok()) {
        Some(json @ Json::Object(_)) => of_json(&json).block(),
        _ => show::bytes(bytes),
    }
}

fn of_json(json: &Json) -> Doc {
    match json {
        Json::Array(items) => Doc::List(items.iter().map(of_json).collect()),
        Json::Object(members) => {
            Doc::Object(members.iter().map(|(name, json)| (name.clone(), of_json(json))).collect())
        }
        leaf => Doc::Leaf(leaf.to_string()),
    }
}

async fn error(page: &mut String, examples: &Examples, example: &Example) -> Result<(), String> {
    let config = examples.config(example);
    let when = example.text("when").ok_or("an error has no text \"when\"")?;
    let mut with: Vec<String> = lines_set(example).into_iter().collect();
    let (seen, failure) = match converter(&config)? {
        Err(failure) => ("connector refused", failure),
        Ok(mut made) => {
            let input = example.get("input");
            let seen = match input.get("bytes") {
                Some(bytes) => {
                    with.push(code_cell(&show::bytes(raw_bytes(bytes)?.as_deref())));
                    "record cannot be read"
                }
                None => {
                    let data = datum(input)?;
                    let schema = show::types(&data).unwrap_or_else(|| "no schema".to_owned());
                    let value = show::value(data.0.as_deref(), &data.1).line();
                    with.push(format!("{} under {}", code_cell(&value), code_cell(&schema)));
                    "record cannot be written"
                }
            };
            match run(&mut made, input).await? {
                Err(failure) => (seen, failure),
                Ok(_) => return Err(format!("the error {when:?} does not happen")),
            }
        }
    };
    line(page, format_args!("| {when} | {} | {seen} | {} |", with.join("<br>"), failure_cell(&failure)));
    Ok(())
}
