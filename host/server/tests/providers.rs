//! Config providers, with the binary as users run it: values that nobody shows, stores or keeps when they have changed.

use std::{fs, path::Path};

use harness::{Worker, eventually};
use serde_json::{Value, json};

/// A worker file's providers: files beneath a folder, looked up again after 200 ms, and the environment.
fn settings(folder: &Path) -> String {
    format!(
        "config.providers=file,env\n\
         config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider\n\
         config.providers.file.param.allowed.paths={}\n\
         config.providers.file.param.ttl.ms=200\n\
         config.providers.env.class=EnvVarConfigProvider\n",
        folder.display()
    )
}

struct Secrets {
    file: std::path::PathBuf,
}

impl Secrets {
    fn new(folder: &Path, content: &str) -> Self {
        let secrets = Self { file: folder.join("secrets.properties") };
        secrets.write(content);
        secrets
    }

    /// Replaces the file at once, as what rotates secrets does.
    fn write(&self, content: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    fn variable(&self, key: &str) -> String {
        format!("${{file:{}:{key}}}", self.file.display())
    }
}

fn await_content(file: &Path, expected: &str) {
    eventually(&format!("{} holds {expected:?}", file.display()), || {
        (fs::read_to_string(file).unwrap_or_default() == expected).then_some(())
    });
}

fn texts(value: &Value) -> String {
    value.to_string()
}

#[test]
fn connectors_run_with_values_that_the_api_shows_as_references() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in-topsecret.txt"), folder.path().join("out.txt"));
    let secrets = Secrets::new(folder.path(), &format!("in={}\ntopic=lines-topsecret\n", input.display()));
    fs::write(&input, "one\n").unwrap();
    let (file, topic) = (secrets.variable("in"), secrets.variable("topic"));
    let source = format!("name=source\nconnector.class=FileStreamSource\nfile={file}\ntopic={topic}\n");
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics={topic}\n", output.display());
    let worker = Worker::start(folder.path(), &settings(folder.path()), &[&source, &sink]);
    await_content(&output, "one\n");

    let config = worker.get("/connectors/source/config").json();
    assert_eq!((&config["file"], &config["topic"]), (&json!(file), &json!(topic)));
    let tasks = worker.get("/connectors/source/tasks").json();
    assert_eq!((&tasks[0]["config"]["file"], &tasks[0]["config"]["topic"]), (&json!(file), &json!(topic)));
    for path in ["/connectors?expand=info&expand=status", "/connectors/sink/tasks", "/connectors/source"] {
        assert!(!texts(&worker.get(path).json()).contains("topsecret"), "{path}");
    }
}

#[test]
fn validation_checks_values_and_shows_references() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Secrets::new(folder.path(), "tasks=many-topsecret\nfile=/x/topsecret\n");
    let worker = Worker::start(folder.path(), &settings(folder.path()), &[]);
    let reference = secrets.variable("tasks");
    let config = json!({
        "connector.class": "FileStreamSource", "name": "c", "topic": "t",
        "tasks.max": reference, "file": secrets.variable("file"),
        "config.providers": "own", "config.providers.own.class": "nonsense",
    });
    let path = "/connector-plugins/FileStreamSource/config/validate";
    let answer = worker.request("PUT", path, Some(&config.to_string())).json();
    let sentence = "Invalid value for configuration 'tasks.max': the value resolved from the config provider reference failed validation";
    let of = |name: &str| {
        let configs = answer["configs"].as_array().unwrap();
        configs.iter().find(|info| info["value"]["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!((&of("tasks.max")["value"], &of("tasks.max")["errors"]), (&json!(reference), &json!([sentence])));
    assert_eq!(of("file")["value"], json!(secrets.variable("file")));
    assert!(!texts(&answer).contains("topsecret"));

    let created = worker.request("PUT", "/connectors/c/config", Some(&config.to_string()));
    assert_eq!(created.status, 400);
    assert!(created.body.contains(sentence) && !created.body.contains("topsecret"), "{}", created.body);

    let mut failing = config;
    failing["tasks.max"] = json!(format!("${{file:{}/none:x}}", folder.path().display()));
    let answer = worker.request("PUT", path, Some(&failing.to_string()));
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("Could not read properties from file"), "{}", answer.body);
    assert!(answer.body.contains("needed for configuration tasks.max"), "{}", answer.body);
}

#[test]
fn a_value_that_has_changed_restarts_the_connector_with_its_tasks_and_one_that_is_gone_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (input, first, second) =
        (folder.path().join("in.txt"), folder.path().join("1.txt"), folder.path().join("2.txt"));
    let secrets = Secrets::new(folder.path(), &format!("out={}\n", first.display()));
    fs::write(&input, "one\n").unwrap();
    let source = format!("name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=lines\n", input.display());
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=lines\n", secrets.variable("out"));
    let worker = Worker::start(folder.path(), &settings(folder.path()), &[&source, &sink]);
    await_content(&first, "one\n");

    // While the file is away, the sink goes on with what it has.
    fs::remove_file(&secrets.file).unwrap();
    eventually("the missing file is logged", || worker.log().contains("the config providers fail").then_some(()));
    fs::write(&input, "one\ntwo\n").unwrap();
    await_content(&first, "one\ntwo\n");

    secrets.write(&format!("out={}\n", second.display()));
    eventually("the new value is logged", || worker.log().contains("config providers have new values").then_some(()));
    // A task opens its file when it starts, which it does when the one before it has ended.
    eventually("the sink has started again", || second.exists().then_some(()));
    fs::write(&input, "one\ntwo\nthree\n").unwrap();
    eventually("lines go to the new file", || {
        fs::read_to_string(&second).unwrap_or_default().contains("three").then_some(())
    });
    assert!(!fs::read_to_string(&first).unwrap().contains("three"));
}

#[test]
fn a_failure_names_the_key_and_hides_the_value() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("topsecret").join("x");
    let secrets = Secrets::new(folder.path(), &format!("file={}\n", missing.display()));
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=lines\n", secrets.variable("file"));
    let worker = Worker::try_start(folder.path(), &settings(folder.path()), &[]).unwrap();
    let sink = harness_json(&sink);
    worker.request("PUT", "/connectors/sink/config", Some(&sink));
    let trace = worker.failed_trace("sink");
    assert!(!trace.contains("topsecret") && trace.contains("[hidden]"), "{trace}");
}

/// Properties as the API takes them.
fn harness_json(properties: &str) -> String {
    let pairs = properties.lines().filter_map(|line| line.split_once('='));
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), json!(value))).collect()).to_string()
}

#[test]
fn a_worker_whose_provider_fails_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("{}producer.sasl.jaas.config=${{file:/etc/none:x}}\n", settings(folder.path()));
    // The path is not allowed, so that the variable stays, with a warning.
    let worker = Worker::try_start(folder.path(), &settings, &[]).unwrap();
    assert!(worker.log().contains("The path /etc/none is not allowed to be accessed"), "{}", worker.log());
    drop(worker);
    let settings = settings.replace("config.providers.file.param.allowed.paths", "unused");
    let (status, log) = Worker::try_start(folder.path(), &settings, &[]).err().unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(
        log.contains("Could not read properties from file /etc/none") && log.contains("producer.sasl.jaas.config"),
        "{log}"
    );
}
