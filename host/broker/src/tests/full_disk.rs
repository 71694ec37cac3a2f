//! A disk without room: whatever would be written is refused with a code that clients know, what is there is read, and
//! everything works again when there is room.

use millstream_disk::faulty::FaultyDisk;
use millstream_wire::protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterUserScramCredentialsRequest,
    AlterUserScramCredentialsResponse, CreateAclsRequest, CreateAclsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, InitProducerIdRequest, InitProducerIdResponse, JoinGroupRequest,
    JoinGroupResponse, MetadataRequest, MetadataResponse, SyncGroupRequest, SyncGroupResponse, TransactionalId,
    UpdateFeaturesRequest, UpdateFeaturesResponse,
    alter_client_quotas_request::{EntityData, EntryData, OpData},
    alter_user_scram_credentials_request::ScramCredentialUpsertion,
    create_acls_request::AclCreation,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
    join_group_request::JoinGroupRequestProtocol,
    update_features_request::FeatureUpdateKey,
};

use super::*;
use crate::error_code::ErrorCode;

const STORAGE: i16 = ErrorCode::KAFKA_STORAGE_ERROR.get();

async fn set(node: &Arc<Node>, kind: i8, resource: &str, key: &str, value: &str) -> i16 {
    let config = AlterableConfig::default().with_name(text(key)).with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let done: IncrementalAlterConfigsResponse = call(node, ApiKey::IncrementalAlterConfigs, 1, &request).await;
    done.responses[0].error_code
}

async fn set_quota(node: &Arc<Node>) -> i16 {
    let entity = EntityData::default().with_entity_type(text("user")).with_entity_name(Some(text("u")));
    let op = OpData::default().with_key(text("producer_byte_rate")).with_value(1e12);
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![op]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let done: AlterClientQuotasResponse = call(node, ApiKey::AlterClientQuotas, 1, &request).await;
    done.entries[0].error_code
}

async fn make_user(node: &Arc<Node>) -> i16 {
    let user = ScramCredentialUpsertion::default()
        .with_name(text("u"))
        .with_mechanism(1)
        .with_iterations(4096)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::from_static(&[7; 32]));
    let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![user]);
    let done: AlterUserScramCredentialsResponse = call(node, ApiKey::AlterUserScramCredentials, 0, &request).await;
    done.results[0].error_code
}

async fn make_rule(node: &Arc<Node>) -> i16 {
    let rule = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_resource_pattern_type(3)
        .with_principal(text("User:u"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    let request = CreateAclsRequest::default().with_creations(vec![rule]);
    let done: CreateAclsResponse = call(node, ApiKey::CreateAcls, 3, &request).await;
    done.results[0].error_code
}

async fn set_feature(node: &Arc<Node>) -> i16 {
    let update = FeatureUpdateKey::default()
        .with_feature(text("transaction.version"))
        .with_max_version_level(1)
        .with_upgrade_type(2);
    let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
    let done: UpdateFeaturesResponse = call(node, ApiKey::UpdateFeatures, 2, &request).await;
    done.error_code
}

async fn begin_transactions(node: &Arc<Node>, id: &str) -> i16 {
    let id = Some(TransactionalId(text(id)));
    let request = InitProducerIdRequest::default().with_transactional_id(id).with_transaction_timeout_ms(60_000);
    let done: InitProducerIdResponse = call(node, ApiKey::InitProducerId, 4, &request).await;
    done.error_code
}

/// Joins a group alone and takes an assignment, which is written before it is answered.
async fn join_and_sync(node: &Arc<Node>, group: &str) -> i16 {
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(30_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    let joined: JoinGroupResponse = call(node, ApiKey::JoinGroup, 3, &request).await;
    assert_eq!(joined.error_code, 0);
    let request = SyncGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id);
    let synced: SyncGroupResponse = call(node, ApiKey::SyncGroup, 3, &request).await;
    synced.error_code
}

/// What the broker knows, but for a start that has moved up in memory: that is told as refused until it is durable, and
/// written when it is asked for again.
fn settled(node: &Node) -> Vec<String> {
    knowledge(node).into_iter().filter(|line| !line.starts_with("d-0 ")).collect()
}

async fn delete_topic_records(node: &Arc<Node>) -> i16 {
    delete_records(node, "d", 1).await
}

/// Everything that writes: what it is called, and its code.
async fn write_everything(node: &Arc<Node>) -> Vec<(&'static str, i16)> {
    vec![
        ("a record", append(node, "t", "more").await),
        ("an offset", commit_offset(node, "g", "b", 7).await),
        ("an assignment", join_and_sync(node, "m").await),
        ("a transactional id", begin_transactions(node, "another").await),
        ("a topic", create(node, "another").await),
        ("a setting of a topic", set(node, 2, "t", "retention.ms", "86400001").await),
        ("a setting of the broker", set(node, 4, "", "log.retention.ms", "86400001").await),
        ("a quota", set_quota(node).await),
        ("a user", make_user(node).await),
        ("a rule", make_rule(node).await),
        ("a feature", set_feature(node).await),
        ("the start of a partition", delete_topic_records(node).await),
        ("the end of a topic", delete(node, "gone").await),
    ]
}

#[tokio::test]
async fn a_full_disk_refuses_every_kind_of_change_reads_on_and_recovers_by_itself() {
    let disk = FaultyDisk::new(7);
    let authorizer = [("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")];
    let own = [authorizer[0], ("allow.everyone.if.no.acl.found", "true"), ("super.users", "User:ANONYMOUS")];
    let broker = try_start_with(disk.process(), &own).await.unwrap();
    let node = &broker.node;
    for topic in ["t", "b", "d", "gone"] {
        assert_eq!(create(node, topic).await, 0);
        assert_eq!(append(node, topic, "before").await, 0);
    }
    assert_eq!(commit_offset(node, "g", "b", 1).await, 0);
    assert_eq!(begin_transactions(node, "x").await, 0);
    let before = settled(node);
    // Nothing more fits.
    disk.set_capacity(0);
    for _ in 0..3 {
        let refused = write_everything(node).await;
        let coordinator = ErrorCode::COORDINATOR_NOT_AVAILABLE.get();
        for (what, code) in &refused {
            let fits = match *what {
                // As Kafka tells its clients that the coordinator cannot write.
                "an offset" | "an assignment" | "a transactional id" => [coordinator, STORAGE].contains(code),
                "a feature" => *code == ErrorCode::FEATURE_UPDATE_FAILED.get(),
                _ => *code == STORAGE,
            };
            assert!(fits, "{what} is refused with {code}: {refused:?}");
        }
        let (code, _, values) = records(node, "t").await;
        assert_eq!((code, values), (0, vec!["before".to_owned()]));
        assert_eq!(committed(node, "g").await, (0, Some(1)));
        let known: MetadataResponse =
            call(node, ApiKey::Metadata, 9, &MetadataRequest::default().with_topics(None)).await;
        assert!(known.topics.iter().all(|topic| topic.error_code == 0));
        assert_eq!(settled(node), before, "nothing has changed");
    }
    // There is room again, and nobody has to do anything.
    disk.heal();
    for (what, code) in write_everything(node).await {
        assert_eq!(code, 0, "{what}");
    }
    assert_eq!(records(node, "t").await.2, ["before", "more"]);
    assert_eq!(committed(node, "g").await, (0, Some(7)));
    assert!(broker.health().is_empty(), "{:?}", broker.health());
    let after = knowledge(node);
    broker.shutdown().await.unwrap();
    let broker = try_start_with(disk.process(), &own).await.unwrap();
    assert_eq!(knowledge(&broker.node), after);
    broker.shutdown().await.unwrap();
}
