//! A sink task: consumer → converters → transforms → guest `put` → guest `pre_commit` → group commit.
//!
//! The story is here. [`Stages`] makes batches of consumed records, with every row's ending;
//! [`TaskContext`] holds what the plugin asks for; [`Commits`] knows which offsets may be committed.

mod commits;
mod context;
mod dead_letters;
mod lags;
mod put_policy;
mod raw;
mod redelivery;
mod reporter;
mod stages;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure, PluginError, TopicOffset, TopicPartition};
use millstream_record::{Timestamp, batch::Table};
use tokio::time::Instant;

use self::{
    commits::{Commits, Held},
    dead_letters::PARTING,
    lags::Lags,
    put_policy::{FailedPut, PutVerdict},
    redelivery::Redelivery,
    stages::{Delivery, SINK_TASK},
};
pub(crate) use self::{
    context::{ReportRules, TaskContext},
    dead_letters::DeadLetters,
    put_policy::PutPolicy,
    reporter::Reporter,
    stages::{Reporting, Stages},
};
use crate::{
    config_log::TargetState,
    error_policy::{CONNECT_EXCEPTION, Executor, Stage, Verdict},
    kafka::{Rebalance, RecordConsumer},
    long_wait::{self, CALL, LongWait, call_text, told},
    status::State,
    task::{Halt, TaskControl},
    task_metrics::Part,
};

/// Longest time in which a worker hears from its group that a task of it runs elsewhere.
const SUPERSEDED: Duration = Duration::from_secs(60);

/// Time until a plugin is renewed that could not be, since it failed to say what is safe.
const RENEWAL_WAIT: Duration = Duration::from_secs(1);

/// How often and how long a sink task commits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitSettings {
    /// Time between two commits.
    pub(crate) interval: Duration,
    /// Longest time for one.
    pub(crate) timeout: Duration,
}

/// A sink task with all it needs.
pub(crate) struct SinkTask {
    task: Box<dyn millstream_connector::SinkTask>,
    consumer: Box<dyn RecordConsumer>,
    stages: Stages,
    context: Arc<TaskContext>,
    control: TaskControl,
    settings: CommitSettings,
    commits: Commits,
    next_commit: Instant,
    /// Batches that the plugin has not taken yet, oldest first. Nothing is consumed while there are any.
    backlog: VecDeque<Delivery>,
    /// Whether the user has paused the task.
    paused: bool,
    /// While all partitions are paused until the plugin takes a batch that it did not take.
    redelivering: Option<Redelivery>,
    /// Records at fault that were found, with none taken since.
    at_fault_in_row: u32,
    /// Whether all partitions are paused until the dead-letter queue takes more.
    held_back: bool,
    /// The plugin is not renewed before, since it could not be.
    renewal_after: Instant,
    /// While no partition is assigned: since when, and whether the group has said so.
    unassigned: Option<(LongWait, bool)>,
    counts: Arc<millstream_metrics::SinkTask>,
    lags: Lags,
}

impl SinkTask {
    pub(crate) fn new(
        task: Box<dyn millstream_connector::SinkTask>,
        consumer: Box<dyn RecordConsumer>,
        stages: Stages,
        context: Arc<TaskContext>,
        control: TaskControl,
        settings: CommitSettings,
        counts: Arc<millstream_metrics::SinkTask>,
    ) -> Self {
        let lags = Lags::new(control.metrics.clone());
        Self {
            task,
            consumer,
            stages,
            context,
            control,
            settings,
            commits: Commits::default(),
            next_commit: Instant::now() + settings.interval,
            backlog: VecDeque::new(),
            paused: false,
            redelivering: None,
            at_fault_in_row: 0,
            held_back: false,
            renewal_after: Instant::now(),
            unassigned: None,
            counts,
            lags,
        }
    }

