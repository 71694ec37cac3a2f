//! Which plugins there are, and making instances of them.

use std::sync::Arc;

use async_trait::async_trait;
use millstream_config::{ConfigDef, ConfigMap, Wanted};

use crate::{
    Connector, ConnectorContext, Converter, ConverterRole, HeaderBatchConverter, Link, LinkedTransforms, PluginError,
    SinkContext, SinkTask, SourceContext, SourceTask, TaskId,
};

/// What a plugin is for. The order is the one in which Connect lists plugins.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "the names are Connect's")]
pub enum PluginKind {
    Sink,
    Source,
    Transform,
    Predicate,
    /// Of keys and values.
    Converter,
    HeaderConverter,
}

impl PluginKind {
    /// Connect's word for it in the REST API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sink => "sink",
            Self::Source => "source",
            Self::Transform => "transformation",
            Self::Predicate => "predicate",
            Self::Converter => "converter",
            Self::HeaderConverter => "header_converter",
        }
    }
}

/// A plugin as it describes itself.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "what the names do not say stands beside them")]
pub struct PluginInfo {
    pub kind: PluginKind,
    pub class: String,
    /// Connectors: the class name of their tasks.
    pub task_class: String,
    /// Other names it goes by, derived ones included.
    pub aliases: Vec<String>,
    /// `undefined` if it does not say.
    pub version: String,
    /// In Markdown.
    pub documentation: String,
    pub config: ConfigDef,
    /// Sources: whether the task wants to hear of every row that ended.
    pub commit_records: bool,
    /// Connectors: whether tasks want the connector's lease.
    pub wants_lease: bool,
    /// Where it came from: a path, or "bundled".
    pub location: String,
    /// What the component that it is in is made of: SHA-256 of a file, in hexadecimal, or the version of Millstream that
    /// brings it. Empty for what is in none.
    pub digest: String,
}

/// Why a plugin name leads to no plugin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FindPluginError {
    /// No plugin goes by the name. For connectors this is Connect's own text.
    #[error("{0}")]
    Unknown(String),
    /// Several do.
    #[error("{0}")]
    Ambiguous(String),
    /// One does, in other versions than were asked for, or what was asked for is no version. Connect's own text.
    #[error("{0}")]
    Version(String),
}

/// The plugins of a worker, in all their versions. Of those that will do the newest is meant.
#[async_trait]
pub trait Plugins: Send + Sync + 'static {
    /// All plugins, by kind, class name and version.
    fn list(&self) -> Vec<Arc<PluginInfo>>;

    /// Returns when no plugin is being made ready any more that could change what the names lead to: one that is not there
    /// yet, or a higher version of one.
    async fn await_names(&self, names: &[&str]);

    /// Plugin files that are being made ready and could change what the names lead to. Their plugins are not listed until
    /// then.
    fn awaited(&self, names: &[&str]) -> Vec<String>;

    /// Finds a plugin.
    ///
    /// # Errors
    ///
    /// None or several go by the name, or none in such a version.
    fn find(&self, kind: PluginKind, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError>;

    /// Finds a connector, source or sink.
    ///
    /// # Errors
    ///
    /// None or several go by the name, or none in such a version; the texts are Connect's.
    fn find_connector(&self, wanted: &Wanted) -> Result<Arc<PluginInfo>, FindPluginError>;

    /// A connector instance for the named connector. It knows no configuration yet.
    ///
    /// # Errors
    ///
    /// The class is unknown, or the instance cannot be made.
    async fn connector(
        &self,
        class: &Wanted,
        name: &str,
        context: Arc<dyn ConnectorContext>,
    ) -> Result<Box<dyn Connector>, PluginError>;

    /// A source task, not started. `class` is the connector's.
    ///
    /// # Errors
    ///
    /// As for connectors.
    async fn source_task(
        &self,
        class: &Wanted,
        task: &TaskId,
        context: Arc<dyn SourceContext>,
    ) -> Result<Box<dyn SourceTask>, PluginError>;

    /// A sink task, not started. `class` is the connector's.
    ///
    /// # Errors
    ///
    /// As for connectors.
    async fn sink_task(
        &self,
        class: &Wanted,
        task: &TaskId,
        context: Arc<dyn SinkContext>,
    ) -> Result<Box<dyn SinkTask>, PluginError>;

    /// A configured chain of transforms, in as many components as its links come from.
    ///
    /// # Errors
    ///
    /// The number of the link whose class is unknown or whose configuration is refused, and why.
    async fn chain(&self, task: &TaskId, links: &[Link]) -> Result<Box<dyn LinkedTransforms>, (usize, PluginError)>;

    /// A configured converter that comes as a plugin. Connect's own converters are not asked for here.
    ///
    /// # Errors
    ///
    /// The class is unknown or its configuration is refused.
    async fn converter(
        &self,
        class: &Wanted,
        task: &TaskId,
        role: ConverterRole,
        config: &ConfigMap,
    ) -> Result<Box<dyn Converter>, PluginError>;

    /// A configured header converter that comes as a plugin.
    ///
    /// # Errors
    ///
    /// As for converters.
    async fn header_converter(
        &self,
        class: &Wanted,
        task: &TaskId,
        config: &ConfigMap,
    ) -> Result<Box<dyn HeaderBatchConverter>, PluginError>;
}
