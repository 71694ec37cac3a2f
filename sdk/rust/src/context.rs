//! What connectors and tasks may ask of the worker.

use std::time::Duration;

use crate::{Error, Result, RowError, TopicOffset, TopicPartition, TransactionContext, Value, host, json};

/// What a connector may ask of the worker.
#[derive(Clone, Copy, Debug)]
pub struct ConnectorContext(pub(crate) ());

impl ConnectorContext {
    /// Asks for `task_configs` to be called again soon, because there is something else to divide
    /// among tasks than before.
    pub fn request_task_reconfiguration(&self) {
        host::request_task_reconfiguration();
    }

    /// Fails the connector; its tasks go on.
    pub fn raise_error(&self, error: Error) {
        host::raise_error(error);
    }

    /// The stored offset of a source partition, as in [`SourceContext::offset`].
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub fn offset(&self, partition: &Value) -> Result<Option<Value>> {
        SourceContext(()).offset(partition)
    }
}

/// What a source task may ask of the worker.
#[derive(Clone, Copy, Debug)]
pub struct SourceContext(pub(crate) ());

impl SourceContext {
    /// The stored offset of a source partition: that of the newest record which it and everything
    /// before it have ended. `None` where nothing is stored. Both are maps, such as
    /// `{"filename": "a.txt"}` and `{"position": 42}`; integers come back as [`Value::Int64`].
    ///
    /// # Errors
    ///
    /// The store cannot be read, or the partition has something that JSON cannot hold.
    pub fn offset(&self, partition: &Value) -> Result<Option<Value>> {
        Ok(self.offsets(std::slice::from_ref(partition))?.pop().flatten())
    }

    /// The stored offsets of several source partitions, in the same order.
    ///
    /// # Errors
    ///
    /// As for [`SourceContext::offset`].
    pub fn offsets(&self, partitions: &[Value]) -> Result<Vec<Option<Value>>> {
        let partitions: Vec<String> = partitions.iter().map(json::to_json).collect::<Result<_>>()?;
        let offsets = host::read_offsets(&partitions)?;
        offsets.iter().map(|offset| offset.as_deref().map(json::from_json).transpose()).collect()
    }

    /// Where the task's transactions end, if it is to say so itself: with `transaction.boundary=connector`, which its user
    /// can set for a connector that [answers](crate::Source::can_define_transaction_boundaries) that it can, on a worker that
    /// delivers exactly once. `None` leaves them to the worker.
    pub fn transaction(&self) -> Option<TransactionContext> {
        host::ends_transactions().then_some(TransactionContext(()))
    }
}

/// What a sink task may ask of the worker.
#[derive(Clone, Copy, Debug)]
pub struct SinkContext(pub(crate) ());

impl SinkContext {
    /// Partitions assigned to the task.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        host::assignment()
    }

    /// Continues at these offsets before the next records are delivered: for sinks that keep their
    /// own offsets beside their data.
    pub fn seek(&self, offsets: &[TopicOffset]) {
        host::seek(offsets);
    }

    /// Delivers nothing from these partitions until they are resumed.
    ///
    /// # Errors
    ///
    /// One of them is not assigned to the task.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<()> {
        host::pause(partitions)
    }

    /// Delivers from these partitions again.
    ///
    /// # Errors
    ///
    /// One of them is not assigned to the task.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<()> {
        host::resume(partitions)
    }

    /// Shortens the time until the next `put`, once.
    pub fn timeout(&self, time: Duration) {
        host::timeout(millis(time));
    }

    /// Commits offsets as soon as possible.
    pub fn request_commit(&self) {
        host::request_commit();
    }

    /// Reports rows of the batch passed to the running `put` that can never be written. They go to
    /// the error policy of the task: skipped, or to the dead-letter topic.
    ///
    /// # Errors
    ///
    /// The policy tolerates no errors; return the error from `put`.
    pub fn report(&self, errors: &[RowError]) -> Result<()> {
        host::report(errors)
    }

    /// Appends records to the topic that the value of a key names ([`Opens::topic`](crate::config::Opens::topic)), and
    /// returns when all are durable.
    ///
    /// # Errors
    ///
    /// The key opens no topic, or a record cannot be written: some may have been.
    pub fn write(&self, key: &str, reports: Vec<TopicReport>) -> Result<()> {
        // The host takes so many in one call.
        const AT_A_TIME: usize = 1000;
        let mut rest = reports;
        while !rest.is_empty() {
            let behind = rest.split_off(rest.len().min(AT_A_TIME));
            host::write_reports(key, std::mem::replace(&mut rest, behind))?;
        }
        Ok(())
    }
}

/// Waits for up to a time, without burning the deadline of the call. True as soon as the connector
/// or task is asked to stop: return from the call then.
pub fn wait(time: Duration) -> bool {
    host::wait(millis(time))
}

/// Said by a source task that is about to return nothing from `poll`: there will be nothing for so long. The host
/// polls again by then, or when a file [grows](crate::File::ends_rest); meanwhile the task costs nothing, and can be
/// paused and stopped at once. Of several times the last one counts; with records or an error it means nothing.
///
/// Said by a connector within `task_configs`: it is asked for them again after so long, and its tasks are made anew if they
/// are others then.
pub fn rest(time: Duration) {
    host::rest(millis(time));
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// A record that a sink writes to a topic as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TopicReport {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}
