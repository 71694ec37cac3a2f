//! Connections that end: whose client may be gone with them.

use std::collections::HashSet;

use super::{
    Coordinator,
    group::{Group, Protocol},
    presence::ConnectionId,
};
use crate::clock::Tick;

/// So many groups are noted of a connection before those are left out that it has no member of any more.
const MANY: usize = 64;

/// What a heartbeat may be late, in milliseconds.
const AFTER_HEARTBEAT_MS: i32 = 1_000;

/// The protocol type of Kafka Connect's workers.
const CONNECT: &str = "connect";

/// The groups in which an open connection may have members.
#[derive(Debug, Default)]
pub(super) struct Speaker {
    groups: HashSet<String>,
    /// With so many it is time to look which are of use.
    many: usize,
}

impl Coordinator {
    /// A member of a group is there: it has sent something, on this connection where that is known.
    pub(super) fn heard_of(&mut self, via: Option<ConnectionId>, group_id: &str, member_id: &str) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let presence = match &mut group.protocol {
            Protocol::Classic(classic) => classic.members.get_mut(member_id).map(|member| &mut member.presence),
            Protocol::Consumer(consumer) => consumer.presence(member_id),
        };
        let Some(presence) = presence else { return };
        presence.speaks(via);
        let Some(connection) = via else { return };
        let noted = self.speakers.entry(connection).or_default();
        if noted.groups.contains(group_id) {
            return;
        }
        if noted.many.max(MANY) <= noted.groups.len() {
            let groups = &self.groups;
            noted.groups.retain(|id| groups.get(id).is_some_and(|group| group.hears_from(connection)));
            noted.many = 2 * noted.groups.len();
        }
        noted.groups.insert(group_id.to_owned());
    }

    /// A client asks for a group. The members that it has there are about to be heard of: Java's workers and
    /// consumers, upon the end of a connection to the coordinator, ask for it at once, and speak when their next heartbeat
    /// is due, which is within a third of their session. Ours send one at once.
    pub fn client_asks(&mut self, now: Tick, group_id: &str, client_id: &str, client_host: &str) {
        let Some(group) = self.groups.get_mut(group_id) else { return };
        let consumers_ms = self.own.get(group_id).unwrap_or(&self.settings).consumer_times.session_ms;
        let until = |session_ms: i32| now.plus_ms(session_ms / 3).plus_ms(AFTER_HEARTBEAT_MS);
        match &mut group.protocol {
            Protocol::Classic(classic) => {
                let own = classic.members.values_mut();
                let own = own.filter(|member| member.client_id == client_id && member.client_host == client_host);
                own.for_each(|member| member.presence.is_asked_for(until(member.session_timeout_ms)));
            }
            Protocol::Consumer(consumer) => consumer.client_asks(client_id, client_host, until(consumers_ms)),
        }
        self.reschedule(group_id);
    }

    /// A connection has ended: it broke off if the peer went away, and otherwise the broker closed it.
    ///
    /// A member that has spoken on no other connection that is open is given up after `group.disconnect.grace.ms` unless
    /// it speaks again. Static members are there to come back, and have the time of their sessions for that.
    pub fn connection_ended(&mut self, now: Tick, connection: ConnectionId, broke_off: bool) {
        let Some(noted) = self.speakers.remove(&connection) else { return };
        for group_id in noted.groups {
            let Some(group) = self.groups.get_mut(&group_id) else { continue };
            let grace_ms = match group.classic() {
                Some(classic) if classic.protocol_type.as_deref() == Some(CONNECT) => {
                    self.settings.connect_disconnect_grace_ms
                }
                _ => self.settings.disconnect_grace_ms,
            };
            let until = grace_ms.map(|grace_ms| now.plus_ms(grace_ms));
            match &mut group.protocol {
                Protocol::Classic(classic) => {
                    for member in classic.members.values_mut() {
                        let until = until.filter(|_| member.instance_id.is_none());
                        member.presence.ended(connection, broke_off, until);
                    }
                }
                Protocol::Consumer(consumer) => consumer.connection_ended(connection, broke_off, until),
            }
            self.reschedule(&group_id);
        }
    }
}

