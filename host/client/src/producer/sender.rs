//! The task behind a producer: carries out what the accumulator plans.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use millstream_metrics::ProducerRecords;
use millstream_wire::protocol::messages::{
    InitProducerIdRequest, ProduceRequest, ProduceResponse, ProducerId,
    produce_request::{PartitionProduceData, TopicProduceData},
    produce_response::PartitionProduceResponse,
};
use tokio::time::Instant;

use super::{
    Shared,
    accumulator::{Accumulator, BatchKey, Capacity, Lent, Plan},
    error::SendError,
    partition::Answer,
    record_batch::encode,
    transaction::{Coordinators, Standing, StepAnswer, StepResult, Transaction, TransactionVersion},
};
use crate::{
    cluster::{Link, RequestError, TopicsWanted, wire_name, wire_transactional_id},
    config::{Acks, ProducerConfig},
    connection::{CallError, Connection},
    kafka_error::ErrorCode,
    metadata::Metadata,
    waiting::{AGAIN, MOMENT},
};

/// Newest version of Produce in the first generation of transactions.
const PRODUCE_V1: i16 = 11;

/// A batch on the wire.
#[derive(Clone, Debug)]
struct Sent {
    key: BatchKey,
    topic: millstream_record::TopicName,
}

/// Something the sender waited for.
enum Event {
    Produced { node: i32, sent: Vec<Sent>, result: Result<Option<ProduceResponse>, CallError> },
    Connected { node: i32, result: Result<Connection, RequestError> },
    Metadata(Result<Arc<Metadata>, RequestError>),
    Identity(Result<(i64, i16), RequestError>),
    Coordinator(StepResult),
}

/// A broker that batches go to.
#[derive(Default)]
struct Node {
    connection: Option<Connection>,
    connecting: bool,
    in_flight: usize,
}

pub(super) struct Sender {
    shared: Arc<Shared>,
    link: Link,
    config: ProducerConfig,
    nodes: HashMap<i32, Node>,
    pending: FuturesUnordered<BoxFuture<'static, Event>>,
    asking_metadata: bool,
    asking_identity: bool,
    /// Failed attempts in a row, for the delay before the next.
    metadata_failures: u32,
    identity_failures: u32,
    last_metadata: Instant,
    /// Number of the last news of topics that the accumulator has heard.
    heard: u64,
    coordinators: Coordinators,
    /// When it was last told what is waited for.
    told: Option<Instant>,
    counts: Arc<ProducerRecords>,
}

/// Fails what is left if the task ends in any way but an orderly one, so that nobody waits for ever.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        let mut accumulator = self.0.lock();
        accumulator.closed = true;
        accumulator.fail_all(&SendError::Closed);
        self.0.handle.notify_one();
    }
}

impl Sender {
    pub(super) fn new(shared: Arc<Shared>, link: Link, config: ProducerConfig, counts: Arc<ProducerRecords>) -> Self {
        Self {
            shared,
            heard: 0,
            link,
            config,
            nodes: HashMap::new(),
            pending: FuturesUnordered::new(),
            asking_metadata: false,
            asking_identity: false,
            metadata_failures: 0,
            identity_failures: 0,
            last_metadata: Instant::now(),
            coordinators: Coordinators::default(),
            told: None,
            counts,
        }
    }

    /// Runs until the producer aborts it, or is closed.
    pub(super) async fn run(mut self) {
        let _guard = Guard(Arc::clone(&self.shared));
        let (shared, session) = (Arc::clone(&self.shared), self.config.session.clone());
        loop {
            let now = Instant::now();
            let may_send = self.config.session.is_open();
            let Some(mut plan) = self.plan(now, may_send) else { return };
            let mut wake = plan.wake;
            wake = wake.into_iter().chain(plan.oldest.map(|oldest| self.tell_delay(oldest, now))).min();
            self.prepare(&mut plan, now);
            let idle = plan.requests.is_empty();
            for (node, batches) in plan.requests {
                self.dispatch(node, batches).await;
            }
            if !idle {
                // A batch that could not be encoded has ended; the rest is in flight.
                self.shared.handle.notify_one();
            }
            let refresh_at = self.last_metadata.checked_add(self.config.connection.metadata_max_age);
            wake = wake.into_iter().chain(refresh_at.filter(|_| !self.asking_metadata)).min();
            tokio::select! {
                Some(event) = self.pending.next(), if !self.pending.is_empty() => self.handle(event),
                () = shared.sender.notified() => {}
                () = session.opened(), if !may_send => {}
                () = sleep_until(wake), if wake.is_some() => {}
            }
        }
    }

