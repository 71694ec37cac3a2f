//! Making the keys or values of a batch row by row.

use std::sync::Arc;

use super::{
    builder::ColumnBuilder,
    layout::MAX_BLOCKS,
    schemas::SchemaTable,
    table::{Block, Union},
    variant::CannotEncode,
};
use crate::{Schema, Value};

/// Keys or values under construction.
#[derive(Debug, Default)]
pub struct UnionBuilder {
    tags: Vec<u8>,
    blocks: Vec<(Option<Arc<Schema>>, ColumnBuilder)>,
    last: usize,
}

impl UnionBuilder {
    /// Rows so far, counting one that was asked a builder for.
    pub fn rows(&self) -> usize {
        self.tags.len()
    }

    /// The builder for the next row, which has this schema; append exactly one row to it.
    ///
    /// `None` if the batch has too many different schemas: end it before this row.
    pub fn row(&mut self, schema: Option<&Arc<Schema>>) -> Option<&mut ColumnBuilder> {
        let same = |own: &Option<Arc<Schema>>| match (own, schema) {
            (None, None) => true,
            (Some(own), Some(schema)) => Arc::ptr_eq(own, schema) || own == schema,
            _ => false,
        };
        if !self.blocks.get(self.last).is_some_and(|(own, _)| same(own)) {
            self.last = match self.blocks.iter().position(|(own, _)| same(own)) {
                Some(block) => block,
                None if self.blocks.len() == MAX_BLOCKS => return None,
                None => {
                    let builder = schema.map_or_else(ColumnBuilder::new, ColumnBuilder::for_schema);
                    self.blocks.push((schema.cloned(), builder));
                    self.blocks.len() - 1
                }
            };
        }
        self.tags.push(self.last as u8);
        Some(&mut self.blocks[self.last].1)
    }

    /// Takes back the row that [`UnionBuilder::row`] was last called for, begun or appended.
    pub fn take_back(&mut self) {
        if let Some(block) = self.tags.pop() {
            let rows = self.tags.iter().filter(|&&tag| tag == block).count();
            self.blocks[usize::from(block)].1.truncate(rows);
        }
    }

    /// Appends a row as a tree.
    ///
    /// # Errors
    ///
    /// A value that no batch can carry, or one schema too many; nothing is appended.
    pub fn push(
        &mut self,
        schema: Option<&Arc<Schema>>,
        value: &Value,
        schemas: &mut SchemaTable<'_>,
    ) -> Result<(), CannotEncode> {
        let builder = self.row(schema).ok_or(CannotEncode::TooManySchemas)?;
        let result = builder.push(value, schemas);
        if result.is_err() {
            self.tags.pop();
        }
        result
    }

    /// The union; schemas go to the batch's table.
    ///
    /// # Errors
    ///
    /// A schema that no batch can carry.
    pub fn finish(self, schemas: &mut SchemaTable<'_>) -> Result<Union<'static>, CannotEncode> {
        let tags = (1 < self.blocks.len()).then_some(self.tags.into());
        let block = |(schema, builder): (Option<Arc<Schema>>, ColumnBuilder)| {
            let schema = schema.map(|schema| schemas.place(&schema)).transpose()?;
            Ok(Block { schema, column: builder.finish() })
        };
        let blocks = self.blocks.into_iter().map(block).collect::<Result<_, CannotEncode>>()?;
        Ok(Union { tags, blocks })
    }
}
