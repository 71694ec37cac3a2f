//! Whole workers in a simulated world: every fake that the runtime needs, and people who use it.
//!
//! Nothing here touches a file, a socket or a thread, and time is paused, so that a minute of trouble takes
//! milliseconds and a seed replays to the last event. A run has [trouble](plan::Fault) for a while, then a calm in
//! which everything must come to its end; the [history](history::History) checks the invariants all along.
//!
//! To add a part of the world: a file with its fake, whose faults stand in [`plan`], and what must hold in [`history`].

#![forbid(unsafe_code)]

pub mod history;
pub mod kafka;
pub mod offsets;
pub mod plan;
pub mod plugins;
pub mod users;
mod world;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use millstream_config::{
    ConfigDef, ConfigKey, ConfigMap, ConfigType, OverridePolicy, PluginDef, PluginDefs, PluginDirectory, PluginKind,
};
use millstream_connector::ConverterRole;
use millstream_runtime::{
    Natives, WorkerParts, WorkerSettings,
    herder::{Herder, HerderHandle, HerderSettings, RestartRequest, State as Status, TargetState},
};
use tokio::time::Instant;

pub use world::World;

use crate::{
    history::{ANSWER, SETTLING},
    plan::Plan,
    plugins::{CONVERTER, SINK, SOURCE, TOLD_SOURCE, TRANSFORM, Text},
    users::config_of,
};

impl World {
    /// A worker in this world.
    fn worker(&self) -> Herder {
        let properties = ConfigMap::from(
            ["key.converter", "value.converter"].map(|key| (key.to_owned(), Some(CONVERTER.to_owned()))),
        );
        let settings = WorkerSettings {
            properties: properties.clone(),
            flush_interval: Duration::from_secs(2),
            flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
        };
        let (one, two) = (self.clone(), self.clone());
        let natives = Natives {
            converter: Arc::new(move |_, role, config| {
                let connector = config.get("connector").cloned().flatten().unwrap_or_default();
                Some(Ok(Box::new(Text { world: one.clone(), connector, role })))
            }),
            header: Arc::new(move |_, _| {
                let text = Text { world: two.clone(), connector: String::new(), role: ConverterRole::Header };
                Some(Ok(Box::new(text)))
            }),
        };
        let parts = WorkerParts {
            plugins: Arc::new(self.clone()),
            natives,
            clients: Arc::new(self.clone()),
            offsets: Arc::new(self.clone()),
            settings,
        };
        let kinds = [
            (PluginKind::Sink, SINK),
            (PluginKind::Source, SOURCE),
            (PluginKind::Source, TOLD_SOURCE),
            (PluginKind::Transform, TRANSFORM),
            (PluginKind::Converter, CONVERTER),
            (PluginKind::HeaderConverter, "org.apache.kafka.connect.storage.SimpleHeaderConverter"),
        ];
        let def = |(kind, class): (PluginKind, &str)| PluginDef {
            kind,
            class: class.to_owned(),
            aliases: Vec::new(),
            version: None,
            documentation: String::new(),
            config: match class {
                CONVERTER => ConfigDef::of([ConfigKey::new("connector", ConfigType::String).default_text("")]),
                _ => ConfigDef::default(),
            },
        };
        let definitions: Arc<dyn PluginDefs> =
            Arc::new(PluginDirectory::new(kinds.map(def), |_, _| Ok(true)).with_worker(properties));
        let settings = HerderSettings {
            worker_id: "simulated:8083".to_owned(),
            cluster_id: "simulated".to_owned(),
            policy: OverridePolicy::All,
            definitions: Box::new(move || Arc::clone(&definitions)),
        };
        Herder::start(parts, settings).expect("a runtime")
    }

    /// What is not at its end yet.
    fn unsettled(&self) -> Vec<String> {
        let plan = Arc::clone(&self.state().plan);
        let mut unsettled = Vec::new();
        for connector in &plan.connectors {
            for partition in 0..connector.partitions {
                let (name, at, end) = if connector.sink {
                    let end = kafka::offset_of(connector.records - 1) + 1;
                    let at = self.state().cluster.committed(&connector.name, partition);
                    (format!("{}-{partition}", kafka::input_of(&connector.name)), at, end)
                } else {
                    let name = format!("{}/{partition}", connector.name);
                    let at = self.stored(&connector.name, &name);
                    (name, at, connector.records)
                };
                if at != end {
                    unsettled.push(format!("{name} is at {at} of {end}"));
                }
            }
        }
        unsettled
    }

