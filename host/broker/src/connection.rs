//! One client connection: requests in, answers out in the same order.
//!
//! A request that may wait for other clients (a long poll, a group join) holds up everything behind it on its own
//! connection and nothing else. Produce and OffsetCommit requests overlap: the next is begun while the answer to
//! the last waits for the disk. A peer that sends nonsense, half a request or nothing, or does not take its answers,
//! loses this connection only, after times that are configured. What it holds beyond a buffer of its own comes out of
//! the broker's [`crate::budget`].

mod busy;

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use millstream_log::{BatchRest, ReadError};
use millstream_record::ErrorChain;
use millstream_wire::{
    frame::{FrameDecoder, FrameError},
    protocol::messages::ApiKey,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::busy::Traffic;
pub use self::busy::serve_tcp;
use crate::{
    api::{self, Answer, Blocking, Expected, Incoming, Later, Peer, Rejected, Reply, Unread},
    budget::Reservation,
    changes::Interrupted,
    groups::coordinator::ConnectionId,
    node::Node,
    partition::OwedSync,
    strangers::Trouble,
};

/// Most answers that may wait for the disk at once.
const MAX_PENDING: usize = 256;

/// Most bytes of requests whose answers wait for the disk, apart from those that took memory out of the budget: what
/// they ask for may still be in memory as a whole.
const MAX_PENDING_BYTES: usize = 1 << 20;

/// Most bytes of requests that are appended before a sync that is left to this connection's thread: whoever else appends
/// to the partition waits for it, too.
const MAX_OWED_BYTES: usize = 4 << 20;

/// What a connection may read without asking for memory, in bytes; also how much is read ahead while a request is
/// parked, to notice a peer that hangs up.
const OWN_BUFFER: usize = 64 * 1024;

/// Memory for a request is asked for as it arrives: so many times what has arrived, for each time more costs a copy. Who
/// only announces much holds nothing.
const GROWTH: usize = 4;

/// How long the next part of a request may take while others wait for the memory that it takes beyond the budget.
const WHILE_OTHERS_WAIT: Duration = Duration::from_secs(5);

/// How much of the rest of a batch is read at once when it is written, in bytes, if there is memory for that.
const AT_ONCE: usize = 1 << 20;

/// What is read at once from a peer that sends little, in bytes: most have a connection to say now and then that they are
/// still there.
const LEAST_READ: usize = 1024;

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
    #[error("read the rest of an answer")]
    Rest { source: ReadError },
    #[error("read the rest of an answer")]
    Interrupted { source: Interrupted },
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
    /// Whether the peer is gone, or cannot be reached. Otherwise the broker closes the connection, and the peer may come
    /// back on another one.
    fn is_of_peer(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Write { .. } => true,
            Self::Stranger(_)
            | Self::Frame { .. }
            | Self::Rest { .. }
            | Self::Interrupted { .. }
            | Self::Rejected { .. }
            | Self::Idle(_)
            | Self::HalfRequest { .. }
            | Self::Unread { .. } => false,
        }
    }

    /// What an operator should hear of; the rest is the ordinary coming and going of clients.
    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Stranger(trouble) => Some(*trouble),
            Self::Frame { .. } => Some(Trouble::Size),
            Self::Rejected { source: Rejected::Decode { .. } | Rejected::Body { .. } | Rejected::NotServed { .. } } => {
                Some(Trouble::Request)
            }
            Self::HalfRequest { .. } => Some(Trouble::HalfRequest),
            Self::Unread { .. } => Some(Trouble::Unread),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Rest { .. }
            | Self::Interrupted { .. }
            | Self::Rejected { .. }
            | Self::Idle(_) => None,
        }
    }
}

/// Where a connection is served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    /// By a task, among others.
    Task {
        /// Whether it may go over to a thread.
        may_leave: bool,
    },
    /// By a thread that serves nothing else.
    Thread,
}

/// What follows when a connection is no longer served where it was.
enum Next {
    /// Nothing: the peer closed it.
    Hangup,
    /// Nothing: the broker stops.
    Stop,
    /// A thread of its own would serve it better.
    Thread,
    /// A task has to serve it.
    Task,
}

