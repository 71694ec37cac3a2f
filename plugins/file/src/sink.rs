//! FileStreamSink: each record's value becomes a line of a file, or of standard output.

use millstream_sdk::{
    ConnectorContext, Error, File, Info, Result, Sink, SinkContext, SinkTask, TopicOffset, TopicPartition,
    batch::{Column, Kind, Side, Table},
    config::{ConfigDef, ConfigMap, ConfigValues, Importance, Key, Opens, PluginConfig},
    info,
    values::write_value_text,
    warn,
};

use crate::KAFKA_VERSION;

const FILE: &str = "file";

/// The configuration of connector and task alike.
#[derive(Clone, Debug)]
pub struct FileSinkConfig {
    /// The file's name as configured; `None` for standard output.
    file: Option<String>,
    originals: ConfigMap,
}

impl PluginConfig for FileSinkConfig {
    fn definition() -> ConfigDef {
        ConfigDef::new().key(
            Key::string(FILE)
                .importance(Importance::High)
                .doc("Destination filename. If not specified, the standard output will be used")
                .opens(Opens::append_file().or_stdout()),
        )
    }

    fn from_values(values: &ConfigValues) -> Result<Self> {
        Ok(Self {
            file: values.opt_string(FILE).filter(|file| !file.is_empty()).map(str::to_owned),
            originals: values.originals().clone(),
        })
    }
}

/// The connector: as many tasks as are asked for, all of which append to the same file.
#[derive(Debug)]
pub struct FileSink {
    config: FileSinkConfig,
}

impl Sink for FileSink {
    const INFO: Info = Info::new("org.apache.kafka.connect.file.FileStreamSinkConnector")
        .task_class("org.apache.kafka.connect.file.FileStreamSinkTask")
        .version(KAFKA_VERSION)
        .doc("Writes the value of each record as a line to a file, or to standard output.");
    type Config = FileSinkConfig;
    type Task = FileSinkTask;

    fn start(config: FileSinkConfig, _: ConnectorContext) -> Result<Self> {
        info!("Starting file sink connector writing to {}", name_of(config.file.as_deref()));
        Ok(Self { config })
    }

    fn task_configs(&mut self, max_tasks: u32) -> Result<Vec<ConfigMap>> {
        Ok((0..max_tasks).map(|_| self.config.originals.clone()).collect())
    }

    fn alter_offsets(_: &ConfigMap, _: &[(TopicPartition, Option<TopicOffset>)]) -> Result<bool> {
        // Offsets are the worker's alone; the file knows none.
        Ok(true)
    }
}

fn name_of(file: Option<&str>) -> &str {
    file.unwrap_or("standard output")
}

/// The task. What was put is safe after the next flush.
#[derive(Debug)]
pub struct FileSinkTask {
    config: FileSinkConfig,
    file: File,
    /// Lines of the running `put`; kept for its memory.
    text: Vec<u8>,
    /// Whether something was written since the last flush.
    unsynced: bool,
    /// Whether something was written at all.
    begun: bool,
}

impl SinkTask for FileSinkTask {
    type Config = FileSinkConfig;

    fn start(config: FileSinkConfig, _: SinkContext) -> Result<Self> {
        let failed = || {
            let file = config.file.as_deref().unwrap_or_default();
            Error::fatal(format!("Couldn't find or create file '{file}' for FileStreamSinkTask"))
        };
        let opened = File::open(FILE).map_err(|error| failed().because(&error))?;
        let file = opened.ok_or_else(failed)?;
        Ok(Self { config, file, text: Vec::new(), unsynced: false, begun: false })
    }

    fn put(&mut self, records: &Table<'_>) -> Result<()> {
        if records.selected() == 0 {
            return Ok(());
        }
        self.text.clear();
        if !self.begun && self.ends_within_a_line() {
            warn!(
                "{} does not end in a line end; the first line is written on a line of its own",
                name_of(self.config.file.as_deref())
            );
            self.text.push(b'\n');
        }
        write_lines(records, &mut self.text);
        (self.unsynced, self.begun) = (true, true);
        self.file.write(&self.text).map_err(|error| {
            let (lines, name) = (records.selected(), name_of(self.config.file.as_deref()));
            Error::fatal(format!("write {lines} lines to {name}")).because(&error)
        })
    }

