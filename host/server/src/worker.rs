//! A worker of either mode: what is prepared before it listens, what it is made of, and its end. In the order of Connect's
//! own start and stop.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use millstream_config::{
    ConfigMap, Mode, PluginDefs, WorkerConfig,
    secrets::{self, Kept},
    worker_key,
};
use millstream_connector::Plugins;
use millstream_convert::ReadLimits;
use millstream_metrics::{AppInfo, Labels, Metrics};
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_record::ErrorChain;
use millstream_rest::{ConnectorLogs, ConnectorProgress, RestConfig, RestServer, WorkerVersion};
use millstream_runtime::{
    Natives, WorkerParts, WorkerSettings,
    config_log::ConfigLog,
    error_policy::unforeseen,
    herder::{GroupRules, Herder, HerderHandle, HerderSettings, Peers},
    kafka::KafkaClients,
    leases::LeaseKeeper,
    membership::{GroupSession, Membership},
    offsets::{OffsetStore, OffsetTopics},
    status::StatusStore,
};
use tracing::{info, warn};

use crate::{
    bootstrap::read_properties,
    bundled::BUNDLED,
    catalogue::{Catalogue, KAFKA_VERSION, natives},
    cluster::{Kafka, broker_config, health_of},
    exit::{Failure, SETUP, START, USAGE},
    logging::{self, Attendance},
    otlp::{OtlpSettings, Pushing},
    signals::{Ended, Signals},
    start_checks, time_zone,
    watching::Watching,
};

/// Time that requests have to be answered before connectors are stopped, and once more after that.
const REQUEST_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// Reads a worker's file, and says what the user should know about it.
pub fn read(worker_file: &Path, mode: Mode) -> Result<WorkerConfig, Failure> {
    let properties: ConfigMap =
        read_properties(worker_file)?.into_iter().map(|(key, value)| (key, Some(value))).collect();
    let config = WorkerConfig::parse(mode, &properties)
        .map_err(|error| Failure::new(SETUP, format!("{}: {error}", worker_file.display())))?;
    config.warnings().iter().for_each(|warning| warn!("{warning}"));
    Ok(config)
}

/// Makes the folder of the built-in broker, if that is used: the samples have further files in it.
pub fn make_broker_folder(config: &WorkerConfig) -> Result<(), Failure> {
    let Some(broker) = broker_config(config)? else { return Ok(()) };
    // Durably, since the broker takes a folder that is there for one that stays.
    millstream_disk::real().create_dirs(&broker.data_dir).map_err(|error| {
        let (folder, cause) = (broker.data_dir.display(), ErrorChain(&error));
        Failure::new(SETUP, format!("create the folder of the built-in broker {folder} (key broker.log.dirs): {cause}"))
    })
}

/// What is known before anything listens or connects.
pub struct Prepared {
    catalogue: Arc<Catalogue>,
    natives: Natives,
    rest: RestConfig,
    otlp: Option<OtlpSettings>,
    log: Attendance,
    secrets: Kept,
    /// Counts what happens, in the broker too.
    pub metrics: Metrics,
}

impl Prepared {
    /// Reads what the plugins and the API have to be told, and checks it.
    pub async fn of(worker_file: &Path, config: &WorkerConfig) -> Result<Self, Failure> {
        let log = Attendance::of(config)?;
        let secrets = secrets::keep_of_worker(&config.secrets());
        let rest = RestConfig::of(config).map_err(|error| Failure::of(SETUP, &error))?;
        let otlp = OtlpSettings::of(config).map_err(|error| Failure::of(SETUP, &error))?;
        let originals = config.config().originals();
        let metrics = Metrics::default();
        let catalogue = Arc::new(Catalogue::new(plugins(config).await?.counted_by(metrics.clone()), originals));
        // Connectors that name no converter use the worker's own, so that the start has to wait for these.
        let own = ["key.converter", "value.converter", "header.converter"];
        let own: Vec<&str> = own.iter().filter_map(|key| originals.get(*key)?.as_deref()).map(str::trim).collect();
        catalogue.await_names(&own).await;
        let definitions = catalogue.definitions();
        let natives = natives(&catalogue, ReadLimits::of(config.config()));
        start_checks::check(worker_file, config, &definitions, catalogue.as_ref(), &natives).await?;
        Ok(Self { catalogue, natives, rest, otlp, log, secrets, metrics })
    }
}

