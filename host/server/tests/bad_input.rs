//! What users get wrong: each mistake is named with its remedy, has Connect's exit code, and harms nothing else.

use std::{
    fs,
    io::Write,
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use harness::{Worker, eventually, millstream};

struct Ended {
    code: Option<i32>,
    errors: String,
}

/// Runs the binary to its end.
fn run(folder: &Path, arguments: &[&str]) -> Ended {
    let output = Command::new(millstream())
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .unwrap();
    Ended { code: output.status.code(), errors: String::from_utf8_lossy(&output.stderr).into_owned() }
}

#[track_caller]
fn assert_ended(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.errors);
    for part in parts {
        assert!(ended.errors.contains(part), "{part:?} is not in {}", ended.errors);
    }
}

const WORKER: &str = "\
    listeners=http://127.0.0.1:0\n\
    broker.listeners=PLAINTEXT://127.0.0.1:0\n\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\n\
    offset.storage.file.filename=offsets\n\
    broker.log.dirs=broker\n";

/// Starts a worker with these settings after the usual ones, and connector files.
fn standalone(folder: &Path, settings: &str, connectors: &[&str]) -> Ended {
    fs::write(folder.join("worker.properties"), format!("{WORKER}{settings}\n")).unwrap();
    let mut arguments = vec!["standalone".to_owned(), "worker.properties".to_owned()];
    for (number, connector) in connectors.iter().enumerate() {
        fs::write(folder.join(format!("c{number}.properties")), connector).unwrap();
        arguments.push(format!("c{number}.properties"));
    }
    run(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn wrong_usage_ends_with_1_and_shows_how_it_is_used() {
    let folder = tempfile::tempdir().unwrap();
    assert_ended(&run(folder.path(), &["standalone"]), 1, &["Usage:", "WORKER"]);
    assert_ended(&run(folder.path(), &["nonsense"]), 1, &["nonsense"]);
    assert_eq!(run(folder.path(), &["--version"]).code, Some(0));
}

#[test]
fn a_worker_that_cannot_be_set_up_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_ended(&run(path, &["standalone", "missing.properties"]), 2, &["missing.properties"]);
    let number = "offset.flush.interval.ms=soon";
    assert_ended(&standalone(path, number, &[]), 2, &["worker.properties", "offset.flush.interval.ms", "soon"]);
    let provider = "config.providers=vault\nconfig.providers.vault.class=com.example.Vault";
    let there_are = ["config.providers.vault.class", "com.example.Vault", "FileConfigProvider"];
    assert_ended(&standalone(path, provider, &[]), 2, &there_are);
    let no_keys = ["listeners", "ssl.keystore"];
    assert_ended(&standalone(path, "listeners=https://127.0.0.1:0", &[]), 2, &no_keys);
    let nobody = "rest.extension.classes=BasicAuthSecurityRestExtension";
    assert_ended(&standalone(path, nobody, &[]), 2, &["rest.basic.auth.jaas.file", "htpasswd"]);
    let nobody = format!("bootstrap.servers=127.0.0.1:{}\ndefault.api.timeout.ms=500", harness::free_port());
    assert_ended(&standalone(path, &nobody, &[]), 2, &["bootstrap.servers", "remove it", "built-in broker"]);
    assert_ended(&standalone(path, "plugin.path=nowhere", &["name=a\nconnector.class=A\n"]), 3, &["A"]);
}

#[test]
fn what_a_worker_can_know_at_its_start_is_checked_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let avro = "value.converter=io.confluent.connect.avro.AvroConverter";
    let missing = ["value.converter", "Class io.confluent.connect.avro.AvroConverter could not be found"];
    assert_ended(&standalone(path, avro, &[]), 2, &missing);
    let typo = "key.converter=org.apache.kafka.connect.json.JsonConvertor";
    assert_ended(&standalone(path, typo, &[]), 2, &["key.converter", "Did you mean JsonConverter?"]);
    assert_ended(&standalone(path, "header.converter=Nope", &[]), 2, &["header.converter", "Nope", "There are "]);
    let encoding = "value.converter.converter.encoding=no such";
    assert_ended(&standalone(path, encoding, &[]), 2, &["value.converter", "no such"]);
    assert_ended(&standalone(path, "offset.storage.file.filename=", &[]), 2, &["offset.storage.file.filename"]);
    assert_ended(&standalone(path, "offset.storage.file.filename=nowhere/o", &[]), 2, &["nowhere/o"]);
    assert_ended(&standalone(path, "offset.storage.file.filename=.", &[]), 2, &["offset"]);
    assert_ended(&standalone(path, "producer.acks=7", &[]), 2, &["producer.acks", "7"]);
    assert_ended(&standalone(path, "consumer.security.protocol=TLS", &[]), 2, &["consumer.security.protocol", "SSL"]);
    assert_ended(&standalone(path, "security.protocol=SASL_PLAINTEXT", &[]), 2, &["sasl.mechanism", "SCRAM-SHA-512"]);
    assert_ended(&standalone(path, "admin.listeners=ftp://:0", &[]), 2, &["admin.listeners", "http"]);
    let policy = "connector.client.config.override.policy=Some";
    assert_ended(&standalone(path, policy, &[]), 2, &["connector.client.config.override.policy", "Principal"]);
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    assert_ended(&standalone(folder.path(), &format!("listeners=http://{address}"), &[]), 2, &[&address.to_string()]);
    let broker = format!("broker.listeners=PLAINTEXT://{address}");
    assert_ended(&standalone(folder.path(), &broker, &[]), 2, &[&address.to_string()]);
}

