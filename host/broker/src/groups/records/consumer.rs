//! Groups of the consumer protocol (KIP-848): a record for the group, and several for each member.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::{
    UnreadableRecord,
    fields::{
        Reader, Tags, put_compact_bytes, put_compact_len, put_compact_nullable_string, put_compact_string, put_no_tags,
    },
};

/// Partitions by the id of their topic.
pub type Partitions = BTreeMap<Uuid, BTreeSet<i32>>;

/// Partitions by the id of their topic, each with the epoch in which it was given to its member.
pub type PartitionsWithEpochs = BTreeMap<Uuid, BTreeMap<i32, i32>>;

/// What is common to all members.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredConsumerGroup {
    /// Counts what makes a new assignment necessary.
    pub epoch: i32,
    /// Tells whether the topics are those of that epoch.
    pub metadata_hash: i64,
}

/// What a member has said of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredConsumerMember {
    /// Set for static members.
    pub instance_id: Option<String>,
    /// Where it is.
    pub rack_id: Option<String>,
    /// As the client calls itself.
    pub client_id: String,
    /// `/` and the address.
    pub client_host: String,
    /// Topics it subscribes to by name.
    pub topics: Vec<String>,
    /// Topics it subscribes to by a pattern; empty for none.
    pub regex: Option<String>,
    /// Milliseconds.
    pub rebalance_timeout_ms: i32,
    /// The assignor it prefers.
    pub assignor: Option<String>,
    /// What a member has said that speaks the classic protocol.
    pub classic: Option<StoredClassicMember>,
}

/// A member of a consumer group that speaks the classic protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredClassicMember {
    /// Milliseconds.
    pub session_timeout_ms: i32,
    /// Names and subscriptions, in its order of preference.
    pub protocols: Vec<(String, Bytes)>,
}

/// Which epoch the target assignment is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StoredTarget {
    /// −1 before the first.
    pub epoch: i32,
    /// Wall-clock milliseconds at which it was computed; 0 where that is not known.
    pub computed_at_ms: i64,
}

/// How far a member has come on the way to its target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredCurrent {
    /// The epoch that the member is in.
    pub epoch: i32,
    /// The one before.
    pub previous_epoch: i32,
    /// Kafka's number.
    pub state: i8,
    /// What it has.
    pub assigned: PartitionsWithEpochs,
    /// What it has to give back.
    pub revoking: PartitionsWithEpochs,
}

/// The topics that a pattern stands for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StoredRegex {
    /// Their names.
    pub topics: BTreeSet<String>,
    /// Of the topics as they were when the pattern was resolved.
    pub version: i64,
    /// Wall-clock milliseconds of that moment.
    pub resolved_at_ms: i64,
}

/// Begins a value of version 0, the only one that there is.
fn begin() -> BytesMut {
    let mut out = BytesMut::new();
    out.put_i16(0);
    out
}

/// Reads a value of version 0 by `read`.
fn value<T>(bytes: &[u8], read: impl FnOnce(&mut Reader<'_>) -> Option<T>) -> Result<T, UnreadableRecord> {
    let mut reader = Reader::new(bytes);
    match reader.int16() {
        Some(0) => read(&mut reader).ok_or(UnreadableRecord::Malformed),
        Some(version) => Err(UnreadableRecord::Version(version)),
        None => Err(UnreadableRecord::Malformed),
    }
}

impl StoredConsumerGroup {
    /// The value's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = begin();
        out.put_i32(self.epoch);
        let mut tags = Tags::default();
        if self.metadata_hash != 0 {
            tags.add(0, &self.metadata_hash.to_be_bytes());
        }
        tags.put(&mut out);
        out.freeze()
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        value(bytes, |reader| {
            let mut stored = Self { epoch: reader.int32()?, metadata_hash: 0 };
            reader.tags(|tag, field| {
                if tag == 0 {
                    stored.metadata_hash = field.int64()?;
                }
                Some(())
            })?;
            Some(stored)
        })
    }
}

