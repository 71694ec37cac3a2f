//! DescribeAcls, CreateAcls and DeleteAcls. Without an authorizer that is the answer to all three.

use millstream_record::ErrorChain;
use millstream_wire::protocol::{
    messages::{
        CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest,
        DescribeAclsResponse,
        create_acls_request::AclCreation,
        create_acls_response::AclCreationResult,
        delete_acls_request::DeleteAclsFilter,
        delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl},
        describe_acls_response::{AclDescription, DescribeAclsResource},
    },
    protocol::StrBytes,
};

use super::{Call, text};
use crate::{
    error_code::ErrorCode,
    security::acls::{Acl, AclFilter, CLUSTER, Operation, Pattern, PatternFilter, Permission, Resource, operations_of},
};

type Refused = (ErrorCode, String);

/// Most rules there may be: each request is held against them.
const MAX_RULES: usize = 100_000;

/// Longest name, user or address in a rule, in bytes.
const MAX_LEN: usize = 4096;

/// Stands for "any" in filters.
const ANY: i8 = 1;

/// Patterns that a name falls under.
const MATCH: i8 = 2;

/// In Kafka's words, which are others where something is to be changed.
fn disabled(message: &str) -> Refused {
    (ErrorCode::SECURITY_DISABLED, message.to_owned())
}

const NONE_TO_ASK: &str = "No Authorizer is configured on the broker";
const NONE_TO_CHANGE: &str = "No Authorizer is configured.";

pub fn describe(call: &Call<'_>, request: &DescribeAclsRequest) -> DescribeAclsResponse {
    let filter = filter(
        (request.resource_type_filter, &request.resource_name_filter, request.pattern_type_filter),
        (&request.principal_filter, &request.host_filter),
        (request.operation, request.permission_type),
    );
    let found = call
        .node
        .authorizer
        .as_ref()
        .ok_or_else(|| disabled(NONE_TO_ASK))
        .and_then(|authorizer| Ok((authorizer, filter?)));
    let (authorizer, filter) = match found {
        Ok(found) => found,
        Err((code, words)) => {
            return DescribeAclsResponse::default().with_error_code(code.get()).with_error_message(Some(text(words)));
        }
    };
    let acls = authorizer.acls();
    let mut resources: Vec<DescribeAclsResource> = Vec::new();
    for acl in acls.all().filter(|acl| filter.fits(acl)) {
        let described = AclDescription::default()
            .with_principal(text(acl.principal.as_str()))
            .with_host(text(acl.host.as_str()))
            .with_operation(acl.operation as i8)
            .with_permission_type(acl.permission as i8);
        let (kind, pattern) = (acl.resource as i8, acl.pattern as i8);
        match resources.last_mut() {
            // Rules come in the order of what they are about.
            Some(last)
                if (last.resource_type, last.pattern_type) == (kind, pattern) && *last.resource_name == *acl.name =>
            {
                last.acls.push(described);
            }
            _ => resources.push(
                DescribeAclsResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(text(acl.name.as_str()))
                    .with_pattern_type(pattern)
                    .with_acls(vec![described]),
            ),
        }
    }
    DescribeAclsResponse::default().with_resources(resources)
}

pub async fn create(call: &Call<'_>, request: CreateAclsRequest) -> CreateAclsResponse {
    let read: Vec<Result<Acl, Refused>> = match &call.node.authorizer {
        Some(_) => request.creations.iter().map(read_creation).collect(),
        None => request.creations.iter().map(|_| Err(disabled(NONE_TO_CHANGE))).collect(),
    };
    let wanted: Vec<Acl> = read.iter().filter_map(|read| read.as_ref().ok().cloned()).collect();
    let mut failed = None;
    if let Some(authorizer) = call.node.authorizer.as_ref().filter(|_| !wanted.is_empty()) {
        if MAX_RULES < authorizer.acls().all().count() + wanted.len() {
            failed = Some((ErrorCode::POLICY_VIOLATION, format!("there may be {MAX_RULES} access rules at most")));
        } else if let Err(error) = authorizer.change(|acls| wanted.into_iter().for_each(|acl| acls.add(acl))).await {
            failed = Some((ErrorCode::KAFKA_STORAGE_ERROR, ErrorChain(&error).to_string()));
        }
    }
    let results = read.into_iter().map(|read| match (read, &failed) {
        (Ok(_), None) => AclCreationResult::default(),
        (Err((code, words)), _) => creation_refused(code, words),
        (Ok(_), Some((code, words))) => creation_refused(*code, words.clone()),
    });
    CreateAclsResponse::default().with_results(results.collect())
}

fn creation_refused(code: ErrorCode, words: String) -> AclCreationResult {
    AclCreationResult::default().with_error_code(code.get()).with_error_message(Some(text(words)))
}

