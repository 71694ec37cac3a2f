//! JDBC URLs of the databases that the host knows.

use std::fmt;

use millstream_config::HIDDEN;

/// Which database a URL means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Product {
    Postgres,
    MySql,
    MariaDb,
    Sqlite,
}

/// What a URL names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    pub(super) product: Product,
    /// Hosts to be tried in this order; none for SQLite.
    pub(super) hosts: Vec<(String, u16)>,
    /// The database, or SQLite's file: empty if the URL has none.
    pub(super) database: String,
    /// From the URL, then those of the configuration's own keys: of two with one name the last counts.
    pub(super) parameters: Vec<(String, String)>,
}

/// A text that is no URL of a database that the host knows. No message shows a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InvalidUrl {
    #[error("Not a valid JDBC URL: {0}")]
    NotJdbc(String),
    #[error(
        "the databases of this worker are postgresql, mysql, mariadb and sqlite, and {0} is none of them: use a connector \
         that brings its own driver"
    )]
    Unknown(String),
    #[error("{url}: {what}")]
    Damaged { url: String, what: &'static str },
}

impl Product {
    /// The word in a URL.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
            Self::Sqlite => "sqlite",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::MySql | Self::MariaDb => 3306,
            Self::Sqlite => 0,
        }
    }

    /// The name that users of Connect's JDBC connectors know.
    pub(super) fn dialect(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSqlDatabaseDialect",
            Self::MySql | Self::MariaDb => "MySqlDatabaseDialect",
            Self::Sqlite => "SqliteDatabaseDialect",
        }
    }

    /// What stands around names.
    pub(super) fn quote(self) -> char {
        match self {
            Self::Postgres => '"',
            _ => '`',
        }
    }

    /// Whether it is MySQL or one that speaks its protocol.
    pub(super) fn is_mysql(self) -> bool {
        matches!(self, Self::MySql | Self::MariaDb)
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
            Self::Sqlite => "SQLite",
        })
    }
}

impl Target {
    /// Reads a URL.
    pub(super) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let shown = || masked(url);
        let rest = url.strip_prefix("jdbc:").ok_or_else(|| InvalidUrl::NotJdbc(shown()))?;
        let (word, rest) = rest.split_once(':').ok_or_else(|| InvalidUrl::NotJdbc(shown()))?;
        let product = match word {
            "postgresql" => Product::Postgres,
            "mysql" => Product::MySql,
            "mariadb" => Product::MariaDb,
            "sqlite" => Product::Sqlite,
            "mysql+srv" => {
                let what = "hosts that a DNS service names are not looked up: name them in the URL";
                return Err(InvalidUrl::Damaged { url: shown(), what });
            }
            other => return Err(InvalidUrl::Unknown(other.to_owned())),
        };
        let damaged = |what| InvalidUrl::Damaged { url: shown(), what };
        if product == Product::Sqlite {
            return sqlite(rest).map_err(damaged);
        }
        // What the drivers do beyond failing over is no business of one connection.
        let rest = ["loadbalance:", "replication:", "sequential:", "aurora:"]
            .iter()
            .find_map(|mode| rest.strip_prefix(mode).filter(|_| product.is_mysql()))
            .unwrap_or(rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parameters = parameters(query);
        let (authority, database) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None if product == Product::Postgres => ("", rest.strip_prefix('/').unwrap_or(rest)),
            None => return Err(damaged("// and a host are missing behind the name of the driver")),
        };
        let mut hosts = Vec::new();
        for host in split_hosts(authority) {
            let host = match host.rsplit_once('@') {
                Some((login, host)) if product.is_mysql() => {
                    let (user, password) = login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)));
                    parameters.insert(0, ("user".to_owned(), decoded(user)));
                    if let Some(password) = password {
                        parameters.insert(0, ("password".to_owned(), decoded(password)));
                    }
                    host
                }
                _ => host,
            };
            hosts.push(address(host, product, &mut parameters).map_err(damaged)?);
        }
        Ok(Self { product, hosts, database: decoded(database), parameters })
    }

    /// A parameter's value.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().rev();
        found.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// For messages: what was to be reached, without parameters.
    pub(super) fn name(&self) -> String {
        let word = self.product.word();
        if self.product == Product::Sqlite {
            return format!("{word}:{}", if self.database.is_empty() { ":memory:" } else { &self.database });
        }
        let hosts: Vec<String> = self.hosts.iter().map(|(host, port)| format!("{}:{port}", bracketed(host))).collect();
        format!("{word}://{}/{}", hosts.join(","), self.database)
    }
}

