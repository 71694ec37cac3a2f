//! What clients do: each kind is a loop of actions, from one life to the next.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use checker::{Action, Client, Fate, Message, Outcome, Partition, Polled, Value};
use rand::{Rng, rngs::StdRng};
use tokio::sync::{Notify, watch};

use super::{
    foreign::Peer,
    hands::{Hands, Setup},
    recorder::Recorder,
};

/// What a client is there for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// Sends outside of transactions.
    Sender,
    /// Sends and reads in transactions.
    Transactor,
    /// Reads partitions from their starts.
    Reader,
    /// Reads as a member of a group.
    Member,
    /// Copies each record once.
    Copier,
}

/// Clients that can be killed or frozen.
#[derive(Default)]
pub struct Victims(Mutex<Vec<Victim>>);

#[derive(Clone, Default)]
struct Victim {
    killed: Arc<Notify>,
    process: Arc<Mutex<Option<u32>>>,
}

impl Victims {
    fn one(&self, dice: &mut StdRng) -> Option<Victim> {
        let victims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!victims.is_empty()).then(|| victims[dice.random_range(0..victims.len())].clone())
    }

    fn add(&self) -> Victim {
        let victim = Victim::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(victim.clone());
        victim
    }

    /// Kills one of them. It begins a new life.
    pub fn kill(&self, dice: &mut StdRng) -> bool {
        let Some(victim) = self.one(dice) else { return false };
        victim.killed.notify_one();
        true
    }

    /// Stops one for longer than its group waits for it. Only one that is a process of its own.
    pub async fn freeze(&self, dice: &mut StdRng) -> bool {
        let Some(victim) = self.one(dice) else { return false };
        let process = *victim.process.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(process) = process else { return false };
        // It may end at any moment, as processes do.
        let signal = |name: &str| Command::new("kill").args([name, &process.to_string()]).output().is_ok();
        let frozen = signal("-STOP");
        tokio::time::sleep(Duration::from_millis(dice.random_range(500..3500))).await;
        signal("-CONT");
        frozen
    }
}

/// What the clients of one history share.
pub struct Common {
    pub recorder: Recorder,
    pub victims: Victims,
    /// Where everybody writes.
    pub writable: Vec<Partition>,
    /// Where copies go.
    pub copies: Vec<Partition>,
    pub all: Vec<Partition>,
    pub next_value: AtomicU64,
    /// How many sends and commits were acknowledged.
    pub progress: AtomicU64,
    /// Why actions failed, and how often.
    pub troubles: Mutex<BTreeMap<String, usize>>,
}

impl Common {
    /// Waits until clients have got something done, for at most half a minute.
    pub async fn until_progress(&self) {
        let (before, begin) = (self.progress.load(Ordering::Relaxed), Instant::now());
        while self.progress.load(Ordering::Relaxed) < before + 3 && begin.elapsed() < Duration::from_secs(30) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn trouble(&self, client: Client, action: &Action, reason: &str) {
        let word = format!("{action}");
        let word = word.split(' ').next().unwrap_or_default();
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        *troubles.entry(format!("client {} {word}: {reason}", client.0)).or_default() += 1;
    }
}

/// Its life has ended from outside.
#[derive(Debug)]
pub struct Killed;

/// A client over all of its lives.
pub struct Worker {
    pub client: Client,
    pub role: Role,
    pub setup: Setup,
    pub foreign: Option<Peer>,
    pub dice: StdRng,
    pub common: Arc<Common>,
    /// True when it is to end.
    pub stop: watch::Receiver<bool>,
    victim: Victim,
    hands: Option<Hands>,
}

impl Worker {
    pub fn new(
        client: u32,
        role: Role,
        setup: Setup,
        foreign: Option<Peer>,
        dice: StdRng,
        common: Arc<Common>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let victim = common.victims.add();
        Self { client: Client(client), role, setup, foreign, dice, common, stop, victim, hands: None }
    }

    /// Lives until it is to stop.
    pub async fn run(mut self) {
        while !*self.stop.borrow() {
            let lived = self.live().await;
            if lived.is_ok() {
                // It may be killed even then.
                let _ = self.act(Action::Close).await;
            }
            self.hands = None;
            self.set_process(None);
            self.pause(0..100).await;
        }
    }

    fn set_process(&self, process: Option<u32>) {
        *self.victim.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    async fn live(&mut self) -> Result<(), Killed> {
        let hands = Hands::new(self.setup.clone(), self.foreign);
        self.set_process(hands.process());
        self.hands = Some(hands);
        if self.act(Action::Open(self.setup.isolation)).await? != Outcome::Done {
            return Ok(());
        }
        match self.role {
            Role::Sender => self.send().await,
            Role::Transactor => self.transact().await,
            Role::Reader => self.read().await,
            Role::Member => self.consume().await,
            Role::Copier => self.copy().await,
        }
    }

    /// Carries out an action and writes it down.
    pub async fn act(&mut self, action: Action) -> Result<Outcome, Killed> {
        let common = Arc::clone(&self.common);
        let Some(hands) = &mut self.hands else { return Err(Killed) };
        common.recorder.call(self.client, &action);
        let done = tokio::select! {
            biased;
            () = self.victim.killed.notified() => None,
            done = hands.perform(&action) => Some(done),
        };
        let Some((outcome, reason)) = done else {
            // Whatever it had under way goes on or not.
            self.hands = None;
            self.set_process(None);
            common.recorder.answer(self.client, Outcome::Unknown);
            common.recorder.call(self.client, &Action::Close);
            common.recorder.answer(self.client, Outcome::Done);
            return Err(Killed);
        };
        if !reason.is_empty() {
            common.trouble(self.client, &action, &reason);
        }
        common.recorder.answer(self.client, outcome.clone());
        if matches!((&action, &outcome), (Action::Send(_), Outcome::Sent(_)) | (Action::Commit, Outcome::Done)) {
            common.progress.fetch_add(1, Ordering::Relaxed);
        }
        Ok(outcome)
    }

    fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    async fn pause(&mut self, millis: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.dice.random_range(millis))).await;
    }

