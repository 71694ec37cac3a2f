//! What the keys beside a URL mean to the host: the roles that a definition gives them.

use std::collections::BTreeMap;

use millstream_config::ConfigMap;
use serde_json::{Map, Value};

use crate::capability::value_of;

/// Every role that a key can have beside one that opens a URL.
pub(super) const ROLES: [&str; 48] = [
    "auth",
    "user",
    "password",
    "bearer",
    "authorization",
    "api-key",
    "api-key-name",
    "api-key-in",
    "oauth2-token-url",
    "oauth2-client-id",
    "oauth2-client-secret",
    "oauth2-scope",
    "oauth2-mode",
    "oauth2-token-property",
    "oauth2-grant-type",
    "oauth2-grant-type-property",
    "oauth2-client-id-property",
    "oauth2-client-secret-property",
    "oauth2-headers",
    "oauth2-header-separator",
    "oauth2-renew-codes",
    "headers",
    "header-separator",
    "tls",
    "truststore",
    "truststore-password",
    "keystore",
    "keystore-password",
    "trust-all",
    "verify-host",
    "proxy-host",
    "proxy-port",
    "proxy-user",
    "proxy-password",
    "connect-timeout-ms",
    "request-timeout-ms",
    "request-timeout-s",
    "idle-timeout-ms",
    "connections",
    "redirects",
    "response-max-bytes",
    "request-max-bytes",
    "disallow-local",
    "disallow-private",
    "disallow-class-e",
    "disallow-cidr",
    "allow-cidr",
    "origins",
];

/// Roles whose values no guest sees.
const SECRET: [&str; 10] = [
    "password",
    "bearer",
    "authorization",
    "api-key",
    "oauth2-client-secret",
    "oauth2-headers",
    "headers",
    "proxy-password",
    "truststore-password",
    "keystore-password",
];

/// Keys of Kafka clients behind the prefix that the role `tls` gives, whose values no guest sees.
const SECRET_TLS: [&str; 4] =
    ["ssl.keystore.password", "ssl.key.password", "ssl.keystore.key", "ssl.truststore.password"];

/// Keys by role; the role `tls` is no key but what stands before the `ssl.…` keys.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Roles {
    keys: BTreeMap<String, Vec<String>>,
    defaults: BTreeMap<String, String>,
}

impl Roles {
    /// Reads the members `with` and `defaults` of a definition; none if a role is unknown or no text.
    pub(super) fn read(members: &Map<String, Value>) -> Option<Self> {
        let mut roles = Self::default();
        if let Some(with) = members.get("with") {
            for (role, keys) in with.as_object()? {
                let keys: Vec<String> = match keys {
                    Value::String(key) => vec![key.clone()],
                    Value::Array(keys) => {
                        keys.iter().map(|key| Some(key.as_str()?.to_owned())).collect::<Option<_>>()?
                    }
                    _ => return None,
                };
                roles.keys.insert(known(role)?, keys);
            }
        }
        if let Some(defaults) = members.get("defaults") {
            for (role, value) in defaults.as_object()? {
                roles.defaults.insert(known(role)?, value.as_str()?.to_owned());
            }
        }
        Some(roles)
    }

    /// The value in a role: of the first of its keys that has one, or its default.
    pub(super) fn get<'c>(&'c self, role: &str, config: &'c ConfigMap) -> Option<&'c str> {
        debug_assert!(ROLES.contains(&role), "{role}");
        let keys = || self.keys.get(role).into_iter().flatten();
        let set = keys().find_map(|key| value_of(config, key));
        // What a user leaves empty has no value, whatever holds for those who do not name it.
        let is_named = || keys().any(|key| config.get(key).is_some_and(Option::is_some));
        set.or_else(|| self.defaults.get(role).filter(|_| !is_named()).map(String::as_str))
    }

    /// The values of all keys in a role.
    pub(super) fn all<'c>(&'c self, role: &str, config: &'c ConfigMap) -> impl Iterator<Item = &'c str> {
        self.keys.get(role).into_iter().flatten().filter_map(|key| value_of(config, key))
    }

    /// The key that a user sets for a role: for messages.
    pub(super) fn key<'r>(&'r self, role: &'r str) -> &'r str {
        self.keys.get(role).and_then(|keys| keys.first()).map_or(role, String::as_str)
    }

    /// A key of Kafka's TLS clients as the configuration has it.
    pub(super) fn tls<'c>(&'c self, key: &str, config: &'c ConfigMap) -> Option<&'c str> {
        let prefix = self.keys.get("tls")?.first()?;
        // Empty means something here: no check of the host name.
        config.get(&format!("{prefix}{key}")).and_then(Option::as_deref).map(str::trim)
    }

    /// Whether the value of a key stays with the host.
    pub(super) fn hides(&self, key: &str) -> bool {
        let has = |role: &&str| self.keys.get(*role).is_some_and(|keys| keys.iter().any(|known| known == key));
        let of_tls = || {
            let prefix = self.keys.get("tls").and_then(|prefixes| prefixes.first());
            let behind = prefix.and_then(|prefix| key.strip_prefix(prefix.as_str()));
            behind.is_some_and(|behind| SECRET_TLS.contains(&behind))
        };
        SECRET.iter().any(has) || of_tls()
    }
}

fn known(role: &str) -> Option<String> {
    ROLES.contains(&role).then(|| role.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_have_roles_and_some_values_stay_with_the_host() {
        let members = json!({
            "http": "url",
            "with": {"password": "connection.password", "user": "connection.user", "tls": "https.",
                     "headers": ["headers", "sensitive.headers"]},
            "defaults": {"connect-timeout-ms": "2000"},
        });
        let roles = Roles::read(members.as_object().unwrap()).unwrap();
        let config: ConfigMap = [("connection.user", "u"), ("https.ssl.truststore.password", "t"), ("headers", "A:b")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
            .collect();
        assert_eq!(roles.get("user", &config), Some("u"));
        assert_eq!(roles.get("password", &config), None);
        assert_eq!(roles.get("connect-timeout-ms", &config), Some("2000"));
        assert_eq!(roles.tls("ssl.truststore.password", &config), Some("t"));
        assert_eq!(roles.key("user"), "connection.user");
        for hidden in ["connection.password", "headers", "sensitive.headers", "https.ssl.key.password"] {
            assert!(roles.hides(hidden), "{hidden}");
        }
        for open in ["connection.user", "https.ssl.truststore.location", "ssl.key.password", "other"] {
            assert!(!roles.hides(open), "{open}");
        }
        for odd in [json!({"with": {"colour": "x"}}), json!({"with": {"user": 7}}), json!({"defaults": {"user": 1}})] {
            assert_eq!(Roles::read(odd.as_object().unwrap()), None, "{odd}");
        }
    }
}
