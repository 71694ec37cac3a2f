//! A stand-in for the host, for tests of plugins that run natively.
//!
//! [`Harness::enter`] takes the place of the host for the current thread until it is dropped. What a
//! plugin then asks of the host (logs, waits, files, databases, stored offsets, what a sink task may ask) goes
//! to the harness, where a test prepares it and looks at it afterwards.
//!
//! ```
//! use millstream_sdk::{File, harness::Harness};
//!
//! let harness = Harness::enter();
//! harness.file("file", b"one\ntwo\n");
//! let mut file = File::open("file").unwrap().expect("the test has put it there");
//! assert_eq!(file.read(4).unwrap(), b"one\n");
//! ```

mod database;
mod files;
pub(crate) mod host;
mod server;

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::Duration,
};

pub use database::{DatabaseCall, TestDatabase};
pub use files::TestFile;

use crate::{
    Error, RequestedEnd, Result, RowError, SinkContext, SinkTask, SourceContext, SourceTask, TopicOffset,
    TopicPartition, TopicReport, Value,
    config::{ConfigMap, PluginConfig},
    http, json,
    logging::Level,
    metrics::Progress,
    transaction,
};

/// What a sink task has asked of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkRequests {
    /// Seeks, newest last.
    pub seeks: Vec<Vec<TopicOffset>>,
    /// Partitions that are paused now.
    pub paused: Vec<TopicPartition>,
    /// The shortened time until the next `put`.
    pub timeout: Option<Duration>,
    /// How often a commit was asked for.
    pub commits: usize,
    /// Rows reported as never to be written.
    pub reported: Vec<RowError>,
    /// Records written to topics, each with the key that names its topic.
    pub written: Vec<(String, TopicReport)>,
}

/// What a connector has asked of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectorRequests {
    /// How often task configurations were asked to be made anew.
    pub reconfigurations: usize,
    /// Errors raised.
    pub errors: Vec<Error>,
}

#[derive(Default)]
pub(crate) struct State {
    log: Vec<(Level, String)>,
    metrics: BTreeMap<String, f64>,
    progress: BTreeMap<String, Progress>,
    waits: Vec<Duration>,
    rests: Vec<Duration>,
    stopping: bool,
    files: HashMap<String, TestFile>,
    databases: HashMap<String, TestDatabase>,
    offsets: HashMap<String, String>,
    ends_transactions: bool,
    transaction_ends: Vec<RequestedEnd>,
    assignment: Vec<TopicPartition>,
    sink: SinkRequests,
    refuse_reports: Option<Error>,
    connector: ConnectorRequests,
    lease: FakeLease,
    server: Option<server::Server>,
}

/// The lease of the harness's connector.
#[derive(Default)]
struct FakeLease {
    /// Of the last owner.
    epoch: u64,
    /// Of the plugin's task, if it is the owner.
    held: Option<u64>,
    kept: BTreeMap<String, Vec<u8>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<State>>>> = const { RefCell::new(None) };
}

/// The host of this thread, as long as it lives.
pub struct Harness(Rc<RefCell<State>>);

