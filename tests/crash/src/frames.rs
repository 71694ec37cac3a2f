//! A client of whole frames over plain TCP, which does what no client library would: not read, not wait, send nonsense.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder},
    frame,
    protocol::{
        messages::{
            ApiKey, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader, TopicName,
            fetch_request::{FetchPartition, FetchTopic},
            fetch_response::PartitionData,
            produce_request::{PartitionProduceData, TopicProduceData},
        },
        protocol::{Decodable, Encodable, StrBytes},
    },
};

/// Nothing takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(180);

const PRODUCE: i16 = 9;
const FETCH: i16 = 12;

/// One connection.
pub struct Frames {
    stream: TcpStream,
}

impl Frames {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody listens.
    pub fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self { stream })
    }

    /// Sends bytes, whatever they are.
    ///
    /// # Errors
    ///
    /// The connection is closed, or nobody reads.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a request and waits for no answer.
    ///
    /// # Errors
    ///
    /// As [`Self::send_raw`].
    pub fn send<B: Encodable>(&mut self, api: ApiKey, version: i16, body: &B) -> io::Result<()> {
        let header = RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let frame = frame::encode_request(&header, body).map_err(io::Error::other)?;
        self.send_raw(&frame)
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    ///
    /// The connection is closed, or nothing comes.
    pub fn receive<B: Decodable>(&mut self, api: ApiKey, version: i16) -> io::Result<B> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size)?;
        let mut frame = BytesMut::zeroed(u32::from_be_bytes(size) as usize);
        self.stream.read_exact(&mut frame)?;
        let mut frame = frame.freeze();
        frame::decode_response_header(api, version, &mut frame).map_err(io::Error::other)?;
        frame::decode_response(api, version, frame).map_err(io::Error::other)
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`Self::receive`].
    pub fn call<B: Encodable, R: Decodable>(&mut self, api: ApiKey, version: i16, body: &B) -> io::Result<R> {
        self.send(api, version, body)?;
        self.receive(api, version)
    }
}

/// A batch of one record with so many bytes of value.
pub fn batch_of(bytes: usize, fill: u8) -> Bytes {
    let mut builder = RecordBatchBuilder::with_capacity(bytes + 100);
    builder.append(1_700_000_000_000, None, Some(&vec![fill; bytes]), std::iter::empty()).expect("a batch takes it");
    builder.finish(&BatchStamp::default()).expect("nothing is compressed").freeze()
}

fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// A request that appends one batch to each of these partitions, with acks=all.
pub fn produce(topic: &str, partitions: std::ops::Range<i32>, batch: &Bytes) -> ProduceRequest {
    let data = |index| PartitionProduceData::default().with_index(index).with_records(Some(batch.clone()));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(partitions.map(data).collect());
    ProduceRequest::default().with_acks(-1).with_timeout_ms(120_000).with_topic_data(vec![topic])
}

/// Appends, and returns error code and first offset for each partition.
///
/// # Errors
///
/// The connection is closed, or nothing comes.
pub fn produced(client: &mut Frames, request: &ProduceRequest) -> io::Result<Vec<(i16, i64)>> {
    let answer: ProduceResponse = client.call(ApiKey::Produce, PRODUCE, request)?;
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
    Ok(partitions.map(|partition| (partition.error_code, partition.base_offset)).collect())
}

/// A request for what a partition has from an offset on, which waits up to half a second for anything.
pub fn fetch(topic: &str, partition: i32, offset: i64, max_bytes: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(max_bytes);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default().with_max_wait_ms(500).with_min_bytes(1).with_max_bytes(max_bytes).with_topics(vec![topic])
}

/// Fetches, and returns what came of the first partition.
///
/// # Errors
///
/// The connection is closed, or nothing comes.
pub fn fetched(client: &mut Frames, request: &FetchRequest) -> io::Result<PartitionData> {
    let answer: FetchResponse = client.call(ApiKey::Fetch, FETCH, request)?;
    let partition = answer.responses.into_iter().flat_map(|topic| topic.partitions).next();
    partition.ok_or_else(|| io::Error::other("the answer names no partition"))
}
