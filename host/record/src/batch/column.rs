//! One column: kind, bitmaps, data and children, borrowed from a batch or made anew.

use std::{
    borrow::Cow,
    ops::{Deref, Range},
    sync::Arc,
};

use super::{
    bits,
    layout::{Kind, u32_at},
    schemas::SchemaTable,
    trusted_str,
    variant::Variant,
};
use crate::{Decimal, Schema, SchemaType, Value};

/// What a column holds. It can be looked at through the column, and not be changed: texts are read without a check.
#[derive(Clone, Debug)]
pub struct Cells<'a> {
    /// How `data` and the children are laid out; which of the getters applies.
    pub kind: Kind,
    /// Whether one physical row stands for all rows.
    pub constant: bool,
    /// Logical rows.
    pub rows: u32,
    /// Fixed-width values, bits, offsets, or offsets and heap; see [`Kind`].
    pub data: Cow<'a, [u8]>,
}

/// A column of a batch, opened for reading and editing.
///
/// Rows are *logical*; a constant column keeps one *physical* row that stands for all of them. What
/// the accessors return for a row that is null or absent is unspecified (but never a panic) as long
/// as the row exists. A row beyond the end panics, as with slices.
#[derive(Clone, Debug)]
pub struct Column<'a> {
    pub(super) cells: Cells<'a>,
    /// Name among its siblings; empty where the parent gives it none.
    pub name: Cow<'a, str>,
    /// Bit per physical row: not null. `None`: no row is null.
    pub valid: Option<Cow<'a, [u8]>>,
    /// Bit per physical row: the map has this key. `None`: every map has it.
    pub present: Option<Cow<'a, [u8]>>,
    /// Nested columns.
    pub children: Vec<Column<'a>>,
}

impl<'a> Deref for Column<'a> {
    type Target = Cells<'a>;

    fn deref(&self) -> &Cells<'a> {
        &self.cells
    }
}

/// Where a heap of so many bytes ends, as offsets say it.
///
/// # Panics
///
/// If it has more than 4 GiB: an offset that wrapped could lie inside a character.
#[inline]
pub(super) fn end_of_heap(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a column has at most 4 GiB")
}

impl<'a> Column<'a> {
    /// A column without nulls, name or children. Columns of texts are made by [`Column::strings`] and
    /// [`TextBuilder`](super::TextBuilder), and all by [`ColumnBuilder`](super::ColumnBuilder).
    ///
    /// # Panics
    ///
    /// For a kind that has texts in its data: a text, a variant, headers.
    pub fn new(kind: Kind, rows: u32, data: impl Into<Cow<'a, [u8]>>) -> Self {
        let texts = matches!(kind, Kind::String | Kind::Variant | Kind::Headers);
        assert!(!texts, "a column of {kind:?} is made by a builder");
        Self::raw(kind, rows, data)
    }

    /// A column of any kind, whose data is right.
    pub(super) fn raw(kind: Kind, rows: u32, data: impl Into<Cow<'a, [u8]>>) -> Self {
        let cells = Cells { kind, constant: false, rows, data: data.into() };
        Self { cells, name: "".into(), valid: None, present: None, children: Vec::new() }
    }

    /// The only row of this column in each of so many rows.
    ///
    /// # Panics
    ///
    /// If the column has another number of rows, and is not constant.
    #[must_use]
    pub fn repeated(mut self, rows: u32) -> Self {
        assert_eq!(self.physical_rows(), 1, "one row is repeated");
        self.cells.constant = true;
        self.cells.rows = rows;
        self
    }

