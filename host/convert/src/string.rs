//! StringConverter: the text form of any value, and text as an optional string.

use std::sync::Arc;

use async_trait::async_trait;
use encoding_rs::Encoding;
use millstream_config::ParsedConfig;
use millstream_connector::{
    ByteColumn, Converter, ErrorKind, Failure, HeaderConverter, PluginError, RowError, RowInput,
};
use millstream_record::{
    Schema, SchemaType, Value,
    batch::{Batch, Kind, SchemaTable, Side, UnionBuilder},
};
use millstream_values::{value_text, write_value_text};

use crate::{
    definitions,
    rows::{lend_rows, write_rows},
};

/// Java's `toString` of any value, in the character set of `converter.encoding`; read as text and nothing else.
pub struct StringConverter {
    charset: Charset,
    schema: Arc<Schema>,
}

#[derive(Clone, Copy)]
enum Charset {
    Utf8,
    /// Big-endian with a byte order mark on writing; the mark decides on reading.
    Utf16,
    Utf16Be,
    Utf16Le,
    Latin1,
    Ascii,
    Other(&'static Encoding),
}

impl Charset {
    /// By a name or alias that Java knows.
    fn of(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        Some(match upper.as_str() {
            "UTF-8" | "UTF8" | "UNICODE-1-1-UTF-8" => Self::Utf8,
            "UTF-16" | "UTF_16" | "UNICODE" | "UNICODEBIG" => Self::Utf16,
            "UTF-16BE" | "UTF_16BE" | "X-UTF-16BE" | "ISO-10646-UCS-2" | "UNICODEBIGUNMARKED" => Self::Utf16Be,
            "UTF-16LE" | "UTF_16LE" | "X-UTF-16LE" | "UNICODELITTLEUNMARKED" => Self::Utf16Le,
            "ISO-8859-1" | "ISO8859_1" | "LATIN1" | "L1" | "ISO_8859-1" | "ISO8859-1" | "ISO_8859_1" | "IBM819"
            | "CP819" | "819" | "IBM-819" | "8859_1" | "ISO-IR-100" | "CSISOLATIN1" | "ISO_8859-1:1987" => Self::Latin1,
            "US-ASCII" | "ASCII" | "ISO646-US" | "ASCII7" | "646" | "CP367" | "IBM367" | "ANSI_X3.4-1968"
            | "ISO-IR-6" | "DEFAULT" | "US" | "ANSI_X3.4-1986" | "ISO_646.IRV:1991" | "ISO_646.IRV:1983"
            | "CSASCII" => Self::Ascii,
            _ => Self::Other(Encoding::for_label_no_replacement(name.as_bytes())?),
        })
    }

