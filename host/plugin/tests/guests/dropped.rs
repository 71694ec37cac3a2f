//! Calls that are given up: what they held is given back, wherever their future was dropped.

use std::fmt::Debug;
use std::path::Path;
use std::time::{Duration, Instant};

use millstream_connector::{
    ByteColumn, ConverterRole, InputRow, Link, PluginError, Plugins, RowInput, SinkTask, SourceTask, TopicOffset,
    TopicPartition,
};
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_record::Value;
use millstream_record::batch::{Batch, Column, HeadersBuilder, Role, SchemaTable, Side, Table, UnionBuilder};

use crate::support::{LIMITS, SOURCE, Worker, config, limits, lines, open_below, plugins_with, source, task, texts};

/// What becomes of a task, chain or converter whose call was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Afterwards {
    /// It keeps state, which may be half-changed: it refuses every call.
    Refuses,
    /// It keeps none: the next call goes to a new instance.
    Renewed,
}

/// Polls a future up to so many times, each after it was woken, then drops it.
async fn dropped_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Drops making something and calling it at every await, then the call alone; returns how often that was inside of the
/// call.
async fn drop_at_every_await<T, R: Debug>(
    make: impl AsyncFn() -> T,
    call: impl AsyncFn(&mut T) -> Result<R, PluginError>,
    afterwards: Afterwards,
) -> usize {
    let whole = async || {
        let mut made = make().await;
        call(&mut made).await
    };
    let mut polls = 0;
    while dropped_after(polls, whole()).await.map(|ended| ended.unwrap()).is_none() {
        polls += 1;
        assert!(polls < 10_000, "it never ends");
    }
    let mut polls = 0;
    loop {
        let mut made = make().await;
        if let Some(ended) = dropped_after(polls, call(&mut made)).await {
            ended.unwrap();
            return polls - 1;
        }
        match call(&mut made).await {
            Err(PluginError::Broken { reason, .. }) if 0 < polls && afterwards == Afterwards::Refuses => {
                assert!(reason.contains("was given up"), "{reason}");
            }
            Ok(_) if polls == 0 || afterwards == Afterwards::Renewed => {}
            other => panic!("after {polls} polls: {other:?}"),
        }
        polls += 1;
        assert!(polls < 10_000, "it never ends");
    }
}

/// Drops a call as [`drop_at_every_await`] does, at least once while the guest was in it: how often it waits is not always
/// the same, since a file may be ready at once.
async fn drop_inside<T, R: Debug>(
    make: impl AsyncFn() -> T,
    call: impl AsyncFn(&mut T) -> Result<R, PluginError>,
    afterwards: Afterwards,
) {
    for _ in 0..100 {
        if 0 < drop_at_every_await(&make, &call, afterwards).await {
            return;
        }
    }
    panic!("the call has no await");
}

/// Limits under which a few instances are all that fit in.
fn tight() -> PluginLimits {
    PluginLimits { memory_total_max: 8 << 20, ..limits() }
}

/// How many instances fit into the memory that is left: such of 1.1 MiB and more.
async fn fitting(plugins: &WasmPlugins) -> usize {
    let mut alive = Vec::new();
    while let Ok(source) = plugins.source_task(&SOURCE.into(), &task(), Worker::new()).await {
        alive.push(source);
    }
    alive.len()
}

/// All of the memory is there again, and a fresh instance works.
async fn expect_all_given_back(plugins: &WasmPlugins) {
    let fresh = fitting(&plugins_with(tight()).await).await;
    assert_eq!((fitting(plugins).await, 0 < fresh), (fresh, true));
    let mut source = source(plugins, &[("behaviour", "lines")]).await;
    assert!(source.poll(LIMITS).await.unwrap().is_some());
}

