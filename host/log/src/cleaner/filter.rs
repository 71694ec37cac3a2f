//! What compaction keeps of one batch: the rules of Kafka's `Cleaner`, which touch no file.

use std::collections::BTreeMap;

use millstream_wire::{
    batch::{
        BatchHeader, BatchRewriter, ControlMarker, HEADER_LEN, InvalidRecord, RecordReader, RecordView,
        decompress_records, write_empty_batch,
    },
    compression::{Codec, CompressError},
};

use super::{key_map::KeyMap, transactions::Transactions};
use crate::{lookup::MOST_DECOMPRESSED, producers::ProducerStates, transactions::AbortedTransaction};

/// Why a batch could not be compacted. It is left as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum FilterError {
    #[error("read the records of the batch at offset {base_offset}")]
    Read { base_offset: i64, source: InvalidRecord },
    #[error("compress the records that are left of the batch at offset {base_offset}")]
    Compress { base_offset: i64, source: CompressError },
}

/// Where the newest sequence number of each active producer stands, so that it is not forgotten with its record.
#[derive(Debug, Default)]
pub(super) struct NewestBatches(BTreeMap<i64, (i16, Option<i64>)>);

impl NewestBatches {
    pub(super) fn of(producers: &ProducerStates) -> Self {
        Self(producers.iter().map(|(id, state)| (id, (state.epoch(), state.last_data_offset()))).collect())
    }

    /// Whether the producer's state would be lost with this batch. Of a producer without data it is the marker that
    /// tells its epoch.
    fn needs(&self, batch: &BatchHeader) -> bool {
        match self.0.get(&batch.producer_id) {
            Some((_, Some(offset))) => batch.last_offset() == *offset,
            Some((epoch, None)) => batch.is_control() && batch.producer_epoch == *epoch,
            None => false,
        }
    }
}

/// What decides about all batches of one pass.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub keys: &'a KeyMap,
    /// The offset after the last one that went into `keys`: what lies beyond stays.
    pub mapped_to: i64,
    pub newest: &'a NewestBatches,
    pub delete_retention_ms: i64,
    pub now_ms: i64,
}

/// What became of the batches that were looked at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    pub records_read: u64,
    pub records_kept: u64,
    /// Records without a key, of which compaction can keep none.
    pub keyless: u64,
}

/// What was kept of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kept {
    Nothing,
    /// All of it: the bytes can be taken as they are.
    Whole,
    /// What was appended to the output.
    Part,
}

/// Compacts batches one after another, in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub transactions: Transactions,
    pub counts: Counts,
    rewriter: BatchRewriter,
    scratch: Vec<u8>,
    /// Which of a batch's records stay.
    keep: Vec<bool>,
}

/// What is known of a batch before its records are looked at.
struct Judgement {
    /// Its records go, whatever they are.
    discard: bool,
    /// It is a marker of a transaction of which nothing is left.
    useless_marker: bool,
    /// The aborted transaction that it ends and that the index goes on naming.
    indexed: Option<AbortedTransaction>,
}

