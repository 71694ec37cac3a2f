//! Topic names, log offsets and timestamps: numbers and texts that must not be mixed up.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A topic name that Kafka accepts. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TopicName(Arc<str>);

/// Why a text is not a topic name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidTopicName {
    /// The empty text.
    #[error("a topic name must not be empty")]
    Empty,
    /// More than [`TopicName::MAX_LEN`] bytes.
    #[error("a topic name must not be longer than {max} characters, this one has {len}", max = TopicName::MAX_LEN)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// `.` or `..`, which would be folders.
    #[error("a topic cannot be named '.' or '..'")]
    Reserved,
    /// Anything but ASCII letters, digits, `.`, `_` and `-`.
    #[error("a topic name may contain letters, digits, '.', '_' and '-' only, not {found:?}")]
    Character {
        /// The first such character.
        found: char,
    },
}

impl TopicName {
    /// Longest accepted name, in bytes: Kafka's own limit.
    pub const MAX_LEN: usize = 249;

    /// Accepts what Kafka accepts: letters, digits, `.`, `_` and `-`, except the names `.` and `..`.
    ///
    /// # Errors
    ///
    /// Says which rule the text breaks.
    pub fn parse(raw: &str) -> Result<Self, InvalidTopicName> {
        if raw.is_empty() {
            return Err(InvalidTopicName::Empty);
        }
        if Self::MAX_LEN < raw.len() {
            return Err(InvalidTopicName::TooLong { len: raw.len() });
        }
        if raw == "." || raw == ".." {
            return Err(InvalidTopicName::Reserved);
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match raw.chars().find(|&c| !allowed(c)) {
            Some(found) => Err(InvalidTopicName::Character { found }),
            None => Ok(Self(raw.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Position of a record in one partition of a broker's log. Never negative.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LogOffset(i64);

impl LogOffset {
    /// The first offset of a new partition.
    pub const ZERO: Self = Self(0);

    /// `None` for a negative number, which the protocol uses for special meanings.
    pub fn new(offset: i64) -> Option<Self> {
        (0 <= offset).then_some(Self(offset))
    }

    /// As the protocol writes it: 0 or more.
    pub fn get(self) -> i64 {
        self.0
    }

    /// The offset `records` further on; saturates at the largest offset.
    pub fn plus(self, records: u32) -> Self {
        Self(self.0.saturating_add(i64::from(records)))
    }
}

impl fmt::Display for LogOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A point in time: milliseconds since 1970-01-01 UTC, which may be negative.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads the system clock. For the outermost loops only: decisions take the time as an argument.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// This time plus a duration; saturates.
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_follow_kafkas_rules() {
        assert_eq!(TopicName::parse("a.b_c-9").map(|name| name.to_string()), Ok("a.b_c-9".to_owned()));
        assert_eq!(TopicName::parse(""), Err(InvalidTopicName::Empty));
        assert_eq!(TopicName::parse(".."), Err(InvalidTopicName::Reserved));
        assert_eq!(TopicName::parse("a b"), Err(InvalidTopicName::Character { found: ' ' }));
        assert_eq!(TopicName::parse(&"x".repeat(250)), Err(InvalidTopicName::TooLong { len: 250 }));
        assert!(TopicName::parse(&"x".repeat(249)).is_ok());
    }

    #[test]
    fn a_log_offset_is_never_negative() {
        assert_eq!(LogOffset::new(-1), None);
        assert_eq!(LogOffset::new(7).map(LogOffset::get), Some(7));
    }
}
