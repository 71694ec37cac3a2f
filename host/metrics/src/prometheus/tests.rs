use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::*;
use crate::registry::Metrics;
use crate::shown::Watch;
use crate::state::State;
use crate::table::Statistic;
use crate::{Connector, SourceTask, TaskErrors, TaskStage, Worker, WorkerRebalances};

fn shown(metrics: &Metrics) -> Vec<ShownGroup> {
    Watch::new(metrics.clone(), Default::default()).show(Instant::now())
}

/// The lines about one name; the rate beside a sum begins as it does.
fn lines<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.lines().filter(|line| line.contains(name) && !line.contains("poll_rate")).collect()
}

#[test]
fn names_follow_one_rule_and_none_stands_for_two_things() {
    let mut names = BTreeSet::new();
    for definition in all_groups() {
        for attribute in definition.attributes {
            let name = name(definition, attribute);
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
            assert!(names.insert(name.clone()), "{name} twice");
        }
    }
    for known in [
        "kafka_connect_worker_connector_count",
        "kafka_connect_worker_connector_running_task_count",
        "kafka_connect_worker_rebalance_time_since_last_rebalance_ms",
        "kafka_connect_coordinator_assigned_tasks",
        "kafka_connect_connection_count",
        "kafka_connect_connector_status",
        "kafka_connect_connector_task_running_ratio",
        "kafka_connect_source_task_source_record_poll_total",
        "kafka_connect_task_error_total_record_failures",
        "kafka_connect_app_info_start_time_ms",
        "kafka_consumer_fetch_manager_records_lag_max",
        "kafka_producer_record_send_total",
        "millstream_task_stage_duration_seconds",
        "millstream_plugin_instance_memory_bytes",
    ] {
        assert!(names.contains(known), "{known}");
    }
    // Histograms add ends to their names that nothing else may have.
    for definition in all_groups() {
        for attribute in definition.attributes.iter().filter(|row| row.statistic == Statistic::Buckets) {
            for end in ["_bucket", "_sum", "_count", "_created"] {
                assert!(!names.contains(&format!("{}{end}", name(definition, attribute))));
            }
        }
    }
}

