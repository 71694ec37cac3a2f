//! Requests as a component sends them: through `wasi:http`.

use wasip2::{
    http::{
        outgoing_handler,
        types::{
            ErrorCode, Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest,
            RequestOptions, Scheme, http_error_code,
        },
    },
    io::streams::{OutputStream, StreamError},
};

use crate::http::{Cause, HttpError, Request, Response, parts};

/// Bytes that are read at a time.
const READ: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct RequestHandle(FutureIncomingResponse);

pub(crate) fn start_request(request: &Request) -> Result<RequestHandle, HttpError> {
    let invalid =
        |what: &str| HttpError::new(Cause::Invalid, format!("{} {}: {what}", request.method(), request.url()));
    let (is_secure, authority, path) = parts(request.url()).ok_or_else(|| invalid("it is no URL of HTTP"))?;
    let headers: Vec<(String, Vec<u8>)> =
        request.headers().iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())).collect();
    let headers = Fields::from_list(&headers).map_err(|error| invalid(&format!("a header is wrong: {error:?}")))?;
    let outgoing = OutgoingRequest::new(headers);
    let method = match request.method() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    };
    outgoing.set_method(&method).map_err(|()| invalid("it is no method"))?;
    let scheme = if is_secure { Scheme::Https } else { Scheme::Http };
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("its scheme is wrong"))?;
    outgoing.set_authority(Some(authority)).map_err(|()| invalid("its host is wrong"))?;
    outgoing
        .set_path_with_query(Some(&path))
        .map_err(|()| invalid("its path or query has characters that have to be encoded"))?;
    let options = request.timeout().map(|time| {
        let options = RequestOptions::new();
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // A host that knows no such limit has one of its own.
        let _ = options.set_first_byte_timeout(Some(nanos));
        options
    });
    if request.body_bytes().is_empty() {
        return Ok(RequestHandle(outgoing_handler::handle(outgoing, options).map_err(|code| of_code(&code))?));
    }
    let body = outgoing.body().map_err(|()| invalid("it has two bodies"))?;
    let stream = body.write().map_err(|()| invalid("its body is written twice"))?;
    let future = outgoing_handler::handle(outgoing, options).map_err(|code| of_code(&code))?;
    // A host that has given the request up takes no more of it; the future says why.
    let written = write_all(&stream, request.body_bytes());
    drop(stream);
    if written.is_ok() {
        let _ = OutgoingBody::finish(body, None);
    }
    Ok(RequestHandle(future))
}

fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = match stream.check_write()? {
            0 => {
                stream.subscribe().block();
                continue;
            }
            room => usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len()),
        };
        stream.write(&bytes[..room])?;
        bytes = &bytes[room..];
    }
    stream.flush()
}

impl RequestHandle {
    pub(crate) fn wait(self) -> Result<Response, HttpError> {
        self.0.subscribe().block();
        let odd = || HttpError::new(Cause::Cut, "the host has lost the answer");
        let incoming = self.0.get().ok_or_else(odd)?.map_err(|()| odd())?.map_err(|code| of_code(&code))?;
        let status = incoming.status();
        let headers = incoming.headers().entries();
        let body = incoming.consume().map_err(|()| odd())?;
        Ok(Response { status, headers, body: read_all(&body)? })
    }
}

fn read_all(body: &IncomingBody) -> Result<Vec<u8>, HttpError> {
    let stream = body.stream().map_err(|()| HttpError::new(Cause::Cut, "the answer was read before"))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(more) if bytes.is_empty() => bytes = more,
            Ok(more) => bytes.extend_from_slice(&more),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(match http_error_code(&error) {
                    Some(code) => of_code(&code),
                    // What breaks off within a body comes as text alone.
                    None => {
                        let text = error.to_debug_string();
                        HttpError::of_host(text.strip_prefix("internal error: ").unwrap_or(&text))
                    }
                });
            }
        }
    }
}

fn of_code(code: &ErrorCode) -> HttpError {
    match code {
        ErrorCode::InternalError(Some(text)) => HttpError::of_host(text),
        other => HttpError::new(Cause::Cut, format!("{other:?}")),
    }
}
