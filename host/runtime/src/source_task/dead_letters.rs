//! The dead letters of a source task: what they say, and which rows end with them.
//!
//! They go through the producer of the task's records, so that in a transaction they share its fate. A letter's content
//! is the record as JSON with its schema, as Connect's JsonConverter writes it: what failed may be the converter, or a
//! transform before it, so that there are no bytes yet.

use futures::FutureExt as _;
use millstream_client::Sequence;
use millstream_config::{ConfigMap, Wanted};
use millstream_connector::{ByteColumn, Converter, ConverterRole, ErrorKind, Failure, HeaderConverter};
use millstream_record::{
    TopicName,
    batch::{Batch, Role, Side, Table},
};

use super::view::{shown_json, source_position};
use crate::{
    converters::Natives,
    dead_letters::{About, Context, Letter, LetterQueue, OMITTED},
    in_flight::BatchId,
    record_headers::push_header,
    report::Report,
    task_metrics::TaskMetrics,
};

/// Whose form the content has.
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// How far a record had come when it failed: what a letter's content is, and what a replay has still to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// As the source returned it.
    Polled,
    /// As it came out of the transforms.
    Transformed,
}

/// What of a polled batch ends when a letter is written.
pub(super) enum Ends {
    /// A record of this row that the producer was never given.
    Row(Batch, BatchId, u32),
    /// A record that the producer was given and did not write.
    Sent(Sequence),
}

/// A failed record: some row of a batch that holds it in this form.
#[derive(Clone, Copy)]
pub(super) struct Content<'a> {
    pub(super) table: &'a Table<'a>,
    pub(super) row: u32,
    pub(super) form: Form,
}

/// The converters of letters, for keys, values and headers.
type LetterConverters = (Box<dyn Converter>, Box<dyn Converter>, Box<dyn HeaderConverter>);

/// Makes the converters that letters are written and read with.
///
/// # Errors
///
/// They are missing.
pub(super) fn letter_converters(natives: &Natives) -> Result<LetterConverters, Failure> {
    let missing =
        || Failure::new(ErrorKind::Fatal, "", format!("{JSON}, which dead letters are written with, is missing"));
    let config = ConfigMap::from([("schemas.enable".to_owned(), Some("true".to_owned()))]);
    let wanted = Wanted::from(JSON);
    let converter = |role| (natives.converter)(&wanted, role, &config).unwrap_or_else(|| Err(missing()));
    let header = (natives.header)(&wanted, &config).unwrap_or_else(|| Err(missing()))?;
    Ok((converter(ConverterRole::Key)?, converter(ConverterRole::Value)?, header))
}

/// See the module's documentation.
pub(crate) struct SourceLetters {
    pub(super) queue: LetterQueue<Ends>,
    context: Context,
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
    header: Box<dyn HeaderConverter>,
}

impl SourceLetters {
    /// Letters into this topic.
    ///
    /// # Errors
    ///
    /// There is no converter for their content.
    pub(crate) fn new(
        natives: &Natives,
        topic: TopicName,
        context: Context,
        metrics: TaskMetrics,
    ) -> Result<Self, Failure> {
        let (key, value, header) = letter_converters(natives)?;
        Ok(Self { queue: LetterQueue::new(topic, context.task.clone(), metrics), context, key, value, header })
    }

    /// Takes a record that failed. `polled` and `row` say where it comes from.
    pub(super) fn report(&mut self, content: Content<'_>, polled: &Batch, row: u32, ends: Ends, report: &Report<'_>) {
        let Content { table, row: at, form } = content;
        let alone = one_row(table, at);
        let mut omitted = Vec::new();
        let mut bytes = |what: &str, converter: &mut dyn Converter, side| {
            convert(converter, &alone, side).unwrap_or_else(|why| {
                omitted.push(format!("{what}: {why}"));
                None
            })
        };
        let key = bytes("key", self.key.as_mut(), Side::Key);
        let value = bytes("value", self.value.as_mut(), Side::Value);
        let at = at as usize;
        let (mut headers, mut header_count) = (Vec::new(), 0);
        for header in table.get(Role::HEADERS).into_iter().flat_map(|column| column.headers(at)) {
            let (schema, value) = header.datum(&table.schemas);
            let topic = table.topic(at).unwrap_or_default();
            match self.header.from_connect(topic, header.key, schema.as_ref(), &value) {
                Ok(value) => {
                    push_header(&mut headers, header.key.as_bytes(), value.as_deref());
                    header_count += 1;
                }
                Err(failure) => omitted.push(format!("header {}: {failure}", header.key)),
            }
        }
        let integer = |role| table.integer(role, at);
        let timestamp_ms = integer(Role::TIMESTAMP).filter(|timestamp| 0 <= *timestamp);
        let origin = polled.open();
        let place = |role| shown_json(&origin, role, row as usize);
        let (partition, offset) = (place(Role::SOURCE_PARTITION), place(Role::SOURCE_OFFSET));
        let form = match form {
            Form::Polled => "polled",
            Form::Transformed => "transformed",
        };
        let own = [("source.partition", partition.as_str()), ("source.offset", offset.as_str()), ("form", form)];
        let about = About {
            topic: table.topic(at),
            partition: integer(Role::PARTITION).and_then(|partition| i32::try_from(partition).ok()),
            offset: None,
            timestamp_ms,
            own: &own,
        };
        if !omitted.is_empty() {
            push_header(&mut headers, OMITTED.as_bytes(), Some(omitted.join("; ").as_bytes()));
            header_count += 1;
        }
        let (count, stack_trace) = self.context.write(&mut headers, &about, report);
        self.queue.push(Letter {
            mark: ends,
            record: source_position(polled, row),
            timestamp_ms,
            key,
            value,
            header_count: header_count + count,
            headers,
            stack_trace,
            may_omit: true,
        });
    }
}

/// [`LetterQueue::learned`] of letters that there may be none of.
pub(super) async fn learned(letters: Option<&mut SourceLetters>) {
    match letters {
        Some(letters) => letters.queue.learned().await,
        None => std::future::pending().await,
    }
}

/// Connect's own converters never wait, so that they can be called from where nobody may.
fn convert(converter: &mut dyn Converter, alone: &Batch, side: Side) -> Result<Option<Vec<u8>>, String> {
    let (mut out, mut errors) = (ByteColumn::default(), Vec::new());
    match converter.from_connect(alone, side, &mut out, &mut errors).now_or_never() {
        None => return Err("the converter does not return at once".to_owned()),
        Some(Err(error)) => return Err(error.to_string()),
        Some(Ok(())) => {}
    }
    match errors.into_iter().next() {
        Some(error) => Err(error.failure.to_string()),
        None => Ok(out.get(0).map(<[u8]>::to_vec)),
    }
}

/// A batch of one row, which is its own origin.
pub(super) fn one_row(table: &Table<'_>, row: u32) -> Batch {
    let mut alone = table.take(&[row]);
    for role in [Role::ORIGIN, Role::CHILD, Role::SELECTION] {
        alone.remove(role);
    }
    alone.into_batch()
}
