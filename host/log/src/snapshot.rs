//! Producer state on disk: Kafka's `.snapshot` with the newest batch of each producer, and beside it our own
//! `.window` with the others that may still be retried.
//!
//! Apache Kafka leaves the window to the other replicas. There are none here, and a producer that retries five
//! requests over a restart must find all five.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::Path,
};

use millstream_disk::Disk;

use crate::{
    files::{self, Kind},
    producers::{BatchMetadata, ProducerState, ProducerStates, WINDOW},
};

const SNAPSHOT_VERSION: i16 = 1;
/// Version, checksum and count.
const SNAPSHOT_HEADER: usize = 10;
const SNAPSHOT_ENTRY: usize = 46;

/// Marks our own file, together with its version.
const WINDOW_MAGIC: [u8; 4] = *b"MSW1";

/// Stands for "no transaction is open".
const NO_TRANSACTION: i64 = -1;

/// Writes the state of the producers at an offset (exclusive). Durable on return if `durable`.
pub(crate) fn write(
    disk: &dyn Disk,
    dir: &Path,
    offset: i64,
    producers: &ProducerStates,
    durable: bool,
) -> io::Result<()> {
    let put = |kind, content: &[u8]| {
        let path = files::path(dir, offset, kind);
        if durable { disk.replace(&path, content) } else { disk.write(&path, content) }
    };
    // The window first: it means nothing without the snapshot it belongs to.
    if producers.states.values().any(|state| 1 < state.batches.len()) {
        put(Kind::Window, &encode_window(producers))?;
    } else {
        disk.remove_if_present(&files::path(dir, offset, Kind::Window))?;
    }
    put(Kind::Snapshot, &encode_snapshot(producers))
}

/// Reads the state at an offset; `None` where there is no snapshot or it is damaged. A damaged or missing window
/// leaves the newest batch of each producer.
pub(crate) fn read(disk: &dyn Disk, dir: &Path, offset: i64, now_ms: i64) -> io::Result<Option<ProducerStates>> {
    let Some(content) = disk.read_if_present(&files::path(dir, offset, Kind::Snapshot))? else { return Ok(None) };
    let Some(mut producers) = decode_snapshot(&content, now_ms) else { return Ok(None) };
    if let Some(content) = disk.read_if_present(&files::path(dir, offset, Kind::Window))?
        && let Some(windows) = decode_window(&content)
    {
        for (producer_id, (epoch, batches)) in windows {
            if let Some(state) = producers.states.get_mut(&producer_id) {
                let belongs = state.epoch == epoch && state.batches.back() == batches.back();
                if belongs {
                    state.batches = batches;
                }
            }
        }
    }
    Ok(Some(producers))
}

/// Removes the states at those offsets for which `gone` holds.
///
/// The windows go last: a snapshot that came back without its window after a power failure would let producers be
/// forgotten in part.
pub(crate) fn remove(disk: &dyn Disk, dir: &Path, gone: impl Fn(i64) -> bool) -> io::Result<()> {
    for kind in [Kind::Snapshot, Kind::Window] {
        let mut removed = false;
        for name in disk.read_dir(dir)? {
            if let Some((at, found)) = name.to_str().and_then(files::parse_name)
                && found == kind
                && gone(at)
            {
                removed |= disk.remove_if_present(&dir.join(name))?;
            }
        }
        if removed {
            disk.sync_dir(dir)?;
        }
    }
    Ok(())
}

