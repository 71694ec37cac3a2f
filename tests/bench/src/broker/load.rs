//! What is asked of the broker: frames that are made before, over plain TCP, so that asking costs little.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use bytes::{Bytes, BytesMut};
use millstream_wire::{
    batch::{BatchStamp, Batches, RecordBatchBuilder},
    frame,
    protocol::{
        messages::{
            ApiKey, CreateTopicsRequest, CreateTopicsResponse, FetchRequest, FetchResponse, ProduceRequest,
            ProduceResponse, RequestHeader, TopicName,
            create_topics_request::CreatableTopic,
            fetch_request::{FetchPartition, FetchTopic},
            produce_request::{PartitionProduceData, TopicProduceData},
        },
        protocol::{Decodable, Encodable, StrBytes},
    },
};

/// Requests of a producer that are under way at once, as Java's producer has them.
const IN_FLIGHT: u64 = 5;

/// What a consumer takes of a partition at once, as Java's and librdkafka's do, in bytes.
const FETCH_BYTES: i32 = 1 << 20;

/// Versions that every build of the broker serves.
const PRODUCE: i16 = 9;
const FETCH: i16 = 12;
const CREATE_TOPICS: i16 = 5;

/// The topic, of one partition.
fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("bench"))
}

/// One connection.
pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects.
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_nodelay(true).expect("a connected socket");
        Self { stream }
    }

    /// Makes the topic.
    pub fn create_topic(&mut self) {
        let topic = CreatableTopic::default().with_name(topic()).with_num_partitions(1).with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        self.send(&request_frame(ApiKey::CreateTopics, CREATE_TOPICS, &request));
        let answer: CreateTopicsResponse = self.receive(ApiKey::CreateTopics, CREATE_TOPICS);
        assert_eq!(answer.topics[0].error_code, 0, "the topic is made");
    }

    /// Appends one batch so many times, with acks=all.
    pub fn produce(&mut self, batch: &Batch, times: u64) {
        let data = PartitionProduceData::default().with_index(0).with_records(Some(batch.bytes.clone()));
        let topic = TopicProduceData::default().with_name(topic()).with_partition_data(vec![data]);
        let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic]);
        let frame = request_frame(ApiKey::Produce, PRODUCE, &request);
        let mut sent = 0;
        for answered in 0..times {
            while sent < times.min(answered + IN_FLIGHT) {
                self.send(&frame);
                sent += 1;
            }
            let answer: ProduceResponse = self.receive(ApiKey::Produce, PRODUCE);
            let partition = &answer.responses[0].partition_responses[0];
            assert_eq!(partition.error_code, 0, "the batch is appended");
            assert_eq!(partition.base_offset as u64, answered * batch.records, "each batch has its place");
        }
    }

    /// Reads records from the beginning on until there were so many; waits for those that are still to come.
    pub fn consume(&mut self, records: u64) {
        let mut next = 0;
        while next < records as i64 {
            let partition = FetchPartition::default().with_fetch_offset(next).with_partition_max_bytes(FETCH_BYTES);
            let topic = FetchTopic::default().with_topic(topic()).with_partitions(vec![partition]);
            let request = FetchRequest::default()
                .with_max_wait_ms(500)
                .with_min_bytes(1)
                .with_max_bytes(50 << 20)
                .with_topics(vec![topic]);
            self.send(&request_frame(ApiKey::Fetch, FETCH, &request));
            let answer: FetchResponse = self.receive(ApiKey::Fetch, FETCH);
            let partition = &answer.responses[0].partitions[0];
            assert_eq!(partition.error_code, 0, "the partition is read");
            for batch in Batches::new(partition.records.as_deref().unwrap_or_default()) {
                let (header, _) = batch.expect("whole batches come");
                assert_eq!(header.base_offset, next, "no batch is left out");
                next = header.last_offset() + 1;
            }
        }
    }

    fn send(&mut self, frame: &[u8]) {
        self.stream.write_all(frame).expect("the broker reads");
    }

    fn receive<B: Decodable>(&mut self, api: ApiKey, version: i16) -> B {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).expect("the broker answers");
        let mut frame = BytesMut::zeroed(u32::from_be_bytes(size) as usize);
        self.stream.read_exact(&mut frame).expect("the broker answers");
        let mut frame = frame.freeze();
        frame::decode_response_header(api, version, &mut frame).expect("a well-formed answer");
        frame::decode_response(api, version, frame).expect("a well-formed answer")
    }
}

fn request_frame<B: Encodable>(api: ApiKey, version: i16, body: &B) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("bench")));
    frame::encode_request(&header, body).expect("the request can be written")
}

/// A batch of records of one size, uncompressed.
pub struct Batch {
    bytes: Bytes,
    /// Records in it.
    pub records: u64,
}

impl Batch {
    /// Records with so many bytes of value, as many as fit into so many bytes, and at least one.
    pub fn new(record_bytes: usize, batch_bytes: usize) -> Self {
        let value = vec![b'v'; record_bytes];
        let mut builder = RecordBatchBuilder::with_capacity(batch_bytes);
        while builder.is_empty()
            || builder.estimated_size() + RecordBatchBuilder::size_of_record(None, Some(&value), 0) <= batch_bytes
        {
            builder.append(1_700_000_000_000, None, Some(&value), std::iter::empty()).expect("a batch takes it");
        }
        let records = builder.record_count() as u64;
        Self { bytes: builder.finish(&BatchStamp::default()).expect("nothing is compressed").freeze(), records }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }
}
