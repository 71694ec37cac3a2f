//! Versions of Apache Kafka 4.3 that the message types do not know, as far as clients use them: what is said in one of
//! them is said in the newest one that they know.
//!
//! * ListOffsets 11, and what is asked in DescribeLogDirs 5, look like the version before, and need nothing here.
//! * What is answered in DescribeLogDirs 5 has one field more: [`encode_log_dirs_response`].
//! * OffsetCommit and OffsetFetch 10 name topics by their ids (KIP-848): [`with_names`] for what is asked. The message
//!   types know the answers.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{ApiKey, DescribeLogDirsResponse, ResponseHeader},
    protocol::Encodable,
};

pub use crate::layout::{CORDONED, TOPICS_BY_ID, names_topics_by_id};
use crate::{
    frame::{DecodeError, EncodeError, encode_response, failed_to_encode},
    guard::{Cursor, Malformed},
};

/// Most topics that one request may name by their ids. Each takes the room of a name afterwards, which is more.
pub const MOST_TOPICS: usize = 1 << 16;

/// The body of the version before [`TOPICS_BY_ID`] that says what this one does, with a name in place of each topic's id.
///
/// Only what leads to the ids is looked at: the result is still to be checked and decoded.
///
/// # Errors
///
/// The body is cut off, or names more than [`MOST_TOPICS`] topics.
pub fn with_names(api: ApiKey, body: &[u8], name_of: impl FnMut([u8; 16]) -> String) -> Result<Bytes, DecodeError> {
    let out = BytesMut::with_capacity(body.len());
    let mut rewrite = Rewrite { body, cursor: Cursor::new(body), copied: 0, out, topics_left: MOST_TOPICS, name_of };
    let rewritten = if api == ApiKey::OffsetCommit { rewrite.offset_commit() } else { rewrite.offset_fetch() };
    rewritten.map_err(|source| DecodeError::Malformed { what: api, version: TOPICS_BY_ID, source })?;
    rewrite.out.put_slice(&body[rewrite.copied..]);
    Ok(rewrite.out.freeze())
}

struct Rewrite<'a, N> {
    body: &'a [u8],
    cursor: Cursor<'a>,
    /// How much of the body stands in `out`, or has given way to something else.
    copied: usize,
    out: BytesMut,
    topics_left: usize,
    name_of: N,
}

impl<N: FnMut([u8; 16]) -> String> Rewrite<'_, N> {
    fn offset_commit(&mut self) -> Result<(), Malformed> {
        self.bytes()?;
        self.cursor.skip(4)?;
        self.bytes()?;
        self.bytes()?;
        for _ in 0..self.count()? {
            self.topic()?;
            for _ in 0..self.count()? {
                // Partition, offset and leader epoch; metadata.
                self.cursor.skip(4 + 8 + 4)?;
                self.bytes()?;
                self.cursor.tagged_fields()?;
            }
            self.cursor.tagged_fields()?;
        }
        Ok(())
    }

    fn offset_fetch(&mut self) -> Result<(), Malformed> {
        for _ in 0..self.count()? {
            self.bytes()?;
            self.bytes()?;
            self.cursor.skip(4)?;
            for _ in 0..self.count()? {
                self.topic()?;
                let partitions = self.count()? as usize;
                self.cursor.skip(partitions.saturating_mul(4))?;
                self.cursor.tagged_fields()?;
            }
            self.cursor.tagged_fields()?;
        }
        Ok(())
    }

    /// A length or count; none where it is null.
    fn count(&mut self) -> Result<u32, Malformed> {
        Ok(self.cursor.unsigned_varint()?.saturating_sub(1))
    }

    fn bytes(&mut self) -> Result<(), Malformed> {
        let len = self.count()?;
        self.cursor.skip(len as usize)
    }

    fn topic(&mut self) -> Result<(), Malformed> {
        let at = self.cursor.position();
        self.topics_left = self.topics_left.checked_sub(1).ok_or(Malformed::new("topics", at))?;
        let id = self.cursor.uuid()?;
        self.out.put_slice(&self.body[self.copied..at]);
        self.copied = self.cursor.position();
        let name = (self.name_of)(id);
        put_count(&mut self.out, name.len());
        self.out.put_slice(name.as_bytes());
        Ok(())
    }
}

