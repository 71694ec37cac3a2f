//! Settings of single groups, as `kafka-configs --entity-type groups` sees them, and kinds of groups that are not served.

mod support;

use std::time::{Duration, Instant};

use millstream_broker::Broker;
use millstream_wire::protocol::{
    messages::{
        AddRaftVoterRequest, AddRaftVoterResponse, AlterConfigsRequest, AlterConfigsResponse,
        AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, ApiKey, ApiVersionsRequest, ApiVersionsResponse,
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
        DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        DescribeQuorumRequest, DescribeQuorumResponse, DescribeShareGroupOffsetsRequest,
        DescribeShareGroupOffsetsResponse, GroupId, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        InitializeShareGroupStateRequest, InitializeShareGroupStateResponse, ReadShareGroupStateRequest,
        ReadShareGroupStateResponse, ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
        RemoveRaftVoterRequest, RemoveRaftVoterResponse, ShareAcknowledgeRequest, ShareAcknowledgeResponse,
        ShareFetchRequest, ShareFetchResponse, ShareGroupDescribeRequest, ShareGroupDescribeResponse,
        ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse, TopicName, UnregisterBrokerRequest,
        UnregisterBrokerResponse, WriteShareGroupStateRequest, WriteShareGroupStateResponse,
        alter_configs_request::{AlterConfigsResource as Replaced, AlterableConfig as Replacing},
        delete_share_group_state_request as delete,
        describe_configs_request::DescribeConfigsResource,
        describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        initialize_share_group_state_request as initialize, read_share_group_state_request as read,
        read_share_group_state_summary_request as summary, write_share_group_state_request as write,
    },
    protocol::{Decodable, Encodable},
};
use support::{Client, config, text, with};

const GROUP: i8 = 32;
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;

const SESSION: &str = "consumer.session.timeout.ms";
const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";

