//! The hostile guest, compiled once per test run, and a worker's side of it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{
    ConnectorContext, ErrorKind, Failure, KeyChange, LEASE_LOST, Lease, PluginError, Plugins, PollLimits, RequestedEnd,
    RowError, SinkContext, SourceContext, SourceTask, TaskId, TopicOffset, TopicPartition, TopicRecord,
};
use millstream_plugin::guest_build::GuestBuild;
use millstream_plugin::{PluginLimits, WasmPlugins};
use millstream_record::batch::{Batch, Column, ColumnBuilder, Role, Side, Table, Union};
use millstream_record::{TopicName, Value};
use tokio::sync::watch;

pub const SOURCE: &str = "org.millstream.odd.OddSourceConnector";

/// The compiled guest.
pub fn hostile() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/hostile");
        let target_dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let build = GuestBuild { folder, packages: Vec::new(), target_dir, locked: false };
        let built = build.component("hostile").unwrap_or_else(|error| panic!("{error}"));
        // A folder with this file alone: cargo keeps another copy beside its own.
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugins");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(built, folder.join("hostile.wasm")).unwrap();
        folder.join("hostile.wasm")
    };
    BUILT.get_or_init(build).clone()
}

/// Limits small enough that a test reaches them soon.
pub fn limits() -> PluginLimits {
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("plugin-cache");
    PluginLimits {
        memory_max: 32 << 20,
        call_timeout: Duration::from_millis(300),
        host_wait_timeout: Duration::from_secs(20),
        cache_dir: Some(cache),
        ..PluginLimits::default()
    }
}

/// The guest's plugins under these limits.
pub async fn plugins_with(limits: PluginLimits) -> WasmPlugins {
    let folder = hostile();
    let folder = folder.parent().expect("the guest lies in a folder");
    let plugins = WasmPlugins::start(limits, &[folder.to_owned()], &[]).await.unwrap();
    plugins.all_compiled().await;
    assert!(plugins.problems().is_empty(), "{:?}", plugins.problems());
    plugins
}

pub async fn plugins() -> WasmPlugins {
    plugins_with(limits()).await
}

pub fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
}

pub fn task() -> TaskId {
    TaskId { connector: "odd".into(), number: 0 }
}

/// A worker that remembers what it was asked.
pub struct Worker {
    pub asked: Mutex<Vec<String>>,
    pub reported: Mutex<Vec<RowError>>,
    ends_transactions: bool,
    lease: Option<Arc<HeldLease>>,
    stop: watch::Sender<bool>,
}

impl Worker {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::which_ends_transactions(false))
    }

    /// Whose source task may say where its transactions end.
    pub fn which_ends_transactions(ends_transactions: bool) -> Self {
        let (asked, reported, stop) = (Mutex::default(), Mutex::default(), watch::Sender::new(false));
        Self { asked, reported, ends_transactions, lease: None, stop }
    }

    /// One that has a lease for the task.
    pub fn with_lease(lease: &Arc<HeldLease>) -> Arc<Self> {
        Arc::new(Self { lease: Some(Arc::clone(lease)), ..Self::which_ends_transactions(false) })
    }

    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    fn note(&self, what: impl Into<String>) {
        self.asked.lock().unwrap().push(what.into());
    }

    async fn wait(&self) {
        let mut stop = self.stop.subscribe();
        stop.wait_for(|&stop| stop).await.expect("the sender lives as long as this");
    }
}

