//! Whose names and keys the connectors have: ours, Confluent's or Aiven's. What they do is the same.

use std::marker::PhantomData;

use millstream_sdk::{
    Info, Result,
    config::{ConfigDef, ConfigValues, PluginConfig},
};

/// Names and keys of a pair of connectors.
pub trait Family: Sized + 'static {
    /// What users see of the source.
    const SOURCE: Info;
    /// What users see of the sink.
    const SINK: Info;
    /// Whether the keys are Aiven's; all others have Confluent's.
    const AIVEN: bool = false;
}

const fn source(class: &'static str, task_class: &'static str) -> Info {
    const DOC: &str = "Copies tables of a database, or the rows of a query, into topics.";
    Info::new(class).task_class(task_class).version(env!("CARGO_PKG_VERSION")).doc(DOC)
}

const fn sink(class: &'static str, task_class: &'static str) -> Info {
    const DOC: &str = "Writes records into tables of a database.";
    Info::new(class).task_class(task_class).version(env!("CARGO_PKG_VERSION")).doc(DOC)
}

/// Our own.
#[derive(Debug)]
pub struct Ours;

impl Family for Ours {
    const SOURCE: Info = source("io.millstream.SqlSourceConnector", "io.millstream.SqlSourceTask");
    const SINK: Info = sink("io.millstream.SqlSinkConnector", "io.millstream.SqlSinkTask");
}

/// Confluent's.
#[derive(Debug)]
pub struct Confluent;

impl Family for Confluent {
    const SOURCE: Info =
        source("io.confluent.connect.jdbc.JdbcSourceConnector", "io.confluent.connect.jdbc.source.JdbcSourceTask");
    const SINK: Info =
        sink("io.confluent.connect.jdbc.JdbcSinkConnector", "io.confluent.connect.jdbc.sink.JdbcSinkTask");
}

/// Aiven's.
#[derive(Debug)]
pub struct Aiven;

impl Family for Aiven {
    const SOURCE: Info =
        source("io.aiven.connect.jdbc.JdbcSourceConnector", "io.aiven.connect.jdbc.source.JdbcSourceTask");
    const SINK: Info = sink("io.aiven.connect.jdbc.JdbcSinkConnector", "io.aiven.connect.jdbc.sink.JdbcSinkTask");
    const AIVEN: bool = true;
}

/// What a source or a sink reads its configuration into.
pub trait FamilySettings: Sized {
    /// The keys.
    fn definition(aiven: bool) -> ConfigDef;
    /// Reads it from a configuration that the family's definition has accepted.
    ///
    /// # Errors
    ///
    /// A key is null that may not be, or its text cannot be read.
    fn read(values: &ConfigValues, aiven: bool) -> Result<Self>;
}

/// The configuration of a family's connector and tasks.
#[derive(Debug)]
pub struct FamilyConfig<F, S>(pub S, PhantomData<F>);

impl<F: Family, S: FamilySettings> PluginConfig for FamilyConfig<F, S> {
    fn definition() -> ConfigDef {
        S::definition(F::AIVEN)
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self(S::read(values, F::AIVEN)?, PhantomData))
    }
}
