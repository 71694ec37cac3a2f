use super::*;
use crate::Histogram;
use crate::groups::{Connector, GroupMembership, SourceTask, Task, TaskStage, WorkerRebalances};
use crate::state::State;

fn find(groups: &[ShownGroup], group: &str, attribute: &str) -> Option<Shown> {
    let of_group = groups.iter().filter(|shown| shown.definition.name == group);
    let mut attributes = of_group.flat_map(|shown| &shown.attributes);
    attributes.find(|(known, _)| known.name == attribute).map(|(_, shown)| shown.clone())
}

fn number(groups: &[ShownGroup], group: &str, attribute: &str) -> f64 {
    match find(groups, group, attribute) {
        Some(Shown::Number(number)) => number,
        Some(Shown::Whole(whole)) => whole as f64,
        other => panic!("{attribute} of {group} is {other:?}"),
    }
}

#[test]
fn rates_averages_and_extremes_are_those_of_the_window() {
    const GROUP: &str = "source-task-metrics";
    let (metrics, begin) = (Metrics::default(), Instant::now());
    let at = |seconds| begin + Duration::from_secs(seconds);
    let mut watch = Watch::new(metrics.clone(), WindowSettings::default());
    let source = metrics.group::<SourceTask>(Labels::task("c", 0));
    let shown = watch.show(at(0));
    assert!(number(&shown, GROUP, "poll-batch-max-time-ms").is_nan());
    assert!(number(&shown, GROUP, "poll-batch-avg-time-ms").is_nan());
    assert_eq!(number(&shown, GROUP, "source-record-poll-rate"), 0.0);
    source.polled.add(600);
    source.poll_time.record(4);
    source.poll_time.record(8);
    watch.look(at(3));
    source.polled.add(300);
    let shown = watch.show(at(23));
    // What was counted until a look counts at that look: 23 seconds after the window began, and a whole sample more.
    assert_eq!(number(&shown, GROUP, "source-record-poll-rate"), 900.0 / 53.0);
    assert_eq!(number(&shown, GROUP, "source-record-poll-total"), 900.0);
    assert_eq!(number(&shown, GROUP, "poll-batch-max-time-ms"), 8.0);
    assert_eq!(number(&shown, GROUP, "poll-batch-avg-time-ms"), 6.0);
    source.poll_time.record(2);
    watch.look(at(64));
    let shown = watch.show(at(70));
    assert_eq!(number(&shown, GROUP, "poll-batch-max-time-ms"), 2.0, "the longer one is too long ago");
    let shown = watch.show(at(1000));
    assert!(number(&shown, GROUP, "poll-batch-max-time-ms").is_nan());
    assert_eq!(number(&shown, GROUP, "source-record-poll-rate"), 0.0);
    assert_eq!(number(&shown, GROUP, "source-record-poll-total"), 900.0);
}

#[test]
fn a_group_that_was_made_anew_begins_with_an_empty_window() {
    let (metrics, now) = (Metrics::default(), Instant::now());
    let mut watch = Watch::new(metrics.clone(), WindowSettings::default());
    for count in [7, 3] {
        let source = metrics.group::<SourceTask>(Labels::task("c", 0));
        source.polled.add(count);
        let shown = watch.show(now);
        assert_eq!(number(&shown, "source-task-metrics", "source-record-poll-rate"), count as f64 / 30.0);
    }
    watch.look(now);
    assert!(watch.groups.is_empty(), "what has ended takes no room");
}

#[test]
fn shares_are_between_nothing_and_one() {
    let (metrics, now) = (Metrics::default(), Instant::now());
    let mut watch = Watch::new(metrics.clone(), WindowSettings::default());
    let task = metrics.group::<Task>(Labels::task("c", 0));
    let mut shares = || {
        let shown = watch.show(now);
        ["offset-commit-success-percentage", "offset-commit-failure-percentage"]
            .map(|name| number(&shown, "connector-task-metrics", name))
    };
    assert_eq!(shares(), [0.0, 0.0]);
    task.commit_successes.add(3);
    assert_eq!(shares(), [1.0, 0.0]);
    task.commit_failures.add(1);
    assert_eq!(shares(), [0.75, 0.25]);
}

