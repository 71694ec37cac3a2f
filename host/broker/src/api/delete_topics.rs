//! DeleteTopics, by name or by id: the name is free, and requests for the topic fail, when this answers.

use std::sync::Arc;

use millstream_wire::protocol::messages::{
    DeleteTopicsRequest, DeleteTopicsResponse, TopicName, delete_topics_response::DeletableTopicResult,
};
use uuid::Uuid;

use super::{Call, name_of, text, throttle};
use crate::{error_code::ErrorCode, topics::Forget};

/// First version whose clients know that a change can be refused for a while.
const STRICT_FROM: i16 = 5;

pub async fn handle(call: &Call<'_>, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let wanted: Vec<(Option<TopicName>, Uuid)> = if 6 <= call.version {
        request.topics.into_iter().map(|topic| (topic.name, topic.topic_id)).collect()
    } else {
        request.topic_names.into_iter().map(|name| (Some(name), Uuid::nil())).collect()
    };
    let mut responses = Vec::with_capacity(wanted.len());
    for (name, id) in wanted {
        let (name, id, code) = delete(call, name, id).await;
        let result = DeletableTopicResult::default().with_name(name).with_error_code(code.get());
        let result = if 6 <= call.version { result.with_topic_id(id) } else { result };
        let failed = code != ErrorCode::NONE && 5 <= call.version;
        responses.push(if failed { result.with_error_message(Some(text(code.name()))) } else { result });
    }
    DeleteTopicsResponse::default().with_responses(responses)
}

async fn delete(call: &Call<'_>, name: Option<TopicName>, id: Uuid) -> (Option<TopicName>, Uuid, ErrorCode) {
    let (topic, missing) = match &name {
        Some(_) if !id.is_nil() => return (name, id, ErrorCode::INVALID_REQUEST),
        Some(name) => (call.node.topics.get(name.as_str()), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        None => (call.node.topics.by_id(id), ErrorCode::UNKNOWN_TOPIC_ID),
    };
    if !call.node.config.delete_topics {
        return (name, id, ErrorCode::TOPIC_DELETION_DISABLED);
    }
    let Some(topic) = topic else { return (name, id, missing) };
    if topic.is_internal() {
        return (name, id, ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    if let Err(code) = throttle::mutate(call, topic.partitions.len(), STRICT_FROM) {
        return (name, id, code);
    }
    let answered = Some(name_of(&topic.name));
    let (groups, forgotten) = (Arc::clone(&call.node.groups), topic.name.clone());
    let forget: Forget = Box::pin(async move { groups.forget_topic(&forgotten).await });
    match call.node.topics.delete(&topic, forget).await {
        Ok(()) => (answered, topic.id, ErrorCode::NONE),
        Err(error) => (answered, topic.id, error.code()),
    }
}
