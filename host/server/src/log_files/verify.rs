//! `millstream broker verify DIR`: reads every batch and record of a data folder or of one partition and the indexes beside
//! them, and says what is wrong with them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use millstream_record::ErrorChain;
use millstream_wire::batch::{BatchHeader, RecordReader, decompress_records, verify_crc};
use serde_json::{Value, json};

use super::{
    batches::{FileBatch, FileBatches, WalkError},
    indexes::{Indexes, check_alone},
};
use crate::{
    exit::{Failure, USAGE},
    output::{Output, print, print_json},
};

/// Most bytes that one compressed batch may become.
const MAX_DECOMPRESSED: usize = 1 << 30;

/// What is in a partition.
#[derive(Debug, Default)]
struct Findings {
    segments: u64,
    batches: u64,
    records: u64,
    bytes: u64,
    /// First offset and the one behind the last.
    offsets: Option<(i64, i64)>,
    problems: Vec<Problem>,
}

/// Something that is wrong.
#[derive(Debug)]
struct Problem {
    file: String,
    position: u64,
    reason: String,
}

/// Verifies a folder. Blocks; it may be that of a broker which runs, whose last batch may then be seen half-written.
///
/// # Errors
///
/// The folder holds no partition, cannot be read, or something is wrong in it.
pub fn run(folder: &Path, output: Output) -> Result<(), Failure> {
    let failed = |path: &Path, error: &io::Error| Failure::new(USAGE, format!("verify {}: {error}", path.display()));
    let mut partitions = Vec::new();
    if !logs_of(folder).map_err(|error| failed(folder, &error))?.is_empty() {
        partitions.push(folder.to_owned());
    }
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let path = entry.map_err(|error| failed(folder, &error))?.path();
        if path.is_dir() && !logs_of(&path).map_err(|error| failed(&path, &error))?.is_empty() {
            partitions.push(path);
        }
    }
    partitions.sort();
    if partitions.is_empty() {
        let message = format!("verify {}: there is no partition; name the folder of log.dirs", folder.display());
        return Err(Failure::new(USAGE, message));
    }
    let mut all = Vec::new();
    for path in &partitions {
        let found = verify(path).map_err(|error| failed(path, &error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if output == Output::Text {
            print(&text(&name, &found))?;
        }
        all.push((name, found));
    }
    let damaged = all.iter().filter(|(_, found)| !found.problems.is_empty()).count();
    match output {
        Output::Text => print(&format!("{}: {} partitions, {damaged} damaged\n", folder.display(), all.len()))?,
        Output::Json => print_json(&json!(all.iter().map(|(name, found)| of_json(name, found)).collect::<Vec<_>>()))?,
    }
    match damaged {
        0 => Ok(()),
        count => Err(Failure::new(
            USAGE,
            format!("{count} partition(s) are damaged; millstream broker repair shows what can be kept"),
        )),
    }
}

/// The segments of a folder, in their order.
fn logs_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let digits = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        if is_log && digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            logs.push(path);
        }
    }
    logs.sort();
    Ok(logs)
}

fn verify(folder: &Path) -> io::Result<Findings> {
    let mut found = Findings::default();
    let mut scratch = Vec::new();
    for path in logs_of(folder)? {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let base: i64 = file.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let mut indexes = Indexes::read(&path, base)?;
        let mut batches = FileBatches::open(&path)?;
        let mut is_whole = true;
        found.segments += 1;
        found.bytes += batches.len();
        let end = found.offsets.map_or(0, |(_, end)| end);
        if base < end {
            let reason = format!("the segment begins at offset {base}, and the one before it ends at {end}");
            found.problems.push(Problem { file: file.clone(), position: 0, reason });
        }
        let mut next = base;
        while let Some(batch) = batches.next() {
            let FileBatch { position, header, bytes } = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    let (file, reason) = (file.clone(), ErrorChain(&error).to_string());
                    found.problems.push(Problem { file, position: position_of(&error), reason });
                    is_whole = false;
                    break;
                }
            };
            found.batches += 1;
            indexes.see(position, &header);
            if let Some(reason) = wrong(&header, bytes, next, &mut scratch) {
                found.problems.push(Problem { file: file.clone(), position, reason });
            }
            found.records += u64::from(header.record_count.unsigned_abs());
            next = header.last_offset() + 1;
            found.offsets = Some((found.offsets.map_or(header.base_offset, |(first, _)| first), next));
        }
        // What an index says of a part that cannot be read cannot be checked.
        let wrong = if is_whole { indexes.finish(next) } else { Vec::new() };
        for (end, position, reason) in wrong.into_iter().chain(check_alone(&path, base)?) {
            let file = file.replace(".log", &format!(".{end}"));
            found.problems.push(Problem { file, position, reason });
        }
    }
    Ok(found)
}

fn position_of(error: &WalkError) -> u64 {
    match error {
        WalkError::Read { position, .. }
        | WalkError::Invalid { position, .. }
        | WalkError::TooLarge { position, .. } => *position,
    }
}

/// What is wrong with a batch that should begin at this offset or later.
fn wrong(header: &BatchHeader, bytes: &[u8], from: i64, scratch: &mut Vec<u8>) -> Option<String> {
    if let Err(error) = verify_crc(bytes) {
        return Some(error.to_string());
    }
    if header.base_offset < from {
        return Some(format!(
            "a batch begins at offset {}, and what stands before it ends at {from}",
            header.base_offset
        ));
    }
    let records = match decompress_records(header, bytes, MAX_DECOMPRESSED, scratch) {
        Ok(records) => records,
        Err(error) => return Some(ErrorChain(&error).to_string()),
    };
    let mut before = -1;
    for record in RecordReader::new(header, records) {
        match record {
            Ok(record) if before < record.offset_delta && record.offset_delta <= header.last_offset_delta => {
                before = record.offset_delta;
            }
            Ok(record) => {
                let offset = header.base_offset + i64::from(record.offset_delta);
                return Some(format!("a record has the offset {offset}, which is not its turn"));
            }
            Err(error) => return Some(ErrorChain(&error).to_string()),
        }
    }
    None
}

fn text(name: &str, found: &Findings) -> String {
    let offsets = found.offsets.map_or("no records".to_owned(), |(first, end)| format!("offsets {first} to {end}"));
    let mut text = format!(
        "{name}: {offsets}, {} records in {} batches, {} segments, {} bytes{}\n",
        found.records,
        found.batches,
        found.segments,
        found.bytes,
        if found.problems.is_empty() { "" } else { ": DAMAGED" },
    );
    for Problem { file, position, reason } in &found.problems {
        text.push_str(&format!("  {file}, byte {position}: {reason}\n"));
    }
    text
}

fn of_json(name: &str, found: &Findings) -> Value {
    let problem =
        |Problem { file, position, reason }: &Problem| json!({"file": file, "position": position, "reason": reason});
    json!({
        "partition": name,
        "first_offset": found.offsets.map(|(first, _)| first),
        "end_offset": found.offsets.map(|(_, end)| end),
        "records": found.records,
        "batches": found.batches,
        "segments": found.segments,
        "bytes": found.bytes,
        "problems": found.problems.iter().map(problem).collect::<Vec<_>>(),
    })
}
