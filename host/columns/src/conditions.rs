//! Comparisons, and conditions made of conditions.

use std::cmp::Ordering;

use millstream_record::batch::{Column, Kind, bits};

use crate::build::{Build, map};
use crate::cells::{Cell, Cells, boolean, common_rows, wanted};
use crate::error::{Result, bad_row};
use crate::held::Held;
use crate::session::{Bounds, Session};

impl Session {
    fn compare(
        &mut self,
        left: u32,
        right: u32,
        bounds: &Bounds,
        holds: impl Fn(usize, Cell<'_>, Cell<'_>) -> Result<bool>,
    ) -> Result<u32> {
        let (left, right) = (self.column(left)?, self.column(right)?);
        let made = map([&*left, &*right], Kind::Bool, bounds, |row, [a, b], build| {
            build.boolean(holds(row, a, b)?);
            Ok(())
        })?;
        self.hold(Held { fresh: true, ..made }, bounds)
    }

    /// Where values are equal.
    ///
    /// # Errors
    ///
    /// No such columns; maps, lists, structs and decimals.
    pub fn equal(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        self.compare(left, right, bounds, |row, a, b| {
            for cell in [a, b] {
                if let Cell::Other(name) = cell {
                    return Err(bad_row(row, &format!("a {name} is not compared: cast it, or compare its JSON")));
                }
            }
            Ok(match (a, b) {
                (Cell::Bytes(a), Cell::Bytes(b)) => a == b,
                _ => order(a, b) == Some(Ordering::Equal),
            })
        })
    }

    /// Where the left value is less.
    ///
    /// # Errors
    ///
    /// No such columns; values that have no order.
    pub fn less(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        self.compare(left, right, bounds, |row, a, b| Ok(ordered(row, a, b)? == Some(Ordering::Less)))
    }

    /// Where the left value is less or equal.
    ///
    /// # Errors
    ///
    /// As [`Session::less`].
    pub fn at_most(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        self.compare(left, right, bounds, |row, a, b| {
            Ok(matches!(ordered(row, a, b)?, Some(Ordering::Less | Ordering::Equal)))
        })
    }

    /// Where there is null or nothing.
    ///
    /// # Errors
    ///
    /// No such column.
    pub fn is_null(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        self.seen(column, bounds, |cell| matches!(cell, Cell::Null | Cell::Absent))
    }

    /// Where there is something, be it null.
    ///
    /// # Errors
    ///
    /// No such column.
    pub fn is_present(&mut self, column: u32, bounds: &Bounds) -> Result<u32> {
        self.seen(column, bounds, |cell| cell != Cell::Absent)
    }

