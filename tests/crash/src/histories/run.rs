//! One history from beginning to end: topics, clients, faults, then quiet, a last look at everything, and the verdict.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use checker::{Action, Client, History, Isolation, Outcome, Partition, Report, Rules, What, check};
use millstream_client::{
    Admin, AdminConfig, Cluster, TcpDial,
    admin::{NewTopic, OffsetSpec},
    config::IsolationLevel,
};
use millstream_record::{ErrorChain, TopicName};
use rand::{SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinSet};

use super::{
    Settings,
    faults::{Faults, disturb},
    hands::{Hands, Layout, Membership, Setup},
    proxy::Proxy,
    target::Target,
    workload::{Common, Role, Victims, Worker},
};

/// How long anything that has to come may take, once nothing disturbs any more.
const QUIET: Duration = Duration::from_secs(90);

/// A history and what was found in it.
#[derive(Debug)]
pub struct Finding {
    /// Everything that clients did.
    pub history: History,
    /// What the checker says.
    pub report: Report,
    /// What was done to them.
    pub faults: Faults,
    /// Why actions failed, and how often.
    pub troubles: BTreeMap<String, usize>,
    /// Clients that are there to read and were given nothing.
    pub idle: BTreeSet<u32>,
}

/// Topics by their partitions: where everybody writes, what a group copies, what one client copies, and the copies.
const TOPICS: [(&str, i32); 4] = [("plain", 2), ("source", 2), ("fixed", 1), ("copies", 2)];

/// Makes one history with a broker that has been started, by clients that reach it through the proxy alone.
///
/// # Errors
///
/// Something did not come to an end: what, and the history so far.
///
/// # Panics
///
/// The broker does not start again.
pub async fn run(target: &mut Target, proxy: &Proxy, settings: Settings) -> Result<Finding, Box<(String, History)>> {
    let mut dice = StdRng::seed_from_u64(settings.seed);
    let address = format!("127.0.0.1:{}", proxy.port);
    let admin = admin(&address);
    let layout = Arc::new(layout(settings.seed));
    create_topics(&admin, settings.seed).await;
    let numbers = |topic: &str| {
        let name = format!("{topic}-{}", settings.seed);
        let of_topic = layout.0.iter().enumerate().filter(|(_, (known, _))| known.as_str() == name);
        of_topic.map(|(number, _)| Partition(number as u32)).collect::<Vec<_>>()
    };
    let (source, fixed) = (numbers("source"), numbers("fixed"));
    let common = Arc::new(Common {
        recorder: Default::default(),
        victims: Victims::default(),
        writable: [numbers("plain"), source.clone(), fixed.clone()].concat(),
        copies: numbers("copies"),
        all: (0..layout.0.len() as u32).map(Partition).collect(),
        next_value: AtomicU64::new(1),
        progress: AtomicU64::new(0),
        troubles: Mutex::default(),
    });
    let (stop_writers, writers_stop) = watch::channel(false);
    let (stop_copiers, copiers_stop) = watch::channel(false);
    let (mut writers, mut copiers) = (JoinSet::new(), JoinSet::new());
    let members = format!("members-{}", settings.seed);
    let fixed_group = format!("fixed-{}", settings.seed);
    for (number, (role, isolation, foreign)) in CAST.into_iter().enumerate() {
        let number = number as u32 + 1;
        let membership = match (role, number) {
            (Role::Member, _) => Membership::Member(format!("readers-{}", settings.seed), common.writable.clone()),
            (Role::Copier, FIXED_COPIER) => Membership::Fixed(fixed_group.clone(), fixed.clone()),
            (Role::Copier, _) => Membership::Member(members.clone(), source.clone()),
            _ => Membership::None,
        };
        let transactional = matches!(role, Role::Transactor | Role::Copier);
        let setup = Setup {
            address: address.clone(),
            layout: Arc::clone(&layout),
            isolation,
            membership,
            // In every other history one group has members of both protocols.
            consumer_protocol: role == Role::Member && settings.seed % 2 == 1,
            transactional_id: transactional.then(|| format!("transactor-{}-{number}", settings.seed)),
            transaction_timeout_ms: 4000,
            delivery_timeout_ms: 8000,
        };
        let (foreign, dice) =
            (settings.foreign.filter(|_| foreign), StdRng::seed_from_u64(settings.seed << 8 | u64::from(number)));
        let stop = if role == Role::Copier { copiers_stop.clone() } else { writers_stop.clone() };
        let worker = Worker::new(number, role, setup, foreign, dice, Arc::clone(&common), stop);
        let set = if role == Role::Copier { &mut copiers } else { &mut writers };
        set.spawn(worker.run());
    }

    let faults = disturb(&mut dice, settings, target, proxy, &common).await;

    let end = Ending { admin, address, layout: Arc::clone(&layout), common: Arc::clone(&common) };
    let ended = async {
        stop_writers.send_replace(true);
        all_end("writers and readers", &mut writers).await?;
        let sources = [source.clone(), fixed.clone()].concat();
        end.no_transaction_is_open(&sources).await?;
        let last = end.read(900, Isolation::Committed, &sources).await?;
        end.is_copied(&[(&members, &source), (&fixed_group, &fixed)], &last).await?;
        stop_copiers.send_replace(true);
        all_end("copiers", &mut copiers).await?;
        end.no_transaction_is_open(&common.all).await?;
        end.read(901, Isolation::Committed, &common.all).await?;
        end.read(902, Isolation::Uncommitted, &common.all).await?;
        Ok::<_, String>(sources)
    };
    let ended = ended.await;
    let history = common.recorder.take();
    let sources = match ended {
        Ok(sources) => sources,
        Err(reason) => return Err(Box::new((reason, history))),
    };
    let rules = Rules { copied: sources.into_iter().collect::<BTreeSet<_>>() };
    let report = check(&history, &rules).map_err(|error| Box::new((error.to_string(), history.clone())))?;
    let troubles = std::mem::take(&mut *common.troubles.lock().unwrap_or_else(PoisonError::into_inner));
    let readers = (1..).zip(CAST).filter(|(_, (role, ..))| *role != Role::Sender).map(|(number, _)| number);
    let mut idle: BTreeSet<u32> = readers.collect();
    for event in &history.0 {
        if matches!(&event.what, What::Returned(Outcome::Polled(polled)) if !polled.records.is_empty()) {
            idle.remove(&event.client.0);
        }
    }
    Ok(Finding { history, report, faults, troubles, idle })
}

