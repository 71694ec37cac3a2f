//! Reads the topics out of a `consumer` member's subscription, which is otherwise opaque.

use super::records::Reader;

/// Topics of a consumer protocol subscription (any version); empty when it cannot be read.
///
/// The layout is that of Kafka's `ConsumerProtocolSubscription`: version int16, then an array of
/// topic names, then fields that do not matter here.
pub fn topics(metadata: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(metadata);
    let read = |reader: &mut Reader<'_>| {
        let _version = reader.int16()?;
        let count = reader.count(2)?;
        (0..count).map(|_| reader.string()).collect::<Option<Vec<String>>>()
    };
    read(&mut reader).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_from_a_java_consumers_subscription() {
        let bytes = b"\x00\x01\x00\x00\x00\x02\x00\x01a\x00\x02bc\xff\xff\xff\xff\x00\x00\x00\x00";
        assert_eq!(topics(bytes), ["a", "bc"]);
    }

    #[test]
    fn an_unreadable_subscription_names_no_topics() {
        assert_eq!(topics(b"\x00\x01\x7f\xff\xff\xff"), Vec::<String>::new());
        assert_eq!(topics(b""), Vec::<String>::new());
    }
}
