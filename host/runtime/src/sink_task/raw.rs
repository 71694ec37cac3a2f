//! From consumed records to a batch: envelope, and keys and values through the converters.

use std::sync::Arc;

use millstream_connector::{Failure, HeaderConverter, PluginError, RowError, RowInput, TopicOffset};
use millstream_record::batch::{
    Batch, CannotEncode, Column, HeadersBuilder, Kind, Role, SchemaTable, Table, UnionBuilder, bits,
};

use crate::{
    converters::{Converters, Headers},
    error_policy::{Executor, Stage, in_header},
    header_batch,
    kafka::{FetchedRecords, RecordSlot},
    record_headers::read_headers,
    report::Original,
};

/// Consumed records, as they came.
#[derive(Debug)]
pub(super) struct Fetched(pub(super) Vec<FetchedRecords>);

/// Some consecutive records of [`Fetched`]: those of one batch.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) fetched: Arc<Fetched>,
    /// Pieces in order: which fetch, first record, number of records.
    pieces: Vec<(usize, usize, usize)>,
}

/// A row that a converter or transform refused.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// Row of the chunk.
    pub(super) row: u32,
    pub(super) stage: Stage,
    pub(super) by: Executor,
    pub(super) failure: Failure,
}

/// Keys or values of one fetch.
struct Input<'a> {
    fetch: &'a FetchedRecords,
    from: usize,
    len: usize,
    keys: bool,
}

impl Fetched {
    /// Which records these are.
    pub(super) fn describe(&self) -> String {
        let range = |fetch: &FetchedRecords| {
            let (first, last) = (fetch.records.first()?.offset, fetch.records.last()?.offset);
            Some(format!("{}-{} offsets {first} to {last}", fetch.topic, fetch.partition))
        };
        self.0.iter().filter_map(range).collect::<Vec<_>>().join(", ")
    }
}

impl RowInput for Input<'_> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn row(&self, at: usize) -> millstream_connector::InputRow<'_> {
        let slot = &self.fetch.records[self.from + at];
        let range = if self.keys { &slot.key } else { &slot.value };
        let slice = |range: &std::ops::Range<u32>| &self.fetch.buffer[range.start as usize..range.end as usize];
        millstream_connector::InputRow { bytes: range.as_ref().map(slice) }
    }
}

impl Chunk {
    /// A chunk of one row.
    pub(super) fn one(&self, row: u32) -> Self {
        let (fetch, record) = self.locate(row);
        Self { fetched: Arc::clone(&self.fetched), pieces: vec![(fetch, record, 1)] }
    }

    fn locate(&self, row: u32) -> (usize, usize) {
        let mut left = row as usize;
        for &(fetch, first, len) in &self.pieces {
            if left < len {
                return (fetch, first + left);
            }
            left -= len;
        }
        unreachable!("rows of a chunk have a record")
    }

    /// The record of a row, as it was consumed.
    pub(super) fn original(&self, row: u32) -> Original<'_> {
        let (fetch, record) = self.locate(row);
        let fetch = &self.fetched.0[fetch];
        let RecordSlot { offset, timestamp, timestamp_type, key, value, header_count, headers } =
            &fetch.records[record];
        let slice = |range: &std::ops::Range<u32>| &fetch.buffer[range.start as usize..range.end as usize];
        Original {
            topic: fetch.topic.as_str(),
            partition: fetch.partition,
            offset: *offset,
            timestamp: *timestamp,
            timestamp_type: *timestamp_type,
            key: key.as_ref().map(slice),
            value: value.as_ref().map(slice),
            header_count: *header_count,
            headers: slice(headers),
        }
    }

    /// Offsets that stand behind the first `rows` rows.
    pub(super) fn consumed(&self, rows: u32) -> Vec<TopicOffset> {
        let mut left = rows as usize;
        let mut offsets: Vec<TopicOffset> = Vec::new();
        for &(fetch, first, len) in &self.pieces {
            let taken = len.min(left);
            left -= taken;
            if taken == 0 {
                break;
            }
            let fetch = &self.fetched.0[fetch];
            let offset = fetch.records[first + taken - 1].offset + 1;
            let partition = fetch.partition;
            match offsets.iter_mut().find(|other| other.topic == fetch.topic.as_str() && other.partition == partition) {
                Some(other) => other.offset = offset,
                None => offsets.push(TopicOffset { topic: fetch.topic.as_str().to_owned(), partition, offset }),
            }
        }
        offsets
    }

    pub(super) fn rows(&self) -> u32 {
        self.pieces.iter().map(|(_, _, len)| *len as u32).sum()
    }

    fn slots(&self) -> impl Iterator<Item = &RecordSlot> {
        self.pieces.iter().flat_map(|&(fetch, first, len)| &self.fetched.0[fetch].records[first..first + len])
    }
}

/// Where the next chunk begins.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    fetch: usize,
    record: usize,
}

