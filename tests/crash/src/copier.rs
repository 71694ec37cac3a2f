//! Copies a topic, each record exactly once: read, written on and committed as read in one transaction.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use millstream_client::{
    Cluster, Consumer, ConsumerConfig, Producer, ProducerConfig, RecordRef, TcpDial, TransactionError,
    consumer::OffsetAndMetadata,
};
use millstream_record::TopicName;
use millstream_wire::batch::{Batches, RecordReader, decompress_records};
use rand::{Rng, rngs::StdRng};

/// A member of the group `copiers`, for as long as the future is polled. Now and then it aborts what it has done.
/// Whatever goes wrong, it begins again where the group is; dropping the future is its crash.
pub async fn copy(address: String, id: String, from: TopicName, to: TopicName, mut dice: StdRng) -> Infallible {
    loop {
        let mut copier = Copier::new(&address, &id);
        if copier.open(&from).await.is_ok() {
            while let Ok(true) = copier.turn(&to, &mut dice).await {}
        }
        copier.consumer.close(Duration::from_secs(1)).await;
    }
}

struct Copier {
    consumer: Consumer,
    producer: Producer,
}

impl Copier {
    fn new(address: &str, id: &str) -> Self {
        let settings = |own: &[(&str, &str)]| {
            let common =
                [("bootstrap.servers", address), ("reconnect.backoff.max.ms", "100"), ("retry.backoff.max.ms", "100")];
            let all = common.iter().chain(own).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            all.collect::<BTreeMap<_, _>>()
        };
        let of_producer = [("transactional.id", id), ("linger.ms", "1"), ("transaction.timeout.ms", "5000")];
        let config = ProducerConfig::from_properties(&settings(&of_producer)).expect("valid");
        let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
        let producer = Producer::new(&cluster, config);
        let of_consumer = [
            ("group.id", "copiers"),
            ("isolation.level", "read_committed"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("session.timeout.ms", "2000"),
            ("heartbeat.interval.ms", "300"),
        ];
        let config = ConsumerConfig::from_properties(&settings(&of_consumer)).expect("valid");
        Self { consumer: Consumer::new(&cluster, config), producer }
    }

    async fn open(&mut self, from: &TopicName) -> Result<(), TransactionError> {
        self.consumer.subscribe([from.clone()]).expect("it has a group");
        self.producer.init_transactions().await
    }

    /// One poll and what follows from it. False if it is to begin again.
    async fn turn(&mut self, to: &TopicName, dice: &mut StdRng) -> Result<bool, TransactionError> {
        let Ok(polled) = self.consumer.poll(Duration::from_millis(100)).await else { return Ok(false) };
        if polled.fetched.is_empty() {
            return Ok(true);
        }
        self.producer.begin_transaction()?;
        let mut offsets = Vec::new();
        for fetched in polled.fetched {
            offsets.push((fetched.topic, fetched.partition, OffsetAndMetadata::new(fetched.next_offset)));
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.expect("a whole batch");
                let mut scratch = Vec::new();
                let records = decompress_records(&header, bytes, 1 << 26, &mut scratch).expect("decompresses");
                for record in RecordReader::new(&header, records) {
                    let record = record.expect("a whole record");
                    if fetched.first_offset <= header.base_offset + i64::from(record.offset_delta) {
                        let record = RecordRef { value: record.value, ..RecordRef::default() };
                        if self.producer.append(to, Some(fetched.partition), record).await.is_err() {
                            return Ok(false);
                        }
                    }
                }
            }
        }
        let Some(group) = self.consumer.group_metadata() else { return Ok(false) };
        self.producer.send_offsets_to_transaction(group, &offsets).await?;
        if dice.random_range(0..8) == 0 {
            self.producer.abort_transaction().await?;
            return Ok(false);
        }
        let committed = loop {
            match self.producer.commit_transaction().await {
                // It goes on.
                Err(TransactionError::Timeout { .. }) => {}
                committed => break committed,
            }
        };
        while self.producer.try_ack().is_some() {}
        committed.map(|()| true)
    }
}
