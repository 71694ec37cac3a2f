//! What is asked of workers, by users and by each other, and how that may get lost on the way.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use futures::{FutureExt as _, future::BoxFuture};
use millstream_config::ConfigMap;
use millstream_runtime::{
    config_log::SessionKey,
    herder::{HerderError, HerderHandle, PeerError, Peers, RestartRequest, TargetState},
};
use simulation::{World, plan::ConnectorPlan, users::config_of};
use tokio::{runtime::Handle, sync::oneshot};

/// Longest wait for another process that does not answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long somebody tries to connect.
const CONNECTING_MS: u64 = 5_000;

/// How often a request is passed on at most.
const HOPS: u32 = 2;

/// Something that a worker is asked to do.
#[derive(Clone, Debug)]
pub enum Request {
    Put(Box<ConnectorPlan>, u64),
    Patch(String, u64),
    Delete(String),
    Pause(String),
    Resume(String),
    Stop(String),
    RestartConnector(String),
    Restart(String, RestartRequest),
    RestartTask(String, u32),
    TaskConfigs(String, Vec<ConfigMap>),
    Fence(String),
}

impl Request {
    /// One of those that users make, about a connector.
    pub fn by_chance(plan: &ConnectorPlan, dice: u64) -> Self {
        let (name, tasks) = (plan.name.clone(), 1 + dice / 64 % 3);
        match dice % 13 {
            0 | 1 => Self::Put(Box::new(plan.clone()), tasks),
            2 | 3 => Self::Patch(name, tasks),
            4 => Self::Delete(name),
            5 => Self::Pause(name),
            6 | 7 => Self::Resume(name),
            8 => Self::Stop(name),
            9 => Self::RestartConnector(name),
            10 | 11 => {
                let (include_tasks, only_failed) = (!dice.is_multiple_of(5), dice.is_multiple_of(3));
                Self::Restart(name, RestartRequest { include_tasks, only_failed })
            }
            _ => Self::RestartTask(name, (dice / 64 % 3) as u32),
        }
    }

    async fn run(self, herder: &HerderHandle) -> Result<(), HerderError> {
        match self {
            Self::Put(plan, tasks) => {
                let put = herder.put_config(&plan.name, config_of(&plan, tasks), TargetState::Started, true);
                put.await.map(drop)
            }
            Self::Patch(name, tasks) => {
                let patch = ConfigMap::from([("tasks.max".to_owned(), Some(tasks.to_string()))]);
                herder.patch_config(&name, patch).await.map(drop)
            }
            Self::Delete(name) => herder.delete(&name).await,
            Self::Pause(name) => herder.pause(&name).await,
            Self::Resume(name) => herder.resume(&name).await,
            Self::Stop(name) => herder.stop(&name).await,
            Self::RestartConnector(name) => herder.restart_connector(&name).await,
            Self::Restart(name, request) => herder.restart(&name, request).await.map(drop),
            Self::RestartTask(name, number) => herder.restart_task(&name, number).await,
            Self::TaskConfigs(name, tasks) => herder.put_task_configs(&name, tasks).await,
            Self::Fence(name) => herder.fence(&name).await,
        }
    }
}

/// Why something was not done, as far as is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    NoAnswer,
    Refused(HerderError),
}

/// A worker that answers.
#[derive(Clone)]
pub struct Node {
    pub process: u32,
    pub runtime: Handle,
    pub herder: HerderHandle,
}

/// All workers that answer, by URL, and the network between them. Cheap to clone.
#[derive(Clone)]
pub struct Net {
    pub world: World,
    nodes: Arc<Mutex<BTreeMap<String, Node>>>,
}

impl Net {
    pub fn new(world: &World) -> Self {
        Self { world: world.clone(), nodes: Arc::default() }
    }

