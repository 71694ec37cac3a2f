//! Membership in a group of type `connect`, over the client's group member.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use millstream_client::{
    AdminConfig, Cluster, Dial, GroupMember, GroupSession,
    config::ClientKind,
    group::{GroupConfig, GroupEvent, GroupProtocol, JoinedMember, connect_protocol::WorkerState},
};
use millstream_config::{WorkerConfig, worker_key as key};
use millstream_metrics::{Labels, Metrics, WorkerAssignment};
use millstream_record::ErrorChain;

use super::{Assigned, ConnectVersion, Member, Membership, MembershipEvent, OwnState, Work, WorkAssignment};

const PROTOCOL_TYPE: &str = "connect";

/// Time between heartbeats unless that is set: by them members hear that work is to be divided anew.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How a worker is a member.
#[derive(Clone, Debug)]
pub struct ConnectGroupSettings {
    group: GroupConfig,
    /// The newest version that it offers.
    newest: ConnectVersion,
    client: AdminConfig,
}

/// Why a worker cannot be a member.
#[derive(Debug, thiserror::Error)]
pub enum InvalidGroup {
    /// A client setting of the worker is refused.
    #[error(transparent)]
    Client(#[from] millstream_client::ConfigError),
    /// Heartbeats would come too late.
    #[error(
        "heartbeat.interval.ms ({} ms) must be less than session.timeout.ms ({} ms)",
        heartbeat.as_millis(),
        session.as_millis()
    )]
    Heartbeat {
        /// `heartbeat.interval.ms`.
        heartbeat: Duration,
        /// `session.timeout.ms`.
        session: Duration,
    },
}

impl ConnectGroupSettings {
    /// Reads a worker's configuration.
    ///
    /// # Errors
    ///
    /// See [`InvalidGroup`].
    pub fn of(worker: &WorkerConfig, bootstrap: &str) -> Result<Self, InvalidGroup> {
        let config = worker.config();
        let (session, heartbeat) = (key::SESSION_TIMEOUT.get(config), key::HEARTBEAT_INTERVAL.get(config));
        if session <= heartbeat {
            return Err(InvalidGroup::Heartbeat { heartbeat, session });
        }
        let is_set = config.originals().contains_key("heartbeat.interval.ms");
        let heartbeat = if is_set { heartbeat } else { heartbeat.min(HEARTBEAT) };
        let rebalance = key::REBALANCE_TIMEOUT.get(config);
        let mut properties: BTreeMap<String, String> = config
            .originals()
            .iter()
            .filter(|(key, _)| !["admin.", "producer.", "consumer."].iter().any(|prefix| key.starts_with(prefix)))
            .filter_map(|(key, value)| Some((key.clone(), value.clone()?)))
            .collect();
        properties.insert("bootstrap.servers".to_owned(), bootstrap.to_owned());
        Ok(Self {
            group: GroupConfig {
                group_id: key::GROUP_ID.get(config),
                group_instance_id: None,
                protocol_type: PROTOCOL_TYPE.to_owned(),
                session_timeout: session,
                rebalance_timeout: rebalance,
                heartbeat_interval: heartbeat,
                // The herder's loop waits for connectors and tasks within limits of their own.
                max_poll_interval: None,
            },
            newest: match key::CONNECT_PROTOCOL.get(config).to_ascii_lowercase().as_str() {
                "eager" => ConnectVersion::Eager,
                "compatible" => ConnectVersion::Compatible,
                _ => ConnectVersion::Sessioned,
            },
            client: AdminConfig::from_properties(&properties)?,
        })
    }

    /// Counts here what the member does.
    pub fn counted_by(mut self, metrics: Metrics) -> Self {
        self.client.connection.kind = ClientKind::Worker;
        self.client.connection.metrics = metrics;
        self
    }
}

