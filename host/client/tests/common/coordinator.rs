//! The scripted broker's part as coordinator of one transactional producer.

use std::collections::VecDeque;

use bytes::Bytes;
use millstream_wire::{
    frame::{decode_request, encode_response},
    protocol::{
        messages::{
            AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
            ApiKey, EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
            TxnOffsetCommitRequest, TxnOffsetCommitResponse,
            add_partitions_to_txn_response::{AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult},
            txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic},
        },
        protocol::Encodable,
    },
};

use super::scripted::Fault;

/// Kafka's rules for a transactional id, as far as these tests need them.
#[derive(Debug, Default)]
pub struct Coordinator {
    /// The level of `transaction.version`; 0 for a broker that knows no such feature.
    pub version: i16,
    pub epoch: i16,
    pub ongoing: bool,
    /// What has ended: its epoch, and whether it was committed.
    pub ended: Vec<(i16, bool)>,
    /// What was asked, in order.
    pub asked: Vec<String>,
    /// For the next requests to the coordinator, in order.
    pub faults: VecDeque<Fault>,
}

impl Coordinator {
    /// Whether a request is the coordinator's.
    pub fn serves(api: ApiKey) -> bool {
        matches!(api, ApiKey::AddPartitionsToTxn | ApiKey::AddOffsetsToTxn | ApiKey::TxnOffsetCommit | ApiKey::EndTxn)
    }

    /// `None` ends the connection.
    pub fn answer(&mut self, api: ApiKey, version: i16, id: i32, frame: Bytes) -> Option<Bytes> {
        let fault = self.faults.pop_front().unwrap_or(Fault::None);
        if matches!(fault, Fault::Drop) {
            return None;
        }
        let refused = if let Fault::Refuse(code) = fault { Some(code) } else { None };
        fn done<B: Encodable>(api: ApiKey, version: i16, id: i32, body: &B) -> Option<Bytes> {
            Some(encode_response(api, version, id, body).expect("encodes"))
        }
        let answer = match api {
            ApiKey::InitProducerId => {
                let request: InitProducerIdRequest = decode_request(api, version, frame).expect("a request");
                self.asked.push(format!("init {} {}", request.producer_id.0, request.producer_epoch));
                let code = refused.unwrap_or_else(|| {
                    self.epoch += 1;
                    self.ongoing = false;
                    0
                });
                let body = InitProducerIdResponse::default()
                    .with_error_code(code)
                    .with_producer_id(ProducerId(7))
                    .with_producer_epoch(self.epoch);
                done(api, version, id, &body)
            }
            ApiKey::AddPartitionsToTxn => {
                let request: AddPartitionsToTxnRequest = decode_request(api, version, frame).expect("a request");
                let topics = request.v3_and_below_topics;
                self.asked.push(format!("add {} of {}", topics[0].partitions.len(), topics[0].name.as_str()));
                let code = self.check(request.v3_and_below_producer_epoch, refused);
                self.ongoing |= code == 0;
                let partition = |at: &i32| {
                    AddPartitionsToTxnPartitionResult::default()
                        .with_partition_index(*at)
                        .with_partition_error_code(code)
                };
                let results = AddPartitionsToTxnTopicResult::default()
                    .with_name(topics[0].name.clone())
                    .with_results_by_partition(topics[0].partitions.iter().map(partition).collect());
                let body = AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(vec![results]);
                done(api, version, id, &body)
            }
            ApiKey::AddOffsetsToTxn => {
                let request: AddOffsetsToTxnRequest = decode_request(api, version, frame).expect("a request");
                self.asked.push(format!("add offsets of {}", request.group_id.as_str()));
                let code = self.check(request.producer_epoch, refused);
                self.ongoing |= code == 0;
                done(api, version, id, &AddOffsetsToTxnResponse::default().with_error_code(code))
            }
            ApiKey::TxnOffsetCommit => {
                let request: TxnOffsetCommitRequest = decode_request(api, version, frame).expect("a request");
                let committed = &request.topics[0].partitions[0];
                self.asked.push(format!("v{version} offset {}", committed.committed_offset));
                let code = self.check(request.producer_epoch, refused);
                self.ongoing |= code == 0;
                let partition = TxnOffsetCommitResponsePartition::default().with_error_code(code);
                let topic = TxnOffsetCommitResponseTopic::default()
                    .with_name(request.topics[0].name.clone())
                    .with_partitions(vec![partition]);
                done(api, version, id, &TxnOffsetCommitResponse::default().with_topics(vec![topic]))
            }
            ApiKey::EndTxn => {
                let request: EndTxnRequest = decode_request(api, version, frame).expect("a request");
                let word = if request.committed { "commit" } else { "abort" };
                self.asked.push(format!("v{version} {word} {}", request.producer_epoch));
                let code = refused.unwrap_or_else(|| self.end(request.producer_epoch, request.committed));
                let mut body = EndTxnResponse::default().with_error_code(code).with_producer_id(ProducerId(-1));
                if 5 <= version && code == 0 {
                    body = body.with_producer_id(ProducerId(7)).with_producer_epoch(self.epoch);
                }
                done(api, version, id, &body)
            }
            other => panic!("no request to a coordinator: {other:?}"),
        };
        if matches!(fault, Fault::DropAnswer) { None } else { answer }
    }

    fn check(&self, epoch: i16, refused: Option<i16>) -> i16 {
        refused.unwrap_or(if epoch == self.epoch { 0 } else { 90 })
    }

    fn end(&mut self, epoch: i16, commit: bool) -> i16 {
        if !self.ongoing && self.ended.last() == Some(&(epoch, commit)) {
            return 0;
        }
        if epoch != self.epoch {
            return 90;
        }
        if !self.ongoing {
            return 48;
        }
        self.ended.push((epoch, commit));
        self.ongoing = false;
        if 2 <= self.version {
            self.epoch += 1;
        }
        0
    }
}
