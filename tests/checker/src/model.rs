//! A history, read: which records were sent, read, and in which transactions. No judgement.

use std::collections::{BTreeMap, HashMap};

use crate::history::{
    Action, Client, Event, Fate, History, Isolation, Message, Offset, Outcome, Partition, Polled, Value, What,
};

/// A place in the history: the number of an event.
pub type At = usize;

/// A history that no recorder writes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("event {at} of client {}: {reason}", client.0)]
pub struct MalformedHistory {
    /// Number of the event, from 0.
    pub at: usize,
    /// Its client.
    pub client: Client,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Its client was told so, or a reader of committed records has seen a record of it.
    Committed,
    /// Its client was told so, or never asked for a commit.
    Aborted,
    /// A commit was asked for, and the answer never came.
    Unknown,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Whose.
    pub client: Client,
    /// When a commit was first asked for.
    pub commit_asked: Option<At>,
    /// How it ended.
    pub verdict: Verdict,
}

/// Whether a record is in its partition for readers of committed records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// It has to be.
    Certain,
    /// It may be.
    Perhaps,
    /// It must not be.
    Never,
}

/// A record that was sent.
#[derive(Clone, Debug)]
pub struct Write {
    /// By whom, in which of its lives.
    pub life: usize,
    /// Where to.
    pub partition: Partition,
    /// What.
    pub value: Value,
    /// What it copies.
    pub copy_of: Option<Value>,
    /// When it was sent.
    pub asked: At,
    /// What its client knows of it.
    pub fate: Fate,
    /// In which transaction.
    pub transaction: Option<usize>,
    /// What that means, once the whole history is known.
    pub standing: Standing,
}

/// A record that a poll has brought.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The reader's positions were its own from one read of a stretch to the next.
    pub stretch: usize,
    /// What it sees.
    pub isolation: Isolation,
    /// Where.
    pub partition: Partition,
    /// Where.
    pub offset: Offset,
    /// What.
    pub value: Value,
    /// When the poll was asked for.
    pub poll: At,
    /// When it returned.
    pub answered: At,
    /// In which transaction.
    pub transaction: Option<usize>,
}

/// Reads during which nobody but polls has moved the positions.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Whose.
    pub client: Client,
    /// It begins at the first record of each partition.
    pub from_start: bool,
}

/// Everything that a history says.
#[derive(Debug, Default)]
pub struct Model {
    /// Clients by their lives.
    pub lives: Vec<Client>,
    /// In the order of being sent.
    pub writes: Vec<Write>,
    /// In the order of being answered.
    pub reads: Vec<Read>,
    /// In the order of their beginnings.
    pub transactions: Vec<Transaction>,
    /// By their numbers.
    pub stretches: Vec<Stretch>,
    by_value: HashMap<(Partition, Value), usize>,
}

/// Where a client is while its history is read.
#[derive(Debug)]
struct Reading {
    life: usize,
    isolation: Isolation,
    stretch: usize,
    transaction: Option<usize>,
    /// What is under way, since when, and the first of its writes.
    called: Option<(Action, At, usize)>,
}

impl Model {
    /// Reads a history.
    ///
    /// # Errors
    ///
    /// A client answers what it was not asked, does two things at once, or sends a value again.
    pub fn read(history: &History) -> Result<Self, MalformedHistory> {
        let mut model = Self::default();
        let mut clients: BTreeMap<Client, Reading> = BTreeMap::new();
        for (at, Event { client, what }) in history.0.iter().enumerate() {
            let wrong = |reason| MalformedHistory { at, client: *client, reason };
            match what {
                What::Called(Action::Open(isolation)) => {
                    let stretch = model.stretch(*client, false);
                    model.lives.push(*client);
                    let called = Some((Action::Open(*isolation), at, 0));
                    let life = model.lives.len() - 1;
                    let reading = Reading { life, isolation: *isolation, stretch, transaction: None, called };
                    clients.insert(*client, reading);
                }
                What::Called(action) => {
                    let reading = clients.get_mut(client).ok_or_else(|| wrong("it has not begun its life"))?;
                    if reading.called.is_some() {
                        return Err(wrong("it has not been answered yet"));
                    }
                    let first = model.writes.len();
                    model.call(reading, *client, action, at).map_err(wrong)?;
                    reading.called = Some((action.clone(), at, first));
                }
                What::Returned(outcome) => {
                    let reading = clients.get_mut(client).ok_or_else(|| wrong("it has not begun its life"))?;
                    let called = reading.called.take().ok_or_else(|| wrong("nothing was asked"))?;
                    model.answer(reading, *client, called, outcome, at).map_err(wrong)?;
                }
            }
        }
        model.judge();
        Ok(model)
    }

    /// The send that a record comes from.
    pub fn write_of(&self, partition: Partition, value: Value) -> Option<&Write> {
        self.by_value.get(&(partition, value)).map(|at| &self.writes[*at])
    }

    fn stretch(&mut self, client: Client, from_start: bool) -> usize {
        self.stretches.push(Stretch { client, from_start });
        self.stretches.len() - 1
    }

