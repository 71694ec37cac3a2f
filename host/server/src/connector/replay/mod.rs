//! `millstream connector replay`: dead letters become records again, each exactly once.
//!
//! Records and the note that their letters are done are written in one transaction, in the name of a group and a
//! transactional id of the connector's: a replay that is killed leaves neither, and one that runs beside it is fenced off.

mod done;
mod letter;
mod letters;
mod source;

use std::time::Duration;

use millstream_client::{GroupMetadata, Producer, ProducerConfig, RecordRef, admin::OffsetAndMetadata};
use millstream_record::TopicName;
use millstream_runtime::ReplayedRecord;
use serde_json::{Value, json};

use self::{
    letter::{FILTERS, Letter},
    letters::Letters,
    source::Pipeline,
};
use super::args::{Form, ReplayArgs};
use crate::{
    exit::{Failure, NOT_FOUND, REFUSED, USAGE},
    kafka_tools::{Connection, PATIENCE, cluster, failed, key_value},
    output::{print, table},
    topic::{encoded, name},
    worker_api::WorkerApi,
};

/// Letters in one transaction.
const MOST: usize = 500;

/// Time for letters under way when a replay ends.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What letters are asked for.
struct Wanted {
    connector: String,
    filters: Vec<(&'static str, String)>,
}

impl Wanted {
    fn of(arguments: &ReplayArgs) -> Result<Self, Failure> {
        let filter = |text: &String| {
            let (what, value) = key_value("--filter", text)?;
            let known = FILTERS.iter().find(|(known, _)| *known == what);
            let (_, header) = known.ok_or_else(|| {
                let known: Vec<&str> = FILTERS.iter().map(|(known, _)| *known).collect();
                Failure::new(USAGE, format!("--filter {text}: letters are chosen by one of {}", known.join(", ")))
            })?;
            Ok((*header, value))
        };
        Ok(Self {
            connector: arguments.name.clone(),
            filters: arguments.filters.iter().map(filter).collect::<Result<_, _>>()?,
        })
    }

    /// Whether a letter is another connector's.
    fn is_foreign(&self, letter: &Letter) -> bool {
        letter.connector().is_some_and(|connector| connector != self.connector)
    }

    fn chooses(&self, letter: &Letter) -> bool {
        self.filters.iter().all(|(header, value)| letter.says(header) == Some(value))
    }
}

/// Makes records of letters.
struct Maker<'a> {
    worker: &'a WorkerApi,
    arguments: &'a ReplayArgs,
    into: Option<TopicName>,
    /// For letters of a source, once there is one.
    pipeline: Option<Pipeline>,
}

impl Maker<'_> {
    /// The records of a letter, or why there are none.
    ///
    /// # Errors
    ///
    /// What makes records of a source's letters cannot be made.
    async fn records(&mut self, letter: &Letter) -> Result<Result<Vec<ReplayedRecord>, String>, Failure> {
        let made = if letter.form().is_some() {
            if self.pipeline.is_none() {
                self.pipeline = Some(Pipeline::of(self.worker, self.arguments).await?);
            }
            let Some(pipeline) = &mut self.pipeline else { return Ok(Ok(Vec::new())) };
            pipeline.records(letter).await
        } else {
            as_it_was(letter).map(|record| vec![record])
        };
        Ok(made.map(|mut records| {
            if let Some(into) = &self.into {
                records.iter_mut().for_each(|record| (record.topic, record.partition) = (into.clone(), None));
            }
            records
        }))
    }
}

/// The record of a sink's letter.
fn as_it_was(letter: &Letter) -> Result<ReplayedRecord, String> {
    let target = letter.target()?;
    let topic = TopicName::parse(&target.topic);
    Ok(ReplayedRecord {
        topic: topic.map_err(|error| format!("its record's topic is {:?}: {error}", target.topic))?,
        partition: target.partition,
        timestamp_ms: letter.timestamp_ms,
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: encoded(&letter.headers),
    })
}

/// Letters with the records that they become.
type Batch = Vec<(Letter, Vec<ReplayedRecord>)>;