/// Encodes a whole response frame to DescribeLogDirs in any version, as [`encode_response`] does. No folder refuses new
/// partitions.
///
/// # Errors
///
/// The response has a value that the version cannot carry.
pub fn encode_log_dirs_response(
    version: i16,
    correlation_id: i32,
    response: &DescribeLogDirsResponse,
) -> Result<Bytes, EncodeError> {
    let api = ApiKey::DescribeLogDirs;
    if version < CORDONED {
        return encode_response(api, version, correlation_id, response);
    }
    let failed = |error| failed_to_encode(api, version, error);
    let known = CORDONED - 1;
    let mut frame = BytesMut::from(&[0; 4][..]);
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    header.encode(&mut frame, api.response_header_version(version)).map_err(failed)?;
    let DescribeLogDirsResponse { throttle_time_ms, error_code, results, .. } = response;
    frame.put_i32(*throttle_time_ms);
    frame.put_i16(*error_code);
    put_count(&mut frame, results.len());
    for result in results {
        // It ends with the count of its tagged fields, of which there are none: that byte is as good for the new field,
        // and their count comes behind it.
        result.encode(&mut frame, known).map_err(failed)?;
        frame.put_u8(0);
    }
    frame.put_u8(0);
    let size = frame.len() - 4;
    let prefix = i32::try_from(size).map_err(|_| EncodeError::TooLarge { what: api, size })?;
    frame[..4].copy_from_slice(&prefix.to_be_bytes());
    Ok(frame.freeze())
}

/// A compact length or count. None of what is written here has 2^32 parts.
fn put_count(out: &mut BytesMut, count: usize) {
    let mut left = count as u32 + 1;
    while 0x80 <= left {
        out.put_u8(left as u8 | 0x80);
        left >>= 7;
    }
    out.put_u8(left as u8);
}

#[cfg(test)]
mod tests {
    use kafka_protocol::{
        messages::{
            OffsetCommitRequest, OffsetFetchRequest,
            describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
            offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
            offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
        },
        protocol::StrBytes,
    };

    use super::*;
    use crate::{frame, guard};

