//! Exactly-once delivery of source records (KIP-618): who may write a connector's transactions, and since when.
//!
//! What a task writes in one transaction is the source task's business, and the offsets topic that of [`offsets`]. Here
//! is what has to happen before its first transaction, so that no task of an earlier set can still write.
//!
//! [`offsets`]: crate::offsets

use std::time::Duration;

use async_trait::async_trait;
use millstream_client::TransactionError;
use millstream_config::{ConfigMap, Mode, WorkerConfig, worker_key};
use millstream_connector::{ErrorKind, Failure};
use millstream_record::ErrorChain;

use crate::{
    error_policy::CONNECT_EXCEPTION,
    kafka::{Clients, RecordProducer},
    long_wait::told,
    task::TaskControl,
};

/// Wait before something is asked for again that failed and may go better; doubles each time.
pub(crate) const RETRY: Duration = Duration::from_millis(250);
/// Longest such wait.
pub(crate) const RETRY_MAX: Duration = Duration::from_secs(5);

/// Whether source connectors deliver exactly once (`exactly.once.source.support`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ExactlyOnceSource {
    /// A worker by itself cannot.
    #[default]
    Unavailable,
    /// They do not, in the group of this name.
    Disabled(String),
    /// They do not yet, but whoever leads the group of this name writes its config log in transactions.
    Preparing(String),
    /// They do, in the group of this name.
    Enabled(String),
}

impl ExactlyOnceSource {
    /// What a worker's configuration says.
    pub fn of(worker: &WorkerConfig) -> Self {
        if worker.mode() == Mode::Standalone {
            return Self::Unavailable;
        }
        let config = worker.config();
        let group = || worker_key::GROUP_ID.get(config);
        match worker_key::EXACTLY_ONCE_SOURCE.get(config).to_ascii_lowercase().as_str() {
            "enabled" => Self::Enabled(group()),
            "preparing" => Self::Preparing(group()),
            _ => Self::Disabled(group()),
        }
    }

    /// Whether source tasks write transactions.
    pub fn is_enabled(&self) -> bool {
        matches!(self, Self::Enabled(_))
    }

    /// The name under which a task writes its transactions, as in Connect; `None` if it writes none.
    pub fn transactional_id(&self, connector: &str, task: u32) -> Option<String> {
        self.id_in_group(connector, task).filter(|_| self.is_enabled())
    }

    /// The name that a task of any worker of the group has for its transactions. A leader fences by it for workers that
    /// have been switched on before it.
    pub fn id_in_group(&self, connector: &str, task: u32) -> Option<String> {
        match self {
            Self::Enabled(group) | Self::Preparing(group) | Self::Disabled(group) => {
                Some(format!("{group}-{connector}-{task}"))
            }
            Self::Unavailable => None,
        }
    }

    /// Whether this worker reads only what is committed of the group's topics. One that is preparing does, too: others
    /// may write transactions already, and an offset that was aborted would skip records.
    pub fn reads_committed(&self) -> bool {
        matches!(self, Self::Preparing(_) | Self::Enabled(_))
    }

    /// The name under which the leader writes the config log in transactions, as in Connect; `None` if it does not.
    pub fn leader_id(&self) -> Option<String> {
        match self {
            Self::Enabled(group) | Self::Preparing(group) => Some(format!("connect-cluster-{group}")),
            _ => None,
        }
    }
}

/// Which set of a connector's tasks may write, as the group knows it. A failure of kind retriable may go better later.
#[async_trait]
pub(crate) trait Generations: Send + Sync {
    /// Makes sure that no producer of an earlier set of tasks can write any more.
    ///
    /// # Errors
    ///
    /// That is not certain.
    async fn fence(&self, connector: &str) -> Result<(), Failure>;

    /// Whether a set of tasks is still in effect, as of a moment after the call.
    ///
    /// # Errors
    ///
    /// The config log cannot be read to its end.
    async fn is_current(&self, connector: &str, generation: Option<u64>) -> Result<bool, Failure>;
}

