//! Rows that are lists, maps of any keys, or structs.

use super::{ColumnBuilder, MAX_NESTING, Store};

impl ColumnBuilder {
    /// Begins a list row and returns the builder for its elements; `None` if the column holds other
    /// things. End it with [`ColumnBuilder::end_list`].
    pub fn begin_list(&mut self) -> Option<&mut ColumnBuilder> {
        if let Store::Nulls = self.store
            && self.depth < MAX_NESTING
        {
            let elements = Box::new(Self::at_depth(self.depth + 1));
            self.store = Store::List(vec![0; (self.rows + 1) * 4], elements);
        }
        match &mut self.store {
            Store::List(_, elements) => Some(elements),
            _ => None,
        }
    }

    /// Ends a list row.
    pub fn end_list(&mut self) {
        if let Store::List(offsets, elements) = &mut self.store {
            offsets.extend_from_slice(&(elements.rows as u32).to_le_bytes());
            self.accept();
        }
    }

    /// The builders for keys and values of a map row, for columns of a map schema. Append as many
    /// rows to both, then call [`ColumnBuilder::end_map`].
    pub fn begin_map(&mut self) -> Option<(&mut ColumnBuilder, &mut ColumnBuilder)> {
        match &mut self.store {
            Store::Map(_, entries) => Some((&mut entries.0, &mut entries.1)),
            _ => None,
        }
    }

    /// Ends a map row.
    pub fn end_map(&mut self) {
        if let Store::Map(offsets, entries) = &mut self.store {
            offsets.extend_from_slice(&(entries.0.rows as u32).to_le_bytes());
            self.accept();
        }
    }

    /// The builders of a struct's fields, for columns of a struct schema. Append a row to each, then
    /// call [`ColumnBuilder::end_struct`].
    pub fn begin_struct(&mut self) -> Option<&mut [ColumnBuilder]> {
        match &mut self.store {
            Store::Struct(_, fields) => Some(fields),
            _ => None,
        }
    }

    /// Ends a struct row; fields that got no value are null.
    pub fn end_struct(&mut self) {
        let rows = self.rows + 1;
        if let Store::Struct(_, fields) = &mut self.store {
            for field in fields.iter_mut().filter(|field| field.rows < rows) {
                field.push_null();
            }
            self.accept();
        }
    }
}
