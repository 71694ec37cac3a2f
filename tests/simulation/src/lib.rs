//! Fakes for every trait of the runtime, and two worlds of them: one that does what a test [tells it](scripted), and one
//! whose [seed](plan) decides, in which whole workers and people who use them live through trouble.
//!
//! Nothing here touches a file, a socket or a thread, and time is paused, so that a minute of trouble takes
//! milliseconds and a seed replays to the last event. A run has [trouble](plan::Fault) for a while, then a calm in
//! which everything must come to its end; the [history](history::History) checks the invariants all along.
//!
//! To add a part of the world: a file with its fake, whose faults stand in [`plan`], and what must hold in [`history`].
//! Several workers are processes that take turns in [lock-step](lockstep), members of one [group](fakes::group): what befalls
//! them a [plan of a group](group_plan) says, and `tests/herders` drives them. A producer of transactions keeps apart what is written until it [commits](transactions).

#![forbid(unsafe_code)]

mod config_log;
pub mod fakes;
pub mod group_plan;
pub mod history;
pub mod kafka;
pub mod lockstep;
pub mod offsets;
pub mod plan;
pub mod plugins;
pub mod reach;
pub mod scripted;
mod topics;
mod transactions;
pub mod users;
mod world;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use millstream_config::{ConfigDef, ConfigKey, ConfigMap, ConfigType, PluginKind};
use millstream_connector::{ConverterRole, HeaderConverter};
use millstream_runtime::{
    ExactlyOnceSource, Natives,
    config_log::ConfigLog,
    herder::{ConnectorStatus, Herder, HerderError, HerderHandle, RestartRequest, State as Status, TargetState},
    membership::Solo,
    status::StatusStore,
};
use tokio::time::Instant;

pub use world::World;

use crate::{
    fakes::{Fakes, HEADER_CONVERTER, class, text::Text},
    history::{ANSWER, SETTLING},
    plan::Plan,
    plugins::{CONVERTER, HEADER_PLUGIN, SINK, SOURCE, TOLD_SOURCE, TRANSFORM, Troubled},
    users::config_of,
};

/// Class of the converter that the letters of sources are written with.
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

impl World {
    /// A worker in this world.
    async fn worker(&self) -> Herder {
        self.fakes(self.stores().await).start("simulated:8083")
    }

    /// What a worker in this world is made of, in no group so far.
    pub fn fakes(&self, (log, statuses): (Box<dyn ConfigLog>, Arc<dyn StatusStore>)) -> Fakes {
        let (one, two, three) = (self.clone(), self.clone(), self.clone());
        let text = |world: &Self, config: &ConfigMap, role| {
            let connector = config.get("connector").cloned().flatten().unwrap_or_default();
            Text { class: CONVERTER, faults: Troubled { world: world.clone(), connector, role } }
        };
        let keys = || ConfigDef::of([ConfigKey::new("connector", ConfigType::String).default_text("")]);
        let none = ConfigDef::default;
        Fakes {
            plugins: Arc::new(self.clone()),
            natives: Natives {
                converter: Arc::new(move |class, role, config| {
                    Some(Ok(match class.name == JSON {
                        true => Box::new(Text { class: JSON, faults: () }),
                        false => Box::new(text(&one, config, role)),
                    }))
                }),
                header: Arc::new(move |class, config| {
                    let of_letters = || Box::new(Text { class: JSON, faults: () }) as Box<dyn HeaderConverter>;
                    let own = || Box::new(text(&two, config, ConverterRole::Header)) as Box<dyn HeaderConverter>;
                    (class.name != HEADER_PLUGIN).then(|| Ok(if class.name == JSON { of_letters() } else { own() }))
                }),
            },
            clients: Arc::new(self.clone()),
            offsets: Arc::new(self.clone()),
            offset_topics: Some(Arc::new(self.clone())),
            exactly_once: match self.state().plan.exactly_once {
                true => ExactlyOnceSource::Enabled("group".to_owned()),
                false => ExactlyOnceSource::Disabled("group".to_owned()),
            },
            statuses,
            log,
            group: None,
            membership: Box::<Solo>::default(),
            random: Arc::new(move || three.state().rng.below(1000) as f64 / 1000.0),
            converter: CONVERTER,
            classes: vec![
                class(PluginKind::Sink, SINK, none()),
                class(PluginKind::Source, SOURCE, none()),
                class(PluginKind::Source, TOLD_SOURCE, none()),
                class(PluginKind::Transform, TRANSFORM, none()),
                class(PluginKind::Converter, CONVERTER, keys()),
                class(PluginKind::HeaderConverter, CONVERTER, keys()),
                class(PluginKind::HeaderConverter, HEADER_PLUGIN, keys()),
                class(PluginKind::HeaderConverter, HEADER_CONVERTER, none()),
            ],
            metrics: Default::default(),
        }
    }

    /// What is not at its end yet.
    pub fn unsettled(&self) -> Vec<String> {
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
        let log = self.state().log.clone();
        let topics = self.state().topics.clone();
        topics.away(false);
        log.catch_up();
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
        let _ = self.answered("health in the calm", handle.health()).await;
        let running = |state| matches!(state, Status::Running);
        let all_run = |status: &Result<ConnectorStatus, HerderError>| {
            status.as_ref().is_ok_and(|status| {
                running(status.connector.state) && status.tasks.iter().all(|(_, task)| running(task.state))
            })
        };
        // Resuming is answered before it is done, and what is written to a topic is read a moment later. A round of fencing
        // that was begun in the trouble, for tasks that are no more, has its 90 seconds, and the next one waits for it.
        let until = Instant::now() + Duration::from_secs(120);
        for connector in &plan.connectors {
            let mut status = handle.status(&connector.name);
            while !all_run(&status) && Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(50)).await;
                status = handle.status(&connector.name);
            }
            if !all_run(&status) {
                self.state().history.violated(format!("settled, but not running: {status:?}"));
            }
        }
    }
}

/// Lives through a plan, with its time paused; whatever is broken is in the world's history.
pub async fn live(plan: Plan) -> World {
    let world = World::new(plan);
    let herder = world.worker().await;
    let weather = tokio::spawn(world.clone().weather());
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
    weather.abort();
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
    world.judge();
    world
}

impl World {
    /// Looks, when all is over, for what is missing or there too often.
    pub fn judge(&self) {
        let mut state = self.state();
        // They hold the world itself.
        state.handle = None;
        state.contexts.clear();
        let written: BTreeSet<String> =
            state.cluster.written.values().flat_map(|topic| topic.values()).flatten().cloned().collect();
        if state.plan.exactly_once {
            let mut seen = BTreeSet::new();
            // Letters of sinks may come twice.
            let of_sources = state.cluster.written.iter().filter(|(topic, _)| topic.starts_with("out-"));
            let all = of_sources.flat_map(|(_, topic)| topic.values()).flatten();
            let doubled: Vec<String> = all.filter(|record| !seen.insert(*record)).cloned().collect();
            if !doubled.is_empty() {
                state.history.violated(format!("written more than once: {}", doubled.join(" ")));
            }
        }
        // Of several workers one may abort what another one has done meanwhile.
        let seen = if state.plan.group.is_none() { state.history.seen_in_spite(&written) } else { Vec::new() };
        if !seen.is_empty() {
            state.history.violated(format!("aborted, and seen: {}", seen.join(" ")));
        }
        let missing = state.history.unfinished(&written);
        if !missing.is_empty() {
            state.history.violated(format!("nowhere to be found: {}", missing.join(" ")));
        }
    }
}