    /// As version 9 has it, with names of as many bytes as an id less one.
    fn commit() -> OffsetCommitRequest {
        let partition = |index| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(index)
                .with_committed_offset(7)
                .with_committed_leader_epoch(3)
                .with_committed_metadata((index != 1).then(|| StrBytes::from_static_str("note")))
        };
        let topic = |name: &str, partitions: &[i32]| {
            OffsetCommitRequestTopic::default()
                .with_name(StrBytes::from_string(name.to_owned()).into())
                .with_partitions(partitions.iter().map(|index| partition(*index)).collect())
        };
        OffsetCommitRequest::default()
            .with_group_id(StrBytes::from_static_str("group").into())
            .with_member_id(StrBytes::from_static_str("member"))
            .with_group_instance_id(None)
            .with_topics(vec![
                topic("fifteen-letters", &[0, 1]),
                topic("another-fifteen", &[2]),
                topic("no-partitions-x", &[]),
            ])
    }

    fn fetch() -> OffsetFetchRequest {
        let topic = |name: &str, partitions: &[i32]| {
            OffsetFetchRequestTopics::default()
                .with_name(StrBytes::from_string(name.to_owned()).into())
                .with_partition_indexes(partitions.to_vec())
        };
        let topics = vec![topic("fifteen-letters", &[0, 1]), topic("another-fifteen", &[])];
        let group = |name: &str, topics| {
            let id = StrBytes::from_string(name.to_owned());
            OffsetFetchRequestGroup::default().with_group_id(id.into()).with_member_id(None).with_topics(topics)
        };
        OffsetFetchRequest::default().with_require_stable(true).with_groups(vec![
            group("g", Some(topics.clone())),
            group("h", None),
            group("i", Some(topics)),
        ])
    }

    /// A body of version 9 in which a name and its length, 16 bytes in all, pass for an id.
    fn body<B: Encodable>(request: &B) -> Vec<u8> {
        let mut body = BytesMut::new();
        request.encode(&mut body, TOPICS_BY_ID - 1).unwrap();
        body.to_vec()
    }

    fn name(id: [u8; 16]) -> String {
        assert_eq!(id[0], 16, "the length of a name of 15 bytes");
        String::from_utf8(id[1..].to_vec()).unwrap()
    }

    #[test]
    fn ids_give_way_to_names_and_everything_else_stays() {
        for (api, body) in [(ApiKey::OffsetCommit, body(&commit())), (ApiKey::OffsetFetch, body(&fetch()))] {
            assert_eq!(with_names(api, &body, name).unwrap(), body, "{api:?}");
            let longer = with_names(api, &body, |id| format!("{}{}", name(id), "x".repeat(200))).unwrap();
            assert_eq!(guard::check_request(api, TOPICS_BY_ID - 1, &longer), Ok(()));
            let mut expected = commit();
            for topic in &mut expected.topics {
                topic.name = StrBytes::from_string(format!("{}{}", topic.name.as_str(), "x".repeat(200))).into();
            }
            if api == ApiKey::OffsetCommit {
                let decoded: OffsetCommitRequest = frame::decode_request(api, TOPICS_BY_ID - 1, longer).unwrap();
                assert_eq!(decoded, expected);
            }
        }
    }

    #[test]
    fn a_body_that_is_cut_off_before_its_last_id_is_refused_and_the_rest_is_found_out_later() {
        for (api, body) in [(ApiKey::OffsetCommit, body(&commit())), (ApiKey::OffsetFetch, body(&fetch()))] {
            for len in 0..body.len() {
                // Ids made of anything.
                let cut = with_names(api, &body[..len], |_| "name".to_owned());
                let read = cut.map(|cut| guard::check_request(api, TOPICS_BY_ID - 1, &cut));
                assert!(!matches!(read, Ok(Ok(()))), "{api:?} cut to {len} bytes");
            }
        }
    }

    #[test]
    fn neither_counts_nor_many_small_topics_ask_for_memory() {
        let mut many = vec![2, b'g', 0, 0, 0, 0, 1, 0];
        many.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
        assert!(with_names(ApiKey::OffsetCommit, &many, |_| String::new()).is_err());
        let topics = MOST_TOPICS as u32 + 1;
        let mut body = BytesMut::from(&many[..8]);
        put_count(&mut body, topics as usize);
        for _ in 0..topics {
            body.put_slice(&[7; 16]);
            body.put_slice(&[1, 0]);
        }
        body.put_u8(0);
        let mut named = 0;
        let error = with_names(ApiKey::OffsetCommit, &body, |_| {
            named += 1;
            String::new()
        });
        assert!(matches!(error, Err(DecodeError::Malformed { source: Malformed { field: "topics", .. }, .. })));
        assert_eq!(named, MOST_TOPICS);
    }

    #[test]
    fn folders_say_that_they_are_not_cordoned_at_the_place_of_kafkas_definition() {
        let partition = DescribeLogDirsPartition::default().with_partition_size(9);
        let topic = DescribeLogDirsTopic::default().with_name(StrBytes::from_static_str("t").into());
        let result = DescribeLogDirsResult::default()
            .with_log_dir(StrBytes::from_static_str("d"))
            .with_topics(vec![topic.with_partitions(vec![partition])])
            .with_total_bytes(6)
            .with_usable_bytes(5);
        let response = DescribeLogDirsResponse::default().with_results(vec![result.clone(), result]);
        let older = encode_log_dirs_response(4, 7, &response).unwrap();
        assert_eq!(older, encode_response(ApiKey::DescribeLogDirs, 4, 7, &response).unwrap());
        let newer = encode_log_dirs_response(5, 7, &response).unwrap();
        // Each result ends with its usable bytes, then its tagged fields.
        let usable = 5_i64.to_be_bytes();
        let places: Vec<usize> =
            older.windows(8).enumerate().filter(|(_, bytes)| *bytes == usable).map(|(at, _)| at + 8).collect();
        assert_eq!(places.len(), 2);
        let mut expected = older.to_vec();
        expected.insert(places[1], 0);
        expected.insert(places[0], 0);
        expected[3] += 2;
        assert_eq!(newer, expected);
    }
}
