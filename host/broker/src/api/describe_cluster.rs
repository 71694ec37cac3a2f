//! DescribeCluster: one node, which is the controller too.

use millstream_wire::protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, describe_cluster_response::DescribeClusterBroker,
};

use super::{Call, broker_id, text};
use crate::error_code::ErrorCode;

/// Asks for brokers rather than controllers.
const BROKERS: i8 = 1;

pub fn handle(call: &Call<'_>, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    if 1 <= call.version && request.endpoint_type != BROKERS {
        return DescribeClusterResponse::default()
            .with_error_code(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE.get())
            .with_error_message(Some(text("only broker endpoints can be described")));
    }
    let broker = DescribeClusterBroker::default()
        .with_broker_id(broker_id(call.node))
        .with_host(text(call.peer.advertised.host.as_str()))
        .with_port(i32::from(call.peer.advertised.port));
    DescribeClusterResponse::default()
        .with_endpoint_type(BROKERS)
        .with_cluster_id(text(call.node.cluster_id.as_str()))
        .with_controller_id(broker_id(call.node))
        .with_brokers(vec![broker])
        .with_cluster_authorized_operations(i32::MIN)
}
