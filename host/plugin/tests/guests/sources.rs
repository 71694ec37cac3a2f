//! Sources and what they may do to the host: nothing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_connector::{AcknowledgedRow, ErrorKind, Link, PluginError, PluginKind, Plugins};
use millstream_metrics::{Labels, Metrics, Value};
use millstream_plugin::Allowed;

use crate::support::{
    LIMITS, SOURCE, Worker, config, limits, open_below, plugins, plugins_with, polled, reason, source, task, texts,
};

#[tokio::test]
async fn a_source_polls_batches_and_hears_what_became_of_its_rows() {
    let plugins = plugins().await;
    let mut source = source(&plugins, &[("behaviour", "lines")]).await;
    let batch = source.poll(LIMITS).await.unwrap().unwrap();
    assert_eq!(batch.rows(), 100);
    let batch = source.poll(LIMITS).await.unwrap().unwrap();
    assert_eq!(texts(&batch)[0], "line 100");
    let rows = [AcknowledgedRow { row: 0, position: Some((3, 4)) }, AcknowledgedRow { row: 1, position: None }];
    source.committed(&batch, &rows).await.unwrap();
    let heard = source.poll(LIMITS).await.unwrap().unwrap();
    assert_eq!(texts(&heard), [r#"Some("lines") Some(3) Some(4); Some("lines") None None"#]);
    source.commit().await.unwrap();
    source.stop().await.unwrap();
}

#[tokio::test]
async fn each_way_to_break_has_its_own_reason() {
    let plugins = plugins().await;
    let expected = [
        ("panic", "panicked or trapped", "odd on purpose"),
        ("loop", "ran longer than 300 ms (plugin.call.timeout.ms), in poll", ""),
        ("loop after a wait", "ran longer than 300 ms (plugin.call.timeout.ms), in poll", ""),
        ("memory", "used more than 32 MiB of memory (plugin.memory.max.bytes), in poll", ""),
        ("endless log", "ran longer than 300 ms (plugin.call.timeout.ms), in poll", ""),
        ("deep", "called itself too deeply: the stack in its own memory is used up", ""),
        ("exit", "ended its own process, saying that it failed (with which status is not passed on)", ""),
        ("garbage", "broke the plugin contract: handed over a damaged batch", ""),
        ("overlap", "handed over a damaged batch", "overlap"),
        ("huge", "handed over too large a batch", "rows"),
        ("origins", "polled a batch with origins, which only the host knows", ""),
    ];
    for (behaviour, beginning, detail) in expected {
        let reason = reason(&plugins, behaviour).await;
        assert!(reason.contains(beginning) && reason.contains(detail), "{behaviour}: {reason}");
    }
}

#[tokio::test]
async fn a_source_task_says_where_its_transactions_end_if_it_may() {
    let plugins = plugins().await;
    let asked = async |behaviour: &str, ends_transactions: bool| {
        let worker = Arc::new(Worker::which_ends_transactions(ends_transactions));
        let mut source = plugins.source_task(&SOURCE.into(), &task(), worker.clone()).await.unwrap();
        source.start(&config(&[("behaviour", behaviour)])).await.unwrap();
        let rows = texts(&source.poll(LIMITS).await.unwrap().expect("rows"));
        let mut asked = worker.asked.lock().unwrap().clone();
        (rows, asked.pop())
    };
    let (rows, said) = asked("transactions", true).await;
    assert_eq!(rows, ["kept 2", "aborted 2", "kept too 2"], "behind the stored offset, 7");
    assert_eq!(said.as_deref(), Some("Commit Some(0), Abort Some(1), Commit None"));
    assert_eq!(asked("many boundaries", true).await, (vec!["true".to_owned()], Some("Commit Some(0)".to_owned())));
    assert_eq!(asked("many boundaries", false).await, (vec!["false".to_owned()], None));
}

#[tokio::test]
async fn more_bytes_than_a_batch_may_have_are_not_even_copied() {
    let plugins = plugins_with(millstream_plugin::PluginLimits { memory_max: 256 << 20, ..limits() }).await;
    let reason = reason(&plugins, "too much").await;
    assert!(reason.contains("handed over more than 64 MiB in one call"), "{reason}");
}

#[tokio::test]
async fn what_a_plugin_reports_leaves_its_instance_alive() {
    let plugins = plugins().await;
    let mut source = source(&plugins, &[("behaviour", "report")]).await;
    for _ in 0..3 {
        match source.poll(LIMITS).await {
            Err(PluginError::Reported(failure)) => {
                assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Retriable, "not yet"));
                assert_eq!(failure.class, "org.apache.kafka.connect.errors.RetriableException");
                assert_eq!(failure.causes, ["java.lang.Exception: deeper"]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_broken_instance_is_never_entered_again() {
    let plugins = plugins().await;
    let mut source = source(&plugins, &[("behaviour", "panic")]).await;
    assert!(source.poll(LIMITS).await.is_err());
    match source.poll(LIMITS).await {
        Err(PluginError::Broken { reason, .. }) => {
            assert!(reason.contains("discarded after an earlier fault"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_that_was_given_up_poisons_the_instance() {
    let plugins = plugins().await;
    let mut source = source(&plugins, &[("behaviour", "wait")]).await;
    let given_up = tokio::time::timeout(Duration::from_millis(20), source.poll(LIMITS)).await;
    assert!(given_up.is_err());
    match source.poll(LIMITS).await {
        Err(PluginError::Broken { reason, .. }) => assert!(reason.contains("was given up"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_looping_neighbour_changes_nothing_about_a_task() {
    // One thread for both: only a guest that gives way lets the other one run.
    let plugins = plugins().await;
    let mut alone = source(&plugins, &[("behaviour", "lines")]).await;
    let mut expected = Vec::new();
    for _ in 0..50 {
        expected.extend(texts(&alone.poll(LIMITS).await.unwrap().unwrap()));
    }
    let mut neighbour = source(&plugins, &[("behaviour", "lines")]).await;
    let mut looping = source(&plugins, &[("behaviour", "loop")]).await;
    let beside = async {
        let (begin, mut found) = (Instant::now(), Vec::new());
        for _ in 0..50 {
            found.extend(texts(&neighbour.poll(LIMITS).await.unwrap().unwrap()));
            tokio::task::yield_now().await;
        }
        (found, begin.elapsed())
    };
    let looped = async {
        let begin = Instant::now();
        (looping.poll(LIMITS).await, begin.elapsed())
    };
    let ((looped, looped_for), (found, _)) = tokio::join!(looped, beside);
    assert!(matches!(looped, Err(PluginError::Broken { .. })), "{looped:?}");
    assert!(Duration::from_millis(250) < looped_for, "{looped_for:?}");
    assert_eq!(found, expected);
}

#[tokio::test]
async fn hostile_neighbours_change_nothing_about_what_a_task_makes() {
    let plugins = plugins().await;
    let suffix = Link { class: "Suffix".into(), config: config(&[("suffix", "!")]), condition: None };
    let mut source_task = source(&plugins, &[("behaviour", "lines")]).await;
    let mut chain = plugins.chain(&task(), &[suffix]).await.ok().unwrap();
    let mut found = Vec::new();
    let mut rounds = 0;
    let at_source = [
        "panic",
        "loop",
        "memory",
        "deep",
        "exit",
        "log flood",
        "endless log",
        "stderr flood",
        "garbage",
        "overlap",
        "huge",
        "origins",
        "many files",
    ];
    let in_chain = ["panic", "loop", "memory", "overlap", "huge", "forge", "vanish", "both", "beyond", "other link"];
    let in_put = ["panic", "loop", "memory", "report twice", "report beyond"];
    let neighbours = at_source
        .map(|behaviour| (PluginKind::Source, behaviour))
        .into_iter()
        .chain(in_chain.map(|behaviour| (PluginKind::Transform, behaviour)))
        .chain(in_put.map(|behaviour| (PluginKind::Sink, behaviour)));
    for (kind, behaviour) in neighbours {
        let batch = source_task.poll(LIMITS).await.unwrap().unwrap();
        let settings = config(&[("behaviour", behaviour)]);
        let ended = match kind {
            PluginKind::Source => polled(&plugins, behaviour).await.map(|_| ()),
            PluginKind::Transform => {
                let link = Link { class: "OddTransform".into(), config: settings, condition: None };
                let mut hostile = plugins.chain(&task(), &[link]).await.ok().unwrap();
                hostile.apply(&batch).await.map(|_| ())
            }
            _ => {
                let mut hostile = plugins.sink_task(&"OddSink".into(), &task(), Worker::new()).await.unwrap();
                hostile.start(&settings).await.unwrap();
                hostile.put(&batch).await
            }
        };
        // Floods are cut off and opened files counted: these need not end an instance.
        let may_live = ["log flood", "stderr flood", "many files"].contains(&behaviour);
        assert!(may_live || matches!(ended, Err(PluginError::Broken { .. })), "{kind:?} {behaviour}: {ended:?}");
        found.extend(texts(&chain.apply(&batch).await.unwrap().batch));
        rounds += 1;
    }
    let expected: Vec<String> = (0..rounds * 100).map(|number| format!("line {number}!")).collect();
    assert_eq!(found, expected);
}

/// Keeps what reaches the host's log: the message of each line.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<String>>>);

impl tracing::field::Visit for Logged {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl tracing::Subscriber for Logged {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "plugin"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_flood_of_lines_is_cut_off_at_the_rate_and_what_is_missing_is_counted_to_the_last_line() {
    let log = Logged::default();
    // With one subscriber alone, a line that another test's thread writes first is asked of that thread's, which has none,
    // and is silent from then on for all.
    let _another = tracing::Dispatch::new(Logged::default());
    let _guard = tracing::subscriber::set_default(log.clone());
    let call_timeout = Duration::from_secs(60);
    let plugins = plugins_with(millstream_plugin::PluginLimits { log_rate: 50, call_timeout, ..limits() }).await;
    for (behaviour, lines) in [("log flood", 100_000), ("stderr flood", 10_000)] {
        log.0.lock().unwrap().clear();
        let begin = Instant::now();
        polled(&plugins, behaviour).await.unwrap();
        let messages = std::mem::take(&mut *log.0.lock().unwrap());
        let logged = messages.len();
        // As many as fit into the time it took, one second ahead, each with a line on how many were dropped.
        let most = 2 * 50 * (2 + begin.elapsed().as_secs() as usize);
        assert!(0 < logged && logged <= most && most < lines, "{behaviour}: {logged} of {lines} lines, at most {most}");
        let dropped =
            |line: &String| line.split_once(" lines of this plugin were dropped here")?.0.parse::<usize>().ok();
        let missing: usize = messages.iter().filter_map(dropped).sum();
        let there = messages.iter().filter(|line| line.ends_with(" of a flood")).count();
        assert_eq!(there + missing, lines, "{behaviour}");
    }
}

#[tokio::test]
async fn waiting_does_not_count_as_computing() {
    let plugins =
        plugins_with(millstream_plugin::PluginLimits { call_timeout: Duration::from_millis(100), ..limits() }).await;
    assert_eq!(polled(&plugins, "wait").await.unwrap(), ["stopped false"]);
    assert_eq!(polled(&plugins, "short waits").await.unwrap(), ["waited"]);
    assert_eq!(polled(&plugins, "sleep").await.unwrap(), ["slept"]);
}

#[tokio::test]
async fn waiting_has_a_limit_of_its_own() {
    let limits = millstream_plugin::PluginLimits {
        call_timeout: Duration::from_millis(100),
        host_wait_timeout: Duration::from_millis(100),
        ..limits()
    };
    let plugins = plugins_with(limits).await;
    for behaviour in ["wait", "sleep"] {
        let reason = reason(&plugins, behaviour).await;
        assert!(reason.contains("waited for the host longer than 100 ms (plugin.host.call.timeout.ms)"), "{reason}");
    }
}

#[tokio::test]
async fn a_wait_ends_when_the_task_is_to_stop() {
    let plugins = plugins().await;
    let worker = Worker::new();
    let mut source = plugins.source_task(&SOURCE.into(), &task(), worker.clone()).await.unwrap();
    source.start(&config(&[("behaviour", "wait")])).await.unwrap();
    worker.stop();
    // A wait that goes on reaches its limit, which is an error.
    let batch =
        source.poll(millstream_connector::PollLimits { max_wait_ms: 300_000, ..LIMITS }).await.unwrap().unwrap();
    assert_eq!(texts(&batch), ["stopped true"]);
}

#[tokio::test]
async fn a_guest_sees_no_environment_no_files_and_no_network() {
    let plugins = plugins().await;
    let found = polled(&plugins, "look around").await.unwrap();
    assert_eq!(found, ["env 0, file false, write false, socket false"]);
}

#[tokio::test]
async fn a_guest_is_told_the_workers_time_zone_and_nothing_else() {
    let zone = Some("CET-1CEST,M3.5.0,M10.5.0/3".to_owned());
    let plugins = plugins_with(millstream_plugin::PluginLimits { time_zone: zone, ..limits() }).await;
    let found = polled(&plugins, "look around").await.unwrap();
    assert_eq!(found, ["env 1, file false, write false, socket false"]);
}

#[tokio::test]
async fn a_source_rests_until_its_file_grows() {
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.txt");
    std::fs::write(&path, "").unwrap();
    let mut resting = source(&plugins, &[("behaviour", "rest"), ("file", path.to_str().unwrap())]).await;
    assert!(resting.rest().is_none(), "nothing was said yet");
    assert!(resting.poll(LIMITS).await.unwrap().is_none());
    let rest = resting.rest().expect("said");
    assert!(resting.rest().is_none(), "it was said once");
    // Neither a call nor a time limit is under way meanwhile.
    resting.commit().await.unwrap();
    let rest = tokio::spawn(rest);
    std::fs::write(&path, "hello\n").unwrap();
    tokio::time::timeout(Duration::from_secs(60), rest).await.expect("long before its time").unwrap();
    assert_eq!(texts(&resting.poll(LIMITS).await.unwrap().unwrap()), ["6"]);
    assert!(resting.rest().is_none(), "there were records");
    let mut device = source(&plugins, &[("behaviour", "rest"), ("file", "/dev/null")]).await;
    assert_eq!(texts(&device.poll(LIMITS).await.unwrap().unwrap()), ["0"], "the host cannot tell");
}

#[tokio::test]
async fn a_key_opens_the_file_it_names_and_no_other() {
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.txt");
    let path = path.to_str().unwrap();
    let mut missing = source(&plugins, &[("behaviour", "read file"), ("file", path)]).await;
    assert_eq!(texts(&missing.poll(LIMITS).await.unwrap().unwrap()), ["missing"]);
    std::fs::write(path, "hello\n").unwrap();
    let found = texts(&missing.poll(LIMITS).await.unwrap().unwrap());
    let denial = "the key behaviour opens no file: its definition does not say so";
    assert_eq!(found, [format!("hello Some({denial:?})")]);

    let out = folder.path().join("out.txt");
    let mut writer = source(&plugins, &[("behaviour", "write file"), ("out", out.to_str().unwrap())]).await;
    assert_eq!(texts(&writer.poll(LIMITS).await.unwrap().unwrap()), ["Some(8)"]);
    assert_eq!(std::fs::read_to_string(out).unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn a_guest_that_keeps_too_many_files_open_is_told_how_many_it_may_have() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.txt");
    std::fs::write(&path, "hello\n").unwrap();
    let plugins = plugins().await;
    let settings = [("behaviour", "many files"), ("file", path.to_str().unwrap())];
    match source(&plugins, &settings).await.poll(LIMITS).await {
        Err(PluginError::Broken { reason, .. }) => {
            assert!(reason.contains("kept more than 1000 files and other objects of the host open"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(open_below(folder.path()), 0, "they are closed with it");
}

#[tokio::test]
async fn a_file_outside_of_the_allowed_folders_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(folder.path().join("secret"), "x").unwrap();
    let plugins = plugins_with(millstream_plugin::PluginLimits {
        allowed: Allowed { files: Some(Arc::from([inside.clone()])), ..Allowed::default() },
        ..limits()
    })
    .await;
    let secret = inside.join("../secret");
    let mut source = source(&plugins, &[("behaviour", "read file"), ("file", secret.to_str().unwrap())]).await;
    match source.poll(LIMITS).await {
        Err(PluginError::Reported(failure)) => {
            assert!(failure.message.contains("outside of what the worker allows (plugin.allow.files)"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_outside_of_the_allowed_folders_is_named_when_the_configuration_is_validated() {
    let folder = tempfile::tempdir().unwrap();
    let allowed = Allowed { files: Some(Arc::from([folder.path().to_owned()])), ..Allowed::default() };
    let plugins = plugins_with(millstream_plugin::PluginLimits { allowed, ..limits() }).await;
    let mut connector = plugins.connector(&SOURCE.into(), "odd", Worker::new()).await.unwrap();
    let inside = folder.path().join("in.txt").display().to_string();
    let settings = [("behaviour", "lines"), ("file", inside.as_str()), ("out", "/etc/hostname")];
    let found = connector.validate(&config(&settings)).await.unwrap();
    let refused = found.iter().find(|(key, _)| key == "out").expect("the key is named");
    assert!(refused.1[0].starts_with("Invalid value /etc/hostname for configuration out: "), "{refused:?}");
    assert!(refused.1[0].contains("plugin.allow.files"), "{refused:?}");
    assert!(found.iter().all(|(key, _)| key != "file"), "{found:?}");
}

#[tokio::test]
async fn stored_offsets_come_from_the_worker() {
    let plugins = plugins().await;
    assert_eq!(polled(&plugins, "offsets").await.unwrap(), [r#"[Some("{\"position\":7}"), None]"#]);
}

#[tokio::test]
async fn connectors_configure_tasks_and_talk_to_the_worker() {
    let plugins = plugins().await;
    let worker = Worker::new();
    let mut connector = plugins.connector(&"OddSource".into(), "odd", worker.clone()).await.unwrap();
    assert_eq!(
        connector.validate(&config(&[("behaviour", "bad")])).await.unwrap(),
        [("behaviour".to_owned(), vec!["is bad".to_owned()])]
    );
    connector.start(&config(&[("behaviour", "reconfigure")])).await.unwrap();
    assert_eq!(*worker.asked.lock().unwrap(), ["reconfigure", "raise raised on purpose"]);
    let configs = connector.task_configs(2).await.unwrap();
    assert_eq!(configs[1], config(&[("behaviour", "reconfigure"), ("task", "1")]));
    connector.start(&config(&[("behaviour", "again")])).await.unwrap();
    connector.task_configs(1).await.unwrap();
    let asked = async {
        while worker.asked.lock().unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), asked)
        .await
        .expect("task configurations are asked for again");
    assert_eq!(worker.asked.lock().unwrap().last().map(String::as_str), Some("reconfigure"));
    let mut refusing = plugins.connector(&"OddSinkConnector".into(), "odd", worker.clone()).await.unwrap();
    assert!(matches!(refusing.start(&config(&[("behaviour", "refuse")])).await, Err(PluginError::Reported(_))));
    assert!(matches!(refusing.validate(&config(&[("behaviour", "no json")])).await, Err(PluginError::Broken { .. })));
}

#[tokio::test]
async fn memory_is_given_back_and_runs_out_with_a_reason() {
    let memory_total_max = 8 << 20;
    let plugins = plugins_with(millstream_plugin::PluginLimits { memory_total_max, ..limits() }).await;
    for _ in 0..20 {
        assert!(polled(&plugins, "panic").await.is_err());
    }
    let mut alive = Vec::new();
    let full = loop {
        match plugins.source_task(&SOURCE.into(), &task(), Worker::new()).await {
            Ok(source) => alive.push(source),
            Err(error) => break error,
        }
        assert!(alive.len() <= 8);
    };
    let expected =
        "found no memory left: all plugins of this worker together may hold 8 MiB (plugin.memory.total.max.bytes)";
    assert!(full.to_string().contains(expected), "{full}");
    alive.pop();
    assert!(polled(&plugins, "lines").await.is_ok());
    // One that runs already may not take the rest either.
    let reason = reason(&plugins, "memory").await;
    assert!(reason.contains("plugin.memory.total.max.bytes"), "{reason}");
}

#[tokio::test]
async fn a_panic_of_the_host_itself_ends_the_instance_alone() {
    struct Broken;

    #[async_trait::async_trait]
    impl millstream_connector::SourceContext for Broken {
        async fn read_offsets(&self, _: Vec<String>) -> Result<Vec<Option<String>>, millstream_connector::Failure> {
            panic!("the offset store is upside down")
        }
        fn is_stopping(&self) -> bool {
            false
        }
        async fn stopped(&self) {
            std::future::pending().await
        }
    }

    let plugins = plugins().await;
    let mut source = plugins.source_task(&SOURCE.into(), &task(), Arc::new(Broken)).await.unwrap();
    source.start(&config(&[("behaviour", "offsets")])).await.unwrap();
    match source.poll(LIMITS).await {
        Err(PluginError::Broken { reason, .. }) => {
            let expected =
                "ran into a fault of the host itself, which is to be reported: the offset store is upside down";
            assert!(reason.starts_with(expected), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(polled(&plugins, "lines").await.is_ok());
}

#[tokio::test]
async fn what_an_instance_uses_is_counted_while_it_is_there() {
    let metrics = Metrics::default();
    let plugins = plugins().await.counted_by(metrics.clone());
    let counted = |instrument: &str| {
        let readings = metrics.read();
        let [reading] = &readings[..] else { panic!("{readings:?}") };
        reading.values.iter().find(|(name, _)| *name == instrument).map(|(_, value)| value.clone()).unwrap()
    };
    let mut lines = source(&plugins, &[("behaviour", "lines")]).await;
    lines.poll(LIMITS).await.unwrap();
    assert_eq!(metrics.read()[0].labels, Labels::connector("odd").and("plugin", SOURCE).and("task", "0"));
    // Create, start and poll.
    assert_eq!((counted("calls"), counted("instances")), (Value::Total(3), Value::Total(1)));
    assert_eq!((counted("faults"), counted("lines_dropped")), (Value::Total(0), Value::Total(0)));
    assert!(matches!(counted("cpu_time"), Value::Total(1..)), "{:?}", counted("cpu_time"));
    assert!(matches!(counted("memory"), Value::Current(65_536..)), "{:?}", counted("memory"));

    // A second instance of the same task counts in the same place, and gives back what it held.
    let held = counted("memory");
    assert!(polled(&plugins, "panic").await.is_err());
    assert_eq!((counted("instances"), counted("faults")), (Value::Total(2), Value::Total(1)));
    assert_eq!(counted("memory"), held);
    drop(lines);
    assert!(metrics.read().is_empty());
}
