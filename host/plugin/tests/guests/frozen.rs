//! The contract 0.1.0 as it was published, and a component that was built for it then.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use millstream_connector::{
    AcknowledgedRow, ByteColumn, Condition, ConverterRole, InputRow, Link, PluginError, PluginKind, Plugins, RowInput,
    TopicOffset, TopicPartition,
};
use millstream_metrics::Metrics;
use millstream_plugin::WasmPlugins;
use millstream_record::Value;
use millstream_record::batch::{Role, SchemaTable, Side, Table, UnionBuilder};

use crate::support::{HeldLease, LIMITS, Worker, config, limits, lines, task, texts};

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen/0.1.0")
}

/// The published contract, word for word: whoever wants another one makes a new version.
#[test]
fn the_contract_is_the_one_that_was_published() {
    let current = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/millstream-connect@0.1.0/connect.wit");
    let (published, current) = (fs::read(published().join("connect.wit")).unwrap(), fs::read(current).unwrap());
    assert!(
        published == current,
        "wit/millstream-connect@0.1.0/connect.wit was published and may not change: see host/plugin/tests/frozen/README.md"
    );
}

async fn plugins() -> WasmPlugins {
    static UNPACKED: OnceLock<PathBuf> = OnceLock::new();
    let folder = UNPACKED.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("frozen");
        fs::create_dir_all(&folder).unwrap();
        let mut wasm = Vec::new();
        let packed = fs::File::open(published().join("frozen.wasm.gz")).unwrap();
        GzDecoder::new(packed).read_to_end(&mut wasm).unwrap();
        fs::write(folder.join("frozen.wasm"), wasm).unwrap();
        folder
    });
    let plugins = WasmPlugins::start(limits(), std::slice::from_ref(folder), &[]).await.unwrap();
    plugins.all_compiled().await;
    assert!(plugins.problems().is_empty(), "{:?}", plugins.problems());
    plugins
}

#[tokio::test]
async fn its_plugins_are_found_with_their_keys() {
    let plugins = plugins().await;
    for (kind, class) in [
        (PluginKind::Source, "FrozenSourceConnector"),
        (PluginKind::Sink, "FrozenSinkConnector"),
        (PluginKind::Transform, "Upper"),
        (PluginKind::Predicate, "Is"),
        (PluginKind::Converter, "Texts"),
        (PluginKind::HeaderConverter, "HeaderTexts"),
    ] {
        let found = plugins.find(kind, &format!("org.frozen.{class}").as_str().into()).unwrap();
        assert_eq!((found.version.as_str(), found.config.keys()[0].name.as_str()), ("0.1.0", "text"), "{class}");
    }
}

