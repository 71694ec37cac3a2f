//! Members that go: by their own word, or because their time is up.

use super::{ConsumerGroup, Moment};
use crate::{
    clock::Tick,
    groups::coordinator::presence::{ConnectionId, Presence},
};

impl ConsumerGroup {
    /// Takes members out, which begins another epoch. What they had is free.
    pub(super) fn fence(&mut self, ids: &[&str], moment: &Moment<'_>) {
        let taken = ids.iter().filter(|id| self.take(id).is_some()).count();
        if 0 < taken {
            self.begin_epoch_if(true, moment);
        }
    }

    /// Time has passed: members whose session is over, or that have not done in time what they had to, are taken out.
    /// Returns their ids.
    pub fn expire(&mut self, moment: &Moment<'_>) -> Vec<String> {
        let over = self.members.values().filter(|member| member.ends_at() <= moment.now);
        let over: Vec<String> = over.map(|member| member.id.clone()).collect();
        let ids: Vec<&str> = over.iter().map(String::as_str).collect();
        self.fence(&ids, moment);
        over
    }

    /// A member's connections; `None` for who is none.
    pub fn presence(&mut self, id: &str) -> Option<&mut Presence> {
        self.members.get_mut(id).map(|member| &mut member.presence)
    }

    /// Whether a member has spoken on this connection.
    pub fn hears_from(&self, connection: ConnectionId) -> bool {
        self.members.values().any(|member| member.presence.is_on(connection))
    }

    /// A connection has ended, upon which members have until then to speak on another one; static ones their session.
    pub fn connection_ended(&mut self, connection: ConnectionId, broke_off: bool, until: Option<Tick>) {
        for member in self.members.values_mut() {
            let until = until.filter(|_| member.instance_id.is_none());
            member.presence.ended(connection, broke_off, until);
        }
    }

    /// A client asks for the group: its members have until then to speak.
    pub fn client_asks(&mut self, client_id: &str, client_host: &str, until: Tick) {
        let own = self.members.values_mut();
        let own = own.filter(|member| member.client_id == client_id && member.client_host == client_host);
        own.for_each(|member| member.presence.is_asked_for(until));
    }

    /// Takes out the members at hosts that died.
    pub fn remove_hosts(&mut self, died: impl Fn(&str) -> bool, moment: &Moment<'_>) {
        let over: Vec<String> =
            self.members.values().filter(|member| died(&member.client_host)).map(|member| member.id.clone()).collect();
        let ids: Vec<&str> = over.iter().map(String::as_str).collect();
        self.fence(&ids, moment);
    }
}
