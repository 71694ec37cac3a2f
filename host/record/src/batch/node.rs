//! An entry of the directory, as it stands in the bytes and as numbers.

use super::layout::{FLAG_CONSTANT, FLAG_PRESENT, FLAG_VALID, NODE_LEN, Role};

/// The bytes of an entry.
pub(super) type NodeBytes = [u8; NODE_LEN];

/// An entry of the directory; its numbers are not checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// See [`super::layout::Kind`].
    pub(super) kind: u8,
    /// See the `FLAG_` constants.
    pub(super) flags: u8,
    pub(super) role: Role,
    /// 0, for a later version.
    pub(super) reserved: u8,
    /// Where the name begins, and its bytes.
    pub(super) name: (u32, u32),
    /// Logical rows.
    pub(super) rows: u32,
    /// Direct children, whose entries follow.
    pub(super) children: u32,
    /// Where the validity bitmap begins, if the flags say that there is one.
    pub(super) valid: u32,
    /// Where the presence bitmap begins, if the flags say that there is one.
    pub(super) present: u32,
    /// Where the data begins, and its bytes.
    pub(super) data: (u32, u32),
    /// Place of a block's schema.
    pub(super) aux: u32,
}

impl Node {
    /// Reads an entry.
    #[inline]
    pub(super) fn read(bytes: &NodeBytes) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            kind: bytes[0],
            flags: bytes[1],
            role: Role(bytes[2]),
            reserved: bytes[3],
            name: (word(4), word(8)),
            rows: word(12),
            children: word(16),
            valid: word(20),
            present: word(24),
            data: (word(28), word(32)),
            aux: word(36),
        }
    }

    /// The entry's bytes.
    #[inline]
    pub(super) fn bytes(&self) -> NodeBytes {
        let mut bytes = [0; NODE_LEN];
        bytes[..4].copy_from_slice(&[self.kind, self.flags, self.role.0, self.reserved]);
        let words = [
            self.name.0,
            self.name.1,
            self.rows,
            self.children,
            self.valid,
            self.present,
            self.data.0,
            self.data.1,
            self.aux,
        ];
        for (word, at) in words.into_iter().zip((4..).step_by(4)) {
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Whether one physical row stands for all.
    #[inline]
    pub(super) fn constant(&self) -> bool {
        self.flags & FLAG_CONSTANT != 0
    }

    /// Whether there is a validity bitmap.
    #[inline]
    pub(super) fn has_valid(&self) -> bool {
        self.flags & FLAG_VALID != 0
    }

    /// Whether there is a presence bitmap.
    #[inline]
    pub(super) fn has_present(&self) -> bool {
        self.flags & FLAG_PRESENT != 0
    }

    /// Whether there are flags that this version does not know.
    #[inline]
    pub(super) fn is_unknown(&self) -> bool {
        self.flags & !(FLAG_CONSTANT | FLAG_VALID | FLAG_PRESENT) != 0 || self.reserved != 0
    }

    /// Rows that are stored.
    #[inline]
    pub(super) fn physical_rows(&self) -> usize {
        if self.constant() { 1 } else { self.rows as usize }
    }
}

/// Where the entry behind a column and all that is below it stands.
#[inline]
pub(super) fn end_of(nodes: &[NodeBytes], first: usize) -> usize {
    let (mut next, mut left) = (first, 1);
    while left != 0 {
        left = left - 1 + Node::read(&nodes[next]).children as usize;
        next += 1;
    }
    next
}
