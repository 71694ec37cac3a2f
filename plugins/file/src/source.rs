//! FileStreamSource: each line of a file, or of standard input, becomes a record.

use std::{sync::Arc, time::Duration};

use millstream_sdk::{
    ConnectorContext, Error, File, Info, PollLimits, Result, Schema, SchemaType, Source, SourceContext, SourceTask,
    Support, Timestamp, Value,
    batch::{Column, Kind, Role, Table, Union},
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, Opens, PluginConfig},
    constant_map, get, info, map, wait, warn,
};

use crate::{
    KAFKA_VERSION,
    lines::{Line, LineBuffer},
    utf8::append_replacing,
};

const FILE: &str = "file";
const TOPIC: &str = "topic";
const BATCH_SIZE: &str = "batch.size";

/// Bytes asked for in one read: enough for a default batch of long lines, little enough to be copied
/// without pain.
const READ_BYTES: u32 = 512 << 10;
/// Longest line, since a record has to fit into a batch.
const MAX_LINE_BYTES: usize = 32 << 20;
/// How long a poll waits for something to read. Connect's own wait.
const IDLE_WAIT: Duration = Duration::from_secs(1);
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The configuration of connector and task alike.
#[derive(Clone, Debug)]
pub struct FileSourceConfig {
    /// The file's name as configured; `None` for standard input.
    file: Option<String>,
    topic: String,
    batch_size: usize,
    originals: ConfigMap,
}

impl PluginConfig for FileSourceConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new()
            .key(
                Key::string(FILE)
                    .importance(Importance::High)
                    .doc("Source filename. If not specified, the standard input will be used")
                    .opens(Opens::read_file().or_stdin()),
            )
            .key(
                Key::string(TOPIC)
                    .required()
                    .non_empty()
                    .importance(Importance::High)
                    .doc("The topic to publish data to"),
            )
            .key(
                Key::int(BATCH_SIZE)
                    .default(2000)
                    .importance(Importance::Low)
                    .doc("The maximum number of records the source task can read from the file each time it is polled"),
            )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self {
            file: values.opt_string(FILE).filter(|file| !file.is_empty()).map(str::to_owned),
            topic: values.string(TOPIC)?.to_owned(),
            // Connect looks at the size after each record, and so returns one even for zero.
            batch_size: usize::try_from(values.int(BATCH_SIZE)?).unwrap_or_default().max(1),
            originals: values.originals().clone(),
        })
    }
}

/// The connector: one task, whatever is asked for.
#[derive(Debug)]
pub struct FileSource {
    config: FileSourceConfig,
}

impl Source for FileSource {
    const INFO: Info = Info::new("org.apache.kafka.connect.file.FileStreamSourceConnector")
        .task_class("org.apache.kafka.connect.file.FileStreamSourceTask")
        .version(KAFKA_VERSION)
        .doc("Turns each line of a file, or of standard input, into a record.");
    type Config = FileSourceConfig;
    type Task = FileSourceTask;

    fn start(config: FileSourceConfig, _: ConnectorContext) -> Result<Self> {
        info!("Starting file source connector reading from {}", name_of(config.file.as_deref()));
        Ok(Self { config })
    }

    fn task_configs(&mut self, _: u32) -> Result<Vec<ConfigMap>> {
        Ok(vec![self.config.originals.clone()])
    }

    fn exactly_once_support(config: &ConfigMap) -> Result<Support> {
        let config = FileSourceConfig::parse(config)?;
        Ok(if config.file.is_some() { Support::Supported } else { Support::Unsupported })
    }

    fn alter_offsets(config: &ConfigMap, offsets: &[(Value, Option<Value>)]) -> Result<bool> {
        if FileSourceConfig::parse(config)?.file.is_none() {
            return Err(Error::fatal(
                "Offsets cannot be modified if the 'file' configuration is unspecified. \
                 This is because stdin is used for input and offsets are not tracked.",
            ));
        }
        for (partition, offset) in offsets {
            // A reset is always possible, whatever has been stored.
            if let Some(offset) = offset.as_ref().filter(|offset| !offset.is_null()) {
                check_offset(partition, offset)?;
            }
        }
        Ok(true)
    }
}

