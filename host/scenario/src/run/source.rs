//! Steps of source tasks.

use std::sync::Arc;

use millstream_config::ConfigMap;
use millstream_connector::{AcknowledgedRow, Plugins, PollLimits, SourceTask};
use millstream_record::batch::Batch;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::{Done, Run, found, shown};
use crate::expect::Found;
use crate::record;
use crate::scenario::PollSpec;

impl Run<'_> {
    pub(super) async fn start_source(&mut self, config: &ConfigMap) -> Done {
        self.world.ask_to_stop(false);
        let context = Arc::clone(&self.world);
        let mut task = self.plugins.source_task(&self.class(), &self.task(), context).await?;
        let started = task.start(config).await;
        self.source = Some(task);
        started?;
        Ok(Found::new())
    }

    pub(super) fn source(&mut self) -> Result<&mut Box<dyn SourceTask>, String> {
        self.source.as_mut().ok_or_else(|| "there is no source task: begin with the step start".to_owned())
    }

    pub(super) async fn poll(&mut self, poll: &PollSpec) -> Done {
        let limits =
            PollLimits { max_records: poll.max_records, max_bytes: poll.max_bytes, max_wait_ms: poll.max_wait_ms };
        let until = Instant::now() + poll.within;
        let mut records = Vec::new();
        let rests = loop {
            let task = self.source()?;
            let batch = task.poll(limits).await?;
            let rest = task.rest();
            let rests = rest.is_some();
            if let Some(batch) = batch {
                let named = &self.scenario.schemas;
                records.extend(record::records(&batch).iter().map(|(_, record)| record.write(named)));
                self.polled.push(batch);
            }
            let Some(wanted) = poll.until_records else { break rests };
            if wanted <= records.len() || until <= Instant::now() {
                break rests;
            }
            if let Some(rest) = rest {
                // It is over early if what the plugin waits for comes.
                let _ = tokio::time::timeout_at(until, rest).await;
            }
        };
        let transactions = json!(self.world.take_ends());
        let records = self.without_paths(records.into());
        Ok(found([("records", records), ("rests", rests.into()), ("transactions", transactions)]))
    }

    /// All that was polled has safely arrived, but for rows that were left out on their way.
    pub(super) async fn deliver(&mut self, filtered: &[usize]) -> Done {
        let mut row_in_all = 0;
        for batch in std::mem::take(&mut self.polled) {
            let mut rows = Vec::new();
            let mut offsets = Vec::new();
            for (row, record) in record::records(&batch) {
                let position = (!filtered.contains(&row_in_all)).then(|| {
                    let next = self.positions.entry(record.place()).or_default();
                    *next += 1;
                    (record.partition.unwrap_or_default(), *next - 1)
                });
                row_in_all += 1;
                rows.push(AcknowledgedRow { row: row as u32, position });
                if !record.source_partition.is_null() {
                    offsets.push((shown::offset(&record.source_partition)?, shown::offset(&record.source_offset)?));
                }
            }
            self.acknowledge(&batch, &rows).await?;
            self.world.store(offsets);
        }
        self.source()?.commit().await?;
        Ok(found([("stored", self.without_paths(stored(self.world.stored())))]))
    }

    async fn acknowledge(&mut self, batch: &Batch, rows: &[AcknowledgedRow]) -> Result<(), super::Stopped> {
        if self.plugin.commit_records {
            self.source()?.committed(batch, rows).await?;
        }
        Ok(())
    }
}

fn stored(offsets: Vec<(Json, Json)>) -> Json {
    offsets.into_iter().map(|(partition, offset)| json!({ "partition": partition, "offset": offset })).collect()
}
