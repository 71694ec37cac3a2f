//! What an instance has open, and the way in.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use millstream_convert::ReadLimits;
use millstream_record::Schema;
use millstream_record::batch::{Batch, Limits, SchemaTable};
use millstream_values::JavaRegex;

use crate::error::{Refusal, Result, misuse};
use crate::held::Held;
use crate::outcome::Answer;
use crate::table::OpenTable;

/// Most columns and tables at a time.
const MAX_COLUMNS: usize = 4096;
const MAX_TABLES: usize = 64;
/// Most patterns, and schemas, that are kept from call to call.
const MAX_KEPT: usize = 64;

/// The batch of a running call, and what the call may return.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The batch, if the call has one.
    pub batch: Option<Batch>,
    /// A bitmap of the rows that are meant, if not all are.
    pub only: Option<Vec<u8>>,
    /// Whether the call returns a batch.
    pub returns_batch: bool,
    /// Whether the call returns a verdict about each row.
    pub returns_verdict: bool,
}

/// Until when one operation may work, and how much all may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The computing time of the call is over then.
    pub deadline: Instant,
    /// Bytes that columns and tables may take together.
    pub memory: usize,
}

impl Bounds {
    /// # Errors
    ///
    /// The time is over.
    pub(crate) fn check(&self) -> Result<()> {
        if self.deadline <= Instant::now() { Err(Refusal::TimeUp) } else { Ok(()) }
    }
}

/// A column, and why some of its rows could not be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Made {
    /// Null where it could not be done.
    pub column: u32,
    /// Texts; absent for all other rows.
    pub failed: Option<u32>,
}

/// What one instance has open in the running call, and what it keeps between calls.
#[derive(Default)]
pub struct Session {
    pub(crate) limits: Limits,
    pub(crate) read: ReadLimits,
    pub(crate) subject: Subject,
    queried: Option<Vec<u8>>,
    /// The schemas of everything that is open: places in it never change during a call.
    pub(crate) base: SchemaTable<'static>,
    tables: BTreeMap<u32, OpenTable>,
    next_table: u32,
    columns: Vec<Option<Arc<Held>>>,
    free: Vec<u32>,
    column_bytes: usize,
    table_bytes: usize,
    pub(crate) answer: Option<Answer>,
    kept: Kept,
}

/// What is worth keeping from call to call.
#[derive(Default)]
struct Kept {
    patterns: HashMap<String, Arc<JavaRegex>>,
    schemas: HashMap<String, Option<Arc<Schema>>>,
}

impl Session {
    /// Nothing is open.
    pub fn new(limits: Limits, read: ReadLimits) -> Self {
        Self { limits, read, ..Self::default() }
    }

    /// A call begins.
    pub fn begin(&mut self, subject: Subject) {
        self.close();
        self.subject = subject;
    }

    /// A query has returned this within the call.
    pub fn queried(&mut self, batch: &[u8]) {
        self.queried = Some(batch.to_vec());
    }

    /// The call has ended: what it answered, if it did. Everything that was open is closed.
    pub fn end(&mut self) -> Option<Answer> {
        let answer = self.answer.take();
        self.close();
        answer
    }

    fn close(&mut self) {
        if self.is_idle() {
            self.subject = Subject::default();
            return;
        }
        let kept = std::mem::take(&mut self.kept);
        *self = Self { limits: self.limits, read: self.read, kept, ..Self::default() };
    }

    fn is_idle(&self) -> bool {
        self.tables.is_empty() && self.columns.is_empty() && self.queried.is_none() && self.answer.is_none()
    }

    /// About as many bytes as is held at the moment.
    pub fn bytes(&self) -> usize {
        self.column_bytes + self.table_bytes
    }

    /// The batch of the running call, opened.
    ///
    /// # Errors
    ///
    /// The call has none.
    pub fn input(&mut self, bounds: &Bounds) -> Result<u32> {
        let Some(batch) = self.subject.batch.clone() else {
            return Err(misuse("input: the running call has no batch"));
        };
        let only = self.subject.only.clone();
        self.open(&batch, only, true, bounds)
    }

    /// The batch that a query returned last.
    ///
    /// # Errors
    ///
    /// There was none in this call.
    pub fn open_queried(&mut self, bounds: &Bounds) -> Result<u32> {
        let Some(bytes) = self.queried.clone() else {
            return Err(misuse("queried: no rows were read from a database in this call"));
        };
        let batch = Batch::validate(bytes, &self.limits).map_err(|error| misuse(format!("queried: {error}")))?;
        self.open(&batch, None, false, bounds)
    }

    /// A table of any batch.
    ///
    /// # Errors
    ///
    /// Too much is open.
    pub fn read(&mut self, batch: &Batch, bounds: &Bounds) -> Result<u32> {
        self.open(batch, None, false, bounds)
    }

    fn open(&mut self, batch: &Batch, only: Option<Vec<u8>>, is_input: bool, bounds: &Bounds) -> Result<u32> {
        self.room(batch.as_bytes().len(), bounds)?;
        let table = OpenTable::of(batch, only, is_input, &mut self.base)?;
        self.insert_table(table, bounds)
    }

