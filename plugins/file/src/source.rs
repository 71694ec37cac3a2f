//! FileStreamSource: each line of a file, or of standard input, becomes a record.

use std::{sync::Arc, time::Duration};

use millstream_sdk::{
    ConnectorContext, Error, ErrorKind, File, Info, PollLimits, Result, Schema, SchemaType, Source, SourceContext,
    SourceTask, Support, Timestamp, Value,
    batch::{Column, Kind, Role, Table, TextBuilder, Union, text_of},
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, Opens, PluginConfig},
    constant_map,
    error::class::RETRIABLE_EXCEPTION,
    get, info, map, rest, warn,
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
/// Time between two looks for a file that does not exist. Connect's own wait.
const IDLE_WAIT: Duration = Duration::from_secs(1);
/// Time between two reads of what the host cannot watch: a stream, a device.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Time between two reads of a file that the host watches, should its file system not tell its size truly.
const LONG_REST: Duration = Duration::from_secs(10);

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
    /// Whether the log says already that there is no file yet.
    told_missing: bool,
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
            told_missing: false,
            buffer: LineBuffer::default(),
            lines: Vec::new(),
            position: 0,
        })
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Option<Table<'_>>> {
        if self.file.is_none() && !self.open()? {
            rest(IDLE_WAIT);
            return Ok(None);
        }
        self.lines.clear();
        let max_lines = self.config.batch_size.min(limits.max_records as usize);
        let max_bytes = limits.max_bytes as usize;
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
            rest(if file.ends_rest() { LONG_REST } else { LOOK_EVERY });
            return Ok(None);
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
    Error { kind: ErrorKind::Retriable, class: RETRIABLE_EXCEPTION.into(), ..error }
}

