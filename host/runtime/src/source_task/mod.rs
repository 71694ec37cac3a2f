//! A source task: guest `poll` → transforms → converters → producer → acknowledgement → ledger →
//! offset store → guest `commit`.
//!
//! The story is here. [`Pipeline`] takes a polled batch apart into records, in order and with every
//! row's ending; [`Flow`] has everything that is under way: producer, ledger, offsets. While the guest
//! is waited for, acknowledgements and commits go on.

mod dead_letters;
mod flow;
mod new_topics;
mod pipeline;
mod replay;
mod requested_ends;
mod transactions;
mod view;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use millstream_config::ConfigMap;
use millstream_connector::{Failure, Lease, PollLimits, RequestedEnd, Rest, SourceContext};
use millstream_record::batch::Batch;

use self::requested_ends::Cut;
pub(crate) use self::{
    dead_letters::SourceLetters,
    flow::{Flow, FlowSettings},
    new_topics::NewTopics,
    pipeline::Pipeline,
    requested_ends::RequestedEnds,
    transactions::Transactions,
};
use crate::{
    config_log::TargetState,
    long_wait::{CALL, call_text, told, until},
    offsets::OffsetStore,
    status::State,
    task::{Halt, TaskControl},
};
pub use replay::{LetterContent, ReplayedRecord, SourceReplay};

/// What one poll may return. Half a megabyte keeps a batch inside the processor's caches; waiting half
/// a second keeps an idle task quiet and a stop quick.
const POLL_LIMITS: PollLimits = PollLimits { max_records: 4096, max_bytes: 512 << 10, max_wait_ms: 500 };

/// The stage of a poll, in Connect's words, and who carries it out.
const POLLING: &str = "TASK_POLL by org.apache.kafka.connect.source.SourceTask";

/// Wait after a poll that returned nothing at once, so that such a plugin does not keep a core busy.
const EMPTY_POLL_WAIT: Duration = Duration::from_millis(50);

/// Time until a plugin is renewed that could not be, since what it had polled had not ended.
const RENEWAL_WAIT: Duration = Duration::from_secs(1);

/// How much a source that always has something does before others have a turn, and the sockets of the process are looked at:
/// rows, with each poll counted as [`OF_A_POLL`] of them.
const TURN: u32 = 1024;

/// A poll, in rows of [`TURN`].
const OF_A_POLL: u32 = 16;

/// A source task with all it needs.
pub(crate) struct SourceTask {
    pub(crate) task: Box<dyn millstream_connector::SourceTask>,
    pub(crate) pipeline: Pipeline,
    pub(crate) flow: Flow,
    pub(crate) control: TaskControl,
    /// Set for a plugin that ends its transactions itself.
    pub(crate) ends: Option<Arc<RequestedEnds>>,
    /// The plugin is not renewed before, since it could not be.
    pub(crate) renewal_after: tokio::time::Instant,
}

/// Why a source task has ended without having been told to.
#[derive(Debug)]
pub(crate) enum SourceFailure {
    /// It has failed.
    Failed(Failure),
    /// The coordinator has refused to end a transaction. A task that begins anew learns what was committed, and goes on
    /// behind it.
    Refused(Failure),
}

impl SourceTask {
    /// Runs until the task is told to stop or fails, then waits for what is under way and commits.
    ///
    /// Dropping the future abandons the task: nothing more is written, nothing more committed.
    ///
    /// # Errors
    ///
    /// Why the task failed.
    pub(crate) async fn run(mut self, config: &ConfigMap) -> Result<(), SourceFailure> {
        let ended = self.work(config).await;
        // Offsets of records that did end are kept even when the task failed.
        let finished = self.flow.finish(self.task.as_mut(), ended.is_ok()).await;
        let what = || call_text("the source to stop");
        if let Err(error) = told(&self.control, CALL, what, self.task.stop()).await {
            tracing::warn!(task = %self.control.id, error = %error, "the source task did not stop cleanly");
        }
        let refused = self.flow.was_refused();
        self.flow.close().await;
        ended.and(finished).map_err(if refused { SourceFailure::Refused } else { SourceFailure::Failed })
    }

