//! One client connection: requests in, answers out in the same order.
//!
//! A request that may wait for other clients (a long poll, a group join) holds up everything behind it on its own
//! connection and nothing else. Produce and OffsetCommit requests overlap: the next is begun while the answer to
//! the last waits for the disk. A peer that sends nonsense, half a request or nothing, or does not take its answers,
//! loses this connection only, after times that are configured. What it holds beyond a buffer of its own comes out of
//! the broker's [`crate::budget`].

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_metrics::BrokerRequests;
use millstream_record::Chain;
use millstream_wire::frame::{FrameDecoder, FrameError};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    api::{self, Answer, Incoming, Later, Peer, Rejected, Reply},
    budget::Reservation,
    node::Node,
    strangers::Trouble,
};

/// Most answers that may wait for the disk at once.
const MAX_PENDING: usize = 256;

/// Most bytes of requests whose answers wait for the disk, apart from those that took memory out of the budget: what
/// they ask for may still be in memory as a whole.
const MAX_PENDING_BYTES: usize = 1 << 20;

/// What a connection may read without asking for memory, in bytes; also how much is read ahead while a request is
/// parked, to notice a peer that hangs up.
const OWN_BUFFER: usize = 64 * 1024;

/// Bytes that a peer must send or take within the time-out. Fewer count only if they are the last.
const LEAST_PROGRESS: usize = 64 * 1024;

/// Why a connection ended other than by the peer's closing it or the broker's stopping.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("read from the peer")]
    Read { source: io::Error },
    #[error("write to the peer")]
    Write { source: io::Error },
    #[error("the first bytes are not those of a Kafka client")]
    Stranger(Trouble),
    #[error("cut the stream into frames")]
    Frame { source: FrameError },
    #[error("answer a request")]
    Rejected { source: Rejected },
    #[error("nothing was sent for {0:?}")]
    Idle(Duration),
    #[error("{arrived} bytes of a request arrived, and too few more in {limit:?}")]
    HalfRequest { arrived: usize, limit: Duration },
    #[error("{left} bytes of an answer were left, and too few were taken in {limit:?}")]
    Unread { left: usize, limit: Duration },
}

impl Ended {
    /// What an operator should hear of; the rest is the ordinary coming and going of clients.
    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Stranger(trouble) => Some(*trouble),
            Self::Frame { .. } => Some(Trouble::Size),
            Self::Rejected { source: Rejected::Decode { .. } | Rejected::NotServed { .. } } => Some(Trouble::Request),
            Self::HalfRequest { .. } => Some(Trouble::HalfRequest),
            Self::Unread { .. } => Some(Trouble::Unread),
            Self::Read { .. } | Self::Write { .. } | Self::Rejected { .. } | Self::Idle(_) => None,
        }
    }
}

/// Serves a connection until the peer closes it, breaks the protocol or falls silent, or the broker stops.
pub async fn serve(
    node: Arc<Node>,
    peer: Peer,
    reader: impl AsyncRead + Unpin + Send,
    writer: impl AsyncWrite + Unpin + Send,
    stop: CancellationToken,
) {
    let decoder = FrameDecoder::new(node.config.max_request_bytes);
    let pending = VecDeque::new();
    let _open = Open::count(&node.counts);
    let mut connection = Connection {
        _open,
        node,
        peer,
        reader,
        writer,
        decoder,
        began: false,
        progress: None,
        room: None,
        pending,
        stop,
    };
    if let Err(ended) = connection.run().await {
        let peer = connection.peer.host.as_str();
        match ended.trouble() {
            Some(trouble) => {
                connection.node.counts.refused.add(1);
                connection.node.strangers.report(trouble, peer, &Chain(&ended));
            }
            None => debug!(peer, error = %Chain(&ended), "connection closed"),
        }
    }
}

/// Counts a connection as long as it is open.
struct Open(Arc<BrokerRequests>);

impl Open {
    fn count(counts: &Arc<BrokerRequests>) -> Self {
        counts.connections.change(1);
        Self(Arc::clone(counts))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.change(-1);
    }
}

