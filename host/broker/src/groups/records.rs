//! The records of `__consumer_offsets`, byte for byte as Apache Kafka writes them.
//!
//! Keys: version 1 is an offset, version 2 a group. Values are written as version 3 and read in
//! every version that Kafka has written without tagged fields (0 to 3). A null value deletes.

use bytes::{BufMut, Bytes, BytesMut};

/// What a record's key names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RecordKey {
    /// The offset of one group in one partition.
    Offset {
        /// Group id.
        group: String,
        /// Topic name.
        topic: String,
        /// Partition number.
        partition: i32,
    },
    /// The group itself.
    Group {
        /// Group id.
        group: String,
    },
}

/// A committed offset as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredOffset {
    /// Next record to read.
    pub offset: i64,
    /// −1 when unknown.
    pub leader_epoch: i32,
    /// The committer's own words.
    pub metadata: String,
    /// Wall-clock milliseconds.
    pub committed_at_ms: i64,
    /// Only in version 1 values.
    pub expires_at_ms: Option<i64>,
}

/// A group as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredGroup {
    /// `consumer`, `connect`, …; empty for groups that only hold offsets.
    pub protocol_type: String,
    /// Counts completed rebalances.
    pub generation: i32,
    /// The elected protocol.
    pub protocol: Option<String>,
    /// Member id of the leader.
    pub leader: Option<String>,
    /// Wall-clock milliseconds.
    pub state_since_ms: i64,
    /// Members in the order they joined.
    pub members: Vec<StoredMember>,
}

/// A member as stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredMember {
    /// Given by the coordinator.
    pub member_id: String,
    /// Set for static members.
    pub instance_id: Option<String>,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Milliseconds.
    pub rebalance_timeout_ms: i32,
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Metadata for the elected protocol.
    pub subscription: Bytes,
    /// The leader's assignment for this member.
    pub assignment: Bytes,
}

/// Why a record of `__consumer_offsets` cannot be understood.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnreadableRecord {
    /// Written by something newer, or for another kind of group.
    #[error("a record of version {0} is not known here")]
    Version(i16),
    /// Ends early or holds impossible lengths or text.
    #[error("a record of the offsets topic is malformed")]
    Malformed,
}

impl RecordKey {
    /// The key's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Offset { group, topic, partition } => {
                out.put_i16(1);
                put_string(&mut out, group);
                put_string(&mut out, topic);
                out.put_i32(*partition);
            }
            Self::Group { group } => {
                out.put_i16(2);
                put_string(&mut out, group);
            }
        }
        out.freeze()
    }

    /// Reads a key.
    ///
    /// # Errors
    ///
    /// Keys of other kinds of groups are [`UnreadableRecord::Version`] and can be passed over.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        let mut reader = Reader::new(bytes);
        let malformed = UnreadableRecord::Malformed;
        match reader.int16().ok_or(malformed)? {
            0 | 1 => Ok(Self::Offset {
                group: reader.string().ok_or(malformed)?,
                topic: reader.string().ok_or(malformed)?,
                partition: reader.int32().ok_or(malformed)?,
            }),
            2 => Ok(Self::Group { group: reader.string().ok_or(malformed)? }),
            version => Err(UnreadableRecord::Version(version)),
        }
    }
}

/// Reads a record and writes it anew, for the fuzz target; `None` where it is none that is known here.
pub fn rewrite_group_record(key: &[u8], value: &[u8]) -> Option<(Bytes, Bytes)> {
    let key = RecordKey::decode(key).ok()?;
    let value = match &key {
        RecordKey::Offset { .. } => StoredOffset::decode(value).ok()?.encode(),
        RecordKey::Group { .. } => StoredGroup::decode(value).ok()?.encode(),
    };
    Some((key.encode(), value))
}