/// Code and words.
async fn alter(client: &mut Client, group: &str, operation: i8, key: &str, value: &str) -> (i16, String) {
    let change = AlterableConfig::default()
        .with_name(text(key))
        .with_config_operation(operation)
        .with_value((operation != DELETE).then(|| text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(GROUP)
        .with_resource_name(text(group))
        .with_configs(vec![change]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response: IncrementalAlterConfigsResponse = client.call(ApiKey::IncrementalAlterConfigs, 1, &request).await;
    let answer = &response.responses[0];
    (answer.error_code, answer.error_message.as_ref().map(ToString::to_string).unwrap_or_default())
}

/// Value, source and synonyms (name, value, source) of a key.
async fn described(client: &mut Client, group: &str, key: &str) -> (String, i8, Vec<(String, String, i8)>) {
    let resource = DescribeConfigsResource::default()
        .with_configuration_keys(None)
        .with_resource_type(GROUP)
        .with_resource_name(text(group));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
    let response: DescribeConfigsResponse = client.call(ApiKey::DescribeConfigs, 4, &request).await;
    assert_eq!((response.results[0].error_code, response.results[0].configs.len()), (0, 17));
    let found = response.results[0].configs.iter().find(|config| &*config.name == key).unwrap();
    assert!(!found.read_only && !found.is_sensitive && found.config_type == 3);
    let value = |value: &Option<_>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let synonyms = found.synonyms.iter().map(|it| (it.name.to_string(), value(&it.value), it.source));
    (value(&found.value), found.config_source, synonyms.collect())
}

async fn interval_told(client: &mut Client) -> i32 {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(30_000)
        .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
        .with_topic_partitions(Some(Vec::new()));
    let begin = Instant::now();
    loop {
        let response: ConsumerGroupHeartbeatResponse = client.call(ApiKey::ConsumerGroupHeartbeat, 1, &request).await;
        if response.error_code == 0 {
            return response.heartbeat_interval_ms;
        }
        // At the start a group without members and offsets is forgotten; until that is on disk it takes nobody.
        assert_eq!(response.error_code, 14, "{:?}", response.error_message);
        assert!(begin.elapsed() < Duration::from_secs(120));
    }
}

#[tokio::test]
async fn a_group_has_settings_of_its_own_before_it_exists_and_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let default = ("group.consumer.heartbeat.interval.ms".to_owned(), "5000".to_owned(), 5);
    assert_eq!(described(&mut client, "g", HEARTBEAT).await, ("5000".to_owned(), 5, vec![default.clone()]));
    assert_eq!(interval_told(&mut client).await, 5_000);
    assert_eq!(alter(&mut client, "g", SET, HEARTBEAT, " 14000 ").await, (0, String::new()));
    let own = (HEARTBEAT.to_owned(), "14000".to_owned(), 8);
    let expected = ("14000".to_owned(), 8, vec![own, default.clone()]);
    assert_eq!(described(&mut client, "g", HEARTBEAT).await, expected);
    assert_eq!(interval_told(&mut client).await, 14_000);
    assert_eq!(described(&mut client, "h", HEARTBEAT).await.0, "5000", "other groups have the broker's");

    broker.shutdown().await.unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    assert_eq!(described(&mut client, "g", HEARTBEAT).await, expected);
    assert_eq!(interval_told(&mut client).await, 14_000);
    assert_eq!(alter(&mut client, "g", DELETE, HEARTBEAT, "").await, (0, String::new()));
    assert_eq!(interval_told(&mut client).await, 5_000);
    // AlterConfigs puts its own in the place of all.
    assert_eq!(alter(&mut client, "g", SET, SESSION, "50000").await, (0, String::new()));
    let change = Replacing::default().with_name(text(HEARTBEAT)).with_value(Some(text("6000")));
    let resource =
        Replaced::default().with_resource_type(GROUP).with_resource_name(text("g")).with_configs(vec![change]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    let response: AlterConfigsResponse = client.call(ApiKey::AlterConfigs, 2, &request).await;
    assert_eq!(response.responses[0].error_code, 0);
    assert_eq!(described(&mut client, "g", HEARTBEAT).await.0, "6000");
    assert_eq!(described(&mut client, "g", SESSION).await.0, "45000");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_set_for_a_group_is_refused_in_kafkas_words() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    // As Kafka 4.3.0 answers.
    let cases = [
        (
            SET,
            SESSION,
            "1000",
            "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
        ),
        (
            SET,
            SESSION,
            "70000",
            "consumer.session.timeout.ms must be less than or equal to group.consumer.max.session.timeout.ms",
        ),
        (SET, SESSION, "x", "Invalid value x for configuration consumer.session.timeout.ms: Not a number of type INT"),
        (SET, SESSION, "0", "Invalid value 0 for configuration consumer.session.timeout.ms: Value must be at least 1"),
        (SET, "nonsense", "1", "Unknown group config name: nonsense"),
        (APPEND, SESSION, "50000", "Can't APPEND to key consumer.session.timeout.ms because its type is not LIST."),
        (
            SET,
            "share.auto.offset.reset",
            "never",
            "Invalid value never for configuration share.auto.offset.reset: Invalid value `never` for configuration \
             share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format \
             'by_duration:<PnDTnHnMn.nS>'.",
        ),
    ];
    for (operation, key, value, words) in cases {
        assert_eq!(alter(&mut client, "g", operation, key, value).await, (40, words.to_owned()));
    }
    let refused = alter(&mut client, "", SET, SESSION, "50000").await;
    assert_eq!(refused, (42, "Default group resources are not allowed.".to_owned()));
    assert_eq!(alter(&mut client, "g", DELETE, "nonsense", "").await, (0, String::new()));
    assert_eq!(described(&mut client, "g", SESSION).await.1, 5, "nothing was set");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_consumer_protocol_is_unsupported_where_it_is_not_among_the_protocols_of_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let broker =
        Broker::start(with(dir.path(), &[("group.coordinator.rebalance.protocols", "classic")])).await.unwrap();
    let mut client = Client::new(&broker);
    let request = ConsumerGroupHeartbeatRequest::default().with_group_id(GroupId(text("g")));
    let response: ConsumerGroupHeartbeatResponse = client.call(ApiKey::ConsumerGroupHeartbeat, 1, &request).await;
    assert_eq!(response.error_code, 35);
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text("g"))]);
    let response: ConsumerGroupDescribeResponse = client.call(ApiKey::ConsumerGroupDescribe, 1, &request).await;
    assert_eq!(response.groups[0].error_code, 35);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn share_groups_and_quorums_are_not_announced_and_whoever_asks_is_told_that_they_are_unsupported() {
    async fn code<Q: Encodable + Default, A: Decodable>(
        client: &mut Client,
        api: ApiKey,
        version: i16,
        request: Q,
        of: impl Fn(A) -> i16,
    ) -> i16 {
        of(client.call(api, version, &request).await)
    }
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut client = Client::new(&broker);
    let announced: ApiVersionsResponse = client.call(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default()).await;
    let groups = || vec![GroupId(text("s"))];
    let codes = [
        (ApiKey::ShareGroupHeartbeat, {
            let of = |answer: ShareGroupHeartbeatResponse| answer.error_code;
            code(&mut client, ApiKey::ShareGroupHeartbeat, 1, ShareGroupHeartbeatRequest::default(), of).await
        }),
        (ApiKey::ShareGroupDescribe, {
            let request = ShareGroupDescribeRequest::default().with_group_ids(groups());
            let of = |answer: ShareGroupDescribeResponse| answer.groups[0].error_code;
            code(&mut client, ApiKey::ShareGroupDescribe, 1, request, of).await
        }),
        (ApiKey::ShareFetch, {
            let of = |answer: ShareFetchResponse| answer.error_code;
            code(&mut client, ApiKey::ShareFetch, 1, ShareFetchRequest::default(), of).await
        }),
        (ApiKey::ShareAcknowledge, {
            let of = |answer: ShareAcknowledgeResponse| answer.error_code;
            code(&mut client, ApiKey::ShareAcknowledge, 1, ShareAcknowledgeRequest::default(), of).await
        }),
        (ApiKey::DescribeShareGroupOffsets, {
            let group = DescribeShareGroupOffsetsRequestGroup::default().with_group_id(GroupId(text("s")));
            let request = DescribeShareGroupOffsetsRequest::default().with_groups(vec![group]);
            let of = |answer: DescribeShareGroupOffsetsResponse| answer.groups[0].error_code;
            code(&mut client, ApiKey::DescribeShareGroupOffsets, 0, request, of).await
        }),
        (ApiKey::AlterShareGroupOffsets, {
            let of = |answer: AlterShareGroupOffsetsResponse| answer.error_code;
            code(&mut client, ApiKey::AlterShareGroupOffsets, 0, AlterShareGroupOffsetsRequest::default(), of).await
        }),
        (ApiKey::DeleteShareGroupOffsets, {
            let of = |answer: DeleteShareGroupOffsetsResponse| answer.error_code;
            code(&mut client, ApiKey::DeleteShareGroupOffsets, 0, DeleteShareGroupOffsetsRequest::default(), of).await
        }),
        (ApiKey::DescribeQuorum, {
            let of = |answer: DescribeQuorumResponse| answer.error_code;
            code(&mut client, ApiKey::DescribeQuorum, 2, DescribeQuorumRequest::default(), of).await
        }),
        (ApiKey::UnregisterBroker, {
            let of = |answer: UnregisterBrokerResponse| answer.error_code;
            code(&mut client, ApiKey::UnregisterBroker, 0, UnregisterBrokerRequest::default(), of).await
        }),
        (ApiKey::AddRaftVoter, {
            let of = |answer: AddRaftVoterResponse| answer.error_code;
            code(&mut client, ApiKey::AddRaftVoter, 0, AddRaftVoterRequest::default(), of).await
        }),
        (ApiKey::RemoveRaftVoter, {
            let of = |answer: RemoveRaftVoterResponse| answer.error_code;
            code(&mut client, ApiKey::RemoveRaftVoter, 0, RemoveRaftVoterRequest::default(), of).await
        }),
    ];
    for (api, code) in codes {
        assert_eq!(code, 35, "{api:?}");
        assert!(announced.api_keys.iter().all(|known| known.api_key != api as i16), "{api:?}");
    }
    broker.shutdown().await.unwrap();
}

/// A request for one partition of each kind, and what its answer says of it: code and words.
macro_rules! asked_for_state {
    ($client:ident, $api:ident, $request:ident, $response:ident, $of:ident::$topic:ident) => {{
        let partition = $of::PartitionData::default().with_partition(3);
        let topic = $of::$topic::default().with_topic_id(uuid::Uuid::from_u128(7)).with_partitions(vec![partition]);
        let request = $request::default().with_group_id(text("s")).with_topics(vec![topic]);
        let answer: $response = $client.call(ApiKey::$api, 0, &request).await;
        let partition = &answer.results[0].partitions[0];
        assert_eq!((answer.results[0].topic_id.as_u128(), partition.partition), (7, 3));
        (partition.error_code, partition.error_message.as_ref().unwrap().to_string())
    }};
}

#[tokio::test]
async fn the_state_of_share_groups_has_no_coordinator_here_as_in_a_kafka_without_them() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(config(dir.path())).await.unwrap();
    let mut it = Client::new(&broker);
    use InitializeShareGroupStateRequest as Initialize;
    let found = [
        asked_for_state!(
            it,
            InitializeShareGroupState,
            Initialize,
            InitializeShareGroupStateResponse,
            initialize::InitializeStateData
        ),
        asked_for_state!(
            it,
            ReadShareGroupState,
            ReadShareGroupStateRequest,
            ReadShareGroupStateResponse,
            read::ReadStateData
        ),
        asked_for_state!(
            it,
            WriteShareGroupState,
            WriteShareGroupStateRequest,
            WriteShareGroupStateResponse,
            write::WriteStateData
        ),
        asked_for_state!(
            it,
            DeleteShareGroupState,
            DeleteShareGroupStateRequest,
            DeleteShareGroupStateResponse,
            delete::DeleteStateData
        ),
        asked_for_state!(
            it,
            ReadShareGroupStateSummary,
            ReadShareGroupStateSummaryRequest,
            ReadShareGroupStateSummaryResponse,
            summary::ReadStateSummaryData
        ),
    ];
    let words =
        ["initialize", "read", "write", "delete", "read"].map(|verb| format!("Unable to {verb} share group state"));
    let words = words.map(|words| format!("{words}: This is not the correct coordinator."));
    let mut expected = words.map(|words| (16, words));
    expected[4].1 = expected[4].1.replace("state:", "state summary:");
    assert_eq!(found, expected);
    broker.shutdown().await.unwrap();
}