/// Who takes part: role, what it sees, and whether it may be a foreign client.
const CAST: [(Role, Isolation, bool); 12] = [
    (Role::Sender, Isolation::Committed, false),
    (Role::Sender, Isolation::Committed, true),
    (Role::Transactor, Isolation::Committed, false),
    (Role::Transactor, Isolation::Committed, true),
    (Role::Transactor, Isolation::Uncommitted, false),
    (Role::Reader, Isolation::Committed, true),
    (Role::Reader, Isolation::Uncommitted, false),
    (Role::Member, Isolation::Committed, false),
    (Role::Member, Isolation::Committed, true),
    (Role::Copier, Isolation::Committed, false),
    (Role::Copier, Isolation::Committed, true),
    (Role::Copier, Isolation::Committed, false),
];

/// Clients that are there to read, of those that may be foreign.
pub fn foreign_readers() -> Vec<u32> {
    let reads = |role| matches!(role, Role::Reader | Role::Member | Role::Copier);
    let foreign = (1..).zip(CAST).filter(|(_, (role, _, foreign))| *foreign && reads(*role));
    foreign.map(|(number, _)| number).collect()
}

/// The client that copies one partition of its own.
const FIXED_COPIER: u32 = 12;

fn layout(seed: u64) -> Layout {
    let name = |topic: &str| TopicName::parse(&format!("{topic}-{seed}")).expect("a name");
    Layout(TOPICS.iter().flat_map(|(topic, count)| (0..*count).map(move |index| (name(topic), index))).collect())
}

fn admin(address: &str) -> Admin {
    let properties =
        [("bootstrap.servers", address), ("reconnect.backoff.max.ms", "200"), ("request.timeout.ms", "5000")];
    let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    let config = AdminConfig::from_properties(&properties).expect("valid");
    Admin::new(&Cluster::connect(Arc::new(TcpDial), &config.bootstrap, config.connection.clone()), &config)
}

async fn create_topics(admin: &Admin, seed: u64) {
    for (topic, partitions) in TOPICS {
        let name = TopicName::parse(&format!("{topic}-{seed}")).expect("a name");
        let partitions = Some(partitions.unsigned_abs());
        let wanted = NewTopic { partitions, replication_factor: Some(1), ..NewTopic::new(name) };
        let made = admin.create_topics(&[wanted], false).await.expect("the broker answers");
        assert!(made.iter().all(|(_, made)| made.is_ok()), "{made:?}");
    }
}

