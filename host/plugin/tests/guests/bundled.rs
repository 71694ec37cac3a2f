//! The bundled plugins as users get them: built for WebAssembly, through the SDK.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use millstream_connector::{Condition, Link, PluginKind, Plugins, SourceTask, TopicOffset, TopicPartition};
use millstream_plugin::WasmPlugins;
use millstream_plugin::guest_build::GuestBuild;
use millstream_record::batch::{Batch, Side};

use crate::support::{LIMITS, Worker, config, hostile, limits, lines, task, texts};

/// A folder with the bundled components.
pub fn built() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let names =
            ["millstream-transforms", "millstream-plugin-file", "millstream-plugin-datagen", "millstream-plugin-sql"];
        let tmp = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let build = GuestBuild {
            folder: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.."),
            packages: names.map(str::to_owned).to_vec(),
            target_dir: tmp.join("bundled-guests"),
            locked: true,
        };
        let folder = build.run().unwrap_or_else(|error| panic!("{error}"));
        let bundled = tmp.join("bundled");
        fs::create_dir_all(&bundled).unwrap();
        for name in names {
            let file = format!("{}.wasm", name.replace('-', "_"));
            fs::copy(folder.join(&file), bundled.join(&file)).unwrap();
        }
        bundled
    };
    BUILT.get_or_init(build).clone()
}

async fn plugins() -> WasmPlugins {
    let plugins = WasmPlugins::start(limits(), &[built()], &[]).await.unwrap();
    plugins.all_compiled().await;
    assert!(plugins.problems().is_empty(), "{:?}", plugins.problems());
    plugins
}

async fn next(source: &mut Box<dyn SourceTask>) -> Batch {
    for _ in 0..20 {
        if let Some(batch) = source.poll(LIMITS).await.unwrap() {
            return batch;
        }
    }
    panic!("the source gave nothing in twenty polls");
}

#[tokio::test]
async fn every_transform_of_connect_is_there_by_name() {
    let plugins = plugins().await;
    for name in ["HoistField$Value", "InsertField$Key", "ReplaceField$Value", "RegexRouter", "Cast$Value", "Filter"] {
        let class = format!("org.apache.kafka.connect.transforms.{name}");
        assert_eq!(plugins.find(PluginKind::Transform, &class.as_str().into()).unwrap().class, class);
    }
    assert!(plugins.find(PluginKind::Transform, &"Value".into()).is_err(), "it could mean many");
    assert_eq!(plugins.find(PluginKind::Transform, &"RegexRouter".into()).unwrap().version, "4.3.0");
    let source = plugins.find_connector(&"FileStreamSource".into()).unwrap();
    assert_eq!(source.class, "org.apache.kafka.connect.file.FileStreamSourceConnector");
    assert_eq!(source.task_class, "org.apache.kafka.connect.file.FileStreamSourceTask");
}

#[tokio::test]
async fn lines_of_a_file_become_records_and_lines_again() {
    let plugins = plugins().await;
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.txt"), folder.path().join("out.txt"));
    fs::write(&input, "one\ntwo\nthree\n").unwrap();
    let settings = config(&[("file", input.to_str().unwrap()), ("topic", "lines")]);
    let mut connector = plugins.connector(&"FileStreamSource".into(), "odd", Worker::new()).await.unwrap();
    connector.start(&settings).await.unwrap();
    let configs = connector.task_configs(3).await.unwrap();
    assert_eq!(configs.len(), 1);
    let mut source = plugins.source_task(&"FileStreamSource".into(), &task(), Worker::new()).await.unwrap();
    source.start(&configs[0]).await.unwrap();
    let batch = next(&mut source).await;
    assert_eq!(texts(&batch), ["one", "two", "three"]);
    assert_eq!(batch.open().topic(2), Some("lines"));

    let link = Link {
        class: "org.apache.kafka.connect.transforms.HoistField$Value".into(),
        config: config(&[("field", "line")]),
        condition: None,
    };
    let mut chain = plugins.chain(&task(), &[link]).await.ok().unwrap();
    let hoisted = chain.apply(&batch).await.unwrap();
    assert!(hoisted.errors.is_empty());
    assert_eq!(format!("{:?}", hoisted.batch.open().datum(Side::Value, 1).1).matches("two").count(), 1);

    let settings = config(&[("file", output.to_str().unwrap())]);
    let worker = Worker::new();
    // Whose half line that is, nobody can tell: it stays, and gets an end.
    fs::write(&output, "zero\non").unwrap();
    let mut sink = plugins.sink_task(&"FileStreamSink".into(), &task(), worker).await.unwrap();
    sink.start(&settings).await.unwrap();
    sink.open(&[TopicPartition { topic: "lines".into(), partition: 0 }]).await.unwrap();
    sink.put(&lines(&["one", "two"])).await.unwrap();
    sink.pre_commit(&[TopicOffset { topic: "lines".into(), partition: 0, offset: 2 }]).await.unwrap();
    assert_eq!(fs::read_to_string(&output).unwrap(), "zero\non\none\ntwo\n");
    sink.stop().await.unwrap();
    source.stop().await.unwrap();
}

#[tokio::test]
async fn a_predicate_of_another_component_chooses_the_rows() {
    let hostile = hostile();
    let folders = [built(), hostile.parent().unwrap().to_owned()];
    let plugins = WasmPlugins::start(limits(), &folders, &[]).await.unwrap();
    plugins.all_compiled().await;
    let topic_is = |pattern: &str, negate| Condition {
        class: "org.apache.kafka.connect.transforms.predicates.TopicNameMatches".into(),
        config: config(&[("pattern", pattern)]),
        negate,
    };
    let odd = |behaviour: &str| Condition {
        class: "OddPredicate".into(),
        config: config(&[("behaviour", behaviour)]),
        negate: false,
    };
    let suffix = |text: &str, condition| Link {
        class: "Suffix".into(),
        config: config(&[("suffix", text)]),
        condition: Some(condition),
    };
    let links = [
        suffix("-yes", topic_is("lin.*", false)),
        suffix("-no", topic_is("lin.*", true)),
        suffix("-even", odd("even")),
        suffix("-never", topic_is("other", false)),
    ];
    let mut chain = plugins.chain(&task(), &links).await.ok().unwrap();
    let outcome = chain.apply(&lines(&["a", "b"])).await.unwrap();
    assert_eq!(texts(&outcome.batch), ["a-yes-even", "b-yes"]);

    let hoist = |condition| Link {
        class: "org.apache.kafka.connect.transforms.HoistField$Value".into(),
        config: config(&[("field", "line")]),
        condition: Some(condition),
    };
    let mut chain = plugins.chain(&task(), &[suffix("!", odd("even")), hoist(odd("fail first"))]).await.ok().unwrap();
    let outcome = chain.apply(&lines(&["a", "b"])).await.unwrap();
    let errors: Vec<_> = outcome.errors.iter().map(|error| (error.row, error.link)).collect();
    assert_eq!(errors, [(0, 1)]);
    assert!(!outcome.batch.open().is_selected(0) && outcome.batch.open().is_selected(1));

    let mut chain = plugins.chain(&task(), &[hoist(odd("short"))]).await.ok().unwrap();
    let error = chain.apply(&lines(&["a", "b"])).await.unwrap_err().to_string();
    assert!(error.contains("a verdict of 0 bytes over 2 rows"), "{error}");
}
