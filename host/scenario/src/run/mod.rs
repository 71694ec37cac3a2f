//! Runs one scenario: a plugin's roles, step by step, as the worker plays them.

mod connector;
mod convert;
mod shown;
mod sink;
mod source;
mod transform;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream_config::{ConfigMap, Wanted};
use millstream_connector::{
    Connector, Converter, HeaderBatchConverter, LinkedTransforms, PluginError, PluginInfo, Plugins, SinkTask,
    SourceTask, TaskId, TopicPartition, TopicRecord,
};
use millstream_plugin::WasmPlugins;
use millstream_record::batch::Batch;
use serde_json::{Value as Json, json};

use crate::expect::Found;
use crate::scenario::{Act, Scenario};
use crate::server::Server;
use crate::world::World;

/// Name of the connector whose task the plugin is.
const CONNECTOR: &str = "scenario";

/// A scenario under way.
pub(crate) struct Run<'s> {
    scenario: &'s Scenario,
    plugins: Arc<WasmPlugins>,
    plugin: Arc<PluginInfo>,
    pub(crate) world: Arc<World>,
    folder: tempfile::TempDir,
    server: Option<Server>,
    connector: Option<Box<dyn Connector>>,
    source: Option<Box<dyn SourceTask>>,
    sink: Option<Box<dyn SinkTask>>,
    chain: Option<Box<dyn LinkedTransforms>>,
    converter: Option<Box<dyn Converter>>,
    headers: Option<Box<dyn HeaderBatchConverter>>,
    /// What was polled and has not ended.
    polled: Vec<Batch>,
    /// The next offset of each partition.
    positions: BTreeMap<TopicPartition, i64>,
}

/// What keeps a step from being done at all.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The plugin failed, in which link of a chain.
    Plugin(Option<usize>, PluginError),
    /// The scenario asks for something that does not go.
    Scenario(String),
}

impl From<PluginError> for Stopped {
    fn from(error: PluginError) -> Self {
        Self::Plugin(None, error)
    }
}

impl From<String> for Stopped {
    fn from(message: String) -> Self {
        Self::Scenario(message)
    }
}

type Done = Result<Found, Stopped>;

