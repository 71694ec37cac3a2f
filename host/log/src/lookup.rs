//! Finding records by their timestamps: ListOffsets.

use millstream_record::{LogOffset, Timestamp};
use millstream_wire::batch::{BatchHeader, InvalidRecord, RecordReader, TimestampType, decompress_records};

use crate::{
    reader::{FoundOffset, LogReader, ReadError},
    scan::Scan,
    segment::Segment,
    sync::offset,
};

/// Most bytes that a batch may expand to while it is searched or compacted. Whoever appends has to refuse larger ones.
pub const MOST_DECOMPRESSED: usize = 256 << 20;

impl LogReader {
    /// The first record below `up_to` whose timestamp is at or after `target`.
    ///
    /// Goes by the time index and looks inside the one batch that matters.
    ///
    /// # Errors
    ///
    /// The disk fails, or the batch is damaged.
    pub fn offset_for_timestamp(&self, target: Timestamp, up_to: LogOffset) -> Result<Option<FoundOffset>, ReadError> {
        let start = self.shared.start();
        for segment in self.shared.segments().iter() {
            if up_to.get() <= segment.base_offset() {
                break;
            }
            if segment.max_timestamp() < target.as_millis() {
                continue;
            }
            let found =
                find_in(segment, start, up_to.get(), |header| target.as_millis() <= header.max_timestamp, target)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record below `up_to` that has the largest timestamp of all.
    ///
    /// # Errors
    ///
    /// The disk fails, or the batch is damaged.
    pub fn offset_of_max_timestamp(&self, up_to: LogOffset) -> Result<Option<FoundOffset>, ReadError> {
        let start = self.shared.start();
        let end = self.shared.end();
        let segments = self.shared.segments();
        let holder_of = |exact: bool| -> Result<Option<(i64, usize)>, ReadError> {
            let mut largest: Option<(i64, usize)> = None;
            for (at, segment) in segments.iter().enumerate() {
                if up_to.get() <= segment.base_offset() {
                    break;
                }
                let segment_end = segments.get(at + 1).map_or(end, |next| next.base_offset());
                let whole = !exact && start <= segment.base_offset() && segment_end <= up_to.get();
                let timestamp =
                    if whole { segment.max_timestamp() } else { largest_between(segment, start, up_to.get())? };
                if largest.is_none_or(|(known, _)| known < timestamp) {
                    largest = Some((timestamp, at));
                }
            }
            Ok(largest.filter(|(timestamp, _)| 0 <= *timestamp))
        };
        // A segment's largest timestamp may be that of a marker, or of a batch that compaction has emptied; then all of
        // them are looked at.
        for exact in [false, true] {
            let Some((timestamp, at)) = holder_of(exact)? else { return Ok(None) };
            let holds = |header: &BatchHeader| timestamp <= header.max_timestamp;
            let found = find_in(&segments[at], start, up_to.get(), holds, Timestamp::from_millis(timestamp))?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// The largest timestamp of the batches that lie between two offsets.
fn largest_between(segment: &Segment, start: i64, up_to: i64) -> Result<i64, ReadError> {
    let position = segment.position_before(start.max(segment.base_offset())).map_err(|e| ReadError::io(segment, e))?;
    let mut scan = Scan::long(segment.log(), position, segment.size());
    let mut largest = -1;
    let damaged = |error| ReadError::of(segment, error);
    while let Some((position, header)) = scan.next().map_err(damaged)? {
        if up_to <= header.last_offset() {
            break;
        }
        if header.last_offset() < start || header.is_control() || header.record_count == 0 {
            continue;
        }
        let timestamp = if start <= header.base_offset {
            header.max_timestamp
        } else {
            // Only some of its records can be read any more.
            let batch = scan.batch(position, &header).map_err(damaged)?;
            largest_in(&header, &batch, start).map_err(|error| ReadError::Damaged {
                base_offset: segment.base_offset(),
                position,
                source: error.into(),
            })?
        };
        largest = largest.max(timestamp);
    }
    Ok(largest)
}

/// The largest timestamp of a batch's records from `start` on.
fn largest_in(header: &BatchHeader, batch: &[u8], start: i64) -> Result<i64, InvalidRecord> {
    if header.timestamp_type() == TimestampType::LogAppendTime {
        return Ok(header.max_timestamp);
    }
    let mut scratch = Vec::new();
    let records = decompress_records(header, batch, MOST_DECOMPRESSED, &mut scratch)?;
    let mut largest = -1;
    for record in RecordReader::new(header, records) {
        let record = record?;
        if start <= header.base_offset.saturating_add(i64::from(record.offset_delta)) {
            largest = largest.max(header.base_timestamp.wrapping_add(record.timestamp_delta));
        }
    }
    Ok(largest)
}

/// The first record at or after `target` in the batches between two offsets for which `may_hold` is true.
fn find_in(
    segment: &Segment,
    start: i64,
    up_to: i64,
    may_hold: impl Fn(&BatchHeader) -> bool,
    target: Timestamp,
) -> Result<Option<FoundOffset>, ReadError> {
    let io = |error| ReadError::io(segment, error);
    let damaged = |error| ReadError::of(segment, error);
    // Nothing up to this entry's offset is late enough.
    let earlier = segment.times().last_where(|entry| entry.timestamp < target.as_millis()).map_err(io)?;
    let from = earlier.map_or(segment.base_offset(), |entry| segment.base_offset() + i64::from(entry.relative_offset));
    let position = segment.position_before(from.max(start)).map_err(io)?;
    let mut scan = Scan::long(segment.log(), position, segment.size());
    while let Some((position, header)) = scan.next().map_err(damaged)? {
        if up_to <= header.last_offset() {
            return Ok(None);
        }
        if header.last_offset() < start || header.is_control() || header.record_count == 0 || !may_hold(&header) {
            continue;
        }
        let batch = scan.batch(position, &header).map_err(damaged)?;
        let found = first_record(&header, &batch, start, target).map_err(|error| ReadError::Damaged {
            base_offset: segment.base_offset(),
            position,
            source: error.into(),
        })?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn first_record(
    header: &BatchHeader,
    batch: &[u8],
    start: i64,
    target: Timestamp,
) -> Result<Option<FoundOffset>, InvalidRecord> {
    let found = |at: i64, timestamp: i64| FoundOffset {
        offset: offset(at),
        timestamp: Timestamp::from_millis(timestamp),
        leader_epoch: header.leader_epoch,
    };
    if header.timestamp_type() == TimestampType::LogAppendTime {
        return Ok(Some(found(header.base_offset.max(start), header.max_timestamp)));
    }
    let mut scratch = Vec::new();
    let records = decompress_records(header, batch, MOST_DECOMPRESSED, &mut scratch)?;
    for record in RecordReader::new(header, records) {
        let record = record?;
        let at = header.base_offset.saturating_add(i64::from(record.offset_delta));
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        if start <= at && target.as_millis() <= timestamp {
            return Ok(Some(found(at, timestamp)));
        }
    }
    Ok(None)
}
