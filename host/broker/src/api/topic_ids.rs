//! OffsetCommit and OffsetFetch 10, which name topics by their ids (KIP-848): carried out by names, as the version before.
//!
//! A topic that was made anew under its old name has another id: what is known of the old one is neither changed nor told.

use std::collections::HashMap;

use millstream_wire::{
    frame::{self, encode_response},
    newer,
    protocol::{
        messages::{ApiKey, OffsetCommitResponse, OffsetFetchResponse, TopicName},
        protocol::{Decodable, Encodable},
    },
};
use uuid::Uuid;

use super::{Answer, Incoming, Rejected, Reply};
use crate::{error_code::ErrorCode, node::Node};

/// The version in which it is carried out.
const BY_NAMES: i16 = newer::TOPICS_BY_ID - 1;

/// Topics that a request has named by their ids.
pub struct ByIds {
    api: ApiKey,
    ids: HashMap<String, Named>,
}

struct Named {
    id: Uuid,
    /// Whether there is a topic with this id.
    is_known: bool,
}

impl ByIds {
    /// Has a request name topics by their names, if it does so by their ids.
    ///
    /// # Errors
    ///
    /// The request cannot be read.
    pub fn take(node: &Node, incoming: &mut Incoming) -> Result<Option<Self>, Rejected> {
        let (api, version) = (incoming.api, incoming.version());
        if !newer::names_topics_by_id(api, version) {
            return Ok(None);
        }
        let mut ids = HashMap::new();
        let body = newer::with_names(api, &incoming.body, |bytes| {
            let id = Uuid::from_bytes(bytes);
            let topic = node.topics.by_id(id);
            // No topic can have the other name.
            let name = topic.as_ref().map_or_else(|| format!("?{id}"), |topic| topic.name.as_str().to_owned());
            ids.insert(name.clone(), Named { id, is_known: topic.is_some() });
            name
        });
        incoming.body = body.map_err(|source| incoming.cannot_be_read(source))?;
        incoming.header.request_api_version = BY_NAMES;
        Ok(Some(Self { api, ids }))
    }

    /// Has the answer do so, too.
    ///
    /// # Errors
    ///
    /// The answer is none to such a request.
    pub fn answer(self, node: &Node, reply: Reply) -> Result<Reply, Rejected> {
        let api = self.api;
        if api == ApiKey::OffsetCommit {
            return with_ids(api, reply, move |response: &mut OffsetCommitResponse| self.offset_commit(response));
        }
        // Of all that a group has committed nobody has said the ids.
        let id_of = |name: &str| node.topics.get(name).map(|topic| topic.id);
        match reply {
            Reply::Now(answer) => {
                let change = |response: &mut OffsetFetchResponse| self.offset_fetch(response, id_of);
                Ok(Reply::Now(translated(api, answer, change)?))
            }
            other => Ok(other),
        }
    }

    fn offset_commit(&self, response: &mut OffsetCommitResponse) {
        for topic in &mut response.topics {
            let Some(named) = self.ids.get(topic.name.as_str()) else { continue };
            (topic.topic_id, topic.name) = (named.id, TopicName::default());
            for partition in &mut topic.partitions {
                partition.error_code = named.code(partition.error_code);
            }
        }
    }

    fn offset_fetch(&self, response: &mut OffsetFetchResponse, id_of: impl Fn(&str) -> Option<Uuid>) {
        for group in &mut response.groups {
            group.topics.retain_mut(|topic| {
                let named = self.ids.get(topic.name.as_str());
                // What has no id cannot be told of.
                let Some(id) = named.map(|named| named.id).or_else(|| id_of(&topic.name)) else { return false };
                (topic.topic_id, topic.name) = (id, TopicName::default());
                for partition in topic.partitions.iter_mut().filter(|_| named.is_some_and(|named| !named.is_known)) {
                    partition.error_code = ErrorCode::UNKNOWN_TOPIC_ID.get();
                }
                true
            });
        }
    }
}

impl Named {
    /// Of a topic that there is none of, whatever came of its name.
    fn code(&self, code: i16) -> i16 {
        if self.is_known || code == ErrorCode::GROUP_AUTHORIZATION_FAILED.get() {
            code
        } else {
            ErrorCode::UNKNOWN_TOPIC_ID.get()
        }
    }
}

/// An answer that may still have to come, translated.
fn with_ids<R: Decodable + Encodable + 'static>(
    api: ApiKey,
    reply: Reply,
    change: impl FnOnce(&mut R) + Send + 'static,
) -> Result<Reply, Rejected> {
    match reply {
        Reply::Now(answer) => Ok(Reply::Now(translated(api, answer, change)?)),
        Reply::Later(later) => Ok(Reply::Later(later.then(move |answer| translated(api, answer, change)))),
        Reply::Silence => Ok(Reply::Silence),
    }
}

fn translated<R: Decodable + Encodable>(
    api: ApiKey,
    answer: Answer,
    change: impl FnOnce(&mut R),
) -> Result<Answer, Rejected> {
    let mut frame = answer.frame.slice(4..);
    let correlation = frame::decode_response_header(api, BY_NAMES, &mut frame)?;
    let mut response: R = frame::decode_response(api, BY_NAMES, frame)?;
    change(&mut response);
    Ok(Answer { frame: encode_response(api, newer::TOPICS_BY_ID, correlation, &response)?, ..answer })
}
