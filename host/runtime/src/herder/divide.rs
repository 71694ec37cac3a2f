//! The herder as the leader of its group: who does what, and what statuses say of what nobody does.

use std::time::Duration;

use millstream_connector::TaskId;

use super::{State, run::Loop};
use crate::membership::{
    ConnectVersion, Member, WorkAssignment, WorkSet,
    assignor::{Decision, Delay, Generations, Part, eager},
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
        let decision = if told.error == 0 {
            let decision = self.decide(generation, version, members);
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
        let delay_ms = decision.delay_ms;
        let part_of = |(member, part): (String, Part)| {
            let (assigned, revoked) = (part.assigned.shares(), part.revoked.shares());
            (member, WorkAssignment { assigned, revoked, delay_ms, ..told.clone() })
        };
        self.membership.assign(decision.parts.into_iter().map(part_of).collect());
    }

    fn decide(&mut self, generation: i32, version: ConnectVersion, members: &[Member]) -> Decision {
        let configured = self.wanted();
        if version == ConnectVersion::Eager {
            return eager(&configured, members.iter().map(|member| &*member.id));
        }
        // Work of a worker that has gone is given out at once, by those that do not mind being asked twice.
        let ours = members.iter().all(|member| member.ours);
        let most = self.group.as_ref().and_then(|rules| rules.max_delay);
        let most = most.unwrap_or(if ours { Duration::ZERO } else { CONNECTS_DELAY });
        let delay = Delay { most_ms: i32::try_from(most.as_millis()).unwrap_or(i32::MAX), until_back: ours };
        let now_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let generations = Generations { completed: self.shared.place().completed, current: generation };
        let holds = members.iter().map(|member| (member.id.clone(), member.holds.clone())).collect();
        self.assignor.assign(now_ms, generations, &configured, &holds, delay)
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

/// `host:port` of a URL, by which a worker signs its statuses.
fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default().to_owned()
}
