//! A database that answers what a test has told it to, and remembers what it was asked.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
};

use super::with_state;
use crate::{
    Error, Record, Result, RowError,
    batch::{Batch, Limits},
    sql::{Done, Parameter},
};

/// A database that a test puts in place of the one that a configuration key names. Clones share it.
///
/// Statements are known by their text: what is not told has no rows and changes nothing.
#[derive(Clone, Debug, Default)]
pub struct TestDatabase(Rc<RefCell<Inside>>);

/// What a plugin has asked of a database.
#[derive(Clone, Debug, PartialEq)]
pub enum DatabaseCall {
    /// A session with these options.
    Open(String),
    /// A query with its parameters and options.
    Query(String, Vec<Parameter>, String),
    /// A statement that ran once.
    Execute(String, Vec<Parameter>),
    /// A statement with its bindings.
    Prepare(String, String),
    /// A prepared statement over these rows. The batch of a running `put` is not known here: then there are none.
    Run(String, Vec<Record>),
    /// The begin of a transaction.
    Begin,
    /// Its end.
    Commit,
    /// Its end without effect.
    Rollback,
    /// A channel that is listened to.
    Listen(String),
}

#[derive(Debug, Default)]
struct Inside {
    calls: Vec<DatabaseCall>,
    about: Option<String>,
    clock: Option<String>,
    tables: Option<String>,
    table: BTreeMap<String, String>,
    checks: HashMap<String, String>,
    answers: HashMap<String, VecDeque<RowsHandle>>,
    failures: HashMap<String, VecDeque<Error>>,
    refusals: HashMap<String, VecDeque<Vec<RowError>>>,
    notifications: Vec<String>,
    in_transaction: bool,
    listens: bool,
}

impl TestDatabase {
    /// What [`about`](crate::sql::Database::about) answers.
    pub fn about(&self, json: &str) {
        self.0.borrow_mut().about = Some(json.to_owned());
    }

    /// What the database's clock shows, as an instant text.
    pub fn clock(&self, text: &str) {
        self.0.borrow_mut().clock = Some(text.to_owned());
    }

    /// What every list of tables is.
    pub fn tables(&self, json: &str) {
        self.0.borrow_mut().tables = Some(json.to_owned());
    }

    /// A table of that name, a JSON list of its parts; no text takes it away.
    pub fn table(&self, name: &str, json: Option<&str>) {
        let tables = &mut self.0.borrow_mut().table;
        match json {
            Some(json) => tables.insert(name.to_owned(), json.to_owned()),
            None => tables.remove(name),
        };
    }

    /// The columns of a query.
    pub fn columns(&self, sql: &str, json: &str) {
        self.0.borrow_mut().checks.insert(sql.to_owned(), json.to_owned());
    }

    /// What the next run of a query yields, batch by batch.
    pub fn answer(&self, sql: &str, batches: Vec<Vec<u8>>) {
        self.0.borrow_mut().answers.entry(sql.to_owned()).or_default().push_back(RowsHandle(batches.into(), None));
    }

    /// The same of a run that breaks off behind these batches.
    pub fn break_off(&self, sql: &str, batches: Vec<Vec<u8>>, error: Error) {
        self.0
            .borrow_mut()
            .answers
            .entry(sql.to_owned())
            .or_default()
            .push_back(RowsHandle(batches.into(), Some(error)));
    }

    /// Has the next call fail that says so: the text of a statement, `open`, `begin`, `commit` or `rollback`.
    pub fn fail(&self, call: &str, error: Error) {
        self.0.borrow_mut().failures.entry(call.to_owned()).or_default().push_back(error);
    }

    /// Rows that the next run of a prepared statement refuses.
    pub fn refuse(&self, sql: &str, rows: Vec<RowError>) {
        self.0.borrow_mut().refusals.entry(sql.to_owned()).or_default().push_back(rows);
    }

    /// Sends a notification to whoever listens.
    pub fn notify(&self, payload: &str) {
        self.0.borrow_mut().notifications.push(payload.to_owned());
    }

    /// What was asked since the last call.
    pub fn take_calls(&self) -> Vec<DatabaseCall> {
        std::mem::take(&mut self.0.borrow_mut().calls)
    }

    fn called(&self, call: DatabaseCall, name: &str) -> Result<()> {
        let mut inside = self.0.borrow_mut();
        inside.calls.push(call);
        match inside.failures.get_mut(name).and_then(VecDeque::pop_front) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn end(&self, call: DatabaseCall, name: &str) -> Result<()> {
        let was_open = std::mem::take(&mut self.0.borrow_mut().in_transaction);
        self.called(call, name)?;
        if was_open { Ok(()) } else { Err(Error::fatal(format!("{name}: no transaction is open"))) }
    }
}

#[derive(Debug)]
pub(crate) struct DatabaseHandle(TestDatabase);

/// Batches, and how they break off.
#[derive(Debug, Default)]
pub(crate) struct RowsHandle(VecDeque<Vec<u8>>, Option<Error>);

#[derive(Debug)]
pub(crate) struct StatementHandle(TestDatabase, String);

impl DatabaseHandle {
    pub(crate) fn open(key: &str, options: &str) -> Result<Self> {
        let database = with_state(|state| state.databases.get(key).cloned());
        let database = database.ok_or_else(|| Error::fatal(format!("the key {key} opens no database")))?;
        database.called(DatabaseCall::Open(options.to_owned()), "open")?;
        Ok(Self(database))
    }

