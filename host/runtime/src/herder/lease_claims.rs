//! Claims of leases: an entry of the config log, whose position makes the epoch. Any worker writes them, for its own tasks.

use async_trait::async_trait;
use millstream_connector::{Failure, TaskId};

use super::{
    HerderError,
    event::Event,
    fencing::{AskHerder, failure_of},
    run::Loop,
};
use crate::{
    config_log::{Entry, LeaseClaim},
    leases::Claims,
};

impl Loop {
    /// Writes a claim down and reads it back; its epoch.
    ///
    /// # Errors
    ///
    /// It was not read back in time, or the next one was by then.
    pub(super) async fn claim(&mut self, name: String, claim: LeaseClaim, above: u64) -> Result<u64, HerderError> {
        let base = {
            let view = self.shared.view();
            if !view.knows(&name) {
                return Err(HerderError::no_connector(&name));
            }
            view.cluster().lease_base(&name, above)
        };
        let token = claim.token.clone();
        let claim = Some(LeaseClaim { base, ..claim });
        self.write(vec![Entry::Lease { name: name.clone(), claim }]).await?;
        let view = self.shared.view();
        match view.cluster().lease(&name) {
            Some(holder) if holder.claim.token == token => Ok(holder.epoch),
            Some(holder) => Err(HerderError::Conflict(format!(
                "task {name}-{} of worker {} has claimed the lease at the same time",
                holder.claim.task, holder.claim.worker
            ))),
            None => {
                Err(HerderError::failed(format!("the claim of the lease of connector {name} is not in the config log")))
            }
        }
    }
}

#[async_trait]
impl Claims for AskHerder {
    async fn claim(&self, task: &TaskId, above: u64) -> Result<(u64, String), Failure> {
        let worker = self.shared.statuses.worker_id().to_owned();
        let owner = format!("task {task} of worker {worker}");
        let token = format!("{:016x}{:016x}", self.number(), self.number());
        let claim = LeaseClaim { worker, task: task.number, token, base: 0 };
        let name = task.connector.clone();
        let epoch = self.ask(|reply| Event::Claim { name, claim, above, reply }).await.map_err(failure_of)?;
        Ok((epoch, owner))
    }
}
