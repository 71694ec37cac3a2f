//! A builder becomes the column.

use std::borrow::Cow;

use super::{ColumnBuilder, Store};
use crate::batch::{
    column::{Column, end_of_heap},
    layout::Kind,
};

impl ColumnBuilder {
    /// The rows appended so far. A column without nulls has no validity bitmap, one of nothing but nulls has no data.
    pub fn finish(self) -> Column<'static> {
        let rows = end_of_heap(self.rows);
        let mut column = match self.store {
            Store::Nulls => Column::nulls(rows),
            Store::Bool(data) => Column::new(Kind::Bool, rows, data),
            Store::Fixed(kind, data) => Column::new(kind, rows, data),
            Store::Heap(kind, heap) => Column::raw(kind, rows, heap.into_data()),
            Store::List(offsets, elements) => with_children(Kind::List, rows, offsets, vec![elements.finish()]),
            Store::Map(offsets, entries) => {
                let (keys, values) = *entries;
                with_children(Kind::Map, rows, offsets, vec![keys.finish(), values.finish()])
            }
            Store::Struct(schema, fields) => {
                let named = |(builder, field): (Self, &crate::Field)| builder.finish().named(field.name.clone());
                let children = fields.into_iter().zip(schema.fields()).map(named).collect();
                with_children(Kind::Struct, rows, Vec::new(), children)
            }
            Store::Object(members) => {
                let children = members.list.into_iter().map(|(name, member)| member.finish_member(name)).collect();
                with_children(Kind::Object, rows, Vec::new(), children)
            }
            Store::Variant(heap, names) => {
                let names = Column::strings(names.as_slice().iter().map(String::as_str));
                with_children(Kind::Variant, rows, heap.into_data(), vec![names])
            }
        };
        if column.kind != Kind::Null {
            column.valid = self.valid.finish().map(Cow::Owned);
        }
        column
    }

    fn finish_member(mut self, name: String) -> Column<'static> {
        let present = std::mem::take(&mut self.present).finish();
        let mut column = self.finish().named(name);
        column.present = present.map(Cow::Owned);
        column
    }
}

fn with_children(kind: Kind, rows: u32, data: Vec<u8>, children: Vec<Column<'static>>) -> Column<'static> {
    Column::raw(kind, rows, data).with_children(children)
}