impl FileSourceTask {
    /// Opens the file where the stored offset says. False if it is not there yet.
    fn open(&mut self) -> Result<bool> {
        let name = name_of(self.config.file.as_deref());
        let opened =
            File::open(FILE).map_err(|error| Error::fatal(format!("open {name} for reading")).because(&error))?;
        let Some(mut file) = opened else {
            if !std::mem::replace(&mut self.told_missing, true) {
                warn!("Couldn't find file {name} for FileStreamSourceTask, sleeping to wait for it to be created");
            }
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
    Column::new(Kind::Object, member.rows, Vec::new()).with_children(vec![member.named(name.to_owned())])
}

/// The lines as a column of text: one pass over offsets and bytes, without a look at single lines
/// unless something is not UTF-8.
fn text_column(bytes: &[u8], lines: &[Line]) -> Column<'static> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else { return Column::strings([]) };
    let (begin, end) = (first.start as usize, last.next as usize);
    let whole = &bytes[begin..end];
    let mut texts = TextBuilder::new(lines.len(), whole.len());
    match text_of(whole) {
        // A line ends before a byte that is a character of its own.
        Some(whole) => {
            lines.iter().for_each(|line| texts.push(&whole[line.start as usize - begin..line.end as usize - begin]))
        }
        None => {
            for line in lines {
                append_replacing(&bytes[line.start as usize..line.end as usize], |text| texts.append(text));
                texts.end_row();
            }
        }
    }
    texts.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_sdk::{Record, harness::Harness, logging::Level, records_of};

    const LIMITS: PollLimits = PollLimits { max_records: 10_000, max_bytes: 1 << 20, max_wait_ms: 5_000 };

    fn config() -> ConfigMap {
        ConfigMap::from([("file", "a.txt"), ("topic", "lines")])
    }

    fn poll(task: &mut FileSourceTask) -> Vec<Record> {
        let table = task.poll(&LIMITS).expect("polled");
        table.map_or_else(Vec::new, |table| records_of(table.write()).expect("a valid batch"))
    }

    fn lines(records: &[Record]) -> Vec<(&str, i64)> {
        let line = |record: &Record| match (&record.value, get(&record.source_offset, "position")) {
            (Value::String(line), Some(Value::Int64(position))) => (line.clone(), *position),
            other => panic!("no line: {other:?}"),
        };
        records.iter().map(line).map(|(line, at)| (&*line.leak(), at)).collect()
    }

    #[test]
    fn a_record_has_the_line_its_place_and_nothing_else() {
        let harness = Harness::enter();
        harness.file("file", b"hello\n");
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        let before = Timestamp::now().as_millis();
        let mut records = poll(&mut task);
        let record = records.pop().expect("a line");
        assert!(records.is_empty());
        let timestamp = record.timestamp_ms.expect("a time");
        assert!((before..=Timestamp::now().as_millis()).contains(&timestamp));
        let expected = Record::with_schema("lines", &Arc::new(Schema::new(SchemaType::String)), "hello")
            .timestamp_ms(timestamp)
            .from(map([("filename", "a.txt".into())]), map([("position", Value::Int64(6))]));
        assert_eq!(record, expected);
    }

    #[test]
    fn appended_lines_arrive_once_they_end() {
        let harness = Harness::enter();
        let file = harness.file("file", b"one\ntwo\r\nthr");
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        assert_eq!(lines(&poll(&mut task)), [("one", 4), ("two", 9)]);
        assert!(poll(&mut task).is_empty());
        file.append(b"ee\r");
        assert!(poll(&mut task).is_empty());
        file.append(b"\n");
        assert_eq!(lines(&poll(&mut task)), [("three", 16)]);
    }

    #[test]
    fn batch_size_limits_a_poll_and_the_rest_follows_at_once() {
        let harness = Harness::enter();
        harness.file("file", b"1\n2\n3\n4\n5\n");
        let config = config().with("batch.size", "2");
        let mut task = harness.source_task::<FileSourceTask>(&config).expect("started");
        assert_eq!(lines(&poll(&mut task)), [("1", 2), ("2", 4)]);
        assert_eq!(lines(&poll(&mut task)), [("3", 6), ("4", 8)]);
        assert_eq!(lines(&poll(&mut task)), [("5", 10)]);
        assert_eq!(harness.take_waits(), []);
    }

    #[test]
    fn a_batch_is_filled_across_reads() {
        let harness = Harness::enter();
        let line = "x".repeat(299) + "\n";
        harness.file("file", line.repeat(7000).as_bytes());
        let config = config().with("batch.size", "3000");
        let mut task = harness.source_task::<FileSourceTask>(&config).expect("started");
        let sizes: Vec<usize> = (0..3).map(|_| poll(&mut task).len()).collect();
        assert_eq!(sizes, [3000, 3000, 1000]);
    }

    #[test]
    fn reading_resumes_at_the_stored_byte() {
        let harness = Harness::enter();
        harness.file("file", "für\nzwei\n".as_bytes());
        harness.store_offset(&map([("filename", "a.txt".into())]), &map([("position", Value::Int64(5))]));
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        assert_eq!(lines(&poll(&mut task)), [("zwei", 10)]);
    }

    #[test]
    fn a_stored_position_that_is_no_long_fails_the_task() {
        let harness = Harness::enter();
        harness.file("file", b"");
        harness.store_offset(&map([("filename", "a.txt".into())]), &map([("position", "5".into())]));
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        let error = task.poll(&LIMITS).expect_err("refused");
        assert_eq!(error.message, "Offset position is the incorrect type");
        assert_eq!(error.class, millstream_sdk::error::class::CONNECT_EXCEPTION);
    }

    #[test]
    fn a_missing_file_is_waited_for() {
        let harness = Harness::enter();
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        assert!(poll(&mut task).is_empty());
        assert_eq!(harness.take_rests(), [IDLE_WAIT]);
        assert_eq!(harness.take_log()[0].0, Level::Warn);
        harness.file("file", b"there\n");
        assert_eq!(lines(&poll(&mut task)), [("there", 6)]);
    }

    #[test]
    fn the_host_tells_when_a_file_has_more_and_of_a_stream_it_is_asked_again_and_again() {
        let harness = Harness::enter();
        let file = harness.file("file", b"one\n");
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        assert_eq!(lines(&poll(&mut task)), [("one", 4)]);
        assert_eq!(harness.take_rests(), []);
        assert!(poll(&mut task).is_empty());
        assert_eq!(harness.take_rests(), [LONG_REST]);
        file.make_stream();
        assert!(poll(&mut task).is_empty());
        assert_eq!(harness.take_rests(), [LOOK_EVERY]);
        assert_eq!(harness.take_waits(), [], "no instance is kept in a call");
    }

    #[test]
    fn lines_that_were_found_are_delivered_before_a_failure() {
        let harness = Harness::enter();
        let file = harness.file("file", b"one\n");
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        file.fail_read(Error::fatal("damaged"));
        let error = task.poll(&LIMITS).expect_err("failed");
        assert_eq!((error.kind, error.to_string()), (ErrorKind::Retriable, "damaged".to_owned()));
        assert_eq!(lines(&poll(&mut task)), [("one", 4)]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_positions_count_bytes() {
        let harness = Harness::enter();
        harness.file("file", b"a\xffb\n\xe2\x82\xac\n");
        let mut task = harness.source_task::<FileSourceTask>(&config()).expect("started");
        assert_eq!(lines(&poll(&mut task)), [("a\u{FFFD}b", 4), ("€", 8)]);
    }

    #[test]
    fn standard_input_has_no_position() {
        let harness = Harness::enter();
        harness.file("file", b"typed\n").make_stream();
        let config = ConfigMap::from([("file", ""), ("topic", "lines")]);
        let mut task = harness.source_task::<FileSourceTask>(&config).expect("started");
        let records = poll(&mut task);
        assert_eq!(records[0].value, Value::from("typed"));
        assert_eq!(records[0].source_partition, map([("filename", Value::Null)]));
        assert_eq!(records[0].source_offset, map([("position", Value::Null)]));
    }

    #[track_caller]
    fn check_alter(partition: Value, offset: Option<Value>, expected: Result<bool, &str>) {
        let result = FileSource::alter_offsets(&config(), &[(partition, offset)]);
        assert_eq!(result.map_err(|error| error.message), expected.map_err(str::to_owned));
    }

    #[test]
    fn offsets_that_a_user_sets_are_checked() {
        let partition = || map([("filename", "other.txt".into())]);
        let position = |value| Some(map([("position", value)]));
        check_alter(partition(), position(Value::Int64(7)), Ok(true));
        check_alter(Value::Null, None, Ok(true));
        let message = "Offset objects should either be null or contain the key 'position'";
        check_alter(partition(), Some(map([("offset", Value::Int64(1))])), Err(message));
        let message = "The value for the 'position' key in the offset is expected to be a Long value";
        check_alter(partition(), position(Value::Float64(1.5)), Err(message));
        let message = "The value for the 'position' key in the offset should be a non-negative value";
        check_alter(partition(), position(Value::Int64(-1)), Err(message));
        check_alter(Value::Null, position(Value::Int64(1)), Err("Partition objects cannot be null"));
        let message = "Partition objects should contain the key 'filename'";
        check_alter(map([]), position(Value::Int64(1)), Err(message));
        let no_file = ConfigMap::from([("topic", "t")]);
        let error = FileSource::alter_offsets(&no_file, &[]).expect_err("refused");
        assert!(error.message.starts_with("Offsets cannot be modified if the 'file' configuration is unspecified."));
    }

    #[test]
    fn there_is_one_task_with_the_whole_configuration() {
        let harness = Harness::enter();
        let config = config().with("unknown", "kept");
        let parsed = FileSourceConfig::parse(&config).expect("accepted");
        let mut connector = FileSource { config: parsed };
        assert_eq!(connector.task_configs(5).expect("made"), std::slice::from_ref(&config));
        assert_eq!(FileSource::exactly_once_support(&config).expect("known"), Support::Supported);
        let stdin = ConfigMap::from([("topic", "t")]);
        assert_eq!(FileSource::exactly_once_support(&stdin).expect("known"), Support::Unsupported);
        drop(harness);
    }
}
