//! The machine room: workers that are started, and what befalls them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use millstream_runtime::{
    herder::GroupRules,
    membership::{ConnectGroup, ConnectVersion, Membership as _},
};
use simulation::{
    World,
    fakes::group::FakeGroup,
    group_plan::{GroupPlan, Misfortune, REBALANCE, SESSION},
    lockstep::{self, now},
    plan::Plan,
};
use tokio::time::Instant;

use crate::{
    process::Process,
    requests::{Net, Node, Wire},
};

/// How long each process goes on before it is the next one's turn.
const STEP: Duration = Duration::from_millis(10);

/// Of a slow worker's turns it gets one of so many.
const SLOW: u64 = 10;

/// Longest time for ending in good order, after which a worker is killed.
const ENDING: Duration = Duration::from_secs(120);

pub struct Room {
    pub world: World,
    pub net: Net,
    pub plan: Arc<Plan>,
    pub group: GroupPlan,
    pub outside: Process,
    pub slots: Vec<Slot>,
    pub coordinator: FakeGroup,
    processes: u32,
    steps: usize,
}

/// Where a worker stands, under an address that it has whenever it is started.
pub struct Slot {
    pub url: String,
    protocol: ConnectVersion,
    pub worker: Option<Worker>,
    /// When it is started.
    due: Option<Instant>,
}

impl Slot {
    /// It is not started again.
    pub fn clear_due(&mut self) {
        self.due = None;
    }
}

pub struct Worker {
    pub process: Process,
    trouble: Option<(Misfortune, Instant)>,
    /// Whether it has ended, and when it is killed otherwise.
    ending: Option<(Arc<AtomicBool>, Instant)>,
}

impl Room {
    /// Empty at first; the first worker is due, and the others within a while.
    pub fn new(plan: Plan) -> Self {
        lockstep::begin();
        let world = World::new(plan);
        let plan = Arc::clone(&world.state().plan);
        let group = plan.group.clone().expect("a plan of a group");
        let slots = group.protocols.iter().enumerate().map(|(number, &protocol)| {
            let late = if number == 0 { 0 } else { world.state().rng.below(group.gap_ms) };
            let due = Some(now() + Duration::from_millis(late));
            Slot { url: format!("http://w{number}:8083"), protocol, worker: None, due }
        });
        Self {
            slots: slots.collect(),
            net: Net::new(&world),
            outside: Process::new(0),
            coordinator: FakeGroup::new(SESSION, REBALANCE, group.grace),
            plan,
            group,
            processes: 0,
            steps: 0,
            world,
        }
    }

    pub fn urls(&self) -> Vec<String> {
        self.slots.iter().map(|slot| slot.url.clone()).collect()
    }

    pub fn note(&self, what: impl AsRef<str>) {
        self.world.state().history.note(what);
    }

    /// Everybody who can goes on a little.
    pub fn step(&mut self) {
        lockstep::pass(STEP);
        self.outside.turn(STEP);
        self.steps += 1;
        let (count, turn) = (self.slots.len(), self.steps);
        for at in (0..count).map(|number| (number + turn) % count) {
            let rests = match self.slots[at].worker.as_ref().and_then(|worker| worker.trouble) {
                Some((Misfortune::Freeze, _)) => true,
                Some((Misfortune::Slow, _)) => !self.world.state().rng.below(SLOW).is_multiple_of(SLOW),
                _ => false,
            };
            if let Some(worker) = &mut self.slots[at].worker {
                if rests { worker.process.miss(STEP) } else { worker.process.turn(STEP) }
            }
            self.look_after(at);
        }
        for (process, why) in self.coordinator.tick() {
            let mut state = self.world.state();
            state.history.note(format!("the group gives up process {process}, which {why}"));
            state.history.reach.expel(process, self.group.stops_within);
        }
    }