    /// Tells in the log when the oldest batch has waited for long. Returns when to look again.
    fn tell_delay(&mut self, oldest: Instant, now: Instant) -> Instant {
        let due = self.told.map_or(oldest + MOMENT, |told| (oldest + MOMENT).max(told + AGAIN));
        if now < due {
            return due;
        }
        self.told = Some(now);
        let metadata = self.link.cluster.metadata();
        let waiting = self.shared.lock().oldest(now, &metadata);
        if let Some(waiting) = waiting {
            tracing::warn!(client = %self.config.connection.client_id, "{waiting}");
        }
        now + AGAIN
    }

    /// What can be done now; `None` once the producer is closed.
    fn plan(&mut self, now: Instant, may_send: bool) -> Option<Plan> {
        let metadata = self.link.cluster.metadata();
        let mut accumulator = self.shared.lock();
        if accumulator.closed {
            return None;
        }
        for topic in metadata.news_since(self.heard) {
            accumulator.learn_again(topic, &metadata);
        }
        self.heard = metadata.newest();
        let most = self.config.connection.max_in_flight;
        let nodes = &self.nodes;
        let is_busy = |accumulator: &Accumulator| {
            accumulator.transaction.as_ref().is_some_and(|transaction| transaction.standing() == Standing::Busy)
        };
        let was_busy = is_busy(&accumulator);
        let plan = accumulator.plan(now, &metadata, |id| match nodes.get(&id) {
            _ if !may_send => Capacity::Requests(0),
            Some(Node { connection: Some(connection), in_flight, .. }) if connection.is_open() => {
                Capacity::Requests(most.saturating_sub(*in_flight))
            }
            _ => Capacity::NotConnected,
        });
        // A transaction in which nothing was written ends without an answer that its owner could wait for.
        if accumulator.has_ack() || was_busy && !is_busy(&accumulator) {
            self.shared.handle.notify_one();
        }
        Some(plan)
    }

    /// Starts what has to be there before more can be sent.
    fn prepare(&mut self, plan: &mut Plan, now: Instant) {
        for id in &plan.connect {
            let node = self.nodes.entry(*id).or_default();
            if !node.connecting {
                node.connecting = true;
                let (link, id) = (self.link.clone(), *id);
                self.pending.push(async move { Event::Connected { node: id, result: link.to(id).await } }.boxed());
            }
        }
        if let Some((step, names)) = plan.step.take() {
            let id = self.config.transactional_id.clone().unwrap_or_default();
            let work = self.coordinators.work(self.link.clone(), id, self.config.transaction_timeout, step, names);
            self.pending.push(async move { Event::Coordinator(work.run().await) }.boxed());
        }
        let stale = std::mem::take(&mut self.shared.lock().metadata_stale);
        let old = self.config.connection.metadata_max_age <= now.duration_since(self.last_metadata);
        if (stale || plan.wants_metadata || old) && !self.asking_metadata {
            self.ask_metadata();
        }
        if plan.wants_identity && !self.asking_identity {
            self.asking_identity = true;
            let link = self.link.clone();
            let delay = self.delay(self.identity_failures);
            let asked = async move {
                tokio::time::sleep(delay).await;
                Event::Identity(init_producer_id(&link).await)
            };
            self.pending.push(asked.boxed());
        }
    }

    fn ask_metadata(&mut self) {
        self.asking_metadata = true;
        let topics = self.shared.lock().topic_names();
        let cluster = self.link.cluster.clone();
        // The first answer to a change may come at once; after that the cluster needs time to settle.
        let delay = self.delay(self.metadata_failures);
        let asked = async move {
            tokio::time::sleep(delay).await;
            Event::Metadata(cluster.refresh(TopicsWanted::Named(&topics), false).await)
        };
        self.pending.push(asked.boxed());
    }