impl Group {
    fn hears_from(&self, connection: ConnectionId) -> bool {
        match &self.protocol {
            Protocol::Classic(classic) => classic.members.values().any(|member| member.presence.is_on(connection)),
            Protocol::Consumer(consumer) => consumer.hears_from(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use millstream_wire::error_code::ErrorCode;
    use uuid::Uuid;

    use super::*;
    use crate::config::group::ConsumerTimes;
    use crate::groups::coordinator::{
        Described, HeartbeatRequest, JoinRequest, Protocol as Offer, Settings, Ticket, Times, Topology,
    };

    /// No topics.
    struct Nothing;

    impl Topology for Nothing {
        fn version(&self) -> u64 {
            0
        }

        fn topic(&self, _: &str) -> Option<(Uuid, i32)> {
            None
        }

        fn name(&self, _: Uuid) -> Option<String> {
            None
        }

        fn names(&self) -> Vec<String> {
            Vec::new()
        }
    }

    /// How a member takes part, and the grace that it has then.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum Kind {
        /// Of protocol type `connect`.
        Connect,
        /// Of another type.
        Classic,
        /// Waiting for a rebalance to end.
        Parked,
        /// Under the consumer protocol.
        Consumer,
    }

    const GRACE_MS: u64 = 1_000;
    const OF_CONNECT_MS: u64 = 600;

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Speaks(u64),
        BreaksOff(u64),
        IsClosed(u64),
        Waits,
    }

    #[derive(Debug)]
    struct World {
        coordinator: Coordinator,
        kind: Kind,
        instance: Option<&'static str>,
        now_ms: u64,
    }

    impl World {
        fn new(kind: Kind, instance: Option<&'static str>, off: bool) -> Self {
            let given = |ms: u64| (!off).then_some(i32::try_from(ms).unwrap());
            let settings = Settings {
                disconnect_grace_ms: given(GRACE_MS),
                connect_disconnect_grace_ms: given(OF_CONNECT_MS),
                // Nobody is to join in this.
                initial_delay_ms: if kind == Kind::Parked { 1_000_000 } else { 0 },
                consumer_times: ConsumerTimes { session_ms: 1_000_000, ..Settings::default().consumer_times },
                ..Settings::default()
            };
            let mut world = Self { coordinator: Coordinator::new(settings), kind, instance, now_ms: 0 };
            if kind != Kind::Consumer {
                let request = world.join();
                world.coordinator.join(world.times(1), &request, Ticket(1));
            } else {
                let request = world.beat(0);
                world.coordinator.consumer_heartbeat(world.times(1), &request, Ticket(1));
            }
            assert!(world.has_member());
            world
        }

        fn join(&self) -> JoinRequest {
            JoinRequest {
                group: "g".into(),
                member_id: String::new(),
                new_member_id: "m".into(),
                instance_id: self.instance.map(str::to_owned),
                client_id: "c".into(),
                client_host: "/h".into(),
                session_timeout_ms: 1_000_000,
                rebalance_timeout_ms: 1_000_000,
                protocol_type: if self.kind == Kind::Connect { "connect".into() } else { "other".into() },
                protocols: vec![Offer { name: "p".into(), metadata: Bytes::new() }],
                require_known_member: false,
                knows_skip_assignment: true,
            }
        }

        fn beat(&self, epoch: i32) -> HeartbeatRequest {
            HeartbeatRequest {
                group: "g".into(),
                member_id: "m".into(),
                new_member_id: String::new(),
                epoch,
                instance_id: self.instance.map(str::to_owned),
                rack_id: None,
                client_id: "c".into(),
                client_host: "/h".into(),
                rebalance_timeout_ms: 1_000_000,
                topics: Some(vec!["t".into()]),
                regex: None,
                assignor: None,
                owned: Some(super::super::super::records::Partitions::new()),
                names_itself: true,
            }
        }

        fn times(&self, via: u64) -> Times<'static> {
            Times { now: self.now(), wall_ms: 1, topics: &Nothing, via: Some(ConnectionId(via)) }
        }

        fn now(&self) -> Tick {
            Tick::from_millis(self.now_ms)
        }

        fn has_member(&self) -> bool {
            match self.coordinator.describe("g") {
                Described::Classic(group) => !group.members.is_empty(),
                Described::Other => !self.coordinator.describe_consumer("g", &Nothing).unwrap().members.is_empty(),
                Described::Missing => false,
            }
        }

        fn happens(&mut self, event: Event) {
            match event {
                Event::Speaks(on) if self.kind == Kind::Consumer => {
                    let epoch = self.coordinator.describe_consumer("g", &Nothing).map_or(0, |group| group.target_epoch);
                    let request = self.beat(epoch);
                    self.coordinator.consumer_heartbeat(self.times(on), &request, Ticket(2));
                }
                Event::Speaks(on) => {
                    let known = self.has_member();
                    let code = self.coordinator.heartbeat(self.times(on), "g", 1, "m", self.instance);
                    // One that waits for the first generation says another, but is heard all the same.
                    let expected = match (known, self.kind) {
                        (false, _) => ErrorCode::UNKNOWN_MEMBER_ID,
                        (true, Kind::Parked) => ErrorCode::ILLEGAL_GENERATION,
                        (true, _) => ErrorCode::NONE,
                    };
                    assert_eq!(code, expected);
                }
                Event::BreaksOff(it) => self.coordinator.connection_ended(self.now(), ConnectionId(it), true),
                Event::IsClosed(it) => self.coordinator.connection_ended(self.now(), ConnectionId(it), false),
                Event::Waits => {
                    self.now_ms += 600;
                    let times = Times { via: None, ..self.times(0) };
                    self.coordinator.tick(times);
                }
            }
        }
    }

