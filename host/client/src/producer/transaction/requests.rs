//! Asks coordinators what a transaction needs.

use std::{collections::HashMap, sync::Arc, time::Duration};

use millstream_record::TopicName;
use millstream_wire::protocol::{
    messages::{
        AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, EndTxnRequest, InitProducerIdRequest, ProducerId,
        TransactionalId, TxnOffsetCommitRequest,
        add_partitions_to_txn_request::AddPartitionsToTxnTopic,
        txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
    },
    protocol::{Request, StrBytes},
};

use super::{Abilities, GroupOffsets, Identity, Step, StepAnswer, TransactionVersion, verdict::most_serious};
use crate::{
    admin::{TopicPartition, wire_group},
    cluster::{CoordinatorOf, Link, RequestError, wire_name, wire_transactional_id},
    connection::{CallError, Connection},
    dial::HostPort,
    kafka_error::ErrorCode,
};

/// Newest versions that belong to the first generation of the protocol.
const END_V1: i16 = 4;
const COMMIT_OFFSETS_V1: i16 = 4;

/// Oldest version of InitProducerId that can ask for a newer epoch.
const RENEWING: i16 = 3;

/// Where coordinators were found.
#[derive(Debug, Default)]
pub(in crate::producer) struct Coordinators {
    transaction: Option<(i32, HostPort)>,
    groups: HashMap<String, (i32, HostPort)>,
}

impl Coordinators {
    /// Prepares a step. `names` are those of the partitions in it.
    pub(in crate::producer) fn work(
        &self,
        link: Link,
        id: Arc<str>,
        timeout: Duration,
        step: Step,
        names: Vec<TopicPartition>,
    ) -> StepWork {
        let coordinator = match &step {
            Step::CommitOffsets { offsets, .. } => self.groups.get(&offsets.group.group_id).cloned(),
            _ => self.transaction.clone(),
        };
        StepWork { link, id, timeout, step, names, coordinator }
    }

    /// Remembers where the coordinator was, or forgets it where it may be elsewhere.
    pub(in crate::producer) fn learn(&mut self, result: &StepResult) {
        let known = match &result.answer {
            StepAnswer::Done { .. } => result.coordinator.clone(),
            StepAnswer::Refused(code) if !code.is_stale_coordinator() && *code != ErrorCode::REQUEST_TIMED_OUT => {
                result.coordinator.clone()
            }
            StepAnswer::Refused(_) | StepAnswer::NotSent(_) | StepAnswer::Lost(_) => None,
        };
        let Step::CommitOffsets { offsets, .. } = &result.step else {
            self.transaction = known;
            return;
        };
        let group_id = offsets.group.group_id.clone();
        match known {
            Some(known) => self.groups.insert(group_id, known),
            None => self.groups.remove(&group_id),
        };
    }
}

/// A step to be carried out.
pub(in crate::producer) struct StepWork {
    link: Link,
    id: Arc<str>,
    timeout: Duration,
    step: Step,
    names: Vec<TopicPartition>,
    coordinator: Option<(i32, HostPort)>,
}

/// An answer with the step it is for, so that the state can be moved on.
pub(in crate::producer) struct StepResult {
    pub(in crate::producer) step: Step,
    pub(in crate::producer) answer: StepAnswer,
    pub(in crate::producer) abilities: Option<Abilities>,
    coordinator: Option<(i32, HostPort)>,
}

impl StepWork {
    /// Finds the coordinator if it is not known, and asks it once.
    pub(in crate::producer) async fn run(mut self) -> StepResult {
        let mut abilities = None;
        let answer = match self.connect().await {
            Err(error) => StepAnswer::NotSent(error),
            Ok(connection) => {
                if !matches!(self.step, Step::CommitOffsets { .. }) {
                    abilities = Some(Abilities {
                        version: if 2 <= connection.transaction_version() {
                            TransactionVersion::V2
                        } else {
                            TransactionVersion::V1
                        },
                        can_renew: connection.version(ApiKey::InitProducerId).is_ok_and(|version| RENEWING <= version),
                    });
                }
                self.ask(&connection).await.unwrap_or_else(|error| StepAnswer::Lost(error.into()))
            }
        };
        StepResult { step: self.step, answer, abilities, coordinator: self.coordinator }
    }

    async fn connect(&mut self) -> Result<Connection, RequestError> {
        let (node, address) = match &self.coordinator {
            Some(known) => known.clone(),
            None => {
                let wanted = match &self.step {
                    Step::CommitOffsets { offsets, .. } => CoordinatorOf::Group(&offsets.group.group_id),
                    _ => CoordinatorOf::Transaction(&self.id),
                };
                let found = self.link.cluster.find_coordinator(wanted).await?;
                self.coordinator = Some(found.clone());
                found
            }
        };
        self.link.to_address(node, &address).await
    }

    async fn ask(&self, connection: &Connection) -> Result<StepAnswer, CallError> {
        match &self.step {
            Step::InitProducerId { current } => self.init_producer_id(connection, *current).await,
            Step::AddPartitions { identity, .. } => self.add_partitions(connection, *identity).await,
            Step::AddOffsets { identity, group_id } => {
                let request = AddOffsetsToTxnRequest::default()
                    .with_transactional_id(self.wire_id())
                    .with_producer_id(ProducerId(identity.0))
                    .with_producer_epoch(identity.1)
                    .with_group_id(wire_group(group_id));
                Ok(plain(connection.call(&request).await?.error_code))
            }
            Step::CommitOffsets { identity, version, offsets } => {
                self.commit_offsets(connection, *identity, *version, offsets).await
            }
            Step::End { identity, version, commit } => {
                let request = EndTxnRequest::default()
                    .with_transactional_id(self.wire_id())
                    .with_producer_id(ProducerId(identity.0))
                    .with_producer_epoch(identity.1)
                    .with_committed(*commit);
                let response = connection.call_up_to(&request, newest::<EndTxnRequest>(*version, END_V1)).await?;
                Ok(match ErrorCode::check(response.error_code) {
                    Err(code) => StepAnswer::Refused(code),
                    Ok(()) if response.producer_id.0 < 0 => StepAnswer::Done { identity: None },
                    Ok(()) => StepAnswer::Done { identity: Some((response.producer_id.0, response.producer_epoch)) },
                })
            }
        }
    }

