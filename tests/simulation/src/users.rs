//! People who ask for this and that at the same time, and sometimes go away before they are answered.

use std::{future::Future, time::Duration};

use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure};
use millstream_runtime::herder::{HerderError, HerderHandle, RestartRequest, State as Status, TargetState};
use tokio::time::Instant;

use crate::{
    World,
    history::ANSWER,
    plan::ConnectorPlan,
    plugins::{CONVERTER, HEADER_PLUGIN, SINK, SOURCE, TOLD_SOURCE, TRANSFORM},
};

/// The configuration of a connector.
pub fn config_of(plan: &ConnectorPlan, tasks: u64) -> ConfigMap {
    let class = match (plan.sink, plan.commit_records) {
        (true, _) => SINK,
        (false, true) => TOLD_SOURCE,
        (false, false) => SOURCE,
    };
    let mut config = ConfigMap::new();
    let mut set = |key: &str, value: &str| config.insert(key.to_owned(), Some(value.to_owned()));
    set("name", &plan.name);
    set("connector.class", class);
    set("tasks.max", &tasks.to_string());
    set("errors.retry.timeout", &plan.retry_timeout.as_millis().to_string());
    set("errors.tolerance", if plan.tolerant { "all" } else { "none" });
    set("errors.log.enable", if plan.logs { "true" } else { "false" });
    for side in ["key", "value"] {
        set(&format!("{side}.converter"), CONVERTER);
        set(&format!("{side}.converter.connector"), &plan.name);
    }
    set("header.converter", if plan.header_plugin { HEADER_PLUGIN } else { CONVERTER });
    set("header.converter.connector", &plan.name);
    if plan.sink {
        set("topics", &crate::kafka::input_of(&plan.name));
    }
    if plan.letters {
        set("errors.deadletterqueue.topic.name", &crate::kafka::letters_of(&plan.name));
    }
    if plan.isolates {
        set("errors.put.isolate", "true");
        set("errors.put.isolate.max.in.row", "4");
    }
    if plan.max_tries != 0 {
        set("errors.put.max.tries", &plan.max_tries.to_string());
    }
    if plan.restarts {
        set("restart.policy", "backoff");
        set("restart.backoff.ms", "500");
        set("restart.backoff.max.ms", "5000");
        set("restart.healthy.ms", "20000");
        set("restart.max", "5");
        set("restart.window.ms", "60000");
    }
    // Without effect unless sources write transactions.
    match plan.partitions {
        _ if plan.sink => {}
        3 => drop(set("transaction.boundary", "connector")),
        2 | 4 => {
            set("transaction.boundary", "interval");
            set("transaction.boundary.interval.ms", "1500");
        }
        _ => {}
    }
    if plan.chain {
        set("transforms", "one");
        set("transforms.one.type", TRANSFORM);
    }
    config
}

/// A request that changes something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Change {
    Put,
    Patch,
    Delete,
    Pause,
    Resume,
    Stop,
    RestartConnector,
    Restart,
    RestartTask,
}

const CHANGES: [Change; 12] = [
    Change::Put,
    Change::Put,
    Change::Patch,
    Change::Delete,
    Change::Pause,
    Change::Resume,
    Change::Resume,
    Change::Stop,
    Change::RestartConnector,
    Change::Restart,
    Change::Restart,
    Change::RestartTask,
];

impl World {
    /// Waits for an answer, which must come in time.
    pub async fn answered<T>(&self, what: &str, answer: impl Future<Output = T>) -> Option<T> {
        let answer = tokio::time::timeout(ANSWER, answer).await.ok();
        if answer.is_none() {
            self.state().history.violated(format!("no answer: {what}"));
        }
        answer
    }

