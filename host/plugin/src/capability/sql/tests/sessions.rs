//! Sessions: who may open what, what ends them, and what is left of them.

use std::time::Duration;

use harness::databases::Certificate;
use harness::free_port;
use serde_json::Value as Json;

use super::*;
use crate::capability::AllowedSql;

async fn failure(url: &str) -> SqlError {
    match open_with(&access(url), "{}").await {
        Ok(_) => panic!("{url} should not be opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_database_tells_what_it_is_and_what_time_it_is() {
    let of = |session: Session, product: &'static str, quote: &'static str| async move {
        let about: Json = serde_json::from_str(&session.about().await.unwrap()).unwrap();
        assert_eq!((about["product"].as_str(), about["quote"].as_str()), (Some(product), Some(quote)));
        let now = super::super::clock::Moment::parse(&session.now().await.unwrap()).unwrap();
        let here = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert!(now.seconds.abs_diff(here as i64) < 600, "{now:?}");
        about
    };
    of(Session::sqlite().await, "sqlite", "`").await;
    if let Some(session) = open(Server::Postgres).await {
        let about = of(session, "postgresql", "\"").await;
        assert_eq!(
            (&about["catalog"], &about["schema"], &about["identifier.max"]),
            (&"wonder".into(), &"public".into(), &63.into())
        );
    }
    if let Some(session) = open(Server::MariaDb).await {
        assert_eq!(of(session, "mariadb", "`").await["catalog"], "wonder");
    }
}

#[tokio::test]
async fn tables_columns_and_keys_are_told_of_every_database() {
    let check = |session: Session, product: &'static str, parts: &'static [&'static str], create: [&'static str; 2]| async move {
        session
            .run(
                &["DROP VIEW IF EXISTS catalogue_view", "DROP TABLE IF EXISTS \"Catalogue\""]
                    .map(|sql| if product == "mariadb" { sql.replace('"', "`") } else { sql.to_owned() })
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>(),
            )
            .await;
        session.run(&create).await;
        let list: Json = serde_json::from_str(&session.tables(r#"{"name":"_atalogue%"}"#).await.unwrap()).unwrap();
        let found: Vec<(&str, &str)> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|table| (table["name"].as_str().unwrap(), table["type"].as_str().unwrap()))
            .collect();
        assert_eq!(found, [("Catalogue", "TABLE"), ("catalogue_view", "VIEW")], "{product}");
        let list = session.tables(r#"{"name":"%","types":["VIEW"]}"#).await.unwrap();
        assert!(list.contains("catalogue_view") && !list.contains("Catalogue"), "{list}");
        let name = serde_json::json!(parts).to_string();
        let table: Json = serde_json::from_str(&session.table(&name).await.unwrap().unwrap()).unwrap();
        assert_eq!(table["primary"], serde_json::json!(["id"]), "{product}");
        assert_eq!(table["unique"], serde_json::json!([["a", "b"]]), "{product}");
        let columns = table["columns"].as_array().unwrap();
        let told: Vec<(&str, Option<bool>, bool)> = columns
            .iter()
            .map(|one| (one["name"].as_str().unwrap(), one["nullable"].as_bool(), one["auto"].as_bool().unwrap()))
            .collect();
        assert_eq!(told, [("id", Some(false), true), ("a", Some(false), false), ("b", Some(true), false)], "{product}");
        assert_eq!(session.table(r#"["no_such_table"]"#).await.unwrap(), None);
        assert!(refused(session.table("[]").await).contains("no list of one to three names"));
        let checked: Json =
            serde_json::from_str(&session.check("SELECT b, 1 + 1 AS e FROM catalogue_view").await.unwrap()).unwrap();
        assert_eq!((&checked[0]["name"], &checked[1]["nullable"]), (&"b".into(), &Json::Null));
        assert!(!refused(session.check("SELECT nix FROM catalogue_view").await).is_empty());
    };
    let view = "CREATE VIEW catalogue_view AS SELECT a, b FROM \"Catalogue\"";
    check(
        Session::sqlite().await,
        "sqlite",
        &["Catalogue"],
        ["CREATE TABLE \"Catalogue\" (id INTEGER PRIMARY KEY, a INT NOT NULL, b TEXT, UNIQUE (a, b))", view],
    )
    .await;
    if let Some(session) = open(Server::Postgres).await {
        check(
            session,
            "postgresql",
            &["public", "Catalogue"],
            ["CREATE TABLE \"Catalogue\" (id serial PRIMARY KEY, a int NOT NULL, b text, UNIQUE (a, b))", view],
        )
        .await;
    }
    if let Some(session) = open(Server::MariaDb).await {
        check(session, "mariadb", &["wonder", "Catalogue"], [
            "CREATE TABLE `Catalogue` (id int AUTO_INCREMENT PRIMARY KEY, a int NOT NULL, b varchar(9), UNIQUE (a, b))",
            "CREATE VIEW catalogue_view AS SELECT a, b FROM `Catalogue`",
        ]).await;
    }
}

#[tokio::test]
async fn who_may_not_log_in_hears_so_without_the_password() {
    for server in [Server::Postgres, Server::MariaDb] {
        let Some(peer) = peer(server) else { continue };
        let grant = Grant { password: Some("not-the-password".to_owned()), ..grant(&peer.url(DATABASE)) };
        let access = access_of(grant, &Allowed::default(), SqlLimits::default());
        let error = open_with(&access, "{}").await.err().expect("it should not be opened");
        assert_eq!(error.kind, millstream_connector::ErrorKind::Config, "{}", error.message);
        assert!(error.message.contains("SQLSTATE 28"), "{}", error.message);
        assert!(!format!("{error:?}").contains("not-the-password"));
    }
    let nobody = failure(&format!("jdbc:postgresql://127.0.0.1:{}/x?password=hush", free_port())).await;
    assert_eq!(nobody.kind, millstream_connector::ErrorKind::Retriable);
    assert!(nobody.message.starts_with("connect to postgresql://127.0.0.1:") && !nobody.message.contains("hush"));
}

#[tokio::test]
async fn a_key_opens_what_the_worker_allows_and_no_more_sessions_than_that() {
    let access = access("jdbc:sqlite::memory:");
    let other = access.open("other", "{}", |_| ()).await.err().expect("it opens nothing");
    assert_eq!(other.message, "the key other opens no database: its definition does not say so");
    let sql = AllowedSql { databases: Some(Arc::from(["postgresql://*".to_owned()])), ..AllowedSql::default() };
    let allowed = Allowed { sql, ..Allowed::default() };
    let denied = access_of(grant("jdbc:sqlite::memory:"), &allowed, SqlLimits::default());
    let error = open_with(&denied, "{}").await.err().expect("it is not allowed");
    assert!(error.message.contains("(plugin.allow.sql), and not sqlite::memory:"), "{}", error.message);
    let few = access_of(
        grant("jdbc:sqlite::memory:"),
        &Allowed::default(),
        SqlLimits { sessions: 1, ..SqlLimits::default() },
    );
    let first = open_with(&few, "{}").await.unwrap();
    let error = open_with(&few, "{}").await.err().expect("it is one too many");
    assert_eq!(error.message, "1 sessions are open, and an instance may have no more (plugin.sql.sessions.max)");
    drop(first);
    open_with(&few, "{}").await.unwrap();
}

#[tokio::test]
async fn statements_of_sqlite_reach_no_other_file() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.db");
    let session = Session::open(&format!("jdbc:sqlite:{}", folder.path().join("own.db").display()), "{}").await;
    session.run(&["CREATE TABLE t (a)"]).await;
    for sql in [format!("ATTACH '{}' AS x", other.display()), format!("VACUUM INTO '{}'", other.display())] {
        let message = refused(session.execute(&sql, Vec::new()).await);
        assert!(message.contains("too many attached databases"), "{message}");
    }
    assert!(refused(session.execute("SELECT load_extension('x')", Vec::new()).await).contains("not authorized"));
    assert!(!other.exists());
}

#[tokio::test]
async fn transactions_end_as_they_are_told_and_with_their_session() {
    for session in [open(Server::Postgres).await, open(Server::MariaDb).await, Some(Session::sqlite().await)] {
        let Some(session) = session else { continue };
        session.run(&["DROP TABLE IF EXISTS ends", "CREATE TABLE ends (a int)"]).await;
        session.begin().await.unwrap();
        assert_eq!(refused(session.begin().await), "begin: a transaction is open already");
        session.run(&["INSERT INTO ends VALUES (1)"]).await;
        session.rollback().await.unwrap();
        assert_eq!(refused(session.commit().await), "commit: no transaction is open");
        session.begin().await.unwrap();
        session.run(&["INSERT INTO ends VALUES (2)"]).await;
        session.commit().await.unwrap();
        assert_eq!(session.lines("SELECT count(*) FROM ends WHERE a = 2").await, ["1"]);
        assert_eq!(session.lines("SELECT count(*) FROM ends").await, ["1"]);
    }
}

#[tokio::test]
async fn a_session_that_only_reads_can_begin_and_not_write() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("jdbc:sqlite:{}", folder.path().join("a.db").display());
    Session::open(&url, "{}").await.run(&["CREATE TABLE t (a)"]).await;
    let mut readers = vec![Session::open(&url, r#"{"read.only":true}"#).await];
    for server in [Server::Postgres, Server::MariaDb] {
        let Some(peer) = peer(server) else { continue };
        readers.push(Session::open(&peer.url(DATABASE), r#"{"read.only":true}"#).await);
    }
    for reader in readers {
        reader.begin().await.unwrap();
        let message = refused(reader.execute("CREATE TABLE written (a int)", Vec::new()).await);
        assert!(
            message.to_lowercase().replace('-', "").contains("readonly") || message.contains("READ ONLY"),
            "{message}"
        );
        reader.rollback().await.unwrap();
    }
}

#[tokio::test]
async fn a_dialect_that_is_not_the_databases_is_refused() {
    let url = "jdbc:sqlite::memory:";
    Session::open(url, r#"{"dialect":"sqlitedatabasedialect"}"#).await;
    let refused = refused(open_with(&access(url), r#"{"dialect":"MySqlDatabaseDialect"}"#).await);
    assert_eq!(
        refused,
        "sqlite::memory: is spoken to as SqliteDatabaseDialect, and not as MySqlDatabaseDialect (dialect.name)"
    );
}

#[tokio::test]
async fn what_was_not_committed_is_undone_with_the_handle() {
    let Some(peer) = peer(Server::Postgres) else { return };
    peer.sql("DROP TABLE IF EXISTS undone; CREATE TABLE undone (a int)");
    let session = Session::open(&peer.url(DATABASE), "{}").await;
    session.begin().await.unwrap();
    session.run(&["INSERT INTO undone VALUES (1)"]).await;
    drop(session);
    // The server has noticed once the table can be locked.
    peer.sql("SET lock_timeout = '30s'; ALTER TABLE undone ADD b int");
    assert_eq!(peer.sql("SELECT count(*) FROM undone"), "0");
}

#[tokio::test]
async fn a_transaction_that_has_failed_is_not_taken_for_committed() {
    let Some(session) = open(Server::Postgres).await else { return };
    session.begin().await.unwrap();
    assert!(refused(session.execute("SELECT 1/0", Vec::new()).await).contains("SQLSTATE 22012"));
    let message = refused(session.commit().await);
    assert!(message.contains("nothing of the transaction was kept"), "{message}");
    session.begin().await.unwrap();
    session.rollback().await.unwrap();
}

#[tokio::test]
async fn rows_come_in_batches_that_keep_to_their_limits_and_stand_in_the_way_until_they_end() {
    for session in [open(Server::Postgres).await, open(Server::MariaDb).await, Some(Session::sqlite().await)] {
        let Some(session) = session else { continue };
        let numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) SELECT i FROM n";
        let rows = session.query(numbers, Vec::new(), "{}").await.unwrap();
        let whole = read(&rows, 100, 1 << 20).await.unwrap();
        assert_eq!((whole.rows.len(), whole.batches), (250, 3));
        let rows = session.query(numbers, Vec::new(), "{}").await.unwrap();
        assert_eq!(read(&rows, 100, 1).await.unwrap().batches, 250, "at least one row, however few bytes");
        let rows = session.query(numbers, Vec::new(), "{}").await.unwrap();
        rows.next(1, 1 << 20).await.unwrap();
        let message = refused(session.now().await);
        assert!(message.starts_with("the rows of a query are still being read"), "{message}");
        drop(rows);
        session.now().await.expect("what was dropped stands in nobody's way");
    }
}

#[tokio::test]
async fn a_large_value_passes_and_one_beyond_the_limit_is_named() {
    let Some(session) = open(Server::Postgres).await else { return };
    let read = session.all("SELECT repeat('x', 10000000) AS big, 1 AS one", Vec::new(), "{}").await.unwrap();
    let Value::String(big) = &read.rows[0][0] else { panic!("text") };
    assert_eq!(big.len(), 10_000_000);
    let limits = SqlLimits { value_bytes: 1000, ..SqlLimits::default() };
    let access = access_of(grant(&peer(Server::Postgres).unwrap().url(DATABASE)), &Allowed::default(), limits);
    let small = open_with(&access, "{}").await.unwrap();
    let rows = small.handle().query("SELECT repeat('x', 1001) AS big", Vec::new(), "{}").await.unwrap();
    let message = refused(rows.next(10, 1000).await);
    let text = "column big, row 1 of the rows read at a time: a value of 1001 bytes is larger than the worker allows (1000 \
                bytes, plugin.sql.value.max.bytes)";
    assert_eq!(message, text);
}

#[tokio::test]
async fn rows_may_be_read_for_longer_than_a_statement_may_take() {
    let Some(peer) = peer(Server::Postgres) else { return };
    let session = Session::open(&peer.url(DATABASE), r#"{"statement.timeout.ms":2000}"#).await;
    // Each row is there within the deadline, all of them are not. Small ones would wait for others at the server.
    let sql = "SELECT repeat('x', 20000) AS x, pg_sleep(0.8)::text AS s FROM generate_series(1, 4)";
    let rows = session.query(sql, Vec::new(), "{}").await.unwrap();
    assert_eq!(read(&rows, 1, 1 << 20).await.unwrap().rows.len(), 4);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_ended_at_its_own_deadline() {
    for (server, sql) in [(Server::Postgres, "SELECT pg_sleep(600)"), (Server::MariaDb, "SELECT SLEEP(600)")] {
        let Some(peer) = peer(server) else { continue };
        let session = Session::open(&peer.url(DATABASE), r#"{"statement.timeout.ms":200}"#).await;
        let error = session.execute(sql, Vec::new()).await.expect_err("it is ended");
        assert_eq!(error.kind, millstream_connector::ErrorKind::Retriable, "{}", error.message);
        assert!(error.message.contains("has not answered within 200 ms (statement.timeout.ms"), "{}", error.message);
        session.now().await.unwrap();
    }
}

#[tokio::test]
async fn parameters_of_a_url_are_honoured_and_unknown_ones_told_of_once() {
    let Some(peer) = peer(Server::Postgres) else { return };
    peer.sql("CREATE SCHEMA IF NOT EXISTS other");
    let url = format!(
        "{}?currentSchema=other&ApplicationName=looking&options=-c%20statement_timeout=7s&nonsense=1&tcpKeepAlive=true",
        peer.url(DATABASE)
    );
    let access = access(&url);
    let warned = std::sync::Mutex::new(Vec::new());
    let warn = |text: &str| warned.lock().unwrap().push(text.to_owned());
    let open = access.open("db", "{}", warn).await.unwrap();
    access.open("db", "{}", warn).await.unwrap();
    let warned = warned.into_inner().unwrap();
    assert!(warned.len() == 1 && warned[0].contains("the parameter nonsense of postgresql://127.0.0.1:"), "{warned:?}");
    let sql =
        "SELECT current_schema()::text, current_setting('application_name') AS a, current_setting('statement_timeout')";
    let rows = open.handle().query(sql, Vec::new(), "{}").await.unwrap();
    let found: Vec<String> = read(&rows, 10, 1000).await.unwrap().rows[0].iter().map(text).collect();
    assert_eq!(found, ["other", "looking", "7s"]);
    // The first host that answers is taken; one that is a primary is no standby.
    let two = peer.url(DATABASE).replace("//127", &format!("//127.0.0.1:{},127", free_port()));
    Session::open(&two, "{}").await.now().await.unwrap();
    let standby = failure(&format!("{}?targetServerType=secondary", peer.url(DATABASE))).await;
    assert!(standby.message.ends_with("the server is a primary (targetServerType=secondary)"), "{}", standby.message);
    let odd = failure(&format!("{}?sslmode=perhaps", peer.url(DATABASE))).await;
    assert!(odd.message.ends_with("the parameter sslmode cannot be \"perhaps\""), "{}", odd.message);
}

#[tokio::test]
async fn a_server_that_is_killed_is_a_retriable_error_and_the_session_works_when_it_is_back() {
    for server in [Server::Postgres, Server::MariaDb] {
        if !have(server) {
            continue;
        }
        let mut own = Peer::start(server);
        let session = Session::open(&own.url(DATABASE), r#"{"connect.timeout.ms":2000}"#).await;
        session.run(&["CREATE TABLE kept (a int)"]).await;
        session.begin().await.unwrap();
        session.run(&["INSERT INTO kept VALUES (1)"]).await;
        own.kill();
        let lost = session.execute("INSERT INTO kept VALUES (2)", Vec::new()).await.expect_err("the server is gone");
        assert_eq!(lost.kind, millstream_connector::ErrorKind::Retriable, "{}", lost.message);
        let undone = session.commit().await.expect_err("the transaction is gone");
        assert!(undone.message.contains("nothing of it was kept"), "{}", undone.message);
        own.restart();
        session.begin().await.unwrap();
        session.run(&["INSERT INTO kept VALUES (3)"]).await;
        session.commit().await.unwrap();
        assert_eq!(own.sql("SELECT a FROM kept"), "3");
    }
}

fn certificate(name: &str, expired: bool) -> Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned(), "127.0.0.1".to_owned()]).unwrap();
    if expired {
        parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let certificate = parameters.self_signed(&key).unwrap();
    Certificate { certificate: certificate.pem(), key: key.serialize_pem() }
}

#[tokio::test]
async fn an_encrypted_connection_to_mariadb_trusts_only_the_certificate_that_it_is_told_of() {
    if !have(Server::MariaDb) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (good, other) = (certificate("localhost", false), certificate("localhost", false));
    let own = Peer::start_with(Server::MariaDb, Some(&good));
    let url = |mode: &str, certificate: &Certificate| {
        let path = folder.path().join("trusted.pem");
        std::fs::write(&path, &certificate.certificate).unwrap();
        format!("{}?sslMode={mode}&serverSslCert={}", own.url(DATABASE), path.display())
    };
    let cipher = "SELECT VARIABLE_VALUE <> '' AS encrypted FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'";
    for mode in ["verify-full", "VERIFY_IDENTITY", "verify-ca"] {
        let session = Session::open(&url(mode, &good), "{}").await;
        assert_eq!(session.lines(cipher).await, ["1i32"], "{mode}");
        let error = failure(&url(mode, &other)).await;
        assert_eq!(error.kind, millstream_connector::ErrorKind::Config, "{}", error.message);
        assert!(error.message.contains("no encrypted connection to MariaDB"), "{}", error.message);
    }
    let session = Session::open(&format!("{}?sslMode=trust", own.url(DATABASE)), "{}").await;
    assert_eq!(session.lines(cipher).await, ["1i32"], "it encrypts without looking at the certificate");
    drop((session, own));
    let old = certificate("localhost", true);
    let own = Peer::start_with(Server::MariaDb, Some(&old));
    let path = folder.path().join("old.pem");
    std::fs::write(&path, &old.certificate).unwrap();
    let error = failure(&format!("{}?sslMode=verify-full&serverSslCert={}", own.url(DATABASE), path.display())).await;
    assert!(error.message.to_lowercase().contains("expired"), "{}", error.message);
}

#[tokio::test]
async fn an_encrypted_connection_trusts_only_the_certificate_that_it_is_told_of() {
    if !have(Server::Postgres) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, certificate: &Certificate| {
        let path = folder.path().join(name);
        std::fs::write(&path, &certificate.certificate).unwrap();
        path.display().to_string()
    };
    let good = certificate("localhost", false);
    let own = Peer::start_with(Server::Postgres, Some(&good));
    let url = |root: &str| format!("{}?sslmode=verify-full&sslrootcert={root}", own.url(DATABASE));
    let session = Session::open(&url(&file("good.pem", &good)), "{}").await;
    assert_eq!(session.lines("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await, ["true"]);
    let other = certificate("localhost", false);
    for url in [url(&file("other.pem", &other)), format!("{}?sslmode=verify-full", own.url(DATABASE))] {
        let error = failure(&url).await;
        assert_eq!(error.kind, millstream_connector::ErrorKind::Config, "{}", error.message);
        assert!(error.message.contains("no encrypted connection to PostgreSQL"), "{}", error.message);
    }
    let missing = failure(&url("/no/such/file.pem")).await;
    assert!(missing.message.starts_with("sslrootcert: read /no/such/file.pem: "), "{}", missing.message);
    let old = certificate("localhost", true);
    let expired = Peer::start_with(Server::Postgres, Some(&old));
    let url = format!("{}?sslmode=verify-full&sslrootcert={}", expired.url(DATABASE), file("old.pem", &old));
    let error = failure(&url).await;
    assert!(error.message.to_lowercase().contains("expired"), "{}", error.message);
}

#[tokio::test]
async fn notifications_end_a_rest_and_are_taken_once() {
    let Some(session) = open(Server::Postgres).await else { return };
    assert!(session.notified().is_none(), "nothing is listened to");
    session.listen("News \"quoted\"").await.unwrap();
    session.listen("more").await.unwrap();
    let rest = session.notified().expect("it can tell");
    session.run(&["NOTIFY \"News \"\"quoted\"\"\", 'one'"]).await;
    tokio::time::timeout(Duration::from_secs(60), rest).await.expect("the rest ends");
    session.run(&["NOTIFY more, 'two'"]).await;
    let mut heard = Vec::new();
    while heard.len() < 2 {
        tokio::time::timeout(Duration::from_secs(60), session.notified().expect("it can tell"))
            .await
            .expect("there is more");
        heard.extend(session.notifications().await.unwrap());
    }
    assert_eq!(heard, ["one", "two"]);
    let lite = Session::sqlite().await;
    assert_eq!(refused(lite.listen("news").await), "SQLite has no LISTEN: ask it again and again instead");
}

#[tokio::test]
async fn a_table_that_changes_between_two_queries_is_read_as_it_is() {
    for session in [open(Server::Postgres).await, open(Server::MariaDb).await, Some(Session::sqlite().await)] {
        let Some(session) = session else { continue };
        session
            .run(&["DROP TABLE IF EXISTS grows", "CREATE TABLE grows (a text)", "INSERT INTO grows VALUES ('x')"])
            .await;
        assert_eq!(session.lines("SELECT * FROM grows").await, ["x"]);
        session.run(&["ALTER TABLE grows ADD COLUMN b text"]).await;
        assert_eq!(session.lines("SELECT * FROM grows").await, ["x|null"]);
        session.run(&["ALTER TABLE grows DROP COLUMN a"]).await;
        assert_eq!(session.lines("SELECT * FROM grows").await, ["null"]);
    }
}

/// Whether a server still runs a statement with this text in it.
async fn runs(server: Server, looker: &Session, mark: &str) -> bool {
    let sql = match server {
        Server::Postgres => format!(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid() AND query LIKE '%{mark}%'"
        ),
        Server::MariaDb => format!(
            "SELECT count(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND info LIKE '%{mark}%'"
        ),
    };
    looker.lines(&sql).await != ["0"]
}

#[tokio::test]
async fn what_is_given_up_is_cancelled_at_the_server() {
    for (server, sleep) in [(Server::Postgres, "SELECT pg_sleep(600)"), (Server::MariaDb, "SELECT SLEEP(600)")] {
        let Some(session) = open(server).await else { continue };
        let looker = open(server).await.expect("it was there");
        let sql = format!("{sleep} /* given up {server:?} */");
        let wait = async |expected: bool| {
            while runs(server, &looker, "given up").await != expected {
                tokio::task::yield_now().await;
            }
        };
        let begun = Duration::from_secs(60);
        // A statement whose call is cancelled, as that of a task which is asked to stop; then a query of which nobody
        // reads the rows.
        {
            let running = session.execute(&sql, Vec::new());
            tokio::select! {
                done = running => panic!("it sleeps: {:?}", done.err()),
                begun = tokio::time::timeout(begun, wait(true)) => begun.expect("the statement runs"),
            }
        }
        tokio::time::timeout(begun, wait(false)).await.expect("the statement is cancelled");
        {
            let running = session.query(&sql, Vec::new(), "{}");
            tokio::select! {
                rows = running => panic!("it sleeps: {:?}", rows.err().map(|error| error.message)),
                begun = tokio::time::timeout(begun, wait(true)) => begun.expect("the query runs"),
            }
        }
        tokio::time::timeout(begun, wait(false)).await.expect("the query is cancelled");
        session.now().await.expect("the session works again");
    }
}
