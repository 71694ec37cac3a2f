//! The log of a worker, as users read it: on standard error, by the REST API, and with `millstream connector logs`.

#[path = "support/odd.rs"]
mod odd;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Command, Output, Stdio},
    thread,
};

use harness::{Worker, eventually, millstream};
use serde_json::{Value, json};

use odd::odd;

fn logs(url: &str, arguments: &[&str]) -> Output {
    Command::new(millstream()).args(["connector", "--url", url, "logs"]).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn url(worker: &Worker) -> String {
    format!("http://{}", worker.rest)
}

/// The messages of a connector's lines.
fn messages(worker: &Worker, name: &str) -> Vec<String> {
    let answer = worker.get(&format!("/connectors/{name}/logs")).json();
    let lines = answer["lines"].as_array().cloned().unwrap_or_default();
    lines.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_plugin_that_tells_its_password_shows_it_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets.properties");
    fs::write(&file, "p=provided-hunter2\n").unwrap();
    let settings = format!(
        "plugin.path={}\nconfig.providers=file\nconfig.providers.file.class=FileConfigProvider\n\
         config.providers.file.param.allowed.paths={}\n",
        odd().display(),
        folder.path().display()
    );
    let worker = Worker::start(folder.path(), &settings, &[]);
    eventually("the plugin is there", || {
        worker.get("/connector-plugins").body.contains("OddSourceConnector").then_some(())
    });
    let create = |name: &str, config: Value| {
        let answer = worker.request("PUT", &format!("/connectors/{name}/config"), Some(&config.to_string()));
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    let provided = format!("${{file:{}:p}}", file.display());
    for (name, secret) in [("provided", provided.as_str()), ("literal", "literal-hunter2")] {
        for behaviour in ["leak", "leak and panic"] {
            let name = format!("{name}-{}", behaviour.replace(' ', "-"));
            create(&name, json!({"connector.class": "OddSource", "behaviour": behaviour, "secret": secret}));
            eventually(&name, || {
                let status = worker.get(&format!("/connectors/{name}/status")).json();
                let trace = status["tasks"][0]["trace"].as_str()?.to_owned();
                let expected = if behaviour == "leak" { "failed: [hidden]" } else { "panicked: [hidden]" };
                (status["tasks"][0]["state"] == "FAILED" && trace.contains(expected)).then_some(())
            });
            let said = messages(&worker, &name);
            for expected in ["logged: [hidden]", "printed: [hidden]"] {
                assert!(said.iter().any(|line| line == expected), "{expected} in {said:#?}");
            }
        }
    }
    let log = worker.log();
    assert!(log.contains("[provided-leak|worker] the connector has [hidden]"), "{log}");
    assert!(log.contains("[literal-leak|task-0] logged: [hidden]"), "{log}");

    let input = folder.path().join("in.txt");
    fs::write(&input, "one\ntwo\n").unwrap();
    create("source", json!({"connector.class": "FileStreamSource", "file": input, "topic": "lines"}));
    let sink = json!({
        "connector.class": "FileStreamSink", "file": folder.path().join("out.txt"), "topics": "lines",
        "transforms": "t", "transforms.t.type": "org.millstream.odd.OddTransform", "transforms.t.behaviour": "leak",
        "transforms.t.secret": "of-a-transform-hunter2", "errors.tolerance": "all", "errors.log.enable": "true",
        "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.context.headers.enable": "true",
        "errors.deadletterqueue.topic.replication.factor": "1",
    });
    create("sink", sink);
    let letters = || {
        let arguments = ["topic", "consume", "--bootstrap-server", &worker.broker, "dead", "--from-beginning"];
        let arguments =
            [&arguments[..], &["--output", "json", "--max-messages", "2", "--timeout-ms", "10000"]].concat();
        let output = Command::new(millstream()).args(arguments).output();
        text(&output.unwrap().stdout)
    };
    eventually("both lines are dead letters", || {
        let letters = letters();
        (letters.matches("not encrypted: [hidden]").count() >= 2).then_some(())
    });
    eventually("both are in the log", || {
        let log = worker.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("[sink|task-0] Error encountered")).collect();
        (lines.len() == 2 && lines[0].contains("stage=\"TRANSFORMATION\"")).then_some(())
    });
    assert!(!letters().contains("hunter2"), "{}", letters());
    assert!(!worker.log().contains("hunter2"), "{}", worker.log());
    for path in ["/connectors?expand=status", "/connectors/sink/logs", "/connectors/provided-leak-and-panic/logs"] {
        let body = worker.get(path).body;
        assert!(!body.contains("hunter2"), "{path}: {body}");
    }
}

#[test]
fn a_password_of_the_workers_own_file_is_shown_by_no_connector_however_it_is_encoded() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
                    username=\"u\" password=\"of the worker/1\";\n\
                    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
                    value.converter=org.apache.kafka.connect.storage.StringConverter\n";
    let worker = Worker::start(folder.path(), settings, &[]);
    let create = |name: &str, config: Value| {
        let answer = worker.request("PUT", &format!("/connectors/{name}/config"), Some(&config.to_string()));
        assert_eq!(answer.status, 201, "{}", answer.body);
    };
    // As it is, in a URL, and in base64 with a user's name.
    let forms = ["of the worker/1", "of+the+worker%2F1", "b2YgdGhlIHdvcmtlci8x", "dTpvZiB0aGUgd29ya2VyLzE="];
    let shows_none = |text: &str, what: &str| {
        for form in [forms[0], forms[1], forms[2], "vZiB0aGUgd29ya2VyLz"] {
            assert!(!text.contains(form), "{form} in {what}: {text}");
        }
    };
    // A file that is not there is named in the log, and one that cannot be written in the status.
    let absent = folder.path().join(forms.join(" "));
    let input = folder.path().join("in.txt");
    fs::write(&input, forms.map(|form| format!("{form}\n")).concat()).unwrap();
    create("absent", json!({"connector.class": "FileStreamSource", "file": absent, "topic": "none"}));
    create("source", json!({"connector.class": "FileStreamSource", "file": input, "topic": "lines"}));
    let sink = |more: Value| {
        let mut sink = json!({
            "connector.class": "FileStreamSink", "file": folder.path().join("out.txt"), "topics": "lines",
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": "dead", "errors.deadletterqueue.context.headers.enable": "true",
            "errors.deadletterqueue.topic.replication.factor": "1", "errors.log.enable": "true",
            "transforms": "t", "transforms.t.type": "org.apache.kafka.connect.transforms.Cast$Value",
            "transforms.t.spec": "int32",
        });
        sink.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sink
    };
    create("sink", sink(json!({})));
    create("failing", sink(json!({"errors.tolerance": "none"})));
    let status = worker.failed_trace("failing");
    assert!(status.contains("[hidden]"), "{status}");
    shows_none(&status, "the status");
    let letters = eventually("each line is a dead letter", || {
        let arguments = ["topic", "consume", "--bootstrap-server", &worker.broker, "dead", "--from-beginning"];
        let arguments =
            [&arguments[..], &["--output", "json", "--max-messages", "4", "--timeout-ms", "10000"]].concat();
        let output = Command::new(millstream()).args(arguments).output().unwrap();
        let letters = text(&output.stdout);
        let letters: Vec<Value> = letters.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (letters.len() == 4).then_some(letters)
    });
    for letter in letters {
        // What failed is in it as it was; what is said of that is not.
        assert!(letter["headers"].to_string().contains("[hidden]"), "{letter}");
        shows_none(&letter["headers"].to_string(), "a dead letter");
    }
    eventually("the log tells of both", || {
        let log = worker.log();
        (log.contains("[absent|task-0]") && log.contains("[sink|task-0] Error encountered")).then_some(())
    });
    shows_none(&worker.log(), "the log");
    shows_none(&messages(&worker, "absent").concat(), "the connector's lines");
}