/// What was done.
#[derive(Default)]
struct Outcome {
    replayed: Batch,
    unwanted: u64,
    impossible: Vec<(Letter, String)>,
}

pub async fn run(worker: &WorkerApi, arguments: ReplayArgs) -> Result<(), Failure> {
    let wanted = Wanted::of(&arguments)?;
    let topic = topic(worker, &arguments).await?;
    let bootstrap_server = arguments.bootstrap_server.clone();
    let connection = Connection { bootstrap_server, properties: arguments.client_properties.clone() };
    let group = format!("millstream-replay-{}", arguments.name);
    // It ends what a replay before has left open, so that what that has done stands for good.
    let mut producer = match arguments.dry_run {
        true => None,
        false => Some(producer(&connection, &group).await?),
    };
    let admin = connection.admin(PATIENCE).await?;
    let mut letters = Letters::open(&connection, &admin, &topic, &group, (arguments.from, arguments.to)).await?;
    let mut outcome = Outcome::default();
    let mut batch: Batch = Vec::new();
    let into = arguments.into.as_deref().map(name).transpose()?;
    let mut maker = Maker { worker, arguments: &arguments, into, pipeline: None };
    while let Some(read) = letters.next().await? {
        for letter in read {
            if wanted.is_foreign(&letter) {
                continue;
            }
            if !wanted.chooses(&letter) {
                letters.leave(&letter);
                outcome.unwanted += 1;
                continue;
            }
            match maker.records(&letter).await? {
                Ok(records) => batch.push((letter, records)),
                Err(why) => {
                    letters.leave(&letter);
                    outcome.impossible.push((letter, why));
                }
            }
        }
        // A batch is what was read at once, so that what is done is known where it ends.
        if MOST <= batch.len() {
            commit(producer.as_mut(), &group, &mut letters, &mut batch, &mut outcome).await?;
        }
    }
    commit(producer.as_mut(), &group, &mut letters, &mut batch, &mut outcome).await?;
    if let Some(producer) = producer {
        producer.close(CLOSE_TIMEOUT).await;
    }
    report(&arguments, &topic, &outcome)
}

/// The dead-letter topic: what the user says, or the connector's configuration.
async fn topic(worker: &WorkerApi, arguments: &ReplayArgs) -> Result<TopicName, Failure> {
    if let Some(topic) = &arguments.topic {
        return name(topic);
    }
    let connector = &arguments.name;
    let what = format!("read the configuration of connector {connector}");
    let config = worker.get(&what, &["connectors", connector, "config"]).await?;
    match config["errors.deadletterqueue.topic.name"].as_str().map(str::trim).filter(|topic| !topic.is_empty()) {
        Some(topic) => name(topic),
        None => {
            let message = format!(
                "connector {connector} has no dead letter queue (errors.deadletterqueue.topic.name); name the topic with --topic if it had one"
            );
            Err(Failure::new(NOT_FOUND, message))
        }
    }
}

async fn producer(connection: &Connection, transactional_id: &str) -> Result<Producer, Failure> {
    let own = [
        ("transactional.id", transactional_id),
        ("client.id", "millstream-connector-replay"),
        ("max.block.ms", "30000"),
        ("acks", "all"),
    ];
    let config = ProducerConfig::from_properties(&connection.settings(&own)?).map_err(failed)?;
    let mut producer = Producer::new(&cluster(&config.bootstrap, config.connection.clone()).await?, config);
    producer.init_transactions().await.map_err(failed)?;
    Ok(producer)
}

/// Writes records together with the note that their letters are done. Of a dry run only the outcome is kept.
async fn commit(
    producer: Option<&mut Producer>,
    group: &str,
    letters: &mut Letters,
    batch: &mut Batch,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let batch = std::mem::take(batch);
    if let Some(producer) = producer {
        let offsets = letters.offsets()?;
        if batch.is_empty() && offsets.is_empty() {
            return Ok(());
        }
        if let Err(failure) = write(producer, group, &batch, &offsets).await {
            // What it would say is said by the failure already.
            let _ = producer.abort_transaction().await;
            return Err(failure);
        }
        letters.committed();
    }
    outcome.replayed.extend(batch);
    Ok(())
}

