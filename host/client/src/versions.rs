//! Which version of each API this client speaks, and what it agrees on with a broker.

use millstream_wire::protocol::messages::{
    ApiKey,
    api_versions_response::{ApiVersion, FinalizedFeatureKey},
};

/// API, oldest and newest version in use here. The oldest are those of Kafka 2.1, as for Java clients 4.x.
///
/// Ceilings below the protocol's newest: Produce 13, Fetch 13 and DeleteTopics 6 name topics by id, FindCoordinator 4
/// and OffsetFetch 8 ask for several groups at once, AddPartitionsToTxn 4 is for brokers.
const SPOKEN: &[(ApiKey, i16, i16)] = &[
    (ApiKey::Produce, 3, 12),
    (ApiKey::Fetch, 4, 12),
    (ApiKey::ListOffsets, 1, 9),
    (ApiKey::Metadata, 4, 12),
    (ApiKey::OffsetCommit, 2, 9),
    (ApiKey::OffsetFetch, 1, 7),
    (ApiKey::FindCoordinator, 0, 3),
    (ApiKey::JoinGroup, 2, 9),
    (ApiKey::Heartbeat, 0, 4),
    (ApiKey::LeaveGroup, 0, 5),
    (ApiKey::SyncGroup, 0, 5),
    (ApiKey::DescribeGroups, 0, 5),
    (ApiKey::ListGroups, 0, 5),
    // Older ones exchange tokens without a request around them.
    (ApiKey::SaslHandshake, 1, 1),
    (ApiKey::SaslAuthenticate, 0, 2),
    (ApiKey::ApiVersions, 0, 4),
    (ApiKey::CreateTopics, 2, 7),
    (ApiKey::DeleteTopics, 1, 5),
    (ApiKey::DeleteRecords, 0, 2),
    (ApiKey::InitProducerId, 0, 5),
    // Older versions are for replicas only.
    (ApiKey::OffsetForLeaderEpoch, 3, 4),
    (ApiKey::AddPartitionsToTxn, 0, 3),
    (ApiKey::AddOffsetsToTxn, 0, 4),
    (ApiKey::EndTxn, 0, 5),
    (ApiKey::TxnOffsetCommit, 0, 5),
    (ApiKey::DescribeConfigs, 1, 4),
    (ApiKey::CreatePartitions, 0, 3),
    (ApiKey::DeleteGroups, 0, 2),
    (ApiKey::IncrementalAlterConfigs, 0, 1),
    (ApiKey::OffsetDelete, 0, 0),
    (ApiKey::DescribeCluster, 0, 1),
];

/// Broker and client have no version of an API in common.
#[expect(missing_docs, reason = "the message tells what each field is")]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the broker offers {api:?} in versions {} to {}, this client speaks {} to {}", offered.0, offered.1, spoken.0, spoken.1)]
pub struct NoCommonVersion {
    pub api: ApiKey,
    /// Oldest and newest version of the broker; 0 to -1 when it does not have the API.
    pub offered: (i16, i16),
    /// Oldest and newest version of this client.
    pub spoken: (i16, i16),
}

/// The versions one broker offers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct OfferedVersions {
    /// By API key, ascending.
    ranges: Vec<(i16, i16, i16)>,
    /// The level of `transaction.version` that the cluster has agreed on; 0 for none.
    transaction_version: i16,
}

impl OfferedVersions {
    pub(crate) fn new(offered: &[ApiVersion], finalized: &[FinalizedFeatureKey]) -> Self {
        let mut ranges: Vec<_> = offered.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        ranges.sort_unstable();
        let transaction_version = finalized.iter().find(|feature| feature.name.as_str() == "transaction.version");
        Self { ranges, transaction_version: transaction_version.map_or(0, |feature| feature.max_version_level) }
    }

    /// The level of the feature `transaction.version`; 0 where there is none.
    pub(crate) fn transaction_version(&self) -> i16 {
        self.transaction_version
    }

    /// The newest version both sides have.
    pub(crate) fn choose(&self, api: ApiKey) -> Result<i16, NoCommonVersion> {
        let spoken = spoken(api);
        let found = self.ranges.binary_search_by_key(&(api as i16), |range| range.0);
        let offered = found.map_or((0, -1), |at| (self.ranges[at].1, self.ranges[at].2));
        let newest = spoken.1.min(offered.1);
        if newest < spoken.0.max(offered.0) {
            return Err(NoCommonVersion { api, offered, spoken });
        }
        Ok(newest)
    }
}

/// Oldest and newest version of an API in use here.
pub(crate) fn spoken(api: ApiKey) -> (i16, i16) {
    SPOKEN.iter().find(|row| row.0 == api).map_or((0, -1), |row| (row.1, row.2))
}

#[cfg(test)]
mod tests {
    use millstream_wire::guard::{Malformed, check_request, check_response};

    use super::*;

    #[test]
    fn requests_of_every_version_that_is_spoken_can_be_read_and_their_answers_too() {
        // The message types announce versions that they do not read; the guard knows better.
        let unknown = Err(Malformed { field: "version", position: 0 });
        for &(api, oldest, newest) in SPOKEN {
            for version in oldest..=newest {
                assert_ne!(check_request(api, version, &[]), unknown, "{api:?} {version}");
                assert_ne!(check_response(api, version, &[]), unknown, "{api:?} {version}");
            }
        }
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        let offered = [(0, 0, 13), (1, 4, 6), (3, 13, 14)]
            .map(|(key, min, max)| ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max));
        let offered = OfferedVersions::new(&offered, &[]);
        assert_eq!(offered.choose(ApiKey::Produce), Ok(12));
        assert_eq!(offered.choose(ApiKey::Fetch), Ok(6));
        let refused = offered.choose(ApiKey::Metadata).expect_err("nothing in common");
        assert_eq!(refused.to_string(), "the broker offers Metadata in versions 13 to 14, this client speaks 4 to 12");
        assert!(offered.choose(ApiKey::JoinGroup).is_err(), "an API the broker does not list");
    }
}
