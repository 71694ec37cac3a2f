//! How the leader of a consumer group divides partitions among its members.
//!
//! Plain functions with the results of Java's assignors of the same name, which may lead another generation of
//! the same group; only the cooperative one has its rules and not its every choice.

use std::collections::{BTreeMap, BTreeSet};

use millstream_record::TopicName;

use super::sticky;

/// A strategy. All members of a group use one that all of them know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Assignor {
    /// Each topic by itself, in runs of neighbouring partitions.
    Range,
    /// All partitions in turn.
    RoundRobin,
    /// Evenly, while as much as possible stays where it is. Where a consumer has no other strategy, it keeps what it has
    /// during a rebalance and gives up only what it is to give up.
    CooperativeSticky,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Subscriber {
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) topics: BTreeSet<TopicName>,
    /// What it has, if it keeps that while the group rebalances.
    pub(crate) owned: BTreeSet<(TopicName, i32)>,
    /// Generation in which it was given that; -1 for none.
    pub(crate) generation: i32,
}

impl Subscriber {
    /// Java sorts static members first, by their own ids, so that restarts change nothing.
    fn order(&self) -> (bool, &str) {
        match &self.group_instance_id {
            Some(id) => (false, id),
            None => (true, &self.member_id),
        }
    }
}

/// Partitions by member id.
pub(crate) type Assignment = BTreeMap<String, Vec<(TopicName, i32)>>;

impl Assignor {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The strategy with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Range, Self::RoundRobin, Self::CooperativeSticky].into_iter().find(|assignor| assignor.name() == name)
    }

    /// Divides the partitions of the subscribed topics. Topics with an unknown number of partitions are left out.
    pub(crate) fn assign(self, members: &[Subscriber], partitions: &BTreeMap<TopicName, u32>) -> Assignment {
        let mut members: Vec<&Subscriber> = members.iter().collect();
        members.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut assignment: Assignment = members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
        match self {
            Self::Range => assign_ranges(&members, partitions, &mut assignment),
            Self::RoundRobin => assign_in_turn(&members, partitions, &mut assignment),
            Self::CooperativeSticky => sticky::assign(&members, partitions, &mut assignment),
        }
        assignment
    }
}

fn assign_ranges(members: &[&Subscriber], partitions: &BTreeMap<TopicName, u32>, assignment: &mut Assignment) {
    for (topic, &count) in partitions {
        let interested: Vec<_> = members.iter().filter(|member| member.topics.contains(topic)).collect();
        let Some(each) = (count as usize).checked_div(interested.len()) else { continue };
        let with_one_more = count as usize % interested.len();
        let mut next = 0;
        for (at, member) in interested.iter().enumerate() {
            let share = each + usize::from(at < with_one_more);
            let share = (next..next + share).map(|partition| (topic.clone(), partition as i32));
            let assigned = assignment.entry(member.member_id.clone()).or_default();
            next += share.len();
            assigned.extend(share);
        }
    }
}

fn assign_in_turn(members: &[&Subscriber], partitions: &BTreeMap<TopicName, u32>, assignment: &mut Assignment) {
    let mut turn = 0;
    for (topic, &count) in partitions {
        if !members.iter().any(|member| member.topics.contains(topic)) {
            continue;
        }
        for partition in 0..count {
            while !members[turn % members.len()].topics.contains(topic) {
                turn += 1;
            }
            let member = members[turn % members.len()];
            assignment.entry(member.member_id.clone()).or_default().push((topic.clone(), partition as i32));
            turn += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_gives_neighbouring_partitions_of_each_topic() {
        check(
            Assignor::Range,
            &[("a", &["t", "u"]), ("b", &["t", "u"])],
            &[("t", 3), ("u", 3)],
            &[("a", &["t0", "t1", "u0", "u1"]), ("b", &["t2", "u2"])],
        );
        check(
            Assignor::Range,
            &[("b", &["t"]), ("a", &["t", "u"]), ("c", &["u"])],
            &[("t", 2), ("u", 1)],
            &[("a", &["t0", "u0"]), ("b", &["t1"]), ("c", &[])],
        );
    }

    #[test]
    fn round_robin_gives_all_partitions_in_turn() {
        check(
            Assignor::RoundRobin,
            &[("a", &["t", "u"]), ("b", &["t", "u"])],
            &[("t", 3), ("u", 3)],
            &[("a", &["t0", "t2", "u1"]), ("b", &["t1", "u0", "u2"])],
        );
        // Java's own example of unequal subscriptions.
        check(
            Assignor::RoundRobin,
            &[("c0", &["t0"]), ("c1", &["t0", "t1"]), ("c2", &["t0", "t1", "t2"])],
            &[("t0", 1), ("t1", 2), ("t2", 3)],
            &[("c0", &["t00"]), ("c1", &["t10"]), ("c2", &["t11", "t20", "t21", "t22"])],
        );
    }

    #[test]
    fn topics_nobody_wants_or_knows_are_left_out() {
        check(Assignor::Range, &[("a", &["gone"])], &[("t", 2)], &[("a", &[])]);
        check(Assignor::RoundRobin, &[("a", &["gone"])], &[("t", 2)], &[("a", &[])]);
    }

    #[track_caller]
    fn check(assignor: Assignor, members: &[(&str, &[&str])], topics: &[(&str, u32)], expected: &[(&str, &[&str])]) {
        let topic = |name: &str| TopicName::parse(name).expect("a valid name");
        let members: Vec<Subscriber> = members
            .iter()
            .map(|(id, topics)| Subscriber {
                member_id: (*id).to_owned(),
                group_instance_id: None,
                topics: topics.iter().map(|name| topic(name)).collect(),
                owned: BTreeSet::new(),
                generation: -1,
            })
            .collect();
        let partitions = topics.iter().map(|(name, count)| (topic(name), *count)).collect();
        let assigned: Vec<(String, Vec<String>)> = assignor
            .assign(&members, &partitions)
            .into_iter()
            .map(|(id, partitions)| (id, partitions.iter().map(|(topic, at)| format!("{topic}{at}")).collect()))
            .collect();
        let expected: Vec<(String, Vec<String>)> = expected
            .iter()
            .map(|(id, partitions)| ((*id).to_owned(), partitions.iter().map(|p| (*p).to_owned()).collect()))
            .collect();
        assert_eq!(assigned, expected);
    }
}