    /// The same column with a stored row for each of its rows, none of them standing for others.
    #[must_use]
    pub fn expanded(self) -> Column<'static> {
        let mut column = self.into_owned();
        if column.constant {
            let rows = column.cells.rows;
            column.cells.constant = false;
            column.cells.rows = 1;
            column = column.take(&vec![0; rows as usize]);
        }
        column
    }

    /// The same column with these children.
    #[must_use]
    pub fn with_children(mut self, children: Vec<Self>) -> Self {
        self.children = children;
        self
    }

    /// The same column, its values taken for another kind of the same width.
    ///
    /// # Panics
    ///
    /// If one of the kinds has no fixed width, or they have different ones; not if they are the same kind.
    #[must_use]
    pub fn retyped(mut self, kind: Kind) -> Self {
        let same_width = kind.width().is_some() && self.kind.width() == kind.width();
        assert!(same_width || self.kind == kind, "{:?} is not as wide as {kind:?}", self.kind);
        self.cells.kind = kind;
        self
    }

    /// Nothing but nulls.
    pub fn nulls(rows: u32) -> Self {
        Self::new(Kind::Null, rows, Vec::new())
    }

    /// The same text in every row.
    pub fn constant_str(rows: u32, text: &str) -> Self {
        Self::strings([text]).repeated(rows)
    }

    /// The same 64-bit integer (or instant) in every row.
    pub fn constant_i64(kind: Kind, rows: u32, value: i64) -> Self {
        Self::new(kind, 1, value.to_le_bytes().to_vec()).repeated(rows)
    }

    /// The same 32-bit integer in every row.
    pub fn constant_i32(rows: u32, value: i32) -> Self {
        Self::new(Kind::Int32, 1, value.to_le_bytes().to_vec()).repeated(rows)
    }

    /// Texts, none of them null.
    pub fn strings<'s>(texts: impl IntoIterator<Item = &'s str>) -> Self {
        let (mut offsets, mut heap) = (vec![0; 4], Vec::new());
        for text in texts {
            heap.extend_from_slice(text.as_bytes());
            offsets.extend_from_slice(&end_of_heap(heap.len()).to_le_bytes());
        }
        let rows = end_of_heap(offsets.len() / 4 - 1);
        offsets.append(&mut heap);
        Self::raw(Kind::String, rows, offsets)
    }

    /// 64-bit integers (or instants), none of them null.
    pub fn int64s(kind: Kind, values: impl IntoIterator<Item = i64>) -> Self {
        let values = values.into_iter();
        let mut data = Vec::with_capacity(values.size_hint().0 * 8);
        values.for_each(|value| data.extend_from_slice(&value.to_le_bytes()));
        Self::new(kind, (data.len() / 8) as u32, data)
    }

    /// The same column under a name.
    pub fn named(mut self, name: impl Into<Cow<'a, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Rows that are stored.
    pub fn physical_rows(&self) -> usize {
        if self.constant { 1 } else { self.rows as usize }
    }

    /// Where a logical row is stored.
    #[inline]
    pub fn physical(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    /// Whether the row is null. Rows that are absent from their map count as null.
    #[inline]
    pub fn is_null(&self, row: usize) -> bool {
        let row = self.physical(row);
        self.kind == Kind::Null
            || self.valid.as_ref().is_some_and(|valid| !bits::get(valid, row))
            || self.present.as_ref().is_some_and(|present| !bits::get(present, row))
    }

    /// Whether the row's map has this key.
    #[inline]
    pub fn is_present(&self, row: usize) -> bool {
        let row = self.physical(row);
        self.present.as_ref().is_none_or(|present| bits::get(present, row))
    }

    /// Whether no row is null or absent.
    pub fn is_full(&self) -> bool {
        self.kind != Kind::Null && self.valid.is_none() && self.present.is_none()
    }

    /// The field, member or part of that name; `None` if there is none.
    pub fn child(&self, name: &str) -> Option<&Column<'a>> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The row's value in a column of [`Kind::Bool`].
    #[inline]
    pub fn boolean(&self, row: usize) -> bool {
        bits::get(&self.data, self.physical(row))
    }

    /// The bytes of a fixed-width value.
    #[inline]
    fn fixed<const N: usize>(&self, row: usize) -> [u8; N] {
        let at = self.physical(row) * N;
        self.data[at..at + N].try_into().expect("N bytes")
    }

    /// An 8-bit integer.
    #[inline]
    pub fn int8(&self, row: usize) -> i8 {
        i8::from_le_bytes(self.fixed(row))
    }

    /// A 16-bit integer.
    #[inline]
    pub fn int16(&self, row: usize) -> i16 {
        i16::from_le_bytes(self.fixed(row))
    }

    /// A 32-bit integer.
    #[inline]
    pub fn int32(&self, row: usize) -> i32 {
        i32::from_le_bytes(self.fixed(row))
    }

    /// A 64-bit integer or an instant.
    #[inline]
    pub fn int64(&self, row: usize) -> i64 {
        i64::from_le_bytes(self.fixed(row))
    }

    /// The row's value in a column of [`Kind::Float32`].
    #[inline]
    pub fn float32(&self, row: usize) -> f32 {
        f32::from_le_bytes(self.fixed(row))
    }

    /// The row's value in a column of [`Kind::Float64`].
    #[inline]
    pub fn float64(&self, row: usize) -> f64 {
        f64::from_le_bytes(self.fixed(row))
    }

    /// An integer of any width up to 64 bits, instants included.
    pub fn integer(&self, row: usize) -> Option<i64> {
        match self.kind {
            Kind::Int8 => Some(self.int8(row).into()),
            Kind::Int16 => Some(self.int16(row).into()),
            Kind::Int32 => Some(self.int32(row).into()),
            Kind::Int64 | Kind::Instant => Some(self.int64(row)),
            _ => None,
        }
    }

    /// Offsets of the stored rows, one more than there are: beyond them the heap begins, which is not read as offsets.
    #[inline]
    fn offsets(&self) -> (&[[u8; 4]], &[u8]) {
        let (offsets, heap) = self.data.split_at((self.physical_rows() + 1) * 4);
        (offsets.as_chunks().0, heap)
    }

    /// Where the row lies in the heap, or in the children of a list or map.
    #[inline]
    pub fn range(&self, row: usize) -> Range<usize> {
        range_in(self.offsets().0, self.physical(row))
    }

    /// The bytes behind the offsets.
    #[inline]
    pub fn heap(&self) -> &[u8] {
        self.offsets().1
    }

    /// The row's bytes in the heap: text, bytes, an encoded decimal, variant or header list.
    #[inline]
    pub fn bytes(&self, row: usize) -> &[u8] {
        let (offsets, heap) = self.offsets();
        &heap[range_in(offsets, self.physical(row))]
    }

    /// Text; of a dictionary column too.
    ///
    /// # Panics
    ///
    /// For columns of other kinds.
    #[inline]
    pub fn str(&self, row: usize) -> &str {
        match self.kind {
            Kind::String => trusted_str(self.bytes(row)),
            Kind::Dictionary => {
                let code = u32_at(&self.data, self.physical(row) * 4) as usize;
                self.children[0].str(code)
            }
            kind => panic!("a column of {kind:?} has no texts"),
        }
    }

    /// A decimal's scale and unscaled integer.
    pub fn decimal(&self, row: usize) -> (i32, &[u8]) {
        let bytes = self.bytes(row);
        (i32::from_le_bytes(bytes[..4].try_into().expect("validated")), &bytes[4..])
    }

    /// A variant.
    ///
    /// # Panics
    ///
    /// For columns of other kinds.
    pub fn variant(&self, row: usize) -> Variant<'_> {
        assert!(self.kind == Kind::Variant, "a column of {:?} has no variants", self.kind);
        Variant::trusted(self.bytes(row))
    }

    /// A name of a variant column's dictionary.
    pub fn variant_name(&self, id: u16) -> &str {
        self.children[0].str(usize::from(id))
    }

    /// The row as a tree. `schema` is the column's own, `None` for schemaless data.
    pub fn value(&self, row: usize, schema: Option<&Arc<Schema>>, schemas: &SchemaTable<'_>) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match self.kind {
            Kind::Null | Kind::Headers => Value::Null,
            Kind::Bool => Value::Boolean(self.boolean(row)),
            Kind::Int8 => Value::Int8(self.int8(row)),
            Kind::Int16 => Value::Int16(self.int16(row)),
            Kind::Int32 => Value::Int32(self.int32(row)),
            Kind::Int64 => Value::Int64(self.int64(row)),
            Kind::Float32 => Value::Float32(self.float32(row)),
            Kind::Float64 => Value::Float64(self.float64(row)),
            Kind::String | Kind::Dictionary => Value::String(self.str(row).to_owned()),
            Kind::Bytes => Value::Bytes(self.bytes(row).to_vec()),
            Kind::Decimal => {
                let (scale, unscaled) = self.decimal(row);
                Value::Decimal(Decimal { unscaled: unscaled.to_vec(), scale })
            }
            Kind::Instant => Value::Instant(self.int64(row)),
            Kind::List => {
                let element = match schema.map(|schema| &schema.kind) {
                    Some(SchemaType::Array(element)) => element.as_ref(),
                    _ => None,
                };
                Value::List(self.range(row).map(|at| self.children[0].value(at, element, schemas)).collect())
            }
            Kind::Map => {
                let (key, value) = match schema.map(|schema| &schema.kind) {
                    Some(SchemaType::Map(key, value)) => (key.as_ref(), value.as_ref()),
                    _ => (None, None),
                };
                let entry = |at| (self.children[0].value(at, key, schemas), self.children[1].value(at, value, schemas));
                Value::Map(self.range(row).map(entry).collect())
            }
            Kind::Struct => match schema {
                Some(schema) => {
                    let row = self.physical(row);
                    let slot =
                        |(child, field): (&Column<'_>, &crate::Field)| child.value(row, Some(&field.schema), schemas);
                    Value::Struct(Arc::clone(schema), self.children.iter().zip(schema.fields()).map(slot).collect())
                }
                None => Value::Null,
            },
            Kind::Object => {
                let row = self.physical(row);
                let present = self.children.iter().filter(|child| child.is_present(row));
                Value::Map(
                    present
                        .map(|child| (Value::String(child.name.clone().into_owned()), child.value(row, None, schemas)))
                        .collect(),
                )
            }
            Kind::Variant => self.variant(row).to_value(&|id| self.variant_name(id), &|number| schemas.get(number)),
        }
    }

    /// Origins and child numbers ([`Role::ORIGIN`], [`Role::CHILD`]) of rows that were made of others. `taken` has the origins that
    /// came along with the rows; without it the rows that `parents` names are the origins. Rows of one origin stand
    /// together, since every stage keeps the order.
    pub fn lineage(taken: Option<&Column<'_>>, parents: &[u32]) -> (Column<'static>, Column<'static>) {
        let origins: Vec<i64> = match taken {
            Some(column) => (0..parents.len()).map(|row| column.integer(row).unwrap_or_default()).collect(),
            None => parents.iter().map(|&parent| parent.into()).collect(),
        };
        let (mut origin_bytes, mut child_bytes) = (Vec::new(), Vec::new());
        let mut child = 0_i32;
        for (row, &origin) in origins.iter().enumerate() {
            child = if row.checked_sub(1).is_some_and(|before| origins[before] == origin) { child + 1 } else { 0 };
            origin_bytes.extend_from_slice(&(origin as i32).to_le_bytes());
            child_bytes.extend_from_slice(&child.to_le_bytes());
        }
        let column = |bytes| Column::new(Kind::Int32, parents.len() as u32, bytes);
        (column(origin_bytes), column(child_bytes))
    }

    /// The chosen rows in the order given, as a column of its own.
    pub fn take(&self, rows: &[u32]) -> Column<'static> {
        let len = rows.len() as u32;
        let name = Cow::Owned(self.name.clone().into_owned());
        // Without a row there is nothing for a constant to stand for.
        if self.constant && !rows.is_empty() {
            let mut column = self.clone().into_owned();
            column.cells.rows = len;
            return column;
        }
        let indices = || rows.iter().map(|&row| row as usize);
        let mut taken = Column::raw(self.kind, len, Vec::new());
        taken.name = name;
        taken.valid = bits::take(self.valid.as_deref(), indices());
        taken.present = bits::take(self.present.as_deref(), indices());
        match self.kind {
            Kind::Null => {}
            Kind::Bool => {
                let mut data = bits::filled(rows.len(), false);
                indices().enumerate().for_each(|(to, from)| bits::set(&mut data, to, bits::get(&self.data, from)));
                taken.cells.data = data.into();
            }
            kind if kind.width().is_some() => {
                let width = kind.width().expect("checked by the guard");
                let mut data = Vec::with_capacity(rows.len() * width);
                indices().for_each(|row| data.extend_from_slice(&self.data[row * width..(row + 1) * width]));
                taken.cells.data = data.into();
                taken.children = self.children.iter().map(|child| child.clone().into_owned()).collect();
            }
            kind if kind.is_heap() => {
                let mut data = Vec::with_capacity((rows.len() + 1) * 4);
                data.extend_from_slice(&[0; 4]);
                let mut end = 0;
                indices().for_each(|row| {
                    end += self.range(row).len();
                    data.extend_from_slice(&end_of_heap(end).to_le_bytes());
                });
                indices().for_each(|row| data.extend_from_slice(self.bytes(row)));
                taken.cells.data = data.into();
                taken.children = self.children.iter().map(|child| child.clone().into_owned()).collect();
            }
            Kind::List | Kind::Map => {
                let mut data = Vec::with_capacity((rows.len() + 1) * 4);
                data.extend_from_slice(&[0; 4]);
                let mut elements = Vec::new();
                indices().for_each(|row| {
                    elements.extend(self.range(row).map(|at| at as u32));
                    data.extend_from_slice(&(elements.len() as u32).to_le_bytes());
                });
                taken.cells.data = data.into();
                taken.children = self.children.iter().map(|child| child.take(&elements)).collect();
            }
            _ => taken.children = self.children.iter().map(|child| child.take(rows)).collect(),
        }
        taken
    }

    /// Detaches the column from the batch it was read from.
    pub fn into_owned(self) -> Column<'static> {
        let Cells { kind, constant, rows, data } = self.cells;
        Column {
            cells: Cells { kind, constant, rows, data: Cow::Owned(data.into_owned()) },
            name: Cow::Owned(self.name.into_owned()),
            valid: self.valid.map(|bits| Cow::Owned(bits.into_owned())),
            present: self.present.map(|bits| Cow::Owned(bits.into_owned())),
            children: self.children.into_iter().map(Column::into_owned).collect(),
        }
    }
}

