//! Query parameters.

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};

use crate::error::RestError;

/// All parameters of a request, in order.
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = RestError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RestError> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        query.map(|Query(all)| Self(all)).map_err(|error| RestError::bad_request(error.to_string()))
    }
}

impl Parameters {
    /// A flag: `true` in any case, every other text is false, `default` if it is absent.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.all(name).next().map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    /// All values of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_is_true() {
        let parameters = Parameters(vec![("a".into(), "TRUE".into()), ("b".into(), "yes".into())]);
        assert!(parameters.flag("a", false));
        assert!(!parameters.flag("b", true));
        assert!(parameters.flag("c", true));
    }
}
