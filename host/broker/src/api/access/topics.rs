//! Requests about topics.

use millstream_wire::protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteTopicsRequest, DeleteTopicsResponse, DescribeProducersRequest,
    DescribeProducersResponse, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, FetchRequest,
    FetchResponse, ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse,
    create_partitions_response::CreatePartitionsTopicResult,
    create_topics_response::CreatableTopicResult,
    delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    delete_topics_response::DeletableTopicResult,
    describe_producers_response::{PartitionResponse, TopicResponse},
    describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic,
    fetch_response::{FetchableTopicResponse, PartitionData},
    list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    metadata_response::MetadataResponseTopic,
    offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
    produce_response::{PartitionProduceResponse, TopicProduceResponse},
};
use uuid::Uuid;

use super::{Access, Call, ID_REFUSED, TOPIC_REFUSED, Verdict, authorized_operations, split};
use crate::{
    error_code::ErrorCode,
    security::acls::{CLUSTER, Operation, Resource},
};

pub fn produce(access: &Access, call: &Call<'_>, request: &mut ProduceRequest) -> Verdict<ProduceResponse> {
    let id = request.transactional_id.as_ref();
    let id_refused = id.is_some_and(|id| !access.transactional_id(Operation::Write, id));
    let by_id = 13 <= call.version;
    let refused = split(&mut request.topic_data, |topic| {
        let known = call.node.topics.by_id(topic.topic_id).filter(|_| by_id);
        let name = known.as_ref().map_or(topic.name.as_str(), |known| known.name.as_str());
        // An unknown id is answered as such.
        !id_refused && (access.topic(Operation::Write, name) || (by_id && known.is_none()))
    });
    if refused.is_empty() {
        return Verdict::Everything;
    }
    let (version, code) = (call.version, if id_refused { ID_REFUSED } else { TOPIC_REFUSED });
    Verdict::Rest(Box::new(move |response: &mut ProduceResponse| {
        response.responses.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partition_data.iter().map(|partition| {
                let answered = PartitionProduceResponse::default()
                    .with_index(partition.index)
                    .with_error_code(code)
                    .with_base_offset(-1)
                    .with_log_append_time_ms(-1);
                if 5 <= version { answered.with_log_start_offset(-1) } else { answered }
            });
            let answered = TopicProduceResponse::default().with_partition_responses(partitions.collect());
            if by_id { answered.with_topic_id(topic.topic_id) } else { answered.with_name(topic.name) }
        }));
    }))
}

pub fn fetch(access: &Access, call: &Call<'_>, request: &mut FetchRequest) -> Verdict<FetchResponse> {
    let version = call.version;
    let allowed = |name: &str| access.topic(Operation::Read, name);
    let refused = split(&mut request.topics, |topic| match 13 <= version {
        false => allowed(&topic.topic),
        // An unknown id is answered as such.
        true => call.node.topics.by_id(topic.topic_id).is_none_or(|known| allowed(known.name.as_str())),
    });
    if refused.is_empty() {
        return Verdict::Everything;
    }
    let amend = move |response: &mut FetchResponse| {
        response.responses.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let data = PartitionData::default()
                    .with_partition_index(partition.partition)
                    .with_error_code(TOPIC_REFUSED)
                    .with_high_watermark(-1)
                    .with_last_stable_offset(-1)
                    .with_records(Some(bytes::Bytes::new()));
                if 5 <= version { data.with_log_start_offset(-1) } else { data }
            });
            let answered = FetchableTopicResponse::default().with_partitions(partitions.collect());
            if 13 <= version { answered.with_topic_id(topic.topic_id) } else { answered.with_topic(topic.topic) }
        }));
    };
    if request.topics.is_empty() {
        let mut response = FetchResponse::default();
        amend(&mut response);
        return Verdict::Nothing(response);
    }
    // What is refused is answered at once, as errors are.
    request.max_wait_ms = 0;
    Verdict::Rest(Box::new(amend))
}

pub fn list_offsets(
    access: &Access,
    call: &Call<'_>,
    request: &mut ListOffsetsRequest,
) -> Verdict<ListOffsetsResponse> {
    let refused = split(&mut request.topics, |topic| access.topic(Operation::Describe, &topic.name));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    let version = call.version;
    Verdict::Rest(Box::new(move |response: &mut ListOffsetsResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let answered = ListOffsetsPartitionResponse::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(TOPIC_REFUSED);
                if 1 <= version { answered.with_timestamp(-1).with_offset(-1) } else { answered }
            });
            ListOffsetsTopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    }))
}