    fn flush(&mut self) -> Result<()> {
        if self.unsynced {
            let name = name_of(self.config.file.as_deref());
            self.file.sync().map_err(|error| Error::fatal(format!("flush {name}")).because(&error))?;
            self.unsynced = false;
        }
        Ok(())
    }
}

impl FileSinkTask {
    /// Whether the file's last line has no end: a user's, or one that a write of ours was cut off in. Whose it is
    /// cannot be told, so it stays, and must not swallow the line that follows.
    fn ends_within_a_line(&mut self) -> bool {
        match last_byte(&mut self.file) {
            Ok(last) => last.is_some_and(|last| last != b'\n'),
            Err(error) => {
                // A file may well be writable and not readable.
                let name = name_of(self.config.file.as_deref());
                warn!("cannot look whether {name} ends in a whole line: {error}");
                false
            }
        }
    }
}

fn last_byte(file: &mut File) -> Result<Option<u8>> {
    let Some(size) = file.size()?.filter(|size| *size != 0) else { return Ok(None) };
    file.seek(size - 1)?;
    Ok(file.read(1)?.first().copied())
}

/// Appends the text of each selected row's value, and a line end.
fn write_lines(records: &Table<'_>, out: &mut Vec<u8>) {
    let union = records.side(Side::Value);
    if let ([block], None) = (union.blocks.as_slice(), &union.tags)
        && block.column.kind == Kind::String
        && block.column.is_full()
    {
        return write_strings(records, &block.column, out);
    }
    let schemas: Vec<_> = union.blocks.iter().map(|block| records.schema_of(block)).collect();
    let mut text = String::new();
    for (row, place) in union.places(records.rows as usize).enumerate() {
        if !records.is_selected(row) {
            continue;
        }
        text.clear();
        match place {
            None => text.push_str("null"),
            Some(place) => {
                let column = &union.blocks[place.block].column;
                match column.kind {
                    Kind::String if !column.is_null(place.row) => text.push_str(column.str(place.row)),
                    _ => {
                        let value = column.value(place.row, schemas[place.block].as_ref(), &records.schemas);
                        write_value_text(&mut text, &value);
                    }
                }
            }
        }
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }
}

