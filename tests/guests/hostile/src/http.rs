//! What a source may be asked to do with servers.

use std::io::{Read, Write};

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;

/// Carries a behaviour out that begins with `http ` or `socket ` and says what came of it; none for another behaviour.
pub fn act(behaviour: &str) -> Option<String> {
    let mut words = behaviour.splitn(4, ' ');
    let (kind, verb) = (words.next()?, words.next()?);
    let (first, rest) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Some(match (kind, verb) {
        ("http", "many") => many(first.parse().ok()?, rest),
        ("http", "endless") => endless(first),
        ("http", "leak") => leak(first),
        ("http", "body") => said(begin("POST", first, Some(&vec![b'x'; rest.parse().ok()?]), &[])),
        ("http", "headers") => said(begin("GET", first, None, &[("authorization", "mine"), ("x-mine", "yes"), ("accept-encoding", "gzip")])),
        ("http", "twice") => [said(begin("GET", first, None, &[])), said(begin("GET", rest, None, &[]))].join(" | "),
        ("http", method) => said(begin(method, first, (!rest.is_empty()).then_some(rest.as_bytes()), &[])),
        ("socket", "echo") => echo(first).unwrap_or_else(|error| format!("error: {error}")),
        ("socket", "listen") => match std::net::TcpListener::bind("127.0.0.1:0") {
            Ok(_) => "listens".to_owned(),
            Err(error) => format!("error: {error}"),
        },
        _ => return None,
    })
}

fn begin(method: &str, url: &str, body: Option<&[u8]>, headers: &[(&str, &str)]) -> Result<FutureIncomingResponse, ErrorCode> {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let headers: Vec<(String, Vec<u8>)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let request = OutgoingRequest::new(Fields::from_list(&headers).expect("headers"));
    let method = match method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    request.set_method(&method).expect("a method");
    request.set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http })).expect("a scheme");
    request.set_authority(Some(authority)).expect("an authority");
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).expect("a path");
    let Some(bytes) = body else { return handle(request, None) };
    let body = request.body().expect("the first body");
    let stream = body.write().expect("the first stream");
    let future = handle(request, None)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        match stream.check_write() {
            Ok(0) => stream.subscribe().block(),
            Ok(room) => {
                let now = rest.len().min(room as usize);
                if stream.write(&rest[..now]).is_err() {
                    return Ok(future);
                }
                rest = &rest[now..];
            }
            Err(_) => return Ok(future),
        }
    }
    let _ = stream.flush();
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
    Ok(future)
}

fn said(begun: Result<FutureIncomingResponse, ErrorCode>) -> String {
    match begun.and_then(answer) {
        Ok(text) => text,
        Err(ErrorCode::InternalError(Some(text))) => format!("error: {text}"),
        Err(code) => format!("error: {code:?}"),
    }
}

fn answer(future: FutureIncomingResponse) -> Result<String, ErrorCode> {
    future.subscribe().block();
    let response = future.get().expect("it is ready").expect("it is fetched once")?;
    let status = response.status();
    let body = response.consume().expect("the first time");
    let bytes = read(&body)?;
    let text = if bytes.len() < 2000 { String::from_utf8_lossy(&bytes).into_owned() } else { format!("{} bytes", bytes.len()) };
    Ok(format!("{status} {text}"))
}

fn read(body: &IncomingBody) -> Result<Vec<u8>, ErrorCode> {
    let stream = body.stream().expect("the first time");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(more) => bytes.extend_from_slice(&more),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                let text = error.to_debug_string();
                let text = text.strip_prefix("internal error: ").unwrap_or(&text).to_owned();
                return Err(http_error_code(&error).unwrap_or(ErrorCode::InternalError(Some(text))));
            }
        }
    }
}

/// Many requests at a time.
fn many(count: usize, url: &str) -> String {
    let begun: Vec<_> = (0..count).map(|_| begin("GET", url, None, &[])).collect();
    let ended: Vec<String> = begun.into_iter().map(said).collect();
    let good = ended.iter().filter(|text| text.starts_with("200")).count();
    let first = ended.iter().find(|text| text.starts_with("error")).cloned().unwrap_or_default();
    format!("{good} of {count}; {first}")
}

/// A body that has no end.
fn endless(url: &str) -> String {
    let request = OutgoingRequest::new(Fields::new());
    let (_, rest) = url.split_once("://").expect("a URL");
    request.set_method(&Method::Post).expect("a method");
    request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
    request.set_authority(Some(rest.trim_end_matches('/'))).expect("an authority");
    request.set_path_with_query(Some("/")).expect("a path");
    let body = request.body().expect("the first body");
    let stream = body.write().expect("the first stream");
    let future = match handle(request, None) {
        Ok(future) => future,
        Err(code) => return format!("error: {code:?}"),
    };
    let chunk = vec![0; 1 << 16];
    loop {
        match stream.check_write() {
            Ok(0) => stream.subscribe().block(),
            Ok(room) if stream.write(&chunk[..chunk.len().min(room as usize)]).is_ok() => {}
            _ => break,
        }
    }
    said(Ok(future))
}

/// Requests that nobody waits for, and objects that nobody drops.
fn leak(url: &str) -> String {
    for _ in 0..10_000 {
        std::mem::forget(begin("GET", url, None, &[]));
        std::mem::forget(RequestOptions::new());
        std::mem::forget(Fields::new());
    }
    "leaked".to_owned()
}

fn echo(address: &str) -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    stream.write_all(b"ping")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether a text stands somewhere in the instance's memory. It is given backwards, so that asking does not put it there.
pub fn finds(backwards: &[u8]) -> bool {
    let Some((&first, others)) = backwards.split_last() else { return false };
    let pages = core::arch::wasm32::memory_size(0);
    let bytes = (pages << 16) - backwards.len();
    // Address 0 is no place that Rust may look at.
    (1..bytes).any(|at| {
        // SAFETY: the memory of the instance reaches further than that, and nothing else runs in it.
        let byte = |offset: usize| unsafe { std::ptr::read_volatile((at + offset) as *const u8) };
        byte(0) == first && others.iter().rev().enumerate().all(|(offset, &other)| byte(offset + 1) == other)
    })
}
