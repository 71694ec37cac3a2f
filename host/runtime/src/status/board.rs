//! One worker's side of the statuses: it signs what its instances say, and silences those that it gave up, so that
//! they cannot overwrite what their successors say.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, Weak,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use millstream_config::secrets;
use millstream_connector::TaskId;
use millstream_record::Timestamp;

use super::{ConnectorStatuses, Instance, InstanceStatus, State, StatusStore, TopicUse};
use crate::membership::GroupSession;

/// How often in one generation an instance repeats its status over one that was not written in an earlier generation:
/// workers of two groups that share a topic would do so without end.
const REPEATS: u8 = 3;

/// Writes for one worker. Cheap to clone; clones share what they hold.
#[derive(Clone)]
pub(crate) struct StatusBoard {
    store: Arc<dyn StatusStore>,
    worker_id: Arc<str>,
    /// Versions of connectors' plugins, for the statuses to come.
    versions: Arc<Mutex<BTreeMap<String, String>>>,
    /// Generation of the group that this worker is in; 0 of one that is in none, as Connect writes it.
    generation: Arc<AtomicI32>,
    /// What the instances have said that run here.
    speaking: Arc<Mutex<BTreeMap<Instance, Weak<Mutex<Said>>>>>,
    /// Whether topics are noted that connectors use.
    tracks_topics: bool,
}

impl std::fmt::Debug for StatusBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatusBoard").field("worker_id", &self.worker_id).finish_non_exhaustive()
    }
}

impl StatusBoard {
    pub(crate) fn new(worker_id: &str, store: Arc<dyn StatusStore>) -> Self {
        Self {
            store,
            worker_id: worker_id.into(),
            versions: Arc::default(),
            generation: Arc::default(),
            speaking: Arc::default(),
            tracks_topics: false,
        }
    }

    /// `host:port` under which the worker is known.
    pub(crate) fn worker_id(&self) -> &str {
        &self.worker_id
    }

    /// Notes the topics that connectors use if that is wished.
    pub(crate) fn tracking_topics(self, tracks_topics: bool) -> Self {
        Self { tracks_topics, ..self }
    }

    /// Sets the generation that statuses show from here on.
    pub(crate) fn set_generation(&self, generation: i32) {
        self.generation.store(generation, Ordering::Release);
    }

    /// Statuses are written only while this worker is certain to be a member of its group.
    pub(crate) fn write_within(&self, session: GroupSession) {
        self.store.write_within(session);
    }

    /// Forgets what is not written yet: nothing of it is this worker's any more.
    pub(crate) fn forget_waiting(&self) {
        self.store.forget_waiting();
    }

    /// Waits until another worker's word on something is known, and says on what. Dropping the future loses nothing.
    pub(crate) async fn heard_of_others(&self) -> Vec<Instance> {
        self.store.heard_of_others(&self.worker_id).await
    }

    /// Repeats the status of what runs here, and is known by the word of another worker.
    ///
    /// A worker that the group has given up, and that does not know it yet, may write what it has to say over the word of
    /// whoever was given its work. Only who runs an instance can tell.
    pub(crate) fn repeat(&self, of: &Instance) {
        let said = self.speaking().get(of).and_then(Weak::upgrade);
        if let Some(said) = said {
            self.repeat_said(of, &mut lock(&said));
        }
    }

    /// The same for everything that runs here.
    pub(crate) fn repeat_all(&self) {
        let speaking: Vec<Instance> = {
            let mut speaking = self.speaking();
            speaking.retain(|_, said| 0 < said.strong_count());
            speaking.keys().cloned().collect()
        };
        speaking.iter().for_each(|of| self.repeat(of));
    }

    fn repeat_said(&self, of: &Instance, said: &mut Said) {
        // Of its end nothing is to be repeated: whoever has it next has spoken.
        let Some((state, trace)) = said.last.clone().filter(|(state, _)| *state != State::Unassigned) else { return };
        let known = self.get(of.connector()).and_then(|known| known.get(of).cloned());
        let Some(known) = known.filter(|known| !said.silenced && *known.worker_id != *self.worker_id) else { return };
        let generation = self.generation.load(Ordering::Acquire);
        if generation <= known.generation {
            // It may come from a group that has begun anew since, or from another one that has the same topic.
            let (of_generation, repeats) = said.repeats;
            let repeats = if of_generation == generation { repeats } else { 0 };
            if REPEATS <= repeats {
                return;
            }
            said.repeats = (generation, repeats + 1);
        }
        tracing::debug!(%of, other = known.worker_id, state = known.state.name(), "another worker has written a status of what runs here: it is written again");
        self.write(of, state, trace, false);
    }

