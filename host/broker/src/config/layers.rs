//! The broker's settings by where they come from: what was changed while it runs stands over what its file says.

use std::collections::BTreeMap;

/// Where a value comes from; the number is that of DescribeConfigs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// Set for the topic.
    Topic = 1,
    /// Set for this broker while it runs.
    OwnBroker = 2,
    /// Set for all brokers while they run.
    AllBrokers = 3,
    /// From the broker's file.
    Broker = 4,
    /// The default.
    Default = 5,
    /// Set for a subscription to clients' metrics.
    ClientMetrics = 7,
}

/// Keys and their values, as they were written.
pub type Pairs = BTreeMap<String, String>;

/// Settings in effect. A change makes a new value.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    own: Pairs,
    all: Pairs,
    file: Pairs,
}

impl Layers {
    /// What was set for this broker, for all brokers, and in the file.
    pub fn new(own: Pairs, all: Pairs, file: Pairs) -> Self {
        Self { own, all, file }
    }

    /// What the file says, and nothing else.
    pub fn of_file(file: Pairs) -> Self {
        Self { file, ..Self::default() }
    }

    /// The value in effect, unless it is the default.
    pub fn get(&self, name: &str) -> Option<(&str, Source)> {
        self.each(name).next()
    }

    /// Every value of a key, the one in effect first.
    pub fn each<'a>(&'a self, name: &str) -> impl Iterator<Item = (&'a str, Source)> + use<'a> {
        let found = [(&self.own, Source::OwnBroker), (&self.all, Source::AllBrokers), (&self.file, Source::Broker)]
            .map(|(layer, source)| layer.get(name).map(|value| (value.as_str(), source)));
        found.into_iter().flatten()
    }

    /// Whether there is any value.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_for_one_broker_stands_over_what_is_set_for_all_and_both_over_the_file() {
        let pairs = |value: &str| Pairs::from([("k".to_owned(), value.to_owned())]);
        let layers = Layers::new(pairs("own"), pairs("all"), pairs("file"));
        let every: Vec<_> = layers.each("k").collect();
        assert_eq!(every, [("own", Source::OwnBroker), ("all", Source::AllBrokers), ("file", Source::Broker)]);
        assert_eq!(Layers::new(Pairs::new(), pairs("all"), pairs("file")).get("k"), Some(("all", Source::AllBrokers)));
        assert_eq!(Layers::of_file(pairs("file")).get("k"), Some(("file", Source::Broker)));
        assert!(!layers.contains("other"));
    }
}
