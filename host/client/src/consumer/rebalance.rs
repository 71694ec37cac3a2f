//! The group's rebalances: joining, giving up, taking what is assigned, and dividing as the leader has to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use millstream_record::{ErrorChain, TopicName};
use tokio::time::Instant;

use super::{Consumer, GroupPhase, RebalanceEvent, work::Event};
use crate::{
    admin::{GroupDescription, describe_group},
    assignment::{Assignor, Subscriber, consumer_protocol},
    cluster::{Cluster, TopicsWanted},
    group::{GroupEvent, GroupProtocol, JoinedMember},
    kafka_error::ErrorCode,
    metadata::Metadata,
};

impl Consumer {
    /// Carries out an announced revocation and joins the group, if that is due.
    pub(super) async fn rejoin(&mut self) {
        let Some(topics) = self.subscription.to_join_with() else { return };
        if self.phase != GroupPhase::ToJoin || self.group.is_none() {
            return;
        }
        let mut kept = BTreeSet::new();
        let metadata = if self.config.is_cooperative() {
            kept = self.positions.assigned();
            kept.retain(|partition| !self.giving_up.contains(partition) && topics.contains(&partition.0));
            let generation = self.group.as_ref().and_then(|group| group.generation());
            consumer_protocol::encode_cooperative(&consumer_protocol::Subscription {
                topics: topics.clone(),
                owned: kept.clone(),
                generation: generation.map_or(-1, |(generation, _)| generation),
            })
        } else {
            consumer_protocol::encode_subscription(topics)
        };
        let protocol =
            |assignor: &Assignor| GroupProtocol { name: assignor.name().to_owned(), metadata: metadata.clone() };
        let protocols = self.config.assignors.iter().map(protocol).collect();
        let gives_up = self.revoking || !self.giving_up.is_empty();
        if gives_up && self.config.auto_commit.is_some() {
            let offsets = self.consumed();
            if let Err(error) = self.commit(&offsets).await {
                tracing::warn!(group = ?self.config.group_id, error = %ErrorChain(&error), "offsets were not committed before a rebalance");
            }
        }
        self.revoking = false;
        self.giving_up.clear();
        self.divided = None;
        let search = self.first_search();
        self.positions.assign(&kept, search);
        self.phase = GroupPhase::Joining;
        if let Some(group) = &mut self.group {
            group.join(protocols);
        }
    }

    pub(super) fn announce_rebalance(&mut self) {
        match self.phase {
            GroupPhase::ToJoin => return,
            // Whoever joins anew while the answer is still to come would not know what it has, and could not give it up.
            GroupPhase::Joining => {
                self.join_again = true;
                return;
            }
            GroupPhase::Stable => {}
        }
        self.phase = GroupPhase::ToJoin;
        if self.config.is_cooperative() {
            // Only what nobody reads any more is given up before the others are heard.
            let topics = self.subscription.topics();
            let mut revoked = self.positions.assigned();
            revoked.retain(|(topic, _)| topics.is_some_and(|topics| !topics.contains(topic)));
            self.give_up(revoked);
            return;
        }
        self.revoking = true;
        // Also where there is nothing to give up: whoever polls then polls again and joins.
        self.events.push_back(RebalanceEvent::Revoked(self.positions.assigned()));
    }

    /// Tells what is given up by the next poll, if anything is.
    fn give_up(&mut self, partitions: BTreeSet<(TopicName, i32)>) {
        if !partitions.is_empty() {
            self.giving_up.extend(partitions.iter().cloned());
            self.events.push_back(RebalanceEvent::Revoked(partitions));
        }
    }

    pub(super) fn take_group_event(&mut self, event: GroupEvent) {
        match event {
            GroupEvent::Elected { members, keeps: true, generation, .. } => self.look_over(generation, &members),
            GroupEvent::Elected { protocol, members, .. } => self.divide(&protocol, &members),
            GroupEvent::Assigned { assignment, leader, .. } => {
                let partitions = consumer_protocol::decode_assignment(&assignment).unwrap_or_else(|error| {
                    tracing::warn!(group = ?self.config.group_id, error = %ErrorChain(&error), "the group's leader sent an unreadable assignment");
                    BTreeSet::new()
                });
                if !leader {
                    self.divided = None;
                }
                if self.phase == GroupPhase::Joining {
                    self.phase = GroupPhase::Stable;
                }
                let search = self.first_search();
                if self.config.is_cooperative() {
                    // Who gives something up joins again, so that others get it.
                    let mut revoked = self.positions.assigned();
                    revoked.retain(|partition| !partitions.contains(partition));
                    if !revoked.is_empty() {
                        self.phase = GroupPhase::ToJoin;
                    }
                    self.positions.assign(&revoked.union(&partitions).cloned().collect(), search);
                    self.give_up(revoked);
                } else {
                    self.positions.assign(&partitions, search);
                }
                self.membership.assigned.set(partitions.len() as i64);
                self.metadata_wanted = true;
                self.next_auto_commit = self.config.auto_commit.map(|interval| Instant::now() + interval);
                self.events.push_back(RebalanceEvent::Assigned(partitions));
                // A wish to rebalance that has come meanwhile stands.
                if std::mem::take(&mut self.join_again) {
                    self.announce_rebalance();
                }
            }
            // Who is joining already does what is wanted: no heartbeat has been sent since.
            GroupEvent::RebalanceNeeded if self.phase == GroupPhase::Joining => {}
            GroupEvent::RebalanceNeeded => {
                self.subscription.outdate();
                self.announce_rebalance();
            }
            GroupEvent::Lost(reason) => {
                self.subscription.outdate();
                self.join_again = false;
                self.phase = GroupPhase::ToJoin;
                self.revoking = false;
                self.giving_up.clear();
                let lost = self.positions.assigned();
                let search = self.first_search();
                self.positions.assign(&BTreeSet::new(), search);
                self.membership.assigned.set(0);
                self.events.push_back(RebalanceEvent::Lost(lost, reason));
            }
            GroupEvent::Failed(source) => self.failure = Some(source.into()),
        }
    }

