//! How a call answers.

use millstream_connector::ErrorKind;

use crate::error::{Result, misuse};
use crate::outcome::Answer;
use crate::rows::{bitmap, failures};
use crate::session::{Bounds, Session};

impl Session {
    /// The table is what the call returns.
    ///
    /// # Errors
    ///
    /// The call returns no batch, or there is no such table.
    pub fn answer(&mut self, table: u32, bounds: &Bounds) -> Result<()> {
        bounds.check()?;
        if !self.subject.returns_batch {
            return Err(misuse("answer: the running call returns no batch"));
        }
        let mut table = self.take_table(table)?;
        let changed = table.changed || !table.is_input;
        let batch = changed.then(|| table.write(&self.base));
        self.answer = Some(Answer::Table { batch, errors: table.errors });
        Ok(())
    }

    /// The table as a batch.
    ///
    /// # Errors
    ///
    /// There is no such table.
    pub fn write(&mut self, table: u32, bounds: &Bounds) -> Result<Vec<u8>> {
        bounds.check()?;
        let mut open = self.take_table(table)?;
        let bytes = open.write(&self.base);
        self.put_table(table, open, bounds)?;
        Ok(bytes)
    }

    /// Where the predicate holds.
    ///
    /// # Errors
    ///
    /// The call returns no verdict; no condition, or one for other rows.
    pub fn answer_verdict(&mut self, holds: u32, failed: Option<u32>, bounds: &Bounds) -> Result<()> {
        bounds.check()?;
        let rows = match &self.subject.batch {
            Some(batch) if self.subject.returns_verdict => batch.rows(),
            _ => return Err(misuse("answer-verdict: the running call returns no verdict")),
        };
        let holds = self.column(holds)?;
        holds.fit(rows)?;
        let errors = match failed {
            None => Vec::new(),
            Some(failed) => {
                let failed = self.column(failed)?;
                failed.fit(rows)?;
                failures(rows, &failed, None, 0, ErrorKind::Data, "")?
            }
        };
        self.answer = Some(Answer::Verdict { holds: bitmap(&holds, rows)?, errors });
        Ok(())
    }
}
