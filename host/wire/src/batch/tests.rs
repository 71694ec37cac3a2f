//! Batches pinned by bytes, and batches that lie.

use super::*;
use crate::{compression::Codec, error_code::ErrorCode};

const TWO_RECORDS: &str = "000000000000000000000049ffffffff0223cab63f0000000000010000018bcfe568000000018bcfe56805ffffffffffffffffffffffffffff0000000220000000026b04763104026802310268010c000a02010000";
const TRANSACTIONAL: &str = "000000000000000000000039ffffffff024efe6e3b0010000000000000018bcfe568000000018bcfe56800000000000000126700037fffffff000000010e00000001027800";
const COMMIT_MARKER: &str = "000000000000000000000042ffffffff025c0115bb0030000000000000018bcfe568000000018bcfe5680000000000000012670003ffffffff000000012000000008000000010c00000000000700";
const NOW: i64 = 1_700_000_000_000;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn two_records(builder: &mut RecordBatchBuilder) {
    let headers = [Header { key: b"h", value: Some(b"1") }, Header { key: b"h", value: None }];
    builder.append(NOW, Some(b"k"), Some(b"v1"), headers).unwrap();
    builder.append(NOW + 5, None, Some(b""), []).unwrap();
}

#[test]
fn crc_is_castagnolis() {
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn a_plain_batch_has_kafkas_bytes() {
    let mut builder = RecordBatchBuilder::with_capacity(1024);
    for _ in 0..2 {
        two_records(&mut builder);
        assert_eq!(builder.record_count(), 2);
        assert_eq!(builder.estimated_size(), hex(TWO_RECORDS).len());
        assert_eq!(builder.finish(&BatchStamp::default()).unwrap(), hex(TWO_RECORDS));
        assert!(builder.is_empty());
    }
}

#[test]
fn a_transactional_batch_and_a_marker_have_kafkas_bytes() {
    let mut builder = RecordBatchBuilder::with_capacity(0);
    builder.append(NOW, None, Some(b"x"), []).unwrap();
    let stamp = BatchStamp {
        producer_id: 4711,
        producer_epoch: 3,
        base_sequence: i32::MAX,
        transactional: true,
        ..BatchStamp::default()
    };
    assert_eq!(builder.finish(&stamp).unwrap(), hex(TRANSACTIONAL));
    let marker = ControlMarker { committed: true, coordinator_epoch: 7 };
    assert_eq!(write_control_batch(NOW, 4711, 3, marker), hex(COMMIT_MARKER));
}

#[test]
fn headers_are_parsed_field_by_field() {
    let header = verify_crc(&hex(TRANSACTIONAL)).unwrap();
    assert_eq!(
        header,
        BatchHeader {
            base_offset: 0,
            batch_length: 57,
            leader_epoch: -1,
            magic: 2,
            crc: 0x4efe_6e3b,
            attributes: 0x10,
            last_offset_delta: 0,
            base_timestamp: NOW,
            max_timestamp: NOW,
            producer_id: 4711,
            producer_epoch: 3,
            base_sequence: i32::MAX,
            record_count: 1,
        }
    );
    assert!(header.is_transactional() && !header.is_control());
    assert_eq!(header.total_len(), hex(TRANSACTIONAL).len());
    let marker = hex(COMMIT_MARKER);
    let header = verify_crc(&marker).unwrap();
    assert!(header.is_control());
    assert_eq!(
        ControlMarker::parse(&header, &marker).unwrap(),
        Some(ControlMarker { committed: true, coordinator_epoch: 7 })
    );
}

#[test]
fn sequences_wrap_to_zero() {
    let mut header = verify_crc(&hex(TRANSACTIONAL)).unwrap();
    assert_eq!(header.last_sequence(), i32::MAX);
    header.last_offset_delta = 2;
    assert_eq!(header.last_sequence(), 1);
}

#[test]
fn offset_and_leader_epoch_are_patched_without_touching_the_checksum() {
    let mut batch = hex(TWO_RECORDS);
    set_base_offset(&mut batch, 1234);
    set_leader_epoch(&mut batch, 9);
    let header = verify_crc(&batch).unwrap();
    assert_eq!((header.base_offset, header.leader_epoch, header.last_offset()), (1234, 9, 1235));
    assert_eq!(batch[16..], hex(TWO_RECORDS)[16..]);
}

#[test]
fn log_append_time_renews_the_checksum_and_keeps_the_records() {
    let mut batch = hex(TWO_RECORDS);
    set_log_append_time(&mut batch, NOW + 100);
    let header = verify_crc(&batch).unwrap();
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((header.base_timestamp, header.max_timestamp), (NOW, NOW + 100));
    assert_eq!(batch[HEADER_LEN..], hex(TWO_RECORDS)[HEADER_LEN..]);
}

#[test]
fn a_producers_identity_can_be_replaced() {
    let mut batch = hex(TWO_RECORDS);
    set_producer(&mut batch, 5, 6, 7);
    let header = verify_crc(&batch).unwrap();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (5, 6, 7));
}

