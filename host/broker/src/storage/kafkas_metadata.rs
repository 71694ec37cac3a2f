//! What Apache Kafka knows of topics beyond the folders of their partitions: their settings, out of the metadata log
//! that lies beside them (`__cluster_metadata-0`, KRaft). Read once, when a data folder of Kafka's is taken over.

use std::{collections::BTreeMap, io, path::Path};

use millstream_disk::Disk;
use millstream_wire::batch::{Batches, RecordReader, decompress_records, verify_crc};
use uuid::Uuid;

/// The folder of the metadata log. It is no topic that clients may see.
pub const FOLDER: &str = "__cluster_metadata-0";
/// The version of the frame around each record.
const FRAME: u64 = 1;
/// Types of records, and the only version that each has or whose beginning all have.
const TOPIC_RECORD: u64 = 2;
const CONFIG_RECORD: u64 = 4;
const REMOVE_TOPIC_RECORD: u64 = 9;
/// Of a resource in a `ConfigRecord`.
const TOPIC_RESOURCE: u8 = 2;
/// Records of a batch are never larger when decompressed.
const MAX_BATCH: usize = 64 << 20;

/// Settings of topics, by name.
pub type TopicSettings = BTreeMap<String, BTreeMap<String, String>>;

/// Settings of every topic that the log below a data folder knows, none but those that were set; `None` where there is
/// no log.
///
/// # Errors
///
/// It cannot be read; `InvalidData` where it is not what Kafka writes.
pub fn read(disk: &dyn Disk, data_dir: &Path) -> io::Result<Option<TopicSettings>> {
    let dir = data_dir.join(FOLDER);
    let names = match disk.read_dir(&dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort_unstable();
    let mut state = State::default();
    // A snapshot, `OFFSET-EPOCH.checkpoint`, holds all that stands before its offset.
    let snapshot = names.iter().rev().find(|name| name.ends_with(".checkpoint"));
    let begin = snapshot.and_then(|name| name.split_once('-')?.0.parse::<i64>().ok()).unwrap_or(0);
    if let Some(name) = snapshot {
        state.replay(&read_file(disk, &dir.join(name))?, 0)?;
    }
    for name in names.iter().filter(|name| name.ends_with(".log")) {
        state.replay(&read_file(disk, &dir.join(name))?, begin)?;
    }
    Ok(Some(state.settings))
}

fn read_file(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    disk.read_if_present(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// What the records so far amount to.
#[derive(Debug, Default)]
struct State {
    names: BTreeMap<Uuid, String>,
    settings: TopicSettings,
}

impl State {
    /// Applies the records from an offset on. A batch that is cut off ends the log, as a crash leaves it.
    fn replay(&mut self, bytes: &[u8], begin: i64) -> io::Result<()> {
        let mut scratch = Vec::new();
        for batch in Batches::new(bytes) {
            // Space that was reserved and not written to yet looks like no batch.
            let Ok((_, batch)) = batch else { break };
            let header = verify_crc(batch).map_err(invalid)?;
            if header.is_control() || header.last_offset() < begin {
                continue;
            }
            let records = decompress_records(&header, batch, MAX_BATCH, &mut scratch).map_err(invalid)?;
            for record in RecordReader::new(&header, records) {
                let record = record.map_err(invalid)?;
                if begin <= header.base_offset + i64::from(record.offset_delta) {
                    let malformed = || invalid("a record of the metadata log is malformed");
                    self.apply(Reader(record.value.unwrap_or_default())).ok_or_else(malformed)?;
                }
            }
        }
        Ok(())
    }

    /// `None` for a record that is cut off, or of a frame that is not known.
    fn apply(&mut self, mut record: Reader<'_>) -> Option<()> {
        if record.unsigned()? != FRAME {
            return None;
        }
        let (kind, _version) = (record.unsigned()?, record.unsigned()?);
        match kind {
            TOPIC_RECORD => {
                let name = record.text()??;
                self.settings.entry(name.clone()).or_default();
                self.names.insert(record.uuid()?, name);
            }
            CONFIG_RECORD => {
                let resource = record.take(1)?[0];
                let (name, key) = (record.text()??, record.text()??);
                if resource == TOPIC_RESOURCE {
                    let settings = self.settings.entry(name).or_default();
                    match record.text()? {
                        Some(value) => settings.insert(key, value),
                        None => settings.remove(&key),
                    };
                }
            }
            REMOVE_TOPIC_RECORD => {
                if let Some(name) = self.names.remove(&record.uuid()?) {
                    self.settings.remove(&name);
                }
            }
            _ => {}
        }
        Some(())
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Reads what has Kafka's flexible encoding.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn unsigned(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A compact nullable text.
    fn text(&mut self) -> Option<Option<String>> {
        match self.unsigned()? {
            0 => Some(None),
            length => {
                let bytes = self.take(usize::try_from(length - 1).ok()?)?;
                Some(Some(std::str::from_utf8(bytes).ok()?.to_owned()))
            }
        }
    }

    fn uuid(&mut self) -> Option<Uuid> {
        Some(Uuid::from_bytes(self.take(16)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use millstream_disk::faulty::FaultyDisk;
    use millstream_wire::batch::{BatchStamp, RecordBatchBuilder, set_base_offset};

    use super::*;

    /// As `TopicRecord`, `ConfigRecord` and `RemoveTopicRecord` are encoded: frame, type, version, fields, tags.
    fn topic(name: &str, id: u8) -> Vec<u8> {
        [&[1, 2, 0, name.len() as u8 + 1][..], name.as_bytes(), &[id; 16], &[0]].concat()
    }

    fn config(resource: u8, name: &str, key: &str, value: Option<&str>) -> Vec<u8> {
        let text = |text: &str| [&[text.len() as u8 + 1], text.as_bytes()].concat();
        let value = value.map_or(vec![0], text);
        [&[1, 4, 0, resource][..], &text(name), &text(key), &value, &[0]].concat()
    }

    fn removed(id: u8) -> Vec<u8> {
        [&[1, 9, 0][..], &[id; 16], &[0]].concat()
    }

    fn batch(base_offset: i64, values: &[Vec<u8>]) -> Vec<u8> {
        let mut builder = RecordBatchBuilder::with_capacity(100);
        for value in values {
            builder.append(0, None, Some(value), []).unwrap();
        }
        let mut batch = builder.finish(&BatchStamp::default()).unwrap().to_vec();
        set_base_offset(&mut batch, base_offset);
        batch
    }

    fn read_files(files: &[(&str, Vec<u8>)]) -> io::Result<Option<TopicSettings>> {
        let disk = FaultyDisk::new(1);
        let process = disk.process();
        let dir = Path::new("/data").join(FOLDER);
        process.create_dirs(&dir).unwrap();
        for (name, content) in files {
            disk.put(&dir.join(name), content);
        }
        read(&*process, Path::new("/data"))
    }

    fn settings(of: &[(&str, &[(&str, &str)])]) -> TopicSettings {
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        of.iter().map(|(name, settings)| ((*name).to_owned(), pairs(settings))).collect()
    }

    #[test]
    fn settings_are_those_that_were_set_last_for_topics_that_were_not_removed() {
        let log = [
            batch(0, &[topic("a", 1), topic("b", 2), config(2, "a", "retention.ms", Some("5"))]),
            batch(3, &[config(2, "a", "cleanup.policy", Some("compact")), config(4, "a", "num.io.threads", Some("3"))]),
            batch(5, &[config(2, "b", "retention.ms", Some("7")), config(2, "a", "retention.ms", None), removed(2)]),
        ];
        let found = read_files(&[("00000000000000000000.log", log.concat())]).unwrap().unwrap();
        assert_eq!(found, settings(&[("a", &[("cleanup.policy", "compact")])]));
        // What was written last may be cut off, and reserved space is zero.
        for end in [batch(8, &[topic("c", 3)])[..70].to_vec(), vec![0; 100]] {
            let torn = [log.concat(), end].concat();
            assert_eq!(read_files(&[("00000000000000000000.log", torn)]).unwrap().unwrap(), found);
        }
    }

    #[test]
    fn a_snapshot_stands_for_all_before_its_offset() {
        let old = batch(0, &[topic("a", 1), config(2, "a", "retention.ms", Some("5"))]);
        let snapshot = batch(0, &[topic("a", 1), config(2, "a", "retention.ms", Some("9"))]);
        let new = batch(2, &[config(2, "a", "segment.ms", Some("4"))]);
        let files = [
            ("00000000000000000000.log", [old, new].concat()),
            ("00000000000000000002-0000000001.checkpoint", snapshot),
        ];
        let expected = settings(&[("a", &[("retention.ms", "9"), ("segment.ms", "4")])]);
        assert_eq!(read_files(&files).unwrap().unwrap(), expected);
    }

    #[test]
    fn what_is_not_kafkas_is_told() {
        let cut = config(2, "a", "retention.ms", Some("5"));
        let log = batch(0, &[cut[..9].to_vec()]);
        let error = read_files(&[("00000000000000000000.log", log)]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        let mut flipped = batch(0, &[topic("a", 1)]);
        *flipped.last_mut().unwrap() ^= 1;
        assert!(read_files(&[("00000000000000000000.log", flipped)]).is_err());
    }
}
