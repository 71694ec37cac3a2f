//! What happened, and what must never happen.
//!
//! The fakes tell it everything; it keeps a log for whoever reads a failure and checks, as things happen:
//! every record ends in one named way, no offset is committed before its record and all before it have ended,
//! partitions keep their order, and nothing acts for a task that has been stopped or replaced. What can only be seen
//! at the end is [`History::unfinished`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use millstream_connector::{TaskId, TopicPartition};
use tokio::time::Instant;

use crate::{
    lockstep::{now, process},
    plan::{ConnectorPlan, Fault, Plan, Stage},
    reach::Reach,
};

/// One life of a task, from its making to its end.
pub type RunId = u64;

/// What a task consists of as the fakes see it. Each tells of its making and its end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// The plugin's task.
    Task,
    /// The producer of a source.
    Records,
    /// The producer of dead letters.
    Letters,
    /// The consumer.
    Consumer,
}

/// See the module's documentation.
pub struct History {
    plan: Arc<Plan>,
    begun: Instant,
    lines: Vec<String>,
    broken: Vec<String>,
    injected: BTreeMap<Fault, u64>,
    faults: u64,
    /// Texts that explain a failure, by connector.
    reasons: BTreeMap<String, BTreeSet<String>>,
    runs: BTreeMap<RunId, Run>,
    /// The life that a task is in, by process, connector and number.
    current: BTreeMap<(u32, String, u32), RunId>,
    /// Records that failed at a stage and have not come through it since, by process, connector and id.
    failing: BTreeMap<(u32, String, String), Failing>,
    /// Records that a policy allowed to skip.
    skipped: BTreeSet<String>,
    /// Records that a sink made durable, or that are in its dead-letter queue.
    kept: BTreeSet<String>,
    /// Rows whose transaction their plugin has asked to abort, and those that have not come again since.
    aborted: BTreeSet<String>,
    unseen: BTreeSet<String>,
    /// Connectors that are stopped and were told nothing else since.
    quiet: BTreeSet<String>,
    /// Instances of connectors, by process and name.
    instances: BTreeMap<(u32, String), u32>,
    /// Processes whose tasks others may have been given without their knowing.
    pub reach: Reach,
}

struct Run {
    process: u32,
    task: TaskId,
    parts: BTreeMap<Part, bool>,
    /// Where each source partition began.
    began: BTreeMap<String, i64>,
    rows: BTreeMap<String, SourceRow>,
    /// Rows that have not all been appended or left out, by the order of their poll.
    unpassed: BTreeMap<u64, String>,
    next_row: u64,
    passes: BTreeMap<TopicPartition, Pass>,
    /// Whether a commit of a group's offsets has gone wrong.
    missed: bool,
}

#[derive(Default)]
struct SourceRow {
    order: u64,
    /// How many records it becomes; 0: it was filtered.
    records: u32,
    appended: BTreeSet<String>,
    ended: BTreeSet<String>,
    /// Records that were not written, and are owed a dead letter.
    owed: BTreeSet<String>,
    /// Records that have been dead-lettered.
    lettered: BTreeSet<String>,
    told: bool,
}

/// A partition of a sink's task, since it was assigned.
#[derive(Default)]
struct Pass {
    base: i64,
    next: i64,
    taken: BTreeSet<i64>,
    durable: BTreeSet<i64>,
    filtered: BTreeSet<i64>,
    reported: BTreeSet<i64>,
    /// Failed before the last seek: a letter may still come, and the record another time.
    owed: BTreeSet<i64>,
    /// Letters that the producer was given since the last seek, and those that were acknowledged.
    letters: BTreeSet<i64>,
    written: BTreeSet<i64>,
    /// Whether the sink has taken something since it was last asked what may be committed.
    unasked: bool,
    /// What it allowed then.
    allowed: Option<i64>,
    /// Whether the task has gone elsewhere: what lies before counts as committed.
    sought: bool,
}

struct Failing {
    stage: Stage,
    retriable: bool,
    first: Instant,
    last: Instant,
}

/// Id of the record at an offset.
pub fn id_of(partition: &TopicPartition, offset: i64) -> String {
    format!("{}/{}/{offset}", partition.topic, partition.partition)
}

/// The row that a record came from.
fn row_of(record: &str) -> &str {
    record.split('#').next().unwrap_or(record)
}

