//! JsonConverter: JSON with or without an envelope that carries the schema.

pub mod columns;
mod decode;
mod encode;
mod node;
mod scan;
mod schema;

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use async_trait::async_trait;
use millstream_config::ParsedConfig;
use millstream_connector::{
    ByteColumn, Converter, ErrorKind, Failure, HeaderConverter, PluginError, RowError, RowInput,
};
use millstream_record::{
    Schema, Value,
    batch::{Batch, SchemaTable, Side, Table, UnionBuilder},
};

use millstream_values::json_text;

use self::{
    decode::{CannotDecode, Filled},
    encode::Plan,
    node::Node,
    scan::{Malformed, Scanner},
};
use crate::{
    ReadLimits, definitions,
    rows::write_rows,
    trees::{data, found, row_error},
};

const ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain \
    additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter \
    configuration.";

/// JSON as Connect writes it, with or without the envelope of schema and payload (`schemas.enable`).
pub struct JsonConverter {
    schemas_enabled: bool,
    /// The schema of every message read, if the configuration gives one.
    content: Option<Arc<Schema>>,
    write: encode::Settings,
    replace_null: bool,
    limits: ReadLimits,
    cache_size: usize,
    /// Schemas read, by their text.
    read_cache: HashMap<String, Option<Arc<Schema>>>,
    /// The schema text that was met last, with its schema: nearly always the next one too.
    last_read: Option<(String, Option<Arc<Schema>>)>,
    /// Schemas written: `{"schema":…,"payload":`.
    write_cache: HashMap<usize, (Arc<Schema>, Arc<[u8]>)>,
}

impl JsonConverter {
    /// From its parsed configuration.
    ///
    /// # Errors
    ///
    /// `schema.content` is no schema.
    pub fn configure(config: &ParsedConfig, limits: ReadLimits) -> Result<Self, Failure> {
        let replace_null = definitions::REPLACE_NULL_WITH_DEFAULT.get(config);
        let schemas_enabled = definitions::SCHEMAS_ENABLE.get(config);
        let content = definitions::SCHEMA_CONTENT.get(config).filter(|text| schemas_enabled && !text.trim().is_empty());
        let content = content.map(|text| read_content(&text, limits)).transpose()?.flatten();
        Ok(Self {
            schemas_enabled,
            content,
            write: encode::Settings {
                numeric_decimals: definitions::DECIMAL_FORMAT.get(config).eq_ignore_ascii_case("NUMERIC"),
                replace_null,
            },
            replace_null,
            limits,
            cache_size: usize::try_from(definitions::SCHEMAS_CACHE_SIZE.get(config)).unwrap_or(0),
            read_cache: HashMap::new(),
            last_read: None,
            write_cache: HashMap::new(),
        })
    }

    /// Appends one message; on failure nothing was appended.
    fn read_row(
        &mut self,
        bytes: &[u8],
        schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
    ) -> Result<bool, Failure> {
        let text = decode_text(bytes)?;
        if let Some(schema) = self.content.clone() {
            return self.read_content_row(&text, &schema, schemas, out);
        }
        let mut scanner = Scanner::new(&text, self.limits);
        if !self.schemas_enabled {
            if scanner.peek() == 0 && scanner.rest().is_empty() {
                return Ok(push_null(out));
            }
            let Some(builder) = out.row(None) else { return Ok(false) };
            return decode::schemaless(&mut scanner, builder, 0)
                .map(|()| true)
                .map_err(|error| take_back(out, malformed(error, &text)));
        }
        if let Some(done) = self.read_known_envelope(&mut scanner, out) {
            return Ok(done);
        }
        self.read_envelope(&text, out)
    }

