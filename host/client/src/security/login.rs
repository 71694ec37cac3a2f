//! Who the client is: what `sasl.mechanism` and `sasl.jaas.config` say, and the token or password that goes with it.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use millstream_security::{
    jaas::JaasEntry,
    sasl::{BearerToken, InvalidBearerToken, Mechanism, SaslClient, jwt},
};

/// Largest token that is read from a file, in bytes.
const MAX_TOKEN: u64 = 64 << 10;

/// Lifetime of a token that is made here, as in Java.
const UNSECURED_LIFETIME: Duration = Duration::from_secs(3600);

/// Why there is nothing to log in with.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The file with the token cannot be read.
    #[error("read a token from {} (sasl.oauthbearer.token.endpoint.url)", path.display())]
    TokenFile { path: PathBuf, source: io::Error },
    /// The token cannot be sent.
    #[error("use the token from {origin}")]
    Token { origin: String, source: InvalidBearerToken },
}

/// A login. It holds secrets, and shows none.
pub(crate) struct Login {
    mechanism: Mechanism,
    credentials: Credentials,
}

enum Credentials {
    Password { username: String, password: String },
    TokenFile { path: PathBuf, extensions: BTreeMap<String, String> },
    Unsecured { subject: String, lifetime: Duration, extensions: BTreeMap<String, String> },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

impl Login {
    /// Reads the options of a login module. `token_file` is where tokens come from, if not from here.
    ///
    /// # Errors
    ///
    /// Says which option is missing; never shows a value.
    pub(crate) fn new(mechanism: Mechanism, entry: &JaasEntry, token_file: Option<PathBuf>) -> Result<Self, String> {
        let module = entry.login_module.as_str();
        let of_passwords = [
            "org.apache.kafka.common.security.plain.PlainLoginModule",
            "org.apache.kafka.common.security.scram.ScramLoginModule",
        ];
        let of_tokens = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let wanted = |fits: bool, which: &str| {
            if fits { Ok(()) } else { Err(format!("{mechanism} needs the login module {which}, not {module}")) }
        };
        let credentials = match mechanism {
            Mechanism::Plain | Mechanism::Scram(_) => {
                let own = if mechanism == Mechanism::Plain { of_passwords[0] } else { of_passwords[1] };
                wanted(of_passwords.contains(&module), own)?;
                if entry.options.get("tokenauth").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
                    return Err("tokenauth: delegation tokens are not supported".to_owned());
                }
                let option = |name: &str| {
                    entry.options.get(name).cloned().ok_or_else(|| format!("the login module needs the option {name}"))
                };
                Credentials::Password { username: option("username")?, password: option("password")? }
            }
            Mechanism::OauthBearer => {
                wanted(module == of_tokens, of_tokens)?;
                let with_prefix = |prefix: &str| {
                    let options = entry.options.iter();
                    let named = options.filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
                    named.map(|(name, value)| (name.to_owned(), value.clone())).collect::<BTreeMap<_, _>>()
                };
                match (token_file, entry.options.get("unsecuredLoginStringClaim_sub")) {
                    (Some(path), _) => Credentials::TokenFile { path, extensions: with_prefix("extension_") },
                    (None, Some(subject)) => Credentials::Unsecured {
                        subject: subject.clone(),
                        lifetime: match entry.options.get("unsecuredLoginLifetimeSeconds") {
                            None => UNSECURED_LIFETIME,
                            Some(text) => {
                                let seconds = text.parse().map_err(|_| "unsecuredLoginLifetimeSeconds is no number")?;
                                Duration::from_secs(seconds)
                            }
                        },
                        extensions: with_prefix("unsecuredLoginExtension_"),
                    },
                    (None, None) => {
                        let message = "tokens come from sasl.oauthbearer.token.endpoint.url=file:///…, or from the option unsecuredLoginStringClaim_sub of the login module";
                        return Err(message.to_owned());
                    }
                }
            }
        };
        Ok(Self { mechanism, credentials })
    }

    pub(crate) fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Begins an exchange. A token is read anew, since it may have been replaced.
    pub(crate) async fn begin(&self) -> Result<SaslClient, LoginError> {
        match &self.credentials {
            Credentials::Password { username, password } => Ok(match self.mechanism {
                Mechanism::Scram(hash) => SaslClient::scram(hash, username, password),
                _ => SaslClient::plain(username, password),
            }),
            Credentials::TokenFile { path, extensions } => {
                let token = read_token(path).await;
                let token = token.map_err(|source| LoginError::TokenFile { path: path.clone(), source })?;
                let token = BearerToken::new(&token, extensions.clone());
                let origin = || path.display().to_string();
                Ok(SaslClient::oauth_bearer(&token.map_err(|source| LoginError::Token { origin: origin(), source })?))
            }
            Credentials::Unsecured { subject, lifetime, extensions } => {
                let token = jwt::unsecured(subject, SystemTime::now(), *lifetime);
                let token = BearerToken::new(&token, extensions.clone());
                let origin = || "the options of the login module".to_owned();
                Ok(SaslClient::oauth_bearer(&token.map_err(|source| LoginError::Token { origin: origin(), source })?))
            }
        }
    }
}

async fn read_token(path: &PathBuf) -> io::Result<String> {
    if MAX_TOKEN < tokio::fs::metadata(path).await?.len() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has more than {MAX_TOKEN} bytes")));
    }
    tokio::fs::read_to_string(path).await
}
