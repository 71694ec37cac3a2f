//! The bytes that members of a `consumer` group exchange: subscriptions and assignments.
//!
//! They come from other clients by way of the coordinator, so nothing is reserved on the strength of a count.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{BufMut, Bytes, BytesMut};
use millstream_record::TopicName;

/// Another member's bytes are not what the protocol says.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} of a consumer group member is not well-formed at byte {at}")]
pub struct MalformedMember {
    what: &'static str,
    at: usize,
}

/// What a member says of itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Subscription {
    /// Topics that it reads.
    pub(crate) topics: BTreeSet<TopicName>,
    /// Partitions that it keeps while the group rebalances.
    pub(crate) owned: BTreeSet<(TopicName, i32)>,
    /// Generation in which it was given these; -1 for none.
    pub(crate) generation: i32,
}

/// A subscription of version 1 that owns nothing, as eager members send it.
pub(crate) fn encode_subscription(topics: &BTreeSet<TopicName>) -> Bytes {
    let mut bytes = BytesMut::new();
    put_topics(&mut bytes, 1, topics);
    bytes.put_i32(0);
    bytes.freeze()
}

/// A subscription of version 2 with what a cooperative member keeps.
pub(crate) fn encode_cooperative(subscription: &Subscription) -> Bytes {
    let mut bytes = BytesMut::new();
    put_topics(&mut bytes, 2, &subscription.topics);
    put_partitions(&mut bytes, &subscription.owned);
    bytes.put_i32(subscription.generation);
    bytes.freeze()
}

fn put_topics(bytes: &mut BytesMut, version: i16, topics: &BTreeSet<TopicName>) {
    bytes.put_i16(version);
    bytes.put_i32(length(topics.len()));
    for topic in topics {
        put_string(bytes, topic.as_str());
    }
    // No user data.
    bytes.put_i32(-1);
}

fn put_partitions<'a>(bytes: &mut BytesMut, partitions: impl IntoIterator<Item = &'a (TopicName, i32)>) {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    bytes.put_i32(length(topics.len()));
    for (topic, partitions) in topics {
        put_string(bytes, topic.as_str());
        bytes.put_i32(length(partitions.len()));
        for partition in partitions {
            bytes.put_i32(partition);
        }
    }
}

/// A subscription of any version. Names that Kafka would not accept are left out, since no topic can have them. Members
/// of version 1 and before do not say of which generation what they own is, except in data of their own that is not read.
pub(crate) fn decode_subscription(bytes: &[u8]) -> Result<Subscription, MalformedMember> {
    let mut cursor = Cursor { bytes, at: 0, what: "the subscription" };
    let version = cursor.i16()?;
    let mut topics = BTreeSet::new();
    for _ in 0..cursor.count()? {
        topics.extend(cursor.string()?);
    }
    let mut subscription = Subscription { topics, generation: -1, ..Subscription::default() };
    if 1 <= version {
        let data = cursor.count()?;
        cursor.take(data as usize)?;
        subscription.owned = cursor.partitions()?;
    }
    if 2 <= version {
        subscription.generation = cursor.i32()?;
    }
    Ok(subscription)
}

/// An assignment of version 0.
pub(crate) fn encode_assignment(partitions: &[(TopicName, i32)]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    put_partitions(&mut bytes, partitions);
    bytes.put_i32(-1);
    bytes.freeze()
}

/// The partitions of an assignment of any version. Empty bytes mean none.
pub(crate) fn decode_assignment(bytes: &[u8]) -> Result<BTreeSet<(TopicName, i32)>, MalformedMember> {
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut cursor = Cursor { bytes, at: 0, what: "the assignment" };
    cursor.i16()?;
    cursor.partitions()
}

fn length(len: usize) -> i32 {
    i32::try_from(len).expect("topics and partitions are far fewer")
}

