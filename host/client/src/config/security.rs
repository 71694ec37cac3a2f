//! Reads how connections are protected: `security.protocol`, `ssl.*` and `sasl.*`.

use std::{path::PathBuf, sync::Arc};

use millstream_config::Key;
use millstream_record::ErrorChain;
use millstream_security::{
    jaas,
    sasl::Mechanism,
    tls::{TlsClient, TlsError, TlsKeys},
};

use super::{
    keys,
    reader::{ConfigError, Reader, error},
};
use crate::security::{Login, Security};

/// Classes that read tokens as it is done here.
const TOKEN_HANDLERS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
];

/// Reads keys, files included.
pub(super) fn read_security(reader: &mut Reader<'_>) -> Result<Security, ConfigError> {
    let protocol = reader.filled(&keys::SECURITY_PROTOCOL)?.unwrap_or_else(|| "PLAINTEXT".to_owned());
    let (tls, sasl) = match protocol.to_ascii_uppercase().as_str() {
        "PLAINTEXT" => (false, false),
        "SSL" => (true, false),
        "SASL_PLAINTEXT" => (false, true),
        "SASL_SSL" => (true, true),
        _ => {
            let expected = "one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL";
            return Err(error(&keys::SECURITY_PROTOCOL, &protocol, expected));
        }
    };
    // Every key is known and has its type, whether the protocol needs it or not.
    reader.get_all(&keys::tls())?;
    reader.get_all(&keys::sasl())?;
    let tls = if tls { Some(Arc::new(read_tls(reader, &protocol)?)) } else { None };
    let login = if sasl { Some(Arc::new(read_login(reader)?)) } else { None };
    Ok(Security { tls, login })
}

fn read_tls(reader: &mut Reader<'_>, protocol: &str) -> Result<TlsClient, ConfigError> {
    if let Some(class) = reader.filled(&keys::SSL_ENGINE_FACTORY)? {
        return Err(error(&keys::SSL_ENGINE_FACTORY, &class, "no value, as there are no Java classes here"));
    }
    let tls = TlsKeys::read(&|key| reader.raw(key)).and_then(TlsClient::new).map_err(|refused| {
        let reason = ErrorChain(&refused).to_string();
        let (key, value) = match refused {
            TlsError::Value { key, value, .. } => (key, value),
            TlsError::File { key, path, .. } | TlsError::Jks { key, path } => (key, path.display().to_string()),
            _ => (keys::SECURITY_PROTOCOL.name(), protocol.to_owned()),
        };
        ConfigError { key: key.to_owned(), value, reason }
    })?;
    for certificate in tls.expiring(std::time::SystemTime::now()) {
        tracing::warn!(subject = %certificate.subject, "the certificate in ssl.keystore.* has expired, or will within 30 days: renew it");
    }
    Ok(tls)
}

fn read_login(reader: &mut Reader<'_>) -> Result<Login, ConfigError> {
    let name = reader.get(&keys::SASL_MECHANISM)?;
    let mechanism = Mechanism::of_name(&name).ok_or_else(|| {
        let known = Mechanism::ALL.map(Mechanism::name).join(", ");
        error(&keys::SASL_MECHANISM, &name, &format!("one of {known}"))
    })?;
    for key in [&keys::SASL_CLIENT_CALLBACK, &keys::SASL_LOGIN_CALLBACK, &keys::SASL_LOGIN_CLASS] {
        if let Some(class) = reader.filled(key)?
            && !(mechanism == Mechanism::OauthBearer && TOKEN_HANDLERS.contains(&class.as_str()))
        {
            return Err(error(key, &class, "no value, as there are no Java classes here"));
        }
    }
    let token_file = match reader.filled(&keys::TOKEN_ENDPOINT)? {
        Some(url) if mechanism == Mechanism::OauthBearer => Some(token_file(&url)?),
        _ => None,
    };
    let hidden = |reason: String| ConfigError {
        key: keys::SASL_JAAS_CONFIG.name().to_owned(),
        value: "[hidden]".to_owned(),
        reason,
    };
    let Some(text) = reader.filled(&keys::SASL_JAAS_CONFIG)? else {
        let missing = error(&keys::SASL_JAAS_CONFIG, "", "the login module with its options");
        return Err(missing);
    };
    let entries = jaas::parse(&text).map_err(|refused| hidden(refused.to_string()))?;
    let [entry] = &entries[..] else {
        return Err(hidden(format!("it has {} login modules, and must have one", entries.len())));
    };
    Login::new(mechanism, entry, token_file).map_err(hidden)
}

