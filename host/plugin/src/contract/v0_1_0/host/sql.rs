//! `host-sql`: the contract's side of sessions, rows and statements.

use std::sync::Arc;

use millstream_connector::{ErrorKind, Failure};
use millstream_record::batch::Batch;
use wasmtime::component::Resource;

use super::super::imports::host_sql::{Done, Host, HostDatabase, HostRows, HostStatement, Parameter as Theirs};
use super::super::imports::types::{Error, Wide};
use super::super::lift::{lowered, row_lowered, wide};
use crate::capability::{Level, OpenDatabase, OpenRows, OpenStatement, Parameter, SqlError};
use crate::instance::GuestState;

impl Host for GuestState {}

impl GuestState {
    /// Waits for a database. Its time is counted, as that of every call. One during which the task is asked to stop is
    /// given up; those that begin afterwards are what the task does to end.
    async fn at_database<T>(&mut self, work: impl Future<Output = Result<T, SqlError>>) -> Result<T, Error> {
        let counted = self.capabilities.sql.counted();
        let worker = self.capabilities.worker.worker().clone();
        let was_asked = worker.is_stopping();
        let done = self.clock.outside(async {
            tokio::select! {
                biased;
                done = work => done,
                () = worker.stopping(), if !was_asked => Err(SqlError::stopping()),
            }
        });
        let done = done.await;
        counted.end(done.is_err());
        done.map_err(reported)
    }
}

fn parameters(theirs: Vec<Theirs>) -> Vec<Parameter> {
    theirs.into_iter().map(|Theirs { kind, value }| Parameter { kind, value }).collect()
}

impl HostDatabase for GuestState {
    async fn open(&mut self, key: String, options: String) -> wasmtime::Result<Result<Resource<OpenDatabase>, Error>> {
        let access = self.capabilities.sql.clone();
        let log = Arc::clone(&self.capabilities.log);
        let opened = self.at_database(access.open(&key, &options, |text| log.log(Level::Warn, text))).await;
        match opened {
            Ok(database) => Ok(Ok(self.table.push(database)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn about(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<Result<String, Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.about()).await)
    }

    async fn now(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<Result<String, Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.now()).await)
    }

    async fn tables(
        &mut self,
        database: Resource<OpenDatabase>,
        filter: String,
    ) -> wasmtime::Result<Result<String, Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.tables(&filter)).await)
    }

    async fn table(
        &mut self,
        database: Resource<OpenDatabase>,
        name: String,
    ) -> wasmtime::Result<Result<Option<String>, Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.table(&name)).await)
    }

    async fn check(
        &mut self,
        database: Resource<OpenDatabase>,
        sql: String,
    ) -> wasmtime::Result<Result<String, Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.check(&sql)).await)
    }

    async fn query(
        &mut self,
        database: Resource<OpenDatabase>,
        sql: String,
        theirs: Vec<Theirs>,
        options: String,
    ) -> wasmtime::Result<Result<Resource<OpenRows>, Error>> {
        let database = self.table.get(&database)?.handle();
        let rows = match self.at_database(database.query(&sql, parameters(theirs), &options)).await {
            Ok(rows) => rows,
            Err(error) => return Ok(Err(error)),
        };
        for (name, kind) in &rows.left_out {
            let text = format!("column {name} is left out of the records: JDBC type {kind} not currently supported");
            if self.capabilities.sql.warns_of(&text) {
                self.capabilities.log.log(Level::Warn, &text);
            }
        }
        Ok(Ok(self.table.push(rows)?))
    }

    async fn execute(
        &mut self,
        database: Resource<OpenDatabase>,
        sql: String,
        theirs: Vec<Theirs>,
    ) -> wasmtime::Result<Result<Wide, Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.execute(&sql, parameters(theirs))).await.map(wide))
    }

    async fn prepare(
        &mut self,
        database: Resource<OpenDatabase>,
        sql: String,
        bindings: String,
    ) -> wasmtime::Result<Result<Resource<OpenStatement>, Error>> {
        let database = self.table.get(&database)?.handle();
        match self.at_database(database.prepare(&sql, &bindings)).await {
            Ok(statement) => Ok(Ok(self.table.push(statement)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn begin(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<Result<(), Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.begin()).await)
    }

    async fn commit(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<Result<(), Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.commit()).await)
    }

    async fn rollback(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<Result<(), Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.rollback()).await)
    }

    async fn listen(
        &mut self,
        database: Resource<OpenDatabase>,
        channel: String,
    ) -> wasmtime::Result<Result<(), Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.listen(&channel)).await)
    }

    async fn notifications(
        &mut self,
        database: Resource<OpenDatabase>,
    ) -> wasmtime::Result<Result<Vec<String>, Error>> {
        let database = self.table.get(&database)?.handle();
        Ok(self.at_database(database.notifications()).await)
    }

    async fn ends_rest(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<bool> {
        let notified = self.table.get(&database)?.handle().notified();
        let can_tell = notified.is_some();
        if let Some(notified) = notified {
            self.capabilities.rest.ended_by(database.rep(), notified);
        }
        Ok(can_tell)
    }

    async fn drop(&mut self, database: Resource<OpenDatabase>) -> wasmtime::Result<()> {
        self.table.delete(database)?;
        Ok(())
    }
}

impl HostRows for GuestState {
    async fn next(
        &mut self,
        rows: Resource<OpenRows>,
        max_rows: u32,
        max_bytes: u32,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, Error>> {
        let next = self.table.get(&rows)?.next(max_rows, max_bytes);
        let read = self.at_database(next).await;
        if let Ok(Some(bytes)) = &read {
            self.capabilities.sql.read(bytes);
            self.capabilities.columns.queried(bytes);
        }
        Ok(read)
    }

    async fn drop(&mut self, rows: Resource<OpenRows>) -> wasmtime::Result<()> {
        self.table.delete(rows)?;
        Ok(())
    }
}

impl HostStatement for GuestState {
    async fn run(
        &mut self,
        statement: Resource<OpenStatement>,
        records: Option<Vec<u8>>,
        only: Option<Vec<u8>>,
    ) -> wasmtime::Result<Result<Done, Error>> {
        let batch = match records {
            None => match self.capabilities.worker.put() {
                Some(batch) => batch.clone(),
                None => return Ok(Err(lowered(misplaced()))),
            },
            // A guest's own, which nobody has looked at yet.
            Some(bytes) => match Batch::validate(bytes, &self.capabilities.sql.batch_limits()) {
                Ok(batch) => batch,
                Err(error) => wasmtime::bail!("ran a statement over a damaged batch: {error}"),
            },
        };
        let run = self.table.get(&statement)?.run(batch, only);
        let done = self.at_database(run).await;
        Ok(done.map(|done| {
            self.capabilities.sql.wrote(done.changed);
            Done { changed: wide(done.changed), errors: done.errors.into_iter().map(row_lowered).collect() }
        }))
    }

    async fn drop(&mut self, statement: Resource<OpenStatement>) -> wasmtime::Result<()> {
        self.table.delete(statement)?;
        Ok(())
    }
}

fn misplaced() -> Failure {
    Failure::new(ErrorKind::Fatal, "", "a statement without records runs over those of a put, and there is none")
}

fn reported(error: SqlError) -> Error {
    lowered(Failure::from(error))
}
