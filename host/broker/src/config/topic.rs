//! What holds for one topic: its own overrides over the broker's settings over the defaults.

use std::collections::BTreeMap;

use super::{
    keys::{self, Key, TOPIC_KEYS},
    layers::{Layers, Source},
};

/// Overrides of one topic, each checked against its declaration.
pub type Overrides = BTreeMap<String, String>;

/// Reads one override: the value as it is kept and shown.
///
/// # Errors
///
/// An unknown name or a value that it does not take, in words.
pub fn read_override(name: &str, value: &str) -> Result<String, String> {
    let key = keys::find(TOPIC_KEYS, name).ok_or_else(|| format!("unknown topic config name: {name}"))?;
    let refused = |reason: &str| format!("Invalid value {value} for configuration {name}: {reason}");
    let read = key.read(value).map_err(|error| error.message().to_owned())?;
    if name.ends_with(".throttled.replicas") && !are_replicas(&read) {
        return Err(refused("it must be * or a list like 0:1,1:1 (partition:broker)"));
    }
    if name == "remote.storage.enable" && read == "true" {
        return Err(refused("there is no remote storage here"));
    }
    Ok(read)
}

/// Whether a list names replicas, as `partition:broker`, or all of them.
fn are_replicas(list: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let replica =
        |entry: &str| entry.split_once(':').is_some_and(|(partition, broker)| number(partition) && number(broker));
    list == "*" || list.split(',').all(|entry| entry.is_empty() || replica(entry))
}

/// Checks what settings mean together: overrides over the broker's.
///
/// # Errors
///
/// Which contradict each other, in words.
pub fn check_together(overrides: &Overrides, layers: &Layers) -> Result<(), String> {
    let number = |name: &str| -> Option<i64> {
        let key = keys::find(TOPIC_KEYS, name)?;
        effective(key, overrides, layers).0?.parse().ok()
    };
    match (number("min.compaction.lag.ms"), number("max.compaction.lag.ms")) {
        (Some(min), Some(max)) if max < min => {
            Err(format!("min.compaction.lag.ms ({min}) must not be above max.compaction.lag.ms ({max})"))
        }
        _ => Ok(()),
    }
}

/// The value of a topic key, and where it comes from.
pub fn effective(key: &Key, overrides: &Overrides, layers: &Layers) -> (Option<String>, Source) {
    if let Some(value) = overrides.get(key.name) {
        // An earlier release kept values as they were written.
        return (Some(key.read(value).unwrap_or_else(|_| value.clone())), Source::Topic);
    }
    match from_broker(key, layers) {
        Some((value, source)) => (Some(value), source),
        None => (key.default.map(str::to_owned), Source::Default),
    }
}

fn from_broker(key: &Key, layers: &Layers) -> Option<(String, Source)> {
    if let Some((value, source)) = key.inherits.and_then(|name| layers.get(name)) {
        return Some((key.read(value).unwrap_or_else(|_| value.to_owned()), source));
    }
    // Coarser units of the same thing, finest first.
    let coarser: &[(&str, i64)] = match key.name {
        "retention.ms" => &[("log.retention.minutes", 60_000), ("log.retention.hours", 3_600_000)],
        "segment.ms" => &[("log.roll.hours", 3_600_000)],
        "segment.jitter.ms" => &[("log.roll.jitter.hours", 3_600_000)],
        _ => &[],
    };
    coarser.iter().find_map(|(name, unit_ms)| {
        let (value, source) = layers.get(name)?;
        let amount: i64 = value.trim().parse().ok()?;
        let value = if amount < 0 { -1 } else { amount.saturating_mul(*unit_ms) };
        Some((value.to_string(), source))
    })
}

