//! Validation of a connector's whole configuration, as Connect's REST API answers it.
//!
//! Plain functions over what is known about plugins. The connector's own `validate` runs elsewhere, since
//! it enters a guest; its findings are handed in.

use millstream_values::config_text;
use serde_json::{Value, json};

use crate::{
    ClientRules, ConfigDef, ConfigKey, ConfigMap, ConfigType, ConfigValue, Importance, InvalidVersions, NoSuchVersion,
    PluginDef, PluginDefs, PluginKind, TopicRules, UnknownConnector, Validator, Wanted, WantedError, Width,
    connector_keys::names,
    originals_with_prefix,
    parsed::ParsedValue,
    plugin_defs::AmongPlugins,
    record_error_keys::{record_error_keys, sets_record_errors},
    restart_keys, sets_restarts, sink_keys, source_keys, topic_list, transaction_keys,
    transaction_keys::sets_transactions,
};

/// One line of a validation result.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigInfo {
    /// What the key is; nothing for keys that nobody defines.
    pub definition: Option<ConfigKey>,
    /// Its value and what is wrong with it.
    pub value: ConfigValue,
}

/// A validation result.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigInfos {
    /// `connector.class` as submitted.
    pub name: String,
    /// How many errors there are; prefixed keys count once however many they have.
    pub error_count: usize,
    /// Groups of keys in the order they are shown.
    pub groups: Vec<String>,
    /// All keys, those without a definition first.
    pub configs: Vec<ConfigInfo>,
}

impl ConfigInfos {
    /// The answer of the validation endpoint, with its member order.
    pub fn to_json(&self) -> Value {
        let configs: Vec<Value> = self
            .configs
            .iter()
            .map(|info| {
                json!({
                    "definition": info.definition.as_ref().map(ConfigKey::to_definition_json),
                    "value": info.value.to_json(),
                })
            })
            .collect();
        json!({
            "name": self.name,
            "error_count": self.error_count,
            "groups": self.groups,
            "configs": configs,
        })
    }
}

/// What a connector's own `validate` found wrong with a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OwnErrors {
    /// The key it is reported at; one that nobody declares is added to the answer.
    pub name: String,
    /// A sentence each, for people; shown behind what validation itself has found.
    pub errors: Vec<String>,
}