impl StoredOffset {
    /// The value's bytes: version 3, or 1 when the commit carries an end of its own.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        if let Some(expires_at_ms) = self.expires_at_ms {
            out.put_i16(1);
            out.put_i64(self.offset);
            put_string(&mut out, &self.metadata);
            out.put_i64(self.committed_at_ms);
            out.put_i64(expires_at_ms);
        } else {
            out.put_i16(3);
            out.put_i64(self.offset);
            out.put_i32(self.leader_epoch);
            put_string(&mut out, &self.metadata);
            out.put_i64(self.committed_at_ms);
        }
        out.freeze()
    }

    /// Reads a value of version 0 to 3.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        let mut reader = Reader::new(bytes);
        let malformed = UnreadableRecord::Malformed;
        let version = reader.int16().ok_or(malformed)?;
        if !(0..=3).contains(&version) {
            return Err(UnreadableRecord::Version(version));
        }
        let offset = reader.int64().ok_or(malformed)?;
        let leader_epoch = if version == 3 { reader.int32().ok_or(malformed)? } else { -1 };
        let metadata = reader.string().ok_or(malformed)?;
        let committed_at_ms = reader.int64().ok_or(malformed)?;
        let expires_at_ms = if version == 1 { Some(reader.int64().ok_or(malformed)?) } else { None };
        Ok(Self {
            offset,
            leader_epoch,
            metadata,
            committed_at_ms,
            expires_at_ms: expires_at_ms.filter(|&at| at != -1),
        })
    }
}

impl StoredGroup {
    /// The value's bytes, version 3.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(3);
        put_string(&mut out, &self.protocol_type);
        out.put_i32(self.generation);
        put_nullable_string(&mut out, self.protocol.as_deref());
        put_nullable_string(&mut out, self.leader.as_deref());
        out.put_i64(self.state_since_ms);
        out.put_i32(i32::try_from(self.members.len()).unwrap_or(i32::MAX));
        for member in &self.members {
            put_string(&mut out, &member.member_id);
            put_nullable_string(&mut out, member.instance_id.as_deref());
            put_string(&mut out, &member.client_id);
            put_string(&mut out, &member.client_host);
            out.put_i32(member.rebalance_timeout_ms);
            out.put_i32(member.session_timeout_ms);
            put_bytes(&mut out, &member.subscription);
            put_bytes(&mut out, &member.assignment);
        }
        out.freeze()
    }

    /// Reads a value of version 0 to 3.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        let mut reader = Reader::new(bytes);
        let malformed = UnreadableRecord::Malformed;
        let version = reader.int16().ok_or(malformed)?;
        if !(0..=3).contains(&version) {
            return Err(UnreadableRecord::Version(version));
        }
        Self::decode_fields(&mut reader, version).ok_or(malformed)
    }

    fn decode_fields(reader: &mut Reader<'_>, version: i16) -> Option<Self> {
        let protocol_type = reader.string()?;
        let generation = reader.int32()?;
        let protocol = reader.nullable_string()?;
        let leader = reader.nullable_string()?;
        let state_since_ms = if 2 <= version { reader.int64()? } else { -1 };
        let count = reader.count(18)?;
        let mut members = Vec::with_capacity(count);
        for _ in 0..count {
            let member_id = reader.string()?;
            let instance_id = if version == 3 { reader.nullable_string()? } else { None };
            let client_id = reader.string()?;
            let client_host = reader.string()?;
            let rebalance = if 1 <= version { Some(reader.int32()?) } else { None };
            let session_timeout_ms = reader.int32()?;
            members.push(StoredMember {
                member_id,
                instance_id,
                client_id,
                client_host,
                rebalance_timeout_ms: rebalance.unwrap_or(session_timeout_ms),
                session_timeout_ms,
                subscription: reader.bytes()?,
                assignment: reader.bytes()?,
            });
        }
        Some(Self { protocol_type, generation, protocol, leader, state_since_ms, members })
    }
}

fn put_string(out: &mut BytesMut, text: &str) {
    put_nullable_string(out, Some(text));
}

/// Texts here came through int16-length fields or are cut: ids and metadata are checked on arrival.
fn put_nullable_string(out: &mut BytesMut, text: Option<&str>) {
    match text {
        None => out.put_i16(-1),
        Some(text) => {
            let mut end = text.len().min(i16::MAX as usize);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            out.put_i16(i16::try_from(end).unwrap_or(i16::MAX));
            out.put_slice(&text.as_bytes()[..end]);
        }
    }
}

fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(bytes);
}

