//! Requests made of valid ones by chance, the same at each run: whatever comes, the API answers in its own statuses, never
//! with those of a server that failed, and the worker goes on.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use harness::{SOON, Worker, eventually};
use serde_json::{Value, json};

/// As many of each operation.
const SEEDS: u64 = 60;

/// Small, and the same for one seed.
struct Random(u64);

impl Random {
    fn of(seed: u64, operation: usize) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (operation as u64 + 1) << 32);
        random.below(2);
        random
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

/// A request that is valid, to begin with.
struct Operation {
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
}

/// Nothing in them names a file outside of the folder that the worker runs in.
fn operations() -> Vec<Operation> {
    let config = json!({"connector.class": "FileStreamSource", "tasks.max": 1, "file": "in.txt", "topic": "lines", "batch.size": 7,
        "transforms": "t", "transforms.t.type": "org.apache.kafka.connect.transforms.InsertField$Value", "transforms.t.static.field": "f",
        "transforms.t.static.value": "v", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "producer.override.linger.ms": "5", "errors.tolerance": "all"});
    let create = json!({"name": "n", "config": config, "initial_state": "STOPPED"});
    let offsets = json!({"offsets": [{"partition": {"filename": "in.txt"}, "offset": {"position": 0}}]});
    let of = |method, path, body: Option<&Value>| Operation { method, path, body: body.cloned() };
    vec![
        of("POST", "/connectors", Some(&create)),
        of("PUT", "/connectors/c/config", Some(&config)),
        of("PUT", "/connectors/d/config", Some(&config)),
        of("PATCH", "/connectors/c/config", Some(&json!({"batch.size": 9, "topic": null}))),
        of("PATCH", "/connectors/s/offsets", Some(&offsets)),
        of("PUT", "/connector-plugins/FileStreamSource/config/validate", Some(&config)),
        of("PUT", "/admin/loggers/org.apache.kafka.connect?scope=worker", Some(&json!({"level": "INFO"}))),
        of("GET", "/connectors?expand=info&expand=status", None),
        of("GET", "/connectors/c/status", None),
        of("POST", "/connectors/c/restart?includeTasks=true&onlyFailed=true", None),
        of("PUT", "/connectors/c/pause", None),
        of("PUT", "/connectors/c/resume", None),
        of("GET", "/connectors/c/tasks/0/status", None),
        of("POST", "/connectors/c/tasks/0/restart", None),
        of("GET", "/connectors/c/topics", None),
        of("GET", "/connector-plugins/FileStreamSource/config?version=4", None),
        of("DELETE", "/connectors/d", None),
    ]
}

/// Puts something else in the place of one of the values, or of a member's name.
fn change(value: &mut Value, random: &mut Random) {
    let deep = match value {
        Value::Object(members) if !members.is_empty() && random.below(8) != 0 => {
            let key = random.one(&members.keys().cloned().collect::<Vec<_>>());
            if random.below(5) == 0 {
                let inside = members.remove(&key).unwrap_or_default();
                members.insert(text(random), inside);
                return;
            }
            members.get_mut(&key)
        }
        Value::Array(items) if !items.is_empty() && random.below(8) != 0 => {
            let at = random.below(items.len());
            items.get_mut(at)
        }
        _ => None,
    };
    match deep {
        Some(inside) => change(inside, random),
        None => *value = other(random),
    }
}

fn text(random: &mut Random) -> String {
    let texts = [
        "",
        " ",
        "\u{0}",
        "a\nb",
        "..",
        "/",
        "\u{1f600}",
        "\u{feff}x",
        "${file:none:x}",
        "${env",
        "%00",
        "-1",
        "NaN",
        "2147483648",
        "null",
        "true",
        "\"",
        "topic",
    ];
    match random.below(10) {
        0 => "x".repeat(1 + random.below(70_000)),
        _ => random.one(&texts).to_owned(),
    }
}

fn other(random: &mut Random) -> Value {
    match random.below(9) {
        0 => Value::Null,
        1 => json!(random.one(&[i64::MIN, -1, 0, 1, i64::MAX])),
        2 => json!(random.one(&[1e308, -0.0, 0.1])),
        3 => json!(random.below(2) == 0),
        4 => json!([]),
        5 => json!({}),
        6 => (0..1 + random.below(120))
            .fold(json!(0), |inside, level| if level % 2 == 0 { json!([inside]) } else { json!({"a": inside}) }),
        _ => json!(text(random)),
    }
}

/// A body as bytes, most often made of a value that was changed, else damaged itself.
fn body(valid: &Value, random: &mut Random) -> Vec<u8> {
    let mut value = valid.clone();
    for _ in 0..random.below(3) {
        change(&mut value, random);
    }
    let mut bytes = value.to_string().into_bytes();
    let at = random.below(bytes.len());
    match random.below(10) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes.insert(at, random.one(&[0, 0x22, 0x5c, 0x7b, 0x80, 0xff])),
        3 => bytes.splice(at..at, *b"1e999999").for_each(drop),
        4 => bytes.splice(at..at, *b"\\ud800").for_each(drop),
        5 => bytes.splice(..0, b"[".repeat(5000)).for_each(drop),
        6 => bytes.extend_from_slice(b" trailing {"),
        _ => {}
    }
    bytes
}

