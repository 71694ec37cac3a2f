//! Which APIs are served, and in which versions.

use millstream_wire::protocol::messages::ApiKey;

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
/// What is left out of what Apache Kafka serves stands in [`DIFFERENCES`], each with its reason.
pub const SERVED: &[Served] = &[
    // Librdkafka before 2.11.1 takes a missing version 0 for "no gzip, no snappy".
    Served { api: ApiKey::Produce, announced_min: 0, min: 3, max: 13 },
    served(ApiKey::Fetch, 4, 18),
    served(ApiKey::ListOffsets, 1, 11),
    served(ApiKey::Metadata, 0, 13),
    served(ApiKey::OffsetCommit, 2, 10),
    served(ApiKey::OffsetFetch, 1, 10),
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
    served(ApiKey::AlterReplicaLogDirs, 1, 2),
    served(ApiKey::DescribeLogDirs, 1, 5),
    served(ApiKey::SaslAuthenticate, 0, 2),
    served(ApiKey::CreatePartitions, 0, 3),
    served(ApiKey::CreateDelegationToken, 1, 3),
    served(ApiKey::RenewDelegationToken, 1, 2),
    served(ApiKey::ExpireDelegationToken, 1, 2),
    served(ApiKey::DescribeDelegationToken, 1, 3),
    served(ApiKey::DeleteGroups, 0, 2),
    served(ApiKey::ElectLeaders, 0, 2),
    served(ApiKey::IncrementalAlterConfigs, 0, 1),
    served(ApiKey::AlterPartitionReassignments, 0, 1),
    served(ApiKey::ListPartitionReassignments, 0, 0),
    served(ApiKey::OffsetDelete, 0, 0),
    served(ApiKey::DescribeClientQuotas, 0, 1),
    served(ApiKey::AlterClientQuotas, 0, 1),
    served(ApiKey::DescribeUserScramCredentials, 0, 0),
    served(ApiKey::AlterUserScramCredentials, 0, 0),
    served(ApiKey::UpdateFeatures, 0, 2),
    served(ApiKey::DescribeCluster, 0, 2),
    served(ApiKey::DescribeProducers, 0, 0),
    served(ApiKey::DescribeTransactions, 0, 0),
    served(ApiKey::ListTransactions, 0, 2),
    served(ApiKey::ConsumerGroupHeartbeat, 0, 1),
    served(ApiKey::ConsumerGroupDescribe, 0, 1),
    served(ApiKey::ListConfigResources, 0, 1),
    served(ApiKey::DescribeTopicPartitions, 0, 0),
];

/// An API as it is announced: its number, and its lowest and highest version.
#[cfg(test)]
type Announced = (i16, i16, i16);

/// What ApiVersions of Apache Kafka 4.3 announces, a line each: number, lowest and highest version.
#[cfg(test)]
const KAFKAS: &str = include_str!("../../tests/recorded/api-versions-4.3.txt");

/// Where the table is not Kafka's, and why.
#[cfg(test)]
const DIFFERENCES: &[(i16, &str, &str)] = &[
    (27, "WriteTxnMarkers", "version 2 is spoken between brokers; administrators fall back to version 1"),
    (55, "DescribeQuorum", QUORUM),
    (64, "UnregisterBroker", QUORUM),
    (76, "ShareGroupHeartbeat", SHARE),
    (77, "ShareGroupDescribe", SHARE),
    (78, "ShareFetch", SHARE),
    (79, "ShareAcknowledge", SHARE),
    (80, "AddRaftVoter", QUORUM),
    (81, "RemoveRaftVoter", QUORUM),
    (83, "InitializeShareGroupState", SHARE_STATE),
    (84, "ReadShareGroupState", SHARE_STATE),
    (85, "WriteShareGroupState", SHARE_STATE),
    (86, "DeleteShareGroupState", SHARE_STATE),
    (87, "ReadShareGroupStateSummary", SHARE_STATE),
    (88, "StreamsGroupHeartbeat", STREAMS),
    (89, "StreamsGroupDescribe", STREAMS),
    (90, "DescribeShareGroupOffsets", SHARE),
    (91, "AlterShareGroupOffsets", SHARE),
    (92, "DeleteShareGroupOffsets", SHARE),
];

#[cfg(test)]
const QUORUM: &str = "there is no quorum of controllers: one node is broker and controller; UNSUPPORTED_VERSION (35)";
#[cfg(test)]
const SHARE: &str = "share groups (KIP-932) are not served: UNSUPPORTED_VERSION (35)";
#[cfg(test)]
const SHARE_STATE: &str = "share groups (KIP-932) are not served; brokers speak this among themselves: NOT_COORDINATOR (16) for every \
     partition in version 0, as by a Kafka whose `share.version` is off";
#[cfg(test)]
const STREAMS: &str = "groups of the streams protocol (KIP-1071) are not served. Whoever asks all the same loses the connection: the message types \
     in use do not know them (a Kafka whose `streams.version` is off answers 35). Kafka Streams looks here first and \
     says so (`UnsupportedVersionException`), and works with classic groups (`group.protocol=classic`, its default)";

