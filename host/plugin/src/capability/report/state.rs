//! Which topics one instance may write to.

use std::collections::HashMap;

use millstream_connector::{ErrorKind, Failure};
use millstream_record::TopicName;

/// Most records of one call.
const MAX_RECORDS: usize = 10_000;

/// What the keys of an instance's configuration open.
#[derive(Debug, Default)]
pub(crate) struct ReportAccess {
    topics: HashMap<String, (TopicName, i16)>,
}

impl ReportAccess {
    pub(super) fn grant(&mut self, key: &str, topic: TopicName, replication: i16) {
        self.topics.insert(key.to_owned(), (topic, replication));
    }

    pub(crate) fn revoke_all(&mut self) {
        self.topics.clear();
    }

    /// The topic of a key, with its replication factor, for so many records.
    ///
    /// # Errors
    ///
    /// The key opens none, or there are too many, as the guest hears.
    pub(crate) fn of(&self, key: &str, records: usize) -> Result<(TopicName, i16), Failure> {
        if MAX_RECORDS < records {
            let text = format!("{records} records are too many for one call: {MAX_RECORDS} are allowed");
            return Err(Failure::new(ErrorKind::Fatal, "", text));
        }
        let granted = self.topics.get(key).cloned();
        granted
            .ok_or_else(|| Failure::new(ErrorKind::Fatal, "", format!("the key {key} opens no topic, or has no value")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_its_topic_and_no_other_and_so_many_records_at_a_time() {
        let mut access = ReportAccess::default();
        access.grant("errors", TopicName::parse("dead").unwrap(), 1);
        assert_eq!(access.of("errors", 1).unwrap().0.to_string(), "dead");
        assert!(access.of("other", 1).is_err());
        assert!(access.of("errors", MAX_RECORDS + 1).is_err());
        access.revoke_all();
        assert!(access.of("errors", 1).is_err());
    }
}