/// What a membership needs of a client; see [`GroupMember`], whose guarantees these methods have.
#[async_trait]
pub trait GroupClient: Send {
    /// Joins, or joins again, with these protocols, most wanted first. Returns at once.
    fn join(&mut self, protocols: Vec<GroupProtocol>);

    /// The leader's answer to [`GroupEvent::Elected`], by member id.
    fn assign(&mut self, assignments: Vec<(String, Bytes)>);

    /// Waits for the next event. Dropping the future loses nothing.
    async fn next_event(&mut self) -> GroupEvent;

    /// Whether the group has not gone on without this member.
    fn session(&self) -> GroupSession;

    /// Leaves, within a moment.
    async fn leave(self: Box<Self>, reason: &str, timeout: Duration);
}

/// A member with connections of its own.
struct Connected {
    member: GroupMember,
    cluster: Cluster,
}

#[async_trait]
impl GroupClient for Connected {
    fn join(&mut self, protocols: Vec<GroupProtocol>) {
        self.member.join(protocols);
    }

    fn assign(&mut self, assignments: Vec<(String, Bytes)>) {
        self.member.assign(assignments);
    }

    async fn next_event(&mut self) -> GroupEvent {
        self.member.next_event().await
    }

    fn session(&self) -> GroupSession {
        self.member.session()
    }

    async fn leave(self: Box<Self>, reason: &str, timeout: Duration) {
        let Self { member, cluster } = *self;
        member.leave(reason, timeout).await;
        drop(cluster);
    }
}

/// See the module's documentation.
pub struct ConnectGroup {
    member: Box<dyn GroupClient>,
    group_id: String,
    /// The newest version that it offers.
    newest: ConnectVersion,
    url: String,
    /// How members work together since the last round.
    version: ConnectVersion,
    /// What it held when it joined last.
    held: Work,
    counts: Arc<WorkerAssignment>,
}

impl ConnectGroup {
    /// Prepares a membership; [`Membership::join`] begins it. Others reach this worker at `url`. Must be
    /// called within a tokio runtime.
    pub fn new(dial: Arc<dyn Dial>, settings: ConnectGroupSettings, worker_id: &str, url: &str) -> Self {
        let mut connection = settings.client.connection.clone();
        if connection.client_id.trim().is_empty() {
            connection.client_id = format!("connect-{worker_id}");
        }
        let counts = connection.metrics.group(Labels::client(&connection.client_id));
        let cluster = Cluster::connect(dial, &settings.client.bootstrap, connection);
        let member = GroupMember::new(&cluster, settings.group.clone());
        let client = Box::new(Connected { member, cluster });
        Self { counts, ..Self::over(client, &settings.group.group_id, settings.newest, url) }
    }

    /// Prepares a membership of the group `group_id` over a client for it; nobody sees what it counts.
    pub fn over(client: Box<dyn GroupClient>, group_id: &str, newest: ConnectVersion, url: &str) -> Self {
        Self {
            member: client,
            group_id: group_id.to_owned(),
            newest,
            url: format!("{url}/"),
            version: newest,
            held: Work::default(),
            counts: Metrics::default().group(Labels::client("")),
        }
    }

    fn event(&mut self, event: GroupEvent) -> MembershipEvent {
        match event {
            // Only static members take a leader's place, and workers are none.
            GroupEvent::Elected { generation, protocol, members, keeps: _ } => {
                match self.elected(generation, &protocol, &members) {
                    Ok(event) => event,
                    Err(reason) => MembershipEvent::Failed(reason),
                }
            }
            GroupEvent::Assigned { generation, protocol, leader, assignment, .. } => {
                let read = || {
                    let version = ConnectVersion::of_name(&protocol).ok_or_else(|| format!("protocol {protocol:?}"))?;
                    let work = WorkAssignment::decode(&assignment).map_err(|error| error.to_string())?;
                    Ok((version, work))
                };
                match read() {
                    Ok((version, work)) => {
                        self.version = version;
                        self.count(&work);
                        MembershipEvent::Assigned(Assigned { generation, leads: leader, version, work })
                    }
                    Err::<_, String>(reason) => MembershipEvent::Failed(format!(
                        "what the leader of group {} has sent cannot be read: {reason}",
                        self.group_id
                    )),
                }
            }
            GroupEvent::RebalanceNeeded => MembershipEvent::RebalanceNeeded,
            GroupEvent::Lost(reason) => MembershipEvent::Lost(ErrorChain(&reason).to_string()),
            GroupEvent::Failed(error) => MembershipEvent::Failed(ErrorChain(&error).to_string()),
        }
    }

