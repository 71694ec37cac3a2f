//! The sink connector: its names, and a task's configuration for as many as are asked for.

use std::marker::PhantomData;

use millstream_sdk::{
    ConnectorContext, Error, Info, Result, Sink, SinkContext, SinkTask, TopicOffset, TopicPartition,
    batch::Table,
    config::{ConfigMap, PluginConfig},
};

use super::{check, settings::Settings, task::Writer};
use crate::{
    family::{Family, FamilyConfig},
    keys::refuse_first,
};

/// The configuration of connector and tasks.
type Config<F> = FamilyConfig<F, Settings>;

/// The connector.
#[derive(Debug)]
pub struct SqlSink<F> {
    settings: Settings,
    family: PhantomData<F>,
}

impl<F: Family> Sink for SqlSink<F> {
    const INFO: Info = F::SINK;
    type Config = Config<F>;
    type Task = SqlSinkTask<F>;

    fn start(config: Config<F>, _: ConnectorContext) -> Result<Self> {
        let settings = config.0;
        refuse_first(check::without_database(&settings.originals, &settings))?;
        Ok(Self { settings, family: PhantomData })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.settings.originals.clone(); max_tasks as usize])
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        // What is wrong with single keys, the host says by itself.
        match Config::<F>::parse(config) {
            Ok(found) => Ok(check::problems(config, &found.0)),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn alter_offsets(config: &ConfigMap, _: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        let settings = Config::<F>::parse(config)?.0;
        match settings.once {
            // The group's offsets mean nothing then, and nobody is to believe that they do.
            Some(table) => {
                Err(Error::config(format!("with exactly.once the offsets are in the table {table}: change them there")))
            }
            None => Ok(true),
        }
    }
}

/// The task.
#[derive(Debug)]
pub struct SqlSinkTask<F>(Writer, PhantomData<F>);

impl<F: Family> SinkTask for SqlSinkTask<F> {
    type Config = Config<F>;

    fn start(config: Config<F>, context: SinkContext) -> Result<Self> {
        Ok(Self(Writer::start(config.0, context)?, PhantomData))
    }

    fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.0.open(partitions)
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        self.0.put(records)
    }

    /// Whatever `put` has taken is committed.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>> {
        self.0.pre_commit(offsets)
    }

    fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.0.close(partitions);
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        self.0.stop();
        Ok(())
    }
}