#[test]
fn records_are_read_with_repeated_headers_in_order() {
    let batch = hex(TWO_RECORDS);
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = RecordBatchBuilder::with_capacity(64);
        two_records(&mut builder);
        let packed = builder.finish(&BatchStamp { codec, ..BatchStamp::default() }).unwrap();
        let header = verify_crc(&packed).unwrap();
        assert_eq!((header.codec(), header.max_timestamp), (codec, NOW + 5));
        let mut scratch = Vec::new();
        let records = decompress_records(&header, &packed, 1024, &mut scratch).unwrap();
        assert_eq!(records, &batch[HEADER_LEN..]);
        let read: Vec<RecordView> = RecordReader::new(&header, records).map(Result::unwrap).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].offset_delta, read[0].timestamp_delta), (0, 0));
        assert_eq!((read[0].key, read[0].value), (Some(&b"k"[..]), Some(&b"v1"[..])));
        let headers: Vec<Header> = read[0].headers.clone().collect();
        assert_eq!(headers, [Header { key: b"h", value: Some(b"1") }, Header { key: b"h", value: None }]);
        assert_eq!((read[1].offset_delta, read[1].timestamp_delta), (1, 5));
        assert_eq!((read[1].key, read[1].value), (None, Some(&b""[..])));
    }
}

#[test]
fn encoded_headers_and_gaps_survive_a_rewrite() {
    let batch = hex(TWO_RECORDS);
    let header = verify_crc(&batch).unwrap();
    let first = RecordReader::new(&header, &batch[HEADER_LEN..]).next().unwrap().unwrap();
    let mut builder = RecordBatchBuilder::with_capacity(0);
    builder.append_at(3, NOW, first.key, first.value, first.headers.len(), first.headers.encoded()).unwrap();
    let stamp = BatchStamp { last_offset_delta: Some(7), ..BatchStamp::default() };
    let rewritten = builder.finish(&stamp).unwrap();
    let header = verify_crc(&rewritten).unwrap();
    assert_eq!((header.record_count, header.last_offset_delta), (1, 7));
    let again = RecordReader::new(&header, &rewritten[HEADER_LEN..]).next().unwrap().unwrap();
    assert_eq!((again.offset_delta, again.headers.count()), (3, 2));
}

#[test]
fn an_emptied_batch_keeps_its_place() {
    let stamp = BatchStamp {
        last_offset_delta: Some(4),
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 10,
        codec: Codec::Zstd,
        ..BatchStamp::default()
    };
    let batch = RecordBatchBuilder::with_capacity(0).finish(&stamp).unwrap();
    let header = verify_crc(&batch).unwrap();
    assert_eq!((batch.len(), header.record_count, header.last_sequence()), (HEADER_LEN, 0, 14));
    let mut scratch = Vec::new();
    assert!(decompress_records(&header, &batch, 10, &mut scratch).unwrap().is_empty());
}

