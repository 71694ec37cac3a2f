//! Requests about the cluster, settings, users and rules.

use millstream_wire::protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, AlterConfigsRequest, AlterConfigsResponse,
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse, AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
    CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
    DescribeAclsResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeClusterResponse,
    DescribeConfigsRequest, DescribeConfigsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, ElectLeadersRequest,
    ElectLeadersResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    UpdateFeaturesRequest, UpdateFeaturesResponse,
    alter_client_quotas_response::{EntityData as QuotaEntity, EntryData as QuotaEntry},
    alter_configs_response::AlterConfigsResourceResponse,
    alter_replica_log_dirs_response::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult},
    alter_user_scram_credentials_response::AlterUserScramCredentialsResult,
    create_acls_response::AclCreationResult,
    delete_acls_response::DeleteAclsFilterResult,
    describe_configs_response::DescribeConfigsResult,
    incremental_alter_configs_response::AlterConfigsResourceResponse as IncrementalResourceResponse,
};

use super::{
    super::text, Access, CLUSTER_REFUSED, Call, GROUP_REFUSED, TOPIC_REFUSED, Verdict, authorized_operations, split,
};
use crate::security::acls::{CLUSTER, Operation, Resource};

// Types of resources with settings.
const TOPIC: i8 = 2;
const GROUP: i8 = 32;

/// The code, unless the operation is allowed on the settings of this resource. Everything that is neither topic nor
/// group is the cluster's.
fn refusal(access: &Access, operation: Operation, kind: i8, name: &str) -> Option<i16> {
    let (allowed, code) = match kind {
        TOPIC => (access.topic(operation, name), TOPIC_REFUSED),
        GROUP => (access.group(operation, name), GROUP_REFUSED),
        _ => (access.cluster(operation), CLUSTER_REFUSED),
    };
    (!allowed).then_some(code)
}

pub fn describe_configs(
    access: &Access,
    _: &Call<'_>,
    request: &mut DescribeConfigsRequest,
) -> Verdict<DescribeConfigsResponse> {
    let code = |kind, name: &str| refusal(access, Operation::DescribeConfigs, kind, name);
    let refused = split(&mut request.resources, |it| code(it.resource_type, &it.resource_name).is_none());
    let refused: Vec<_> = refused
        .into_iter()
        .map(|it| {
            let code = code(it.resource_type, &it.resource_name).unwrap_or(CLUSTER_REFUSED);
            DescribeConfigsResult::default()
                .with_error_code(code)
                .with_resource_type(it.resource_type)
                .with_resource_name(it.resource_name)
        })
        .collect();
    match refused.is_empty() {
        true => Verdict::Everything,
        false => Verdict::Rest(Box::new(move |response| response.results.extend(refused))),
    }
}

pub fn alter_configs(
    access: &Access,
    _: &Call<'_>,
    request: &mut AlterConfigsRequest,
) -> Verdict<AlterConfigsResponse> {
    let code = |kind, name: &str| refusal(access, Operation::AlterConfigs, kind, name);
    let refused = split(&mut request.resources, |it| code(it.resource_type, &it.resource_name).is_none());
    let refused: Vec<_> = refused
        .into_iter()
        .map(|it| {
            let code = code(it.resource_type, &it.resource_name).unwrap_or(CLUSTER_REFUSED);
            AlterConfigsResourceResponse::default()
                .with_error_code(code)
                .with_resource_type(it.resource_type)
                .with_resource_name(it.resource_name)
        })
        .collect();
    match refused.is_empty() {
        true => Verdict::Everything,
        false => Verdict::Rest(Box::new(move |response| response.responses.extend(refused))),
    }
}

pub fn incremental_alter_configs(
    access: &Access,
    _: &Call<'_>,
    request: &mut IncrementalAlterConfigsRequest,
) -> Verdict<IncrementalAlterConfigsResponse> {
    let code = |kind, name: &str| refusal(access, Operation::AlterConfigs, kind, name);
    let refused = split(&mut request.resources, |it| code(it.resource_type, &it.resource_name).is_none());
    let refused: Vec<_> = refused
        .into_iter()
        .map(|it| {
            let code = code(it.resource_type, &it.resource_name).unwrap_or(CLUSTER_REFUSED);
            IncrementalResourceResponse::default()
                .with_error_code(code)
                .with_resource_type(it.resource_type)
                .with_resource_name(it.resource_name)
        })
        .collect();
    match refused.is_empty() {
        true => Verdict::Everything,
        false => Verdict::Rest(Box::new(move |response| response.responses.extend(refused))),
    }
}

/// The whole request, or the answer to who may not do this with the cluster.
fn whole<R>(access: &Access, operation: Operation, refused: impl FnOnce() -> R) -> Verdict<R> {
    if access.cluster(operation) { Verdict::Everything } else { Verdict::Nothing(refused()) }
}

pub fn describe_log_dirs(
    access: &Access,
    call: &Call<'_>,
    _: &mut DescribeLogDirsRequest,
) -> Verdict<DescribeLogDirsResponse> {
    // Before version 3 there is no place for the code, and nothing to see.
    let code = if 3 <= call.version { CLUSTER_REFUSED } else { 0 };
    whole(access, Operation::Describe, || DescribeLogDirsResponse::default().with_error_code(code))
}

pub fn elect_leaders(access: &Access, call: &Call<'_>, _: &mut ElectLeadersRequest) -> Verdict<ElectLeadersResponse> {
    let code = if 1 <= call.version { CLUSTER_REFUSED } else { 0 };
    whole(access, Operation::Alter, || ElectLeadersResponse::default().with_error_code(code))
}

