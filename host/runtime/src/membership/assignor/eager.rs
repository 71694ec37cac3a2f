//! Everything anew in every round, turn by turn: members of before KIP-415.

use std::collections::BTreeMap;

use super::{Decision, Part};
use crate::membership::{Work, WorkSet};

/// Gives everything to do, connectors first, to the members in turn, by their ids.
pub fn eager<'a>(configured: &WorkSet, members: impl IntoIterator<Item = &'a str>) -> Decision {
    let mut holds: BTreeMap<String, Work> = members.into_iter().map(|id| (id.to_owned(), Work::default())).collect();
    let ids: Vec<String> = holds.keys().cloned().collect();
    let mut turns = ids.iter().cycle();
    for (name, id) in configured.connectors.iter().zip(turns.by_ref()) {
        holds.entry(id.clone()).or_default().connectors.push(name.clone());
    }
    for (task, id) in configured.tasks.iter().zip(turns) {
        holds.entry(id.clone()).or_default().tasks.push(task.clone());
    }
    let whole = |(id, work): (&String, &Work)| (id.clone(), Part { assigned: work.clone(), revoked: Work::default() });
    Decision { parts: holds.iter().map(whole).collect(), holds, delay_ms: 0 }
}