    fn encode(self, text: &str, out: &mut Vec<u8>) {
        let utf16 =
            |out: &mut Vec<u8>, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().for_each(|unit| out.extend(bytes(unit)));
        match self {
            Self::Utf8 => out.extend_from_slice(text.as_bytes()),
            Self::Utf16 => {
                if !text.is_empty() {
                    out.extend([0xfe, 0xff]);
                }
                utf16(out, u16::to_be_bytes);
            }
            Self::Utf16Be => utf16(out, u16::to_be_bytes),
            Self::Utf16Le => utf16(out, u16::to_le_bytes),
            Self::Latin1 => out.extend(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))),
            Self::Ascii => out.extend(text.chars().map(|c| if c.is_ascii() { c as u8 } else { b'?' })),
            Self::Other(encoding) => {
                // Java replaces what the charset lacks by a question mark, not by a reference.
                let mut encoder = encoding.new_encoder();
                let mut rest = text;
                loop {
                    let room =
                        encoder.max_buffer_length_from_utf8_without_replacement(rest.len()).unwrap_or(rest.len() * 4);
                    out.reserve(room + 1);
                    let (result, read) = encoder.encode_from_utf8_to_vec_without_replacement(rest, out, true);
                    rest = &rest[read..];
                    match result {
                        encoding_rs::EncoderResult::Unmappable(_) => out.push(b'?'),
                        encoding_rs::EncoderResult::InputEmpty => return,
                        encoding_rs::EncoderResult::OutputFull => {}
                    }
                }
            }
        }
    }

    fn decode(self, bytes: &[u8]) -> std::borrow::Cow<'_, str> {
        let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
            let pairs = bytes.chunks_exact(2);
            let odd = !pairs.remainder().is_empty();
            let units = pairs.map(|pair| unit([pair[0], pair[1]]));
            let mut text: String =
                char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
            if odd {
                text.push(char::REPLACEMENT_CHARACTER);
            }
            text.into()
        };
        match self {
            // Looking for faults takes far longer than seeing that there are none.
            Self::Utf8 => match simdutf8::basic::from_utf8(bytes) {
                Ok(text) => text.into(),
                Err(_) => String::from_utf8_lossy(bytes),
            },
            Self::Utf16 => match bytes {
                [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
                [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
                rest => utf16(rest, u16::from_be_bytes),
            },
            Self::Utf16Be => utf16(bytes, u16::from_be_bytes),
            Self::Utf16Le => utf16(bytes, u16::from_le_bytes),
            Self::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into(),
            Self::Ascii => {
                let char = |&byte: &u8| if byte.is_ascii() { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
                bytes.iter().map(char).collect::<String>().into()
            }
            Self::Other(encoding) => encoding.decode_without_bom_handling(bytes).0,
        }
    }
}

impl StringConverter {
    /// From its parsed configuration.
    ///
    /// # Errors
    ///
    /// An encoding that is not known.
    pub fn configure(config: &ParsedConfig) -> Result<Self, Failure> {
        let name = definitions::ENCODING.get(config);
        let charset = Charset::of(&name).ok_or_else(|| {
            let class = "org.apache.kafka.common.errors.SerializationException";
            Failure::new(ErrorKind::Config, class, format!("Unsupported encoding {name}"))
        })?;
        Ok(Self { charset, schema: Arc::new(Schema::new(SchemaType::String).optional()) })
    }
}

#[async_trait]
impl Converter for StringConverter {
    fn class(&self) -> &str {
        definitions::STRING
    }

    async fn to_connect(
        &mut self,
        _topic: &str,
        input: &dyn RowInput,
        _schemas: &mut SchemaTable<'static>,
        out: &mut UnionBuilder,
        _errors: &mut Vec<RowError>,
    ) -> Result<usize, PluginError> {
        let bytes = (0..input.len()).filter_map(|at| input.row(at).bytes).map(<[u8]>::len).sum();
        for at in 0..input.len() {
            let Some(builder) = out.row(Some(&self.schema)) else { return Ok(at) };
            if at == 0 {
                builder.reserve(input.len(), bytes);
            }
            match input.row(at).bytes {
                None => builder.push_null(),
                Some(bytes) => builder.push_str(&self.charset.decode(bytes)),
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
        let table = batch.open();
        if out.is_empty() && matches!(self.charset, Charset::Utf8) && lend_rows(batch, &table, side, Kind::String, out)
        {
            return Ok(());
        }
        let mut text = String::new();
        write_rows(&table, side, out, errors, |row, out| {
            let column = match row.column {
                Some(column) if !column.is_null(row.row) => column,
                _ => {
                    out.push_null();
                    return Ok(());
                }
            };
            match (column.kind, self.charset) {
                (Kind::String, Charset::Utf8) => out.push(column.bytes(row.row)),
                (Kind::String, charset) => {
                    charset.encode(column.str(row.row), out.buffer());
                    out.end_row();
                }
                (_, charset) => {
                    text.clear();
                    write_value_text(&mut text, &column.value(row.row, row.schema, &table.schemas));
                    charset.encode(&text, out.buffer());
                    out.end_row();
                }
            }
            Ok(())
        });
        Ok(())
    }
}

impl HeaderConverter for StringConverter {
    fn class(&self) -> &str {
        definitions::STRING
    }

    fn to_connect(&mut self, _: &str, _: &str, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value), Failure> {
        let value = bytes.map_or(Value::Null, |bytes| Value::String(self.charset.decode(bytes).into_owned()));
        Ok((Some(Arc::clone(&self.schema)), value))
    }

    fn from_connect(
        &mut self,
        _: &str,
        _: &str,
        _: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if value.is_null() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.charset.encode(&value_text(value), &mut bytes);
        Ok(Some(bytes))
    }
}
