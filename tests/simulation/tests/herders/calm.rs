//! What must be so when there is no more trouble: everything runs, once, evenly, and as its statuses say; what need not
//! move is left alone.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use millstream_connector::TaskId;
use millstream_runtime::{
    herder::{RestartRequest, State},
    membership::ConnectVersion,
};
use simulation::{group_plan::SESSION, lockstep::now, plan::Plan};

use crate::{
    requests::{Net, Node, Request},
    room::Room,
};

/// At which process connectors, or tasks, are.
type Places = BTreeMap<String, u32>;

/// How long work of a worker that was told to end waits for it, if no delay is set.
const RESTART: Duration = Duration::from_secs(10);

/// Time within which everything settles.
const SETTLING: Duration = Duration::from_secs(900);

/// A change of the group, by name.
type Change = (&'static str, fn(&mut Room, usize));

/// Time after which a worker whose connection has broken is given up, and within which the others have its work.
const GRACE: Duration = Duration::from_secs(1);
const GIVEN: Duration = Duration::from_secs(3);

/// How long nothing has begun or ended in a group that is as it should be: what was asked for last may be on its way.
const QUIET: Duration = Duration::from_secs(3);

/// Time over the session and the delay within which a group has to be as it should.
const MOVING: Duration = Duration::from_secs(10);

impl Room {
    /// How the group is not as it should be.
    pub fn converged(&self) -> Result<(), String> {
        let nodes = self.net.nodes().clone();
        let up = self.slots.iter().filter(|slot| slot.worker.is_some()).count();
        if nodes.len() != up {
            return Err(format!("{} workers of {up} answer", nodes.len()));
        }
        let id_of = |url: &str| url.trim_start_matches("http://").to_owned();
        let processes: BTreeMap<String, u32> = nodes.iter().map(|(url, node)| (id_of(url), node.process)).collect();
        let mut expected: Vec<String> = self.plan.connectors.iter().map(|connector| connector.name.clone()).collect();
        expected.sort();
        let mut first = None;
        for (url, node) in &nodes {
            let seen = self.seen_by(node, &expected, &processes).map_err(|reason| format!("{url}: {reason}"))?;
            if *first.get_or_insert_with(|| seen.clone()) != seen {
                return Err(format!("{url} sees something else than another worker"));
            }
        }
        for count in first.map(|seen| [seen.0, seen.1]).into_iter().flatten() {
            let of = |process: &u32| count.values().filter(|at| *at == process).count();
            let (most, least) = (processes.values().map(of).max(), processes.values().map(of).min());
            if most.unwrap_or(0) > least.unwrap_or(0) + 1 {
                return Err(format!("it is not even: {count:?}"));
            }
        }
        Ok(())
    }

    /// Where connectors and tasks are, as one worker sees it, which has to be the truth.
    fn seen_by(
        &self,
        node: &Node,
        expected: &[String],
        processes: &BTreeMap<String, u32>,
    ) -> Result<(Places, Places), String> {
        let known = node.herder.connectors().map_err(|error| error.to_string())?;
        if known != expected {
            return Err(format!("there are the connectors {known:?}"));
        }
        let (mut connectors, mut tasks) = (BTreeMap::new(), BTreeMap::new());
        let state = self.world.state();
        let alive = state.history.alive();
        for name in expected {
            let count = node.herder.connector_info(name).map_err(|error| error.to_string())?.tasks.len();
            let status = node.herder.status(name).map_err(|error| error.to_string())?;
            let place = |worker_id: &str| {
                processes.get(worker_id).copied().ok_or_else(|| format!("{name} is at {worker_id}, which is gone"))
            };
            if status.connector.state != State::Running {
                return Err(format!("{name} is {:?}", status.connector));
            }
            let at = place(&status.connector.worker_id)?;
            if !state.history.instances_of(name).into_iter().eq([at]) {
                return Err(format!("{name} says {at} and is at {:?}", state.history.instances_of(name)));
            }
            connectors.insert(name.clone(), at);
            if count == 0 || status.tasks.len() != count {
                return Err(format!("{name} has {count} tasks, and statuses {:?}", status.tasks));
            }
            for (number, task) in &status.tasks {
                let id = TaskId { connector: name.clone(), number: *number };
                if task.state != State::Running {
                    return Err(format!("{id} is {task:?}"));
                }
                let at = place(&task.worker_id)?;
                let lives: Vec<u32> = alive.get(&id).into_iter().flat_map(|lives| lives.values().copied()).collect();
                if lives != [at] {
                    return Err(format!("{id} says {at} and is at {lives:?}"));
                }
                tasks.insert(id.to_string(), at);
            }
            let beyond = |(task, _): &(&TaskId, _)| task.connector == *name && count as u32 <= task.number;
            if let Some((task, lives)) = alive.iter().find(beyond) {
                return Err(format!("{task} runs at {lives:?}, and there are {count} tasks"));
            }
        }
        Ok((connectors, tasks))
    }

    /// Everything comes to its end.
    pub fn settle(&mut self) {
        self.mend();
        self.world.state().history.note("calm");
        self.world.state().calm = true;
        self.world.state().topics.away(false);
        // Until whoever was out of reach has noticed.
        let noticed = now() + self.group.patience();
        let _ = self.until(SETTLING, |_| if noticed <= now() { Ok(()) } else { Err(String::new()) });
        let (net, urls) = (self.net.clone(), self.urls());
        let settling = self.outside.spawn(settle(net, urls));
        let quiet = RefCell::new((now(), BTreeMap::new()));
        let settled = self.until(SETTLING, |room| {
            if !settling.is_finished() {
                return Err(format!("{}; {:?}", room.world.unsettled().join(", "), room.converged()));
            }
            room.converged()?;
            let (mut quiet, alive) = (quiet.borrow_mut(), room.world.state().history.alive());
            if quiet.1 != alive {
                *quiet = (now(), alive);
            }
            if quiet.0 + QUIET <= now() { Ok(()) } else { Err("something has begun or ended a moment ago".to_owned()) }
        });
        if let Err(reason) = settled {
            self.world.state().history.violated(format!("never settles: {reason}"));
        }
    }

    /// One worker is killed, started again, and told to end: of the others nothing is touched but what has to move.
    pub fn stay(&mut self) {
        let at = self.world.state().rng.below(self.slots.len() as u64) as usize;
        self.note(format!("in the calm {} is killed", self.slots[at].url));
        let is_eager = self.group.protocols.contains(&ConnectVersion::Eager);
        let delay = self.group.max_delay.unwrap_or_default();
        let changes: [Change; 4] =
            [("killed", Room::kill), ("started", Room::start), ("told to end", Room::leave), ("started", Room::start)];
        for (what, change) in changes {
            let before = self.world.state().history.alive();
            change(self, at);
            if what == "told to end" {
                let ended = self.until(MOVING * 3, |room| match room.slots[at].worker {
                    Some(_) => Err("it has not ended".to_owned()),
                    None => Ok(()),
                });
                if let Err(reason) = ended {
                    return self.world.state().history.violated(reason);
                }
            }
            // Work of a worker that has said so waits for it.
            let waits = if what == "told to end" { delay.max(RESTART) } else { delay };
            let converged = self.until(SESSION + waits + MOVING, Room::converged);
            if let Err(reason) = converged {
                return self
                    .world
                    .state()
                    .history
                    .violated(format!("after a worker was {what}, the group is not as it should be: {reason}"));
            }
            let after = self.world.state().history.alive();
            let there: Vec<u32> = before.values().flat_map(|lives| lives.values().copied()).collect();
            let is_new = |process: &u32| !there.contains(process);
            for (task, lives) in &before {
                let now = &after[task];
                let stayed = lives.values().next() == now.values().next();
                let moved_in_vain =
                    !stayed && self.alive(*lives.values().next().unwrap_or(&0)) && !now.values().all(is_new);
                if !is_eager && (stayed && lives != now || moved_in_vain) {
                    let text = format!("{task} was touched when a worker was {what}: {lives:?} became {now:?}");
                    self.world.state().history.violated(text);
                }
            }
        }
    }

    /// A worker that its group has given up goes on until it hears of that: what it says of what others have by then must not
    /// stand in the end.
    pub fn late(&mut self) {
        let (at, heard) = {
            let mut state = self.world.state();
            let at = state.rng.below(self.slots.len() as u64) as usize;
            (at, Duration::from_millis(state.rng.below(2_000)))
        };
        let Some(id) = self.slots[at].worker.as_ref().map(|worker| worker.process.id) else { return };
        self.note(format!("in the calm the group does not hear {}", self.slots[at].url));
        self.coordinator.set_grace(Some(GRACE));
        self.world.state().history.reach.cut_off(id);
        self.coordinator.cut_off(id, true);
        self.pass(GIVEN);
        // Everybody starts again what he believes to be his.
        let mut asked = Vec::new();
        for connector in self.plan.connectors.clone() {
            let urls = self.slots.iter().enumerate().filter(|(other, _)| *other != at);
            let (net, urls) = (self.net.clone(), urls.map(|(_, slot)| slot.url.clone()).collect::<Vec<_>>());
            let request = RestartRequest { include_tasks: true, only_failed: false };
            let restart = Request::Restart(connector.name, request);
            asked.push(self.outside.spawn(async move { net.insist(&urls, restart).await }));
        }
        self.pass(heard);
        let within = Duration::from_secs(1) + self.group.stops_within;
        self.world.state().history.reach.back(id, within);
        self.coordinator.cut_off(id, false);
        let delay = self.group.max_delay.unwrap_or_default();
        let converged = self.until(SESSION + within + delay + MOVING, |room| {
            if asked.iter().all(|asked| asked.is_finished()) { room.converged() } else { Err("unanswered".to_owned()) }
        });
        if let Err(reason) = converged {
            let text = format!("after a worker was not heard, the group is not as it should be: {reason}");
            self.world.state().history.violated(text);
        }
    }

    /// So much time passes.
    fn pass(&mut self, time: Duration) {
        let end = now() + time;
        while now() < end {
            self.step();
        }
    }

    fn alive(&self, process: u32) -> bool {
        self.slots.iter().flat_map(|slot| &slot.worker).any(|worker| worker.process.id == process)
    }

    /// All workers end.
    pub fn end(&mut self) {
        for at in 0..self.slots.len() {
            self.slots[at].clear_due();
            self.leave(at);
        }
        let gone = self.until(Duration::from_secs(200), |room| {
            let left = room.slots.iter().filter(|slot| slot.worker.is_some()).count();
            if left == 0 { Ok(()) } else { Err(format!("{left} workers do not end")) }
        });
        let mut state = self.world.state();
        if let Err(reason) = gone {
            state.history.violated(reason);
        }
        state.history.nothing_lives(None);
        drop(state);
        self.world.judge();
    }
}

async fn settle(net: Net, urls: Vec<String>) {
    let connectors = net.world.state().plan.connectors.clone();
    for plan in &connectors {
        net.insist(&urls, Request::Put(Box::new(plan.clone()), plan.tasks)).await;
        net.insist(&urls, Request::Stop(plan.name.clone())).await;
        net.insist(&urls, Request::Resume(plan.name.clone())).await;
    }
    while !net.world.unsettled().is_empty() {
        tokio::time::sleep(Duration::from_secs(3)).await;
        for plan in &connectors {
            let request = RestartRequest { include_tasks: true, only_failed: true };
            let at = net.world.state().rng.below(urls.len() as u64) as usize;
            // There may be no status yet.
            let _ = net.ask(&urls[at], Request::Restart(plan.name.clone(), request)).await;
            let node = net.nodes().get(&urls[at]).cloned();
            if let Some(node) = node {
                net.world.look(&node.herder, &plan.name);
            }
        }
    }
}

/// Lives through a plan; what is broken is in the room's world.
pub fn live(plan: Plan) -> Room {
    let mut room = Room::new(plan);
    let urls = room.urls();
    room.outside.spawn(room.world.clone().weather());
    for plan in room.plan.connectors.clone() {
        let (net, urls) = (room.net.clone(), urls.clone());
        room.outside.spawn(async move {
            let tasks = plan.tasks;
            net.insist(&urls, Request::Put(Box::new(plan), tasks)).await;
        });
    }
    for _ in 0..3 {
        room.outside.spawn(room.net.clone().user(urls.clone()));
    }
    let end = now() + room.plan.trouble;
    let mut next = now() + Duration::from_millis(room.group.gap_ms);
    while now() < end {
        room.step();
        if next <= now() {
            next = now() + room.misfortune();
        }
    }
    room.settle();
    if room.world.state().history.broken().is_empty() {
        room.stay();
    }
    if room.world.state().history.broken().is_empty() {
        room.late();
    }
    room.end();
    room
}