pub fn metadata(access: &Access, call: &Call<'_>, request: &mut MetadataRequest) -> Verdict<MetadataResponse> {
    let describe = |name: &str| access.topic(Operation::Describe, name);
    let all = request.topics.as_ref().is_none_or(|topics| call.version == 0 && topics.is_empty());
    if all {
        let (acls, user, host) = (access.acls.clone(), access.user.clone(), access.host.clone());
        return Verdict::Rest(Box::new(move |response: &mut MetadataResponse| {
            response.topics.retain(|topic| {
                let name = topic.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
                acls.allows(&user, &host, Operation::Describe, Resource::Topic, name)
            });
        }));
    }
    let may_make_all = access.acls.allows(&access.user, &access.host, Operation::Create, Resource::Cluster, CLUSTER);
    let makes = call.node.config.auto_create_topics && (call.version < 4 || request.allow_auto_topic_creation);
    let topics = request.topics.get_or_insert_default();
    let refused = split(topics, |topic| match &topic.name {
        Some(name) => {
            let known = || call.node.topics.get(name.as_str()).is_some();
            describe(name) && (!makes || may_make_all || known() || access.topic(Operation::Create, name))
        }
        None => call.node.topics.by_id(topic.topic_id).is_none_or(|known| describe(known.name.as_str())),
    });
    if refused.is_empty() {
        return Verdict::Everything;
    }
    // Of version 0 no topics would be all of them.
    let nothing_left = topics.is_empty() && call.version == 0;
    let amend = move |response: &mut MetadataResponse| {
        if nothing_left {
            response.topics.clear();
        }
        response.topics.extend(refused.into_iter().map(|topic| {
            MetadataResponseTopic::default()
                .with_error_code(TOPIC_REFUSED)
                .with_topic_id(if topic.name.is_some() { Uuid::nil() } else { topic.topic_id })
                .with_name(topic.name)
                .with_topic_authorized_operations(i32::MIN)
        }));
    };
    Verdict::Rest(Box::new(amend))
}

/// What the user may do with the cluster and each topic, where that was asked.
pub fn metadata_operations(call: &Call<'_>, cluster: bool, topics: bool, response: &mut MetadataResponse) {
    let access = Access::of(call);
    let access = access.as_ref();
    if cluster && (8..=10).contains(&call.version) {
        let visible = access.is_none_or(|access| access.cluster(Operation::Describe));
        response.cluster_authorized_operations =
            if visible { authorized_operations(access, Resource::Cluster, CLUSTER) } else { 0 };
    }
    if topics && 8 <= call.version {
        for topic in response.topics.iter_mut().filter(|topic| topic.error_code == 0) {
            let name = topic.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
            topic.topic_authorized_operations = authorized_operations(access, Resource::Topic, name);
        }
    }
}

/// Topics that may not be seen are answered the same whether they exist or not.
pub fn describe_topic_partitions(
    access: &Access,
    _: &Call<'_>,
    request: &mut DescribeTopicPartitionsRequest,
) -> Verdict<DescribeTopicPartitionsResponse> {
    let asked = request.topics.len();
    let refused = split(&mut request.topics, |topic| access.topic(Operation::Describe, &topic.name));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    let nothing_left = refused.len() == asked;
    let amend = move |response: &mut DescribeTopicPartitionsResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            DescribeTopicPartitionsResponseTopic::default()
                .with_error_code(TOPIC_REFUSED)
                .with_name(Some(topic.name))
                .with_topic_authorized_operations(i32::MIN)
        }));
    };
    if nothing_left {
        // No topics would be all of them.
        let mut response = DescribeTopicPartitionsResponse::default().with_next_cursor(None);
        amend(&mut response);
        return Verdict::Nothing(response);
    }
    Verdict::Rest(Box::new(amend))
}

/// Which topics the user may know of.
pub fn visible_topics(call: &Call<'_>) -> impl Fn(&str) -> bool + use<> {
    let access = Access::of(call);
    move |name| {
        access.as_ref().is_none_or(|it| it.acls.allows(&it.user, &it.host, Operation::Describe, Resource::Topic, name))
    }
}

/// What the user may do with each topic, which is always told.
pub fn partitions_operations(call: &Call<'_>, response: &mut DescribeTopicPartitionsResponse) {
    let access = Access::of(call);
    let told = |code: i16| [0, UNKNOWN, INVALID_NAME].contains(&code);
    for topic in response.topics.iter_mut().filter(|topic| told(topic.error_code)) {
        let name = topic.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
        topic.topic_authorized_operations = authorized_operations(access.as_ref(), Resource::Topic, name);
    }
}

const UNKNOWN: i16 = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.get();
const INVALID_NAME: i16 = ErrorCode::INVALID_TOPIC_EXCEPTION.get();

