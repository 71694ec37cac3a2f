//! The bytes of what is kept under leases: one record for each change, and one with which a tenure begins.
//!
//! Every record has a key of its own, in which the epoch of its writer stands, so that compaction never puts one
//! writer's record in the place of another's: what an owner of the past still writes hides nothing.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

/// A change of several keys, each once; `None` removes.
pub(super) type Changes = BTreeMap<String, Option<Arc<[u8]>>>;

/// Which of the records that one owner has written in its time: the first is the one with which it began.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct RecordId {
    pub(super) epoch: u64,
    pub(super) number: u64,
}

/// The number of the record with which a tenure begins.
pub(super) const BEGIN: u64 = 0;

/// What a record says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Content {
    /// A tenure begins; for people, whose.
    Begin { owner: String },
    /// Values change.
    Change(Changes),
}

/// A record's key: connector, epoch and number.
pub(super) fn key(connector: &str, RecordId { epoch, number }: RecordId) -> Vec<u8> {
    json!([connector, epoch, number]).to_string().into_bytes()
}

pub(super) fn value(content: &Content) -> Vec<u8> {
    let json = match content {
        Content::Begin { owner } => json!({ "owner": owner }),
        Content::Change(changes) => {
            let set = changes.iter().filter_map(|(key, value)| {
                let value = BASE64_STANDARD.encode(value.as_ref()?);
                Some((key.clone(), Value::String(value)))
            });
            let removed = changes.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key);
            json!({ "set": set.collect::<Map<_, _>>(), "removed": removed.collect::<Vec<_>>() })
        }
    };
    json.to_string().into_bytes()
}

/// Reads a key; `None` if it is none of ours.
pub(super) fn read_key(key: &[u8]) -> Option<(String, RecordId)> {
    let (connector, epoch, number) = serde_json::from_slice::<(String, u64, u64)>(key).ok()?;
    Some((connector, RecordId { epoch, number }))
}

/// Reads a value; `None` if it is none of ours.
pub(super) fn read_value(id: RecordId, value: &[u8]) -> Option<Content> {
    let json: Value = serde_json::from_slice(value).ok()?;
    if id.number == BEGIN {
        return Some(Content::Begin { owner: json.get("owner")?.as_str()?.to_owned() });
    }
    let mut changes = Changes::new();
    for removed in json.get("removed")?.as_array()? {
        changes.insert(removed.as_str()?.to_owned(), None);
    }
    for (key, value) in json.get("set")?.as_object()? {
        let value = BASE64_STANDARD.decode(value.as_str()?).ok()?;
        changes.insert(key.clone(), Some(value.into()));
    }
    Some(Content::Change(changes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_these_bytes() {
        let begin = Content::Begin { owner: "w:8083 c-0".to_owned() };
        let change = Content::Change(Changes::from([
            ("a".to_owned(), Some(Arc::from(&b"\x00\xffx"[..]))),
            ("b".to_owned(), None),
            ("e".to_owned(), Some(Arc::from(&b""[..]))),
        ]));
        for (number, content, bytes) in
            [(0, begin, r#"{"owner":"w:8083 c-0"}"#), (7, change, r#"{"set":{"a":"AP94","e":""},"removed":["b"]}"#)]
        {
            let id = RecordId { epoch: u64::MAX, number };
            let key = key("it's \"c\"", id);
            assert_eq!(String::from_utf8_lossy(&key), format!(r#"["it's \"c\"",18446744073709551615,{number}]"#));
            assert_eq!(read_key(&key), Some(("it's \"c\"".to_owned(), id)));
            assert_eq!(String::from_utf8_lossy(&value(&content)), bytes);
            assert_eq!(read_value(id, bytes.as_bytes()), Some(content));
        }
    }

    #[test]
    fn what_is_no_record_of_ours_is_told() {
        for key in [&b""[..], b"c", b"[\"c\",1]", b"[\"c\",-1,0]", b"[1,1,0]", b"[\"c\",1,0,0]", b"\xff"] {
            assert_eq!(read_key(key), None, "{key:?}");
        }
        let (begin, change) = (RecordId { epoch: 1, number: 0 }, RecordId { epoch: 1, number: 1 });
        for (id, value) in [
            (begin, "{}"),
            (begin, r#"{"set":{},"removed":[]}"#),
            (change, r#"{"owner":"w"}"#),
            (change, r#"{"set":{"a":"?"},"removed":[]}"#),
            (change, r#"{"set":{"a":1},"removed":[]}"#),
            (change, r#"{"set":[],"removed":[]}"#),
            (change, r#"{"set":{},"removed":[1]}"#),
            (change, "["),
        ] {
            assert_eq!(read_value(id, value.as_bytes()), None, "{value}");
        }
    }
}