/// Makes the next batch of consumed records; `None` at their end. A batch ends where the records do, or
/// where they have too many different schemas for one.
///
/// # Errors
///
/// A converter broke.
pub(super) async fn next_batch(
    fetched: &Arc<Fetched>,
    cursor: &mut Cursor,
    converters: &mut Converters,
    originals: bool,
) -> Result<Option<(Batch, Chunk, Vec<Trouble>)>, PluginError> {
    let mut build = Build::default();
    let mut chunk = Chunk { fetched: Arc::clone(fetched), pieces: Vec::new() };
    while let Some(fetch) = fetched.0.get(cursor.fetch) {
        let left = fetch.records.len() - cursor.record;
        if left != 0 {
            let taken = build.convert(fetch, cursor.record, left, chunk.rows(), converters).await?;
            if taken != 0 {
                chunk.pieces.push((cursor.fetch, cursor.record, taken));
            }
            cursor.record += taken;
            if taken < left {
                break;
            }
        }
        *cursor = Cursor { fetch: cursor.fetch + 1, record: 0 };
    }
    if chunk.pieces.is_empty() {
        return Ok(None);
    }
    let (batch, troubles) = build.finish(&chunk, converters, originals).await?;
    Ok(Some((batch, chunk, troubles)))
}

/// Makes the batch of one record again.
///
/// # Errors
///
/// A converter broke.
pub(super) async fn batch_of_one(
    chunk: &Chunk,
    converters: &mut Converters,
    originals: bool,
) -> Result<(Batch, Vec<Trouble>), PluginError> {
    let mut build = Build::default();
    let (fetch, record) = chunk.locate(0);
    build.convert(&chunk.fetched.0[fetch], record, 1, 0, converters).await?;
    build.finish(chunk, converters, originals).await
}

#[derive(Default)]
struct Build {
    schemas: SchemaTable<'static>,
    keys: UnionBuilder,
    values: UnionBuilder,
    troubles: Vec<Trouble>,
}

impl Build {
    /// Appends records of one fetch; how many fitted in.
    async fn convert(
        &mut self,
        fetch: &FetchedRecords,
        from: usize,
        len: usize,
        base: u32,
        converters: &mut Converters,
    ) -> Result<usize, PluginError> {
        let topic = fetch.topic.as_str();
        let mut errors: Vec<RowError> = Vec::new();
        let (begin, Self { schemas, keys, values, .. }) = (self.troubles.len(), &mut *self);
        let input = Input { fetch, from, len, keys: true };
        let key_rows = converters.key.to_connect(topic, &input, schemas, keys, &mut errors).await?;
        let trouble = |stage, class: &str, error: RowError| Trouble {
            row: base + error.row,
            stage,
            by: Executor::converter(stage, class),
            failure: error.failure,
        };
        let key_errors: Vec<Trouble> =
            errors.drain(..).map(|error| trouble(Stage::KeyConverter, converters.key.class(), error)).collect();
        let input = Input { fetch, from, len: key_rows, keys: false };
        let rows = converters.value.to_connect(topic, &input, schemas, values, &mut errors).await?;
        (rows..key_rows).for_each(|_| keys.take_back());
        self.troubles.extend(key_errors);
        self.troubles
            .extend(errors.drain(..).map(|error| trouble(Stage::ValueConverter, converters.value.class(), error)));
        let end = base + rows as u32;
        let mut at = 0;
        self.troubles.retain(|trouble| {
            at += 1;
            at <= begin || trouble.row < end
        });
        Ok(rows)
    }