    /// Runs until the task is told to stop or fails, then commits what was taken and leaves the group.
    ///
    /// Dropping the future abandons the task: nothing more is committed.
    ///
    /// # Errors
    ///
    /// Why the task failed.
    pub(crate) async fn run(mut self, config: &ConfigMap) -> Result<(), Failure> {
        let ended = match self.work(config).await {
            Ok(()) | Err(Halt::Stopped) => Ok(()),
            Err(Halt::Failed(failure)) if self.consumer.is_superseded() => self.superseded(failure).await,
            Err(Halt::Failed(failure)) => Err(failure),
        };
        // A task that has failed holds nobody up, so its letters have the time of a commit.
        let timeout = self.settings.timeout;
        if let Some(letters) = self.stages.dead_letters()
            && !self.control.is_stopping()
        {
            letters.await_ends(timeout, &self.control).await;
        }
        // Offsets of batches that were taken are kept even when a later one failed.
        self.give_up(self.commits.assigned(), self.control.is_ours()).await;
        let what = || call_text("the sink to stop");
        if let Err(error) = told(&self.control, CALL, what, self.task.stop()).await {
            tracing::warn!(task = %self.control.id, error = %error, "the sink task did not stop cleanly");
        }
        self.stages.close().await;
        self.consumer.close().await;
        ended
    }

    /// The task runs elsewhere already, so its own worker is about to hear that from its group and to stop it. Nothing is
    /// committed, and nothing said: the other one's word stands.
    ///
    /// # Errors
    ///
    /// The worker does not stop it, so it takes the task for its own: a failure then, which somebody has to look at.
    async fn superseded(&mut self, failure: Failure) -> Result<(), Failure> {
        tracing::warn!(task = %self.control.id, "the task runs on another worker, which has taken its place in the consumer group; it ends here without a commit");
        self.give_up(self.commits.assigned(), false).await;
        let stopped = tokio::time::timeout(SUPERSEDED, self.control.stopped()).await;
        stopped.map_err(|_| failure)
    }

    async fn work(&mut self, config: &ConfigMap) -> Result<(), Halt> {
        if !self.control.wait_until_started().await {
            return Ok(());
        }
        let what = || call_text("the sink to start");
        told(&self.control, CALL, what, self.task.start(config)).await.map_err(fatal)?;
        self.control.status.set(State::Running);
        self.control.metrics.started(true);
        self.unassigned = Some((LongWait::begin(&self.control, "partitions"), false));
        loop {
            match self.control.target() {
                TargetState::Stopped => return Ok(()),
                TargetState::Paused if !self.paused => self.pause(),
                TargetState::Started if self.paused => self.resume(),
                _ => {}
            }
            self.follow_dead_letters()?;
            self.tell_waits();
            // What the plugin wants to see again must not be committed.
            self.follow_requests();
            let renewing = self.may_renew();
            if self.context.take_commit_request() || self.next_commit <= Instant::now() || renewing {
                let committed = self.commit().await;
                self.follow_requests();
                if renewing {
                    self.renew(committed).await?;
                }
            }
            let timeout = self.poll_timeout();
            let told = self.control.target();
            let waits =
                [self.redelivering.as_ref().map(Redelivery::due), self.unassigned.as_ref().map(|(wait, _)| wait.due())];
            let due = waits.into_iter().flatten().min();
            let letters = self.stages.dead_letters();
            let polled = tokio::select! {
                biased;
                polled = self.consumer.poll(timeout) => polled?,
                () = self.control.changed_from(told) => continue,
                () = dead_letters::progress(letters) => continue,
                () = long_wait::until(due) => continue,
            };
            for event in polled.events {
                self.rebalance(event).await?;
            }
            let consumed: usize = polled.fetched.iter().map(|fetched| fetched.records.len()).sum();
            self.counts.read.add(consumed as u64);
            let used = polled.fetched.iter().filter(|fetched| !fetched.records.is_empty());
            used.for_each(|fetched| self.control.status.uses_topic(fetched.topic.as_str()));
            self.lags.follow(self.consumer.as_ref(), &polled.fetched, &self.commits);
            self.stages.prepare(polled.fetched, &mut self.backlog).await?;
            self.count_held();
            self.put().await?;
            self.control.has_worked();
        }
    }

    /// Looks after dead letters. While the queue takes no more, nothing is consumed.
    fn follow_dead_letters(&mut self) -> Result<(), Halt> {
        let Some(letters) = self.stages.dead_letters() else { return Ok(()) };
        letters.advance(&self.control)?;
        let is_full = letters.is_full();
        if is_full != std::mem::replace(&mut self.held_back, is_full) {
            if is_full {
                self.consumer.pause(&self.commits.assigned());
            } else {
                self.resume_partitions();
            }
        }
        Ok(())
    }

