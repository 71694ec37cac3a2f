//! Histories as text, one event a line: to keep what a run has found, and to write tests.
//!
//! ```text
//! 1 open committed            1 begin                 1 poll
//! 1 ok                        1 send 0:7 1:8<3        1 ok moved 0@5=7 0@6=9
//! 1 assign 0 1                1 ok 0@5 @ refused ?    1 commit
//! 1 ok                        1 offsets               1 fail | unknown
//! ```
//!
//! The first word is the client. `0:7` is value 7 for partition 0, `1:8<3` value 8 as the copy of 3. Answers to a send
//! are in its order: `0@5` (at offset 5 of partition 0), `@` (somewhere), `refused`, `?` (not known). `0@5=7` is value
//! 7 read at offset 5 of partition 0. Empty lines and lines that begin with `#` are nothing.

use std::{
    fmt::{self, Display},
    str::FromStr,
};

use crate::history::{
    Action, Client, Event, Fate, History, Isolation, Message, Offset, Outcome, Partition, Polled, Value, What,
};

/// A line that is no event.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line} is no event of a history: {text:?}")]
pub struct UnreadableHistory {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
}

impl Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Acknowledgements name the partition too, which the send before has said.
        let mut sent: std::collections::HashMap<Client, Vec<Message>> = std::collections::HashMap::new();
        for event in &self.0 {
            write!(f, "{} ", event.client.0)?;
            match &event.what {
                What::Called(action) => {
                    if let Action::Send(messages) = action {
                        sent.insert(event.client, messages.clone());
                    }
                    write!(f, "{action}")?;
                }
                What::Returned(Outcome::Sent(fates)) => {
                    f.write_str("ok")?;
                    let messages = sent.get(&event.client).map(Vec::as_slice).unwrap_or_default();
                    for (at, fate) in fates.iter().enumerate() {
                        match fate {
                            Fate::At(offset) => {
                                let partition = messages.get(at).map_or(0, |message| message.partition.0);
                                write!(f, " {partition}@{}", offset.0)?;
                            }
                            Fate::Written => f.write_str(" @")?,
                            Fate::Refused => f.write_str(" refused")?,
                            Fate::Unknown => f.write_str(" ?")?,
                        }
                    }
                }
                What::Returned(Outcome::Done) => f.write_str("ok")?,
                What::Returned(Outcome::Failed) => f.write_str("fail")?,
                What::Returned(Outcome::Unknown) => f.write_str("unknown")?,
                What::Returned(Outcome::Polled(polled)) => {
                    f.write_str(if polled.moved { "ok moved" } else { "ok" })?;
                    for (partition, offset, value) in &polled.records {
                        write!(f, " {}@{}={}", partition.0, offset.0, value.0)?;
                    }
                }
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(Isolation::Committed) => f.write_str("open committed"),
            Self::Open(Isolation::Uncommitted) => f.write_str("open uncommitted"),
            Self::Assign(partitions) => {
                f.write_str("assign")?;
                partitions.iter().try_for_each(|partition| write!(f, " {}", partition.0))
            }
            Self::Subscribe => f.write_str("subscribe"),
            Self::Begin => f.write_str("begin"),
            Self::Send(messages) => {
                f.write_str("send")?;
                for message in messages {
                    write!(f, " {}:{}", message.partition.0, message.value.0)?;
                    if let Some(original) = message.copy_of {
                        write!(f, "<{}", original.0)?;
                    }
                }
                Ok(())
            }
            Self::Poll => f.write_str("poll"),
            Self::Offsets => f.write_str("offsets"),
            Self::Commit => f.write_str("commit"),
            Self::Abort => f.write_str("abort"),
            Self::Close => f.write_str("close"),
        }
    }
}

impl FromStr for History {
    type Err = UnreadableHistory;

    /// Reads the text of `to_string`.
    fn from_str(text: &str) -> Result<Self, UnreadableHistory> {
        let mut events = Vec::new();
        // What each client has under way: it says how its answer reads.
        let mut called: std::collections::HashMap<Client, Action> = std::collections::HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let event = read_event(line, &called);
            let event = event.ok_or_else(|| UnreadableHistory { line: number + 1, text: line.to_owned() })?;
            if let What::Called(action) = &event.what {
                called.insert(event.client, action.clone());
            }
            events.push(event);
        }
        Ok(Self(events))
    }
}