    fn wire_id(&self) -> TransactionalId {
        wire_transactional_id(&self.id)
    }

    async fn init_producer_id(
        &self,
        connection: &Connection,
        current: Option<Identity>,
    ) -> Result<StepAnswer, CallError> {
        let mut request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.wire_id()))
            .with_transaction_timeout_ms(i32::try_from(self.timeout.as_millis()).unwrap_or(i32::MAX))
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        if let Some((id, epoch)) = current {
            if connection.version(ApiKey::InitProducerId)? < RENEWING {
                return Ok(StepAnswer::Refused(ErrorCode::UNSUPPORTED_VERSION));
            }
            request = request.with_producer_id(ProducerId(id)).with_producer_epoch(epoch);
        }
        let response = connection.call(&request).await?;
        Ok(match ErrorCode::check(response.error_code) {
            Ok(()) => StepAnswer::Done { identity: Some((response.producer_id.0, response.producer_epoch)) },
            Err(code) => StepAnswer::Refused(code),
        })
    }

    async fn add_partitions(&self, connection: &Connection, identity: Identity) -> Result<StepAnswer, CallError> {
        let mut topics: Vec<AddPartitionsToTxnTopic> = Vec::new();
        for (topic, partition) in &self.names {
            match topics.last_mut() {
                Some(last) if last.name.as_str() == topic.as_str() => last.partitions.push(*partition),
                _ => {
                    let first = AddPartitionsToTxnTopic::default().with_name(wire_name(topic));
                    topics.push(first.with_partitions(vec![*partition]));
                }
            }
        }
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.wire_id())
            .with_v3_and_below_producer_id(ProducerId(identity.0))
            .with_v3_and_below_producer_epoch(identity.1)
            .with_v3_and_below_topics(topics);
        let response = connection.call(&request).await?;
        let results = response.results_by_topic_v3_and_below;
        let codes = results.iter().flat_map(|topic| &topic.results_by_partition);
        Ok(self.decided(codes.map(|partition| partition.partition_error_code)))
    }

    async fn commit_offsets(
        &self,
        connection: &Connection,
        identity: Identity,
        version: TransactionVersion,
        GroupOffsets { group, offsets }: &GroupOffsets,
    ) -> Result<StepAnswer, CallError> {
        let ceiling = newest::<TxnOffsetCommitRequest>(version, COMMIT_OFFSETS_V1);
        let spoken = connection.version(ApiKey::TxnOffsetCommit)?.min(ceiling);
        let mut topics: Vec<(&TopicName, Vec<TxnOffsetCommitRequestPartition>)> = Vec::new();
        for (topic, partition, at) in offsets {
            let mut wanted = TxnOffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(at.offset)
                .with_committed_metadata(Some(StrBytes::from_string(at.metadata.clone())));
            if 2 <= spoken {
                wanted = wanted.with_committed_leader_epoch(at.leader_epoch.unwrap_or(-1));
            }
            match topics.iter_mut().find(|(name, _)| *name == topic) {
                Some((_, partitions)) => partitions.push(wanted),
                None => topics.push((topic, vec![wanted])),
            }
        }
        let topic = |(name, partitions)| {
            TxnOffsetCommitRequestTopic::default().with_name(wire_name(name)).with_partitions(partitions)
        };
        let mut request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.wire_id())
            .with_group_id(wire_group(&group.group_id))
            .with_producer_id(ProducerId(identity.0))
            .with_producer_epoch(identity.1)
            .with_topics(topics.into_iter().map(topic).collect());
        if 3 <= spoken {
            request = request
                .with_generation_id(group.generation)
                .with_member_id(StrBytes::from_string(group.member_id.clone()))
                .with_group_instance_id(group.group_instance_id.clone().map(StrBytes::from_string));
        } else if !group.member_id.is_empty() {
            // Nobody would see to it that a member which the group has expelled commits nothing.
            return Ok(StepAnswer::Refused(ErrorCode::UNSUPPORTED_VERSION));
        }
        let response = connection.call_up_to(&request, ceiling).await?;
        let codes = response.topics.iter().flat_map(|topic| &topic.partitions);
        Ok(self.decided(codes.map(|partition| partition.error_code)))
    }

    fn decided(&self, codes: impl IntoIterator<Item = i16>) -> StepAnswer {
        match most_serious(&self.step, codes) {
            Ok(()) => StepAnswer::Done { identity: None },
            Err(code) => StepAnswer::Refused(code),
        }
    }
}

fn plain(code: i16) -> StepAnswer {
    match ErrorCode::check(code) {
        Ok(()) => StepAnswer::Done { identity: None },
        Err(code) => StepAnswer::Refused(code),
    }
}

/// The newest version of a request that a generation of the protocol may use.
fn newest<R: Request>(version: TransactionVersion, first_generation: i16) -> i16 {
    match version {
        TransactionVersion::V1 => first_generation,
        TransactionVersion::V2 => R::VERSIONS.max,
    }
}