    async fn finish(
        mut self,
        chunk: &Chunk,
        converters: &mut Converters,
        originals: bool,
    ) -> Result<(Batch, Vec<Trouble>), PluginError> {
        let rows = chunk.rows();
        let mut table = Table::new(rows);
        let headers = self.headers(chunk, converters).await?;
        let Self { mut schemas, keys, values, mut troubles } = self;
        let union = |builder: UnionBuilder, schemas: &mut SchemaTable<'static>| {
            // The schemas have been put into the table when their rows were.
            builder.finish(schemas).expect("schemas of converted rows can be carried")
        };
        table.keys = union(keys, &mut schemas);
        table.values = union(values, &mut schemas);
        table.schemas = schemas;
        envelope(&mut table, chunk, originals);
        if let Some(headers) = headers {
            table.set(Role::HEADERS, headers);
        }
        // Of a row that several converters refuse, the first in Connect's order counts.
        let order = |stage| match stage {
            Stage::KeyConverter => 0,
            Stage::ValueConverter => 1,
            _ => 2,
        };
        troubles.sort_by_key(|trouble| (trouble.row, order(trouble.stage)));
        troubles.dedup_by_key(|trouble| trouble.row);
        Ok((table.into_batch(), troubles))
    }

    async fn headers(
        &mut self,
        chunk: &Chunk,
        converters: &mut Converters,
    ) -> Result<Option<Column<'static>>, PluginError> {
        if chunk.slots().all(|slot| slot.header_count == 0) {
            return Ok(None);
        }
        let mut builder = HeadersBuilder::default();
        match &mut converters.header {
            Headers::One(converter) => self.each_header(&mut **converter, chunk, &mut builder),
            Headers::Batch(converter) => {
                let topics = topics(chunk, chunk.rows());
                let text = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
                let of_row = |row| read_headers(chunk.original(row).headers).map(|(key, value)| (text(key), value));
                let rows = (0..chunk.rows()).map(|row| of_row(row).collect());
                let refused =
                    header_batch::to_data(&mut **converter, topics, rows, &mut builder, &mut self.schemas).await?;
                self.troubles.extend(refused.into_iter().map(|(row, failure)| {
                    let by = Executor::converter(Stage::HeaderConverter, converter.class());
                    Trouble { row, stage: Stage::HeaderConverter, by, failure }
                }));
            }
        }
        Ok(builder.finish())
    }

    fn each_header(&mut self, converter: &mut dyn HeaderConverter, chunk: &Chunk, builder: &mut HeadersBuilder) {
        for row in 0..chunk.rows() {
            let original = chunk.original(row);
            for (key, value) in read_headers(original.headers) {
                let key = String::from_utf8_lossy(key);
                let read = converter.to_connect(original.topic, &key, value);
                let pushed = read.and_then(|(schema, value)| {
                    builder.push(&key, schema.as_ref(), &value, &mut self.schemas).map_err(cannot_encode)
                });
                if let Err(failure) = pushed {
                    let failure = in_header(failure, &key);
                    let by = Executor::converter(Stage::HeaderConverter, converter.class());
                    self.troubles.push(Trouble { row, stage: Stage::HeaderConverter, by, failure });
                    break;
                }
            }
            builder.end_row();
        }
    }
}

fn cannot_encode(error: CannotEncode) -> Failure {
    Failure::new(millstream_connector::ErrorKind::Data, "", error.to_string())
}

/// Sets topic, partition, offset and timestamp of every row.
fn envelope(table: &mut Table<'static>, chunk: &Chunk, originals: bool) {
    let rows = table.rows;
    let topics = topics(chunk, rows);
    let partitions = partitions(chunk, rows);
    let offsets = Column::int64s(Kind::Int64, chunk.slots().map(|slot| slot.offset));
    if originals {
        table.set(Role::ORIGINAL_TOPIC, topics.clone());
        table.set(Role::ORIGINAL_PARTITION, partitions.clone());
        table.set(Role::ORIGINAL_OFFSET, offsets.clone());
    }
    table.set(Role::TOPIC, topics);
    table.set(Role::PARTITION, partitions);
    table.set(Role::OFFSET, offsets);

    let mut timestamps = Column::int64s(Kind::Int64, chunk.slots().map(|slot| slot.timestamp));
    if chunk.slots().any(|slot| slot.timestamp_type == 0) {
        let mut valid = bits::filled(rows as usize, true);
        for (row, slot) in chunk.slots().enumerate() {
            bits::set(&mut valid, row, slot.timestamp_type != 0);
        }
        timestamps.valid = Some(valid.into());
    }
    table.set(Role::TIMESTAMP, timestamps);
    let first = chunk.slots().next().map_or(0, |slot| slot.timestamp_type);
    let types = if chunk.slots().all(|slot| slot.timestamp_type == first) {
        Column::new(Kind::Int8, 1, vec![first as u8]).repeated(rows)
    } else {
        Column::new(Kind::Int8, rows, chunk.slots().map(|slot| slot.timestamp_type as u8).collect::<Vec<u8>>())
    };
    table.set(Role::TIMESTAMP_TYPE, types);
}

fn topics(chunk: &Chunk, rows: u32) -> Column<'static> {
    let mut names: Vec<&str> = Vec::new();
    let mut codes: Vec<(u32, usize)> = Vec::new();
    for &(fetch, _, len) in &chunk.pieces {
        let topic = chunk.fetched.0[fetch].topic.as_str();
        let code = names.iter().position(|name| *name == topic).unwrap_or_else(|| {
            names.push(topic);
            names.len() - 1
        });
        codes.push((code as u32, len));
    }
    if let [name] = names.as_slice() {
        return Column::constant_str(rows, name);
    }
    let data: Vec<u8> =
        codes.into_iter().flat_map(|(code, len)| std::iter::repeat_n(code.to_le_bytes(), len)).flatten().collect();
    Column::new(Kind::Dictionary, rows, data).with_children(vec![Column::strings(names)])
}

fn partitions(chunk: &Chunk, rows: u32) -> Column<'static> {
    let of = |piece: &(usize, usize, usize)| chunk.fetched.0[piece.0].partition;
    let first = chunk.pieces.first().map_or(0, of);
    if chunk.pieces.iter().all(|piece| of(piece) == first) {
        return Column::constant_i32(rows, first);
    }
    let pieces = chunk.pieces.iter();
    let data: Vec<u8> =
        pieces.flat_map(|piece| std::iter::repeat_n(of(piece).to_le_bytes(), piece.2)).flatten().collect();
    Column::new(Kind::Int32, rows, data)
}