fn put_string(bytes: &mut BytesMut, text: &str) {
    bytes.put_i16(i16::try_from(text.len()).expect("topic names have at most 249 bytes"));
    bytes.put_slice(text.as_bytes());
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], MalformedMember> {
        let malformed = MalformedMember { what: self.what, at: self.at };
        let end = self.at.checked_add(len).ok_or(malformed)?;
        let taken = self.bytes.get(self.at..end).ok_or(malformed)?;
        self.at = end;
        Ok(taken)
    }

    fn i16(&mut self) -> Result<i16, MalformedMember> {
        self.take(2).map(|bytes| i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn i32(&mut self) -> Result<i32, MalformedMember> {
        self.take(4).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A count; -1, which stands for null, is 0.
    fn count(&mut self) -> Result<u32, MalformedMember> {
        let malformed = MalformedMember { what: self.what, at: self.at };
        match self.i32()? {
            -1 => Ok(0),
            count => u32::try_from(count).map_err(|_| malformed),
        }
    }

    fn partitions(&mut self) -> Result<BTreeSet<(TopicName, i32)>, MalformedMember> {
        let mut partitions = BTreeSet::new();
        for _ in 0..self.count()? {
            let topic = self.string()?;
            for _ in 0..self.count()? {
                let partition = self.i32()?;
                partitions.extend(topic.clone().map(|topic| (topic, partition)));
            }
        }
        Ok(partitions)
    }

    fn string(&mut self) -> Result<Option<TopicName>, MalformedMember> {
        let malformed = MalformedMember { what: self.what, at: self.at };
        let len = usize::try_from(self.i16()?).map_err(|_| malformed)?;
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| malformed)?;
        Ok(TopicName::parse(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> TopicName {
        TopicName::parse(name).expect("a valid name")
    }

    #[test]
    fn subscriptions_and_assignments_have_javas_bytes() {
        let subscription = encode_subscription(&[topic("a"), topic("bc")].into());
        assert_eq!(&subscription[..], b"\0\x01\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0");
        let assignment = encode_assignment(&[(topic("a"), 1), (topic("a"), 3)]);
        assert_eq!(&assignment[..], b"\0\0\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\x01\0\0\0\x03\xff\xff\xff\xff");
        assert_eq!(decode_assignment(&assignment), Ok([(topic("a"), 1), (topic("a"), 3)].into()));
    }

    #[test]
    fn cooperative_subscriptions_have_javas_bytes_and_later_versions_are_read_as_far_as_they_are_understood() {
        let owned = [(topic("a"), 1), (topic("a"), 3)].into();
        let subscription = Subscription { topics: [topic("a")].into(), owned, generation: 7 };
        let bytes = b"\0\x02\0\0\0\x01\0\x01a\xff\xff\xff\xff\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\x01\0\0\0\x03\0\0\0\x07";
        assert_eq!(&encode_cooperative(&subscription)[..], bytes);
        assert_eq!(decode_subscription(bytes), Ok(subscription));
        // Version 3, with data of the member's own before what it owns, and a rack behind the generation.
        let bytes = b"\0\x03\0\0\0\x01\0\x01a\0\0\0\x02hi\0\0\0\0\0\0\0\x07\xff\xff";
        let expected = Subscription { topics: [topic("a")].into(), owned: BTreeSet::new(), generation: 7 };
        assert_eq!(decode_subscription(bytes), Ok(expected));
    }

    #[test]
    fn hostile_bytes_are_refused_without_reserving_memory() {
        for bytes in [
            &b""[..],
            b"\0",
            b"\0\x01",
            b"\0\x01\x7f\xff\xff\xff",
            b"\0\0\0\0\0\x01\0\x05ab",
            b"\0\0\x80\0\0\0",
            b"\0\x01\0\0\0\0\x7f\xff\xff\xff",
            b"\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert!(decode_subscription(bytes).is_err(), "{bytes:?}");
        }
        assert!(decode_assignment(b"\0\0\0\0\0\x01\0\x01a\x7f\xff\xff\xff").is_err());
        assert_eq!(decode_assignment(b""), Ok(BTreeSet::new()));
    }
}
