//! Names of tables: one to three parts, as configurations write them and statements need them.

use std::fmt;

use millstream_sdk::{Error, Result};

use crate::dialect::{Dialect, Spelling};

/// The name of a table: catalog and schema, as far as there are any, and the table's own.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TableName {
    parts: Vec<String>,
}

/// With dots between the parts and without quotes, as source partitions have it.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

impl TableName {
    /// The name with those parts that are there.
    pub fn new(catalog: Option<&str>, schema: Option<&str>, table: &str) -> Self {
        let outer = [catalog, schema].into_iter().flatten().filter(|part| !part.is_empty());
        Self { parts: outer.chain([table]).map(str::to_owned).collect() }
    }

    /// Reads a name of one to three parts, each with quotes around it or without.
    ///
    /// # Errors
    ///
    /// An empty part, too many of them, or a quote that is not closed.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self> {
        let quote = dialect.quote();
        let wrong = |what: &str| Error::config(format!("the table name {text:?} {what}"));
        let mut parts = vec![String::new()];
        let (mut quoted, mut chars) = (false, text.trim().chars().peekable());
        while let Some(c) = chars.next() {
            let part = parts.last_mut().expect("there is one from the beginning");
            match c {
                c if c == quote && quoted && chars.peek() == Some(&quote) => {
                    part.push(quote);
                    chars.next();
                }
                c if c == quote => quoted = !quoted,
                '.' if !quoted => parts.push(String::new()),
                c => part.push(c),
            }
        }
        if quoted {
            return Err(wrong("has a quote that is not closed"));
        }
        if parts.iter().any(String::is_empty) {
            return Err(wrong("has an empty part"));
        }
        if 3 < parts.len() {
            return Err(wrong(
                "has more parts than catalog, schema and table: with dots in it, a name stands between quotes",
            ));
        }
        Ok(Self { parts })
    }

    /// The table's own name.
    pub fn table(&self) -> &str {
        self.parts.last().expect("a name has a part")
    }

    /// All parts, the outermost first.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The name in a statement.
    ///
    /// # Errors
    ///
    /// Without quotes, a part that is no name then.
    pub fn spelled(&self, spelling: Spelling) -> Result<String> {
        Ok(spelling.names(self.parts.iter().map(String::as_str))?.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Quoting;

    fn parts(text: &str) -> Result<Vec<String>> {
        TableName::parse(text, Dialect::PostgreSql).map(|name| name.parts)
    }

    #[test]
    fn a_name_is_divided_at_dots_outside_of_quotes() {
        assert_eq!(parts("orders"), Ok(vec!["orders".into()]));
        assert_eq!(parts(" shop.\"or.ders\" "), Ok(vec!["shop".into(), "or.ders".into()]));
        assert_eq!(parts("a.b.\"c\"\"d\""), Ok(vec!["a".into(), "b".into(), "c\"d".into()]));
        for bad in ["", "a..b", "a.", ".a", "a.b.c.d", "\"a"] {
            assert!(parts(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_spelled_is_read_again_as_the_same() {
        for dialect in [Dialect::PostgreSql, Dialect::MySql, Dialect::Sqlite] {
            let spelling = Spelling { dialect, quoting: Quoting::Always };
            let name = TableName::new(Some("my.db"), None, "a`b\"c; DROP TABLE x; --");
            let spelled = name.spelled(spelling).expect("a name");
            assert_eq!(TableName::parse(&spelled, dialect), Ok(name), "{spelled}");
        }
    }
}
