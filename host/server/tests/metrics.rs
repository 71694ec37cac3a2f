//! `/metrics` and the probes of a worker that runs, as whoever watches it sees them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use harness::{
    Worker, eventually, free_port, get,
    peers::{have_python, python_file},
    skip,
};

/// With this the checker ends where the parser is not installed.
const NO_PARSER: i32 = 77;

/// A worker with a source and a sink over one topic, through which three lines have gone.
fn busy_worker(folder: &Path, settings: &str) -> Worker {
    let (input, output) = (folder.join("in.txt"), folder.join("out.txt"));
    fs::write(&input, "one\ntwo\nthree\n").unwrap();
    let settings = format!("offset.flush.interval.ms=100\n{settings}");
    let source = format!("name=s\nconnector.class=FileStreamSource\nfile={}\ntopic=lines\n", input.display());
    let sink = format!("name=k\nconnector.class=FileStreamSink\nfile={}\ntopics=lines\n", output.display());
    let worker = Worker::start(folder, &settings, &[&source, &sink]);
    eventually("the lines have gone through", || {
        (fs::read_to_string(&output).unwrap_or_default().lines().count() == 3).then_some(())
    });
    worker
}

/// The value of a series.
fn value(page: &str, series: &str) -> Option<f64> {
    page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn what_a_worker_does_stands_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let worker = busy_worker(folder.path(), "");
    for (series, expected) in [
        (r#"kafka_connect_source_task_source_record_write_total{connector="s",task="0"}"#, 3.0),
        (r#"kafka_connect_sink_task_sink_record_send_total{connector="k",task="0"}"#, 3.0),
        (r#"kafka_connect_connector_task_status{connector="k",task="0",status="running"}"#, 1.0),
        (r#"kafka_connect_connector_connector_type{connector="s",connector_type="source"}"#, 1.0),
        (r#"kafka_connect_worker_connector_running_task_count{connector="s"}"#, 1.0),
        ("kafka_connect_worker_task_count", 2.0),
        (r#"millstream_sink_partition_records_lag{connector="k",task="0",topic="lines",partition="0"}"#, 0.0),
        (r#"millstream_connector_latency_end_to_end_seconds_count{connector="s"}"#, 1.0),
        ("millstream_exposition_series_left_out", 0.0),
    ] {
        eventually(&format!("{series} is {expected}"), || {
            (value(&worker.get("/metrics").body, series)? == expected).then_some(())
        });
    }
    let page = worker.get("/metrics").body;
    for (stage, connector) in
        [("poll", "s"), ("convert", "s"), ("produce", "s"), ("commit", "s"), ("convert", "k"), ("put", "k")]
    {
        let name = "millstream_task_stage_duration_seconds_count";
        let series = format!(r#"{name}{{connector="{connector}",task="0",stage="{stage}"}}"#);
        eventually(&format!("{series} counts"), || {
            value(&worker.get("/metrics").body, &series).filter(|count| 0.0 < *count)
        });
    }
    assert!(page.contains("kafka_producer_record_send_total{client_id=\"connector-producer-s-0\"} 3"), "{page}");
    assert!(page.contains("millstream_plugin_instance_memory_bytes{connector=\"s\""), "{page}");
    let all = value(&page, "kafka_connect_kafka_metrics_count_count").expect("how many there are");
    assert!(200.0 < all && all <= value(&page, "millstream_exposition_series").unwrap() + 3.0, "{all} of {page}");
    assert!(worker.terminate().success());
}

#[test]
fn prometheus_own_parser_reads_both_formats_alike() {
    if !have_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let worker = busy_worker(folder.path(), "");
    let checker = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/compat/metrics.py");
    let read = python_file(&checker, &[&format!("http://{}/metrics", worker.rest)]).output().unwrap();
    if read.status.code() == Some(NO_PARSER) {
        return skip("this Python has no prometheus-client");
    }
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let samples = String::from_utf8_lossy(&read.stdout);
    let written = "kafka_connect_source_task_source_record_write_total{connector=s,task=0} 3";
    assert!(samples.lines().any(|sample| sample.starts_with(written)), "{samples}");
    assert!(worker.terminate().success());
}

#[test]
fn the_page_has_a_listener_of_its_own_a_limit_and_an_end() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let settings = format!("metrics.listeners=http://127.0.0.1:{port}\nmetrics.series.max=20\n");
    let worker = busy_worker(folder.path(), &settings);
    assert_eq!(worker.get("/metrics").status, 404);
    let own = |path: &str| get(&format!("127.0.0.1:{port}"), path).expect("it listens");
    let page = own("/metrics").body;
    assert!(value(&page, "kafka_connect_worker_task_count").is_some(), "{page}");
    assert!(value(&page, "millstream_exposition_series").is_some_and(|series| series <= 20.0), "{page}");
    assert!(value(&page, "millstream_exposition_series_left_out").is_some_and(|series| 100.0 < series), "{page}");
    for (path, status) in [("/health", 200), ("/health/ready", 200), ("/health/live", 200), ("/connectors", 404)] {
        assert_eq!(own(path).status, status, "{path}");
    }
    assert!(worker.terminate().success());
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), "metrics.listeners=\n", &[]);
    assert_eq!(worker.get("/metrics").status, 404);
    assert_eq!(worker.get("/health/ready").body, r#"{"status":"ready"}"#);
    assert!(worker.terminate().success());
}

#[test]
fn the_page_says_what_each_task_is_made_of_in_which_version() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.txt"), "one\n").unwrap();
    let source = "name=s\nconnector.class=FileStreamSource\nfile=in.txt\ntopic=t\n\
        value.converter=org.apache.kafka.connect.json.JsonConverter\ntransforms=a,b\n\
        transforms.a.type=org.apache.kafka.connect.transforms.HoistField$Value\ntransforms.a.field=f\n\
        transforms.b.type=org.apache.kafka.connect.transforms.Filter\ntransforms.b.predicate=p\npredicates=p,unused\n\
        predicates.p.type=org.apache.kafka.connect.transforms.predicates.RecordIsTombstone\n\
        predicates.unused.type=org.apache.kafka.connect.transforms.predicates.RecordIsTombstone\n";
    let worker = Worker::start(folder.path(), "", &[source]);
    let page = eventually("the task says it", || {
        Some(worker.get("/metrics").body)
            .filter(|page| page.contains("kafka_connect_connector_predicate_predicate_class"))
    });
    let plugins = worker.get("/connector-plugins?connectorsOnly=false").json();
    let version = |class: &str| {
        let plugin = plugins.as_array().unwrap().iter().find(|plugin| plugin["class"] == class);
        plugin.unwrap_or_else(|| panic!("{class}"))["version"].as_str().unwrap_or("undefined").to_owned()
    };
    let of_task = r#"connector="s",task="0""#;
    let connector = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let simple = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
    let transforms = "org.apache.kafka.connect.transforms";
    for (group, labels, name, class) in [
        ("connector_task", of_task.to_owned(), "connector", connector.to_owned()),
        ("connector_task", of_task.to_owned(), "key_converter", text.to_owned()),
        (
            "connector_task",
            of_task.to_owned(),
            "value_converter",
            "org.apache.kafka.connect.json.JsonConverter".to_owned(),
        ),
        ("connector_task", of_task.to_owned(), "header_converter", simple.to_owned()),
        (
            "connector_transform",
            format!("{of_task},transform=\"a\""),
            "transform",
            format!("{transforms}.HoistField$Value"),
        ),
        ("connector_transform", format!("{of_task},transform=\"b\""), "transform", format!("{transforms}.Filter")),
        (
            "connector_predicate",
            format!("{of_task},predicate=\"p\""),
            "predicate",
            format!("{transforms}.predicates.RecordIsTombstone"),
        ),
    ] {
        for (what, expected) in [("class", class.clone()), ("version", version(&class))] {
            let series = format!("kafka_connect_{group}_{name}_{what}{{{labels},{name}_{what}=\"{expected}\"}}");
            assert_eq!(value(&page, &series), Some(1.0), "{series} in {page}");
        }
    }
    let task = "org.apache.kafka.connect.file.FileStreamSourceTask";
    let series = format!("kafka_connect_connector_task_task_class{{{of_task},task_class=\"{task}\"}}");
    assert_eq!(value(&page, &series), Some(1.0), "{series} in {page}");
    let series = format!("kafka_connect_connector_task_connector_type{{{of_task},connector_type=\"source\"}}");
    assert_eq!(value(&page, &series), Some(1.0), "{series} in {page}");
    assert!(!page.contains("unused"), "{page}");
}
