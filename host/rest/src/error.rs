//! Errors as the API answers them: `{"error_code": …, "message": …}`.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use millstream_runtime::herder::HerderError;
use serde_json::{Value, json};

/// An error answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RestError {
    status: StatusCode,
    message: String,
    elsewhere: Option<String>,
}

/// Where a request is to be passed on to, beside the answer to it.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere(pub(crate) String);

/// The message of an error answer, kept beside its body.
#[derive(Clone, Debug)]
pub(crate) struct Refusal(String);

impl Refusal {
    /// What may stand in the log: further lines of a message show values of a configuration.
    pub(crate) fn headline(&self) -> &str {
        self.0.lines().next().unwrap_or("")
    }
}

/// What a handler answers.
pub(crate) type Answer = Result<Response, RestError>;

impl RestError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), elsewhere: None }
    }

    /// An answer that says no more than its status, as JAX-RS words it.
    pub(crate) fn plain(status: StatusCode) -> Self {
        Self::new(status, format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or("")))
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 500.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    pub(crate) fn not_found() -> Self {
        Self::plain(StatusCode::NOT_FOUND)
    }
}

impl From<HerderError> for RestError {
    fn from(error: HerderError) -> Self {
        let status = match &error {
            HerderError::NotFound(_) => StatusCode::NOT_FOUND,
            HerderError::AlreadyExists(_)
            | HerderError::Conflict(_)
            | HerderError::Stale
            | HerderError::NoLeader
            | HerderError::Elsewhere { .. } => StatusCode::CONFLICT,
            HerderError::BadRequest(_) => StatusCode::BAD_REQUEST,
            HerderError::Forbidden(_) => StatusCode::FORBIDDEN,
            HerderError::Failed { .. }
            | HerderError::NotWritten { .. }
            | HerderError::ShuttingDown
            | HerderError::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let message = error.to_string();
        let elsewhere = match error {
            HerderError::Elsewhere { url } => Some(url),
            _ => None,
        };
        Self { status, message, elsewhere }
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let body = json!({"error_code": self.status.as_u16(), "message": self.message});
        let mut response = json_response(self.status, &body);
        response.extensions_mut().insert(Refusal(self.message));
        if let Some(url) = self.elsewhere {
            response.extensions_mut().insert(Elsewhere(url));
        }
        response
    }
}

/// An answer with a JSON body.
pub(crate) fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// 200 with a JSON body.
pub(crate) fn ok(body: &Value) -> Response {
    json_response(StatusCode::OK, body)
}
