//! A client of this repository.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use checker::{Action, Fate, Isolation, Offset, Outcome, Partition, Polled, Value};
use millstream_client::{
    Cluster, Consumer, ConsumerConfig, Producer, ProducerConfig, RecordRef, Sequence, TcpDial, TransactionError,
    consumer::OffsetAndMetadata,
};
use millstream_record::{ErrorChain, TopicName};
use millstream_wire::batch::{Batches, RecordReader, decompress_records};

use super::hands::{Membership, Setup};

/// How long a call that goes on by itself is waited for.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a poll waits.
const WAIT: Duration = Duration::from_millis(150);

/// Producer and consumer of one life.
pub struct Ours {
    setup: Setup,
    producer: Option<Producer>,
    consumer: Option<Consumer>,
    /// Where the last poll left the consumer.
    next: BTreeMap<(TopicName, i32), i64>,
}

impl Ours {
    pub fn new(setup: Setup) -> Self {
        Self { setup, producer: None, consumer: None, next: BTreeMap::new() }
    }

    pub async fn perform(&mut self, action: &Action) -> (Outcome, String) {
        let done = match action {
            Action::Open(_) => self.open().await,
            Action::Assign(partitions) => {
                let places: Vec<_> = partitions.iter().map(|it| self.setup.layout.place(*it)).collect();
                let consumer = self.consumer();
                consumer.assign(places.iter().cloned());
                let mut seeks = places.iter().map(|(topic, index)| consumer.seek(topic, *index, 0));
                seeks.try_for_each(|seek| seek.map_err(|error| (Outcome::Failed, ErrorChain(&error).to_string())))
            }
            Action::Subscribe => self.subscribe(),
            Action::Begin => failed(self.producer().begin_transaction()),
            Action::Send(messages) => {
                let mut sequences = Vec::new();
                for message in messages {
                    let (topic, index) = self.setup.layout.place(message.partition);
                    let value = message.value.0.to_string();
                    let record = RecordRef { value: Some(value.as_bytes()), ..RecordRef::default() };
                    // What is not taken is not sent.
                    sequences.push(self.producer().append(&topic, Some(index), record).await.ok());
                }
                return (Outcome::Sent(self.fates(&sequences).await), String::new());
            }
            Action::Poll => return self.poll().await,
            Action::Offsets => self.offsets().await,
            Action::Commit => self.end(true).await,
            Action::Abort => self.end(false).await,
            Action::Close => {
                if let Some(consumer) = self.consumer.take() {
                    consumer.close(Duration::from_secs(2)).await;
                }
                self.producer = None;
                Ok(())
            }
        };
        match done {
            Ok(()) => (Outcome::Done, String::new()),
            Err(ended) => ended,
        }
    }

    fn producer(&mut self) -> &mut Producer {
        self.producer.as_mut().expect("it was opened")
    }

    fn consumer(&mut self) -> &mut Consumer {
        self.consumer.as_mut().expect("it was opened")
    }

