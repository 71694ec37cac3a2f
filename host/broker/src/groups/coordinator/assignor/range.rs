//! The range assignor: each topic's partitions are cut into as many pieces as it has subscribers.

use std::collections::BTreeMap;

use super::Spec;
use crate::groups::records::Partitions;

pub(super) fn assign(spec: &Spec<'_>) -> BTreeMap<String, Partitions> {
    let mut members: Vec<_> = spec.members.iter().collect();
    // Static members come first, by the id that outlives a restart, so that each keeps its place.
    members.sort_by_key(|(id, member)| (member.instance_id.is_none(), member.instance_id, **id));
    let mut assigned: BTreeMap<String, Partitions> =
        members.iter().map(|(id, _)| ((**id).to_owned(), Partitions::new())).collect();
    for (topic, &partitions) in &spec.topics {
        let subscribers: Vec<&str> =
            members.iter().filter(|(_, member)| member.topics.contains(topic)).map(|(id, _)| **id).collect();
        let Ok(count) = i32::try_from(subscribers.len()) else { continue };
        if count == 0 {
            continue;
        }
        let (share, longer) = (partitions / count, partitions % count);
        let mut from = 0;
        for (id, number) in subscribers.into_iter().zip(0..) {
            let to = from + share + i32::from(number < longer);
            if from < to
                && let Some(partitions) = assigned.get_mut(id)
            {
                partitions.insert(*topic, (from..to).collect());
            }
            from = to;
        }
    }
    assigned
}
