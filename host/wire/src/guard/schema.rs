//! The words in which messages are described to the guard.

use kafka_protocol::messages::ApiKey;

/// In place of the first flexible version: there is none.
pub(super) const NEVER: i16 = i16::MAX;

pub(super) const I8: Kind = Kind::Fixed(1);
pub(super) const I16: Kind = Kind::Fixed(2);
pub(super) const I32: Kind = Kind::Fixed(4);
pub(super) const I64: Kind = Kind::Fixed(8);
pub(super) const UUID: Kind = Kind::Fixed(16);
pub(super) const TEXT: Kind = Kind::Text;
pub(super) const BYTES: Kind = Kind::Bytes;

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

/// How a field is laid out. Whether null is allowed is left to the message types: it costs no memory.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// Length and bytes: int16, or compact.
    Text,
    /// Length and bytes: int32, or compact.
    Bytes,
    /// Count and elements: int32, or compact.
    List(&'static Kind),
    /// Its fields, and in flexible versions a tagged-field buffer.
    Struct(&'static [Field]),
    /// A byte, and if that is 1 the struct.
    Optional(&'static [Field]),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub name: &'static str,
    pub kind: Kind,
    /// First and last version that has it.
    pub versions: (i16, i16),
    /// Its number in the tagged-field buffer, if it stands there.
    pub tag: Option<u32>,
}

pub(super) const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, versions: (i16::MIN, i16::MAX), tag: None }
}

pub(super) const fn tagged(tag: u32, name: &'static str, kind: Kind) -> Field {
    Field { name, kind, versions: (i16::MIN, i16::MAX), tag: Some(tag) }
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

    pub(super) fn is_in(&self, version: i16) -> bool {
        self.versions.0 <= version && version <= self.versions.1
    }
}
