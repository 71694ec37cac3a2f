//! What every request consists of, in each version that the message types know.
//!
//! Generated from Apache Kafka's message definitions by `tests/guard_tables`: not to be edited.

use kafka_protocol::messages::ApiKey;

use super::schema::*;

/// In ascending order of the API keys.
pub(super) static MESSAGES: &[Message] = &[
    message(ApiKey::Produce, (3, 13), 9, &[
        text("transactional_id"), int16("acks"), int32("timeout_ms"),
        structures("topic_data", &[
            text("name").until(12), uuid("topic_id").since(13),
            structures("partition_data", &[int32("index"), bytes("records")]),
        ]),
    ]),
    message(ApiKey::Fetch, (4, 18), 12, &[
        text("cluster_id").tag(0).since(12), int32("replica_id").until(14),
        structure("replica_state", &[int32("replica_id"), int64("replica_epoch")]).tag(1).since(15),
        int32("max_wait_ms"), int32("min_bytes"), int32("max_bytes"), int8("isolation_level"),
        int32("session_id").since(7), int32("session_epoch").since(7),
        structures("topics", &[
            text("topic").until(12), uuid("topic_id").since(13),
            structures("partitions", &[
                int32("partition"), int32("current_leader_epoch").since(9), int64("fetch_offset"),
                int32("last_fetched_epoch").since(12), int64("log_start_offset").since(5), int32("partition_max_bytes"),
                uuid("replica_directory_id").tag(0).since(17), int64("high_watermark").tag(1).since(18),
            ]),
        ]),
        structures("forgotten_topics_data", &[
            text("topic").until(12), uuid("topic_id").since(13), int32s("partitions"),
        ]).since(7),
        text("rack_id").since(11),
    ]),
    message(ApiKey::ListOffsets, (1, 10), 6, &[
        int32("replica_id"), int8("isolation_level").since(2),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition_index"), int32("current_leader_epoch").since(4), int64("timestamp"),
            ]),
        ]),
        int32("timeout_ms").since(10),
    ]),
    message(ApiKey::Metadata, (0, 13), 9, &[
        structures("topics", &[uuid("topic_id").since(10), text("name")]), int8("allow_auto_topic_creation").since(4),
        int8("include_cluster_authorized_operations").since(8).until(10),
        int8("include_topic_authorized_operations").since(8),
    ]),
    message(ApiKey::OffsetCommit, (2, 9), 8, &[
        text("group_id"), int32("generation_id_or_member_epoch"), text("member_id"), text("group_instance_id").since(7),
        int64("retention_time_ms").until(4),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition_index"), int64("committed_offset"), int32("committed_leader_epoch").since(6),
                text("committed_metadata"),
            ]),
        ]),
    ]),
    message(ApiKey::OffsetFetch, (1, 9), 6, &[
        text("group_id").until(7), structures("topics", &[text("name"), int32s("partition_indexes")]).until(7),
        structures("groups", &[
            text("group_id"), text("member_id").since(9), int32("member_epoch").since(9),
            structures("topics", &[text("name"), int32s("partition_indexes")]),
        ]).since(8),
        int8("require_stable").since(7),
    ]),
    message(ApiKey::FindCoordinator, (0, 6), 3, &[
        text("key").until(3), int8("key_type").since(1), texts("coordinator_keys").since(4),
    ]),
    message(ApiKey::JoinGroup, (0, 9), 6, &[
        text("group_id"), int32("session_timeout_ms"), int32("rebalance_timeout_ms").since(1), text("member_id"),
        text("group_instance_id").since(5), text("protocol_type"),
        structures("protocols", &[text("name"), bytes("metadata")]), text("reason").since(8),
    ]),
    message(ApiKey::Heartbeat, (0, 4), 4, &[
        text("group_id"), int32("generation_id"), text("member_id"), text("group_instance_id").since(3),
    ]),
    message(ApiKey::LeaveGroup, (0, 5), 4, &[
        text("group_id"), text("member_id").until(2),
        structures("members", &[text("member_id"), text("group_instance_id"), text("reason").since(5)]).since(3),
    ]),
    message(ApiKey::SyncGroup, (0, 5), 4, &[
        text("group_id"), int32("generation_id"), text("member_id"), text("group_instance_id").since(3),
        text("protocol_type").since(5), text("protocol_name").since(5),
        structures("assignments", &[text("member_id"), bytes("assignment")]),
    ]),
    message(ApiKey::DescribeGroups, (0, 6), 5, &[texts("groups"), int8("include_authorized_operations").since(3)]),
    message(ApiKey::ListGroups, (0, 5), 3, &[texts("states_filter").since(4), texts("types_filter").since(5)]),
    message(ApiKey::SaslHandshake, (0, 1), NEVER, &[text("mechanism")]),
    message(ApiKey::ApiVersions, (0, 4), 3, &[
        text("client_software_name").since(3), text("client_software_version").since(3),
    ]),
    message(ApiKey::CreateTopics, (2, 7), 5, &[
        structures("topics", &[
            text("name"), int32("num_partitions"), int16("replication_factor"),
            structures("assignments", &[int32("partition_index"), int32s("broker_ids")]),
            structures("configs", &[text("name"), text("value")]),
        ]),
        int32("timeout_ms"), int8("validate_only"),
    ]),
    message(ApiKey::DeleteTopics, (1, 6), 4, &[
        structures("topics", &[text("name"), uuid("topic_id")]).since(6), texts("topic_names").until(5),
        int32("timeout_ms"),
    ]),
    message(ApiKey::DeleteRecords, (0, 2), 2, &[
        structures("topics", &[text("name"), structures("partitions", &[int32("partition_index"), int64("offset")])]),
        int32("timeout_ms"),
    ]),
    message(ApiKey::InitProducerId, (0, 5), 2, &[
        text("transactional_id"), int32("transaction_timeout_ms"), int64("producer_id").since(3),
        int16("producer_epoch").since(3),
    ]),
    message(ApiKey::OffsetForLeaderEpoch, (2, 4), 4, &[
        int32("replica_id").since(3),
        structures("topics", &[
            text("topic"),
            structures("partitions", &[int32("partition"), int32("current_leader_epoch"), int32("leader_epoch")]),
        ]),
    ]),
    message(ApiKey::AddPartitionsToTxn, (0, 5), 3, &[
        structures("transactions", &[
            text("transactional_id"), int64("producer_id"), int16("producer_epoch"), int8("verify_only"),
            structures("topics", &[text("name"), int32s("partitions")]),
        ]).since(4),
        text("v3_and_below_transactional_id").until(3), int64("v3_and_below_producer_id").until(3),
        int16("v3_and_below_producer_epoch").until(3),
        structures("v3_and_below_topics", &[text("name"), int32s("partitions")]).until(3),
    ]),
    message(ApiKey::AddOffsetsToTxn, (0, 4), 3, &[
        text("transactional_id"), int64("producer_id"), int16("producer_epoch"), text("group_id"),
    ]),
    message(ApiKey::EndTxn, (0, 5), 3, &[
        text("transactional_id"), int64("producer_id"), int16("producer_epoch"), int8("committed"),
    ]),
    message(ApiKey::WriteTxnMarkers, (1, 1), 1, &[
        structures("markers", &[
            int64("producer_id"), int16("producer_epoch"), int8("transaction_result"),
            structures("topics", &[text("name"), int32s("partition_indexes")]), int32("coordinator_epoch"),
        ]),
    ]),
    message(ApiKey::TxnOffsetCommit, (0, 5), 3, &[
        text("transactional_id"), text("group_id"), int64("producer_id"), int16("producer_epoch"),
        int32("generation_id").since(3), text("member_id").since(3), text("group_instance_id").since(3),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition_index"), int64("committed_offset"), int32("committed_leader_epoch").since(2),
                text("committed_metadata"),
            ]),
        ]),
    ]),
    message(ApiKey::DescribeAcls, (1, 3), 2, &[
        int8("resource_type_filter"), text("resource_name_filter"), int8("pattern_type_filter"),
        text("principal_filter"), text("host_filter"), int8("operation"), int8("permission_type"),
    ]),
    message(ApiKey::CreateAcls, (1, 3), 2, &[
        structures("creations", &[
            int8("resource_type"), text("resource_name"), int8("resource_pattern_type"), text("principal"),
            text("host"), int8("operation"), int8("permission_type"),
        ]),
    ]),
    message(ApiKey::DeleteAcls, (1, 3), 2, &[
        structures("filters", &[
            int8("resource_type_filter"), text("resource_name_filter"), int8("pattern_type_filter"),
            text("principal_filter"), text("host_filter"), int8("operation"), int8("permission_type"),
        ]),
    ]),
    message(ApiKey::DescribeConfigs, (1, 4), 4, &[
        structures("resources", &[int8("resource_type"), text("resource_name"), texts("configuration_keys")]),
        int8("include_synonyms"), int8("include_documentation").since(3),
    ]),
    message(ApiKey::AlterConfigs, (0, 2), 2, &[
        structures("resources", &[
            int8("resource_type"), text("resource_name"), structures("configs", &[text("name"), text("value")]),
        ]),
        int8("validate_only"),
    ]),
    message(ApiKey::AlterReplicaLogDirs, (1, 2), 2, &[
        structures("dirs", &[text("path"), structures("topics", &[text("name"), int32s("partitions")])]),
    ]),
    message(ApiKey::DescribeLogDirs, (1, 4), 2, &[structures("topics", &[text("topic"), int32s("partitions")])]),
    message(ApiKey::SaslAuthenticate, (0, 2), 2, &[bytes("auth_bytes")]),
    message(ApiKey::CreatePartitions, (0, 3), 2, &[
        structures("topics", &[text("name"), int32("count"), structures("assignments", &[int32s("broker_ids")])]),
        int32("timeout_ms"), int8("validate_only"),
    ]),
    message(ApiKey::CreateDelegationToken, (1, 3), 2, &[
        text("owner_principal_type").since(3), text("owner_principal_name").since(3),
        structures("renewers", &[text("principal_type"), text("principal_name")]), int64("max_lifetime_ms"),
    ]),
    message(ApiKey::RenewDelegationToken, (1, 2), 2, &[bytes("hmac"), int64("renew_period_ms")]),
    message(ApiKey::ExpireDelegationToken, (1, 2), 2, &[bytes("hmac"), int64("expiry_time_period_ms")]),
    message(ApiKey::DescribeDelegationToken, (1, 3), 2, &[
        structures("owners", &[text("principal_type"), text("principal_name")]),
    ]),
    message(ApiKey::DeleteGroups, (0, 2), 2, &[texts("groups_names")]),
    message(ApiKey::ElectLeaders, (0, 2), 2, &[
        int8("election_type").since(1), structures("topic_partitions", &[text("topic"), int32s("partitions")]),
        int32("timeout_ms"),
    ]),
    message(ApiKey::IncrementalAlterConfigs, (0, 1), 1, &[
        structures("resources", &[
            int8("resource_type"), text("resource_name"),
            structures("configs", &[text("name"), int8("config_operation"), text("value")]),
        ]),
        int8("validate_only"),
    ]),
    message(ApiKey::AlterPartitionReassignments, (0, 1), 0, &[
        int32("timeout_ms"), int8("allow_replication_factor_change").since(1),
        structures("topics", &[
            text("name"), structures("partitions", &[int32("partition_index"), int32s("replicas")]),
        ]),
    ]),
    message(ApiKey::ListPartitionReassignments, (0, 0), 0, &[
        int32("timeout_ms"), structures("topics", &[text("name"), int32s("partition_indexes")]),
    ]),
    message(ApiKey::OffsetDelete, (0, 0), NEVER, &[
        text("group_id"), structures("topics", &[text("name"), structures("partitions", &[int32("partition_index")])]),
    ]),
    message(ApiKey::DescribeClientQuotas, (0, 1), 1, &[
        structures("components", &[text("entity_type"), int8("match_type"), text("match")]), int8("strict"),
    ]),
    message(ApiKey::AlterClientQuotas, (0, 1), 1, &[
        structures("entries", &[
            structures("entity", &[text("entity_type"), text("entity_name")]),
            structures("ops", &[text("key"), int64("value"), int8("remove")]),
        ]),
        int8("validate_only"),
    ]),
    message(ApiKey::DescribeUserScramCredentials, (0, 0), 0, &[structures("users", &[text("name")])]),
    message(ApiKey::AlterUserScramCredentials, (0, 0), 0, &[
        structures("deletions", &[text("name"), int8("mechanism")]),
        structures("upsertions", &[
            text("name"), int8("mechanism"), int32("iterations"), bytes("salt"), bytes("salted_password"),
        ]),
    ]),
    message(ApiKey::Vote, (0, 2), 0, &[
        text("cluster_id"), int32("voter_id").since(1),
        structures("topics", &[
            text("topic_name"),
            structures("partitions", &[
                int32("partition_index"), int32("replica_epoch"), int32("replica_id"),
                uuid("replica_directory_id").since(1), uuid("voter_directory_id").since(1), int32("last_offset_epoch"),
                int64("last_offset"), int8("pre_vote").since(2),
            ]),
        ]),
    ]),
    message(ApiKey::BeginQuorumEpoch, (0, 1), 1, &[
        text("cluster_id"), int32("voter_id").since(1),
        structures("topics", &[
            text("topic_name"),
            structures("partitions", &[
                int32("partition_index"), uuid("voter_directory_id").since(1), int32("leader_id"),
                int32("leader_epoch"),
            ]),
        ]),
        structures("leader_endpoints", &[text("name"), text("host"), int16("port")]).since(1),
    ]),
    message(ApiKey::EndQuorumEpoch, (0, 1), 1, &[
        text("cluster_id"),
        structures("topics", &[
            text("topic_name"),
            structures("partitions", &[
                int32("partition_index"), int32("leader_id"), int32("leader_epoch"),
                int32s("preferred_successors").until(0),
                structures("preferred_candidates", &[int32("candidate_id"), uuid("candidate_directory_id")]).since(1),
            ]),
        ]),
        structures("leader_endpoints", &[text("name"), text("host"), int16("port")]).since(1),
    ]),
    message(ApiKey::DescribeQuorum, (0, 2), 0, &[
        structures("topics", &[text("topic_name"), structures("partitions", &[int32("partition_index")])]),
    ]),
    message(ApiKey::AlterPartition, (2, 3), 2, &[
        int32("broker_id"), int64("broker_epoch"),
        structures("topics", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition_index"), int32("leader_epoch"), int32s("new_isr").until(2),
                structures("new_isr_with_epochs", &[int32("broker_id"), int64("broker_epoch")]).since(3),
                int8("leader_recovery_state"), int32("partition_epoch"),
            ]),
        ]),
    ]),
    message(ApiKey::UpdateFeatures, (0, 2), 0, &[
        int32("timeout_ms"),
        structures("feature_updates", &[
            text("feature"), int16("max_version_level"), int8("allow_downgrade").until(0),
            int8("upgrade_type").since(1),
        ]),
        int8("validate_only").since(1),
    ]),
    message(ApiKey::Envelope, (0, 0), 0, &[
        bytes("request_data"), bytes("request_principal"), bytes("client_host_address"),
    ]),
    message(ApiKey::FetchSnapshot, (0, 1), 0, &[
        text("cluster_id").tag(0), int32("replica_id"), int32("max_bytes"),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition"), int32("current_leader_epoch"),
                structure("snapshot_id", &[int64("end_offset"), int32("epoch")]), int64("position"),
                uuid("replica_directory_id").tag(0).since(1),
            ]),
        ]),
    ]),
    message(ApiKey::DescribeCluster, (0, 2), 0, &[
        int8("include_cluster_authorized_operations"), int8("endpoint_type").since(1),
        int8("include_fenced_brokers").since(2),
    ]),
    message(ApiKey::DescribeProducers, (0, 0), 0, &[
        structures("topics", &[text("name"), int32s("partition_indexes")]),
    ]),
    message(ApiKey::BrokerRegistration, (0, 4), 0, &[
        int32("broker_id"), text("cluster_id"), uuid("incarnation_id"),
        structures("listeners", &[text("name"), text("host"), int16("port"), int16("security_protocol")]),
        structures("features", &[text("name"), int16("min_supported_version"), int16("max_supported_version")]),
        text("rack"), int8("is_migrating_zk_broker").since(1), uuids("log_dirs").since(2),
        int64("previous_broker_epoch").since(3),
    ]),
    message(ApiKey::BrokerHeartbeat, (0, 1), 0, &[
        int32("broker_id"), int64("broker_epoch"), int64("current_metadata_offset"), int8("want_fence"),
        int8("want_shut_down"), uuids("offline_log_dirs").tag(0).since(1),
    ]),
    message(ApiKey::UnregisterBroker, (0, 0), 0, &[int32("broker_id")]),
    message(ApiKey::DescribeTransactions, (0, 0), 0, &[texts("transactional_ids")]),
    message(ApiKey::ListTransactions, (0, 2), 0, &[
        texts("state_filters"), int64s("producer_id_filters"), int64("duration_filter").since(1),
        text("transactional_id_pattern").since(2),
    ]),
    message(ApiKey::AllocateProducerIds, (0, 0), 0, &[int32("broker_id"), int64("broker_epoch")]),
    message(ApiKey::ConsumerGroupHeartbeat, (0, 1), 0, &[
        text("group_id"), text("member_id"), int32("member_epoch"), text("instance_id"), text("rack_id"),
        int32("rebalance_timeout_ms"), texts("subscribed_topic_names"), text("subscribed_topic_regex").since(1),
        text("server_assignor"), structures("topic_partitions", &[uuid("topic_id"), int32s("partitions")]),
    ]),
    message(ApiKey::ConsumerGroupDescribe, (0, 1), 0, &[texts("group_ids"), int8("include_authorized_operations")]),
    message(ApiKey::ControllerRegistration, (0, 0), 0, &[
        int32("controller_id"), uuid("incarnation_id"), int8("zk_migration_ready"),
        structures("listeners", &[text("name"), text("host"), int16("port"), int16("security_protocol")]),
        structures("features", &[text("name"), int16("min_supported_version"), int16("max_supported_version")]),
    ]),
    message(ApiKey::GetTelemetrySubscriptions, (0, 0), 0, &[uuid("client_instance_id")]),
    message(ApiKey::PushTelemetry, (0, 0), 0, &[
        uuid("client_instance_id"), int32("subscription_id"), int8("terminating"), int8("compression_type"),
        bytes("metrics"),
    ]),
    message(ApiKey::AssignReplicasToDirs, (0, 0), 0, &[
        int32("broker_id"), int64("broker_epoch"),
        structures("directories", &[
            uuid("id"),
            structures("topics", &[uuid("topic_id"), structures("partitions", &[int32("partition_index")])]),
        ]),
    ]),
    message(ApiKey::ListConfigResources, (0, 1), 0, &[int8s("resource_types").since(1)]),
    message(ApiKey::DescribeTopicPartitions, (0, 0), 0, &[
        structures("topics", &[text("name")]), int32("response_partition_limit"),
        optional("cursor", &[text("topic_name"), int32("partition_index")]),
    ]),
    message(ApiKey::ShareGroupHeartbeat, (1, 1), 1, &[
        text("group_id"), text("member_id"), int32("member_epoch"), text("rack_id"), texts("subscribed_topic_names"),
    ]),
    message(ApiKey::ShareGroupDescribe, (1, 1), 1, &[texts("group_ids"), int8("include_authorized_operations")]),
    message(ApiKey::ShareFetch, (1, 1), 1, &[
        text("group_id"), text("member_id"), int32("share_session_epoch"), int32("max_wait_ms"), int32("min_bytes"),
        int32("max_bytes"), int32("max_records"), int32("batch_size"),
        structures("topics", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition_index"),
                structures("acknowledgement_batches", &[
                    int64("first_offset"), int64("last_offset"), int8s("acknowledge_types"),
                ]),
            ]),
        ]),
        structures("forgotten_topics_data", &[uuid("topic_id"), int32s("partitions")]),
    ]),
    message(ApiKey::ShareAcknowledge, (1, 1), 1, &[
        text("group_id"), text("member_id"), int32("share_session_epoch"),
        structures("topics", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition_index"),
                structures("acknowledgement_batches", &[
                    int64("first_offset"), int64("last_offset"), int8s("acknowledge_types"),
                ]),
            ]),
        ]),
    ]),
    message(ApiKey::AddRaftVoter, (0, 0), 0, &[
        text("cluster_id"), int32("timeout_ms"), int32("voter_id"), uuid("voter_directory_id"),
        structures("listeners", &[text("name"), text("host"), int16("port")]),
    ]),
    message(ApiKey::RemoveRaftVoter, (0, 0), 0, &[text("cluster_id"), int32("voter_id"), uuid("voter_directory_id")]),
    message(ApiKey::UpdateRaftVoter, (0, 0), 0, &[
        text("cluster_id"), int32("current_leader_epoch"), int32("voter_id"), uuid("voter_directory_id"),
        structures("listeners", &[text("name"), text("host"), int16("port")]),
        structure("k_raft_version_feature", &[int16("min_supported_version"), int16("max_supported_version")]),
    ]),
    message(ApiKey::InitializeShareGroupState, (0, 0), 0, &[
        text("group_id"),
        structures("topics", &[
            uuid("topic_id"),
            structures("partitions", &[int32("partition"), int32("state_epoch"), int64("start_offset")]),
        ]),
    ]),
    message(ApiKey::ReadShareGroupState, (0, 0), 0, &[
        text("group_id"),
        structures("topics", &[
            uuid("topic_id"), structures("partitions", &[int32("partition"), int32("leader_epoch")]),
        ]),
    ]),
    message(ApiKey::WriteShareGroupState, (0, 0), 0, &[
        text("group_id"),
        structures("topics", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition"), int32("state_epoch"), int32("leader_epoch"), int64("start_offset"),
                structures("state_batches", &[
                    int64("first_offset"), int64("last_offset"), int8("delivery_state"), int16("delivery_count"),
                ]),
            ]),
        ]),
    ]),
    message(ApiKey::DeleteShareGroupState, (0, 0), 0, &[
        text("group_id"), structures("topics", &[uuid("topic_id"), structures("partitions", &[int32("partition")])]),
    ]),
    message(ApiKey::ReadShareGroupStateSummary, (0, 0), 0, &[
        text("group_id"),
        structures("topics", &[
            uuid("topic_id"), structures("partitions", &[int32("partition"), int32("leader_epoch")]),
        ]),
    ]),
    message(ApiKey::DescribeShareGroupOffsets, (0, 0), 0, &[
        structures("groups", &[text("group_id"), structures("topics", &[text("topic_name"), int32s("partitions")])]),
    ]),
    message(ApiKey::AlterShareGroupOffsets, (0, 0), 0, &[
        text("group_id"),
        structures("topics", &[
            text("topic_name"), structures("partitions", &[int32("partition_index"), int64("start_offset")]),
        ]),
    ]),
    message(ApiKey::DeleteShareGroupOffsets, (0, 0), 0, &[
        text("group_id"), structures("topics", &[text("topic_name")]),
    ]),
];
