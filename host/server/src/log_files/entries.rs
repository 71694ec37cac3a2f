//! Entries of the files beside a `.log`: indexes, aborted transactions, producers.

use millstream_wire::hash::crc32c;
use serde_json::{Value, json};

/// Which file it is, by the end of its name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Index,
    TimeIndex,
    TxnIndex,
    Snapshot,
    LeaderEpochs,
}

/// An entry as text, in Kafka's words, and as JSON.
pub struct Entry {
    pub text: String,
    pub json: Value,
}

impl Kind {
    pub fn of(extension: &str) -> Option<Self> {
        match extension {
            "index" => Some(Self::Index),
            "timeindex" => Some(Self::TimeIndex),
            "txnindex" => Some(Self::TxnIndex),
            "snapshot" => Some(Self::Snapshot),
            _ => None,
        }
    }

    /// The entries of a file whose name says this offset.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub fn entries(self, base: i64, bytes: &[u8]) -> Result<Vec<Entry>, String> {
        match self {
            Self::Index => Ok(filled(bytes, 8).map(|entry| index_entry(base, entry)).collect()),
            Self::TimeIndex => Ok(filled(bytes, 12).map(|entry| time_entry(base, entry)).collect()),
            Self::TxnIndex => Ok(bytes.chunks_exact(34).map(aborted_entry).collect()),
            Self::Snapshot => snapshot(bytes),
            Self::LeaderEpochs => leader_epochs(bytes),
        }
    }
}

/// Version, count, and then a line for each epoch: its number and first offset.
fn leader_epochs(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err("its first line is not the version, 0".to_owned());
    }
    let count = lines.next().and_then(|line| line.parse::<usize>().ok()).ok_or("its second line is no count")?;
    let entry = |line: &str| -> Option<Entry> {
        let (epoch, offset) = line.split_once(' ')?;
        let (epoch, offset): (i32, i64) = (epoch.parse().ok()?, offset.parse().ok()?);
        Some(Entry {
            text: format!("epoch: {epoch} startOffset: {offset}"),
            json: json!({"epoch": epoch, "start_offset": offset}),
        })
    };
    let entries: Option<Vec<Entry>> = lines.map(entry).collect();
    let entries = entries.ok_or("a line is not an epoch and an offset")?;
    if entries.len() != count {
        return Err(format!("{count} epochs are announced, and there are {}", entries.len()));
    }
    Ok(entries)
}

/// A number at a place of an entry, which the caller knows to be long enough.
fn int(entry: &[u8], at: usize) -> i32 {
    entry.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_be_bytes)
}

fn long(entry: &[u8], at: usize) -> i64 {
    entry.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, i64::from_be_bytes)
}

fn short(entry: &[u8], at: usize) -> i16 {
    entry.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, i16::from_be_bytes)
}

/// Entries of an index. Kafka makes these files larger than what is in them, and fills them with zeros.
fn filled(bytes: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let is_entry = |(at, entry): &(usize, &[u8])| *at == 0 || entry.iter().any(|byte| *byte != 0);
    bytes.chunks_exact(size).enumerate().take_while(is_entry).map(|(_, entry)| entry)
}

fn index_entry(base: i64, entry: &[u8]) -> Entry {
    let (offset, position) = (base.saturating_add(i64::from(int(entry, 0))), int(entry, 4));
    Entry {
        text: format!("offset: {offset} position: {position}"),
        json: json!({"offset": offset, "position": position}),
    }
}

fn time_entry(base: i64, entry: &[u8]) -> Entry {
    let (timestamp, offset) = (long(entry, 0), base.saturating_add(i64::from(int(entry, 8))));
    Entry {
        text: format!("timestamp: {timestamp} offset: {offset}"),
        json: json!({"timestamp": timestamp, "offset": offset}),
    }
}

fn aborted_entry(entry: &[u8]) -> Entry {
    let (version, producer_id) = (short(entry, 0), long(entry, 2));
    let (first, last, stable) = (long(entry, 10), long(entry, 18), long(entry, 26));
    Entry {
        text: format!(
            "version: {version} producerId: {producer_id} firstOffset: {first} lastOffset: {last} lastStableOffset: {stable}"
        ),
        json: json!({
            "version": version,
            "producer_id": producer_id,
            "first_offset": first,
            "last_offset": last,
            "last_stable_offset": stable,
        }),
    }
}

/// Version, checksum of what follows it, and count of producers; then a producer each.
const SNAPSHOT_HEADER: usize = 10;
const SNAPSHOT_ENTRY: usize = 46;

