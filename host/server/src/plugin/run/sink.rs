//! Running a sink: it gets the records in its own way of being called, and what it asks for and reports is printed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use millstream_connector::{
    Failure as Reported, Plugins, RowError, SinkContext, TopicOffset, TopicPartition, TopicRecord,
};
use millstream_record::{TopicName, batch::Role};
use serde_json::json;
use tokio::sync::watch;

use super::{Run, Tally, connector::Started, ended, error_json, failure_text, input::Input, records::Meant, show};
use crate::{
    exit::Failure,
    output::{Output, print},
    plugin::subject::{Subject, task},
};

/// What a sink task asks of its worker.
pub struct Context {
    stopping: watch::Sender<bool>,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    assignment: Vec<TopicPartition>,
    reported: Vec<RowError>,
    /// In words.
    others: Vec<String>,
}

impl Default for Context {
    fn default() -> Self {
        Self { stopping: watch::Sender::new(false), asked: Mutex::default() }
    }
}

impl Context {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the task these partitions.
    pub fn assign(&self, partitions: &[TopicPartition]) {
        self.asked().assignment = partitions.to_vec();
    }

    /// Asks the task to stop.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn note(&self, what: String) {
        self.asked().others.push(what);
    }
}

#[async_trait]
impl SinkContext for Context {
    fn assignment(&self) -> Vec<TopicPartition> {
        self.asked().assignment.clone()
    }

    fn seek(&self, offsets: Vec<TopicOffset>) {
        for TopicOffset { topic, partition, offset } in offsets {
            self.note(format!("asks to go on in {topic}-{partition} at {offset}, which is not done here"));
        }
    }

    fn pause(&self, partitions: &[TopicPartition]) -> Result<(), Reported> {
        self.note(format!("pauses {}", named(partitions)));
        Ok(())
    }

    fn resume(&self, partitions: &[TopicPartition]) -> Result<(), Reported> {
        self.note(format!("resumes {}", named(partitions)));
        Ok(())
    }

    fn timeout(&self, ms: u32) {
        self.note(format!("asks to be called again within {ms} ms"));
    }

    fn request_commit(&self) {
        self.note("asks for a commit".to_owned());
    }

    fn report(&self, errors: Vec<RowError>) -> Result<(), Reported> {
        self.asked().reported.extend(errors);
        Ok(())
    }

    async fn write_records(&self, topic: &TopicName, _: i16, records: Vec<TopicRecord>) -> Result<(), Reported> {
        self.note(format!("writes {} records to {topic}, which is not done here", records.len()));
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    async fn stopped(&self) {
        // The sender lives as long as this.
        let _ = self.stopping.subscribe().wait_for(|&stopping| stopping).await;
    }
}

fn named(partitions: &[TopicPartition]) -> String {
    let names = partitions.iter().map(|TopicPartition { topic, partition }| format!("{topic}-{partition}"));
    names.collect::<Vec<_>>().join(", ")
}

pub async fn run(subject: &Subject, arguments: &Run) -> Result<(), Failure> {
    let Input { records, topic, mut notation } = Input::of(subject, arguments, Meant::Data).await?;
    let connector = Started::of(subject).await?;
    let context = Arc::new(Context::default());
    let class = subject.info.class.as_str().into();
    let made = subject.catalogue.sink_task(&class, &task(), Arc::<Context>::clone(&context)).await;
    let mut sink = made.map_err(|error| ended("make the task", &error))?;
    sink.start(&connector.task).await.map_err(|error| ended("start the task", &error))?;
    let place = |record: &super::records::Record| TopicPartition {
        topic: record.topic.clone().unwrap_or_else(|| topic.clone()),
        partition: record.partition.unwrap_or(0),
    };
    let mut partitions: Vec<TopicPartition> = records.iter().map(place).collect();
    partitions.sort();
    partitions.dedup();
    context.assign(&partitions);
    sink.open(&partitions).await.map_err(|error| ended("open the partitions", &error))?;
    let mut tally = Tally { records: records.len() as u64, ..Tally::default() };
    let mut ends: Vec<TopicOffset> = Vec::new();
    let mut first = 0;
    for some in records.chunks(arguments.batch as usize) {
        let batch = notation.batch(some, &topic, first).await?;
        let rows = notation.rows(&batch).await?;
        sink.put(&batch).await.map_err(|error| ended("put records", &error))?;
        let reported = std::mem::take(&mut context.asked().reported);
        for (row, record) in rows.iter().enumerate() {
            let error = reported.iter().find(|error| error.row as usize == row).map(error_json);
            let number = first + row as u64 + 1;
            let taken = if error.is_some() { "" } else { "  → taken\n" };
            let said = error.as_ref().map(failure_text).unwrap_or_default();
            let text = format!("{number} {record}\n{taken}{said}");
            tally.count(if error.is_some() { "reported" } else { "taken" });
            let line = match error {
                Some(error) => json!({"record": number, "before": record, "error": error}),
                None => json!({"record": number, "before": record, "taken": true}),
            };
            show(arguments.output, &line, &text)?;
        }
        let table = batch.open();
        for (row, record) in some.iter().enumerate() {
            let TopicPartition { topic, partition } = place(record);
            let offset = table.integer(Role::OFFSET, row).unwrap_or(0) + 1;
            match ends.iter_mut().find(|end| end.topic == topic && end.partition == partition) {
                Some(end) => end.offset = end.offset.max(offset),
                None => ends.push(TopicOffset { topic, partition, offset }),
            }
        }
        first += some.len() as u64;
    }
    let committed = sink.pre_commit(&ends).await.map_err(|error| ended("flush", &error))?.unwrap_or(ends);
    sink.close(&partitions).await.map_err(|error| ended("close the partitions", &error))?;
    context.stop();
    sink.stop().await.map_err(|error| ended("stop the task", &error))?;
    connector.stop().await?;
    let others = std::mem::take(&mut context.asked().others);
    let offsets: Vec<_> = committed
        .iter()
        .map(|TopicOffset { topic, partition, offset }| json!({"topic": topic, "partition": partition, "offset": offset}))
        .collect();
    if arguments.output == Output::Json {
        return print(&format!("{}\n", json!({"offsets": offsets, "asked": others})));
    }
    let committed =
        committed.iter().map(|TopicOffset { topic, partition, offset }| format!("{topic}-{partition} at {offset}"));
    let mut text = format!("\noffsets that would be committed: {}\n", committed.collect::<Vec<_>>().join(", "));
    others.iter().for_each(|other| text.push_str(&format!("the task {other}\n")));
    print(&text)?;
    tally.report(arguments.output)
}
