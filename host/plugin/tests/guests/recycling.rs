//! Guests that never give memory back: their instances are replaced before they have used up what they may have.

use std::sync::Arc;

use millstream_connector::{ByteColumn, Condition, ConverterRole, Link, Plugins, TopicOffset, TopicPartition};
use millstream_metrics::{Labels, Metrics, PluginInstance};
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_record::batch::Side;

use crate::support::{LIMITS, SOURCE, Worker, config, limits, lines, plugins_with, task, texts};

/// Calls of guests that keep 1 MiB of each, and may have 32.
const CALLS: u32 = 400;

/// Plugins whose instances are replaced beyond 8 MiB, and what is counted of them.
async fn plugins() -> (WasmPlugins, Metrics) {
    let metrics = Metrics::default();
    let plugins = plugins_with(PluginLimits { memory_recycle: 8 << 20, ..limits() }).await;
    (plugins.counted_by(metrics.clone()), metrics)
}

/// What is counted of a plugin's instances in the task.
fn counted(metrics: &Metrics, class: &str) -> Arc<PluginInstance> {
    metrics.group(Labels::connector("odd").and("plugin", class).and("task", "0"))
}

fn hoarding(class: &str) -> Link {
    Link { class: class.into(), config: config(&[("behaviour", "hoard")]), condition: None }
}

#[tokio::test]
async fn transforms_predicates_and_converters_are_replaced_between_two_batches() {
    let (plugins, metrics) = plugins().await;
    let class = "org.millstream.odd.OddTransform";
    let held = counted(&metrics, class);
    let Ok(mut chain) = plugins.chain(&task(), &[hoarding(class)]).await else { panic!("it is made") };
    for _ in 0..CALLS {
        let outcome = chain.apply(&lines(&["a", "b"])).await.unwrap();
        assert_eq!(texts(&outcome.batch), ["a", "b"]);
        assert!(held.memory.value() < 26 << 20, "{}", held.memory.value());
    }
    let recycled = held.recycled.total();
    assert!(5 < recycled && held.faults.total() == 0, "{recycled} of {CALLS}");
    assert_eq!(held.instances.total(), recycled + 1);

    let class = "org.millstream.odd.OddConverter";
    let held = counted(&metrics, class);
    let settings = config(&[("behaviour", "hoard")]);
    let mut converter = plugins.converter(&class.into(), &task(), ConverterRole::Value, &settings).await.unwrap();
    // Only one of its ways hoards; the other one goes on with what is there.
    for _ in 0..20 {
        let (mut bytes, mut errors) = (ByteColumn::default(), Vec::new());
        converter.from_connect(&lines(&["a"]), Side::Value, &mut bytes, &mut errors).await.unwrap();
        assert_eq!(bytes.get(0), Some(&b"a"[..]));
    }
    assert_eq!(held.recycled.total(), 0, "whoever keeps nothing stays");
}

#[tokio::test]
async fn a_source_task_begins_anew_where_its_offsets_say() {
    let (plugins, metrics) = plugins().await;
    let held = counted(&metrics, SOURCE);
    let mut source = plugins.source_task(&SOURCE.into(), &task(), Worker::new()).await.unwrap();
    source.start(&config(&[("behaviour", "hoard")])).await.unwrap();
    let mut begun = 0;
    for _ in 0..CALLS {
        let batch = source.poll(LIMITS).await.unwrap().expect("rows");
        begun += usize::from(texts(&batch) == ["call 0"]);
        if source.wants_renewal() {
            source.renew().await.unwrap();
            assert!(!source.wants_renewal());
        }
        assert!(held.memory.value() < 26 << 20, "{}", held.memory.value());
    }
    assert!(10 < begun, "{begun} instances");
    assert_eq!(held.recycled.total() + 1, held.instances.total());
    source.stop().await.unwrap();
}

#[tokio::test]
async fn a_sink_task_begins_anew_with_its_partitions() {
    let (plugins, metrics) = plugins().await;
    let class = "org.millstream.odd.OddSinkConnector";
    let held = counted(&metrics, class);
    let mut sink = plugins.sink_task(&"OddSink".into(), &task(), Worker::new()).await.unwrap();
    sink.start(&config(&[("behaviour", "hoard")])).await.unwrap();
    let partitions = [TopicPartition { topic: "lines".into(), partition: 0 }];
    sink.open(&partitions).await.unwrap();
    for call in 0..CALLS {
        sink.put(&lines(&["a"])).await.unwrap();
        if sink.wants_renewal() {
            let at = TopicOffset { topic: "lines".into(), partition: 0, offset: call.into() };
            assert_eq!(sink.pre_commit(&[at]).await.unwrap(), None);
            // The guest refuses to open anything else than what is assigned.
            sink.renew(&partitions).await.unwrap();
        }
        assert!(held.memory.value() < 26 << 20, "{}", held.memory.value());
    }
    assert!(10 < held.recycled.total(), "{}", held.recycled.total());
    sink.close(&partitions).await.unwrap();
    sink.stop().await.unwrap();
}

#[tokio::test]
async fn a_predicate_of_another_component_is_replaced_as_well() {
    // Its links are of one component here, so that the predicate runs in the chain's own call: it is made anew with it.
    let (plugins, metrics) = plugins().await;
    let class = "org.millstream.odd.OddTransform";
    let held = counted(&metrics, class);
    let condition = Condition { class: "OddPredicate".into(), config: config(&[("behaviour", "even")]), negate: false };
    let link = Link { condition: Some(condition), ..hoarding(class) };
    let Ok(mut chain) = plugins.chain(&task(), &[link]).await else { panic!("it is made") };
    for _ in 0..50 {
        chain.apply(&lines(&["a"])).await.unwrap();
    }
    assert!(2 < held.recycled.total(), "{}", held.recycled.total());
}
