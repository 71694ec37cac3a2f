//! A connection that produces much has a thread of its own for as long as it does: appending may wait for the disk, and
//! going to another thread and back for every request costs more than many an append.
//!
//! Everything else is served by tasks, whose threads wait for nothing. A connection goes over to a thread after some
//! Produce requests in a short time, and back before a request of another kind or when it falls silent. There are as many
//! such threads as threads that write; whoever finds none goes on as a task and leaves its appends to those.

use std::{sync::Arc, time::Duration};

use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::OwnedSemaphorePermit,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Connection, Next, Place};
use crate::{api::Peer, node::Node};

/// So many Produce requests within [`SPAN`] are much.
const MANY: u32 = 64;

/// In which requests are counted.
const SPAN: Duration = Duration::from_secs(1);

/// A thread is given up after so long without a request.
pub(super) const SILENCE: Duration = Duration::from_secs(1);

/// Counts Produce requests.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    since: Option<Instant>,
    requests: u32,
}

impl Traffic {
    /// Notes a request. True if there were many in a short time; counting begins anew then.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| SPAN < now - since) {
            *self = Self { since: Some(now), requests: 0 };
        }
        self.requests += 1;
        let many = MANY <= self.requests;
        if many {
            *self = Self::default();
        }
        many
    }
}

type Tcp = Connection<OwnedReadHalf, OwnedWriteHalf>;

/// Serves a connection until the peer closes it, breaks the protocol or falls silent, or the broker stops. `abort` ends it
/// at once, with what it waits for.
pub async fn serve_tcp(
    node: Arc<Node>,
    peer: Peer,
    stream: TcpStream,
    stop: CancellationToken,
    abort: CancellationToken,
) {
    let (reader, writer) = stream.into_split();
    let mut connection = Connection::new(node, peer, reader, writer, stop);
    connection.place = Place::Task { may_leave: true };
    loop {
        let next = connection.run().await;
        let thread = match next {
            Ok(Next::Thread) => connection.node.topics.threads().own_thread(),
            ended => return connection.report(ended),
        };
        let Some(permit) = thread else { continue };
        match on_thread(connection, permit, abort.clone()).await {
            Some(left) => connection = left,
            None => return,
        }
    }
}

/// Serves a connection on a thread of its own. `None` when it has ended.
async fn on_thread(connection: Tcp, permit: OwnedSemaphorePermit, abort: CancellationToken) -> Option<Tcp> {
    let node = Arc::clone(&connection.node);
    let served = node.topics.threads().spawn(move || {
        let _permit = permit;
        let mut connection = connection;
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            // Out of file handles, usually: it goes on as before.
            Err(_) => return Some(connection),
        };
        let left = runtime.block_on(async move {
            // The socket's events come to whoever waits for them.
            connection = connection.registered()?;
            connection.place = Place::Thread;
            let next = tokio::select! {
                next = connection.run() => next,
                () = abort.cancelled() => return None,
            };
            connection.place = Place::Task { may_leave: true };
            match next {
                Ok(Next::Task) => Some(connection),
                ended => {
                    connection.report(ended);
                    None
                }
            }
        });
        runtime.shutdown_background();
        left
    });
    let connection = match served.await {
        Ok(connection) => connection?,
        // Reported like any other in a connection.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => return None,
    };
    connection.registered()
}

impl Tcp {
    /// The same connection with its socket in the runtime that runs now; `None` if that fails, which ends it.
    fn registered(self) -> Option<Self> {
        let Self {
            open,
            node,
            peer,
            reader,
            writer,
            place,
            traffic,
            is_busy,
            decoder,
            at_once,
            began,
            progress,
            room,
            pending,
            stop,
        } = self;
        let stream = reader.reunite(writer).expect("the two halves of one stream").into_std().ok()?;
        let (reader, writer) = TcpStream::from_std(stream).ok()?.into_split();
        Some(Self {
            open,
            node,
            peer,
            reader,
            writer,
            place,
            traffic,
            is_busy,
            decoder,
            at_once,
            began,
            progress,
            room,
            pending,
            stop,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_requests_are_much_only_in_a_short_time() {
        let (mut traffic, begin) = (Traffic::default(), Instant::now());
        let mut at = begin;
        for _ in 0..1000 {
            at += SPAN / (MANY - 1) + Duration::from_nanos(1);
            assert!(!traffic.note(at), "one less than many in each span");
        }
        let busy: Vec<bool> = (0..3 * MANY).map(|_| traffic.note(at + 2 * SPAN)).collect();
        assert_eq!(busy.iter().filter(|many| **many).count(), 3, "again and again, should no thread be free");
        assert!(busy[MANY as usize - 1]);
    }
}