    /// With no more trouble everything comes to its end; whoever has failed is restarted.
    async fn settle(&self, handle: &HerderHandle) {
        let plan = Arc::clone(&self.state().plan);
        self.state().calm = true;
        self.state().history.note("calm");
        for connector in &plan.connectors {
            let name = &connector.name;
            self.look(handle, name);
            self.state().history.asked(name);
            let put = handle.put_config(name, config_of(connector, connector.tasks), TargetState::Started, true);
            let put = self.answered("put in the calm", put).await;
            let stopped = self.answered("stop in the calm", handle.stop(name)).await;
            self.state().history.stopped(name);
            self.state().history.asked(name);
            let resumed = self.answered("resume in the calm", handle.resume(name)).await;
            for result in [put.map(|put| put.map(drop)), stopped, resumed] {
                if let Some(Err(error)) = result {
                    self.state().history.violated(format!("{name} cannot be changed in the calm: {error}"));
                }
            }
        }
        let until = Instant::now() + SETTLING;
        while !self.unsettled().is_empty() {
            if until <= Instant::now() {
                let left = self.unsettled().join(", ");
                let states: Vec<String> =
                    plan.connectors.iter().map(|c| format!("{:?}", handle.status(&c.name))).collect();
                return self.state().history.violated(format!("never settles: {left}; {}", states.join("; ")));
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
            for connector in &plan.connectors {
                self.look(handle, &connector.name);
                let request = RestartRequest { include_tasks: true, only_failed: true };
                drop(self.answered("restart in the calm", handle.restart(&connector.name, request)).await);
            }
        }
        // Resuming is answered before it is done.
        let _ = self.answered("health in the calm", handle.health()).await;
        for connector in &plan.connectors {
            let status = handle.status(&connector.name);
            let running = |state| matches!(state, Status::Running);
            if !status.as_ref().is_ok_and(|status| {
                running(status.connector.state) && status.tasks.iter().all(|(_, task)| running(task.state))
            }) {
                self.state().history.violated(format!("settled, but not running: {status:?}"));
            }
        }
    }
}

/// Lives through a plan, with its time paused; whatever is broken is in the world's history.
pub async fn live(plan: Plan) -> World {
    let world = World::new(plan);
    let herder = world.worker();
    let handle = herder.handle();
    world.state().handle = Some(handle.clone());
    let plan = Arc::clone(&world.state().plan);
    for connector in &plan.connectors {
        let config = config_of(connector, connector.tasks);
        let put = handle.put_config(&connector.name, config, TargetState::Started, false);
        // It may fail, and is there nevertheless or is put again later.
        drop(world.answered("the first configuration", put).await);
    }
    handle.mark_ready();
    let users: Vec<_> = (0..3).map(|_| tokio::spawn(world.clone().user(handle.clone()))).collect();
    for user in users {
        if let Err(error) = user.await {
            world.state().history.violated(format!("a user broke: {error}"));
        }
    }
    world.settle(&handle).await;
    let shutdown = world.answered("shutdown", handle.shutdown()).await;
    world.state().history.nothing_lives(None);
    if shutdown != Some(Ok(())) {
        world.state().history.violated(format!("the worker does not shut down: {shutdown:?}"));
    }
    let ended = tokio::time::timeout(ANSWER, herder.ended()).await;
    if ended != Ok(true) {
        world.state().history.violated(format!("the herder does not end: {ended:?}"));
    }
    let mut state = world.state();
    // It holds the world itself.
    state.handle = None;
    state.contexts.clear();
    let written: BTreeSet<String> =
        state.cluster.written.values().flat_map(|topic| topic.values()).flatten().cloned().collect();
    let missing = state.history.unfinished(&written);
    if !missing.is_empty() {
        state.history.violated(format!("nowhere to be found: {}", missing.join(" ")));
    }
    drop(state);
    world
}
