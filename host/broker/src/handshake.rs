//! From an accepted socket to a connection whose user is known: TLS, then SASL, as the listener wants it.
//!
//! Nothing is believed of the peer here: frames are small, and all of it must be over within `socket.read.timeout.ms`.

use std::{io, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use millstream_record::ErrorChain;
use millstream_security::{
    InvalidCertificate,
    principal::MapError,
    rustls,
    tls::{explain, subject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::debug;

use crate::{
    api::{
        Peer, Rejected,
        sasl::{self, NotAuthenticated, Progress, Stage},
    },
    node::Node,
    security::{
        listener::{ListenerSecurity, SaslSettings},
        session::Session,
    },
    strangers::Trouble,
};

/// A stream whose bytes are requests.
pub enum Opened {
    /// As it came.
    Plain(TcpStream),
    /// Within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Why a connection ended before it could ask for anything.
#[derive(Debug, thiserror::Error)]
enum NotOpened {
    #[error("TLS handshake{}", explanation(.source))]
    Tls { source: io::Error },
    #[error("find the user of a certificate")]
    Certificate { source: InvalidCertificate },
    #[error("find the user of a certificate")]
    Mapping { source: MapError },
    #[error("exchange bytes with the peer")]
    Peer { source: io::Error },
    #[error("a frame of {size} bytes before authentication; {limit} are accepted (sasl.server.max.receive.size)")]
    TooLarge { size: u32, limit: usize },
    #[error("the first bytes are not those of a Kafka client")]
    Stranger(Trouble),
    #[error("read a request before authentication")]
    Rejected { source: Rejected },
    #[error("authentication failed")]
    NotAuthenticated { source: NotAuthenticated },
    #[error("the handshake was not over after {limit:?}")]
    TooSlow { limit: Duration },
}

fn explanation(error: &io::Error) -> String {
    rustls_error(error).and_then(explain).map(|words| format!(": {words}")).unwrap_or_default()
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

impl NotOpened {
    /// What an operator should hear of.
    fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::Tls { source } => match rustls_error(source) {
                Some(rustls::Error::InvalidMessage(_)) => Some(Trouble::NoTls),
                Some(_) => Some(Trouble::Handshake),
                // It merely hung up, as programs do that look whether a port is open.
                None => None,
            },
            Self::Certificate { .. } | Self::Mapping { .. } => Some(Trouble::Handshake),
            Self::Peer { .. } => None,
            Self::Stranger(Trouble::Tls) => Some(Trouble::TlsToSasl),
            Self::Stranger(trouble) => Some(*trouble),
            Self::TooLarge { .. } => Some(Trouble::Unauthenticated),
            Self::Rejected { source: Rejected::Decode { .. } | Rejected::Body { .. } | Rejected::NotServed { .. } } => {
                Some(Trouble::Unauthenticated)
            }
            Self::Rejected { .. } => None,
            Self::NotAuthenticated { source: NotAuthenticated::Unexpected { .. } } => Some(Trouble::Unauthenticated),
            Self::NotAuthenticated { .. } => Some(Trouble::Credentials),
            Self::TooSlow { .. } => Some(Trouble::HalfRequest),
        }
    }
}

/// Carries out what the listener wants before requests are served, and tells the operator where that fails. `None` if
/// the connection is not to be served.
pub async fn open(
    node: &Arc<Node>,
    peer: Peer,
    listener: &Arc<ListenerSecurity>,
    stream: TcpStream,
) -> Option<(Peer, Opened)> {
    if listener.tls.is_none() && listener.sasl.is_none() {
        return Some((peer, Opened::Plain(stream)));
    }
    let host = peer.host.clone();
    let opening = open_within(node, peer, listener, stream);
    let opened = match node.config.read_timeout {
        Some(limit) => match tokio::time::timeout(limit, opening).await {
            Ok(opened) => opened,
            Err(_) => Err(NotOpened::TooSlow { limit }),
        },
        None => opening.await,
    };
    match opened {
        Ok(opened) => opened,
        Err(error) => {
            match error.trouble() {
                Some(trouble) => node.strangers.report(trouble, &host, &ErrorChain(&error)),
                None => debug!(peer = %host, error = %ErrorChain(&error), "connection closed"),
            }
            None
        }
    }
}

async fn open_within(
    node: &Arc<Node>,
    mut peer: Peer,
    listener: &Arc<ListenerSecurity>,
    mut stream: TcpStream,
) -> Result<Option<(Peer, Opened)>, NotOpened> {
    let Some(tls) = &listener.tls else {
        let is_authenticated = match &listener.sasl {
            Some(sasl) => authenticate(node, &mut peer, listener, sasl, &mut stream).await?,
            None => true,
        };
        return Ok(is_authenticated.then_some((peer, Opened::Plain(stream))));
    };
    let accepting = TlsAcceptor::from(tls.config()).accept(stream);
    let mut stream = accepting.await.map_err(|source| NotOpened::Tls { source })?;
    match &listener.sasl {
        Some(sasl) => {
            if !authenticate(node, &mut peer, listener, sasl, &mut stream).await? {
                return Ok(None);
            }
        }
        None => {
            let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
            if let Some(certificate) = shown {
                let subject = subject(certificate).map_err(|source| NotOpened::Certificate { source })?;
                let user = listener.mapping.name(&subject).map_err(|source| NotOpened::Mapping { source })?;
                peer.session = Arc::new(Session::of_certificate(user));
            }
        }
    }
    Ok(Some((peer, Opened::Tls(Box::new(stream)))))
}

/// True once the peer is known; false if it hung up in order.
async fn authenticate(
    node: &Arc<Node>,
    peer: &mut Peer,
    listener: &Arc<ListenerSecurity>,
    sasl: &SaslSettings,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<bool, NotOpened> {
    let mut stage = Stage::default();
    let mut first = true;
    while let Some(frame) = read_frame(stream, sasl.max_receive_bytes, first).await? {
        first = false;
        let progress = sasl::step(node, peer, listener, sasl, &mut stage, frame).await;
        match progress.map_err(|source| NotOpened::Rejected { source })? {
            Progress::Answer(frame) => write(stream, &frame).await?,
            Progress::Authenticated(frame, session) => {
                peer.session = session;
                write(stream, &frame).await?;
                return Ok(true);
            }
            Progress::Refused(frame, failed) => {
                // So that guessing takes its time.
                tokio::time::sleep(sasl.failure_delay).await;
                if let Some(frame) = frame {
                    write(stream, &frame).await?;
                    stream.shutdown().await.map_err(|source| NotOpened::Peer { source })?;
                }
                return Err(NotOpened::NotAuthenticated { source: failed });
            }
        }
    }
    Ok(false)
}

/// Exactly one frame and nothing behind it; `None` at the end of the stream.
async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
    first: bool,
) -> Result<Option<Bytes>, NotOpened> {
    let failed = |source| NotOpened::Peer { source };
    let mut size = [0; 4];
    if stream.read(&mut size[..1]).await.map_err(failed)? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut size[1..]).await.map_err(failed)?;
    if first && let Some(trouble) = Trouble::of_first_bytes(&size) {
        return Err(NotOpened::Stranger(trouble));
    }
    let size = u32::from_be_bytes(size);
    if usize::try_from(size).map_or(true, |size| limit < size) {
        return Err(NotOpened::TooLarge { size, limit });
    }
    // The size is only announced: memory is taken as bytes arrive.
    let mut frame = BytesMut::new();
    let mut rest = stream.take(u64::from(size));
    while frame.len() < size as usize {
        if rest.read_buf(&mut frame).await.map_err(failed)? == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(Some(frame.freeze()))
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<(), NotOpened> {
    let failed = |source| NotOpened::Peer { source };
    stream.write_all(frame).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}
