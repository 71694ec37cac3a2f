//! Signatures of what workers of a group ask of each other (KIP-507): a code of the body, made with the session key that
//! only they know.

use axum::http::{HeaderMap, StatusCode};
use base64::{Engine, engine::general_purpose::STANDARD};
use millstream_runtime::config_log::SessionKey;
use millstream_security::mac::Mac;

use crate::error::RestError;

/// Where the signature stands.
pub(crate) const SIGNATURE: &str = "X-Connect-Authorization";
/// Where its algorithm stands.
pub(crate) const ALGORITHM: &str = "X-Connect-Request-Signature-Algorithm";

/// Which algorithms are used between workers.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    /// `inter.worker.signature.algorithm`.
    pub(crate) algorithm: String,
    /// `inter.worker.verification.algorithms`.
    pub(crate) accepted: Vec<String>,
}

impl Default for Signing {
    fn default() -> Self {
        Self { algorithm: "HmacSHA256".to_owned(), accepted: vec!["HmacSHA256".to_owned()] }
    }
}

impl Signing {
    /// What is wrong with it.
    pub(crate) fn fault(&self) -> Option<String> {
        let of = |key: &str, names: &[String]| {
            let unknown = names.iter().find(|name| Mac::of_name(name).is_none())?;
            Some(format!("{key}: {unknown:?} is none of {}", Mac::NAMES.join(", ")))
        };
        if self.accepted.is_empty() {
            return Some(
                "inter.worker.verification.algorithms: At least one signature verification algorithm must be provided"
                    .to_owned(),
            );
        }
        of("inter.worker.signature.algorithm", std::slice::from_ref(&self.algorithm))
            .or_else(|| of("inter.worker.verification.algorithms", &self.accepted))
            .or_else(|| {
                let listed = self.accepted.contains(&self.algorithm);
                (!listed).then(|| {
                    "inter.worker.signature.algorithm: Signature algorithm must be present in \
                     inter.worker.verification.algorithms list"
                        .to_owned()
                })
            })
    }

    /// The signature of a body; `None` if the key is none.
    pub(crate) fn sign(&self, key: &SessionKey, body: &[u8]) -> Option<String> {
        let key = STANDARD.decode(&key.key).ok()?;
        Some(STANDARD.encode(Mac::of_name(&self.algorithm)?.sign(&key, body)))
    }

    /// Lets through what a worker of this group has signed.
    pub(crate) fn verify(&self, headers: &HeaderMap, body: &[u8], key: Option<&SessionKey>) -> Result<(), RestError> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(signature), Some(algorithm)) = (header(SIGNATURE), header(ALGORITHM)) else {
            return Err(RestError::bad_request("Internal request missing required signature"));
        };
        let mac = Mac::of_name(algorithm)
            .ok_or_else(|| RestError::bad_request(format!("Algorithm {algorithm} not available")))?;
        let signature = STANDARD.decode(signature).map_err(|error| RestError::bad_request(error.to_string()))?;
        if !self.accepted.iter().any(|accepted| accepted == algorithm) {
            return Err(RestError::bad_request(format!(
                "This worker does not support the '{algorithm}' key signing algorithm used by other workers. This worker \
                 is currently configured to use: [{}]. Check that all workers' configuration files permit the same set of \
                 signature algorithms, and correct any misconfigured worker and restart it.",
                self.accepted.join(", ")
            )));
        }
        let key = key.and_then(|key| STANDARD.decode(&key.key).ok()).ok_or_else(|| {
            RestError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "This worker is still starting up and has not been able to read a session key from the config topic yet",
            )
        })?;
        if mac.verify(&key, body, &signature) {
            Ok(())
        } else {
            Err(RestError::new(StatusCode::FORBIDDEN, "Internal request contained invalid signature."))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn key(bytes: &[u8]) -> SessionKey {
        SessionKey { key: STANDARD.encode(bytes), algorithm: "HmacSHA256".to_owned(), created_ms: 0 }
    }

    fn headers(signature: &str, algorithm: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, signature.parse().unwrap());
        headers.insert(ALGORITHM, algorithm.parse().unwrap());
        headers
    }

    #[test]
    fn only_what_is_signed_with_the_session_key_is_let_through() {
        let (signing, key) = (Signing::default(), key(&[7; 32]));
        let signature = signing.sign(&key, b"[]").unwrap();
        let status =
            |headers: &HeaderMap, body: &[u8], key: Option<&SessionKey>| match signing.verify(headers, body, key) {
                Ok(()) => 204,
                Err(error) => error.into_response().status().as_u16(),
            };
        let good = headers(&signature, "HmacSHA256");
        assert_eq!(status(&good, b"[]", Some(&key)), 204);
        assert_eq!(status(&good, b"[{}]", Some(&key)), 403);
        assert_eq!(status(&good, b"[]", Some(&self::key(&[8; 32]))), 403);
        assert_eq!(status(&good, b"[]", None), 503);
        assert_eq!(status(&HeaderMap::new(), b"[]", Some(&key)), 400);
        assert_eq!(status(&headers("?", "HmacSHA256"), b"[]", Some(&key)), 400);
        assert_eq!(status(&headers(&signature, "HmacSHA512"), b"[]", Some(&key)), 400);
        assert_eq!(status(&headers(&signature, "Rot13"), b"[]", Some(&key)), 400);
    }

    #[test]
    fn algorithms_are_checked_before_they_are_used() {
        let signing = |algorithm: &str, accepted: &[&str]| Signing {
            algorithm: algorithm.to_owned(),
            accepted: accepted.iter().map(|&name| name.to_owned()).collect(),
        };
        assert_eq!(signing("HmacSHA512", &["HmacSHA256", "HmacSHA512"]).fault(), None);
        for (algorithm, accepted, expected) in [
            ("HmacSHA256", &[][..], "At least one"),
            ("HmacMD5", &["HmacMD5"], "is none of"),
            ("HmacSHA256", &["HmacSHA256", "x"], "inter.worker.verification.algorithms: \"x\""),
            ("HmacSHA256", &["HmacSHA512"], "must be present"),
        ] {
            let fault = signing(algorithm, accepted).fault().unwrap_or_default();
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
