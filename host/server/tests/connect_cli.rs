//! `millstream connector` and `millstream migrate` against Kafka Connect 4.3 itself: every verb ends as it does against a
//! worker of ours, in the same words.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use harness::{
    Broker, Worker, eventually, millstream,
    peers::{Connect, have_kafka},
    validated,
};
use serde_json::json;

const NAME: &str = "group.id=connect-workers\n";
const GROUP: &str = "config.storage.topic=configs\noffset.storage.topic=offsets\n\
    status.storage.topic=statuses\noffset.storage.partitions=1\nstatus.storage.partitions=1\n\
    config.storage.replication.factor=1\noffset.storage.replication.factor=1\nstatus.storage.replication.factor=1\n\
    key.converter=org.apache.kafka.connect.storage.StringConverter\n\
    value.converter=org.apache.kafka.connect.storage.StringConverter\noffset.flush.interval.ms=200\n";

/// How a command ended: its code, what it printed, what it said. Addresses and folders stand as words.
#[derive(Clone, Debug, PartialEq)]
struct Ended {
    code: Option<i32>,
    printed: String,
    said: String,
}

/// A worker and the folder that commands about it run in.
struct Side<'a> {
    folder: &'a Path,
    rest: &'a str,
}

impl Side<'_> {
    fn run(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(millstream())
            .args(arguments)
            .current_dir(self.folder)
            .env("MILLSTREAM_URL", format!("http://{}", self.rest))
            .env("XDG_CACHE_HOME", self.folder.join("cache"))
            .env("EDITOR", "sed -i s/^batch.size:.*/batch.size:\\ 9/")
            .env_remove("VISUAL")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let text = text.replace(&self.folder.display().to_string(), "FOLDER");
            // Tables are as wide as what stands in them.
            let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.collect::<Vec<_>>().join("\n").replace(self.rest, "WORKER")
        };
        Ended { code: output.status.code(), printed: text(&output.stdout), said: text(&output.stderr) }
    }

    fn connector(&self, arguments: &[&str]) -> Ended {
        self.run(&[&["connector"], arguments].concat())
    }

    /// A worker of several may be busy with its group for a moment, and a reading may be early.
    fn until(&self, arguments: &[&str], enough: &str) -> Ended {
        eventually(&format!("{arguments:?} prints {enough:?}"), || {
            Some(self.connector(arguments)).filter(|ended| ended.printed.contains(enough))
        })
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    fn in_folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Every verb in turn. What a worker may answer in its own words is left out where it is noted.
fn every_verb(side: &Side<'_>) -> Vec<(String, Ended)> {
    let input = side.in_folder("in.txt");
    fs::write(&input, "one\ntwo\n").unwrap();
    let source =
        format!("name=c\nconnector.class=FileStreamSource\nfile={}\ntopic=lines\nbatch.size=7\n", input.display());
    side.file("c.properties", &source);
    let sink = format!(
        "name: s\nconnector.class: FileStreamSink\nfile: {}\ntopics: lines\n---\n\
         name: bad\nconnector.class: FileStreamSink\nfile: {0}\ntopics: lines\n\
         value.converter: org.apache.kafka.connect.json.JsonConverter\n",
        side.in_folder("out.txt").display()
    );
    side.file("sinks.yaml", &sink);
    side.file("wrong.properties", "name=w\nconnector.class=FileStreamSource\n");
    side.file("unknown.properties", "name=w\nconnector.class=FileStreamSorce\n");
    let offset = ["--partition", &format!("{{\"filename\":\"{}\"}}", input.display()), "--offset", "{\"position\":4}"];
    let mut seen = Vec::new();
    let mut note = |what: &str, ended: Ended| seen.push((what.to_owned(), ended));
    let run = |arguments: &[&str]| side.connector(arguments);

    note("list none", run(&["list"]));
    note("dry run", run(&["apply", "-f", "c.properties", "--dry-run"]));
    note("dry run of what is wrong", run(&["apply", "-f", "wrong.properties", "--dry-run"]));
    note("create", run(&["create", "-f", "c.properties", "--wait"]));
    note("create again", run(&["create", "-f", "c.properties"]));
    note("create what is wrong", run(&["create", "-f", "wrong.properties"]));
    note("apply", run(&["apply", "-f", "c.properties", "--wait"]));
    note("diff", run(&["diff", "-f", "c.properties"]));
    side.file("c.properties", &source.replace("=7", "=8"));
    note("diff of another", run(&["diff", "-f", "c.properties"]));
    note("apply another", run(&["apply", "-f", "c.properties", "--wait"]));
    note("edit", run(&["edit", "c", "--wait"]));
    note("status", run(&["status", "c"]));
    note("status as yaml", run(&["status", "c", "--output", "yaml"]));
    note("describe", side.until(&["describe", "c"], "Topics lines"));
    note("topics", run(&["topics", "c"]));
    note("topics as json", run(&["topics", "c", "--output", "json"]));
    note("forget topics", run(&["topics", "c", "--reset"]));
    note("pause", run(&["pause", "c", "--wait"]));
    note("status when paused", run(&["status", "c"]));
    note("resume", run(&["resume", "c", "--wait"]));
    note("restart", run(&["restart", "c", "--wait"]));
    note("restart what failed", run(&["restart", "c", "--only-failed"]));
    note("restart without tasks", run(&["restart", "c", "--without-tasks", "--wait"]));
    note("restart a task", run(&["restart", "c", "--task", "0", "--wait"]));
    note("restart no task", run(&["restart", "c", "--task", "7"]));
    note("restart a task of none", run(&["restart", "none", "--task", "0"]));
    note("offsets", side.until(&["offsets", "show", "c"], "position"));
    note("offsets as json", run(&["offsets", "show", "c", "--output", "json"]));
    note("set offsets of one that runs", run(&[&["offsets", "set", "c"][..], &offset].concat()));
    note("stop", run(&["stop", "c", "--wait"]));
    note("status when stopped", run(&["status", "c"]));
    note("set offsets", run(&[&["offsets", "set", "c"][..], &offset].concat()));
    note("offsets that were set", run(&["offsets", "show", "c"]));
    note("reset offsets", run(&["offsets", "reset", "c"]));
    // Until Connect has read its own reset, it shows what is gone without an offset.
    let reset = eventually("there is no offset any more", || {
        Some(run(&["offsets", "show", "c"])).filter(|ended| !ended.printed.contains("filename"))
    });
    note("offsets that were reset", reset);
    note("apply sinks", run(&["apply", "-f", "sinks.yaml"]));
    note("sinks", side.until(&["status", "bad"], "FAILED"));
    note("describe the failure", failure_alone(run(&["describe", "bad"])));
    note("wait for what failed", run(&["resume", "bad", "--wait"]));
    note("list", side.until(&["list"], "s sink RUNNING 1/1"));
    note("stop a sink", run(&["stop", "s", "--wait"]));
    note("set a sink's offsets", run(&["offsets", "set", "s", "--at", "lines:0=1"]));
    note("a sink's offsets", run(&["offsets", "show", "s"]));
    note("delete", run(&["delete", "c", "s", "bad", "--wait"]));
    note("delete again", run(&["delete", "c"]));
    note("delete if it is there", run(&["delete", "c", "--if-exists"]));
    for verb in ["status", "describe", "pause", "resume", "stop", "restart"] {
        note(
            &format!("{verb} none"),
            eventually("the deletion is known", || Some(run(&[verb, "none"])).filter(|ended| ended.code != Some(0))),
        );
    }
    note("offsets of none", run(&["offsets", "show", "none"]));
    note("topics of none", run(&["topics", "none"]));
    let mut unknown = run(&["create", "-f", "unknown.properties"]);
    // Which there are differs.
    unknown.said = unknown.said.split(", available").next().unwrap_or_default().to_owned();
    note("create unknown", unknown);
    seen
}

/// Where a record failed only a worker of ours says, and some causes have other words.
fn failure_alone(mut ended: Ended) -> Ended {
    let kept = |line: &&str| line.starts_with("cause:") || line.starts_with("to do:");
    ended.printed = ended.printed.lines().filter(kept).collect::<Vec<_>>().join("\n");
    ended
}

/// What of Connect's connectors would work on a worker of ours, and does.
fn is_judged(connect: &Side<'_>, worker: &Worker, broker: &str) {
    let mirror = json!({
        "name": "mirror", "initial_state": "STOPPED", "config": {
            "connector.class": "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector",
            "source.cluster.alias": "a", "source.cluster.bootstrap.servers": broker,
            "target.cluster.alias": "b", "target.cluster.bootstrap.servers": broker,
        },
    });
    connect.file("mirror.json", &mirror.to_string());
    let input = connect.in_folder("in.txt").display().to_string();
    let fine = json!({"connector.class": "FileStreamSource", "file": input, "topic": "moved", "producer.override.acks": "all"});
    connect.file("fine.json", &json!({"name": "fine", "config": fine}).to_string());
    let made = connect.connector(&["create", "-f", "mirror.json", "fine.json"]);
    assert_eq!(made.code, Some(0), "{}", made.said);

    let url = format!("http://{}", connect.rest);
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let file = format!("key.converter={text}\nvalue.converter={text}\noffset.storage.file.filename=offsets\n");
    connect.file("worker.properties", &file);
    connect.file("strict.properties", &format!("{file}connector.client.config.override.policy=None\n"));
    let judged = connect.run(&["migrate", &url, "--worker", "worker.properties", "--export", "moved"]);
    assert_eq!(judged.code, Some(8), "{}", judged.said);
    let class = "org.apache.kafka.connect.mirror.MirrorHeartbeatConnector";
    for line in ["fine (FileStreamSource): would work", &format!("mirror ({class}): would NOT work")] {
        assert!(judged.printed.lines().any(|printed| printed == line), "{line} in {}", judged.printed);
    }
    assert!(judged.printed.contains(&format!("there is no connector {class} here")), "{}", judged.printed);
    let strict = connect.run(&["migrate", &url, "--worker", "strict.properties"]);
    assert!(strict.printed.contains("fine (FileStreamSource): would NOT work"), "{}", strict.printed);

    let ours = Side { folder: connect.folder, rest: &worker.rest };
    let moved = ours.connector(&["apply", "-f", "moved/fine.json", "--wait"]);
    assert_eq!((moved.code, moved.printed.as_str()), (Some(0), "Created connector fine."), "{}", moved.said);
    assert_eq!(worker.get("/connectors/fine/config").json()["producer.override.acks"], "all");
    assert_eq!(ours.connector(&["delete", "fine", "--wait"]).code, Some(0));
    assert_eq!(connect.connector(&["delete", "fine", "mirror", "--wait"]).code, Some(0));
}

/// Which clients a connector has, and that none of them may be in the group of the workers.
fn overrides_are_validated_alike(connect: &str, worker: &str) {
    let (source, sink) = ("FileStreamSource", "FileStreamSink");
    let overrides =
        [("producer.override.acks", "1"), ("consumer.override.fetch.min.bytes", "1"), ("admin.override.retries", "1")];
    let group = "consumer.override.group.id";
    let letters = ("errors.deadletterqueue.topic.name", "letters");
    for (class, name, more, errors) in [
        (source, "any", &[][..], 0),
        (source, "any", &[("offsets.storage.topic", "own")], 0),
        (
            source,
            "workers",
            &[("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "1")],
            0,
        ),
        (sink, "any", &[], 0),
        (sink, "any", &[letters], 0),
        (sink, "workers", &[], 1),
        (sink, "workers", &[(group, "readers")], 0),
        (sink, "any", &[(group, "connect-workers")], 1),
    ] {
        let mut config = json!({"name": name, "connector.class": class, "file": "f"});
        config[if class == sink { "topics" } else { "topic" }] = json!("lines");
        overrides.iter().chain(more).for_each(|(key, value)| config[*key] = json!(value));
        // Those of one client are in no order in Java.
        let sorted = |rest: &str| {
            let (count, mut names, groups, wrong) = validated(rest, &config);
            names.sort();
            (count, names, groups, wrong)
        };
        let ours = sorted(worker);
        assert_eq!(ours.0, errors, "{config}: {}", ours.3);
        assert_eq!(ours, sorted(connect), "{config}");
    }
}

#[test]
fn every_verb_ends_against_connect_as_it_does_against_a_worker() {
    if !have_kafka() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]);
    let connect =
        Connect::start_distributed(folder.path(), &format!("bootstrap.servers={}\n{NAME}{GROUP}", broker.address));
    let theirs = every_verb(&Side { folder: folder.path(), rest: &connect.rest });
    let own = tempfile::tempdir().unwrap();
    let worker = Worker::start_distributed(own.path(), NAME);
    overrides_are_validated_alike(&connect.rest, &worker.rest);
    is_judged(&Side { folder: folder.path(), rest: &connect.rest }, &worker, &broker.address);
    let ours = every_verb(&Side { folder: own.path(), rest: &worker.rest });
    let mut wrong = Vec::new();
    for ((what, theirs), (_, ours)) in theirs.iter().zip(&ours) {
        if ours != theirs {
            wrong.push(format!("{what}:\nConnect {theirs:#?}\nours {ours:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), theirs.len(), wrong.join("\n"));
}
