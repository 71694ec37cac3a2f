//! Which APIs are served, and in which versions.

use millstream_wire::protocol::messages::ApiKey;

use super::unserved::UNSERVED;

/// An API with its versions.
pub struct Served {
    /// The API.
    pub api: ApiKey,
    /// Lowest version that is announced.
    pub announced_min: i16,
    /// Lowest version that is served.
    pub min: i16,
    /// Highest version.
    pub max: i16,
}

const fn served(api: ApiKey, min: i16, max: i16) -> Served {
    Served { api, announced_min: min, min, max }
}

/// In ascending order of the API's number, as ApiVersions lists them.
///
/// Ceilings leave out what belongs to two-phase commit (InitProducerId 6), to topic ids in Produce, and to replication.
pub const SERVED: &[Served] = &[
    // Librdkafka before 2.11.1 takes a missing version 0 for "no gzip, no snappy".
    Served { api: ApiKey::Produce, announced_min: 0, min: 3, max: 12 },
    served(ApiKey::Fetch, 4, 16),
    served(ApiKey::ListOffsets, 1, 9),
    served(ApiKey::Metadata, 0, 13),
    served(ApiKey::OffsetCommit, 2, 9),
    served(ApiKey::OffsetFetch, 1, 9),
    served(ApiKey::FindCoordinator, 0, 6),
    served(ApiKey::JoinGroup, 0, 9),
    served(ApiKey::Heartbeat, 0, 4),
    served(ApiKey::LeaveGroup, 0, 5),
    served(ApiKey::SyncGroup, 0, 5),
    served(ApiKey::DescribeGroups, 0, 6),
    served(ApiKey::ListGroups, 0, 5),
    served(ApiKey::SaslHandshake, 0, 1),
    served(ApiKey::ApiVersions, 0, 4),
    served(ApiKey::CreateTopics, 2, 7),
    served(ApiKey::DeleteTopics, 1, 6),
    served(ApiKey::DeleteRecords, 0, 2),
    served(ApiKey::InitProducerId, 0, 5),
    served(ApiKey::OffsetForLeaderEpoch, 2, 4),
    served(ApiKey::AddPartitionsToTxn, 0, 5),
    served(ApiKey::AddOffsetsToTxn, 0, 4),
    served(ApiKey::EndTxn, 0, 5),
    served(ApiKey::WriteTxnMarkers, 1, 1),
    served(ApiKey::TxnOffsetCommit, 0, 5),
    served(ApiKey::DescribeAcls, 1, 3),
    served(ApiKey::CreateAcls, 1, 3),
    served(ApiKey::DeleteAcls, 1, 3),
    served(ApiKey::DescribeConfigs, 1, 4),
    served(ApiKey::AlterConfigs, 0, 2),
    served(ApiKey::DescribeLogDirs, 1, 4),
    served(ApiKey::SaslAuthenticate, 0, 2),
    served(ApiKey::CreatePartitions, 0, 3),
    served(ApiKey::DeleteGroups, 0, 2),
    served(ApiKey::ElectLeaders, 0, 2),
    served(ApiKey::IncrementalAlterConfigs, 0, 1),
    served(ApiKey::ListPartitionReassignments, 0, 0),
    served(ApiKey::OffsetDelete, 0, 0),
    served(ApiKey::DescribeClientQuotas, 0, 1),
    served(ApiKey::AlterClientQuotas, 0, 1),
    served(ApiKey::DescribeUserScramCredentials, 0, 0),
    served(ApiKey::AlterUserScramCredentials, 0, 0),
    served(ApiKey::UpdateFeatures, 0, 2),
    served(ApiKey::DescribeCluster, 0, 1),
    served(ApiKey::DescribeProducers, 0, 0),
    served(ApiKey::DescribeTransactions, 0, 0),
    served(ApiKey::ListTransactions, 0, 1),
    served(ApiKey::ConsumerGroupHeartbeat, 0, 1),
    served(ApiKey::ConsumerGroupDescribe, 0, 1),
];

/// Whether a request of this version is answered, if only by saying that it is not supported.
pub fn serves(api: ApiKey, version: i16) -> bool {
    SERVED.iter().chain(UNSERVED).any(|served| served.api == api && (served.min..=served.max).contains(&version))
}

#[cfg(test)]
mod tests {
    use millstream_wire::guard::{Malformed, check_request, check_response};

    use super::*;

    #[test]
    fn keys_are_listed_in_ascending_order_each_once() {
        let keys: Vec<i16> = SERVED.iter().map(|served| served.api as i16).collect();
        let mut sorted = keys.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(keys, sorted);
    }

    #[test]
    fn requests_of_every_version_that_is_served_can_be_read_and_their_answers_too() {
        // The message types announce versions that they do not read; the guard knows better.
        let unknown = Err(Malformed { field: "version", position: 0 });
        for Served { api, min, max, .. } in SERVED.iter().chain(UNSERVED) {
            for version in *min..=*max {
                assert_ne!(check_request(*api, version, &[]), unknown, "{api:?} {version}");
                assert_ne!(check_response(*api, version, &[]), unknown, "{api:?} {version}");
            }
        }
    }

    #[test]
    fn produce_is_announced_from_zero_and_served_from_three() {
        assert_eq!(SERVED[0].announced_min, 0);
        assert!(!serves(ApiKey::Produce, 2));
        assert!(serves(ApiKey::Produce, 3));
    }
}
