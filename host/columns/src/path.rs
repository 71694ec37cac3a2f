//! Where something is in a record.

use millstream_record::batch::{Role, Side};

use crate::error::{Result, misuse};

/// A path, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Path {
    Topic,
    Partition,
    Timestamp,
    Offset,
    Header(String),
    /// All headers, where their names are asked for.
    Headers,
    Side(Side, Vec<String>),
    /// Source partition or offset.
    Source(Role, Vec<String>),
}

impl Path {
    pub fn parse(path: &[String]) -> Result<Self> {
        let Some((first, rest)) = path.split_first() else { return Err(odd(path)) };
        Ok(match (first.as_str(), rest) {
            ("topic", []) => Self::Topic,
            ("partition", []) => Self::Partition,
            ("timestamp", []) => Self::Timestamp,
            ("offset", []) => Self::Offset,
            ("header", []) => Self::Headers,
            ("header", [name]) => Self::Header(name.clone()),
            ("key", rest) => Self::Side(Side::Key, rest.to_vec()),
            ("value", rest) => Self::Side(Side::Value, rest.to_vec()),
            ("source-partition", rest) => Self::Source(Role::SOURCE_PARTITION, rest.to_vec()),
            ("source-offset", rest) => Self::Source(Role::SOURCE_OFFSET, rest.to_vec()),
            _ => return Err(odd(path)),
        })
    }
}

fn odd(path: &[String]) -> crate::Refusal {
    misuse(format!(
        "{} leads nowhere: a path begins with key, value, topic, partition, timestamp, offset, header, source-partition or \
         source-offset",
        shown(path)
    ))
}

/// As people read it.
pub(crate) fn shown(path: &[String]) -> String {
    format!("[{}]", path.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_parts_of_a_record_and_nowhere_else() {
        let parse = |path: &[&str]| Path::parse(&path.iter().map(|&step| step.to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(&["value", "a", "b"]), Ok(Path::Side(Side::Value, vec!["a".into(), "b".into()])));
        assert_eq!(parse(&["header", "h"]), Ok(Path::Header("h".into())));
        for path in [&[][..], &["values"], &["topic", "x"], &["header", "a", "b"]] {
            assert!(parse(path).is_err(), "{path:?}");
        }
    }
}
