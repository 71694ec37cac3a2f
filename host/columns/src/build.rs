//! Making a column row by row.

use millstream_record::batch::bits::BitBuilder;
use millstream_record::batch::{Column, ColumnBuilder, Kind};

use crate::cells::{Cell, Cells, common_rows};
use crate::error::Result;
use crate::held::Held;
use crate::session::Bounds;

/// Rows between two looks at the clock.
const CHECK_EVERY: usize = 1024;

/// A column under construction whose values are scalars.
pub(crate) struct Build {
    pub out: ColumnBuilder,
    present: BitBuilder,
}

impl Build {
    pub fn new() -> Self {
        Self { out: ColumnBuilder::new(), present: BitBuilder::default() }
    }

    /// A null, or nothing where there was nothing.
    pub fn missing(&mut self, cell: Cell<'_>) {
        self.out.push_null();
        self.present.push(cell != Cell::Absent);
    }

    pub fn absent(&mut self) {
        self.missing(Cell::Absent);
    }

    pub fn null(&mut self) {
        self.missing(Cell::Null);
    }

    pub fn text(&mut self, text: &str) {
        self.out.push_str(text);
        self.present.push(true);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.push_bytes(bytes);
        self.present.push(true);
    }

    pub fn int(&mut self, value: i64) {
        self.out.push_int64(value);
        self.present.push(true);
    }

    pub fn float(&mut self, value: f64) {
        self.out.push_float64(value);
        self.present.push(true);
    }

    pub fn boolean(&mut self, value: bool) {
        self.out.push_bool(value);
        self.present.push(true);
    }

    /// The column. Of rows that are all null or absent it has this kind all the same.
    pub fn finish(self, kind: Kind, rows: Option<u32>, schemaless: bool) -> Held {
        let mut column = self.out.finish();
        if column.kind == Kind::Null {
            column = typed_nulls(kind, column.rows);
        }
        let mut held = match rows {
            Some(_) => Held::of(column, None, !schemaless),
            None => Held::constant(column, None, !schemaless),
        };
        held.present = self.present.finish();
        held
    }
}

/// Nulls of a kind, so that their type is known.
pub(crate) fn typed_nulls(kind: Kind, rows: u32) -> Column<'static> {
    let count = rows as usize;
    let mut column = match kind {
        Kind::Bool => Column::new(kind, rows, millstream_record::batch::bits::filled(count, false)),
        Kind::String => Column::strings(std::iter::repeat_n("", count)),
        Kind::Bytes => Column::new(kind, rows, vec![0; (count + 1) * 4]),
        kind => match kind.width() {
            Some(width) => Column::new(kind, rows, vec![0; count * width]),
            None => return Column::nulls(rows),
        },
    };
    if 0 < rows {
        column.valid = Some(millstream_record::batch::bits::filled(count, false).into());
    }
    column
}

/// Calls `each` for every row of what is made of columns; for a constant once. Where a value is missing, what is made is missing, too.
pub(crate) fn map<const N: usize>(
    columns: [&Held; N],
    kind: Kind,
    bounds: &Bounds,
    each: impl FnMut(usize, [Cell<'_>; N], &mut Build) -> Result<()>,
) -> Result<Held> {
    map_every(columns, kind, bounds, CHECK_EVERY, each)
}

/// As [`map`], with a look at the clock after so many rows.
pub(crate) fn map_every<const N: usize>(
    columns: [&Held; N],
    kind: Kind,
    bounds: &Bounds,
    every: usize,
    mut each: impl FnMut(usize, [Cell<'_>; N], &mut Build) -> Result<()>,
) -> Result<Held> {
    let rows = common_rows(&columns)?;
    let cells = columns.map(Cells::new);
    let mut build = Build::new();
    for row in 0..rows.unwrap_or(1) as usize {
        if row % every == 0 {
            bounds.check()?;
        }
        let values = std::array::from_fn(|at| cells[at].get(row));
        if values.contains(&Cell::Null) {
            build.null();
        } else if values.contains(&Cell::Absent) {
            build.absent();
        } else {
            each(row, values, &mut build)?;
        }
    }
    Ok(build.finish(kind, rows, schemaless(&columns)))
}

/// Whether what is made of columns has no schema: nothing that it is made of has one, and something is not made itself.
pub(crate) fn schemaless(columns: &[&Held]) -> bool {
    columns.iter().any(|held| held.is_schemaless()) && columns.iter().all(|held| held.fresh || held.is_schemaless())
}
