//! The offsets of many connectors, by their stored keys: a plain value.

use std::collections::HashMap;

use super::{
    OffsetStoreError,
    java_map::Entries,
    json::{push_json, stored_key},
};

/// Keys and values as they are stored. A reset offset may stay with a null value.
#[derive(Debug, Default)]
pub(super) struct OffsetTable {
    entries: Entries,
    /// Keys by a form that does not depend on the order of the partition's members, since Java's maps
    /// have an order of their own.
    keys: HashMap<String, Vec<u8>>,
}

impl OffsetTable {
    pub(super) fn of(entries: Entries) -> Self {
        let keys = entries.keys().flatten().filter_map(|key| Some((sorted_form(key)?, key.clone()))).collect();
        Self { entries, keys }
    }

    /// Everything, as it is stored.
    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The key under which a partition is stored already, else the one to store it under.
    pub(super) fn stored_key(&self, connector: &str, partition: &str) -> Result<Vec<u8>, OffsetStoreError> {
        let key = stored_key(connector, partition, false)?.into_bytes();
        if self.entries.contains_key(&Some(key.clone())) {
            return Ok(key);
        }
        Ok(self.keys.get(&stored_key(connector, partition, true)?).cloned().unwrap_or(key))
    }

    /// Sets the value of a stored key.
    pub(super) fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        if let Some(sorted) = sorted_form(&key) {
            self.keys.insert(sorted, key.clone());
        }
        self.entries.insert(Some(key), value);
    }

    /// Forgets a stored key.
    pub(super) fn remove(&mut self, key: &[u8]) {
        self.entries.remove(&Some(key.to_vec()));
        if let Some(sorted) = sorted_form(key)
            && self.keys.get(&sorted).is_some_and(|stored| stored == key)
        {
            self.keys.remove(&sorted);
        }
    }

    /// The offsets of source partitions, in their order.
    pub(super) fn read(&self, connector: &str, partitions: &[String]) -> Result<Vec<Option<String>>, OffsetStoreError> {
        let offset = |partition: &String| {
            let key = self.stored_key(connector, partition)?;
            let stored = self.entries.get(&Some(key)).and_then(Option::as_ref);
            Ok(stored.and_then(|bytes| offset_text(connector, bytes)))
        };
        partitions.iter().map(offset).collect()
    }

    /// All source partitions of a connector that have an offset.
    pub(super) fn list(&self, connector: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for (key, offset) in &self.entries {
            let (Some(key), Some(offset)) = (key, offset) else { continue };
            let Some((name, partition)) = parts(key) else { continue };
            if name == connector
                && partition.is_object()
                && let Some(offset) = offset_text(connector, offset)
            {
                let mut text = String::new();
                push_json(&mut text, &partition, false);
                found.push((text, offset));
            }
        }
        found
    }
}

/// Whether a stored key is one that Connect writes: a connector's name with one of its partitions.
pub(super) fn is_key(key: &[u8]) -> bool {
    parts(key).is_some()
}

/// Whether a stored value is an offset.
pub(super) fn is_offset(value: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(value).is_ok_and(|value| value.is_object())
}

/// The connector and the partition that a stored key is of.
fn parts(key: &[u8]) -> Option<(String, serde_json::Value)> {
    let serde_json::Value::Array(parts) = serde_json::from_slice(key).ok()? else { return None };
    match <[serde_json::Value; 2]>::try_from(parts).ok()? {
        [serde_json::Value::String(name), partition] if partition.is_object() || partition.is_null() => {
            Some((name, partition))
        }
        _ => None,
    }
}

/// A stored key with its members sorted; `None` for what is no key of ours.
fn sorted_form(key: &[u8]) -> Option<String> {
    let parsed: serde_json::Value = serde_json::from_slice(key).ok()?;
    let mut sorted = String::new();
    push_json(&mut sorted, &parsed, true);
    Some(sorted)
}

/// A stored offset as text, if it is a JSON object.
fn offset_text(connector: &str, bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8(bytes.to_vec()).ok().filter(|_| is_offset(bytes));
    if text.is_none() {
        tracing::error!(connector, "a stored source offset is not a JSON object and is left out");
    }
    text
}
