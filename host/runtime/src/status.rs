//! States of connectors and tasks, kept in memory.
//!
//! Whoever runs an instance writes its status through a [`StatusWriter`]; an instance that was given
//! up is silenced, so that it cannot overwrite what its successor says.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// State of a connector or a task, in Connect's words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Nobody runs it.
    Unassigned,
    /// It runs.
    Running,
    /// It waits until it is resumed.
    Paused,
    /// A connector that was stopped.
    Stopped,
    /// It has failed and stays so until it is restarted.
    Failed,
    /// Between the stop and the start of a restart.
    Restarting,
}

impl State {
    /// Connect's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unassigned => "UNASSIGNED",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Stopped => "STOPPED",
            Self::Failed => "FAILED",
            Self::Restarting => "RESTARTING",
        }
    }
}

/// The status of one connector or task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InstanceStatus {
    /// Its state.
    pub state: State,
    /// `host:port` of the worker that runs it.
    pub worker_id: String,
    /// Why it failed: `class: message`, then `Caused by:` lines. Of one that runs, what it waits for.
    pub trace: Option<String>,
    /// Version of the connector's plugin, if it states one.
    pub version: Option<String>,
}

/// The statuses of one connector.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct ConnectorStatuses {
    pub(crate) connector: Option<InstanceStatus>,
    pub(crate) tasks: BTreeMap<u32, InstanceStatus>,
    /// Of the plugin, for the statuses to come.
    version: Option<String>,
}

/// All statuses of a worker. Cheap to clone; clones share what they hold.
#[derive(Clone, Debug)]
pub(crate) struct StatusBoard {
    worker_id: Arc<str>,
    statuses: Arc<Mutex<BTreeMap<String, ConnectorStatuses>>>,
}

