//! The herder as the leader of its group: who does what, and what statuses say of what nobody does.

use std::time::Duration;

use millstream_connector::TaskId;

use super::{GroupRules, State, run::Loop};
use crate::membership::{
    Absences, ConnectVersion, Member, OwnDecision, Work, WorkAssignment, WorkSet,
    assignor::{Decision, Delay, Exchange, Generations, Loads, Part, eager, exchange, spread},
};

/// How long Connect waits for a worker that has gone, unless told otherwise.
const CONNECTS_DELAY: Duration = Duration::from_secs(300);

/// Members disagree about the config log.
const CONFIG_MISMATCH: i16 = 1;

impl Loop {
    /// Decides, as the leader, who does what.
    pub(super) async fn divide(&mut self, id: &str, generation: i32, version: ConnectVersion, members: &[Member]) {
        let newest = members.iter().map(|member| member.offset).max().unwrap_or(-1);
        if self.log.offset() < newest {
            self.catch_up().await;
        }
        let offset = self.log.offset();
        let leader_url = members.iter().find(|member| member.id == id).map(|member| member.url.clone());
        let told = WorkAssignment {
            error: if offset < newest { CONFIG_MISMATCH } else { 0 },
            leader: id.to_owned(),
            leader_url: leader_url.unwrap_or_default(),
            offset,
            ..WorkAssignment::default()
        };
        // Only those that know what it means are told more than Connect tells.
        let ours = version != ConnectVersion::Eager && members.iter().all(|member| member.own.is_some());
        let decision = if told.error == 0 {
            self.note_gone(members);
            let decision = self.decide(generation, version, members, ours);
            self.shared.place().note(members, &decision.holds);
            let held = decision.holds.values().fold(WorkSet::default(), |all, work| all.plus(&work.set()));
            self.lost = self.wanted().minus(&held);
            decision
        } else {
            let parts = members.iter().map(|member| (member.id.clone(), Part::default()));
            Decision { parts: parts.collect(), ..Decision::default() }
        };
        self.members = members.iter().map(|member| authority(&member.url)).collect();
        self.shared.statuses.expect_writers(self.members.iter().cloned().collect());
        let now_ms = self.now_ms();
        let own = ours.then(|| OwnDecision { away: self.absences.told(now_ms) });
        let delay_ms = sooner(decision.delay_ms, self.absences.left_ms(now_ms));
        let part_of = |(member, part): (String, Part)| {
            let (assigned, revoked) = (part.assigned.shares(), part.revoked.shares());
            (member, WorkAssignment { assigned, revoked, delay_ms, own: own.clone(), ..told.clone() })
        };
        self.membership.assign(decision.parts.into_iter().map(part_of).collect());
    }

    fn decide(&mut self, generation: i32, version: ConnectVersion, members: &[Member], ours: bool) -> Decision {
        let configured = self.wanted();
        let now_ms = self.now_ms();
        if ours {
            let wait = self.group.as_ref().map_or(Duration::ZERO, GroupRules::restart_wait);
            self.absences.round(now_ms, wait, members);
        } else {
            self.absences = Absences::default();
        }
        if version == ConnectVersion::Eager {
            return eager(&configured, members.iter().map(|member| &*member.id));
        }
        // Work of a worker that has gone is given out at once, by those that do not mind being asked twice.
        let most = self.group.as_ref().and_then(|rules| rules.max_delay);
        let most = most.unwrap_or(if ours { Duration::ZERO } else { CONNECTS_DELAY });
        let delay = Delay { most_ms: i32::try_from(most.as_millis()).unwrap_or(i32::MAX), until_back: ours };
        let generations = Generations { completed: self.shared.place().completed, current: generation };
        // Of what waits for a member that has said that it leaves, nobody is given anything, and such a member nothing.
        let configured = configured.minus(&self.absences.work());
        let (leaving, staying): (Vec<&Member>, Vec<&Member>) =
            members.iter().partition(|member| ours && member.is_leaving());
        let holds = staying.iter().map(|member| (member.id.clone(), member.holds.clone())).collect();
        let mut decision = self.assignor.assign(now_ms, generations, &configured, &holds, delay);
        if ours {
            self.weights.take(now_ms, members, &configured);
            spread(&mut decision, &self.weights.known);
            let quiet = decision.delay_ms == 0 && self.absences.work().is_empty() && leaving.is_empty();
            if quiet {
                self.weights.even_out(now_ms, &mut decision);
            }
        }
        for member in leaving {
            let part = Part { revoked: member.holds.clone(), ..Part::default() };
            decision.parts.insert(member.id.clone(), part);
        }
        decision
    }

