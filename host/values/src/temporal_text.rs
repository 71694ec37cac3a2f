//! Dates, times and timestamps in header text: known by their length, read leniently.

use std::sync::{Arc, LazyLock};

use millstream_record::{Schema, Timestamp, Value};

use crate::{
    DatePattern,
    local_zone::{self, LocalZone},
};

struct Format {
    /// In UTF-16 units.
    len: usize,
    pattern: DatePattern,
    schema: Arc<Schema>,
}

/// The three forms. None has a two-digit year, so the present does not matter.
static FORMATS: LazyLock<[Format; 3]> = LazyLock::new(|| {
    let format = |text: &str, len, schema| {
        let pattern = DatePattern::compile_at(text, Timestamp::from_millis(0)).expect("the pattern is valid");
        Format { len, pattern, schema: Arc::new(schema) }
    };
    [
        format("HH:mm:ss.SSS'Z'", 13, Schema::time()),
        format("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'", 24, Schema::timestamp()),
        format("yyyy-MM-dd", 10, Schema::date()),
    ]
});

/// Reads a date, time or timestamp in the zone of the process; escaped colons count as colons.
pub(crate) fn parse_temporal(text: &str) -> Option<(Arc<Schema>, Value)> {
    parse_temporal_in(local_zone::local(), text)
}

/// As [`parse_temporal`], in a zone; none is UTC.
pub(crate) fn parse_temporal_in(zone: Option<&LocalZone>, text: &str) -> Option<(Arc<Schema>, Value)> {
    let unescaped;
    let text = if text.contains("\\:") {
        unescaped = text.replace("\\:", ":");
        &unescaped
    } else {
        text
    };
    let len = text.encode_utf16().count();
    let format = FORMATS.iter().find(|format| format.len == len)?;
    // The forms' `Z` is a letter to them, no zone.
    let shown_ms = format.pattern.parse(text)?;
    let ms = zone.map_or(shown_ms, |zone| zone.instant_of(shown_ms));
    Some((Arc::clone(&format.schema), Value::Instant(ms)))
}
