//! Every setting of a client that means something here, declared once: name, type, default, rule and words.
//!
//! Names, types and defaults are those of the Java clients 4.3 where nothing else is said. What settings mean together
//! is checked where they are read.

use std::time::Duration;

use millstream_config::{
    Importance::{High, Low, Medium},
    Key, Validator, keys,
};

keys! {
    /// Settings of every client.
    connection:
    BOOTSTRAP_SERVERS: String = Key::string("bootstrap.servers").default("").importance(High)
        .doc("Addresses (`host:port`, with commas between) that are tried until one answers.");
    CLIENT_ID: String = Key::string("client.id").default("").importance(Medium)
        .doc("Name that is sent with every request.");
    SECURITY_PROTOCOL: Option<String> = Key::optional_string("security.protocol").importance(Medium)
        .doc("`PLAINTEXT`, which is also meant when it is empty or not set, `SSL` (TLS), `SASL_PLAINTEXT` or `SASL_SSL`.");
    CLIENT_DNS_LOOKUP: String = Key::string("client.dns.lookup").default("use_all_dns_ips").importance(Medium)
        .validator(|| Validator::one_of_ignore_case(&["use_all_dns_ips", "resolve_canonical_bootstrap_servers_only"]))
        .doc("All addresses of a host are tried either way.");
    SEND_BUFFER_BYTES: i32 = Key::int("send.buffer.bytes").default("131072").min(-1).importance(Low)
        .doc("Has no effect: left to the operating system.");
    RECEIVE_BUFFER_BYTES: i32 = Key::int("receive.buffer.bytes").default("32768").min(-1).importance(Low)
        .doc("Has no effect: left to the operating system.");
    CONNECTIONS_MAX_IDLE: i64 = Key::long("connections.max.idle.ms").default("540000").min(-1).importance(Medium)
        .doc("Milliseconds without requests after which a connection is closed; below 0 for never.");
    REQUEST_TIMEOUT: Duration = Key::int_millis("request.timeout.ms").default("30000").min(0).importance(Medium)
        .doc("Longest wait for an answer; a connection that lets one pass is closed.");
    CONNECT_TIMEOUT: Duration = Key::millis("socket.connection.setup.timeout.ms").default("10000").min(0).importance(Medium)
        .doc("Longest wait for a connection to be there and its versions to be known.");
    CONNECT_TIMEOUT_MAX: Duration = Key::millis("socket.connection.setup.timeout.max.ms").default("30000").min(0).importance(Medium)
        .doc("Has no effect: the wait for a connection does not grow.");
    RECONNECT_BACKOFF: Duration = Key::millis("reconnect.backoff.ms").default("50").min(0).importance(Low)
        .doc("Wait after the first failed connection to a broker; it doubles with each further one.");
    RECONNECT_BACKOFF_MAX: Duration = Key::millis("reconnect.backoff.max.ms").default("1000").min(0).importance(Low)
        .doc("Longest wait between connections to a broker.");
    RETRY_BACKOFF: Duration = Key::millis("retry.backoff.ms").default("100").min(0).importance(Low)
        .doc("Wait before the first repetition of a request; it doubles with each further one.");
    RETRY_BACKOFF_MAX: Duration = Key::millis("retry.backoff.max.ms").default("1000").min(0).importance(Low)
        .doc("Longest wait between repetitions.");
    METADATA_MAX_AGE: Duration = Key::millis("metadata.max.age.ms").default("300000").min(0).importance(Low)
        .doc("Age at which what is known about topics is asked for again.");
}

