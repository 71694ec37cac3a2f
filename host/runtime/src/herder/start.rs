//! Starting a herder: its loop as a task of its own, and the handle by which others use it.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use futures::FutureExt as _;
use millstream_config::{ClientRules, OverridePolicy, worker_key};
use millstream_metrics::Labels;
use tokio::{
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
};

use super::{
    event::Reconfigurations,
    fencing::AskHerder,
    group::GroupRules,
    handle::{DefinitionsNow, HerderHandle, Shared, TellGone},
    place::Place,
    rebalances::Rebalances,
    run::Loop,
};
use crate::{
    config_log::ConfigLog,
    exactly_once::Generations,
    leases::Claims,
    loads::BusyTimes,
    log_levels::LogLevels,
    membership::Membership,
    status::StatusBoard,
    worker::{Worker, WorkerParts, WorkerSettings, panic_text},
};

/// Requests that may wait for the loop; further ones wait before it.
const MAX_REQUESTS: usize = 64;

/// What a herder needs to know.
pub struct HerderSettings {
    /// `host:port` under which the worker is known.
    pub worker_id: String,
    /// Id of the Kafka cluster.
    pub cluster_id: String,
    /// Which client settings connectors may override.
    pub policy: OverridePolicy,
    /// Levels of the worker's loggers.
    pub levels: Arc<dyn LogLevels>,
    /// Definitions of all plugins that are known when it is asked, for validation.
    pub definitions: Box<DefinitionsNow>,
    /// Hears of connectors that are there no more, for what is kept of them elsewhere.
    pub gone: Box<TellGone>,
    /// Set for a worker in a group: it answers when a change has been written, not when it is carried out, and is ready
    /// as soon as it belongs to its group.
    pub group: Option<GroupRules>,
}

/// Why a herder could not be started.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum StartHerderError {
    /// It was asked for outside a tokio runtime.
    #[error("start the herder outside a tokio runtime")]
    NoRuntime {
        #[from]
        source: tokio::runtime::TryCurrentError,
    },
}

/// A running herder. End it with [`HerderHandle::shutdown`], then await [`Herder::ended`].
pub struct Herder {
    handle: HerderHandle,
    task: JoinHandle<bool>,
}

impl Herder {
    /// Starts a herder on the current tokio runtime. It follows a log, whoever else writes to it, and
    /// runs what its membership lets it.
    ///
    /// # Errors
    ///
    /// There is no tokio runtime.
    pub fn start(
        parts: WorkerParts,
        settings: HerderSettings,
        log: Box<dyn ConfigLog>,
        membership: Box<dyn Membership>,
    ) -> Result<Self, StartHerderError> {
        let runtime = tokio::runtime::Handle::try_current()?;
        let WorkerSettings { track_topics, allow_topic_reset, .. } = parts.settings;
        let statuses = StatusBoard::new(&settings.worker_id, Arc::clone(&parts.statuses)).tracking_topics(track_topics);
        let reconfigurations = Arc::new(Reconfigurations::default());
        let shared = Arc::new(Shared {
            view: Mutex::default(),
            statuses: statuses.clone(),
            plugins: Arc::clone(&parts.plugins),
            natives: parts.natives.clone(),
            clients: Arc::clone(&parts.clients),
            definitions: settings.definitions,
            rules: ClientRules {
                policy: settings.policy,
                group: settings
                    .group
                    .as_ref()
                    .and_then(|_| parts.settings.properties.get(worker_key::GROUP_ID.name()).cloned().flatten()),
                exactly_once: parts.settings.exactly_once.is_enabled(),
            },
            levels: settings.levels,
            providers: Arc::clone(&parts.settings.providers),
            cluster_id: settings.cluster_id,
            offsets: Arc::clone(&parts.offsets),
            offset_topics: parts.offset_topics.clone(),
            exactly_once: parts.settings.exactly_once.clone(),
            track_topics,
            allow_topic_reset,
            ready: AtomicBool::new(false),
            informed: AtomicBool::new(false),
            place: Mutex::new(Place::new(settings.group.is_none())),
            moved: Notify::new(),
            peers: settings.group.as_ref().map(|rules| Arc::clone(&rules.peers)),
            doing: Mutex::new(None),
            broken: watch::Sender::new(None),
            gone: settings.gone,
            leases: parts.leases.clone(),
        });
        let (events, mut requests) = mpsc::channel(MAX_REQUESTS);
        let asked = Arc::clone(&reconfigurations);
        let rebalances = Rebalances::new(settings.group.is_some().then(|| parts.metrics.group(Labels::none())));
        let reconfigure: Arc<dyn Fn(&str) + Send + Sync> = Arc::new(move |name: &str| asked.request(name));
        let shutdown_timeout = parts.settings.shutdown_timeout;
        // What the workers of all connectors add up is there as long as the loop is.
        let sums: Arc<millstream_metrics::Worker> = parts.metrics.group(Labels::none());
        let random = Arc::clone(&parts.random);
        let asks = Arc::new(AskHerder { events: events.downgrade(), shared: Arc::clone(&shared), random });
        let (session, busy) = (membership.session(), BusyTimes::default());
        statuses.write_within(session.clone());
        let measured = busy.clone();
        let asked_by_users = Arc::clone(&asks);
        let workers = Box::new(move || {
            let _ = &sums;
            let (generations, claims) =
                (Arc::clone(&asks) as Arc<dyn Generations>, Arc::clone(&asks) as Arc<dyn Claims>);
            let (asks, group) = ((generations, claims), (session.clone(), busy.clone()));
            Worker::new(parts.clone(), statuses.clone(), Arc::clone(&reconfigure), asks, group)
        });
        let looped = Loop::new(
            Arc::clone(&shared),
            (workers, shutdown_timeout),
            log,
            membership,
            settings.group,
            (rebalances, measured),
            reconfigurations,
        );
        let ending = Arc::clone(&shared);
        let task = runtime.spawn(async move {
            let ended = AssertUnwindSafe(looped.run(&mut requests)).catch_unwind().await;
            if let Err(panic) = &ended {
                let reason = format!("its main loop panicked: {}", panic_text(panic.as_ref()));
                tracing::error!("the worker has broken and must be started again: {reason}");
                // Known before the queue closes, so that whoever asks hears of it.
                ending.broken.send_replace(Some(reason));
            }
            ended.is_ok()
        });
        Ok(Self { handle: HerderHandle { shared, events, asks: asked_by_users }, task })
    }

    /// What callers use.
    pub fn handle(&self) -> HerderHandle {
        self.handle.clone()
    }

    /// Returns when the herder has been shut down; `false` if it broke.
    pub async fn ended(self) -> bool {
        self.task.await.unwrap_or(false)
    }
}
