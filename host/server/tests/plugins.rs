//! The binary and its plugins: many of them, new ones, and those that convert headers.

#[path = "support/odd.rs"]
mod odd;

use std::{env, fs, path::Path, time::Instant};

use harness::{Worker, eventually};
use serde_json::json;

use odd::odd;

#[track_caller]
fn await_content(file: &Path, expected: &str) {
    let read = || fs::read_to_string(file).unwrap_or_default();
    eventually(&format!("{} holds {expected:?}", file.display()), || (read() == expected).then_some(()));
}

/// Bytes of memory that a process has in use.
fn resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// `MILLSTREAM_CONNECTORS=2000` is the long form, which takes about a minute.
#[test]
fn a_worker_runs_as_many_connectors_as_fit_into_its_memory() {
    let count: usize = env::var("MILLSTREAM_CONNECTORS").map_or(700, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    fs::write(&input, "").unwrap();
    let worker = Worker::start(folder.path(), "", &[]);
    let (begin, before) = (Instant::now(), resident(worker.id()));
    for number in 0..count {
        let config = json!({"connector.class": "FileStreamSource", "file": input, "topic": "lines"});
        let body = json!({"name": format!("source-{number}"), "config": config}).to_string();
        let created = worker.request("POST", "/connectors", Some(&body));
        assert_eq!(created.status, 201, "connector {number}: {}", created.body);
    }
    let took = begin.elapsed();
    eventually("all of them run", || {
        let all = worker.get("/connectors?expand=status").json();
        let runs = |status: &serde_json::Value| {
            status["status"]["connector"]["state"] == "RUNNING" && status["status"]["tasks"][0]["state"] == "RUNNING"
        };
        let all = all.as_object().unwrap();
        (all.len() == count && all.values().all(runs)).then_some(())
    });
    let bytes = (resident(worker.id()) - before) / count as u64;
    println!("{count} connectors in {:.1} s, {} KiB of memory each", took.as_secs_f64(), bytes >> 10);
    assert!(bytes < 4 << 20, "{bytes} bytes of memory for each");
    assert!(worker.terminate().success());
}

#[test]
fn a_connector_for_which_no_memory_is_left_is_refused_and_the_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    fs::write(&input, "").unwrap();
    let worker = Worker::start(folder.path(), "plugin.memory.total.max.bytes=12582912", &[]);
    let config = json!({"connector.class": "FileStreamSource", "file": input, "topic": "lines"});
    let mut created = 0;
    let refused = loop {
        let body = json!({"name": format!("source-{created}"), "config": config}).to_string();
        let answer = worker.request("POST", "/connectors", Some(&body));
        if answer.status != 201 {
            break answer;
        }
        created += 1;
        assert!(created < 20);
    };
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("plugin.memory.total.max.bytes"), "{}", refused.body);
    assert!(0 < created, "some fit");
    // The others go on, and one that goes makes room.
    assert_eq!(worker.request("DELETE", "/connectors/source-0", None).status, 204);
    let body = json!({"name": "another", "config": config}).to_string();
    let answer = eventually("there is room again", || {
        Some(worker.request("POST", "/connectors", Some(&body))).filter(|answer| answer.status == 201)
    });
    assert_eq!(answer.status, 201, "{}", answer.body);
}

#[test]
fn a_worker_is_up_while_a_new_plugin_is_compiled_and_its_connector_follows() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    fs::write(&input, "one\n").unwrap();
    let plugins = format!("plugin.path={}\nplugin.compile.threads=1", odd().display());
    let odd_source = "name=odd\nconnector.class=OddSource\nbehaviour=wait";
    let source = format!("name=source\nconnector.class=FileStreamSource\nfile={}\ntopic=lines", input.display());
    let sink = format!("name=sink\nconnector.class=FileStreamSink\nfile={}\ntopics=lines", output.display());
    let worker = Worker::start(folder.path(), &plugins, &[odd_source, &source, &sink]);
    await_content(&output, "one\n");
    assert_eq!(worker.status("odd")["connector"]["state"], "RUNNING");
    let log = worker.log();
    let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text:?} is not in {log}"));
    assert!(at("a plugin is compiled") < at("the plugin was compiled in"));
    assert!(at("connector odd waits for plugins that are being compiled") < at("connector source created"));
    assert!(at("connector source created") < at("connector odd created"));
    assert!(worker.terminate().success());

    // The next start finds it compiled.
    let worker = Worker::start(folder.path(), &plugins, &[odd_source]);
    assert_eq!(worker.log().matches("a plugin is compiled").count(), 1);
}