    pub(super) fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// Everything there is to do in the group.
    fn wanted(&self) -> WorkSet {
        let view = self.shared.view();
        let cluster = view.cluster();
        let tasks = |name: &str| {
            let id = |number| TaskId { connector: name.to_owned(), number };
            (0..cluster.task_count(name)).map(id).collect::<Vec<_>>()
        };
        WorkSet {
            connectors: cluster.connectors().map(str::to_owned).collect(),
            tasks: cluster.connectors().flat_map(tasks).collect(),
        }
    }

    /// Of what nobody holds, and whose worker could not say so, that it does not run.
    pub(super) fn show_lost(&self) {
        let statuses = &self.shared.statuses;
        let connectors = self.lost.connectors.iter().map(|name| (name, None));
        for (name, task) in connectors.chain(self.lost.tasks.iter().map(|task| (&task.connector, Some(task.number)))) {
            let known = statuses.get(name).unwrap_or_default();
            let status = match task {
                None => known.connector,
                Some(number) => known.tasks.get(&number).cloned(),
            };
            let runs = status
                .is_some_and(|status| status.state != State::Unassigned && !self.members.contains(&status.worker_id));
            if runs {
                statuses.set(name, task, State::Unassigned, None);
            }
        }
    }

    /// Of what was deleted while its worker could not say so.
    pub(super) fn forget_statuses(&self, known: &[String]) {
        let statuses = &self.shared.statuses;
        statuses.keep_connectors(|name| known.iter().any(|known| known == name));
        for name in known {
            let count = self.shared.view().cluster().task_count(name);
            statuses.keep_tasks(name, |number| number < count);
        }
    }
}

/// Time from a leader's first round, and from each exchange of tasks, to the next one: loads have settled by then.
const EXCHANGES_APART_MS: i64 = 300_000;

/// What a leader knows of loads.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// Also of tasks whose worker has gone.
    known: Loads,
    /// When two tasks may change places again.
    due_ms: Option<i64>,
}

impl Weights {
    /// Takes what members say.
    fn take(&mut self, now_ms: i64, members: &[Member], configured: &WorkSet) {
        self.due_ms.get_or_insert(now_ms + EXCHANGES_APART_MS);
        for own in members.iter().filter_map(|member| member.own.as_ref()) {
            for (name, tasks) in &own.loads {
                for (number, load) in tasks {
                    if let Ok(number) = u32::try_from(*number) {
                        self.known.insert(TaskId { connector: name.clone(), number }, *load);
                    }
                }
            }
        }
        self.known.retain(|task, _| configured.tasks.contains(task));
    }

    /// In a round in which nothing moves, has two tasks given up that should change places. The next round gives them out.
    fn even_out(&mut self, now_ms: i64, decision: &mut Decision) {
        let moves = decision.parts.values().any(|part| !part.assigned.is_empty() || !part.revoked.is_empty());
        if moves || self.due_ms.is_none_or(|due_ms| now_ms < due_ms) {
            return;
        }
        let Some(Exchange { from, to }) = exchange(&decision.holds, &self.known) else { return };
        self.due_ms = Some(now_ms + EXCHANGES_APART_MS);
        tracing::info!(busy = %from.1, idle = %to.1, "two tasks change places, since one worker has much more to do than another");
        for (id, task) in [from, to] {
            let given_up = Work { connectors: Vec::new(), tasks: vec![task] };
            if let Some(held) = decision.holds.get_mut(&id) {
                held.remove(&given_up.set());
            }
            if let Some(part) = decision.parts.get_mut(&id) {
                part.revoked.add(&given_up);
            }
        }
    }
}

/// The shorter of two waits, of which 0 is none.
fn sooner(one_ms: i32, other_ms: i32) -> i32 {
    [one_ms, other_ms].into_iter().filter(|ms| 0 < *ms).min().unwrap_or(0)
}

/// `host:port` of a URL, by which a worker signs its statuses.
fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}