/// Makes the producer of a task's transactions, when nobody else can write in its place any more: an earlier one's
/// transaction has been ended, and what it stored can be read. The first transaction has begun.
///
/// Never returns for a task whose set is no longer in effect: it is about to be stopped.
///
/// # Errors
///
/// The task cannot write transactions.
pub(crate) async fn producer(
    clients: &dyn Clients,
    generations: &dyn Generations,
    control: &TaskControl,
    (transactional_id, generation): (&str, Option<u64>),
    config: &ConfigMap,
) -> Result<Box<dyn RecordProducer>, Failure> {
    let id = &control.id;
    let fence = || generations.fence(&id.connector);
    repeated(control, "zombie fencing", fence).await.map_err(|cause| {
        cause.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, format!("Failed to perform zombie fencing for task {id}"))
    })?;
    let mut producer = clients.transactional_producer(id, transactional_id, config).await?;
    initialize(producer.as_mut(), control, transactional_id).await?;
    let is_current = || generations.is_current(&id.connector, generation);
    if !repeated(control, "the config log", is_current).await? {
        tracing::info!(task = %id, "the connector has already generated a new set of task configs; this task waits to be stopped");
        std::future::pending::<()>().await;
    }
    begin(producer.as_mut())?;
    Ok(producer)
}

/// Asks until there is an answer, or a failure that will stay.
async fn repeated<T, F>(control: &TaskControl, kind: &'static str, mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut wait = RETRY;
    loop {
        let failure = match told(control, kind, || format!("{kind}, without which no transaction begins"), ask()).await
        {
            Err(failure) if failure.kind == ErrorKind::Retriable => failure,
            answer => {
                control.status.note(kind, None);
                return answer;
            }
        };
        tracing::warn!(task = %control.id, error = %failure, "{kind} failed and is tried again in {} ms", wait.as_millis());
        control.status.note(kind, Some(format!("Trying {kind} again: {failure}")));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

async fn initialize(
    producer: &mut dyn RecordProducer,
    control: &TaskControl,
    transactional_id: &str,
) -> Result<(), Failure> {
    let Some(transactions) = producer.transactions() else { return Err(no_transactions()) };
    let what = || format!("the coordinator of transactions to take the producer {transactional_id}");
    told(control, "a producer", what, async {
        loop {
            match transactions.initialize().await {
                // It goes on: the same call waits for it again.
                Err(TransactionError::Timeout { .. }) => {}
                initialized => return initialized.map_err(|error| transaction_failure(&error)),
            }
        }
    })
    .await
}

/// Begins a transaction; nobody is asked.
pub(crate) fn begin(producer: &mut dyn RecordProducer) -> Result<(), Failure> {
    let transactions = producer.transactions().ok_or_else(no_transactions)?;
    transactions.begin().map_err(|error| transaction_failure(&error))
}

pub(crate) fn no_transactions() -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, "the task's producer writes no transactions")
}

/// A failed transaction in Connect's words.
pub(crate) fn transaction_failure(error: &TransactionError) -> Failure {
    Failure::new(ErrorKind::Fatal, &error.java_class(), ErrorChain(error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(mode: Mode, value: Option<&str>) -> ExactlyOnceSource {
        let mut properties: ConfigMap = [
            ("key.converter", "Json"),
            ("value.converter", "Json"),
            ("group.id", "g"),
            ("config.storage.topic", "c"),
            ("offset.storage.topic", "o"),
            ("status.storage.topic", "s"),
            ("offset.storage.file.filename", "f"),
        ]
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .into();
        if let Some(value) = value {
            properties.insert("exactly.once.source.support".to_owned(), Some(value.to_owned()));
        }
        ExactlyOnceSource::of(&WorkerConfig::parse(mode, &properties).expect("a worker"))
    }

    #[test]
    fn a_group_writes_transactions_under_connects_names_as_far_as_it_is_told_to() {
        let distributed = |value| worker(Mode::Distributed, value);
        assert_eq!(distributed(None), ExactlyOnceSource::Disabled("g".to_owned()));
        assert_eq!(distributed(Some("disabled")).leader_id(), None);
        assert!(!distributed(Some("disabled")).reads_committed());
        let preparing = distributed(Some("PREPARING"));
        assert_eq!((preparing.leader_id().as_deref(), preparing.is_enabled()), (Some("connect-cluster-g"), false));
        assert_eq!(preparing.transactional_id("my-source", 3), None);
        assert!(preparing.reads_committed());
        // Whoever leads fences for those who are ahead of it.
        for leader in [distributed(None), preparing] {
            assert_eq!(leader.id_in_group("my-source", 3).as_deref(), Some("g-my-source-3"));
        }
        let enabled = distributed(Some("enabled"));
        assert_eq!((enabled.leader_id().as_deref(), enabled.is_enabled()), (Some("connect-cluster-g"), true));
        assert_eq!(enabled.transactional_id("my-source", 3).as_deref(), Some("g-my-source-3"));
        assert_eq!(worker(Mode::Standalone, Some("enabled")), ExactlyOnceSource::Unavailable);
    }
}
