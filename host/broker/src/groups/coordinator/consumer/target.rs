//! The target assignment of an epoch.

use std::collections::BTreeMap;

use super::{ConsumerGroup, Moment};
use crate::groups::coordinator::assignor::{Assignor, MemberSpec, Spec};

impl ConsumerGroup {
    /// Computes the target of the present epoch, if there is none and the last one is old enough.
    pub(super) fn compute_target(&mut self, moment: &Moment<'_>) {
        if self.epoch <= self.target_epoch {
            return;
        }
        let interval_ms = i64::from(moment.settings.consumer_times.assignment_interval_ms);
        let next_ms = self.target_computed_at_ms.saturating_add(interval_ms);
        // A clock that was set back must not hold up assignments.
        let waits = self.target_computed_at_ms <= moment.wall_ms && moment.wall_ms < next_ms;
        if self.target_computed_at_ms != 0 && waits {
            return;
        }
        let assigned = {
            let mut topics = BTreeMap::new();
            let mut members = BTreeMap::new();
            for (id, member) in &self.members {
                let by_regex = self.regexes.get(&member.regex).into_iter().flat_map(|resolved| &resolved.topics);
                let found: Vec<_> =
                    member.topics.iter().chain(by_regex).filter_map(|name| moment.topics.topic(name)).collect();
                topics.extend(found.iter().copied());
                let spec = MemberSpec {
                    instance_id: member.instance_id.as_deref(),
                    topics: found.into_iter().map(|(topic, _)| topic).collect(),
                    before: self.targets.get(id),
                };
                members.insert(id.as_str(), spec);
            }
            self.preferred_assignor(moment).assign(&Spec { members, topics })
        };
        for (id, target) in assigned {
            self.set_target(&id, target);
        }
        self.target_epoch = self.epoch;
        self.target_computed_at_ms = moment.wall_ms;
        self.unwritten.target_epoch = true;
    }

    /// The one that most members prefer; of equals the first that is supported.
    pub(super) fn preferred_assignor(&self, moment: &Moment<'_>) -> Assignor {
        let votes = |assignor: &Assignor| {
            let wanted = self.members.values().filter_map(|member| member.assignor.as_deref());
            wanted.filter(|name| *name == assignor.name()).count()
        };
        let supported = &moment.settings.consumer_assignors;
        let most = supported.iter().map(votes).max().unwrap_or(0);
        supported.iter().copied().find(|assignor| votes(assignor) == most).unwrap_or(Assignor::Uniform)
    }
}