/// Why a configuration could not be validated at all.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConnectorConfigError {
    /// `connector.class` is absent. The REST API answers 400. As in Connect 4.4, and other than in 4.3, the configuration
    /// is not repeated: there may be passwords in it.
    #[error("Connector config contains no connector type")]
    NoClass,
    /// No such connector. The REST API answers 400.
    #[error(transparent)]
    Unknown(#[from] UnknownConnector),
    /// What stands for its version is no version. The REST API answers 400.
    #[error(transparent)]
    Versions(#[from] InvalidVersions),
    /// `topics.regex` is none, and a dead letter topic is to be matched against it. The REST API answers 500.
    #[error("{message}")]
    TopicsRegex {
        /// The expression's fault.
        message: String,
    },
}

/// The text with which a configuration is refused on create, update and patch; `None` if it has no errors.
pub fn invalid_config_message(infos: &ConfigInfos) -> Option<String> {
    if infos.error_count == 0 {
        return None;
    }
    let mut message =
        format!("Connector configuration is invalid and contains the following {} error(s):", infos.error_count);
    for error in infos.configs.iter().flat_map(|info| &info.value.errors) {
        message.push('\n');
        message.push_str(error);
    }
    message.push_str(
        "\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`",
    );
    Some(message)
}

/// The framework's keys for a connector with this configuration: common ones, those of its kind, and those
/// of the transforms and predicates it names, those first that come from `beside`, as the connector does. A transform whose class is unknown only has its `type` and version.
pub fn connector_config_def(
    kind: PluginKind,
    beside: Option<&str>,
    config: &ConfigMap,
    plugins: &dyn PluginDefs,
) -> ConfigDef {
    let mut def = if kind == PluginKind::Sink { sink_keys() } else { source_keys() };
    for stage in [&TRANSFORMS, &PREDICATES] {
        stage.expand(config, beside, plugins, &mut def);
    }
    // Keys of ours are shown to those who use one of them.
    if sets_record_errors(kind, config) {
        def.define_all(&record_error_keys(kind));
    }
    if sets_restarts(config) {
        def.define_all(&restart_keys());
    }
    if kind != PluginKind::Sink && sets_transactions(config) {
        def.define_all(&transaction_keys());
    }
    def
}

/// Validates a whole connector configuration whose variables are resolved.
///
/// `own` is what the connector's own `validate` found beyond its definition, `rules` what the worker says about clients.
///
/// # Errors
///
/// When no connector can be told from the configuration. Everything else that is wrong with it is in the
/// result.
pub fn validate_connector(
    config: &ConfigMap,
    plugins: &dyn PluginDefs,
    own: &[OwnErrors],
    rules: &ClientRules,
) -> Result<ConfigInfos, ConnectorConfigError> {
    let class = text(config, names::CONNECTOR_CLASS.name()).ok_or(ConnectorConfigError::NoClass)?;
    let connector = match plugins.select_connector(&Wanted::connector(config)?) {
        Ok(connector) => connector,
        Err(UnknownConnector::Version(error)) => return Ok(without_version(class, config, plugins, &error)),
        Err(error) => return Err(error.into()),
    };
    let mut def = connector_config_def(connector.kind, Some(&connector.location), config, plugins);
    fill_in(&mut def, config, connector, plugins);
    let mut framework = Values::of(&def, config, plugins);

    for stage in [&TRANSFORMS, &PREDICATES] {
        stage.check(config, plugins, &mut framework);
    }
    for converter in &CONVERTERS {
        converter.check_class(config, plugins, &mut framework);
    }
    if connector.kind == PluginKind::Sink {
        check_topics(config, plugins, &mut framework)?;
        if let Some(group) = &rules.group {
            check_group(config, group, &mut framework);
        }
    }
    // Connect accepts wrong rules, and then no task starts.
    if connector.kind == PluginKind::Source
        && plugins.worker_creates_topics()
        && let Err(errors) = TopicRules::read(config)
    {
        errors.iter().for_each(|(key, error)| framework.add_error(key, error.message().to_owned()));
    }
    let overrides = rules.infos(connector.kind, config).into_iter();
    let mut parts: Vec<Part> = overrides.map(|configs| Part { groups: Vec::new(), configs }).collect();
    parts.extend(converters(config, connector, plugins, &framework));
    let mut of_main = Vec::new();
    for found in own {
        let mut infos = parts.iter_mut().flat_map(|part| &mut part.configs);
        match infos.find(|info| info.value.name == found.name) {
            Some(info) => info.value.errors.extend(found.errors.iter().cloned()),
            None => of_main.push(found.clone()),
        }
    }
    let main = merge(class, def, framework, connector, config, plugins, &of_main);
    Ok(parts.into_iter().fold(main, append))
}

/// What is known of a configuration whose connector is there in other versions only: what is wrong with that.
fn without_version(class: &str, config: &ConfigMap, plugins: &dyn PluginDefs, error: &NoSuchVersion) -> ConfigInfos {
    let mut def = names::common();
    offer_connector(&mut def, &error.class, plugins);
    let mut values = Values::of(&def, config, plugins);
    for key in [names::CONNECTOR_CLASS.name(), names::CONNECTOR_VERSION.name()] {
        values.add_error(key, error.to_string());
    }
    values.refuse_nulls(config);
    let groups = def.groups();
    values.infos(class, &def, groups)
}

fn offer_connector(def: &mut ConfigDef, class: &str, plugins: &dyn PluginDefs) {
    let kinds = [PluginKind::Source, PluginKind::Sink];
    let versions: Vec<_> = kinds.into_iter().flat_map(|kind| plugins.versions(kind, class)).collect();
    offer(def, names::CONNECTOR_VERSION.name(), versions.last().copied(), &versions);
}

/// Shows under a key which versions there are, and which is used unless another one is asked for.
fn offer(def: &mut ConfigDef, key: &str, default: Option<&PluginDef>, versions: &[&PluginDef]) {
    let Some(known) = def.get(key).cloned() else { return };
    let known = known.recommended(versions.iter().map(|plugin| plugin.version_text().to_owned()).collect());
    def.define(match default.and_then(|plugin| plugin.version.clone()) {
        Some(version) => known.default_text(version),
        None => known,
    });
}

/// Gives the keys of converters and versions the defaults and recommendations that the worker and its
/// plugins imply.
fn fill_in(def: &mut ConfigDef, config: &ConfigMap, connector: &PluginDef, plugins: &dyn PluginDefs) {
    offer_connector(def, &connector.class, plugins);
    for converter in &CONVERTERS {
        let own = text(config, converter.key).map(|class| unless_told(class.trim(), Some(&connector.location)));
        let Some(wanted) = own.or_else(|| plugins.worker_converter(converter.key)) else { continue };
        let default = plugins.select(converter.kind, &wanted).ok();
        offer(def, &converter.version_key(), default, &plugins.versions(converter.kind, &wanted.name));
    }
    for converter in &CONVERTERS {
        let Some(key) = def.get(converter.key).cloned() else { continue };
        let classes = plugins.of_kind(converter.kind).iter().map(|plugin| plugin.class.clone()).collect();
        let key = key.recommended(classes);
        let default = plugins.worker_converter(converter.key).map(|wanted| wanted.name);
        def.define(match default.filter(|class| plugins.find(converter.kind, class).is_some()) {
            Some(class) => key.default_text(class),
            None => key,
        });
    }
}

/// A part of a connector without a version: what came with the connector is preferred.
fn unless_told(class: &str, beside: Option<&str>) -> Wanted {
    Wanted { beside: beside.map(str::to_owned), ..class.into() }
}

/// Why no version of a class is the one that a configuration asks for.
fn wrong_version(
    plugins: &dyn PluginDefs,
    kind: PluginKind,
    (class, version_key): (&str, &str),
    config: &ConfigMap,
) -> Option<WrongVersion> {
    match Wanted::of(config, class, version_key, None) {
        Err(error) => Some(WrongVersion::Unreadable(error.to_string())),
        Ok(wanted) => match plugins.select(kind, &wanted) {
            Err(WantedError::Version(error)) => Some(WrongVersion::Missing(error.to_string())),
            // Of a class that is unknown that is said.
            Ok(_) | Err(WantedError::Unknown(_)) => None,
        },
    }
}

/// What is wrong with a version, in words.
enum WrongVersion {
    Unreadable(String),
    Missing(String),
}

/// The text of a key that is present and not null.
fn text<'a>(config: &'a ConfigMap, key: &str) -> Option<&'a str> {
    config.get(key).and_then(Option::as_deref)
}

