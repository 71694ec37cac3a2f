//! One request on its way: through authentication, connection and redirects, to the answer that a guest gets.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, LOCATION,
    PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Response, StatusCode, Uri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use wasmtime_wasi_http::{Error as WasiError, WasiBody};

use super::auth::{Auth, OAuth2};
use super::body::{Received, Stop};
use super::client::Client;
use super::failure::{Cause, Failure};
use super::origin::Origin;
use super::pool::Lease;
use super::token::Token;

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 10;

/// Longest answer of a token endpoint.
const MAX_TOKEN_ANSWER: usize = 1 << 20;

/// What one request may take of what its instance has.
pub(super) struct Room {
    pub(super) request_max: u64,
    pub(super) response_max: u64,
    /// Bytes of all requests that wait for their answer.
    pub(super) buffer: Arc<Semaphore>,
    /// Longest wait for the head of the answer.
    pub(super) limit: Duration,
    /// Longest silence within the answer.
    pub(super) silence: Duration,
}

/// A request that can be sent more than once.
#[derive(Clone)]
struct Outgoing {
    method: Method,
    origin: Origin,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
}

/// Finds the client of the key that opens an origin.
pub(super) type Find = Box<dyn Fn(&Origin) -> Result<Arc<Client>, Failure> + Send + Sync>;

