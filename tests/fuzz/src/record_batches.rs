//! Record batches as any producer may send them and any broker may store them.

use millstream_wire::{
    batch::{
        BatchHeader, BatchRules, Batches, ControlMarker, RecordReader, TimestampType, decompress_records, set_producer,
        validate_for_append, verify_crc,
    },
    compression::Codec,
};

/// A byte of rules and a batch, in hexadecimal.
pub const SEEDS: &[&str] = &[
    "00000000000000000000000049ffffffff0223cab63f0000000000010000018bcfe568000000018bcfe56805ffffffffffffffffffffffffff\
     ff0000000220000000026b04763104026802310268010c000a02010000",
    "01000000000000000000000039ffffffff024efe6e3b0010000000000000018bcfe568000000018bcfe56800000000000000126700037fffff\
     ff000000010e00000001027800",
    "02000000000000000000000042ffffffff025c0115bb0030000000000000018bcfe568000000018bcfe5680000000000000000126700\
     03ffffffff000000012000000008000000010c00000000000700",
];

/// Most bytes that anything expands to.
const MOST: usize = 1 << 20;

/// Checks a batch as a broker does and reads everything as a consumer does. True if the broker would take it.
pub fn record_batches(bytes: &[u8]) -> bool {
    let Some((&form, stored)) = bytes.split_first() else { return false };
    read_all(stored);
    let mut batch = stored.to_vec();
    if form & 0x80 == 0 {
        repair(&mut batch);
        read_all(&batch);
    }
    let rules = BatchRules {
        max_decompressed_bytes: MOST,
        timestamp_type: if form & 1 == 0 { TimestampType::CreateTime } else { TimestampType::LogAppendTime },
        timestamp_after_max_ms: if form & 2 == 0 { i64::MAX } else { 1000 },
        compacted: form & 4 != 0,
        zstd_allowed: form & 8 == 0,
        ..BatchRules::default()
    };
    let mut scratch = Vec::new();
    let Ok(header) = validate_for_append(&mut batch, &rules, 1_700_000_000_000, &mut scratch) else { return false };
    assert!(scratch.capacity() <= 4 * MOST, "{} bytes", scratch.capacity());
    assert_eq!(verify_crc(&batch), Ok(header), "what is appended has the right checksum");
    assert_eq!(header.timestamp_type(), TimestampType::CreateTime, "only a broker stamps batches");
    assert!(!header.has_delete_horizon() && !header.is_control());
    let records = decompress_records(&header, &batch, MOST, &mut scratch).expect("it was read before");
    let mut reader = RecordReader::new(&header, records);
    for (at, record) in reader.by_ref().enumerate() {
        let record = record.expect("it was read before");
        assert_eq!(i64::from(record.offset_delta), at as i64);
        assert_eq!(record.headers.len(), record.headers.count());
    }
    assert!(reader.rest().is_empty());
    let again = validate_for_append(&mut batch, &rules, 1_700_000_000_000, &mut scratch);
    assert_eq!(again.ok(), Some(header), "what is taken once is taken again, unchanged");
    true
}

/// Makes length and checksum those of the bytes, so that damage gets past them.
fn repair(batch: &mut [u8]) {
    if let Some(length) = batch.len().checked_sub(12)
        && let Some(field) = batch.get_mut(8..12)
    {
        field.copy_from_slice(&(length as i32).to_be_bytes());
    }
    if let Ok(header) = BatchHeader::parse(batch) {
        // Writes what is there already, and with it the checksum.
        set_producer(batch, header.producer_id, header.producer_epoch, header.base_sequence);
    }
}

/// Reads batches as they come from a log or another broker.
fn read_all(bytes: &[u8]) {
    let mut scratch = Vec::new();
    for batch in Batches::new(bytes) {
        let Ok((header, batch)) = batch else { return };
        let _ = ControlMarker::parse(&header, batch);
        if let Ok(records) = decompress_records(&header, batch, MOST, &mut scratch) {
            assert!(header.codec() == Codec::None || records.len() <= MOST);
            RecordReader::new(&header, records).filter_map(Result::ok).for_each(|record| {
                assert_eq!(record.headers.len(), record.headers.count());
            });
        }
    }
}