/// Serves a connection until the peer closes it, breaks the protocol or falls silent, or the broker stops.
pub async fn serve(
    node: Arc<Node>,
    peer: Peer,
    reader: impl AsyncRead + Unpin + Send,
    writer: impl AsyncWrite + Unpin + Send,
    stop: CancellationToken,
) {
    let mut connection = Connection::new(node, peer, reader, writer, stop);
    let ended = connection.run().await;
    connection.report(ended);
}

/// What a wait ended in.
enum Waited {
    /// There may be a frame.
    Enough,
    /// The stream has ended.
    Hangup,
    /// The broker stops.
    Stop,
    /// Nothing came for a while.
    Silence,
}

/// An answer that waits.
struct Pending {
    later: Later,
    /// Bytes of its request.
    bytes: usize,
    /// Those of them that no budget knows of.
    own_bytes: usize,
    /// The memory for its request, which may be in use until it is answered.
    _room: Option<Arc<Reservation>>,
}

/// A connection that is open: counted, and its end told to the groups that its client may have members of.
struct Open {
    node: Arc<Node>,
    id: ConnectionId,
    /// Whether the peer went away. A connection that is dropped without a word was ended by the broker.
    broke_off: bool,
}

impl Open {
    fn begin(node: &Arc<Node>, id: ConnectionId) -> Self {
        node.counts.connections.change(1);
        Self { node: Arc::clone(node), id, broke_off: false }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.node.counts.connections.change(-1);
        self.node.groups.connection_ended(self.id, self.broke_off);
    }
}

