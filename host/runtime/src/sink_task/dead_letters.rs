//! The dead-letter queue of a sink task.
//!
//! No offset at or behind an unwritten letter is committed. Nothing here waits inside a call: the task's loop looks with
//! [`DeadLetters::advance`] and awaits [`DeadLetters::progress`] beside everything else it waits for. A letter
//! that cannot be written fails the task; the producer's `max.block.ms` and `delivery.timeout.ms` bound the wait.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use millstream_client::Ack;
use millstream_connector::{Failure, TopicPartition};
use millstream_record::TopicName;
use tokio::time::Instant;

use crate::{
    dead_letters::{About, Context, Letter, LetterQueue},
    kafka::RecordProducer,
    long_wait,
    report::{Original, Report},
    task::TaskControl,
    task_metrics::TaskMetrics,
};

/// Time that letters still have when the task is told to stop, or gives partitions up: enough for a cluster that
/// answers, and too little to hold anybody up. What is not written then is not committed, so it comes again.
pub(super) const PARTING: Duration = Duration::from_secs(1);

/// See the module's documentation.
pub(crate) struct DeadLetters {
    producer: Box<dyn RecordProducer>,
    context: Context,
    queue: LetterQueue<Place>,
    acks: VecDeque<Ack>,
}

/// Where a record was consumed.
struct Place {
    partition: TopicPartition,
    offset: i64,
}

impl DeadLetters {
    pub(crate) fn new(
        producer: Box<dyn RecordProducer>,
        topic: TopicName,
        context: Context,
        metrics: TaskMetrics,
    ) -> Self {
        let queue = LetterQueue::new(topic, context.task.clone(), metrics);
        Self { producer, context, queue, acks: VecDeque::new() }
    }

    /// Takes a record as it was consumed, with the headers that are asked for.
    pub(super) fn report(&mut self, original: &Original<'_>, report: &Report<'_>) {
        let timestamp_ms = (original.timestamp_type != 0 && 0 <= original.timestamp).then_some(original.timestamp);
        let about = About {
            topic: Some(original.topic),
            partition: Some(original.partition),
            offset: Some(original.offset),
            timestamp_ms,
            own: &[],
        };
        let mut headers = original.headers.to_vec();
        let (count, stack_trace) = self.context.write(&mut headers, &about, report);
        self.queue.push(Letter {
            mark: Place {
                partition: TopicPartition { topic: original.topic.to_owned(), partition: original.partition },
                offset: original.offset,
            },
            record: original.coordinates(),
            timestamp_ms,
            key: original.key.map(<[u8]>::to_vec),
            value: original.value.map(<[u8]>::to_vec),
            header_count: original.header_count + count,
            headers,
            stack_trace,
            may_omit: false,
        });
    }

    /// Whether there are enough unwritten letters for now, so that no further records should be consumed.
    pub(super) fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// For each partition with unwritten letters the lowest of their offsets: nothing behind it may be committed.
    pub(super) fn held(&self) -> BTreeMap<TopicPartition, i64> {
        let mut held: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for Place { partition, offset } in self.queue.unwritten() {
            match held.get_mut(partition) {
                Some(lowest) => *lowest = (*offset).min(*lowest),
                None => {
                    held.insert(partition.clone(), *offset);
                }
            }
        }
        held
    }

    /// Forgets what the producer has not taken of partitions that are given up: whoever has them next reports
    /// it again.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.queue.forget(|place| partitions.contains(&place.partition));
    }

    /// Hands the producer what it takes and looks at what has ended.
    ///
    /// # Errors
    ///
    /// A letter cannot be written, now and at every later call.
    pub(super) fn advance(&mut self, control: &TaskControl) -> Result<(), Failure> {
        while let Some(ack) = self.acks.pop_front().or_else(|| self.producer.try_ack()) {
            self.queue.ended(&ack, drop);
        }
        self.queue.hand_over(self.producer.as_mut());
        self.queue.tell(control);
        self.queue.failure().cloned().map_or(Ok(()), Err)
    }

    /// Returns when [`DeadLetters::advance`] has something to do; never while nothing is under way. Dropping the
    /// future loses nothing.
    pub(super) async fn progress(&mut self) {
        if self.queue.failure().is_some() {
            return std::future::pending().await;
        }
        let Self { producer, queue, acks, .. } = self;
        let (blocked, sent, due) = (queue.is_blocked(), queue.has_sent(), queue.due());
        let producer_has_news = async {
            if blocked {
                producer.ready().await;
                None
            } else if sent {
                Some(producer.next_ack().await)
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            biased;
            () = queue.learned() => {}
            ack = producer_has_news => acks.extend(ack),
            () = long_wait::until(due) => {}
        }
    }

    /// Gives letters that are unwritten at most so much time, and one second once the task is to stop.
    pub(super) async fn await_ends(&mut self, most: Duration, control: &TaskControl) {
        let deadline = Instant::now() + most;
        let stop = async {
            control.stopped().await;
            tokio::time::sleep(PARTING).await;
        };
        tokio::pin!(stop);
        while self.advance(control).is_ok() && self.queue.under_way() != 0 {
            tokio::select! {
                biased;
                () = &mut stop => return,
                () = tokio::time::sleep_until(deadline) => return,
                () = self.progress() => {}
            }
        }
    }

    /// Gives up what is left.
    pub(super) async fn close(self) {
        self.queue.give_up();
        self.producer.close(Duration::ZERO).await;
    }
}

/// [`DeadLetters::progress`] of a queue that may not be there.
pub(super) async fn progress(letters: Option<&mut DeadLetters>) {
    match letters {
        Some(letters) => letters.progress().await,
        None => std::future::pending().await,
    }
}