impl Filter {
    /// Compacts a batch; what is left of it is appended to `out` unless it is the whole. `last` says that its place
    /// must not be lost, so that an empty batch stays. Also returns the aborted transaction that it ends, if the
    /// index has to name that any longer.
    pub(super) fn batch(
        &mut self,
        rules: &Rules<'_>,
        header: &BatchHeader,
        batch: &[u8],
        last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(Kept, Option<AbortedTransaction>), FilterError> {
        let read = |source| FilterError::Read { base_offset: header.base_offset, source };
        let Judgement { discard, useless_marker, indexed } = self.judge(rules, header, batch).map_err(read)?;
        self.counts.records_read += header.record_count as u64;
        self.keep.clear();
        let mut tombstones = false;
        if !discard && header.record_count != 0 {
            let bytes = decompress_records(header, batch, MOST_DECOMPRESSED, &mut self.scratch).map_err(read)?;
            for record in RecordReader::new(header, bytes) {
                let record = record.map_err(read)?;
                let keep = keeps(rules, header, &record, &mut self.counts);
                self.keep.push(keep);
                tombstones |= keep && record.value.is_none();
            }
        }
        if !self.keep.contains(&true) {
            // One that was emptied before stays only as long as it has to, like any other.
            if !(last || (header.has_producer_id() && rules.newest.needs(header))) {
                return Ok((Kept::Nothing, indexed));
            }
            if header.record_count == 0 {
                return Ok((Kept::Whole, indexed));
            }
            write_empty_batch(header, out);
            return Ok((Kept::Part, indexed));
        }
        let horizon = ((tombstones || useless_marker) && !header.has_delete_horizon())
            .then(|| rules.now_ms.saturating_add(rules.delete_retention_ms));
        if horizon.is_none() && !self.keep.contains(&false) {
            self.counts.records_kept += header.record_count as u64;
            return Ok((Kept::Whole, indexed));
        }
        self.rewrite(header, batch, horizon, out)?;
        Ok((Kept::Part, indexed))
    }

    fn judge(&mut self, rules: &Rules<'_>, header: &BatchHeader, batch: &[u8]) -> Result<Judgement, InvalidRecord> {
        if !header.is_control() {
            let discard = self.transactions.is_aborted(header);
            return Ok(Judgement { discard, useless_marker: false, indexed: None });
        }
        let met = self.transactions.marker(header, read_marker(header, batch)?);
        // Whoever reads at this moment has to find the marker for a while after the records have gone.
        let over = header.delete_horizon().is_some_and(|horizon| horizon <= rules.now_ms);
        Ok(Judgement { discard: met.useless && over, useless_marker: met.useless, indexed: met.indexed })
    }

    /// Writes the records that stay; which they are was decided before.
    fn rewrite(
        &mut self,
        header: &BatchHeader,
        batch: &[u8],
        horizon: Option<i64>,
        out: &mut Vec<u8>,
    ) -> Result<(), FilterError> {
        let bytes: &[u8] = match header.codec() {
            Codec::None => &batch[HEADER_LEN..],
            _ => &self.scratch,
        };
        let mut reader = RecordReader::new(header, bytes);
        self.rewriter.begin(horizon);
        for &keep in &self.keep {
            let before = reader.rest();
            let record = reader.next().expect("as many records as were looked at before");
            let record = record.map_err(|source| FilterError::Read { base_offset: header.base_offset, source })?;
            if keep {
                self.rewriter.keep(header, &record, &before[..before.len() - reader.rest().len()]);
            }
        }
        self.counts.records_kept += self.rewriter.record_count() as u64;
        self.rewriter
            .finish(header, out)
            .map_err(|source| FilterError::Compress { base_offset: header.base_offset, source })
    }

    /// Notes the keys of a batch's records from `from` on. Returns the offset after the last record that has room.
    pub(super) fn map(
        &mut self,
        keys: &mut KeyMap,
        header: &BatchHeader,
        batch: &[u8],
        from: i64,
    ) -> Result<Mapped, FilterError> {
        let read = |source| FilterError::Read { base_offset: header.base_offset, source };
        if header.is_control() {
            self.transactions.marker(header, read_marker(header, batch).map_err(read)?);
            return Ok(Mapped::All);
        }
        // Whoever was aborted takes no other record's place.
        if self.transactions.is_aborted(header) || header.last_offset() < from || header.record_count == 0 {
            return Ok(Mapped::All);
        }
        let bytes = decompress_records(header, batch, MOST_DECOMPRESSED, &mut self.scratch).map_err(read)?;
        for record in RecordReader::new(header, bytes) {
            let record = record.map_err(read)?;
            let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
            if let Some(key) = record.key.filter(|_| from <= offset)
                && !keys.note(key, offset)
            {
                return Ok(Mapped::FullAt(offset));
            }
        }
        Ok(Mapped::All)
    }
}

/// How much of a batch went into the map.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mapped {
    All,
    /// There was no room for the record at this offset.
    FullAt(i64),
}

/// Whether a record stays.
fn keeps(rules: &Rules<'_>, header: &BatchHeader, record: &RecordView<'_>, counts: &mut Counts) -> bool {
    let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
    if header.is_control() || rules.mapped_to <= offset {
        return true;
    }
    let Some(key) = record.key else {
        counts.keyless += 1;
        return false;
    };
    let newest = rules.keys.get(key).is_none_or(|newest| newest <= offset);
    let over = || header.delete_horizon().is_some_and(|horizon| horizon <= rules.now_ms);
    newest && (record.value.is_some() || !over())
}

/// `None` for a control batch that was emptied, `Some(None)` for a control record that ends no transaction.
fn read_marker(header: &BatchHeader, batch: &[u8]) -> Result<Option<Option<ControlMarker>>, InvalidRecord> {
    if header.record_count == 0 { Ok(None) } else { ControlMarker::parse(header, batch).map(Some) }
}