    /// The usual case: the schema comes first, and is the one of the message before.
    fn read_known_envelope(&self, scanner: &mut Scanner<'_>, out: &mut UnionBuilder) -> Option<bool> {
        let (text, schema) = self.last_read.as_ref()?;
        if !(scanner.accept(b'{') && scanner.peek() == b'"' && scanner.name().ok()? == "schema") {
            return None;
        }
        scanner.peek();
        if !scanner.rest().starts_with(text.as_str()) {
            return None;
        }
        scanner.set_position(scanner.position() + text.len());
        if !(scanner.accept(b',') && scanner.name().ok()? == "payload") {
            return None;
        }
        let builder = out.row(schema.as_ref())?;
        let filled = Filled::new(self.limits.filled_max_bytes);
        let settings = decode::Settings { replace_null: self.replace_null, filled: &filled };
        let read = match schema {
            Some(schema) => decode::typed(scanner, schema, builder, settings, 1).is_ok(),
            None => decode::schemaless(scanner, builder, 1).is_ok(),
        };
        if read && scanner.accept(b'}') {
            return Some(true);
        }
        // Whatever is unusual, or wrong, is found out about the slow way.
        out.take_back();
        None
    }

    fn read_envelope(&mut self, text: &str, out: &mut UnionBuilder) -> Result<bool, Failure> {
        let mut scanner = Scanner::new(text, self.limits);
        if scanner.peek() == 0 && scanner.rest().is_empty() {
            return Err(no_envelope("nothing"));
        }
        if scanner.peek() != b'{' {
            scanner.skip(0).map_err(|error| malformed(error, text))?;
            return Err(no_envelope_in(text));
        }
        scanner.accept(b'{');
        let (mut schema, mut payload, mut other) = (None, None, false);
        if !scanner.accept(b'}') {
            loop {
                let name = scanner.name().map_err(|error| malformed(error, text))?;
                scanner.peek();
                let begin = scanner.position();
                scanner.skip(1).map_err(|error| malformed(error, text))?;
                let value = scanner.slice(begin, scanner.position());
                match &*name {
                    "schema" => schema = Some(value),
                    "payload" => payload = Some(value),
                    _ => other = true,
                }
                if !scanner.more(b'}').map_err(|error| malformed(error, text))? {
                    break;
                }
            }
        }
        let (Some(schema), Some(payload), false) = (schema, payload, other) else { return Err(no_envelope_in(text)) };
        let schema = self.schema_of(schema)?;
        let mut scanner = Scanner::new(payload, self.limits);
        let Some(builder) = out.row(schema.as_ref()) else { return Ok(false) };
        let filled = Filled::new(self.limits.filled_max_bytes);
        let settings = decode::Settings { replace_null: self.replace_null, filled: &filled };
        let result = match &schema {
            Some(schema) => decode::typed(&mut scanner, schema, builder, settings, 1),
            None => decode::schemaless(&mut scanner, builder, 1).map_err(CannotDecode::from),
        };
        result.map(|()| true).map_err(|error| take_back(out, cannot_decode(error, payload)))
    }

    fn schema_of(&mut self, text: &str) -> Result<Option<Arc<Schema>>, Failure> {
        if let Some(schema) = self.read_cache.get(text) {
            self.last_read = Some((text.to_owned(), schema.clone()));
            return Ok(schema.clone());
        }
        let node = Node::read(&mut Scanner::new(text, self.limits), 0).map_err(|error| malformed(error, text))?;
        let schema = schema::read(&node)?.map(Arc::new);
        let schema = schema.map(|schema| millstream_record::batch::intern(&schema).unwrap_or(schema));
        if self.cache_size <= self.read_cache.len() {
            self.read_cache.clear();
        }
        if 0 < self.cache_size {
            self.read_cache.insert(text.to_owned(), schema.clone());
        }
        self.last_read = Some((text.to_owned(), schema.clone()));
        Ok(schema)
    }

    fn read_content_row(
        &self,
        text: &str,
        schema: &Arc<Schema>,
        schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
    ) -> Result<bool, Failure> {
        let mut scanner = Scanner::new(text, self.limits);
        let filled = Filled::new(self.limits.filled_max_bytes);
        let settings = decode::Settings { replace_null: self.replace_null, filled: &filled };
        if scanner.peek() == 0 && scanner.rest().is_empty() {
            // Nothing at all counts as a value of the wrong kind, not as null.
            let value = decode::value_of(&Node::Text(String::new()), schema, settings)?;
            return Ok(out.push(Some(schema), &value, schemas).is_ok());
        }
        let Some(builder) = out.row(Some(schema)) else { return Ok(false) };
        decode::typed(&mut scanner, schema, builder, settings, 0)
            .map(|()| true)
            .map_err(|error| take_back(out, cannot_decode(error, text)))
    }

