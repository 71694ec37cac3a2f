//! Asking a leader whether the records before a position are still those that were read: OffsetForLeaderEpoch.

use millstream_record::TopicName;
use millstream_wire::protocol::messages::{
    ApiKey, BrokerId, OffsetForLeaderEpochRequest,
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};

use super::positions::Question;
use crate::{
    admin::TopicPartition,
    cluster::{Link, RequestError, wire_name},
    connection::CallError,
    kafka_error::ErrorCode,
};

/// A position to be checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Check {
    pub(super) offset: i64,
    /// Epoch of the record before it.
    pub(super) epoch: i32,
    /// Epoch of the leader that is asked.
    pub(super) leader_epoch: i32,
}

/// What the leader says about a position.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Validity {
    /// The records before it are those that were read.
    Sound,
    /// The log has other records from `end` on, which lies before the position; `None` where it has nothing of the
    /// epoch at all. The epoch is that of the record before `end`.
    Diverged { end: Option<(i64, i32)> },
    /// The leader answered with an error.
    Refused(ErrorCode),
}

/// Positions that were checked, with the versions they answer to.
#[derive(Debug)]
pub(super) struct Validated {
    pub(super) answers: Vec<(TopicPartition, Check, u64, Validity)>,
    /// To be asked about again.
    pub(super) retry: Vec<(TopicPartition, u64)>,
    pub(super) failure: Option<RequestError>,
}

/// Asks one broker once.
pub(super) async fn validate(link: &Link, node: i32, questions: Vec<Question<Check>>) -> Validated {
    match ask(link, node, &questions).await {
        Ok(answers) => answers,
        Err(RequestError::Call { source: CallError::Version { .. } }) => {
            // An old broker cannot tell, so that the positions have to be trusted.
            let trusted = |(key, check, version): Question<Check>| (key, check, version, Validity::Sound);
            Validated { answers: questions.into_iter().map(trusted).collect(), retry: Vec::new(), failure: None }
        }
        Err(error) => {
            let retry = questions.into_iter().map(|(key, _, version)| (key, version)).collect();
            let failure = if error.is_retriable() { None } else { Some(error) };
            Validated { answers: Vec::new(), retry, failure }
        }
    }
}

async fn ask(link: &Link, node: i32, questions: &[Question<Check>]) -> Result<Validated, RequestError> {
    let connection = link.to(node).await?;
    connection.version(ApiKey::OffsetForLeaderEpoch)?;
    let mut topics: Vec<OffsetForLeaderTopic> = Vec::new();
    for ((topic, partition), check, _) in questions {
        let asked = OffsetForLeaderPartition::default()
            .with_partition(*partition)
            .with_current_leader_epoch(check.leader_epoch)
            .with_leader_epoch(check.epoch);
        match topics.last_mut() {
            Some(last) if last.topic.as_str() == topic.as_str() => last.partitions.push(asked),
            _ => {
                topics.push(OffsetForLeaderTopic::default().with_topic(wire_name(topic)).with_partitions(vec![asked]));
            }
        }
    }
    let request = OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics);
    let response = connection.call(&request).await?;
    let mut validated = Validated { answers: Vec::new(), retry: Vec::new(), failure: None };
    let mut open: Vec<&Question<Check>> = questions.iter().collect();
    for topic in response.topics {
        let Ok(name) = TopicName::parse(topic.topic.as_str()) else { continue };
        for partition in topic.partitions {
            let asked = |question: &Question<Check>| question.0.0 == name && question.0.1 == partition.partition;
            let Some(at) = open.iter().position(|question| asked(question)) else { continue };
            let (key, check, version) = open.swap_remove(at);
            let validity = match ErrorCode::check(partition.error_code) {
                Err(code) => Validity::Refused(code),
                Ok(()) => judge(check, partition.leader_epoch, partition.end_offset),
            };
            validated.answers.push((key.clone(), *check, *version, validity));
        }
    }
    // What the broker left out is asked for again.
    validated.retry.extend(open.into_iter().map(|(key, _, version)| (key.clone(), *version)));
    Ok(validated)
}

/// Compares a position with where its epoch ended.
fn judge(check: &Check, epoch: i32, end_offset: i64) -> Validity {
    if epoch < 0 || end_offset < 0 {
        Validity::Diverged { end: None }
    } else if end_offset < check.offset {
        Validity::Diverged { end: Some((end_offset, epoch)) }
    } else {
        Validity::Sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_sound_while_its_epoch_reaches_it() {
        let check = Check { offset: 100, epoch: 4, leader_epoch: 6 };
        assert_eq!(judge(&check, 4, 100), Validity::Sound);
        assert_eq!(judge(&check, 4, 150), Validity::Sound);
        assert_eq!(judge(&check, 4, 99), Validity::Diverged { end: Some((99, 4)) });
        assert_eq!(judge(&check, 3, 50), Validity::Diverged { end: Some((50, 3)) });
        assert_eq!(judge(&check, -1, -1), Validity::Diverged { end: None });
    }
}
