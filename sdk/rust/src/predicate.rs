//! Predicates: say for which records a transform is applied.

use crate::{
    Info, Record, Result, RowError, Rows,
    batch::{Table, bits},
    config::PluginConfig,
    record::Reader,
};

/// For which rows of a batch a predicate holds, and which rows failed.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub(crate) holds: Vec<u8>,
    pub(crate) errors: Vec<RowError>,
    rows: usize,
}

impl Verdict {
    /// Holds for none so far.
    pub fn new(rows: u32) -> Self {
        Self { holds: bits::filled(rows as usize, false), errors: Vec::new(), rows: rows as usize }
    }

    /// The predicate holds for a row, or does not.
    ///
    /// # Panics
    ///
    /// If the batch has no such row.
    pub fn set(&mut self, row: usize, holds: bool) {
        bits::set(&mut self.holds, row, holds);
    }

    /// The same answer for all rows.
    pub fn set_all(&mut self, holds: bool) {
        self.holds = bits::filled(self.rows, holds);
    }

    /// The row cannot be judged; the transform fails for it.
    pub fn fail(&mut self, error: RowError) {
        self.errors.push(error);
    }

    /// Whether the predicate holds for a row.
    pub fn holds(&self, row: usize) -> bool {
        bits::get(&self.holds, row)
    }

    /// Rows that could not be judged.
    pub fn errors(&self) -> &[RowError] {
        &self.errors
    }
}

/// A predicate over whole batches. [`RowPredicate`] is the comfortable way.
pub trait Predicate: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Its configuration.
    type Config: PluginConfig;

    /// The predicate, ready for use by one task.
    ///
    /// # Errors
    ///
    /// The task fails with it before it starts.
    fn configure(config: Self::Config) -> Result<Self>;

    /// Says for each selected row whether it holds. Nobody asks for the others.
    ///
    /// # Errors
    ///
    /// The batch as a whole failed; the task fails with it.
    fn test(&mut self, records: &Table<'_>, verdict: &mut Verdict) -> Result<()>;
}

/// A predicate that looks at one record at a time. List it as `Rows<MyPredicate>` in
/// [`plugin!`](crate::plugin!).
pub trait RowPredicate: Sized + 'static {
    /// What users see of it.
    const INFO: Info;
    /// Its configuration.
    type Config: PluginConfig;

    /// The predicate, ready for use by one task.
    ///
    /// # Errors
    ///
    /// The task fails with it before it starts.
    fn configure(config: Self::Config) -> Result<Self>;

    /// Whether it holds for a record.
    ///
    /// # Errors
    ///
    /// The record cannot be judged; the transform fails for it.
    fn test(&mut self, record: &Record) -> Result<bool>;
}

impl<P: RowPredicate> Predicate for Rows<P> {
    const INFO: Info = P::INFO;
    type Config = P::Config;

    fn configure(config: P::Config) -> Result<Self> {
        Ok(Self::of(P::configure(config)?))
    }

    fn test(&mut self, records: &Table<'_>, verdict: &mut Verdict) -> Result<()> {
        let reader = Reader::new(records);
        for (row, key, value) in reader.places().filter(|(row, ..)| records.is_selected(*row)) {
            match self.0.test(&reader.record(row, key, value)) {
                Ok(holds) => verdict.set(row, holds),
                Err(error) => verdict.fail(RowError::new(row, error)),
            }
        }
        Ok(())
    }
}
