//! Sources: connectors that bring records in.

use crate::{
    ConnectorContext, Info, Result, SourceContext, Value,
    batch::Table,
    config::{ConfigMap, PluginConfig},
};

/// What a connector says about a guarantee.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Support {
    /// It gives it with this configuration.
    Supported,
    /// It does not.
    Unsupported,
    /// It does not say.
    #[default]
    Unknown,
}

/// How much one call of [`SourceTask::poll`] may bring, and how long it may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PollLimits {
    /// Most records.
    pub max_records: u32,
    /// Most bytes, roughly: keys, values and headers together.
    pub max_bytes: u32,
    /// Most milliseconds; return nothing if there is nothing by then.
    pub max_wait_ms: u32,
}

/// A source connector: divides the work among tasks. It moves no records itself.
pub trait Source: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Its configuration, whose definition is that of the whole plugin.
    type Config: PluginConfig;
    /// What moves the records.
    type Task: SourceTask;

    /// The connector, started.
    ///
    /// # Errors
    ///
    /// The connector fails with it.
    fn start(config: Self::Config, context: ConnectorContext) -> Result<Self>;

    /// Configurations for at most `max_tasks` tasks. Called again whenever the connector asks for it.
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

    /// Checks beyond the definition and its [`Key::check`](crate::config::Key::check)s, before
    /// anything is started: keys at fault, each with a text. Nothing by default.
    ///
    /// # Errors
    ///
    /// The configuration could not be checked.
    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        let _ = config;
        Ok(Vec::new())
    }

    /// Whether each record arrives exactly once with this configuration: offsets describe a place
    /// in the outside system from which the same records come again.
    ///
    /// # Errors
    ///
    /// The configuration is at fault.
    fn exactly_once_support(config: &ConfigMap) -> Result<Support> {
        let _ = config;
        Ok(Support::Unknown)
    }

    /// Whether the connector's tasks say with this configuration where transactions end
    /// ([`SourceContext::transaction`]).
    ///
    /// # Errors
    ///
    /// The configuration is at fault.
    fn can_define_transaction_boundaries(config: &ConfigMap) -> Result<Support> {
        let _ = config;
        Ok(Support::Unsupported)
    }

    /// Accepts or refuses offsets that a user sets: source partitions with their new offsets, `None`
    /// for a reset. True if nothing outside the worker has to follow. Accepts none by default.
    ///
    /// # Errors
    ///
    /// What is wrong with the offsets; none are changed then.
    fn alter_offsets(config: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool> {
        let _ = (config, offsets);
        Ok(false)
    }
}

/// A source task: brings records in.
///
/// One call at a time. An error of kind retriable from [`SourceTask::poll`] counts as nothing and the
/// next poll follows; any other ends the task.
pub trait SourceTask: Sized + 'static {
    /// Its configuration: one of those that [`Source::task_configs`] returned.
    type Config: PluginConfig;

    /// The task, started. Where to continue is in [`SourceContext::offset`].
    ///
    /// # Errors
    ///
    /// The task fails with it.
    fn start(config: Self::Config, context: SourceContext) -> Result<Self>;

    /// The next records, in columns ([`Table`]) or collected row by row
    /// ([`Collector::into_table`](crate::Collector::into_table)). May wait for them for up to
    /// `limits.max_wait_ms` with [`wait`](crate::wait). `None` if there are none.
    ///
    /// Each record carries its source partition and offset. After a failure the host starts a new
    /// task, and offsets stored by then are those of records that have safely arrived.
    ///
    /// # Errors
    ///
    /// See the trait.
    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>>;

    /// Rows that have ended, in the order of `poll`: topic, partition and offset of each (no offset
    /// for a record that was filtered or skipped). Called only for plugins with
    /// [`Info::wants_committed`].
    ///
    /// # Errors
    ///
    /// Logged only.
    fn committed(&mut self, rows: &Table<'_>) -> Result<()> {
        let _ = rows;
        Ok(())
    }

    /// Offsets of everything that ended before are stored.
    ///
    /// # Errors
    ///
    /// Logged only.
    fn commit(&mut self) -> Result<()> {
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
