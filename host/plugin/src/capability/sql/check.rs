//! Which databases a worker lets its plugins open, and with which parameters.

use std::path::Path;
use std::sync::Arc;

use super::url::{Product, Target, bracketed};
use crate::capability::{Allowed, files_below};

/// What a worker says about databases: its keys `plugin.allow.sql` and `jdbc.connection.url.blocked.params`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AllowedSql {
    /// Patterns of databases that may be opened; none allows every database that a configuration names, so that
    /// Connect's configurations run unchanged.
    pub databases: Option<Arc<[String]>>,
    /// Names of parameters that no URL and no key may have.
    pub blocked: Arc<[String]>,
}

/// Whether the worker lets a plugin open this. Blocks: it may look at the disk.
///
/// # Errors
///
/// Why not, and what to do.
pub(super) fn check(target: &Target, allowed: &Allowed) -> Result<(), String> {
    if target.product == Product::Sqlite
        && !target.database.is_empty()
        && let Some(folders) = allowed.files.as_deref()
        && !files_below(Path::new(&target.database), folders)
    {
        return Err(format!(
            "{} lies outside of the folders in which plugins of this worker may open files (plugin.allow.files): move it \
             there, or add its folder to that key",
            target.name()
        ));
    }
    let Some(patterns) = allowed.sql.databases.as_deref() else { return Ok(()) };
    let refused = addresses(target).into_iter().find(|address| !patterns.iter().any(|one| fits(one, address)));
    match refused {
        None => Ok(()),
        Some(address) => {
            let listed = if patterns.is_empty() { "no database".to_owned() } else { patterns.join(", ") };
            Err(format!(
                "plugins of this worker may open {listed} only (plugin.allow.sql), and not {address}: add a pattern that \
                 fits it to that key"
            ))
        }
    }
}

/// Whether the worker allows the parameters of a URL and of keys.
///
/// # Errors
///
/// The first that it does not allow, in the words of Connect's JDBC connectors.
pub(super) fn check_parameters<'p>(
    target: &Target,
    mut properties: impl Iterator<Item = (&'p str, &'p str)>,
    allowed: &AllowedSql,
) -> Result<(), String> {
    let is_blocked = |name: &str| allowed.blocked.iter().any(|blocked| blocked.eq_ignore_ascii_case(name));
    let policy = "is not permitted by the Connect cluster's configured policy.";
    if let Some((name, _)) = target.parameters.iter().find(|(name, _)| is_blocked(name)) {
        return Err(format!("JDBC URL contains blocked connection parameter '{name}' which {policy}"));
    }
    match properties.find(|(name, _)| is_blocked(name)) {
        Some((name, _)) => Err(format!("JDBC connection property '{name}' {policy}")),
        None => Ok(()),
    }
}

/// What a target reaches, as patterns name it: one text per host.
fn addresses(target: &Target) -> Vec<String> {
    let word = target.product.word();
    if target.product == Product::Sqlite {
        let path = Path::new(&target.database);
        let whole = std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.into());
        let path = if target.database.is_empty() { ":memory:".to_owned() } else { whole.display().to_string() };
        return vec![format!("{word}:{path}")];
    }
    let of_host = |(host, port): &(String, u16)| {
        format!("{word}://{}:{port}/{}", bracketed(&host.to_ascii_lowercase()), target.database)
    };
    target.hosts.iter().map(of_host).collect()
}

/// Whether a pattern fits an address. A pattern without a port fits all of them, and one without a database likewise.
fn fits(pattern: &str, address: &str) -> bool {
    let pattern = pattern.trim().strip_prefix("jdbc:").unwrap_or(pattern.trim());
    let Some((word, rest)) = pattern.split_once("://") else { return glob(pattern, address) };
    let (host, database) = rest.split_once('/').unwrap_or((rest, "*"));
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = if has_port { "" } else { ":*" };
    glob(&format!("{word}://{}{port}/{database}", host.to_ascii_lowercase()), address)
}

/// `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(patterns: &[&str]) -> Allowed {
        let databases = Some(patterns.iter().map(|&pattern| pattern.to_owned()).collect());
        Allowed { sql: AllowedSql { databases, blocked: Arc::default() }, ..Allowed::default() }
    }

    #[test]
    fn a_pattern_allows_hosts_ports_databases_and_files() {
        let check = |url: &str, patterns: &[&str]| check(&Target::parse(url).unwrap(), &allowed(patterns)).is_ok();
        assert!(check("jdbc:postgresql://DB.example.com/x", &["postgresql://db.example.com"]));
        assert!(check("jdbc:postgresql://db.example.com/x", &["postgresql://*.example.com:5432/x"]));
        assert!(!check("jdbc:postgresql://db.example.com:5433/x", &["postgresql://*.example.com:5432/x"]));
        assert!(!check("jdbc:postgresql://db.example.com/y", &["mysql://*", "postgresql://*/x"]));
        assert!(!check("jdbc:postgresql://a,b/x", &["postgresql://a"]), "every host has to be allowed");
        assert!(check("jdbc:postgresql://[::1]/x", &["postgresql://[::1]"]));
        assert!(check("jdbc:sqlite:/data/a.db", &["sqlite:/data/*"]));
        assert!(!check("jdbc:sqlite:/data/../etc/a.db", &["sqlite:/data/*.db"]) || !Path::new("/data").exists());
        assert!(check("jdbc:mariadb://db/x", &["*"]));
        assert!(!check("jdbc:mariadb://db/x", &[]));
    }

    #[test]
    fn a_refusal_says_what_is_allowed_and_what_to_do() {
        let refused = check(&Target::parse("jdbc:mysql://db/x").unwrap(), &allowed(&["postgresql://*"])).unwrap_err();
        let text = "plugins of this worker may open postgresql://* only (plugin.allow.sql), and not mysql://db:3306/x: add \
                    a pattern that fits it to that key";
        assert_eq!(refused, text);
        let folder = tempfile::tempdir().unwrap();
        let files = Allowed { files: Some(Arc::from([folder.path().to_owned()])), ..Allowed::default() };
        let outside = check(&Target::parse("jdbc:sqlite:/etc/a.db").unwrap(), &files).unwrap_err();
        assert!(outside.contains("plugin.allow.files"), "{outside}");
        let inside = format!("jdbc:sqlite:{}", folder.path().join("a.db").display());
        assert_eq!(check(&Target::parse(&inside).unwrap(), &files), Ok(()));
    }

    #[test]
    fn a_blocked_parameter_is_refused_in_a_url_and_as_a_key() {
        let sql = AllowedSql { blocked: Arc::from(["allowLoadLocalInfile".to_owned()]), databases: None };
        let target = Target::parse("jdbc:mysql://db/x?allowloadlocalinfile=true").unwrap();
        assert_eq!(
            check_parameters(&target, [].into_iter(), &sql).unwrap_err(),
            "JDBC URL contains blocked connection parameter 'allowloadlocalinfile' which is not permitted by the Connect \
             cluster's configured policy."
        );
        let target = Target::parse("jdbc:mysql://db/x").unwrap();
        assert_eq!(
            check_parameters(&target, [("allowLoadLocalInfile", "true")].into_iter(), &sql).unwrap_err(),
            "JDBC connection property 'allowLoadLocalInfile' is not permitted by the Connect cluster's configured policy."
        );
    }
}
