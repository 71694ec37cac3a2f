//! A batch on its way through transforms and converters, with the rows that failed on the way.

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use crate::{
    Record, Result, RowError,
    batch::{Column, ColumnBuilder, HeadersBuilder, Kind, Role, SchemaTable, Table, UnionBuilder, bits},
    chain::Applied,
    collector::Topics,
    record::Reader,
};

/// The records that a transform or converter works on: an opened batch ([`Table`], to which this
/// dereferences), and which of its rows are meant.
///
/// Rows that are not [active](Records::is_active) have to be left as they are: they were filtered
/// or have failed before, or the transform's predicate does not hold for them. Reading through it
/// leaves the batch unchanged; writing through it marks it as changed.
#[derive(Debug)]
pub struct Records<'a> {
    table: Table<'a>,
    /// Rows that are meant, beside the selection; all if there is no bitmap.
    only: Option<Cow<'a, [u8]>>,
    /// Row of the batch passed to the call, per row; the same if there is no list.
    inputs: Option<Vec<u32>>,
    errors: Vec<(u32, RowError)>,
    link: u32,
    changed: bool,
}

impl<'a> Records<'a> {
    /// All selected rows of a batch.
    pub fn new(table: Table<'a>) -> Self {
        Self { table, only: None, inputs: None, errors: Vec::new(), link: 0, changed: false }
    }

    /// Whether the row is one of those to work on.
    pub fn is_active(&self, row: usize) -> bool {
        self.table.is_selected(row) && self.only.as_deref().is_none_or(|only| bits::get(only, row))
    }

    /// The rows to work on, ascending.
    pub fn active(&self) -> Vec<u32> {
        (0..self.table.rows).filter(|&row| self.is_active(row as usize)).collect()
    }

    /// Whether every row is active, so that whole columns may be changed without a look at rows.
    pub fn all_active(&self) -> bool {
        self.only.is_none() && self.table.get(Role::SELECTION).is_none()
    }

    /// Whether the rows that are not active do not matter any more: no predicate limits the work,
    /// and rows that were filtered or have failed may look as they like.
    pub fn all_matter(&self) -> bool {
        self.only.is_none()
    }

    /// Leaves a row out on purpose. It counts as ended.
    pub fn filter(&mut self, row: usize) {
        self.filter_all([row]);
    }

    /// Leaves rows out on purpose.
    pub fn filter_all(&mut self, rows: impl IntoIterator<Item = usize>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_some() {
            self.changed = true;
            self.table.deselect(rows);
        }
    }

    /// Names a row that has failed. The error policy of the task decides what becomes of it; other
    /// rows go on. A row of which several records were made fails as a whole.
    pub fn fail(&mut self, mut error: RowError) {
        let row = error.row as usize;
        if !self.table.is_selected(row) {
            return;
        }
        self.changed = true;
        match &self.inputs {
            None => self.table.deselect([row]),
            Some(inputs) => {
                let input = inputs[row];
                let siblings = (0..inputs.len()).filter(|&row| inputs[row] == input);
                self.table.deselect(siblings);
                error.row = input;
            }
        }
        self.errors.push((self.link, error));
    }

    /// Limits the work to rows of a bitmap, within those it is limited to already.
    pub(crate) fn limited<R>(
        &mut self,
        only: Option<Cow<'a, [u8]>>,
        link: u32,
        work: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.only = only;
        self.link = link;
        let result = work(self);
        self.only = None;
        result
    }

    /// Row of the batch that was passed in.
    pub(crate) fn input_of(&self, row: usize) -> usize {
        self.inputs.as_ref().map_or(row, |inputs| inputs[row] as usize)
    }