fn read_event(line: &str, called: &std::collections::HashMap<Client, Action>) -> Option<Event> {
    let mut words = line.split_whitespace();
    let client = Client(words.next()?.parse().ok()?);
    let word = words.next()?;
    let rest: Vec<&str> = words.collect();
    let none = |what: What| rest.is_empty().then_some(what);
    let what = match word {
        "open" => What::Called(Action::Open(match rest.as_slice() {
            ["committed"] => Isolation::Committed,
            ["uncommitted"] => Isolation::Uncommitted,
            _ => return None,
        })),
        "assign" => {
            let partitions = rest.iter().map(|word| Some(Partition(word.parse().ok()?)));
            What::Called(Action::Assign(partitions.collect::<Option<_>>()?))
        }
        "subscribe" => none(What::Called(Action::Subscribe))?,
        "begin" => none(What::Called(Action::Begin))?,
        "send" => What::Called(Action::Send(rest.iter().map(|word| read_message(word)).collect::<Option<_>>()?)),
        "poll" => none(What::Called(Action::Poll))?,
        "offsets" => none(What::Called(Action::Offsets))?,
        "commit" => none(What::Called(Action::Commit))?,
        "abort" => none(What::Called(Action::Abort))?,
        "close" => none(What::Called(Action::Close))?,
        "fail" => none(What::Returned(Outcome::Failed))?,
        "unknown" => none(What::Returned(Outcome::Unknown))?,
        "ok" => What::Returned(match called.get(&client) {
            Some(Action::Send(messages)) if messages.len() == rest.len() => {
                let fates = rest.iter().zip(messages).map(|(word, message)| read_fate(word, message.partition));
                Outcome::Sent(fates.collect::<Option<_>>()?)
            }
            Some(Action::Poll) => {
                let moved = rest.first() == Some(&"moved");
                let records = rest.iter().skip(usize::from(moved)).map(|word| read_record(word));
                Outcome::Polled(Polled { moved, records: records.collect::<Option<_>>()? })
            }
            Some(_) if rest.is_empty() => Outcome::Done,
            _ => return None,
        }),
        _ => return None,
    };
    Some(Event { client, what })
}

fn read_message(word: &str) -> Option<Message> {
    let (partition, value) = word.split_once(':')?;
    let (value, original) = match value.split_once('<') {
        Some((value, original)) => (value, Some(Value(original.parse().ok()?))),
        None => (value, None),
    };
    Some(Message {
        partition: Partition(partition.parse().ok()?),
        value: Value(value.parse().ok()?),
        copy_of: original,
    })
}

fn read_fate(word: &str, of: Partition) -> Option<Fate> {
    match word {
        "@" => Some(Fate::Written),
        "refused" => Some(Fate::Refused),
        "?" => Some(Fate::Unknown),
        _ => {
            let (partition, offset) = word.split_once('@')?;
            (partition.parse() == Ok(of.0)).then_some(Fate::At(Offset(offset.parse().ok()?)))
        }
    }
}

fn read_record(word: &str) -> Option<(Partition, Offset, Value)> {
    let (partition, rest) = word.split_once('@')?;
    let (offset, value) = rest.split_once('=')?;
    Some((Partition(partition.parse().ok()?), Offset(offset.parse().ok()?), Value(value.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = "1 open committed\n1 ok\n2 open uncommitted\n2 fail\n1 assign 0 17\n1 ok\n2 subscribe\n2 ok\n\
        1 begin\n1 ok\n1 send 0:7 1:8<3 2:9 0:10\n2 poll\n1 ok 0@5 @ refused ?\n2 ok moved 0@5=7 1@0=8\n1 poll\n1 ok\n\
        1 poll\n1 ok 0@9=11\n1 offsets\n1 ok\n1 commit\n1 unknown\n1 abort\n1 ok\n1 close\n1 ok\n";

    #[test]
    fn what_was_written_down_is_read_back() {
        let history: History = EVERYTHING.parse().unwrap();
        assert_eq!(history.0.len(), EVERYTHING.lines().count());
        assert_eq!(history.to_string(), EVERYTHING);
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        for line in ["1", "x poll", "1 jump", "1 send 7", "1 poll 3", "1 open", "1 assign x", "1 fail 3"] {
            let refused = format!("# a comment\n{line}").parse::<History>();
            assert_eq!(refused, Err(UnreadableHistory { line: 2, text: line.to_owned() }));
        }
        for answer in ["1@5", "0@5 0@6", "0@", "5"] {
            let refused = format!("1 send 0:7\n1 ok {answer}").parse::<History>();
            assert_eq!(refused, Err(UnreadableHistory { line: 2, text: format!("1 ok {answer}") }));
        }
    }
}