keys! {
    /// Settings of TLS. What they mean is read by `millstream-security`.
    tls:
    SSL_KEYSTORE_TYPE: String = Key::string("ssl.keystore.type").default("JKS").importance(Medium)
        .doc("`PEM` or `PKCS12`, which is also recognised by its content. A JKS store is refused with the command that converts it.");
    SSL_KEYSTORE_LOCATION: Option<String> = Key::optional_string("ssl.keystore.location").importance(High)
        .doc("File with the client's certificate and private key, for brokers that ask for one.");
    SSL_KEYSTORE_PASSWORD: Option<String> = Key::password("ssl.keystore.password").importance(High)
        .doc("Password of a key store that is no PEM file.");
    SSL_KEYSTORE_KEY: Option<String> = Key::password("ssl.keystore.key").importance(High)
        .doc("The private key itself (PEM, PKCS #8), in place of a file.");
    SSL_KEYSTORE_CHAIN: Option<String> = Key::password("ssl.keystore.certificate.chain").importance(High)
        .doc("The certificate and those that vouch for it (PEM), with `ssl.keystore.key`.");
    SSL_KEY_PASSWORD: Option<String> = Key::password("ssl.key.password").importance(High)
        .doc("Password of an encrypted private key.");
    SSL_TRUSTSTORE_TYPE: String = Key::string("ssl.truststore.type").default("JKS").importance(Medium)
        .doc("`PEM` or `PKCS12`, which is also recognised by its content.");
    SSL_TRUSTSTORE_LOCATION: Option<String> = Key::optional_string("ssl.truststore.location").importance(High)
        .doc("File with the certificates that are trusted; those of the system, if nothing is set.");
    SSL_TRUSTSTORE_PASSWORD: Option<String> = Key::password("ssl.truststore.password").importance(High)
        .doc("Password of a trust store that is no PEM file.");
    SSL_TRUSTSTORE_CERTIFICATES: Option<String> = Key::password("ssl.truststore.certificates").importance(High)
        .doc("The trusted certificates themselves (PEM), in place of a file.");
    SSL_ENABLED_PROTOCOLS: Vec<String> = Key::list("ssl.enabled.protocols").default("TLSv1.2,TLSv1.3").importance(Medium)
        .doc("Versions of TLS: `TLSv1.2`, `TLSv1.3`.");
    SSL_PROTOCOL: String = Key::string("ssl.protocol").default("TLSv1.3").importance(Medium)
        .doc("Has no effect: `ssl.enabled.protocols` decides.");
    SSL_CIPHER_SUITES: Option<Vec<String>> = Key::optional_list("ssl.cipher.suites").importance(Low)
        .doc("Cipher suites by Java's names; all that are safe if nothing is set.");
    SSL_ENDPOINT_IDENTIFICATION: String = Key::string("ssl.endpoint.identification.algorithm").default("https").importance(Low)
        .doc("`https`: a broker's certificate must be for the host that was dialled. Empty: it need not.");
    SSL_PROVIDER: Option<String> = Key::optional_string("ssl.provider").importance(Medium).doc("Has no effect.");
    SSL_ENGINE_FACTORY: Option<String> = Key::optional_class("ssl.engine.factory.class").importance(Low)
        .doc("Must not be set: there are no Java classes here.");
}

keys! {
    /// Settings of SASL.
    sasl:
    SASL_MECHANISM: String = Key::string("sasl.mechanism").default("GSSAPI").importance(Medium)
        .doc("`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`. The default (Kerberos) is not supported.");
    SASL_JAAS_CONFIG: Option<String> = Key::password("sasl.jaas.config").importance(Medium)
        .doc("The login module of Java's client and its options, such as `org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"p\";`.");
    TOKEN_ENDPOINT: Option<String> = Key::optional_string("sasl.oauthbearer.token.endpoint.url").importance(Medium)
        .doc("`file:///path` of a file with the token for `OAUTHBEARER`, read at every login. HTTP is not supported.");
    SASL_CLIENT_CALLBACK: Option<String> = Key::optional_class("sasl.client.callback.handler.class").importance(Medium)
        .doc("Must not be set: there are no Java classes here.");
    SASL_LOGIN_CALLBACK: Option<String> = Key::optional_class("sasl.login.callback.handler.class").importance(Medium)
        .doc("Must not be set, or to one of Kafka's own for `OAUTHBEARER`.");
    SASL_LOGIN_CLASS: Option<String> = Key::optional_class("sasl.login.class").importance(Medium)
        .doc("Must not be set: there are no Java classes here.");
}

