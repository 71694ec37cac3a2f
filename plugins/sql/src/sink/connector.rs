//! The sink connector: its names, and a task's configuration for as many as are asked for.

use std::marker::PhantomData;

use millstream_sdk::{
    ConnectorContext, Error, Info, Result, Sink, SinkContext, SinkTask, TopicOffset, TopicPartition,
    batch::Table,
    config::{ConfigDef, ConfigMap, ConfigValues, PluginConfig},
};

use super::{check, keys, settings::Settings, task::Writer};
use crate::{
    keys::refuse_first,
    source::connector::{Aiven, Confluent, Ours},
};

/// Whose names and keys a connector has.
pub trait Family: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Whether the keys are Aiven's.
    const AIVEN: bool;
}

const DOC: &str = "Writes records into tables of a database.";

impl Family for Ours {
    const INFO: Info = Info::new("io.millstream.SqlSinkConnector")
        .task_class("io.millstream.SqlSinkTask")
        .version(env!("CARGO_PKG_VERSION"))
        .doc(DOC);
    const AIVEN: bool = false;
}

impl Family for Confluent {
    const INFO: Info = Info::new("io.confluent.connect.jdbc.JdbcSinkConnector")
        .task_class("io.confluent.connect.jdbc.sink.JdbcSinkTask")
        .version(env!("CARGO_PKG_VERSION"))
        .doc(DOC);
    const AIVEN: bool = false;
}

impl Family for Aiven {
    const INFO: Info = Info::new("io.aiven.connect.jdbc.JdbcSinkConnector")
        .task_class("io.aiven.connect.jdbc.sink.JdbcSinkTask")
        .version(env!("CARGO_PKG_VERSION"))
        .doc(DOC);
    const AIVEN: bool = true;
}

/// The configuration of a family's connector and tasks.
#[derive(Debug)]
pub struct FamilyConfig<F>(Settings, PhantomData<F>);

impl<F: Family> PluginConfig for FamilyConfig<F> {
    fn definition() -> ConfigDef {
        if F::AIVEN { keys::aiven() } else { keys::confluent() }
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self(Settings::read(values, F::AIVEN)?, PhantomData))
    }
}

/// The connector.
#[derive(Debug)]
pub struct SqlSink<F> {
    settings: Settings,
    family: PhantomData<F>,
}

impl<F: Family> Sink for SqlSink<F> {
    const INFO: Info = F::INFO;
    type Config = FamilyConfig<F>;
    type Task = SqlSinkTask<F>;

    fn start(config: FamilyConfig<F>, _: ConnectorContext) -> Result<Self> {
        let FamilyConfig(settings, family) = config;
        refuse_first(check::without_database(&settings.originals, &settings))?;
        Ok(Self { settings, family })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.settings.originals.clone(); max_tasks as usize])
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        // What is wrong with single keys, the host says by itself.
        match FamilyConfig::<F>::parse(config) {
            Ok(FamilyConfig(settings, _)) => Ok(check::problems(config, &settings)),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn alter_offsets(config: &ConfigMap, _: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        let FamilyConfig(settings, _) = FamilyConfig::<F>::parse(config)?;
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
    type Config = FamilyConfig<F>;

    fn start(config: FamilyConfig<F>, context: SinkContext) -> Result<Self> {
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