impl History {
    /// Nothing has happened yet.
    pub fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            begun: now(),
            lines: Vec::new(),
            broken: Vec::new(),
            injected: BTreeMap::new(),
            faults: 0,
            reasons: BTreeMap::new(),
            runs: BTreeMap::new(),
            current: BTreeMap::new(),
            failing: BTreeMap::new(),
            skipped: BTreeSet::new(),
            kept: BTreeSet::new(),
            aborted: BTreeSet::new(),
            unseen: BTreeSet::new(),
            quiet: BTreeSet::new(),
            instances: BTreeMap::new(),
            reach: Reach::default(),
        }
    }

    /// Takes note of something.
    pub fn note(&mut self, what: impl AsRef<str>) {
        let line = format!("{:>10.3} {}", (now() - self.begun).as_secs_f64(), what.as_ref());
        tracing::trace!("{line}");
        self.lines.push(line);
    }

    /// Puts what has happened since so many lines in order: it happened at once.
    pub fn at_once(&mut self, since: usize) {
        self.lines[since..].sort();
    }

    /// An invariant does not hold.
    pub fn violated(&mut self, what: impl AsRef<str>) {
        self.note(format!("!!! {}", what.as_ref()));
        self.broken.push(what.as_ref().to_owned());
    }

    /// Everything that happened.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Invariants that did not hold, in the order of the events.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// How often each fault happened.
    pub fn injected(&self) -> &BTreeMap<Fault, u64> {
        &self.injected
    }

    /// How many lives tasks had.
    pub fn lives(&self) -> usize {
        self.runs.len()
    }

    /// A fault happens to a connector: its number.
    pub fn inject(&mut self, connector: &str, fault: Fault) -> u64 {
        *self.injected.entry(fault).or_default() += 1;
        self.faults += 1;
        self.note(format!("fault {} {fault:?} for {connector}", self.faults));
        self.faults
    }

    /// A text that explains a failed status of a connector or its tasks.
    pub fn explains(&mut self, connector: &str, text: String) -> String {
        self.reasons.entry(connector.to_owned()).or_default().insert(text.clone());
        text
    }

    /// A status says FAILED.
    pub fn failed_status(&mut self, of: &str, connector: &str, trace: Option<&str>) {
        let trace = trace.unwrap_or("nothing");
        // The old tasks of a connector that does not start with fewer, as in Connect.
        let known = trace.contains("TooManyTasksException")
            || self.reasons.get(connector).is_some_and(|reasons| reasons.iter().any(|text| trace.contains(text)));
        if !known {
            self.violated(format!("{of} is FAILED and its status does not say why: {trace}"));
        }
    }

    /// A connector has been stopped: nothing of it may act until something else is asked for.
    pub fn stopped(&mut self, connector: &str) {
        self.note(format!("{connector} is quiet"));
        self.quiet.insert(connector.to_owned());
        self.nothing_lives(Some(connector));
    }

    /// Something is asked for that may let a connector's tasks run.
    pub fn asked(&mut self, connector: &str) {
        self.quiet.remove(connector);
    }

    /// Tasks (of a connector, or all) must have ended.
    pub fn nothing_lives(&mut self, connector: Option<&str>) {
        let alive = self.runs.iter().filter(|(_, run)| connector.is_none_or(|name| run.task.connector == name));
        let alive: Vec<String> = alive
            .filter(|(_, run)| run.parts.values().any(|alive| *alive))
            .map(|(id, run)| format!("{} (life {id})", run.task))
            .collect();
        if !alive.is_empty() {
            self.violated(format!("still there after a stop: {}", alive.join(", ")));
        }
    }

    /// A part of a task is made. The second part of one kind belongs to the task's next life.
    pub fn made(&mut self, task: &TaskId, part: Part) -> RunId {
        let key = (process(), task.connector.clone(), task.number);
        let current = self.current.get(&key).copied();
        if let Some(id) = current
            && let Some(run) = self.runs.get_mut(&id)
            && !run.parts.contains_key(&part)
            && !(part == Part::Letters && run.parts.contains_key(&Part::Task))
        {
            run.parts.insert(part, true);
            return id;
        }
        if let Some(id) = current
            && self.runs[&id].parts.values().any(|alive| *alive)
        {
            self.violated(format!("{task} begins another life while its last one, {id}, goes on"));
        }
        if let Some(other) = self.life_elsewhere(task, 0) {
            let there = self.runs[&other].process;
            self.may_overlap(there);
            if !self.reach.may_be_late(there) && !self.reach.may_be_late(process()) {
                self.violated(format!("{task} begins a life while its life {other} goes on at process {there}"));
            }
        }
        let id = self.runs.len() as RunId + 1;
        self.note(format!("{task} begins life {id} at process {}", process()));
        let run = Run {
            process: process(),
            task: task.clone(),
            parts: BTreeMap::from([(part, true)]),
            began: BTreeMap::new(),
            rows: BTreeMap::new(),
            unpassed: BTreeMap::new(),
            next_row: 0,
            passes: BTreeMap::new(),
            missed: false,
        };
        self.runs.insert(id, run);
        self.current.insert(key, id);
        id
    }

    /// A part of a task is gone.
    pub fn gone(&mut self, run: RunId, part: Part) {
        self.note(format!("life {run} loses its {part:?}"));
        self.run(run).parts.insert(part, false);
    }

    /// The life that a task is in.
    pub fn life(&self, task: &TaskId) -> RunId {
        self.current.get(&(process(), task.connector.clone(), task.number)).copied().unwrap_or(0)
    }

    /// A life of a task, later than this one, that goes on at another process.
    fn life_elsewhere(&self, task: &TaskId, later: RunId) -> Option<RunId> {
        let is = |run: &Run| run.process != process() && run.task == *task && run.parts.values().any(|alive| *alive);
        self.runs.range(later + 1..).find(|(_, run)| is(run)).map(|(id, _)| *id)
    }

    /// A group that turns eager gives everything away before those who have it hear of that: they stop it then.
    fn may_overlap(&mut self, there: u32) {
        if let Some(within) = self.plan.group.as_ref().filter(|group| group.may_turn_eager()).map(|it| it.stops_within)
        {
            self.reach.expel(there, within);
        }
    }

    /// What runs: lives of tasks with their processes.
    pub fn alive(&self) -> BTreeMap<TaskId, BTreeMap<RunId, u32>> {
        let mut alive: BTreeMap<TaskId, BTreeMap<RunId, u32>> = BTreeMap::new();
        for (id, run) in self.runs.iter().filter(|(_, run)| run.parts.values().any(|alive| *alive)) {
            alive.entry(run.task.clone()).or_default().insert(*id, run.process);
        }
        alive
    }

    /// An instance of a connector is made.
    pub fn instance_made(&mut self, name: &str) {
        let here = process();
        let there: Vec<u32> = self.instances_of(name).into_iter().filter(|there| *there != here).collect();
        for there in there {
            self.may_overlap(there);
            if !self.reach.may_be_late(there) && !self.reach.may_be_late(here) {
                self.violated(format!("{name} is made at process {here} while it is at process {there}"));
            }
        }
        self.note(format!("{name} is made at process {here}"));
        *self.instances.entry((here, name.to_owned())).or_default() += 1;
    }

    /// It is gone.
    pub fn instance_gone(&mut self, name: &str) {
        let of = (process(), name.to_owned());
        self.note(format!("{name} is gone from process {}", process()));
        if let Some(count) = self.instances.get_mut(&of) {
            *count -= 1;
        }
        self.instances.retain(|_, count| *count != 0);
    }

    /// Processes that have an instance of a connector.
    pub fn instances_of(&self, name: &str) -> BTreeSet<u32> {
        self.instances.keys().filter(|(_, of)| of == name).map(|(process, _)| *process).collect()
    }

    /// Something is done for a task.
    pub fn acts(&mut self, run: RunId, what: impl AsRef<str>) {
        let task = self.task(run);
        let what = what.as_ref();
        self.note(format!("{task} life {run}: {what}"));
        if self.quiet.contains(&task.connector) {
            self.violated(format!("{task} was stopped, and then: {what}"));
        }
        if self.life(&task) != run {
            self.violated(format!("{task} is in another life, and life {run} goes on: {what}"));
        }
        let patience = self.plan.group.as_ref().map_or(Duration::MAX / 4, |group| group.patience());
        if self.reach.must_rest(process(), patience) {
            self.violated(format!("{task} life {run} goes on although its worker hears nothing of its group: {what}"));
        }
        if let Some(other) = self.life_elsewhere(&task, run)
            && !self.reach.may_be_late(process())
            && !self.reach.may_be_late(self.runs[&other].process)
        {
            self.violated(format!("{task} life {run} goes on while life {other} does elsewhere: {what}"));
        }
    }

    fn task(&self, run: RunId) -> TaskId {
        self.runs[&run].task.clone()
    }

    fn run(&mut self, run: RunId) -> &mut Run {
        self.runs.get_mut(&run).expect("a part belongs to a life")
    }

    fn plan_of(&self, run: RunId) -> ConnectorPlan {
        self.plan.connector(&self.runs[&run].task.connector).clone()
    }

    // Records that fail.

    /// A record failed at a stage.
    pub fn failed(&mut self, connector: &str, id: &str, stage: Stage, retriable: bool) {
        self.note(format!("{connector}: {id} fails at {stage:?}{}", if retriable { ", retriable" } else { "" }));
        let now = now();
        let key = (process(), connector.to_owned(), id.to_owned());
        match self.failing.get_mut(&key) {
            Some(failing) if failing.stage == stage => (failing.last, failing.retriable) = (now, retriable),
            _ => {
                self.failing.insert(key, Failing { stage, retriable, first: now, last: now });
            }
        }
    }

    /// A record came through a stage.
    pub fn came_through(&mut self, connector: &str, id: &str, stage: Stage) {
        let key = (process(), connector.to_owned(), id.to_owned());
        if self.failing.get(&key).is_some_and(|failing| failing.stage == stage) {
            self.failing.remove(&key);
        }
    }

    /// Whether the policy gives a record up: it has failed for good, and that is tolerated.
    fn is_given_up(&self, plan: &ConnectorPlan, id: &str) -> bool {
        let lost =
            self.failing.get(&(process(), plan.name.clone(), id.to_owned())).is_some_and(|f| f.stage == Stage::Append);
        plan.tolerant && self.has_failed_for_good(plan, id) && !(lost && self.is_whole(plan))
    }

    /// Whether a connector writes transactions, of which none is committed without one of its records.
    fn is_whole(&self, plan: &ConnectorPlan) -> bool {
        self.plan.exactly_once && !plan.sink
    }

    fn has_failed_for_good(&self, plan: &ConnectorPlan, id: &str) -> bool {
        self.failing.get(&(process(), plan.name.clone(), id.to_owned())).is_some_and(|failing| match failing.stage {
            Stage::Put if failing.retriable => plan.max_tries != 0,
            Stage::Put => plan.isolates,
            _ => {
                // A slow worker decides some time after it has failed.
                let last = if self.plan.group.is_some() { now() } else { failing.last };
                !failing.retriable || failing.stage == Stage::Report || plan.retry_timeout <= last - failing.first
            }
        })
    }

    fn forget_failing(&mut self, connector: &str, forget: impl Fn(&str) -> bool) {
        self.failing.retain(|(at, name, id), _| *at != process() || name != connector || !forget(id));
    }

    // Sources.

    /// A source's task begins to read partitions behind their stored offsets.
    pub fn source_begins(&mut self, run: RunId, positions: &[(String, i64)]) {
        self.acts(run, format!("begins at {positions:?}"));
        let task = self.task(run);
        for (partition, position) in positions {
            let other = self.runs.iter().find(|(id, other)| {
                // Others hear of a new division of the partitions a moment later, as in Connect.
                **id != run
                    && other.process == process()
                    && other.task.connector == task.connector
                    && other.began.contains_key(partition)
                    && other.parts.values().any(|alive| *alive)
            });
            if let Some((other, _)) = other {
                let other = *other;
                self.violated(format!("{partition} is read by life {other} and life {run}"));
            }
            self.run(run).began.insert(partition.clone(), *position);
            let prefix = format!("{partition}/");
            self.forget_failing(&task.connector, |id| id.starts_with(&prefix));
        }
    }

    /// A poll returned these rows.
    pub fn polled(&mut self, run: RunId, rows: &[String]) {
        for row in rows {
            self.unseen.remove(row);
        }
        self.acts(run, format!("polls {}", rows.join(" ")));
        let run = self.run(run);
        for row in rows {
            let order = run.next_row;
            run.next_row += 1;
            run.rows.insert(row.clone(), SourceRow { order, records: 1, ..SourceRow::default() });
            run.unpassed.insert(order, row.clone());
        }
    }

    /// The chain made so many records of a row, none if it filtered it.
    pub fn chained(&mut self, run: RunId, row: &str, records: u32) {
        if let Some(row) = self.run(run).rows.get_mut(row) {
            row.records = records;
        }
    }

    /// The records of a row.
    fn records_of(id: &str, records: u32) -> Vec<String> {
        if records == 1 { vec![id.to_owned()] } else { (0..records).map(|child| format!("{id}#{child}")).collect() }
    }

    /// Whether each record of a row is in the set that `which` chooses, or given up.
    fn is_through(&self, run: RunId, id: &str, which: impl Fn(&SourceRow) -> &BTreeSet<String>) -> bool {
        let Some(row) = self.runs[&run].rows.get(id) else { return false };
        let plan = self.plan.connector(&self.runs[&run].task.connector);
        let through = |record: &String| which(row).contains(record) || self.is_given_up(plan, record);
        self.is_given_up(plan, id) || Self::records_of(id, row.records).iter().all(through)
    }

    /// Whether each record of a row has ended: one that is given up ends with its letter, where there are letters.
    fn has_ended(&self, run: RunId, id: &str) -> bool {
        if !self.plan.connector(&self.runs[&run].task.connector).letters {
            return self.is_through(run, id, |row| &row.ended);
        }
        let Some(row) = self.runs[&run].rows.get(id) else { return false };
        // A row that the chain refuses has no records.
        row.ended.contains(id) || Self::records_of(id, row.records).iter().all(|record| row.ended.contains(record))
    }

    /// The producer took a record: what was polled before it must have gone before it.
    pub fn appended(&mut self, run: RunId, record: &str, value_is_right: bool) {
        self.acts(run, format!("appends {record}"));
        let id = row_of(record);
        let Some(row) = self.runs[&run].rows.get(id) else {
            return self.violated(format!("{record} was appended without being polled"));
        };
        let order = row.order;
        if row.appended.contains(record) {
            self.violated(format!("{record} was appended twice in life {run}"));
        }
        let records = Self::records_of(id, self.runs[&run].rows[id].records);
        if !value_is_right || !records.iter().any(|expected| expected == record) {
            self.violated(format!("{record} was appended, which is not what came out of the stages"));
        }
        let earlier: Vec<(u64, String)> =
            self.runs[&run].unpassed.range(..order).map(|(order, row)| (*order, row.clone())).collect();
        for (order, row) in earlier {
            if self.is_through(run, &row, |row| &row.appended) {
                self.run(run).unpassed.remove(&order);
            } else {
                self.violated(format!("{record} was appended before {row}"));
            }
        }
        let plan = self.plan_of(run);
        for before in records.iter().take_while(|other| *other != record) {
            if !self.runs[&run].rows[id].appended.contains(before) && !self.is_given_up(&plan, before) {
                self.violated(format!("{record} was appended before {before}"));
            }
        }
        if let Some(row) = self.run(run).rows.get_mut(id) {
            row.appended.insert(record.to_owned());
        }
    }

    /// The task learned what became of a record that it had appended.
    pub fn acknowledged(&mut self, run: RunId, record: &str, written: bool) {
        self.acts(run, format!("learns that {record} was {}written", if written { "" } else { "not " }));
        let plan = self.plan_of(run);
        let tolerant = plan.tolerant && !self.is_whole(&plan);
        if !written && tolerant && plan.letters {
            if let Some(row) = self.run(run).rows.get_mut(row_of(record)) {
                row.owed.insert(record.to_owned());
            }
            return;
        }
        if !written && tolerant {
            self.skipped.insert(record.to_owned());
        }
        if (written || tolerant)
            && let Some(row) = self.run(run).rows.get_mut(row_of(record))
        {
            row.ended.insert(record.to_owned());
        }
    }

    /// A dead letter of a source was appended: which record it is of. That has failed for good, or was not written.
    pub fn source_lettered(&mut self, run: RunId, record: &str) -> String {
        self.acts(run, format!("dead-letters {record}"));
        let plan = self.plan_of(run);
        let failed = self.is_given_up(&plan, record);
        let mut of = record.to_owned();
        let Some(row) = self.run(run).rows.get_mut(row_of(record)) else {
            self.violated(format!("{record} was dead-lettered without being polled"));
            return of;
        };
        // A letter of a record that was not written holds what was polled.
        let owed = row.owed.pop_first();
        let is_owed = owed.is_some();
        of = owed.unwrap_or(of);
        let (fresh, ended) = (row.lettered.insert(of.clone()), row.ended.contains(&of));
        if !is_owed && !failed {
            self.violated(format!("{of} was dead-lettered and has not failed"));
        }
        if ended || !fresh {
            self.violated(format!("{of} was dead-lettered, and has ended or was before"));
        }
        of
    }

    /// The task learned that a dead letter of a source was written.
    pub fn source_letter_written(&mut self, run: RunId, record: &str) {
        self.acts(run, format!("learns that the letter of {record} was written"));
        self.skipped.insert(record.to_owned());
        if let Some(row) = self.run(run).rows.get_mut(row_of(record)) {
            row.ended.insert(record.to_owned());
        }
    }

    /// The plugin heard that a row has ended.
    pub fn told(&mut self, run: RunId, row: &str, written: bool) {
        self.acts(run, format!("is told that {row} ended{}", if written { ", written" } else { "" }));
        // Of a row that became several, each record is told by itself.
        let is_one = self.runs[&run].rows.get(row).is_none_or(|row| row.records < 2);
        if is_one && !self.has_ended(run, row) {
            self.violated(format!("the plugin was told that {row} ended, and it has not"));
        }
        if let Some(known) = self.run(run).rows.get_mut(row)
            && known.records < 2
            && std::mem::replace(&mut known.told, true)
        {
            self.violated(format!("the plugin was told twice that {row} ended"));
        }
    }

    /// Source offsets reached the store.
    pub fn stored(&mut self, connector: &str, partition: &str, position: i64) {
        self.note(format!("{connector} stores {partition} {position}"));
        let owner = self.runs.iter().rev().find(|(_, run)| {
            run.process == process()
                && run.task.connector == connector
                && run.began.contains_key(partition)
                && run.parts.values().any(|alive| *alive)
        });
        let Some((&run, owner)) = owner else {
            return self.violated(format!("an offset of {partition} was stored while no task has it"));
        };
        let began = owner.began[partition];
        self.acts(run, format!("stores {partition} {position}"));
        if position < began {
            self.violated(format!("the offset of {partition} went back from {began} to {position}"));
        }
        for number in began + 1..=position {
            let id = format!("{partition}/{number}");
            if !self.has_ended(run, &id) {
                self.violated(format!("offset {position} of {partition} was stored before {id} had ended"));
            }
            let plan = self.plan_of(run);
            if self.is_given_up(&plan, &id) {
                self.skipped.insert(id);
            } else {
                let records = self.runs[&run].rows.get(&id).map_or(0, |row| row.records);
                for child in Self::records_of(&id, records) {
                    if self.is_given_up(&plan, &child) {
                        self.skipped.insert(child);
                    }
                }
            }
        }
        self.run(run).began.insert(partition.to_owned(), position);
    }

    /// The plugin asks to abort the transaction of these rows: they end unseen, unless they come again.
    pub fn aborts(&mut self, run: RunId, rows: impl IntoIterator<Item = String>) {
        let rows: Vec<String> = rows.into_iter().collect();
        self.acts(run, format!("aborts {}", rows.join(" ")));
        self.unseen.extend(rows.iter().cloned());
        self.aborted.extend(rows);
    }

    /// Records that readers see although their transaction was to be aborted.
    pub fn seen_in_spite(&self, written: &BTreeSet<String>) -> Vec<String> {
        written.iter().filter(|record| self.unseen.contains(row_of(record))).cloned().collect()
    }

    // Sinks.

    /// A partition is the task's from this offset on.
    pub fn assigned(&mut self, run: RunId, partition: &TopicPartition, base: i64) {
        self.acts(run, format!("gets {}-{} at {base}", partition.topic, partition.partition));
        let connector = self.task(run).connector;
        // Whoever had it before and does not know yet may still write its letters.
        let owed = self.failed_from(run, partition, i64::MIN);
        for pass in self.runs.values_mut().filter_map(|run| run.passes.get_mut(partition)) {
            pass.owed.extend(owed.iter().copied());
        }
        let prefix = format!("{}/{}/", partition.topic, partition.partition);
        self.forget_failing(&connector, |id| id.starts_with(&prefix));
        self.run(run).passes.insert(partition.clone(), Pass { base, next: base, ..Pass::default() });
    }

    /// Where a task's partition began, or the earliest place that it went back to.
    pub fn base(&self, run: RunId, partition: &TopicPartition) -> i64 {
        self.runs[&run].passes.get(partition).map_or(0, |pass| pass.base)
    }

    /// A partition was given up in good order, with this offset committed: all that the sink allowed is.
    pub fn given_up(&mut self, run: RunId, partition: &TopicPartition, committed: i64) {
        let missed = self.runs[&run].missed;
        let Some(pass) = self.runs[&run].passes.get(partition) else { return };
        // Who is out of reach must commit nothing any more, and so asks for nothing to commit.
        if self.reach.may_be_late(process()) {
            return;
        }
        let name = format!("{}-{}", partition.topic, partition.partition);
        let allowed = pass.allowed.unwrap_or(0);
        if pass.unasked {
            self.violated(format!("{name} was given up, and the sink not asked for what it took of it"));
        } else if !missed && !pass.sought && committed < allowed {
            self.violated(format!("{name} was given up with {committed} committed, where {allowed} was allowed"));
        }
    }

    /// A commit of a task's group went wrong.
    pub fn missed_commit(&mut self, run: RunId) {
        self.run(run).missed = true;
    }

    /// The sink was asked what may be committed, and says so if it can.
    pub fn allowed(&mut self, run: RunId, partition: &TopicPartition, offset: Option<i64>) {
        if let Some(pass) = self.run(run).passes.get_mut(partition) {
            (pass.unasked, pass.allowed) = (false, offset);
        }
    }

    /// A partition is not the task's any more.
    pub fn released(&mut self, run: RunId, partition: &TopicPartition) {
        self.note(format!("life {run} loses {}-{}", partition.topic, partition.partition));
        self.run(run).passes.remove(partition);
    }

    /// The task reads on elsewhere.
    pub fn sought(&mut self, run: RunId, partition: &TopicPartition, offset: i64) {
        self.acts(run, format!("seeks {}-{} to {offset}", partition.topic, partition.partition));
        let connector = self.task(run).connector;
        let from = |id: &str| {
            let mut parts = id.rsplit('/');
            let (at, number) = (parts.next(), parts.next());
            id.starts_with(&format!("{}/", partition.topic))
                && number == Some(partition.partition.to_string().as_str())
                && at.and_then(|at| at.parse::<i64>().ok()).is_some_and(|at| offset <= at)
        };
        let owed = self.failed_from(run, partition, offset);
        self.forget_failing(&connector, from);
        if let Some(pass) = self.run(run).passes.get_mut(partition) {
            pass.base = pass.base.min(offset);
            (pass.unasked, pass.sought) = (false, true);
            pass.next = offset;
            pass.owed.extend(owed);
            pass.owed.extend(pass.reported.range(offset..));
            for set in [&mut pass.letters, &mut pass.reported, &mut pass.filtered, &mut pass.taken] {
                set.split_off(&offset);
            }
        }
    }

    /// The chain of a sink left a record out.
    pub fn filtered(&mut self, run: RunId, partition: &TopicPartition, offset: i64) {
        if let Some(pass) = self.run(run).passes.get_mut(partition) {
            pass.filtered.insert(offset);
        }
    }

    /// Rows are handed to a sink: in order, of its partitions, and nothing between them is missing.
    pub fn put(&mut self, run: RunId, rows: &[(TopicPartition, i64)]) {
        let names: Vec<String> = rows.iter().map(|(partition, offset)| id_of(partition, *offset)).collect();
        self.acts(run, format!("puts {}", names.join(" ")));
        let plan = self.plan_of(run);
        let mut next: BTreeMap<&TopicPartition, i64> = BTreeMap::new();
        for (partition, offset) in rows {
            let Some(pass) = self.runs[&run].passes.get(partition) else {
                self.violated(format!(
                    "{} was put into a task that does not have its partition",
                    id_of(partition, *offset)
                ));
                continue;
            };
            let from = next.get(partition).copied().unwrap_or(pass.next);
            if *offset < from {
                self.violated(format!("{} was put again, or behind a later one", id_of(partition, *offset)));
            }
            for missing in self.log(&plan, from, *offset) {
                if !self.left_out(&plan, run, partition, missing) {
                    let (missing, put) = (id_of(partition, missing), id_of(partition, *offset));
                    self.violated(format!("{put} was put and {missing} before it was not"));
                }
            }
            next.insert(partition, offset + 1);
        }
    }

    /// Offsets from one on whose records have failed for good.
    fn failed_from(&self, run: RunId, partition: &TopicPartition, offset: i64) -> Vec<i64> {
        let plan = self.plan_of(run);
        let mut offsets = self.log(&plan, offset, i64::MAX);
        offsets.retain(|at| self.has_failed_for_good(&plan, &id_of(partition, *at)));
        offsets
    }

    /// Offsets of the connector's log in a range.
    fn log(&self, plan: &ConnectorPlan, from: i64, to: i64) -> Vec<i64> {
        (0..plan.records).map(crate::kafka::offset_of).filter(|offset| (from..to).contains(offset)).collect()
    }

    /// Whether a record is not put for a reason that has a name.
    fn left_out(&self, plan: &ConnectorPlan, run: RunId, partition: &TopicPartition, offset: i64) -> bool {
        let pass = &self.runs[&run].passes[partition];
        pass.filtered.contains(&offset)
            || pass.reported.contains(&offset)
            || self.is_given_up(plan, &id_of(partition, offset))
    }

    /// The sink has taken the rows of a `put`, but for those that it reported.
    pub fn taken(&mut self, run: RunId, rows: &[(TopicPartition, i64)], reported: &[(TopicPartition, i64)]) {
        let connector = self.task(run).connector;
        for (partition, offset) in rows {
            self.came_through(&connector, &id_of(partition, *offset), Stage::Put);
        }
        for row in rows {
            let is_reported = reported.contains(row);
            let (partition, offset) = row;
            let Some(pass) = self.run(run).passes.get_mut(partition) else { continue };
            pass.next = offset + 1;
            pass.unasked = true;
            if is_reported {
                pass.reported.insert(*offset);
            } else if pass.letters.contains(offset) {
                self.violated(format!("{} was dead-lettered and put", id_of(partition, *offset)));
            } else {
                pass.taken.insert(*offset);
            }
        }
    }

    /// The sink did not take the rows of a `put`. Those that may be given up for it have failed: with isolation a record
    /// that was alone, else all of a batch that is not tried without end.
    pub fn not_taken(&mut self, run: RunId, rows: &[(TopicPartition, i64)], retriable: bool) {
        let plan = self.plan_of(run);
        if if plan.isolates { rows.len() == 1 } else { retriable && plan.max_tries != 0 } {
            for (partition, offset) in rows {
                self.failed(&plan.name, &id_of(partition, *offset), Stage::Put, retriable);
            }
        }
    }

    /// The sink made durable what it took of a partition below an offset.
    pub fn flushed(&mut self, run: RunId, partition: &TopicPartition, below: i64) {
        let Some(pass) = self.run(run).passes.get_mut(partition) else { return };
        let rest = pass.taken.split_off(&below);
        let flushed = std::mem::replace(&mut pass.taken, rest);
        pass.durable.extend(flushed.iter().copied());
        self.kept.extend(flushed.iter().map(|offset| id_of(partition, *offset)));
    }

    /// The sink lost what it had not made durable: the first offset of that.
    pub fn lost_buffer(&mut self, run: RunId, partition: &TopicPartition) -> Option<i64> {
        let pass = self.run(run).passes.get_mut(partition)?;
        let lost = std::mem::take(&mut pass.taken);
        lost.first().copied()
    }

    /// A dead letter was appended.
    pub fn lettered(&mut self, run: RunId, partition: &TopicPartition, offset: i64) {
        let id = id_of(partition, offset);
        self.acts(run, format!("dead-letters {id}"));
        let plan = self.plan_of(run);
        let failed = self.has_failed_for_good(&plan, &id);
        let Some(pass) = self.run(run).passes.get_mut(partition) else {
            return self.violated(format!("{id} was dead-lettered by a task that does not have its partition"));
        };
        let reported = pass.reported.contains(&offset);
        let taken = pass.taken.contains(&offset) || pass.durable.contains(&offset);
        if pass.owed.remove(&offset) {
            return;
        }
        let fresh = pass.letters.insert(offset);
        if !failed && !reported {
            self.violated(format!("{id} was dead-lettered and has not failed"));
        }
        if taken && !reported {
            self.violated(format!("{id} was put and dead-lettered"));
        }
        if !fresh {
            self.violated(format!("{id} was dead-lettered twice"));
        }
    }

    /// The producer of letters takes one again that was too large, or lost.
    pub fn letter_refused(&mut self, run: RunId, partition: &TopicPartition, offset: i64) {
        if let Some(pass) = self.run(run).passes.get_mut(partition) {
            pass.letters.remove(&offset);
        }
    }

    /// The task learned that a dead letter was written.
    pub fn letter_written(&mut self, run: RunId, partition: &TopicPartition, offset: i64) {
        self.acts(run, format!("learns that the letter of {} was written", id_of(partition, offset)));
        self.kept.insert(id_of(partition, offset));
        if let Some(pass) = self.run(run).passes.get_mut(partition) {
            pass.written.insert(offset);
        }
    }

    /// The group's offset of a partition was committed by a task that has read the partition so far.
    pub fn committed(&mut self, run: RunId, partition: &TopicPartition, offset: i64, read_to: i64) {
        let name = format!("{}-{}", partition.topic, partition.partition);
        self.acts(run, format!("commits {name} {offset}"));
        let plan = self.plan_of(run);
        if !self.runs[&run].passes.contains_key(partition) {
            return self.violated(format!("offset {offset} of {name} was committed by a task that does not have it"));
        }
        if read_to < offset {
            self.violated(format!("offset {offset} of {name} was committed, and it was read to {read_to} only"));
        }
        let pass = &self.runs[&run].passes[partition];
        let mut skipped = Vec::new();
        let mut early = Vec::new();
        for at in self.log(&plan, pass.base, offset) {
            let id = id_of(partition, at);
            if pass.durable.contains(&at) || pass.filtered.contains(&at) || pass.written.contains(&at) {
                continue;
            }
            let failed = pass.reported.contains(&at) || self.is_given_up(&plan, &id);
            if failed && !plan.letters {
                skipped.push(id);
            } else {
                early.push(id);
            }
        }
        self.skipped.extend(skipped);
        for id in early {
            self.violated(format!("offset {offset} of {name} was committed before {id} had ended"));
        }
    }

    // The end.

    /// Records that are nowhere although everything is done. `written` are those in the topics of the sources.
    pub fn unfinished(&self, written: &BTreeSet<String>) -> Vec<String> {
        use crate::plan::Fate;
        let mut missing = Vec::new();
        for plan in &self.plan.connectors {
            for partition in 0..plan.partitions {
                for number in 0..plan.records {
                    let id = match plan.sink {
                        true => format!(
                            "{}/{partition}/{}",
                            crate::kafka::input_of(&plan.name),
                            crate::kafka::offset_of(number)
                        ),
                        false => format!("{}/{partition}/{}", plan.name, number + 1),
                    };
                    let fate = self.plan.fate(&id);
                    let records = match fate {
                        Fate::Filter if plan.chain => continue,
                        Fate::Split(records) if plan.chain && !plan.sink => records,
                        _ => 1,
                    };
                    let there = if plan.sink { &self.kept } else { written };
                    if !self.skipped.contains(&id) && !self.aborted.contains(&id) {
                        let records = Self::records_of(&id, records).into_iter();
                        missing.extend(records.filter(|id| !there.contains(id) && !self.skipped.contains(id)));
                    }
                }
            }
        }
        missing
    }
}

/// Virtual time within which every request is answered.
pub const ANSWER: Duration = Duration::from_secs(600);

/// Virtual time within which everything settles once there is no more trouble.
pub const SETTLING: Duration = Duration::from_secs(3600);
