//! The SDK's examples as a user would have them: built outside of the workspace, found in `plugin.path`, and used. One of
//! each kind.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use millstream_connector::{
    ByteColumn, Condition, ConverterRole, InputRow, LEASE_LOST, Link, PluginError, PluginKind, Plugins, RowInput,
    TopicOffset, TopicPartition,
};
use millstream_plugin::WasmPlugins;
use millstream_plugin::guest_build::GuestBuild;
use millstream_record::batch::{Batch, Kind, Role, Side, Table, UnionBuilder};
use millstream_record::{Value, batch::Column};

use crate::support::{HeldLease, LIMITS, Worker, config, limits, lines, task, texts};

/// A folder as `plugin.path` names it, with a folder for each component.
fn plugin_path() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let build = GuestBuild {
            folder: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sdk/rust/examples"),
            packages: Vec::new(),
            target_dir: tmp.join("guests"),
            locked: false,
        };
        let folder = build.run().unwrap_or_else(|error| panic!("{error}"));
        let path = tmp.join("examples");
        for kind in ["source", "sink", "once", "transform", "predicate", "converter"] {
            fs::create_dir_all(path.join(kind)).unwrap();
            let file = format!("example_{kind}.wasm");
            fs::copy(folder.join(&file), path.join(kind).join(&file)).unwrap();
        }
        path
    };
    BUILT.get_or_init(build).clone()
}

async fn plugins() -> WasmPlugins {
    let plugins = WasmPlugins::start(limits(), &[plugin_path()], &[]).await.unwrap();
    plugins.all_compiled().await;
    assert!(plugins.problems().is_empty(), "{:?}", plugins.problems());
    plugins
}

#[tokio::test]
async fn a_third_partys_plugins_of_each_kind_are_found() {
    let plugins = plugins().await;
    for (kind, name, class) in [
        (PluginKind::Source, "TickSource", "org.example.TickSourceConnector"),
        (PluginKind::Sink, "TotalSink", "org.example.TotalSinkConnector"),
        (PluginKind::Transform, "Shout", "org.example.Shout"),
        (PluginKind::Predicate, "Contains", "org.example.Contains"),
        (PluginKind::Converter, "PairsConverter", "org.example.PairsConverter"),
    ] {
        let found = plugins.find(kind, &name.into()).unwrap();
        assert_eq!(found.class, class);
        assert!(found.location.ends_with(".wasm"), "{}", found.location);
    }
}

#[tokio::test]
async fn a_third_partys_source_goes_on_where_it_was() {
    let plugins = plugins().await;
    let settings = config(&[("topic", "ticks"), ("every.ms", "1")]);
    let mut connector = plugins.connector(&"TickSource".into(), "ticks", Worker::new()).await.unwrap();
    connector.start(&settings).await.unwrap();
    let configs = connector.task_configs(4).await.unwrap();
    assert_eq!(configs.len(), 1, "a clock cannot be divided");
    let mut source = plugins.source_task(&"TickSource".into(), &task(), Worker::new()).await.unwrap();
    source.start(&configs[0]).await.unwrap();
    for tick in 0..3 {
        let batch = source.poll(LIMITS).await.unwrap().expect("a tick");
        let table = batch.open();
        assert_eq!((table.rows, table.topic(0)), (1, Some("ticks")));
        assert_eq!(table.datum(Side::Value, 0).1, Value::Int64(tick));
        assert!(table.get(Role::SOURCE_OFFSET).is_some());
    }
    source.stop().await.unwrap();
}

#[tokio::test]
async fn a_third_partys_sink_writes_the_file_that_its_configuration_names() {
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("totals.txt");
    let worker = Worker::new();
    let mut sink = plugins.sink_task(&"TotalSink".into(), &task(), worker.clone()).await.unwrap();
    sink.start(&config(&[("file", file.to_str().unwrap())])).await.unwrap();
    sink.open(&[TopicPartition { topic: "numbers".into(), partition: 0 }]).await.unwrap();
    sink.put(&numbers(&[("a", Value::Int64(2)), ("b", Value::from("x")), ("a", Value::Int64(3))])).await.unwrap();
    sink.pre_commit(&[TopicOffset { topic: "numbers".into(), partition: 0, offset: 3 }]).await.unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "a=2\na=5\n");
    let reported: Vec<u32> = worker.reported.lock().unwrap().iter().map(|error| error.row).collect();
    assert_eq!(reported, [1]);
}

