//! `millstream plugin new`, `build`, `run`, `check`, `bench` and `dev`, as somebody types them who begins in an empty folder:
//! in each language whose tools are here, each kind of plugin is made, built and run in a worker.
//!
//! `MILLSTREAM_PLUGIN_CLI=python` and the like limits them to one language.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use harness::{Program, Worker, eventually, millstream, peers, skip, within};
use serde_json::Value;

const KINDS: [&str; 5] = ["source", "sink", "transform", "predicate", "converter"];

/// `millstream plugin …` in a folder, without what cargo has put into the environment for this test.
fn plugin(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(millstream());
    command.arg("plugin").args(arguments).current_dir(folder);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "RUSTUP_"];
        if (text.starts_with("CARGO") || text.starts_with("RUST")) && !kept.iter().any(|kept| text.starts_with(kept)) {
            command.env_remove(&name);
        }
    }
    // Projects of one run share what they are built from, as those of one author would not.
    command.env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin-cli"));
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn done(output: Output) -> String {
    assert!(output.status.success(), "{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn output(mut command: Command) -> Output {
    command.output().expect("the binary runs")
}

/// Exit code of a command that finds a tool missing.
const SETUP: i32 = 2;

/// Makes and builds a project, and returns its folder; `None` if a tool is missing, which is said aloud.
fn built(folder: &Path, language: &str, kind: &str) -> Option<PathBuf> {
    let name = format!("my-{kind}");
    done(output(plugin(folder, &["new", &name, "--lang", language, "--kind", kind])));
    let project = folder.join(&name);
    let deep = project.join("some/folder");
    fs::create_dir_all(&deep).unwrap();
    let built = output(plugin(&deep, &["build", "--output", "json"]));
    if built.status.code() == Some(SETUP) {
        peers::miss(&format!("plugins in {language}: {}", text(&built.stderr).trim()));
        return None;
    }
    let built: Value = serde_json::from_str(&done(built)).unwrap();
    assert_eq!(
        built["component"],
        project.join(format!("build/{name}.wasm")).canonicalize().unwrap().to_str().unwrap()
    );
    assert_eq!(built["plugins"].as_array().unwrap().len(), 1, "{built}");
    Some(project)
}

/// Records of a topic as objects, read until one of these conditions is met. The first record makes the topic.
fn consumed(broker: &str, topic: &str, until: &[&str]) -> Vec<Value> {
    eventually(&format!("there is a topic {topic}"), || {
        let mut command = Command::new(millstream());
        command.args(["topic", "consume", topic, "--from-beginning", "--timeout-ms", "60000", "--output", "json"]);
        command.args(["--bootstrap-server", broker]).args(until);
        let consumed = output(command);
        let is_missing = text(&consumed.stderr).contains("UNKNOWN_TOPIC_OR_PARTITION");
        (!is_missing).then(|| json_lines(&done(consumed)))
    })
}

/// From nothing to a connector that runs and does what its template says.
fn from_new_to_running(language: &str) {
    if env::var("MILLSTREAM_PLUGIN_CLI").is_ok_and(|only| only != language) {
        skip(&format!("plugins in {language}: others were asked for"));
        return;
    }
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let begin = Instant::now();
        let Some(project) = built(folder.path(), language, kind) else { return };
        let connector = fs::read_to_string(project.join("connector.properties")).unwrap();
        let out = folder.path().join("sink.out");
        let connector = connector.replace("file=build/my-sink.out", &format!("file={}", out.display()));
        let path = format!("plugin.path={}", project.join("build").display());
        let own = tempfile::tempdir().unwrap();
        let worker = Worker::start(own.path(), &path, &[&connector]);
        let name = format!("my-{kind}");
        eventually(&format!("{name} in {language} runs"), || {
            let status = worker.status(&name);
            let (connector, task) = (&status["connector"], &status["tasks"][0]);
            assert_ne!(task["state"], "FAILED", "{status}");
            (connector["state"] == "RUNNING" && task["state"] == "RUNNING").then_some(())
        });
        println!("{language} {kind}: new to RUNNING in {:.1} s", begin.elapsed().as_secs_f64());
        if kind == "sink" {
            let mut command = Command::new(millstream());
            command.args(["topic", "produce", &name, "--key-separator", ":", "--bootstrap-server", &worker.broker]);
            let lines = folder.path().join("lines");
            fs::write(&lines, "a:1\nb:two\n").unwrap();
            done(output({
                command.stdin(fs::File::open(&lines).unwrap());
                command
            }));
            eventually("the records are in the sink's file", || {
                let written = fs::read_to_string(&out).unwrap_or_default();
                (written == "a=1\nb=two\n").then_some(())
            });
            continue;
        }
        let records = consumed(&worker.broker, &name, &["--max-messages", "3"]);
        assert_eq!(records.len(), 3, "{language} {kind}");
        for (at, record) in records.iter().enumerate() {
            let value = record["value"].as_str().unwrap_or_else(|| panic!("{record}"));
            match kind {
                "source" => assert_eq!((value, record["key"].as_str()), (at.to_string().as_str(), Some("main"))),
                "transform" => assert!(value.contains("itemid=ITEM_"), "{language}: {value}"),
                "predicate" => {
                    assert!(value.contains("itemid=Item_") && !value.contains("Item_1"), "{language}: {value}")
                }
                _ => assert!(value.contains(";itemid=Item_") && value.starts_with("ordertime="), "{language}: {value}"),
            }
        }
    }
}

