//! What the bundled HTTP connectors reach, and as whom: certificates, tokens, proxies, addresses; and that they can be stopped
//! while a server does not answer.

#[path = "support/guests.rs"]
mod guests;
#[path = "support/server.rs"]
mod server;

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use harness::{Worker, eventually, files::append, within};
use serde_json::json;

use guests::{guest_memory, stands_in};
use server::{Certificate, Got, Server};

const SETTINGS: &str = "offset.flush.interval.ms=200\n";

const SECRET: &str = "open-sesame-4711";

fn lines(folder: &Path) -> String {
    let input = folder.join("in.txt");
    append(&input, "one\ntwo\n");
    format!("name=lines\nconnector.class=FileStreamSource\nfile={}\ntopic=lines\n", input.display())
}

fn sink(name: &str, url: &str, more: &str) -> String {
    format!(
        "name={name}\nconnector.class=io.confluent.connect.http.HttpSinkConnector\ntopics=lines\nhttp.api.url={url}\n\
         batch.max.size=10\nmax.retries=0\n{more}"
    )
}

fn source(name: &str, url: &str, more: &str) -> String {
    format!(
        "name={name}\nconnector.class=io.confluent.connect.http.HttpSourceConnector\ntopic.name.pattern={name}\nurl={url}\n\
         http.idle.interval.ms=100\nmax.retries=0\n{more}"
    )
}

/// Gives tokens, takes those that it gave, and has two records for who asks.
fn guarded(got: &Got) -> (u16, String, String) {
    let who = got.header("authorization");
    match got.path.as_str() {
        "/token" if who == Some("Basic aWQ6b3Blbi1zZXNhbWUtNDcxMQ==") => {
            (200, String::new(), json!({"access_token": "t1", "expires_in": 3600}).to_string())
        }
        "/aiven" if who == Some(SECRET) => (200, String::new(), String::new()),
        "/in" | "/items" if who == Some("Bearer t1") => (200, String::new(), json!([{"id": 1}]).to_string()),
        _ => (403, String::new(), "who are you?".to_owned()),
    }
}

#[test]
fn certificates_tokens_and_proxies_are_the_hosts_business_and_work_for_the_bundled_connectors() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new(false);
    let server = Server::secure(&certificate, guarded);
    let proxy = Server::start(|got| match got.header("proxy-authorization") {
        Some("Basic cDpvcGVuLXNlc2FtZS00NzEx") => (200, String::new(), String::new()),
        _ => (407, String::new(), String::new()),
    });
    let url = |path: &str| format!("https://{}{path}", server.address);
    let access = format!(
        "auth.type=OAUTH2\noauth2.token.url={}\noauth2.client.id=id\noauth2.client.secret={SECRET}\noauth2.client.scope=\n\
         http.proxy.host=127.0.0.1\nhttp.proxy.port={}\nhttp.proxy.user=p\nhttp.proxy.password={SECRET}\n{}",
        url("/token"),
        proxy.address.port(),
        certificate.trusted(folder.path())
    );
    let plain = Server::start(guarded);
    let aiven = format!(
        "name=aiven\nconnector.class=io.aiven.kafka.connect.http.HttpSinkConnector\ntopics=lines\n\
         http.url=http://{}/aiven\nhttp.authorization.type=static\nhttp.headers.authorization={SECRET}\n",
        plain.address
    );
    let connectors = [
        lines(folder.path()),
        aiven,
        sink("sink", &url("/in"), &access),
        source("items", &url("/items"), &access),
        sink("stranger", &url("/in"), ""),
        sink("turned-away", &url("/in"), &access.replace("http.proxy.user=p", "http.proxy.user=q")),
        sink("no-token", &url("/in"), &access.replace("oauth2.client.id=id", "oauth2.client.id=other")),
    ];
    let connectors: Vec<&str> = connectors.iter().map(String::as_str).collect();
    let worker = Worker::start(folder.path(), SETTINGS, &connectors);
    eventually("both lines have come", || {
        let bodies: Vec<String> =
            server.got().into_iter().filter(|got| got.path == "/in").map(|got| got.body).collect();
        (bodies.concat().contains("one") && bodies.concat().contains("two")).then_some(())
    });
    eventually("Aiven's has sent both", || (2 <= plain.got().len()).then_some(()));
    eventually("the source has asked", || server.got().iter().any(|got| got.path == "/items").then_some(()));
    for name in ["sink", "items", "aiven"] {
        assert_eq!(worker.status(name)["tasks"][0]["state"], "RUNNING", "{}", worker.status(name));
    }
    assert!(proxy.got().iter().all(|got| got.method == "CONNECT" && got.path == server.address.to_string()));
    for (name, expected) in
        [("stranger", "not signed by anyone"), ("turned-away", "407"), ("no-token", "Couldn't get OAuth2 access token")]
    {
        let trace = worker.failed_trace(name);
        assert!(trace.contains(expected), "{name}: {trace}");
    }
    // The plugins have the URLs that they ask for, and the host has the secrets, in whatever form they are sent.
    let parts = guest_memory(worker.id());
    assert!(stands_in(worker.id(), &parts, &url("/items")), "the scan finds what a plugin has");
    for secret in [SECRET, "aWQ6b3Blbi1zZXNhbWUtNDcxMQ", "cDpvcGVuLXNlc2FtZS00NzEx", "Bearer t1"] {
        assert!(!stands_in(worker.id(), &parts, secret), "{secret} is in a plugin's memory");
    }
    let shown = worker.get("/connectors?expand=status").body;
    assert!(!worker.log().contains(SECRET) && !shown.contains(SECRET), "{shown}");
}