    #[test]
    fn in_every_course_a_member_is_given_up_exactly_when_its_grace_is_over() {
        const EVENTS: [Event; 6] = [
            Event::Speaks(1),
            Event::Speaks(2),
            Event::BreaksOff(1),
            Event::BreaksOff(2),
            Event::IsClosed(1),
            Event::Waits,
        ];
        let courses = (0..6_usize.pow(5)).map(|number| {
            (0..5_u32).map(|at| EVENTS[number / 6_usize.pow(at) % 6]).chain([Event::Waits; 2]).collect::<Vec<_>>()
        });
        let mut given_up = 0;
        for course in courses {
            for kind in [Kind::Connect, Kind::Classic, Kind::Parked, Kind::Consumer] {
                let mut world = World::new(kind, None, false);
                let grace_ms = if kind == Kind::Connect { OF_CONNECT_MS } else { GRACE_MS };
                let mut open: HashSet<u64> = [1].into();
                let (mut ends_at, mut is_member) = (None, true);
                for event in &course {
                    match event {
                        Event::Speaks(on) if is_member => {
                            open.insert(*on);
                            ends_at = None;
                        }
                        // Under the consumer protocol, whoever is not known says so and has to join.
                        Event::Speaks(_) => {}
                        Event::BreaksOff(it) => {
                            if open.remove(it) && open.is_empty() {
                                ends_at = Some(world.now_ms + grace_ms);
                            }
                        }
                        Event::IsClosed(it) => drop(open.remove(it)),
                        Event::Waits => is_member &= ends_at.is_none_or(|at| world.now_ms + 600 < at),
                    }
                    world.happens(*event);
                    assert_eq!(world.has_member(), is_member, "{kind:?} {event:?} of {course:?}");
                }
                given_up += u32::from(!is_member);
            }
        }
        assert!(1_000 < given_up, "{given_up}");
    }

    #[test]
    fn a_client_that_asks_for_its_group_has_until_the_next_heartbeat_and_another_client_changes_nothing() {
        for kind in [Kind::Connect, Kind::Classic, Kind::Parked, Kind::Consumer] {
            for (client, host, stays) in [("c", "/h", true), ("other", "/h", false), ("c", "/other", false)] {
                let mut world = World::new(kind, None, false);
                world.happens(Event::BreaksOff(1));
                world.coordinator.client_asks(world.now(), "g", client, host);
                (0..3).for_each(|_| world.happens(Event::Waits));
                assert_eq!(world.has_member(), stays, "{kind:?} {client} {host}");
            }
        }
    }

    #[test]
    fn static_members_and_those_of_groups_without_a_grace_have_their_session() {
        for kind in [Kind::Connect, Kind::Classic, Kind::Parked, Kind::Consumer] {
            for (instance, off) in [(Some("i"), false), (None, true), (Some("i"), true)] {
                let mut world = World::new(kind, instance, off);
                world.happens(Event::BreaksOff(1));
                (0..10).for_each(|_| world.happens(Event::Waits));
                assert!(world.has_member(), "{kind:?} {instance:?} {off}");
            }
        }
    }

    #[test]
    fn of_a_connection_only_so_many_groups_are_noted_as_have_its_members() {
        let mut world = World::new(Kind::Classic, None, false);
        for number in 0..10_000 {
            let group = format!("g{number}");
            let request = JoinRequest { group: group.clone(), ..world.join() };
            world.coordinator.join(world.times(7), &request, Ticket(number));
            // Every tenth stays.
            if number % 10 != 0 {
                let leaving = super::super::Leaving { member_id: "m".into(), instance_id: None };
                world.coordinator.leave(world.times(7), &group, &[leaving]).unwrap();
            }
        }
        let noted = world.coordinator.speakers[&ConnectionId(7)].groups.len();
        assert!((1_000..=2_000).contains(&noted), "{noted}");
        world.happens(Event::BreaksOff(7));
        assert_eq!(world.coordinator.speakers.len(), 1, "that of the first member");
        world.happens(Event::Waits);
        world.happens(Event::Waits);
        let left = world.coordinator.groups.values().filter(|group| !group.is_empty()).count();
        assert_eq!(left, 1);
    }
}
