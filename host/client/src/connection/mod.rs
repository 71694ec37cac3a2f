//! One connection to one broker: frames out, frames in, answers matched to requests.
//!
//! A task owns the stream and does nothing but move bytes, so that answers arrive while their readers are
//! busy. It ends, and with it everything that waits, when the last handle is dropped, the stream breaks, an
//! answer makes no sense or comes too late.

mod authentication;
mod error;

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::{Buf, Bytes};
use millstream_metrics::{ClientConnections, WorkerNode};
use millstream_wire::{
    frame::{self, FrameDecoder},
    protocol::{
        messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader},
        protocol::{Request, StrBytes},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};
use tracing::Instrument as _;

use self::authentication::Session;
pub use self::{
    authentication::AuthenticationError,
    error::{CallError, Disconnect, HandshakeError},
};
use crate::{
    config::ConnectionSettings,
    dial::{HostPort, Stream},
    kafka_error::ErrorCode,
    trouble,
    versions::{self, OfferedVersions},
};

/// A handle on a connection. Clones share it; the last one closes it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    requests: mpsc::Sender<Outgoing>,
    versions: OnceLock<OfferedVersions>,
    client_id: Option<StrBytes>,
    timeout: Duration,
    ended: Arc<OnceLock<Arc<Disconnect>>>,
    /// Whether a part of an answer has arrived.
    receiving: Arc<AtomicBool>,
    session: Session,
    counts: Arc<ClientConnections>,
    node: Arc<OnceLock<Arc<WorkerNode>>>,
    task: JoinHandle<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request on its way to the task. Its correlation id is written there, so that ids ascend on the wire.
struct Outgoing {
    api: ApiKey,
    frame: bytes::BytesMut,
    timeout: Duration,
    /// `None` for a request that is not answered; told when it has been written.
    answer: Answer,
}

enum Answer {
    Frame(oneshot::Sender<Bytes>),
    /// For requests that brokers do not answer: told once the bytes are written.
    Written(oneshot::Sender<Bytes>),
}

/// The answer to a request that has been handed to its connection.
#[derive(Debug)]
pub(crate) struct Pending {
    api: ApiKey,
    version: i16,
    receiver: oneshot::Receiver<Bytes>,
    ended: Arc<OnceLock<Arc<Disconnect>>>,
}

impl Pending {
    /// Waits for the answer and decodes it. Dropping the future forgets the answer; the request is not
    /// taken back.
    pub(crate) async fn decode<R: Request>(self) -> Result<R::Response, CallError> {
        let Self { api, version, receiver, ended } = self;
        let Ok(body) = receiver.await else { return Err(disconnected(api, &ended)) };
        frame::decode_response::<R::Response>(api, version, body)
            .map_err(|source| CallError::Decode { api, source: Arc::new(source) })
    }

    /// Waits until a request that is not answered has been written.
    pub(crate) async fn written(self) -> Result<(), CallError> {
        self.receiver.await.map(|_| ()).map_err(|_| disconnected(self.api, &self.ended))
    }
}

fn disconnected(api: ApiKey, ended: &OnceLock<Arc<Disconnect>>) -> CallError {
    let source = ended.get().cloned().unwrap_or_else(|| Arc::new(Disconnect::Dropped));
    CallError::Disconnected { api, source }
}

impl Connection {
    /// What goes over it counts for this broker from now on, where brokers are counted.
    pub(crate) fn leads_to(&self, node: i32, settings: &ConnectionSettings) {
        if self.shared.node.get().is_none()
            && let Some(counts) = settings.node_counts(node)
        {
            // Whoever came first has named the same broker.
            let _ = self.shared.node.set(counts);
        }
    }

