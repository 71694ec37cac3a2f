//! `millstream broker dump FILE`: what `kafka-dump-log --files FILE` prints, in its words.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use millstream_record::ErrorChain;
use millstream_wire::{
    batch::{BatchHeader, ControlMarker, RecordReader, RecordView, TimestampType, decompress_records, verify_crc},
    compression::Codec,
};
use serde_json::{Value, json};

use super::{
    batches::{FileBatch, FileBatches},
    coordinator::Decoder,
    entries::{Entry, Kind},
};
use crate::{
    exit::{Failure, USAGE},
    output::{Output, bytes_json},
};

/// Most bytes that one compressed batch may become.
const MAX_DECOMPRESSED: usize = 1 << 30;

/// What is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    /// Records, not batches alone.
    pub records: bool,
    /// How keys and values of records are read, if they are no texts.
    pub decoder: Option<Decoder>,
    /// Text or JSON, an object a line.
    pub output: Output,
}

/// Prints files. Blocks.
///
/// # Errors
///
/// A file cannot be read or is damaged; what comes before that has been printed.
pub fn run(files: &[PathBuf], shown: Shown) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    for file in files {
        let dumped = dump(file, shown, &mut out);
        match out.flush() {
            // Nobody reads on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::new(USAGE, format!("write to standard output: {error}"))),
            Ok(()) => dumped?,
        }
    }
    Ok(())
}

fn dump(path: &Path, shown: Shown, out: &mut impl Write) -> Result<(), Failure> {
    let failed = |reason: String| Failure::new(USAGE, format!("dump {}: {reason}", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let base = name.split('.').next().and_then(|digits| digits.parse::<i64>().ok());
    let extension = name.rsplit('.').next().unwrap_or_default();
    let (kind, base) = match (Kind::of(extension), base) {
        _ if name == "leader-epoch-checkpoint" => (Some(Kind::LeaderEpochs), 0),
        (None, Some(base)) if extension == "log" => (None, base),
        (Some(kind), Some(base)) => (Some(kind), base),
        _ => {
            let wanted = "a file of a partition is needed: OFFSET.log, .index, .timeindex, .txnindex, .snapshot, or \
                          leader-epoch-checkpoint";
            return Err(failed(wanted.to_owned()));
        }
    };
    let printed = |result: io::Result<()>| result.map_err(|error| failed(format!("print it: {error}")));
    if shown.output == Output::Text {
        printed(writeln!(out, "Dumping {}", path.display()))?;
    }
    let Some(kind) = kind else { return dump_log(path, base, shown, out) };
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    for Entry { text, json } in kind.entries(base, &bytes).map_err(failed)? {
        printed(match shown.output {
            Output::Json => writeln!(out, "{json}"),
            Output::Text => writeln!(out, "{text}"),
        })?;
    }
    Ok(())
}

fn dump_log(path: &Path, base: i64, shown: Shown, out: &mut impl Write) -> Result<(), Failure> {
    let failed = |reason: String| Failure::new(USAGE, format!("dump {}: {reason}", path.display()));
    let printed = |result: io::Result<()>| result.map_err(|error| failed(format!("print it: {error}")));
    let mut batches = FileBatches::open(path).map_err(|error| failed(error.to_string()))?;
    if shown.output == Output::Text {
        printed(writeln!(out, "Log starting offset: {base}"))?;
    }
    let (mut scratch, mut unsound) = (Vec::new(), 0_u64);
    while let Some(batch) = batches.next() {
        let FileBatch { position, header, bytes } = batch.map_err(|error| failed(ErrorChain(&error).to_string()))?;
        let is_valid = verify_crc(bytes).is_ok();
        unsound += u64::from(!is_valid);
        printed(match shown.output {
            Output::Text => writeln!(out, "{}", batch_text(position, &header, is_valid)),
            Output::Json => writeln!(out, "{}", batch_json(position, &header, is_valid)),
        })?;
        if !shown.records {
            continue;
        }
        let at = |error: &dyn std::error::Error| failed(format!("batch at byte {position}: {error}"));
        let records = decompress_records(&header, bytes, MAX_DECOMPRESSED, &mut scratch).map_err(|error| at(&error))?;
        for record in RecordReader::new(&header, records) {
            let record = record.map_err(|error| at(&error))?;
            printed(match shown.output {
                Output::Text => writeln!(out, "{}", record_text(&header, &record, shown.decoder)),
                Output::Json => writeln!(out, "{}", record_json(&header, &record, shown.decoder)),
            })?;
        }
    }
    match unsound {
        0 => Ok(()),
        count => Err(failed(format!("the checksums of {count} batch(es) are wrong"))),
    }
}

fn timestamp_name(header: &BatchHeader) -> &'static str {
    match header.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    }
}

fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::None => "none",
        Codec::Gzip => "gzip",
        Codec::Snappy => "snappy",
        Codec::Lz4 => "lz4",
        Codec::Zstd => "zstd",
    }
}

