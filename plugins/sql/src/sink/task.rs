//! The task: a transaction per `put`, in which the batch's rows are written, and where the partitions go on.

use std::time::Duration;

use millstream_sdk::{
    Error, ErrorKind, Result, RowError, SinkContext, TopicOffset, TopicPartition, batch::Table, warn,
};

use super::{
    once::{Kept, Once},
    plan::{Plan, Planner},
    settings::Settings,
    tables::{Schemas, Tables},
    waves::{Coordinates, KeyHash, bitmap},
};
use crate::{
    dialect::{Dialect, Spelling},
    session::{Session, patiently},
    table_name::TableName,
};

/// The task.
#[derive(Debug)]
pub struct Writer {
    settings: Settings,
    context: SinkContext,
    spelling: Spelling,
    session: Option<Session>,
    tables: Tables,
    once: Option<Once>,
    hash: KeyHash,
    /// Failures in a row.
    failures: u32,
}

/// Why an attempt has come to nothing.
enum Failed {
    /// The error is the call's.
    Whole(Error),
    /// A table could not be made or changed; another task may have done the same just now.
    Changing(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Whole(error)
    }
}

impl Writer {
    /// The task, connected.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub fn start(settings: Settings, context: SinkContext) -> Result<Self> {
        // The database may go away between any two of these.
        let (session, spelling, once) = patiently(&settings.connection, "connect to database", || {
            let session = Session::open(&settings.connection, "DEFAULT")?;
            let spelling = Spelling { dialect: session.dialect, quoting: settings.quoting };
            let once = match &settings.once {
                Some(table) => Some(Once::open(&settings.name, table, spelling, &session)?),
                None => None,
            };
            Ok((session, spelling, once))
        })?;
        let session = Some(session);
        Ok(Self {
            settings,
            context,
            spelling,
            session,
            tables: Tables::default(),
            once,
            hash: KeyHash::default(),
            failures: 0,
        })
    }

    /// Takes partitions over, where their offsets are in the database.
    ///
    /// # Errors
    ///
    /// The database does not let it.
    pub fn open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        if self.once.is_none() {
            return Ok(());
        }
        let connection = self.settings.connection.clone();
        let claimed = patiently(&connection, "take over partitions", || self.claim(partitions));
        let offsets = claimed.map_err(|error| {
            let kind = ErrorKind::Fatal;
            Error { kind, ..Error::fatal("take over partitions in the table of offsets").because(&error) }
        })?;
        // Of what the database knows nothing, the group's offset or auto.offset.reset decides.
        self.context.seek(&offsets);
        Ok(())
    }

    /// Takes partitions over, with one attempt. What it has begun when it fails ends with the session.
    fn claim(&mut self, partitions: &[TopicPartition]) -> Result<Vec<TopicOffset>> {
        self.ready()?;
        let (Some(once), Some(session)) = (&mut self.once, &self.session) else { return Ok(Vec::new()) };
        let claimed = once.claim(session, partitions);
        if claimed.is_err() {
            // Whatever was changed is undone, and so is what was read of it.
            once.forget(partitions);
            self.session = None;
        }
        claimed
    }

    /// Writes a batch.
    ///
    /// # Errors
    ///
    /// Of kind retriable, the same records are to come again. Rows at fault are reported instead.
    pub fn put(&mut self, records: &Table<'_>) -> Result<()> {
        if records.selected() == 0 {
            return Ok(());
        }
        let mut attempted = self.attempt(records);
        if let Err(Failed::Changing(error)) = &attempted {
            warn!("{error}; looking whether somebody else has done it");
            self.undo(error.kind == ErrorKind::Retriable);
            attempted = self.attempt(records);
        }
        let error = match attempted {
            Ok(()) => {
                self.failures = 0;
                return Ok(());
            }
            Err(Failed::Whole(error) | Failed::Changing(error)) => error,
        };
        self.undo(error.kind == ErrorKind::Retriable);
        if error.kind != ErrorKind::Retriable {
            return Err(error);
        }
        if self.settings.retries <= self.failures {
            let tries = self.failures + 1;
            return Err(
                Error::fatal(format!("write {} records, tried {tries} time(s)", records.selected())).because(&error)
            );
        }
        self.failures += 1;
        warn!(
            "Write of {} records failed, remaining retries={}: {error}",
            records.selected(),
            self.settings.retries - self.failures + 1
        );
        self.context.timeout(Duration::from_millis(self.settings.retry_backoff_ms));
        Err(error)
    }

    /// The offsets that the group may commit.
    ///
    /// # Errors
    ///
    /// The database does not take what is to be forgotten; it will be told again.
    pub fn pre_commit(&mut self, offsets: &[TopicOffset]) -> Result<Option<Vec<TopicOffset>>> {
        match &mut self.once {
            None => Ok(None),
            Some(once) => once.settle(self.session.as_ref(), offsets).map(Some),
        }
    }

    /// Partitions are given up.
    pub fn close(&mut self, partitions: &[TopicPartition]) {
        if let Some(once) = &mut self.once {
            once.forget(partitions);
        }
    }

    /// Ends what it has open.
    pub fn stop(&mut self) {
        self.tables.forget();
        self.session = None;
    }

    /// Opens a session if there is none.
    fn ready(&mut self) -> Result<()> {
        if self.session.is_some() {
            return Ok(());
        }
        let session = Session::open(&self.settings.connection, "DEFAULT")?;
        self.tables.forget();
        if let Some(once) = &mut self.once {
            once.reread(&session)?;
        }
        self.session = Some(session);
        Ok(())
    }

    /// Undoes what an attempt has left, and forgets what was known within it.
    fn undo(&mut self, is_lost: bool) {
        self.tables.forget();
        let rolled_back = self.session.as_ref().map(|session| session.database.rollback());
        // Without a transaction there is nothing to undo; what the session is good for, it says when it is used next.
        if is_lost || matches!(rolled_back, Some(Err(Error { kind: ErrorKind::Retriable, .. }))) {
            self.session = None;
        }
    }

    fn attempt(&mut self, records: &Table<'_>) -> Result<(), Failed> {
        self.ready()?;
        let planner = Planner {
            settings: &self.settings,
            dialect: self.spelling.dialect,
            once: self.once.as_ref(),
            hash: &self.hash,
        };
        let mut plan = planner.plan(records);
        let schemas: Vec<Schemas> = plan.runs.iter().map(|run| planner.schemas(records, run.shape)).collect();
        let Some(session) = &self.session else { return Ok(()) };
        if plan.is_empty() {
            return Ok(());
        }
        let ready = |tables: &mut Tables, table: &TableName, schemas: &Schemas| {
            tables.prepare(&self.settings, self.spelling, session, table, schemas)
        };
        // Where changing a table commits, it comes before anything is to be undone.
        if self.spelling.dialect == Dialect::MySql {
            for (run, schemas) in plan.runs.iter().zip(&schemas) {
                if let Err(error) = ready(&mut self.tables, &plan.tables[run.table], schemas) {
                    of_rows(&self.tables, error)?;
                }
            }
        }
        session.database.begin()?;
        let Plan { tables, runs, errors, progress } = &mut plan;
        for (run, schemas) in runs.iter().zip(&schemas) {
            let table = &tables[run.table];
            if let Err(error) = ready(&mut self.tables, table, schemas) {
                let error = of_rows(&self.tables, error)?;
                errors.extend(run.rows.iter().map(|&row| RowError::new(row as usize, error.clone())));
                continue;
            }
            let statement = self.tables.statement(table, schemas)?;
            let all = run.rows.len() == records.rows as usize;
            for rows in run.rows.chunks(self.settings.batch_size) {
                let only = (!all || rows.len() != run.rows.len()).then(|| bitmap(rows, records.rows));
                let done = statement.run(None, only.as_deref())?;
                errors.extend(done.errors);
            }
        }
        let coordinates = Coordinates(records);
        if self.once.is_some() {
            for error in &*errors {
                let (topic, partition, offset) = coordinates.of(error.row as usize);
                if let (Ok(partition), Ok(offset)) = (u32::try_from(partition), u64::try_from(offset)) {
                    progress.refuse(topic, partition, offset);
                }
            }
        }
        let changed: Vec<(TopicPartition, Kept)> = match &self.once {
            Some(once) => once.write(session, progress)?,
            None => Vec::new(),
        };
        if !errors.is_empty() {
            errors.sort_by_key(|error| error.row);
            self.report(records, errors)?;
        }
        session.database.commit()?;
        if let Some(once) = &mut self.once {
            once.committed(changed);
        }
        Ok(())
    }

    /// Gives rows at fault to the policy of the task.
    fn report(&self, records: &Table<'_>, errors: &[RowError]) -> Result<()> {
        self.context.report(errors).map_err(|refused| {
            let first = &errors[0];
            let at = Coordinates(records).shown(first.row as usize);
            let others = errors.len() - 1;
            let field = first.field.as_ref().map_or_else(String::new, |field| format!(" in field {field}"));
            let what =
                format!("the record at {at} cannot be written{field}, and {others} other(s) of the same batch neither");
            Error { kind: ErrorKind::Fatal, ..Error::fatal(what).because(&first.error).because(&refused) }
        })
    }
}

/// An error of preparing that is the rows' own: the configuration does not fit them. Any other is the whole's.
fn of_rows(tables: &Tables, error: Error) -> Result<Error, Failed> {
    match error.kind {
        ErrorKind::Config => Ok(Error { kind: ErrorKind::Data, ..error }),
        _ if tables.was_changing() => Err(Failed::Changing(error)),
        _ => Err(Failed::Whole(error)),
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
