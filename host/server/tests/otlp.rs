//! Metrics pushed to a collector: what arrives there, and what the log says while there is none.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use harness::{Worker, eventually, free_port};
use serde_json::Value;

/// Takes one request and answers it; its head and its body.
fn take(mut stream: TcpStream) -> Option<(String, Value)> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut seen = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read != 0)?;
        seen.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&seen);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length: usize = head.split("content-length: ").nth(1)?.lines().next()?.trim().parse().ok()?;
        if length <= body.len() {
            let body = serde_json::from_str(body).ok()?;
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                .ok()?;
            return Some((head, body));
        }
    }
}

/// The fields that the protocol has in each place, and no others.
fn check(request: &Value) {
    let keys = |value: &Value, allowed: &[&str]| {
        let object = value.as_object().unwrap_or_else(|| panic!("an object instead of {value}"));
        object.keys().for_each(|key| assert!(allowed.contains(&key.as_str()), "{key} in {value}"));
    };
    let digits = |value: &Value| value.as_str().is_some_and(|text| text.parse::<i128>().is_ok());
    keys(request, &["resourceMetrics"]);
    for resource in request["resourceMetrics"].as_array().unwrap() {
        keys(resource, &["resource", "scopeMetrics", "schemaUrl"]);
        keys(&resource["resource"], &["attributes", "droppedAttributesCount"]);
        for scope in resource["scopeMetrics"].as_array().unwrap() {
            keys(scope, &["scope", "metrics", "schemaUrl"]);
            keys(&scope["scope"], &["name", "version", "attributes"]);
            for metric in scope["metrics"].as_array().unwrap() {
                keys(metric, &["name", "description", "unit", "gauge", "sum", "histogram"]);
                let kinds = ["gauge", "sum", "histogram"];
                let found: Vec<&str> = kinds.into_iter().filter(|kind| metric.get(kind).is_some()).collect();
                let [kind] = found[..] else { panic!("{metric}") };
                let allowed: &[&str] = match kind {
                    "gauge" => &["dataPoints"],
                    "sum" => &["dataPoints", "aggregationTemporality", "isMonotonic"],
                    _ => &["dataPoints", "aggregationTemporality"],
                };
                keys(&metric[kind], allowed);
                let points = metric[kind]["dataPoints"].as_array().unwrap();
                assert!(!points.is_empty(), "{metric}");
                for point in points {
                    let of_kind: &[&str] = match kind {
                        "histogram" => &["count", "sum", "bucketCounts", "explicitBounds"],
                        _ => &["asInt", "asDouble"],
                    };
                    let allowed = [&["attributes", "timeUnixNano", "startTimeUnixNano"], of_kind].concat();
                    keys(point, &allowed);
                    assert!(digits(&point["timeUnixNano"]), "{point}");
                    assert!(point.get("asInt").is_none_or(digits), "{point}");
                    if kind == "histogram" {
                        let counts = point["bucketCounts"].as_array().unwrap();
                        assert_eq!(counts.len(), point["explicitBounds"].as_array().unwrap().len() + 1);
                        let sum: i64 = counts.iter().map(|count| count.as_str().unwrap().parse::<i64>().unwrap()).sum();
                        assert_eq!(Some(sum.to_string().as_str()), point["count"].as_str());
                    }
                    for attribute in point["attributes"].as_array().unwrap() {
                        keys(attribute, &["key", "value"]);
                        keys(&attribute["value"], &["stringValue"]);
                    }
                }
            }
        }
    }
}

#[test]
fn metrics_reach_a_collector_with_their_headers() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = collector.local_addr().unwrap();
    let (sender, arrived) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in collector.incoming().flatten() {
            if take(stream).is_some_and(|pushed| sender.send(pushed).is_err()) {
                return;
            }
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "metrics.otlp.endpoint=http://{address}/v1/metrics\nmetrics.otlp.interval.ms=1000\n\
         metrics.otlp.headers=authorization=Bearer hunter2\n"
    );
    let worker = Worker::start(folder.path(), &settings, &[]);
    let (head, pushed) = arrived.recv_timeout(Duration::from_secs(60)).expect("a push arrives");
    assert!(head.starts_with("post /v1/metrics ") && head.contains("authorization: bearer hunter2"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    check(&pushed);
    assert!(pushed.to_string().contains("\"kafka_connect_worker_connector_count\""), "{pushed}");
    assert!(!worker.log().contains("hunter2"));
    assert!(worker.terminate().success());
}

#[test]
fn a_collector_that_is_away_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = format!("http://127.0.0.1:{}/v1/metrics", free_port());
    let settings = format!("metrics.otlp.endpoint={endpoint}\nmetrics.otlp.interval.ms=1000\n");
    let worker = Worker::start(folder.path(), &settings, &[]);
    let said = || worker.log().matches("metrics cannot be pushed to").count();
    eventually("it is named", || (said() != 0).then_some(()));
    assert_eq!(said(), 1);
    assert!(worker.log().contains("(metrics.otlp.endpoint)"));
    assert!(worker.terminate().success());
}

#[test]
fn keys_that_cannot_be_obeyed_end_the_start() {
    for (settings, words) in [
        ("metrics.otlp.endpoint=ftp://h/", "metrics.otlp.endpoint"),
        ("metrics.otlp.endpoint=http://h/\nmetrics.otlp.headers=hunter2", "metrics.otlp.headers"),
        ("metrics.otlp.endpiont=http://h/", "metrics.otlp.endpiont"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let Err((status, log)) = Worker::try_start(folder.path(), &format!("{settings}\n"), &[]) else {
            panic!("{settings} is taken")
        };
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(log.contains(words) && !log.contains("hunter2"), "{log}");
    }
}