#[test]
fn a_file_that_is_no_plugin_is_spoken_of_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugins");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("text.wasm"), "hello").unwrap();
    let worker = Worker::start(folder.path(), &format!("plugin.path={}", path.display()), &[]);
    eventually("the file is spoken of", || worker.log().contains("text.wasm").then_some(()));
    let answer =
        worker.request("PUT", "/connector-plugins/Nothing/config/validate", Some(r#"{"connector.class":"Nothing"}"#));
    assert!(answer.body.contains("Failed to find any class"), "by then nothing is looked at any more: {}", answer.body);
    let log = worker.log();
    let problems: Vec<&str> = log.lines().filter(|line| line.contains("it is not a WebAssembly component")).collect();
    assert_eq!(problems.len(), 1, "{log}");
}

#[test]
fn headers_are_converted_by_plugins_on_the_way_in_and_out() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.txt");
    fs::write(&input, "line\n").unwrap();
    let odd_headers =
        |behaviour: &str| format!("header.converter=OddHeaderConverter\nheader.converter.behaviour={behaviour}");
    let source = |name: &str, literal: &str, more: &str| {
        format!(
            "name={name}\nconnector.class=FileStreamSource\nfile={}\ntopic={name}\ntransforms=add\n\
             transforms.add.type=org.apache.kafka.connect.transforms.InsertHeader\n\
             transforms.add.header=h\ntransforms.add.value.literal={literal}\n{more}",
            input.display()
        )
    };
    let sink = |name: &str, topic: &str, more: &str| {
        let file = folder.path().join(name);
        format!("name={name}\nconnector.class=FileStreamSink\nfile={}\ntopics={topic}\n{more}", file.display())
    };
    let tolerant = |behaviour: &str| format!("{}\nerrors.tolerance=all", odd_headers(behaviour));
    let worker = Worker::start(
        folder.path(),
        &format!("plugin.path={}", odd().display()),
        &[
            &source("marked", "text", &odd_headers("good")),
            &source("bare", "text", ""),
            // A number, which the converter refuses.
            &source("refused", "7", &odd_headers("good")),
            &source("broken", "text", &odd_headers("panic")),
            &sink("reads-marked", "marked", &odd_headers("good")),
            &sink("reads-bare", "bare", &odd_headers("good")),
            &sink("skips-bare", "bare,marked", &tolerant("good")),
            &sink("breaks", "marked", &tolerant("panic")),
        ],
    );
    // What the one converter has marked is what the other reads, and nothing else.
    await_content(&folder.path().join("reads-marked"), "line\n");
    await_content(&folder.path().join("skips-bare"), "line\n");
    let stage = "HEADER_CONVERTER by header.converter (org.millstream.odd.OddHeaderConverter)";
    for name in ["reads-bare", "refused"] {
        let trace = worker.failed_trace(name);
        assert!(trace.contains(stage) && trace.contains("no marked text"), "{name}: {trace}");
    }
    // A broken plugin is no matter of one record: no tolerance keeps the task going.
    for name in ["broken", "breaks"] {
        let trace = worker.failed_trace(name);
        assert!(trace.contains("OddHeaderConverter") && trace.contains("odd on purpose"), "{name}: {trace}");
    }
}

/// Puts the hostile guest into a folder in versions of its own, of three letters each.
fn odd_versions(folder: &Path, versions: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    let guest = fs::read(odd().join("odd.wasm")).unwrap();
    let said = br#""version":"1.0""#;
    let places: Vec<usize> = (0..guest.len() - said.len()).filter(|at| guest[*at..].starts_with(said)).collect();
    assert!(!places.is_empty(), "the guest says its version");
    for version in versions {
        let mut guest = guest.clone();
        for at in &places {
            guest[*at..*at + said.len()].copy_from_slice(format!(r#""version":"{version}""#).as_bytes());
        }
        fs::write(folder.join(format!("odd-{version}.wasm")), guest).unwrap();
    }
}

#[test]
fn versions_of_a_connector_run_side_by_side_and_a_new_configuration_changes_them() {
    const CLASS: &str = "org.millstream.odd.OddSourceConnector";
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    odd_versions(&plugins, &["1.0", "1.9", "2.0"]);
    let worker = Worker::start(folder.path(), &format!("plugin.path={}\n", plugins.display()), &[]);
    let put = |path: &str, config: &serde_json::Value| worker.request("PUT", path, Some(&config.to_string()));
    let config = |version: Option<&str>| {
        let mut config = json!({"connector.class": "OddSource", "topic": "t", "behaviour": "wait"});
        if let Some(version) = version {
            config["connector.plugin.version"] = json!(version);
        }
        config
    };
    let runs = |name: &str, version: &str| {
        eventually(&format!("{name} runs as {version}"), || {
            let status = worker.status(name);
            let is = |of: &serde_json::Value| of["state"] == "RUNNING" && of["version"] == version;
            (is(&status["connector"]) && is(&status["tasks"][0])).then_some(())
        });
    };
    for (name, asked, version) in
        [("old", Some("1.0"), "1.0"), ("range", Some("[1.0,2.0)"), "1.9"), ("new", None, "2.0")]
    {
        let answer = put(&format!("/connectors/{name}/config"), &config(asked));
        assert_eq!(answer.status, 201, "{}", answer.body);
        runs(name, version);
    }
    let listed = worker.get("/connector-plugins").json();
    let listed: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .filter(|plugin| plugin["class"] == CLASS)
        .filter_map(|plugin| plugin["version"].as_str())
        .collect();
    assert_eq!(listed, ["1.0", "1.9", "2.0"]);

    assert_eq!(put("/connectors/old/config", &config(Some("2.0"))).status, 200);
    runs("old", "2.0");
    let missing =
        format!("Plugin {CLASS} not found that matches the version range [3,3], available versions: [1.0, 1.9, 2.0]");
    let refused = put("/connectors/old/config", &config(Some("3"))).json();
    let message = format!(
        "Connector configuration is invalid and contains the following 2 error(s):\n{missing}\n{missing}\nYou can also find the above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`"
    );
    assert_eq!(refused, json!({"error_code": 400, "message": message}));
    let refused = put("/connectors/old/config", &config(Some("[3"))).json();
    assert_eq!(refused, json!({"error_code": 400, "message": "Unbounded range: [3"}));
    runs("old", "2.0");

    for (query, status, message) in [
        ("OddSource/config?version=1.9", 200, None),
        ("OddSource/config?version=latest", 200, None),
        ("OddSource/config?version=3", 400, Some(missing.as_str())),
        ("OddSource/config?version=%5B1", 400, Some("Invalid version specification: [1")),
        ("Nope/config?version=1", 404, Some("Unknown plugin Nope.")),
    ] {
        let answer = worker.get(&format!("/connector-plugins/{query}"));
        assert_eq!((answer.status, answer.json()["message"].as_str()), (status, message), "{query}");
    }
}