fn found(members: impl IntoIterator<Item = (&'static str, Json)>) -> Found {
    members.into_iter().map(|(name, json)| (name.to_owned(), json)).collect()
}

impl<'s> Run<'s> {
    /// A scenario whose plugin is among these, before its first step.
    pub(crate) async fn new(scenario: &'s Scenario, plugins: Arc<WasmPlugins>) -> Result<Self, String> {
        let plugin = find(&plugins, &scenario.plugin)?;
        let folder = tempfile::tempdir().map_err(|error| format!("make a folder for the scenario: {error}"))?;
        let server = match scenario.server.is_empty() {
            true => None,
            false => {
                let answers = scenario.server.clone();
                Some(Server::start(answers).await.map_err(|error| format!("start the scenario's server: {error}"))?)
            }
        };
        for (name, text) in &scenario.files {
            write(folder.path(), name, text, false)?;
        }
        let world = World::new(scenario.stored.clone(), scenario.tolerates_errors, scenario.ends_transactions);
        Ok(Self {
            scenario,
            plugins,
            plugin,
            world,
            folder,
            server,
            connector: None,
            source: None,
            sink: None,
            chain: None,
            converter: None,
            headers: None,
            polled: Vec::new(),
            positions: BTreeMap::new(),
        })
    }

    /// Does what a step says, once.
    pub(crate) async fn act(&mut self, act: &Act) -> Done {
        match act {
            Act::Describe => Ok(found([("plugin", shown::plugin(&self.plugin))])),
            Act::Validate { config } => self.validate(config.as_ref()).await,
            Act::ConnectorStart => self.start_connector().await,
            Act::TaskConfigs { max_tasks } => self.task_configs(*max_tasks).await,
            Act::ConnectorStop => self.stop_connector().await,
            Act::ExactlyOnce => self.exactly_once().await,
            Act::Boundaries => self.boundaries().await,
            Act::AlterOffsets { source, sink } => self.alter_offsets(source, sink).await,
            Act::Start { config } | Act::Restart { config } => {
                self.stop_quietly().await;
                let config = self.filled_in(config.as_ref().unwrap_or(&self.scenario.config));
                match self.is_sink() {
                    true => self.start_sink(&config).await,
                    false => self.start_source(&config).await,
                }
            }
            Act::Stop => self.stop().await,
            Act::AskToStop => {
                self.world.ask_to_stop(true);
                Ok(Found::new())
            }
            Act::Poll(poll) => self.poll(poll).await,
            Act::Deliver { filtered } => self.deliver(filtered).await,
            Act::Commit => {
                self.source()?.commit().await?;
                Ok(Found::new())
            }
            Act::Open { partitions } => self.open(partitions).await,
            Act::Close { partitions } => self.close(partitions).await,
            Act::Put { records } => self.put(records).await,
            Act::PreCommit { offsets } => self.pre_commit(offsets.as_deref()).await,
            Act::TakeLease => {
                self.world.take_lease();
                Ok(Found::new())
            }
            Act::Configure => self.configure().await,
            Act::Apply { records } => self.apply(records).await,
            Act::Test { records } => self.test(records).await,
            Act::ToConnect { topic, bytes } => self.convert_to_connect(topic, bytes).await,
            Act::FromConnect { topic, data } => self.convert_from_connect(topic, data).await,
            Act::HeadersToConnect { records } => self.convert_headers(records, true).await,
            Act::HeadersFromConnect { records } => self.convert_headers(records, false).await,
            Act::WriteFile { file, text } => {
                write(self.folder.path(), file, text, true)?;
                Ok(Found::new())
            }
        }
    }

    /// Ends everything that is still there.
    pub(crate) async fn end(mut self) {
        self.world.ask_to_stop(true);
        self.stop_quietly().await;
        if let Some(mut connector) = self.connector.take() {
            // What a scenario wants to know about the end of a connector it asks for with a step.
            let _ = connector.stop().await;
        }
        if let Some(server) = self.server.take() {
            server.end().await;
        }
    }

    /// What stands in a file of the scenario's folder; null if it is not there.
    pub(crate) fn file(&self, name: &str) -> Json {
        match std::fs::read(self.folder.path().join(name)) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned().into(),
            Err(_) => Json::Null,
        }
    }

    /// Rows that were reported outside of a `put`.
    pub(crate) fn reported(&self) -> Json {
        shown::row_errors(&self.world.take_reported())
    }

    /// Records that a sink has written to topics.
    pub(crate) fn topics(&self) -> Json {
        let record = |record: &TopicRecord| {
            let headers = record.headers.iter().map(|(key, value)| json!([key, shown::bytes(Some(value))]));
            json!({
                "key": shown::bytes(record.key.as_deref()),
                "value": shown::bytes(record.value.as_deref()),
                "headers": headers.collect::<Vec<_>>(),
            })
        };
        let written = self.world.take_written();
        let topic =
            |(topic, records): (&String, &Vec<TopicRecord>)| (topic.clone(), records.iter().map(record).collect());
        Json::Object(written.iter().map(topic).collect())
    }

    /// A failure with the paths of this run taken out of its texts: they differ from run to run.
    pub(crate) fn without_paths(&self, json: Json) -> Json {
        let folder = self.folder.path().display().to_string();
        let server = self.server.as_ref().map(Server::origin);
        let clean = |text: &str| {
            let text = text.replace(&folder, "${dir}");
            server.as_ref().map_or(text.clone(), |server| text.replace(server, "${server}"))
        };
        map_texts(json, &clean)
    }

    fn is_sink(&self) -> bool {
        self.plugin.kind == millstream_connector::PluginKind::Sink
    }

    fn class(&self) -> Wanted {
        self.plugin.class.as_str().into()
    }

    fn task(&self) -> TaskId {
        TaskId { connector: CONNECTOR.to_owned(), number: 0 }
    }

    /// A configuration with the scenario's folder and server in their places.
    fn filled_in(&self, config: &ConfigMap) -> ConfigMap {
        let folder = self.folder.path().display().to_string();
        let server = self.server.as_ref().map_or_else(|| "${server}".to_owned(), Server::origin);
        let fill = |text: &String| text.replace("${dir}", &folder).replace("${server}", &server);
        let mut config: ConfigMap = config.iter().map(|(key, value)| (key.clone(), value.as_ref().map(fill))).collect();
        // As in a worker: the connector's name is part of its configuration.
        if matches!(self.plugin.kind, millstream_connector::PluginKind::Sink | millstream_connector::PluginKind::Source)
        {
            config.entry("name".to_owned()).or_insert_with(|| Some(CONNECTOR.to_owned()));
        }
        config
    }

    fn own_config(&self) -> ConfigMap {
        self.filled_in(&self.scenario.config)
    }

    async fn stop(&mut self) -> Done {
        match (&mut self.source, &mut self.sink) {
            (Some(task), _) => task.stop().await?,
            (None, Some(task)) => task.stop().await?,
            (None, None) => return Err("there is no task to be stopped: begin with the step start".to_owned().into()),
        }
        (self.source, self.sink) = (None, None);
        Ok(Found::new())
    }

    /// Ends a task before another one is started, whatever it says about that.
    async fn stop_quietly(&mut self) {
        if let Some(mut task) = self.source.take() {
            let _ = task.stop().await;
        }
        if let Some(mut task) = self.sink.take() {
            let _ = task.stop().await;
        }
        self.polled.clear();
    }
}

/// The plugin that goes by a name.
fn find(plugins: &WasmPlugins, name: &str) -> Result<Arc<PluginInfo>, String> {
    let all = plugins.list();
    let is_it = |plugin: &&Arc<PluginInfo>| plugin.class == name || plugin.aliases.iter().any(|alias| alias == name);
    all.iter().find(|plugin| plugin.class == name).or_else(|| all.iter().find(is_it)).cloned().ok_or_else(|| {
        let classes: Vec<&str> = all.iter().map(|plugin| plugin.class.as_str()).collect();
        format!("the component has no plugin {name}; it has {}", classes.join(", "))
    })
}

/// Writes a file of the scenario's folder, anew or at its end.
fn write(folder: &Path, name: &str, text: &str, append: bool) -> Result<(), String> {
    use std::io::Write;
    let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !inside {
        return Err(format!("the file {name} does not lie in the scenario's folder"));
    }
    let path = folder.join(name);
    let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(append).write(true).truncate(!append);
        options.open(&path)?.write_all(text.as_bytes())
    });
    written.map_err(|error| format!("write the file {name} of the scenario: {error}"))
}

/// The same JSON with its texts changed.
fn map_texts(json: Json, change: &impl Fn(&str) -> String) -> Json {
    match json {
        Json::String(text) => change(&text).into(),
        Json::Array(items) => items.into_iter().map(|item| map_texts(item, change)).collect(),
        Json::Object(members) => {
            Json::Object(members.into_iter().map(|(name, json)| (name, map_texts(json, change))).collect())
        }
        other => other,
    }
}

/// What the plugin's failure is, as expectations see it.
pub(crate) fn failure(link: Option<usize>, error: &PluginError) -> Json {
    let mut json = shown::failure(&error.failure());
    json["broken"] = json!(!matches!(error, PluginError::Reported(_)));
    if let Some(link) = link {
        json["link"] = json!(link);
    }
    json
}