/// Where a stored row lies.
#[inline]
fn range_in(offsets: &[[u8; 4]], row: usize) -> Range<usize> {
    let of = |offset: [u8; 4]| u32::from_le_bytes(offset) as usize;
    of(offsets[row])..of(offsets[row + 1])
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// What safe code may try, to have bytes taken for text which are none.
    #[test]
    fn no_safe_code_makes_a_text_of_bytes_that_are_none() {
        // The bytes are text by chance, so that nothing but the refusal that is meant can refuse them.
        let heap = || [&[0; 4][..], &2_u32.to_le_bytes(), b"ab"].concat();
        let refused = |what: &str, attempt: &dyn Fn()| {
            assert!(catch_unwind(AssertUnwindSafe(attempt)).is_err(), "{what} is not refused");
        };
        for kind in [Kind::String, Kind::Variant, Kind::Headers] {
            refused("data of its own", &|| drop(Column::new(kind, 1, heap())));
        }
        let bytes = Column::new(Kind::Bytes, 1, heap());
        refused("text of bytes", &|| drop(bytes.str(0).to_owned()));
        refused("a variant of bytes", &|| assert_ne!(bytes.variant(0).tag(), 255));
        refused("another kind", &|| drop(bytes.clone().retyped(Kind::String)));
        refused("a dictionary of bytes", &|| {
            let codes = Column::new(Kind::Dictionary, 1, vec![0; 4]).with_children(vec![bytes.clone()]);
            drop(codes.str(0).to_owned());
        });
        assert_eq!(bytes.headers(0).count(), 0);
        // Behind the last offset stands text, which is no offset: here it would be one into the middle of a character.
        let texts = Column::strings(["\0\0\0\0\u{1}\0\0\0ä"]);
        refused("a row beyond the end", &|| drop(texts.str(2).to_owned()));
        refused("the place of a row beyond the end", &|| assert_eq!(texts.range(2), 0..1));
        refused("a row beyond the end, taken", &|| drop(texts.take(&[2])));
        refused("one of several rows, repeated", &|| drop(Column::strings(["a", "b"]).repeated(5)));
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    #[should_panic(expected = "at most 4 GiB")]
    fn an_offset_that_would_wrap_is_refused() {
        let _ = end_of_heap(1 << 32);
    }

    #[test]
    fn a_row_is_repeated_and_a_number_retyped() {
        let column = Column::strings(["ä"]).repeated(3);
        assert_eq!((column.rows, column.str(2)), (3, "ä"));
        let column = Column::int64s(Kind::Int64, [7]).retyped(Kind::Instant);
        assert_eq!((column.kind, column.int64(0)), (Kind::Instant, 7));
    }
}