/// Values with what was read, by key.
struct Values(Vec<(ConfigValue, ParsedValue)>);

impl Values {
    fn of(def: &ConfigDef, config: &ConfigMap, plugins: &dyn PluginDefs) -> Self {
        Self(def.validate_parsed(config, &AmongPlugins(plugins)))
    }

    fn get(&self, name: &str) -> Option<&(ConfigValue, ParsedValue)> {
        self.0.iter().find(|(value, _)| value.name == name)
    }

    fn add_error(&mut self, name: &str, error: String) {
        match self.0.iter_mut().find(|(value, _)| value.name == name) {
            Some((value, _)) => value.errors.push(error),
            None => {
                let mut value = ConfigValue::new(name);
                value.errors.push(error);
                self.0.push((value, ParsedValue::Null));
            }
        }
    }

    /// Lists a key that nobody declares.
    fn show(&mut self, name: &str, text: Option<String>) {
        if self.get(name).is_none() {
            let value = ConfigValue { value: text, ..ConfigValue::new(name) };
            self.0.push((value, ParsedValue::Null));
        }
    }

    fn refuse_nulls(&mut self, config: &ConfigMap) {
        for (key, _) in config.iter().filter(|(_, value)| value.is_none()) {
            self.add_error(key, "Null value can not be supplied as the configuration value.".to_owned());
        }
    }

    /// The result, in the order of the definitions.
    fn infos(self, class: &str, def: &ConfigDef, groups: Vec<String>) -> ConfigInfos {
        let error_count = self.0.iter().map(|(value, _)| value.errors.len()).sum();
        let (defined, undefined): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(|(value, _)| value).partition(|value| def.get(&value.name).is_some());
        let undefined = undefined.into_iter().map(|value| ConfigInfo { definition: None, value });
        let mut defined: std::collections::HashMap<String, ConfigValue> =
            defined.into_iter().map(|value| (value.name.clone(), value)).collect();
        let defined = def.keys().iter().map(|key| ConfigInfo {
            definition: Some(key.clone()),
            value: defined.remove(&key.name).unwrap_or_else(|| ConfigValue::new(&key.name)),
        });
        ConfigInfos { name: class.to_owned(), error_count, groups, configs: undefined.chain(defined).collect() }
    }