    fn call(&mut self, reading: &mut Reading, client: Client, action: &Action, at: At) -> Result<(), &'static str> {
        match action {
            Action::Begin if reading.transaction.is_some() => return Err("its transaction has not ended"),
            Action::Begin => {
                reading.transaction = Some(self.transactions.len());
                self.transactions.push(Transaction { client, commit_asked: None, verdict: Verdict::Aborted });
            }
            Action::Send(messages) => {
                for Message { partition, value, copy_of } in messages {
                    if self.by_value.insert((*partition, *value), self.writes.len()).is_some() {
                        return Err("a value is sent again");
                    }
                    self.writes.push(Write {
                        life: reading.life,
                        partition: *partition,
                        value: *value,
                        copy_of: *copy_of,
                        asked: at,
                        fate: Fate::Unknown,
                        transaction: reading.transaction,
                        standing: Standing::Perhaps,
                    });
                }
            }
            Action::Commit => {
                let number = reading.transaction.ok_or("there is no transaction")?;
                let transaction = &mut self.transactions[number];
                transaction.commit_asked = transaction.commit_asked.or(Some(at));
                transaction.verdict = Verdict::Unknown;
            }
            Action::Abort | Action::Offsets if reading.transaction.is_none() => return Err("there is no transaction"),
            Action::Close => reading.transaction = None,
            Action::Assign(_) => reading.stretch = self.stretch(client, true),
            Action::Subscribe => reading.stretch = self.stretch(client, false),
            Action::Open(_) | Action::Poll | Action::Offsets | Action::Abort => {}
        }
        Ok(())
    }

    fn answer(
        &mut self,
        reading: &mut Reading,
        client: Client,
        (action, asked, first): (Action, At, usize),
        outcome: &Outcome,
        at: At,
    ) -> Result<(), &'static str> {
        match (action, outcome) {
            (Action::Send(messages), Outcome::Sent(fates)) if messages.len() == fates.len() => {
                for (write, fate) in self.writes[first..].iter_mut().zip(fates) {
                    write.fate = *fate;
                }
            }
            (Action::Send(messages), Outcome::Failed) => {
                self.writes[first..].iter_mut().take(messages.len()).for_each(|write| write.fate = Fate::Refused);
            }
            (Action::Poll, Outcome::Polled(polled)) => self.polled(reading, client, asked, polled, at),
            // Nobody knows where it stands now.
            (Action::Poll, Outcome::Failed | Outcome::Unknown) => reading.stretch = self.stretch(client, false),
            (Action::Commit, Outcome::Done) => self.end(reading, Verdict::Committed),
            // It was refused: the transaction goes on, and can only be aborted.
            (Action::Commit, Outcome::Failed) => {
                let number = reading.transaction.ok_or("there is no transaction")?;
                self.transactions[number].verdict = Verdict::Aborted;
            }
            (Action::Abort, Outcome::Done) => {
                // Where the fate of a commit is open, an abort that was answered does not tell it.
                let number = reading.transaction.ok_or("there is no transaction")?;
                let verdict = self.transactions[number].verdict;
                self.end(reading, verdict);
            }
            (Action::Send(_) | Action::Commit | Action::Abort, Outcome::Unknown) => {}
            (Action::Send(_) | Action::Poll, Outcome::Done) | (_, Outcome::Sent(_) | Outcome::Polled(_)) => {
                return Err("that is no answer to what was asked");
            }
            (_, Outcome::Done | Outcome::Failed | Outcome::Unknown) => {}
        }
        Ok(())
    }

    fn polled(&mut self, reading: &mut Reading, client: Client, poll: At, polled: &Polled, answered: At) {
        if polled.moved {
            reading.stretch = self.stretch(client, false);
        }
        for (partition, offset, value) in &polled.records {
            self.reads.push(Read {
                stretch: reading.stretch,
                isolation: reading.isolation,
                partition: *partition,
                offset: *offset,
                value: *value,
                poll,
                answered,
                transaction: reading.transaction,
            });
            if polled.moved {
                // Where in the middle of the records the positions moved is not known.
                reading.stretch = self.stretch(client, false);
            }
        }
    }

    fn end(&mut self, reading: &mut Reading, verdict: Verdict) {
        if let Some(number) = reading.transaction.take() {
            self.transactions[number].verdict = verdict;
        }
    }

    /// Says where each write stands, now that everything is known.
    fn judge(&mut self) {
        for read in self.reads.iter().filter(|read| read.isolation == Isolation::Committed) {
            let Some(write) = self.by_value.get(&(read.partition, read.value)) else { continue };
            let Some(number) = self.writes[*write].transaction else { continue };
            let transaction = &mut self.transactions[number];
            // A transaction is committed as a whole: one record that is seen decides about the others.
            if transaction.verdict == Verdict::Unknown {
                transaction.verdict = Verdict::Committed;
            }
        }
        for write in &mut self.writes {
            let verdict = write.transaction.map_or(Verdict::Committed, |number| self.transactions[number].verdict);
            write.standing = match (write.fate, verdict) {
                (Fate::Refused, _) | (_, Verdict::Aborted) => Standing::Never,
                (Fate::At(_) | Fate::Written, Verdict::Committed) => Standing::Certain,
                (Fate::Unknown, _) | (_, Verdict::Unknown) => Standing::Perhaps,
            };
        }
    }
}
