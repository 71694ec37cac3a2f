//! What every request that a client may send consists of.
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
            field("transactional_id", TEXT),
            field("acks", I16),
            field("timeout_ms", I32),
            field(
                "topic_data",
                List(&Struct(&[
                    field("topic_id", UUID).since(13),
                    field("name", TEXT).until(12),
                    field("partition_data", List(&Struct(&[field("index", I32), field("records", BYTES)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::Fetch,
        versions: (4, 18),
        flexible_from: 12,
        fields: &[
            field("replica_id", I32).until(14),
            field("max_wait_ms", I32),
            field("min_bytes", I32),
            field("max_bytes", I32),
            field("isolation_level", I8),
            field("session_id", I32).since(7),
            field("session_epoch", I32).since(7),
            field(
                "topics",
                List(&Struct(&[
                    field("topic_id", UUID).since(13),
                    field("topic", TEXT).until(12),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition", I32),
                            field("current_leader_epoch", I32).since(9),
                            field("fetch_offset", I64),
                            field("last_fetched_epoch", I32).since(12),
                            field("log_start_offset", I64).since(5),
                            field("partition_max_bytes", I32),
                            tagged(0, "replica_directory_id", UUID).since(17),
                            tagged(1, "high_watermark", I64).since(18),
                        ])),
                    ),
                ])),
            ),
            field(
                "forgotten_topics_data",
                List(&Struct(&[
                    field("topic_id", UUID).since(13),
                    field("topic", TEXT).since(7).until(12),
                    field("partitions", List(&I32)).since(7),
                ])),
            )
            .since(7),
            field("rack_id", TEXT).since(11),
            tagged(0, "cluster_id", TEXT).since(12),
            tagged(
                1,
                "replica_state",
                Struct(&[field("replica_id", I32).since(15), field("replica_epoch", I64).since(15)]),
            )
            .since(15),
        ],
    },
    Message {
        api: ApiKey::ListOffsets,
        versions: (1, 10),
        flexible_from: 6,
        fields: &[
            field("replica_id", I32),
            field("isolation_level", I8).since(2),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("current_leader_epoch", I32).since(4),
                            field("timestamp", I64),
                        ])),
                    ),
                ])),
            ),
            field("timeout_ms", I32).since(10),
        ],
    },
    Message {
        api: ApiKey::Metadata,
        versions: (0, 13),
        flexible_from: 9,
        fields: &[
            field("topics", List(&Struct(&[field("topic_id", UUID).since(10), field("name", TEXT)]))),
            field("allow_auto_topic_creation", I8).since(4),
            field("include_cluster_authorized_operations", I8).since(8).until(10),
            field("include_topic_authorized_operations", I8).since(8),
        ],
    },
    Message {
        api: ApiKey::OffsetCommit,
        versions: (2, 9),
        flexible_from: 8,
        fields: &[
            field("group_id", TEXT),
            field("generation_id_or_member_epoch", I32),
            field("member_id", TEXT),
            field("group_instance_id", TEXT).since(7),
            field("retention_time_ms", I64).until(4),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("committed_offset", I64),
                            field("committed_leader_epoch", I32).since(6),
                            field("committed_metadata", TEXT),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::OffsetFetch,
        versions: (1, 9),
        flexible_from: 6,
        fields: &[
            field(
                "groups",
                List(&Struct(&[
                    field("group_id", TEXT).since(8),
                    field("member_id", TEXT).since(9),
                    field("member_epoch", I32).since(9),
                    field(
                        "topics",
                        List(&Struct(&[field("name", TEXT).since(8), field("partition_indexes", List(&I32)).since(8)])),
                    )
                    .since(8),
                ])),
            )
            .since(8),
            field("group_id", TEXT).until(7),
            field(
                "topics",
                List(&Struct(&[field("name", TEXT).until(7), field("partition_indexes", List(&I32)).until(7)])),
            )
            .until(7),
            field("require_stable", I8).since(7),
        ],
    },
    Message {
        api: ApiKey::FindCoordinator,
        versions: (0, 6),
        flexible_from: 3,
        fields: &[
            field("key", TEXT).until(3),
            field("key_type", I8).since(1),
            field("coordinator_keys", List(&TEXT)).since(4),
        ],
    },
    Message {
        api: ApiKey::JoinGroup,
        versions: (0, 9),
        flexible_from: 6,
        fields: &[
            field("group_id", TEXT),
            field("session_timeout_ms", I32),
            field("rebalance_timeout_ms", I32).since(1),
            field("member_id", TEXT),
            field("group_instance_id", TEXT).since(5),
            field("protocol_type", TEXT),
            field("protocols", List(&Struct(&[field("name", TEXT), field("metadata", BYTES)]))),
            field("reason", TEXT).since(8),
        ],
    },
    Message {
        api: ApiKey::Heartbeat,
        versions: (0, 4),
        flexible_from: 4,
        fields: &[
            field("group_id", TEXT),
            field("generation_id", I32),
            field("member_id", TEXT),
            field("group_instance_id", TEXT).since(3),
        ],
    },
    Message {
        api: ApiKey::LeaveGroup,
        versions: (0, 5),
        flexible_from: 4,
        fields: &[
            field("group_id", TEXT),
            field(
                "members",
                List(&Struct(&[
                    field("member_id", TEXT).since(3),
                    field("group_instance_id", TEXT).since(3),
                    field("reason", TEXT).since(5),
                ])),
            )
            .since(3),
            field("member_id", TEXT).until(2),
        ],
    },
    Message {
        api: ApiKey::SyncGroup,
        versions: (0, 5),
        flexible_from: 4,
        fields: &[
            field("group_id", TEXT),
            field("generation_id", I32),
            field("member_id", TEXT),
            field("group_instance_id", TEXT).since(3),
            field("protocol_type", TEXT).since(5),
            field("protocol_name", TEXT).since(5),
            field("assignments", List(&Struct(&[field("member_id", TEXT), field("assignment", BYTES)]))),
        ],
    },
    Message {
        api: ApiKey::DescribeGroups,
        versions: (0, 6),
        flexible_from: 5,
        fields: &[field("groups", List(&TEXT)), field("include_authorized_operations", I8).since(3)],
    },
    Message {
        api: ApiKey::ListGroups,
        versions: (0, 5),
        flexible_from: 3,
        fields: &[field("states_filter", List(&TEXT)).since(4), field("types_filter", List(&TEXT)).since(5)],
    },
    Message { api: ApiKey::SaslHandshake, versions: (0, 1), flexible_from: NEVER, fields: &[field("mechanism", TEXT)] },
    Message {
        api: ApiKey::ApiVersions,
        versions: (0, 4),
        flexible_from: 3,
        fields: &[field("client_software_name", TEXT).since(3), field("client_software_version", TEXT).since(3)],
    },
    Message {
        api: ApiKey::CreateTopics,
        versions: (2, 7),
        flexible_from: 5,
        fields: &[
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("num_partitions", I32),
                    field("replication_factor", I16),
                    field(
                        "assignments",
                        List(&Struct(&[field("partition_index", I32), field("broker_ids", List(&I32))])),
                    ),
                    field("configs", List(&Struct(&[field("name", TEXT), field("value", TEXT)]))),
                ])),
            ),
            field("timeout_ms", I32),
            field("validate_only", I8),
        ],
    },
    Message {
        api: ApiKey::DeleteTopics,
        versions: (1, 6),
        flexible_from: 4,
        fields: &[
            field("topics", List(&Struct(&[field("name", TEXT).since(6), field("topic_id", UUID).since(6)]))).since(6),
            field("topic_names", List(&TEXT)).until(5),
            field("timeout_ms", I32),
        ],
    },
    Message {
        api: ApiKey::DeleteRecords,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("partitions", List(&Struct(&[field("partition_index", I32), field("offset", I64)]))),
                ])),
            ),
            field("timeout_ms", I32),
        ],
    },
    Message {
        api: ApiKey::InitProducerId,
        versions: (0, 5),
        flexible_from: 2,
        fields: &[
            field("transactional_id", TEXT),
            field("transaction_timeout_ms", I32),
            field("producer_id", I64).since(3),
            field("producer_epoch", I16).since(3),
        ],
    },
    Message {
        api: ApiKey::OffsetForLeaderEpoch,
        versions: (2, 4),
        flexible_from: 4,
        fields: &[
            field("replica_id", I32).since(3),
            field(
                "topics",
                List(&Struct(&[
                    field("topic", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition", I32),
                            field("current_leader_epoch", I32),
                            field("leader_epoch", I32),
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
            field(
                "transactions",
                List(&Struct(&[
                    field("transactional_id", TEXT).since(4),
                    field("producer_id", I64).since(4),
                    field("producer_epoch", I16).since(4),
                    field("verify_only", I8).since(4),
                    field("topics", List(&Struct(&[field("name", TEXT), field("partitions", List(&I32))]))).since(4),
                ])),
            )
            .since(4),
            field("v3_and_below_transactional_id", TEXT).until(3),
            field("v3_and_below_producer_id", I64).until(3),
            field("v3_and_below_producer_epoch", I16).until(3),
            field("v3_and_below_topics", List(&Struct(&[field("name", TEXT), field("partitions", List(&I32))])))
                .until(3),
        ],
    },
    Message {
        api: ApiKey::AddOffsetsToTxn,
        versions: (0, 4),
        flexible_from: 3,
        fields: &[
            field("transactional_id", TEXT),
            field("producer_id", I64),
            field("producer_epoch", I16),
            field("group_id", TEXT),
        ],
    },
    Message {
        api: ApiKey::EndTxn,
        versions: (0, 5),
        flexible_from: 3,
        fields: &[
            field("transactional_id", TEXT),
            field("producer_id", I64),
            field("producer_epoch", I16),
            field("committed", I8),
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
                field("producer_epoch", I16),
                field("transaction_result", I8),
                field("topics", List(&Struct(&[field("name", TEXT), field("partition_indexes", List(&I32))]))),
                field("coordinator_epoch", I32),
            ])),
        )],
    },
    Message {
        api: ApiKey::TxnOffsetCommit,
        versions: (0, 5),
        flexible_from: 3,
        fields: &[
            field("transactional_id", TEXT),
            field("group_id", TEXT),
            field("producer_id", I64),
            field("producer_epoch", I16),
            field("generation_id", I32).since(3),
            field("member_id", TEXT).since(3),
            field("group_instance_id", TEXT).since(3),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field(
                        "partitions",
                        List(&Struct(&[
                            field("partition_index", I32),
                            field("committed_offset", I64),
                            field("committed_leader_epoch", I32).since(2),
                            field("committed_metadata", TEXT),
                        ])),
                    ),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeAcls,
        versions: (1, 3),
        flexible_from: 2,
        fields: &[
            field("resource_type_filter", I8),
            field("resource_name_filter", TEXT),
            field("pattern_type_filter", I8),
            field("principal_filter", TEXT),
            field("host_filter", TEXT),
            field("operation", I8),
            field("permission_type", I8),
        ],
    },
    Message {
        api: ApiKey::CreateAcls,
        versions: (1, 3),
        flexible_from: 2,
        fields: &[field(
            "creations",
            List(&Struct(&[
                field("resource_type", I8),
                field("resource_name", TEXT),
                field("resource_pattern_type", I8),
                field("principal", TEXT),
                field("host", TEXT),
                field("operation", I8),
                field("permission_type", I8),
            ])),
        )],
    },
    Message {
        api: ApiKey::DeleteAcls,
        versions: (1, 3),
        flexible_from: 2,
        fields: &[field(
            "filters",
            List(&Struct(&[
                field("resource_type_filter", I8),
                field("resource_name_filter", TEXT),
                field("pattern_type_filter", I8),
                field("principal_filter", TEXT),
                field("host_filter", TEXT),
                field("operation", I8),
                field("permission_type", I8),
            ])),
        )],
    },
    Message {
        api: ApiKey::DescribeConfigs,
        versions: (1, 4),
        flexible_from: 4,
        fields: &[
            field(
                "resources",
                List(&Struct(&[
                    field("resource_type", I8),
                    field("resource_name", TEXT),
                    field("configuration_keys", List(&TEXT)),
                ])),
            ),
            field("include_synonyms", I8),
            field("include_documentation", I8).since(3),
        ],
    },
    Message {
        api: ApiKey::AlterConfigs,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field(
                "resources",
                List(&Struct(&[
                    field("resource_type", I8),
                    field("resource_name", TEXT),
                    field("configs", List(&Struct(&[field("name", TEXT), field("value", TEXT)]))),
                ])),
            ),
            field("validate_only", I8),
        ],
    },
    Message {
        api: ApiKey::DescribeLogDirs,
        versions: (1, 4),
        flexible_from: 2,
        fields: &[field("topics", List(&Struct(&[field("topic", TEXT), field("partitions", List(&I32))])))],
    },
    Message {
        api: ApiKey::SaslAuthenticate,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[field("auth_bytes", BYTES)],
    },
    Message {
        api: ApiKey::CreatePartitions,
        versions: (0, 3),
        flexible_from: 2,
        fields: &[
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("count", I32),
                    field("assignments", List(&Struct(&[field("broker_ids", List(&I32))]))),
                ])),
            ),
            field("timeout_ms", I32),
            field("validate_only", I8),
        ],
    },
    Message {
        api: ApiKey::DeleteGroups,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[field("groups_names", List(&TEXT))],
    },
    Message {
        api: ApiKey::ElectLeaders,
        versions: (0, 2),
        flexible_from: 2,
        fields: &[
            field("election_type", I8).since(1),
            field("topic_partitions", List(&Struct(&[field("topic", TEXT), field("partitions", List(&I32))]))),
            field("timeout_ms", I32),
        ],
    },
    Message {
        api: ApiKey::IncrementalAlterConfigs,
        versions: (0, 1),
        flexible_from: 1,
        fields: &[
            field(
                "resources",
                List(&Struct(&[
                    field("resource_type", I8),
                    field("resource_name", TEXT),
                    field(
                        "configs",
                        List(&Struct(&[field("name", TEXT), field("config_operation", I8), field("value", TEXT)])),
                    ),
                ])),
            ),
            field("validate_only", I8),
        ],
    },
    Message {
        api: ApiKey::AlterPartitionReassignments,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[
            field("timeout_ms", I32),
            field("allow_replication_factor_change", I8).since(1),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("partitions", List(&Struct(&[field("partition_index", I32), field("replicas", List(&I32))]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::ListPartitionReassignments,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("timeout_ms", I32),
            field("topics", List(&Struct(&[field("name", TEXT), field("partition_indexes", List(&I32))]))),
        ],
    },
    Message {
        api: ApiKey::OffsetDelete,
        versions: (0, 0),
        flexible_from: NEVER,
        fields: &[
            field("group_id", TEXT),
            field(
                "topics",
                List(&Struct(&[
                    field("name", TEXT),
                    field("partitions", List(&Struct(&[field("partition_index", I32)]))),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeClientQuotas,
        versions: (0, 1),
        flexible_from: 1,
        fields: &[
            field(
                "components",
                List(&Struct(&[field("entity_type", TEXT), field("match_type", I8), field("_match", TEXT)])),
            ),
            field("strict", I8),
        ],
    },
    Message {
        api: ApiKey::AlterClientQuotas,
        versions: (0, 1),
        flexible_from: 1,
        fields: &[
            field(
                "entries",
                List(&Struct(&[
                    field("entity", List(&Struct(&[field("entity_type", TEXT), field("entity_name", TEXT)]))),
                    field("ops", List(&Struct(&[field("key", TEXT), field("value", I64), field("remove", I8)]))),
                ])),
            ),
            field("validate_only", I8),
        ],
    },
    Message {
        api: ApiKey::DescribeUserScramCredentials,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[field("users", List(&Struct(&[field("name", TEXT)])))],
    },
    Message {
        api: ApiKey::AlterUserScramCredentials,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("deletions", List(&Struct(&[field("name", TEXT), field("mechanism", I8)]))),
            field(
                "upsertions",
                List(&Struct(&[
                    field("name", TEXT),
                    field("mechanism", I8),
                    field("iterations", I32),
                    field("salt", BYTES),
                    field("salted_password", BYTES),
                ])),
            ),
        ],
    },
    Message {
        api: ApiKey::DescribeCluster,
        versions: (0, 2),
        flexible_from: 0,
        fields: &[
            field("include_cluster_authorized_operations", I8),
            field("endpoint_type", I8).since(1),
            field("include_fenced_brokers", I8).since(2),
        ],
    },
    Message {
        api: ApiKey::DescribeProducers,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[field("topics", List(&Struct(&[field("name", TEXT), field("partition_indexes", List(&I32))])))],
    },
    Message {
        api: ApiKey::DescribeTransactions,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[field("transactional_ids", List(&TEXT))],
    },
    Message {
        api: ApiKey::ListTransactions,
        versions: (0, 2),
        flexible_from: 0,
        fields: &[
            field("state_filters", List(&TEXT)),
            field("producer_id_filters", List(&I64)),
            field("duration_filter", I64).since(1),
            field("transactional_id_pattern", TEXT).since(2),
        ],
    },
    Message {
        api: ApiKey::ConsumerGroupHeartbeat,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[
            field("group_id", TEXT),
            field("member_id", TEXT),
            field("member_epoch", I32),
            field("instance_id", TEXT),
            field("rack_id", TEXT),
            field("rebalance_timeout_ms", I32),
            field("subscribed_topic_names", List(&TEXT)),
            field("subscribed_topic_regex", TEXT).since(1),
            field("server_assignor", TEXT),
            field("topic_partitions", List(&Struct(&[field("topic_id", UUID), field("partitions", List(&I32))]))),
        ],
    },
    Message {
        api: ApiKey::ConsumerGroupDescribe,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[field("group_ids", List(&TEXT)), field("include_authorized_operations", I8)],
    },
    Message {
        api: ApiKey::ListConfigResources,
        versions: (0, 1),
        flexible_from: 0,
        fields: &[field("resource_types", List(&I8)).since(1)],
    },
    Message {
        api: ApiKey::DescribeTopicPartitions,
        versions: (0, 0),
        flexible_from: 0,
        fields: &[
            field("topics", List(&Struct(&[field("name", TEXT)]))),
            field("response_partition_limit", I32),
            field("cursor", Optional(&[field("topic_name", TEXT), field("partition_index", I32)])),
        ],
    },
];