#[test]
fn a_walk_over_batches_stops_at_one_that_is_cut_off() {
    let (a, b) = (hex(TWO_RECORDS), hex(TRANSACTIONAL));
    let bytes = [&a[..], &b].concat();
    for len in 0..=bytes.len() {
        let mut batches = Batches::new(&bytes[..len]);
        let whole = batches.by_ref().map(Result::unwrap).count();
        assert_eq!(whole, usize::from(a.len() <= len) + usize::from(bytes.len() <= len));
    }
    let mut zeros = Batches::new(&[0; 100]);
    assert_eq!(zeros.next(), Some(Err(InvalidBatch::TooShort { batch_length: 0 })));
    assert_eq!(zeros.next(), None);
}

#[test]
fn damage_anywhere_is_noticed() {
    let whole = hex(TWO_RECORDS);
    for at in 8..whole.len() {
        // The leader epoch is not covered by the checksum.
        if (12..16).contains(&at) {
            continue;
        }
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        assert!(verify_crc(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn no_records_make_the_reader_panic() {
    let batch = hex(TWO_RECORDS);
    let header = verify_crc(&batch).unwrap();
    let records = &batch[HEADER_LEN..];
    for at in 0..records.len() {
        for value in 0..=255 {
            let mut damaged = records.to_vec();
            damaged[at] = value;
            for record in RecordReader::new(&header, &damaged).flatten() {
                assert_eq!(record.headers.len(), record.headers.count());
            }
        }
        assert!(RecordReader::new(&header, &records[..at]).any(|record| record.is_err()));
    }
}

fn refusal(batch: &[u8], rules: &BatchRules) -> (ErrorCode, Vec<i32>) {
    let mut batch = batch.to_vec();
    let refusal = validate_for_append(&mut batch, rules, NOW, &mut Vec::new()).unwrap_err();
    assert!(!refusal.message.is_empty());
    (refusal.code, refusal.records)
}

/// A batch with some header bytes replaced and the checksum made right again.
fn forged(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut batch = hex(TWO_RECORDS);
    batch[at..at + bytes.len()].copy_from_slice(bytes);
    header::write_crc(&mut batch);
    batch
}

#[test]
fn sound_batches_of_every_codec_pass() {
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = RecordBatchBuilder::with_capacity(64);
        two_records(&mut builder);
        let mut batch = builder.finish(&BatchStamp { codec, ..BatchStamp::default() }).unwrap();
        let before = batch.clone();
        let header = validate_for_append(&mut batch, &BatchRules::default(), NOW, &mut Vec::new()).unwrap();
        assert_eq!(header.record_count, 2);
        assert_eq!(batch, before);
    }
    validate_for_append(&mut hex(TRANSACTIONAL), &BatchRules::default(), NOW, &mut Vec::new()).unwrap();
}

#[test]
fn a_batch_that_breaks_a_rule_is_refused_with_kafkas_code() {
    let rules = BatchRules::default();
    let whole = hex(TWO_RECORDS);
    let mut damaged = whole.clone();
    damaged[70] ^= 1;
    for (what, batch, code) in [
        ("nothing", vec![], ErrorCode::INVALID_RECORD),
        ("cut off", whole[..whole.len() - 1].to_vec(), ErrorCode::INVALID_RECORD),
        ("less than a header", whole[..40].to_vec(), ErrorCode::INVALID_RECORD),
        ("damaged", damaged, ErrorCode::CORRUPT_MESSAGE),
        ("two batches", [&whole[..], &whole].concat(), ErrorCode::INVALID_RECORD),
        ("an old format", forged(16, &[1]), ErrorCode::INVALID_RECORD),
        ("an unknown codec", forged(21, &[0, 5]), ErrorCode::UNSUPPORTED_COMPRESSION_TYPE),
        ("a wrong codec", forged(21, &[0, 4]), ErrorCode::INVALID_RECORD),
        ("a control batch", hex(COMMIT_MARKER), ErrorCode::INVALID_RECORD),
        ("a base offset", forged(0, &[0, 0, 0, 0, 0, 0, 0, 1]), ErrorCode::INVALID_RECORD),
        ("a last offset delta that is not the count", forged(23, &[0, 0, 0, 2]), ErrorCode::INVALID_RECORD),
        ("more records than there are", forged(57, &[0, 0, 0, 3]), ErrorCode::INVALID_RECORD),
        ("a producer without a sequence", forged(43, &[0, 0, 0, 0, 0, 0, 0, 1]), ErrorCode::INVALID_RECORD),
        (
            "an impossible epoch",
            forged(43, &[0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xfe, 0, 0, 0, 0]),
            ErrorCode::INVALID_PRODUCER_EPOCH,
        ),
        ("a transaction without a producer", forged(21, &[0, 0x10]), ErrorCode::INVALID_RECORD),
    ] {
        assert_eq!(refusal(&batch, &rules).0, code, "{what}");
    }
    let fewer = {
        let mut batch = forged(57, &[0, 0, 0, 1]);
        batch[23..27].copy_from_slice(&[0; 4]);
        header::write_crc(&mut batch);
        batch
    };
    assert_eq!(refusal(&fewer, &rules).0, ErrorCode::INVALID_RECORD, "fewer records than there are");
    assert_eq!(refusal(&forged(64, &[2]), &rules), (ErrorCode::INVALID_RECORD, vec![]), "an offset is left out");
    let small = BatchRules { max_message_bytes: whole.len() - 1, ..rules };
    assert_eq!(refusal(&whole, &small).0, ErrorCode::MESSAGE_TOO_LARGE);
    let compacted = BatchRules { compacted: true, ..rules };
    assert_eq!(refusal(&whole, &compacted), (ErrorCode::INVALID_RECORD, vec![1]));
    let late = BatchRules { timestamp_after_max_ms: 4, ..rules };
    assert_eq!(refusal(&whole, &late), (ErrorCode::INVALID_TIMESTAMP, vec![1]));
    let append_time = BatchRules { timestamp_type: TimestampType::LogAppendTime, ..late };
    validate_for_append(&mut whole.clone(), &append_time, NOW, &mut Vec::new()).unwrap();
}

#[test]
fn epoch_and_sequence_mean_nothing_without_a_producer_id() {
    // What aiokafka's plain producer sends: sequence 0.
    for producer in
        [[&[0xff; 8][..], &[0xff, 0xff, 0, 0, 0, 0]].concat(), [&[0xff; 8][..], &[0, 7, 0, 0, 0, 9]].concat()]
    {
        let mut batch = forged(43, &producer);
        let before = batch.clone();
        validate_for_append(&mut batch, &BatchRules::default(), NOW, &mut Vec::new()).unwrap();
        assert_eq!(batch, before);
    }
}

#[test]
fn what_only_a_broker_may_say_of_times_is_taken_away() {
    for (bits, kept) in [(0x08, 0), (0x40, 0), (0x48, 0), (0x80, 0x80), (0xc8, 0x80)] {
        let mut batch = forged(21, &[0, bits]);
        let header = validate_for_append(&mut batch, &BatchRules::default(), NOW, &mut Vec::new()).unwrap();
        assert_eq!((header.attributes, batch), (kept, forged(21, &[0, kept as u8])));
    }
    let append_time = BatchRules { timestamp_type: TimestampType::LogAppendTime, ..BatchRules::default() };
    assert_eq!(refusal(&forged(21, &[0, 8]), &append_time), (ErrorCode::INVALID_TIMESTAMP, vec![0, 1]));
}

#[test]
fn zstd_and_bombs_are_refused_where_they_may_not_be() {
    let mut builder = RecordBatchBuilder::with_capacity(64);
    builder.append(NOW, None, Some(&[0; 1 << 20]), []).unwrap();
    let batch = builder.finish(&BatchStamp { codec: Codec::Zstd, ..BatchStamp::default() }).unwrap();
    let old = BatchRules { zstd_allowed: false, ..BatchRules::default() };
    assert_eq!(refusal(&batch, &old).0, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    let bounded = BatchRules { max_decompressed_bytes: 1 << 19, ..BatchRules::default() };
    assert_eq!(refusal(&batch, &bounded).0, ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn a_wrong_largest_timestamp_is_corrected_in_place() {
    let mut batch = forged(35, &[0; 8]);
    let header = validate_for_append(&mut batch, &BatchRules::default(), NOW, &mut Vec::new()).unwrap();
    assert_eq!(header.max_timestamp, NOW + 5);
    assert_eq!(batch, hex(TWO_RECORDS));
}