/// A host as a URL has it.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

fn sqlite(rest: &str) -> Result<Target, &'static str> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.strip_prefix("file:").unwrap_or(path);
    let path = match path.strip_prefix("//") {
        // `file:///path` has an empty host.
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err("a file on another host cannot be opened"),
        None => path,
    };
    if path.starts_with(":resource:") {
        return Err("there are no resources of a class path to be opened");
    }
    let database = if path == ":memory:" { String::new() } else { decoded_path(path) };
    Ok(Target { product: Product::Sqlite, hosts: Vec::new(), database, parameters: parameters(query) })
}

/// Splits at commas that do not stand in brackets.
fn split_hosts(text: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut parts) = (0_i32, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b',' if depth <= 0 => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// Reads `host`, `host:port`, `[v6]:port` or `address=(host=…)(port=…)`.
fn address(
    text: &str,
    product: Product,
    parameters: &mut Vec<(String, String)>,
) -> Result<(String, u16), &'static str> {
    let port_of = |text: &str| text.trim().parse::<u16>().map_err(|_| "a port is no number between 0 and 65535");
    let named = text.strip_prefix("address=").unwrap_or(text);
    if product.is_mysql() && named.starts_with('(') {
        let (mut host, mut port) = ("localhost".to_owned(), product.default_port());
        for part in named.trim_start_matches('(').trim_end_matches(')').split(")(") {
            let (name, value) = part.split_once('=').ok_or("a part of an address has no =")?;
            match name.trim().to_ascii_lowercase().as_str() {
                "host" => host = value.trim().to_owned(),
                "port" => port = port_of(value)?,
                "user" | "password" => parameters.insert(0, (name.trim().to_owned(), decoded(value))),
                "type" | "protocol" | "priority" => {}
                _ => parameters.push((name.trim().to_owned(), decoded(value))),
            }
        }
        return Ok((host, port));
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("a [ is not closed")?;
        (host, rest.strip_prefix(':'))
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let host = if host.is_empty() { "localhost" } else { host };
    let port = match port {
        Some(port) if !port.is_empty() => port_of(port)?,
        _ => product.default_port(),
    };
    Ok((decoded(host), port))
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query.split(['&', ';']).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// Undoes percent-encoding, and `+` for a space; what is not encoded well stays as it is.
fn decoded(text: &str) -> String {
    unescaped(text, true)
}

fn decoded_path(text: &str) -> String {
    unescaped(text, false)
}

fn unescaped(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
                continue;
            }
            (b'+', ..) if plus => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Whether a parameter's value is nobody's business.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passphrase", "passwd", "secret", "token"].iter().any(|part| name.contains(part))
}

/// A URL, or what somebody has written in its place, with `[hidden]` where a secret stands.
pub(super) fn masked(url: &str) -> String {
    let (rest, query) = url.split_once('?').map_or((url, None), |(rest, query)| (rest, Some(query)));
    let mut out = String::with_capacity(url.len());
    // `user:password@host`, wherever it stands in the list of hosts.
    let (head, authority) = match rest.find("//") {
        Some(at) => rest.split_at(at + 2),
        None => ("", rest),
    };
    out.push_str(head);
    let (authority, path) = match authority
        .rfind('@')
        .map_or(authority.find('/'), |at| authority[at..].find('/').map(|slash| at + slash))
    {
        Some(at) if !head.is_empty() => authority.split_at(at),
        _ => (authority, ""),
    };
    let hosts: Vec<String> = split_hosts(authority).into_iter().map(masked_host).collect();
    out.push_str(&hosts.join(","));
    out.push_str(path);
    if let Some(query) = query {
        out.push('?');
        let mut begin = 0;
        for (at, separator) in query.match_indices(['&', ';']).chain([(query.len(), "")]) {
            let pair = &query[begin..at];
            match pair.split_once('=') {
                Some((name, value)) if is_secret(&decoded(name)) && !value.is_empty() => {
                    out.push_str(name);
                    out.push('=');
                    out.push_str(HIDDEN);
                }
                _ => out.push_str(pair),
            }
            out.push_str(separator);
            begin = at + separator.len();
        }
    }
    out
}

fn masked_host(host: &str) -> String {
    let mut shown = match host.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            Some((user, _)) => format!("{user}:{HIDDEN}@{host}"),
            None => format!("{login}@{host}"),
        },
        None => host.to_owned(),
    };
    // `(password=…)` of an address.
    let mut from = 0;
    while let Some(begin) = shown[from..].find('(').map(|at| from + at + 1) {
        let end = shown[begin..].find(')').map_or(shown.len(), |at| begin + at);
        if let Some(equals) = shown[begin..end].find('=')
            && is_secret(&shown[begin..begin + equals])
        {
            shown.replace_range(begin + equals + 1..end, HIDDEN);
        }
        from = begin;
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, name: &str, parameters: &[(&str, &str)]) {
        let target = Target::parse(url).unwrap();
        let found: Vec<(&str, &str)> = target.parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!((target.name().as_str(), found.as_slice()), (name, parameters), "{url}");
    }

    #[test]
    fn every_form_of_url_names_hosts_database_and_parameters() {
        check("jdbc:postgresql:orders", "postgresql://localhost:5432/orders", &[]);
        check("jdbc:postgresql:/", "postgresql://localhost:5432/", &[]);
        check("jdbc:postgresql://db/orders", "postgresql://db:5432/orders", &[]);
        check("jdbc:postgresql://db/", "postgresql://db:5432/", &[]);
        check(
            "jdbc:postgresql://a:1,b,[::1]:3/o%20x?ssl=true&user=me+too",
            "postgresql://a:1,b:5432,[::1]:3/o x",
            &[("ssl", "true"), ("user", "me too")],
        );
        check("jdbc:mysql://db/shop?useSSL=false", "mysql://db:3306/shop", &[("useSSL", "false")]);
        check("jdbc:mysql://me:s%40t@db:1/shop", "mysql://db:1/shop", &[("password", "s@t"), ("user", "me")]);
        check("jdbc:mysql:loadbalance://a,b:7/shop", "mysql://a:3306,b:7/shop", &[]);
        check("jdbc:mysql:replication://a,b/shop", "mysql://a:3306,b:3306/shop", &[]);
        check("jdbc:mysql://address=(host=a)(port=7)(user=me),b/shop", "mysql://a:7,b:3306/shop", &[("user", "me")]);
        check("jdbc:mariadb://db:3307/", "mariadb://db:3307/", &[]);
        check("jdbc:sqlite:/data/a.db?busy_timeout=7", "sqlite:/data/a.db", &[("busy_timeout", "7")]);
        check("jdbc:sqlite:", "sqlite::memory:", &[]);
        check("jdbc:sqlite::memory:", "sqlite::memory:", &[]);
        check("jdbc:sqlite:file:///data/a%20b.db", "sqlite:/data/a b.db", &[]);
        check("jdbc:sqlite:relative.db", "sqlite:relative.db", &[]);
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_secrets() {
        let refused = |url| Target::parse(url).unwrap_err().to_string();
        assert_eq!(
            refused("postgresql://db/x?password=sec"),
            "Not a valid JDBC URL: postgresql://db/x?password=[hidden]"
        );
        assert!(refused("jdbc:oracle:thin:@db:1521/x").starts_with("the databases of this worker are postgresql,"));
        assert_eq!(
            refused("jdbc:mysql://me:sec@db:port/x"),
            "jdbc:mysql://me:[hidden]@db:port/x: a port is no number between 0 and 65535"
        );
        assert!(refused("jdbc:mysql:db").ends_with("// and a host are missing behind the name of the driver"));
        assert!(refused("jdbc:mysql+srv://db/x").contains("name them in the URL"));
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        for (url, shown) in [
            (
                "jdbc:postgresql://db/x?user=u&password=p&sslpassword=q",
                "jdbc:postgresql://db/x?user=u&password=[hidden]&sslpassword=[hidden]",
            ),
            ("jdbc:postgresql://db/x?pass%77ord=p", "jdbc:postgresql://db/x?pass%77ord=[hidden]"),
            ("jdbc:mysql://u:p@a,v:q@b/x", "jdbc:mysql://u:[hidden]@a,v:[hidden]@b/x"),
            ("jdbc:mysql://u:p/q@a/x", "jdbc:mysql://u:[hidden]@a/x"),
            ("jdbc:mysql://address=(host=a)(password=p)/x", "jdbc:mysql://address=(host=a)(password=[hidden])/x"),
            ("jdbc:sqlite:/a.db?password=", "jdbc:sqlite:/a.db?password="),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
