//! A token for OAuth 2, kept while it is good.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::HeaderValue;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::failure::{Cause, Failure};

/// The part of a token's life after which a new one is fetched.
const RENEW_AT: f64 = 0.8;

/// The token of one client.
pub(super) struct Tokens {
    /// One fetch at a time: whoever waits finds its token.
    turn: Semaphore,
    current: Mutex<Option<Token>>,
}

/// A value for `Authorization`, and until when it is to be used.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) value: HeaderValue,
    until: Option<Instant>,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self { turn: Semaphore::new(1), current: Mutex::new(None) }
    }

    fn current(&self) -> Option<HeaderValue> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let token = current.as_ref().filter(|token| token.until.is_none_or(|until| Instant::now() < until))?;
        Some(token.value.clone())
    }

    /// The token, fetched if there is none that is good for some time.
    pub(super) async fn get<F>(&self, fetch: impl FnOnce() -> F) -> Result<HeaderValue, Failure>
    where
        F: Future<Output = Result<Token, Failure>>,
    {
        if let Some(value) = self.current() {
            return Ok(value);
        }
        let _turn = self.turn.acquire().await.expect("it is never closed");
        if let Some(value) = self.current() {
            return Ok(value);
        }
        let token = fetch().await?;
        let value = token.value.clone();
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
        Ok(value)
    }

    /// A server does not take this token any more. One that was fetched since stays.
    pub(super) fn forget(&self, value: &HeaderValue) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|token| token.value == *value) {
            *current = None;
        }
    }
}

impl Token {
    /// Reads the answer of a token endpoint (RFC 6749, 5.1).
    pub(super) fn read(body: &[u8], property: &str, now: Instant) -> Result<Self, Failure> {
        let failed = |text: String| Failure::new(Cause::Auth, text);
        let answer: Value = serde_json::from_slice(body)
            .map_err(|error| failed(format!("the answer of the token endpoint is no JSON: {error}")))?;
        let token = answer.get(property).and_then(Value::as_str).ok_or_else(|| {
            let names: Vec<&str> = answer.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            failed(format!(
                "Couldn't find access token property {property} in response properties: [{}]",
                names.join(", ")
            ))
        })?;
        let kind = answer.get("token_type").and_then(Value::as_str).unwrap_or("Bearer");
        // Some endpoints answer `bearer`, which some servers do not know.
        let kind = if kind.eq_ignore_ascii_case("bearer") { "Bearer" } else { kind };
        let mut value = HeaderValue::try_from(format!("{kind} {token}"))
            .map_err(|_| failed("the token has characters that no header may have".to_owned()))?;
        value.set_sensitive(true);
        let seconds = answer.get("expires_in").and_then(|seconds| match seconds {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        });
        // A hundred years and more are for ever.
        let seconds = seconds.filter(|seconds| (0.0..3e9).contains(seconds));
        Ok(Self { value, until: seconds.map(|seconds| now + Duration::from_secs_f64(seconds * RENEW_AT)) })
    }

    /// What an endpoint has against the client, without anything else that its answer may hold.
    pub(super) fn refusal(body: &[u8]) -> String {
        let answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let text =
            |name| answer.get(name).and_then(Value::as_str).map(|text| text.chars().take(200).collect::<String>());
        let said: Vec<String> = ["error", "error_description"].into_iter().filter_map(text).collect();
        said.join(": ")
    }
}

/// Shared with requests that are under way.
pub(super) type SharedTokens = Arc<Tokens>;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_token_is_fetched_once_renewed_before_it_ends_and_forgotten_when_it_is_refused() {
        let tokens = Arc::new(Tokens::new());
        let fetched = std::sync::atomic::AtomicU32::new(0);
        let fetch = || async {
            let number = fetched.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            let body = format!(r#"{{"access_token":"t{number}","token_type":"bearer","expires_in":100}}"#);
            Token::read(body.as_bytes(), "access_token", Instant::now())
        };
        let (one, two) = tokio::join!(tokens.get(fetch), tokens.get(fetch));
        assert_eq!(
            (one.unwrap(), two.unwrap()),
            (HeaderValue::from_static("Bearer t0"), HeaderValue::from_static("Bearer t0"))
        );
        tokio::time::sleep(Duration::from_secs(79)).await;
        assert_eq!(tokens.get(fetch).await.unwrap(), "Bearer t0");
        tokio::time::sleep(Duration::from_secs(2)).await;
        let second = tokens.get(fetch).await.unwrap();
        assert_eq!(second, "Bearer t1");
        tokens.forget(&HeaderValue::from_static("Bearer t0"));
        assert_eq!(tokens.get(fetch).await.unwrap(), "Bearer t1", "an older one was refused");
        tokens.forget(&second);
        assert_eq!(tokens.get(fetch).await.unwrap(), "Bearer t2");
    }

    #[test]
    fn answers_of_token_endpoints_are_read_and_their_refusals_say_no_more_than_they_must() {
        let read = |body: &str| Token::read(body.as_bytes(), "tok", Instant::now()).map(|token| token.value);
        assert_eq!(read(r#"{"tok":"x","token_type":"MAC"}"#).unwrap(), "MAC x");
        assert_eq!(read(r#"{"tok":"x"}"#).unwrap(), "Bearer x");
        let missing = read(r#"{"access_token":"x","a":1}"#).unwrap_err();
        let expected = "auth: Couldn't find access token property tok in response properties: [access_token, a]";
        assert_eq!(missing.to_string(), expected);
        assert!(read("<html>").unwrap_err().to_string().contains("no JSON"));
        let refusal = Token::refusal(br#"{"error":"invalid_client","error_description":"unknown","secret":"s"}"#);
        assert_eq!(refusal, "invalid_client: unknown");
    }
}