    fn delay(&self, failures: u32) -> std::time::Duration {
        match failures.checked_sub(1) {
            None => std::time::Duration::ZERO,
            Some(attempt) => self.config.connection.retry_delay(attempt),
        }
    }

    async fn dispatch(&mut self, node: i32, batches: Vec<Lent>) {
        let mut topics: BTreeMap<usize, TopicProduceData> = BTreeMap::new();
        let mut sent = Vec::with_capacity(batches.len());
        let mut records_of_request = 0;
        let now = Instant::now();
        let (encoding, version) = {
            let accumulator = self.shared.lock();
            let version = accumulator.transaction.as_ref().map(Transaction::version);
            (accumulator.limits.encoding, version)
        };
        for Lent { key, topic, stamp, content, records, created, attempts } in batches {
            let encoded = encode(content, stamp, encoding);
            let bytes = encoded.as_ref().ok().map(|(bytes, _)| bytes.clone());
            self.shared.lock().encoded(key, stamp, encoded);
            let Some(bytes) = bytes else { continue };
            records_of_request += records;
            self.counts.batch_bytes.record(bytes.len() as u64);
            if attempts <= 1 {
                self.counts.queue_time.record_time(now - created);
            } else {
                self.counts.repeated.add(records);
            }
            let data = PartitionProduceData::default().with_index(key.partition as i32).with_records(Some(bytes));
            let request =
                topics.entry(key.topic).or_insert_with(|| TopicProduceData::default().with_name(wire_name(&topic)));
            request.partition_data.push(data);
            sent.push(Sent { key, topic });
        }
        if sent.is_empty() {
            return;
        }
        self.counts.sent.add(records_of_request);
        self.counts.records_of_request.record(records_of_request);
        let timeout = self.config.connection.request_timeout;
        let request = ProduceRequest::default()
            .with_transactional_id(self.config.transactional_id.as_deref().map(wire_transactional_id))
            .with_acks(self.config.acks.number())
            .with_timeout_ms(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(topics.into_values().collect());
        let entry = self.nodes.entry(node).or_default();
        let Some(connection) = entry.connection.clone() else { return };
        entry.in_flight += 1;
        let answered = self.config.acks != Acks::None;
        // The connection has room for as many requests as may be in flight, so this does not wait for answers.
        let queued = if answered {
            // A newer one takes partitions into the transaction, for which the coordinator is asked in the older way.
            let newest = if version == Some(TransactionVersion::V1) { PRODUCE_V1 } else { i16::MAX };
            connection.send_up_to(&request, timeout, newest).await
        } else {
            connection.send_unanswered(&request).await
        };
        drop(request);
        let produced = async move {
            let result = match queued {
                Ok(pending) if answered => pending.decode::<ProduceRequest>().await.map(Some),
                Ok(pending) => pending.written().await.map(|()| None),
                Err(error) => Err(error),
            };
            Event::Produced { node, sent, result }
        };
        self.pending.push(produced.boxed());
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Produced { node, sent, result } => {
                if let Some(node) = self.nodes.get_mut(&node) {
                    node.in_flight -= 1;
                }
                self.take_answers(sent, result);
            }
            Event::Connected { node: id, result } => {
                let node = self.nodes.entry(id).or_default();
                node.connecting = false;
                match result {
                    Ok(connection) => node.connection = Some(connection),
                    Err(error) => {
                        // Its partitions may have moved elsewhere; what waits fails when its time is up.
                        tracing::debug!(node = id, error = %millstream_record::ErrorChain(&error), "broker not reached");
                        self.shared.lock().metadata_stale = true;
                        self.metadata_failures = self.metadata_failures.max(1);
                    }
                }
            }
            Event::Metadata(result) => {
                self.asking_metadata = false;
                self.last_metadata = Instant::now();
                match result {
                    // Asking again at once would not help if leaders are still missing.
                    Ok(_) => self.metadata_failures = 1,
                    Err(error) => {
                        self.metadata_failures = self.metadata_failures.saturating_add(1);
                        tracing::debug!(error = %millstream_record::ErrorChain(&error), "metadata not refreshed");
                    }
                }
            }
            Event::Coordinator(result) => {
                self.coordinators.learn(&result);
                let StepResult { step, answer, abilities, .. } = result;
                if let StepAnswer::NotSent(error) | StepAnswer::Lost(error) = &answer {
                    tracing::debug!(error = %millstream_record::ErrorChain(error), ?step, "no answer of a coordinator");
                }
                self.shared.lock().step_answered(step, answer, abilities, Instant::now());
            }
            Event::Identity(result) => {
                self.asking_identity = false;
                match result {
                    Ok(identity) => {
                        self.identity_failures = 0;
                        self.shared.lock().identity = Some(identity);
                    }
                    Err(error) if error.is_retriable() => {
                        self.identity_failures = self.identity_failures.saturating_add(1);
                        tracing::debug!(error = %millstream_record::ErrorChain(&error), "no producer id yet");
                    }
                    Err(error) => self.shared.lock().fail_waiting_for_identity(&error),
                }
            }
        }
        self.shared.handle.notify_one();
    }