    /// Says what has been waited for too long.
    fn tell_waits(&mut self) {
        if let Some(redelivering) = &mut self.redelivering {
            redelivering.tell();
        }
        if let Some((wait, joined)) = &mut self.unassigned {
            wait.tell(|| match *joined {
                true => "partitions: none of the connector's topics has one for this task. A topic that does not exist is waited for; a task beyond the number of partitions has nothing to do".to_owned(),
                false => "the consumer group to assign partitions: the cluster does not answer, or other members are still giving theirs up".to_owned(),
            });
        }
    }

    /// How long to wait for records: until the next commit, or as long as the plugin asked for once; no longer than a batch
    /// that the plugin did not take has to wait.
    fn poll_timeout(&self) -> Duration {
        let until_commit = self.next_commit.saturating_duration_since(Instant::now());
        let asked = self.context.take_timeout().unwrap_or(Duration::MAX);
        let due =
            self.redelivering.as_ref().map_or(Duration::MAX, |again| again.wait(self.stages.put_policy.retry_timeout));
        until_commit.min(asked).min(due)
    }

    fn pause(&mut self) {
        self.paused = true;
        self.consumer.pause(&self.commits.assigned());
        self.context.request_commit_now();
        self.control.status.set(State::Paused);
    }

    fn resume(&mut self) {
        self.paused = false;
        self.resume_partitions();
        self.control.status.set(State::Running);
    }

    /// Whether all partitions are to be paused.
    fn holds_all(&self) -> bool {
        self.paused || self.held_back || self.redelivering.is_some()
    }

    /// Resumes what nobody wants paused.
    fn resume_partitions(&mut self) {
        if !self.holds_all() {
            let assigned = self.commits.assigned();
            let wanted: Vec<TopicPartition> =
                assigned.into_iter().filter(|partition| !self.context.is_paused(partition)).collect();
            self.consumer.resume(&wanted);
        }
    }

    /// Carries out what the plugin asked for: seeks, and pausing single partitions.
    fn follow_requests(&mut self) {
        let seeks = self.context.take_seeks();
        if !seeks.is_empty() {
            // They would be put, and committed, before what the plugin wants to see first.
            self.drop_backlog();
        }
        for to in seeks {
            if self.commits.seek(&to) {
                self.consumer.seek(&to);
            }
        }
        if self.context.take_pauses_changed() {
            let paused = self.context.paused();
            self.consumer.pause(&paused);
            self.resume_partitions();
        }
    }

    /// Hands over what is waiting, or an empty batch. A batch that the plugin wants to see again stays,
    /// and nothing is consumed until it has been taken.
    async fn put(&mut self) -> Result<(), Halt> {
        self.control.until_ours().await?;
        if self.backlog.is_empty() {
            self.context.begin_put(0);
            let (what, nothing) = (|| call_text("the sink to take no records"), Table::new(0).into_batch());
            let put = told(&self.control, CALL, what, self.task.put(&nothing)).await;
            self.context.take_reports();
            return match put {
                Err(error) if !error.is_retriable() => Err(unrecoverable(&error)),
                _ => Ok(()),
            };
        }
        while let Some(delivery) = self.backlog.front_mut() {
            self.context.begin_put(delivery.batch.rows());
            self.control.works_on(delivery.records());
            let rows = delivery.batch.rows();
            let what = || call_text(&format!("the sink to take {rows} record(s)"));
            let began = Instant::now();
            let put = told(&self.control, CALL, what, self.task.put(&delivery.batch)).await;
            self.counts.put_time.record_time(began.elapsed());
            self.control.metrics.spent(Part::Put, began.elapsed());
            self.control.metrics.batch(u64::from(rows));
            let reported = self.context.take_reports();
            self.stages.reported(delivery, &reported.errors);
            if let Some(failure) = reported.failure {
                return Err(failure.into());
            }
            match put {
                Ok(()) => {
                    self.counts.sent.add(u64::from(rows));
                    if rows != 0 {
                        self.at_fault_in_row = 0;
                    }
                    self.end_delivery()?;
                }
                Err(error) => return self.not_taken(error),
            }
        }
        self.end_redelivery();
        Ok(())
    }