fn read_creation(creation: &AclCreation) -> Result<Acl, Refused> {
    let invalid = |words: &str| (ErrorCode::INVALID_REQUEST, words.to_owned());
    let resource = Resource::of_number(creation.resource_type).ok_or_else(|| invalid("Invalid resource type"))?;
    let pattern =
        Pattern::of_number(creation.resource_pattern_type).ok_or_else(|| invalid("Invalid resource pattern type"))?;
    let operation = Operation::of_number(creation.operation).ok_or_else(|| invalid("Invalid operation type"))?;
    let permission =
        Permission::of_number(creation.permission_type).ok_or_else(|| invalid("Invalid permission type"))?;
    let name = creation.resource_name.as_str();
    if name.is_empty() {
        return Err(invalid("Invalid empty resource name"));
    }
    if resource == Resource::Cluster && name != CLUSTER {
        return Err(invalid("The only valid name for the CLUSTER resource is kafka-cluster"));
    }
    if operation != Operation::All && !operations_of(resource).contains(&operation) {
        return Err(invalid("The operation does not apply to resources of this type"));
    }
    let principal = creation.principal.as_str();
    if !principal.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty()) {
        return Err(invalid("Could not parse principal: it must be Type:name"));
    }
    let host = creation.host.as_str();
    if host.is_empty() {
        return Err(invalid("Invalid empty host"));
    }
    if [name, principal, host].iter().any(|text| MAX_LEN < text.len()) {
        return Err(invalid("A name, principal or host is too long"));
    }
    let (name, principal, host) = (name.to_owned(), principal.to_owned(), host.to_owned());
    Ok(Acl { resource, name, pattern, principal, host, operation, permission })
}

pub async fn delete(call: &Call<'_>, request: DeleteAclsRequest) -> DeleteAclsResponse {
    let filters: Vec<Result<AclFilter, Refused>> = match &call.node.authorizer {
        Some(_) => request.filters.iter().map(read_filter).collect(),
        None => request.filters.iter().map(|_| Err(disabled(NONE_TO_CHANGE))).collect(),
    };
    let mut removed: Result<Vec<Vec<Acl>>, Refused> = Ok(vec![Vec::new(); filters.len()]);
    if let Some(authorizer) = &call.node.authorizer {
        let removing = authorizer.change(|acls| {
            let mut removed = Vec::with_capacity(filters.len());
            for filter in &filters {
                let fits = |acl: &&Acl| filter.as_ref().is_ok_and(|filter| filter.fits(acl));
                let fitting: Vec<Acl> = acls.all().filter(fits).cloned().collect();
                removed.push(fitting);
            }
            removed.iter().flatten().for_each(|acl| acls.remove(acl));
            removed
        });
        removed = removing.await.map_err(|error| (ErrorCode::KAFKA_STORAGE_ERROR, ErrorChain(&error).to_string()));
    }
    let results = filters.iter().enumerate().map(|(at, filter)| match (filter, &removed) {
        (Ok(_), Ok(removed)) => {
            DeleteAclsFilterResult::default().with_matching_acls(removed[at].iter().map(matching).collect())
        }
        (Err((code, words)), _) | (_, Err((code, words))) => {
            DeleteAclsFilterResult::default().with_error_code(code.get()).with_error_message(Some(text(words.as_str())))
        }
    });
    DeleteAclsResponse::default().with_filter_results(results.collect())
}

fn matching(acl: &Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_resource_type(acl.resource as i8)
        .with_resource_name(text(acl.name.as_str()))
        .with_pattern_type(acl.pattern as i8)
        .with_principal(text(acl.principal.as_str()))
        .with_host(text(acl.host.as_str()))
        .with_operation(acl.operation as i8)
        .with_permission_type(acl.permission as i8)
}

fn read_filter(wanted: &DeleteAclsFilter) -> Result<AclFilter, Refused> {
    filter(
        (wanted.resource_type_filter, &wanted.resource_name_filter, wanted.pattern_type_filter),
        (&wanted.principal_filter, &wanted.host_filter),
        (wanted.operation, wanted.permission_type),
    )
}

fn filter(
    (resource, name, pattern): (i8, &Option<StrBytes>, i8),
    (principal, host): (&Option<StrBytes>, &Option<StrBytes>),
    (operation, permission): (i8, i8),
) -> Result<AclFilter, Refused> {
    fn one<T>(number: i8, read: impl Fn(i8) -> Option<T>) -> Result<Option<T>, Refused> {
        match number {
            ANY => Ok(None),
            _ => read(number).map(Some).ok_or_else(|| {
                (ErrorCode::INVALID_REQUEST, "The AclBindingFilter must not contain UNKNOWN elements.".to_owned())
            }),
        }
    }
    let owned = |text: &Option<StrBytes>| text.as_ref().map(StrBytes::to_string);
    Ok(AclFilter {
        resource: one(resource, Resource::of_number)?,
        name: owned(name),
        pattern: match pattern {
            MATCH => PatternFilter::Match,
            other => one(other, Pattern::of_number)?.map_or(PatternFilter::Any, PatternFilter::Only),
        },
        principal: owned(principal),
        host: owned(host),
        operation: one(operation, Operation::of_number)?,
        permission: one(permission, Permission::of_number)?,
    })
}
