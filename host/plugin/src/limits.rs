//! What one plugin may use and know of the machine: the worker's `plugin.` keys, and its time zone.

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use millstream_config::{ParsedConfig, worker_key};
use millstream_convert::ReadLimits;
use millstream_record::batch::Limits;

use crate::capability::{Allowed, AllowedPlaces, AllowedSql, HttpAllowed, OriginPattern, SocketPattern, SqlLimits};
use crate::machine::{half_the_processors, machine_memory};

/// Limits that hold for each plugin instance, and the places plugins may reach.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginLimits {
    /// `plugin.memory.max.bytes`: bytes of all memories and tables of one instance together.
    pub memory_max: usize,
    /// `plugin.call.timeout.ms`: how long one call may compute. Waiting in the host does not count.
    pub call_timeout: Duration,
    /// `plugin.host.call.timeout.ms`: how long one call may wait for the host in all.
    pub host_wait_timeout: Duration,
    /// `plugin.log.rate`: lines a second that one instance may log.
    pub log_rate: u32,
    /// `plugin.memory.total.max.bytes`: bytes that all instances of the worker hold together.
    pub memory_total_max: usize,
    /// `plugin.batch.…`: the largest batch that a plugin may hand over.
    pub batch: Limits,
    /// `converter.…`: how much JSON may ask of the host that reads it for a plugin.
    pub json: ReadLimits,
    /// `plugin.memory.recycle.bytes`: an instance that holds more is replaced between two batches; 0 for never.
    pub memory_recycle: usize,
    /// `plugin.cache.dir`: where compiled plugins are kept; none compiles them anew at each start.
    pub cache_dir: Option<PathBuf>,
    /// `plugin.cache.max.bytes`: the most that is kept there.
    pub cache_max: u64,
    /// `plugin.compile.threads`: how many threads compile new plugins.
    pub compile_threads: usize,
    /// `plugin.allow.…`: what plugins may reach of what configurations name.
    pub allowed: Allowed,
    /// `plugin.sql.sessions.max`: sessions at databases that one instance may have at a time.
    pub sql_sessions: usize,
    /// `plugin.sql.value.max.bytes`: the largest value that is read from a database.
    pub sql_value_max: usize,
    /// The worker's time zone as the SDK reads it, for instances to write dates in; none is UTC. No key of a
    /// configuration: a worker has it from its machine.
    pub time_zone: Option<String>,
}

impl PluginLimits {
    /// Reads the keys of a worker's configuration, which has checked their ranges.
    ///
    /// # Errors
    ///
    /// An item of `plugin.allow.…` that names nothing.
    pub fn of(config: &ParsedConfig) -> Result<Self, InvalidAllowance> {
        // The keys' validators allow no negative numbers.
        let count = |number: i32| u32::try_from(number).unwrap_or(0);
        let paths = |paths: Vec<String>| paths.into_iter().map(PathBuf::from).collect();
        Ok(Self {
            memory_max: usize::try_from(worker_key::PLUGIN_MEMORY_MAX_BYTES.get(config)).unwrap_or(usize::MAX),
            call_timeout: worker_key::PLUGIN_CALL_TIMEOUT.get(config),
            host_wait_timeout: worker_key::PLUGIN_HOST_CALL_TIMEOUT.get(config),
            log_rate: count(worker_key::PLUGIN_LOG_RATE.get(config)),
            memory_total_max: match usize::try_from(worker_key::PLUGIN_MEMORY_TOTAL_MAX_BYTES.get(config)) {
                Ok(0) => machine_memory(),
                bytes => bytes.unwrap_or(usize::MAX),
            },
            cache_dir: worker_key::PLUGIN_CACHE_DIR.get(config).map(PathBuf::from).or_else(Self::usual_cache_dir),
            cache_max: u64::try_from(worker_key::PLUGIN_CACHE_MAX_BYTES.get(config)).unwrap_or(0),
            compile_threads: match count(worker_key::PLUGIN_COMPILE_THREADS.get(config)) {
                0 => half_the_processors(),
                threads => threads as usize,
            },
            batch: Limits {
                max_rows: count(worker_key::PLUGIN_BATCH_MAX_RECORDS.get(config)),
                max_bytes: count(worker_key::PLUGIN_BATCH_MAX_BYTES.get(config)),
                max_columns: count(worker_key::PLUGIN_BATCH_MAX_COLUMNS.get(config)),
                max_expanded_bytes: u64::try_from(worker_key::PLUGIN_BATCH_EXPANDED_MAX_BYTES.get(config)).unwrap_or(0),
            },
            json: ReadLimits::of(config),
            memory_recycle: usize::try_from(worker_key::PLUGIN_MEMORY_RECYCLE_BYTES.get(config)).unwrap_or(usize::MAX),
            allowed: Allowed {
                files: worker_key::PLUGIN_ALLOW_FILES.get(config).map(paths),
                lease: worker_key::PLUGIN_ALLOW_LEASE.get(config),
                http: http(config)?,
                sockets: patterns(
                    "plugin.allow.sockets",
                    "a server such as db.example.com:5432 or *.example.com:*",
                    &worker_key::PLUGIN_ALLOW_SOCKETS.get(config),
                    SocketPattern::parse,
                )?,
                sql: AllowedSql {
                    databases: worker_key::PLUGIN_ALLOW_SQL.get(config).map(Arc::from),
                    blocked: blocked_parameters(config).into(),
                },
            },
            sql_sessions: count(worker_key::PLUGIN_SQL_SESSIONS_MAX.get(config)) as usize,
            sql_value_max: usize::try_from(worker_key::PLUGIN_SQL_VALUE_MAX_BYTES.get(config)).unwrap_or(usize::MAX),
            time_zone: None,
        })
    }
}

