//! `millstream topic`: a small client for topics.

use std::{
    collections::BTreeMap,
    io::{BufRead, Write},
    time::Duration,
};

use millstream_client::{
    Consumer, ConsumerConfig, Producer, ProducerConfig, RecordRef, TryAppendError,
    admin::{ConfigResource, ListedOffset, NewTopic, OffsetSpec},
    config::IsolationLevel,
};
use millstream_record::{Chain, TopicName};
use millstream_wire::batch::{Batches, RecordReader, decompress_records};
use tokio::time::Instant;

use crate::{
    cli::TopicCommand,
    exit::{Failure, USAGE},
    kafka_tools::{cluster, failed},
};

/// How long the cluster is waited for: somebody is sitting in front of it.
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest wait for records before the output is brought up to date.
const POLL: Duration = Duration::from_millis(250);

/// Most bytes that one compressed batch may become.
const MAX_BATCH_BYTES: usize = 256 << 20;

/// Runs one of the commands.
pub async fn run(command: TopicCommand) -> Result<(), Failure> {
    match command {
        TopicCommand::List { connection, internal } => {
            let topics = connection.admin(PATIENCE).await?.list_topics(internal).await.map_err(failed)?;
            topics.iter().for_each(|topic| println!("{topic}"));
            Ok(())
        }
        TopicCommand::Create { connection, topic, partitions, replication_factor, configs } => {
            let mut new = NewTopic::new(name(&topic)?);
            (new.partitions, new.replication_factor) = (partitions, replication_factor);
            for config in configs {
                let (key, value) = config
                    .split_once('=')
                    .ok_or_else(|| Failure::new(USAGE, format!("--config {config}: write it as KEY=VALUE")))?;
                new.configs.insert(key.to_owned(), value.to_owned());
            }
            let results = connection.admin(PATIENCE).await?.create_topics(&[new], false).await.map_err(failed)?;
            for (name, result) in results {
                result.map_err(|refused| Failure::new(USAGE, format!("create topic {name}: {}", Chain(&refused))))?;
                println!("Created topic {name}.");
            }
            Ok(())
        }
        TopicCommand::Describe { connection, topics } => describe(&connection.admin(PATIENCE).await?, &topics).await,
        TopicCommand::Produce { connection, topic, key_separator, partition } => {
            let patience = PATIENCE.as_millis().to_string();
            let own = [("client.id", "millstream-topic-produce"), ("max.block.ms", &patience)];
            let config = connection.settings(&own)?;
            let config = ProducerConfig::from_properties(&config).map_err(failed)?;
            let producer = Producer::new(&cluster(&config.bootstrap, config.connection.clone()).await?, config);
            produce(producer, &name(&topic)?, key_separator.as_deref(), partition).await
        }
        TopicCommand::Consume { connection, topic, from_beginning, max_messages, timeout_ms, key_separator } => {
            let timeout = timeout_ms.map(Duration::from_millis);
            let started = Instant::now();
            let reset = if from_beginning { "earliest" } else { "latest" };
            let own = [
                ("auto.offset.reset", reset),
                ("client.id", "millstream-topic-consume"),
                ("default.api.timeout.ms", "15000"),
            ];
            let config = ConsumerConfig::from_properties(&connection.settings(&own)?).map_err(failed)?;
            // Reaching the cluster is part of the time that may pass without a record.
            let patience = timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
            let admin = connection.admin(patience).await?;
            let topic = name(&topic)?;
            let described = admin.describe_topics(std::slice::from_ref(&topic)).await.map_err(failed)?;
            let mut partitions = 0;
            for (name, result) in described {
                let topic = result
                    .map_err(|refused| Failure::new(USAGE, format!("consume topic {name}: {}", Chain(&refused))))?;
                partitions = topic.topic.partitions.len();
            }
            let mut consumer = Consumer::new(&cluster(&config.bootstrap, config.connection.clone()).await?, config);
            consumer.assign((0..partitions as i32).map(|partition| (topic.clone(), partition)));
            consume(consumer, max_messages, timeout.map(|timeout| (started, timeout)), key_separator.as_deref()).await
        }
    }
}

fn name(text: &str) -> Result<TopicName, Failure> {
    TopicName::parse(text).map_err(|error| Failure::new(USAGE, format!("topic {text:?}: {error}")))
}

async fn describe(admin: &millstream_client::Admin, topics: &[String]) -> Result<(), Failure> {
    let names = topics.iter().map(|topic| name(topic)).collect::<Result<Vec<_>, _>>()?;
    for (name, result) in admin.describe_topics(&names).await.map_err(failed)? {
        let topic =
            result.map_err(|refused| Failure::new(USAGE, format!("describe topic {name}: {}", Chain(&refused))))?;
        println!("Topic: {name}\tPartitionCount: {}", topic.topic.partitions.len());
        let entries = admin.describe_configs(&ConfigResource::Topic(name.clone())).await.map_err(failed)?;
        let entries =
            entries.map_err(|refused| Failure::new(USAGE, format!("describe topic {name}: {}", Chain(&refused))))?;
        for entry in entries.iter().filter(|entry| !entry.is_default) {
            println!("\t{}={}", entry.name, entry.value.as_deref().unwrap_or("(hidden)"));
        }
        let partitions: Vec<i32> = (0..topic.topic.partitions.len() as i32).collect();
        let ask =
            |spec: OffsetSpec| partitions.iter().map(|&partition| (name.clone(), partition, spec)).collect::<Vec<_>>();
        let isolation = IsolationLevel::ReadUncommitted;
        let first = admin.list_offsets(&ask(OffsetSpec::Earliest), isolation).await.map_err(failed)?;
        let last = admin.list_offsets(&ask(OffsetSpec::Latest), isolation).await.map_err(failed)?;
        let offset = |listed: &BTreeMap<(TopicName, i32), ListedOffset>, at: i32| {
            let listed = listed.get(&(name.clone(), at));
            listed.and_then(|listed| listed.offset).map_or("?".to_owned(), |offset| offset.to_string())
        };
        for (number, partition) in topic.topic.partitions.iter().enumerate() {
            let leader = partition.leader.map_or("none".to_owned(), |leader| leader.to_string());
            let (first, last) = (offset(&first, number as i32), offset(&last, number as i32));
            println!("\tPartition: {number}\tLeader: {leader}\tOffsets: {first} to {last}");
        }
    }
    Ok(())
}

