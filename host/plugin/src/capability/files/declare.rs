//! `"opens": {"file": "read", "or": "stdin"}`.

use millstream_config::{ConfigDef, ConfigMap, Opens};
use serde_json::Value;

use super::check;
use crate::capability::{Allowed, CapabilityStates, Opening};

/// The member of `opens` that means a file.
pub(super) const WORD: &str = "file";

/// How a plugin uses a file that a key names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FileAccess {
    Read,
    /// Adds to its end.
    Append,
}

/// A stream of the process that stands in for a file when the key has no value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum StandIn {
    Stdin,
    Stdout,
}

/// A key whose value names a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NamesFile {
    pub(super) access: FileAccess,
    pub(super) or: Option<StandIn>,
}

pub(super) fn read(opens: &Opens, _keys: &ConfigDef) -> Option<Box<dyn Opening>> {
    Some(Box::new(names_file(opens)?))
}

fn names_file(opens: &Opens) -> Option<NamesFile> {
    let access = match opens.members().get(WORD)?.as_str()? {
        "read" => FileAccess::Read,
        "append" => FileAccess::Append,
        _ => return None,
    };
    let or = match opens.members().get("or") {
        None | Some(Value::Null) => None,
        Some(stream) => Some(match stream.as_str()? {
            "stdin" => StandIn::Stdin,
            "stdout" => StandIn::Stdout,
            _ => return None,
        }),
    };
    Some(NamesFile { access, or })
}

impl Opening for NamesFile {
    fn check(&self, value: &str, _config: &ConfigMap, allowed: &Allowed) -> Result<(), String> {
        check::check(value, allowed.files.as_deref())
    }

    fn grant(&self, key: &str, value: Option<&str>, _config: &ConfigMap, states: &mut CapabilityStates) {
        states.files.grant(key, *self, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_says_how_a_file_is_used_and_what_stands_in_for_it() {
        let read = |json: Value| names_file(&Opens::from_json(&json).unwrap());
        let names = |access, or| Some(NamesFile { access, or });
        assert_eq!(read(json!({"file": "read"})), names(FileAccess::Read, None));
        assert_eq!(read(json!({"file": "append", "or": null})), names(FileAccess::Append, None));
        assert_eq!(read(json!({"file": "read", "or": "stdin"})), names(FileAccess::Read, Some(StandIn::Stdin)));
        assert_eq!(read(json!({"file": "append", "or": "stdout"})), names(FileAccess::Append, Some(StandIn::Stdout)));
        for unknown in [json!({"file": "execute"}), json!({"file": 7}), json!({"file": "read", "or": "stderr"})] {
            assert_eq!(read(unknown.clone()), None, "{unknown}");
        }
    }
}
