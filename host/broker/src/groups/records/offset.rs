//! Committed offsets: written as version 4, read in every version that Kafka has written (0 to 4).

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{
    UnreadableRecord,
    fields::{Reader, Tags, put_compact_string},
};

/// The tag of the id of the offset's topic.
const TOPIC_ID: u32 = 0;

/// The tag of an end of its own, in milliseconds. It is ours: version 1, in which Kafka writes such an offset, has no
/// room for the id of the topic. Who does not know the tag passes it over, and the offset lives as long as others.
const EXPIRES_AT: u32 = 1000;

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
    /// Wall-clock milliseconds, where the committer has said how long the offset is to live.
    pub expires_at_ms: Option<i64>,
    /// The topic's id, which tells it from another of its name; `None` before version 4.
    pub topic_id: Option<Uuid>,
}

impl StoredOffset {
    /// The value's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(4);
        out.put_i64(self.offset);
        out.put_i32(self.leader_epoch);
        put_compact_string(&mut out, &self.metadata);
        out.put_i64(self.committed_at_ms);
        let mut tags = Tags::default();
        if let Some(id) = self.topic_id {
            tags.add(TOPIC_ID, id.as_bytes());
        }
        if let Some(at_ms) = self.expires_at_ms {
            tags.add(EXPIRES_AT, &at_ms.to_be_bytes());
        }
        tags.put(&mut out);
        out.freeze()
    }

    /// Reads a value of version 0 to 4.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        let mut reader = Reader::new(bytes);
        let version = reader.int16().ok_or(UnreadableRecord::Malformed)?;
        match version {
            0..=3 => Self::decode_fixed(&mut reader, version).ok_or(UnreadableRecord::Malformed),
            4 => Self::decode_flexible(&mut reader).ok_or(UnreadableRecord::Malformed),
            other => Err(UnreadableRecord::Version(other)),
        }
    }

    fn decode_fixed(reader: &mut Reader<'_>, version: i16) -> Option<Self> {
        let offset = reader.int64()?;
        let leader_epoch = if version == 3 { reader.int32()? } else { -1 };
        let metadata = reader.string()?;
        let committed_at_ms = reader.int64()?;
        let expires_at_ms = if version == 1 { Some(reader.int64()?).filter(|&at_ms| at_ms != -1) } else { None };
        Some(Self { offset, leader_epoch, metadata, committed_at_ms, expires_at_ms, topic_id: None })
    }

    fn decode_flexible(reader: &mut Reader<'_>) -> Option<Self> {
        let mut stored = Self {
            offset: reader.int64()?,
            leader_epoch: reader.int32()?,
            metadata: reader.compact_string()?,
            committed_at_ms: reader.int64()?,
            expires_at_ms: None,
            topic_id: None,
        };
        reader.tags(|tag, field| {
            match tag {
                TOPIC_ID => stored.topic_id = Some(field.uuid()?).filter(|id| !id.is_nil()),
                EXPIRES_AT => stored.expires_at_ms = Some(field.int64()?),
                _ => {}
            }
            Some(())
        })?;
        Some(stored)
    }
}
