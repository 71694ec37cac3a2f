//! Checks what a transform says became of a batch. Every row that was selected has exactly one outcome, and
//! nothing comes back that did not go in: what a guest gets wrong here would lose or invent records, so it
//! is a broken promise and not an error of a row.

use millstream_record::batch::{Role, Table};

/// How an outcome contradicts its input.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadOutcome {
    #[error("an error names row {row} of a batch of {rows}")]
    NoSuchRow { row: u32, rows: u32 },
    #[error("an error names row {row}, which was not under way")]
    NotUnderWay { row: u32 },
    #[error("two errors name row {row}")]
    TwoErrors { row: u32 },
    #[error("row {row} has both an error and a result")]
    ErrorAndResult { row: u32 },
    #[error("row {row} has no outcome: it is missing from the result")]
    Missing { row: u32 },
    #[error("row {row} of the result says that it came from row {origin}, which was not there, or not in this order")]
    Forged { row: u32, origin: i64 },
    #[error("row {row} of the result was not under way before")]
    Revived { row: u32 },
    #[error("the result has {found} rows where the batch had {expected}, without saying where they came from")]
    RowsWithoutOrigin { found: u32, expected: u32 },
    #[error("the result does not say where its rows came from")]
    OriginsDropped,
    #[error("an error names link {link} of a chain of {links}")]
    NoSuchLink { link: u32, links: u32 },
}

/// What a check looks at; the rest of a batch need not be opened for it.
pub(crate) const LOOKED_AT: [Role; 2] = [Role::ORIGIN, Role::SELECTION];

/// Checks the result of a call against the batch that was passed to it. `failed` has the rows with an error.
pub(crate) fn check(input: &Table<'_>, output: Option<&Table<'_>>, failed: &Failed) -> Result<(), BadOutcome> {
    let Some(output) = output else { return Ok(()) };
    let same_rows = match (input.get(Role::ORIGIN), output.get(Role::ORIGIN)) {
        (None, None) => {
            if input.rows != output.rows {
                return Err(BadOutcome::RowsWithoutOrigin { found: output.rows, expected: input.rows });
            }
            true
        }
        (Some(_), None) => return Err(BadOutcome::OriginsDropped),
        (_, Some(_)) => {
            input.rows == output.rows && (0..input.rows as usize).all(|row| origin(input, row) == origin(output, row))
        }
    };
    if same_rows { check_rows(input, output, failed) } else { check_runs(input, output, failed) }
}

/// The rows that errors name, each once.
#[derive(Debug)]
pub(crate) struct Failed {
    rows: Vec<bool>,
    any: bool,
}

impl Failed {
    /// Collects the rows of a call's errors.
    pub(crate) fn collect(
        input: &Table<'_>,
        errors: impl IntoIterator<Item = (u32, u32)>,
        links: u32,
    ) -> Result<Self, BadOutcome> {
        let mut failed = Self { rows: Vec::new(), any: false };
        for (row, link) in errors {
            if input.rows <= row {
                return Err(BadOutcome::NoSuchRow { row, rows: input.rows });
            }
            if links <= link {
                return Err(BadOutcome::NoSuchLink { link, links });
            }
            if !input.is_selected(row as usize) {
                return Err(BadOutcome::NotUnderWay { row });
            }
            failed.rows.resize(input.rows as usize, false);
            if std::mem::replace(&mut failed.rows[row as usize], true) {
                return Err(BadOutcome::TwoErrors { row });
            }
            failed.any = true;
        }
        Ok(failed)
    }

    fn has(&self, row: usize) -> bool {
        self.any && self.rows[row]
    }
}

/// Row of the first batch that a row came from.
pub(crate) fn origin(table: &Table<'_>, row: usize) -> i64 {
    table.get(Role::ORIGIN).and_then(|origins| origins.integer(row)).unwrap_or(row as i64)
}

/// The usual case: the same rows, one for one.
fn check_rows(input: &Table<'_>, output: &Table<'_>, failed: &Failed) -> Result<(), BadOutcome> {
    let all_selected = input.get(Role::SELECTION).is_none();
    if all_selected && !failed.any {
        return Ok(());
    }
    for row in 0..input.rows as usize {
        if !output.is_selected(row) {
            continue;
        }
        if !input.is_selected(row) {
            return Err(BadOutcome::Revived { row: row as u32 });
        }
        if failed.has(row) {
            return Err(BadOutcome::ErrorAndResult { row: row as u32 });
        }
    }
    Ok(())
}

/// Rows became several, or ended ones were left out: runs of rows with one origin are compared in order.
fn check_runs(input: &Table<'_>, output: &Table<'_>, failed: &Failed) -> Result<(), BadOutcome> {
    let mut next_input = 0;
    for (origin, rows) in runs(output) {
        let skipped_from = next_input;
        let found = loop {
            let Some(run) = run_at(input, next_input) else {
                return Err(BadOutcome::Forged { row: rows.start as u32, origin });
            };
            next_input = run.1.end;
            if run.0 == origin {
                break run.1;
            }
        };
        expect_ended(input, skipped_from..found.start, failed)?;
        if rows.clone().any(|row| output.is_selected(row)) {
            if !found.clone().any(|row| input.is_selected(row)) {
                return Err(BadOutcome::Revived { row: rows.start as u32 });
            }
            // Of several rows with one origin it cannot be told which one became what.
            if found.clone().all(|row| failed.has(row) || !input.is_selected(row)) {
                return Err(BadOutcome::ErrorAndResult { row: found.start as u32 });
            }
        }
    }
    expect_ended(input, next_input..input.rows as usize, failed)
}