    /// What is due at a slot.
    fn look_after(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if slot.worker.is_none() && slot.due.is_some_and(|due| due <= now()) {
            return self.start(at);
        }
        let Some(worker) = &slot.worker else { return };
        if let Some((ended, until)) = &worker.ending {
            if ended.load(Ordering::Relaxed) {
                self.ended(at);
            } else if *until <= now() {
                if worker.trouble.is_none() {
                    let url = slot.url.clone();
                    self.world.state().history.violated(format!("{url} does not end"));
                }
                self.kill(at);
            }
        } else if let Some((_, until)) = worker.trouble
            && until <= now()
        {
            self.end_trouble(at);
        }
    }

    pub fn start(&mut self, at: usize) {
        self.processes += 1;
        let process = Process::new(self.processes);
        let slot = &mut self.slots[at];
        slot.due = None;
        let (url, protocol) = (slot.url.clone(), slot.protocol);
        let (world, net, coordinator, max_delay) =
            (self.world.clone(), self.net.clone(), self.coordinator.clone(), self.group.max_delay);
        let (id, runtime) = (process.id, process.handle());
        self.world.state().history.note(format!("{url} is started as process {id}"));
        process.spawn(async move {
            let stores = loop {
                match world.try_stores().await {
                    Ok(stores) => break stores,
                    Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
                }
            };
            let mut fakes = world.fakes(stores);
            fakes.group = Some(GroupRules {
                key_algorithm: "HmacSHA256".to_owned(),
                key_bits: None,
                key_ttl: Duration::from_secs(3600),
                sync_timeout: Duration::from_secs(3),
                max_delay,
                secrets: Arc::new(|len| vec![7; len]),
                peers: Arc::new(Wire { net: net.clone(), process: id }),
            });
            let member = ConnectGroup::over(coordinator.client(), "group", protocol, &url);
            world.state().sessions.insert(id, member.session());
            fakes.membership = Box::new(member);
            let statuses = Arc::clone(&fakes.statuses);
            let herder = fakes.start(url.trim_start_matches("http://"));
            net.nodes().insert(url.clone(), Node { process: id, runtime, herder: herder.handle() });
            let handle = herder.handle();
            if !herder.ended().await || handle.is_broken() {
                world.state().history.violated(format!("the herder of {url} has broken"));
            }
            // As a worker that ends in good order does.
            let _ = tokio::time::timeout(Duration::from_secs(5), statuses.written()).await;
        });
        self.slots[at].worker = Some(Worker { process, trouble: None, ending: None });
    }

    /// Nothing of a worker is there any more, from one moment to the next.
    pub fn kill(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let Some(worker) = slot.worker.take() else { return };
        let id = worker.process.id;
        self.world.state().history.note(format!("{} is gone, process {id}", slot.url));
        self.net.nodes().remove(&slot.url);
        let before = self.world.state().history.lines().len();
        drop(worker);
        self.world.state().history.at_once(before);
        self.connect(id);
        if self.group.hears_of_deaths {
            self.coordinator.hear_of_death(id);
        }
        self.world.changed();
    }

    /// Tells a worker to end.
    pub fn leave(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        let Some(worker) = &mut slot.worker else { return };
        let Some(node) = self.net.nodes().get(&slot.url).cloned() else { return };
        let ended = Arc::new(AtomicBool::new(false));
        worker.ending = Some((Arc::clone(&ended), now() + ENDING));
        self.world.state().history.note(format!("{} is told to end", slot.url));
        worker.process.spawn(async move {
            // It may be on its way already.
            let _ = node.herder.shutdown().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            ended.store(true, Ordering::Relaxed);
        });
    }

    /// A worker has ended in good order: nothing of it is left.
    fn ended(&mut self, at: usize) {
        let Some(worker) = &self.slots[at].worker else { return };
        let id = worker.process.id;
        let left: Vec<String> = {
            let state = self.world.state();
            let alive = state.history.alive();
            let here = |lives: &std::collections::BTreeMap<u64, u32>| lives.values().any(|process| *process == id);
            alive.iter().filter(|(_, lives)| here(lives)).map(|(task, _)| task.to_string()).collect()
        };
        if !left.is_empty() {
            self.world.state().history.violated(format!("a worker has ended, and not {left:?}"));
        }
        self.kill(at);
    }

