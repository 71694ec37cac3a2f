//! Editing schemaless maps where they stand as variants: entries are kept, left out or replaced without taking the maps
//! apart. What is kept is copied in runs.

use std::borrow::Cow;

use super::{
    column::{Cells, Column, end_of_heap},
    layout::{Kind, u32_at},
    trusted_str,
    variant::{INLINE_NAME, Variant, VariantBytes, tag, value_len},
};
use crate::append;

/// What becomes of an entry of a map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryEdit {
    /// It stays as it is, byte for byte.
    Keep,
    /// It is left out.
    Drop,
    /// It gets another value.
    Replace,
}

/// Decides about the entries of maps.
pub trait MapEdit {
    /// What becomes of entries with this name: the same in every map.
    fn entry(&self, name: &str) -> EntryEdit;

    /// The value that stands in the place of another; none if it cannot tell.
    fn replace(&mut self, value: Variant<'_>) -> Option<&VariantBytes>;

    /// How many entries have to be replaced in each map, if that matters.
    fn replacements(&self) -> Option<u32> {
        None
    }
}

/// Edits every map of a variant column. `None`, and nothing is lost, if a row is null or no map with text keys, or if the
/// edit cannot replace a value or finds too few to replace: then rows have to be looked at one by one.
pub fn edit_maps(column: &Column<'_>, edit: &mut dyn MapEdit) -> Option<Column<'static>> {
    if column.kind != Kind::Variant || column.valid.is_some() {
        return None;
    }
    let names = &column.children[0];
    let by_id: Vec<EntryEdit> = (0..names.rows as usize).map(|id| edit.entry(names.str(id))).collect();
    let rows = column.physical_rows();
    let heap_at = (rows + 1) * 4;
    let mut out = Vec::with_capacity(column.data.len() + column.data.len() / 8);
    out.resize(heap_at, 0);
    for row in 0..rows {
        edit_map(column.bytes(row), &by_id, edit, &mut out)?;
        let end = end_of_heap(out.len() - heap_at);
        out[(row + 1) * 4..(row + 2) * 4].copy_from_slice(&end.to_le_bytes());
    }
    Some(Column {
        cells: Cells { kind: Kind::Variant, constant: column.constant, rows: column.rows, data: Cow::Owned(out) },
        name: Cow::Owned(column.name.clone().into_owned()),
        valid: None,
        present: column.present.clone().map(|bits| Cow::Owned(bits.into_owned())),
        children: vec![names.clone().into_owned()],
    })
}

fn edit_map(map: &[u8], by_id: &[EntryEdit], edit: &mut dyn MapEdit, out: &mut Vec<u8>) -> Option<()> {
    /// Tag, length, count.
    const HEAD: usize = 9;
    if map.first() != Some(&tag::OBJECT) {
        return None;
    }
    let begin = out.len();
    let count = u32_at(map, 5);
    let mut left = count;
    let mut replaced = 0;
    // Bytes from `run` on are kept and not copied yet.
    let (mut run, mut at) = (0, HEAD);
    for _ in 0..count {
        let entry_at = at;
        let id = u16::from_le_bytes([map[at], map[at + 1]]);
        let action = if id == INLINE_NAME {
            let len = u32_at(map, at + 2) as usize;
            at += 6 + len;
            edit.entry(trusted_str(&map[at - len..at]))
        } else {
            at += 2;
            by_id[usize::from(id)]
        };
        let value_at = at;
        at += value_len(&map[at..]);
        match action {
            EntryEdit::Keep => {}
            EntryEdit::Drop => {
                append(&map[run..entry_at], out);
                run = at;
                left -= 1;
            }
            EntryEdit::Replace => {
                append(&map[run..value_at], out);
                run = at;
                append(edit.replace(Variant::trusted(&map[value_at..at]))?.as_slice(), out);
                replaced += 1;
            }
        }
    }
    if edit.replacements().is_some_and(|wanted| wanted != replaced) {
        return None;
    }
    append(&map[run..at], out);
    let len = (out.len() - begin - 5) as u32;
    out[begin + 1..begin + 5].copy_from_slice(&len.to_le_bytes());
    out[begin + 5..begin + 9].copy_from_slice(&left.to_le_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Value,
        batch::{Batch, ColumnBuilder, Limits, SchemaTable, Side, Table, Union},
    };

    /// Leaves `drop` out and replaces texts under `mask`.
    struct Edit {
        wanted: Option<u32>,
        longer: VariantBytes,
    }

    impl Edit {
        fn new(wanted: Option<u32>) -> Self {
            Self { wanted, longer: VariantBytes::of(&"a longer text than before".into()).unwrap() }
        }
    }

    impl MapEdit for Edit {
        fn entry(&self, name: &str) -> EntryEdit {
            match name {
                "drop" => EntryEdit::Drop,
                "mask" => EntryEdit::Replace,
                _ => EntryEdit::Keep,
            }
        }

        fn replace(&mut self, value: Variant<'_>) -> Option<&VariantBytes> {
            (value.tag() == tag::STRING).then_some(&self.longer)
        }

        fn replacements(&self) -> Option<u32> {
            self.wanted
        }
    }

    fn map(entries: &[(&str, Value)]) -> Value {
        Value::Map(entries.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect())
    }

    fn variants(values: &[Value]) -> Column<'static> {
        let mut column = ColumnBuilder::new();
        for value in values {
            column.push_variant(value, &mut SchemaTable::default()).unwrap();
        }
        column.finish()
    }

    #[test]
    fn entries_are_kept_left_out_and_replaced() {
        let inner = map(&[("drop", Value::Int64(1)), ("mask", Value::Null)]);
        let maps = [
            map(&[("drop", "x".into()), ("a", inner.clone()), ("mask", "secret".into())]),
            map(&[("mask", "s".into()), ("b", Value::Boolean(true)), ("drop", inner.clone())]),
            map(&[("b", Value::List(vec![Value::Int64(1)]))]),
            map(&[]),
        ];
        let edited = edit_maps(&variants(&maps), &mut Edit::new(None)).unwrap();
        let masked = || Value::from("a longer text than before");
        let expected = [
            map(&[("a", inner), ("mask", masked())]),
            map(&[("mask", masked()), ("b", Value::Boolean(true))]),
            maps[2].clone(),
            maps[3].clone(),
        ];
        let mut table = Table::new(4);
        table.values = Union::single(None, edited);
        let batch = Batch::validate(table.write(), &Limits::DEFAULT).unwrap();
        let found: Vec<Value> = batch.open().data(Side::Value).into_iter().map(|(_, value)| value).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn names_that_stand_inline_count_too() {
        // More names than a dictionary holds.
        let many: Vec<(String, Value)> = (0..5000).map(|name| (format!("n{name}"), Value::Null)).collect();
        let mut entries: Vec<(&str, Value)> = many.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        entries.push(("mask", "secret".into()));
        entries.push(("drop", "x".into()));
        let edited = edit_maps(&variants(&[map(&entries)]), &mut Edit::new(Some(1))).unwrap();
        entries.pop();
        entries.last_mut().unwrap().1 = "a longer text than before".into();
        assert_eq!(edited.value(0, None, &SchemaTable::default()), map(&entries));
    }

    #[test]
    fn what_cannot_be_edited_in_place_is_left_to_others() {
        let refused = |values: &[Value], wanted| edit_maps(&variants(values), &mut Edit::new(wanted)).is_none();
        assert!(refused(&[map(&[]), Value::Int64(1)], None), "no map");
        assert!(refused(&[map(&[("mask", Value::Int64(1))])], None), "a value that cannot be replaced");
        assert!(refused(&[map(&[("mask", "x".into())]), map(&[])], Some(1)), "a map without the entry");
        let mut column = ColumnBuilder::new();
        column.push_null();
        column.push_variant(&Value::Boolean(true), &mut SchemaTable::default()).unwrap();
        assert!(edit_maps(&column.finish(), &mut Edit::new(None)).is_none(), "a null");
    }
}