fn path(valid: &str, random: &mut Random) -> String {
    if random.below(3) != 0 {
        return valid.to_owned();
    }
    let long = "x".repeat(2000);
    let odd = [
        "%00",
        "%2F",
        "..",
        "%2e%2e%2f",
        "%",
        "%zz",
        "%ff%fe",
        "%F0%9F%98%80",
        "-1",
        "0",
        "99999999999999999999",
        "a%0Ab",
        "",
        "%24%7Benv%3AHOME%7D",
        &long,
    ];
    let (path, query) = valid.split_once('?').unwrap_or((valid, ""));
    let mut parts: Vec<&str> = path.split('/').collect();
    let at = 1 + random.below(parts.len() - 1);
    parts[at] = random.one(&odd);
    let query = if random.below(4) == 0 {
        random.one(&["expand=%ff", "scope=planet", "version=[", "includeTasks", "=&&=", "forward=false"])
    } else {
        query
    };
    format!("{}?{query}", parts.join("/"))
}

/// Sends the head of a request, or something like it, and a body if it is whole. The status of the answer, or 0 if the
/// connection was closed without one, and the answer.
fn send(rest: &str, head: &str, body: Option<&[u8]>) -> (u16, String) {
    let mut stream = TcpStream::connect(rest).expect("the worker listens");
    stream.set_read_timeout(Some(SOON)).unwrap();
    // It may answer and close before it has read everything.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.unwrap_or_default()));
    if body.is_none() {
        // The worker may wait for more. A whole request would be taken for one that was given up.
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(error.kind() == std::io::ErrorKind::ConnectionReset, "no answer to {head:?}: {error}");
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), answer)
}

fn request(rest: &str, operation: &Operation, random: &mut Random) -> (u16, String) {
    let path = path(operation.path, random);
    let body = operation.body.as_ref().map(|valid| body(valid, random)).unwrap_or_default();
    let media = if random.below(20) == 0 { "text/plain" } else { "application/json" };
    let length = body.len();
    let method =
        if random.below(15) == 0 { random.one(&["PUT", "BREW", "OPTIONS", "PATCH", "HEAD"]) } else { operation.method };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n"
    );
    let (status, answer) = send(rest, &head, Some(&body));
    let shown = String::from_utf8_lossy(&body).chars().take(1000).collect::<String>();
    (status, format!("{method} {path} {shown}\n-> {}", answer.chars().take(600).collect::<String>()))
}

#[test]
fn requests_made_by_chance_are_answered_and_never_as_a_failure_of_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.txt"), "one\n").unwrap();
    let connector = "connector.class=FileStreamSource\nfile=in.txt\ntopic=lines\n";
    let stopped = format!("name=s\n{connector}");
    let worker = Worker::start(folder.path(), "", &[&format!("name=c\n{connector}"), &stopped]);
    assert_eq!(worker.request("PUT", "/connectors/s/stop", None).status, 204);
    let mut statuses = BTreeSet::new();
    for seed in 0..SEEDS {
        for (number, operation) in operations().iter().enumerate() {
            let (status, told) = request(&worker.rest, operation, &mut Random::of(seed, number));
            // Offsets that a connector does not take are answered so by Connect, whatever is wrong with them.
            let refused =
                status == 500 && operation.path.ends_with("/offsets") && !told.contains("fault in the worker");
            assert!((200..500).contains(&status) || refused, "seed {seed}: {told}");
            statuses.insert(status);
        }
    }
    // By chance, but not all of one kind.
    for kind in [200, 201, 204, 400, 404, 405, 415] {
        assert!(statuses.contains(&kind), "{kind} is not among {statuses:?}");
    }
    goes_on(&worker);
}

#[test]
fn what_is_no_http_closes_its_own_connection_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.txt"), "one\n").unwrap();
    let worker = Worker::start(folder.path(), "rest.request.max.bytes=100000\n", &[]);
    let huge = "x".repeat(200_000);
    for head in [
        "",
        "\0\0\0\x10\0\x03\0\0",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n",
        "PUT /connectors/c/config HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "PUT /connectors/c/config HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        "PUT /connectors/c/config HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        "PUT /connectors/c/config HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"connector.class\"",
        "PUT /connectors/c/config HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "PUT /connectors/c/config HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        &format!("GET /{huge} HTTP/1.1\r\nHost: x\r\n\r\n"),
        &format!("GET / HTTP/1.1\r\nHost: x\r\nX: {huge}\r\n\r\n"),
        &format!(
            "PUT /connectors/c/config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{huge}",
            huge.len()
        ),
    ] {
        let (status, told) = send(&worker.rest, head, None);
        assert!(status == 0 || (200..500).contains(&status), "{:.80}: {told}", head);
    }
    assert_eq!(worker.get("/connectors").body, "[]");
    goes_on(&worker);
}

#[track_caller]
fn goes_on(worker: &Worker) {
    assert_eq!(worker.get("/health").status, 200);
    let config = json!({"connector.class": "FileStreamSource", "file": "in.txt", "topic": "lines"}).to_string();
    assert_eq!(worker.request("PUT", "/connectors/afterwards/config", Some(&config)).status, 201);
    eventually("a connector runs", || {
        let status = worker.get("/connectors/afterwards/status").json();
        (status["tasks"][0]["state"] == "RUNNING").then_some(())
    });
    let log = worker.log();
    assert!(!log.contains("panicked"), "{log}");
}
