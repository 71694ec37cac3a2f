//! A configuration is tried before it is accepted: its transforms, predicates and converters are configured, and its
//! client settings read, exactly as its tasks would do it. What is wrong with them is an error of validation then, and
//! not of the first task.

use millstream_config::{
    ClientRules, ConfigDef, ConfigInfos, ConfigMap, OwnErrors, PluginDef, PluginDefs, PluginKind, Wanted, config_text,
    originals_with_prefix,
};
use millstream_connector::{Condition, ConverterRole, Failure, Link, PluginError, Plugins, TaskId};

use crate::{
    converters::{Natives, check_converter},
    kafka::Clients,
    transform_chain::undeclared_predicate,
};

/// Applies everywhere and asks for nothing: what predicates are tried with.
const ANY_TRANSFORM: &str = "org.apache.kafka.connect.transforms.Filter";

const TRANSFORMS: (&str, PluginKind) = ("transforms", PluginKind::Transform);
const PREDICATES: (&str, PluginKind) = ("predicates", PluginKind::Predicate);

/// What a configuration is tried with.
pub(super) struct Trial<'a> {
    pub(super) plugins: &'a dyn Plugins,
    pub(super) natives: &'a Natives,
    pub(super) definitions: &'a dyn PluginDefs,
    pub(super) clients: &'a dyn Clients,
    pub(super) rules: &'a ClientRules,
}

impl Trial<'_> {
    /// What the parts of a configuration refuse beyond what `infos` says already. Parts that it finds fault with are
    /// not tried.
    pub(super) async fn refusals(&self, config: &ConfigMap, infos: &ConfigInfos) -> Vec<OwnErrors> {
        let wanted = Wanted::connector(config).ok();
        let Some(connector) = wanted.and_then(|wanted| self.definitions.select_connector(&wanted).ok()) else {
            return Vec::new();
        };
        let mut refusals = undeclared_predicates(config, infos);
        refusals.extend(self.transforms(config, connector, infos).await);
        refusals.extend(self.predicates(config, connector, infos).await);
        refusals.extend(self.converters(config, connector, infos).await);
        refusals.extend(self.client_settings(config, connector, infos));
        refusals
    }

    async fn transforms(&self, config: &ConfigMap, connector: &PluginDef, infos: &ConfigInfos) -> Vec<OwnErrors> {
        let parts = Part::all(config, connector, infos, &TRANSFORMS, self.definitions);
        let links = parts.iter().map(|part| Link {
            class: part.class.clone(),
            config: part.config(config, &["type", "plugin.version", "predicate", "negate"]),
            condition: None,
        });
        self.try_links(config, &parts, links.collect()).await
    }

    async fn predicates(&self, config: &ConfigMap, connector: &PluginDef, infos: &ConfigInfos) -> Vec<OwnErrors> {
        if self.definitions.find(PluginKind::Transform, ANY_TRANSFORM).is_none() {
            return Vec::new();
        }
        let parts = Part::all(config, connector, infos, &PREDICATES, self.definitions);
        let links = parts.iter().map(|part| {
            let condition = Condition {
                class: part.class.clone(),
                config: part.config(config, &["type", "plugin.version"]),
                negate: false,
            };
            Link { class: ANY_TRANSFORM.into(), config: ConfigMap::new(), condition: Some(condition) }
        });
        self.try_links(config, &parts, links.collect()).await
    }

    /// Makes a chain of the links, and again without each one that refuses.
    async fn try_links(&self, config: &ConfigMap, parts: &[Part<'_>], mut links: Vec<Link>) -> Vec<OwnErrors> {
        let mut parts: Vec<&Part<'_>> = parts.iter().collect();
        let mut refusals = Vec::new();
        while !links.is_empty() {
            let Err((at, error)) = self.plugins.chain(&task_of(config), &links).await else { break };
            if parts.len() <= at {
                break;
            }
            links.remove(at);
            refusals.push(parts.remove(at).refusal(&error));
        }
        refusals
    }

    /// The converters that the connector brings along.
    async fn converters(&self, config: &ConfigMap, connector: &PluginDef, infos: &ConfigInfos) -> Vec<OwnErrors> {
        let mut refusals = Vec::new();
        let beside = Some(connector.location.as_str());
        for (role, kind) in [
            (ConverterRole::Key, PluginKind::Converter),
            (ConverterRole::Value, PluginKind::Converter),
            (ConverterRole::Header, PluginKind::HeaderConverter),
        ] {
            let key = format!("{}.converter", role.name());
            let prefix = format!("{key}.");
            let Some(class) = text(config, &key) else { continue };
            if has_errors(infos, &key) || has_errors_beneath(infos, &prefix) {
                continue;
            }
            let tried = check_converter(self.plugins, self.natives, &task_of(config), role, config, beside).await;
            if let Err(failure) = tried {
                let version_key = format!("{prefix}plugin.version");
                let plugin = self.definitions.part(kind, config, class, &version_key, beside);
                let def = plugin.map(|plugin| &plugin.config);
                let at_fault = def.and_then(|def| key_at_fault(&failure, def));
                let name = at_fault.map_or(key, |own| format!("{prefix}{own}"));
                refusals.push(OwnErrors { name, errors: vec![failure.message] });
            }
        }
        refusals
    }

    fn client_settings(&self, config: &ConfigMap, connector: &PluginDef, infos: &ConfigInfos) -> Vec<OwnErrors> {
        let Self { clients, rules, .. } = self;
        let in_transactions = rules.exactly_once && connector.kind == PluginKind::Source;
        let refused = clients.refused_settings(&rules.clients(connector.kind, config), in_transactions, config);
        let refused = refused.into_iter().filter(|(name, _)| !has_errors(infos, name));
        refused.map(|(name, error)| OwnErrors { name, errors: vec![error] }).collect()
    }
}