    /// So many rows without anything.
    ///
    /// # Errors
    ///
    /// More rows than a batch may have; too much is open.
    pub fn make(&mut self, rows: u32, bounds: &Bounds) -> Result<u32> {
        self.check_rows(rows as usize)?;
        self.insert_table(OpenTable::empty(rows), bounds)
    }

    /// # Errors
    ///
    /// More rows than a batch may have.
    pub(crate) fn check_rows(&self, rows: usize) -> Result<()> {
        let most = self.limits.max_rows;
        if rows <= most as usize {
            return Ok(());
        }
        Err(misuse(format!("{rows} rows are more than the {most} that a batch may have (plugin.batch.max.records)")))
    }

    fn insert_table(&mut self, table: OpenTable, bounds: &Bounds) -> Result<u32> {
        if self.tables.len() == MAX_TABLES {
            return Err(misuse(format!("more than {MAX_TABLES} tables are open: answer with one, or use fewer")));
        }
        let id = self.next_table;
        self.next_table += 1;
        self.put_table(id, table, bounds)?;
        Ok(id)
    }

    /// Takes a table out, to be changed and put back.
    pub(crate) fn take_table(&mut self, id: u32) -> Result<OpenTable> {
        let table = self.tables.remove(&id).ok_or_else(|| misuse(format!("there is no table {id} in this call")))?;
        self.table_bytes -= table.bytes;
        Ok(table)
    }

    pub(crate) fn put_table(&mut self, id: u32, mut table: OpenTable, bounds: &Bounds) -> Result<()> {
        table.measure();
        self.room(table.bytes, bounds)?;
        self.table_bytes += table.bytes;
        self.tables.insert(id, table);
        Ok(())
    }

    /// A table to look at.
    pub(crate) fn table(&self, id: u32) -> Result<&OpenTable> {
        self.tables.get(&id).ok_or_else(|| misuse(format!("there is no table {id} in this call")))
    }

    /// Changes a table; whoever does leaves it as it is where that fails.
    pub(crate) fn change(
        &mut self,
        id: u32,
        bounds: &Bounds,
        change: impl FnOnce(&mut OpenTable, &mut SchemaTable<'static>) -> Result<()>,
    ) -> Result<()> {
        bounds.check()?;
        let mut table = self.take_table(id)?;
        let changed = change(&mut table, &mut self.base);
        self.put_table(id, table, bounds)?;
        changed
    }

    /// A column.
    pub(crate) fn column(&self, id: u32) -> Result<Arc<Held>> {
        let column = self.columns.get(id as usize).and_then(Clone::clone);
        column.ok_or_else(|| misuse(format!("there is no column {id} in this call")))
    }

    /// Several columns.
    pub(crate) fn columns(&self, ids: &[u32]) -> Result<Vec<Arc<Held>>> {
        ids.iter().map(|&id| self.column(id)).collect()
    }

    /// Keeps a column for the rest of the call.
    pub(crate) fn hold(&mut self, held: Held, bounds: &Bounds) -> Result<u32> {
        let bytes = held.bytes();
        self.room(bytes, bounds)?;
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.columns.len() == MAX_COLUMNS => {
                return Err(misuse(format!("more than {MAX_COLUMNS} columns are held: release some")));
            }
            None => {
                self.columns.push(None);
                self.columns.len() as u32 - 1
            }
        };
        self.column_bytes += bytes;
        self.columns[id as usize] = Some(Arc::new(held));
        Ok(id)
    }

    fn room(&self, more: usize, bounds: &Bounds) -> Result<()> {
        if bounds.memory < self.bytes().saturating_add(more) { Err(Refusal::NoMemory) } else { Ok(()) }
    }

    /// Columns that are not needed any more.
    ///
    /// # Errors
    ///
    /// One that is not there.
    pub fn release(&mut self, columns: &[u32]) -> Result<()> {
        for &id in columns {
            let held = self.column(id)?;
            self.column_bytes -= held.bytes();
            self.columns[id as usize] = None;
            self.free.push(id);
        }
        Ok(())
    }

    /// A pattern, compiled once for many calls.
    pub(crate) fn pattern(&mut self, pattern: &str) -> Result<Arc<JavaRegex>> {
        if let Some(known) = self.kept.patterns.get(pattern) {
            return Ok(Arc::clone(known));
        }
        let compiled = JavaRegex::compile(pattern)
            .map_err(|error| misuse(format!("{pattern:?} is no regular expression of Java's: {error}")))?;
        let compiled = Arc::new(compiled);
        if MAX_KEPT <= self.kept.patterns.len() {
            self.kept.patterns.clear();
        }
        self.kept.patterns.insert(pattern.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    }

    /// A schema out of its JSON, read once for many calls.
    pub(crate) fn schema(&mut self, json: Option<&str>) -> Result<Option<Arc<Schema>>> {
        let Some(json) = json else { return Ok(None) };
        if let Some(known) = self.kept.schemas.get(json) {
            return Ok(known.clone());
        }
        let schema = millstream_convert::read_json_schema(json, self.read)?;
        if MAX_KEPT <= self.kept.schemas.len() {
            self.kept.schemas.clear();
        }
        self.kept.schemas.insert(json.to_owned(), schema.clone());
        Ok(schema)
    }
}
