//! The batch: records as one flat buffer of columns, the form they have everywhere.
//!
//! [`Batch`] is a buffer that is known to be valid. [`Table`] is a batch opened: its columns as a
//! tree, to be read and edited, and written as a batch again. [`ColumnBuilder`] and [`UnionBuilder`]
//! make columns row by row. The bytes are specified in `batch.md` beside the plugin contract.

pub mod bits;
mod builder;
mod check;
mod column;
mod headers;
mod invalid;
mod layout;
mod node;
mod read;
mod schema_codec;
mod schemas;
mod table;
mod text;
mod union_builder;
mod validate;
pub mod variant;
mod variant_edit;
mod write;

use bytes::Bytes;

pub use builder::{ColumnBuilder, ObjectCursor};
pub use column::{Cells, Column};
pub use headers::{HeaderIter, HeaderRef, HeadersBuilder};
pub use invalid::InvalidBatch;
pub use layout::{Kind, Limits, Role};
pub use schema_codec::InvalidSchemaBytes;
pub use schemas::{SchemaEntry, SchemaTable, intern};
pub use table::{Block, Place, Rewrite, Side, Table, Union};
pub use text::{TextBuilder, text_of};
pub use union_builder::UnionBuilder;
pub use validate::physical_kind;
pub use variant::{CannotEncode, EntryName, InvalidVariant, Variant, VariantBytes, VariantRef};
pub use variant_edit::{EntryEdit, MapEdit, edit_maps};

/// A valid batch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Batch(Bytes);

impl Batch {
    /// Accepts bytes from a stranger after checking all of them.
    ///
    /// Schema numbers in the bytes, which only a host may give, are replaced by this process's own.
    ///
    /// # Errors
    ///
    /// Says what the first part at fault is.
    pub fn validate(mut bytes: Vec<u8>, limits: &Limits) -> Result<Self, InvalidBatch> {
        let numbers = check::check(&bytes, limits)?;
        let table = layout::u32_at(&bytes, 20) as usize;
        for (number, entry) in numbers.iter().zip(bytes[table..].chunks_exact_mut(layout::SCHEMA_ENTRY_LEN)) {
            entry[..4].copy_from_slice(&number.to_le_bytes());
        }
        Ok(Self(bytes.into()))
    }

    /// Takes bytes without a check: bytes that [`Table::write`] made, or that a host passed to a plugin.
    ///
    /// # Safety
    ///
    /// The bytes are a valid batch; in particular its texts are UTF-8, which is not looked at again.
    #[expect(unsafe_code, reason = "guests take what their host has checked")]
    pub unsafe fn trusted(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The batch as it crosses the boundary to a plugin.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, shared.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// Rows, without opening the batch.
    pub fn rows(&self) -> u32 {
        self.0.get(8..12).map_or(0, |rows| layout::u32_at(rows, 0))
    }

    /// Opens the rows and these columns of the envelope alone; keys, values and schemas look empty.
    pub fn outline(&self, roles: &[Role]) -> Table<'_> {
        read::Reader::new(&self.0).outline(roles)
    }

    /// Reads the directory. Nothing is copied: columns and schemas point into the batch.
    pub fn open(&self) -> Table<'_> {
        Table::open(self)
    }
}

/// Text out of a batch: the validator has seen that it is UTF-8.
///
/// To be called only for texts of a [`Column`] of texts, headers or variants, for a [`Variant`], for names in a [`Batch`], and for
/// ASCII: these can only be made out of `&str` or of checked bytes.
#[inline]
#[expect(unsafe_code, reason = "texts are read far more often than they come in")]
fn trusted_str(bytes: &[u8]) -> &str {
    debug_assert!(std::str::from_utf8(bytes).is_ok());
    // SAFETY: every text of a batch is checked when it enters from a stranger (`validate`), and otherwise written from a
    // `&str`. Code outside of this crate cannot put other bytes in the place of a text: the cells of a column cannot be
    // changed, `Column::new` makes none of texts, headers or variants, and what writes variants is private. Rows and
    // offsets that would cut a character are refused: `Column::offsets` ends at the last row, and heaps beyond 32 bits
    // are refused by `end_of_heap` and `write`.
    unsafe { std::str::from_utf8_unchecked(bytes) }
}
