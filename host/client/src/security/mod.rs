//! How connections are protected (`security.protocol`): TLS around the stream, and logins for SASL over it.
//!
//! What keys, certificates and exchanges are, `millstream-security` knows; here they meet a stream and a clock. Nothing
//! that is secret is shown by anything here.

mod login;

use std::{error::Error, fmt, io, sync::Arc};

use millstream_record::ErrorChain;
use millstream_security::{
    rustls,
    tls::{self, TlsClient},
};

pub(crate) use self::login::Login;
pub use self::login::LoginError;
use crate::dial::{HostPort, Stream};

/// How the connections of a client are protected. Clones share keys and logins.
#[derive(Clone, Default)]
pub struct Security {
    pub(crate) tls: Option<Arc<TlsClient>>,
    pub(crate) login: Option<Arc<Login>>,
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.protocol())
    }
}

impl Security {
    /// The value of `security.protocol` that stands for it.
    pub fn protocol(&self) -> &'static str {
        match (&self.tls, &self.login) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        }
    }

    /// Puts TLS around a stream, where that is wanted. Files that have changed are read again before.
    ///
    /// # Errors
    ///
    /// The handshake fails; inside is the error of rustls, if it is one.
    pub(crate) async fn protect(&self, stream: Box<dyn Stream>, address: &HostPort) -> io::Result<Box<dyn Stream>> {
        let Some(tls) = &self.tls else { return Ok(stream) };
        let name = tls::server_name(&address.host).map_err(io::Error::other)?;
        let reloading = Arc::clone(tls);
        match tokio::task::spawn_blocking(move || reloading.reload()).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => tracing::info!(%address, "keys and certificates for TLS have changed and were read again"),
            Ok(Err(error)) => {
                tracing::warn!(%address, error = %ErrorChain(&error), "keys or certificates for TLS have changed and cannot be read; those before stay in use");
            }
            Err(stopped) => return Err(io::Error::other(stopped)),
        }
        let connector = tokio_rustls::TlsConnector::from(tls.config());
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

/// What rustls says, if it is behind an error.
pub(crate) fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error hides what is in it from its chain's first link.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
