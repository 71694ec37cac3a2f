//! The binary as users run it: files in, files out, REST, bad records.

use std::{fs, io::Write, net::TcpStream, path::Path, process::Command};

use harness::{Worker, eventually, files::append, millstream};
use serde_json::json;

const SCHEMAS: &str = "\
    key.converter=org.apache.kafka.connect.json.JsonConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\n";

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

#[track_caller]
fn await_content(file: &Path, expected: &str) {
    eventually(&format!("{} holds {expected:?}", file.display()), || (read(file) == expected).then_some(()));
}

/// Produces lines with the binary's own tool.
fn produce(worker: &Worker, topic: &str, lines: &str) {
    let mut producer = Command::new(millstream())
        .args(["topic", "produce", "--bootstrap-server", &worker.broker, topic])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    producer.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(producer.wait().unwrap().success());
}

fn sink(name: &str, file: &Path, more: &str) -> String {
    format!("name={name}\nconnector.class=FileStreamSink\nfile={}\ntopics=lines\n{more}\n", file.display())
}

#[test]
fn lines_go_through_the_chain_and_a_stopped_worker_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    let source = format!(
        "name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=raw-lines\n\
         transforms=wrap,route\n\
         transforms.wrap.type=org.apache.kafka.connect.transforms.HoistField$Value\n\
         transforms.wrap.field=line\n\
         transforms.route.type=org.apache.kafka.connect.transforms.RegexRouter\n\
         transforms.route.regex=raw-(.*)\n\
         transforms.route.replacement=$1\n",
        input.display()
    );
    let sink = sink("sink", &output, "");
    append(&input, "one\ntwo\n");
    let worker = Worker::start(folder.path(), SCHEMAS, &[&source, &sink]);
    await_content(&output, "Struct{line=one}\nStruct{line=two}\n");
    for connector in ["source", "sink"] {
        let status = worker.status(connector);
        assert_eq!(
            (&status["connector"]["state"], &status["tasks"][0]["state"]),
            (&json!("RUNNING"), &json!("RUNNING"))
        );
    }
    assert!(worker.terminate().success());

    append(&input, "three\n");
    let worker = Worker::start(folder.path(), SCHEMAS, &[&source, &sink]);
    await_content(&output, "Struct{line=one}\nStruct{line=two}\nStruct{line=three}\n");
    assert!(worker.terminate().success());
}

#[test]
fn blanks_around_values_and_a_byte_order_mark_before_json_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, "one\n");
    let source = format!(
        "\u{feff}{{\"name\": \"source\", \"connector.class\": \"FileStreamSource \", \"file\": \" {} \", \
         \"topic\": \"lines\\t\", \"tasks.max\": \" 1 \"}}",
        input.display()
    );
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={} \ntopics= lines \n", output.display());
    let worker = Worker::start(folder.path(), "offset.flush.interval.ms= 1000 \n", &[&source, &sink]);
    await_content(&output, "one\n");
    assert!(worker.terminate().success());
}

#[test]
fn of_many_connector_files_the_first_that_is_wrong_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let number = |number: usize| sink(&format!("sink-{number}"), &folder.path().join(format!("{number}.txt")), "");
    let good: Vec<String> = (0..40).map(number).collect();
    // The name of the third once more, no class, no name: each is told if it comes first.
    let wrong = [good[3].clone(), "name=odd\ntopics=lines\n".to_owned(), "topics=lines\n".to_owned()];
    let told = [
        ("create connector sink-3 of ", "Connector sink-3 already exists"),
        ("create connector odd of ", "Connector config contains no connector type"),
        ("", "is missing the mandatory 'name' configuration"),
    ];
    for first in 0..wrong.len() {
        let mut files = good.clone();
        for at in 0..wrong.len() {
            files.insert(10 + at, wrong[(first + at) % wrong.len()].clone());
        }
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let folder = tempfile::tempdir().unwrap();
        let (status, log) = Worker::try_start(folder.path(), "", &files).map(drop).unwrap_err();
        assert_eq!(status.code(), Some(3), "{log}");
        let last = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        for (at, (whose, why)) in told.iter().enumerate() {
            assert_eq!(last.contains(whose) && last.contains(why), at == first, "{first}: {log}");
        }
        // All before it were created, in their order.
        let created: Vec<&str> =
            log.lines().filter_map(|line| line.split_once("connector sink-")?.1.strip_suffix(" created")).collect();
        assert_eq!(created, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], "{log}");
    }
    let files: Vec<&str> = good.iter().map(String::as_str).collect();
    let worker = Worker::start(folder.path(), "", &files);
    for number in 0..good.len() {
        let status = worker.status(&format!("sink-{number}"));
        assert_eq!(status["connector"]["state"], "RUNNING");
    }
}

