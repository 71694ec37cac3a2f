//! Members that go: by their own word, or because their time is up.

use super::{ConsumerGroup, Moment};

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
        let is_over = |at: crate::clock::Tick| at <= moment.now;
        let over: Vec<String> = self
            .members
            .values()
            .filter(|member| {
                let limits = [member.revoke_by, member.join_by, member.sync_by];
                is_over(member.session_ends) || limits.into_iter().flatten().any(is_over)
            })
            .map(|member| member.id.clone())
            .collect();
        let ids: Vec<&str> = over.iter().map(String::as_str).collect();
        self.fence(&ids, moment);
        over
    }

    /// Takes out the members at hosts that died.
    pub fn remove_hosts(&mut self, died: impl Fn(&str) -> bool, moment: &Moment<'_>) {
        let over: Vec<String> =
            self.members.values().filter(|member| died(&member.client_host)).map(|member| member.id.clone()).collect();
        let ids: Vec<&str> = over.iter().map(String::as_str).collect();
        self.fence(&ids, moment);
    }
}
