//! The keys of a worker: Connect's, and ours.

use std::time::Duration;

use crate::{
    Importance::{High, Low, Medium},
    Key, Validator, keys,
};

keys! {
    /// Keys of both modes.
    common:
    BOOTSTRAP_SERVERS: Vec<String> = Key::list("bootstrap.servers").default("localhost:9092").importance(High)
        .validator(|| Validator::list(false, false))
        .doc("Addresses of some brokers of the Kafka cluster to use. When the key is not set at all, the built-in broker is started and used.");
    CLIENT_DNS_LOOKUP: String = Key::string("client.dns.lookup").default("use_all_dns_ips")
        .validator(|| Validator::one_of(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]))
        .doc("How clients turn the host names of brokers into addresses.");
    KEY_CONVERTER: String = Key::class("key.converter").importance(High)
        .doc("Converter of record keys for connectors that bring none. Its settings follow the prefix `key.converter.`.");
    KEY_CONVERTER_VERSION: Option<String> = Key::optional_string("key.converter.plugin.version").importance(Low)
        .doc("Version of that converter: one version, or ranges of them in Maven's notation, as `[1.0,2.0)`; the newest unless set.");
    VALUE_CONVERTER: String = Key::class("value.converter").importance(High)
        .doc("Converter of record values for connectors that bring none. Its settings follow the prefix `value.converter.`.");
    VALUE_CONVERTER_VERSION: Option<String> = Key::optional_string("value.converter.plugin.version").importance(Low)
        .doc("Version of that converter: one version, or ranges of them in Maven's notation, as `[1.0,2.0)`; the newest unless set.");
    HEADER_CONVERTER: String = Key::class("header.converter")
        .default("org.apache.kafka.connect.storage.SimpleHeaderConverter").importance(Low)
        .doc("Converter of header values for connectors that bring none. Its settings follow the prefix `header.converter.`.");
    HEADER_CONVERTER_VERSION: Option<String> = Key::optional_string("header.converter.plugin.version").importance(Low)
        .doc("Version of that converter: one version, or ranges of them in Maven's notation, as `[1.0,2.0)`; the newest unless set.");
    TASK_SHUTDOWN_TIMEOUT: Duration = Key::millis("task.shutdown.graceful.timeout.ms").default("5000").importance(Low)
        .doc("Milliseconds in which all tasks together have to stop; those that have not are cancelled.");
    OFFSET_FLUSH_INTERVAL: Duration = Key::millis("offset.flush.interval.ms").default("60000").importance(Low)
        .doc("Milliseconds between two commits of offsets by a task.");
    OFFSET_FLUSH_TIMEOUT: Duration = Key::millis("offset.flush.timeout.ms").default("5000").importance(Low)
        .doc("Milliseconds a commit of offsets may take.");
    PLUGIN_PATH: Option<Vec<String>> = Key::optional_list("plugin.path").importance(Low).validator(|| Validator::list(false, true))
        .doc("Folders in which plugins (`.wasm` files) are looked for, beside the bundled ones.");
    PLUGIN_DISCOVERY: String = Key::string("plugin.discovery").default("hybrid_warn").importance(Low)
        .validator(|| Validator::one_of_ignore_case(&["only_scan", "service_load", "hybrid_warn", "hybrid_fail"]))
        .doc("Without a meaning here: plugins describe themselves.");
    CONFIG_PROVIDERS: Vec<String> = Key::list("config.providers").default("").importance(Low).validator(|| Validator::list(true, false))
        .doc("Names of the providers that resolve variables in configurations. `${name:path:key}` or `${name:key}`, in those of the worker and of connectors. `config.providers.<name>.class` is FileConfigProvider (a key of a properties file), DirectoryConfigProvider (a file of a folder) or EnvVarConfigProvider (a variable of the environment); both of the first take `config.providers.<name>.param.allowed.paths`, the last takes `.param.allowlist.pattern`. With `.param.ttl.ms`, which is ours, values are looked up again after so many milliseconds, and connectors whose values have changed are restarted with their tasks (see `config.action.reload`).");
    OVERRIDE_POLICY: String = Key::string("connector.client.config.override.policy").default("All").importance(Medium)
        .doc("Which settings of Kafka clients a connector may override: `All`, `None`, `Principal`, or `Allowlist` for those that `connector.client.config.override.allowlist` names.");
    TOPIC_CREATION_ENABLE: bool = Key::boolean("topic.creation.enable").default("true").importance(Low)
        .doc("Whether topics are created as the `topic.creation.` keys of source connectors say.");
    TOPIC_TRACKING_ENABLE: bool = Key::boolean("topic.tracking.enable").default("true").importance(Low)
        .doc("Whether the topics that each connector uses are recorded.");
    TOPIC_TRACKING_ALLOW_RESET: bool = Key::boolean("topic.tracking.allow.reset").default("true").importance(Low)
        .doc("Whether users may reset the recorded topics of a connector.");
    METRICS_SAMPLE_WINDOW: Duration = Key::millis("metrics.sample.window.ms").default("30000").importance(Low)
        .min(0).doc("Milliseconds that a sample of a metric covers.");
    METRICS_NUM_SAMPLES: i32 = Key::int("metrics.num.samples").default("2").importance(Low)
        .min(1).doc("Samples kept for a metric.");
    METRICS_RECORDING_LEVEL: String = Key::string("metrics.recording.level").default("INFO").importance(Low)
        .validator(|| Validator::one_of(&["INFO", "DEBUG"])).doc("The most detailed level of metrics that are recorded.");
    METRIC_REPORTERS: Vec<String> = Key::list("metric.reporters")
        .default("org.apache.kafka.common.metrics.JmxReporter").importance(Low).validator(|| Validator::list(true, false))
        .doc("Without a meaning here: JVM classes that report metrics.");
}

