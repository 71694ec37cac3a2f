//! How a database spells names and statements: what is chosen by the URL, or by `dialect.name`.

use millstream_sdk::{Error, Result};

/// A kind of database, as far as its SQL goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dialect {
    /// PostgreSQL.
    PostgreSql,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

/// Names that configurations of Connect's JDBC connectors may have under `dialect.name`.
pub const NAMES: [&str; 12] = [
    "Db2DatabaseDialect",
    "DerbyDatabaseDialect",
    "GenericDatabaseDialect",
    "MySqlDatabaseDialect",
    "OracleDatabaseDialect",
    "PostgreSqlDatabaseDialect",
    "SapHanaDatabaseDialect",
    "SqlServerDatabaseDialect",
    "SqliteDatabaseDialect",
    "SybaseDatabaseDialect",
    "VerticaDatabaseDialect",
    "",
];

const REACHED: &str = "PostgreSQL, MySQL, MariaDB and SQLite are the databases that this connector reaches";

impl Dialect {
    /// The dialect for a URL, or the one that is named.
    ///
    /// # Errors
    ///
    /// The text has no form of a URL, or names a database that is not reached: the end of a sentence about the key.
    pub fn choose(url: &str, name: &str) -> Result<Self, String> {
        let by_url = Self::of_url(url)?;
        let name = name.trim();
        if name.is_empty() {
            return Ok(by_url);
        }
        match NAMES.iter().find(|other| !other.is_empty() && name.eq_ignore_ascii_case(other)) {
            Some(&"PostgreSqlDatabaseDialect") => Ok(Self::PostgreSql),
            Some(&"MySqlDatabaseDialect") => Ok(Self::MySql),
            Some(&"SqliteDatabaseDialect") => Ok(Self::Sqlite),
            // Standard SQL, which each of them understands in its own spelling.
            Some(&"GenericDatabaseDialect") => Ok(by_url),
            Some(other) => Err(format!("there is no {other} here: {REACHED}")),
            None => Err(format!(
                "Unable to find dialect with name '{name}' in the available dialects: [{}]",
                NAMES.iter().filter(|name| !name.is_empty()).copied().collect::<Vec<_>>().join(", ")
            )),
        }
    }

    /// The dialect for a JDBC URL. A URL that the host hides altogether has kept its beginning.
    fn of_url(url: &str) -> Result<Self, String> {
        let rest = url.trim().strip_prefix("jdbc:").ok_or("Not a valid JDBC URL: it does not begin with jdbc:")?;
        let (protocol, _) = rest.split_once(':').ok_or("Not a valid JDBC URL: it names no database behind jdbc:")?;
        match protocol {
            "postgresql" => Ok(Self::PostgreSql),
            "mysql" | "mariadb" => Ok(Self::MySql),
            "sqlite" => Ok(Self::Sqlite),
            other => Err(format!("there is no driver for {other}: {REACHED}")),
        }
    }

    /// The dialect of a database that has been reached.
    ///
    /// # Errors
    ///
    /// The host reaches a database of which this plugin knows nothing.
    pub fn of_product(product: &str) -> Result<Self> {
        match product {
            "postgresql" => Ok(Self::PostgreSql),
            "mysql" | "mariadb" => Ok(Self::MySql),
            "sqlite" => Ok(Self::Sqlite),
            other => Err(Error::fatal(format!("the database is {other:?}: {REACHED}"))),
        }
    }

    /// What stands around names.
    pub fn quote(self) -> char {
        match self {
            Self::PostgreSql => '"',
            Self::MySql | Self::Sqlite => '`',
        }
    }

    /// A text as a literal.
    pub fn literal(self, text: &str) -> String {
        let escaped = text.replace('\'', "''");
        match self {
            // A backslash begins an escape there unless the server's mode forbids it.
            Self::MySql => format!("'{}'", escaped.replace('\\', "\\\\")),
            Self::PostgreSql | Self::Sqlite => format!("'{escaped}'"),
        }
    }
}

