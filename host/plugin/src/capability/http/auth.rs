//! Who the requests come from: what the host adds to them, so that no guest sees it.

use std::collections::BTreeSet;
use std::fmt;

use hyper::Uri;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;

use super::origin::Origin;
use super::settings::{InvalidSetting, Reader};

/// How requests are authenticated.
#[derive(Clone, Debug)]
pub(super) enum Auth {
    None,
    /// `Authorization` with a value that never changes: basic, bearer, or as configured.
    Fixed(HeaderValue),
    ApiKey {
        name: HeaderName,
        value: HeaderValue,
    },
    /// An API key in the query: `name=value`, encoded.
    ApiKeyInQuery(Secret),
    OAuth2(Box<OAuth2>),
}

/// A text that is shown to nobody.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// OAuth 2 with client credentials (RFC 6749, 4.4).
#[derive(Clone, Debug)]
pub(super) struct OAuth2 {
    pub(super) origin: Origin,
    pub(super) uri: Uri,
    /// The form that is posted.
    pub(super) form: Secret,
    /// `Authorization` of the token request, unless the form holds the credentials.
    pub(super) authorization: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
    /// The member of the answer that is the token.
    pub(super) property: String,
    /// Statuses of a resource that mean a token has lost its power.
    pub(super) renew_on: BTreeSet<u16>,
}

/// `Basic …` (RFC 7617).
pub(super) fn basic(user: &str, password: &str) -> HeaderValue {
    sensitive(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
        .expect("the letters of base64 may stand in a header")
}

fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Standard alphabet, padded.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().enumerate().fold(0_u32, |sum, (at, &byte)| sum | u32::from(byte) << (16 - 8 * at));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { letter.into() } else { '=' });
        }
    }
    text
}

/// A text as a part of a form or query.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

impl Auth {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, InvalidSetting> {
        let Some(kind) = reader.text("auth") else { return Ok(Self::None) };
        let header = |role: &str, text: String| {
            sensitive(text).ok_or_else(|| reader.invalid(role, "it has characters that no header may have"))
        };
        match kind.to_ascii_lowercase().replace('-', "_").as_str() {
            "none" => Ok(Self::None),
            "basic" => {
                let user = reader.required("user", "for basic authentication")?;
                Ok(Self::Fixed(basic(user, reader.text("password").unwrap_or_default())))
            }
            "bearer" => {
                let token = reader.required("bearer", "for authentication with a token")?;
                Ok(Self::Fixed(header("bearer", format!("Bearer {token}"))?))
            }
            "static" => {
                let value = reader.required("authorization", "for static authorization")?;
                Ok(Self::Fixed(header("authorization", value.to_owned())?))
            }
            "api_key" | "apikey" => Self::api_key(reader),
            "oauth2" => Ok(Self::OAuth2(Box::new(OAuth2::read(reader)?))),
            other => Err(reader.invalid("auth", format!("{other} is no way of authentication that is known here"))),
        }
    }

    fn api_key(reader: &Reader<'_>) -> Result<Self, InvalidSetting> {
        let value = reader.required("api-key", "for authentication with a key")?;
        let name = reader.text("api-key-name").unwrap_or("X-API-KEY");
        match reader.text("api-key-in").map(str::to_ascii_lowercase).as_deref() {
            None | Some("header") => {
                let name = HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| reader.invalid("api-key-name", "it is not the name of a header"))?;
                let value = sensitive(value.to_owned())
                    .ok_or_else(|| reader.invalid("api-key", "it has characters that no header may have"))?;
                Ok(Self::ApiKey { name, value })
            }
            Some("query") => Ok(Self::ApiKeyInQuery(Secret(format!("{}={}", encoded(name), encoded(value))))),
            Some(other) => Err(reader.invalid("api-key-in", format!("{other} is neither header nor query"))),
        }
    }

    /// Adds what it has to a request; the token is for OAuth 2.
    pub(super) fn apply(&self, headers: &mut HeaderMap, path: &mut PathAndQuery, token: Option<&HeaderValue>) {
        match self {
            Self::None => {}
            Self::Fixed(value) => drop(headers.insert(AUTHORIZATION, value.clone())),
            Self::ApiKey { name, value } => drop(headers.insert(name.clone(), value.clone())),
            Self::ApiKeyInQuery(Secret(pair)) => {
                let joint = if path.query().is_some() { '&' } else { '?' };
                if let Ok(longer) = PathAndQuery::try_from(format!("{path}{joint}{pair}")) {
                    *path = longer;
                }
            }
            Self::OAuth2(_) => {
                if let Some(token) = token {
                    headers.insert(AUTHORIZATION, token.clone());
                }
            }
        }
    }
}

impl OAuth2 {
    fn read(reader: &Reader<'_>) -> Result<Self, InvalidSetting> {
        let why = "for OAuth 2";
        let url = reader.required("oauth2-token-url", why)?;
        let origin = Origin::of_url(url).map_err(|error| reader.invalid("oauth2-token-url", error.to_string()))?;
        let uri: Uri = url.parse().map_err(|_| reader.invalid("oauth2-token-url", "it is not a URL"))?;
        let id = reader.required("oauth2-client-id", why)?;
        let secret = reader.required("oauth2-client-secret", why)?;
        let name = |role, usual| encoded(reader.text(role).unwrap_or(usual));
        let grant = reader.text("oauth2-grant-type").unwrap_or("client_credentials");
        let mut form = format!("{}={}", name("oauth2-grant-type-property", "grant_type"), encoded(grant));
        if let Some(scope) = reader.text("oauth2-scope") {
            form.push_str(&format!("&scope={}", encoded(scope)));
        }
        let authorization = match reader.text("oauth2-mode").map(str::to_ascii_lowercase).as_deref() {
            None | Some("header") => Some(basic(id, secret)),
            Some("url") => {
                let id_name = name("oauth2-client-id-property", "client_id");
                let secret_name = name("oauth2-client-secret-property", "client_secret");
                form.push_str(&format!("&{id_name}={}&{secret_name}={}", encoded(id), encoded(secret)));
                None
            }
            Some(other) => return Err(reader.invalid("oauth2-mode", format!("{other} is neither header nor url"))),
        };
        let codes = reader.text("oauth2-renew-codes").unwrap_or("401").split(',').map(str::trim);
        let renew_on = codes
            .map(|code| code.parse().map_err(|_| reader.invalid("oauth2-renew-codes", format!("{code} is no status"))))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            origin,
            uri,
            form: Secret(form),
            authorization,
            headers: reader.header_items("oauth2-headers", "oauth2-header-separator")?,
            property: reader.text("oauth2-token-property").unwrap_or("access_token").to_owned(),
            renew_on,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_as_their_standards_say() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(basic("Aladdin", "open sesame"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(basic("a", "b").is_sensitive());
        assert_eq!(encoded("a b&ü~"), "a%20b%26%C3%BC~");
        assert_eq!(format!("{:?}", Secret("x".into())), "[hidden]");
    }

    #[test]
    fn a_key_goes_to_the_end_of_the_query() {
        let auth = Auth::ApiKeyInQuery(Secret("key=1".into()));
        for (path, expected) in [("/a", "/a?key=1"), ("/a?b=c", "/a?b=c&key=1")] {
            let mut path = PathAndQuery::from_static(path);
            auth.apply(&mut HeaderMap::new(), &mut path, None);
            assert_eq!(path.as_str(), expected);
        }
    }
}