impl StoredConsumerMember {
    /// The value's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = begin();
        put_compact_nullable_string(&mut out, self.instance_id.as_deref());
        put_compact_nullable_string(&mut out, self.rack_id.as_deref());
        put_compact_string(&mut out, &self.client_id);
        put_compact_string(&mut out, &self.client_host);
        put_compact_len(&mut out, self.topics.len());
        self.topics.iter().for_each(|topic| put_compact_string(&mut out, topic));
        put_compact_nullable_string(&mut out, self.regex.as_deref());
        out.put_i32(self.rebalance_timeout_ms);
        put_compact_nullable_string(&mut out, self.assignor.as_deref());
        let mut tags = Tags::default();
        if let Some(classic) = &self.classic {
            tags.add(0, &classic.encode());
        }
        tags.put(&mut out);
        out.freeze()
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        value(bytes, |reader| {
            let (instance_id, rack_id) = (reader.compact_nullable_string()?, reader.compact_nullable_string()?);
            let (client_id, client_host) = (reader.compact_string()?, reader.compact_string()?);
            let mut stored = Self {
                instance_id,
                rack_id,
                client_id,
                client_host,
                topics: texts(reader)?,
                regex: reader.compact_nullable_string()?,
                rebalance_timeout_ms: reader.int32()?,
                assignor: reader.compact_nullable_string()?,
                classic: None,
            };
            reader.tags(|tag, field| {
                // A present struct begins with 1, a null one is −1.
                if tag == 0 && field.int8()? == 1 {
                    stored.classic = Some(StoredClassicMember::decode(field)?);
                }
                Some(())
            })?;
            Some(stored)
        })
    }
}

impl StoredClassicMember {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i8(1);
        out.put_i32(self.session_timeout_ms);
        put_compact_len(&mut out, self.protocols.len());
        for (name, metadata) in &self.protocols {
            put_compact_string(&mut out, name);
            put_compact_bytes(&mut out, metadata);
            put_no_tags(&mut out);
        }
        put_no_tags(&mut out);
        out.freeze()
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let session_timeout_ms = reader.int32()?;
        let mut protocols = Vec::new();
        for _ in 0..reader.compact_count(3)? {
            protocols.push((reader.compact_string()?, reader.compact_bytes()?));
            reader.tags(|_, _| Some(()))?;
        }
        Some(Self { session_timeout_ms, protocols })
    }
}

impl StoredTarget {
    /// The value's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = begin();
        out.put_i32(self.epoch);
        let mut tags = Tags::default();
        if self.computed_at_ms != 0 {
            tags.add(0, &self.computed_at_ms.to_be_bytes());
        }
        tags.put(&mut out);
        out.freeze()
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        value(bytes, |reader| {
            let mut stored = Self { epoch: reader.int32()?, computed_at_ms: 0 };
            reader.tags(|tag, field| {
                if tag == 0 {
                    stored.computed_at_ms = field.int64()?;
                }
                Some(())
            })?;
            Some(stored)
        })
    }
}

/// The bytes of a member's target.
pub fn encode_target(partitions: &Partitions) -> Bytes {
    let mut out = begin();
    put_compact_len(&mut out, partitions.len());
    for (topic, indexes) in partitions {
        out.put_slice(topic.as_bytes());
        put_compact_len(&mut out, indexes.len());
        indexes.iter().for_each(|index| out.put_i32(*index));
        put_no_tags(&mut out);
    }
    put_no_tags(&mut out);
    out.freeze()
}

/// Reads a member's target.
///
/// # Errors
///
/// Other versions and cut-off bytes.
pub fn decode_target(bytes: &[u8]) -> Result<Partitions, UnreadableRecord> {
    value(bytes, |reader| {
        let mut partitions = Partitions::new();
        for _ in 0..reader.compact_count(18)? {
            let topic = reader.uuid()?;
            let count = reader.compact_count(4)?;
            let indexes = (0..count).map(|_| reader.int32()).collect::<Option<BTreeSet<i32>>>()?;
            reader.tags(|_, _| Some(()))?;
            partitions.insert(topic, indexes);
        }
        Some(partitions)
    })
}

impl StoredCurrent {
    /// The value's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = begin();
        out.put_i32(self.epoch);
        out.put_i32(self.previous_epoch);
        out.put_i8(self.state);
        for partitions in [&self.assigned, &self.revoking] {
            put_compact_len(&mut out, partitions.len());
            for (topic, epochs) in partitions {
                out.put_slice(topic.as_bytes());
                put_compact_len(&mut out, epochs.len());
                epochs.keys().for_each(|index| out.put_i32(*index));
                let mut field = BytesMut::new();
                put_compact_len(&mut field, epochs.len());
                epochs.values().for_each(|epoch| field.put_i32(*epoch));
                let mut tags = Tags::default();
                tags.add(0, &field);
                tags.put(&mut out);
            }
        }
        put_no_tags(&mut out);
        out.freeze()
    }

    /// Reads a value. Partitions without an epoch of their own have the member's.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        value(bytes, |reader| {
            let (epoch, previous_epoch, state) = (reader.int32()?, reader.int32()?, reader.int8()?);
            let assigned = partitions_with_epochs(reader, epoch)?;
            let revoking = partitions_with_epochs(reader, epoch)?;
            Some(Self { epoch, previous_epoch, state, assigned, revoking })
        })
    }
}

