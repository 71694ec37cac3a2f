//! A transactional producer, one request at a time, in either generation of the protocol.

use std::{
    collections::HashMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use millstream_wire::{
    batch::{BatchStamp, Batches, RecordBatchBuilder, RecordReader},
    protocol::messages::{
        AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, ApiKey,
        EndTxnRequest, EndTxnResponse, FetchResponse, GroupId, InitProducerIdRequest, InitProducerIdResponse,
        OffsetFetchRequest, OffsetFetchResponse, ProduceResponse, ProducerId, TransactionalId, TxnOffsetCommitRequest,
        TxnOffsetCommitResponse,
        add_partitions_to_txn_request::AddPartitionsToTxnTopic,
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
        txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
    },
};

use super::{Client, fetch_request, name, produce_request, text};

/// Versions of Produce, EndTxn and TxnOffsetCommit.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    pub produce: i16,
    pub end: i16,
    pub commit: i16,
}

pub const FIRST: Generation = Generation { produce: 11, end: 4, commit: 4 };
pub const SECOND: Generation = Generation { produce: 12, end: 5, commit: 5 };

pub struct Producer {
    pub client: Client,
    pub id: &'static str,
    pub generation: Generation,
    pub producer_id: i64,
    pub epoch: i16,
    /// By topic: sequence of the next record.
    pub sequences: HashMap<String, i32>,
}

fn transactional_id(id: &str) -> TransactionalId {
    TransactionalId(text(id))
}

impl Producer {
    /// One that is initialised.
    pub async fn new(client: Client, id: &'static str, generation: Generation) -> Self {
        let mut producer = Self { client, id, generation, producer_id: -1, epoch: -1, sequences: HashMap::new() };
        assert_eq!(producer.init(60_000).await, 0);
        producer
    }

    pub async fn init(&mut self, timeout_ms: i32) -> i16 {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(transactional_id(self.id)))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let response: InitProducerIdResponse = self.client.call(ApiKey::InitProducerId, 4, &request).await;
        if response.error_code == 0 {
            (self.producer_id, self.epoch) = (response.producer_id.0, response.producer_epoch);
            self.sequences.clear();
        }
        response.error_code
    }

    pub async fn add(&mut self, topic: &str) -> i16 {
        let topic = AddPartitionsToTxnTopic::default().with_name(name(topic)).with_partitions(vec![0]);
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(transactional_id(self.id))
            .with_v3_and_below_producer_id(ProducerId(self.producer_id))
            .with_v3_and_below_producer_epoch(self.epoch)
            .with_v3_and_below_topics(vec![topic]);
        let response: AddPartitionsToTxnResponse = self.client.call(ApiKey::AddPartitionsToTxn, 3, &request).await;
        response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    }

    /// One record, which has the partition take part first where the generation wants that.
    pub async fn write(&mut self, topic: &str, value: &str) -> i16 {
        if self.generation.produce < 12 {
            let code = self.add(topic).await;
            if code != 0 {
                return code;
            }
        }
        self.produce(topic, value).await
    }

    pub async fn produce(&mut self, topic: &str, value: &str) -> i16 {
        let sequence = self.sequences.get(topic).copied().unwrap_or(0);
        let batch = batch(value, self.producer_id, self.epoch, sequence);
        let request = produce_request(topic, -1, batch).with_transactional_id(Some(transactional_id(self.id)));
        let response: ProduceResponse = self.client.call(ApiKey::Produce, self.generation.produce, &request).await;
        let code = response.responses[0].partition_responses[0].error_code;
        if code == 0 {
            self.sequences.insert(topic.to_owned(), sequence + 1);
        }
        code
    }

    pub async fn end(&mut self, commit: bool) -> i16 {
        let version = self.generation.end;
        let response: EndTxnResponse = self.client.call(ApiKey::EndTxn, version, &self.end_request(commit)).await;
        if response.error_code == 0 && 5 <= version {
            (self.producer_id, self.epoch) = (response.producer_id.0, response.producer_epoch);
            self.sequences.clear();
        }
        response.error_code
    }

    pub fn end_request(&self, commit: bool) -> EndTxnRequest {
        EndTxnRequest::default()
            .with_transactional_id(transactional_id(self.id))
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_committed(commit)
    }

    pub async fn add_offsets(&mut self, group: &str) -> i16 {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(transactional_id(self.id))
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_group_id(GroupId(text(group)));
        let response: AddOffsetsToTxnResponse = self.client.call(ApiKey::AddOffsetsToTxn, 3, &request).await;
        response.error_code
    }

    /// Commits an offset of partition 0, as nobody in particular (`generation` -1) or a member.
    pub async fn commit_offset(&mut self, group: &str, topic: &str, offset: i64, generation: i32) -> i16 {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(transactional_id(self.id))
            .with_group_id(GroupId(text(group)))
            .with_producer_id(ProducerId(self.producer_id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(generation)
            .with_topics(vec![topic]);
        let response: TxnOffsetCommitResponse =
            self.client.call(ApiKey::TxnOffsetCommit, self.generation.commit, &request).await;
        response.topics[0].partitions[0].error_code
    }
}

/// A transactional batch of one record.
pub fn batch(value: &str, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Bytes {
    let mut builder = RecordBatchBuilder::with_capacity(256);
    // Markers carry the present time, too: a segment does not span years.
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    builder.append(now_ms, None, Some(value.as_bytes()), std::iter::empty()).unwrap();
    let stamp = BatchStamp { producer_id, producer_epoch, base_sequence, transactional: true, ..BatchStamp::default() };
    builder.finish(&stamp).unwrap().freeze()
}

/// What a consumer of this isolation sees of partition 0: the values, and where it may not read on.
pub async fn consume(client: &mut Client, topic: &str, committed: bool) -> (Vec<String>, i64) {
    let request = fetch_request(topic, 0, 0).with_isolation_level(committed.into());
    let response: FetchResponse = client.call(ApiKey::Fetch, 12, &request).await;
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    let mut aborted: Vec<(i64, i64)> = partition
        .aborted_transactions
        .iter()
        .flatten()
        .map(|aborted| (aborted.producer_id.0, aborted.first_offset))
        .collect();
    let mut values = Vec::new();
    let records = partition.records.clone().unwrap_or_default();
    for batch in Batches::new(&records) {
        let (header, batch) = batch.unwrap();
        if header.is_control() {
            aborted.retain(|(producer_id, first)| *producer_id != header.producer_id || header.base_offset < *first);
            continue;
        }
        let is_aborted = aborted.iter().any(|(id, first)| *id == header.producer_id && *first <= header.base_offset);
        if is_aborted && header.is_transactional() {
            continue;
        }
        for record in RecordReader::new(&header, &batch[61..]) {
            values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
    }
    (values, partition.last_stable_offset)
}

/// The committed offset of partition 0, and the code for it.
pub async fn offset(client: &mut Client, group: &str, topic: &str, require_stable: bool) -> (i64, i16) {
    let topic = OffsetFetchRequestTopics::default().with_name(name(topic)).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(require_stable);
    let response: OffsetFetchResponse = client.call(ApiKey::OffsetFetch, 8, &request).await;
    let group = &response.groups[0];
    assert_eq!(group.error_code, 0);
    let partition = &group.topics[0].partitions[0];
    (partition.committed_offset, partition.error_code)
}
