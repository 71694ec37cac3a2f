//! PLAIN (RFC 4616): user and password in one token.

use super::{Credentials, Mechanism, SaslError, ServerStep};

pub struct PlainClient {
    token: Vec<u8>,
}

/// The token is the password.
impl std::fmt::Debug for PlainClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainClient")
    }
}

impl PlainClient {
    pub fn new(username: &str, password: &str) -> Self {
        Self { token: format!("\0{username}\0{password}").into_bytes() }
    }

    pub fn first(&self) -> Vec<u8> {
        self.token.clone()
    }
}

/// Judges the one token. In Kafka's words, which do not tell whether the user exists.
pub fn check(token: &[u8], credentials: &dyn Credentials) -> Result<ServerStep, SaslError> {
    let malformed = |reason| SaslError::Malformed { mechanism: Mechanism::Plain, reason };
    let text = std::str::from_utf8(token).map_err(|_| malformed("the token is not UTF-8"))?;
    let parts: Vec<&str> = text.split('\0').collect();
    let [acting_as, username, password] = parts[..] else {
        return Err(malformed("the token has not three parts"));
    };
    let refused = |words: &str| Err(SaslError::Refused(words.to_owned()));
    if username.is_empty() {
        return refused("Authentication failed: username not specified");
    }
    if password.is_empty() {
        return refused("Authentication failed: password not specified");
    }
    if !credentials.is_plain_password(username, password) {
        return refused("Authentication failed: Invalid username or password");
    }
    if !acting_as.is_empty() && acting_as != username {
        return refused("Authentication failed: Client requested an authorization id that is different from username");
    }
    Ok(ServerStep::Done { last: Vec::new(), user: username.to_owned(), expires: None })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Alice, *};

    #[test]
    fn every_form_of_the_token_has_its_answer() {
        let answer = |token: &str| check(token.as_bytes(), &Alice).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(answer("\0alice\0secret"), Ok(()));
        assert_eq!(answer("alice\0alice\0secret"), Ok(()));
        for (token, words) in [
            ("bob\0alice\0secret", "Authentication failed: Client requested an authorization id"),
            ("\0\0secret", "Authentication failed: username not specified"),
            ("\0alice\0", "Authentication failed: password not specified"),
            ("\0alice\0x", "Authentication failed: Invalid username or password"),
            ("alice\0secret", "the other side breaks the rules of PLAIN"),
            ("\0alice\0secret\0", "the other side breaks the rules of PLAIN"),
        ] {
            assert!(answer(token).unwrap_err().starts_with(words), "{token:?}");
        }
        assert!(check(&[0, 0xff, 0, 0xff], &Alice).is_err());
    }
}