/// Rows that are not in the result must have ended, before or by an error.
fn expect_ended(input: &Table<'_>, rows: std::ops::Range<usize>, failed: &Failed) -> Result<(), BadOutcome> {
    match rows.into_iter().find(|&row| input.is_selected(row) && !failed.has(row)) {
        Some(row) => Err(BadOutcome::Missing { row: row as u32 }),
        None => Ok(()),
    }
}

fn runs<'t>(table: &'t Table<'_>) -> impl Iterator<Item = (i64, std::ops::Range<usize>)> + 't {
    let mut next = 0;
    std::iter::from_fn(move || {
        let run = run_at(table, next)?;
        next = run.1.end;
        Some(run)
    })
}

/// The rows with one origin that begin at a row.
fn run_at(table: &Table<'_>, begin: usize) -> Option<(i64, std::ops::Range<usize>)> {
    let rows = table.rows as usize;
    if rows <= begin {
        return None;
    }
    let first = origin(table, begin);
    let end = (begin + 1..rows).find(|&row| origin(table, row) != first).unwrap_or(rows);
    Some((first, begin..end))
}

#[cfg(test)]
mod tests {
    use millstream_record::batch::{Column, Kind};

    use super::*;

    fn table(rows: u32, origins: Option<&[i32]>, gone: &[usize]) -> Table<'static> {
        let mut table = Table::new(rows);
        if let Some(origins) = origins {
            let bytes: Vec<u8> = origins.iter().flat_map(|origin| origin.to_le_bytes()).collect();
            table.set(Role::ORIGIN, Column::new(Kind::Int32, rows, bytes));
        }
        if !gone.is_empty() {
            table.deselect(gone.iter().copied());
        }
        table
    }

    fn checked(input: &Table<'_>, output: &Table<'_>, errors: &[u32]) -> Result<(), BadOutcome> {
        let failed = Failed::collect(input, errors.iter().map(|&row| (row, 0)), 1)?;
        check(input, Some(output), &failed)
    }

    #[test]
    fn a_row_is_kept_or_filtered_or_fails_but_only_one_of_these() {
        let input = table(4, None, &[3]);
        assert_eq!(checked(&input, &table(4, None, &[3]), &[]), Ok(()));
        assert_eq!(checked(&input, &table(4, None, &[0, 1, 3]), &[1]), Ok(()));
        assert_eq!(checked(&input, &table(4, None, &[3]), &[1]), Err(BadOutcome::ErrorAndResult { row: 1 }));
        assert_eq!(checked(&input, &table(4, None, &[]), &[]), Err(BadOutcome::Revived { row: 3 }));
        assert_eq!(checked(&input, &table(4, None, &[3]), &[3]), Err(BadOutcome::NotUnderWay { row: 3 }));
        assert_eq!(checked(&input, &table(4, None, &[1, 3]), &[1, 1]), Err(BadOutcome::TwoErrors { row: 1 }));
        assert_eq!(checked(&input, &table(4, None, &[3]), &[4]), Err(BadOutcome::NoSuchRow { row: 4, rows: 4 }));
    }

    #[test]
    fn rows_may_become_several_but_none_may_vanish_or_appear() {
        let input = table(3, None, &[]);
        assert_eq!(checked(&input, &table(5, Some(&[0, 0, 1, 2, 2]), &[]), &[]), Ok(()));
        assert_eq!(checked(&input, &table(2, Some(&[0, 2]), &[]), &[1]), Ok(()), "a failed row may be left out");
        assert_eq!(checked(&input, &table(2, Some(&[0, 2]), &[]), &[]), Err(BadOutcome::Missing { row: 1 }));
        assert_eq!(checked(&input, &table(2, Some(&[0, 1]), &[]), &[]), Err(BadOutcome::Missing { row: 2 }));
        assert_eq!(
            checked(&input, &table(4, Some(&[0, 1, 2, 7]), &[]), &[]),
            Err(BadOutcome::Forged { row: 3, origin: 7 })
        );
        assert_eq!(
            checked(&input, &table(4, Some(&[0, 1, 2, 0]), &[]), &[]),
            Err(BadOutcome::Forged { row: 3, origin: 0 })
        );
        assert_eq!(
            checked(&input, &table(2, None, &[]), &[]),
            Err(BadOutcome::RowsWithoutOrigin { found: 2, expected: 3 })
        );
    }

    #[test]
    fn origins_of_an_earlier_stage_are_handed_on() {
        let input = table(3, Some(&[4, 4, 9]), &[]);
        assert_eq!(checked(&input, &table(3, Some(&[4, 4, 9]), &[0]), &[]), Ok(()));
        assert_eq!(checked(&input, &table(3, None, &[]), &[]), Err(BadOutcome::OriginsDropped));
        assert_eq!(checked(&input, &table(2, Some(&[0, 1]), &[]), &[]), Err(BadOutcome::Forged { row: 0, origin: 0 }));
        assert_eq!(checked(&input, &table(1, Some(&[9]), &[]), &[]), Err(BadOutcome::Missing { row: 0 }));
    }
}