    async fn open(&mut self) -> Result<(), (Outcome, String)> {
        let setup = &self.setup;
        let isolation = match setup.isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        let common = [
            ("bootstrap.servers", setup.address.as_str()),
            ("reconnect.backoff.ms", "20"),
            ("reconnect.backoff.max.ms", "200"),
            ("retry.backoff.ms", "20"),
            ("retry.backoff.max.ms", "200"),
            ("socket.connection.setup.timeout.ms", "2000"),
            ("request.timeout.ms", "3000"),
        ];
        let with = |own: &[(&str, &str)]| {
            let all = common.iter().chain(own).filter(|(_, value)| !value.is_empty());
            all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let (delivery, transaction) = (setup.delivery_timeout_ms.to_string(), setup.transaction_timeout_ms.to_string());
        let transactional_id = setup.transactional_id.as_deref().unwrap_or_default();
        let mut own = vec![("linger.ms", "1"), ("delivery.timeout.ms", &delivery), ("max.block.ms", "5000")];
        if !transactional_id.is_empty() {
            own.extend([("transactional.id", transactional_id), ("transaction.timeout.ms", &transaction)]);
        }
        let config = ProducerConfig::from_properties(&with(&own)).expect("valid");
        let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
        let mut producer = Producer::new(&cluster, config);
        let begin = Instant::now();
        let mut opened = Ok(());
        while producer.is_transactional() {
            opened = producer.init_transactions().await;
            if begin.elapsed() > LIMIT || !matches!(opened, Err(TransactionError::Timeout { .. })) {
                break;
            }
        }
        self.producer = Some(producer);
        let auto_commit = if setup.group().is_some() && setup.transactional_id.is_none() { "true" } else { "false" };
        let own = [
            ("isolation.level", isolation),
            ("group.id", setup.group().unwrap_or_default()),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", auto_commit),
            ("auto.commit.interval.ms", "200"),
            ("session.timeout.ms", "2000"),
            ("heartbeat.interval.ms", "300"),
            ("max.poll.interval.ms", "20000"),
            ("fetch.max.wait.ms", "100"),
            ("default.api.timeout.ms", "10000"),
        ];
        let config = ConsumerConfig::from_properties(&with(&own)).expect("valid");
        self.consumer = Some(Consumer::new(&cluster, config));
        failed(opened)
    }

    fn subscribe(&mut self) -> Result<(), (Outcome, String)> {
        self.next.clear();
        let layout = Arc::clone(&self.setup.layout);
        match self.setup.membership.clone() {
            Membership::None => return Err((Outcome::Failed, "it has no group".to_owned())),
            Membership::Member(_, partitions) => {
                let topics = partitions.iter().map(|it| layout.place(*it).0);
                let subscribed = self.consumer().subscribe(topics);
                subscribed.map_err(|error| (Outcome::Failed, ErrorChain(&error).to_string()))?;
            }
            Membership::Fixed(_, partitions) => {
                self.consumer().assign(partitions.iter().map(|it| layout.place(*it)));
            }
        }
        Ok(())
    }

    async fn fates(&mut self, sequences: &[Option<Sequence>]) -> Vec<Fate> {
        let producer = self.producer();
        producer.flush().await;
        let mut known = BTreeMap::new();
        while let Some(ack) = producer.try_ack() {
            for sequence in ack.first..=ack.last {
                let fate = match &ack.result {
                    Ok(delivery) if delivery.base_offset < 0 => Fate::Written,
                    Ok(delivery) => Fate::At(Offset(delivery.base_offset + (sequence - ack.first) as i64)),
                    Err(_) => Fate::Unknown,
                };
                known.insert(sequence, fate);
            }
        }
        let fate = |sequence: &Option<Sequence>| match sequence {
            None => Fate::Refused,
            Some(sequence) => known.get(sequence).copied().unwrap_or(Fate::Unknown),
        };
        sequences.iter().map(fate).collect()
    }

    async fn poll(&mut self) -> (Outcome, String) {
        let polled = match self.consumer().poll(WAIT).await {
            Ok(polled) => polled,
            Err(error) => return (Outcome::Failed, ErrorChain(&error).to_string()),
        };
        let mut found = Polled { moved: !polled.events.is_empty(), records: Vec::new() };
        if found.moved {
            self.next.clear();
        }
        for fetched in polled.fetched {
            let partition = self.setup.layout.number(fetched.topic.as_str(), fetched.partition);
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.expect("a whole batch");
                let mut scratch = Vec::new();
                let records = decompress_records(&header, bytes, 1 << 26, &mut scratch).expect("decompresses");
                for record in RecordReader::new(&header, records) {
                    let record = record.expect("a whole record");
                    let offset = header.base_offset + i64::from(record.offset_delta);
                    let value = record.value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
                    if fetched.first_offset <= offset {
                        found.records.push((partition, Offset(offset), Value(value.expect("a number"))));
                    }
                }
            }
            self.next.insert((fetched.topic, fetched.partition), fetched.next_offset);
        }
        (Outcome::Polled(found), String::new())
    }

    pub async fn position(&mut self, partition: Partition) -> Result<i64, String> {
        let (topic, index) = self.setup.layout.place(partition);
        self.consumer().position(&topic, index).await.map_err(|error| ErrorChain(&error).to_string())
    }

    async fn offsets(&mut self) -> Result<(), (Outcome, String)> {
        let offsets: Vec<_> = self
            .next
            .iter()
            .map(|((topic, index), next)| (topic.clone(), *index, OffsetAndMetadata::new(*next)))
            .collect();
        let Some(group) = self.consumer().group_metadata() else {
            return Err((Outcome::Failed, "it is no member of its group".to_owned()));
        };
        let begin = Instant::now();
        loop {
            match self.producer().send_offsets_to_transaction(group.clone(), &offsets).await {
                Err(TransactionError::Timeout { .. }) if begin.elapsed() < LIMIT => {}
                done => return failed(done),
            }
        }
    }

    async fn end(&mut self, commit: bool) -> Result<(), (Outcome, String)> {
        let begin = Instant::now();
        loop {
            let producer = self.producer();
            let done = if commit { producer.commit_transaction().await } else { producer.abort_transaction().await };
            match done {
                Err(TransactionError::Timeout { .. }) if begin.elapsed() < LIMIT => {}
                // Acknowledgements of what was sent with it.
                done => {
                    while producer.try_ack().is_some() {}
                    return failed(done);
                }
            }
        }
    }
}

/// A transaction that can only be aborted was not committed; whatever else has failed may have happened.
fn failed(done: Result<(), TransactionError>) -> Result<(), (Outcome, String)> {
    done.map_err(|error| {
        let certain = error.is_abortable();
        (if certain { Outcome::Failed } else { Outcome::Unknown }, ErrorChain(&error).to_string())
    })
}
