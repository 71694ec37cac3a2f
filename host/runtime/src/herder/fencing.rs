//! Zombie fencing: before a set of tasks writes its first transaction, the producers of the sets before it are shut out.
//!
//! The leader alone does it, in rounds of one connector each: who asks while one is under way shares it. What has been
//! fenced is in the config log ([`Entry::Fencing`]), so that a later leader knows how many producers there may be.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use millstream_connector::{ErrorKind, Failure};
use millstream_record::ErrorChain;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    ConnectorType, HerderError,
    event::{Event, Reply},
    handle::Shared,
    run::{Loop, answer},
};
use crate::{
    config_log::{ClusterState, Entry},
    error_policy::{CONNECT_EXCEPTION, Random},
    exactly_once::{ExactlyOnceSource, Generations},
    provided,
};

/// Longest time for shutting out the producers of one connector, as in Connect.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What a round has to do for one connector.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Round {
    /// Nothing: whoever could write belongs to the set in effect.
    Done,
    /// Write down how many producers there will be: there were none before, or the one that there was is shut out by its
    /// successor, which has its name.
    Note(u32),
    /// Shut out so many producers, then write down how many there will be.
    Fence(u32, u32),
}

impl Round {
    fn of(cluster: &ClusterState, connector: &str) -> Self {
        let tasks = cluster.task_count(connector);
        match cluster.fenced(connector) {
            _ if !cluster.wants_fencing(connector) => Self::Done,
            None => Self::Note(tasks),
            Some(1) if tasks == 1 => Self::Note(1),
            Some(before) => Self::Fence(before, tasks),
        }
    }
}

/// Rounds that are under way. Dropping it gives them up; whoever waits is told that the worker shuts down.
#[derive(Default)]
pub(super) struct Fencings {
    waiting: BTreeMap<String, Waiting>,
    work: JoinSet<(String, Result<(), Failure>)>,
}

struct Waiting {
    /// Of the set of tasks that it was begun for.
    generation: Option<u64>,
    replies: Vec<Reply<()>>,
}

