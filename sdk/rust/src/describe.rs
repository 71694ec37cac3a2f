//! What a component says about itself: the JSON of `describe`.

use serde_json::{Map, Value as Json, json};

use crate::config::{ConfigDef, Key, Opened, Opens};

/// What kind of plugin a class is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PluginKind {
    /// A source connector.
    Source,
    /// A sink connector.
    Sink,
    /// A single message transform.
    Transform,
    /// A predicate.
    Predicate,
    /// A converter for keys and values.
    Converter,
    /// A converter for headers.
    HeaderConverter,
}

impl PluginKind {
    /// Name in the description.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Transform => "transform",
            Self::Predicate => "predicate",
            Self::Converter => "converter",
            Self::HeaderConverter => "header_converter",
        }
    }
}

/// What users see of a plugin beside its keys.
///
/// ```
/// use millstream_sdk::Info;
///
/// const INFO: Info = Info::new("org.example.TickSourceConnector").version("1.2.0").doc("Emits the time.");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Info {
    /// The name users write in `connector.class`, `transforms.x.type` and so on.
    pub class: &'static str,
    /// Connectors: the class name of the task; derived from `class` if not said.
    pub task_class: Option<&'static str>,
    /// Further names beside those that the host derives: the name without its package, and without
    /// `Connector`, `SourceConnector`, `SinkConnector` and the like.
    pub aliases: &'static [&'static str],
    /// Version of the plugin.
    pub version: &'static str,
    /// What the plugin does, in Markdown.
    pub doc: &'static str,
    /// Sources: whether [`SourceTask::committed`](crate::SourceTask::committed) is to be called.
    pub wants_committed: bool,
    /// Connectors: whether tasks may ask for the [`Lease`](crate::Lease).
    pub wants_lease: bool,
}

impl Info {
    /// A plugin under this class name.
    pub const fn new(class: &'static str) -> Self {
        Self { class, task_class: None, aliases: &[], version: "", doc: "", wants_committed: false, wants_lease: false }
    }

    /// The version shown to users; `env!("CARGO_PKG_VERSION")` is the crate's own.
    pub const fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// What the plugin does, in Markdown.
    pub const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }

    /// Further names that users may write.
    pub const fn aliases(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The class name shown for the task of a connector.
    pub const fn task_class(self, class: &'static str) -> Self {
        Self { task_class: Some(class), ..self }
    }

    /// Asks for [`SourceTask::committed`](crate::SourceTask::committed) to be called, which costs a
    /// call per batch.
    pub const fn wants_committed(self) -> Self {
        Self { wants_committed: true, ..self }
    }

    /// Lets tasks ask for the [`Lease`](crate::Lease) of their connector.
    pub const fn wants_lease(self) -> Self {
        Self { wants_lease: true, ..self }
    }
}

/// One plugin of a component, as far as the description goes.
#[derive(Clone, Debug)]
pub struct Described {
    /// What it is.
    pub kind: PluginKind,
    /// What users see of it.
    pub info: Info,
    /// Its keys.
    pub config: ConfigDef,
}

/// Version of the batch format that this SDK reads and writes.
const BATCH_FORMAT: u16 = 1;

/// The JSON document for these plugins.
pub fn document(plugins: impl IntoIterator<Item = Described>) -> String {
    let plugins: Vec<Json> = plugins.into_iter().map(|plugin| describe_plugin(&plugin)).collect();
    json!({ "batch_formats": [BATCH_FORMAT], "plugins": plugins }).to_string()
}

fn describe_plugin(plugin: &Described) -> Json {
    // Spelled out, so that a new member cannot be overlooked.
    let Info { class, task_class, aliases, version, doc, wants_committed, wants_lease } = plugin.info;
    let mut json = Map::new();
    json.insert("kind".to_owned(), plugin.kind.name().into());
    json.insert("class".to_owned(), class.into());
    if let Some(task_class) = task_class {
        json.insert("task_class".to_owned(), task_class.into());
    }
    json.insert("aliases".to_owned(), json!(aliases));
    if !version.is_empty() {
        json.insert("version".to_owned(), version.into());
    }
    json.insert("documentation".to_owned(), doc.into());
    if plugin.kind == PluginKind::Source {
        json.insert("commit_records".to_owned(), wants_committed.into());
    }
    if wants_lease {
        json.insert("wants".to_owned(), json!(["lease"]));
    }
    json.insert(
        "config".to_owned(),
        plugin.config.keys().iter().map(|key| describe_key(key, &plugin.config)).collect(),
    );
    Json::Object(json)
}

fn describe_key(key: &Key, config: &ConfigDef) -> Json {
    let Key {
        name,
        kind,
        required,
        default,
        importance,
        doc,
        group,
        order,
        width,
        display_name,
        dependents,
        recommended,
        validator,
        check: _,
        opens,
    } = key;
    let mut json = Map::new();
    json.insert("name".to_owned(), name.as_str().into());
    json.insert("type".to_owned(), kind.name().into());
    json.insert("required".to_owned(), (*required).into());
    json.insert("default".to_owned(), json!(default));
    json.insert("importance".to_owned(), importance.name().into());
    json.insert("documentation".to_owned(), doc.as_str().into());
    json.insert("group".to_owned(), json!(group));
    json.insert("order".to_owned(), (*order).into());
    json.insert("width".to_owned(), width.name().into());
    json.insert("display_name".to_owned(), display_name.as_ref().unwrap_or(name).as_str().into());
    json.insert("dependents".to_owned(), json!(dependents));
    json.insert("recommended".to_owned(), json!(recommended));
    if let Some(validator) = validator {
        json.insert("validator".to_owned(), validator.to_json());
    }
    if let Some(opens) = opens {
        json.insert("opens".to_owned(), describe_opens(*opens, config));
    }
    Json::Object(json)
}

