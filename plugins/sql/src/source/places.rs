//! A table or query of a task, with all that is known of it.

use std::sync::Arc;

use millstream_sdk::{
    Error, Result, Schema, SourceContext, Value, debug, info,
    metrics::{self, Progress},
    warn,
};

use super::{
    columns::{self, ColumnInfo, Cursor, TableInfo},
    criteria::Base,
    envelope::{Tracker, difference},
    horizon::Horizon,
    offset::{Origin, Position},
    schedule::Turn,
    settings::Settings,
};
use crate::{dialect::Spelling, session::Session, table_name::TableName};

/// A table or query.
#[derive(Debug)]
pub struct Place {
    pub origin: Origin,
    pub topic: String,
    pub partition: Value,
    pub base: Base,
    pub cursor: Cursor,
    /// Whether the first timestamp column holds an instant.
    pub instant: bool,
    /// Columns of the record's key; none if records have no key.
    pub key: Vec<String>,
    pub tracker: Tracker,
    pub horizon: Horizon,
    pub turn: Turn,
    /// Whether rows were seen that transactions hold back.
    pub is_beyond: bool,
    /// Of the rows before.
    schema: Option<Arc<Schema>>,
    /// Rows that were read since the task has started.
    rows: u64,
    /// Whether it has been read to its end once.
    is_caught_up: bool,
}

impl Place {
    /// A table.
    ///
    /// # Errors
    ///
    /// It does not exist, or has not the columns that the configuration needs.
    pub fn table(settings: &Settings, spelling: Spelling, session: &Session, table: TableName) -> Result<Self> {
        let info = session.table(&table)?.ok_or_else(|| {
            Error::fatal(format!(
                "table {table} does not exist any more; the tables are looked for again every table.poll.interval.ms"
            ))
        })?;
        let named = columns::configured(&settings.columns, settings.mode, &table)?;
        let cursor = columns::resolve(&named, settings.mode, &table, &info, settings.non_null)?;
        let spelled = match settings.qualify {
            true => table.spelled(spelling)?,
            false => spelling.name(table.table())?,
        };
        let base = Base { sql: format!("SELECT * FROM {spelled}"), table: Some(spelled) };
        let topic = format!("{}{}", settings.prefix, table.table());
        Self::new(settings, Origin::Table(table), topic, base, cursor, &info)
    }

    /// The configured query.
    ///
    /// # Errors
    ///
    /// The database does not understand it, or it has not the columns that the configuration needs.
    pub fn query(settings: &Settings, session: &Session, query: &str) -> Result<Self> {
        let found = session.check(query)?;
        let info = TableInfo { columns: found, ..TableInfo::default() };
        let wanted = Cursor {
            incrementing: settings.columns.incrementing.clone().filter(|_| settings.mode.has_incrementing()),
            timestamps: if settings.mode.has_timestamp() { settings.columns.timestamps.clone() } else { Vec::new() },
        };
        // What a query's columns may hold is not known, and so not refused.
        let name = TableName::new(None, None, "query");
        let cursor = columns::resolve(&wanted, settings.mode, &name, &info, false)?;
        let base = Base { sql: query.to_owned(), table: None };
        Self::new(settings, Origin::Query, settings.prefix.clone(), base, cursor, &info)
    }

    fn new(
        settings: &Settings,
        origin: Origin,
        topic: String,
        base: Base,
        cursor: Cursor,
        info: &TableInfo,
    ) -> Result<Self> {
        for ColumnInfo { name, type_text, .. } in info.columns.iter().filter(|column| column.connect.is_none()) {
            warn!("{origin}: column {name} of type {type_text} is not supported, and is left out of records");
        }
        let key = if settings.keyed { info.primary.clone() } else { Vec::new() };
        if settings.keyed && key.is_empty() {
            return Err(Error::config(format!("{origin} has no primary key: set record.key=none, or leave it out")));
        }
        let instant = cursor.timestamps.first().and_then(|name| info.column(name)).is_some_and(|column| column.instant);
        Ok(Self {
            partition: origin.partition(settings.mode),
            origin,
            topic,
            base,
            cursor,
            instant,
            key,
            tracker: Tracker::new(settings.mode, Position::default()),
            horizon: Horizon::default(),
            turn: Turn::now(),
            is_beyond: false,
            schema: None,
            rows: 0,
            is_caught_up: false,
        })
    }

    /// Goes on where the stored offset says.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn resume(&mut self, settings: &Settings, catalog: Option<&str>, context: &SourceContext) -> Result<()> {
        if let Some(stored) = self.origin.stored(settings.mode, catalog, context)? {
            self.tracker = Tracker::new(settings.mode, stored);
        }
        Ok(())
    }

    /// The columns whose values stand beside each row.
    pub fn cursor_columns(&self) -> Vec<&str> {
        self.cursor.incrementing.iter().chain(&self.cursor.timestamps).map(String::as_str).collect()
    }

    /// Takes note of a batch: how far the first reading is, and whether the table is another than before.
    pub fn saw(&mut self, schema: Option<Arc<Schema>>, rows: u32) {
        /// Rows after which the log says again how far the first reading is.
        const TOLD_ROWS: u64 = 1_000_000;
        let before = self.rows / TOLD_ROWS;
        self.rows += u64::from(rows);
        if !self.is_caught_up && before != self.rows / TOLD_ROWS {
            info!("{}: {} rows are read, and more are there", self.origin, self.rows);
        }
        if !self.is_caught_up {
            self.progress(Some(self.rows));
        }
        let Some(schema) = schema else { return };
        if let Some(old) = self.schema.as_ref().filter(|old| ***old != *schema) {
            info!("{} has changed: {}", self.origin, difference(old, &schema));
        }
        self.schema = Some(schema);
    }

    /// Shows how far the first reading is; none when it is through.
    fn progress(&self, rows: Option<u64>) {
        let now = rows.map(|rows| Progress::new(rows as f64, "rows"));
        // A name that is too long, or one table too many, is no reason not to read.
        if let Err(error) = metrics::report_progress(&self.origin.to_string(), now.as_ref()) {
            debug!("{}: its progress is not shown: {error}", self.origin);
        }
    }

    /// Takes note of the end of a result.
    pub fn caught_up(&mut self) {
        if !std::mem::replace(&mut self.is_caught_up, true) {
            self.progress(None);
            info!("{}: all is read that was there, {} rows; from here on what is new", self.origin, self.rows);
        }
    }
}