/// Transforms that are to be applied where a predicate holds that is not among the declared ones.
fn undeclared_predicates(config: &ConfigMap, infos: &ConfigInfos) -> Vec<OwnErrors> {
    let aliases = |stage| config_text::distinct(&config_text::list(text(config, stage).unwrap_or_default()));
    let predicates = aliases("predicates");
    let undeclared = |alias: &String| {
        let name = format!("transforms.{alias}.predicate");
        let wanted = config.get(&name).and_then(Option::as_deref)?;
        let error = undeclared_predicate(alias, wanted);
        let refused = !predicates.iter().any(|known| known == wanted) && !has_errors(infos, &name);
        refused.then(|| OwnErrors { name, errors: vec![error] })
    };
    aliases("transforms").iter().filter_map(undeclared).collect()
}

/// A transform or predicate of a configuration.
struct Part<'a> {
    prefix: String,
    class: Wanted,
    def: &'a ConfigDef,
}

impl<'a> Part<'a> {
    /// Those whose class is known and that have no errors yet.
    fn all(
        config: &ConfigMap,
        connector: &PluginDef,
        infos: &ConfigInfos,
        (stage, kind): &(&str, PluginKind),
        definitions: &'a dyn PluginDefs,
    ) -> Vec<Self> {
        let part = |alias: &String| {
            let prefix = format!("{stage}.{alias}.");
            let class = text(config, &format!("{prefix}type"))?;
            let version_key = format!("{prefix}plugin.version");
            let class = Wanted::of(config, class, &version_key, Some(&connector.location)).ok()?;
            let plugin = definitions.select(*kind, &class).ok()?;
            let faultless = !has_errors_beneath(infos, &prefix);
            faultless.then_some(Self { class, def: &plugin.config, prefix })
        };
        let aliases = config_text::list(text(config, stage).unwrap_or_default());
        config_text::distinct(&aliases).iter().filter_map(part).collect()
    }

    fn config(&self, config: &ConfigMap, framework: &[&str]) -> ConfigMap {
        let mut own = originals_with_prefix(config, &self.prefix);
        framework.iter().for_each(|key| drop(own.remove(*key)));
        own
    }

    fn refusal(&self, error: &PluginError) -> OwnErrors {
        let failure = error.failure();
        let key = key_at_fault(&failure, self.def).unwrap_or("type");
        OwnErrors { name: format!("{}{key}", self.prefix), errors: vec![failure.message] }
    }
}

/// The declared key that a failure speaks of: in Kafka's words, in a cause that says what was found, or between quotes.
fn key_at_fault<'a>(failure: &Failure, def: &'a ConfigDef) -> Option<&'a str> {
    let names = || def.keys().iter().map(|key| key.name.as_str());
    let named = |name: &&str| failure.message.contains(&format!(" for configuration {name}: "));
    let found = |name: &&str| failure.causes.iter().any(|cause| cause.starts_with(&format!("found {name}=")));
    let quoted = |name: &&str| failure.message.contains(&format!("'{name}'"));
    names().find(named).or_else(|| names().find(found)).or_else(|| names().find(quoted))
}

fn has_errors(infos: &ConfigInfos, name: &str) -> bool {
    infos.configs.iter().any(|info| info.value.name == name && !info.value.errors.is_empty())
}

fn has_errors_beneath(infos: &ConfigInfos, prefix: &str) -> bool {
    infos.configs.iter().any(|info| info.value.name.starts_with(prefix) && !info.value.errors.is_empty())
}

fn text<'a>(config: &'a ConfigMap, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Option::as_deref).map(config_text::text)
}

fn task_of(config: &ConfigMap) -> TaskId {
    TaskId { connector: text(config, "name").unwrap_or_default().to_owned(), number: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_config::{ConfigKey, ConfigType};
    use millstream_connector::ErrorKind;

    #[test]
    fn a_refusal_is_shown_at_the_key_it_speaks_of() {
        let def = ConfigDef::of(["spec", "fields", "format"].map(|name| ConfigKey::new(name, ConfigType::String)));
        let key = |message: &str, causes: &[&str]| {
            let causes = causes.iter().map(|cause| (*cause).to_owned()).collect();
            let failure = Failure { causes, ..Failure::new(ErrorKind::Config, "", message) };
            key_at_fault(&failure, &def).map(str::to_owned)
        };
        assert_eq!(key("Invalid value x for configuration format: no", &[]).as_deref(), Some("format"));
        assert_eq!(key("Must specify one", &["found spec=, wanted a type"]).as_deref(), Some("spec"));
        assert_eq!(key("'fields' config must have as many", &[]).as_deref(), Some("fields"));
        assert_eq!(key("Neither name nor version", &["found other=1, wanted x"]), None);
    }
}