    fn speaking(&self) -> MutexGuard<'_, BTreeMap<Instance, Weak<Mutex<Said>>>> {
        self.speaking.lock().expect("who speaks is changed by whole values, which does not panic")
    }

    pub(crate) fn get(&self, connector: &str) -> Option<ConnectorStatuses> {
        self.store.get(connector)
    }

    /// A writer for the connector itself (`None`) or one of its tasks.
    pub(crate) fn writer(&self, connector: &str, task: Option<u32>) -> StatusWriter {
        let (of, said) = (instance(connector, task), Arc::default());
        self.speaking().insert(of.clone(), Arc::downgrade(&said));
        StatusWriter { board: self.clone(), of, said, observer: None }
    }

    /// Writes a state of an instance that nobody runs at the moment.
    pub(crate) fn set(&self, connector: &str, task: Option<u32>, state: State, trace: Option<String>) {
        self.write(&instance(connector, task), state, trace, state.may_be_late());
    }

    fn write(&self, of: &Instance, state: State, trace: Option<String>, safe: bool) {
        // Everybody may read statuses, and in a group they are stored.
        let trace = trace.map(|trace| secrets::hide(Some(of.connector()), &trace).into_owned());
        let version = self.versions().get(of.connector()).cloned();
        let generation = self.generation.load(Ordering::Acquire);
        let status = InstanceStatus { state, worker_id: self.worker_id.to_string(), generation, trace, version };
        if safe {
            self.store.put_safe(of, status);
        } else {
            self.store.put(of, status);
        }
    }

    fn versions(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.versions.lock().expect("versions are changed by whole values, which does not panic")
    }

    /// Sets the version that a connector's statuses show from here on.
    pub(crate) fn set_version(&self, connector: &str, version: Option<String>) {
        let mut versions = self.versions();
        match version {
            Some(version) => versions.insert(connector.to_owned(), version),
            None => versions.remove(connector),
        };
    }

    /// Returns when all that was said so far is written, or will not be, after at most `timeout`.
    pub(crate) async fn written(&self, timeout: Duration) {
        if tokio::time::timeout(timeout, self.store.written()).await.is_err() {
            tracing::warn!("statuses of what this worker does not run any more are not written yet");
        }
    }

    /// Names workers whose statuses are no surprise.
    pub(crate) fn expect_writers(&self, worker_ids: Vec<String>) {
        self.store.expect_writers(worker_ids);
    }

    /// Forgets a task.
    pub(crate) fn remove_task(&self, connector: &str, task: u32) {
        self.store.remove(&instance(connector, Some(task)));
    }

    /// Forgets the tasks that are not to be kept.
    pub(crate) fn keep_tasks(&self, connector: &str, keep: impl Fn(u32) -> bool) {
        let known = self.get(connector).unwrap_or_default();
        known.tasks.into_keys().filter(|task| !keep(*task)).for_each(|task| self.remove_task(connector, task));
    }

    /// Forgets the connectors that are not to be kept.
    pub(crate) fn keep_connectors(&self, keep: impl Fn(&str) -> bool) {
        self.store.connectors().iter().filter(|name| !keep(name)).for_each(|name| self.remove(name));
    }

    /// Topics that a connector uses.
    pub(crate) fn topics(&self, connector: &str) -> Vec<String> {
        self.store.topics(connector)
    }

    /// Forgets the topics that a connector uses.
    pub(crate) fn forget_topics(&self, connector: &str) {
        self.store.forget_topics(connector);
    }

    /// Forgets a connector and its tasks.
    pub(crate) fn remove(&self, connector: &str) {
        self.set_version(connector, None);
        self.store.remove(&instance(connector, None));
    }
}

fn instance(connector: &str, task: Option<u32>) -> Instance {
    let connector = connector.to_owned();
    match task {
        None => Instance::Connector(connector),
        Some(number) => Instance::Task(TaskId { connector, number }),
    }
}

/// Writes the status of one instance until it is silenced. Clones are silenced together.
#[derive(Clone, Debug)]
pub(crate) struct StatusWriter {
    board: StatusBoard,
    of: Instance,
    said: Arc<Mutex<Said>>,
    observer: Option<Observer>,
}

