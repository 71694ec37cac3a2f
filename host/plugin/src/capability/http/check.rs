//! Whether a worker lets a connector's requests go where its configuration says, and whether they can be sent as it says.

use millstream_config::ConfigMap;
use millstream_record::ErrorChain;
use millstream_security::tls::TlsClient;

use super::HttpAllowed;
use super::address;
use super::declare::{Names, NamesServer};
use super::origin::{InvalidUrl, Origin, OriginPattern};
use super::settings::Settings;

/// Checks a value. Reads key stores: blocks.
///
/// # Errors
///
/// Why not and what to do: the end of a sentence about the value.
pub(super) fn check(
    opening: &NamesServer,
    value: &str,
    config: &ConfigMap,
    allowed: &HttpAllowed,
) -> Result<(), String> {
    let mut origins = Vec::new();
    match opening.names {
        Names::Url => match Origin::of_url(value) {
            Ok(origin) => origins.push(origin),
            Err(InvalidUrl::Templated) => {
                if opening.roles.get("origins", config).is_none() {
                    let key = opening.roles.key("origins");
                    let add = if key == "origins" { String::new() } else { format!(", or list the servers in {key}") };
                    return Err(format!("its host is a template, which may lead anywhere: write the host out{add}"));
                }
            }
            Err(error) => return Err(error.to_string()),
        },
        Names::Origins => {
            for item in items(value) {
                let pattern = OriginPattern::parse(item).ok_or_else(|| {
                    format!("{item} is no origin such as https://api.example.com or https://*.example.com")
                })?;
                // Where a pattern leads is looked at when it is known.
                origins.extend(pattern.exact());
            }
        }
    }
    let settings = Settings::read(&opening.roles, config).map_err(|error| error.to_string())?;
    origins.extend(settings.own_origins().cloned());
    for origin in &origins {
        allowed.check(origin)?;
        if let Some(address) = origin.address() {
            address::check(&origin.host, address, &settings.own_rules, &allowed.places)
                .map_err(|why| format!("{origin}: {why}"))?;
        }
    }
    if origins.iter().any(Origin::is_secure) {
        TlsClient::new(settings.tls).map_err(|error| ErrorChain(&error).to_string())?;
    }
    Ok(())
}

/// The items of a list as a configuration writes it.
pub(super) fn items(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|item| !item.is_empty())
}

impl HttpAllowed {
    /// Whether plugins of this worker may send requests to an origin that a configuration names.
    pub(super) fn check(&self, origin: &Origin) -> Result<(), String> {
        let Some(patterns) = &self.origins else { return Ok(()) };
        if patterns.iter().any(|pattern| pattern.matches(origin)) {
            return Ok(());
        }
        Err(format!(
            "plugins of this worker do not send requests to {origin} (plugin.allow.http): name a server that it allows, or \
             add {origin} to that key"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::roles::Roles;
    use super::*;

    fn opening(names: Names) -> NamesServer {
        let members = json!({"with": {"origins": "more.origins", "auth": "auth.type", "user": "user", "password": "password",
            "proxy-host": "proxy.host", "proxy-port": "proxy.port", "disallow-local": "no.local", "tls": "https.",
            "oauth2-token-url": "token.url", "oauth2-client-id": "id", "oauth2-client-secret": "secret",
            "headers": "headers"}});
        NamesServer { names, roles: Roles::read(members.as_object().unwrap()).unwrap() }
    }

    #[track_caller]
    fn check_value(
        names: Names,
        value: &str,
        pairs: &[(&str, &str)],
        allowed: &HttpAllowed,
        expected: Result<(), &str>,
    ) {
        let config = pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
        let found = check(&opening(names), value, &config, allowed);
        match expected {
            Ok(()) => assert_eq!(found, Ok(())),
            Err(part) => assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{found:?}"),
        }
    }

    #[test]
    fn a_value_is_refused_with_what_is_wrong_and_what_to_do() {
        let all = HttpAllowed::default();
        let some = HttpAllowed {
            origins: Some(Arc::from([OriginPattern::parse("https://*.example.com").unwrap()])),
            ..HttpAllowed::default()
        };
        let url = Names::Url;
        check_value(url, "http://h/${topic}", &[], &all, Ok(()));
        check_value(url, "https://a.example.com/${topic}", &[], &some, Ok(()));
        let text = "do not send requests to http://h (plugin.allow.http)";
        check_value(url, "http://h/${topic}", &[], &some, Err(text));
        check_value(url, "http://${topic}/", &[], &all, Err("write the host out, or list the servers in more.origins"));
        check_value(url, "http://${topic}/", &[("more.origins", "http://a,http://b")], &all, Ok(()));
        check_value(url, "gopher://h", &[], &all, Err("begins with http:// or https://"));
        check_value(url, "http://u:p@h", &[], &all, Err("keys for authentication"));
        check_value(url, "http://127.0.0.1/", &[("no.local", "true")], &all, Err("local addresses are disallowed"));
        check_value(url, "http://h", &[("auth.type", "basic")], &all, Err("user: it must be set"));
        check_value(url, "http://h", &[("auth.type", "magic")], &all, Err("auth.type: magic is no way"));
        check_value(url, "http://h", &[("proxy.host", "p")], &all, Err("proxy.port: it must be set"));
        check_value(url, "http://h", &[("headers", "no colon")], &all, Err("headers: an item is not Name:value"));
        let proxied = [("proxy.host", "p"), ("proxy.port", "3128")];
        check_value(url, "https://a.example.com", &proxied, &some, Err("to http://p:3128 (plugin.allow.http)"));
        let token = [("auth.type", "OAUTH2"), ("token.url", "https://login"), ("id", "i"), ("secret", "s")];
        check_value(url, "https://a.example.com", &token, &some, Err("to https://login (plugin.allow.http)"));
        check_value(url, "https://a.example.com", &token, &all, Ok(()));
        let missing = [("https.ssl.truststore.location", "/nowhere.pem"), ("https.ssl.truststore.type", "PEM")];
        check_value(url, "https://h", &missing, &all, Err("/nowhere.pem"));
        check_value(Names::Origins, "http://a, https://*.example.com", &[], &all, Ok(()));
        check_value(Names::Origins, "http://a", &[], &some, Err("plugin.allow.http"));
        check_value(Names::Origins, "a b", &[], &all, Err("a b is no origin"));
    }
}