keys! {
    /// Settings of the producer alone.
    producer:
    ACKS: String = Key::string("acks").default("all").importance(Low)
        .validator(|| Validator::one_of_ignore_case(&["all", "-1", "0", "1"]))
        .doc("When a broker answers: when every replica in sync has the records (`all`), the leader (`1`), or never (`0`).");
    RETRIES: i32 = Key::int("retries").default("2147483647").min(0).importance(High)
        .doc("Repetitions of a failed request.");
    MAX_IN_FLIGHT: i32 = Key::int("max.in.flight.requests.per.connection").default("5").min(1).importance(Low)
        .doc("Requests of one connection that may wait for answers.");
    ENABLE_IDEMPOTENCE: bool = Key::boolean("enable.idempotence").default("true").importance(Low)
        .doc("Whether batches are numbered, so that a repetition is never written twice nor out of order. Off, where another setting contradicts it, unless it is set.");
    TRANSACTIONAL_ID: Option<String> = Key::optional_string("transactional.id").importance(Low)
        .doc("Name under which the producer's transactions outlive it; a newer producer of the same name fences it off. Needs `enable.idempotence`.");
    TRANSACTION_TIMEOUT: Duration = Key::int_millis("transaction.timeout.ms").default("60000").min(0).importance(Low)
        .doc("Milliseconds after which the coordinator aborts an open transaction and fences its producer off.");
    TWO_PHASE_COMMIT: bool = Key::boolean("transaction.two.phase.commit.enable").default("false").importance(Low)
        .doc("Not supported.");
    LINGER: Duration = Key::millis("linger.ms").default("5").min(0).importance(Medium)
        .doc("How long a partly filled batch waits for more records before it is sent.");
    DELIVERY_TIMEOUT: Duration = Key::int_millis("delivery.timeout.ms").default("120000").min(0).importance(Medium)
        .doc("Time from a batch's first record to its success or failure. At least `linger.ms` and `request.timeout.ms` together.");
    COMPRESSION_TYPE: String = Key::string("compression.type").default("none").importance(High)
        .validator(|| Validator::one_of_ignore_case(&["none", "gzip", "snappy", "lz4", "zstd"]))
        .doc("How batches are compressed.");
    GZIP_LEVEL: i32 = Key::int("compression.gzip.level").default("-1").min(1).max(9).or(-1).importance(Medium)
        .doc("Level of gzip; -1 for its own default.");
    LZ4_LEVEL: i32 = Key::int("compression.lz4.level").default("9").min(1).max(17).importance(Medium)
        .doc("Has no effect: lz4 is written with one level.");
    ZSTD_LEVEL: i32 = Key::int("compression.zstd.level").default("3").min(-131_072).max(22).importance(Medium)
        .doc("Level of zstd.");
    ADAPTIVE_PARTITIONING: bool = Key::boolean("partitioner.adaptive.partitioning.enable").default("true").importance(Low)
        .doc("Has no effect: records without a key go to one partition after the other, whatever brokers do.");
    PARTITION_AVAILABILITY: Duration = Key::millis("partitioner.availability.timeout.ms").default("0").min(0).importance(Low)
        .doc("Has no effect, as above.");
    METADATA_MAX_IDLE: Duration = Key::millis("metadata.max.idle.ms").default("300000").min(0).importance(Low)
        .doc("Has no effect: topics that were written to are remembered.");
    BATCH_SIZE: i32 = Key::int("batch.size").default("262144").min(0).importance(Medium)
        .doc("Size of a batch in bytes, before compression, at which it is sent. Java's default, 16384, would mean a request and perhaps a disk sync for every eighty or so log lines.");
    BUFFER_MEMORY: i64 = Key::long("buffer.memory").default("33554432").min(0).importance(High)
        .doc("Bytes of records that may wait for acknowledgement.");
    MAX_BLOCK: Duration = Key::millis("max.block.ms").default("60000").min(0).importance(Medium)
        .doc("Longest wait for metadata or for room in the buffer.");
    MAX_REQUEST_SIZE: i32 = Key::int("max.request.size").default("1048576").min(0).importance(Medium)
        .doc("Largest record, and largest request, in bytes before compression.");
    IGNORE_KEYS: bool = Key::boolean("partitioner.ignore.keys").default("false").importance(Medium)
        .doc("Whether a record's key does not choose its partition.");
    PARTITIONER: Option<String> = Key::optional_class("partitioner.class").importance(Medium)
        .doc("`org.apache.kafka.clients.producer.RoundRobinPartitioner`, or nothing: by the hash of the key, and without a key one partition for a whole batch and then another.");
}

