//! What the entries of the config log add up to: a plain value.
//!
//! The rules are those of Connect's reader, since a log may have been written by both, compacted at any time, or by two
//! leaders at once.

use std::collections::{BTreeMap, BTreeSet};

use millstream_config::ConfigMap;

use super::{
    RestartRequest, TargetState,
    entry::{Entry, SessionKey},
    leases::{LeaseHolder, Leases},
};

/// The shared state after some prefix of the log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClusterState {
    connectors: BTreeMap<String, Folded>,
    session_key: Option<SessionKey>,
    leases: Leases,
}

/// What is known under one connector's name. Parts of it may be there without a configuration: what compaction left,
/// or what a deletion does not take away.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Folded {
    config: Option<ConfigMap>,
    target: Option<TargetState>,
    /// Task configurations that wait for a commit.
    deferred: BTreeMap<u32, ConfigMap>,
    tasks: BTreeMap<u32, ConfigMap>,
    task_count: Option<u32>,
    /// Counts the sets of task configurations that took effect, from 0.
    task_generation: Option<u64>,
    /// The configuration that the task configurations in effect were made from.
    applied: Option<ConfigMap>,
    /// A commit came without all of its task configurations.
    inconsistent: bool,
    fenced: Option<u32>,
    wants_fencing: bool,
}

/// What an entry changed, for who acts on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A connector has another configuration, or its first.
    ConnectorUpdated(String),
    /// A connector is gone.
    ConnectorRemoved(String),
    /// A connector's target is another than before.
    TargetChanged(String),
    /// A set of task configurations took effect.
    TasksUpdated {
        /// The connector.
        name: String,
        /// Those that came with the set.
        numbers: Vec<u32>,
    },
    /// There is a new session key.
    SessionKeyUpdated,
    /// Somebody wants a restart.
    RestartRequested {
        /// The connector.
        name: String,
        /// Which parts.
        request: RestartRequest,
    },
    /// A logger is to have another level.
    LoggerLevel {
        /// The logger.
        logger: String,
        /// The level's name.
        level: String,
    },
}

impl ClusterState {
    /// Takes the entry at a position of the log, and says what it changed; `None` where nobody has to act.
    pub fn apply_at(&mut self, position: u64, entry: Entry) -> Option<Change> {
        match entry {
            Entry::Lease { name, claim } => {
                self.leases.take(name, claim?, position);
                None
            }
            entry => self.apply(entry),
        }
    }

    /// The same of an entry whose position means nothing; a claim of a lease means nothing then.
    pub fn apply(&mut self, entry: Entry) -> Option<Change> {
        match entry {
            Entry::Connector { name, config: Some(config) } => {
                let folded = self.connectors.entry(name.clone()).or_default();
                folded.config = Some(config);
                // A connector of before target states were written runs.
                folded.target.get_or_insert_default();
                Some(Change::ConnectorUpdated(name))
            }
            Entry::Connector { name, config: None } => {
                let folded = self.connectors.get_mut(&name)?;
                let existed = folded.config.is_some();
                // Target, generation and fencing outlive the connector, as in Connect: what is written under its name
                // later is counted on from there.
                *folded = Folded {
                    target: folded.target,
                    task_generation: folded.task_generation,
                    fenced: folded.fenced,
                    wants_fencing: folded.wants_fencing,
                    ..Folded::default()
                };
                existed.then_some(Change::ConnectorRemoved(name))
            }
            Entry::Target { name, target } => self.retarget(name, target),
            Entry::Task { name, number, config } => {
                // A tombstone means nothing: only the set that a commit makes effective counts.
                let config = config?;
                self.connectors.entry(name).or_default().deferred.insert(number, config);
                None
            }
            Entry::Commit { name, tasks } => self.commit(name, tasks?),
            Entry::Fencing { name, tasks } => {
                let tasks = tasks?;
                let folded = self.connectors.entry(name).or_default();
                folded.fenced = Some(tasks);
                folded.wants_fencing = false;
                None
            }
            Entry::SessionKey(key) => {
                self.session_key = Some(key?);
                Some(Change::SessionKeyUpdated)
            }
            Entry::Restart { name, include_tasks, only_failed } => {
                Some(Change::RestartRequested { name, request: RestartRequest { include_tasks, only_failed } })
            }
            Entry::LoggerLevel { logger, level } => Some(Change::LoggerLevel { logger, level }),
            Entry::Lease { .. } => None,
        }
    }