impl StatusBoard {
    pub(crate) fn new(worker_id: &str) -> Self {
        Self { worker_id: worker_id.into(), statuses: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, ConnectorStatuses>> {
        self.statuses.lock().expect("statuses are changed by whole values, which does not panic")
    }

    pub(crate) fn get(&self, connector: &str) -> Option<ConnectorStatuses> {
        self.lock().get(connector).cloned()
    }

    /// A writer for the connector itself (`None`) or one of its tasks.
    pub(crate) fn writer(&self, connector: &str, task: Option<u32>) -> StatusWriter {
        StatusWriter {
            board: self.clone(),
            connector: connector.into(),
            task,
            silenced: Arc::new(AtomicBool::new(false)),
            notes: Arc::default(),
        }
    }

    pub(crate) fn set(&self, connector: &str, task: Option<u32>, state: State, trace: Option<String>) {
        let mut statuses = self.lock();
        let entry = statuses.entry(connector.to_owned()).or_default();
        let version = entry.version.clone();
        let status = InstanceStatus { state, worker_id: self.worker_id.to_string(), trace, version };
        match task {
            None => entry.connector = Some(status),
            Some(number) => {
                entry.tasks.insert(number, status);
            }
        }
    }

    /// Shows a trace with an instance that works or is paused, whatever it showed before.
    fn set_trace(&self, connector: &str, task: Option<u32>, trace: Option<String>) {
        let mut statuses = self.lock();
        let Some(entry) = statuses.get_mut(connector) else { return };
        let status = match task {
            None => entry.connector.as_mut(),
            Some(number) => entry.tasks.get_mut(&number),
        };
        if let Some(status) = status.filter(|status| may_wait(status.state)) {
            status.trace = trace;
        }
    }

    /// Sets the version that a connector's statuses show from here on.
    pub(crate) fn set_version(&self, connector: &str, version: Option<String>) {
        self.lock().entry(connector.to_owned()).or_default().version = version;
    }

    /// Forgets a task.
    pub(crate) fn remove_task(&self, connector: &str, task: u32) {
        if let Some(entry) = self.lock().get_mut(connector) {
            entry.tasks.remove(&task);
        }
    }

    /// Forgets the tasks that are not to be kept.
    pub(crate) fn keep_tasks(&self, connector: &str, keep: impl Fn(u32) -> bool) {
        if let Some(entry) = self.lock().get_mut(connector) {
            entry.tasks.retain(|number, _| keep(*number));
        }
    }

    /// Forgets a connector and its tasks.
    pub(crate) fn remove(&self, connector: &str) {
        self.lock().remove(connector);
    }
}

/// Whether an instance in this state can wait for something that its status shows.
fn may_wait(state: State) -> bool {
    matches!(state, State::Running | State::Paused)
}

/// Writes the status of one instance until it is silenced. Clones are silenced together.
#[derive(Clone, Debug)]
pub(crate) struct StatusWriter {
    board: StatusBoard,
    connector: Arc<str>,
    task: Option<u32>,
    silenced: Arc<AtomicBool>,
    /// What keeps the instance from getting on, by kind.
    notes: Arc<Mutex<BTreeMap<&'static str, String>>>,
}

impl StatusWriter {
    /// Writes a state, with what is noted while it works.
    pub(crate) fn set(&self, state: State) {
        let trace = if may_wait(state) { shown(&self.notes()) } else { None };
        self.write(state, trace);
    }

    fn notes(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.notes.lock().expect("notes are changed by whole values, which does not panic")
    }

    /// Notes what keeps the instance from getting on, or that it does. While it works the notes are its trace.
    pub(crate) fn note(&self, kind: &'static str, note: Option<String>) {
        let mut notes = self.notes();
        match note {
            Some(note) => notes.insert(kind, note),
            None => notes.remove(kind),
        };
        // Written under the lock, so that of two notes the older cannot come last.
        if !self.silenced.load(Ordering::Acquire) {
            self.board.set_trace(&self.connector, self.task, shown(&notes));
        }
    }

    /// Writes FAILED with a trace.
    pub(crate) fn failed(&self, trace: String) {
        self.write(State::Failed, Some(trace));
    }

    fn write(&self, state: State, trace: Option<String>) {
        if !self.silenced.load(Ordering::Acquire) {
            self.board.set(&self.connector, self.task, state, trace);
        }
    }

    /// Writes nothing from here on.
    pub(crate) fn silence(&self) {
        self.silenced.store(true, Ordering::Release);
    }
}

/// All notes as a trace, a line each.
fn shown(notes: &BTreeMap<&'static str, String>) -> Option<String> {
    (!notes.is_empty()).then(|| notes.values().map(|note| format!("{note}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace_of(board: &StatusBoard) -> Option<String> {
        board.get("c").and_then(|statuses| statuses.tasks.get(&0).cloned()).and_then(|status| status.trace)
    }

    #[test]
    fn what_an_instance_waits_for_is_its_trace_as_long_as_it_works() {
        let board = StatusBoard::new("w:8083");
        let writer = board.writer("c", Some(0));
        writer.note("a", Some("waiting for a".to_owned()));
        assert_eq!(trace_of(&board), None);
        writer.set(State::Running);
        assert_eq!(trace_of(&board).as_deref(), Some("waiting for a\n"));
        writer.note("b", Some("waiting for b".to_owned()));
        writer.set(State::Paused);
        assert_eq!(trace_of(&board).as_deref(), Some("waiting for a\nwaiting for b\n"));
        writer.note("a", None);
        assert_eq!(trace_of(&board).as_deref(), Some("waiting for b\n"));
        writer.failed("why".to_owned());
        writer.note("b", None);
        assert_eq!(trace_of(&board).as_deref(), Some("why"));
    }

    #[test]
    fn an_instance_that_was_given_up_cannot_overwrite_its_successor() {
        let board = StatusBoard::new("w:8083");
        let (old, new) = (board.writer("c", Some(0)), board.writer("c", Some(0)));
        old.set(State::Running);
        old.silence();
        new.set(State::Running);
        old.failed("late".to_owned());
        let status = board.get("c").and_then(|statuses| statuses.tasks.get(&0).cloned());
        let expected =
            InstanceStatus { state: State::Running, worker_id: "w:8083".to_owned(), trace: None, version: None };
        assert_eq!(status, Some(expected));
    }
}
