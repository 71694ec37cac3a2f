//! `"opens": {"http": "url", "with": {role: key, …}, "defaults": {role: value, …}}`.

use millstream_config::{ConfigDef, ConfigMap, Opens};

use super::check;
use super::roles::Roles;
use crate::capability::{Allowed, CapabilityStates, Opening};

/// The member of `opens` that means HTTP.
pub(super) const WORD: &str = "http";

/// What the value of a key is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Names {
    /// A URL, perhaps with placeholders behind its host: its origin is opened.
    Url,
    /// A list of origins and patterns of them.
    Origins,
}

/// A key whose value names servers, and what other keys say of requests to them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct NamesServer {
    pub(super) names: Names,
    pub(super) roles: Roles,
}

pub(super) fn read(opens: &Opens, _keys: &ConfigDef) -> Option<Box<dyn Opening>> {
    Some(Box::new(names_server(opens)?))
}

fn names_server(opens: &Opens) -> Option<NamesServer> {
    let names = match opens.members().get(WORD)?.as_str()? {
        "url" => Names::Url,
        "origins" => Names::Origins,
        _ => return None,
    };
    Some(NamesServer { names, roles: Roles::read(opens.members())? })
}

impl Opening for NamesServer {
    fn check(&self, value: &str, config: &ConfigMap, allowed: &Allowed) -> Result<(), String> {
        check::check(self, value, config, &allowed.http)
    }

    fn grant(&self, _key: &str, value: Option<&str>, config: &ConfigMap, states: &mut CapabilityStates) {
        states.http.grant(self, value, config);
    }

    fn hides(&self, key: &str) -> bool {
        self.roles.hides(key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_definition_says_whether_a_key_names_a_url_or_origins_and_what_other_keys_mean() {
        let read = |json: Value| names_server(&Opens::from_json(&json).unwrap());
        assert_eq!(read(json!({"http": "url"})).unwrap().names, Names::Url);
        let origins = read(json!({"http": "origins", "with": {"password": "pw"}})).unwrap();
        assert_eq!(origins.names, Names::Origins);
        assert!(origins.hides("pw") && !origins.hides("other"));
        for unknown in [json!({"http": "everything"}), json!({"http": 1}), json!({"http": "url", "with": {"x": "y"}})] {
            assert_eq!(read(unknown.clone()), None, "{unknown}");
        }
    }
}