#[test]
fn a_data_directory_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let _worker = Worker::start(folder.path(), "", &[]);
    let other = tempfile::tempdir().unwrap();
    let data = folder.path().join("broker");
    let ended = standalone(other.path(), &format!("broker.log.dirs={}", data.display()), &[]);
    assert_ended(&ended, 2, &[&data.display().to_string(), "in use"]);
}

#[test]
fn connectors_that_cannot_be_created_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let unknown = "name=a\nconnector.class=com.example.Nope\n";
    assert_ended(&standalone(path, "", &[unknown]), 3, &["com.example.Nope", "FileStreamSource"]);
    let incomplete = "name=a\nconnector.class=FileStreamSource\n";
    assert_ended(&standalone(path, "", &[incomplete]), 3, &["c0.properties", "\"topic\""]);
    let unnamed = "connector.class=FileStreamSource\n";
    assert_ended(&standalone(path, "", &[unnamed]), 3, &["c0.properties", "name"]);
    let json = "{\"name\": ";
    assert_ended(&standalone(path, "", &[json]), 3, &["c0.properties", "begins like JSON", "line 1, column 9"]);
    let nested = r#"{"name": "a", "connector.class": "FileStreamSink", "topics": ["a", "b"]}"#;
    assert_ended(&standalone(path, "", &[nested]), 3, &["c0.properties", "\"topics\" is an array"]);
}

#[test]
fn files_that_are_no_plugins_are_named_and_the_rest_works() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    fs::write(plugins.join("corrupt.wasm"), b"\0asm and then nothing good").unwrap();
    fs::write(plugins.join("connect-file-4.3.0.jar"), b"PK\x03\x04").unwrap();
    let worker = Worker::start(folder.path(), &format!("plugin.path={}", plugins.display()), &[]);
    let log = eventually("both are named", || {
        let log = worker.log();
        (log.contains("corrupt.wasm") && log.contains("connect-file-4.3.0.jar")).then_some(log)
    });
    assert!(log.contains("FileStream"), "the nearest plugin is not named: {log}");
    assert!(worker.get("/connector-plugins").body.contains("FileStreamSourceConnector"));

    let corrupt = plugins.join("corrupt.wasm").display().to_string();
    assert_ended(&run(folder.path(), &["plugin", "check", &corrupt]), 1, &["corrupt.wasm"]);
    assert_ended(&run(folder.path(), &["plugin", "check", "missing.wasm"]), 1, &["missing.wasm", "cannot be read"]);
}

