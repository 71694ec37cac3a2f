//! Which rows of a table are meant, and what becomes of them.

use millstream_connector::{ErrorKind, Failure, RowError};
use millstream_record::batch::{Block, Column, Kind, Place, Role, Side, Union, bits};

use crate::cells::{Cells, boolean, text};
use crate::error::{Result, misuse};
use crate::held::Held;
use crate::session::{Bounds, Session};
use crate::table::OpenTable;

impl Session {
    /// Rows of a table, also those that are not under way.
    ///
    /// # Errors
    ///
    /// There is no such table.
    pub fn rows(&self, table: u32) -> Result<u32> {
        Ok(self.table(table)?.rows)
    }

    /// Where rows are under way, and in focus.
    ///
    /// # Errors
    ///
    /// There is no such table; too much is open.
    pub fn selected(&mut self, table: u32, bounds: &Bounds) -> Result<u32> {
        let table = self.table(table)?;
        let rows = table.rows;
        let live = table.live().unwrap_or_else(|| bits::filled(rows as usize, true));
        self.hold(Held::of(Column::new(Kind::Bool, rows, live), None, true), bounds)
    }

    /// Limits what follows to rows for which a condition holds; with none no more than the call does.
    ///
    /// # Errors
    ///
    /// No condition, or one for other rows.
    pub fn focus(&mut self, table: u32, condition: Option<u32>, bounds: &Bounds) -> Result<()> {
        let condition = condition.map(|id| self.column(id)).transpose()?;
        self.change(table, bounds, |table, _| {
            table.focus = match condition {
                None => None,
                Some(condition) => Some(holding(table, &condition)?),
            };
            Ok(())
        })
    }

    /// Filters rows for which a condition does not hold.
    ///
    /// # Errors
    ///
    /// No condition, or one for other rows.
    pub fn keep(&mut self, table: u32, condition: u32, bounds: &Bounds) -> Result<()> {
        let condition = self.column(condition)?;
        self.change(table, bounds, |table, _| {
            let holds = holding(table, &condition)?;
            let live = table.live();
            let ended: Vec<usize> = (0..table.rows as usize)
                .filter(|&row| live.as_ref().is_none_or(|live| bits::get(live, row)) && !bits::get(&holds, row))
                .collect();
            table.deselect(ended);
            Ok(())
        })
    }

    /// Fails rows that have a message.
    ///
    /// # Errors
    ///
    /// Messages that are no texts, or those of other rows; a table that is not the call's batch.
    pub fn fail(
        &mut self,
        table: u32,
        messages: u32,
        link: u32,
        kind: ErrorKind,
        class: &str,
        bounds: &Bounds,
    ) -> Result<()> {
        let messages = self.column(messages)?;
        self.change(table, bounds, |table, _| {
            if !table.is_input {
                return Err(misuse("fail: only rows of the call's own batch (input) can fail"));
            }
            messages.fit(table.rows)?;
            let live = table.live();
            let failed = failures(table.rows, &messages, live.as_deref(), link, kind, class)?;
            if failed.is_empty() {
                return Ok(());
            }
            let mut is_failed = Vec::new();
            for mut error in failed {
                error.row = table.input_of(error.row as usize);
                is_failed.resize(is_failed.len().max(error.row as usize + 1), false);
                // What several rows were made of fails once.
                if !std::mem::replace(&mut is_failed[error.row as usize], true) {
                    table.errors.push(error);
                }
            }
            let ended: Vec<usize> = (0..table.rows as usize)
                .filter(|&row| is_failed.get(table.input_of(row) as usize) == Some(&true) && table.is_selected(row))
                .collect();
            table.deselect(ended);
            Ok(())
        })
    }