    /// Takes over a stream and asks the broker for its versions.
    pub(crate) async fn open(
        stream: Box<dyn Stream>,
        address: &HostPort,
        settings: &ConnectionSettings,
    ) -> Result<Self, HandshakeError> {
        let (requests, queue) = mpsc::channel(settings.max_in_flight.clamp(1, 1024));
        let ended = Arc::new(OnceLock::new());
        let (reader, writer) = tokio::io::split(stream);
        let transfer = Transfer {
            reader,
            writer,
            queue,
            in_flight: VecDeque::new(),
            max_in_flight: settings.max_in_flight.max(1),
            decoder: FrameDecoder::new(settings.max_response_bytes),
            receiving: Arc::default(),
            next_correlation: 0,
            max_idle: settings.max_idle,
            last_use: Instant::now(),
            counts: Open::new(settings.connection_counts()),
        };
        let (counts, node) = (Arc::clone(&transfer.counts.all), Arc::clone(&transfer.counts.node));
        let receiving = Arc::clone(&transfer.receiving);
        let in_use = Arc::new(AtomicBool::new(false));
        let peer = Peer { address: address.clone(), client: settings.client_id.clone(), in_use: Arc::clone(&in_use) };
        let task = tokio::spawn(transfer.run(peer, Arc::clone(&ended)).in_current_span());
        let client_id = Some(StrBytes::from_string(settings.client_id.clone()));
        let timeout = settings.request_timeout;
        let session = Session::new(settings.security.login.clone());
        let versions = OnceLock::new();
        let shared = Shared { requests, versions, client_id, timeout, ended, receiving, session, counts, node, task };
        let connection = Self { shared: Arc::new(shared) };
        let versions = connection.ask_versions().await?;
        connection.shared.versions.get_or_init(|| versions);
        let authenticated = connection.shared.session.begin(&connection).await;
        authenticated.map_err(|source| HandshakeError::Authentication { source })?;
        in_use.store(true, Ordering::Relaxed);
        Ok(connection)
    }

    async fn ask_versions(&self) -> Result<OfferedVersions, HandshakeError> {
        let call = |source| HandshakeError::Call { source };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("millstream"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut version = versions::spoken(ApiKey::ApiVersions).1;
        loop {
            let mut pending =
                self.enqueue(ApiKey::ApiVersions, version, &request, self.shared.timeout, true).await.map_err(call)?;
            let body =
                (&mut pending.receiver).await.map_err(|_| call(disconnected(ApiKey::ApiVersions, &pending.ended)))?;
            // A broker that does not know the version answers in the form of version 0, whatever was asked.
            let unsupported = body.first_chunk() == Some(&ErrorCode::UNSUPPORTED_VERSION.get().to_be_bytes());
            let answered = if unsupported { 0 } else { version };
            let response: ApiVersionsResponse = frame::decode_response(ApiKey::ApiVersions, answered, body)
                .map_err(|source| call(CallError::Decode { api: ApiKey::ApiVersions, source: Arc::new(source) }))?;
            let offered = OfferedVersions::new(&response.api_keys, &response.finalized_features);
            match ErrorCode::check(response.error_code) {
                Ok(()) => return Ok(offered),
                Err(ErrorCode::UNSUPPORTED_VERSION) if 0 < version => {
                    let next = offered.choose(ApiKey::ApiVersions).unwrap_or(0);
                    version = next.min(version - 1);
                }
                Err(source) => return Err(HandshakeError::Refused { source }),
            }
        }
    }

    /// Whether requests can still be sent.
    pub(crate) fn is_open(&self) -> bool {
        // A task that was told to end takes its time.
        !self.shared.requests.is_closed() && self.shared.ended.get().is_none()
    }

    /// Whether an answer is arriving and not there as a whole.
    pub(crate) fn is_receiving(&self) -> bool {
        self.shared.receiving.load(Ordering::Relaxed)
    }

    /// Whether both are handles on the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Waits until no more requests can be sent.
    pub(crate) async fn ended(&self) {
        self.shared.requests.closed().await;
    }

    /// The version of an API on this connection.
    pub(crate) fn version(&self, api: ApiKey) -> Result<i16, CallError> {
        let versions = self.shared.versions.get().expect("the handshake is over before anyone gets the handle");
        versions.choose(api).map_err(|source| CallError::Version { api, source })
    }

    /// The level of the feature `transaction.version` that the cluster has agreed on; 0 where it has none.
    pub(crate) fn transaction_version(&self) -> i16 {
        self.shared.versions.get().map_or(0, OfferedVersions::transaction_version)
    }

    /// Sends a request and waits for its answer, as long as the connection's request timeout.
    pub(crate) async fn call<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        self.call_within(request, self.shared.timeout).await
    }

