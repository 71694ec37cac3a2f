//! Where a plugin that ends its transactions itself (`transaction.boundary=connector`) has asked for their ends.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use millstream_connector::{ErrorKind, Failure, RequestedEnd, TransactionEnd};
use millstream_record::batch::{Batch, Role};

use crate::error_policy::CONNECT_EXCEPTION;

/// What the running poll has asked for last: the plugin asks while it is polled, its task takes it afterwards.
#[derive(Debug, Default)]
pub(crate) struct RequestedEnds(Mutex<Vec<RequestedEnd>>);

/// What a poll has returned, cut where transactions end.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Rows in their order. Behind each piece but the last, and perhaps behind that one, a transaction ends.
    pub(super) pieces: Vec<(Batch, Option<TransactionEnd>)>,
    /// Ends asked for behind the whole: none, one, or both, which contradict each other.
    pub(super) behind: Vec<TransactionEnd>,
}

impl Cut {
    /// Of a poll behind whose rows nothing was asked for.
    pub(super) fn whole(batch: Option<Batch>) -> Self {
        Self { pieces: batch.map(|batch| (batch, None)).into_iter().collect(), behind: Vec::new() }
    }
}

impl RequestedEnds {
    fn lock(&self) -> MutexGuard<'_, Vec<RequestedEnd>> {
        self.0.lock().expect("nothing panics while ends are put in or taken out")
    }

    /// The plugin asks, in place of what it has asked for before.
    pub(super) fn ask(&self, ends: Vec<RequestedEnd>) {
        *self.lock() = ends;
    }

    /// A poll has failed, and with it what it has asked for.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// Cuts what a poll has returned where the plugin asks for it.
    ///
    /// # Errors
    ///
    /// The batch has no such row, or a row is to end its transaction both ways.
    pub(super) fn cut(&self, batch: Option<Batch>) -> Result<Cut, Failure> {
        let (mut rows, mut behind) = (BTreeMap::new(), Vec::new());
        for RequestedEnd { behind: row, end } in std::mem::take(&mut *self.lock()) {
            match row {
                None if behind.contains(&end) => {}
                None => behind.push(end),
                Some(row) => {
                    if rows.insert(row, end).is_some_and(|before| before != end) {
                        return Err(refused(format!(
                            "Connector requested both commit and abort of same record: row {row} of a poll"
                        )));
                    }
                }
            }
        }
        let count = batch.as_ref().map_or(0, Batch::rows);
        if let Some((row, _)) = rows.range(count..).next() {
            return Err(refused(format!(
                "the connector asked for the end of a transaction behind row {row} of a poll that returned {count} row(s)"
            )));
        }
        let batch = match batch {
            Some(batch) if !rows.is_empty() => batch,
            whole => return Ok(Cut { behind, ..Cut::whole(whole) }),
        };
        let table = batch.open();
        let mut next = 0;
        let ends = rows.into_iter().map(|(row, end)| (row + 1, Some(end))).chain([(count, None)]);
        let pieces = ends.filter_map(|(until, end)| {
            let numbers: Vec<u32> = (std::mem::replace(&mut next, until)..until).collect();
            if numbers.is_empty() {
                return None;
            }
            let mut piece = table.take(&numbers);
            // Each is a batch of its own, as if it had been polled.
            piece.remove(Role::ORIGIN);
            Some((piece.into_batch(), end))
        });
        Ok(Cut { pieces: pieces.collect(), behind })
    }
}

fn refused(text: String) -> Failure {
    Failure::new(ErrorKind::Fatal, CONNECT_EXCEPTION, text)
}

#[cfg(test)]
mod tests {
    use millstream_record::batch::{Column, Table};

    use super::{
        TransactionEnd::{Abort, Commit},
        *,
    };

    fn batch(topics: &[&str]) -> Batch {
        let mut table = Table::new(topics.len() as u32);
        table.set(Role::TOPIC, Column::strings(topics.iter().copied()));
        table.into_batch()
    }

    fn ends(asked: &[(Option<u32>, TransactionEnd)]) -> RequestedEnds {
        let ends = RequestedEnds::default();
        ends.ask(asked.iter().map(|&(behind, end)| RequestedEnd { behind, end }).collect());
        ends
    }

    /// The rows of each piece by their topics, with its end.
    fn pieces(
        asked: &[(u32, TransactionEnd)],
        topics: &[&str],
    ) -> Result<Vec<(String, Option<TransactionEnd>)>, String> {
        let asked: Vec<_> = asked.iter().map(|&(row, end)| (Some(row), end)).collect();
        let batch = (!topics.is_empty()).then(|| batch(topics));
        let cut = ends(&asked).cut(batch).map_err(|failure| failure.message)?;
        let rows = |batch: Batch| {
            let table = batch.open();
            assert!(table.get(Role::ORIGIN).is_none(), "a piece counts its rows from 0");
            (0..table.rows as usize).filter_map(|row| table.topic(row)).collect::<String>()
        };
        Ok(cut.pieces.into_iter().map(|(batch, end)| (rows(batch), end)).collect())
    }

    #[test]
    fn a_batch_is_cut_behind_the_rows_that_end_a_transaction() {
        let piece = |rows: &str, end| (rows.to_owned(), end);
        let rows = ["a", "b", "c", "d"];
        assert_eq!(pieces(&[], &rows), Ok(vec![piece("abcd", None)]));
        assert_eq!(pieces(&[(3, Commit)], &rows), Ok(vec![piece("abcd", Some(Commit))]));
        let expected = vec![piece("a", Some(Commit)), piece("bc", Some(Abort)), piece("d", None)];
        assert_eq!(pieces(&[(2, Abort), (0, Commit)], &rows), Ok(expected));
        assert_eq!(pieces(&[], &[]), Ok(Vec::new()));
    }

    #[test]
    fn a_row_that_is_not_there_and_two_ends_of_one_row_fail_the_task() {
        assert!(pieces(&[(2, Commit)], &["a", "b"]).unwrap_err().contains("row 2 of a poll that returned 2 row(s)"));
        assert!(pieces(&[(u32::MAX, Commit)], &["a"]).unwrap_err().contains("of a poll that returned 1 row(s)"));
        assert!(pieces(&[(0, Commit)], &[]).unwrap_err().contains("row 0 of a poll that returned 0 row(s)"));
        assert!(pieces(&[(1, Commit), (1, Abort)], &["a", "b"]).unwrap_err().contains("both commit and abort"));
        assert_eq!(pieces(&[(0, Commit), (0, Commit)], &["a"]), Ok(vec![("a".to_owned(), Some(Commit))]));
    }

    #[test]
    fn what_was_asked_is_taken_once_and_the_last_word_counts() {
        let behind = |ends: &RequestedEnds| {
            let cut = ends.cut(None).expect("nothing is asked of a row");
            assert!(cut.pieces.is_empty());
            cut.behind
        };
        let ends = ends(&[(None, Abort), (Some(7), Abort)]);
        ends.ask(vec![RequestedEnd { behind: None, end: Commit }; 2]);
        assert_eq!(behind(&ends), [Commit]);
        assert_eq!(behind(&ends), []);
        let both = [Commit, Abort].map(|end| RequestedEnd { behind: None, end });
        ends.ask(both.to_vec());
        assert_eq!(behind(&ends), [Commit, Abort], "which its boundary refuses");
        ends.ask(both.to_vec());
        ends.forget();
        assert_eq!(behind(&ends), []);
    }
}
