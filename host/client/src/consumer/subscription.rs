//! What a consumer reads: topics by their names, topics that match, or partitions that it was given.

use std::{collections::BTreeSet, fmt, sync::Arc};

use millstream_record::TopicName;
use tokio::time::Instant;

use super::ConsumeError;
use crate::metadata::Metadata;

/// Says of an existing topic whether it is to be read, or why that cannot be told, which is the end of the reading: a
/// topic must not be left out because nobody knew.
pub type TopicFilter = Arc<dyn Fn(&TopicName) -> Result<bool, String> + Send + Sync>;

/// Where partitions come from.
#[derive(Debug)]
pub(super) enum Subscription {
    None,
    Topics(BTreeSet<TopicName>),
    Matching(Matching),
    Manual,
}

/// A subscription to whatever exists and matches.
pub(super) struct Matching {
    filter: TopicFilter,
    /// Kafka's own topics are left out.
    exclude_internal: bool,
    /// As of the last listing.
    found: BTreeSet<TopicName>,
    /// When topics were listed.
    listed: Option<Instant>,
    /// Whether they have to be listed again before the group is joined.
    is_outdated: bool,
}

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matching").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Subscription {
    pub(super) fn matching(filter: TopicFilter, exclude_internal: bool) -> Self {
        Self::Matching(Matching { filter, exclude_internal, found: BTreeSet::new(), listed: None, is_outdated: true })
    }

    /// The topics that the group is told of; `None` while they are not known, or where there is no group.
    pub(super) fn to_join_with(&self) -> Option<&BTreeSet<TopicName>> {
        match self {
            Self::Topics(topics) => Some(topics),
            Self::Matching(matching) if !matching.is_outdated => Some(&matching.found),
            Self::Matching(_) | Self::None | Self::Manual => None,
        }
    }

    /// The topics that are known to be read, which partitions that were given are not among.
    pub(super) fn topics(&self) -> Option<&BTreeSet<TopicName>> {
        match self {
            Self::Topics(topics) => Some(topics),
            Self::Matching(matching) => Some(&matching.found),
            Self::None | Self::Manual => None,
        }
    }

    /// When topics were listed, if that is how they are found; `None` inside if they have to be now.
    pub(super) fn listed(&self) -> Option<Option<Instant>> {
        match self {
            Self::Matching(matching) => Some(matching.listed.filter(|_| !matching.is_outdated)),
            _ => None,
        }
    }

    /// Has topics listed again before the group is joined: the others may know of some that are new.
    pub(super) fn outdate(&mut self) {
        if let Self::Matching(matching) = self {
            matching.is_outdated = true;
        }
    }

    /// Takes note of all topics that there are. Returns whether others match than before.
    ///
    /// # Errors
    ///
    /// The filter cannot judge a topic. What was found before stays.
    pub(super) fn list(&mut self, metadata: &Metadata, now: Instant) -> Result<bool, ConsumeError> {
        let Self::Matching(matching) = self else { return Ok(false) };
        let mut found = BTreeSet::new();
        for (name, topic) in metadata.topics() {
            let matches = || {
                let told = (matching.filter)(name);
                told.map_err(|reason| ConsumeError::Unmatchable { topic: name.clone(), reason })
            };
            if !(topic.internal && matching.exclude_internal) && matches()? {
                found.insert(name.clone());
            }
        }
        matching.listed = Some(now);
        matching.is_outdated = false;
        let changed = found != matching.found;
        matching.found = found;
        Ok(changed)
    }
}
