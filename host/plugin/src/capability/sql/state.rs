//! Which databases an instance may open, and how many sessions it has.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use millstream_metrics::PluginInstance;
use millstream_record::batch::Limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::Login;
use super::options::SessionOptions;
use super::session::OpenDatabase;
use super::{SqlError, check};
use crate::capability::Allowed;

/// A database that a key's value names, with what other keys say about it.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) url: String,
    /// Parameters from keys of their own.
    pub(super) properties: Vec<(String, String)>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

/// What the keys of an instance's configuration open. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SqlAccess {
    keys: Arc<HashMap<String, Option<Grant>>>,
    allowed: Allowed,
    limits: SqlLimits,
    sessions: Arc<Semaphore>,
    /// Parameters that a warning has told of.
    warned: Arc<Mutex<BTreeSet<String>>>,
    metrics: Arc<PluginInstance>,
}

/// Warnings that are remembered, so that each is given once.
const MOST_WARNINGS: usize = 1000;

/// A call to a database, whose time is counted when it ends.
pub(crate) struct Counted {
    metrics: Arc<PluginInstance>,
    begin: Instant,
}

impl Counted {
    /// It has ended, well or with an error.
    pub(crate) fn end(self, failed: bool) {
        self.metrics.database_errors.add(failed.into());
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // One that was cancelled has taken its time, too.
        let nanos = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.metrics.database_time.add(nanos);
    }
}

/// What one instance may use of databases.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SqlLimits {
    /// `plugin.sql.sessions.max`: sessions open at a time.
    pub(crate) sessions: usize,
    /// `plugin.sql.value.max.bytes`: the largest value that is read.
    pub(crate) value_bytes: usize,
    /// How long a guest's call may wait for the host: no statement may take longer.
    pub(crate) wait: Duration,
    /// The largest batch.
    pub(crate) batch: Limits,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self { sessions: 8, value_bytes: 32 << 20, wait: Duration::from_secs(60), batch: Limits::DEFAULT }
    }
}

impl SqlAccess {
    /// Nothing is opened yet, whatever the worker would allow.
    pub(crate) fn new(allowed: &Allowed, limits: SqlLimits, metrics: Arc<PluginInstance>) -> Self {
        Self {
            keys: Arc::default(),
            allowed: allowed.clone(),
            limits,
            sessions: Arc::new(Semaphore::new(limits.sessions)),
            warned: Arc::default(),
            metrics,
        }
    }

    /// No key opens anything any more. What is open stays open.
    pub(crate) fn revoke_all(&mut self) {
        self.keys = Arc::default();
    }

    pub(super) fn grant(&mut self, key: &str, grant: Option<Grant>) {
        Arc::make_mut(&mut self.keys).insert(key.to_owned(), grant);
    }

    /// Opens a session at the database that a key's value names. `warn` is told of parameters that mean nothing here.
    pub(crate) async fn open(&self, key: &str, options: &str, warn: impl Fn(&str)) -> Result<OpenDatabase, SqlError> {
        let grant = self.keys.get(key).ok_or_else(|| {
            SqlError::fatal(format!("the key {key} opens no database: its definition does not say so"))
        })?;
        let grant = grant.as_ref().ok_or_else(|| SqlError::config(format!("the key {key} has no value")))?;
        let login = Login::of(grant)?;
        let properties = grant.properties.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        check::check_parameters(&login.target, properties, &self.allowed.sql).map_err(SqlError::config)?;
        let (target, allowed) = (login.target.clone(), self.allowed.clone());
        let (session_options, parsed) = (options.to_owned(), tokio::task::spawn_blocking);
        // Zones and folders lie on a disk.
        let looked = parsed(move || {
            check::check(&target, &allowed).map_err(SqlError::config)?;
            SessionOptions::parse(&session_options)
        });
        let options = looked.await.map_err(|error| SqlError::fatal(format!("open {key}: {error}")))??;
        for name in login.unknown_parameters() {
            let text = format!("the parameter {name} of {} means nothing here and is left out", login.target.name());
            if self.warns_of(&text) {
                warn(&text);
            }
        }
        let permit: OwnedSemaphorePermit = Arc::clone(&self.sessions).try_acquire_owned().map_err(|_| {
            SqlError::fatal(format!(
                "{} sessions are open, and an instance may have no more (plugin.sql.sessions.max)",
                self.limits.sessions
            ))
        })?;
        OpenDatabase::open(login, options, self.limits, permit).await
    }

    /// Whether a warning is given for the first time.
    pub(crate) fn warns_of(&self, text: &str) -> bool {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        warned.len() < MOST_WARNINGS && warned.insert(text.to_owned())
    }

    /// A call to a database begins.
    pub(crate) fn counted(&self) -> Counted {
        self.metrics.database_calls.add(1);
        Counted { metrics: Arc::clone(&self.metrics), begin: Instant::now() }
    }

    /// Rows were read that are this batch.
    pub(crate) fn read(&self, batch: &[u8]) {
        // The number of rows stands in the header.
        let rows = batch.get(8..12).and_then(|rows| rows.try_into().ok()).map_or(0, u32::from_le_bytes);
        self.metrics.database_rows_read.add(rows.into());
        self.metrics.database_bytes_read.add(batch.len() as u64);
    }

    /// Rows were changed by a statement over a batch.
    pub(crate) fn wrote(&self, rows: u64) {
        self.metrics.database_rows_changed.add(rows);
    }

    /// What a batch of the guest's own has to keep.
    pub(crate) fn batch_limits(&self) -> Limits {
        self.limits.batch
    }
}