struct Connection<R, W> {
    /// Goes before the streams are closed.
    open: Open,
    node: Arc<Node>,
    peer: Peer,
    reader: R,
    writer: W,
    place: Place,
    traffic: Traffic,
    /// Whether there was much traffic.
    is_busy: bool,
    decoder: FrameDecoder,
    /// How much is read at once, in bytes.
    at_once: usize,
    /// Whether a whole frame has arrived.
    began: bool,
    /// Since when too little of the next request has arrived, and how much there was.
    progress: Option<(Instant, usize)>,
    /// Memory for the request that is arriving, if it needs more than the connection's own.
    room: Option<Reservation>,
    /// Answers that wait for the disk, oldest first.
    pending: VecDeque<Pending>,
    stop: CancellationToken,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send> Connection<R, W> {
    fn new(node: Arc<Node>, peer: Peer, reader: R, writer: W, stop: CancellationToken) -> Self {
        let decoder = FrameDecoder::new(node.config.max_request_bytes);
        Self {
            open: Open::begin(&node, ConnectionId(peer.connection)),
            node,
            peer,
            reader,
            writer,
            place: Place::Task { may_leave: false },
            traffic: Traffic::default(),
            is_busy: false,
            decoder,
            at_once: LEAST_READ,
            began: false,
            progress: None,
            room: None,
            pending: VecDeque::new(),
            stop,
        }
    }

    /// Tells of an end that an operator should hear of, and notes whose it was.
    fn report(&mut self, ended: Result<Next, Ended>) {
        self.open.broke_off = match &ended {
            Ok(next) => matches!(next, Next::Hangup),
            Err(ended) => ended.is_of_peer(),
        };
        let Err(ended) = ended else { return };
        let peer = self.peer.host.as_str();
        match ended.trouble() {
            Some(trouble) => {
                self.node.counts.refused.add(1);
                self.node.strangers.report(trouble, peer, &ErrorChain(&ended));
            }
            None => debug!(peer, error = %ErrorChain(&ended), "connection closed"),
        }
    }

    /// Serves it until it ends, or is to be served elsewhere. Nothing that is waited for then belongs to a thread.
    async fn run(&mut self) -> Result<Next, Ended> {
        loop {
            if self.place == Place::Thread && self.decoder.api_ahead().is_some_and(|api| api != ApiKey::Produce as i16)
            {
                self.drain().await?;
                return Ok(Next::Task);
            }
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
                        return Ok(Next::Hangup);
                    }
                    if std::mem::take(&mut self.is_busy) && self.place == (Place::Task { may_leave: true }) {
                        return Ok(Next::Thread);
                    }
                }
                None => match self.wait().await? {
                    Waited::Enough => {}
                    Waited::Hangup => return Ok(Next::Hangup),
                    Waited::Stop => return Ok(Next::Stop),
                    Waited::Silence => return Ok(Next::Task),
                },
            }
        }
    }

    /// Waits for bytes, for room for them, or for the oldest answer.
    async fn wait(&mut self) -> Result<Waited, Ended> {
        let needed = self.more_room();
        let budget = Arc::clone(&self.node.budget);
        let muted_until = self.peer.session.muted_until().filter(|until| Instant::now() < *until);
        let reserving = async move {
            match needed {
                Some(bytes) => {
                    // Who is over a quota must not keep memory from others for all that time.
                    if muted_until.is_some() {
                        sleep_until(muted_until).await;
                    }
                    budget.reserve_arriving(bytes).await
                }
                None => std::future::pending().await,
            }
        };
        tokio::pin!(reserving);
        let idle = self.decoder.pending() == 0;
        let limit = if idle { self.node.config.max_idle } else { self.node.config.read_timeout };
        let others_wait = self.room.as_ref().is_some_and(Reservation::is_beyond);
        let limit = if others_wait { limit.map(|limit| limit.min(WHILE_OTHERS_WAIT)) } else { limit };
        let since = if idle { Instant::now() } else { self.progress_since() };
        let deadline = limit.map(|limit| since + limit);
        // Silence on a thread, within a request or between two, ends the place there, and goes on to be measured elsewhere.
        let silence = (needed.is_none() && self.place == Place::Thread).then(|| since + busy::SILENCE);
        let deadline = if silence.is_some() { None } else { deadline };
        let mut owes_sync = self.pending.iter().any(|waiting| waiting.later.owed_sync.is_some());
        loop {
            let known = tokio::select! {
                biased;
                known = known(&mut self.pending), if !self.pending.is_empty() => known,
                room = &mut reserving => {
                    match &mut self.room {
                        Some(own) => own.add(room),
                        None => self.room = Some(room),
                    }
                    // It was not the peer that kept this waiting.
                    self.progress = None;
                    return Ok(Waited::Enough);
                }
                read = read_more(&mut self.reader, &mut self.decoder, self.room.as_ref(), self.at_once), if needed.is_none() => {
                    let read = read.map_err(|source| Ended::Read { source })?;
                    self.note_read(read);
                    if read == 0 {
                        self.drain().await?;
                    }
                    return Ok(if read == 0 { Waited::Hangup } else { Waited::Enough });
                }
                // Last of what may be there by now: the driver has been asked what has arrived.
                () = tokio::task::yield_now(), if owes_sync => {
                    self.pay_syncs();
                    owes_sync = false;
                    continue;
                }
                () = self.stop.cancelled(), if self.pending.is_empty() => return Ok(Waited::Stop),
                () = sleep_until(silence), if self.pending.is_empty() => return Ok(Waited::Silence),
                () = sleep_until(deadline), if needed.is_none() && (!idle || self.pending.is_empty()) => {
                    let limit = limit.unwrap_or_default();
                    return Err(if idle {
                        Ended::Idle(limit)
                    } else {
                        Ended::HalfRequest { arrived: self.decoder.pending(), limit }
                    });
                }
            };
            self.write_known(known).await?;
        }
    }

    /// How much memory is to be asked for before more of a large request is read; `None` if there is enough.
    fn more_room(&self) -> Option<usize> {
        let size = self.decoder.size_ahead().filter(|&size| OWN_BUFFER < size)?;
        let held = match &self.room {
            Some(room) if room.is_beyond() => return None,
            Some(room) => room.bytes(),
            None if self.decoder.pending() < OWN_BUFFER => return None,
            None => return Some((GROWTH * OWN_BUFFER).min(size)),
        };
        (held < size && held <= self.decoder.pending()).then(|| (GROWTH * held).min(size) - held)
    }

    /// Reads more at once from a peer that sends more than is read.
    fn note_read(&mut self, bytes: usize) {
        if self.at_once <= bytes {
            self.at_once = (2 * self.at_once).min(OWN_BUFFER);
        } else if bytes < self.at_once / 4 {
            self.at_once = (self.at_once / 2).max(LEAST_READ);
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
        if incoming.is_produce() && self.place != Place::Thread {
            self.is_busy |= self.traffic.note(Instant::now());
        }
        // Who is over a quota hears of it, and of all that is done, before the wait (KIP-219).
        let is_muted = self.peer.session.muted_until().is_some_and(|until| Instant::now() < until);
        if !incoming.may_overlap() || is_muted {
            self.drain().await?;
        }
        let own_bytes = if room.is_some() { 0 } else { frame_len };
        let room = room.map(Arc::new);
        let full = |pending: &VecDeque<Pending>| {
            let bytes: usize = pending.iter().map(|waiting| waiting.own_bytes).sum();
            MAX_PENDING <= pending.len() || (!pending.is_empty() && MAX_PENDING_BYTES < bytes + own_bytes)
        };
        while full(&self.pending) {
            self.write_oldest().await?;
        }
        let mut owes_sync = self.pending.iter().any(|waiting| waiting.later.owed_sync.is_some());
        let reply = {
            let blocking = self.blocking();
            let work = api::handle(&self.node, &self.peer, incoming.blocking(blocking).in_room(room.clone()));
            let own_runtime = self.place == Place::Thread;
            tokio::pin!(work);
            // Tasks that a request begins belong to the broker and not to this connection's thread.
            let mut work = poll_fn(|context| {
                let _broker = own_runtime.then(|| self.node.topics.threads().runtime().enter());
                work.as_mut().poll(context)
            });
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
                    // What the request waits for may be what waits for a sync.
                    () = std::future::ready(()), if owes_sync => {
                        self.pending.iter_mut().for_each(|waiting| drop(waiting.later.owed_sync.take()));
                        owes_sync = false;
                    }
                }
            }
        };
        match reply {
            Reply::Silence => {}
            Reply::Later(later) => {
                self.pending.push_back(Pending { later, bytes: frame_len, own_bytes, _room: room });
                if MAX_OWED_BYTES <= self.pending.iter().map(|waiting| waiting.bytes).sum() {
                    self.pay_syncs();
                }
            }
            Reply::Now(answer) if self.pending.is_empty() => self.write_all(&[answer]).await?,
            Reply::Now(answer) => {
                let later = Later { answer: Expected::There(answer), partition: None, owed_sync: None };
                self.pending.push_back(Pending { later, bytes: 0, own_bytes: 0, _room: None });
            }
        }
        Ok(true)
    }

    /// What may be waited for with all that is still owed.
    fn blocking(&self) -> Blocking {
        if self.place != Place::Thread {
            return Blocking::Never;
        }
        let Some(first) = self.pending.front() else { return Blocking::Anything };
        match first.later.partition {
            Some(one) if self.pending.iter().all(|waiting| waiting.later.partition == Some(one)) => Blocking::On(one),
            _ => Blocking::Never,
        }
    }

    /// Writes every answer that is still owed.
    async fn drain(&mut self) -> Result<(), Ended> {
        while !self.pending.is_empty() {
            self.write_oldest().await?;
        }
        Ok(())
    }

    async fn write_oldest(&mut self) -> Result<(), Ended> {
        self.pay_syncs();
        let known = known(&mut self.pending).await;
        self.write_known(known).await
    }

    /// Does the syncs that were left to this thread, with which all that it has appended is durable. Blocks.
    fn pay_syncs(&mut self) {
        self.pending.iter_mut().filter_map(|waiting| waiting.later.owed_sync.take()).for_each(OwedSync::pay);
    }

    /// Writes so many answers, the oldest, at once.
    async fn write_known(&mut self, known: usize) -> Result<(), Ended> {
        let mut answers = Vec::with_capacity(known);
        for _ in 0..known {
            match self.pending.front().map(|waiting| &waiting.later.answer) {
                // Those before it have been carried out, and are answered first.
                Some(Expected::Failed(_)) if !answers.is_empty() => break,
                Some(Expected::There(_) | Expected::Failed(_)) => {}
                Some(Expected::Coming(_)) | None => break,
            }
            match self.pending.pop_front().map(|waiting| waiting.later.answer) {
                Some(Expected::There(answer)) => answers.push(answer),
                Some(Expected::Failed(source)) => return Err(Ended::Rejected { source }),
                Some(Expected::Coming(_)) | None => {}
            }
        }
        self.write_all(&answers).await
    }

    async fn write_all(&mut self, answers: &[Answer]) -> Result<(), Ended> {
        let mut pieces = Vec::new();
        for answer in answers {
            let mut all = std::iter::once(&answer.frame).chain(&answer.more).map(|piece| IoSlice::new(piece));
            if let Some(Unread { after, rest }) = &answer.unread {
                pieces.extend(all.by_ref().take(*after));
                self.write(&mut pieces).await?;
                pieces.clear();
                self.write_rest(rest).await?;
            }
            pieces.extend(all);
        }
        self.write(&mut pieces).await?;
        self.writer.flush().await.map_err(|source| Ended::Write { source })
    }

    /// Reads the rest of a batch piece by piece as the peer takes it.
    async fn write_rest(&mut self, rest: &BatchRest) -> Result<(), Ended> {
        let mut at = 0;
        while at < rest.len() {
            let (reading, part) = (&self.node.topics.threads().reading, rest.clone());
            let room = self.node.answers.share(AT_ONCE.min(rest.len() - at));
            // The memory goes along: where the connection ends, the read goes on.
            let read = reading.run(move || (part.read(at, room.bytes()), room)).await;
            let (part, _room) = read.map_err(|source| Ended::Interrupted { source })?;
            let part = part.map_err(|source| Ended::Rest { source })?;
            at += part.len();
            self.write(&mut [IoSlice::new(&part)]).await?;
        }
        Ok(())
    }

    async fn write(&mut self, mut pieces: &mut [IoSlice<'_>]) -> Result<(), Ended> {
        let failed = |source| Ended::Write { source };
        let limit = self.node.config.write_timeout;
        let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.node.counts.bytes_out.add(left as u64);
        let (mut deadline, mut taken) = (limit.map(|limit| Instant::now() + limit), 0);
        while left != 0 {
            let written = tokio::select! {
                biased;
                written = write_some(&mut self.writer, pieces) => written.map_err(failed)?,
                () = sleep_until(deadline) => {
                    return Err(Ended::Unread { left, limit: limit.unwrap_or_default() });
                }
            };
            if written == 0 {
                return Err(failed(io::ErrorKind::WriteZero.into()));
            }
            IoSlice::advance_slices(&mut pieces, written);
            left -= written;
            taken += written;
            if LEAST_PROGRESS <= taken {
                (deadline, taken) = (limit.map(|limit| Instant::now() + limit), 0);
            }
        }
        Ok(())
    }
}