#[test]
fn lines_are_objects_and_their_levels_come_from_a_file_that_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let levels = folder.path().join("levels.properties");
    fs::write(&levels, "logger.org.apache.kafka.connect.runtime.rest=WARN\n").unwrap();
    let settings = format!("log.format=json\nlog.levels.file={}\n", levels.display());
    let input = folder.path().join("in.txt");
    fs::write(&input, "one\n").unwrap();
    let source = format!("name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=lines", input.display());
    let worker = Worker::start(folder.path(), &settings, &[&source]);
    let pause = |path: &str| assert_eq!(worker.request("PUT", &format!("/connectors/source/{path}"), None).status, 202);
    let logs_requests = |path: &str| worker.log().lines().any(|line| line.contains(&format!("/{path} from")));
    pause("pause");
    assert!(!logs_requests("pause"));
    // At once: an empty file is one without levels.
    let replace = |text: &str| {
        let new = levels.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, &levels).unwrap();
    };
    replace("logger.org.apache.kafka.connect.runtime.rest=LOUD\n");
    eventually("the mistake is told", || worker.log().contains("line 1: logger.org").then_some(()));
    pause("resume");
    assert!(!logs_requests("resume"), "the last good levels stay");
    replace("logger.org.apache.kafka.connect.runtime.rest=INFO\n");
    eventually("the file is read again", || worker.log().contains("read again\"").then_some(()));
    pause("pause");
    eventually("requests are logged", || logs_requests("pause").then_some(()));
    let log = worker.log();
    let objects: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let request = objects.iter().find(|line| line["message"].as_str().unwrap().contains("/pause from")).unwrap();
    assert_eq!(request["logger"], "org.apache.kafka.connect.runtime.rest");
    assert_eq!((&request["level"], &request["status"]), (&json!("INFO"), &json!(202)));
    let loggers = worker.get("/admin/loggers").json();
    assert_eq!(loggers["org.apache.kafka.connect.runtime.rest"]["level"], "INFO");
}