    fn retarget(&mut self, name: String, target: Option<TargetState>) -> Option<Change> {
        let folded = self.connectors.entry(name.clone()).or_default();
        let Some(target) = target else {
            folded.target = folded.config.is_some().then(TargetState::default);
            return None;
        };
        let changed = folded.target != Some(target);
        folded.target = Some(target);
        (changed && folded.config.is_some()).then_some(Change::TargetChanged(name))
    }

    fn commit(&mut self, name: String, tasks: u32) -> Option<Change> {
        let folded = self.connectors.entry(name.clone()).or_default();
        let deferred = std::mem::take(&mut folded.deferred);
        if folded.config.is_none() {
            // Left over by compaction from a connector that was deleted.
            folded.tasks.clear();
            folded.task_count = None;
            return None;
        }
        let numbers: Vec<u32> = deferred.keys().copied().collect();
        folded.inconsistent = !(0..tasks).all(|number| deferred.contains_key(&number));
        if !folded.inconsistent {
            if !deferred.is_empty() {
                folded.task_generation = Some(folded.task_generation.map_or(0, |generation| generation + 1));
            }
            folded.tasks.extend(deferred);
            folded.applied.clone_from(&folded.config);
        }
        folded.task_count = Some(tasks);
        folded.wants_fencing = true;
        Some(Change::TasksUpdated { name, numbers })
    }

    /// The connectors' names, in ascending order.
    pub fn connectors(&self) -> impl Iterator<Item = &str> {
        self.connectors.iter().filter(|(_, folded)| folded.config.is_some()).map(|(name, _)| name.as_str())
    }

    /// A connector's configuration; `None` where there is no such connector.
    pub fn config(&self, connector: &str) -> Option<&ConfigMap> {
        self.connectors.get(connector)?.config.as_ref()
    }

    /// What a connector is to be; `None` where there is no such connector.
    pub fn target(&self, connector: &str) -> Option<TargetState> {
        let folded = self.connectors.get(connector)?;
        folded.config.as_ref().and(folded.target)
    }

    /// How many tasks a connector has: none while a set is incomplete.
    pub fn task_count(&self, connector: &str) -> u32 {
        match self.connectors.get(connector) {
            Some(folded) if !folded.inconsistent => folded.task_count.unwrap_or(0),
            _ => 0,
        }
    }

    /// The configurations of a connector's tasks, by number.
    pub fn tasks(&self, connector: &str) -> Vec<&ConfigMap> {
        let count = self.task_count(connector);
        self.connectors
            .get(connector)
            .map_or_else(Vec::new, |folded| folded.tasks.range(..count).map(|(_, c)| c).collect())
    }

    /// Which set of task configurations is in effect, counted from 0; `None` before the first.
    pub fn task_generation(&self, connector: &str) -> Option<u64> {
        self.connectors.get(connector)?.task_generation
    }

    /// The configuration that the task configurations in effect were made from.
    pub fn applied(&self, connector: &str) -> Option<&ConfigMap> {
        self.connectors.get(connector)?.applied.as_ref()
    }

    /// Connectors whose last commit came without all of its task configurations: they need a new set.
    pub fn inconsistent(&self) -> BTreeSet<&str> {
        self.connectors.iter().filter(|(_, folded)| folded.inconsistent).map(|(name, _)| name.as_str()).collect()
    }

    /// How many producers of a connector's tasks were fenced last; `None` if that was never written.
    pub fn fenced(&self, connector: &str) -> Option<u32> {
        self.connectors.get(connector)?.fenced
    }

    /// Whether a set of tasks was committed since its predecessors were fenced.
    pub fn wants_fencing(&self, connector: &str) -> bool {
        self.connectors.get(connector).is_some_and(|folded| folded.wants_fencing)
    }

    /// Who has claimed a connector's lease last; `None` if nobody ever did.
    pub fn lease(&self, connector: &str) -> Option<&LeaseHolder> {
        self.leases.of(connector)
    }

    /// What a further claim begins to count from ([`LeaseClaim::base`]), if its epoch is to be higher than `above`.
    ///
    /// [`LeaseClaim::base`]: super::LeaseClaim::base
    pub(crate) fn lease_base(&self, connector: &str, above: u64) -> u64 {
        self.leases.base(connector, above)
    }

