//! A connector by itself: checked, started, and asked for the configuration of a task, as a worker does it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use millstream_config::ConfigMap;
use millstream_connector::{Connector, ConnectorContext, Failure as Reported, Plugins};

use super::ended;
use crate::{
    exit::{Failure, USAGE},
    plugin::subject::{Subject, task},
};

/// What a connector asks of its worker.
#[derive(Default)]
pub struct Context {
    stopping: AtomicBool,
    raised: Mutex<Option<Reported>>,
}

impl Context {
    /// The failure that the connector has raised by itself.
    pub fn raised(&self) -> Option<Reported> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ConnectorContext for Context {
    fn request_task_reconfiguration(&self) {
        tracing::warn!("the connector asks for new configurations of its tasks: here it keeps the ones it has");
    }

    fn raise_error(&self, failure: Reported) {
        *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// A connector that is started.
pub struct Started {
    connector: Box<dyn Connector>,
    /// What it asks for.
    pub context: Arc<Context>,
    /// The configuration of its first task.
    pub task: ConfigMap,
}

impl Started {
    /// Checks the configuration, and starts the connector for one task.
    ///
    /// # Errors
    ///
    /// The configuration is refused: all that is wrong with it; or the connector fails.
    pub async fn of(subject: &Subject) -> Result<Self, Failure> {
        let class = &subject.info.class;
        let mut config = subject.config.clone();
        for (key, value) in [("name", task().connector.as_str()), ("connector.class", class), ("tasks.max", "1")] {
            config.insert(key.to_owned(), Some(value.to_owned()));
        }
        let context = Arc::new(Context::default());
        let wanted = class.as_str().into();
        let made = subject.catalogue.connector(&wanted, &task().connector, Arc::<Context>::clone(&context)).await;
        let mut connector = made.map_err(|error| ended("make the connector", &error))?;
        let wrong = connector.validate(&config).await.map_err(|error| ended("check the configuration", &error))?;
        let wrong: Vec<String> = wrong.into_iter().flat_map(|(_, messages)| messages).collect();
        if !wrong.is_empty() {
            let message = format!("the configuration of {class} is refused:\n  {}", wrong.join("\n  "));
            return Err(Failure::new(USAGE, message));
        }
        connector.start(&config).await.map_err(|error| ended("start the connector", &error))?;
        let mut tasks = connector.task_configs(1).await.map_err(|error| ended("divide the work", &error))?;
        if tasks.is_empty() {
            return Err(Failure::new(USAGE, format!("{class} has nothing to do: it wants no task")));
        }
        Ok(Self { connector, context, task: tasks.remove(0) })
    }

    /// Stops it.
    ///
    /// # Errors
    ///
    /// It fails.
    pub async fn stop(mut self) -> Result<(), Failure> {
        self.context.stopping.store(true, Ordering::Relaxed);
        self.connector.stop().await.map_err(|error| ended("stop the connector", &error))
    }
}