keys! {
    /// Keys of the REST API.
    rest:
    LISTENERS: Vec<String> = Key::list("listeners").default("http://:8083").importance(Low)
        .validator(|| Validator::Custom("`protocol://[host]:port`; http or https".to_owned()))
        .doc("Where the REST API listens, with `http` or `https`. No host means all interfaces, port 0 a free one. TLS is configured by the keys `ssl.…`, or by all of `listeners.https.ssl.…` if there is one of these.");
    ADMIN_LISTENERS: Option<Vec<String>> = Key::optional_list("admin.listeners").importance(Low).validator(|| Validator::list(true, true))
        .doc("Where `/admin` is served: with `listeners` when not set, nowhere when empty. Keys of TLS for these begin with `admin.listeners.https.`.");
    ADVERTISED_HOST: Option<String> = Key::optional_string("rest.advertised.host.name").importance(Low)
        .doc("Host name under which other workers reach this one; that of the listener unless set.");
    ADVERTISED_PORT: Option<i32> = Key::optional_int("rest.advertised.port").importance(Low)
        .doc("Port under which other workers reach this one; that of the listener unless set.");
    ADVERTISED_LISTENER: Option<String> = Key::optional_string("rest.advertised.listener").importance(Low)
        .doc("Protocol of the listener that other workers are told of: `http` or `https`.");
    CORS_ORIGIN: String = Key::string("access.control.allow.origin").default("").importance(Low)
        .doc("Origins whose pages may call the REST API; none if empty.");
    CORS_METHODS: String = Key::string("access.control.allow.methods").default("").importance(Low)
        .doc("Methods those pages may use; GET, POST and HEAD if empty.");
    RESPONSE_HEADERS: String = Key::string("response.http.headers.config").default("").importance(Low)
        .doc("Rules for headers that are added to every response.");
    REST_EXTENSIONS: Vec<String> = Key::list("rest.extension.classes").default("").importance(Low).validator(|| Validator::list(true, false))
        .doc("Extensions of the REST API. There is `BasicAuthSecurityRestExtension`, by Connect's whole class name or this: every request needs a user and a password then.");
    SSL_CLIENT_AUTH: String = Key::string("ssl.client.auth").default("none").importance(Low)
        .validator(|| Validator::one_of(&["required", "requested", "none"]))
        .doc("Whether clients of the REST API have to show a certificate.");
    REST_REQUEST_MAX_BYTES: i64 = Key::long("rest.request.max.bytes").default("8388608").importance(Low)
        .min(1)
        .doc("Largest body in bytes that the REST API accepts.");
}

keys! {
    /// Keys of TLS.
    tls:
    SSL_PROTOCOL: String = Key::string("ssl.protocol").default("TLSv1.3").doc("Newest version of TLS to use.");
    SSL_PROVIDER: Option<String> = Key::optional_string("ssl.provider").doc("Without a meaning here.");
    SSL_CIPHER_SUITES: Vec<String> = Key::list("ssl.cipher.suites").default("").validator(|| Validator::list(true, false)).importance(Low).doc("Accepted cipher suites; the library's if empty.");
    SSL_ENABLED_PROTOCOLS: Vec<String> = Key::list("ssl.enabled.protocols").default("TLSv1.2,TLSv1.3").validator(|| Validator::list(true, false)).doc("Accepted versions of TLS.");
    SSL_KEYSTORE_TYPE: String = Key::string("ssl.keystore.type").default("JKS").doc("Format of the key store: JKS, PKCS12 or PEM.");
    SSL_KEYSTORE_LOCATION: Option<String> = Key::optional_string("ssl.keystore.location").importance(High).doc("File of the key store.");
    SSL_KEYSTORE_PASSWORD: Option<String> = Key::password("ssl.keystore.password").importance(High).doc("Password of the key store.");
    SSL_KEY_PASSWORD: Option<String> = Key::password("ssl.key.password").importance(High).doc("Password of the private key.");
    SSL_KEYSTORE_KEY: Option<String> = Key::password("ssl.keystore.key").importance(High).doc("Private key in PEM.");
    SSL_KEYSTORE_CHAIN: Option<String> = Key::password("ssl.keystore.certificate.chain").importance(High).doc("Certificate chain in PEM.");
    SSL_TRUSTSTORE_CERTIFICATES: Option<String> = Key::password("ssl.truststore.certificates").importance(High).doc("Trusted certificates in PEM.");
    SSL_TRUSTSTORE_TYPE: String = Key::string("ssl.truststore.type").default("JKS").doc("Format of the trust store: JKS, PKCS12 or PEM.");
    SSL_TRUSTSTORE_LOCATION: Option<String> = Key::optional_string("ssl.truststore.location").importance(High).doc("File of the trust store.");
    SSL_TRUSTSTORE_PASSWORD: Option<String> = Key::password("ssl.truststore.password").importance(High).doc("Password of the trust store.");
    SSL_KEYMANAGER: String = Key::string("ssl.keymanager.algorithm").default("SunX509").importance(Low).doc("Without a meaning here.");
    SSL_TRUSTMANAGER: String = Key::string("ssl.trustmanager.algorithm").default("PKIX").importance(Low).doc("Without a meaning here.");
    SSL_ENDPOINT_IDENTIFICATION: String = Key::string("ssl.endpoint.identification.algorithm").default("https").importance(Low).doc("`https` checks the host name in a certificate; empty does not.");
    SSL_SECURE_RANDOM: Option<String> = Key::optional_string("ssl.secure.random.implementation").importance(Low).doc("Without a meaning here.");
    SSL_ENGINE_FACTORY: Option<String> = Key::optional_class("ssl.engine.factory.class").importance(Low).doc("Without a meaning here.");
}

