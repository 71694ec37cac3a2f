//! One client connection: requests in, answers out in the same order.
//!
//! A request that may wait for other clients (a long poll, a group join) holds up everything behind it on its own
//! connection and nothing else. Produce and OffsetCommit requests overlap: the next is begun while the answer to
//! the last waits for the disk. A peer that sends nonsense loses this connection only.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_record::Chain;
use millstream_wire::frame::{FrameDecoder, FrameError};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    api::{self, Incoming, Later, Peer, Rejected, Reply},
    node::Node,
};

/// Most answers that may wait for the disk at once.
const MAX_PENDING: usize = 256;

/// How much is read ahead while a request is parked, to notice a peer that hangs up, in bytes.
const READ_AHEAD: usize = 64 * 1024;

/// Why a connection ended other than by the peer's closing it or the broker's stopping.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("read from the peer")]
    Read { source: io::Error },
    #[error("write to the peer")]
    Write { source: io::Error },
    #[error("cut the stream into frames")]
    Frame { source: FrameError },
    #[error("answer a request")]
    Rejected { source: Rejected },
    #[error("nothing was sent for {0:?}")]
    Idle(Duration),
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
    let mut connection = Connection { node, peer, reader, writer, decoder, pending: VecDeque::new(), stop };
    if let Err(ended) = connection.run().await {
        debug!(peer = connection.peer.host, error = %Chain(&ended), "connection closed");
    }
}

struct Connection<R, W> {
    node: Arc<Node>,
    peer: Peer,
    reader: R,
    writer: W,
    decoder: FrameDecoder,
    /// Answers that wait for the disk, oldest first.
    pending: VecDeque<Later>,
    stop: CancellationToken,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send> Connection<R, W> {
    async fn run(&mut self) -> Result<(), Ended> {
        loop {
            match self.decoder.next_frame().map_err(|source| Ended::Frame { source })? {
                Some(frame) => {
                    if !self.handle(frame).await? {
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

    /// Waits for bytes, or for the oldest answer. False at the end of the stream.
    async fn wait(&mut self) -> Result<bool, Ended> {
        let idle_limit = self.node.config.max_idle;
        let idle_until = idle_limit.map(|limit| Instant::now() + limit);
        loop {
            let answered = tokio::select! {
                biased;
                answer = oldest(&mut self.pending), if !self.pending.is_empty() => answer,
                read = self.reader.read_buf(self.decoder.spare()) => {
                    let read = read.map_err(|source| Ended::Read { source })?;
                    if read == 0 {
                        self.drain().await?;
                    }
                    return Ok(read != 0);
                }
                () = self.stop.cancelled(), if self.pending.is_empty() => return Ok(false),
                () = sleep_until(idle_until), if self.pending.is_empty() => {
                    return Err(Ended::Idle(idle_limit.unwrap_or_default()));
                }
            };
            self.pending.pop_front();
            self.write(&answered.map_err(|source| Ended::Rejected { source })?).await?;
        }
    }

    /// Carries out one request. False when the peer hung up meanwhile.
    async fn handle(&mut self, frame: Bytes) -> Result<bool, Ended> {
        let incoming = Incoming::read(frame).map_err(|source| Ended::Rejected { source })?;
        if !incoming.may_overlap() {
            self.drain().await?;
        }
        while MAX_PENDING <= self.pending.len() {
            self.write_oldest().await?;
        }
        let reply = {
            let work = api::handle(&self.node, &self.peer, incoming);
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    reply = &mut work => break reply.map_err(|source| Ended::Rejected { source })?,
                    read = self.reader.read_buf(self.decoder.spare()), if self.decoder.pending() < READ_AHEAD => {
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
            Reply::Later(later) => self.pending.push_back(later),
            Reply::Frame(answer) if self.pending.is_empty() => self.write(&answer).await?,
            Reply::Frame(answer) => self.pending.push_back(Box::pin(std::future::ready(Ok(answer)))),
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

    async fn write(&mut self, answer: &Bytes) -> Result<(), Ended> {
        self.writer.write_all(answer).await.map_err(|source| Ended::Write { source })?;
        self.writer.flush().await.map_err(|source| Ended::Write { source })
    }
}

/// The oldest answer, left in its place until it is complete so that this may be dropped.
async fn oldest(pending: &mut VecDeque<Later>) -> Result<Bytes, Rejected> {
    match pending.front_mut() {
        Some(later) => later.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
