//! What is written to topics about records: the answers that they got, and why they were refused.

use millstream_sdk::{
    TopicReport,
    batch::{Role, Table},
    http::{Cause, HttpError, Response},
};

use super::settings::{ReportFormat, Reports};
use super::task::reason_phrase;
use crate::json;

/// What was missing, in a header.
const MISSING: &str = "null";

/// How a request ended.
#[derive(Clone, Debug, Default)]
pub struct About {
    pub url: String,
    pub status: Option<u16>,
    pub content: String,
    pub exception: &'static str,
    pub message: String,
}

impl About {
    pub fn of(url: &str, outcome: &Result<Response, HttpError>, records: usize) -> Self {
        let message = format!("Exception while processing HTTP request for a batch of {records} records.");
        match outcome {
            Ok(response) => Self {
                url: url.to_owned(),
                status: Some(response.status),
                content: response.text(),
                exception: MISSING,
                message,
            },
            Err(error) => Self {
                url: url.to_owned(),
                status: None,
                content: MISSING.to_owned(),
                exception: match error.cause {
                    Cause::Timeout => "java.net.SocketTimeoutException",
                    Cause::Dns => "java.net.UnknownHostException",
                    Cause::Tls => "javax.net.ssl.SSLException",
                    Cause::Connect | Cause::Proxy => "java.net.ConnectException",
                    _ => "java.io.IOException",
                },
                message: format!("{message} {error}"),
            },
        }
    }
}

/// Where a record was, as headers.
fn place(table: &Table<'_>, row: usize) -> Vec<(String, Vec<u8>)> {
    let number = |role| table.integer(role, row).map_or(MISSING.to_owned(), |number| number.to_string());
    let topic = table.topic(row).unwrap_or(MISSING).to_owned();
    let headers = [
        ("input_record_offset", number(Role::OFFSET)),
        ("input_record_timestamp", number(Role::TIMESTAMP)),
        ("input_record_partition", number(Role::PARTITION)),
        ("input_record_topic", topic),
    ];
    headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect()
}

fn formatted(text: &str, format: ReportFormat) -> Vec<u8> {
    match format {
        ReportFormat::Text => text.as_bytes().to_vec(),
        ReportFormat::Json => {
            let mut out = String::with_capacity(text.len() + 2);
            json::string(&mut out, text);
            out.into_bytes()
        }
    }
}

/// About a record that the server took.
pub fn of_result(table: &Table<'_>, row: u32, answer: &Response, format: ReportFormat) -> TopicReport {
    let value = Some(formatted(&answer.text(), format));
    TopicReport { key: None, value, headers: place(table, row as usize) }
}

/// About a record that is refused for good.
pub fn of_error(
    table: &Table<'_>,
    row: u32,
    about: &About,
    payload: &str,
    reports: &Reports,
    format: ReportFormat,
) -> TopicReport {
    let About { url, status, content, exception, message } = about;
    let code = status.map_or(MISSING.to_owned(), |status| status.to_string());
    let phrase = status.map_or(MISSING, reason_phrase);
    let mut headers = place(table, row as usize);
    for (name, value) in [
        ("error_message", message.as_str()),
        ("exception", exception),
        ("response_content", content),
        ("status_code", &code),
        ("payload", payload),
        ("reason_phrase", phrase),
        ("url", url),
    ] {
        headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    let text = if reports.as_response {
        content.clone()
    } else {
        format!(
            "Retry time lapsed, unable to process HTTP request. HTTP Response code: {code}, Reason phrase: {phrase}, \
             Url: {url}, Response content: {content}, Exception: {exception}, Error message: {message}"
        )
    };
    TopicReport { key: None, value: Some(formatted(&text, format)), headers }
}
