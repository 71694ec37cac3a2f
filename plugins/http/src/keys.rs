//! Keys that sinks and sources share: where requests go, and what the host does about them.

use millstream_sdk::config::{
    ConfigDef, ConfigValue,
    Importance::{High, Low, Medium},
    Key,
};

/// A role of the host, and a key that plays it.
type Role = (&'static str, &'static str);

/// What keys that Confluent's sinks and sources share mean to the host, beside the URL.
const SHARED_ROLES: [Role; 33] = [
    ("auth", "auth.type"),
    ("user", "connection.user"),
    ("password", "connection.password"),
    ("bearer", "bearer.token"),
    ("api-key", "api.key"),
    ("api-key-name", "api.key.name"),
    ("api-key-in", "api.key.location"),
    ("oauth2-token-url", "oauth2.token.url"),
    ("oauth2-client-id", "oauth2.client.id"),
    ("oauth2-client-secret", "oauth2.client.secret"),
    ("oauth2-token-property", "oauth2.token.property"),
    ("oauth2-mode", "oauth2.client.auth.mode"),
    ("oauth2-mode", "oauth2.client.mode"),
    ("oauth2-scope", "oauth2.client.scope"),
    ("oauth2-headers", "oauth2.client.headers"),
    ("oauth2-header-separator", "oauth2.client.header.separator"),
    ("tls", "https."),
    ("truststore", "https.ssl.truststorefile"),
    ("keystore", "https.ssl.keystorefile"),
    ("verify-host", "https.host.verifier.enabled"),
    ("proxy-host", "http.proxy.host"),
    ("proxy-port", "http.proxy.port"),
    ("proxy-user", "http.proxy.user"),
    ("proxy-password", "http.proxy.password"),
    ("connect-timeout-ms", "http.connect.timeout.ms"),
    ("request-timeout-ms", "http.request.timeout.ms"),
    ("disallow-local", "connection.disallow.local.ips"),
    ("disallow-private", "connection.disallow.private.ips"),
    ("disallow-class-e", "connection.disallow.class.e.ips"),
    ("disallow-cidr", "connection.disallow.cidr.ranges"),
    ("allow-cidr", "connection.allow.cidr.ranges"),
    ("origins", "http.allowed.origins"),
    ("redirects", "http.redirects.follow"),
];

/// The same with those keys that only one of them has: the headers'.
const fn with_shared(own: [Role; 3]) -> [Role; 36] {
    let mut all = [own[0]; 36];
    (all[1], all[2]) = (own[1], own[2]);
    let mut at = 0;
    while at < SHARED_ROLES.len() {
        all[own.len() + at] = SHARED_ROLES[at];
        at += 1;
    }
    all
}

/// Of Confluent's sink.
pub const CONFLUENT_ROLES: &[Role] =
    &with_shared([("headers", "headers"), ("headers", "sensitive.headers"), ("header-separator", "header.separator")]);

/// Of its source.
pub const SOURCE_ROLES: &[Role] = &with_shared([
    ("headers", "http.request.headers"),
    ("headers", "http.request.sensitive.headers"),
    ("header-separator", "http.request.headers.separator"),
]);

/// A check that a value is one of these words in any case.
pub fn one_of(key: Key, words: &[&str]) -> Key {
    key.recommended(words).validator(millstream_sdk::config::Validator::OneOfIgnoreCase(
        words.iter().map(|&word| word.to_owned()).collect(),
    ))
}

/// The text of a value, for checks.
pub fn text_of(value: &ConfigValue) -> &str {
    match value {
        ConfigValue::String(text) => text,
        _ => "",
    }
}

/// Keys about who asks, through which proxy and to which addresses, as Confluent's connectors have them.
pub fn connection(definition: ConfigDef, client_mode: &str, auth_types: &[&str]) -> ConfigDef {
    let mut definition = definition
        .key(one_of(Key::string("auth.type"), auth_types).default(auth_types[0]).importance(High).doc("How requests are authenticated. The host adds it: no secret enters the connector."))
        .key(Key::string("connection.user").default("").importance(High).doc("User for basic authentication."))
        .key(Key::password("connection.password").default("").importance(High).doc("Their password."))
        .key(Key::password("bearer.token").importance(High).doc("Token for authentication with BEARER."))
        .key(Key::password("api.key").importance(High).doc("Key for authentication with API_KEY. A key of ours in the sink."))
        .key(Key::string("api.key.name").default("X-API-KEY").importance(Low).doc("Name of the header or parameter that has the key."))
        .key(one_of(Key::string("api.key.location"), &["HEADER", "QUERY"]).default("HEADER").importance(Low).doc("Where the key stands."))
        .key(Key::string("oauth2.token.url").default("").importance(High).doc("Where tokens for OAUTH2 are fetched with the client's credentials. Cached, fetched anew before they end and once after a 401."))
        .key(Key::string("oauth2.client.id").default("").importance(High).doc("The client's name."))
        .key(Key::password("oauth2.client.secret").default("").importance(High).doc("The client's secret."))
        .key(Key::string("oauth2.token.property").default("access_token").importance(High).doc("Member of the answer that is the token."))
        .key(one_of(Key::string(client_mode), &["header", "url"]).default("header").importance(Low).doc("Whether the credentials stand in a header (Basic) or in the form that is posted."))
        .key(Key::string("oauth2.client.scope").default("any").importance(Low).doc("The scope asked for; none when empty."))
        .key(Key::string("http.proxy.host").default("").importance(High).doc("A proxy for all requests."))
        .key(Key::int("http.proxy.port").default(0).importance(High).doc("Its port."))
        .key(Key::string("http.proxy.user").default("").importance(High).doc("User at the proxy."))
        .key(Key::password("http.proxy.password").default("").importance(High).doc("Their password."))
        .key(Key::int("http.connect.timeout.ms").default(30_000).range(1..).importance(Medium).doc("Longest wait for a connection."))
        .key(Key::int("http.request.timeout.ms").default(30_000).range(1..).importance(Medium).doc("Longest wait for an answer, and longest silence within it."))
        .key(Key::boolean("http.redirects.follow").default(false).importance(Low).doc("Whether redirects are followed, to servers that keys name. A key of ours."))
        .key(Key::list("http.allowed.origins").default("").importance(Low).doc("Further servers that requests may go to, such as `https://*.example.com`: for URLs whose host is a template, and for redirects. A key of ours."))
        .key(Key::boolean("https.ssl.enabled").default(false).importance(Low).doc("Ignored: the URL says whether TLS is used. Kafka's `ssl.…` keys behind `https.` say how."))
        .key(Key::boolean("https.host.verifier.enabled").default(true).importance(Low).doc("Whether a certificate has to be for the host's name."));
    for (key, doc) in [
        ("connection.disallow.local.ips", "No connections to loopback and link-local addresses."),
        ("connection.disallow.private.ips", "No connections to private addresses."),
        ("connection.disallow.class.e.ips", "No connections to class E addresses."),
    ] {
        definition = definition.key(Key::boolean(key).default(false).importance(Low).doc(doc));
    }
    definition
        .key(
            Key::list("connection.disallow.cidr.ranges")
                .default("")
                .importance(Low)
                .doc("Ranges of addresses to which there are no connections, checked after the name was looked up."),
        )
        .key(
            Key::list("connection.allow.cidr.ranges")
                .default("")
                .importance(Low)
                .doc("Exceptions from the four above."),
        )
}
