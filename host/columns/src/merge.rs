//! Columns that refer to the schemas of one table, for another.

use std::sync::Arc;

use millstream_record::Schema;
use millstream_record::batch::{Column, ColumnBuilder, HeadersBuilder, Kind, SchemaTable};

use crate::error::Result;

/// Whether the column, or one below it, may refer to schemas by their places.
fn refers(column: &Column<'_>) -> bool {
    matches!(column.kind, Kind::Variant | Kind::Headers) || column.children.iter().any(refers)
}

/// A column whose schemas stand in `from`, with those of `to` in their place.
pub(crate) fn rebased(
    column: &Column<'static>,
    schema: Option<&Arc<Schema>>,
    from: &SchemaTable<'static>,
    to: &mut SchemaTable<'static>,
) -> Result<Column<'static>> {
    if !refers(column) {
        return Ok(column.clone());
    }
    let mut builder = schema.map_or_else(ColumnBuilder::new, ColumnBuilder::for_schema);
    for row in 0..column.rows as usize {
        builder.push(&column.value(row, schema, from), to)?;
    }
    Ok(builder.finish())
}

/// As [`rebased`], of headers.
pub(crate) fn rebased_headers(
    column: &Column<'static>,
    from: &SchemaTable<'static>,
    to: &mut SchemaTable<'static>,
) -> Result<Column<'static>> {
    let mut builder = HeadersBuilder::default();
    for row in 0..column.rows as usize {
        for header in column.headers(row) {
            let (schema, value) = header.datum(from);
            builder.push(header.key, schema.as_ref(), &value, to)?;
        }
        builder.end_row();
    }
    Ok(builder.finish().unwrap_or_else(|| column.clone()))
}
