//! `millstream standalone`: a worker by itself, in the order of Connect's own start and stop.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_broker::{Broker, BrokerConfig};
use millstream_client::{Dial, HostPort, TcpDial};
use millstream_config::{
    ConfigMap, ConnectorFile, InitialState, Mode, PluginDefs, WorkerConfig, config_text, worker_key,
};
use millstream_connector::Plugins;
use millstream_convert::ReadLimits;
use millstream_metrics::Metrics;
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_record::Chain;
use millstream_rest::{HealthCheck, RestConfig, RestServer, WorkerVersion};
use millstream_runtime::{
    Natives, WorkerParts, WorkerSettings,
    config_log::MemoryLog,
    error_policy::unforeseen,
    herder::{Herder, HerderError, HerderHandle, HerderSettings, TargetState},
    kafka::KafkaClients,
    offsets::FileOffsetStore,
    status::MemoryStatusStore,
};
use tracing::{error, info, warn};

use crate::{
    bootstrap::{read_file, read_properties},
    bundled::BUNDLED,
    catalogue::{Catalogue, KAFKA_VERSION, natives},
    embedded::EmbeddedDial,
    exit::{Failure, SETUP, START, USAGE},
    logging,
    signals::{Ended, Signals},
    start_checks, time_zone,
};

/// Where the built-in broker listens unless told otherwise.
const BROKER_LISTENERS: &str = "PLAINTEXT://127.0.0.1:9092";
/// Where it keeps its data unless told otherwise.
const BROKER_DATA: &str = "millstream-data";

/// The source that reads the lines of a file.
const FILE_SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

/// Runs until a signal comes, which works from the first moment.
pub async fn run(worker_file: &Path, connector_files: &[PathBuf]) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|error| Failure::of(SETUP, &error))?;
    work(&mut signals, worker_file, connector_files).await.or_else(Ended::result)
}

async fn work(signals: &mut Signals, worker_file: &Path, connector_files: &[PathBuf]) -> Result<(), Ended> {
    let properties: ConfigMap =
        read_properties(worker_file)?.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let config = WorkerConfig::parse(Mode::Standalone, &properties)
        .map_err(|error| Failure::new(SETUP, format!("{}: {error}", worker_file.display())))?;
    config.warnings().iter().for_each(|warning| warn!("{warning}"));

    let prepared = signals.during(Prepared::of(worker_file, &config)).await?;
    let kafka = signals.during(Kafka::open(&config, &prepared.metrics)).await?;
    let worker = match signals.during(Running::start(&config, prepared, &kafka)).await {
        Ok(worker) => worker,
        Err(ended) => {
            kafka.close().await;
            return Err(ended);
        }
    };
    let mut result = signals.during(create_all(&worker.herder.handle(), connector_files)).await;
    if result.is_ok() {
        worker.herder.handle().mark_ready();
        worker.print_what_runs(&kafka, connector_files.is_empty());
        let herder = worker.herder.handle();
        tokio::select! {
            signal = signals.wait() => info!("{signal}: stopping the worker"),
            reason = herder.broken() => {
                result = Err(Failure::new(USAGE, format!("the worker has broken and ends: {reason}")).into());
            }
        }
    }
    result = result.and(worker.stop().await.map_err(Ended::Failed));
    kafka.close().await;
    result
}

/// What is known before anything listens or connects.
struct Prepared {
    catalogue: Arc<Catalogue>,
    natives: Natives,
    offsets: FileOffsetStore,
    rest: RestConfig,
    metrics: Metrics,
}

