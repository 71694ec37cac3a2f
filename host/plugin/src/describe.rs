//! The JSON in which a component says what it carries, as `description.md` beside the contract specifies.

use std::sync::Arc;

use millstream_config::{ConfigDef, InvalidDefinition};
use millstream_connector::PluginKind;
use serde_json::{Map, Value};

use crate::capability::{Openings, UnknownOpening, lease::LEASE};

/// Longest class name.
const MAX_CLASS: usize = 500;

/// Most plugins and keys that one component may describe, and the longest description, in bytes.
const MAX_PLUGINS: usize = 1000;
const MAX_KEYS: usize = 2000;
const MAX_DESCRIPTION: usize = 4 << 20;

/// What a component carries.
#[derive(Clone, Debug)]
pub struct Description {
    /// Versions of the batch format that it reads and writes.
    pub batch_formats: Vec<u64>,
    /// Its plugins, in its own order.
    pub plugins: Vec<PluginDescription>,
}

/// One plugin of a component.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "what the names do not say stands beside them")]
pub struct PluginDescription {
    pub kind: PluginKind,
    /// The name that configurations use.
    pub class: String,
    /// Connectors: class of the tasks.
    pub task_class: Option<String>,
    /// Names beside those that follow from the class.
    pub aliases: Vec<String>,
    /// `undefined` if the component does not say.
    pub version: String,
    /// In Markdown.
    pub documentation: String,
    /// Sources: whether the task wants to hear of each record that ended.
    pub commit_records: bool,
    /// Connectors: whether tasks want the connector's lease.
    pub wants_lease: bool,
    pub config: ConfigDef,
    /// Whether it gets its batches by `host-columns` alone.
    pub by_columns: bool,
    /// What their values open.
    pub(crate) openings: Arc<Openings>,
}

/// Why a description cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the variants and fields are")]
pub enum DescriptionError {
    #[error("the description is {len} bytes long, more than {MAX_DESCRIPTION}")]
    TooLong { len: usize },
    #[error("the description is not JSON")]
    NotJson { source: serde_json::Error },
    #[error("{at} is missing")]
    Missing { at: String },
    #[error("{at} is not {expected}")]
    Unexpected { at: String, expected: &'static str },
    #[error("{at} has {count} entries, more than {max}")]
    TooMany { at: String, count: usize, max: usize },
    #[error("the class name {class:?} is empty or longer than {MAX_CLASS} characters")]
    ClassName { class: String },
    #[error("the class {class} is described twice")]
    Twice { class: String },
    #[error("the keys of {class} are described wrongly")]
    Keys { class: String, source: Box<InvalidDefinition> },
    #[error("{class} wants {want:?}, which no plugin gets")]
    Wants { class: String, want: String },
    #[error("the keys of {class} ask for what no plugin gets")]
    Opens { class: String, source: UnknownOpening },
}

impl Description {
    /// Reads what `describe` returned.
    pub fn parse(json: &str) -> Result<Self, DescriptionError> {
        if MAX_DESCRIPTION < json.len() {
            return Err(DescriptionError::TooLong { len: json.len() });
        }
        let value: Value = serde_json::from_str(json).map_err(|source| DescriptionError::NotJson { source })?;
        let top = Object::of(&value, "the description")?;
        let batch_formats = top.list("batch_formats", 16)?.iter();
        let batch_formats = batch_formats
            .map(|format| format.as_u64().ok_or_else(|| top.unexpected("batch_formats", "a list of numbers")))
            .collect::<Result<_, _>>()?;
        let mut plugins: Vec<PluginDescription> = Vec::new();
        for (number, entry) in top.list("plugins", MAX_PLUGINS)?.iter().enumerate() {
            let plugin = PluginDescription::read(&Object::of(entry, &format!("plugin {number}"))?)?;
            if plugins.iter().any(|other| other.class == plugin.class && other.kind == plugin.kind) {
                return Err(DescriptionError::Twice { class: plugin.class });
            }
            plugins.push(plugin);
        }
        Ok(Self { batch_formats, plugins })
    }
}

impl PluginDescription {
    fn read(entry: &Object<'_>) -> Result<Self, DescriptionError> {
        let class = entry.required_text("class")?;
        if class.is_empty() || MAX_CLASS < class.chars().count() {
            return Err(DescriptionError::ClassName { class });
        }
        let kind = match entry.required_text("kind")?.as_str() {
            "source" => PluginKind::Source,
            "sink" => PluginKind::Sink,
            "transform" => PluginKind::Transform,
            "predicate" => PluginKind::Predicate,
            "converter" => PluginKind::Converter,
            "header_converter" => PluginKind::HeaderConverter,
            _ => return Err(entry.unexpected("kind", "one of the known kinds")),
        };
        let task_class = match (entry.text("task_class")?, kind) {
            (Some(given), _) => Some(given),
            (None, PluginKind::Source | PluginKind::Sink) => Some(class.replace("Connector", "Task")),
            (None, _) => None,
        };
        let config = match entry.member("config") {
            None => ConfigDef::new(),
            Some(keys) => {
                entry.list("config", MAX_KEYS)?;
                ConfigDef::from_json(keys)
                    .map_err(|source| DescriptionError::Keys { class: class.clone(), source: Box::new(source) })?
            }
        };
        let openings =
            Openings::declared(&config).map_err(|source| DescriptionError::Opens { class: class.clone(), source })?;
        let wants = entry.texts("wants")?;
        let openings =
            openings.wanting(&wants).map_err(|want| DescriptionError::Wants { class: class.clone(), want })?;
        Ok(Self {
            kind,
            task_class,
            openings: Arc::new(openings),
            aliases: entry.texts("aliases")?,
            version: entry.text("version")?.filter(|text| !text.is_empty()).unwrap_or_else(|| "undefined".into()),
            documentation: entry.text("documentation")?.unwrap_or_default(),
            commit_records: entry.flag("commit_records")?,
            wants_lease: wants.iter().any(|want| want == LEASE),
            by_columns: match entry.text("batches")?.as_deref() {
                None | Some("bytes") => false,
                Some("columns") => true,
                Some(_) => return Err(entry.unexpected("batches", "bytes or columns")),
            },
            config,
            class,
        })
    }
}

/// A JSON object and where it stands.
struct Object<'a> {
    at: String,
    members: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    fn of(value: &'a Value, at: &str) -> Result<Self, DescriptionError> {
        let members = value
            .as_object()
            .ok_or_else(|| DescriptionError::Unexpected { at: at.to_owned(), expected: "an object" })?;
        Ok(Self { at: at.to_owned(), members })
    }

