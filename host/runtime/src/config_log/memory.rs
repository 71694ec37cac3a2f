//! The log of a worker that is alone: kept until it is read, and gone with the process.

use std::collections::VecDeque;

use async_trait::async_trait;

use super::{AppendEntriesError, ConfigLog, Entry, Logged, ReadEntriesError};

/// See the module's documentation.
///
/// Nobody but its reader can append, so what waits is never more than what was appended at once.
#[derive(Debug, Default)]
pub struct MemoryLog {
    unread: VecDeque<Logged>,
    end: u64,
}

#[async_trait]
impl ConfigLog for MemoryLog {
    async fn append(&mut self, entries: Vec<Entry>) -> Result<u64, AppendEntriesError> {
        for entry in entries {
            self.end += 1;
            self.unread.push_back(Logged { position: self.end, entry });
        }
        Ok(self.end)
    }

    async fn next(&mut self) -> Logged {
        match self.unread.pop_front() {
            Some(logged) => logged,
            // Whoever could append is waiting here.
            None => std::future::pending().await,
        }
    }

    async fn catch_up(&mut self) -> Result<Vec<Logged>, ReadEntriesError> {
        Ok(self.unread.drain(..).collect())
    }
}
