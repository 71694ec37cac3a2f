//! How many records a topic has, and how many of them a group has done with.

use std::{collections::BTreeMap, sync::Arc};

use millstream_client::{Admin, AdminConfig, Cluster, TcpDial, admin::OffsetSpec, config::IsolationLevel};
use millstream_record::TopicName;
use tokio::runtime::{Builder, Runtime};

/// Asks brokers.
pub(crate) struct Counter(Runtime);

impl Default for Counter {
    fn default() -> Self {
        Self(Builder::new_current_thread().enable_all().build().expect("a runtime"))
    }
}

impl Counter {
    /// Records in a topic of one partition; none while it does not exist or nobody answers.
    pub(crate) fn count(&self, broker: &str, topic: &str) -> Option<u64> {
        let name = TopicName::parse(topic).expect("a good name");
        self.0.block_on(async {
            let admin = admin(broker);
            let topics = admin.list_topics(false).await.ok()?;
            if !topics.contains(&name) {
                return None;
            }
            let wanted = [(name, 0, OffsetSpec::Latest)];
            let found = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await.ok()?;
            found.into_values().next().and_then(|listed| u64::try_from(listed.offset?).ok())
        })
    }

    /// The offset that a group has committed for a topic of one partition; none while there is none or nobody answers.
    pub(crate) fn committed(&self, broker: &str, group: &str, topic: &str) -> Option<u64> {
        let place = (TopicName::parse(topic).expect("a good name"), 0);
        self.0.block_on(async {
            let offsets = admin(broker).list_group_offsets(group, None).await.ok()?;
            u64::try_from(offsets.get(&place)?.offset).ok()
        })
    }
}

fn admin(broker: &str) -> Admin {
    let settings = BTreeMap::from([("bootstrap.servers".to_owned(), broker.to_owned())]);
    let config = AdminConfig::from_properties(&settings).expect("good settings");
    Admin::new(&Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone()), &config)
}