    /// The class that a key was resolved to.
    fn class(&self, name: &str) -> Option<String> {
        match self.get(name) {
            Some((_, ParsedValue::Class(class))) => Some(class.clone()),
            _ => None,
        }
    }
}

/// Why a class cannot serve as a plugin of that kind.
fn wrong_class(plugins: &dyn PluginDefs, kind: PluginKind, class: &str) -> Option<String> {
    if plugins.find(kind, class).is_some() {
        return None;
    }
    let nested = plugins.nested_classes(class);
    Some(if nested.is_empty() {
        format!("Class class {class} does not implement the {0} interface", kind.interface())
    } else {
        format!("This class is abstract and cannot be created. Did you mean {}?", nested.join(", "))
    })
}

/// Transforms or predicates: a list of aliases, each with keys of its own.
struct Stage {
    list: &'static str,
    kind: PluginKind,
    group: &'static str,
}

const TRANSFORMS: Stage = Stage { list: "transforms", kind: PluginKind::Transform, group: "Transforms" };
const PREDICATES: Stage = Stage { list: "predicates", kind: PluginKind::Predicate, group: "Predicates" };

impl Stage {
    /// Aliases without repetition, in their order.
    fn aliases(&self, config: &ConfigMap) -> Vec<String> {
        let mut aliases: Vec<String> = Vec::new();
        for alias in config_text::list(text(config, self.list).unwrap_or("")) {
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        aliases
    }

    fn expand(&self, config: &ConfigMap, beside: Option<&str>, plugins: &dyn PluginDefs, def: &mut ConfigDef) {
        for alias in self.aliases(config) {
            let prefix = format!("{}.{alias}.", self.list);
            let group = format!("{}: {alias}", self.group);
            let classes = plugins.of_kind(self.kind).iter().map(|plugin| plugin.class.clone()).collect();
            let interface = self.kind.interface();
            def.define(
                ConfigKey::new(format!("{prefix}type"), ConfigType::Class)
                    .importance(Importance::High)
                    .doc(format!("Class for the '{alias}' {}.", interface.to_lowercase()))
                    .placed(&group, 0, Width::Long, format!("{interface} type for {alias}"))
                    .recommended(classes),
            );
            let class = text(config, &format!("{prefix}type")).map(str::trim).unwrap_or_default();
            let version_key = format!("{prefix}plugin.version");
            let versions = plugins.versions(self.kind, class);
            let version = ConfigKey::new(&version_key, ConfigType::String)
                .importance(Importance::High)
                .doc(format!(
                    "Version of the '{alias}' {} to use: one, or ranges of them in Maven's notation.",
                    interface.to_lowercase()
                ))
                .placed(&group, 1, Width::Long, format!("{interface} version for {alias}"))
                .default_null();
            def.define(version);
            offer(def, &version_key, unless_told(class, beside).choose(&versions), &versions);
            if let Some(plugin) = plugins.part(self.kind, config, class, &version_key, beside) {
                embed(def, &prefix, &group, &self.with_implicit_keys(&plugin.config));
            }
        }
    }

    fn with_implicit_keys(&self, own: &ConfigDef) -> ConfigDef {
        if self.kind != PluginKind::Transform {
            return own.clone();
        }
        let implicit = ConfigDef::of([
            ConfigKey::new("predicate", ConfigType::String).default_null().doc(
                "Name of the predicate that decides which records the transformation is applied to; all if not set.",
            ),
            ConfigKey::new("negate", ConfigType::Boolean)
                .default_text("false")
                .doc("Whether the transformation is applied to the records that the predicate does not accept."),
        ]);
        // The implicit keys hide those of a plugin that have the same names.
        let own = own.keys().iter().filter(|key| implicit.get(&key.name).is_none()).cloned();
        ConfigDef::of(implicit.keys().iter().cloned().chain(own))
    }

    fn check(&self, config: &ConfigMap, plugins: &dyn PluginDefs, values: &mut Values) {
        for alias in self.aliases(config) {
            let prefix = format!("{}.{alias}.", self.list);
            let key = format!("{prefix}type");
            let (negate, predicate) = (format!("{prefix}negate"), format!("{prefix}predicate"));
            if self.kind == PluginKind::Transform && config.contains_key(&negate) && !config.contains_key(&predicate) {
                values.add_error(
                    &key,
                    format!(
                        "Config '{negate}' was provided but there is no config '{predicate}' defining a predicate to be negated."
                    ),
                );
            } else if let Some(class) = values.class(&key) {
                let version_key = format!("{prefix}plugin.version");
                if let Some(error) = wrong_class(plugins, self.kind, &class) {
                    values.add_error(&key, error);
                } else if let Some(wrong) = wrong_version(plugins, self.kind, (&class, &version_key), config) {
                    let (WrongVersion::Unreadable(error) | WrongVersion::Missing(error)) = wrong;
                    values.add_error(&key, error.clone());
                    values.add_error(&version_key, error);
                }
            }
        }
    }
}

/// Adds a plugin's keys beneath a prefix, sorted as Connect sorts them.
fn embed(def: &mut ConfigDef, prefix: &str, group: &str, child: &ConfigDef) {
    for (order, key) in (2..).zip(child.sorted()) {
        let mut key = key.clone();
        key.name.insert_str(0, prefix);
        key.validator =
            key.validator.map(|rule| Validator::Embedded { prefix: prefix.to_owned(), rule: Box::new(rule) });
        key.group = Some(match key.group {
            Some(own) => format!("{group}: {own}"),
            None => group.to_owned(),
        });
        key.order = order;
        for dependent in &mut key.dependents {
            dependent.insert_str(0, prefix);
        }
        def.define(key);
    }
}

fn check_topics(config: &ConfigMap, plugins: &dyn PluginDefs, values: &mut Values) -> Result<(), ConnectorConfigError> {
    let (list, regex) = (names::TOPICS.name(), names::TOPICS_REGEX.name());
    let given = |key| text(config, key).filter(|text| !text.trim().is_empty());
    let both = |values: &mut Values, message: &str| {
        values.add_error(list, message.to_owned());
        values.add_error(regex, message.to_owned());
    };
    match (given(list), given(regex)) {
        (Some(_), Some(_)) => {
            both(values, "topics and topics.regex are mutually exclusive options, but both are set.");
        }
        (None, None) => both(values, "Must configure one of topics or topics.regex"),
        _ => {}
    }
    let Some(dead_letters) = given(names::DLQ_TOPIC.name()).map(str::trim) else { return Ok(()) };
    let topics = topic_list(config);
    if topics.iter().any(|topic| topic == dead_letters) {
        values.add_error(
            list,
            format!(
                "The DLQ topic '{dead_letters}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
                topics.join(", ")
            ),
        );
    }
    if let Some(pattern) = given(regex) {
        let matches = plugins
            .full_match(pattern.trim(), dead_letters)
            .map_err(|message| ConnectorConfigError::TopicsRegex { message })?;
        if matches {
            values.add_error(
                regex,
                format!(
                    "The DLQ topic '{dead_letters}' may not be matched by the regex for the topics ('topics.regex={pattern}') consumed by the connector"
                ),
            );
        }
    }
    Ok(())
}

/// A consumer in the group by which workers divide their work could not join it, or would keep them from it.
fn check_group(config: &ConfigMap, of_worker: &str, values: &mut Values) {
    let key = "consumer.override.group.id";
    match config.get(key) {
        Some(group) => {
            let conflict = format!("Consumer group {of_worker} conflicts with Connect worker group {of_worker}");
            let conflicts = group.as_deref() == Some(of_worker);
            // As Connect does, which lists it among the overrides as well.
            values.show(key, group.clone());
            if conflicts {
                values.add_error(key, conflict);
            }
        }
        None => {
            if let Some(name) = text(config, names::NAME.name())
                && of_worker.strip_prefix("connect-") == Some(name)
            {
                let conflict = format!(
                    "Consumer group for sink connector named {name} conflicts with Connect worker group {of_worker}"
                );
                values.add_error(names::NAME.name(), conflict);
            }
        }
    }
}

/// A converter that a connector may bring along.
struct Converter {
    key: &'static str,
    prefix: &'static str,
    kind: PluginKind,
    converter_type: &'static str,
}

/// In the order in which results list them.
const CONVERTERS: [Converter; 3] = [
    Converter {
        key: "header.converter",
        prefix: "header.converter.",
        kind: PluginKind::HeaderConverter,
        converter_type: "header",
    },
    Converter { key: "key.converter", prefix: "key.converter.", kind: PluginKind::Converter, converter_type: "key" },
    Converter {
        key: "value.converter",
        prefix: "value.converter.",
        kind: PluginKind::Converter,
        converter_type: "value",
    },
];

impl Converter {
    fn version_key(&self) -> String {
        format!("{}.plugin.version", self.key)
    }

