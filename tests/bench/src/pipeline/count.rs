//! How many records a topic has.

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
            let settings = BTreeMap::from([("bootstrap.servers".to_owned(), broker.to_owned())]);
            let config = AdminConfig::from_properties(&settings).expect("good settings");
            let cluster = Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone());
            let admin = Admin::new(&cluster, &config);
            let topics = admin.list_topics(false).await.ok()?;
            if !topics.contains(&name) {
                return None;
            }
            let wanted = [(name, 0, OffsetSpec::Latest)];
            let found = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await.ok()?;
            found.into_values().next().and_then(|listed| u64::try_from(listed.offset?).ok())
        })
    }
}