    /// What there is to do now: under the cooperative protocols what was held, with what is new and without what is not
    /// wanted any more.
    fn count(&self, told: &WorkAssignment) {
        let mut all = if self.version == ConnectVersion::Eager { Work::default() } else { self.held.clone() };
        all.add(&Work::of_shares(&told.assigned));
        all.remove(&Work::of_shares(&told.revoked).set());
        self.counts.connectors.set(all.connectors.len() as i64);
        self.counts.tasks.set(all.tasks.len() as i64);
    }

    fn elected(
        &mut self,
        generation: i32,
        protocol: &str,
        members: &[JoinedMember],
    ) -> Result<MembershipEvent, String> {
        let group = &self.group_id;
        let version = ConnectVersion::of_name(protocol)
            .ok_or_else(|| format!("group {group} has chosen the protocol {protocol:?}, which is none of Connect's"))?;
        let member = |joined: &JoinedMember| {
            let state = WorkerState::decode(&joined.metadata).map_err(|error| {
                format!("member {} of group {group} cannot be understood: {error}", joined.member_id)
            })?;
            let holds = state.holds.map(|holds| Work::of_shares(&holds.assigned)).unwrap_or_default();
            Ok(Member { id: joined.member_id.clone(), url: state.url, offset: state.offset, holds, own: state.own })
        };
        let members: Vec<Member> = members.iter().map(member).collect::<Result<_, String>>()?;
        let own = members.iter().find(|member| member.url == self.url).map(|member| member.id.clone());
        let id = own.ok_or_else(|| format!("group {group} has no member {}, which is to lead it", self.url))?;
        Ok(MembershipEvent::Elected { id, generation, version, members })
    }
}

#[async_trait]
impl Membership for ConnectGroup {
    fn join(&mut self, offset: i64, holds: &Work, own: OwnState) {
        self.held.clone_from(holds);
        let holds = holds.shares();
        let protocol = |version: ConnectVersion| {
            let held = WorkAssignment { offset, assigned: holds.clone(), ..WorkAssignment::default() };
            let holds = (version != ConnectVersion::Eager && !holds.is_empty()).then_some(held);
            let state = WorkerState { url: self.url.clone(), offset, holds, own: Some(own.clone()) };
            GroupProtocol { name: version.name().to_owned(), metadata: state.encode(version) }
        };
        let offered = ConnectVersion::ALL.into_iter().rev().filter(|version| *version <= self.newest);
        let offered = offered.map(protocol).collect();
        self.member.join(offered);
    }

    fn assign(&mut self, work: Vec<(String, WorkAssignment)>) {
        let version = self.version;
        self.member.assign(work.into_iter().map(|(id, work)| (id, work.encode(version))).collect());
    }

    async fn next(&mut self) -> MembershipEvent {
        let event = self.member.next_event().await;
        if let GroupEvent::Elected { protocol, .. } = &event
            && let Some(version) = ConnectVersion::of_name(protocol)
        {
            // In which the answer is to be written.
            self.version = version;
        }
        self.event(event)
    }

    fn session(&self) -> GroupSession {
        self.member.session()
    }

    async fn leave(self: Box<Self>, timeout: Duration) {
        self.member.leave("the worker is being stopped", timeout).await;
    }
}
