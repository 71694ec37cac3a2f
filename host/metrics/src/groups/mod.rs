//! The table: every metric there is. Names of Connect's groups and attributes are Connect's own, as of Kafka 4.3; what is
//! text there (states, classes, versions) is a word that its owner sets.

mod broker;
mod client;
mod ours;
mod task;
mod worker;

use crate::table::{Group, GroupDefinition};

pub use broker::{BrokerRequests, LogCleaner};
pub use client::{
    ClientConnections, ConsumerFetches, ConsumerGroup, GroupMembership, ProducerRecords, WorkerAssignment, WorkerNode,
};
pub use ours::{ConnectorLatency, Exposition, PluginInstance, Restarts, SinkPartition, TaskMemory, TaskStage};
pub use task::{
    Connector, PredicatePlugin, SinkTask, SourceTask, SourceTransactions, Task, TaskErrors, TaskPlugins,
    TransformPlugin,
};
pub use worker::{AppInfo, ConnectorTasks, MetricsCount, Worker, WorkerRebalances};

/// Every kind of group, in the order of the reference page.
pub fn all_groups() -> [&'static GroupDefinition; 34] {
    [
        AppInfo::DEFINITION,
        MetricsCount::DEFINITION,
        Worker::DEFINITION,
        ConnectorTasks::DEFINITION,
        WorkerRebalances::DEFINITION,
        GroupMembership::OF_WORKERS,
        WorkerAssignment::DEFINITION,
        ClientConnections::OF_WORKERS,
        WorkerNode::DEFINITION,
        Connector::DEFINITION,
        Task::DEFINITION,
        TaskPlugins::DEFINITION,
        TransformPlugin::DEFINITION,
        PredicatePlugin::DEFINITION,
        SourceTask::DEFINITION,
        SourceTransactions::DEFINITION,
        SinkTask::DEFINITION,
        TaskErrors::DEFINITION,
        ConnectorLatency::DEFINITION,
        TaskStage::DEFINITION,
        TaskMemory::DEFINITION,
        SinkPartition::DEFINITION,
        PluginInstance::DEFINITION,
        Restarts::DEFINITION,
        BrokerRequests::DEFINITION,
        LogCleaner::DEFINITION,
        ProducerRecords::DEFINITION,
        ClientConnections::OF_PRODUCERS,
        ConsumerFetches::DEFINITION,
        ConsumerGroup::DEFINITION,
        GroupMembership::OF_CONSUMERS,
        ClientConnections::OF_CONSUMERS,
        ClientConnections::OF_ADMINS,
        Exposition::DEFINITION,
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::table::Statistic;

    #[test]
    fn no_group_has_two_metrics_of_one_name_and_each_says_what_it_means() {
        let mut names = BTreeSet::new();
        for group in all_groups() {
            for attribute in group.attributes {
                // What a producer sends and its connections are one group for whoever looks.
                assert!(names.insert((group.name, attribute.name)), "{} twice in {}", attribute.name, group.name);
                assert!(!attribute.help.is_empty() && !attribute.help.ends_with('.'), "{}", attribute.name);
                let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(attribute.name.chars().all(lower), "{}", attribute.name);
            }
        }
    }

    #[test]
    fn a_share_names_instruments_of_its_own_group() {
        for group in all_groups() {
            for attribute in group.attributes {
                if let Statistic::ShareWith(other) = attribute.statistic {
                    assert!(group.attributes.iter().any(|row| row.instrument == other), "{}", attribute.name);
                }
            }
        }
    }
}