    fn seen(&mut self, column: u32, bounds: &Bounds, holds: impl Fn(Cell<'_>) -> bool) -> Result<u32> {
        bounds.check()?;
        let held = self.column(column)?;
        let cells = Cells::new(&held);
        let rows = held.rows as usize;
        let mut bitmap = bits::filled(rows, false);
        for row in (0..rows).filter(|&row| holds(cells.get(row))) {
            bits::set(&mut bitmap, row, true);
        }
        let column = Column::new(Kind::Bool, held.rows, bitmap);
        let made = if held.constant { Held::constant(column, None, true) } else { Held::of(column, None, true) };
        self.hold(made, bounds)
    }

    /// Where both conditions hold.
    ///
    /// # Errors
    ///
    /// No such columns, or no conditions.
    pub fn both(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        self.combine(left, right, false, bounds)
    }

    /// Where one of the conditions holds, or both do.
    ///
    /// # Errors
    ///
    /// As [`Session::both`].
    pub fn either(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        self.combine(left, right, true, bounds)
    }

    /// `decides` is the value that decides, whatever the other one is.
    fn combine(&mut self, left: u32, right: u32, decides: bool, bounds: &Bounds) -> Result<u32> {
        bounds.check()?;
        let (left, right) = (self.column(left)?, self.column(right)?);
        let rows = common_rows(&[&left, &right])?;
        let (a, b) = (Cells::new(&left), Cells::new(&right));
        let mut build = Build::new();
        for row in 0..rows.unwrap_or(1) as usize {
            let (a, b) = (a.get(row), b.get(row));
            match (boolean(row, a)?, boolean(row, b)?) {
                (Some(value), _) | (_, Some(value)) if value == decides => build.boolean(decides),
                (Some(_), Some(_)) => build.boolean(!decides),
                _ if a == Cell::Null || b == Cell::Null => build.null(),
                _ => build.absent(),
            }
        }
        self.hold(build.finish(Kind::Bool, rows, false), bounds)
    }

    /// Where a condition does not hold.
    ///
    /// # Errors
    ///
    /// No such column, or no condition.
    pub fn inverse(&mut self, condition: u32, bounds: &Bounds) -> Result<u32> {
        let held = self.column(condition)?;
        let made = map([&*held], Kind::Bool, bounds, |row, [cell], build| match cell {
            Cell::Bool(value) => {
                build.boolean(!value);
                Ok(())
            }
            other => Err(wanted(row, other, "a boolean")),
        })?;
        self.hold(Held { fresh: true, ..made }, bounds)
    }
}

/// How values stand to each other that can be compared; none for those of different types, and for what is not a number.
fn order(a: Cell<'_>, b: Cell<'_>) -> Option<Ordering> {
    match (a, b) {
        (Cell::Int(a) | Cell::Instant(a), Cell::Int(b) | Cell::Instant(b)) => Some(a.cmp(&b)),
        (Cell::Float(a), Cell::Float(b)) => a.partial_cmp(&b),
        (Cell::Int(a) | Cell::Instant(a), Cell::Float(b)) => whole_and_float(a, b),
        (Cell::Float(a), Cell::Int(b) | Cell::Instant(b)) => whole_and_float(b, a).map(Ordering::reverse),
        (Cell::Text(a), Cell::Text(b)) => Some(a.cmp(b)),
        (Cell::Bool(a), Cell::Bool(b)) => Some(a.cmp(&b)),
        _ => None,
    }
}

/// Exactly, where a double could not be every whole number.
fn whole_and_float(a: i64, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    // 2^63: beyond it no whole number is as large.
    if 9_223_372_036_854_775_808.0 <= b {
        return Some(Ordering::Less);
    }
    if b < -9_223_372_036_854_775_808.0 {
        return Some(Ordering::Greater);
    }
    let whole = b.trunc();
    Some(a.cmp(&(whole as i64)).then_with(|| 0.0_f64.partial_cmp(&(b - whole)).unwrap_or(Ordering::Equal)))
}

fn ordered(row: usize, a: Cell<'_>, b: Cell<'_>) -> Result<Option<Ordering>> {
    let is_number = |cell: Cell<'_>| matches!(cell, Cell::Int(_) | Cell::Instant(_) | Cell::Float(_));
    match (a, b) {
        _ if is_number(a) && is_number(b) => Ok(order(a, b)),
        (Cell::Text(_), Cell::Text(_)) | (Cell::Bool(_), Cell::Bool(_)) => Ok(order(a, b)),
        _ => Err(bad_row(row, &format!("{} and {} have no order", a.type_name(), b.type_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_compared_with_others_exactly() {
        let large = (1 << 53) + 1;
        assert_eq!(whole_and_float(large, 9_007_199_254_740_992.0), Some(Ordering::Greater));
        assert_eq!(whole_and_float(1, 1.5), Some(Ordering::Less));
        assert_eq!(whole_and_float(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(whole_and_float(i64::MAX, 9.3e18), Some(Ordering::Less));
        assert_eq!(whole_and_float(2, 2.0), Some(Ordering::Equal));
        assert_eq!(whole_and_float(2, f64::NAN), None);
    }
}
