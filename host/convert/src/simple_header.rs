//! SimpleHeaderConverter, Connect's default for headers: values as text, and text parsed by its look.

use std::sync::{Arc, LazyLock};

use millstream_connector::{Failure, HeaderConverter};
use millstream_record::{Schema, SchemaType, Value};
use millstream_values::values;

use crate::{definitions, trees::failure};

/// Writes any value as text, and reads text as what it looks like (`values`).
pub struct SimpleHeaderConverter {
    /// Deepest nesting of text that is more than bytes.
    pub max_nesting: usize,
}

static BYTES: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::new(SchemaType::Bytes)));

impl HeaderConverter for SimpleHeaderConverter {
    fn class(&self) -> &str {
        definitions::SIMPLE_HEADER
    }

    fn to_connect(&mut self, _: &str, _: &str, bytes: Option<&[u8]>) -> Result<(Option<Arc<Schema>>, Value), Failure> {
        let Some(bytes) = bytes else { return Ok((None, Value::Null)) };
        Ok(match values::parse_string_within(&String::from_utf8_lossy(bytes), self.max_nesting) {
            Ok(Some((schema, value))) => (Some(schema), value),
            Ok(None) => (None, Value::Null),
            // Text that the grammar cannot take is passed on as the bytes it was.
            Err(_) => (Some(Arc::clone(&BYTES)), Value::Bytes(bytes.to_vec())),
        })
    }

    fn from_connect(
        &mut self,
        _: &str,
        _: &str,
        _: Option<&Arc<Schema>>,
        value: &Value,
    ) -> Result<Option<Vec<u8>>, Failure> {
        values::to_header_text(value).map(|text| text.map(String::into_bytes)).map_err(failure)
    }
}
