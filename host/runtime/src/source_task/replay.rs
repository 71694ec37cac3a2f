//! Records of a source's dead letters, made again as its tasks would make them. Nothing is produced here.

use millstream_client::{RecordRef, Sequence, TryAppendError};
use millstream_config::{ConfigMap, Wanted, source_keys};
use millstream_connector::{Converter, ErrorKind, Failure, HeaderConverter, InputRow, Plugins, RowInput, TaskId};
use millstream_record::{
    TopicName,
    batch::{Batch, Column, HeadersBuilder, Kind, Role, SchemaTable, Table, Union, UnionBuilder},
};

use super::{
    dead_letters::letter_converters,
    pipeline::{Encoded, encode},
    view::{Stop, View},
};
use crate::{
    converters::{Converters, Natives},
    kafka::RecordAppender,
    transform_chain::TransformChain,
};

/// What is in a letter.
#[derive(Clone, Copy, Debug)]
pub struct LetterContent<'a> {
    /// Where the record was to go.
    pub topic: &'a str,
    /// The partition, if the record named one.
    pub partition: Option<i32>,
    /// Milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// JSON with its schema, as the value and headers are.
    pub key: Option<&'a [u8]>,
    /// See the key.
    pub value: Option<&'a [u8]>,
    /// The record's own.
    pub headers: &'a [(Vec<u8>, Option<Vec<u8>>)],
    /// Whether the transforms are still to come.
    pub polled: bool,
}

/// A record that is to be produced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReplayedRecord {
    /// Where it goes.
    pub topic: TopicName,
    /// The partition, if the record names one.
    pub partition: Option<i32>,
    /// Milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// In the bytes of the connector's converters, as the rest.
    pub key: Option<Vec<u8>>,
    /// See the key.
    pub value: Option<Vec<u8>>,
    /// As a record carries them.
    pub headers: Vec<u8>,
}

/// The transforms and converters of a source.
pub struct SourceReplay {
    chain: Option<TransformChain>,
    converters: Converters,
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
    header: Box<dyn HeaderConverter>,
}

impl SourceReplay {
    /// Makes them as the tasks of this connector have them, on a worker with these properties. Variables of the
    /// connector's are resolved already.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, or a plugin refuses it.
    pub async fn build(
        plugins: &dyn Plugins,
        natives: &Natives,
        worker: &ConfigMap,
        name: &str,
        connector: &ConfigMap,
    ) -> Result<Self, Failure> {
        let task = TaskId { connector: name.to_owned(), number: 0 };
        let invalid = |message: String| Failure::new(ErrorKind::Config, "", message);
        let config = source_keys().parse(connector).map_err(|error| invalid(error.message().to_owned()))?;
        let wanted = Wanted::connector(connector).map_err(|error| invalid(error.to_string()))?;
        let beside = plugins.find_connector(&wanted).ok().map(|plugin| plugin.location.clone());
        let beside = beside.as_deref();
        let (key, value, header) = letter_converters(natives)?;
        Ok(Self {
            chain: TransformChain::build(plugins, &task, &config, beside).await?,
            converters: Converters::build(plugins, natives, &task, worker, connector, beside).await?,
            key,
            value,
            header,
        })
    }

    /// The records of a letter: none if a transform filters it.
    ///
    /// # Errors
    ///
    /// It fails again, or its content is not what a letter has.
    pub async fn records(&mut self, letter: &LetterContent<'_>) -> Result<Vec<ReplayedRecord>, Failure> {
        let mut batch = self.batch(letter).await?;
        if let Some(chain) = self.chain.as_mut().filter(|_| letter.polled) {
            let outcome = chain.chain.apply(&batch).await.map_err(|error| error.failure())?;
            if let Some(error) = outcome.errors.into_iter().next() {
                let mut failure = error.failure;
                failure.at = Some(chain.executor(error.link).name);
                return Err(failure);
            }
            batch = outcome.batch;
        }
        let mut encoded = Encoded::default();
        let refused = encode(&mut self.converters, &batch, &mut encoded).await.map_err(|error| error.failure())?;
        if let Some(trouble) = refused.into_iter().next() {
            return Err(trouble.failure);
        }
        let (table, mut records) = (batch.open(), Records::default());
        let view = View::new(&table, None, &mut None);
        match view.append(&mut records, &encoded, 0..table.rows, None, &mut |_, _| {}) {
            Some((_, Stop::Refused(failure) | Stop::Invalid(failure))) => Err(failure),
            Some((_, Stop::Full | Stop::UnknownTopic(_))) => unreachable!("records are only kept"),
            None => Ok(records.0),
        }
    }

    /// The record of a letter, as it was when it failed.
    async fn batch(&mut self, letter: &LetterContent<'_>) -> Result<Batch, Failure> {
        let mut schemas = SchemaTable::default();
        let mut headers = HeadersBuilder::default();
        for (key, value) in letter.headers {
            let key = String::from_utf8_lossy(key);
            let (schema, value) = self.header.to_connect(letter.topic, &key, value.as_deref())?;
            let pushed = headers.push(&key, schema.as_ref(), &value, &mut schemas);
            pushed.map_err(|error| Failure::new(ErrorKind::Data, "", format!("header {key}: {error}")))?;
        }
        headers.end_row();
        let mut table = Table::new(1);
        table.keys = read(self.key.as_mut(), letter.topic, letter.key, &mut schemas).await?;
        table.values = read(self.value.as_mut(), letter.topic, letter.value, &mut schemas).await?;
        table.schemas = schemas;
        table.set(Role::TOPIC, Column::constant_str(1, letter.topic).into_owned());
        if let Some(partition) = letter.partition {
            table.set(Role::PARTITION, Column::constant_i32(1, partition));
        }
        if let Some(timestamp) = letter.timestamp_ms {
            table.set(Role::TIMESTAMP, Column::int64s(Kind::Int64, [timestamp]));
        }
        if let Some(headers) = headers.finish() {
            table.set(Role::HEADERS, headers);
        }
        Ok(table.into_batch())
    }
}

/// The bytes of one row.
struct One<'a>(Option<&'a [u8]>);

impl RowInput for One<'_> {
    fn len(&self) -> usize {
        1
    }

    fn row(&self, _: usize) -> InputRow<'_> {
        InputRow { bytes: self.0 }
    }
}

async fn read(
    converter: &mut dyn Converter,
    topic: &str,
    bytes: Option<&[u8]>,
    schemas: &mut SchemaTable<'static>,
) -> Result<Union<'static>, Failure> {
    let (mut builder, mut errors) = (UnionBuilder::default(), Vec::new());
    let read = converter.to_connect(topic, &One(bytes), schemas, &mut builder, &mut errors).await;
    read.map_err(|error| error.failure())?;
    if let Some(error) = errors.into_iter().next() {
        return Err(error.failure);
    }
    builder.finish(schemas).map_err(|error| Failure::new(ErrorKind::Data, "", error.to_string()))
}

/// Keeps what would be produced.
#[derive(Default)]
struct Records(Vec<ReplayedRecord>);

impl RecordAppender for Records {
    fn append(
        &mut self,
        topic: &TopicName,
        partition: Option<i32>,
        record: RecordRef<'_>,
    ) -> Result<Sequence, TryAppendError> {
        self.0.push(ReplayedRecord {
            topic: topic.clone(),
            partition,
            timestamp_ms: record.timestamp_ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.to_vec(),
        });
        Ok(self.0.len() as Sequence)
    }
}