    /// The version counts with a class of the connector's own.
    fn check_class(&self, config: &ConfigMap, plugins: &dyn PluginDefs, values: &mut Values) {
        let Some(class) = values.class(self.key) else { return };
        if let Some(error) = wrong_class(plugins, self.kind, &class) {
            values.add_error(self.key, error);
        } else if config.contains_key(self.key) {
            match wrong_version(plugins, self.kind, (&class, &self.version_key()), config) {
                Some(WrongVersion::Unreadable(error)) => values.add_error(&self.version_key(), error),
                Some(WrongVersion::Missing(error)) => {
                    values.add_error(self.key, error.clone());
                    values.add_error(&self.version_key(), error);
                }
                None => {}
            }
        }
    }
}

/// What a part of the result adds to the main part.
struct Part {
    groups: Vec<String>,
    configs: Vec<ConfigInfo>,
}

/// The settings of the converters that the connector brings along.
fn converters(config: &ConfigMap, connector: &PluginDef, plugins: &dyn PluginDefs, values: &Values) -> Vec<Part> {
    let mut parts = Vec::new();
    for converter in &CONVERTERS {
        let own = config.contains_key(converter.key);
        let faultless = own && values.get(converter.key).is_some_and(|(value, _)| value.errors.is_empty());
        let class = if faultless { values.class(converter.key) } else { None };
        let (version_key, beside) = (converter.version_key(), Some(connector.location.as_str()));
        let plugin = class.and_then(|class| plugins.part(converter.kind, config, &class, &version_key, beside));
        let Some(plugin) = plugin else { continue };
        let mut settings = originals_with_prefix(config, converter.prefix);
        settings.entry("converter.type".to_owned()).or_insert_with(|| Some(converter.converter_type.to_owned()));
        let configs = plugin
            .config
            .validate(&settings, &AmongPlugins(plugins))
            .into_iter()
            .map(|mut value| {
                let definition = plugin.config.get(&value.name).cloned().map(|mut key| {
                    key.name.insert_str(0, converter.prefix);
                    key
                });
                value.name.insert_str(0, converter.prefix);
                ConfigInfo { definition, value }
            })
            .collect();
        parts.push(Part { groups: plugin.config.groups(), configs });
    }
    parts
}

/// Framework and connector together: later values and definitions of the same name replace earlier ones.
fn merge(
    class: &str,
    mut def: ConfigDef,
    mut framework: Values,
    connector: &PluginDef,
    config: &ConfigMap,
    plugins: &dyn PluginDefs,
    own: &[OwnErrors],
) -> ConfigInfos {
    let mut groups = def.groups();
    add_groups(&mut groups, connector.config.groups());
    def.define_all(&connector.config);
    for (value, read) in Values::of(&connector.config, config, plugins).0 {
        match framework.0.iter_mut().find(|(known, _)| known.name == value.name) {
            Some(known) => *known = (value, read),
            None => framework.0.push((value, read)),
        }
    }
    // After the connector's values have taken the place of others, so that it is said of them, too.
    framework.refuse_nulls(config);
    for OwnErrors { name, errors } in own {
        for error in errors {
            framework.add_error(name, error.clone());
        }
    }
    framework.infos(class, &def, groups)
}

fn append(mut infos: ConfigInfos, part: Part) -> ConfigInfos {
    add_groups(&mut infos.groups, part.groups);
    infos.error_count += part.configs.iter().filter(|info| !info.value.errors.is_empty()).count();
    infos.configs.extend(part.configs);
    infos
}

fn add_groups(groups: &mut Vec<String>, more: Vec<String>) {
    for group in more {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
}

#[cfg(test)]
mod tests;