    /// Sends a request in no newer version than `newest`.
    pub(crate) async fn call_up_to<R: Request>(&self, request: &R, newest: i16) -> Result<R::Response, CallError> {
        self.send_up_to(request, self.shared.timeout, newest).await?.decode::<R>().await
    }

    /// Sends a request that the broker may take longer to answer.
    pub(crate) async fn call_within<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, CallError> {
        self.send(request, timeout).await?.decode::<R>().await
    }

    /// Puts a request into the connection's queue, behind those sent before; waits for room there.
    ///
    /// Dropping the future before it is ready sends nothing.
    pub(crate) async fn send<R: Request>(&self, request: &R, timeout: Duration) -> Result<Pending, CallError> {
        self.send_up_to(request, timeout, i16::MAX).await
    }

    /// Like [`Self::send`], in no newer version than `newest`.
    pub(crate) async fn send_up_to<R: Request>(
        &self,
        request: &R,
        timeout: Duration,
        newest: i16,
    ) -> Result<Pending, CallError> {
        let api = api_of::<R>();
        let version = self.version(api)?.min(newest);
        let _passage = self.shared.session.pass(self).await;
        self.enqueue(api, version, request, timeout, true).await
    }

    /// Like [`Self::send`] for a request that brokers do not answer.
    pub(crate) async fn send_unanswered<R: Request>(&self, request: &R) -> Result<Pending, CallError> {
        let api = api_of::<R>();
        let version = self.version(api)?;
        let _passage = self.shared.session.pass(self).await;
        self.enqueue(api, version, request, self.shared.timeout, false).await
    }

    /// Sends a request of the login itself and waits for its answer.
    pub(crate) async fn call_past_the_gate<R: Request>(&self, request: &R) -> Result<R::Response, CallError> {
        let api = api_of::<R>();
        self.enqueue(api, self.version(api)?, request, self.shared.timeout, true).await?.decode::<R>().await
    }

    /// Counts a login, or its renewal.
    fn logged_in(&self, accepted: bool) {
        let ClientConnections { logins, failed_logins, .. } = &*self.shared.counts;
        (if accepted { logins } else { failed_logins }).add(1);
    }

    /// Ends the connection for this reason, unless it has ended.
    pub(crate) fn end(&self, reason: Disconnect) {
        let _ = self.shared.ended.set(Arc::new(reason));
        self.shared.task.abort();
    }

    async fn enqueue<R: Request>(
        &self,
        api: ApiKey,
        version: i16,
        request: &R,
        timeout: Duration,
        answered: bool,
    ) -> Result<Pending, CallError> {
        let header = RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(version)
            .with_client_id(self.shared.client_id.clone());
        let frame = frame::encode_request(&header, request)
            .map_err(|source| CallError::Encode { api, source: Arc::new(source) })?;
        // The frame was built a moment ago and nobody shares it, so that this takes no copy.
        let frame = frame.try_into_mut().unwrap_or_else(|frame| bytes::BytesMut::from(&frame[..]));
        let (sender, receiver) = oneshot::channel();
        let answer = if answered { Answer::Frame(sender) } else { Answer::Written(sender) };
        let outgoing = Outgoing { api, frame, timeout, answer };
        let ended = Arc::clone(&self.shared.ended);
        match self.shared.requests.send(outgoing).await {
            Ok(()) => Ok(Pending { api, version, receiver, ended }),
            Err(_) => Err(disconnected(api, &ended)),
        }
    }
}