/// How many of the oldest answers are known, one at least. They are left in their places, so that this may be dropped.
async fn known(pending: &mut VecDeque<Pending>) -> usize {
    poll_fn(|context| {
        let unknown = pending.iter_mut().position(|waiting| waiting.later.poll_known(context).is_pending());
        let known = unknown.unwrap_or(pending.len());
        if known == 0 { Poll::Pending } else { Poll::Ready(known) }
    })
    .await
}

async fn write_some(writer: &mut (impl AsyncWrite + Unpin), pieces: &[IoSlice<'_>]) -> io::Result<usize> {
    match pieces {
        [piece] => writer.write(piece).await,
        pieces => writer.write_vectored(pieces).await,
    }
}

/// Reads what there is memory for.
async fn read_more(
    reader: &mut (impl AsyncRead + Unpin),
    decoder: &mut FrameDecoder,
    room: Option<&Reservation>,
    at_once: usize,
) -> io::Result<usize> {
    let large = decoder.size_ahead().filter(|&size| OWN_BUFFER < size);
    let held = room.map_or(OWN_BUFFER, Reservation::bytes);
    match (large, room) {
        (Some(size), _) if held < size && !room.is_some_and(Reservation::is_beyond) => {
            reader.read_buf(&mut decoder.spare_within(held.saturating_sub(decoder.pending()))).await
        }
        // With memory for all of a frame there is no reason to grow piece by piece.
        (_, Some(room)) if !room.is_beyond() => reader.read_buf(decoder.spare_for_frame()).await,
        _ => reader.read_buf(decoder.spare_of(at_once)).await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
