//! Sinks: connectors that take records out.

use crate::{
    ConnectorContext, Info, Result, SinkContext, TopicOffset, TopicPartition,
    batch::Table,
    config::{ConfigMap, PluginConfig},
};

/// A sink connector: says how many tasks share the work. It moves no records itself.
pub trait Sink: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Its configuration, whose definition is that of the whole plugin.
    type Config: PluginConfig;
    /// What moves the records.
    type Task: SinkTask;

    /// The connector, started.
    ///
    /// # Errors
    ///
    /// The connector fails with it.
    fn start(config: Self::Config, context: ConnectorContext) -> Result<Self>;

    /// Configurations for at most `max_tasks` tasks. Topic partitions are dealt out by Kafka, so a
    /// sink mostly returns its own configuration as often as it is asked.
    ///
    /// # Errors
    ///
    /// The connector fails with it.
    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>>;

    /// Ends what `start` began.
    ///
    /// # Errors
    ///
    /// Logged only.
    fn stop(&mut self) -> Result<()> {
        Ok(())
    }

    /// Checks beyond the definition, as in [`Source::validate`](crate::Source::validate).
    ///
    /// # Errors
    ///
    /// The configuration could not be checked.
    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        let _ = config;
        Ok(Vec::new())
    }

    /// Accepts or refuses offsets that a user sets; `None` resets. True if nothing outside the
    /// worker has to follow. By default nothing has, since offsets are the worker's.
    ///
    /// # Errors
    ///
    /// What is wrong with the offsets; none are changed then.
    fn alter_offsets(config: &ConfigMap, offsets: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        let _ = (config, offsets);
        Ok(false)
    }
}

/// A sink task: takes records out.
///
/// One call at a time. Records of one topic partition arrive in offset order; after a failure or a
/// restart the same records may arrive again, so writing one twice must do no harm.
pub trait SinkTask: Sized + 'static {
    /// Its configuration: one of those that [`Sink::task_configs`] returned.
    type Config: PluginConfig;

    /// The task, started.
    ///
    /// # Errors
    ///
    /// The task fails with it.
    fn start(config: Self::Config, context: SinkContext) -> Result<Self>;

    /// Partitions newly assigned. A sink that keeps its offsets in its target looks there now, and
    /// [seeks](SinkContext::seek) to where each of the partitions goes on.
    ///
    /// # Errors
    ///
    /// The task fails with it.
    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// Takes the next records; there may be none. Rows that are no longer selected
    /// ([`Table::is_selected`]) are none of the sink's business;
    /// [`Record::selected`](crate::Record::selected) gives the others as records.
    ///
    /// # Errors
    ///
    /// One of kind retriable makes the host pass the same records again; any other fails the task.
    /// Records that can never be written go to [`SinkContext::report`] instead.
    fn put(&mut self, records: &Table<'_>) -> Result<()>;

    /// Makes everything taken so far durable; returns when it is.
    ///
    /// # Errors
    ///
    /// Nothing is committed, and records come again from where the group's offsets are, or where the task has sought
    /// last. A task that cannot go on returns its error from the next `put`, too, which fails it.
    fn flush(&mut self) -> Result<()>;

    /// The offsets that may be committed, `None` for all of those given, after making everything
    /// before them durable. Flushes and commits all by default.
    ///
    /// A sink that keeps its offsets in its target returns `Some(Vec::new())`: the group commits none for it. It says in
    /// [`SinkTask::open`] where to begin, by [`SinkContext::seek`]. It may as well return the offsets that it has kept,
    /// so that tools that look at the group see how far it is; where it begins is its own word all the same.
    ///
    /// # Errors
    ///
    /// As for [`SinkTask::flush`].
    fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>> {
        let _ = offsets;
        self.flush()?;
        Ok(None)
    }

    /// Partitions revoked or given up; their offsets have been asked for before.
    ///
    /// # Errors
    ///
    /// The task fails with it.
    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let _ = partitions;
        Ok(())
    }

    /// Ends what `start` began.
    ///
    /// # Errors
    ///
    /// Logged only.
    fn stop(&mut self) -> Result<()> {
        Ok(())
    }
}