#[test]
fn an_expired_certificate_and_a_name_that_leads_inside_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let expired = Certificate::new(true);
    let old = Server::secure(&expired, |_| (200, String::new(), "[]".to_owned()));
    let plain = Server::start(|_| (200, String::new(), "[]".to_owned()));
    let trust = expired.trusted(folder.path());
    let old_url = format!("https://{}/in", old.address);
    // Resolvers know this way to write it, but it is no address: it is a name that leads to one.
    let inside = format!("http://127.1:{}/in", plain.address.port());
    let connectors = [
        lines(folder.path()),
        sink("old-sink", &old_url, &trust),
        source("old-source", &old_url, &trust),
        sink("inside-sink", &inside, ""),
        source("inside-source", &inside, ""),
    ];
    let connectors: Vec<&str> = connectors.iter().map(String::as_str).collect();
    let worker = Worker::start(folder.path(), SETTINGS, &connectors);
    for name in ["old-sink", "old-source"] {
        let trace = worker.failed_trace(name);
        assert!(trace.to_lowercase().contains("expired"), "{name}: {trace}");
    }
    for name in ["inside-sink", "inside-source"] {
        let trace = worker.failed_trace(name);
        assert!(trace.contains("127.0.0.1") && trace.contains("plugin.allow.http.addresses"), "{name}: {trace}");
    }
    assert_eq!((old.got().len(), plain.got().len()), (0, 0), "nobody was asked");
    drop(worker);
    let settings = format!("{SETTINGS}plugin.allow.http.addresses=private,loopback\n");
    let inside = sink("inside", &inside, "");
    let _worker = Worker::start(folder.path(), &settings, &[&inside]);
    eventually("a worker that allows it sends there", || (!plain.got().is_empty()).then_some(()));
}

#[test]
fn a_connector_stops_while_a_server_does_not_answer_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (answers, asked) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Vec<String>>>::default());
    let (theirs, noted) = (Arc::clone(&answers), Arc::clone(&asked));
    let server = Server::start(move |got| {
        noted.lock().unwrap().push(got.path.clone());
        while !theirs.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        (200, String::new(), "[]".to_owned())
    });
    let patient = "http.request.timeout.ms=600000\n";
    let connectors = [
        lines(folder.path()),
        sink("sink", &format!("http://{}/in", server.address), patient),
        source("source", &format!("http://{}/out", server.address), patient),
    ];
    let connectors: Vec<&str> = connectors.iter().map(String::as_str).collect();
    let settings = format!("{SETTINGS}plugin.host.call.timeout.ms=600000\ntask.shutdown.graceful.timeout.ms=60000\n");
    let worker = Worker::start(folder.path(), &settings, &connectors);
    for (name, path) in [("sink", "/in"), ("source", "/out")] {
        eventually("its request is there", || asked.lock().unwrap().iter().any(|asked| asked == path).then_some(()));
        assert_eq!(worker.request("PUT", &format!("/connectors/{name}/stop"), None).status, 204);
        within(Duration::from_secs(30), "it stops, though nobody answers", || {
            let status = worker.status(name);
            (status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([])).then_some(())
        });
    }
    answers.store(true, Ordering::Relaxed);
    assert_eq!(worker.request("PUT", "/connectors/sink/resume", None).status, 202);
    eventually("both lines have come", || {
        let bodies: String = server.got().into_iter().filter(|got| got.path == "/in").map(|got| got.body).collect();
        (bodies.contains("one") && bodies.contains("two")).then_some(())
    });
}