async fn all_end(who: &str, set: &mut JoinSet<()>) -> Result<(), String> {
    let all = async {
        while let Some(ended) = set.join_next().await {
            ended.map_err(|error| format!("one of the {who} has failed: {error}"))?;
        }
        Ok(())
    };
    tokio::time::timeout(QUIET, all).await.map_err(|_| format!("{who} do not end"))?
}

/// What is done once nothing disturbs any more.
struct Ending {
    admin: Admin,
    address: String,
    layout: Arc<Layout>,
    common: Arc<Common>,
}

impl Ending {
    async fn ends(&self, partitions: &[Partition], isolation: IsolationLevel) -> Result<Vec<i64>, String> {
        let asked: Vec<_> = partitions.iter().map(|it| self.layout.place(*it)).collect();
        let asked: Vec<_> = asked.into_iter().map(|(topic, index)| (topic, index, OffsetSpec::Latest)).collect();
        let found = self.admin.list_offsets(&asked, isolation).await.map_err(|error| ErrorChain(&error).to_string())?;
        Ok(asked.iter().map(|(topic, index, _)| found[&(topic.clone(), *index)].offset.unwrap_or(0)).collect())
    }

    /// What clients have left open runs out.
    async fn no_transaction_is_open(&self, partitions: &[Partition]) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let stable = self.ends(partitions, IsolationLevel::ReadCommitted).await?;
            let all = self.ends(partitions, IsolationLevel::ReadUncommitted).await?;
            if stable == all {
                return Ok(());
            }
            if QUIET < begin.elapsed() {
                return Err(format!("transactions stay open: {stable:?} of {all:?} in {partitions:?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Reads partitions to their ends. The offset of the last record of each.
    async fn read(
        &self,
        client: u32,
        isolation: Isolation,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, i64>, String> {
        let ends = self.ends(partitions, IsolationLevel::ReadUncommitted).await?;
        let setup = Setup {
            address: self.address.clone(),
            layout: Arc::clone(&self.layout),
            isolation,
            membership: Membership::None,
            consumer_protocol: false,
            transactional_id: None,
            transaction_timeout_ms: 4000,
            delivery_timeout_ms: 8000,
        };
        let mut hands = Hands::new(setup, None);
        let (client, recorder) = (Client(client), &self.common.recorder);
        let mut last = BTreeMap::new();
        for action in [Action::Open(isolation), Action::Assign(partitions.to_vec())] {
            recorder.call(client, &action);
            let (outcome, _) = hands.perform(&action).await;
            recorder.answer(client, outcome);
        }
        let begin = Instant::now();
        loop {
            recorder.call(client, &Action::Poll);
            let (outcome, reason) = hands.perform(&Action::Poll).await;
            if let Outcome::Polled(polled) = &outcome {
                last.extend(polled.records.iter().map(|(partition, offset, _)| (*partition, offset.0)));
            }
            recorder.answer(client, outcome);
            let mut missing = Vec::new();
            for (partition, end) in partitions.iter().zip(&ends) {
                let position = hands.position(*partition).await?;
                if position < *end {
                    missing.push((*partition, position, *end));
                }
            }
            if missing.is_empty() {
                return Ok(last);
            }
            if QUIET < begin.elapsed() {
                return Err(format!("not read to the end: {missing:?} {reason}"));
            }
        }
    }

    /// Waits until groups are past the last record of their partitions.
    async fn is_copied(
        &self,
        groups: &[(&String, &Vec<Partition>)],
        last: &BTreeMap<Partition, i64>,
    ) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let mut behind = Vec::new();
            for (group, partitions) in groups {
                let offsets =
                    self.admin.list_group_offsets(group, None).await.map_err(|error| ErrorChain(&error).to_string())?;
                for partition in partitions.iter() {
                    let committed = offsets.get(&self.layout.place(*partition)).map_or(-1, |known| known.offset);
                    if last.get(partition).is_some_and(|last| committed <= *last) {
                        behind.push((*partition, committed, last[partition]));
                    }
                }
            }
            if behind.is_empty() {
                return Ok(());
            }
            if QUIET < begin.elapsed() {
                return Err(format!("not everything is copied: {behind:?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
