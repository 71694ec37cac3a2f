//! Fetch sessions over the wire: a client that names its partitions once is told what changes, and only that.

mod support;

use millstream_broker::Broker;
use millstream_wire::{
    error_code::ErrorCode,
    protocol::messages::{
        ApiKey, FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, TopicName,
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
        metadata_request::MetadataRequestTopic,
    },
};
use support::{Client, batch, config, name, with};
use uuid::Uuid;

/// A client in a session of Fetch.
struct Reader {
    client: Client,
    version: i16,
    ids: Vec<(&'static str, Uuid)>,
    session: i32,
    epoch: i32,
}

impl Reader {
    async fn new(broker: &Broker, version: i16, topics: &[&'static str]) -> Self {
        let mut client = Client::new(broker);
        let mut ids = Vec::new();
        for topic in topics {
            client.create(topic).await;
            let wanted = MetadataRequestTopic::default().with_name(Some(name(topic)));
            let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
            let response: MetadataResponse = client.call(ApiKey::Metadata, 12, &request).await;
            ids.push((*topic, response.topics[0].topic_id));
        }
        Self { client, version, ids, session: 0, epoch: 0 }
    }

    fn id(&self, topic: &str) -> Uuid {
        self.ids.iter().find(|(known, _)| *known == topic).unwrap().1
    }

    fn request(&self, asked: &[(&str, i64)], forgotten: &[&str]) -> FetchRequest {
        let by_id = 13 <= self.version;
        let topics = asked.iter().map(|(topic, offset)| {
            let partition = FetchPartition::default().with_fetch_offset(*offset).with_partition_max_bytes(1 << 20);
            let asked = FetchTopic::default().with_partitions(vec![partition]);
            if by_id { asked.with_topic_id(self.id(topic)) } else { asked.with_topic(name(topic)) }
        });
        let forgotten = forgotten.iter().map(|topic| {
            let forgotten = ForgottenTopic::default().with_partitions(vec![0]);
            if by_id { forgotten.with_topic_id(self.id(topic)) } else { forgotten.with_topic(name(topic)) }
        });
        FetchRequest::default()
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_session_id(self.session)
            .with_session_epoch(self.epoch)
            .with_topics(topics.collect())
            .with_forgotten_topics_data(forgotten.collect())
    }

    /// Error code, and each partition of the answer: topic, error code, high watermark, whether there are records.
    async fn fetch(&mut self, asked: &[(&str, i64)], forgotten: &[&str]) -> (i16, Vec<(String, i16, i64, bool)>) {
        let request = self.request(asked, forgotten);
        let response: FetchResponse = self.client.call(ApiKey::Fetch, self.version, &request).await;
        if response.error_code == 0 {
            self.session = response.session_id;
            self.epoch += 1;
        }
        let mut told = Vec::new();
        for topic in response.responses {
            let name = match topic.topic == TopicName::default() {
                true => self.ids.iter().find(|(_, id)| *id == topic.topic_id).unwrap().0.to_owned(),
                false => topic.topic.to_string(),
            };
            for it in topic.partitions {
                let records = it.records.is_some_and(|records| !records.is_empty());
                told.push((name.clone(), it.error_code, it.high_watermark, records));
            }
        }
        told.sort();
        (response.error_code, told)
    }
}

fn told(topic: &str, high_watermark: i64, records: bool) -> (String, i16, i64, bool) {
    (topic.to_owned(), 0, high_watermark, records)
}

#[tokio::test]
async fn a_client_names_its_partitions_once_and_is_told_what_changes() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    for version in [7, 11, 12, 13, 16] {
        let mut reader = Reader::new(&broker, version, &["a", "b"]).await;
        let (a, b) = (end(&broker, "a").await, end(&broker, "b").await);
        let full = reader.fetch(&[("a", a), ("b", b)], &[]).await;
        assert_eq!(full, (0, vec![told("a", a, false), told("b", b, false)]), "{version}");
        assert_ne!(reader.session, 0);
        assert_eq!(reader.fetch(&[], &[]).await, (0, vec![]), "nothing has changed");
        Client::new(&broker).produce("a", -1, batch(&["x"], None)).await;
        assert_eq!(reader.fetch(&[], &[]).await, (0, vec![told("a", a + 1, true)]));
        assert_eq!(reader.fetch(&[("a", a + 1)], &[]).await, (0, vec![]), "it was read");
        assert_eq!(reader.fetch(&[], &["a"]).await, (0, vec![]));
        for topic in ["a", "b"] {
            Client::new(&broker).produce(topic, -1, batch(&["x"], None)).await;
        }
        assert_eq!(reader.fetch(&[], &[]).await, (0, vec![told("b", b + 1, true)]), "the other was forgotten");
        // Lost count.
        reader.epoch -= 1;
        assert_eq!(reader.fetch(&[], &[]).await.0, ErrorCode::INVALID_FETCH_SESSION_EPOCH.get());
        reader.epoch += 1;
        // The other kind of names.
        let wrong = reader.request(&[], &[]);
        let other = if version < 13 { 13 } else { 12 };
        let response: FetchResponse = reader.client.call(ApiKey::Fetch, other, &wrong).await;
        assert_eq!(response.error_code, ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR.get());
        // The end of the session.
        let (session, epoch) = (reader.session, reader.epoch);
        reader.epoch = -1;
        assert_eq!(reader.fetch(&[("a", 0)], &[]).await.1.len(), 1);
        assert_eq!(reader.session, 0, "there is none any more");
        (reader.session, reader.epoch) = (session, epoch);
        assert_eq!(reader.fetch(&[], &[]).await.0, ErrorCode::FETCH_SESSION_ID_NOT_FOUND.get());
    }
    broker.shutdown().await.unwrap();
}

async fn end(broker: &Broker, topic: &str) -> i64 {
    Client::new(broker).fetch(topic, 0, 0).await.1
}

#[tokio::test]
async fn a_parked_fetch_of_a_session_is_woken_by_partitions_that_its_request_does_not_name() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut reader = Reader::new(&broker, 12, &["a", "b"]).await;
    reader.fetch(&[("a", 0), ("b", 0)], &[]).await;
    let parked = reader.request(&[], &[]).with_max_wait_ms(20_000);
    let correlation = reader.client.send(ApiKey::Fetch, 12, &parked).await;
    Client::new(&broker).produce("b", -1, batch(&["x"], None)).await;
    let woken: FetchResponse = reader.client.receive(ApiKey::Fetch, 12, correlation).await;
    assert_eq!(woken.responses.len(), 1);
    assert_eq!(woken.responses[0].topic, name("b"));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_topic_that_is_deleted_is_told_each_time_until_it_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut reader = Reader::new(&broker, 13, &["a", "b"]).await;
    reader.fetch(&[("a", 0), ("b", 0)], &[]).await;
    reader.client.delete("b").await;
    for _ in 0..2 {
        let gone = ("b".to_owned(), ErrorCode::UNKNOWN_TOPIC_ID.get(), -1, false);
        assert_eq!(reader.fetch(&[], &[]).await, (0, vec![gone]));
    }
    assert_eq!(reader.fetch(&[], &["b"]).await, (0, vec![]));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn without_slots_there_are_no_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let none = with(dir.path(), &[("max.incremental.fetch.session.cache.slots", "0")]);
    let broker = Broker::start(none).await.unwrap();
    let mut reader = Reader::new(&broker, 12, &["a"]).await;
    for _ in 0..2 {
        reader.epoch = 0;
        assert_eq!(reader.fetch(&[("a", 0)], &[]).await, (0, vec![told("a", 0, false)]));
        assert_eq!(reader.session, 0);
    }
    broker.shutdown().await.unwrap();
}
