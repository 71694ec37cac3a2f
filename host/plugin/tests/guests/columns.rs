//! What guests have the host do: work on columns, counting, progress.

use millstream_connector::{Condition, ErrorKind, Link, LinkedTransforms, PluginError, Plugins};
use millstream_metrics::{CustomKind, Labels, Metrics, Progress};
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_record::batch::{Role, Side};
use millstream_record::{Value, batch::Batch};

use crate::bundled::built;
use crate::support::{LIMITS, config, hostile, limits, lines, plugins, plugins_with, source, task, texts};

fn link(class: &str, behaviour: &str) -> Link {
    Link { class: class.into(), config: config(&[("behaviour", behaviour)]), condition: None }
}

async fn chain(plugins: &WasmPlugins, link: Link) -> Box<dyn LinkedTransforms> {
    match plugins.chain(&task(), &[link]).await {
        Ok(chain) => chain,
        Err((link, error)) => panic!("link {link}: {error}"),
    }
}

/// What a transform of this behaviour makes of a batch.
async fn applied(
    plugins: &WasmPlugins,
    behaviour: &str,
    batch: &Batch,
) -> Result<(Vec<String>, Vec<u32>), PluginError> {
    let outcome = chain(plugins, link("OddTransform", behaviour)).await.apply(batch).await?;
    Ok((texts(&outcome.batch), outcome.errors.iter().map(|error| error.row).collect()))
}

#[tokio::test]
async fn a_guest_answers_with_what_the_host_made_of_the_batch() {
    let plugins = plugins().await;
    let batch = lines(&["a", "b", "c"]);
    let expected = |texts: &[&str], failed: &[u32]| {
        (texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>(), failed.to_vec())
    };
    assert_eq!(applied(&plugins, "columns upper", &batch).await.unwrap(), expected(&["A", "B", "C"], &[]));
    assert_eq!(applied(&plugins, "columns fail b", &batch).await.unwrap(), expected(&["a", "c"], &[1]));
    assert_eq!(applied(&plugins, "columns twice", &batch).await.unwrap().0.len(), 6);
    // Without an answer the batch stands unchanged.
    assert_eq!(applied(&plugins, "columns forget", &batch).await.unwrap(), expected(&["a", "b", "c"], &[]));
    // Rows that have ended are left alone.
    let mut gone = batch.open();
    gone.deselect([1]);
    let gone = gone.into_batch();
    assert_eq!(applied(&plugins, "columns upper", &gone).await.unwrap(), expected(&["A", "C"], &[]));
}

#[tokio::test]
async fn a_predicate_answers_by_columns_for_a_transform_of_another_component() {
    let odd = hostile().parent().expect("the guest lies in a folder").to_owned();
    let plugins = WasmPlugins::start(limits(), &[built(), odd], &[]).await.unwrap();
    plugins.all_compiled().await;
    let condition =
        Condition { class: "OddPredicate".into(), config: config(&[("behaviour", "columns is b")]), negate: false };
    let filter = Link {
        class: "org.apache.kafka.connect.transforms.Filter".into(),
        config: config(&[]),
        condition: Some(condition),
    };
    let outcome = chain(&plugins, filter).await.apply(&lines(&["a", "b", "c"])).await.unwrap();
    assert_eq!(texts(&outcome.batch), ["a", "c"]);
}

#[tokio::test]
async fn a_plugin_that_reads_by_columns_gets_no_bytes() {
    let plugins = plugins().await;
    let batch = lines(&["a", "b"]);
    for (class, expected) in [("OddColumns", "0".to_owned()), ("OddTransform", batch.as_bytes().len().to_string())] {
        match chain(&plugins, link(class, "how many bytes")).await.apply(&batch).await {
            Err(PluginError::Reported(failure)) => assert_eq!(failure.message, expected, "{class}"),
            other => panic!("{class}: {other:?}"),
        }
    }
    let outcome = chain(&plugins, link("OddColumns", "columns upper")).await.apply(&batch).await.unwrap();
    assert_eq!(texts(&outcome.batch), ["A", "B"]);
}