/// The settings of a topic as code uses them. Field names are those of the keys.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy` contains `compact`.
    pub compact: bool,
    /// `cleanup.policy` contains `delete`.
    pub delete: bool,
    /// `min.cleanable.dirty.ratio`.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`.
    pub delete_retention_ms: i64,
    /// `retention.ms`; `None` for ever.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`; `None` for any size.
    pub retention_bytes: Option<u64>,
    /// `segment.bytes`.
    pub segment_bytes: u64,
    /// `segment.ms`.
    pub segment_ms: i64,
    /// `segment.jitter.ms`.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`.
    pub segment_index_bytes: u64,
    /// `index.interval.bytes`.
    pub index_interval_bytes: u64,
    /// `file.delete.delay.ms`.
    pub file_delete_delay_ms: u64,
    /// `max.message.bytes`.
    pub max_message_bytes: usize,
    /// `message.timestamp.type` is LogAppendTime.
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`.
    pub compression_type: String,
    /// `compression.gzip.level` or `compression.zstd.level`, whichever belongs to `compression.type`; `None` for the
    /// codec's own.
    pub compression_level: Option<i32>,
}

impl TopicConfig {
    /// Puts overrides, the broker's keys and defaults together.
    pub fn resolve(overrides: &Overrides, layers: &Layers) -> Self {
        let text = |name: &str| {
            let key = keys::find(TOPIC_KEYS, name).expect("every key read here is declared");
            effective(key, overrides, layers).0.unwrap_or_default()
        };
        // Values were checked on arrival; a default stands in for one that an older release accepted.
        let number = |name: &str| -> i64 {
            let declared = keys::find(TOPIC_KEYS, name).and_then(|key| key.default);
            text(name).parse().ok().or_else(|| declared?.parse().ok()).unwrap_or(0)
        };
        let unsigned = |name: &str| u64::try_from(number(name)).unwrap_or(0);
        let policy = text("cleanup.policy");
        let has = |word: &str| policy.split(',').any(|part| part.trim() == word);
        Self {
            compact: has("compact"),
            delete: has("delete"),
            min_cleanable_dirty_ratio: text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
            min_compaction_lag_ms: number("min.compaction.lag.ms"),
            max_compaction_lag_ms: number("max.compaction.lag.ms"),
            delete_retention_ms: number("delete.retention.ms"),
            retention_ms: Some(number("retention.ms")).filter(|&ms| 0 <= ms),
            retention_bytes: u64::try_from(number("retention.bytes")).ok(),
            segment_bytes: match unsigned("internal.segment.bytes") {
                0 => unsigned("segment.bytes"),
                bytes => bytes,
            },
            segment_ms: number("segment.ms"),
            segment_jitter_ms: number("segment.jitter.ms"),
            segment_index_bytes: unsigned("segment.index.bytes"),
            index_interval_bytes: unsigned("index.interval.bytes"),
            file_delete_delay_ms: unsigned("file.delete.delay.ms"),
            max_message_bytes: usize::try_from(number("max.message.bytes")).unwrap_or(0),
            log_append_time: text("message.timestamp.type") == "LogAppendTime",
            timestamp_before_max_ms: number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: number("message.timestamp.after.max.ms"),
            compression_level: match text("compression.type").as_str() {
                "gzip" => Some(number("compression.gzip.level")).filter(|&level| level != -1),
                "zstd" => Some(number("compression.zstd.level")),
                _ => None,
            }
            .and_then(|level| i32::try_from(level).ok()),
            compression_type: text("compression.type"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_override_beats_the_broker_and_milliseconds_beat_hours() {
        let given = map(&[("log.retention.hours", "1"), ("message.max.bytes", "500")]);
        let config = TopicConfig::resolve(&map(&[]), &Layers::of_file(given.clone()));
        assert_eq!((config.retention_ms, config.max_message_bytes), (Some(3_600_000), 500));
        let config = TopicConfig::resolve(&map(&[("retention.ms", "-1")]), &Layers::of_file(given.clone()));
        assert_eq!(config.retention_ms, None);
        let given = map(&[("log.retention.hours", "1"), ("log.retention.ms", "7")]);
        assert_eq!(TopicConfig::resolve(&map(&[]), &Layers::of_file(given.clone())).retention_ms, Some(7));
    }

    #[test]
    fn unknown_names_and_bad_values_are_refused_in_words() {
        assert_eq!(read_override("retention.ms", " -1 "), Ok("-1".to_owned()));
        assert_eq!(read_override("cleanup.policy", "compact, delete,compact"), Ok("compact,delete".to_owned()));
        assert_eq!(read_override("foo", "1"), Err("unknown topic config name: foo".to_owned()));
        assert_eq!(
            read_override("segment.bytes", "1000"),
            Err("Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576".to_owned())
        );
        assert!(read_override("remote.storage.enable", "true").is_err());
    }

    #[test]
    fn what_an_earlier_release_stored_is_read_still() {
        let stored = map(&[("retention.ms", " 5 "), ("segment.bytes", "1000"), ("message.format.version", "3.0")]);
        let config = TopicConfig::resolve(&stored, &Layers::default());
        assert_eq!((config.retention_ms, config.segment_bytes), (Some(5), 1000));
    }
}