    /// What befalls somebody now; the time until the next misfortune.
    pub fn misfortune(&mut self) -> Duration {
        let (what, at, lasts, gap) = {
            let mut state = self.world.state();
            let what = state.rng.pick(&self.group.misfortunes);
            let at = state.rng.below(self.slots.len() as u64) as usize;
            let lasts = Duration::from_millis(state.rng.below(self.group.lasts_ms));
            (what, at, lasts, Duration::from_millis(state.rng.below(self.group.gap_ms)))
        };
        let until = now() + lasts;
        let slot = &mut self.slots[at];
        let is_free = |worker: &Worker| worker.trouble.is_none() && worker.ending.is_none();
        let Some(worker) = slot.worker.as_mut().filter(|worker| is_free(worker)) else { return gap };
        let id = worker.process.id;
        match what {
            Misfortune::Kill => {
                slot.due = Some(until);
                self.kill(at);
            }
            Misfortune::Leave => {
                slot.due = Some(until);
                self.leave(at);
            }
            Misfortune::Freeze => {
                worker.trouble = Some((what, until));
                self.world.state().history.reach.freeze(id);
            }
            Misfortune::CutOff => {
                worker.trouble = Some((what, until));
                let mut state = self.world.state();
                state.history.reach.cut_off(id);
                state.cut_off.insert(id);
                state.topics.cut_off(id, true);
                self.coordinator.cut_off(id, true);
            }
            Misfortune::Unheard => {
                worker.trouble = Some((what, until));
                self.world.state().history.reach.cut_off(id);
                self.coordinator.cut_off(id, true);
            }
            Misfortune::Slow => worker.trouble = Some((what, until)),
            Misfortune::ReadsLate => {
                worker.trouble = Some((what, until));
                self.world.state().reads_late.insert(id, lasts);
            }
        }
        self.note(format!("{what:?} at process {id} for {} ms", lasts.as_millis()));
        gap
    }

    /// A process reaches everybody again.
    fn connect(&mut self, id: u32) {
        let mut state = self.world.state();
        state.cut_off.remove(&id);
        state.reads_late.remove(&id);
        state.topics.cut_off(id, false);
        self.coordinator.cut_off(id, false);
    }

    fn end_trouble(&mut self, at: usize) {
        let Some(worker) = &mut self.slots[at].worker else { return };
        let Some((what, _)) = worker.trouble.take() else { return };
        let id = worker.process.id;
        if matches!(what, Misfortune::Freeze | Misfortune::CutOff | Misfortune::Unheard) {
            let within = Duration::from_secs(1) + self.group.stops_within;
            self.world.state().history.reach.back(id, within);
        }
        self.connect(id);
        self.note(format!("the end of {what:?} at process {id}"));
    }

    /// Nothing befalls anybody any more, and everybody is started.
    pub fn mend(&mut self) {
        for at in 0..self.slots.len() {
            self.end_trouble(at);
            if self.slots[at].due.is_some() || self.slots[at].worker.is_none() {
                self.slots[at].due = Some(now());
            }
        }
    }

    /// Goes on until something is so; why it is not, if it never is.
    pub fn until(&mut self, limit: Duration, is_so: impl Fn(&Self) -> Result<(), String>) -> Result<(), String> {
        let end = now() + limit;
        loop {
            let reason = match is_so(self) {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            };
            if end <= now() {
                return Err(reason);
            }
            (0..10).for_each(|_| self.step());
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            drop(slot.worker.take());
        }
        // They hold each other.
        self.net.nodes().clear();
        let mut state = self.world.state();
        state.contexts.clear();
        drop(state);
        lockstep::end();
    }
}