#[test]
fn plugins_in_rust_run_in_a_worker() {
    from_new_to_running("rust");
}

#[test]
fn plugins_in_python_run_in_a_worker() {
    from_new_to_running("python");
}

#[test]
fn plugins_in_typescript_run_in_a_worker() {
    from_new_to_running("typescript");
}

#[test]
fn plugins_in_javascript_run_in_a_worker() {
    from_new_to_running("javascript");
}

#[test]
fn plugins_in_go_run_in_a_worker() {
    from_new_to_running("go");
}

#[test]
fn plugins_in_c_run_in_a_worker() {
    from_new_to_running("c");
}

fn records(folder: &Path, lines: &[&str]) -> String {
    let path = folder.join("records.json");
    fs::write(&path, lines.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn a_transform_is_run_checked_and_measured_without_a_worker() {
    let folder = tempfile::tempdir().unwrap();
    let Some(project) = built(folder.path(), "rust", "transform") else { return };
    let input =
        records(folder.path(), &[r#"{"key": "k", "value": {"name": "ann"}}"#, r#"{"name": 7}"#, r#"{"other": 1}"#]);
    let run = |more: &[&str]| {
        let arguments = [&["run", "--input", &input, "--config", "field=name"], more].concat();
        done(output(plugin(&project, &arguments)))
    };
    let lines = json_lines(&run(&["--output", "json"]));
    assert_eq!(lines[0]["after"][0]["value"]["name"], "ANN");
    assert_eq!(lines[1]["error"]["message"], "expected text, found a java.lang.Long");
    assert_eq!(lines[2]["after"][0], lines[2]["before"]);
    let shown = run(&[]);
    assert!(
        shown.contains("\n  ✗ DataException: expected text")
            && shown.ends_with("3 records: 1 changed, 1 failed, 1 unchanged\n"),
        "{shown}"
    );

    let component = project.join("build/my-transform.wasm");
    let checked = done(output(plugin(folder.path(), &["check", component.to_str().unwrap(), "--output", "json"])));
    let checked: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!(checked["contract"], "0.1.0");
    assert_eq!(checked["plugins"][0]["class"], "org.example.MyTransform");
    assert!(
        checked["needs"].as_array().unwrap().iter().any(|need| need["import"] == "host-log" && need["granted"] == true),
        "{checked}"
    );

    let bench = ["bench", "--records", "1,50", "--rounds", "1", "--round-ms", "1", "--output", "json"];
    let measured: Value = serde_json::from_str(&done(output(plugin(&project, &bench)))).unwrap();
    let cells = measured["cells"].as_array().unwrap();
    assert_eq!(cells.iter().map(|cell| cell["records"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 50]);
    assert!(cells.iter().all(|cell| cell["ns_per_record"].as_f64().unwrap() > 0.0), "{measured}");
}

#[test]
fn a_source_is_polled_and_a_sink_is_fed_without_a_worker() {
    let folder = tempfile::tempdir().unwrap();
    let Some(source) = built(folder.path(), "rust", "source") else { return };
    let run = ["run", "--config", "every.ms=1", "--max-records", "2", "--output", "json"];
    let polled = json_lines(&done(output(plugin(&source, &run))));
    assert_eq!(polled.iter().map(|line| line["after"]["value"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(polled[1]["source_offset"], serde_json::json!({"tick": 1}));

    let Some(sink) = built(folder.path(), "rust", "sink") else { return };
    let (input, out) = (records(folder.path(), &[r#"{"key": "a", "value": "x"}"#]), folder.path().join("out"));
    let file = format!("file={}", out.display());
    let said = done(output(plugin(&sink, &["run", "--input", &input, "--config", &file])));
    assert_eq!(fs::read_to_string(out).unwrap(), "a=x\n");
    assert!(said.contains("offsets that would be committed: run-0 at 1\n"), "{said}");
}

#[test]
fn what_an_author_does_wrong_is_said_in_the_authors_terms() {
    let folder = tempfile::tempdir().unwrap();
    let said = |folder: &Path, arguments: &[&str]| {
        let output = output(plugin(folder, arguments));
        assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stderr)
    };
    assert!(said(folder.path(), &["build"]).contains("Make one with: millstream plugin new"));
    let refused = said(folder.path(), &["new", "My", "--lang", "rust", "--kind", "sink"]);
    assert!(refused.contains("such as my-transform"), "{refused}");
    done(output(plugin(folder.path(), &["new", "bad", "--lang", "rust", "--kind", "predicate"])));
    let project = folder.path().join("bad");
    let again = said(folder.path(), &["new", "bad", "--lang", "c", "--kind", "sink"]);
    assert!(again.contains("nothing is overwritten"), "{again}");
    let source = project.join("src/lib.rs");
    let good = fs::read_to_string(&source).unwrap();
    fs::write(&source, good.replace("contains(&self.text)", "contains(self.text + 1)")).unwrap();
    let compiled = output(plugin(&project, &["build"]));
    if compiled.status.code() == Some(SETUP) {
        return peers::miss(text(&compiled.stderr).trim());
    }
    let said = text(&compiled.stderr);
    assert!(said.contains("src/lib.rs:") && said.contains("bad does not compile: cargo has said why, above"), "{said}");
    assert!(compiled.stdout.is_empty(), "the answer alone goes there");
    fs::write(&source, good.replace("predicates: [Rows<Bad>],", "")).unwrap();
    let empty = text(&output(plugin(&project, &["build"])).stderr);
    assert!(empty.contains("bad does not compile") || empty.contains("no usable plugin"), "{empty}");
    // Which tool is missing, and what to do about it.
    let mut without = plugin(&project, &["build"]);
    without.env("PATH", folder.path());
    let without = output(without);
    assert_eq!(without.status.code(), Some(SETUP));
    let without = text(&without.stderr);
    assert!(
        without.contains("cargo is not installed, or not in the PATH. Version 1.95 or newer is needed: install Rust"),
        "{without}"
    );
}

#[test]
fn a_saved_source_is_built_and_swapped_in_a_worker_that_runs_on_from_its_offset() {
    let folder = tempfile::tempdir().unwrap();
    let Some(project) = built(folder.path(), "rust", "source") else { return };
    let connector = project.join("connector.properties");
    let fast = fs::read_to_string(&connector).unwrap().replace("every.ms=1000", "every.ms=20");
    fs::write(&connector, fast).unwrap();
    let mut dev = Program::start(plugin(&project, &["dev"]), &folder.path().join("dev.log"));
    let listens = |output: &str, what: &str| {
        let line = output.lines().find_map(|line| line.strip_prefix(what).map(str::to_owned))?;
        line.split(", ").next().map(str::to_owned)
    };
    let broker = dev.await_output(0, harness::SOON, |output| listens(output, "Kafka     built-in broker on "));
    let before = consumed(&broker, "my-source", &["--max-messages", "3"]);
    // The worker of `dev` writes JSON.
    assert!(before.iter().all(|record| record["key"] == "\"main\""), "{before:?}");
    let source = project.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    let from = dev.output().len();
    fs::write(&source, text.replace(".key(\"main\")", ".key(\"changed\")")).unwrap();
    dev.await_output(from, harness::SOON, |output| output.contains("my-source is RUNNING with it").then_some(()));
    // What a mistake leaves as it was.
    let from = dev.output().len();
    fs::write(&source, format!("{text}\nmistake")).unwrap();
    dev.await_output(from, harness::SOON, |output| output.contains("what runs goes on as it was").then_some(()));
    let after = within(harness::SOON, "records of the new plugin", || {
        let records = consumed(&broker, "my-source", &["--until-end"]);
        records.iter().any(|record| record["key"] == "\"changed\"").then_some(records)
    });
    let ticks: Vec<i64> = after.iter().map(|record| record["value"].as_str().unwrap().parse().unwrap()).collect();
    let expected: Vec<i64> = (0..ticks.len() as i64).collect();
    assert_eq!(ticks, expected, "none is missing and none comes twice");
}

#[test]
fn a_plugin_is_swapped_in_a_worker_that_somebody_else_runs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(project) = built(folder.path(), "rust", "source") else { return };
    let path = folder.path().join("plugins");
    fs::create_dir(&path).unwrap();
    fs::copy(project.join("build/my-source.wasm"), path.join("my-source.wasm")).unwrap();
    let own = tempfile::tempdir().unwrap();
    let settings = format!("plugin.path={}\nplugin.reload.interval.ms=50", path.display());
    let connector = "name=ticks\nconnector.class=org.example.MySource\ntopic=ticks\nevery.ms=20";
    let worker = Worker::start(own.path(), &settings, &[connector]);
    let url = format!("http://{}", worker.rest);
    let arguments = ["dev", "--worker", &url, "--plugin-dir", path.to_str().unwrap()];
    let mut dev = Program::start(plugin(&project, &arguments), &folder.path().join("dev.log"));
    dev.await_output(0, harness::SOON, |output| output.contains("ticks is RUNNING with it").then_some(()));
    let from = dev.output().len();
    let source = project.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace(".key(\"main\")", ".key(\"changed\")")).unwrap();
    dev.await_output(from, harness::SOON, |output| output.contains("ticks is RUNNING with it").then_some(()));
    let digests = worker.get("/connector-plugins?details=true").json();
    let digest = digests.as_array().unwrap().iter().find(|plugin| plugin["class"] == "org.example.MySource").unwrap();
    assert_eq!(digest["digest"].as_str().unwrap().len(), 64);
}