#[test]
fn a_file_that_cannot_be_opened_fails_its_task_with_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let unreadable = folder.path().display();
    let source = format!("name=source\nconnector.class=FileStreamSource\nfile={unreadable}\ntopic=t\n");
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={unreadable}\ntopics=t\n");
    let worker = Worker::start(folder.path(), "", &[&source, &sink]);
    let trace = worker.failed_trace("sink");
    assert!(trace.contains(&unreadable.to_string()), "{trace}");
    assert_eq!(worker.get("/health").status, 200);
}

#[test]
fn a_record_that_a_transform_refuses_is_named_with_its_position_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.txt");
    fs::write(&file, "12\na dozen\n").unwrap();
    let source = format!(
        "name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=t\ntransforms=wrap,number\n\
         transforms.wrap.type=org.apache.kafka.connect.transforms.HoistField$Value\ntransforms.wrap.field=quantity\n\
         transforms.number.type=org.apache.kafka.connect.transforms.Cast$Value\ntransforms.number.spec=quantity:int32\n",
        file.display()
    );
    let worker = Worker::start(folder.path(), "", &[&source]);
    let trace = worker.failed_trace("source");
    for part in [
        "TRANSFORMATION by transform 'number' (org.apache.kafka.connect.transforms.Cast$Value)",
        "lines.txt",
        "Caused by: org.apache.kafka.connect.errors.DataException: Value (a dozen) was out of range for requested data \
         type\n\tat field quantity\nCaused by: found STRING, wanted INT32\n",
    ] {
        assert!(trace.contains(part), "{part:?} is not in {trace}");
    }
}

#[test]
fn deep_json_reaches_its_sink_and_deeper_json_hurts_nothing_but_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    fs::write(&input, [nested(1000), nested(1001), nested(100_000), "{\"last\":1}".into()].join("\n") + "\n").unwrap();
    let source = format!(
        "name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=t\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\n",
        input.display()
    );
    let sink = format!(
        "name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=t\nerrors.tolerance=all\n\
         value.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter.schemas.enable=false\n",
        output.display()
    );
    let worker = Worker::start(folder.path(), "", &[&source, &sink]);
    let written = eventually("the last record is written", || {
        assert_ne!(worker.status("sink")["tasks"][0]["state"], "FAILED");
        fs::read_to_string(&output).ok().filter(|written| written.contains("last"))
    });
    assert_eq!(written.lines().collect::<Vec<_>>(), [nested(1000).as_str(), "{last=1}"]);
}

#[test]
fn a_damaged_partition_of_the_built_in_broker_turns_the_health_of_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = Worker::start(folder.path(), "", &[]);
    assert_eq!(worker.get("/health").status, 200);
    for record in ["one\n", "two\n"] {
        let mut producer = Command::new(millstream())
            .args(["topic", "produce", "--bootstrap-server", &worker.broker, "t"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        producer.stdin.take().unwrap().write_all(record.as_bytes()).unwrap();
        assert!(producer.wait().unwrap().success());
    }
    worker.kill();
    let segment = folder.path().join("broker/t-0/00000000000000000000.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[65] ^= 1;
    fs::write(&segment, bytes).unwrap();

    let worker = Worker::start(folder.path(), "", &[]);
    let health = worker.get("/health");
    assert_eq!(health.status, 500, "{}", health.body);
    assert_eq!(health.json()["status"], "unhealthy");
    assert!(health.json()["message"].as_str().unwrap().contains("t-0"), "{}", health.body);
    assert_eq!(worker.get("/connectors").status, 200);
}

/// As in the sample that the readme runs on a fresh checkout.
#[test]
fn an_offset_file_beside_the_folder_of_the_broker_needs_no_folder_made_before() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "broker.log.dirs=new/broker\noffset.storage.file.filename=new/connect.offsets";
    let worker = Worker::start(folder.path(), keys, &[]);
    assert_eq!(worker.get("/connectors").status, 200);
}

#[test]
fn an_offset_file_that_cannot_be_written_ends_the_start_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let started = Worker::try_start(folder.path(), "offset.storage.file.filename=missing/offsets", &[]);
    let (status, log) = started.map(drop).unwrap_err();
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("write source offsets to missing/offsets (key offset.storage.file.filename)"), "{log}");
}
