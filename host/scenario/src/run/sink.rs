//! Steps of sink tasks.

use std::sync::Arc;

use millstream_config::ConfigMap;
use millstream_connector::{Plugins, SinkTask, TopicOffset, TopicPartition};
use serde_json::{Map, Value as Json};

use super::{Done, Run, found, shown};
use crate::expect::Found;
use crate::record::{self, Record};

impl Run<'_> {
    pub(super) async fn start_sink(&mut self, config: &ConfigMap) -> Done {
        self.world.ask_to_stop(false);
        let context = Arc::clone(&self.world);
        let mut task = self.plugins.sink_task(&self.class(), &self.task(), context).await?;
        let started = task.start(config).await;
        self.sink = Some(task);
        started?;
        Ok(Found::new())
    }

    fn sink(&mut self) -> Result<&mut Box<dyn SinkTask>, String> {
        self.sink.as_mut().ok_or_else(|| "there is no sink task: begin with the step start".to_owned())
    }

    pub(super) async fn open(&mut self, partitions: &[TopicPartition]) -> Done {
        self.world.assign(partitions);
        self.sink()?.open(partitions).await?;
        Ok(Found::new())
    }

    pub(super) async fn close(&mut self, partitions: &[TopicPartition]) -> Done {
        self.sink()?.close(partitions).await?;
        self.world.revoke(partitions);
        for partition in partitions {
            self.positions.remove(partition);
        }
        Ok(Found::new())
    }

    /// Hands records over. One that does not say where it stands comes behind the one before.
    pub(super) async fn put(&mut self, records: &[Record]) -> Done {
        let mut placed = records.to_vec();
        let mut positions = self.positions.clone();
        for record in &mut placed {
            record.topic.get_or_insert_with(|| "t".to_owned());
            record.partition.get_or_insert(0);
            let next = positions.entry(record.place()).or_default();
            *next = record.offset.get_or_insert(*next).saturating_add(1);
        }
        let batch = record::batch(&placed)?;
        self.world.begin_put(batch.rows());
        self.sink()?.put(&batch).await?;
        // Records that were refused come again, from where they stand.
        self.positions = positions;
        Ok(found([("reported", shown::row_errors(&self.world.take_reported()))]))
    }

    pub(super) async fn pre_commit(&mut self, offsets: Option<&[TopicOffset]>) -> Done {
        let delivered = self.positions.iter().map(|(TopicPartition { topic, partition }, &offset)| TopicOffset {
            topic: topic.clone(),
            partition: *partition,
            offset,
        });
        let offsets = offsets.map_or_else(|| delivered.collect(), <[TopicOffset]>::to_vec);
        let safe = match self.sink()?.pre_commit(&offsets).await? {
            None => "all".into(),
            Some(safe) => {
                let entry = |at: &TopicOffset| (format!("{}-{}", at.topic, at.partition), at.offset.into());
                Json::Object(safe.iter().map(entry).collect::<Map<_, _>>())
            }
        };
        Ok(found([("offsets", safe)]))
    }
}
