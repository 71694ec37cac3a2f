//! `millstream connector` against a worker, and against none.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use harness::{Worker, eventually, free_port, millstream};
use serde_json::{Value, json};

/// Runs a command in a folder.
fn output_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut child = Command::new(millstream())
        .args(arguments)
        .current_dir(folder)
        .env_remove("MILLSTREAM_URL")
        .env_remove("VISUAL")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end without reading what it does not want.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A worker and the folder in which files and commands are.
struct Setting {
    folder: tempfile::TempDir,
    worker: Worker,
}

impl Setting {
    fn new(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("in.txt"), "one\ntwo\n").unwrap();
        let worker = Worker::start(folder.path(), settings, &[]);
        Self { folder, worker }
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn source(&self, name: &str) -> String {
        format!(
            "name={name}\nconnector.class=FileStreamSource\nfile={}/in.txt\ntopic={name}\n",
            self.folder.path().display()
        )
    }

    fn output(&self, arguments: &[&str], input: &str) -> Output {
        let url = format!("http://{}", self.worker.rest);
        output_in(self.folder.path(), &[&["connector"], arguments].concat(), &[("MILLSTREAM_URL", &url)], input)
    }

    /// Runs a command that must succeed; what it prints.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments, "");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn run_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[arguments, &["--output", "json"]].concat())).unwrap()
    }

    /// Runs a command that must end with a code; what it says.
    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32) -> String {
        let output = self.output(arguments, "");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        error
    }
}

#[test]
fn a_connector_is_applied_changed_paused_stopped_and_deleted() {
    let setting = Setting::new("");
    setting.file("c.properties", &setting.source("c"));
    assert!(setting.run(&["apply", "-f", "c.properties", "--dry-run"]).contains("Connector c would be created"));
    assert_eq!(setting.run_json(&["list"]), json!({}));
    assert_eq!(setting.run(&["apply", "-f", "c.properties", "--wait"]), "Created connector c.\n");
    assert_eq!(setting.run(&["apply", "-f", "c.properties", "--wait"]), "Connector c is so already.\n");
    assert!(setting.fails(&["create", "-f", "c.properties"], 5).contains("already exists"));

    let listed = setting.run(&["list"]);
    let line: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(line, ["c", "source", "RUNNING", "1/1", "FileStreamSource"]);
    assert!(setting.run(&["status", "c"]).contains("task 0     RUNNING"));
    assert_eq!(setting.run_json(&["status", "c"])["tasks"][0]["state"], "RUNNING");
    assert!(setting.run(&["status", "c", "--output", "yaml"]).starts_with("name: c\n"));

    // The same in YAML with another value, from standard input.
    let yaml = format!("{}batch.size: 007\n", setting.source("c").replace('=', ": "));
    let seen = setting.output(&["diff", "-f", "-"], &yaml);
    assert_eq!(seen.status.code(), Some(8));
    assert_eq!(String::from_utf8(seen.stdout).unwrap(), "Connector c:\n  + batch.size=007\n");
    let changed = setting.output(&["apply", "-f", "-", "--wait"], &yaml);
    assert_eq!(String::from_utf8(changed.stdout).unwrap(), "Changed connector c.\n");
    assert_eq!(setting.worker.get("/connectors/c/config").json()["batch.size"], "007");

    setting.run(&["pause", "c", "--wait"]);
    assert_eq!(setting.run_json(&["status", "c"])["connector"]["state"], "PAUSED");
    setting.run(&["resume", "c", "--wait"]);
    setting.run(&["restart", "c", "--wait"]);
    assert_eq!(setting.run(&["restart", "c", "--only-failed"]), "Nothing of connector c has failed.\n");
    setting.run(&["restart", "c", "--task", "0", "--wait"]);
    setting.run(&["stop", "c", "--wait"]);
    assert_eq!(setting.run_json(&["status", "c"])["tasks"], json!([]));
    setting.run(&["delete", "c", "--wait"]);
    assert_eq!(setting.run(&["delete", "c", "--if-exists"]), "There is no connector c.\n");
}

#[test]
fn what_went_wrong_is_told_by_the_exit_code() {
    let setting = Setting::new("");
    assert!(setting.fails(&["status", "none"], 4).contains("No status found for connector none"));
    assert!(setting.fails(&["describe", "none"], 4).contains("none not found"));
    assert!(setting.fails(&["delete", "none"], 4).contains("not found"));
    setting.fails(&["nonsense"], 1);
    assert!(setting.fails(&["apply", "-f", "none.yaml"], 1).contains("read none.yaml"));
    // All are tried, and what is wrong with each is told.
    setting.file(
        "all.yaml",
        &format!(
            "name: bad\nconnector.class: FileStreamSource\n---\n{}---\nname: worse\nconnector.class: Nothing\n",
            setting.source("good").replace('=', ": ")
        ),
    );
    let error = setting.fails(&["apply", "-f", "all.yaml", "--dry-run"], 5);
    assert!(error.contains("topic: ") && error.contains("which name matches Nothing"), "{error}");
    let error = setting.fails(&["apply", "-f", "all.yaml"], 5);
    assert!(error.contains("apply connector bad: ") && error.contains("apply connector worse: "), "{error}");
    assert_eq!(setting.run_json(&["list"]).as_object().unwrap().keys().collect::<Vec<_>>(), ["good"]);

    setting.run(&["pause", "good", "--wait"]);
    assert!(setting.fails(&["restart", "good", "--wait=0"], 7).contains("not there yet"));

    let folder = setting.folder.path();
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let output = output_in(folder, &["connector", "list", "--url", &nobody], &[], "");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6), "{error}");
    assert!(error.contains("nobody listens there"), "{error}");
    // A Kafka port is no REST API.
    let output = output_in(folder, &["connector", "list", "--url", &setting.worker.broker], &[], "");
    assert_eq!(output.status.code(), Some(6));
}

