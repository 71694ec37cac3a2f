//! Whether a member's client is still there, as far as its connections tell.
//!
//! A client may have several connections to the coordinator, and close one of them, or be cut off one, and go on. So a
//! member is taken to be gone only when the last of those that it has spoken on broke off, and only after a while in which
//! it does not speak on another one.

use crate::clock::Tick;

/// A connection, as the broker numbers them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub u64);

/// Most connections that are remembered of a member. Of those it spoke on least lately the end is not noticed.
const MOST: usize = 8;

/// The connections of one member.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Presence {
    /// Those that are open, the one it spoke on last at the end.
    open: Vec<ConnectionId>,
    /// When it is given up unless it speaks again.
    given_up_at: Option<Tick>,
    /// Until when it has time to speak since its client was last heard of, if that came before the end of a connection.
    expected_until: Option<Tick>,
    /// Whether its time was prolonged for that already.
    is_prolonged: bool,
}

impl Presence {
    /// The member speaks: on this connection, if it is known on which.
    pub fn speaks(&mut self, on: Option<ConnectionId>) {
        (self.given_up_at, self.expected_until, self.is_prolonged) = (None, None, false);
        let Some(on) = on else { return };
        self.open.retain(|known| *known != on);
        if self.open.len() == MOST {
            self.open.remove(0);
        }
        self.open.push(on);
    }

    /// A client of its name is there, and asks for the group: the member has until then to speak, once for each time that
    /// its connections are gone. It may be another client of that name, which must not keep it for ever.
    pub fn is_asked_for(&mut self, until: Tick) {
        match &mut self.given_up_at {
            None => self.expected_until = Some(until),
            Some(_) if self.is_prolonged => {}
            Some(at) => {
                *at = until.max(*at);
                self.is_prolonged = true;
            }
        }
    }

    /// A connection has ended. If it broke off and was the last, the member has until then to speak on another one; `None`
    /// for as long as its session lasts.
    pub fn ended(&mut self, connection: ConnectionId, broke_off: bool, until: Option<Tick>) {
        let known = self.open.len();
        self.open.retain(|open| *open != connection);
        if broke_off && self.open.is_empty() && known != 0 {
            let expected_until = self.expected_until.take();
            self.is_prolonged = expected_until.zip(until).is_some_and(|(expected, until)| until < expected);
            self.given_up_at = until.map(|until| expected_until.unwrap_or(until).max(until));
        }
    }

    /// Whether the member has spoken on this connection, and it is open.
    pub fn is_on(&self, connection: ConnectionId) -> bool {
        self.open.contains(&connection)
    }

    /// When the member is given up unless it speaks again.
    pub fn given_up_at(&self) -> Option<Tick> {
        self.given_up_at
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Event {
        Speaks(u64),
        BreaksOff(u64),
        IsClosed(u64),
    }

    /// What has happened says whether a member is to be given up: its last connection broke off, and nothing was heard
    /// since.
    fn expected(events: &[(u64, Event)], grace_ms: Option<i32>) -> Option<Tick> {
        let mut open = BTreeSet::new();
        let mut given_up_at = None;
        for (at, event) in events {
            match event {
                Event::Speaks(on) => {
                    open.insert(*on);
                    given_up_at = None;
                }
                Event::IsClosed(it) => drop(open.remove(it)),
                Event::BreaksOff(it) => {
                    if open.remove(it) && open.is_empty() {
                        given_up_at = grace_ms.map(|grace| Tick::from_millis(*at).plus_ms(grace));
                    }
                }
            }
        }
        given_up_at
    }

    #[test]
    fn in_every_course_a_member_is_given_up_only_if_its_last_connection_broke_off_and_it_has_not_spoken_since() {
        let kinds = [1, 2, 3].map(|it| [Event::Speaks(it), Event::BreaksOff(it), Event::IsClosed(it)]);
        let kinds = kinds.concat();
        let mut courses: Vec<Vec<(u64, Event)>> = vec![Vec::new()];
        for length in 0..6 {
            let longer = courses.iter().filter(|course| course.len() == length).flat_map(|course| {
                kinds.iter().map(|event| course.iter().copied().chain([(length as u64, *event)]).collect())
            });
            let longer: Vec<Vec<(u64, Event)>> = longer.collect();
            courses = longer;
            for (course, grace_ms) in courses.iter().flat_map(|course| [(course, None), (course, Some(7))]) {
                let mut presence = Presence::default();
                for (at, event) in course {
                    let until = grace_ms.map(|grace| Tick::from_millis(*at).plus_ms(grace));
                    match event {
                        Event::Speaks(on) => presence.speaks(Some(ConnectionId(*on))),
                        Event::BreaksOff(it) => presence.ended(ConnectionId(*it), true, until),
                        Event::IsClosed(it) => presence.ended(ConnectionId(*it), false, until),
                    }
                }
                assert_eq!(presence.given_up_at(), expected(course, grace_ms), "{course:?}");
            }
        }
    }

    #[test]
    fn a_member_whose_client_asks_for_the_group_has_longer_once() {
        let [soon, later, latest] = [5, 9, 13].map(Tick::from_millis);
        let mut presence = Presence::default();
        for asks_first in [false, true] {
            presence.speaks(Some(ConnectionId(1)));
            if asks_first {
                presence.is_asked_for(later);
            }
            presence.ended(ConnectionId(1), true, Some(soon));
            assert_eq!(presence.given_up_at(), Some(if asks_first { later } else { soon }));
            presence.is_asked_for(later);
            presence.is_asked_for(latest);
            assert_eq!(presence.given_up_at(), Some(later), "whoever else has its name does not keep it");
            presence.speaks(Some(ConnectionId(1)));
            assert_eq!(presence.given_up_at(), None);
        }
        // What was long ago means nothing.
        presence.is_asked_for(soon);
        presence.ended(ConnectionId(1), true, Some(later));
        assert_eq!(presence.given_up_at(), Some(later));
        presence.is_asked_for(latest);
        assert_eq!(presence.given_up_at(), Some(latest));
    }

    #[test]
    fn no_more_than_a_few_connections_are_remembered_of_a_member() {
        let mut presence = Presence::default();
        (0..100).for_each(|it| presence.speaks(Some(ConnectionId(it))));
        assert_eq!(presence.open.len(), MOST);
        presence.speaks(None);
        (0..99).for_each(|it| presence.ended(ConnectionId(it), true, Some(Tick::ZERO)));
        assert_eq!(presence.given_up_at(), None, "the one it spoke on last is open");
        presence.ended(ConnectionId(99), true, Some(Tick::ZERO));
        assert_eq!(presence.given_up_at(), Some(Tick::ZERO));
    }
}
