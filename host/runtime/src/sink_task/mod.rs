//! A sink task: consumer → converters → transforms → guest `put` → guest `pre_commit` → group commit.
//!
//! The story is here. [`Stages`] makes batches of consumed records, with every row's ending;
//! [`Context`] holds what the plugin asks for; [`Commits`] knows which offsets may be committed.

mod commits;
mod context;
mod raw;
mod stages;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use millstream_config::ConfigMap;
use millstream_connector::{ErrorKind, Failure, PluginError, TopicOffset, TopicPartition};
use millstream_record::batch::Table;
use tokio::time::Instant;

use self::{commits::Commits, stages::Delivery};
pub(crate) use self::{
    context::{Context, ReportRules},
    stages::{Reporting, Stages},
};
use crate::{
    error_policy::CONNECT_EXCEPTION,
    herder::TargetState,
    kafka::{Rebalance, RecordConsumer},
    status::State,
    task::{Halt, TaskControl},
};

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
    context: Arc<Context>,
    control: TaskControl,
    settings: CommitSettings,
    commits: Commits,
    next_commit: Instant,
    /// Batches that the plugin has not taken yet, oldest first. Nothing is consumed while there are any.
    backlog: VecDeque<Delivery>,
    /// Whether the user has paused the task.
    paused: bool,
    /// Whether all partitions are paused until the plugin takes a batch again.
    redelivering: bool,
}