keys! {
    /// Settings of the consumer alone.
    consumer:
    GROUP_ID: Option<String> = Key::optional_string("group.id").importance(High)
        .doc("The group, needed for subscriptions and commits.");
    GROUP_PROTOCOL: String = Key::string("group.protocol").default("classic").importance(High)
        .validator(|| Validator::one_of_ignore_case(&["classic", "consumer"]))
        .doc("`classic`; the newer protocol is not supported yet.");
    GROUP_INSTANCE_ID: Option<String> = Key::optional_string("group.instance.id").importance(Medium)
        .doc("Makes the member a static one, whose restart causes no rebalance.");
    SESSION_TIMEOUT: Duration = Key::int_millis("session.timeout.ms").default("45000").min(0).importance(High)
        .doc("Time without a heartbeat after which the coordinator drops the member.");
    HEARTBEAT_INTERVAL: Duration = Key::int_millis("heartbeat.interval.ms").default("3000").min(0).importance(High)
        .doc("Time between heartbeats; less than `session.timeout.ms`.");
    MAX_POLL_INTERVAL: Duration = Key::int_millis("max.poll.interval.ms").default("300000").min(0).importance(Medium)
        .doc("Longest time between two polls before the member leaves its group.");
    MAX_POLL_RECORDS: i32 = Key::int("max.poll.records").default("500").min(1).importance(Medium)
        .doc("Records after which a poll stops adding whole batches.");
    ENABLE_AUTO_COMMIT: Option<String> = Key::optional_string("enable.auto.commit").importance(Medium)
        .doc("Whether polls commit what earlier polls returned. `true` with a group, `false` without, unless set.");
    AUTO_COMMIT_INTERVAL: Duration = Key::int_millis("auto.commit.interval.ms").default("5000").min(0).importance(Low)
        .doc("Time between two such commits.");
    EXCLUDE_INTERNAL_TOPICS: bool = Key::boolean("exclude.internal.topics").default("true").importance(Medium)
        .doc("Whether Kafka's own topics are left out where topics are found by matching.");
    FETCH_MIN_BYTES: i32 = Key::int("fetch.min.bytes").default("1").min(0).importance(High)
        .doc("Bytes that a broker waits for before it answers a fetch.");
    FETCH_MAX_BYTES: i32 = Key::int("fetch.max.bytes").default("52428800").min(0).importance(Medium)
        .doc("Bytes after which a broker stops adding to a fetch.");
    FETCH_DECOMPRESSED_MAX_BYTES: i32 = Key::int("fetch.decompressed.max.bytes").default("1073741824").min(1024).importance(Medium)
        .doc("Bytes that the compressed batches of one fetch from one partition may expand to together. Java has no such setting.");
    FETCH_MAX_WAIT: Duration = Key::int_millis("fetch.max.wait.ms").default("500").min(0).importance(Low)
        .doc("How long a broker waits for `fetch.min.bytes`.");
    MAX_PARTITION_FETCH_BYTES: i32 = Key::int("max.partition.fetch.bytes").default("1048576").min(0).importance(High)
        .doc("Bytes of one partition after which a broker stops adding to a fetch.");
    AUTO_OFFSET_RESET: String = Key::string("auto.offset.reset").default("latest").importance(Medium)
        .validator(|| Validator::one_of_ignore_case(&["earliest", "latest", "none"]))
        .doc("Where to start in a partition that has no committed offset, or whose position is gone; `none`: it is an error.");
    ISOLATION_LEVEL: String = Key::string("isolation.level").default("read_uncommitted").importance(Medium)
        .validator(|| Validator::one_of_ignore_case(&["read_uncommitted", "read_committed"]))
        .doc("Which records of transactions are seen: all, or those of committed ones.");
    CHECK_CRCS: bool = Key::boolean("check.crcs").default("true").importance(Low)
        .doc("Whether checksums of batches are verified.");
    ALLOW_AUTO_CREATE_TOPICS: bool = Key::boolean("allow.auto.create.topics").default("true").importance(Medium)
        .doc("Whether asking for a topic may create it.");
    ASSIGNMENT_STRATEGY: Option<String> = Key::optional_string("partition.assignment.strategy").importance(Medium)
        .doc("How a group's leader divides partitions, most wanted first: `org.apache.kafka.clients.consumer.RangeAssignor` (which is also meant when it is not set), `RoundRobinAssignor` or `CooperativeStickyAssignor` of the same package. With the last one alone a rebalance takes away only what others are to have. `StickyAssignor` beside them is left out.");
    CONSUMER_API_TIMEOUT: Duration = Key::int_millis("default.api.timeout.ms").default("60000").min(0).importance(Medium)
        .doc("Longest time for calls that ask the cluster something, repetitions included.");
    CLIENT_RACK: String = Key::string("client.rack").default("").importance(Low)
        .doc("Rack of the client, for fetching from near replicas.");
}

keys! {
    /// Settings of the admin client alone.
    admin:
    ADMIN_RETRIES: i32 = Key::int("retries").default("2147483647").min(0).importance(Low)
        .doc("Has no effect: calls are repeated until `default.api.timeout.ms` is over.");
    ADMIN_API_TIMEOUT: Duration = Key::int_millis("default.api.timeout.ms").default("60000").min(0).importance(Medium)
        .doc("Longest time for one call, repetitions included.");
}

#[cfg(test)]
mod tests {
    use millstream_config::{ConfigDef, ConfigMap, reference_page};

    use super::*;

    #[test]
    fn every_default_fits_its_type_and_its_rule() {
        for def in [connection(), tls(), sasl(), producer(), consumer(), admin()] {
            for key in def.keys() {
                let alone = ConfigDef::of([key.clone()]);
                alone.parse(&ConfigMap::new()).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }

    /// The committed pages are rewritten instead when `MILLSTREAM_WRITE_PAGES` is set.
    #[test]
    fn the_committed_pages_are_those_of_the_program() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("reference");
        for (file, title, own) in [
            ("producer.md", "Settings of producers", producer()),
            ("consumer.md", "Settings of consumers", consumer()),
            ("admin.md", "Settings of admin clients", admin()),
        ] {
            let mut def = connection();
            def.define_all(&tls());
            def.define_all(&sasl());
            def.define_all(&own);
            let introduction = "Other settings of the Java clients are accepted, and have no effect.";
            let (path, page) = (folder.join(file), reference_page(title, introduction, &def));
            if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &page).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == page, "reference/{file} is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
        }
    }
}