    /// Divides the partitions of all members' topics, as the leader has to.
    fn divide(&mut self, protocol: &str, members: &[JoinedMember]) {
        let assignor = Assignor::from_name(protocol).unwrap_or(Assignor::Range);
        let subscribers = self.subscribers(members);
        let wanted = wanted(&subscribers);
        let cluster = self.cluster.clone();
        let may_create = self.config.allow_auto_create_topics;
        let session = self.config.session_timeout;
        let divided = async move {
            let partitions = count_of(ask_until(&cluster, &wanted, may_create, session / 2).await.as_ref(), &wanted);
            let assignments = assignor.assign(&subscribers, &partitions);
            let encode =
                |(member, partitions): (String, Vec<_>)| (member, consumer_protocol::encode_assignment(&partitions));
            Event::Divided { assignments: assignments.into_iter().map(encode).collect(), partitions }
        };
        self.work.push(divided.boxed());
    }

    /// Looks, as a leader that has taken the place of another one, whether what that gave out is everything that there is
    /// by now. From here on this one watches what there is.
    fn look_over(&mut self, generation: i32, members: &[JoinedMember]) {
        let wanted = wanted(&self.subscribers(members));
        let Some(group_id) = self.config.group_id.clone() else { return };
        let (cluster, link) = (self.cluster.clone(), self.link.clone());
        let may_create = self.config.allow_auto_create_topics;
        let session = self.config.session_timeout;
        let looked = async move {
            let partitions = count_of(ask_until(&cluster, &wanted, may_create, session / 2).await.as_ref(), &wanted);
            let complete = match describe_group(&link, &group_id).await {
                Ok(described) => covers(&described, &partitions),
                Err(error) => {
                    tracing::warn!(group = group_id, error = %ErrorChain(&error), "what an earlier leader gave out is not known, so the group is rebalanced");
                    false
                }
            };
            Event::LookedOver { generation, partitions, complete }
        };
        self.work.push(looked.boxed());
    }

    fn subscribers(&self, members: &[JoinedMember]) -> Vec<Subscriber> {
        let mut subscribers = Vec::with_capacity(members.len());
        for member in members {
            let subscription = consumer_protocol::decode_subscription(&member.metadata).unwrap_or_else(|error| {
                tracing::warn!(group = ?self.config.group_id, member = %member.member_id, error = %ErrorChain(&error), "a member's subscription is unreadable");
                consumer_protocol::Subscription::default()
            });
            let consumer_protocol::Subscription { topics, owned, generation } = subscription;
            let (member_id, group_instance_id) = (member.member_id.clone(), member.group_instance_id.clone());
            subscribers.push(Subscriber { member_id, group_instance_id, topics, owned, generation });
        }
        subscribers
    }
}

fn wanted(subscribers: &[Subscriber]) -> Vec<TopicName> {
    let topics: BTreeSet<TopicName> = subscribers.iter().flat_map(|member| &member.topics).cloned().collect();
    topics.into_iter().collect()
}

/// Numbers of partitions; without those of topics that are not there.
fn count_of(metadata: &Metadata, topics: &[TopicName]) -> BTreeMap<TopicName, u32> {
    topics.iter().filter_map(|topic| Some((topic.clone(), metadata.partition_count(topic)?))).collect()
}

/// Whether all of these partitions are somebody's. A group that is in between generations says nothing of that; it has
/// everything divided anew anyway.
fn covers(group: &GroupDescription, partitions: &BTreeMap<TopicName, u32>) -> bool {
    let assignments = group.members.iter().filter(|member| !member.assignment.is_empty());
    let decoded = assignments.map(|member| consumer_protocol::decode_assignment(&member.assignment));
    let given: BTreeSet<(TopicName, i32)> = decoded.filter_map(Result::ok).flatten().collect();
    let mut all = partitions.iter().flat_map(|(topic, count)| (0..*count).map(move |at| (topic.clone(), at as i32)));
    all.all(|partition| given.contains(&partition))
}

/// Asks about topics until an answer comes or `patience` runs out; then what is known has to do.
async fn ask_until(cluster: &Cluster, topics: &[TopicName], may_create: bool, patience: Duration) -> Arc<Metadata> {
    let started = Instant::now();
    let mut failures = 0;
    loop {
        match cluster.refresh(TopicsWanted::Named(topics), may_create).await {
            // A topic that is just being created has no leader yet, but will.
            Ok(metadata) => {
                let coming = |topic: &TopicName| {
                    metadata.topic(topic).and_then(|topic| topic.error) == Some(ErrorCode::LEADER_NOT_AVAILABLE)
                };
                if !topics.iter().any(coming) || patience <= started.elapsed() {
                    return metadata;
                }
            }
            Err(error) if patience <= started.elapsed() => {
                tracing::warn!(error = %ErrorChain(&error), "partitions are divided without knowing all topics");
                return cluster.metadata();
            }
            Err(_) => {}
        }
        tokio::time::sleep(cluster.settings().retry_delay(failures)).await;
        failures += 1;
    }
}
