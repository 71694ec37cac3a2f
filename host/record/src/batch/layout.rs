//! Numbers of the batch format: header, directory entry, kinds, roles, limits. The format is
//! specified in `wit/…/batch.md`; this is the one place that spells its positions out.

/// First bytes of every batch.
pub const MAGIC: [u8; 4] = *b"MSB1";
/// Version of the format that is written.
pub const VERSION: u16 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 32;
/// Bytes of a directory entry.
pub const NODE_LEN: usize = 40;
/// Bytes of an entry of the schema table.
pub const SCHEMA_ENTRY_LEN: usize = 12;
/// Marks "no schema" where a schema's place in the table is expected.
pub const NO_SCHEMA: u32 = u32::MAX;
/// The same in a header's value and inside a variant.
pub const NO_SCHEMA_16: u16 = u16::MAX;
/// Bytes of a batch begin at multiples of this in the buffers that writers place.
pub const ALIGNMENT: usize = 8;
/// The column stands for all rows with one physical row.
pub const FLAG_CONSTANT: u8 = 1;
/// The column has a validity bitmap.
pub const FLAG_VALID: u8 = 2;
/// The column has a presence bitmap (members of schemaless maps only).
pub const FLAG_PRESENT: u8 = 4;

/// How deep columns may nest.
pub const MAX_COLUMN_DEPTH: usize = 64;
/// How deep values inside a variant may nest: Connect's own limit for JSON.
pub const MAX_VARIANT_DEPTH: usize = 1000;
/// How deep schemas may nest.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// Most names in the dictionary of a variant column.
pub const MAX_VARIANT_NAMES: usize = 4096;
/// Most blocks on one side of a batch, since a row names its block in one byte.
pub const MAX_BLOCKS: usize = 255;

/// What a column holds and how it is laid out.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// Nothing but nulls; no buffers.
    Null = 0,
    /// A bit each, the lowest of a byte first.
    Bool = 1,
    /// Bytes, signed.
    Int8 = 2,
    /// 2 bytes each.
    Int16 = 3,
    /// 4 bytes each.
    Int32 = 4,
    /// 8 bytes each.
    Int64 = 5,
    /// 4 bytes each.
    Float32 = 6,
    /// 8 bytes each.
    Float64 = 7,
    /// Offsets and UTF-8.
    String = 8,
    /// Offsets and bytes.
    Bytes = 9,
    /// Offsets and bytes: an i32 scale, then the unscaled integer, big-endian two's complement.
    Decimal = 10,
    /// 8 bytes each: milliseconds since the epoch.
    Instant = 11,
    /// Offsets into one child.
    List = 12,
    /// Offsets into two children, keys and values.
    Map = 13,
    /// One child per field of the schema, in order.
    Struct = 14,
    /// A schemaless map with text keys: one child per key, each with a presence bitmap.
    Object = 15,
    /// Offsets and self-describing values; the child holds the names dictionary.
    Variant = 16,
    /// A u32 per row into the child: text from a dictionary (topics).
    Dictionary = 17,
    /// Offsets and encoded header lists.
    Headers = 18,
}

impl Kind {
    /// The kind of a byte of the directory.
    pub fn from_byte(byte: u8) -> Option<Self> {
        use Kind::*;
        const KINDS: [Kind; 19] = [
            Null, Bool, Int8, Int16, Int32, Int64, Float32, Float64, String, Bytes, Decimal, Instant, List, Map,
            Struct, Object, Variant, Dictionary, Headers,
        ];
        KINDS.get(usize::from(byte)).copied()
    }

    /// Bytes per row of fixed-width kinds; bits, offsets and containers have none.
    pub fn width(self) -> Option<usize> {
        match self {
            Self::Int8 => Some(1),
            Self::Int16 => Some(2),
            Self::Int32 | Self::Float32 | Self::Dictionary => Some(4),
            Self::Int64 | Self::Float64 | Self::Instant => Some(8),
            _ => None,
        }
    }

    /// Whether the data is offsets followed by a heap of bytes.
    pub fn is_heap(self) -> bool {
        matches!(self, Self::String | Self::Bytes | Self::Decimal | Self::Variant | Self::Headers)
    }
}

/// What a top-level column is for. Roles that are not known are kept.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Role(pub u8);

impl Role {
    /// Not a top-level column.
    pub const NONE: Self = Self(0);
    /// Topic: String or Dictionary.
    pub const TOPIC: Self = Self(1);
    /// Kafka partition, nullable Int32.
    pub const PARTITION: Self = Self(2);
    /// Record timestamp, nullable Int64 in milliseconds.
    pub const TIMESTAMP: Self = Self(3);
    /// Int8: 0 none, 1 create time, 2 log append time.
    pub const TIMESTAMP_TYPE: Self = Self(4);
    /// The record's headers; a column of [`Kind::Headers`].
    pub const HEADERS: Self = Self(5);
    /// Source partition: a schemaless map.
    pub const SOURCE_PARTITION: Self = Self(6);
    /// Source offset: a schemaless map.
    pub const SOURCE_OFFSET: Self = Self(7);
    /// Kafka offset, nullable Int64.
    pub const OFFSET: Self = Self(8);
    /// Topic before any transform (sinks).
    pub const ORIGINAL_TOPIC: Self = Self(9);
    /// Kafka partition before any transform (sinks), Int32.
    pub const ORIGINAL_PARTITION: Self = Self(10);
    /// Kafka offset before any transform (sinks), Int64.
    pub const ORIGINAL_OFFSET: Self = Self(11);
    /// Row of the first batch that the row came from, Int32; absent means the same row.
    pub const ORIGIN: Self = Self(12);
    /// Number among the rows that one origin became, Int32; absent means 0.
    pub const CHILD: Self = Self(13);
    /// Bool: rows that are still under way; absent means all.
    pub const SELECTION: Self = Self(14);
    /// Int8 read as unsigned: the key block of each row; absent means block 0.
    pub const KEY_TAGS: Self = Self(15);
    /// The same for values.
    pub const VALUE_TAGS: Self = Self(16);
    /// A block of keys.
    pub const KEY: Self = Self(17);
    /// A block of values.
    pub const VALUE: Self = Self(18);
}

/// Limits that a validator enforces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Most rows of a batch.
    pub max_rows: u32,
    /// Most bytes of a batch.
    pub max_bytes: u32,
    /// Most directory entries.
    pub max_columns: u32,
    /// Most bytes that constant and dictionary columns may stand for when written out.
    pub max_expanded_bytes: u64,
}

impl Limits {
    /// A million rows, 64 MiB, 65,536 columns, 256 MiB written out.
    pub const DEFAULT: Self =
        Self { max_rows: 1 << 20, max_bytes: 64 << 20, max_columns: 1 << 16, max_expanded_bytes: 256 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A little-endian u32; the caller has checked the bounds.
#[inline]
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
