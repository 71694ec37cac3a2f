//! Nobody sees what was aborted or refused, or what is not committed yet.

use crate::{
    anomaly::{Anomaly, Kind},
    history::{Fate, Isolation},
    model::{Model, Standing},
};

pub fn check(model: &Model, found: &mut Vec<Anomaly>) {
    for read in &model.reads {
        let Some(write) = model.write_of(read.partition, read.value) else { continue };
        let reader = model.stretches[read.stretch].client.0;
        let what = format!("client {reader} read value {} at {} of {}", read.value.0, read.offset.0, read.partition.0);
        let committed = read.isolation == Isolation::Committed;
        if write.fate == Fate::Refused || (committed && write.standing == Standing::Never) {
            let why = if write.fate == Fate::Refused { "was refused" } else { "belongs to an aborted transaction" };
            found.push(Anomaly { kind: Kind::AbortedRead, detail: format!("{what}, which {why}") });
            continue;
        }
        if read.answered < write.asked {
            let detail = format!("{what} at event {}, which was sent at {}", read.answered, write.asked);
            found.push(Anomaly { kind: Kind::PrecommittedRead, detail });
            continue;
        }
        let Some(transaction) = write.transaction.map(|number| &model.transactions[number]) else { continue };
        if committed && transaction.commit_asked.is_none_or(|asked| read.answered < asked) {
            let writer = transaction.client.0;
            let asked = transaction.commit_asked.map_or("never".to_owned(), |asked| format!("at {asked}"));
            let detail =
                format!("{what} at event {}, while the commit of client {writer} was asked for {asked}", read.answered);
            found.push(Anomaly { kind: Kind::PrecommittedRead, detail });
        }
    }
}