#[test]
fn a_bad_record_fails_its_task_alone_and_the_status_says_which_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (strict, plain) = (folder.path().join("strict.txt"), folder.path().join("plain.txt"));
    let text = "value.converter=org.apache.kafka.connect.storage.StringConverter";
    let worker = Worker::start(folder.path(), SCHEMAS, &[&sink("strict", &strict, ""), &sink("plain", &plain, text)]);
    produce(&worker, "lines", "{\"schema\":{\"type\":\"string\"},\"payload\":\"good\"}\nnot json\n");

    let trace = worker.failed_trace("strict");
    assert!(
        trace.starts_with("org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n"),
        "{trace}"
    );
    for part in [
        "VALUE_CONVERTER by value.converter (org.apache.kafka.connect.json.JsonConverter)",
        "topic='lines', partition=0, offset=1",
        "errors.tolerance=all",
        "Caused by: org.apache.kafka.connect.errors.DataException: ",
    ] {
        assert!(trace.contains(part), "{part:?} is not in {trace}");
    }
    // What came before the bad record was delivered, and the neighbour saw everything.
    await_content(&strict, "good\n");
    await_content(&plain, "{\"schema\":{\"type\":\"string\"},\"payload\":\"good\"}\nnot json\n");
    let status = worker.status("plain");
    assert_eq!(status["tasks"][0]["state"], "RUNNING");
}

#[test]
fn tolerated_records_go_to_the_dead_letter_queue() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.txt");
    let tolerant = "errors.tolerance=all\n\
                    errors.deadletterqueue.topic.name=dead\n\
                    errors.deadletterqueue.topic.replication.factor=1\n\
                    errors.deadletterqueue.context.headers.enable=true";
    let letters = folder.path().join("letters.txt");
    let dead = format!(
        "name=dead\nconnector.class=FileStreamSink\nfile={}\ntopics=dead\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n\
         transforms=why\n\
         transforms.why.type=org.apache.kafka.connect.transforms.InsertField$Value\n\
         transforms.why.offset.field=offset\n\
         transforms.why.predicate=never\n\
         predicates=never\n\
         predicates.never.type=org.apache.kafka.connect.transforms.predicates.HasHeaderKey\n\
         predicates.never.name=no such header\n",
        letters.display()
    );
    let worker = Worker::start(folder.path(), SCHEMAS, &[&sink("sink", &output, tolerant), &dead]);
    let good = |payload: &str| format!("{{\"schema\":{{\"type\":\"string\"}},\"payload\":\"{payload}\"}}\n");
    produce(&worker, "lines", &format!("{}broken\n{}", good("a"), good("b")));
    await_content(&output, "a\nb\n");
    await_content(&letters, "broken\n");
    assert_eq!(worker.status("sink")["tasks"][0]["state"], "RUNNING");
}

