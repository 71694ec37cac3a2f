//! What every response consists of, in each version that the message types know.
//!
//! Generated from Apache Kafka's message definitions by `tests/guard_tables`: not to be edited.

use kafka_protocol::messages::ApiKey;

use super::schema::*;

/// In ascending order of the API keys.
pub(super) static MESSAGES: &[Message] = &[
    message(ApiKey::Produce, (3, 13), 9, &[
        structures("responses", &[
            text("name").until(12), uuid("topic_id").since(13),
            structures("partition_responses", &[
                int32("index"), int16("error_code"), int64("base_offset"), int64("log_append_time_ms"),
                int64("log_start_offset").since(5),
                structures("record_errors", &[int32("batch_index"), text("batch_index_error_message")]).since(8),
                text("error_message").since(8),
                structure("current_leader", &[int32("leader_id"), int32("leader_epoch")]).tag(0).since(10),
            ]),
        ]),
        int32("throttle_time_ms"),
        structures("node_endpoints", &[int32("node_id"), text("host"), int32("port"), text("rack")]).tag(0).since(10),
    ]),
    message(ApiKey::Fetch, (4, 18), 12, &[
        int32("throttle_time_ms"), int16("error_code").since(7), int32("session_id").since(7),
        structures("responses", &[
            text("topic").until(12), uuid("topic_id").since(13),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), int64("high_watermark"), int64("last_stable_offset"),
                int64("log_start_offset").since(5),
                structure("diverging_epoch", &[int32("epoch"), int64("end_offset")]).tag(0).since(12),
                structure("current_leader", &[int32("leader_id"), int32("leader_epoch")]).tag(1).since(12),
                structure("snapshot_id", &[int64("end_offset"), int32("epoch")]).tag(2).since(12),
                structures("aborted_transactions", &[int64("producer_id"), int64("first_offset")]),
                int32("preferred_read_replica").since(11), bytes("records"),
            ]),
        ]),
        structures("node_endpoints", &[int32("node_id"), text("host"), int32("port"), text("rack")]).tag(0).since(16),
    ]),
    message(ApiKey::ListOffsets, (1, 10), 6, &[
        int32("throttle_time_ms").since(2),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), int64("timestamp"), int64("offset"),
                int32("leader_epoch").since(4),
            ]),
        ]),
    ]),
    message(ApiKey::Metadata, (0, 13), 9, &[
        int32("throttle_time_ms").since(3),
        structures("brokers", &[int32("node_id"), text("host"), int32("port"), text("rack").since(1)]),
        text("cluster_id").since(2), int32("controller_id").since(1),
        structures("topics", &[
            int16("error_code"), text("name"), uuid("topic_id").since(10), int8("is_internal").since(1),
            structures("partitions", &[
                int16("error_code"), int32("partition_index"), int32("leader_id"), int32("leader_epoch").since(7),
                int32s("replica_nodes"), int32s("isr_nodes"), int32s("offline_replicas").since(5),
            ]),
            int32("topic_authorized_operations").since(8),
        ]),
        int32("cluster_authorized_operations").since(8).until(10), int16("error_code").since(13),
    ]),
    message(ApiKey::OffsetCommit, (2, 10), 8, &[
        int32("throttle_time_ms").since(3),
        structures("topics", &[
            text("name").until(9), uuid("topic_id").since(10),
            structures("partitions", &[int32("partition_index"), int16("error_code")]),
        ]),
    ]),
    message(ApiKey::OffsetFetch, (1, 10), 6, &[
        int32("throttle_time_ms").since(3),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition_index"), int64("committed_offset"), int32("committed_leader_epoch").since(5),
                text("metadata"), int16("error_code"),
            ]),
        ]).until(7),
        int16("error_code").since(2).until(7),
        structures("groups", &[
            text("group_id"),
            structures("topics", &[
                text("name").until(9), uuid("topic_id").since(10),
                structures("partitions", &[
                    int32("partition_index"), int64("committed_offset"), int32("committed_leader_epoch"),
                    text("metadata"), int16("error_code"),
                ]),
            ]),
            int16("error_code"),
        ]).since(8),
    ]),
    message(ApiKey::FindCoordinator, (0, 6), 3, &[
        int32("throttle_time_ms").since(1), int16("error_code").until(3), text("error_message").since(1).until(3),
        int32("node_id").until(3), text("host").until(3), int32("port").until(3),
        structures("coordinators", &[
            text("key"), int32("node_id"), text("host"), int32("port"), int16("error_code"), text("error_message"),
        ]).since(4),
    ]),
    message(ApiKey::JoinGroup, (0, 9), 6, &[
        int32("throttle_time_ms").since(2), int16("error_code"), int32("generation_id"), text("protocol_type").since(7),
        text("protocol_name"), text("leader"), int8("skip_assignment").since(9), text("member_id"),
        structures("members", &[text("member_id"), text("group_instance_id").since(5), bytes("metadata")]),
    ]),
    message(ApiKey::Heartbeat, (0, 4), 4, &[int32("throttle_time_ms").since(1), int16("error_code")]),
    message(ApiKey::LeaveGroup, (0, 5), 4, &[
        int32("throttle_time_ms").since(1), int16("error_code"),
        structures("members", &[text("member_id"), text("group_instance_id"), int16("error_code")]).since(3),
    ]),
    message(ApiKey::SyncGroup, (0, 5), 4, &[
        int32("throttle_time_ms").since(1), int16("error_code"), text("protocol_type").since(5),
        text("protocol_name").since(5), bytes("assignment"),
    ]),
    message(ApiKey::DescribeGroups, (0, 6), 5, &[
        int32("throttle_time_ms").since(1),
        structures("groups", &[
            int16("error_code"), text("error_message").since(6), text("group_id"), text("group_state"),
            text("protocol_type"), text("protocol_data"),
            structures("members", &[
                text("member_id"), text("group_instance_id").since(4), text("client_id"), text("client_host"),
                bytes("member_metadata"), bytes("member_assignment"),
            ]),
            int32("authorized_operations").since(3),
        ]),
    ]),
    message(ApiKey::ListGroups, (0, 5), 3, &[
        int32("throttle_time_ms").since(1), int16("error_code"),
        structures("groups", &[
            text("group_id"), text("protocol_type"), text("group_state").since(4), text("group_type").since(5),
        ]),
    ]),
    message(ApiKey::SaslHandshake, (0, 1), NEVER, &[int16("error_code"), texts("mechanisms")]),
    message(ApiKey::ApiVersions, (0, 4), 3, &[
        int16("error_code"), structures("api_keys", &[int16("api_key"), int16("min_version"), int16("max_version")]),
        int32("throttle_time_ms").since(1),
        structures("supported_features", &[text("name"), int16("min_version"), int16("max_version")]).tag(0).since(3),
        int64("finalized_features_epoch").tag(1).since(3),
        structures("finalized_features", &[
            text("name"), int16("max_version_level"), int16("min_version_level"),
        ]).tag(2).since(3),
        int8("zk_migration_ready").tag(3).since(3),
    ]),
    message(ApiKey::CreateTopics, (2, 7), 5, &[
        int32("throttle_time_ms"),
        structures("topics", &[
            text("name"), uuid("topic_id").since(7), int16("error_code"), text("error_message"),
            int16("topic_config_error_code").tag(0).since(5), int32("num_partitions").since(5),
            int16("replication_factor").since(5),
            structures("configs", &[
                text("name"), text("value"), int8("read_only"), int8("config_source"), int8("is_sensitive"),
            ]).since(5),
        ]),
    ]),
    message(ApiKey::DeleteTopics, (1, 6), 4, &[
        int32("throttle_time_ms"),
        structures("responses", &[
            text("name"), uuid("topic_id").since(6), int16("error_code"), text("error_message").since(5),
        ]),
    ]),
    message(ApiKey::DeleteRecords, (0, 2), 2, &[
        int32("throttle_time_ms"),
        structures("topics", &[
            text("name"),
            structures("partitions", &[int32("partition_index"), int64("low_watermark"), int16("error_code")]),
        ]),
    ]),
    message(ApiKey::InitProducerId, (0, 6), 2, &[
        int32("throttle_time_ms"), int16("error_code"), int64("producer_id"), int16("producer_epoch"),
        int64("ongoing_txn_producer_id").since(6), int16("ongoing_txn_producer_epoch").since(6),
    ]),
    message(ApiKey::OffsetForLeaderEpoch, (2, 4), 4, &[
        int32("throttle_time_ms"),
        structures("topics", &[
            text("topic"),
            structures("partitions", &[
                int16("error_code"), int32("partition"), int32("leader_epoch"), int64("end_offset"),
            ]),
        ]),
    ]),
    message(ApiKey::AddPartitionsToTxn, (0, 5), 3, &[
        int32("throttle_time_ms"), int16("error_code").since(4),
        structures("results_by_transaction", &[
            text("transactional_id"),
            structures("topic_results", &[
                text("name"),
                structures("results_by_partition", &[int32("partition_index"), int16("partition_error_code")]),
            ]),
        ]).since(4),
        structures("results_by_topic_v3_and_below", &[
            text("name"),
            structures("results_by_partition", &[int32("partition_index"), int16("partition_error_code")]),
        ]).until(3),
    ]),
    message(ApiKey::AddOffsetsToTxn, (0, 4), 3, &[int32("throttle_time_ms"), int16("error_code")]),
    message(ApiKey::EndTxn, (0, 5), 3, &[
        int32("throttle_time_ms"), int16("error_code"), int64("producer_id").since(5), int16("producer_epoch").since(5),
    ]),
    message(ApiKey::WriteTxnMarkers, (1, 1), 1, &[
        structures("markers", &[
            int64("producer_id"),
            structures("topics", &[
                text("name"), structures("partitions", &[int32("partition_index"), int16("error_code")]),
            ]),
        ]),
    ]),
    message(ApiKey::TxnOffsetCommit, (0, 5), 3, &[
        int32("throttle_time_ms"),
        structures("topics", &[
            text("name"), structures("partitions", &[int32("partition_index"), int16("error_code")]),
        ]),
    ]),
    message(ApiKey::DescribeAcls, (1, 3), 2, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("resources", &[
            int8("resource_type"), text("resource_name"), int8("pattern_type"),
            structures("acls", &[text("principal"), text("host"), int8("operation"), int8("permission_type")]),
        ]),
    ]),
    message(ApiKey::CreateAcls, (1, 3), 2, &[
        int32("throttle_time_ms"), structures("results", &[int16("error_code"), text("error_message")]),
    ]),
    message(ApiKey::DeleteAcls, (1, 3), 2, &[
        int32("throttle_time_ms"),
        structures("filter_results", &[
            int16("error_code"), text("error_message"),
            structures("matching_acls", &[
                int16("error_code"), text("error_message"), int8("resource_type"), text("resource_name"),
                int8("pattern_type"), text("principal"), text("host"), int8("operation"), int8("permission_type"),
            ]),
        ]),
    ]),
    message(ApiKey::DescribeConfigs, (1, 4), 4, &[
        int32("throttle_time_ms"),
        structures("results", &[
            int16("error_code"), text("error_message"), int8("resource_type"), text("resource_name"),
            structures("configs", &[
                text("name"), text("value"), int8("read_only"), int8("config_source"), int8("is_sensitive"),
                structures("synonyms", &[text("name"), text("value"), int8("source")]), int8("config_type").since(3),
                text("documentation").since(3),
            ]),
        ]),
    ]),
    message(ApiKey::AlterConfigs, (0, 2), 2, &[
        int32("throttle_time_ms"),
        structures("responses", &[
            int16("error_code"), text("error_message"), int8("resource_type"), text("resource_name"),
        ]),
    ]),
    message(ApiKey::AlterReplicaLogDirs, (1, 2), 2, &[
        int32("throttle_time_ms"),
        structures("results", &[
            text("topic_name"), structures("partitions", &[int32("partition_index"), int16("error_code")]),
        ]),
    ]),
    message(ApiKey::DescribeLogDirs, (1, 4), 2, &[
        int32("throttle_time_ms"), int16("error_code").since(3),
        structures("results", &[
            int16("error_code"), text("log_dir"),
            structures("topics", &[
                text("name"),
                structures("partitions", &[
                    int32("partition_index"), int64("partition_size"), int64("offset_lag"), int8("is_future_key"),
                ]),
            ]),
            int64("total_bytes").since(4), int64("usable_bytes").since(4),
        ]),
    ]),
    message(ApiKey::SaslAuthenticate, (0, 2), 2, &[
        int16("error_code"), text("error_message"), bytes("auth_bytes"), int64("session_lifetime_ms").since(1),
    ]),
    message(ApiKey::CreatePartitions, (0, 3), 2, &[
        int32("throttle_time_ms"), structures("results", &[text("name"), int16("error_code"), text("error_message")]),
    ]),
    message(ApiKey::CreateDelegationToken, (1, 3), 2, &[
        int16("error_code"), text("principal_type"), text("principal_name"),
        text("token_requester_principal_type").since(3), text("token_requester_principal_name").since(3),
        int64("issue_timestamp_ms"), int64("expiry_timestamp_ms"), int64("max_timestamp_ms"), text("token_id"),
        bytes("hmac"), int32("throttle_time_ms"),
    ]),
    message(ApiKey::RenewDelegationToken, (1, 2), 2, &[
        int16("error_code"), int64("expiry_timestamp_ms"), int32("throttle_time_ms"),
    ]),
    message(ApiKey::ExpireDelegationToken, (1, 2), 2, &[
        int16("error_code"), int64("expiry_timestamp_ms"), int32("throttle_time_ms"),
    ]),
    message(ApiKey::DescribeDelegationToken, (1, 3), 2, &[
        int16("error_code"),
        structures("tokens", &[
            text("principal_type"), text("principal_name"), text("token_requester_principal_type").since(3),
            text("token_requester_principal_name").since(3), int64("issue_timestamp"), int64("expiry_timestamp"),
            int64("max_timestamp"), text("token_id"), bytes("hmac"),
            structures("renewers", &[text("principal_type"), text("principal_name")]),
        ]),
        int32("throttle_time_ms"),
    ]),
    message(ApiKey::DeleteGroups, (0, 2), 2, &[
        int32("throttle_time_ms"), structures("results", &[text("group_id"), int16("error_code")]),
    ]),
    message(ApiKey::ElectLeaders, (0, 2), 2, &[
        int32("throttle_time_ms"), int16("error_code").since(1),
        structures("replica_election_results", &[
            text("topic"),
            structures("partition_result", &[int32("partition_id"), int16("error_code"), text("error_message")]),
        ]),
    ]),
    message(ApiKey::IncrementalAlterConfigs, (0, 1), 1, &[
        int32("throttle_time_ms"),
        structures("responses", &[
            int16("error_code"), text("error_message"), int8("resource_type"), text("resource_name"),
        ]),
    ]),
    message(ApiKey::AlterPartitionReassignments, (0, 1), 0, &[
        int32("throttle_time_ms"), int8("allow_replication_factor_change").since(1), int16("error_code"),
        text("error_message"),
        structures("responses", &[
            text("name"),
            structures("partitions", &[int32("partition_index"), int16("error_code"), text("error_message")]),
        ]),
    ]),
    message(ApiKey::ListPartitionReassignments, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition_index"), int32s("replicas"), int32s("adding_replicas"), int32s("removing_replicas"),
            ]),
        ]),
    ]),
    message(ApiKey::OffsetDelete, (0, 0), NEVER, &[
        int16("error_code"), int32("throttle_time_ms"),
        structures("topics", &[
            text("name"), structures("partitions", &[int32("partition_index"), int16("error_code")]),
        ]),
    ]),
    message(ApiKey::DescribeClientQuotas, (0, 1), 1, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("entries", &[
            structures("entity", &[text("entity_type"), text("entity_name")]),
            structures("values", &[text("key"), int64("value")]),
        ]),
    ]),
    message(ApiKey::AlterClientQuotas, (0, 1), 1, &[
        int32("throttle_time_ms"),
        structures("entries", &[
            int16("error_code"), text("error_message"),
            structures("entity", &[text("entity_type"), text("entity_name")]),
        ]),
    ]),
    message(ApiKey::DescribeUserScramCredentials, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("results", &[
            text("user"), int16("error_code"), text("error_message"),
            structures("credential_infos", &[int8("mechanism"), int32("iterations")]),
        ]),
    ]),
    message(ApiKey::AlterUserScramCredentials, (0, 0), 0, &[
        int32("throttle_time_ms"), structures("results", &[text("user"), int16("error_code"), text("error_message")]),
    ]),
    message(ApiKey::Vote, (0, 2), 0, &[
        int16("error_code"),
        structures("topics", &[
            text("topic_name"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), int32("leader_id"), int32("leader_epoch"),
                int8("vote_granted"),
            ]),
        ]),
        structures("node_endpoints", &[int32("node_id"), text("host"), int16("port")]).tag(0).since(1),
    ]),
    message(ApiKey::BeginQuorumEpoch, (0, 1), 1, &[
        int16("error_code"),
        structures("topics", &[
            text("topic_name"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), int32("leader_id"), int32("leader_epoch"),
            ]),
        ]),
        structures("node_endpoints", &[int32("node_id"), text("host"), int16("port")]).tag(0).since(1),
    ]),
    message(ApiKey::EndQuorumEpoch, (0, 1), 1, &[
        int16("error_code"),
        structures("topics", &[
            text("topic_name"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), int32("leader_id"), int32("leader_epoch"),
            ]),
        ]),
        structures("node_endpoints", &[int32("node_id"), text("host"), int16("port")]).tag(0).since(1),
    ]),
    message(ApiKey::DescribeQuorum, (0, 2), 0, &[
        int16("error_code"), text("error_message").since(2),
        structures("topics", &[
            text("topic_name"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), text("error_message").since(2), int32("leader_id"),
                int32("leader_epoch"), int64("high_watermark"),
                structures("current_voters", &[
                    int32("replica_id"), uuid("replica_directory_id").since(2), int64("log_end_offset"),
                    int64("last_fetch_timestamp").since(1), int64("last_caught_up_timestamp").since(1),
                ]),
                structures("observers", &[
                    int32("replica_id"), uuid("replica_directory_id").since(2), int64("log_end_offset"),
                    int64("last_fetch_timestamp").since(1), int64("last_caught_up_timestamp").since(1),
                ]),
            ]),
        ]),
        structures("nodes", &[
            int32("node_id"), structures("listeners", &[text("name"), text("host"), int16("port")]),
        ]).since(2),
    ]),
    message(ApiKey::AlterPartition, (2, 3), 2, &[
        int32("throttle_time_ms"), int16("error_code"),
        structures("topics", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), int32("leader_id"), int32("leader_epoch"), int32s("isr"),
                int8("leader_recovery_state"), int32("partition_epoch"),
            ]),
        ]),
    ]),
    message(ApiKey::UpdateFeatures, (0, 2), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("results", &[text("feature"), int16("error_code"), text("error_message")]).until(1),
    ]),
    message(ApiKey::Envelope, (0, 0), 0, &[bytes("response_data"), int16("error_code")]),
    message(ApiKey::FetchSnapshot, (0, 1), 0, &[
        int32("throttle_time_ms"), int16("error_code"),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("index"), int16("error_code"), structure("snapshot_id", &[int64("end_offset"), int32("epoch")]),
                structure("current_leader", &[int32("leader_id"), int32("leader_epoch")]).tag(0), int64("size"),
                int64("position"), bytes("unaligned_records"),
            ]),
        ]),
        structures("node_endpoints", &[int32("node_id"), text("host"), int16("port")]).tag(0).since(1),
    ]),
    message(ApiKey::DescribeCluster, (0, 2), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"), int8("endpoint_type").since(1),
        text("cluster_id"), int32("controller_id"),
        structures("brokers", &[
            int32("broker_id"), text("host"), int32("port"), text("rack"), int8("is_fenced").since(2),
        ]),
        int32("cluster_authorized_operations"),
    ]),
    message(ApiKey::DescribeProducers, (0, 0), 0, &[
        int32("throttle_time_ms"),
        structures("topics", &[
            text("name"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), text("error_message"),
                structures("active_producers", &[
                    int64("producer_id"), int32("producer_epoch"), int32("last_sequence"), int64("last_timestamp"),
                    int32("coordinator_epoch"), int64("current_txn_start_offset"),
                ]),
            ]),
        ]),
    ]),
    message(ApiKey::BrokerRegistration, (0, 4), 0, &[
        int32("throttle_time_ms"), int16("error_code"), int64("broker_epoch"),
    ]),
    message(ApiKey::BrokerHeartbeat, (0, 1), 0, &[
        int32("throttle_time_ms"), int16("error_code"), int8("is_caught_up"), int8("is_fenced"),
        int8("should_shut_down"),
    ]),
    message(ApiKey::UnregisterBroker, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
    ]),
    message(ApiKey::DescribeTransactions, (0, 0), 0, &[
        int32("throttle_time_ms"),
        structures("transaction_states", &[
            int16("error_code"), text("transactional_id"), text("transaction_state"), int32("transaction_timeout_ms"),
            int64("transaction_start_time_ms"), int64("producer_id"), int16("producer_epoch"),
            structures("topics", &[text("topic"), int32s("partitions")]),
        ]),
    ]),
    message(ApiKey::ListTransactions, (0, 2), 0, &[
        int32("throttle_time_ms"), int16("error_code"), texts("unknown_state_filters"),
        structures("transaction_states", &[text("transactional_id"), int64("producer_id"), text("transaction_state")]),
    ]),
    message(ApiKey::AllocateProducerIds, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), int64("producer_id_start"), int32("producer_id_len"),
    ]),
    message(ApiKey::ConsumerGroupHeartbeat, (0, 1), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"), text("member_id"), int32("member_epoch"),
        int32("heartbeat_interval_ms"),
        optional("assignment", &[structures("topic_partitions", &[uuid("topic_id"), int32s("partitions")])]),
    ]),
    message(ApiKey::ConsumerGroupDescribe, (0, 1), 0, &[
        int32("throttle_time_ms"),
        structures("groups", &[
            int16("error_code"), text("error_message"), text("group_id"), text("group_state"), int32("group_epoch"),
            int32("assignment_epoch"), text("assignor_name"),
            structures("members", &[
                text("member_id"), text("instance_id"), text("rack_id"), int32("member_epoch"), text("client_id"),
                text("client_host"), texts("subscribed_topic_names"), text("subscribed_topic_regex"),
                structure("assignment", &[
                    structures("topic_partitions", &[uuid("topic_id"), text("topic_name"), int32s("partitions")]),
                ]),
                structure("target_assignment", &[
                    structures("topic_partitions", &[uuid("topic_id"), text("topic_name"), int32s("partitions")]),
                ]),
                int8("member_type").since(1),
            ]),
            int32("authorized_operations"),
        ]),
    ]),
    message(ApiKey::ControllerRegistration, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
    ]),
    message(ApiKey::GetTelemetrySubscriptions, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), uuid("client_instance_id"), int32("subscription_id"),
        int8s("accepted_compression_types"), int32("push_interval_ms"), int32("telemetry_max_bytes"),
        int8("delta_temporality"), texts("requested_metrics"),
    ]),
    message(ApiKey::PushTelemetry, (0, 0), 0, &[int32("throttle_time_ms"), int16("error_code")]),
    message(ApiKey::AssignReplicasToDirs, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"),
        structures("directories", &[
            uuid("id"),
            structures("topics", &[
                uuid("topic_id"), structures("partitions", &[int32("partition_index"), int16("error_code")]),
            ]),
        ]),
    ]),
    message(ApiKey::ListConfigResources, (0, 1), 0, &[
        int32("throttle_time_ms"), int16("error_code"),
        structures("config_resources", &[text("resource_name"), int8("resource_type").since(1)]),
    ]),
    message(ApiKey::DescribeTopicPartitions, (0, 0), 0, &[
        int32("throttle_time_ms"),
        structures("topics", &[
            int16("error_code"), text("name"), uuid("topic_id"), int8("is_internal"),
            structures("partitions", &[
                int16("error_code"), int32("partition_index"), int32("leader_id"), int32("leader_epoch"),
                int32s("replica_nodes"), int32s("isr_nodes"), int32s("eligible_leader_replicas"),
                int32s("last_known_elr"), int32s("offline_replicas"),
            ]),
            int32("topic_authorized_operations"),
        ]),
        optional("next_cursor", &[text("topic_name"), int32("partition_index")]),
    ]),
    message(ApiKey::ShareGroupHeartbeat, (1, 1), 1, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"), text("member_id"), int32("member_epoch"),
        int32("heartbeat_interval_ms"),
        optional("assignment", &[structures("topic_partitions", &[uuid("topic_id"), int32s("partitions")])]),
    ]),
    message(ApiKey::ShareGroupDescribe, (1, 1), 1, &[
        int32("throttle_time_ms"),
        structures("groups", &[
            int16("error_code"), text("error_message"), text("group_id"), text("group_state"), int32("group_epoch"),
            int32("assignment_epoch"), text("assignor_name"),
            structures("members", &[
                text("member_id"), text("rack_id"), int32("member_epoch"), text("client_id"), text("client_host"),
                texts("subscribed_topic_names"),
                structure("assignment", &[
                    structures("topic_partitions", &[uuid("topic_id"), text("topic_name"), int32s("partitions")]),
                ]),
            ]),
            int32("authorized_operations"),
        ]),
    ]),
    message(ApiKey::ShareFetch, (1, 1), 1, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"), int32("acquisition_lock_timeout_ms"),
        structures("responses", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), text("error_message"), int16("acknowledge_error_code"),
                text("acknowledge_error_message"),
                structure("current_leader", &[int32("leader_id"), int32("leader_epoch")]), bytes("records"),
                structures("acquired_records", &[int64("first_offset"), int64("last_offset"), int16("delivery_count")]),
            ]),
        ]),
        structures("node_endpoints", &[int32("node_id"), text("host"), int32("port"), text("rack")]),
    ]),
    message(ApiKey::ShareAcknowledge, (1, 1), 1, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("responses", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition_index"), int16("error_code"), text("error_message"),
                structure("current_leader", &[int32("leader_id"), int32("leader_epoch")]),
            ]),
        ]),
        structures("node_endpoints", &[int32("node_id"), text("host"), int32("port"), text("rack")]),
    ]),
    message(ApiKey::AddRaftVoter, (0, 0), 0, &[int32("throttle_time_ms"), int16("error_code"), text("error_message")]),
    message(ApiKey::RemoveRaftVoter, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
    ]),
    message(ApiKey::UpdateRaftVoter, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"),
        structure("current_leader", &[int32("leader_id"), int32("leader_epoch"), text("host"), int32("port")]).tag(0),
    ]),
    message(ApiKey::InitializeShareGroupState, (0, 0), 0, &[
        structures("results", &[
            uuid("topic_id"),
            structures("partitions", &[int32("partition"), int16("error_code"), text("error_message")]),
        ]),
    ]),
    message(ApiKey::ReadShareGroupState, (0, 0), 0, &[
        structures("results", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition"), int16("error_code"), text("error_message"), int32("state_epoch"),
                int64("start_offset"),
                structures("state_batches", &[
                    int64("first_offset"), int64("last_offset"), int8("delivery_state"), int16("delivery_count"),
                ]),
            ]),
        ]),
    ]),
    message(ApiKey::WriteShareGroupState, (0, 0), 0, &[
        structures("results", &[
            uuid("topic_id"),
            structures("partitions", &[int32("partition"), int16("error_code"), text("error_message")]),
        ]),
    ]),
    message(ApiKey::DeleteShareGroupState, (0, 0), 0, &[
        structures("results", &[
            uuid("topic_id"),
            structures("partitions", &[int32("partition"), int16("error_code"), text("error_message")]),
        ]),
    ]),
    message(ApiKey::ReadShareGroupStateSummary, (0, 0), 0, &[
        structures("results", &[
            uuid("topic_id"),
            structures("partitions", &[
                int32("partition"), int16("error_code"), text("error_message"), int32("state_epoch"),
                int32("leader_epoch"), int64("start_offset"),
            ]),
        ]),
    ]),
    message(ApiKey::DescribeShareGroupOffsets, (0, 0), 0, &[
        int32("throttle_time_ms"),
        structures("groups", &[
            text("group_id"),
            structures("topics", &[
                text("topic_name"), uuid("topic_id"),
                structures("partitions", &[
                    int32("partition_index"), int64("start_offset"), int32("leader_epoch"), int16("error_code"),
                    text("error_message"),
                ]),
            ]),
            int16("error_code"), text("error_message"),
        ]),
    ]),
    message(ApiKey::AlterShareGroupOffsets, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("responses", &[
            text("topic_name"), uuid("topic_id"),
            structures("partitions", &[int32("partition_index"), int16("error_code"), text("error_message")]),
        ]),
    ]),
    message(ApiKey::DeleteShareGroupOffsets, (0, 0), 0, &[
        int32("throttle_time_ms"), int16("error_code"), text("error_message"),
        structures("responses", &[text("topic_name"), uuid("topic_id"), int16("error_code"), text("error_message")]),
    ]),
];