/// APIs that are answered by saying that they are not supported, and not announced.
pub const UNSERVED: &[Served] = &[
    served(ApiKey::DescribeQuorum, 0, 2),
    served(ApiKey::UnregisterBroker, 0, 0),
    served(ApiKey::ShareGroupHeartbeat, 1, 1),
    served(ApiKey::ShareGroupDescribe, 1, 1),
    served(ApiKey::ShareFetch, 1, 1),
    served(ApiKey::ShareAcknowledge, 1, 1),
    served(ApiKey::AddRaftVoter, 0, 0),
    served(ApiKey::RemoveRaftVoter, 0, 0),
    served(ApiKey::InitializeShareGroupState, 0, 0),
    served(ApiKey::ReadShareGroupState, 0, 0),
    served(ApiKey::WriteShareGroupState, 0, 0),
    served(ApiKey::DeleteShareGroupState, 0, 0),
    served(ApiKey::ReadShareGroupStateSummary, 0, 0),
    served(ApiKey::DescribeShareGroupOffsets, 0, 0),
    served(ApiKey::AlterShareGroupOffsets, 0, 0),
    served(ApiKey::DeleteShareGroupOffsets, 0, 0),
];

/// Whether a request of this version is answered, if only by saying that it is not supported.
pub fn serves(api: ApiKey, version: i16) -> bool {
    SERVED.iter().chain(UNSERVED).any(|served| served.api == api && (served.min..=served.max).contains(&version))
}

#[cfg(test)]
mod tests {
    use millstream_wire::{
        guard::{Malformed, check_request, check_response},
        newer,
    };

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
                // Read and written by hand.
                if !newer::names_topics_by_id(*api, version) {
                    assert_ne!(check_request(*api, version, &[]), unknown, "{api:?} {version}");
                }
                if (*api, version) != (ApiKey::DescribeLogDirs, newer::CORDONED) {
                    assert_ne!(check_response(*api, version, &[]), unknown, "{api:?} {version}");
                }
            }
        }
    }

    fn kafkas() -> Vec<Announced> {
        let number = |word: Option<&str>| word.and_then(|word| word.parse::<i16>().ok()).unwrap();
        let lines = KAFKAS.lines().filter(|line| !line.starts_with('#'));
        let parsed = lines.map(|line| {
            let mut words = line.split(' ');
            (number(words.next()), number(words.next()), number(words.next()))
        });
        parsed.collect()
    }

    #[test]
    fn the_table_is_that_of_kafka_4_3_or_there_is_a_reason() {
        let ours: Vec<Announced> =
            SERVED.iter().map(|served| (served.api as i16, served.announced_min, served.max)).collect();
        let kafkas = kafkas();
        let differs = |key: i16| {
            let find = |table: &[Announced]| table.iter().find(|(api, ..)| *api == key).copied();
            find(&ours) != find(&kafkas)
        };
        let mut keys: Vec<i16> = ours.iter().chain(&kafkas).map(|(api, ..)| *api).collect();
        keys.sort_unstable();
        keys.dedup();
        let different: Vec<i16> = keys.into_iter().filter(|key| differs(*key)).collect();
        let reasons: Vec<i16> = DIFFERENCES.iter().map(|(api, ..)| *api).collect();
        assert_eq!(different, reasons);
    }

    #[test]
    fn the_committed_page_is_the_table() {
        let kafkas = kafkas();
        let mut known: Vec<(i16, String)> =
            SERVED.iter().map(|served| (served.api as i16, format!("{:?}", served.api))).collect();
        known.extend(DIFFERENCES.iter().map(|(api, name, _)| (*api, (*name).to_owned())));
        known.sort();
        known.dedup();
        let line = |(api, name): (i16, String)| {
            let range = |versions: Option<(i16, i16)>| match versions {
                Some((min, max)) if min == max => min.to_string(),
                Some((min, max)) => format!("{min}–{max}"),
                None => "no".to_owned(),
            };
            let own = SERVED.iter().find(|served| served.api as i16 == api);
            let own = own.map(|served| (served.announced_min, served.max));
            let theirs = kafkas.iter().find(|(key, ..)| *key == api).map(|(_, min, max)| (*min, *max));
            let reason = DIFFERENCES.iter().find(|(other, ..)| *other == api).map_or("", |(.., reason)| reason);
            format!("| {api} | {name} | {} | {} | {reason} |\n", range(own), range(theirs))
        };
        let lines: String = known.into_iter().map(line).collect();
        let page = format!(
            "# APIs of the built-in broker\n\nVersions that ApiVersions announces, beside those of Apache Kafka 4.3 with \
             its own defaults. Produce is announced from version 0, as by Kafka, and served from 3. Whoever asks for what is not \
             announced loses the connection, as with Kafka, unless a code is named here: then the first version of the API is \
             answered with it.\n\n| number | API | \
             here | Kafka | why |\n|---|---|---|---|---|\n{lines}"
        );
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("reference/apis.md");
        if std::env::var_os("MILLSTREAM_WRITE_PAGES").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page, "reference/apis.md is stale: run this test with MILLSTREAM_WRITE_PAGES=1");
    }

    #[test]
    fn produce_is_announced_from_zero_and_served_from_three() {
        assert_eq!(SERVED[0].announced_min, 0);
        assert!(!serves(ApiKey::Produce, 2));
        assert!(serves(ApiKey::Produce, 3));
    }
}
