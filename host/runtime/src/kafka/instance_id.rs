//! The names under which tasks of sinks are static members of their consumer groups (KIP-345).
//!
//! A worker that was killed leaves members behind, and their groups wait for these until their sessions are over. Whoever
//! comes under the name of one takes its place at once, on any broker; and if the other one is there after all, it is shut
//! out and commits nothing more.

use millstream_config::{ConfigMap, connector_key_names as key};
use millstream_connector::TaskId;

/// Characters that are kept of each name; Kafka takes 249 altogether.
const KEPT: usize = 80;

/// A group of workers, whose tasks know each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct WorkerGroup {
    /// The Kafka cluster that the group is on. Another one may have a group of the same name, and both may read a third.
    pub(super) cluster_id: String,
    /// `group.id` of the workers.
    pub(super) group_id: String,
}

impl WorkerGroup {
    /// The `group.instance.id` of a task. Nobody else has it: no other task, group of workers or cluster; and not the same
    /// task when it reads other topics, since who takes a member's place is not asked what it subscribes to.
    pub(super) fn instance_id(&self, task: &TaskId, connector: &ConfigMap) -> String {
        let topics = [key::TOPICS.name(), key::TOPICS_REGEX.name()];
        let topics = topics.map(|key| connector.get(key).and_then(Option::as_deref).unwrap_or(""));
        let texts = [&*self.cluster_id, &self.group_id, &task.connector].into_iter().chain(topics);
        // FNV-1a, 64 bits wide, with a byte behind each text that no text has.
        let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
        let hash =
            bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{}-{}-{}-{hash:016x}", shown(&self.group_id), shown(&task.connector), task.number)
    }

    /// The number of the connector's task that is known by this name, if one is.
    pub(super) fn task_of(&self, name: &str, connector: &ConfigMap, instance_id: &str) -> Option<u32> {
        number_in(instance_id).filter(|&number| {
            let task = TaskId { connector: name.to_owned(), number };
            self.instance_id(&task, connector) == instance_id
        })
    }
}

/// The task of a connector that has this name, if its form is that of [`WorkerGroup::instance_id`].
fn number_in(instance_id: &str) -> Option<u32> {
    instance_id.rsplit('-').nth(1)?.parse().ok()
}

/// What can be shown of a name in the characters that Kafka takes.
fn shown(name: &str) -> String {
    let taken = |of: char| if of.is_ascii_alphanumeric() || ".-".contains(of) { of } else { '_' };
    name.chars().take(KEPT).map(taken).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn id(cluster: &str, group: &str, connector: &str, number: u32, topics: &str) -> String {
        let group = WorkerGroup { cluster_id: cluster.to_owned(), group_id: group.to_owned() };
        let config = ConfigMap::from([("topics".to_owned(), Some(topics.to_owned()))]);
        group.instance_id(&TaskId { connector: connector.to_owned(), number }, &config)
    }

    #[test]
    fn a_task_is_known_by_its_name_wherever_it_runs_and_nothing_else_is() {
        assert_eq!(id("k", "workers", "sink", 3, "t"), "workers-sink-3-d8c54da4aef4a239");
        let others = [
            id("k", "workers", "sink", 3, "t"),
            id("k", "workers", "sink", 13, "t"),
            id("k", "workers", "sink2", 3, "t"),
            id("k", "workers", "sink", 3, "u"),
            id("k", "other", "sink", 3, "t"),
            id("l", "workers", "sink", 3, "t"),
            id("k", "workers-sink", "3", 3, "t"),
            id("k", "workers", "sink ", 3, "t"),
            id("k", "workers", "sinkä", 3, "t"),
        ];
        assert_eq!(others.iter().collect::<BTreeSet<_>>().len(), others.len());
        let group = WorkerGroup { cluster_id: "k".to_owned(), group_id: "workers".to_owned() };
        let config = ConfigMap::from([("topics".to_owned(), Some("t".to_owned()))]);
        let named: Vec<u32> = others.iter().filter_map(|id| group.task_of("sink", &config, id)).collect();
        assert_eq!(named, [3, 13], "both tasks, and nothing else");
        let task_of = |id| group.task_of("sink", &config, id);
        assert!(!["", "-", "sink", "workers-sink-3-"].into_iter().any(|id| task_of(id).is_some()));
    }

    #[test]
    fn kafka_takes_the_name_whatever_connectors_are_called() {
        for name in ["ü".repeat(500), "a b/c:d".to_owned(), String::new()] {
            let id = id("k", &name, &name, u32::MAX, "t");
            assert!(id.len() <= 249 && id.chars().all(|of| of.is_ascii_alphanumeric() || "._-".contains(of)), "{id}");
        }
    }
}