    pub(crate) fn about(&self) -> Result<String> {
        let about = r#"{"product":"postgresql","version":"15.0","catalog":"db","schema":"public","identifier.max":63,"quote":"\"","separator":".","dialect":"PostgreSqlDatabaseDialect"}"#;
        Ok(self.0.0.borrow().about.clone().unwrap_or_else(|| about.to_owned()))
    }

    pub(crate) fn now(&self) -> Result<String> {
        Ok(self.0.0.borrow().clock.clone().unwrap_or_else(|| "0.000000000".to_owned()))
    }

    pub(crate) fn tables(&self, _filter: &str) -> Result<String> {
        Ok(self.0.0.borrow().tables.clone().unwrap_or_else(|| "[]".to_owned()))
    }

    pub(crate) fn table(&self, name: &str) -> Result<Option<String>> {
        Ok(self.0.0.borrow().table.get(name).cloned())
    }

    pub(crate) fn check(&self, sql: &str) -> Result<String> {
        Ok(self.0.0.borrow().checks.get(sql).cloned().unwrap_or_else(|| "[]".to_owned()))
    }

    pub(crate) fn query(&self, sql: &str, parameters: &[Parameter], options: &str) -> Result<RowsHandle> {
        self.0.called(DatabaseCall::Query(sql.to_owned(), parameters.to_vec(), options.to_owned()), sql)?;
        let answer = self.0.0.borrow_mut().answers.get_mut(sql).and_then(VecDeque::pop_front);
        Ok(answer.unwrap_or_default())
    }

    pub(crate) fn execute(&self, sql: &str, parameters: &[Parameter]) -> Result<u64> {
        self.0.called(DatabaseCall::Execute(sql.to_owned(), parameters.to_vec()), sql)?;
        Ok(0)
    }

    pub(crate) fn prepare(&self, sql: &str, bindings: &str) -> Result<StatementHandle> {
        self.0.called(DatabaseCall::Prepare(sql.to_owned(), bindings.to_owned()), "prepare")?;
        Ok(StatementHandle(self.0.clone(), sql.to_owned()))
    }

    pub(crate) fn begin(&self) -> Result<()> {
        self.0.called(DatabaseCall::Begin, "begin")?;
        if std::mem::replace(&mut self.0.0.borrow_mut().in_transaction, true) {
            return Err(Error::fatal("begin: a transaction is open already"));
        }
        Ok(())
    }

    pub(crate) fn commit(&self) -> Result<()> {
        self.0.end(DatabaseCall::Commit, "commit")
    }

    pub(crate) fn rollback(&self) -> Result<()> {
        self.0.end(DatabaseCall::Rollback, "rollback")
    }

    pub(crate) fn listen(&self, channel: &str) -> Result<()> {
        self.0.called(DatabaseCall::Listen(channel.to_owned()), "listen")?;
        self.0.0.borrow_mut().listens = true;
        Ok(())
    }

    pub(crate) fn notifications(&self) -> Result<Vec<String>> {
        Ok(std::mem::take(&mut self.0.0.borrow_mut().notifications))
    }

    pub(crate) fn ends_rest(&self) -> bool {
        self.0.0.borrow().listens
    }
}

impl RowsHandle {
    pub(crate) fn next(&mut self, _max_rows: u32, _max_bytes: u32) -> Result<Option<Batch>> {
        let Some(bytes) = self.0.pop_front() else { return self.1.take().map_or(Ok(None), Err) };
        let batch = Batch::validate(bytes, &Limits::DEFAULT);
        batch.map(Some).map_err(|error| Error::fatal("read the rows of a test").because(&error))
    }
}

impl StatementHandle {
    pub(crate) fn run(&mut self, records: Option<&[u8]>, only: Option<&[u8]>) -> Result<Done> {
        let records = match records {
            None => Vec::new(),
            Some(bytes) => {
                let batch = Batch::validate(bytes.to_vec(), &Limits::DEFAULT);
                let batch = batch.map_err(|error| Error::fatal("read the rows of a plugin").because(&error))?;
                let chosen = |row: usize| only.is_none_or(|only| crate::batch::bits::get(only, row));
                let selected = Record::selected(&batch.open());
                selected.into_iter().filter(|(row, _)| chosen(*row)).map(|(_, record)| record).collect()
            }
        };
        let count = records.len();
        self.0.called(DatabaseCall::Run(self.1.clone(), records), &self.1)?;
        let errors = self.0.0.borrow_mut().refusals.get_mut(&self.1).and_then(VecDeque::pop_front);
        let errors = errors.unwrap_or_default();
        Ok(Done { changed: count.saturating_sub(errors.len()) as u64, errors })
    }
}