    /// The batch if it was changed, and the failures with their links.
    pub fn finish(self) -> Applied<'a> {
        (self.changed.then_some(self.table), self.errors)
    }

    /// Turns each active row into a record, has it replaced, and puts the batch together again. None
    /// in place of a record filters it, several stand one behind the other.
    ///
    /// This is the comfortable way, not the fast one: every value of the batch is taken apart.
    ///
    /// # Errors
    ///
    /// What `replace` returns as an error belongs to its row, and so does a record that no batch can
    /// carry. Only a batch that cannot be put together again is an error of the whole.
    pub fn replace_each(&mut self, mut replace: impl FnMut(Record) -> Result<Vec<Record>>) -> Result<()> {
        let mut rebuilt = Rebuilt::default();
        let (mut filtered, mut failed) = (Vec::new(), Vec::new());
        let reader = Reader::new(&self.table);
        for (row, key, value) in reader.places() {
            if !self.table.is_selected(row) {
                rebuilt.push_ended(&self.table, row)?;
                continue;
            }
            let record = reader.record(row, key, value);
            if !self.is_active(row) {
                rebuilt.push(row, &record)?;
                continue;
            }
            let result = replace(record).and_then(|records| {
                records.iter().try_for_each(|record| rebuilt.push(row, record))?;
                Ok(!records.is_empty())
            });
            let ended = rebuilt.parents.len();
            match result {
                Ok(true) => continue,
                Ok(false) => filtered.push(ended),
                Err(error) => failed.push(RowError::new(ended, error)),
            }
            rebuilt.push_ended(&self.table, row)?;
        }
        if self.inputs.is_some() || rebuilt.parents.len() != self.table.rows as usize {
            self.inputs = Some(rebuilt.parents.iter().map(|&parent| self.input_of(parent as usize) as u32).collect());
        }
        self.table = rebuilt.into_table(&self.table)?;
        self.changed = true;
        self.filter_all(filtered);
        failed.into_iter().for_each(|error| self.fail(error));
        Ok(())
    }
}

impl<'a> Deref for Records<'a> {
    type Target = Table<'a>;

    fn deref(&self) -> &Table<'a> {
        &self.table
    }
}

impl DerefMut for Records<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.changed = true;
        &mut self.table
    }
}

/// The parts of a batch that records may have changed, row by row.
#[derive(Default)]
struct Rebuilt {
    /// Old row of each new one. Each old row has at least one.
    parents: Vec<u32>,
    schemas: SchemaTable<'static>,
    topics: Topics,
    partitions: ColumnBuilder,
    timestamps: ColumnBuilder,
    headers: HeadersBuilder,
    keys: UnionBuilder,
    values: UnionBuilder,
}

impl Rebuilt {
    /// A row that was filtered or has failed keeps its place; its data does not matter any more.
    fn push_ended(&mut self, table: &Table<'_>, row: usize) -> Result<()> {
        self.push(row, &Record { topic: table.topic(row).unwrap_or_default().to_owned(), ..Record::default() })
    }

    /// One of the records that a row became, or nothing and an error.
    fn push(&mut self, row: usize, record: &Record) -> Result<()> {
        self.keys.push(record.key_schema.as_ref(), &record.key, &mut self.schemas)?;
        if let Err(error) = self.values.push(record.value_schema.as_ref(), &record.value, &mut self.schemas) {
            self.keys.take_back();
            return Err(error.into());
        }
        let mut headers = HeadersBuilder::default();
        for header in &record.headers {
            if let Err(error) = headers.push(&header.key, header.schema.as_ref(), &header.value, &mut self.schemas) {
                self.keys.take_back();
                self.values.take_back();
                return Err(error.into());
            }
        }
        headers.end_row();
        if let Some(column) = headers.finish() {
            column.headers(0).for_each(|header| self.headers.push_raw(&header));
        }
        self.headers.end_row();
        self.topics.push(&record.topic);
        match record.partition {
            Some(partition) => self.partitions.push_int32(partition),
            None => self.partitions.push_null(),
        }
        match record.timestamp_ms {
            Some(ms) => self.timestamps.push_int64(ms),
            None => self.timestamps.push_null(),
        }
        self.parents.push(row as u32);
        Ok(())
    }

    /// The new batch; what records cannot change comes from the old one.
    fn into_table(self, old: &Table<'_>) -> Result<Table<'static>> {
        const REBUILT: [Role; 4] = [Role::TOPIC, Role::PARTITION, Role::TIMESTAMP, Role::HEADERS];
        let Self { parents, mut schemas, topics, partitions, timestamps, headers, keys, values } = self;
        let rows = parents.len() as u32;
        let mut table = Table::new(rows);
        table.keys = keys.finish(&mut schemas)?;
        table.values = values.finish(&mut schemas)?;
        table.schemas = schemas;
        for (role, column) in old.envelope.iter().filter(|(role, _)| !REBUILT.contains(role)) {
            table.set(*role, column.take(&parents));
        }
        table.set(Role::TOPIC, topics.finish(rows));
        for (role, column) in [(Role::PARTITION, partitions.finish()), (Role::TIMESTAMP, timestamps.finish())] {
            if column.kind != Kind::Null {
                table.set(role, column);
            }
        }
        if let Some(headers) = headers.finish() {
            table.set(Role::HEADERS, headers);
        }
        if rows != old.rows {
            let (origins, children) = Column::lineage(table.get(Role::ORIGIN), &parents);
            table.set(Role::ORIGIN, origins);
            table.set(Role::CHILD, children);
        }
        Ok(table)
    }
}
