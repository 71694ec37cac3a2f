//! Walking one side of a batch row by row.

use std::sync::Arc;

use millstream_connector::{ByteColumn, Failure, RowError};
use millstream_record::{
    Schema,
    batch::{Batch, Column, Kind, Side, Table},
};

use crate::trees::row_error;

/// One row of a side: its column, the row inside it, and its schema.
pub struct Row<'t, 'a> {
    /// Number of the block; `None` where the side has none, so that every row is null.
    pub block: Option<usize>,
    /// The block's column.
    pub column: Option<&'t Column<'a>>,
    /// Row inside the block.
    pub row: usize,
    /// The block's schema.
    pub schema: Option<&'t Arc<Schema>>,
}

impl Row<'_, '_> {
    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        self.column.is_none_or(|column| column.is_null(self.row))
    }
}

/// Where the side is one column of that kind without nulls: lends its rows, just as they stand, and returns true.
pub fn lend_rows(batch: &Batch, table: &Table<'_>, side: Side, kind: Kind, out: &mut ByteColumn) -> bool {
    let [block] = table.side(side).blocks.as_slice() else { return false };
    let column = &block.column;
    if column.kind != kind || !column.is_full() || column.constant || table.selected() != table.rows as usize {
        return false;
    }
    let heap = column.heap();
    let (offsets, _) = column.data[..column.data.len() - heap.len()].as_chunks();
    let Some(ends) = offsets.get(1..) else { return false };
    out.lend(batch.clone().into_bytes().slice_ref(heap), ends.iter().map(|end| u32::from_le_bytes(*end)));
    true
}

/// Calls `write` for every selected row; appends a null for the others and for rows that fail.
pub fn write_rows<'a>(
    table: &Table<'a>,
    side: Side,
    out: &mut ByteColumn,
    errors: &mut Vec<RowError>,
    mut write: impl FnMut(&Row<'_, 'a>, &mut ByteColumn) -> Result<(), Failure>,
) {
    let union = table.side(side);
    let schemas: Vec<Option<Arc<Schema>>> = union.blocks.iter().map(|block| table.schema_of(block)).collect();
    let all_selected = table.selected() == table.rows as usize;
    for (at, place) in union.places(table.rows as usize).enumerate() {
        if !all_selected && !table.is_selected(at) {
            out.push_null();
            continue;
        }
        let row = match place {
            None => Row { block: None, column: None, row: at, schema: None },
            Some(place) => Row {
                block: Some(place.block),
                column: Some(&union.blocks[place.block].column),
                row: place.row,
                schema: schemas[place.block].as_ref(),
            },
        };
        let before = out.len();
        if let Err(failure) = write(&row, out) {
            out.take_back();
            out.push_null();
            errors.push(row_error(at, failure));
        }
        debug_assert_eq!(out.len(), before + 1, "a row is written once");
    }
}
