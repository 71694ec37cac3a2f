//! A broker in memory that does what a test tells it, for what a real one does not do on demand.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use millstream_client::{Dial, Stream};
use millstream_wire::{
    batch::{BatchHeader, BatchStamp, Batches, RecordBatchBuilder, set_base_offset, set_leader_epoch, verify_crc},
    frame::{FrameDecoder, decode_request, decode_request_header, encode_response},
    protocol::{
        messages::{
            ApiKey, ApiVersionsResponse, BrokerId, FetchRequest, FetchResponse, FindCoordinatorResponse,
            InitProducerIdResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataResponse, OffsetCommitRequest,
            OffsetCommitResponse, OffsetFetchResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
            ProduceRequest, ProduceResponse, ProducerId,
            api_versions_response::{ApiVersion, FinalizedFeatureKey},
            fetch_response::{FetchableTopicResponse, PartitionData},
            list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
            metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
            offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
            offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponseTopic},
            offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
            produce_response::{PartitionProduceResponse, TopicProduceResponse},
        },
        protocol::{Encodable, StrBytes},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpListener,
};

use super::{
    coordinator::Coordinator,
    sasl::{Login, SaslScript},
};

/// What happens to a produce request instead of being carried out.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Nothing: it is carried out.
    None,
    /// Refused with this code.
    Refuse(i16),
    /// The connection ends before it is carried out.
    Drop,
    /// It is carried out, and the connection ends instead of the answer.
    DropAnswer,
}

/// What producers have written to the one partition of topic `t`, and what is to go wrong.
#[derive(Debug, Default)]
pub struct Script {
    pub log: Vec<u8>,
    pub next_offset: i64,
    /// Producer id, epoch, and next sequence.
    writer: Option<(i64, i16, i32)>,
    /// Sequences and base offsets of the last five batches.
    recent: VecDeque<(i32, i64)>,
    /// For the next produce requests, in order.
    pub produce: VecDeque<Fault>,
    /// For the next InitProducerId requests.
    pub identity: VecDeque<i16>,
    pub identities: i64,
    /// Set for a broker that coordinates a transactional producer.
    pub coordinator: Option<Coordinator>,
    /// Set for a broker that wants to know whom it talks to.
    pub sasl: Option<SaslScript>,
    /// Versions of the produce requests.
    pub produced: Vec<i16>,
    pub leader_epoch: i32,
    /// First offset of the log.
    pub log_start: i64,
    /// Codes for the next OffsetForLeaderEpoch requests. Otherwise an epoch ends as the log says.
    pub checks: VecDeque<i16>,
    /// What consumers asked: epoch of the leader and of the record.
    pub checked: Vec<(i32, i32)>,
    /// Offsets that were fetched from the leader.
    pub fetched: Vec<i64>,
    /// Offset and leader epoch that the group has committed.
    pub committed: Option<(i64, i32)>,
    /// Set for a broker that reads nothing more.
    pub deaf: bool,
    /// Set for a broker that holds a fetch for which it has no records, until its client hangs up.
    pub holds: bool,
    /// Further partitions of the topic, all of them empty.
    pub empty_partitions: i32,
    /// APIs that the broker does not offer.
    pub without: Vec<i16>,
}

/// Stands for the answer to a fetch that is held.
const HELD: &[u8] = b"held";

/// The broker. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    pub script: Arc<Mutex<Script>>,
    /// Bytes that the pipe in memory holds; a megabyte if not set.
    pub pipe: Option<usize>,
}

impl Scripted {
    /// Serves one connection until it ends.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let mut decoder = FrameDecoder::new(100 << 20);
        let mut login = Login::default();
        if let Some(sasl) = &mut self.script.lock().expect("unpoisoned").sasl {
            sasl.connections += 1;
        }
        loop {
            while let Some(frame) = decoder.next_frame().expect("a frame") {
                let answer = match self.log_in(&frame, &mut login) {
                    Some(answer) => answer,
                    None => self.answer(frame),
                };
                let Some(answer) = answer else { return };
                if *answer == *HELD {
                    // Nothing more comes but the end.
                    let _ = stream.read_buf(decoder.spare()).await;
                    return;
                }
                if answer.is_empty() && login.is_open() {
                    std::future::pending::<()>().await;
                }
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            if self.script.lock().expect("unpoisoned").deaf {
                std::future::pending::<()>().await;
            }
            if !matches!(stream.read_buf(decoder.spare()).await, Ok(1..)) {
                return;
            }
        }
    }