#[test]
fn both_formats_say_the_same_in_their_own_way() {
    let metrics = Metrics::default();
    let source = metrics.group::<SourceTask>(Labels::task("li\"n\\e\ns", 0));
    source.polled.add(3);
    let name = "kafka_connect_source_task_source_record_poll_total";
    let help = "Records that the plugin returned";
    let series = format!(r#"{name}{{connector="li\"n\\e\ns",task="0"}} 3"#);
    let groups = shown(&metrics);
    let plain = page(&groups, &Vec::new(), Format::Plain);
    let expected = [format!("# HELP {name} {help}"), format!("# TYPE {name} counter"), series.clone()];
    assert_eq!(lines(&plain, name), expected);
    let open = page(&groups, &Vec::new(), Format::OpenMetrics);
    let family = name.strip_suffix("_total").unwrap();
    let expected = [format!("# HELP {family} {help}"), format!("# TYPE {family} counter"), series];
    assert_eq!(lines(&open, family), expected);
    assert!(open.ends_with("\n# EOF\n") && !plain.contains("EOF"));
}

#[test]
fn a_sum_whose_name_does_not_end_as_a_counters_keeps_its_name_and_has_no_type() {
    let metrics = Metrics::default();
    let _errors = metrics.group::<TaskErrors>(Labels::task("c", 0));
    let name = "# TYPE kafka_connect_task_error_total_retries ";
    assert_eq!(lines(&page(&shown(&metrics), &Vec::new(), Format::Plain), name), [format!("{name}untyped")]);
    assert_eq!(lines(&page(&shown(&metrics), &Vec::new(), Format::OpenMetrics), name), [format!("{name}unknown")]);
}

#[test]
fn texts_infinities_and_buckets_have_their_forms() {
    let metrics = Metrics::default();
    let connector = metrics.group::<Connector>(Labels::connector("c"));
    connector.state.enter(State::Running, Instant::now());
    let _rebalances = metrics.group::<WorkerRebalances>(Labels::none());
    let stage = metrics.group::<TaskStage>(Labels::task("c", 0).and("stage", "put"));
    stage.time.record(Duration::from_millis(250));
    let page = page(&shown(&metrics), &Vec::new(), Format::Plain);
    let has = |line: &str| assert!(page.lines().any(|known| known == line), "{line} in\n{page}");
    has(r#"kafka_connect_connector_status{connector="c",status="running"} 1"#);
    has("kafka_connect_worker_rebalance_time_since_last_rebalance_ms +Inf");
    has("kafka_connect_worker_rebalance_rebalance_max_time_ms NaN");
    has(r#"millstream_task_stage_duration_seconds_bucket{connector="c",task="0",stage="put",le="0.1"} 0"#);
    has(r#"millstream_task_stage_duration_seconds_bucket{connector="c",task="0",stage="put",le="0.5"} 1"#);
    has(r#"millstream_task_stage_duration_seconds_bucket{connector="c",task="0",stage="put",le="+Inf"} 1"#);
    has(r#"millstream_task_stage_duration_seconds_sum{connector="c",task="0",stage="put"} 0.25"#);
    has(r#"millstream_task_stage_duration_seconds_count{connector="c",task="0",stage="put"} 1"#);
}

#[test]
fn series_beyond_the_limit_are_counted_and_whole_groups_are_left_out_from_the_end_of_the_table() {
    let metrics = Metrics::default();
    let _worker = metrics.group::<Worker>(Labels::none());
    let tasks: Vec<_> = (0..50).map(|task| metrics.group::<TaskErrors>(Labels::task("c", task))).collect();
    let all = limited(shown(&metrics), &mut Vec::new(), usize::MAX);
    let of = |groups: &[ShownGroup]| {
        let exposition = groups.last().expect("how many there are is always shown");
        assert_eq!(exposition.definition.name, Exposition::DEFINITION.name);
        let count = |at: usize| match exposition.attributes[at].1 {
            Shown::Whole(count) => usize::try_from(count).unwrap(),
            ref other => panic!("{other:?}"),
        };
        (count(0), count(1))
    };
    let (series, none) = of(&all);
    assert_eq!((series, none), (12 + 50 * TaskErrors::DEFINITION.attributes.len(), 0));
    let some = limited(shown(&metrics), &mut Vec::new(), 100);
    let (kept, left_out) = of(&some);
    assert!(kept <= 100 && 100 - TaskErrors::DEFINITION.attributes.len() < kept, "{kept}");
    assert_eq!(kept + left_out, series);
    let text = page(&some, &Vec::new(), Format::Plain);
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), kept + 3);
    let count = 3 + kept;
    assert!(text.contains(&format!("kafka_connect_kafka_metrics_count_count {count}\n")), "{count}: {text}");
    assert!(text.contains("kafka_connect_worker_connector_count 0\n"));
    assert!(text.contains(&format!("millstream_exposition_series_left_out {left_out}\n")));
    assert_eq!(of(&limited(shown(&metrics), &mut Vec::new(), 0)), (0, series));
    drop(tasks);
}

#[test]
fn a_caller_gets_the_format_it_likes_better() {
    for (accept, expected) in [
        ("", Format::Plain),
        ("*/*", Format::Plain),
        ("text/plain", Format::Plain),
        ("application/json", Format::Plain),
        ("application/openmetrics-text", Format::OpenMetrics),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
        ("application/openmetrics-text;version=0.0.1;q=0.9,text/plain;q=0.1", Format::Plain),
        ("application/openmetrics-text;version=1.0.0;q=0,*/*", Format::Plain),
        ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5", Format::Plain),
        // Prometheus itself, newer and older.
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Format::OpenMetrics,
        ),
        ("application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Format::Plain),
    ] {
        assert_eq!(Format::accepted([accept]), expected, "{accept}");
    }
    assert_eq!(Format::accepted([]), Format::Plain);
}