fn api_of<R: Request>() -> ApiKey {
    ApiKey::try_from(R::KEY).expect("every request type has an API")
}

/// A request whose answer is outstanding.
struct InFlight {
    api: ApiKey,
    version: i16,
    correlation: i32,
    timeout: Duration,
    sent: Instant,
    deadline: Instant,
    answer: oneshot::Sender<Bytes>,
}

/// A time beyond which adding to an instant could overflow: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The task's own state.
struct Transfer {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    queue: mpsc::Receiver<Outgoing>,
    in_flight: VecDeque<InFlight>,
    max_in_flight: usize,
    decoder: FrameDecoder,
    receiving: Arc<AtomicBool>,
    next_correlation: i32,
    max_idle: Duration,
    last_use: Instant,
    counts: Open,
}

/// Counts a connection as open while it exists, which is as long as the task's state.
struct Open {
    all: Arc<ClientConnections>,
    /// Those to the broker at the other end, once it is known which one that is.
    node: Arc<OnceLock<Arc<WorkerNode>>>,
}

impl Open {
    fn new(counts: Arc<ClientConnections>) -> Self {
        counts.made.add(1);
        counts.open.change(1);
        Self { all: counts, node: Arc::default() }
    }

    fn sent(&self, bytes: u64) {
        self.all.requests.add(1);
        self.all.request_bytes.record(bytes);
        if let Some(node) = self.node.get() {
            node.requests.add(1);
            node.request_bytes.record(bytes);
        }
    }

    fn answered(&self, bytes: u64, took: Duration) {
        self.all.responses.add(1);
        self.all.bytes_in.add(bytes);
        self.all.response_time.record_time(took);
        if let Some(node) = self.node.get() {
            node.responses.add(1);
            node.bytes_in.add(bytes);
            node.response_time.record_time(took);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.open.change(-1);
        self.all.closed.add(1);
    }
}

/// Who is at the other end, for the log.
struct Peer {
    address: HostPort,
    client: String,
    /// Whether the handshake is over. Who makes the connection tells of failures before that.
    in_use: Arc<AtomicBool>,
}

/// The frame being written.
struct Writing {
    api: ApiKey,
    frame: Bytes,
    written: Option<oneshot::Sender<Bytes>>,
    timeout: Duration,
    deadline: Instant,
}

impl Transfer {
    async fn run(mut self, peer: Peer, ended: Arc<OnceLock<Arc<Disconnect>>>) {
        let reason = match self.transfer().await {
            Ok(()) => Disconnect::Dropped,
            Err(reason) => reason,
        };
        if peer.in_use.load(Ordering::Relaxed) {
            trouble::broken(&peer.client, &peer.address, &reason, reason.is_healthy());
        }
        // Set before the answer channels close, so that whoever waits finds the reason.
        let _ = ended.set(Arc::new(reason));
        self.queue.close();
    }