    /// Serves every connection of a listener.
    pub async fn listen(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let broker = self.clone();
            tokio::spawn(async move { broker.serve(stream).await });
        }
    }

    /// `None` for what is no part of a login; inside, `None` ends the connection.
    fn log_in(&self, frame: &Bytes, login: &mut Login) -> Option<Option<Bytes>> {
        let mut script = self.script.lock().expect("unpoisoned");
        let sasl = script.sasl.as_mut()?;
        let mut frame = frame.clone();
        let (api, header) = decode_request_header(&mut frame).expect("a header");
        let (version, id) = (header.request_api_version, header.correlation_id);
        match api {
            ApiKey::SaslHandshake => {
                let body = login.handshake(&decode_request(api, version, frame).expect("a request"));
                Some(encode_response(api, version, id, &body).ok())
            }
            ApiKey::SaslAuthenticate if std::mem::take(&mut sasl.hangs) => Some(Some(Bytes::new())),
            ApiKey::SaslAuthenticate => {
                let body = login.token(sasl, &decode_request(api, version, frame).expect("a request"));
                Some(encode_response(api, version, id, &body).ok())
            }
            ApiKey::ApiVersions if !login.is_open() => None,
            _ if login.is_open() => {
                sasl.out_of_turn += 1;
                Some(None)
            }
            _ if !login.done => Some(None),
            _ => None,
        }
    }

    fn answer(&self, mut frame: Bytes) -> Option<Bytes> {
        let (api, header) = decode_request_header(&mut frame).expect("a header");
        let (version, id) = (header.request_api_version, header.correlation_id);
        let encode = |response: &dyn Fn() -> Result<Bytes, String>| Some(response().expect("encodes"));
        fn done<B: Encodable>(api: ApiKey, version: i16, id: i32, body: &B) -> Result<Bytes, String> {
            encode_response(api, version, id, body).map_err(|error| error.to_string())
        }
        if let Some(coordinator) = &mut self.script.lock().expect("unpoisoned").coordinator
            && (Coordinator::serves(api) || api == ApiKey::InitProducerId)
        {
            return coordinator.answer(api, version, id, frame);
        }
        match api {
            ApiKey::ApiVersions => {
                let keys =
                    [(0, 0, 11), (1, 4, 12), (2, 1, 9), (3, 0, 12), (8, 2, 9), (9, 1, 7), (10, 0, 3), (18, 0, 4)];
                let script = self.script.lock().expect("unpoisoned");
                let keys = keys.into_iter().chain([(22, 0, 4), (23, 2, 4)]);
                let newer = script.coordinator.as_ref().map_or(0, |coordinator| coordinator.version);
                let transactional = [(24, 0, 3), (25, 0, 4), (26, 0, 5), (28, 0, 5)];
                let keys = keys.chain([(17, 1, 1), (36, 0, 2)].into_iter().filter(|_| script.sasl.is_some()));
                let keys = keys.chain(transactional.into_iter().filter(|_| script.coordinator.is_some()));
                let keys = keys.map(|(key, min, max)| (key, min, if key == 0 && newer == 2 { 12 } else { max }));
                let keys = keys.filter(|(key, ..)| !script.without.contains(key)).map(|(key, min, max)| {
                    ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
                });
                let feature = FinalizedFeatureKey::default()
                    .with_name(StrBytes::from_static_str("transaction.version"))
                    .with_max_version_level(newer)
                    .with_min_version_level(newer);
                let mut body = ApiVersionsResponse::default().with_api_keys(keys.collect());
                if 3 <= version && 0 < newer {
                    body = body.with_finalized_features(vec![feature]).with_finalized_features_epoch(1);
                }
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::Metadata => {
                let body = metadata(&self.script.lock().expect("unpoisoned"));
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::FindCoordinator => {
                let body = FindCoordinatorResponse::default()
                    .with_node_id(BrokerId(1))
                    .with_host(StrBytes::from_static_str("scripted.example"))
                    .with_port(9092);
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::OffsetFetch => {
                let (offset, epoch) = self.script.lock().expect("unpoisoned").committed.unwrap_or((-1, -1));
                let partition = OffsetFetchResponsePartition::default()
                    .with_committed_offset(offset)
                    .with_committed_leader_epoch(epoch);
                let topic = OffsetFetchResponseTopic::default().with_name(name()).with_partitions(vec![partition]);
                let body = OffsetFetchResponse::default().with_topics(vec![topic]);
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::OffsetCommit => {
                let request: OffsetCommitRequest = decode_request(api, version, frame).expect("a request");
                let committed = &request.topics[0].partitions[0];
                let committed = (committed.committed_offset, committed.committed_leader_epoch);
                self.script.lock().expect("unpoisoned").committed = Some(committed);
                let partition = OffsetCommitResponsePartition::default();
                let topic = OffsetCommitResponseTopic::default().with_name(name()).with_partitions(vec![partition]);
                let body = OffsetCommitResponse::default().with_topics(vec![topic]);
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::OffsetForLeaderEpoch => {
                let request: OffsetForLeaderEpochRequest = decode_request(api, version, frame).expect("a request");
                let asked = &request.topics[0].partitions[0];
                let end =
                    self.script.lock().expect("unpoisoned").epoch_end(asked.current_leader_epoch, asked.leader_epoch);
                let topic = OffsetForLeaderTopicResult::default().with_topic(name()).with_partitions(vec![end]);
                let body = OffsetForLeaderEpochResponse::default().with_topics(vec![topic]);
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::InitProducerId => {
                let mut script = self.script.lock().expect("unpoisoned");
                let code = script.identity.pop_front().unwrap_or(0);
                script.identities += 1;
                let body = InitProducerIdResponse::default()
                    .with_error_code(code)
                    .with_producer_id(ProducerId(100 + script.identities))
                    .with_producer_epoch(0);
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::ListOffsets => {
                let request: ListOffsetsRequest = decode_request(api, version, frame).expect("a request");
                let script = self.script.lock().expect("unpoisoned");
                let earliest = request.topics[0].partitions[0].timestamp == -2;
                let offset = if earliest { script.log_start } else { script.next_offset };
                let partition = ListOffsetsPartitionResponse::default().with_offset(offset).with_timestamp(-1);
                let topic = ListOffsetsTopicResponse::default().with_name(name()).with_partitions(vec![partition]);
                let body = ListOffsetsResponse::default().with_topics(vec![topic]);
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::Produce => {
                let request: ProduceRequest = decode_request(api, version, frame).expect("a request");
                self.script.lock().expect("unpoisoned").produced.push(version);
                let body = self.produce(&request)?;
                if request.acks == 0 {
                    return Some(Bytes::new());
                }
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::Fetch => {
                let request: FetchRequest = decode_request(api, version, frame).expect("a request");
                let body = self.fetch(&request);
                let holds = self.script.lock().expect("unpoisoned").holds;
                let mut partitions = body.responses.iter().flat_map(|topic| &topic.partitions);
                if holds && partitions.all(|of| of.error_code == 0 && of.records.as_ref().is_none_or(Bytes::is_empty)) {
                    return Some(Bytes::from_static(HELD));
                }
                encode(&|| done(api, version, id, &body))
            }
            other => panic!("not in the script: {other:?}"),
        }
    }

    fn produce(&self, request: &ProduceRequest) -> Option<ProduceResponse> {
        let mut script = self.script.lock().expect("unpoisoned");
        let fault = script.produce.pop_front().unwrap_or(Fault::None);
        let records = request.topic_data[0].partition_data[0].records.clone().expect("records");
        let (code, offset) = match fault {
            Fault::Drop => return None,
            Fault::Refuse(code) => (code, -1),
            Fault::None | Fault::DropAnswer => {
                if let Some(coordinator) = &mut script.coordinator
                    && coordinator.version == 2
                {
                    coordinator.ongoing = true;
                }
                script.append(&records)
            }
        };
        if matches!(fault, Fault::DropAnswer) {
            return None;
        }
        let partition = PartitionProduceResponse::default().with_error_code(code).with_base_offset(offset);
        let topic = TopicProduceResponse::default().with_name(name()).with_partition_responses(vec![partition]);
        Some(ProduceResponse::default().with_responses(vec![topic]))
    }

    fn fetch(&self, request: &FetchRequest) -> FetchResponse {
        let mut script = self.script.lock().expect("unpoisoned");
        let mut partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        let empty = partitions.clone().filter(|asked| asked.partition != 0);
        let empty = empty.map(|asked| PartitionData::default().with_partition_index(asked.partition));
        let empty: Vec<PartitionData> = empty.collect();
        let answer = |partition: Option<PartitionData>| {
            let partitions = partition.into_iter().chain(empty.clone()).collect();
            let topic = FetchableTopicResponse::default().with_topic(name()).with_partitions(partitions);
            FetchResponse::default().with_responses(vec![topic])
        };
        let Some(asked) = partitions.find(|asked| asked.partition == 0) else { return answer(None) };
        let offset = asked.fetch_offset;
        let known = asked.current_leader_epoch;
        let code = match known.cmp(&script.leader_epoch) {
            std::cmp::Ordering::Less if 0 <= known => 74,
            std::cmp::Ordering::Greater => 75,
            _ if offset < script.log_start || script.next_offset < offset => 1,
            _ => 0,
        };
        if code != 0 {
            return answer(Some(PartitionData::default().with_error_code(code).with_high_watermark(-1)));
        }
        script.fetched.push(offset);
        let mut at = 0;
        while let Ok(header) = BatchHeader::parse(&script.log[at..]) {
            if offset <= header.last_offset() {
                break;
            }
            at += header.total_len();
        }
        let records = Bytes::copy_from_slice(&script.log[at..]);
        let partition = PartitionData::default()
            .with_high_watermark(script.next_offset)
            .with_last_stable_offset(script.next_offset)
            .with_records(Some(records));
        answer(Some(partition))
    }
}

impl Script {
    /// Where an epoch ended, by Kafka's rule.
    fn epoch_end(&mut self, known: i32, epoch: i32) -> EpochEndOffset {
        self.checked.push((known, epoch));
        if let Some(code) = self.checks.pop_front().filter(|code| *code != 0) {
            return EpochEndOffset::default().with_error_code(code);
        }
        if self.leader_epoch < epoch {
            return EpochEndOffset::default();
        }
        let batches = || Batches::new(&self.log).map(|batch| batch.expect("a batch").0);
        let floor =
            batches().map(|batch| batch.leader_epoch).filter(|written| *written <= epoch).max().unwrap_or(epoch);
        let end =
            batches().find(|batch| epoch < batch.leader_epoch).map_or(self.next_offset, |batch| batch.base_offset);
        EpochEndOffset::default().with_leader_epoch(floor).with_end_offset(end)
    }

    /// Loses the log from an offset on, as a leader does that fails before others have it.
    pub fn cut(&mut self, end: i64) {
        let keep = Batches::new(&self.log)
            .map(|batch| batch.expect("a batch").0)
            .take_while(|batch| batch.last_offset() < end)
            .map(|batch| batch.total_len())
            .sum();
        self.log.truncate(keep);
        self.next_offset = end;
    }

    /// Writes one record as the present leader.
    pub fn write(&mut self, value: &str) {
        let mut builder = RecordBatchBuilder::with_capacity(64);
        builder.append_at(0, 0, None, Some(value.as_bytes()), 0, &[]).expect("small");
        let batch = builder.finish(&BatchStamp::default()).expect("no codec").freeze();
        self.append(&batch);
    }

    /// Kafka's rules for idempotent producers: answers repetitions, refuses gaps.
    fn append(&mut self, records: &Bytes) -> (i16, i64) {
        let header = verify_crc(records).expect("the checksum is right");
        if header.has_producer_id() {
            let known =
                self.writer.filter(|(id, epoch, _)| (*id, *epoch) == (header.producer_id, header.producer_epoch));
            match known {
                Some((_, _, next)) => {
                    if let Some((_, offset)) = self.recent.iter().find(|(first, _)| *first == header.base_sequence) {
                        return (0, *offset);
                    }
                    if header.base_sequence != next {
                        return (45, -1);
                    }
                }
                None if header.base_sequence != 0 && self.writer.is_some() => return (45, -1),
                None => self.recent.clear(),
            }
            let next = (i64::from(header.last_sequence()) + 1) & i64::from(i32::MAX);
            self.writer = Some((header.producer_id, header.producer_epoch, next as i32));
        }
        let base = self.next_offset;
        self.recent.push_back((header.base_sequence, base));
        if 5 < self.recent.len() {
            self.recent.pop_front();
        }
        let mut batch = BytesMut::from(&records[..]);
        set_base_offset(&mut batch, base);
        set_leader_epoch(&mut batch, self.leader_epoch);
        self.log.extend_from_slice(&batch);
        self.next_offset += i64::from(header.record_count);
        (0, base)
    }
}

fn name() -> millstream_wire::protocol::messages::TopicName {
    StrBytes::from_static_str("t").into()
}

fn metadata(script: &Script) -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(StrBytes::from_static_str("scripted.example"))
        .with_port(9092);
    let partitions = (0..=script.empty_partitions).map(|number| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(BrokerId(1))
            .with_leader_epoch(script.leader_epoch)
    });
    let topic = MetadataResponseTopic::default().with_name(Some(name())).with_partitions(partitions.collect());
    MetadataResponse::default().with_brokers(vec![broker]).with_controller_id(BrokerId(1)).with_topics(vec![topic])
}

#[async_trait::async_trait]
impl Dial for Scripted {
    /// A pipe in memory, as the worker's built-in broker is reached.
    async fn dial(&self, _host: &str, _port: u16) -> io::Result<Box<dyn Stream>> {
        let (ours, theirs) = tokio::io::duplex(self.pipe.unwrap_or(1 << 20));
        let broker = self.clone();
        tokio::spawn(async move { broker.serve(theirs).await });
        Ok(Box::new(ours))
    }
}

/// Everything that went over the connections of one client, in the order they were opened.
#[derive(Debug, Default)]
pub struct Trace {
    pub connections: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Records what goes through another way of dialling. All addresses lead to `to`.
pub struct Recording<D> {
    pub inner: D,
    pub to: Option<u16>,
    pub trace: Arc<Mutex<Trace>>,
}

#[async_trait::async_trait]
impl<D: Dial> Dial for Recording<D> {
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let inner = match self.to {
            Some(port) => self.inner.dial("127.0.0.1", port).await?,
            None => self.inner.dial(host, port).await?,
        };
        let mut trace = self.trace.lock().expect("unpoisoned");
        trace.connections.push(Default::default());
        let number = trace.connections.len() - 1;
        Ok(Box::new(RecordedStream { inner, number, trace: Arc::clone(&self.trace) }))
    }
}

struct RecordedStream {
    inner: Box<dyn Stream>,
    number: usize,
    trace: Arc<Mutex<Trace>>,
}

impl AsyncRead for RecordedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        let mut trace = this.trace.lock().expect("unpoisoned");
        trace.connections[this.number].1.extend_from_slice(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RecordedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(context, bytes))?;
        let mut trace = this.trace.lock().expect("unpoisoned");
        trace.connections[this.number].0.extend_from_slice(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
