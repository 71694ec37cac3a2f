//! What all fakes share: the plan, the dice, the history, and whether there is still trouble.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use millstream_connector::{ConnectorContext, TaskId};
use millstream_runtime::{
    herder::{HerderHandle, State as Status},
    membership::GroupSession,
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    fakes::{config_log::FakeConfigLog, topic::FakeTopics},
    history::History,
    kafka::Cluster,
    lockstep::{now, process},
    plan::{Fault, Plan, Rng},
    transactions::Uncertain,
    users::Requests,
};

/// How often a process tries to reach others.
const RECONNECT: Duration = Duration::from_millis(100);

/// Everything, under one lock that is never held across an await. Cheap to clone.
#[derive(Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    news: Arc<Notify>,
}

/// See [`World`].
pub struct State {
    /// What the seed decided.
    pub plan: Arc<Plan>,
    /// The dice of this run.
    pub rng: Rng,
    /// When it began.
    pub begun: Instant,
    /// Whether nothing goes wrong any more.
    pub calm: bool,
    /// What happened.
    pub history: History,
    /// The config log of all workers.
    pub log: FakeConfigLog,
    /// The topics of all workers, where it is kept in one.
    pub topics: FakeTopics,
    /// Topics and groups.
    pub cluster: Cluster,
    /// Source offsets, by connector and partition.
    pub stored: BTreeMap<(String, String), String>,
    /// Transactions whose commit was asked for, and neither done nor refused, by their names.
    pub(crate) uncertain: BTreeMap<String, Uncertain>,
    /// How often a record was tried, by connector and record.
    pub attempts: BTreeMap<(String, String), u32>,
    /// Failures of records so far.
    pub faults: u64,
    /// The worker, once it is there.
    pub handle: Option<HerderHandle>,
    /// Requests, by connector.
    pub asked: BTreeMap<String, Requests>,
    /// Contexts of connector instances.
    pub contexts: BTreeMap<String, Arc<dyn ConnectorContext>>,
    /// Processes that nobody hears, and that hear nobody.
    pub cut_off: BTreeSet<u32>,
    /// How much later than others processes read the config log.
    pub reads_late: BTreeMap<u32, Duration>,
    /// Of processes that are members of a group: whether they may act as such.
    pub sessions: BTreeMap<u32, GroupSession>,
}

impl State {
    /// Whether a task says that it is paused. Out of a topic that is heard late, so that it proves nothing.
    pub fn is_paused(&self, task: &TaskId) -> bool {
        if self.plan.in_topics {
            return false;
        }
        let status = self.handle.as_ref().map(|handle| handle.task_status(&task.connector, task.number));
        matches!(status, Some(Ok(status)) if status.state == Status::Paused)
    }
}

impl World {
    /// The world of a plan.
    pub fn new(plan: Plan) -> Self {
        let plan = Arc::new(plan);
        let state = State {
            rng: Rng::new(plan.seed ^ 0x5eed),
            begun: now(),
            calm: false,
            history: History::new(Arc::clone(&plan)),
            plan,
            log: FakeConfigLog::default(),
            topics: FakeTopics::default(),
            cluster: Cluster::default(),
            stored: BTreeMap::new(),
            uncertain: BTreeMap::new(),
            attempts: BTreeMap::new(),
            faults: 0,
            handle: None,
            asked: BTreeMap::new(),
            contexts: BTreeMap::new(),
            cut_off: BTreeSet::new(),
            reads_late: BTreeMap::new(),
            sessions: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), news: Arc::default() }
    }

    /// The state. Fakes panic on purpose only while they do not hold it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no fake panics under its lock")
    }

    /// Whether a fault happens now: what is said about it, which explains a failed status.
    pub fn fault(&self, connector: &str, fault: Fault) -> Option<String> {
        let number = self.numbered_fault(connector, fault)?;
        Some(self.explains(connector, format!("«fault {number} {fault:?}»")))
    }

    /// Whether a fault happens now: its number.
    pub fn numbered_fault(&self, connector: &str, fault: Fault) -> Option<u64> {
        let mut state = self.state();
        let rate = *state.plan.rates.get(&fault)?;
        let happens = !state.calm && state.rng.chance(rate);
        happens.then(|| state.history.inject(connector, fault))
    }

    /// A text that explains a failed status.
    pub fn explains(&self, connector: &str, text: String) -> String {
        self.state().history.explains(connector, text)
    }

    /// Answers at once, after others had their turn, or after a while.
    pub async fn lag(&self, most_ms: u64) {
        let (kind, wait) = {
            let mut state = self.state();
            (state.rng.below(4), state.rng.below(most_ms.max(1)))
        };
        match kind {
            0 | 1 => {}
            2 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_millis(wait)).await,
        }
    }

    /// Sleeps, for at most so long.
    pub async fn sleep(&self, most_ms: u64) {
        let wait = self.state().rng.below(most_ms);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }

    /// Whether the process whose turn it is reaches nobody.
    pub fn is_cut_off(&self) -> bool {
        self.state().cut_off.contains(&process())
    }

    /// Returns as soon as it reaches others.
    pub async fn connected(&self) {
        while self.is_cut_off() {
            tokio::time::sleep(RECONNECT).await;
        }
    }

    /// Wakes consumers.
    pub fn changed(&self) {
        self.news.notify_waiters();
    }

    /// What wakes consumers.
    pub fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }
}
