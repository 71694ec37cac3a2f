//! The checks, one file a question. Each reads the model and adds what it finds.

mod copies;
mod cycles;
mod isolation;
mod logs;
mod order;

use std::collections::BTreeSet;

use crate::{
    anomaly::Report,
    history::{History, Partition},
    model::{MalformedHistory, Model, Standing, Verdict},
};

use self::logs::Logs;

/// What a history promises beyond the rules that always hold.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Partitions of which each record was to be copied exactly once, and had the time for it.
    pub copied: BTreeSet<Partition>,
}

/// Looks for everything that must not happen. That a record is missing can only be said once the partitions were read
/// to their ends, by a client that read them from their starts: it should be the last thing in a history.
///
/// # Errors
///
/// The history is none.
pub fn check(history: &History, rules: &Rules) -> Result<Report, MalformedHistory> {
    let model = Model::read(history)?;
    let logs = Logs::new(&model);
    let mut report = Report {
        sends: model.writes.len(),
        certain: model.writes.iter().filter(|write| write.standing == Standing::Certain).count(),
        reads: model.reads.len(),
        ..Report::default()
    };
    for transaction in &model.transactions {
        match transaction.verdict {
            Verdict::Committed => report.committed += 1,
            Verdict::Aborted => report.aborted += 1,
            Verdict::Unknown => report.undecided += 1,
        }
    }
    let found = &mut report.anomalies;
    logs.check(&model, found);
    isolation::check(&model, found);
    order::check_polls(&model, &logs, found);
    order::check_sends(&model, found);
    copies::check(&model, &logs, rules, found);
    report.allowed = cycles::check(&model, &logs, found);
    Ok(report)
}
