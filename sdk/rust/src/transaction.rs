//! Where a source task ends its transactions, if its user lets it.

use std::cell::RefCell;

use crate::host;

/// How a transaction ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TransactionEnd {
    /// Readers see its records, and their offsets are stored.
    Commit,
    /// Nobody sees its records. Their offsets are stored all the same, so that the records do not come again.
    Abort,
}

/// An end that a task has asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestedEnd {
    /// The row that is the last of the transaction; `None` for all that the poll returns.
    pub behind: Option<u32>,
    /// How it ends.
    pub end: TransactionEnd,
}

thread_local! {
    /// What the next poll that returns hands over.
    static ASKED: RefCell<Vec<RequestedEnd>> = const { RefCell::new(Vec::new()) };
}

fn ask(behind: Option<u32>, end: TransactionEnd) {
    ASKED.with_borrow_mut(|asked| asked.push(RequestedEnd { behind, end }));
}

/// Where the transactions of a source task end; see [`SourceContext::transaction`](crate::SourceContext::transaction).
///
/// What is asked for concerns the [`poll`](crate::SourceTask::poll) that is running, or the next one, and goes to the host
/// with what that returns. Asking for both ends at one place, or behind a row that the poll does not return, fails the task.
///
/// Records behind the last end wait in the open transaction for a later poll to end it. What waits when the task stops
/// comes again, so a task asks for an end often enough: a transaction that is open for longer than the producer's
/// `transaction.timeout.ms` fails it.
#[derive(Clone, Copy, Debug)]
pub struct TransactionContext(pub(crate) ());

impl TransactionContext {
    /// Commits the transaction behind all that the poll returns, which may be nothing.
    pub fn commit(&self) {
        ask(None, TransactionEnd::Commit);
    }

    /// Aborts the transaction behind all that the poll returns. A task that wants its records again fails instead.
    pub fn abort(&self) {
        ask(None, TransactionEnd::Abort);
    }

    /// Commits the transaction behind a row of the poll, whatever becomes of that row on its way.
    pub fn commit_after(&self, row: u32) {
        ask(Some(row), TransactionEnd::Commit);
    }

    /// Aborts the transaction behind a row of the poll.
    pub fn abort_after(&self, row: u32) {
        ask(Some(row), TransactionEnd::Abort);
    }
}

/// A poll has returned: what was asked for goes with it. Rows of a poll that failed are none.
pub(crate) fn hand_over(polled_well: bool) {
    if polled_well {
        let asked = take();
        if !asked.is_empty() {
            host::set_transaction_boundaries(&asked);
        }
    } else {
        ASKED.with_borrow_mut(|asked| asked.retain(|end| end.behind.is_none()));
    }
}

/// What was asked for and not handed over.
pub(crate) fn take() -> Vec<RequestedEnd> {
    ASKED.take()
}