    /// The key with which workers sign requests to each other.
    pub fn session_key(&self) -> Option<&SessionKey> {
        self.session_key.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_log::LeaseClaim;

    fn config(value: &str) -> ConfigMap {
        ConfigMap::from([("k".to_owned(), Some(value.to_owned()))])
    }

    fn connector(value: Option<&str>) -> Entry {
        Entry::Connector { name: "c".to_owned(), config: value.map(config) }
    }

    fn target(target: Option<TargetState>) -> Entry {
        Entry::Target { name: "c".to_owned(), target }
    }

    fn task(number: u32, value: &str) -> Entry {
        Entry::Task { name: "c".to_owned(), number, config: Some(config(value)) }
    }

    fn commit(tasks: u32) -> Entry {
        Entry::Commit { name: "c".to_owned(), tasks: Some(tasks) }
    }

    fn fold(entries: &[Entry]) -> ClusterState {
        let mut state = ClusterState::default();
        for entry in entries {
            state.apply(entry.clone());
        }
        state
    }

    /// Every sequence of up to `length` entries of the alphabet.
    fn each_log(alphabet: &[Entry], length: usize, check: &mut impl FnMut(&[Entry])) {
        fn go(alphabet: &[Entry], left: usize, log: &mut Vec<Entry>, check: &mut impl FnMut(&[Entry])) {
            check(log);
            if left == 0 {
                return;
            }
            for entry in alphabet {
                log.push(entry.clone());
                go(alphabet, left - 1, log, check);
                log.pop();
            }
        }
        go(alphabet, length, &mut Vec::new(), check);
    }

    fn alphabet() -> Vec<Entry> {
        vec![
            connector(Some("1")),
            connector(Some("2")),
            connector(None),
            target(Some(TargetState::Stopped)),
            target(None),
            task(0, "a"),
            task(1, "a"),
            task(0, "b"),
            commit(0),
            commit(1),
            commit(2),
            Entry::Fencing { name: "c".to_owned(), tasks: Some(1) },
        ]
    }

    #[test]
    fn after_every_short_log_the_tasks_are_a_whole_set_of_a_connector_that_exists() {
        let mut logs = 0;
        each_log(&alphabet(), 5, &mut |log| {
            logs += 1;
            let state = fold(log);
            let tasks = state.tasks("c");
            assert_eq!(tasks.len(), state.task_count("c") as usize, "{log:?}");
            if state.config("c").is_none() {
                assert!(tasks.is_empty() && state.target("c").is_none(), "{log:?}");
                assert_eq!(state.connectors().count(), 0, "{log:?}");
            } else {
                assert!(state.target("c").is_some(), "{log:?}");
            }
            if !tasks.is_empty() {
                assert!(state.applied("c").is_some() && state.task_generation("c").is_some(), "{log:?}");
            }
        });
        assert_eq!(logs, (0..=5).map(|n| 12_usize.pow(n)).sum::<usize>());
    }

    #[test]
    fn a_config_target_or_fencing_entry_read_twice_in_a_row_changes_nothing_the_second_time() {
        each_log(&alphabet(), 3, &mut |log| {
            for entry in alphabet().into_iter().filter(|entry| !matches!(entry, Entry::Commit { .. })) {
                let mut once = fold(log);
                once.apply(entry.clone());
                let mut twice = once.clone();
                twice.apply(entry.clone());
                assert_eq!(once, twice, "{log:?} then {entry:?}");
            }
        });
    }

    #[test]
    fn a_compacted_log_names_the_same_connectors_configurations_and_targets() {
        each_log(&alphabet(), 4, &mut |log| {
            let last = |at: usize| log[at + 1..].iter().all(|later| later.key() != log[at].key());
            let kept: Vec<Entry> = (0..log.len()).filter(|&at| last(at)).map(|at| log[at].clone()).collect();
            let (whole, compacted) = (fold(log), fold(&kept));
            assert_eq!(whole.config("c"), compacted.config("c"), "{log:?}");
            assert_eq!(whole.target("c"), compacted.target("c"), "{log:?}");
            // What compaction took may leave a set incomplete, never a mixture.
            assert_eq!(compacted.tasks("c").len(), compacted.task_count("c") as usize, "{log:?}");
        });
    }

    #[test]
    fn task_configurations_wait_for_a_commit_that_has_them_all() {
        let mut state = fold(&[connector(Some("1")), task(0, "a"), task(1, "b")]);
        assert_eq!((state.task_count("c"), state.task_generation("c")), (0, None));
        assert_eq!(state.apply(commit(2)), Some(Change::TasksUpdated { name: "c".to_owned(), numbers: vec![0, 1] }));
        assert_eq!(state.tasks("c"), [&config("a"), &config("b")]);
        assert_eq!((state.task_generation("c"), state.applied("c")), (Some(0), Some(&config("1"))));
        assert!(state.wants_fencing("c") && state.inconsistent().is_empty());

        // One task of the next set was compacted away: no task runs until a whole set is there.
        state.apply(task(0, "x"));
        state.apply(commit(2));
        assert_eq!((state.task_count("c"), state.inconsistent()), (0, BTreeSet::from(["c"])));
        state.apply(task(0, "x"));
        state.apply(task(1, "y"));
        state.apply(commit(2));
        assert_eq!(state.tasks("c"), [&config("x"), &config("y")]);
        assert_eq!((state.task_generation("c"), state.inconsistent()), (Some(1), BTreeSet::new()));
    }

    #[test]
    fn a_commit_without_tasks_takes_them_away_and_keeps_the_generation() {
        let mut state = fold(&[connector(Some("1")), task(0, "a"), commit(1)]);
        state.apply(commit(0));
        assert_eq!((state.task_count("c"), state.task_generation("c")), (0, Some(0)));
    }

    #[test]
    fn a_connector_made_anew_starts_with_its_old_target_unless_it_was_deleted_too() {
        let log = [connector(Some("1")), target(Some(TargetState::Stopped)), connector(None)];
        let mut state = fold(&log);
        state.apply(connector(Some("2")));
        assert_eq!(state.target("c"), Some(TargetState::Stopped));
        let mut state = fold(&log);
        state.apply(target(None));
        state.apply(connector(Some("2")));
        assert_eq!(state.target("c"), Some(TargetState::Started));
    }

    #[test]
    fn only_a_target_that_differs_is_a_change() {
        let mut state = fold(&[connector(Some("1"))]);
        assert_eq!(state.apply(target(Some(TargetState::Started))), None);
        let changed = Some(Change::TargetChanged("c".to_owned()));
        assert_eq!(state.apply(target(Some(TargetState::Paused))), changed);
        assert_eq!(state.apply(target(None)), None);
        assert_eq!(state.target("c"), Some(TargetState::Started));
    }

    #[test]
    fn the_last_claim_of_a_lease_counts_also_where_compaction_left_no_other_and_of_a_connector_made_anew() {
        let claim = |token: &str| Entry::Lease {
            name: "c".to_owned(),
            claim: Some(LeaseClaim { worker: "w".to_owned(), task: 0, token: token.to_owned(), base: 10 }),
        };
        let none = Entry::Lease { name: "c".to_owned(), claim: None };
        let log = [claim("a"), connector(Some("1")), claim("b"), connector(None), none, connector(Some("2"))];
        let of = |state: &ClusterState| state.lease("c").map(|holder| (holder.epoch, holder.claim.token.clone()));
        let (mut whole, mut compacted) = (ClusterState::default(), ClusterState::default());
        for (position, entry) in (1..).zip(&log) {
            whole.apply_at(position, entry.clone());
            if position != 1 {
                compacted.apply_at(position, entry.clone());
            }
        }
        assert_eq!(of(&whole), Some((13, "b".to_owned())));
        assert_eq!(of(&compacted), of(&whole));
        assert_eq!((whole.lease_base("c", 13), whole.lease_base("c", 14), whole.lease_base("d", 14)), (10, 14, 14));
    }

    #[test]
    fn two_leaders_that_write_sets_at_once_leave_one_whole_set() {
        // Their records interleave; the later commit finds its tasks gone with the earlier one.
        let state = fold(&[connector(Some("1")), task(0, "a"), task(0, "b"), task(1, "b"), commit(1), commit(2)]);
        assert_eq!((state.task_count("c"), state.inconsistent()), (0, BTreeSet::from(["c"])));
    }
}