fn encode_snapshot(producers: &ProducerStates) -> Vec<u8> {
    let mut out = Vec::with_capacity(SNAPSHOT_HEADER + SNAPSHOT_ENTRY * producers.len());
    out.extend(SNAPSHOT_VERSION.to_be_bytes());
    out.extend([0; 4]);
    out.extend((producers.len() as i32).to_be_bytes());
    for (producer_id, state) in producers.iter() {
        let none = BatchMetadata { last_sequence: -1, last_offset: -1, offset_delta: 0, timestamp: -1 };
        let newest = state.batches.back().copied().unwrap_or(none);
        out.extend(producer_id.to_be_bytes());
        out.extend(state.epoch.to_be_bytes());
        out.extend(newest.last_sequence.to_be_bytes());
        out.extend(newest.last_offset.to_be_bytes());
        out.extend(newest.offset_delta.to_be_bytes());
        out.extend(state.last_timestamp.to_be_bytes());
        out.extend(state.coordinator_epoch.to_be_bytes());
        out.extend(state.transaction_start.unwrap_or(NO_TRANSACTION).to_be_bytes());
    }
    let crc = crc32c::crc32c(&out[6..]);
    out[2..6].copy_from_slice(&crc.to_be_bytes());
    out
}

fn decode_snapshot(content: &[u8], now_ms: i64) -> Option<ProducerStates> {
    let mut header = Fields(content);
    let version = i16::from_be_bytes(header.take()?);
    let crc = u32::from_be_bytes(header.take()?);
    let count = i32::from_be_bytes(header.take()?);
    let entries = header.0;
    let sound = version == SNAPSHOT_VERSION
        && crc == crc32c::crc32c(&content[6..])
        && entries.len() == usize::try_from(count).ok()?.checked_mul(SNAPSHOT_ENTRY)?;
    if !sound {
        return None;
    }
    let mut states = BTreeMap::new();
    for entry in entries.chunks_exact(SNAPSHOT_ENTRY) {
        let mut entry = Fields(entry);
        let producer_id = i64::from_be_bytes(entry.take()?);
        let epoch = i16::from_be_bytes(entry.take()?);
        let mut newest = BatchMetadata {
            last_sequence: i32::from_be_bytes(entry.take()?),
            last_offset: i64::from_be_bytes(entry.take()?),
            offset_delta: i32::from_be_bytes(entry.take()?),
            timestamp: -1,
        };
        let last_timestamp = i64::from_be_bytes(entry.take()?);
        let coordinator_epoch = i32::from_be_bytes(entry.take()?);
        let transaction_start = i64::from_be_bytes(entry.take()?);
        newest.timestamp = last_timestamp;
        let batches = if 0 <= newest.last_sequence { VecDeque::from([newest]) } else { VecDeque::new() };
        let state = ProducerState {
            epoch,
            batches,
            coordinator_epoch,
            transaction_start: (0 <= transaction_start).then_some(transaction_start),
            last_timestamp,
            // A producer that was idle while the broker was down gets its full time again.
            last_append_ms: now_ms,
        };
        states.insert(producer_id, state);
    }
    Some(states.into())
}

fn encode_window(producers: &ProducerStates) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(WINDOW_MAGIC);
    out.extend([0; 4]);
    out.extend((producers.len() as u32).to_be_bytes());
    for (producer_id, state) in producers.iter() {
        out.extend(producer_id.to_be_bytes());
        out.extend(state.epoch.to_be_bytes());
        out.push(state.batches.len() as u8);
        for batch in &state.batches {
            out.extend(batch.last_sequence.to_be_bytes());
            out.extend(batch.last_offset.to_be_bytes());
            out.extend(batch.offset_delta.to_be_bytes());
            out.extend(batch.timestamp.to_be_bytes());
        }
    }
    let crc = crc32c::crc32c(&out[8..]);
    out[4..8].copy_from_slice(&crc.to_be_bytes());
    out
}

type Windows = BTreeMap<i64, (i16, VecDeque<BatchMetadata>)>;