fn token_file(url: &str) -> Result<PathBuf, ConfigError> {
    let key: &Key<Option<String>> = &keys::TOKEN_ENDPOINT;
    match url.strip_prefix("file://") {
        // file:///path, or file://localhost/path.
        Some(rest) => match rest.strip_prefix("localhost").unwrap_or(rest) {
            path if path.starts_with('/') => Ok(path.into()),
            _ => Err(error(key, url, "file:///path with the whole path of a file")),
        },
        None => {
            let expected = "file:///path of a file with the token, which another program keeps fresh; tokens are not asked for over HTTP";
            Err(error(key, url, expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::AdminConfig;

    const PLAIN: &str =
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"hunter2\";";
    const SCRAM: &str =
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"u\" password=\"hunter2\";";
    const TOKEN: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"u\";";

    fn read(pairs: &[(&str, &str)]) -> Result<AdminConfig, ConfigError> {
        let mut properties = BTreeMap::from([("bootstrap.servers".to_owned(), "localhost:9092".to_owned())]);
        properties.extend(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        AdminConfig::from_properties(&properties)
    }

    #[test]
    fn the_protocol_says_what_is_put_around_a_connection() {
        assert_eq!(read(&[]).expect("valid").connection.security.protocol(), "PLAINTEXT");
        for (mechanism, jaas) in
            [("PLAIN", PLAIN), ("SCRAM-SHA-256", SCRAM), ("SCRAM-SHA-512", SCRAM), ("OAUTHBEARER", TOKEN)]
        {
            let settings =
                [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", mechanism), ("sasl.jaas.config", jaas)];
            let config = read(&settings).expect(mechanism);
            assert_eq!(config.connection.security.protocol(), "SASL_PLAINTEXT");
            assert_eq!(config.ignored, Vec::<String>::new());
            assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
        }
        // Keys that the protocol does not need are not looked into.
        let unused = [("ssl.truststore.location", "/nowhere"), ("sasl.jaas.config", "nonsense")];
        assert_eq!(read(&unused).expect("valid").ignored, Vec::<String>::new());
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_key_and_no_secret_is_shown() {
        let sasl = ("security.protocol", "SASL_PLAINTEXT");
        let bearer = ("sasl.mechanism", "OAUTHBEARER");
        for (settings, key, words) in [
            (&[("security.protocol", "TLS")][..], "security.protocol", "SASL_SSL"),
            (&[sasl], "sasl.mechanism", "SCRAM-SHA-512"),
            (&[sasl, ("sasl.mechanism", "PLAIN")], "sasl.jaas.config", "login module"),
            (
                &[sasl, ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", "x y password=hunter2")],
                "sasl.jaas.config",
                "required",
            ),
            (&[sasl, ("sasl.mechanism", "PLAIN"), ("sasl.jaas.config", TOKEN)], "sasl.jaas.config", "PlainLoginModule"),
            (&[sasl, bearer, ("sasl.jaas.config", PLAIN)], "sasl.jaas.config", "OAuthBearerLoginModule"),
            (
                &[
                    sasl,
                    ("sasl.mechanism", "PLAIN"),
                    (
                        "sasl.jaas.config",
                        "org.apache.kafka.common.security.plain.PlainLoginModule required password=\"hunter2\";",
                    ),
                ],
                "sasl.jaas.config",
                "username",
            ),
            (
                &[sasl, bearer, ("sasl.jaas.config", TOKEN), ("sasl.oauthbearer.token.endpoint.url", "https://issuer")],
                "sasl.oauthbearer.token.endpoint.url",
                "file:///path",
            ),
            (
                &[
                    sasl,
                    ("sasl.mechanism", "PLAIN"),
                    ("sasl.jaas.config", PLAIN),
                    ("sasl.client.callback.handler.class", "a.B"),
                ],
                "sasl.client.callback.handler.class",
                "Java",
            ),
            (
                &[("security.protocol", "SSL"), ("ssl.truststore.location", "/no/such.p12")],
                "ssl.truststore.location",
                "read",
            ),
            (&[("security.protocol", "SSL"), ("ssl.enabled.protocols", "TLSv1.1")], "ssl.enabled.protocols", "TLSv1.3"),
        ] {
            let refused = read(settings).expect_err(key);
            let text = refused.to_string();
            assert_eq!(refused.key, key, "{text}");
            assert!(text.contains(words) && !text.contains("hunter2"), "{text}");
        }
    }
}