#[tokio::test]
async fn a_source_answers_a_poll_with_a_table() {
    let plugins = plugins().await;
    let mut source = source(&plugins, &[("behaviour", "columns poll")]).await;
    let batch = source.poll(LIMITS).await.unwrap().expect("rows");
    let table = batch.open();
    assert_eq!((table.rows, table.topic(1)), (2, Some("made")));
    let (schema, value) = table.datum(Side::Value, 1);
    assert_eq!(value, Value::Struct(schema.expect("a schema"), vec![Value::Int32(2)]));
    let offset = table.get(Role::SOURCE_OFFSET).expect("offsets").value(0, None, &table.schemas);
    assert_eq!(offset, Value::Map(vec![("at".into(), Value::Int64(1))]));
}

#[tokio::test]
async fn misuse_is_an_error_and_two_answers_are_a_fault() {
    let plugins = plugins().await;
    let batch = lines(&["a"]);
    match applied(&plugins, "columns misuse", &batch).await {
        Err(PluginError::Reported(failure)) => {
            assert_eq!(
                (failure.kind, failure.message.as_str()),
                (ErrorKind::Fatal, "there is no column 99 in this call")
            );
        }
        other => panic!("{other:?}"),
    }
    match applied(&plugins, "columns and bytes", &batch).await {
        Err(PluginError::Broken { reason, .. }) => {
            assert!(reason.contains("answered with a table, and returned a batch besides"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn work_on_columns_counts_as_the_guests_time_and_memory() {
    let plugins = plugins_with(PluginLimits { memory_max: 8 << 20, ..limits() }).await;
    let batch = lines(&["a"; 500]);
    match applied(&plugins, "columns work without end", &batch).await {
        Err(PluginError::Broken { reason, .. }) => assert!(reason.contains("ran longer than 300 ms"), "{reason}"),
        other => panic!("{other:?}"),
    }
    match applied(&plugins, "columns hold without end", &batch).await {
        Err(PluginError::Reported(failure)) => {
            assert!(failure.message.contains("plugin.memory.max.bytes"), "{failure}");
        }
        other => panic!("{other:?}"),
    }
    match applied(&plugins, "columns hold many", &batch).await {
        Err(PluginError::Reported(failure)) => assert!(failure.message.contains("4096 columns"), "{failure}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_plugin_counts_is_that_of_its_connector_and_task() {
    let metrics = Metrics::default();
    let plugins = plugins().await.counted_by(metrics.clone());
    let mut chain = chain(&plugins, link("OddTransform", "count")).await;
    for _ in 0..3 {
        chain.apply(&lines(&["a"])).await.unwrap();
    }
    let found = metrics.read_custom();
    let [(labels, custom)] = found.as_slice() else { panic!("one plugin counts") };
    let expected = Labels::connector("odd").and("plugin", "org.millstream.odd.OddTransform").and("task", "0");
    assert_eq!(*labels, expected);
    let counted = custom.metrics();
    let shown: Vec<_> = counted.iter().map(|(name, metric)| (name.as_str(), metric.kind, metric.value)).collect();
    assert_eq!(shown, [("calls", CustomKind::Counter, 3.0), ("depth", CustomKind::Gauge, 7.5)]);
    assert_eq!(counted[0].1.help, "Calls that were counted");
    drop((found, chain));
    assert!(metrics.read_custom().is_empty(), "with the task its counts go");
}

#[tokio::test]
async fn a_name_that_prometheus_would_not_take_and_progress_of_a_transform_are_refused() {
    let plugins = plugins().await;
    for (behaviour, part) in [("count badly", "no-name"), ("progress", "is for source and sink tasks")] {
        match applied(&plugins, behaviour, &lines(&["a"])).await {
            Err(PluginError::Reported(failure)) => assert!(failure.message.contains(part), "{behaviour}: {failure}"),
            other => panic!("{behaviour}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_task_says_how_far_it_is() {
    let metrics = Metrics::default();
    let plugins = plugins().await.counted_by(metrics.clone());
    let mut source = source(&plugins, &[("behaviour", "progress")]).await;
    source.poll(LIMITS).await.unwrap();
    let found = metrics.read_custom();
    let rows = Progress { done: 10.0, total: Some(40.0), unit: "rows".to_owned() };
    assert_eq!(found[0].1.progress(), [("orders".to_owned(), rows)]);
}
