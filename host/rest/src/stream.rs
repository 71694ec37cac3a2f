//! Accepted connections: a bounded number, none that stays silent for ever, over TLS where the listener asks for it.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use millstream_security::{
    rustls,
    tls::{TlsServer, explain},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};

/// Most connections at a time on one listener. Further callers wait in the system's queue.
const MAX_CONNECTIONS: usize = 1024;

/// Longest time without a byte either way; longer than any request may take.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Wait after an error that accepting again at once would only repeat, such as too many open files.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(500);

/// Between two lines in the log about handshakes that failed.
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);

/// A listening socket with a bounded number of connections.
pub(crate) struct BoundedListener {
    listener: TcpListener,
    permits: Arc<Semaphore>,
    tls: Option<Arc<TlsServer>>,
    failures: Arc<Failures>,
}

impl BoundedListener {
    /// Clients speak TLS if there is something to show them.
    pub(crate) fn new(listener: TcpListener, tls: Option<Arc<TlsServer>>) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { listener, permits, tls, failures: Arc::new(Failures::new()) }
    }

    /// The handshake comes with the first bytes that are read, so that nobody else waits for it.
    fn socket(&self, stream: TcpStream, peer: SocketAddr) -> Socket {
        match &self.tls {
            None => Socket::Plain(stream),
            Some(tls) => Socket::Shaking {
                handshake: Box::new(TlsAcceptor::from(tls.config()).accept(stream)),
                peer,
                failures: Arc::clone(&self.failures),
            },
        }
    }
}

impl axum::serve::Listener for BoundedListener {
    type Io = ClientStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ClientStream, SocketAddr) {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "switching off delayed sending failed");
                    }
                    return (ClientStream::new(self.socket(stream, address), permit), address);
                }
                // The caller went away before it was accepted.
                Err(error) if is_callers_fault(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection to the REST API failed");
                    sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn is_callers_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// A connection that ends when nothing moved for [`IDLE_TIMEOUT`].
pub(crate) struct ClientStream {
    stream: Socket,
    idle: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl ClientStream {
    fn new(stream: Socket, permit: OwnedSemaphorePermit) -> Self {
        Self { stream, idle: Box::pin(sleep(IDLE_TIMEOUT)), _permit: permit }
    }

    /// Starts the idle time anew if something moved, and ends the wait if it has passed.
    fn checked<T>(&mut self, cx: &mut Context<'_>, moved: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            self.idle.as_mut().reset(Instant::now() + IDLE_TIMEOUT);
            return moved;
        }
        match self.idle.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.checked(cx, moved)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.checked(cx, moved)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a client is connected by.
enum Socket {
    Plain(TcpStream),
    /// TLS before it is agreed upon.
    Shaking {
        handshake: Box<Accept<TcpStream>>,
        peer: SocketAddr,
        failures: Arc<Failures>,
    },
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Waits for the handshake, if there is one.
    fn poll_agreed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Shaking { handshake, peer, failures } = self {
            match ready!(Pin::new(handshake).poll(cx)) {
                Ok(stream) => *self = Self::Tls(Box::new(stream)),
                Err(error) => {
                    failures.report(*peer, &error);
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_agreed(cx))?;
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Shaking { .. } => Poll::Pending,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_agreed(cx))?;
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Shaking { .. } => Poll::Pending,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            // Nothing was written.
            Self::Shaking { .. } => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            // The socket closes with the stream.
            Self::Shaking { .. } => Poll::Ready(Ok(())),
        }
    }
}

/// Tells of handshakes that failed, not more often than once in [`BETWEEN_REPORTS`].
struct Failures {
    began: Instant,
    /// From when on, in milliseconds since then, the next may be told of.
    next_ms: AtomicU64,
    untold: AtomicU64,
}

impl Failures {
    fn new() -> Self {
        Self { began: Instant::now(), next_ms: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }

    fn report(&self, peer: SocketAddr, error: &io::Error) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now_ms = ms(self.began.elapsed());
        if now_ms < self.next_ms.load(Ordering::Relaxed) {
            self.untold.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.next_ms.store(now_ms + ms(BETWEEN_REPORTS), Ordering::Relaxed);
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).and_then(explain);
        tracing::warn!(
            %peer,
            %error,
            cause,
            untold = self.untold.swap(0, Ordering::Relaxed),
            "a client of the REST API was not let in: its TLS handshake failed",
        );
    }
}