    fn take_answers(&mut self, sent: Vec<Sent>, result: Result<Option<ProduceResponse>, CallError>) {
        let now = Instant::now();
        let mut accumulator = self.shared.lock();
        match result {
            Ok(None) => {
                for Sent { key, .. } in sent {
                    accumulator.answered(key, Answer::Written { base_offset: -1 }, || SendError::Closed, now);
                }
            }
            Ok(Some(response)) => {
                let mut answers: HashMap<(&str, i32), &PartitionProduceResponse> = HashMap::new();
                for topic in &response.responses {
                    for partition in &topic.partition_responses {
                        answers.insert((topic.name.as_str(), partition.index), partition);
                    }
                }
                for Sent { key, topic } in sent {
                    let partition = key.partition as i32;
                    let answer = answers.get(&(topic.as_str(), partition)).copied();
                    // A partition left out of the answer is like an unexplained error.
                    let code = ErrorCode::check(answer.map_or(-1, |answer| answer.error_code));
                    let base_offset = answer.map_or(-1, |answer| answer.base_offset);
                    let log_start_offset = answer.map_or(-1, |answer| answer.log_start_offset);
                    match code {
                        Ok(()) => {
                            accumulator.answered(key, Answer::Written { base_offset }, || SendError::Closed, now);
                        }
                        Err(code) => {
                            let refused = || SendError::Refused {
                                topic: topic.clone(),
                                partition,
                                detail: answer.and_then(describe),
                                source: code,
                            };
                            let answer = Answer::Refused { code, log_start_offset };
                            if accumulator.answered(key, answer, refused, now) {
                                tracing::warn!(
                                    client = %self.config.connection.client_id, %topic, partition, answer = %code,
                                    "the broker no longer knows what this producer wrote before (its records or its \
                                     state were lost, deleted or have expired there); writing goes on in a new epoch"
                                );
                            }
                        }
                    }
                }
            }
            Err(error) => {
                for Sent { key, topic } in sent {
                    let partition = key.partition as i32;
                    let lost = Answer::Lost { retriable: error.is_retriable() };
                    let failed = || SendError::Request { topic, partition, source: error.clone().into() };
                    accumulator.answered(key, lost, failed, now);
                }
            }
        }
    }
}

/// What the broker says in words, with the records it means.
fn describe(answer: &PartitionProduceResponse) -> Option<String> {
    let mut words: Vec<String> = answer.error_message.iter().map(ToString::to_string).collect();
    for record in answer.record_errors.iter().take(3) {
        let message = record.batch_index_error_message.as_ref().map_or("", |message| message.as_str());
        words.push(format!("record {}: {message}", record.batch_index));
    }
    if words.is_empty() { None } else { Some(words.join("; ")) }
}

async fn init_producer_id(link: &Link) -> Result<(i64, i16), RequestError> {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(i32::MAX)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let response = link.any().await?.call(&request).await?;
    match ErrorCode::check(response.error_code) {
        Ok(()) => Ok((response.producer_id.0, response.producer_epoch)),
        Err(source) => Err(RequestError::Refused { attempted: "get a producer id".to_owned(), source }),
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