#[tokio::test]
async fn a_third_partys_sink_that_wants_a_lease_owns_it_or_hears_that_the_worker_has_none() {
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parts.txt");
    let settings = config(&[("file", file.to_str().unwrap())]);
    let partitions = [TopicPartition { topic: "numbers".into(), partition: 0 }];
    let mut without = plugins.sink_task(&"CommitterSink".into(), &task(), Worker::new()).await.unwrap();
    without.start(&settings).await.unwrap();
    match without.open(&partitions).await {
        Err(PluginError::Reported(failure)) => {
            assert_eq!(failure.message, "there is no lease for the plugin: only tasks of connectors have one");
        }
        other => panic!("{other:?}"),
    }

    let lease = Arc::new(HeldLease::default());
    let worker = Worker::with_lease(&lease);
    let mut sink = plugins.sink_task(&"CommitterSink".into(), &task(), worker.clone()).await.unwrap();
    sink.start(&settings).await.unwrap();
    sink.open(&partitions).await.unwrap();
    assert_eq!(*lease.asked.lock().unwrap(), ["obtain", "read parts", "read offsets"]);
    sink.put(&numbers(&[("a", Value::Int64(2))])).await.unwrap();
    match sink.pre_commit(&[TopicOffset { topic: "numbers".into(), partition: 0, offset: 8 }]).await {
        Err(PluginError::Reported(failure)) => assert_eq!(failure.class, LEASE_LOST),
        other => panic!("{other:?}"),
    }
    assert_eq!(lease.asked.lock().unwrap().last().unwrap(), "write in 4294967299: offsets, parts");
    assert!(fs::read_to_string(&file).unwrap().starts_with("\npart 4294967299 1 1\n"), "an epoch may be large");
}

fn numbers(records: &[(&str, Value)]) -> Batch {
    let mut table = Table::new(records.len() as u32);
    table.set(Role::TOPIC, Column::constant_str(table.rows, "numbers"));
    table.set(Role::ORIGINAL_TOPIC, Column::constant_str(table.rows, "numbers"));
    for role in [Role::PARTITION, Role::ORIGINAL_PARTITION] {
        table.set(role, Column::constant_i32(table.rows, 0));
    }
    for role in [Role::OFFSET, Role::ORIGINAL_OFFSET] {
        table.set(role, Column::constant_i64(Kind::Int64, table.rows, 7));
    }
    let (mut keys, mut values) = (UnionBuilder::default(), UnionBuilder::default());
    for (key, value) in records {
        keys.push(None, &Value::from(*key), &mut table.schemas).unwrap();
        values.push(None, value, &mut table.schemas).unwrap();
    }
    table.keys = keys.finish(&mut table.schemas).unwrap();
    table.values = values.finish(&mut table.schemas).unwrap();
    table.into_batch()
}

#[tokio::test]
async fn a_third_partys_transforms_and_predicate_form_a_chain() {
    let plugins = plugins().await;
    let link = |class: &str, settings: &[(&str, &str)], condition| Link {
        class: class.into(),
        config: config(settings),
        condition,
    };
    // The predicate is a component of its own.
    let contains = Condition { class: "Contains".into(), config: config(&[("text", "b")]), negate: false };
    let links = [
        link("SplitWords", &[], None),
        link("Shout", &[], Some(contains)),
        link("Retopic", &[("topic", "words")], None),
    ];
    let mut chain = plugins.chain(&task(), &links).await.ok().unwrap();
    let outcome = chain.apply(&lines(&["a b", "cb"])).await.unwrap();
    assert!(outcome.errors.is_empty());
    assert_eq!(texts(&outcome.batch), ["a", "B", "CB"]);
    assert_eq!(outcome.batch.open().topic(2), Some("words"));
    let origins: Vec<_> = (0..3).map(|row| outcome.batch.open().integer(Role::ORIGIN, row)).collect();
    assert_eq!(origins, [Some(0), Some(0), Some(1)]);
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
async fn a_third_partys_converter_reads_and_writes() {
    let plugins = plugins().await;
    let mut converter =
        plugins.converter(&"PairsConverter".into(), &task(), ConverterRole::Value, &config(&[])).await.unwrap();
    let mut table = Table::new(3);
    let (mut values, mut errors) = (UnionBuilder::default(), Vec::new());
    let input = Rows(vec![Some(b"a=1;b=2"), Some(b"oops"), None]);
    let read = converter.to_connect("t", &input, &mut table.schemas, &mut values, &mut errors).await.unwrap();
    assert_eq!(read, 3);
    assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [1]);
    table.values = values.finish(&mut table.schemas).unwrap();
    table.set(Role::TOPIC, Column::constant_str(3, "t"));
    let mut bytes = ByteColumn::default();
    converter.from_connect(&table.into_batch(), Side::Value, &mut bytes, &mut errors).await.unwrap();
    assert_eq!([bytes.get(0), bytes.get(1), bytes.get(2)], [Some(&b"a=1;b=2"[..]), None, None]);
}