keys! {
    /// Keys of standalone mode.
    standalone:
    OFFSET_FILE: String = Key::string("offset.storage.file.filename").validator(|| Validator::NonEmpty).importance(High)
        .doc("File in which the offsets of source connectors are kept, in Connect's own format.");
}

/// -1 for the broker's default, or at least 1.
fn replicas_or_default() -> Validator {
    Validator::Custom("at least 1, or -1 for the broker's default".to_owned())
}

keys! {
    /// Keys of distributed mode.
    distributed:
    INTERNAL_TOPIC_CREATION: bool = Key::boolean("internal.topics.automatic.creation.enable").default("true").importance(Low).doc("Whether the worker makes its three topics where they are missing. If not, it does not start without them. From Kafka 4.4.");
    GROUP_ID: String = Key::string("group.id").importance(High).doc("Name of the cluster that the worker belongs to.");
    CONFIG_TOPIC: String = Key::string("config.storage.topic").importance(High).doc("Topic in which configurations are kept.");
    CONFIG_TOPIC_REPLICATION: i16 = Key::short("config.storage.replication.factor").default("3").importance(Low).validator(replicas_or_default).doc("Replication factor of that topic.");
    OFFSET_TOPIC: String = Key::string("offset.storage.topic").importance(High).doc("Topic in which the offsets of source connectors are kept.");
    OFFSET_TOPIC_PARTITIONS: i32 = Key::int("offset.storage.partitions").default("25").importance(Low).validator(replicas_or_default).doc("Partitions of that topic.");
    OFFSET_TOPIC_REPLICATION: i16 = Key::short("offset.storage.replication.factor").default("3").importance(Low).validator(replicas_or_default).doc("Replication factor of that topic.");
    STATUS_TOPIC: String = Key::string("status.storage.topic").importance(High).doc("Topic in which the states of connectors and tasks are kept.");
    STATUS_TOPIC_PARTITIONS: i32 = Key::int("status.storage.partitions").default("5").importance(Low).validator(replicas_or_default).doc("Partitions of that topic.");
    STATUS_TOPIC_REPLICATION: i16 = Key::short("status.storage.replication.factor").default("3").importance(Low).validator(replicas_or_default).doc("Replication factor of that topic.");
    SESSION_TIMEOUT: Duration = Key::int_millis("session.timeout.ms").default("10000").importance(High).doc("Milliseconds after which a silent worker counts as gone.");
    HEARTBEAT_INTERVAL: Duration = Key::int_millis("heartbeat.interval.ms").default("3000").importance(High).doc("Milliseconds between two heartbeats; less than the session timeout. Unless it is set, a worker beats every 500 ms: it hears that work is divided anew with the answer to a heartbeat.");
    REBALANCE_TIMEOUT: Duration = Key::int_millis("rebalance.timeout.ms").default("60000").importance(High).doc("Milliseconds a worker has to join after a rebalance began.");
    EXACTLY_ONCE_SOURCE: String = Key::string("exactly.once.source.support").default("disabled").importance(High)
        .validator(|| Validator::one_of_ignore_case(&["disabled", "enabled", "preparing"])).doc("Whether source connectors deliver every record exactly once: records and source offsets are written in one transaction, and tasks of an earlier set can write no more (`enabled`). A group that runs already is set to `preparing` first, worker by worker, and then to `enabled`.");
    CONNECT_PROTOCOL: String = Key::string("connect.protocol").default("sessioned").importance(Low)
        .validator(|| Validator::one_of_ignore_case(&["eager", "compatible", "sessioned"])).doc("Protocol by which workers share work.");
    SCHEDULED_REBALANCE_DELAY: Duration = Key::int_millis("scheduled.rebalance.max.delay.ms").default("300000").importance(Low)
        .validator(|| Validator::between(0.0, i32::MAX.into())).doc("Milliseconds to wait for a departed worker before its work is given to others.");
    WORKER_SYNC_TIMEOUT: Duration = Key::int_millis("worker.sync.timeout.ms").default("3000").doc("Milliseconds a worker has to catch up with configurations before it leaves.");
    WORKER_UNSYNC_BACKOFF: Duration = Key::int_millis("worker.unsync.backoff.ms").default("300000").doc("Milliseconds a worker stays away after it could not catch up.");
    INTER_WORKER_KEY_ALGORITHM: String = Key::string("inter.worker.key.generation.algorithm").default("HmacSHA256").importance(Low).doc("Algorithm for which session keys are made.");
    INTER_WORKER_KEY_SIZE: Option<i32> = Key::optional_int("inter.worker.key.size").importance(Low).doc("Bits of a session key; the algorithm's own unless set.");
    INTER_WORKER_KEY_TTL: Duration = Key::int_millis("inter.worker.key.ttl.ms").default("3600000").importance(Low)
        .validator(|| Validator::between(0.0, i32::MAX.into())).doc("Milliseconds after which a new session key is made; 0 never.");
    INTER_WORKER_SIGNATURE: String = Key::string("inter.worker.signature.algorithm").default("HmacSHA256").importance(Low).doc("Algorithm that signs requests between workers.");
    INTER_WORKER_VERIFICATION: Vec<String> = Key::list("inter.worker.verification.algorithms").default("HmacSHA256").importance(Low).doc("Algorithms accepted in requests between workers.");
    CLIENT_ID: String = Key::string("client.id").default("").importance(Low).doc("Name under which the worker's own clients appear.");
    METADATA_MAX_AGE: Duration = Key::millis("metadata.max.age.ms").default("300000").importance(Low).min(0).doc("Milliseconds after which metadata is fetched again.");
    METADATA_RECOVERY: String = Key::string("metadata.recovery.strategy").default("rebootstrap").importance(Low)
        .validator(|| Validator::one_of_ignore_case(&["rebootstrap", "none"])).doc("Whether to begin anew with `bootstrap.servers` when no known broker is reachable.");
    METADATA_REBOOTSTRAP_TRIGGER: Duration = Key::millis("metadata.recovery.rebootstrap.trigger.ms").default("300000").importance(Low).min(0).doc("Milliseconds without metadata after which to begin anew with `bootstrap.servers`.");
    SEND_BUFFER: i32 = Key::int("send.buffer.bytes").default("131072").min(-1).doc("Send buffer of sockets; -1 for the system's.");
    RECEIVE_BUFFER: i32 = Key::int("receive.buffer.bytes").default("32768").min(-1).doc("Receive buffer of sockets; -1 for the system's.");
    RECONNECT_BACKOFF: Duration = Key::millis("reconnect.backoff.ms").default("50").importance(Low).min(0).doc("First wait in milliseconds before connecting again.");
    RECONNECT_BACKOFF_MAX: Duration = Key::millis("reconnect.backoff.max.ms").default("1000").importance(Low).min(0).doc("Longest wait in milliseconds before connecting again.");
    RETRY_BACKOFF: Duration = Key::millis("retry.backoff.ms").default("100").importance(Low).min(0).doc("First wait in milliseconds before a request is repeated.");
    RETRY_BACKOFF_MAX: Duration = Key::millis("retry.backoff.max.ms").default("1000").importance(Low).min(0).doc("Longest wait in milliseconds before a request is repeated.");
    CONNECTION_SETUP: Duration = Key::millis("socket.connection.setup.timeout.ms").default("10000").importance(Low).min(0).doc("Milliseconds a connection may take to be made, at first.");
    CONNECTION_SETUP_MAX: Duration = Key::millis("socket.connection.setup.timeout.max.ms").default("30000").importance(Low).min(0).doc("Milliseconds a connection may take to be made, at most.");
    REQUEST_TIMEOUT: Duration = Key::int_millis("request.timeout.ms").default("40000").min(0).doc("Milliseconds an answer may take.");
    CONNECTIONS_MAX_IDLE: Duration = Key::millis("connections.max.idle.ms").default("540000").doc("Milliseconds after which an idle connection is closed.");
    SECURITY_PROTOCOL: String = Key::string("security.protocol").default("PLAINTEXT")
        .validator(|| Validator::one_of_ignore_case(&["SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"])).doc("Protocol for talking to brokers.");
    SASL_MECHANISM: String = Key::string("sasl.mechanism").default("GSSAPI").doc("How the worker proves to brokers who it is.");
    SASL_JAAS: Option<String> = Key::password("sasl.jaas.config").doc("Credentials in the form of a JAAS login entry.");
    SASL_CLIENT_CALLBACK: Option<String> = Key::optional_class("sasl.client.callback.handler.class").doc("Without a meaning here.");
    SASL_LOGIN_CALLBACK: Option<String> = Key::optional_class("sasl.login.callback.handler.class").doc("Without a meaning here.");
    SASL_LOGIN_CLASS: Option<String> = Key::optional_class("sasl.login.class").doc("Without a meaning here.");
    SASL_KERBEROS_SERVICE: Option<String> = Key::optional_string("sasl.kerberos.service.name").doc("Kerberos name of the brokers.");
    SASL_KERBEROS_KINIT: String = Key::string("sasl.kerberos.kinit.cmd").default("/usr/bin/kinit").importance(Low).doc("Command that gets Kerberos tickets.");
    SASL_KERBEROS_WINDOW: Option<f64> = Key::double("sasl.kerberos.ticket.renew.window.factor").default("0.8").importance(Low).doc("Part of a ticket's life after which it is renewed.");
    SASL_KERBEROS_JITTER: Option<f64> = Key::double("sasl.kerberos.ticket.renew.jitter").default("0.05").importance(Low).doc("Random part added to that time.");
    SASL_KERBEROS_RELOGIN: Duration = Key::millis("sasl.kerberos.min.time.before.relogin").default("60000").importance(Low).doc("Milliseconds between two renewals.");
    SASL_REFRESH_WINDOW: Option<f64> = Key::double("sasl.login.refresh.window.factor").default("0.8").importance(Low).validator(|| Validator::between(0.5, 1.0)).doc("Part of a token's life after which it is renewed.");
    SASL_REFRESH_JITTER: Option<f64> = Key::double("sasl.login.refresh.window.jitter").default("0.05").importance(Low).validator(|| Validator::between(0.0, 0.25)).doc("Random part added to that time.");
    SASL_REFRESH_MIN: i16 = Key::short("sasl.login.refresh.min.period.seconds").default("60").importance(Low).min(0).max(900).doc("Seconds between two renewals.");
    SASL_REFRESH_BUFFER: i16 = Key::short("sasl.login.refresh.buffer.seconds").default("300").importance(Low).min(0).max(3600).doc("Seconds before its end at which a token is renewed at the latest.");
    SASL_CONNECT_TIMEOUT: Option<i32> = Key::optional_int("sasl.login.connect.timeout.ms").importance(Low).doc("Milliseconds a connection to the token endpoint may take.");
    SASL_READ_TIMEOUT: Option<i32> = Key::optional_int("sasl.login.read.timeout.ms").importance(Low).doc("Milliseconds an answer of the token endpoint may take.");
    SASL_RETRY_BACKOFF: Duration = Key::millis("sasl.login.retry.backoff.ms").default("100").importance(Low).doc("First wait in milliseconds before it is asked again.");
    SASL_RETRY_BACKOFF_MAX: Duration = Key::millis("sasl.login.retry.backoff.max.ms").default("10000").importance(Low).doc("Longest wait in milliseconds before it is asked again.");
    OAUTH_JWT_RETRIEVER: String = Key::class("sasl.oauthbearer.jwt.retriever.class").default("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever").doc("Without a meaning here.");
    OAUTH_JWT_VALIDATOR: String = Key::class("sasl.oauthbearer.jwt.validator.class").default("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator").doc("Without a meaning here.");
    OAUTH_SCOPE: Option<String> = Key::optional_string("sasl.oauthbearer.scope").doc("Scope that a token is asked for with.");
    OAUTH_CLIENT_ID: Option<String> = Key::optional_string("sasl.oauthbearer.client.credentials.client.id").doc("Client id shown to the token endpoint.");
    OAUTH_CLIENT_SECRET: Option<String> = Key::password("sasl.oauthbearer.client.credentials.client.secret").doc("Secret shown to the token endpoint.");
    OAUTH_ASSERTION_ALGORITHM: String = Key::string("sasl.oauthbearer.assertion.algorithm").default("RS256").validator(|| Validator::one_of_ignore_case(&["ES256", "RS256"])).doc("Algorithm that assertions are signed with.");
    OAUTH_ASSERTION_AUD: Option<String> = Key::optional_string("sasl.oauthbearer.assertion.claim.aud").doc("Audience that an assertion names.");
    OAUTH_ASSERTION_EXP: i32 = Key::int("sasl.oauthbearer.assertion.claim.exp.seconds").default("300").importance(Low).min(0).max(86_400).doc("Seconds for which an assertion holds.");
    OAUTH_ASSERTION_ISS: Option<String> = Key::optional_string("sasl.oauthbearer.assertion.claim.iss").doc("Issuer that an assertion names.");
    OAUTH_ASSERTION_JTI: bool = Key::boolean("sasl.oauthbearer.assertion.claim.jti.include").default("false").doc("Whether an assertion has an id.");
    OAUTH_ASSERTION_NBF: i32 = Key::int("sasl.oauthbearer.assertion.claim.nbf.seconds").default("60").importance(Low).min(0).max(3_600).doc("Seconds before its making from which an assertion holds.");
    OAUTH_ASSERTION_SUB: Option<String> = Key::optional_string("sasl.oauthbearer.assertion.claim.sub").doc("Subject that an assertion names.");
    OAUTH_ASSERTION_FILE: Option<String> = Key::optional_string("sasl.oauthbearer.assertion.file").doc("File with an assertion that was made elsewhere.");
    OAUTH_ASSERTION_KEY_FILE: Option<String> = Key::optional_string("sasl.oauthbearer.assertion.private.key.file").doc("File with the private key that signs assertions.");
    OAUTH_ASSERTION_KEY_PASSPHRASE: Option<String> = Key::password("sasl.oauthbearer.assertion.private.key.passphrase").doc("Password of that key.");
    OAUTH_ASSERTION_TEMPLATE_FILE: Option<String> = Key::optional_string("sasl.oauthbearer.assertion.template.file").doc("File with further claims of assertions.");
    OAUTH_SCOPE_CLAIM: String = Key::string("sasl.oauthbearer.scope.claim.name").default("scope").importance(Low).doc("Claim that holds the scopes of a token.");
    OAUTH_SUB_CLAIM: String = Key::string("sasl.oauthbearer.sub.claim.name").default("sub").importance(Low).doc("Claim that holds the subject of a token.");
    OAUTH_TOKEN_URL: Option<String> = Key::optional_string("sasl.oauthbearer.token.endpoint.url").doc("Where tokens come from.");
    OAUTH_JWKS_URL: Option<String> = Key::optional_string("sasl.oauthbearer.jwks.endpoint.url").doc("Where the keys that sign tokens come from.");
    OAUTH_JWKS_REFRESH: Duration = Key::millis("sasl.oauthbearer.jwks.endpoint.refresh.ms").default("3600000").importance(Low).doc("Milliseconds after which they are fetched again.");
    OAUTH_JWKS_BACKOFF: Duration = Key::millis("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms").default("100").importance(Low).doc("First wait in milliseconds before they are asked for again.");
    OAUTH_JWKS_BACKOFF_MAX: Duration = Key::millis("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms").default("10000").importance(Low).doc("Longest wait in milliseconds before they are asked for again.");
    OAUTH_CLOCK_SKEW: i32 = Key::int("sasl.oauthbearer.clock.skew.seconds").default("30").importance(Low).doc("Seconds by which clocks may differ.");
    OAUTH_AUDIENCE: Vec<String> = Key::list("sasl.oauthbearer.expected.audience").default("").validator(|| Validator::list(true, false)).importance(Low).doc("Audiences of which a token must name one.");
    OAUTH_ISSUER: Option<String> = Key::optional_string("sasl.oauthbearer.expected.issuer").importance(Low).doc("Issuer that a token must have.");
    OAUTH_URLENCODE: bool = Key::boolean("sasl.oauthbearer.header.urlencode").default("false").importance(Low).doc("Whether credentials are URL-encoded in the request for a token.");
}

