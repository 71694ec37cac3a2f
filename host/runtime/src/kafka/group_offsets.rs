//! The committed offsets of a sink's group, over `millstream-client`.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use millstream_client::{
    Admin, ErrorCode, RequestError,
    admin::{OffsetAndMetadata, Refused},
};
use millstream_connector::{ErrorKind, Failure, TopicOffset, TopicPartition};
use millstream_record::{ErrorChain, TopicName};

use super::{AlterOffsetsError, GroupOffsets, client::request_failure};

/// What brokers refuse to those who are no members, of a group that has some.
const HAS_MEMBERS: [ErrorCode; 3] =
    [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::NON_EMPTY_GROUP, ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC];

/// The number of the connector's task whose `group.instance.id` this is, if it is one's.
pub(super) type OwnMember = dyn Fn(&str) -> Option<u32> + Send + Sync;

pub(super) struct ClientGroupOffsets {
    admin: Admin,
    group: String,
    own: Box<OwnMember>,
}

impl ClientGroupOffsets {
    pub(super) fn new(admin: Admin, group: String, own: Box<OwnMember>) -> Self {
        Self { admin, group, own }
    }

    /// Takes those members out of the group that tasks have left behind which ended with their worker: offsets are changed
    /// only where no task runs. Whether there was one. What may go wrong is left to whoever looks again.
    async fn dismiss_the_dead(&self) -> bool {
        self.dismiss_those(|_| true).await.unwrap_or_else(|error| {
            tracing::warn!(group = self.group, error = %ErrorChain(&error), "members that ended without leaving could not be taken out of the group");
            false
        })
    }

    /// Takes tasks out of the group, and says whether one was there.
    async fn dismiss_those(&self, is_dead: impl Fn(u32) -> bool) -> Result<bool, RequestError> {
        let described = self.admin.describe_group(&self.group).await?;
        let members = described.members.into_iter().filter_map(|member| member.group_instance_id);
        let dead: Vec<String> = members.filter(|id| (self.own)(id).is_some_and(&is_dead)).collect();
        if !dead.is_empty() {
            self.admin.remove_static_members(&self.group, &dead).await?;
            tracing::info!(
                group = self.group,
                members = dead.len(),
                "members that ended without leaving were taken out of the group"
            );
        }
        Ok(!dead.is_empty())
    }
}

fn refusal(Refused { source, .. }: &Refused, failure: Failure) -> AlterOffsetsError {
    if HAS_MEMBERS.contains(source) {
        AlterOffsetsError::HasMembers(failure)
    } else {
        AlterOffsetsError::Failed(failure)
    }
}

fn refused(refused: Refused) -> AlterOffsetsError {
    let failure = Failure::new(ErrorKind::Fatal, &refused.java_class(), ErrorChain(&refused).to_string());
    refusal(&refused, failure)
}

fn failed(error: RequestError) -> AlterOffsetsError {
    AlterOffsetsError::Failed(request_failure(&error))
}

type Results = BTreeMap<(TopicName, i32), Result<(), Refused>>;

/// The first partition that was refused.
fn first_refusal(results: Results) -> Result<(), AlterOffsetsError> {
    let refused = results.into_iter().find_map(|((topic, partition), result)| {
        let error = result.err()?;
        let text = format!("{topic}-{partition}: {}", ErrorChain(&error));
        Some(refusal(&error, Failure::new(ErrorKind::Fatal, &error.java_class(), text)))
    });
    refused.map_or(Ok(()), Err)
}

#[async_trait]
impl GroupOffsets for ClientGroupOffsets {
    async fn list(&self) -> Result<Vec<TopicOffset>, Failure> {
        let found = self.admin.list_group_offsets(&self.group, None).await.map_err(|error| request_failure(&error))?;
        let offset = |((topic, partition), committed): ((TopicName, i32), OffsetAndMetadata)| TopicOffset {
            topic: topic.as_str().to_owned(),
            partition,
            offset: committed.offset,
        };
        Ok(found.into_iter().map(offset).collect())
    }

    async fn alter(&self, offsets: &[(TopicPartition, Option<i64>)]) -> Result<(), AlterOffsetsError> {
        match self.alter_once(offsets).await {
            Err(AlterOffsetsError::HasMembers(_)) if self.dismiss_the_dead().await => self.alter_once(offsets).await,
            altered => altered,
        }
    }

    async fn delete(&self) -> Result<(), AlterOffsetsError> {
        match self.delete_once().await {
            Err(AlterOffsetsError::HasMembers(_)) if self.dismiss_the_dead().await => self.delete_once().await,
            deleted => deleted,
        }
    }

    async fn dismiss(&self, tasks: &BTreeSet<u32>) -> Result<(), Failure> {
        let dismissed = self.dismiss_those(|number| tasks.contains(&number)).await;
        dismissed.map(drop).map_err(|error| request_failure(&error))
    }
}

impl ClientGroupOffsets {
    async fn alter_once(&self, offsets: &[(TopicPartition, Option<i64>)]) -> Result<(), AlterOffsetsError> {
        let (mut set, mut forgotten) = (Vec::new(), Vec::new());
        for (of, offset) in offsets {
            let invalid = |error: millstream_record::InvalidTopicName| {
                let class = "org.apache.kafka.common.errors.InvalidTopicException";
                AlterOffsetsError::Failed(Failure::new(ErrorKind::Fatal, class, error.to_string()))
            };
            let name = TopicName::parse(&of.topic).map_err(invalid)?;
            match offset {
                Some(offset) => set.push((name, of.partition, OffsetAndMetadata::new(*offset))),
                None => forgotten.push((name, of.partition)),
            }
        }
        let (admin, group) = (&self.admin, &self.group);
        let setting =
            async { if set.is_empty() { Ok(Results::new()) } else { admin.alter_group_offsets(group, &set).await } };
        let forgetting = async {
            if forgotten.is_empty() { Ok(Results::new()) } else { admin.delete_group_offsets(group, &forgotten).await }
        };
        // Side by side, as in Connect: neither waits for the other to succeed.
        let (set, forgotten) = tokio::join!(setting, forgetting);
        let set = set.map_err(failed).and_then(first_refusal);
        let forgotten = forgotten.map_err(|error| match &error {
            RequestError::Refused { source, .. } if HAS_MEMBERS.contains(source) => {
                AlterOffsetsError::HasMembers(request_failure(&error))
            }
            _ => failed(error),
        });
        set.and(forgotten.and_then(first_refusal))
    }

    async fn delete_once(&self) -> Result<(), AlterOffsetsError> {
        match self.admin.delete_group(&self.group).await.map_err(failed)? {
            Err(error) if error.source != ErrorCode::GROUP_ID_NOT_FOUND => Err(refused(error)),
            _ => Ok(()),
        }
    }
}
