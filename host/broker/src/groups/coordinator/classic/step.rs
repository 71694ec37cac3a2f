//! One event on one group: what every kind of event has in common.

use super::group::{AfterStore, ClassicGroup};
use crate::{
    clock::Tick,
    groups::coordinator::{
        Settings,
        action::{Action, Outbox},
    },
};

/// One event on one group, at a moment. The files beside this one say what the kinds of events do.
pub(in crate::groups::coordinator) struct Step<'a, 'b> {
    pub group: &'a mut ClassicGroup,
    pub settings: &'a Settings,
    pub now: Tick,
    pub wall_ms: i64,
    pub out: &'a mut Outbox<'b>,
}

impl Step<'_, '_> {
    pub(in crate::groups::coordinator) fn restart_session(&mut self, member_id: &str) {
        if let Some(member) = self.group.members.get_mut(member_id) {
            member.restart_session(self.now);
        }
    }

    /// Writes what the group has become; `after` follows when that is on disk.
    pub(in crate::groups::coordinator) fn store(&mut self, after: AfterStore) {
        *self.out.next_id += 1;
        let store = *self.out.next_id;
        self.group.storing.insert(store, after);
        let delete = std::mem::take(&mut self.group.undeleted);
        if !delete.is_empty() {
            self.group.deleting.insert(store, delete.clone());
        }
        let record = self.group.to_stored();
        self.out.actions.push(Action::Store { group: self.group.id.clone(), store, delete, record });
    }
}