keys! {
    /// Keys that Connect leaves to what they configure.
    of_plugins:
    OVERRIDE_ALLOWLIST: Vec<String> = Key::list("connector.client.config.override.allowlist").default("").importance(Medium)
        .validator(|| Validator::list(true, false))
        .doc("Settings of Kafka clients that a connector may override under the policy `Allowlist`, without a prefix such as `producer.override.`; none if empty.");
}

keys! {
    /// Keys that are ours alone.
    ours:
    LOG_FORMAT: String = Key::string("log.format").default("plain").importance(Low)
        .validator(|| Validator::one_of_ignore_case(&["plain", "json"]))
        .doc("How lines of the log look: `plain`, or `json` for an object in each. The variable `MILLSTREAM_LOG_FORMAT` of the environment counts before it, and from the first line on.");
    LOG_LEVELS_FILE: Option<String> = Key::optional_string("log.levels.file").importance(Low)
        .doc("Properties file with levels of loggers, as `logger.NAME=LEVEL` with the names that `/admin/loggers` has (`root` is one). It is read again when it has changed; while it has errors the levels stay as they were. Levels that are set by REST stay unless the file names the logger.");
    LOG_REPEAT_MAX: i64 = Key::long("log.repeat.max").default("10").importance(Low)
        .min(0)
        .doc("Warnings and errors from one place in the code about one connector or task that are written within `log.repeat.window.ms`; further ones are counted, and their number is told at its end. 0 writes all. Records that `errors.log.enable` asks for are all written.");
    LOG_REPEAT_WINDOW: Duration = Key::millis("log.repeat.window.ms").default("30000").importance(Low)
        .min(1_000)
        .doc("Milliseconds for which lines that come again are counted.");
    CONNECTOR_LOG_MAX_BYTES: i64 = Key::long("connector.log.max.bytes").default("65536").importance(Low)
        .min(0)
        .doc("Bytes of the log that are kept in memory of each connector, for `GET /connectors/NAME/logs` and `millstream connector logs`. 0 keeps nothing.");
    CONNECTOR_LOG_TOTAL_MAX_BYTES: i64 = Key::long("connector.log.total.max.bytes").default("16777216").importance(Low)
        .min(0)
        .doc("Bytes of the log that are kept in memory of all connectors together; those that have most give way.");
    METRICS_LISTENERS: Option<Vec<String>> = Key::optional_list("metrics.listeners").importance(Low).validator(|| Validator::list(true, true))
        .doc("Where `/metrics` is served: with `listeners` when not set (whatever `admin.listeners` says), nowhere when empty. These listeners have `/health` and what is below it, too. Keys of TLS for them begin with `metrics.listeners.https.`.");
    METRICS_OTLP_ENDPOINT: Option<String> = Key::optional_string("metrics.otlp.endpoint").importance(Low)
        .doc("URL to which metrics are pushed by OTLP over HTTP in its JSON encoding, such as `http://collector:4318/v1/metrics`. Nothing is pushed unless set.");
    METRICS_OTLP_HEADERS: Option<String> = Key::password("metrics.otlp.headers").importance(Low)
        .doc("Headers of these requests, as `name=value` with commas between.");
    METRICS_OTLP_INTERVAL: Duration = Key::millis("metrics.otlp.interval.ms").default("60000").importance(Low)
        .min(1_000)
        .doc("Milliseconds between two pushes.");
    METRICS_OTLP_TIMEOUT: Duration = Key::millis("metrics.otlp.timeout.ms").default("10000").importance(Low)
        .min(1)
        .doc("Milliseconds that a request may take. One that fails is made again twice at most, one and two seconds later; the next push has everything anyway.");
    METRICS_SERIES_MAX: i32 = Key::int("metrics.series.max").default("50000").importance(Low)
        .min(0)
        .doc("Most series that `/metrics` shows. Groups of metrics beyond are left out whole, and `millstream_exposition_series_left_out` says how many series they have.");
    BASIC_AUTH_JAAS: Option<String> = Key::optional_string("rest.basic.auth.jaas.file").importance(Medium)
        .doc("JAAS file for `BasicAuthSecurityRestExtension`: its section `KafkaConnect` has a `PropertyFileLoginModule` whose option `file` names a file of `user=password`. Unless set, the one in `KAFKA_OPTS` (`-Djava.security.auth.login.config=…`).");
    BASIC_AUTH_HTPASSWD: Option<String> = Key::optional_string("rest.basic.auth.htpasswd.file").importance(Medium)
        .doc("File of users and hashed passwords, made by `htpasswd -B`; it counts instead of a JAAS file.");
    PLUGIN_CACHE_DIR: Option<String> = Key::optional_string("plugin.cache.dir").importance(Low)
        .doc("Folder in which compiled plugins are kept, so that they are compiled once. It must belong to the worker alone. A folder in the user's cache directory unless set.");
    PLUGIN_CACHE_MAX_BYTES: i64 = Key::long("plugin.cache.max.bytes").default("1073741824").importance(Low)
        .min(1_048_576)
        .doc("Most bytes of compiled plugins that are kept in that folder. Those that have not been used for the longest time go first.");
    PLUGIN_COMPILE_THREADS: i32 = Key::int("plugin.compile.threads").default("0").importance(Low)
        .min(0).max(1024)
        .doc("Threads that compile new plugins while the worker runs; 0 stands for half as many as there are processors.");
    PLUGIN_RELOAD_INTERVAL: Duration = Key::millis("plugin.reload.interval.ms").default("0").importance(Low)
        .min(0)
        .doc("Milliseconds between two looks at plugin.path for files that are new, have changed or are gone; 0 looks at the start only. What runs goes on with what it has. A connector or task that is started or restarted uses the newest.");
    PLUGIN_MEMORY_MAX_BYTES: i64 = Key::long("plugin.memory.max.bytes").default("268435456").importance(Medium)
        .min(1_048_576)
        .doc("Most bytes that all memories and tables of one plugin instance may take together.");
    PLUGIN_MEMORY_RECYCLE_BYTES: i64 = Key::long("plugin.memory.recycle.bytes").default("67108864").importance(Low)
        .min(0)
        .doc("Bytes of memories and tables from which on a plugin instance is replaced by a new one between two batches, since some languages never give memory back; 0 for never, unless the instance breaks. Transforms, predicates and converters are made anew from their configuration. A source task is stopped and started when all that it has polled has ended and its offsets are stored, a sink task after a commit. An instance that began larger, or whose predecessor lasted for a few calls only, may hold more, up to three quarters of plugin.memory.max.bytes.");
    PLUGIN_MEMORY_TOTAL_MAX_BYTES: i64 = Key::long("plugin.memory.total.max.bytes").default("0").importance(Medium)
        .min(0)
        .doc("Most bytes that all plugin instances of the worker may take together; 0 stands for all that the machine, or the container, has. A connector has an instance, each of its tasks another, and one more for each component among its transforms and converters. An instance for which nothing is left is refused: a new connector with an error, a task of one that runs by failing it.");
    PLUGIN_CALL_TIMEOUT: Duration = Key::millis("plugin.call.timeout.ms").default("30000").importance(Medium)
        .min(1)
        .doc("Milliseconds that one call into a plugin may compute. Time spent waiting for the host does not count.");
    PLUGIN_HOST_CALL_TIMEOUT: Duration = Key::millis("plugin.host.call.timeout.ms").default("60000").importance(Low)
        .min(1)
        .doc("Milliseconds that one call into a plugin may wait for the host in all, such as for files to be read.");
    PLUGIN_LOG_RATE: i32 = Key::int("plugin.log.rate").default("100").importance(Low)
        .min(1)
        .doc("Lines per second that one plugin instance may log. Lines beyond are dropped, and their number is logged.");
    PLUGIN_BATCH_MAX_BYTES: i32 = Key::int("plugin.batch.max.bytes").default("67108864").importance(Low)
        .min(65_536).max(1_073_741_824)
        .doc("Most bytes of a batch that a plugin hands over. A larger one is refused, and the plugin with it.");
    PLUGIN_BATCH_MAX_RECORDS: i32 = Key::int("plugin.batch.max.records").default("1048576").importance(Low)
        .min(1).max(16_777_216)
        .doc("Most records in such a batch.");
    PLUGIN_BATCH_MAX_COLUMNS: i32 = Key::int("plugin.batch.max.columns").default("65536").importance(Low)
        .min(16).max(1_048_576)
        .doc("Most columns in such a batch: one for each field of its records, at every level, and a few more.");
    PLUGIN_BATCH_EXPANDED_MAX_BYTES: i64 = Key::long("plugin.batch.expanded.max.bytes").default("268435456").importance(Low)
        .min(65_536)
        .doc("Most bytes that those parts of such a batch may take when they are written out which it holds once for many records.");
    CONVERTER_NESTING_MAX: i32 = Key::int("converter.nesting.max").default("1000").importance(Low)
        .min(1).max(1000)
        .doc("Deepest nesting of objects and arrays in JSON that a converter reads. The default is Connect's own limit, and the most that a batch carries. A message beyond it is a failed record.");
    CONVERTER_NUMBER_MAX_LENGTH: i32 = Key::int("converter.number.max.length").default("1000").importance(Low)
        .min(1).max(100_000)
        .doc("Most characters of a number in JSON that a converter reads. The default is Connect's own limit.");
    CONVERTER_TEXT_MAX_BYTES: i32 = Key::int("converter.text.max.bytes").default("20000000").importance(Low)
        .min(1)
        .doc("Most bytes of a text in JSON that a converter reads, member names included. The default is Connect's own limit.");
    CONVERTER_FILLED_MAX_BYTES: i32 = Key::int("converter.filled.max.bytes").default("67108864").importance(Low)
        .min(1024)
        .doc("Most bytes that the nulls and defaults may take for which one JSON message stands under its schema. A few bytes (`[{},{}]`) may stand for any number of fields.");
    CONVERTER_HEADER_NESTING_MAX: i32 = Key::int("converter.header.nesting.max").default("200").importance(Low)
        .min(1).max(400)
        .doc("Deepest nesting of arrays and maps in the text of a header that the SimpleHeaderConverter reads. A header beyond it stays bytes, as one does that Connect cannot read.");
    PLUGIN_ALLOW_FILES: Option<Vec<String>> = Key::optional_list("plugin.allow.files").importance(Medium)
        .doc("Folders beneath which files that a connector's configuration names may be opened for its plugin; anywhere unless set, nowhere when empty.");
    PLUGIN_ALLOW_SQL: Option<Vec<String>> = Key::optional_list("plugin.allow.sql").importance(Medium)
        .doc("Databases that a connector's configuration may name for its plugin, as patterns in which `*` stands for any text: `postgresql://db.example.com`, `mysql://*.example.com:3306/shop`, `sqlite:/data/*`. A pattern without a port or database fits all of them. Every database unless set, none when empty. Files of SQLite must lie below `plugin.allow.files`, too.");
    JDBC_BLOCKED_PARAMS: Option<Vec<String>> = Key::optional_list("jdbc.connection.url.blocked.params").importance(Low)
        .doc("Names of parameters, whatever their case, that the URL of a database may not have, nor a key that hands one to its driver. Unless set, those in the environment variable JDBC_CONNECTION_URL_BLOCKED_PARAMS.");
    PLUGIN_SQL_SESSIONS_MAX: i32 = Key::int("plugin.sql.sessions.max").default("8").importance(Low)
        .min(1).max(1000)
        .doc("Most sessions at databases that one plugin instance may have open at a time.");
    PLUGIN_SQL_VALUE_MAX_BYTES: i64 = Key::long("plugin.sql.value.max.bytes").default("33554432").importance(Low)
        .min(1024).max(1 << 30)
        .doc("Largest value that a plugin may read from a database. A larger one is an error that names its column.");
    PLUGIN_ALLOW_LEASE: bool = Key::boolean("plugin.allow.lease").default("true").importance(Low)
        .doc("Whether plugins that ask for it get a lease, with the keys and values that they keep under it.");
    PLUGIN_ALLOW_HTTP: Option<Vec<String>> = Key::optional_list("plugin.allow.http").importance(Medium)
        .doc("Servers to which a connector's plugin may send HTTP requests, of those that its configuration names: origins such as `https://api.example.com`, `https://*.example.com` or `http://*:*`; all unless set, none when empty.");
    PLUGIN_ALLOW_HTTP_ADDRESSES: Vec<String> = Key::list("plugin.allow.http.addresses").default("private").importance(Low)
        .doc("Where the names of such servers may lead beside public addresses: `private` networks, `loopback`, `link-local`, or ranges such as `10.1.0.0/16`. An address that stands in the configuration itself is not asked for, nor is `localhost`.");
    PLUGIN_ALLOW_SOCKETS: Vec<String> = Key::list("plugin.allow.sockets").default("").importance(Medium)
        .doc("Servers to which plugins may open TCP connections of their own, of those that a connector's configuration names: `host:port`, `*.example.com:*` or `*:*`; none unless set. Such a plugin can ask for the addresses of any name.");
    PLUGIN_HTTP_REQUEST_MAX_BYTES: i64 = Key::long("plugin.http.request.max.bytes").default("33554432").importance(Low)
        .min(1024)
        .doc("Most bytes of the body of one HTTP request of a plugin.");
    PLUGIN_HTTP_RESPONSE_MAX_BYTES: i64 = Key::long("plugin.http.response.max.bytes").default("67108864").importance(Low)
        .min(1024)
        .doc("Most bytes of the body of one answer to it, after unpacking.");
    PLUGIN_HTTP_BUFFER_MAX_BYTES: i64 = Key::long("plugin.http.buffer.max.bytes").default("67108864").importance(Low)
        .min(1024)
        .doc("Most bytes of all requests together of one instance of a plugin that wait for their answers.");
    PLUGIN_HTTP_REQUESTS_MAX: i32 = Key::int("plugin.http.requests.max").default("64").importance(Low)
        .min(1).max(10_000)
        .doc("Most HTTP requests of one instance of a plugin at a time.");
    KV_TOPIC: Option<String> = Key::optional_string("kv.storage.topic").importance(Low)
        .doc("Topic in which a group of workers keeps what connectors store under their leases; the name of the group with `-kv` behind it unless set. It has one partition, is compacted, and is made when the first connector asks for a lease. Further keys that begin with `kv.storage.` are settings of a topic that is made.");
    KV_TOPIC_REPLICATION: i16 = Key::short("kv.storage.replication.factor").default("3").importance(Low).validator(replicas_or_default)
        .doc("Replication factor of that topic.");
    KV_FILE: Option<String> = Key::optional_string("kv.storage.file.filename").importance(Low)
        .doc("File in which a worker by itself keeps the same; that of `offset.storage.file.filename` with `.kv` behind it unless set. It is made when a connector stores something.");
    KV_MAX_ENTRIES: i32 = Key::int("kv.max.entries").default("1000").importance(Low)
        .min(1).max(10_000)
        .doc("Most keys that one connector may store under its lease.");
    KV_MAX_KEY_BYTES: i32 = Key::int("kv.max.key.bytes").default("256").importance(Low)
        .min(1).max(1_024)
        .doc("Most bytes of such a key, in UTF-8.");
    KV_MAX_VALUE_BYTES: i32 = Key::int("kv.max.value.bytes").default("65536").importance(Low)
        .min(0).max(524_288)
        .doc("Most bytes of the value of such a key.");
    KV_MAX_BYTES: i32 = Key::int("kv.max.bytes").default("524288").importance(Low)
        .min(1).max(524_288)
        .doc("Most bytes of all keys and values that one connector stores together. They have to fit into one record.");
    KV_TIMEOUT: Duration = Key::millis("kv.timeout.ms").default("20000").importance(Low)
        .min(100)
        .doc("Milliseconds that a task waits for its lease, or for what it stores under it to be written and read back. It should be less than `plugin.host.call.timeout.ms`.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigDef, ConfigMap};

    #[test]
    fn every_default_fits_its_type_and_its_rule() {
        for def in [common(), rest(), tls(), standalone(), distributed(), of_plugins(), ours()] {
            for key in def.keys().iter().filter(|key| !key.is_required()) {
                let alone = ConfigDef::of([key.clone()]);
                alone.parse(&ConfigMap::new()).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}
