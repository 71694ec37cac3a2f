//! What every response that a broker may send consists of.
//!
//! Field names and version ranges are those of the message schemas of Kafka 4.1. A test fills each version of
//! each message and has it decoded by the message types.

use kafka_protocol::messages::ApiKey;

use super::schema::{
    BYTES, I8, I16, I32, I64,
    Kind::{List, Optional, Struct},
    Message, NEVER, TEXT, UUID, field, tagged,
};

/// In ascending order of the API keys.
pub(super) static MESSAGES: &[Message] = &[
    Message {
        api: ApiKey::Produce,
        versions: (3, 13),
        flexible_from: 9,
        fields: &[
            field(
                "responses",
                List(&Struct(&[
                    field("topic_id", UUID).since(13),
                    field("name", TEXT).until(12),
                    field(
                        "partition_responses",
                        List(&Struct(&[
                            field("index", I32),
                            field("error_code", I16),
                            field("base_offset", I64),
                            field("log_append_time_ms", I64),
                            field("log_start_offset", I64).since(5),
                            field(
                                "record_errors",
                                List(&Struct(&[
                                    field("batch_index", I32).since(8),
                                    field("batch_index_error_message", TEXT).since(8),
                                ])),
                            )
                            .since(8),
                            field("error_message", TEXT).since(8),
                            tagged(
                                0,
                                "current_leader",
                                Struct(&[field("leader_id", I32).since(10), field("leader_epoch", I32).since(10)]),
                            )
                            .since(10),
                        ])),
                    ),
                ])),
            ),
            field("throttle_time_ms", I32),
            tagged(
                0,
                "node_endpoints",
                List(&Struct(&[
                    field("node_id", I32).since(10),
                    field("host", TEXT).since(10),
                    field("port", I32).since(10),
                    field("rack", TEXT).since(10),
                ])),
            )
            .since(10),
        ],
    },
    Message {
        api: ApiKey::Fetch,
        versions: (4, 18),
        flexible_from: 12,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16).since(7),
            field("session_id", I32).since(7),
            field(
                "responses",
                List(&Struct(&[
                    field("topic_id", UUID).since(13),
                    field("topic", TEXT).until(12),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("error_code", I16),
                            field("high_watermark", I64),
                            field("last_stable_offset", I64),
                            field("log_start_offset", I64).since(5),
                            field(
                                "aborted_transactions",
                                List(&Struct(&[field("producer_id", I64), field("first_offset", I64)])),
                            ),
                            field("preferred_read_replica", I32).since(11),
                            field("records", BYTES),
                            tagged(
                                0,
                                "diverging_epoch",
                                Struct(&[field("epoch", I32).since(12), field("end_offset", I64).since(12)]),
                            )
                            .since(12),
                            tagged(
                                1,
                                "current_leader",
                                Struct(&[field("leader_id", I32).since(12), field("leader_epoch", I32).since(12)]),
                            )
                            .since(12),
                            tagged(2, "snapshot_id", Struct(&[field("end_offset", I64), field("epoch", I32)]))
                                .since(12),
                        ])),
                    ),
                ])),
            ),
            tagged(
                0,
                "node_endpoints",
                List(&Struct(&[
                    field("node_id", I32).since(16),
                    field("host", TEXT).since(16),
                    field("port", I32).since(16),
                    field("rack", TEXT).since(16),
                ])),
            )
            .since(16),
        ],
    },
    Message {
        api: ApiKey::ListOffsets,
        versions: (1, 10),
        flexible_from: 6,
        fields: &[
            field("throttle_time_ms", I32).since(2),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("error_code", I16),
                            field("timestamp", I64),
                            field("offset", I64),
                            field("leader_epoch", I32).since(4),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::Metadata,
        versions: (0, 13),
        flexible_from: 9,
        fields: &[
            field("throttle_time_ms", I32).since(3),
            field(
                "brokers",
                List(&Struct(&[
                    field("node_id", I32),
                    field("host", TEXT),
                    field("port", I32),
                    field("rack", TEXT).since(1),
                ])),
            ),
            field("cluster_id", TEXT).since(2),
            field("controller_id", I32).since(1),
            field(
                "topics",
                List(&Struct(&[
                    field("error_code", I16),
                    field("name", TEXT),
                    field("topic_id", UUID).since(10),
                    field("is_internal", I8).since(1),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("error_code", I16),
                            field("partition_index", I32),
                            field("leader_id", I32),
                            field("leader_epoch", I32).since(7),
                            field("replica_nodes", List(&I32)),
                            field("isr_nodes", List(&I32)),
                            field("offline_replicas", List(&I32)).since(5),
                        ])),
                    ),
                    field("topic_authorized_operations", I32).since(8),
                ])),
            ),
            field("error_code", I16).since(13),
            field("cluster_authorized_operations", I32).since(8).until(10),
        ],
    },
    Message {
        api: ApiKey::OffsetCommit,
        versions: (2, 10),
        flexible_from: 8,
        fields: &[
            field("throttle_time_ms", I32).since(3),
            field(
                "topics",
                List(&Struct(&[
                    field("topic_id", UUID).since(10),
                    field("name", TEXT).until(9),
                    field("partitions", List(&Struct(&[field("partition_index", I32), field("error_code", I16)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::OffsetFetch,
        versions: (1, 10),
        flexible_from: 6,
        fields: &[
            field("throttle_time_ms", I32).since(3),
            field(
                "groups",
                List(&Struct(&[
                    field("group_id", TEXT).since(8),
                    field(
                        "topics",
                        List(&Struct(&[
                            field("topic_id", UUID).since(10),
                            field("name", TEXT).since(8).until(9),
                            field(
                                "partitions",
                                List(&Struct(&[
                                    field("partition_index", I32).since(8),
                                    field("committed_offset", I64).since(8),
                                    field("committed_leader_epoch", I32).since(8),
                                    field("metadata", TEXT).since(8),
                                    field("error_code", I16).since(8),
                                ])),
                            )
                            .since(8),
                        ])),
                    )
                    .since(8),
                    field("error_code", I16).since(8),
                ])),
            )
            .since(8),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT).until(7),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32).until(7),
                            field("committed_offset", I64).until(7),
                            field("committed_leader_epoch", I32).since(5).until(7),
                            field("metadata", TEXT).until(7),
                            field("error_code", I16).until(7),
                        ])),
                    )
                    .until(7),
                ])),
            )
            .until(7),
            field("error_code", I16).since(2).until(7),
        ],
    },
    Message {
        api: ApiKey::FindCoordinator,
        versions: (0, 6),
        flexible_from: 3,
        fields: &[
            field("throttle_time_ms", I32).since(1),
            field(
                "coordinators",
                List(&Struct(&[
                    field("key", TEXT).since(4),
                    field("node_id", I32).since(4),
                    field("host", TEXT).since(4),
                    field("port", I32).since(4),
                    field("error_code", I16).since(4),
                    field("error_message", TEXT).since(4),
                ])),
            )
            .since(4),
            field("error_code", I16).until(3),
            field("error_message", TEXT).since(1).until(3),
            field("node_id", I32).until(3),
            field("host", TEXT).until(3),
            field("port", I32).until(3),
        ],
    },
    Message {
        api: ApiKey::JoinGroup,
        versions: (0, 9),
        flexible_from: 6,
        fields: &[
            field("throttle_time_ms", I32).since(2),
            field("error_code", I16),
            field("generation_id", I32),
            field("protocol_type", TEXT).since(7),
            field("protocol_name", TEXT),
            field("leader", TEXT),
            field("skip_assignment", I8).since(9),
            field("member_id", TEXT),
            field(
                "members",
                List(&Struct(&[
                    field("member_id", TEXT),
                    field("group_instance_id", TEXT).since(5),
                    field("metadata", BYTES),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::Heartbeat,
        versions: (0, 4),
        flexible_from: 4,
        fields: &[field("throttle_time_ms", I32).since(1), field("error_code", I16)],
    },
    Message {
        api: ApiKey::LeaveGroup,
        versions: (0, 5),
        flexible_from: 4,
        fields: &[
            field("throttle_time_ms", I32).since(1),
            field("error_code", I16),
            field(
                "members",
                List(&Struct(&[
                    field("member_id", TEXT).since(3),
                    field("group_instance_id", TEXT).since(3),
                    field("error_code", I16).since(3),
                ])),
            )
            .since(3),
        ],
    },
    Message {
        api: ApiKey::SyncGroup,
        versions: (0, 5),
        flexible_from: 4,
        fields: &[
            field("throttle_time_ms", I32).since(1),
            field("error_code", I16),
            field("protocol_type", TEXT).since(5),
            field("protocol_name", TEXT).since(5),
            field("assignment", BYTES),
        ],
    },
    Message {
        api: ApiKey::DescribeGroups,
        versions: (0, 6),
        flexible_from: 5,
        fields: &[
            field("throttle_time_ms", I32).since(1),
            field(
                "groups",
                List(&Struct(&[
                    field("error_code", I16),
                    field("error_message", TEXT).since(6),
                    field("group_id", TEXT),
                    field("group_state", TEXT),
                    field("protocol_type", TEXT),
                    field("protocol_data", TEXT),
                    field(
                        "members",
                        List(&Struct(&[
                            field("member_id", TEXT),
                            field("group_instance_id", TEXT).since(4),
                            field("client_id", TEXT),
                            field("client_host", TEXT),
                            field("member_metadata", BYTES),
                            field("member_assignment", BYTES),
                        ])),
                    ),
                    field("authorized_operations", I32).since(3),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::ListGroups,
        versions: (0, 5),
        flexible_from: 3,
        fields: &[
            field("throttle_time_ms", I32).since(1),
            field("error_code", I16),
            field(
                "groups",
                List(&Struct(&[
                    field("group_id", TEXT),
                    field("protocol_type", TEXT),
                    field("group_state", TEXT).since(4),
                    field("group_type", TEXT).since(5),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::SaslHandshake,
        versions: (0, 1),
        flexible_from: NEVER,
        fields: &[field("error_code", I16), field("mechanisms", List(&TEXT))],
    },
    Message {
        api: ApiKey::ApiVersions,
        versions: (0, 4),
        flexible_from: 3,
        fields: &[
            field("error_code", I16),
            field(
                "api_keys",
                List(&Struct(&[field("api_key", I16), field("min_version", I16), field("max_version", I16)])),
            ),
            field("throttle_time_ms", I32).since(1),
            tagged(
                0,
                "supported_features",
                List(&Struct(&[
                    field("name", TEXT).since(3),
                    field("min_version", I16).since(3),
                    field("max_version", I16).since(3),
                ])),
            )
            .since(3),
            tagged(1, "finalized_features_epoch", I64).since(3),
            tagged(
                2,
                "finalized_features",
                List(&Struct(&[
                    field("name", TEXT).since(3),
                    field("max_version_level", I16).since(3),
                    field("min_version_level", I16).since(3),
                ])),
            )
            .since(3),
            tagged(3, "zk_migration_ready", I8).since(3),
        ],
    },
    Message {
        api: ApiKey::CreateTopics,
        versions: (2, 7),
        flexible_from: 5,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("topic_id", UUID).since(7),
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field("num_partitions", I32).since(5),
                    field("replication_factor", I16).since(5),
                    field(
                        "configs",
                        List(&Struct(&[
                            field("name", TEXT).since(5),
                            field("value", TEXT).since(5),
                            field("read_only", I8).since(5),
                            field("config_source", I8).since(5),
                            field("is_sensitive", I8).since(5),
                        ])),
                    )
                    .since(5),
                    tagged(0, "topic_config_error_code", I16).since(5),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DeleteTopics,
        versions: (1, 6),
        flexible_from: 4,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "responses",
                List(&Struct(&[
                    field("name", TEXT),
                    field("topic_id", UUID).since(6),
                    field("error_code", I16),
                    field("error_message", TEXT).since(5),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DeleteRecords,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("low_watermark", I64),
                            field("error_code", I16),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::InitProducerId,
        versions: (0, 6),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("producer_id", I64),
            field("producer_epoch", I16),
            field("ongoing_txn_producer_id", I64).since(6),
            field("ongoing_txn_producer_epoch", I16).since(6),
        ],
    },
    Message {
        api: ApiKey::OffsetForLeaderEpoch,
        versions: (2, 4),
        flexible_from: 4,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "topics",
                List(&Struct(&[
                    field("topic", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("error_code", I16),
                            field("partition", I32),
                            field("leader_epoch", I32),
                            field("end_offset", I64),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::AddPartitionsToTxn,
        versions: (0, 5),
        flexible_from: 3,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16).since(4),
            field(
                "results_by_transaction",
                List(&Struct(&[
                    field("transactional_id", TEXT).since(4),
                    field(
                        "topic_results",
                        List(&Struct(&[
                            field("name", TEXT),
                            field(
                                "results_by_partition",
                                List(&Struct(&[field("partition_index", I32), field("partition_error_code", I16)])),
                            ),
                        ])),
                    )
                    .since(4),
                ])),
            )
            .since(4),
            field(
                "results_by_topic_v3_and_below",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "results_by_partition",
                        List(&Struct(&[field("partition_index", I32), field("partition_error_code", I16)])),
                    ),
                ])),
            )
            .until(3),
        ],
    },
    Message {
        api: ApiKey::AddOffsetsToTxn,
        versions: (0, 4),
        flexible_from: 3,
        fields: &[field("throttle_time_ms", I32), field("error_code", I16)],
    },
    Message {
        api: ApiKey::EndTxn,
        versions: (0, 5),
        flexible_from: 3,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("producer_id", I64).since(5),
            field("producer_epoch", I16).since(5),
        ],
    },
    Message {
        api: ApiKey::WriteTxnMarkers,
        versions: (1, 1),
        flexible_from: 1,
        fields: &[field(
            "markers",
            List(&Struct(&[
                field("producer_id", I64),
                field(
                    "topics",
                    List(&Struct(&[
                        field("name", TEXT),
                        field("partitions", List(&Struct(&[field("partition_index", I32), field("error_code", I16)]))),
                    ])),
                ),
            ])),
        )],
    },
    Message {
        api: ApiKey::TxnOffsetCommit,
        versions: (0, 5),
        flexible_from: 3,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("partitions", List(&Struct(&[field("partition_index", I32), field("error_code", I16)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeAcls,
        versions: (1, 3),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("error_message", TEXT),
            field(
                "resources",
                List(&Struct(&[
                    field("resource_type", I8),
                    field("resource_name", TEXT),
                    field("pattern_type", I8),
                    field(
                        "acls",
                        List(&Struct(&[
                            field("principal", TEXT),
                            field("host", TEXT),
                            field("operation", I8),
                            field("permission_type", I8),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::CreateAcls,
        versions: (1, 3),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field("results", List(&Struct(&[field("error_code", I16), field("error_message", TEXT)]))),
        ],
    },
    Message {
        api: ApiKey::DeleteAcls,
        versions: (1, 3),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "filter_results",
                List(&Struct(&[
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field(
                        "matching_acls",
                        List(&Struct(&[
                            field("error_code", I16),
                            field("error_message", TEXT),
                            field("resource_type", I8),
                            field("resource_name", TEXT),
                            field("pattern_type", I8),
                            field("principal", TEXT),
                            field("host", TEXT),
                            field("operation", I8),
                            field("permission_type", I8),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeConfigs,
        versions: (1, 4),
        flexible_from: 4,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "results",
                List(&Struct(&[
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field("resource_type", I8),
                    field("resource_name", TEXT),
                    field(
                        "configs",
                        List(&Struct(&[
                            field("name", TEXT),
                            field("value", TEXT),
                            field("read_only", I8),
                            field("config_source", I8),
                            field("is_sensitive", I8),
                            field(
                                "synonyms",
                                List(&Struct(&[field("name", TEXT), field("value", TEXT), field("source", I8)])),
                            ),
                            field("config_type", I8).since(3),
                            field("documentation", TEXT).since(3),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::AlterConfigs,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "responses",
                List(&Struct(&[
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field("resource_type", I8),
                    field("resource_name", TEXT),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeLogDirs,
        versions: (1, 4),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16).since(3),
            field(
                "results",
                List(&Struct(&[
                    field("error_code", I16),
                    field("log_dir", TEXT),
                    field(
                        "topics",
                        List(&Struct(&[
                            field("name", TEXT),
                            field(
                                "partitions",
                                List(&Struct(&[
                                    field("partition_index", I32),
                                    field("partition_size", I64),
                                    field("offset_lag", I64),
                                    field("is_future_key", I8),
                                ])),
                            ),
                        ])),
                    ),
                    field("total_bytes", I64).since(4),
                    field("usable_bytes", I64).since(4),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::SaslAuthenticate,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field("error_code", I16),
            field("error_message", TEXT),
            field("auth_bytes", BYTES),
            field("session_lifetime_ms", I64).since(1),
        ],
    },
    Message {
        api: ApiKey::CreatePartitions,
        versions: (0, 3),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "results",
                List(&Struct(&[field("name", TEXT), field("error_code", I16), field("error_message", TEXT)])),
            ),
        ],
    },
    Message {
        api: ApiKey::DeleteGroups,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field("results", List(&Struct(&[field("group_id", TEXT), field("error_code", I16)]))),
        ],
    },
    Message {
        api: ApiKey::ElectLeaders,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16).since(1),
            field(
                "replica_election_results",
                List(&Struct(&[
                    field("topic", TEXT),
                    field(
                        "partition_result",
                        List(&Struct(&[
                            field("partition_id", I32),
                            field("error_code", I16),
                            field("error_message", TEXT),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::IncrementalAlterConfigs,
        versions: (0, 1),
        flexible_from: 1,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "responses",
                List(&Struct(&[
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field("resource_type", I8),
                    field("resource_name", TEXT),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::AlterPartitionReassignments,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field("allow_replication_factor_change", I8).since(1),
            field("error_code", I16),
            field("error_message", TEXT),
            field(
                "responses",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("error_code", I16),
                            field("error_message", TEXT),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::ListPartitionReassignments,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("error_message", TEXT),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("replicas", List(&I32)),
                            field("adding_replicas", List(&I32)),
                            field("removing_replicas", List(&I32)),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::OffsetDelete,
        versions: (0, 0),
        flexible_from: NEVER,
        fields: &[
            field("error_code", I16),
            field("throttle_time_ms", I32),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("partitions", List(&Struct(&[field("partition_index", I32), field("error_code", I16)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeClientQuotas,
        versions: (0, 1),
        flexible_from: 1,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("error_message", TEXT),
            field(
                "entries",
                List(&Struct(&[
                    field("entity", List(&Struct(&[field("entity_type", TEXT), field("entity_name", TEXT)]))),
                    field("values", List(&Struct(&[field("key", TEXT), field("value", I64)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::AlterClientQuotas,
        versions: (0, 1),
        flexible_from: 1,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "entries",
                List(&Struct(&[
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field("entity", List(&Struct(&[field("entity_type", TEXT), field("entity_name", TEXT)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeUserScramCredentials,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("error_message", TEXT),
            field(
                "results",
                List(&Struct(&[
                    field("user", TEXT),
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field("credential_infos", List(&Struct(&[field("mechanism", I8), field("iterations", I32)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::AlterUserScramCredentials,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "results",
                List(&Struct(&[field("user", TEXT), field("error_code", I16), field("error_message", TEXT)])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeCluster,
        versions: (0, 2),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("error_message", TEXT),
            field("endpoint_type", I8).since(1),
            field("cluster_id", TEXT),
            field("controller_id", I32),
            field(
                "brokers",
                List(&Struct(&[
                    field("broker_id", I32),
                    field("host", TEXT),
                    field("port", I32),
                    field("rack", TEXT),
                    field("is_fenced", I8).since(2),
                ])),
            ),
            field("cluster_authorized_operations", I32),
        ],
    },
    Message {
        api: ApiKey::DescribeProducers,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("error_code", I16),
                            field("error_message", TEXT),
                            field(
                                "active_producers",
                                List(&Struct(&[
                                    field("producer_id", I64),
                                    field("producer_epoch", I32),
                                    field("last_sequence", I32),
                                    field("last_timestamp", I64),
                                    field("coordinator_epoch", I32),
                                    field("current_txn_start_offset", I64),
                                ])),
                            ),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeTransactions,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "transaction_states",
                List(&Struct(&[
                    field("error_code", I16),
                    field("transactional_id", TEXT),
                    field("transaction_state", TEXT),
                    field("transaction_timeout_ms", I32),
                    field("transaction_start_time_ms", I64),
                    field("producer_id", I64),
                    field("producer_epoch", I16),
                    field("topics", List(&Struct(&[field("topic", TEXT), field("partitions", List(&I32))]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::ListTransactions,
        versions: (0, 2),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("unknown_state_filters", List(&TEXT)),
            field(
                "transaction_states",
                List(&Struct(&[
                    field("transactional_id", TEXT),
                    field("producer_id", I64),
                    field("transaction_state", TEXT),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::ConsumerGroupHeartbeat,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field("error_message", TEXT),
            field("member_id", TEXT),
            field("member_epoch", I32),
            field("heartbeat_interval_ms", I32),
            field(
                "assignment",
                Optional(&[field(
                    "topic_partitions",
                    List(&Struct(&[field("topic_id", UUID), field("partitions", List(&I32))])),
                )]),
            ),
        ],
    },
    Message {
        api: ApiKey::ConsumerGroupDescribe,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "groups",
                List(&Struct(&[
                    field("error_code", I16),
                    field("error_message", TEXT),
                    field("group_id", TEXT),
                    field("group_state", TEXT),
                    field("group_epoch", I32),
                    field("assignment_epoch", I32),
                    field("assignor_name", TEXT),
                    field(
                        "members",
                        List(&Struct(&[
                            field("member_id", TEXT),
                            field("instance_id", TEXT),
                            field("rack_id", TEXT),
                            field("member_epoch", I32),
                            field("client_id", TEXT),
                            field("client_host", TEXT),
                            field("subscribed_topic_names", List(&TEXT)),
                            field("subscribed_topic_regex", TEXT),
                            field(
                                "assignment",
                                Struct(&[field(
                                    "topic_partitions",
                                    List(&Struct(&[
                                        field("topic_id", UUID),
                                        field("topic_name", TEXT),
                                        field("partitions", List(&I32)),
                                    ])),
                                )]),
                            ),
                            field(
                                "target_assignment",
                                Struct(&[field(
                                    "topic_partitions",
                                    List(&Struct(&[
                                        field("topic_id", UUID),
                                        field("topic_name", TEXT),
                                        field("partitions", List(&I32)),
                                    ])),
                                )]),
                            ),
                            field("member_type", I8).since(1),
                        ])),
                    ),
                    field("authorized_operations", I32),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::ListConfigResources,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field("error_code", I16),
            field(
                "config_resources",
                List(&Struct(&[field("resource_name", TEXT), field("resource_type", I8).since(1)])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeTopicPartitions,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("throttle_time_ms", I32),
            field(
                "topics",
                List(&Struct(&[
                    field("error_code", I16),
                    field("name", TEXT),
                    field("topic_id", UUID),
                    field("is_internal", I8),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("error_code", I16),
                            field("partition_index", I32),
                            field("leader_id", I32),
                            field("leader_epoch", I32),
                            field("replica_nodes", List(&I32)),
                            field("isr_nodes", List(&I32)),
                            field("eligible_leader_replicas", List(&I32)),
                            field("last_known_elr", List(&I32)),
                            field("offline_replicas", List(&I32)),
                        ])),
                    ),
                    field("topic_authorized_operations", I32),
                ])),
            ),
            field("next_cursor", Optional(&[field("topic_name", TEXT), field("partition_index", I32)])),
        ],
    },
];
