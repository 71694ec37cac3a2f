//! Sinks and their contexts.

use millstream_connector::{PluginError, Plugins, SinkTask, TopicOffset, TopicPartition};
use millstream_plugin::WasmPlugins;
use std::sync::Arc;

use crate::support::{Worker, config, lines, plugins, task};

async fn sink(plugins: &WasmPlugins, behaviour: &str) -> (Arc<Worker>, Box<dyn SinkTask>) {
    let worker = Worker::new();
    let mut sink = plugins.sink_task(&"OddSink".into(), &task(), worker.clone()).await.unwrap();
    sink.start(&config(&[("behaviour", behaviour)])).await.unwrap();
    sink.open(&[TopicPartition { topic: "lines".into(), partition: 0 }]).await.unwrap();
    (worker, sink)
}

fn at(offset: i64) -> Vec<TopicOffset> {
    vec![TopicOffset { topic: "lines".into(), partition: 0, offset }]
}

#[tokio::test]
async fn a_sink_takes_batches_and_says_what_is_safe() {
    let plugins = plugins().await;
    let (_, mut sink) = sink(&plugins, "commit some").await;
    sink.put(&lines(&["a", "b"])).await.unwrap();
    sink.put(&lines(&[])).await.unwrap();
    assert_eq!(sink.pre_commit(&at(5_000_000_000)).await.unwrap(), Some(at(5_000_000_000)));
    sink.close(&[TopicPartition { topic: "lines".into(), partition: 0 }]).await.unwrap();
    sink.stop().await.unwrap();
}

#[tokio::test]
async fn an_offset_that_was_not_delivered_is_never_committed() {
    let plugins = plugins().await;
    let (_, mut sink) = sink(&plugins, "commit ahead").await;
    match sink.pre_commit(&at(7)).await {
        Err(PluginError::Broken { reason, .. }) => {
            assert!(reason.contains("offered to commit offset 8 of lines-0, which was not delivered yet"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn rows_are_reported_once_and_only_those_of_the_batch() {
    let plugins = plugins().await;
    let (worker, mut good) = sink(&plugins, "report").await;
    good.put(&lines(&["a", "b"])).await.unwrap();
    assert_eq!(worker.reported.lock().unwrap()[0].row, 1);
    for behaviour in ["report twice", "report beyond"] {
        let (worker, mut bad) = sink(&plugins, behaviour).await;
        match bad.put(&lines(&["a", "b"])).await {
            Err(PluginError::Broken { reason, .. }) => assert!(reason.contains("reported row"), "{reason}"),
            other => panic!("{other:?}"),
        }
        assert!(worker.reported.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_sink_steers_its_delivery() {
    let plugins = plugins().await;
    let (worker, mut sink) = sink(&plugins, "seek").await;
    sink.put(&lines(&["a"])).await.unwrap();
    assert_eq!(*worker.asked.lock().unwrap(), ["seek 4294967298", "pause 1", "timeout 250", "commit"]);
}

#[tokio::test]
async fn a_sink_that_breaks_in_put_says_where_and_why() {
    let plugins = plugins().await;
    for (behaviour, expected) in [
        ("panic", "odd on purpose"),
        ("loop", "ran longer than 300 ms (plugin.call.timeout.ms)"),
        ("memory", "used more than 32 MiB of memory (plugin.memory.max.bytes)"),
        ("endless log", "ran longer than 300 ms (plugin.call.timeout.ms)"),
        ("deep", ""),
    ] {
        let (_, mut sink) = sink(&plugins, behaviour).await;
        match sink.put(&lines(&["a"])).await {
            Err(PluginError::Broken { reason, .. }) => {
                assert!(reason.contains("in put") && reason.contains(expected), "{behaviour}: {reason}");
            }
            other => panic!("{behaviour}: {other:?}"),
        }
        assert!(matches!(sink.put(&lines(&["b"])).await, Err(PluginError::Broken { .. })), "{behaviour}");
    }
}

#[tokio::test]
async fn a_sink_writes_to_the_topics_that_its_keys_name_and_to_no_other() {
    let plugins = plugins().await;
    let put = async |behaviour: &str, why: Option<&str>| {
        let worker = Worker::new();
        let mut sink = plugins.sink_task(&"OddSink".into(), &task(), worker.clone()).await.unwrap();
        let mut settings = vec![("behaviour", behaviour), ("name", "odd")];
        settings.extend(why.map(|why| ("why", why)));
        sink.start(&config(&settings)).await.unwrap();
        let taken = sink.put(&lines(&["a"])).await;
        let asked = worker.asked.lock().unwrap().join("; ");
        taken.map(|()| asked).map_err(|error| error.to_string())
    };
    assert_eq!(put("write why", None).await.as_deref(), Ok(r#"odd-why in 3 copies: Some("odd") 1"#));
    assert_eq!(put("write why", Some("because")).await.as_deref(), Ok(r#"because in 3 copies: Some("odd") 1"#));
    for (behaviour, why, expected) in [
        ("write why", Some(""), "the key why opens no topic, or has no value"),
        ("write elsewhere", None, "the key behaviour opens no topic"),
        ("write without end", None, "10001 records are too many for one call: 10000 are allowed"),
    ] {
        let refused = put(behaviour, why).await;
        assert!(refused.as_ref().is_err_and(|error| error.contains(expected)), "{refused:?}");
    }
}