fn check_offset(partition: &Value, offset: &Value) -> Result<()> {
    match get(offset, "position") {
        None => Err(Error::fatal("Offset objects should either be null or contain the key 'position'")),
        Some(Value::Int64(position)) if *position < 0 => {
            Err(Error::fatal("The value for the 'position' key in the offset should be a non-negative value"))
        }
        Some(Value::Int64(_)) if partition.is_null() => Err(Error::fatal("Partition objects cannot be null")),
        Some(Value::Int64(_)) if get(partition, "filename").is_none() => {
            Err(Error::fatal("Partition objects should contain the key 'filename'"))
        }
        Some(Value::Int64(_)) => Ok(()),
        Some(_) => Err(Error::fatal("The value for the 'position' key in the offset is expected to be a Long value")),
    }
}

fn name_of(file: Option<&str>) -> &str {
    file.unwrap_or("standard input")
}

/// The task: reads on from where it was, however much has been appended.
#[derive(Debug)]
pub struct FileSourceTask {
    config: FileSourceConfig,
    context: SourceContext,
    schema: Arc<Schema>,
    partition: Value,
    file: Option<File>,
    buffer: LineBuffer,
    lines: Vec<Line>,
    /// Bytes of the file up to the last line handed on.
    position: u64,
}

impl SourceTask for FileSourceTask {
    type Config = FileSourceConfig;

    fn start(config: FileSourceConfig, context: SourceContext) -> Result<Self> {
        let name = config.file.as_deref().map_or(Value::Null, Value::from);
        Ok(Self {
            config,
            context,
            schema: Arc::new(Schema::new(SchemaType::String)),
            partition: map([("filename", name)]),
            file: None,
            buffer: LineBuffer::default(),
            lines: Vec::new(),
            position: 0,
        })
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        let longest_wait = IDLE_WAIT.min(Duration::from_millis(limits.max_wait_ms.into()));
        if self.file.is_none() && !self.open(longest_wait)? {
            return Ok(None);
        }
        self.lines.clear();
        let max_lines = self.config.batch_size.min(limits.max_records as usize);
        let max_bytes = limits.max_bytes as usize;
        let mut waited = Duration::ZERO;
        while !self.buffer.take(&mut self.lines, max_lines, max_bytes) {
            self.check_line_length()?;
            let Some(file) = &mut self.file else { return Ok(None) };
            let read = match file.read(READ_BYTES) {
                Ok(read) => read,
                Err(error) if self.lines.is_empty() => return Err(retriable(error)),
                // The lines come first; if the failure lasts, the next poll reports it.
                Err(_) => break,
            };
            if !read.is_empty() {
                self.buffer.append(read, &mut self.lines);
                continue;
            }
            if !self.lines.is_empty() {
                break;
            }
            let pause = LOOK_EVERY.min(longest_wait.saturating_sub(waited));
            if pause.is_zero() || wait(pause) {
                return Ok(None);
            }
            waited += pause;
        }
        self.table().map(Some)
    }

    fn stop(&mut self) -> Result<()> {
        self.file = None;
        Ok(())
    }
}

/// Reading again may succeed, and nothing has been lost meanwhile.
fn retriable(error: Error) -> Error {
    Error::retriable(error.message.clone()).because(&error)
}