fn decode_window(content: &[u8]) -> Option<Windows> {
    let mut fields = Fields(content);
    let magic: [u8; 4] = fields.take()?;
    let crc = u32::from_be_bytes(fields.take()?);
    let count = u32::from_be_bytes(fields.take()?);
    if magic != WINDOW_MAGIC || crc != crc32c::crc32c(&content[8..]) {
        return None;
    }
    let mut windows = Windows::new();
    for _ in 0..count {
        let producer_id = i64::from_be_bytes(fields.take()?);
        let epoch = i16::from_be_bytes(fields.take()?);
        let [len] = fields.take()?;
        let mut batches = VecDeque::with_capacity(WINDOW);
        for _ in 0..len {
            batches.push_back(BatchMetadata {
                last_sequence: i32::from_be_bytes(fields.take()?),
                last_offset: i64::from_be_bytes(fields.take()?),
                offset_delta: i32::from_be_bytes(fields.take()?),
                timestamp: i64::from_be_bytes(fields.take()?),
            });
        }
        windows.insert(producer_id, (epoch, batches));
    }
    fields.0.is_empty().then_some(windows)
}

/// Big-endian fields one after another.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use millstream_disk::real;

    use super::*;

    fn producers() -> ProducerStates {
        let batch =
            |last_sequence, last_offset| BatchMetadata { last_sequence, last_offset, offset_delta: 1, timestamp: 99 };
        let state = ProducerState {
            epoch: 3,
            batches: VecDeque::from([batch(1, 11), batch(3, 13), batch(5, 15)]),
            coordinator_epoch: 7,
            transaction_start: Some(12),
            last_timestamp: 99,
            last_append_ms: 1000,
        };
        let fenced = ProducerState {
            epoch: 9,
            batches: VecDeque::new(),
            coordinator_epoch: -1,
            transaction_start: None,
            last_timestamp: 5,
            last_append_ms: 1000,
        };
        BTreeMap::from([(4711, state), (4712, fenced)]).into()
    }

    #[test]
    fn the_snapshot_has_kafkas_bytes() {
        let bytes = encode_snapshot(&producers());
        let mut expected = vec![0, 1];
        expected.extend(crc32c::crc32c(&bytes[6..]).to_be_bytes());
        expected.extend([0, 0, 0, 2]);
        let hex = "0000000000001267 0003 00000005 000000000000000f 00000001 0000000000000063 00000007 000000000000000c \
                   0000000000001268 0009 ffffffff ffffffffffffffff 00000000 0000000000000005 ffffffff ffffffffffffffff";
        let digits: String = hex.split_whitespace().collect();
        expected.extend((0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()));
        assert_eq!(bytes, expected);
    }

    #[test]
    fn the_whole_window_survives() {
        let dir = tempfile::tempdir().unwrap();
        for durable in [false, true] {
            write(&*real(), dir.path(), 16, &producers(), durable).unwrap();
            assert_eq!(read(&*real(), dir.path(), 16, 1000).unwrap(), Some(producers()));
        }
        assert_eq!(read(&*real(), dir.path(), 17, 1000).unwrap(), None);
    }

    #[test]
    fn without_its_window_a_snapshot_keeps_the_newest_batch() {
        let dir = tempfile::tempdir().unwrap();
        write(&*real(), dir.path(), 16, &producers(), false).unwrap();
        let mut expected = producers();
        let batches = &mut expected.states.get_mut(&4711).unwrap().batches;
        batches.drain(..2);
        let path = files::path(dir.path(), 16, Kind::Window);
        fs::write(&path, b"MSW1 nonsense").unwrap();
        assert_eq!(read(&*real(), dir.path(), 16, 1000).unwrap(), Some(expected.clone()));
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&*real(), dir.path(), 16, 1000).unwrap(), Some(expected));
    }

    #[test]
    fn damage_anywhere_in_a_snapshot_is_noticed() {
        let bytes = encode_snapshot(&producers());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(decode_snapshot(&damaged, 0), None, "byte {at}");
            assert_eq!(decode_snapshot(&bytes[..at], 0), None, "cut to {at}");
        }
        let bytes = encode_window(&producers());
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(decode_window(&damaged), None, "byte {at}");
        }
    }
}