    /// What comes before the payload under a schema.
    fn envelope(&mut self, schema: Option<&Arc<Schema>>) -> Result<Arc<[u8]>, Failure> {
        if !self.schemas_enabled {
            return Ok(Arc::default());
        }
        let Some(schema) = schema else { return Ok(b"{\"schema\":null,\"payload\":"[..].into()) };
        let address = Arc::as_ptr(schema) as usize;
        if let Some((known, envelope)) = self.write_cache.get(&address)
            && Arc::ptr_eq(known, schema)
        {
            return Ok(Arc::clone(envelope));
        }
        let mut text = b"{\"schema\":".to_vec();
        schema::write(schema, &self.write, &mut text)?;
        text.extend_from_slice(b",\"payload\":");
        let envelope: Arc<[u8]> = text.into();
        if self.cache_size <= self.write_cache.len() {
            self.write_cache.clear();
        }
        self.write_cache.insert(address, (Arc::clone(schema), Arc::clone(&envelope)));
        Ok(envelope)
    }

    /// Whether a null is written as no bytes at all.
    fn is_tombstone(&self, schema: Option<&Arc<Schema>>) -> bool {
        schema.is_none()
    }

    fn write_batch(&mut self, table: &Table<'_>, side: Side, out: &mut ByteColumn, errors: &mut Vec<RowError>) {
        let union = table.side(side);
        let schemas: Vec<Option<Arc<Schema>>> = union.blocks.iter().map(|block| table.schema_of(block)).collect();
        let mut plans = Vec::with_capacity(union.blocks.len());
        for (block, schema) in union.blocks.iter().zip(&schemas) {
            let plan = Plan::new(&block.column, schema.as_ref(), &self.write);
            plans.push(plan.and_then(|plan| Ok((plan, self.envelope(schema.as_ref())?))));
        }
        let (settings, enabled) = (self.write, self.schemas_enabled);
        write_rows(table, side, out, errors, |row, out| {
            if row.is_null() && self.is_tombstone(row.schema) {
                out.push_null();
                return Ok(());
            }
            let Some(block) = row.block else {
                out.push_null();
                return Ok(());
            };
            let (plan, envelope) = plans[block].as_ref().map_err(Clone::clone)?;
            let buffer = out.buffer();
            if enabled {
                buffer.extend_from_slice(envelope);
            }
            plan.write(row.row, &settings, &table.schemas, buffer)?;
            if enabled {
                buffer.push(b'}');
            }
            out.end_row();
            Ok(())
        });
    }
}

fn read_content(text: &str, limits: ReadLimits) -> Result<Option<Arc<Schema>>, Failure> {
    let node = Node::read(&mut Scanner::new(text, limits), 0).map_err(|error| {
        malformed(error, text).caused(
            ErrorKind::Data,
            "",
            "Failed to parse schema in converter config due to serialization error: ",
        )
    })?;
    schema::read(&node).map(|schema| schema.map(Arc::new))
}

fn push_null(out: &mut UnionBuilder) -> bool {
    match out.row(None) {
        Some(builder) => {
            builder.push_null();
            true
        }
        None => false,
    }
}

/// The failure of JSON that is no envelope.
#[cold]
fn no_envelope_in(text: &str) -> Failure {
    /// Members, and characters of their names, that a message shows.
    const SHOWN: (usize, usize) = (10, 60);
    match Node::read(&mut Scanner::new(text, ReadLimits::DEFAULT), 0).unwrap_or(Node::Null) {
        Node::Object(members) => {
            let name = |(name, _): &(String, Node)| format!("{:?}", name.chars().take(SHOWN.1).collect::<String>());
            let names: Vec<String> = members.iter().take(SHOWN.0).map(name).collect();
            let more = if SHOWN.0 < members.len() { ", …" } else { "" };
            no_envelope(&format!("an object with the members [{}{more}]", names.join(", ")))
        }
        node => no_envelope(node.kind()),
    }
}