impl FileSourceTask {
    /// Opens the file where the stored offset says. False if it is not there yet.
    fn open(&mut self, longest_wait: Duration) -> Result<bool> {
        let name = name_of(self.config.file.as_deref());
        let opened =
            File::open(FILE).map_err(|error| Error::fatal(format!("open {name} for reading")).because(&error))?;
        let Some(mut file) = opened else {
            warn!("Couldn't find file {name} for FileStreamSourceTask, sleeping to wait for it to be created");
            wait(longest_wait);
            return Ok(false);
        };
        if self.config.file.is_some() {
            self.position = stored_position(self.context.offset(&self.partition)?.as_ref())?;
            let size = file.size().map_err(retriable)?.unwrap_or_default();
            if size < self.position {
                warn!(
                    "{name} has {size} bytes, fewer than were read before ({}): waiting for it to grow",
                    self.position
                );
            }
            file.seek(self.position).map_err(retriable)?;
            info!("Opened {name} for reading at byte {}", self.position);
        }
        self.file = Some(file);
        Ok(true)
    }

    /// A record has to fit into a batch.
    fn check_line_length(&self) -> Result<()> {
        if self.buffer.rest() <= MAX_LINE_BYTES {
            return Ok(());
        }
        let (file, at) = (name_of(self.config.file.as_deref()), self.position);
        Err(Error::fatal(format!("a line of {file} behind byte {at} is longer than {MAX_LINE_BYTES} bytes")))
    }

    /// The lines found as a batch.
    fn table(&mut self) -> Result<Table<'static>> {
        let rows = self.lines.len() as u32;
        let text = text_column(self.buffer.bytes(), &self.lines);
        let offsets = match &self.config.file {
            None => map_column("position", Column::nulls(rows)),
            Some(_) => {
                let mut position = self.position;
                let mut positions = Vec::with_capacity(self.lines.len() * 8);
                for line in &self.lines {
                    position += u64::from(line.next - line.start);
                    positions.extend_from_slice(&position.to_le_bytes());
                }
                self.position = position;
                map_column("position", Column::new(Kind::Int64, rows, positions))
            }
        };
        let mut table = Table::new(rows);
        let schema = table.schemas.place(&self.schema)?;
        table.set(Role::TOPIC, Column::constant_str(rows, &self.config.topic));
        table.set(Role::TIMESTAMP, Column::constant_i64(Kind::Int64, rows, Timestamp::now().as_millis()));
        table.set(Role::SOURCE_PARTITION, constant_map(rows, &self.partition)?);
        table.set(Role::SOURCE_OFFSET, offsets);
        table.values = Union::single(Some(schema), text);
        Ok(table)
    }
}

/// The byte that a stored offset names; the beginning if nothing is stored.
fn stored_position(offset: Option<&Value>) -> Result<u64> {
    match offset.and_then(|offset| get(offset, "position")) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::Int64(position)) => Ok(u64::try_from(*position).unwrap_or_default()),
        Some(_) => Err(Error::fatal("Offset position is the incorrect type")),
    }
}

/// A map with one member per row.
fn map_column(name: &str, member: Column<'static>) -> Column<'static> {
    let mut column = Column::new(Kind::Object, member.rows, Vec::new());
    column.children = vec![member.named(name.to_owned())];
    column
}

/// The lines as a column of text: one pass over offsets and bytes, without a look at single lines
/// unless something is not UTF-8.
fn text_column(bytes: &[u8], lines: &[Line]) -> Column<'static> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Column::strings([]) };
    let whole = &bytes[first.start as usize..last.next as usize];
    let is_text = std::str::from_utf8(whole).is_ok();
    let heap_at = (lines.len() + 1) * 4;
    let mut data = Vec::with_capacity(heap_at + whole.len());
    data.resize(heap_at, 0);
    for (row, line) in lines.iter().enumerate() {
        let line = &bytes[line.start as usize..line.end as usize];
        if is_text {
            data.extend_from_slice(line);
        } else {
            append_replacing(&mut data, line);
        }
        let end = (data.len() - heap_at) as u32;
        data[(row + 1) * 4..(row + 2) * 4].copy_from_slice(&end.to_le_bytes());
    }
    Column::new(Kind::String, lines.len() as u32, data)
}