/// Lines of text: nothing but copies.
fn write_strings(records: &Table<'_>, column: &Column<'_>, out: &mut Vec<u8>) {
    let rows = records.rows as usize;
    out.reserve(column.data.len() + rows);
    let all = records.selected() == rows;
    for row in (0..rows).filter(|&row| all || records.is_selected(row)) {
        out.extend_from_slice(column.bytes(row));
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::{Collector, Record, Schema, SchemaType, Value, harness::Harness, map};

    use super::*;

    fn config() -> ConfigMap {
        ConfigMap::from([("file", "out.txt")])
    }

    fn put(task: &mut FileSinkTask, records: &[Record]) -> Result<()> {
        let mut collector = Collector::new();
        records.iter().for_each(|record| collector.push(record).expect("fits into a batch"));
        task.put(&collector.into_table().expect("a batch").unwrap_or_default())
    }

    fn start(harness: &Harness) -> FileSinkTask {
        harness.sink_task(&config()).expect("started")
    }

    #[test]
    fn values_become_lines_and_are_on_disk_after_a_flush() {
        let harness = Harness::enter();
        let file = harness.file("file", b"before\n");
        let mut task = start(&harness);
        put(&mut task, &[Record::new("t", "one"), Record::new("t", "two")]).expect("written");
        assert_eq!(file.content(), b"before\none\ntwo\n");
        assert_eq!(file.synced(), b"before\n");
        assert_eq!(task.pre_commit(&[]).expect("flushed"), None);
        assert_eq!(file.synced(), b"before\none\ntwo\n");
    }

    #[test]
    fn values_that_are_no_text_look_as_in_java() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        let mut task = start(&harness);
        let list = Value::List(vec![Value::Int32(1), Value::Int32(2)]);
        let schema = std::sync::Arc::new(Schema::new(SchemaType::Int64));
        let records = [
            Record::new("t", Value::Null),
            Record::new("t", map([("a", Value::Int64(1)), ("b", list)])),
            Record::with_schema("t", &schema, Value::Int64(-5)),
            Record::new("t", "text"),
        ];
        put(&mut task, &records).expect("written");
        assert_eq!(String::from_utf8_lossy(&file.content()), "null\n{a=1, b=[1, 2]}\n-5\ntext\n");
    }

    #[test]
    fn rows_that_were_filtered_are_left_out() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        let mut task = start(&harness);
        let mut collector = Collector::new();
        for line in ["a", "b", "c"] {
            collector.push(&Record::new("t", line)).expect("fits");
        }
        let mut table = collector.into_table().expect("a batch").expect("three rows");
        table.deselect([1]);
        task.put(&table).expect("written");
        assert_eq!(file.content(), b"a\nc\n");
    }

    #[test]
    fn what_is_in_the_file_stays_to_the_last_byte() {
        for before in ["", "whole\n", "a user's last line", "many\nlines\r\nand a rest", "\n"] {
            let harness = Harness::enter();
            let file = harness.file("file", before.as_bytes());
            let mut task = start(&harness);
            put(&mut task, &[]).expect("nothing to do");
            task.flush().expect("flushed");
            assert_eq!(file.content(), before.as_bytes(), "untouched as long as there is nothing to write");
            put(&mut task, &[Record::new("t", "one"), Record::new("t", "two")]).expect("written");
            let joint = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
            assert_eq!(String::from_utf8_lossy(&file.content()), format!("{before}{joint}one\ntwo\n"));
        }
    }

    #[test]
    fn a_failed_write_fails_the_task_and_its_half_line_swallows_no_other() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        let mut task = start(&harness);
        file.fill_after(7);
        let error = put(&mut task, &[Record::new("t", "first"), Record::new("t", "second")]).expect_err("full");
        assert_eq!(error.to_string(), "write 2 lines to out.txt: No space left on device");
        assert_eq!(file.content(), b"first\ns");
        file.make_room();
        let mut task = start(&harness);
        put(&mut task, &[Record::new("t", "first"), Record::new("t", "second")]).expect("written");
        assert_eq!(file.content(), b"first\ns\nfirst\nsecond\n");
        assert_eq!(harness.take_log().len(), 1);
    }

    #[test]
    fn tasks_that_share_a_file_lose_no_line_of_each_other() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        let mut tasks = [start(&harness), start(&harness)];
        for round in 0..3 {
            for (number, task) in tasks.iter_mut().enumerate() {
                put(task, &[Record::new("t", format!("{number}-{round}").as_str())]).expect("written");
            }
            // A task that starts while others write finds whatever they have written so far.
            start(&harness);
        }
        assert_eq!(file.content(), b"0-0\n1-0\n0-1\n1-1\n0-2\n1-2\n");
    }

    #[test]
    fn a_failed_flush_is_reported_and_tried_again() {
        let harness = Harness::enter();
        let file = harness.file("file", b"");
        let mut task = start(&harness);
        put(&mut task, &[Record::new("t", "x")]).expect("written");
        file.fail_sync(Error::fatal("input/output error"));
        assert_eq!(task.flush().expect_err("failed").to_string(), "flush out.txt: input/output error");
        assert!(task.flush().is_err());
    }

    #[test]
    fn a_file_that_cannot_be_opened_has_connects_message() {
        let harness = Harness::enter();
        harness.file("file", b"").fail_open(Error::fatal("permission denied"));
        let error = harness.sink_task::<FileSinkTask>(&config()).expect_err("refused");
        assert_eq!(error.message, "Couldn't find or create file 'out.txt' for FileStreamSinkTask");
        assert_eq!(error.causes, ["permission denied"]);
    }

    #[test]
    fn every_task_gets_the_whole_configuration() {
        let config = config().with("unknown", "kept");
        let mut connector = FileSink { config: FileSinkConfig::parse(&config).expect("accepted") };
        assert_eq!(connector.task_configs(2).expect("made"), [config.clone(), config]);
    }
}
