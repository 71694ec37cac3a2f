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
    batch::{BatchHeader, set_base_offset, verify_crc},
    frame::{FrameDecoder, decode_request, decode_request_header, encode_response},
    protocol::{
        messages::{
            ApiKey, ApiVersionsResponse, BrokerId, FetchRequest, FetchResponse, InitProducerIdResponse,
            ListOffsetsResponse, MetadataResponse, ProduceRequest, ProduceResponse, ProducerId,
            api_versions_response::ApiVersion,
            fetch_response::{FetchableTopicResponse, PartitionData},
            list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
            metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
            produce_response::{PartitionProduceResponse, TopicProduceResponse},
        },
        protocol::{Encodable, StrBytes},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpListener,
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
}

/// The broker. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Scripted {
    pub script: Arc<Mutex<Script>>,
}

impl Scripted {
    /// Serves one connection until it ends.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) {
        let mut decoder = FrameDecoder::new(100 << 20);
        loop {
            while let Some(frame) = decoder.next_frame().expect("a frame") {
                let Some(answer) = self.answer(frame) else { return };
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
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

    fn answer(&self, mut frame: Bytes) -> Option<Bytes> {
        let (api, header) = decode_request_header(&mut frame).expect("a header");
        let (version, id) = (header.request_api_version, header.correlation_id);
        let encode = |response: &dyn Fn() -> Result<Bytes, String>| Some(response().expect("encodes"));
        fn done<B: Encodable>(api: ApiKey, version: i16, id: i32, body: &B) -> Result<Bytes, String> {
            encode_response(api, version, id, body).map_err(|error| error.to_string())
        }
        match api {
            ApiKey::ApiVersions => {
                let keys = [(0, 0, 11), (1, 4, 12), (2, 1, 9), (3, 0, 12), (18, 0, 4), (22, 0, 4)];
                let keys = keys.map(|(key, min, max)| {
                    ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
                });
                let body = ApiVersionsResponse::default().with_api_keys(keys.to_vec());
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::Metadata => encode(&|| done(api, version, id, &metadata())),
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
                let next_offset = self.script.lock().expect("unpoisoned").next_offset;
                let partition = ListOffsetsPartitionResponse::default().with_offset(next_offset).with_timestamp(-1);
                let topic = ListOffsetsTopicResponse::default().with_name(name()).with_partitions(vec![partition]);
                let body = ListOffsetsResponse::default().with_topics(vec![topic]);
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::Produce => {
                let request: ProduceRequest = decode_request(api, version, frame).expect("a request");
                let body = self.produce(&request)?;
                encode(&|| done(api, version, id, &body))
            }
            ApiKey::Fetch => {
                let request: FetchRequest = decode_request(api, version, frame).expect("a request");
                let body = self.fetch(&request);
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
            Fault::None | Fault::DropAnswer => script.append(&records),
        };
        if matches!(fault, Fault::DropAnswer) {
            return None;
        }
        let partition = PartitionProduceResponse::default().with_error_code(code).with_base_offset(offset);
        let topic = TopicProduceResponse::default().with_name(name()).with_partition_responses(vec![partition]);
        Some(ProduceResponse::default().with_responses(vec![topic]))
    }

    fn fetch(&self, request: &FetchRequest) -> FetchResponse {
        let script = self.script.lock().expect("unpoisoned");
        let offset = request.topics[0].partitions[0].fetch_offset;
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
        let topic = FetchableTopicResponse::default().with_topic(name()).with_partitions(vec![partition]);
        FetchResponse::default().with_responses(vec![topic])
    }
}

impl Script {
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
        self.log.extend_from_slice(&batch);
        self.next_offset += i64::from(header.record_count);
        (0, base)
    }
}

fn name() -> millstream_wire::protocol::messages::TopicName {
    StrBytes::from_static_str("t").into()
}

fn metadata() -> MetadataResponse {
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(1))
        .with_host(StrBytes::from_static_str("scripted.example"))
        .with_port(9092);
    let partition =
        MetadataResponsePartition::default().with_partition_index(0).with_leader_id(BrokerId(1)).with_leader_epoch(0);
    let topic = MetadataResponseTopic::default().with_name(Some(name())).with_partitions(vec![partition]);
    MetadataResponse::default().with_brokers(vec![broker]).with_controller_id(BrokerId(1)).with_topics(vec![topic])
}

#[async_trait::async_trait]
impl Dial for Scripted {
    /// A pipe in memory, as the worker's built-in broker is reached.
    async fn dial(&self, _host: &str, _port: u16) -> io::Result<Box<dyn Stream>> {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
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