impl Fencings {
    /// The next round that is over; waits for ever while none is under way. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> (String, Result<(), Failure>) {
        loop {
            match self.work.join_next().await {
                Some(Ok(ended)) => return ended,
                Some(Err(error)) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Gives all rounds up.
    pub(super) fn refuse_all(&mut self, error: &HerderError) {
        self.work.abort_all();
        for reply in std::mem::take(&mut self.waiting).into_values().flat_map(|waiting| waiting.replies) {
            answer(reply, Err(error.clone()));
        }
    }
}

fn conflicting() -> HerderError {
    HerderError::Conflict(
        "Failed to complete zombie fencing: a new set of task configs was generated meanwhile".to_owned(),
    )
}

fn not_fenced(cause: Failure) -> HerderError {
    HerderError::caused("Failed to perform zombie fencing", cause)
}

impl Loop {
    /// Begins a round for a connector, or joins the one that is under way for the same set of tasks.
    pub(super) async fn fence(&mut self, name: String, reply: Reply<()>) {
        if let Err(error) = self.leads() {
            return answer(reply, Err(error));
        }
        if let Err(error) = self.read_to_end().await {
            return answer(reply, Err(error));
        }
        let (config, round, generation) = {
            let view = self.shared.view();
            let cluster = view.cluster();
            (cluster.config(&name).cloned(), Round::of(cluster, &name), cluster.task_generation(&name))
        };
        let Some(config) = config else { return answer(reply, Err(HerderError::no_connector(&name))) };
        if self.shared.kind(&config) != ConnectorType::Source {
            return answer(reply, Err(HerderError::BadRequest(format!("Connector {name} is not a source connector"))));
        }
        if let Some(waiting) = self.fencings.waiting.get_mut(&name) {
            if waiting.generation == generation {
                waiting.replies.push(reply);
            } else {
                answer(reply, Err(conflicting()));
            }
            return;
        }
        let (producers, tasks) = match round {
            Round::Done => return answer(reply, Ok(())),
            Round::Note(tasks) => {
                let noted = self.write(vec![Entry::Fencing { name, tasks: Some(tasks) }]).await;
                return answer(reply, noted);
            }
            Round::Fence(producers, tasks) => (producers, tasks),
        };
        tracing::info!(connector = name, producers, tasks, "the producers of earlier tasks are fenced");
        self.fencings.waiting.insert(name.clone(), Waiting { generation, replies: vec![reply] });
        let (shared, session) = (Arc::clone(&self.shared), self.membership.session());
        self.fencings.work.spawn(async move {
            let ids: Vec<String> =
                (0..producers).filter_map(|task| shared.exactly_once.id_in_group(&name, task)).collect();
            let fence = async {
                let resolved = provided::resolve(&shared.providers, &config).await?;
                if !session.is_open() {
                    // Whoever leads by now has let others begin, whom it would shut out.
                    let text = "nothing was heard of the workers' group for session.timeout.ms";
                    return Err(Failure::new(ErrorKind::Retriable, CONNECT_EXCEPTION, text));
                }
                shared.clients.fence(&name, &ids, &resolved.config).await
            };
            let fenced = tokio::time::timeout(TIMEOUT, fence).await.unwrap_or_else(|_| {
                let text = format!("the producers were not fenced within {} seconds", TIMEOUT.as_secs());
                Err(Failure::new(ErrorKind::Retriable, CONNECT_EXCEPTION, text))
            });
            (name, fenced)
        });
    }

    /// Writes down that a round is over, unless there is another set of tasks by now, and answers who has waited for it.
    pub(super) async fn fenced(&mut self, name: String, fenced: Result<(), Failure>) {
        let Some(Waiting { generation, replies }) = self.fencings.waiting.remove(&name) else { return };
        let result = match fenced {
            Ok(()) => self.note_fenced(&name, generation).await,
            Err(cause) => Err(not_fenced(cause)),
        };
        replies.into_iter().for_each(|reply| answer(reply, result.clone()));
    }

    async fn note_fenced(&mut self, name: &str, generation: Option<u64>) -> Result<(), HerderError> {
        self.read_to_end().await?;
        let tasks = {
            let view = self.shared.view();
            if view.cluster().task_generation(name) != generation {
                return Err(conflicting());
            }
            view.cluster().task_count(name)
        };
        self.write(vec![Entry::Fencing { name: name.to_owned(), tasks: Some(tasks) }]).await
    }

    /// Whether a set of tasks is still in effect.
    pub(super) async fn is_current(&mut self, name: &str, generation: Option<u64>) -> Result<bool, HerderError> {
        self.read_to_end().await?;
        Ok(self.shared.view().cluster().task_generation(name) == generation)
    }

    /// Reads what others wrote.
    async fn read_to_end(&mut self) -> Result<(), HerderError> {
        let limit = self.group.as_ref().map_or(TIMEOUT, |rules| rules.sync_timeout);
        let failed = |reason: String| {
            let cause = Failure::new(ErrorKind::Retriable, CONNECT_EXCEPTION, reason);
            HerderError::caused("Failed to read to end of config topic before performing zombie fencing", cause)
        };
        match tokio::time::timeout(limit, self.log.catch_up()).await {
            Ok(Ok(entries)) => {
                entries.into_iter().for_each(|logged| self.take(logged));
                Ok(())
            }
            Ok(Err(error)) => Err(failed(ErrorChain(&error).to_string())),
            Err(_) => Err(failed("reading it took longer than worker.sync.timeout.ms".to_owned())),
        }
    }
}

/// How the tasks of this worker ask its herder, and by way of it the leader. It keeps nobody running.
pub(super) struct AskHerder {
    pub(super) events: mpsc::WeakSender<Event>,
    pub(super) shared: Arc<Shared>,
    pub(super) random: Arc<Random>,
}

impl AskHerder {
    /// One that nobody can foretell.
    pub(super) fn number(&self) -> u64 {
        // So many bits a random number from 0 to 1 has.
        ((self.random)() * (1_u64 << 53) as f64) as u64
    }

    pub(super) async fn ask<T>(&self, event: impl FnOnce(Reply<T>) -> Event) -> Result<T, HerderError> {
        let (reply, answered) = oneshot::channel();
        let answer = match self.events.upgrade() {
            Some(events) if events.send(event(reply)).await.is_ok() => answered.await,
            _ => return Err(HerderError::ShuttingDown),
        };
        answer.unwrap_or(Err(HerderError::ShuttingDown))
    }

    /// A leader that does not answer, or is none any more, has a successor soon.
    async fn ask_leader(&self, url: &str, connector: &str) -> Result<(), Failure> {
        let later = |text: String| Failure::new(ErrorKind::Retriable, CONNECT_EXCEPTION, text);
        let Some(peers) = &self.shared.peers else { return Err(later("there is no way to ask the leader".to_owned())) };
        let key = self.shared.session_key();
        tracing::info!(connector, leader = url, "the leader is asked to fence the producers of earlier tasks");
        let asked = tokio::select! {
            asked = tokio::time::timeout(TIMEOUT, peers.fence(url, connector, key.as_ref())) => asked,
            () = self.deposed(url) => return Err(later(format!("the leader at {url} was asked to fence, and leads no more"))),
        };
        match asked {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(later(format!("the leader at {url} was asked to fence: {}", ErrorChain(&error)))),
            Err(_) => Err(later(format!("the leader at {url} has not answered within {} seconds", TIMEOUT.as_secs()))),
        }
    }
}

impl AskHerder {
    /// Returns when another worker than this one leads, or nobody. A leader that is frozen never answers.
    async fn deposed(&self, url: &str) {
        loop {
            let moved = self.shared.moved.notified();
            tokio::pin!(moved);
            // Registered before looking, so that no change falls between.
            moved.as_mut().enable();
            if self.shared.place().other_leader() != Some(url) {
                return;
            }
            moved.await;
        }
    }
}

/// What a task makes of a refusal: most of them go away by themselves, or the task is stopped.
pub(super) fn failure_of(error: HerderError) -> Failure {
    let message = error.to_string();
    match error {
        HerderError::Failed { source: Some(source), .. } if source.kind != ErrorKind::Retriable => {
            source.caused(ErrorKind::Fatal, CONNECT_EXCEPTION, message)
        }
        HerderError::Failed { source: Some(source), .. } => {
            source.caused(ErrorKind::Retriable, CONNECT_EXCEPTION, message)
        }
        HerderError::BadRequest(_) | HerderError::Forbidden(_) => Failure::new(ErrorKind::Fatal, "", message),
        _ => Failure::new(ErrorKind::Retriable, "", message),
    }
}

#[async_trait]
impl Generations for AskHerder {
    async fn fence(&self, connector: &str) -> Result<(), Failure> {
        let name = connector.to_owned();
        match self.ask(|reply| Event::Fence { name, reply }).await {
            Err(HerderError::Elsewhere { url }) => self.ask_leader(&url, connector).await,
            answer => answer.map_err(failure_of),
        }
    }

    async fn is_current(&self, connector: &str, generation: Option<u64>) -> Result<bool, Failure> {
        let name = connector.to_owned();
        self.ask(|reply| Event::IsCurrent { name, generation, reply }).await.map_err(failure_of)
    }
}

impl ExactlyOnceSource {
    /// Whether fencing comes before offsets of this direction are changed.
    pub(super) fn fences(&self, kind: ConnectorType) -> bool {
        self.is_enabled() && kind == ConnectorType::Source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a round has to do after these entries: `n` configures so many tasks, `f` notes so many fenced.
    fn round(entries: &[(char, u32)]) -> Round {
        let name = || "c".to_owned();
        let mut cluster = ClusterState::default();
        cluster.apply(Entry::Connector { name: name(), config: Some(Default::default()) });
        for &(what, count) in entries {
            if what == 'f' {
                cluster.apply(Entry::Fencing { name: name(), tasks: Some(count) });
                continue;
            }
            for number in 0..count {
                cluster.apply(Entry::Task { name: name(), number, config: Some(Default::default()) });
            }
            cluster.apply(Entry::Commit { name: name(), tasks: Some(count) });
        }
        Round::of(&cluster, "c")
    }

    #[test]
    fn producers_are_fenced_once_for_each_set_of_tasks_that_comes_after_another_one() {
        assert_eq!(round(&[]), Round::Done);
        assert_eq!(round(&[('n', 3)]), Round::Note(3), "the first set");
        assert_eq!(round(&[('n', 3), ('f', 3)]), Round::Done);
        assert_eq!(round(&[('n', 3), ('f', 3), ('n', 2)]), Round::Fence(3, 2));
        assert_eq!(round(&[('n', 3), ('f', 3), ('n', 2), ('f', 2)]), Round::Done);
        // A successor of the same name shuts out the only producer there was.
        assert_eq!(round(&[('n', 1), ('f', 1), ('n', 1)]), Round::Note(1));
        assert_eq!(round(&[('n', 1), ('f', 1), ('n', 2)]), Round::Fence(1, 2));
        // A stopped connector has no tasks, whose producers may still write.
        assert_eq!(round(&[('n', 1), ('f', 1), ('n', 0)]), Round::Fence(1, 0));
        // Two sets without a round between them: no task of the second has begun.
        assert_eq!(round(&[('n', 3), ('f', 3), ('n', 5), ('n', 1)]), Round::Fence(3, 1));
    }
}
