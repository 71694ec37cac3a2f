//! Rows that are maps: each member is a column of its own.

use std::collections::HashMap;

use super::{ColumnBuilder, MAX_NESTING, Store};
use crate::batch::schemas::SchemaTable;

/// Members that a schemaless map may have before its column falls back to variants.
const MAX_MEMBERS: usize = 256;
/// Members from which on a hash map finds them.
const MANY_MEMBERS: usize = 12;
/// Cells that rows may leave empty in a column of maps, beside those of [`EMPTY_FOR_EACH`] member that they have. A map
/// that is mostly unlike the others costs as much as all their members; beyond this it is cheaper as a variant.
const EMPTY_CELLS: usize = 16_384;
/// See [`EMPTY_CELLS`].
const EMPTY_FOR_EACH: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    pub list: Vec<(String, ColumnBuilder)>,
    /// What stood before the value of each member; see [`ColumnBuilder::expected_member`].
    leads: Vec<Lead>,
    index: HashMap<String, usize>,
    /// Cells, at all levels beneath, that rows left empty.
    pub empty: usize,
    /// Members that rows had.
    filled: usize,
}

impl Members {
    fn are_sparse(&self) -> bool {
        EMPTY_CELLS + EMPTY_FOR_EACH * self.filled < self.empty
    }

    fn find(&mut self, name: &str, rows: usize, depth: usize) -> Option<usize> {
        let found = if self.list.len() < MANY_MEMBERS {
            self.list.iter().position(|(other, _)| other == name)
        } else {
            if self.index.is_empty() {
                self.index = self.list.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
            }
            self.index.get(name).copied()
        };
        if found.is_some() {
            return found;
        }
        if self.list.len() == MAX_MEMBERS {
            return None;
        }
        let mut member = ColumnBuilder::at_depth(depth + 1);
        self.empty += member.push_absent(rows);
        if !self.index.is_empty() {
            self.index.insert(name.to_owned(), self.list.len());
        }
        self.list.push((name.to_owned(), member));
        Some(self.list.len() - 1)
    }
}

/// Text that stands before a member's value, padded with zeros; none if it is empty.
#[derive(Clone, Debug, Default)]
struct Lead {
    text: [u8; Lead::MOST],
    len: usize,
}

impl Lead {
    /// Longer ones are not remembered.
    const MOST: usize = 32;

    fn of(text: &[u8]) -> Self {
        let mut lead = Self::default();
        if text.len() <= Self::MOST {
            lead.text[..text.len()].copy_from_slice(text);
            lead.len = text.len();
        }
        lead
    }

    /// Whether there is one, and the text begins with it.
    #[inline]
    fn begins(&self, text: &[u8]) -> bool {
        if self.len == 0 {
            return false;
        }
        let Some(text) = text.first_chunk::<{ Self::MOST }>() else {
            return text.starts_with(&self.text[..self.len]);
        };
        // In words, for which no function has to be called.
        let (ours, theirs) = (self.text.as_chunks::<8>().0, text.as_chunks::<8>().0);
        let mut left = self.len;
        for (ours, theirs) in ours.iter().zip(theirs) {
            let differ = u64::from_le_bytes(*ours) ^ u64::from_le_bytes(*theirs);
            if left <= 8 {
                return differ << (64 - 8 * left) == 0;
            }
            if differ != 0 {
                return false;
            }
            left -= 8;
        }
        true
    }
}

/// Remembers where in a map the reader is, since rows of one shape name their members in one order.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectCursor {
    next: usize,
}

impl ColumnBuilder {
    /// Begins a map row; `None` if the column holds other things, so that the row has to be a
    /// variant. Follow with [`ColumnBuilder::member`] and a value each, then
    /// [`ColumnBuilder::end_object`].
    pub fn begin_object(&mut self) -> Option<ObjectCursor> {
        if let Store::Nulls = self.store
            && self.depth < MAX_NESTING
        {
            self.store = Store::Object(Members::default());
        }
        matches!(self.store, Store::Object(_)).then(ObjectCursor::default)
    }

    /// The builder of a member, to which exactly one row is to be appended. Of two members of one
    /// name the last wins.
    ///
    /// `None` if there are too many different members: take the row back with
    /// [`ColumnBuilder::abandon_object`] and write it as a variant.
    pub fn member(&mut self, cursor: &mut ObjectCursor, name: &str) -> Option<&mut ColumnBuilder> {
        let (rows, depth) = (self.rows, self.depth);
        let Store::Object(members) = &mut self.store else { return None };
        let at = match members.list.get(cursor.next) {
            Some((expected, _)) if expected == name => cursor.next,
            _ => members.find(name, rows, depth)?,
        };
        cursor.next = at + 1;
        let member = &mut members.list[at].1;
        if rows < member.rows {
            member.truncate(rows);
        }
        Some(member)
    }

    /// The builder of the member that follows in rows of the usual shape, if `text` begins with what stood before that
    /// member's value in an earlier row; and how long that is. Spares readers of text to look at names and punctuation
    /// which repeat from row to row. Otherwise as [`ColumnBuilder::member`].
    #[inline]
    pub fn expected_member(&mut self, cursor: &mut ObjectCursor, text: &[u8]) -> Option<(usize, &mut ColumnBuilder)> {
        let rows = self.rows;
        let Store::Object(members) = &mut self.store else { return None };
        let lead = members.leads.get(cursor.next).filter(|lead| lead.begins(text))?;
        let member = &mut members.list[cursor.next].1;
        cursor.next += 1;
        if rows < member.rows {
            member.truncate(rows);
        }
        Some((lead.len, member))
    }

    /// As [`ColumnBuilder::member`]; remembers `lead` for [`ColumnBuilder::expected_member`]: all text between the value
    /// before, or the beginning of the map, and this member's value.
    pub fn member_after(&mut self, cursor: &mut ObjectCursor, name: &str, lead: &[u8]) -> Option<&mut ColumnBuilder> {
        self.member(cursor, name)?;
        let Store::Object(members) = &mut self.store else { return None };
        // Leads of members that come in another order than the first time are not of use.
        if members.leads.len() + 1 == cursor.next {
            members.leads.push(Lead::of(lead));
        }
        Some(&mut members.list[cursor.next - 1].1)
    }

    /// Ends a map row.
    pub fn end_object(&mut self) {
        let rows = self.rows + 1;
        if let Store::Object(members) = &mut self.store {
            let mut missing = 0;
            for (_, member) in &mut members.list {
                if member.rows < rows {
                    members.empty += member.push_absent(rows - member.rows);
                    missing += 1;
                }
            }
            members.filled += members.list.len() - missing;
            self.accept();
        }
    }

    /// As [`ColumnBuilder::end_object`]; if the maps of the column have mostly different members, they are variants from
    /// now on.
    ///
    /// Structs must not be in the column; [`ColumnBuilder::push`] has no such rule.
    pub fn end_schemaless_object(&mut self) {
        self.end_object();
        self.give_up_sparse(&mut SchemaTable::default());
    }

    pub(super) fn give_up_sparse(&mut self, schemas: &mut SchemaTable<'_>) {
        if matches!(&self.store, Store::Object(members) if members.are_sparse()) {
            self.become_variant(schemas);
        }
    }

    /// Takes back the members of a map row that has not ended.
    pub fn abandon_object(&mut self) {
        let rows = self.rows;
        if let Store::Object(members) = &mut self.store {
            members.list.iter_mut().for_each(|(_, member)| member.truncate(rows));
        }
    }
}
