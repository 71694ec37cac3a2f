//! What consumers of the classic protocol say to one another through the coordinator: subscriptions and assignments.
//! To the coordinator they are opaque, but for offsets that a subscription protects and for members of both protocols
//! in one group.

use bytes::{BufMut, Bytes, BytesMut};

use super::records::Reader;

/// Topics with partitions.
pub type TopicPartitions = Vec<(String, Vec<i32>)>;

/// A consumer's subscription, in any version.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subscription {
    /// Its version, in which the assignment is answered.
    pub version: i16,
    /// Topic names.
    pub topics: Vec<String>,
    /// Topics with partitions that the consumer has (version 1 and later).
    pub owned: TopicPartitions,
    /// Where it is (version 3 and later).
    pub rack: Option<String>,
}

impl Subscription {
    /// Reads a `ConsumerProtocolSubscription`; `None` where it is none.
    pub fn read(metadata: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(metadata);
        let version = reader.int16()?;
        let count = reader.count(2)?;
        let topics = (0..count).map(|_| reader.string()).collect::<Option<_>>()?;
        let mut read = Self { version, topics, ..Self::default() };
        let _user_data = reader.bytes()?;
        if 1 <= version {
            read.owned = topic_partitions(&mut reader)?;
        }
        if 2 <= version {
            let _generation = reader.int32()?;
        }
        if 3 <= version {
            read.rack = reader.nullable_string()?;
        }
        Some(read)
    }

    /// Writes a `ConsumerProtocolSubscription` of version 1 without owned partitions.
    #[cfg(test)]
    pub fn write(topics: impl ExactSizeIterator<Item = impl AsRef<str>>) -> Bytes {
        let mut out = BytesMut::new();
        out.put_i16(1);
        put_len(&mut out, topics.len());
        topics.for_each(|topic| put_text(&mut out, topic.as_ref()));
        out.put_i32(-1);
        out.put_i32(0);
        out.freeze()
    }
}

/// Topics of a subscription, of which no more is looked at than every version has; `None` when it cannot be read.
pub fn topics(metadata: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(metadata);
    let _version = reader.int16()?;
    let count = reader.count(2)?;
    let topics = (0..count).map(|_| reader.string()).collect::<Option<_>>()?;
    let _user_data = reader.bytes()?;
    Some(topics)
}

/// Reads a `ConsumerProtocolAssignment`: topics with partitions, and whether an assignor has added words of its own.
/// `None` where it is none.
pub fn read_assignment(assignment: &[u8]) -> Option<(TopicPartitions, bool)> {
    if assignment.is_empty() {
        return Some((Vec::new(), false));
    }
    let mut reader = Reader::new(assignment);
    let _version = reader.int16()?;
    let partitions = topic_partitions(&mut reader)?;
    Some((partitions, !reader.bytes()?.is_empty()))
}

/// Writes a `ConsumerProtocolAssignment`.
pub fn write_assignment(version: i16, partitions: &[(String, Vec<i32>)]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(version);
    put_len(&mut out, partitions.len());
    for (topic, indexes) in partitions {
        put_text(&mut out, topic);
        put_len(&mut out, indexes.len());
        indexes.iter().for_each(|index| out.put_i32(*index));
    }
    out.put_i32(-1);
    out.freeze()
}

fn topic_partitions(reader: &mut Reader<'_>) -> Option<TopicPartitions> {
    let count = reader.count(6)?;
    let mut found = Vec::with_capacity(count);
    for _ in 0..count {
        let topic = reader.string()?;
        let count = reader.count(4)?;
        found.push((topic, (0..count).map(|_| reader.int32()).collect::<Option<_>>()?));
    }
    Some(found)
}

fn put_len(out: &mut BytesMut, len: usize) {
    out.put_i32(i32::try_from(len).unwrap_or(i32::MAX));
}

/// Names of topics are short.
fn put_text(out: &mut BytesMut, text: &str) {
    out.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_java_consumers_subscription_is_read() {
        let bytes = b"\x00\x01\x00\x00\x00\x02\x00\x01a\x00\x02bc\xff\xff\xff\xff\x00\x00\x00\x00";
        assert_eq!(topics(bytes).unwrap(), ["a", "bc"]);
        let bytes = b"\x00\x03\x00\x00\x00\x01\x00\x01a\xff\xff\xff\xff\
            \x00\x00\x00\x01\x00\x01a\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x07\x00\x01r";
        let read = Subscription::read(bytes).unwrap();
        assert_eq!((read.version, read.topics), (3, vec!["a".to_owned()]));
        assert_eq!((read.owned, read.rack), (vec![("a".to_owned(), vec![2])], Some("r".to_owned())));
        assert_eq!(topics(&Subscription::write(["a", "bc"].iter())).unwrap(), ["a", "bc"]);
    }

    #[test]
    fn topics_of_a_subscription_that_cannot_be_read_are_not_known() {
        assert_eq!(topics(b"\x00\x01\x7f\xff\xff\xff"), None);
        assert_eq!(topics(b""), None);
        // As Kafka's coordinator, which reads what all versions have.
        assert_eq!(topics(b"\x00\x01\x00\x00\x00\x01\x00\x01a\xff\xff\xff\xff"), Some(vec!["a".to_owned()]));
    }

    #[test]
    fn an_assignment_is_written_and_read_back() {
        let partitions = vec![("a".to_owned(), vec![0, 3])];
        let bytes = write_assignment(3, &partitions);
        let expected: &[u8] =
            b"\x00\x03\x00\x00\x00\x01\x00\x01a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\xff\xff\xff\xff";
        assert_eq!(bytes, expected);
        assert_eq!(read_assignment(&bytes), Some((partitions, false)));
        assert_eq!(read_assignment(b""), Some((Vec::new(), false)));
    }
}