/// Sends a guest's request and returns the answer as soon as its head is there.
pub(super) async fn send(
    origin: Origin,
    request: Request<WasiBody>,
    find: Find,
    room: Room,
    stop: Stop,
) -> Result<Response<WasiBody>, Failure> {
    let mut client = find(&origin)?;
    let (parts, body) = request.into_parts();
    let Parts { method, uri, headers, .. } = parts;
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let deadline = Instant::now() + room.limit;
    let late = |origin: &Origin| {
        Failure::new(Cause::Timeout, format!("no answer from {origin} within {} ms", room.limit.as_millis()))
    };
    let (body, _held) = timeout(room.limit, collect(body, &room)).await.map_err(|_| {
        let text = format!("the request's body did not end within {} ms", room.limit.as_millis());
        Failure::new(Cause::Timeout, text)
    })??;
    // A guest that asks for a coding gets it as it comes.
    let unpacks = !headers.contains_key(ACCEPT_ENCODING);
    let mut outgoing = Outgoing { method, origin, path, headers, body };
    if unpacks {
        outgoing.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for _ in 0..=MAX_REDIRECTS {
        let exchanged = tokio::time::timeout_at(deadline, authenticated(&client, &outgoing)).await;
        let (response, lease) = exchanged.map_err(|_| late(&outgoing.origin))??;
        if client.redirects
            && let Some(next) = redirected(&outgoing, &response)?
        {
            client = find(&next.origin)?;
            outgoing = next;
            continue;
        }
        return Ok(answer(response, lease, unpacks, &room, stop, &client));
    }
    Err(Failure::new(Cause::Cut, format!("{} redirects lead nowhere", MAX_REDIRECTS)))
}

/// The whole body of a request, so that it can be sent again.
async fn collect(mut body: WasiBody, room: &Room) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Failure> {
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut chunks: Vec<Bytes> = Vec::new();
    let mut len = 0_u64;
    while let Some(frame) = body.frame().await {
        let cut = |error: WasiError| Failure::new(Cause::Cut, format!("the request's body: {error}"));
        let Ok(data) = frame.map_err(cut)?.into_data() else { continue };
        len += data.len() as u64;
        if room.request_max < len {
            let text = format!("the request has more than {} bytes (plugin.http.request.max.bytes)", room.request_max);
            return Err(Failure::new(Cause::TooLarge, text));
        }
        let wanted = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let more = Arc::clone(&room.buffer).try_acquire_many_owned(wanted).map_err(|_| {
            Failure::new(Cause::Busy, "the requests under way have too many bytes (plugin.http.buffer.max.bytes)")
        })?;
        match &mut held {
            Some(held) => held.merge(more),
            None => held = Some(more),
        }
        chunks.push(data);
    }
    let body = match chunks.len() {
        1 => chunks.remove(0),
        _ => {
            let mut joined = BytesMut::with_capacity(usize::try_from(len).unwrap_or_default());
            chunks.iter().for_each(|chunk| joined.extend_from_slice(chunk));
            joined.freeze()
        }
    };
    Ok((body, held))
}

/// An exchange with what the client adds. A token that has lost its power is replaced once.
async fn authenticated(client: &Arc<Client>, outgoing: &Outgoing) -> Result<(Response<Incoming>, Lease), Failure> {
    let Auth::OAuth2(oauth2) = &client.auth else { return exchange(client, outgoing, None).await };
    for attempt in 0..2 {
        let token = client.tokens.get(|| fetch_token(client, oauth2)).await?;
        let (response, lease) = exchange(client, outgoing, Some(&token)).await?;
        if attempt == 0 && oauth2.renew_on.contains(&response.status().as_u16()) {
            client.tokens.forget(&token);
            continue;
        }
        return Ok((response, lease));
    }
    unreachable!("the second attempt returns")
}

async fn fetch_token(client: &Arc<Client>, oauth2: &OAuth2) -> Result<Token, Failure> {
    let mut headers = oauth2.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert("accept", HeaderValue::from_static("application/json"));
    let path = oauth2.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let body = Bytes::from(oauth2.form.0.clone());
    let request = Outgoing { method: Method::POST, origin: oauth2.origin.clone(), path, headers, body };
    let began = Instant::now();
    let (response, lease) = bare_exchange(client, &request, |headers, _| {
        if let Some(value) = &oauth2.authorization {
            headers.insert(hyper::header::AUTHORIZATION, value.clone());
        }
    })
    .await?;
    let status = response.status();
    let limited = http_body_util::Limited::new(response.into_body(), MAX_TOKEN_ANSWER);
    let body = limited.collect().await.map_err(|error| {
        Failure::new(Cause::Cut, format!("read the answer of the token endpoint {}: {error}", oauth2.origin))
    })?;
    lease.give_back();
    let body = body.to_bytes();
    if status.is_success() {
        return Token::read(&body, &oauth2.property, began);
    }
    // An endpoint in trouble may recover; one that refuses the client will not.
    let cause =
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS { Cause::Connect } else { Cause::Auth };
    let text =
        format!("Couldn't get OAuth2 access token: {} answered {status} {}", oauth2.origin, Token::refusal(&body));
    Err(Failure::new(cause, text.trim_end().to_owned()))
}

async fn exchange(
    client: &Arc<Client>,
    outgoing: &Outgoing,
    token: Option<&HeaderValue>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    bare_exchange(client, outgoing, |headers, path| {
        for name in client.headers.keys() {
            headers.remove(name);
        }
        headers.extend(client.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        client.auth.apply(headers, path, token);
    })
    .await
}

/// Sends a request on a connection of the pool. One that a connection did not take, since the other side had closed it,
/// goes out on a new one.
async fn bare_exchange(
    client: &Arc<Client>,
    outgoing: &Outgoing,
    add: impl Fn(&mut HeaderMap, &mut PathAndQuery),
) -> Result<(Response<Incoming>, Lease), Failure> {
    let mut fresh = false;
    loop {
        let mut lease = client.pool.lease(&outgoing.origin, &client.dialer, fresh).await?;
        let request = prepared(client, outgoing, &add)?;
        let connection = lease.connection.as_mut().expect("a lease begins with one");
        if connection.sender.ready().await.is_err() && lease.used_before {
            fresh = true;
            continue;
        }
        client.metrics.http_requests.add(1);
        client.metrics.http_sent.add(outgoing.body.len() as u64);
        match connection.sender.try_send_request(request).await {
            Ok(response) => return Ok((response, lease)),
            Err(mut error) => {
                if lease.used_before && error.take_message().is_some() {
                    fresh = true;
                    continue;
                }
                let text = format!("the connection to {} ended before the answer: {}", outgoing.origin, error.error());
                return Err(Failure::new(Cause::Cut, text));
            }
        }
    }
}

fn prepared(
    client: &Client,
    outgoing: &Outgoing,
    add: &impl Fn(&mut HeaderMap, &mut PathAndQuery),
) -> Result<Request<Full<Bytes>>, Failure> {
    let Outgoing { method, origin, path, headers, body } = outgoing;
    let (mut headers, mut path) = (headers.clone(), path.clone());
    let host = HeaderValue::try_from(origin.authority());
    let host = host.map_err(|_| Failure::new(Cause::Denied, format!("{origin} cannot stand in a header")))?;
    headers.insert(HOST, host);
    // The body's own length says how long it is.
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    add(&mut headers, &mut path);
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = method.clone();
    *request.uri_mut() = match client.dialer.reading_proxy(origin) {
        None => path.into(),
        Some(proxy) => {
            if let Some(value) = &proxy.authorization {
                headers.insert(PROXY_AUTHORIZATION, value.clone());
            }
            let uri = Uri::builder().scheme("http").authority(origin.authority()).path_and_query(path).build();
            uri.map_err(|error| Failure::new(Cause::Denied, format!("{origin}: {error}")))?
        }
    };
    *request.headers_mut() = headers;
    Ok(request)
}

/// Where a redirect leads (RFC 9110, 15.4); none if the answer is none that can be followed.
fn redirected(from: &Outgoing, response: &Response<Incoming>) -> Result<Option<Outgoing>, Failure> {
    let status = response.status();
    let keeps = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    let changes = matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER);
    let Some(location) = response.headers().get(LOCATION).filter(|_| keeps || changes) else { return Ok(None) };
    let failed = |why: &str| Failure::new(Cause::Denied, format!("{} redirects to {location:?}: {why}", from.origin));
    let location = location.to_str().map_err(|_| failed("it is not a URL"))?;
    let location = location.split('#').next().unwrap_or_default();
    let uri: Uri = if location.contains("://") {
        location.parse()
    } else if location.starts_with("//") {
        format!("{}:{location}", if from.origin.is_secure() { "https" } else { "http" }).parse()
    } else {
        let path = if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder = from.path.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{folder}/{location}")
        };
        format!("{}{path}", from.origin).parse()
    }
    .map_err(|_| failed("it is not a URL"))?;
    let origin = Origin::of_uri(&uri).map_err(|error| failed(&error.to_string()))?;
    let mut next = from.clone();
    next.path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    if origin != next.origin {
        // What a guest has for one place is not for another.
        next.headers.remove(hyper::header::AUTHORIZATION);
        next.headers.remove(hyper::header::COOKIE);
        next.origin = origin;
    }
    if changes && next.method != Method::GET && next.method != Method::HEAD {
        next.method = Method::GET;
        next.body = Bytes::new();
        next.headers.remove(CONTENT_TYPE);
        next.headers.remove(CONTENT_ENCODING);
    }
    Ok(Some(next))
}

fn answer(
    response: Response<Incoming>,
    lease: Lease,
    unpacks: bool,
    room: &Room,
    stop: Stop,
    client: &Client,
) -> Response<WasiBody> {
    let (mut parts, body) = response.into_parts();
    let coding = parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_packed = unpacks && (coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip"));
    if is_packed {
        parts.headers.remove(CONTENT_ENCODING);
        parts.headers.remove(CONTENT_LENGTH);
    }
    let metrics = Arc::clone(&client.metrics);
    let received = Received::new(body, lease, is_packed, room.response_max, room.silence, stop, metrics);
    Response::from_parts(parts, received.boxed_unsync())
}