    /// Makes of each row as many as said. Returns the old row of each new one.
    ///
    /// # Errors
    ///
    /// Counts for other rows; more rows than a batch may have.
    pub fn repeat(&mut self, table: u32, counts: &[u32], bounds: &Bounds) -> Result<Vec<u32>> {
        let open = self.table(table)?;
        if counts.len() != open.rows as usize {
            return Err(misuse(format!("repeat: {} counts for {} rows", counts.len(), open.rows)));
        }
        let live = open.live();
        let is_live = |row: usize| live.as_ref().is_none_or(|live| bits::get(live, row));
        let count = |row: usize| if is_live(row) { counts[row].max(1) } else { 1 };
        let total: u64 = (0..counts.len()).map(|row| u64::from(count(row))).sum();
        self.check_rows(usize::try_from(total).unwrap_or(usize::MAX))?;
        let mut parents = Vec::with_capacity(total as usize);
        for row in 0..counts.len() {
            parents.extend(std::iter::repeat_n(row as u32, count(row) as usize));
        }
        let filtered: Vec<usize> = (0..parents.len())
            .filter(|&row| is_live(parents[row] as usize) && counts[parents[row] as usize] == 0)
            .collect();
        self.change(table, bounds, |table, _| {
            if parents.len() != table.rows as usize {
                become_rows(table, &parents);
            }
            table.deselect(filtered);
            Ok(())
        })?;
        Ok(parents)
    }
}

/// Rows for which a condition holds; also where nobody asks.
pub(crate) fn holding(table: &OpenTable, condition: &Held) -> Result<Vec<u8>> {
    condition.fit(table.rows)?;
    bitmap(condition, table.rows)
}

/// Rows for which a condition holds.
pub(crate) fn bitmap(condition: &Held, rows: u32) -> Result<Vec<u8>> {
    let rows = rows as usize;
    let cells = Cells::new(condition);
    let mut holds = bits::filled(rows, false);
    for row in 0..rows {
        if boolean(row, cells.get(row))? == Some(true) {
            bits::set(&mut holds, row, true);
        }
    }
    Ok(holds)
}

/// The errors of rows that have a message and are live.
pub(crate) fn failures(
    rows: u32,
    messages: &Held,
    live: Option<&[u8]>,
    link: u32,
    kind: ErrorKind,
    class: &str,
) -> Result<Vec<RowError>> {
    let cells = Cells::new(messages);
    let mut failed = Vec::new();
    for row in (0..rows as usize).filter(|&row| live.is_none_or(|live| bits::get(live, row))) {
        if let Some(message) = text(row, cells.get(row))? {
            let failure = Failure::new(kind, class, message);
            failed.push(RowError { row: row as u32, link, failure, field: None });
        }
    }
    Ok(failed)
}

/// Rows become several, each with the number of the row it was.
fn become_rows(table: &mut OpenTable, parents: &[u32]) {
    let rows = table.rows as usize;
    table.inputs = Some(parents.iter().map(|&parent| table.input_of(parent as usize)).collect());
    for (_, column) in &mut table.envelope {
        *column = column.take(parents);
    }
    for side in [Side::Key, Side::Value] {
        let union = table.side(side);
        if union.blocks.is_empty() {
            continue;
        }
        let places: Vec<Place> = union.places(rows).flatten().collect();
        let mut chosen = vec![Vec::new(); union.blocks.len()];
        let mut tags = Vec::with_capacity(parents.len());
        for &parent in parents {
            let place = places[parent as usize];
            chosen[place.block].push(place.row as u32);
            tags.push(place.block as u8);
        }
        let blocks = union.blocks.iter().zip(&chosen);
        let blocks = blocks.map(|(block, rows)| Block { schema: block.schema, column: block.column.take(rows) });
        *table.side_mut(side) = Union { tags: union.tags.is_some().then(|| tags.into()), blocks: blocks.collect() };
    }
    let spread = |bitmap: &Vec<u8>| {
        let mut spread = bits::filled(parents.len(), false);
        for (row, &parent) in parents.iter().enumerate() {
            bits::set(&mut spread, row, bits::get(bitmap, parent as usize));
        }
        spread
    };
    table.only = table.only.as_ref().map(spread);
    table.focus = table.focus.as_ref().map(spread);
    table.rows = parents.len() as u32;
    table.changed = true;
    if table.is_input {
        let (origins, children) = Column::lineage(table.get(Role::ORIGIN), parents);
        table.put(Role::ORIGIN, Some(origins));
        table.put(Role::CHILD, Some(children));
    }
}
