//! Opens a connection to what a URL names.

use std::fs;
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::SqlError;
use super::cancel::Canceller;
use super::options::SessionOptions;
use super::state::Grant;
use super::url::{Product, Target};
use super::{mysql, postgres, sqlite};

/// Unless a URL or the connector says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to one of the databases.
#[derive(Debug)]
pub(super) enum Connection {
    Postgres(PgConnection),
    MySql(MySqlConnection, mysql::Settings),
    Sqlite(SqliteConnection, sqlite::Settings),
}

impl Connection {
    pub(super) fn product(&self) -> Product {
        match self {
            Self::Postgres(_) => Product::Postgres,
            Self::MySql(_, settings) => settings.product,
            Self::Sqlite(..) => Product::Sqlite,
        }
    }
}

/// What is to be reached, as user, password and properties complete a URL.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) target: Target,
    user: Option<String>,
    password: Option<String>,
}

impl Login {
    pub(super) fn of(grant: &Grant) -> Result<Self, SqlError> {
        let mut target = Target::parse(&grant.url).map_err(|error| SqlError::config(error.to_string()))?;
        target.parameters.extend(grant.properties.iter().cloned());
        let parameter = |name: &str| target.parameter(name).map(str::to_owned);
        let user = grant.user.clone().or_else(|| parameter("user"));
        let password = grant.password.clone().or_else(|| parameter("password"));
        if target.database.is_empty() && target.product == Product::Postgres {
            target.database = user.clone().unwrap_or_default();
        }
        Ok(Self { target, user, password })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.target.parameter(name).filter(|value| !value.is_empty())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        self.parameter(name).map(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    fn connect_timeout(&self, options: &SessionOptions) -> Result<Duration, SqlError> {
        if let Some(timeout) = options.connect_timeout {
            return Ok(timeout);
        }
        let (names, unit): (&[&str], u64) = match self.target.product {
            Product::Postgres => (&["connectTimeout", "loginTimeout"], 1000),
            _ => (&["connectTimeout"], 1),
        };
        let found = names.iter().find_map(|name| Some((*name, self.parameter(name)?)));
        let Some((name, value)) = found else { return Ok(CONNECT_TIMEOUT) };
        match value.parse::<u64>() {
            Ok(0) => Ok(CONNECT_TIMEOUT),
            Ok(number) => Ok(Duration::from_millis(number.saturating_mul(unit))),
            Err(_) => Err(self.odd(name, value)),
        }
    }

    /// How long a statement may take by the URL; none if it says nothing.
    pub(super) fn socket_timeout(&self) -> Result<Option<Duration>, SqlError> {
        let unit = if self.target.product == Product::Postgres { 1000 } else { 1 };
        let Some(value) = self.parameter("socketTimeout") else { return Ok(None) };
        let number = value.parse::<u64>().map_err(|_| self.odd("socketTimeout", value))?;
        Ok((number != 0).then(|| Duration::from_millis(number.saturating_mul(unit))))
    }

    pub(super) fn odd(&self, name: &str, value: &str) -> SqlError {
        SqlError::config(format!("{}: the parameter {name} cannot be {value:?}", self.target.name()))
    }

    /// Connects to the first host that lets it. With the connection comes who can cancel what runs over it.
    pub(super) async fn connect(&self, options: &SessionOptions) -> Result<(Connection, Option<Canceller>), SqlError> {
        let timeout = self.connect_timeout(options)?;
        if self.target.product == Product::Sqlite {
            return Ok((self.connect_to("", 0, options, timeout).await?, None));
        }
        let mut last = None;
        for (host, port) in &self.target.hosts {
            match self.connect_to(host, *port, options, timeout).await {
                Ok(mut connection) => {
                    let target = Target { hosts: vec![(host.clone(), *port)], ..self.target.clone() };
                    let login = Self { target, ..self.clone() };
                    let canceller = Canceller::of(login, options, timeout, &mut connection).await?;
                    return Ok((connection, Some(canceller)));
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or_else(|| SqlError::config(format!("{} names no host", self.target.name())));
        Err(match self.target.hosts.len() {
            0 | 1 => error,
            count => error.with(&format!("it was the last of {count} hosts, and the others were refused, too")),
        })
    }

    /// Connects to the only host.
    pub(super) async fn connect_once(
        &self,
        options: &SessionOptions,
        timeout: Duration,
    ) -> Result<Connection, SqlError> {
        match self.target.hosts.first() {
            Some((host, port)) => self.connect_to(host, *port, options, timeout).await,
            None => Err(SqlError::config(format!("{} names no host", self.target.name()))),
        }
    }

    async fn connect_to(
        &self,
        host: &str,
        port: u16,
        options: &SessionOptions,
        timeout: Duration,
    ) -> Result<Connection, SqlError> {
        let product = self.target.product;
        let name = match product {
            Product::Sqlite => self.target.name(),
            _ => format!("{}://{}:{port}/{}", product.word(), super::url::bracketed(host), self.target.database),
        };
        let attempted = format!("connect to {name}");
        let opening = async {
            match product {
                Product::Postgres => {
                    let settings = self.postgres(host, port)?;
                    let connected = settings.connect().await;
                    let mut connection = connected.map_err(|error| SqlError::driver(product, &attempted, error))?;
                    postgres::begin_session(&mut connection, self, options, &attempted).await?;
                    Ok(Connection::Postgres(connection))
                }
                Product::MySql | Product::MariaDb => {
                    let settings = self.mysql(host, port)?;
                    let connected = settings.connect().await;
                    let mut connection = connected.map_err(|error| SqlError::driver(product, &attempted, error))?;
                    let settings = mysql::begin_session(&mut connection, self, options, &attempted).await?;
                    Ok(Connection::MySql(connection, settings))
                }
                Product::Sqlite => {
                    let connected = self.sqlite(options)?.connect().await;
                    let mut connection = connected.map_err(|error| SqlError::driver(product, &attempted, error))?;
                    let settings = sqlite::begin_session(&mut connection, self, &attempted).await?;
                    Ok(Connection::Sqlite(connection, settings))
                }
            }
        };
        match tokio::time::timeout(timeout, opening).await {
            Ok(connected) => connected,
            Err(_) => Err(SqlError::lost(format!("{attempted}: no answer within {} ms", timeout.as_millis()))),
        }
    }

    /// Listens at the first host that lets it.
    pub(super) async fn listen(&self, options: &SessionOptions, channel: &str) -> Result<postgres::Listener, SqlError> {
        let timeout = self.connect_timeout(options)?;
        let mut last = None;
        for (host, port) in &self.target.hosts {
            match postgres::Listener::start(self.postgres(host, *port)?, timeout, channel).await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| SqlError::config(format!("{} names no host", self.target.name()))))
    }

    fn postgres(&self, host: &str, port: u16) -> Result<PgConnectOptions, SqlError> {
        // Nothing of the worker's own surroundings is to count: neither its environment nor its home.
        let mut settings = PgConnectOptions::new_without_pgpass()
            .host(host)
            .port(port)
            .username(self.user.as_deref().unwrap_or("postgres"))
            .password(self.password.as_deref().unwrap_or_default())
            .database(if self.target.database.is_empty() { "postgres" } else { &self.target.database })
            .application_name(self.parameter("ApplicationName").unwrap_or("Millstream"))
            .disable_statement_logging();
        let mode = match (self.parameter("sslmode"), self.flag("ssl")) {
            (Some(mode), _) => match mode.to_ascii_lowercase().as_str() {
                "disable" => PgSslMode::Disable,
                "allow" => PgSslMode::Allow,
                "prefer" => PgSslMode::Prefer,
                "require" => PgSslMode::Require,
                "verify-ca" => PgSslMode::VerifyCa,
                "verify-full" => PgSslMode::VerifyFull,
                _ => return Err(self.odd("sslmode", mode)),
            },
            (None, Some(true)) => PgSslMode::VerifyFull,
            (None, _) => PgSslMode::Prefer,
        };
        settings = settings.ssl_mode(mode);
        if let Some(path) = self.parameter("sslrootcert") {
            settings = settings.ssl_root_cert_from_pem(self.pem("sslrootcert", path, "CERTIFICATE")?);
        }
        if let (Some(cert), Some(key)) = (self.parameter("sslcert"), self.parameter("sslkey")) {
            settings = settings
                .ssl_client_cert_from_pem(self.pem("sslcert", cert, "CERTIFICATE")?)
                .ssl_client_key_from_pem(self.pem("sslkey", key, "PRIVATE KEY")?);
        }
        Ok(settings)
    }

    fn mysql(&self, host: &str, port: u16) -> Result<MySqlConnectOptions, SqlError> {
        let mut settings = MySqlConnectOptions::new()
            .host(host)
            .port(port)
            .username(self.user.as_deref().unwrap_or("root"))
            .pipes_as_concat(false)
            .no_engine_substitution(true)
            .timezone(Some("+00:00".to_owned()))
            .disable_statement_logging();
        if let Some(password) = &self.password {
            settings = settings.password(password);
        }
        if !self.target.database.is_empty() {
            settings = settings.database(&self.target.database);
        }
        let verifies = self.flag("verifyServerCertificate") == Some(true);
        let mode = match self.parameter("sslMode") {
            Some(mode) => match mode.to_ascii_lowercase().replace('-', "_").as_str() {
                "disabled" | "disable" => MySqlSslMode::Disabled,
                "preferred" => MySqlSslMode::Preferred,
                "required" | "trust" => MySqlSslMode::Required,
                "verify_ca" => MySqlSslMode::VerifyCa,
                "verify_identity" | "verify_full" => MySqlSslMode::VerifyIdentity,
                _ => return Err(self.odd("sslMode", mode)),
            },
            None => match (self.flag("useSSL").or(self.flag("useSsl")), self.flag("requireSSL")) {
                (Some(false), _) => MySqlSslMode::Disabled,
                (Some(true), _) if verifies => MySqlSslMode::VerifyCa,
                (_, Some(true)) => MySqlSslMode::Required,
                _ => MySqlSslMode::Preferred,
            },
        };
        settings = settings.ssl_mode(mode);
        for name in ["serverSslCert", "sslCa"] {
            if let Some(path) = self.parameter(name) {
                settings = settings.ssl_ca_from_pem(self.pem(name, path, "CERTIFICATE")?);
            }
        }
        if let (Some(cert), Some(key)) = (self.parameter("sslCert"), self.parameter("sslKey")) {
            settings = settings
                .ssl_client_cert_from_pem(self.pem("sslCert", cert, "CERTIFICATE")?)
                .ssl_client_key_from_pem(self.pem("sslKey", key, "PRIVATE KEY")?);
        }
        Ok(settings)
    }

    fn sqlite(&self, options: &SessionOptions) -> Result<SqliteConnectOptions, SqlError> {
        let busy = self.parameter("busy_timeout").unwrap_or("3000");
        let busy = busy.parse::<u64>().map_err(|_| self.odd("busy_timeout", busy))?;
        let in_memory = self.target.database.is_empty() || self.parameter("mode") == Some("memory");
        let mut settings = SqliteConnectOptions::new()
            .foreign_keys(self.flag("foreign_keys") == Some(true) || self.parameter("foreign_keys") == Some("on"))
            .busy_timeout(Duration::from_millis(busy))
            .read_only(options.read_only || self.parameter("mode") == Some("ro"))
            .create_if_missing(!options.read_only && !matches!(self.parameter("mode"), Some("ro" | "rw")))
            .disable_statement_logging();
        if in_memory {
            settings = settings.in_memory(true).shared_cache(self.parameter("cache") == Some("shared"));
        }
        if !self.target.database.is_empty() {
            settings = settings.filename(&self.target.database);
        }
        // The rest of the driver's parameters are pragmas by the same names.
        for name in ["journal_mode", "synchronous", "cache_size", "locking_mode", "recursive_triggers", "secure_delete"]
        {
            if let Some(value) = self.parameter(name) {
                if !value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
                    return Err(self.odd(name, value));
                }
                settings = settings.pragma(name, value.to_owned());
            }
        }
        Ok(settings)
    }

    /// A file with certificates or a key, in PEM or DER.
    fn pem(&self, name: &str, path: &str, label: &str) -> Result<Vec<u8>, SqlError> {
        let bytes = fs::read(Path::new(path));
        let bytes = bytes.map_err(|error| SqlError::config(format!("{name}: read {path}: {error}")))?;
        if bytes.windows(10).any(|window| window == b"-----BEGIN") {
            if bytes.windows(9).any(|window| window == b"ENCRYPTED") {
                let what = "the key is encrypted, which this host does not read: store it without a password";
                return Err(SqlError::config(format!("{name}: {path}: {what}")));
            }
            return Ok(bytes);
        }
        let mut pem = format!("-----BEGIN {label}-----\n");
        let text = millstream_values::base64::encode(&bytes);
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str(&format!("-----END {label}-----\n"));
        Ok(pem.into_bytes())
    }

    /// Parameters that neither this host nor the drivers whose URLs these are do anything with.
    pub(super) fn unknown_parameters(&self) -> Vec<&str> {
        let known: &[&str] = match self.target.product {
            Product::Postgres => &postgres::PARAMETERS,
            Product::MySql | Product::MariaDb => &mysql::PARAMETERS,
            Product::Sqlite => &sqlite::PARAMETERS,
        };
        let names = self.target.parameters.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !known.iter().any(|known| known.eq_ignore_ascii_case(name))).collect()
    }

    /// Server settings of `options`: `-c name=value` and `--name=value`.
    pub(super) fn server_options(&self) -> Result<Vec<(String, String)>, SqlError> {
        let Some(text) = self.parameter("options") else { return Ok(Vec::new()) };
        let mut words = vec![String::new()];
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let last = words.last_mut().expect("there is always one");
            match character {
                '\\' => last.extend(characters.next()),
                ' ' => words.push(String::new()),
                other => last.push(other),
            }
        }
        let mut words = words.into_iter().filter(|word| !word.is_empty());
        let mut found = Vec::new();
        while let Some(word) = words.next() {
            let setting = match word.as_str() {
                "-c" => words.next(),
                _ => word.strip_prefix("-c").or_else(|| word.strip_prefix("--")).map(str::to_owned),
            };
            let pair = setting.as_deref().and_then(|setting| setting.split_once('='));
            let (name, value) = pair.ok_or_else(|| self.odd("options", text))?;
            found.push((name.replace('-', "_"), value.to_owned()));
        }
        Ok(found)
    }
}