fn batch_text(position: u64, header: &BatchHeader, is_valid: bool) -> String {
    let horizon = match header.delete_horizon() {
        Some(millis) => format!("OptionalLong[{millis}]"),
        None => "OptionalLong.empty".to_owned(),
    };
    format!(
        "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} producerEpoch: {} \
         partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {horizon} position: {position} \
         {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {is_valid}",
        header.base_offset,
        header.last_offset(),
        header.record_count,
        header.base_sequence,
        header.last_sequence(),
        header.producer_id,
        header.producer_epoch,
        header.leader_epoch,
        header.is_transactional(),
        header.is_control(),
        timestamp_name(header),
        header.max_timestamp,
        header.total_len(),
        header.magic,
        codec_name(header.codec()),
        header.crc,
    )
}

fn batch_json(position: u64, header: &BatchHeader, is_valid: bool) -> Value {
    json!({
        "base_offset": header.base_offset,
        "last_offset": header.last_offset(),
        "count": header.record_count,
        "base_sequence": header.base_sequence,
        "last_sequence": header.last_sequence(),
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "leader_epoch": header.leader_epoch,
        "transactional": header.is_transactional(),
        "control": header.is_control(),
        "delete_horizon": header.delete_horizon(),
        "position": position,
        "timestamp_type": timestamp_name(header),
        "max_timestamp": header.max_timestamp,
        "size": header.total_len(),
        "codec": codec_name(header.codec()),
        "crc": header.crc,
        "valid": is_valid,
    })
}

/// Offset, timestamp and sequence number of a record.
fn place_of(header: &BatchHeader, record: &RecordView<'_>) -> (i64, i64, i64) {
    let timestamp = match header.timestamp_type() {
        TimestampType::CreateTime => header.base_timestamp.saturating_add(record.timestamp_delta),
        TimestampType::LogAppendTime => header.max_timestamp,
    };
    let sequence = match header.base_sequence {
        none if none < 0 => -1,
        first => (i64::from(first) + i64::from(record.offset_delta)) % (i64::from(i32::MAX) + 1),
    };
    (header.base_offset + i64::from(record.offset_delta), timestamp, sequence)
}

fn record_text(header: &BatchHeader, record: &RecordView<'_>, decoder: Option<Decoder>) -> String {
    let (offset, timestamp, sequence) = place_of(header, record);
    let size = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
    let keys: Vec<_> = record.headers.clone().map(|header| String::from_utf8_lossy(header.key).into_owned()).collect();
    let mut text = format!(
        "| offset: {offset} {}: {timestamp} keySize: {} valueSize: {} sequence: {sequence} headerKeys: [{}]",
        timestamp_name(header),
        size(record.key),
        size(record.value),
        keys.join(","),
    );
    if let Some(marker) = marker_of(header, record) {
        let kind = if marker.committed { "COMMIT" } else { "ABORT" };
        text.push_str(&format!(" endTxnMarker: {kind} coordinatorEpoch: {}", marker.coordinator_epoch));
        return text;
    }
    if let Some(decoder) = decoder {
        match decoder.decode(record.key, record.value) {
            Ok((key, value)) => {
                let value = value.as_deref().unwrap_or("<DELETE>");
                text.push_str(&format!(" key: {key} payload: {value}"));
            }
            Err(error) => text.push_str(&format!(" key: Error at offset {offset}, skipping. {error}")),
        }
        return text;
    }
    for (name, bytes) in [("key", record.key), ("payload", record.value)] {
        if let Some(bytes) = bytes {
            text.push_str(&format!(" {name}: {}", String::from_utf8_lossy(bytes)));
        }
    }
    text
}

/// What a record of a control batch says.
fn marker_of(header: &BatchHeader, record: &RecordView<'_>) -> Option<ControlMarker> {
    if !header.is_control() {
        return None;
    }
    // Version and kind; version and coordinator's epoch.
    let kind = record.key.and_then(|key| Some(i16::from_be_bytes(key.get(2..4)?.try_into().ok()?)))?;
    let epoch = record.value.and_then(|value| Some(i32::from_be_bytes(value.get(2..6)?.try_into().ok()?)))?;
    Some(ControlMarker { committed: kind == 1, coordinator_epoch: epoch })
}

fn record_json(header: &BatchHeader, record: &RecordView<'_>, decoder: Option<Decoder>) -> Value {
    let (offset, timestamp, sequence) = place_of(header, record);
    let headers: Vec<Value> = record
        .headers
        .clone()
        .map(|header| json!({"key": String::from_utf8_lossy(header.key), "value": bytes_json(header.value)}))
        .collect();
    if let Some(decoder) = decoder.filter(|_| !header.is_control()) {
        let decoded = decoder.decode_json(record.key, record.value);
        return json!({"offset": offset, "timestamp": timestamp, "sequence": sequence, "decoded": decoded});
    }
    json!({
        "offset": offset,
        "timestamp": timestamp,
        "sequence": sequence,
        "key": bytes_json(record.key),
        "value": bytes_json(record.value),
        "headers": headers,
    })
}