/// Hears of each state before it is written.
#[derive(Clone)]
struct Observer(Arc<dyn Fn(State) + Send + Sync>);

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// What an instance has said, and has to say.
#[derive(Debug, Default)]
struct Said {
    silenced: bool,
    /// Its state and the trace that goes with it, as they were written last.
    last: Option<(State, Option<String>)>,
    /// What keeps it from getting on, by kind.
    notes: BTreeMap<&'static str, String>,
    /// How often it has repeated its status over one that was not older, and in which generation.
    repeats: (i32, u8),
}

fn lock(said: &Mutex<Said>) -> MutexGuard<'_, Said> {
    said.lock().expect("what is said is changed by whole values, which does not panic")
}

impl Said {
    /// All notes as a trace, a line each.
    fn trace(&self) -> Option<String> {
        (!self.notes.is_empty()).then(|| self.notes.values().map(|note| format!("{note}\n")).collect())
    }
}

impl StatusWriter {
    /// Tells somebody, who must not block, of each state before it is written, one at a time.
    pub(crate) fn observed_by(self, observer: impl Fn(State) + Send + Sync + 'static) -> Self {
        Self { observer: Some(Observer(Arc::new(observer))), ..self }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        lock(&self.said)
    }

    /// Writes a state, with what is noted while it works.
    pub(crate) fn set(&self, state: State) {
        let mut said = self.said();
        let trace = if state.may_wait() { said.trace() } else { None };
        self.write(&mut said, state, trace, state.may_be_late());
    }

    /// Notes what keeps the instance from getting on, or that it does. While it works the notes are its trace.
    pub(crate) fn note(&self, kind: &'static str, note: Option<String>) {
        let mut said = self.said();
        match note {
            Some(note) => said.notes.insert(kind, note),
            None => said.notes.remove(kind),
        };
        let trace = said.trace();
        let (state, shown) = match &said.last {
            Some((state, shown)) => (*state, shown.clone()),
            // It has not come to say anything yet.
            None if trace.is_some() => (self.before(), None),
            None => return,
        };
        if state.may_wait() && shown != trace {
            // Nobody asked for this: if the instance is another worker's by now, that one's word stands.
            self.write(&mut said, state, trace, true);
        }
    }