    /// Reads and writes at the same time: a broker may refuse to read on before its answers are taken.
    async fn transfer(&mut self) -> Result<(), Disconnect> {
        let mut writing: Option<Writing> = None;
        loop {
            let may_send = writing.is_none() && self.in_flight.len() < self.max_in_flight;
            let answers = self.in_flight.iter().map(|waiting| waiting.deadline);
            let deadline = answers.chain(writing.as_ref().map(|writing| writing.deadline)).min();
            let idle = writing.is_none() && self.in_flight.is_empty();
            let idle_until = self.last_use.checked_add(self.max_idle).filter(|_| idle);
            tokio::select! {
                biased;
                read = self.reader.read_buf(self.decoder.spare()) => {
                    if read.map_err(|source| Disconnect::Io { source })? == 0 {
                        return Err(Disconnect::Closed);
                    }
                    self.take_frames()?;
                    self.receiving.store(0 < self.decoder.pending(), Ordering::Relaxed);
                }
                written = write_some(&mut self.writer, &mut writing), if writing.is_some() => {
                    written.map_err(|source| Disconnect::Io { source })?;
                }
                outgoing = self.queue.recv(), if may_send => match outgoing {
                    Some(outgoing) => writing = Some(self.admit(outgoing)),
                    None => return Ok(()),
                },
                () = sleep_until(deadline), if deadline.is_some() => {
                    let now = Instant::now();
                    if let Some(stuck) = writing.as_ref().filter(|writing| writing.deadline <= now) {
                        return Err(Disconnect::NotTaken { api: stuck.api, timeout: stuck.timeout });
                    }
                    if let Some(late) = self.in_flight.iter().find(|waiting| waiting.deadline <= now) {
                        return Err(Disconnect::Timeout { api: late.api, timeout: late.timeout });
                    }
                }
                () = sleep_until(idle_until), if idle_until.is_some() => {
                    return Err(Disconnect::Idle { timeout: self.max_idle });
                }
            }
        }
    }

    /// Gives the request its correlation id and notes that its answer is due.
    fn admit(&mut self, outgoing: Outgoing) -> Writing {
        let Outgoing { api, mut frame, timeout, answer } = outgoing;
        let correlation = self.next_correlation;
        self.next_correlation = self.next_correlation.wrapping_add(1) & i32::MAX;
        // Size, API key and version come before it.
        frame[8..12].copy_from_slice(&correlation.to_be_bytes());
        let version = i16::from_be_bytes([frame[6], frame[7]]);
        let frame = frame.freeze();
        self.counts.sent(frame.len() as u64);
        self.last_use = Instant::now();
        let sent = self.last_use;
        let deadline = self.last_use + timeout.min(FAR);
        match answer {
            Answer::Written(sender) => Writing { api, frame, written: Some(sender), timeout, deadline },
            Answer::Frame(answer) => {
                self.in_flight.push_back(InFlight { api, version, correlation, timeout, sent, deadline, answer });
                Writing { api, frame, written: None, timeout, deadline }
            }
        }
    }

    fn take_frames(&mut self) -> Result<(), Disconnect> {
        while let Some(mut frame) = self.decoder.next_frame().map_err(|source| Disconnect::Frame { source })? {
            let waiting = self.in_flight.pop_front().ok_or(Disconnect::Unasked)?;
            self.last_use = Instant::now();
            // With the size that stands before it.
            self.counts.answered(frame.len() as u64 + 4, self.last_use - waiting.sent);
            let found = frame.first_chunk().map_or(-1, |id| i32::from_be_bytes(*id));
            if found != waiting.correlation {
                return Err(Disconnect::Correlation { expected: waiting.correlation, found });
            }
            if frame::decode_response_header(waiting.api, waiting.version, &mut frame).is_err() {
                return Err(Disconnect::Correlation { expected: waiting.correlation, found });
            }
            // Nobody may be waiting any more; the answer is then of no use to anyone.
            let _ = waiting.answer.send(frame);
        }
        Ok(())
    }
}

/// Writes part of the frame. When the future is dropped, what was written is known in `writing`.
async fn write_some(writer: &mut WriteHalf<Box<dyn Stream>>, writing: &mut Option<Writing>) -> io::Result<()> {
    let Some(current) = writing else { return Ok(()) };
    if current.frame.has_remaining() {
        let written = writer.write(&current.frame).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        current.frame.advance(written);
    }
    if !current.frame.has_remaining() {
        // Streams that encrypt hold back the end of what was written until they are told.
        writer.flush().await?;
        if let Some(written) = current.written.take() {
            let _ = written.send(Bytes::new());
        }
        *writing = None;
    }
    Ok(())
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
