//! Arithmetic.

use millstream_record::batch::Kind;

use crate::build::map;
use crate::cells::{Cell, wanted};
use crate::error::{Result, bad_row};
use crate::session::{Bounds, Session};

/// One of the operations, on whole numbers and on others.
struct Operation {
    whole: fn(i64, i64) -> Option<i64>,
    float: fn(f64, f64) -> f64,
    /// Whether whole numbers are taken for others as well.
    always_float: bool,
}

impl Session {
    fn calculate(&mut self, left: u32, right: u32, operation: &Operation, bounds: &Bounds) -> Result<u32> {
        let (left, right) = (self.column(left)?, self.column(right)?);
        let kind = if operation.always_float { Kind::Float64 } else { Kind::Int64 };
        // Where some rows are whole and others are not, all become what the others are.
        let mut is_whole = !operation.always_float;
        let mut float = operation.always_float;
        loop {
            let made = map([&*left, &*right], kind, bounds, |row, cells, build| {
                match cells {
                    [Cell::Int(a) | Cell::Instant(a), Cell::Int(b) | Cell::Instant(b)] if !float => {
                        let result = (operation.whole)(a, b);
                        build.int(result.ok_or_else(|| bad_row(row, &format!("{a} and {b} have no result in INT64")))?);
                    }
                    [a, b] => {
                        is_whole = false;
                        build.float((operation.float)(number(row, a)?, number(row, b)?));
                    }
                }
                Ok(())
            })?;
            if is_whole || float || !made.union.blocks.iter().any(|block| block.column.kind == Kind::Variant) {
                return self.hold(made, bounds);
            }
            float = true;
        }
    }

    /// The sum.
    ///
    /// # Errors
    ///
    /// No such columns; values that are no numbers; a result beyond INT64: also of the others here.
    pub fn add(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        let operation = Operation { whole: i64::checked_add, float: |a, b| a + b, always_float: false };
        self.calculate(left, right, &operation, bounds)
    }

    /// The difference.
    ///
    /// # Errors
    ///
    /// As [`Session::add`].
    pub fn subtract(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        let operation = Operation { whole: i64::checked_sub, float: |a, b| a - b, always_float: false };
        self.calculate(left, right, &operation, bounds)
    }

    /// The product.
    ///
    /// # Errors
    ///
    /// As [`Session::add`].
    pub fn multiply(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        let operation = Operation { whole: i64::checked_mul, float: |a, b| a * b, always_float: false };
        self.calculate(left, right, &operation, bounds)
    }

    /// The quotient, as FLOAT64.
    ///
    /// # Errors
    ///
    /// As [`Session::add`].
    pub fn divide(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        let operation = Operation { whole: |_, _| None, float: |a, b| a / b, always_float: true };
        self.calculate(left, right, &operation, bounds)
    }

    /// The remainder, with the sign of the left number.
    ///
    /// # Errors
    ///
    /// As [`Session::add`]; of whole numbers that by 0.
    pub fn remainder(&mut self, left: u32, right: u32, bounds: &Bounds) -> Result<u32> {
        let operation = Operation { whole: i64::checked_rem, float: |a, b| a % b, always_float: false };
        self.calculate(left, right, &operation, bounds)
    }
}

fn number(row: usize, cell: Cell<'_>) -> Result<f64> {
    match cell {
        Cell::Int(value) | Cell::Instant(value) => Ok(value as f64),
        Cell::Float(value) => Ok(value),
        other => Err(wanted(row, other, "a number")),
    }
}
