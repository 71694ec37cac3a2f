//! Lines as they are written, of what is logged.

use millstream_config::secrets::{self, Secrets};
use millstream_runtime::log_context;
use serde_json::{Map, json};
use tracing::Instrument as _;
use tracing_subscriber::{layer::SubscriberExt as _, registry};

use super::*;

/// What is written while something is done, and where it went.
fn written(json: bool, work: impl FnOnce()) -> (Vec<String>, Arc<Lines>) {
    let text = Arc::<Mutex<String>>::default();
    let to = Arc::clone(&text);
    let lines = Arc::new(Lines::to(move |line| held(&to).push_str(line)));
    lines.set_json(json);
    tracing::subscriber::with_default(registry().with(Written(Arc::clone(&lines))), work);
    let text = held(&text).lines().map(str::to_owned).collect();
    (text, lines)
}

fn object(line: &str) -> Map<String, Value> {
    let mut line: Map<String, Value> = serde_json::from_str(line).unwrap();
    assert!(line.remove("timestamp").is_some() && line.remove("thread").is_some());
    line
}

const ALL: LogQuery = LogQuery { task: None, level: Level::TRACE, since_ms: None, after: 0, limit: 1000 };

#[test]
fn a_plain_line_has_time_level_text_and_fields() {
    let (lines, _) = written(false, || tracing::info!(connector = "c", records = 3, why = %"no", "batch sent"));
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let (_, rest) = line.split_once(' ').unwrap();
    assert_eq!(rest, " INFO batch sent connector=\"c\" records=3 why=no");
}

#[test]
fn a_line_in_json_is_an_object_with_the_same() {
    let work = || {
        tracing::warn!(target: "millstream_runtime::sink_task::raw", connector = "c", level = 3, "a \"quoted\"\nline");
        tracing::info!(target: "plugin", connector = "c", plugin = "org.example.Source", "its own");
    };
    let (lines, _) = written(true, work);
    let expected = [
        json!({
            "level": "WARN", "logger": "org.apache.kafka.connect.runtime.WorkerSinkTask", "connector": "c",
            "message": "a \"quoted\"\nline", "field.level": 3,
        }),
        json!({
            "level": "INFO", "logger": "org.example.Source", "connector": "c", "message": "its own",
            "plugin": "org.example.Source",
        }),
    ];
    assert_eq!(lines.iter().map(|line| Value::Object(object(line))).collect::<Vec<_>>(), expected);
}

#[test]
fn a_line_within_a_task_has_its_context_and_is_kept() {
    let work = || {
        let task = log_context::of_task("c", 3);
        task.in_scope(|| {
            tracing::info!(target: "plugin", connector = "c", task = 3, plugin = "X", "one");
            log_context::of_offsets("c", 3).in_scope(|| tracing::warn!(task = %"c-3", n = 1, "two"));
        });
        log_context::of_connector("c").in_scope(|| tracing::info!("three"));
        log_context::of_validation("c").in_scope(|| tracing::info!("four"));
        tracing::info!(connector = "c", "of nobody's work");
    };
    let (lines, kept) = written(false, work);
    let rest: Vec<&str> = lines.iter().map(|line| line.split_once(' ').unwrap().1).collect();
    let expected = [
        " INFO [c|task-3] one plugin=\"X\"",
        " WARN [c|task-3|offsets] two n=1",
        " INFO [c|worker] three",
        " INFO [c|validate] four",
        " INFO of nobody's work connector=\"c\"",
    ];
    assert_eq!(rest, expected);
    let read = kept.read("c", &ALL);
    let messages: Vec<&Value> = read.lines.iter().map(|line| &line["message"]).collect();
    assert_eq!(messages, ["one", "two", "three", "four"]);
    assert_eq!((&read.lines[1]["task"], &read.lines[1]["context"]), (&json!(3), &json!("[c|task-3|offsets]")));
}

#[tokio::test]
async fn what_a_task_spawns_has_its_context() {
    let text = Arc::<Mutex<String>>::default();
    let to = Arc::clone(&text);
    let lines = Arc::new(Lines::to(move |line| held(&to).push_str(line)));
    let _guard = tracing::subscriber::set_default(registry().with(Written(lines)));
    async {
        tokio::spawn(async { tracing::info!("by its child") }.in_current_span()).await.unwrap();
    }
    .instrument(log_context::of_task("c", 0))
    .await;
    assert!(held(&text).contains(" INFO [c|task-0] by its child\n"), "{}", held(&text));
}

#[test]
fn no_line_shows_a_secret_of_the_connector_that_it_is_about() {
    let kept = secrets::keep("masked", &Secrets::of(["hunter2"]));
    let work = || {
        log_context::of_task("masked", 0).in_scope(|| {
            tracing::info!(target: "plugin", connector = "masked", with = "hunter2", "login with hunter2");
        });
        tracing::warn!(connector = "masked", error = %"hunter2 refused", "failed");
        tracing::warn!("about nobody: hunter2");
    };
    for json in [false, true] {
        let (lines, log) = written(json, work);
        assert_eq!(lines.len(), 3);
        assert!(!lines.concat().contains("hunter2") && lines.concat().contains("login with [hidden]"), "{lines:#?}");
        let read = log.read("masked", &ALL);
        assert_eq!(read.lines[0]["message"], "login with [hidden]");
    }
    drop(kept);
}

#[test]
fn a_warning_that_comes_again_and_again_is_counted_for_each_connector() {
    let work = || {
        for number in 0..4221 {
            for connector in ["a", "b"] {
                if connector == "a" || number < 10 {
                    log_context::of_task(connector, 0).in_scope(|| tracing::warn!(number, "not reached"));
                }
            }
            if number < 20 {
                tracing::info!("told each time");
                tracing::error!(target: FAILED_RECORDS, "told each time");
                let line = if number % 2 == 0 { "told each time" } else { "told each time, too" };
                tracing::warn!(target: "plugin", plugin = "X", "{line}");
            }
        }
    };
    let (lines, log) = written(false, work);
    let count = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!([count("[a|task-0] not reached"), count("[b|task-0] not reached")], [10, 10]);
    assert_eq!(count("told each time"), 60);
    let told = Arc::<Mutex<String>>::default();
    let to = Arc::clone(&told);
    let repeats = std::mem::replace(&mut *held(&log.repeats), Repeats::new(REPEATS));
    let lines = Lines { repeats: Mutex::new(repeats), ..Lines::to(move |line| held(&to).push_str(line)) };
    lines.tell_repeats(true);
    let told = held(&told).clone();
    assert!(told.contains(" WARN [a|task-0] not reached … repeated 4,211 times in "), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(lines.read("a", &ALL).lines[0]["repeated"], 4211);
}