async fn write(
    producer: &mut Producer,
    group: &str,
    batch: &[(Letter, Vec<ReplayedRecord>)],
    offsets: &[(TopicName, i32, OffsetAndMetadata)],
) -> Result<(), Failure> {
    producer.begin_transaction().map_err(failed)?;
    for (letter, records) in batch {
        for ReplayedRecord { topic, partition, timestamp_ms, key, value, headers } in records {
            let record =
                RecordRef { timestamp_ms: *timestamp_ms, key: key.as_deref(), value: value.as_deref(), headers };
            producer.append(topic, *partition, record).await.map_err(|error| {
                let Failure { code, message } = failed(error);
                Failure::new(code, format!("replay the letter at {}-{}: {message}", letter.partition, letter.offset))
            })?;
            while producer.try_ack().is_some() {}
        }
    }
    producer.send_offsets_to_transaction(GroupMetadata::of_nobody(group), offsets).await.map_err(failed)?;
    producer.commit_transaction().await.map_err(failed)?;
    while producer.try_ack().is_some() {}
    Ok(())
}

fn report(arguments: &ReplayArgs, topic: &TopicName, outcome: &Outcome) -> Result<(), Failure> {
    let Outcome { replayed, unwanted, impossible } = outcome;
    let into = |records: &[ReplayedRecord]| {
        let place = |record: &ReplayedRecord| match record.partition {
            Some(partition) => format!("{}-{partition}", record.topic),
            None => record.topic.to_string(),
        };
        match records {
            [] => "nothing: it is filtered".to_owned(),
            records => records.iter().map(place).collect::<Vec<_>>().join(", "),
        }
    };
    if arguments.output == Form::Text {
        let place = |letter: &Letter| format!("{}-{}", letter.partition, letter.offset);
        let said = |letter: &Letter, header| letter.says(header).unwrap_or_default().to_owned();
        let mut text = String::new();
        if arguments.dry_run && !replayed.is_empty() {
            let rows: Vec<Vec<String>> = replayed
                .iter()
                .map(|(letter, records)| {
                    let why = said(letter, "__connect.errors.exception.message");
                    let why = why.lines().next().unwrap_or_default().to_owned();
                    vec![place(letter), said(letter, "__connect.errors.stage"), letter.record(), into(records), why]
                })
                .collect();
            text.push_str(&table(&["LETTER", "STAGE", "RECORD", "INTO", "WHY"], &rows));
        }
        for (letter, why) in impossible {
            text.push_str(&format!("The letter at {} cannot be replayed: {why}.\n", place(letter)));
        }
        let done = if arguments.dry_run { "Would replay" } else { "Replayed" };
        let left = if *unwanted == 0 { String::new() } else { format!("; {unwanted} left out by --filter") };
        text.push_str(&format!(
            "{done} {} letter(s) of connector {} from {topic}{left}.\n",
            replayed.len(),
            arguments.name
        ));
        print(&text)?;
    } else {
        let shown: Vec<Value> = replayed
            .iter()
            .map(|(letter, records)| {
                let mut shown = letter.to_json();
                let into =
                    records.iter().map(|record| json!({"topic": record.topic.as_str(), "partition": record.partition}));
                shown["into"] = into.collect();
                shown
            })
            .collect();
        let impossible: Vec<Value> = impossible
            .iter()
            .map(|(letter, why)| {
                let mut shown = letter.to_json();
                shown["why"] = json!(why);
                shown
            })
            .collect();
        let answer = json!({"topic": topic.as_str(), "dry_run": arguments.dry_run, "replayed": shown, "left_out": unwanted, "impossible": impossible});
        super::print_form(&answer, arguments.output)?;
    }
    match impossible.len() {
        0 => Ok(()),
        count => Err(Failure::new(REFUSED, format!("{count} letter(s) cannot be replayed"))),
    }
}