    /// The first delivery has ended: what was consumed with it may be committed.
    fn end_delivery(&mut self) -> Result<(), Halt> {
        let Some(delivery) = self.backlog.pop_front() else { return Ok(()) };
        if let Some(redelivering) = &mut self.redelivering {
            redelivering.begin_anew();
        }
        self.commits.consumed(&delivery.consumed);
        self.count_active();
        self.came_through(&delivery);
        delivery.failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// The plugin did not take the first delivery. Whatever is tried again is so after a look at everything else, so
    /// that neither a stop nor a rebalance waits for it.
    fn not_taken(&mut self, error: PluginError) -> Result<(), Halt> {
        let Some(mut delivery) = self.backlog.pop_front() else { return Ok(()) };
        let PluginError::Reported(failure) = error.clone() else { return Err(over_batch(&error, &delivery)) };
        let redelivering = match &mut self.redelivering {
            Some(redelivering) => {
                redelivering.failed(error.clone());
                redelivering
            }
            None => self.redelivering.insert(Redelivery::begin(&self.control, error.clone())),
        };
        let (tries, waited) = redelivering.so_far();
        // Without records none is at fault.
        let policy = if delivery.batch.rows() == 0 { PutPolicy::CONNECTS } else { self.stages.put_policy };
        let verdict = policy.decide(&FailedPut {
            retriable: error.is_retriable(),
            sought: self.context.has_seeks(),
            tries,
            waited,
            exhausted: delivery.exhausted,
            single: delivery.is_single(),
            in_row: self.at_fault_in_row,
        });
        redelivering.come_again(verdict != PutVerdict::Again);
        match verdict {
            PutVerdict::Again => {
                if tries == 1 {
                    tracing::warn!(task = %self.control.id, error = %error, "the sink task wants the same records again");
                }
                self.backlog.push_front(delivery);
            }
            PutVerdict::Divide { exhausted } => {
                redelivering.begin_anew();
                let (first, second) = delivery.halves(exhausted);
                second.into_iter().chain([first]).for_each(|part| self.backlog.push_front(part));
            }
            PutVerdict::Skip => {
                self.at_fault_in_row += u32::from(self.stages.put_policy.isolate);
                self.stages.given_up(&mut delivery, &failure, Verdict::Tolerate);
                self.backlog.push_front(delivery);
                self.end_delivery()?;
            }
            PutVerdict::Fail => {
                self.stages.given_up(&mut delivery, &failure, Verdict::Fail);
                return Err(at_fault(&error, &delivery, "; with errors.tolerance=all it would be skipped"));
            }
            PutVerdict::FailAll if self.stages.put_policy.max_in_row <= self.at_fault_in_row => {
                let found = format!(
                    "; before it {} in a row were found at fault (errors.put.isolate.max.in.row), so that the fault is hardly theirs",
                    self.at_fault_in_row
                );
                return Err(at_fault(&error, &delivery, &found));
            }
            PutVerdict::FailAll => return Err(over_batch(&error, &delivery)),
        }
        self.consumer.pause(&self.commits.assigned());
        self.end_redelivery();
        Ok(())
    }

    /// Goes on consuming once nothing waits any more that the plugin did not take.
    fn end_redelivery(&mut self) {
        if self.backlog.is_empty() && self.redelivering.take().is_some() {
            self.resume_partitions();
        }
    }

    async fn rebalance(&mut self, event: Rebalance) -> Result<(), Halt> {
        match event {
            Rebalance::Assigned(partitions) => {
                let mut fresh = Vec::new();
                for partition in partitions {
                    if !self.commits.is_assigned(&partition) {
                        let position = self.position(&partition).await?;
                        self.commits.assign(&partition, position);
                        fresh.push(partition);
                    }
                }
                self.set_assignment();
                self.note_assignment(true);
                if self.holds_all() {
                    self.consumer.pause(&fresh);
                }
                if !fresh.is_empty() {
                    let what = || call_text("the sink to open partitions");
                    let opened = told(&self.control, CALL, what, self.task.open(&fresh)).await;
                    opened.map_err(fatal)?;
                }
                self.follow_requests();
                Ok(())
            }
            Rebalance::Revoked(partitions) => {
                self.give_up(partitions, self.control.is_ours()).await;
                self.note_assignment(false);
                Ok(())
            }
            Rebalance::Lost(partitions) => {
                self.give_up(partitions, false).await;
                self.note_assignment(false);
                Ok(())
            }
        }
    }

    /// Tells the plugin which partitions it has.
    fn set_assignment(&self) {
        let assigned = self.commits.assigned();
        self.counts.partitions.set(assigned.len() as i64);
        self.count_active();
        self.context.set_assignment(assigned);
    }

    /// Takes note of an assignment that may be empty; `joined` tells whether it is the group's word.
    fn note_assignment(&mut self, joined: bool) {
        let is_idle = self.commits.assigned().is_empty();
        self.unassigned = match self.unassigned.take() {
            Some((wait, before)) if is_idle && before == joined => Some((wait, before)),
            _ => is_idle.then(|| (LongWait::begin(&self.control, "partitions"), joined)),
        };
    }

    /// Where to begin with a partition; ends when the task is to stop.
    async fn position(&mut self, partition: &TopicPartition) -> Result<i64, Halt> {
        let what = || {
            let TopicPartition { topic, partition } = partition;
            format!(
                "the position of the consumer group in {topic}-{partition}; after default.api.timeout.ms of the consumer the task fails"
            )
        };
        tokio::select! {
            biased;
            position = told(&self.control, "a position", what, self.consumer.position(partition)) => Ok(position?),
            () = self.control.stopped() => Err(Halt::Stopped),
        }
    }

    /// Lets partitions go, committing what was taken of them if they are still ours.
    async fn give_up(&mut self, partitions: Vec<TopicPartition>, ours: bool) {
        let partitions: Vec<TopicPartition> =
            partitions.into_iter().filter(|partition| self.commits.is_assigned(partition)).collect();
        if partitions.is_empty() {
            return;
        }
        self.follow_requests();
        if ours && let Some(letters) = self.stages.dead_letters() {
            letters.await_ends(PARTING, &self.control).await;
        }
        let committable = if ours { self.pre_commit(&partitions).await } else { None };
        let what = || call_text("the sink to close partitions");
        if let Err(error) = told(&self.control, CALL, what, self.task.close(&partitions)).await {
            tracing::error!(task = %self.control.id, error = %error, "the sink task failed to close partitions");
        }
        if let Some(offsets) = committable {
            self.write_offsets(offsets).await;
        }
        self.commits.unassign(&partitions);
        self.lags.forget(&partitions);
        if let Some(letters) = self.stages.dead_letters() {
            letters.forget(&partitions);
        }
        self.set_assignment();
        self.drop_backlog();
    }

    /// Drops what waits to be put; what stays assigned is read again. Batches mix partitions, so it is all or none.
    fn drop_backlog(&mut self) {
        if !self.backlog.is_empty() {
            self.backlog.clear();
            self.commits.current().iter().for_each(|offset| self.consumer.seek(offset));
            self.redelivering = None;
            self.resume_partitions();
        }
    }

    /// Commits what the plugin says is safe. False if the plugin failed to say it.
    async fn commit(&mut self) -> bool {
        self.next_commit = Instant::now() + self.settings.interval;
        let partitions = self.commits.assigned();
        if partitions.is_empty() || !self.control.is_ours() {
            return true;
        }
        match self.pre_commit(&partitions).await {
            Some(offsets) => {
                self.write_offsets(offsets).await;
                true
            }
            None => {
                // What the plugin holds may be lost, so it gets everything again.
                self.backlog.clear();
                self.redelivering = None;
                for offset in self.commits.rewind() {
                    self.consumer.seek(&offset);
                }
                self.resume_partitions();
                false
            }
        }
    }

    /// Whether the plugin is to begin anew, and can: it holds nothing back, and nobody else has the task.
    fn may_renew(&self) -> bool {
        self.task.wants_renewal()
            && self.backlog.is_empty()
            && self.redelivering.is_none()
            && self.control.is_ours()
            && self.renewal_after <= Instant::now()
    }

    /// Has the plugin begin anew after a commit. What it had taken and did not say to be safe comes again.
    async fn renew(&mut self, committed: bool) -> Result<(), Halt> {
        if !committed {
            self.renewal_after = Instant::now() + RENEWAL_WAIT;
            return Ok(());
        }
        let partitions = self.commits.assigned();
        for offset in self.commits.rewind() {
            self.consumer.seek(&offset);
        }
        let what = || call_text("the sink to stop and start anew");
        let renewed = told(&self.control, CALL, what, self.task.renew(&partitions)).await;
        renewed.map_err(fatal)?;
        self.follow_requests();
        Ok(())
    }

    /// The plugin has taken a batch.
    fn came_through(&self, delivery: &Delivery) {
        self.count_held();
        // Batches of one poll count once, with the last.
        if self.backlog.front().is_none_or(|next| !next.is_with(delivery))
            && let Some(oldest) = delivery.oldest()
        {
            let ms = Timestamp::now().as_millis().saturating_sub(oldest);
            // Clocks differ.
            self.control.metrics.came_through(Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        }
    }

    fn count_held(&self) {
        self.control.metrics.holds(self.backlog.iter().map(|delivery| delivery.batch.as_bytes().len()).sum());
    }

    fn count_active(&self) {
        let active = self.commits.active();
        self.counts.active.set(i64::try_from(active).unwrap_or(i64::MAX));
        self.counts.active_seen.record(active);
    }

    /// Asks the plugin what may be committed; `None` if it failed.
    async fn pre_commit(&mut self, partitions: &[TopicPartition]) -> Option<Vec<TopicOffset>> {
        // Offsets of dead letters that are not written must not be committed.
        let held = self.stages.dead_letters().map_or_else(Held::new, |letters| letters.held());
        let offered = self.commits.offered(partitions, &held);
        let what = || call_text("the sink to say what may be committed");
        let began = Instant::now();
        match told(&self.control, CALL, what, self.task.pre_commit(&offered)).await {
            Ok(None) => Some(self.commits.committable(offered, &held)),
            Ok(Some(offsets)) => Some(self.commits.committable(offsets, &held)),
            Err(error) => {
                tracing::error!(task = %self.control.id, error = %error, "the sink task failed to prepare a commit");
                self.control.metrics.committed(began, false);
                self.note_commit(Some(format!("the sink task failed to prepare it: {error}")));
                None
            }
        }
    }

    async fn write_offsets(&mut self, offsets: Vec<TopicOffset>) {
        if offsets.is_empty() {
            self.note_commit(None);
            return;
        }
        let began = Instant::now();
        let committed = tokio::time::timeout(self.settings.timeout, self.consumer.commit(&offsets)).await;
        self.counts.commit_number.change(1);
        self.control.metrics.committed(began, matches!(committed, Ok(Ok(()))));
        match committed {
            Ok(Ok(())) => {
                self.counts.commits_completed.add(1);
                self.commits.committed(&offsets);
                self.count_active();
                self.note_commit(None);
            }
            Ok(Err(error)) => {
                tracing::error!(task = %self.control.id, error = %error, "failed to commit offsets");
                self.note_commit(Some(error.to_string()));
            }
            Err(_) => {
                tracing::warn!(task = %self.control.id, "commit of offsets timed out");
                self.note_commit(Some("it took longer than offset.flush.timeout.ms".to_owned()));
            }
        }
    }

    /// Shows that the last commit failed, or that none is owed.
    fn note_commit(&self, failure: Option<String>) {
        let note = failure.map(|why| format!("The last commit of offsets failed and is tried again: {why}"));
        self.control.status.note("commit", note);
    }
}

fn fatal(error: PluginError) -> Halt {
    match error {
        PluginError::Cancelled => Halt::Stopped,
        error => Halt::Failed(error.failure()),
    }
}

/// The same over a batch.
fn over_batch(error: &PluginError, delivery: &Delivery) -> Halt {
    match unrecoverable(error) {
        Halt::Failed(mut failure) => {
            failure.at = Some(format!("{} by {SINK_TASK}, records {}", Stage::TaskPut.name(), delivery.records()()));
            Halt::Failed(failure)
        }
        halt => halt,
    }
}

/// The same over a record that is known.
fn at_fault(error: &PluginError, delivery: &Delivery, more: &str) -> Halt {
    match (unrecoverable(error), delivery.first_record()) {
        (Halt::Failed(mut failure), Some(record)) => {
            let by = Executor { class: SINK_TASK.to_owned(), name: String::new() };
            failure.at = Some(format!("{}{more}", by.place(Stage::TaskPut, &record)));
            Halt::Failed(failure)
        }
        (halt, _) => halt,
    }
}

fn unrecoverable(error: &PluginError) -> Halt {
    match error {
        PluginError::Cancelled => Halt::Stopped,
        error => Halt::Failed(error.failure().caused(
            ErrorKind::Fatal,
            CONNECT_EXCEPTION,
            "Exiting WorkerSinkTask due to unrecoverable exception.",
        )),
    }
}