impl Prepared {
    async fn of(worker_file: &Path, config: &WorkerConfig) -> Result<Self, Failure> {
        let rest = RestConfig::of(config).map_err(|error| Failure::of(SETUP, &error))?;
        // The sample has its offset file in a folder that its broker makes.
        if let Some(broker) = broker_config(config)? {
            // Durably, since the broker takes a folder that is there for one that stays.
            millstream_disk::real().create_dirs(&broker.data_dir).map_err(|error| {
                let (folder, cause) = (broker.data_dir.display(), Chain(&error));
                Failure::new(
                    SETUP,
                    format!("create the folder of the built-in broker {folder} (key broker.log.dirs): {cause}"),
                )
            })?;
        }
        let offsets = worker_key::OFFSET_FILE.get(config.config());
        let offsets = FileOffsetStore::open(&offsets).map_err(|error| Failure::of(SETUP, &error))?;
        let originals = config.config().originals();
        let metrics = Metrics::default();
        let catalogue = Arc::new(Catalogue::new(plugins(config).await?.counted_by(metrics.clone()), originals));
        // Connectors that name no converter use the worker's own, so that the start has to wait for these.
        let own = ["key.converter", "value.converter", "header.converter"];
        let own: Vec<&str> = own.iter().filter_map(|key| originals.get(*key)?.as_deref()).map(str::trim).collect();
        catalogue.await_names(&own).await;
        let definitions = catalogue.definitions();
        let natives = natives(ReadLimits::of(config.config()));
        start_checks::check(worker_file, config, &definitions, catalogue.as_ref(), &natives).await?;
        Ok(Self { catalogue, natives, offsets, rest, metrics })
    }
}

async fn plugins(config: &WorkerConfig) -> Result<WasmPlugins, Failure> {
    let folders: Vec<PathBuf> =
        worker_key::PLUGIN_PATH.get(config.config()).unwrap_or_default().into_iter().map(PathBuf::from).collect();
    let limits = PluginLimits { time_zone: time_zone::adopt(), ..PluginLimits::of(config.config()) };
    let plugins = WasmPlugins::start(limits, &folders, &BUNDLED);
    plugins.await.map_err(|error| Failure::of(SETUP, &error))
}

/// The cluster the worker uses: one that is given, or the built-in broker.
struct Kafka {
    broker: Option<Arc<Broker>>,
    dial: Arc<dyn Dial>,
    bootstrap: String,
    data: String,
}