pub fn create_topics(
    access: &Access,
    call: &Call<'_>,
    request: &mut CreateTopicsRequest,
) -> Verdict<CreateTopicsResponse> {
    let may_make_all = access.cluster(Operation::Create);
    let refused = split(&mut request.topics, |topic| may_make_all || access.topic(Operation::Create, &topic.name));
    let secret: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let secret: Vec<_> = secret.into_iter().filter(|name| !access.topic(Operation::DescribeConfigs, name)).collect();
    let version = call.version;
    Verdict::Rest(Box::new(move |response: &mut CreateTopicsResponse| {
        if 5 <= version {
            for topic in response.topics.iter_mut().filter(|topic| secret.contains(&topic.name)) {
                topic.topic_config_error_code = TOPIC_REFUSED;
                topic.configs = None;
                (topic.num_partitions, topic.replication_factor) = (-1, -1);
            }
        }
        response.topics.extend(
            refused
                .into_iter()
                .map(|topic| CreatableTopicResult::default().with_name(topic.name).with_error_code(TOPIC_REFUSED)),
        );
    }))
}

pub fn delete_topics(
    access: &Access,
    call: &Call<'_>,
    request: &mut DeleteTopicsRequest,
) -> Verdict<DeleteTopicsResponse> {
    let mut refused: Vec<DeletableTopicResult> = Vec::new();
    let refusal = || DeletableTopicResult::default().with_error_code(TOPIC_REFUSED);
    for name in split(&mut request.topic_names, |name| access.topic(Operation::Delete, name)) {
        refused.push(refusal().with_name(Some(name)));
    }
    let doomed = split(&mut request.topics, |topic| match &topic.name {
        Some(name) => access.topic(Operation::Delete, name),
        None => call.node.topics.by_id(topic.topic_id).is_none_or(|known| {
            let may = |operation| access.topic(operation, known.name.as_str());
            may(Operation::Describe) && may(Operation::Delete)
        }),
    });
    for topic in doomed {
        // The name of a topic that may be seen is no secret.
        let known = call.node.topics.by_id(topic.topic_id).map(|known| super::super::name_of(&known.name));
        let visible = known.filter(|name| access.topic(Operation::Describe, name));
        refused.push(refusal().with_topic_id(topic.topic_id).with_name(topic.name.or(visible)));
    }
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut DeleteTopicsResponse| response.responses.extend(refused)))
}

pub fn create_partitions(
    access: &Access,
    _: &Call<'_>,
    request: &mut CreatePartitionsRequest,
) -> Verdict<CreatePartitionsResponse> {
    let refused = split(&mut request.topics, |topic| access.topic(Operation::Alter, &topic.name));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut CreatePartitionsResponse| {
        let refused = refused
            .into_iter()
            .map(|topic| CreatePartitionsTopicResult::default().with_name(topic.name).with_error_code(TOPIC_REFUSED));
        response.results.extend(refused);
    }))
}

pub fn delete_records(
    access: &Access,
    _: &Call<'_>,
    request: &mut DeleteRecordsRequest,
) -> Verdict<DeleteRecordsResponse> {
    let refused = split(&mut request.topics, |topic| access.topic(Operation::Delete, &topic.name));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut DeleteRecordsResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                DeleteRecordsPartitionResult::default()
                    .with_partition_index(partition.partition_index)
                    .with_low_watermark(-1)
                    .with_error_code(TOPIC_REFUSED)
            });
            DeleteRecordsTopicResult::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    }))
}

pub fn offset_for_leader_epoch(
    access: &Access,
    _: &Call<'_>,
    request: &mut OffsetForLeaderEpochRequest,
) -> Verdict<OffsetForLeaderEpochResponse> {
    let refused = split(&mut request.topics, |topic| access.topic(Operation::Describe, &topic.topic));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut OffsetForLeaderEpochResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                EpochEndOffset::default()
                    .with_partition(partition.partition)
                    .with_error_code(TOPIC_REFUSED)
                    .with_leader_epoch(-1)
                    .with_end_offset(-1)
            });
            OffsetForLeaderTopicResult::default().with_partitions(partitions.collect()).with_topic(topic.topic)
        }));
    }))
}

pub fn describe_producers(
    access: &Access,
    _: &Call<'_>,
    request: &mut DescribeProducersRequest,
) -> Verdict<DescribeProducersResponse> {
    let refused = split(&mut request.topics, |topic| access.topic(Operation::Read, &topic.name));
    if refused.is_empty() {
        return Verdict::Everything;
    }
    Verdict::Rest(Box::new(move |response: &mut DescribeProducersResponse| {
        response.topics.extend(refused.into_iter().map(|topic| {
            let partitions = topic.partition_indexes.iter().map(|index| {
                PartitionResponse::default()
                    .with_partition_index(*index)
                    .with_error_code(ErrorCode::TOPIC_AUTHORIZATION_FAILED.get())
            });
            TopicResponse::default().with_partitions(partitions.collect()).with_name(topic.name)
        }));
    }))
}
