//! Trouble with topics in which a worker keeps its state: records and answers that get lost or come late, brokers that are
//! away for a while.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_record::TopicName;
use millstream_runtime::{
    config_log::{ConfigLog, TopicConfigLog},
    kafka::LogTopic,
    status::{MemoryStatusStore, StatusStore, TopicStatusStore},
    topic_log::TopicLog,
};

use crate::{World, config_log::TroubledLog, fakes::topic::TopicFaults, lockstep::process, plan::Fault};

/// Longest absence of the brokers: shorter than what a change may take.
const AWAY_MS: u64 = 20_000;

/// The topic of what users change.
const CONFIGS: &str = "configs";

/// The records of a worker in a world.
struct TroubledTopic(World);

impl TroubledTopic {
    fn fault(&self, fault: Fault) -> bool {
        let connector = self.0.state().plan.connectors[0].name.clone();
        self.0.numbered_fault(&connector, fault).is_some()
    }
}

impl TopicFaults for TroubledTopic {
    fn appends(&mut self, topic: &TopicName) {
        let mut state = self.0.state();
        let is_over = state.sessions.get(&process()).is_some_and(|session| !session.is_open());
        if topic.as_str() == CONFIGS && is_over {
            let text = format!("process {} changes the config log though its session is over", process());
            state.history.violated(text);
        }
    }

    fn lost(&mut self) -> bool {
        self.fault(Fault::RecordLost)
    }

    fn answer_lost(&mut self) -> bool {
        self.fault(Fault::RecordAnswerLost)
    }

    fn delay(&mut self) -> Duration {
        let ms = if self.fault(Fault::RecordDelayed) { self.0.state().rng.below(5_000) } else { 0 };
        Duration::from_millis(ms)
    }

    fn reads_late(&mut self, topic: &TopicName) -> Duration {
        let state = self.0.state();
        let late = if topic.as_str() == CONFIGS { state.reads_late.get(&process()).copied() } else { None };
        late.unwrap_or_default()
    }

    fn outlives(&self, topic: &TopicName, key: Option<&[u8]>) -> bool {
        let plan = Arc::clone(&self.0.state().plan);
        let of = [topic.as_str().as_bytes(), key.unwrap_or_default()].concat();
        plan.group.is_some() && plan.dice_of(u64::from(process()), &of).chance(500)
    }
}

fn topic(name: &str, partitions: u32) -> LogTopic {
    LogTopic {
        name: TopicName::parse(name).expect("a name of a topic"),
        key: "a.key",
        purpose: "anything",
        partitions: Some(partitions),
        replication_factor: Some(1),
        configs: BTreeMap::new(),
        single_partition: partitions == 1,
        may_create: true,
    }
}

impl World {
    /// Where a worker of this world keeps what users change, and statuses.
    pub(crate) async fn stores(&self) -> (Box<dyn ConfigLog>, Arc<dyn StatusStore>) {
        self.try_stores().await.expect("the brokers are there at first")
    }

    /// The same where the brokers may be away.
    ///
    /// # Errors
    ///
    /// They are.
    pub async fn try_stores(&self) -> Result<(Box<dyn ConfigLog>, Arc<dyn StatusStore>), String> {
        if !self.state().plan.in_topics {
            let log = self.state().log.worker(TroubledLog(self.clone()));
            return Ok((log, Arc::new(MemoryStatusStore::default())));
        }
        let topics = self.state().topics.clone();
        let plan = Arc::clone(&self.state().plan);
        for connector in &plan.connectors {
            // What a worker says of task configurations that it could not store, or not soon enough.
            for text in [
                "not acknowledged within",
                "has not come back from the config log within 30 seconds",
                "write as the leader of the group",
            ] {
                self.explains(&connector.name, text.to_owned());
            }
        }
        let world = self.clone();
        let (faults, leads) = (move || TroubledTopic(world.clone()), plan.exactly_once && plan.group.is_some());
        let clients = if leads { topics.clients_of_leader(faults) } else { topics.clients(faults) };
        let open = async |name, partitions| {
            let opened = TopicLog::open(Arc::clone(&clients), &topic(name, partitions)).await;
            opened.map_err(|error| error.to_string())
        };
        let log = TopicConfigLog::new(open(CONFIGS, 1).await?);
        let statuses = TopicStatusStore::start(open("statuses", 2).await?).await;
        Ok((Box::new(log), Arc::new(statuses.map_err(|failure| failure.message)?)))
    }

    /// Lets the brokers go and come back as long as there is trouble.
    pub async fn weather(self) {
        let topics = self.state().topics.clone();
        loop {
            self.sleep(10_000).await;
            let connector = self.state().plan.connectors[0].name.clone();
            if self.numbered_fault(&connector, Fault::BrokersAway).is_some() {
                topics.away(true);
                self.sleep(AWAY_MS).await;
                topics.away(false);
            }
        }
    }
}
