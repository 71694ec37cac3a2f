//! What a guest may try with databases.

use crate::guest::millstream::connect::host_sql::{Database, Parameter, Rows};
use crate::guest::millstream::connect::types::Error;

/// Does what a behaviour asks for; none if it is another one.
pub fn act(behaviour: &str) -> Option<String> {
    let what = behaviour.strip_prefix("sql ")?;
    Some(match tried(what) {
        Ok(text) => text,
        Err(error) => format!("refused: {}", error.message),
    })
}

fn tried(what: &str) -> Result<String, Error> {
    let open = || Database::open("db", "{}");
    Ok(match what {
        "other key" => {
            Database::open("file", "{}")?;
            "opened".to_owned()
        }
        "query" => {
            let database = open()?;
            let rows = database.query("SELECT 7 AS n", &[], "{}")?;
            let bytes = rows.next(u32::MAX, u32::MAX)?.map_or(0, |bytes| bytes.len());
            format!("{} {}", bytes != 0, rows.next(u32::MAX, u32::MAX)?.is_none())
        }
        // Handles that are never given back.
        "many sessions" => {
            let mut kept = Vec::new();
            loop {
                kept.push(open()?);
            }
        }
        "many rows" => {
            let database = open()?;
            let mut kept: Vec<Rows> = Vec::new();
            loop {
                kept.push(database.query("SELECT 1 AS n UNION ALL SELECT 2", &[], "{}")?);
            }
        }
        "commit twice" => {
            let database = open()?;
            database.begin()?;
            database.commit()?;
            database.commit()?;
            "committed".to_owned()
        }
        "run without put" => {
            let database = open()?;
            database.execute("CREATE TEMP TABLE t (a)", &[])?;
            let statement = database.prepare("INSERT INTO t {rows}", r#"[{"from":["topic"]}]"#)?;
            statement.run(None, None)?;
            "ran".to_owned()
        }
        "damaged batch" => {
            let database = open()?;
            let statement = database.prepare("INSERT INTO t {rows}", r#"[{"from":["topic"]}]"#)?;
            statement.run(Some(&[1, 2, 3]), None)?;
            "ran".to_owned()
        }
        // Names that are statements, and values that are.
        "injection" => {
            let database = open()?;
            database.execute("CREATE TABLE IF NOT EXISTS kept (a TEXT)", &[])?;
            let value = Parameter { kind: "string".into(), value: Some("x'); DROP TABLE kept; --".into()) };
            database.execute("INSERT INTO kept VALUES (?)", &[value])?;
            let table = database.table(r#"["kept\"; DROP TABLE kept; --"]"#)?;
            let rows = database.query("SELECT a FROM kept", &[], "{}")?;
            format!("{} {}", table.is_none(), rows.next(10, 1000)?.is_some())
        }
        "die within a transaction" => {
            let database = open()?;
            database.execute("CREATE TABLE IF NOT EXISTS left (a)", &[])?;
            database.begin()?;
            database.execute("INSERT INTO left VALUES (1)", &[])?;
            panic!("died on purpose")
        }
        "count what is left" => {
            let database = open()?;
            database.begin()?;
            let rows = database.execute("DELETE FROM left", &[])?.low;
            database.rollback()?;
            format!("{rows} rows")
        }
        other => format!("nobody knows {other}"),
    })
}
