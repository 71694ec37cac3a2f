//! The words in which messages are described to the guard.

use kafka_protocol::messages::ApiKey;

/// In place of the first flexible version: there is none.
pub(super) const NEVER: i16 = i16::MAX;

/// One request or response in all its versions.
#[derive(Debug)]
pub(super) struct Message {
    pub api: ApiKey,
    /// Oldest and newest version described.
    pub versions: (i16, i16),
    /// First version with compact lengths and tagged fields.
    pub flexible_from: i16,
    pub fields: &'static [Field],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// First and last version that has it.
    pub versions: (i16, i16),
    /// Its number in the tagged-field buffer, if it stands there.
    pub tag: Option<u8>,
}

/// How a field is laid out. Whether null is allowed is left to the message types, unless it changes the layout: it
/// costs no memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// So many bytes.
    Fixed(u8),
    /// Length and bytes: int16, or compact.
    Text,
    /// Length and bytes: int32, or compact.
    Bytes,
    /// Its fields, and in flexible versions a tagged-field buffer.
    Struct(&'static [Field]),
    /// A byte, and if that is 1 the struct.
    Optional(&'static [Field]),
    /// Count and elements of so many bytes. Every count is int32, or compact.
    FixedList(u8),
    /// Count and texts.
    TextList,
    /// Count and structs.
    StructList(&'static [Field]),
}

impl Field {
    pub(super) const fn since(mut self, version: i16) -> Self {
        self.versions.0 = version;
        self
    }

    pub(super) const fn until(mut self, version: i16) -> Self {
        self.versions.1 = version;
        self
    }

    pub(super) const fn tag(mut self, tag: u8) -> Self {
        self.tag = Some(tag);
        self
    }

    pub(super) fn is_in(&self, version: i16) -> bool {
        self.versions.0 <= version && version <= self.versions.1
    }
}

pub(super) const fn message(
    api: ApiKey,
    versions: (i16, i16),
    flexible_from: i16,
    fields: &'static [Field],
) -> Message {
    Message { api, versions, flexible_from, fields }
}

/// Words for fields; each exists in every version until it is told otherwise.
macro_rules! words {
    ($($(#[$attribute:meta])* $word:ident($($fields:ident)?) = $kind:expr;)*) => {
        $($(#[$attribute])* pub(super) const fn $word(name: &'static str $(, $fields: &'static [Field])?) -> Field {
            Field { name, kind: $kind, versions: (i16::MIN, i16::MAX), tag: None }
        })*
    };
}

words! {
    int8() = Kind::Fixed(1);
    int16() = Kind::Fixed(2);
    int32() = Kind::Fixed(4);
    int64() = Kind::Fixed(8);
    uuid() = Kind::Fixed(16);
    text() = Kind::Text;
    bytes() = Kind::Bytes;
    structure(fields) = Kind::Struct(fields);
    optional(fields) = Kind::Optional(fields);
    int8s() = Kind::FixedList(1);
    #[expect(dead_code, reason = "no message has such a list yet; a generated one may")]
    int16s() = Kind::FixedList(2);
    int32s() = Kind::FixedList(4);
    int64s() = Kind::FixedList(8);
    uuids() = Kind::FixedList(16);
    texts() = Kind::TextList;
    structures(fields) = Kind::StructList(fields);
}