async fn plugins(config: &WorkerConfig) -> Result<WasmPlugins, Failure> {
    let folders: Vec<PathBuf> =
        worker_key::PLUGIN_PATH.get(config.config()).unwrap_or_default().into_iter().map(PathBuf::from).collect();
    let limits = PluginLimits::of(config.config()).map_err(|error| Failure::of(SETUP, &error))?;
    let limits = PluginLimits { time_zone: time_zone::adopt(), ..limits };
    let plugins = WasmPlugins::start(limits, &folders, BUNDLED);
    let plugins = plugins.await.map_err(|error| Failure::of(SETUP, &error))?;
    let interval = worker_key::PLUGIN_RELOAD_INTERVAL.get(config.config());
    Ok(if interval.is_zero() { plugins } else { plugins.reloading_every(interval) })
}

/// A worker that is connected and listens, and answers nobody yet.
pub struct Bound {
    prepared: Parts,
    settings: WorkerSettings,
    clients: KafkaClients,
    cluster_id: String,
    rest: RestServer,
}

/// What is left of [`Prepared`].
struct Parts {
    catalogue: Arc<Catalogue>,
    natives: Natives,
    otlp: Option<OtlpSettings>,
    log: Attendance,
    secrets: Kept,
    metrics: Metrics,
}

/// Where a worker keeps what users and tasks change, and with whom it shares that.
pub struct State {
    /// Source offsets.
    pub offsets: Arc<dyn OffsetStore>,
    /// Those of connectors that keep theirs apart; `None` where they cannot.
    pub offset_topics: Option<Arc<dyn OffsetTopics>>,
    /// Leases of connectors.
    pub leases: Arc<LeaseKeeper>,
    /// Statuses of connectors and tasks.
    pub statuses: Arc<dyn StatusStore>,
    /// What users and connectors change.
    pub log: Box<dyn ConfigLog>,
    /// Its place among others.
    pub membership: Box<dyn Membership>,
    /// Set in a group.
    pub group: Option<GroupRules>,
}

impl Bound {
    /// Looks for the cluster and takes the listeners.
    pub async fn of(config: &WorkerConfig, prepared: Prepared, kafka: &Kafka) -> Result<Self, Failure> {
        let Prepared { catalogue, natives, rest, otlp, log, secrets, metrics } = prepared;
        let settings = WorkerSettings::from_config(config);
        let policy = config.override_policy().clone();
        let clients =
            KafkaClients::new(Arc::clone(&kafka.dial), kafka.bootstrap.clone(), settings.properties.clone(), policy)
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
        let rest = RestServer::bind(rest).await.map_err(|error| Failure::of(SETUP, &error))?;
        let prepared = Parts { catalogue, natives, otlp, log, secrets, metrics };
        Ok(Self { prepared, settings, clients, cluster_id, rest })
    }

    /// `host:port` under which the worker is known.
    pub fn worker_id(&self) -> String {
        self.rest.worker_id()
    }

    /// Where others reach its API.
    pub fn url(&self) -> String {
        self.rest.url()
    }

    /// The way to other workers.
    pub fn peers(&self) -> Arc<dyn Peers> {
        self.rest.peers()
    }

    /// The worker is a member of this group, and its tasks may run on other members one day.
    pub fn in_group(mut self, group_id: &str, session: GroupSession) -> Self {
        self.clients = self.clients.in_group(&self.cluster_id, group_id, session);
        self
    }