    /// A member that is there and not null.
    fn member(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    fn unexpected(&self, name: &str, expected: &'static str) -> DescriptionError {
        DescriptionError::Unexpected { at: format!("`{name}` of {}", self.at), expected }
    }

    fn text(&self, name: &str) -> Result<Option<String>, DescriptionError> {
        self.member(name)
            .map(|value| value.as_str().map(str::to_owned).ok_or_else(|| self.unexpected(name, "a text")))
            .transpose()
    }

    fn required_text(&self, name: &str) -> Result<String, DescriptionError> {
        self.text(name)?.ok_or_else(|| DescriptionError::Missing { at: format!("`{name}` of {}", self.at) })
    }

    fn flag(&self, name: &str) -> Result<bool, DescriptionError> {
        let flag = self.member(name).map(|value| value.as_bool().ok_or_else(|| self.unexpected(name, "true or false")));
        Ok(flag.transpose()?.unwrap_or(false))
    }

    fn list(&self, name: &str, max: usize) -> Result<&'a [Value], DescriptionError> {
        let Some(value) = self.member(name) else { return Ok(&[]) };
        let list = value.as_array().ok_or_else(|| self.unexpected(name, "a list"))?;
        if max < list.len() {
            let at = format!("`{name}` of {}", self.at);
            return Err(DescriptionError::TooMany { at, count: list.len(), max });
        }
        Ok(list)
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, DescriptionError> {
        let texts = self.list(name, MAX_KEYS)?.iter();
        texts
            .map(|text| text.as_str().map(str::to_owned).ok_or_else(|| self.unexpected(name, "a list of texts")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_with_its_defaults() {
        let description = Description::parse(
            r#"{"batch_formats":[1],"unknown":7,"plugins":[{"kind":"source","class":"org.example.TickSourceConnector",
                "config":[{"name":"file","type":"STRING","importance":"HIGH","opens":{"file":"read","or":"stdin"}},
                          {"name":"topic","type":"STRING","required":true,"order":3}]}]}"#,
        )
        .unwrap();
        let plugin = &description.plugins[0];
        assert_eq!(plugin.task_class.as_deref(), Some("org.example.TickSourceTask"));
        assert_eq!(plugin.version, "undefined");
        assert_eq!(format!("{:?}", plugin.openings), r#"Openings(["file"])"#);
        assert!(plugin.config.get("topic").is_some_and(|key| key.is_required() && key.order == 3));
    }

    #[test]
    fn a_description_that_cannot_be_used_says_where() {
        let refused = |json: &str| Description::parse(json).unwrap_err().to_string();
        assert_eq!(refused("{"), "the description is not JSON");
        assert_eq!(refused(r#"{"plugins":7}"#), "`plugins` of the description is not a list");
        assert_eq!(refused(r#"{"plugins":[{"kind":"source"}]}"#), "`class` of plugin 0 is missing");
        assert_eq!(
            refused(r#"{"plugins":[{"kind":"sauce","class":"X"}]}"#),
            "`kind` of plugin 0 is not one of the known kinds"
        );
        let twice = r#"{"plugins":[{"kind":"sink","class":"X"},{"kind":"sink","class":"X"}]}"#;
        assert_eq!(refused(twice), "the class X is described twice");
        let keys = r#"{"plugins":[{"kind":"sink","class":"X","config":[{"type":"STRING"}]}]}"#;
        assert_eq!(refused(keys), "the keys of X are described wrongly");
        let wants = r#"{"plugins":[{"kind":"sink","class":"X","wants":["lease","moon"]}]}"#;
        assert_eq!(refused(wants), "X wants \"moon\", which no plugin gets");
        let opens = r#"{"plugins":[{"kind":"sink","class":"X","config":[{"name":"a","type":"STRING","opens":{"file":"execute"}}]}]}"#;
        assert_eq!(refused(opens), "the keys of X ask for what no plugin gets");
    }
}
