//! The config log of a group of workers: one list of entries, which each worker reads from its own place.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use millstream_runtime::config_log::{AppendEntriesError, ConfigLog, Entry, Logged, ReadEntriesError};
use tokio::{sync::Notify, time::Instant};

use crate::lockstep::{self, now};

/// The log; clones share it. A worker reads and writes it through [`FakeConfigLog::worker`].
#[derive(Clone, Default)]
pub struct FakeConfigLog {
    content: Arc<Mutex<Content>>,
    news: Arc<Notify>,
}

#[derive(Default)]
struct Content {
    /// With the moment from which on an entry can be read.
    entries: Vec<(Logged, Instant)>,
    end: u64,
    silent: bool,
    before: Vec<Entry>,
    behind: Vec<Entry>,
}

/// What befalls a worker that uses the log; nothing unless said.
pub trait LogFaults: Send {
    /// Whether an append fails and leaves nothing in the log.
    fn append_fails(&mut self, entries: &[Entry]) -> Option<String> {
        let _ = entries;
        None
    }

    /// Whether what has failed will do so at any time.
    fn failure_lasts(&self) -> bool {
        false
    }

    /// Whether an append fails although it was done.
    fn answer_is_lost(&mut self, entries: &[Entry]) -> Option<String> {
        let _ = entries;
        None
    }

    /// How long it takes until these entries, and those behind them, can be read.
    fn delay(&mut self, entries: &[Entry]) -> Duration {
        let _ = entries;
        Duration::ZERO
    }
}

impl LogFaults for () {}

impl FakeConfigLog {
    /// The log as one worker sees it, from the beginning.
    pub fn worker(&self, faults: impl LogFaults + 'static) -> Box<dyn ConfigLog> {
        Box::new(Worker { log: self.clone(), read: 0, faults: Box::new(faults) })
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no fake panics under its lock")
    }

    /// Somebody writes: the position of the last entry.
    pub fn write(&self, entries: impl IntoIterator<Item = Entry>) -> u64 {
        let end = self.content().write(entries, Duration::ZERO);
        self.news.notify_waiters();
        end
    }

    /// Somebody else writes this right before, and that right behind, what a worker appends next.
    pub fn write_around(&self, before: Vec<Entry>, behind: Vec<Entry>) {
        let mut content = self.content();
        (content.before, content.behind) = (before, behind);
    }

    /// Whether nothing can be read.
    pub fn silence(&self, silent: bool) {
        self.content().silent = silent;
        self.news.notify_waiters();
    }

    /// Lets everything be read that is still on its way.
    pub fn catch_up(&self) {
        let now = now();
        self.content().entries.iter_mut().for_each(|(_, visible)| *visible = now.min(*visible));
        self.news.notify_waiters();
    }
}

impl Content {
    fn write(&mut self, entries: impl IntoIterator<Item = Entry>, delay: Duration) -> u64 {
        let delayed = now() + delay;
        for entry in entries {
            // Positions have gaps.
            self.end += 3;
            let visible = self.entries.last().map_or(delayed, |(_, before)| delayed.max(*before));
            self.entries.push((Logged { position: self.end, entry }, visible));
        }
        self.end
    }
}

struct Worker {
    log: FakeConfigLog,
    read: usize,
    faults: Box<dyn LogFaults>,
}

fn failed(text: String, lasting: bool) -> AppendEntriesError {
    AppendEntriesError { lasting, source: io::Error::other(text).into() }
}

#[async_trait]
impl ConfigLog for Worker {
    async fn append(&mut self, entries: Vec<Entry>) -> Result<u64, AppendEntriesError> {
        tokio::task::yield_now().await;
        if let Some(text) = self.faults.append_fails(&entries) {
            return Err(failed(text, self.faults.failure_lasts()));
        }
        let (lost, delay) = (self.faults.answer_is_lost(&entries), self.faults.delay(&entries));
        let last = {
            let mut content = self.log.content();
            let (before, behind) = (std::mem::take(&mut content.before), std::mem::take(&mut content.behind));
            content.write(before, Duration::ZERO);
            let last = content.write(entries, delay);
            content.write(behind, Duration::ZERO);
            last
        };
        self.log.news.notify_waiters();
        lost.map_or(Ok(last), |text| Err(failed(text, false)))
    }

    async fn next(&mut self) -> Logged {
        loop {
            let news = self.log.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            let next = {
                let content = self.log.content();
                if content.silent { None } else { content.entries.get(self.read).cloned() }
            };
            match next {
                Some((logged, visible)) if visible <= now() => {
                    self.read += 1;
                    return logged;
                }
                Some((_, visible)) => drop(lockstep::timeout_at(visible, news).await),
                None => news.await,
            }
        }
    }

    async fn catch_up(&mut self) -> Result<Vec<Logged>, ReadEntriesError> {
        let entries: Vec<Logged> = {
            let content = self.log.content();
            let now = now();
            let visible = content.entries.iter().skip(self.read).take_while(|(_, visible)| *visible <= now);
            visible.map(|(logged, _)| logged.clone()).collect()
        };
        self.read += entries.len();
        Ok(entries)
    }
}
