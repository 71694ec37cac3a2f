//! Groups of the classic protocol: written as version 3, read in every version that Kafka has written without tagged
//! fields (0 to 3).

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    UnreadableRecord,
    fields::{Reader, put_bytes, put_nullable_string, put_string},
};

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
