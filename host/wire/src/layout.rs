//! Where a version that the message types do not know looks like an older one, or is read and written by hand
//! ([`crate::newer`]).

use kafka_protocol::messages::ApiKey;

/// First version of OffsetCommit and OffsetFetch in which topics have ids in place of names.
pub const TOPICS_BY_ID: i16 = 10;

/// First version of DescribeLogDirs that tells whether a folder takes no new partitions.
pub const CORDONED: i16 = 5;

/// The version, of those that the message types know, in which a request of this version can be read.
pub fn of_request(api: ApiKey, version: i16) -> i16 {
    match (api, version) {
        (ApiKey::DescribeLogDirs, CORDONED) => CORDONED - 1,
        _ => of_response(api, version),
    }
}

/// The version, of those that the message types know, in which a response of this version can be read and written.
pub fn of_response(api: ApiKey, version: i16) -> i16 {
    if api == ApiKey::ListOffsets && version == 11 { 10 } else { version }
}

/// Whether a request names topics by their ids, and the message types do not read it.
pub fn names_topics_by_id(api: ApiKey, version: i16) -> bool {
    matches!(api, ApiKey::OffsetCommit | ApiKey::OffsetFetch) && version == TOPICS_BY_ID
}