/// An item in a list of what plugins may reach that says nothing.
#[derive(Debug, thiserror::Error)]
#[error("{item} in {key} is not {expected}")]
pub struct InvalidAllowance {
    key: &'static str,
    item: String,
    expected: &'static str,
}

fn patterns<T, C: FromIterator<T>>(
    key: &'static str,
    expected: &'static str,
    items: &[String],
    parse: fn(&str) -> Option<T>,
) -> Result<C, InvalidAllowance> {
    let parsed = |item: &String| parse(item).ok_or_else(|| InvalidAllowance { key, item: item.clone(), expected });
    items.iter().map(parsed).collect()
}

/// The keys of a worker that are about HTTP.
fn http(config: &ParsedConfig) -> Result<HttpAllowed, InvalidAllowance> {
    let bytes = |number: i64| u64::try_from(number).unwrap_or(0);
    let origins = |items: Vec<String>| {
        let expected = "an origin such as https://api.example.com or https://*.example.com";
        patterns("plugin.allow.http", expected, &items, OriginPattern::parse)
    };
    let places = worker_key::PLUGIN_ALLOW_HTTP_ADDRESSES.get(config);
    let places = AllowedPlaces::parse(places.iter().map(String::as_str));
    Ok(HttpAllowed {
        origins: worker_key::PLUGIN_ALLOW_HTTP.get(config).map(origins).transpose()?,
        places: places.map_err(|item| InvalidAllowance {
            key: "plugin.allow.http.addresses",
            item,
            expected: "private, loopback, link-local or a range such as 10.0.0.0/8",
        })?,
        request_max: bytes(worker_key::PLUGIN_HTTP_REQUEST_MAX_BYTES.get(config)),
        response_max: bytes(worker_key::PLUGIN_HTTP_RESPONSE_MAX_BYTES.get(config)),
        buffer_max: bytes(worker_key::PLUGIN_HTTP_BUFFER_MAX_BYTES.get(config)),
        requests: usize::try_from(worker_key::PLUGIN_HTTP_REQUESTS_MAX.get(config)).unwrap_or(1),
    })
}

