//! The records of `__consumer_offsets`, byte for byte as Apache Kafka writes them.
//!
//! The version of a key says what it names. A null value deletes.

mod classic;
mod consumer;
mod fields;
mod offset;

use bytes::{BufMut, Bytes, BytesMut};

use self::fields::put_string;
pub use self::{
    classic::{StoredGroup, StoredMember},
    consumer::{
        Partitions, PartitionsWithEpochs, StoredClassicMember, StoredConsumerGroup, StoredConsumerMember,
        StoredCurrent, StoredRegex, StoredTarget, decode_target, encode_target,
    },
    fields::Reader,
    offset::StoredOffset,
};

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
    /// A group of the classic protocol.
    Group {
        /// Group id.
        group: String,
    },
    /// A group of the consumer protocol, or what belongs to one.
    Consumer {
        /// What of it.
        part: ConsumerPart,
        /// Group id.
        group: String,
        /// Member id or pattern; empty for what a group has once.
        name: String,
    },
}

/// The kinds of records that a group of the consumer protocol has; the number is the key's version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConsumerPart {
    /// The group itself.
    Group = 3,
    /// What earlier releases kept of the topics.
    Topics = 4,
    /// What a member has said of itself.
    Member = 5,
    /// The epoch of the target assignment.
    TargetEpoch = 6,
    /// The target of a member.
    Target = 7,
    /// How far a member has come.
    Current = 8,
    /// The topics that a pattern stands for.
    Regex = 16,
}

impl ConsumerPart {
    const ALL: [Self; 7] =
        [Self::Group, Self::Topics, Self::Member, Self::TargetEpoch, Self::Target, Self::Current, Self::Regex];

    /// Whether a group has one for each member, or pattern.
    fn is_named(self) -> bool {
        matches!(self, Self::Member | Self::Target | Self::Current | Self::Regex)
    }
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
            Self::Consumer { part, group, name } => {
                out.put_i16(*part as i16);
                put_string(&mut out, group);
                if part.is_named() {
                    put_string(&mut out, name);
                }
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
            version => {
                let part = ConsumerPart::ALL.into_iter().find(|part| *part as i16 == version);
                let part = part.ok_or(UnreadableRecord::Version(version))?;
                let group = reader.string().ok_or(malformed)?;
                let name = if part.is_named() { reader.string().ok_or(malformed)? } else { String::new() };
                Ok(Self::Consumer { part, group, name })
            }
        }
    }
}

/// Reads a record and writes it anew, for the fuzz target; `None` where it is none that is known here.
pub fn rewrite_group_record(key: &[u8], value: &[u8]) -> Option<(Bytes, Bytes)> {
    let key = RecordKey::decode(key).ok()?;
    let value = match &key {
        RecordKey::Offset { .. } => StoredOffset::decode(value).ok()?.encode(),
        RecordKey::Group { .. } => StoredGroup::decode(value).ok()?.encode(),
        RecordKey::Consumer { part, .. } => match part {
            ConsumerPart::Group => StoredConsumerGroup::decode(value).ok()?.encode(),
            ConsumerPart::Member => StoredConsumerMember::decode(value).ok()?.encode(),
            ConsumerPart::TargetEpoch => StoredTarget::decode(value).ok()?.encode(),
            ConsumerPart::Target => encode_target(&decode_target(value).ok()?),
            ConsumerPart::Current => StoredCurrent::decode(value).ok()?.encode(),
            ConsumerPart::Regex => StoredRegex::decode(value).ok()?.encode(),
            ConsumerPart::Topics => return None,
        },
    };
    Some((key.encode(), value))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_offset_key_and_value_have_kafkas_bytes() {
        let key = RecordKey::Offset { group: "g".into(), topic: "orders".into(), partition: 3 };
        let key_bytes = b"\x00\x01\x00\x01g\x00\x06orders\x00\x00\x00\x03";
        assert_eq!(key.encode(), key_bytes.as_slice());
        assert_eq!(RecordKey::decode(key_bytes), Ok(key));

        let value = StoredOffset { topic_id: Some(Uuid::from_u128(7)), ..stored(42) };
        let value_bytes =
            b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x05\x02m\x00\x00\x01\x8b\xcf\xe5\x68\x00\
            \x01\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07";
        assert_eq!(value.encode(), value_bytes.as_slice());
        assert_eq!(StoredOffset::decode(value_bytes), Ok(value));
    }

    fn stored(offset: i64) -> StoredOffset {
        StoredOffset {
            offset,
            leader_epoch: 5,
            metadata: "m".into(),
            committed_at_ms: 1_700_000_000_000,
            expires_at_ms: None,
            topic_id: None,
        }
    }

    #[test]
    fn offsets_of_earlier_releases_of_kafka_are_read() {
        let version_3 =
            b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x2a\x00\x00\x00\x05\x00\x01m\x00\x00\x01\x8b\xcf\xe5\x68\x00";
        assert_eq!(StoredOffset::decode(version_3), Ok(stored(42)));
        let version_1 = b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01m\x00\x00\x01\x8b\xcf\xe5\x68\x00\x00\x00\x00\x00\x00\x00\x00\x03";
        let expected = StoredOffset { leader_epoch: -1, expires_at_ms: Some(3), ..stored(1) };
        assert_eq!(StoredOffset::decode(version_1), Ok(expected));
    }

    #[test]
    fn an_offset_with_an_end_of_its_own_keeps_it_and_the_id_of_its_topic() {
        let value = StoredOffset { expires_at_ms: Some(3), topic_id: Some(Uuid::from_u128(1)), ..stored(1) };
        assert_eq!(StoredOffset::decode(&value.encode()), Ok(value));
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
    fn keys_of_consumer_groups_have_kafkas_bytes() {
        let key = |part, name: &str| RecordKey::Consumer { part, group: "g".into(), name: name.into() };
        for (key, bytes) in [
            (key(ConsumerPart::Group, ""), b"\x00\x03\x00\x01g".as_slice()),
            (key(ConsumerPart::Member, "m"), b"\x00\x05\x00\x01g\x00\x01m"),
            (key(ConsumerPart::Regex, "a.*"), b"\x00\x10\x00\x01g\x00\x03a.*"),
        ] {
            assert_eq!(key.encode(), bytes);
            assert_eq!(RecordKey::decode(bytes), Ok(key));
        }
    }

    #[test]
    fn cut_off_and_foreign_records_are_refused() {
        assert_eq!(RecordKey::decode(b"\x00\x09\x00\x01g"), Err(UnreadableRecord::Version(9)));
        assert_eq!(RecordKey::decode(b"\x00\x02\x00\x05g"), Err(UnreadableRecord::Malformed));
        let many_members =
            b"\x00\x03\x00\x00\x00\x00\x00\x07\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x09\x7f\xff\xff\xff";
        assert_eq!(StoredGroup::decode(many_members), Err(UnreadableRecord::Malformed));
    }
}
