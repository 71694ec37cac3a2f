//! A client of whole frames over the broker's in-memory stream.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod hostile;
pub mod peers;
pub mod transactional;

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use millstream_broker::{Broker, BrokerConfig};
use millstream_wire::{
    batch::{BatchStamp, RecordBatchBuilder},
    frame,
    protocol::{
        messages::{
            ApiKey, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader, TopicName,
            fetch_request::{FetchPartition, FetchTopic},
            produce_request::{PartitionProduceData, TopicProduceData},
        },
        protocol::{Decodable, Encodable, StrBytes},
    },
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

/// Nothing in these tests takes longer unless it hangs.
const LIMIT: Duration = Duration::from_secs(120);

pub fn config(dir: &Path) -> BrokerConfig {
    with(dir, &[])
}

pub fn with(dir: &Path, pairs: &[(&str, &str)]) -> BrokerConfig {
    let mut properties: BTreeMap<String, String> = BTreeMap::new();
    properties.insert("log.dirs".into(), dir.display().to_string());
    properties.insert("listeners".into(), String::new());
    properties.insert("group.initial.rebalance.delay.ms".into(), "0".into());
    properties.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    BrokerConfig::from_properties(&properties).unwrap()
}

pub struct Client<S = DuplexStream> {
    stream: S,
    correlation: i32,
    /// The last request that was sent.
    pub sent: Bytes,
}

impl Client {
    pub fn new(broker: &Broker) -> Self {
        Self::over(broker.connect())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Over any stream.
    pub fn over(stream: S) -> Self {
        Self { stream, correlation: 0, sent: Bytes::new() }
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn send<B: Encodable>(&mut self, api: ApiKey, version: i16, body: &B) -> i32 {
        self.send_as(api, version, version, body).await
    }

    /// Sends what is written as one version under the number of another.
    pub async fn send_as<B: Encodable>(&mut self, api: ApiKey, written: i16, version: i16, body: &B) -> i32 {
        self.correlation += 1;
        let header = RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(written)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("test")));
        let mut frame = BytesMut::from(&frame::encode_request(&header, body).unwrap()[..]);
        frame[6..8].copy_from_slice(&version.to_be_bytes());
        self.sent = frame.clone().freeze();
        self.send_raw(&frame).await;
        self.correlation
    }

    /// Sends no more, and waits until the broker has closed the connection.
    pub async fn end(mut self) {
        let ended = async {
            let _ = self.stream.shutdown().await;
            let mut rest = Vec::new();
            let _ = self.stream.read_to_end(&mut rest).await;
        };
        tokio::time::timeout(LIMIT, ended).await.expect("the broker closes in time");
    }

    /// The next frame; `None` when the broker closed the connection.
    pub async fn receive_raw(&mut self) -> Option<Bytes> {
        let read = async {
            let size = self.stream.read_i32().await.ok()?;
            let mut frame = vec![0; usize::try_from(size).unwrap()];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        tokio::time::timeout(LIMIT, read).await.expect("the broker answers or closes in time")
    }

    pub async fn receive<R: Decodable>(&mut self, api: ApiKey, version: i16, correlation: i32) -> R {
        let mut frame = self.receive_raw().await.expect("the connection is open");
        assert_eq!(frame::decode_response_header(api, version, &mut frame).unwrap(), correlation);
        frame::decode_response(api, version, frame).unwrap()
    }

    pub async fn call<B: Encodable, R: Decodable>(&mut self, api: ApiKey, version: i16, body: &B) -> R {
        let correlation = self.send(api, version, body).await;
        self.receive(api, version, correlation).await
    }

    pub async fn produce(&mut self, topic: &str, acks: i16, batch: Bytes) -> (i16, i64) {
        let correlation = self.send(ApiKey::Produce, 9, &produce_request(topic, acks, batch)).await;
        self.produced(correlation).await
    }

    pub async fn produced(&mut self, correlation: i32) -> (i16, i64) {
        let response: ProduceResponse = self.receive(ApiKey::Produce, 9, correlation).await;
        let partition = &response.responses[0].partition_responses[0];
        (partition.error_code, partition.base_offset)
    }

    /// Error code, high watermark and records.
    pub async fn fetch(&mut self, topic: &str, offset: i64, max_wait_ms: i32) -> (i16, i64, Bytes) {
        let response: FetchResponse = self.call(ApiKey::Fetch, 12, &fetch_request(topic, offset, max_wait_ms)).await;
        let partition = &response.responses[0].partitions[0];
        (partition.error_code, partition.high_watermark, partition.records.clone().unwrap_or_default())
    }

    /// Deletes a topic.
    pub async fn delete(&mut self, topic: &str) {
        use millstream_wire::protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
        let request = DeleteTopicsRequest::default().with_topic_names(vec![name(topic)]).with_timeout_ms(20_000);
        let response: DeleteTopicsResponse = self.call(ApiKey::DeleteTopics, 4, &request).await;
        assert_eq!(response.responses[0].error_code, 0);
    }

    /// Makes a topic by asking for it.
    pub async fn create(&mut self, topic: &str) {
        use millstream_wire::protocol::messages::{
            MetadataRequest, MetadataResponse, metadata_request::MetadataRequestTopic,
        };
        let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![wanted])).with_allow_auto_topic_creation(true);
        let response: MetadataResponse = self.call(ApiKey::Metadata, 9, &request).await;
        assert_eq!(response.topics[0].error_code, 0);
    }
}

pub fn name(topic: &str) -> TopicName {
    TopicName(text(topic))
}

pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub fn produce_request(topic: &str, acks: i16, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(20_000).with_topic_data(vec![topic])
}

pub fn fetch_request(topic: &str, offset: i64, max_wait_ms: i32) -> FetchRequest {
    fetch_request_of(topic, offset, max_wait_ms, 1 << 20)
}

pub fn fetch_request_of(topic: &str, offset: i64, max_wait_ms: i32, max_bytes: i32) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(max_bytes);
    let topic = FetchTopic::default().with_topic(name(topic)).with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(1)
        .with_max_bytes(max_bytes)
        .with_topics(vec![topic])
}

/// A batch of values, of nobody in particular or of an idempotent producer (id, epoch, sequence).
pub fn batch(values: &[&str], producer: Option<(i64, i16, i32)>) -> Bytes {
    let mut builder = RecordBatchBuilder::with_capacity(256);
    for value in values {
        builder.append(1_700_000_000_000, None, Some(value.as_bytes()), std::iter::empty()).unwrap();
    }
    let mut stamp = BatchStamp::default();
    if let Some((producer_id, producer_epoch, base_sequence)) = producer {
        stamp = BatchStamp { producer_id, producer_epoch, base_sequence, ..stamp };
    }
    let built: BytesMut = builder.finish(&stamp).unwrap();
    built.freeze()
}

/// What is logged on this thread from now on, a line each.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Collects until the guard is dropped.
    pub fn collect() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let sink = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || sink.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// Lines that contain all of these.
    pub fn lines(&self, parts: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Says why a test does not run, past the capture of the test harness.
pub fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}