    /// Asks for random things until there is no more trouble.
    pub async fn user(self, handle: HerderHandle) {
        let (gap, until) = {
            let state = self.state();
            (state.plan.request_gap_ms, state.begun + state.plan.trouble)
        };
        while Instant::now() < until {
            self.sleep(gap).await;
            let (plan, what, at) = {
                let mut state = self.state();
                let connectors = state.plan.connectors.len() as u64;
                let at = state.rng.below(connectors) as usize;
                (state.plan.connectors[at].clone(), state.rng.below(20), state.rng.draw())
            };
            match what {
                0 => drop(self.answered("health", handle.health()).await),
                1 => self.look(&handle, &plan.name),
                2 => {
                    let context = self.state().contexts.get(&plan.name).cloned();
                    if let Some(context) = context {
                        context.request_task_reconfiguration();
                    }
                }
                3 if at.is_multiple_of(4) => {
                    let context = self.state().contexts.get(&plan.name).cloned();
                    let text = self.explains(&plan.name, "«raised»".to_owned());
                    if let Some(context) = context {
                        context.raise_error(Failure::new(ErrorKind::Fatal, "", text));
                    }
                }
                _ => self.change(&handle, &plan, CHANGES[at as usize % CHANGES.len()], at >> 8).await,
            }
        }
    }

    /// Every FAILED status says why.
    pub fn look(&self, handle: &HerderHandle, name: &str) {
        let Ok(status) = handle.status(name) else { return };
        let mut state = self.state();
        if status.connector.state == Status::Failed {
            state.history.failed_status(name, name, status.connector.trace.as_deref());
        }
        for (number, task) in status.tasks {
            if task.state == Status::Failed {
                state.history.failed_status(&format!("{name}-{number}"), name, task.trace.as_deref());
            }
        }
    }

    async fn change(&self, handle: &HerderHandle, plan: &ConnectorPlan, change: Change, dice: u64) {
        let name = &plan.name;
        let number = self.state().asks(name, change != Change::Delete && change != Change::Stop);
        self.state().history.note(format!("asked: {change:?} {name}"));
        let tasks = 1 + dice % 3;
        let work = async {
            match change {
                Change::Put => {
                    let put = handle.put_config(name, config_of(plan, tasks), TargetState::Started, true);
                    put.await.map(drop)
                }
                Change::Patch => {
                    let patch = ConfigMap::from([("tasks.max".to_owned(), Some(tasks.to_string()))]);
                    handle.patch_config(name, patch).await.map(drop)
                }
                Change::Delete => handle.delete(name).await,
                Change::Pause => handle.pause(name).await,
                Change::Resume => handle.resume(name).await,
                Change::Stop => handle.stop(name).await,
                Change::RestartConnector => handle.restart_connector(name).await,
                Change::Restart => {
                    let (include_tasks, only_failed) = (!dice.is_multiple_of(4), dice.is_multiple_of(3));
                    handle.restart(name, RestartRequest { include_tasks, only_failed }).await.map(drop)
                }
                Change::RestartTask => handle.restart_task(name, (dice % 3) as u32).await,
            }
        };
        let goes_away = (dice / 64).is_multiple_of(4);
        let patience = Duration::from_millis(dice / 256 % 3_000);
        let answer = match goes_away {
            true => tokio::time::timeout(patience, work).await.ok(),
            false => self.answered(&format!("{change:?} {name}"), work).await,
        };
        let mut state = self.state();
        state.history.note(format!("answered: {change:?} {name} {answer:?}"));
        if matches!(answer, Some(Err(HerderError::Broken(_) | HerderError::ShuttingDown))) {
            state.history.violated(format!("the herder is gone: {answer:?}"));
        }
        state.is_answered(name, number, answer.is_some(), answer == Some(Ok(())));
        drop(state);
        self.look(handle, name);
    }
}

/// Requests for one connector.
#[derive(Debug, Default)]
pub struct Requests {
    begun: u64,
    under_way: u64,
    /// The last one that was begun, if it is to end with nothing running.
    stop: Option<u64>,
}

impl crate::world::State {
    /// A request begins; its number.
    fn asks(&mut self, name: &str, starts: bool) -> u64 {
        self.history.asked(name);
        let asked = self.asked.entry(name.to_owned()).or_default();
        asked.begun += 1;
        asked.under_way += 1;
        asked.stop = (!starts).then_some(asked.begun);
        asked.begun
    }

    /// A request has been answered, or given up: then it may still be carried out, as if it had just begun.
    fn is_answered(&mut self, name: &str, number: u64, answered: bool, done: bool) {
        let asked = self.asked.entry(name.to_owned()).or_default();
        asked.under_way -= 1;
        if !answered {
            asked.begun += 1;
            asked.stop = None;
            self.history.asked(name);
        } else if done && asked.stop == Some(number) && asked.under_way == 0 {
            self.history.stopped(name);
        }
    }
}
