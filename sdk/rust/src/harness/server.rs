//! A server for requests of plugins that run natively: a function of the test.

use std::rc::Rc;

use super::with_state;
use crate::http::{Cause, HttpError, Request, Response};

/// Answers a request, or says why there is no answer.
pub(super) type Server = Rc<dyn Fn(&Request) -> Result<Response, HttpError>>;

#[derive(Debug)]
pub(crate) struct RequestHandle(Result<Response, HttpError>);

/// The answer is made when the request is sent, so that a test sees the order.
pub(crate) fn start_request(request: &Request) -> Result<RequestHandle, HttpError> {
    let server = with_state(|state| state.server.clone());
    let server = server.ok_or_else(|| {
        let text = format!("no server of the test answers {} {}", request.method(), request.url());
        HttpError::new(Cause::Denied, text)
    })?;
    Ok(RequestHandle(server(request)))
}

impl RequestHandle {
    pub(crate) fn wait(self) -> Result<Response, HttpError> {
        self.0
    }
}
