//! The little HTTP that tests need.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Map, Value, json};

use crate::SOON;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }
}

/// Sends a GET; `None` if nobody answers.
pub fn get(address: &str, path: &str) -> Option<Answer> {
    request(address, "GET", path, None)
}

/// Sends a request with an optional JSON body; `None` if nobody answers.
pub fn request(address: &str, method: &str, path: &str, body: Option<&str>) -> Option<Answer> {
    request_with(address, method, path, &[], body)
}

/// The same with further headers.
pub fn request_with(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Option<Answer> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(SOON)).ok()?;
    let body = body.unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {length}\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some(Answer { status, body: if chunked { join_chunks(body) } else { body.to_owned() } })
}

/// What a worker, ours or Connect's, says of a connector's configuration: number of errors, names of keys in their order,
/// groups, and errors by key.
///
/// # Panics
///
/// If it does not answer with a result of validation.
pub fn validated(rest: &str, config: &Value) -> (Value, Vec<String>, Value, Value) {
    let class = config["connector.class"].as_str().expect("a class");
    let path = format!("/connector-plugins/{class}/config/validate");
    let answer = request(rest, "PUT", &path, Some(&config.to_string())).expect("an answer").json();
    let (mut names, mut wrong) = (Vec::new(), Map::new());
    for shown in answer["configs"].as_array().unwrap_or_else(|| panic!("no list of keys: {answer}")) {
        let (name, errors) = (shown["value"]["name"].as_str().expect("a name"), &shown["value"]["errors"]);
        names.push(name.to_owned());
        if errors != &json!([]) {
            wrong.insert(name.to_owned(), errors.clone());
        }
    }
    (answer["error_count"].clone(), names, answer["groups"].clone(), wrong.into())
}

fn join_chunks(mut body: &str) -> String {
    let mut joined = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let Ok(length) = usize::from_str_radix(length.trim(), 16) else { break };
        let Some(chunk) = rest.get(..length).filter(|chunk| !chunk.is_empty()) else { break };
        joined.push_str(chunk);
        body = rest[length..].trim_start_matches("\r\n");
    }
    joined
}