/// Whether names stand between quotes: `quote.sql.identifiers`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quoting {
    /// Each name.
    Always,
    /// None; the database folds them as it likes.
    Never,
}

/// How names are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spelling {
    /// Whose SQL it is.
    pub dialect: Dialect,
    /// With quotes or without.
    pub quoting: Quoting,
}

impl Spelling {
    /// A name as it stands in a statement. A quote inside it is doubled, so that no name ends early.
    ///
    /// # Errors
    ///
    /// Without quotes, a name that would be something else than a name.
    pub fn name(self, name: &str) -> Result<String> {
        let quote = self.dialect.quote();
        match self.quoting {
            Quoting::Always if name.contains('\0') => {
                Err(Error::config(format!("the name {name:?} has a zero character, which no database takes")))
            }
            Quoting::Always => Ok(format!("{quote}{}{quote}", name.replace(quote, &format!("{quote}{quote}")))),
            Quoting::Never if is_plain(name) => Ok(name.to_owned()),
            Quoting::Never => Err(Error::config(format!(
                "the name {name:?} can only be written between quotes: set quote.sql.identifiers=always"
            ))),
        }
    }

    /// Names with commas between them.
    ///
    /// # Errors
    ///
    /// As for [`Spelling::name`].
    pub fn names<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Result<Vec<String>> {
        names.into_iter().map(|name| self.name(name)).collect()
    }
}

/// Whether a name is one without quotes around it. What letters a database takes is its own business; what ends a name, or
/// begins something else, is not let through.
fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    first && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_names_the_dialect_unless_a_key_does() {
        let choose = |url: &str, name: &str| Dialect::choose(url, name);
        assert_eq!(choose("jdbc:postgresql://h/db", ""), Ok(Dialect::PostgreSql));
        assert_eq!(choose("jdbc:mariadb://h/db", " "), Ok(Dialect::MySql));
        assert_eq!(choose("jdbc:sqlite:", ""), Ok(Dialect::Sqlite));
        assert_eq!(choose("jdbc:mysql://h/db", "postgresqldatabasedialect"), Ok(Dialect::PostgreSql));
        assert_eq!(choose("jdbc:mysql://h/db", "GenericDatabaseDialect"), Ok(Dialect::MySql));
        assert!(choose("postgresql://h/db", "").expect_err("no URL").contains("Not a valid JDBC URL"));
        assert!(choose("jdbc:oracle:thin:@h", "").expect_err("unknown").contains("oracle"));
        assert!(choose("jdbc:mysql://h", "Db2DatabaseDialect").expect_err("unknown").contains("Db2"));
        assert!(choose("jdbc:mysql://h", "Nothing").expect_err("unknown").starts_with("Unable to find dialect"));
    }

    #[test]
    fn no_name_ends_its_quotes() {
        let pg = Spelling { dialect: Dialect::PostgreSql, quoting: Quoting::Always };
        assert_eq!(pg.name("a"), Ok("\"a\"".to_owned()));
        assert_eq!(pg.name("a\"; DROP TABLE t; --"), Ok("\"a\"\"; DROP TABLE t; --\"".to_owned()));
        assert!(pg.name("a\0b").is_err());
        let my = Spelling { dialect: Dialect::MySql, ..pg };
        assert_eq!(my.name("a`b\"c"), Ok("`a``b\"c`".to_owned()));
        let bare = Spelling { quoting: Quoting::Never, ..pg };
        assert_eq!(bare.name("größe_1$"), Ok("größe_1$".to_owned()));
        for bad in ["", "1a", "a b", "a;b", "a\"b", "a-b", "a.b"] {
            assert!(bare.name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_literal_ends_where_its_text_does() {
        assert_eq!(Dialect::PostgreSql.literal("it's \\"), "'it''s \\'");
        assert_eq!(Dialect::MySql.literal("it's \\"), "'it''s \\\\'");
    }
}
