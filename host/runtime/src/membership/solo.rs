//! A worker that is in no group and has everything to do.

use std::time::Duration;

use async_trait::async_trait;

use super::{Assigned, ConnectVersion, Membership, MembershipEvent, OwnState, Work, WorkAssignment};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Solo {
    told: bool,
}

#[async_trait]
impl Membership for Solo {
    fn join(&mut self, _: i64, _: &Work, _: OwnState) {}

    fn assign(&mut self, _: Vec<(String, WorkAssignment)>) {}

    async fn next(&mut self) -> MembershipEvent {
        if std::mem::replace(&mut self.told, true) {
            std::future::pending().await
        }
        let (version, work) = (ConnectVersion::Compatible, WorkAssignment::default());
        MembershipEvent::Assigned(Assigned { generation: 0, leads: true, version, work })
    }

    async fn leave(self: Box<Self>, _: Duration) {}
}
