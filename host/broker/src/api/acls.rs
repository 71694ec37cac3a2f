//! Access control lists: there is no authorizer, which is the answer to all three requests.

use millstream_wire::protocol::{
    messages::{
        CreateAclsRequest, CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsResponse,
        create_acls_response::AclCreationResult, delete_acls_response::DeleteAclsFilterResult,
    },
    protocol::StrBytes,
};

use super::text;
use crate::error_code::ErrorCode;

fn message() -> Option<StrBytes> {
    Some(text("No Authorizer is configured on the broker"))
}

pub fn describe() -> DescribeAclsResponse {
    DescribeAclsResponse::default().with_error_code(ErrorCode::SECURITY_DISABLED.get()).with_error_message(message())
}

pub fn create(request: &CreateAclsRequest) -> CreateAclsResponse {
    let refused = |_| {
        AclCreationResult::default().with_error_code(ErrorCode::SECURITY_DISABLED.get()).with_error_message(message())
    };
    CreateAclsResponse::default().with_results(request.creations.iter().map(refused).collect())
}

pub fn delete(request: &DeleteAclsRequest) -> DeleteAclsResponse {
    let refused = |_| {
        DeleteAclsFilterResult::default()
            .with_error_code(ErrorCode::SECURITY_DISABLED.get())
            .with_error_message(message())
    };
    DeleteAclsResponse::default().with_filter_results(request.filters.iter().map(refused).collect())
}
