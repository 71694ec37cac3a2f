//! Guests and databases: what a plugin may try with the one that its configuration names.

use std::path::Path;

use crate::support::{LIMITS, plugins, source, texts};

/// The password backwards, so that asking for it does not put it into the guest.
const NEEDLE: &str = "1937-eloh-tibbar";

/// What a behaviour says that has a database of its own.
async fn said(behaviour: &str, folder: &Path) -> String {
    let plugins = plugins().await;
    let url = format!("jdbc:sqlite:{}", folder.join("odd.db").display());
    let mut source = source(&plugins, &[("behaviour", &format!("sql {behaviour}")), ("db", &url)]).await;
    texts(&source.poll(LIMITS).await.unwrap().expect("it says something")).remove(0)
}

#[tokio::test]
async fn a_plugin_reaches_the_database_that_its_key_names_and_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    for (behaviour, expected) in [
        ("query", "true true"),
        ("other key", "refused: the key file opens no database: its definition does not say so"),
        ("many sessions", "refused: 8 sessions are open, and an instance may have no more (plugin.sql.sessions.max)"),
        ("many rows", "refused: the rows of a query are still being read: read them to their end or drop them first"),
        ("commit twice", "refused: commit: no transaction is open"),
        ("run without put", "refused: a statement without records runs over those of a put, and there is none"),
        ("injection", "true true"),
    ] {
        assert_eq!(said(behaviour, folder.path()).await, expected, "{behaviour}");
    }
}

#[tokio::test]
async fn a_damaged_batch_for_a_statement_ends_the_instance() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins().await;
    let url = format!("jdbc:sqlite:{}", folder.path().join("odd.db").display());
    let mut source = source(&plugins, &[("behaviour", "sql damaged batch"), ("db", &url)]).await;
    let error = source.poll(LIMITS).await.unwrap_err().to_string();
    assert!(error.contains("ran a statement over a damaged batch"), "{error}");
}

#[tokio::test]
async fn a_transaction_ends_with_the_instance_that_died_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins().await;
    let url = format!("jdbc:sqlite:{}?busy_timeout=20000", folder.path().join("odd.db").display());
    let start = async |behaviour: &str| source(&plugins, &[("behaviour", behaviour), ("db", &url)]).await;
    let mut dying = start("sql die within a transaction").await;
    assert!(dying.poll(LIMITS).await.is_err());
    // It is discarded, though somebody still has it.
    let mut next = start("sql count what is left").await;
    assert_eq!(texts(&next.poll(LIMITS).await.unwrap().unwrap()), ["0 rows"]);
    drop(dying);
}

#[tokio::test]
async fn a_plugin_does_not_see_the_password_wherever_it_stands() {
    let plugins = plugins().await;
    for (url, shown) in [
        ("jdbc:postgresql://db/x", "jdbc:postgresql://db/x"),
        (
            "jdbc:postgresql://db/x?user=me&password=rabbit-hole-7391",
            "jdbc:postgresql://db/x?user=me&password=[hidden]",
        ),
        ("jdbc:mysql://me:rabbit-hole-7391@db/x", "jdbc:mysql://me:[hidden]@db/x"),
    ] {
        for (key, expected) in [("db", shown), ("db.password", "[hidden]"), ("db.sslpassword", "[hidden]")] {
            let settings = [
                ("behaviour", format!("scan {key}")),
                ("db", url.to_owned()),
                ("db.password", "rabbit-hole-7391".to_owned()),
                ("db.sslpassword", "rabbit-hole-7391".to_owned()),
                ("needle", NEEDLE.to_owned()),
            ];
            let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let mut source = source(&plugins, &settings).await;
            let said = texts(&source.poll(LIMITS).await.unwrap().unwrap()).remove(0);
            assert_eq!(said, format!("{:?} false", Some(expected)), "{url} {key}");
        }
    }
}
