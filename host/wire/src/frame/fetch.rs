//! The answer to Fetch in pieces: the records are most of it, and stay where they are.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, FetchResponse, ResponseHeader,
        fetch_response::{EpochEndOffset, LeaderIdAndEpoch, PartitionData, SnapshotId},
    },
    protocol::Encodable,
};

use super::{EncodeError, ForeignError, PREFIX, encode_response, response_header_version};

/// First version whose fields have compact lengths and end in tagged ones.
const FLEXIBLE: i16 = 12;

/// Records of fewer bytes are copied: a piece of their own costs more.
const LEAST_PIECE: usize = 2 << 10;

/// A response frame in pieces that are to be written one after another.
#[derive(Debug)]
pub struct FetchFrame {
    /// The pieces.
    pub pieces: Vec<Bytes>,
    /// How many of them come before the records that are missing.
    pub before_missing: usize,
}

/// Encodes a whole response frame as [`encode_response`] does, in pieces. The records of the response are not copied. So
/// many bytes of the first records are missing at their end: the frame has room for them, and whoever writes it adds them.
///
/// # Errors
///
/// The response has a value that the version cannot carry, or records are missing beside what is rare.
pub fn encode_fetch_response(
    version: i16,
    correlation_id: i32,
    mut response: FetchResponse,
    missing: usize,
) -> Result<FetchFrame, EncodeError> {
    if missing == 0 && !is_worth_it(&response) {
        let whole = encode_response(ApiKey::Fetch, version, correlation_id, &response)?;
        return Ok(FetchFrame { pieces: vec![whole], before_missing: 1 });
    }
    if !is_plain(&response) {
        return Err(EncodeError::Message {
            what: ApiKey::Fetch,
            version,
            source: ForeignError("records are missing beside tagged fields".to_owned()),
        });
    }
    let (done, open) = (Vec::with_capacity(3), BytesMut::with_capacity(512));
    let mut pieces = Pieces { version, done, open, missing, before_missing: 0, size: missing };
    pieces.open.put_i32(0);
    let header = ResponseHeader::default().with_correlation_id(correlation_id);
    pieces.put(&header, response_header_version(ApiKey::Fetch, version))?;
    let topics = std::mem::take(&mut response.responses);
    pieces.put_before_last(&response)?;
    pieces.put_len(topics.len());
    for mut topic in topics {
        let partitions = std::mem::take(&mut topic.partitions);
        pieces.put_before_last(&topic)?;
        pieces.put_len(partitions.len());
        for mut partition in partitions {
            let records = partition.records.replace(Bytes::new()).unwrap_or_default();
            pieces.put_before_last(&partition)?;
            pieces.put_records(records);
            pieces.put_no_tags();
        }
        pieces.put_no_tags();
    }
    pieces.put_no_tags();
    pieces.finish()
}

/// Whether there are records to be spared a copy, and nothing else that is rare.
fn is_worth_it(response: &FetchResponse) -> bool {
    let mut partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    let large = partitions.any(|it| it.records.as_ref().is_some_and(|records| LEAST_PIECE <= records.len()));
    large && is_plain(response)
}

/// Whether nothing is rare: tagged fields, or none instead of no records.
fn is_plain(response: &FetchResponse) -> bool {
    response.node_endpoints.is_empty()
        && response.unknown_tagged_fields.is_empty()
        && response.responses.iter().all(|topic| topic.unknown_tagged_fields.is_empty())
        && response.responses.iter().flat_map(|topic| &topic.partitions).all(is_plain_partition)
}

fn is_plain_partition(partition: &PartitionData) -> bool {
    partition.records.is_some()
        && partition.diverging_epoch == EpochEndOffset::default()
        && partition.current_leader == LeaderIdAndEpoch::default()
        && partition.snapshot_id == SnapshotId::default()
        && partition.unknown_tagged_fields.is_empty()
}

struct Pieces {
    version: i16,
    done: Vec<Bytes>,
    open: BytesMut,
    /// What is missing of the records that come next, if there are any.
    missing: usize,
    before_missing: usize,
    /// Bytes that are missing in all.
    size: usize,
}

impl Pieces {
    fn put<E: Encodable>(&mut self, message: &E, version: i16) -> Result<(), EncodeError> {
        let failed = |error: &dyn std::fmt::Display| EncodeError::Message {
            what: ApiKey::Fetch,
            version: self.version,
            source: ForeignError(error.to_string()),
        };
        message.encode(&mut self.open, version).map_err(|error| failed(&error))
    }

    /// All of a message but its last field, which is empty, and its tagged fields, of which there are none.
    fn put_before_last<E: Encodable>(&mut self, message: &E) -> Result<(), EncodeError> {
        self.put(message, self.version)?;
        let rest = if self.version < FLEXIBLE { 4 } else { 2 };
        self.open.truncate(self.open.len() - rest);
        Ok(())
    }

    fn put_len(&mut self, len: usize) {
        if self.version < FLEXIBLE {
            // The whole frame is shorter than an int32 can say, or finishing it fails.
            self.open.put_i32(len as i32);
            return;
        }
        let mut left = len as u32 + 1;
        while 0x80 <= left {
            self.open.put_u8(left as u8 | 0x80);
            left >>= 7;
        }
        self.open.put_u8(left as u8);
    }

    fn put_records(&mut self, records: Bytes) {
        let missing = if records.is_empty() { 0 } else { std::mem::take(&mut self.missing) };
        self.put_len(records.len() + missing);
        if records.len() < LEAST_PIECE && missing == 0 {
            self.open.put(records);
            return;
        }
        self.done.push(self.open.split().freeze());
        self.done.push(records);
        if missing != 0 {
            self.before_missing = self.done.len();
        }
    }