#[test]
fn states_texts_and_times_since_are_shown_as_connect_does() {
    let (metrics, begin) = (Metrics::default(), Instant::now());
    let later = begin + Duration::from_millis(4_500);
    let mut watch = Watch::new(metrics.clone(), WindowSettings::default());
    let connector = metrics.group::<Connector>(Labels::connector("c"));
    let rebalances = metrics.group::<WorkerRebalances>(Labels::none());
    let member = metrics.group::<GroupMembership>(Labels::client("m"));
    let shown = watch.show(begin);
    assert_eq!(find(&shown, "connector-metrics", "status"), None, "it has none yet");
    assert_eq!(find(&shown, "connector-metrics", "connector-class"), None);
    let since = "time-since-last-rebalance-ms";
    assert_eq!(number(&shown, "connect-worker-rebalance-metrics", since), f64::INFINITY);
    assert_eq!(number(&shown, "consumer-coordinator-metrics", "last-heartbeat-seconds-ago"), -1.0);
    connector.state.enter(State::Paused, begin);
    connector.class.set("org.example.C");
    rebalances.last.set(begin);
    member.last_heartbeat.set(begin);
    member.rebalances.add(2);
    let shown = watch.show(later);
    assert_eq!(find(&shown, "connector-metrics", "status"), Some(Shown::Text("paused".into())));
    assert_eq!(find(&shown, "connector-metrics", "connector-class"), Some(Shown::Text("org.example.C".into())));
    assert_eq!(number(&shown, "connect-worker-rebalance-metrics", since), 4500.0);
    assert_eq!(number(&shown, "consumer-coordinator-metrics", "last-heartbeat-seconds-ago"), 4.0);
    let rate = number(&shown, "consumer-coordinator-metrics", "rebalance-rate-per-hour");
    assert_eq!(rate, 2.0 / 34.5 * 3600.0);
}

#[test]
fn buckets_count_smaller_ones_too() {
    let (metrics, now) = (Metrics::default(), Instant::now());
    let mut watch = Watch::new(metrics.clone(), WindowSettings::default());
    let stage = metrics.group::<TaskStage>(Labels::task("c", 0).and("stage", "poll"));
    let time: &Histogram = &stage.time;
    [1, 7, 7, 60_000].iter().for_each(|ms| time.record(Duration::from_millis(*ms)));
    let Some(Shown::Buckets { up_to, count, sum }) = find(&watch.show(now), "task-stage-metrics", "duration-seconds")
    else {
        panic!("it is shown")
    };
    let expected = [0, 0, 1, 1, 3, 3, 3, 3, 3, 3, 3];
    assert_eq!(up_to.iter().map(|(_, count)| *count).collect::<Vec<_>>(), expected);
    assert_eq!((count, sum), (4, 60.015));
}

/// Everything but texts that nobody has set, whatever the table declares.
#[test]
fn every_attribute_of_the_table_can_be_shown() {
    use crate::*;
    let metrics = Metrics::default();
    let labels = Labels::none;
    let mut held: Vec<std::sync::Arc<dyn std::any::Any>> = Vec::new();
    macro_rules! hold {
        ($($group:ident),+) => { $(held.push(metrics.group::<$group>(labels()));)+ };
    }
    hold!(AppInfo, Worker, ConnectorTasks, WorkerRebalances, WorkerAssignment, Connector, Task, SourceTask);
    hold!(SourceTransactions, SinkTask, TaskErrors, ConnectorLatency, TaskStage, TaskMemory, SinkPartition);
    hold!(PluginInstance, BrokerRequests, LogCleaner, ProducerRecords, ConsumerFetches, ConsumerGroup);
    hold!(GroupMembership, ClientConnections, Exposition, Restarts, MetricsCount, WorkerNode);
    hold!(TaskPlugins, TransformPlugin, PredicatePlugin);
    let mut watch = Watch::new(metrics.clone(), WindowSettings::default());
    let shown = watch.show(Instant::now());
    for definition in all_groups() {
        let Some(group) = shown.iter().find(|shown| std::ptr::eq(shown.definition, definition)) else {
            // The same instruments under another name.
            assert!(shown.iter().any(|shown| std::ptr::eq(shown.definition.attributes, definition.attributes)));
            continue;
        };
        let texts = |attribute: &&Attribute| attribute.statistic != Statistic::Text;
        let expected: Vec<&str> = definition.attributes.iter().filter(texts).map(|attribute| attribute.name).collect();
        let names: Vec<&str> = group.attributes.iter().map(|(attribute, _)| attribute.name).collect();
        assert_eq!(names, expected, "{}", definition.name);
    }
}