/// What the built-in broker is to be; `None` where another cluster is used.
fn broker_config(config: &WorkerConfig) -> Result<Option<BrokerConfig>, Failure> {
    if config.bootstrap_servers().is_some() {
        return Ok(None);
    }
    let mut settings: BTreeMap<String, String> =
        config.broker_settings().into_iter().map(|(key, value)| (key, value.unwrap_or_default())).collect();
    for (key, value) in
        [("listeners", BROKER_LISTENERS), ("group.initial.rebalance.delay.ms", "0"), ("log.dirs", BROKER_DATA)]
    {
        if !(key == "log.dirs" && settings.contains_key("log.dir")) {
            settings.entry(key.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let read = BrokerConfig::from_properties(&settings).map_err(|error| {
        Failure::new(SETUP, format!("start the built-in broker (keys begin with \"broker.\"): {}", Chain(&error)))
    })?;
    Ok(Some(read))
}

impl Kafka {
    async fn open(config: &WorkerConfig, metrics: &Metrics) -> Result<Self, Failure> {
        let Some(mut broker) = broker_config(config)? else {
            let servers = config.bootstrap_servers().unwrap_or_default();
            let bootstrap = servers.join(",");
            look_up(&servers).await?;
            return Ok(Self { broker: None, dial: Arc::new(TcpDial), bootstrap, data: String::new() });
        };
        broker.metrics = metrics.clone();
        let data = broker.data_dir.display().to_string();
        let broker = Broker::start(broker).await.map_err(|error| {
            Failure::new(SETUP, format!("start the built-in broker (keys begin with \"broker.\"): {}", Chain(&error)))
        })?;
        let broker = Arc::new(broker);
        let dial = Arc::new(EmbeddedDial(Arc::downgrade(&broker)));
        // The address is only a name: every dial leads to the broker in this process.
        Ok(Self { broker: Some(broker), dial, bootstrap: "localhost:9092".to_owned(), data })
    }

    /// Stops the built-in broker after everything that used it.
    async fn close(self) {
        let Some(broker) = self.broker else { return };
        drop(self.dial);
        match Arc::try_unwrap(broker) {
            Ok(broker) => {
                if let Err(failure) = broker.shutdown().await {
                    error!("stop the built-in broker: {}", Chain(&failure));
                }
            }
            // Only a dial under way holds it besides us, for a moment; its data is safe either way.
            Err(_) => warn!("the built-in broker is still in use and ends with the process"),
        }
    }
}

/// As in Connect, a start without a host that is known ends at once.
async fn look_up(servers: &[String]) -> Result<(), Failure> {
    // What is no address is refused with the other client settings.
    let addresses: Vec<HostPort> = servers.iter().filter_map(|server| HostPort::parse(server).ok()).collect();
    TcpDial::look_up(&addresses).await.map_err(|error| {
        let hint = "check bootstrap.servers, or remove it to use the built-in broker";
        Failure::new(
            SETUP,
            format!("no host in bootstrap.servers={} is known: {}; {hint}", servers.join(","), Chain(&error)),
        )
    })
}

/// What is broken in a built-in broker; nothing once it is gone.
fn health_of(broker: &Arc<Broker>) -> HealthCheck {
    let broker = Arc::downgrade(broker);
    Arc::new(move || broker.upgrade().map(|broker| broker.health()).unwrap_or_default())
}

/// The worker after its start.
struct Running {
    rest: RestServer,
    herder: Herder,
}

impl Running {
    async fn start(config: &WorkerConfig, prepared: Prepared, kafka: &Kafka) -> Result<Self, Failure> {
        let Prepared { catalogue, natives, offsets, rest, metrics } = prepared;
        let settings = WorkerSettings::from_config(config);
        let policy = config.override_policy().clone();
        let clients = KafkaClients::new(
            Arc::clone(&kafka.dial),
            kafka.bootstrap.clone(),
            settings.properties.clone(),
            policy.clone(),
        )
        .counted_by(metrics.clone());
        clients.check_worker_settings().map_err(|error| Failure::of(SETUP, &error))?;
        if kafka.broker.is_none() {
            info!("waiting for the Kafka cluster at {}", kafka.bootstrap);
        }
        let cluster_id = clients.cluster_id().await.map_err(|failure| {
            let hint = match (&kafka.broker, kafka.bootstrap.as_str()) {
                (None, "localhost:9092" | "127.0.0.1:9092") => {
                    " Nothing answers at the address of Kafka's sample files; remove the line bootstrap.servers to \
                     use the built-in broker."
                }
                (None, _) => " Check bootstrap.servers, or remove it to use the built-in broker.",
                _ => "",
            };
            let causes = failure.causes.join(": ");
            Failure::new(SETUP, format!("{failure} (bootstrap.servers={}: {causes}){hint}", kafka.bootstrap))
        })?;
        let mut rest = RestServer::bind(rest).await.map_err(|error| Failure::of(SETUP, &error))?;
        let herder = HerderSettings {
            worker_id: rest.worker_id(),
            cluster_id,
            policy,
            levels: logging::levels(),
            definitions: {
                let catalogue = Arc::clone(&catalogue);
                Box::new(move || -> Arc<dyn PluginDefs> { catalogue.definitions() })
            },
        };
        let plugins: Arc<dyn Plugins> = catalogue;
        let parts = WorkerParts {
            plugins,
            natives,
            clients: Arc::new(clients),
            offsets: Arc::new(offsets),
            statuses: Arc::new(MemoryStatusStore::default()),
            random: Arc::new(unforeseen),
            settings,
            metrics,
        };
        let herder =
            Herder::start(parts, herder, Box::<MemoryLog>::default()).map_err(|error| Failure::of(START, &error))?;
        let version = WorkerVersion { version: KAFKA_VERSION.to_owned(), commit: env!("CARGO_PKG_VERSION").to_owned() };
        let checks = kafka.broker.iter().map(health_of).collect();
        rest.attach(Arc::new(herder.handle()), version, checks);
        Ok(Self { rest, herder })
    }

    fn print_what_runs(&self, kafka: &Kafka, without_connectors: bool) {
        let handle = self.herder.handle();
        let url = self.rest.url();
        match &kafka.broker {
            Some(broker) => {
                let listeners: Vec<String> = broker.listen_addresses().iter().map(ToString::to_string).collect();
                println!("Kafka     built-in broker on {}, data in {}", listeners.join(", "), kafka.data);
            }
            None => println!("Kafka     {}", kafka.bootstrap),
        }
        println!("REST API  {url}");
        for name in handle.connectors() {
            let Ok(status) = handle.status(&name) else { continue };
            let config = handle.connector_config(&name).unwrap_or_default();
            let of = |key: &str| config.get(key).and_then(Option::as_deref).map(config_text::text);
            let source = status.kind.name() == "source";
            let file = of("file").map(|file| format!("file {file}"));
            let topic = of("topic").or_else(|| of("topics")).map(|topic| format!("topic {topic}"));
            let ends: Vec<String> = if source { [file, topic] } else { [topic, file] }.into_iter().flatten().collect();
            let ends = if ends.is_empty() { String::new() } else { format!(": {}", ends.join(" → ")) };
            println!("{:<9} {name}{ends}", status.kind.name());
        }
        println!();
        if without_connectors {
            println!("No connector yet. See what there is:  curl {url}/connector-plugins");
        } else {
            println!("Watch them:  curl '{url}/connectors?expand=status'");
            if let Some(file) = handle.connectors().iter().find_map(|name| {
                let config = handle.connector_config(name).ok()?;
                reads_lines_of(&config)
            }) {
                println!("Try it:      echo hello >> {file}");
            }
        }
        println!("Stop:        Ctrl-C");
    }

    async fn stop(self) -> Result<(), Failure> {
        self.rest.stop().await;
        let handle = self.herder.handle();
        handle.shutdown().await.map_err(|error| Failure::of(USAGE, &error))?;
        drop(handle);
        if self.herder.ended().await { Ok(()) } else { Err(Failure::new(USAGE, "the worker's main loop broke")) }
    }
}

/// The file from which a connector makes a record of each line that is appended, as a shell takes it.
fn reads_lines_of(config: &ConfigMap) -> Option<String> {
    let of = |key: &str| config.get(key).and_then(Option::as_deref).map(str::trim);
    let class = of("connector.class")?;
    let is_file_source =
        FILE_SOURCE == class || FILE_SOURCE.rsplit('.').next() == Some(class) || class == "FileStreamSource";
    let file = of("file").filter(|file| is_file_source && !file.is_empty())?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c);
    Some(if file.chars().all(is_plain) { file.to_owned() } else { format!("'{}'", file.replace('\'', r"'\''")) })
}

/// Creates the connectors of the command line: in their order, but those whose plugins are still being compiled after
/// all others.
async fn create_all(herder: &HerderHandle, paths: &[PathBuf]) -> Result<(), Failure> {
    let mut waiting = Vec::new();
    for path in paths {
        let bytes = read_file(path).map_err(|failure| Failure::new(START, failure.message))?;
        let file = ConnectorFile::parse(&path.display().to_string(), &bytes);
        let file = file.map_err(|error| Failure::of(START, &error))?;
        let compiling = herder.awaited_plugins(&file.config);
        if compiling.is_empty() {
            create(herder, path, file).await?;
        } else {
            info!("connector {} waits for plugins that are being compiled: {}", file.name, compiling.join(", "));
            waiting.push((path, file));
        }
    }
    for (path, file) in waiting {
        herder.await_plugins(&file.config).await;
        create(herder, path, file).await?;
    }
    Ok(())
}

async fn create(herder: &HerderHandle, path: &Path, file: ConnectorFile) -> Result<(), Failure> {
    let initial = match file.initial_state {
        None | Some(InitialState::Running) => TargetState::Started,
        Some(InitialState::Paused) => TargetState::Paused,
        Some(InitialState::Stopped) => TargetState::Stopped,
    };
    let name = file.name.clone();
    let failed = |error: HerderError| format!("create connector {name} of {}: {}", path.display(), Chain(&error));
    let created = herder.put_config(&name, file.config, initial, false).await;
    created.map_err(|error| Failure::new(START, failed(error)))?;
    info!("connector {name} created");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_is_read_line_by_line_is_offered_to_try() {
        let offered = |class: &str, file: &str| {
            reads_lines_of(&ConfigMap::from([
                ("connector.class".to_owned(), Some(class.to_owned())),
                ("file".to_owned(), Some(file.to_owned())),
            ]))
        };
        for class in [FILE_SOURCE, "FileStreamSourceConnector", "FileStreamSource"] {
            assert_eq!(offered(class, "in/a.txt").as_deref(), Some("in/a.txt"));
        }
        assert_eq!(offered("FileStreamSource", "it's here").as_deref(), Some(r"'it'\''s here'"));
        assert_eq!(offered("FileStreamSource", ""), None);
        assert_eq!(offered("org.example.PictureSource", "a.png"), None);
        assert_eq!(offered("FileStreamSink", "a.txt"), None);
    }
}