fn describe_opens(opens: Opens, config: &ConfigDef) -> Json {
    match opens.0 {
        Opened::File { append: false, or_stream: false } => json!({ "file": "read" }),
        Opened::File { append: false, or_stream: true } => json!({ "file": "read", "or": "stdin" }),
        Opened::File { append: true, or_stream: false } => json!({ "file": "append" }),
        Opened::File { append: true, or_stream: true } => json!({ "file": "append", "or": "stdout" }),
        Opened::Http { is_list, with } => describe_http(is_list, with, config),
        Opened::Socket => json!({ "socket": "address" }),
        Opened::Sql { user, password, properties } => {
            let keys = [("user", user), ("password", password), ("properties", properties)];
            let keys = keys.into_iter().filter_map(|(name, key)| Some((name.to_owned(), key?.into())));
            json!({ "sql": keys.collect::<Map<String, Json>>() })
        }
        Opened::Topic { default, replication } => {
            json!({ "topic": "write", "default": default, "replication": replication })
        }
    }
}

/// Roles with their keys, and what holds of those that are not set.
fn describe_http(is_list: bool, with: &[(&str, &str)], config: &ConfigDef) -> Json {
    let (mut roles, mut defaults) = (Map::new(), Map::new());
    for &(role, key) in with {
        let keys = roles.entry(role).or_insert_with(|| json!([]));
        keys.as_array_mut().expect("it was made above").push(key.into());
        let default = config.keys().iter().find(|known| known.name == key).and_then(|known| known.default.as_ref());
        if let Some(default) = default.filter(|default| !default.is_empty()) {
            defaults.entry(role).or_insert_with(|| default.as_str().into());
        }
    }
    json!({ "http": if is_list { "origins" } else { "url" }, "with": roles, "defaults": defaults })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Importance;

    #[test]
    fn a_key_that_opens_a_server_says_what_other_keys_mean_and_what_holds_without_them() {
        const WITH: &[(&str, &str)] =
            &[("password", "pw"), ("headers", "headers"), ("headers", "more"), ("connect-timeout-ms", "wait")];
        let config = ConfigDef::new()
            .key(Key::string("url").opens(Opens::http_url(WITH)))
            .key(Key::int("wait").default(2000))
            .key(Key::string("headers").default(""));
        let expected = json!({
            "http": "url",
            "with": {"password": ["pw"], "headers": ["headers", "more"], "connect-timeout-ms": ["wait"]},
            "defaults": {"connect-timeout-ms": "2000"},
        });
        assert_eq!(describe_key(&config.keys()[0], &config)["opens"], expected);
    }

    #[test]
    fn a_key_that_opens_a_database_says_which_others_belong_to_it() {
        let opens = |opens| describe_opens(opens, &ConfigDef::new());
        assert_eq!(opens(Opens::sql()), json!({ "sql": {} }));
        let all = Opens::sql().user("db.user").password("db.password").properties("db.");
        assert_eq!(opens(all), json!({ "sql": { "user": "db.user", "password": "db.password", "properties": "db." } }));
    }

    #[test]
    fn a_description_says_all_that_the_builder_was_told() {
        let config = ConfigDef::new()
            .key(
                Key::string("file")
                    .doc("What to read.")
                    .importance(Importance::High)
                    .opens(Opens::read_file().or_stdin()),
            )
            .key(Key::int("n").default(3).range(1..10).group("Limits", 2).display_name("Number").dependents(&["file"]));
        let info =
            Info::new("org.example.LineSourceConnector").version("1.0").doc("Reads *lines*.").aliases(&["Lines"]);
        let info = info.wants_lease();
        let text = document([Described { kind: PluginKind::Source, info, config }]);
        let expected = json!({
            "batch_formats": [1],
            "plugins": [{
                "kind": "source",
                "class": "org.example.LineSourceConnector",
                "aliases": ["Lines"],
                "version": "1.0",
                "documentation": "Reads *lines*.",
                "commit_records": false,
                "wants": ["lease"],
                "config": [
                    {
                        "name": "file", "type": "STRING", "required": false, "default": null, "importance": "HIGH",
                        "documentation": "What to read.", "group": null, "order": -1, "width": "NONE",
                        "display_name": "file", "dependents": [], "recommended": [],
                        "opens": { "file": "read", "or": "stdin" }
                    },
                    {
                        "name": "n", "type": "INT", "required": false, "default": "3", "importance": "MEDIUM",
                        "documentation": "", "group": "Limits", "order": 2, "width": "NONE",
                        "display_name": "Number", "dependents": ["file"], "recommended": [],
                        "validator": { "range": { "min": 1, "max": 9 } }
                    }
                ]
            }]
        });
        assert_eq!(serde_json::from_str::<Json>(&text).expect("JSON"), expected);
    }
}
