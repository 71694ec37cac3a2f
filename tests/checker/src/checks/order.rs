//! Positions of a reader only rise, and by one visible record at a time; so do the offsets of a producer.

use std::collections::HashMap;

use crate::{
    anomaly::{Anomaly, Kind},
    history::{Fate, Offset, Partition},
    model::{Model, Read},
};

use super::logs::Logs;

pub fn check_polls(model: &Model, logs: &Logs, found: &mut Vec<Anomaly>) {
    let mut last: HashMap<(usize, Partition), &Read> = HashMap::new();
    for read in &model.reads {
        let stretch = model.stretches[read.stretch];
        let before = last.insert((read.stretch, read.partition), read);
        let internal = before.is_some_and(|before| {
            before.poll == read.poll || (before.transaction.is_some() && before.transaction == read.transaction)
        });
        let after = match before {
            Some(before) => before.offset,
            // Nothing is known of where a group stood.
            None if !stretch.from_start => continue,
            None => Offset(-1),
        };
        let (partition, offset) = (read.partition, read.offset);
        let place = format!("client {} in partition {}: {} after {}", stretch.client.0, partition.0, offset.0, after.0);
        if offset <= after {
            let kind = if internal { Kind::InternalNonmonotonicPoll } else { Kind::ExternalNonmonotonicPoll };
            found.push(Anomaly { kind, detail: place });
        } else if let Some(skipped) = logs.first_between(partition, read.isolation, after, offset) {
            let kind = if internal { Kind::InternalPollSkip } else { Kind::ExternalPollSkip };
            let detail = format!("{place}, which leaves out {} ({:?})", skipped.0, read.isolation);
            found.push(Anomaly { kind, detail });
        }
    }
}

pub fn check_sends(model: &Model, found: &mut Vec<Anomaly>) {
    let mut last: HashMap<(usize, Partition), usize> = HashMap::new();
    for (number, write) in model.writes.iter().enumerate() {
        let Fate::At(offset) = write.fate else { continue };
        let Some(before) = last.insert((write.life, write.partition), number) else { continue };
        let before = &model.writes[before];
        let Fate::At(after) = before.fate else { continue };
        if offset <= after {
            let internal = before.asked == write.asked
                || (before.transaction.is_some() && before.transaction == write.transaction);
            let kind = if internal { Kind::InternalNonmonotonicSend } else { Kind::ExternalNonmonotonicSend };
            let (client, partition) = (model.lives[write.life].0, write.partition.0);
            let detail = format!(
                "client {client} in partition {partition}: value {} at {} was sent after {} at {}",
                write.value.0, offset.0, before.value.0, after.0
            );
            found.push(Anomaly { kind, detail });
        }
    }
}