fn no_envelope(what: &str) -> Failure {
    found(ENVELOPE, what, "an object with the members [\"schema\", \"payload\"]")
}

fn take_back(out: &mut UnionBuilder, failure: Failure) -> Failure {
    out.take_back();
    failure
}

fn cannot_decode(error: CannotDecode, text: &str) -> Failure {
    match error {
        CannotDecode::Malformed(error) => malformed(error, text),
        CannotDecode::Data(failure) => failure,
    }
}

/// The failure of a text that is no JSON, with what stands where it is not.
#[cold]
fn malformed(Malformed { what, limit, at }: Malformed, text: &str) -> Failure {
    if let Some(limit) = limit {
        return not_json(&format!("{}, at byte {at}", what.replace("{}", &limit.to_string())));
    }
    let found = match text.get(at..).map(|rest| rest.chars().next()) {
        Some(Some(c)) => format!(", found {c:?}"),
        Some(None) => ", found the end".to_owned(),
        None => String::new(),
    };
    not_json(&format!("{what}, at byte {at}{found}"))
}

fn not_json(what: &str) -> Failure {
    let class = "org.apache.kafka.common.errors.SerializationException";
    Failure::new(ErrorKind::Data, class, what).caused(
        ErrorKind::Data,
        "",
        "Converting byte[] to Kafka Connect data failed due to serialization error: ",
    )
}

/// The text of a message, in whichever encoding of Unicode it came.
fn decode_text(bytes: &[u8]) -> Result<Cow<'_, str>, Failure> {
    let utf8 = |bytes| simdutf8::basic::from_utf8(bytes).or_else(|_| json_text::utf8(bytes));
    json_text::decode_with(bytes, utf8).map_err(|error| not_json(&error.to_string()))
}

#[async_trait]
impl Converter for JsonConverter {
    fn class(&self) -> &str {
        definitions::JSON
    }

    async fn to_connect(
        &mut self,
        _topic: &str,
        input: &dyn RowInput,
        schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
        errors: &mut Vec<RowError>,
    ) -> Result<usize, PluginError> {
        for at in 0..input.len() {
            let read = match input.row(at).bytes {
                None => Ok(push_null(out)),
                Some(bytes) => self.read_row(bytes, schemas, out),
            };
            match read {
                Ok(true) => {}
                Ok(false) => return Ok(at),
                Err(failure) => {
                    if !push_null(out) {
                        return Ok(at);
                    }
                    errors.push(row_error(at, failure));
                }
            }
        }
        Ok(input.len())
    }

    async fn from_connect(
        &mut self,
        batch: &Batch,
        side: Side,
        out: &mut ByteColumn,
        errors: &mut Vec<RowError>,
    ) -> Result<(), PluginError> {
        self.write_batch(&batch.open(), side, out, errors);
        Ok(())
    }
}

impl HeaderConverter for JsonConverter {
    fn class(&self) -> &str {
        definitions::JSON
    }

    fn to_connect(&mut self, _: &str, _: &str, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value), Failure> {
        let Some(bytes) = bytes else { return Ok((None, Value::Null)) };
        let mut table = Table::new(1);
        let mut union = UnionBuilder::default();
        self.read_row(bytes, &mut table.schemas, &mut union)?;
        table.values = union.finish(&mut table.schemas).map_err(|error| data(error.to_string()))?;
        Ok(table.datum(Side::Value, 0))
    }

    fn from_connect(
        &mut self,
        _: &str,
        _: &str,
        schema: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if value.is_null() && schema.is_none() {
            return Ok(None);
        }
        let mut out = self.envelope(schema)?.to_vec();
        encode::write_value(schema.map(|schema| &**schema), value, &self.write, &mut out)?;
        if self.schemas_enabled {
            out.push(b'}');
        }
        Ok(Some(out))
    }
}
