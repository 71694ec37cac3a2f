//! Which client settings a connector may override (`connector.client.config.override.policy`).

use crate::{ConfigInfo, ConfigMap, ConfigValue, HIDDEN};

/// Connect's policies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OverridePolicy {
    /// Everything may be overridden.
    All,
    /// Nothing may.
    None,
    /// Only who the client is.
    Principal,
    /// Only these settings, named without a prefix.
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// The policy meant by an alias or by the name of Connect's class; `allowlist` is what one of that name allows.
    pub fn from_name(name: &str, allowlist: &[String]) -> Option<Self> {
        let simple = crate::plugin_defs::simple_name(name);
        match simple.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(simple) {
            "All" => Some(Self::All),
            "None" => Some(Self::None),
            "Principal" => Some(Self::Principal),
            "Allowlist" => Some(Self::Allowlist(allowlist.to_vec())),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::All => "All",
            Self::None => "None",
            Self::Principal => "Principal",
            Self::Allowlist(_) => "Allowlist",
        }
    }

    fn allows(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Principal => matches!(key, "sasl.jaas.config" | "sasl.mechanism" | "security.protocol"),
            Self::Allowlist(allowed) => allowed.iter().any(|allowed| allowed == key),
        }
    }

    /// Why a key, given without its prefix, may not be overridden; `None` if it may.
    pub fn refusal(&self, key: &str) -> Option<String> {
        (!self.allows(key)).then(|| {
            format!(
                "The '{}' policy does not allow '{key}' to be overridden in the connector configuration.",
                self.name()
            )
        })
    }

    /// What validation lists for the overrides beneath a prefix.
    pub(crate) fn infos(&self, config: &ConfigMap, prefix: &str) -> Vec<ConfigInfo> {
        crate::originals_with_prefix(config, prefix)
            .into_iter()
            .map(|(key, value)| {
                let mut info = ConfigValue::new(format!("{prefix}{key}"));
                info.errors.extend(self.refusal(&key));
                info.value = if holds_secret(&key) { value.map(|_| HIDDEN.to_owned()) } else { value };
                ConfigInfo { definition: None, value: info }
            })
            .collect()
    }
}

/// Parts of names of keys whose values are secrets.
const SECRET: [&str; 8] =
    ["password", "passwd", "secret", "token", "credential", "jaas.config", "keystore.key", "private.key"];

/// Whether a setting may be secret, as far as its key's name tells. A value that only says where a secret is is none.
pub fn may_be_secret(key: &str, value: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let is_reference = value.starts_with("${") && value.ends_with('}');
    !is_reference && !value.is_empty() && SECRET.iter().any(|part| key.contains(part))
}

/// The client settings of type PASSWORD.
fn holds_secret(key: &str) -> bool {
    key.ends_with("password")
        || matches!(
            key,
            "sasl.jaas.config" | "ssl.keystore.key" | "ssl.keystore.certificate.chain" | "ssl.truststore.certificates"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_known_by_alias_and_by_class() {
        assert_eq!(OverridePolicy::from_name("All", &[]), Some(OverridePolicy::All));
        let class = "org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy";
        assert_eq!(OverridePolicy::from_name(class, &[]), Some(OverridePolicy::Principal));
        assert_eq!(OverridePolicy::from_name("Some", &[]), None);
    }

    #[test]
    fn an_allowlist_allows_what_it_names_and_nothing_if_it_is_empty() {
        let class = "org.apache.kafka.connect.connector.policy.AllowlistConnectorClientConfigOverridePolicy";
        let policy = |allowed: &[&str]| {
            let allowed: Vec<String> = allowed.iter().map(|&key| key.to_owned()).collect();
            OverridePolicy::from_name(class, &allowed).unwrap()
        };
        assert_eq!(policy(&["linger.ms"]).refusal("linger.ms"), None);
        assert_eq!(
            policy(&["linger.ms"]).refusal("linger").as_deref(),
            Some("The 'Allowlist' policy does not allow 'linger' to be overridden in the connector configuration.")
        );
        assert!(policy(&[]).refusal("linger.ms").is_some());
    }

    #[test]
    fn a_refusal_names_the_policy_and_the_key() {
        assert_eq!(OverridePolicy::Principal.refusal("sasl.mechanism"), None);
        assert_eq!(
            OverridePolicy::None.refusal("linger.ms").as_deref(),
            Some("The 'None' policy does not allow 'linger.ms' to be overridden in the connector configuration.")
        );
    }

    #[test]
    fn secrets_among_overrides_are_not_listed() {
        let config = ConfigMap::from([("producer.override.ssl.key.password".into(), Some("x".into()))]);
        let infos = OverridePolicy::All.infos(&config, "producer.override.");
        assert_eq!(infos[0].value.value.as_deref(), Some(HIDDEN));
    }
}
