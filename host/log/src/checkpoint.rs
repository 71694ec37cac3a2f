//! Small text files in Kafka's formats: offsets by partition for a whole data folder, and a partition's topic id.

use std::{
    collections::BTreeMap,
    fmt::Write,
    io,
    path::{Path, PathBuf},
};

use millstream_disk::Disk;

/// Why a checkpoint could not be read or written.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file could not be read.
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The file could not be replaced; the old one is still there.
    #[error("write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The content is not of the format.
    #[error("{} is damaged in line {line}", path.display())]
    Damaged {
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
}

/// Offsets by topic and partition.
pub type Offsets = BTreeMap<(String, i32), i64>;

/// Reads an offset checkpoint such as `recovery-point-offset-checkpoint`. A file that is not there has no entries.
///
/// # Errors
///
/// The file cannot be read or is damaged. Recovery may go on without it: it then trusts less.
pub fn read_offsets(disk: &dyn Disk, path: &Path) -> Result<Offsets, CheckpointError> {
    let content =
        disk.read_if_present(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
    let Some(content) = content else { return Ok(Offsets::new()) };
    let damaged = |line| CheckpointError::Damaged { path: path.to_owned(), line };
    let text = String::from_utf8(content).map_err(|_| damaged(1))?;
    let mut lines = text.lines();
    if lines.next() != Some("0") {
        return Err(damaged(1));
    }
    let count: usize = lines.next().and_then(|line| line.parse().ok()).ok_or_else(|| damaged(2))?;
    let mut offsets = Offsets::new();
    for (at, line) in lines.enumerate() {
        let mut words = line.split(' ');
        let entry = (|| {
            let topic = words.next().filter(|topic| !topic.is_empty())?;
            let partition = words.next()?.parse().ok()?;
            let offset = words.next()?.parse().ok()?;
            words.next().is_none().then(|| ((topic.to_owned(), partition), offset))
        })();
        let (key, offset) = entry.ok_or_else(|| damaged(at + 3))?;
        offsets.insert(key, offset);
    }
    if offsets.len() == count { Ok(offsets) } else { Err(damaged(2)) }
}

/// Replaces an offset checkpoint; durable on return.
///
/// # Errors
///
/// The file could not be written; the old content stays.
pub fn write_offsets(disk: &dyn Disk, path: &Path, offsets: &Offsets) -> Result<(), CheckpointError> {
    let mut text = format!("0\n{}\n", offsets.len());
    for ((topic, partition), offset) in offsets {
        writeln!(text, "{topic} {partition} {offset}").expect("a String takes all text");
    }
    disk.replace(path, text.as_bytes()).map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
}

/// The file that keeps a partition's topic id.
const PARTITION_METADATA: &str = "partition.metadata";

/// Reads the topic id of a partition's folder; `None` where none was written.
///
/// # Errors
///
/// The file cannot be read or is damaged.
pub fn read_topic_id(disk: &dyn Disk, dir: &Path) -> Result<Option<[u8; 16]>, CheckpointError> {
    let path = dir.join(PARTITION_METADATA);
    let content = disk.read_if_present(&path).map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
    let Some(content) = content else { return Ok(None) };
    let text = String::from_utf8_lossy(&content);
    let mut lines = text.lines();
    if lines.next() != Some("version: 0") {
        return Err(CheckpointError::Damaged { path, line: 1 });
    }
    let id = lines.next().and_then(|line| line.strip_prefix("topic_id: ")).and_then(id_from_text);
    id.map(Some).ok_or(CheckpointError::Damaged { path, line: 2 })
}

/// Writes the topic id of a partition's folder; durable on return.
///
/// # Errors
///
/// The file could not be written.
pub fn write_topic_id(disk: &dyn Disk, dir: &Path, topic_id: [u8; 16]) -> Result<(), CheckpointError> {
    let path = dir.join(PARTITION_METADATA);
    let text = format!("version: 0\ntopic_id: {}\n", id_to_text(topic_id));
    disk.replace(&path, text.as_bytes()).map_err(|source| CheckpointError::Write { path, source })
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The text form of Kafka's ids: URL-safe base64 without padding, 22 characters.
pub fn id_to_text(id: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(id);
    // 22 characters have 132 bits: the last four are zero.
    let digit = |at: u32| if at < 21 { (bits >> (122 - 6 * at)) as usize & 63 } else { (bits << 4) as usize & 63 };
    (0..22).map(|at| char::from(BASE64_URL[digit(at)])).collect()
}

/// Reads the text form of an id; `None` for anything else.
pub fn id_from_text(text: &str) -> Option<[u8; 16]> {
    let digits = text.as_bytes();
    if digits.len() != 22 {
        return None;
    }
    let mut bits = 0_u128;
    for (at, digit) in digits.iter().enumerate() {
        let value = BASE64_URL.iter().position(|known| known == digit)? as u128;
        if at < 21 {
            bits = bits << 6 | value;
        } else if value & 15 == 0 {
            bits = bits << 2 | value >> 4;
        } else {
            return None;
        }
    }
    Some(bits.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use millstream_disk::real;

    use super::*;

    #[test]
    fn offset_checkpoints_have_kafkas_text() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("recovery-point-offset-checkpoint");
        assert_eq!(read_offsets(&*real(), &path).unwrap(), Offsets::new());
        let offsets = Offsets::from([(("b.c".to_owned(), 0), 7), (("a".to_owned(), 12), 0)]);
        write_offsets(&*real(), &path, &offsets).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n2\na 12 0\nb.c 0 7\n");
        assert_eq!(read_offsets(&*real(), &path).unwrap(), offsets);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_damaged_checkpoint_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for (text, expected) in
            [("", 1), ("1\n0\n", 1), ("0\nx\n", 2), ("0\n2\na 0 1\n", 2), ("0\n1\na 0\n", 3), ("0\n1\na 0 1 2\n", 3)]
        {
            std::fs::write(&path, text).unwrap();
            match read_offsets(&*real(), &path) {
                Err(CheckpointError::Damaged { line, .. }) => assert_eq!(line, expected, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn topic_ids_are_kept_in_kafkas_text() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_topic_id(&*real(), dir.path()).unwrap(), None);
        let id = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        write_topic_id(&*real(), dir.path(), id).unwrap();
        let text = std::fs::read_to_string(dir.path().join("partition.metadata")).unwrap();
        assert_eq!(text, "version: 0\ntopic_id: ABEiM0RVZneImaq7zN3u_w\n");
        assert_eq!(read_topic_id(&*real(), dir.path()).unwrap(), Some(id));
        assert_eq!(id_from_text("ABEiM0RVZneImaq7zN3u_x"), None, "bits beyond the last byte");
        assert_eq!(id_from_text("ABEiM0RVZneImaq7zN3u"), None);
    }
}
