//! Which clients a connector has, and which of their settings it may override (`connector.client.config.override.policy`).

use crate::{ConfigInfo, ConfigMap, ConfigValue, HIDDEN, PluginKind, connector_keys::names, has_topic_rules};

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
    fn infos(&self, config: &ConfigMap, prefix: &str) -> Vec<ConfigInfo> {
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

/// What a worker says about the clients of its connectors.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientRules {
    /// Which settings connectors may override.
    pub policy: OverridePolicy,
    /// `group.id` of a worker in a group, which no sink's consumers may be in; `None` for a worker by itself.
    pub group: Option<String>,
    /// Whether its sources deliver exactly once.
    pub exactly_once: bool,
}

impl ClientRules {
    /// Those of a worker by itself.
    pub fn alone(policy: OverridePolicy) -> Self {
        Self { policy, group: None, exactly_once: false }
    }

    /// The kinds of clients that a connector will have, as they stand before `.override.`. Overrides of others are not
    /// looked at, as in Connect.
    pub fn clients(&self, kind: PluginKind, config: &ConfigMap) -> Vec<&'static str> {
        let given = |key: &str| config.get(key).and_then(Option::as_deref).is_some_and(|text| !text.trim().is_empty());
        let sink = kind == PluginKind::Sink;
        let dead_letters = given(names::DLQ_TOPIC.name());
        // A worker by itself takes no notice of the key.
        let own_offsets = !sink && self.group.is_some() && (self.exactly_once || given(names::OFFSETS_TOPIC.name()));
        let creates_topics = !sink && has_topic_rules(config);
        [
            ("producer", !sink || dead_letters),
            ("consumer", sink || own_offsets),
            ("admin", creates_topics || dead_letters || own_offsets),
        ]
        .into_iter()
        .filter_map(|(client, used)| used.then_some(client))
        .collect()
    }

    /// What validation lists for the settings of its clients that a connector overrides, client by client.
    pub(crate) fn infos(&self, kind: PluginKind, config: &ConfigMap) -> Vec<Vec<ConfigInfo>> {
        let clients = self.clients(kind, config).into_iter();
        clients.map(|client| self.policy.infos(config, &format!("{client}.override."))).collect()
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
    fn a_connector_has_the_clients_that_its_configuration_makes_necessary() {
        let alone = ClientRules::alone(OverridePolicy::All);
        let grouped = ClientRules { group: Some("g".to_owned()), ..alone.clone() };
        let exactly_once = ClientRules { exactly_once: true, ..grouped.clone() };
        let clients = |rules: &ClientRules, kind, entries: &[(&str, &str)]| {
            let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())));
            rules.clients(kind, &entries.collect()).join(" ")
        };
        let letters = [("errors.deadletterqueue.topic.name", "d")];
        let offsets = [("offsets.storage.topic", "o")];
        let topics = [("topic.creation.default.partitions", "1")];
        for (rules, kind, entries, expected) in [
            (&alone, PluginKind::Source, &[][..], "producer"),
            (&alone, PluginKind::Source, &letters, "producer admin"),
            (&alone, PluginKind::Source, &topics, "producer admin"),
            (&alone, PluginKind::Source, &offsets, "producer"),
            (&grouped, PluginKind::Source, &offsets, "producer consumer admin"),
            (&grouped, PluginKind::Source, &[("offsets.storage.topic", " ")], "producer"),
            (&exactly_once, PluginKind::Source, &[], "producer consumer admin"),
            (&exactly_once, PluginKind::Sink, &[], "consumer"),
            (&alone, PluginKind::Sink, &letters, "producer consumer admin"),
            (&alone, PluginKind::Sink, &[("errors.deadletterqueue.topic.name", " ")], "consumer"),
            (&alone, PluginKind::Sink, &topics, "consumer"),
        ] {
            assert_eq!(clients(rules, kind, entries), expected, "{rules:?} {kind:?} {entries:?}");
        }
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