async fn produce(
    mut producer: Producer,
    topic: &TopicName,
    separator: Option<&str>,
    partition: Option<i32>,
) -> Result<(), Failure> {
    // Lines are read on a thread of their own; the short queue keeps a fast pipe from filling memory.
    let (sender, mut lines) = tokio::sync::mpsc::channel::<std::io::Result<Vec<u8>>>(64);
    let reader = tokio::task::spawn_blocking(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            match input.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    if sender.blocking_send(Ok(line)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // The receiver is gone only when the command has ended already.
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            }
        }
    });
    producer.partitions(topic).await.map_err(failed)?;
    while let Some(line) = lines.recv().await {
        let line = line.map_err(|error| Failure::new(USAGE, format!("read standard input: {error}")))?;
        let (key, value) = match separator.and_then(|separator| split(&line, separator.as_bytes())) {
            Some((key, value)) => (Some(key), value),
            None => (None, &line[..]),
        };
        let record = RecordRef { timestamp_ms: None, key, value: Some(value), headers: &[] };
        loop {
            match producer.try_append(topic, partition, record) {
                Ok(_) => break,
                Err(TryAppendError::Full) => producer.ready().await,
                Err(TryAppendError::UnknownTopic) => producer.partitions(topic).await.map(|_| ()).map_err(failed)?,
                Err(TryAppendError::Failed(error)) => return Err(failed(error)),
            }
            check_acks(&mut producer)?;
        }
    }
    reader.await.map_err(failed)?;
    producer.flush().await;
    check_acks(&mut producer)?;
    for ack in producer.close(Duration::from_secs(30)).await {
        ack.result.map_err(failed)?;
    }
    Ok(())
}

fn check_acks(producer: &mut Producer) -> Result<(), Failure> {
    while let Some(ack) = producer.try_ack() {
        ack.result.map_err(failed)?;
    }
    Ok(())
}

fn split<'l>(line: &'l [u8], separator: &[u8]) -> Option<(&'l [u8], &'l [u8])> {
    let at = line.windows(separator.len().max(1)).position(|window| window == separator)?;
    Some((&line[..at], &line[at + separator.len()..]))
}

async fn consume(
    mut consumer: Consumer,
    most: Option<u64>,
    timeout: Option<(Instant, Duration)>,
    separator: Option<&str>,
) -> Result<(), Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let mut seen = 0;
    let mut scratch = Vec::new();
    let mut idle_until = timeout.map(|(started, timeout)| started + timeout);
    'polling: while most.is_none_or(|most| seen < most) {
        let left = idle_until.map(|until| until.saturating_duration_since(Instant::now()));
        let polled = consumer.poll(left.unwrap_or(POLL).min(POLL)).await.map_err(failed)?;
        if !polled.fetched.is_empty() {
            idle_until = timeout.map(|(_, timeout)| Instant::now() + timeout);
        }
        for fetched in &polled.fetched {
            let (topic, partition) = (&fetched.topic, fetched.partition);
            for batch in Batches::new(&fetched.records) {
                let (header, bytes) = batch.map_err(failed)?;
                let damaged = |error: &(dyn std::error::Error + 'static)| {
                    let offset = header.base_offset;
                    Failure::new(
                        USAGE,
                        format!("read the batch of {topic}-{partition} at offset {offset}: {}", Chain(error)),
                    )
                };
                let records = decompress_records(&header, bytes, MAX_BATCH_BYTES, &mut scratch);
                let records = records.map_err(|error| damaged(&error))?;
                for record in RecordReader::new(&header, records) {
                    let record = record.map_err(|error| damaged(&error))?;
                    if header.base_offset + i64::from(record.offset_delta) < fetched.first_offset {
                        continue;
                    }
                    if let Some(separator) = separator {
                        out.write_all(record.key.unwrap_or(b"null"))
                            .and_then(|()| out.write_all(separator.as_bytes()))
                            .map_err(failed)?;
                    }
                    out.write_all(record.value.unwrap_or(b"null"))
                        .and_then(|()| out.write_all(b"\n"))
                        .map_err(failed)?;
                    seen += 1;
                    if most.is_some_and(|most| most <= seen) {
                        break 'polling;
                    }
                }
            }
        }
        out.flush().map_err(failed)?;
        if idle_until.is_some_and(|until| until <= Instant::now()) {
            break;
        }
    }
    out.flush().map_err(failed)?;
    eprintln!("Processed a total of {seen} messages");
    Ok(())
}