impl Harness {
    /// Becomes the host of this thread.
    ///
    /// # Panics
    ///
    /// If there is one already.
    pub fn enter() -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        CURRENT.with_borrow_mut(|current| {
            assert!(current.is_none(), "this thread has a harness already");
            *current = Some(Rc::clone(&state));
        });
        Self(state)
    }

    /// Puts a file in place that the configuration value of `key` is taken to name.
    pub fn file(&self, key: &str, content: &[u8]) -> TestFile {
        let file = TestFile::new(content);
        self.0.borrow_mut().files.insert(key.to_owned(), file.clone());
        file
    }

    /// Answers every request of the plugin from now on.
    pub fn serve(
        &self,
        server: impl Fn(&http::Request) -> std::result::Result<http::Response, http::HttpError> + 'static,
    ) {
        self.0.borrow_mut().server = Some(Rc::new(server));
    }

    /// Puts a database in place that the configuration value of `key` is taken to name.
    pub fn database(&self, key: &str) -> TestDatabase {
        let database = TestDatabase::default();
        self.0.borrow_mut().databases.insert(key.to_owned(), database.clone());
        database
    }

    /// Stores an offset, as if the worker had stored it before. Both are maps ([`map`](crate::map)).
    ///
    /// # Panics
    ///
    /// If JSON cannot hold one of them.
    pub fn store_offset(&self, partition: &Value, offset: &Value) {
        let json = |value| json::to_json(value).unwrap_or_else(|error| panic!("{error}"));
        self.0.borrow_mut().offsets.insert(json(partition), json(offset));
    }

    /// Has the source task end its transactions itself.
    pub fn let_end_transactions(&self) {
        self.0.borrow_mut().ends_transactions = true;
    }

    /// Ends of transactions that the source task has asked for since the last call.
    pub fn take_transaction_ends(&self) -> Vec<RequestedEnd> {
        let mut ends = std::mem::take(&mut self.0.borrow_mut().transaction_ends);
        ends.extend(transaction::take());
        ends
    }

    /// Assigns partitions to the sink task.
    pub fn assign(&self, partitions: &[TopicPartition]) {
        self.0.borrow_mut().assignment = partitions.to_vec();
    }

    /// Has every later wait return at once, because the task is to stop.
    pub fn ask_to_stop(&self) {
        self.0.borrow_mut().stopping = true;
    }

    /// Tolerates no errors: every report of a sink fails with this.
    pub fn refuse_reports(&self, error: Error) {
        self.0.borrow_mut().refuse_reports = Some(error);
    }

    /// Another task of the connector obtains the lease: whoever had it before has lost it, and does not know yet.
    pub fn take_lease(&self) {
        self.0.borrow_mut().lease.epoch += 1;
    }

    /// Keeps a value, as an owner of the lease has before.
    pub fn keep(&self, key: &str, value: &[u8]) {
        self.0.borrow_mut().lease.kept.insert(key.to_owned(), value.to_vec());
    }

    /// What owners of the lease have kept under a key.
    pub fn kept(&self, key: &str) -> Option<Vec<u8>> {
        self.0.borrow().lease.kept.get(key).cloned()
    }

    /// Starts a source task with a configuration as a user writes it.
    ///
    /// # Errors
    ///
    /// What the definition or the task has against it.
    pub fn source_task<T: SourceTask>(&self, config: &ConfigMap) -> Result<T> {
        T::start(T::Config::parse(config)?, SourceContext(()))
    }

    /// Starts a sink task with a configuration as a user writes it.
    ///
    /// # Errors
    ///
    /// What the definition or the task has against it.
    pub fn sink_task<T: SinkTask>(&self, config: &ConfigMap) -> Result<T> {
        T::start(T::Config::parse(config)?, SinkContext(()))
    }

    /// What was logged since the last call.
    pub fn take_log(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut self.0.borrow_mut().log)
    }

    /// What a counter has come to, or a gauge was set to last.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.0.borrow().metrics.get(name).copied()
    }

    /// How far the task has come with a piece of work; `None` if it is through, or has not begun.
    pub fn progress(&self, what: &str) -> Option<Progress> {
        self.0.borrow().progress.get(what).cloned()
    }

    /// How long the plugin has waited since the last call, wait by wait. No time passes in fact.
    pub fn take_waits(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.borrow_mut().waits)
    }

    /// How long the source task has said that there will be nothing since the last call, time by time.
    pub fn take_rests(&self) -> Vec<Duration> {
        std::mem::take(&mut self.0.borrow_mut().rests)
    }

    /// What the sink task has asked for since the last call.
    pub fn take_sink_requests(&self) -> SinkRequests {
        std::mem::take(&mut self.0.borrow_mut().sink)
    }

    /// What the connector has asked for since the last call.
    pub fn take_connector_requests(&self) -> ConnectorRequests {
        std::mem::take(&mut self.0.borrow_mut().connector)
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        transaction::take();
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}

/// Runs with the state of this thread's harness, or with an empty one if there is none.
pub(crate) fn with_state<R>(work: impl FnOnce(&mut State) -> R) -> R {
    CURRENT.with_borrow(|current| match current {
        Some(state) => work(&mut state.borrow_mut()),
        None => work(&mut State::default()),
    })
}