#[test]
fn a_file_of_levels_that_is_wrong_at_the_start_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (levels, file) = (folder.path().join("levels.properties"), folder.path().join("worker.properties"));
    fs::write(&levels, "root=INFO\n").unwrap();
    let settings = format!("log.levels.file={}\noffset.storage.file.filename=offsets\n", levels.display());
    let converters = "key.converter=JsonConverter\nvalue.converter=JsonConverter\n";
    fs::write(&file, format!("{settings}{converters}")).unwrap();
    let output = Command::new(millstream()).arg("standalone").arg(&file).current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("line 1: root=INFO is not understood: write logger.NAME=LEVEL"), "{error}");
}

#[test]
fn the_command_line_shows_a_connectors_lines_and_follows_them() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("plugin.path={}\n", odd().display());
    let worker = Worker::start(folder.path(), &settings, &[]);
    eventually("the plugin is there", || {
        worker.get("/connector-plugins").body.contains("OddSourceConnector").then_some(())
    });
    let config = json!({"connector.class": "OddSource", "behaviour": "leak", "tasks.max": "2"});
    let put = || worker.request("PUT", "/connectors/odd/config", Some(&config.to_string())).status;
    assert_eq!(put(), 201);
    let of = |task: u64| {
        eventually(&format!("lines of task {task}"), || {
            let (task, url) = (task.to_string(), url(&worker));
            let output = logs(&url, &["odd", "--task", &task, "--output", "json"]);
            let lines = text(&output.stdout);
            lines.contains("will not recover").then_some(lines)
        })
    };
    for task in [0, 1] {
        let lines: Vec<Value> = of(task).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["task"] == task && line["connector"] == "odd"), "{lines:#?}");
        assert!(lines.iter().any(|line| line["logger"] == "org.millstream.odd.OddSourceConnector"), "{lines:#?}");
    }
    let errors = text(&logs(&url(&worker), &["odd", "--level", "error", "--since", "1h"]).stdout);
    assert!(errors.contains(" ERROR [odd|task-0] ") && !errors.contains(" INFO "), "{errors}");
    assert_eq!(logs(&url(&worker), &["none"]).status.code(), Some(4));

    let mut following = Command::new(millstream())
        .args(["connector", "--url", &url(&worker), "logs", "odd", "--follow", "--task", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    while !next().contains("will not recover") {}
    // What came before is not shown again.
    assert_eq!(worker.request("POST", "/connectors/odd/tasks/1/restart", None).status, 204);
    while !next().contains("[odd|task-1] logged: ") {}
    while !next().contains("will not recover") {}
    following.kill().unwrap();
    following.wait().unwrap();
}

/// Answers as Kafka Connect does: the connector is there, its log is not.
#[test]
fn kafka_connect_is_said_to_show_no_log() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            let len = stream.read(&mut request).unwrap();
            let (status, body) = if text(&request[..len]).contains("/logs") {
                ("404 Not Found", r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#)
            } else {
                ("200 OK", r#"{"name":"c"}"#)
            };
            let head = "Content-Type: application/json\r\nConnection: close\r\nContent-Length:";
            write!(stream, "HTTP/1.1 {status}\r\n{head} {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    let output = logs(&url, &["c"]);
    answering.join().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let error = text(&output.stderr);
    assert!(error.contains("this worker does not show its log; if it is Kafka Connect, look for [c|…]"), "{error}");
}