pub fn list_partition_reassignments(
    access: &Access,
    _: &Call<'_>,
    _: &mut ListPartitionReassignmentsRequest,
) -> Verdict<ListPartitionReassignmentsResponse> {
    let refused = || ListPartitionReassignmentsResponse::default().with_error_code(CLUSTER_REFUSED);
    whole(access, Operation::Describe, refused)
}

pub fn alter_partition_reassignments(
    access: &Access,
    _: &Call<'_>,
    _: &mut AlterPartitionReassignmentsRequest,
) -> Verdict<AlterPartitionReassignmentsResponse> {
    let refused = || AlterPartitionReassignmentsResponse::default().with_error_code(CLUSTER_REFUSED);
    whole(access, Operation::Alter, refused)
}

pub fn alter_replica_log_dirs(
    access: &Access,
    _: &Call<'_>,
    request: &mut AlterReplicaLogDirsRequest,
) -> Verdict<AlterReplicaLogDirsResponse> {
    whole(access, Operation::Alter, || {
        let topics = request.dirs.iter().flat_map(|dir| &dir.topics).map(|topic| {
            let partitions = topic.partitions.iter().map(|index| {
                AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(CLUSTER_REFUSED)
            });
            AlterReplicaLogDirTopicResult::default()
                .with_topic_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        AlterReplicaLogDirsResponse::default().with_results(topics.collect())
    })
}

pub fn list_config_resources(
    access: &Access,
    _: &Call<'_>,
    _: &mut ListConfigResourcesRequest,
) -> Verdict<ListConfigResourcesResponse> {
    let refused = || ListConfigResourcesResponse::default().with_error_code(CLUSTER_REFUSED);
    whole(access, Operation::DescribeConfigs, refused)
}

pub fn update_features(
    access: &Access,
    _: &Call<'_>,
    _: &mut UpdateFeaturesRequest,
) -> Verdict<UpdateFeaturesResponse> {
    whole(access, Operation::Alter, || UpdateFeaturesResponse::default().with_error_code(CLUSTER_REFUSED))
}

pub fn describe_acls(access: &Access, _: &Call<'_>, _: &mut DescribeAclsRequest) -> Verdict<DescribeAclsResponse> {
    whole(access, Operation::Describe, || {
        DescribeAclsResponse::default()
            .with_error_code(CLUSTER_REFUSED)
            .with_error_message(Some(text("Cluster authorization failed.")))
    })
}

pub fn create_acls(access: &Access, _: &Call<'_>, request: &mut CreateAclsRequest) -> Verdict<CreateAclsResponse> {
    whole(access, Operation::Alter, || {
        let refused = request.creations.iter().map(|_| AclCreationResult::default().with_error_code(CLUSTER_REFUSED));
        CreateAclsResponse::default().with_results(refused.collect())
    })
}

pub fn delete_acls(access: &Access, _: &Call<'_>, request: &mut DeleteAclsRequest) -> Verdict<DeleteAclsResponse> {
    whole(access, Operation::Alter, || {
        let refused =
            request.filters.iter().map(|_| DeleteAclsFilterResult::default().with_error_code(CLUSTER_REFUSED));
        DeleteAclsResponse::default().with_filter_results(refused.collect())
    })
}

pub fn describe_scram(
    access: &Access,
    _: &Call<'_>,
    _: &mut DescribeUserScramCredentialsRequest,
) -> Verdict<DescribeUserScramCredentialsResponse> {
    let refused = || DescribeUserScramCredentialsResponse::default().with_error_code(CLUSTER_REFUSED);
    whole(access, Operation::Describe, refused)
}

pub fn alter_scram(
    access: &Access,
    _: &Call<'_>,
    request: &mut AlterUserScramCredentialsRequest,
) -> Verdict<AlterUserScramCredentialsResponse> {
    whole(access, Operation::Alter, || {
        let mut names: Vec<_> = request.deletions.iter().map(|deletion| deletion.name.clone()).collect();
        names.extend(request.upsertions.iter().map(|upsertion| upsertion.name.clone()));
        names.sort();
        names.dedup();
        let refused = names
            .into_iter()
            .map(|name| AlterUserScramCredentialsResult::default().with_user(name).with_error_code(CLUSTER_REFUSED));
        AlterUserScramCredentialsResponse::default().with_results(refused.collect())
    })
}

pub fn describe_client_quotas(
    access: &Access,
    _: &Call<'_>,
    _: &mut DescribeClientQuotasRequest,
) -> Verdict<DescribeClientQuotasResponse> {
    whole(access, Operation::DescribeConfigs, || {
        DescribeClientQuotasResponse::default().with_error_code(CLUSTER_REFUSED).with_entries(None)
    })
}

pub fn alter_client_quotas(
    access: &Access,
    _: &Call<'_>,
    request: &mut AlterClientQuotasRequest,
) -> Verdict<AlterClientQuotasResponse> {
    whole(access, Operation::AlterConfigs, || {
        let refused = request.entries.iter().map(|entry| {
            let entity = entry.entity.iter().map(|part| {
                QuotaEntity::default()
                    .with_entity_type(part.entity_type.clone())
                    .with_entity_name(part.entity_name.clone())
            });
            QuotaEntry::default().with_error_code(CLUSTER_REFUSED).with_entity(entity.collect())
        });
        AlterClientQuotasResponse::default().with_entries(refused.collect())
    })
}

/// What the user may do with the cluster, where that was asked.
pub fn cluster_operations(call: &Call<'_>, asked: bool, response: &mut DescribeClusterResponse) {
    if asked && response.error_code == 0 {
        let access = Access::of(call);
        let visible = access.as_ref().is_none_or(|access| access.cluster(Operation::Describe));
        response.cluster_authorized_operations =
            if visible { authorized_operations(access.as_ref(), Resource::Cluster, CLUSTER) } else { 0 };
    }
}