    fn put_no_tags(&mut self) {
        if FLEXIBLE <= self.version {
            self.open.put_u8(0);
        }
    }

    fn finish(mut self) -> Result<FetchFrame, EncodeError> {
        if self.missing != 0 {
            return Err(EncodeError::Message {
                what: ApiKey::Fetch,
                version: self.version,
                source: ForeignError("there are no records of which some are missing".to_owned()),
            });
        }
        if !self.open.is_empty() {
            self.done.push(self.open.freeze());
        }
        let size = self.done.iter().map(Bytes::len).sum::<usize>() + self.size - PREFIX;
        let prefix = i32::try_from(size).map_err(|_| EncodeError::TooLarge { what: ApiKey::Fetch, size })?;
        let first = std::mem::take(&mut self.done[0]);
        let mut first = first.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        first[..PREFIX].copy_from_slice(&prefix.to_be_bytes());
        self.done[0] = first.freeze();
        Ok(FetchFrame { pieces: self.done, before_missing: self.before_missing })
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::{
        messages::{
            BrokerId, ProducerId, TopicName,
            fetch_response::{AbortedTransaction, FetchableTopicResponse, NodeEndpoint},
        },
        protocol::StrBytes,
    };

    use super::*;

    fn response(version: i16, records: &[&[usize]]) -> FetchResponse {
        let topics = records.iter().enumerate().map(|(number, partitions)| {
            let partitions = partitions.iter().enumerate().map(|(index, &len)| {
                let aborted = AbortedTransaction::default().with_producer_id(ProducerId(7)).with_first_offset(8);
                let data = PartitionData::default()
                    .with_partition_index(index as i32)
                    .with_high_watermark(1 << 40)
                    .with_aborted_transactions((index == 1).then(|| vec![aborted]))
                    .with_records(Some(vec![(index % 250) as u8 + 1; len].into()));
                if 5 <= version { data.with_log_start_offset(3) } else { data }
            });
            let topic = FetchableTopicResponse::default().with_partitions(partitions.collect());
            // Later ones name topics by their ids only.
            if 13 <= version {
                topic
            } else {
                topic.with_topic(TopicName(StrBytes::from_string(format!("topic-{number}"))))
            }
        });
        FetchResponse::default().with_throttle_time_ms(5).with_responses(topics.collect())
    }

    #[test]
    fn pieces_are_together_what_is_encoded_at_once() {
        let shapes: [&[&[usize]]; 6] = [
            &[],
            &[&[0, 5]],
            &[&[LEAST_PIECE]],
            &[&[LEAST_PIECE, LEAST_PIECE - 1, 1 << 20, 0], &[], &[300_000, 0, 70_000]],
            &[&[0; 200], &[20_000; 300]],
            &[&[0, 1 << 20]],
        ];
        for version in 4..=16 {
            for shape in shapes {
                let response = response(version, shape);
                let whole = encode_response(ApiKey::Fetch, version, -9, &response).unwrap();
                let pieces = encode_fetch_response(version, -9, response, 0).unwrap().pieces;
                assert!(pieces.concat() == whole, "version {version}, {shape:?}");
            }
        }
    }

    #[test]
    fn a_frame_has_room_for_records_that_are_missing() {
        for version in 4..=16 {
            for beginning in [1, LEAST_PIECE, 100_000] {
                let shape = [&[0, beginning + 300_000, 9, LEAST_PIECE][..], &[7]];
                let whole = encode_response(ApiKey::Fetch, version, -9, &response(version, &shape)).unwrap();
                let mut cut = response(version, &shape);
                let records = cut.responses[0].partitions[1].records.as_mut().unwrap();
                let missing = records.split_off(beginning);
                let frame = encode_fetch_response(version, -9, cut, missing.len()).unwrap();
                let (before, after) = frame.pieces.split_at(frame.before_missing);
                assert!([&before.concat()[..], &missing, &after.concat()].concat() == whole, "version {version}");
            }
        }
    }

    #[test]
    fn records_are_not_copied() {
        let response = response(12, &[&[1 << 20]]);
        let at = response.responses[0].partitions[0].records.as_ref().unwrap().as_ptr();
        let pieces = encode_fetch_response(12, 1, response, 0).unwrap().pieces;
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1].as_ptr(), at);
    }

    #[test]
    fn what_is_rare_is_there_all_the_same() {
        let rare: [fn(&mut FetchResponse); 5] = [
            |it| it.node_endpoints = vec![NodeEndpoint::default().with_node_id(BrokerId(3))],
            |it| it.responses[0].partitions[0].records = None,
            |it| it.responses[0].partitions[0].current_leader.leader_epoch = 6,
            |it| drop(it.responses[0].partitions[1].unknown_tagged_fields.insert(9, Bytes::from_static(b"x"))),
            |it| drop(it.responses[0].unknown_tagged_fields.insert(9, Bytes::from_static(b"x"))),
        ];
        for change in rare {
            let mut response = response(16, &[&[9000, 9000]]);
            change(&mut response);
            let whole = encode_response(ApiKey::Fetch, 16, 1, &response).unwrap();
            assert!(encode_fetch_response(16, 1, response.clone(), 0).unwrap().pieces.concat() == whole);
            assert!(encode_fetch_response(16, 1, response, 1).is_err());
        }
    }
}
