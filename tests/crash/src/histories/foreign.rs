//! A foreign client in a process of its own: librdkafka's by `tests/compat/peer.py`, or Java's by `tests/compat/Peer.java`.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Stdio},
    time::Duration,
};

use checker::{Action, Fate, Isolation, Offset, Outcome, Partition, Polled, Value};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;

use super::hands::{Membership, Setup};

/// Whose client it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// confluent-kafka's for Python.
    Librdkafka,
    /// Apache Kafka's own.
    Java,
}

/// How long an answer is waited for, frozen brokers and clients included. librdkafka can wait for ever for the
/// coordinator of a group (its issue 5456); it is killed then.
const LIMIT: Duration = Duration::from_secs(35);

/// One life of it. The process ends when this is dropped.
pub struct Foreign {
    setup: Setup,
    child: Child,
    input: ChildStdin,
    answers: mpsc::Receiver<String>,
    /// Where the last poll left each partition.
    next: Vec<(Partition, i64)>,
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Foreign {
    pub fn start(setup: Setup, peer: Peer) -> Self {
        let mut command = match peer {
            Peer::Librdkafka => harness::peers::peer(&setup.address),
            Peer::Java => harness::peers::java_program("Peer.java", &[&setup.address]),
        };
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the script can be started");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (tell, answers) = mpsc::channel(1);
        // Ends with the process, or when nobody asks any more.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if tell.blocking_send(line).is_err() {
                    break;
                }
            }
        });
        Self { setup, child, input, answers, next: Vec::new() }
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    async fn ask(&mut self, request: Json) -> Option<Json> {
        // A process that was killed neither reads nor answers.
        self.input.write_all(format!("{request}\n").as_bytes()).ok()?;
        let Ok(answer) = tokio::time::timeout(LIMIT, self.answers.recv()).await else {
            // It may have ended at this moment.
            let _ = self.child.kill();
            return None;
        };
        let answer = answer?;
        serde_json::from_str(&answer).ok()
    }

    pub async fn perform(&mut self, action: &Action) -> (Outcome, String) {
        let request = self.request(action);
        let Some(answer) = self.ask(request).await else {
            return (Outcome::Unknown, "the process has ended".to_owned());
        };
        if let Some(reason) = answer["failed"].as_str() {
            return (Outcome::Failed, reason.to_owned());
        }
        if let Some(reason) = answer["unknown"].as_str() {
            return (Outcome::Unknown, reason.to_owned());
        }
        let outcome = match action {
            Action::Send(_) => Outcome::Sent(fates(&answer)),
            Action::Poll => Outcome::Polled(self.polled(&answer)),
            _ => Outcome::Done,
        };
        (outcome, String::new())
    }

    fn request(&mut self, action: &Action) -> Json {
        let setup = &self.setup;
        let places = |partitions: &[Partition]| {
            let places = partitions.iter().map(|it| setup.layout.place(*it));
            places.map(|(topic, index)| json!([topic.as_str(), index])).collect::<Vec<_>>()
        };
        match action {
            Action::Open(isolation) => json!({
                "do": "open",
                "isolation": match isolation {
                    Isolation::Committed => "read_committed",
                    Isolation::Uncommitted => "read_uncommitted",
                },
                "group": setup.group(),
                "consumer_protocol": setup.consumer_protocol,
                "transactional_id": setup.transactional_id,
                "transaction_timeout_ms": setup.transaction_timeout_ms,
                "delivery_timeout_ms": setup.delivery_timeout_ms,
            }),
            Action::Assign(partitions) => json!({"do": "assign", "partitions": places(partitions)}),
            Action::Subscribe => match &setup.membership {
                Membership::Member(_, partitions) => {
                    let mut topics: Vec<_> =
                        partitions.iter().map(|it| setup.layout.place(*it).0.as_str().to_owned()).collect();
                    topics.dedup();
                    json!({"do": "subscribe", "topics": topics, "partitions": []})
                }
                Membership::Fixed(_, partitions) => {
                    json!({"do": "subscribe", "topics": [], "partitions": places(partitions)})
                }
                Membership::None => json!({"do": "subscribe", "topics": [], "partitions": []}),
            },
            Action::Begin => json!({"do": "begin"}),
            Action::Send(messages) => {
                let records = messages.iter().map(|message| {
                    let (topic, index) = setup.layout.place(message.partition);
                    json!([topic.as_str(), index, message.value.0.to_string()])
                });
                json!({"do": "send", "records": records.collect::<Vec<_>>()})
            }
            Action::Poll => json!({"do": "poll", "max": 50, "wait_ms": 150}),
            Action::Offsets => {
                let offsets = self.next.drain(..).map(|(partition, next)| {
                    let (topic, index) = setup.layout.place(partition);
                    json!([topic.as_str(), index, next])
                });
                json!({"do": "offsets", "offsets": offsets.collect::<Vec<_>>()})
            }
            Action::Commit => json!({"do": "commit"}),
            Action::Abort => json!({"do": "abort"}),
            Action::Close => json!({"do": "close"}),
        }
    }

    fn polled(&mut self, answer: &Json) -> Polled {
        let mut polled = Polled { moved: answer["moved"] == true, records: Vec::new() };
        self.next.clear();
        for record in answer["records"].as_array().into_iter().flatten() {
            let partition = self
                .setup
                .layout
                .number(record[0].as_str().expect("a topic"), record[1].as_i64().expect("a partition") as i32);
            let offset = record[2].as_i64().expect("an offset");
            let value = record[3].as_str().and_then(|text| text.parse().ok()).expect("a number");
            polled.records.push((partition, Offset(offset), Value(value)));
            self.next.retain(|(known, _)| *known != partition);
            self.next.push((partition, offset + 1));
        }
        polled
    }
}

fn fates(answer: &Json) -> Vec<Fate> {
    let fates = answer["fates"].as_array().into_iter().flatten();
    let fate = |fate: &Json| match (fate.as_i64(), fate.as_str()) {
        (Some(offset), _) => Fate::At(Offset(offset)),
        (_, Some("written")) => Fate::Written,
        (_, Some("refused")) => Fate::Refused,
        _ => Fate::Unknown,
    };
    fates.map(fate).collect()
}