/// Names of parameters that no database may be given, by the worker's key or by Connect's variable.
fn blocked_parameters(config: &ParsedConfig) -> Vec<String> {
    if let Some(names) = worker_key::JDBC_BLOCKED_PARAMS.get(config) {
        return names;
    }
    let names = env::var("JDBC_CONNECTION_URL_BLOCKED_PARAMS").unwrap_or_default();
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl PluginLimits {
    /// What one instance may use of databases.
    pub(crate) fn sql(&self) -> SqlLimits {
        SqlLimits {
            sessions: self.sql_sessions,
            value_bytes: self.sql_value_max,
            wait: self.host_wait_timeout,
            batch: self.batch,
        }
    }

    /// Where compiled plugins are kept unless told otherwise: in the user's own folder for what can be made again. None
    /// without a home: then nothing is kept.
    pub fn usual_cache_dir() -> Option<PathBuf> {
        let absolute = |path: PathBuf| path.is_absolute().then_some(path);
        let folder = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).and_then(absolute);
        let folder = folder.or_else(|| Some(absolute(PathBuf::from(env::var_os("HOME")?))?.join(".cache")))?;
        Some(folder.join("millstream/plugins"))
    }
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory_max: 256 << 20,
            call_timeout: Duration::from_secs(30),
            host_wait_timeout: Duration::from_secs(60),
            log_rate: 100,
            memory_total_max: machine_memory(),
            batch: Limits::DEFAULT,
            json: ReadLimits::DEFAULT,
            memory_recycle: 64 << 20,
            cache_dir: None,
            cache_max: 1 << 30,
            compile_threads: half_the_processors(),
            allowed: Allowed::default(),
            sql_sessions: SqlLimits::default().sessions,
            sql_value_max: SqlLimits::default().value_bytes,
            time_zone: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_config::{ConfigMap, Mode};

    use super::*;

    #[test]
    fn a_workers_keys_fill_every_limit_and_their_defaults_are_ours() {
        let definition = Mode::Standalone.config_def();
        let read = |pairs: &[(&str, &str)]| {
            let mut map: ConfigMap =
                pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect();
            for key in definition.keys().iter().filter(|key| key.is_required()) {
                map.insert(key.name.clone(), Some("x".into()));
            }
            PluginLimits::of(&definition.parse(&map).unwrap())
        };
        for (key, item) in [
            ("plugin.allow.http", "no origin"),
            ("plugin.allow.http.addresses", "lan"),
            ("plugin.allow.sockets", "no-port"),
        ] {
            let refused = read(&[(key, item)]).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{item} in {key} is not ")), "{refused}");
        }
        let defaults = read(&[]).unwrap();
        assert_eq!(PluginLimits { cache_dir: None, ..defaults }, PluginLimits::default());
        let set = read(&[
            ("plugin.memory.max.bytes", "1048576"),
            ("plugin.call.timeout.ms", "5"),
            ("plugin.host.call.timeout.ms", "6"),
            ("plugin.log.rate", "7"),
            ("plugin.memory.total.max.bytes", "8388608"),
            ("plugin.memory.recycle.bytes", "2097152"),
            ("converter.nesting.max", "9"),
            ("plugin.cache.dir", "/c"),
            ("plugin.cache.max.bytes", "1048576"),
            ("plugin.compile.threads", "3"),
            ("plugin.allow.files", "/a,/b"),
            ("plugin.batch.max.records", "9"),
            ("plugin.batch.max.bytes", "65536"),
            ("plugin.batch.max.columns", "16"),
            ("plugin.batch.expanded.max.bytes", "65537"),
            ("plugin.allow.lease", "false"),
            ("plugin.allow.http", "https://*.example.com,http://a"),
            ("plugin.allow.http.addresses", "loopback,10.0.0.0/8"),
            ("plugin.allow.sockets", "db.example.com:5432"),
            ("plugin.http.request.max.bytes", "2001"),
            ("plugin.http.response.max.bytes", "2002"),
            ("plugin.http.buffer.max.bytes", "2003"),
            ("plugin.http.requests.max", "4"),
            ("plugin.allow.sql", "postgresql://db"),
            ("jdbc.connection.url.blocked.params", "socketFactory"),
            ("plugin.sql.sessions.max", "2"),
            ("plugin.sql.value.max.bytes", "65538"),
        ])
        .unwrap();
        let sql = AllowedSql {
            databases: Some(Arc::from(["postgresql://db".to_owned()])),
            blocked: Arc::from(["socketFactory".to_owned()]),
        };
        let expected = PluginLimits {
            memory_max: 1 << 20,
            call_timeout: Duration::from_millis(5),
            host_wait_timeout: Duration::from_millis(6),
            log_rate: 7,
            memory_total_max: 8 << 20,
            batch: Limits { max_rows: 9, max_bytes: 65_536, max_columns: 16, max_expanded_bytes: 65_537 },
            json: ReadLimits { nesting_max: 9, ..ReadLimits::DEFAULT },
            memory_recycle: 1 << 21,
            cache_dir: Some("/c".into()),
            cache_max: 1 << 20,
            compile_threads: 3,
            allowed: Allowed {
                files: Some(Arc::from(["/a".into(), "/b".into()])),
                lease: false,
                http: HttpAllowed {
                    origins: Some(
                        ["https://*.example.com", "http://a"]
                            .iter()
                            .filter_map(|text| OriginPattern::parse(text))
                            .collect(),
                    ),
                    places: AllowedPlaces::parse(["loopback", "10.0.0.0/8"]).unwrap(),
                    request_max: 2001,
                    response_max: 2002,
                    buffer_max: 2003,
                    requests: 4,
                },
                sql,
                sockets: SocketPattern::parse("db.example.com:5432").into_iter().collect(),
            },
            sql_sessions: 2,
            sql_value_max: 65_538,
            time_zone: None,
        };
        assert_eq!(set, expected);
    }
}
