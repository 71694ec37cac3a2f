//! The source connector: finds the tables and divides them among tasks.

use std::{marker::PhantomData, time::Duration};

use millstream_sdk::{
    ConnectorContext, Error, ErrorKind, Info, PollLimits, Result, Source, SourceContext, SourceTask, Support, Value,
    batch::Table,
    config::{ConfigMap, PluginConfig},
    info, rest, warn,
};

use super::{check, filter::grouped, keys::name::*, offset::check_altered, reader::Reader, settings::Settings};
use crate::{
    dialect::{Dialect, Quoting, Spelling},
    family::{Family, FamilyConfig},
    keys::refuse_first,
    session::Session,
    table_name::TableName,
};

/// The configuration of connector and tasks.
type Config<F> = FamilyConfig<F, Settings>;

/// The connector.
#[derive(Debug)]
pub struct SqlSource<F> {
    division: Division,
    family: PhantomData<F>,
}

impl<F: Family> Source for SqlSource<F> {
    const INFO: Info = F::SOURCE;
    type Config = Config<F>;
    type Task = SqlSourceTask<F>;

    fn start(config: Config<F>, _: ConnectorContext) -> Result<Self> {
        Ok(Self { division: Division::start(config.0)?, family: PhantomData })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        self.division.task_configs(max_tasks)
    }

    fn stop(&mut self) -> Result<()> {
        self.division.session = None;
        Ok(())
    }

    fn validate(config: &ConfigMap) -> Result<Vec<(String, String)>> {
        // What is wrong with single keys, the host says by itself.
        match Config::<F>::parse(config) {
            Ok(found) => check::problems(config, &found.0),
            Err(error) if config.get(MODE).is_none_or(|mode| mode.trim().is_empty()) => {
                Ok(vec![(MODE.to_owned(), error.message)])
            }
            Err(_) => Ok(Vec::new()),
        }
    }

    fn exactly_once_support(config: &ConfigMap) -> Result<Support> {
        let settings = Config::<F>::parse(config)?.0;
        Ok(if check::repeats_exactly(settings.mode) { Support::Supported } else { Support::Unsupported })
    }

    fn alter_offsets(config: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool> {
        let settings = Config::<F>::parse(config)?.0;
        offsets.iter().try_for_each(|(partition, offset)| check_altered(settings.mode, partition, offset.as_ref()))?;
        Ok(true)
    }
}

/// The task.
#[derive(Debug)]
pub struct SqlSourceTask<F>(Reader, PhantomData<F>);

impl<F: Family> SourceTask for SqlSourceTask<F> {
    type Config = Config<F>;

    fn start(config: Config<F>, context: SourceContext) -> Result<Self> {
        Ok(Self(Reader::start(config.0, context)?, PhantomData))
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        self.0.poll(limits)
    }

    fn stop(&mut self) -> Result<()> {
        self.0.stop();
        Ok(())
    }
}

/// What the connector knows of tables.
#[derive(Debug)]
struct Division {
    settings: Settings,
    session: Option<Session>,
    dialect: Dialect,
    /// As they were found last.
    tables: Option<Vec<TableName>>,
}

impl Division {
    fn start(settings: Settings) -> Result<Self> {
        refuse_first(check::without_database(&settings.originals, &settings))?;
        let session = match settings.query {
            Some(_) => None,
            None => Some(Session::open_patiently(&settings.connection, "DEFAULT")?),
        };
        let dialect = session.as_ref().map_or(Dialect::PostgreSql, |session| session.dialect);
        Ok(Self { settings, session, dialect, tables: None })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        if self.settings.query.is_some() {
            return Ok(vec![self.settings.originals.clone()]);
        }
        match self.discover() {
            Ok(tables) => {
                if self.tables.as_ref() != Some(&tables) {
                    let names: Vec<String> = tables.iter().map(ToString::to_string).collect();
                    info!("{} table(s) are copied: {}", tables.len(), names.join(", "));
                }
                self.tables = Some(tables);
            }
            // What was known before goes on; the next look may succeed.
            Err(error) if self.tables.is_some() && error.kind != ErrorKind::Config => {
                warn!("the tables cannot be listed, and those known before go on: {error}");
                self.session = None;
            }
            Err(error) => return Err(error),
        }
        rest(Duration::from_millis(self.settings.table_interval_ms));
        let tables = self.tables.as_deref().unwrap_or_default();
        Ok(grouped(tables, max_tasks as usize).iter().map(|group| self.task_config(group)).collect())
    }

    fn discover(&mut self) -> Result<Vec<TableName>> {
        let settings = &self.settings;
        let session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&settings.connection, "DEFAULT")?,
        };
        let found = session.tables(settings.catalog.as_deref(), settings.schema.as_deref(), &settings.table_types)?;
        let tables = settings.filter.select(found, session.dialect)?;
        self.session = Some(session);
        Ok(tables)
    }

    fn task_config(&self, tables: &[TableName]) -> ConfigMap {
        let spelled: Vec<String> =
            tables.iter().map(|table| listed(table, self.dialect, self.settings.quoting)).collect();
        let mut config = self.settings.originals.clone();
        config.set(TABLES, Some(spelled.join(",")));
        config.set(TABLES_FETCHED, Some("true".to_owned()));
        config
    }
}

/// A table in the list that a task gets. A name that can only stand between quotes stands between them, and a comma, which
/// would end it, is written as `%2C`.
fn listed(table: &TableName, dialect: Dialect, quoting: Quoting) -> String {
    let spell = |quoting| table.spelled(Spelling { dialect, quoting });
    let spelled = spell(quoting).or_else(|_| spell(Quoting::Always)).unwrap_or_else(|_| table.to_string());
    spelled.replace('%', "%25").replace(',', "%2C")
}

/// A table of the list that a task has been given.
///
/// # Errors
///
/// It has no form of a name.
pub fn unlisted(item: &str, dialect: Dialect) -> Result<TableName> {
    TableName::parse(&item.replace("%2C", ",").replace("%25", "%"), dialect)
}

/// Tables that a task was given none of, and why that is the end of it.
pub fn no_tables() -> Error {
    Error::fatal(
        "Task is being killed because it was not assigned a table nor a query to execute. If run in table mode please make sure that the tables exist on the database. \
         If the table does exist on the database, we recommend using the fully qualified table name.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_reads_the_names_that_the_connector_has_written() {
        for dialect in [Dialect::PostgreSql, Dialect::MySql, Dialect::Sqlite] {
            for quoting in [Quoting::Always, Quoting::Never] {
                for name in ["orders", "a,b", "50%2C", "x\"; DROP TABLE y; --", " spaced ", "dot.ted"] {
                    let table = TableName::new(None, Some("sch,ema"), name);
                    let list = [listed(&table, dialect, quoting), "last".to_owned()].join(",");
                    let items: Vec<&str> = list.split(',').map(str::trim).collect();
                    assert_eq!(items.len(), 2, "{list}");
                    assert_eq!(unlisted(items[0], dialect), Ok(table), "{list}");
                }
            }
        }
    }
}