struct Connection<R, W> {
    /// Goes before the streams are closed.
    _open: Open,
    node: Arc<Node>,
    peer: Peer,
    reader: R,
    writer: W,
    decoder: FrameDecoder,
    /// Whether a whole frame has arrived.
    began: bool,
    /// Since when too little of the next request has arrived, and how much there was.
    progress: Option<(Instant, usize)>,
    /// Memory for the request that is arriving, if it needs more than the connection's own.
    room: Option<Reservation>,
    /// Answers that wait for the disk, oldest first, each with the bytes of its request that no budget knows of.
    pending: VecDeque<(Later, usize)>,
    stop: CancellationToken,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send> Connection<R, W> {
    async fn run(&mut self) -> Result<(), Ended> {
        loop {
            if !self.began
                && let Some(trouble) = Trouble::of_first_bytes(self.decoder.arrived())
            {
                return Err(Ended::Stranger(trouble));
            }
            match self.decoder.next_frame().map_err(|source| Ended::Frame { source })? {
                Some(frame) => {
                    self.began = true;
                    self.progress = None;
                    let room = self.room.take();
                    if !self.handle(frame, room).await? {
                        return Ok(());
                    }
                }
                None => {
                    if !self.wait().await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Waits for bytes, for room for them, or for the oldest answer. False at the end of the stream.
    async fn wait(&mut self) -> Result<bool, Ended> {
        let needed = self.decoder.size_ahead().filter(|&size| OWN_BUFFER < size && self.room.is_none());
        let budget = Arc::clone(&self.node.budget);
        let reserving = async move {
            match needed {
                Some(bytes) => budget.reserve(bytes).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(reserving);
        let idle = self.decoder.pending() == 0;
        let limit = if idle { self.node.config.max_idle } else { self.node.config.read_timeout };
        let since = if idle { Instant::now() } else { self.progress_since() };
        let deadline = limit.map(|limit| since + limit);
        loop {
            let answered = tokio::select! {
                biased;
                answer = oldest(&mut self.pending), if !self.pending.is_empty() => answer,
                room = &mut reserving => {
                    self.room = Some(room);
                    // It was not the peer that kept this waiting.
                    self.progress = None;
                    return Ok(true);
                }
                read = self.reader.read_buf(self.decoder.spare()), if needed.is_none() => {
                    let read = read.map_err(|source| Ended::Read { source })?;
                    if read == 0 {
                        self.drain().await?;
                    }
                    return Ok(read != 0);
                }
                () = self.stop.cancelled(), if self.pending.is_empty() => return Ok(false),
                () = sleep_until(deadline), if needed.is_none() && (!idle || self.pending.is_empty()) => {
                    let limit = limit.unwrap_or_default();
                    return Err(if idle {
                        Ended::Idle(limit)
                    } else {
                        Ended::HalfRequest { arrived: self.decoder.pending(), limit }
                    });
                }
            };
            self.pending.pop_front();
            self.write(&answered.map_err(|source| Ended::Rejected { source })?).await?;
        }
    }

    /// Since when the peer owes more of the request that has begun.
    fn progress_since(&mut self) -> Instant {
        let arrived = self.decoder.pending();
        match self.progress {
            Some((since, before)) if arrived < before + LEAST_PROGRESS => since,
            _ => self.progress.insert((Instant::now(), arrived)).0,
        }
    }

    /// Carries out one request. False when the peer hung up meanwhile.
    async fn handle(&mut self, frame: Bytes, room: Option<Reservation>) -> Result<bool, Ended> {
        let frame_len = frame.len();
        self.node.counts.requests.add(1);
        self.node.counts.bytes_in.add(frame_len as u64);
        let incoming = Incoming::read(frame).map_err(|source| Ended::Rejected { source })?;
        if !incoming.may_overlap() {
            self.drain().await?;
        }
        let own_bytes = if room.is_some() { 0 } else { frame_len };
        let full = |pending: &VecDeque<(Later, usize)>| {
            let bytes: usize = pending.iter().map(|(_, bytes)| bytes).sum();
            MAX_PENDING <= pending.len() || (!pending.is_empty() && MAX_PENDING_BYTES < bytes + own_bytes)
        };
        while full(&self.pending) {
            self.write_oldest().await?;
        }
        let reply = {
            let work = api::handle(&self.node, &self.peer, incoming);
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    reply = &mut work => break reply.map_err(|source| Ended::Rejected { source })?,
                    read = self.reader.read_buf(self.decoder.spare()), if self.decoder.pending() < OWN_BUFFER => {
                        if read.map_err(|source| Ended::Read { source })? == 0 {
                            // Nobody is left to answer; what was begun is not undone.
                            return Ok(false);
                        }
                    }
                }
            }
        };
        match reply {
            Reply::Silence => {}
            Reply::Later(later) => {
                let later = match room {
                    // The request may be in use until it is answered.
                    Some(room) => Box::pin(async move {
                        let answer = later.await;
                        drop(room);
                        answer
                    }),
                    None => later,
                };
                self.pending.push_back((later, own_bytes));
            }
            Reply::Now(answer) if self.pending.is_empty() => self.write(&answer).await?,
            Reply::Now(answer) => self.pending.push_back((Box::pin(std::future::ready(Ok(answer))), 0)),
        }
        Ok(true)
    }

    /// Writes every answer that is still owed.
    async fn drain(&mut self) -> Result<(), Ended> {
        while !self.pending.is_empty() {
            self.write_oldest().await?;
        }
        Ok(())
    }

    async fn write_oldest(&mut self) -> Result<(), Ended> {
        let answer = oldest(&mut self.pending).await.map_err(|source| Ended::Rejected { source })?;
        self.pending.pop_front();
        self.write(&answer).await
    }

    async fn write(&mut self, answer: &Answer) -> Result<(), Ended> {
        let failed = |source| Ended::Write { source };
        let limit = self.node.config.write_timeout;
        self.node.counts.bytes_out.add(answer.frame.len() as u64);
        let mut left = &answer.frame[..];
        let (mut deadline, mut taken) = (limit.map(|limit| Instant::now() + limit), 0);
        while !left.is_empty() {
            let written = tokio::select! {
                biased;
                written = self.writer.write(left) => written.map_err(failed)?,
                () = sleep_until(deadline) => {
                    return Err(Ended::Unread { left: left.len(), limit: limit.unwrap_or_default() });
                }
            };
            if written == 0 {
                return Err(failed(io::ErrorKind::WriteZero.into()));
            }
            left = &left[written..];
            taken += written;
            if LEAST_PROGRESS <= taken {
                (deadline, taken) = (limit.map(|limit| Instant::now() + limit), 0);
            }
        }
        self.writer.flush().await.map_err(failed)
    }
}

/// The oldest answer, left in its place until it is complete so that this may be dropped.
async fn oldest(pending: &mut VecDeque<(Later, usize)>) -> Result<Answer, Rejected> {
    match pending.front_mut() {
        Some((later, _)) => later.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