    /// Whether it has said that it has failed.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.said().last, Some((State::Failed, _)))
    }

    /// Adds a line to the trace of one that has failed.
    pub(crate) fn add_to_failure(&self, line: &str) {
        let mut said = self.said();
        if let Some((State::Failed, trace)) = &said.last {
            let trace = format!("{}{line}\n", trace.as_deref().unwrap_or_default());
            self.write(&mut said, State::Failed, Some(trace), true);
        }
    }

    /// The state of one that has said nothing itself: that it is being restarted, or that it does not run.
    fn before(&self) -> State {
        let known = self.board.get(self.of.connector()).unwrap_or_default();
        known
            .get(&self.of)
            .map(|status| status.state)
            .filter(|state| *state == State::Restarting)
            .unwrap_or(State::Unassigned)
    }

    /// What it is the status of.
    pub(crate) fn of(&self) -> &Instance {
        &self.of
    }

    /// Notes that the task uses a topic.
    pub(crate) fn uses_topic(&self, topic: &str) {
        let Instance::Task(TaskId { connector, number }) = &self.of else { return };
        // Held, so that a task that was given up cannot be late.
        let said = self.said();
        if self.board.tracks_topics && !said.silenced {
            let (topic, connector) = (topic.to_owned(), connector.clone());
            let discovered_ms = Timestamp::now().as_millis();
            self.board.store.use_topic(&TopicUse { topic, connector, task: *number, discovered_ms });
        }
    }

    /// Writes FAILED with a trace.
    pub(crate) fn failed(&self, trace: String) {
        self.write(&mut self.said(), State::Failed, Some(trace), State::Failed.may_be_late());
    }

    /// Written under the lock, so that of two words the older cannot come last.
    fn write(&self, said: &mut Said, state: State, trace: Option<String>, safe: bool) {
        if !said.silenced {
            said.last = Some((state, trace.clone()));
            if let Some(Observer(tell)) = &self.observer {
                tell(state);
            }
            self.board.write(&self.of, state, trace, safe);
        }
    }

    /// Writes nothing from here on.
    pub(crate) fn silence(&self) {
        self.said().silenced = true;
        let mut speaking = self.board.speaking();
        if speaking.get(&self.of).is_some_and(|said| std::ptr::eq(said.as_ptr(), Arc::as_ptr(&self.said))) {
            speaking.remove(&self.of);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::MemoryStatusStore;

    fn board() -> StatusBoard {
        StatusBoard::new("w:8083", Arc::new(MemoryStatusStore::default()))
    }

    fn status_of(board: &StatusBoard) -> Option<InstanceStatus> {
        board.get("c").and_then(|statuses| statuses.tasks.get(&0).cloned())
    }

    fn trace_of(board: &StatusBoard) -> Option<String> {
        status_of(board).and_then(|status| status.trace)
    }

    #[test]
    fn what_an_instance_waits_for_is_its_trace_as_long_as_it_works() {
        let board = board();
        let writer = board.writer("c", Some(0));
        writer.note("a", Some("waiting for a".to_owned()));
        // It has said nothing yet.
        assert_eq!(status_of(&board).map(|status| status.state), Some(State::Unassigned));
        assert_eq!(trace_of(&board).as_deref(), Some("waiting for a\n"));
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
        let board = board();
        let (old, new) = (board.writer("c", Some(0)), board.writer("c", Some(0)));
        old.set(State::Running);
        old.silence();
        new.set(State::Running);
        old.failed("late".to_owned());
        old.note("a", Some("late".to_owned()));
        let expected = InstanceStatus {
            state: State::Running,
            worker_id: "w:8083".to_owned(),
            generation: 0,
            trace: None,
            version: None,
        };
        assert_eq!(status_of(&board), Some(expected));
    }

    /// Another worker's status of the task, and who is known by after it was heard.
    fn after_word_of(board: &StatusBoard, worker_id: &str, generation: i32) -> String {
        let state = State::Running;
        let other = InstanceStatus { state, worker_id: worker_id.to_owned(), generation, trace: None, version: None };
        board.store.put(&instance("c", Some(0)), other);
        board.repeat(&instance("c", Some(0)));
        status_of(board).expect("somebody's").worker_id
    }

    #[test]
    fn what_a_worker_writes_late_of_what_runs_here_does_not_stand() {
        let board = board();
        board.set_generation(5);
        let writer = board.writer("c", Some(0));
        assert_eq!(after_word_of(&board, "late:8083", 4), "late:8083", "nothing is said yet");
        writer.failed("why".to_owned());
        for _ in 0..2 * REPEATS {
            assert_eq!(after_word_of(&board, "late:8083", 4), "w:8083");
        }
        assert_eq!((trace_of(&board).as_deref(), status_of(&board).unwrap().generation), (Some("why"), 5));
        // The end of what runs elsewhere by now is over, and what was given up is nothing to speak of.
        writer.set(State::Unassigned);
        assert_eq!(after_word_of(&board, "late:8083", 4), "late:8083");
        writer.set(State::Running);
        writer.silence();
        assert_eq!(after_word_of(&board, "late:8083", 4), "late:8083");
    }

    #[test]
    fn workers_that_both_have_a_right_to_speak_do_not_do_so_without_end() {
        let board = board();
        board.set_generation(5);
        let writer = board.writer("c", Some(0));
        writer.set(State::Running);
        for generation in [5, 1] {
            // The group may have begun anew, at whatever generation.
            board.set_generation(generation);
            for _ in 0..REPEATS {
                assert_eq!(after_word_of(&board, "other:8083", 5), "w:8083");
            }
            assert_eq!(after_word_of(&board, "other:8083", 5), "other:8083");
        }
        board.set_generation(6);
        board.repeat_all();
        assert_eq!(status_of(&board).unwrap().worker_id, "w:8083");
    }

    #[test]
    fn statuses_show_the_version_of_the_plugin_that_is_known_when_they_are_written() {
        let board = board();
        board.set_version("c", Some("1.0".to_owned()));
        board.set("c", Some(0), State::Restarting, None);
        board.set_version("c", None);
        assert_eq!(status_of(&board).and_then(|status| status.version).as_deref(), Some("1.0"));
        board.set("c", Some(0), State::Restarting, None);
        assert_eq!(status_of(&board).and_then(|status| status.version), None);
    }
}
