//! What a member asks its coordinator, each once.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use millstream_wire::protocol::{
    messages::{
        ApiKey, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::StrBytes,
};
use tokio::time::Instant;

use super::{
    event::{GroupEvent, GroupProtocol, JoinedMember},
    member::{Task, lock},
    rules::{JoinStep, after_join, after_sync},
};
use crate::{
    admin::{Committer, wire_group},
    cluster::{CoordinatorOf, RequestError},
    connection::Connection,
    kafka_error::ErrorCode,
    session::Asked,
};

/// Added to the rebalance timeout for the answer to JoinGroup, as in Java.
const JOIN_GRACE: Duration = Duration::from_secs(5);

impl Task {
    /// Sends JoinGroup and SyncGroup once, and between them lets the owner assign if this member leads.
    pub(super) async fn join_once(
        &mut self,
        protocols: &[GroupProtocol],
    ) -> Result<Result<GroupEvent, (ErrorCode, JoinStep)>, RequestError> {
        let connection = self.coordinator().await?;
        let joined = match self.send_join(&connection, protocols).await? {
            Ok(joined) => joined,
            Err(refused) => return Ok(Err(refused)),
        };
        let generation = joined.generation_id;
        let protocol = joined.protocol_name.as_ref().map(ToString::to_string).unwrap_or_default();
        let leader = joined.leader == joined.member_id;
        let mut assignments = Vec::new();
        if leader {
            lock(&self.shared.requested).assign = None;
            let members = joined.members.iter().map(|member| JoinedMember {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
                metadata: member.metadata.clone(),
            });
            let (members, keeps) = (members.collect(), joined.skip_assignment);
            self.tell(GroupEvent::Elected { generation, protocol: protocol.clone(), members, keeps }).await;
            if !keeps {
                assignments = self.shared.requested_step(|requested| requested.assign.take()).await;
            }
        }
        let assignment = |(member_id, assignment): (String, Bytes)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(member_id))
                .with_assignment(assignment)
        };
        let version = connection.version(ApiKey::SyncGroup)?;
        let mut request = SyncGroupRequest::default()
            .with_group_id(wire_group(&self.config.group_id))
            .with_generation_id(generation)
            .with_member_id(joined.member_id.clone())
            .with_assignments(assignments.into_iter().map(assignment).collect());
        if 3 <= version {
            request = request.with_group_instance_id(self.instance_id());
        }
        if 5 <= version {
            request = request
                .with_protocol_type(Some(StrBytes::from_string(self.config.protocol_type.clone())))
                .with_protocol_name(joined.protocol_name.clone());
        }
        let (began, asked) = (Instant::now(), Asked::now());
        let limit = self.config.rebalance_timeout.saturating_add(JOIN_GRACE);
        let synced = self.waited_for(connection.call_within(&request, limit)).await?;
        if let Err(code) = ErrorCode::check(synced.error_code) {
            return Ok(Err((code, after_sync(code))));
        }
        self.counts.syncs.add(1);
        self.counts.sync_time.record_time(began.elapsed());
        self.generation = Some(generation);
        self.shared.session.answered(asked);
        let member_id = joined.member_id.to_string();
        *lock(&self.shared.committer) = Some(Committer {
            generation,
            member_id: member_id.clone(),
            group_instance_id: self.config.group_instance_id.clone(),
        });
        Ok(Ok(GroupEvent::Assigned {
            generation,
            protocol,
            member_id,
            leader,
            leader_id: joined.leader.to_string(),
            assignment: synced.assignment,
        }))
    }

    async fn send_join(
        &mut self,
        connection: &Connection,
        protocols: &[GroupProtocol],
    ) -> Result<Result<JoinGroupResponse, (ErrorCode, JoinStep)>, RequestError> {
        let protocol = |protocol: &GroupProtocol| {
            JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_string(protocol.name.clone()))
                .with_metadata(protocol.metadata.clone())
        };
        let mut request = JoinGroupRequest::default()
            .with_group_id(wire_group(&self.config.group_id))
            .with_session_timeout_ms(millis(self.config.session_timeout))
            .with_rebalance_timeout_ms(millis(self.config.rebalance_timeout))
            .with_member_id(StrBytes::from_string(self.member_id.clone()))
            .with_protocol_type(StrBytes::from_string(self.config.protocol_type.clone()))
            .with_protocols(protocols.iter().map(protocol).collect());
        if 5 <= connection.version(ApiKey::JoinGroup)? {
            request = request.with_group_instance_id(self.instance_id());
        }
        let timeout = self.config.rebalance_timeout.saturating_add(JOIN_GRACE);
        let timeout = timeout.max(self.link.cluster.settings().request_timeout);
        let began = Instant::now();
        let joined = self.waited_for(connection.call_within(&request, timeout)).await?;
        self.spoken_on = Some(connection.clone());
        if let Err(code) = ErrorCode::check(joined.error_code) {
            let step = after_join(code);
            if step == JoinStep::WithGivenId {
                self.member_id = joined.member_id.to_string();
            }
            return Ok(Err((code, step)));
        }
        self.counts.joins.add(1);
        self.counts.join_time.record_time(began.elapsed());
        self.member_id = joined.member_id.to_string();
        Ok(Ok(joined))
    }

    /// Waits for an answer that the coordinator gives when it has heard of the other members. The member's session goes on
    /// meanwhile.
    async fn waited_for<T>(&self, answer: impl Future<Output = T>) -> T {
        tokio::pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = tokio::time::sleep(self.config.heartbeat_interval) => self.shared.session.waits(),
            }
        }
    }

    fn instance_id(&self) -> Option<StrBytes> {
        self.config.group_instance_id.clone().map(StrBytes::from_string)
    }

    async fn coordinator(&mut self) -> Result<Connection, RequestError> {
        let (node, address) = match &self.coordinator {
            Some(known) => known.clone(),
            None => {
                let found = self.link.cluster.find_coordinator(CoordinatorOf::Group(&self.config.group_id)).await?;
                self.coordinator.insert(found).clone()
            }
        };
        self.link.to_address(node, &address).await
    }

    pub(super) async fn send_heartbeat(&mut self, generation: i32) -> Result<Result<(), ErrorCode>, RequestError> {
        let connection = self.coordinator().await?;
        let mut request = HeartbeatRequest::default()
            .with_group_id(wire_group(&self.config.group_id))
            .with_generation_id(generation)
            .with_member_id(StrBytes::from_string(self.member_id.clone()));
        if 3 <= connection.version(ApiKey::Heartbeat)? {
            request = request.with_group_instance_id(self.instance_id());
        }
        let began = Instant::now();
        self.counts.last_heartbeat.set(began.into_std());
        let answer = connection.call_within(&request, self.config.session_timeout).await?;
        self.spoken_on = Some(connection);
        self.counts.heartbeats.add(1);
        self.counts.heartbeat_time.record_time(began.elapsed());
        Ok(ErrorCode::check(answer.error_code))
    }

    /// Tells the coordinator that the member leaves. A failure is as good as a lapsed session.
    pub(super) async fn say_goodbye(&mut self, reason: &str, for_good: bool) {
        if self.member_id.is_empty() || self.config.group_instance_id.is_some() && !for_good {
            return;
        }
        let said = async {
            let connection = self.coordinator().await?;
            let version = connection.version(ApiKey::LeaveGroup)?;
            let member_id = StrBytes::from_string(self.member_id.clone());
            let mut request = LeaveGroupRequest::default().with_group_id(wire_group(&self.config.group_id));
            if 3 <= version {
                // A static member that was taken the place of is refused, so that it cannot take out its successor.
                let mut member =
                    MemberIdentity::default().with_member_id(member_id).with_group_instance_id(self.instance_id());
                if 5 <= version {
                    member = member.with_reason(Some(StrBytes::from_string(reason.to_owned())));
                }
                request = request.with_members(vec![member]);
            } else {
                request = request.with_member_id(member_id);
            }
            connection.call(&request).await?;
            Ok::<(), RequestError>(())
        };
        if let Err(error) = said.await {
            tracing::debug!(group = %self.config.group_id, error = %millstream_record::ErrorChain(&error), "the coordinator was not told about leaving");
        }
    }
}

fn millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
