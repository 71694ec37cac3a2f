//! An HTTP client: one request, one answer, within a time and a size.
//!
//! The command line asks workers by it, and workers other servers. Each request has a connection of its own, so that none is lost
//! on one that the other side was about to close; nothing is tried twice, no redirect is followed. Dropping the future of a
//! request closes its connection. No type of a library stands in what is public here.

mod error;
mod message;
mod socket;
mod url;

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{self, HeaderName, HeaderValue},
};
use millstream_security::tls::{TlsClient, TlsKeys};
use tokio::sync::OnceCell;

pub use self::{
    error::{HttpError, Stage},
    message::{HttpAnswer, HttpRequest},
    url::{HttpUrl, InvalidUrl},
};

/// How requests are made.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// For the connection, TLS included.
    pub connect_timeout: Duration,
    /// For everything, from the first look at the name server to the last byte of the answer.
    pub timeout: Duration,
    /// Most bytes of an answer's body.
    pub max_body_bytes: usize,
    /// What the client calls itself.
    pub user_agent: String,
    /// Keys and certificates for `https`; what the system trusts if there are none.
    pub tls: Option<TlsKeys>,
}

impl Default for ClientSettings {
    /// Ten seconds to connect, a hundred for all (a worker may take ninety), 64 MiB.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(100),
            max_body_bytes: 64 << 20,
            user_agent: concat!("millstream/", env!("CARGO_PKG_VERSION")).to_owned(),
            tls: None,
        }
    }
}

/// Makes requests. Clones share keys and certificates, which are read at the first `https` request, and anew when they change.
#[derive(Clone, Debug)]
pub struct HttpClient {
    settings: Arc<ClientSettings>,
    tls: Arc<OnceCell<Arc<TlsClient>>>,
}

impl HttpClient {
    /// Nothing is read or opened yet.
    pub fn new(settings: ClientSettings) -> Self {
        Self { settings: Arc::new(settings), tls: Arc::default() }
    }

    /// Asks, and reads the whole answer, whatever its status is.
    ///
    /// # Errors
    ///
    /// There is no answer; [`HttpError::may_have_arrived`] says whether the server can have acted on the request.
    pub async fn send(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
        let mut stage = Stage::Connect;
        let asked = tokio::time::timeout(self.settings.timeout, self.ask(request, &mut stage)).await;
        asked.unwrap_or_else(|_| {
            Err(HttpError::TimedOut { url: request.url().shown(), stage, after: self.settings.timeout })
        })
    }

    async fn ask(&self, request: &HttpRequest, stage: &mut Stage) -> Result<HttpAnswer, HttpError> {
        let url = request.url();
        let message = self.message(request)?;
        let connected = tokio::time::timeout(self.settings.connect_timeout, socket::connect(url, self)).await;
        let after = self.settings.connect_timeout;
        let socket =
            connected.unwrap_or(Err(HttpError::TimedOut { url: url.shown(), stage: Stage::Connect, after }))?;
        *stage = Stage::Answer;
        let broken = |source| HttpError::Broken { url: url.shown(), source: Box::new(source) };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(socket)).await.map_err(broken)?;
        let exchange = async {
            let answer = sender.send_request(message).await.map_err(broken)?;
            self.read(url, answer).await
        };
        // Both are driven here: nothing of a request outlives its future. Where the connection ends first, the exchange
        // has been told why, or has the rest of the answer already.
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            answer = &mut exchange => answer,
            _ended = connection => exchange.await,
        }
    }

    fn message(&self, request: &HttpRequest) -> Result<Request<Full<Bytes>>, HttpError> {
        let url = request.url();
        let refused = |what: String| HttpError::Request { url: url.shown(), what };
        let mut message = Request::builder().method(request.method()).uri(url.path_and_query());
        let mut header = |name: &str, value: &str, secret: bool| -> Result<(), HttpError> {
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            // The value may be a secret.
            let (name, mut value) = parsed.ok_or_else(|| refused(format!("the header {name:?} cannot be sent")))?;
            value.set_sensitive(secret);
            if let Some(headers) = message.headers_mut() {
                headers.insert(name, value);
            }
            Ok(())
        };
        header(header::HOST.as_str(), &url.authority(), false)?;
        header(header::USER_AGENT.as_str(), &self.settings.user_agent, false)?;
        header(header::CONNECTION.as_str(), "close", false)?;
        if let Some((user, password)) = url.credentials() {
            let basic = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
            header(header::AUTHORIZATION.as_str(), &basic, true)?;
        }
        for (name, value) in request.headers() {
            header(name, value, false)?;
        }
        let body = Full::new(Bytes::from(request.body().to_vec()));
        message.body(body).map_err(|error| refused(error.to_string()))
    }

    async fn read(&self, url: &HttpUrl, answer: Response<Incoming>) -> Result<HttpAnswer, HttpError> {
        let (head, mut body) = answer.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|source| HttpError::Broken { url: url.shown(), source: Box::new(source) })?;
            let Some(data) = frame.data_ref() else { continue };
            if self.settings.max_body_bytes - bytes.len() < data.len() {
                return Err(HttpError::TooLarge { url: url.shown(), max_bytes: self.settings.max_body_bytes });
            }
            bytes.extend_from_slice(data);
        }
        let headers = head.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        Ok(HttpAnswer::new(head.status.as_u16(), headers, bytes))
    }
}

#[cfg(test)]
mod tests;