#[test]
fn a_connector_is_created_paused_resumed_stopped_and_deleted_over_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    append(&input, "one\n");
    let worker = Worker::start(folder.path(), "", &[]);
    let config =
        |class: &str, file: &Path, topic: &str| json!({"connector.class": class, "file": file, topic: "lines"});
    for (name, config) in
        [("source", config("FileStreamSource", &input, "topic")), ("sink", config("FileStreamSink", &output, "topics"))]
    {
        let body = json!({"name": name, "config": config}).to_string();
        let created = worker.request("POST", "/connectors", Some(&body));
        assert_eq!(created.status, 201, "{}", created.body);
        let again = worker.request("POST", "/connectors", Some(&body));
        assert_eq!(again.json(), json!({"error_code": 409, "message": format!("Connector {name} already exists")}));
    }
    await_content(&output, "one\n");

    let await_state = |name: &str, state: &str| {
        eventually(&format!("{name} is {state}"), || {
            let status = worker.status(name);
            let tasks = status["tasks"].as_array().is_some_and(|tasks| tasks.iter().all(|task| task["state"] == state));
            (status["connector"]["state"] == state && tasks).then_some(())
        });
    };
    assert_eq!(worker.request("PUT", "/connectors/sink/pause", None).status, 202);
    await_state("sink", "PAUSED");
    append(&input, "two\n");
    assert_eq!(worker.request("PUT", "/connectors/sink/resume", None).status, 202);
    await_content(&output, "one\ntwo\n");
    assert_eq!(worker.request("PUT", "/connectors/source/stop", None).status, 204);
    await_state("source", "STOPPED");
    append(&input, "three\n");
    assert_eq!(worker.request("PUT", "/connectors/source/resume", None).status, 202);
    await_content(&output, "one\ntwo\nthree\n");
    assert_eq!(worker.request("POST", "/connectors/sink/restart?includeTasks=true", None).status, 202);
    append(&input, "four\n");
    await_content(&output, "one\ntwo\nthree\nfour\n");
    for name in ["source", "sink"] {
        assert_eq!(worker.request("DELETE", &format!("/connectors/{name}"), None).status, 204);
    }
    assert_eq!(worker.get("/connectors").json(), json!([]));
    assert_eq!(worker.get("/connectors/sink").status, 404);
}

#[test]
fn sinks_on_one_file_keep_what_it_holds_and_lose_no_line_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.txt");
    append(&output, "kept\na last line without an end");
    let tasks = "tasks.max=2";
    let (one, two) = (sink("one", &output, tasks), sink("two", &output, tasks));
    let worker = Worker::start(folder.path(), "broker.num.partitions=2", &[&one, &two]);
    let lines: Vec<String> = (0..500).map(|number| format!("line {number}")).collect();
    produce(&worker, "lines", &format!("{}\n", lines.join("\n")));
    // Either connector writes each line; a task begins on a line of its own.
    let counted = || {
        let content = read(&output);
        let mut counts = std::collections::BTreeMap::new();
        let rest = content.strip_prefix("kept\na last line without an end\n").unwrap_or_default();
        rest.lines().filter(|line| !line.is_empty()).for_each(|line| *counts.entry(line.to_owned()).or_insert(0) += 1);
        counts
    };
    let expected: std::collections::BTreeMap<String, i32> = lines.into_iter().map(|line| (line, 2)).collect();
    eventually("every line is there twice", || (counted() == expected).then_some(()));
    assert!(worker.terminate().success());
    assert_eq!(counted(), expected);
}