fn snapshot(bytes: &[u8]) -> Result<Vec<Entry>, String> {
    let Some((header, entries)) = bytes.split_at_checked(SNAPSHOT_HEADER) else {
        return Err(format!(
            "a snapshot of producers has {SNAPSHOT_HEADER} bytes at least, and this file {}",
            bytes.len()
        ));
    };
    if short(header, 0) != 1 {
        return Err(format!("snapshots of producers have the version 1, and this one {}", short(header, 0)));
    }
    let (found, expected) = (int(header, 2) as u32, crc32c(&bytes[6..]));
    if found != expected {
        return Err(format!("the checksum is {found:#010x} where the bytes make {expected:#010x}"));
    }
    let count = usize::try_from(int(header, 6)).unwrap_or(usize::MAX);
    if count.checked_mul(SNAPSHOT_ENTRY) != Some(entries.len()) {
        return Err(format!(
            "{} producers are announced, and there are {} bytes of them",
            int(header, 6),
            entries.len()
        ));
    }
    Ok(entries.chunks_exact(SNAPSHOT_ENTRY).map(producer).collect())
}

fn producer(entry: &[u8]) -> Entry {
    let (producer_id, epoch) = (long(entry, 0), short(entry, 8));
    let (last_sequence, last_offset, delta) = (int(entry, 10), long(entry, 14), int(entry, 22));
    let (timestamp, coordinator_epoch, transaction) = (long(entry, 26), int(entry, 34), long(entry, 38));
    let begun = if transaction < 0 { "OptionalLong.empty".to_owned() } else { format!("OptionalLong[{transaction}]") };
    let mut text = format!(
        "producerId: {producer_id} producerEpoch: {epoch} coordinatorEpoch: {coordinator_epoch} \
         currentTxnFirstOffset: {begun} lastTimestamp: {timestamp} "
    );
    // After the largest number comes 0.
    let first_sequence = (i64::from(last_sequence) - i64::from(delta)).rem_euclid(i64::from(i32::MAX) + 1);
    if 0 <= last_offset {
        text.push_str(&format!(
            "firstSequence: {first_sequence} lastSequence: {last_sequence} lastOffset: {last_offset} offsetDelta: {delta} \
             timestamp: {timestamp}"
        ));
    }
    Entry {
        text,
        json: json!({
            "producer_id": producer_id,
            "producer_epoch": epoch,
            "coordinator_epoch": coordinator_epoch,
            "transaction_first_offset": (0 <= transaction).then_some(transaction),
            "last_timestamp": timestamp,
            "first_sequence": (0 <= last_offset).then_some(first_sequence),
            "last_sequence": (0 <= last_offset).then_some(last_sequence),
            "last_offset": (0 <= last_offset).then_some(last_offset),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(kind: Kind, base: i64, bytes: &[u8]) -> Vec<String> {
        kind.entries(base, bytes).expect("sound").into_iter().map(|entry| entry.text).collect()
    }

    #[test]
    fn an_index_ends_where_its_zeros_begin() {
        let entry = |offset: i32, position: i32| [offset.to_be_bytes(), position.to_be_bytes()].concat();
        let bytes = [entry(5, 100), entry(9, 200), entry(0, 0), entry(0, 0)].concat();
        assert_eq!(texts(Kind::Index, 1000, &bytes), ["offset: 1005 position: 100", "offset: 1009 position: 200"]);
        assert_eq!(texts(Kind::Index, 1000, &[]), [""; 0]);
    }

    #[test]
    fn leader_epochs_are_shown_and_checked() {
        assert_eq!(texts(Kind::LeaderEpochs, 0, b"0\n1\n3 42\n"), ["epoch: 3 startOffset: 42"]);
        for wrong in ["", "1\n0\n", "0\n2\n3 42\n", "0\n1\nx\n", "0\n1\n3\n"] {
            assert!(Kind::LeaderEpochs.entries(0, wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_snapshot_that_is_damaged_says_how() {
        let refused = |bytes: &[u8]| Kind::Snapshot.entries(0, bytes).err().expect("damaged");
        assert!(refused(&[0; 4]).contains("has 10 bytes at least, and this file 4"));
        assert!(refused(&[0; 10]).contains("version 1, and this one 0"));
        let mut whole = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        assert!(refused(&whole).contains("the checksum is 0x00000000"));
        let crc = crc32c(&whole[6..]);
        whole[2..6].copy_from_slice(&crc.to_be_bytes());
        assert!(refused(&whole).contains("1 producers are announced, and there are 0 bytes of them"));
    }
}