    async fn work(&mut self, config: &ConfigMap) -> Result<(), Failure> {
        if !self.control.wait_until_started().await {
            return Ok(());
        }
        let what = || call_text("the source to start");
        told(&self.control, CALL, what, self.task.start(config)).await.map_err(|error| error.failure())?;
        self.control.status.set(State::Running);
        self.control.metrics.started(true);
        let mut turn = 0;
        loop {
            match self.control.target() {
                TargetState::Stopped => return Ok(()),
                TargetState::Started => {}
                TargetState::Paused => {
                    self.flow.pause_ends().await?;
                    self.flow.tell(self.task.as_mut()).await;
                    self.control.status.set(State::Paused);
                    self.flow.attend(self.control.unpaused()).await;
                    self.flow.tell(self.task.as_mut()).await;
                    if !self.control.is_stopping() {
                        self.control.status.set(State::Running);
                    }
                    continue;
                }
            }
            if self.task.wants_renewal() && self.renewal_after <= tokio::time::Instant::now() {
                self.renew().await?;
                continue;
            }
            self.flow.make_room().await;
            self.flow.check()?;
            let asked = tokio::time::Instant::now();
            let what = || call_text("the source to return from a poll");
            let poll = told(&self.control, CALL, what, self.task.poll(POLL_LIMITS));
            let polled = match self.flow.lingers_until() {
                None => self.flow.attend(poll).await,
                Some(due) => {
                    tokio::pin!(poll);
                    match self.flow.attend(tokio::time::timeout_at(due, poll.as_mut())).await {
                        Ok(polled) => polled,
                        Err(_) => {
                            let ended = self.flow.pause_ends().await;
                            // A call is not given up in its middle.
                            let polled = self.flow.attend(poll).await;
                            ended?;
                            polled
                        }
                    }
                }
            };
            let took = asked.elapsed();
            self.flow.tell(self.task.as_mut()).await;
            match polled {
                Ok(Some(batch)) if batch.rows() != 0 => {
                    self.flow.polled(batch.rows(), took);
                    turn += OF_A_POLL + batch.rows();
                    match self.deliver(Some(batch)).await {
                        Ok(()) => self.control.has_worked(),
                        Err(Halt::Stopped) => return Ok(()),
                        Err(Halt::Failed(failure)) => return Err(failure),
                    }
                    if TURN <= turn {
                        // Nothing that it awaited may have made it wait.
                        tokio::task::yield_now().await;
                        turn = 0;
                    }
                }
                Err(error) if !error.is_retriable() => {
                    return if self.control.is_stopping() && error == millstream_connector::PluginError::Cancelled {
                        Ok(())
                    } else {
                        let mut failure = error.failure();
                        failure.at.get_or_insert_with(|| POLLING.to_owned());
                        Err(failure)
                    };
                }
                nothing => {
                    if let Err(error) = nothing {
                        self.ends.iter().for_each(|ends| ends.forget());
                        tracing::debug!(task = %self.control.id, error = %error, "the source task has nothing for now");
                    }
                    match self.deliver(None).await {
                        Ok(()) => {}
                        Err(Halt::Stopped) => return Ok(()),
                        Err(Halt::Failed(failure)) => return Err(failure),
                    }
                    if let Some(rest) = self.task.rest() {
                        self.rest(rest).await;
                    } else if asked.elapsed() < EMPTY_POLL_WAIT {
                        let stopped = tokio::time::timeout(EMPTY_POLL_WAIT, self.control.stopped());
                        // Either way the loop looks again.
                        let _ = self.flow.attend(stopped).await;
                    }
                }
            }
        }
    }

    /// Has the plugin begin anew, if everything that it has polled has ended and is stored; else that is looked at again
    /// later.
    async fn renew(&mut self) -> Result<(), Failure> {
        if !self.flow.drain(self.task.as_mut()).await? {
            self.renewal_after = tokio::time::Instant::now() + RENEWAL_WAIT;
            return Ok(());
        }
        let what = || call_text("the source to stop and start anew");
        let renewed = told(&self.control, CALL, what, self.task.renew()).await;
        renewed.map_err(|error| error.failure())
    }

    /// Takes what a poll has returned to its endings, and ends transactions where they are to end.
    async fn deliver(&mut self, batch: Option<Batch>) -> Result<(), Halt> {
        let cut = match &self.ends {
            None => Cut::whole(batch),
            Some(ends) => ends.cut(batch)?,
        };
        for (piece, end) in cut.pieces {
            self.pipeline.deliver(&mut self.flow, piece).await?;
            if let Some(end) = end {
                self.flow.end_transaction(end).await?;
            }
        }
        cut.behind.into_iter().for_each(|end| self.flow.asked(end));
        Ok(self.flow.poll_ends().await?)
    }

    /// Waits as long as the plugin has said that there will be nothing, unless something else is wanted of the task.
    /// The plugin hears of what ends meanwhile.
    async fn rest(&mut self, rest: Rest) {
        let (control, end_due) = (self.control.clone(), self.flow.end_due());
        let over = async {
            tokio::select! {
                biased;
                () = control.changed_from(TargetState::Started) => {}
                () = rest => {}
                // The next poll ends the transaction that is open.
                () = until(end_due) => {}
            }
        };
        tokio::pin!(over);
        while self.flow.attend_until_news(over.as_mut()).await.is_none() {
            if self.flow.has_failed() {
                return;
            }
            self.flow.tell(self.task.as_mut()).await;
        }
    }
}

/// What a source task's plugin may ask of the worker.
pub(crate) struct TaskContext {
    pub(crate) control: TaskControl,
    pub(crate) offsets: Arc<dyn OffsetStore>,
    /// Set for a plugin that ends its transactions itself.
    pub(crate) ends: Option<Arc<RequestedEnds>>,
    pub(crate) lease: Option<Arc<dyn Lease>>,
}

#[async_trait]
impl SourceContext for TaskContext {
    async fn read_offsets(&self, partitions: Vec<String>) -> Result<Vec<Option<String>>, Failure> {
        self.offsets.read(&self.control.id.connector, &partitions).await.map_err(crate::offsets::fetch_failed)
    }

    fn ends_transactions(&self) -> bool {
        self.ends.is_some()
    }

    fn end_transactions(&self, ends: Vec<RequestedEnd>) {
        if let Some(requested) = &self.ends {
            requested.ask(ends);
        }
    }

    fn lease(&self) -> Option<Arc<dyn Lease>> {
        self.lease.clone()
    }

    fn is_stopping(&self) -> bool {
        self.control.is_stopping()
    }

    async fn stopped(&self) {
        self.control.stopped().await;
    }
}
