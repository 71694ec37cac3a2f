//! OAUTHBEARER (RFC 7628): a token that somebody else has issued.

use std::{collections::BTreeMap, time::SystemTime};

use super::{ClientStep, Credentials, Mechanism, SaslError, ServerStep};

/// What a client shows: the token, and extensions (KIP-342).
#[derive(Clone)]
pub struct BearerToken {
    token: String,
    extensions: BTreeMap<String, String>,
}

/// Why a token cannot be sent.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidBearerToken {
    /// Not the letters that RFC 6750 allows.
    #[error("the token is empty or has characters that no bearer token has")]
    Token,
    /// The name or value of an extension.
    #[error("the extension '{name}' has a name or value that is not allowed")]
    Extension { name: String },
}

impl BearerToken {
    /// Checks what goes over the wire. Blanks around the token, as at the end of a file, are no part of it.
    ///
    /// # Errors
    ///
    /// Characters that would break the message.
    pub fn new(token: &str, extensions: BTreeMap<String, String>) -> Result<Self, InvalidBearerToken> {
        let token = token.trim().to_owned();
        if !is_token(&token) {
            return Err(InvalidBearerToken::Token);
        }
        let bad = extensions.iter().find(|(name, value)| {
            name.is_empty()
                || *name == "auth"
                || !name.bytes().all(|byte| byte.is_ascii_alphabetic())
                || !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'))
        });
        match bad {
            Some((name, _)) => Err(InvalidBearerToken::Extension { name: name.clone() }),
            None => Ok(Self { token, extensions }),
        }
    }
}

/// Whoever has the token has its rights.
impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken")
    }
}

fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[derive(Debug)]
pub struct BearerClient {
    token: BearerToken,
}

impl BearerClient {
    pub fn new(token: &BearerToken) -> Self {
        Self { token: token.clone() }
    }

    pub fn first(&self) -> Vec<u8> {
        let mut message = format!("n,,\u{1}auth=Bearer {}", self.token.token);
        for (name, value) in &self.token.extensions {
            message.push_str(&format!("\u{1}{name}={value}"));
        }
        message.push_str("\u{1}\u{1}");
        message.into_bytes()
    }

    /// An answer that is not empty is an error, which the client must take note of so that the server can end.
    pub fn step(&mut self, answer: &[u8]) -> Result<ClientStep, SaslError> {
        Ok(if answer.is_empty() { ClientStep::Done } else { ClientStep::Send(vec![1]) })
    }
}

#[derive(Debug, Default)]
pub struct BearerServer {
    /// What the client was told, and has to take note of.
    refused: Option<String>,
}

impl BearerServer {
    pub fn step(
        &mut self,
        token: &[u8],
        credentials: &dyn Credentials,
        now: SystemTime,
    ) -> Result<ServerStep, SaslError> {
        if let Some(told) = self.refused.take() {
            return Err(SaslError::Refused(told));
        }
        let (acting_as, bearer) = parse(token)?;
        let accepted = credentials.tokens().and_then(|validator| validator.validate(bearer, now).ok());
        match accepted {
            Some(accepted) if acting_as.is_none_or(|name| name == accepted.user) => {
                Ok(ServerStep::Done { last: Vec::new(), user: accepted.user, expires: Some(accepted.expires) })
            }
            _ => {
                let told = r#"{"status":"invalid_token"}"#.to_owned();
                self.refused = Some(told.clone());
                Ok(ServerStep::Challenge(told.into_bytes()))
            }
        }
    }
}

/// `n,[a=name],` and then pairs, each behind a byte 1: the name and the token.
fn parse(message: &[u8]) -> Result<(Option<&str>, &str), SaslError> {
    let malformed = |reason| SaslError::Malformed { mechanism: Mechanism::OauthBearer, reason };
    let text = std::str::from_utf8(message).map_err(|_| malformed("the token is not UTF-8"))?;
    let (header, pairs) = text.split_once('\u{1}').ok_or_else(|| malformed("the header has no end"))?;
    let acting_as = match header.strip_prefix("n,").and_then(|rest| rest.strip_suffix(',')) {
        Some("") => None,
        Some(name) => Some(name.strip_prefix("a=").ok_or_else(|| malformed("the header is none"))?),
        None => return Err(malformed("the header is none")),
    };
    let pairs = pairs.strip_suffix("\u{1}\u{1}").ok_or_else(|| malformed("the message has no end"))?;
    let auth = pairs.split('\u{1}').find_map(|pair| pair.strip_prefix("auth="));
    let (scheme, token) = auth.and_then(|auth| auth.split_once(' ')).ok_or_else(|| malformed("no token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") || !is_token(token.trim()) {
        return Err(malformed("no bearer token"));
    }
    Ok((acting_as, token.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_the_form_of_the_rfc() {
        let extensions = BTreeMap::from([("traceId".to_owned(), "123".to_owned())]);
        let token = BearerToken::new("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\n", extensions).unwrap();
        let first = BearerClient::new(&token).first();
        assert_eq!(first, b"n,,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01traceId=123\x01\x01");
        assert_eq!(parse(&first), Ok((None, "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==")));
        assert_eq!(parse(b"n,a=me,\x01auth=bearer x\x01\x01"), Ok((Some("me"), "x")));
    }

    #[test]
    fn other_forms_are_refused() {
        for message in [
            &b""[..],
            b"n,,",
            b"n,,\x01auth=Bearer x\x01",
            b"y,,\x01auth=Bearer x\x01\x01",
            b"n,,\x01auth=Basic x\x01\x01",
            b"n,,\x01auth=Bearer \x01\x01",
            b"n,me,\x01auth=Bearer x\x01\x01",
            b"n,,\x01\xff\x01\x01",
        ] {
            assert!(matches!(parse(message), Err(SaslError::Malformed { .. })), "{message:?}");
        }
    }

    #[test]
    fn a_token_or_extension_that_would_break_the_message_is_not_sent() {
        assert_eq!(BearerToken::new("a\u{1}b", BTreeMap::new()).unwrap_err(), InvalidBearerToken::Token);
        assert_eq!(BearerToken::new(" ", BTreeMap::new()).unwrap_err(), InvalidBearerToken::Token);
        for (name, value) in [("auth", "x"), ("a1", "x"), ("a", "\u{1}")] {
            let extensions = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let error = BearerToken::new("t", extensions).unwrap_err();
            assert_eq!(error, InvalidBearerToken::Extension { name: name.to_owned() });
        }
    }
}