impl SinkTask {
    pub(crate) fn new(
        task: Box<dyn millstream_connector::SinkTask>,
        consumer: Box<dyn RecordConsumer>,
        stages: Stages,
        context: Arc<Context>,
        control: TaskControl,
        settings: CommitSettings,
    ) -> Self {
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
            redelivering: false,
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
            Err(Halt::Failed(failure)) => Err(failure),
        };
        // Offsets of batches that were taken are kept even when a later one failed.
        self.give_up(self.commits.assigned(), true).await;
        if let Err(error) = self.task.stop().await {
            tracing::warn!(task = %self.control.id, error = %error, "the sink task did not stop cleanly");
        }
        self.stages.close(self.settings.timeout).await;
        self.consumer.close().await;
        ended
    }

    async fn work(&mut self, config: &ConfigMap) -> Result<(), Halt> {
        if !self.control.wait_until_started().await {
            return Ok(());
        }
        self.task.start(config).await.map_err(fatal)?;
        self.control.status.set(State::Running);
        loop {
            match self.control.target() {
                TargetState::Stopped => return Ok(()),
                TargetState::Paused if !self.paused => self.pause(),
                TargetState::Started if self.paused => self.resume(),
                _ => {}
            }
            if self.context.take_commit_request() || self.next_commit <= Instant::now() {
                self.commit().await;
            }
            self.follow_requests();
            let timeout = self.poll_timeout();
            let told = self.control.target();
            let polled = tokio::select! {
                biased;
                polled = self.consumer.poll(timeout) => polled?,
                () = self.control.changed_from(told) => continue,
            };
            for event in polled.events {
                self.rebalance(event).await?;
            }
            self.stages.prepare(polled.fetched, &mut self.backlog).await?;
            self.put().await?;
        }
    }

    /// How long to wait for records: until the next commit, or as long as the plugin asked for once.
    fn poll_timeout(&self) -> Duration {
        let until_commit = self.next_commit.saturating_duration_since(Instant::now());
        self.context.take_timeout().map_or(until_commit, |asked| asked.min(until_commit))
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

    /// Resumes what nobody wants paused.
    fn resume_partitions(&mut self) {
        if !self.paused && !self.redelivering {
            let assigned = self.commits.assigned();
            let wanted: Vec<TopicPartition> =
                assigned.into_iter().filter(|partition| !self.context.is_paused(partition)).collect();
            self.consumer.resume(&wanted);
        }
    }

    /// Carries out what the plugin asked for: seeks, and pausing single partitions.
    fn follow_requests(&mut self) {
        for to in self.context.take_seeks() {
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
        if self.backlog.is_empty() {
            self.context.begin_put(0);
            let put = self.task.put(&Table::new(0).into_batch()).await;
            self.context.take_reports();
            return match put {
                Err(error) if !error.is_retriable() => Err(unrecoverable(&error)),
                _ => Ok(()),
            };
        }
        while let Some(delivery) = self.backlog.front() {
            self.context.begin_put(delivery.batch.rows());
            let put = self.task.put(&delivery.batch).await;
            let reported = self.context.take_reports();
            self.stages.reported(delivery, &reported.errors).await;
            if let Some(failure) = reported.failure {
                return Err(failure.into());
            }
            match put {
                Ok(()) => {
                    let Some(delivery) = self.backlog.pop_front() else { break };
                    self.commits.consumed(&delivery.consumed);
                    if let Some(failure) = delivery.failure {
                        return Err(failure.into());
                    }
                }
                Err(error) if error.is_retriable() => {
                    if !self.redelivering {
                        tracing::warn!(task = %self.control.id, error = %error, "the sink task wants the same records again");
                    }
                    self.redelivering = true;
                    self.consumer.pause(&self.commits.assigned());
                    return Ok(());
                }
                Err(error) => return Err(unrecoverable(&error)),
            }
        }
        if std::mem::take(&mut self.redelivering) {
            self.resume_partitions();
        }
        Ok(())
    }

    async fn rebalance(&mut self, event: Rebalance) -> Result<(), Halt> {
        match event {
            Rebalance::Assigned(partitions) => {
                let mut fresh = Vec::new();
                for partition in partitions {
                    if !self.commits.is_assigned(&partition) {
                        let position = self.consumer.position(&partition).await?;
                        self.commits.assign(&partition, position);
                        fresh.push(partition);
                    }
                }
                self.context.set_assignment(self.commits.assigned());
                if self.paused || self.redelivering {
                    self.consumer.pause(&fresh);
                }
                if !fresh.is_empty() {
                    self.task.open(&fresh).await.map_err(fatal)?;
                }
                self.follow_requests();
                Ok(())
            }
            Rebalance::Revoked(partitions) => {
                self.give_up(partitions, true).await;
                Ok(())
            }
            Rebalance::Lost(partitions) => {
                self.give_up(partitions, false).await;
                Ok(())
            }
        }
    }

    /// Lets partitions go, committing what was taken of them if they are still ours.
    async fn give_up(&mut self, partitions: Vec<TopicPartition>, ours: bool) {
        let partitions: Vec<TopicPartition> =
            partitions.into_iter().filter(|partition| self.commits.is_assigned(partition)).collect();
        if partitions.is_empty() {
            return;
        }
        let committable = if ours { self.pre_commit(&partitions).await } else { None };
        if let Err(error) = self.task.close(&partitions).await {
            tracing::error!(task = %self.control.id, error = %error, "the sink task failed to close partitions");
        }
        if let Some(offsets) = committable {
            self.write_offsets(offsets).await;
        }
        self.commits.unassign(&partitions);
        self.context.set_assignment(self.commits.assigned());
        // Batches mix partitions, so all that wait are dropped, and what stays assigned is read again.
        if !self.backlog.is_empty() {
            self.backlog.clear();
            self.commits.current().iter().for_each(|offset| self.consumer.seek(offset));
            self.redelivering = false;
            self.resume_partitions();
        }
    }

    /// Commits what the plugin says is safe.
    async fn commit(&mut self) {
        self.next_commit = Instant::now() + self.settings.interval;
        let partitions = self.commits.assigned();
        if partitions.is_empty() {
            return;
        }
        match self.pre_commit(&partitions).await {
            Some(offsets) => self.write_offsets(offsets).await,
            None => {
                // What the plugin holds may be lost, so it gets everything again.
                self.backlog.clear();
                self.redelivering = false;
                for offset in self.commits.rewind() {
                    self.consumer.seek(&offset);
                }
                self.resume_partitions();
            }
        }
    }

    /// Asks the plugin what may be committed; `None` if it failed.
    async fn pre_commit(&mut self, partitions: &[TopicPartition]) -> Option<Vec<TopicOffset>> {
        // Offsets of dead letters that are not written must not be committed.
        self.stages.settle().await;
        let offered = self.commits.current_of(partitions);
        match self.task.pre_commit(&offered).await {
            Ok(None) => Some(self.commits.committable(offered)),
            Ok(Some(offsets)) => Some(self.commits.committable(offsets)),
            Err(error) => {
                tracing::error!(task = %self.control.id, error = %error, "the sink task failed to prepare a commit");
                None
            }
        }
    }

    async fn write_offsets(&mut self, offsets: Vec<TopicOffset>) {
        if offsets.is_empty() {
            return;
        }
        match tokio::time::timeout(self.settings.timeout, self.consumer.commit(&offsets)).await {
            Ok(Ok(())) => self.commits.committed(&offsets),
            Ok(Err(error)) => {
                tracing::error!(task = %self.control.id, error = %error, "failed to commit offsets");
            }
            Err(_) => tracing::warn!(task = %self.control.id, "commit of offsets timed out"),
        }
    }
}

fn fatal(error: PluginError) -> Halt {
    match error {
        PluginError::Cancelled => Halt::Stopped,
        error => Halt::Failed(error.failure()),
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