    fn message(&mut self, places: &[Partition], copy_of: Option<Value>) -> Message {
        let partition = places[self.dice.random_range(0..places.len())];
        Message { partition, value: Value(self.common.next_value.fetch_add(1, Ordering::Relaxed)), copy_of }
    }

    fn messages(&mut self) -> Vec<Message> {
        let common = Arc::clone(&self.common);
        (0..self.dice.random_range(1..6)).map(|_| self.message(&common.writable, None)).collect()
    }

    /// Whether all was acknowledged.
    async fn deliver(&mut self, messages: Vec<Message>) -> Result<bool, Killed> {
        let outcome = self.act(Action::Send(messages)).await?;
        let Outcome::Sent(fates) = outcome else { return Ok(false) };
        Ok(fates.iter().all(|fate| matches!(fate, Fate::At(_) | Fate::Written)))
    }

    async fn send(&mut self) -> Result<(), Killed> {
        while !self.stopped() {
            let messages = self.messages();
            if !self.deliver(messages).await? && self.dice.random_bool(0.5) {
                break;
            }
            self.pause(0..40).await;
        }
        Ok(())
    }

    async fn transact(&mut self) -> Result<(), Killed> {
        let all = self.common.all.clone();
        self.act(Action::Assign(all)).await?;
        while !self.stopped() {
            if self.act(Action::Begin).await? != Outcome::Done {
                break;
            }
            let mut well = true;
            for _ in 0..self.dice.random_range(1..5) {
                if self.dice.random_range(0..3) == 0 {
                    self.act(Action::Poll).await?;
                } else {
                    let messages = self.messages();
                    well &= self.deliver(messages).await?;
                }
                self.pause(0..20).await;
            }
            if self.dice.random_range(0..60) == 0 {
                // Longer than it may be open.
                self.pause(self.setup.transaction_timeout_ms..self.setup.transaction_timeout_ms + 1500).await;
            }
            let commit = well && self.dice.random_range(0..7) != 0;
            if !self.end(commit).await? {
                break;
            }
            self.pause(0..40).await;
        }
        Ok(())
    }

    /// Commits or aborts; aborts what cannot be committed. Whether the producer can go on.
    async fn end(&mut self, commit: bool) -> Result<bool, Killed> {
        if commit {
            match self.act(Action::Commit).await? {
                Outcome::Done => return Ok(true),
                Outcome::Failed => {}
                _ => return Ok(false),
            }
        }
        Ok(self.act(Action::Abort).await? == Outcome::Done)
    }

    async fn read(&mut self) -> Result<(), Killed> {
        let all = self.common.all.clone();
        self.act(Action::Assign(all.clone())).await?;
        while !self.stopped() {
            if !matches!(self.act(Action::Poll).await?, Outcome::Polled(_)) {
                break;
            }
            if self.dice.random_range(0..150) == 0 {
                self.act(Action::Assign(all.clone())).await?;
            }
            self.pause(0..30).await;
        }
        Ok(())
    }

    async fn consume(&mut self) -> Result<(), Killed> {
        self.act(Action::Subscribe).await?;
        while !self.stopped() {
            if !matches!(self.act(Action::Poll).await?, Outcome::Polled(_)) {
                break;
            }
            self.pause(0..30).await;
        }
        Ok(())
    }

    /// Reads, writes on, and commits how far it has read, in one transaction. Whatever goes wrong, the next life begins
    /// where the group is.
    async fn copy(&mut self) -> Result<(), Killed> {
        self.act(Action::Subscribe).await?;
        let copies = self.common.copies.clone();
        while self.act(Action::Begin).await? == Outcome::Done {
            let polled = loop {
                if self.stopped() {
                    break None;
                }
                match self.act(Action::Poll).await? {
                    Outcome::Polled(polled) if polled.records.is_empty() => self.pause(0..30).await,
                    // Some of these may belong to others by now.
                    Outcome::Polled(Polled { moved: true, .. }) => break None,
                    Outcome::Polled(polled) => break Some(polled),
                    _ => break None,
                }
            };
            let Some(polled) = polled else {
                self.end(false).await?;
                break;
            };
            let messages: Vec<_> =
                polled.records.iter().map(|(_, _, value)| self.message(&copies, Some(*value))).collect();
            let mut well = self.deliver(messages).await?;
            self.pause(0..30).await;
            well = well && self.act(Action::Offsets).await? == Outcome::Done;
            well = well && self.dice.random_range(0..12) != 0;
            if !self.end(well).await? || !well {
                break;
            }
        }
        Ok(())
    }
}
