//! The connection of a request.

use std::{io, sync::Arc};

use millstream_record::ErrorChain;
use millstream_security::tls::{TlsClient, TlsError, TlsKeys, server_name};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

use super::{HttpClient, HttpError, HttpUrl};

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Connects, with TLS where the URL says so.
pub(super) async fn connect(url: &HttpUrl, client: &HttpClient) -> Result<Box<dyn Socket>, HttpError> {
    let failed = |source| HttpError::Connect { url: url.shown(), source };
    let tls = if url.is_secure() { Some(certificates(url, client).await?) } else { None };
    let stream = TcpStream::connect((url.host(), url.port())).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = server_name(url.host()).map_err(|source| HttpError::TlsKeys { url: url.shown(), source })?;
    let stream = tokio_rustls::TlsConnector::from(tls.config()).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|source| HttpError::Tls { url: url.shown(), source })?))
}

/// Keys and certificates as they are in their files now, or were when they could last be read.
async fn certificates(url: &HttpUrl, client: &HttpClient) -> Result<Arc<TlsClient>, HttpError> {
    let stopped = |source| HttpError::Connect { url: url.shown(), source: io::Error::other(source) };
    let keys = client.settings.tls.clone();
    let read = client.tls.get_or_try_init(|| async {
        let read = tokio::task::spawn_blocking(move || read(keys)).await.map_err(stopped)?;
        read.map_err(|source| HttpError::TlsKeys { url: url.shown(), source })
    });
    let tls = Arc::clone(read.await?);
    let reloading = Arc::clone(&tls);
    if let Err(error) = tokio::task::spawn_blocking(move || reloading.reload()).await.map_err(stopped)? {
        tracing::warn!(url = url.shown(), error = %ErrorChain(&error), "keys or certificates for TLS have changed and cannot be read; those before stay in use");
    }
    Ok(tls)
}

fn read(keys: Option<TlsKeys>) -> Result<Arc<TlsClient>, TlsError> {
    let keys = keys.map_or_else(|| TlsKeys::read(&|_| None), Ok)?;
    TlsClient::new(keys).map(Arc::new)
}