/// Reads Kafka's fixed-length primitives; every method is `None` at the end of the bytes.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    /// INT16.
    pub fn int16(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// INT32.
    pub fn int32(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// INT64.
    pub fn int64(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    /// An array's length, refused when that many elements of `smallest` bytes do not fit.
    pub fn count(&mut self, smallest: usize) -> Option<usize> {
        let count = usize::try_from(self.int32()?).ok()?;
        (count.checked_mul(smallest)? <= self.rest.len()).then_some(count)
    }

    /// STRING.
    pub fn string(&mut self) -> Option<String> {
        self.nullable_string()?
    }

    /// NULLABLE_STRING.
    pub fn nullable_string(&mut self) -> Option<Option<String>> {
        let len = self.int16()?;
        if len == -1 {
            return Some(None);
        }
        let bytes = self.take(usize::try_from(len).ok()?)?;
        Some(Some(String::from_utf8(bytes.to_vec()).ok()?))
    }

    /// BYTES; null counts as empty.
    pub fn bytes(&mut self) -> Option<Bytes> {
        let len = self.int32()?;
        if len == -1 {
            return Some(Bytes::new());
        }
        Some(Bytes::copy_from_slice(self.take(usize::try_from(len).ok()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_key_and_value_have_kafkas_bytes() {
        let key = RecordKey::Offset { group: "g".into(), topic: "orders".into(), partition: 3 };
        let key_bytes = b"\x00\x01\x00\x01g\x00\x06orders\x00\x00\x00\x03";
        assert_eq!(key.encode(), key_bytes.as_slice());
        assert_eq!(RecordKey::decode(key_bytes), Ok(key));

        let value = StoredOffset {
            offset: 42,
            leader_epoch: 5,
            metadata: "m".into(),
            committed_at_ms: 1_700_000_000_000,
            expires_at_ms: None,
        };
        let value_bytes =
            b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x05\x00\x01m\x00\x00\x01\x8b\xcf\xe5\x68\x00";
        assert_eq!(value.encode(), value_bytes.as_slice());
        assert_eq!(StoredOffset::decode(value_bytes), Ok(value));
    }

    #[test]
    fn an_offset_value_with_an_end_of_its_own_is_version_one() {
        let value_bytes = b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03";
        let value = StoredOffset {
            offset: 1,
            leader_epoch: -1,
            metadata: String::new(),
            committed_at_ms: 2,
            expires_at_ms: Some(3),
        };
        assert_eq!(value.encode(), value_bytes.as_slice());
        assert_eq!(StoredOffset::decode(value_bytes), Ok(value));
    }

    #[test]
    fn a_group_key_and_value_have_kafkas_bytes() {
        let key = RecordKey::Group { group: "g".into() };
        assert_eq!(key.encode(), b"\x00\x02\x00\x01g".as_slice());
        assert_eq!(RecordKey::decode(b"\x00\x02\x00\x01g"), Ok(key));

        let value = StoredGroup {
            protocol_type: "consumer".into(),
            generation: 7,
            protocol: Some("range".into()),
            leader: Some("m1".into()),
            state_since_ms: 9,
            members: vec![StoredMember {
                member_id: "m1".into(),
                instance_id: None,
                client_id: "c".into(),
                client_host: "/1.2.3.4".into(),
                rebalance_timeout_ms: 60_000,
                session_timeout_ms: 10_000,
                subscription: Bytes::from_static(b"S"),
                assignment: Bytes::from_static(b"A"),
            }],
        };
        let bytes: &[u8] =
            b"\x00\x03\x00\x08consumer\x00\x00\x00\x07\x00\x05range\x00\x02m1\x00\x00\x00\x00\x00\x00\x00\x09\
            \x00\x00\x00\x01\x00\x02m1\xff\xff\x00\x01c\x00\x08/1.2.3.4\x00\x00\xea\x60\x00\x00\x27\x10\
            \x00\x00\x00\x01S\x00\x00\x00\x01A";
        assert_eq!(value.encode(), bytes);
        assert_eq!(StoredGroup::decode(bytes), Ok(value));
    }

    #[test]
    fn cut_off_and_foreign_records_are_refused() {
        assert_eq!(RecordKey::decode(b"\x00\x03\x00\x01g"), Err(UnreadableRecord::Version(3)));
        assert_eq!(RecordKey::decode(b"\x00\x02\x00\x05g"), Err(UnreadableRecord::Malformed));
        let many_members =
            b"\x00\x03\x00\x00\x00\x00\x00\x07\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x09\x7f\xff\xff\xff";
        assert_eq!(StoredGroup::decode(many_members), Err(UnreadableRecord::Malformed));
    }
}