#[tokio::test]
async fn its_source_is_validated_polls_counts_and_hears() {
    let (metrics, worker) = (Metrics::default(), Worker::with_lease(&std::sync::Arc::new(HeldLease::default())));
    let plugins = plugins().await.counted_by(metrics.clone());
    let class = "org.frozen.FrozenSourceConnector".into();
    let mut connector = plugins.connector(&class, "odd", worker.clone()).await.unwrap();
    let found = connector.validate(&config(&[("text", "bad")])).await.unwrap();
    assert_eq!(found, [("text".to_owned(), vec!["is bad".to_owned()])]);
    connector.start(&config(&[("text", "reconfigure")])).await.unwrap();
    assert_eq!(connector.task_configs(5).await.unwrap().len(), 2);
    assert_eq!(*worker.asked.lock().unwrap(), ["reconfigure", "raise raised"]);

    let mut source = plugins.source_task(&class, &task(), worker.clone()).await.unwrap();
    source.start(&config(&[("text", "hello")])).await.unwrap();
    let first = source.poll(LIMITS).await.unwrap().expect("rows");
    let table = first.open();
    assert_eq!((table.topic(0), table.rows), (Some("frozen"), 2));
    let (schema, value) = table.datum(Side::Value, 0);
    assert_eq!(value, Value::Struct(schema.expect("a schema"), vec![Value::Int32(0), "hello".into()]));
    let offset = table.get(Role::SOURCE_OFFSET).expect("offsets").value(1, None, &table.schemas);
    assert_eq!(offset, Value::Map(vec![("at".into(), Value::Int64(1))]));
    let rows = [AcknowledgedRow { row: 0, position: Some((3, 4)) }];
    source.committed(&first, &rows).await.unwrap();
    source.commit().await.unwrap();
    // The connector counts for itself.
    let custom = metrics.read_custom().pop().expect("the task counts").1;
    assert_eq!(custom.metrics().iter().find(|(name, _)| name == "polls").map(|(_, metric)| metric.value), Some(1.0));
    assert_eq!(custom.progress()[0].0, "polls");
    assert!(source.poll(LIMITS).await.unwrap().is_some());
    assert!(source.poll(LIMITS).await.unwrap().is_none());
    assert!(source.rest().is_some(), "it has said for how long there is nothing");
    assert_eq!(custom.progress(), []);
    source.stop().await.unwrap();

    let lease_lost = plugins.source_task(&class, &task(), worker).await;
    let mut source = lease_lost.unwrap();
    source.start(&config(&[("text", "lease")])).await.unwrap();
    match source.poll(LIMITS).await {
        Err(PluginError::Reported(failure)) => assert_eq!(failure.message, "another one has it"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn its_source_reads_a_database_and_a_file() {
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let (file, database) = (folder.path().join("a.txt"), folder.path().join("a.db"));
    fs::write(&file, "abcd").unwrap();
    let url = format!("jdbc:sqlite:{}", database.display());
    for (text, expected) in [("file", "Some(4) [97, 98, 99]"), ("sql", r#"Some([Some("1")])"#)] {
        let class = "org.frozen.FrozenSourceConnector".into();
        let mut source = plugins.source_task(&class, &task(), Worker::new()).await.unwrap();
        let settings = [("text", text), ("file", file.to_str().unwrap()), ("db", url.as_str())];
        source.start(&config(&settings)).await.unwrap();
        match source.poll(LIMITS).await {
            Err(PluginError::Reported(failure)) => assert_eq!(failure.message, expected),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn its_sink_takes_reports_and_writes() {
    let (plugins, worker) = (plugins().await, Worker::new());
    let class = "org.frozen.FrozenSinkConnector".into();
    let mut sink = plugins.sink_task(&class, &task(), worker.clone()).await.unwrap();
    sink.start(&config(&[])).await.unwrap();
    sink.open(&[TopicPartition { topic: "lines".into(), partition: 0 }]).await.unwrap();
    sink.put(&lines(&["a", "bad", "why", "b"])).await.unwrap();
    assert_eq!(worker.reported.lock().unwrap()[0].row, 1);
    assert_eq!(worker.asked.lock().unwrap().len(), 1, "a record was written to a topic");
    match sink.put(&lines(&["all"])).await {
        Err(PluginError::Reported(failure)) => assert_eq!(failure.message, "a,b"),
        other => panic!("{other:?}"),
    }
    let at = vec![TopicOffset { topic: "lines".into(), partition: 0, offset: 7 }];
    assert_eq!(sink.pre_commit(&at).await.unwrap(), Some(at));
}

#[tokio::test]
async fn its_transform_and_its_predicate_work_by_columns() {
    let plugins = plugins().await;
    let upper = |condition: Option<(&str, bool)>| Link {
        class: "org.frozen.Upper".into(),
        config: config(&[]),
        condition: condition.map(|(text, negate)| Condition {
            class: "org.frozen.Is".into(),
            config: config(&[("text", text)]),
            negate,
        }),
    };
    for (condition, expected, failed) in [
        (None, vec!["A", "B"], vec![1]),
        (Some(("a", false)), vec!["A", "fail", "b"], vec![]),
        (Some(("a", true)), vec!["a", "B"], vec![1]),
    ] {
        let Ok(mut chain) = plugins.chain(&task(), &[upper(condition)]).await else { panic!("it is made") };
        let outcome = chain.apply(&lines(&["a", "fail", "b"])).await.unwrap();
        assert_eq!(texts(&outcome.batch), expected, "{condition:?}");
        assert_eq!(outcome.errors.iter().map(|error| error.row).collect::<Vec<_>>(), failed, "{condition:?}");
    }
    let refused = Link { config: config(&[("text", "bad")]), ..upper(None) };
    assert!(matches!(plugins.chain(&task(), &[upper(None), refused]).await, Err((1, PluginError::Reported(_)))));
}

struct Rows(Vec<Option<&'static [u8]>>);

impl RowInput for Rows {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn row(&self, at: usize) -> InputRow<'_> {
        InputRow { bytes: self.0[at] }
    }
}

#[tokio::test]
async fn its_converter_converts_both_ways() {
    let plugins = plugins().await;
    let class = "org.frozen.Texts".into();
    let mut converter = plugins.converter(&class, &task(), ConverterRole::Value, &config(&[])).await.unwrap();
    let input = Rows(vec![Some(b"one"), None, Some(b"\xff")]);
    let (mut schemas, mut out, mut errors) = (SchemaTable::default(), UnionBuilder::default(), Vec::new());
    converter.to_connect("topic", &input, &mut schemas, &mut out, &mut errors).await.unwrap();
    assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [2]);
    let mut table = Table::new(3);
    table.values = out.finish(&mut schemas).unwrap();
    table.schemas = schemas;
    let values: Vec<Value> = table.data(Side::Value).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, ["one".into(), Value::Null, Value::Null]);
    let (mut bytes, mut errors) = (ByteColumn::default(), Vec::new());
    converter.from_connect(&lines(&["a", "bc"]), Side::Value, &mut bytes, &mut errors).await.unwrap();
    assert_eq!((bytes.get(0), bytes.get(1)), (Some(&b"a"[..]), Some(&b"bc"[..])));
}