    /// Starts the worker and its API.
    pub fn start(self, config: &WorkerConfig, kafka: &Kafka, state: State) -> Result<Running, Failure> {
        let Self { prepared, settings, clients, cluster_id, mut rest } = self;
        let Parts { catalogue, natives, otlp, log: attendance, secrets, metrics } = prepared;
        let State { offsets, offset_topics, leases, statuses, log, membership, group } = state;
        let info = metrics.group::<AppInfo>(Labels::none().and("id", rest.worker_id()));
        info.version.set(KAFKA_VERSION);
        info.commit.set(env!("CARGO_PKG_VERSION"));
        info.started.set(SystemTime::now());
        let watching = Watching::start(&metrics, config);
        rest.show_metrics(watching.page());
        rest.show_logs(ConnectorLogs { worker_id: rest.worker_id(), read: Arc::new(logging::lines_about) });
        let read = crate::watching::progress(metrics.clone());
        rest.show_progress(ConnectorProgress { worker_id: rest.worker_id(), read: Arc::new(read) });
        let pushing = otlp.map(|settings| Pushing::start(settings, &rest.worker_id(), watching.show()));
        let herder = HerderSettings {
            worker_id: rest.worker_id(),
            cluster_id,
            policy: config.override_policy().clone(),
            levels: logging::levels(),
            definitions: {
                let catalogue = Arc::clone(&catalogue);
                Box::new(move || -> Arc<dyn PluginDefs> { catalogue.definitions() })
            },
            gone: Box::new(logging::forget),
            group,
        };
        let plugins: Arc<dyn Plugins> = catalogue;
        let parts = WorkerParts {
            plugins,
            natives,
            clients: Arc::new(clients),
            offsets,
            offset_topics,
            leases: Some(leases),
            statuses,
            random: Arc::new(unforeseen),
            settings,
            metrics,
        };
        let herder = Herder::start(parts, herder, log, membership).map_err(|error| Failure::of(START, &error))?;
        let version = WorkerVersion { version: KAFKA_VERSION.to_owned(), commit: env!("CARGO_PKG_VERSION").to_owned() };
        let checks = kafka.broker.iter().map(health_of).collect();
        rest.attach(Arc::new(herder.handle()), version, checks);
        Ok(Running {
            rest,
            herder,
            _watching: watching,
            _pushing: pushing,
            _info: info,
            _log: attendance,
            _secrets: secrets,
        })
    }
}

/// The worker after its start.
pub struct Running {
    rest: RestServer,
    herder: Herder,
    /// Shown as long as the worker runs.
    _watching: Watching,
    _pushing: Option<Pushing>,
    _info: Arc<AppInfo>,
    _log: Attendance,
    /// Hidden until all connectors have ended.
    _secrets: Kept,
}

impl Running {
    /// What can be asked of it.
    pub fn handle(&self) -> HerderHandle {
        self.herder.handle()
    }

    /// Says which cluster it uses and where its API is.
    pub fn print_addresses(&self, kafka: &Kafka) {
        match &kafka.broker {
            Some(broker) => {
                let listeners: Vec<String> = broker.listen_addresses().iter().map(ToString::to_string).collect();
                println!("Kafka     built-in broker on {}, data in {}", listeners.join(", "), kafka.data);
            }
            None => println!("Kafka     {}", kafka.bootstrap),
        }
        println!("REST API  {}", self.rest.url());
    }

    /// Where its API is reached.
    pub fn url(&self) -> String {
        self.rest.url()
    }

    /// Runs until a signal comes or the worker breaks.
    pub async fn run(&self, signals: &mut Signals) -> Result<(), Ended> {
        let herder = self.herder.handle();
        tokio::select! {
            signal = signals.wait() => {
                info!("{signal}: stopping the worker");
                Ok(())
            }
            reason = herder.broken() => {
                Err(Failure::new(USAGE, format!("the worker has broken and ends: {reason}")).into())
            }
        }
    }

    /// Stops it: the API first, then connectors and tasks.
    pub async fn stop(self) -> Result<(), Failure> {
        let handle = self.herder.handle();
        let mut api = std::pin::pin!(self.rest.stop());
        // Requests may wait for a plugin that hangs, and that only a stop ends.
        let served = tokio::time::timeout(REQUEST_GRACE, &mut api).await.is_ok();
        handle.shutdown().await.map_err(|error| Failure::of(USAGE, &error))?;
        if !served && tokio::time::timeout(REQUEST_GRACE, api).await.is_err() {
            tracing::warn!("requests to the REST API were still running after everything had stopped and were ended");
        }
        drop(handle);
        if self.herder.ended().await { Ok(()) } else { Err(Failure::new(USAGE, "the worker's main loop broke")) }
    }
}
