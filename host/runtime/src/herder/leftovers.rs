//! What tasks leave behind that have ended with their worker and that there are no more: a sink's member of its consumer
//! group, which would keep its partitions until its session is over. Of a task that there is still nothing is done, since
//! whoever runs it next takes the member's place.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use millstream_connector::{ErrorKind, Failure, TaskId};
use tokio::task::JoinSet;

use super::{ConnectorType, State, handle::Shared, run::Loop};
use crate::{
    error_policy::CONNECT_EXCEPTION,
    membership::{Member, WorkSet},
    provided,
};

/// Longest time for taking members out of one group.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Of a leader. Dropping it gives up what is under way.
#[derive(Default)]
pub(super) struct Leftovers {
    /// What members held that have gone since.
    went: WorkSet,
    /// What those hold that are there.
    held: WorkSet,
    work: JoinSet<()>,
}

impl Loop {
    /// Notes who has gone with what before work is divided anew.
    pub(super) fn note_gone(&mut self, members: &[Member]) {
        let urls: BTreeSet<&str> = members.iter().map(|member| &*member.url).collect();
        self.leftovers.held = members.iter().fold(WorkSet::default(), |all, member| all.plus(&member.holds.set()));
        self.leftovers.went = self.shared.place().of_others_than(&urls);
    }

    /// Takes members out of consumer groups that nobody comes back for.
    pub(super) fn dismiss_leftovers(&mut self, known: &[String]) {
        while self.leftovers.work.try_join_next().is_some() {}
        let mut left: BTreeMap<&String, BTreeSet<u32>> = BTreeMap::new();
        for name in known {
            let count = {
                let view = self.shared.view();
                let is_sink = |config| self.shared.kind(config) == ConnectorType::Sink;
                if !view.cluster().config(name).is_some_and(is_sink) {
                    continue;
                }
                view.cluster().task_count(name)
            };
            let said = self.shared.statuses.get(name).unwrap_or_default().tasks;
            // One that is held by nobody, and has not said that it has ended, has ended without a word.
            let said = said.into_iter().filter(|(_, status)| status.state != State::Unassigned);
            let gone: BTreeSet<u32> = said
                .map(|(number, _)| number)
                .chain(self.leftovers.went.tasks_of(name))
                .filter(|&number| count <= number)
                .filter(|&number| !self.leftovers.held.tasks.contains(&TaskId { connector: name.clone(), number }))
                .collect();
            if !gone.is_empty() {
                left.insert(name, gone);
            }
        }
        self.leftovers.went = WorkSet::default();
        for (name, tasks) in left {
            let (shared, name) = (Arc::clone(&self.shared), name.clone());
            self.leftovers.work.spawn(async move {
                let dismissed = tokio::time::timeout(TIMEOUT, dismiss(&shared, &name, &tasks)).await;
                let failure = match dismissed {
                    Ok(Ok(())) => return,
                    Ok(Err(failure)) => failure,
                    Err(_) => Failure::new(ErrorKind::Retriable, CONNECT_EXCEPTION, "it took longer than 30 seconds"),
                };
                tracing::warn!(connector = name, ?tasks, error = %failure, "members of tasks that are gone could not be taken out of the consumer group: their partitions wait until their sessions are over");
            });
        }
    }
}

async fn dismiss(shared: &Shared, name: &str, tasks: &BTreeSet<u32>) -> Result<(), Failure> {
    let config = shared.view().cluster().config(name).cloned();
    let Some(config) = config else { return Ok(()) };
    let resolved = provided::resolve(&shared.providers, &config).await?;
    shared.clients.group_offsets(name, &resolved.config)?.dismiss(tasks).await
}