#[test]
fn a_failed_task_is_explained_by_record_stage_cause_and_remedy() {
    let setting = Setting::new("");
    setting.file("source.properties", &setting.source("lines"));
    let sink = format!(
        "name=sink\nconnector.class=FileStreamSink\nfile={}/out.txt\ntopics=lines\nerrors.retry.timeout=0\n\
         value.converter=org.apache.kafka.connect.json.JsonConverter\nvalue.converter.schemas.enable=false\n",
        setting.folder.path().display()
    );
    setting.file("sink.properties", &sink);
    setting.run(&["apply", "-f", "source.properties", "--wait"]);
    setting.run(&["apply", "-f", "sink.properties"]);
    eventually("the task fails", || {
        let status = setting.worker.status("sink");
        (status["tasks"][0]["state"] == "FAILED").then_some(())
    });
    let error = setting.fails(&["resume", "sink", "--wait"], 5);
    assert!(error.contains("task 0 has failed"), "{error}");
    let text = setting.run(&["describe", "sink"]);
    for part in [
        "stage:  VALUE_CONVERTER by value.converter",
        "record: {topic='lines', partition=0, offset=0",
        "to do:  name the converter the values were written with",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let failure = &setting.run_json(&["describe", "sink"])["failures"][0];
    assert_eq!(failure["part"], "task 0");
    assert!(failure["record"].as_str().unwrap().contains("offset=0"));
}

#[test]
fn a_configuration_is_edited_until_it_is_valid_or_given_up() {
    let setting = Setting::new("");
    setting.file("c.properties", &setting.source("c"));
    setting.run(&["apply", "-f", "c.properties", "--wait"]);
    let url = format!("http://{}", setting.worker.rest);
    let edit = |editor: &str| {
        let environment = [("MILLSTREAM_URL", url.as_str()), ("EDITOR", editor)];
        output_in(setting.folder.path(), &["connector", "edit", "c"], &environment, "")
    };
    let topic = || setting.worker.get("/connectors/c/config").json()["topic"].clone();
    assert_eq!(String::from_utf8_lossy(&edit("true").stdout), "Connector c is left as it is.\n");
    assert_eq!(String::from_utf8_lossy(&edit("sed -i s/^topic:.*/topic:\\ other/").stdout), "Changed connector c.\n");
    assert_eq!(topic(), "other");
    let output = edit("sed -i /^topic:/d");
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("topic"), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(edit("false").status.code(), Some(1));
    assert_eq!(topic(), "other");
    // The second look shows what was wrong with the first; an editor that reads it mends it.
    let script = "grep -q VALID \"$1\" && echo 'topic: third' >> \"$1\" || sed -i /^topic:/d \"$1\"";
    setting.file("editor.sh", script);
    assert_eq!(String::from_utf8_lossy(&edit("sh ./editor.sh").stdout), "Changed connector c.\n");
    assert_eq!(topic(), "third");
}

#[test]
fn a_worker_that_asks_for_users_and_speaks_tls_is_reached_by_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    // The password is secret, hashed by SHA-1.
    fs::write(&users, "alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n").unwrap();
    let class = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";
    let settings = format!("rest.extension.classes={class}\nrest.basic.auth.htpasswd.file={}\n", users.display());
    let worker = Worker::start(folder.path(), &settings, &[]);
    let list = |user: &[&str], environment: &[(&str, &str)]| {
        let url = format!("http://{}", worker.rest);
        let arguments = [&["connector", "list", "--url", &url], user].concat();
        let output = output_in(folder.path(), &arguments, environment, "");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, error) = list(&[], &[]);
    assert!(code == Some(5) && error.contains("--user"), "{error}");
    assert_eq!(list(&["--user", "alice:secret"], &[]).0, Some(0));
    assert_eq!(list(&[], &[("MILLSTREAM_USER", "alice:secret")]).0, Some(0));
    assert_eq!(list(&["--user", "alice:other"], &[]).0, Some(5));
    let (code, error) = list(&["--cacert", "/no/such"], &[]);
    assert!(code == Some(1) && error.contains("/no/such"), "{error}");
}

#[test]
fn shells_can_complete_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = output_in(folder.path(), &["completion", shell], &[], "");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && script.contains("connector") && script.contains("restart"), "{shell}");
    }
}
