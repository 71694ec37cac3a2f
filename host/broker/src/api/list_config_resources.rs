//! ListConfigResources (KIP-1142): everything that has settings of its own. Version 0 lists subscriptions to clients'
//! metrics only.

use millstream_wire::protocol::messages::{
    ListConfigResourcesRequest, ListConfigResourcesResponse, list_config_resources_response::ConfigResource,
};

use super::{
    Call,
    configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC},
    text,
};
use crate::error_code::ErrorCode;

/// Every kind, in the order in which they are listed.
const KINDS: [i8; 5] = [CLIENT_METRICS, BROKER_LOGGER, BROKER, TOPIC, GROUP];

pub fn handle(call: &Call<'_>, request: &ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let wanted: &[i8] = match (call.version, request.resource_types.as_slice()) {
        (0, _) => &[CLIENT_METRICS],
        (_, []) => &KINDS,
        (_, some) => some,
    };
    if wanted.iter().any(|kind| !KINDS.contains(kind)) {
        return ListConfigResourcesResponse::default().with_error_code(ErrorCode::UNSUPPORTED_VERSION.get());
    }
    let kinds = KINDS.into_iter().filter(|kind| wanted.contains(kind));
    let resources = kinds.flat_map(|kind| names(call, kind).into_iter().map(move |name| (kind, name)));
    let resources = resources.map(|(kind, name)| {
        let resource = ConfigResource::default().with_resource_name(text(name));
        if 1 <= call.version { resource.with_resource_type(kind) } else { resource }
    });
    ListConfigResourcesResponse::default().with_config_resources(resources.collect())
}

fn names(call: &Call<'_>, kind: i8) -> Vec<String> {
    match kind {
        CLIENT_METRICS => call.node.topics.dynamic().altered().client_metrics.keys().cloned().collect(),
        BROKER | BROKER_LOGGER => vec![call.node.config.node_id.to_string()],
        TOPIC => call.node.topics.all().iter().map(|topic| topic.name.to_string()).collect(),
        _ => call.node.group_configs.all().keys().cloned().collect(),
    }
}