impl ConnectorContext for Worker {
    fn request_task_reconfiguration(&self) {
        self.note("reconfigure");
    }
    fn raise_error(&self, failure: Failure) {
        self.note(format!("raise {failure}"));
    }
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

#[async_trait]
impl SourceContext for Worker {
    async fn read_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, Failure> {
        Ok(partitions.iter().map(|one| one.contains("\"a\"").then(|| r#"{"position":7}"#.to_owned())).collect())
    }
    fn ends_transactions(&self) -> bool {
        self.ends_transactions
    }
    fn end_transactions(&self, ends: Vec<RequestedEnd>) {
        let line = |RequestedEnd { behind, end }: &RequestedEnd| format!("{end:?} {behind:?}");
        self.note(ends.iter().map(line).collect::<Vec<_>>().join(", "));
    }
    fn lease(&self) -> Option<Arc<dyn Lease>> {
        self.lease.clone().map(|lease| lease as Arc<dyn Lease>)
    }
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
    async fn stopped(&self) {
        self.wait().await;
    }
}

#[async_trait]
impl SinkContext for Worker {
    fn assignment(&self) -> Vec<TopicPartition> {
        vec![TopicPartition { topic: "lines".into(), partition: 0 }]
    }
    fn seek(&self, offsets: Vec<TopicOffset>) {
        if let Some(first) = offsets.first() {
            self.note(format!("seek {}", first.offset));
        }
    }
    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Failure> {
        self.note(format!("pause {}", partitions.len()));
        Ok(())
    }
    fn resume(&self, _partitions: &[TopicPartition]) -> Result<(), Failure> {
        Ok(())
    }
    fn timeout(&self, ms: u32) {
        self.note(format!("timeout {ms}"));
    }
    fn request_commit(&self) {
        self.note("commit");
    }
    fn report(&self, errors: Vec<RowError>) -> Result<(), Failure> {
        self.reported.lock().unwrap().extend(errors);
        Ok(())
    }
    async fn write_records(&self, topic: &TopicName, copies: i16, records: Vec<TopicRecord>) -> Result<(), Failure> {
        for TopicRecord { value, headers, .. } in records {
            let value = value.map(|value| String::from_utf8(value).unwrap());
            self.note(format!("{topic} in {copies} copies: {value:?} {}", headers.len()));
        }
        Ok(())
    }
    fn lease(&self) -> Option<Arc<dyn Lease>> {
        self.lease.clone().map(|lease| lease as Arc<dyn Lease>)
    }
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
    async fn stopped(&self) {
        self.wait().await;
    }
}

/// A lease that is obtained in a large epoch, under which nothing is kept, and lost with the first change.
#[derive(Default)]
pub struct HeldLease {
    pub asked: Mutex<Vec<String>>,
}

impl HeldLease {
    fn note(&self, what: impl Into<String>) {
        self.asked.lock().unwrap().push(what.into());
    }
}

#[async_trait]
impl Lease for HeldLease {
    async fn obtain(&self) -> Result<u64, Failure> {
        self.note("obtain");
        Ok((1 << 32) + 3)
    }
    async fn confirm(&self, epoch: u64) -> Result<(), Failure> {
        self.note(format!("confirm {epoch}"));
        Ok(())
    }
    async fn keys(&self) -> Result<Vec<String>, Failure> {
        self.note("keys");
        Ok(Vec::new())
    }
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        self.note(format!("read {}", keys.join(", ")));
        Ok(vec![None; keys.len()])
    }
    async fn write(&self, epoch: u64, changes: Vec<KeyChange>) -> Result<(), Failure> {
        let mut keys: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
        keys.sort_unstable();
        self.note(format!("write in {epoch}: {}", keys.join(", ")));
        Err(Failure::new(ErrorKind::Fatal, LEASE_LOST, "another one has it"))
    }
}

/// A started source task with this behaviour.
pub async fn source(plugins: &WasmPlugins, settings: &[(&str, &str)]) -> Box<dyn SourceTask> {
    let mut source = plugins.source_task(&SOURCE.into(), &task(), Worker::new()).await.unwrap();
    source.start(&config(settings)).await.unwrap();
    source
}

pub const LIMITS: PollLimits = PollLimits { max_records: 100, max_bytes: 1 << 20, max_wait_ms: 500 };

/// What one poll of a source with this behaviour gives: its lines, or why it failed.
pub async fn polled(plugins: &WasmPlugins, behaviour: &str) -> Result<Vec<String>, PluginError> {
    let mut source = source(plugins, &[("behaviour", behaviour)]).await;
    Ok(source.poll(LIMITS).await?.map(|batch| texts(&batch)).unwrap_or_default())
}

/// The reason with which a behaviour ends its instance.
pub async fn reason(plugins: &WasmPlugins, behaviour: &str) -> String {
    match polled(plugins, behaviour).await {
        Err(PluginError::Broken { plugin, reason }) => {
            assert_eq!(plugin, SOURCE);
            reason
        }
        other => panic!("{behaviour} should break the instance, but: {other:?}"),
    }
}

/// A batch of lines.
pub fn lines(texts: &[&str]) -> Batch {
    let mut column = ColumnBuilder::new();
    texts.iter().for_each(|text| column.push_str(text));
    let rows = texts.len() as u32;
    let mut table = Table::new(rows);
    table.set(Role::TOPIC, Column::strings(texts.iter().map(|_| "lines")));
    table.values = Union::single(None, column.finish());
    table.into_batch()
}

/// Values of the selected rows.
pub fn texts(batch: &Batch) -> Vec<String> {
    let table = batch.open();
    let rows = table.data(Side::Value).into_iter().enumerate().filter(|(row, _)| table.is_selected(*row));
    let text = |(_, (_, value))| match value {
        Value::String(text) => text,
        other => format!("{other:?}"),
    };
    rows.map(text).collect()
}

/// Files of this process below a folder.
pub fn open_below(folder: &std::path::Path) -> usize {
    let handles = std::fs::read_dir("/proc/self/fd").unwrap();
    handles
        .filter_map(|handle| std::fs::read_link(handle.ok()?.path()).ok())
        .filter(|path| path.starts_with(folder))
        .count()
}