    pub fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        self.nodes.lock().expect("nothing panics over a map")
    }

    /// Asks, as a user does.
    pub async fn ask(&self, url: &str, request: Request) -> Result<(), Refusal> {
        let what = format!("{request:?}");
        let short = what.split(['{', '[']).next().unwrap_or_default().to_owned();
        self.world.state().history.note(format!("asked {url}: {short}"));
        let answer = self.send(0, url.to_owned(), request, 0).await;
        let mut state = self.world.state();
        state.history.note(format!("{url} answered: {short} {answer:?}"));
        if let Err(Refusal::Refused(HerderError::Broken(reason))) = &answer {
            state.history.violated(format!("the herder at {url} is gone: {reason}"));
        }
        answer
    }

    /// One process asks another.
    fn send(&self, from: u32, url: String, request: Request, hops: u32) -> BoxFuture<'static, Result<(), Refusal>> {
        let this = self.clone();
        async move {
            let world = &this.world;
            world.lag(30).await;
            let node = this.nodes().get(&url).cloned();
            let Some(node) = node.filter(|node| this.reaches(from, node.process)) else {
                world.sleep(CONNECTING_MS).await;
                return Err(Refusal::NoAnswer);
            };
            if this.is_lost(from) {
                return Err(Refusal::NoAnswer);
            }
            let (reply, answer) = oneshot::channel();
            let (there, process) = (this.clone(), node.process);
            node.runtime.clone().spawn(async move {
                // Whoever asked may have gone away.
                let _ = reply.send(there.serve(&node, request, hops).await);
            });
            let answer = tokio::time::timeout(PATIENCE, answer).await;
            let lost = this.is_lost(from) || !this.reaches(from, process);
            match answer {
                Ok(Ok(answer)) if !lost => answer,
                _ => Err(Refusal::NoAnswer),
            }
        }
        .boxed()
    }

    async fn serve(&self, node: &Node, request: Request, hops: u32) -> Result<(), Refusal> {
        match request.clone().run(&node.herder).await {
            Err(HerderError::Elsewhere { url }) if hops < HOPS => {
                self.send(node.process, url.trim_end_matches('/').to_owned(), request, hops + 1).await
            }
            done => done.map_err(Refusal::Refused),
        }
    }

    fn reaches(&self, from: u32, to: u32) -> bool {
        let state = self.world.state();
        !state.cut_off.contains(&from) && !state.cut_off.contains(&to)
    }

    /// Between workers requests and answers get lost.
    fn is_lost(&self, from: u32) -> bool {
        let mut state = self.world.state();
        let rate = state.plan.group.as_ref().map_or(0, |group| group.lost_per_mille);
        from != 0 && !state.calm && state.rng.chance(rate)
    }

    /// Users who ask for random things until there is no more trouble.
    pub async fn user(self, urls: Vec<String>) {
        let (gap, until) = {
            let state = self.world.state();
            (state.plan.request_gap_ms, state.begun + state.plan.trouble)
        };
        while simulation::lockstep::now() < until {
            self.world.sleep(gap).await;
            let (url, plan, dice) = {
                let mut state = self.world.state();
                let at = state.rng.below(urls.len() as u64) as usize;
                let connectors = state.plan.connectors.len() as u64;
                let of = state.rng.below(connectors) as usize;
                (urls[at].clone(), state.plan.connectors[of].clone(), state.rng.draw())
            };
            if dice.is_multiple_of(17) {
                let context = self.world.state().contexts.get(&plan.name).cloned();
                if let Some(context) = context {
                    context.request_task_reconfiguration();
                }
                continue;
            }
            let asked = self.ask(&url, Request::by_chance(&plan, dice >> 8));
            if dice.is_multiple_of(4) {
                // Goes away before there is an answer.
                let _ = tokio::time::timeout(Duration::from_millis(dice / 16 % 3_000), asked).await;
            } else {
                let _ = asked.await;
            }
            let node = self.nodes().get(&url).cloned();
            if let Some(node) = node {
                self.world.look(&node.herder, &plan.name);
            }
        }
    }

    /// Asks until it is done.
    pub async fn insist(&self, urls: &[String], request: Request) {
        let until = simulation::lockstep::now() + simulation::history::ANSWER;
        let mut last = None;
        while simulation::lockstep::now() < until {
            let at = self.world.state().rng.below(urls.len() as u64) as usize;
            match self.ask(&urls[at], request.clone()).await {
                Ok(()) => return,
                refused => last = Some(refused),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        self.world.state().history.violated(format!("cannot be done in the calm: {request:?}: {last:?}"));
    }
}

/// The way from one worker to the others.
pub struct Wire {
    pub net: Net,
    pub process: u32,
}

impl Wire {
    async fn ask(&self, url: &str, request: Request) -> Result<(), PeerError> {
        // What workers ask of each other is not passed on.
        let asked = self.net.send(self.process, url.trim_end_matches('/').to_owned(), request, HOPS).await;
        asked.map_err(|refusal| PeerError::Failed(format!("{refusal:?}")))
    }
}

#[async_trait]
impl Peers for Wire {
    async fn put_task_configs(
        &self,
        url: &str,
        connector: &str,
        tasks: &[ConfigMap],
        _: Option<&SessionKey>,
    ) -> Result<(), PeerError> {
        self.ask(url, Request::TaskConfigs(connector.to_owned(), tasks.to_vec())).await
    }

    async fn fence(&self, url: &str, connector: &str, _: Option<&SessionKey>) -> Result<(), PeerError> {
        self.ask(url, Request::Fence(connector.to_owned())).await
    }
}