/// A file that was being opened when its call was dropped is closed by the thread that opened it.
async fn expect_all_closed(folder: &Path) {
    let begin = Instant::now();
    while open_below(folder) != 0 {
        assert!(begin.elapsed() < Duration::from_secs(20), "{} files are open", open_below(folder));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_call_of_a_source_dropped_at_any_await_leaves_nothing_behind() {
    let plugins = plugins_with(tight()).await;
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::write(&input, "hello\n").unwrap();
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    for behaviour in ["read file", "write file", "offsets", "wait", "sleep", "think", "lines"] {
        let settings = [("behaviour", behaviour), ("file", input), ("out", out)];
        let poll = async |source: &mut Box<dyn SourceTask>| source.poll(LIMITS).await;
        let make = async || source(&plugins, &settings).await;
        // The worker of this test has the offsets at hand, and lines are made at once.
        if ["offsets", "lines"].contains(&behaviour) {
            drop_at_every_await(make, poll, Afterwards::Refuses).await;
        } else {
            drop_inside(make, poll, Afterwards::Refuses).await;
        }
    }
    expect_all_closed(folder.path()).await;
    expect_all_given_back(&plugins).await;
}

#[tokio::test]
async fn a_call_of_a_sink_dropped_at_any_await_leaves_nothing_behind() {
    let plugins = plugins_with(tight()).await;
    let folder = tempfile::tempdir().unwrap();
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::write(&input, "hello\n").unwrap();
    let (input, out) = (input.to_str().unwrap(), out.to_str().unwrap());
    let partitions = [TopicPartition { topic: "lines".into(), partition: 0 }];
    let (batch, offsets) = (lines(&["a", "b"]), [TopicOffset { topic: "lines".into(), partition: 0, offset: 7 }]);
    let sink = async |behaviour: &str| {
        let mut sink = plugins.sink_task(&"OddSink".into(), &task(), Worker::new()).await.unwrap();
        sink.start(&config(&[("behaviour", behaviour), ("file", input), ("out", out)])).await.unwrap();
        sink.open(&partitions).await.unwrap();
        sink
    };
    let put = async |sink: &mut Box<dyn SinkTask>| sink.put(&batch).await;
    let pre_commit = async |sink: &mut Box<dyn SinkTask>| sink.pre_commit(&offsets).await;
    for behaviour in ["read file", "write file", "think"] {
        drop_inside(async || sink(behaviour).await, put, Afterwards::Refuses).await;
        let committing = format!("commit {behaviour}");
        drop_inside(async || sink(&committing).await, pre_commit, Afterwards::Refuses).await;
    }
    expect_all_closed(folder.path()).await;
    expect_all_given_back(&plugins).await;
}

#[tokio::test]
async fn a_chain_dropped_at_any_await_leaves_nothing_behind_and_goes_on() {
    let plugins = plugins_with(tight()).await;
    let think = Link { class: "OddTransform".into(), config: config(&[("behaviour", "think")]), condition: None };
    let suffix =
        Link { class: "org.millstream.odd.Suffix".into(), config: config(&[("suffix", "!")]), condition: None };
    let links = [think, suffix];
    let make = async || plugins.chain(&task(), &links).await.ok().unwrap();
    let apply = async |chain: &mut Box<dyn millstream_connector::LinkedTransforms>| {
        let outcome = chain.apply(&lines(&["a", "b"])).await?;
        assert_eq!(texts(&outcome.batch), ["a!", "b!"]);
        Ok(())
    };
    drop_inside(make, apply, Afterwards::Renewed).await;
    expect_all_given_back(&plugins).await;
}

struct OneRow;

impl RowInput for OneRow {
    fn len(&self) -> usize {
        1
    }
    fn row(&self, _: usize) -> InputRow<'_> {
        InputRow { bytes: Some(b"one") }
    }
}

/// A record with one header.
fn with_header(value: &Value) -> Batch {
    let mut table = Table::new(1);
    table.set(Role::TOPIC, Column::constant_str(1, "lines"));
    let mut headers = HeadersBuilder::default();
    headers.push("a", None, value, &mut table.schemas).unwrap();
    headers.end_row();
    table.set(Role::HEADERS, headers.finish().unwrap());
    table.into_batch()
}

#[tokio::test]
async fn a_converter_dropped_at_any_await_leaves_nothing_behind_and_goes_on() {
    let plugins = plugins_with(tight()).await;
    let settings = config(&[("behaviour", "think")]);
    let make =
        async || plugins.converter(&"OddConverter".into(), &task(), ConverterRole::Value, &settings).await.unwrap();
    let to_connect = async |converter: &mut Box<dyn millstream_connector::Converter>| {
        let (mut schemas, mut out, mut errors) = (SchemaTable::default(), UnionBuilder::default(), Vec::new());
        let taken = converter.to_connect("topic", &OneRow, &mut schemas, &mut out, &mut errors).await?;
        assert_eq!((taken, out.rows(), errors.len()), (1, 1, 0));
        Ok(())
    };
    let from_connect = async |converter: &mut Box<dyn millstream_connector::Converter>| {
        let (mut bytes, mut errors) = (ByteColumn::default(), Vec::new());
        converter.from_connect(&lines(&["a"]), Side::Value, &mut bytes, &mut errors).await?;
        assert_eq!((bytes.get(0), errors.len()), (Some(&b"a"[..]), 0));
        Ok(())
    };
    drop_inside(make, to_connect, Afterwards::Renewed).await;
    drop_inside(make, from_connect, Afterwards::Renewed).await;

    let make = async || plugins.header_converter(&"OddHeaderConverter".into(), &task(), &settings).await.unwrap();
    let (data, consumed) = (with_header(&"x".into()), with_header(&Value::Bytes(b"<x>".into())));
    let to_connect = async |converter: &mut Box<dyn millstream_connector::HeaderBatchConverter>| {
        converter.to_connect(&consumed).await.map(|outcome| assert!(outcome.errors.is_empty()))
    };
    let from_connect = async |converter: &mut Box<dyn millstream_connector::HeaderBatchConverter>| {
        converter.from_connect(&data).await.map(|outcome| assert!(outcome.errors.is_empty()))
    };
    drop_inside(make, to_connect, Afterwards::Renewed).await;
    drop_inside(make, from_connect, Afterwards::Renewed).await;
    expect_all_given_back(&plugins).await;
}

#[tokio::test]
async fn what_was_given_up_makes_room_for_what_replaces_it() {
    let plugins = plugins_with(tight()).await;
    let settings = config(&[("behaviour", "think")]);
    let link = Link { class: "OddTransform".into(), config: settings.clone(), condition: None };
    let mut chain = plugins.chain(&task(), &[link]).await.ok().unwrap();
    let mut converter = plugins.header_converter(&"OddHeaderConverter".into(), &task(), &settings).await.unwrap();
    let (batch, data) = (lines(&["a"]), with_header(&"x".into()));
    let given_up = async {
        while dropped_after(1, chain.apply(&batch)).await.is_some() {}
        while dropped_after(1, converter.from_connect(&data)).await.is_some() {}
    };
    tokio::time::timeout(Duration::from_secs(20), given_up).await.expect("each gives way while it thinks");
    let mut alive = Vec::new();
    while let Ok(source) = plugins.source_task(&SOURCE.into(), &task(), Worker::new()).await {
        alive.push(source);
    }
    chain.apply(&batch).await.unwrap();
    converter.from_connect(&data).await.unwrap();
}