#[test]
fn the_log_has_a_line_for_every_change_and_none_of_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.txt");
    let worker = Worker::start(folder.path(), "", &[]);
    let config =
        json!({"connector.class": "FileStreamSink", "file": output, "topics": "lines", "my.password": "hunter2"});
    let body = json!({"name": "sink", "config": config}).to_string();
    let ask = |method: &str, path: &str, body: Option<&str>| worker.request(method, path, body).status;
    assert_eq!(ask("POST", "/connectors", Some(&body)), 201);
    assert_eq!(ask("POST", "/connectors", Some(&body)), 409);
    assert_eq!(ask("PUT", "/connectors/sink/config", Some(&config.to_string())), 200);
    assert_eq!(ask("PATCH", "/connectors/sink/config", Some(r#"{"tasks.max": "hunter2"}"#)), 400);
    assert_eq!(ask("PUT", "/connectors/sink/pause", None), 202);
    assert_eq!(ask("POST", "/connectors/sink/tasks/0/restart", None), 204);
    assert_eq!(ask("DELETE", "/connectors/sink", None), 204);
    assert_eq!(ask("DELETE", "/connectors/sink", None), 404);
    // What curl sends unless it is told that it is JSON.
    let mut stream = TcpStream::connect(&worker.rest).unwrap();
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    write!(stream, "PUT /connectors/form/config HTTP/1.1\r\nHost: h\r\n{form}").unwrap();
    let log = || fs::read_to_string(folder.path().join("stderr.log")).unwrap_or_default();
    for (change, outcome) in [
        ("POST /connectors from 127.0.0.1:", "done status=201"),
        ("POST /connectors from 127.0.0.1:", r#"connector="sink""#),
        ("POST /connectors from 127.0.0.1:", "refused, Connector sink already exists status=409"),
        ("PUT /connectors/sink/config from 127.0.0.1:", "done status=200"),
        ("PATCH /connectors/sink/config from 127.0.0.1:", "status=400"),
        ("PUT /connectors/form/config from 127.0.0.1:", "refused, HTTP 415 Unsupported Media Type status=415"),
        ("PUT /connectors/sink/pause from 127.0.0.1:", "done status=202"),
        ("POST /connectors/sink/tasks/0/restart from 127.0.0.1:", "done status=204"),
        ("DELETE /connectors/sink from 127.0.0.1:", "done status=204"),
        ("DELETE /connectors/sink from 127.0.0.1:", "refused, Connector sink not found status=404"),
    ] {
        eventually(&format!("{change} … {outcome} in {}", log()), || {
            log().lines().any(|line| line.contains(change) && line.contains(outcome)).then_some(())
        });
    }
    assert!(!log().contains("hunter2"), "{}", log());
}

#[test]
fn a_record_that_the_dead_letter_queue_takes_only_without_its_stack_trace_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.txt");
    let worker = Worker::start(folder.path(), SCHEMAS, &[]);
    let create = |topic: &str, config: &str| {
        let arguments = ["topic", "create", "--bootstrap-server", &worker.broker, topic, "--config", config];
        assert!(Command::new(millstream()).args(arguments).status().unwrap().success());
    };
    let body = |topic: &str| {
        json!({
            "connector.class": "FileStreamSink", "file": output, "topics": "lines", "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": topic,
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
        })
    };
    // The batch has 800 bytes with the trace and 530 without it.
    create("narrow", "max.message.bytes=700");
    create("closed", "max.message.bytes=300");
    let good = |payload: &str| format!("{{\"schema\":{{\"type\":\"string\"}},\"payload\":\"{payload}\"}}\n");
    produce(&worker, "lines", &format!("{}broken\n{}", good("a"), good("b")));
    let put = |name: &str, topic: &str| {
        let path = format!("/connectors/{name}/config");
        assert_eq!(worker.request("PUT", &path, Some(&body(topic).to_string())).status, 201);
    };
    put("narrow", "narrow");
    await_content(&output, "a\nb\n");
    let log = || fs::read_to_string(folder.path().join("stderr.log")).unwrap_or_default();
    eventually("the letter is written", || {
        log().contains("is written without the header __connect.errors.exception.stacktrace").then_some(())
    });
    assert_eq!(worker.status("narrow")["tasks"][0]["state"], "RUNNING");

    put("closed", "closed");
    let trace = worker.failed_trace("closed");
    for part in ["{topic='lines', partition=0, offset=1", "dead letter queue with topic=closed", "max.message.bytes"] {
        assert!(trace.contains(part), "{part:?} is not in {trace}");
    }
}

#[test]
fn dates_are_written_in_the_machines_time_zone_by_sinks_transforms_and_converters_alike() {
    const NEW_YORK: &str = "America/New_York";
    let folder = tempfile::tempdir().unwrap();
    let [plain, cast, input, copied] =
        ["plain.txt", "cast.txt", "in.txt", "copied.txt"].map(|file| folder.path().join(file));
    let json = "value.converter=org.apache.kafka.connect.json.JsonConverter";
    let casting = format!(
        "{json}\n\
         transforms=cast\n\
         transforms.cast.type=org.apache.kafka.connect.transforms.Cast$Value\n\
         transforms.cast.spec=string"
    );
    let sinks = [sink("plain", &plain, json), sink("cast", &cast, &casting)];
    let worker = Worker::start_in_zone(folder.path(), NEW_YORK, "", &[&sinks[0], &sinks[1]]);
    // Noon in Greenwich, in winter and in summer.
    for ms in ["1705320000000", "1721044800000"] {
        let schema = r#"{"type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1}"#;
        produce(&worker, "lines", &format!("{{\"schema\":{schema},\"payload\":{ms}}}\n"));
    }
    await_content(&plain, "Mon Jan 15 07:00:00 EST 2024\nMon Jul 15 08:00:00 EDT 2024\n");
    await_content(&cast, "2024-01-15T07:00:00.000Z\n2024-07-15T08:00:00.000Z\n");
    assert!(worker.terminate().success());

    // A transform's pattern is in UTC whatever the machine's zone is; the StringConverter's text is not.
    let source = format!(
        "name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=dates\n\
         transforms=parse\n\
         transforms.parse.type=org.apache.kafka.connect.transforms.TimestampConverter$Value\n\
         transforms.parse.target.type=Timestamp\n\
         transforms.parse.format=yyyy-MM-dd HH:mm\n",
        input.display()
    );
    let copy = format!("name=copy\nconnector.class=FileStreamSink\nfile={}\ntopics=dates\n", copied.display());
    append(&input, "2024-07-15 12:00\n");
    let worker = Worker::start_in_zone(folder.path(), NEW_YORK, "", &[&source, &copy]);
    await_content(&copied, "Mon Jul 15 08:00:00 EDT 2024\n");
    assert!(worker.terminate().success());
}

#[test]
fn a_time_zone_that_nobody_knows_is_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start_in_zone(folder.path(), "Nowhere/Land", "", &[]);
    assert!(worker.log().contains("the time zone TZ=Nowhere/Land cannot be used"), "{}", worker.log());
    assert!(worker.terminate().success());
}

#[test]
fn levels_of_loggers_change_while_the_worker_runs() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), "", &[]);
    let set = |logger: &str, level: &str| {
        let body = json!({"level": level}).to_string();
        let answer = worker.request("PUT", &format!("/admin/loggers/{logger}"), Some(&body));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    };
    assert_eq!(set("kafka", "warn"), json!(["kafka", "kafka.log", "kafka.server"]));
    produce(&worker, "quiet", "x\n");
    set("kafka", "INFO");
    produce(&worker, "loud", "x\n");
    eventually("what is logged again", || worker.log().contains("topic=loud").then_some(()));
    assert!(!worker.log().contains("topic=quiet"), "{}", worker.log());

    // A plugin is known by its class.
    let create = |name: &str| {
        let file = folder.path().join(name);
        let config = json!({"connector.class": "FileStreamSink", "file": file, "topics": "lines"}).to_string();
        assert_eq!(worker.request("PUT", &format!("/connectors/{name}/config"), Some(&config)).status, 201);
    };
    set("org.apache.kafka.connect.file.FileStreamSinkConnector", "ERROR");
    create("silent");
    set("org.apache.kafka.connect.file", "INFO");
    create("speaking");
    eventually("the plugin is heard", || worker.log().contains("[speaking|worker] Starting").then_some(()));
    assert!(!worker.log().contains("[silent|worker] Starting"), "{}", worker.log());
}
