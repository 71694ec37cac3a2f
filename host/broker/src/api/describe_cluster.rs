//! DescribeCluster: one node, which is the controller too.

use millstream_wire::protocol::messages::{
    DescribeClusterRequest, DescribeClusterResponse, describe_cluster_response::DescribeClusterBroker,
};

use super::{Call, broker_id, text};
use crate::error_code::ErrorCode;

/// Asks for brokers rather than controllers.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub fn handle(call: &Call<'_>, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let refused = match request.endpoint_type {
        _ if call.version < 1 => None,
        BROKERS => None,
        CONTROLLERS => Some((
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER"
                .to_owned(),
        )),
        other => Some((ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, format!("Unsupported endpoint type {other}"))),
    };
    if let Some((code, words)) = refused {
        return DescribeClusterResponse::default().with_error_code(code.get()).with_error_message(Some(text(words)));
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