fn partitions_with_epochs(reader: &mut Reader<'_>, otherwise: i32) -> Option<PartitionsWithEpochs> {
    let mut partitions = PartitionsWithEpochs::new();
    for _ in 0..reader.compact_count(18)? {
        let topic = reader.uuid()?;
        let count = reader.compact_count(4)?;
        let indexes = (0..count).map(|_| reader.int32()).collect::<Option<Vec<i32>>>()?;
        let mut epochs = Vec::new();
        reader.tags(|tag, field| {
            if tag == 0 {
                let count = field.compact_count(4)?;
                epochs = (0..count).map(|_| field.int32()).collect::<Option<Vec<i32>>>()?;
            }
            Some(())
        })?;
        epochs.resize(indexes.len(), otherwise);
        partitions.insert(topic, indexes.into_iter().zip(epochs).collect());
    }
    Some(partitions)
}

impl StoredRegex {
    /// The value's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = begin();
        put_compact_len(&mut out, self.topics.len());
        self.topics.iter().for_each(|topic| put_compact_string(&mut out, topic));
        out.put_i64(self.version);
        out.put_i64(self.resolved_at_ms);
        put_no_tags(&mut out);
        out.freeze()
    }

    /// Reads a value.
    ///
    /// # Errors
    ///
    /// Other versions and cut-off bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, UnreadableRecord> {
        value(bytes, |reader| {
            let topics = texts(reader)?.into_iter().collect();
            Some(Self { topics, version: reader.int64()?, resolved_at_ms: reader.int64()? })
        })
    }
}

fn texts(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    (0..reader.compact_count(1)?).map(|_| reader.compact_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn topic() -> Uuid {
        Uuid::from_u128((1 << 64) | 2)
    }

    /// The bytes are those that Apache Kafka 4.3 writes.
    #[test]
    fn values_have_kafkas_bytes() {
        let group = StoredConsumerGroup { epoch: 7, metadata_hash: 9 };
        let bytes = hex("0000000000070100080000000000000009");
        assert_eq!((group.encode(), StoredConsumerGroup::decode(&bytes)), (bytes.into(), Ok(group)));

        let member = StoredConsumerMember {
            instance_id: Some("i".into()),
            rack_id: None,
            client_id: "c".into(),
            client_host: "/h".into(),
            topics: vec!["a".into(), "b".into()],
            regex: Some(String::new()),
            rebalance_timeout_ms: 5,
            assignor: Some("range".into()),
            classic: None,
        };
        let bytes = hex("00000269000263032f68030261026201000000050672616e676500");
        assert_eq!((member.encode(), StoredConsumerMember::decode(&bytes)), (bytes.into(), Ok(member.clone())));
        let protocols = vec![("range".to_owned(), Bytes::from_static(&[1, 2]))];
        let member = StoredConsumerMember {
            instance_id: None,
            rack_id: Some("r".into()),
            topics: vec!["a".into()],
            assignor: None,
            classic: Some(StoredClassicMember { session_timeout_ms: 6, protocols }),
            ..member
        };
        let bytes = hex("00000002720263032f680202610100000005000100110100000006020672616e67650301020000");
        assert_eq!((member.encode(), StoredConsumerMember::decode(&bytes)), (bytes.into(), Ok(member)));

        let target = StoredTarget { epoch: 7, computed_at_ms: 8 };
        let bytes = hex("0000000000070100080000000000000008");
        assert_eq!((target.encode(), StoredTarget::decode(&bytes)), (bytes.into(), Ok(target)));

        let partitions: Partitions = [(topic(), [0, 3].into())].into();
        let bytes = hex("000002000000000000000100000000000000020300000000000000030000");
        assert_eq!((encode_target(&partitions), decode_target(&bytes)), (bytes.into(), Ok(partitions)));

        let current = StoredCurrent {
            epoch: 7,
            previous_epoch: 6,
            state: 1,
            assigned: [(topic(), [(0, 4), (3, 5)].into())].into(),
            revoking: PartitionsWithEpochs::new(),
        };
        let bytes = hex(
            "000000000007000000060102000000000000000100000000000000020300000000000000030100090300000004000000050100",
        );
        assert_eq!((current.encode(), StoredCurrent::decode(&bytes)), (bytes.into(), Ok(current)));

        let regex = StoredRegex { topics: ["a".to_owned()].into(), version: 3, resolved_at_ms: 4 };
        let bytes = hex("00000202610000000000000003000000000000000400");
        assert_eq!((regex.encode(), StoredRegex::decode(&bytes)), (bytes.into(), Ok(regex)));
    }
}
